//! What nobody wants any more: closing pull requests and removing branches of Tagboat's own, with the reason.
//!
//! Entry points: `leftovers`, `withdraw` and [`record`]. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::model::brought::Brought;
use crate::model::environment::{BranchName, EnvironmentName};
use crate::model::hold::{HOLDS_FILE, Hold};
use crate::model::markdown::{code, plain};
use crate::model::marker;
use crate::model::proposal::Action;
use crate::model::pull_request::{HeadBranch, LABEL_HOLD, Marker, Number, PullRequest, State};
use crate::publish::held::cut;
use crate::publish::making::is_aside;
use crate::publish::pull_requests::course::{HELD, disarm, refused, theirs};
use crate::publish::pull_requests::statuses::{not_asked_now, of_order_now};
use crate::publish::pull_requests::{Course, Desired, HeldBy, HeldIn, Standing, Step, Unsure, displaced, images};

/// How many pull requests are named that take the place of one.
const MOST_NAMED: usize = 20;

/// Why nobody asks the gates of what has lost its marker and is not wanted any more.
pub(super) const UNMARKED: &str = "not asked: nothing of it is left to do, and its body has lost its hidden line";

/// Returns what takes the place of a head branch that nobody wants any more: what stands for its images in its environment, or, where
/// that is no more, in the one that has its files now. Those of a group that is no more are several.
pub(super) fn successors<'a>(
    head: Option<&HeadBranch>,
    environment: Option<&EnvironmentName>,
    (desired, courses): (&'a [Desired], &[Course]),
) -> Vec<&'a Desired> {
    let stands = |course: &Course| {
        matches!(course.action, Action::Opened | Action::Updated | Action::Unchanged | Action::Enqueued)
    };
    sharing(head, environment, (desired, courses)).filter(|(_, course)| stands(course)).map(|(one, _)| one).collect()
}

/// Returns what is to take the place of a head branch and cannot yet, for a person keeps it away or too many are open, though nothing of
/// what the head brings is old.
fn awaited<'a>(
    head: Option<&HeadBranch>,
    environment: Option<&EnvironmentName>,
    desired: (&'a [Desired], &[Course]),
    standing: &Standing,
) -> Option<&'a BranchName> {
    let is_kept = |wanted: &Desired, course: &Course| {
        matches!(course.action, Action::LeftAlone | Action::Waiting)
            && head.is_some_and(|head| brings(head, &wanted.brought))
            && (wanted.is_order || refused(wanted, standing).is_none())
    };
    let mut all = sharing(head, environment, desired);
    all.find(|(wanted, course)| is_kept(wanted, course)).map(|(wanted, _)| &wanted.head)
}

/// Whether nothing of what a head brings is old, by its tip or by what Tagboat made beneath somebody's push.
fn brings(head: &HeadBranch, wanted: &Brought) -> bool {
    std::iter::once(&head.told).chain(&head.made).any(|told| told.brought.is_no_news_to(wanted))
}

/// Returns what is wanted for the images of a head branch and cannot stand yet, though nobody has refused it.
fn put_off<'a>(
    head: Option<&HeadBranch>,
    environment: Option<&EnvironmentName>,
    desired: (&'a [Desired], &[Course]),
    standing: &Standing,
) -> Vec<&'a Desired> {
    let waits = |(wanted, course): &(&Desired, &Course)| {
        matches!(course.action, Action::LeftAlone | Action::Waiting)
            && (wanted.is_order || refused(wanted, standing).is_none())
    };
    sharing(head, environment, desired).filter(waits).map(|(wanted, _)| wanted).collect()
}

/// Returns what is wanted for the images of a head branch, also of what Tagboat made there beneath somebody's push.
fn sharing<'a, 'b>(
    head: Option<&'b HeadBranch>,
    environment: Option<&'b EnvironmentName>,
    (desired, courses): (&'a [Desired], &'b [Course]),
) -> impl Iterator<Item = (&'a Desired, &'b Course)> {
    let is_there = move |wanted: &Desired| match environment {
        Some(environment) => wanted.environment == *environment,
        None => wanted.commit.files.iter().any(|edit| head.is_some_and(|head| head.files.contains(&edit.file))),
    };
    let shares = move |wanted: &Desired| {
        let wanted = images(&wanted.commit.plan.message);
        let made = head.iter().flat_map(|head| &head.made).flat_map(|told| told.brought.images());
        head.is_some_and(|head| !wanted.is_disjoint(&head.images))
            || made.into_iter().any(|image| wanted.contains(image))
    };
    desired.iter().zip(courses).filter(move |(wanted, _)| is_there(wanted) && shares(wanted))
}

