//! `run` and `check --forge` on GitHub: the whole program over Git's HTTP and the forge's API.

use std::sync::Arc;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::program::{Ran, World};
use crate::support::forge::{CheckRow, Fault, Store, github, serve};
use crate::support::git_server::{GitServer, Rules};

/// A program, a Git server that asks for this token, and GitHub's API at another port.
pub(super) struct Scene {
    pub(super) world: World,
    pub(super) server: GitServer,
    pub(super) store: Arc<Store>,
    pub(super) url: String,
    api: String,
}

impl Scene {
    fn new(token: &str) -> Self {
        Self::configured(token, |config| config.replace("publish: commit", "publish: pullRequest"))
    }

    /// Starts with the usual configuration, changed, and a Deployment in `dev` and `prod`.
    pub(super) fn configured(token: &str, change: impl Fn(String) -> String) -> Self {
        let world = World::with_web(&["1.4.0", "1.5.0"]);
        let config = change(world.config());
        let web = world.deployment("acme/web:1.4.0");
        let mut files = vec![(".tagboat.yaml", config.as_str()), ("dev/web.yaml", &web)];
        if config.contains("prod/**") {
            files.push(("prod/web.yaml", &web));
        }
        let bare = world.scratch.bare("acme/gitops.git", &files);
        bare.git(&["config", "http.receivepack", "true"]);
        let login = STANDARD.encode(format!("x-access-token:{token}"));
        let rules = Rules { authorization: Some(format!("Basic {login}")), ..Rules::default() };
        let server = GitServer::start(&world.scratch.path(""), rules);
        let url = server.url("acme/gitops.git");
        let store = Store::over(bare.folder);
        let api = format!("{}/api/v3", serve(github::router(Arc::clone(&store))));
        Self { world, server, store, url, api }
    }

    /// Runs with the variables by which the CI of an Enterprise Server names itself.
    pub(super) fn tagboat(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
        let mut command = self.world.command(arguments);
        command.env("GITHUB_API_URL", &self.api).env("GITHUB_SERVER_URL", "http://127.0.0.1");
        self.world.finish(command.envs(variables.iter().copied()))
    }
}

#[test]
fn opens_one_with_a_token_and_then_asks_once() {
    let scene = Scene::new("tok-en");
    let named =
        ["run", "--repo", &scene.url, "--branch", "main", "--forge", "github", "--forge-url", &scene.api, "-vv"];
    let token = [("TAGBOAT_TOKEN", "tok-en")];
    let ran = scene.world.finish(scene.world.command(&named).envs(token)).ended(0);
    assert!(ran.out.contains("https://github.example/acme/gitops/pull/1"), "{ran:?}");
    assert!(!ran.out.contains("tok-en") && !ran.err.contains("tok-en"), "{ran:?}");
    scene.store.requests();
    scene.tagboat(&["run", "--repo", &scene.url, "--branch", "main"], &token).ended(0);
    let asked = scene.store.requests();
    assert!(asked.len() == 1 && asked[0].starts_with("GET "), "{asked:?}");
    assert_eq!(scene.store.kept().pulls.len(), 1);
}

#[test]
fn an_app_opens_one_and_pushes_with_a_token_of_its_installation() {
    let scene = Scene::new("ghs_installation");
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der = STANDARD.encode(pair.as_der().unwrap().as_ref());
    scene.world.beside("app.pem", &format!("-----BEGIN PRIVATE KEY-----\n{der}\n-----END PRIVATE KEY-----\n"));
    let service = format!(
        "version: 1\nrepositories:\n  - url: {}\n    auth: {{githubApp: {{id: 7, privateKeyFile: app.pem}}}}\n",
        scene.url
    );
    let service = scene.world.beside("service.yaml", &service);
    let run = ["run", "--repo", &scene.url, "--branch", "main", "--service", &service];
    let ran = scene.tagboat(&run, &[]).ended(0);
    assert!(ran.out.contains("/pull/1") && !ran.err.contains("ghs_"), "{ran:?}");
    assert_eq!(scene.store.kept().pulls.len(), 1);
    let tokens = |wanted: usize| {
        let asked = scene.store.requests();
        assert_eq!(asked.iter().filter(|line| line.contains("/access_tokens")).count(), wanted, "{asked:?}");
    };
    // Git and the forge are asked with the same, also in the run behind it, where no more than the command line tells where that is.
    tokens(1);
    let named = [&run[..], &["--forge", "github", "--forge-url", &scene.api]].concat();
    let ran = scene.world.finish(&mut scene.world.command(&named)).ended(0);
    assert!(!ran.err.contains("ghs_"), "{ran:?}");
    tokens(0);
    // The same place under two names; what was fetched for the one is not shown to the other.
    let other = scene.api.replace("127.0.0.1", "localhost");
    let named = [&run[..], &["--forge", "github", "--forge-url", &other]].concat();
    scene.tagboat(&named, &[]).ended(0);
    tokens(1);
}

