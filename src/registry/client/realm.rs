//! Token servers: where a challenge sends a login, whether it may go there, and what comes back.

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use reqwest::Method;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::time::Instant;
use url::Url;
use url::form_urlencoded::Serializer;

use crate::http::client::{Call, PlainHttp};
use crate::http::target::{host_of, is_loopback};
use crate::registry::client::auth::basic;
use crate::registry::client::failure::{Failure, address, said};
use crate::registry::client::host::Host;
use crate::registry::client::meter::Kind;
use crate::registry::client::tokens::Seconds;
use crate::registry::client::transport::once_more;
use crate::registry::client::{RegistryClient, Visit};
use crate::registry::credentials::{Credential, Secret};

/// How long a token answer may be; real ones have some kilobytes.
const MAX_TOKEN_ANSWER: u64 = 256 << 10;

/// How long a token holds that does not say so, by the distribution project's token specification.
const DEFAULT_LIFE: u64 = 60;

#[derive(Deserialize)]
struct RawToken {
    token: Option<SecretString>,
    access_token: Option<SecretString>,
    expires_in: Option<Seconds>,
    /// A time as text; anything else says nothing.
    issued_at: Option<serde_json::Value>,
}

/// Why there is no token.
pub(super) struct NoToken {
    pub(super) failure: Failure,
    /// Whether the login itself is wrong, so that no other scope needs to be tried with it.
    pub(super) is_login_wrong: bool,
}

impl<F: Into<Failure>> From<F> for NoToken {
    fn from(failure: F) -> Self {
        Self { failure: failure.into(), is_login_wrong: false }
    }
}

impl RegistryClient {
    /// Decides whether logins may go to a realm, and how. One that speaks plain HTTP by its own entry is welcome where no
    /// login goes to it, or the registry itself speaks no better.
    fn protection(&self, host: &Host, realm: &Url, with_login: bool) -> Option<PlainHttp> {
        let is_allowed = self.http.speaks_plainly_to(realm) && (!with_login || host.origin.scheme() == "http");
        protection(host, realm).or_else(|| (is_allowed && !is_loopback(realm)).then_some(PlainHttp::ThisHost))
    }

    /// Whether a realm can be asked for a token at all.
    pub(super) fn is_usable(&self, host: &Host, realm: &str) -> bool {
        let url = Realm { realm, service: None }.address(host);
        url.is_some_and(|url| self.protection(host, &url, false).is_some())
    }

    /// Fetches a token; returns it and until when it is used.
    pub(super) async fn fetch_token(
        &self,
        visit: &Visit<'_>,
        realm: &Realm<'_>,
        scope: &str,
        credential: Option<&Credential>,
    ) -> Result<(SecretString, Instant), NoToken> {
        let host = visit.host;
        let refused = || Failure::Realm { host: host.name.clone(), realm: address(realm.realm, &host.tokens.shown()) };
        let mut url = realm.address(host).ok_or_else(refused)?;
        let plain = self.protection(host, &url, credential.is_some()).ok_or_else(refused)?;
        let service = realm.service;
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
            // A realm may bring a query of its own, and what it says there is not said twice.
            let has_service = url.query_pairs().any(|(name, _)| name == "service");
            let said: Vec<String> =
                url.query_pairs().filter(|(name, _)| name == "scope").map(|(_, scope)| scope.into_owned()).collect();
            let is_new = |scope: &&str| !scope.is_empty() && said.iter().all(|said| said != scope);
            let mut query = url.query_pairs_mut();
            query.extend_pairs(service.filter(|_| !has_service).map(|service| ("service", service)));
            query.extend_pairs(scope.split(' ').filter(is_new).map(|scope| ("scope", scope)));
            drop(query);
            if let Some(Secret::Password { user, password }) = credential.map(|credential| &credential.secret) {
                headers.insert(AUTHORIZATION, basic(user, password));
            }
        }
        let method = if body.is_some() { Method::POST } else { Method::GET };
        let call = Call { method, url, headers, body, deadline: visit.deadline, retry: self.limits.retry, plain };
        let mut broken = None;
        let said = loop {
            let answer = self.exchange(visit, Kind::Token, &call).await?;
            let status = answer.status.as_u16();
            let elsewhere = answer.is_elsewhere.then(|| host_of(&answer.url));
            let body = answer.body(MAX_TOKEN_ANSWER).whole().await;
            self.note_of(visit, Kind::Token, body.as_ref().err().filter(|_| elsewhere.is_none()));
            match body {
                Ok(body) => break Said { status, elsewhere, body },
                Err(error) => once_more(&mut broken, error)?,
            }
        };
        read_token(host, &call, said, credential, self.clock.now())
    }
}

