//! What may move in one environment: candidates by group, judged by its gates.
//!
//! Entry point: [`stage`]. Where one environment before is enough, each is tried by itself, and the best is taken.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::model::decision::{Decision, Reason, Verdict};
use crate::model::environment::{Environment, EnvironmentName, Environments, Publish};
use crate::model::gate::{GateSpec, GateState};
use crate::model::image::ImageName;
use crate::model::observation::Observation;
use crate::model::outcome::Skipped;
use crate::model::policy::Groups;
use crate::model::proposal::{Action, Move, Proposal, Way};
use crate::model::site::{Place, Value};
use crate::model::source::SourceQuestion;
use crate::promote::candidates::{Candidate, Holding, Search, Settled, predecessors, runs};
use crate::promote::gates::{self, Bench, Judged};
use crate::promote::introduced::{self, Together};
use crate::promote::ways::{self, Alone};
use crate::promote::{ForgeWants, published, soaking};

/// What one environment comes to.
#[derive(Debug, Default)]
pub(super) struct Stage {
    /// What decisions come to, by their positions, where the environment follows others.
    pub(super) settled: BTreeMap<usize, Settled>,
    /// What moves, or waits.
    pub(super) proposals: Vec<Proposal>,
    /// What cannot even be proposed.
    pub(super) skipped: Vec<Skipped>,
    /// What gates ask of sources.
    pub(super) questions: BTreeSet<SourceQuestion>,
    /// What has to be asked of the forge.
    pub(super) forge: ForgeWants,
    /// When the groups may move once they are approved, where that is known and nothing else keeps them.
    pub(super) opens: BTreeMap<String, Timestamp>,
    /// Where one environment before is enough, what every way comes to, by the positions of decisions.
    pub(super) ways: BTreeMap<usize, Vec<Way>>,
}

/// Finds what may move in an environment.
pub(super) fn stage(
    search: &mut Search<'_>,
    environment: &Environment,
    groups: &Groups,
    names: &BTreeMap<ImageName, String>,
) -> Stage {
    if !environment.after_any {
        return one(search, environment, groups, names);
    }
    let alone = environment.after.iter().map(|before| {
        let alone = Environment { after: vec![before.clone()], after_any: false, ..environment.clone() };
        Alone { before: before.name().clone(), stage: one(search, &alone, groups, names) }
    });
    let all: Vec<Alone> = alone.collect();
    ways::best(all, search.decisions, names)
}

