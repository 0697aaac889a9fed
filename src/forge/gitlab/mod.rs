//! GitLab, its own or another's: merge requests, pipelines and commit statuses by REST API v4.
//!
//! Entry point: [`GitLab::new`]. Branches and commits go through Git; nothing here decides what is opened or merged.

mod commits;
mod merging;
mod permissions;
mod raw;
mod readiness;

use std::fmt;
use std::sync::Arc;

use reqwest::{Method, StatusCode};
use secrecy::SecretString;
use serde_json::{Value, json};
use url::Url;

use crate::clock::{Clock, PassEnd};
use crate::forge::comments::{Comment, Comments, say_once};
use crate::forge::gitlab::raw::{DRAFT, DRAFTS, RawCommit, RawMergeRequest, RawNote, RawProject, RawStatus, RawUser};
use crate::forge::once::Once;
use crate::forge::releases;
use crate::forge::rest::{Reply, Rest, TokenHeader};
use crate::forge::turns::Turn;
use crate::forge::turns::denied::Order;
use crate::forge::{Asked, Desk, Forge, ForgeError, drafts};
use crate::http::client::HttpClient;
use crate::model::commit::{CommitId, MadeCommit, NewCommit};
use crate::model::environment::BranchName;
use crate::model::pull_request::{
    Check, CheckState, Demands, ForgeKind, Lack, Listing, Merge, NewPullRequest, PullRequest, Readiness, Release,
    Source, State, Status,
};

/// The most characters of a description, as GitLab documents it.
const LONGEST_BODY: usize = 1_048_576;

/// A token for the API. `Debug` shows no secret.
#[derive(Debug, Clone)]
pub enum GitLabToken {
    /// A personal, project or group access token.
    Access(SecretString),
    /// The token of the CI job that runs this, which may do less.
    Job(SecretString),
}

/// A project on GitLab.
pub struct GitLab {
    rest: Rest,
    project: String,
    is_job: bool,
    has_token: bool,
    settings: Once<(), RawProject>,
    /// Commits on which pipelines ran; `None` for one that is gone.
    merges: Once<String, Option<RawCommit>>,
}

impl fmt::Debug for GitLab {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("GitLab").field("project", &self.project).finish_non_exhaustive()
    }
}

