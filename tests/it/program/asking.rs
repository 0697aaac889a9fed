//! Gates that ask sources of the operator's file, and what is said where they cannot.

use crate::program::{Ran, World};
use crate::support::repository::Repository;
use crate::support::sources::{Mood, Prometheus};

/// A repository in which `prod` waits for a query; its `dev` runs 1.5.0.
fn repository(world: &World, gate: &str) -> Repository {
    let host = world.registry.host();
    let config = format!(
        "version: 1\nimages:\n  - match: {host}/**\n    semver: 1.x\nenvironments:\n  - name: dev\n    files: [dev/**]\n    \
         publish: commit\n  - name: prod\n    files: [prod/**]\n    after: dev\n    publish: commit\n    gates: {{{gate}}}\n"
    );
    let (newer, older) = (world.deployment("acme/web:1.5.0"), world.deployment("acme/web:1.4.0"));
    let files = [(".tagboat.yaml", config.as_str()), ("dev/web.yaml", &newer), ("prod/web.yaml", &older)];
    for (path, text) in files {
        world.write(path, text);
    }
    world.scratch.bare("manifests.git", &files)
}

/// Takes the line ends out of wrapped text.
fn words(ran: &Ran) -> String {
    ran.out.split_whitespace().collect::<Vec<_>>().join(" ")
}

const QUERY: &str = "query: {source: prod-prometheus, expr: 'sum(errors{version=$tag})', expect: \"< 0.01\"}";

#[test]
fn a_query_to_a_source_of_the_operator_s_file_decides_a_whole_run() {
    let server = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let prometheus = server.block_on(Prometheus::start(Mood::number("0.2")));
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let remote = repository(&world, QUERY);
    world.beside("prom-token", "s3cr3t\n");
    let service = world.beside(
        "service.yaml",
        &format!(
            "version: 1\nsources:\n  - name: prod-prometheus\n    prometheus: {}/prometheus\n    auth: {{tokenFile: prom-token}}\n",
            prometheus.url()
        ),
    );
    let ran = world.run_on(&remote, &["--service", &service]).ended(0);
    assert!(ran.out.contains("query fails: 0.2 is not < 0.01"), "{ran:?}");
    assert!(!ran.err.contains("not acted on"), "{ran:?}");
    let shown = world.run_on(&remote, &["--service", &service, "--dry-run", "--output", "json", "-vv"]).ended(0);
    let gate = &shown.json()["proposals"][0]["gates"][0];
    assert_eq!((gate["gate"].as_str(), gate["state"].as_str()), (Some("query"), Some("fail")), "{gate}");
    assert!(!format!("{ran:?}{shown:?}").contains("s3cr3t"));
    let asked = prometheus.asked();
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[0].path, "/prometheus/api/v1/query");
    assert_eq!(asked[0].query["query"], "sum(errors{version=\"1.5.0\"})");
    assert_eq!(asked[0].login.as_deref(), Some("Bearer s3cr3t"));

    prometheus.set(Mood::number("0"));
    for command in [vec!["plan", "--service", &service], vec!["status", "--service", &service]] {
        world.tagboat(&command).ended(0);
        assert_eq!(prometheus.asked().len(), 1, "{command:?}");
    }
    world.run_on(&remote, &["--service", &service]).ended(0);
    let prod = String::from_utf8(remote.show("main", "prod/web.yaml")).unwrap();
    assert!(prod.contains("acme/web:1.5.0"), "{prod}");
}

#[test]
fn an_order_asks_what_it_does_not_skip() {
    let server = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let prometheus = server.block_on(Prometheus::start(Mood::number("0.2")));
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let remote = repository(&world, QUERY);
    let sources = format!("version: 1\nsources: [{{name: prod-prometheus, prometheus: \"{}\"}}]\n", prometheus.url());
    let service = world.beside("service.yaml", &sources);
    let url = remote.folder.display().to_string();
    let image = format!("{}/acme/web:1.5.0", world.registry.host());
    let order = ["promote", &image, "--to", "prod", "--repo", &url, "--branch", "main", "--service", &service];
    let ran = world.tagboat(&order).ended(1);
    assert!(ran.err.contains("0.2 is not < 0.01"), "{ran:?}");
    assert_eq!(prometheus.asked().len(), 1);
    world.tagboat(&[&order[..], &["--skip", "query", "--reason", "outage"]].concat()).ended(0);
    assert_eq!(prometheus.asked(), [], "what is skipped is not asked");
}

#[test]
fn a_source_that_cannot_be_asked_is_named_by_check_and_waited_for() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let remote = repository(&world, QUERY);
    let ran = world.run_on(&remote, &[]).ended(0);
    let expected = "query waits: the source `prod-prometheus` cannot be asked: no operator's file is read, which names it: `--service FILE`";
    assert!(words(&ran).contains(expected), "{ran:?}");

    let service = world.beside("service.yaml", "version: 1\nsources: [{name: prom, http: \"http://127.0.0.1:1\"}]\n");
    let ran = world.run_on(&remote, &["--service", &service]).ended(0);
    assert!(words(&ran).contains("the operator's file names no such source"), "{ran:?}");
    let found = |service: &str| {
        let json = world.tagboat(&["check", "--service", service, "--output", "json"]).ended(0).json();
        let findings = json["findings"].as_array().unwrap().iter().filter(|row| row["rule"] == "unknown-source");
        findings.map(|row| format!("{} {}", row["line"], row["message"].as_str().unwrap())).collect::<Vec<_>>()
    };
    assert_eq!(
        found(&service),
        ["9 prod: the operator's file names no source `prod-prometheus`, for which the gate waits"]
    );
    let service =
        world.beside("service.yaml", "version: 1\nsources: [{name: prod-prometheus, http: \"http://127.0.0.1:1\"}]\n");
    assert_eq!(found(&service), ["9 prod: `query` asks a Prometheus, and the source `prod-prometheus` is plain HTTP"]);
    let service = world
        .beside("service.yaml", "version: 1\nsources: [{name: prod-prometheus, prometheus: \"http://127.0.0.1:1\"}]\n");
    assert_eq!(found(&service), [""; 0]);

    let missing =
        "version: 1\nsources: [{name: prod-prometheus, prometheus: \"http://127.0.0.1:1\", auth: {tokenFile: none}}]\n";
    let service = world.beside("service.yaml", missing);
    let ran = world.run_on(&remote, &["--service", &service]).ended(0);
    assert!(words(&ran).contains("cannot read the secret"), "{ran:?}");
}
