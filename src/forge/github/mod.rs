//! GitHub and GitHub Enterprise Server, over REST, and GraphQL for merge queues, which REST cannot reach, and for what many pull requests wait for.
//!
//! The entry point is [`GitHub`]. Whether GitHub may merge by itself, which asks neither gates nor checks that are not required, is
//! decided by whoever calls.

mod commits;
mod deployments;
mod glance;
pub mod identity;
mod judging;
mod merge;
pub(super) mod pace;
mod permissions;
mod pulls;
mod raw;
mod readiness;
mod rollup;
mod runs;
mod service;
mod suites;
mod tokens;
mod transport;
pub mod vault;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use reqwest::StatusCode;
use secrecy::SecretString;
use url::Url;

use crate::clock::{Clock, PassEnd};
use crate::forge::comments::say_once;
use crate::forge::github::identity::Identity;
use crate::forge::github::readiness::of_status;
use crate::forge::github::runs::worst;
use crate::forge::github::transport::Transport;
use crate::forge::once::Once;
use crate::forge::releases::{self, PUBLIC_HOST};
use crate::forge::turns::Turn;
use crate::forge::turns::denied::Order;
use crate::forge::{Asked, Desk, Finishing, Forge, ForgeError};
use crate::http::client::HttpClient;
use crate::http::target::host_of;
use crate::model::commit::{CommitId, MadeCommit, NewCommit};
use crate::model::deployment::Deployment;
use crate::model::environment::BranchName;
use crate::model::pull_request::{
    Check, Demands, ForgeKind, Glance, Lack, Listing, Merge, NewPullRequest, Number, PullRequest, Readiness, Release,
    Source, Status,
};

/// The API of github.com.
pub const PUBLIC_API: &str = "https://api.github.com/";

/// The most characters of a body; GitHub takes 65,536.
const LONGEST_BODY: usize = 65_000;

/// Returns the API of github.com as a URL.
pub(super) fn public_api() -> Url {
    Url::parse(PUBLIC_API).expect("the constant is a URL")
}

/// A repository on GitHub.
pub struct GitHub {
    transport: Transport,
    owner: String,
    name: String,
    settings: Once<(), raw::Repository>,
    rules: Once<String, judging::Asked>,
    permissions: Once<String, Result<bool, String>>,
    /// What was judged as going into a merge queue.
    queues: Mutex<BTreeSet<Number>>,
    glances: Mutex<glance::Glances>,
}

impl GitHub {
    /// Speaks of the repository `owner/name` to the API below `base`, such as `https://ghe.acme.example/api/v3`.
    /// Nothing is asked yet.
    pub fn new(base: Url, owner: &str, name: &str, identity: Identity, clock: Arc<dyn Clock>) -> Self {
        let transport = Transport::new(base, format!("{owner}/{name}"), identity, clock);
        Self::of(transport, owner.to_owned(), name.to_owned())
    }

    fn of(transport: Transport, owner: String, name: String) -> Self {
        let (settings, rules, permissions) = (Once::default(), Once::default(), Once::default());
        Self {
            transport,
            owner,
            name,
            settings,
            rules,
            permissions,
            queues: Mutex::default(),
            glances: Mutex::default(),
        }
    }

    /// Reaches hosts in another way: through a proxy, or trusting a private authority.
    #[must_use]
    pub fn over(self, http: HttpClient) -> Self {
        self.at(Desk::of(http))
    }

    /// Asks in common with clients of other repositories.
    #[must_use]
    pub fn at(self, desk: Desk) -> Self {
        Self { transport: self.transport.at(desk), ..self }
    }

    /// Returns one for the next pass, which asks as the same, with its tokens and what it remembers of answers, and anew for rules.
    #[must_use]
    pub fn for_pass(&self, ends: PassEnd, turn: Turn) -> Self {
        Self::of(self.transport.until(ends, turn), self.owner.clone(), self.name.clone())
    }

    /// Returns a token that is good for Git, too: of an App, one of its installation, good for the next minutes.
    ///
    /// # Errors
    ///
    /// [`ForgeError`] when the App's installation gives none.
    pub async fn token(&self) -> Result<SecretString, ForgeError> {
        self.transport.token().await
    }

    /// Lets the token go that is held of an App's installation, which Git was refused with; tells whether there can be another.
    pub async fn let_go(&self) -> bool {
        self.transport.let_go_of_any().await
    }

    /// Asks whose the credential is: REST tells that of no token of an installation, and GraphQL of all.
    async fn login(&self) -> Result<Option<String>, ForgeError> {
        let told = self.transport.ask_graphql("query { viewer { login } }", serde_json::json!({}), &[]).await?;
        Ok(told.ok().and_then(|told| Some(told.data.pointer("/viewer/login")?.as_str()?.to_owned())))
    }

    /// Returns the URL of something below the repository.
    fn url(&self, path: &[&str], query: &[(&str, &str)]) -> Url {
        self.transport.url(&self.path(path), query)
    }

    fn path<'a>(&'a self, path: &[&'a str]) -> Vec<&'a str> {
        ["repos", &self.owner, &self.name].into_iter().chain(path.iter().copied()).collect()
    }
}

impl Forge for GitHub {
    fn list(&self) -> Asked<'_, Listing> {
        self.look_anew();
        Box::pin(self.listed())
    }

    fn doubt(&self) {
        self.transport.forget_further();
    }

