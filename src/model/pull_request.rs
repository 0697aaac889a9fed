//! Pull requests: how they look, from `pullRequest:` of the configuration, and how forges tell of them.
//!
//! Owns the data only; templates are rendered where pull requests are made.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::model::brought::{Brought, Told};
use crate::model::commit::CommitId;
use crate::model::environment::{BranchName, EnvironmentName};
use crate::model::file::RepoPath;
use crate::model::gate::GateName;
use crate::model::marker;
use crate::model::template::Template;

/// How pull requests look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullRequestStyle {
    /// The template of the title, where it is not the default one.
    pub title: Option<Template>,
    /// The template of the body, where it is not the default one.
    pub body: Option<Template>,
    /// The labels that it gets.
    pub labels: Vec<String>,
    /// Whether it is opened as a draft.
    pub draft: bool,
    /// What the names of head branches begin with.
    pub branch_prefix: String,
    /// Whether it may be merged although its head commit has no check at all.
    pub allow_no_checks: bool,
    /// Whether compare links and release notes are looked up for its body.
    pub release_notes: bool,
    /// When its branch is made anew on a base that moved.
    pub rebase: Rebase,
    /// Whether the forge may be told to merge it by itself once the checks that its base requires have passed.
    pub native_auto_merge: bool,
}

/// What the names of head branches begin with where nothing else is configured.
pub const USUAL_PREFIX: &str = "tagboat/";

/// When a head branch is made anew on a base that moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rebase {
    /// When the same file changed on the base.
    Conflict,
    /// Then, and when the base must be up to date for the merge that is due.
    #[default]
    Needed,
    /// Whenever the base moved.
    Always,
}

impl PullRequestStyle {
    /// Returns the head branch of a group in an environment.
    pub fn head_of(&self, environment: &EnvironmentName, group: &str) -> BranchName {
        BranchName::from(format!("{}{environment}/{group}", self.branch_prefix).as_str())
    }
}

impl Default for PullRequestStyle {
    fn default() -> Self {
        Self {
            title: None,
            body: None,
            labels: Vec::new(),
            draft: false,
            branch_prefix: USUAL_PREFIX.to_owned(),
            allow_no_checks: false,
            release_notes: true,
            rebase: Rebase::default(),
            native_auto_merge: false,
        }
    }
}

/// A pull request's number on its forge; on plain Git, where there is none, 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Number(pub u64);

/// What became of a pull request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It stands.
    Open,
    /// It is on the base branch.
    Merged,
    /// It was closed without being merged.
    Closed,
}

/// What Tagboat writes into the body of its pull requests for itself, hidden from readers.
///
/// A body is written by everybody who may edit it, so a marker is believed only together with the commits of the
/// head branch, except where believing it means doing less.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marker {
    /// The hash of the change's content, as in the trailer `Tagboat-Key`.
    pub key: String,
    /// The environment.
    pub environment: EnvironmentName,
    /// The group.
    pub group: String,
    /// Whether Tagboat closed it by itself: then its key was refused by nobody.
    pub withdrawn: bool,
    /// Whether it is still being opened: labels are to be set, or reviews to be asked for.
    pub unfinished: bool,
    /// Whether it was said on it that it is left alone, since somebody else has it in hand.
    pub left: bool,
    /// The base branch into which Tagboat has opened it; `None` where there is no room for its name.
    pub base: Option<BranchName>,
    /// The base branch of the run that has opened it, where that is another one, since its environment lives on a branch of its own;
    /// `None` where there is no room for its name.
    pub home: Option<BranchName>,
    /// What its head says of its gates, in short, where that is not what its body tells.
    pub said: Option<String>,
    /// Whether the forge was told to merge it by itself, where the forge itself does not list that.
    pub armed: Armed,
    /// How it was put into a merge queue, where it is in one, or was thrown out of it.
    pub queued: Option<Queued>,
    /// What it proposes, in few words.
    pub what: Option<String>,
    /// What it proposed before that.
    pub instead: Option<String>,
    /// The versions that it brings, where there is room for them.
    pub brought: Brought,
    /// What it was for until it was turned into this.
    pub was: Option<Was>,
}

