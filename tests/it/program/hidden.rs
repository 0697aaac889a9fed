//! Secrets of Git servers, sources, webhooks and the board: wherever it fails and however much it says, none of them shows.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::program::serve::{Service, row};
use crate::program::{Ran, World, commits, contents};
use crate::support::authority::Authority;
use crate::support::git_server::{GitServer, Rules};
use crate::support::sources::{Mood, Prometheus};
use crate::support::tls_front::{Clients, TlsFront};

/// Fails where a text holds one of the secrets.
#[track_caller]
fn hides(text: &str, secrets: &[&str], what: &str) {
    for secret in secrets {
        assert!(!text.contains(secret), "{what}: {secret}: {text}");
    }
}

/// Fails where a call, or what it left behind, shows a secret, or what it logged is not JSON.
#[track_caller]
fn shows_nothing(world: &World, ran: &Ran, secrets: &[&str], what: &str) {
    hides(&ran.out, secrets, what);
    hides(&ran.err, secrets, what);
    for line in ran.err.lines().filter(|line| line.starts_with('{')) {
        serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    }
    let cache = world.scratch.path("cache");
    for (path, bytes) in if cache.exists() { contents(&cache) } else { Vec::new() } {
        hides(&String::from_utf8_lossy(&bytes), secrets, &path.display().to_string());
    }
}

#[test]
fn the_password_for_a_plain_git_server_over_tls_shows_nowhere() {
    const PASSWORD: &str = "g1t-passw0rd";
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let remote = world.repository("acme/web:1.4.0");
    remote.git(&["config", "http.receivepack", "true"]);
    let login = STANDARD.encode(format!("bot:{PASSWORD}"));
    let guarded = Rules { authorization: Some(format!("Basic {login}")), ..Rules::default() };
    let server = GitServer::start(&world.scratch.path(""), guarded.clone());
    let authority = Authority::new("Acme");
    authority.write(&world.scratch.path("ca.pem"));
    let behind = server.url("").trim_start_matches("http://").trim_end_matches('/').to_owned();
    let front = TlsFront::before(&behind, &authority.server(&["127.0.0.1"]), Clients::Anybody);
    let url = format!("https://{}/manifests.git", front.host());
    let run = |what: &str, password: &str, authorities: Option<&Path>| {
        world.beside("git-password", password);
        let auth = "auth: {basic: {username: bot, passwordFile: git-password}}";
        let service = format!("version: 1\nrepositories: [{{url: '{url}', branch: main, {auth}}}]\n");
        let service = world.beside("service.yaml", &service);
        let arguments =
            ["run", "--repo", &url, "--forge", "plain", "--service", &service, "-vv", "--log-format", "json"];
        // Git over HTTPS trusts whom the machine does.
        let mut command = world.command(&arguments);
        command.envs(authorities.map(|file| ("SSL_CERT_FILE", file)));
        let ran = world.finish(&mut command);
        shows_nothing(
            &world,
            &ran,
            &[PASSWORD, &login, password.trim(), &STANDARD.encode(format!("bot:{password}"))],
            what,
        );
        ran
    };
    let ca = world.scratch.path("ca.pem");
    let known = Some(ca.as_path());
    let untrusted = run("no authority", PASSWORD, None).ended(1);
    assert!(untrusted.err.contains("certificate"), "{untrusted:?}");
    run("a wrong password", "wr0ng-passw0rd", known).ended(1);
    server.set(Rules { fault: Some(500), ..guarded.clone() });
    run("a server that fails", PASSWORD, known).ended(1);
    server.set(Rules { read_only: true, ..guarded.clone() });
    run("a push that is refused", PASSWORD, known).ended(3);
    assert_eq!(commits(&remote), 1);
    server.set(guarded);
    run("what works", PASSWORD, known).ended(0);
    assert_eq!(commits(&remote), 2);
}

#[test]
fn the_login_to_a_source_shows_nowhere_whatever_it_answers() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let server = runtime.block_on(Prometheus::start(Mood::number("0.2")));
    let other = runtime.block_on(Prometheus::start(Mood::number("0.2")));
    let (token, password) = ("pr0m-t0ken", "pr0m-passw0rd");
    let login = STANDARD.encode(format!("tagboat:{password}"));
    let query = "query: {source: asked, expr: 'sum(errors{version=$tag})', expect: \"< 0.01\"}";
    let http = "http: {source: asked, path: /status.json, json: $.state, expect: \"== fine\"}";
    let ways = [
        ("prometheus", query, "tokenFile: source-secret", token),
        ("prometheus", query, "basic: {username: tagboat, passwordFile: source-secret}", password),
        ("http", http, "tokenEnv: SOURCE_TOKEN", token),
        ("http", http, "basic: {username: tagboat, passwordEnv: SOURCE_TOKEN}", password),
    ];
    for (kind, gate, auth, secret) in ways {
        let world = World::with_web(&["1.4.0", "1.5.0"]);
        let host = world.registry.host();
        let config = format!(
            "version: 1\nimages:\n  - match: {host}/**\n    semver: 1.x\nenvironments:\n  - name: prod\n    files: \
             [prod/**]\n    publish: commit\n    gates: {{{gate}}}\n"
        );
        let web = world.deployment("acme/web:1.4.0");
        let remote = world.scratch.bare("manifests.git", &[(".tagboat.yaml", &config), ("prod/web.yaml", &web)]);
        let rows = format!("version: 1\nsources: [{{name: asked, {kind}: \"{}\", auth: {{{auth}}}}}]\n", server.url());
        let service = world.beside("service.yaml", &rows);
        world.beside("source-secret", secret);
        // A gateway that repeats what it was shown.
        let shown = if secret == token { format!("Bearer {token}") } else { format!("Basic {login}") };
        let echo = format!("{{\"status\":\"error\",\"errorType\":\"auth\",\"error\":\"no to {shown}, {secret}\"}}");
        for mood in [
            Mood::number("0.2"),
            Mood::Body(401, "who are you".to_owned()),
            Mood::Body(403, echo.clone()),
            Mood::Body(200, echo),
            Mood::Body(500, "<html>broken</html>".to_owned()),
            Mood::Body(200, "no JSON".to_owned()),
            Mood::Redirect(format!("{}/elsewhere", other.url())),
            Mood::Huge,
        ] {
            let what = format!("{kind} {auth} {mood:?}");
            server.set(mood);
            let folder = remote.folder.display().to_string();
            let arguments = ["run", "--repo", &folder, "--branch", "main", "--service", &service];
            let arguments = [&arguments[..], &["-vv", "--log-format", "json", "--output", "json"]].concat();
            let ran = world.finish(world.command(&arguments).env("SOURCE_TOKEN", secret));
            shows_nothing(&world, &ran, &[token, password, &login], &what);
            let json = ran.ended(0).json();
            assert!(!json["proposals"][0]["gates"][0]["state"].is_null(), "{what}: {json}");
            let asked = server.asked();
            assert!(asked.iter().any(|one| one.login.as_deref() == Some(shown.as_str())), "{what}: {asked:?}");
            assert!(other.asked().iter().all(|one| one.login.is_none()), "{what}: another host sees the login");
        }
        assert_eq!(commits(&remote), 1);
    }
}

