//! The whole program between Debian's `docker-registry` and a real bare repository.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use tempfile::TempDir;

use crate::support::{DockerRegistry, Login, PASSWORD, USER};

const CREATED: &str = "2026-11-01T08:00:00Z";

/// Stands before a registry, hands everything on, and keeps each request's first line.
struct Recorder {
    host: String,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Recorder {
    /// Starts before the registry at `behind`; ends with the test's process.
    fn before(behind: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (behind, kept) = (behind.to_owned(), Arc::clone(&lines));
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (client, behind, kept) = (client.unwrap(), behind.clone(), Arc::clone(&kept));
                // A connection that ends in the middle is the client's to tell.
                std::thread::spawn(move || drop(hand_on(client, &behind, &kept)));
            }
        });
        Self { host, lines }
    }

    /// Takes the requests so far, `GET /path`.
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.lines.lock().unwrap())
    }
}

/// Hands requests on, one connection behind for each one here; requests to be handed on have no body.
fn hand_on(mut client: TcpStream, behind: &str, kept: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut server = TcpStream::connect(behind)?;
    let mut answers = (server.try_clone()?, client.try_clone()?);
    std::thread::spawn(move || std::io::copy(&mut answers.0, &mut answers.1));
    let mut requests = BufReader::new(client.try_clone()?.take(1 << 20));
    let mut is_first = true;
    loop {
        let mut line = String::new();
        if requests.read_line(&mut line)? == 0 {
            return client.shutdown(std::net::Shutdown::Both).and(client.flush());
        }
        if is_first {
            let words: Vec<&str> = line.split_whitespace().take(2).collect();
            kept.lock().unwrap().push(words.join(" "));
        }
        is_first = line == "\r\n";
        server.write_all(line.as_bytes())?;
    }
}

#[expect(clippy::disallowed_methods, reason = "these tests are about real programs")]
pub(crate) fn command(program: &str, home: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().stdin(Stdio::null()).env("PATH", std::env::var_os("PATH").unwrap_or_default());
    for (name, value) in [("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_CONFIG_GLOBAL", "/dev/null")] {
        command.env(name, value);
    }
    for who in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{who}_NAME"), "A Person").env(format!("GIT_{who}_EMAIL"), "person@acme.example");
    }
    command.env("HOME", home);
    command
}

/// A bare repository, and the program with a home of its own.
pub(crate) struct Scene {
    pub(crate) folder: TempDir,
}

