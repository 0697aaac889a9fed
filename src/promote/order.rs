//! What a person orders: which version is the one before, and which gates stand in the way of one at once.
//!
//! Entry points: [`version_before`] and [`gates`]. Pure over what was observed.

use std::collections::BTreeSet;

use crate::model::checks::ChecksWant;
use crate::model::decision::Decision;
use crate::model::environment::{Environment, EnvironmentName, Environments, Publish};
use crate::model::gate::{Gate, GateName, GateState};
use crate::model::history::{Mover, Ordered, Past, Timeline};
use crate::model::image::{ImageName, Tag};
use crate::model::observation::Observation;
use crate::model::proposal::Move;
use crate::model::site::Value;
use crate::model::source::SourceQuestion;
use crate::promote::candidates;
use crate::promote::gates::{self as judged, Bench};

/// Where a rollback goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Back {
    /// The value that comes.
    pub to: Value,
    /// The values that are held from then on: the one that is left, and those that had come after `to`.
    pub left: BTreeSet<Value>,
    /// Whether history tells that `to` stood there.
    pub stood: bool,
}

/// Why there is no way back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoWayBack {
    /// Tagboat has gone back already, and nothing has come since.
    #[error("it was rolled back to {0} already, and nothing has come since: `--to TAG` goes back further")]
    Already(String),
    /// It stands there.
    #[error("it runs {0} already")]
    Same(String),
    /// History does not reach a version before.
    #[error("history tells of no version before {0}: name one with `--to TAG`")]
    Unknown(String),
}

/// Finds the version that an environment ran before, whoever had brought it; or the one that is named.
///
/// Versions that are held, or that somebody took back, are passed over.
///
/// # Errors
///
/// [`NoWayBack`], with what to do.
pub fn version_before(
    past: &Past,
    current: &Value,
    named: Option<&Tag>,
    is_held: &dyn Fn(&Value) -> bool,
) -> Result<Back, NoWayBack> {
    if let Some(tag) = named
        && current.tag.as_ref() == Some(tag)
    {
        return Err(NoWayBack::Same(current.to_string()));
    }
    let oldest = jiff::Timestamp::UNIX_EPOCH;
    let nothing = Timeline { shifts: Vec::new(), asides: Vec::new(), oldest, whole: true };
    let timeline = past.timeline.as_ref().unwrap_or(&nothing);
    let latest = timeline.shifts.first();
    if named.is_none()
        && let Some(latest) = latest
        && latest.by == Mover::Tagboat
        && latest.word.order == Some(Ordered::Rollback)
        && latest.to.contains(current)
    {
        return Err(NoWayBack::Already(current.to_string()));
    }
    let stood: Vec<&Value> = timeline.shifts.iter().flat_map(|shift| shift.to.iter().chain(&shift.from)).collect();
    // The same tag without its digest is the same version: a digest was only written beside it.
    let is_other = |value: &Value| {
        value.tag != current.tag || matches!((&value.digest, &current.digest), (Some(one), Some(other)) if one != other)
    };
    let is_before = |value: &Value| match named {
        Some(tag) => value.tag.as_ref() == Some(tag),
        None => is_other(value) && value.tag.is_some() && !is_held(value) && past.hold_on(value).is_none(),
    };
    let position = stood.iter().position(|value| is_before(value));
    let to = match (position, named) {
        (Some(position), _) => stood[position].clone(),
        (None, Some(tag)) => Value { tag: Some(tag.clone()), digest: None },
        (None, None) => return Err(NoWayBack::Unknown(current.to_string())),
    };
    let mut left: BTreeSet<Value> = stood[..position.unwrap_or(0)].iter().map(|value| (*value).clone()).collect();
    left.insert(current.clone());
    left.retain(|value| value.tag.is_some() && value.tag != to.tag);
    Ok(Back { to, left, stood: position.is_some() })
}

/// Judges the gates of an environment for moves that a person orders; those that are skipped are left out.
pub fn gates(
    observation: &Observation,
    environment: &Environment,
    moves: &[Move],
    skipped: &BTreeSet<GateName>,
) -> Vec<Gate> {
    let soaking = super::soaking(observation, environment, moves);
    let proofs = judged::proofs(observation, environment, moves);
    // No pull request stands for it yet; `manual` says what lets it pass.
    let forge = judged::Forge { proofs: &proofs, approvals: None, publish: Publish::Commit };
    let asking = (&environment.name, moves);
    let bench = Bench { now: observation.now, soaking: &soaking, asking, answers: &observation.answers, forge };
    let specs: Vec<_> = environment.gates.iter().filter(|spec| !skipped.contains(&spec.name())).cloned().collect();
    judged::judge(&specs, &bench).gates
}

/// Returns what the gates that are not skipped ask of sources.
pub fn questions(
    observation: &Observation,
    environment: &Environment,
    moves: &[Move],
    skipped: &BTreeSet<GateName>,
) -> BTreeSet<SourceQuestion> {
    let specs = environment.gates.iter().filter(|spec| !skipped.contains(&spec.name()));
    let asked = specs.flat_map(|spec| judged::questions(spec, &environment.name, moves));
    asked.filter(|question| !observation.answers.contains_key(question)).collect()
}

/// Returns the commits whose checks have to be asked for before [`gates`] says anything final.
pub fn wants(observation: &Observation, environment: &Environment, moves: &[Move]) -> BTreeSet<ChecksWant> {
    let proofs = judged::proofs(observation, environment, moves);
    judged::wants(environment, &proofs)
}

/// Returns what keeps gates from passing; `None` where all pass.
pub fn objection(gates: &[Gate]) -> Option<String> {
    let told = gates.iter().filter_map(|gate| match &gate.state {
        GateState::Pass => None,
        GateState::Wait { reason, .. } | GateState::Fail { reason } => Some(format!("{}: {reason}", gate.name)),
    });
    let told: Vec<String> = told.collect();
    (!told.is_empty()).then(|| told.join("; "))
}

/// Returns the environments before one, near and far.
pub fn before<'a>(environment: &'a Environment, environments: &'a Environments) -> Vec<&'a EnvironmentName> {
    candidates::ancestors(environment, environments)
}

/// Returns what an environment before another one runs of an image, in this repository or another.
pub fn runs<'a>(
    observation: &'a Observation,
    decisions: &'a [Decision],
    before: &EnvironmentName,
    image: &ImageName,
) -> BTreeSet<&'a Value> {
    candidates::runs(observation, decisions, before, image)
}

/// Returns an environment as it follows those before it that have a version, where one of several is enough.
pub fn narrowed(environment: &Environment, has: &dyn Fn(&EnvironmentName) -> bool) -> Option<Environment> {
    let mut narrowed = environment.clone();
    narrowed.after.retain(|before| has(before.name()));
    (environment.after_any && !narrowed.after.is_empty()).then_some(narrowed)
}

/// Returns the environments right before one.
pub fn right_before(environment: &Environment) -> impl Iterator<Item = &EnvironmentName> {
    candidates::predecessors(environment)
}
