//! What becomes of pull requests: what is desired against what stands. Pure.
//!
//! Entry point: [`plan`]. Knows nothing of how a forge is asked. On plain Git a head branch stands for the pull request.

pub mod apply;
pub mod heads;
mod leftovers;
mod merging;
pub mod readiness;

use std::collections::{BTreeMap, BTreeSet};

use crate::model::change::{Change, ChangeSet};
use crate::model::commit::{CommitId, CommitStyle, TRAILER_IMAGE};
use crate::model::environment::{BranchName, Environment, EnvironmentName, Publish};
use crate::model::gate::{Gate, GateName, GateState};
use crate::model::marker;
use crate::model::proposal::{Action, Proposal};
use crate::model::pull_request::{
    CheckState, HeadBranch, LABEL_HOLD, LABEL_REBASE, LABEL_RETRY, Marker, PullRequest, PullRequestStyle, Rebase,
    STATUS_PREFIX, State, Status, Was,
};
use crate::publish::body::{self, Writing};
use crate::publish::making::is_aside;
use crate::publish::plan::PlannedCommit;
use crate::publish::wording;

use self::leftovers::{leftovers, withdraw};

/// The most characters of a status that are kept before the sign that some were cut; forges take 140 and fewer bytes.
const LONGEST_STATUS: usize = 120;

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
    /// Whether a person ordered it: then it takes the place of whatever stands.
    pub is_order: bool,
    /// What the gates say, as commit statuses.
    pub statuses: Vec<Status>,
    /// Whether gates that have passed stay passed: a window closes again, and what is asked elsewhere may turn.
    pub is_settled: bool,
    /// How many pull requests of its environment may be open, where that is bounded.
    pub max_open: Option<u64>,
    /// When its branch is made anew on a base that moved.
    pub rebase: Rebase,
    /// How many people must approve its head commit.
    pub approvals: u32,
}

/// What stands on the remote and on the forge.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    /// The head branches whose names begin with the prefix.
    pub heads: Vec<HeadBranch>,
    /// The pull requests; `None` on plain Git, where there are none.
    pub pull_requests: Option<Vec<PullRequest>>,
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
        /// The hash of its content: refused long ago, it is not opened again.
        key: String,
        /// The head commit that brings it already, where there is one.
        kept: Option<CommitId>,
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
    let commit = crate::publish::plan::commit(&proposal.environment, changes, files, styles.0);
    let key = commit.key.clone();
    let (named, usual) = (body::files(changes), body::title(proposal));
    let writing = Writing { key: &key, template: styles.1.body.as_ref(), environment, notes, limit };
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
        is_order: false,
        statuses: proposal.gates.iter().map(status).collect(),
        is_settled: proposal.gates.iter().all(|gate| matches!(gate.name, GateName::Soak | GateName::Manual)),
        max_open: environment.and_then(|environment| environment.max_open),
        rebase: styles.1.rebase,
        approvals: 0,
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
    let ordered = ordered(proposal, changes, commit, style, limit, environment);
    Desired { proposal: index, body, is_order: false, ..ordered }
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
        is_order: true,
        statuses: proposal.gates.iter().map(status).collect(),
        is_settled: true,
        max_open: None,
        rebase: style.rebase,
        approvals: 0,
        key,
        commit,
    }
}

/// Turns what a gate says into a commit status.
fn status(gate: &Gate) -> Status {
    let (state, reason) = match &gate.state {
        GateState::Pass => (CheckState::Passed, "passed"),
        GateState::Wait { reason, .. } => (CheckState::Pending, reason.as_str()),
        GateState::Fail { reason } => (CheckState::Failed, reason.as_str()),
    };
    let text: String = reason.chars().filter(|character| !character.is_control()).collect();
    let text = match text.char_indices().nth(LONGEST_STATUS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    };
    Status { context: format!("{STATUS_PREFIX}{}", gate.name), state, text }
}

