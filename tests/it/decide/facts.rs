//! Facts: what is asked for, how little, and what a decision makes of the answers.

use tagboat::decide::decide;
use tagboat::model::commit::CommitId;
use tagboat::model::decision::{Decided, Want};
use tagboat::model::history::{Means, Past, TakenBack};
use tagboat::model::hold::Hold;
use tagboat::model::observation::Observation;
use tagboat::model::tags::{FactKind, ImageTags, Platform, TagFacts, TagIndex};

use super::world::{ask, image, list, observe, question, reasons, value, verdict};

fn digest(digit: char) -> String {
    format!("sha256:{}", digit.to_string().repeat(64))
}

fn want(tag: &str, kind: FactKind) -> Want {
    Want { image: image(), tag: tag.parse().expect("the fixture follows the grammar"), kind }
}

fn shown(decided: &Decided) -> String {
    verdict(&decided.decisions[0])
}

/// An observation of tags, each with its facts.
fn know(facts: &[(&str, TagFacts)]) -> Observation {
    observe(ImageTags {
        list: facts.iter().map(|(tag, _)| *tag).collect(),
        facts: facts
            .iter()
            .map(|(tag, facts)| (tag.parse().expect("the fixture follows the grammar"), facts.clone()))
            .collect(),
        ..ImageTags::default()
    })
}

fn with_digest(digit: char) -> TagFacts {
    TagFacts { digest: Some(digest(digit).parse().expect("the fixture follows the grammar")), ..TagFacts::default() }
}

fn with_platforms(platforms: &[&str]) -> TagFacts {
    let platforms = platforms.iter().map(|platform| Platform((*platform).to_owned())).collect();
    TagFacts { platforms: Some(platforms), ..TagFacts::default() }
}

fn created(time: &str) -> TagFacts {
    TagFacts { created: Some(time.parse().expect("the fixture follows the grammar")), ..TagFacts::default() }
}

fn pushed(time: &str) -> TagFacts {
    TagFacts { pushed: Some(time.parse().expect("the fixture follows the grammar")), ..TagFacts::default() }
}

#[test]
fn a_digest_moves_with_its_tag_and_is_asked_for_the_winner_alone() {
    let current = format!("1.0.0@{}", digest('0'));
    let decided = ask(&list(["1.0.0", "1.1.0", "1.2.0"]), question("semver=1.x", &current));
    assert_eq!(decided.wants, [want("1.2.0", FactKind::Digest)]);
    let known = know(&[("1.0.0", TagFacts::default()), ("1.2.0", with_digest('2'))]);
    let decided = ask(&known, question("semver=1.x", &current));
    assert_eq!(decided.wants, []);
    assert_eq!(shown(&decided), format!("1.2.0@{}", digest('2')));
}

#[test]
fn nothing_is_asked_where_nothing_moves() {
    let current = format!("1.0.0@{}", digest('0'));
    for policy in ["semver=1.x", "semver=1.x pin=digest", "semver=1.x platforms=linux/amd64", "newest=true"] {
        let decided = ask(&list(["1.0.0", "0.9.0-rc1"]), question(policy, &current));
        assert_eq!(decided.wants, [], "{policy}");
        assert_eq!(shown(&decided), "keep", "{policy}");
    }
    assert_eq!(ask(&list(["1.0.0", "1.1.0"]), question("semver=1.x", "1.0.0")).wants, []);
}

#[test]
fn pinning_adds_a_digest_to_the_tag_in_use() {
    let decided = ask(&list(["1.0.0"]), question("semver=1.x pin=digest", "1.0.0"));
    assert_eq!(decided.wants, [want("1.0.0", FactKind::Digest)]);
    let known = know(&[("1.0.0", with_digest('1'))]);
    let decided = ask(&known, question("semver=1.x pin=digest", "1.0.0"));
    assert_eq!(shown(&decided), format!("1.0.0@{}", digest('1')));
    assert!(decided.decisions[0].rejected.is_empty());
    let gone = ask(&list(["0.9.0"]), question("semver=1.x pin=digest", "1.0.0"));
    assert_eq!(shown(&gone), "undecided: `1.0.0` is no longer listed, so there is no digest to pin");
}

