//! Pull requests: listed, opened, rewritten, closed, labelled.

use std::collections::BTreeMap;

use bytes::Bytes;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use url::Url;

use crate::forge::comments::{Comment, Comments};
use crate::forge::github::transport::Answer;
use crate::forge::github::{GitHub, raw};
use crate::forge::{Asked, Finishing, ForgeError, unasked};
use crate::model::commit::CommitId;
use crate::model::environment::BranchName;
use crate::model::marker;
use crate::model::pull_request::{Listing, NewPullRequest, Number, PullRequest, State, as_called};

/// What a pull request is still to get.
struct Adornment {
    labels: Vec<String>,
    reviewers: Vec<String>,
}

/// What was refused, in words.
struct Refused {
    words: String,
    /// Whether the request was not valid: so it is as a whole for one of several whom it names.
    is_invalid: bool,
}

impl Adornment {
    fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.reviewers.is_empty()
    }
}

/// Returns a team's name without its organization, and a user's as it is.
fn short(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

impl GitHub {
    /// The first page tells what changed last in any state. Where there is more, every open one is listed, too: an open
    /// one that nobody touched for long may be behind a hundred others.
    pub(super) async fn listed(&self) -> Result<Listing, ForgeError> {
        let newest = [("sort", "updated"), ("direction", "desc"), ("per_page", "100")];
        let url = self.url(&["pulls"], &[&[("state", "all")], newest.as_slice()].concat());
        let answer = self.transport.list(&url, reduced).await?;
        if answer.status != StatusCode::OK {
            return Err(answer.refusal("to list the pull requests").of_listing());
        }
        let first: Vec<raw::PullRequest> = answer.json()?;
        let first: Vec<PullRequest> = first.into_iter().filter_map(of_raw).collect();
        let is_whole = !answer.has_next();
        let open = if is_whole { Vec::new() } else { self.open_below(&first).await? };
        // One that is on both lists, and maybe changed in between: what was asked last counts.
        let by_number: BTreeMap<Number, PullRequest> =
            first.into_iter().chain(open).map(|pull| (pull.number, pull)).collect();
        Ok(Listing { pull_requests: by_number.into_values().rev().collect(), is_whole })
    }

    /// Lists every open one, unless the first page says that none below it can have changed.
    async fn open_below(&self, first: &[PullRequest]) -> Result<Vec<PullRequest>, ForgeError> {
        if let Some(known) = self.transport.further(first) {
            return Ok(known);
        }
        let (path, query) = (self.path(&["pulls"]), [("state", "open")]);
        let open: Vec<raw::PullRequest> =
            self.transport.pages((&path, &query), "to list the pull requests", |page: Vec<_>| page).await?;
        let open: Vec<PullRequest> = open.into_iter().filter_map(of_raw).collect();
        self.transport.keep_further(first, &open);
        Ok(open)
    }

    pub(super) async fn made_from(&self, heads: &[BranchName]) -> Result<Vec<PullRequest>, ForgeError> {
        let path = self.path(&["pulls"]);
        let mut found = Vec::new();
        // One after the other: GitHub wants no more of anybody.
        for head in heads {
            let head_of_owner = format!("{}:{head}", self.owner);
            let query = [("state", "all"), ("head", &head_of_owner), ("sort", "created"), ("direction", "desc")];
            let what = "to list the pull requests of a branch";
            let pulls: Vec<raw::PullRequest> = self.transport.pages((&path, &query), what, |page: Vec<_>| page).await?;
            // The filter is GitHub's; what it does not know it leaves out without a word.
            found.extend(pulls.into_iter().filter_map(of_raw).filter(|pull| pull.head == *head));
        }
        Ok(found)
    }

    pub(super) async fn opened(&self, new: &NewPullRequest) -> Result<PullRequest, ForgeError> {
        let body = json!({
            "title": new.title,
            "head": new.head.as_str(),
            "base": new.base.as_str(),
            "body": new.body,
            "draft": new.is_draft,
        });
        let url = self.url(&["pulls"], &[]);
        match self.transport.write(Method::POST, &url, Some(&body)).await {
            Ok(answer) if answer.status == StatusCode::CREATED => of_raw(answer.json()?)
                .ok_or_else(|| ForgeError::Skip("GitHub opened a pull request from another repository".to_owned())),
            // Somebody else was faster, or an answer was lost before.
            Ok(answer) if answer.status == StatusCode::UNPROCESSABLE_ENTITY => {
                let refusal = answer.refusal("to open a pull request");
                self.open_from(new).await?.ok_or(refusal)
            }
            Ok(answer) => Err(answer.refusal("to open a pull request")),
            // The answer was lost; it may have been opened.
            Err(later @ ForgeError::Later { after: None, .. }) => self.open_from(new).await?.ok_or(later),
            Err(other) => Err(other),
        }
    }

    async fn open_from(&self, new: &NewPullRequest) -> Result<Option<PullRequest>, ForgeError> {
        let found = self.made_from(std::slice::from_ref(&new.head)).await?;
        Ok(found.into_iter().find(|pull| pull.state == State::Open && pull.base == new.base))
    }

    /// Sets labels and asks for reviews, as far as that is not done yet; what is refused is returned in words.
    pub(super) async fn adorned(
        &self,
        opened: &PullRequest,
        new: &NewPullRequest,
        finishing: Finishing,
    ) -> Result<Vec<String>, ForgeError> {
        let number = opened.number.0.to_string();
        let mut wish = Adornment { labels: new.labels.clone(), reviewers: new.reviewers.clone() };
        if finishing == Finishing::Again && !wish.is_empty() {
            self.leave_out_done(&number, &mut wish).await?;
        }
        let mut said = Vec::new();
        if !wish.labels.is_empty() {
            let url = self.url(&["issues", &number, "labels"], &[]);
            let body = json!({"labels": wish.labels});
            match self.try_to("to set its labels", &url, &body).await {
                Ok(refused) => said.extend(refused.map(|refused| refused.words)),
                Err(later) => {
                    // The answer was lost, and they may be set.
                    self.leave_out_done(&number, &mut wish).await?;
                    if !wish.labels.is_empty() {
                        return Err(later);
                    }
                }
            }
        }
        if !wish.reviewers.is_empty() {
            match self.ask_for_reviews(&number, &wish.reviewers).await {
                Ok(None) => {}
                // One who is no collaborator, or who opened it, is enough for GitHub to ask nobody.
                Ok(Some(refused)) if refused.is_invalid && wish.reviewers.len() > 1 => {
                    for one in wish.reviewers.chunks(1) {
                        let refused = self.ask_for_reviews(&number, one).await?;
                        said.extend(refused.map(|refused| unasked(one, &refused.words)));
                    }
                }
                Ok(Some(refused)) => said.push(unasked(&wish.reviewers, &refused.words)),
                Err(later) => {
                    self.leave_out_done(&number, &mut wish).await?;
                    if !wish.reviewers.is_empty() {
                        return Err(later);
                    }
                }
            }
        }
        Ok(said)
    }

    /// Asks users and teams to review; what is refused is returned.
    async fn ask_for_reviews(&self, number: &str, reviewers: &[String]) -> Result<Option<Refused>, ForgeError> {
        let (teams, people): (Vec<&String>, Vec<&String>) = reviewers.iter().partition(|name| name.contains('/'));
        let teams: Vec<&str> = teams.iter().map(|name| short(name)).collect();
        let url = self.url(&["pulls", number, "requested_reviewers"], &[]);
        self.try_to("to ask for reviews", &url, &json!({"reviewers": people, "team_reviewers": teams})).await
    }

    /// Leaves out the labels that a pull request has by now, and those whose reviews are asked for.
    async fn leave_out_done(&self, number: &str, wish: &mut Adornment) -> Result<(), ForgeError> {
        let answer = self.transport.get(&self.url(&["pulls", number], &[])).await?;
        if answer.status != StatusCode::OK {
            return Err(answer.refusal("to show a pull request"));
        }
        let now: raw::PullRequest = answer.json()?;
        let people = now.requested_reviewers.into_iter().map(|one| one.login);
        let asked: Vec<String> = people.chain(now.requested_teams.into_iter().map(|one| one.slug)).collect();
        let is_among = |names: &[String], name: &str| names.iter().any(|one| one.eq_ignore_ascii_case(name));
        let labels: Vec<String> = now.labels.into_iter().map(|label| label.name).collect();
        wish.labels.retain(|name| !is_among(&labels, name));
        wish.reviewers.retain(|name| !is_among(&asked, short(name)));
        Ok(())
    }

    /// Does what can be done without; only what may pass by itself is an error.
    async fn try_to(&self, what: &str, url: &Url, body: &Value) -> Result<Option<Refused>, ForgeError> {
        match self.transport.write(Method::POST, url, Some(body)).await {
            Ok(answer) if answer.status.is_success() => Ok(None),
            Ok(answer) => {
                let is_invalid = answer.status == StatusCode::UNPROCESSABLE_ENTITY;
                Ok(Some(Refused { words: answer.refusal(what).to_string(), is_invalid }))
            }
            Err(later @ ForgeError::Later { .. }) => Err(later),
            Err(error) => Ok(Some(Refused { words: error.to_string(), is_invalid: false })),
        }
    }

    async fn patch(&self, pull_request: &PullRequest, body: &Value, what: &str) -> Result<(), ForgeError> {
        let url = self.url(&["pulls", &pull_request.number.0.to_string()], &[]);
        let answer = self.transport.write(Method::PATCH, &url, Some(body)).await?;
        if answer.status == StatusCode::OK { Ok(()) } else { Err(answer.refusal(what)) }
    }

    pub(super) async fn rewritten(
        &self,
        pull_request: &PullRequest,
        title: &str,
        body: &str,
    ) -> Result<(), ForgeError> {
        self.patch(pull_request, &json!({"title": title, "body": body}), "to change a pull request").await
    }

    /// Returns one as it stands now; `None` where it is not open any more.
    pub(super) async fn looked_at(&self, pull_request: &PullRequest) -> Result<Option<PullRequest>, ForgeError> {
        let now = self.seen(pull_request).await?;
        Ok(of_raw(now).filter(|now| now.state == State::Open))
    }

    pub(super) async fn closed(&self, pull_request: &PullRequest, body: &str) -> Result<(), ForgeError> {
        self.patch(pull_request, &json!({"state": "closed", "body": body}), "to close a pull request").await
    }

    pub(super) async fn label_removed(&self, pull_request: &PullRequest, label: &str) -> Result<(), ForgeError> {
        if self.is_removed(pull_request, label).await? {
            return Ok(());
        }
        // It is not there under this spelling.
        let now = self.seen(pull_request).await?.labels;
        for other in now.into_iter().filter(|other| other.name.eq_ignore_ascii_case(label)) {
            self.is_removed(pull_request, &other.name).await?;
        }
        Ok(())
    }

    /// Removes a label, and tells whether there was one of this name.
    async fn is_removed(&self, pull_request: &PullRequest, label: &str) -> Result<bool, ForgeError> {
        let url = self.url(&["issues", &pull_request.number.0.to_string(), "labels", label], &[]);
        let answer = self.transport.write(Method::DELETE, &url, None).await?;
        match answer.status {
            StatusCode::OK | StatusCode::NO_CONTENT => Ok(true),
            StatusCode::NOT_FOUND => Ok(false),
            _ => Err(answer.refusal("to remove a label")),
        }
    }
}

/// Returns what is read of a page: GitHub tells far more of a hundred pull requests.
fn reduced(page: &Answer) -> Option<Bytes> {
    let pulls: Vec<raw::PullRequest> = page.json().ok()?;
    serde_json::to_vec(&pulls).ok().map(Bytes::from)
}

impl Comments for GitHub {
    fn said<'a>(&'a self, pull_request: &'a PullRequest) -> Asked<'a, Vec<Comment>> {
        Box::pin(async move {
            let number = pull_request.number.0.to_string();
            let path = self.path(&["issues", &number, "comments"]);
            let said: Vec<raw::Comment> =
                self.transport.pages((&path, &[]), "to list the comments", |page: Vec<_>| page).await?;
            Ok(said.into_iter().map(|said| Comment { id: said.id, text: said.body.unwrap_or_default() }).collect())
        })
    }

    fn write<'a>(&'a self, pull_request: &'a PullRequest, text: &'a str) -> Asked<'a, u64> {
        Box::pin(async move {
            let url = self.url(&["issues", &pull_request.number.0.to_string(), "comments"], &[]);
            let answer = self.transport.write(Method::POST, &url, Some(&json!({"body": text}))).await?;
            if answer.status != StatusCode::CREATED {
                return Err(answer.refusal("to comment"));
            }
            Ok(answer.json::<raw::Comment>()?.id)
        })
    }

    fn remove<'a>(&'a self, _pull_request: &'a PullRequest, id: u64) -> Asked<'a, ()> {
        Box::pin(async move {
            let url = self.url(&["issues", "comments", &id.to_string()], &[]);
            self.transport.write(Method::DELETE, &url, None).await.map(drop)
        })
    }
}

