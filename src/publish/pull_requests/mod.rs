//! What becomes of pull requests: what is desired against what stands. Pure.
//!
//! Entry point: [`plan`]. Knows nothing of how a forge is asked. On plain Git a head branch stands for the pull request.

pub mod apply;
mod bound;
pub mod course;
mod displaced;
mod forwarding;
mod given;
pub mod heads;
pub mod leftovers;
mod merging;
pub mod readiness;
pub mod statuses;
pub mod told;

use std::collections::{BTreeMap, BTreeSet};

use crate::model::brought::Brought;
use crate::model::change::{Change, ChangeSet};
use crate::model::commit::{CommitId, CommitStyle, TRAILER_IMAGE};
use crate::model::environment::{BranchName, Environment, EnvironmentName, Publish};
use crate::model::file::RepoPath;
use crate::model::gate::{Closing, GateState};
use crate::model::hold::Hold;
use crate::model::proposal::{Action, Proposal};
use crate::model::pull_request::{HeadBranch, Number, PullRequest, PullRequestStyle, Rebase, State, Status};
use crate::model::refusal::Wish;
use crate::publish::body::{self, Writing};
use crate::publish::held::is_head;
use crate::publish::making::is_aside;
use crate::publish::plan::PlannedCommit;
use crate::publish::wording;

use self::leftovers::leftovers;

/// A pull request that should stand.
#[derive(Debug, Clone)]
pub struct Desired {
    /// The position of its proposal among those of the pass.
    pub proposal: usize,
    /// The environment.
    pub environment: EnvironmentName,
    /// The group.
    pub group: String,
    /// How it is published.
    pub publish: Publish,
    /// The hash of its content.
    pub key: String,
    /// The versions that it brings; empty of what was ordered.
    pub brought: Brought,
    /// Its head branch.
    pub head: BranchName,
    /// Its commit, on top of the base.
    pub commit: PlannedCommit,
    /// Its title.
    pub title: String,
    /// Its body.
    pub body: String,
    /// Whether every gate passes.
    pub gates_pass: bool,
    /// Who is asked to review.
    pub reviewers: Vec<String>,
    /// Whether it is opened as a draft.
    pub is_draft: bool,
    /// Whether a person ordered it: then it takes the place of whatever stands.
    pub is_order: bool,
    /// What the gates say, as commit statuses.
    pub statuses: Vec<Status>,
    /// Whether gates that have passed stay passed.
    pub is_settled: bool,
    /// How many pull requests of its environment may be open, where that is bounded.
    pub max_open: Option<u64>,
    /// When its branch is made anew on a base that moved.
    pub rebase: Rebase,
    /// How many people must approve its head commit.
    pub approvals: u32,
    /// What says that it may come.
    pub rests_on: RestsOn,
    /// What is told of it where its head is made anew, beside what that comes to.
    pub told: Option<String>,
}

/// The files of environments before in which the images of a proposal stand: they say that it may come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RestsOn {
    /// Those on the branch that it goes to.
    pub here: BTreeSet<RepoPath>,
    /// Those on others, by branch.
    pub beside: BTreeMap<BranchName, BTreeSet<RepoPath>>,
}

/// What is said on a pull request whose labels ask for what is not done.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Which.
    pub pull_request: PullRequest,
    /// The environment.
    pub environment: EnvironmentName,
    /// The group.
    pub group: String,
    /// Why it is not done.
    pub why: String,
    /// The command that does it instead, where there is one.
    pub command: Option<String>,
}

impl Answer {
    /// Says it where the pass is told of.
    fn words(&self) -> String {
        unfit(&self.why, self.command.as_deref())
    }
}

/// Says why something is not made anew, and what to do.
pub fn unfit(why: &str, command: Option<&str>) -> String {
    match command {
        Some(command) => format!("{why}; to order it again: `{command}`"),
        None => why.to_owned(),
    }
}

