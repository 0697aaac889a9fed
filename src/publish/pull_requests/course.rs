//! What is to be done about one pull request that should stand, against what stands of it.
//!
//! Entry points: `course`, [`refused`], [`kept`] and [`ordered`]. Pure.

use std::collections::BTreeSet;

use crate::model::commit::CommitId;
use crate::model::environment::{BranchName, EnvironmentName, Publish};
use crate::model::markdown::{code, plain};
use crate::model::marker;
use crate::model::proposal::Action;
use crate::model::pull_request::{
    HeadBranch, LABEL_HOLD, LABEL_REBASE, LABEL_RETRY, Marker, Number, PullRequest, Rebase, State, USUAL_PREFIX,
};
use crate::model::refusal::{Refusal, Wish, kept as kept_by, taken_over};
use crate::publish::body;
use crate::publish::pull_requests::leftovers::{UNMARKED, Why, withdraw};
use crate::publish::pull_requests::statuses::{is_unsaid, may_turn, not_asked_now, noted_unsaid, of_order_now};
use crate::publish::pull_requests::{Answer, Course, Desired, Standing, Step, images};

/// Why nobody asks the gates of what a person holds.
pub(super) const HELD: &str = "not asked while it has the label `tagboat/hold`";

/// The same of what a person has in hand under another name.
const IN_HAND: &str = "not asked while a person has the same in hand elsewhere";

/// What is to be done about one that should stand.
pub(super) fn course(wanted: &Desired, head: Option<&HeadBranch>, standing: &Standing) -> Course {
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
        instead: Vec::new(),
    };
    // Nobody but a pass that has judged everything anew lets the forge go on by itself.
    let stopped = open.map(PullRequest::disarmed);
    let mut leave = |reason: String| {
        course.action = Action::LeftAlone;
        course.reason = Some(reason);
        course.steps.extend(open.and_then(disarm));
    };
    if let Some(other) = standing.theirs.iter().find(|one| one.head == wanted.head) {
        leave(of_another_base(other));
        course.url = Some(other.url.clone());
        return course;
    }
    if open.is_some_and(|open| open.labels.contains(LABEL_HOLD)) {
        leave(format!("it has the label `{LABEL_HOLD}`"));
        if let Some(open) = open.filter(|_| may_turn(&wanted.statuses)) {
            course.steps.extend(not_asked_now(open, HELD));
        }
        return course;
    }
    if let Some(head) = head.filter(|head| !head.is_own && !is_undone(head, open)) {
        leave(format!("somebody else has pushed to {}: it is theirs now", head.name));
        course.steps.extend(stopped.as_ref().map(theirs).unwrap_or_default());
        return course;
    }
    if let Some(head) = head.filter(|head| head.is_order && !wanted.is_order) {
        let is_lacking = open.is_none() && standing.pull_requests.is_some();
        leave(if is_lacking { unopened(&head.name) } else { ordered(&head.name) });
        if let (Some(open), Some(said)) = (open, standing.said.get(&head.name)) {
            course.steps.extend(of_order_now(open, said.as_deref()));
        }
        return course;
    }
    // Under another name, as of a group that the image has joined since, it is the very thing that a person wants to stay as it is.
    let all = standing.pull_requests.iter().flatten().chain(&standing.displaced);
    let others = all.filter(|one| one.head != wanted.head);
    if let Some(why) = kept_elsewhere(wanted, others, standing).filter(|_| !wanted.is_order) {
        leave(why);
        if let Some(open) = open.filter(|_| may_turn(&wanted.statuses)) {
            course.steps.extend(not_asked_now(open, IN_HAND));
        }
        return course;
    }
    // What is open for something else that nobody wants any more must not turn into what was refused.
    if !wanted.is_order
        && !open.is_some_and(|open| wish(wanted).stands_in(open))
        && let Some(refused) = refused(wanted, standing)
    {
        course.action = Action::LeftAlone;
        course.reason = Some(refused.words());
        if let Some(open) = open
            && let Some(steps) = withdraw(Some(open), head, Why::alone(&wanted.head, standing))
        {
            course.steps = steps;
            course.action = Action::Closed;
        } else {
            course.url = refused.url().map(str::to_owned);
            course.steps.extend(open.and_then(disarm));
            // Nothing else would ever ask the gates of what stands there for a person to close.
            if let Some(open) = open.filter(|open| open.marker.is_none() && may_turn(&wanted.statuses)) {
                course.steps.extend(not_asked_now(open, UNMARKED));
            }
        }
        return course;
    }
    let current = head.filter(|head| is_current(wanted, head, open));
    let mut open = open;
    if current.is_none() || !wanted.gates_pass || wanted.publish != Publish::AutoMerge {
        let disarmed = open.and_then(disarm);
        if disarmed.is_some() && current.is_some() && wanted.publish != Publish::AutoMerge {
            course.reason = Some("a person merges it: the forge does not do so by itself any more".to_owned());
        }
        course.steps.extend(disarmed);
        open = stopped.as_ref();
    }
    let unsaid = open.and_then(|open| unsaid(wanted, open, current.is_none()));
    if let (Some(before), Some(now)) = (open, &unsaid) {
        let (pull_request, title) = (Box::new(before.clone()), now.title.clone());
        course.steps.push(Step::Rewrite { pull_request, title, body: now.body.clone() });
        open = unsaid.as_ref();
    }
    if current.is_none() {
        course.reason.clone_from(&wanted.told);
        course.steps.push(Step::Push {
            head: wanted.head.clone(),
            expected: head.map(|head| head.tip.clone()),
            commit: Box::new(wanted.commit.clone()),
        });
        course.action = if head.is_some() || open.is_some() { Action::Updated } else { Action::Opened };
    }
    if standing.pull_requests.is_some() {
        // Before the body, which says the same: while it is not rewritten, the next pass sees that something is left.
        let is_pushed = current.is_none();
        let is_said = open.is_some_and(|open| same_text(&open.body, &said(wanted, open, is_pushed)));
        // Without gates, too: the base may require what none says, and a head that stands may keep what gates have said which are gone.
        if is_pushed || !is_said {
            let commit = head.map(|head| head.tip.clone());
            course.steps.push(Step::SetStatuses { commit, statuses: wanted.statuses.clone() });
        }
        publish(wanted, (current, open), standing, &mut course);
    }
    let written = open.map(|open| written(&course, open));
    let open = written.as_ref();
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
                rests_on: wanted.rests_on.clone(),
            });
        }
    }
    course
}