#[test]
fn neither_an_app_s_key_nor_its_tokens_show_wherever_it_fails() {
    for (method, path, fault) in [
        ("GET", "/installation", Fault::Before(404)),
        ("GET", "/installation", Fault::Before(401)),
        ("POST", "/access_tokens", Fault::Before(403)),
        ("POST", "/access_tokens", Fault::Before(500)),
        ("POST", "/access_tokens", Fault::Lost),
        ("GET", "/pulls", Fault::Before(401)),
        ("POST", "/pulls", Fault::Before(403)),
    ] {
        let scene = Scene::new("ghs_installation");
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let der = STANDARD.encode(pair.as_der().unwrap().as_ref());
        scene.world.beside("app.pem", &format!("-----BEGIN PRIVATE KEY-----\n{der}\n-----END PRIVATE KEY-----\n"));
        let service = format!(
            "version: 1\nrepositories:\n  - url: {}\n    auth: {{githubApp: {{id: 7, privateKeyFile: app.pem}}}}\n",
            scene.url
        );
        let service = scene.world.beside("service.yaml", &service);
        scene.store.trap(method, path, fault);
        let arguments = ["run", "--repo", &scene.url, "--branch", "main", "--service", &service];
        let ran = scene.tagboat(&[&arguments[..], &["-vv", "--log-format", "json"]].concat(), &[]);
        assert_eq!(scene.store.kept().traps.len(), 0, "{path} {fault:?} was met: {ran:?}");
        // A signed claim begins with the same characters whatever it says: `{"alg":"RS256"` or `{"typ":`.
        for secret in
            ["ghs_", &STANDARD.encode("x-access-token:ghs_installation"), &der[40..80], "eyJhbGci", "eyJ0eXAi"]
        {
            assert!(!ran.out.contains(secret) && !ran.err.contains(secret), "{path} {fault:?} {secret}: {ran:?}");
        }
        assert!(ran.err.contains("/api/v3/"), "-vv logs requests: {ran:?}");
    }
}

/// GitHub offers such a token no permission to read checks: those of a private repository it never sees.
#[test]
fn a_fine_grained_token_shows_what_gates_say_and_sees_no_checks() {
    let gates = "    gates: {windows: [{hours: \"00:00-24:00\"}]}\n";
    let scene =
        Scene::configured("github_pat_t", |config| config.replace("publish: commit", "publish: pullRequest") + gates);
    let token = [("TAGBOAT_TOKEN", "github_pat_t")];
    let run = || scene.tagboat(&["run", "--repo", &scene.url, "--branch", "main"], &token);
    let said = || {
        let kept = scene.store.kept();
        kept.checks.iter().map(|row| (row.sha.clone(), row.word.clone())).collect::<Vec<_>>()
    };
    run().ended(0);
    let first = scene.store.pull(1).sha;
    assert_eq!(said(), [(first.clone(), "success".to_owned())]);
    scene.world.push("acme/web", "1.6.0");
    run().ended(0);
    let second = scene.store.pull(1).sha;
    assert_ne!(first, second);
    assert_eq!(said()[1..], [(second.clone(), "success".to_owned())]);
    scene.store.change(1, |pull| {
        pull.labels.insert("tagboat/hold".to_owned());
    });
    run().ended(0);
    assert_eq!(said()[2..], [(second, "pending".to_owned())], "it is taken back");
    // Nothing that waits for checks is asked for, so that nothing is missing; what merges waits for them.
    let web = scene.world.deployment("acme/web:1.4.0");
    for (publish, code) in [("pullRequest", 0), ("autoMerge", 2)] {
        let config = scene.world.config().replace("publish: commit", &format!("publish: {publish}")) + gates;
        let work = scene.world.scratch.work(publish, &[(".tagboat.yaml", &config), ("dev/web.yaml", &web)]);
        work.git(&["remote", "add", "origin", &scene.url]);
        let ran = scene.tagboat(&["check", &work.folder.display().to_string(), "--forge"], &token).ended(code);
        let words = ran.out.split_whitespace().collect::<Vec<_>>().join(" ");
        let is_told = words.contains("lacks `checks: read`") && words.contains("take an App's or a classic one");
        assert_eq!(is_told, code == 2, "{ran:?}");
    }
}