impl GitLab {
    /// Speaks of a project, by its whole path, to the API below `base` (`https://host/api/v4`).
    pub fn new(base: Url, project: &str, token: Option<&GitLabToken>, clock: Arc<dyn Clock>) -> Self {
        let header = |name| TokenHeader { name, before: "" };
        let shown = token.map(|token| match token {
            GitLabToken::Access(token) => (header("private-token"), token),
            GitLabToken::Job(token) => (header("job-token"), token),
        });
        Self {
            rest: Rest::new(base, shown, clock),
            project: project.to_owned(),
            is_job: matches!(token, Some(GitLabToken::Job(_))),
            has_token: token.is_some(),
            settings: Once::default(),
            merges: Once::default(),
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

    /// Returns one for the next pass: it asks as the same and knows the same answers again, and asks anew for settings.
    #[must_use]
    pub fn for_pass(&self, ends: PassEnd, turn: Turn) -> Self {
        Self {
            rest: self.rest.until(ends, turn),
            project: self.project.clone(),
            is_job: self.is_job,
            has_token: self.has_token,
            settings: Once::default(),
            merges: Once::default(),
        }
    }

    /// Returns a URL below the project, whose path with its groups is one part of it.
    fn url(&self, path: &[&str], query: &[(&str, &str)]) -> Url {
        let mut parts = vec!["projects", self.project.as_str()];
        parts.extend(path);
        self.rest.url(&parts, query)
    }

    /// Returns a URL below a merge request.
    fn of(&self, pull_request: &PullRequest, path: &[&str]) -> Url {
        let number = pull_request.number.0.to_string();
        let mut parts = vec!["merge_requests", number.as_str()];
        parts.extend(path);
        self.url(&parts, &[])
    }

    /// Says what a refusal means that has no meaning of its own for what was asked.
    fn refused(&self, reply: &Reply) -> ForgeError {
        let (host, project, words) = (self.rest.host(), &self.project, reply.words());
        let job =
            "a CI job's own token may not do this: set GITLAB_TOKEN to a project access token with the scope `api`";
        match reply.status.as_u16() {
            401 | 403 | 404 if self.is_job => ForgeError::Stop(format!("{host} answered {words}; {job}")),
            401 | 404 if !self.has_token => ForgeError::Stop(format!(
                "{host} answered {words} for {project}: set GITLAB_TOKEN (which in a job is for the job's own server alone), or TAGBOAT_TOKEN"
            )),
            401 => ForgeError::Stop(format!("{host} does not take the token ({words}): it needs the scope `api`")),
            403 => ForgeError::Stop(format!(
                "{host} does not allow this on {project} ({words}): the token needs the scope `api` and the role Developer"
            )),
            404 => ForgeError::Skip(format!("{host} answered {words} for {project}")),
            _ => ForgeError::Skip(format!("{host} answered {words}")),
        }
    }

    async fn read_all(&self) -> Result<Listing, ForgeError> {
        let query = |state: &'static str| {
            [("state", state), ("scope", "all"), ("order_by", "updated_at"), ("sort", "desc"), ("per_page", "100")]
        };
        let reply = self.rest.read_again(self.url(&["merge_requests"], &query("all"))).await?;
        let reply = reply.granted(&[StatusCode::OK], |reply| self.refused(reply).of_listing())?;
        let first = reply.page::<RawMergeRequest>()?;
        let own = |all: Vec<RawMergeRequest>| {
            all.into_iter().filter(RawMergeRequest::is_own).map(RawMergeRequest::into_plain).collect::<Vec<_>>()
        };
        let (mut listed, is_whole) = (own(first.items), !first.more);
        if !is_whole {
            // An open one may lie below a hundred that changed since.
            let open = self.url(&["merge_requests"], &query("opened"));
            let asked = async { Ok(own(self.rest.pages(&open, &|reply| self.refused(reply)).await?)) };
            let open = self.rest.further(&listed, asked).await?;
            listed.retain(|one| one.state != State::Open);
            listed.extend(open);
        }
        Ok(Listing { pull_requests: listed, is_whole })
    }

    async fn read_of_heads(&self, heads: &[BranchName]) -> Result<Vec<PullRequest>, ForgeError> {
        let mut found = Vec::new();
        for head in heads {
            let query = [
                ("state", "all"),
                ("scope", "all"),
                ("source_branch", head.as_str()),
                ("order_by", "created_at"),
                ("sort", "desc"),
                ("per_page", "100"),
            ];
            let url = self.url(&["merge_requests"], &query);
            let listed: Vec<RawMergeRequest> = self.rest.pages(&url, &|reply| self.refused(reply)).await?;
            let own = |one: &RawMergeRequest| one.is_own() && one.source_branch == head.as_str();
            found.extend(listed.into_iter().filter(own).map(RawMergeRequest::into_plain));
        }
        Ok(found)
    }

    async fn create(&self, new: &NewPullRequest) -> Result<PullRequest, ForgeError> {
        let mut body = json!({
            "source_branch": new.head.as_str(),
            "target_branch": new.base.as_str(),
            "title": title(&new.title, new.is_draft),
            "description": new.body,
            "remove_source_branch": true,
        });
        if !new.labels.is_empty() {
            body["labels"] = new.labels.join(",").into();
        }
        let reviewers = self.users(&new.reviewers).await?;
        if !reviewers.is_empty() {
            body["reviewer_ids"] = reviewers.into();
        }
        let answer = self.rest.write(Method::POST, self.url(&["merge_requests"], &[]), Some(&body)).await;
        let lost = match answer {
            Ok(reply) if reply.status == StatusCode::CREATED => {
                return Ok(reply.json::<RawMergeRequest>()?.into_plain());
            }
            // One is open for this branch already: an answer was lost, or somebody was faster.
            Ok(reply) if reply.status == StatusCode::CONFLICT => {
                ForgeError::Later { after: None, reason: format!("{} answered {}", self.rest.host(), reply.words()) }
            }
            Ok(reply) => return Err(self.refused(&reply)),
            Err(later @ ForgeError::Later { .. }) => later,
            Err(other) => return Err(other),
        };
        // Whether it was made is not known: it is looked for, and never asked for twice in one pass.
        let found = self.read_of_heads(std::slice::from_ref(&new.head)).await?;
        found.into_iter().find(|one| one.state == State::Open && one.base == new.base).ok_or(lost)
    }

    /// Returns the ids of users; who is not found is left out, and said.
    async fn users(&self, names: &[String]) -> Result<Vec<u64>, ForgeError> {
        let mut ids = Vec::new();
        for name in names {
            if name.contains('/') {
                tracing::warn!(reviewer = %name, "GitLab asks no groups to review: name users");
                continue;
            }
            let url = self.rest.url(&["users"], &[("username", name)]);
            let reply = self.rest.read(url).await?;
            let found = if reply.status == StatusCode::OK { reply.json::<Vec<RawUser>>()? } else { Vec::new() };
            match found.into_iter().find(|user| user.username.eq_ignore_ascii_case(name)) {
                Some(user) => ids.push(user.id),
                None => tracing::warn!(reviewer = %name, "there is no such user to ask for a review"),
            }
        }
        Ok(ids)
    }

    async fn change(&self, pull_request: &PullRequest, body: &Value) -> Result<(), ForgeError> {
        let reply = self.rest.write(Method::PUT, self.of(pull_request, &[]), Some(body)).await?;
        reply.granted(&[StatusCode::OK], |reply| self.refused(reply)).map(drop)
    }

    async fn read_statuses(&self, commit: &str) -> Result<Vec<RawStatus>, ForgeError> {
        let url = self.url(&["repository", "commits", commit, "statuses"], &[("per_page", "100")]);
        self.rest.pages(&url, &|reply| self.refused(reply)).await
    }

    async fn write_status(&self, commit: &CommitId, status: &Status) -> Result<(), ForgeError> {
        let state = match status.state {
            CheckState::Passed => "success",
            CheckState::Pending => "pending",
            CheckState::Failed => "failed",
        };
        let url = self.url(&["statuses", commit.as_str()], &[]);
        let body = json!({ "state": state, "name": status.context, "description": status.text });
        let reply = self.rest.write(Method::POST, url, Some(&body)).await?;
        if reply.status == StatusCode::CREATED {
            return Ok(());
        }
        if reply.status == StatusCode::BAD_REQUEST {
            // GitLab refuses the step from a state to the same one; the text alone cannot be changed then.
            let checks = readiness::of_head(self.read_statuses(commit.as_str()).await?);
            if checks.iter().any(|check| check.name == status.context && check.word == state) {
                return Ok(());
            }
        }
        Err(self.refused(&reply))
    }
}

/// Writes a title as GitLab tells drafts.
fn title(title: &str, is_draft: bool) -> String {
    if is_draft { format!("{DRAFT}{title}") } else { drafts::undrafted(title, &DRAFTS) }
}

impl Comments for GitLab {
    fn said<'a>(&'a self, pull_request: &'a PullRequest) -> Asked<'a, Vec<Comment>> {
        Box::pin(async move {
            let mut notes = self.of(pull_request, &["notes"]);
            notes.query_pairs_mut().extend_pairs([("sort", "desc"), ("order_by", "created_at"), ("per_page", "100")]);
            let reply = self.rest.read(notes).await?;
            let reply = reply.granted(&[StatusCode::OK], |reply| self.refused(reply))?;
            let newest = reply.page::<RawNote>()?.items;
            Ok(newest.into_iter().map(|note| Comment { id: note.id, text: note.body }).collect())
        })
    }

