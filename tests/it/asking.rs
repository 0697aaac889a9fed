//! Gates that ask the operator's sources: a Prometheus, and whatever answers to GET.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tagboat::clock::{Clock as _, SystemClock};
use tagboat::git::Remote;
use tagboat::manifest::Limits;
use tagboat::model::environment::BranchName;
use tagboat::model::gate::{Gate, GateState};
use tagboat::model::outcome::Outcome;
use tagboat::model::proposal::Action;
use tagboat::pass::run::{Mode, Run, run};
use tagboat::source::{Kind, Sources};

use crate::support::memory::{MemoryRemote, MemoryTags};
use crate::support::passes::on_plain_git;
use crate::support::sources::{Mood, NOW, Prometheus, none};

const QUERY: &str = "query: {source: prom, expr: 'sum(errors)', expect: \"< 0.01\"}";

fn manifest(image: &str, tag: &str) -> String {
    format!("apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: ghcr.io/acme/{image}:{tag}\n")
}

/// A remote with `dev` and `prod`, where two images have something newer in `dev`.
struct Scene {
    remote: Arc<MemoryRemote>,
    tags: MemoryTags,
}

impl Scene {
    fn new(gates: &str) -> Self {
        let config = format!(
            "version: 1\nimages:\n  - match: ghcr.io/acme/*\n    semver: 1.x\nenvironments:\n  - name: dev\n    \
             files: [dev/**]\n    publish: commit\n  - name: prod\n    files: [prod/**]\n    after: dev\n    \
             publish: commit\n    gates: {{{gates}}}\n"
        );
        let (newer, older) = ("1.5.0", "1.4.0");
        let remote = MemoryRemote::with(&[
            (".tagboat.yaml", &config),
            ("dev/web.yaml", &manifest("web", newer)),
            ("dev/worker.yaml", &manifest("worker", newer)),
            ("prod/web.yaml", &manifest("web", older)),
            ("prod/worker.yaml", &manifest("worker", older)),
        ]);
        let tags = MemoryTags::default();
        for image in ["web", "worker"] {
            tags.set(&format!("ghcr.io/acme/{image}"), [older, newer]);
        }
        Self { remote: Arc::new(remote), tags }
    }

    async fn pass(&self, sources: &Sources) -> Outcome {
        let remote: Arc<dyn Remote> = Arc::<MemoryRemote>::clone(&self.remote);
        let outcome = run(&Run {
            remote,
            branch: &BranchName::from("main"),
            config: None,
            neighbours: &tagboat::pass::elsewhere::nobody,
            source: &self.tags,
            sources,
            cache: &tagboat::pass::setup::no_cache(),
            detail: tagboat::pass::Detail::EveryTag,
            only: &[],
            limits: &Limits::default(),
            now: "2026-11-20T09:00:00Z".parse().unwrap(),
            clock: &tagboat::clock::FixedClock("2026-11-20T09:00:00Z".parse().unwrap()),
            publishing: on_plain_git(),
            mode: Mode::Act,
            progress: &|_| {},
            read_config: &|_| {},
            turn: tagboat::pass::Turn::default(),
        })
        .await
        .unwrap();
        assert_eq!(outcome.errors, []);
        outcome
    }

    fn has_moved(&self) -> bool {
        let moved = ["web", "worker"].map(|image| self.remote.file(&format!("prod/{image}.yaml")).contains("1.5.0"));
        assert_eq!(moved[0], moved[1], "both ask the same");
        moved[0]
    }
}

fn gates(outcome: &Outcome) -> Vec<&Gate> {
    outcome
        .proposals
        .iter()
        .filter(|proposal| proposal.environment.as_str() == "prod")
        .flat_map(|one| &one.gates)
        .collect()
}

/// Tells what the first gate says.
fn told(outcome: &Outcome) -> String {
    match gates(outcome).first().map(|gate| &gate.state) {
        Some(GateState::Wait { until: None, reason }) => format!("wait: {reason}"),
        Some(GateState::Fail { reason }) => format!("fail: {reason}"),
        other => format!("{other:?}"),
    }
}

