//! `action.yml`: its steps on a runner of the test's own, with the variables and files of a real one.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use assert_cmd::Command;
use axum::Router;
use serde_json::Value;

use crate::program::{World, commits};
use crate::support::forge::{Store, github, serve};
use crate::support::git_server::{GitServer, Rules};
use crate::support::repository::{Repository, executable};

const TOKEN: &str = "j0bs-0wn";

/// What stands in each word of the event that the job is for, and may show nowhere.
const HOSTILE: &str = "0thers-w0rds";

/// What a job's step came to.
#[derive(Debug)]
struct Stepped {
    failed: bool,
    log: String,
    outputs: BTreeMap<String, String>,
    summary: String,
    /// What the file of updates holds.
    updates: String,
}

impl Stepped {
    #[track_caller]
    fn passed(self) -> Self {
        assert!(!self.failed, "{self:?}");
        self
    }

    fn output(&self, name: &str) -> &str {
        self.outputs.get(name).map_or("", String::as_str)
    }

    fn json(&self, name: &str) -> Value {
        serde_json::from_str(self.output(name)).unwrap()
    }
}

/// A runner: a folder for its files, and the variables of the job.
struct Runner<'a> {
    world: &'a World,
    workspace: PathBuf,
    variables: Vec<(&'static str, String)>,
    /// What `github.action_repository` says.
    repository: &'static str,
}

impl<'a> Runner<'a> {
    fn new(world: &'a World, workspace: &Path) -> Self {
        let variables = vec![
            ("GITHUB_ACTIONS", "true".to_owned()),
            ("CI", "true".to_owned()),
            ("GITHUB_ACTOR", "mona".to_owned()),
            ("GITHUB_EVENT_NAME", "repository_dispatch".to_owned()),
            ("RUNNER_OS", "Linux".to_owned()),
            ("RUNNER_ARCH", "X64".to_owned()),
            ("GITHUB_SERVER_URL", "http://127.0.0.1".to_owned()),
        ];
        Self { world, workspace: workspace.to_owned(), variables, repository: "" }
    }

    fn with(mut self, name: &'static str, value: String) -> Self {
        self.variables.retain(|(other, _)| *other != name);
        self.variables.push((name, value));
        self
    }

    /// Runs every step of the action, with the binary that is tested unless the inputs say otherwise.
    fn run(&self, inputs: &[(&str, &str)]) -> Stepped {
        let mut inputs: BTreeMap<&str, &str> = inputs.iter().copied().collect();
        // The action copies what it is given, and the binary of the tests is large.
        let starter = self.world.scratch.path("starter");
        executable(&starter, &format!("#!/bin/sh\nexec '{}' \"$@\"\n", env!("CARGO_BIN_EXE_tagboat")));
        let starter = starter.display().to_string();
        inputs.entry("binary").or_insert(&starter);
        self.as_written(&inputs)
    }

