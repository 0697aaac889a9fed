//! `run` on GitLab and Gitea, and where all three forges fail: the whole program over Git's HTTP and the forge's API.

use std::sync::Arc;

use base64::Engine as _;

use crate::program::{Ran, World, contents};
use crate::support::authority::Authority;
use crate::support::forge::{Fault, Stands, Store, gitea, github, gitlab, serve};
use crate::support::git_server::{GitServer, Rules};
use crate::support::proxy::FakeProxy;
use crate::support::tls_front::{Clients, TlsFront};

/// A program, a Git server, and a forge's API at another address, below a path.
pub(super) struct Scene {
    pub(super) world: World,
    _server: GitServer,
    pub(super) store: Arc<Store>,
    pub(super) url: String,
    pub(super) forge: String,
    name: &'static str,
}

impl Scene {
    pub(super) fn new(name: &'static str, repository: &str) -> Self {
        let world = World::with_web(&["1.4.0", "1.5.0"]);
        let config = world.config().replace("publish: commit", "publish: pullRequest");
        assert!(config.contains("pullRequest"), "{config}");
        let web = world.deployment("acme/web:1.4.0");
        let bare = world.scratch.bare(repository, &[(".tagboat.yaml", &config), ("dev/web.yaml", &web)]);
        bare.git(&["config", "http.receivepack", "true"]);
        let server = GitServer::start(&world.scratch.path(""), Rules::default());
        let url = server.url(repository);
        let store = Store::over(bare.folder);
        let (router, base) = match name {
            "gitlab" => (gitlab::router(Arc::clone(&store)), "gitlab"),
            "gitea" => (gitea::router(Arc::clone(&store)), "forge"),
            _ => (github::router(Arc::clone(&store)), "api/v3"),
        };
        let forge = format!("{}/{base}", serve(router));
        Self { world, _server: server, store, url, forge, name }
    }

    fn run(&self, variables: &[(&str, &str)]) -> Ran {
        self.run_with(variables, &[])
    }

    fn run_with(&self, variables: &[(&str, &str)], further: &[&str]) -> Ran {
        let arguments =
            ["run", "--repo", &self.url, "--branch", "main", "--forge", self.name, "--forge-url", &self.forge];
        let mut command = self.world.command(&arguments);
        command.envs(variables.iter().copied());
        self.world.finish(command.arg("-vv").args(further))
    }
}

#[test]
fn opens_one_below_a_path_of_the_host_and_never_shows_the_token() {
    let forges = [
        ("gitlab", "acme/platform/gitops.git", "GITLAB_TOKEN", gitlab::TOKEN, "merge_requests/1"),
        ("gitea", "acme/gitops.git", "GITEA_TOKEN", gitea::TOKEN, "pulls/1"),
    ];
    for (name, repository, variable, token, shown) in forges {
        let scene = Scene::new(name, repository);
        let ran = scene.run(&[(variable, token)]).ended(0);
        assert!(ran.out.contains(shown), "{ran:?}");
        assert_eq!(scene.store.kept().pulls.len(), 1);
        assert_eq!(scene.store.pull(1).state, Stands::Open);
        scene.store.requests();
        let again = scene.run(&[(variable, token)]).ended(0);
        let asked = scene.store.requests();
        assert!(asked.len() <= 2 && asked.iter().all(|line| line.starts_with("GET ")), "{asked:?}");
        for ran in [ran, again] {
            assert!(!ran.out.contains(token) && !ran.err.contains(token), "{ran:?}");
        }
    }
}

