//! One question to a registry: asked, challenged, asked again with a login, and its errors put into words.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use url::Url;

use crate::http::client::{Answer, Call};
use crate::http::error::{Advice, HttpError};
use crate::http::target::host_of;
use crate::registry::client::auth::{Held, Offer};
use crate::registry::client::challenge::{self, Challenge};
use crate::registry::client::earlier::Validator;
use crate::registry::client::failure::{Failure, said};
use crate::registry::client::host::{Host, Scheme, Whose};
use crate::registry::client::meter::Kind;
use crate::registry::client::{RegistryClient, Visit};

/// How much of an error body is read for its message.
const MAX_ERROR_BODY: u64 = 64 << 10;

/// A request below `/v2/`.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) accept: &'static str,
}

impl RegistryClient {
    /// Asks a question. A refused login is renewed once; statuses other than 401 are the caller's.
    pub(super) async fn ask(&self, visit: &Visit<'_>, question: &Question) -> Result<Answer, Failure> {
        self.ask_unless(visit, question, None).await
    }

    /// Asks a question, to be answered with 304 where what came with the validator still holds.
    pub(super) async fn ask_unless(
        &self,
        visit: &Visit<'_>,
        question: &Question,
        earlier: Option<&Validator>,
    ) -> Result<Answer, Failure> {
        let host = visit.host;
        if let Some(images) = host.tokens.futile()
            && let Some(credential) = self.credentials.find(&host.name, visit.image.path()).await?
            && host.tokens.is_proven(&credential)
        {
            return Err(Failure::Futile { host: host.name.clone(), origin: credential.origin.clone(), images });
        }
        // Whoever comes first asks alone; the others then know whether a login is wanted.
        let mut first = None;
        if matches!(host.scheme(), Scheme::Unknown) {
            first = Some(host.first.lock().await);
            if !matches!(host.scheme(), Scheme::Unknown) {
                first = None;
            }
        }
        let (shown, mut tried) = match self.authorization(visit).await? {
            Offer::Shown(header) => (header, None),
            // What is known is another image's challenge. If that leads nowhere, this image is asked for its own.
            Offer::Useless(tried) => (None, tried),
        };
        let answer = self.send(visit, question, earlier, shown.as_ref()).await;
        let challenged = matches!(&answer, Ok(answer) if answer.status == 401);
        if first.is_some() && !challenged {
            host.learn(Scheme::Open);
        }
        let answer = answer?;
        if !challenged {
            if shown.is_some() {
                host.tokens.taken();
            }
            let is_hidden = shown.is_none() && matches!(answer.status.as_u16(), 403 | 404);
            if is_hidden && let Some(tried) = tried.take() {
                return match tried.failure {
                    failure @ (Failure::Refused { .. } | Failure::RefusedHere { .. }) => Err(failure),
                    _ => Ok(answer),
                };
            }
            // Some registries hide what is not for everybody instead of asking for a login.
            if is_hidden {
                drop(first);
                return match self.asked_at_root(visit).await? {
                    None => Ok(answer),
                    Some(challenge) => {
                        drop(answer);
                        let scope = host.tokens.scope_for(challenge.scope(), visit.image.path());
                        host.learn(Scheme::Challenged(Arc::clone(&challenge)));
                        self.ask_again(visit, question, earlier, (&challenge, &scope), None).await
                    }
                };
            }
            return Ok(answer);
        }
        let Some(challenge) = self.challenge_of(host, &answer) else {
            drop(answer);
            // Gateways before registries refuse a token without saying what they want. That is known where one was shown.
            let known = shown.as_ref().and_then(|_| host.challenge_for(visit.image.path()));
            let Some((challenge, _)) = known else { return Err(Failure::Challenge { host: host.name.clone() }) };
            let scope = host.tokens.scope_for(challenge.scope(), visit.image.path());
            return self.ask_again(visit, question, earlier, (&challenge, &scope), shown.as_ref()).await;
        };
        let scope = match &challenge {
            Challenge::Bearer { scope: Some(scope), .. } => scope.clone(),
            _ => format!("repository:{}:pull", visit.image.path()),
        };
        let challenge = Arc::new(challenge);
        drop(answer);
        // What the token server has just said, to the same question, is not asked for again. An image for which there is
        // no token costs this one request more, until the process ends: it is needed to see whose realm it was.
        if let Some(tried) = tried.take_if(|tried| tried.is(&challenge, &scope)) {
            host.challenged(visit.image.path(), &challenge);
            host.keeps_own(visit.image.path(), &challenge);
            return Err(tried.failure);
        }
        // A login is tried by whoever came first alone: a wrong one is shown by one image, not by all; and a right one is
        // then known to be, so that others take it to where this one was sent.
        let is_login = self.credentials.find(&host.name, visit.image.path()).await.is_ok_and(|found| found.is_some());
        let first = first.filter(|_| is_login || matches!(*challenge, Challenge::Basic));
        if first.is_none() {
            host.challenged(visit.image.path(), &challenge);
        }
        let answer = self.ask_again(visit, question, earlier, (&challenge, &scope), shown.as_ref()).await;
        if first.is_some() {
            host.challenged(visit.image.path(), &challenge);
        }
        answer
    }