    fn as_written(&self, inputs: &BTreeMap<&str, &str>) -> Stepped {
        let top = Path::new(env!("CARGO_MANIFEST_DIR"));
        let action: Value = serde_saphyr::from_str(&std::fs::read_to_string(top.join("action.yml")).unwrap()).unwrap();
        for name in inputs.keys() {
            assert!(action["inputs"].get(name).is_some(), "no input {name}");
        }
        let files = tempfile::tempdir_in(self.world.scratch.path("")).unwrap();
        let file = |name: &str| files.path().join(name);
        let mut path = self.world.variables().into_iter().find(|(name, _)| *name == "PATH").unwrap().1;
        let mut stepped = Stepped {
            failed: false,
            log: String::new(),
            outputs: BTreeMap::new(),
            summary: String::new(),
            updates: String::new(),
        };
        std::fs::write(file("event.json"), event()).unwrap();
        for step in action["runs"]["steps"].as_array().unwrap() {
            assert_eq!(step["shell"], "bash");
            for name in ["output", "summary", "path", "env"] {
                std::fs::write(file(name), "").unwrap();
            }
            // As a runner calls bash.
            let script = file("step.sh");
            std::fs::write(&script, step["run"].as_str().unwrap()).unwrap();
            let mut command = Command::new("bash");
            command.args(["--noprofile", "--norc", "-e", "-o", "pipefail"]).arg(&script);
            command.current_dir(&self.workspace).env_clear().envs(self.world.variables()).env("PATH", &path);
            command.envs(self.variables.iter().map(|(name, value)| (name, value)));
            command.env("GITHUB_ACTION_PATH", top).env("RUNNER_TEMP", files.path());
            command.env("GITHUB_OUTPUT", file("output")).env("GITHUB_STEP_SUMMARY", file("summary"));
            command.env("GITHUB_PATH", file("path")).env("GITHUB_ENV", file("env"));
            command.env("GITHUB_EVENT_PATH", file("event.json"));
            for (name, value) in step["env"].as_object().unwrap() {
                command.env(name, self.expression(value.as_str().unwrap(), &action, inputs));
            }
            let output = command.output().unwrap();
            stepped.log.push_str(&String::from_utf8_lossy(&output.stdout));
            stepped.log.push_str(&String::from_utf8_lossy(&output.stderr));
            stepped.summary.push_str(&std::fs::read_to_string(file("summary")).unwrap());
            if step.get("id").is_some() {
                stepped.outputs = outputs(&std::fs::read_to_string(file("output")).unwrap());
            }
            for folder in std::fs::read_to_string(file("path")).unwrap().lines() {
                path = std::env::join_paths(
                    std::iter::once(PathBuf::from(folder)).chain(std::env::split_paths(&path).collect::<Vec<_>>()),
                )
                .unwrap();
            }
            if !output.status.success() {
                stepped.failed = true;
                break;
            }
        }
        let written = std::mem::take(&mut stepped.outputs);
        assert!(written.keys().all(|name| action["outputs"].get(name).is_some()), "{written:?}");
        for (name, output) in action["outputs"].as_object().unwrap() {
            let value = output["value"].as_str().unwrap().strip_prefix("${{ steps.tagboat.outputs.").unwrap();
            let value = value.strip_suffix(" }}").unwrap();
            let (from, default) = value.split_once(" || ").unwrap_or((value, "''"));
            assert_eq!(from, name);
            let written = written.get(name).filter(|value| !value.is_empty()).cloned();
            stepped.outputs.insert(name.clone(), written.unwrap_or_else(|| default.trim_matches('\'').to_owned()));
        }
        if !stepped.output("updates-file").is_empty() {
            stepped.updates = std::fs::read_to_string(stepped.output("updates-file")).unwrap();
        }
        assert!(!format!("{stepped:?}").contains(HOSTILE), "something of the event is believed: {stepped:?}");
        stepped
    }

    /// Gives what an expression of the action stands for; whole values alone are known.
    fn expression(&self, text: &str, action: &Value, inputs: &BTreeMap<&str, &str>) -> String {
        let Some(inner) = text.strip_prefix("${{ ").and_then(|rest| rest.strip_suffix(" }}")) else {
            assert!(!text.contains("${{"), "{text}");
            return text.to_owned();
        };
        match inner.split_once('.').unwrap() {
            ("inputs", name) => match inputs.get(name) {
                Some(value) => (*value).to_owned(),
                None => {
                    let default = action["inputs"][name].get("default").and_then(Value::as_str).unwrap_or_default();
                    self.expression(default, action, inputs)
                }
            },
            ("github", "token") => TOKEN.to_owned(),
            ("github", "action_repository") => self.repository.to_owned(),
            other => panic!("{other:?}"),
        }
    }
}

/// An event whose every word somebody else chose.
fn event() -> String {
    let url = format!("http://127.0.0.1:9/{HOSTILE}/{HOSTILE}.git");
    let words = serde_json::json!({"command": "rollback", "image": HOSTILE, "token": HOSTILE, "branch": HOSTILE, "forge-url": url});
    let repository =
        serde_json::json!({"full_name": HOSTILE, "clone_url": url, "html_url": url, "default_branch": HOSTILE});
    let evil = format!("\n::error::{HOSTILE}\n::set-output name=updates::{HOSTILE}");
    let event = serde_json::json!({
        "action": evil, "client_payload": words, "inputs": words, "repository": repository, "ref": HOSTILE,
        "pull_request": {"number": 7, "title": evil, "body": evil, "head": {"ref": HOSTILE, "sha": HOSTILE, "repo": repository}},
        "sender": {"login": HOSTILE},
    });
    event.to_string()
}

/// Reads a file of outputs as a runner does.
fn outputs(text: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some((name, end)) = line.split_once("<<") {
            let value: Vec<&str> = lines.by_ref().take_while(|line| *line != end).collect();
            found.insert(name.to_owned(), value.join("\n"));
        } else {
            let (name, value) = line.split_once('=').unwrap();
            found.insert(name.to_owned(), value.to_owned());
        }
    }
    found
}

