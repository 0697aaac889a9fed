//! The service beside Debian's `docker-registry`, which tells it by itself of what is pushed.

use std::io::{BufRead as _, BufReader};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crate::program::{Scene, command, config, manifest};
use crate::support::{DockerRegistry, Kind};

const CREATED: &str = "2026-11-01T08:00:00Z";

/// An address that is known before whoever listens behind it.
struct Door {
    host: String,
    behind: Arc<OnceLock<String>>,
}

impl Door {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let behind = Arc::new(OnceLock::new());
        let leads_to = Arc::clone(&behind);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (client, leads_to): (_, Arc<OnceLock<String>>) = (client.unwrap(), Arc::clone(&leads_to));
                std::thread::spawn(move || {
                    let server = TcpStream::connect(leads_to.wait()).unwrap();
                    let mut there = (client.try_clone().unwrap(), server.try_clone().unwrap());
                    // A connection that ends in the middle is the registry's to tell.
                    std::thread::spawn(move || drop(std::io::copy(&mut there.0, &mut there.1)));
                    let (mut client, mut server) = (client, server);
                    drop(std::io::copy(&mut server, &mut client));
                });
            }
        });
        Self { host, behind }
    }
}

/// The running service, and the lines of its log.
struct Service {
    child: Child,
    lines: Receiver<serde_json::Value>,
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Service {
    fn start(scene: &Scene, configuration: &str) -> Self {
        let file = scene.folder.path().join("service.yaml");
        std::fs::write(&file, configuration).unwrap();
        let mut program = command(env!("CARGO_BIN_EXE_tagboat"), scene.folder.path());
        program.args(["serve", "--log-format", "json", "--config"]).arg(file).current_dir(scene.folder.path());
        let mut child = program.stderr(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            let mut parsed = log.lines().map_while(Result::ok).filter_map(|line| serde_json::from_str(&line).ok());
            parsed.try_for_each(|line| sender.send(line))
        });
        Self { child, lines }
    }

    /// Waits for a line that fits, for a minute at most.
    fn wait(&self, message: &str, fits: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
        let (mut seen, ends) = (Vec::new(), Instant::now() + Duration::from_secs(60));
        loop {
            let line = self.lines.recv_timeout(ends.saturating_duration_since(Instant::now()));
            let line = line.unwrap_or_else(|error| panic!("no line `{message}`: {error}: {seen:#?}"));
            if line["message"] == message && fits(&line) {
                return line;
            }
            seen.push(line);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pushed_to_a_registry_that_notifies_is_committed_without_waiting_for_the_schedule() {
    let door = Door::new();
    let notifies = format!("http://{}/hooks/distribution", door.host);
    let registry = DockerRegistry::of(Kind { notifies: Some((&notifies, "hush")), ..Kind::default() });
    registry.push("acme/web", "1.4.0", CREATED).await;
    let host = registry.host();
    let scene = Scene::with(&[(".tagboat.yaml", config(host, "")), ("dev/web.yaml", manifest(host, "1.4.0"))]);
    std::fs::write(scene.folder.path().join("secret"), "hush\n").unwrap();
    let service = Service::start(
        &scene,
        &format!(
            "version: 1\nlisten: 127.0.0.1:0\nschedule: every 24h\nwebhooks: [{{source: distribution, secretFile: secret}}]\nrepositories: [{{url: '{}', branch: main}}]\n",
            scene.folder.path().join("bare.git").display()
        ),
    );
    let address = service.wait("listening", |_| true)["address"].as_str().unwrap().to_owned();
    service.wait("pass", |pass| pass["commits"] == 0);
    door.behind.set(address).unwrap();
    registry.push("acme/web", "1.5.0", CREATED).await;
    let pass = service.wait("pass", |pass| pass["commits"] == 1);
    assert_eq!(pass["cause"], "webhook", "{pass}");
    let held = scene.git(&["-C", "bare.git", "show", "main:dev/web.yaml"]);
    assert_eq!(String::from_utf8(held).unwrap(), manifest(host, "1.5.0"));
}