    fn challenge_of(&self, host: &Host, answer: &Answer) -> Option<Challenge> {
        let headers: Vec<String> = answer.headers.get_all(WWW_AUTHENTICATE).iter().map(text_of).collect();
        challenge::choose(headers.iter().map(String::as_str), |realm| self.is_usable(host, realm))
    }

    /// Returns the challenge at the root of the protocol, for an image that was refused without one although there is a
    /// login that was not shown. It is asked for once, and a registry that gives none there asks for no login.
    async fn asked_at_root(&self, visit: &Visit<'_>) -> Result<Option<Arc<Challenge>>, Failure> {
        let host = visit.host;
        if self.credentials.find(&host.name, visit.image.path()).await?.is_none() {
            return Ok(None);
        }
        let ask = async || {
            let mut url = host.origin.clone();
            url.set_path("/v2/");
            let root = Question { method: Method::GET, url, accept: "application/json" };
            let answer = match self.send(visit, &root, None, None).await {
                // What stands there is another host's: this one asks for nothing.
                Err(Failure::LoginElsewhere { .. }) => return Ok(None),
                other => other?,
            };
            self.note(visit, None);
            let challenge = (answer.status == 401).then(|| self.challenge_of(host, &answer)).flatten();
            if let Some(challenge @ Challenge::Basic) = &challenge {
                // A wrong password is shown here alone, and not by each image that waits.
                let header = self.answer_challenge(visit, challenge, "", Held::Serves(Whose::Own)).await?;
                self.judge_login(visit, challenge, header.as_ref()).await?;
            }
            Ok::<_, Failure>(challenge.map(Arc::new))
        };
        host.root.get_or_try_init(ask).await.cloned()
    }

    /// Asks once more, with the answer to a challenge.
    async fn ask_again(
        &self,
        visit: &Visit<'_>,
        question: &Question,
        earlier: Option<&Validator>,
        (challenge, scope): (&Challenge, &str),
        shown: Option<&HeaderValue>,
    ) -> Result<Answer, Failure> {
        let renewed = self.answer_challenge(visit, challenge, scope, Held::Refused(shown)).await?;
        // Basic credentials that were just refused will be refused again: asking twice only locks accounts.
        if renewed.is_none() || (renewed.as_ref() == shown && matches!(challenge, Challenge::Basic)) {
            self.judge_login(visit, challenge, shown).await?;
            return Err(self.unwelcome(visit, challenge).await?);
        }
        let answer = self.send(visit, question, earlier, renewed.as_ref()).await?;
        if answer.status == 401 {
            self.judge_login(visit, challenge, renewed.as_ref()).await?;
            return Err(self.unwelcome(visit, challenge).await?);
        }
        visit.host.tokens.taken();
        Ok(answer)
    }

