//! `serve` on a forge: what its clients keep from one pass to the next, and what all repositories of one user share.

use std::collections::BTreeSet;
use std::sync::Arc;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::program::World;
use crate::program::serve::{PATIENCE, Service};
use crate::support::forge::{CheckRow, Fault, NOW, Store, github, serve};
use crate::support::git_server::{GitServer, Rules};

/// A Git server with repositories behind the token of an App's installation, and GitHub's API, which knows the first of them.
struct Scene {
    world: World,
    server: GitServer,
    store: Arc<Store>,
    api: String,
}

impl Scene {
    fn new() -> Self {
        let world = World::with_web(&["1.4.0", "1.5.0"]);
        let config = world.config().replace("publish: commit", "publish: pullRequest");
        let web = world.deployment("acme/web:1.4.0");
        let files = [(".tagboat.yaml", config.as_str()), ("dev/web.yaml", &web)];
        Self::of(world, &config, &files)
    }

    /// What comes to `dev` by commits, and waits for a check before it comes to `staging`.
    fn promoting() -> Self {
        let world = World::with_web(&["1.4.0", "1.5.0"]);
        let after = "  - name: staging\n    files: [staging/**]\n    after: dev\n    publish: commit\n    gates: {checks: [e2e]}\n";
        let (config, web) = (world.config() + after, world.deployment("acme/web:1.4.0"));
        let files = [(".tagboat.yaml", config.as_str()), ("dev/web.yaml", &web), ("staging/web.yaml", &web)];
        Self::of(world, &config, &files)
    }

    fn of(world: World, config: &str, files: &[(&str, &str)]) -> Self {
        let bare = world.scratch.bare("acme/gitops.git", files);
        // In the other one there is nothing to propose.
        let newest = world.deployment("acme/web:1.5.0");
        let others = [(".tagboat.yaml", config), ("dev/web.yaml", &newest)];
        for bare in [&bare, &world.scratch.bare("acme/other.git", &others)] {
            bare.git(&["config", "http.receivepack", "true"]);
        }
        let login = STANDARD.encode("x-access-token:ghs_installation");
        let rules = Rules { authorization: Some(format!("Basic {login}")), ..Rules::default() };
        let server = GitServer::start(&world.scratch.path(""), rules);
        let store = Store::over(bare.folder);
        let api = format!("{}/api/v3", serve(github::router(Arc::clone(&store))));
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let der = STANDARD.encode(pair.as_der().unwrap().as_ref());
        world.beside("app.pem", &format!("-----BEGIN PRIVATE KEY-----\n{der}\n-----END PRIVATE KEY-----\n"));
        world.beside("token", "ghs_installation\n");
        world.beside("hook", "hush\n");
        Self { world, server, store, api }
    }

    fn row(&self, name: &str, auth: &str) -> String {
        format!("  - {{url: \"{}\", branch: main, auth: {auth}}}\n", self.server.url(name))
    }

    /// Starts a service that looks at a repository when a webhook says so.
    fn start(&self, rows: &str) -> Service {
        self.start_every("24h", rows)
    }

    fn start_every(&self, time: &str, rows: &str) -> Service {
        let configuration =
            format!("schedule: every {time}\nwebhooks: [{{source: generic, secretFile: hook}}]\nrepositories:\n{rows}");
        let variables = [("GITHUB_API_URL", self.api.as_str()), ("GITHUB_SERVER_URL", "http://127.0.0.1")];
        Service::start_with(&self.world, &configuration, &variables)
    }

