//! Questions to services of clouds and to the machine's metadata: bounded, and plain HTTP only where it stays inside.

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use url::form_urlencoded::Serializer;
use url::{Host, Url};

use crate::clock::Clock;
use crate::http::client::{Call, HttpClient, PlainHttp};
use crate::http::error::HttpError;
use crate::http::retry::{RetryPolicy, Tries};
use crate::http::target::is_loopback;
use crate::registry::credentials::error::CredentialError;
use crate::registry::settings::CloudVariables;

/// How long an answer may be; real ones have some kilobytes.
const MAX_ANSWER: u64 = 256 << 10;

/// How long a whole login may take, all its steps together.
const TIME: Duration = Duration::from_secs(20);

/// How long a metadata service may take: it is on the machine, or there is none.
const METADATA_TIME: Duration = Duration::from_secs(4);

/// Who is asked, for messages.
#[derive(Debug, Clone, Copy)]
pub(super) struct Whom<'a> {
    /// The service: `AWS STS`.
    pub(super) service: &'static str,
    /// Where that which is shown to it comes from.
    pub(super) origin: &'a str,
}

impl Whom<'_> {
    /// Makes the error that an answer is not understood.
    pub(super) fn odd(self, reason: impl Into<String>) -> CredentialError {
        CredentialError::Odd { service: self.service, origin: self.origin.to_owned(), reason: reason.into() }
    }

    /// Makes the error that who is asked refuses.
    pub(super) fn refused(self, code: &str, advice: &'static str) -> CredentialError {
        // Codes are single words; anything else is no code, and might repeat what was sent.
        let is_word = |code: &&str| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-. ".contains(&byte);
            (1..=80).contains(&code.len()) && code.bytes().all(plain)
        };
        let code = Some(code).filter(is_word).unwrap_or("without a code").to_owned();
        CredentialError::Refused { service: self.service, origin: self.origin.to_owned(), code, advice }
    }
}

/// Whom a request reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// A service on the net: TLS, or loopback.
    Net,
    /// The machine's metadata: also plain HTTP, to addresses that no router passes on.
    Machine,
}

/// What is asked.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<SecretString>,
    pub(super) reach: Reach,
}

impl Ask {
    /// Makes a form that is posted.
    pub(super) fn form(url: Url, rows: &[(&str, &str)]) -> Self {
        let form = Serializer::new(String::new()).extend_pairs(rows).finish();
        let headers = [(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"))];
        let (method, headers) = (Method::POST, HeaderMap::from_iter(headers));
        Self { method, url, headers, body: Some(form.into()), reach: Reach::Net }
    }
}

/// What came back.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Said {
    /// Whether it is a success.
    pub(super) fn is_good(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Reads the body as JSON. The parser's words may quote a secret and are left out.
    pub(super) fn json<T: DeserializeOwned>(&self, whom: Whom<'_>) -> Result<T, CredentialError> {
        serde_json::from_slice(&self.body).map_err(|_may_quote_a_secret| {
            whom.odd(format!("the answer ({}) is not the JSON it should be", self.status))
        })
    }
}

/// Asks on behalf of one login.
pub(super) struct Asker<'a> {
    http: &'a HttpClient,
    clock: &'a dyn Clock,
    pub(super) variables: &'a CloudVariables,
    retry: RetryPolicy,
    /// The registry that the login is for.
    pub(super) host: &'a str,
    deadline: Instant,
}

impl<'a> Asker<'a> {
    pub(super) fn new(
        http: &'a HttpClient,
        clock: &'a dyn Clock,
        variables: &'a CloudVariables,
        retry: RetryPolicy,
        host: &'a str,
    ) -> Self {
        Self { http, clock, variables, retry, host, deadline: Instant::now() + TIME }
    }

    /// Returns the present moment.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Returns how long something holds that ends at a moment.
    pub(super) fn until(&self, end: Timestamp) -> Duration {
        Duration::try_from(end.duration_since(self.now())).unwrap_or_default()
    }

    /// Makes a request; every status is the caller's to judge.
    pub(super) async fn ask(&self, whom: Whom<'_>, ask: Ask) -> Result<Said, CredentialError> {
        let Ask { method, url, headers, body, reach } = ask;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(whom.odd("its address holds a user, which is not sent"));
        }
        let (plain, deadline, retry) = match reach {
            Reach::Net => (PlainHttp::Loopback, self.deadline, self.retry),
            Reach::Machine => {
                let once = RetryPolicy { after_silence: 0, after_trouble: 1, ..self.retry };
                let plain = if is_inside(&url) { PlainHttp::ThisHost } else { PlainHttp::Loopback };
                (plain, self.deadline.min(Instant::now() + METADATA_TIME), once)
            }
        };
        let call = Call { method, url, headers, body, deadline, retry, plain };
        let unreachable = |source| {
            let (service, origin) = (whom.service, whom.origin.to_owned());
            CredentialError::Unreachable { service, origin, source: Box::new(source) }
        };
        let answer = self.http.send(&call).await.map_err(unreachable)?;
        let (status, headers) = (answer.status.as_u16(), answer.headers.clone());
        let body = answer.body(MAX_ANSWER).whole().await.map_err(unreachable)?;
        Ok(Said { status, headers, body })
    }

