//! From a planned pass to the outcome that reports print: rows for what failed and what was passed by.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::repository::Repository;
use crate::decide::questions::{Followed, follow};
use crate::decide::steps;
use crate::model::change::ChangeSet;
use crate::model::decision::{Decision, Origin, Question, Reason, Verdict};
use crate::model::environment::{EnvironmentName, Environments};
use crate::model::image::ImageName;
use crate::model::observation::Observation;
use crate::model::outcome::{Explanation, Outcome, Skipped, Trouble};
use crate::model::site::{PassedOver, PassedOverReason, Place, Site};
use crate::model::tags::FactKind;
use crate::model::watch::Watch;
use crate::pass::{Planned, propose};
use crate::promote::Promoted;

/// Gathers everything that a plan found into an outcome.
pub fn outcome(planned: Planned, config: &Repository) -> Outcome {
    let mut outcome = Outcome::default();
    failures(&planned, config, &mut outcome);
    passed_by(&planned, config, &mut outcome);
    let returned = planned.returns.into_iter().map(|returned| returned.changes);
    let changes = planned.changes.into_iter().map(|(_, set)| set);
    let sets: Vec<ChangeSet> = returned.chain(changes).chain(propose::written(planned.proposed)).collect();
    outcome.changes.reserve_exact(sets.iter().map(|set| set.changes.len()).sum());
    outcome.files.reserve_exact(sets.iter().map(|set| set.files.len()).sum());
    for set in sets {
        outcome.changes.extend(set.changes);
        outcome.files.extend(set.files);
    }
    outcome.follows = config.environments.repositories();
    outcome.tips = planned.observation.tips.clone();
    outcome.watches = planned.promoted.watches;
    outcome.watches.retain(|watch| !planned.aside.contains(&watch.image));
    outcome.proposals = planned.promoted.proposals;
    outcome.decisions = planned.promoted.decisions;
    outcome.decisions.retain(|decision| !planned.aside.contains(&decision.question.image));
    outcome.images =
        planned.observation.images.into_iter().filter_map(|(image, tags)| Some((image, tags.ok()?))).collect();
    outcome
}

/// Returns what `explain` says: each decision with what its environment's gates say, in the order of environments.
pub fn explanations(planned: &Planned, environments: &Environments) -> Vec<Explanation> {
    let of = |decision: &Decision| {
        let question = &decision.question;
        planned.promoted.proposals.iter().find(|proposal| {
            proposal.environment == question.environment && proposal.moves.iter().any(|step| step.answers(question))
        })
    };
    let position = |name: &EnvironmentName| environments.0.iter().position(|environment| environment.name == *name);
    let mut explanations: Vec<Explanation> = planned
        .promoted
        .decisions
        .iter()
        .enumerate()
        .filter(|(_, decision)| !planned.aside.contains(&decision.question.image))
        .map(|(index, decision)| {
            let question = &decision.question;
            let proposal = of(decision);
            Explanation {
                decision: decision.clone(),
                places: places(question, &planned.observation),
                gates: proposal.map(|proposal| proposal.gates.clone()).unwrap_or_default(),
                next: proposal
                    .and_then(|proposal| Some(proposal.moves.iter().find(|step| step.answers(question))?.to.clone())),
                action: proposal.map(|proposal| proposal.action),
                reason: proposal.and_then(|proposal| proposal.why()).map(str::to_owned),
                earliest: proposal.and_then(|proposal| proposal.earliest),
                watch: watched(planned, question).cloned(),
                ways: planned.promoted.ways.get(&index).cloned().unwrap_or_default(),
            }
        })
        .collect();
    explanations.sort_by_key(|explanation| position(&explanation.decision.question.environment));
    explanations
}

/// Fills in the sizes of steps that were decided by what an environment before runs: that may be anything but the registry's newest.
pub(super) fn sizes(promoted: &mut Promoted) {
    let Promoted { decisions, proposals, .. } = promoted;
    let mut policies = BTreeMap::new();
    for decision in decisions.iter_mut().filter(|decision| decision.question.origin == Origin::Before) {
        let question = &decision.question;
        if let Verdict::Move { to, step: step @ None } = &mut decision.verdict {
            *step = steps::between(&question.policy, &question.current, to);
        }
        policies.insert((&question.environment, &question.image, &question.current), &question.policy);
    }
    for proposal in proposals {
        for one in proposal.moves.iter_mut().filter(|one| one.step.is_none()) {
            let policy = policies.get(&(&proposal.environment, &one.image, &one.from));
            one.step = policy.and_then(|policy| steps::between(policy, &one.from, &one.to));
        }
    }
}

