//! Watching what Tagboat brought: whether the checks of an environment with `onFailure` fail within its time.
//!
//! Entry point: [`watches`]. Pure over history and reports. A failure is laid to the version that came last before it,
//! never to one that stood there before another came; what goes back is not watched itself.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use jiff::Timestamp;

use crate::model::checks::{CheckName, ChecksWant, Concern, Inquiry, Untold, beyond, newest, told};
use crate::model::commit::CommitId;
use crate::model::decision::{Decision, Question};
use crate::model::environment::{Environment, EnvironmentName, Environments, OnFailure};
use crate::model::history::{Mover, Ordered, Shift, Timeline};
use crate::model::image::ImageName;
use crate::model::observation::Observation;
use crate::model::pull_request::{Check, CheckState};
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

/// A version that would go on.
pub(super) struct Version<'a> {
    pub(super) image: &'a ImageName,
    /// Whether a value that stands in another environment is it.
    pub(super) is_it: &'a dyn Fn(&Value) -> bool,
    /// Whether it counts also where it has given way to another one.
    pub(super) counts_gone: bool,
}

/// What is known of a version that would go on.
pub(super) enum Asked {
    /// It failed, or that cannot be told.
    Told(Box<Watch>),
    /// More would have to be asked than one pass may, of this environment.
    Beyond(EnvironmentName),
}

/// Finds whether a version failed in its time in an environment where it goes back by itself no more: nobody may have looked while it
/// would have, its return was refused, or something newer took its place. Asked only of what is about to go on from there.
pub(super) fn late(
    observation: &Observation,
    decisions: &[Decision],
    environment: &Environment,
    version: &Version<'_>,
    inquiry: &Inquiry,
    forge: &mut ForgeWants,
) -> Option<Asked> {
    let on_failure = environment.on_failure.as_ref()?;
    let own = decisions.iter().map(|decision| &decision.question);
    let own: Vec<&Question> = own.filter(|question| question.environment == environment.name).collect();
    // Written in several ways, as with a digest at one place and without at another one, it came to each of them by itself.
    let mut standing: BTreeMap<&Value, Vec<usize>> = BTreeMap::new();
    for question in own.iter().filter(|question| question.image == *version.image && (version.is_it)(&question.current))
    {
        standing.entry(&question.current).or_default().extend(&question.sites);
    }
    let begun = if standing.is_empty() && version.counts_gone {
        gone(observation, environment, on_failure, version, &own)
    } else {
        let of = |(value, sites): (_, Vec<usize>)| {
            begun(observation, environment, on_failure, (version.image, value, &sites), &own, Time::Over)
        };
        standing.into_iter().flat_map(of).collect()
    };
    begun.into_iter().find_map(|begun| judged_late(observation, begun, inquiry, forge))
}

/// Returns what is asked of a version that stands in an environment no more: of each commit that brought it to any place there
/// while it stood last.
fn gone<'a>(
    observation: &'a Observation,
    environment: &Environment,
    on_failure: &OnFailure,
    version: &Version<'_>,
    all: &[&Question],
) -> Vec<Begun<'a>> {
    let Some(past) = timeline(observation, &environment.name, version.image) else { return Vec::new() };
    let mut known = past.shifts.iter().flat_map(|shift| &shift.to);
    let Some(value) = known.find(|value| (version.is_it)(value)) else { return Vec::new() };
    let Some((last, stood)) = past.deployed(value).zip(past.held(value)) else { return Vec::new() };
    let first = past.shifts[last..].iter().position(|shift| !shift.from.contains(value));
    let came = past.shifts[last..].iter().take(first.map_or(usize::MAX, |first| first + 1));
    let came = came.filter(|shift| shift.word.depth == past.shifts[last].word.depth || shift.brings(value));
    let own = came.filter(|shift| shift.by == Mover::Tagboat && !goes_back(shift));
    let (others, unread) = neighbours(observation, environment, all);
    own.map(|shift| {
        let until = shift.landed.checked_add(on_failure.within).unwrap_or(Timestamp::MAX);
        let stretch = *stood.start()..=shift.word.depth;
        let watch = Watch {
            environment: environment.name.clone(),
            image: version.image.clone(),
            group: String::new(),
            value: value.clone(),
            commit: shift.commit.clone(),
            sites: Vec::new(),
            checks: on_failure.checks.clone(),
            until,
            state: WatchState::Watching,
            is_late: true,
            failed_before: BTreeSet::new(),
            not_looked_at: BTreeSet::new(),
        };
        let commits = laid_to(
            observation.line_of(&environment.name),
            &others,
            observation.there_by(&environment.name, stretch.clone(), until),
            shift.word.depth,
        );
        let stood = chosen(observation.line_of(&environment.name), stretch);
        Begun { watch, commits, stood, past: past.clone(), others: others.clone(), unread: unread.clone() }
    })
    .collect()
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
    /// The commits whose checks are laid to it; where its time is over those alone that were made in it.
    commits: Vec<CommitId>,
    /// The commits on which it stood, whatever else came there.
    stood: Vec<CommitId>,
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
    let (others, unread) = neighbours(observation, environment, all);
    let held = past.held(value)?;
    let line = observation.line_of(&environment.name);
    let stretch = if is_over { observation.there_by(&environment.name, held.clone(), until) } else { held.clone() };
    let commits = laid_to(line, &others, stretch, shift.word.depth);
    let stood = chosen(line, held);
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
        not_looked_at: BTreeSet::new(),
    };
    Some(Begun { watch, commits, stood, past, others, unread })
}

