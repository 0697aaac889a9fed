//! Stage 3, promote: what may move in which environment, and what that waits for.
//!
//! Entry point: [`promote`]. Pure over what was observed and decided; an environment with `after` takes
//! its candidates from what the environments before it run in Git, never from a registry.

mod candidates;
pub mod drift;
pub mod figures;
mod gates;
pub mod order;
pub mod record;
mod watch;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::model::checks::ChecksWant;
use crate::model::decision::{Decision, Reason, Verdict};
use crate::model::environment::{Environment, EnvironmentName, Environments, Publish};
use crate::model::gate::{GateSpec, GateState};
use crate::model::image::{Digest, ImageName};
use crate::model::observation::Observation;
use crate::model::outcome::Skipped;
use crate::model::policy::Groups;
use crate::model::proposal::{Action, Move, Proposal};
use crate::model::site::Value;
use crate::model::source::SourceQuestion;
use crate::model::watch::Watch;

use self::candidates::{Candidate, Search};
use self::gates::{Bench, Judged, Soaking};

/// What may move, and what was passed by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Promoted {
    /// The decisions, in which an environment with `after` chooses what the one before it runs.
    pub decisions: Vec<Decision>,
    /// One for each environment and group that has something newer, by environment and group.
    pub proposals: Vec<Proposal>,
    /// Promotions that cannot even be proposed, with the reason.
    pub skipped: Vec<Skipped>,
    /// The group of every image.
    pub groups: BTreeMap<ImageName, String>,
    /// Histories to read; empty when the proposals are final.
    pub wants: BTreeSet<(EnvironmentName, ImageName)>,
    /// What gates ask of sources and is not answered yet; empty when the proposals are final.
    pub questions: BTreeSet<SourceQuestion>,
    /// What has to be asked of the forge; empty when the proposals are final.
    pub forge: ForgeWants,
    /// What is watched after it came.
    pub watches: Vec<Watch>,
}

/// What has to be asked of the forge before proposals are final.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ForgeWants {
    /// Commits whose checks count.
    pub checks: BTreeSet<ChecksWant>,
    /// The groups of whose pull requests approvals count.
    pub approvals: BTreeSet<(EnvironmentName, String)>,
}

impl ForgeWants {
    /// Whether nothing has to be asked.
    pub fn is_empty(&self) -> bool {
        self.checks.is_empty() && self.approvals.is_empty()
    }
}

