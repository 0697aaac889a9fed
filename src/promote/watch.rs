//! Watching what Tagboat brought: whether the checks of an environment with `onFailure` fail within its time.
//!
//! Entry point: [`watches`]. Pure over history and reports. A failure is laid to the version that came last before it,
//! never to one that stood there before another came; what goes back is not watched itself.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use jiff::Timestamp;

use crate::model::checks::{CheckName, ChecksWant, Untold, newest, told};
use crate::model::commit::CommitId;
use crate::model::decision::{Decision, Question};
use crate::model::environment::{Environment, EnvironmentName, Environments, OnFailure};
use crate::model::history::{Mover, Ordered, Shift, Timeline};
use crate::model::image::ImageName;
use crate::model::observation::Observation;
use crate::model::pull_request::CheckState;
use crate::model::site::Value;
use crate::model::watch::{Watch, WatchState};
use crate::promote::ForgeWants;
use crate::promote::gates::chosen;

/// How many versions before one that failed are looked at for failures of their own.
const MOST_BEFORE: usize = 5;

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
    for environment in &environments.0 {
        let Some(on_failure) = &environment.on_failure else { continue };
        let own = decisions.iter().map(|decision| &decision.question);
        let own: Vec<&Question> = own.filter(|question| question.environment == environment.name).collect();
        let mut standing: BTreeMap<(&ImageName, &Value), Vec<usize>> = BTreeMap::new();
        for question in &own {
            let key = (environment.name.clone(), question.image.clone());
            if observation.pasts.contains_key(&key) {
                let sites = standing.entry((&question.image, &question.current)).or_default();
                sites.extend(&question.sites);
            } else {
                pasts.insert(key);
            }
        }
        for ((image, value), sites) in standing {
            for mut begun in begun(observation, environment, on_failure, (image, value, &sites), &own, Time::Runs) {
                begun.watch.group = groups.get(image).cloned().unwrap_or_default();
                found.extend(judged(observation, begun, on_failure, forge));
            }
        }
    }
    found
}

/// Finds whether a version failed in its time in an environment where it goes back by itself no more: nobody may have looked while it
/// would have, or its return was refused. Asked only of what is about to go on from there.
pub(super) fn late(
    observation: &Observation,
    decisions: &[Decision],
    environment: &Environment,
    (image, is_it): (&ImageName, &dyn Fn(&Value) -> bool),
    forge: &mut ForgeWants,
) -> Option<Watch> {
    let on_failure = environment.on_failure.as_ref()?;
    let own = decisions.iter().map(|decision| &decision.question);
    let own: Vec<&Question> = own.filter(|question| question.environment == environment.name).collect();
    let mut meant = own.iter().filter(|question| question.image == *image && is_it(&question.current));
    let question = meant.next()?;
    let sites: Vec<usize> = question.sites.iter().chain(meant.flat_map(|other| &other.sites)).copied().collect();
    let standing = (image, &question.current, sites.as_slice());
    let begun = begun(observation, environment, on_failure, standing, &own, Time::Over);
    let mut judged = begun.into_iter().filter_map(|begun| judged(observation, begun, on_failure, forge));
    judged.find(|watch| watch.state != WatchState::Watching)
}

/// Of which versions one asks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Time {
    /// Those that may still go back by themselves.
    Runs,
    /// Those whose time for that is over.
    Over,
}

/// A watch, with what it is judged by.
struct Begun<'a> {
    watch: Watch,
    /// The commits whose checks are laid to it.
    commits: Vec<CommitId>,
    /// What stood at the places to which it came.
    past: Timeline,
    /// What all images have been there, this one among them.
    others: Vec<&'a Timeline>,
    /// Why it is not known of all of them what they have been: then a failure may be another one's.
    unread: Option<String>,
}

/// Returns the watches over a version that are not over, with the commits whose checks are laid to each: one for each commit
/// that brought it to any place.
fn begun<'a>(
    observation: &'a Observation,
    environment: &Environment,
    on_failure: &OnFailure,
    (image, value, sites): (&ImageName, &Value, &[usize]),
    all: &[&Question],
    time: Time,
) -> Vec<Begun<'a>> {
    let Some(whole) = timeline(observation, &environment.name, image) else { return Vec::new() };
    let mut found: Vec<Begun<'a>> = Vec::new();
    for (sites, past) in super::parts(observation, sites, whole, value) {
        let Some(shift) = past.deployed(value).map(|index| &past.shifts[index]) else { continue };
        if let Some(known) = found.iter_mut().find(|known| known.watch.commit == shift.commit) {
            known.watch.sites.extend(sites);
            continue;
        }
        found.extend(begun_at(observation, environment, on_failure, (image, value, sites), (past, time), all));
    }
    found
}

/// Returns the watch over a version at places to which one commit brought it.
fn begun_at<'a>(
    observation: &'a Observation,
    environment: &Environment,
    on_failure: &OnFailure,
    (image, value, sites): (&ImageName, &Value, Vec<usize>),
    (past, time): (Timeline, Time),
    all: &[&Question],
) -> Option<Begun<'a>> {
    let shift = past.shifts[past.deployed(value)?].clone();
    if shift.by != Mover::Tagboat || shift.word.order == Some(Ordered::Rollback) {
        return None;
    }
    let until = shift.landed.checked_add(on_failure.within).unwrap_or(Timestamp::MAX);
    // What failed in time counts for as long again: a pass may have been killed before it went back.
    let is_over = until.checked_add(on_failure.within).is_ok_and(|last| last <= observation.now);
    if is_over != (time == Time::Over) {
        return None;
    }
    // Its own as well: at one of several places something else may have come.
    let images: BTreeSet<&ImageName> = all.iter().map(|other| &other.image).collect();
    let others: Vec<&Timeline> =
        images.iter().filter_map(|image| timeline(observation, &environment.name, image)).collect();
    let unread = images.into_iter().find_map(|image| {
        let reason = observation.pasts.get(&(environment.name.clone(), image.clone()))?.as_ref().err()?;
        Some(format!("what else came there is not known: {image}: {reason}"))
    });
    let commits = laid_to(observation.line_of(&environment.name), &others, past.held(value)?, shift.word.depth);
    let watch = Watch {
        environment: environment.name.clone(),
        image: image.clone(),
        group: String::new(),
        value: value.clone(),
        commit: shift.commit,
        sites,
        checks: on_failure.checks.clone(),
        until,
        state: WatchState::Watching,
        is_late: is_over,
        failed_before: BTreeSet::new(),
    };
    Some(Begun { watch, commits, past, others, unread })
}