#[test]
fn what_webhooks_and_people_show_stands_in_no_log_and_no_answer() {
    let world = World::with_web(&["1.4.0"]);
    let remote = world.repository("acme/web:1.4.0");
    world.beside("hook", "h00k-secret\n");
    // `robin` with the password `correct horse`.
    world.beside("users", "robin:$2b$08$abcdefghijklmnopqrstuubAvJmxpQuyV3jn7x.SUSPxe.DearCPe\n");
    let hooks = ["generic", "github", "gitlab", "harbor"].map(|name| format!("{{source: {name}, secretFile: hook}}"));
    let configuration = format!(
        "schedule: every 24h\naccess: {{usersFile: users}}\nwebhooks: [{}]\nrepositories:\n{}",
        hooks.join(", "),
        row(&remote)
    );
    let service = Service::start_by(&world, &configuration, &[], &["--log-format", "json", "-vv"]);
    service.wait("pass");
    let mut answers = String::new();
    let mut tell = |path: &str, headers: &[&str], body: &str, status: u16| {
        let (got, answer) = service.ask(&format!("POST {path}"), headers, body.as_bytes());
        assert_eq!(got, status, "{path} {headers:?}: {answer}");
        answers.push_str(&answer);
    };
    tell("/hooks/generic/h00k-secret", &[], "{}", 202);
    tell("/hooks/generic/wr0ng-hook", &[], "{}", 401);
    tell("/hooks/generic/h00k-secret", &[], "{\"image\": h00k-secret", 202);
    tell("/hooks/gitlab", &["X-Gitlab-Token: h00k-secret"], "{}", 202);
    tell("/hooks/gitlab", &["X-Gitlab-Token: wr0ng-hook"], "{}", 401);
    tell("/hooks/harbor", &["Authorization: h00k-secret"], "{}", 202);
    tell("/hooks/harbor", &["Authorization: Bearer wr0ng-hook"], "{}", 401);
    let signature = "X-Hub-Signature-256: sha256=00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    tell("/hooks/github", &[signature], "{}", 401);
    let origin = format!("Origin: http://{}", service.address);
    tell("/login", &[&origin], "user=robin&password=wr0ng+horse", 401);
    tell("/login", &["Origin: http://evil.example"], "user=robin&password=correct+horse", 403);
    let answer = service.raw(&format!(
        "POST /login HTTP/1.1\r\nHost: {0}\r\n{origin}\r\nConnection: close\r\nContent-Length: 33\r\n\r\nuser=robin&password=correct+horse",
        service.address
    ));
    let cookie = answer.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    let cookie = cookie.split(';').next().unwrap();
    let session = cookie.split_once('=').unwrap().1.to_owned();
    let header = format!("Cookie: {cookie}");
    let known: Value = serde_json::from_str(&service.ask("GET /api/v1/session", &[&header], b"").1).unwrap();
    let token = known["token"].as_str().unwrap().to_owned();
    let hold = |token: &str| format!("repository=x&image=y&tag=1.9.9&environment=dev&reason=no&token={token}");
    tell("/orders/hold", &[&origin, &header], &hold("gu3ss"), 403);
    service.ask("POST /orders/hold", &[&origin, &header], hold(&token).as_bytes());
    service.ask("POST /api/v1/orders/run", &[&origin, &header, &format!("X-Tagboat-Token: {token}")], b"not json");
    let metrics = service.get("/metrics").1;
    let pages = ["/", "/passes", "/api/v1/status", "/api/v1/passes"].map(|path| service.get(path).1).concat();
    let log = service.stop();
    assert!(log.contains("webhook"), "-vv says something of webhooks: {log}");
    let secrets =
        ["h00k-secret", "wr0ng-hook", "00112233445566", "wr0ng+horse", "wr0ng horse", "$2b$", "gu3ss", &session];
    // A person's own page holds the token of its forms.
    hides(&answers, &secrets, "answers");
    let secrets = [&secrets[..], &[&token, "correct+horse", "correct horse"]].concat();
    for (what, text) in [("log", log), ("metrics", metrics), ("pages", pages)] {
        hides(&text, &secrets, what);
    }
    for (path, bytes) in contents(&world.scratch.path("cache")) {
        hides(&String::from_utf8_lossy(&bytes), &secrets, &path.display().to_string());
    }
}
