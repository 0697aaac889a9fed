//! One question to GitHub's API: as whom, how fast, how often, and what its refusals mean.
//!
//! The entry points are [`Transport::get`], [`Transport::pages`] and [`Transport::write`]. A write is sent once.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, IF_NONE_MATCH, LINK, RETRY_AFTER};
use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use crate::clock::{Clock, PassEnd};
use crate::forge::account::MINUTE;
use crate::forge::github::identity::Identity;
use crate::forge::github::raw;
use crate::forge::github::service::{Line, Said};
use crate::forge::remembered::of_pages;
use crate::forge::turns::denied::Order;
use crate::forge::turns::{Question, Told, Turn, reduced};
use crate::forge::{Desk, ForgeError};
use crate::http::client::{HttpClient, Timeouts};
use crate::http::error::HttpError;
use crate::http::retry::{RetryPolicy, Tries, retry_after};
use crate::model::image::shorten;
use crate::model::pull_request::PullRequest;

/// Who it is, in messages.
const NAME: &str = "GitHub";

/// How long one question may take, with its tries and waits.
const TIME: Duration = Duration::from_secs(40);

/// The header by which a refusal says what the token would need.
const PERMISSIONS: HeaderName = HeaderName::from_static("x-accepted-github-permissions");

/// The most pages of one list.
const MOST_PAGES: usize = 50;

/// The longest that a write is held back so as not to come too fast.
const PATIENCE: Duration = Duration::from_secs(61);

/// The pages of GitHub's documentation that a refusal by protection or by a ruleset names.
const RULES_PAGES: [&str; 3] = ["protected-branches", "managing-rulesets", "about-rulesets"];

/// The codes of errors by which a request itself was wrong.
const FAULTS: [&str; 4] = ["missing", "missing_field", "invalid", "already_exists"];

/// An answer, and not one that says "later".
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    body: Bytes,
}

impl From<Said> for Answer {
    fn from(said: Said) -> Self {
        let (parts, body) = said.into_parts();
        Self { status: parts.status, headers: parts.headers, body }
    }
}

impl Answer {
    /// Reads the body.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, ForgeError> {
        serde_json::from_slice(&self.body).map_err(|error| {
            ForgeError::Skip(format!(
                "GitHub's answer has another shape than documented: {}",
                shorten(&error.to_string())
            ))
        })
    }

    /// Returns a header's text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Whether the list goes on.
    pub(super) fn has_next(&self) -> bool {
        let links = self.headers.get(LINK).and_then(|value| value.to_str().ok());
        links.is_some_and(|links| links.split(',').any(|link| link.contains("rel=\"next\"")))
    }

    /// Returns what a refusal says, for people, cut short.
    pub(super) fn words(&self) -> String {
        let said: raw::Refusal = serde_json::from_slice(&self.body).unwrap_or_default();
        let mut words: Vec<String> = said.message.iter().map(|text| shorten(text)).collect();
        words.extend(said.errors.as_array().into_iter().flatten().filter_map(|error| match error {
            Value::String(text) => Some(shorten(text)),
            other => other.get("message").and_then(Value::as_str).map(shorten),
        }));
        let status = self.status.as_u16();
        if words.is_empty() { status.to_string() } else { format!("{status}: {}", words.join("; ")) }
    }

    /// Whether a refusal comes of what the repository's rules or the protection of a branch ask for, and not of the request: told
    /// by the page that it names, and by the codes of its errors, of which a request that is wrong has one of its own
    /// (GitHub's documentation, "Troubleshooting the REST API", validation failed).
    pub(super) fn is_by_rule(&self) -> bool {
        let said: raw::Refusal = serde_json::from_slice(&self.body).unwrap_or_default();
        let page = said.documentation_url.unwrap_or_default();
        if RULES_PAGES.iter().any(|name| page.contains(name)) {
            return true;
        }
        let code = |error: &Value| error.get("code").and_then(Value::as_str).is_some_and(|code| FAULTS.contains(&code));
        self.status == StatusCode::UNPROCESSABLE_ENTITY && !said.errors.as_array().into_iter().flatten().any(code)
    }

    /// Says what a refusal means: nothing more to be had, or this one thing alone.
    pub(super) fn refusal(&self, what: &str) -> ForgeError {
        if self.status == StatusCode::UNAUTHORIZED {
            return ForgeError::Stop("GitHub does not accept the token: it is wrong, expired or revoked".to_owned());
        }
        if self.status.is_redirection() {
            return ForgeError::Stop("GitHub says that the repository has moved: use its new URL".to_owned());
        }
        let needed = self.header(PERMISSIONS.as_str()).filter(|_| self.status == StatusCode::FORBIDDEN);
        let needed = needed.map(|needed| format!("; it needs {}", shorten(needed))).unwrap_or_default();
        ForgeError::Skip(format!("GitHub refuses {what}: {}{needed}", self.words()))
    }
}

