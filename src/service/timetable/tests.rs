use jiff::ToSpan;

use super::*;
use crate::config::service;
use crate::queue::local::Local;
use crate::queue::{Event, Queue};

const ONE: &str = "https://git.example/acme/one";

fn at(text: &str) -> Timestamp {
    format!("2026-11-20T{text}Z").parse().unwrap()
}

/// A configuration with these repositories, each by its own schedule.
fn configuration(repositories: &[(&str, &str)], at_once: u32) -> Service {
    let mut text = format!("version: 1\nlimits: {{concurrentPasses: {at_once}}}\nrepositories:\n");
    for (url, schedule) in repositories {
        text.push_str(&format!("  - {{url: \"{url}\", schedule: \"{schedule}\"}}\n"));
    }
    service::parse("service.yaml", text.as_bytes()).unwrap()
}

/// A timetable with the queue of one process.
struct Table {
    table: Timetable,
    queue: Local,
}

impl std::ops::Deref for Table {
    type Target = Timetable;

    fn deref(&self) -> &Timetable {
        &self.table
    }
}

impl std::ops::DerefMut for Table {
    fn deref_mut(&mut self) -> &mut Timetable {
        &mut self.table
    }
}

impl Table {
    /// Asks for what is due, and begins what has room.
    fn begin(&mut self, now: Timestamp) -> Vec<(String, Cause)> {
        self.table.due(now).into_iter().for_each(|ask| self.queue.ask(ask));
        let mut begun = Vec::new();
        loop {
            self.queue.room(self.table.free(now));
            let event = self.queue.take(&self.table.leave(now));
            let Some(Event::Job(lease)) = event else { return begun };
            assert!(self.table.begin(&lease.repository, now), "it had leave to");
            begun.push((lease.repository.clone(), lease.cause));
        }
    }
}

fn table(repositories: &[(&str, &str)], at_once: u32) -> Table {
    let mut table = Timetable::new(at("08:00:00"));
    table.configure(&configuration(repositories, at_once), at("08:00:00"));
    Table { table, queue: Local::default() }
}

fn done(earliest: Option<&str>) -> Ended {
    Ended::Done {
        earliest: earliest.map(at),
        images: BTreeSet::new(),
        follows: BTreeSet::new(),
        tips: Vec::new(),
        has_landed: false,
    }
}

#[test]
fn a_first_pass_begins_with_the_start_and_the_next_by_the_schedule() {
    let mut table = table(&[(ONE, "every 5m")], 4);
    let now = table.wake_at().unwrap();
    assert!(now <= at("08:00:01"), "{now}");
    assert_eq!(table.begin(now), [(ONE.to_owned(), Cause::Start)]);
    assert_eq!((table.begin(at("09:00:00")), table.wake_at()), (vec![], None), "it runs already");
    assert_eq!(table.end(ONE, done(None), at("08:00:03")), Some(0));
    let next = table.wake_at().unwrap();
    assert_eq!(next, now + 5.minutes());
    assert_eq!(table.begin(next), [(ONE.to_owned(), Cause::Schedule)]);
}

#[test]
fn a_pass_comes_when_something_that_waits_may_move() {
    let mut table = table(&[(ONE, "every 1h")], 4);
    table.begin(at("08:00:01"));
    table.end(ONE, done(Some("08:17:30")), at("08:00:02"));
    assert_eq!(table.wake_at(), Some(at("08:17:30")));
    assert_eq!(table.begin(at("08:17:29")), []);
    assert_eq!(table.begin(at("08:17:30")), [(ONE.to_owned(), Cause::Gate)]);
    table.end(ONE, done(Some("08:17:30")), at("08:17:31"));
    assert_eq!(table.wake_at(), Some(at("09:17:30")), "a moment that is over is none");
}