/// What is to be done about branches and pull requests that nobody wants any more.
pub(super) fn leftovers(
    (desired, courses_of_desired): (&[Desired], &[Course]),
    standing: &Standing,
    heads: &BTreeMap<&BranchName, &HeadBranch>,
    prefix: &str,
    unsure: &Unsure,
) -> Vec<Course> {
    let wanted: BTreeSet<&BranchName> = desired.iter().map(|wanted| &wanted.head).collect();
    let open = standing.pull_requests.iter().flatten().filter(|one| one.state == State::Open);
    let open: BTreeMap<&BranchName, &PullRequest> = open.map(|open| (&open.head, open)).collect();
    let names: BTreeSet<&BranchName> = heads.keys().copied().chain(open.keys().copied()).collect();
    let mut courses = Vec::new();
    // What is open into another base has been decided on, with its head branch.
    let is_decided = |name: &BranchName| {
        let mut displaced = standing.displaced.iter().filter(|one| displaced::is_decided(one));
        !open.contains_key(name) && displaced.any(|one| one.head == *name)
    };
    for name in names.into_iter().filter(|name| !wanted.contains(name) && !is_decided(name)) {
        let Some(key) = standing.place_of(name, prefix) else { continue };
        let (head, open) = (heads.get(name).copied(), open.get(name).copied());
        let record = head.and_then(|head| record(head, standing)).map(|one| one.number);
        // Where commits are only made, nothing stands for anybody.
        let now = standing.orphans.get(name).filter(|_| !is_aside(name, prefix)).cloned();
        let now = now.unwrap_or_else(|| BTreeSet::from([key.0.clone()]));
        let environment = Some(&key.0).filter(|_| !standing.orphans.contains_key(name));
        let instead = successors(head, environment, (desired, courses_of_desired));
        let kept = kept((&key, &now), (head, open), &instead, unsure);
        // What is held, and what no pull request asks to merge, waits for nothing.
        let may_wait = instead.is_empty()
            && !standing.held.contains_key(name)
            && (open.is_some() || standing.pull_requests.is_none());
        let awaited = awaited(head, environment, (desired, courses_of_desired), standing).filter(|_| may_wait);
        let mut replaced_by = Vec::new();
        let fate = match kept.or(record.map(Kept::Record)).or(awaited.map(|_| Kept::Waits)) {
            // What a person has pushed to a branch of their own making is nobody else's business.
            Some(Kept::Theirs) if open.is_none() && standing.pull_requests.is_some() => None,
            Some(why) => {
                let is_wanted = |(environment, wanted): &(EnvironmentName, Brought)| {
                    now.contains(environment) && head.is_some_and(|head| brings(head, wanted))
                };
                let instead = match awaited {
                    Some(other) => Instead::Waits(other),
                    None if standing.kept_back.iter().any(is_wanted) => Instead::Committed,
                    None => Instead::Nothing,
                };
                left(why, (name, instead), (open, said(why, &now, open, (standing, unsure))))
            }
            None => {
                let put_off = put_off(head, environment, (desired, courses_of_desired), standing);
                let why = match (instead.is_empty(), put_off.is_empty()) {
                    (true, _) if standing.held.contains_key(name) => Why::alone(name, standing),
                    (true, true) => Why::alone(name, standing),
                    _ => Why::Replaced(&instead, &put_off),
                };
                replaced_by = instead.iter().map(|other| other.head.clone()).collect();
                match withdraw(open, head, why) {
                    Some(steps) => Some((Action::Closed, why.told(), steps)),
                    None if open.is_some_and(|open| open.marker.is_none()) => {
                        let said = said(Kept::Unmarked, &now, open, (standing, unsure));
                        left(Kept::Unmarked, (name, Instead::Nothing), (open, said))
                    }
                    None => left(Kept::Unknown, (name, Instead::Nothing), (open, Vec::new())),
                }
            }
        };
        let Some((action, reason, steps)) = fate else { continue };
        let (environment, group) = key;
        let url = open.map(|open| open.url.clone());
        let (head, reason) = (name.clone(), Some(reason));
        let instead = replaced_by;
        courses.push(Course { proposal: None, environment, group, head, url, action, reason, steps, instead });
    }
    courses
}