/// Tells where what a question is about stands.
fn places(question: &Question, observation: &Observation) -> Vec<String> {
    let sites = question.sites.iter().filter_map(|site| observation.sites.get(*site));
    sites.map(|site| Place(&site.file, site.position).to_string()).collect()
}

/// Returns the watch over what stands where a question is about, while there is one.
pub(super) fn watched<'a>(planned: &'a Planned, question: &Question) -> Option<&'a Watch> {
    let is_meant = |watch: &&Watch| {
        watch.environment == question.environment && watch.image == question.image && watch.value == question.current
    };
    planned.promoted.watches.iter().find(is_meant)
}

/// Adds a row to `errors` for every target that failed.
fn failures(planned: &Planned, config: &Repository, outcome: &mut Outcome) {
    let observation = &planned.observation;
    outcome.errors.extend(planned.troubles.iter().cloned());
    for (image, answer) in &observation.images {
        if let Err(reason) = answer
            && !observation.unknown.contains(image)
        {
            outcome.errors.push(trouble(image.to_string(), reason));
        }
    }
    // Nobody has to tell when a tag was pushed: what waits for it says so itself.
    for (want, reason) in observation.failed.iter().filter(|(want, _)| want.kind != FactKind::Pushed) {
        outcome.errors.push(trouble(format!("{}:{}", want.image, want.tag), reason));
    }
    for (want, answer) in &observation.signatures {
        if let Err(reason) = answer {
            outcome.errors.push(trouble(format!("{}:{}", want.image, want.tag), reason));
        }
    }
    for passed in &observation.passed_over {
        if config.configured && is_failure(&passed.reason) && config.environments.of(None, &passed.file).is_some() {
            outcome.errors.push(passed_over_trouble(passed));
        }
    }
    outcome.errors.extend(observation.troubles.iter().cloned());
    let proposed = planned.proposed.iter().map(|(_, set)| set);
    for set in planned.changes.iter().map(|(_, set)| set).chain(proposed) {
        outcome.errors.extend(set.refused.iter().map(|refusal| Trouble {
            what: refusal.image.as_ref().map_or_else(|| "edit refused".to_owned(), ToString::to_string),
            file: Some(refusal.file.clone()),
            position: refusal.position,
            reason: refusal.reason.clone(),
        }));
    }
}

/// Tells which versions a decision left out because somebody took them back.
fn held(decision: &Decision, observation: &Observation) -> Vec<Skipped> {
    let question = &decision.question;
    // Where versions come from the environment before, what is held is a proposal, and says so.
    if question.origin == Origin::Before {
        return Vec::new();
    }
    let Some(Ok(tags)) = observation.images.get(&question.image) else { return Vec::new() };
    let rows = decision.rejected.iter().filter(|(_, reason)| matches!(reason, Reason::Held(_)));
    let taken_back = rows.map(|(tag, reason)| Skipped {
        what: question.image.to_string(),
        reason: format!("in {}: {} is {reason}", question.environment, tags.list.at(tag)),
    });
    // What is older than a version that failed, or another build of it, may be many, and has one reason: the newest of them stands for all.
    let is_behind = |reason: &Reason| matches!(reason, Reason::Behind(_) | Reason::OtherBuild(_));
    let behind = decision.rejected.iter().filter(|(_, reason)| is_behind(reason));
    let behind: BTreeMap<String, Vec<&str>> = behind.fold(BTreeMap::new(), |mut all, (tag, reason)| {
        all.entry(reason.to_string()).or_default().push(tags.list.at(tag));
        all
    });
    let behind = behind.into_iter().map(|(reason, tags)| Skipped {
        what: question.image.to_string(),
        reason: match tags.as_slice() {
            [only] => format!("in {}: {only} is {reason}", question.environment),
            several => {
                let reason = reason.replacen("another build of ", "other builds of ", 1);
                format!("in {}: {} versions are {reason}", question.environment, several.len())
            }
        },
    });
    taken_back.chain(behind).collect()
}