#[test]
fn what_comes_before_a_pass_begins_by_schedule_is_news_to_it() {
    let mut table = table(&[(ONE, "every 1h")], 4);
    table.begin(at("08:00:01"));
    table.end(ONE, done(Some("09:00:03")), at("08:00:02"));
    // It is asked for, and has no room so far.
    let next = at("09:00:01");
    table.table.due(next).into_iter().for_each(|ask| table.queue.ask(ask));
    assert!(!table.has_news(ONE, next));
    assert!(table.has_news(ONE, at("09:00:03")), "what waits may move by now");
    table.hasten(ONE, at("09:00:02"));
    assert!(table.has_news(ONE, at("09:00:02")), "a webhook came");
    assert_eq!(table.begin(at("09:00:02")), [(ONE.to_owned(), Cause::Schedule)]);
    assert!(!table.has_news(ONE, at("09:00:02")) && !table.has_news("https://git.example/acme/unknown", next));
}

#[test]
fn webhooks_are_merged_into_one_pass_that_follows_the_running_one() {
    let mut table = table(&[(ONE, "every 1h")], 4);
    table.begin(at("08:00:01"));
    (0..1000).for_each(|_| table.hasten(ONE, at("08:00:02")));
    assert_eq!(table.begin(at("08:00:03")), [], "one pass at a time");
    table.end(ONE, done(None), at("08:00:04"));
    assert_eq!(table.wake_at(), Some(at("08:00:05")));
    assert_eq!(table.begin(at("08:00:05")), [(ONE.to_owned(), Cause::Webhook)]);
    table.end(ONE, done(None), at("08:00:06"));
    assert_eq!(table.wake_at(), Some(at("09:00:05")));
    table.hasten("https://git.example/acme/unknown", at("08:00:07"));
    assert_eq!(table.wake_at(), Some(at("09:00:05")));
}

#[test]
fn failures_back_off_and_do_not_hold_up_others() {
    let two = "https://git.example/acme/two";
    let mut table = table(&[(ONE, "every 1s"), (two, "every 1s")], 4);
    let (mut now, mut waits) = (at("08:00:02"), Vec::new());
    for failures in 1..=10 {
        assert!(table.begin(now).iter().any(|(url, _)| url == ONE), "{now}");
        assert_eq!(table.end(ONE, Ended::Failed, now), Some(failures));
        table.end(two, done(None), now);
        assert_eq!(table.wake_at(), Some(now + 1.second()), "the other one's next pass");
        let next = table.entries[ONE].next.unwrap();
        waits.push(next.duration_since(now).as_secs());
        now = next;
    }
    assert_eq!(waits, [10, 20, 40, 80, 160, 320, 640, 1280, 1800, 1800]);
    table.begin(now);
    assert_eq!(table.end(ONE, done(None), now), Some(0));
    assert_eq!(table.entries[ONE].next, Some(now + 1.second()));
}

#[test]
fn a_webhook_may_begin_a_pass_before_the_back_off_is_over() {
    let mut table = table(&[(ONE, "every 1m")], 4);
    for _ in 0..8 {
        table.entries.get_mut(ONE).unwrap().next = Some(at("08:00:00"));
        table.begin(at("08:00:01"));
        table.end(ONE, Ended::Failed, at("08:00:01"));
    }
    table.hasten(ONE, at("08:00:02"));
    assert_eq!(table.wake_at(), Some(at("08:00:11")));
    assert_eq!(table.begin(at("08:00:11")), [(ONE.to_owned(), Cause::Webhook)]);
}

#[test]
fn no_more_run_at_once_than_allowed_and_the_longest_overdue_goes_first() {
    let urls: Vec<String> = (0..10).map(|number| format!("https://git.example/acme/{number}")).collect();
    let repositories: Vec<(&str, &str)> = urls.iter().map(|url| (url.as_str(), "every 1h")).collect();
    let mut table = table(&repositories, 3);
    let due: Vec<String> = {
        let mut due: Vec<_> = table.entries.iter().map(|(url, entry)| (entry.next, url.clone())).collect();
        due.sort();
        due.into_iter().map(|(_, url)| url).collect()
    };
    let mut order: Vec<String> = Vec::new();
    let now = at("08:30:00");
    while order.len() < 10 {
        let begun: Vec<String> = table.begin(now).into_iter().map(|(url, _)| url).collect();
        assert!(begun.len() <= 3 && !begun.is_empty(), "{begun:?}");
        assert_eq!(table.waiting(now), 10 - order.len() - begun.len());
        for url in &begun {
            table.end(url, done(None), now);
        }
        order.extend(begun);
    }
    assert_eq!(order, due);
}