/// Finds what may move where all environments before count.
fn one(
    search: &mut Search<'_>,
    environment: &Environment,
    groups: &Groups,
    names: &BTreeMap<ImageName, String>,
) -> Stage {
    let mut stage = Stage::default();
    let decisions: &[Decision] = search.decisions;
    let observation = search.observation;
    let own: Vec<(usize, &Decision)> = decisions
        .iter()
        .enumerate()
        .filter(|(_, decision)| decision.question.environment == environment.name)
        .collect();
    let mut moving: BTreeMap<&str, Vec<Move>> = BTreeMap::new();
    let mut blocked: BTreeMap<&str, String> = BTreeMap::new();
    let mut held: BTreeMap<&str, Holding> = BTreeMap::new();
    let mut held_alone: BTreeMap<&str, Vec<(Move, Holding)>> = BTreeMap::new();
    let mut candidates: Vec<Candidate> =
        own.iter().map(|(_, decision)| candidate(search, decision, environment)).collect();
    let apart = if introduced::counts(environment) {
        together(search, environment, groups, &own, &mut candidates)
    } else {
        BTreeMap::new()
    };
    for ((index, decision), candidate) in own.into_iter().zip(candidates) {
        let image = &decision.question.image;
        let group = names.get(image).map_or("", String::as_str);
        if !environment.after.is_empty() {
            stage.settled.insert(index, candidate.settled());
        }
        match candidate {
            Candidate::Move(step) => moving.entry(group).or_default().push(*step),
            Candidate::Keep => {
                // Alone it just stays; the others of its group must not go on without it.
                if environment.after.is_empty()
                    && groups.of(image).is_some()
                    && let Some(holding) = held_back(search, decision, environment)
                {
                    hold(&mut held, group, holding);
                }
            }
            Candidate::Held(step, holding) if groups.of(image).is_none() => {
                held_alone.entry(group).or_default().push((*step, holding));
            }
            Candidate::Held(step, Holding { why, until }) => {
                let why = format!("the group moves together: {image}: {} is held: {why}", step.to);
                hold(&mut held, group, Holding { why, until });
                moving.entry(group).or_default().push(*step);
            }
            Candidate::Blocked(reason) => {
                blocked.entry(group).or_insert_with(|| format!("{image}: {reason}"));
                let reason = format!("in {}: {reason}", environment.name);
                stage.skipped.push(Skipped { what: image.to_string(), reason });
            }
            Candidate::Undecided(reason) => {
                blocked.entry(group).or_insert_with(|| format!("{image}: {reason}"));
            }
        }
    }
    for (group, steps) in held_alone {
        let others = moving.contains_key(group);
        for (step, Holding { why, until }) in steps {
            let why = format!("{} is held: {why}", step.to);
            if others {
                // What is held for one place stops no other.
                let reason = format!("in {}: {why}", environment.name);
                stage.skipped.push(Skipped { what: step.image.to_string(), reason });
            } else {
                hold(&mut held, group, Holding { why, until });
                moving.entry(group).or_default().push(step);
            }
        }
    }
    for (group, reason) in missing(search.observation, search.decisions, environment, groups).into_iter().chain(apart) {
        blocked.entry(group).or_insert(reason);
    }
    let left_behind =
        left_behind(search.observation, (search.environments, search.decisions), environment, groups, &moving);
    for (group, reason) in left_behind {
        blocked.entry(group).or_insert(reason);
    }
    for (group, moves) in moving {
        // A configured group moves together: it waits for what cannot be told of one of its images.
        let held_up = blocked
            .get(group)
            .or_else(|| observation.half_known.get(&environment.name))
            .filter(|_| groups.0.iter().any(|configured| configured.name == group));
        let soaking = soaking(observation, search.matching, environment, &moves);
        let proofs = gates::proofs(observation, search.matching, environment, &moves);
        let key = (environment.name.clone(), group.to_owned());
        if !held.contains_key(group) {
            stage.questions.extend(unanswered(observation, environment, &moves));
            stage.forge.checks.extend(gates::wants(environment, &proofs));
            let is_approved = environment.gates.iter().any(|gate| matches!(gate, GateSpec::Approvals(_)));
            if is_approved && !observation.approvals.contains_key(&key) {
                stage.forge.approvals.insert(key.clone());
            }
        }
        let forge =
            gates::Forge { proofs: &proofs, approvals: observation.approvals.get(&key), publish: environment.publish };
        let asking = (&environment.name, moves.as_slice());
        let answers = &observation.answers;
        let bench = Bench { now: observation.now, soaking: &soaking, asking, answers, forge };
        let judged = gates::judge(&environment.gates, &bench);
        let holding = held.remove(group);
        // Once it is held no more the gates decide, as far as time alone tells today.
        let free = holding.as_ref().filter(|_| held_up.is_none()).and_then(|holding| holding.until);
        let free = free.and_then(|until| gates::earliest(&environment.gates, &bench, until));
        drop(proofs);
        stage.opens.extend(
            judged
                .opens
                .filter(|_| held_up.is_none() && !held.contains_key(group))
                .map(|opens| (group.to_owned(), opens)),
        );
        let mut proposal = propose(environment, group, moves, held_up, judged);
        if let Some(holding) = holding {
            proposal.action = Action::Held;
            proposal.reason = Some(holding.why);
            proposal.earliest = free;
        }
        stage.proposals.push(proposal);
    }
    stage
}

/// Chooses what comes to each configured group among what ran together, where each image by itself could take what it never
/// ran with; returns the groups of which nothing may come, and why.
fn together<'g>(
    search: &mut Search<'_>,
    environment: &Environment,
    groups: &'g Groups,
    own: &[(usize, &Decision)],
    candidates: &mut [Candidate],
) -> BTreeMap<&'g str, String> {
    let mut apart = BTreeMap::new();
    for group in &groups.0 {
        let is_member = |at: &usize| groups.of(&own[*at].1.question.image).is_some_and(|own| own.name == group.name);
        let members: Vec<usize> = (0..own.len()).filter(is_member).collect();
        let decisions: Vec<&Decision> = members.iter().map(|at| own[*at].1).collect();
        let alone: Vec<&Candidate> = members.iter().map(|at| &candidates[*at]).collect();
        match search.together(environment, &decisions, &alone) {
            Together::Alone => {}
            Together::Chosen(chosen) => {
                for (at, candidate) in members.into_iter().zip(chosen) {
                    candidates[at] = candidate;
                }
            }
            Together::Apart(reason) => drop(apart.insert(group.name.as_str(), reason)),
        }
    }
    apart
}

/// Notes that a group is held: the first says why, and the last of them ends it.
fn hold<'g>(held: &mut BTreeMap<&'g str, Holding>, group: &'g str, holding: Holding) {
    let until = holding.until;
    let known = held.entry(group).or_insert(holding);
    known.until = known.until.zip(until).map(|(one, other)| one.max(other));
}

