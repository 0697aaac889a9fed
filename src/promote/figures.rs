//! Delivery figures from the record: how often, how fast, how often in vain, and how soon mended.
//!
//! Entry points: [`figures`], and [`is_traced`] and [`is_dated`], which say whether history was read far enough for them. Pure. The definitions
//! stand in `docs/promotion.md`, and beside each function here.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::model::commit::CommitId;
use crate::model::environment::{Environment, EnvironmentName, Environments};
use crate::model::history::places::Change;
use crate::model::history::{Shift, Timeline};
use crate::model::image::ImageName;
use crate::model::record::{Entry, Figures, Kind, Spread};
use crate::model::site::{Spot, Value};
use crate::promote::candidates::ancestors;
use crate::promote::drift::is_same;

/// How many seconds a day has, for rates.
const DAY: f64 = 86_400.0;

/// Counts what the entries of a period come to in each environment: from `from`, included, to `to`, excluded.
///
/// `entries` may hold more than the period, newest first: a version that came in it may be taken back after it.
pub fn figures(
    environments: &Environments,
    entries: &[Entry],
    timelines: &BTreeMap<(EnvironmentName, ImageName), Timeline>,
    (from, to): (Timestamp, Timestamp),
) -> Vec<Figures> {
    let days = (to.duration_since(from).as_secs_f64() / DAY).max(f64::MIN_POSITIVE);
    environments
        .0
        .iter()
        .map(|environment| {
            let own: Vec<&Entry> =
                entries.iter().filter(|entry| entry.environment.as_ref() == Some(&environment.name)).collect();
            let brought: Vec<&Entry> = own.iter().copied().filter(|entry| is_brought_in(entry, (from, to))).collect();
            let deployments: BTreeSet<&CommitId> = brought.iter().map(|entry| &entry.commit).collect();
            let lead: Vec<SignedDuration> =
                brought.iter().filter_map(|entry| lead_time(environments, environment, timelines, entry)).collect();
            let dated: Vec<SignedDuration> = brought.iter().filter_map(|entry| from_image(timelines, entry)).collect();
            let taken: BTreeSet<Step<'_>> =
                own.iter().filter(|entry| entry.kind == Kind::Rollback).filter_map(|entry| step(entry)).collect();
            let restored: Vec<(&CommitId, SignedDuration)> = brought
                .iter()
                .filter_map(|entry| {
                    let timeline = timelines.get(&(environment.name.clone(), entry.image.clone()))?;
                    Some((&entry.commit, elapsed(entry.time, restored(timeline, &taken, entry)?)))
                })
                .collect();
            let failed: BTreeSet<&CommitId> = restored.iter().map(|(commit, _)| *commit).collect();
            let count = deployments.len();
            Figures {
                environment: environment.name.clone(),
                deployments: count,
                per_day: ratio(count, 1) / days,
                lead_time: spread(lead),
                dated: (dated.len(), brought.len()),
                from_image: spread(dated),
                change_failure_rate: (count > 0).then(|| ratio(failed.len(), count)),
                time_to_restore: spread(restored.into_iter().map(|(_, time)| time).collect()),
            }
        })
        .collect()
}

/// Whether it is known when each version that came in a period had come to the first environments, whatever lies further back.
pub fn is_traced(
    environments: &Environments,
    entries: &[Entry],
    timelines: &BTreeMap<(EnvironmentName, ImageName), Timeline>,
    period: (Timestamp, Timestamp),
) -> bool {
    entries.iter().filter(|entry| is_brought_in(entry, period)).all(|entry| {
        let environment = entry.environment.as_ref().and_then(|name| environments.named(name));
        let mut first = environment.into_iter().flat_map(|environment| first_before(environment, environments));
        first.all(|first| arrival(environments, first, timelines, entry).is_some())
    })
}

/// Whether some commit tells of each version that came in a period when it was published.
pub fn is_dated(
    entries: &[Entry],
    timelines: &BTreeMap<(EnvironmentName, ImageName), Timeline>,
    period: (Timestamp, Timestamp),
) -> bool {
    entries.iter().filter(|entry| is_brought_in(entry, period)).all(|entry| from_image(timelines, entry).is_some())
}

fn is_brought_in(entry: &Entry, (from, to): (Timestamp, Timestamp)) -> bool {
    from <= entry.time && entry.time < to && is_deployment(entry)
}

/// Returns how long it was. A clock that was wrong makes it nothing, and never less.
fn elapsed(from: Timestamp, to: Timestamp) -> SignedDuration {
    to.duration_since(from).max(SignedDuration::ZERO)
}

fn ratio(part: usize, whole: usize) -> f64 {
    let number = |count: usize| u32::try_from(count).map_or(f64::from(u32::MAX), f64::from);
    number(part) / number(whole)
}

/// A deployment is what brings a version in the place of another one; going back is none, nor is a new image, nor is writing the
/// digest beside a tag, or no more.
fn is_deployment(entry: &Entry) -> bool {
    let moves = entry.from.as_ref().zip(entry.to.as_ref()).is_some_and(|(from, to)| !is_same(from, to));
    moves && matches!(entry.kind, Kind::Update | Kind::Promotion | Kind::Hotfix | Kind::Manual)
}

