//! `gates:`: what a promotion into an environment waits for.
//!
//! Owns the grammars of days, hours and edges of freezes. Judges no gate.

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value as Json, json};

use crate::config::fault::quote;
use crate::config::reader::{Located, Reader, Scalar};
use crate::config::repository::raw::{RawFreeze, RawGates, RawHttp, RawQuery, RawWindow};
use crate::config::scalars::word;
use crate::config::shapes::ShortOrLong;
use crate::model::checks::CheckName;
use crate::model::environment::Publish;
use crate::model::gate::{Freeze, FreezeEdge, GateSpec, SoakCount, Window};
use crate::model::query::{QueryError, QueryText};
use crate::model::source::{Expectation, MOST_POINTS};

/// How far apart the samples of a range are where nobody says.
const DEFAULT_STEP: SignedDuration = SignedDuration::from_mins(1);

/// `running` or `introduced`.
#[derive(Debug, Clone)]
pub(crate) struct CountWord(pub(crate) SoakCount);

impl Scalar for CountWord {
    const WHAT: &'static str = "`running` or `introduced`";

    fn parse(text: &str) -> Result<Self, String> {
        word(text, &[("running", Self(SoakCount::Running)), ("introduced", Self(SoakCount::Introduced))])
    }

    fn schema() -> Json {
        json!({"enum": ["running", "introduced"]})
    }
}

const DAYS: [(&str, &str, Weekday); 7] = [
    ("mon", "monday", Weekday::Monday),
    ("tue", "tuesday", Weekday::Tuesday),
    ("wed", "wednesday", Weekday::Wednesday),
    ("thu", "thursday", Weekday::Thursday),
    ("fri", "friday", Weekday::Friday),
    ("sat", "saturday", Weekday::Saturday),
    ("sun", "sunday", Weekday::Sunday),
];

/// Days of the week: `mon`, `mon-thu` (also across the weekend), `mon, wed`.
#[derive(Debug, Clone)]
pub(crate) struct DaysText(pub(crate) Vec<Weekday>);

impl Scalar for DaysText {
    const WHAT: &'static str = "days like `mon-thu`";

    fn parse(text: &str) -> Result<Self, String> {
        let day = |written: &str| {
            let lower = written.trim().to_ascii_lowercase();
            DAYS.iter().position(|(short, long, _)| lower == *short || lower == *long).ok_or_else(|| {
                format!("{} is no day: `mon`, `tue`, `wed`, `thu`, `fri`, `sat`, `sun`", quote(written.trim()))
            })
        };
        let mut days = Vec::new();
        for part in text.split(',') {
            let (first, last) = match part.split_once('-') {
                Some((first, last)) => (day(first)?, day(last)?),
                None => (day(part)?, day(part)?),
            };
            let count = (last + 7 - first) % 7 + 1;
            days.extend((0..count).map(|step| DAYS[(first + step) % 7].2));
        }
        Ok(Self(days))
    }
}

/// Hours of a day: `09:00-16:00`; the end `24:00` is midnight at the day's end.
#[derive(Debug, Clone)]
pub(crate) struct HoursText(pub(crate) Time, pub(crate) Option<Time>);

impl Scalar for HoursText {
    const WHAT: &'static str = "hours like `\"09:00-16:00\"`";

    fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("{} are no hours: write them like `\"09:00-16:00\"`", quote(text));
        let time = |written: &str| {
            let (hour, minute) = written.trim().split_once(':')?;
            let is_two = |digits: &str| digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
            if !is_two(hour) || !is_two(minute) {
                return None;
            }
            Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()
        };
        let (start, end) = text.split_once('-').ok_or_else(wrong)?;
        let start = time(start).ok_or_else(wrong)?;
        if end.trim() == "24:00" {
            return Ok(Self(start, None));
        }
        let end = time(end).ok_or_else(wrong)?;
        if start == end {
            return Err(format!("{} begin and end at the same time", quote(text)));
        }
        Ok(Self(start, Some(end)))
    }
}