/// What stands on the remote and on the forge.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    /// The branch that pull requests are made to.
    pub base: Option<BranchName>,
    /// The base branch of the run: an environment may live on another one.
    pub home: Option<BranchName>,
    /// The head branches whose names begin with the prefix, and former ones.
    pub heads: Vec<HeadBranch>,
    /// The pull requests; `None` on plain Git, where there are none. Those that are open are of the base branch; those that are
    /// not may have been made from any branch to any other.
    pub pull_requests: Option<Vec<PullRequest>>,
    /// Open ones of environments on the base branch that are made to another one, where those environments were before; and those of which
    /// their head branch alone says so, since somebody has written over their body.
    pub displaced: Vec<PullRequest>,
    /// Open ones to another branch that runs on another base make; their head branches are none of `heads`.
    pub theirs: Vec<PullRequest>,
    /// What the gates say now that are judged of what was ordered and a person merges, by its head branch; `None` where the branch
    /// is not known to bring what was ordered, byte for byte.
    pub said: BTreeMap<BranchName, Option<Vec<Status>>>,
    /// What is said about what labels ask for in vain.
    pub answers: Vec<Answer>,
    /// Head branches whose names begin otherwise, as they did under an earlier prefix, with what each is for.
    pub former: BTreeMap<BranchName, (EnvironmentName, String)>,
    /// Those of them that somebody has pushed to, and whose files do not configure their names: any branch may be called so.
    pub unproved: BTreeSet<BranchName>,
    /// Head branches that an environment left that is configured no more, with the environments that have the files of each now.
    pub orphans: BTreeMap<BranchName, BTreeSet<EnvironmentName>>,
    /// Which version that a head branch brings is held now, was taken back or failed, as `image:tag`, and who or what says so.
    pub held: BTreeMap<BranchName, (String, HeldBy)>,
    /// What would be committed, and is left for what a person has in hand.
    pub kept_back: Vec<(EnvironmentName, Brought)>,
}

/// What keeps a version back that a head branch brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeldBy {
    /// An entry in a file of holds.
    Hold(Hold, HeldIn),
    /// Somebody took it back where it ran: in words that name the environment, who and when.
    TakenBack(String),
    /// It failed where it runs: in words that name the environment and what failed.
    Failed(String),
}

/// Where a hold stands, which says how it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeldIn {
    /// On the base.
    Base,
    /// On a head branch that proposes it.
    Proposed(BranchName),
    /// On a head branch on which something goes back and holds what it leaves.
    GoingBack(BranchName),
    /// In another repository, or proposed there.
    Elsewhere,
}

impl Standing {
    /// Returns what a head branch is for: by its name, or by what it was under an earlier prefix. Those of proposed holds are for no
    /// environment, also where an earlier prefix lies below this one.
    pub fn place_of(&self, head: &BranchName, prefix: &str) -> Option<(EnvironmentName, String)> {
        if is_head(head) {
            return None;
        }
        let placed = head.as_str().strip_prefix(prefix).and_then(|rest| rest.split_once('/'));
        let placed = placed.map(|(environment, group)| (EnvironmentName::from(environment), group.to_owned()));
        self.former.get(head).cloned().or(placed)
    }
}