/// A checkout of a repository on GitHub, where `dev` takes pull requests.
struct Scene {
    world: World,
    _server: GitServer,
    store: Arc<Store>,
    work: PathBuf,
    api: String,
}

impl Scene {
    fn new() -> Self {
        let world = World::with_web(&["1.4.0", "1.5.0"]);
        for tag in ["2.0.0", "2.1.0"] {
            world.push("acme/api", tag);
        }
        let config = world.config().replace("publish: commit", "publish: pullRequest");
        let (web, api) = (world.deployment("acme/web:1.4.0"), world.deployment("acme/api:2.0.0"));
        let files = [(".tagboat.yaml", config.as_str()), ("dev/web.yaml", &web), ("dev/api.yaml", &api)];
        let bare = world.scratch.bare("acme/gitops.git", &files);
        bare.git(&["config", "http.receivepack", "true"]);
        let server = GitServer::start(&world.scratch.path(""), Rules::default());
        let work = world.scratch.path("work");
        bare.git(&["clone", "--quiet", &server.url("acme/gitops.git"), &work.display().to_string()]);
        let store = Store::over(bare.folder);
        let api = format!("{}/api/v3", serve(github::router(Arc::clone(&store))));
        Self { world, _server: server, store, work, api }
    }

    fn runner(&self) -> Runner<'_> {
        Runner::new(&self.world, &self.work).with("GITHUB_API_URL", self.api.clone())
    }
}

#[test]
fn opens_pull_requests_and_tells_later_steps_of_them() {
    let scene = Scene::new();
    let first = scene.runner().run(&[]).passed();
    assert_eq!(scene.store.kept().pulls.len(), 2);
    assert_eq!(first.output("changed"), "true");
    assert_eq!(first.output("changed-files"), "dev/api.yaml\ndev/web.yaml");
    assert_eq!(first.output("pull-request-operation"), "created");
    assert_eq!(first.output("exit-code"), "0");
    let number = first.output("pull-request-number");
    assert!(first.output("pull-request-url").ends_with(&format!("/pull/{number}")), "{first:?}");
    let updates = first.json("updates");
    assert_eq!((&updates[0]["from"], &updates[0]["to"]), (&Value::from("2.0.0"), &Value::from("2.1.0")));
    let all = first.json("pull-requests");
    assert_eq!((all.as_array().unwrap().len(), &all[1]["number"]), (2, &Value::from(2)));
    assert_eq!((first.output("held"), first.output("waiting")), ("[]", "[]"));
    assert!(first.summary.contains("| `dev` | ") && first.summary.contains("`1.5.0`"), "{}", first.summary);
    assert!(first.log.contains(&format!("::add-mask::{TOKEN}\n")) && first.log.contains("::group::tagboat"));
    assert_eq!(first.log.matches(TOKEN).count(), 1, "masked, and shown nowhere: {}", first.log);
    // What this token opens starts no workflows, which is said.
    assert!(first.log.contains("GITHUB_TOKEN"), "{}", first.log);

    let again = scene.runner().run(&[]).passed();
    assert_eq!((again.output("changed"), again.output("pull-request-operation")), ("false", "none"));
    assert_eq!(again.output("pull-request-number"), number);
    assert_eq!(scene.store.kept().pulls.len(), 2);
}

#[test]
fn looks_at_the_images_alone_that_it_is_told_of_and_leaves_what_stands_for_others() {
    let scene = Scene::new();
    let web = format!("{}/acme/web", scene.world.registry.host());
    scene.runner().run(&[("images", &format!(" {web},\n"))]).passed();
    assert_eq!(scene.world.registry.requests().tags, 1, "the other one is not asked about");
    assert_eq!(scene.store.kept().pulls.len(), 1, "the other one is not looked at");
    scene.runner().run(&[]).passed();
    assert_eq!(scene.store.kept().pulls.len(), 2);
    let alone = scene.runner().run(&[("images", &web)]).passed();
    assert!(scene.store.kept().pulls.iter().all(|pull| pull.state == crate::support::forge::Stands::Open));
    assert_eq!(alone.output("changed"), "false");
    // What an application's build says of tag and digest is ignored, as the webhook does.
    for version in [":9.9.9", ":9.9.9@sha256:12", "@sha256:12"] {
        let said = scene.runner().run(&[("images", &format!("{web}{version}"))]).passed();
        assert_eq!((said.output("changed"), scene.store.kept().pulls.len()), ("false", 2), "{said:?}");
    }
    let unknown = scene.runner().run(&[("images", "ghcr.io/acme/none")]).passed();
    assert!(unknown.log.contains("no environment follows it"), "{}", unknown.log);
}

