//! What GitLab's REST API v4 says, as far as it is read. No type leaves the module above.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::forge::drafts;
use crate::model::commit::CommitId;
use crate::model::environment::BranchName;
use crate::model::gate::GateName;
use crate::model::marker;
use crate::model::pull_request::{Check, CheckState, Number, PullRequest, State, as_called};

/// What a draft's title begins with; GitLab has no other sign of it in writing.
pub(super) const DRAFT: &str = "Draft: ";

/// The other ways in which people write it.
pub(super) const DRAFTS: [&str; 3] = ["Draft:", "[Draft]", "(Draft)"];

#[derive(Debug, Deserialize)]
pub(super) struct RawMergeRequest {
    pub(super) iid: u64,
    #[serde(default)]
    pub(super) title: String,
    pub(super) description: Option<String>,
    pub(super) state: String,
    pub(super) target_branch: String,
    pub(super) source_branch: String,
    source_project_id: Option<u64>,
    target_project_id: Option<u64>,
    #[serde(default)]
    pub(super) labels: Vec<String>,
    #[serde(default)]
    pub(super) draft: bool,
    pub(super) sha: Option<String>,
    #[serde(default)]
    web_url: String,
    pub(super) merge_commit_sha: Option<String>,
    pub(super) squash_commit_sha: Option<String>,
    pub(super) merge_status: Option<String>,
    pub(super) detailed_merge_status: Option<String>,
    #[serde(default)]
    pub(super) merge_when_pipeline_succeeds: bool,
    pub(super) blocking_discussions_resolved: Option<bool>,
    #[serde(default)]
    pub(super) has_conflicts: bool,
    pub(super) head_pipeline: Option<RawPipeline>,
    pub(super) user: Option<RawRights>,
}

impl RawMergeRequest {
    /// Whether it comes from the project itself, and not from a fork.
    pub(super) fn is_own(&self) -> bool {
        self.source_project_id.is_some() && self.source_project_id == self.target_project_id
    }

    /// Returns the commit that it brought onto the base.
    pub(super) fn landed(&self) -> Option<CommitId> {
        // A fast-forward makes no commit of its own: the head is what landed.
        let id = self.merge_commit_sha.as_ref().or(self.squash_commit_sha.as_ref()).or(self.sha.as_ref())?;
        Some(CommitId(id.as_str().into()))
    }

