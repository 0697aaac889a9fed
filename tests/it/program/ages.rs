//! `minAge`: how long a tag has pointed to its digest, remembered from pass to pass.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tagboat::cache::{Cache, Pointed};
use tagboat::clock::{Clock, FixedClock, SystemClock};

use crate::program::{Ran, World};

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
    let (before, heads) = (std::fs::read(world.scratch.path("tags.json")).unwrap(), world.registry.requests().heads);
    world.tagboat(&["snapshot", "--out", "../tags.json"]).ended(0);
    let text = String::from_utf8(std::fs::read(world.scratch.path("tags.json")).unwrap()).unwrap();
    assert!(text.contains("\"firstSeen\": \""), "{text}");
    assert_eq!(world.registry.requests().heads, heads);
    assert!(String::from_utf8(before).unwrap().contains("\"firstSeen\": \""));
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