#[test]
fn a_fact_that_could_not_be_had_leaves_the_question_open() {
    let mut observation = list(["1.0.0", "1.1.0"]);
    observation.failed.insert(want("1.1.0", FactKind::Digest), "the registry answered 500".to_owned());
    let decided = ask(&observation, question("semver=1.x pin=digest", "1.0.0"));
    assert_eq!(decided.wants, []);
    assert_eq!(shown(&decided), "undecided: the registry answered 500");
}

#[test]
fn platforms_are_asked_from_the_best_candidate_down() {
    let policy = "semver=1.x platforms=linux/amd64,linux/arm64";
    let tags = |best: TagFacts, next: TagFacts| {
        know(&[("1.0.0", TagFacts::default()), ("1.1.0", TagFacts::default()), ("1.2.0", next), ("1.3.0", best)])
    };
    let nothing = TagFacts::default;
    let first = ask(&tags(nothing(), nothing()), question(policy, "1.0.0"));
    assert_eq!(first.wants, [want("1.3.0", FactKind::Image)]);
    let second = ask(&tags(with_platforms(&["linux/amd64"]), nothing()), question(policy, "1.0.0"));
    assert_eq!(second.wants, [want("1.2.0", FactKind::Image)]);
    let both = with_platforms(&["linux/amd64", "linux/arm64/v8"]);
    let observation = tags(with_platforms(&["linux/amd64"]), both);
    let third = ask(&observation, question(policy, "1.0.0"));
    assert_eq!((third.wants.len(), shown(&third)), (0, "1.2.0".to_owned()));
    assert_eq!(
        reasons(&observation, &third.decisions[0]),
        "1.0.0: in use\n1.1.0: lower than chosen\n1.3.0: no linux/arm64\n"
    );
}

fn first_seen(time: &str) -> TagFacts {
    TagFacts { first_seen: Some(time.parse().expect("the fixture follows the grammar")), ..TagFacts::default() }
}

fn not_before(time: &str) -> TagFacts {
    TagFacts { not_before: Some(time.parse().expect("the fixture follows the grammar")), ..TagFacts::default() }
}

#[test]
fn an_age_counts_from_the_push_else_from_when_it_was_first_seen_and_never_from_creation() {
    let both = TagFacts { pushed: pushed("2026-11-20T22:00:00Z").pushed, ..first_seen("2026-11-20T23:59:00Z") };
    let mut observation = know(&[
        ("1.0.0", TagFacts::default()),
        ("1.1.0", both),
        ("1.2.0", first_seen("2026-11-20T22:00:01Z")),
        ("1.3.0", pushed("2026-11-20T22:00:01Z")),
        ("1.4.0", created("2020-01-01T00:00:00Z")),
    ]);
    let asked = || question("semver=1.x minAge=2h", "1.0.0");
    assert_eq!(ask(&observation, asked()).wants, [want("1.4.0", FactKind::Pushed)]);
    observation.failed.insert(want("1.4.0", FactKind::Pushed), "nothing tells".to_owned());
    let decided = ask(&observation, asked());
    assert_eq!((decided.wants.len(), shown(&decided)), (0, "1.1.0".to_owned()));
    assert_eq!(
        reasons(&observation, &decided.decisions[0]),
        "1.0.0: in use\n1.2.0: too young until 2026-11-21T00:00:01Z\n1.3.0: too young until 2026-11-21T00:00:01Z\n\
         1.4.0: age unknown: the registry does not tell it, and no cache keeps since when it is known\n"
    );
    // The moment at which it is old enough is exact.
    observation.now = "2026-11-21T00:00:01Z".parse().unwrap();
    assert_eq!(shown(&ask(&observation, asked())), "1.3.0");
}

#[test]
fn what_an_earlier_pass_learnt_shows_that_a_tag_is_too_young_and_never_that_it_is_old_enough() {
    let young = know(&[("1.0.0", TagFacts::default()), ("1.1.0", not_before("2026-11-20T23:00:00Z"))]);
    let decided = ask(&young, question("semver=1.x minAge=2h", "1.0.0"));
    assert_eq!((decided.wants.len(), shown(&decided)), (0, "keep".to_owned()));
    assert!(reasons(&young, &decided.decisions[0]).contains("1.1.0: too young until 2026-11-21T01:00:00Z"));
    let old = know(&[("1.0.0", TagFacts::default()), ("1.1.0", not_before("2026-11-20T22:00:00Z"))]);
    assert_eq!(ask(&old, question("semver=1.x minAge=2h", "1.0.0")).wants, [want("1.1.0", FactKind::Pushed)]);
}

