//! `serve`: the real program against real repositories, a registry, signals and webhooks.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tagboat::clock::{Clock as _, SystemClock};

use crate::program::{World, commits};
use crate::support::repository::Repository;

/// How long anything may take before a test gives up.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// A service that runs; it is killed when it is dropped.
pub(super) struct Service {
    child: Child,
    lines: Receiver<Value>,
    /// Everything that it wrote so far.
    log: Arc<Mutex<String>>,
    pub(super) address: String,
    file: String,
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Service {
    /// Starts it with a configuration, to which the version and where to listen are added.
    pub(super) fn start(world: &World, configuration: &str) -> Self {
        Self::start_with(world, configuration, &[])
    }

    /// Starts it with further variables.
    pub(super) fn start_with(world: &World, configuration: &str, variables: &[(&str, &str)]) -> Self {
        Self::start_by(world, configuration, variables, &["--log-format", "json"])
    }

    /// Starts it with further variables and arguments.
    pub(super) fn start_by(world: &World, configuration: &str, variables: &[(&str, &str)], arguments: &[&str]) -> Self {
        Self::start_as(world, "service", configuration, variables, arguments)
    }

    /// Starts one of several, whose files have a name of their own.
    #[expect(clippy::disallowed_methods, reason = "a service runs beside the test, until it is told to stop")]
    pub(super) fn start_as(
        world: &World,
        name: &str,
        configuration: &str,
        variables: &[(&str, &str)],
        arguments: &[&str],
    ) -> Self {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tagboat"));
        command.arg("serve").args(arguments).env_clear().envs(world.variables()).envs(variables.iter().copied());
        Self::spawn(world, name, configuration, command)
    }

    /// Starts it where no file may be longer than so many blocks of 512 bytes. Whoever writes more gets an error.
    #[expect(clippy::disallowed_methods, reason = "the shell sets the limit")]
    pub(super) fn start_limited(world: &World, configuration: &str, blocks: u32) -> Self {
        let mut command = std::process::Command::new("/bin/sh");
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
        command.args(["-c", &script, env!("CARGO_BIN_EXE_tagboat"), "serve"]).env_clear().envs(world.variables());
        Self::spawn(world, "service", configuration, command)
    }

    fn spawn(world: &World, name: &str, configuration: &str, mut command: std::process::Command) -> Self {
        let file = world.beside(&format!("{name}.yaml"), &whole(configuration));
        command.args(["--config", &file]).current_dir(world.tree()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (sender, lines) = channel();
        let err = BufReader::new(child.stderr.take().unwrap());
        let log = Arc::new(Mutex::new(String::new()));
        let written = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in err.lines().map_while(Result::ok) {
                written.lock().unwrap().push_str(&format!("{line}\n"));
                let line = serde_json::from_str(&line).unwrap_or(Value::String(line));
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let mut service = Self { child, lines, log, address: String::new(), file };
        service.address = service.wait("listening")["address"].as_str().unwrap().to_owned();
        service
    }

    /// Waits for a line of its log that says this, and fits.
    #[track_caller]
    pub(super) fn wait_for(&self, message: &str, fits: impl Fn(&Value) -> bool) -> Value {
        self.wait_for_line(message, |line| line["message"] == message && fits(line))
    }

    /// Waits for a line of its log that fits, which may be a text.
    #[track_caller]
    pub(super) fn wait_for_line(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let mut seen = Vec::new();
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) if fits(&line) => return line,
                Ok(line) => seen.push(line),
                Err(error) => panic!("no line `{what}`: {error}: {seen:#?}"),
            }
        }
    }

    /// Returns everything that it wrote so far.
    pub(super) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Returns how much memory it holds, in kilobytes.
    pub(super) fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let row = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        row.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Returns the variables that it runs with.
    fn variables(&self) -> String {
        let bytes = std::fs::read(format!("/proc/{}/environ", self.child.id())).unwrap();
        String::from_utf8_lossy(&bytes).replace('\0', "\n")
    }

    #[track_caller]
    pub(super) fn wait(&self, message: &str) -> Value {
        self.wait_for(message, |_| true)
    }

