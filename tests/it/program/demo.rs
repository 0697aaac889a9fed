//! The demo, as a newcomer starts it.

use crate::program::World;

#[test]
fn shows_the_main_job_and_leaves_nothing_behind() {
    let world = World::new();
    let (temporary, home) = (world.scratch.path("tmp"), world.scratch.path("home"));
    std::fs::create_dir(&temporary).unwrap();
    std::fs::create_dir(&home).unwrap();
    let ran = world.finish(world.command(&["demo"]).env("TMPDIR", &temporary).env_remove("XDG_CACHE_HOME")).ended(0);
    assert_eq!(ran.err, "");
    let told = ran.out.split_whitespace().collect::<Vec<_>>().join(" ");
    for words in [
        "dev: update 2 images",
        "staging: update 2 images",
        "prod: update 2 images",
        "Tagboat-Environment: prod",
        "30 min of 30 min to go in dev",
        "outside of the windows; the next opens Mon",
        "deploy/staging has not reported on commit",
        "staging: roll web back to 1.5.0",
        "Tagboat-Failed: deploy/staging: failure on commit",
        "1.6.0 is held: Tagboat holds it in staging",
        "staging: update web to 1.6.1",
        "prod: update web to 1.6.1",
    ] {
        assert!(told.contains(words), "{words}: {ran:?}");
    }
    assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 0);
    assert_eq!(std::fs::read_dir(&home).unwrap().count(), 0);
    assert_eq!(std::fs::read_dir(world.tree()).unwrap().count(), 0);
    for line in ran.out.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
}

#[test]
fn refuses_json_which_the_demo_does_not_have() {
    let world = World::new();
    let ran = world.finish(&mut world.command(&["demo", "--output", "json"])).ended(2);
    assert_eq!(ran.out, "");
    assert!(ran.err.contains("no JSON"), "{ran:?}");
}