    /// Sends a question once. A login that another host asks for, to which this one redirects, is an error of that place
    /// and never a challenge: it would name where this host's login goes.
    pub(super) async fn send(
        &self,
        visit: &Visit<'_>,
        question: &Question,
        earlier: Option<&Validator>,
        authorization: Option<&HeaderValue>,
    ) -> Result<Answer, Failure> {
        visit.with_login.store(authorization.is_some(), Ordering::Relaxed);
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static(question.accept));
        headers.extend(earlier.and_then(Validator::header));
        if let Some(authorization) = authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        let call = Call {
            method: question.method.clone(),
            url: question.url.clone(),
            headers,
            body: None,
            deadline: visit.deadline,
            retry: self.limits.retry,
            plain: visit.host.plain,
        };
        let answer = self.exchange(visit, Kind::of(&question.method, &question.url), &call).await?;
        if answer.status == 401 && answer.is_elsewhere {
            self.note(visit, None);
            return Err(Failure::LoginElsewhere { host: visit.host.name.clone(), place: host_of(&answer.url) });
        }
        Ok(answer)
    }

    async fn unwelcome(&self, visit: &Visit<'_>, challenge: &Challenge) -> Result<Failure, Failure> {
        let (host, tokens) = (visit.host.name.clone(), &visit.host.tokens);
        Ok(match self.credentials.find(&host, visit.image.path()).await? {
            // It was taken, here or by the login server: logging in anew would change nothing.
            Some(credential) if tokens.is_proven(&credential) => {
                if matches!(challenge, Challenge::Bearer { .. })
                    && let Some(images) = tokens.not_taken(visit.image.path())
                {
                    tracing::warn!(
                        host,
                        images,
                        credentials = credential.origin,
                        "the registry refuses the tokens of its own login server; it is left alone for a minute"
                    );
                }
                Failure::NotForIt { host, origin: credential.origin.clone() }
            }
            Some(credential) => Failure::refused(&host, &credential),
            None => Failure::NoCredentials { host },
        })
    }

    /// Asks and reads the whole body; one that breaks off is asked for once more.
    pub(super) async fn ask_whole(
        &self,
        visit: &Visit<'_>,
        question: &Question,
        cap: u64,
    ) -> Result<(HeaderMap, Bytes), Failure> {
        let mut broken = None;
        loop {
            let answer = self.successful(visit, self.ask(visit, question).await?).await?;
            let (headers, is_elsewhere) = (answer.headers.clone(), answer.is_elsewhere);
            let body = answer.body(cap).whole().await;
            // What another host breaks off, to which this one redirects, is not its fault.
            self.note(visit, body.as_ref().err().filter(|_| !is_elsewhere));
            match body {
                Ok(body) => return Ok((headers, body)),
                Err(error) => once_more(&mut broken, error)?,
            }
        }
    }

    /// Passes a success on and turns every other status into words.
    pub(super) async fn successful(&self, visit: &Visit<'_>, answer: Answer) -> Result<Answer, Failure> {
        let status = answer.status.as_u16();
        if status == 200 {
            return Ok(answer);
        }
        let host = visit.host.name.clone();
        let is_elsewhere = answer.is_elsewhere;
        // The status alone tells what happened; an error body that cannot be read adds nothing to it, but that it keeps
        // one waiting.
        let body = answer.body(MAX_ERROR_BODY).whole().await;
        self.note(visit, body.as_ref().err().filter(|_| !is_elsewhere));
        let body = body.unwrap_or_default();
        let credential = self.credentials.find(&host, visit.image.path()).await;
        // One that cannot be had was not shown: what is wrong with it is told where it is needed.
        let credential = if status == 403 { credential? } else { credential.ok().flatten() };
        let said = said(&body, &visit.host.tokens.shown());
        let was_shown = visit.with_login.load(Ordering::Relaxed);
        Err(match status {
            403 => {
                let (who, advice) = match credential {
                    None => ("no login".to_owned(), "name credentials for the host"),
                    Some(found) if was_shown => (format!("login from {}", found.origin), found.advice),
                    Some(found) => {
                        let who =
                            format!("no login: it asks for none, so that the one from {} was not shown", found.origin);
                        (who, "see why the registry asks for no login")
                    }
                };
                Failure::Forbidden { host, who, said, advice }
            }
            404 => Failure::NotFound { host, said },
            _ => Failure::Status { host, status, said },
        })
    }
}

/// Returns a header's text. Realms are named in any language, in UTF-8 or, as HTTP began, in Latin-1.
fn text_of(value: &HeaderValue) -> String {
    let bytes = value.as_bytes();
    std::str::from_utf8(bytes).map_or_else(|_latin| bytes.iter().copied().map(char::from).collect(), str::to_owned)
}

/// Lets a first broken body pass, for another try; gives everything else back.
pub(super) fn once_more(broken: &mut Option<HttpError>, error: HttpError) -> Result<(), Failure> {
    if broken.is_none() && error.advice() == Advice::OnceMore {
        *broken = Some(error);
        return Ok(());
    }
    Err(error.into())
}