/// A day or an exact time.
#[derive(Debug, Clone)]
pub(crate) struct EdgeText(pub(crate) FreezeEdge);

impl Scalar for EdgeText {
    const WHAT: &'static str = "a day like `2026-12-20` or a time like `2026-12-20T18:00:00Z`";

    fn parse(text: &str) -> Result<Self, String> {
        let edge = if text.contains(['T', 't', ' ']) {
            text.parse::<Timestamp>().ok().map(FreezeEdge::Moment)
        } else {
            text.parse::<Date>().ok().map(FreezeEdge::Day)
        };
        edge.map(Self).ok_or_else(|| format!("{} is not {}", quote(text), Self::WHAT))
    }
}

impl Scalar for Expectation {
    const WHAT: &'static str = "a comparison like `\"< 0.01\"`";

    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|error| format!("{} is no comparison: {error}", quote(text)))
    }
}

impl Scalar for QueryText {
    const WHAT: &'static str = "a query";

    fn parse(text: &str) -> Result<Self, String> {
        match text.trim() {
            "" => Err("the query is empty".to_owned()),
            text => text.parse().map_err(|error: QueryError| error.to_string()),
        }
    }
}

/// Turns `gates:` of an environment that is published in some way into the model's gates, in the order of their names'
/// declaration.
pub(crate) fn gates(raw: RawGates, publish: Publish, reader: &mut Reader<'_>) -> Vec<GateSpec> {
    let mut gates = Vec::new();
    match raw.soak.value() {
        Some(ShortOrLong::Short(time)) => gates.push(GateSpec::Soak { time, count: SoakCount::default() }),
        Some(ShortOrLong::Long(soak)) => {
            let count = soak.count.value().map(|count| count.0).unwrap_or_default();
            gates.extend(soak.time.value().map(|time| GateSpec::Soak { time, count }));
        }
        None => {}
    }
    if let Some(checks) = raw.checks.given {
        if checks.value.0.is_empty() {
            reader.fault(checks.span, "no check is named", Some("name one, or remove `checks`".to_owned()));
        }
        gates
            .push(GateSpec::Checks(checks.value.0.into_iter().map(|check| CheckName::from(&*check.value.0)).collect()));
    }
    if let Some(windows) = raw.windows.given {
        if windows.value.is_empty() {
            let hint = "name one, or remove `windows`".to_owned();
            reader.fault(windows.span, "without a window nothing would ever be promoted", Some(hint));
        }
        gates.push(GateSpec::Windows(windows.value.into_iter().map(|raw| window(raw.value, reader)).collect()));
    }
    if let Some(freezes) = raw.freezes.value() {
        gates.push(GateSpec::Freezes(freezes.into_iter().filter_map(|raw| freeze(raw, reader)).collect()));
    }
    gates.extend(raw.query.value().and_then(|query| self::query(query, reader)));
    gates.extend(raw.http.value().and_then(|http| self::http(http, reader)));
    if let Some(approvals) = raw.approvals.given {
        if publish == Publish::Commit {
            let hint =
                "`publish: pullRequest` or `autoMerge` makes one; with `commit`, `manual: true` waits for a person";
            let message = "`approvals` are given to a pull request, and `publish: commit` makes none";
            reader.fault(approvals.span, message, Some(hint.to_owned()));
        }
        gates.push(GateSpec::Approvals(u32::try_from(approvals.value.0).unwrap_or(u32::MAX)));
    }
    if raw.manual.value().is_some() {
        gates.push(GateSpec::Manual);
    }
    gates
}