    fn write<'a>(&'a self, pull_request: &'a PullRequest, text: &'a str) -> Asked<'a, u64> {
        Box::pin(async move {
            let url = self.of(pull_request, &["notes"]);
            let reply = self.rest.write(Method::POST, url, Some(&json!({ "body": text }))).await?;
            Ok(reply.granted(&[StatusCode::CREATED], |reply| self.refused(reply))?.json::<RawNote>()?.id)
        })
    }

    fn remove<'a>(&'a self, pull_request: &'a PullRequest, id: u64) -> Asked<'a, ()> {
        Box::pin(async move {
            let url = self.of(pull_request, &["notes", &id.to_string()]);
            self.rest.write(Method::DELETE, url, None).await.map(drop)
        })
    }
}

impl Forge for GitLab {
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

    fn rewrite<'a>(&'a self, pull_request: &'a PullRequest, text: &'a str, body: &'a str) -> Asked<'a, ()> {
        Box::pin(async move {
            let change = json!({ "title": title(text, pull_request.is_draft), "description": body });
            self.change(pull_request, &change).await
        })
    }

    fn look<'a>(&'a self, pull_request: &'a PullRequest) -> Asked<'a, Option<PullRequest>> {
        Box::pin(async move {
            // `locked` is one that is being merged at this moment.
            let now = Some(self.read_one(pull_request).await?).filter(|now| now.state == "opened");
            Ok(now.map(RawMergeRequest::into_plain))
        })
    }