#[test]
fn a_fine_grained_token_that_is_to_merge_is_told_that_it_sees_no_checks() {
    let scene = Scene::configured("github_pat_t", |config| config.replace("publish: commit", "publish: autoMerge"));
    let token = [("TAGBOAT_TOKEN", "github_pat_t")];
    let run = || scene.tagboat(&["run", "--repo", &scene.url, "--branch", "main"], &token);
    run().ended(0);
    let (sha, name, word) = (scene.store.pull(1).sha, "build".to_owned(), "success".to_owned());
    let row = CheckRow { sha, name, word, text: String::new(), at: "2026-11-20T08:00:00Z", is_run: true };
    scene.store.kept().checks.push(row);
    let ran = run();
    let words = format!("{} {}", ran.out, ran.err).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("403") && words.contains("take an App's or a classic one"), "{ran:?}");
}

#[test]
fn check_names_each_permission_that_is_missing() {
    let scene = Scene::new("tok-en");
    let web = scene.world.deployment("acme/web:1.4.0");
    let config = scene.world.config() + "    onFailure: {checks: [argocd/dev], within: 2h}\n";
    let work = scene.world.scratch.work("work", &[(".tagboat.yaml", &config), ("dev/web.yaml", &web)]);
    work.git(&["remote", "add", "origin", &scene.url]);
    let folder = work.folder.display().to_string();
    let token = [("TAGBOAT_TOKEN", "tok-en")];
    assert!(!scene.tagboat(&["check", &folder, "--forge"], &token).ended(0).out.contains("lacks"));
    scene.store.trap("GET", "/check-runs", Fault::Before(403));
    let ran = scene.tagboat(&["check", &folder, "--forge"], &token).ended(2);
    assert!(ran.out.contains("lacks `checks: read`") && !ran.out.contains("statuses"), "{ran:?}");
}

#[test]
fn without_a_token_it_says_what_to_set_and_with_that_of_actions_what_will_not_happen() {
    let scene = Scene::new("tok-en");
    let arguments = ["run", "--repo", &scene.url, "--branch", "main"];
    let own = [("GITHUB_ACTIONS", "true"), ("GITHUB_TOKEN", "tok-en")];
    let ran = scene.tagboat(&arguments, &own).ended(0);
    assert!(ran.err.contains("start no workflows") && ran.err.contains("TAGBOAT_TOKEN"), "{ran:?}");
    let mine = [("GITHUB_ACTIONS", "true"), ("GITHUB_TOKEN", "other"), ("TAGBOAT_TOKEN", "tok-en")];
    assert!(!scene.tagboat(&arguments, &mine).ended(0).err.contains("workflows"));
}

#[test]
fn check_fails_without_a_token_where_pull_requests_are_to_be_opened() {
    let scene = Scene::new("tok-en");
    let web = scene.world.deployment("acme/web:1.4.0");
    for (publish, code) in [("commit", 0), ("pullRequest", 2)] {
        let config = scene.world.config().replace("publish: commit", &format!("publish: {publish}"));
        let work = scene.world.scratch.work(publish, &[(".tagboat.yaml", &config), ("dev/web.yaml", &web)]);
        work.git(&["remote", "add", "origin", &scene.url]);
        let ran = scene.tagboat(&["check", &work.folder.display().to_string(), "--forge"], &[]).ended(code);
        assert!(ran.out.contains("opens pull requests for nobody without a token"), "{ran:?}");
    }
}