    /// Returns the lines that came meanwhile.
    pub(super) fn lines(&self) -> Vec<Value> {
        self.lines.try_iter().collect()
    }

    /// Kills it at once, as `kill -9` does.
    pub(super) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends a request; returns status and body.
    pub(super) fn ask(&self, request: &str, headers: &[&str], body: &[u8]) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut head = format!("{request} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.address);
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        headers.iter().for_each(|header| head.push_str(&format!("{header}\r\n")));
        head.push_str("\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        // One that has its answer already reads no further.
        drop(stream.write_all(body));
        let mut answer = Vec::new();
        drop(stream.read_to_end(&mut answer));
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer}"));
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    pub(super) fn get(&self, path: &str) -> (u16, String) {
        self.ask(&format!("GET {path}"), &[], b"")
    }

    pub(super) fn post(&self, path: &str, body: &str) -> u16 {
        self.ask(&format!("POST {path}"), &[], body.as_bytes()).0
    }

    /// Sends bytes as they are; returns what comes back until the other side closes.
    pub(super) fn raw(&self, request: &str) -> String {
        raw(self, request.as_bytes())
    }

    /// Asks for a stream; returns its lines as they come.
    pub(super) fn listen(&self, path: &str) -> impl Iterator<Item = String> + use<> {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.address).unwrap();
        BufReader::new(stream).lines().map_while(Result::ok)
    }

    /// Returns every number of `/metrics` by its series.
    pub(super) fn metrics(&self) -> BTreeMap<String, f64> {
        let (status, text) = self.ask("GET /metrics", &["Accept: application/openmetrics-text"], b"");
        assert_eq!(status, 200);
        let text = text.strip_suffix("# EOF\n").unwrap_or_else(|| panic!("it is cut short: {text}"));
        let rows = text.lines().filter(|line| !line.starts_with('#'));
        rows.map(|row| {
            let (series, number) = row.rsplit_once(' ').unwrap();
            (series.to_owned(), number.parse().unwrap_or_else(|_| panic!("no number: {row}")))
        })
        .collect()
    }

    #[expect(clippy::disallowed_methods, reason = "signals are sent by the real program")]
    pub(super) fn signal(&self, name: &str) {
        let sent = std::process::Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Writes another configuration in its place, at once.
    pub(super) fn configure(&self, configuration: &str) {
        let fresh = format!("{}.fresh", self.file);
        std::fs::write(&fresh, whole(configuration)).unwrap();
        std::fs::rename(fresh, &self.file).unwrap();
    }

    /// Returns the lines of its log from now to its end.
    #[track_caller]
    pub(super) fn until_stopped(&self) -> Vec<Value> {
        let mut seen = Vec::new();
        loop {
            let line = self.lines.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("{error}: {seen:#?}"));
            seen.push(line);
            if seen.last().is_some_and(|line| line["message"] == "stopped") {
                return seen;
            }
        }
    }

    /// Returns the exit code, once it has ended.
    pub(super) fn code(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    /// Stops it; returns everything that it logged.
    pub(super) fn stop(self) -> String {
        self.signal("-TERM");
        self.wait("stopped");
        self.log()
    }

    /// Waits for its end; returns the exit code.
    pub(super) fn end(mut self) -> Option<i32> {
        self.wait("stopped");
        self.child.wait().unwrap().code()
    }
}

fn whole(configuration: &str) -> String {
    format!("version: 1\nlisten: 127.0.0.1:0\n{configuration}")
}

/// Returns the row of `repositories` for a bare repository.
pub(super) fn row(repository: &Repository) -> String {
    format!("  - {{url: \"{}\", branch: main}}\n", repository.folder.display())
}

/// Returns a configuration with generic webhooks, whose secret is `hush`.
pub(super) fn with_hooks(world: &World, schedule: &str, repositories: &[&Repository]) -> String {
    if !world.scratch.path("hook").exists() {
        world.beside("hook", "hush\n");
    }
    let rows: String = repositories.iter().map(|repository| row(repository)).collect();
    format!("schedule: {schedule}\nwebhooks: [{{source: generic, secretFile: hook}}]\nrepositories:\n{rows}")
}

fn has_commits(count: u64) -> impl Fn(&Value) -> bool {
    move |line| line["commits"] == count
}

#[test]
fn lands_what_the_schedule_finds_again_and_again() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let remote = world.repository("acme/web:1.4.0");
    let service = Service::start(&world, &format!("schedule: every 1s\nrepositories:\n{}", row(&remote)));
    let first = service.wait_for("pass", has_commits(1));
    assert_eq!((first["result"].as_str(), first["cause"].as_str()), (Some("done"), Some("start")), "{first}");
    assert_eq!(first["repository"], remote.folder.display().to_string());
    assert_eq!(remote.show("main", "dev/web.yaml"), world.deployment("acme/web:1.5.0").into_bytes());
    world.push("acme/web", "1.6.0");
    let later = service.wait_for("pass", has_commits(1));
    assert_eq!(later["cause"], "schedule", "{later}");
    assert_eq!(remote.show("main", "dev/web.yaml"), world.deployment("acme/web:1.6.0").into_bytes());
    assert_eq!(commits(&remote), 3);
}