/// Where tokens are given out, as a challenge says it.
pub(super) struct Realm<'a> {
    pub(super) realm: &'a str,
    pub(super) service: Option<&'a str>,
}

impl Realm<'_> {
    /// Returns the URL. A relative one is on the registry itself; a login in it is not the registry's to choose.
    fn address(&self, host: &Host) -> Option<Url> {
        let mut url = host.origin.join(self.realm.trim()).ok()?;
        url.set_fragment(None);
        if !url.username().is_empty() || url.password().is_some() {
            url.set_username("").ok()?;
            url.set_password(None).ok()?;
        }
        Some(url)
    }
}

/// Decides whether logins may go to a realm, and how; `None` when a secret would travel unprotected, or to this
/// machine because another one says so.
fn protection(host: &Host, realm: &Url) -> Option<PlainHttp> {
    let own = realm.host() == host.origin.host();
    if is_loopback(realm) && !is_loopback(&host.origin) {
        return None;
    }
    match realm.scheme() {
        "https" => Some(PlainHttp::Loopback),
        "http" if is_loopback(realm) && is_loopback(&host.origin) => Some(PlainHttp::Loopback),
        "http" if host.plain == PlainHttp::ThisHost && own => Some(PlainHttp::ThisHost),
        _ => None,
    }
}

/// What a token server said.
struct Said {
    status: u16,
    /// Where a redirect led.
    elsewhere: Option<String>,
    body: Bytes,
}

fn read_token(
    host: &Host,
    call: &Call,
    Said { status, elsewhere, body }: Said,
    credential: Option<&Credential>,
    now: Timestamp,
) -> Result<(SecretString, Instant), NoToken> {
    let said = || said(&body, &credential.map(Credential::shown).unwrap_or_default());
    let failed = |reason: String| Failure::Token { host: host.name.clone(), realm: host_of(&call.url), reason };
    // A redirect takes no login along: what is said at its end is said of none.
    if let (400 | 401 | 403 | 404, Some(place)) = (status, &elsewhere) {
        return Err(failed(format!("it redirects to {place}, which answered {status}")).into());
    }
    match (status, credential) {
        (200..=299, _) => {}
        // GitHub says it to a wrong login, others say it to a right one for which this repository is not.
        (403, Some(Credential { origin, advice, .. })) => {
            let (host, origin, said) = (host.name.clone(), origin.clone(), said());
            return Err(Failure::RefusedHere { host, origin, said, advice }.into());
        }
        (400 | 401, Some(credential)) => {
            let is_login_wrong = status == 401 || (status == 400 && call.method == Method::POST);
            return Err(NoToken { failure: Failure::refused(&host.name, credential), is_login_wrong });
        }
        (400 | 401 | 403 | 404, None) => return Err(Failure::NoCredentials { host: host.name.clone() }.into()),
        _ => return Err(failed(format!("it answered {status}{}", said())).into()),
    }
    let raw: RawToken =
        serde_json::from_slice(&body).map_err(|_may_quote_a_secret| failed("it is not a token's JSON".to_owned()))?;
    let filled = |token: &SecretString| !token.expose_secret().is_empty();
    let value = raw.token.filter(filled).or(raw.access_token.filter(filled));
    let value = value.ok_or_else(|| failed("the answer holds none".to_owned()))?;
    // None that is good for nothing is handed out: older servers write 0 where they say nothing.
    let life = raw.expires_in.map(|seconds| seconds.0).filter(|seconds| *seconds > 0);
    let life = Duration::from_secs(life.unwrap_or(DEFAULT_LIFE).min(86_400));
    Ok((value, Instant::now() + left(life, raw.issued_at.as_ref().and_then(serde_json::Value::as_str), now)))
}