/// Why something that nobody wants stays.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kept {
    /// Not everything about it is known in this pass, or it moves right now.
    Unknown,
    /// A person holds it.
    Held,
    /// A person has pushed to it.
    Theirs,
    /// A person has taken out of its body what Tagboat knows it by.
    Unmarked,
    /// A person ordered it, or it goes back by itself: it stays until it is merged or removed.
    Awaited,
    /// What is to take its place cannot stand yet.
    Waits,
    /// Nothing but its commit tells what a person refused by closing this pull request.
    Record(Number),
}

/// Returns the pull request of which nothing but the commit on a head branch tells that it was refused: a person has closed it, and
/// its body does not say, or no longer, what it brought. A branch is all of it that everybody can read.
pub fn record<'a>(head: &HeadBranch, standing: &'a Standing) -> Option<&'a PullRequest> {
    let is_it = |one: &&PullRequest| one.head == head.name && one.commit == head.tip;
    let is_silent = |one: &PullRequest| one.marker.is_none() || (one.is_silent() && !head.told.brought.is_empty());
    let newest = standing.pull_requests.iter().flatten().filter(is_it).max_by_key(|one| one.number)?;
    (head.key.is_some() && newest.is_refused() && is_silent(newest)).then_some(newest)
}

/// Tells why something that nobody wants stays, if it does. `now` are the environments that have its files.
fn kept(
    (key, now): (&(EnvironmentName, String), &BTreeSet<EnvironmentName>),
    (head, open): (Option<&HeadBranch>, Option<&PullRequest>),
    instead: &[&Desired],
    unsure: &Unsure,
) -> Option<Kept> {
    let is_half_known = !unsure.environments.is_disjoint(now) || unsure.groups.contains(key);
    if is_half_known || (instead.is_empty() && unsure.is_about((head, open), now)) {
        return Some(Kept::Unknown);
    }
    if open.is_some_and(|open| open.labels.contains(LABEL_HOLD)) {
        return Some(Kept::Held);
    }
    if head.is_some_and(|head| !head.is_own) {
        return Some(Kept::Theirs);
    }
    // The time in which a failure counts is over long before somebody has merged what goes back. One that could be made anew on what
    // its files hold by now is wanted, and not left.
    let is_awaited =
        |head: &HeadBranch| head.is_order || (head.is_return && !head.is_overtaken && !unsure.recovered.contains(key));
    head.is_some_and(is_awaited).then_some(Kept::Awaited)
}

/// What is to be done about what the gates have said of what stays.
fn said(
    why: Kept,
    now: &BTreeSet<EnvironmentName>,
    open: Option<&PullRequest>,
    (standing, unsure): (&Standing, &Unsure),
) -> Vec<Step> {
    let Some(open) = open else { return Vec::new() };
    let may_turn = !unsure.turning.is_disjoint(now);
    match why {
        Kept::Awaited => {
            standing.said.get(&open.head).map(|said| of_order_now(open, said.as_deref())).unwrap_or_default()
        }
        Kept::Held if may_turn => not_asked_now(open, HELD),
        Kept::Unknown if may_turn => not_asked_now(open, "not asked while not everything about its image is known"),
        Kept::Unmarked if may_turn => not_asked_now(open, UNMARKED),
        Kept::Waits if may_turn => not_asked_now(open, "not asked while it waits for what is to take its place"),
        Kept::Held | Kept::Unknown | Kept::Theirs | Kept::Unmarked | Kept::Waits | Kept::Record(_) => Vec::new(),
    }
}

/// What is wanted instead of what stays.
#[derive(Clone, Copy)]
enum Instead<'a> {
    /// What is on another head branch, and waits for it.
    Waits(&'a BranchName),
    /// The very same, as a commit, which says so itself.
    Committed,
    /// Nothing.
    Nothing,
}

