//! What each command prints, as text and as JSON, and how it ends.

use insta::assert_snapshot;

use crate::documents::words as shell_words;
use crate::program::{Ran, World, deployment, has_fields};

const CONFIG: &str = "version: 1
images:
  - match: ghcr.io/acme/*
    semver: '>=1.4.0 <2.0.0'
environments:
  - name: dev
    files: [envs/dev/**]
    publish: commit
  - name: prod
    files: [envs/prod/**]
    after: dev
    publish: commit
";

const TAGS: &str = r#"{"images": {"ghcr.io/acme/web": {"tags": {
    "1.3.0": {}, "1.4.0": {}, "1.5.0": {}, "2.0.0": {}, "latest": {}}}}}"#;

/// Two environments on 1.4.0, and recorded tags up to 2.0.0.
fn world() -> World {
    let world = World::new();
    world.write(".tagboat.yaml", CONFIG);
    world.write("envs/dev/web.yaml", deployment("ghcr.io/acme/web:1.4.0"));
    world.write("envs/prod/web.yaml", deployment("ghcr.io/acme/web:1.4.0"));
    world.write("envs/dev/redis.yaml", deployment("redis:7"));
    world.beside("tags.json", TAGS);
    world
}

fn offline(world: &World, arguments: &[&str]) -> Ran {
    world.tagboat(&[arguments, &["--snapshot", "../tags.json"]].concat())
}

#[test]
fn scan_lists_what_it_found_and_who_follows_it() {
    let world = world();
    assert_snapshot!(offline(&world, &["scan"]).ended(0).out, @"
    envs/dev/web.yaml
      9  ghcr.io/acme/web  1.4.0
    envs/prod/web.yaml
      9  ghcr.io/acme/web  1.4.0

    Not followed
      envs/dev/redis.yaml:9 redis 7: no rule matches

    3 references in 3 files, 1 not followed, all by the policy `semver >=1.4.0
    <2.0.0`
    ");
    let found = world.tagboat(&["scan", "--output", "json"]).ended(0).json();
    has_fields(&found, "references passedOver errors");
    let row = &found["references"][1];
    has_fields(row, "file line column bytes format image tag digest environment policy skipped");
    assert_snapshot!(row, @r#"
    {"bytes":[159,164],"column":35,"digest":null,"environment":"dev","file":"envs/dev/web.yaml","format":"kubernetes","image":"ghcr.io/acme/web","line":9,"policy":"semver >=1.4.0 <2.0.0","skipped":null,"tag":"1.4.0"}
    "#);
    assert_eq!(found["references"][0]["skipped"], "no rule matches");
}

#[test]
fn places_count_from_1_columns_in_characters_and_bytes_are_the_files() {
    let world = world();
    let text = "\u{feff}größe: 日本\r\nmüll: {é: 1, image: \"ghcr.io/acme/web:1.4.0\"}\r\n";
    world.write("envs/dev/values.yaml", text);
    let found = world.tagboat(&["scan", "--output", "json"]).ended(0).json();
    let rows = found["references"].as_array().unwrap();
    let row = rows.iter().find(|row| row["file"] == "envs/dev/values.yaml").unwrap();
    let [from, to] = [0, 1].map(|index| usize::try_from(row["bytes"][index].as_u64().unwrap()).unwrap());
    assert_eq!(&text[from..to], "1.4.0");
    assert_eq!((&row["line"], &row["column"]), (&2.into(), &39.into()));
}

#[test]
fn scan_says_which_layer_of_kustomize_decides() {
    let world = World::new();
    world.write("base/kustomization.yaml", "images:\n  - {name: ghcr.io/acme/web, newTag: 1.4.0}\n  - {name: db}\n");
    let over =
        "resources: [../base]\nimages:\n  - {name: ghcr.io/acme/web, newTag: 1.5.0}\n  - {name: db, newTag: '1'}\n";
    world.write("prod/kustomization.yaml", over);
    // The second scan takes what it says from the cache.
    for _ in 0..2 {
        let scan = world.tagboat(&["scan", "--output", "json"]).ended(0).json();
        let notes: Vec<_> = scan["references"].as_array().unwrap().iter().map(|row| row.get("note").cloned()).collect();
        let note = |line: usize| Some(format!("prod/kustomization.yaml:{line} decides for it").into());
        assert_eq!(notes, [note(3), note(4), None, None]);
        let shown = world.tagboat(&["scan"]).ended(0).out;
        assert!(shown.contains("line 2: prod/kustomization.yaml:3 decides for it"), "{shown}");
        assert!(shown.contains("no tag is written; prod/kustomization.yaml:4"), "{shown}");
    }
}

#[test]
fn plan_names_the_uses_of_an_anchor_as_scan_does() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let text =
        format!("a:\n  image: &web {}/acme/web:1.4.0\nb:\n  image: *web\nc:\n  image: *web\n", world.registry.host());
    world.write("values.yaml", text);
    let told = "is used by aliases at line 4, 6 as well";
    for command in ["scan", "plan", "update"] {
        if command != "update" {
            let found = world.tagboat(&[command, "--output", "json"]).ended(0).json();
            let row = if command == "scan" { &found["references"][0] } else { &found["changes"][0] };
            assert_eq!(row["uses"], serde_json::json!([{"line": 4, "column": 10}, {"line": 6, "column": 10}]), "{row}");
        }
        let shown = world.tagboat(&[command]).ended(0).out;
        assert!(shown.contains(told), "{command}: {shown}");
    }
}

#[test]
fn links_within_the_repository_are_counted_and_no_loss() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    world.write("web.yaml", world.deployment("acme/web:1.4.0"));
    for name in ["a.yaml", "b.yaml", "c.yaml"] {
        std::os::unix::fs::symlink("web.yaml", world.tree().join(name)).unwrap();
    }
    let scan = world.tagboat(&["scan", "--output", "json"]).ended(0).json();
    assert_eq!(scan["passedOver"].as_array().unwrap().len(), 3, "{scan}");
    let shown = world.tagboat(&["scan"]).ended(0).out;
    assert!(shown.contains("3 files (a.yaml, b.yaml, …): a symbolic link within the repository"), "{shown}");
    let plan = world.tagboat(&["plan", "--output", "json"]).ended(0).json();
    assert_eq!(plan["skipped"], serde_json::json!([]), "{plan}");
}

#[test]
fn plan_groups_what_is_skipped_for_reasons_that_differ_in_a_name() {
    let world = World::with_web(&["1.4.0"]);
    let images: String = ["${ONE}", "${TWO}", "${THREE}", "WEB_IMAGE", "DB_IMAGE", "API_IMAGE"]
        .iter()
        .map(|image| format!("- image: {image}\n"))
        .collect();
    world.write(
        "web.yaml",
        format!("apiVersion: v1\nkind: Pod\nspec:\n  containers:\n{}", images.replace("- ", "  - ")),
    );
    let shown = world.tagboat(&["plan"]).ended(0).out;
    insta::assert_snapshot!(shown, @"
    Skipped
      3 targets (web.yaml:10:12 API_IMAGE, web.yaml:8:12 WEB_IMAGE, …): not an image
        reference: `…` has capital letters in its path, which the OCI distribution
        specification allows in no image name
      3 targets (web.yaml:5:12 ${ONE}, web.yaml:6:12 ${TWO}, …): holds a variable

    Nothing to do: no reference is followed (6 skipped).
    `tagboat scan` lists every reference, and why it is not followed.
    ");
    let all = world.tagboat(&["plan", "-v"]).ended(0).out;
    assert!(all.contains("holds the variable ${TWO}"), "{all}");
    let json = world.tagboat(&["plan", "--output", "json"]).ended(0).json();
    assert_eq!(json["skipped"].as_array().unwrap().len(), 6, "{json}");
}

#[test]
fn scan_names_files_passed_over_with_the_reason() {
    let world = world();
    world.write("envs/dev/secret.yaml", "image: ENC[AES256_GCM,data:x]\nsops:\n  mac: ENC[AES256_GCM]\n");
    let found = world.tagboat(&["scan", "--output", "json"]).ended(0).json();
    has_fields(&found["passedOver"][0], "file reason");
    assert_snapshot!(found["passedOver"][0], @r#"{"file":"envs/dev/secret.yaml","reason":"encrypted with SOPS"}"#);
}

#[test]
fn plan_shows_a_table_and_a_diff_and_changes_nothing() {
    let world = world();
    let before = crate::program::contents(&world.tree());
    assert_snapshot!(offline(&world, &["plan"]).ended(0).out, @"
    environment  image             from   to     step   where
    dev          ghcr.io/acme/web  1.4.0  1.5.0  minor  envs/dev/web.yaml:9

    --- a/envs/dev/web.yaml
    +++ b/envs/dev/web.yaml
    @@ -6,4 +6,4 @@
         spec:
           containers:
             - name: web
    -          image: ghcr.io/acme/web:1.4.0  # ours
    +          image: ghcr.io/acme/web:1.5.0  # ours

    Skipped
      envs/dev/redis.yaml:9:24 redis: no rule matches

    1 update in 1 file, 1 skipped.
    Run `tagboat update` to write them.
    ");
    assert_eq!(crate::program::contents(&world.tree()), before);
}

#[test]
fn plan_in_json_has_every_field_that_is_documented() {
    let world = world();
    let plan = offline(&world, &["plan", "--output", "json"]).ended(0).json();
    has_fields(&plan, "changes decisions proposals skipped errors");
    let change = &plan["changes"][0];
    has_fields(change, "file line column bytes replaces with environment group image from to step");
    has_fields(&change["from"], "tag digest");
    assert_snapshot!(change, @r#"
    {"bytes":[159,164],"column":35,"environment":"dev","file":"envs/dev/web.yaml","from":{"digest":null,"tag":"1.4.0"},"group":"ghcr.io-acme-web","image":"ghcr.io/acme/web","line":9,"replaces":"1.4.0","step":"minor","to":{"digest":null,"tag":"1.5.0"},"with":"1.5.0"}
    "#);
    has_fields(&plan["decisions"][0], "image environment current chosen rejected");
    has_fields(&plan["decisions"][0]["rejected"][0], "tag reason");
    has_fields(&plan["proposals"][0], "environment group publish branch url action reason gates");
    has_fields(&plan["skipped"][0], "what reason");
    assert_eq!(plan["errors"], serde_json::json!([]));
}

#[test]
fn plan_ends_with_10_when_asked_and_there_are_changes() {
    let world = world();
    offline(&world, &["plan", "--exit-code"]).ended(10);
    world.write("envs/dev/web.yaml", deployment("ghcr.io/acme/web:1.5.0"));
    world.write("envs/prod/web.yaml", deployment("ghcr.io/acme/web:1.5.0"));
    assert_snapshot!(offline(&world, &["plan", "--exit-code"]).ended(0).out, @"
    Skipped
      envs/dev/redis.yaml:9:24 redis: no rule matches

    Nothing to do: 2 references are at the newest version their policy allows (1
    skipped).
    ");
}

#[test]
fn plan_decides_as_of_another_moment_on_the_facts_of_now() {
    let world = world();
    let now = offline(&world, &["plan", "--output", "json"]).ended(0).out;
    for time in ["2020-01-01T00:00:00Z", "2030-01-01T00:00:00+05:00"] {
        assert_eq!(offline(&world, &["plan", "--output", "json", "--at", time]).ended(0).out, now);
        offline(&world, &["explain", "ghcr.io/acme/web", "--at", time]).ended(0);
    }
    let refused = offline(&world, &["plan", "--at", "yesterday"]).ended(2);
    assert!(refused.err.contains("--at <TIME>"), "{refused:?}");
    let refused = world.tagboat(&["run", "--at", "2026-11-20T10:00:00Z"]).ended(2);
    assert!(refused.err.contains("--dry-run"), "{refused:?}");
}

#[test]
fn explain_gives_every_tag_its_reason() {
    let world = world();
    let arguments = ["explain", "ghcr.io/acme/web", "--environment", "dev"];
    assert_snapshot!(offline(&world, &arguments).ended(0).out, @"
    ghcr.io/acme/web in dev
      policy: semver >=1.4.0 <2.0.0
      current: 1.4.0
      chosen: 1.5.0 (minor step)

      1.5.0: chosen, best that semver >=1.4.0 <2.0.0 allows
      1.4.0: in use
      2.0.0: out of range
      1.3.0: lower than in use
      latest: not a version
    ");
    let found = offline(&world, &[&arguments[..], &["--output", "json"]].concat()).ended(0).json();
    has_fields(&found, "explanations asked errors");
    let explanation = &found["explanations"][0];
    has_fields(
        explanation,
        "image environment places current chosen candidates gates next action reason earliest watch",
    );
    let row = |index: usize| explanation["candidates"][index].to_string();
    assert_eq!(row(0), r#"{"reason":"lower than in use","state":"rejected","tag":"1.3.0"}"#);
    assert_eq!(row(1), r#"{"reason":"in use","state":"current","tag":"1.4.0"}"#);
    assert!(row(2).contains(r#""state":"chosen","tag":"1.5.0""#), "{}", row(2));
}

#[test]
fn explain_of_what_nobody_follows_is_a_usage_error_with_a_hint() {
    let world = world();
    assert_snapshot!(offline(&world, &["explain", "redis"]).ended(2).err, @"
    error: docker.io/library/redis is not followed in any environment
    hint: `tagboat scan` lists every reference, and why some are not followed
    ");
    // The end of a name is enough where one image alone has it.
    for short in ["web", "acme/web"] {
        let found = offline(&world, &["explain", short]).ended(0);
        assert!(found.out.starts_with("ghcr.io/acme/web in dev\n"), "{found:?}");
        assert_eq!(found.err, format!("note: {short} is ghcr.io/acme/web here\n"));
    }
    world.write("envs/dev/other.yaml", deployment("ghcr.io/else/web:1.4.0"));
    assert_snapshot!(offline(&world, &["explain", "web"]).ended(2).err, @"error: `web` may be ghcr.io/acme/web or ghcr.io/else/web: write more of the name");
    assert_snapshot!(offline(&world, &["explain", "ghcr.io/acme/web", "-e", "test"]).ended(2).err, @"
    error: there is no environment `test`
    hint: there are: dev, prod
    ");
    assert_snapshot!(offline(&world, &["explain", "ghcr.io/Acme/web"]).ended(2).err, @"error: `ghcr.io/Acme/web` has capital letters in its path, which the OCI distribution specification allows in no image name");
}

#[test]
fn check_finds_rules_and_environments_without_effect() {
    let world = world();
    assert_snapshot!(world.tagboat(&["check"]).ended(0).out, @"
    envs/dev/redis.yaml:9:24: note[no-rule]: redis: no rule matches
      hint: add a rule to `images:` to follow it

    1 note
    ");
    world.write("envs/dev/redis.yaml", deployment("ghcr.io/acme/web:1.4.0"));
    world.write(
        ".tagboat.yaml",
        CONFIG.replace("environments:", "  - match: quay.io/*/*\n    semver: minor\nenvironments:"),
    );
    let checked = world.tagboat(&["check", "--output", "json"]).ended(0).json();
    has_fields(&checked, "findings");
    has_fields(&checked["findings"][0], "severity rule message hint file line column");
    assert_snapshot!(checked["findings"][0], @r#"
    {"column":5,"file":".tagboat.yaml","hint":"`tagboat scan` lists the images; names are matched in full, such as docker.io/library/nginx","line":5,"message":"the rule for `quay.io/*/*` matches no image of this repository","rule":"unmatched-rule","severity":"warning"}
    "#);
}

