use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use crate::cache::Key32;
use crate::model::template::{Template, Wording};
use crate::service::notify::ledger::{Known, Ledger, Read, change};
use crate::service::notify::message::{Markup, Message};
use crate::service::notify::news::{Came, Event, EventId, Lasts, News, What};
use crate::service::notify::outbox::Outbox;

const REPOSITORY: &str = "https://git.example/acme/gitops";

const ID: EventId = EventId([7; 16]);

fn at(text: &str) -> Timestamp {
    format!("2026-11-{text}Z").parse().unwrap()
}

fn event(what: What, subject: &str, lasts: Lasts) -> Event {
    Event {
        id: EventId::of(&[what.as_str(), subject]),
        what,
        lasts,
        environments: [crate::model::environment::EnvironmentName::from("prod")].into(),
        group: String::new(),
        subject: subject.to_owned(),
        old: "1.4.0".to_owned(),
        new: "1.5.0".to_owned(),
        commit: String::new(),
        url: String::new(),
        by: String::new(),
        reason: String::new(),
    }
}

fn news(now: Timestamp, events: &[Event], waits: &[Event]) -> News {
    let came = Came::Through { events: events.to_vec(), waits: waits.to_vec() };
    News { repository: REPOSITORY.to_owned(), at: now, came }
}

fn failed(now: Timestamp, failures: u32) -> News {
    News::failed(REPOSITORY, now, failures, "no route".to_owned())
}

/// Sifts news, and notes all that was found as told; returns its subjects.
fn tell(known: &mut Known, news: &News) -> Vec<String> {
    // A restart in between changes nothing.
    *known = Known::read(Some(&known.row()));
    let found = known.sift(news, SignedDuration::from_hours(24), &|_| true);
    found.iter().for_each(|event| known.note(event, news.at));
    found.into_iter().map(|event| if event.subject.is_empty() { event.reason } else { event.subject }).collect()
}

#[test]
fn what_is_remembered_is_told_once_and_what_is_lost_once_more() {
    let events = [
        event(What::Proposed, "open", Lasts::Once(None)),
        event(What::Merged, "fresh", Lasts::Once(Some(at("20T07:00:00")))),
        event(What::Merged, "old", Lasts::Once(Some(at("18T07:00:00")))),
    ];
    let mut known = Known::default();
    assert_eq!(tell(&mut known, &news(at("20T08:00:00"), &events, &[])), ["open", "fresh"]);
    for hour in 9..20 {
        let now = at(&format!("20T{hour:02}:00:00"));
        assert_eq!(tell(&mut known, &news(now, &events, &[])), Vec::<String>::new());
    }
    assert_eq!(tell(&mut Known::default(), &news(at("20T20:00:00"), &events, &[])), ["open", "fresh"]);
    for broken in [&b"nonsense"[..], b"{}", br#"{"form": 9, "once": {}, "lasting": {}, "waits": {}}"#] {
        assert_eq!(Known::read(Some(broken)), Known::default());
    }
}

#[test]
fn what_happened_while_the_service_was_down_is_told_however_long_that_was() {
    let mut known = Known::default();
    tell(&mut known, &news(at("10T08:00:00"), &[], &[]));
    let missed = event(What::Merged, "missed", Lasts::Once(Some(at("11T08:00:00"))));
    let ancient = event(What::Merged, "ancient", Lasts::Once(Some(at("01T08:00:00"))));
    assert_eq!(tell(&mut known, &news(at("20T08:00:00"), &[missed, ancient], &[])), ["missed"]);
}

#[test]
fn what_lasts_is_told_again_only_after_it_was_gone_for_a_while() {
    let down = [event(What::Failed, "down", Lasts::WhileSeen)];
    let mut known = Known::default();
    let mut step = |time: &str, events: &[Event]| tell(&mut known, &news(at(time), events, &[]));
    assert_eq!(step("20T08:00:00", &down), ["down"]);
    assert_eq!(step("20T08:05:00", &[]), Vec::<String>::new());
    assert_eq!(step("20T08:10:00", &down), Vec::<String>::new(), "it flickers");
    assert_eq!(step("21T08:00:00", &down), Vec::<String>::new(), "passes come once a day");
    assert_eq!(step("21T10:00:00", &[]), Vec::<String>::new());
    assert_eq!(step("21T10:05:00", &down), ["down"]);
}