#[test]
fn says_which_token_is_missing_or_may_do_too_little() {
    let scene = Scene::new("gitlab", "acme/platform/gitops.git");
    let told = |variables: &[(&str, &str)]| {
        let ran = scene.run(variables).ended(3);
        // Lines are broken where they are long.
        format!("{}{}", ran.out, ran.err).split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert!(told(&[]).contains("set GITLAB_TOKEN"));
    let wrong = told(&[("GITLAB_TOKEN", "wr0ng")]);
    assert!(wrong.contains("does not take the token") && !wrong.contains("wr0ng"), "{wrong}");
    let job = told(&[("GITLAB_TOKEN", "j0b"), ("CI_JOB_TOKEN", "j0b")]);
    assert!(job.contains("a CI job's own token may not do this"), "{job}");
    assert_eq!(scene.store.kept().pulls.len(), 0);
}

#[test]
fn a_token_shows_nowhere_wherever_a_forge_fails() {
    let forges = [
        ("github", "acme/gitops.git", "GITHUB_TOKEN", "ghp-hush-hush", "/pulls", "/api/v3/repos/"),
        ("gitlab", "acme/platform/gitops.git", "GITLAB_TOKEN", gitlab::TOKEN, "merge_requests", "/gitlab/api/v4/"),
        ("gitea", "acme/gitops.git", "GITEA_TOKEN", gitea::TOKEN, "/pulls", "/forge/api/v1/"),
    ];
    let faults = [
        (Fault::Before(500), "GET"),
        (Fault::Before(401), "GET"),
        (Fault::Before(403), "POST"),
        (Fault::Before(422), "POST"),
        (Fault::After(502), "POST"),
        (Fault::Lost, "POST"),
        (Fault::Limited, "POST"),
    ];
    for (name, repository, variable, token, path, base) in forges {
        let login = base64::engine::general_purpose::STANDARD.encode(format!("x-access-token:{token}"));
        for (fault, method) in faults {
            let scene = Scene::new(name, repository);
            scene.store.trap(method, path, fault);
            let ran = scene.run_with(&[(variable, token)], &["--log-format", "json"]);
            let said = |secret: &str| ran.out.contains(secret) || ran.err.contains(secret);
            assert!(!said(token) && !said(&login), "{name} {fault:?}: {ran:?}");
            assert!(ran.err.contains(&format!("\"path\":\"{base}")), "{name} {fault:?}: -vv logs requests: {ran:?}");
            for line in ran.err.lines() {
                serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            }
            assert_eq!(scene.store.kept().traps.len(), 0, "{name} {fault:?} was met");
            for (path, bytes) in contents(&scene.world.scratch.path("cache")) {
                let text = String::from_utf8_lossy(&bytes);
                assert!(!text.contains(token) && !text.contains(&login), "{}", path.display());
            }
        }
    }
}

#[test]
fn a_forge_url_that_would_send_the_token_in_clear_text_is_refused() {
    let scene = Scene::new("gitlab", "acme/platform/gitops.git");
    let arguments = ["run", "--repo", &scene.url, "--forge", "gitlab", "--forge-url", "http://git.acme.example"];
    let ran = scene.world.finish(scene.world.command(&arguments).env("GITLAB_TOKEN", "hush")).ended(2);
    assert!(ran.err.contains("clear text") && !ran.err.contains("hush"), "{ran:?}");
}

#[test]
fn a_forge_of_a_private_authority_is_reached_through_a_proxy_where_the_operator_says_so() {
    let scene = Scene::new("gitlab", "acme/platform/gitops.git");
    let authority = Authority::new("Acme");
    authority.write(&scene.world.scratch.path("ca.pem"));
    let behind = scene.forge.strip_prefix("http://").unwrap().split('/').next().unwrap();
    let front = TlsFront::before(behind, &authority.server(&["git.acme.example"]), Clients::Anybody);
    let proxy = FakeProxy::start(&[("git.acme.example:443", &front.host())], None);
    let run = |entry: &str, variables: &[(&str, &str)]| {
        let text = format!("version: 1\nrepositories: [{{url: {}{entry}}}]\n", scene.url);
        let service = scene.world.beside("service.yaml", &text);
        let url = "https://git.acme.example/gitlab";
        let arguments = ["run", "--repo", &scene.url, "--branch", "main", "--forge", "gitlab", "--forge-url", url];
        let mut command = scene.world.command(&arguments);
        command.args(["--service", &service]).env("GITLAB_TOKEN", gitlab::TOKEN).envs(variables.iter().copied());
        scene.world.finish(&mut command)
    };
    let through = [("HTTPS_PROXY", proxy.host())];
    let through: Vec<(&str, &str)> = through.iter().map(|(name, host)| (*name, host.as_str())).collect();
    let ran = run("", &through).ended(3);
    assert!(format!("{}{}", ran.out, ran.err).contains("certificate"), "{ran:?}");
    run(", caFile: ca.pem", &through).ended(0);
    assert_eq!(scene.store.kept().pulls.len(), 1);
    assert!(proxy.asked().iter().all(|line| line == "CONNECT git.acme.example:443"), "{:?}", proxy.asked());
    let before = proxy.asked().len();
    run(&format!(", caFile: ca.pem, proxy: \"http://{}\"", proxy.host()), &[]).ended(0);
    assert!(proxy.asked().len() > before, "the operator's word counts without any variable");
}

/// The image says that it was built from a repository on github.com, which the forge of its manifests knows nothing of.
#[test]
fn release_notes_of_public_github_are_asked_for_as_anybody_and_once() {
    for fault in [None, Some(Fault::Before(403))] {
        let scene = Scene::new("gitlab", "acme/platform/gitops.git");
        for (tag, revision) in [("1.4.0", "0123456789abcdef"), ("1.5.0", "fedcba9876543210")] {
            let label = |name: &str, value: &str| format!("\"org.opencontainers.image.{name}\": \"{value}\"");
            let labels =
                format!("{{{}, {}}}", label("source", "https://github.com/acme/web.git"), label("revision", revision));
            scene.world.registry.push_labelled("acme/web", tag, "2026-11-01T08:00:00Z", &labels);
        }
        let public = Store::over(scene.store.repository.folder.clone());
        public.kept().releases = vec![
            ("v1.5.0".to_owned(), "Fixes #7, thanks @ada".to_owned()),
            ("v1.4.0".to_owned(), "an early one".to_owned()),
        ];
        if let Some(fault) = fault {
            public.trap("GET", "/releases", fault);
        }
        let authority = Authority::new("Acme");
        let file = scene.world.scratch.path("ca.pem");
        authority.write(&file);
        let behind = serve(github::public(Arc::clone(&public)));
        let signed = authority.server(&["api.github.com"]);
        let front = TlsFront::before(behind.strip_prefix("http://").unwrap(), &signed, Clients::Anybody);
        let proxy = FakeProxy::start(&[("api.github.com:443", &front.host())], None);
        let (host, file) = (format!("http://{}", proxy.host()), file.display().to_string());
        let variables = [("GITLAB_TOKEN", gitlab::TOKEN), ("HTTPS_PROXY", &host), ("SSL_CERT_FILE", &file)];
        scene.run(&variables).ended(0);
        let body = scene.store.pull(1).body;
        assert!(body.contains("https://github.com/acme/web/compare/0123456789abcdef...fedcba9876543210"), "{body}");
        assert_eq!(body.contains("Release notes of web v1.5.0"), fault.is_none(), "{body}");
        assert!(!body.contains("an early one") && !body.contains("#7") && !body.contains("@ada"), "{body}");
        scene.run(&variables).ended(0);
        assert_eq!(public.requests(), ["GET /repos/acme/web/releases?per_page=40"]);
        assert!(proxy.asked().iter().all(|line| line == "CONNECT api.github.com:443"), "{:?}", proxy.asked());
    }
}
