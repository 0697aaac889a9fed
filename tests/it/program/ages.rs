//! `minAge`: how long a tag has pointed to its digest, remembered from pass to pass.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use jiff::{SignedDuration, Timestamp};
use tagboat::cache::{Cache, Pointed};
use tagboat::clock::{Clock, FixedClock, SystemClock};

use crate::program::{Ran, World, deployment};
use crate::support::scripted::Scripted;

/// A tree that runs web 1.4.0 and wants nothing younger than two hours; 1.5.0 is there.
fn world() -> World {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    world.write(".tagboat.yaml", world.config().replace("semver: minor\n", "semver: minor\n    minAge: 2h\n"));
    world.write("dev/web.yaml", world.deployment("acme/web:1.4.0"));
    world
}

fn plan(world: &World, further: &[&str]) -> Ran {
    world.tagboat(&[&["plan", "--output", "json"], further].concat()).ended(0)
}

/// Returns until when 1.5.0 is too young.
#[track_caller]
fn until(ran: &Ran) -> Timestamp {
    let decisions = ran.json()["decisions"].clone();
    let rejected = decisions[0]["rejected"].as_array().unwrap();
    let row = rejected.iter().find(|row| row["tag"] == "1.5.0").unwrap_or_else(|| panic!("it is chosen: {ran:?}"));
    let reason = row["reason"].as_str().unwrap();
    reason.strip_prefix("too young until ").unwrap_or_else(|| panic!("{reason}")).parse().unwrap()
}

#[track_caller]
fn chosen(ran: &Ran) -> String {
    ran.json()["decisions"][0]["chosen"].as_str().unwrap_or_default().to_owned()
}

fn at(time: Timestamp) -> String {
    time.to_string()
}

#[test]
fn a_tag_waits_until_the_exact_moment_at_which_it_is_old_enough() {
    let world = world();
    let first = until(&plan(&world, &[]));
    let left = first.duration_since(SystemClock.now());
    assert!(left > SignedDuration::from_mins(110) && left <= SignedDuration::from_mins(121), "{left}");
    assert_eq!(until(&plan(&world, &[])), first, "the second pass remembers the first");
    let before = first.checked_sub(SignedDuration::from_secs(1)).unwrap();
    assert_eq!(until(&plan(&world, &["--at", &at(before)])), first);
    assert_eq!(chosen(&plan(&world, &["--at", &at(first)])), "1.5.0");
    assert_eq!(until(&plan(&world, &[])), first, "looking ahead changes nothing");
}

#[test]
fn a_tag_that_waits_is_told_wherever_it_is_looked_for() {
    let world = world();
    let moment = until(&plan(&world, &[]));
    let words = |ran: &Ran| ran.out.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = format!("1.5.0 of 127.0.0.1:50000/acme/web: too young until {moment}");
    let planned = words(&world.tagboat(&["plan"]).ended(0));
    assert!(planned.contains(&format!("Kept back {line}")) && !planned.contains("newest"), "{planned}");
    assert!(planned.contains("Nothing to do now (1 kept back)."), "{planned}");
    let status = words(&world.tagboat(&["status"]).ended(0));
    assert!(status.contains(&line), "{status}");
    let status = world.tagboat(&["status", "--output", "json"]).ended(0).json();
    let row = &status["environments"][0]["images"][0]["keptBack"];
    assert_eq!(
        (row["tag"].as_str(), row["until"].as_str()),
        (Some("1.5.0"), Some(moment.to_string().as_str())),
        "{status}"
    );
    let explained = words(&world.tagboat(&["explain", "web"]).ended(0));
    assert!(explained.contains(&format!("chosen: none (1.5.0 is kept back: too young until {moment})")), "{explained}");
}

#[test]
fn looking_ahead_writes_no_time_of_the_future_and_looking_back_none_of_the_past() {
    let world = world();
    assert_eq!(chosen(&plan(&world, &["--at", "2100-01-01T00:00:00Z"])), "1.5.0");
    let first = until(&plan(&world, &["--at", "2000-01-01T00:00:00Z"]));
    assert!(first > SystemClock.now(), "{first}");
    assert_eq!(until(&plan(&world, &[])), first);
}