#[test]
fn check_tells_of_a_group_of_which_each_image_is_of_one_before() {
    let world = world();
    let groups = "groups:\n  - {name: all, images: [ghcr.io/acme/*]}\n  - {name: shop, images: [ghcr.io/acme/web]}\n  \
                  - {name: other, images: [ghcr.io/other/*]}\nenvironments:";
    world.write(".tagboat.yaml", CONFIG.replace("environments:", groups));
    let checked = world.tagboat(&["check", "--output", "json"]).ended(0).json();
    let findings = checked["findings"].as_array().unwrap();
    let messages: Vec<_> =
        findings.iter().filter(|one| one["rule"] == "unmatched-group").map(|one| one["message"].clone()).collect();
    assert_eq!(messages, ["every image of the group `shop` is taken by a group before it"], "{checked}");
}

#[test]
fn schema_prints_the_schemas_that_are_kept() {
    let world = World::new();
    assert_eq!(
        world.tagboat(&["schema", "repository"]).ended(0).out,
        include_str!("../../../config/tagboat.schema.json")
    );
    assert_eq!(world.tagboat(&["schema", "service"]).ended(0).out, include_str!("../../../config/service.schema.json"));
    world.tagboat(&["schema", "other"]).ended(2);
}

#[test]
fn completions_exist_for_the_common_shells() {
    let world = World::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = world.tagboat(&["completions", shell]).ended(0).out;
        assert!(script.contains("tagboat") && script.contains("snapshot"), "{shell}");
    }
}

