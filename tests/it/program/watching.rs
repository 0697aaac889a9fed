//! What is watched of a service: the numbers of `/metrics` beside what was really asked, and who speaks of them.

use std::collections::BTreeSet;
use std::path::Path;

use axum::http::HeaderValue;

use crate::program::World;
use crate::program::serve::{Service, row};
use crate::support::forge::{Store, github, serve};
use crate::support::git_server::{GitServer, Rules};
use crate::support::registry::Quota;

/// Returns a file of the project.
fn file(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// Returns every name of a metric in a text.
fn named(text: &str) -> BTreeSet<String> {
    let is_of_name = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let found = text.match_indices("tagboat_").filter(|(at, _)| !text[..*at].ends_with(is_of_name));
    found.map(|(at, _)| text[at..].split(|character| !is_of_name(character)).next().unwrap().to_owned()).collect()
}

/// A service over a repository on a GitHub, where something is opened and something waits, and over one that is missing.
struct Scene {
    world: World,
    git: GitServer,
    store: std::sync::Arc<Store>,
    service: Service,
}

impl Scene {
    fn start() -> Self {
        let world = World::with_web(&["1.4.0", "1.5.0"]);
        world.registry.faults(|faults| {
            faults.quota = Some(Quota {
                counts: "tags",
                remaining: 90,
                renewed: 90,
                prefix: "ratelimit-",
                suffix: ";w=21600",
                reset: None,
            });
        });
        let web = world.deployment("acme/web:1.4.0");
        let config = format!(
            "{}    onFailure: {{checks: [argocd/dev], within: 2h}}\n  - {{name: staging, files: [staging/**], after: dev, publish: pullRequest}}\n  \
             - {{name: prod, files: [prod/**], after: dev, publish: commit, gates: {{soak: 24h}}}}\n",
            world.config()
        );
        let files = [
            (".tagboat.yaml", config.as_str()),
            ("dev/web.yaml", &web),
            ("staging/web.yaml", &web),
            ("prod/web.yaml", &web),
        ];
        let bare = world.scratch.bare("acme/gitops.git", &files);
        bare.git(&["config", "http.receivepack", "true"]);
        let git = GitServer::start(&world.scratch.path(""), Rules::default());
        let store = Store::over(bare.folder);
        let limited = axum::middleware::map_response(async |mut answer: axum::response::Response| {
            answer.headers_mut().insert("x-ratelimit-remaining", HeaderValue::from_static("4711"));
            answer
        });
        let api = format!("{}/api/v3", serve(github::router(std::sync::Arc::clone(&store)).layer(limited)));
        world.beside("hook", "hush\n");
        world.beside("token", "tok-en\n");
        let missing = world.scratch.path("missing.git").display().to_string();
        let configuration = format!(
            "schedule: every 24h\nwebhooks: [{{source: generic, secretFile: hook}}]\nrepositories:\n  \
             - {{url: {}, branch: main, auth: {{tokenFile: token}}}}\n  - {{url: {missing}, branch: main}}\n",
            git.url("acme/gitops.git")
        );
        let variables = [("GITHUB_API_URL", api.as_str()), ("GITHUB_SERVER_URL", "http://127.0.0.1")];
        let service = Service::start_with(&world, &configuration, &variables);
        // One goes through, one fails.
        (0..2).for_each(|_| drop(service.wait("pass")));
        Self { world, git, store, service }
    }

    fn url(&self) -> String {
        self.git.url("acme/gitops.git")
    }
}

#[test]
fn what_forges_registries_and_git_are_asked_is_counted_as_they_count_it() {
    let scene = Scene::start();
    let metrics = scene.service.metrics();
    let sum = |prefix: &str, holds: &str| -> f64 {
        let of = metrics.iter().filter(|(series, _)| series.starts_with(&format!("tagboat_{prefix}")));
        of.filter(|(series, _)| series.contains(holds)).map(|(_, number)| number).sum()
    };
    let asked = scene.store.requests();
    assert!(asked.iter().any(|request| request.starts_with("POST ")), "{asked:?}");
    assert_eq!(sum("forge_requests_total{", ""), asked.len() as f64, "{asked:?}: {metrics:#?}");
    assert_eq!(sum("forge_request_duration_seconds_count{", ""), asked.len() as f64);
    let reads = asked.iter().filter(|request| request.starts_with("GET ")).count();
    assert_eq!(sum("forge_requests_total{", "kind=\"read\""), reads as f64, "{asked:?}");
    assert_eq!(sum("forge_limit_remaining{", "resource=\"rest\""), 4711.0);
    let lists = scene.world.registry.requests().tags as f64;
    assert_eq!(sum("registry_requests_total{", "kind=\"list\""), lists);
    assert!((80.0..90.0).contains(&sum("registry_limit_remaining{", "")), "{metrics:#?}");
    // One commit on the base and one head branch; the repository that is missing is one on this machine.
    assert_eq!(sum("git_requests_total{", "kind=\"push\",result=\"ok\""), 2.0, "{metrics:#?}");
    assert_eq!(sum("git_requests_total{", "host=\"local\",kind=\"fetch\",result=\"unreachable\""), 1.0);
    let pushed = scene
        .git
        .requests()
        .iter()
        .filter(|request| request.starts_with("POST ") && request.ends_with("/git-receive-pack"))
        .count();
    assert_eq!(pushed, 2);
    let url = scene.url();
    assert_eq!(sum("gate_waits{", &format!("repository=\"{url}\",gate=\"soak\"")), 1.0);
    assert_eq!(sum("proposals{", &format!("repository=\"{url}\",action=\"opened\"")), 1.0);
    let text = scene.service.get("/metrics").1;
    assert!(!text.contains("tok-en") && !text.contains("hush"), "{text}");
}

#[test]
fn alerts_dashboard_and_documentation_speak_of_what_is_served() {
    let scene = Scene::start();
    assert_eq!(scene.service.post("/hooks/generic/hush", ""), 202);
    let (status, text) = scene.service.get("/metrics");
    assert_eq!(status, 200);
    // `tests/run` gives it to promtool.
    std::fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join("metrics.txt"), &text).unwrap();
    let mut served = BTreeSet::new();
    let mut parts = BTreeSet::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = line.split_once(' ').unwrap();
        served.insert(name.to_owned());
        if kind == "histogram" {
            parts.extend(["bucket", "sum", "count"].map(|part| format!("{name}_{part}")));
        }
    }
    for path in ["config/prometheus/alerts.yaml", "config/grafana/tagboat.json", "docs/operations.md"] {
        let speaks_of = named(&file(path));
        assert!(speaks_of.len() > 5, "{path}: {speaks_of:?}");
        for name in &speaks_of {
            assert!(served.contains(name) || parts.contains(name), "{path}: {name} is not served: {served:#?}");
        }
    }
    let told = named(&file("docs/service.md"));
    assert_eq!(told, served, "docs/service.md lists what is served");
}

