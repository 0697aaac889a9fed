mod groups;
mod late;
mod ways;

use std::sync::Arc;

use super::*;
use crate::model::decision::{Origin, Question, Reason, Verdict};
use crate::model::environment::{Predecessor, Publish};
use crate::model::file::Position;
use crate::model::gate::{GateSpec, SoakCount};
use crate::model::glob::{ImageGlob, PathGlobs};
use crate::model::history::{Mover, Past, Shift, Word};
use crate::model::policy::{Group, Pin, Policy, Select, Step};
use crate::model::site::Value;
use crate::model::tags::{ImageTags, TagIndex, TagList};

const WEB: &str = "ghcr.io/acme/web";

fn value(text: &str) -> Value {
    let (tag, digest) = text.split_once('@').map_or((text, None), |(tag, digest)| (tag, Some(digest)));
    let digest = digest.map(|letter| format!("sha256:{}", letter.repeat(64)).parse().unwrap());
    Value { tag: Some(tag.parse().unwrap()), digest }
}

fn environment(name: &str, after: &[&str], publish: Publish) -> Environment {
    let mut environment = Environments::without_configuration().0.remove(0);
    environment.name = name.into();
    environment.files = PathGlobs::parse(&[format!("{name}/**")]).unwrap();
    environment.after = after.iter().map(|before| Predecessor::Here((*before).into())).collect();
    environment.publish = publish;
    environment
}

/// A decision among the tags 1.0.0 to 1.3.0 of one image, as `decide` would make it.
fn decision(image: &str, environment: &str, current: &str) -> Decision {
    let tags = ["1.0.0", "1.1.0", "1.2.0", "1.3.0"];
    let current = value(current);
    let at = tags.iter().position(|tag| Some(*tag) == current.tag.as_ref().map(crate::model::image::Tag::as_str));
    let at = at.expect("the tests use listed tags");
    let reason = |index: usize| match index.cmp(&at) {
        std::cmp::Ordering::Less => Reason::Lower,
        std::cmp::Ordering::Equal => Reason::InUse,
        std::cmp::Ordering::Greater => Reason::Outranked,
    };
    let newest = tags.len() - 1;
    let verdict = if at == newest {
        Verdict::Keep
    } else {
        Verdict::Move {
            to: Value { tag: Some(tags[newest].parse().unwrap()), ..Value::default() },
            step: Some(Step::Minor),
        }
    };
    let rejected = (0..tags.len())
        .filter(|index| *index != newest || at == newest)
        .map(|index| (TagIndex(u32::try_from(index).unwrap()), reason(index)))
        .collect();
    let question = Question {
        image: image.parse().unwrap(),
        environment: environment.into(),
        policy: Arc::new(Policy::new(Select::Step(Step::Minor))),
        current,
        sites: vec![0],
        origin: Origin::Registry,
    };
    Decision { question, verdict, rejected }
}

fn observation(images: &[&str]) -> Observation {
    let list: TagList = ["1.0.0", "1.1.0", "1.2.0", "1.3.0"].into_iter().collect();
    let tags = Arc::new(ImageTags { list, ..ImageTags::default() });
    let environments = ["dev", "staging", "prod", "eu", "us"];
    let past = |image: &&str| environments.map(|name| ((name.into(), image.parse().unwrap()), Ok(Past::default())));
    let pasts = images.iter().flat_map(past).collect();
    let images = images.iter().map(|image| (image.parse().unwrap(), Ok(tags.clone()))).collect();
    Observation { images, pasts, ..Observation::default() }
}

fn told(promoted: &Promoted) -> Vec<String> {
    let moves = promoted.proposals.iter().map(|proposal| {
        let moves: Vec<String> = proposal.moves.iter().map(|step| format!("{} -> {}", step.from, step.to)).collect();
        format!("{}/{}: {} {}", proposal.environment, proposal.group, moves.join(", "), proposal.action.as_str())
    });
    moves.chain(promoted.skipped.iter().map(|skipped| format!("{}: {}", skipped.what, skipped.reason))).collect()
}

