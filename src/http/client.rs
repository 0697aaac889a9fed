//! The client: one call with its tries, waits and redirects.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderName, HeaderValue, LOCATION, PROXY_AUTHORIZATION};
use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::{Instant, timeout_at};
use url::Url;

use crate::http::body::Body;
use crate::http::connection::{Connection, Connections};
use crate::http::error::HttpError;
use crate::http::proxy::Proxies;
use crate::http::retry::{RetryPolicy, Tries, wait_named};
use crate::http::target::{host_of, is_loopback, is_same_place};
use crate::model::exchange::{Ending, Exchange, System, Witness};

/// How many redirects are followed; a blob takes one, sometimes two.
const MAX_REDIRECTS: usize = 5;

/// Tells the present moment, for `Retry-After` with a date.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Time limits of a single exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection with its TLS session. Default: 5 s.
    pub connect: Duration,
    /// Without a single byte coming in. Default: 15 s.
    pub silence: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), silence: Duration::from_secs(15) }
    }
}

/// Whether plain HTTP may leave this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PlainHttp {
    /// To loopback hosts alone.
    #[default]
    Loopback,
    /// Also to the host of the call, whose operator said so. Never to another one by a redirect, unless that one is among
    /// those of [`HttpClient::speaking_plainly_to`].
    ThisHost,
}

/// How far redirects of reads are followed. No secret goes to another host in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Redirects {
    /// To whichever host they name.
    #[default]
    Anywhere,
    /// Within the scheme, host and port that were asked.
    WithinHost,
    /// To the page that was asked alone, with or without a slash at its end: what another page says, like one that asks for a
    /// login, is no answer.
    SamePage,
}

/// One request to be made, with everything that bounds it.
#[derive(Debug, Clone)]
pub struct Call {
    /// Redirects of GET and HEAD are followed; whatever changes something is answered with the redirect itself.
    pub method: Method,
    /// Where to.
    pub url: Url,
    /// Its headers; secrets in them are marked sensitive.
    pub headers: HeaderMap,
    /// The body; it may hold a secret.
    pub body: Option<SecretString>,
    /// When everything has to be over: tries, waits, and reading the body.
    pub deadline: Instant,
    /// How often it is tried again.
    pub retry: RetryPolicy,
    /// Whether plain HTTP may be spoken.
    pub plain: PlainHttp,
}

/// An answer whose body is still to be read. Never a server error or 429, and a redirect only of what changes something.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// Where it came from, after redirects.
    pub url: Url,
    /// Whether a redirect has led to another host.
    pub is_elsewhere: bool,
    response: reqwest::Response,
    silence: Duration,
    deadline: Instant,
    counter: Option<Arc<AtomicU64>>,
}

impl Answer {
    /// Adds the body's bytes to a counter as they come in.
    #[must_use]
    pub fn counted(self, counter: Arc<AtomicU64>) -> Self {
        Self { counter: Some(counter), ..self }
    }

    /// Returns the body, to be read up to `cap` bytes.
    pub fn body(self, cap: u64) -> Body {
        Body::new(self.response, host_of(&self.url), self.silence, self.deadline, cap, self.counter)
    }

    /// Returns a header's text; `None` when it is missing or not text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// The shared client. Plain HTTP and TLS are set up apart and when they are first needed: reading the
/// certificate authorities takes longer than asking a hundred images of a registry on this machine.
pub struct HttpClient {
    connections: Connections,
    now: Now,
    redirects: Redirects,
    /// Who is told of each exchange, and what kind of system they are with.
    witness: Option<(System, Witness)>,
    /// Whether logs say which path was asked for.
    tells_paths: bool,
    /// Hosts with their ports that may be spoken to in plain HTTP, however they are come by.
    plain: HashSet<String>,
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("HttpClient").field("connections", &self.connections).finish_non_exhaustive()
    }
}

impl HttpClient {
    /// Makes a client that connects to all hosts alike and through no proxy; nothing is set up yet.
    pub fn new(timeouts: Timeouts, now: Now) -> Self {
        Self::over(Connections::new(Connection { timeouts, ..Connection::default() }, Proxies::default()), now)
    }

    /// Makes a client over connections that may differ by host; nothing is set up yet.
    pub fn over(connections: Connections, now: Now) -> Self {
        Self {
            connections,
            now,
            redirects: Redirects::Anywhere,
            witness: None,
            tells_paths: true,
            plain: HashSet::new(),
        }
    }

