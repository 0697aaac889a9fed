//! Windows and freezes: the gates that the calendar alone decides.
//!
//! A local time that a clock change leaves out is the moment of the change, so that nothing is open while clocks show
//! another hour than the window's; one that comes twice is the first of the two. A window that a clock change leaves
//! without time does not take place.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp, ToSpan as _};

use crate::model::gate::{Freeze, FreezeEdge, GateState, Window};

/// How many days ahead the next window is looked for: each week holds one, unless a clock change swallows it.
const DAYS_AHEAD: i32 = 15;

/// What windows say: within any of them is enough.
pub(super) fn windows(windows: &[Window], moment: Timestamp) -> GateState {
    let opens = windows.iter().filter_map(|window| opening(window, moment)).min();
    match opens {
        Some(opens) if opens <= moment => GateState::Pass,
        Some(opens) => {
            // Told in the zone of a window that opens then, as its author wrote it.
            let zone = windows.iter().find(|window| opening(window, moment) == Some(opens)).map(|window| &window.zone);
            let local = local(opens, zone.unwrap_or(&TimeZone::UTC));
            GateState::Wait { until: Some(opens), reason: format!("outside of the windows; the next opens {local}") }
        }
        None => GateState::Wait { until: None, reason: "no window opens any more".to_owned() },
    }
}

/// Returns when a window opens next: a moment that is not after `moment` where it is open.
fn opening(window: &Window, moment: Timestamp) -> Option<Timestamp> {
    let today = window.zone.to_datetime(moment).date();
    // One that crosses midnight may have begun yesterday.
    (-1..=DAYS_AHEAD)
        .filter_map(|days| today.checked_add(days.days()).ok())
        .filter(|day| window.days.contains(&day.weekday()))
        .filter_map(|day| span_of(window, day))
        .find(|(_, end)| moment < *end)
        .map(|(start, _)| start)
}

/// Returns when the window of a day begins and ends.
fn span_of(window: &Window, day: Date) -> Option<(Timestamp, Timestamp)> {
    let at = |day: Date, time: Time| moment_of(&window.zone, day.to_datetime(time));
    let start = at(day, window.start)?;
    let end = match window.end {
        Some(end) if end > window.start => at(day, end)?,
        Some(end) => at(day.tomorrow().ok()?, end)?,
        None => at(day.tomorrow().ok()?, Time::midnight())?,
    };
    (start < end).then_some((start, end))
}

/// Returns when clocks show a time first, or go past it.
fn moment_of(zone: &TimeZone, time: DateTime) -> Option<Timestamp> {
    match zone.to_ambiguous_timestamp(time).offset() {
        AmbiguousOffset::Gap { after, .. } => {
            let earlier = after.to_timestamp(time).ok()?;
            zone.following(earlier).next().map(|change| change.timestamp())
        }
        AmbiguousOffset::Unambiguous { offset } | AmbiguousOffset::Fold { before: offset, .. } => {
            offset.to_timestamp(time).ok()
        }
    }
}

/// Returns when the windows that are open close, in the zone of the one that closes last.
pub(super) fn closing(windows: &[Window], moment: Timestamp) -> Option<String> {
    last_open(windows, moment).map(|(end, zone)| local(end, zone))
}

/// Returns when no window is open any more; `None` where none is open, or where one follows the other without end.
pub(super) fn closes(windows: &[Window], moment: Timestamp) -> Option<Timestamp> {
    let (mut end, _) = last_open(windows, moment)?;
    // Where one ends another may be open: each day may go over into the next.
    for _ in 0..4 * DAYS_AHEAD {
        match last_open(windows, end) {
            None => return Some(end),
            Some((next, _)) => end = next,
        }
    }
    None
}

