//! What the past says of candidates: a version that somebody took back is no candidate any more.
//!
//! Entry points: [`taken_back`], [`left_at`], [`went_back`] and [`lowered`]. Who lowered what is told by the order of versions,
//! and where there is none, by what had stood there before. What Tagboat itself took back stands in the file of holds, but for digests, which no hold
//! names: those are known from history like what people take back.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use crate::decide::judge::{directed, order_numbers};
use crate::decide::reading::in_use;
use crate::model::history::places::Part;
use crate::model::history::{Aside, Descent, Left, Means, Mover, Ordered, Shift, TakenBack, Timeline};
use crate::model::policy::{Policy, Select};
use crate::model::site::{Spot, Value};
use crate::policy::family::Shape;

/// Returns the versions that somebody other than Tagboat took back, and the digests that Tagboat took back under a tag that
/// stayed, by order or for a failure; none that anybody brought again since.
///
/// `policy` is that of the image, by which lower may be something else than a smaller number.
pub fn taken_back(timeline: &Timeline, policy: Option<&Policy>) -> Vec<TakenBack> {
    let mut found: Vec<TakenBack> = Vec::new();
    let first = first_seen(timeline);
    let mut add = |shift: &Shift, left: &Value, came: &Value| {
        if !found.iter().any(|other| other.value == *left) {
            found.push(taken(shift, left, came));
        }
    };
    for (index, shift) in timeline.shifts.iter().enumerate() {
        for (left, came) in digests_back(shift) {
            if !is_back(&timeline.shifts[..index], left, came) {
                add(shift, left, came);
            }
        }
        if shift.by == Mover::Tagboat {
            continue;
        }
        for (left, came) in &shift.steps {
            let older = || timeline.shifts[index + 1..].iter();
            let newer = &timeline.shifts[..index];
            if !is_back(newer, left, came) && gave_way(came, left, policy, older) {
                add(shift, left, came);
            }
            // Whoever goes back past a version leaves it as well, also where it still stands beside.
            let is_passed = |(value, at): &(&&Value, &usize)| **at >= index && is_between(value, (came, left), policy);
            for (value, _) in first.iter().filter(is_passed) {
                if !is_back(newer, value, came) {
                    add(shift, value, came);
                }
            }
        }
    }
    for (index, aside) in timeline.asides.iter().enumerate() {
        let is_open = |left: &Value, came: &Value| {
            let is_there = aside.standing.contains(left) && !aside.standing.contains(came);
            !is_there && !is_back(&timeline.shifts[..aside.newer], left, came)
        };
        for (left, came) in digests_back(&aside.shift) {
            if is_open(left, came) {
                add(&aside.shift, left, came);
            }
        }
        if aside.shift.by == Mover::Tagboat {
            continue;
        }
        for (left, came) in &aside.shift.steps {
            let older =
                || timeline.asides[index + 1..].iter().map(|aside| &aside.shift).chain(&timeline.shifts[aside.newer..]);
            if is_open(left, came) && gave_way(came, left, policy, older) {
                add(&aside.shift, left, came);
            }
        }
    }
    found
}

/// Returns the digests that Tagboat took back under a tag that stayed.
fn digests_back(shift: &Shift) -> impl Iterator<Item = (&Value, &Value)> {
    let went_back = shift.by == Mover::Tagboat && shift.word.order == Some(Ordered::Rollback);
    let steps = shift.steps.iter().filter(move |_| went_back);
    let is_of_digest =
        |(left, came): &(&Value, &Value)| left.tag == came.tag && left.digest.is_some() && left.digest != came.digest;
    steps.map(|(left, came)| (left, came)).filter(is_of_digest)
}

/// Says who took a value back by a shift, and how.
fn taken(shift: &Shift, left: &Value, came: &Value) -> TakenBack {
    let (by, means) = match (&shift.by, &shift.word.failed) {
        (Mover::Person(name), _) => (name.clone(), Means::Commit),
        (Mover::Tagboat, Some(what)) => (Mover::Tagboat.to_string(), Means::Failure(what.clone())),
        (Mover::Tagboat, None) if shift.word.order == Some(Ordered::Rollback) => {
            (shift.word.by.clone().unwrap_or_else(|| "somebody".to_owned()), Means::Order)
        }
        (Mover::Tagboat, None) => (Mover::Tagboat.to_string(), Means::Commit),
    };
    let (value, instead) = (left.clone(), came.clone());
    TakenBack { value, instead, commit: shift.commit.clone(), time: shift.time, by, means }
}