#[test]
fn a_webhook_hastens_a_pass_for_whoever_knows_the_secret() {
    let world = World::with_web(&["1.4.0"]);
    let remote = world.repository("acme/web:1.4.0");
    let service = Service::start(&world, &with_hooks(&world, "every 24h", &[&remote]));
    service.wait("pass");
    world.push("acme/web", "1.5.0");
    let body = format!(r#"{{"image": "{}/acme/web:1.5.0"}}"#, world.registry.host());
    let large = "x".repeat((1 << 20) + 1);
    assert_eq!(service.post("/hooks/generic", &body), 401);
    assert_eq!(service.post("/hooks/generic/guess", &body), 401);
    assert_eq!(service.post("/hooks/dockerhub/hush", &body), 404);
    assert_eq!(service.post("/hooks/nobody/hush", &body), 404);
    assert_eq!(service.post("/hooks/generic/hush", &large), 413);
    assert_eq!(service.get("/hooks/generic/hush").0, 405);
    // Nobody follows this one.
    assert_eq!(service.post("/hooks/generic/hush", r#"{"image": "ghcr.io/acme/other"}"#), 202);
    let told = service.wait("a webhook came");
    assert_eq!(told["repositories"], 0, "{told}");
    for _ in 0..20 {
        assert_eq!(service.post("/hooks/generic/hush", &body), 202);
    }
    let pass = service.wait("pass");
    assert_eq!((pass["cause"].as_str(), pass["commits"].as_u64()), (Some("webhook"), Some(1)), "{pass}");
    assert_eq!(commits(&remote), 2);
    let metrics = service.metrics();
    assert_eq!(metrics["tagboat_webhooks_total{source=\"generic\",result=\"taken\"}"], 21.0);
    assert_eq!(metrics["tagboat_webhooks_total{source=\"generic\",result=\"refused\"}"], 2.0);
    assert_eq!(metrics["tagboat_webhooks_total{source=\"generic\",result=\"too_large\"}"], 1.0);
    assert_eq!(metrics["tagboat_webhooks_total{source=\"other\",result=\"unknown\"}"], 2.0);
    assert!(!service.get("/metrics").1.contains("hush"));
}

#[test]
fn a_burst_of_webhooks_is_one_pass() {
    let world = World::with_web(&["1.4.0"]);
    let remote = world.repository("acme/web:1.4.0");
    let service = Service::start(&world, &with_hooks(&world, "every 24h", &[&remote]));
    service.wait("pass");
    let before = world.registry.requests().tags;
    // The first pass is over for less than the second in which webhooks are merged, or one more pass runs for that.
    (0..200).for_each(|_| assert_eq!(service.post("/hooks/generic/hush", ""), 202));
    service.wait_for("pass", |line| line["cause"] == "webhook");
    service.signal("-TERM");
    let lists = world.registry.requests().tags - before;
    assert!(lists < 20, "{lists} passes for 200 webhooks");
    assert_eq!(service.end(), Some(0));
}

/// Sends bytes as they are; returns what comes back until the other side closes.
fn raw(service: &Service, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(&service.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // The other side may have had enough before everything was sent.
    drop(stream.write_all(bytes));
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer));
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn what_is_too_large_broken_or_aimed_elsewhere_gets_nowhere() {
    let world = World::with_web(&["1.4.0"]);
    let remote = world.repository("acme/web:1.4.0");
    let service = Service::start(&world, &with_hooks(&world, "every 24h", &[&remote]));
    service.wait("pass");
    let before = world.registry.requests().tags;
    let long = format!("GET /healthz HTTP/1.1\r\nHost: a\r\nX-Long: {}\r\n\r\n", "x".repeat(1 << 20));
    assert!(raw(&service, long.as_bytes()).starts_with("HTTP/1.1 431"));
    assert!(raw(&service, b"\x16\x03\x01 this is TLS\r\n\r\n").starts_with("HTTP/1.1 400"));
    let mut chunked = b"POST /hooks/generic/hush HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..17 {
        chunked.extend(b"10000\r\n");
        chunked.extend([b'x'; 0x10000]);
        chunked.extend(b"\r\n");
    }
    chunked.extend(b"0\r\n\r\n");
    assert!(raw(&service, &chunked).starts_with("HTTP/1.1 413"));
    for path in
        ["/hooks/generic/../generic/x", "/hooks/generic/%2e%2e/hush", "/hooks//hush", "/hooks/generic/hush/more"]
    {
        assert!(matches!(service.post(path, ""), 401 | 404), "{path}");
    }
    // The largest that is read is one of them.
    let most = "[".repeat(1 << 20);
    for body in ["{", "\u{0}", "[[[[", r#"{"image": 7}"#, r#"{"images": [null]}"#, &most] {
        assert_eq!(service.post("/hooks/generic/hush", body), 202, "{} bytes", body.len());
        service.wait("a webhook names nothing to look at");
    }
    let connections: Vec<TcpStream> = (0..100).map(|_| TcpStream::connect(&service.address).unwrap()).collect();
    assert_eq!(service.get("/healthz"), (200, "alive\n".to_owned()));
    drop(connections);
    assert_eq!(world.registry.requests().tags, before, "none of it began a pass");
    assert_eq!(service.metrics()["tagboat_passes_running"], 0.0);
}

#[test]
fn metrics_hold_the_numbers_that_the_registry_counted() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let remote = world.repository("acme/web:1.4.0");
    let missing = world.scratch.path("missing.git").display().to_string();
    let configuration =
        with_hooks(&world, "every 24h", &[&remote]) + &format!("  - {{url: \"{missing}\", branch: main}}\n");
    let service = Service::start(&world, &configuration);
    let mut ends: Vec<String> = (0..2).map(|_| service.wait("pass")["result"].as_str().unwrap().to_owned()).collect();
    ends.sort();
    assert_eq!(ends, ["done", "failed"]);
    let (metrics, counted) = (service.metrics(), world.registry.requests());
    let url = remote.folder.display().to_string();
    let number = |series: String| {
        *metrics.get(&format!("tagboat_{series}")).unwrap_or_else(|| panic!("no {series}: {metrics:#?}"))
    };
    let host = world.registry.host();
    let kind =
        |kind: &str| number(format!("registry_requests_total{{registry=\"{host}\",kind=\"{kind}\",result=\"ok\"}}"));
    assert_eq!((kind("list"), counted.heads + counted.blobs), (counted.tags as f64, 0));
    assert!(counted.tags > 0 && number(format!("registry_received_bytes_total{{registry=\"{host}\"}}")) > 0.0);
    assert_eq!(number(format!("passes_total{{repository=\"{url}\",result=\"done\"}}")), 1.0);
    assert_eq!(number(format!("passes_total{{repository=\"{missing}\",result=\"failed\"}}")), 1.0);
    assert_eq!(number(format!("consecutive_failures{{repository=\"{missing}\"}}")), 1.0);
    assert_eq!(number(format!("commits_total{{repository=\"{url}\"}}")), 1.0);
    assert_eq!(number(format!("changes_total{{repository=\"{url}\"}}")), 1.0);
    assert_eq!(number(format!("proposals{{repository=\"{url}\",action=\"committed\"}}")), 1.0);
    assert!(number(format!("last_success_timestamp_seconds{{repository=\"{url}\"}}")) > 1.7e9);
    assert_eq!(number("pass_duration_seconds_count".to_owned()), 2.0);
    assert_eq!(number("config_last_reload_successful".to_owned()), 1.0);
    assert_eq!((service.get("/healthz").0, service.get("/readyz").0, service.get("/").0), (200, 200, 200));
}

#[test]
fn what_waits_moves_at_its_moment_and_not_by_the_schedule() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let web = world.deployment("acme/web:1.4.0");
    let prod = "  - name: prod\n    files: [prod/**]\n    after: dev\n    publish: commit\n    gates: {soak: 2s}\n";
    let config = world.config() + prod;
    let files = [(".tagboat.yaml", config.as_str()), ("dev/web.yaml", &web), ("prod/web.yaml", &web)];
    let remote = world.scratch.bare("manifests.git", &files);
    let service = Service::start(&world, &format!("schedule: every 24h\nrepositories:\n{}", row(&remote)));
    let first = service.wait("pass");
    assert_eq!((first["commits"].as_u64(), first["waiting"].as_u64()), (Some(1), Some(1)), "{first}");
    let pass = service.wait_for("pass", has_commits(1));
    assert_eq!(pass["cause"], "gate", "{pass}");
    let moment = |value: &Value| value.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert!(moment(&pass["timestamp"]) >= moment(&first["next_move"]), "{first} {pass}");
    let log = remote.git(&["log", "--reverse", "--format=%s", "main"]);
    assert_eq!(log, "Begin\ndev: update web to 1.5.0\nprod: update web to 1.5.0");
}

