//! For which server a token is that a variable holds, and that no other one is ever shown it: by Git, or by the forge's API.

use std::sync::{Arc, Mutex};

use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::program::serve::Service;
use crate::program::{Ran, World};
use crate::support::forge::{Store, gitea, serve};
use crate::support::git_server::{GitServer, Rules};

const TOKEN: &str = "hush-hush";

/// A forge's API that writes down each credential that it is shown.
struct Api {
    url: String,
    shown: Arc<Mutex<Vec<String>>>,
    store: Arc<Store>,
}

impl Api {
    fn over(store: Arc<Store>) -> Self {
        let shown: Arc<Mutex<Vec<String>>> = Arc::default();
        let told = Arc::clone(&shown);
        let note = move |request: Request, next: Next| {
            for name in ["authorization", "private-token", "job-token"] {
                let value =
                    request.headers().get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
                told.lock().unwrap().extend(value);
            }
            next.run(request)
        };
        let url = format!("{}/forge", serve(gitea::router(Arc::clone(&store)).layer(from_fn(note))));
        Self { url, shown, store }
    }

    fn shown(&self) -> Vec<String> {
        std::mem::take(&mut *self.shown.lock().unwrap())
    }
}

/// `prod` of one repository comes after `staging` of another one, which is on another server.
struct Scene {
    world: World,
    own: GitServer,
    other: GitServer,
    api: Api,
    other_api: Api,
}

impl Scene {
    fn new() -> Self {
        let world = World::with_web(&["1.4.0", "1.5.0"]);
        let host = world.registry.host();
        let head = format!("version: 1\nimages:\n  - match: {host}/**\n    semver: 1.x\nenvironments:\n");
        let platform = format!("{head}  - name: staging\n    files: [staging/**]\n    publish: commit\n");
        let newer = world.deployment("acme/web:1.5.0");
        let folder = world.scratch.path("");
        let platform =
            world.scratch.bare("acme/platform.git", &[(".tagboat.yaml", &platform), ("staging/web.yaml", &newer)]);
        let other = GitServer::start(&folder, Rules::default());
        let config = format!(
            "{head}  - name: prod\n    files: [prod/**]\n    publish: pullRequest\n    gates: {{checks: [ci]}}\n    \
             after: {{repository: \"{}\", environment: staging}}\n",
            other.url("acme/platform.git")
        );
        let older = world.deployment("acme/web:1.4.0");
        let shop = world.scratch.bare("acme/gitops.git", &[(".tagboat.yaml", &config), ("prod/web.yaml", &older)]);
        shop.git(&["config", "http.receivepack", "true"]);
        let own = GitServer::start(&folder, Rules::default());
        let (api, other_api) = (Api::over(Store::over(shop.folder)), Api::over(Store::over(platform.folder)));
        Self { world, own, other, api, other_api }
    }

    fn repositories(&self, own: &str, other: &str) -> String {
        let row = |url: String, api: &Api, further: &str| {
            format!("  - {{url: \"{url}\", branch: main, forge: gitea, forgeUrl: \"{}\"{further}}}\n", api.url)
        };
        let (shop, platform) = (self.own.url("acme/gitops.git"), self.other.url("acme/platform.git"));
        format!("repositories:\n{}{}", row(shop, &self.api, own), row(platform, &self.other_api, other))
    }

    /// Runs a pass of the one repository with the token in this variable; the entries say this of the two.
    fn run(&self, variable: &str, own: &str, other: &str) -> Ran {
        let service = self.world.beside("service.yaml", &format!("version: 1\n{}", self.repositories(own, other)));
        let url = self.own.url("acme/gitops.git");
        let mut command = self.world.command(&["run", "--repo", &url, "--branch", "main", "--service", &service]);
        self.world.finish(command.env(variable, TOKEN))
    }

    /// Takes what the one server and its API were shown, and what the other ones were.
    fn shown(&self) -> [Vec<String>; 2] {
        [[self.own.shown(), self.api.shown()].concat(), [self.other.shown(), self.other_api.shown()].concat()]
    }
}