#[test]
fn every_alert_has_a_test_and_a_paragraph() {
    let (rules, tests, page) =
        (file("config/prometheus/alerts.yaml"), file("tests/prometheus/alerts.yaml"), file("docs/operations.md"));
    let alerts: Vec<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(alerts.len() > 10, "{alerts:?}");
    for alert in alerts {
        assert!(tests.contains(alert), "tests/prometheus/alerts.yaml has no test of {alert}");
        assert!(page.contains(&format!("`{alert}`")), "docs/operations.md says nothing of {alert}");
    }
}

#[test]
fn the_log_changes_its_level_and_its_form_while_the_service_runs() {
    let world = World::with_web(&["1.4.0"]);
    let remote = world.repository("acme/web:1.4.0");
    let rest = format!("schedule: every 1s\nrepositories:\n{}", row(&remote));
    let service = Service::start_by(&world, &format!("log: {{format: json}}\n{rest}"), &[], &[]);
    assert_eq!(service.wait("pass")["level"], "INFO");
    service.configure(&format!("log: {{level: debug, format: json}}\n{rest}"));
    service.signal("-HUP");
    let request = service.wait_for("request", |line| line["status"] == 200);
    assert_eq!(request["level"], "DEBUG");
    // Once it is in force, passes end without a word.
    let passes = || {
        service.metrics()
            [&format!("tagboat_passes_total{{repository=\"{}\",result=\"done\"}}", remote.folder.display())]
    };
    let reloaded = || service.metrics()["tagboat_config_last_reload_success_timestamp_seconds"];
    let (before, mut quiet) = (reloaded(), false);
    service.configure(&format!("log: {{level: error, format: json}}\n{rest}"));
    service.signal("-HUP");
    for _ in 0..60 {
        drop(service.lines());
        let (at, count) = (reloaded(), passes());
        while passes() < count + 2.0 {}
        if at > before && service.lines().is_empty() {
            quiet = true;
            break;
        }
    }
    assert!(quiet, "it goes on telling of passes");
    service.configure(&format!("log: {{level: nonsense}}\n{rest}"));
    service.signal("-HUP");
    let refused = service.wait("the new configuration was refused; the old one stays in force");
    assert!(
        refused["reason"].as_str().unwrap().contains("`nonsense` is none of `error`, `warn`, `info`, `debug`"),
        "{refused}"
    );
    service.configure(&rest);
    let told =
        service.wait_for_line("pass in text", |line| line.as_str().is_some_and(|line| line.contains("INFO pass ")));
    assert!(told.as_str().unwrap().contains("result=\"done\""), "{told}");
}

#[test]
fn the_board_shows_what_is_watched_since_it_came() {
    let scene = Scene::start();
    let (code, text) = scene.service.get("/api/v1/status");
    assert_eq!(code, 200);
    let status: serde_json::Value = serde_json::from_str(&text).unwrap();
    let repository = status.as_array().unwrap().iter().find(|row| row["repository"] == scene.url()).unwrap();
    let row = &repository["images"][0];
    let cell = |name: &str| {
        let place = row["cells"].as_array().unwrap().iter().find(|place| place["environment"] == name).unwrap();
        place["runs"][0].clone()
    };
    let watch = &cell("dev")["watch"];
    assert_eq!(
        (&watch["state"], &watch["checks"]),
        (&"watching".into(), &serde_json::json!(["argocd/dev"])),
        "{row:#}"
    );
    assert!(cell("prod")["watch"].is_null() && watch["until"].is_string(), "{row:#}");
    let (id, group) = (repository["id"].as_str().unwrap(), row["group"].as_str().unwrap());
    let (code, page) = scene.service.get(&format!("/promotion?repository={id}&environment=dev&group={group}"));
    assert_eq!(code, 200, "{page}");
    assert!(
        page.contains("Watched since it came") && page.contains("argocd&#x2f;dev") && page.contains("1.5.0"),
        "{page}"
    );
    assert!(
        !scene.service.get(&format!("/promotion?repository={id}&environment=prod&group={group}")).1.contains("Watched")
    );
    assert!(scene.service.get("/").1.contains(">watching</a> argocd&#x2f;dev"));
}
