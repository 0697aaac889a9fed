//! Branches on which environments live by themselves, as what is proposed to be held has to do with them.
//!
//! Entry points: [`own_branch`] and [`on_own_branch`].

use crate::config::repository::Repository;
use crate::git::{Beneath, GitError, Head, Remote};
use crate::model::commit::CommitId;
use crate::model::environment::{BranchName, Environment};
use crate::model::hold::Hold;
use crate::publish::pull_requests::heads::Branches;

/// Returns the branch on which the environment of a hold lives by itself.
pub(super) fn own_branch<'a>(config: &'a Repository, hold: &Hold) -> Option<&'a BranchName> {
    config.environments.named(hold.environment.as_ref()?)?.branch.as_ref()
}

/// Looks at a head branch beside the branch of the environment that it is called after: one that lives long by itself has many commits
/// that the base has not, and none of them is the head's.
pub(super) fn on_own_branch(
    remote: &dyn Remote,
    config: &Repository,
    (name, tip): (&BranchName, &CommitId),
    listed: &Branches,
) -> Result<Option<Head>, GitError> {
    let is_named = |environment: &&Environment| name.as_str().contains(&format!("{}/", environment.name));
    for own in config.environments.0.iter().filter(is_named).filter_map(|environment| environment.branch.as_ref()) {
        let Some((branch, at)) = listed.iter().find(|(other, _)| other == own) else { continue };
        let head = remote.head(name, tip, (branch, at))?;
        if head.beneath != Beneath::TooMany {
            return Ok(Some(head));
        }
    }
    Ok(None)
}
