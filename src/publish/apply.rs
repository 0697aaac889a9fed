//! Making the planned commits and pushing them: all or none, and those that a forge signs one after the other.
//!
//! Entry points: [`apply`] and [`apply_by_forge`].

use jiff::Timestamp;

use crate::clock::Clock;
use crate::git::{GitError, Pushed, Remote};
use crate::model::commit::{CommitId, Sign};
use crate::model::environment::BranchName;
use crate::model::outcome::Landed;
use crate::publish::making::{MakeError, Maker, by_key};
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
    for mut commit in commits {
        if commit.plan.sign == Some(Sign::Forge) {
            commit.plan.sign = Some(by_key(remote)?);
        }
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

/// Has the forge make the commits, and moves the branch to each in turn. What landed before something failed has landed: the
/// rest, as what a gate has closed for by now, is told by being absent, and the next pass makes it.
///
/// # Errors
///
/// [`MakeError`] when not even the first commit landed.
pub async fn apply_by_forge(
    maker: &Maker<'_>,
    base: &CommitId,
    commits: Vec<PlannedCommit>,
    clock: &dyn Clock,
) -> Result<Applied, MakeError> {
    let mut tip = base.clone();
    let mut landed: Vec<Landed> = Vec::with_capacity(commits.len());
    // Each takes its time, and a gate may close while those before it are made.
    let is_open = |commit: &PlannedCommit| commit.closes.is_none_or(|closing| closing.over(clock.now()).is_none());
    for commit in commits.into_iter().filter(is_open) {
        match maker.on_base(&tip, &commit).await {
            Ok(made) => {
                tip = made.commit;
                let PlannedCommit { plan, .. } = commit;
                landed.push(Landed { environment: plan.environment, commit: tip.clone(), message: plan.message });
            }
            Err(error) if !landed.is_empty() => {
                tracing::warn!(environment = %commit.plan.environment, %error, "not every commit could be made");
                break;
            }
            Err(MakeError::Moved(_)) => return Ok(Applied::Moved),
            Err(MakeError::Forbidden(words)) => return Ok(Applied::Forbidden(words)),
            Err(error) => return Err(error),
        }
    }
    Ok(Applied::Landed(landed))
}
