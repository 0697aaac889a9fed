//! What others copy: sample workflows, manifests of Kubernetes, and the names and versions that stand in them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use serde_json::Value;

use crate::support::repository::Scratch;

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(top().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The documents in a folder, by name.
fn documents(folder: &str) -> BTreeMap<String, Value> {
    let entries = std::fs::read_dir(top().join(folder)).unwrap().map(|entry| entry.unwrap().path());
    let files = entries.filter(|path| path.extension().is_some_and(|kind| kind == "yml"));
    let parsed = files.map(|path| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name, serde_saphyr::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap())
    });
    parsed.collect()
}

/// The name of the action as samples call it.
pub(crate) fn own_action() -> String {
    format!("{}@", env!("CARGO_PKG_REPOSITORY").strip_prefix("https://github.com/").unwrap())
}

fn jobs(workflow: &Value) -> impl Iterator<Item = (&String, &Value)> {
    workflow["jobs"].as_object().unwrap().iter()
}

fn steps(job: &Value) -> impl Iterator<Item = &Value> {
    job["steps"].as_array().unwrap().iter()
}

fn uses<'a>(step: &'a Value, action: &str) -> Option<&'a Value> {
    step["uses"].as_str().is_some_and(|uses| uses.starts_with(action)).then_some(step)
}

/// The command that a step of ours runs.
fn command(step: &Value) -> &str {
    step["with"]["command"].as_str().unwrap_or("run")
}

#[test]
fn what_writes_in_the_samples_has_the_app_s_token_and_what_looks_has_none() {
    let mut seen = BTreeSet::new();
    for (name, workflow) in documents("examples/github") {
        for (job, body) in jobs(&workflow) {
            let permissions = body["permissions"].as_object().unwrap();
            for step in steps(body).filter_map(|step| uses(step, &own_action())) {
                seen.insert(command(step).to_owned());
                let writing = permissions.values().any(|level| level == "write");
                assert!(!writing, "{name}, {job}: runs Tagboat with a job's token that may write");
                let looks = ["plan", "check"].contains(&command(step));
                let token = step["with"]["token"].as_str();
                let app = (!looks).then_some("${{ steps.app.outputs.token }}");
                assert_eq!(token, app, "{name}, {job}: what its pushes start, and what it may");
            }
        }
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["${{ inputs.command }}", "check", "plan", "run"]);
}

#[test]
fn a_sample_that_may_read_packages_logs_in_to_read_them() {
    let mut read = 0;
    for (name, workflow) in documents("examples/github") {
        for (job, body) in jobs(&workflow) {
            let may = !body["permissions"]["packages"].is_null();
            let login = steps(body).find_map(|step| uses(step, "docker/login-action@"));
            assert_eq!(may, login.is_some(), "{name}, {job}");
            read += usize::from(may);
            assert!(login.is_none_or(|step| step["with"]["password"] == "${{ github.token }}"), "{name}, {job}");
        }
    }
    assert!(read >= 2);
}

#[test]
fn an_order_never_waits_in_the_group_of_passes_where_the_next_one_would_take_its_place() {
    let mut groups: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (_, workflow) in documents("examples/github") {
        let Some(group) = workflow["concurrency"]["group"].as_str() else { continue };
        let commands = jobs(&workflow).flat_map(|(_, job)| steps(job)).filter_map(|step| uses(step, &own_action()));
        groups.entry(group.to_owned()).or_default().extend(commands.map(command).map(str::to_owned));
    }
    let passes = &groups["tagboat"];
    assert_eq!(passes.iter().collect::<Vec<_>>(), ["run"], "{groups:?}");
    assert!(groups.values().all(|commands| !commands.contains("${{ inputs.command }}")), "{groups:?}");
}

#[test]
fn the_sample_after_a_merge_hears_of_workflows_too() {
    let workflow = &documents("examples/github")["after-merge.yml"];
    let named = workflow["on"]["workflow_run"]["workflows"].as_array().unwrap();
    assert!(!named.is_empty() && workflow["on"].get("check_suite").is_some());
    for (_, job) in jobs(workflow) {
        let checkout = steps(job).find_map(|step| uses(step, "actions/checkout@")).unwrap();
        assert_eq!(checkout["with"]["ref"], "main", "nothing of the run that ended is checked out");
    }
}

