//! Forges: pull requests, checks and statuses, behind one trait with few verbs.
//!
//! The entry point is [`Forge`]. Branches and commits are Git's business, and whether something should be opened,
//! changed, merged or closed is decided elsewhere; here it is only asked and done.

pub mod account;
mod comments;
mod drafts;
pub mod gitea;
pub mod github;
pub mod gitlab;
mod once;
pub mod plain;
mod releases;
pub mod remembered;
mod rest;
pub mod turns;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::Instant;

use crate::clock::PassEnd;
use crate::forge::account::Account;
use crate::forge::remembered::Remembered;
use crate::forge::turns::Turn;
use crate::forge::turns::denied::Order;
use crate::http::client::HttpClient;
use crate::model::commit::{CommitId, MadeCommit, NewCommit};
use crate::model::deployment::Deployment;
use crate::model::environment::BranchName;
use crate::model::pull_request::{
    Check, Demands, ForgeKind, Glance, Lack, Listing, Merge, NewPullRequest, Number, PullRequest, Readiness, Release,
    Source, Status,
};

/// Why a draft is not merged. A person may have made it one, so nobody else takes that back.
const DRAFT: &str = "it is a draft: nobody merges it until a person has marked it as ready";

/// Says who was not asked to review, and why.
fn unasked(reviewers: &[String], why: &str) -> String {
    format!("not asked to review: {} ({why})", reviewers.join(", "))
}

/// What clients of several repositories have in common.
#[derive(Debug, Clone)]
pub struct Desk {
    /// By what they ask.
    pub http: Arc<HttpClient>,
    /// What the forge allows whom they ask as.
    pub account: Arc<Account>,
    /// What they were answered.
    pub remembered: Arc<Remembered>,
    /// The number of whoever asks for the repository, where another process has the same for it.
    pub asker: Option<u64>,
    /// When the pass is over for which they ask.
    pub ends: PassEnd,
    /// What need not be asked in it.
    pub turn: Turn,
}

impl Desk {
    /// Makes one that nobody else has.
    pub fn of(http: HttpClient) -> Self {
        Self {
            http: Arc::new(http),
            account: Arc::default(),
            remembered: Arc::default(),
            asker: None,
            ends: PassEnd::default(),
            turn: Turn::default(),
        }
    }

    /// Returns the same for one pass.
    #[must_use]
    fn until(&self, ends: PassEnd, turn: Turn) -> Self {
        Self { ends, turn, ..self.clone() }
    }

    /// Returns by which number answers are remembered: one of its own for each client, unless another process is to know it again.
    fn owner(&self) -> u64 {
        self.asker.unwrap_or_else(|| self.remembered.owner())
    }

    /// Says that something is about to be changed.
    ///
    /// # Errors
    ///
    /// [`ForgeError::Later`] where that would rest on what was not asked: the pass begins again.
    fn may_act(&self) -> Result<(), ForgeError> {
        let reason = || "what it rests on was told to an earlier pass, and is asked first".to_owned();
        if self.turn.may_act() { Ok(()) } else { Err(ForgeError::Later { after: None, reason: reason() }) }
    }

    /// Returns until when a question may be asked that may take so long by itself.
    ///
    /// # Errors
    ///
    /// [`ForgeError::Later`] where the pass is over.
    fn deadline(&self, longest: Duration) -> Result<Instant, ForgeError> {
        match self.ends.is_over() {
            true => Err(self.over()),
            false => Ok(self.ends.before(Instant::now() + longest)),
        }
    }

    fn over(&self) -> ForgeError {
        ForgeError::Later { after: None, reason: self.ends.reason() }
    }

    /// Waits as long as a forge has asked for, or its pace wants.
    ///
    /// # Errors
    ///
    /// [`ForgeError::Later`] where the pass would be over by then.
    async fn wait(&self, wait: Duration) -> Result<(), ForgeError> {
        if self.ends.within(wait) < wait {
            return Err(self.over());
        }
        tokio::time::sleep(wait).await;
        Ok(())
    }
}

/// Why a forge could not be asked, and what that means for the caller. Never decided on message text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ForgeError {
    /// It is busy or down, or the answer was lost. Whether a change was made is not known: look before asking again.
    #[error("{reason}")]
    Later {
        /// When it wants to be asked again, where it said so.
        after: Option<Duration>,
        /// Why, in words.
        reason: String,
    },
    /// This one thing cannot be done; others can.
    #[error("{0}")]
    Skip(String),
    /// Nothing can be done with this credential or on this repository.
    #[error("{0}")]
    Stop(String),
}