/// Adds a row to `skipped` for everything found that is not followed or not decided.
fn passed_by(planned: &Planned, config: &Repository, outcome: &mut Outcome) {
    let observation = &planned.observation;
    let mut rows = BTreeSet::new();
    for site in &observation.sites {
        if let Followed::No(reason) = follow(site, &config.rules, &config.environments) {
            rows.insert(Skipped { what: place(site), reason: reason.to_string() });
        }
    }
    for passed in &observation.passed_over {
        let is_error =
            config.configured && is_failure(&passed.reason) && config.environments.of(None, &passed.file).is_some();
        // What a link within the repository leads to has its own rows.
        if !is_error && passed.reason != PassedOverReason::LinkWithin {
            rows.insert(Skipped { what: passed.file.clone(), reason: passed.reason.to_string() });
        }
    }
    for image in &planned.unheard {
        let reason = "no environment follows it, so there was nothing to look at".to_owned();
        rows.insert(Skipped { what: image.to_string(), reason });
    }
    for image in &observation.unknown {
        if let Some(Err(reason)) = observation.images.get(image) {
            rows.insert(Skipped { what: image.to_string(), reason: reason.clone() });
        }
    }
    for decision in &planned.promoted.decisions {
        if let Verdict::Undecided(reason) = &decision.verdict
            && matches!(observation.images.get(&decision.question.image), Some(Ok(_)))
            && !observation
                .failed
                .keys()
                .any(|want| want.image == decision.question.image && want.kind != FactKind::Pushed)
            && !observation
                .signatures
                .iter()
                .any(|(want, answer)| want.image == decision.question.image && answer.is_err())
        {
            let reason = match &config.environments.0[..] {
                [only] if only.after.is_empty() => reason.clone(),
                _ => format!("in {}: {reason}", decision.question.environment),
            };
            rows.insert(Skipped { what: decision.question.image.to_string(), reason });
        }
    }
    rows.extend(planned.promoted.decisions.iter().flat_map(|decision| held(decision, &planned.observation)));
    for decision in &planned.promoted.decisions {
        let mut reasons = decision.rejected.iter().map(|(_, reason)| reason);
        if decision.verdict == Verdict::Keep && reasons.any(|reason| *reason == Reason::NothingToCompare) {
            let question = &decision.question;
            let reason = format!("`{}` gives `{}` nothing to compare with", question.current, question.policy);
            rows.insert(Skipped { what: question.image.to_string(), reason });
        }
    }
    for (image, answer) in &observation.images {
        let Ok(tags) = answer else { continue };
        if let (Some(example), count) = (tags.list.invalid().0.first(), tags.list.invalid().1) {
            let reason = format!("its list holds what is no tag, {count} in all, such as `{example}`");
            rows.insert(Skipped { what: image.to_string(), reason });
        }
    }
    let lost = |(image, reason): (&ImageName, &String)| Skipped { what: image.to_string(), reason: reason.clone() };
    rows.extend(observation.losses.iter().map(lost));
    rows.extend(observation.absent.iter().cloned());
    rows.extend(planned.promoted.skipped.iter().cloned());
    outcome.skipped.extend(rows);
    outcome.told = planned.returns.iter().flat_map(|returned| returned.notes.iter().cloned()).collect();
    outcome.skipped.extend(outcome.told.iter().cloned());
}

fn place(site: &Site) -> String {
    format!("{} {}", Place(&site.file, site.position), site.written)
}

/// Makes a row; what failed is not said twice where the reason begins with it.
fn trouble(what: String, reason: &str) -> Trouble {
    let own = reason.strip_prefix(&what).and_then(|rest| rest.strip_prefix(": "));
    let reason = own.unwrap_or(reason).to_owned();
    Trouble { what, file: None, position: None, reason }
}

/// Whether a file that was passed over is one that a person believes to be followed.
pub(super) fn is_failure(reason: &PassedOverReason) -> bool {
    matches!(reason, PassedOverReason::Broken { .. } | PassedOverReason::Unreadable(_))
}

pub(super) fn passed_over_trouble(passed: &PassedOver) -> Trouble {
    let (position, reason) = match &passed.reason {
        PassedOverReason::Broken { position, reason } => (*position, format!("cannot be parsed: {reason}")),
        other => (None, other.to_string()),
    };
    let file = crate::model::file::RepoPath::new(&passed.file);
    Trouble { what: passed.file.clone(), file, position, reason }
}

/// Tells of a file that is not where the base's are: its row names no file there.
pub(super) fn away(trouble: Trouble) -> Trouble {
    let Trouble { what, file: _, position, reason } = trouble;
    let at = position.map(|at| format!(":{}:{}", at.line, at.column)).unwrap_or_default();
    Trouble { what: format!("{what}{at}"), file: None, position: None, reason }
}
