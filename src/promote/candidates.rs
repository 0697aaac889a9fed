//! What an environment with `after` may take: the value that every environment before it runs in Git.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::model::decision::{Decision, Question, Reason, Verdict};
use crate::model::environment::{Environment, EnvironmentName, Predecessor};
use crate::model::image::Tag;
use crate::model::observation::Observation;
use crate::model::policy::{Pin, Select, Step};
use crate::model::proposal::Move;
use crate::model::signature::{SignatureVerdict, SignatureWant};
use crate::model::site::Value;
use crate::model::tags::TagIndex;

/// What a question comes to.
pub(super) enum Candidate {
    /// It may move.
    Move(Move),
    /// It stands where it should.
    Keep,
    /// It cannot move, and a person should know why.
    Blocked(String),
    /// Facts are missing; reported elsewhere.
    Undecided(String),
}

impl Candidate {
    /// Returns what the decision comes to, seen from the environment itself.
    pub(super) fn verdict(&self) -> Verdict {
        match self {
            Self::Move(step) => Verdict::Move { to: step.to.clone(), step: step.step },
            Self::Keep => Verdict::Keep,
            Self::Blocked(reason) | Self::Undecided(reason) => Verdict::Undecided(reason.clone()),
        }
    }
}

/// Turns a decision among all listed tags into one among what the environment before runs.
pub(super) fn settle(decision: &mut Decision, verdict: Verdict, observation: &Observation) {
    let listed = observation.images.get(&decision.question.image).and_then(|tags| tags.as_ref().ok());
    let before = decision.chosen().cloned();
    decision.verdict = verdict;
    let Some(tags) = listed else { return };
    let chosen = decision.chosen().cloned();
    let is =
        |tag: TagIndex, other: &Option<Tag>| other.as_ref().is_some_and(|other| tags.list.at(tag) == other.as_str());
    decision.rejected.retain(|rejected| !is(rejected, &chosen));
    decision.rejected.replace(&Reason::Outranked, &Reason::NotBefore);
    // What the registry's newest would have been has no reason yet.
    if let Some(before) = before.filter(|before| Some(before) != chosen.as_ref())
        && let Some(tag) = tags.list.find(before.as_str())
    {
        decision.rejected.insert(tag, Reason::NotBefore);
    }
}

/// Returns the names of the environments before one that stand in this repository.
pub(super) fn predecessors(environment: &Environment) -> impl Iterator<Item = &EnvironmentName> {
    environment.after.iter().filter_map(|before| match before {
        Predecessor::Here(name) => Some(name),
        Predecessor::Elsewhere { .. } => None,
    })
}

/// Finds the value that all environments before this one run, and whether it is a step forward.
pub(super) fn from_predecessors(
    observation: &Observation,
    decision: &Decision,
    environment: &Environment,
    decisions: &[Decision],
) -> Candidate {
    if environment.after.iter().any(|before| matches!(before, Predecessor::Elsewhere { .. })) {
        return Candidate::Blocked("an environment of another repository before it is not read by this version".into());
    }
    let question = &decision.question;
    let mut values = BTreeSet::new();
    for before in predecessors(environment) {
        let runs: BTreeSet<&Value> = decisions
            .iter()
            .filter(|other| other.question.environment == *before && other.question.image == question.image)
            .map(|other| &other.question.current)
            .collect();
        match runs.len() {
            0 => return Candidate::Blocked(format!("{before}, which comes before it, does not run this image")),
            1 => values.extend(runs),
            _ => return Candidate::Blocked(format!("{before} runs several versions of it: {}", list(&runs))),
        }
    }
    let mut values = values.into_iter();
    let candidate = match (values.next(), values.next()) {
        (Some(value), None) => value,
        (None, _) => return Candidate::Keep,
        (Some(_), Some(_)) => {
            return Candidate::Blocked("the environments before it do not run the same version".into());
        }
    };
    judge(observation, decision, candidate)
}