#[test]
fn plans_without_writing_anything() {
    let scene = Scene::new();
    let planned = scene.runner().run(&[("command", "plan"), ("at", "2026-12-01T00:00:00Z")]).passed();
    assert_eq!((planned.output("changed"), planned.output("pull-request-operation")), ("true", "none"));
    assert!(planned.summary.contains("what would change"), "{}", planned.summary);
    let dry = scene.runner().run(&[("dry-run", "true")]).passed();
    assert_eq!(dry.output("changed"), "true");
    assert_eq!(scene.store.kept().pulls.len(), 0);
}

#[test]
fn annotates_what_check_finds_and_fails_with_its_code() {
    let world = World::with_web(&["1.4.0"]);
    world.write(".tagboat.yaml", "version: 1\nimages: []\nimagse: []\n");
    let folder = world.scratch.path("");
    let checked = Runner::new(&world, &folder).run(&[("command", "check"), ("working-directory", "tree")]);
    assert!(checked.failed, "{checked:?}");
    assert_eq!(checked.output("exit-code"), "2");
    assert!(checked.log.contains("::error file=tree/.tagboat.yaml,line=3,col=1,"), "{}", checked.log);
    assert!(checked.summary.contains("| error | `tree/.tagboat.yaml`:3 |"), "{}", checked.summary);
}

#[test]
fn annotates_targets_that_failed_with_their_place() {
    let scene = Scene::new();
    let broken = Repository { folder: scene.work.clone() };
    std::fs::write(scene.work.join("dev/broken.yaml"), "image: [half\n").unwrap();
    broken.git(&["add", "."]);
    broken.git(&["commit", "--quiet", "-m", "Break it"]);
    broken.git(&["push", "--quiet", "origin", "HEAD"]);
    let ran = scene.runner().run(&[]);
    assert!(ran.failed && ran.output("exit-code") == "3", "{ran:?}");
    assert!(ran.log.contains("::error file=dev/broken.yaml,line="), "{}", ran.log);
    assert!(ran.summary.contains("#### Failed") && ran.output("changed") == "true", "{ran:?}");
}

#[test]
fn takes_no_input_for_a_command_of_any_kind() {
    let scene = Scene::new();
    let evil = "$(touch pwned)`touch pwned`; touch pwned\n::set-output name=x::y\n##[error]no";
    for name in [
        "command",
        "images",
        "config",
        "service",
        "at",
        "forge-url",
        "working-directory",
        "dry-run",
        "ask-all",
        "verbose",
    ] {
        let ran = scene.runner().run(&[(name, evil)]);
        assert!(ran.failed, "{name}: {ran:?}");
        assert!(!ran.log.lines().any(|line| line.trim_start().starts_with("::set-output")), "{name}: {}", ran.log);
    }
    let order = [("command", "rollback"), ("environment", "dev"), ("image", "web"), ("reason", evil)];
    for (name, _) in &order[1..] {
        let mut given = order;
        given.iter_mut().filter(|(other, _)| other == name).for_each(|(_, value)| *value = evil);
        assert!(scene.runner().run(&given).failed);
    }
    assert!(!scene.work.join("pwned").exists() && !scene.world.scratch.path("pwned").exists());
    let mistaken = scene.runner().run(&[("command", "plan"), ("reason", "because")]);
    assert!(mistaken.log.contains("reason is for promote and rollback, and not for plan"), "{}", mistaken.log);
    for command in ["plan", "check"] {
        let mistaken = scene.runner().run(&[("command", command), ("branch", "main")]);
        let says = format!("branch is for run and promote and rollback, and not for {command}");
        assert!(mistaken.failed && mistaken.log.contains(&says), "{}", mistaken.log);
    }
    for input in [("forge", "gitea"), ("forge-url", "https://git.acme.example")] {
        let mistaken = scene.runner().run(&[("command", "check"), input]);
        let says = "are for check where permissions is true";
        assert!(mistaken.failed && mistaken.log.contains(says), "{}", mistaken.log);
    }
}