/// Turns decisions into proposals.
pub fn promote(
    observation: &Observation,
    decisions: Vec<Decision>,
    environments: &Environments,
    groups: &Groups,
) -> Promoted {
    let names = group_names(&decisions, groups);
    let mut promoted = Promoted::default();
    let mut settled: BTreeMap<usize, Verdict> = BTreeMap::new();
    let mut wants = BTreeSet::new();
    promoted.watches = watch::watches(observation, &decisions, environments, &names, &mut wants, &mut promoted.forge);
    let watches = &promoted.watches;
    let mut search = Search { observation, environments, decisions: &decisions, watches, wants: &mut wants };
    for environment in &environments.0 {
        let own: Vec<(usize, &Decision)> = decisions
            .iter()
            .enumerate()
            .filter(|(_, decision)| decision.question.environment == environment.name)
            .collect();
        let mut moving: BTreeMap<&str, Vec<Move>> = BTreeMap::new();
        let mut blocked: BTreeMap<&str, String> = BTreeMap::new();
        let mut held: BTreeMap<&str, String> = BTreeMap::new();
        for (index, decision) in own {
            let image = &decision.question.image;
            let group = names.get(image).map_or("", String::as_str);
            let candidate = candidate(&mut search, decision, environment);
            if !environment.after.is_empty() {
                settled.insert(index, candidate.verdict());
            }
            match candidate {
                Candidate::Move(step) => moving.entry(group).or_default().push(*step),
                Candidate::Keep => {
                    // Alone it just stays; the others of its group must not go on without it.
                    if environment.after.is_empty()
                        && groups.of(image).is_some()
                        && let Some(reason) = held_back(decision, observation)
                    {
                        held.entry(group).or_insert(reason);
                    }
                }
                Candidate::Held(step, reason) => {
                    held.entry(group).or_insert(reason);
                    moving.entry(group).or_default().push(*step);
                }
                Candidate::Blocked(reason) => {
                    blocked.entry(group).or_insert_with(|| format!("{image}: {reason}"));
                    let reason = format!("in {}: {reason}", environment.name);
                    promoted.skipped.push(Skipped { what: image.to_string(), reason });
                }
                Candidate::Undecided(reason) => {
                    blocked.entry(group).or_insert_with(|| format!("{image}: {reason}"));
                }
            }
        }
        for (group, moves) in moving {
            // A configured group moves together: it waits for what cannot be told of one of its images.
            let held_up = blocked
                .get(group)
                .or_else(|| observation.half_known.get(&environment.name))
                .filter(|_| groups.0.iter().any(|configured| configured.name == group));
            let soaking = soaking(observation, environment, &moves);
            let proofs = gates::proofs(observation, environment, &moves);
            let key = (environment.name.clone(), group.to_owned());
            if !held.contains_key(group) {
                promoted.questions.extend(unanswered(observation, environment, &moves));
                promoted.forge.checks.extend(gates::wants(environment, &proofs));
                let is_approved = environment.gates.iter().any(|gate| matches!(gate, GateSpec::Approvals(_)));
                if is_approved && !observation.approvals.contains_key(&key) {
                    promoted.forge.approvals.insert(key.clone());
                }
            }
            let forge = gates::Forge {
                proofs: &proofs,
                approvals: observation.approvals.get(&key),
                publish: environment.publish,
            };
            let asking = (&environment.name, moves.as_slice());
            let answers = &observation.answers;
            let bench = Bench { now: observation.now, soaking: &soaking, asking, answers, forge };
            let judged = gates::judge(&environment.gates, &bench);
            drop(proofs);
            let mut proposal = propose(environment, group, moves, held_up, judged);
            if let Some(reason) = held.remove(group) {
                proposal.action = Action::Held;
                proposal.reason = Some(reason);
                proposal.earliest = None;
            }
            promoted.proposals.push(proposal);
        }
    }
    promoted.wants = wants;
    promoted.decisions = decisions;
    promoted.groups = names;
    for (index, verdict) in settled {
        candidates::settle_decision(&mut promoted.decisions[index], verdict, observation);
    }
    promoted
}

/// Tells which version a decision left out because a person holds it.
fn held_back(decision: &Decision, observation: &Observation) -> Option<String> {
    let image = &decision.question.image;
    let tags = observation.images.get(image)?.as_ref().ok()?;
    let (tag, reason) = decision.rejected.iter().find(|(_, reason)| matches!(reason, Reason::Held(_)))?;
    Some(format!("the group moves together: {image}: {} is {reason}", tags.list.at(tag)))
}

/// Returns what approvals say of a head that nobody has seen yet.
pub fn unapproved(wanted: u32) -> GateState {
    gates::missing(wanted, 0)
}

/// What a decision comes to in its environment.
fn candidate(search: &mut Search<'_>, decision: &Decision, environment: &Environment) -> Candidate {
    if !environment.after.is_empty() {
        return search.settle(decision, environment);
    }
    match &decision.verdict {
        Verdict::Keep => Candidate::Keep,
        Verdict::Undecided(reason) => Candidate::Undecided(reason.clone()),
        Verdict::Move { to, step } => Candidate::Move(Box::new(Move {
            image: decision.question.image.clone(),
            from: decision.question.current.clone(),
            to: to.clone(),
            step: *step,
            pin: decision.question.policy.pins(),
            sites: decision.question.sites.clone(),
            published: published(search.observation, &decision.question.image, to),
        })),
    }
}

