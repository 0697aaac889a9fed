//! The demo's reconciler: what something like Argo CD would report of commits, pretended in this process.
//!
//! It stands where a forge's API does and answers one question, what was reported of a commit. The demo's environments
//! are all published by commit, so that there is no pull request in it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

use crate::forge::{Asked, Forge, ForgeError};
use crate::model::commit::{CommitId, MadeCommit, NewCommit};
use crate::model::environment::BranchName;
use crate::model::pull_request::{
    Check, CheckState, ForgeKind, Listing, Merge, NewPullRequest, PullRequest, Readiness, Release, Source, Status,
};

/// What was reported of each commit.
#[derive(Debug, Default)]
pub(super) struct DemoReconciler(Mutex<BTreeMap<CommitId, Vec<Check>>>);

impl DemoReconciler {
    /// Reports how a commit fared.
    pub(super) fn report(&self, commit: CommitId, name: &str, state: CheckState, time: Timestamp) {
        let word = if state == CheckState::Passed { "success" } else { "failure" };
        let (name, word, text) = (name.to_owned(), word.to_owned(), String::new());
        let check = Check { name, state, word, text, is_run: false, time: Some(time) };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(commit).or_default().push(check);
    }
}

/// There is nothing to open, change or merge in the demo.
fn nothing<'a, T: Send + 'a>() -> Asked<'a, T> {
    Box::pin(std::future::ready(Err(ForgeError::Skip("the demo has no pull requests".to_owned()))))
}

fn none<'a, T: Send + 'a>() -> Asked<'a, Vec<T>> {
    Box::pin(std::future::ready(Ok(Vec::new())))
}

impl Forge for DemoReconciler {
    fn checks<'a>(&'a self, commit: &'a CommitId) -> Asked<'a, Vec<Check>> {
        let reports = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Box::pin(std::future::ready(Ok(reports.get(commit).cloned().unwrap_or_default())))
    }

    fn list(&self) -> Asked<'_, Listing> {
        Box::pin(std::future::ready(Ok(Listing { pull_requests: Vec::new(), is_whole: true })))
    }

    fn of_heads<'a>(&'a self, _heads: &'a [BranchName]) -> Asked<'a, Vec<PullRequest>> {
        none()
    }

    fn open<'a>(&'a self, _new: &'a NewPullRequest) -> Asked<'a, PullRequest> {
        nothing()
    }

    fn rewrite<'a>(&'a self, _pull_request: &'a PullRequest, _title: &'a str, _body: &'a str) -> Asked<'a, ()> {
        nothing()
    }

    fn close<'a>(&'a self, _pull_request: &'a PullRequest, _body: &'a str) -> Asked<'a, ()> {
        nothing()
    }

    fn comment<'a>(&'a self, _pull_request: &'a PullRequest, _text: &'a str) -> Asked<'a, ()> {
        nothing()
    }

    fn remove_label<'a>(&'a self, _pull_request: &'a PullRequest, _label: &'a str) -> Asked<'a, ()> {
        nothing()
    }

    fn make<'a>(&'a self, _new: &'a NewCommit) -> Asked<'a, MadeCommit> {
        nothing()
    }

    fn readiness<'a>(&'a self, _pull_request: &'a PullRequest, _checks: Vec<Check>) -> Asked<'a, Readiness> {
        nothing()
    }

    fn approvals<'a>(&'a self, _pull_request: &'a PullRequest) -> Asked<'a, u32> {
        nothing()
    }

    fn merge<'a>(&'a self, _pull_request: &'a PullRequest, _head: &'a CommitId, _message: &'a str) -> Asked<'a, Merge> {
        nothing()
    }

    fn home(&self) -> (ForgeKind, Source) {
        (ForgeKind::Gitea, Source { host: "localhost".to_owned(), path: "demo/manifests".to_owned() })
    }

    fn releases<'a>(&'a self, _source: &'a Source) -> Asked<'a, Option<Vec<Release>>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    fn set_status<'a>(&'a self, _commit: &'a CommitId, _status: &'a Status) -> Asked<'a, ()> {
        nothing()
    }

    fn body_limit(&self) -> usize {
        usize::MAX
    }
}