#[test]
fn a_value_that_the_program_refuses_is_an_annotation_and_no_line_of_its_own() {
    let scene = Scene::new();
    let order = [("command", "promote"), ("environment", "dev"), ("image", "ghcr.io/acme/web:1.5.0")];
    let refused = [
        vec![("command", "plan"), ("at", "::warning::odd")],
        vec![("forge", "::warning::odd")],
        [&order[..], &[("publish", "::warning::odd")]].concat(),
    ];
    for inputs in refused {
        let ran = scene.runner().run(&inputs);
        assert!(ran.failed && ran.output("exit-code") == "2", "{ran:?}");
        let told: Vec<&str> = ran.log.lines().filter(|line| line.contains("odd")).collect();
        assert!(matches!(&told[..], [one] if one.starts_with("::error title=tagboat::")), "{}", ran.log);
    }
}

#[test]
fn a_token_of_several_lines_is_masked_line_by_line_and_refused() {
    let scene = Scene::new();
    for token in ["f1rst%\ns3cond", "f1rst%\r\ns3cond\n", "f1rst%\rs3cond"] {
        let ran = scene.runner().run(&[("token", token)]);
        assert!(ran.failed && ran.log.contains("token holds a line break"), "{ran:?}");
        let told: Vec<&str> =
            ran.log.lines().filter(|line| line.contains("f1rst") || line.contains("s3cond")).collect();
        assert_eq!(told, ["::add-mask::f1rst%25", "::add-mask::s3cond"], "{}", ran.log);
    }
}

#[test]
fn outputs_can_be_read_whatever_the_command_was_and_however_it_ended() {
    let scene = Scene::new();
    let ended = [
        scene.runner().run(&[("command", "check")]),
        scene.runner().run(&[("command", "plan"), ("at", "never")]),
        scene.runner().run(&[("command", "plan"), ("service", "no-such.yaml")]),
        scene.runner().run(&[("command", "nonsense")]),
        scene.runner().run(&[("binary", "/no/such/program")]),
    ];
    let codes: Vec<&str> = ended.iter().map(|ran| ran.output("exit-code")).collect();
    assert_eq!(codes, ["0", "2", "2", "2", "1"]);
    for ran in &ended {
        assert_eq!((ran.output("changed"), ran.output("pull-request-operation")), ("false", "none"));
        for list in ["updates", "pull-requests", "held", "waiting"] {
            assert_eq!(ran.json(list), serde_json::json!([]), "{list}: {ran:?}");
        }
    }
    assert_eq!(ended[0].updates, "[]\n", "a list in the file, too");
    let planned = scene.runner().run(&[("command", "plan")]).passed();
    let updates: Value = serde_json::from_str(&planned.updates).unwrap();
    assert!(updates.as_array().is_some_and(|updates| updates.len() == 2) && updates == planned.json("updates"));
}

#[test]
fn rolls_back_and_promotes_as_a_person_orders() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let bare = world.repository("acme/web:1.4.0");
    world.run_on(&bare, &[]).ended(0);
    let work = world.scratch.path("work");
    bare.git(&["clone", "--quiet", &format!("file://{}", bare.folder.display()), &work.display().to_string()]);
    let web = format!("{}/acme/web", world.registry.host());
    let runner = Runner::new(&world, &work);
    let back = [("command", "rollback"), ("environment", "dev"), ("image", web.as_str()), ("reason", "a; b $(c) `d`")];
    let back = runner.run(&back).passed();
    assert_eq!(bare.show("main", "dev/web.yaml"), world.deployment("acme/web:1.4.0").into_bytes());
    assert!(bare.git(&["log", "-1", "--format=%B", "main"]).contains("Tagboat-Reason: a; b $(c) `d`"));
    assert_eq!(back.output("changed"), "true");
    world.push("acme/web", "1.6.0");
    let version = format!("{web}:1.6.0");
    let before = commits(&bare);
    let forth =
        [("command", "promote"), ("environment", "dev"), ("image", version.as_str()), ("skip", "soak, windows")];
    runner.run(&[&forth[..], &[("now", "true"), ("reason", "it is mended")]].concat()).passed();
    assert_eq!(bare.show("main", "dev/web.yaml"), world.deployment("acme/web:1.6.0").into_bytes());
    assert_eq!(commits(&bare), before + 1);
}