/// One thing to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Makes the commit on top of the base and moves the head branch to it, if it still stands where it was seen.
    Push {
        /// The head branch.
        head: BranchName,
        /// Where it stood; `None` where there was none.
        expected: Option<CommitId>,
        /// The commit.
        commit: Box<PlannedCommit>,
    },
    /// Sets what the gates say as commit statuses, where they say something else now.
    SetStatuses {
        /// The head commit; `None` for the one that was pushed just before.
        commit: Option<CommitId>,
        /// The statuses.
        statuses: Vec<Status>,
    },
    /// Sets the statuses of some gates, and leaves the others as they are.
    Say {
        /// The head commit.
        commit: CommitId,
        /// The statuses.
        statuses: Vec<Status>,
    },
    /// Takes back what gates have said to have passed that may have turned since, for nobody asks them now.
    TakeBack {
        /// The head commit.
        commit: CommitId,
        /// Why nobody asks them.
        why: &'static str,
    },
    /// Opens a pull request, unless one is found open after all.
    Open {
        /// The head branch.
        head: BranchName,
        /// The title.
        title: String,
        /// The body.
        body: String,
        /// Who is asked to review.
        reviewers: Vec<String>,
        /// What it brings: refused long ago, it is not opened again.
        wish: Box<Wish>,
        /// The head branch that brings it already, where there is one.
        kept: Option<Box<HeadBranch>>,
        /// The newest pull request that stood for it, of those that were listed: it speaks for all before it.
        newest: Option<Number>,
    },
    /// Sets the labels and asks for the reviews of one whose opening was cut short.
    Finish {
        /// Which.
        pull_request: Box<PullRequest>,
        /// Who is asked to review.
        reviewers: Vec<String>,
    },
    /// Replaces title and body.
    Rewrite {
        /// Which.
        pull_request: Box<PullRequest>,
        /// The title.
        title: String,
        /// The body.
        body: String,
    },
    /// Takes a label off that has been heeded.
    RemoveLabel {
        /// Which.
        pull_request: Box<PullRequest>,
        /// The label.
        label: &'static str,
    },
    /// Closes it, and says why.
    Close {
        /// Which.
        pull_request: Box<PullRequest>,
        /// The body, whose marker says that Tagboat closed it.
        body: String,
        /// Why.
        comment: String,
    },
    /// Comments, and notes in the body that this was said.
    Tell {
        /// Which.
        pull_request: Box<PullRequest>,
        /// The body, whose marker says that it was said.
        body: String,
        /// What.
        comment: String,
    },
    /// Comments, and takes off the labels that asked for what is not done: so it is said once.
    Answer {
        /// Which.
        pull_request: Box<PullRequest>,
        /// What.
        comment: String,
    },
    /// Removes a head branch, if it still stands where it was seen.
    Delete {
        /// The head branch.
        head: BranchName,
        /// Where it stood.
        expected: CommitId,
    },
    /// Merges it, if the head is still the commit that was judged and everything is ready.
    Merge {
        /// Which; `None` on plain Git, where the base is moved to the head.
        pull_request: Option<Box<PullRequest>>,
        /// The head branch.
        head: BranchName,
        /// The commit.
        commit: CommitId,
        /// The commit made anew, should the base have moved on; for plain Git.
        again: Box<PlannedCommit>,
        /// What the gates say, as commit statuses.
        statuses: Vec<Status>,
        /// Whether the gates stay passed, so that the forge may merge it later by itself.
        is_settled: bool,
        /// How many people must approve that very commit.
        approvals: u32,
        /// The files of environments before that it was planned by: where one has changed it is not merged.
        rests_on: RestsOn,
    },
    /// Takes back that the forge merges it by itself.
    Disarm {
        /// Which.
        pull_request: Box<PullRequest>,
    },
}

/// What is to be done about one proposal, or about what nobody wants any more.
#[derive(Debug, Clone, PartialEq)]
pub struct Course {
    /// The position of the proposal; `None` for leftovers.
    pub proposal: Option<usize>,
    /// The environment.
    pub environment: EnvironmentName,
    /// The group.
    pub group: String,
    /// The head branch.
    pub head: BranchName,
    /// The address of the pull request, where one is open.
    pub url: Option<String>,
    /// What it comes to.
    pub action: Action,
    /// Why, where that is not plain.
    pub reason: Option<String>,
    /// What to do, in order.
    pub steps: Vec<Step>,
    /// The head branches that take its place, where that is why it goes: it stays until each of them stands.
    pub instead: Vec<BranchName>,
}

impl Course {
    /// Adds to why.
    fn add(&mut self, reason: &str) {
        self.reason =
            Some(self.reason.take().map_or_else(|| reason.to_owned(), |before| format!("{before}; {reason}")));
    }
}

