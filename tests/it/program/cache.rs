//! The cache, seen from outside: fewer requests, the same decisions, and no failure that is its fault.

use std::path::PathBuf;
use std::sync::Arc;

use tagboat::cache::Cache;
use tagboat::clock::SystemClock;

use crate::program::{Ran, World};
use crate::support::registry::{Auth, Counts};

/// A tree whose images ask for everything that can be asked: a pin, platforms, creation times, a moving tag.
fn world() -> World {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    for (tag, day) in [("build-11", 1), ("build-12", 2), ("build-13", 3)] {
        world.registry.push("acme/worker", tag, &format!("2026-11-0{day}T08:00:00Z"));
    }
    world.registry.push_index("acme/api", "2.0.0", "2026-11-01T08:00:00Z", &["amd64", "arm64"]);
    world.registry.push("acme/api", "2.1.0", "2026-11-02T08:00:00Z");
    world.registry.push("acme/edge", "latest", "2026-11-02T08:00:00Z");
    let (host, rules) = (world.registry.host(), world.config());
    let more = format!(
        "images:\n  - match: {host}/acme/worker\n    newest: true\n  - match: {host}/acme/api\n    semver: minor\n    \
         platforms: [linux/amd64, linux/arm64]\n  - match: {host}/acme/edge\n    digest: latest\n"
    );
    world.write(".tagboat.yaml", rules.replace("images:\n", &more));
    for (name, image) in
        [("web", "web:1.4.0"), ("worker", "worker:build-11"), ("api", "api:2.0.0"), ("edge", "edge:latest")]
    {
        world.write(&format!("dev/{name}.yaml"), world.deployment(&format!("acme/{image}")));
    }
    world
}

fn file(world: &World) -> PathBuf {
    world.scratch.path("cache/tagboat/cache.db")
}

fn plan(world: &World) -> Ran {
    world.tagboat(&["plan", "--output", "json"]).ended(0)
}

/// Returns what a call asked the registry.
fn asked(world: &World, call: impl FnOnce(&World)) -> Counts {
    let before = world.registry.requests();
    call(world);
    let after = world.registry.requests();
    Counts {
        tags: after.tags - before.tags,
        unchanged: after.unchanged - before.unchanged,
        heads: after.heads - before.heads,
        manifests: after.manifests - before.manifests,
        blobs: after.blobs - before.blobs,
        tokens: after.tokens - before.tokens,
        exchanges: after.exchanges - before.exchanges,
        logins: after.logins - before.logins,
        referrers: after.referrers - before.referrers,
    }
}

#[test]
fn what_an_image_holds_is_asked_for_once() {
    let world = world();
    let first = asked(&world, |world| drop(plan(world)));
    // Three builds and two versions, one of them an index with an image in it.
    assert_eq!((first.manifests, first.blobs), (4, 4), "{first:?}");
    let second = asked(&world, |world| drop(plan(world)));
    // Where tags point is asked again: all that `newest` compares, the version that lacks a platform, the moving tag.
    assert_eq!(second, Counts { tags: 4, heads: 5, ..Counts::default() });
}

#[test]
fn a_pass_in_which_nothing_changed_costs_a_request_a_page_and_a_token_an_image() {
    let world = World::with_web(&[]);
    let names = ["web", "api", "worker"];
    for name in names {
        let repository = format!("acme/{name}");
        (0..25).for_each(|minor| {
            drop(world.registry.push(&repository, &format!("1.{minor}.0"), "2026-11-01T08:00:00Z"));
        });
        world.write(&format!("dev/{name}.yaml"), world.deployment(&format!("{repository}:1.4.0")));
    }
    let rule = "semver: minor\n    pin: digest\n    platforms: [linux/amd64]\n";
    world.write(".tagboat.yaml", world.config().replace("semver: minor\n", rule));
    world.registry.faults(|faults| (faults.auth, faults.page_size) = (Auth::BearerForAll, Some(10)));
    world.tagboat(&["update"]).ended(0);
    let text = world.read("dev/api.yaml");
    assert!(text.contains("acme/api:1.24.0@sha256:"), "{text}");

    let again = asked(&world, |world| drop(world.tagboat(&["update"]).ended(0)));
    // Three pages of each list; the first of all is answered with what login it takes. Each process logs in for itself.
    let expected = Counts { tags: 3 * names.len() + 1, tokens: names.len(), ..Counts::default() };
    assert_eq!(again, expected);
    assert_eq!(world.read("dev/api.yaml"), text);
}