    fn of_heads<'a>(&'a self, heads: &'a [BranchName]) -> Asked<'a, Vec<PullRequest>> {
        Box::pin(self.made_from(heads))
    }

    fn open<'a>(&'a self, new: &'a NewPullRequest) -> Asked<'a, PullRequest> {
        Box::pin(self.opened(new))
    }

    fn opens_in_steps(&self, new: &NewPullRequest) -> bool {
        !new.labels.is_empty() || !new.reviewers.is_empty()
    }

    fn finish<'a>(
        &'a self,
        opened: &'a PullRequest,
        new: &'a NewPullRequest,
        finishing: Finishing,
    ) -> Asked<'a, Vec<String>> {
        Box::pin(self.adorned(opened, new, finishing))
    }

    fn rewrite<'a>(&'a self, pull_request: &'a PullRequest, title: &'a str, body: &'a str) -> Asked<'a, ()> {
        Box::pin(self.rewritten(pull_request, title, body))
    }

    fn look<'a>(&'a self, pull_request: &'a PullRequest) -> Asked<'a, Option<PullRequest>> {
        Box::pin(self.looked_at(pull_request))
    }

    fn close<'a>(&'a self, pull_request: &'a PullRequest, body: &'a str) -> Asked<'a, ()> {
        Box::pin(self.closed(pull_request, body))
    }

    fn comment<'a>(&'a self, pull_request: &'a PullRequest, text: &'a str) -> Asked<'a, ()> {
        Box::pin(say_once(self, pull_request, text))
    }

    fn remove_label<'a>(&'a self, pull_request: &'a PullRequest, label: &'a str) -> Asked<'a, ()> {
        Box::pin(self.label_removed(pull_request, label))
    }

    fn make<'a>(&'a self, new: &'a NewCommit) -> Asked<'a, MadeCommit> {
        Box::pin(self.made(new))
    }

    fn required<'a>(&'a self, base: &'a BranchName) -> Asked<'a, BTreeSet<String>> {
        Box::pin(async move { Ok(self.asked_of(base.as_str()).await?.checks) })
    }

    fn readiness<'a>(&'a self, pull_request: &'a PullRequest, checks: Vec<Check>) -> Asked<'a, Readiness> {
        Box::pin(self.judged(pull_request, checks))
    }

    fn order(&self, parts: &[&str]) -> Order {
        self.transport.order(parts)
    }

    fn merge<'a>(&'a self, pull_request: &'a PullRequest, head: &'a CommitId, message: &'a str) -> Asked<'a, Merge> {
        Box::pin(self.merged(pull_request, head, message))
    }

    fn arm<'a>(&'a self, pull_request: &'a PullRequest, head: &'a CommitId, message: &'a str) -> Asked<'a, Merge> {
        Box::pin(self.armed(pull_request, head, message))
    }

    fn disarm<'a>(&'a self, pull_request: &'a PullRequest) -> Asked<'a, ()> {
        Box::pin(self.disarmed(pull_request))
    }

    fn home(&self) -> (ForgeKind, Source) {
        let host = match host_of(self.transport.base()).as_str() {
            "api.github.com" => PUBLIC_HOST.to_owned(),
            other => other.to_owned(),
        };
        (ForgeKind::GitHub, Source { host, path: format!("{}/{}", self.owner, self.name) })
    }

    fn releases<'a>(&'a self, source: &'a Source) -> Asked<'a, Option<Vec<Release>>> {
        Box::pin(async move {
            let parts: Vec<&str> = source.path.split('/').collect();
            let [owner, name] = parts.as_slice() else { return Ok(None) };
            if source.host != self.home().1.host {
                return releases::elsewhere(self.transport.http(), source).await;
            }
            let url = self.transport.url(&["repos", owner, name, "releases"], &[("per_page", releases::MOST)]);
            let answer = self.transport.get(&url).await?;
            match answer.status {
                StatusCode::OK => Ok(Some(releases::plain(answer.json()?))),
                _ => Err(answer.refusal("to list releases")),
            }
        })
    }

    fn approvals<'a>(&'a self, pull_request: &'a PullRequest) -> Asked<'a, u32> {
        Box::pin(self.approved(pull_request))
    }

    fn checks<'a>(&'a self, commit: &'a CommitId) -> Asked<'a, Vec<Check>> {
        Box::pin(self.checked(commit))
    }

    fn statuses<'a>(&'a self, commit: &'a CommitId) -> Asked<'a, Vec<Check>> {
        Box::pin(async move { Ok(worst(self.statuses_of(commit).await?.into_iter().map(of_status))) })
    }

    fn glance<'a>(&'a self, pull_requests: &'a [PullRequest]) -> Asked<'a, BTreeMap<Number, Glance>> {
        Box::pin(self.glanced(pull_requests))
    }

    fn set_status<'a>(&'a self, commit: &'a CommitId, status: &'a Status) -> Asked<'a, ()> {
        Box::pin(self.status_set(commit, status))
    }

    fn keeps_deployments(&self) -> bool {
        true
    }

    fn deploy<'a>(&'a self, deployment: &'a Deployment) -> Asked<'a, ()> {
        Box::pin(self.deployed(deployment))
    }

    fn lacks<'a>(&'a self, demands: &'a Demands) -> Asked<'a, Vec<Lack>> {
        Box::pin(self.permissions_lacking(demands))
    }

    fn asks_as(&self) -> Asked<'_, Option<String>> {
        Box::pin(self.login())
    }

    fn body_limit(&self) -> usize {
        LONGEST_BODY
    }
}