#[test]
fn nothing_begins_after_the_end_was_called() {
    let mut table = table(&[(ONE, "every 1s")], 4);
    table.stop();
    table.hasten(ONE, at("08:00:05"));
    assert_eq!((table.begin(at("09:00:00")), table.wake_at()), (vec![], None));
}

#[test]
fn a_new_configuration_keeps_what_it_still_names() {
    let two = "https://git.example/acme/two";
    let mut table = table(&[(ONE, "every 1h"), (two, "every 1h")], 4);
    table.begin(at("08:00:30"));
    table.answered(two, at("08:00:30"));
    table.end(ONE, done(Some("08:20:00")), at("08:00:31"));
    let three = "https://git.example/acme/three";
    let gone = table.configure(&configuration(&[(ONE, "every 5m"), (three, "every 1h")], 4), at("08:01:00"));
    assert_eq!(gone, [two]);
    assert_eq!(table.begin(at("08:05:59")), [(three.to_owned(), Cause::Start)]);
    assert_eq!(table.begin(at("08:06:00")), [(ONE.to_owned(), Cause::Schedule)]);
    // What ran while it was taken out ends, and nothing comes after it.
    assert_eq!(table.end(two, done(Some("08:07:00")), at("08:06:00")), None);
    assert_eq!(table.running, 2);
    assert!(!table.entries.contains_key(two));
}

#[test]
fn a_clock_that_is_set_back_does_not_stop_passes() {
    let mut table = table(&[(ONE, "every 5m")], 4);
    table.begin(at("20:00:00"));
    table.end(ONE, done(None), at("20:00:01"));
    assert_eq!(table.begin(at("08:00:00")), []);
    assert_eq!(table.wake_at(), Some(at("08:05:00")));
}

fn row(began: &str, ended: &str) -> Row {
    Row {
        began: at(began),
        ended: at(ended),
        failures: 0,
        earliest: None,
        images: None,
        follows: BTreeSet::new(),
        tips: None,
        cause: "schedule".to_owned(),
        result: "done".to_owned(),
        by: "another".to_owned(),
    }
}

#[test]
fn what_runs_elsewhere_plans_the_next_pass_as_if_it_had_run_here() {
    let cron = "*/5 * * * *";
    for schedule in ["every 5m", cron] {
        let (mut here, mut there) = (table(&[(ONE, schedule)], 4), table(&[(ONE, schedule)], 4));
        here.begin(at("08:00:01"));
        here.end(ONE, done(Some("08:03:00")), at("08:00:09"));
        let told = Row { earliest: Some(at("08:03:00")), ..row("08:00:01", "08:00:09") };
        there.learn(ONE, &told);
        assert_eq!((there.wake_at(), there.entries[ONE].next), (here.wake_at(), here.entries[ONE].next));
        assert_eq!(there.due(at("08:03:00")), here.due(at("08:03:00")), "all ask for the same moment");
    }
}

#[test]
fn failures_elsewhere_count_and_what_is_older_than_what_is_known_does_not() {
    let mut table = table(&[(ONE, "every 1s")], 4);
    table.learn(ONE, &Row { failures: 3, ..row("08:01:00", "08:01:05") });
    assert_eq!(table.wake_at(), Some(at("08:01:45")));
    table.learn(ONE, &row("08:00:30", "08:01:30"));
    assert_eq!(table.wake_at(), Some(at("08:01:45")));
    table.begin(at("08:01:45"));
    table.learn(ONE, &row("08:01:50", "08:01:51"));
    assert_eq!(table.end(ONE, Ended::Failed, at("08:01:55")), Some(4), "what runs here knows better");
}