/// What is not fully known in this pass: what stands for it stays as it is, whether or not somebody still wants it.
#[derive(Debug, Default)]
pub struct Unsure {
    /// Groups of which an image could not be decided, or whose proposal waits or failed.
    pub groups: BTreeSet<(EnvironmentName, String)>,
    /// Environments of which not every file could be understood.
    pub environments: BTreeSet<EnvironmentName>,
    /// Groups of which what came is known not to fail now: a return that stands for it is no longer wanted.
    pub recovered: BTreeSet<(EnvironmentName, String)>,
}

/// Compares what is desired with what stands, and says what is to be done.
pub fn plan(desired: &[Desired], standing: &Standing, prefix: &str, unsure: &Unsure) -> Vec<Course> {
    let heads: BTreeMap<&BranchName, &HeadBranch> = standing.heads.iter().map(|head| (&head.name, head)).collect();
    let mut courses: Vec<Course> =
        desired.iter().map(|wanted| course(wanted, heads.get(&wanted.head).copied(), standing)).collect();
    bound(desired, &heads, standing, &mut courses);
    let leftovers = leftovers((desired, &courses), standing, &heads, prefix, unsure);
    // What a pass that was killed left where commits are made goes first: the same place may be wanted again.
    let (aside, others) = leftovers.into_iter().partition(|course| is_aside(&course.head, prefix));
    let mut all: Vec<Course> = aside;
    all.append(&mut courses);
    all.extend::<Vec<Course>>(others);
    all
}

/// Returns the images that the trailers of a commit name.
pub(super) fn images(message: &str) -> BTreeSet<String> {
    let named = message.lines().filter_map(|line| line.strip_prefix(TRAILER_IMAGE)?.strip_prefix(": "));
    named.filter_map(|named| named.split(' ').next()).map(str::to_owned).collect()
}

/// Lets those wait that would make more pull requests stand in an environment than may be open there.
fn bound(desired: &[Desired], heads: &BTreeMap<&BranchName, &HeadBranch>, standing: &Standing, courses: &mut [Course]) {
    let stands = |head: &BranchName| match &standing.pull_requests {
        Some(all) => all.iter().any(|one| one.state == State::Open && one.head == *head),
        None => heads.contains_key(head),
    };
    let mut open: BTreeMap<&EnvironmentName, u64> = BTreeMap::new();
    for wanted in desired.iter().filter(|wanted| stands(&wanted.head)) {
        *open.entry(&wanted.environment).or_default() += 1;
    }
    for (wanted, course) in desired.iter().zip(courses) {
        let Some(most) = wanted.max_open.filter(|_| !stands(&wanted.head) && !course.steps.is_empty()) else {
            continue;
        };
        let open = open.entry(&wanted.environment).or_default();
        if *open < most {
            *open += 1;
            continue;
        }
        course.steps.clear();
        course.action = Action::Waiting;
        course.reason =
            Some(format!("{open} pull requests of {} are open, and `maxOpen` is {most}", wanted.environment));
    }
}

