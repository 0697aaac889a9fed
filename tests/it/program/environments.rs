//! Several environments: each by its own policy, one after the other.

use crate::program::{World, commits};
use crate::support::repository::Repository;

/// Three environments with the same image; `rules` and `environments` are YAML.
fn repository(world: &World, config: &str) -> Repository {
    let web = world.deployment("acme/web:1.4.0");
    let files = [("dev/web.yaml", web.as_str()), ("staging/web.yaml", &web), ("prod/web.yaml", &web)];
    let config = config.replace("HOST", &world.registry.host());
    world.scratch.bare("manifests.git", &[&[(".tagboat.yaml", config.as_str())], &files[..]].concat())
}

fn runs(remote: &Repository, environment: &str) -> String {
    let text = String::from_utf8(remote.show("main", &format!("{environment}/web.yaml"))).unwrap();
    let (_, rest) = text.split_once("acme/web:").unwrap();
    rest.split_whitespace().next().unwrap().to_owned()
}

#[test]
fn each_environment_follows_its_own_policy() {
    let world = World::with_web(&["1.4.0", "1.4.7", "1.5.0", "2.0.0"]);
    let marked = |policy: &str| world.deployment("acme/web:1.4.0").replace("# ours", &format!("# tagboat: {policy}"));
    let config = format!(
        "{}  - name: staging\n    files: [staging/**]\n    publish: commit\n  - name: prod\n    files: [prod/**]\n    publish: commit\n",
        world.config()
    );
    let remote = world.scratch.bare(
        "manifests.git",
        &[
            (".tagboat.yaml", &config),
            ("dev/web.yaml", &marked("semver=major")),
            ("staging/web.yaml", &marked("semver=minor")),
            ("prod/web.yaml", &marked("semver=patch")),
        ],
    );
    world.run_on(&remote, &[]).ended(0);
    assert_eq!(["dev", "staging", "prod"].map(|name| runs(&remote, name)), ["2.0.0", "1.5.0", "1.4.7"]);
    assert_eq!(commits(&remote), 4, "a commit for each environment");
}

