//! What was observed, recorded and replayed.

use crate::program::World;
use crate::support::registry::Counts;

/// A world whose decisions need several kinds of facts: digests and creation times.
fn world() -> World {
    let world = World::with_web(&["1.4.0", "1.5.0", "2.0.0", "latest"]);
    world.registry.push("acme/worker", "build-11", "2026-11-01T08:00:00Z");
    world.registry.push("acme/worker", "build-12", "2026-11-02T08:00:00Z");
    let (host, rules) = (world.registry.host(), world.config());
    let pinned = format!(
        "images:\n  - match: {host}/acme/web\n    semver: minor\n    pin: digest\n  - match: {host}/acme/worker\n    newest: true\n"
    );
    world.write(".tagboat.yaml", rules.replace("images:\n", &pinned));
    world.write("dev/web.yaml", world.deployment("acme/web:1.4.0"));
    world.write("dev/worker.yaml", world.deployment("acme/worker:build-11"));
    world
}

#[test]
fn a_replayed_plan_is_the_live_one_byte_for_byte() {
    let world = world();
    world.tagboat(&["snapshot", "--out", "../tags.json"]).ended(0);
    let live = world.tagboat(&["plan", "--output", "json"]).ended(0);
    assert_eq!(live.json()["changes"].as_array().unwrap().len(), 2, "{live:?}");
    let asked = world.registry.requests();
    assert_ne!(asked, Counts::default());
    let arguments = ["--snapshot", "../tags.json"];
    assert_eq!(world.tagboat(&[&["plan", "--output", "json"], &arguments[..]].concat()).ended(0).out, live.out);
    let text = world.tagboat(&["plan"]).ended(0).out;
    let asked = (asked, world.registry.requests()).1;
    assert_eq!(world.tagboat(&[&["plan"], &arguments[..]].concat()).ended(0).out, text);
    for command in ["scan", "check", "update"] {
        world.tagboat(&[&[command], &arguments[..]].concat()).ended(0);
    }
    assert_eq!(world.registry.requests(), asked, "a replay asks nobody");
}

#[test]
fn a_branch_on_a_remote_is_recorded_as_its_checkout_is() {
    let world = world();
    let read = |path: &str| std::fs::read_to_string(world.tree().join(path)).unwrap();
    let files = [".tagboat.yaml", "dev/web.yaml", "dev/worker.yaml"].map(|path| (path, read(path)));
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    let remote = world.scratch.bare("gitops.git", &files).folder.display().to_string();
    let recorded = world.tagboat(&["snapshot", "--repo", &remote, "--branch", "main"]).ended(0).out;
    assert_eq!(recorded, world.tagboat(&["snapshot"]).ended(0).out);
}

#[test]
fn a_snapshot_holds_what_is_documented() {
    let world = world();
    let recorded = world.tagboat(&["snapshot"]).ended(0).json();
    crate::program::has_fields(&recorded, "images");
    let web = &recorded["images"]["127.0.0.1:50000/acme/web"];
    crate::program::has_fields(web, "tags");
    crate::program::has_fields(&web["tags"], "1.4.0 1.5.0 2.0.0 latest");
    let chosen = &web["tags"]["1.5.0"];
    assert!(chosen["digest"].as_str().unwrap().starts_with("sha256:"), "{chosen}");
    assert_eq!(web["tags"]["latest"], serde_json::json!({}));
    let newest = &recorded["images"]["127.0.0.1:50000/acme/worker"]["tags"]["build-12"];
    assert_eq!(newest["created"], "2026-11-02T08:00:00Z");
    assert_eq!(newest["platforms"], serde_json::json!(["linux/amd64"]));
}

#[test]
fn what_is_no_regular_file_is_written_through_and_never_replaced() {
    let world = world();
    let expected = world.tagboat(&["snapshot"]).ended(0).out;
    let recorded = |text: String| text.replace(&world.registry.host(), "127.0.0.1:50000");
    assert_eq!(world.tagboat(&["snapshot", "--out", "-"]).ended(0).out, expected);
    assert!(!world.tree().join("-").exists());
    let path = |name: &str| world.scratch.path(name);
    // A link to a file, one to nothing yet, and one to a device: the link stays, and what it leads to is written.
    std::fs::write(path("target.json"), "old".repeat(10_000)).unwrap();
    for (link, target) in [("link", "target.json"), ("dangling", "new.json"), ("null", "/dev/null")] {
        std::os::unix::fs::symlink(target, path(link)).unwrap();
        world.tagboat(&["snapshot", "--out", &format!("../{link}")]).ended(0);
        assert!(std::fs::symlink_metadata(path(link)).unwrap().is_symlink(), "{link}");
        if target != "/dev/null" {
            assert_eq!(recorded(std::fs::read_to_string(path(target)).unwrap()), expected, "{link}");
        }
    }
    std::fs::create_dir(path("folder")).unwrap();
    let ran = world.tagboat(&["snapshot", "--out", "../folder"]).ended(1);
    assert!(ran.err.contains("cannot write ../folder: Is a directory"), "{ran:?}");
}