#[test]
fn tags_of_one_digest_are_looked_into_once_and_a_new_one_not_at_all() {
    let world = World::with_web(&[]);
    let digest = world.registry.push_index("acme/web", "1.0.0", "2026-11-01T08:00:00Z", &["amd64"]);
    for tag in ["1.1.0", "1.2.0", "1.3.0"] {
        world.registry.point("acme/web", tag, &digest);
    }
    world.write(".tagboat.yaml", world.config().replace("semver: minor", "newest: true"));
    world.write("dev/web.yaml", world.deployment("acme/web:1.0.0"));
    let first = asked(&world, |world| drop(plan(world)));
    assert_eq!(first, Counts { tags: 1, heads: 4, manifests: 2, blobs: 1, ..Counts::default() });
    world.registry.point("acme/web", "1.4.0", &digest);
    let second = asked(&world, |world| drop(plan(world)));
    assert_eq!(second, Counts { tags: 1, heads: 5, ..Counts::default() });
}

#[test]
fn a_pass_over_names_alone_asks_for_lists_and_for_nothing_else() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    world.registry.faults(|faults| faults.etags = true);
    let digest = world.registry.push("acme/web", "1.5.0", "2026-11-02T08:00:00Z");
    world.write(".tagboat.yaml", world.config().replace("semver: minor\n", "semver: minor\n    pin: digest\n"));
    world.write("dev/web.yaml", world.deployment(&format!("acme/web:1.5.0@{digest}")));
    assert_eq!(asked(&world, |world| drop(plan(world))), Counts { tags: 1, ..Counts::default() });
    let again = asked(&world, |world| drop(plan(world)));
    assert_eq!(again, Counts { tags: 1, unchanged: 1, ..Counts::default() });
    world.push("acme/web", "1.6.0");
    let newer = plan(&world).json();
    assert_eq!(newer["changes"][0]["to"]["tag"], "1.6.0");
}

#[test]
fn a_digest_that_is_written_is_the_one_of_now() {
    let world = world();
    let rules = world.read(".tagboat.yaml").replace("semver: minor\nenv", "semver: minor\n    pin: digest\nenv");
    world.write(".tagboat.yaml", rules);
    let digest = |ran: &Ran, image: &str| {
        let changes = ran.json()["changes"].clone();
        let rows = changes.as_array().unwrap();
        let row = rows.iter().find(|row| row["image"].as_str().unwrap().ends_with(image)).unwrap().clone();
        row["to"]["digest"].as_str().unwrap().to_owned()
    };
    let first = plan(&world);
    for (image, tag) in [("acme/web", "1.5.0"), ("acme/edge", "latest")] {
        let moved = world.registry.push(image, tag, "2020-01-01T00:00:00Z");
        assert_ne!(digest(&first, image), moved);
        assert_eq!(digest(&plan(&world), image), moved, "{image}");
    }
}