#[tokio::test]
async fn nothing_but_numbers_as_expected_lets_a_version_pass() {
    let scene = Scene::new(QUERY);
    let prometheus = Prometheus::start(Mood::number("NaN")).await;
    let sources = prometheus.source("prom", Kind::Prometheus);
    let elsewhere = Prometheus::start(Mood::number("0")).await;
    for (mood, expected) in [
        (Mood::number("NaN"), "wait: NaN cannot be compared with < 0.01"),
        (Mood::number("0.01"), "fail: 0.01 is not < 0.01"),
        (Mood::number("+Inf"), "fail: inf is not < 0.01"),
        (Mood::vector(&[("a", "0"), ("b", "0.5")]), "fail: 0.5 of {pod=b} is not < 0.01 (1 of 2 samples)"),
        (Mood::vector(&[]), "wait: the query matches nothing, which proves nothing"),
        (Mood::Result("string", "[1,\"0\"]".to_owned()), "answered with a text, which is no number"),
        (Mood::Result("scalar", format!("[{NOW},\"7\"]")), "fail: 7 is not < 0.01"),
        (
            Mood::Body(422, r#"{"status":"error","errorType":"execution","error":"too many"}"#.to_owned()),
            "wait: the source `prom` cannot be asked: it refuses the query: execution: too many",
        ),
        (Mood::Body(500, String::new()), "answered 500 Internal Server Error"),
        (Mood::Body(401, "who are you".to_owned()), "it answered 401 Unauthorized"),
        (Mood::Body(200, "{}".to_owned()), "something else than Prometheus"),
        (Mood::Huge, "answered with more than 8388608 bytes"),
        (Mood::Redirect(elsewhere.url()), "to another host, which is not followed"),
        (Mood::Redirect("/login".to_owned()), "to another page, which is not followed"),
        (Mood::Result("scalar", "[1,\"0\"]".to_owned()), "it answered of 1970-01-01T00:00:01Z, and was asked about"),
    ] {
        prometheus.set(mood.clone());
        let outcome = scene.pass(&sources).await;
        let told = told(&outcome);
        assert!(told.contains(expected), "{mood:?}: {told}");
        assert!(told.starts_with("wait: ") || told.starts_with("fail: "), "{mood:?}: {told}");
        assert!(!scene.has_moved(), "{mood:?}");
        assert!(outcome.proposals.iter().all(|proposal| proposal.action == Action::Waiting), "{mood:?}");
    }
    assert_eq!(elsewhere.asked(), [], "nobody else is asked, with a login or without");
    prometheus.set(Mood::vector(&[("a", "0"), ("b", "0.009")]));
    scene.pass(&sources).await;
    assert!(scene.has_moved());
}

#[tokio::test]
async fn a_question_is_asked_once_for_all_images_and_only_where_something_waits_for_it() {
    let scene = Scene::new(QUERY);
    let prometheus = Prometheus::start(Mood::number("1")).await;
    let sources = prometheus.source("prom", Kind::Prometheus);
    scene.pass(&sources).await;
    let asked = prometheus.asked();
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert_eq!((asked[0].path.as_str(), asked[0].query["query"].as_str()), ("/api/v1/query", "sum(errors)"));
    assert_eq!(asked[0].login.as_deref(), Some("Bearer s3cr3t"));
    prometheus.set(Mood::number("0"));
    scene.pass(&sources).await;
    assert!(scene.has_moved());
    prometheus.asked();
    scene.pass(&sources).await;
    assert_eq!(prometheus.asked(), [], "nothing is left to promote");
}

#[tokio::test]
async fn a_query_with_variables_asks_for_each_image() {
    let scene =
        Scene::new("query: {source: prom, expr: 'errors{image=$image,tag=$tag,env=$environment}', expect: \"== 0\"}");
    let prometheus = Prometheus::start(Mood::number("0")).await;
    scene.pass(&prometheus.source("prom", Kind::Prometheus)).await;
    assert!(scene.has_moved());
    let mut asked: Vec<String> = prometheus.asked().iter().map(|asked| asked.query["query"].clone()).collect();
    asked.sort();
    assert_eq!(
        asked,
        [
            r#"errors{image="ghcr.io/acme/web",tag="1.5.0",env="prod"}"#,
            r#"errors{image="ghcr.io/acme/worker",tag="1.5.0",env="prod"}"#,
        ]
    );
}

#[tokio::test]
async fn over_a_range_every_sample_counts() {
    let scene = Scene::new("query: {source: prom, expr: up, range: 1h, step: 5m, expect: \">= 1\"}");
    let result = |values: &str| Mood::Result("matrix", format!("[{{\"metric\":{{}},\"values\":[{values}]}}]"));
    let point = |minutes: i64, value: &str| {
        let at = SystemClock.now() - SignedDuration::from_mins(minutes);
        (at.as_second(), format!("[{},\"{value}\"]", at.as_second()))
    };
    let ((_, good), (at, bad)) = (point(10, "1"), point(5, "0"));
    let prometheus = Prometheus::start(result(&format!("{good},{bad}"))).await;
    let sources = prometheus.source("prom", Kind::Prometheus);
    let outcome = scene.pass(&sources).await;
    let at = Timestamp::from_second(at).unwrap();
    assert_eq!(told(&outcome), format!("fail: 0 at {at} is not >= 1 (1 of 2 samples)"));
    let asked = prometheus.asked().remove(0);
    assert_eq!((asked.path.as_str(), asked.query["step"].as_str()), ("/api/v1/query_range", "300"));
    let moment = |name: &str| asked.query[name].parse::<f64>().unwrap();
    assert!((moment("end") - moment("start") - 3600.0).abs() < 0.01);
    prometheus.set(result(""));
    let outcome = scene.pass(&sources).await;
    assert!(told(&outcome).contains("has no number"), "{}", told(&outcome));
    let ((_, old), (_, better)) = (point(24 * 60, "1"), point(5, "2"));
    prometheus.set(result(&format!("{old},{better}")));
    let outcome = scene.pass(&sources).await;
    assert!(told(&outcome).contains("an old answer, or a clock that is wrong"), "{}", told(&outcome));
    prometheus.set(result(&format!("{good},{better}")));
    scene.pass(&sources).await;
    assert!(scene.has_moved());
}

#[tokio::test]
async fn an_http_gate_wants_success_and_what_it_expects_in_the_answer() {
    let scene = Scene::new(
        "http: {source: status, path: '/api/v2/status.json?x=1', json: $.status.indicator, expect: '== none'}",
    );
    let server = Prometheus::start(Mood::Body(503, String::new())).await;
    let sources = server.source("status", Kind::Http);
    for (mood, expected) in [
        (Mood::Body(503, r#"{"status":{"indicator":"none"}}"#.to_owned()), "answered 503"),
        (Mood::Body(404, r#"{"status":{"indicator":"none"}}"#.to_owned()), "it answered 404 Not Found"),
        (Mood::Body(200, "none".to_owned()), "something else than JSON"),
        (Mood::Body(200, "{}".to_owned()), "wait: nothing stands at $.status.indicator of the answer"),
        (
            Mood::Body(200, r#"{"status":{"indicator":null}}"#.to_owned()),
            "wait: null at $.status.indicator cannot be compared",
        ),
        (
            Mood::Body(200, r#"{"status":{"indicator":"major"}}"#.to_owned()),
            "fail: `major` at $.status.indicator is not == none",
        ),
    ] {
        server.set(mood.clone());
        let outcome = scene.pass(&sources).await;
        assert!(told(&outcome).contains(expected), "{mood:?}: {}", told(&outcome));
        assert!(!scene.has_moved());
    }
    server.asked();
    server.set(Mood::Body(200, r#"{"status":{"indicator":"none"}}"#.to_owned()));
    scene.pass(&sources).await;
    assert!(scene.has_moved());
    let asked = server.asked();
    assert_eq!((asked.len(), asked[0].path.as_str(), asked[0].query["x"].as_str()), (1, "/api/v2/status.json", "1"));

    let plain = Scene::new("http: {source: status, path: /healthz}");
    server.set(Mood::Body(204, String::new()));
    plain.pass(&sources).await;
    assert!(plain.has_moved());
}

#[tokio::test]
async fn what_cannot_be_asked_is_waited_for_with_the_reason() {
    let prometheus = Prometheus::start(Mood::number("0")).await;
    let http = "http: {source: prom, path: /-/healthy}";
    for (gate, sources, expected) in [
        (QUERY, none(), "the source `prom` cannot be asked: this test has none"),
        (QUERY, prometheus.source("other", Kind::Prometheus), "the operator's file names no such source"),
        (QUERY, prometheus.source("prom", Kind::Http), "`query` asks a Prometheus, and its entry says `http`"),
        (http, prometheus.source("prom", Kind::Prometheus), "`http` asks plain HTTP, and its entry says `prometheus`"),
        ("http: {source: prom, path: /../../admin}", prometheus.source("prom", Kind::Http), "it answered"),
    ] {
        prometheus.set(if gate == QUERY { Mood::number("0") } else { Mood::Body(403, String::new()) });
        let scene = Scene::new(gate);
        let outcome = scene.pass(&sources).await;
        let told = told(&outcome);
        assert!(told.starts_with("wait: ") && told.contains(expected), "{told}");
        assert!(!scene.has_moved());
    }
}

#[tokio::test]
async fn the_earliest_moment_is_told_while_the_answer_is_as_expected() {
    let scene = Scene::new(&format!("freezes: [{{from: 2026-11-20, to: 2026-11-20}}], {QUERY}"));
    let prometheus = Prometheus::start(Mood::number("1")).await;
    let sources = prometheus.source("prom", Kind::Prometheus);
    let earliest = |outcome: &Outcome| outcome.proposals.iter().map(|proposal| proposal.earliest).collect::<Vec<_>>();
    assert_eq!(earliest(&scene.pass(&sources).await), [None, None], "time alone opens it no more");
    prometheus.set(Mood::number("0"));
    let thaw = Some("2026-11-21T00:00:00Z".parse().unwrap());
    assert_eq!(earliest(&scene.pass(&sources).await), [thaw, thaw]);
    assert!(!scene.has_moved());
}