#[test]
fn a_webhook_is_kept_until_a_pass_that_began_after_it_or_the_queue_has_it() {
    let mut table = table(&[(ONE, "every 1h")], 4);
    table.learn(ONE, &row("08:00:00", "08:00:01"));
    table.hasten(ONE, at("08:10:00"));
    assert_eq!(table.due(at("08:10:00"))[0].cause, Cause::Webhook);
    assert_eq!(table.due(at("08:10:01")), [], "it was asked for");
    // One that ran meanwhile began before the webhook came.
    table.learn(ONE, &row("08:09:59", "08:10:02"));
    assert_eq!(table.wake_at(), Some(at("08:10:03")));
    assert!(!table.due(at("08:10:03"))[0].is_repeated);
    table.learn(ONE, &row("08:10:04", "08:10:05"));
    assert_eq!(table.wake_at(), Some(at("09:10:04")));
    table.hasten(ONE, at("08:20:00"));
    let wish = table.due(at("08:20:00"))[0].wish;
    table.hasten(ONE, at("08:20:00.001"));
    table.kept(ONE, wish);
    let ask = table.due(at("08:20:01")).pop().unwrap();
    assert_eq!(ask.cause, Cause::Webhook, "one that came meanwhile is not kept by that");
    table.kept(ONE, ask.wish);
    assert_eq!(table.wake_at(), Some(at("09:10:04")), "whoever has it begins it");
}

#[test]
fn what_was_asked_for_and_never_begins_is_asked_for_again() {
    let mut table = table(&[(ONE, "every 1h")], 4);
    table.learn(ONE, &row("08:00:00", "08:00:01"));
    assert!(!table.due(at("09:00:00"))[0].is_repeated);
    assert_eq!(table.wake_at(), Some(at("09:00:30")));
    let again = table.due(at("09:00:30"));
    assert_eq!((again[0].moment, again[0].is_repeated), (at("09:00:00"), true));
    table.ask_again();
    assert_eq!(table.wake_at(), Some(at("09:00:00")));
}

#[test]
fn a_start_looks_at_everything_whatever_the_schedule_says() {
    let mut table = table(&[(ONE, "every 1h")], 4);
    table.learn(ONE, &row("08:00:00", "08:00:01"));
    table.start(at("08:30:00"));
    let asks = table.due(at("08:30:01"));
    assert_eq!((asks.len(), asks[0].cause), (1, Cause::Start));
    table.learn(ONE, &row("08:30:01", "08:30:02"));
    assert_eq!(table.wake_at(), Some(at("09:30:01")));
}

#[test]
fn a_repository_that_moved_hastens_those_that_follow_it() {
    const TWO: &str = "https://git.example/acme/two";
    const THREE: &str = "https://git.example/acme/three";
    let mut table = table(&[(ONE, "every 1h"), (TWO, "every 1h"), (THREE, "every 1h")], 4);
    assert_eq!(table.begin(at("08:00:05")).len(), 3);
    let ended = |follows: &[&str], tip: &str| Ended::Done {
        earliest: None,
        images: BTreeSet::new(),
        follows: follows.iter().map(|url| (*url).to_owned()).collect(),
        tips: vec![CommitId(tip.into())],
        has_landed: false,
    };
    table.end(TWO, ended(&[ONE], "b"), at("08:00:06"));
    table.end(THREE, ended(&[TWO], "c"), at("08:00:06"));
    table.end(ONE, ended(&[], "a"), at("08:00:06"));
    assert_eq!(table.begin(at("08:30:00")), [], "nothing is known to have moved");
    table.hasten(ONE, at("08:30:00"));
    table.begin(at("08:30:00"));
    table.end(ONE, ended(&[], "a"), at("08:30:01"));
    assert_eq!(table.begin(at("08:30:05")), [], "it stands where it stood");
    table.hasten(ONE, at("08:31:00"));
    table.begin(at("08:31:00"));
    table.end(ONE, ended(&[], "d"), at("08:31:01"));
    assert_eq!(table.begin(at("08:31:05")), [(TWO.to_owned(), Cause::Before)]);
    table.end(TWO, ended(&[ONE], "b"), at("08:31:06"));
    assert_eq!(table.begin(at("08:31:10")), [], "what did not move hastens nobody");
}