/// What is to be done about one that should stand.
fn course(wanted: &Desired, head: Option<&HeadBranch>, standing: &Standing) -> Course {
    let of_head = || {
        let all = standing.pull_requests.iter().flatten();
        all.filter(|pull_request| pull_request.head == wanted.head)
    };
    let open = of_head().find(|pull_request| pull_request.state == State::Open);
    let mut course = Course {
        proposal: Some(wanted.proposal),
        environment: wanted.environment.clone(),
        group: wanted.group.clone(),
        head: wanted.head.clone(),
        url: open.map(|open| open.url.clone()),
        action: Action::Unchanged,
        reason: None,
        steps: Vec::new(),
    };
    // Nobody but a pass that has judged everything anew lets the forge go on by itself.
    let stopped = open.map(PullRequest::disarmed);
    let mut leave = |reason: String| {
        course.action = Action::LeftAlone;
        course.reason = Some(reason);
        course.steps.extend(open.and_then(disarm));
    };
    if open.is_some_and(|open| open.labels.contains(LABEL_HOLD)) {
        leave(format!("it has the label `{LABEL_HOLD}`"));
        return course;
    }
    if let Some(head) = head.filter(|head| !head.is_own) {
        leave(format!("somebody else has pushed to {}: it is theirs now", head.name));
        course.steps.extend(stopped.as_ref().and_then(tell_left));
        return course;
    }
    if let Some(head) = head.filter(|head| head.is_order && !wanted.is_order) {
        leave(format!(
            "a person ordered what stands in {}: it stays until it is merged, or the branch removed",
            head.name
        ));
        return course;
    }
    // What is open under another key is for something that nobody wants any more: it must not turn into what was refused.
    let is_asked_for = |open: &PullRequest| open.marker.as_ref().is_some_and(|marker| marker.key == wanted.key);
    if !wanted.is_order
        && !open.is_some_and(is_asked_for)
        && let Some(refused) = refused(wanted, standing)
    {
        course.action = Action::LeftAlone;
        course.reason = Some(format!(
            "closed by a person: refused until something newer comes, or the label `{LABEL_RETRY}` is set"
        ));
        if let Some(open) = open
            && let Some(steps) = withdraw(Some(open), head, None)
        {
            course.steps = steps;
            course.action = Action::Closed;
        } else {
            course.url = Some(refused.url.clone());
            course.steps.extend(open.and_then(disarm));
        }
        return course;
    }
    let current = head.filter(|head| is_current(wanted, head, open));
    let mut open = open;
    if current.is_none() || !wanted.gates_pass || wanted.publish != Publish::AutoMerge {
        course.steps.extend(open.and_then(disarm));
        open = stopped.as_ref();
    }
    if current.is_none() {
        course.steps.push(Step::Push {
            head: wanted.head.clone(),
            expected: head.map(|head| head.tip.clone()),
            commit: Box::new(wanted.commit.clone()),
        });
        course.action = if head.is_some() { Action::Updated } else { Action::Opened };
    }
    if standing.pull_requests.is_some() {
        // Before the body, which says the same: while it is not rewritten, the next pass sees that something is left.
        let is_pushed = current.is_none();
        let is_said = open.is_some_and(|open| same_text(&open.body, &said(wanted, open, is_pushed)));
        // A head that stands may keep what gates have said which are gone by now.
        let has_statuses = !wanted.statuses.is_empty() || (!is_pushed && open.is_some());
        if has_statuses && (is_pushed || !is_said) {
            let commit = head.map(|head| head.tip.clone());
            course.steps.push(Step::SetStatuses { commit, statuses: wanted.statuses.clone() });
        }
        publish(wanted, (current, open), &mut course);
    }
    // What was pushed just now has no checks yet; the next pass looks again.
    if wanted.publish == Publish::AutoMerge
        && wanted.gates_pass
        && let Some(current) = current
    {
        if let Some(open) = open.filter(|open| open.commit != current.tip) {
            course.reason =
                Some(format!("{} has moved to {}: the next pass looks again", wanted.head, open.commit.short()));
        } else if standing.pull_requests.is_none() || open.is_some() {
            course.steps.push(Step::Merge {
                pull_request: open.cloned().map(Box::new),
                head: wanted.head.clone(),
                commit: current.tip.clone(),
                again: Box::new(wanted.commit.clone()),
                statuses: wanted.statuses.clone(),
                is_settled: wanted.is_settled,
                approvals: wanted.approvals,
            });
        }
    }
    course
}

/// Returns the pull request by which a person refused what is wanted.
pub fn refused<'a>(wanted: &Desired, standing: &'a Standing) -> Option<&'a PullRequest> {
    let head = standing.heads.iter().find(|head| head.name == wanted.head && head.key.as_deref() == Some(&wanted.key));
    let kept = head.map(|head| &head.tip);
    let mut of_head = standing.pull_requests.iter().flatten().filter(|one| one.head == wanted.head);
    let refused = of_head.find(|other| refuses(other, &wanted.key, kept));
    refused.filter(|refused| !refused.labels.contains(LABEL_RETRY))
}

/// Whether a pull request was closed by a person, and what it stood for has this key: by its body, or, where a pass was
/// killed before it wrote that, by the head commit that still brings it. Where it was closed before a pass turned it into
/// what the body says, it stood for what it was before.
pub(super) fn refuses(other: &PullRequest, key: &str, kept: Option<&CommitId>) -> bool {
    let was_it = |was: &Was| was.key == key && was.commit == other.commit;
    let is_it =
        |marker: &Marker| marker.key == key || kept == Some(&other.commit) || marker.was.as_ref().is_some_and(was_it);
    let says = |marker: &Marker| !marker.withdrawn && is_it(marker);
    other.state == State::Closed && other.marker.as_ref().is_some_and(says)
}