/// What a pull request was for before it was turned into something else: who closes it in that moment refuses this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Was {
    /// The hash of the content.
    pub key: String,
    /// The head commit that brought it: a forge keeps the one at which a pull request was closed.
    pub commit: CommitId,
    /// The versions that it brought, where there is room for them.
    pub brought: Brought,
}

/// What stood where when a pull request was put into a merge queue: what the queue throws out is not put there again while that is so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queued {
    /// Its head commit.
    pub commit: CommitId,
    /// The newest commit of the base.
    pub base: CommitId,
    /// When it had left the queue last, in the forge's words.
    pub left: Option<String>,
}

/// Whether a forge was told to merge by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Armed {
    /// It was not.
    #[default]
    No,
    /// It is being told: whether it has heard is not known.
    Perhaps,
    /// It was.
    Yes,
}

/// A pull request as a listing of the forge tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullRequest {
    /// Its number.
    pub number: Number,
    /// Its address for people.
    pub url: String,
    /// What became of it.
    pub state: State,
    /// The head branch, in the same repository; pull requests from forks are never listed.
    pub head: BranchName,
    /// The head commit.
    pub commit: CommitId,
    /// The base branch.
    pub base: BranchName,
    /// Its title.
    pub title: String,
    /// Its body.
    pub body: String,
    /// The marker in its body, where one can be read.
    pub marker: Option<Marker>,
    /// Its labels.
    pub labels: BTreeSet<String>,
    /// Whether it is a draft.
    pub is_draft: bool,
    /// Whether the forge merges it by itself once what its base requires is there.
    pub is_armed: bool,
    /// What the trailers of its head commit tell, where somebody has looked; no forge does.
    pub told: Option<Told>,
}

/// What one listing tells of the pull requests of a repository.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Every open one, and those of the others that changed last.
    pub pull_requests: Vec<PullRequest>,
    /// Whether that is every one that there ever was.
    pub is_whole: bool,
}

impl PullRequest {
    /// Returns it as it stands once the forge has been told not to merge it by itself.
    #[must_use]
    pub fn disarmed(&self) -> Self {
        let mut now = Self { is_armed: false, ..self.clone() };
        let is_told = |read: &Marker| read.armed != Armed::No || read.queued.is_some();
        if let Some(read) = now.marker.as_mut().filter(|read| is_told(read)) {
            (read.armed, read.queued) = (Armed::No, None);
            now.body = marker::replace(&now.body, read);
        }
        now
    }

    /// Whether it stands for a group in an environment: by the name that its branch has now, or had under an earlier prefix.
    pub fn is_of(&self, environment: &EnvironmentName, group: &str, style: &PullRequestStyle) -> bool {
        let says = |marker: &Marker| marker.environment == *environment && marker.group == group;
        self.head == style.head_of(environment, group)
            || (self.head.as_str().ends_with(&format!("{environment}/{group}"))
                && self.marker.as_ref().is_some_and(says))
    }

    /// Returns the base branch that it was opened into, where somebody has pointed it at another one since.
    pub fn opened_into(&self) -> Option<&BranchName> {
        self.marker.as_ref()?.base.as_ref().filter(|base| **base != self.base)
    }

    /// Returns how it was put into a merge queue at the head that it has.
    pub fn put(&self) -> Option<&Queued> {
        self.marker.as_ref()?.queued.as_ref().filter(|queued| queued.commit == self.commit)
    }

    /// Whether the forge merges it by itself for certain.
    pub fn is_surely_armed(&self) -> bool {
        self.is_armed && self.marker.as_ref().is_none_or(|marker| marker.armed != Armed::Perhaps)
    }
}

/// The label by which a person keeps Tagboat from merging or changing a pull request.
pub const LABEL_HOLD: &str = "tagboat/hold";
/// The label by which a person asks for what was refused or failed to be tried again.
pub const LABEL_RETRY: &str = "tagboat/retry";
/// The label by which a person asks for the head branch to be made anew on the base.
pub const LABEL_REBASE: &str = "tagboat/rebase";

