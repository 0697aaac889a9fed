//! What GitHub's API says, as far as it is read (GitHub's OpenAPI description, version 2022-11-28).

use std::collections::BTreeMap;

use jiff::Timestamp;
use octocrab::models::AuthorAssociation;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::forge::github::judging::Now;
use crate::model::pull_request::as_called;

#[derive(Debug, Default, Deserialize)]
pub(super) struct Refusal {
    pub(super) message: Option<String>,
    pub(super) documentation_url: Option<String>,
    #[serde(default)]
    pub(super) errors: Value,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct PullRequest {
    pub(super) number: u64,
    pub(super) html_url: String,
    pub(super) state: String,
    pub(super) title: String,
    pub(super) body: Option<String>,
    #[serde(default)]
    pub(super) draft: bool,
    pub(super) merged_at: Option<String>,
    pub(super) merge_commit_sha: Option<String>,
    #[serde(default)]
    pub(super) labels: Vec<Label>,
    /// Whose reviews are asked for.
    #[serde(default, skip_serializing)]
    pub(super) requested_reviewers: Vec<User>,
    #[serde(default, skip_serializing)]
    pub(super) requested_teams: Vec<Team>,
    pub(super) head: Branch,
    pub(super) base: Branch,
    /// In answers about one pull request alone; `null` while it is being worked out.
    pub(super) mergeable: Option<bool>,
    pub(super) mergeable_state: Option<String>,
    /// What the forge merges it by, where it does that by itself.
    pub(super) auto_merge: Option<Value>,
}

impl PullRequest {
    /// Returns what decides of it.
    pub(super) fn into_now(self) -> Now {
        Now {
            is_open: self.merged_at.is_none() && self.state == "open",
            is_draft: self.draft,
            head: self.head.sha,
            base: self.base.name,
            labels: self.labels.into_iter().map(|label| as_called(&label.name)).collect(),
            mergeable: self.mergeable,
            state: self.mergeable_state,
        }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Deployment {
    pub(super) id: u64,
    pub(super) sha: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct DeploymentStatus {
    pub(super) state: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Label {
    pub(super) name: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Branch {
    #[serde(rename = "ref")]
    pub(super) name: String,
    pub(super) sha: String,
    /// `null` where the fork is gone.
    pub(super) repo: Option<RepositoryName>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct RepositoryName {
    pub(super) full_name: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Repository {
    #[serde(default)]
    pub(super) private: bool,
    pub(super) allow_merge_commit: Option<bool>,
    pub(super) allow_squash_merge: Option<bool>,
    pub(super) allow_rebase_merge: Option<bool>,
    #[serde(default)]
    pub(super) permissions: BTreeMap<String, bool>,
    pub(super) default_branch: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct CheckRuns {
    pub(super) check_runs: Vec<CheckRun>,
}

#[derive(Debug, Deserialize)]
pub(super) struct CheckRun {
    pub(super) id: Option<u64>,
    pub(super) name: String,
    pub(super) status: String,
    pub(super) conclusion: Option<String>,
    pub(super) completed_at: Option<Timestamp>,
    pub(super) check_suite: Option<CheckSuite>,
    /// The app that made it.
    pub(super) app: Option<App>,
}

#[derive(Debug, Deserialize)]
pub(super) struct CheckSuite {
    pub(super) id: Option<u64>,
}

#[derive(Debug, Deserialize)]
pub(super) struct CheckSuites {
    pub(super) check_suites: Vec<WholeSuite>,
}

#[derive(Debug, Deserialize)]
pub(super) struct WholeSuite {
    pub(super) id: u64,
    pub(super) status: Option<String>,
    pub(super) conclusion: Option<String>,
    pub(super) app: Option<App>,
    pub(super) latest_check_runs_count: u64,
}

#[derive(Debug, Deserialize)]
pub(super) struct App {
    pub(super) slug: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct WorkflowRuns {
    pub(super) workflow_runs: Vec<WorkflowRun>,
}

#[derive(Debug, Deserialize)]
pub(super) struct WorkflowRun {
    pub(super) check_suite_id: Option<u64>,
    pub(super) workflow_id: u64,
    pub(super) event: String,
    pub(super) name: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct CombinedStatus {
    pub(super) statuses: Vec<Status>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Status {
    pub(super) context: String,
    pub(super) state: String,
    pub(super) description: Option<String>,
    pub(super) updated_at: Option<Timestamp>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Review {
    pub(super) user: Option<User>,
    pub(super) state: String,
    pub(super) commit_id: Option<String>,
    /// As what whoever wrote it takes part; words that the library does not know stay readable.
    pub(super) author_association: Option<AuthorAssociation>,
}

/// What somebody may do in the repository.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Permission {
    pub(super) permission: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct User {
    pub(super) login: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Team {
    pub(super) slug: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Rule {
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) parameters: RuleParameters,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct RuleParameters {
    #[serde(default)]
    pub(super) required_status_checks: Vec<RequiredCheck>,
    #[serde(default)]
    pub(super) strict_required_status_checks_policy: bool,
    pub(super) required_approving_review_count: Option<u32>,
    pub(super) allowed_merge_methods: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct RequiredCheck {
    pub(super) context: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct ProtectedBranch {
    /// Whether anything protects it at all. What does not say so is no answer about a branch.
    pub(super) protected: bool,
    pub(super) protection: Option<Protection>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Protection {
    pub(super) required_status_checks: Option<ClassicChecks>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ClassicChecks {
    #[serde(default)]
    pub(super) contexts: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Comment {
    pub(super) id: u64,
    pub(super) body: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Reference {
    pub(super) object: Object,
}

#[derive(Debug, Deserialize)]
pub(super) struct Object {
    pub(super) sha: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Merged {
    pub(super) sha: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Installation {
    pub(super) id: u64,
}

#[derive(Deserialize)]
pub(super) struct InstallationToken {
    pub(super) token: String,
    pub(super) expires_at: Timestamp,
    #[serde(default)]
    pub(super) permissions: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct GraphQl {
    #[serde(default)]
    pub(super) data: Value,
    #[serde(default)]
    pub(super) errors: Vec<GraphQlError>,
}

#[derive(Debug, Deserialize)]
pub(super) struct GraphQlError {
    pub(super) message: String,
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    /// Where in the answer something is missing for it.
    #[serde(default)]
    pub(super) path: Vec<Value>,
}