/// Turns a proposal with its changes into the pull request that should stand for it. `notes` are compare links and release notes,
/// made safe already.
pub fn desired(
    (index, proposal): (usize, &Proposal),
    changes: &ChangeSet,
    styles: (&CommitStyle, &PullRequestStyle),
    environment: Option<&Environment>,
    (limit, notes): (usize, &str),
) -> Desired {
    let (files, changes) = (changes.files.clone(), changes.changes.as_slice());
    let mut commit = crate::publish::plan::commit(&proposal.environment, changes, files, styles.0);
    commit.closes = Closing::first(&proposal.gates);
    let key = commit.key.clone();
    let (named, usual) = (body::files(changes), body::title(proposal));
    let writing = Writing { key: &key, template: styles.1.body.as_ref(), environment, notes, limit, is_order: false };
    Desired {
        proposal: index,
        environment: proposal.environment.clone(),
        group: proposal.group.clone(),
        publish: proposal.publish,
        head: styles.1.head_of(&proposal.environment, &proposal.group),
        title: wording::title(styles.1.title.as_ref(), proposal, &named, &usual),
        body: body::body(proposal, changes, &writing),
        gates_pass: proposal.gates.iter().all(|gate| gate.state == GateState::Pass),
        reviewers: environment.map(|environment| environment.reviewers.clone()).unwrap_or_default(),
        is_draft: styles.1.draft,
        is_order: false,
        statuses: statuses::of_gates(&proposal.gates),
        is_settled: proposal.gates.iter().all(|gate| gate.name.stays_passed()),
        max_open: environment.and_then(|environment| environment.max_open),
        rebase: styles.1.rebase,
        approvals: 0,
        rests_on: RestsOn::default(),
        brought: Brought::of(changes.iter().map(|change| (&change.image, &change.to))),
        told: None,
        key,
        commit,
    }
}

/// Turns what goes back by itself into the pull request that should stand for it. A person may refuse it as any other.
pub fn returned(
    (index, proposal): (usize, &Proposal),
    changes: &[Change],
    commit: PlannedCommit,
    style: &PullRequestStyle,
    limit: usize,
    environment: Option<&Environment>,
) -> Desired {
    let words = (commit.plan.message.as_str(), commit.key.as_str());
    let body = body::returned(proposal, changes, words, environment, limit);
    let brought = Brought::back(changes.iter().map(|change| (&change.image, &change.from, &change.to)));
    let ordered = ordered(proposal, changes, commit, style, limit, environment);
    Desired { proposal: index, body, brought, is_order: false, ..ordered }
}

/// Turns what a person ordered into the pull request that should stand for it.
pub fn ordered(
    proposal: &Proposal,
    changes: &[Change],
    commit: PlannedCommit,
    style: &PullRequestStyle,
    limit: usize,
    environment: Option<&Environment>,
) -> Desired {
    let title = body::short(commit.plan.message.lines().next().unwrap_or_default());
    let commit = PlannedCommit { closes: Closing::first(&proposal.gates), ..commit };
    let key = commit.key.clone();
    Desired {
        proposal: 0,
        environment: proposal.environment.clone(),
        group: proposal.group.clone(),
        publish: proposal.publish,
        head: style.head_of(&proposal.environment, &proposal.group),
        title,
        body: body::ordered(proposal, changes, (&commit.plan.message, &key), environment, limit),
        gates_pass: true,
        reviewers: environment.map(|environment| environment.reviewers.clone()).unwrap_or_default(),
        is_draft: style.draft,
        is_order: true,
        statuses: statuses::of_order(&proposal.gates, environment, &commit.plan.message),
        is_settled: true,
        max_open: None,
        rebase: style.rebase,
        approvals: 0,
        rests_on: RestsOn::default(),
        brought: Brought::default(),
        told: None,
        key,
        commit,
    }
}