    fn close<'a>(&'a self, pull_request: &'a PullRequest, body: &'a str) -> Asked<'a, ()> {
        Box::pin(
            async move { self.change(pull_request, &json!({ "description": body, "state_event": "close" })).await },
        )
    }

    fn comment<'a>(&'a self, pull_request: &'a PullRequest, text: &'a str) -> Asked<'a, ()> {
        Box::pin(say_once(self, pull_request, text))
    }

    fn remove_label<'a>(&'a self, pull_request: &'a PullRequest, label: &'a str) -> Asked<'a, ()> {
        Box::pin(async move {
            // GitLab knows labels by their spelling.
            let now = self.read_one(pull_request).await?.labels;
            let named: Vec<String> = now.into_iter().filter(|one| one.eq_ignore_ascii_case(label)).collect();
            if named.is_empty() {
                return Ok(());
            }
            self.change(pull_request, &json!({ "remove_labels": named.join(",") })).await
        })
    }

    fn make<'a>(&'a self, new: &'a NewCommit) -> Asked<'a, MadeCommit> {
        Box::pin(self.write_commit(new))
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
        Box::pin(self.arm_pipeline(pull_request, head, message))
    }

    fn disarm<'a>(&'a self, pull_request: &'a PullRequest) -> Asked<'a, ()> {
        Box::pin(self.disarm_pipeline(pull_request))
    }

    fn home(&self) -> (ForgeKind, Source) {
        let below = self.rest.below("api/v4");
        let path = self.project.clone();
        let path = if below.is_empty() { path } else { format!("{below}/{path}") };
        (ForgeKind::GitLab, Source { host: self.rest.host(), path })
    }

    fn releases<'a>(&'a self, source: &'a Source) -> Asked<'a, Option<Vec<Release>>> {
        Box::pin(async move {
            let Some(path) = self.rest.own_path(source, "api/v4") else {
                return releases::elsewhere(self.rest.http(), source).await;
            };
            let reply =
                self.rest.read(self.rest.url(&["projects", path, "releases"], &[("per_page", releases::MOST)])).await?;
            Ok(Some(releases::plain(reply.granted(&[StatusCode::OK], |reply| self.refused(reply))?.json()?)))
        })
    }

    fn approvals<'a>(&'a self, pull_request: &'a PullRequest) -> Asked<'a, u32> {
        Box::pin(self.read_approvals(pull_request))
    }

    fn checks<'a>(&'a self, commit: &'a CommitId) -> Asked<'a, Vec<Check>> {
        Box::pin(async move { Ok(readiness::of_head(self.read_statuses(commit.as_str()).await?)) })
    }

    fn landed<'a>(&'a self, commit: &'a CommitId) -> Asked<'a, Vec<Check>> {
        Box::pin(async move { Ok(readiness::of_base(self.read_statuses(commit.as_str()).await?)) })
    }

    fn is_unreported<'a>(&'a self, pull_request: &'a PullRequest) -> Asked<'a, bool> {
        Box::pin(self.has_no_pipeline(pull_request))
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