#[test]
fn what_moves_in_its_very_first_pass_hastens_whoever_looked_before() {
    const TWO: &str = "https://git.example/acme/two";
    let ended = |follows: &[&str], has_landed| Ended::Done {
        earliest: None,
        images: BTreeSet::new(),
        follows: follows.iter().map(|url| (*url).to_owned()).collect(),
        tips: vec![CommitId("a".into())],
        has_landed,
    };
    // Whoever follows had its pass before, or has it at the same time and tells only then what it follows.
    for (first, second) in [(TWO, ONE), (ONE, TWO)] {
        let mut table = table(&[(ONE, "every 1h"), (TWO, "every 1h")], 4);
        assert_eq!(table.begin(at("08:00:05")).len(), 2);
        for (url, end) in [(first, "08:00:06"), (second, "08:00:07")] {
            let how = if url == ONE { ended(&[], true) } else { ended(&[ONE], false) };
            table.end(url, how, at(end));
        }
        assert_eq!(table.begin(at("08:00:10")), [(TWO.to_owned(), Cause::Before)], "{first} ended first");
        table.end(TWO, ended(&[ONE], false), at("08:00:11"));
        assert_eq!(table.begin(at("08:00:20")), [], "it has seen that");
    }
}

#[test]
fn a_failure_is_tried_again_soon_however_rarely_the_schedule_comes() {
    for schedule in ["every 24h", "0 3 * * *"] {
        let mut table = table(&[(ONE, schedule)], 4);
        table.begin(at("08:00:10"));
        table.end(ONE, done(Some("08:17:30")), at("08:00:11"));
        // It fails just before a gate opens, and again.
        table.hasten(ONE, at("08:17:00"));
        table.begin(at("08:17:00"));
        table.end(ONE, Ended::Failed, at("08:17:01"));
        assert_eq!(table.wake_at(), Some(at("08:17:11")), "{schedule}");
        assert_eq!(table.begin(at("08:17:11")).len(), 1);
        table.end(ONE, Ended::Failed, at("08:17:12"));
        assert_eq!(table.wake_at(), Some(at("08:17:32")), "{schedule}");
        assert_eq!(table.begin(at("08:17:31")), [], "never before the back-off is over");
        table.begin(at("08:17:32"));
        table.end(ONE, done(None), at("08:17:33"));
        assert!(table.wake_at().unwrap() > at("09:00:00"), "and then by the schedule");
    }
}

/// Lets time go by: passes of these hosts get no answer and fail after a minute, all others end in a second. Returns the longest time
/// that one of the others was due and did not run, in seconds, and the most passes that ran at once.
fn let_pass(table: &mut Table, is_silent: &dyn Fn(&str) -> bool, seconds: std::ops::Range<i64>) -> (i64, usize) {
    let (mut longest, mut most) = (0, 0);
    for second in seconds {
        let now = at("08:00:00") + second.seconds();
        let running: Vec<(String, Timestamp)> = table
            .entries
            .iter()
            .filter(|(_, entry)| entry.is_running)
            .map(|(url, entry)| (url.clone(), entry.begun.unwrap()))
            .collect();
        for (url, begun) in running {
            if !is_silent(&url) {
                table.answered(&url, now);
                table.end(&url, done(None), now);
            } else if now.duration_since(begun).as_secs() >= 60 {
                table.end(&url, Ended::Failed, now);
            }
        }
        table.begin(now);
        most = most.max(table.running);
        let due = table.entries.iter().filter(|(url, _)| !is_silent(url)).filter_map(|(_, entry)| entry.due());
        longest = due.map(|(due, _)| now.duration_since(due).as_secs()).max().unwrap_or(0).max(longest);
    }
    (longest, most)
}

