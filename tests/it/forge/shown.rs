//! What pull requests look like: one of each kind is made on a fake, and stands in `docs/pull-requests.md` as it was posted.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use tagboat::clock::SystemClock;
use tagboat::forge::github::GitHub;
use tagboat::forge::github::identity::Identity;
use tagboat::git::Remote;
use tagboat::git::access::Access;
use tagboat::git::mirror::Mirror;
use tagboat::git::url::RemoteUrl;
use tagboat::model::environment::Publish;
use tagboat::model::gate::GateName;
use tagboat::pass::hold::{self, Holding};
use tagboat::pass::order::Order;
use tagboat::pass::propose::Publishing;
use tagboat::pass::run::Mode;

use crate::support::forge::github::router;
use crate::support::forge::{CheckRow, Pull, Store, serve};
use crate::support::memory::MemoryTags;
use crate::support::passes::{Passing, Said};
use crate::support::repository::{Scratch, environment};

const HEAD: &str = "version: 1\nimages:\n  - match: ghcr.io/acme/*\n    semver: 1.x\n";

fn manifest(images: &[&str]) -> String {
    let rows: String = images.iter().map(|image| format!("  - image: ghcr.io/acme/{image}\n")).collect();
    format!("apiVersion: v1\nkind: Pod\nspec:\n  containers:\n{rows}")
}

/// A repository on GitHub, and a registry.
struct Scene {
    scratch: Scratch,
    store: Arc<Store>,
    address: String,
    tags: MemoryTags,
}

impl Scene {
    fn new(config: &str, files: &[(&str, &str)]) -> Self {
        let scratch = Scratch::new();
        let config = format!("{HEAD}{config}");
        let files: Vec<(&str, &str)> =
            [(".tagboat.yaml", config.as_str())].into_iter().chain(files.iter().copied()).collect();
        let store = Store::over(scratch.bare("gitops.git", &files).folder);
        let address = serve(router(Arc::clone(&store)));
        let scene = Self { scratch, store, address, tags: MemoryTags::default() };
        for image in ["web", "worker"] {
            scene.tags.set(&format!("ghcr.io/acme/{image}"), ["1.4.0", "1.5.0"]);
        }
        scene
    }

    fn remote(&self) -> Arc<dyn Remote> {
        let url = RemoteUrl::from_path(&self.store.repository.folder);
        Arc::new(Mirror::open(&self.scratch.path("mirror"), url, Access::None, environment(None)).unwrap())
    }

    fn publishing(&self) -> Publishing {
        let base = format!("{}/api/v3", self.address).parse().unwrap();
        let identity = Identity::Token("token".into());
        Publishing::Forge(Arc::new(GitHub::new(base, "acme", "gitops", identity, Arc::new(SystemClock))))
    }

    async fn pass(&self, now: &str) -> Pull {
        self.run(now).await;
        self.store.kept().pulls.last().cloned().unwrap()
    }

    async fn run(&self, now: &str) {
        let outcome = Passing { remote: self.remote(), tags: &self.tags, now, publishing: self.publishing() }
            .pass(Mode::Act)
            .await;
        assert_eq!(outcome.errors, []);
    }

    async fn order(&self, order: &Order, reason: &str) -> Pull {
        let outcome = Passing {
            remote: self.remote(),
            tags: &self.tags,
            now: "2026-11-20T10:00:00Z",
            publishing: self.publishing(),
        }
        .order(order, Said { by: Some("sre"), reason: Some(reason), publish: Some(Publish::PullRequest) })
        .await;
        assert_eq!(outcome.unwrap().errors, []);
        self.store.kept().pulls.last().cloned().unwrap()
    }
}

const NOW: &str = "2026-11-20T08:00:00Z";
const PROD: &str = "environments:\n  - name: prod\n    files: [prod/**]\n";

async fn update() -> Pull {
    let config = format!("{PROD}    reviewers: [acme/sre]\n");
    Scene::new(&config, &[("prod/web.yaml", &manifest(&["web:1.4.0"]))]).pass(NOW).await
}

