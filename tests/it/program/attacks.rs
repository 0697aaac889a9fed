//! Attacks on `serve`: whatever strangers send, it is refused or harmless, bounded, and shows no secret.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use aws_lc_rs::hmac;

use crate::program::serve::{Service, row};
use crate::program::{World, commits};
use crate::support::receiver::{Answer, Receiver};
use crate::support::repository::Repository;

/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// Serves one repository with webhooks of GitHub and a generic one, whose secret is `hush`.
fn serve(world: &World, remote: &Repository, further: &str) -> Service {
    world.beside("hook", "hush\n");
    let hooks = "[{source: github, secretFile: hook}, {source: generic, secretFile: hook}]";
    let configuration = format!("schedule: every 24h\nwebhooks: {hooks}\n{further}repositories:\n{}", row(remote));
    let service = Service::start(world, &configuration);
    service.wait("pass");
    service
}

fn signature(secret: &str, body: &str) -> String {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), body.as_bytes());
    let digits: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("X-Hub-Signature-256: sha256={digits}")
}

#[test]
fn webhooks_by_the_thousand_that_nobody_may_send_begin_nothing_and_leave_nothing_behind() {
    let world = World::with_web(&["1.4.0"]);
    let remote = world.repository("acme/web:1.4.0");
    let service = serve(&world, &remote, "");
    let lists = world.registry.requests().tags;
    let body = format!(r#"{{"repository": {{"clone_url": "{}"}}}}"#, remote.folder.display());
    let deep = "[".repeat(200_000);
    let send = |number: usize| match number % 8 {
        0 => service.ask("POST /hooks/github", &[], body.as_bytes()).0,
        1 => service.ask("POST /hooks/github", &[&signature("guess", &body)], body.as_bytes()).0,
        2 => service.ask("POST /hooks/github", &[&signature("hush", &deep)], body.as_bytes()).0,
        3 => service.ask("POST /hooks/github", &["X-Hub-Signature-256: sha256=\u{e9}"], body.as_bytes()).0,
        4 => service.post(&format!("/hooks/generic/guess-{number}"), &body),
        5 => service.ask("POST /hooks/generic", &["Authorization: Basic !!!"], &[0xff; 512]).0,
        6 => service.post(&format!("/hooks/nobody-{number}/hush"), &body),
        _ => service.ask("POST /hooks/github", &[&signature("", &deep)], deep.as_bytes()).0,
    };
    assert!((0..200).all(|number| send(number) != 202));
    let before = service.resident();
    for number in 0..2_000 {
        let status = send(number);
        assert!(matches!(status, 400 | 401 | 404), "{number}: {status}");
    }
    let grown = service.resident().saturating_sub(before);
    assert!(grown < 16 << 10, "it grew by {grown} kB");
    assert_eq!(world.registry.requests().tags, lists, "none of it began a pass");
    let metrics = service.metrics();
    let hooks = metrics.keys().filter(|series| series.starts_with("tagboat_webhooks_total")).count();
    assert!(hooks <= 6, "names of strangers make no series: {metrics:#?}");
    assert_eq!(commits(&remote), 1);
}

#[test]
fn what_is_sent_again_and_again_with_a_right_signature_only_hastens() {
    let world = World::with_web(&["1.4.0"]);
    let remote = world.repository("acme/web:1.4.0");
    let service = serve(&world, &remote, "");
    let before = world.registry.requests().tags;
    let body =
        format!(r#"{{"ref": "refs/heads/other", "repository": {{"clone_url": "{}"}}}}"#, remote.folder.display());
    let signed = signature("hush", &body);
    for _ in 0..1_000 {
        assert_eq!(service.ask("POST /hooks/github", &[&signed], body.as_bytes()).0, 202);
    }
    service.wait_for("pass", |line| line["cause"] == "webhook");
    service.signal("-TERM");
    let lists = world.registry.requests().tags - before;
    assert!(lists < 60, "{lists} passes for 1,000 webhooks");
    assert_eq!(service.end(), Some(0));
    assert_eq!(commits(&remote), 1, "nothing in a payload is believed");
}

#[test]
fn clients_that_hardly_send_anything_hold_up_nobody_for_long() {
    let world = World::with_web(&["1.4.0"]);
    let remote = world.repository("acme/web:1.4.0");
    let service = serve(&world, &remote, "");
    let begin = |head: &str| {
        let mut stream = TcpStream::connect(&service.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        stream
    };
    let head = "POST /hooks/generic/hush HTTP/1.1\r\nHost: 127.0.0.1\r\n";
    let mut body = begin(&format!("{head}Content-Length: 1000\r\n\r\n{{"));
    let strangers: Vec<TcpStream> = (0..300).map(|_| begin("POST /hooks/generic HTTP/1.1\r\nHost: a\r\nX-")).collect();
    // They make room for whoever comes, the oldest first, long before the time for a head is over: the newest one is still there.
    assert_eq!(service.get("/healthz"), (200, "alive\n".to_owned()));
    let newest = strangers.last().unwrap();
    newest.set_nonblocking(true).unwrap();
    let still = newest.peek(&mut [0]).unwrap_err();
    assert_eq!(still.kind(), std::io::ErrorKind::WouldBlock, "it was answered as soon as it came");
    let mut answer = String::new();
    drop(body.read_to_string(&mut answer));
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    drop(strangers);
    assert_eq!(service.post("/hooks/generic/hush", ""), 202);
}

#[test]
fn paths_lead_to_webhooks_in_one_way_alone() {
    let world = World::with_web(&["1.4.0"]);
    let remote = world.repository("acme/web:1.4.0");
    let service = serve(&world, &remote, "");
    let status = |target: &str, host: &str| {
        let request =
            format!("POST {target} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        let answer = service.raw(&request);
        answer.split(' ').nth(1).and_then(|status| status.parse::<u16>().ok()).unwrap_or_else(|| panic!("{answer}"))
    };
    for target in [
        "/hooks/../hooks/generic/hush",
        "/hooks/./generic/hush",
        "/hooks/x/../generic/hush",
        "/hooks/generic/x/../hush",
        "/hooks/generic/%2e%2e/hush",
        "/hooks/generic%2Fhush",
        "/hooks%2Fgeneric%2Fhush",
        "/hooks/%67eneric/hush/",
        "/hooks/generic/hush/",
        "/hooks/generic/hush%00",
        "/hooks/generic/hush%0d%0aX: y",
        "/hooks/generic/hush%20",
        "/hooks/generic/%ff%fe",
        "/hooks/generic/HUSH",
        "/hooks/GENERIC/hush",
        "/HOOKS/generic/hush",
        "//hooks/generic/hush",
        "/hooks//generic/hush",
        "/hooks/generic//hush",
        "/hooks/generic;a=b/hush",
        "/hooks/generic/hush;a=b",
        "/hooks/generic\\hush",
        "/board/../hooks/generic/hush",
        "*",
        "hooks/generic/hush",
    ] {
        let status = status(target, "127.0.0.1");
        assert!((400..=421).contains(&status), "{target}: {status}");
    }
    // What only spells the same path in another way is the same path.
    for target in ["/hooks/generic/%68ush", "/hooks/generic/hush?a=b", "http://other.example/hooks/generic/hush"] {
        assert_eq!(status(target, "127.0.0.1"), 202, "{target}");
    }
}

#[test]
fn no_page_of_somebody_else_s_reaches_what_is_ours() {
    let world = World::with_web(&["1.4.0"]);
    let remote = world.repository("acme/web:1.4.0");
    let service = serve(&world, &remote, "access: {trustedHeader: X-Forwarded-User}\nhosts: board.acme.example\n");
    let status = |request: &str| {
        let answer = service.raw(request);
        answer.split(' ').nth(1).and_then(|status| status.parse::<u16>().ok()).unwrap_or_else(|| panic!("{answer}"))
    };
    // Under a name of theirs that leads here, which is how a visitor's browser would be made to read.
    for host in
        ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "board.acme.example.", "[::1", "", "a b"]
    {
        for path in ["/", "/api/v1/status", "/events", "/passes"] {
            let code = status(&format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"));
            assert!(matches!(code, 400 | 421), "{host} {path}: {code}");
        }
    }
    // Metrics name repositories; who scrapes them has names of its own for the service.
    for (host, code) in
        [("evil.example", 421), ("tagboat:8080", 200), ("tagboat.gitops.svc", 200), ("board.acme.example", 200)]
    {
        assert_eq!(
            status(&format!("GET /metrics HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")),
            code,
            "{host}"
        );
    }
    let two = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
    assert!(matches!(status(two), 400 | 421));
    assert!(matches!(status("GET / HTTP/1.1\r\nConnection: close\r\n\r\n"), 400 | 421));
    let forwarded = "GET / HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: 127.0.0.1\r\nConnection: close\r\n\r\n";
    assert_eq!(status(forwarded), 421);
    // A form or a script of theirs that sends an order along with the visitor's login.
    let host = service.address.clone();
    for headers in ["Origin: https://evil.example\r\n", "Origin: null\r\n", "", "Sec-Fetch-Site: cross-site\r\n"] {
        for (path, kind, body) in [
            ("/orders/run", "application/x-www-form-urlencoded", "repository=0"),
            ("/orders/run", "text/plain", "repository=0"),
            ("/api/v1/orders/run", "application/json", "{}"),
        ] {
            let length = body.len();
            let code = status(&format!(
                "POST {path} HTTP/1.1\r\nHost: {host}\r\nX-Forwarded-User: robin\r\n{headers}Content-Type: {kind}\r\n\
                 Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            ));
            assert!((400..=421).contains(&code), "{path} {headers:?}: {code}");
        }
    }
    // A webhook needs no login that a browser could bring along, and what it cannot show it cannot send.
    let code = status(&format!(
        "POST /hooks/generic HTTP/1.1\r\nHost: {host}\r\nOrigin: https://evil.example\r\nX-Forwarded-User: robin\r\n\
         Content-Length: 0\r\nConnection: close\r\n\r\n"
    ));
    assert_eq!(code, 401);
    let answer = service.raw(&format!(
        "OPTIONS /hooks/generic HTTP/1.1\r\nHost: {host}\r\nOrigin: https://evil.example\r\n\
         Access-Control-Request-Method: POST\r\nConnection: close\r\n\r\n"
    ));
    assert!(!answer.to_lowercase().contains("access-control-allow"), "{answer}");
    assert_eq!(commits(&remote), 1);
}

#[test]
fn no_secret_shows_in_logs_pages_metrics_or_the_cache() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let remote = world.repository("acme/web:1.4.0");
    let receiver = Receiver::open();
    receiver.answer(Answer(500, r#"{"error": "s3cr3t-slack is wrong"}"#.to_owned(), ""));
    let secrets = ["s3cr3t-hook", "s3cr3t-slack", "s3cr3t-bot", "s3cr3t-teams", "s3cr3t-key", "guess-s3cr3t"];
    world.beside("hook", "s3cr3t-hook\n");
    world.beside("slack", &receiver.url("/services/T0/B0/s3cr3t-slack"));
    world.beside("bot", "s3cr3t-bot");
    world.beside("teams", &receiver.url("/workflows/1?sig=s3cr3t-teams"));
    world.beside("key", "s3cr3t-key");
    world.beside("broken", "no url s3cr3t-slack");
    let notify = format!(
        "notify:\n  - slack: {{urlFile: slack}}\n  - slack: {{tokenFile: bot, channel: C1, apiUrl: \"{}\"}}\n  \
         - teams: {{urlFile: teams}}\n  - teams: {{urlFile: broken}}\n  \
         - webhook: {{url: \"{}\", secretFile: key}}\n",
        receiver.url("/api"),
        receiver.url("/hook")
    );
    let configuration = format!(
        "schedule: every 24h\nwebhooks: [{{source: generic, secretFile: hook}}]\n{notify}repositories:\n{}",
        row(&remote)
    );
    let service =
        Service::start_by(&world, &configuration, &[("RUST_BACKTRACE", "1")], &["--log-format", "json", "-vvv"]);
    service.wait("pass");
    for path in ["/api/chat.postMessage", "/hook", "/services/T0/B0/s3cr3t-slack", "/workflows/1?sig=s3cr3t-teams"] {
        receiver.wait_for(path, |sent| sent.path == path);
    }
    let bot = receiver.sent("/api/chat.postMessage");
    assert_eq!((bot[0].header("authorization"), bot[0].json()["channel"].as_str()), ("Bearer s3cr3t-bot", Some("C1")));
    assert_eq!(service.post("/hooks/generic/guess-s3cr3t", "s3cr3t-hook"), 401);
    assert_eq!(service.post("/hooks/generic/s3cr3t-hook", r#"{"image": "s3cr3t-hook"}"#), 202);
    // The second failure is told in another way than the first.
    service.wait("a notification did not arrive");
    let pages =
        ["/", "/passes", "/repositories", "/promotions", "/holds", "/metrics", "/api/v1/status", "/api/v1/passes"];
    let mut shown: Vec<(String, String)> = pages.iter().map(|page| ((*page).to_owned(), service.get(page).1)).collect();
    shown.push(("/nowhere/s3cr3t".to_owned(), service.get("/nowhere").1));
    service.signal("-TERM");
    let log = service.log();
    assert!(log.contains("a notification did not arrive"), "{log}");
    shown.push(("the log".to_owned(), log));
    assert_eq!(service.end(), Some(0));
    for (path, bytes) in crate::support::repository::contents(&world.scratch.path("cache")) {
        shown.push((path.display().to_string(), String::from_utf8_lossy(&bytes).into_owned()));
    }
    for (place, text) in &shown {
        for secret in secrets {
            assert!(!text.contains(secret), "{secret} in {place}: {text}");
        }
    }
    // What a configuration is refused for repeats no secret either.
    let pasted =
        configuration.replace("urlFile: slack}", "urlFile: \"https://hooks.slack.com/services/s3cr3t-slack\"}");
    let file = world.beside("pasted.yaml", &format!("version: 1\n{pasted}"));
    let ran = world.tagboat(&["serve", "--config", &file]).ended(2);
    assert!(ran.err.contains("this is no path") && !ran.err.contains("services/s3cr3t"), "{ran:?}");
}