/// Returns how long a version took from the first environment to this one: from when it came there last, not after it came here.
/// Of several first environments, the one counts to which it came the earliest.
///
/// None in a first environment, and for what was in none before.
fn lead_time(
    environments: &Environments,
    environment: &Environment,
    timelines: &BTreeMap<(EnvironmentName, ImageName), Timeline>,
    entry: &Entry,
) -> Option<SignedDuration> {
    let first = first_before(environment, environments);
    let came = first.into_iter().filter_map(|first| arrival(environments, first, timelines, entry));
    Some(elapsed(came.min()?, entry.time))
}

/// Returns the environments without one before them from which versions come to this one.
fn first_before<'a>(environment: &'a Environment, environments: &'a Environments) -> Vec<&'a Environment> {
    let before = ancestors(environment, environments).into_iter().filter_map(|name| environments.named(name));
    before.filter(|before| before.after.is_empty()).collect()
}

/// Returns when a version came to a first environment the last time before it came as an entry tells. On one line the order of
/// commits says what was before, whatever their clocks say.
fn arrival(
    environments: &Environments,
    first: &Environment,
    timelines: &BTreeMap<(EnvironmentName, ImageName), Timeline>,
    entry: &Entry,
) -> Option<Timestamp> {
    let value = entry.to.as_ref()?;
    let branch = |name| environments.named(name).and_then(|environment| environment.branch.as_ref());
    let is_one_line = first.branch.as_ref() == entry.environment.as_ref().and_then(branch);
    let is_before =
        |shift: &Shift| if is_one_line { entry.depth <= shift.word.depth } else { shift.time <= entry.time };
    let has = |values: &BTreeSet<Value>| values.iter().any(|other| is_same(other, value));
    let timeline = timelines.get(&(first.name.clone(), entry.image.clone()))?;
    let mut before = timeline.shifts.iter().filter(|shift| is_before(shift));
    before.find(|shift| has(&shift.to) && !has(&shift.from)).map(|shift| shift.time)
}

/// Returns how long a version took from its publication to this environment: its push, else its creation, as the trailer of
/// any commit tells that brought the same version anywhere.
///
/// None where no commit tells.
fn from_image(timelines: &BTreeMap<(EnvironmentName, ImageName), Timeline>, entry: &Entry) -> Option<SignedDuration> {
    let value = entry.to.as_ref()?;
    let own = timelines.iter().filter(|((_, image), _)| *image == entry.image).flat_map(|(_, found)| &found.shifts);
    let told = own.flat_map(|shift| &shift.word.published).filter(|(other, _)| is_same(other, value));
    let published = told.map(|(_, time)| *time).min()?;
    Some(elapsed(published, entry.time))
}

/// One version in the place of another one, with the commit and the image.
type Step<'a> = (&'a CommitId, &'a ImageName, &'a Value, &'a Value);

fn step(entry: &Entry) -> Option<Step<'_>> {
    Some((&entry.commit, &entry.image, entry.from.as_ref()?, entry.to.as_ref()?))
}

/// Returns when a version that came was taken back at any of the places to which it came, before any other version took its
/// place there; the last time, where several places went back one after another.
fn restored(timeline: &Timeline, taken: &BTreeSet<Step<'_>>, brought: &Entry) -> Option<Timestamp> {
    let value = brought.to.as_ref()?;
    let at = timeline.shifts.iter().position(|shift| shift.commit == brought.commit)?;
    let is_it = |change: &&Change| change.to == brought.to && change.from == brought.from;
    // A digest that is only written beside a tag leaves it the version that it was.
    let mut standing: BTreeMap<&Spot, &Value> = BTreeMap::new();
    for change in timeline.shifts[at].changes.iter().filter(is_it) {
        standing.extend(change.spots.iter().map(|spot| (spot, value)));
    }
    let newer = || timeline.shifts[..at].iter().rev();
    if standing.is_empty() {
        // It is not told which places those are: what gave way to what tells of the environment as a whole.
        let went = newer().find_map(|shift| Some((shift, shift.steps.iter().find(|(left, _)| left == value)?)));
        let (shift, (left, came)) = went?;
        return taken.contains(&(&shift.commit, &brought.image, left, came)).then_some(shift.time);
    }
    let mut last = None;
    for shift in newer() {
        for change in &shift.changes {
            // The smaller of both is gone through.
            let touched: Vec<&Spot> = if change.spots.len() < standing.len() {
                change.spots.iter().filter(|spot| standing.contains_key(spot)).collect()
            } else {
                standing.keys().copied().filter(|spot| change.spots.contains(*spot)).collect()
            };
            for spot in touched {
                // Where it is not told which of two places it was, either may be it.
                let Some(left) = standing.get(spot).copied().filter(|left| change.from.as_ref() == Some(*left)) else {
                    continue;
                };
                standing.remove(spot);
                let Some(came) = &change.to else { continue };
                if is_same(left, came) {
                    standing.insert(spot, came);
                } else if taken.contains(&(&shift.commit, &brought.image, left, came)) {
                    last = Some(shift.time);
                }
            }
        }
    }
    last
}

/// Returns median and 90th percentile by the nearest rank: always one of the durations themselves.
fn spread(mut durations: Vec<SignedDuration>) -> Spread {
    durations.sort_unstable();
    let rank = |percent: usize| {
        let rank = (durations.len() * percent).div_ceil(100).max(1);
        durations.get(rank - 1).copied()
    };
    Spread { median: rank(50), p90: rank(90) }
}