    /// Keeps paths out of logs, for callers whose URLs are secrets.
    #[must_use]
    pub fn hushed(self) -> Self {
        Self { tells_paths: false, ..self }
    }

    /// Allows plain HTTP to these places, also where a redirect leads to them; of each its host and port count.
    #[must_use]
    pub fn speaking_plainly_to<'a>(self, places: impl Iterator<Item = &'a Url>) -> Self {
        Self { plain: places.map(host_of).collect(), ..self }
    }

    /// Whether an operator has allowed plain HTTP to the place of this URL.
    pub fn speaks_plainly_to(&self, url: &Url) -> bool {
        url.scheme() == "http" && self.plain.contains(&host_of(url))
    }

    /// Says how far redirects are followed.
    #[must_use]
    pub fn following(self, redirects: Redirects) -> Self {
        Self { redirects, ..self }
    }

    /// Tells somebody of each exchange with a system of this kind.
    #[must_use]
    pub fn told_to(self, system: System, witness: Witness) -> Self {
        Self { witness: Some((system, witness)), ..self }
    }

    /// Makes a call, with further tries and waits as its policy says.
    ///
    /// # Errors
    ///
    /// [`HttpError`] when no answer came, or one that says "later" or "broken" until the tries ran out.
    pub async fn send(&self, call: &Call) -> Result<Answer, HttpError> {
        let mut tries = Tries::default();
        loop {
            match self.follow(call).await {
                Ok(answer) => return Ok(answer),
                Err(error) => {
                    tracing::debug!(host = host_of(&call.url), %error, "no answer");
                    tries.pause(error, &call.retry, call.deadline).await?;
                }
            }
        }
    }

    /// Makes one try, through its redirects.
    async fn follow(&self, call: &Call) -> Result<Answer, HttpError> {
        let mut url = call.url.clone();
        let mut headers = call.headers.clone();
        let mut been = Vec::new();
        for _ in 0..=MAX_REDIRECTS {
            let sent = self.exchange(call, &url, headers.clone()).await;
            let (response, silence) = sent.map_err(|error| of_place(error, &url, &call.url))?;
            let status = response.status();
            let is_read = matches!(call.method, Method::GET | Method::HEAD);
            if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) || !is_read {
                let is_elsewhere = !is_same_place(&url, &call.url);
                let sorted = self.sort(response, url.clone(), silence, call.deadline);
                let sorted = sorted.map(|answer| Answer { is_elsewhere, ..answer });
                return sorted.map_err(|error| of_place(error, &url, &call.url));
            }
            let refuse = |reason| HttpError::Redirect { host: host_of(&url), reason };
            let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
            let next = location.ok_or_else(|| refuse("without saying where to"))?;
            let mut next = url.join(next).map_err(|_not_a_url| refuse("to something that is no URL"))?;
            next.set_fragment(None);
            // A login in an address is whoever's who wrote it, and not ours to show to anybody.
            let has_login = !next.username().is_empty() || next.password().is_some();
            if has_login && (next.set_username("").is_err() || next.set_password(None).is_err()) {
                return Err(refuse("to something that is no URL"));
            }
            if !matches!(next.scheme(), "http" | "https") {
                return Err(refuse("to something that is not HTTP, which is not followed"));
            }
            if url.scheme() == "https" && next.scheme() != "https" {
                return Err(refuse("from HTTPS to something else, which is not followed"));
            }
            if !is_same_place(&url, &next) {
                if self.redirects != Redirects::Anywhere {
                    return Err(refuse("to another host, which is not followed"));
                }
                if !is_loopback(&url) && is_loopback(&next) {
                    return Err(refuse("to this very machine, which is not followed"));
                }
                leave_secrets_behind(&mut headers);
            }
            if self.redirects == Redirects::SamePage && !is_same_page(&url, &next) {
                return Err(refuse("to another page, which is not followed"));
            }
            been.push(url);
            if been.contains(&next) {
                return Err(HttpError::Redirect { host: host_of(&next), reason: "in a circle" });
            }
            url = next;
        }
        Err(HttpError::Redirect { host: host_of(&url), reason: "without an end" })
    }

    async fn exchange(
        &self,
        call: &Call,
        url: &Url,
        headers: HeaderMap,
    ) -> Result<(reqwest::Response, Duration), HttpError> {
        let host = host_of(url);
        let said_so = call.plain == PlainHttp::ThisHost && is_same_place(url, &call.url);
        if url.scheme() != "https" && !is_loopback(url) && !said_so && !self.speaks_plainly_to(url) {
            return Err(HttpError::Plain { host });
        }
        let reached = self.connections.to(url)?;
        let mut request = reached.client.request(call.method.clone(), url.clone()).headers(headers);
        if let Some(body) = &call.body {
            request = request.body(body.expose_secret().to_owned());
        }
        let begun = Instant::now();
        let sent = match timeout_at(call.deadline, request.send()).await {
            Err(_elapsed) => Err(HttpError::Deadline { host: host.clone() }),
            Ok(Err(error)) => Err(HttpError::of(&error, &reached.label, reached.silence)),
            Ok(Ok(response)) => Ok(response),
        };
        self.tell((&call.method, url, &host), &sent, begun.elapsed());
        let response = sent?;
        tracing::debug!(
            method = %call.method,
            host,
            // Where a redirect leads is not ours to choose: its path may hold what another host was shown.
            path = if self.tells_paths && is_same_place(url, &call.url) { url.path() } else { "…" },
            status = response.status().as_u16(),
            ms = begun.elapsed().as_millis(),
            "request"
        );
        Ok((response, reached.silence))
    }

    fn tell(
        &self,
        (method, url, host): (&Method, &Url, &str),
        sent: &Result<reqwest::Response, HttpError>,
        took: Duration,
    ) {
        let Some((system, witness)) = &self.witness else { return };
        let is_read = matches!(*method, Method::GET | Method::HEAD);
        let kind = match url.path().rsplit('/').next() {
            Some("graphql") => "graphql",
            _ if is_read => "read",
            _ => "write",
        };
        let ending = match sent {
            Ok(response) => Ending::of_status(response.status().as_u16()),
            Err(error) => error.ending(),
        };
        let remaining = sent.as_ref().ok().and_then(|response| told_remaining(response.headers()));
        witness.tell(&Exchange { system: *system, host, kind, ending, took, remaining });
    }

    /// Tells usable answers from those that say "later" or "broken".
    fn sort(
        &self,
        response: reqwest::Response,
        url: Url,
        silence: Duration,
        deadline: Instant,
    ) -> Result<Answer, HttpError> {
        let status = response.status();
        let named = wait_named(status, response.headers(), (self.now)());
        // GitLab names the second since 1970 in which its limit begins anew.
        let reset = response.headers().get("ratelimit-reset").and_then(|value| value.to_str().ok()?.parse().ok());
        let reset = reset.and_then(|second| Timestamp::from_second(second).ok());
        let wait = named.or_else(|| {
            let rest = reset?.duration_since((self.now)());
            Some(Duration::try_from(rest).unwrap_or(Duration::ZERO))
        });
        let throttled = status == StatusCode::TOO_MANY_REQUESTS;
        if throttled || (status.is_server_error() && named.is_some() && wait.is_some()) {
            let still = wait.filter(|wait| !wait.is_zero());
            let until = still.and_then(|wait| (self.now)().checked_add(wait).ok());
            return Err(HttpError::Throttled { host: host_of(&url), status, wait, until });
        }
        if status.is_server_error() {
            return Err(HttpError::Server { host: host_of(&url), status });
        }
        let headers = response.headers().clone();
        Ok(Answer { status, headers, url, is_elsewhere: false, response, silence, deadline, counter: None })
    }
}

