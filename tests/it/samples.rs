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
fn whatever_asks_registries_in_the_samples_has_logged_in_before() {
    let mut logged = 0;
    for (name, workflow) in documents("examples/github") {
        for (job, body) in jobs(&workflow) {
            let may = !body["permissions"]["packages"].is_null();
            let at = steps(body).position(|step| uses(step, "docker/login-action@").is_some());
            let asks =
                steps(body).position(|step| uses(step, &own_action()).is_some_and(|step| command(step) != "check"));
            assert_eq!((may, at.is_some()), (asks.is_some(), asks.is_some()), "{name}, {job}");
            assert!(at <= asks, "{name}, {job}: too late");
            logged += usize::from(at.is_some());
            let login = at.and_then(|at| steps(body).nth(at));
            assert!(login.is_none_or(|step| step["with"]["password"] == "${{ github.token }}"), "{name}, {job}");
        }
    }
    assert_eq!(logged, 4);
}

/// Which group a run for an event is in: what the samples' expressions come to.
fn group(workflow: &Value, event: &str, image: &str, context: &str) -> Option<String> {
    let group = workflow["concurrency"]["group"].as_str()?;
    let is_own = context.starts_with("tagboat/");
    let known = [
        ("${{ github.event_name }}", event),
        ("${{ github.event.client_payload.image }}", image),
        (
            "${{ startsWith(github.event.context, 'tagboat/') && github.run_id || 'pass' }}",
            if is_own { "12" } else { "pass" },
        ),
    ];
    Some(known.iter().fold(group.to_owned(), |group, (expression, value)| group.replace(expression, value)))
}

#[test]
fn no_run_takes_the_place_of_one_that_waits_and_would_do_something_else() {
    let samples = documents("examples/github");
    let of = |name: &str, event: &str, image: &str, context: &str| group(&samples[name], event, image, context);
    // GitHub keeps the newest alone of those that wait in a group.
    let different = [
        of("scheduled.yml", "schedule", "", ""),
        of("scheduled.yml", "workflow_dispatch", "", ""),
        of("scheduled.yml", "repository_dispatch", "ghcr.io/acme/web:1.5.0", ""),
        of("scheduled.yml", "repository_dispatch", "ghcr.io/acme/api:1.5.0", ""),
        of("after-merge.yml", "push", "", ""),
        of("after-merge.yml", "status", "", "tagboat/gates"),
    ];
    let distinct: BTreeSet<&Option<String>> = different.iter().collect();
    assert_eq!(distinct.len(), different.len(), "{different:?}");
    assert!(different.iter().all(|group| group.as_ref().is_some_and(|group| !group.contains("${{"))), "{different:?}");
    assert_eq!(of("after-merge.yml", "push", "", ""), of("after-merge.yml", "status", "", "argocd/dev"));
    assert_eq!(of("orders.yml", "workflow_dispatch", "", ""), None, "no order may get lost behind a pass");
}

#[test]
fn since_when_tags_are_known_outlives_each_job_that_makes_a_pass() {
    let mut passes = 0;
    for (name, workflow) in documents("examples/github") {
        for (job, body) in jobs(&workflow) {
            let at = |action: &str| steps(body).position(|step| uses(step, action).is_some());
            let ours =
                steps(body).position(|step| uses(step, &own_action()).is_some_and(|step| command(step) != "check"));
            let Some(asks) = ours else { continue };
            let brought = at("actions/cache/restore@").unwrap();
            assert!(brought < asks, "{name}, {job}");
            // What looks, and an order, decide by what passes have seen.
            if command(steps(body).nth(asks).unwrap()) != "run" {
                continue;
            }
            passes += 1;
            let kept = at("actions/cache/save@").unwrap();
            assert!(asks < kept, "{name}, {job}");
            let (brought, kept) = (steps(body).nth(brought).unwrap(), steps(body).nth(kept).unwrap());
            assert_eq!(kept["if"], "always()", "{name}, {job}: after a pass that failed, too");
            assert_eq!(
                (&brought["with"]["path"], &brought["with"]["key"]),
                (&kept["with"]["path"], &kept["with"]["key"])
            );
            let restored = brought["with"]["restore-keys"].as_str().unwrap();
            assert!(kept["with"]["key"].as_str().unwrap().starts_with(restored), "{name}, {job}");
        }
    }
    assert_eq!(passes, 2);
    let dockerfile = read("Dockerfile");
    let gitea: Value = serde_saphyr::from_str(&read("examples/gitea/tagboat.yml")).unwrap();
    let volume = gitea["jobs"]["run"]["container"]["volumes"][0].as_str().unwrap();
    let (named, folder) = volume.split_once(':').unwrap();
    assert!(dockerfile.contains(&format!("TAGBOAT_CACHE={folder}/cache.db")), "{volume}");
    assert!(read("examples/gitea/tagboat.yml").contains(&format!("valid_volumes: [{named}]")));
    let cron: Value = serde_saphyr::from_str(&read("config/kubernetes/cronjob/cronjob.yaml")).unwrap();
    let volumes = cron["spec"]["jobTemplate"]["spec"]["template"]["spec"]["volumes"].as_array().unwrap();
    let cache = volumes.iter().find(|volume| volume["name"] == "cache").unwrap();
    let claim: Value = serde_saphyr::from_str(&read("config/kubernetes/cronjob/cache.yaml")).unwrap();
    assert_eq!(cache["persistentVolumeClaim"]["claimName"], claim["metadata"]["name"]);
    assert!(read("config/kubernetes/cronjob/kustomization.yaml").contains("\n  - cache.yaml\n"));
}

