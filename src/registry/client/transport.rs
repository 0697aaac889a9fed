//! One question to a registry: asked, challenged, asked again with a login, and its errors put into words.

use std::sync::Arc;

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use url::Url;

use crate::http::client::{Answer, Call};
use crate::http::error::{Advice, HttpError};
use crate::registry::client::auth::Held;
use crate::registry::client::challenge::{self, Challenge};
use crate::registry::client::earlier::Validator;
use crate::registry::client::failure::{Failure, said};
use crate::registry::client::host::Scheme;
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
        // Whoever comes first asks alone; the others then know whether a login is wanted.
        let mut first = None;
        if matches!(host.scheme(), Scheme::Unknown) {
            first = Some(host.first.lock().await);
            if !matches!(host.scheme(), Scheme::Unknown) {
                first = None;
            }
        }
        let shown = match self.authorization(visit).await {
            // What is known is another image's challenge. If that leads nowhere, this image is asked for its own.
            Err(Failure::Realm { .. } | Failure::Token { .. }) => None,
            other => other?,
        };
        let answer = self.send(visit, question, earlier, shown.as_ref()).await;
        let challenged = matches!(&answer, Ok(answer) if answer.status == 401);
        if first.is_some() && !challenged {
            host.learn(Scheme::Open);
        }
        let answer = answer?;
        if !challenged {
            return Ok(answer);
        }
        let headers = answer.headers.get_all(WWW_AUTHENTICATE).iter();
        let challenge = challenge::choose(headers.filter_map(|value| value.to_str().ok()));
        let challenge = challenge.ok_or_else(|| Failure::Challenge { host: host.name.clone() })?;
        let scope = match &challenge {
            Challenge::Bearer { scope: Some(scope), .. } => scope.clone(),
            _ => format!("repository:{}:pull", visit.image.path()),
        };
        let challenge = Arc::new(challenge);
        drop(answer);
        // A user and a password are tried by whoever came first alone: a wrong one is shown by one image, not by all.
        let first = first.filter(|_| matches!(*challenge, Challenge::Basic));
        if first.is_none() {
            host.learn(Scheme::Challenged(Arc::clone(&challenge)));
        }
        let answer = self.ask_again(visit, question, earlier, (&challenge, &scope), shown.as_ref()).await;
        if first.is_some() {
            host.learn(Scheme::Challenged(challenge));
        }
        answer
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
            return Err(self.unwelcome(visit).await?);
        }
        let answer = self.send(visit, question, earlier, renewed.as_ref()).await?;
        if answer.status == 401 {
            self.judge_login(visit, challenge, renewed.as_ref()).await?;
            return Err(self.unwelcome(visit).await?);
        }
        Ok(answer)
    }

    pub(super) async fn send(
        &self,
        visit: &Visit<'_>,
        question: &Question,
        earlier: Option<&Validator>,
        authorization: Option<&HeaderValue>,
    ) -> Result<Answer, Failure> {
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
        self.exchange(visit, Kind::of(&question.method, &question.url), &call).await
    }

    async fn unwelcome(&self, visit: &Visit<'_>) -> Result<Failure, Failure> {
        let host = visit.host.name.clone();
        Ok(match self.credentials.find(&host).await? {
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
            let headers = answer.headers.clone();
            let body = answer.body(cap).whole().await;
            self.note(visit, body.as_ref().err());
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
        self.note(visit, None);
        let host = visit.host.name.clone();
        // The status alone tells what happened; an error body that cannot be read adds nothing to it.
        let body = answer.body(MAX_ERROR_BODY).whole().await.unwrap_or_default();
        let credential = self.credentials.find(&host).await;
        // One that cannot be had was not shown: what is wrong with it is told where it is needed.
        let credential = if status == 403 { credential? } else { credential.ok().flatten() };
        let mut secrets = visit.host.tokens.shown();
        secrets.extend(credential.iter().flat_map(|credential| credential.shown()));
        let said = said(&body, &secrets);
        Err(match status {
            403 => {
                let who = credential
                    .as_ref()
                    .map_or_else(|| "no login".to_owned(), |found| format!("login from {}", found.origin));
                let advice = credential.map_or("name credentials for the host", |found| found.advice);
                Failure::Forbidden { host, who, said, advice }
            }
            404 => Failure::NotFound { host, said },
            _ => Failure::Status { host, status, said },
        })
    }
}

/// Lets a first broken body pass, for another try; gives everything else back.
pub(super) fn once_more(broken: &mut Option<HttpError>, error: HttpError) -> Result<(), Failure> {
    if broken.is_none() && error.advice() == Advice::OnceMore {
        *broken = Some(error);
        return Ok(());
    }
    Err(error.into())
}