/// Returns a label as Tagboat calls it: people write its commands in whatever case, and GitHub knows but one spelling of a name.
pub fn as_called(label: &str) -> String {
    let is_it = |known: &&str| known.eq_ignore_ascii_case(label);
    [LABEL_HOLD, LABEL_RETRY, LABEL_REBASE].into_iter().find(is_it).unwrap_or(label).to_owned()
}

/// A pull request to be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPullRequest {
    /// The head branch, which holds the commit already.
    pub head: BranchName,
    /// The base branch.
    pub base: BranchName,
    /// Its title, one line.
    pub title: String,
    /// Its body in the forge's Markdown, within its limit.
    pub body: String,
    /// The labels that it gets.
    pub labels: Vec<String>,
    /// Whether it is opened as a draft.
    pub is_draft: bool,
    /// Who is asked to review: users, and teams as `organisation/team`.
    pub reviewers: Vec<String>,
}

/// What a check or commit status says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CheckState {
    /// It succeeded, was skipped, or is neutral.
    Passed,
    /// It runs or waits.
    Pending,
    /// It failed, was cancelled, timed out, is stale, or wants somebody to act.
    Failed,
}

/// One check or commit status of a commit, the newest of its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Its name or context.
    pub name: String,
    /// What it says.
    pub state: CheckState,
    /// The forge's own word for it, `cancelled` or `timed_out`, for messages.
    pub word: String,
    /// The line that it says, of a commit status.
    pub text: String,
    /// Whether it is a check run, which is no commit status, where the forge tells the two apart.
    pub is_run: bool,
    /// When it came to that, where the forge tells.
    pub time: Option<Timestamp>,
}

impl Check {
    /// Returns the gate that speaks by it. Only the commit statuses of gates are Tagboat's: others may have checks whose names begin alike.
    pub fn gate(&self) -> Option<GateName> {
        GateName::of_context(&self.name).filter(|_| !self.is_run)
    }
}

/// Everything beside the gates that decides whether a pull request may be merged, at one head commit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Readiness {
    /// The checks and statuses of the head commit, from every page of both listings.
    pub checks: Vec<Check>,
    /// The names of checks that the base branch requires.
    pub required: BTreeSet<String>,
    /// How many people approve the head commit.
    pub approvals: u32,
    /// Who asks for changes.
    pub changes_requested: Vec<String>,
    /// Why the forge says that it cannot be merged now: conflicts, behind the base, missing approvals; in words.
    pub blocked: Option<String>,
    /// Where it stands with the merge queue of its base; `None` where that has none.
    pub queue: Option<Queue>,
    /// Whether it is held up because its head is behind a base that wants it up to date.
    pub is_behind: bool,
    /// Whether the base wants what is merged into it to stand on its newest commit; `None` where that is not told.
    pub wants_tip: Option<bool>,
    /// Whether [`Readiness::blocked`] says no more than that checks which the base requires are not done.
    pub is_blocked_by_checks: bool,
    /// The labels that it has by now, told after everything else: a person may have set one since it was listed.
    pub labels: BTreeSet<String>,
    /// The forge's own word for how it stands, where it has one. By itself it decides nothing: where it changes the forge may answer otherwise.
    pub word: Option<String>,
}

/// Where a pull request stands with the merge queue of its base.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Queue {
    /// Whether it is in the queue.
    pub is_in: bool,
    /// How it left the queue last, where it ever has.
    pub left: Option<Left>,
    /// Whether the forge tells of those that are in it alone: what was there before and what never was look alike.
    pub is_mute: bool,
}

/// How a pull request left a merge queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// When, in the forge's words; empty where it does not say.
    pub at: String,
    /// Why, in the forge's words.
    pub why: String,
}

/// What was told of one pull request by a question about many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glance {
    /// What was told.
    pub readiness: Readiness,
    /// Whether all of it was; else what the base branch asks for is not known, and the rest is.
    pub is_whole: bool,
}

