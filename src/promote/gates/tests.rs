use std::collections::BTreeSet;

use jiff::SignedDuration;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;

use super::*;
use crate::model::checks::Reports;
use crate::model::commit::CommitId;
use crate::model::gate::{Freeze, FreezeEdge, Window};
use crate::model::history::{Mover, Shift, Timeline, Word};
use crate::model::pull_request::{Check, CheckState};
use crate::model::site::Value;

fn window(days: &[Weekday], start: &str, end: &str, zone: &str) -> Window {
    Window {
        days: days.to_vec(),
        start: start.parse().unwrap(),
        end: (end != "24:00").then(|| end.parse().unwrap()),
        zone: TimeZone::get(zone).unwrap(),
    }
}

fn at(moment: &str) -> Timestamp {
    moment.parse().unwrap()
}

/// A forge that nobody has asked.
fn nobody() -> Forge<'static> {
    Forge { proofs: &[], approvals: None, publish: Publish::AutoMerge }
}

fn told(state: &GateState) -> String {
    match state {
        GateState::Pass => "pass".to_owned(),
        GateState::Wait { until: Some(until), .. } => until.to_string(),
        GateState::Wait { until: None, .. } => "for ever".to_owned(),
        GateState::Fail { reason } => reason.clone(),
    }
}

const ALL: [Weekday; 7] = [
    Weekday::Monday,
    Weekday::Tuesday,
    Weekday::Wednesday,
    Weekday::Thursday,
    Weekday::Friday,
    Weekday::Saturday,
    Weekday::Sunday,
];

#[test]
fn a_window_is_open_from_its_start_until_before_its_end() {
    // 2026-11-20 is a Friday.
    let office = [window(&ALL[..4], "09:00", "16:00", "Europe/Berlin")];
    for (moment, expected) in [
        ("2026-11-19T07:59:59Z", "2026-11-19T08:00:00Z"),
        ("2026-11-19T08:00:00Z", "pass"),
        ("2026-11-19T14:59:59Z", "pass"),
        ("2026-11-19T15:00:00Z", "2026-11-23T08:00:00Z"),
        ("2026-11-20T10:00:00Z", "2026-11-23T08:00:00Z"),
        ("2026-11-22T23:30:00Z", "2026-11-23T08:00:00Z"),
    ] {
        assert_eq!(told(&calendar::windows(&office, at(moment))), expected, "{moment}");
    }
}

#[test]
fn a_window_that_crosses_midnight_belongs_to_the_day_on_which_it_starts() {
    let night = [window(&[Weekday::Friday], "22:00", "02:00", "UTC")];
    for (moment, expected) in [
        ("2026-11-20T01:00:00Z", "2026-11-20T22:00:00Z"),
        ("2026-11-20T22:00:00Z", "pass"),
        ("2026-11-21T01:59:59Z", "pass"),
        ("2026-11-21T02:00:00Z", "2026-11-27T22:00:00Z"),
    ] {
        assert_eq!(told(&calendar::windows(&night, at(moment))), expected, "{moment}");
    }
    let whole = [window(&[Weekday::Saturday], "00:00", "24:00", "UTC")];
    assert_eq!(told(&calendar::windows(&whole, at("2026-11-21T23:59:59Z"))), "pass");
    assert_eq!(told(&calendar::windows(&whole, at("2026-11-22T00:00:00Z"))), "2026-11-28T00:00:00Z");
}