fn window(raw: RawWindow, reader: &mut Reader<'_>) -> Window {
    let mut days: Vec<Weekday> = match raw.days.given {
        Some(days) => {
            if days.value.0.is_empty() {
                let hint = "name one, or remove `days`".to_owned();
                reader.fault(days.span, "a window without a day never opens", Some(hint));
            }
            days.value.0.into_iter().flat_map(|day| day.value.0).collect()
        }
        None => DAYS.iter().map(|(_, _, day)| *day).collect(),
    };
    days.sort_by_key(|day| day.to_monday_zero_offset());
    days.dedup();
    let HoursText(start, end) = raw.hours.value().unwrap_or(HoursText(Time::midnight(), None));
    Window { days, start, end, zone: raw.zone.value().unwrap_or(TimeZone::UTC) }
}

fn freeze(raw: Located<RawFreeze>, reader: &mut Reader<'_>) -> Option<Freeze> {
    let RawFreeze { from, to, zone, .. } = raw.value;
    let zone = zone.value().unwrap_or(TimeZone::UTC);
    let (from, to) = (from.given?, to.given?);
    let begin = match from.value.0 {
        FreezeEdge::Day(day) => day.to_zoned(zone.clone()).ok().map(|start| start.timestamp()),
        FreezeEdge::Moment(moment) => Some(moment),
    };
    let end = match to.value.0 {
        FreezeEdge::Day(day) => {
            day.tomorrow().ok().and_then(|next| next.to_zoned(zone.clone()).ok()).map(|start| start.timestamp())
        }
        FreezeEdge::Moment(moment) => Some(moment),
    };
    match (begin, end) {
        (Some(begin), Some(end)) if begin < end => {}
        (Some(_), Some(_)) => reader.fault(to.span, "the freeze ends before it begins", None),
        _ => reader.fault(from.span, "this day is outside of the calendar", None),
    }
    Some(Freeze { from: from.value.0, to: to.value.0, zone })
}

fn query(raw: RawQuery, reader: &mut Reader<'_>) -> Option<GateSpec> {
    if let Some(expect) = raw.expect.given.as_ref().filter(|expect| expect.value.number().is_none()) {
        let hint = "a query answers with numbers: `< 0.01`, `== 0`".to_owned();
        reader.fault(expect.span.clone(), format!("`{}` compares with no number", expect.value), Some(hint));
    }
    if let (Some(span), false) = (&raw.step.key, raw.range.is_present()) {
        reader.fault(span.clone(), "`step` needs `range` beside it", None);
    }
    let step = raw.step.value().unwrap_or(DEFAULT_STEP);
    let over = raw.range.given.map(|range| {
        let points = range.value.as_secs() / step.as_secs().max(1);
        if points > MOST_POINTS {
            let hint = format!("a source gives at most {MOST_POINTS} samples of a series: name a longer `step`");
            reader.fault(range.span, format!("the range holds {points} steps"), Some(hint));
        } else if range.value < step {
            reader.fault(range.span, "the range is shorter than one step", Some("the default step is 1m".to_owned()));
        }
        (range.value, step)
    });
    Some(GateSpec::Query { source: raw.source.value()?.0, expr: raw.expr.value()?, over, expect: raw.expect.value()? })
}

fn http(raw: RawHttp, reader: &mut Reader<'_>) -> Option<GateSpec> {
    let path = raw.path.given?;
    if !path.value.0.starts_with('/') || path.value.0.starts_with("//") {
        let hint = "the host is the source's, which `service.yaml` names".to_owned();
        reader.fault(path.span, format!("{} is no path: it begins with one `/`", quote(&path.value.0)), Some(hint));
    }
    if let (Some(span), false) = (&raw.expect.key, raw.json.is_present()) {
        reader.fault(span.clone(), "`expect` needs `json` beside it", None);
    }
    if let (Some(span), false) = (&raw.json.key, raw.expect.is_present()) {
        reader.fault(span.clone(), "`json` needs `expect` beside it: what must stand there", None);
    }
    Some(GateSpec::Http {
        source: raw.source.value()?.0,
        path: path.value.0,
        expect: raw.json.value().zip(raw.expect.value()),
    })
}
