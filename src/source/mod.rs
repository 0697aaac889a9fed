//! The operator's sources, which gates ask: Prometheus servers, and whatever answers to GET.
//!
//! The entry points are [`Answers`], which gates ask through, and [`Sources::ask_all`]. A credential goes to the source's own host and nowhere else, and a redirect to another
//! page is not followed: one that asks for a login answers, too. Knows no gate and judges no answer.

mod json;
mod prometheus;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt as _};
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::Instant;
use url::Url;

use crate::clock::{Clock, PassEnd};
use crate::http::client::{Call, HttpClient, PlainHttp, Redirects, Timeouts};
use crate::http::connection::{Connection, Connections};
use crate::http::echo::without_echo;
use crate::http::error::HttpError;
use crate::http::proxy::Proxies;
use crate::http::retry::RetryPolicy;
use crate::http::target::{is_loopback, is_same_place};
use crate::model::image::shorten;
use crate::model::source::{Answer, Ask, SourceQuestion};

/// How long all questions of a plan may take together, with their tries and waits.
const TIME: Duration = Duration::from_secs(60);

/// How long one of them may take.
const TIME_OF_ONE: Duration = Duration::from_secs(30);

/// The longest answer: some 100,000 samples.
const LONGEST: u64 = 8 << 20;

/// How many questions are under way at once.
const CONCURRENT: usize = 8;

/// A gate waits anyway: one more try is enough.
const RETRY: RetryPolicy = RetryPolicy { after_silence: 1, after_trouble: 1, first_wait: Duration::from_millis(500) };

/// What a source speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The API of Prometheus.
    Prometheus,
    /// Plain GET.
    Http,
}

/// What lets in.
#[derive(Debug, Clone)]
pub enum Credential {
    /// A bearer token.
    Token(SecretString),
    /// A name and a password.
    Basic {
        /// The name.
        user: String,
        /// The password.
        password: SecretString,
    },
}

