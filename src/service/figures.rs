//! What a pass came to, in figures: for its log line and for metrics.
//!
//! Pure: counts what an outcome holds.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::model::decision::{Reason, Verdict};
use crate::model::environment::Publish;
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

/// Returns the earliest moment after now at which a pass may do something that this one could not.
pub(super) fn earliest(outcome: &Outcome, now: Timestamp) -> Option<Timestamp> {
    let waiting = outcome.proposals.iter().filter_map(|proposal| proposal.earliest);
    let young =
        outcome.decisions.iter().flat_map(|decision| decision.rejected.iter()).filter_map(|(_, why)| match why {
            Reason::TooYoung { until, .. } => Some(*until),
            _ => None,
        });
    // A last look when the time of a watch is over: what failed until then still goes back.
    let watched = outcome.watches.iter().map(|watch| watch.until);
    // What is held until a moment may come from then on.
    let held = outcome.standing.iter().flat_map(|standing| &standing.status.holds).filter_map(|hold| hold.until);
    // A gate that opens or closes is told where its proposal stands, whatever else that waits for.
    let standing = outcome.proposals.iter().filter(|proposal| proposal.publish != Publish::Commit);
    let turning = standing.flat_map(|proposal| &proposal.gates).filter_map(|gate| match &gate.state {
        GateState::Pass => gate.closes,
        GateState::Wait { until, .. } => *until,
        GateState::Fail { .. } => None,
    });
    waiting.chain(young).chain(watched).chain(held).chain(turning).filter(|moment| *moment > now).min()
}

/// Returns the images that decisions were made about.
pub(super) fn images(outcome: &Outcome) -> BTreeSet<ImageName> {
    outcome.decisions.iter().map(|decision| decision.question.image.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::watch::{Watch, WatchState};

    #[test]
    fn the_end_of_a_watch_is_a_moment_at_which_something_can_change() {
        let at = |text: &str| -> Timestamp { text.parse().unwrap() };
        let watch = |until: &str| Watch {
            environment: "staging".into(),
            image: "ghcr.io/acme/web".parse().unwrap(),
            group: String::new(),
            value: crate::model::site::Value::default(),
            commit: crate::model::commit::CommitId("a".into()),
            sites: Vec::new(),
            checks: vec!["argocd/staging".into()],
            until: at(until),
            is_late: false,
            state: WatchState::Watching,
            failed_before: BTreeSet::new(),
            not_looked_at: BTreeSet::new(),
        };
        let watches = ["2026-11-20T08:30:00Z", "2026-11-20T08:10:00Z", "2026-11-20T08:00:00Z"].map(watch).into();
        let outcome = Outcome { watches, ..Outcome::default() };
        assert_eq!(earliest(&outcome, at("2026-11-20T08:00:00Z")), Some(at("2026-11-20T08:10:00Z")));
        assert_eq!(earliest(&outcome, at("2026-11-20T08:30:00Z")), None);
    }

    #[test]
    fn a_gate_that_opens_or_closes_by_time_is_one_too_where_its_proposal_stands() {
        let at = |text: &str| -> Timestamp { text.parse().unwrap() };
        let (opens, closes) = (at("2026-11-20T09:00:00Z"), at("2026-11-20T16:00:00Z"));
        let gate = |name, state, closes| crate::model::gate::Gate { name, state, facts: None, closes, lasting: None };
        let wait = |until| GateState::Wait { until, reason: String::new() };
        let with = |publish, gates: Vec<_>| {
            let proposal = crate::model::proposal::Proposal {
                environment: "prod".into(),
                group: "web".to_owned(),
                publish,
                branch: None,
                url: None,
                moves: Vec::new(),
                gates,
                action: Action::Opened,
                reason: None,
                earliest: None,
            };
            earliest(&Outcome { proposals: vec![proposal], ..Outcome::default() }, at("2026-11-20T08:00:00Z"))
        };
        use crate::model::gate::GateName::{Manual, Soak, Windows};
        let soaking = vec![gate(Soak, wait(Some(opens)), None), gate(Manual, wait(None), None)];
        assert_eq!(with(Publish::AutoMerge, soaking.clone()), Some(opens));
        let open = vec![gate(Windows, GateState::Pass, Some(closes))];
        assert_eq!(with(Publish::PullRequest, open.clone()), Some(closes));
        // Nobody is told of the gates of what is not proposed.
        assert_eq!((with(Publish::Commit, soaking), with(Publish::Commit, open)), (None, None));
    }

    #[test]
    fn the_end_of_a_hold_is_one_too() {
        let at = |text: &str| -> Timestamp { text.parse().unwrap() };
        let hold = |until: Option<&str>| crate::model::hold::Hold {
            environment: None,
            image: "ghcr.io/acme/web".parse().unwrap(),
            tag: "1.5.0".parse().unwrap(),
            digest: None,
            until: until.map(at),
            by: None,
            reason: None,
        };
        let mut standing = crate::model::record::Standing::default();
        standing.status.holds = [None, Some("2026-11-20T08:00:25Z"), Some("2026-11-20T07:00:00Z")].map(hold).into();
        let outcome = Outcome { standing: Some(Box::new(standing)), ..Outcome::default() };
        assert_eq!(earliest(&outcome, at("2026-11-20T08:00:00Z")), Some(at("2026-11-20T08:00:25Z")));
        assert_eq!(earliest(&outcome, at("2026-11-20T08:00:25Z")), None);
    }

    #[test]
    fn the_moment_at_which_a_tag_is_old_enough_is_one_too() {
        let at = |text: &str| -> Timestamp { text.parse().unwrap() };
        let until = at("2026-11-20T10:00:00Z");
        let rejected =
            [(crate::model::tags::TagIndex(0), Reason::TooYoung { until, untold: None })].into_iter().collect();
        let question = crate::model::decision::Question {
            image: "ghcr.io/acme/web".parse().unwrap(),
            environment: "dev".into(),
            policy: std::sync::Arc::new(crate::model::policy::Policy::new(crate::model::policy::Select::Newest)),
            current: crate::model::site::Value::default(),
            sites: Vec::new(),
            origin: crate::model::decision::Origin::Registry,
        };
        let verdict = Verdict::Keep;
        let decisions = vec![crate::model::decision::Decision { question, verdict, rejected }];
        let outcome = Outcome { decisions, ..Outcome::default() };
        assert_eq!(earliest(&outcome, at("2026-11-20T08:00:00Z")), Some(until));
        assert_eq!(earliest(&outcome, until), None);
    }
}