#[test]
fn a_run_can_be_replayed_too() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    world.write("web.yaml", world.deployment("acme/web:1.4.0"));
    world.tagboat(&["snapshot", "-o", "../tags.json"]).ended(0);
    let remote = world.repository("acme/web:1.4.0");
    world.registry.faults(|faults| faults.statuses = vec![(500, None); 9]);
    world.run_on(&remote, &["--snapshot", "../tags.json"]).ended(0);
    assert_eq!(remote.show("main", "dev/web.yaml"), world.deployment("acme/web:1.5.0").into_bytes());
}

#[test]
fn an_image_that_a_snapshot_lacks_is_skipped_with_the_reason() {
    let world = world();
    let none = world.beside("none.json", r#"{"images": {}}"#);
    let plan = world.tagboat(&["plan", "--output", "json", "--snapshot", &none]).ended(0).json();
    let rows = plan["skipped"].as_array().unwrap();
    let row = rows.iter().find(|row| row["what"] == format!("{}/acme/web", "127.0.0.1:50000")).unwrap();
    assert!(row["reason"].as_str().unwrap().contains("not in the snapshot"), "{row}");
}

#[test]
fn a_file_that_is_no_snapshot_is_refused_with_its_place() {
    let world = world();
    for text in ["", "oops", "[]", r#"{"images": {"a": {"tags": {"1": {"digest": "x"}}}}}"#, &"[".repeat(100_000)] {
        let file = world.beside("bad.json", text);
        let refused = world.tagboat(&["plan", "--snapshot", &file]).ended(2);
        assert!(refused.err.contains("bad.json") && refused.err.len() < 1000, "{refused:?}");
        assert_eq!(refused.out, "");
    }
    world.tagboat(&["plan", "--snapshot", "absent.json"]).ended(2);
}

#[test]
fn a_replay_tells_the_same_of_what_was_odd_missing_or_lost() {
    let world = World::new();
    let (host, rules) = (world.registry.host(), world.config());
    let followed = format!("images:\n  - match: {host}/acme/api\n    semver: minor\n    platforms: [linux/arm64]\n");
    world.write(".tagboat.yaml", rules.replace("images:\n", &followed));
    // A list that the registry does not sort, with what is no tag in it.
    for tag in ["1.5.0", "1.10.0", "1.4.0", "-wrong-", "1.9.0", "latest", "1.0.0", "0.9.0", "0.8.0"] {
        world.registry.list_tag("acme/web", tag);
    }
    world.write("dev/web.yaml", world.deployment("acme/web:1.4.0"));
    world.write("dev/gone.yaml", world.deployment("acme/gone:1.0.0"));
    world.registry.list_tag("acme/api", "1.0.0");
    // Listed, and without a manifest: what a decision asks about it fails.
    world.registry.list_tag("acme/api", "1.1.0");
    world.write("dev/api.yaml", world.deployment("acme/api:1.0.0"));
    world.tagboat(&["plan"]);
    for tag in ["1.4.0", "1.0.0", "0.9.0", "0.8.0", "latest"] {
        world.registry.delete("acme/web", tag);
    }
    world.tagboat(&["snapshot", "--out", "../tags.json"]).ended(3);
    for output in ["json", "text"] {
        let live = world.tagboat(&["plan", "--output", output]).ended(3);
        let replayed = world.tagboat(&["plan", "--output", output, "--snapshot", "../tags.json"]).ended(3);
        assert_eq!(replayed.out, live.out);
        for words in ["acme/gone", "acme/api:1.1.0", "-wrong-", "1.4.0"] {
            assert!(live.out.contains(words), "{words}: {live:?}");
        }
    }
}