impl Credential {
    fn header(&self) -> Option<HeaderValue> {
        use base64::Engine as _;
        let text = match self {
            Self::Token(token) => format!("Bearer {}", token.expose_secret()),
            Self::Basic { user, password } => {
                let pair = format!("{user}:{}", password.expose_secret());
                format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
            }
        };
        let mut value = HeaderValue::from_str(&text).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

/// One source, as the operator says.
#[derive(Debug, Clone)]
pub struct SourceSettings {
    /// Its name.
    pub name: String,
    /// What it speaks.
    pub kind: Kind,
    /// Its URL; everything that is asked lies below.
    pub url: String,
    /// What lets in, or why that could not be had, in words.
    pub credential: Result<Option<Credential>, String>,
    /// Authorities that are trusted beside the machine's own.
    pub ca_file: Option<PathBuf>,
}

/// What answers the questions of gates.
pub trait Answers: Send + Sync {
    /// Asks everything, each question a single time; what could not be had is said in words.
    fn ask_all(&self, questions: BTreeSet<SourceQuestion>) -> Asked<'_>;
}

/// The answer to each question, or why it could not be had.
pub type Asked<'a> = BoxFuture<'a, BTreeMap<SourceQuestion, Result<Answer, String>>>;

struct Source {
    kind: Kind,
    base: Result<Url, String>,
    credential: Result<Option<Credential>, String>,
}

/// All sources that may be asked.
pub struct Sources {
    named: BTreeMap<String, Source>,
    /// What to say of one that is not there.
    missing: &'static str,
    http: HttpClient,
    clock: Arc<dyn Clock>,
    time_of_one: Duration,
    ends: PassEnd,
}

impl Sources {
    /// Returns no sources; `missing` says why there are none.
    pub fn none(missing: &'static str, clock: Arc<dyn Clock>) -> Self {
        Self { missing, ..Self::new(Vec::new(), Proxies::default(), clock) }
    }

    /// Takes the sources that the operator names; nobody is asked yet.
    pub fn new(settings: Vec<SourceSettings>, proxies: Proxies, clock: Arc<dyn Clock>) -> Self {
        let timeouts = Timeouts::default();
        let mut connections = Connections::new(Connection { timeouts, ..Connection::default() }, proxies);
        let mut named = BTreeMap::new();
        for one in settings {
            let base =
                Url::parse(&one.url).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
            if let (Some(base), Some(ca_file)) = (&base, one.ca_file) {
                connections.set(base, Connection { timeouts, ca_file: Some(ca_file), ..Connection::default() });
            }
            let base = base.ok_or_else(|| format!("the URL of the source `{}` is none of http or https", one.name));
            named.insert(one.name, Source { kind: one.kind, base, credential: one.credential });
        }
        let now = Arc::clone(&clock);
        let http = HttpClient::over(connections, Arc::new(move || now.now())).following(Redirects::SamePage);
        let (missing, time_of_one) = ("the operator's file names no such source", TIME_OF_ONE);
        Self { named, missing, http, clock, time_of_one, ends: PassEnd::default() }
    }

    /// Asks for a pass that ends so.
    #[must_use]
    pub fn until(self, ends: PassEnd) -> Self {
        Self { ends, ..self }
    }

    /// Asks everything, several questions at once, each a single time.
    ///
    /// What could not be had is said in words, which hold no secret and no control character.
    pub async fn ask_all(
        &self,
        questions: BTreeSet<SourceQuestion>,
    ) -> BTreeMap<SourceQuestion, Result<Answer, String>> {
        let deadline = self.ends.before(self.clock.instant() + TIME);
        let answers = stream::iter(questions).map(|question| async move {
            let answer = self.ask(&question, deadline).await;
            if let Err(reason) = &answer {
                tracing::info!(source = question.source, reason, "a source did not answer");
            }
            (question, answer)
        });
        answers.buffer_unordered(CONCURRENT).collect().await
    }

    async fn ask(&self, question: &SourceQuestion, deadline: Instant) -> Result<Answer, String> {
        let name = &question.source;
        let source =
            self.named.get(name).ok_or_else(|| format!("the source `{name}` cannot be asked: {}", self.missing))?;
        let said = |reason: String| format!("the source `{name}` cannot be asked: {reason}");
        match (&question.ask, source.kind) {
            (Ask::Instant { .. } | Ask::Range { .. }, Kind::Http) => {
                return Err(said("`query` asks a Prometheus, and its entry says `http`".to_owned()));
            }
            (Ask::Get { .. }, Kind::Prometheus) => {
                return Err(said("`http` asks plain HTTP, and its entry says `prometheus`".to_owned()));
            }
            _ => {}
        }
        let now = self.clock.now();
        let url = source.base.clone().and_then(|base| match &question.ask {
            Ask::Get { path, .. } => below(&base, path),
            asked => Ok(prometheus::url(&base, asked, now, self.time_of_one)),
        });
        let (status, body) = self.read(source, url.map_err(said)?, deadline).await.map_err(said)?;
        let answer = match &question.ask {
            Ask::Get { json, .. } => {
                if !status.is_success() {
                    return Err(said(format!("it answered {status}")));
                }
                json.as_ref().map_or(Ok(Answer::Reached), |path| json::found(&body, path))
            }
            asked @ (Ask::Instant { .. } | Ask::Range { .. }) => prometheus::answer(asked, now, status, &body),
        };
        answer.map_err(said)
    }

    async fn read(&self, source: &Source, url: Url, deadline: Instant) -> Result<(StatusCode, bytes::Bytes), String> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(credential) = source.credential.as_ref().map_err(Clone::clone)? {
            if url.scheme() != "https" && !is_loopback(&url) {
                return Err("its credential would leave this machine in plain HTTP".to_owned());
            }
            let header = credential.header().ok_or("its credential has characters that no header may have")?;
            headers.insert(AUTHORIZATION, header);
        }
        let call = Call {
            method: Method::GET,
            url,
            headers,
            body: None,
            deadline: deadline.min(self.clock.instant() + self.time_of_one),
            retry: RETRY,
            // The operator wrote the URL; what must not be seen goes by TLS alone.
            plain: PlainHttp::ThisHost,
        };
        let said = |error: HttpError| match error {
            HttpError::Deadline { .. } if self.ends.is_over() => self.ends.reason(),
            HttpError::Deadline { host } => format!("{host} took longer than {} s", self.time_of_one.as_secs_f64()),
            other => other.to_string(),
        };
        let answer = self.http.send(&call).await.map_err(said)?;
        let status = answer.status;
        let body = answer.body(LONGEST).whole().await.map_err(said)?;
        Ok((status, without_echo(&call.headers, body)))
    }
}

impl Answers for Sources {
    fn ask_all(&self, questions: BTreeSet<SourceQuestion>) -> Asked<'_> {
        Box::pin(Self::ask_all(self, questions))
    }
}