#[test]
fn the_first_environment_takes_the_decision() {
    let environments = Environments(vec![environment("dev", &[], Publish::Commit)]);
    let promoted =
        promote(&observation(&[WEB]), vec![decision(WEB, "dev", "1.0.0")], &environments, &Groups::default());
    assert_eq!(told(&promoted), ["dev/ghcr.io-acme-web: 1.0.0 -> 1.3.0 committed"]);
}

#[test]
fn a_later_environment_takes_what_the_one_before_runs_not_the_newest() {
    let environments =
        Environments(vec![environment("prod", &["dev"], Publish::Commit), environment("dev", &[], Publish::Commit)]);
    let decisions = [decision(WEB, "dev", "1.2.0"), decision(WEB, "prod", "1.0.0")];
    let promoted = promote(&observation(&[WEB]), decisions.to_vec(), &environments, &Groups::default());
    assert_eq!(
        told(&promoted),
        ["prod/ghcr.io-acme-web: 1.0.0 -> 1.2.0 committed", "dev/ghcr.io-acme-web: 1.2.0 -> 1.3.0 committed"]
    );
}

#[test]
fn a_later_environments_decision_is_about_what_the_one_before_runs() {
    let environments =
        Environments(vec![environment("dev", &[], Publish::Commit), environment("prod", &["dev"], Publish::Commit)]);
    let decisions = vec![decision(WEB, "dev", "1.1.0"), decision(WEB, "prod", "1.0.0")];
    let promoted = promote(&observation(&[WEB]), decisions, &environments, &Groups::default());
    let prod = &promoted.decisions[1];
    assert_eq!(prod.chosen().map(crate::model::image::Tag::as_str), Some("1.1.0"));
    let reasons: Vec<(u32, &Reason)> = prod.rejected.iter().map(|(tag, reason)| (tag.0, reason)).collect();
    assert_eq!(reasons, [(0, &Reason::InUse), (2, &Reason::NotBefore), (3, &Reason::NotBefore)]);
}

#[test]
fn an_environment_ahead_of_the_one_before_is_told_and_never_lowered() {
    let environments =
        Environments(vec![environment("dev", &[], Publish::Commit), environment("prod", &["dev"], Publish::Commit)]);
    let decisions = [decision(WEB, "dev", "1.3.0"), decision(WEB, "prod", "1.3.0")];
    let promoted = promote(&observation(&[WEB]), decisions.to_vec(), &environments, &Groups::default());
    assert_eq!(told(&promoted), [""; 0]);
    let decisions = [decision(WEB, "dev", "1.1.0"), decision(WEB, "prod", "1.3.0")];
    let promoted = promote(&observation(&[WEB]), decisions.to_vec(), &environments, &Groups::default());
    assert_eq!(
        told(&promoted)[1..],
        ["ghcr.io/acme/web: in prod: it runs 1.3.0, which is ahead of 1.1.0 in the environment before it"]
    );
}

#[test]
fn several_environments_before_must_agree() {
    let environments = Environments(vec![
        environment("eu", &[], Publish::Commit),
        environment("us", &[], Publish::Commit),
        environment("prod", &["eu", "us"], Publish::Commit),
    ]);
    let decisions = [decision(WEB, "eu", "1.3.0"), decision(WEB, "us", "1.2.0"), decision(WEB, "prod", "1.0.0")];
    let promoted = promote(&observation(&[WEB]), decisions.to_vec(), &environments, &Groups::default());
    let rows = told(&promoted);
    assert!(rows[1].ends_with("do not run the same version: eu runs 1.3.0, us runs 1.2.0"), "{rows:?}");
}

#[test]
fn a_gate_that_cannot_be_judged_never_passes() {
    let mut dev = environment("dev", &[], Publish::Commit);
    dev.gates = vec![GateSpec::Soak { time: jiff::SignedDuration::ZERO, count: SoakCount::Running }];
    let promoted = promote(
        &observation(&[WEB]),
        vec![decision(WEB, "dev", "1.0.0")],
        &Environments(vec![dev]),
        &Groups::default(),
    );
    assert_eq!(told(&promoted), ["dev/ghcr.io-acme-web: 1.0.0 -> 1.3.0 waiting"]);
    assert!(matches!(promoted.proposals[0].gates[0].state, GateState::Wait { .. }));
}

