//! Soak: how long a version has been in the environment before.

use jiff::{SignedDuration, Timestamp};

use crate::model::environment::EnvironmentName;
use crate::model::gate::GateState;
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
    /// The stays of the versions that were there before it, newest first.
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
    let since = |timeline: &&Timeline| {
        let of = |timeline: &Timeline| timeline.since(&timeline.known_as(value));
        let places = places(timeline).into_iter().flatten();
        let had = |(standing, place): &(Value, Timeline)| {
            standing.tag == value.tag || place.deployed(&place.known_as(value)).is_some()
        };
        let latest = places.filter(had).map(|(_, place)| of(&place)).max();
        latest.unwrap_or_else(|| of(timeline))
    };
    Soaking {
        before: before.clone(),
        image: image.clone(),
        since: timeline.as_ref().map(since).map_err(Clone::clone),
        stays: timeline.map(stays).unwrap_or_default(),
    }
}

/// Returns how long each version stayed that has gone since, newest first.
fn stays(timeline: &Timeline) -> Vec<SignedDuration> {
    timeline.shifts.windows(2).map(|pair| pair[0].time.duration_since(pair[1].time)).collect()
}

/// What soak says: every image must have been in every environment before for long enough.
pub(super) fn state(soaking: &[Soaking], time: SignedDuration, moment: Timestamp) -> GateState {
    if soaking.is_empty() {
        let reason = "nothing soaks here: there is no environment before".to_owned();
        return GateState::Wait { until: None, reason };
    }
    let mut last: Option<(Timestamp, &Soaking)> = None;
    for one in soaking {
        let since = match &one.since {
            Ok(since) => *since,
            Err(reason) => return GateState::Wait { until: None, reason: reason.clone() },
        };
        let over = since.checked_add(time).unwrap_or(Timestamp::MAX);
        if over > moment && last.is_none_or(|(latest, _)| over > latest) {
            last = Some((over, one));
        }
    }
    let Some((until, one)) = last else { return GateState::Pass };
    let since = until.checked_sub(time).unwrap_or(moment);
    let left = until.duration_since(moment).min(time);
    let mut reason = format!("{} of {} to go in {}", length(left), length(time), one.before);
    if since > moment {
        reason.push_str(&format!(", where it came only at {since}"));
    }
    if soaking.iter().any(|other| other.image != one.image) {
        reason.push_str(&format!(", for {}", one.image));
    }
    if let Some(longest) = starved(&one.stays, time) {
        reason.push_str(&format!(
            "; the last {} versions there stayed too short, at most {}: a shorter `soak`, or `count: introduced`, \
             would let them through",
            longest.0,
            length(longest.1)
        ));
    }
    GateState::Wait { until: Some(until), reason }
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
