//! What commits tell of pull requests whose bodies say nothing any more, never said it, or are behind their heads.
//!
//! Entry point: [`tell`]. Asks no forge.

use crate::model::brought::Told;
use crate::model::commit::CommitId;
use crate::model::pull_request::{HeadBranch, PullRequest, State};

/// Lets pull requests tell what the trailers of their head commits do: of heads that stand, and of closed ones whose bodies do not
/// say what they stood for, or whose branches are called as a person's may be. `message` returns what is at hand.
///
/// # Errors
///
/// What `message` fails with.
pub fn tell<E>(
    pull_requests: &mut [PullRequest],
    heads: &[HeadBranch],
    message: &dyn Fn(&CommitId) -> Result<Option<String>, E>,
) -> Result<(), E> {
    for one in pull_requests.iter_mut().filter(|one| one.told.is_none() && !one.commit.as_str().is_empty()) {
        one.told = match heads.iter().find(|head| head.tip == one.commit) {
            Some(head) => Some(head.told.clone()),
            None if one.state == State::Closed && (one.is_silent() || one.is_elsewhere()) => {
                message(&one.commit)?.map(|message| Told::by(&message))
            }
            None => None,
        };
    }
    Ok(())
}
