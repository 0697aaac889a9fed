//! Asking a forge's API with JSON: reads that are tried again, writes that are sent once, pages to their end.
//!
//! The entry point is [`Rest`]. Knows no forge: paths, fields and what a refusal means are the caller's.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, IF_NONE_MATCH, LINK};
use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use crate::clock::{Clock, PassEnd};
use crate::forge::account::MINUTE;
use crate::forge::remembered::of_pages;
use crate::forge::turns::denied::Order;
use crate::forge::turns::{Question, Told, Turn, reduced};
use crate::forge::{Desk, ForgeError};
use crate::http::client::{Call, HttpClient, PlainHttp, Timeouts};
use crate::http::echo::without_echo;
use crate::http::error::HttpError;
use crate::http::retry::{RetryPolicy, Tries};
use crate::http::target::host_of;
use crate::model::image::shorten;
use crate::model::pull_request::{PullRequest, Source};

/// How long one question may take, with its tries and waits.
const TIME: Duration = Duration::from_secs(60);

/// The longest answer: a page of a hundred pull requests with long bodies.
const LONGEST: u64 = 32 << 20;

/// The most pages that are read of one list.
const MOST_PAGES: usize = 50;

/// The longest wait that a refused write is held for; what asks for more is left to the next pass.
const PATIENCE: Duration = Duration::from_secs(20);

/// How often a write is sent again after the forge has said that it did not take it.
const RESENT: usize = 2;

/// The header in which a token is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TokenHeader {
    /// Its name, in lower case.
    pub(super) name: &'static str,
    /// What stands before the token.
    pub(super) before: &'static str,
}

/// An answer: what came is the caller's to judge, unless it says "later".
#[derive(Debug)]
pub(super) struct Reply {
    /// The status.
    pub(super) status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Reply {
    /// Reads the body as JSON of a shape.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, ForgeError> {
        serde_json::from_slice(&self.body).map_err(|error| {
            // The parser's words may repeat what came: they are cut and freed of control characters.
            ForgeError::Skip(format!("the answer has another shape than documented: {}", shorten(&error.to_string())))
        })
    }

    /// Reads the body as the first page of a list.
    pub(super) fn page<T: DeserializeOwned>(&self) -> Result<Page<T>, ForgeError> {
        let items: Vec<T> = self.json()?;
        let more = self.has_next(items.len(), items.len());
        Ok(Page { items, more })
    }

    /// Returns the answer if it has a status that grants what was asked; else what `refused` makes of it.
    pub(super) fn granted(
        self,
        statuses: &[StatusCode],
        refused: impl FnOnce(&Self) -> ForgeError,
    ) -> Result<Self, ForgeError> {
        if statuses.contains(&self.status) { Ok(self) } else { Err(refused(&self)) }
    }

    /// Returns what a refusal says for people, cut short.
    pub(super) fn words(&self) -> String {
        let said = serde_json::from_slice::<Value>(&self.body).ok();
        let said = said.as_ref().and_then(|said| said.get("message").or_else(|| said.get("error")));
        let text = match said {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("; "),
            Some(Value::Null) | None => String::new(),
            Some(other) => other.to_string(),
        };
        let status = self.status.as_u16();
        if text.is_empty() { status.to_string() } else { format!("{status}: {}", shorten(&text)) }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Whether another page follows, when so many were read so far.
    fn has_next(&self, read: usize, of_this: usize) -> bool {
        if of_this == 0 {
            return false;
        }
        let links = self.headers.get(LINK).and_then(|value| value.to_str().ok());
        let linked = links.is_some_and(|links| links.split(',').any(|link| link.contains("rel=\"next\"")));
        let numbered = self.header("x-next-page").is_some_and(|page| !page.trim().is_empty());
        let total: Option<usize> = self.header("x-total-count").and_then(|count| count.trim().parse().ok());
        linked || numbered || total.is_some_and(|total| total > read)
    }
}

/// Items of a list, and whether there are more of them.
pub(super) struct Page<T> {
    /// The items.
    pub(super) items: Vec<T>,
    /// Whether the list goes on.
    pub(super) more: bool,
}

/// A forge's API below its base. What is cloned asks as the same, and remembers the same.
#[derive(Clone)]
pub(super) struct Rest {
    desk: Desk,
    /// By which number this one remembers answers.
    owner: u64,
    base: Url,
    headers: HeaderMap,
    clock: Arc<dyn Clock>,
}

impl Rest {
    /// Speaks to the API below `base`, with the token where there is one.
    pub(super) fn new(base: Url, token: Option<(TokenHeader, &SecretString)>, clock: Arc<dyn Clock>) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some((header, token)) = token {
            let text = format!("{}{}", header.before, token.expose_secret());
            match HeaderValue::from_str(&text) {
                Ok(mut value) => {
                    value.set_sensitive(true);
                    headers.insert(HeaderName::from_static(header.name), value);
                }
                Err(_not_a_header) => tracing::warn!("the token has characters that no token has: it is not sent"),
            }
        }
        let now = Arc::clone(&clock);
        let desk = Desk::of(HttpClient::new(Timeouts::default(), Arc::new(move || now.now())));
        let owner = desk.owner();
        Self { desk, owner, base, headers, clock }
    }

