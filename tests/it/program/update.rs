//! `update`: the working tree, and nothing else.

use std::os::unix::fs::{PermissionsExt as _, symlink};

use insta::assert_snapshot;

use crate::program::{World, contents, deployment, has_fields};

#[test]
fn writes_the_new_tag_and_no_other_byte() {
    let world = World::with_web(&["1.4.0", "1.5.0", "2.0.0"]);
    let host = world.registry.host();
    let odd = |tag: &str| {
        format!(
            "\u{feff}# é\r\nimage:   \"{host}/acme/web:{tag}\"   # \t kept\r\n\r\nother: [ 1,2 ]\r\nlast: {{repository: {host}/acme/web, tag: '{tag}'}}"
        )
    };
    world.write("values.yaml", odd("1.4.0"));
    assert_snapshot!(world.tagboat(&["update"]).ended(0).out, @"
    image                     from   to     step   where
    127.0.0.1:50000/acme/web  1.4.0  1.5.0  minor  values.yaml (2 places)

    Wrote 1 update to 1 file.
    Look at them with `git diff`, then commit.
    ");
    assert_eq!(world.read("values.yaml"), odd("1.5.0"));
}

#[test]
fn speaks_of_no_pull_request() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    world.write("web.yaml", world.deployment("acme/web:1.4.0"));
    let config = "version: 1\nimages: [{match: '**', semver: minor}]\nenvironments: [{name: dev, files: ['*.yaml'], publish: pullRequest}]\n";
    world.write(".tagboat.yaml", config);
    assert!(world.tagboat(&["plan"]).ended(0).out.contains("Pull requests"));
    let out = world.tagboat(&["update"]).ended(0).out;
    assert!(out.contains("Wrote 1 update") && !out.contains("Pull requests"), "{out}");
}

#[test]
fn a_second_update_changes_nothing() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    world.write("web.yaml", world.deployment("acme/web:1.4.0"));
    let first = world.tagboat(&["update", "--output", "json"]).ended(0).json();
    has_fields(&first, "changes decisions proposals skipped errors");
    assert_eq!(first["changes"].as_array().unwrap().len(), 1);
    let after = contents(&world.tree());
    let second = world.tagboat(&["update", "--output", "json"]).ended(0).json();
    assert_eq!(second["changes"], serde_json::json!([]));
    assert_eq!(contents(&world.tree()), after);
    let counts = world.registry.requests();
    assert_eq!((counts.tags, counts.heads, counts.manifests), (2, 0, 0), "one list each time");
}

#[test]
fn keeps_the_mode_of_each_file() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    for mode in [0o600, 0o644, 0o755] {
        let name = format!("web-{mode:o}.yaml");
        world.write(&name, world.deployment("acme/web:1.4.0"));
        std::fs::set_permissions(world.tree().join(&name), std::fs::Permissions::from_mode(mode)).unwrap();
    }
    world.tagboat(&["update"]).ended(0);
    for mode in [0o600, 0o644, 0o755] {
        let path = world.tree().join(format!("web-{mode:o}.yaml"));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777, mode);
        assert_eq!(std::fs::read_to_string(path).unwrap(), world.deployment("acme/web:1.5.0"));
    }
}

#[test]
fn finds_its_files_whatever_they_are_called() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let names = ["my envs/größe dev/日本.yaml", "a'b/\"c\".yml", "-x.yaml", ".hidden/web.yaml"];
    names.iter().for_each(|name| world.write(name, world.deployment("acme/web:1.4.0")));
    let done = world.tagboat(&["update", "--output", "json"]).ended(0).json();
    assert_eq!(done["changes"].as_array().unwrap().len(), names.len());
    names.iter().for_each(|name| assert_eq!(world.read(name), world.deployment("acme/web:1.5.0"), "{name}"));
}

#[test]
fn leaves_alone_what_git_ignores_and_what_links_point_to() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let old = world.deployment("acme/web:1.4.0");
    world.write(".gitignore", "build/\n*.gen.yaml\n!kept.gen.yaml\n");
    ["build/web.yaml", "web.gen.yaml"].into_iter().for_each(|name| world.write(name, &old));
    world.write("kept.gen.yaml", &old);
    let outside = world.beside("outside.yaml", &old);
    symlink(&outside, world.tree().join("link.yaml")).unwrap();
    symlink(world.scratch.path(""), world.tree().join("up")).unwrap();
    symlink("absent.yaml", world.tree().join("dangling.yaml")).unwrap();
    let done = world.tagboat(&["update", "--output", "json"]).ended(0).json();
    let files: Vec<&str> =
        done["changes"].as_array().unwrap().iter().map(|row| row["file"].as_str().unwrap()).collect();
    assert_eq!(files, ["kept.gen.yaml"]);
    assert_eq!(std::fs::read_to_string(outside).unwrap(), old);
    assert_eq!(world.read("build/web.yaml"), old);
    let scan = world.tagboat(&["scan", "--output", "json"]).ended(0).json();
    assert_snapshot!(scan["passedOver"], @r#"
    [{"file":"dangling.yaml","reason":"a symbolic link that leads nowhere: No such file or directory (os error 2)"},{"file":"link.yaml","reason":"a symbolic link out of the folder"},{"file":"up","reason":"a symbolic link out of the folder"}]
    "#);
}

#[test]
fn works_on_the_folder_that_is_named() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    world.write("one/web.yaml", world.deployment("acme/web:1.4.0"));
    world.write("two/web.yaml", world.deployment("acme/web:1.4.0"));
    world.tagboat(&["update", "one"]).ended(0);
    assert_eq!(world.read("one/web.yaml"), world.deployment("acme/web:1.5.0"));
    assert_eq!(world.read("two/web.yaml"), world.deployment("acme/web:1.4.0"));
}

#[test]
fn a_file_that_cannot_be_written_is_a_row_and_the_rest_is_written() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    world.write("web.yaml", world.deployment("acme/web:1.4.0"));
    world.write("sops.yaml", format!("{}\nsops: {{mac: x, version: 3.8.1}}\n", deployment("redis:7")));
    let done = world.tagboat(&["update", "--output", "json"]).ended(0).json();
    assert_eq!(done["changes"].as_array().unwrap().len(), 1);
    assert_eq!(world.read("web.yaml"), world.deployment("acme/web:1.5.0"));
}