#[test]
fn a_digest_that_could_not_be_had_leaves_the_age_open() {
    let mut observation = list(["1.0.0", "1.1.0", "1.2.0"]);
    observation.failed.insert(want("1.2.0", FactKind::Digest), "the registry answered 500".to_owned());
    let decided = ask(&observation, question("semver=1.x minAge=2h", "1.0.0"));
    assert_eq!((decided.wants.len(), shown(&decided)), (0, "undecided: the registry answered 500".to_owned()));
}

#[test]
fn the_best_is_asked_about_first_then_twice_as_many_each_time_and_never_hundreds() {
    let tags: Vec<String> = (0..300).map(|number| format!("1.{number}.0")).collect();
    let mut facts: Vec<(&str, TagFacts)> = tags.iter().map(|tag| (tag.as_str(), TagFacts::default())).collect();
    let mut rounds = Vec::new();
    loop {
        let decided = ask(&know(&facts), question("semver=1.x minAge=2h", "1.0.0"));
        if decided.wants.is_empty() {
            assert_eq!(shown(&decided), "keep");
            let rejected = reasons(&know(&facts), &decided.decisions[0]);
            assert!(rejected.contains("1.236.0: too young until"), "{rejected}");
            assert!(rejected.contains("1.235.0: not asked about after 64 better ones"), "{rejected}");
            break;
        }
        rounds.push(decided.wants.len());
        for wanted in decided.wants {
            let position = tags.iter().position(|tag| tag == wanted.tag.as_str()).unwrap();
            assert!(position >= 300 - rounds.iter().sum::<usize>(), "the newest come first");
            facts[position].1 = first_seen("2026-11-20T23:00:00Z");
        }
    }
    assert_eq!(rounds, [1, 1, 2, 4, 8, 16, 32]);
}

#[test]
fn newest_follows_the_images_own_time() {
    let hashes = |facts: [TagFacts; 3]| {
        let [a, b, c] = facts;
        know(&[("main-aaa1111", a), ("main-bbb2222", b), ("main-ccc3333", c), ("dev-ddd4444", TagFacts::default())])
    };
    let open = ask(
        &hashes([TagFacts::default(), TagFacts::default(), TagFacts::default()]),
        question("newest=true", "main-bbb2222"),
    );
    let asked: Vec<&str> = open.wants.iter().map(|want| want.tag.as_str()).collect();
    assert_eq!(asked, ["main-aaa1111", "main-bbb2222", "main-ccc3333"]);
    let times = ["2026-03-01T00:00:00Z", "2026-02-01T00:00:00Z", "2026-01-01T00:00:00Z"].map(created);
    let observation = hashes(times);
    let decided = ask(&observation, question("newest=true", "main-bbb2222"));
    assert_eq!((decided.wants.len(), shown(&decided)), (0, "main-aaa1111".to_owned()));
    assert_eq!(
        reasons(&observation, &decided.decisions[0]),
        "main-bbb2222: in use\nmain-ccc3333: created before the one in use\ndev-ddd4444: not in family\n"
    );
    let gone = ask(&list(["main-aaa1111"]), question("newest=true", "main-bbb2222"));
    assert_eq!(shown(&gone), "undecided: `main-bbb2222` is no longer listed, so its age is unknown");
}

#[test]
fn newest_asks_no_thousands_of_images() {
    let tags: Vec<String> = (0..600).map(|number| format!("build-{number}")).collect();
    let decided = ask(&list(tags.iter().map(String::as_str)), question("newest=true", "build-0"));
    assert_eq!(decided.wants, []);
    assert_eq!(shown(&decided), "undecided: `newest` would ask 599 images for their age, more than 500: narrow `tags`");
}