#[test]
fn a_digest_is_carried_along_and_missing_ones_block() {
    let environments =
        Environments(vec![environment("dev", &[], Publish::Commit), environment("prod", &["dev"], Publish::Commit)]);
    let decisions = [decision(WEB, "dev", "1.3.0@a"), decision(WEB, "prod", "1.0.0@b")];
    let promoted = promote(&observation(&[WEB]), decisions.to_vec(), &environments, &Groups::default());
    assert_eq!(promoted.proposals[0].moves[0].to, value("1.3.0@a"));
    let decisions = [decision(WEB, "dev", "1.3.0"), decision(WEB, "prod", "1.0.0@b")];
    let promoted = promote(&observation(&[WEB]), decisions.to_vec(), &environments, &Groups::default());
    assert!(told(&promoted)[0].contains("a digest stands here"), "{:?}", told(&promoted));
    let mut pinned = decision(WEB, "prod", "1.3.0");
    let mut policy = (*pinned.question.policy).clone();
    policy.pin = Pin::Digest;
    pinned.question.policy = Arc::new(policy);
    let mut behind = decision(WEB, "prod", "1.0.0");
    behind.question.policy = Arc::clone(&pinned.question.policy);
    let decisions = [decision(WEB, "dev", "1.3.0"), behind];
    let promoted = promote(&observation(&[WEB]), decisions.to_vec(), &environments, &Groups::default());
    assert!(told(&promoted)[0].contains("writes there first"), "nobody has to set it: {:?}", told(&promoted));
    let decisions = [decision(WEB, "dev", "1.3.0@a"), pinned];
    let promoted = promote(&observation(&[WEB]), decisions.to_vec(), &environments, &Groups::default());
    assert_eq!(promoted.proposals[0].moves[0].to, value("1.3.0@a"));
}

#[test]
fn a_group_waits_for_an_image_that_could_not_be_decided() {
    let api = "ghcr.io/acme/api";
    let groups = Groups(vec![Group { name: "shop".into(), images: vec![ImageGlob::parse("ghcr.io/acme/*").unwrap()] }]);
    let mut undecided = decision(api, "dev", "1.0.0");
    undecided.verdict = Verdict::Undecided("the registry is down".into());
    let environments = Environments(vec![environment("dev", &[], Publish::Commit)]);
    let decisions = [undecided, decision(WEB, "dev", "1.0.0")];
    let promoted = promote(&observation(&[WEB, api]), decisions.to_vec(), &environments, &groups);
    assert_eq!(told(&promoted), ["dev/shop: 1.0.0 -> 1.3.0 waiting"]);
    assert_eq!(
        promoted.proposals[0].reason.as_deref(),
        Some("the group moves together: ghcr.io/acme/api: the registry is down")
    );
}

#[test]
fn a_group_that_waits_is_no_pull_request_either() {
    let api = "ghcr.io/acme/api";
    let groups = Groups(vec![Group { name: "shop".into(), images: vec![ImageGlob::parse("ghcr.io/acme/*").unwrap()] }]);
    let mut undecided = decision(api, "dev", "1.0.0");
    undecided.verdict = Verdict::Undecided("the registry is down".into());
    let environments = Environments(vec![environment("dev", &[], Publish::PullRequest)]);
    let decisions = vec![undecided, decision(WEB, "dev", "1.0.0")];
    let promoted = promote(&observation(&[WEB, api]), decisions, &environments, &groups);
    assert_eq!(told(&promoted), ["dev/shop: 1.0.0 -> 1.3.0 waiting"]);
    let alone = vec![decision(WEB, "dev", "1.0.0")];
    let promoted = promote(&observation(&[WEB]), alone, &environments, &groups);
    assert_eq!(told(&promoted), ["dev/shop: 1.0.0 -> 1.3.0 opened"]);
}

#[test]
fn names_that_collide_get_a_hash() {
    let decisions = [decision("ghcr.io/a/b", "dev", "1.0.0"), decision("ghcr.io/a-b", "dev", "1.0.0")];
    let names = group_names(decisions.iter().map(|decision| &decision.question.image), &Groups::default());
    let names: BTreeSet<&String> = names.values().collect();
    assert_eq!(names.len(), 2);
    assert!(names.iter().all(|name| name.starts_with("ghcr.io-a-b-")), "{names:?}");
}

