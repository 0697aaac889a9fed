//! `serve` under what befalls a process: signals, kills, full disks, lost folders, hung and hostile neighbours.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use serde_json::Value;

use crate::program::serve::{Service, row, with_hooks};
use crate::program::{World, commits};
use crate::support::git_server::{GitServer, Rules, trickling};
use crate::support::repository::Repository;

/// Makes pipes that a hook of a repository tells and waits at: where the pass that pushes stands is known.
fn stop_at_push(world: &World, remote: &Repository) -> (std::path::PathBuf, std::path::PathBuf) {
    let (began, go) = (world.scratch.path("began"), world.scratch.path("go"));
    for pipe in [&began, &go] {
        #[expect(clippy::disallowed_methods, reason = "pipes are made by the system's program")]
        let made = std::process::Command::new("mkfifo").arg(pipe).status().unwrap();
        assert!(made.success());
    }
    remote.hook("pre-receive", &format!("#!/bin/sh\necho > '{}'\nread line < '{}'\n", began.display(), go.display()));
    (began, go)
}

/// Returns the tags that landed, the first one first.
fn landed(remote: &Repository) -> Vec<String> {
    let log = remote.git(&["log", "--reverse", "--format=%s", "main"]);
    log.lines().skip(1).map(|line| line.rsplit(' ').next().unwrap().to_owned()).collect()
}

#[test]
fn a_second_signal_abandons_what_runs_and_nothing_is_half_done() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let remote = world.repository("acme/web:1.4.0");
    let (began, go) = stop_at_push(&world, &remote);
    let service = Service::start(&world, &format!("schedule: every 1s\nrepositories:\n{}", row(&remote)));
    drop(std::fs::read(&began).unwrap());
    service.signal("-TERM");
    assert_eq!(service.wait("stopping")["running"], 1);
    service.signal("-INT");
    service.wait("passes were abandoned");
    assert_eq!(service.end(), Some(0));
    // Whether the push still arrives is the other side's business; either way the next service finds what is there.
    std::fs::write(&go, "on\n").unwrap();
    remote.hook("pre-receive", "#!/bin/sh\n");
    let service = Service::start(&world, &format!("schedule: every 1s\nrepositories:\n{}", row(&remote)));
    let first = service.wait("pass");
    assert_eq!(first["result"], "done", "{first}");
    drop(service);
    assert_eq!(landed(&remote), ["1.5.0"]);
}

