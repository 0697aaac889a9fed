//! Deployments, as forges keep them: that a commit reached an environment, and what became of it there.

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
}

impl DeploymentState {
    /// Returns GitHub's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Success => "success",
            Self::Failure => "failure",
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
}