#[test]
fn check_tells_a_token_that_may_only_read() {
    let scene = Scene::new("tok-en");
    let config = scene.world.config().replace("publish: commit", "publish: pullRequest") + "    deployments: true\n";
    let web = scene.world.deployment("acme/web:1.4.0");
    let work = scene.world.scratch.work("work", &[(".tagboat.yaml", &config), ("dev/web.yaml", &web)]);
    work.git(&["remote", "add", "origin", &scene.url]);
    let folder = work.folder.display().to_string();
    let token = [("TAGBOAT_TOKEN", "tok-en")];
    let ran = scene.tagboat(&["check", &folder, "--forge"], &token).ended(0);
    assert!(!ran.out.contains("permission"), "{ran:?}");
    let kept = scene.store.kept().clone();
    assert!(kept.pulls.is_empty() && kept.checks.is_empty() && kept.deployments.is_empty(), "nothing is made for that");
    scene.store.kept().reads_only = true;
    let ran = scene.tagboat(&["check", &folder, "--forge"], &token).ended(2);
    for permission in ["contents", "pull_requests", "statuses", "deployments"] {
        assert!(ran.out.contains(&format!("lacks `{permission}: write`")), "{permission}: {ran:?}");
    }
}

/// Such a token is nobody's: what GitHub tells of its owner, that they may not push, says nothing of it.
#[test]
fn check_asks_what_the_token_of_an_installation_may_do() {
    let scene = Scene::new("ghs_t");
    let config = scene.world.config().replace("publish: commit", "publish: pullRequest");
    let web = scene.world.deployment("acme/web:1.4.0");
    let work = scene.world.scratch.work("work", &[(".tagboat.yaml", &config), ("dev/web.yaml", &web)]);
    work.git(&["remote", "add", "origin", &scene.url]);
    let folder = work.folder.display().to_string();
    let token = [("TAGBOAT_TOKEN", "ghs_t")];
    let ran = scene.tagboat(&["check", &folder, "--forge"], &token).ended(0);
    assert!(!ran.out.contains("lacks"), "{ran:?}");
    scene.store.trap("POST", "/git/refs", Fault::Before(404));
    let ran = scene.tagboat(&["check", &folder, "--forge"], &token).ended(2);
    assert!(ran.out.contains("lacks `contents: write`"), "what is hidden from it was not granted: {ran:?}");
    scene.store.kept().reads_only = true;
    let ran = scene.tagboat(&["check", &folder, "--forge"], &token).ended(2);
    assert!(ran.out.contains("lacks `contents: write`"), "{ran:?}");
}

#[test]
fn check_asks_for_workflows_and_teams_where_they_are_wanted() {
    let scene = Scene::new("tok-en");
    let config = scene.world.config().replace("dev/**", ".github/workflows/**") + "    reviewers: [acme/sre]\n";
    let host = scene.world.registry.host();
    let workflow = format!("on: push\njobs:\n  a:\n    runs-on: x\n    container: {host}/acme/web:1.4.0\n");
    let files = [(".tagboat.yaml", config.as_str()), (".github/workflows/ci.yml", &workflow)];
    let work = scene.world.scratch.work("work", &files);
    work.git(&["remote", "add", "origin", &scene.url]);
    let folder = work.folder.display().to_string();
    let ran = scene.tagboat(&["check", &folder, "--forge"], &[("TAGBOAT_TOKEN", "tok-en")]).ended(2);
    assert!(ran.out.contains("lacks `members: read`"), "{ran:?}");
    let untold: String = ran.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(untold.contains("`workflows: write`") && untold.contains("cannot be told"), "{ran:?}");
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der = STANDARD.encode(pair.as_der().unwrap().as_ref());
    scene.world.beside("app.pem", &format!("-----BEGIN PRIVATE KEY-----\n{der}\n-----END PRIVATE KEY-----\n"));
    let auth = "{githubApp: {id: 7, privateKeyFile: app.pem}}";
    let service = format!("version: 1\nrepositories: [{{url: \"{}\", auth: {auth}}}]\n", scene.url);
    let service = scene.world.beside("service.yaml", &service);
    let check = || scene.tagboat(&["check", &folder, "--forge", "--service", &service], &[]);
    let ran = check().ended(2);
    assert!(ran.out.contains("lacks `workflows: write`") && ran.out.contains("lacks `members: read`"), "{ran:?}");
    let all = serde_json::json!({
        "contents": "write", "pull_requests": "write", "statuses": "write", "checks": "read", "workflows": "write", "members": "read",
    });
    scene.store.kept().permissions = Some(all);
    assert!(!check().ended(0).out.contains("lacks"));
}