/// Whether a head brings what is wanted and is not to be made anew.
fn is_current(wanted: &Desired, head: &HeadBranch, open: Option<&PullRequest>) -> bool {
    let has = |label| open.is_some_and(|open| open.labels.contains(label));
    let is_placed = head.is_on_tip || wanted.rebase != Rebase::Always;
    head.key.as_deref() == Some(&wanted.key) && head.is_fresh && is_placed && !has(LABEL_REBASE) && !has(LABEL_RETRY)
}

/// Returns the head commit of the open pull request that stays as it is.
pub fn kept<'a>(wanted: &Desired, standing: &'a Standing) -> Option<&'a CommitId> {
    let pull_requests = standing.pull_requests.iter().flatten();
    let open = pull_requests.into_iter().find(|one| one.head == wanted.head && one.state == State::Open)?;
    let head = standing.heads.iter().find(|head| head.name == wanted.head)?;
    let stays = head.is_own && is_current(wanted, head, Some(open)) && head.tip == open.commit;
    stays.then_some(&head.tip)
}

/// Stops the forge where it was told to merge by itself.
fn disarm(open: &PullRequest) -> Option<Step> {
    open.is_armed.then(|| Step::Disarm { pull_request: Box::new(open.clone()) })
}

/// Says on a pull request that it is left alone, where that was not said yet. One whose marker a person took out says nothing: it
/// could not be known again that it did.
fn tell_left(open: &PullRequest) -> Option<Step> {
    let marker = open.marker.as_ref().filter(|marker| !marker.left)?;
    let body = marker::replace(&open.body, &Marker { left: true, ..marker.clone() });
    let comment = "Somebody else has pushed to this branch, so it is theirs: Tagboat neither changes nor merges this pull request any \
                   more. It is taken up again once its branch holds nothing but Tagboat's own commit.";
    Some(Step::Tell { pull_request: Box::new(open.clone()), body, comment: comment.to_owned() })
}

/// Brings the pull request itself to where it should be.
fn publish(wanted: &Desired, (head, open): (Option<&HeadBranch>, Option<&PullRequest>), course: &mut Course) {
    let Some(open) = open else {
        course.steps.push(Step::Open {
            head: wanted.head.clone(),
            title: wanted.title.clone(),
            body: wanted.body.clone(),
            reviewers: wanted.reviewers.clone(),
            key: wanted.key.clone(),
            kept: head.map(|head| head.tip.clone()),
        });
        course.action = Action::Opened;
        return;
    };
    if open.marker.as_ref().is_some_and(|marker| marker.unfinished) {
        course.steps.push(Step::Finish { pull_request: Box::new(open.clone()), reviewers: wanted.reviewers.clone() });
    }
    let body = said(wanted, open, head.is_none());
    if open.title != wanted.title || !same_text(&open.body, &body) {
        course.steps.push(Step::Rewrite { pull_request: Box::new(open.clone()), title: wanted.title.clone(), body });
        course.action = Action::Updated;
    }
    for label in [LABEL_REBASE, LABEL_RETRY] {
        if open.labels.contains(label) {
            course.steps.push(Step::RemoveLabel { pull_request: Box::new(open.clone()), label });
        }
    }
}

/// Returns the body that should stand on an open pull request: the desired one, and what was proposed there before. Where its
/// head is moved in this pass, what it was listed at is what a person may be closing at this moment.
fn said(wanted: &Desired, open: &PullRequest, is_pushed: bool) -> String {
    let turned = is_pushed.then_some(&open.commit);
    open.marker.as_ref().map_or_else(|| wanted.body.clone(), |before| body::instead_of(&wanted.body, before, turned))
}

/// Whether two bodies say the same: forges trim ends and turn line ends about.
fn same_text(one: &str, other: &str) -> bool {
    one.trim().lines().eq(other.trim().lines())
}

#[cfg(test)]
mod tests;