/// In Berlin, clocks go from 02:00 to 03:00 on 2026-03-29 (01:00 UTC), and from 03:00 back to 02:00 on 2026-10-25
/// (01:00 UTC). In New York on 2026-03-08 (07:00 UTC) and 2026-11-01 (06:00 UTC).
#[test]
fn windows_keep_to_local_time_around_every_clock_change() {
    for (start, end, zone, moment, expected) in [
        // A start that is left out is the moment of the change: then clocks show 03:00.
        ("02:30", "05:00", "Europe/Berlin", "2026-03-29T00:59:59Z", "2026-03-29T01:00:00Z"),
        ("02:30", "05:00", "Europe/Berlin", "2026-03-29T01:00:00Z", "pass"),
        ("02:30", "05:00", "Europe/Berlin", "2026-03-29T03:00:00Z", "2026-03-30T00:30:00Z"),
        // An end that is left out, likewise.
        ("01:00", "02:30", "Europe/Berlin", "2026-03-29T00:59:59Z", "pass"),
        ("01:00", "02:30", "Europe/Berlin", "2026-03-29T01:00:00Z", "2026-03-29T23:00:00Z"),
        ("02:30", "03:10", "Europe/Berlin", "2026-03-29T01:09:59Z", "pass"),
        ("02:30", "03:10", "Europe/Berlin", "2026-03-29T01:10:00Z", "2026-03-30T00:30:00Z"),
        // Nothing of the window is left: it does not take place.
        ("02:10", "02:50", "Europe/Berlin", "2026-03-29T00:50:00Z", "2026-03-30T00:10:00Z"),
        ("02:10", "02:50", "Europe/Berlin", "2026-03-29T01:15:00Z", "2026-03-30T00:10:00Z"),
        ("02:00", "02:30", "Australia/Lord_Howe", "2026-10-03T15:30:00Z", "2026-10-04T15:00:00Z"),
        // A start that comes twice is the first; so is an end.
        ("02:30", "05:00", "Europe/Berlin", "2026-10-25T00:29:59Z", "2026-10-25T00:30:00Z"),
        ("02:30", "05:00", "Europe/Berlin", "2026-10-25T01:10:00Z", "pass"),
        ("01:00", "02:30", "Europe/Berlin", "2026-10-25T00:29:59Z", "pass"),
        ("01:00", "02:30", "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-26T00:00:00Z"),
        // Hours beside the change are as long as the day makes them.
        ("00:00", "24:00", "Europe/Berlin", "2026-03-28T23:00:00Z", "pass"),
        ("09:00", "17:00", "America/New_York", "2026-03-08T12:59:59Z", "2026-03-08T13:00:00Z"),
        ("09:00", "17:00", "America/New_York", "2026-11-01T13:59:59Z", "2026-11-01T14:00:00Z"),
        ("22:00", "03:00", "America/New_York", "2026-11-01T07:59:59Z", "pass"),
        ("22:00", "03:00", "America/New_York", "2026-11-01T08:00:00Z", "2026-11-02T03:00:00Z"),
    ] {
        let windows = [window(&ALL, start, end, zone)];
        assert_eq!(told(&calendar::windows(&windows, at(moment))), expected, "{start}-{end} {zone} {moment}");
    }
}

