//! The two streams: results on standard output, the rest on standard error; colour, width, closed pipes.

#![expect(clippy::disallowed_methods, reason = "a pipe that is closed early needs a child of the test's own")]

use std::process::{Command, Stdio};

use crate::program::{World, deployment};

const ESCAPE: char = '\u{1b}';

/// A world with one update, from recorded tags.
fn world() -> World {
    let world = World::new();
    world.write("web.yaml", deployment("ghcr.io/acme/web:1.4.0"));
    world.beside("tags.json", r#"{"images": {"ghcr.io/acme/web": {"tags": {"1.4.0": {}, "1.5.0": {}}}}}"#);
    world
}

const PLAN: [&str; 3] = ["plan", "--snapshot", "../tags.json"];

#[test]
fn colour_is_for_terminals_unless_it_is_asked_for() {
    let world = world();
    let plain = world.tagboat(&PLAN).ended(0);
    assert!(!plain.out.contains(ESCAPE) && plain.err.is_empty(), "{plain:?}");
    let always = |no_color: &str| {
        let mut command = world.command(&[&PLAN[..], &["--color", "always"]].concat());
        world.finish(command.env("NO_COLOR", no_color)).ended(0)
    };
    assert!(always("").out.contains("\u{1b}["));
    assert!(always("1").out.contains("\u{1b}["), "what is asked for outweighs the variable");
    let never = world.tagboat(&[&PLAN[..], &["--color", "never"]].concat()).ended(0);
    assert_eq!(never.out, plain.out);
    world.tagboat(&["plan", "--color", "sometimes"]).ended(2);
}

#[test]
fn errors_have_no_colour_without_a_terminal() {
    let world = world();
    world.write(".tagboat.yaml", "version: 2\n");
    assert!(!world.tagboat(&["plan"]).ended(2).err.contains(ESCAPE));
    assert!(world.tagboat(&["plan", "--color", "always"]).ended(2).err.contains(ESCAPE));
    assert!(!world.tagboat(&["row"]).ended(2).err.contains(ESCAPE));
}

#[test]
fn results_go_to_standard_output_and_everything_else_to_standard_error() {
    let world = world();
    let failed = world.tagboat(&["plan", "absent"]).ended(1);
    assert!(failed.out.is_empty() && failed.err.starts_with("error: "), "{failed:?}");
    let usage = world.tagboat(&["plan", "--what"]).ended(2);
    assert!(usage.out.is_empty() && !usage.err.is_empty(), "{usage:?}");
    for output in ["text", "json"] {
        let loud = world.tagboat(&[&PLAN[..], &["--output", output, "-vv"]].concat()).ended(0);
        let calm = world.tagboat(&[&PLAN[..], &["--output", output, "-v"]].concat()).ended(0);
        assert_eq!(loud.out, calm.out, "logs are no results");
    }
    let quiet = world.tagboat(&[&PLAN[..], &["--quiet"]].concat()).ended(0);
    assert!(quiet.err.is_empty() && quiet.out.contains("1.5.0"), "{quiet:?}");
}

#[test]
fn logs_say_more_the_more_is_asked_for() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    world.write("web.yaml", world.deployment("acme/web:1.4.0"));
    let told = |flags: &[&str]| world.tagboat(&[&["plan"], flags].concat()).ended(0).err;
    assert_eq!(told(&[]), "");
    let (once, twice) = (told(&["-v"]), told(&["-vv"]));
    assert!(once.lines().count() <= twice.lines().count());
    assert!(twice.contains("/v2/acme/web/tags/list"), "{twice}");
    for line in told(&["-vv", "--log-format", "json"]).lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(event["level"].is_string() && event["message"].is_string(), "{line}");
    }
}

#[test]
fn no_progress_is_shown_without_a_terminal() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    world.write("web.yaml", world.deployment("acme/web:1.4.0"));
    // Longer than the patience after which a terminal gets a bar.
    world.registry.faults(|faults| faults.statuses = vec![(503, Some("1".to_owned())), (503, Some("1".to_owned()))]);
    let ran = world.tagboat(&["plan"]).ended(0);
    assert_eq!(ran.err, "");
}

#[test]
fn text_fits_80_columns() {
    let world = World::new();
    let long = "ghcr.io/acme-with-a-long-name/platform/team-of-many-people/backend-for-frontend/web";
    let folder = "environments/production-europe-west/namespaces/customer-facing/applications";
    world.write(&format!("{folder}/deployment-of-the-web.yaml"), deployment(&format!("{long}:1.4.0-build.20261101")));
    world.write(&format!("{folder}/broken.yaml"), "a: [\n");
    world.write(&format!("{folder}/other.yaml"), deployment("ghcr.io/acme/größe:1"));
    let tags = format!(
        r#"{{"images": {{"{long}": {{"tags": {{"1.4.0-build.20261101": {{}}, "1.5.0-build.20261102": {{}}, "2.0.0": {{}}}}}}}}}}"#
    );
    world.beside("tags.json", &tags);
    for command in [&["scan"][..], &["check"], &["plan"], &["explain", long], &["update"]] {
        let ran = world.tagboat(&[command, &["--snapshot", "../tags.json"]].concat());
        // Lines of a diff are the file's own.
        let is_own = |line: &&str| !line.starts_with(['+', '-', ' ']) || line.trim_start().len() + 8 < line.len();
        for line in ran.out.lines().filter(is_own) {
            assert!(line.chars().count() <= 80, "{command:?}: {line}");
        }
        assert!(!ran.out.is_empty());
    }
}

#[test]
fn a_reader_who_goes_away_is_no_error() {
    let world = World::new();
    // More than one buffer holds, so that writing goes on after the first failure.
    let many: String = (0..3000).map(|number| format!("a{number}: {{image: ghcr.io/acme/web:1.4.0}}\n")).collect();
    world.write("values.yaml", many);
    let scans = [&["scan"][..], &["scan", "--output", "json"], &["scan", "--color", "always"]];
    let others =
        [&["--help"][..], &["--version"], &["plan", "--help"], &["schema", "service"], &["completions", "zsh"]];
    for command in scans.into_iter().chain(others).chain([&["demo"][..]]) {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = Command::new(env!("CARGO_BIN_EXE_tagboat"))
            .args(command)
            .current_dir(world.tree())
            .env_clear()
            .envs(world.variables())
            .stdin(Stdio::null())
            .stdout(writer)
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{command:?}: {output:?}");
        assert_eq!(output.stderr, b"", "{command:?}");
    }
}