#[test]
fn one_of_several_is_enough_where_any_is_asked_for() {
    let mut prod = environment("prod", &["eu", "us"], Publish::Commit);
    prod.after_any = true;
    let first = |name| environment(name, &[], Publish::Commit);
    let environments = Environments(vec![first("eu"), first("us"), prod]);
    let run = |eu: &str, us: &str, prod: &str| {
        let decisions = [decision(WEB, "eu", eu), decision(WEB, "us", us), decision(WEB, "prod", prod)];
        let promoted = promote(&observation(&[WEB]), decisions.to_vec(), &environments, &Groups::default());
        let told = told(&promoted);
        told.into_iter().filter(|row| row.starts_with("prod") || row.contains("in prod")).collect::<Vec<_>>()
    };
    // The newest of what they run, and nothing where what is there is as new as any.
    assert_eq!(run("1.1.0", "1.2.0", "1.0.0"), ["prod/ghcr.io-acme-web: 1.0.0 -> 1.2.0 committed"]);
    assert_eq!(run("1.2.0", "1.1.0", "1.0.0"), ["prod/ghcr.io-acme-web: 1.0.0 -> 1.2.0 committed"]);
    assert_eq!(run("1.1.0", "1.2.0", "1.2.0"), [""; 0]);
    assert_eq!(run("1.1.0", "1.0.0", "1.0.0"), ["prod/ghcr.io-acme-web: 1.0.0 -> 1.1.0 committed"]);
    let ahead = run("1.1.0", "1.2.0", "1.3.0");
    assert!(ahead.iter().all(|row| row.contains("which is ahead of")) && !ahead.is_empty(), "{ahead:?}");
}

#[test]
fn a_failure_is_laid_to_nobody_while_it_is_not_known_what_else_came() {
    let api = "ghcr.io/acme/api";
    let mut dev = environment("dev", &[], Publish::Commit);
    let within = jiff::SignedDuration::from_hours(1);
    let checks = vec!["deploy/dev".into()];
    dev.on_failure = Some(crate::model::environment::OnFailure { checks, within, publish: Publish::Commit });
    let environments = Environments(vec![dev]);
    let decisions = vec![decision(WEB, "dev", "1.1.0"), decision(api, "dev", "1.1.0")];
    let now: Timestamp = "2026-11-20T08:10:00Z".parse().unwrap();
    let commit = crate::model::commit::CommitId("c1".into());
    let (from, to) = (value("1.0.0"), value("1.1.0"));
    let shift = Shift {
        commit: commit.clone(),
        time: now,
        landed: now,
        by: Mover::Tagboat,
        word: Word::default(),
        from: [from.clone()].into(),
        to: [to.clone()].into(),
        steps: [(from, to)].into(),
        changes: Vec::new(),
    };
    let timeline = Timeline {
        shifts: vec![shift],
        asides: Vec::new(),
        spread: Vec::new(),
        stood: BTreeMap::new(),
        oldest: now,
        whole: true,
    };
    let (name, word, text) = ("deploy/dev".to_owned(), "failure".to_owned(), String::new());
    let state = crate::model::pull_request::CheckState::Failed;
    let failed = crate::model::pull_request::Check { name, state, word, text, is_run: false, time: Some(now) };
    let mut observation = observation(&[WEB, api]);
    (observation.now, observation.has_forge) = (now, true);
    observation.lines.insert("dev".into(), vec![commit.clone()].into());
    observation.reports.insert(commit, Ok(vec![failed]));
    let key = |image: &str| ("dev".into(), image.parse().unwrap());
    observation.pasts.insert(key(WEB), Ok(Past { timeline: Some(timeline), ..Past::default() }));
    let states = |observation: &Observation| {
        let promoted = promote(observation, decisions.clone(), &environments, &Groups::default());
        promoted.watches.iter().map(|watch| (watch.image.to_string(), watch.has_failed())).collect::<Vec<_>>()
    };
    assert_eq!(states(&observation), [(WEB.to_owned(), true)]);
    // The other one may have come later, and failed.
    observation.pasts.insert(key(api), Err("the object is damaged".to_owned()));
    assert_eq!(states(&observation), [(WEB.to_owned(), false)]);
}

