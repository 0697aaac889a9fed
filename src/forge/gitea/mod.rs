//! Gitea and Forgejo: pull requests, reviews and commit statuses by their API v1.
//!
//! Entry point: [`Gitea::new`]. Branches and commits go through Git; nothing here decides what is opened or merged.

mod commits;
mod labels;
mod merging;
mod permissions;
mod raw;
mod readiness;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use reqwest::{Method, StatusCode};
use secrecy::SecretString;
use serde_json::{Value, json};
use url::Url;

use crate::clock::{Clock, PassEnd};
use crate::forge::comments::{Comment, Comments, say_once};
use crate::forge::gitea::raw::{
    DRAFT, DRAFTS, RawAsked, RawComment, RawProtected, RawPullRequest, RawRepository, RawRule, RawStatus,
};
use crate::forge::once::Once;
use crate::forge::releases;
use crate::forge::rest::{Reply, Rest, TokenHeader};
use crate::forge::turns::Turn;
use crate::forge::turns::denied::Order;
use crate::forge::{Asked, Desk, Finishing, Forge, ForgeError, drafts, unasked};
use crate::http::client::HttpClient;
use crate::model::commit::{CommitId, MadeCommit, NewCommit};
use crate::model::environment::BranchName;
use crate::model::pull_request::{
    Check, CheckState, Demands, ForgeKind, Lack, Listing, Merge, NewPullRequest, PullRequest, Readiness, Release,
    Source, State, Status,
};

/// The most characters of a body. Gitea sets no limit (its column is a `LONGTEXT`); whoever reads it does.
const LONGEST_BODY: usize = 1_000_000;

/// The page size that is asked for; the operator's `MAX_RESPONSE_ITEMS` is 50 by default, and larger ones are cut to it.
const PAGE: &str = "50";

/// A repository on Gitea or Forgejo.
pub struct Gitea {
    rest: Rest,
    owner: String,
    name: String,
    has_token: bool,
    settings: Once<(), RawRepository>,
    rules: Once<BranchName, (RawProtected, Option<RawRule>)>,
    /// What changed last, as it was gone through once in a pass; `None` before, and once an answer was lost.
    changed: Mutex<Option<Vec<PullRequest>>>,
}

impl fmt::Debug for Gitea {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Gitea").field("owner", &self.owner).field("name", &self.name).finish_non_exhaustive()
    }
}