/// Returns what all images of an environment have been there; and why that is not known of one of them.
fn neighbours<'a>(
    observation: &'a Observation,
    environment: &Environment,
    all: &[&Question],
) -> (Vec<&'a Timeline>, Option<String>) {
    // Its own as well: at one of several places something else may have come.
    let images: BTreeSet<&ImageName> = all.iter().map(|other| &other.image).collect();
    let others = images.iter().filter_map(|image| timeline(observation, &environment.name, image)).collect();
    let unread = images.into_iter().find_map(|image| {
        let reason = observation.pasts.get(&(environment.name.clone(), image.clone()))?.as_ref().err()?;
        Some(format!("what else came there is not known: {image}: {reason}"))
    });
    (others, unread)
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

/// Notes what has to be asked for an inquiry, where a pass still asks for it.
fn want(observation: &Observation, want: &ChecksWant, inquiry: &Inquiry, forge: &mut ForgeWants) {
    if want.next(&observation.reports).is_some() && observation.inquiries.goes_on(inquiry) {
        forge.inquiries.entry(inquiry.clone()).or_default().insert(want.clone());
    }
}

/// Looks at the checks of what would go on: it shows nothing but a failure in time from which the check has not recovered where the
/// version stood, or that this cannot be told.
fn judged_late(
    observation: &Observation,
    Begun { mut watch, commits, stood, unread, .. }: Begun<'_>,
    inquiry: &Inquiry,
    forge: &mut ForgeWants,
) -> Option<Asked> {
    if let Some(reason) = unread {
        watch.state = WatchState::Unknown(reason);
        return observation.has_forge.then_some(Asked::Told(Box::new(watch)));
    }
    let asked = ChecksWant { repository: None, names: watch.checks.clone(), commits };
    want(observation, &asked, inquiry, forge);
    let mut is_open = asked.next(&observation.reports).is_some();
    let mut unknown = None;
    for name in &watch.checks {
        let failed = match failing(observation, name, &asked.commits) {
            Ok(failed) => failed,
            Err(reason) => {
                unknown = unknown.or(Some(reason));
                continue;
            }
        };
        for (commit, check) in failed.into_iter().filter(|(_, check)| check.time.is_none_or(|time| time <= watch.until))
        {
            let names = vec![CheckName::from(check.name.as_str())];
            let again = ChecksWant { repository: None, names, commits: stood.clone() };
            want(observation, &again, inquiry, forge);
            is_open |= again.next(&observation.reports).is_some();
            let has_passed = match newest(&again.names[0], &again.commits, &observation.reports) {
                Ok(now) => now.iter().any(|(_, now)| now.name == check.name && now.state == CheckState::Passed),
                Err(untold) => {
                    let reason = format!("{}, and whether it recovered: {}", told(commit, check), words(untold));
                    unknown = unknown.or(Some(reason));
                    continue;
                }
            };
            if !has_passed && is_in_time(check, watch.until, observation.now) {
                watch.state = WatchState::Failed(told(commit, check));
                return Some(Asked::Told(Box::new(watch)));
            }
            if !has_passed {
                unknown = unknown.or_else(|| Some(undated(commit, check)));
            }
        }
    }
    let reason = unknown?;
    if is_open && !observation.inquiries.goes_on(inquiry) {
        return Some(Asked::Beyond(watch.environment));
    }
    watch.state = WatchState::Unknown(reason);
    observation.has_forge.then_some(Asked::Told(Box::new(watch)))
}

/// Looks at the checks of what may go back; a watch whose time is over shows nothing but a failure in time, or that it cannot be told.
fn judged(
    observation: &Observation,
    Begun { mut watch, commits, past, others, unread, .. }: Begun<'_>,
    on_failure: &OnFailure,
    forge: &mut ForgeWants,
) -> Option<Watch> {
    let inquiry = Inquiry {
        concern: Concern::Watch,
        environment: watch.environment.clone(),
        what: format!("{} {}", watch.image, watch.commit),
    };
    let asked = ChecksWant { repository: None, names: on_failure.checks.clone(), commits };
    want(observation, &asked, &inquiry, forge);
    let is_over = watch.until <= observation.now;
    if let Some(reason) = unread {
        watch.state = WatchState::Unknown(reason);
        return (!is_over || observation.has_forge).then_some(watch);
    }
    let mut unknown = None;
    for name in &asked.names {
        match failures(observation, name, &asked.commits, watch.until) {
            Ok(failed) => {
                let Some((commit, check)) = failed.first() else { continue };
                let what = told(commit, check);
                watch.state = match failed_before(observation, &watch, &past, &others, &inquiry, on_failure, forge) {
                    Ok(before) => {
                        (watch.failed_before, watch.not_looked_at) = (before.failed, before.not_looked_at);
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
        let is_beyond = asked.next(&observation.reports).is_some() && !observation.inquiries.goes_on(&inquiry);
        watch.state = WatchState::Unknown(if is_beyond { beyond() } else { reason });
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

/// What is known of the versions that Tagboat had brought before one that failed.
struct Before {
    /// Those that failed in their own time.
    failed: BTreeSet<Value>,
    /// Those further back, where all that were looked at failed.
    not_looked_at: BTreeSet<Value>,
}

/// Finds which of the versions that Tagboat had brought right before failed in their own time: a return that nobody
/// merged leaves no other trace.
fn failed_before(
    observation: &Observation,
    watch: &Watch,
    past: &Timeline,
    others: &[&Timeline],
    inquiry: &Inquiry,
    on_failure: &OnFailure,
    forge: &mut ForgeWants,
) -> Result<Before, String> {
    let mut failed = BTreeSet::new();
    let first = past.deployed(&watch.value).unwrap_or(0) + 1;
    let beyond = past.shifts.len().min(first + MOST_BEFORE);
    let is_own = |shift: &Shift| shift.by == Mover::Tagboat && !goes_back(shift);
    let came = |shift: &Shift| shift.to.difference(&shift.from).cloned().collect::<Vec<_>>();
    let mut have_all_failed = true;
    for (index, shift) in past.shifts.iter().enumerate().take(beyond).skip(first).filter(|(_, shift)| is_own(shift)) {
        let until = shift.landed.checked_add(on_failure.within).unwrap_or(Timestamp::MAX);
        let depth = shift.word.depth;
        let commits = laid_to(
            observation.line_of(&watch.environment),
            others,
            past.shifts[index - 1].word.depth + 1..=depth,
            depth,
        );
        let asked = ChecksWant { repository: None, names: on_failure.checks.clone(), commits };
        want(observation, &asked, inquiry, forge);
        let mut has_failed = false;
        for name in &asked.names {
            has_failed |= !failures(observation, name, &asked.commits, until)?.is_empty();
        }
        if has_failed {
            failed.extend(came(shift));
        }
        have_all_failed &= has_failed;
    }
    let mut not_looked_at = BTreeSet::new();
    if have_all_failed && !failed.is_empty() {
        not_looked_at.extend(past.shifts[beyond..].iter().filter(|shift| is_own(shift)).flat_map(came));
        // What stood there since by somebody's own hand is as good as ever.
        not_looked_at.retain(|value| !past.shifts[first..beyond].iter().any(|shift| shift.to.contains(value)));
    }
    Ok(Before { failed, not_looked_at })
}

/// Returns what failed in time, by the newest report of each check of a name.
fn failures<'a>(
    observation: &'a Observation,
    name: &CheckName,
    commits: &'a [CommitId],
    until: Timestamp,
) -> Result<Vec<(&'a CommitId, &'a Check)>, String> {
    let failed = failing(observation, name, commits)?;
    let (in_time, others): (Vec<_>, Vec<_>) =
        failed.into_iter().partition(|(_, check)| is_in_time(check, until, observation.now));
    match others.into_iter().find(|(_, check)| check.time.is_none()) {
        Some((commit, check)) if in_time.is_empty() => Err(undated(commit, check)),
        _ => Ok(in_time),
    }
}

/// Returns what has failed at any time, by the newest report of each check of a name.
fn failing<'a>(
    observation: &'a Observation,
    name: &CheckName,
    commits: &'a [CommitId],
) -> Result<Vec<(&'a CommitId, &'a Check)>, String> {
    let found = newest(name, commits, &observation.reports).map_err(words)?;
    Ok(found.into_iter().filter(|(_, check)| check.state == CheckState::Failed).collect())
}

fn is_in_time(check: &Check, until: Timestamp, now: Timestamp) -> bool {
    check.time.unwrap_or(now) <= until
}

fn undated(commit: &CommitId, check: &Check) -> String {
    format!("{}, and the forge does not say when", told(commit, check))
}

/// Says why the newest report is not known.
fn words(untold: Untold<'_>) -> String {
    match untold {
        Untold::NotAsked(commit) => format!("the checks of commit {} are still to be asked for", commit.short()),
        Untold::Failed(reason) => reason.to_owned(),
    }
}
