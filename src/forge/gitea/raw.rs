//! What the API of Gitea and Forgejo says, as far as it is read. No type leaves the module above.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;

use crate::forge::drafts;
use crate::model::commit::CommitId;
use crate::model::environment::BranchName;
use crate::model::marker;
use crate::model::pull_request::{Armed, Check, CheckState, Number, PullRequest, State, as_called};

/// What a draft's title begins with, unless the operator has set other prefixes.
pub(super) const DRAFT: &str = "WIP: ";

/// The prefixes by which a title tells a draft by default.
pub(super) const DRAFTS: [&str; 2] = ["WIP:", "[WIP]"];

#[derive(Debug, Deserialize)]
pub(super) struct RawPullRequest {
    pub(super) number: u64,
    #[serde(default)]
    html_url: String,
    pub(super) state: String,
    #[serde(default)]
    pub(super) merged: bool,
    pub(super) merge_commit_sha: Option<String>,
    #[serde(default)]
    title: String,
    body: Option<String>,
    labels: Option<Vec<RawLabel>>,
    #[serde(default)]
    draft: bool,
    #[serde(default)]
    pub(super) mergeable: bool,
    merge_base: Option<String>,
    /// Whose reviews are asked for.
    pub(super) requested_reviewers: Option<Vec<RawAsked>>,
    pub(super) requested_reviewers_teams: Option<Vec<RawAsked>>,
    pub(super) head: RawBranch,
    pub(super) base: RawBranch,
}

/// A user or a team that is asked for a review.
#[derive(Debug, Deserialize)]
pub(super) struct RawAsked {
    #[serde(default, alias = "login")]
    pub(super) name: String,
}

/// One side of a pull request.
#[derive(Debug, Deserialize)]
pub(super) struct RawBranch {
    /// The branch's name, even when it is gone: `ref` is then another.
    #[serde(default)]
    pub(super) label: String,
    #[serde(default)]
    pub(super) sha: String,
    #[serde(default)]
    repo_id: i64,
}

impl RawPullRequest {
    /// Whether it comes from the repository itself, and not from a fork.
    pub(super) fn is_own(&self) -> bool {
        self.head.repo_id == self.base.repo_id
    }

    /// Whether it may not be merged because its author is not done.
    pub(super) fn is_draft(&self) -> bool {
        self.draft || DRAFTS.iter().any(|prefix| drafts::begins(&self.title, prefix))
    }

    /// Returns its text.
    pub(super) fn body(&self) -> &str {
        self.body.as_deref().unwrap_or_default()
    }

    /// Lists its labels.
    pub(super) fn labels(&self) -> impl Iterator<Item = &str> {
        self.labels.iter().flatten().map(|label| label.name.as_str())
    }

    /// Whether the base has commits that it does not.
    pub(super) fn is_behind(&self) -> bool {
        self.merge_base.as_ref().is_some_and(|below| !below.is_empty() && *below != self.base.sha)
    }