#[test]
fn by_no_way_comes_what_may_have_failed_in_an_environment_that_could_not_be_read() {
    let mut prod = environment("prod", &["eu", "us"], Publish::Commit);
    prod.after_any = true;
    let mut environments = Environments(["eu", "us"].map(|name| environment(name, &[], Publish::Commit)).into());
    environments.0.push(prod);
    let decisions = vec![decision(WEB, "us", "1.2.0"), decision(WEB, "prod", "1.0.0")];
    let mut observation = observation(&[WEB]);
    observation.has_forge = true;
    observation.half_known.insert("eu".into(), "eu/web.yaml: broken".to_owned());
    let run = |environments: &Environments| {
        let rows = told(&promote(&observation, decisions.clone(), environments, &Groups::default()));
        rows.into_iter().filter(|row| row.contains("prod")).collect::<Vec<_>>()
    };
    assert_eq!(run(&environments), ["prod/ghcr.io-acme-web: 1.0.0 -> 1.2.0 committed"]);
    let (checks, within) = (vec!["deploy/eu".into()], jiff::SignedDuration::from_hours(1));
    environments.0[0].on_failure =
        Some(crate::model::environment::OnFailure { checks, within, publish: Publish::Commit });
    let reasons = ["what eu runs is not fully known", "whether 1.2.0 failed in eu is not known"];
    assert_eq!(run(&environments), reasons.map(|reason| format!("{WEB}: in prod: {reason}: eu/web.yaml: broken")));
}

/// A timeline in which values came one after the other, at these hours of a day, the newest last.
fn timeline(came: &[(&str, i64)]) -> Timeline {
    let start: Timestamp = "2026-11-20T00:00:00Z".parse().unwrap();
    let at = |hours: i64| start + jiff::SignedDuration::from_hours(hours);
    let shift = |(depth, pair): (usize, &[(&str, i64)])| {
        let (from, to) = (value(pair[0].0), value(pair[1].0));
        let word = Word { depth, ..Default::default() };
        Shift {
            commit: crate::model::commit::CommitId(format!("c{}", pair[1].0).into()),
            time: at(pair[1].1),
            landed: at(pair[1].1),
            by: Mover::Tagboat,
            word,
            from: [from.clone()].into(),
            to: [to.clone()].into(),
            steps: [(from, to)].into(),
            changes: Vec::new(),
        }
    };
    let shifts = came.windows(2).rev().enumerate().map(shift).collect();
    Timeline { shifts, asides: Vec::new(), spread: Vec::new(), stood: BTreeMap::new(), oldest: start, whole: true }
}

/// The rows of `prod`, after `eu` and `us`, where soak counts two hours from the introduction, at an hour of the day.
fn introduced(eu: &[(&str, i64)], us: &[(&str, i64)], hour: i64) -> Vec<String> {
    let mut prod = environment("prod", &["eu", "us"], Publish::Commit);
    prod.gates = vec![GateSpec::Soak { time: jiff::SignedDuration::from_hours(2), count: SoakCount::Introduced }];
    let first = |name| environment(name, &[], Publish::Commit);
    let environments = Environments(vec![first("eu"), first("us"), prod]);
    let runs = |came: &[(&str, i64)]| came.last().unwrap().0.to_owned();
    let decisions =
        vec![decision(WEB, "eu", &runs(eu)), decision(WEB, "us", &runs(us)), decision(WEB, "prod", "1.0.0")];
    let mut observation = observation(&[WEB]);
    observation.now = timeline(&[]).oldest + jiff::SignedDuration::from_hours(hour);
    for (name, came) in [("eu", eu), ("us", us)] {
        let past = Past { timeline: Some(timeline(came)), ..Past::default() };
        observation.pasts.insert((name.into(), WEB.parse().unwrap()), Ok(past));
    }
    let told = told(&promote(&observation, decisions, &environments, &Groups::default()));
    told.into_iter().filter(|row| row.starts_with("prod") || row.contains("in prod")).collect()
}

