//! Whose head branches are, by the configuration of now and of when they were made.
//!
//! Entry points: [`look`], [`take_along`] and [`style_at`]. Whoever gives commits another author has not pushed to what stands.

use std::sync::Arc;

use crate::config::repository;
use crate::git::{GitError, Remote};
use crate::model::commit::{CommitId, CommitStyle};
use crate::model::environment::BranchName;
use crate::model::file::RepoPath;
use crate::model::pull_request::HeadBranch;
use crate::observe::history::Past;
use crate::observe::tree::CommitFiles;
use crate::pass::run::{self, CONFIG_FILE, MAX_CONFIG};
use crate::publish::pull_requests::Desired;
use crate::publish::pull_requests::heads::{self, Own};

/// Looks at head branches of Tagboat's that the remote has listed with their tips.
///
/// # Errors
///
/// [`GitError`] when they cannot be read: then nothing is decided about any of them.
pub(super) fn look(
    remote: &Arc<dyn Remote>,
    base: (&BranchName, &CommitId),
    listed: Vec<(BranchName, CommitId)>,
    now: &CommitStyle,
    desired: &[Desired],
) -> Result<Vec<HeadBranch>, GitError> {
    let before = |parent: &CommitId| style(remote, base.0, parent);
    heads::look(&**remote, base, listed, &Own { now, before: &before }, desired)
}

/// Knows a head branch as Tagboat's own that was made on the branch on which its environment lived before: what lies beneath it is
/// that branch's.
///
/// # Errors
///
/// [`GitError`] as for [`look`].
pub(super) fn take_along(
    remote: &Arc<dyn Remote>,
    head: &mut HeadBranch,
    elsewhere: &[(BranchName, CommitId)],
    own: &CommitStyle,
) -> Result<(), GitError> {
    for (branch, tip) in elsewhere {
        let listed = vec![(head.name.clone(), head.tip.clone())];
        let looked = look(remote, (branch, tip), listed, own, &[])?;
        if let Some(looked) = looked.into_iter().find(|looked| looked.is_own && looked.key.is_some()) {
            *head = HeadBranch { is_fresh: false, is_on_tip: false, ..looked };
            break;
        }
    }
    Ok(())
}

/// Returns how commits on top of one were made, where its files configure that.
fn style(remote: &Arc<dyn Remote>, branch: &BranchName, parent: &CommitId) -> Option<CommitStyle> {
    let files = CommitFiles::new(Arc::clone(remote), parent);
    let files = files.inspect_err(|error| tracing::debug!(%parent, %error, "its files cannot be listed")).ok()?;
    run::read_config(&files, branch).ok().map(|was| was.commit)
}

/// The same, told by a history.
pub(super) fn style_at(past: &dyn Past, parent: &CommitId) -> Option<CommitStyle> {
    let file = RepoPath::new(CONFIG_FILE).expect("the name is plain");
    let bytes = past.file(parent, &file, MAX_CONFIG);
    let bytes =
        bytes.inspect_err(|error| tracing::debug!(%parent, %error, "its configuration cannot be read")).ok()??;
    repository::parse(CONFIG_FILE, &bytes).ok().map(|was| was.commit)
}
