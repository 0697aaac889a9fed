//! What the past says of candidates: a version that somebody took back is no candidate any more.
//!
//! The entry point is [`taken_back`]. Who lowered what is told by the order of versions, and where there is none, by
//! what had stood there before.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use crate::model::history::{Mover, Ordered, TakenBack, Timeline};
use crate::model::site::Value;
use crate::policy::family::Shape;

/// Returns the versions that somebody other than Tagboat took back, and that nobody brought again since.
pub fn taken_back(timeline: &Timeline) -> Vec<TakenBack> {
    let mut found: Vec<TakenBack> = Vec::new();
    for (index, shift) in timeline.shifts.iter().enumerate() {
        let Mover::Person(name) = &shift.by else { continue };
        for (left, came) in &shift.steps {
            let newer = &timeline.shifts[..index];
            // One of several places that has it again does not bring it back to the others.
            let is_back = newer.iter().any(|newer| {
                newer.to.contains(left)
                    && !newer.to.contains(came)
                    && (newer.steps.iter().any(|(_, to)| to == left) || !newer.from.contains(left))
            });
            if is_back || !is_lower(came, left, timeline, index) {
                continue;
            }
            let taken = TakenBack {
                value: left.clone(),
                instead: came.clone(),
                commit: shift.commit.clone(),
                time: shift.time,
                by: name.clone(),
            };
            if !found.iter().any(|other| other.value == taken.value) {
                found.push(taken);
            }
        }
    }
    found
}

/// Returns every value that stood in the environment and stands nowhere in it now, with the newest commit by which it
/// went, whatever came in between: a file that could not be read, another image, no image at all.
///
/// A candidate is better than what stands there, so one that stood there before was left for something worse. Left out
/// is what Tagboat itself left by going back as ordered (the file of holds tells of that) or for another digest of the
/// same tag, as moving tags do.
pub fn left(timeline: &Timeline) -> Vec<TakenBack> {
    let Some(standing) = timeline.shifts.first().map(|shift| &shift.to) else { return Vec::new() };
    let mut found: Vec<TakenBack> = Vec::new();
    let mut seen: BTreeSet<&Value> = BTreeSet::new();
    for shift in &timeline.shifts {
        let gone = shift.from.difference(&shift.to).filter(|value| !standing.contains(*value));
        for value in gone {
            if !seen.insert(value) {
                continue;
            }
            let came = shift.steps.iter().find(|(from, _)| from == value).map(|(_, came)| came);
            let by = match &shift.by {
                Mover::Person(name) => name.clone(),
                Mover::Tagboat if shift.word.order == Some(Ordered::Rollback) => continue,
                Mover::Tagboat if came.is_some_and(|came| came.tag == value.tag) => continue,
                Mover::Tagboat => Mover::Tagboat.to_string(),
            };
            found.push(TakenBack {
                value: value.clone(),
                instead: came.cloned().unwrap_or_default(),
                commit: shift.commit.clone(),
                time: shift.time,
                by,
            });
        }
    }
    found
}

/// Compares two values by their tags, where these have an order.
pub fn order(one: &Value, other: &Value) -> Option<Ordering> {
    let (one, other) = (one.tag.as_ref()?, other.tag.as_ref()?);
    let (one, other) = (Shape::parse(one.as_str())?, Shape::parse(other.as_str())?);
    (one.scheme() == other.scheme()).then(|| one.order(&other))
}

/// Whether a value is lower than the one that it replaced in the shift at `index`.
pub fn is_lower(came: &Value, left: &Value, timeline: &Timeline, index: usize) -> bool {
    if came.tag != left.tag
        && let Some(order) = order(came, left)
        && order != Ordering::Equal
    {
        return order == Ordering::Less;
    }
    // Hashes, words and digests have no order: what had given way to the newer one before has come back.
    timeline.shifts[index + 1..].iter().any(|older| older.from.contains(came) && !older.to.contains(came))
}