    /// Waits before a question that AWS turned away is asked again, for it answers 400 to too many; gives up as after a 429.
    pub(super) async fn wait_for_room(
        &self,
        whom: Whom<'_>,
        tries: &mut Tries,
        code: &'static str,
    ) -> Result<(), CredentialError> {
        let status = StatusCode::TOO_MANY_REQUESTS;
        let error = HttpError::Throttled { host: self.host.to_owned(), status, wait: None, until: None };
        tracing::debug!(service = whom.service, code, "too many questions");
        let origin = whom.origin.to_owned();
        let given_up = |_throttled| CredentialError::Throttled { service: whom.service, origin, code };
        tries.pause(error, &self.retry, self.deadline).await.map_err(given_up)
    }

    /// Posts a form.
    pub(super) async fn post(&self, whom: Whom<'_>, url: Url, rows: &[(&str, &str)]) -> Result<Said, CredentialError> {
        self.ask(whom, Ask::form(url, rows)).await
    }

    /// Gets something, with one header.
    pub(super) async fn get(
        &self,
        whom: Whom<'_>,
        url: Url,
        header: Option<(HeaderName, HeaderValue)>,
        reach: Reach,
    ) -> Result<Said, CredentialError> {
        let headers = HeaderMap::from_iter(header);
        self.ask(whom, Ask { method: Method::GET, url, headers, body: None, reach }).await
    }
}

/// Whether a URL leads to an address that stays on the machine or its host: link-local, loopback, or the one name
/// that Google's machines resolve themselves.
fn is_inside(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_link_local() || address.is_loopback(),
        // `fd00:ec2::/32` is where machines of Amazon find their metadata.
        Some(Host::Ipv6(address)) => address.segments()[..2] == [0xfd00, 0x0ec2] || address.is_loopback(),
        Some(Host::Domain(name)) => name == "metadata.google.internal" || is_loopback(url),
        None => false,
    }
}

/// Reads an address of the operator's or of AWS's. It may hold a secret in its query, so that it is not repeated.
pub(super) fn address(whom: Whom<'_>, text: &str) -> Result<Url, CredentialError> {
    Url::parse(text).map_err(|_not_a_url| whom.odd("its address is no URL"))
}

/// Makes a header's value of a secret, which then shows nowhere.
pub(super) fn secret_header(
    whom: Whom<'_>,
    prefix: &str,
    secret: &SecretString,
) -> Result<HeaderValue, CredentialError> {
    let value = HeaderValue::from_str(&format!("{prefix}{}", secret.expose_secret()));
    let mut value = value.map_err(|_not_a_header| whom.odd("it holds characters that no header may"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// A number of seconds, which some services write as text.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(from = "RawSeconds")]
pub(super) struct Seconds(pub(super) u64);

#[derive(Deserialize)]
#[serde(untagged)]
enum RawSeconds {
    Number(f64),
    Text(String),
}

impl From<RawSeconds> for Seconds {
    fn from(raw: RawSeconds) -> Self {
        let number = match raw {
            RawSeconds::Number(number) => number,
            RawSeconds::Text(text) => text.trim().parse().unwrap_or(0.0),
        };
        Self(number.clamp(0.0, 31_536_000.0) as u64)
    }
}

/// An access token as OAuth servers give it out.
#[derive(Deserialize)]
pub(super) struct RawAccessToken {
    pub(super) access_token: SecretString,
    pub(super) expires_in: Option<Seconds>,
}

impl RawAccessToken {
    /// Returns how long it holds; an hour where it does not say.
    pub(super) fn life(&self) -> Duration {
        Duration::from_secs(self.expires_in.map_or(3600, |seconds| seconds.0))
    }
}

/// The error of an OAuth server, RFC 6749, section 5.2; Azure adds its own numbers.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct RawOAuthError {
    pub(super) error: String,
    pub(super) error_codes: Vec<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_stays_inside_the_machine() {
        for (url, inside) in [
            ("http://169.254.169.254/latest/", true),
            ("http://169.254.170.23/v1/credentials", true),
            ("http://[fd00:ec2::254]/latest/", true),
            ("http://metadata.google.internal/computeMetadata/v1/", true),
            ("http://127.0.0.1:41000/msi/token", true),
            ("http://localhost:42356/msi/token", true),
            ("http://10.0.0.1/latest/", false),
            ("http://[fd00::1]/", false),
            ("http://metadata.google.internal.evil.example/", false),
        ] {
            assert_eq!(is_inside(&Url::parse(url).unwrap()), inside, "{url}");
        }
    }

    #[test]
    fn reads_seconds_as_numbers_and_as_text() {
        let read = |json: &str| serde_json::from_str::<Seconds>(json).unwrap().0;
        assert_eq!(
            [read("3599"), read("\"3599\""), read("-1"), read("1e300"), read("\"soon\"")],
            [3599, 3599, 0, 31_536_000, 0]
        );
    }
}