/// How many people approve a pull request, at one head commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approvals {
    /// The head commit; `None` where no pull request stands.
    pub head: Option<CommitId>,
    /// How many approve that commit.
    pub count: u32,
}

/// What became of an order to merge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Merge {
    /// It is on the base branch, by this commit.
    Merged(CommitId),
    /// It is in the merge queue, or the forge merges it once its checks have passed.
    Enqueued,
    /// Not yet, and nothing was ordered, or it is being done; why, in words. The next pass asks again.
    NotReady(String),
    /// The forge has denied the order, in these words: so it may do while nothing changes that decides.
    Denied(String),
}

/// A release of a source repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// The tag in the source repository.
    pub tag: String,
    /// What its author wrote about it, in the forge's Markdown.
    pub text: String,
}

/// A repository on some forge, as an image's label names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Source {
    /// The host, with its port where one is named.
    pub host: String,
    /// The path there, without slashes at its ends.
    pub path: String,
}

/// The software of a forge, which decides how its pages are addressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForgeKind {
    /// GitHub.
    GitHub,
    /// GitLab.
    GitLab,
    /// Gitea or Forgejo.
    Gitea,
    /// None: Git alone, which has no pages.
    Plain,
}

/// Something that a credential may not do, and that Tagboat needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lack {
    /// The permission in the forge's own words: `pull_requests: write`.
    pub permission: String,
    /// What is not possible without it.
    pub needed_to: String,
    /// Whether the forge says so.
    pub certainty: Certainty,
    /// What to do where it can be granted to no credential of this kind.
    pub instead: Option<&'static str>,
}

/// How sure it is that a credential lacks something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certainty {
    /// The forge says so.
    Missing,
    /// It cannot be told without changing something.
    Untold,
}

/// What a repository's configuration asks of the forge's credential, beside reading.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Demands {
    /// Whether pull requests are made.
    pub opens: bool,
    /// The branches that commits are pushed to.
    pub pushed: BTreeSet<BranchName>,
    /// The branches that pull requests are merged into.
    pub merged: BTreeSet<BranchName>,
    /// Whether checks are waited for.
    pub checks: bool,
    /// Whether references below `.github/workflows/` are followed.
    pub workflows: bool,
    /// The teams that are asked to review, each as `owner/team`.
    pub teams: BTreeSet<String>,
    /// Whether deployments are recorded.
    pub deployments: bool,
}

/// A commit status to be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Its context, `tagboat/soak`.
    pub context: String,
    /// What it says.
    pub state: CheckState,
    /// One line, at most 140 characters.
    pub text: String,
}

/// A head branch as Git tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeadBranch {
    /// Its name.
    pub name: BranchName,
    /// Its tip.
    pub tip: CommitId,
    /// The key in the trailers of its tip.
    pub key: Option<String>,
    /// The images in the trailers of its tip.
    pub images: BTreeSet<String>,
    /// The files that its tip changes; of what an environment left that is no more and somebody else has pushed to, all that it changes.
    pub files: BTreeSet<RepoPath>,
    /// What the trailers of its tip tell, whoever wrote it.
    pub told: Told,
    /// What the commits of a branch tell that brings nothing any more, since somebody has taken it back there.
    pub undone: Vec<Told>,
    /// Whether every commit beyond the base is Tagboat's own; otherwise somebody else has pushed to it.
    pub is_own: bool,
    /// Whether any commit beyond the base says that Tagboat made it, whoever has pushed there or changed it since.
    pub has_own: bool,
    /// What those commits tell.
    pub made: Vec<Told>,
    /// Whether a person ordered what it brings, by `rollback` or `promote`, and it is not on the base yet.
    pub is_order: bool,
    /// Whether it goes back by itself from what failed, and that is not on the base yet.
    pub is_return: bool,
    /// Whether what it goes back from is not what its files hold on the base now: somebody has moved on, or changed something else there.
    pub is_overtaken: bool,
    /// Whether the files that it changes are still what they were when it was made.
    pub is_fresh: bool,
    /// Whether it stands on the newest commit of the base.
    pub is_on_tip: bool,
}