#[test]
fn a_tag_that_moved_is_judged_by_what_it_points_to_now() {
    let world = world();
    plan(&world);
    world.registry.push_index("acme/api", "2.1.0", "2026-11-02T08:00:00Z", &["amd64", "arm64"]);
    world.registry.push("acme/worker", "build-12", "2026-11-05T08:00:00Z");
    let again = plan(&world).json().to_string();
    assert!(again.contains(r#""chosen":"2.1.0""#) && again.contains(r#""chosen":"build-12""#), "{again}");
}

#[test]
fn a_cache_that_is_deleted_damaged_or_switched_off_changes_no_decision() {
    let world = world();
    let first = plan(&world).out;
    assert_eq!(plan(&world).out, first);
    std::fs::remove_file(file(&world)).unwrap();
    assert_eq!(plan(&world).out, first, "deleted");
    std::fs::write(file(&world), "no database\n".repeat(1000)).unwrap();
    let damaged = plan(&world);
    assert_eq!(damaged.out, first, "damaged");
    assert!(damaged.err.starts_with("warning: the cache ") && damaged.err.contains(" was damaged"), "{damaged:?}");
    assert_eq!(damaged.err.lines().count(), 1, "{damaged:?}");
    let mended = plan(&world);
    assert_eq!((mended.out, mended.err), (first.clone(), String::new()));
    let off = world.finish(world.command(&["plan", "--output", "json"]).env("TAGBOAT_CACHE", "off"));
    assert_eq!((off.out, off.err), (first.clone(), String::new()));
    let nowhere = world.finish(world.command(&["plan", "--output", "json"]).env("TAGBOAT_CACHE", "/dev/null"));
    assert_eq!(nowhere.out, first);
    assert!(nowhere.err.contains("/dev/null cannot be used") && nowhere.err.contains("TAGBOAT_CACHE"), "{nowhere:?}");
    let homeless =
        world.finish(world.command(&["plan", "--output", "json"]).env_remove("HOME").env_remove("XDG_CACHE_HOME"));
    assert_eq!(homeless.out, first);
    assert!(homeless.err.contains("set HOME, XDG_CACHE_HOME or TAGBOAT_CACHE"), "{homeless:?}");
}

#[test]
fn the_operator_names_the_cache() {
    let world = world();
    let service = world.beside("service.yaml", "version: 1\ncache: kept/here.db\n");
    let ran = world.tagboat(&["plan", "--service", &service]).ended(0);
    assert_eq!(ran.err, "");
    assert!(world.scratch.path("kept/here.db").is_file() && !file(&world).exists());
}

#[test]
fn mirrors_stand_beside_the_cache_whose_file_somebody_named() {
    let world = world();
    let remote = world.repository("acme/web:1.4.0");
    let folder = remote.folder.display().to_string();
    let mirrors = |path: &str| std::fs::read_dir(world.scratch.path(path)).map(Iterator::count).unwrap_or_default();
    let service = world.beside("service.yaml", "version: 1\ncache: kept/here.db\n");
    world.tagboat(&["run", "--repo", &folder, "--branch", "main", "--service", &service]).ended(0);
    let mut command = world.command(&["run", "--repo", &folder, "--branch", "main"]);
    world.finish(command.env("TAGBOAT_CACHE", world.scratch.path("named/here.db"))).ended(0);
    assert_eq!((mirrors("kept/mirrors"), mirrors("named/mirrors")), (2, 2), "one each, and its lock");
    assert!(!world.scratch.path("cache").exists() && !world.scratch.path("home").exists());
    // What is no file is no place for anything.
    let mut command = world.command(&["run", "--repo", &folder, "--branch", "main"]);
    world.finish(command.env("TAGBOAT_CACHE", "/dev/null")).ended(0);
    assert_eq!(mirrors("cache/tagboat/mirrors"), 2);
}

#[test]
fn several_programs_share_one_cache() {
    let world = world();
    let first = plan(&world).out;
    std::fs::remove_file(file(&world)).unwrap();
    let children: Vec<_> = std::thread::scope(|scope| {
        let run = || plan(&world);
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(run)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for ran in children {
        assert_eq!((ran.out, ran.err), (first.clone(), String::new()));
    }
    let again = asked(&world, |world| drop(plan(world)));
    assert_eq!((again.manifests, again.blobs), (0, 0), "what one asked, all know");
}

#[test]
fn a_snapshot_teaches_the_cache_nothing_and_is_taught_nothing() {
    let world = world();
    world.tagboat(&["snapshot", "--out", "../tags.json"]).ended(0);
    let live = plan(&world).out;
    std::fs::remove_file(file(&world)).unwrap();
    let replay = world.tagboat(&["plan", "--output", "json", "--snapshot", "../tags.json"]).ended(0);
    assert_eq!(replay.out, live);
    let cache = Cache::open(&file(&world), Arc::new(SystemClock));
    let image = world.registry.image("acme/web");
    assert_eq!(cache.summaries([&image]).remove(&image), None);
    // What is known of digests comes into a snapshot although nobody was asked for it.
    plan(&world);
    world.tagboat(&["snapshot", "--out", "../known.json"]).ended(0);
    let read = |name: &str| std::fs::read_to_string(world.scratch.path(name)).unwrap();
    assert_eq!(read("known.json"), read("tags.json"));
}

#[test]
fn a_list_that_lost_the_tag_in_use_is_told_and_nothing_moves_back() {
    let world = World::with_web(&["1.3.0", "1.4.0", "1.5.0"]);
    world.write(".tagboat.yaml", world.config());
    world.write("dev/web.yaml", world.deployment("acme/web:1.5.0"));
    assert_eq!(plan(&world).json()["skipped"], serde_json::json!([]));
    world.registry.delete("acme/web", "1.5.0");
    // Another repository with the same image, that uses another tag, takes nothing of this away.
    let other = world.scratch.path("other");
    std::fs::create_dir_all(other.join("dev")).unwrap();
    std::fs::write(other.join(".tagboat.yaml"), world.config()).unwrap();
    std::fs::write(other.join("dev/web.yaml"), world.deployment("acme/web:1.4.0")).unwrap();
    let other = world.tagboat(&["plan", "../other", "--output", "json"]).ended(0);
    assert_eq!(other.json()["skipped"], serde_json::json!([]));
    for _ in 0..2 {
        let ran = plan(&world).json();
        let reason = ran["skipped"][0]["reason"].as_str().unwrap();
        assert!(reason.starts_with("`1.5.0`, which is in use, has gone from the registry's list;"), "{reason}");
        assert_eq!((&ran["changes"], ran["errors"].as_array().unwrap().len()), (&serde_json::json!([]), 0));
    }
    world.push("acme/web", "1.5.0");
    assert_eq!(plan(&world).json()["skipped"], serde_json::json!([]));
}

#[test]
fn a_list_that_lost_most_of_its_tags_is_told_and_nothing_moves_back() {
    let tags: Vec<String> = (0..20).map(|number| format!("1.{number}.0")).collect();
    let world = World::with_web(&tags.iter().map(String::as_str).collect::<Vec<_>>());
    world.write(".tagboat.yaml", world.config());
    world.write("dev/web.yaml", world.deployment("acme/web:1.7.0"));
    assert_eq!(plan(&world).json()["changes"][0]["with"], "1.19.0");
    tags[8..].iter().for_each(|tag| world.registry.delete("acme/web", tag));
    let ran = plan(&world).json();
    let reason = ran["skipped"][0]["reason"].as_str().unwrap();
    assert!(reason.starts_with("the registry's list went from 20 tags to 8"), "{reason}");
    assert_eq!(ran["changes"], serde_json::json!([]));
    let text = world.tagboat(&["plan"]).ended(0).out;
    assert!(text.contains("went from 20 tags to 8"), "{text}");
}

#[test]
fn a_short_list_that_lost_most_of_its_tags_is_told_too() {
    for (tags, left, is_told) in [(3, 1, true), (5, 2, true), (2, 1, false), (4, 2, false)] {
        let tags: Vec<String> = (0..tags).map(|number| format!("1.{number}.0")).collect();
        let world = World::with_web(&tags.iter().map(String::as_str).collect::<Vec<_>>());
        world.write(".tagboat.yaml", world.config());
        world.write("dev/web.yaml", world.deployment("acme/web:1.0.0"));
        plan(&world);
        tags[left..].iter().for_each(|tag| world.registry.delete("acme/web", tag));
        let skipped = plan(&world).json()["skipped"].clone();
        let told = format!("the registry's list went from {} tags to {left}", tags.len());
        let told = skipped[0]["reason"].as_str().is_some_and(|reason| reason.starts_with(&told));
        assert_eq!(told, is_told, "{skipped}");
    }
}

#[test]
fn an_image_that_nobody_saw_whole_before_is_no_loss() {
    let world = World::with_web(&["1.3.0"]);
    world.write(".tagboat.yaml", world.config());
    world.write("dev/web.yaml", world.deployment("acme/web:1.5.0"));
    for _ in 0..2 {
        assert_eq!(plan(&world).json()["skipped"], serde_json::json!([]));
    }
}

#[test]
fn with_v_it_is_told_how_often_the_cache_answered() {
    let world = world();
    plan(&world);
    let ran = world.tagboat(&["plan", "-v"]).ended(0);
    assert!(ran.err.contains("cache") && ran.err.contains("answered="), "{ran:?}");
}
