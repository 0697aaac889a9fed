//! Plain Git: a repository by a path, or on a server that has branches and no API of a forge.
//!
//! Entry point: [`Plain::at`]. Verb by verb it says what is so there: where there is nothing to tell the answer is empty, and what nobody
//! can be asked or told is an error in words. Touches no branch: that a head branch stands for each pull request is Git's business.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::future::ready;

use crate::forge::{Asked, Finishing, Forge, ForgeError};
use crate::model::commit::{CommitId, MadeCommit, NewCommit};
use crate::model::environment::BranchName;
use crate::model::pull_request::{
    Check, ForgeKind, Listing, Merge, NewPullRequest, PullRequest, Readiness, Release, Source, Status,
};

/// The longest body where no forge sets a limit, in characters.
pub const LONGEST_BODY: usize = 60_000;

/// Why nobody is asked what was reported of a commit, or said of a pull request.
pub const NO_REVIEWS: &str = "plain Git has neither checks nor reviews";

/// Why nothing is listed, opened or changed.
const NO_PULL_REQUESTS: &str = "plain Git has no pull requests: a head branch stands for each";

/// Why nobody signs there.
const SIGNS_NOTHING: &str =
    "`commit.sign: forge` needs a forge, and plain Git has none: `ssh` and `gpg` sign with a key of the operator's";

/// A repository on no forge.
#[derive(Debug, Clone)]
pub struct Plain {
    place: Source,
}

impl Plain {
    /// Speaks of the repository at a path of a host, which is empty on this machine.
    pub const fn at(host: String, path: String) -> Self {
        Self { place: Source { host, path } }
    }
}

/// Says why something can neither be asked nor done.
fn refused<'a, T: Send + 'a>(reason: &str) -> Asked<'a, T> {
    Box::pin(ready(Err(ForgeError::Skip(reason.to_owned()))))
}

impl Forge for Plain {
    fn has_pull_requests(&self) -> bool {
        false
    }

    fn list(&self) -> Asked<'_, Listing> {
        Box::pin(ready(Err(ForgeError::Stop(NO_PULL_REQUESTS.to_owned()))))
    }

    fn of_heads<'a>(&'a self, _heads: &'a [BranchName]) -> Asked<'a, Vec<PullRequest>> {
        refused(NO_PULL_REQUESTS)
    }

    fn open<'a>(&'a self, _new: &'a NewPullRequest) -> Asked<'a, PullRequest> {
        refused(NO_PULL_REQUESTS)
    }

    fn finish<'a>(
        &'a self,
        _opened: &'a PullRequest,
        _new: &'a NewPullRequest,
        _finishing: Finishing,
    ) -> Asked<'a, Vec<String>> {
        refused(NO_PULL_REQUESTS)
    }

    fn rewrite<'a>(&'a self, _pull_request: &'a PullRequest, _title: &'a str, _body: &'a str) -> Asked<'a, ()> {
        refused(NO_PULL_REQUESTS)
    }

    fn look<'a>(&'a self, _pull_request: &'a PullRequest) -> Asked<'a, Option<PullRequest>> {
        refused(NO_PULL_REQUESTS)
    }

    fn close<'a>(&'a self, _pull_request: &'a PullRequest, _body: &'a str) -> Asked<'a, ()> {
        refused(NO_PULL_REQUESTS)
    }

    fn comment<'a>(&'a self, _pull_request: &'a PullRequest, _text: &'a str) -> Asked<'a, ()> {
        refused(NO_PULL_REQUESTS)
    }

    fn remove_label<'a>(&'a self, _pull_request: &'a PullRequest, _label: &'a str) -> Asked<'a, ()> {
        refused(NO_PULL_REQUESTS)
    }

    fn signs(&self) -> Result<(), String> {
        Err(SIGNS_NOTHING.to_owned())
    }

    fn make<'a>(&'a self, _new: &'a NewCommit) -> Asked<'a, MadeCommit> {
        refused(SIGNS_NOTHING)
    }

    /// No check: a rule of the server that forbids a push says so when something is pushed.
    fn required<'a>(&'a self, _base: &'a BranchName) -> Asked<'a, BTreeSet<String>> {
        Box::pin(ready(Ok(BTreeSet::new())))
    }

    fn readiness<'a>(&'a self, _pull_request: &'a PullRequest, _checks: Vec<Check>) -> Asked<'a, Readiness> {
        refused(NO_REVIEWS)
    }

    fn approvals<'a>(&'a self, _pull_request: &'a PullRequest) -> Asked<'a, u32> {
        refused(NO_REVIEWS)
    }

    /// An error: what stands on a head branch lands as a commit that is made anew on the base, and pushed.
    fn merge<'a>(&'a self, _pull_request: &'a PullRequest, _head: &'a CommitId, _message: &'a str) -> Asked<'a, Merge> {
        refused(NO_PULL_REQUESTS)
    }

    fn arm<'a>(&'a self, _pull_request: &'a PullRequest, _head: &'a CommitId, _message: &'a str) -> Asked<'a, Merge> {
        refused(NO_PULL_REQUESTS)
    }

    fn disarm<'a>(&'a self, _pull_request: &'a PullRequest) -> Asked<'a, ()> {
        refused(NO_PULL_REQUESTS)
    }

    fn home(&self) -> (ForgeKind, Source) {
        (ForgeKind::Plain, self.place.clone())
    }

    /// Nobody's: without pull requests there is no body that would tell of them.
    fn releases<'a>(&'a self, _source: &'a Source) -> Asked<'a, Option<Vec<Release>>> {
        Box::pin(ready(Ok(None)))
    }

    fn checks<'a>(&'a self, _commit: &'a CommitId) -> Asked<'a, Vec<Check>> {
        refused(NO_REVIEWS)
    }

    fn is_unreported<'a>(&'a self, _pull_request: &'a PullRequest) -> Asked<'a, bool> {
        refused(NO_REVIEWS)
    }

    fn set_status<'a>(&'a self, _commit: &'a CommitId, _status: &'a Status) -> Asked<'a, ()> {
        refused(NO_REVIEWS)
    }

    fn body_limit(&self) -> usize {
        LONGEST_BODY
    }
}