#[test]
fn a_freeze_holds_whole_days_of_its_zone_and_exact_times() {
    let berlin = TimeZone::get("Europe/Berlin").unwrap();
    let day = |text: &str| FreezeEdge::Day(text.parse().unwrap());
    let holidays = [Freeze { from: day("2026-12-20"), to: day("2027-01-03"), zone: berlin.clone() }];
    for (moment, expected) in [
        ("2026-12-19T22:59:59Z", "pass"),
        ("2026-12-19T23:00:00Z", "2027-01-03T23:00:00Z"),
        ("2027-01-03T22:59:59Z", "2027-01-03T23:00:00Z"),
        ("2027-01-03T23:00:00Z", "pass"),
    ] {
        assert_eq!(told(&calendar::freezes(&holidays, at(moment))), expected, "{moment}");
    }
    // The day of a clock change has 23 hours, and all of them are frozen.
    let spring = [Freeze { from: day("2026-03-29"), to: day("2026-03-29"), zone: berlin.clone() }];
    assert_eq!(told(&calendar::freezes(&spring, at("2026-03-28T23:00:00Z"))), "2026-03-29T22:00:00Z");
    assert_eq!(told(&calendar::freezes(&spring, at("2026-03-29T22:00:00Z"))), "pass");
    // So is the longer one in autumn, and both of another zone; where the day begins with the change, and where that is of
    // half an hour.
    for (zone, date, begins, ends) in [
        ("Europe/Berlin", "2026-10-25", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"),
        ("America/New_York", "2026-03-08", "2026-03-08T05:00:00Z", "2026-03-09T04:00:00Z"),
        ("America/New_York", "2026-11-01", "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z"),
        ("Africa/Cairo", "2026-04-24", "2026-04-23T22:00:00Z", "2026-04-24T21:00:00Z"),
        ("Africa/Cairo", "2026-10-29", "2026-10-28T21:00:00Z", "2026-10-29T22:00:00Z"),
        ("Australia/Lord_Howe", "2026-10-04", "2026-10-03T13:30:00Z", "2026-10-04T13:00:00Z"),
        ("Australia/Lord_Howe", "2026-04-05", "2026-04-04T13:00:00Z", "2026-04-05T13:30:00Z"),
    ] {
        let zone = TimeZone::get(zone).unwrap();
        let one = [Freeze { from: day(date), to: day(date), zone: zone.clone() }];
        let second = SignedDuration::from_secs(1);
        let all = [at(begins) - second, at(begins), at(ends) - second, at(ends)]
            .map(|moment| told(&calendar::freezes(&one, moment)));
        assert_eq!(all, ["pass", ends, ends, "pass"], "{date} {zone:?}");
        assert_eq!(calendar::begins(&one, at(begins) - second).map(|(begins, _)| begins), Some(at(begins)));
    }
    // One freeze goes over into the next, and a third one only touches it.
    let chained = [("2026-12-20", "2027-01-03"), ("2026-12-29", "2027-01-05"), ("2027-01-06", "2027-01-06")];
    let chained = chained.map(|(from, to)| Freeze { from: day(from), to: day(to), zone: berlin.clone() });
    for (moment, expected) in [("2026-12-21T00:00:00Z", "2027-01-06T23:00:00Z"), ("2027-01-06T23:00:00Z", "pass")] {
        assert_eq!(told(&calendar::freezes(&chained, at(moment))), expected, "{moment}");
    }
    let moment = |text: &str| FreezeEdge::Moment(text.parse().unwrap());
    let release = [Freeze { from: moment("2026-12-01T18:00:00Z"), to: moment("2026-12-01T20:00:00Z"), zone: berlin }];
    assert_eq!(told(&calendar::freezes(&release, at("2026-12-01T18:00:00Z"))), "2026-12-01T20:00:00Z");
    assert_eq!(told(&calendar::freezes(&release, at("2026-12-01T20:00:00Z"))), "pass");
}

#[test]
fn the_earliest_moment_passes_every_gate_that_time_decides() {
    let day = |text: &str| FreezeEdge::Day(text.parse().unwrap());
    let specs = [
        GateSpec::Soak { time: SignedDuration::from_hours(24), count: crate::model::gate::SoakCount::Running },
        GateSpec::Windows(vec![window(&ALL[..4], "09:00", "16:00", "UTC")]),
        GateSpec::Freezes(vec![Freeze { from: day("2026-11-22"), to: day("2026-11-23"), zone: TimeZone::UTC }]),
    ];
    let (name, answers) = (EnvironmentName::from("prod"), BTreeMap::new());
    let asking = (&name, &[][..]);
    let bench = |soaking: &'static [Soaking]| Bench {
        now: at("2026-11-19T10:00:00Z"),
        soaking,
        asking,
        answers: &answers,
        forge: nobody(),
    };
    // Nothing soaks: that is no matter of time.
    assert_eq!(judge(&specs, &bench(&[])).earliest, None);
    // Friday is no window's day, the weekend neither, Monday is frozen.
    assert_eq!(judge(&specs[1..], &bench(&[])).earliest, None, "everything passes now");
    let friday = Bench { now: at("2026-11-20T10:00:00Z"), ..bench(&[]) };
    assert_eq!(judge(&specs[1..], &friday).earliest, Some(at("2026-11-24T09:00:00Z")));
    let with_manual = [specs[1].clone(), GateSpec::Manual];
    assert_eq!(judge(&with_manual, &friday).earliest, None);
}