#[test]
fn the_sample_of_gitea_runs_nothing_for_pull_requests_of_forks() {
    let gitea: Value = serde_saphyr::from_str(&read("examples/gitea/tagboat.yml")).unwrap();
    let condition = gitea["jobs"]["check"]["if"].as_str().unwrap();
    assert!(condition.contains("github.event.pull_request.head.repo.full_name == github.repository"), "{condition}");
}

#[test]
fn no_sample_puts_a_list_of_updates_into_a_variable() {
    for (name, workflow) in documents("examples/github") {
        for (job, body) in jobs(&workflow) {
            for (variable, value) in steps(body).filter_map(|step| step["env"].as_object()).flatten() {
                let value = value.as_str().unwrap();
                let is_list = ["updates", "pull-requests", "held", "waiting", "changed-files"]
                    .iter()
                    .any(|list| value.contains(&format!("outputs.{list} ")));
                assert!(!is_list, "{name}, {job}: {variable} may have more than the 128 KiB of a variable");
            }
        }
    }
}

/// The comment that the sample makes of updates, in a folder of its own; nothing where there is no `jq`.
fn comment(updates: &Value) -> Option<String> {
    Command::new("jq").arg("--version").output().ok()?;
    let workflow = &documents("examples/github")["pull-request.yml"];
    let step = steps(&workflow["jobs"]["plan"]).find(|step| step["id"] == "comment").unwrap();
    let scratch = Scratch::new();
    let (list, output) = (scratch.path("updates.json"), scratch.path("output"));
    std::fs::write(&list, updates.to_string()).unwrap();
    let mut ran = Command::new("bash");
    ran.args(["--noprofile", "--norc", "-e", "-o", "pipefail", "-c", step["run"].as_str().unwrap()]);
    let ran = ran.env("UPDATES_FILE", &list).env("GITHUB_OUTPUT", &output).output().unwrap();
    assert!(ran.status.success(), "{ran:?}");
    Some(std::fs::read_to_string(output).unwrap())
}

#[test]
fn a_comment_of_many_updates_is_short_and_shows_what_moves() {
    let digest = |letter: &str| format!("sha256:{}", letter.repeat(64));
    let update = |from: Value, to: Value, digests: [Option<String>; 2]| {
        serde_json::json!({"environment": "dev", "image": "ghcr.io/acme/web", "from": from, "to": to,
            "fromDigest": digests[0], "toDigest": digests[1]})
    };
    let tags = update("1.4.0".into(), "1.5.0".into(), [Some(digest("a")), Some(digest("b"))]);
    let moved = update("stable".into(), "stable".into(), [Some(digest("a")), Some(digest("b"))]);
    let bare = update(Value::Null, Value::Null, [None, Some(digest("b"))]);
    let Some(text) = comment(&serde_json::json!([tags, moved, bare])) else { return };
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("- ")).collect();
    let of = "- `dev`: `ghcr.io/acme/web` ";
    let expected = [
        format!("{of}`1.4.0` → `1.5.0`"),
        format!("{of}`stable@sha256:aaaaaaaaaaaa` → `stable@sha256:bbbbbbbbbbbb`"),
        format!("{of}no tag → `sha256:bbbbbbbbbbbb`"),
    ];
    assert_eq!(rows, expected);
    assert!(text.starts_with("is-empty=false\n"), "{text}");
    let many: Vec<&Value> = std::iter::repeat_n(&tags, 5_000).collect();
    let many = comment(&serde_json::json!(many)).unwrap();
    assert!(many.len() < 60_000 && many.contains("- and 4900 more"), "{} bytes", many.len());
    let none = comment(&serde_json::json!([])).unwrap();
    assert!(none.starts_with("is-empty=true\n") && none.contains("would move nothing"), "{none}");
}

