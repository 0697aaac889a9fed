//! What every environment runs, what comes next there and what that waits for.
//!
//! Entry point: [`status`], which takes what a pass planned. Changes nothing.

use std::collections::BTreeSet;

use crate::decide;
use crate::model::decision::{Decision, Verdict};
use crate::model::environment::EnvironmentName;
use crate::model::image::ImageName;
use crate::model::outcome::Trouble;
use crate::model::proposal::Proposal;
use crate::model::record::{Running, Status};
use crate::observe::history::{Asking, Told};
use crate::pass::record::{self, Ledger};
use crate::pass::{PassError, Planned, report};
use crate::promote::drift::{self, Drift};

/// Tells how things stand. `ledger` is `None` where there is no history.
///
/// # Errors
///
/// [`PassError`] when files cannot be read; history that cannot be read is a row of `errors`.
pub fn status(
    planned: Planned,
    inputs: &crate::pass::Inputs<'_>,
    ledger: Option<&Ledger<'_>>,
) -> Result<Status, PassError> {
    let config = inputs.config;
    let mut status = Status { holds: planned.observation.holds.clone(), ..Status::default() };
    let (told, drifts) = match ledger.map(past).transpose() {
        Ok(found) => found.map_or((None, Vec::new()), |(told, drifts)| (Some(told), drifts)),
        Err(error) => {
            let what = "history".to_owned();
            status.errors.push(Trouble { what, file: None, position: None, reason: error.to_string() });
            (None, Vec::new())
        }
    };
    status.taken_back = taken_back(&planned, told.as_ref(), config);
    for environment in &config.environments.0 {
        let own =
            planned.promoted.decisions.iter().filter(|decision| decision.question.environment == environment.name);
        let rows: Vec<Running> = own.map(|decision| running(&planned, decision, told.as_ref(), &drifts)).collect();
        status.environments.push((environment.name.clone(), rows));
    }
    status.cut = told.as_ref().filter(|told| !told.whole && !is_settled(&status)).map(|told| told.oldest);
    let outcome = report::outcome(planned, config);
    status.skipped = outcome.skipped;
    status.errors.extend(outcome.errors);
    Ok(status)
}

/// Whether it is known when everything came.
fn is_settled(status: &Status) -> bool {
    status.environments.iter().flat_map(|(_, rows)| rows).all(|row| row.brought.is_some())
}

fn past(ledger: &Ledger<'_>) -> Result<(Told, Vec<Drift>), PassError> {
    let looked = record::looked(ledger)?;
    let runs = record::runs(ledger.config, &looked.sites);
    let asking = Asking::These(runs.keys().cloned().collect());
    let told = record::read_of(ledger, &looked, &asking, &|told| record::settles(told, &runs))?;
    let drifts = drift::drift(&ledger.config.environments, &runs, &told.timelines, &decide::past::order);
    Ok((told, drifts))
}

fn running(planned: &Planned, decision: &Decision, told: Option<&Told>, drifts: &[Drift]) -> Running {
    let question = &decision.question;
    let key = (question.environment.clone(), question.image.clone());
    let timeline = told.and_then(|told| told.timelines.get(&key));
    let brought = timeline.and_then(|timeline| timeline.brought(&question.current));
    let is_own = |proposal: &&Proposal| {
        proposal.environment == question.environment
            && proposal.moves.iter().any(|step| step.image == question.image && step.from == question.current)
    };
    let next = planned.promoted.proposals.iter().find(is_own);
    let drift = drifts.iter().find(|drift| {
        drift.environment == question.environment && drift.image == question.image && drift.value == question.current
    });
    let blocked = match &decision.verdict {
        Verdict::Undecided(reason) if next.is_none() => Some(reason.clone()),
        _ => None,
    };
    Running {
        image: question.image.clone(),
        group: planned.promoted.groups.get(&question.image).cloned().unwrap_or_default(),
        value: question.current.clone(),
        brought: brought.map(|shift| (shift.commit.clone(), shift.time)),
        next: next.cloned().map(Box::new),
        // What stands ahead says so as drift; twice would be once too often.
        blocked: blocked.filter(|_| drift.is_none()),
        drift: drift.map(|drift| drift.reason.clone()),
    }
}

/// Gathers what somebody took back: what the pass asked about, and what the status read beside it.
fn taken_back(
    planned: &Planned,
    told: Option<&Told>,
    config: &crate::config::repository::Repository,
) -> Vec<(EnvironmentName, ImageName, crate::model::history::TakenBack)> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    let mut add = |name: &EnvironmentName, image: &ImageName, taken: crate::model::history::TakenBack| {
        if seen.insert((name.clone(), image.clone(), taken.value.clone())) {
            found.push((name.clone(), image.clone(), taken));
        }
    };
    for ((name, image), past) in &planned.observation.pasts {
        for taken in past.iter().flat_map(|past| &past.taken_back) {
            add(name, image, taken.clone());
        }
    }
    for ((name, image), timeline) in told.into_iter().flat_map(|told| &told.timelines) {
        let policy = planned.promoted.decisions.iter().map(|decision| &decision.question);
        let policy = policy.filter(|question| question.environment == *name && question.image == *image);
        let policy = policy.map(|question| &*question.policy).next();
        for taken in decide::past::taken_back(timeline, policy) {
            add(name, image, taken);
        }
    }
    found.retain(|(name, _, _)| config.environments.named(name).is_some());
    found
}
