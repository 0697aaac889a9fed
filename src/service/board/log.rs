//! The log of one pass, as the board shows it: what it did, what failed, and why.
//!
//! Made from the outcome; what the program logged meanwhile is `caught`.

use serde::Serialize;

use crate::model::gate::GateState;
use crate::model::outcome::Outcome;
use crate::model::proposal::{Action, Proposal};
use crate::model::usage::Usage;

/// How many lines of one kind a pass may have.
const MOST_LINES: usize = 25;

/// The longest line, in characters.
const LONGEST_LINE: usize = 400;

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::service) enum Level {
    Info,
    Warning,
    Error,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(in crate::service) struct Line {
    pub(in crate::service) level: Level,
    pub(in crate::service) text: String,
}

impl Line {
    /// Makes one; what does not print does not enter it.
    pub(in crate::service) fn new(level: Level, text: &str) -> Self {
        let plain = |character: char| if character.is_control() && character != '\n' { '\u{fffd}' } else { character };
        let mut shown: String = text.chars().take(LONGEST_LINE).map(plain).collect();
        if text.chars().nth(LONGEST_LINE).is_some() {
            shown.push('…');
        }
        Self { level, text: shown }
    }
}

/// Tells what a pass did.
pub(in crate::service) fn of(outcome: &Outcome, usage: &Usage) -> Vec<Line> {
    let mut lines = Vec::new();
    let asked = usage.0.iter().map(|(registry, usage)| {
        let cached = if usage.cached == 0 { String::new() } else { format!(", {} answered before", usage.cached) };
        let waited =
            if usage.throttled == 0 { String::new() } else { format!(", {} refused for now", usage.throttled) };
        let count = usage.requests();
        Line::new(Level::Info, &format!("asked {registry}: {count} requests{cached}{waited}"))
    });
    add(&mut lines, asked);
    let commits = outcome.commits.iter().map(|landed| {
        let title = landed.message.lines().next().unwrap_or_default();
        Line::new(Level::Info, &format!("{}: commit {} {title}", landed.environment, landed.commit.short()))
    });
    add(&mut lines, commits);
    add(&mut lines, outcome.proposals.iter().map(of_proposal));
    add(&mut lines, outcome.errors.iter().map(|error| Line::new(Level::Error, &error.to_string())));
    let skipped = outcome.skipped.iter();
    add(&mut lines, skipped.map(|row| Line::new(Level::Info, &format!("passed by: {}: {}", row.what, row.reason))));
    lines
}

fn add(lines: &mut Vec<Line>, new: impl Iterator<Item = Line>) {
    let mut new = new.peekable();
    lines.extend(new.by_ref().take(MOST_LINES));
    let more = new.count();
    if more > 0 {
        lines.push(Line { level: Level::Info, text: format!("… and {more} more like these") });
    }
}

fn of_proposal(proposal: &Proposal) -> Line {
    let moves = proposal.moves.iter().take(3).map(|step| format!("{} {} → {}", step.image, step.from, step.to));
    let mut text = format!("{} {}: {}", proposal.environment, proposal.group, words(proposal.action));
    let more = proposal.moves.len().saturating_sub(3);
    text.push_str(&format!(" ({}", moves.collect::<Vec<_>>().join(", ")));
    text.push_str(&if more > 0 { format!(", and {more} more)") } else { ")".to_owned() });
    let gates = proposal.gates.iter().filter_map(|gate| match &gate.state {
        GateState::Pass => None,
        GateState::Wait { reason, .. } | GateState::Fail { reason } => Some(format!("; {}: {reason}", gate.name)),
    });
    gates.for_each(|gate| text.push_str(&gate));
    if let Some(reason) = &proposal.reason {
        text.push_str(&format!("; {reason}"));
    }
    Line::new(if proposal.action == Action::Failed { Level::Error } else { Level::Info }, &text)
}

/// Returns what became of a proposal, in words.
pub(super) fn words(action: Action) -> &'static str {
    match action {
        Action::Committed => "committed",
        Action::Opened => "pull request opened",
        Action::Updated => "pull request updated",
        Action::Unchanged => "pull request open",
        Action::Merged => "merged",
        Action::Enqueued => "handed to the forge to merge",
        Action::Closed => "pull request closed",
        Action::Waiting => "waiting",
        Action::Held => "held",
        Action::LeftAlone => "left to a person",
        Action::Failed => "failed",
    }
}
