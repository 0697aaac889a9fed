//! `limits.maxHeads`: a pass asks no more tags where they point than it may, and the passes after it go on.

use crate::program::{Ran, World};

/// A registry with six builds, of which the first is in use and the last is the newest.
fn world() -> (World, String) {
    let world = World::new();
    for day in 1..=6 {
        world.registry.push("acme/worker", &format!("build-{day}"), &format!("2026-11-0{day}T08:00:00Z"));
    }
    world.write(".tagboat.yaml", world.config().replace("semver: minor", "newest: true"));
    world.write("dev/worker.yaml", world.deployment("acme/worker:build-1"));
    let service = world.beside("service.yaml", "version: 1\nlimits: {maxHeads: 2}\n");
    (world, service)
}

/// Plans, and returns how many HEADs it took.
fn plan(world: &World, service: &str) -> (Ran, usize) {
    let before = world.registry.requests().heads;
    let ran = world.tagboat(&["plan", "--output", "json", "--service", service]);
    (ran, world.registry.requests().heads - before)
}

/// Plans until every build was asked about once.
fn settled(world: &World, service: &str) -> Ran {
    for _ in 0..2 {
        plan(world, service).0.ended(3);
    }
    plan(world, service).0.ended(0)
}

fn chosen(ran: &Ran) -> String {
    ran.json()["changes"][0]["to"]["tag"].as_str().unwrap().to_owned()
}

#[test]
fn a_pass_asks_about_as_many_tags_as_it_may_and_the_next_ones_go_on_to_the_end() {
    let (world, service) = world();
    let out = world.scratch.path("snapshot.json").display().to_string();
    world.tagboat(&["snapshot", "--out", &out, "--service", &service]);
    let snapshot: serde_json::Value = serde_json::from_slice(&std::fs::read(&out).unwrap()).unwrap();
    let tags = snapshot["images"][format!("{}/acme/worker", world.registry.host())]["tags"].as_object().unwrap();
    let asked: Vec<&String> =
        tags.iter().filter(|(_, facts)| facts.get("digest").is_some()).map(|(tag, _)| tag).collect();
    assert_eq!(asked, ["build-5", "build-6"], "the newest come first");
    let (ran, heads) = plan(&world, &service);
    let ran = ran.ended(3);
    assert_eq!(heads, 2, "{ran:?}");
    let reason = ran.json()["errors"][0]["reason"].as_str().unwrap().to_owned();
    let expected = "not asked in this pass, which has asked 2 tags already where they point (`limits.maxHeads`); \
                    the next pass goes on";
    assert!(reason.ends_with(expected), "{reason}");
    let (ran, heads) = plan(&world, &service);
    assert_eq!(chosen(&ran.ended(0)), "build-6");
    assert_eq!(heads, 3, "two that were left, and the one to move to");
    for _ in 0..4 {
        let (ran, heads) = plan(&world, &service);
        assert_eq!(chosen(&ran.ended(0)), "build-6");
        assert!((2..=4).contains(&heads), "two of all in turn, the one to move to and the one in use: {heads}");
    }
    assert_eq!(world.registry.requests().blobs, 6, "each was looked into once");
}

#[test]
fn nothing_moves_to_what_an_earlier_pass_saw_without_asking_again() {
    let (world, service) = world();
    assert_eq!(chosen(&settled(&world, &service)), "build-6");
    // What is remembered of it is newer than all others, and it is not any more.
    world.registry.push("acme/worker", "build-6", "2026-10-01T08:00:00Z");
    for _ in 0..4 {
        assert_eq!(chosen(&plan(&world, &service).0.ended(0)), "build-5");
    }
    // The one in use has become newer than all that are remembered.
    world.registry.push("acme/worker", "build-1", "2026-11-20T08:00:00Z");
    for _ in 0..4 {
        let ran = plan(&world, &service).0.ended(0);
        assert_eq!(ran.json()["changes"].as_array().unwrap().len(), 0, "{ran:?}");
    }
    // One that nobody thinks of moves to the front when its turn has come.
    world.registry.push("acme/worker", "build-3", "2026-11-21T08:00:00Z");
    let turn = (0..200).find(|_| plan(&world, &service).0.json()["changes"].as_array().unwrap().len() == 1);
    assert!(turn.is_some());
    assert_eq!(chosen(&plan(&world, &service).0.ended(0)), "build-3");
}

#[test]
fn a_tag_that_cannot_be_asked_again_leaves_its_image_undecided_here_and_in_a_replay() {
    let (world, service) = world();
    settled(&world, &service);
    let out = world.scratch.path("snapshot.json").display().to_string();
    world.tagboat(&["snapshot", "--out", &out, "--service", &service]).ended(0);
    let replay = |out: &str| world.tagboat(&["plan", "--output", "json", "--snapshot", out]);
    assert_eq!(chosen(&replay(&out).ended(0)), "build-6");
    world.registry.faults(|faults| faults.head_status = Some(403));
    let live = plan(&world, &service).0.ended(3);
    world.tagboat(&["snapshot", "--out", &out, "--service", &service]);
    let replayed = replay(&out).ended(3);
    assert_eq!(replayed.json()["errors"][0]["reason"], live.json()["errors"][0]["reason"]);
}

#[test]
fn without_a_cache_it_says_what_to_do_instead() {
    let (world, service) = world();
    let mut command = world.command(&["plan", "--output", "json", "--service", &service]);
    let ran = world.finish(command.env("TAGBOAT_CACHE", "off")).ended(3);
    let reason = ran.json()["errors"][0]["reason"].as_str().unwrap().to_owned();
    assert!(reason.ends_with("no pass goes on without a cache: raise that, or narrow `tags`"), "{reason}");
    assert_eq!(world.registry.requests().heads, 2);
}