#[test]
fn an_order_under_way_is_followed_to_its_end_when_the_service_stops_and_nothing_new_is_taken() {
    let world = World::with_web(&["1.4.0"]);
    let remote = world.repository("acme/web:1.4.0");
    let configuration = with_hooks(&world, "every 24h", &[&remote]) + "access: {trustedHeader: X-Forwarded-User}\n";
    let service = Service::start(&world, &configuration);
    service.wait("pass");
    let (began, go) = stop_at_push(&world, &remote);
    let named = "X-Forwarded-User: robin";
    let json = |body: &str| serde_json::from_str::<Value>(body).unwrap();
    let session = json(&service.ask("GET /api/v1/session", &[named], b"").1);
    let id = json(&service.get("/api/v1/repositories").1)[0]["id"].as_str().unwrap().to_owned();
    let token = format!("X-Tagboat-Token: {}", session["token"].as_str().unwrap());
    let origin = format!("Origin: http://{}", service.address);
    let image = format!("{}/acme/web", world.registry.host());
    let body = format!(r#"{{"repository": "{id}", "image": "{image}", "tag": "1.5.0", "reason": "leaks"}}"#);
    let order =
        |what: &str| service.ask(&format!("POST /api/v1/orders/{what}"), &[named, &token, &origin], body.as_bytes()).0;
    let mut held = TcpStream::connect(&service.address).unwrap();
    let head =
        format!("POST /api/v1/orders/hold HTTP/1.1\r\nHost: {}\r\n{named}\r\n{token}\r\n{origin}\r\n", service.address);
    held.write_all(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes()).unwrap();
    drop(std::fs::read(&began).unwrap());
    service.signal("-TERM");
    assert_eq!(service.wait("stopping")["orders"], 1);
    assert_eq!((order("hold"), order("run"), service.post("/hooks/generic/hush", "")), (503, 503, 503));
    std::fs::write(&go, "on\n").unwrap();
    let mut answer = String::new();
    held.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(service.end(), Some(0));
    assert_eq!(commits(&remote), 2);
}

/// Returns whether a process keeps SIGTERM for later, and whether it handles it, once it does one of the two.
#[cfg(target_os = "linux")]
fn kept_or_handled(child: &mut std::process::Child) -> (bool, bool) {
    let begun = std::time::Instant::now();
    loop {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
        let has = |row: &str, bit: u32| {
            let mask = status.lines().find_map(|line| line.strip_prefix(row)).unwrap_or_default().trim();
            u64::from_str_radix(mask, 16).is_ok_and(|mask| mask & (1 << bit) != 0)
        };
        // The C library holds back all of them while it makes a thread; SIGUSR1 is nobody's else.
        let found = (has("SigBlk:", 14) && !has("SigBlk:", 9), has("SigCgt:", 14));
        if found.0 || found.1 {
            return found;
        }
        assert!(child.try_wait().unwrap().is_none() && begun.elapsed() < Duration::from_secs(60), "{status}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn told_to_end_while_it_begins_it_ends_as_one_that_runs() {
    let world = World::with_web(&["1.4.0"]);
    let remote = world.repository("acme/web:1.4.0");
    let text = format!("version: 1\nlisten: 127.0.0.1:0\nschedule: every 1h\nrepositories:\n{}", row(&remote));
    let file = world.beside("service.yaml", &text);
    // It is told at another moment each time, until that was one at which it handled nothing yet.
    let found = (0..100).any(|_| {
        #[expect(clippy::disallowed_methods, reason = "a service runs beside the test, until it is told to stop")]
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tagboat"));
        command.args(["serve", "--config", &file]).env_clear().envs(world.variables());
        let mut child = command.stderr(std::process::Stdio::null()).spawn().unwrap();
        let (is_kept, is_handled) = kept_or_handled(&mut child);
        let id = nix::unistd::Pid::from_raw(child.id().try_into().unwrap());
        nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGTERM).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0), "kept: {is_kept}, handled: {is_handled}");
        is_kept && !is_handled
    });
    assert!(found, "it never keeps a signal");
}

#[cfg(target_os = "linux")]
#[test]
fn what_it_starts_holds_back_no_signals() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let remote = world.repository("acme/web:1.4.0");
    let seen = world.scratch.path("seen");
    remote.hook("pre-receive", &format!("#!/bin/sh\ngrep SigBlk /proc/self/status > '{}'\n", seen.display()));
    let service = Service::start(&world, &format!("schedule: every 1h\nrepositories:\n{}", row(&remote)));
    assert_eq!(service.wait("pass")["commits"], 1);
    assert_eq!(std::fs::read_to_string(seen).unwrap().trim(), "SigBlk:\t0000000000000000");
}

#[test]
fn killed_again_and_again_while_tags_appear_it_lands_each_once_and_in_order() {
    let world = World::with_web(&["1.0.0"]);
    let remote = world.repository("acme/web:1.0.0");
    let configuration = with_hooks(&world, "every 1s", &[&remote]);
    for number in 1..=6 {
        let service = Service::start(&world, &configuration);
        world.push("acme/web", &format!("1.{number}.0"));
        // Killed where it stands: before it looked, while it works, or after it is done.
        match number % 3 {
            0 => drop(service.wait("pass")),
            1 => assert_eq!(service.post("/hooks/generic/hush", ""), 202),
            _ => {}
        }
        drop(service);
    }
    let service = Service::start(&world, &configuration);
    while remote.show("main", "dev/web.yaml") != world.deployment("acme/web:1.6.0").into_bytes() {
        service.wait("pass");
    }
    let landed = landed(&remote);
    let mut sorted = landed.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!(landed, sorted, "each once, and never backwards");
    assert_eq!(landed.last().map(String::as_str), Some("1.6.0"));
}

