//! The whole program: the real binary against real Git and the registry of this process.

mod action;
mod ages;
mod apps;
mod asking;
mod attacks;
mod board;
mod branches;
mod cache;
mod check_registries;
mod checkouts;
mod commands;
mod component;
mod configuration;
mod delivered;
mod demo;
mod elsewhere;
mod enduring;
mod environments;
mod explained;
mod forge_clients;
mod forges;
mod github;
mod heads;
mod hidden;
mod holds;
mod hooks;
mod life;
mod manifests;
mod named_forges;
mod notify;
mod orders;
mod proposed_holds;
mod record;
mod recorded;
mod registries;
mod replicas;
mod rescans;
mod run;
mod secrets;
mod serve;
mod signatures;
mod signing;
mod snapshot;
mod streams;
mod together;
mod tokens;
mod told;
mod transport;
mod turns;
mod update;
mod watching;

use std::path::PathBuf;

use assert_cmd::Command;
use serde_json::Value;

use crate::support::registry::FakeRegistry;
use crate::support::repository::{Repository, Scratch, contents, search_path};

/// What one call of the program came to.
#[derive(Debug)]
struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl Ran {
    /// Returns the result as JSON.
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Fails the test unless it ended with this code.
    #[track_caller]
    fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        self
    }
}

/// A folder, a registry in it, and the program with an environment of its own.
struct World {
    scratch: Scratch,
    registry: FakeRegistry,
}

impl World {
    /// Starts with an empty registry and an empty folder `tree`.
    fn new() -> Self {
        let world = Self { scratch: Scratch::new(), registry: FakeRegistry::launch() };
        std::fs::create_dir(world.tree()).unwrap();
        world
    }

    /// Starts with these tags of `acme/web` in the registry.
    fn with_web(tags: &[&str]) -> Self {
        let world = Self::new();
        tags.iter().for_each(|tag| world.push("acme/web", tag));
        world
    }

    fn push(&self, repository: &str, tag: &str) {
        self.registry.push(repository, tag, "2026-11-01T08:00:00Z");
    }

    /// Returns the folder that most tests work on.
    fn tree(&self) -> PathBuf {
        self.scratch.path("tree")
    }

    /// Writes a file of that folder.
    fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.tree().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// Reads a file of that folder.
    fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.tree().join(path)).unwrap()
    }

    /// Writes a file beside that folder, and returns its path as an argument.
    fn beside(&self, name: &str, content: &str) -> String {
        let path = self.scratch.path(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    }

    /// Makes a named pipe beside that folder.
    #[expect(clippy::disallowed_methods, reason = "pipes are made by the system's program")]
    fn pipe(&self, name: &str) -> PathBuf {
        let path = self.scratch.path(name);
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        path
    }

    /// Returns a Deployment whose one image is this of the registry's.
    fn deployment(&self, image: &str) -> String {
        deployment(&format!("{}/{image}", self.registry.host()))
    }

    /// Makes a bare repository with the usual configuration, and a Deployment in `dev`.
    fn repository(&self, image: &str) -> Repository {
        let (config, web) = (self.config(), self.deployment(image));
        self.scratch.bare("manifests.git", &[(".tagboat.yaml", &config), ("dev/web.yaml", &web)])
    }

    /// Returns a configuration that follows everything in the registry, with the one environment `dev`.
    fn config(&self) -> String {
        config(&self.registry.host())
    }

    /// Returns the program with its arguments, in the folder `tree`.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tagboat"));
        command.args(arguments).current_dir(self.tree()).env_clear().envs(self.variables());
        command
    }

    /// Returns the variables that the program sees: none of the test's but the search path.
    fn variables(&self) -> Vec<(&'static str, std::ffi::OsString)> {
        let folder = |name: &str| self.scratch.path(name).into_os_string();
        vec![
            ("PATH", search_path()),
            ("HOME", folder("home")),
            ("XDG_CACHE_HOME", folder("cache")),
            ("DOCKER_CONFIG", folder("docker")),
        ]
    }

    /// Runs the program; the registry's port, which differs each time, shows as 50000.
    fn tagboat(&self, arguments: &[&str]) -> Ran {
        self.finish(&mut self.command(arguments))
    }

    /// Runs a prepared call.
    fn finish(&self, command: &mut Command) -> Ran {
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().replace(&self.registry.host(), "127.0.0.1:50000");
        Ran { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Runs a pass on a bare repository's branch `main`.
    fn run_on(&self, repository: &Repository, further: &[&str]) -> Ran {
        let folder = repository.folder.display().to_string();
        self.tagboat(&[&["run", "--repo", &folder, "--branch", "main"], further].concat())
    }
}

/// Returns a configuration that follows everything of a host, with the one environment `dev`.
fn config(host: &str) -> String {
    format!(
        "version: 1\nimages:\n  - match: {host}/**\n    semver: minor\nenvironments:\n  - name: dev\n    files: [dev/**]\n    publish: commit\n"
    )
}

/// Returns a Deployment with one image, and a comment beside it.
pub(crate) fn deployment(image: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web}}\nspec:\n  template:\n    spec:\n      containers:\n        - name: web\n          image: {image}  # ours\n"
    )
}

/// Returns the number of commits on a branch.
fn commits(repository: &Repository) -> usize {
    repository.git(&["rev-list", "--count", "main"]).parse().unwrap()
}

/// Fails the test unless an object has exactly these fields.
#[track_caller]
fn has_fields(value: &Value, fields: &str) {
    let mut expected: Vec<&str> = fields.split_whitespace().collect();
    expected.sort_unstable();
    let mut found: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    found.sort_unstable();
    assert_eq!(found, expected);
}