fn shows_the_token(headers: &[String]) -> bool {
    let login = STANDARD.encode(format!("x-access-token:{TOKEN}"));
    let (git, api) = (format!("Basic {login}"), format!("token {TOKEN}"));
    headers.contains(&git) && headers.contains(&api) && headers.iter().all(|header| [&git, &api].contains(&header))
}

#[test]
fn a_token_in_a_variable_is_for_the_server_of_the_repository_that_a_command_is_about() {
    for variable in ["TAGBOAT_TOKEN", "GITEA_TOKEN"] {
        let scene = Scene::new();
        scene.run(variable, "", "");
        let [own, other] = scene.shown();
        assert!(shows_the_token(&own), "{own:?}");
        assert!(other.is_empty(), "{variable}: {other:?}");
        assert!(!scene.other.requests().is_empty() && !scene.other_api.store.requests().is_empty(), "both were asked");
        // Whoever writes beside the other one that it is for that has it there, and nowhere else.
        scene.run(variable, "", &format!(", auth: {{tokenEnv: {variable}}}"));
        let [own, other] = scene.shown();
        assert!(shows_the_token(&other) && own.is_empty(), "{own:?} {other:?}");
    }
}

#[test]
fn a_service_shows_a_token_in_a_variable_to_repositories_of_one_server_alone() {
    let scene = Scene::new();
    let served = |own: &str, other: &str| {
        let text = format!("schedule: every 24h\n{}", scene.repositories(own, other));
        let service = Service::start_with(&scene.world, &text, &[("TAGBOAT_TOKEN", TOKEN)]);
        [service.wait("pass"), service.wait("pass")]
    };
    for line in served("", "") {
        let reason = line["reason"].as_str().unwrap_or_default();
        assert!(reason.contains("TAGBOAT_TOKEN is not shown") && reason.contains("tokenEnv: TAGBOAT_TOKEN"), "{line}");
    }
    assert_eq!(scene.shown(), [Vec::<String>::new(), Vec::new()]);
    let named = ", auth: {tokenEnv: TAGBOAT_TOKEN}";
    served(named, "");
    let [own, other] = scene.shown();
    assert!(shows_the_token(&own) && other.is_empty(), "{own:?} {other:?}");
}

#[test]
fn a_variable_that_is_said_to_be_for_elsewhere_gives_way_to_the_one_of_the_forge() {
    for auth in ["tokenEnv: TAGBOAT_TOKEN", "basic: {username: ada, passwordEnv: TAGBOAT_TOKEN}"] {
        let scene = Scene::new();
        let service = scene.repositories("", &format!(", auth: {{{auth}}}"));
        let service = scene.world.beside("service.yaml", &format!("version: 1\n{service}"));
        let url = scene.own.url("acme/gitops.git");
        let arguments = ["run", "--repo", &url, "--branch", "main", "--service", &service];
        let variables = [("TAGBOAT_TOKEN", "others"), ("GITEA_TOKEN", TOKEN)];
        scene.world.finish(scene.world.command(&arguments).envs(variables));
        let [own, _] = scene.shown();
        assert!(shows_the_token(&own), "{auth}: {own:?}");
    }
}

/// On a machine of somebody who works with several forges, or in a job of one that is about a repository on another.
#[test]
fn git_and_the_api_are_shown_the_token_of_their_own_forge() {
    for (further, is_shown) in [
        (&[][..], true),
        (&[("GITEA_TOKEN", "")], false),
        (
            &[
                ("GITEA_ACTIONS", "true"),
                ("GITHUB_API_URL", "https://git.acme.example/api/v1"),
                ("GITHUB_SERVER_URL", "https://git.acme.example"),
            ],
            false,
        ),
    ] {
        let scene = Scene::new();
        let url = scene.own.url("acme/gitops.git");
        let arguments = ["run", "--repo", &url, "--branch", "main", "--forge", "gitea", "--forge-url", &scene.api.url];
        let all = [("GITHUB_TOKEN", "ghp_hub"), ("GITLAB_TOKEN", "glpat-lab"), ("GITEA_TOKEN", TOKEN)];
        scene.world.finish(scene.world.command(&arguments).envs(all).envs(further.iter().copied()));
        let shown = scene.shown()[0].clone();
        assert_eq!((shows_the_token(&shown), shown.is_empty()), (is_shown, !is_shown), "{further:?}: {shown:?}");
    }
}