impl Gitea {
    /// Speaks of a repository to the API below `base` (`https://host/api/v1`).
    pub fn new(base: Url, owner: &str, name: &str, token: Option<&SecretString>, clock: Arc<dyn Clock>) -> Self {
        let header = TokenHeader { name: "authorization", before: "token " };
        Self {
            rest: Rest::new(base, token.map(|token| (header, token)), clock),
            owner: owner.to_owned(),
            name: name.to_owned(),
            has_token: token.is_some(),
            settings: Once::default(),
            rules: Once::default(),
            changed: Mutex::default(),
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
        Self { rest: self.rest.at(desk), ..self }
    }

    /// Returns one for the next pass: it asks as the same and knows the same answers again, and asks anew for settings and rules.
    #[must_use]
    pub fn for_pass(&self, ends: PassEnd, turn: Turn) -> Self {
        Self {
            rest: self.rest.until(ends, turn),
            owner: self.owner.clone(),
            name: self.name.clone(),
            has_token: self.has_token,
            settings: Once::default(),
            rules: Once::default(),
            changed: Mutex::default(),
        }
    }

    /// Returns a URL below the repository.
    fn url(&self, path: &[&str], query: &[(&str, &str)]) -> Url {
        let mut parts = vec!["repos", self.owner.as_str(), self.name.as_str()];
        parts.extend(path);
        self.rest.url(&parts, query)
    }

    /// Returns a URL below a pull request, as one (`pulls`) or as an issue (`issues`).
    fn of(&self, kind: &str, pull_request: &PullRequest, path: &[&str]) -> Url {
        let number = pull_request.number.0.to_string();
        let mut parts = vec![kind, number.as_str()];
        parts.extend(path);
        self.url(&parts, &[])
    }

    /// Says what a refusal means that has no meaning of its own for what was asked.
    fn refused(&self, reply: &Reply) -> ForgeError {
        let (host, words) = (self.rest.host(), reply.words());
        let place = format!("{}/{}", self.owner, self.name);
        match reply.status.as_u16() {
            401 | 404 if !self.has_token => {
                ForgeError::Stop(format!("{host} answered {words} for {place}: set GITEA_TOKEN"))
            }
            401 => ForgeError::Stop(format!(
                "{host} does not take the token ({words}): it needs the scopes `write:repository` and `write:issue`"
            )),
            403 => ForgeError::Stop(format!(
                "{host} does not allow this on {place} ({words}): the token needs the scopes `write:repository` and `write:issue`"
            )),
            423 => ForgeError::Stop(format!("{place} is archived")),
            404 => ForgeError::Skip(format!("{host} answered {words} for {place}")),
            _ => ForgeError::Skip(format!("{host} answered {words}")),
        }
    }

    async fn read_all(&self) -> Result<Listing, ForgeError> {
        let query = |state| [("state", state), ("sort", "recentupdate"), ("limit", PAGE)];
        *self.changed() = None;
        let reply = self.rest.read_again(self.url(&["pulls"], &query("all"))).await?;
        let reply = reply.granted(&[StatusCode::OK], |reply| self.refused(reply).of_listing())?;
        let first = reply.page::<RawPullRequest>()?;
        let own = |all: Vec<RawPullRequest>| {
            all.into_iter().filter(RawPullRequest::is_own).map(RawPullRequest::into_plain).collect::<Vec<_>>()
        };
        let (mut listed, is_whole) = (own(first.items), !first.more);
        if !is_whole {
            // An open one may lie below the many that changed since.
            let open = self.url(&["pulls"], &query("open"));
            let asked = async { Ok(own(self.rest.pages(&open, &|reply| self.refused(reply)).await?)) };
            let open = self.rest.further(&listed, asked).await?;
            listed.retain(|one| one.state != State::Open);
            listed.extend(open);
        }
        Ok(Listing { pull_requests: listed, is_whole })
    }

    /// No server can be asked about a branch: what changed last is gone through once for all of them. What somebody opens meanwhile Gitea
    /// itself does not let be opened twice.
    async fn read_of_heads(&self, heads: &[BranchName]) -> Result<Vec<PullRequest>, ForgeError> {
        let is_of = |one: &&PullRequest| heads.contains(&one.head);
        if let Some(known) = &*self.changed() {
            return Ok(known.iter().filter(is_of).cloned().collect());
        }
        let query = [("state", "all"), ("sort", "recentupdate"), ("limit", PAGE)];
        let url = self.url(&["pulls"], &query);
        let (listed, is_whole) = self.rest.first_pages::<RawPullRequest>(&url, &|reply| self.refused(reply)).await?;
        if !is_whole {
            tracing::debug!(read = listed.len(), "older pull requests are not looked at");
        }
        let listed = listed.into_iter().filter(RawPullRequest::is_own).map(RawPullRequest::into_plain);
        let listed: Vec<PullRequest> = listed.collect();
        let found = listed.iter().filter(is_of).cloned().collect();
        *self.changed() = Some(listed);
        Ok(found)
    }

    fn changed(&self) -> MutexGuard<'_, Option<Vec<PullRequest>>> {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn create(&self, new: &NewPullRequest) -> Result<PullRequest, ForgeError> {
        let mut body = json!({
            "head": new.head.as_str(),
            "base": new.base.as_str(),
            "title": title(&new.title, new.is_draft),
            "body": new.body,
        });
        if !new.labels.is_empty() {
            body["labels"] = self.label_ids(&new.labels).await?.into();
        }
        let answer = self.rest.write(Method::POST, self.url(&["pulls"], &[]), Some(&body)).await;
        match answer {
            Ok(reply) if reply.status == StatusCode::CREATED => Ok(reply.json::<RawPullRequest>()?.into_plain()),
            // One is open for this branch already: an answer was lost, or somebody was faster.
            Ok(reply) if reply.status == StatusCode::CONFLICT => {
                let reason = format!("{} answered {}", self.rest.host(), reply.words());
                self.find_open(new, ForgeError::Later { after: None, reason }).await
            }
            Ok(reply) => Err(self.refused(&reply)),
            Err(lost @ ForgeError::Later { .. }) => self.find_open(new, lost).await,
            Err(other) => Err(other),
        }
    }