#[test]
fn a_tag_that_waits_costs_no_request_until_it_is_old_enough() {
    let world = world();
    let first = until(&plan(&world, &[]));
    assert_eq!(world.registry.requests().heads, 1);
    plan(&world, &[]);
    let counts = world.registry.requests();
    assert_eq!((counts.tags, counts.heads, counts.manifests, counts.blobs), (2, 1, 0, 0));
    plan(&world, &["--at", &at(first)]);
    assert_eq!(world.registry.requests().heads, 2, "before it moves, it is asked whether it is still the same");
}

/// Lets an earlier pass have seen 1.5.0 three hours ago, at this digest.
fn saw_three_hours_ago(world: &World, digest: &str) {
    let then = SystemClock.now().checked_sub(SignedDuration::from_hours(3)).unwrap();
    let cache = Cache::open(&world.scratch.path("cache/tagboat/cache.db"), Arc::new(FixedClock(then)));
    let (image, tag) = (world.registry.image("acme/web"), "1.5.0".parse().unwrap());
    let seen = cache.saw(&[Pointed { image, tag, digest: digest.parse().unwrap() }]);
    assert!(seen[0].unwrap() >= then, "{:?}", cache.warning());
}

#[test]
fn a_tag_whose_digest_changed_starts_again() {
    let world = world();
    let old = world.registry.push("acme/web", "1.5.0", "2020-01-01T00:00:00Z");
    saw_three_hours_ago(&world, &old);
    assert_eq!(chosen(&plan(&world, &[])), "1.5.0");
    world.registry.push("acme/web", "1.5.0", "2020-02-02T00:00:00Z");
    let again = until(&plan(&world, &[]));
    assert!(again.duration_since(SystemClock.now()) > SignedDuration::from_mins(110), "{again}");
}

#[test]
fn a_deleted_cache_is_more_patient_and_never_wrong() {
    let world = world();
    let first = until(&plan(&world, &[]));
    std::fs::remove_dir_all(world.scratch.path("cache/tagboat")).unwrap();
    let second = until(&plan(&world, &[]));
    assert!(second >= first, "{second} {first}");
}

#[test]
fn without_a_cache_a_tag_waits_and_says_why() {
    let world = world();
    let mut command = world.command(&["plan", "--output", "json", "--at", "2100-01-01T00:00:00Z"]);
    let ran = world.finish(command.env("TAGBOAT_CACHE", "off")).ended(0);
    let row = ran.json()["decisions"][0]["rejected"].clone();
    let reason = row.as_array().unwrap().iter().find(|row| row["tag"] == "1.5.0").unwrap()["reason"].clone();
    assert_eq!(reason, "age unknown: the registry does not tell it, and no cache keeps since when it is known");
    assert_eq!(ran.err, "", "nobody is warned of what was asked for");
    assert_eq!(world.registry.requests().heads, 0);
    assert!(!world.scratch.path("cache").exists());
}