/// Reads how many requests are left: GitHub's header, and the one of GitLab and of the standard to come.
fn told_remaining(headers: &HeaderMap) -> Option<u64> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse().ok();
    number("x-ratelimit-remaining").or_else(|| number("ratelimit-remaining"))
}

/// Whether two addresses within one place differ in nothing but a slash at the end of their paths.
fn is_same_page(one: &Url, other: &Url) -> bool {
    one.path().trim_end_matches('/') == other.path().trim_end_matches('/') && one.query() == other.query()
}

/// Says of an error at a place where a redirect led that it is not of the one that was asked.
fn of_place(error: HttpError, place: &Url, asked: &Url) -> HttpError {
    if is_same_place(place, asked) || matches!(error, HttpError::Deadline { .. }) {
        return error;
    }
    HttpError::Elsewhere { by: host_of(asked), error: Box::new(error) }
}

/// Takes everything out that another host must not see: logins, and whatever else is marked as a secret.
fn leave_secrets_behind(headers: &mut HeaderMap) {
    let secret = |(name, value): (&HeaderName, &HeaderValue)| {
        (value.is_sensitive() || [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE].contains(name)).then(|| name.clone())
    };
    let secrets: Vec<HeaderName> = headers.iter().filter_map(secret).collect();
    for name in secrets {
        headers.remove(name);
    }
}