/// Tells when a version was published, as far as the observation knows: pushed, else made.
pub fn published(observation: &Observation, image: &ImageName, value: &Value) -> Option<Timestamp> {
    let facts = observation.images.get(image)?.as_ref().ok()?.facts.get(value.tag.as_ref()?)?;
    let is_of_it = |digest: &Option<Digest>| match (digest, &value.digest) {
        (Some(told), Some(wanted)) => told == wanted,
        _ => true,
    };
    facts.pushed.filter(|_| is_of_it(&facts.pushed_digest)).or(facts.created.filter(|_| is_of_it(&facts.digest)))
}

/// Finds since when each moving image has been in every environment before.
fn soaking(observation: &Observation, environment: &Environment, moves: &[Move]) -> Vec<Soaking> {
    let of = |step: &Move| {
        let before = candidates::predecessors(environment);
        before.map(|before| gates::soaking(observation, before, &step.image, &step.to)).collect::<Vec<_>>()
    };
    moves.iter().flat_map(of).collect()
}

/// Returns what the gates of an environment ask of sources before these images may come, and nobody has answered.
fn unanswered<'a>(
    observation: &'a Observation,
    environment: &'a Environment,
    moves: &'a [Move],
) -> impl Iterator<Item = SourceQuestion> + 'a {
    let asked = environment.gates.iter().flat_map(|spec| gates::questions(spec, &environment.name, moves));
    asked.filter(|question| !observation.answers.contains_key(question))
}

/// Says what becomes of the moves.
fn propose(
    environment: &Environment,
    group: &str,
    moves: Vec<Move>,
    held_up: Option<&String>,
    Judged { gates, earliest }: Judged,
) -> Proposal {
    let gates_pass = gates.iter().all(|gate| gate.state == GateState::Pass);
    let (action, reason) = match (held_up, gates_pass, environment.publish) {
        (Some(reason), _, _) => (Action::Waiting, Some(format!("the group moves together: {reason}"))),
        (None, false, Publish::Commit) => (Action::Waiting, None),
        (None, true, Publish::Commit) => (Action::Committed, None),
        // It stands at once, its gates shown in it; they hold back the merge alone.
        (None, _, Publish::PullRequest | Publish::AutoMerge) => (Action::Opened, None),
    };
    Proposal {
        environment: environment.name.clone(),
        group: group.to_owned(),
        publish: environment.publish,
        branch: None,
        url: None,
        moves,
        gates,
        action,
        reason,
        earliest: earliest.filter(|_| matches!(action, Action::Waiting | Action::Opened) && held_up.is_none()),
    }
}

/// Names the group of every image; where two images' own names collide, a short hash tells them apart.
fn group_names(decisions: &[Decision], groups: &Groups) -> BTreeMap<ImageName, String> {
    let images: BTreeSet<&ImageName> = decisions.iter().map(|decision| &decision.question.image).collect();
    let mut taken: BTreeMap<String, usize> = groups.0.iter().map(|group| (group.name.clone(), 1)).collect();
    for image in images.iter().filter(|image| groups.of(image).is_none()) {
        *taken.entry(image.group_name()).or_default() += 1;
    }
    let name = |image: &ImageName| match groups.of(image) {
        Some(group) => group.name.clone(),
        None => {
            let own = image.group_name();
            let collides = taken.get(&own).is_some_and(|count| *count > 1);
            if collides { format!("{own}-{:08x}", short_hash(image.as_str())) } else { own }
        }
    };
    images.into_iter().map(|image| (image.clone(), name(image))).collect()
}

/// FNV-1a over the bytes: the same on every machine and in every version, which branch names must be.
fn short_hash(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// Returns the environments whose predecessor is one of `moved`: those that may follow in another pass.
pub fn followers<'a>(
    environments: &'a Environments,
    moved: &'a BTreeSet<EnvironmentName>,
) -> impl Iterator<Item = &'a EnvironmentName> {
    environments
        .0
        .iter()
        .filter(|environment| candidates::predecessors(environment).any(|before| moved.contains(before)))
        .map(|environment| &environment.name)
}

#[cfg(test)]
mod tests;
