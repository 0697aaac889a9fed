//! Answers to challenges: which `Authorization` goes with a request. Tokens that are held serve before new ones.
//!
//! A secret goes to the host it is configured for, and to the realm that this host names, over TLS.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

use crate::http::target::host_of;
use crate::registry::client::challenge::Challenge;
use crate::registry::client::failure::Failure;
use crate::registry::client::host::{Host, Whose};
use crate::registry::client::realm::{NoToken, Realm};
use crate::registry::client::tokens::Token;
use crate::registry::client::transport::Question;
use crate::registry::client::{RegistryClient, Visit};
use crate::registry::credentials::{Credential, Secret};

/// Whether a token that is held may serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Held<'a> {
    /// It may; and whose challenge it is that is answered.
    Serves(Whose),
    /// Not this one: the registry has just refused it.
    Refused(Option<&'a HeaderValue>),
}

/// What goes with a request before the registry has said what this image wants.
pub(super) enum Offer {
    /// This.
    Shown(Option<HeaderValue>),
    /// Nothing: what is known of other images led nowhere, or must not be tried with a login that was never right. The
    /// image's own challenge decides.
    Useless(Option<Tried>),
}

/// A token server that was asked in vain.
pub(super) struct Tried {
    challenge: Arc<Challenge>,
    scope: String,
    pub(super) failure: Failure,
}

impl Tried {
    /// Whether this is what a challenge asks for: then its failure is the answer.
    pub(super) fn is(&self, challenge: &Challenge, scope: &str) -> bool {
        self.challenge.is_same_place(challenge) && self.scope == scope
    }
}

/// Why a challenge has no answer.
pub(super) enum Unanswered {
    /// For a reason that stands.
    Failed(Failure),
    /// It was another image's challenge, and the failure says nothing of this image or of the login.
    Others { failure: Failure, is_final_at_its_realm: bool },
    /// It was another image's challenge, and the login was never right: it goes where the image's own sends it.
    Unproven,
}

impl<F: Into<Failure>> From<F> for Unanswered {
    fn from(failure: F) -> Self {
        Self::Failed(failure.into())
    }
}

impl RegistryClient {
    /// Returns the header that a request needs, as far as the host has said what it wants.
    pub(super) async fn authorization(&self, visit: &Visit<'_>) -> Result<Offer, Failure> {
        let Some((challenge, whose)) = visit.host.challenge_for(visit.image.path()) else {
            return Ok(Offer::Shown(None));
        };
        // The scope of another image's challenge is not this one's.
        let scope = visit.host.tokens.scope_for(challenge.scope(), visit.image.path());
        let (failure, is_final) = match self.answer(visit, &challenge, &scope, Held::Serves(whose)).await {
            Ok(header) => return Ok(Offer::Shown(header)),
            Err(Unanswered::Unproven) => return Ok(Offer::Useless(None)),
            Err(Unanswered::Others { failure, is_final_at_its_realm }) => (failure, is_final_at_its_realm),
            Err(Unanswered::Failed(failure @ (Failure::Realm { .. } | Failure::Token { .. }))) => (failure, true),
            Err(Unanswered::Failed(failure)) => return Err(failure),
        };
        Ok(Offer::Useless(is_final.then_some(Tried { challenge, scope, failure })))
    }

    /// Returns the header that answers an image's own challenge; `None` when there is nothing to answer with.
    pub(super) async fn answer_challenge(
        &self,
        visit: &Visit<'_>,
        challenge: &Challenge,
        scope: &str,
        held: Held<'_>,
    ) -> Result<Option<HeaderValue>, Failure> {
        self.answer(visit, challenge, scope, held).await.map_err(|unanswered| match unanswered {
            Unanswered::Failed(failure) | Unanswered::Others { failure, .. } => failure,
            Unanswered::Unproven => Failure::Challenge { host: visit.host.name.clone() },
        })
    }

    async fn answer(
        &self,
        visit: &Visit<'_>,
        challenge: &Challenge,
        scope: &str,
        held: Held<'_>,
    ) -> Result<Option<HeaderValue>, Unanswered> {
        let host = visit.host;
        let mut credential = self.credentials.find(&host.name, visit.image.path()).await?;
        loop {
            credential.iter().for_each(|login| host.tokens.show(login));
            let header = match (challenge, credential.as_deref().map(|credential| &credential.secret)) {
                (Challenge::Basic, None) => return Ok(None),
                (Challenge::Basic, Some(Secret::Password { user, password })) => {
                    if let Some(refused) = credential.as_deref().filter(|found| host.tokens.was_just_refused(found)) {
                        return Err(Failure::refused(&host.name, refused).into());
                    }
                    basic(user, password)
                }
                (Challenge::Basic, Some(Secret::Identity(_) | Secret::Bearer(_))) => {
                    let origin = credential.map(|credential| credential.origin.clone()).unwrap_or_default();
                    return Err(Failure::WantsPassword { host: host.name.clone(), origin }.into());
                }
                (Challenge::Bearer { .. }, Some(Secret::Bearer(token))) => bearer(host, token)?,
                (Challenge::Bearer { realm, service, .. }, _) => {
                    let realm = Realm { realm, service: service.as_deref() };
                    return self.token(visit, &realm, scope, credential, held).await.map(Some);
                }
            };
            // What was just refused is shown again only if a newer one can be had.
            let Some(refused) = credential.filter(|_| held == Held::Refused(Some(&header))) else {
                return Ok(Some(header));
            };
            credential = self.credentials.renew(&host.name, visit.image.path(), &refused).await?;
            if credential.as_ref().is_some_and(|credential| credential.is_same_secret(&refused)) {
                return Ok(Some(header));
            }
        }
    }