#[test]
fn what_is_held_until_a_moment_comes_then_and_not_by_the_schedule() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let (config, web) = (world.config(), world.deployment("acme/web:1.4.0"));
    let until = SystemClock.now() + Duration::from_secs(4);
    let holds = format!(
        "version: 1\nholds: [{{image: \"{}/acme/web\", tag: 1.5.0, until: \"{until}\"}}]\n",
        world.registry.host()
    );
    let files = [(".tagboat.yaml", config.as_str()), ("dev/web.yaml", &web), (".tagboat/holds.yaml", &holds)];
    let remote = world.scratch.bare("manifests.git", &files);
    let service = Service::start(&world, &format!("schedule: every 24h\nrepositories:\n{}", row(&remote)));
    let pass = service.wait_for("pass", has_commits(1));
    assert_eq!(pass["cause"], "gate", "{pass}");
    assert!(pass["timestamp"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap() >= until, "{pass}");
}

#[test]
fn sigterm_lets_the_pass_that_runs_end() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let remote = world.repository("acme/web:1.4.0");
    let (began, go) = (world.pipe("began"), world.pipe("go"));
    remote.hook("pre-receive", &format!("#!/bin/sh\necho > '{}'\nread line < '{}'\n", began.display(), go.display()));
    let service = Service::start(&world, &format!("schedule: every 1s\nrepositories:\n{}", row(&remote)));
    assert_eq!(service.get("/readyz"), (503, "the first pass has not ended yet\n".to_owned()));
    drop(std::fs::read(&began).unwrap());
    service.signal("-TERM");
    assert_eq!(service.wait("stopping")["running"], 1);
    assert_eq!(service.get("/readyz"), (503, "stopping\n".to_owned()));
    std::fs::write(&go, "on\n").unwrap();
    assert_eq!(service.wait("pass")["commits"], 1);
    assert_eq!(service.end(), Some(0));
    assert_eq!(commits(&remote), 2);
}