impl ForgeError {
    /// Returns what a refused listing means: whoever may not list anything may do nothing at all.
    fn of_listing(self) -> Self {
        match self {
            Self::Skip(words) => Self::Stop(words),
            other => other,
        }
    }
}

/// Whether the opening of a pull request may have been finished before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finishing {
    /// It was opened a moment ago.
    AtOnce,
    /// Something cut that short before.
    Again,
}

/// The outcome of asking a forge.
pub type Asked<'a, T> = BoxFuture<'a, Result<T, ForgeError>>;

/// A repository on a forge, or on [plain Git](plain), which is the one that has nothing beside branches. All calls are bounded in time; none is
/// repeated by itself once it may have changed something.
pub trait Forge: Send + Sync {
    /// Whether there are pull requests, and with them comments, labels, checks and reviews. Where there are none a head branch stands for
    /// each, whose commits tell what a body would, and every verb about one is an error: who may meet plain Git asks this first.
    fn has_pull_requests(&self) -> bool {
        true
    }

    /// Lists the pull requests from branches of the same repository, whatever they are called and into whichever branch: every
    /// open one, and those of the others that changed last. One listing, asked conditionally where the forge allows it.
    fn list(&self) -> Asked<'_, Listing>;

    /// Takes note that something listed is not as Git has it: the next listing is asked for whole.
    fn doubt(&self) {}

    /// Lists the pull requests that were ever made from some head branches, into whichever branch.
    ///
    /// For what [`Forge::list`] no longer tells: what was refused long ago, or an opening whose answer was lost. Where a forge
    /// cannot be asked about a branch, only those that changed last are told of, and far more than by the listing.
    fn of_heads<'a>(&'a self, heads: &'a [BranchName]) -> Asked<'a, Vec<PullRequest>>;

    /// Opens a pull request. The head branch must hold its commit, and [`Forge::of_heads`] must have told that none is open.
    fn open<'a>(&'a self, new: &'a NewPullRequest) -> Asked<'a, PullRequest>;

    /// Whether [`Forge::finish`] has something to do after [`Forge::open`]: not every forge takes all of it at once.
    fn opens_in_steps(&self, _new: &NewPullRequest) -> bool {
        false
    }