#[test]
fn a_moving_tag_is_followed_by_its_digest() {
    let observation = know(&[("stable", with_digest('5')), ("1.0.0", TagFacts::default())]);
    let new = format!("stable@{}", digest('5'));
    for (policy, current, expected) in [
        ("digest=true", "stable".to_owned(), new.as_str()),
        ("digest=true", format!("stable@{}", digest('4')), new.as_str()),
        ("digest=true", new.clone(), "keep"),
        ("digest=stable", "1.0.0".to_owned(), new.as_str()),
        ("digest=stable", format!("@{}", digest('4')), new.as_str()),
        ("digest=edge", "stable".to_owned(), "undecided: the tag `edge` that is followed is not listed"),
    ] {
        let decided = ask(&observation, question(policy, &current));
        assert_eq!((decided.wants.len(), shown(&decided).as_str()), (0, expected), "{policy} at {current}");
    }
    let decided = ask(&observation, question("digest=stable", &new));
    assert_eq!(reasons(&observation, &decided.decisions[0]), "stable: in use\n1.0.0: not the tag that is followed\n");
    assert_eq!(ask(&list(["stable"]), question("digest=true", "stable")).wants, [want("stable", FactKind::Digest)]);
}

#[test]
fn questions_are_answered_in_their_order_and_ask_for_each_fact_once() {
    let observation = list(["1.0.0", "1.1.0", "1.2.0", "2.0.0"]);
    let asked = [
        question("semver=1.x pin=digest", "1.0.0"),
        question("semver=major", "1.1.0"),
        question("semver=minor pin=digest tags='^(?<version>1[.].*)$'", "1.1.0"),
        question("semver=patch", "1.2.0"),
    ];
    let decided = decide(&observation, &asked);
    let order: Vec<_> = decided.decisions.iter().map(|decision| decision.question.clone()).collect();
    assert_eq!(order, asked);
    assert_eq!(decided.wants, [want("1.2.0", FactKind::Digest)]);
    assert_eq!((verdict(&decided.decisions[1]).as_str(), verdict(&decided.decisions[3]).as_str()), ("2.0.0", "keep"));
}

#[test]
fn content_that_was_taken_back_comes_under_no_other_tag() {
    let taken_back = TakenBack {
        value: value(&format!("1.1.0@{}", digest('1'))),
        instead: value(&format!("1.0.0@{}", digest('0'))),
        commit: CommitId("c1".into()),
        time: "2026-11-20T08:00:00Z".parse().unwrap(),
        by: "Ada".to_owned(),
        means: Means::Commit,
    };
    for (content, expected) in [('1', "keep".to_owned()), ('2', format!("1.2.0@{}", digest('2')))] {
        let mut known =
            know(&[("1.0.0", with_digest('0')), ("1.1.0", TagFacts::default()), ("1.2.0", with_digest(content))]);
        let past = Past { taken_back: vec![taken_back.clone()], ..Past::default() };
        known.pasts.insert(("dev".into(), image()), Ok(past));
        let decided = ask(&known, question("semver=1.x", &format!("1.0.0@{}", digest('0'))));
        assert_eq!(shown(&decided), expected);
    }
    // Of what is ordered by age, tags of one moment are one version.
    let mut known = know(&[
        ("a", created("2026-11-01T00:00:00Z")),
        ("b", created("2026-11-02T00:00:00Z")),
        ("c", created("2026-11-02T00:00:00Z")),
    ]);
    let taken_back = TakenBack { value: value("b"), instead: value("a"), ..taken_back };
    known.pasts.insert(("dev".into(), image()), Ok(Past { taken_back: vec![taken_back], ..Past::default() }));
    let decided = ask(&known, question("newest=true tags=.", "a"));
    assert_eq!(shown(&decided), "keep");
}

fn hold(tag: &str) -> Hold {
    Hold {
        environment: None,
        image: image(),
        tag: tag.parse().expect("the fixture follows the grammar"),
        digest: None,
        until: None,
        by: None,
        reason: None,
    }
}