#[test]
fn what_waits_is_told_after_its_time_and_once() {
    let waits = [event(What::WaitingTooLong, "web", Lasts::WhileSeen)];
    let mut known = Known::default();
    let mut step = |time: &str, waits: &[Event]| tell(&mut known, &news(at(time), &[], waits));
    assert_eq!(step("20T08:00:00", &waits), Vec::<String>::new());
    assert_eq!(step("21T07:59:00", &waits), Vec::<String>::new());
    assert_eq!(step("21T08:00:00", &waits), ["web"]);
    assert_eq!(step("21T09:00:00", &waits), Vec::<String>::new());
    assert_eq!(step("21T11:00:00", &[]), Vec::<String>::new());
    assert_eq!(step("21T12:00:00", &waits), Vec::<String>::new(), "it counts anew");
}

#[test]
fn passes_that_fail_are_told_after_the_third_in_a_row_and_when_they_go_through_again() {
    let mut known = Known::default();
    assert_eq!(tell(&mut known, &failed(at("20T08:00:00"), 1)), Vec::<String>::new());
    assert_eq!(tell(&mut known, &failed(at("20T08:00:10"), 2)), Vec::<String>::new());
    assert_eq!(tell(&mut known, &failed(at("20T08:00:30"), 3)), ["3 in a row: no route"]);
    for failures in 4..40 {
        assert_eq!(tell(&mut known, &failed(at("20T09:00:00"), failures)), Vec::<String>::new());
    }
    assert_eq!(tell(&mut known, &news(at("21T08:00:00"), &[], &[])), ["passes go through again"]);
    assert_eq!(tell(&mut known, &news(at("21T08:05:00"), &[], &[])), Vec::<String>::new());
    assert_eq!(tell(&mut known, &failed(at("21T09:00:00"), 3)), ["3 in a row: no route"]);
}

#[test]
fn what_nobody_wanted_is_no_news_when_somebody_does() {
    let events = [event(What::Proposed, "open", Lasts::Once(None)), event(What::Failed, "down", Lasts::WhileSeen)];
    let news = news(at("20T08:00:00"), &events, &[]);
    let mut known = Known::default();
    let sift = |known: &mut Known, is_wanted: bool| known.sift(&news, SignedDuration::from_hours(24), &|_| is_wanted);
    assert_eq!(sift(&mut known, false), []);
    assert_eq!(sift(&mut known, true), []);
}

#[test]
fn what_is_remembered_stays_bounded() {
    let mut known = Known::default();
    for number in 0..6_000 {
        known.note(&event(What::Merged, &number.to_string(), Lasts::Once(None)), at("20T08:00:00"));
    }
    assert!(known.row().len() < 500_000);
}

#[test]
fn texts_from_outside_mean_nothing_to_any_receiver() {
    let hostile =
        "<!channel> @here *x* [a](https://a.example) <https://b.example|c> `d` \u{202e}e\nf\u{1b}[31m & ~g~ </at>";
    let mut bad = event(What::Held, hostile, Lasts::WhileSeen);
    (bad.reason, bad.by) = (hostile.to_owned(), hostile.to_owned());
    bad.url = "javascript:alert(1)".to_owned();
    let text = |markup| Message::of(hostile, ID, &[&bad, &bad], markup, None).text;
    let slack = text(Markup::Slack);
    assert!(!slack.contains('<') && !slack.contains('>'), "neither mention nor link: {slack}");
    assert!(!slack.contains("@here") && !slack.contains("https://"), "{slack}");
    let teams = text(Markup::Teams);
    for markup in ["](http", "<at", " *x*", " `d`", "https://"] {
        assert!(!teams.contains(markup), "{markup}: {teams}");
    }
    for text in [slack, teams, text(Markup::Plain)] {
        assert!(!text.contains('\u{202e}') && !text.contains('\u{1b}') && !text.contains("javascript"), "{text}");
        assert_eq!(text.lines().filter(|line| !line.trim().is_empty()).count(), 3, "a line each: {text}");
    }
}

#[test]
fn links_go_to_the_web_and_end_where_they_should() {
    let mut one = event(What::Proposed, "ghcr.io/acme/web", Lasts::Once(None));
    one.url = "https://git.example/acme/gitops/pull/1?a=(b)|c>&d=<e".to_owned();
    let text = |markup| Message::of(REPOSITORY, ID, &[&one], markup, None).text;
    let slack = text(Markup::Slack);
    let link = "<https://git.example/acme/gitops/pull/1?a=%28b%29%7Cc%3E&amp;d=%3Ce|pull request>";
    assert!(slack.starts_with("<https://git.example/acme/gitops|acme/gitops>: *proposed* in prod"), "{slack}");
    assert!(slack.contains(link), "{slack}");
    assert!(
        text(Markup::Teams).contains("[pull request](https://git.example/acme/gitops/pull/1?a=%28b%29%7Cc%3E&d=%3Ce)")
    );
}

