//! Candidates: every tag of an explanation in the order of the list, with what became of it.

use std::fmt;

use crate::model::decision::{Decision, Origin, Reason, Verdict};
use crate::model::image::Tag;
use crate::model::tags::{TagIndex, TagList};

/// What became of a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It is to be used.
    Chosen,
    /// It is the one in use.
    Current,
    /// It is neither.
    Rejected,
}

impl State {
    /// Returns the state's word in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Chosen => "chosen",
            Self::Current => "current",
            Self::Rejected => "rejected",
        }
    }
}

/// Why a tag is in its state.
#[derive(Debug, Clone, Copy)]
pub enum Why<'a> {
    /// It won under the policy.
    Won(&'a Decision),
    /// The decision gives this reason.
    Given(&'a Reason),
    /// Nothing was decided for this image, for a reason in words.
    Undecided(&'a str),
    /// It stands in the file, and the decision says no more of it.
    InUse,
    /// The decision names no reason.
    Unnamed,
}

impl fmt::Display for Why<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Won(decision) if decision.question.origin == Origin::Before => {
                write!(formatter, "the environment before has it")
            }
            Self::Won(decision) => write!(formatter, "best that {} allows", decision.question.policy),
            Self::Given(reason) => write!(formatter, "{reason}"),
            Self::Undecided(reason) => write!(formatter, "undecided: {reason}"),
            Self::InUse => write!(formatter, "in use"),
            Self::Unnamed => write!(formatter, "no reason given"),
        }
    }
}

/// A tag with what became of it.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// The tag.
    pub tag: &'a str,
    /// What became of it.
    pub state: State,
    /// Why.
    pub why: Why<'a>,
}

/// Visits every tag: the chosen one first where the list does not hold it, then all in the list's order.
pub fn of<'a>(decision: &'a Decision, list: Option<&'a TagList>) -> Vec<Candidate<'a>> {
    let chosen = decision.chosen().map(Tag::as_str);
    let current = decision.question.current.tag.as_ref().map(Tag::as_str);
    let won = |tag| Candidate { tag, state: State::Chosen, why: Why::Won(decision) };
    let mut candidates = Vec::with_capacity(list.map_or(1, |list| list.len() + 1));
    let mut rejected = decision.rejected.iter().peekable();
    let mut has_chosen = false;
    for (index, tag) in list.into_iter().flat_map(TagList::iter) {
        let given = rejected.next_if(|(tag, _)| *tag == index).map(|(_, reason)| reason);
        has_chosen |= chosen == Some(tag);
        candidates.push(match given {
            _ if chosen == Some(tag) => won(tag),
            // Nothing was chosen, so that nothing is lower than that.
            Some(Reason::Outranked) if chosen.is_none() && current != Some(tag) => {
                Candidate { tag, state: State::Rejected, why: unnamed(&decision.verdict) }
            }
            Some(reason) if current == Some(tag) => Candidate { tag, state: State::Current, why: Why::Given(reason) },
            Some(reason) => Candidate { tag, state: State::Rejected, why: Why::Given(reason) },
            None if current == Some(tag) => Candidate { tag, state: State::Current, why: Why::InUse },
            None => Candidate { tag, state: State::Rejected, why: unnamed(&decision.verdict) },
        });
    }
    match chosen {
        Some(tag) if !has_chosen => candidates.insert(0, won(tag)),
        _ => {}
    }
    candidates
}

fn unnamed(verdict: &Verdict) -> Why<'_> {
    match verdict {
        Verdict::Undecided(reason) => Why::Undecided(reason),
        Verdict::Keep | Verdict::Move { .. } => Why::Unnamed,
    }
}

/// Returns the text of a rejected tag; `None` where the list does not hold the position.
pub fn text_of(list: Option<&TagList>, index: TagIndex) -> Option<&str> {
    list.filter(|list| (index.0 as usize) < list.len()).map(|list| list.at(index))
}