impl Scene {
    /// Makes the repository, its branch `main` with these files.
    pub(crate) fn with(files: &[(&str, String)]) -> Self {
        let scene = Self { folder: tempfile::tempdir().unwrap() };
        for (path, text) in files {
            let path = scene.folder.path().join("work").join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        scene.git(&["init", "--quiet", "--bare", "--initial-branch=main", "bare.git"]);
        scene.git(&["init", "--quiet", "--initial-branch=main", "work"]);
        scene.git(&["-C", "work", "add", "--all"]);
        scene.git(&["-C", "work", "commit", "--quiet", "--message", "Begin"]);
        scene.git(&["-C", "work", "push", "--quiet", "../bare.git", "main"]);
        scene
    }

    /// Runs `git` and returns the bytes that it printed.
    pub(crate) fn git(&self, arguments: &[&str]) -> Vec<u8> {
        let output =
            command("git", self.folder.path()).args(arguments).current_dir(self.folder.path()).output().unwrap();
        assert!(output.status.success(), "git {arguments:?}: {output:?}");
        output.stdout
    }

    fn commits(&self) -> String {
        let printed = self.git(&["-C", "bare.git", "log", "--reverse", "--format=%s", "main"]);
        String::from_utf8(printed).unwrap()
    }

    /// Runs a pass; returns the exit code with everything printed.
    fn run(&self, further: &[&str]) -> (Option<i32>, String) {
        let mut program = command(env!("CARGO_BIN_EXE_tagboat"), self.folder.path());
        program.args(["run", "--repo", "bare.git", "--branch", "main"]).args(further).current_dir(self.folder.path());
        program.env("REGISTRY_USER", USER).env("REGISTRY_PASSWORD", PASSWORD);
        let output = program.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (output.status.code(), text(&output.stdout) + &text(&output.stderr))
    }
}

pub(crate) fn config(host: &str, pin: &str) -> String {
    format!(
        "version: 1
images:
  - match: {host}/**
    semver: minor
{pin}environments:
  - name: dev
    files: [dev/**]
    publish: commit
  - name: prod
    files: [prod/**]
    after: dev
    publish: commit
"
    )
}

/// A manifest as nobody would generate it, with what a tag or digest is replaced by.
pub(crate) fn manifest(host: &str, web: &str) -> String {
    format!(
        "\u{feff}# größe\r\napiVersion: apps/v1\nkind: Deployment\nspec: {{template: {{spec: {{containers: [\n  {{name: web,   image: \"{host}/acme/web:{web}\"}}, # ours\n\t \n  ]}}}}}}"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_pass_commits_exactly_the_new_bytes_and_the_second_nothing() {
    let registry = DockerRegistry::start(Login::Open);
    for tag in ["1.3.0", "1.4.0", "1.5.0", "2.0.0", "latest"] {
        registry.push("acme/web", tag, CREATED).await;
    }
    let recorder = Recorder::before(registry.host());
    let host = &recorder.host;
    let scene = Scene::with(&[
        (".tagboat.yaml", config(host, "")),
        ("dev/web.yaml", manifest(host, "1.4.0")),
        ("prod/web.yaml", manifest(host, "1.4.0")),
        ("notes/web.yaml", manifest(host, "1.4.0")),
    ]);
    let (code, said) = scene.run(&[]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(scene.commits(), "Begin\ndev: update web to 1.5.0\nprod: update web to 1.5.0\n");
    for (file, tag) in [("dev/web.yaml", "1.5.0"), ("prod/web.yaml", "1.5.0"), ("notes/web.yaml", "1.4.0")] {
        let held = scene.git(&["-C", "bare.git", "show", &format!("main:{file}")]);
        assert_eq!(String::from_utf8(held).unwrap(), manifest(host, tag), "{file}");
    }
    assert!(!recorder.take().is_empty(), "the recorder stands in between");

    let (code, said) = scene.run(&[]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(scene.commits().lines().count(), 3);
    let asked = recorder.take();
    let lists: Vec<&String> = asked.iter().filter(|line| line.starts_with("GET /v2/acme/web/tags/list")).collect();
    assert_eq!(lists.len(), 1, "one image, one list: {asked:?}");
    assert!(!asked.iter().any(|line| line.contains("/manifests/") || line.contains("/blobs/")), "{asked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pinned_digest_is_the_registrys_own() {
    let registry = DockerRegistry::start(Login::Htpasswd);
    registry.push("acme/web", "1.4.0", CREATED).await;
    let digest = registry.push("acme/web", "1.5.0", "2026-11-02T08:00:00Z").await;
    let host = registry.host();
    let scene =
        Scene::with(&[(".tagboat.yaml", config(host, "    pin: digest\n")), ("dev/web.yaml", manifest(host, "1.4.0"))]);
    let service = format!(
        "version: 1\nregistries: [{{host: '{host}', auth: {{usernameEnv: REGISTRY_USER, passwordEnv: REGISTRY_PASSWORD}}}}]\n"
    );
    std::fs::write(scene.folder.path().join("service.yaml"), service).unwrap();
    let (code, said) = scene.run(&[]);
    assert_eq!(code, Some(3), "without a login: {said}");
    let (code, said) = scene.run(&["--service", "service.yaml"]);
    assert_eq!(code, Some(0), "{said}");
    let held = scene.git(&["-C", "bare.git", "show", "main:dev/web.yaml"]);
    assert_eq!(String::from_utf8(held).unwrap(), manifest(host, &format!("1.5.0@{digest}")));
    let (code, said) = scene.run(&["--service", "service.yaml", "--dry-run"]);
    assert!(code == Some(0) && said.contains("Nothing to do"), "{said}");
}