#[test]
fn the_cache_and_the_mirrors_may_be_deleted_while_it_runs() {
    let world = World::with_web(&["1.4.0"]);
    let remote = world.repository("acme/web:1.4.0");
    let service = Service::start(&world, &with_hooks(&world, "every 24h", &[&remote]));
    service.wait("pass");
    for tag in ["1.5.0", "1.6.0"] {
        std::fs::remove_dir_all(world.scratch.path("cache")).unwrap();
        world.push("acme/web", tag);
        assert_eq!(service.post("/hooks/generic/hush", ""), 202);
        let pass = service.wait("pass");
        assert_eq!((pass["result"].as_str(), pass["commits"].as_u64()), (Some("done"), Some(1)), "{pass}");
    }
    assert_eq!(landed(&remote), ["1.5.0", "1.6.0"]);
}

#[test]
fn on_a_full_disk_it_stays_up_and_goes_on_when_there_is_room() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let remote = world.repository("acme/web:1.4.0");
    // Whatever would make a file longer than this fails, as it does where the disk is full.
    let configuration = format!("schedule: every 1s\nlog: {{format: json}}\nrepositories:\n{}", row(&remote));
    let service = Service::start_limited(&world, &configuration, 0);
    let first = service.wait("pass");
    assert_eq!(first["result"], "failed", "{first}");
    assert!(!first["reason"].as_str().unwrap().is_empty());
    assert_eq!(service.get("/healthz").0, 200);
    let unready = service.get("/readyz");
    assert!(unready.0 == 503 && unready.1.starts_with("the cache is not open: "), "{unready:?}");
    assert_eq!(
        service.metrics()[&format!("tagboat_consecutive_failures{{repository=\"{}\"}}", remote.folder.display())],
        1.0
    );
    drop(service);
    assert_eq!(commits(&remote), 1);
    // Room for a repository, and none for a cache: it is done without.
    let service = Service::start_limited(&world, &configuration, 16);
    let pass = service.wait("pass");
    assert_eq!((pass["result"].as_str(), pass["commits"].as_u64()), (Some("done"), Some(1)), "{pass}");
    assert_eq!(service.metrics()["tagboat_cache_available"], 0.0);
    assert_eq!(service.get("/readyz").0, 503);
    drop(service);
    let service = Service::start(&world, &configuration);
    assert_eq!(service.wait("pass")["result"], "done");
    assert_eq!(service.metrics()["tagboat_cache_available"], 1.0);
    assert_eq!(landed(&remote), ["1.5.0"]);
}

#[test]
fn a_repository_that_hangs_and_one_that_is_broken_hold_up_no_other() {
    let world = World::with_web(&["1.4.0"]);
    let remote = world.repository("acme/web:1.4.0");
    // It takes connections and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let hung = format!("http://{}/hung.git", silent.local_addr().unwrap());
    let broken = world.scratch.path("broken.git");
    std::fs::create_dir(&broken).unwrap();
    let configuration = format!(
        "schedule: every 1s\nlimits: {{concurrentPasses: 2}}\nrepositories:\n{}  - {{url: \"{hung}\", branch: main}}\n  - {{url: \"{}\", branch: main}}\n",
        row(&remote),
        broken.display()
    );
    let service = Service::start(&world, &configuration);
    let url = remote.folder.display().to_string();
    for tag in ["1.5.0", "1.6.0", "1.7.0"] {
        world.push("acme/web", tag);
        let pass = service.wait_for("pass", |line| line["commits"] == 1);
        assert_eq!(pass["repository"], url.as_str());
    }
    assert_eq!(landed(&remote), ["1.5.0", "1.6.0", "1.7.0"]);
    let metrics = service.metrics();
    assert!(metrics[&format!("tagboat_passes_total{{repository=\"{}\",result=\"failed\"}}", broken.display())] >= 1.0);
    assert_eq!(metrics[&format!("tagboat_passes_total{{repository=\"{hung}\",result=\"done\"}}")], 0.0);
}