#[test]
fn counted_from_the_introduction_the_newest_that_all_have_had_comes_though_they_run_different_ones() {
    let eu = [("1.0.0", 0), ("1.1.0", 1), ("1.2.0", 4)];
    let us = [("1.0.0", 0), ("1.1.0", 2), ("1.3.0", 5)];
    let apart =
        format!("{WEB}: in prod: the environments before it do not run the same version: eu runs 1.2.0, us runs 1.3.0");
    assert_eq!(introduced(&eu, &us, 6), ["prod/ghcr.io-acme-web: 1.0.0 -> 1.1.0 committed"]);
    // It waits until the last of them has had it for long enough.
    assert_eq!(introduced(&eu[..2], &us, 3), ["prod/ghcr.io-acme-web: 1.0.0 -> 1.1.0 waiting"]);
    // The newest of several, and none that only one of them had.
    let other = [("1.0.0", 0), ("1.1.0", 1), ("1.2.0", 2), ("1.3.0", 5)];
    assert_eq!(introduced(&eu, &other, 7), ["prod/ghcr.io-acme-web: 1.0.0 -> 1.2.0 committed"]);
    assert_eq!(introduced(&eu, &other, 5), ["prod/ghcr.io-acme-web: 1.0.0 -> 1.1.0 committed"]);
    assert_eq!(introduced(&eu, &[("1.0.0", 0), ("1.3.0", 5)], 9), [apart]);
}

#[test]
fn what_was_taken_back_in_an_environment_of_another_repository_does_not_come() {
    let before =
        Predecessor::elsewhere("https://git.example/acme/platform", "staging".into(), Position { line: 1, column: 1 });
    let name = before.name().clone();
    let mut prod = environment("prod", &[], Publish::Commit);
    prod.after = vec![before];
    let environments = Environments(vec![prod]);
    let key = |name: &EnvironmentName| (name.clone(), WEB.parse::<ImageName>().unwrap());
    let taken = |tag: &str| crate::model::history::TakenBack {
        value: value(tag),
        instead: value("1.0.0"),
        commit: crate::model::commit::CommitId("c1".into()),
        time: Timestamp::UNIX_EPOCH,
        by: "Ada".to_owned(),
        means: crate::model::history::Means::Commit,
    };
    let with = |tag: &str| {
        let mut observation = observation(&[WEB]);
        let runs = [(WEB.parse().unwrap(), [value("1.2.0")].into())].into();
        let elsewhere = crate::model::elsewhere::Elsewhere { runs, ..Default::default() };
        observation.elsewhere.insert(name.clone(), elsewhere);
        let there = Past { timeline: Some(timeline(&[("1.0.0", 0), ("1.2.0", 1)])), ..Past::default() };
        observation.pasts.insert(key(&name), Ok(Past { taken_back: vec![taken(tag)], ..there }));
        observation.pasts.insert(key(&"prod".into()), Ok(Past::default()));
        told(&promote(&observation, vec![decision(WEB, "prod", "1.0.0")], &environments, &Groups::default()))
    };
    assert_eq!(with("1.2.0"), ["prod/ghcr.io-acme-web: 1.0.0 -> 1.2.0 held"]);
    assert_eq!(with("1.3.0"), ["prod/ghcr.io-acme-web: 1.0.0 -> 1.2.0 committed"]);
}

#[test]
fn a_digest_that_gave_way_comes_back_only_where_nobody_moved_the_environment_before_to_it() {
    let (old, new) = ("1.0.0@a", "1.0.0@b");
    let following = |environment: &str, current: &str| {
        let mut decision = decision(WEB, environment, "1.0.0");
        let policy = Policy::new(Select::Digest(Some("1.0.0".parse().unwrap())));
        decision.question.policy = Arc::new(policy);
        decision.question.current = value(current);
        decision.verdict = Verdict::Keep;
        decision
    };
    let environments =
        Environments(vec![environment("dev", &[], Publish::Commit), environment("prod", &["dev"], Publish::Commit)]);
    let went_back = |by: &Mover| {
        let mut observation = observation(&[WEB]);
        let mut dev = timeline(&[(old, 0), (new, 1), (old, 2)]);
        dev.shifts.iter_mut().for_each(|shift| shift.by = by.clone());
        for (name, own) in [("dev", dev), ("prod", timeline(&[(old, 0), (new, 1)]))] {
            let past = Past { timeline: Some(own), ..Past::default() };
            observation.pasts.insert((name.into(), WEB.parse().unwrap()), Ok(past));
        }
        let decisions = vec![following("dev", old), following("prod", new)];
        told(&promote(&observation, decisions, &environments, &Groups::default()))
    };
    let by_tagboat = went_back(&Mover::Tagboat);
    assert!(
        by_tagboat[0].starts_with("prod/ghcr.io-acme-web: ") && by_tagboat[0].ends_with("committed"),
        "{by_tagboat:?}"
    );
    let by_a_person = went_back(&Mover::Person("Ada".into()));
    assert!(by_a_person[0].contains("to which a person moved dev"), "{by_a_person:?}");
}