/// Says that a run on another base has the head branch of what is wanted.
fn of_another_base(other: &PullRequest) -> String {
    format!(
        "#{} into `{}` has the branch {}: close that one, or give one of the two bases a `branchPrefix` of its own",
        other.number.0, other.base, other.head
    )
}

/// Says that an order keeps everything else away.
pub fn ordered(head: &BranchName) -> String {
    format!("a person ordered what stands in {head}: it stays until it is merged, or the branch removed")
}

/// Says the same where nothing is committed for its sake, and what to do about its pull request, which may be overtaken by now.
pub fn ordered_in(head: &BranchName, open: Number) -> String {
    format!(
        "a person ordered what stands in {head} (#{}): nothing else comes there before that is merged, or closed where nobody \
         wants it any more; the label `{LABEL_RETRY}` has it made anew, or says on it why that cannot be",
        open.0
    )
}

/// Says the same where no pull request of the order is open: it could not be opened, or somebody closed it.
fn unopened(head: &BranchName) -> String {
    format!(
        "a person ordered what stands in {head}, and no pull request is open for it: order it again, or remove the branch"
    )
}

/// Says why something may not come beside an open pull request of another head that brings it already: a person holds that, or has
/// pushed to it.
fn kept_elsewhere<'a>(
    wanted: &Desired,
    others: impl Iterator<Item = &'a PullRequest> + Clone,
    standing: &Standing,
) -> Option<String> {
    let wanted_images = images(&wanted.commit.plan.message);
    let called = format!("{}/{}", wanted.environment, wanted.group);
    let prefix = wanted.head.as_str().strip_suffix(&called).unwrap_or(USUAL_PREFIX);
    // What an environment left that is no more is of the one that has its files by now.
    let left = standing.orphans.iter().filter(|(_, owners)| owners.contains(&wanted.environment));
    let left = left.filter_map(|(head, _)| Some(standing.place_of(head, prefix)?.0));
    let environments: BTreeSet<EnvironmentName> = left.chain([wanted.environment.clone()]).collect();
    let is_same = |head: &&HeadBranch| {
        head.name != wanted.head
            && head.told.environment.as_ref().is_some_and(|environment| environments.contains(environment))
            && !head.images.is_disjoint(&wanted_images)
    };
    if let Some(head) = standing.heads.iter().find(|head| head.is_order && is_same(head)) {
        let is_open = others.clone().any(|one| one.state == State::Open && one.head == head.name);
        let is_closed = standing.pull_requests.is_some() && !is_open;
        return Some(if is_closed { unopened(&head.name) } else { ordered(&head.name) });
    }
    let wish = wish(wanted);
    let wishes: Vec<Wish> = environments.into_iter().map(|environment| Wish { environment, ..wish.clone() }).collect();
    if let Some(held) = wishes.iter().find_map(|wish| wish.kept_in(standing.base.as_ref(), others.clone())) {
        return Some(kept_by(held));
    }
    if standing.pull_requests.is_none() {
        let is_theirs =
            |head: &&HeadBranch| head.name != wanted.head && standing.place_of(&head.name, prefix).is_some();
        let mut heads = standing.heads.iter().filter(is_theirs);
        let theirs = heads.find(|head| wishes.iter().any(|wish| wish.is_taken_over_on(head)))?;
        return Some(taken_over(None, &theirs.name));
    }
    let mut all = standing.pull_requests.iter().flatten();
    let stands = all.any(|one| one.state == State::Open && one.head == wanted.head);
    // A body that was copied to a branch of somebody's own making says nothing.
    let is_placed =
        |head: &BranchName| head.as_str().starts_with(USUAL_PREFIX) || standing.place_of(head, prefix).is_some();
    let is_theirs = |one: &&PullRequest| {
        let head = standing.heads.iter().find(|head| head.name == one.head && !head.is_own);
        let head = head.filter(|head| is_placed(&head.name));
        // Beside the one that stands where it belongs, what has no words of Tagboat's is a branch that somebody began on that.
        let made = head.map(|head| if stands { &[][..] } else { &head.made[..] });
        made.is_some_and(|made| wishes.iter().any(|wish| wish.is_taken_over_in(one, made)))
    };
    let theirs = others.filter(|one| one.state == State::Open).find(is_theirs)?;
    Some(taken_over(Some(theirs.number), &theirs.head))
}