#[test]
fn a_gate_that_passes_tells_when_time_alone_closes_it() {
    let office = |end: &str| window(&ALL[..4], "09:00", end, "Europe/Berlin");
    let night = window(&ALL, "16:00", "02:00", "Europe/Berlin");
    let always = window(&ALL, "00:00", "24:00", "UTC");
    let (thursday, closed) = (at("2026-11-19T10:00:00Z"), at("2026-11-20T10:00:00Z"));
    for (windows, moment, expected) in [
        (vec![office("16:00")], thursday, Some("2026-11-19T15:00:00Z")),
        // One goes over into the other.
        (vec![office("16:00"), night.clone()], thursday, Some("2026-11-20T01:00:00Z")),
        (vec![office("15:30"), night], thursday, Some("2026-11-19T14:30:00Z")),
        (vec![always], thursday, None),
        (vec![office("16:00")], closed, None),
    ] {
        assert_eq!(calendar::closes(&windows, moment).map(|closes| closes.to_string()).as_deref(), expected);
    }
    let day = |text: &str| FreezeEdge::Day(text.parse().unwrap());
    let specs = [
        GateSpec::Windows(vec![office("16:00")]),
        GateSpec::Freezes(vec![Freeze { from: day("2026-12-20"), to: day("2027-01-03"), zone: TimeZone::UTC }]),
        GateSpec::Manual,
    ];
    let (name, answers) = (EnvironmentName::from("prod"), BTreeMap::new());
    let asking = (&name, &[][..]);
    let bench = Bench { now: thursday, soaking: &[], asking, answers: &answers, forge: nobody() };
    let closes: Vec<Option<Timestamp>> = judge(&specs, &bench).gates.iter().map(|gate| gate.closes).collect();
    assert_eq!(closes, [Some(at("2026-11-19T15:00:00Z")), Some(at("2026-12-20T00:00:00Z")), None]);
    let late = Bench { now: closed, ..bench };
    assert_eq!(judge(&specs, &late).gates[0].closes, None, "it waits, and says until when");
}

fn commit(id: &str) -> CommitId {
    CommitId(format!("{id:0>40}").into())
}

fn check(name: &str, state: CheckState) -> Check {
    let (name, word, text) = (name.to_owned(), "word".to_owned(), String::new());
    Check { name, state, word, text, is_run: false, time: None }
}

#[test]
fn a_long_stretch_is_looked_at_from_both_ends() {
    let line: Vec<CommitId> = (0..100).map(|depth| commit(&depth.to_string())).collect();
    let picked = chosen(&line, 5..=79);
    assert_eq!(picked.len(), 20);
    assert_eq!(
        (picked.first(), picked.get(9), picked.get(10), picked.last()),
        (line.get(5), line.get(14), line.get(70), line.get(79))
    );
    assert_eq!(chosen(&line, 3..=9), line[3..=9]);
    assert_eq!(chosen(&line, 98..=120), line[98..], "no further than history was read");
}

#[test]
fn checks_must_pass_in_every_environment_before_and_a_failure_wins_over_a_wait() {
    let image: crate::model::image::ImageName = "ghcr.io/acme/web".parse().unwrap();
    let (eu, us) = ("eu".into(), "us".into());
    fn proof<'a>(
        before: &'a EnvironmentName,
        image: &'a crate::model::image::ImageName,
        commits: Result<Vec<CommitId>, String>,
        reports: &'a Reports,
    ) -> Proof<'a> {
        Proof { before, image, repository: None, reports, commits }
    }
    let state = |rows: &[(&str, &str, CheckState)], names: &[&str]| {
        let mut reports: Reports = [(commit("1"), Ok(Vec::new())), (commit("2"), Ok(Vec::new()))].into();
        for (id, name, state) in rows {
            reports.get_mut(&commit(id)).unwrap().as_mut().unwrap().push(check(name, *state));
        }
        let names: Vec<_> = names.iter().map(|name| (*name).into()).collect();
        let both = [
            proof(&eu, &image, Ok(vec![commit("2"), commit("1")]), &reports),
            proof(&us, &image, Ok(vec![commit("2")]), &reports),
        ];
        told(&checks::state(&names, &both))
    };
    use CheckState::{Failed, Passed, Pending};
    assert_eq!(state(&[("2", "e2e", Passed)], &["e2e"]), "pass");
    assert_eq!(state(&[("1", "e2e", Passed)], &["e2e"]), "for ever", "the second one has not reported");
    assert_eq!(state(&[("1", "argocd/eu", Passed), ("2", "argocd/us", Passed)], &["argocd/*"]), "pass");
    let mixed = [("2", "a", Pending), ("2", "b", Failed)];
    assert_eq!(state(&mixed, &["a", "b"]), "b: word on commit 0000000000 in eu");
    assert_eq!(told(&checks::state(&["a".into()], &[])), "for ever", "no environment comes before");
    let nothing = Reports::new();
    let unread = [proof(&eu, &image, Err("history is cut".to_owned()), &nothing)];
    assert_eq!(told(&checks::state(&["a".into()], &unread)), "for ever");
}