#[test]
fn a_hold_in_an_environment_holds_in_those_after_it_and_in_none_before() {
    let environments = Environments(vec![
        environment("dev", &[], Publish::Commit),
        environment("staging", &["dev"], Publish::Commit),
        environment("prod", &["staging"], Publish::Commit),
    ]);
    let hold = |environment: &str| crate::model::hold::Hold {
        environment: Some(environment.into()),
        image: WEB.parse().unwrap(),
        tag: "1.2.0".parse().unwrap(),
        digest: None,
        until: None,
        by: None,
        reason: None,
    };
    let with = |held: &str| {
        let mut observation = observation(&[WEB]);
        observation.holds = vec![hold(held)];
        let decisions =
            vec![decision(WEB, "dev", "1.3.0"), decision(WEB, "staging", "1.2.0"), decision(WEB, "prod", "1.0.0")];
        let rows = told(&promote(&observation, decisions, &environments, &Groups::default()));
        rows.into_iter().filter(|row| row.starts_with("prod")).collect::<Vec<_>>()
    };
    let (held, free) =
        ("prod/ghcr.io-acme-web: 1.0.0 -> 1.2.0 held", "prod/ghcr.io-acme-web: 1.0.0 -> 1.2.0 committed");
    assert_eq!([with("dev"), with("staging"), with("prod"), with("elsewhere")], [[held], [held], [held], [free]]);
}

#[test]
fn an_environment_is_ahead_only_of_all_that_stands_before_it() {
    let environments =
        Environments(vec![environment("dev", &[], Publish::Commit), environment("prod", &["dev"], Publish::Commit)]);
    let key = |name: &str| (EnvironmentName::from(name), WEB.parse::<ImageName>().unwrap());
    let order = |one: &Value, other: &Value| {
        one.tag.as_ref().map(ToString::to_string).partial_cmp(&other.tag.as_ref().map(ToString::to_string))
    };
    let with = |dev: &[&str]| {
        let values = dev.iter().map(|tag| value(tag)).collect();
        let runs = drift::Runs::from([(key("dev"), values), (key("prod"), [value("1.2.0")].into())]);
        let (timelines, elsewhere) = (BTreeMap::new(), BTreeMap::new());
        let matching = Matching::new((&[], BTreeSet::new()), &elsewhere, &environments);
        let environments = &environments;
        let comparing = drift::Comparing {
            environments,
            runs: &runs,
            timelines: &timelines,
            sites: &[],
            matching: &matching,
            order: &order,
        };
        let standing = drift::Standing::from([(key("prod"), [(value("1.2.0"), vec![0])].into())]);
        let found = drift::drift(&comparing, &standing);
        found.into_iter().map(|drift| drift.reason).collect::<Vec<_>>()
    };
    assert_eq!(with(&["1.1.0"]), ["1.2.0 is ahead of dev, which runs 1.1.0"]);
    assert_eq!(with(&["1.0.0", "1.1.0"]), ["1.2.0 is ahead of dev, which runs 1.0.0, 1.1.0"]);
    // One of its places is further.
    assert_eq!(with(&["1.1.0", "1.3.0"]), [""; 0]);
    assert_eq!(with(&["1.2.0", "1.1.0"]), [""; 0]);
}