#[test]
fn every_help_text_shows_an_example() {
    let world = World::new();
    let general = world.tagboat(&["--help"]).ended(0);
    assert!(general.out.contains("tagboat demo") && general.out.contains("Exit codes:"), "{general:?}");
    let listed = general.out.split_once("Commands:\n").unwrap().1.split("\n\n").next().unwrap();
    let commands: Vec<&str> = listed
        .lines()
        .filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with(' '))?.split_whitespace().next())
        .collect();
    assert!(commands.len() > 15 && commands.contains(&"explain"), "{commands:?}");
    world.tagboat(&["manual", "../man"]).ended(0);
    for command in commands.into_iter().filter(|command| *command != "help") {
        let help = world.tagboat(&[command, "--help"]).ended(0).out;
        let (_, after) = help.split_once("\nExample").unwrap_or_else(|| panic!("{command}: {help}"));
        let examples: Vec<&str> = after.lines().filter_map(|line| line.strip_prefix("  tagboat ")).collect();
        let shown = |example: &&str| example.split_whitespace().next() == Some(command);
        assert!(examples.iter().any(shown), "{command}: {help}");
        let page = std::fs::read_to_string(world.tree().join(format!("../man/tagboat-{command}.1"))).unwrap();
        for example in examples {
            // What stands behind several blanks is a comment; behind a sign of the shell, another command.
            let end = ["  ", " > ", " && "].iter().filter_map(|sign| example.find(sign)).min();
            let words = shell_words(&example[..end.unwrap_or(example.len())]);
            let words: Vec<&str> = words.iter().map(String::as_str).chain(["--help"]).collect();
            world.tagboat(&words).ended(0);
            let first = example.split_whitespace().next().unwrap();
            assert!(page.contains(&format!("tagboat {first}")), "{command}: {page}");
        }
    }
}