/// What is to be said and done about what stays. The forge does not merge it by itself: nobody has judged it in this pass.
fn left(
    why: Kept,
    (name, instead): (&BranchName, Instead<'_>),
    (open, said): (Option<&PullRequest>, Vec<Step>),
) -> Option<(Action, String, Vec<Step>)> {
    let mut steps: Vec<Step> = open.and_then(disarm).into_iter().collect();
    let is_armed = !steps.is_empty();
    steps.extend(said);
    let action = if why == Kept::Waits { Action::Waiting } else { Action::LeftAlone };
    let reason = match why {
        Kept::Held => match instead {
            Instead::Waits(other) => format!("it has the label `{LABEL_HOLD}`, and {other} waits for it"),
            Instead::Committed => format!("it has the label `{LABEL_HOLD}`"),
            Instead::Nothing => format!("it has the label `{LABEL_HOLD}`, and nothing of it is left to do"),
        },
        Kept::Waits => {
            let Instead::Waits(other) = instead else { return None };
            format!("{other} is to take its place, and does not stand yet")
        }
        Kept::Theirs => {
            steps.extend(open.map(PullRequest::disarmed).as_ref().map(theirs).unwrap_or_default());
            match instead {
                Instead::Waits(other) => {
                    format!("somebody else has pushed to {name}: it is theirs now, and {other} waits for it")
                }
                Instead::Committed => format!("somebody else has pushed to {name}: it is theirs now"),
                Instead::Nothing => format!(
                    "somebody else has pushed to {name}: it is theirs now, and nothing is left to propose there"
                ),
            }
        }
        Kept::Unmarked => "its body has lost the hidden line by which Tagboat knows it: a person closes it".to_owned(),
        Kept::Unknown | Kept::Awaited if steps.is_empty() => return None,
        Kept::Unknown if is_armed => {
            "not everything about it is known now: the forge does not merge it by itself any more".to_owned()
        }
        Kept::Unknown => "not everything about it is known now: what its gates have said is taken back".to_owned(),
        Kept::Awaited if is_armed => "a person merges it: the forge does not do so by itself any more".to_owned(),
        Kept::Awaited => "a person merges it: its gates say something else by now".to_owned(),
        Kept::Record(number) => format!(
            "only its commit tells what a person refused in #{}: who removes the branch takes the refusal back",
            number.0
        ),
    };
    Some((action, reason, steps))
}

/// Why nobody wants something any more.
#[derive(Clone, Copy)]
pub(super) enum Why<'a> {
    /// Others take its place, or one does; and others are to, and cannot stand yet.
    Replaced(&'a [&'a Desired], &'a [&'a Desired]),
    /// A version of it, `image:tag`, is held, where that is said.
    Held(&'a str, (&'a Hold, &'a HeldIn)),
    /// A version of it, `image:tag`, was taken back, in words that say where, by whom and when.
    TakenBack(&'a str, &'a str),
    /// A version of it, `image:tag`, failed, in words that say where and what.
    Failed(&'a str, &'a str),
    /// It is there already, or it was refused.
    Unnecessary,
}

impl<'a> Why<'a> {
    /// Tells it of what nothing takes the place of.
    pub(super) fn alone(head: &BranchName, standing: &'a Standing) -> Self {
        standing.held.get(head).map_or(Self::Unnecessary, |(version, by)| match by {
            HeldBy::Hold(hold, place) => Self::Held(version, (hold, place)),
            HeldBy::TakenBack(words) => Self::TakenBack(version, words),
            HeldBy::Failed(words) => Self::Failed(version, words),
        })
    }

    /// Says it where the pass is told of.
    fn told(self) -> String {
        match self {
            Self::Replaced(others, put_off) => {
                let heads = |all: &[&Desired]| {
                    let heads: Vec<&str> = all.iter().map(|other| other.head.as_str()).collect();
                    heads.join(", ")
                };
                let stand = match others {
                    [] => None,
                    [other] => Some(format!("{} takes its place", other.head)),
                    others => Some(format!("{} take its place", heads(others))),
                };
                let wait = (!put_off.is_empty()).then(|| format!("what is wanted instead waits: {}", heads(put_off)));
                stand.into_iter().chain(wait).collect::<Vec<_>>().join("; ")
            }
            Self::Held(version, (hold, _)) => format!("{version} is held: {hold}"),
            Self::TakenBack(version, words) => format!("{version} is not wanted any more: {words}"),
            Self::Failed(version, words) => format!("{version} is held: {words}"),
            Self::Unnecessary => "nothing of it is left to do".to_owned(),
        }
    }