/// Packs the binary as a release does, and serves it with its list of checksums.
fn release(world: &World, version: &str) -> (String, String) {
    let name = format!("tagboat-{version}-x86_64-unknown-linux-gnu");
    let folder = world.scratch.path(&name);
    std::fs::create_dir(&folder).unwrap();
    // Stands for the binary: what is installed is what is started.
    std::fs::write(folder.join("tagboat"), "#!/bin/sh\necho released; echo exit=0\n").unwrap();
    let archive = world.scratch.path(&format!("{name}.tar.gz"));
    let packed =
        Command::new("tar").arg("-czf").arg(&archive).arg("-C").arg(world.scratch.path("")).arg(&name).output();
    assert!(packed.unwrap().status.success());
    let sum = Command::new("sha256sum").arg(&archive).output().unwrap();
    let sum = String::from_utf8(sum.stdout).unwrap().split(' ').next().unwrap().to_owned();
    let list = format!("{sum}  {name}.tar.gz\n");
    let bytes = std::fs::read(&archive).unwrap();
    let base = format!("/acme/tagboat/releases/download/v{version}");
    let router = Router::new()
        .route(&format!("{base}/{name}.tar.gz"), axum::routing::get(move || std::future::ready(bytes.clone())))
        .route(&format!("{base}/SHA256SUMS"), axum::routing::get(move || std::future::ready(list.clone())));
    (serve(router), sum)
}

#[test]
fn installs_a_release_only_with_the_right_checksum() {
    let world = World::new();
    let (server, sum) = release(&world, "9.8.7");
    let mut runner = Runner::new(&world, &world.tree()).with("GITHUB_SERVER_URL", server);
    runner.repository = "acme/tagboat";
    let install = |inputs: &[(&str, &str)]| runner.as_written(&inputs.iter().copied().collect());
    for inputs in [&[("version", "9.8.7")][..], &[("version", "9.8.7"), ("checksum", &sum.to_uppercase())]] {
        assert!(install(inputs).passed().log.contains("released"));
    }
    let wrong = install(&[("version", "9.8.7"), ("checksum", &"0".repeat(64))]);
    assert!(wrong.failed && wrong.log.contains("is not what its checksum says"), "{wrong:?}");
    let elsewhere = Runner { variables: runner.variables.clone(), ..Runner::new(&world, &world.tree()) };
    let elsewhere = elsewhere.with("GITHUB_SERVER_URL", "https://ghes.example".to_owned());
    let address =
        format!("{}/acme/tagboat", runner.variables.iter().find(|(name, _)| *name == "GITHUB_SERVER_URL").unwrap().1);
    let named = elsewhere.as_written(&BTreeMap::from([("version", "9.8.7"), ("releases", address.as_str())]));
    assert!(named.passed().log.contains("released"), "from where it is said that releases are");
    for address in ["file:///etc", "https://git.example/acme/tagboat?x=1", "https://user@git.example/acme/tagboat"] {
        let refused = install(&[("version", "9.8.7"), ("releases", address)]);
        assert!(refused.failed && refused.log.contains("is not as https://"), "{refused:?}");
    }
    let missing = install(&[("version", "9.8.6")]);
    assert!(missing.failed && missing.log.contains("is 9.8.6 a release?"), "{missing:?}");
    let evil = install(&[("version", "9.8.7/../../$(touch pwned)")]);
    assert!(evil.failed && evil.log.contains("version: "), "{evil:?}");
    let arm = Runner { variables: runner.variables.clone(), ..Runner::new(&world, &world.tree()) };
    let unknown = arm.with("RUNNER_OS", "Plan9".to_owned()).as_written(&BTreeMap::from([("version", "9.8.7")]));
    assert!(unknown.failed && unknown.log.contains("there is no release for Plan9"), "{unknown:?}");
}

#[test]
fn a_reason_from_outside_starts_no_command_in_the_log() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    world.write("dev/web.yaml", world.deployment("acme/web:1.4.0"));
    // A name that a person chose shows in the log as it is.
    let mut odd = std::fs::File::create(world.tree().join("::add-mask::e.yaml")).unwrap();
    odd.write_all(b"image: [half\n").unwrap();
    let planned = Runner::new(&world, &world.tree()).run(&[("command", "plan"), ("verbose", "true")]).passed();
    let lines: Vec<&str> = planned.log.lines().map(str::trim_start).collect();
    let stopped = lines.iter().position(|line| line.starts_with("::stop-commands::")).unwrap();
    let nonce = lines[stopped].trim_start_matches("::stop-commands::");
    let resumed = lines.iter().position(|line| *line == format!("::{nonce}::")).unwrap();
    for (index, line) in lines.iter().enumerate().filter(|(_, line)| line.starts_with("::add-mask::e")) {
        assert!(stopped < index && index < resumed, "{line}");
    }
    assert!(planned.log.contains("::add-mask::e.yaml"), "{}", planned.log);
}