    /// Sets the labels and asks for the reviews of a pull request that was opened; done twice it is as done once. Whatever may have been
    /// done before, as `finishing` says or since an answer was lost, is looked for before it is done again. What the forge refuses, such as
    /// a reviewer whom it does not know, is returned in words, and keeps nothing else from being done: a pull request without is worth more
    /// than none.
    fn finish<'a>(
        &'a self,
        _opened: &'a PullRequest,
        _new: &'a NewPullRequest,
        _finishing: Finishing,
    ) -> Asked<'a, Vec<String>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    /// Replaces title and body.
    fn rewrite<'a>(&'a self, pull_request: &'a PullRequest, title: &'a str, body: &'a str) -> Asked<'a, ()>;

    /// Returns a pull request that was listed as open as it stands now, asked about that one alone: a list may be behind. `None` where
    /// it is merged or closed by now.
    fn look<'a>(&'a self, pull_request: &'a PullRequest) -> Asked<'a, Option<PullRequest>> {
        Box::pin(std::future::ready(Ok(Some(pull_request.clone()))))
    }

    /// Closes without merging, with the body that says so.
    fn close<'a>(&'a self, pull_request: &'a PullRequest, body: &'a str) -> Asked<'a, ()>;

    /// Adds a comment; one that is there already is not written again, and of several that say the same the first one stays.
    fn comment<'a>(&'a self, pull_request: &'a PullRequest, text: &'a str) -> Asked<'a, ()>;

    /// Removes a label.
    fn remove_label<'a>(&'a self, pull_request: &'a PullRequest, label: &'a str) -> Asked<'a, ()>;

    /// Whether commits can be left to this forge to sign, by [`Forge::make`]; else why not, and what to do. Whether it signed the one that it
    /// made is looked at then.
    ///
    /// # Errors
    ///
    /// The words for people.
    fn signs(&self) -> Result<(), String> {
        Ok(())
    }

    /// Makes a commit that the forge signs, alone on a new branch on top of its parent; the branch must not be there yet.
    ///
    /// Whoever asks looks at what was made: a forge may have put another mode or other names to it.
    fn make<'a>(&'a self, new: &'a NewCommit) -> Asked<'a, MadeCommit>;

    /// Names the checks that a base branch requires, where the forge tells. A client asks once.
    fn required<'a>(&'a self, _base: &'a BranchName) -> Asked<'a, BTreeSet<String>> {
        Box::pin(std::future::ready(Ok(BTreeSet::new())))
    }

    /// Asks for everything that decides whether the head commit may be merged, beside its checks, which were asked for a moment ago.
    fn readiness<'a>(&'a self, pull_request: &'a PullRequest, checks: Vec<Check>) -> Asked<'a, Readiness>;

    /// Counts the people who approve the head commit that was listed; what they said of an earlier one does not count.
    fn approvals<'a>(&'a self, pull_request: &'a PullRequest) -> Asked<'a, u32>;

    /// Returns an order that is to be given in this pass, told from others by these parts: it says whether the forge has denied it lately.
    fn order(&self, parts: &[&str]) -> Order {
        Order::of(&Turn::default(), 0, parts)
    }

    /// Merges, if the head is still the commit that was judged. Requires that every check of that commit has passed. What it makes of
    /// the head says what the head's commit does, its `message`, as far as the forge lets it: its trailers are the record.
    fn merge<'a>(&'a self, pull_request: &'a PullRequest, head: &'a CommitId, message: &'a str) -> Asked<'a, Merge>;

    /// Tells the forge to merge by itself once the checks that the base requires have passed, if the head is still the commit that was
    /// judged. Requires that nothing else is waited for: the forge asks for nothing else. [`Forge::disarm`] takes it back.
    fn arm<'a>(&'a self, _pull_request: &'a PullRequest, _head: &'a CommitId, _message: &'a str) -> Asked<'a, Merge> {
        Box::pin(std::future::ready(Ok(Merge::NotReady("this forge is not told to merge by itself".to_owned()))))
    }

    /// Takes back that the forge merges by itself; for a pull request whose listing said so.
    fn disarm<'a>(&'a self, _pull_request: &'a PullRequest) -> Asked<'a, ()> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Returns the software of this forge, and the repository's own place, by which others on it are told.
    fn home(&self) -> (ForgeKind, Source);

    /// Lists the newest releases of a source repository: on this very forge with its credential, on github.com as anybody. `None`
    /// where nobody is asked.
    fn releases<'a>(&'a self, source: &'a Source) -> Asked<'a, Option<Vec<Release>>>;

    /// Lists the newest check or status of each name of a head commit; where several things report by one name, the worst of theirs.
    fn checks<'a>(&'a self, commit: &'a CommitId) -> Asked<'a, Vec<Check>>;

    /// Lists the newest commit status of each name of a head commit, among which is what gates have said. Where a forge tells statuses
    /// from other checks it is asked for them alone: not every credential may see those.
    fn statuses<'a>(&'a self, commit: &'a CommitId) -> Asked<'a, Vec<Check>> {
        self.checks(commit)
    }

    /// Lists the newest check or status of each name of a commit on a base: what was said of it there comes after what was said of it as a head.
    fn landed<'a>(&'a self, commit: &'a CommitId) -> Asked<'a, Vec<Check>> {
        self.checks(commit)
    }

    /// Looks at several pull requests by fewer questions than some for each; without those that cannot be told so. What is told was so at some
    /// moment since they were listed: it says who waits, and not what may be merged.
    fn glance<'a>(&'a self, _pull_requests: &'a [PullRequest]) -> Asked<'a, BTreeMap<Number, Glance>> {
        Box::pin(std::future::ready(Ok(BTreeMap::new())))
    }

    /// Whether nothing has reported on the head of a pull request for which [`Forge::checks`] has listed nobody's check.
    fn is_unreported<'a>(&'a self, _pull_request: &'a PullRequest) -> Asked<'a, bool> {
        Box::pin(std::future::ready(Ok(true)))
    }

    /// Sets a commit status; the caller has seen that it says something else now.
    fn set_status<'a>(&'a self, commit: &'a CommitId, status: &'a Status) -> Asked<'a, ()>;

    /// Whether this forge keeps deployments.
    fn keeps_deployments(&self) -> bool {
        false
    }

    /// Says that a commit reached an environment, and how it goes there; said twice it is as said once.
    fn deploy<'a>(&'a self, _deployment: &'a Deployment) -> Asked<'a, ()> {
        Box::pin(std::future::ready(Err(ForgeError::Skip("this forge keeps no deployments".to_owned()))))
    }

    /// Lists the permissions that the credential lacks for what is asked of it. Nothing is changed for that: what is not told otherwise
    /// is found out by changes that nobody can make, which are refused for another reason to whoever may make others.
    fn lacks<'a>(&'a self, _demands: &'a Demands) -> Asked<'a, Vec<Lack>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    /// Returns the name by which the forge knows whose the credential is, where it tells.
    fn asks_as(&self) -> Asked<'_, Option<String>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    /// Returns the most characters that a body may have.
    fn body_limit(&self) -> usize;
}