#[test]
fn the_rules_for_metadata_servers_are_rules_without_their_signs_of_comments() {
    for folder in ["service", "replicas"] {
        let text = read(&format!("config/kubernetes/{folder}/network-policy.yaml"));
        let (before, rules) = text.split_once("Put in what yours needs:\n").unwrap();
        let rules: Vec<String> = rules.lines().map(|line| line.replacen("    # ", "    ", 1)).collect();
        let whole = format!("{before}\n{}", rules.join("\n"));
        let policy: Value = serde_saphyr::from_str(&whole).unwrap();
        let open = policy["spec"]["egress"].as_array().unwrap().iter().filter(|rule| rule.get("to").is_some());
        let open: Vec<String> =
            open.map(|rule| format!("{} {}", rule["to"][0]["ipBlock"]["cidr"], rule["ports"][0]["port"])).collect();
        let expected = ["\"169.254.169.254/32\" 80", "\"169.254.169.252/32\" 988", "\"169.254.170.23/32\" 80"];
        assert_eq!(open, expected, "{folder}");
        for rule in &open {
            let address = rule.trim_start_matches('"').split('/').next().unwrap();
            assert!(read("docs/service.md").contains(address), "{address}");
        }
    }
}

#[test]
fn a_workflow_on_a_release_s_tag_says_what_lets_it_publish() {
    let book = &documents(".github/workflows")["book.yml"];
    assert!(book["on"].get("release").is_some());
    let environment = book["jobs"]["publish"]["environment"]["name"].as_str().unwrap();
    let steps = read("RELEASING.md");
    assert!(steps.contains(&format!("`{environment}`")) && steps.contains("add the tag rule `v*`"), "{environment}");
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
    let piping = steps(&workflow["jobs"]["plan"]).chain(steps(job)).filter(|step| step.get("run").is_some());
    assert!(piping.into_iter().all(|step| step["shell"] == "bash"), "named so, it fails where a part of a pipe does");
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
fn prometheus_finds_the_port_of_the_pods_by_what_they_and_the_page_say() {
    let parsed = |text: &str| serde_saphyr::from_str::<Value>(text).unwrap();
    let pod = &parsed(&read("config/kubernetes/service/deployment.yaml"))["spec"]["template"];
    let port = &pod["spec"]["containers"][0]["ports"][0];
    let annotations = &pod["metadata"]["annotations"];
    assert_eq!(annotations["prometheus.io/scrape"], "true");
    assert_eq!(annotations["prometheus.io/port"], port["containerPort"].to_string());
    for folder in ["service", "replicas"] {
        let listen = &parsed(&read(&format!("config/kubernetes/{folder}/tagboat.yaml")))["listen"];
        assert_eq!(*listen, format!("0.0.0.0:{}", port["containerPort"]), "{folder}");
    }
    let policy = parsed(&read("config/kubernetes/service/network-policy.yaml"));
    assert_eq!(policy["spec"]["ingress"][0]["ports"][0]["port"], port["name"]);
    let page = read("docs/service.md");
    let monitor = page.split("```yaml\n").find(|block| block.contains("kind: PodMonitor")).unwrap();
    let monitor = parsed(monitor.split("```").next().unwrap());
    assert_eq!(monitor["spec"]["podMetricsEndpoints"][0]["port"], port["name"]);
    assert_eq!(monitor["spec"]["selector"]["matchLabels"], pod["metadata"]["labels"]);
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
    let further = ["Cargo.toml", "Cargo.lock", ".github/version.sh"];
    for path in VERSIONED.iter().map(|(path, _)| *path).chain(further) {
        std::fs::create_dir_all(copy.join(path).parent().unwrap()).unwrap();
        std::fs::copy(top().join(path), copy.join(path)).unwrap();
    }
    bash(&copy, ".github/version.sh", &["9.8.7"]);
    let written = |path: &str| std::fs::read_to_string(copy.join(path)).unwrap();
    for (path, times) in VERSIONED {
        assert_eq!(read(path).matches(now).count(), times, "{path} names another version");
        assert_eq!((written(path).matches(now).count(), written(path).matches("9.8.7").count()), (0, times), "{path}");
        // A component is of a tag of the repository, and those of releases begin with v.
        assert!(written(path).split("/tagboat@").skip(1).all(|rest| rest.starts_with("v9.8.7")), "{path}");
    }
    for path in ["Cargo.toml", "Cargo.lock"] {
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