const STAGES: &str = "environments:
  - name: staging
    files: [staging/**]
    publish: commit
  - name: prod
    files: [prod/**]
    after: staging
    publish: autoMerge
    gates: {soak: 24h, windows: [{days: mon-thu, hours: \"09:00-16:00\", zone: Europe/Berlin}]}
";

fn stages() -> Scene {
    let files = [("staging/web.yaml", manifest(&["web:1.5.0"])), ("prod/web.yaml", manifest(&["web:1.4.0"]))];
    Scene::new(STAGES, &files.each_ref().map(|(path, text)| (*path, text.as_str())))
}

async fn promotion() -> Pull {
    stages().pass(NOW).await
}

async fn group() -> Pull {
    let config = format!("groups:\n  - name: shop\n    images: [ghcr.io/acme/web, ghcr.io/acme/worker]\n{PROD}");
    let files =
        [("prod/web.yaml", manifest(&["web:1.4.0", "worker:1.4.0"])), ("prod/cron.yaml", manifest(&["worker:1.4.0"]))];
    Scene::new(&config, &files.each_ref().map(|(path, text)| (*path, text.as_str()))).pass(NOW).await
}

async fn rollback() -> Pull {
    let scene = Scene::new(PROD, &[("prod/web.yaml", &manifest(&["web:1.5.0"]))]);
    let (environment, what) = ("prod".into(), "ghcr.io/acme/web".to_owned());
    let order = Order::Rollback { environment, what, to: Some("1.4.0".parse().unwrap()) };
    scene.order(&order, "loses sessions, see @ada and #12").await
}

async fn hotfix() -> Pull {
    let (image, tag) = ("ghcr.io/acme/web".parse().unwrap(), "1.5.0".parse().unwrap());
    let skipped = BTreeSet::from([GateName::Windows]);
    let order = Order::Promote { environment: "prod".into(), what: image, tag, at_once: false, skipped };
    stages().order(&order, "closes the hole in the login").await
}

/// What came to production has failed, and goes back by itself.
async fn returned() -> Pull {
    let config = "environments:\n  - name: prod\n    files: [prod/**]\n    publish: commit\n    \
                  onFailure: {checks: [argocd/prod], within: 2h, publish: pullRequest}\n";
    let scene = Scene::new(config, &[("prod/web.yaml", &manifest(&["web:1.4.0"]))]);
    scene.run(NOW).await;
    let (sha, name) = (scene.store.repository.tip("main"), "argocd/prod".to_owned());
    let (word, at) = ("failure".to_owned(), "2026-11-20T08:05:00Z");
    let short = sha[..10].to_owned();
    scene.store.kept().checks.push(CheckRow { sha, name, word, text: String::new(), at, is_run: true });
    let pull = scene.pass("2026-11-20T08:10:00Z").await;
    Pull { body: pull.body.replace(&short, "0a1b2c3d4e"), ..pull }
}

const HOLD: &str = "A hold, where nobody may push to the base";

/// Nobody may push to the base, and a version is to be held.
async fn held() -> Pull {
    let scene = Scene::new(PROD, &[("prod/web.yaml", &manifest(&["web:1.4.0"]))]);
    scene.store.repository.hook("update", "#!/bin/sh\n[ \"$1\" != refs/heads/main ] || { echo protected; exit 1; }\n");
    let given = Holding {
        remote: scene.remote(),
        branch: &"main".into(),
        config: None,
        publishing: scene.publishing(),
        now: NOW.parse().unwrap(),
    };
    let order = hold::Order::Hold {
        image: "ghcr.io/acme/web".parse().unwrap(),
        tag: "1.5.0".parse().unwrap(),
        environment: Some("prod".into()),
        until: Some("2026-12-01T00:00:00Z".parse().unwrap()),
        by: Some("sre".to_owned()),
        reason: Some("loses sessions, see @ada and #12".to_owned()),
    };
    hold::follow(&given, &order).await.unwrap();
    scene.store.kept().pulls.last().cloned().unwrap()
}

/// Something newer comes while nobody has merged what stands.
async fn renewed() -> Pull {
    let scene = Scene::new(PROD, &[("prod/web.yaml", &manifest(&["web:1.4.0"]))]);
    scene.pass(NOW).await;
    scene.tags.set("ghcr.io/acme/web", ["1.4.0", "1.5.0", "1.6.0"]);
    scene.pass("2026-11-20T09:00:00Z").await
}

/// The image says which repository it was built from, and that has releases.
async fn noted() -> Pull {
    let scene = Scene::new(PROD, &[("prod/web.yaml", &manifest(&["web:1.4.0"]))]);
    let source = format!("{}/acme/web", scene.address.replace("http:", "https:"));
    for (tag, revision) in [("1.4.0", "0123456789abcdef"), ("1.5.0", "fedcba9876543210")] {
        scene.tags.label("ghcr.io/acme/web", tag, &source, revision);
    }
    let note = "- Sessions last over a restart (#481, thanks @ada)\n- The login says what is wrong";
    scene.store.kept().releases = vec![("v1.5.0".to_owned(), note.to_owned()), ("v1.4.0".to_owned(), String::new())];
    let pull = scene.pass(NOW).await;
    let host = scene.address.trim_start_matches("http://");
    Pull { body: pull.body.replace(host, "git.acme.example"), ..pull }
}

/// More images than a body has room for.
async fn cut() -> Pull {
    let names: Vec<String> = (0..1000).map(|number| format!("service-{number:03}:1.4.0")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let scene = Scene::new(
        &format!("groups:\n  - name: all\n    images: [ghcr.io/acme/*]\n{PROD}"),
        &[("prod/all.yaml", &manifest(&names))],
    );
    for name in names {
        scene.tags.set(&format!("ghcr.io/acme/{}", name.split(':').next().unwrap()), ["1.4.0", "1.5.0"]);
    }
    scene.pass(NOW).await
}

/// Writes a pull request as the page shows it: what is hidden left out, and rows that are like those before.
fn shown(kind: &str, pull: &Pull) -> String {
    let mut text = format!("### {kind}\n\n> **{}**\n>\n", pull.title);
    let mut alike = 0;
    for line in pull.body.lines().filter(|line| !line.starts_with("<!-- tagboat: ")) {
        let is_row = line.contains("`ghcr.io/acme/service-") || line.contains("`prod/all.yaml`:");
        alike = if is_row { alike + 1 } else { 0 };
        if alike <= 2 {
            text.push_str(if line.is_empty() { ">" } else { "> " });
            text.push_str(line);
            text.push('\n');
        }
    }
    while text.ends_with("\n>\n") {
        text.truncate(text.len() - 2);
    }
    text + "\n"
}

#[tokio::test]
async fn the_page_shows_pull_requests_as_they_are_posted() {
    let cut = cut().await;
    assert!((62_500..=65_536).contains(&cut.body.chars().count()), "{}", cut.body.chars().count());
    let kinds = [
        ("An update", update().await),
        ("A promotion that waits for its gates", promotion().await),
        ("A group", group().await),
        ("One with release notes", noted().await),
        ("One that takes the place of another", renewed().await),
        ("A rollback", rollback().await),
        ("A return of what failed, by `onFailure`", returned().await),
        (HOLD, held().await),
        ("A hotfix", hotfix().await),
        ("One that is longer than the forge takes", cut),
    ];
    for (kind, pull) in &kinds {
        let is_marked = pull.body.trim_end().ends_with("-->");
        assert_eq!(is_marked, *kind != HOLD, "a hold alone is known by its branch, {kind}: {}", pull.body);
    }
    let fresh: String = kinds.iter().map(|(kind, pull)| shown(kind, pull)).collect();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/pull-requests.md");
    let page = std::fs::read_to_string(&file).unwrap();
    let (before, rest) = page.split_once("<!-- made by tests: begin -->\n\n").unwrap();
    let (there, after) = rest.split_once("<!-- made by tests: end -->\n").unwrap();
    if tagboat::config::environment::Environment::capture().secret("UPDATE").is_ok() {
        let text = format!("{before}<!-- made by tests: begin -->\n\n{fresh}<!-- made by tests: end -->\n{after}");
        std::fs::write(file, text).unwrap();
    } else {
        assert_eq!(there, fresh, "UPDATE=1 renews the page");
    }
}