    /// Says it on the pull request, to whoever reads it there.
    fn comment(self) -> String {
        match self {
            Self::Replaced(others, put_off) => {
                let waits = |other: &&Desired| code(&other.title);
                let wait: Vec<String> = put_off.iter().take(MOST_NAMED).map(waits).collect();
                let wait = (!wait.is_empty()).then(|| format!("What is wanted instead waits: {}.", wait.join(", ")));
                let stand = (!others.is_empty()).then(|| replaced(others));
                stand.into_iter().chain(wait).collect::<Vec<_>>().join("\n\n")
            }
            Self::Held(version, by) => held(version, by),
            Self::TakenBack(version, words) => taken_back(version, words),
            Self::Failed(version, words) => failed(version, words),
            Self::Unnecessary => {
                "Nothing of this is left to do: what it brings is there already, or no longer wanted.".to_owned()
            }
        }
    }
}

/// Says who took a version back, and how it comes all the same.
fn taken_back(version: &str, words: &str) -> String {
    let (version, why) = (code(version), plain(&cut(words)));
    format!(
        "This is not wanted any more, since {version} was taken back: {why}.\n\nSomething newer is proposed as usual; this very version \
         comes again once somebody brings it back there."
    )
}

/// Says where a version failed, and how it comes all the same.
fn failed(version: &str, words: &str) -> String {
    let (version, why) = (code(version), plain(&cut(words)));
    format!(
        "This is not wanted while {version} is held: {why}.\n\nSomething newer is proposed as usual; this very version comes again once \
         it no longer counts as failed there, or when somebody promotes it."
    )
}

/// Says by whom and why a version is held, and how that ends.
fn held(version: &str, (hold, place): (&Hold, &HeldIn)) -> String {
    let why = plain(&cut(&hold.to_string()));
    // By the tag of the entry: it may be another one of the same version or digest.
    let everywhere = format!("tagboat release {}:{}", hold.image, hold.tag);
    let release = code(&match &hold.environment {
        Some(environment) => format!("{everywhere} --environment {environment}"),
        None => everywhere,
    });
    let ends = match place {
        HeldIn::Base => {
            format!("To release it: {release}, or take its entry out of {} of the base branch.", code(HOLDS_FILE))
        }
        HeldIn::Proposed(head) => format!(
            "The pull request from {} holds it, which is not merged yet. To release it: {release}, or close that one.",
            code(head.as_str())
        ),
        // History remembers that one, and no entry.
        HeldIn::GoingBack(head) if hold.digest.is_some() => {
            format!("What goes back on {} holds it until somebody closes that pull request.", code(head.as_str()))
        }
        HeldIn::GoingBack(head) => format!(
            "What goes back on {} holds it. To release it: close that pull request, or merge it, and then: {release}.",
            code(head.as_str())
        ),
        HeldIn::Elsewhere => "It is held in another repository, and released there.".to_owned(),
    };
    format!("This is not wanted while {} is held: {why}.\n\n{ends} A later pass then proposes it again.", code(version))
}

/// Says which ones take a pull request's place.
pub(super) fn replaced(others: &[&Desired]) -> String {
    let told = |other: &&Desired| format!("{}, from the branch {}", code(&other.title), code(other.head.as_str()));
    if let [other] = others {
        return format!("Another pull request takes the place of this one: {}.", told(other));
    }
    let rest = others.len().saturating_sub(MOST_NAMED);
    let mut text = "Other pull requests take the place of this one:\n\n".to_owned();
    for other in others.iter().take(MOST_NAMED) {
        let _infallible = writeln!(text, "- {}", told(other));
    }
    if rest > 0 {
        let _infallible = writeln!(text, "- … {rest} more");
    }
    text.trim_end().to_owned()
}

/// What takes a pull request and its head branch away; `None` where they are not for Tagboat to take, or not now.
pub(super) fn withdraw(open: Option<&PullRequest>, head: Option<&HeadBranch>, why: Why<'_>) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    if let Some(open) = open {
        // Somebody has pushed since the branches were listed, or the forge lags behind: the next pass sees which.
        if head.is_some_and(|head| head.tip != open.commit) {
            return None;
        }
        let stopped = open.disarmed();
        let withdrawn = Marker { withdrawn: true, ..stopped.marker.clone()? };
        let body = marker::replace(&stopped.body, &withdrawn);
        steps.extend(disarm(open));
        let comment = why.comment();
        steps.push(Step::Close { pull_request: Box::new(open.clone()), body, comment });
    }
    if let Some(head) = head {
        steps.push(Step::Delete { head: head.name.clone(), expected: head.tip.clone() });
    }
    Some(steps)
}