/// What GraphQL tells.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) data: Value,
    /// The names of fields that are not shown to whoever asks.
    pub(super) withheld: BTreeSet<&'static str>,
}

/// The API of one GitHub. What is cloned asks as the same: with the same token, pace and memory.
#[derive(Clone)]
pub(super) struct Transport {
    desk: Desk,
    /// By which number this one remembers answers.
    owner: u64,
    pub(super) base: Url,
    pub(super) identity: Arc<Identity>,
    pub(super) clock: Arc<dyn Clock>,
    /// Where the installation of an App is looked up.
    pub(super) repository: String,
}

impl Transport {
    pub(super) fn new(base: Url, repository: String, identity: Identity, clock: Arc<dyn Clock>) -> Self {
        let now = Arc::clone(&clock);
        let desk = Desk::of(HttpClient::new(Timeouts::default(), Arc::new(move || now.now())));
        let owner = desk.owner();
        Self { desk, owner, base, identity: Arc::new(identity), clock, repository }
    }

    /// Returns what need not be asked in the pass.
    pub(super) fn turn(&self) -> &Turn {
        &self.desk.turn
    }

    /// Returns an order that is to be given in this pass by whoever asks.
    pub(super) fn order(&self, parts: &[&str]) -> Order {
        Order::of(&self.desk.turn, self.owner, parts)
    }

    /// Asks in common with others.
    pub(super) fn at(self, desk: Desk) -> Self {
        let owner = desk.owner();
        Self { desk, owner, ..self }
    }

    /// Returns the same for one pass.
    pub(super) fn until(&self, ends: PassEnd, turn: Turn) -> Self {
        Self { desk: self.desk.until(ends, turn), ..self.clone() }
    }

    /// Returns how long the pass may still take for which it is asked; where nobody has said, no time.
    pub(super) fn pass_time(&self) -> Duration {
        self.desk.ends.left()
    }

    /// Returns the base of the API.
    pub(super) fn base(&self) -> &Url {
        &self.base
    }

    /// Returns the client, for questions that no token goes along with.
    pub(super) fn http(&self) -> &HttpClient {
        &self.desk.http
    }

    /// Returns the URL of a path below the base; each part stays one part.
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

