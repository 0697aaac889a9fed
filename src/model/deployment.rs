//! Deployments, as forges keep them: that a commit reached an environment, and what became of it there.

use std::collections::BTreeSet;

use crate::model::commit::CommitId;
use crate::model::environment::EnvironmentName;

/// How a deployment goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeploymentState {
    /// Its checks are watched.
    InProgress,
    /// It landed, and nothing that is watched failed.
    Success,
    /// A check that is watched failed.
    Failure,
    /// Another one came before it was over.
    Inactive,
}

impl DeploymentState {
    /// Returns GitHub's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Inactive => "inactive",
        }
    }
}

/// That a commit reached an environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// The environment.
    pub environment: EnvironmentName,
    /// The commit.
    pub commit: CommitId,
    /// How it goes.
    pub state: DeploymentState,
    /// What came, in a few words.
    pub description: String,
    /// The commits that reached the environment before and were taken back since they failed. Whatever else was under way when this one came
    /// is over without a result.
    pub failed: BTreeSet<CommitId>,
}
