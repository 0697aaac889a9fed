//! What a pass came to, in figures: for its log line and for metrics.
//!
//! Pure: counts what an outcome holds.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::decision::{Reason, Verdict};
use crate::model::gate::GateState;
use crate::model::image::ImageName;
use crate::model::outcome::Outcome;
use crate::model::proposal::Action;

/// The figures of one pass.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Figures {
    /// Decisions, by what they came to: `keep`, `move`, `undecided`.
    pub(super) decisions: BTreeMap<&'static str, u64>,
    /// References that were written to Git.
    pub(super) changes: u64,
    /// Commits that were pushed.
    pub(super) commits: u64,
    /// Proposals, by what became of them.
    pub(super) proposals: BTreeMap<&'static str, u64>,
    /// Gates that hold a proposal back, by name.
    pub(super) gate_waits: BTreeMap<&'static str, u64>,
    /// Versions that somebody holds, or took back, in an environment.
    pub(super) holds: u64,
    /// Targets that failed.
    pub(super) errors: u64,
    /// What was passed by on purpose.
    pub(super) skipped: u64,
}

impl Figures {
    /// Counts what an outcome holds.
    pub(super) fn of(outcome: &Outcome) -> Self {
        let mut figures = Self {
            changes: outcome.changes.len() as u64,
            commits: outcome.commits.len() as u64,
            errors: outcome.errors.len() as u64,
            skipped: outcome.skipped.len() as u64,
            ..Self::default()
        };
        for decision in &outcome.decisions {
            let verdict = match decision.verdict {
                Verdict::Keep => "keep",
                Verdict::Move { .. } => "move",
                Verdict::Undecided(_) => "undecided",
            };
            *figures.decisions.entry(verdict).or_default() += 1;
            figures.holds += decision.rejected.iter().filter(|(_, why)| matches!(why, Reason::Held(_))).count() as u64;
        }
        for proposal in &outcome.proposals {
            *figures.proposals.entry(proposal.action.as_str()).or_default() += 1;
            for gate in &proposal.gates {
                if !matches!(gate.state, GateState::Pass) {
                    *figures.gate_waits.entry(gate.name.as_str()).or_default() += 1;
                }
            }
        }
        figures
    }

    /// Returns how many decisions there were.
    pub(super) fn all_decisions(&self) -> u64 {
        self.decisions.values().sum()
    }

    /// Returns how many proposals came to something.
    pub(super) fn proposals(&self, action: Action) -> u64 {
        self.proposals.get(action.as_str()).copied().unwrap_or_default()
    }
}

/// Returns the images that decisions were made about.
pub(super) fn images(outcome: &Outcome) -> BTreeSet<ImageName> {
    outcome.decisions.iter().map(|decision| decision.question.image.clone()).collect()
}