    /// Has a repository looked at; returns what its pass says.
    fn look(&self, service: &Service, name: &str) -> Value {
        let url = self.server.url(name);
        assert_eq!(service.post("/hooks/generic/hush", &format!(r#"{{"repository": "{url}"}}"#)), 202);
        service.wait_for("pass", |line| line["repository"] == *url)
    }
}

const APP: &str = "{githubApp: {id: 7, privateKeyFile: app.pem}}";

#[test]
fn an_idle_pass_asks_the_forge_once_and_writes_nothing() {
    let scene = Scene::new();
    let service = scene.start(&scene.row("acme/gitops.git", APP));
    service.wait("pass");
    assert_eq!(scene.store.kept().pulls.len(), 1);
    let first = scene.store.requests();
    let tokens = |asked: &[String]| asked.iter().filter(|asked| asked.contains("/access_tokens")).count();
    assert_eq!(tokens(&first), 1, "Git and the forge are asked with the same: {first:?}");
    for _ in 0..3 {
        let line = scene.look(&service, "acme/gitops.git");
        assert_eq!(line["result"], "done", "{line}");
        let asked = scene.store.requests();
        assert!(asked.len() == 1 && asked[0].starts_with("GET "), "{asked:?}");
    }
    let metrics = service.metrics();
    let of_forge = metrics.iter().filter(|(series, _)| series.starts_with("tagboat_forge_requests_total"));
    assert_eq!(of_forge.map(|(_, count)| count).sum::<f64>(), (first.len() + 3) as f64, "{metrics:#?}");
}

#[test]
fn passes_that_follow_each_other_ask_twice_each_at_most() {
    let scene = Scene::promoting();
    let service = scene.start_every("1s", &scene.row("acme/gitops.git", APP));
    (0..3).for_each(|_| drop(service.wait("pass")));
    scene.store.requests();
    const PASSES: usize = 6;
    (0..PASSES).for_each(|_| drop(service.wait("pass")));
    let asked = scene.store.requests();
    // One may have begun, or ended, meanwhile. Each of them would ask three times for itself.
    assert!((PASSES - 1..=2 * (PASSES + 1)).contains(&asked.len()), "{asked:#?}");
    let is_check = |line: &&String| line.contains("/commits/");
    let checks: BTreeSet<&String> = asked.iter().filter(is_check).collect();
    assert_eq!(checks.len(), 2, "both kinds have their turns: {asked:#?}");
}

#[test]
fn a_webhook_has_everything_asked_in_the_pass_that_it_hastens() {
    let scene = Scene::promoting();
    let service = scene.start(&scene.row("acme/gitops.git", APP));
    service.wait("pass");
    scene.look(&service, "acme/gitops.git");
    let sha = scene.store.at("main").unwrap();
    // Both kinds of checks were asked for before, and no turn would have come to both now.
    let row = CheckRow { sha, name: "e2e".into(), word: "success".into(), text: String::new(), at: NOW, is_run: true };
    scene.store.kept().checks.push(row);
    let line = scene.look(&service, "acme/gitops.git");
    assert_eq!((&line["cause"], &line["commits"]), (&Value::from("webhook"), &Value::from(1)), "{line}");
}

#[test]
fn a_configuration_that_is_read_again_asks_with_a_new_token() {
    let scene = Scene::new();
    let rows = scene.row("acme/gitops.git", APP);
    let service = scene.start(&rows);
    service.wait("pass");
    scene.store.requests();
    service.configure(&format!(
        "schedule: every 12h\nwebhooks: [{{source: generic, secretFile: hook}}]\nrepositories:\n{rows}"
    ));
    service.wait("the configuration was read again");
    scene.look(&service, "acme/gitops.git");
    let asked = scene.store.requests();
    assert!(asked.iter().any(|asked| asked.contains("/access_tokens")), "{asked:?}");
}

#[test]
fn what_the_forge_asks_one_repository_to_wait_every_repository_of_that_user_waits() {
    for auth in [APP, "{tokenFile: token}"] {
        let scene = Scene::new();
        let rows = scene.row("acme/gitops.git", auth) + &scene.row("acme/other.git", auth);
        let service = scene.start(&rows);
        (0..2).for_each(|_| drop(service.wait("pass")));
        scene.store.requests();
        scene.store.trap("GET", "/pulls", Fault::Limited);
        scene.look(&service, "acme/gitops.git");
        assert_eq!(scene.store.requests().len(), 1);
        assert!(service.log().contains("GitHub wants no request before"), "{}", service.log());
        scene.look(&service, "acme/other.git");
        let asked = scene.store.requests();
        assert_eq!(asked, [""; 0], "{auth}: it is asked nothing more");
    }
}

#[test]
fn a_token_of_an_app_that_is_revoked_is_fetched_anew_once() {
    let scene = Scene::new();
    let service = scene.start(&scene.row("acme/gitops.git", APP));
    service.wait("pass");
    scene.store.requests();
    let tokens = |asked: &[String]| asked.iter().filter(|asked| asked.contains("/access_tokens")).count();
    // The forge's API does not take it any more.
    scene.store.kept().revoked.insert("ghs_installation".to_owned());
    let login = |token: &str| Some(format!("Basic {}", STANDARD.encode(format!("x-access-token:{token}"))));
    let line = scene.look(&service, "acme/gitops.git");
    assert_eq!(line["result"], "done", "{line}");
    assert_eq!(tokens(&scene.store.requests()), 1);
    // Nor does Git take the next one.
    scene.store.kept().revoked.insert("ghs_installation_1".to_owned());
    scene.server.set(Rules { authorization: login("ghs_installation_2"), ..Rules::default() });
    let line = scene.look(&service, "acme/gitops.git");
    assert_eq!(line["result"], "done", "{line}");
    assert_eq!(tokens(&scene.store.requests()), 1);
    // One that is refused all the same is not fetched again and again.
    scene.server.set(Rules { authorization: login("another"), ..Rules::default() });
    let line = scene.look(&service, "acme/gitops.git");
    assert_eq!(line["result"], "failed", "{line}");
    assert_eq!(tokens(&scene.store.requests()), 1);
}

/// The question itself waits, since its time allows that; whoever else asks as the same waits with it.
#[test]
fn a_short_wait_holds_for_every_repository_of_that_user_at_once() {
    let scene = Scene::new();
    let auth = "{tokenFile: token}";
    let rows = scene.row("acme/gitops.git", auth) + &scene.row("acme/other.git", auth);
    let service = scene.start(&rows);
    (0..2).for_each(|_| drop(service.wait("pass")));
    scene.store.requests();
    scene.store.trap("GET", "/gitops/pulls", Fault::Busy(30));
    let url = scene.server.url("acme/gitops.git");
    assert_eq!(service.post("/hooks/generic/hush", &format!(r#"{{"repository": "{url}"}}"#)), 202);
    let begun = std::time::Instant::now();
    while !scene.store.kept().traps.is_empty() {
        assert!(begun.elapsed() < PATIENCE, "it is asked");
        std::thread::yield_now();
    }
    scene.look(&service, "acme/other.git");
    assert_eq!(scene.store.requests().len(), 1, "nothing more is asked");
}