/// A registry whose own API for push times answers with a status as long as there is one, and then knows that 1.5.0
/// is three days old.
fn with_an_api(status: &Arc<AtomicU16>) -> Scripted {
    let status = Arc::clone(status);
    Scripted::start(move |asked| {
        let json = |text: String| (200, vec![("Content-Type", "application/json".to_owned())], text);
        let digest = format!("sha256:{}", "a".repeat(64));
        match (asked.target.as_str(), status.load(Ordering::Relaxed)) {
            (target, 200) if target.starts_with("/api/") => {
                let pushed = SystemClock.now().as_second() - 3 * 86_400;
                let row = format!(r#"{{"name": "1.5.0", "start_ts": {pushed}, "manifest_digest": "{digest}"}}"#);
                json(format!(r#"{{"tags": [{row}], "page": 1, "has_additional": false}}"#))
            }
            (target, status) if target.starts_with("/api/") => (status, Vec::new(), String::new()),
            (target, _) if target.contains("/tags/list") => {
                json(r#"{"name": "acme/web", "tags": ["1.4.0", "1.5.0"]}"#.to_owned())
            }
            _ => (200, vec![("Docker-Content-Digest", digest)], String::new()),
        }
    })
}

/// Returns a plan of an image there, and how often the API was asked in it.
fn plan_with_api(world: &World, server: &Scripted) -> (Ran, usize) {
    world.write("dev/web.yaml", deployment(&format!("{}/acme/web:1.4.0", server.host())));
    world.write(".tagboat.yaml", "version: 1\nimages:\n  - {match: '**', semver: minor, minAge: 2h}\n");
    let service = format!("version: 1\nregistries: [{{host: '{}', vendor: quay}}]\n", server.host());
    let service = world.beside("service.yaml", &service);
    let asked = || server.targets().iter().filter(|target| target.starts_with("/api/")).count();
    let before = asked();
    let ran = plan(world, &["--service", &service]);
    (ran, asked() - before)
}

#[track_caller]
fn reason_of_waiting(ran: &Ran) -> String {
    let rejected = ran.json()["decisions"][0]["rejected"].clone();
    let row = rejected.as_array().unwrap().iter().find(|row| row["tag"] == "1.5.0").cloned();
    row.unwrap_or_else(|| panic!("it is chosen: {ran:?}"))["reason"].as_str().unwrap().to_owned()
}

#[test]
fn an_api_that_failed_once_is_told_and_asked_again_so_that_the_tag_does_not_wait_in_vain() {
    for failure in [418, 403] {
        let (world, status) = (world(), Arc::new(AtomicU16::new(failure)));
        let server = with_an_api(&status);
        let (ran, asked) = plan_with_api(&world, &server);
        let reason = reason_of_waiting(&ran);
        let words = "counted from when it was first seen: the registry's own API did not tell when it was pushed: ";
        assert!(reason.starts_with("too young until ") && reason.contains(words), "{reason}");
        assert!(reason.contains(&format!("answered {failure}")), "{reason}");
        assert_eq!(ran.err.contains("the registry's own API does not tell"), failure == 418, "{ran:?}");
        assert_eq!(asked, 1);
        status.store(200, Ordering::Relaxed);
        assert_eq!(chosen(&plan_with_api(&world, &server).0), "1.5.0");
    }
}

#[test]
fn an_api_that_never_tells_is_not_asked_in_every_pass() {
    let (world, status) = (world(), Arc::new(AtomicU16::new(403)));
    let server = with_an_api(&status);
    let asked: Vec<usize> = (0..4).map(|_| plan_with_api(&world, &server).1).collect();
    assert_eq!(asked, [1, 1, 0, 0]);
    let reason = reason_of_waiting(&plan_with_api(&world, &server).0);
    assert!(reason.ends_with("did not tell when it was pushed; it is asked again"), "{reason}");
}

#[test]
fn a_snapshot_holds_the_ages_and_gives_the_same_plan() {
    let world = world();
    world.tagboat(&["snapshot", "--out", "../tags.json"]).ended(0);
    let live = plan(&world, &[]);
    let replay = ["--snapshot", "../tags.json"];
    assert_eq!(plan(&world, &replay).out, live.out);
    let later = at(until(&live));
    assert_eq!(chosen(&plan(&world, &[&replay[..], &["--at", &later]].concat())), "1.5.0");
    // Taken again while the tag waits, without a question to the registry, it holds the same.
    let read = || std::fs::read_to_string(world.scratch.path("tags.json")).unwrap();
    let (before, heads) = (read(), world.registry.requests().heads);
    assert!(before.contains("\"firstSeen\": \"") && before.contains("\"digest\": \""), "{before}");
    world.tagboat(&["snapshot", "--out", "../tags.json"]).ended(0);
    assert_eq!(read(), before);
    assert_eq!(world.registry.requests().heads, heads);
    assert_eq!(plan(&world, &replay).out, live.out);
}

#[test]
fn a_run_moves_what_was_seen_long_ago_and_leaves_what_is_new() {
    let world = world();
    let repository = world.repository("acme/web:1.4.0");
    let config = world.beside("tagboat.yaml", &world.read(".tagboat.yaml"));
    let old = world.registry.push("acme/web", "1.5.0", "2020-01-01T00:00:00Z");
    world.run_on(&repository, &["--config", &config]).ended(0);
    assert_eq!(crate::program::commits(&repository), 1);
    std::fs::remove_dir_all(world.scratch.path("cache/tagboat")).unwrap();
    saw_three_hours_ago(&world, &old);
    world.push("acme/web", "1.6.0");
    let ran = world.run_on(&repository, &["--config", &config, "--output", "json"]).ended(0).json();
    assert_eq!(ran["changes"][0]["with"], "1.5.0");
    let rejected = ran["decisions"][0]["rejected"].to_string();
    assert!(rejected.contains(r#"{"reason":"too young until "#) && rejected.contains("1.6.0"), "{rejected}");
    assert_eq!(crate::program::commits(&repository), 2);
}