/// Says on a pull request why what its labels ask for is not done.
pub(super) fn answered(answer: &Answer) -> Course {
    let Answer { pull_request, environment, group, why, command } = answer;
    let again = |command: &String| format!(" To order it again: {}", code(command));
    let instead = command.as_ref().map(again).unwrap_or_default();
    let comment = format!("What the label asks for is not done: {}.{instead}", plain(why));
    Course {
        proposal: None,
        environment: environment.clone(),
        group: group.clone(),
        head: pull_request.head.clone(),
        url: Some(pull_request.url.clone()),
        action: Action::LeftAlone,
        reason: Some(answer.words()),
        steps: vec![Step::Answer { pull_request: Box::new(pull_request.clone()), comment }],
        instead: Vec::new(),
    }
}

/// Whether somebody has taken back on a branch all that it brought, and no pull request stands for it: nobody waits for it.
fn is_undone(head: &HeadBranch, open: Option<&PullRequest>) -> bool {
    !head.undone.is_empty() && open.is_none()
}

/// Returns what is wanted, as a person may have refused it.
pub fn wish(wanted: &Desired) -> Wish {
    let (environment, key) = (wanted.environment.clone(), wanted.key.clone());
    let named = wanted.head.as_str().strip_suffix(&format!("{environment}/{}", wanted.group));
    let prefix = named.unwrap_or(wanted.head.as_str()).to_owned();
    Wish { environment, key, brought: wanted.brought.clone(), prefix }
}

/// Returns how a person refused what is wanted.
pub fn refused<'a>(wanted: &Desired, standing: &'a Standing) -> Option<Refusal<'a>> {
    wish(wanted).refused_in(standing.pull_requests.as_deref(), &standing.heads)
}

/// Whether a course begins something of which an older refusal may be written where nobody has looked so far: it opens a pull
/// request, or turns one that is open into something else.
pub fn begins(wanted: &Desired, course: &Course, standing: &Standing) -> bool {
    let has = |is_it: fn(&Step) -> bool| course.steps.iter().any(is_it);
    let mut open = standing.pull_requests.iter().flatten().filter(|one| one.state == State::Open);
    let is_turned = !open.any(|one| one.head == wanted.head && wish(wanted).stands_in(one));
    let opens = has(|step| matches!(step, Step::Open { .. }));
    !wanted.is_order && (opens || (is_turned && has(|step| matches!(step, Step::Push { .. }))))
}