#[test]
fn the_comment_on_a_pull_request_is_one_and_is_known_by_its_mark() {
    let workflow = &documents("examples/github")["pull-request.yml"];
    let job = &workflow["jobs"]["comment"];
    assert_eq!(job["permissions"], serde_json::json!({"pull-requests": "write"}));
    assert!(steps(job).all(|step| step.get("uses").is_none()), "nothing of the pull request is there to run");
    let script = steps(job).find_map(|step| step["run"].as_str()).unwrap();
    assert_eq!(script.matches("<!-- tagboat: plan -->").count(), 2, "written, and looked for");
    assert!(!script.contains("--edit-last"), "the last one may be about something else");
}

#[test]
fn an_action_of_others_has_one_commit_everywhere() {
    let mut pinned: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let pages = ["docs/forges.md", "docs/ci.md", "action.yml"].map(read);
    let workflows = [".github/workflows", "examples/github"].iter().flat_map(|folder| {
        let entries = std::fs::read_dir(top().join(folder)).unwrap();
        entries.map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap()).collect::<Vec<_>>()
    });
    for text in workflows.chain(pages) {
        for line in text.lines().filter_map(|line| line.split_once("uses: ").map(|(_, uses)| uses)) {
            let Some((name, commit)) = line.split_once('@') else { continue };
            if commit.len() > 40 {
                pinned.entry(name.to_owned()).or_default().insert(commit.to_owned());
            }
        }
    }
    assert!(pinned.len() > 5 && pinned.values().all(|commits| commits.len() == 1), "{pinned:?}");
}

/// Whether a rule of GitLab's holds: a variable, and a text or another variable.
fn holds(rule: &Value, pipeline: &BTreeMap<&str, &str>) -> bool {
    let (left, right) = rule["if"].as_str().unwrap().split_once(" == ").unwrap();
    let value = |word: &str| match word.strip_prefix('$') {
        Some(name) => pipeline.get(name).map(|value| (*value).to_owned()),
        None => Some(word.trim_matches('"').to_owned()),
    };
    value(left) == value(right)
}