#[test]
fn each_exit_code_says_how_it_went() {
    let world = world();
    offline(&world, &["scan"]).ended(0);
    offline(&world, &["scan", "absent"]).ended(1);
    world.tagboat(&["row"]).ended(2);
    world.tagboat(&[]).ended(2);
    offline(&world, &["plan", "--exit-code"]).ended(10);
    world.write("envs/dev/broken.yaml", "image: ghcr.io/acme/web:1.4.0\n: [\n");
    offline(&world, &["plan", "--exit-code"]).ended(3);
}

#[test]
fn a_promotion_of_an_image_that_cannot_be_asked_for_names_it_once() {
    let world = World::new();
    let nobody = "127.0.0.1:1";
    let web = deployment(&format!("{nobody}/acme/web:1.4.0"));
    let config = super::config(nobody);
    let bare = world.scratch.bare("manifests.git", &[(".tagboat.yaml", &config), ("dev/web.yaml", &web)]);
    let (folder, version) = (bare.folder.display().to_string(), format!("{nobody}/acme/web:1.5.0"));
    let order = ["promote", &version, "--to", "dev", "--reason", "now", "--repo", &folder, "--branch", "main"];
    let told = world.tagboat(&order).ended(1);
    assert!(told.err.contains("no connection to 127.0.0.1:1"), "{told:?}");
    assert_eq!(told.err.matches("/acme/web").count(), 1, "{told:?}");
}

#[test]
fn a_service_without_its_file_says_what_to_write() {
    let world = World::new();
    let told = world.tagboat(&["serve", "--config", "none.yaml"]).ended(2);
    assert!(told.err.contains("none.yaml") && told.err.contains("hint: write one: `version: 1`"), "{told:?}");
}

#[test]
fn an_image_to_look_at_may_come_with_a_tag_or_a_digest() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let image = format!("{}/acme/web", world.registry.host());
    let bare = world.repository("acme/web:1.4.0");
    for version in ["", ":9.9.9", "@sha256:12", ":9.9.9@sha256:12"] {
        let ran = world.run_on(&bare, &["--dry-run", "--image", &format!("{image}{version}")]).ended(0);
        assert!(ran.out.contains("1.5.0") && !ran.out.contains("9.9.9"), "{version}: {ran:?}");
    }
    let none = world.run_on(&bare, &["--image", "No Name:1"]).ended(2);
    assert!(none.err.contains("is not an image name"), "{none:?}");
}
