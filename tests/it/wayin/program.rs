//! The commands as a newcomer calls them: `init`, `migrate`, `check` and its outputs.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::config::validator::first_fault;

/// Runs the program in a folder with an empty environment; returns exit code, standard output and standard error.
fn tagboat(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> (i32, String, String) {
    let output = assert_cmd::cargo::cargo_bin_cmd!("tagboat")
        .env_clear()
        .envs(environment.iter().copied())
        .current_dir(folder)
        .args(arguments)
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn write(folder: &Path, path: &str, text: &str) {
    let path = folder.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn pod(image: &str) -> String {
    format!("apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: {image}\n")
}

/// A repository with two environments and one mistake of each kind that needs no configuration.
fn repository() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "envs/dev/web.yaml", &pod("ghcr.io/acme/web:1.4.0"));
    write(
        folder.path(),
        "envs/prod/web.yaml",
        &pod("ghcr.io/acme/web:1.3.0 # {\"$imagepolicy\": \"flux-system:gone\"}"),
    );
    write(folder.path(), "base/db.yaml", &pod("quay.io/acme/db:2.0.0"));
    folder
}

#[test]
fn init_writes_what_check_accepts_and_never_over_another() {
    let folder = repository();
    let (code, _, told) = tagboat(folder.path(), &["init"], &[]);
    assert_eq!((code, told.lines().next().unwrap()), (0, "wrote .tagboat.yaml: environments dev, prod"));
    assert!(
        told.contains(
            "in no environment: base/; references there are followed once an environment's `files` hold them"
        ),
        "{told}"
    );
    let written = fs::read_to_string(folder.path().join(".tagboat.yaml")).unwrap();
    let (code, printed, _) = tagboat(folder.path(), &["check"], &[]);
    assert_eq!(code, 0, "{printed}");
    assert!(!printed.contains("error["), "{printed}");
    // Editors read the schema that the first line names.
    let named = written.lines().next().unwrap().strip_prefix("# yaml-language-server: $schema=").unwrap();
    let beside = folder.path().join(named);
    let schema = fs::read_to_string(&beside).unwrap();
    let (_, printed_schema, _) = tagboat(folder.path(), &["schema", "repository"], &[]);
    assert_eq!(schema, printed_schema);
    let (schema, document) = (serde_json::from_str(&schema).unwrap(), serde_saphyr::from_str(&written).unwrap());
    assert_eq!(first_fault(&schema, &schema, &document, ".tagboat.yaml"), None);
    let (code, _, told) = tagboat(folder.path(), &["init"], &[]);
    assert_eq!(code, 2);
    assert!(told.contains(".tagboat.yaml is there already"), "{told}");
    assert_eq!(fs::read_to_string(folder.path().join(".tagboat.yaml")).unwrap(), written);
    let (code, printed, _) = tagboat(folder.path(), &["init", "--out", "-"], &[]);
    assert_eq!((code, printed), (0, written));
}

#[test]
fn init_says_what_it_wrote_and_refuses_a_folder_without_files() {
    let folder = repository();
    let (code, _, told) = tagboat(folder.path(), &["init"], &[]);
    assert_eq!(code, 0);
    assert!(told.starts_with("wrote .tagboat.yaml: environments dev, prod\nwrote .tagboat/schema.json, "), "{told}");
    let empty = tempfile::tempdir().unwrap();
    let (code, _, told) = tagboat(empty.path(), &["init"], &[]);
    assert_eq!(code, 2);
    assert!(told.contains("there is no file in .") && told.contains("hint: call it in a clone"), "{told}");
    assert_eq!(fs::read_dir(empty.path()).unwrap().count(), 0);
}

#[test]
fn init_renews_an_older_schema_and_follows_no_link_with_it() {
    let folder = repository();
    fs::create_dir(folder.path().join(".tagboat")).unwrap();
    write(folder.path(), ".tagboat/schema.json", "{}");
    assert_eq!(tagboat(folder.path(), &["init"], &[]).0, 0);
    assert!(fs::read_to_string(folder.path().join(".tagboat/schema.json")).unwrap().contains("$defs"));
    let (linked, outside) = (repository(), tempfile::tempdir().unwrap());
    std::os::unix::fs::symlink(outside.path(), linked.path().join(".tagboat")).unwrap();
    let (code, _, told) = tagboat(linked.path(), &["init"], &[]);
    assert_eq!(code, 0);
    assert!(told.contains(".tagboat/schema.json, by which editors complete it, could not be written"), "{told}");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[test]
fn check_tells_of_folders_without_environment_once_each() {
    let folder = repository();
    assert_eq!(tagboat(folder.path(), &["init"], &[]).0, 0);
    for name in ["cache", "queue"] {
        write(folder.path(), &format!("base/{name}.yaml"), &pod("quay.io/acme/db:2.0.0"));
    }
    let (code, printed, _) = tagboat(folder.path(), &["check"], &[]);
    assert_eq!(code, 0);
    let told: Vec<&str> = printed.lines().filter(|line| line.contains("note[no-environment]")).collect();
    assert_eq!(told.len(), 1, "{printed}");
    let printed = printed.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        printed.contains("the file is in no environment (3 references in 3 files below `base/`, this is the first)"),
        "{printed}"
    );
}

#[test]
fn migrate_prints_a_configuration_and_tells_what_it_leaves_out() {
    let folder = repository();
    let (code, printed, told) = tagboat(folder.path(), &["migrate", "flux"], &[]);
    assert_eq!(code, 0, "{told}");
    let note = "envs/prod/web.yaml:5: names the ImagePolicy flux-system:gone, which no file here holds";
    assert!(told.contains(&format!("not carried over: {note}")), "{told}");
    assert!(printed.ends_with(&format!("# - {note}\n")), "{printed}");
    let (code, _, _) = tagboat(folder.path(), &["migrate", "flux", "--out", "new.yaml"], &[]);
    assert_eq!((code, fs::read_to_string(folder.path().join("new.yaml")).unwrap()), (0, printed));
    assert_eq!(tagboat(folder.path(), &["migrate", "flux", "--out", "new.yaml"], &[]).0, 2);
    for tool in ["argocd", "renovate"] {
        let (code, printed, told) = tagboat(folder.path(), &["migrate", tool], &[]);
        assert_eq!((code, printed.as_str()), (2, ""), "{told}");
        assert!(told.contains("hint: `tagboat init`"), "{told}");
    }
}

#[test]
fn a_configuration_of_renovates_that_cannot_be_read_is_a_failure_with_its_line() {
    let folder = repository();
    write(folder.path(), "renovate.json", "{\n  \"packageRules\": [\n}\n");
    let (code, printed, told) = tagboat(folder.path(), &["migrate", "renovate"], &[]);
    assert_eq!((code, printed.as_str()), (1, ""));
    assert!(told.contains("renovate.json:2: it cannot be parsed"), "{told}");
}

const FAULTY: &str = "version: 1
images:
  - match: ghcr.io/acme/web
    semver: '>=2 <1'
    tags: '^v[0-9]'
    ignore: ['.*']
  - match: docker.io/**
    semver: minor
environments:
  - name: dev
    files: [envs/dev/**]
    publish: commit
  - name: nowhere
    files: [nowhere/**]
    publish: commit
  - name: prod
    files: [envs/prod/**]
    publish: commit
";

#[test]
fn check_finds_what_can_never_act() {
    let folder = repository();
    write(folder.path(), ".tagboat.yaml", FAULTY);
    write(
        folder.path(),
        "envs/dev/db.yaml",
        &format!("{}---\n{}", pod("quay.io/acme/db:2.0.0"), pod("quay.io/acme/db:2.1.0")),
    );
    let (code, printed, _) = tagboat(folder.path(), &["check", "--output", "json"], &[]);
    assert_eq!(code, 0);
    let printed: Value = serde_json::from_str(&printed).unwrap();
    let found: Vec<String> = printed["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            let text = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
            format!("{} {}:{} {}", text("rule"), text("file"), one["line"], text("message"))
        })
        .collect();
    assert_eq!(
        found,
        [
            "impossible-policy .tagboat.yaml:3 the rule for `ghcr.io/acme/web` can never choose anything: no version lies in `>=2 <1`",
            "impossible-policy .tagboat.yaml:3 the rule for `ghcr.io/acme/web` can never choose anything: `tags` matches none of the tags in use, such as 1.4.0",
            "impossible-policy .tagboat.yaml:3 the rule for `ghcr.io/acme/web` can never choose anything: `ignore` takes every tag away by `.*`",
            "unmatched-rule .tagboat.yaml:7 the rule for `docker.io/**` matches no image of this repository",
            "empty-environment .tagboat.yaml:13 no file belongs to the environment `nowhere`",
            "unknown-policy envs/prod/web.yaml:5 ghcr.io/acme/web: names the ImagePolicy flux-system:gone, which no file here holds",
            "no-rule base/db.yaml:5 quay.io/acme/db: no rule matches (3 places, this is the first)",
        ]
    );
}

#[test]
fn check_annotates_within_github_actions() {
    let folder = repository();
    write(folder.path(), ".tagboat.yaml", FAULTY);
    let (_, by_name, _) = tagboat(folder.path(), &["check", "--output", "github"], &[]);
    let (_, by_itself, _) = tagboat(folder.path(), &["check"], &[("GITHUB_ACTIONS", "true")]);
    assert_eq!(by_itself, by_name);
    let expected = "::warning file=.tagboat.yaml,line=7,col=5,title=tagboat unmatched-rule::the rule for `docker.io/**` matches no image of this repository%0Ahint: ";
    assert!(by_name.lines().any(|line| line.starts_with(expected)), "{by_name}");
    let (_, text, _) = tagboat(folder.path(), &["check", "--output", "text"], &[("GITHUB_ACTIONS", "true")]);
    assert!(text.contains("warning[unmatched-rule]:"), "{text}");
}

#[test]
fn check_writes_sarif_with_places_from_where_it_was_called() {
    let folder = repository();
    write(folder.path(), "my repo/.tagboat.yaml", "version: 2\n");
    let (code, printed, _) = tagboat(folder.path(), &["check", "my repo", "--output", "sarif"], &[]);
    assert_eq!(code, 2);
    let log: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    let result = &run["results"][0];
    assert_eq!(run["tool"]["driver"]["rules"][result["ruleIndex"].as_u64().unwrap() as usize]["id"], result["ruleId"]);
    assert_eq!((result["ruleId"].as_str(), result["level"].as_str()), (Some("configuration"), Some("error")));
    let place = &result["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "my%20repo/.tagboat.yaml");
    assert_eq!((place["region"]["startLine"].as_u64(), place["region"]["startColumn"].as_u64()), (Some(1), Some(10)));
}

#[test]
fn a_format_belongs_to_the_commands_that_have_it() {
    let folder = repository();
    let (code, printed, told) = tagboat(folder.path(), &["plan", "--output", "sarif"], &[]);
    assert_eq!((code, printed.as_str()), (2, ""));
    assert!(told.contains("belongs to `tagboat check`"), "{told}");
    let (code, printed, told) = tagboat(folder.path(), &["scan", "--output", "github"], &[]);
    assert_eq!((code, told.as_str()), (2, ""));
    assert!(printed.starts_with("::error title=tagboat::--output github belongs to check, plan,"), "{printed}");
    let (code, printed, _) = tagboat(folder.path(), &["scan"], &[("GITHUB_ACTIONS", "true")]);
    assert_eq!(code, 0);
    assert!(printed.contains("ghcr.io/acme/web"), "{printed}");
}

/// A configuration and files with each kind of finding.
const EACH_KIND: [(&str, &str); 7] = [
    (
        ".tagboat.yaml",
        "version: 1
images:
  - match: ghcr.io/acme/web
    semver: '>=2 <1'
  - match: docker.io/**
    semver: minor
  - match: ghcr.io/*/web
    semver: minor
  - match: ghcr.io/acme/worker
    semver: minor
environments:
  - name: dev
    files: [dev/**]
    publish: commit
  - name: twice
    files: ['dev/w*']
    publish: commit
  - name: nowhere
    files: [nowhere/**]
    publish: commit
    after: {repository: https://git.example/a/b, environment: dev}
",
    ),
    ("dev/web.yaml", "a:\n  image: ghcr.io/acme/web:1.4.0\n"),
    ("dev/gone.yaml", "a:\n  image: ghcr.io/acme/worker:1.4.0 # {\"$imagepolicy\": \"flux-system:gone\"}\n"),
    (
        "dev/marked.yaml",
        "a:\n  image: ghcr.io/acme/worker:1.4.0 # tagboat: server=1.x\nb:\n  image: ghcr.io/acme/worker:1.4.0 # tagboat: semver='>3 <2'\n",
    ),
    (
        "dev/other.yaml",
        "a:\n  image: quay.io/acme/db:2.0.0\nb:\n  image: ghcr.io/acme/worker:1.0.0\n  image: ghcr.io/acme/worker:1.0.0\n",
    ),
    ("dev/broken.yaml", "image: a/b:1\nb: [\n"),
    ("base/worker.yaml", "a:\n  image: ghcr.io/acme/worker:1.0.0\n"),
];

#[test]
fn each_kind_of_finding_has_its_place_in_every_output() {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in EACH_KIND {
        write(folder.path(), path, text);
    }
    let expected = [
        ("error", "overlapping-environments", ".tagboat.yaml", 15, 5),
        ("error", "faulty-marker", "dev/marked.yaml", 2, 30),
        ("warning", "impossible-policy", ".tagboat.yaml", 3, 5),
        ("warning", "unmatched-rule", ".tagboat.yaml", 5, 5),
        ("warning", "unmatched-rule", ".tagboat.yaml", 7, 5),
        ("warning", "empty-environment", ".tagboat.yaml", 18, 5),
        ("warning", "unreadable-file", "dev/broken.yaml", 2, 4),
        ("warning", "unknown-policy", "dev/gone.yaml", 2, 30),
        ("warning", "impossible-policy", "dev/marked.yaml", 4, 30),
        ("warning", "not-editable", "dev/other.yaml", 4, 30),
        ("warning", "not-editable", "dev/other.yaml", 5, 30),
        ("note", "no-environment", "base/worker.yaml", 2, 30),
        ("note", "no-rule", "dev/other.yaml", 2, 26),
        ("note", "unknown-repository", ".tagboat.yaml", 21, 12),
    ];
    let (code, printed, _) = tagboat(folder.path(), &["check", "--output", "json"], &[]);
    assert_eq!(code, 2, "{printed}");
    let printed: Value = serde_json::from_str(&printed).unwrap();
    let number = |value: &Value| value.as_u64().unwrap_or_else(|| panic!("{value}"));
    let rows = printed["findings"].as_array().unwrap();
    let found: Vec<_> = rows
        .iter()
        .map(|row| {
            let text = |key: &str| row[key].as_str().unwrap();
            (text("severity"), text("rule"), text("file"), number(&row["line"]), number(&row["column"]))
        })
        .collect();
    assert_eq!(found, expected);

    let (_, text, _) = tagboat(folder.path(), &["check", "--output", "text"], &[]);
    let (_, github, _) = tagboat(folder.path(), &["check", "--output", "github"], &[]);
    let (_, sarif, _) = tagboat(folder.path(), &["check", "--output", "sarif"], &[]);
    let sarif: Value = serde_json::from_str(&sarif).unwrap();
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    assert_eq!(results.len(), expected.len());
    for ((severity, rule, file, line, column), result) in expected.iter().zip(results) {
        let start = format!("{file}:{line}:{column}: {severity}[{rule}]:");
        assert!(text.lines().any(|one| one.starts_with(&start)), "{start}: {text}");
        let word = if *severity == "note" { "notice" } else { severity };
        let start = format!("::{word} file={file},line={line},col={column},title=tagboat {rule}::");
        assert!(github.lines().any(|one| one.starts_with(&start)), "{start}: {github}");
        let place = &result["locations"][0]["physicalLocation"];
        let region = (number(&place["region"]["startLine"]), number(&place["region"]["startColumn"]));
        assert_eq!((result["ruleId"].as_str().unwrap(), result["level"].as_str().unwrap()), (*rule, *severity));
        assert_eq!((place["artifactLocation"]["uri"].as_str().unwrap(), region), (*file, (*line, *column)));
    }
}