#[test]
fn a_new_configuration_takes_effect_and_a_bad_one_is_kept_out() {
    let world = World::with_web(&["1.4.0"]);
    let remote = world.repository("acme/web:1.4.0");
    let (config, web) = (world.config(), world.deployment("acme/web:1.4.0"));
    let other = world.scratch.bare("other.git", &[(".tagboat.yaml", &config), ("dev/web.yaml", &web)]);
    let service = Service::start(&world, &with_hooks(&world, "every 24h", &[&remote]));
    service.wait("pass");
    for bad in
        ["repositories: [", "repositories: []", "repositorys: []", "webhooks: [{source: ghcr, secretFile: none}]"]
    {
        service.configure(bad);
        service.signal("-HUP");
        let refused = service.wait("the new configuration was refused; the old one stays in force");
        assert_eq!(refused["level"], "ERROR", "{refused}");
    }
    assert_eq!(service.metrics()["tagboat_config_last_reload_successful"], 0.0);
    world.push("acme/web", "1.5.0");
    assert_eq!(service.post("/hooks/generic/hush", ""), 202);
    service.wait_for("pass", has_commits(1));
    assert_eq!(commits(&remote), 2);
    // Found without any signal.
    let (gone, kept) = (remote.folder.display().to_string(), other.folder.display().to_string());
    service.configure(&with_hooks(&world, "every 24h", &[&other]));
    service.wait("the configuration was read again");
    let pass = service.wait_for("pass", |line| line["repository"] == kept.as_str());
    assert_eq!((pass["cause"].as_str(), pass["commits"].as_u64()), (Some("start"), Some(1)), "{pass}");
    let metrics = service.metrics();
    assert_eq!(metrics["tagboat_config_last_reload_successful"], 1.0);
    assert!(metrics.keys().all(|series| !series.contains(&gone)), "{metrics:#?}");
    // A secret that changes counts from then on.
    world.beside("hook", "another-secret\n");
    service.wait("the configuration was read again");
    assert_eq!(
        (service.post("/hooks/generic/hush", ""), service.post("/hooks/generic/another-secret", "")),
        (401, 202)
    );
}