/// Reads a pull request; `None` for one from another repository.
fn of_raw(raw: raw::PullRequest) -> Option<PullRequest> {
    let (from, into) = (raw.head.repo.as_ref()?, raw.base.repo.as_ref()?);
    if !from.full_name.eq_ignore_ascii_case(&into.full_name) {
        return None;
    }
    let state = match (raw.state.as_str(), &raw.merged_at) {
        (_, Some(_)) => State::Merged,
        ("open", None) => State::Open,
        _ => State::Closed,
    };
    let body = raw.body.unwrap_or_default();
    let marker = marker::read(&body);
    // No listing tells of the merge queue: whoever put it there has written that into the body first.
    let is_put = state == State::Open && marker.as_ref().is_some_and(|marker| marker.queued.is_some());
    Some(PullRequest {
        number: Number(raw.number),
        url: raw.html_url,
        state,
        head: BranchName::from(raw.head.name.as_str()),
        commit: CommitId(raw.head.sha.into()),
        base: BranchName::from(raw.base.name.as_str()),
        title: raw.title,
        marker,
        body,
        labels: raw.labels.into_iter().map(|label| as_called(&label.name)).collect(),
        is_draft: raw.draft,
        is_armed: is_put || raw.auto_merge.is_some_and(|order| !order.is_null()),
        told: None,
    })
}