#[test]
fn the_token_of_actions_is_known_however_it_comes() {
    let scene = Scene::new("tok-en");
    let says = |arguments: &[&str], variables: &[(&str, &str)]| {
        let ran = scene.tagboat(arguments, &[&[("GITHUB_ACTIONS", "true")], variables].concat()).ended(0);
        ran.err.contains("start no workflows")
    };
    let run = ["run", "--repo", &scene.url, "--branch", "main"];
    let entry = |auth: &str| {
        let text = format!("version: 1\nrepositories: [{{url: \"{}\", auth: {auth}}}]\n", scene.url);
        scene.world.beside("service.yaml", &text)
    };
    let service = entry("{tokenEnv: GITHUB_TOKEN}");
    assert!(says(&[&run[..], &["--service", &service, "--dry-run"]].concat(), &[("GITHUB_TOKEN", "tok-en")]));
    let order = ["promote", "acme/web:1.5.0", "--to", "dev", "--now", "--reason", "x"];
    let order = [&order[..], &["--repo", &scene.url, "--branch", "main"]].concat();
    assert!(says(&order, &[("GITHUB_TOKEN", "tok-en")]), "an order opens one as well");
    assert_eq!(scene.store.kept().pulls.len(), 1);
}

/// Such a token is one of an App's installation or that of the job: GitHub alone can tell, and is asked where it matters.
#[test]
fn a_token_that_may_be_that_of_actions_is_asked_about_where_something_was_opened() {
    for (login, is_own) in [("github-actions[bot]", true), ("acme-updater[bot]", false)] {
        let scene = Scene::new("ghs_t");
        scene.store.kept().login = Some(login);
        let run = ["run", "--repo", &scene.url, "--branch", "main"];
        let token = [("GITHUB_ACTIONS", "true"), ("TAGBOAT_TOKEN", "ghs_t")];
        let ran = scene.tagboat(&run, &token).ended(0);
        assert_eq!((scene.store.kept().pulls.len(), ran.err.contains("start no workflows")), (1, is_own), "{ran:?}");
        scene.store.requests();
        scene.tagboat(&run, &token).ended(0);
        assert_eq!(scene.store.requests().len(), 1, "an idle pass asks nothing more");
    }
}

#[test]
fn what_reaches_an_environment_is_a_deployment_once() {
    let prod =
        "  - name: prod\n    files: [prod/**]\n    after: dev\n    publish: pullRequest\n    deployments: true\n";
    let change = |config: String| config + "    deployments: true\n" + prod;
    let scene = Scene::configured("tok-en", change);
    let remote = &scene.store.repository;
    let token = [("TAGBOAT_TOKEN", "tok-en")];
    let run = || scene.tagboat(&["run", "--repo", &scene.url, "--branch", "main"], &token);
    let of = |environment: &str| {
        let kept = scene.store.kept().deployments.clone();
        kept.into_iter().filter(|row| row.environment == environment).collect::<Vec<_>>()
    };
    run().ended(0);
    let dev = of("dev");
    assert_eq!(dev.len(), 1, "{dev:?}");
    assert_eq!((dev[0].sha.clone(), dev[0].text.as_str()), (remote.tip("main"), "web 1.5.0"));
    assert_eq!((dev[0].task.as_str(), dev[0].states.as_slice()), ("deploy:tagboat", &["success".to_owned()][..]));
    let before = of("prod");
    // Nothing is asked about what is known to be told, and without the cache nothing is made twice.
    scene.store.requests();
    run().ended(0);
    let asked = scene.store.requests();
    assert!(asked.iter().all(|line| !line.contains("deployments")), "{asked:?}");
    std::fs::remove_dir_all(scene.world.scratch.path("cache/tagboat")).unwrap();
    run().ended(0);
    assert_eq!((of("dev"), of("prod")), (dev.clone(), before.clone()));
    // A person merges.
    let head = remote.git(&["for-each-ref", "--format=%(refname)", "refs/heads/tagboat/prod"]);
    remote.git(&["update-ref", "refs/heads/main", &head]);
    run().ended(0);
    let prod = of("prod");
    assert_eq!(prod.len(), before.len() + 1, "{prod:?}");
    assert_eq!((prod.last().unwrap().sha.clone(), of("dev")), (remote.tip("main"), dev));
    // What the forge refuses is said, and made up for by the next pass that asks for everything.
    scene.world.push("acme/web", "1.6.0");
    scene.store.trap("POST", "/deployments", Fault::Before(403));
    let ran = run().ended(3);
    assert!(ran.err.contains("deployments of dev") || ran.out.contains("deployments of dev"), "{ran:?}");
    run().ended(3);
    assert_eq!(of("dev").len(), 1, "it is not told again where nothing has changed");
    scene.store.trap("POST", "/statuses", Fault::Lost);
    scene.tagboat(&["run", "--repo", &scene.url, "--branch", "main", "--ask-all"], &token);
    run().ended(0);
    let dev = of("dev");
    assert_eq!(
        (dev.len(), dev[1].text.as_str(), dev[1].states.as_slice()),
        (2, "web 1.6.0", &["success".to_owned()][..])
    );
}