/// Judges a candidate by the decision about the same question, which knows every listed tag's reason.
fn judge(observation: &Observation, decision: &Decision, candidate: &Value) -> Candidate {
    let question = &decision.question;
    if let Verdict::Undecided(reason) = &decision.verdict {
        return Candidate::Undecided(reason.clone());
    }
    let wants_digest = question.current.digest.is_some() || question.policy.pins() == Pin::Digest;
    let same_tag = candidate.tag == question.current.tag;
    let same_digest = !wants_digest || candidate.digest == question.current.digest;
    if same_tag && same_digest {
        return Candidate::Keep;
    }
    let step = match (&candidate.tag, same_tag) {
        (Some(tag), false) => match forward(observation, decision, tag) {
            Ok(step) => step,
            Err(reason) => return reason,
        },
        // The tag stays and its digest moves: only a policy that follows a moving tag asks for that,
        // or a pin that is not written yet.
        _ if matches!(question.policy.select, Select::Digest(_)) || question.current.digest.is_none() => None,
        _ => return Candidate::Blocked("the environment before it runs another digest of the same tag".into()),
    };
    if wants_digest && candidate.digest.is_none() {
        return Candidate::Blocked(
            "a digest stands here and none in the environment before it: set `pin: digest` for the image".into(),
        );
    }
    if let Some(reason) = unsigned(observation, question, candidate) {
        return reason;
    }
    let digest = candidate.digest.clone().filter(|_| wants_digest);
    Candidate::Move(Move {
        image: question.image.clone(),
        from: question.current.clone(),
        to: Value { tag: candidate.tag.clone(), digest },
        step,
        pin: question.policy.pins(),
        sites: question.sites.clone(),
    })
}

/// Returns why a candidate may not move for want of a signature: a person may have brought it to the environment before.
fn unsigned(observation: &Observation, question: &Question, candidate: &Value) -> Option<Candidate> {
    let verify = question.policy.verify.as_ref()?;
    let tag = candidate.tag.as_ref()?;
    let unknown = || Some(Candidate::Undecided(format!("the digest and signature of {tag} are not known")));
    let listed = observation.images.get(&question.image).and_then(|tags| tags.as_ref().ok());
    let known = listed.and_then(|tags| tags.facts.get(tag)).and_then(|facts| facts.digest.clone());
    let Some(digest) = candidate.digest.clone().or(known) else { return unknown() };
    let want = SignatureWant { image: question.image.clone(), tag: tag.clone(), digest, verify: Arc::clone(verify) };
    let blocked =
        |why: &str| Some(Candidate::Blocked(format!("{tag}, which the environment before it runs, is {why}")));
    match observation.signatures.get(&want) {
        Some(Ok(SignatureVerdict::Signed)) => None,
        Some(Ok(SignatureVerdict::Missing)) => blocked("not signed yet"),
        Some(Ok(SignatureVerdict::Wrong(why))) => blocked(&format!("not signed as `verify` asks: {why}")),
        Some(Err(reason)) => Some(Candidate::Undecided(reason.clone())),
        None => unknown(),
    }
}

/// Whether a tag is a step forward that the policy of this environment allows.
fn forward(observation: &Observation, decision: &Decision, tag: &Tag) -> Result<Option<Step>, Candidate> {
    if let Verdict::Move { to, step } = &decision.verdict
        && to.tag.as_ref() == Some(tag)
    {
        return Ok(*step);
    }
    let question = &decision.question;
    let listed = observation.images.get(&question.image).and_then(|tags| tags.as_ref().ok());
    let reason = listed.and_then(|tags| {
        decision.rejected.iter().find(|(rejected, _)| tags.list.at(*rejected) == tag.as_str()).map(|(_, reason)| reason)
    });
    match reason {
        Some(Reason::Outranked) => Ok(None),
        Some(Reason::SameVersion) => Err(Candidate::Keep),
        Some(Reason::Lower) => Err(Candidate::Blocked(format!(
            "it runs {}, which is ahead of {tag} in the environment before it",
            question.current
        ))),
        Some(other) => Err(Candidate::Blocked(format!("{tag}, which the environment before it runs, is {other} here"))),
        None => Err(Candidate::Blocked(format!(
            "{tag}, which the environment before it runs, is not in the registry's list any more"
        ))),
    }
}

fn list(values: &BTreeSet<&Value>) -> String {
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
