//! Answers to challenges: which `Authorization` goes with a request, and the tokens that registries hand out.
//!
//! A secret goes to the host it is configured for, and to the realm that this host names, over TLS.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::time::Instant;
use url::Url;
use url::form_urlencoded::Serializer;

use crate::http::client::{Answer, Call, PlainHttp};
use crate::http::target::{host_of, is_loopback};
use crate::model::image::shorten;
use crate::registry::client::challenge::Challenge;
use crate::registry::client::failure::{Failure, said};
use crate::registry::client::host::{Host, Scheme};
use crate::registry::client::meter::Kind;
use crate::registry::client::{RegistryClient, Visit};
use crate::registry::credentials::{Credential, Secret};

/// How long a token answer may be; real ones have some kilobytes.
const MAX_TOKEN_ANSWER: u64 = 256 << 10;

/// How long a token holds that does not say so, by the distribution project's token specification.
const DEFAULT_LIFE: u64 = 60;

/// A token, and when it stops to be used.
#[derive(Debug, Clone)]
pub(super) struct Token {
    value: SecretString,
    until: Instant,
}

/// A scope's token. Locked while it is being fetched, so that everybody waits for one request.
pub(super) type TokenSlot = tokio::sync::Mutex<Option<Token>>;

#[derive(Deserialize)]
struct RawToken {
    token: Option<SecretString>,
    access_token: Option<SecretString>,
    expires_in: Option<u64>,
}

/// Whether a token that is held may serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Held<'a> {
    /// It may.
    Serves,
    /// Not this one: the registry has just refused it.
    Refused(Option<&'a HeaderValue>),
}

impl RegistryClient {
    /// Returns the header that a request needs, as far as the host has said what it wants.
    pub(super) async fn authorization(&self, visit: &Visit<'_>) -> Result<Option<HeaderValue>, Failure> {
        match visit.host.scheme() {
            Scheme::Unknown | Scheme::Open => Ok(None),
            Scheme::Challenged(challenge) => {
                // The challenge was for another image: its scope is not this one's.
                let scope = format!("repository:{}:pull", visit.image.path());
                self.answer_challenge(visit, &challenge, &scope, Held::Serves).await
            }
        }
    }

    /// Returns the header that answers a challenge; `None` when there is nothing to answer with.
    pub(super) async fn answer_challenge(
        &self,
        visit: &Visit<'_>,
        challenge: &Challenge,
        scope: &str,
        held: Held<'_>,
    ) -> Result<Option<HeaderValue>, Failure> {
        let host = visit.host;
        let credential = self.credentials.find(&host.name).await?;
        let credential = credential.as_deref();
        match (challenge, credential.map(|credential| &credential.secret)) {
            (Challenge::Basic, Some(Secret::Password { user, password })) => Ok(Some(basic(user, password))),
            (Challenge::Basic, _) => Ok(None),
            (Challenge::Bearer { .. }, Some(Secret::Bearer(token))) => bearer(host, token).map(Some),
            (Challenge::Bearer { realm, service, .. }, _) => {
                let slot = host.token_slot(scope);
                let mut slot = slot.lock().await;
                if let Some(token) = slot.as_ref().filter(|token| Instant::now() < token.until) {
                    let header = bearer(host, &token.value)?;
                    if held != Held::Refused(Some(&header)) {
                        return Ok(Some(header));
                    }
                }
                let token = self.fetch_token(visit, realm, service.as_deref(), scope, credential).await?;
                let header = bearer(host, &token.value)?;
                *slot = Some(token);
                Ok(Some(header))
            }
        }
    }