fn timeline<'a>(
    observation: &'a Observation,
    environment: &EnvironmentName,
    image: &ImageName,
) -> Option<&'a Timeline> {
    observation.pasts.get(&(environment.clone(), image.clone()))?.as_ref().ok()?.timeline.as_ref()
}

/// Whether a shift is a return or a rollback of Tagboat's.
fn goes_back(shift: &Shift) -> bool {
    shift.by == Mover::Tagboat && shift.word.order == Some(Ordered::Rollback)
}

/// Whether, at a commit, a version stood there that had come after the one that is watched: another image's, or its own at
/// another place.
fn is_newer_there(other: &Timeline, watched: usize, at: usize) -> bool {
    // The last that moved it up to that commit.
    let last = other.shifts.iter().find(|shift| shift.word.depth >= at);
    last.is_some_and(|last| last.word.depth < watched && !goes_back(last))
}

/// Looks at the checks; a watch whose time is over shows nothing but a failure in time, or that it cannot be told.
fn judged(
    observation: &Observation,
    Begun { mut watch, commits, past, others, unread }: Begun<'_>,
    on_failure: &OnFailure,
    forge: &mut ForgeWants,
) -> Option<Watch> {
    let want = ChecksWant { repository: None, names: on_failure.checks.clone(), commits };
    if want.next(&observation.reports).is_some() {
        forge.checks.insert(want.clone());
    }
    let is_over = watch.until <= observation.now;
    if let Some(reason) = unread {
        watch.state = WatchState::Unknown(reason);
        return (!is_over || observation.has_forge).then_some(watch);
    }
    let mut unknown = None;
    for name in &want.names {
        match failure(observation, name, &want.commits, watch.until) {
            Ok(None) => {}
            // What it would go back to is asked of nothing that goes back no more.
            Ok(Some(what)) if watch.is_late => {
                watch.state = WatchState::Failed(what);
                return Some(watch);
            }
            Ok(Some(what)) => {
                watch.state = match failed_before(observation, &watch, &past, &others, on_failure, forge) {
                    Ok(failed) => {
                        watch.failed_before = failed;
                        WatchState::Failed(what)
                    }
                    Err(reason) => WatchState::Unknown(format!("{what}, and of what stood there before: {reason}")),
                };
                return Some(watch);
            }
            Err(reason) => unknown = unknown.or(Some(reason)),
        }
    }
    if let Some(reason) = unknown {
        watch.state = WatchState::Unknown(reason);
        return (!is_over || observation.has_forge).then_some(watch);
    }
    (!is_over).then_some(watch)
}

/// Returns the commits of a stretch that tell of a version which came at a depth.
fn laid_to(line: &[CommitId], others: &[&Timeline], stretch: RangeInclusive<usize>, depth: usize) -> Vec<CommitId> {
    let own = |at: &usize| !others.iter().any(|other| is_newer_there(other, depth, *at));
    let commits: Vec<CommitId> = stretch.filter(own).filter_map(|at| line.get(at).cloned()).collect();
    let end = commits.len();
    chosen(&commits, 0..=end)
}

/// Finds which of the versions that Tagboat had brought right before failed in their own time: a return that nobody
/// merged leaves no other trace.
fn failed_before(
    observation: &Observation,
    watch: &Watch,
    past: &Timeline,
    others: &[&Timeline],
    on_failure: &OnFailure,
    forge: &mut ForgeWants,
) -> Result<BTreeSet<Value>, String> {
    let mut failed = BTreeSet::new();
    let deployed = past.deployed(&watch.value).unwrap_or(0);
    let older = past.shifts.iter().enumerate().skip(deployed + 1).take(MOST_BEFORE);
    for (index, shift) in older.filter(|(_, shift)| shift.by == Mover::Tagboat && !goes_back(shift)) {
        let until = shift.landed.checked_add(on_failure.within).unwrap_or(Timestamp::MAX);
        let depth = shift.word.depth;
        let commits = laid_to(
            observation.line_of(&watch.environment),
            others,
            past.shifts[index - 1].word.depth + 1..=depth,
            depth,
        );
        let want = ChecksWant { repository: None, names: on_failure.checks.clone(), commits };
        if want.next(&observation.reports).is_some() {
            forge.checks.insert(want.clone());
        }
        for name in &want.names {
            if failure(observation, name, &want.commits, until)?.is_some() {
                failed.extend(shift.to.difference(&shift.from).cloned());
            }
        }
    }
    Ok(failed)
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
    let mut failed = found.iter().filter(|(_, check)| check.state == CheckState::Failed);
    let in_time = failed.clone().find(|(_, check)| check.time.unwrap_or(observation.now) <= until);
    if let Some((commit, check)) = in_time {
        return Ok(Some(told(commit, check)));
    }
    match failed.find(|(_, check)| check.time.is_none()) {
        Some((commit, check)) => Err(format!("{}, and the forge does not say when", told(commit, check))),
        None => Ok(None),
    }
}