#[test]
fn the_sample_of_gitlab_checks_merge_requests_and_runs_on_the_default_branch_alone() {
    let text = read("examples/gitlab/.gitlab-ci.yml");
    let pipeline: Value = serde_saphyr::from_str(&text).unwrap();
    let any = |rules: &Value, of: &BTreeMap<&str, &str>| rules.as_array().unwrap().iter().any(|rule| holds(rule, of));
    let commands = |of: &[(&'static str, &'static str)]| {
        let of: BTreeMap<&str, &str> = [("CI_DEFAULT_BRANCH", "main")].into_iter().chain(of.iter().copied()).collect();
        // Without a rule of the workflow there are pipelines of branches alone.
        let is_made = match pipeline.get("workflow") {
            Some(workflow) => any(&workflow["rules"], &of),
            None => of.contains_key("CI_COMMIT_BRANCH"),
        };
        let includes = pipeline["include"].as_array().unwrap().iter().filter(|include| any(&include["rules"], &of));
        let commands = includes.map(|include| include["inputs"]["command"].as_str().unwrap());
        commands.filter(|_| is_made).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(commands(&[("CI_PIPELINE_SOURCE", "merge_request_event")]), ["check", "plan"]);
    for source in ["push", "schedule"] {
        assert_eq!(commands(&[("CI_PIPELINE_SOURCE", source), ("CI_COMMIT_BRANCH", "main")]), ["run"]);
    }
    assert!(commands(&[("CI_PIPELINE_SOURCE", "push"), ("CI_COMMIT_BRANCH", "topic")]).is_empty());
}

/// Runs a script of the repository's own in a folder.
fn bash(folder: &Path, script: &str, arguments: &[&str]) {
    let ran = Command::new("bash").arg(folder.join(script)).args(arguments).current_dir(folder).output().unwrap();
    assert!(ran.status.success(), "{script}: {}", String::from_utf8_lossy(&ran.stderr));
}

#[test]
fn each_target_of_a_release_has_a_list_of_its_own_of_what_it_is_made_of() {
    let workflow = &documents(".github/workflows")["release.yml"];
    let job = &workflow["jobs"]["archive"];
    let step = steps(job).find(|step| step["run"].as_str().is_some_and(|run| run.contains("cyclonedx"))).unwrap();
    assert_eq!(step["env"]["TARGET"], "${{ matrix.target }}");
    let scratch = Scratch::new();
    let (bin, work) = (scratch.path("bin"), scratch.path("work"));
    std::fs::create_dir_all(work.join("dist")).unwrap();
    std::fs::create_dir(&bin).unwrap();
    // Stands for cargo: writes the file that it is told to.
    let cargo = "#!/bin/bash\nname=; while [[ $# -gt 0 ]]; do [[ $1 != --override-filename ]] || name=$2; shift; done\n[[ -z $name ]] || echo '{}' >\"$name.json\"\n";
    std::fs::write(bin.join("cargo"), cargo).unwrap();
    let script = scratch.path("step.sh");
    let text =
        format!("chmod +x {}/cargo\nPATH={}:$PATH\n{}", bin.display(), bin.display(), step["run"].as_str().unwrap());
    std::fs::write(&script, text).unwrap();
    let targets = job["strategy"]["matrix"]["include"].as_array().unwrap();
    for target in targets {
        let mut run = Command::new("bash");
        run.arg("-e").arg(&script).current_dir(&work).env("GITHUB_REF_NAME", "v1.2.3");
        let ran = run.env("TARGET", target["target"].as_str().unwrap()).output().unwrap();
        assert!(ran.status.success(), "{ran:?}");
    }
    assert_eq!(std::fs::read_dir(work.join("dist")).unwrap().count(), targets.len());
}

/// The folders of Kustomize, with what is in each file of theirs.
fn kustomizations() -> Vec<(PathBuf, Value, String)> {
    let folders = std::fs::read_dir(top().join("config/kubernetes")).unwrap().map(|entry| entry.unwrap().path());
    let found = folders.map(|folder| {
        let own = std::fs::read_to_string(folder.join("kustomization.yaml")).unwrap();
        let parsed: Value = serde_saphyr::from_str(&own).unwrap();
        let entries = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        let whole = entries.map(|path| std::fs::read_to_string(path).unwrap()).collect();
        (folder, parsed, whole)
    });
    found.collect()
}

#[test]
fn every_folder_for_kubernetes_brings_its_namespace_and_an_image_that_a_release_pushes() {
    let (_, owner) = env!("CARGO_PKG_REPOSITORY").split_once("github.com/").unwrap();
    for (folder, own, _) in kustomizations() {
        let resources: Vec<&str> = own["resources"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        if resources.contains(&"../service") {
            continue;
        }
        assert!(resources.contains(&"namespace.yaml"), "{}: {resources:?}", folder.display());
        let image = &own["images"][0];
        let name = image["newName"].as_str().unwrap_or_else(|| panic!("{}: no newName", folder.display()));
        assert!(name.eq_ignore_ascii_case(&format!("ghcr.io/{owner}")), "{name}");
    }
}

#[test]
fn every_secret_that_manifests_name_has_its_command_on_the_page() {
    let page = read("docs/service.md");
    let made: Vec<&str> =
        page.lines().filter(|line| line.starts_with("$ kubectl create secret generic tagboat ")).collect();
    let mut keys = BTreeSet::new();
    for (_, _, whole) in kustomizations() {
        for line in whole.lines().filter(|line| !line.trim_start().starts_with('#')) {
            let of_file = line.split("/etc/tagboat-secrets/").nth(1);
            let of_variable = line.split("secretKeyRef: {name: tagboat, key: ").nth(1);
            let key =
                of_file.or(of_variable).map(|rest| rest.split(|next: char| !next.is_alphanumeric()).next().unwrap());
            keys.extend(key.filter(|_| !line.contains("credentialsFile")).map(str::to_owned));
        }
    }
    assert_eq!(keys.iter().collect::<Vec<_>>(), ["replicas", "token"]);
    for key in keys {
        assert!(made.iter().any(|line| line.contains(&format!("--from-file={key}="))), "{key}: {made:?}");
    }
}

/// Files that name the version of a release, and how often.
const VERSIONED: [(&str, usize); 5] = [
    ("config/kubernetes/cronjob/kustomization.yaml", 1),
    ("config/kubernetes/service/kustomization.yaml", 1),
    ("examples/gitea/tagboat.yml", 2),
    ("examples/gitlab/.gitlab-ci.yml", 3),
    ("templates/tagboat.yml", 5),
];

#[test]
fn one_command_writes_the_version_wherever_it_stands() {
    let now = env!("CARGO_PKG_VERSION");
    let scratch = Scratch::new();
    let copy = scratch.path("copy");
    let further = ["Cargo.toml", "Cargo.lock", "fuzz/Cargo.lock", ".github/version.sh"];
    for path in VERSIONED.iter().map(|(path, _)| *path).chain(further) {
        std::fs::create_dir_all(copy.join(path).parent().unwrap()).unwrap();
        std::fs::copy(top().join(path), copy.join(path)).unwrap();
    }
    bash(&copy, ".github/version.sh", &["9.8.7"]);
    let written = |path: &str| std::fs::read_to_string(copy.join(path)).unwrap();
    for (path, times) in VERSIONED {
        assert_eq!(read(path).matches(now).count(), times, "{path} names another version");
        assert_eq!((written(path).matches(now).count(), written(path).matches("9.8.7").count()), (0, times), "{path}");
    }
    for path in ["Cargo.toml", "Cargo.lock", "fuzz/Cargo.lock"] {
        let old = format!("\nversion = \"{now}\"");
        let at = read(path).find(&format!("name = \"tagboat\"{old}")).unwrap();
        assert!(written(path)[at..].starts_with("name = \"tagboat\"\nversion = \"9.8.7\""), "{path}");
        assert_eq!(written(path).matches("9.8.7").count(), 1, "{path}: nobody else's version");
    }
}

/// Files in which a placeholder stands for the repository's owner, until `.github/owner.sh` has been run.
const OWNED: [&str; 20] = [
    "Cargo.toml",
    "README.md",
    "RELEASING.md",
    "SECURITY.md",
    "config/holds.schema.json",
    "config/kubernetes/cronjob/kustomization.yaml",
    "config/kubernetes/replicas/kustomization.yaml",
    "config/kubernetes/service/kustomization.yaml",
    "config/service.schema.json",
    "config/tagboat.schema.json",
    "docs/ci.md",
    "docs/getting-started.md",
    "docs/service.md",
    "examples/gitea/tagboat.yml",
    "examples/github/after-merge.yml",
    "examples/github/orders.yml",
    "examples/github/pull-request.yml",
    "examples/github/scheduled.yml",
    "examples/gitlab/.gitlab-ci.yml",
    "templates/tagboat.yml",
];

#[test]
fn one_command_writes_the_owner_wherever_a_placeholder_stands_for_them() {
    let placeholder = ["OWN", "ER/tagboat"].concat();
    let scratch = Scratch::new();
    let folders =
        [".", ".github", ".github/workflows", "action", "config", "docs", "examples/gitea", "examples/github"];
    let further = ["config/kubernetes/cronjob", "config/kubernetes/replicas", "config/kubernetes/service"];
    let mut files = Vec::new();
    for folder in folders.iter().chain(&further).chain(&["examples/gitlab", "templates", "tests/it"]) {
        let entries = std::fs::read_dir(top().join(folder)).unwrap().map(|entry| entry.unwrap().path());
        for path in entries.filter(|path| path.is_file() && !path.ends_with(".git")) {
            let Ok(text) = std::fs::read_to_string(&path) else { continue };
            files.push((path.strip_prefix(top()).unwrap().to_str().unwrap().to_owned(), text));
        }
    }
    let holding: BTreeSet<&str> =
        files.iter().filter(|(_, text)| text.contains(&placeholder)).map(|(path, _)| path.as_str()).collect();
    // Once it is written, it is written everywhere.
    let is_open = env!("CARGO_PKG_REPOSITORY").ends_with(&placeholder);
    let expected: BTreeSet<&str> = OWNED.into_iter().filter(|_| is_open).collect();
    assert_eq!(holding, expected);

    let listed: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let copy = scratch.work("copy", &listed);
    bash(&copy.folder, ".github/owner.sh", &["Acme-Inc"]);
    for (path, _) in listed.into_iter().filter(|(path, _)| !path.starts_with("tests/")) {
        let text = std::fs::read_to_string(copy.folder.join(path)).unwrap();
        assert!(!text.contains(&placeholder), "{path}");
        assert!(!text.contains("ghcr.io/Acme"), "{path}: names of images know no capitals");
    }
    if is_open {
        let manifest =
            std::fs::read_to_string(copy.folder.join("config/kubernetes/service/kustomization.yaml")).unwrap();
        assert!(manifest.contains("newName: ghcr.io/acme-inc/tagboat "), "{manifest}");
    }
}
