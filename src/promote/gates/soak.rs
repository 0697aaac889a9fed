//! Soak: how long a version has been in the environment before.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::model::environment::EnvironmentName;
use crate::model::gate::{GateState, SoakCount};
use crate::model::history::{Ordered, Shift, Timeline};
use crate::model::image::ImageName;
use crate::model::observation::Observation;
use crate::model::site::Value;
use crate::promote::gates::calendar::length;

/// How many versions in a row must have gone too early before that is told.
const STARVING: usize = 3;

/// One image in one environment before.
pub(in crate::promote) struct Soaking {
    /// The environment before.
    before: EnvironmentName,
    /// The image.
    image: ImageName,
    /// Since when it has been there, or why that is not known.
    since: Result<Timestamp, String>,
    /// The stays of the versions that newer ones have replaced there, newest first.
    stays: Vec<SignedDuration>,
}

/// Finds since when an environment before has had a value: at every place, or at those that count.
pub(in crate::promote) fn soaking(
    observation: &Observation,
    before: &EnvironmentName,
    image: &ImageName,
    value: &Value,
    places: impl FnOnce(&Timeline) -> Option<Vec<(Value, Timeline)>>,
) -> Soaking {
    let known = observation.pasts.get(&(before.clone(), image.clone()));
    let timeline = match known {
        None => Err("history is still to be read".to_owned()),
        Some(Err(reason)) => Err(format!("history could not be read: {reason}")),
        Some(Ok(past)) => past.timeline.as_ref().ok_or_else(|| "there is no Git history here to count from".to_owned()),
    };
    let taken_back =
        |value: &Value| known.is_some_and(|past| past.as_ref().is_ok_and(|past| past.hold_on(value).is_some()));
    let counted = timeline.map(|timeline| {
        let of = |timeline: &Timeline| (timeline.since(&timeline.known_as(value)), stays(timeline, &taken_back));
        let places = places(timeline).into_iter().flatten();
        let had = |(standing, place): &(Value, Timeline)| {
            standing.tag == value.tag || place.deployed(&place.known_as(value)).is_some()
        };
        let latest = places.filter(had).map(|(_, place)| of(&place)).max_by_key(|(since, _)| *since);
        latest.unwrap_or_else(|| of(timeline))
    });
    let (since, stays) = match counted {
        Ok((since, stays)) => (Ok(since), stays),
        Err(reason) => (Err(reason), Vec::new()),
    };
    Soaking { before: before.clone(), image: image.clone(), since, stays }
}

/// Returns for how long each version stood everywhere that a newer one has replaced since, newest first.
///
/// A version counts once, however many commits bring it from file to file. What was taken back, and what only made room for
/// something that had stood there before, was replaced by no newer one.
fn stays(timeline: &Timeline, is_taken_back: &dyn Fn(&Value) -> bool) -> Vec<SignedDuration> {
    let mut found: Vec<SignedDuration> = Vec::new();
    let mut known: BTreeSet<&Value> = timeline.shifts.last().into_iter().flat_map(|oldest| &oldest.from).collect();
    // When each that stands there came last anywhere, and when it began to go.
    let mut standing: BTreeMap<&Value, (Timestamp, Option<Timestamp>)> = BTreeMap::new();
    for Shift { from, to, steps, landed, word, .. } in timeline.shifts.iter().rev() {
        for (left, came) in steps {
            if let Some((_, leaves)) = standing.get_mut(left) {
                leaves.get_or_insert(*landed);
            }
            if let Some((last, None)) = standing.get_mut(came) {
                *last = *landed;
            }
        }
        let is_newer = word.order != Some(Ordered::Rollback) && to.difference(from).any(|came| !known.contains(came));
        for left in from.difference(to) {
            let Some((came, leaves)) = standing.remove(left) else { continue };
            // Another one may have come before it went everywhere.
            let is_replaced = is_newer || (leaves.is_some_and(|leaves| leaves < *landed) && word.order.is_none());
            if is_replaced && !is_taken_back(left) {
                found.push(leaves.unwrap_or(*landed).duration_since(came));
            }
        }
        for came in to.difference(from) {
            // Of one that comes again it is not told for how long it is wanted.
            if known.insert(came) {
                standing.insert(came, (*landed, None));
            }
        }
    }
    found.reverse();
    found
}

/// Says with the figures that versions go before their soak is over, where what counts is how long they run; `None` where
/// they do not.
pub(in crate::promote) fn starving(
    past: &Timeline,
    is_taken_back: &dyn Fn(&Value) -> bool,
    (time, count): (SignedDuration, SoakCount),
) -> Option<String> {
    starvation(&stays(past, is_taken_back), time, count)
}