#[test]
fn clients_that_connect_and_say_nothing_are_sent_away_and_others_get_their_turn() {
    let world = World::with_web(&["1.4.0"]);
    let remote = world.repository("acme/web:1.4.0");
    let service = Service::start(&world, &with_hooks(&world, "every 24h", &[&remote]));
    service.wait("pass");
    // As many as there is room for: one half says nothing, the other breaks off in the middle of a head or a body.
    let mut idle: Vec<TcpStream> = (0..256).map(|_| TcpStream::connect(&service.address).unwrap()).collect();
    for (number, stream) in idle.iter_mut().enumerate().skip(128) {
        let words = match number % 2 {
            0 => "GET /healthz HTTP/1.1\r\nHost: a\r\nX-Slow: ",
            _ => "POST /hooks/generic/hush HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nslow",
        };
        stream.write_all(words.as_bytes()).unwrap();
    }
    // Answered once there is room again, and there is because they are sent away.
    assert_eq!(service.get("/healthz"), (200, "alive\n".to_owned()));
    for stream in &mut idle {
        let mut rest = Vec::new();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        match stream.read_to_end(&mut rest) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "it is still open"),
        }
    }
    assert_eq!(service.metrics()["tagboat_webhooks_total{source=\"generic\",result=\"broken\"}"], 64.0);
}

#[test]
fn an_unchanged_repository_costs_one_question_to_git_and_its_lists() {
    let world = World::with_web(&["1.4.0"]);
    world.push("acme/api", "2.0.0");
    let (config, web, api) = (world.config(), world.deployment("acme/web:1.4.0"), world.deployment("acme/api:2.0.0"));
    let files = [(".tagboat.yaml", config.as_str()), ("dev/web.yaml", &web), ("dev/api.yaml", &api)];
    world.scratch.bare("acme/gitops.git", &files);
    let git = GitServer::start(&world.scratch.path(""), Rules::default());
    let url = git.url("acme/gitops.git");
    world.beside("hook", "hush\n");
    let configuration = format!(
        "schedule: every 24h\nwebhooks: [{{source: generic, secretFile: hook}}]\nrepositories:\n  - {{url: \"{url}\", branch: main}}\n"
    );
    let service = Service::start(&world, &configuration);
    service.wait("pass");
    for _ in 0..3 {
        git.requests();
        let before = world.registry.requests();
        assert_eq!(service.post("/hooks/generic/hush", ""), 202);
        let pass = service.wait("pass");
        assert_eq!((pass["result"].as_str(), pass["requests"].as_u64()), (Some("done"), Some(2)), "{pass}");
        // One question is two requests in Git's protocol: what is spoken, and where the branch stands.
        let asked = git.requests();
        let paths: Vec<&str> = asked.iter().map(|request| request.split("gitops.git/").nth(1).unwrap()).collect();
        assert_eq!(paths, ["info/refs?service=git-upload-pack", "git-upload-pack"], "{asked:?}");
        let after = world.registry.requests();
        assert_eq!(after.tags - before.tags, 2);
        let others = |counts: crate::support::registry::Counts| {
            counts.heads + counts.manifests + counts.blobs + counts.tokens + counts.referrers
        };
        assert_eq!(others(after), others(before));
    }
}

#[test]
fn what_a_pass_logs_stands_on_its_page() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let (config, web) = (world.config(), world.deployment("acme/web:1.4.0"));
    let files =
        [(".tagboat.yaml", config.as_str()), ("dev/web.yaml", &web), (".tagboat/holds.yml", "version: 1\nholds: []\n")];
    let remote = world.scratch.bare("manifests.git", &files);
    let service = Service::start(&world, &format!("schedule: every 24h\nrepositories:\n{}", row(&remote)));
    let told = service.wait("pass");
    assert!(told["warnings"].as_str().unwrap().contains("holds nothing"), "{told}");
    let (status, text) = service.get("/api/v1/repositories");
    assert_eq!(status, 200);
    let rows: Value = serde_json::from_str(&text).unwrap();
    let (status, page) = service.get(&format!("/api/v1/pass?repository={}&number=1", rows[0]["id"].as_str().unwrap()));
    assert_eq!(status, 200, "{page}");
    let pass: Value = serde_json::from_str(&page).unwrap();
    let log = pass["log"].as_array().unwrap();
    assert_eq!((&log[0]["level"], &log[0]["text"]), (&"warning".into(), &told["warnings"]), "{pass:#}");
    assert!(log.iter().any(|line| line["text"].as_str().unwrap().contains("1.4.0 → 1.5.0")), "{pass:#}");
}