    /// Turns it into the plain noun.
    pub(super) fn into_plain(self) -> PullRequest {
        let is_draft = self.is_draft();
        let title = drafts::plain(&self.title, &DRAFTS, is_draft);
        let body = self.body.unwrap_or_default();
        let (marker, is_open) = (marker::read(&body), self.state != "closed" && !self.merged);
        // No listing tells of it: whoever told Gitea to merge by itself has written it there first.
        let is_armed = is_open && marker.as_ref().is_some_and(|marker| marker.armed != Armed::No);
        PullRequest {
            number: Number(self.number),
            url: self.html_url,
            state: match (self.merged, self.state.as_str()) {
                (true, _) => State::Merged,
                (false, "closed") => State::Closed,
                _ => State::Open,
            },
            head: BranchName::from(self.head.label.as_str()),
            commit: CommitId(self.head.sha.into()),
            base: BranchName::from(self.base.label.as_str()),
            title,
            marker,
            body,
            labels: self.labels.into_iter().flatten().map(|label| as_called(&label.name)).collect(),
            is_draft,
            is_armed,
            told: None,
        }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct RawComment {
    pub(super) id: u64,
    #[serde(default)]
    pub(super) body: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct RawLabel {
    pub(super) id: i64,
    pub(super) name: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct RawStatus {
    id: i64,
    #[serde(default)]
    context: String,
    #[serde(default)]
    status: String,
    description: Option<String>,
    updated_at: Option<Timestamp>,
}

/// Keeps the newest status of each context.
pub(super) fn newest(statuses: Vec<RawStatus>) -> Vec<Check> {
    let mut newest: BTreeMap<String, RawStatus> = BTreeMap::new();
    for status in statuses {
        match newest.get(&status.context) {
            Some(known) if known.id > status.id => {}
            _ => {
                newest.insert(status.context.clone(), status);
            }
        }
    }
    let plain = |status: RawStatus| {
        let state = match status.status.as_str() {
            "success" | "skipped" => CheckState::Passed,
            // A warning is no success to a protected branch either.
            "failure" | "error" | "warning" => CheckState::Failed,
            _ => CheckState::Pending,
        };
        let text = status.description.unwrap_or_default();
        Check { name: status.context, state, word: status.status, text, is_run: false, time: status.updated_at }
    };
    newest.into_values().map(plain).collect()
}

/// What everybody may know of a branch's protection.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct RawProtected {
    // Each server says these: an answer without them is none about a branch, and not one about a branch that nothing protects.
    pub(super) protected: bool,
    pub(super) enable_status_check: bool,
    pub(super) status_check_contexts: Option<Vec<String>>,
    pub(super) required_approvals: i64,
    /// Whether whoever asks may merge into it: who may write the code, or whom a list names.
    pub(super) user_can_merge: Option<bool>,
    /// Empty for those who may not administer the repository.
    #[serde(default)]
    pub(super) effective_branch_protection_name: String,
}

/// What administrators may know beside that.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct RawRule {
    pub(super) block_on_outdated_branch: bool,
    // Later than the other: servers before 1.14 know none.
    #[serde(default)]
    pub(super) block_on_official_review_requests: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct RawReview {
    id: i64,
    user: Option<RawUser>,
    #[serde(default)]
    pub(super) state: String,
    #[serde(default)]
    pub(super) commit_id: String,
    #[serde(default)]
    pub(super) stale: bool,
    #[serde(default)]
    pub(super) official: bool,
    #[serde(default)]
    dismissed: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct RawUser {
    #[serde(default)]
    login: String,
}

/// Keeps what each person said last, but for mere comments and what was dismissed.
pub(super) fn verdicts(reviews: Vec<RawReview>) -> Vec<(String, RawReview)> {
    let mut last: BTreeMap<String, RawReview> = BTreeMap::new();
    for review in reviews {
        let counts = matches!(review.state.as_str(), "APPROVED" | "REQUEST_CHANGES" | "REQUEST_REVIEW");
        let Some(user) = review.user.as_ref().filter(|_| counts && !review.dismissed) else { continue };
        let name = user.login.clone();
        match last.get(&name) {
            Some(known) if known.id > review.id => {}
            _ => {
                last.insert(name, review);
            }
        }
    }
    last.into_iter().collect()
}

/// The settings of a repository that say how pull requests are merged.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct RawRepository {
    #[serde(default)]
    pub(super) archived: bool,
    #[serde(default)]
    pub(super) default_merge_style: String,
    #[serde(default = "yes")]
    allow_merge_commits: bool,
    #[serde(default)]
    allow_rebase: bool,
    #[serde(default)]
    allow_rebase_explicit: bool,
    #[serde(default)]
    allow_squash_merge: bool,
    #[serde(default)]
    allow_fast_forward_only_merge: bool,
    pub(super) permissions: Option<RawPermissions>,
    pub(super) default_branch: Option<String>,
}

/// What the token's owner may do here.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct RawPermissions {
    #[serde(default)]
    pub(super) push: bool,
}

fn yes() -> bool {
    true
}

impl RawRepository {
    /// Returns the way of merging that the repository prefers among those that it allows.
    pub(super) fn style(&self) -> &'static str {
        let allowed = [
            ("merge", self.allow_merge_commits),
            ("rebase", self.allow_rebase),
            ("rebase-merge", self.allow_rebase_explicit),
            ("squash", self.allow_squash_merge),
            ("fast-forward-only", self.allow_fast_forward_only_merge),
        ];
        let mut styles = allowed.iter().filter(|(_, is_allowed)| *is_allowed).map(|(style, _)| *style);
        let preferred = styles.clone().find(|style| *style == self.default_merge_style);
        preferred.or_else(|| styles.next()).unwrap_or("merge")
    }

    /// Whether a base is moved to a head as it is, which must stand on its tip for that.
    pub(super) fn is_forwarded(&self) -> bool {
        self.style() == "fast-forward-only"
    }
}

/// What changing files came to.
#[derive(Debug, Deserialize)]
pub(super) struct RawMade {
    /// The commit.
    pub(super) commit: RawMadeCommit,
}

/// A commit as changing files tells it.
#[derive(Debug, Deserialize)]
pub(super) struct RawMadeCommit {
    /// Its id.
    pub(super) sha: String,
    /// Its parents.
    #[serde(default)]
    pub(super) parents: Vec<RawParent>,
}

/// A parent of a commit.
#[derive(Debug, Deserialize)]
pub(super) struct RawParent {
    /// Its id.
    pub(super) sha: String,
}

/// A branch, as far as it is read.
#[derive(Debug, Deserialize)]
pub(super) struct RawStanding {
    /// Its tip.
    pub(super) commit: RawTip,
}

/// The tip of a branch.
#[derive(Debug, Deserialize)]
pub(super) struct RawTip {
    /// Its id.
    pub(super) id: String,
}