    /// Finds out whether a user and a password are wrong, or whether one repository alone is not for them: some
    /// registries say 401 to both. Wrong ones are not shown again for a minute.
    pub(super) async fn judge_login(
        &self,
        visit: &Visit<'_>,
        challenge: &Challenge,
        shown: Option<&HeaderValue>,
    ) -> Result<(), Failure> {
        let host = visit.host;
        let (Challenge::Basic, Some(shown)) = (challenge, shown) else { return Ok(()) };
        let _first = host.tokens.first.lock().await;
        let Some(credential) = self.credentials.find(&host.name, visit.image.path()).await? else { return Ok(()) };
        if host.tokens.was_just_refused(&credential) || host.tokens.is_proven(&credential) {
            return Ok(());
        }
        // The root of the protocol is there to check a login (OCI distribution specification, section "Determining
        // Support").
        let mut url = host.origin.clone();
        url.set_path("/v2/");
        let root = Question { method: Method::GET, url, accept: "application/json" };
        match self.send(visit, &root, None, Some(shown)).await {
            // What another host says, which was not shown the login, is nothing about it.
            Err(Failure::LoginElsewhere { .. }) => {}
            Err(failure) => return Err(failure),
            Ok(answer) if answer.is_elsewhere => {}
            Ok(answer) => match answer.status.as_u16() {
                401 => host.tokens.remember_refused(credential),
                200 => host.tokens.prove(&credential),
                _ => {}
            },
        }
        Ok(())
    }

    /// Returns the header with a scope's token: the one that is held, or a new one.
    async fn token(
        &self,
        visit: &Visit<'_>,
        realm: &Realm<'_>,
        scope: &str,
        mut credential: Option<Arc<Credential>>,
        held: Held<'_>,
    ) -> Result<HeaderValue, Unanswered> {
        let (host, tokens) = (visit.host, &visit.host.tokens);
        let scope = match held {
            Held::Serves(_) => scope.to_owned(),
            Held::Refused(_) => tokens.widened(scope, visit.image.path()),
        };
        let slot = tokens.slot(&scope);
        let mut slot = slot.lock().await;
        for token in slot.clone().into_iter().chain(tokens.shared()) {
            let header = bearer(host, &token.value)?;
            if held == Held::Refused(Some(&header)) {
                tokens.share_no_more(&token);
            } else if token.serves(credential.as_deref()) {
                return Ok(header);
            }
        }
        // A login is tried by one request alone until it has once been right: a wrong one is shown once, not by fifty.
        let first = match &credential {
            Some(credential) if !tokens.is_proven(credential) => Some(tokens.first.lock().await),
            _ => None,
        };
        if let Some(credential) = &credential
            && tokens.was_just_refused(credential)
        {
            return Err(Failure::refused(&host.name, credential).into());
        }
        let is_others = held == Held::Serves(Whose::Others);
        if is_others && credential.as_ref().is_some_and(|credential| !tokens.is_proven_place(credential)) {
            return Err(Unanswered::Unproven);
        }
        let mut fetched = self.fetch_token(visit, realm, &scope, credential.as_deref()).await;
        if let (Err(NoToken { is_login_wrong: true, .. }), Some(refused)) = (&fetched, credential.as_ref())
            && !is_others
        {
            let newer = self.credentials.renew(&host.name, visit.image.path(), refused).await?;
            newer.iter().for_each(|login| tokens.show(login));
            if newer.as_ref().is_none_or(|newer| !newer.is_same_secret(refused)) {
                credential = newer;
                fetched = self.fetch_token(visit, realm, &scope, credential.as_deref()).await;
            }
        }
        let (value, until) = match fetched {
            Ok(fetched) => fetched,
            Err(NoToken { failure, is_login_wrong }) if is_others && is_about_image(&failure) => {
                // A login that would be wrong at its own place, too, is asked for anew there.
                return Err(Unanswered::Others { failure, is_final_at_its_realm: !is_login_wrong });
            }
            Err(NoToken { failure, is_login_wrong }) => {
                let is_doubted = |credential: &Arc<Credential>| {
                    matches!(failure, Failure::RefusedHere { .. })
                        && !tokens.is_proven(credential)
                        && tokens.doubt(credential, &scope)
                };
                if let Some(credential) = credential.filter(|credential| is_login_wrong || is_doubted(credential)) {
                    tokens.remember_refused(credential);
                }
                return Err(failure.into());
            }
        };
        let header = bearer(host, &value)?;
        let token = Token { value, until, credential };
        tokens.remember(&scope, &token);
        *slot = Some(token);
        drop(first);
        Ok(header)
    }
}

/// Whether a token server has answered, and said no: at another image's realm, that says nothing.
fn is_about_image(failure: &Failure) -> bool {
    matches!(
        failure,
        Failure::Realm { .. }
            | Failure::Token { .. }
            | Failure::NoCredentials { .. }
            | Failure::Refused { .. }
            | Failure::RefusedHere { .. }
    )
}

pub(super) fn basic(user: &str, password: &SecretString) -> HeaderValue {
    let pair = STANDARD.encode(format!("{user}:{}", password.expose_secret()));
    let mut value = HeaderValue::from_str(&format!("Basic {pair}")).expect("Base64 fits into a header");
    value.set_sensitive(true);
    value
}

fn bearer(host: &Host, token: &SecretString) -> Result<HeaderValue, Failure> {
    let value = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret()));
    let mut value = value.map_err(|_not_a_header| Failure::Token {
        host: host.name.clone(),
        realm: host_of(&host.origin),
        reason: "it holds characters that no header may".to_owned(),
    })?;
    value.set_sensitive(true);
    Ok(value)
}
