//! A second call over unchanged files parses nothing; only what is edited is read once more.

use crate::program::{Ran, World};

/// Returns how many files were parsed and how many were known, as `-v` tells it.
#[track_caller]
fn effort(ran: &Ran) -> (usize, usize) {
    let line = ran.err.lines().find(|line| line.contains("scanned")).unwrap_or_else(|| panic!("{ran:?}"));
    let field = |name: &str| -> usize {
        let value = line.split(&format!("{name}=")).nth(1).unwrap_or_else(|| panic!("{line}"));
        value.split_whitespace().next().unwrap().parse().unwrap()
    };
    (field("parsed"), field("known"))
}

fn world() -> World {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    world.write(".tagboat.yaml", world.config());
    for name in ["web", "api", "jobs"] {
        world.write(
            &format!("dev/{name}.yaml"),
            world.deployment("acme/web:1.4.0").replace("web\n", &format!("{name}\n")),
        );
    }
    world
}

#[test]
fn a_second_plan_parses_nothing_and_says_the_same() {
    let world = world();
    let first = world.tagboat(&["plan", "-v"]).ended(0);
    // The configuration names images, too.
    assert_eq!(effort(&first), (4, 0));
    let second = world.tagboat(&["plan", "-v"]).ended(0);
    assert_eq!(effort(&second), (0, 4));
    assert_eq!(first.out, second.out);
    assert_eq!(effort(&world.tagboat(&["scan", "-v"]).ended(0)), (0, 4), "every command shares the file");
    world.write("dev/api.yaml", world.deployment("acme/web:1.5.0"));
    assert_eq!(effort(&world.tagboat(&["plan", "-v"]).ended(0)), (1, 3));
}

#[test]
fn an_update_edits_what_it_did_not_parse_and_is_read_anew() {
    let world = world();
    world.tagboat(&["plan"]).ended(0);
    let updated = world.tagboat(&["update", "-v"]).ended(0);
    assert_eq!(effort(&updated), (0, 4));
    for name in ["web", "api", "jobs"] {
        let expected = world.deployment("acme/web:1.5.0").replace("web\n", &format!("{name}\n"));
        assert_eq!(world.read(&format!("dev/{name}.yaml")), expected);
    }
    assert_eq!(effort(&world.tagboat(&["update", "-v"]).ended(0)), (3, 1));
    assert_eq!(effort(&world.tagboat(&["update", "-v"]).ended(0)), (0, 4));
}

#[test]
fn a_second_run_parses_the_files_of_the_first_ones_commit_alone() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let remote = world.repository("acme/web:1.4.0");
    let first = world.run_on(&remote, &["-v"]).ended(0);
    assert_eq!(effort(&first), (2, 0));
    assert_eq!(effort(&world.run_on(&remote, &["-v"]).ended(0)), (1, 1));
    assert_eq!(effort(&world.run_on(&remote, &["-v"]).ended(0)), (0, 2));
    let tip = remote.tip("main");
    std::fs::remove_dir_all(world.scratch.path("cache").join("tagboat")).unwrap();
    assert_eq!(effort(&world.run_on(&remote, &["-v"]).ended(0)), (2, 0), "without the cache everything is found again");
    assert_eq!(remote.tip("main"), tip);
}