#[test]
fn templates_say_what_they_like_with_values_that_mean_nothing() {
    let bad = event(What::Held, "ghcr.io/acme/*web*", Lasts::WhileSeen);
    let template = |source: &str| Template::parse(source, Wording::Notice).unwrap();
    let say = |source: &str| Message::of(REPOSITORY, ID, &[&bad], Markup::Slack, Some(&template(source))).text;
    assert_eq!(
        say("<!here> {% for one in events %}{{ one.event }} {{ one.environment }} {{ one.short }}{% endfor %}"),
        "<!here> held prod \u{2060}*\u{2060}web\u{2060}*\u{2060}"
    );
    assert_eq!(say("{% if false %}x{% endif %}"), "…");
    let long = Message::of(REPOSITORY, ID, &[&bad], Markup::Plain, Some(&template(&"0123456789\n".repeat(1_400)))).text;
    assert!(long.len() < 12_100 && long.ends_with("0123456789\n…"), "{}", long.len());
    let unknown = Template::parse("{{ image }}", Wording::Notice).unwrap_err();
    assert!(unknown.hint.unwrap().contains("`events`"), "{}", unknown.reason);
    for (many, line) in [(25, "and 5 more"), (20, "1.4.0 → 1.5.0")] {
        let events: Vec<Event> =
            (0..many).map(|number| event(What::Merged, &number.to_string(), Lasts::Once(None))).collect();
        let text = Message::of(REPOSITORY, ID, &events.iter().collect::<Vec<_>>(), Markup::Plain, None).text;
        assert!(text.ends_with(line), "{text}");
    }
}

#[test]
fn who_ordered_something_is_told_although_the_commit_is_tagboat_s() {
    use crate::model::outcome::Outcome;
    use crate::model::record::{Entry, Kind, Standing};
    let entry = |author: &str, by: Option<&str>| Entry {
        time: at("20T07:00:00"),
        commit: crate::model::commit::CommitId("a".into()),
        depth: 0,
        environment: Some("prod".into()),
        image: "ghcr.io/acme/web".parse().unwrap(),
        from: None,
        to: None,
        kind: Kind::Rollback,
        author: author.to_owned(),
        by: by.map(str::to_owned),
        pull_request: None,
        reason: None,
        is_return: false,
    };
    for (author, by, told) in [("Tagboat", Some("robin"), "robin"), ("Tagboat", None, ""), ("kim", None, "kim")] {
        let standing = Standing { lately: vec![entry(author, by)], ..Standing::default() };
        let outcome = Outcome { standing: Some(Box::new(standing)), ..Outcome::default() };
        let News { came: Came::Through { events, .. }, .. } = News::of(&outcome, REPOSITORY, at("20T08:00:00")) else {
            panic!("it went through");
        };
        assert_eq!(events[0].by, told, "{author} {by:?}");
    }
}

fn events(subjects: &[&str]) -> Vec<Event> {
    subjects.iter().map(|subject| event(What::Merged, subject, Lasts::Once(None))).collect()
}

fn ids(events: &[Event]) -> Vec<EventId> {
    events.iter().map(|event| event.id).collect()
}

#[test]
fn of_several_who_are_about_to_tell_something_one_does_and_another_takes_over_its_message_when_that_falls_silent() {
    let (all, now) = (events(&["a", "b"]), at("20T08:00:00"));
    let mut known = Known::default();
    tell(&mut known, &news(now, &[], &[]));
    let first = known.claim(&all, None, "one", now);
    assert_eq!((first.own.1.clone(), first.taken), (ids(&all), None));
    let read = |known: &Known| Known::read(Some(&known.row()));
    let mut known = read(&known);
    // Another one leaves it alone for as long as that may be at work.
    let more = events(&["a", "b", "c"]);
    let second = known.claim(&more, None, "two", at("20T08:00:03"));
    assert_eq!(second.own.1, ids(&more[2..]));
    assert_eq!(second.taken, Some((at("20T08:01:00"), ids(&all))));
    // It is tried again by whoever has it, as the same message, whatever came meanwhile.
    let again = known.claim(&all, Some(first.own.0), "one", at("20T08:00:50"));
    assert_eq!(again.own, first.own);
    // One that fell silent is taken over: the same message with the same id, and what came since by another.
    let later = known.claim(&events(&["a", "b", "d"]), None, "two", at("20T08:01:50"));
    assert_eq!((later.own, ids(&events(&["d"]))), (first.own.clone(), later.others));
    all.iter().for_each(|event| known.note(event, at("20T08:01:51")));
    let told = read(&known).claim(&all, Some(first.own.0), "one", at("20T08:02:00"));
    assert_eq!((told.own.1, told.others, told.taken), (vec![], vec![], None));
}

