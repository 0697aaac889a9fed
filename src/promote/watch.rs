//! Watching what Tagboat brought: whether the checks of an environment with `onFailure` fail within its time.
//!
//! Entry point: [`watches`]. Pure over history and reports. A failure is laid to the version that came last before it,
//! never to one that stood there before another came; what goes back is not watched itself.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::model::checks::{CheckName, ChecksWant, Untold, newest, told};
use crate::model::commit::CommitId;
use crate::model::decision::{Decision, Question};
use crate::model::environment::{Environment, EnvironmentName, Environments, OnFailure};
use crate::model::history::{Mover, Ordered, Shift, Timeline};
use crate::model::image::ImageName;
use crate::model::observation::Observation;
use crate::model::pull_request::CheckState;
use crate::model::watch::{Watch, WatchState};
use crate::promote::ForgeWants;
use crate::promote::gates::chosen;

/// Finds what is watched, and what that shows. Histories and checks that are still needed are added to what is wanted.
pub(super) fn watches(
    observation: &Observation,
    decisions: &[Decision],
    environments: &Environments,
    groups: &BTreeMap<ImageName, String>,
    pasts: &mut BTreeSet<(EnvironmentName, ImageName)>,
    forge: &mut ForgeWants,
) -> Vec<Watch> {
    let mut found = Vec::new();
    for environment in environments.0.iter().filter(|environment| environment.branch.is_none()) {
        let Some(on_failure) = &environment.on_failure else { continue };
        let own = decisions.iter().map(|decision| &decision.question);
        let own: Vec<&Question> = own.filter(|question| question.environment == environment.name).collect();
        let mut seen = BTreeSet::new();
        for question in &own {
            let key = (environment.name.clone(), question.image.clone());
            if !observation.pasts.contains_key(&key) {
                pasts.insert(key);
            } else if seen.insert((&question.image, &question.current))
                && let Some(mut watch) = begun(observation, environment, on_failure, question, &own)
            {
                watch.0.group = groups.get(&question.image).cloned().unwrap_or_default();
                found.extend(judged(observation, watch, on_failure, forge));
            }
        }
    }
    found
}

/// Returns a watch that is not over, with the commits whose checks are laid to it.
fn begun(
    observation: &Observation,
    environment: &Environment,
    on_failure: &OnFailure,
    question: &Question,
    all: &[&Question],
) -> Option<(Watch, Vec<CommitId>)> {
    let past = timeline(observation, &environment.name, &question.image)?;
    let shift = &past.shifts[past.deployed(&question.current)?];
    if shift.by != Mover::Tagboat || shift.word.order == Some(Ordered::Rollback) {
        return None;
    }
    let until = shift.landed.checked_add(on_failure.within).unwrap_or(Timestamp::MAX);
    // What failed in time counts for as long again: a pass may have been killed before it went back.
    if until.checked_add(on_failure.within).is_ok_and(|last| last <= observation.now) {
        return None;
    }
    let others: BTreeSet<&ImageName> =
        all.iter().map(|other| &other.image).filter(|own| **own != question.image).collect();
    let others: Vec<&Timeline> =
        others.into_iter().filter_map(|image| timeline(observation, &environment.name, image)).collect();
    let held = past.held(&question.current)?;
    let depth = shift.word.depth;
    let own = |depth_of: &usize| !others.iter().any(|other| is_newer_there(other, depth, *depth_of));
    let commits: Vec<CommitId> = held.filter(own).filter_map(|depth| observation.line.get(depth).cloned()).collect();
    let last = commits.len().checked_sub(1)?;
    let watch = Watch {
        environment: environment.name.clone(),
        image: question.image.clone(),
        group: String::new(),
        value: question.current.clone(),
        commit: shift.commit.clone(),
        checks: on_failure.checks.clone(),
        until,
        state: WatchState::Watching,
    };
    Some((watch, chosen(&commits, 0..=last)))
}

fn timeline<'a>(
    observation: &'a Observation,
    environment: &EnvironmentName,
    image: &ImageName,
) -> Option<&'a Timeline> {
    observation.pasts.get(&(environment.clone(), image.clone()))?.as_ref().ok()?.timeline.as_ref()
}

/// Whether, at a commit, a version of another image stood there that had come after the one that is watched.
fn is_newer_there(other: &Timeline, watched: usize, at: usize) -> bool {
    let goes_back = |shift: &Shift| shift.by == Mover::Tagboat && shift.word.order == Some(Ordered::Rollback);
    // The last that moved it up to that commit.
    let last = other.shifts.iter().find(|shift| shift.word.depth >= at);
    last.is_some_and(|last| last.word.depth < watched && !goes_back(last))
}

/// Looks at the checks; a watch whose time is over shows nothing but a failure in time.
fn judged(
    observation: &Observation,
    (mut watch, commits): (Watch, Vec<CommitId>),
    on_failure: &OnFailure,
    forge: &mut ForgeWants,
) -> Option<Watch> {
    let want = ChecksWant { names: on_failure.checks.clone(), commits };
    if want.next(&observation.reports).is_some() {
        forge.checks.insert(want.clone());
    }
    let is_over = watch.until <= observation.now;
    let mut unknown = None;
    for name in &want.names {
        match failure(observation, name, &want.commits, watch.until) {
            Ok(None) => {}
            Ok(Some(what)) => {
                watch.state = WatchState::Failed(what);
                return Some(watch);
            }
            Err(reason) => unknown = unknown.or(Some(reason)),
        }
    }
    if let Some(reason) = unknown {
        watch.state = WatchState::Unknown(reason);
    }
    (!is_over).then_some(watch)
}

/// Returns what failed in time, by the newest report of each check of a name.
fn failure(
    observation: &Observation,
    name: &CheckName,
    commits: &[CommitId],
    until: Timestamp,
) -> Result<Option<String>, String> {
    let found = newest(name, commits, &observation.reports).map_err(|untold| match untold {
        Untold::NotAsked(commit) => format!("the checks of commit {} are still to be asked for", commit.short()),
        Untold::Failed(reason) => reason.to_owned(),
    })?;
    let in_time = found
        .iter()
        .find(|(_, check)| check.state == CheckState::Failed && check.time.unwrap_or(observation.now) <= until);
    Ok(in_time.map(|(commit, check)| told(commit, check)))
}
