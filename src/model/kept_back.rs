//! What is better than what was chosen, and was left out for more than its name: it waits, or something is wrong with it.
//!
//! Owns the data, and [`KeptBack::of`], which finds it among the reasons of a decision.

use jiff::Timestamp;

use crate::model::decision::{Decision, Reason};
use crate::model::policy::{Direction, Select};
use crate::model::tags::{ImageTags, TagIndex, newest_first};

/// The best version that a decision left out although the policy would take it by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptBack {
    /// The tag.
    pub tag: String,
    /// Why.
    pub reason: Reason,
}

impl KeptBack {
    /// Finds it; `None` where nothing was left out but for its name, or because the environment before has it not.
    pub fn of(decision: &Decision, tags: &ImageTags) -> Option<Self> {
        let created = |tag: &str| -> Option<Timestamp> { tags.facts.get(&tag.parse().ok()?)?.created };
        let better = |one: &str, other: &str| match &decision.question.policy.select {
            Select::Numeric(Direction::Descending) | Select::Alphabetical(Direction::Descending) => {
                newest_first(other, one)
            }
            Select::Newest => created(other).cmp(&created(one)).then_with(|| newest_first(one, other)),
            _ => newest_first(one, other),
        };
        let is_listed = |tag: TagIndex| (tag.0 as usize) < tags.list.len();
        let kept = decision.rejected.iter().filter(|(tag, reason)| is_listed(*tag) && is_for_more_than_a_name(reason));
        let kept = kept.map(|(tag, reason)| (tags.list.at(tag), reason));
        let (tag, reason) = kept.min_by(|(one, _), (other, _)| better(one, other))?;
        Some(Self { tag: tag.to_owned(), reason: reason.clone() })
    }

    /// Whether a person, or what failed, keeps it back: that has rows of its own among what was passed by, and among holds.
    pub fn is_held(&self) -> bool {
        matches!(self.reason, Reason::Held(_) | Reason::Behind(_) | Reason::OtherBuild(_))
    }

    /// Returns when it comes by itself, where that is known.
    pub fn until(&self) -> Option<Timestamp> {
        match self.reason {
            Reason::TooYoung { until, .. } => Some(until),
            _ => None,
        }
    }
}

/// Whether only what was better than the winner can have such a reason: facts are asked from the best candidate down.
fn is_for_more_than_a_name(reason: &Reason) -> bool {
    match reason {
        Reason::TooYoung { .. }
        | Reason::AgeUnknown
        | Reason::PlatformMissing(_)
        | Reason::SignatureMissing
        | Reason::SignatureWrong(_)
        | Reason::Held(_)
        | Reason::Behind(_)
        | Reason::OtherBuild(_)
        | Reason::Unknown(_) => true,
        Reason::InUse
        | Reason::NotAVersion
        | Reason::NothingToCompare
        | Reason::NotFollowed
        | Reason::NotInFamily
        | Reason::NotMatched
        | Reason::Ignored
        | Reason::OutOfRange
        | Reason::PreRelease
        | Reason::Lower
        | Reason::Older
        | Reason::Outranked
        | Reason::SameVersion
        | Reason::NotBefore
        | Reason::NotNext => false,
    }
}