    /// Looks whether one was made after all; it is never asked for twice in one pass.
    async fn find_open(&self, new: &NewPullRequest, lost: ForgeError) -> Result<PullRequest, ForgeError> {
        *self.changed() = None;
        let found = self.read_of_heads(std::slice::from_ref(&new.head)).await?;
        found.into_iter().find(|one| one.state == State::Open && one.base == new.base).ok_or(lost)
    }

    /// Asks for reviews that are not asked for yet. The pull request stands by now: who could not be asked is returned in words, and no
    /// error.
    async fn ask_reviews(
        &self,
        pull_request: &PullRequest,
        reviewers: &[String],
        finishing: Finishing,
    ) -> Result<Vec<String>, ForgeError> {
        let mut reviewers = reviewers.to_vec();
        if finishing == Finishing::Again {
            self.leave_out_asked(pull_request, &mut reviewers).await?;
        }
        if reviewers.is_empty() {
            return Ok(Vec::new());
        }
        match self.ask_for_reviews(pull_request, &reviewers).await {
            Ok(None) => Ok(Vec::new()),
            // One whom nobody knows or who may not read it is enough: whoever is named behind is not asked either.
            Ok(Some(reply)) if is_of_one(&reply) && reviewers.len() > 1 => {
                let mut said = Vec::new();
                for one in reviewers.chunks(1) {
                    let refused = self.ask_for_reviews(pull_request, one).await?;
                    said.extend(refused.map(|reply| unasked(one, &self.refused(&reply).to_string())));
                }
                Ok(said)
            }
            Ok(Some(reply)) => Ok(vec![unasked(&reviewers, &self.refused(&reply).to_string())]),
            // The answer was lost, and they may be asked.
            Err(later @ ForgeError::Later { .. }) => {
                self.leave_out_asked(pull_request, &mut reviewers).await?;
                if reviewers.is_empty() { Ok(Vec::new()) } else { Err(later) }
            }
            Err(error) => Ok(vec![unasked(&reviewers, &error.to_string())]),
        }
    }

    /// Asks users and teams to review; what is refused is returned.
    async fn ask_for_reviews(
        &self,
        pull_request: &PullRequest,
        reviewers: &[String],
    ) -> Result<Option<Reply>, ForgeError> {
        let (teams, users): (Vec<&String>, Vec<&String>) = reviewers.iter().partition(|name| name.contains('/'));
        let teams: Vec<&str> = teams.iter().filter_map(|team| Some(team.split_once('/')?.1)).collect();
        let url = self.of("pulls", pull_request, &["requested_reviewers"]);
        let body = json!({ "reviewers": users, "team_reviewers": teams });
        let reply = self.rest.write(Method::POST, url, Some(&body)).await?;
        Ok((reply.status != StatusCode::CREATED).then_some(reply))
    }

    /// Leaves out whose reviews are asked for by now.
    async fn leave_out_asked(&self, pull_request: &PullRequest, reviewers: &mut Vec<String>) -> Result<(), ForgeError> {
        if reviewers.is_empty() {
            return Ok(());
        }
        let reply = self.rest.read(self.of("pulls", pull_request, &[])).await?;
        let now: RawPullRequest = reply.granted(&[StatusCode::OK], |reply| self.refused(reply))?.json()?;
        let names = |asked: Option<Vec<RawAsked>>| asked.unwrap_or_default().into_iter().map(|asked| asked.name);
        let asked: Vec<String> = names(now.requested_reviewers).chain(names(now.requested_reviewers_teams)).collect();
        // Teams go by their short names there.
        let short = |name: &str| name.rsplit('/').next().unwrap_or_default().to_owned();
        reviewers.retain(|name| !asked.iter().any(|asked| asked.eq_ignore_ascii_case(&short(name))));
        Ok(())
    }

