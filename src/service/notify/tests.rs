use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use crate::model::template::{Template, Wording};
use crate::service::notify::ledger::Known;
use crate::service::notify::message::{Markup, Message};
use crate::service::notify::news::{Came, Event, EventId, Lasts, News, What};

const REPOSITORY: &str = "https://git.example/acme/gitops";

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
    let text = |markup| Message::of(hostile, &[&bad, &bad], markup, None).text;
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
    let text = |markup| Message::of(REPOSITORY, &[&one], markup, None).text;
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
    let say = |source: &str| Message::of(REPOSITORY, &[&bad], Markup::Slack, Some(&template(source))).text;
    assert_eq!(
        say("<!here> {% for one in events %}{{ one.event }} {{ one.environment }} {{ one.short }}{% endfor %}"),
        "<!here> held prod \u{2060}*\u{2060}web\u{2060}*\u{2060}"
    );
    assert_eq!(say("{% if false %}x{% endif %}"), "…");
    let long = Message::of(REPOSITORY, &[&bad], Markup::Plain, Some(&template(&"0123456789\n".repeat(1_400)))).text;
    assert!(long.len() < 12_100 && long.ends_with("0123456789\n…"), "{}", long.len());
    let unknown = Template::parse("{{ image }}", Wording::Notice).unwrap_err();
    assert!(unknown.hint.unwrap().contains("`events`"), "{}", unknown.reason);
    for (many, line) in [(25, "and 5 more"), (20, "1.4.0 → 1.5.0")] {
        let events: Vec<Event> =
            (0..many).map(|number| event(What::Merged, &number.to_string(), Lasts::Once(None))).collect();
        let text = Message::of(REPOSITORY, &events.iter().collect::<Vec<_>>(), Markup::Plain, None).text;
        assert!(text.ends_with(line), "{text}");
    }
}

#[test]
fn a_message_has_the_same_id_however_often_it_is_made() {
    let events: BTreeSet<[u8; 16]> = (0..3)
        .map(|_| {
            let one = event(What::Merged, "web", Lasts::Once(None));
            Message::of(REPOSITORY, &[&one], Markup::Plain, None).id.0
        })
        .collect();
    assert_eq!(events.len(), 1);
}