#[test]
fn what_a_moving_tag_points_to_by_now_is_not_taken_for_what_was_held_or_taken_back() {
    let observed = || {
        know(&[
            ("1.4.0", with_digest('4')),
            ("1.5.0", with_digest('5')),
            ("1.6.0", with_digest('6')),
            ("1.7.0", with_digest('7')),
            ("latest", with_digest('7')),
            ("7.0", with_digest('7')),
        ])
    };
    let chosen =
        |known: &Observation| shown(&ask(known, question("semver=1.x pin=digest", &format!("1.4.0@{}", digest('4')))));
    let came = |tag: char| format!("1.{tag}.0@{}", digest(tag));
    let taken = |value: &str| TakenBack {
        value: super::world::value(value),
        instead: super::world::value(&format!("1.4.0@{}", digest('4'))),
        commit: CommitId("c1".into()),
        time: "2026-11-20T08:00:00Z".parse().unwrap(),
        by: "Ada".to_owned(),
        means: Means::Commit,
    };
    // Which content stood there is not written: the newest version is none of it.
    for (stood, expected) in [("latest".to_owned(), '7'), (format!("latest@{}", digest('7')), '6')] {
        let mut known = observed();
        let past = Past { taken_back: vec![taken(&stood)], ..Past::default() };
        known.pasts.insert(("dev".into(), image()), Ok(past));
        assert_eq!(chosen(&known), came(expected), "{stood}");
    }
    // A hold names a version's content as well, and a moving tag's alone by its name.
    for (held, expected) in [("latest", '7'), ("7.0", '6')] {
        let mut known = observed();
        known.holds.push(hold(held));
        assert_eq!(chosen(&known), came(expected), "{held}");
    }
}

#[test]
fn what_went_back_keeps_nothing_away_from_a_policy_that_would_not_take_it() {
    let went_back = TakenBack {
        value: value("2.0.0"),
        instead: value("1.9.5"),
        commit: CommitId("c1".into()),
        time: "2026-11-20T08:00:00Z".parse().unwrap(),
        by: "Ada".to_owned(),
        means: Means::Order,
    };
    for (policy, expected) in [("semver=>=1.0.0", "keep"), ("semver=1.x", "1.10.0"), ("semver=1.9.x", "1.9.6")] {
        let mut known = list(["1.9.5", "1.9.6", "1.10.0", "2.0.0"]);
        known.holds.push(hold("2.0.0"));
        let past = Past { went_back: vec![went_back.clone()], ..Past::default() };
        known.pasts.insert(("dev".into(), image()), Ok(past));
        assert_eq!(shown(&ask(&known, question(policy, "1.9.5"))), expected, "{policy}");
    }
}

/// What is known of tags of which builds were taken back at eight o'clock, or are held.
struct Builds {
    policy: &'static str,
    taken: &'static str,
    by: By,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Hand,
    Order,
    HoldAlone,
}

impl Builds {
    fn ask(&self, facts: &[(&str, TagFacts)]) -> Decided {
        let mut known = know(facts);
        let taken = TakenBack {
            value: value(self.taken),
            instead: value("1.4.0"),
            commit: CommitId("c1".into()),
            time: "2026-11-20T08:00:00Z".parse().unwrap(),
            by: "Ada".to_owned(),
            means: if self.by == By::Order { Means::Order } else { Means::Commit },
        };
        let past = match self.by {
            By::Hand => Past { taken_back: vec![taken.clone()], lowered: vec![taken], ..Past::default() },
            By::Order => Past { went_back: vec![taken], ..Past::default() },
            By::HoldAlone => Past::default(),
        };
        known.pasts.insert(("dev".into(), image()), Ok(past));
        known.holds.extend((self.by != By::Hand).then(|| hold(self.taken)));
        ask(&known, question(self.policy, facts[0].0))
    }

    /// What is chosen, and why the last of the tags is not.
    fn judge(&self, facts: &[(&str, TagFacts)]) -> (String, Option<String>) {
        let decided = self.ask(facts);
        assert_eq!((decided.wants.as_slice(), decided.pasts.len()), (&[][..], 0), "{decided:?}");
        let last = TagIndex(u32::try_from(facts.len() - 1).unwrap());
        let reason = decided.decisions[0].rejected.iter().find(|(tag, _)| *tag == last);
        (shown(&decided), reason.map(|(_, reason)| reason.to_string()))
    }
}

