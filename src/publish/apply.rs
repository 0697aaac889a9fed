//! Making the planned commits and pushing them, all or none.

use jiff::Timestamp;

use crate::git::{GitError, Pushed, Remote};
use crate::model::commit::CommitId;
use crate::model::environment::BranchName;
use crate::model::outcome::Landed;
use crate::publish::plan::PlannedCommit;

/// What became of the commits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    /// They are on the branch.
    Landed(Vec<Landed>),
    /// The branch moved meanwhile; nothing of ours is on it. Fetch, plan again, try again.
    Moved,
    /// The remote forbids it; its words.
    Forbidden(String),
}

/// Stacks the commits on `base` and moves the branch to the last of them in one push.
///
/// # Errors
///
/// [`GitError`] when a commit could not be made, or when it is not known whether the push arrived: the next
/// pass reads the branch and sees.
pub fn apply(
    remote: &dyn Remote,
    branch: &BranchName,
    base: &CommitId,
    commits: Vec<PlannedCommit>,
    now: Timestamp,
) -> Result<Applied, GitError> {
    let mut tip = base.clone();
    let mut landed = Vec::with_capacity(commits.len());
    for commit in commits {
        tip = remote.commit(&tip, &commit.files, &commit.plan, now)?;
        landed.push(Landed { environment: commit.plan.environment, commit: tip.clone(), message: commit.plan.message });
    }
    if landed.is_empty() {
        return Ok(Applied::Landed(landed));
    }
    Ok(match remote.push(branch, base, &tip)? {
        Pushed::Done => Applied::Landed(landed),
        Pushed::Moved => Applied::Moved,
        Pushed::Forbidden(words) => Applied::Forbidden(words),
    })
}