/// Returns when the windows that are open at a moment end, each by itself: the last end, and in which zone.
fn last_open(windows: &[Window], moment: Timestamp) -> Option<(Timestamp, &TimeZone)> {
    let closes = |window: &Window| {
        let today = window.zone.to_datetime(moment).date();
        let days = [-1, 0].into_iter().filter_map(|days| today.checked_add(days.days()).ok());
        let spans = days.filter(|day| window.days.contains(&day.weekday())).filter_map(|day| span_of(window, day));
        spans.filter(|(start, end)| *start <= moment && moment < *end).map(|(_, end)| end).max()
    };
    let all = windows.iter().filter_map(|window| Some((closes(window)?, &window.zone)));
    all.max_by_key(|(end, _)| *end)
}

/// Returns when the next freeze begins, in its zone.
pub(super) fn next_freeze(freezes: &[Freeze], moment: Timestamp) -> Option<String> {
    begins(freezes, moment).map(|(start, zone)| local(start, zone))
}

/// Returns when the next freeze begins, and in which zone it is written.
pub(super) fn begins(freezes: &[Freeze], moment: Timestamp) -> Option<(Timestamp, &TimeZone)> {
    let begins = freezes.iter().filter_map(|freeze| Some((frozen(freeze)?, &freeze.zone)));
    let begins =
        begins.filter(|((start, end), _)| moment < *start && start < end).map(|((start, _), zone)| (start, zone));
    begins.min_by_key(|(start, _)| *start)
}

/// What freezes say: within any of them, nothing moves.
pub(super) fn freezes(freezes: &[Freeze], moment: Timestamp) -> GateState {
    let all: Vec<_> = freezes.iter().filter_map(|freeze| Some((frozen(freeze)?, &freeze.zone))).collect();
    let longest = |at: Timestamp| {
        let there = all.iter().filter(|((start, end), _)| *start <= at && at < *end);
        there.max_by_key(|((_, end), _)| *end).map(|((_, end), zone)| (*end, *zone))
    };
    // Where one ends another may have begun.
    match std::iter::successors(longest(moment), |(end, _)| longest(*end)).last() {
        None => GateState::Pass,
        Some((end, zone)) => GateState::Wait { until: Some(end), reason: format!("frozen until {}", local(end, zone)) },
    }
}

/// Returns when a freeze begins and ends.
fn frozen(freeze: &Freeze) -> Option<(Timestamp, Timestamp)> {
    let start_of = |day: Date| day.to_zoned(freeze.zone.clone()).ok().map(|start| start.timestamp());
    let start = match freeze.from {
        FreezeEdge::Day(day) => start_of(day)?,
        FreezeEdge::Moment(moment) => moment,
    };
    let end = match freeze.to {
        // The last day of the calendar has no morrow; the freeze then never ends.
        FreezeEdge::Day(day) => day.tomorrow().ok().and_then(start_of).unwrap_or(Timestamp::MAX),
        FreezeEdge::Moment(moment) => moment,
    };
    Some((start, end))
}

/// Writes a moment as people in a zone read it.
fn local(moment: Timestamp, zone: &TimeZone) -> String {
    // Whole minutes, unless somebody wrote seconds.
    let zoned = moment.to_zoned(zone.clone());
    let format = if zoned.second() == 0 { "%a %Y-%m-%d %H:%M %Z" } else { "%a %Y-%m-%d %H:%M:%S %Z" };
    zoned.strftime(format).to_string()
}

/// Writes a duration in its two largest units: `2 d 3 h`, `45 min`.
pub(super) fn length(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().max(0);
    let parts = [(seconds / 86_400, "d"), (seconds / 3_600 % 24, "h"), (seconds / 60 % 60, "min"), (seconds % 60, "s")];
    let Some(first) = parts.iter().position(|(count, _)| *count > 0) else { return "0 s".to_owned() };
    let shown = parts[first..].iter().take(2).filter(|(count, _)| *count > 0);
    shown.map(|(count, unit)| format!("{count} {unit}")).collect::<Vec<_>>().join(" ")
}