    /// Asks in common with others.
    pub(super) fn at(self, desk: Desk) -> Self {
        let owner = desk.owner();
        Self { desk, owner, ..self }
    }

    /// Returns what need not be asked in the pass.
    pub(super) fn turn(&self) -> &Turn {
        &self.desk.turn
    }

    /// Returns an order that is to be given in this pass by whoever asks.
    pub(super) fn order(&self, parts: &[&str]) -> Order {
        Order::of(&self.desk.turn, self.owner, parts)
    }

    /// Returns the same for one pass.
    pub(super) fn until(&self, ends: PassEnd, turn: Turn) -> Self {
        Self { desk: self.desk.until(ends, turn), ..self.clone() }
    }

    /// Returns the client, for questions that no token goes along with.
    pub(super) fn http(&self) -> &HttpClient {
        &self.desk.http
    }

    /// Returns what stands in the base's path before the API's own part: that of a forge below a path of its host.
    pub(super) fn below(&self, api: &str) -> String {
        let path = self.base.path().trim_matches('/');
        path.strip_suffix(api).unwrap_or(path).trim_matches('/').to_owned()
    }

    /// Returns the path of a repository of this very forge; `None` for one elsewhere.
    pub(super) fn own_path<'a>(&self, source: &'a Source, api: &str) -> Option<&'a str> {
        let below = self.below(api);
        let path = source.path.as_str();
        let rest = if below.is_empty() { Some(path) } else { path.strip_prefix(&below)?.strip_prefix('/') };
        rest.filter(|_| source.host == self.host())
    }

    /// Returns the forge's host, for messages.
    pub(super) fn host(&self) -> String {
        host_of(&self.base)
    }

    /// Returns the URL of a path below the base; each part is written so that it stays one part.
    pub(super) fn url(&self, path: &[&str], query: &[(&str, &str)]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut parts) = url.path_segments_mut() {
            parts.pop_if_empty().extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    /// Asks without changing anything, unless it need not be asked in this pass; tried again when the forge is in trouble.
    pub(super) async fn read(&self, url: Url) -> Result<Reply, ForgeError> {
        self.read_reduced(url, Bytes::clone).await
    }

    /// Asks the same way for what is read as one shape alone: nothing else of the answer, which may be secret, is kept.
    pub(super) async fn read_as<T: DeserializeOwned + Serialize>(&self, url: Url) -> Result<Reply, ForgeError> {
        self.read_reduced(url, reduced::<T>).await
    }

    async fn read_reduced(&self, url: Url, reduced: fn(&Bytes) -> Bytes) -> Result<Reply, ForgeError> {
        let question = Question::of(self.owner, &url);
        if let Some(Told { status, headers, body }) = self.desk.turn.recall(&question) {
            return Ok(Reply { status, headers, body });
        }
        self.check_quiet()?;
        let reply = self.tried(&self.call(Method::GET, url, None)?).await?;
        let (status, headers, body) = (reply.status, of_pages(&reply.headers), reduced(&reply.body));
        self.desk.turn.keep(question, Told { status, headers, body });
        Ok(reply)
    }

    /// Asks for a listing, and gives the remembered one where the forge says that it is the same still.
    pub(super) async fn read_again(&self, url: Url) -> Result<Reply, ForgeError> {
        self.check_quiet()?;
        let mut call = self.call(Method::GET, url.clone(), None)?;
        let known = self.desk.remembered.known(self.owner, &url);
        if let Some(known) = &known {
            call.headers.insert(IF_NONE_MATCH, known.etag.clone());
        }
        let mut reply = self.tried(&call).await?;
        match known {
            Some(known) if reply.status == StatusCode::NOT_MODIFIED => {
                reply = Reply { status: StatusCode::OK, headers: known.headers, body: known.body };
            }
            _ if reply.status == StatusCode::OK => {
                self.desk.remembered.keep(self.owner, &url, &reply.headers, reply.body.clone());
            }
            _ => {}
        }
        self.desk.turn.sees(&[url.as_str().as_bytes(), &reply.body]);
        Ok(reply)
    }

    /// Returns what a list went on with below this first page, where that is known; else what `asked` says, which is kept.
    pub(super) async fn further(
        &self,
        first: &[PullRequest],
        asked: impl Future<Output = Result<Vec<PullRequest>, ForgeError>>,
    ) -> Result<Vec<PullRequest>, ForgeError> {
        if let Some(known) = self.desk.remembered.further(self.owner, first) {
            return Ok(known);
        }
        let further = asked.await?;
        self.desk.remembered.keep_further(self.owner, first, &further);
        Ok(further)
    }

    /// Forgets what lists went on with, and what was told to earlier passes.
    pub(super) fn forget_further(&self) {
        self.desk.turn.doubt();
        self.desk.remembered.forget_further(self.owner);
    }

    /// Changes something. Sent once; only a 429, by which nothing was done, is heeded and sent again.
    pub(super) async fn write(&self, method: Method, url: Url, body: Option<&Value>) -> Result<Reply, ForgeError> {
        self.desk.may_act()?;
        self.check_quiet()?;
        let call = self.call(method, url, body)?;
        let mut sent = 0;
        loop {
            let error = match self.exchange(&call).await {
                Ok(reply) if reply.status.is_redirection() => {
                    return Err(ForgeError::Stop(format!(
                        "{} has moved the repository: name its new URL",
                        self.host()
                    )));
                }
                Ok(reply) => return Ok(reply),
                Err(error) => error,
            };
            match &error {
                HttpError::Throttled { status: StatusCode::TOO_MANY_REQUESTS, wait: Some(wait), .. }
                    if *wait <= PATIENCE && sent < RESENT =>
                {
                    sent += 1;
                    self.heed(&error);
                    self.desk.wait(*wait).await?;
                }
                _ => return Err(self.of_http(error)),
            }
        }
    }

    /// Reads a list to its end. `refused` says what an answer other than 200 means.
    pub(super) async fn pages<T: DeserializeOwned>(
        &self,
        url: &Url,
        refused: &(dyn Fn(&Reply) -> ForgeError + Sync),
    ) -> Result<Vec<T>, ForgeError> {
        match self.first_pages(url, refused).await? {
            (all, true) => Ok(all),
            (_, false) => Err(ForgeError::Skip(format!("{} lists more than {MOST_PAGES} pages", self.host()))),
        }
    }

    /// Reads as many pages of a list as are read of any, and tells whether that is all of it.
    pub(super) async fn first_pages<T: DeserializeOwned>(
        &self,
        url: &Url,
        refused: &(dyn Fn(&Reply) -> ForgeError + Sync),
    ) -> Result<(Vec<T>, bool), ForgeError> {
        let mut all = Vec::new();
        for page in 1..=MOST_PAGES {
            let mut url = url.clone();
            url.query_pairs_mut().append_pair("page", &page.to_string());
            let reply = self.read(url).await?;
            if reply.status != StatusCode::OK {
                return Err(refused(&reply));
            }
            let items: Vec<T> = reply.json()?;
            let count = items.len();
            all.extend(items);
            if !reply.has_next(all.len(), count) {
                return Ok((all, true));
            }
        }
        Ok((all, false))
    }

    fn call(&self, method: Method, url: Url, body: Option<&Value>) -> Result<Call, ForgeError> {
        let mut headers = self.headers.clone();
        if body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        Ok(Call {
            method,
            url,
            headers,
            body: body.map(|body| body.to_string().into()),
            deadline: self.desk.deadline(TIME)?,
            retry: RetryPolicy::NONE,
            plain: PlainHttp::Loopback,
        })
    }

    /// Asks for what changes nothing, again when the forge is in trouble or the answer breaks off.
    async fn tried(&self, call: &Call) -> Result<Reply, ForgeError> {
        let retry = RetryPolicy { after_silence: 2, after_trouble: 2, first_wait: Duration::from_millis(250) };
        let mut tries = Tries::default();
        loop {
            let error = match self.exchange(call).await {
                Ok(reply) => return Ok(reply),
                Err(error) => error,
            };
            // Who names no time wants no other try in a moment.
            if matches!(error, HttpError::Throttled { wait: None, .. }) {
                return Err(self.of_http(error));
            }
            self.heed(&error);
            tries.pause(error, &retry, call.deadline).await.map_err(|error| self.of_http(error))?;
        }
    }

    async fn exchange(&self, call: &Call) -> Result<Reply, HttpError> {
        let answer = self.desk.http.send(call).await?;
        let (status, headers) = (answer.status, answer.headers.clone());
        let body = without_echo(&call.headers, answer.body(LONGEST).whole().await?);
        Ok(Reply { status, headers, body })
    }

    /// Says what an exchange without a usable answer means. A forge that says when it wants to be asked again is not asked
    /// before, about whichever repository.
    fn of_http(&self, error: HttpError) -> ForgeError {
        match error {
            HttpError::Throttled { wait, .. } => {
                self.desk.account.be_quiet(&self.host(), self.clock.now(), wait.unwrap_or(MINUTE))
            }
            HttpError::Deadline { .. } if self.desk.ends.is_over() => self.desk.over(),
            error => meaning(error),
        }
    }

    /// Lets whoever asks as the same be quiet as long as this question waits.
    fn heed(&self, error: &HttpError) {
        if let HttpError::Throttled { wait, .. } = error {
            let wait = wait.unwrap_or(MINUTE);
            let _told_by_their_next_request = self.desk.account.be_quiet(&self.host(), self.clock.now(), wait);
        }
    }

    fn check_quiet(&self) -> Result<(), ForgeError> {
        self.desk.account.check_quiet(&self.host(), self.clock.now())
    }
}

/// Says what an exchange without a usable answer means.
fn meaning(error: HttpError) -> ForgeError {
    let reason = error.to_string();
    match error {
        HttpError::Elsewhere { error, .. } => meaning(*error),
        HttpError::Setup(_)
        | HttpError::File(_)
        | HttpError::Proxy { .. }
        | HttpError::Plain { .. }
        | HttpError::Redirect { .. } => ForgeError::Stop(reason),
        HttpError::TooLarge { .. } => ForgeError::Skip(reason),
        HttpError::Throttled { wait, .. } => ForgeError::Later { after: Some(wait.unwrap_or(MINUTE)), reason },
        HttpError::Deadline { host } => {
            ForgeError::Later { after: None, reason: format!("{host} took too long, with all tries and waits") }
        }
        HttpError::Connect { .. }
        | HttpError::Tls { .. }
        | HttpError::Silent { .. }
        | HttpError::Broken { .. }
        | HttpError::Server { .. } => ForgeError::Later { after: None, reason },
    }
}