/// What soak says: every image must have been in every environment before for long enough.
pub(super) fn state(soaking: &[Soaking], (time, count): (SignedDuration, SoakCount), moment: Timestamp) -> GateState {
    if soaking.is_empty() {
        let reason = "nothing soaks here: there is no environment before".to_owned();
        return GateState::Wait { until: None, reason };
    }
    let (until, one) = match last(soaking, time, moment) {
        Ok(Some(last)) => last,
        Ok(None) => return GateState::Pass,
        Err(reason) => return GateState::Wait { until: None, reason: reason.clone() },
    };
    let since = until.checked_sub(time).unwrap_or(moment);
    let left = until.duration_since(moment).min(time);
    let mut reason = format!("{} of {} to go in {}", length(left), length(time), one.before);
    if since > moment {
        reason.push_str(&format!(", where it came only at {since}"));
    }
    reason.push_str(&further(soaking, one, (time, count)));
    GateState::Wait { until: Some(until), reason }
}

/// Says why soak does not pass yet, without the time that is left, which is another one in each pass.
pub(super) fn lasting(
    soaking: &[Soaking],
    (time, count): (SignedDuration, SoakCount),
    moment: Timestamp,
) -> Option<String> {
    let (until, one) = last(soaking, time, moment).ok()??;
    let since = until.checked_sub(time).unwrap_or(moment);
    let mut reason = format!("less than {} in {}, where it came at {since}", length(time), one.before);
    reason.push_str(&further(soaking, one, (time, count)));
    Some(reason)
}

/// Finds what soaks longest, and until when; `None` where all have soaked.
///
/// # Errors
///
/// Why it is not known since when one of them soaks.
fn last(
    soaking: &[Soaking],
    time: SignedDuration,
    moment: Timestamp,
) -> Result<Option<(Timestamp, &Soaking)>, &String> {
    let mut last: Option<(Timestamp, &Soaking)> = None;
    for one in soaking {
        let over = one.since.as_ref()?.checked_add(time).unwrap_or(Timestamp::MAX);
        if over > moment && last.is_none_or(|(latest, _)| over > latest) {
            last = Some((over, one));
        }
    }
    Ok(last)
}

/// Says which of several it is, and what keeps versions from ever soaking long enough.
fn further(soaking: &[Soaking], one: &Soaking, (time, count): (SignedDuration, SoakCount)) -> String {
    let mut reason = String::new();
    if soaking.iter().any(|other| other.image != one.image) {
        reason.push_str(&format!(", for {}", one.image));
    }
    if let Some(starvation) = starvation(&one.stays, time, count) {
        reason.push_str(&format!("; {starvation}"));
    }
    reason
}

/// Says since when what was there last has been there.
pub(super) fn facts(soaking: &[Soaking], time: SignedDuration) -> Option<String> {
    let since = |one: &Soaking| one.since.as_ref().ok().copied();
    let last = soaking.iter().max_by_key(|one| since(one))?;
    let mut facts = format!("in {} since {}, for {} or more", last.before, since(last)?, length(time));
    if soaking.iter().any(|other| other.image != last.image) {
        facts.push_str(&format!(", {} as the last", last.image));
    }
    Some(facts)
}

fn starvation(stays: &[SignedDuration], time: SignedDuration, count: SoakCount) -> Option<String> {
    // What was introduced counts on after a newer one came.
    let (versions, longest) = starved(stays, time).filter(|_| count == SoakCount::Running)?;
    Some(format!(
        "the last {versions} versions there stayed too short, at most {}: a shorter `soak`, or `count: introduced`, would \
         let them through",
        length(longest)
    ))
}

/// Returns how many versions in a row went before their soak was over, and the longest stay among them.
fn starved(stays: &[SignedDuration], time: SignedDuration) -> Option<(usize, SignedDuration)> {
    let short: Vec<SignedDuration> = stays.iter().copied().take_while(|stay| *stay < time).collect();
    let longest = short.iter().copied().max()?;
    (short.len() >= STARVING).then_some((short.len(), longest))
}

/// Returns the values that an environment before has brought and that still count, newest first, with when they came.
///
/// What replaced a value by going up leaves it counting; a value that was taken back counts no more, nor does any that
/// came before it was lowered.
pub(in crate::promote) fn introduced(
    timeline: &Timeline,
    is_taken_back: impl Fn(&Value) -> bool,
) -> Vec<(Value, Timestamp)> {
    let mut found: Vec<(Value, Timestamp)> = Vec::new();
    let mut rolled_back: Vec<&Value> = Vec::new();
    for Shift { from, to, landed, word, .. } in &timeline.shifts {
        if word.order == Some(Ordered::Rollback) {
            rolled_back.extend(from.difference(to));
            continue;
        }
        for value in to.difference(from) {
            if !is_taken_back(value) && !rolled_back.contains(&value) && !found.iter().any(|(known, _)| known == value)
            {
                found.push((value.clone(), *landed));
            }
        }
    }
    found
}
