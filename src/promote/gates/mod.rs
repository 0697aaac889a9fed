//! Judging gates: what each says at a moment, and the first moment at which time alone lets all of them pass.
//!
//! The entry point is [`judge`]. Pure over the observed past and `now`. A gate that this version cannot ask waits and
//! says so: nothing passes because something was not asked.

mod calendar;
mod checks;
mod facts;
mod people;
mod soak;
mod source;

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::model::environment::{EnvironmentName, Publish};
use crate::model::gate::{Gate, GateName, GateSpec, GateState};
use crate::model::proposal::Move;
use crate::model::pull_request::Approvals;
use crate::model::source::{Answer, SourceQuestion};

/// How many times the moment is moved on before windows and freezes are taken for closed for ever.
const MAX_MOMENTS: usize = 1_000;

/// What the gates of one proposal are judged by.
pub(super) struct Bench<'a> {
    /// The moment.
    pub(super) now: Timestamp,
    /// How long each moving image has been in each environment before.
    pub(super) soaking: &'a [Soaking],
    /// Where to and what would move, which questions to sources may name.
    pub(super) asking: (&'a EnvironmentName, &'a [Move]),
    /// What sources have answered.
    pub(super) answers: &'a BTreeMap<SourceQuestion, Result<Answer, String>>,
    /// What the forge told for them.
    pub(super) forge: Forge<'a>,
}

/// What a forge told for one proposal.
pub(super) struct Forge<'a> {
    /// On which commits the environments before have had what moves.
    pub(super) proofs: &'a [Proof<'a>],
    /// Who approves its pull request; `None` where nobody was asked.
    pub(super) approvals: Option<&'a Result<Approvals, String>>,
    /// How it is published.
    pub(super) publish: Publish,
}

/// What the gates say together.
pub(super) struct Judged {
    /// What each says now.
    pub(super) gates: Vec<Gate>,
    /// When all pass by time alone, where that is later than now and known.
    pub(super) earliest: Option<Timestamp>,
    /// When all others pass that are not approvals: long ago where they do now, and `None` where that is not known.
    pub(super) opens: Option<Timestamp>,
}

/// Judges every gate of an environment; one that cannot be judged never passes.
pub(super) fn judge(specs: &[GateSpec], bench: &Bench<'_>) -> Judged {
    let gate = |spec: &GateSpec| {
        let state = state(spec, bench, bench.now);
        let facts = if state == GateState::Pass { facts::of(spec, bench) } else { None };
        let closes = if state == GateState::Pass { closes(spec, bench.now) } else { None };
        Gate { name: spec.name(), state, facts, closes, lasting: lasting(spec, bench) }
    };
    let gates: Vec<Gate> = specs.iter().map(gate).collect();
    let is_approvals = |spec: &&GateSpec| spec.name() == GateName::Approvals;
    let others: Vec<GateSpec> = specs.iter().filter(|spec| !is_approvals(spec)).cloned().collect();
    let mut now = gates.iter().filter(|gate| gate.name != GateName::Approvals);
    let is_open = now.all(|gate| gate.state == GateState::Pass);
    let opens = if is_open { Some(Timestamp::MIN) } else { earliest(&others, bench, bench.now) };
    let earliest = earliest(specs, bench, bench.now).filter(|moment| *moment > bench.now);
    Judged { earliest, opens, gates }
}

/// Returns when a gate that passes closes again by time alone.
fn closes(spec: &GateSpec, moment: Timestamp) -> Option<Timestamp> {
    match spec {
        GateSpec::Windows(windows) => calendar::closes(windows, moment),
        GateSpec::Freezes(freezes) => calendar::begins(freezes, moment).map(|(begins, _)| begins),
        GateSpec::Soak { .. }
        | GateSpec::Checks(_)
        | GateSpec::Query { .. }
        | GateSpec::Http { .. }
        | GateSpec::Approvals(_)
        | GateSpec::Manual => None,
    }
}

/// Finds the first moment, from one on, at which every gate passes; `None` where one waits for more than time.
pub(super) fn earliest(specs: &[GateSpec], bench: &Bench<'_>, from: Timestamp) -> Option<Timestamp> {
    let mut moment = from;
    for _ in 0..MAX_MOMENTS {
        let mut next = moment;
        for spec in specs {
            match state(spec, bench, moment) {
                GateState::Pass => {}
                GateState::Wait { until: Some(until), .. } => next = next.max(until),
                GateState::Wait { until: None, .. } | GateState::Fail { .. } => return None,
            }
        }
        if next == moment {
            return Some(moment);
        }
        moment = next;
    }
    None
}

fn state(spec: &GateSpec, bench: &Bench<'_>, moment: Timestamp) -> GateState {
    match spec {
        GateSpec::Soak { time, count } => soak::state(bench.soaking, (*time, *count), moment),
        GateSpec::Windows(windows) => calendar::windows(windows, moment),
        GateSpec::Freezes(freezes) => calendar::freezes(freezes, moment),
        GateSpec::Query { .. } | GateSpec::Http { .. } => source::state(spec, bench),
        GateSpec::Checks(names) => checks::state(names, bench.forge.proofs),
        GateSpec::Approvals(wanted) => people::approvals(*wanted, bench.forge.approvals),
        GateSpec::Manual => people::manual(bench.forge.publish),
    }
}

/// Says why a gate does not pass, where its reason holds what is another figure in each pass, without that.
fn lasting(spec: &GateSpec, bench: &Bench<'_>) -> Option<String> {
    match spec {
        GateSpec::Soak { time, count } => soak::lasting(bench.soaking, (*time, *count), bench.now),
        GateSpec::Query { .. } | GateSpec::Http { .. } => source::lasting(spec, bench),
        GateSpec::Windows(_)
        | GateSpec::Freezes(_)
        | GateSpec::Checks(_)
        | GateSpec::Approvals(_)
        | GateSpec::Manual => None,
    }
}

pub(super) use self::checks::{Proof, chosen, proofs, wants};
pub(super) use self::people::missing;
pub(super) use self::soak::{Soaking, introduced, soaking, starving};
pub(super) use self::source::questions;

#[cfg(test)]
mod tests;