#[test]
fn repositories_of_a_host_that_hangs_hold_up_the_others_for_seconds_and_only_once() {
    let silent: Vec<String> = (0..40).map(|number| format!("https://silent.example/acme/{number:02}")).collect();
    let good: Vec<String> = (0..3).map(|number| format!("https://git.example/acme/{number}")).collect();
    for at_once in [1, 2, 4] {
        let rows: Vec<(&str, &str)> = silent.iter().chain(&good).map(|url| (url.as_str(), "every 5s")).collect();
        let mut table = table(&rows, at_once);
        let is_silent = |url: &str| url.contains("silent");
        let (longest, most) = let_pass(&mut table, &is_silent, 10..40);
        // Due for ten seconds already, ten behind those that are the first to hang, and then one after the other.
        assert!(longest <= 24, "{longest} s with {at_once}");
        let (further, more) = let_pass(&mut table, &is_silent, 40..3_600);
        assert!(further <= 3, "{further} s with {at_once}: it is known to hang by now");
        assert!(most.max(more) <= 4 * usize::try_from(at_once).unwrap());
        // As soon as it answers, it is as any other.
        let (_, all) = let_pass(&mut table, &|_| false, 3_600..7_200);
        assert!(table.entries.values().all(|entry| entry.failures == 0 && !entry.is_slow), "{all}");
        assert!(table.table.silent.is_empty());
    }
}

#[test]
fn one_slow_repository_does_not_make_its_whole_host_slow() {
    let urls: Vec<String> = (0..20).map(|number| format!("https://git.example/acme/{number:02}")).collect();
    let rows: Vec<(&str, &str)> = urls.iter().map(|url| (url.as_str(), "every 5s")).collect();
    let mut table = table(&rows, 2);
    // Two are fetched for the first time, for minutes; registries of others keep them waiting.
    let slow = |url: &str| url.ends_with("/00") || url.ends_with("/01");
    let_pass(&mut table, &slow, 10..40);
    let (longest, most) = let_pass(&mut table, &slow, 40..600);
    assert!(longest <= 15, "{longest}");
    assert!(most <= 4);
}

#[test]
fn what_takes_long_has_places_of_its_own_and_all_are_bounded() {
    let urls: Vec<String> = (0..40).map(|number| format!("https://host-{number}.example/acme")).collect();
    let rows: Vec<(&str, &str)> = urls.iter().map(|url| (url.as_str(), "every 1h")).collect();
    let mut table = table(&rows, 2);
    assert_eq!(table.begin(at("08:00:10")).len(), 2);
    assert_eq!(table.begin(at("08:00:19")).len(), 0);
    assert_eq!(table.wake_at(), Some(at("08:00:20")), "when there is room again");
    assert_eq!(table.begin(at("08:00:20")).len(), 2, "the first two take long");
    // However many hang, each on its own: all together are bounded.
    let all: usize = (1..20).map(|minute| table.begin(at(&format!("08:{minute:02}:30"))).len()).sum();
    assert_eq!((table.table.running, all), (8, 4));
    // What ends makes room as ever.
    let one = urls.iter().find(|url| table.entries[*url].is_running).unwrap();
    table.end(one, done(None), at("08:30:00"));
    assert_eq!(table.begin(at("08:30:00")).len(), 1);
}

#[test]
fn what_takes_long_is_not_asked_for_before_there_is_room_unless_nobody_else_knows_of_it() {
    const TWO: &str = "https://git.example/acme/two";
    let mut table = table(&[(ONE, "every 1s"), (TWO, "every 1s")], 1);
    for url in [ONE, TWO] {
        assert!(table.table.begin(url, at("08:00:10")));
        table.answered(url, at("08:00:10"));
        table.end(url, done(None), at("08:00:40"));
    }
    assert_eq!(table.table.due(at("08:01:00")).len(), 1, "there is one place for what is slow");
    assert!(table.table.begin(ONE, at("08:01:00")));
    assert_eq!(table.table.due(at("08:01:05")), []);
    assert!(!table.table.begin(TWO, at("08:01:05")));
    table.hasten(TWO, at("08:01:06"));
    assert_eq!(table.table.due(at("08:01:06")).len(), 1);
}
