//! The client: one call with its tries, waits and redirects.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{AUTHORIZATION, COOKIE, HeaderMap, LOCATION, RETRY_AFTER};
use reqwest::{Certificate, Client, ClientBuilder, Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::{Instant, timeout_at};
use url::Url;

use crate::http::body::Body;
use crate::http::error::HttpError;
use crate::http::retry::{RetryPolicy, Tries, retry_after};
use crate::http::target::{host_of, is_loopback, is_same_place};

/// The name under which requests are made.
const USER_AGENT: &str = concat!("tagboat/", env!("CARGO_PKG_VERSION"));

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
    /// Also to the host of the call, whose operator said so. Never to another one by a redirect.
    ThisHost,
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
    response: reqwest::Response,
    silence: Duration,
    deadline: Instant,
}

impl Answer {
    /// Returns the body, to be read up to `cap` bytes.
    pub fn body(self, cap: u64) -> Body {
        Body::new(self.response, host_of(&self.url), self.silence, self.deadline, cap)
    }

    /// Returns a header's text; `None` when it is missing or not text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// The shared client. Plain HTTP and TLS are set up apart and when they are first needed: reading the
/// certificate authorities takes longer than asking a hundred images of a registry on this machine.
pub struct HttpClient {
    plain: OnceLock<Result<Client, HttpError>>,
    tls: OnceLock<Result<Client, HttpError>>,
    timeouts: Timeouts,
    now: Now,
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("HttpClient").field("timeouts", &self.timeouts).finish_non_exhaustive()
    }
}

impl HttpClient {
    /// Makes a client; nothing is set up yet.
    pub fn new(timeouts: Timeouts, now: Now) -> Self {
        Self { plain: OnceLock::new(), tls: OnceLock::new(), timeouts, now }
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
        for _ in 0..=MAX_REDIRECTS {
            let response = self.exchange(call, &url, headers.clone()).await?;
            let status = response.status();
            let is_read = matches!(call.method, Method::GET | Method::HEAD);
            if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) || !is_read {
                return self.sort(response, url, call.deadline);
            }
            let refuse = |reason| HttpError::Redirect { host: host_of(&url), reason };
            let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
            let next = location.ok_or_else(|| refuse("without saying where to"))?;
            let mut next = url.join(next).map_err(|_not_a_url| refuse("to something that is no URL"))?;
            next.set_fragment(None);
            if url.scheme() == "https" && next.scheme() != "https" {
                return Err(refuse("from HTTPS to something else, which is not followed"));
            }
            if !is_same_place(&url, &next) {
                if !is_loopback(&url) && is_loopback(&next) {
                    return Err(refuse("to this very machine, which is not followed"));
                }
                headers.remove(AUTHORIZATION);
                headers.remove(COOKIE);
                // Forges take tokens in headers of their own names, too.
                let secret: Vec<_> =
                    headers.iter().filter(|(_, value)| value.is_sensitive()).map(|(name, _)| name.clone()).collect();
                for name in secret {
                    headers.remove(name);
                }
            }
            url = next;
        }
        Err(HttpError::Redirect { host: host_of(&url), reason: "without an end" })
    }

    async fn exchange(&self, call: &Call, url: &Url, headers: HeaderMap) -> Result<reqwest::Response, HttpError> {
        let host = host_of(url);
        let client = match url.scheme() {
            "https" => self.tls.get_or_init(|| tls_client(self.timeouts)),
            _ => {
                let said_so = call.plain == PlainHttp::ThisHost && is_same_place(url, &call.url);
                if !is_loopback(url) && !said_so {
                    return Err(HttpError::Plain { host });
                }
                self.plain.get_or_init(|| plain_client(self.timeouts))
            }
        };
        let client = client.as_ref().map_err(HttpError::clone)?;
        let mut request = client.request(call.method.clone(), url.clone()).headers(headers);
        if let Some(body) = &call.body {
            request = request.body(body.expose_secret().to_owned());
        }
        let begun = Instant::now();
        let response = match timeout_at(call.deadline, request.send()).await {
            Err(_elapsed) => return Err(HttpError::Deadline { host }),
            Ok(Err(error)) => return Err(HttpError::of(&error, &host, self.timeouts.silence)),
            Ok(Ok(response)) => response,
        };
        tracing::debug!(
            method = %call.method,
            host,
            path = url.path(),
            status = response.status().as_u16(),
            ms = begun.elapsed().as_millis(),
            "request"
        );
        Ok(response)
    }

    /// Tells usable answers from those that say "later" or "broken".
    fn sort(&self, response: reqwest::Response, url: Url, deadline: Instant) -> Result<Answer, HttpError> {
        let status = response.status();
        let named = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let wait = named.and_then(|value| retry_after(value, (self.now)()));
        // GitLab names the second since 1970 in which its limit begins anew.
        let reset = response.headers().get("ratelimit-reset").and_then(|value| value.to_str().ok()?.parse().ok());
        let reset = reset.and_then(|second| Timestamp::from_second(second).ok());
        let wait = wait.or_else(|| {
            let rest = reset?.duration_since((self.now)());
            Some(Duration::try_from(rest).unwrap_or(Duration::ZERO))
        });
        let throttled = status == StatusCode::TOO_MANY_REQUESTS;
        if throttled || (status.is_server_error() && named.is_some() && wait.is_some()) {
            let until = wait.and_then(|wait| (self.now)().checked_add(wait).ok());
            return Err(HttpError::Throttled { host: host_of(&url), status, wait, until });
        }
        if status.is_server_error() {
            return Err(HttpError::Server { host: host_of(&url), status });
        }
        let headers = response.headers().clone();
        Ok(Answer { status, headers, url, response, silence: self.timeouts.silence, deadline })
    }
}

fn builder(timeouts: Timeouts) -> ClientBuilder {
    Client::builder()
        .user_agent(USER_AGENT)
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .connect_timeout(timeouts.connect)
        .read_timeout(timeouts.silence)
}

/// Builds the client for plain HTTP. An empty set of authorities keeps it from reading the machine's.
fn plain_client(timeouts: Timeouts) -> Result<Client, HttpError> {
    let builder = builder(timeouts).http1_only().no_proxy().tls_certs_only([]);
    builder.build().map_err(|error| HttpError::Setup(error.to_string()))
}

/// Builds the client for TLS with the machine's authorities, or the built-in ones where it has none.
fn tls_client(timeouts: Timeouts) -> Result<Client, HttpError> {
    builder(timeouts).https_only(true).build().or_else(|error| {
        tracing::debug!(%error, "the machine's certificate authorities cannot be read, the built-in ones serve");
        let roots = webpki_root_certs::TLS_SERVER_ROOT_CERTS;
        let roots = roots.iter().filter_map(|root| Certificate::from_der(root).ok());
        let built = builder(timeouts).https_only(true).tls_certs_only(roots).build();
        built.map_err(|error| HttpError::Setup(error.to_string()))
    })
}