/// Returns how long a token is used: it is renewed when a tenth of its life is left, so that none expires on its way.
fn left(life: Duration, issued_at: Option<&str>, now: Timestamp) -> Duration {
    let issued: Option<Timestamp> = issued_at.and_then(|text| text.parse().ok());
    // Nobody hands out a token that has ended, or is about to: where it would have, the two clocks differ, and this one counts.
    let spent = issued.and_then(|issued| Duration::try_from(now.duration_since(issued)).ok());
    let used = life.mul_f64(0.9);
    used - spent.filter(|spent| *spent < used).unwrap_or_default()
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
            ("ghcr.io", false, "https://localhost:8443/token", false),
            ("ghcr.io", false, "https://[::1]/token", false),
            ("registry.example", true, "http://127.0.0.1/token", false),
        ] {
            let settings = HostSettings { insecure, ..HostSettings::of(host) };
            let host = Host::new(host, Some(&settings), &Limits::default(), Arc::new(SystemClock)).unwrap();
            assert_eq!(protection(&host, &Url::parse(realm).unwrap()).is_some(), allowed, "{} {realm}", host.name);
        }
    }
    #[test]
    fn finds_the_realm_however_it_is_written() {
        let host = Host::new("registry.example:5000", None, &Limits::default(), Arc::new(SystemClock)).unwrap();
        for (realm, expected) in [
            ("https://auth.example/token?account=x#part", Some("https://auth.example/token?account=x")),
            ("/token", Some("https://registry.example:5000/token")),
            ("token?service=own", Some("https://registry.example:5000/token?service=own")),
            ("//auth.example/token", Some("https://auth.example/token")),
            (" https://auth.example/token ", Some("https://auth.example/token")),
            ("https://user:password@auth.example/token", Some("https://auth.example/token")),
            ("https://[half", None),
        ] {
            let found = Realm { realm, service: None }.address(&host);
            assert_eq!(found.as_ref().map(Url::as_str), expected, "{realm}");
        }
    }

    #[test]
    fn a_moment_of_issue_that_is_no_text_says_nothing() {
        for issued_at in ["1763700000", "null", "{}", "\"soon\""] {
            let text = format!(r#"{{"token": "abc", "issued_at": {issued_at}}}"#);
            let raw: RawToken = serde_json::from_str(&text).unwrap();
            assert!(raw.token.is_some(), "{issued_at}");
        }
    }

    #[test]
    fn a_token_is_used_until_a_tenth_of_its_life_is_left() {
        let now: Timestamp = "2026-11-20T08:00:00Z".parse().unwrap();
        for (life, issued_at, expected) in [
            (300, None, 270),
            (300, Some("2026-11-20T08:00:00Z"), 270),
            (300, Some("2026-11-20T07:58:00.5Z"), 150),
            (300, Some("2026-11-20T07:55:31Z"), 1),
            (300, Some("2026-11-20T07:55:29Z"), 270),
            (300, Some("2026-11-20T07:55:10Z"), 270),
            (300, Some("2026-11-20T06:00:00Z"), 270),
            (300, Some("2026-11-20T09:00:00Z"), 270),
            (300, Some("yesterday"), 270),
        ] {
            let found = left(Duration::from_secs(life), issued_at, now);
            assert_eq!(found.as_secs(), expected, "{issued_at:?}");
        }
    }
}