/// Returns every value that has stood there with the position of the oldest shift that knows it.
fn first_seen(timeline: &Timeline) -> BTreeMap<&Value, usize> {
    let mut first = BTreeMap::new();
    for (index, shift) in timeline.shifts.iter().enumerate() {
        first.extend(shift.from.iter().chain(&shift.to).map(|value| (value, index)));
    }
    first
}

/// Whether a value lies between one that came and a better one that was left.
fn is_between(value: &Value, (came, left): (&Value, &Value), policy: Option<&Policy>) -> bool {
    let order = |one, other| policy.map_or_else(|| order(one, other), |policy| order_by(policy, one, other));
    value.tag != came.tag
        && value.tag != left.tag
        && order(value, came) == Some(Ordering::Greater)
        && order(value, left) == Some(Ordering::Less)
}

/// Whether newer shifts brought a value again. One of several places that has it again does not bring it back to the
/// others.
fn is_back(newer: &[Shift], left: &Value, came: &Value) -> bool {
    newer.iter().any(|newer| {
        newer.to.contains(left)
            && !newer.to.contains(came)
            && (newer.steps.iter().any(|(_, to)| to == left) || !newer.from.contains(left))
    })
}

/// Returns, for each of some places, every value that stood there and does not now; `standing` says which values stand at
/// which places.
pub fn left_at(timeline: &Timeline, standing: &BTreeMap<Value, BTreeSet<Spot>>, policy: Option<&Policy>) -> Vec<Left> {
    let parts = standing.iter().flat_map(|(current, spots)| timeline.parted(spots, current));
    let mut found: Vec<Left> = Vec::new();
    for Part { spots, timeline } in parts {
        for taken in left(&timeline, policy) {
            match found.iter_mut().find(|known| known.taken == taken) {
                Some(known) => known.spots.extend(spots.iter().cloned()),
                None => found.push(Left { taken, spots: spots.clone() }),
            }
        }
    }
    found
}

/// Returns every value that stood there and stands there no more, with the newest commit by which it
/// went, whatever came in between: a file that could not be read, another image, no image at all.
///
/// A candidate is better than what stands there, so one that stood before at the same place was left for something worse.
/// Left out is what runs something better by now; and what Tagboat itself left by going back (the file of holds tells of that, and of digests
/// [`taken_back`]) or for another digest of the same tag, as moving tags do.
fn left(timeline: &Timeline, policy: Option<&Policy>) -> Vec<TakenBack> {
    let latest = timeline.shifts.first().map(|shift| &shift.to);
    let Some(standing) = latest.or_else(|| timeline.asides.first().map(|aside| &aside.standing)) else {
        return Vec::new();
    };
    let order = |one: &Value, other: &Value| policy.map_or_else(|| order(one, other), |by| order_by(by, one, other));
    let is_better = |one: &Value, other: &Value| order(one, other) == Some(Ordering::Greater);
    let went = |shift: &Shift, value: &Value| shift.from.contains(value) && !shift.to.contains(value);
    let descents: Vec<(&Value, Descent)> =
        standing.iter().map(|value| (value, timeline.descent(value, &|_| false))).collect();
    // Whether any place that runs nothing better has had the value. One that came new beside others may be an old one
    // that could not be read for a while.
    let was_at_worse = |value: &Value| {
        let mut worse = descents.iter().filter(|(standing, _)| !is_better(standing, value));
        worse.any(|(_, descent)| {
            let may_have = |new_by: usize| timeline.shifts[new_by..].iter().any(|shift| went(shift, value));
            descent.passed.contains(value) || descent.new_by.is_some_and(may_have)
        })
    };
    let mut found: Vec<TakenBack> = Vec::new();
    let mut seen: BTreeSet<&Value> = BTreeSet::new();
    let mut add = |shift: &Shift, value: &Value| {
        let came = shift.steps.iter().find(|(from, _)| from == value).map(|(_, came)| came);
        let goes_on = shift.word.order == Some(Ordered::Rollback) || came.is_some_and(|came| came.tag == value.tag);
        if shift.by == Mover::Tagboat && goes_on {
            return;
        }
        found.push(taken(shift, value, &came.cloned().unwrap_or_default()));
    };
    for shift in &timeline.shifts {
        for value in shift.from.difference(&shift.to).filter(|value| !standing.contains(*value)) {
            if was_at_worse(value) && seen.insert(value) {
                add(shift, value);
            }
        }
    }
    let on_line: BTreeSet<&Value> =
        timeline.shifts.iter().flat_map(|shift| shift.from.iter().chain(&shift.to)).collect();
    // What went up beside a line that tells of the value, too, is judged by that line.
    let is_told = |shift: &Shift, value: &Value| {
        let mut gave_way = shift.steps.iter().filter(|(left, _)| left == value).peekable();
        on_line.contains(value)
            && !was_at_worse(value)
            && gave_way.peek().is_some()
            && gave_way.all(|(_, came)| is_better(came, value))
    };
    for Aside { shift, standing: then, .. } in &timeline.asides {
        let gone = shift.from.difference(&shift.to);
        for value in gone.filter(|value| !standing.contains(*value) && !then.contains(*value)) {
            if !is_told(shift, value) && seen.insert(value) {
                add(shift, value);
            }
        }
    }
    found
}