#[test]
fn what_was_introduced_in_the_same_moment_as_what_failed_had_its_turn() {
    let mut prod = environment("prod", &["eu"], Publish::Commit);
    prod.gates = vec![GateSpec::Soak { time: jiff::SignedDuration::from_hours(2), count: SoakCount::Introduced }];
    let environments = Environments(vec![environment("eu", &[], Publish::Commit), prod]);
    let with = |came: &[(&str, i64)]| {
        let mut observation = observation(&[WEB]);
        observation.now = timeline(&[]).oldest + jiff::SignedDuration::from_hours(9);
        observation.holds = vec![crate::model::hold::Hold {
            environment: Some("prod".into()),
            image: WEB.parse().unwrap(),
            tag: "1.2.0".parse().unwrap(),
            digest: None,
            until: None,
            by: Some(crate::model::hold::BY_ITSELF.to_owned()),
            reason: None,
        }];
        let failed = crate::model::history::TakenBack {
            value: value("1.2.0"),
            instead: value("1.0.0"),
            commit: crate::model::commit::CommitId("back".into()),
            time: observation.now,
            by: "Tagboat".into(),
            means: crate::model::history::Means::Failure("argocd/prod".to_owned()),
        };
        let past = Past { timeline: Some(timeline(came)), ..Past::default() };
        observation.pasts.insert(("eu".into(), WEB.parse().unwrap()), Ok(past));
        let past = Past { went_back: vec![failed], ..Past::default() };
        observation.pasts.insert(("prod".into(), WEB.parse().unwrap()), Ok(past));
        let decisions = vec![decision(WEB, "eu", came.last().unwrap().0), decision(WEB, "prod", "1.0.0")];
        let rows = told(&promote(&observation, decisions, &environments, &Groups::default()));
        rows.into_iter().find(|row| row.starts_with("prod")).unwrap()
    };
    let held = "prod/ghcr.io-acme-web: 1.0.0 -> 1.2.0 held";
    assert_eq!(with(&[("1.0.0", 0), ("1.1.0", 1), ("1.2.0", 1)]), held);
    assert_eq!(with(&[("1.0.0", 0), ("1.1.0", 1), ("1.2.0", 3)]), held);
    // Of what came by then nothing is left, though something newer still soaks.
    let waits = "prod/ghcr.io-acme-web: 1.0.0 -> 1.3.0 waiting";
    assert_eq!(with(&[("1.0.0", 0), ("1.1.0", 1), ("1.2.0", 1), ("1.3.0", 8)]), waits);
    assert_eq!(
        with(&[("1.0.0", 0), ("1.1.0", 1), ("1.2.0", 3), ("1.3.0", 4)]),
        "prod/ghcr.io-acme-web: 1.0.0 -> 1.3.0 committed"
    );
}

#[test]
fn a_stay_as_long_as_the_soak_is_no_starvation() {
    let mut prod = environment("prod", &["eu"], Publish::Commit);
    prod.gates = vec![GateSpec::Soak { time: jiff::SignedDuration::from_hours(2), count: SoakCount::Running }];
    let environments = Environments(vec![environment("eu", &[], Publish::Commit), prod]);
    let reason = |came: &[(&str, i64)], hour: i64| {
        let mut observation = observation(&[WEB]);
        observation.now = timeline(&[]).oldest + jiff::SignedDuration::from_hours(hour);
        let past = Past { timeline: Some(timeline(came)), ..Past::default() };
        observation.pasts.insert(("eu".into(), WEB.parse().unwrap()), Ok(past));
        let decisions = vec![decision(WEB, "eu", "1.3.0"), decision(WEB, "prod", "1.0.0")];
        let promoted = promote(&observation, decisions, &environments, &Groups::default());
        let own = promoted.proposals.into_iter().find(|proposal| proposal.environment == "prod".into()).unwrap();
        match &own.gates[0].state {
            GateState::Wait { reason, .. } => reason.clone(),
            other => panic!("{other:?}"),
        }
    };
    let fast = [("1.0.0", 0), ("1.0.1", 1), ("1.0.2", 2), ("1.0.3", 3), ("1.3.0", 4)];
    assert!(reason(&fast, 4).contains("the last 3 versions there stayed too short, at most 1 h"));
    let slower = [("1.0.0", 0), ("1.0.1", 1), ("1.0.2", 2), ("1.0.3", 4), ("1.3.0", 5)];
    assert_eq!(reason(&slower, 5), "2 h of 2 h to go in eu");
    let back = [("1.0.0", 0), ("1.0.1", 1), ("1.0.2", 2), ("1.0.1", 3), ("1.0.2", 4), ("1.0.1", 5), ("1.3.0", 6)];
    assert_eq!(reason(&back, 6), "2 h of 2 h to go in eu", "what was there before is nothing newer");
}