    async fn change(&self, pull_request: &PullRequest, body: &Value) -> Result<(), ForgeError> {
        let reply = self.rest.write(Method::PATCH, self.of("pulls", pull_request, &[]), Some(body)).await?;
        reply.granted(&[StatusCode::CREATED, StatusCode::OK], |reply| self.refused(reply)).map(drop)
    }

    async fn read_checks(&self, commit: &str) -> Result<Vec<Check>, ForgeError> {
        let url = self.url(&["commits", commit, "statuses"], &[("limit", PAGE)]);
        let statuses: Vec<RawStatus> = self.rest.pages(&url, &|reply| self.refused(reply)).await?;
        Ok(raw::newest(statuses))
    }

    async fn write_status(&self, commit: &CommitId, status: &Status) -> Result<(), ForgeError> {
        let state = match status.state {
            CheckState::Passed => "success",
            CheckState::Pending => "pending",
            CheckState::Failed => "failure",
        };
        let url = self.url(&["statuses", commit.as_str()], &[]);
        let body = json!({ "state": state, "context": status.context, "description": status.text });
        let reply = self.rest.write(Method::POST, url, Some(&body)).await?;
        reply.granted(&[StatusCode::CREATED], |reply| self.refused(reply)).map(drop)
    }
}

/// Whether a refusal to ask for reviews may come of one alone of those who are named.
fn is_of_one(reply: &Reply) -> bool {
    matches!(reply.status, StatusCode::NOT_FOUND | StatusCode::UNPROCESSABLE_ENTITY)
}

/// Writes a title as Gitea tells drafts.
fn title(title: &str, is_draft: bool) -> String {
    if is_draft { format!("{DRAFT}{title}") } else { drafts::undrafted(title, &DRAFTS) }
}

impl Comments for Gitea {
    /// This list has no pages: it comes whole.
    fn said<'a>(&'a self, pull_request: &'a PullRequest) -> Asked<'a, Vec<Comment>> {
        Box::pin(async move {
            let reply = self.rest.read(self.of("issues", pull_request, &["comments"])).await?;
            let reply = reply.granted(&[StatusCode::OK], |reply| self.refused(reply))?;
            let said: Vec<RawComment> = reply.json()?;
            Ok(said.into_iter().map(|said| Comment { id: said.id, text: said.body }).collect())
        })
    }

    fn write<'a>(&'a self, pull_request: &'a PullRequest, text: &'a str) -> Asked<'a, u64> {
        Box::pin(async move {
            let url = self.of("issues", pull_request, &["comments"]);
            let reply = self.rest.write(Method::POST, url, Some(&json!({ "body": text }))).await?;
            Ok(reply.granted(&[StatusCode::CREATED], |reply| self.refused(reply))?.json::<RawComment>()?.id)
        })
    }

    fn remove<'a>(&'a self, _pull_request: &'a PullRequest, id: u64) -> Asked<'a, ()> {
        Box::pin(async move {
            let url = self.url(&["issues", "comments", &id.to_string()], &[]);
            self.rest.write(Method::DELETE, url, None).await.map(drop)
        })
    }
}