/// Returns what Tagboat took back, by order or by itself since it failed there, the newest first.
pub fn went_back(timeline: &Timeline) -> Vec<TakenBack> {
    let is_rollback = |shift: &&Shift| shift.by == Mover::Tagboat && shift.word.order == Some(Ordered::Rollback);
    let went_back = timeline.shifts.iter().filter(is_rollback);
    let steps = went_back.flat_map(|shift| shift.steps.iter().map(move |step| (shift, step)));
    steps.map(|(shift, (left, came))| taken(shift, left, came)).collect()
}

/// Returns what people lowered by commits of their own, of all that was `taken` back, unless a person has gone on since: brought something
/// better than what they had gone back to, by hand or by an order.
pub fn lowered(timeline: &Timeline, taken: &[TakenBack], policy: Option<&Policy>) -> Vec<TakenBack> {
    let is_open = |taken: &&TakenBack| {
        if taken.means != Means::Commit || taken.is_of_digest() {
            return false;
        }
        let on_line = timeline.shifts.iter().position(|shift| shift.commit == taken.commit);
        let beside =
            || timeline.asides.iter().find(|aside| aside.shift.commit == taken.commit).map(|aside| aside.newer);
        let Some(newer) = on_line.or_else(beside) else { return false };
        let by_a_person = |shift: &Shift| shift.by != Mover::Tagboat || shift.word.order == Some(Ordered::Promote);
        let goes_on = |(index, shift): (usize, &Shift)| {
            let older = || timeline.shifts[index + 1..].iter();
            let is_better = |came: &Value, left: &Value| came.tag != left.tag && !gave_way(came, left, policy, older);
            // What lies between came by Tagboat only where an earlier version of it saw nothing against that.
            let is_word = |came: &Value| by_a_person(shift) || is_better(&taken.value, came);
            let mut steps = shift.steps.iter();
            steps.any(|(left, came)| is_better(came, left) && is_better(came, &taken.instead) && is_word(came))
        };
        !timeline.shifts[..newer].iter().enumerate().any(goes_on)
    };
    taken.iter().filter(is_open).cloned().collect()
}

/// Whether a value is worse than the one that it replaced: by the order of its policy, or since it had given way before.
fn gave_way<'a, I: Iterator<Item = &'a Shift>>(
    came: &Value,
    left: &Value,
    policy: Option<&Policy>,
    older: impl FnOnce() -> I,
) -> bool {
    if came.tag != left.tag
        && let Some(order) = policy.map_or_else(|| order(came, left), |policy| order_by(policy, came, left))
        && order != Ordering::Equal
    {
        return order == Ordering::Less;
    }
    // Hashes, words and digests have no order: what had given way to the newer one before has come back.
    older().any(|older| older.from.contains(came) && !older.to.contains(came))
}

/// Compares two values as a policy does; by age, and for moving tags, there is no order that the past tells.
pub fn order_by(policy: &Policy, one: &Value, other: &Value) -> Option<Ordering> {
    let (one, other) = (one.tag.as_ref()?, other.tag.as_ref()?);
    let (one, other) = (in_use(one.as_str(), policy), in_use(other.as_str(), policy));
    match &policy.select {
        Select::Newest | Select::Digest(_) => None,
        Select::Alphabetical(direction) => Some(directed(*direction, one.compared.cmp(other.compared))),
        select => {
            let (one, other) = one.shape.zip(other.shape)?;
            match select {
                Select::Numeric(direction) if !one.numbers().is_empty() && !other.numbers().is_empty() => {
                    Some(directed(*direction, order_numbers(&one, &other)))
                }
                _ => (one.scheme() == other.scheme()).then(|| one.order(&other)),
            }
        }
    }
}