    /// Returns the URL of GraphQL: beside `/api/v3` on Enterprise Server, below the base on github.com.
    fn graphql_url(&self) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut parts) = url.path_segments_mut() {
            parts.pop_if_empty();
        }
        if url.path().ends_with("/v3")
            && let Ok(mut parts) = url.path_segments_mut()
        {
            parts.pop();
        }
        if let Ok(mut parts) = url.path_segments_mut() {
            parts.push("graphql");
        }
        url
    }

    /// Asks for something, unless it need not be asked in this pass; where GitHub says that it is what it was, the remembered answer is given.
    pub(super) async fn get(&self, url: &Url) -> Result<Answer, ForgeError> {
        self.get_reduced(url, Bytes::clone).await
    }

    /// Asks the same way for what is read as one shape alone: nothing else of the answer, which may be secret, is kept.
    pub(super) async fn get_as<T: DeserializeOwned + Serialize>(&self, url: &Url) -> Result<Answer, ForgeError> {
        self.get_reduced(url, reduced::<T>).await
    }

    async fn get_reduced(&self, url: &Url, reduced: fn(&Bytes) -> Bytes) -> Result<Answer, ForgeError> {
        let question = Question::of(self.owner, url);
        if let Some(Told { status, headers, body }) = self.desk.turn.recall(&question) {
            return Ok(Answer { status, headers, body });
        }
        let answer = self.get_again(url, |answer| Some(reduced(&answer.body))).await?;
        let mut headers = of_pages(&answer.headers);
        let needed = answer.headers.get(PERMISSIONS).filter(|_| answer.status == StatusCode::FORBIDDEN);
        headers.extend(needed.map(|needed| (PERMISSIONS, needed.clone())));
        self.desk.turn.keep(question, Told { status: answer.status, headers, body: reduced(&answer.body) });
        Ok(answer)
    }

    /// Asks for the list of pull requests, in every pass; only what `reduced` leaves of it is remembered, and given the next time.
    pub(super) async fn list(
        &self,
        url: &Url,
        reduced: impl Fn(&Answer) -> Option<Bytes>,
    ) -> Result<Answer, ForgeError> {
        let answer = self.get_again(url, &reduced).await?;
        // One that was remembered is reduced already.
        let body = reduced(&answer).unwrap_or_else(|| answer.body.clone());
        self.desk.turn.sees(&[url.as_str().as_bytes(), &body]);
        Ok(answer)
    }

    /// Returns what the list of pull requests went on with below this first page, where that is known.
    pub(super) fn further(&self, first: &[PullRequest]) -> Option<Vec<PullRequest>> {
        self.desk.remembered.further(self.owner, first)
    }

    /// Keeps what the list of pull requests went on with.
    pub(super) fn keep_further(&self, first: &[PullRequest], further: &[PullRequest]) {
        self.desk.remembered.keep_further(self.owner, first, further);
    }

    /// Forgets what the list of pull requests went on with, and what was told to earlier passes.
    pub(super) fn forget_further(&self) {
        self.desk.turn.doubt();
        self.desk.remembered.forget_further(self.owner);
    }

    async fn get_again(&self, url: &Url, reduced: impl Fn(&Answer) -> Option<Bytes>) -> Result<Answer, ForgeError> {
        let known = self.desk.remembered.known(self.owner, url);
        let mut headers = HeaderMap::new();
        if let Some(known) = &known {
            headers.insert(IF_NONE_MATCH, known.etag.clone());
        }
        let retry = RetryPolicy { after_silence: 2, after_trouble: 2, first_wait: Duration::from_millis(250) };
        let answer = self.ask(Method::GET, url, headers, None, retry).await?;
        if answer.status == StatusCode::NOT_MODIFIED
            && let Some(known) = known
        {
            return Ok(Answer { status: StatusCode::OK, headers: known.headers, body: known.body });
        }
        if answer.status == StatusCode::OK
            && let Some(body) = reduced(&answer)
        {
            self.desk.remembered.keep(self.owner, url, &answer.headers, body);
        }
        Ok(answer)
    }

    /// Asks for every page of a list, which `items` takes out of each; `what` names it for refusals.
    pub(super) async fn pages<P: DeserializeOwned, T>(
        &self,
        asked: (&[&str], &[(&str, &str)]),
        what: &str,
        items: impl Fn(P) -> Vec<T>,
    ) -> Result<Vec<T>, ForgeError> {
        self.pages_if_shown(asked, what, items).await?.map_err(|answer| answer.refusal(what))
    }

    /// Does the same, and gives back the answer by which the list was refused.
    pub(super) async fn pages_if_shown<P: DeserializeOwned, T>(
        &self,
        (path, query): (&[&str], &[(&str, &str)]),
        what: &str,
        items: impl Fn(P) -> Vec<T>,
    ) -> Result<Result<Vec<T>, Answer>, ForgeError> {
        let mut all = Vec::new();
        for page in 1..=MOST_PAGES {
            let mut url = self.url(path, query);
            url.query_pairs_mut().append_pair("per_page", "100").append_pair("page", &page.to_string());
            let answer = self.get(&url).await?;
            if answer.status != StatusCode::OK {
                return Ok(Err(answer));
            }
            all.extend(items(answer.json()?));
            if !answer.has_next() {
                return Ok(Ok(all));
            }
        }
        Err(ForgeError::Skip(format!("GitHub lists more than {MOST_PAGES} pages of {what}")))
    }

    /// Changes something. It is held back as long as it would come too fast, and sent once.
    pub(super) async fn write(&self, method: Method, url: &Url, body: Option<&Value>) -> Result<Answer, ForgeError> {
        self.desk.may_act()?;
        self.hold_back().await?;
        self.ask(method, url, HeaderMap::new(), body, ONCE).await
    }

    /// Changes something by GraphQL; `Err` of the inside is the types of its errors.
    pub(super) async fn graphql(
        &self,
        query: &str,
        variables: Value,
    ) -> Result<Result<Value, Vec<String>>, ForgeError> {
        let body = serde_json::json!({"query": query, "variables": variables});
        let answer = self.write(Method::POST, &self.graphql_url(), Some(&body)).await?;
        Ok(self.told(&answer, &[])?.map(|told| told.data))
    }

    /// Asks GraphQL what changes nothing, unless it need not be asked in this pass: it takes no place in the pace of writes, and is tried
    /// again. That fields of the names `may_lack` are not shown is no error: they are `null`, and named.
    pub(super) async fn ask_graphql(
        &self,
        query: &str,
        variables: Value,
        may_lack: &[&'static str],
    ) -> Result<Result<Shown, Vec<String>>, ForgeError> {
        let body = serde_json::json!({"query": query, "variables": variables});
        let url = self.graphql_url();
        let question = Question::with(self.owner, &url, &body.to_string());
        if let Some(Told { status, headers, body }) = self.desk.turn.recall(&question) {
            return self.told(&Answer { status, headers, body }, may_lack);
        }
        let retry = RetryPolicy { after_silence: 2, after_trouble: 2, first_wait: Duration::from_millis(250) };
        let answer = self.ask(Method::POST, &url, HeaderMap::new(), Some(&body), retry).await?;
        let told = self.told(&answer, may_lack);
        // That GraphQL is not there, or not for this token, is an answer; that too much was asked, which comes with 200, is none.
        if told.is_ok() || answer.status != StatusCode::OK {
            let headers = HeaderMap::new();
            self.desk.turn.keep(question, Told { status: answer.status, headers, body: answer.body });
        }
        told
    }

    fn told(&self, answer: &Answer, may_lack: &[&'static str]) -> Result<Result<Shown, Vec<String>>, ForgeError> {
        if answer.status != StatusCode::OK {
            return Err(answer.refusal("a question to GraphQL"));
        }
        let said: raw::GraphQl = answer.json()?;
        let lacking = |error: &raw::GraphQlError| {
            may_lack.iter().copied().find(|name| error.path.iter().any(|part| part.as_str() == Some(*name)))
        };
        let withheld = said.errors.iter().filter_map(lacking).collect();
        let errors: Vec<&raw::GraphQlError> = said.errors.iter().filter(|error| lacking(error).is_none()).collect();
        if errors.is_empty() {
            return Ok(Ok(Shown { data: said.data, withheld }));
        }
        if errors.iter().any(|error| error.kind.as_deref() == Some("RATE_LIMITED")) {
            return Err(self.be_quiet(MINUTE));
        }
        Ok(Err(errors.iter().map(|error| shorten(&error.message)).collect()))
    }

    /// Waits until one more write may be made, and takes its place in the pace.
    async fn hold_back(&self) -> Result<(), ForgeError> {
        let mut patience = PATIENCE;
        while let Some(wait) = self.desk.account.write(self.clock.now()) {
            // Others with the same account may be faster each time.
            patience = patience.checked_sub(wait).ok_or_else(|| ForgeError::Later {
                after: Some(wait),
                reason: "as many writes as GitHub takes in a while were made".to_owned(),
            })?;
            tracing::info!(seconds = wait.as_secs(), "writes are held back, so that GitHub does not refuse them");
            self.desk.wait(wait).await?;
        }
        Ok(())
    }

    /// Asks as who it is: with another token where that of an App's installation was revoked before its end, since a refusal of whom
    /// nobody knows has done nothing.
    async fn ask(
        &self,
        method: Method,
        url: &Url,
        headers: HeaderMap,
        body: Option<&Value>,
        retry: RetryPolicy,
    ) -> Result<Answer, ForgeError> {
        let token = self.token().await?;
        let answer = self.send(method.clone(), url, headers.clone(), body, retry, &token).await?;
        if answer.status != StatusCode::UNAUTHORIZED || !self.let_go(&token).await {
            return Ok(answer);
        }
        self.send(method, url, headers, body, retry, &self.token().await?).await
    }

    pub(super) async fn send(
        &self,
        method: Method,
        url: &Url,
        mut headers: HeaderMap,
        body: Option<&Value>,
        retry: RetryPolicy,
        token: &SecretString,
    ) -> Result<Answer, ForgeError> {
        self.desk.account.check_quiet(NAME, self.clock.now())?;
        let mut shown = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret()))
            .map_err(|_not_a_header| ForgeError::Stop("the token has characters that no token has".to_owned()))?;
        shown.set_sensitive(true);
        headers.insert(AUTHORIZATION, shown);
        let deadline = self.desk.deadline(TIME)?;
        let line = Line::open(Arc::clone(&self.desk.http), deadline);
        let mut tries = Tries::default();
        let answer = loop {
            let error = match line.ask(&method, url, &headers, body).await {
                Ok(said) => break Answer::from(said),
                Err(error) => error,
            };
            // Whoever asks as the same is quiet from now on, and not only when this question has waited in vain.
            let quiet = matches!(error, HttpError::Throttled { status: StatusCode::TOO_MANY_REQUESTS, .. })
                .then(|| self.of_http(error.clone()));
            match (quiet, &error) {
                (Some(quiet), HttpError::Throttled { wait: None, .. }) => return Err(quiet),
                _ => tries.pause(error, &retry, deadline).await.map_err(|error| self.of_http(error))?,
            }
        };
        self.judge_speed(&answer)?;
        Ok(answer)
    }

    /// Heeds what GitHub says about its limits, in documented headers and the documented field of a refusal.
    fn judge_speed(&self, answer: &Answer) -> Result<(), ForgeError> {
        let number = |name: &str| answer.header(name).and_then(|text| text.trim().parse::<i64>().ok());
        let reset = number("x-ratelimit-reset").and_then(|second| Timestamp::from_second(second).ok());
        let until_reset = reset.and_then(|reset| Duration::try_from(reset.duration_since(self.clock.now())).ok());
        let is_used_up = number("x-ratelimit-remaining") == Some(0);
        let is_refused = answer.status == StatusCode::FORBIDDEN || answer.status == StatusCode::TOO_MANY_REQUESTS;
        if !is_refused {
            if is_used_up && let Some(wait) = until_reset {
                let _told_by_the_next_request = self.be_quiet(wait);
            }
            return Ok(());
        }
        let named = answer.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        if let Some(wait) = named.and_then(|value| retry_after(value, self.clock.now())) {
            return Err(self.be_quiet(wait));
        }
        if is_used_up {
            return Err(self.be_quiet(until_reset.unwrap_or(MINUTE)));
        }
        let said: raw::Refusal = serde_json::from_slice(&answer.body).unwrap_or_default();
        let page = said.documentation_url.unwrap_or_default();
        if page.contains("rate-limits") || page.contains("abuse-rate-limits") {
            return Err(self.be_quiet(MINUTE));
        }
        Ok(())
    }

    /// Remembers that GitHub wants to hear nothing for a while.
    fn be_quiet(&self, wait: Duration) -> ForgeError {
        self.desk.account.be_quiet(NAME, self.clock.now(), wait)
    }

    fn of_http(&self, error: HttpError) -> ForgeError {
        let reason = error.to_string();
        match error {
            HttpError::Throttled { status: StatusCode::TOO_MANY_REQUESTS, wait, .. } => {
                self.be_quiet(wait.unwrap_or(MINUTE))
            }
            HttpError::Throttled { wait: Some(wait), .. } => self.be_quiet(wait),
            HttpError::Throttled { wait: None, .. } => ForgeError::Later { after: None, reason },
            HttpError::Deadline { .. } if self.desk.ends.is_over() => self.desk.over(),
            HttpError::Deadline { host } => {
                ForgeError::Later { after: None, reason: format!("{host} took too long to answer") }
            }
            HttpError::Setup(_) | HttpError::Plain { .. } => ForgeError::Stop(reason),
            HttpError::TooLarge { .. } | HttpError::Redirect { .. } => ForgeError::Skip(reason),
            _ => ForgeError::Later { after: None, reason },
        }
    }
}

/// No further try.
pub(super) const ONCE: RetryPolicy = RetryPolicy::NONE;