impl Forge for Gitea {
    fn list(&self) -> Asked<'_, Listing> {
        Box::pin(self.read_all())
    }

    fn doubt(&self) {
        self.rest.forget_further();
    }

    fn of_heads<'a>(&'a self, heads: &'a [BranchName]) -> Asked<'a, Vec<PullRequest>> {
        Box::pin(self.read_of_heads(heads))
    }

    fn open<'a>(&'a self, new: &'a NewPullRequest) -> Asked<'a, PullRequest> {
        Box::pin(self.create(new))
    }

    fn opens_in_steps(&self, new: &NewPullRequest) -> bool {
        !new.reviewers.is_empty()
    }

    fn finish<'a>(
        &'a self,
        opened: &'a PullRequest,
        new: &'a NewPullRequest,
        finishing: Finishing,
    ) -> Asked<'a, Vec<String>> {
        Box::pin(self.ask_reviews(opened, &new.reviewers, finishing))
    }

    fn rewrite<'a>(&'a self, pull_request: &'a PullRequest, text: &'a str, body: &'a str) -> Asked<'a, ()> {
        Box::pin(async move {
            let change = json!({ "title": title(text, pull_request.is_draft), "body": body });
            self.change(pull_request, &change).await
        })
    }

    fn look<'a>(&'a self, pull_request: &'a PullRequest) -> Asked<'a, Option<PullRequest>> {
        Box::pin(async move {
            let now = Some(self.read_one(pull_request).await?).filter(|now| now.state == "open");
            Ok(now.map(RawPullRequest::into_plain))
        })
    }

    fn close<'a>(&'a self, pull_request: &'a PullRequest, body: &'a str) -> Asked<'a, ()> {
        Box::pin(async move { self.change(pull_request, &json!({ "body": body, "state": "closed" })).await })
    }

    fn comment<'a>(&'a self, pull_request: &'a PullRequest, text: &'a str) -> Asked<'a, ()> {
        Box::pin(say_once(self, pull_request, text))
    }

    fn remove_label<'a>(&'a self, pull_request: &'a PullRequest, label: &'a str) -> Asked<'a, ()> {
        Box::pin(self.take_label(pull_request, label))
    }

    fn make<'a>(&'a self, new: &'a NewCommit) -> Asked<'a, MadeCommit> {
        Box::pin(self.write_commit(new))
    }

    fn required<'a>(&'a self, base: &'a BranchName) -> Asked<'a, BTreeSet<String>> {
        Box::pin(self.read_required(base))
    }

    fn readiness<'a>(&'a self, pull_request: &'a PullRequest, checks: Vec<Check>) -> Asked<'a, Readiness> {
        Box::pin(self.read_readiness(pull_request, checks))
    }

    fn order(&self, parts: &[&str]) -> Order {
        self.rest.order(parts)
    }

    fn merge<'a>(&'a self, pull_request: &'a PullRequest, head: &'a CommitId, message: &'a str) -> Asked<'a, Merge> {
        Box::pin(self.accept(pull_request, head, message))
    }

    fn arm<'a>(&'a self, pull_request: &'a PullRequest, head: &'a CommitId, message: &'a str) -> Asked<'a, Merge> {
        Box::pin(self.schedule(pull_request, head, message))
    }

    fn disarm<'a>(&'a self, pull_request: &'a PullRequest) -> Asked<'a, ()> {
        Box::pin(self.unschedule(pull_request))
    }

    fn home(&self) -> (ForgeKind, Source) {
        let below = self.rest.below("api/v1");
        let path = format!("{}/{}", self.owner, self.name);
        let path = if below.is_empty() { path } else { format!("{below}/{path}") };
        (ForgeKind::Gitea, Source { host: self.rest.host(), path })
    }

    fn releases<'a>(&'a self, source: &'a Source) -> Asked<'a, Option<Vec<Release>>> {
        Box::pin(async move {
            let Some(path) = self.rest.own_path(source, "api/v1") else {
                return releases::elsewhere(self.rest.http(), source).await;
            };
            let Some((owner, name)) = path.split_once('/').filter(|(_, name)| !name.contains('/')) else {
                return Ok(None);
            };
            let reply = self
                .rest
                .read(self.rest.url(&["repos", owner, name, "releases"], &[("limit", releases::MOST)]))
                .await?;
            Ok(Some(releases::plain(reply.granted(&[StatusCode::OK], |reply| self.refused(reply))?.json()?)))
        })
    }

    fn approvals<'a>(&'a self, pull_request: &'a PullRequest) -> Asked<'a, u32> {
        Box::pin(self.read_approvals(pull_request))
    }

    fn checks<'a>(&'a self, commit: &'a CommitId) -> Asked<'a, Vec<Check>> {
        Box::pin(self.read_checks(commit.as_str()))
    }

    fn set_status<'a>(&'a self, commit: &'a CommitId, status: &'a Status) -> Asked<'a, ()> {
        Box::pin(self.write_status(commit, status))
    }

    fn lacks<'a>(&'a self, demands: &'a Demands) -> Asked<'a, Vec<Lack>> {
        Box::pin(self.read_lacks(demands))
    }

    fn body_limit(&self) -> usize {
        LONGEST_BODY
    }
}