#[test]
fn a_pass_whose_time_is_up_after_its_push_has_landed_is_followed_by_one_that_looks() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let remote = world.repository("acme/web:1.4.0");
    let (began, go) = (world.pipe("began"), world.pipe("go"));
    // The branch has moved by then; who pushed it is told nothing.
    remote.hook("post-receive", &format!("#!/bin/sh\necho > '{}'\nread line < '{}'\n", began.display(), go.display()));
    let configuration = format!("schedule: every 1s\nlimits: {{passTime: 5s}}\nrepositories:\n{}", row(&remote));
    let service = Service::start(&world, &configuration);
    drop(std::fs::read(&began).unwrap());
    remote.hook("post-receive", "#!/bin/sh\n");
    let told = service.wait("pass");
    assert!(told.to_string().contains("the time limit of one pass, 5 s, has passed"), "{told}");
    assert_eq!(told["commits"], 0, "nobody has said that it landed: {told}");
    let next = service.wait("pass");
    assert_eq!((&next["result"], &next["commits"]), (&"done".into(), &0.into()), "{next}");
    assert_eq!(landed(&remote), ["1.5.0"]);
}

#[test]
fn a_git_server_that_trickles_holds_its_pass_no_longer_than_its_time() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let url = trickling();
    let configuration = format!("schedule: every 1h\nlimits: {{passTime: 1s}}\nrepositories:\n- url: {url}\n");
    let told = Service::start(&world, &configuration).wait("pass");
    assert_eq!(told["result"], "failed", "{told}");
    assert!(told["reason"].as_str().unwrap().contains("the time limit of one pass, 1 s, has passed"), "{told}");
}

#[test]
fn a_pass_is_one_line_with_its_figures_errors_and_warnings() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let (config, web) = (world.config(), world.deployment("acme/web:1.4.0"));
    let gone = crate::program::deployment(&format!("{}/acme/gone:1.0.0", world.registry.host()));
    let other = crate::program::deployment(&format!("{}/acme/other:1.0.0", world.registry.host()));
    let files = [
        (".tagboat.yaml", config.as_str()),
        ("dev/web.yaml", &web),
        ("dev/gone.yaml", &gone),
        ("dev/other.yaml", &other),
        (".tagboat/holds.yml", "version: 1\nholds: []\n"),
    ];
    let remote = world.scratch.bare("manifests.git", &files);
    let faulty = world.scratch.bare("faulty.git", &[(".tagboat.yaml", "version: 1\nimages: 7\nenvironments: [3]\n")]);
    let rest = format!("schedule: every 1s\nrepositories:\n{}{}", row(&remote), row(&faulty));
    let service = Service::start_by(&world, &format!("log: {{level: info, format: json}}\n{rest}"), &[], &[]);
    // What its stages warn of has no line of its own.
    let is_of_a_pass = |line: &Value| {
        assert!(!line["message"].as_str().unwrap_or_default().contains("holds nothing"), "{line}");
        line.get("repository").is_some()
    };
    let (mut whole, mut failed) = (0, 0);
    while whole < 2 || failed < 1 {
        let told = service.wait_for_line("a repository's", is_of_a_pass);
        assert_eq!(told["message"], "pass", "{told}");
        if told["repository"] == faulty.folder.display().to_string() {
            failed += 1;
            assert_eq!((&told["result"], &told["level"]), (&"failed".into(), &"ERROR".into()), "{told}");
        } else {
            whole += 1;
            assert_eq!((&told["result"], &told["level"]), (&"partial".into(), &"WARN".into()), "{told}");
            let (reason, warnings) = (told["reason"].as_str().unwrap(), told["warnings"].as_str().unwrap());
            assert!(reason.contains("acme/gone") && reason.contains("acme/other"), "{told}");
            assert!(warnings.contains("holds nothing") && told["requests"].as_u64().unwrap() > 0, "{told}");
        }
    }
    service.configure(&format!("log: {{level: info, format: text}}\n{rest}"));
    service.signal("-HUP");
    let mut whole = 0;
    while whole < 2 {
        let told = service.wait_for_line("text", Value::is_string);
        let told = told.as_str().unwrap();
        let is_pass = told.contains(" pass repository=");
        let has_more = told.contains("repository=") || told.contains("holds nothing");
        assert!(told.starts_with("20") && (is_pass || !has_more), "{told}");
        whole += usize::from(is_pass && told.contains("acme/gone") && told.contains("acme/other"));
    }
}