/// Finds for each configured group an image of it that an environment before runs, and that nothing follows here: the group
/// is half present.
pub(super) fn missing<'g>(
    observation: &Observation,
    decisions: &[Decision],
    environment: &Environment,
    groups: &'g Groups,
) -> BTreeMap<&'g str, String> {
    let mut found = BTreeMap::new();
    let runs = |name, image| !runs(observation, decisions, name, image).is_empty();
    let before: Vec<&EnvironmentName> = predecessors(environment).collect();
    let own = decisions.iter().map(|decision| &decision.question);
    let own = own.filter(|question| before.contains(&&question.environment)).map(|question| &question.image);
    let elsewhere = before.iter().filter_map(|name| observation.elsewhere.get(*name));
    let images: BTreeSet<&ImageName> = own.chain(elsewhere.flat_map(|elsewhere| elsewhere.runs.keys())).collect();
    for image in images {
        let Some(group) = groups.of(image).filter(|_| !runs(&environment.name, image)) else { continue };
        if let Some(before) = before.iter().find(|before| runs(before, image)) {
            let reason = format!("{image}: {before} runs it, and nothing follows it in {}", environment.name);
            found.entry(group.name.as_str()).or_insert(reason);
        }
    }
    found
}

/// Finds for each configured group a place of one of its images that a fault in its file keeps as it is, and that would not have
/// what the others of its image come to: an environment would run two versions of the group.
pub(super) fn left_behind<'g>(
    observation: &Observation,
    (environments, decisions): (&Environments, &[Decision]),
    environment: &Environment,
    groups: &'g Groups,
    moving: &BTreeMap<&str, Vec<Move>>,
) -> BTreeMap<&'g str, String> {
    let mut found = BTreeMap::new();
    if groups.0.is_empty() {
        return found;
    }
    for site in &observation.sites {
        let (Some(image), Some(fault)) = (&site.image, site.fault()) else { continue };
        // Where no version is written, a chart or a range chooses it: none is left behind.
        if site.value == Value::default() {
            continue;
        }
        let Some(group) = groups.of(image) else { continue };
        let Some(moves) = moving.get(group.name.as_str()) else { continue };
        let owner = environments.of(site.branch.as_ref(), site.file.as_str());
        if owner.is_none_or(|owner| owner.name != environment.name) {
            continue;
        }
        let moved = moves.iter().filter(|step| step.image == *image).map(|step| &step.to.tag);
        let mut comes: BTreeSet<_> = moved.collect();
        if comes.is_empty() {
            let stands = runs(observation, decisions, &environment.name, image);
            comes.extend(stands.into_iter().map(|value| &value.tag));
        }
        if comes.iter().any(|tag| **tag != site.value.tag) {
            let place = Place(&site.file, site.position);
            found.entry(group.name.as_str()).or_insert_with(|| format!("{image}: {place} cannot be changed: {fault}"));
        }
    }
    found
}

/// Tells which version a decision left out because a person holds it.
fn held_back(search: &Search<'_>, decision: &Decision, environment: &Environment) -> Option<Holding> {
    let image = &decision.question.image;
    let tags = search.observation.images.get(image)?.as_ref().ok()?;
    let (tag, reason) = decision
        .rejected
        .iter()
        .find(|(_, reason)| matches!(reason, Reason::Held(_) | Reason::Behind(_) | Reason::OtherBuild(_)))?;
    let tag = tags.list.at(tag);
    let value = tag.parse().ok().map(|tag| Value { tag: Some(tag), digest: None });
    let until = value.and_then(|value| search.held_until(environment, image, &value));
    Some(Holding { why: format!("the group moves together: {image}: {tag} is {reason}"), until })
}

/// What a decision comes to in its environment.
fn candidate(search: &mut Search<'_>, decision: &Decision, environment: &Environment) -> Candidate {
    if !environment.after.is_empty() {
        return search.settle(decision, environment);
    }
    match &decision.verdict {
        Verdict::Keep => Candidate::Keep,
        Verdict::Undecided(reason) => Candidate::Undecided(reason.clone()),
        Verdict::Move { to, step } => {
            let step = Move {
                image: decision.question.image.clone(),
                from: decision.question.current.clone(),
                to: to.clone(),
                step: *step,
                pin: decision.question.policy.pins(),
                sites: decision.question.sites.clone(),
                published: published(search.observation, &decision.question.image, to),
            };
            search.admit_there(environment, step)
        }
    }
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
    Judged { gates, earliest, .. }: Judged,
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