/// Returns the URL of a path below another URL; one that leads out of it is refused.
fn below(base: &Url, path: &str) -> Result<Url, String> {
    let root = base.path().trim_end_matches('/');
    let refused = || format!("the path {} leads out of its URL", shorten(path));
    let mut whole = base.clone();
    let path = path.split('#').next().unwrap_or_default();
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    whole.set_path(&format!("{root}{path}"));
    whole.set_query(query);
    whole.set_fragment(None);
    // Dots are gone from the path by now, written plainly or not.
    let stays =
        is_same_place(base, &whole) && whole.path().strip_prefix(root).is_some_and(|rest| rest.starts_with('/'));
    if stays && path.starts_with('/') { Ok(whole) } else { Err(refused()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_below_the_source_s_url() {
        let base = Url::parse("https://status.acme.example:8443/api/").unwrap();
        let of = |path| below(&base, path).map(|url| url.to_string());
        assert_eq!(of("/v2?a=b#c").unwrap(), "https://status.acme.example:8443/api/v2?a=b");
        assert_eq!(of("//other.example/x").unwrap(), "https://status.acme.example:8443/api//other.example/x");
        for path in ["/../admin", "/%2e%2e/admin", "/a/../../admin", "/\\..\\..\\admin", "v2", "", "@other.example/"] {
            let out = of(path);
            assert!(out.as_ref().is_err_and(|reason| reason.contains("leads out")), "{path}: {out:?}");
        }
    }

    #[tokio::test]
    async fn a_source_that_says_nothing_is_not_waited_for_beyond_its_time() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let settings = |name: &str| SourceSettings {
            name: name.to_owned(),
            kind: Kind::Http,
            url: url.clone(),
            credential: Ok(None),
            ca_file: None,
        };
        let sources = Sources::new(vec![settings("mute")], Proxies::default(), Arc::new(crate::clock::SystemClock));
        let sources = Sources { time_of_one: Duration::from_millis(200), ..sources };
        let question = SourceQuestion { source: "mute".to_owned(), ask: Ask::Get { path: "/".to_owned(), json: None } };
        let answers = sources.ask_all(BTreeSet::from([question.clone()])).await;
        let reason = answers[&question].as_ref().unwrap_err();
        assert!(reason.starts_with("the source `mute` cannot be asked: 127.0.0.1"), "{reason}");
        assert!(reason.ends_with("took longer than 0.2 s"), "{reason}");
    }

    #[tokio::test]
    async fn a_credential_leaves_this_machine_by_tls_alone() {
        let settings = SourceSettings {
            name: "far".to_owned(),
            kind: Kind::Http,
            url: "http://prometheus.acme.example".to_owned(),
            credential: Ok(Some(Credential::Token("s3cr3t".into()))),
            ca_file: None,
        };
        let sources = Sources::new(vec![settings], Proxies::default(), Arc::new(crate::clock::SystemClock));
        let question = SourceQuestion { source: "far".to_owned(), ask: Ask::Get { path: "/".to_owned(), json: None } };
        let answers = sources.ask_all(BTreeSet::from([question.clone()])).await;
        let reason = answers[&question].as_ref().unwrap_err();
        assert!(reason.ends_with("its credential would leave this machine in plain HTTP"), "{reason}");
    }

    #[test]
    fn a_credential_never_shows() {
        let token = Credential::Token("s3cr3t".into());
        let basic = Credential::Basic { user: "tagboat".to_owned(), password: "s3cr3t".into() };
        for credential in [token, basic] {
            assert!(!format!("{credential:?} {:?}", credential.header()).contains("s3cr3t"));
        }
        assert!(Credential::Token("a\nb".into()).header().is_none());
    }
}