/// What is not fully known in this pass: what stands for it stays as it is, whether or not somebody still wants it.
#[derive(Debug, Default)]
pub struct Unsure {
    /// Groups of which an image could not be decided, or whose proposal waits or failed.
    pub groups: BTreeSet<(EnvironmentName, String)>,
    /// Environments with gates that may turn after they have passed; none where only a part of all images was looked at.
    pub turning: BTreeSet<EnvironmentName>,
    /// Environments of which not every file could be understood.
    pub environments: BTreeSet<EnvironmentName>,
    /// The images of `groups`, and those that wait: whatever their group was called when something was proposed, it stays.
    pub images: BTreeSet<(EnvironmentName, String)>,
    /// Images whose lists lack what they had, with the versions that run there: any other one may have gone from the list alone.
    pub doubtful: BTreeMap<(EnvironmentName, String), BTreeSet<String>>,
    /// Groups of which what came is known not to fail now: a return that stands for it is no longer wanted.
    pub recovered: BTreeSet<(EnvironmentName, String)>,
}

impl Unsure {
    /// Whether not everything is known about an image that a head branch brings; of one that is gone, its pull request tells what it
    /// brought. `environments` are those that it is for now.
    fn is_about(
        &self,
        (head, open): (Option<&HeadBranch>, Option<&PullRequest>),
        environments: &BTreeSet<EnvironmentName>,
    ) -> bool {
        let said = open.and_then(|open| open.marker.as_ref()).map(|marker| &marker.brought);
        let (images, brought) = match (head, said) {
            (Some(head), _) => (head.images.clone(), Some(&head.told.brought)),
            (None, Some(said)) => (said.images().map(str::to_owned).collect(), Some(said)),
            (None, None) => return false,
        };
        let key = |image: &str, environment: &EnvironmentName| (environment.clone(), image.to_owned());
        let is_unknown = |image: &String| environments.iter().any(|one| self.images.contains(&key(image, one)));
        let is_doubtful = |image: &str, version: &str| {
            let mut known = environments.iter().filter_map(|one| self.doubtful.get(&key(image, one)));
            known.any(|running| !running.contains(version))
        };
        let mut pairs = brought.into_iter().flat_map(Brought::coming);
        images.iter().any(is_unknown) || pairs.any(|(image, version)| is_doubtful(image, version))
    }
}

/// Compares what is desired with what stands, and says what is to be done.
pub fn plan(desired: &[Desired], standing: &Standing, prefix: &str, unsure: &Unsure) -> Vec<Course> {
    let heads: BTreeMap<&BranchName, &HeadBranch> = standing.heads.iter().map(|head| (&head.name, head)).collect();
    let into = |wanted: &Desired| {
        let mut open = standing.pull_requests.iter().flatten().filter(|one| one.state == State::Open);
        let is_draft = open.find(|one| one.head == wanted.head).map_or(wanted.is_draft, |open| open.is_draft);
        let body = body::into_base(&wanted.body, standing.base.as_ref(), standing.home.as_ref());
        Desired { body: if is_draft { body::of_draft(&body) } else { body }, ..wanted.clone() }
    };
    let desired: &[Desired] = &desired.iter().map(into).collect::<Vec<_>>();
    let mut courses: Vec<Course> =
        desired.iter().map(|wanted| course::course(wanted, heads.get(&wanted.head).copied(), standing)).collect();
    bound::bound((desired, &mut courses), standing, &heads, (prefix, unsure));
    displaced::close((desired, &mut courses), standing, &heads, (prefix, unsure));
    let leftovers = leftovers((desired, &courses), standing, &heads, prefix, unsure);
    // What a pass that was killed left where commits are made goes first: the same place may be wanted again.
    let (aside, others): (Vec<Course>, Vec<Course>) =
        leftovers.into_iter().partition(|course| is_aside(&course.head, prefix));
    let mut all: Vec<Course> = aside.into_iter().map(|course| Course { instead: Vec::new(), ..course }).collect();
    all.append(&mut courses);
    all.extend(others);
    all.extend(standing.answers.iter().map(course::answered));
    all
}

/// Returns the images that the trailers of a commit name.
pub fn images(message: &str) -> BTreeSet<String> {
    let named = message.lines().filter_map(|line| line.strip_prefix(TRAILER_IMAGE)?.strip_prefix(": "));
    named.filter_map(|named| named.split(' ').next()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests;