#[test]
fn what_a_forge_could_not_tell_waits_and_names_why() {
    let reason = |state: GateState| match state {
        GateState::Wait { until: None, reason } => reason,
        other => panic!("{other:?}"),
    };
    let image: crate::model::image::ImageName = "ghcr.io/acme/web".parse().unwrap();
    let dev = "dev".into();
    let down: Reports = [(commit("1"), Err("it is down".to_owned()))].into();
    let proofs =
        [Proof { before: &dev, image: &image, repository: None, reports: &down, commits: Ok(vec![commit("1")]) }];
    assert_eq!(reason(checks::state(&["a".into()], &proofs)), "a could not be asked for: it is down");
    let asked = reason(people::approvals(2, Some(&Err("it is down".to_owned()))));
    assert_eq!(asked, "who approves could not be asked for: it is down");
    let count = |count| people::approvals(2, Some(&Ok(Approvals { head: None, count })));
    assert_eq!(reason(count(1)), "1 of 2 approvals of its head commit");
    assert_eq!((count(2), count(3)), (GateState::Pass, GateState::Pass));
    assert!(reason(people::manual(Publish::Commit)).contains("--skip manual"));
}

#[test]
fn one_version_that_comes_file_by_file_starves_nobody_and_counts_once() {
    let value = |tag: &str| Value { tag: Some(tag.parse().unwrap()), digest: None };
    let start = at("2026-11-20T00:00:00Z");
    // Each version comes to two files, one an hour after the other.
    let told = |versions: &[&str], count| {
        let mut shifts = Vec::new();
        for pair in versions.windows(2) {
            let (old, new) = (value(pair[0]), value(pair[1]));
            let both: BTreeSet<Value> = [old.clone(), new.clone()].into();
            let alone = |one: &Value| BTreeSet::from([one.clone()]);
            for (from, to) in [(alone(&old), both.clone()), (both.clone(), alone(&new))] {
                let landed = start + SignedDuration::from_hours(i64::try_from(shifts.len()).unwrap() + 1);
                let (commit, steps) = (commit("1"), [(old.clone(), new.clone())].into());
                let (by, word, changes) = (Mover::Tagboat, Word::default(), Vec::new());
                shifts.insert(0, Shift { commit, time: landed, landed, by, word, from, to, steps, changes });
            }
        }
        let timeline = Timeline {
            shifts,
            asides: Vec::new(),
            spread: Vec::new(),
            stood: BTreeMap::new(),
            oldest: start,
            whole: true,
        };
        starving(&timeline, &|_| false, (SignedDuration::from_hours(24), count))
    };
    use crate::model::gate::SoakCount::{Introduced, Running};
    assert_eq!(told(&["1.0.0", "1.3.0"], Running), None);
    assert_eq!(told(&["1.0.0", "1.0.1", "1.0.2", "1.3.0"], Running), None, "two have gone since");
    let four = ["1.0.0", "1.0.1", "1.0.2", "1.0.3", "1.3.0"];
    let figures = told(&four, Running).unwrap();
    assert!(figures.starts_with("the last 3 versions there stayed too short, at most 1 h: "), "{figures}");
    assert_eq!(told(&four, Introduced), None, "what was introduced counts on");
}

#[test]
fn lengths_read_in_their_two_largest_units() {
    for (seconds, expected) in [
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (3_661, "1 h 1 min"),
        (86_400, "1 d"),
        (90_061, "1 d 1 h"),
        (-5, "0 s"),
    ] {
        assert_eq!(calendar::length(SignedDuration::from_secs(seconds)), expected);
    }
}