const IN_ORDER: &str = "version: 1
images:
  - match: HOST/**
    semver: minor
environments:
  - name: prod
    files: [prod/**]
    after: staging
    publish: commit
  - name: staging
    files: [staging/**]
    after: dev
    publish: commit
  - name: dev
    files: [dev/**]
    publish: commit
";

#[test]
fn a_new_version_travels_in_one_run_a_commit_for_each_environment() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let remote = repository(&world, IN_ORDER);
    world.run_on(&remote, &[]).ended(0);
    let log = remote.git(&["log", "--reverse", "--format=%s", "main"]);
    assert_eq!(log, "Begin\ndev: update web to 1.5.0\nstaging: update web to 1.5.0\nprod: update web to 1.5.0");
    assert_eq!(world.run_on(&remote, &[]).ended(0).err, "");
    assert_eq!(commits(&remote), 4);
}

#[test]
fn an_environment_after_another_takes_what_runs_there_and_nothing_newer() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let remote =
        repository(&world, &IN_ORDER.replace("- name: dev\n    files: [dev/**]", "- name: dev\n    files: [other/**]"));
    let ran = world.run_on(&remote, &["--output", "json"]).ended(0);
    assert_eq!(ran.json()["changes"], serde_json::json!([]), "{ran:?}");
    assert_eq!(commits(&remote), 1);
}

#[test]
fn a_file_of_two_environments_is_refused_before_anything_happens() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let remote = repository(&world, &IN_ORDER.replace("files: [prod/**]", "files: [prod/**, 'dev/*']"));
    let refused = world.run_on(&remote, &[]).ended(2);
    insta::assert_snapshot!(refused.err, @"
    error: dev/web.yaml belongs to two environments, `prod` and `dev`
       --> .tagboat.yaml:14:5
       |
    14 |   - name: dev
       |     ^
       |
       = help: narrow the `files` of one of them
    ");
    assert_eq!(commits(&remote), 1);
}

#[test]
fn a_gate_for_a_person_holds_back_until_the_person_orders_it() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let remote =
        repository(&world, &IN_ORDER.replace("after: staging\n", "after: staging\n    gates: {manual: true}\n"));
    let ran = world.run_on(&remote, &[]).ended(0);
    assert_eq!(ran.err, "", "{ran:?}");
    assert!(ran.out.contains("`tagboat promote … --skip manual`"), "{ran:?}");
    assert_eq!(["dev", "staging", "prod"].map(|name| runs(&remote, name)), ["1.5.0", "1.5.0", "1.4.0"]);
    let image = format!("{}/acme/web:1.5.0", world.registry.host());
    let folder = remote.folder.display().to_string();
    let order = ["promote", &image, "--to", "prod", "--repo", &folder, "--branch", "main", "--reason", "seen"];
    let refused = world.tagboat(&order).ended(1);
    assert!(refused.err.contains("manual: a person lets it pass"), "{refused:?}");
    world.tagboat(&[&order[..], &["--skip", "manual"]].concat()).ended(0);
    assert_eq!(runs(&remote, "prod"), "1.5.0");
}

#[test]
fn on_plain_git_a_gate_that_needs_a_forge_waits_and_check_says_so() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let gates =
        "after: staging\n    gates: {checks: [argocd/staging]}\n    onFailure: {checks: [tagboat/soak], within: 30m}\n";
    let remote = repository(&world, &IN_ORDER.replace("after: staging\n", gates));
    let ran = world.run_on(&remote, &["--output", "json"]).ended(0).json();
    assert_eq!(["dev", "staging", "prod"].map(|name| runs(&remote, name)), ["1.5.0", "1.5.0", "1.4.0"]);
    let gate = &ran["proposals"].as_array().unwrap().last().unwrap()["gates"][0];
    assert_eq!((gate["gate"].as_str(), gate["state"].as_str()), (Some("checks"), Some("wait")), "{ran}");
    let reason = gate["reason"].as_str().unwrap();
    assert_eq!(reason, "argocd/staging could not be asked for: plain Git has neither checks nor reviews");

    let people = world.scratch.path("people").display().to_string();
    remote.git(&["clone", "--quiet", &remote.folder.display().to_string(), &people]);
    let checked = world.tagboat(&["check", &people, "--output", "json"]).ended(0).json();
    let found: Vec<&str> = checked["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| row["rule"] == "unanswerable-gate" && row["severity"] == "warning")
        .map(|row| row["message"].as_str().unwrap())
        .collect();
    assert_eq!(
        found,
        [
            "`checks` of `prod` never passes: plain Git has neither checks nor reviews",
            "`onFailure` of `prod` never acts: plain Git has no checks",
            "`tagboat/soak` of `prod` is a status of Tagboat's own, which says nothing of what runs",
        ]
    );
}

/// What `check` of a fresh clone finds by one rule, each with its line and message.
fn checked(world: &World, remote: &Repository, arguments: &[&str], rule: &str) -> Vec<String> {
    let people = world.scratch.path("checked").display().to_string();
    if !std::path::Path::new(&people).exists() {
        remote.git(&["clone", "--quiet", &remote.folder.display().to_string(), &people]);
    }
    remote.git(&["-C", &people, "pull", "--quiet"]);
    let ran = world.tagboat(&[&["check", &people, "--output", "json"], arguments].concat()).ended(0).json();
    let rows = ran["findings"].as_array().unwrap().iter().filter(|row| row["rule"] == rule);
    let told = |row: &serde_json::Value| {
        let (severity, line) = (row["severity"].as_str().unwrap(), row["line"].as_u64().unwrap_or_default());
        format!("{severity} {line}: {}", row["message"].as_str().unwrap())
    };
    rows.map(told).collect()
}

#[test]
fn a_gate_that_asks_the_forge_of_another_repository_is_not_called_one_that_never_passes() {
    let world = World::with_web(&["1.4.0"]);
    let remote = repository(&world, IN_ORDER);
    let there = "{repository: https://git.acme.example/acme/platform, environment: staging}";
    for (after, is_told) in [
        (there.to_owned(), false),
        (format!("[staging, {there}]"), true),
        (format!("{{any: [staging, {there}]}}"), false),
        ("{any: [staging, dev]}".to_owned(), true),
    ] {
        let prod =
            format!("after: {after}\n    gates: {{checks: [argocd/staging], approvals: 1}}\n    publish: autoMerge\n");
        let config = IN_ORDER.replace("after: staging\n    publish: commit\n", &prod);
        let config = config.replace("HOST", &world.registry.host());
        remote.land("main", &[(".tagboat.yaml", &config)], "Another order", 2);
        let found = checked(&world, &remote, &[], "unanswerable-gate");
        let of = |gate: &str| found.iter().any(|row| row.contains(&format!("`{gate}` of `prod` never passes")));
        assert_eq!((of("checks"), of("approvals")), (is_told, true), "{after}: {found:?}");
    }
}

#[test]
fn on_plain_git_check_says_what_can_never_happen_there_and_what_a_push_alone_tells() {
    let world = World::with_web(&["1.4.0"]);
    let config = IN_ORDER.replace("after: staging\n", "after: staging\n    deployments: true\n");
    let remote = repository(&world, &format!("{config}commit:\n  sign: forge\n"));
    let found = checked(&world, &remote, &[], "impossible-here");
    let signs = "warning 19: no version is ever pushed: `commit.sign: forge` needs a forge, and plain Git has none: `ssh` and `gpg` sign \
                 with a key of the operator's";
    assert_eq!(found, [signs, "warning 6: `deployments` of `prod` records nothing: only GitHub keeps them"]);
    assert_eq!(checked(&world, &remote, &[], "untold-permission"), Vec::<String>::new());
    let note = "note 0: on plain Git, whether the remote may be pushed to is told when something is pushed";
    assert_eq!(checked(&world, &remote, &["--forge"], "untold-permission"), [note]);
}

#[test]
fn a_registry_that_is_down_for_one_image_stops_no_other() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let down = "127.0.0.1:1/acme/api:1.0.0";
    let config = format!(
        "version: 1\nimages:\n  - match: '**'\n    semver: minor\n{}",
        world.config().split_once("minor\n").unwrap().1
    );
    let remote = world.scratch.bare(
        "manifests.git",
        &[
            (".tagboat.yaml", &config),
            ("dev/web.yaml", &world.deployment("acme/web:1.4.0")),
            ("dev/api.yaml", &crate::program::deployment(down)),
        ],
    );
    let ran = world.run_on(&remote, &["--output", "json"]).ended(3);
    assert_eq!(runs(&remote, "dev"), "1.5.0");
    let errors = ran.json()["errors"].clone();
    assert_eq!(errors.as_array().unwrap().len(), 1, "{errors}");
    assert_eq!(errors[0]["what"], "127.0.0.1:1/acme/api");
    assert!(errors[0]["reason"].as_str().unwrap().contains("no connection"), "{errors}");
    let text = world.run_on(&remote, &[]).ended(3);
    assert!(text.out.contains("127.0.0.1:1/acme/api"), "{text:?}");
}

#[test]
fn files_that_cannot_be_read_stop_no_other() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let web = world.deployment("acme/web:1.4.0");
    let (broken, secret) = (format!("{web}  : [\n"), format!("{web}sops:\n  mac: x\n"));
    let remote = world.scratch.bare(
        "manifests.git",
        &[
            (".tagboat.yaml", &world.config()),
            ("dev/broken.yaml", &broken),
            ("dev/secret.yaml", &secret),
            ("dev/web.yaml", &web),
        ],
    );
    let done = world.run_on(&remote, &["--output", "json"]).ended(3).json();
    assert_eq!(done["errors"][0]["file"], "dev/broken.yaml");
    assert_eq!(remote.git(&["diff", "--name-only", "main~1", "main"]), "dev/web.yaml");
    let skipped = done["skipped"].as_array().unwrap();
    assert!(
        skipped.iter().any(|row| row["what"] == "dev/secret.yaml" && row["reason"] == "encrypted with SOPS"),
        "{done}"
    );
}

#[test]
fn an_image_that_only_one_of_two_environments_has_is_noted() {
    let world = World::with_web(&["1.4.0"]);
    let after = "  - name: prod\n    files: [prod/**]\n    after: dev\n    publish: commit\n";
    world.write(".tagboat.yaml", world.config() + after);
    for (file, image) in [("dev/web", "web"), ("prod/web", "web"), ("dev/tool", "tool"), ("prod/edge", "edge")] {
        world.write(&format!("{file}.yaml"), world.deployment(&format!("acme/{image}:1.4.0")));
    }
    let found = world.tagboat(&["check", "--output", "json"]).ended(0).json();
    let rows = found["findings"].as_array().unwrap().iter().filter(|row| row["rule"] == "only-in-one");
    let told: Vec<String> = rows.map(|row| format!("{} {} {}", row["severity"], row["file"], row["message"])).collect();
    let host = world.registry.host();
    assert_eq!(
        told,
        [
            format!(r#""note" "dev/tool.yaml" "{host}/acme/tool is in dev and not in prod, so it is not promoted""#),
            format!(r#""note" "prod/edge.yaml" "{host}/acme/edge is in prod and not in dev, so it is not promoted""#),
        ]
        .map(|row| row.replace(&host, "127.0.0.1:50000"))
    );
}