    async fn fetch_token(
        &self,
        visit: &Visit<'_>,
        realm: &str,
        service: Option<&str>,
        scope: &str,
        credential: Option<&Credential>,
    ) -> Result<Token, Failure> {
        let host = visit.host;
        let refused = || Failure::Realm { host: host.name.clone(), realm: shorten(realm) };
        let mut url = Url::parse(realm).map_err(|_not_a_url| refused())?;
        let plain = protection(host, &url).ok_or_else(refused)?;
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let mut body = None;
        if let Some(Secret::Identity(token)) = credential.map(|credential| &credential.secret) {
            let mut form = Serializer::new(String::new());
            form.append_pair("grant_type", "refresh_token").append_pair("client_id", "tagboat");
            form.append_pair("service", service.unwrap_or(&host.name)).append_pair("scope", scope);
            form.append_pair("refresh_token", token.expose_secret());
            body = Some(SecretString::from(form.finish()));
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        } else {
            let mut query = url.query_pairs_mut();
            query.extend_pairs(service.map(|service| ("service", service)));
            query.extend_pairs(scope.split(' ').map(|scope| ("scope", scope)));
            drop(query);
            if let Some(Secret::Password { user, password }) = credential.map(|credential| &credential.secret) {
                headers.insert(AUTHORIZATION, basic(user, password));
            }
        }
        let method = if body.is_some() { Method::POST } else { Method::GET };
        let call = Call { method, url, headers, body, deadline: visit.deadline, retry: self.limits.retry, plain };
        let answer = self.exchange(visit, Kind::Token, &call).await?;
        read_token(host, &call.url, answer, credential).await
    }
}

/// Decides whether logins may go to a realm, and how; `None` when a secret would travel unprotected.
fn protection(host: &Host, realm: &Url) -> Option<PlainHttp> {
    let own = realm.host() == host.origin.host();
    match realm.scheme() {
        "https" => Some(PlainHttp::Loopback),
        "http" if is_loopback(realm) && is_loopback(&host.origin) => Some(PlainHttp::Loopback),
        "http" if host.plain == PlainHttp::ThisHost && own => Some(PlainHttp::ThisHost),
        _ => None,
    }
}

async fn read_token(
    host: &Host,
    realm: &Url,
    answer: Answer,
    credential: Option<&Credential>,
) -> Result<Token, Failure> {
    let status = answer.status.as_u16();
    let body = answer.body(MAX_TOKEN_ANSWER).whole().await?;
    let failed = |reason: String| Failure::Token { host: host.name.clone(), realm: host_of(realm), reason };
    match (status, credential) {
        (200..=299, _) => {}
        (400 | 401 | 403, Some(credential)) => {
            return Err(Failure::Refused { host: host.name.clone(), origin: credential.origin.clone() });
        }
        (400 | 401 | 403 | 404, None) => return Err(Failure::NoCredentials { host: host.name.clone() }),
        _ => return Err(failed(format!("it answered {status}{}", said(&body)))),
    }
    let raw: RawToken =
        serde_json::from_slice(&body).map_err(|_may_quote_a_secret| failed("it is not a token's JSON".to_owned()))?;
    let filled = |token: &SecretString| !token.expose_secret().is_empty();
    let value = raw.token.filter(filled).or(raw.access_token.filter(filled));
    let value = value.ok_or_else(|| failed("the answer holds none".to_owned()))?;
    // A token is renewed when a tenth of its life is left, so that none expires on its way.
    let life = Duration::from_secs(raw.expires_in.unwrap_or(DEFAULT_LIFE).min(86_400));
    Ok(Token { value, until: Instant::now() + life.mul_f64(0.9) })
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::SystemClock;
    use crate::registry::settings::{HostSettings, Limits};

    #[test]
    fn a_secret_goes_to_a_realm_over_tls_or_stays_where_it_is() {
        for (host, insecure, realm, allowed) in [
            ("ghcr.io", false, "https://ghcr.io/token", true),
            ("docker.io", false, "https://auth.docker.io/token", true),
            ("ghcr.io", false, "http://ghcr.io/token", false),
            ("ghcr.io", false, "http://127.0.0.1:5000/token", false),
            ("localhost:5000", false, "http://127.0.0.1:5001/token", true),
            ("localhost:5000", false, "http://auth.example/token", false),
            ("registry.example", true, "http://registry.example:8080/token", true),
            ("registry.example", true, "http://auth.example/token", false),
            ("ghcr.io", false, "file:///etc/passwd", false),
        ] {
            let settings = HostSettings { insecure, ..HostSettings::of(host) };
            let host = Host::new(host, Some(&settings), &Limits::default(), Arc::new(SystemClock)).unwrap();
            assert_eq!(protection(&host, &Url::parse(realm).unwrap()).is_some(), allowed, "{} {realm}", host.name);
        }
    }
}
