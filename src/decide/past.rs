//! What the past says of candidates: a version that somebody took back is no candidate any more.
//!
//! The entry point is [`taken_back`]. Who lowered what is told by the order of versions, and where there is none, by
//! what had stood there before.

use std::cmp::Ordering;

use crate::model::history::{Mover, TakenBack, Timeline};
use crate::model::site::Value;
use crate::policy::family::Shape;

/// Returns the versions that somebody other than Tagboat took back, and that nobody brought again since.
pub fn taken_back(timeline: &Timeline) -> Vec<TakenBack> {
    let mut found: Vec<TakenBack> = Vec::new();
    for (index, shift) in timeline.shifts.iter().enumerate() {
        let Mover::Person(name) = &shift.by else { continue };
        for (left, came) in &shift.steps {
            let newer = &timeline.shifts[..index];
            let is_back = newer.iter().any(|newer| {
                newer.steps.iter().any(|(_, to)| to == left) || (newer.to.contains(left) && !newer.from.contains(left))
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