/// Compares two values by their tags, where these have an order.
pub fn order(one: &Value, other: &Value) -> Option<Ordering> {
    let (one, other) = (one.tag.as_ref()?, other.tag.as_ref()?);
    let (one, other) = (Shape::parse(one.as_str())?, Shape::parse(other.as_str())?);
    (one.scheme() == other.scheme()).then(|| one.order(&other))
}

/// Whether a value is lower than the one that it replaced in the shift at `index`; `None` where the order of versions does not
/// tell, and something older than what was read may.
pub fn is_lower(came: &Value, left: &Value, timeline: &Timeline, index: usize) -> Option<bool> {
    let is_ordered = came.tag != left.tag && order(came, left).is_some_and(|order| order != Ordering::Equal);
    let is_lower = gave_way(came, left, None, || timeline.shifts[index + 1..].iter());
    (is_lower || is_ordered || timeline.whole).then_some(is_lower)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::model::commit::CommitId;
    use crate::model::history::Word;

    fn value(tag: &str) -> Value {
        Value { tag: Some(tag.parse().unwrap()), digest: None }
    }

    /// A person's shift: what stood before, what stood after, and `from>to` for each step.
    fn shift((from, to, steps): &(&str, &str, &str)) -> Shift {
        let values = |tags: &str| tags.split_whitespace().map(value).collect();
        let step = |step: &str| step.split_once('>').map(|(left, came)| (value(left), value(came))).unwrap();
        Shift {
            commit: CommitId("c1".into()),
            time: Timestamp::UNIX_EPOCH,
            landed: Timestamp::UNIX_EPOCH,
            by: Mover::Person("Ada".to_owned()),
            word: Word::default(),
            from: values(from),
            to: values(to),
            steps: steps.split_whitespace().map(step).collect(),
            changes: Vec::new(),
        }
    }

    /// What was left in a history of shifts, the newest first, the first `beside` of which were merged as well.
    fn told(shifts: &[(&str, &str, &str)], beside: usize) -> Vec<String> {
        let shifts: Vec<Shift> = shifts.iter().map(shift).collect();
        let standing = shifts[0].to.clone();
        let aside =
            |shift: &Shift| Aside { shift: shift.clone(), standing: standing.clone(), newer: 0, was_here: false };
        let asides = shifts[..beside].iter().map(aside).collect();
        let timeline = Timeline {
            shifts,
            asides,
            spread: Vec::new(),
            stood: BTreeMap::new(),
            oldest: Timestamp::UNIX_EPOCH,
            whole: true,
        };
        left(&timeline, None).iter().map(|left| left.value.to_string()).collect()
    }

    #[test]
    fn what_went_up_at_one_place_is_left_for_nothing_worse_at_another() {
        let ahead = ("1.5.0 1.6.0", "1.5.0 1.7.0", "1.6.0>1.7.0");
        assert_eq!(told(&[ahead], 0), [""; 0]);
        assert_eq!(told(&[ahead], 1), [""; 0], "a merge tells of it twice");
        // The place behind came later than the other.
        assert_eq!(told(&[ahead, ("1.6.0", "1.5.0 1.6.0", "")], 0), [""; 0]);
        // It stood where something worse stands now.
        let lowered = ("1.7.0", "1.5.0 1.7.0", "1.7.0>1.5.0");
        let raised = ("1.6.0", "1.7.0", "1.6.0>1.7.0");
        assert_eq!(told(&[lowered, raised], 0), ["1.6.0"]);
        assert_eq!(told(&[("1.6.0", "1.5.0", "1.6.0>1.5.0")], 0), ["1.6.0"]);
        assert_eq!(told(&[("", "1.5.0", ""), ("1.6.0", "", "")], 0), ["1.6.0"]);
        // It may have been read again after a while.
        assert_eq!(told(&[("1.7.0", "1.5.0 1.7.0", ""), ("1.6.0 1.7.0", "1.7.0", "")], 0), ["1.6.0"]);
        // Words have no order, and are told by what stood at the place.
        assert_eq!(told(&[("blue green", "blue red", "green>red")], 0), ["green"]);
        assert_eq!(told(&[("blue", "blue", "")], 0), [""; 0]);
    }
}
