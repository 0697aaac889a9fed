//! What commits tell of closed pull requests whose bodies say nothing any more, or never said it.
//!
//! Entry points: [`silent`] and [`messages`]. Asks no forge.

use std::collections::BTreeMap;

use crate::git::{GitError, Remote};
use crate::model::brought::Told;
use crate::model::commit::CommitId;
use crate::model::pull_request::{PullRequest, State};

/// Returns the commits at which pull requests were closed whose bodies do not say what they stood for.
pub fn silent(pull_requests: &[PullRequest]) -> Vec<CommitId> {
    let is_silent = |one: &&PullRequest| {
        let says_nothing = one.marker.as_ref().is_none_or(|marker| marker.brought.is_empty());
        one.state == State::Closed && says_nothing && !one.commit.as_str().is_empty()
    };
    pull_requests.iter().filter(is_silent).map(|one| one.commit.clone()).collect()
}

/// Reads what the trailers of commits tell, as far as they are at hand.
///
/// # Errors
///
/// [`GitError`] when one is at hand and cannot be read.
pub fn messages(remote: &dyn Remote, commits: Vec<CommitId>) -> Result<BTreeMap<CommitId, Told>, GitError> {
    let mut told = BTreeMap::new();
    for commit in commits {
        if let Some(message) = remote.message(&commit)? {
            told.insert(commit, Told::by(&message));
        }
    }
    Ok(told)
}