/// A ledger that two share, in which somebody else writes just before the first swap.
struct Raced {
    row: std::sync::Mutex<(Option<Vec<u8>>, u64)>,
    other: std::sync::Mutex<Option<Known>>,
}

impl Ledger for Raced {
    fn load(&self, _: &Key32) -> Read {
        let (row, version) = self.row.lock().unwrap().clone();
        Read { row, version: Some(version) }
    }

    fn swap(&self, _: &Key32, before: &Read, row: Vec<u8>) -> bool {
        let mut kept = self.row.lock().unwrap();
        if let Some(other) = self.other.lock().unwrap().take() {
            *kept = (Some(other.row()), kept.1 + 1);
        }
        let holds = before.version == Some(kept.1);
        if holds {
            *kept = (Some(row), kept.1 + 1);
        }
        holds
    }

    fn holder(&self) -> &str {
        "one"
    }
}

#[test]
fn what_two_claim_at_once_one_of_them_has() {
    let (all, now) = (events(&["a"]), at("20T08:00:00"));
    let mut other = Known::default();
    tell(&mut other, &news(now, &[], &[]));
    other.claim(&all, None, "two", now);
    let ledger = Raced { row: std::sync::Mutex::default(), other: std::sync::Mutex::new(Some(other)) };
    let claim = |known: &mut Known| known.claim(&all, None, ledger.holder(), now);
    let came = change(&ledger, &Key32([0; 32]), claim).unwrap();
    assert_eq!((came.own.1, came.taken), (vec![], Some((at("20T08:01:00"), ids(&all)))));
}

#[test]
fn a_message_that_fails_waits_by_itself_and_keeps_what_it_says() {
    let mut outbox = Outbox::default();
    let begin = Instant::now();
    let mut now = begin;
    let mut told: Vec<(String, usize)> = Vec::new();
    for (second, repository) in [(0, "a"), (0, "b"), (5, "a"), (20, "c")] {
        outbox.add(repository, events(&[&format!("{repository} {second}")]));
        now = now.max(begin + Duration::from_secs(second));
        // The first message about a is one that its receiver cannot take.
        while let Some(parcel) = outbox.next(now) {
            if parcel.events[0].subject == "a 0" {
                assert_eq!(parcel.events.len(), 1, "it is the same message");
                outbox.failed(parcel, None, now);
            } else {
                told.push((parcel.events[0].subject.clone(), parcel.events.len()));
                outbox.taken();
            }
        }
        // Each pass tells all of it again.
        outbox.add("a", events(&["a 0"]));
        assert!(outbox.when(now).unwrap() > now);
    }
    let subjects = ["b 0", "a 5", "c 20"].map(|subject| (subject.to_owned(), 1));
    assert_eq!(told, subjects);
}

#[test]
fn a_receiver_that_is_down_is_left_alone_longer_and_longer() {
    let mut outbox = Outbox::default();
    let begin = Instant::now();
    for number in 0..500 {
        outbox.add(&format!("repository {number}"), events(&["a"]));
    }
    let (mut now, mut sent) = (begin, 0);
    while now < begin + Duration::from_secs(3_600) {
        if let Some(parcel) = outbox.next(now) {
            sent += 1;
            outbox.failed(parcel, None, now);
        }
        now = outbox.when(now).unwrap();
    }
    assert!((10..40).contains(&sent), "{sent}");
    // It is up again: all of it goes out.
    outbox.taken();
    let mut taken = 0;
    while let Some(when) = outbox.when(now) {
        now = when;
        taken += usize::from(outbox.next(now).is_some());
        outbox.taken();
    }
    assert_eq!(taken, 500);
    // And one that says when it wants to be asked again is believed.
    outbox.add("a", events(&["a"]));
    let parcel = outbox.next(now).unwrap();
    outbox.failed(parcel, Some(Duration::from_secs(90)), now);
    outbox.add("b", events(&["b"]));
    assert_eq!(outbox.when(now), Some(now + Duration::from_secs(90)));
    assert_eq!(outbox.next(now), None);
}