#[test]
fn what_it_cannot_start_with_is_told() {
    let world = World::new();
    let empty = world.beside("empty.yaml", "version: 1\n");
    let ran = world.tagboat(&["serve", "--config", &empty]).ended(2);
    assert!(ran.err.contains("`serve` needs `repositories`"), "{ran:?}");
    assert!(world.tagboat(&["serve"]).ended(2).err.contains("tagboat serve --config service.yaml"));
    let taken = format!("version: 1\nlisten: {}\nrepositories: [{{url: /nowhere}}]\n", world.registry.host());
    let ran = world.tagboat(&["serve", "--config", &world.beside("taken.yaml", &taken)]).ended(1);
    assert!(ran.err.starts_with("error: cannot listen on 127.0.0.1:50000: "), "{ran:?}");
    let hooks = "version: 1\nwebhooks: [{source: generic, secretFile: none}]\nrepositories: [{url: /nowhere}]\n";
    let ran = world.tagboat(&["serve", "--config", &world.beside("hooks.yaml", hooks)]).ended(2);
    assert!(ran.err.contains("cannot read the secret"), "{ran:?}");
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[test]
fn memory_is_kept_in_few_places_unless_the_operator_says_otherwise() {
    let world = World::with_web(&["1.4.0"]);
    let remote = world.repository("acme/web:1.4.0");
    let configuration = format!("schedule: every 24h\nrepositories:\n{}", row(&remote));
    let service = Service::start(&world, &configuration);
    assert!(service.variables().lines().any(|line| line == "MALLOC_ARENA_MAX=2"), "{}", service.variables());
    // It is the process that was begun, and ends as that.
    service.wait("pass");
    service.signal("-TERM");
    assert_eq!(service.end(), Some(0));
    let own = Service::start_with(&world, &configuration, &[("MALLOC_ARENA_MAX", "3")]);
    assert!(own.variables().lines().any(|line| line == "MALLOC_ARENA_MAX=3"), "{}", own.variables());
    let tuned = Service::start_with(&world, &configuration, &[("GLIBC_TUNABLES", "glibc.malloc.arena_max=4")]);
    assert!(!tuned.variables().contains("MALLOC_ARENA_MAX"), "{}", tuned.variables());
}