/// Returns a pull request with a note that nothing is said of the gates on its head, where its words would not tell a pass that is cut short
/// from one that is done: they stay when the head is moved, or they say of the same content what gates said that may say so again.
fn unsaid(wanted: &Desired, open: &PullRequest, is_pushed: bool) -> Option<PullRequest> {
    let marker = open.marker.as_ref()?;
    let stays = open.title == wanted.title && same_text(&open.body, &said(wanted, open, is_pushed));
    let may_return = !stays && marker.key == wanted.key && may_turn(&wanted.statuses);
    let is_due = (stays && is_pushed) || may_return;
    (is_due && !is_unsaid(marker)).then(|| noted_unsaid(open, marker))
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
pub(super) fn disarm(open: &PullRequest) -> Option<Step> {
    open.is_armed.then(|| Step::Disarm { pull_request: Box::new(open.clone()) })
}

/// Says on a pull request that it is left alone, where that was not said yet, and answers there who asks by a label for what is not
/// done.
pub(super) fn theirs(open: &PullRequest) -> Vec<Step> {
    let comment = "Somebody else has pushed to this branch, so it is theirs: Tagboat neither changes nor merges this pull request any \
                   more. It is taken up again once its branch holds nothing but Tagboat's own commit.";
    let why = "somebody else has pushed to this branch, and what they did is not written over. To have it made anew, take that off the \
               branch again; or close this, remove the branch, and label this `tagboat/retry`.";
    tell_left(open, comment, why)
}

/// The same of one that somebody has pointed at another base than `before`.
pub(super) fn pointed_elsewhere(open: &PullRequest, before: &BranchName) -> Vec<Step> {
    let (before, base) = (code(before.as_str()), code(open.base.as_str()));
    let comment = format!(
        "Somebody has pointed this at {base}, and it was opened into {before}, so it is theirs: Tagboat neither changes nor merges this \
         pull request any more, and proposes the same nowhere else while it is open. It is taken up again once it points at {before}."
    );
    let why = format!("somebody has pointed this at {base}. To have its branch made anew, point it at {before} again.");
    tell_left(open, &comment, &why)
}

/// Says what was not said yet. One whose marker a person took out says nothing: it could not be known again that it did.
fn tell_left(open: &PullRequest, comment: &str, why: &str) -> Vec<Step> {
    let asked = [LABEL_REBASE, LABEL_RETRY].into_iter().filter(|label| open.labels.contains(*label));
    let pull_request = || Box::new(open.clone());
    match open.marker.as_ref() {
        Some(marker) if !marker.left => {
            let body = marker::replace(&open.body, &Marker { left: true, ..marker.clone() });
            let told = Step::Tell { pull_request: pull_request(), body, comment: comment.to_owned() };
            // First, since what is said answers that, too: who is killed between the two says it all the same.
            let taken = asked.map(|label| Step::RemoveLabel { pull_request: pull_request(), label });
            taken.chain([told]).collect()
        }
        _ if asked.count() > 0 => {
            let comment = format!("What the label asks for is not done: {why}");
            vec![Step::Answer { pull_request: pull_request(), comment }]
        }
        _ => Vec::new(),
    }
}

/// Brings the pull request itself to where it should be.
fn publish(
    wanted: &Desired,
    (head, open): (Option<&HeadBranch>, Option<&PullRequest>),
    standing: &Standing,
    course: &mut Course,
) {
    let Some(open) = open else {
        let all = standing.pull_requests.iter().flatten();
        course.steps.push(Step::Open {
            head: wanted.head.clone(),
            title: wanted.title.clone(),
            body: wanted.body.clone(),
            reviewers: wanted.reviewers.clone(),
            wish: Box::new(wish(wanted)),
            kept: head.cloned().map(Box::new),
            newest: wish(wanted).newest_in(all).map(|one| one.number),
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

/// Returns a pull request with the text that a course writes.
fn written(course: &Course, open: &PullRequest) -> PullRequest {
    let text = course.steps.iter().rev().find_map(|step| match step {
        Step::Rewrite { title, body, .. } => Some((title.clone(), body.clone())),
        _ => None,
    });
    let (title, body) = text.unwrap_or_else(|| (open.title.clone(), open.body.clone()));
    PullRequest { marker: marker::read(&body), title, body, ..open.clone() }
}

/// Returns the body that should stand on an open pull request: the desired one, and what was proposed there before. Where its
/// head is moved in this pass, what it was listed at is what a person may be closing at this moment.
fn said(wanted: &Desired, open: &PullRequest, is_pushed: bool) -> String {
    let turned = is_pushed.then_some(&open.commit);
    open.marker.as_ref().map_or_else(|| wanted.body.clone(), |before| body::instead_of(&wanted.body, before, turned))
}

/// Whether two bodies say the same: forges trim ends and turn line ends about.
pub fn same_text(one: &str, other: &str) -> bool {
    one.trim().lines().eq(other.trim().lines())
}