#[test]
fn check_names_the_permission_for_deployments_where_they_are_wanted() {
    let scene = Scene::new("tok-en");
    let web = scene.world.deployment("acme/web:1.4.0");
    let config = scene.world.config() + "    deployments: true\n";
    let work = scene.world.scratch.work("work", &[(".tagboat.yaml", &config), ("dev/web.yaml", &web)]);
    work.git(&["remote", "add", "origin", &scene.url]);
    let folder = work.folder.display().to_string();
    let token = [("TAGBOAT_TOKEN", "tok-en")];
    assert!(!scene.tagboat(&["check", &folder, "--forge"], &token).ended(0).out.contains("lacks"));
    scene.store.trap("GET", "/deployments", Fault::Before(403));
    let ran = scene.tagboat(&["check", &folder, "--forge"], &token).ended(2);
    assert!(ran.out.contains("lacks `deployments: write`"), "{ran:?}");
}

#[test]
fn a_deployment_that_is_overtaken_or_taken_back_is_over() {
    let watched = "    deployments: true\n    onFailure: {checks: [argocd/dev], within: 2h, publish: commit}\n";
    let scene = Scene::configured("tok-en", |config| config + watched);
    let remote = &scene.store.repository;
    let run = || {
        scene.tagboat(&["run", "--repo", &scene.url, "--branch", "main"], &[("TAGBOAT_TOKEN", "tok-en")]).ended(0);
        let kept = scene.store.kept().deployments.clone();
        kept.into_iter().map(|row| format!("{}: {}", row.text, row.states.join(" "))).collect::<Vec<_>>()
    };
    assert_eq!(run(), ["web 1.5.0: in_progress"]);
    scene.world.push("acme/web", "1.6.0");
    assert_eq!(run(), ["web 1.5.0: in_progress inactive", "web 1.6.0: in_progress"]);
    let at = String::leak(remote.git(&["log", "-1", "--format=%cI", "main"]));
    let (sha, name, word) = (remote.tip("main"), "argocd/dev".to_owned(), "failure".to_owned());
    scene.store.kept().checks.push(CheckRow { sha, name, word, text: String::new(), at, is_run: true });
    let told = run();
    assert_eq!(told[..2], ["web 1.5.0: in_progress inactive", "web 1.6.0: in_progress failure"], "{told:?}");
    assert_eq!(told.len(), 3, "what it went back to is one, too: {told:?}");
    assert_eq!(run()[..2], told[..2], "told once");
}

#[test]
fn a_deployment_goes_as_what_is_watched_there_goes() {
    let watched = "    deployments: true\n    onFailure: {checks: [argocd/dev], within: 2h, publish: pullRequest}\n";
    let scene = Scene::configured("tok-en", |config| config + watched);
    let remote = &scene.store.repository;
    let run = || {
        scene.tagboat(&["run", "--repo", &scene.url, "--branch", "main"], &[("TAGBOAT_TOKEN", "tok-en")]);
        let kept = scene.store.kept().deployments.clone();
        kept.into_iter().map(|row| (row.text, row.states)).collect::<Vec<_>>()
    };
    let states = |words: &[&str]| {
        vec![("web 1.5.0".to_owned(), words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())]
    };
    assert_eq!(run(), states(&["in_progress"]));
    let at = String::leak(remote.git(&["log", "-1", "--format=%cI", "main"]));
    let (sha, name, word) = (remote.tip("main"), "argocd/dev".to_owned(), "failure".to_owned());
    scene.store.kept().checks.push(CheckRow { sha, name, word, text: String::new(), at, is_run: true });
    assert_eq!(run(), states(&["in_progress", "failure"]));
    assert_eq!(run(), states(&["in_progress", "failure"]), "told once");
}