#[test]
fn of_builds_with_numbers_the_greater_alone_come_after_what_was_taken_back() {
    let policy = "semver=1.x tags=^(?<version>[0-9.]+)-r[0-9]+$";
    let none = TagFacts::default;
    for by in [By::Hand, By::Order, By::HoldAlone] {
        let builds = Builds { policy, taken: "1.5.0-r2", by };
        let (chosen, why) = builds.judge(&[("1.4.0-r4", none()), ("1.5.0-r2", none()), ("1.5.0-r1", none())]);
        let expected = match by {
            By::Hand => {
                "older than 1.5.0-r2, which Ada took back to 1.4.0 on 2026-11-20 (commit c1): something newer comes, or what a \
                 person brings"
            }
            By::Order => "older than 1.5.0-r2, which was rolled back on 2026-11-20 (commit c1), and is held",
            By::HoldAlone => "older than 1.5.0-r2 (it is held)",
        };
        assert_eq!((chosen.as_str(), why.as_deref()), ("keep", Some(expected)));
        let (chosen, _) = builds.judge(&[("1.4.0-r4", none()), ("1.5.0-r2", none()), ("1.5.0-r10", none())]);
        assert_eq!(chosen, "1.5.0-r10", "{by:?}: it mends what was wrong");
    }
}

#[test]
fn of_builds_without_an_order_those_alone_come_that_are_known_to_be_newer() {
    let (before, after) = ("2026-11-20T07:59:59Z", "2026-11-20T08:00:01Z");
    let first = || ("1.4.0-aaa1111", TagFacts::default());
    let image_of = |time: &str| TagFacts { platforms: Some(Vec::new()), ..created(time) };
    let untold = || TagFacts { platforms: Some(Vec::new()), ..first_seen(after) };
    let seen = |time: &str| TagFacts { created: image_of(time).created, ..untold() };
    let taken = || ("1.5.0-bbb2222", seen("2026-11-19T08:00:00Z"));
    for (by, told) in [
        (By::Hand, "1.5.0-bbb2222, which Ada took back to 1.4.0 on 2026-11-20 (commit c1)"),
        (By::Order, "1.5.0-bbb2222, which was rolled back on 2026-11-20 (commit c1), and is held"),
        (By::HoldAlone, "1.5.0-bbb2222 (it is held)"),
    ] {
        let builds = Builds { policy: "semver=1.x", taken: "1.5.0-bbb2222", by };
        let held = format!("another build of {told}, and not known to be newer");
        for (facts, comes) in [
            (pushed(after), by != By::HoldAlone),
            (seen(after), true),
            // A hold says nothing of when: what was made after that build is newer.
            (seen(before), by == By::HoldAlone),
            (seen("2026-11-18T08:00:00Z"), false),
            (untold(), false),
        ] {
            let (chosen, why) = builds.judge(&[first(), taken(), ("1.5.0-ccc3333", facts.clone())]);
            let expected = if comes { ("1.5.0-ccc3333", None) } else { ("keep", Some(held.as_str())) };
            assert_eq!((chosen.as_str(), why.as_deref()), expected, "{by:?}: {facts:?}");
        }
        // Where nothing is known yet, it is asked; and what cannot be had decides nothing.
        let asked = builds.ask(&[first(), taken(), ("1.5.0-ccc3333", TagFacts::default())]).wants;
        assert_eq!(asked, [want("1.5.0-ccc3333", FactKind::Image), want("1.5.0-ccc3333", FactKind::Pushed)], "{by:?}");
    }
    let pushed_both = Builds { policy: "semver=1.x", taken: "1.5.0-bbb2222", by: By::HoldAlone };
    let (chosen, _) =
        pushed_both.judge(&[first(), ("1.5.0-bbb2222", pushed(before)), ("1.5.0-ccc3333", pushed(after))]);
    assert_eq!(chosen, "1.5.0-ccc3333");
}

#[test]
fn whatever_a_version_is_built_for_it_is_the_one_that_was_taken_back() {
    for by in [By::Hand, By::HoldAlone] {
        let policy = "semver=1.x tags=^(?<version>[0-9.]+)-jdk(17|21)$";
        let builds = Builds { policy, taken: "1.5.0-jdk17", by };
        let tags = ["1.4.0-jdk17", "1.5.0-jdk17", "1.5.0-jdk21"].map(|tag| (tag, TagFacts::default()));
        let (chosen, why) = builds.judge(&tags);
        assert_eq!(chosen, "keep", "{by:?}");
        assert!(why.is_some_and(|why| why.starts_with("held: the same as 1.5.0-jdk17: ")), "{by:?}");
    }
}
