//! Faults of configuration files: all at once, each with its place, and exit code 2.

use insta::assert_snapshot;

use crate::program::{World, has_fields};

const FAULTY: &str = "version: 1
images:
  - match: ghcr.io/acme/*
    semvr: minor
    semver: '>=1.4.0 <oops'
environments:
  - name: dev
    files: [dev/**]
    after: staging
";

fn world() -> World {
    let world = World::new();
    world.write(".tagboat.yaml", FAULTY);
    world
}

#[test]
fn every_fault_is_told_at_once_with_its_source_line() {
    let world = world();
    let ran = world.tagboat(&["plan"]).ended(2);
    assert_snapshot!(ran.err, @"
    error: unknown key `semvr` in a rule of `images`
       --> .tagboat.yaml:4:5
      |
    4 |     semvr: minor
      |     ^^^^^
      |
      = help: did you mean `semver`?

    error: `>=1.4.0 <oops` is not a version range: expected a version at character 10, found `oops`; or one of patch, minor, major
       --> .tagboat.yaml:5:13
      |
    5 |     semver: '>=1.4.0 <oops'
      |             ^^^^^^^^^^^^^^^

    error: no environment is named `staging`
       --> .tagboat.yaml:9:12
      |
    9 |     after: staging
      |            ^^^^^^^
    ");
    assert_eq!(ran.out, "");
    assert!(ran.err.ends_with('\n'));
}

#[test]
fn every_command_that_reads_it_ends_with_2() {
    let world = world();
    for command in [&["scan"][..], &["plan"], &["update"], &["explain", "nginx"], &["snapshot"]] {
        let ran = world.tagboat(command).ended(2);
        assert!(ran.err.contains("did you mean `semver`?") && ran.out.is_empty(), "{ran:?}");
    }
    let remote = world.scratch.bare("faulty.git", &[(".tagboat.yaml", FAULTY)]);
    let ran = world.run_on(&remote, &[]).ended(2);
    assert!(ran.err.contains(".tagboat.yaml:4:5"), "{ran:?}");
}

#[test]
fn check_tells_them_as_findings() {
    let world = world();
    assert_snapshot!(world.tagboat(&["check"]).ended(2).out, @"
    error: unknown key `semvr` in a rule of `images`
       --> .tagboat.yaml:4:5
      |
    4 |     semvr: minor
      |     ^^^^^
      |
      = help: did you mean `semver`?

    error: `>=1.4.0 <oops` is not a version range: expected a version at character 10, found `oops`; or one of patch, minor, major
       --> .tagboat.yaml:5:13
      |
    5 |     semver: '>=1.4.0 <oops'
      |             ^^^^^^^^^^^^^^^

    error: no environment is named `staging`
       --> .tagboat.yaml:9:12
      |
    9 |     after: staging
      |            ^^^^^^^
    ");
    let found = world.tagboat(&["check", "--output", "json"]).ended(2).json();
    for finding in found["findings"].as_array().unwrap() {
        has_fields(finding, "severity rule message hint file line column");
        assert_eq!((&finding["severity"], &finding["file"]), (&"error".into(), &".tagboat.yaml".into()));
    }
}

#[test]
fn check_finds_faulty_markers_where_they_stand() {
    let world = World::new();
    world.write(".tagboat.yaml", world.config());
    world.write("dev/web.yaml", world.deployment("acme/web:1.4.0").replace("# ours", "# tagboat: semver=>>1"));
    let ran = world.tagboat(&["check"]).ended(2);
    assert_snapshot!(ran.out, @"
    dev/web.yaml:9:43: error[faulty-marker]: 127.0.0.1:50000/acme/web: the marker
      beside it is faulty: semver: `>>1` is not a version range: expected a version
      at character 2, found `>1`; or one of patch, minor, major

    1 error
    ");
}

#[test]
fn the_operator_s_file_is_checked_the_same_way() {
    let world = World::new();
    let service = world.beside("service.yaml", "version: 1\nregistires: []\nlimits: {maxTags: lots}\n");
    let ran = world.tagboat(&["plan", "--service", &service]).ended(2);
    let told = ran.err.replace(&service, "service.yaml");
    assert_snapshot!(told, @"
    error: unknown key `registires` in the service's configuration
       --> service.yaml:2:1
      |
    2 | registires: []
      | ^^^^^^^^^^
      |
      = help: did you mean `registries`?

    error: expected a whole number from 1 to 100000000, found the text `lots`
       --> service.yaml:3:19
      |
    3 | limits: {maxTags: lots}
      |                   ^^^^
    ");
}

#[test]
fn a_secret_written_into_a_file_is_never_repeated() {
    let world = World::new();
    let service =
        world.beside("service.yaml", "version: 1\nregistries: [{host: ghcr.io, auth: {password: hunter2}}]\n");
    let ran = world.tagboat(&["plan", "--service", &service]).ended(2);
    assert!(!ran.err.contains("hunter2"), "{ran:?}");
}

#[test]
fn a_file_that_is_named_must_exist() {
    let world = World::new();
    for option in ["--config", "--service"] {
        let ran = world.tagboat(&["plan", option, "absent.yaml"]);
        assert!(ran.code == 1 || ran.code == 2, "{ran:?}");
        assert!(ran.err.contains("absent.yaml"), "{ran:?}");
    }
}

#[test]
fn without_a_file_every_reference_is_followed_within_its_major_version() {
    let world = World::with_web(&["1.4.0", "1.5.0", "2.0.0"]);
    world.write("web.yaml", world.deployment("acme/web:1.4.0"));
    let scan = world.tagboat(&["scan", "--output", "json"]).ended(0).json();
    assert_eq!(scan["references"][0]["policy"], "semver minor");
    assert_eq!(scan["references"][0]["environment"], "default");
    let plan = world.tagboat(&["plan", "--output", "json"]).ended(0).json();
    assert_eq!(plan["changes"][0]["with"], "1.5.0");
}

#[test]
fn a_configuration_that_is_a_link_is_not_followed() {
    use std::os::unix::fs::symlink;
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let link = world.tree().join(".tagboat.yaml");
    let outside = world.beside("secret", "top secret\n");
    world.write("shared/config.yaml", world.config());
    for target in [outside.as_str(), "absent.yaml", "shared/config.yaml", ".", "/dev/zero"] {
        symlink(target, &link).unwrap();
        let ran = world.tagboat(&["plan"]).ended(2);
        assert!(ran.err.contains("it is a symbolic link") && !ran.err.contains("top secret"), "{ran:?}");
        std::fs::remove_file(&link).unwrap();
    }
    std::fs::create_dir(&link).unwrap();
    assert!(world.tagboat(&["plan"]).ended(2).err.contains("it is no regular file"));
}

#[test]
fn a_configuration_beyond_all_bounds_is_refused() {
    let world = World::new();
    world.write(".tagboat.yaml", format!("version: 1\nimages: {}", "[".repeat(100_000)));
    let ran = world.tagboat(&["plan"]).ended(2);
    assert!(ran.err.contains("nest deeper than 64 levels") && ran.err.len() < 1000, "{ran:?}");
    std::fs::File::create(world.tree().join(".tagboat.yaml")).unwrap().set_len(200 << 20).unwrap();
    let ran = world.tagboat(&["plan"]).ended(2);
    assert!(ran.err.contains("more than 1048576 bytes"), "{ran:?}");
}