    /// Turns it into the plain noun.
    pub(super) fn into_plain(self) -> PullRequest {
        let body = self.description.unwrap_or_default();
        PullRequest {
            number: Number(self.iid),
            url: self.web_url,
            state: match self.state.as_str() {
                "merged" => State::Merged,
                "closed" => State::Closed,
                // `locked` is one that is being merged at this moment.
                _ => State::Open,
            },
            head: BranchName::from(self.source_branch.as_str()),
            commit: CommitId(self.sha.unwrap_or_default().into()),
            base: BranchName::from(self.target_branch.as_str()),
            title: drafts::plain(&self.title, &DRAFTS, self.draft),
            marker: marker::read(&body),
            body,
            labels: self.labels.into_iter().map(|label| as_called(&label)).collect::<BTreeSet<_>>(),
            is_draft: self.draft,
            is_armed: self.merge_when_pipeline_succeeds,
            told: None,
        }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct RawRights {
    #[serde(default)]
    pub(super) can_merge: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct RawPipeline {
    pub(super) id: u64,
    pub(super) sha: String,
    #[serde(rename = "ref", default)]
    pub(super) reference: String,
    pub(super) status: String,
    pub(super) source: Option<String>,
}

impl RawPipeline {
    /// Whether it ran for the merge train.
    pub(super) fn is_of_train(&self) -> bool {
        self.reference.starts_with("refs/merge-requests/") && self.reference.ends_with("/train")
    }

    /// Whether it ran on a commit that GitLab made of a head and its base.
    pub(super) fn is_of_merge(&self) -> bool {
        self.is_of_train() || self.reference.starts_with("refs/merge-requests/") && self.reference.ends_with("/merge")
    }

    /// Whether it is no pipeline of the project's own, but made up of the commit statuses that came from outside.
    pub(super) fn is_external(&self) -> bool {
        self.source.as_deref() == Some("external")
    }
}

/// A commit status, or a job of a pipeline: GitLab lists both alike.
#[derive(Debug, Deserialize)]
pub(super) struct RawStatus {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) status: String,
    /// The branch, or the ref of a merge request, whose pipeline it is of.
    #[serde(rename = "ref")]
    pub(super) reference: Option<String>,
    /// The pipeline; older versions do not tell, nor does a pipeline's own list of jobs.
    pub(super) pipeline_id: Option<u64>,
    description: Option<String>,
    /// Where more is to be read about it; that of a job, where GitLab tells it, ends in its id.
    target_url: Option<String>,
    #[serde(default)]
    allow_failure: bool,
    created_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
}

impl RawStatus {
    /// Whether it came from outside, as Tagboat's own do: GitLab files it under whichever pipeline of the commit is the newest. Jobs have no
    /// text, and no address but their own.
    pub(super) fn is_from_outside(&self) -> bool {
        let is_elsewhere = |url: &String| !url.is_empty() && !url.ends_with(&format!("/{}", self.id));
        GateName::of_context(&self.name).is_some()
            || self.description.as_ref().is_some_and(|text| !text.is_empty())
            || self.target_url.as_ref().is_some_and(is_elsewhere)
    }

    /// Turns it into the plain noun.
    pub(super) fn into_plain(self) -> Check {
        let state = if self.allow_failure && matches!(self.status.as_str(), "failed" | "canceled" | "manual") {
            CheckState::Passed
        } else {
            state_of(&self.status)
        };
        let time = self.finished_at.or(self.created_at);
        // Jobs and statuses are listed alike.
        let text = self.description.unwrap_or_default();
        Check { name: self.name, state, word: self.status, text, is_run: false, time }
    }
}

/// Returns what a status of a job or a pipeline comes to. One that is not known yet is not done.
pub(super) fn state_of(status: &str) -> CheckState {
    match status {
        "success" | "skipped" => CheckState::Passed,
        "failed" | "canceled" | "canceling" | "manual" => CheckState::Failed,
        _ => CheckState::Pending,
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct RawApprovals {
    // Told in every tier: what does not is no answer about approvals, and not one that says that none is missing.
    pub(super) approved_by: Vec<RawApprover>,
    pub(super) approvals_left: Option<u32>,
}

/// A state of the head branch, as merge requests keep one for each push.
#[derive(Debug, Deserialize)]
pub(super) struct RawVersion {
    pub(super) head_commit_sha: String,
    pub(super) created_at: Timestamp,
}

/// A comment, or a line about what somebody did.
#[derive(Debug, Deserialize)]
pub(super) struct RawNote {
    pub(super) id: u64,
    #[serde(default)]
    pub(super) system: bool,
    #[serde(default)]
    pub(super) body: String,
    pub(super) author: Option<RawUser>,
    pub(super) created_at: Option<Timestamp>,
}

#[derive(Debug, Deserialize)]
pub(super) struct RawApprover {
    pub(super) user: RawUser,
    pub(super) approved_at: Option<Timestamp>,
}

#[derive(Debug, Deserialize)]
pub(super) struct RawUser {
    pub(super) id: u64,
    pub(super) username: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct RawReviewer {
    pub(super) user: RawUser,
    #[serde(default)]
    pub(super) state: String,
}

/// The settings of a project that say how merge requests are merged.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct RawProject {
    /// Its number. What has none tells of no project, and not of one that asks for nothing.
    #[serde(rename = "id")]
    _id: u64,
    #[serde(default)]
    pub(super) only_allow_merge_if_pipeline_succeeds: bool,
    #[serde(default)]
    pub(super) merge_trains_enabled: Option<bool>,
    pub(super) squash_option: Option<String>,
    /// `merge`, `rebase_merge` or `ff`.
    pub(super) merge_method: Option<String>,
    #[serde(default)]
    pub(super) archived: bool,
    pub(super) permissions: Option<RawPermissions>,
}

/// The roles of the token's owner: in the project itself, and through its groups.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct RawPermissions {
    project_access: Option<RawAccess>,
    group_access: Option<RawAccess>,
}

/// The role of a member.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct RawAccess {
    #[serde(default)]
    pub(super) access_level: u32,
}

/// Whose a token is.
#[derive(Debug, Deserialize)]
pub(super) struct RawOwner {
    pub(super) id: u64,
    /// Told of administrators alone.
    pub(super) is_admin: Option<bool>,
}

impl RawPermissions {
    /// Returns the higher of the two roles; 30 is Developer, 40 is Maintainer.
    pub(super) fn level(&self) -> u32 {
        let levels =
            [&self.project_access, &self.group_access].map(|one| one.as_ref().map_or(0, |one| one.access_level));
        levels.into_iter().max().unwrap_or(0)
    }
}

/// What a token tells of itself.
#[derive(Debug, Deserialize)]
pub(super) struct RawToken {
    #[serde(default)]
    pub(super) scopes: Vec<String>,
}

/// A commit, as far as it is read.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub(super) struct RawCommit {
    /// Its id.
    pub(super) id: String,
    #[serde(default)]
    pub(super) parent_ids: Vec<String>,
}

/// A branch, as far as it is read.
#[derive(Debug, Deserialize)]
pub(super) struct RawBranch {
    /// Its tip.
    pub(super) commit: RawCommit,
    #[serde(default)]
    pub(super) protected: bool,
    /// Whether whoever asks may push to it.
    pub(super) can_push: Option<bool>,
    pub(super) developers_can_merge: Option<bool>,
}
