//! `templates/tagboat.yml`, the component of GitLab's CI: its job with the variables of a pipeline, inputs as they are by default.

use std::collections::BTreeMap;
use std::path::Path;

use assert_cmd::Command;
use serde_json::Value;

use crate::program::{Ran, World};

/// The component's inputs with their defaults, and the variables of its job.
fn component() -> (BTreeMap<String, String>, BTreeMap<String, String>) {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(top.join("templates/tagboat.yml")).unwrap();
    let (head, body) = text.split_once("\n---\n").unwrap();
    let head: Value = serde_saphyr::from_str(head).unwrap();
    let body: Value = serde_saphyr::from_str(body).unwrap();
    let defaults = head["spec"]["inputs"].as_object().unwrap().iter();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let defaults = defaults.map(|(name, input)| (name.clone(), text(&input["default"]))).collect();
    let (_, job) = body.as_object().unwrap().iter().find(|(name, _)| !name.starts_with('.')).unwrap();
    assert_eq!(job["script"], serde_json::json!(["tagboat-step"]));
    let variables = job["variables"].as_object().unwrap().iter();
    (defaults, variables.map(|(name, value)| (name.clone(), text(value))).collect())
}

/// Runs the job's script as a runner does: inputs put in, variables of the pipeline expanded, those that are not there as nothing.
fn step(world: &World, inputs: &[(&str, &str)], pipeline: &[(&str, &str)]) -> Ran {
    let (mut given, variables) = component();
    for (name, value) in inputs {
        assert!(given.insert((*name).to_owned(), (*value).to_owned()).is_some(), "no input {name}");
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("action/run.sh");
    let mut command = Command::new("bash");
    command.arg(script).current_dir(world.tree()).env_clear().envs(world.variables());
    let search = world.variables().into_iter().find(|(name, _)| *name == "PATH").unwrap().1;
    let program = Path::new(env!("CARGO_BIN_EXE_tagboat")).parent().unwrap().to_owned();
    let all = std::iter::once(program).chain(std::env::split_paths(&search).collect::<Vec<_>>());
    command.env("PATH", std::env::join_paths(all).unwrap()).envs(pipeline.iter().copied()).env("GITLAB_CI", "true");
    for (name, value) in variables {
        let mut value = value;
        for (input, text) in &given {
            value = value.replace(&format!("$[[ inputs.{input} ]]"), text);
        }
        assert!(!value.contains("$[["), "{name}: {value}");
        for (variable, text) in pipeline {
            value = value.replace(&format!("${variable}"), text);
        }
        if name.starts_with("INPUT_") {
            let nothing = value.starts_with("$CI_");
            command.env(name, if nothing { String::new() } else { value });
        }
    }
    world.finish(&mut command)
}

#[test]
fn what_writes_is_done_one_at_a_time_and_what_looks_waits_for_nobody() {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/tagboat.yml")).unwrap();
    let (head, body) = text.split_once("\n---\n").unwrap();
    let head: Value = serde_saphyr::from_str(head).unwrap();
    let mut alone = Vec::new();
    for command in head["spec"]["inputs"]["command"]["options"].as_array().unwrap() {
        let command = command.as_str().unwrap();
        // As GitLab does: inputs first, then what is extended.
        let body: Value = serde_saphyr::from_str(&body.replace("$[[ inputs.command ]]", command)).unwrap();
        let (_, job) = body.as_object().unwrap().iter().find(|(name, _)| !name.starts_with('.')).unwrap();
        let base = &body[job["extends"].as_str().unwrap()];
        assert!(base.is_object() && job.get("resource_group").is_none(), "{command}: {job}");
        alone.extend((base["resource_group"] == "tagboat").then(|| command.to_owned()));
    }
    assert_eq!(alone, ["run", "promote", "rollback"]);
}

#[test]
fn every_command_of_the_component_works_with_inputs_as_they_are_by_default() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let bare = world.repository("acme/web:1.4.0");
    let url = format!("file://{}", bare.folder.display());
    bare.git(&["clone", "--quiet", &url, &world.tree().display().to_string()]);
    // As GitLab's runners check out: a commit, and no branch.
    crate::support::repository::Repository { folder: world.tree() }.git(&["checkout", "--quiet", "--detach"]);
    let merge_request = [("CI_DEFAULT_BRANCH", "main")];
    let pushed = [("CI_DEFAULT_BRANCH", "main"), ("CI_COMMIT_BRANCH", "main")];
    for pipeline in [&merge_request[..], &pushed] {
        step(&world, &[("command", "check")], pipeline).ended(0);
        let planned = step(&world, &[("command", "plan")], pipeline).ended(0);
        assert!(planned.out.contains("1.5.0"), "{planned:?}");
    }
    step(&world, &[("command", "run")], &pushed).ended(0);
    assert!(bare.git(&["show", "main:dev/web.yaml"]).contains("acme/web:1.5.0"));
    let web = format!("{}/acme/web", world.registry.host());
    let order = [("environment", "dev"), ("reason", "it is slow")];
    step(&world, &[&order[..], &[("command", "rollback"), ("version", &web)]].concat(), &pushed).ended(0);
    assert!(bare.git(&["show", "main:dev/web.yaml"]).contains("acme/web:1.4.0"));
    let held = format!("{web}:1.5.0");
    let held = step(&world, &[&order[..], &[("command", "promote"), ("version", &held)]].concat(), &pushed).ended(1);
    assert!(held.err.contains("hint: `tagboat release 127.0.0.1:50000/acme/web:1.5.0` first"), "{held:?}");
    world.push("acme/web", "1.6.0");
    let version = format!("{web}:1.6.0");
    step(&world, &[&order[..], &[("command", "promote"), ("version", &version), ("now", "true")]].concat(), &pushed)
        .ended(0);
    assert!(bare.git(&["show", "main:dev/web.yaml"]).contains("acme/web:1.6.0"));
    for (ask_all, code) in [("true", 0), ("false", 0), ("perhaps", 2)] {
        step(&world, &[("command", "run"), ("ask-all", ask_all)], &pushed).ended(code);
    }
    let mistaken = step(&world, &[("command", "plan"), ("ask-all", "true")], &pushed).ended(2);
    assert!(mistaken.err.contains("ask-all is for run, and not for plan"), "{mistaken:?}");
    // A branch that is given is for those alone that push.
    let mistaken = step(&world, &[("command", "check"), ("branch", "main")], &pushed).ended(2);
    assert!(mistaken.err.contains("branch is for run and promote and rollback"), "{mistaken:?}");
}
