//! Manifests that nobody should write: each is passed over with a reason, and the rest of the work goes on.

use std::fs::File;

use serde_json::Value;

use crate::program::World;

/// A world with one good manifest, and the usual configuration.
fn world() -> World {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    world.write(".tagboat.yaml", world.config());
    world.write("dev/good.yaml", world.deployment("acme/web:1.4.0"));
    world
}

/// Updates, makes sure that the good manifest was, and returns the result.
#[track_caller]
fn update(world: &World, code: i32) -> Value {
    let ran = world.tagboat(&["update", "--output", "json"]).ended(code);
    assert_eq!(world.read("dev/good.yaml"), world.deployment("acme/web:1.5.0"), "the rest goes on: {ran:?}");
    ran.json()
}

/// Returns why `scan` passed a file over.
#[track_caller]
fn reason(world: &World, file: &str) -> String {
    let scan = world.tagboat(&["scan", "--output", "json"]).ended(0).json();
    let row = scan["passedOver"].as_array().unwrap().iter().find(|row| row["file"] == file);
    row.unwrap_or_else(|| panic!("{scan}"))["reason"].as_str().unwrap().to_owned()
}

#[test]
fn a_broken_file_is_an_error_row_with_its_place() {
    let world = world();
    let broken = world.deployment("acme/web:1.4.0") + "  : [\n";
    world.write("dev/broken.yaml", &broken);
    let done = update(&world, 3);
    let row = &done["errors"][0];
    crate::program::has_fields(row, "what file line column reason");
    assert_eq!(row["file"], "dev/broken.yaml");
    assert!(row["line"].as_u64().unwrap() >= 9, "{row}");
    assert_eq!(world.read("dev/broken.yaml"), broken);
    let checked = world.tagboat(&["check"]);
    assert!(checked.out.contains("dev/broken.yaml:"), "{checked:?}");
}

#[test]
fn a_file_of_200_megabytes_is_not_read() {
    let world = world();
    File::create(world.tree().join("dev/huge.yaml")).unwrap().set_len(200 << 20).unwrap();
    update(&world, 0);
    let reason = reason(&world, "dev/huge.yaml");
    assert!(reason.contains("bytes") || reason.contains("MiB"), "{reason}");
}

#[test]
fn nesting_ten_thousand_deep_is_refused() {
    let world = world();
    let image = format!("image: {}/acme/web:1.4.0\n", world.registry.host());
    world.write("dev/flow.yaml", format!("{image}a: {}{}\n", "[".repeat(10_000), "]".repeat(10_000)));
    let block: String = (0..10_000).map(|depth| format!("{}a:\n", " ".repeat(depth % 400))).collect();
    world.write("dev/block.yaml", format!("{image}{block}"));
    let braces = format!("{image}a: {}1{}\n", "{a: ".repeat(10_000), "}".repeat(10_000));
    world.write("dev/braces.yaml", braces);
    let done = update(&world, 0);
    let files: Vec<&str> =
        done["skipped"].as_array().unwrap().iter().map(|row| row["what"].as_str().unwrap()).collect();
    assert!(files.contains(&"dev/flow.yaml") && files.contains(&"dev/braces.yaml"), "{files:?}");
}

#[test]
fn a_bomb_of_aliases_does_not_go_off() {
    let world = world();
    let mut bomb = format!("image: {}/acme/web:1.4.0\na0: &a0 [x, x, x, x, x, x, x, x, x]\n", world.registry.host());
    for level in 1..12 {
        let last = format!("*a{}", level - 1);
        bomb += &format!("a{level}: &a{level} [{}]\n", vec![last; 9].join(", "));
    }
    world.write("dev/bomb.yaml", &bomb);
    let ran = world.tagboat(&["update", "--output", "json"]);
    assert!(ran.code == 0 || ran.code == 3, "{ran:?}");
    assert_eq!(world.read("dev/good.yaml"), world.deployment("acme/web:1.5.0"));
    let after = world.read("dev/bomb.yaml");
    assert!(after == bomb || after == bomb.replace("1.4.0", "1.5.0"), "{after}");
}

#[test]
fn files_encrypted_with_sops_are_never_edited() {
    let world = world();
    let secret = world.deployment("acme/web:1.4.0") + "sops:\n  mac: ENC[AES256_GCM,data:x]\n  version: 3.8.1\n";
    world.write("dev/secret.yaml", &secret);
    update(&world, 0);
    assert_eq!(world.read("dev/secret.yaml"), secret);
    assert_eq!(reason(&world, "dev/secret.yaml"), "encrypted with SOPS");
}

#[test]
fn bytes_that_are_no_text_are_passed_over() {
    let world = world();
    world.write("dev/latin.yaml", b"image: caf\xe9:1.0\n");
    world.write("dev/nul.yaml", b"image: a\0b:1.0\n");
    let done = world.tagboat(&["update", "--output", "json"]);
    assert_eq!(world.read("dev/good.yaml"), world.deployment("acme/web:1.5.0"), "{done:?}");
    assert!(reason(&world, "dev/latin.yaml").contains("UTF-8"));
    assert!(!reason(&world, "dev/nul.yaml").is_empty());
}

#[test]
fn control_characters_of_a_manifest_never_reach_the_terminal() {
    let world = world();
    world.write("dev/evil\u{1b}[2J.yaml", "image: \"ghcr.io/acme/web:\\e[2J1\"\nother: \"\\a\"\n");
    world.write("dev/bell.yaml", "image: \"ghcr.io/a\\u0007b:1.0\"\n");
    for command in ["scan", "check", "plan", "update"] {
        let ran = world.tagboat(&[command]);
        let clean = |text: &str| text.chars().all(|character| character == '\n' || !character.is_control());
        assert!(clean(&ran.out) && clean(&ran.err), "{command}: {ran:?}");
    }
}

#[test]
fn variables_and_templates_have_their_reason() {
    let world = world();
    let text = world.deployment("acme/web:${TAG}");
    world.write("dev/variable.yaml", &text);
    world.write("dev/template.yaml", "image: {{ .Values.image }}\n");
    update(&world, 0);
    assert_eq!(world.read("dev/variable.yaml"), text);
    let scan = world.tagboat(&["scan", "--output", "json"]).ended(0).json();
    let rows = scan["references"].as_array().unwrap();
    let row = rows.iter().find(|row| row["file"] == "dev/variable.yaml").unwrap();
    assert!(row["skipped"].as_str().unwrap().contains("variable"), "{row}");
    assert!(reason(&world, "dev/template.yaml").contains("template"));
}

#[test]
fn a_pipe_among_the_files_is_not_waited_for() {
    let world = world();
    make_pipe(&world.tree().join("dev/pipe.yaml"));
    update(&world, 0);
    assert_eq!(reason(&world, "dev/pipe.yaml"), "neither a file nor a folder");
}

#[expect(clippy::disallowed_methods, reason = "the standard library makes no named pipes")]
fn make_pipe(path: &std::path::Path) {
    assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
}
