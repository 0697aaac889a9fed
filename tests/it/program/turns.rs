//! `run` on forges that tell of one commit at a time: what it asks after another process has asked it, and what it does not do on what it
//! was not told itself.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use rusqlite::Connection;
use tagboat::cache::{Cache, Key32};
use tagboat::clock::SystemClock;

use crate::program::{Ran, World, contents};
use crate::support::forge::{CheckRow, NOW, Protection, Pull, Stands, Store, gitea, gitlab, serve};
use crate::support::git_server::{GitServer, Rules};

/// Images of pull requests that Tagboat merges.
const APPS: [&str; 3] = ["api", "web", "worker"];

/// One kind of forge, with its words for a check that runs, and one that has passed.
struct Kind {
    name: &'static str,
    repository: &'static str,
    variable: &'static str,
    token: &'static str,
    renewed: &'static str,
    running: &'static str,
    passed: &'static str,
}

static GITLAB: Kind = Kind {
    name: "gitlab",
    repository: "acme/platform/gitops.git",
    variable: "GITLAB_TOKEN",
    token: gitlab::TOKEN,
    renewed: gitlab::RENEWED,
    running: "running",
    passed: "success",
};

static GITEA: Kind = Kind {
    name: "gitea",
    repository: "acme/gitops.git",
    variable: "GITEA_TOKEN",
    token: gitea::TOKEN,
    renewed: gitea::RENEWED,
    running: "pending",
    passed: "success",
};

/// A repository whose three pull requests wait for a check each, as passes have seen it.
struct Scene {
    kind: &'static Kind,
    world: World,
    _server: GitServer,
    store: Arc<Store>,
    url: String,
    forge: String,
}

impl Scene {
    fn new(kind: &'static Kind) -> Self {
        let scene = Self::begun(kind, "");
        scene.asks_everything(&scene.asks_in_turn());
        scene
    }

    /// With one more environment, of `lab`; after a first pass.
    fn begun(kind: &'static Kind, environment: &str) -> Self {
        let world = World::new();
        let config = world.config().replace("publish: commit", "publish: autoMerge") + environment;
        let mut files = vec![(".tagboat.yaml".to_owned(), config + "pullRequest: {rebase: conflict}\n")];
        for app in APPS {
            ["1.4.0", "1.5.0"].iter().for_each(|tag| world.push(&format!("acme/{app}"), tag));
            files.push((format!("dev/{app}.yaml"), world.deployment(&format!("acme/{app}:1.4.0"))));
        }
        files.push(("lab/web.yaml".to_owned(), world.deployment("acme/web:1.4.0")));
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        let bare = world.scratch.bare(kind.repository, &files);
        bare.git(&["config", "http.receivepack", "true"]);
        let server = GitServer::start(&world.scratch.path(""), Rules::default());
        let url = server.url(kind.repository);
        let store = Store::over(bare.folder);
        let (router, base) = match kind.name {
            "gitlab" => (gitlab::router(Arc::clone(&store)), "gitlab"),
            _ => (gitea::router(Arc::clone(&store)), "forge"),
        };
        let forge = format!("{}/{base}", serve(router));
        let scene = Self { kind, world, _server: server, store, url, forge };
        assert!(!scene.asks_in_turn().is_empty());
        APPS.iter().for_each(|app| scene.report(app, kind.running));
        scene
    }

    /// Runs a pass, and returns it with what it asked the forge.
    fn run(&self, further: &[&str], variables: &[(&str, &str)]) -> (Ran, Vec<String>) {
        self.store.requests();
        let usual = ["run", "--repo", &self.url, "--branch", "main", "--forge", self.kind.name];
        let mut command = self.world.command(&[&usual[..], &["--forge-url", &self.forge], further].concat());
        command.env(self.kind.variable, self.kind.token).envs(variables.iter().copied());
        (self.world.finish(&mut command), self.store.requests())
    }

    fn asks(&self, further: &[&str], variables: &[(&str, &str)]) -> Vec<String> {
        let (ran, asked) = self.run(further, variables);
        ran.ended(0);
        asked
    }

    fn asks_in_turn(&self) -> Vec<String> {
        self.asks(&[], &[])
    }

    /// Fails the test unless this is the list, and a question about each pull request that waits for its check.
    #[track_caller]
    fn asks_everything(&self, asked: &[String]) {
        let is_asked = |app: &str| asked.iter().any(|line| line.contains(&self.of(app).sha));
        assert!(
            asked.len() == 1 + APPS.len() && APPS.iter().all(|app| is_asked(app)) && are_reads(asked),
            "{asked:#?}"
        );
    }

    fn of(&self, app: &str) -> Pull {
        self.store.refresh();
        let head = format!("acme-{app}");
        let kept = self.store.kept();
        kept.pulls.iter().find(|pull| pull.head.ends_with(&head)).unwrap_or_else(|| panic!("no {head}")).clone()
    }

    fn report(&self, app: &str, word: &str) {
        let (sha, name, word) = (self.of(app).sha, "build".to_owned(), word.to_owned());
        self.store.kept().checks.push(CheckRow { sha, name, word, text: String::new(), at: NOW, is_run: false });
    }

    fn cache(&self) -> PathBuf {
        self.world.scratch.path("cache/tagboat/cache.db")
    }

    /// Changes what is kept.
    #[track_caller]
    fn tell(&self, change: impl FnOnce(&str) -> String) {
        let (cache, key) = (Cache::open(&self.cache(), Arc::new(SystemClock)), self.row().unwrap());
        let text = String::from_utf8(cache.take_turns(&key).unwrap()).unwrap();
        let changed = change(&text);
        assert_ne!(changed, text);
        cache.leave_turns(&key, changed.as_bytes());
    }

    /// Returns the key of the one row that is there.
    fn row(&self) -> Option<Key32> {
        let connection = Connection::open(self.cache()).unwrap();
        let mut keys = connection.prepare("SELECT key FROM turns").unwrap();
        let keys: Vec<[u8; 32]> = keys.query_map((), |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        assert!(keys.len() <= 1);
        keys.first().copied().map(Key32)
    }
}

fn are_reads(asked: &[String]) -> bool {
    asked.iter().all(|line| line.starts_with("GET "))
}

#[track_caller]
fn is_quiet(asked: &[String]) {
    assert!(asked.len() == 2 && are_reads(asked), "{asked:#?}");
}

fn a_pass_in_which_nothing_has_changed_asks_twice_and_each_question_in_its_turn(kind: &'static Kind) {
    let scene = Scene::new(kind);
    let mut asked: Vec<String> = Vec::new();
    for _ in APPS {
        let seen = scene.asks_in_turn();
        is_quiet(&seen);
        asked.extend(seen);
    }
    asked.sort();
    asked.dedup();
    scene.asks_everything(&asked);
    let (ran, _) = scene.run(&[], &[]);
    assert_eq!(ran.out.matches(&format!("({})", kind.running)).count(), APPS.len(), "{ran:?}");
    assert!(ran.err.contains("earlier run; --ask-all asks everything anew"), "{ran:?}");
    is_quiet(&scene.asks(&["--ask-all=false"], &[("GITHUB_EVENT_NAME", "push")]));
    let (ran, asked) = scene.run(&["--ask-all"], &[]);
    scene.asks_everything(&asked);
    assert!(!ran.err.contains("--ask-all"), "{ran:?}");
    is_quiet(&scene.asks_in_turn());
}

fn a_check_that_turns_green_is_seen_in_its_turn_and_merged_by_a_pass_that_asks_for_everything(kind: &'static Kind) {
    let scene = Scene::new(kind);
    scene.report("worker", kind.passed);
    let mut passes = 1;
    let seen = loop {
        let seen = scene.asks_in_turn();
        if scene.of("worker").state == Stands::Merged {
            break seen;
        }
        is_quiet(&seen);
        passes += 1;
        assert!(passes <= APPS.len(), "its turn never came");
    };
    let merge = seen.iter().position(|line| line.contains("/merge") && !line.starts_with("GET ")).unwrap();
    let others = ["api", "web"].map(|app| scene.of(app));
    let is_asked = |sha: &String| seen[..merge].iter().any(|line| line.starts_with("GET ") && line.contains(sha));
    assert!(others.iter().all(|one| one.state == Stands::Open && is_asked(&one.sha)), "{seen:#?}");
}

fn where_everything_is_asked_it_is_merged_at_once(kind: &'static Kind) {
    for app in APPS {
        let scene = Scene::new(kind);
        is_quiet(&scene.asks_in_turn());
        scene.report(app, kind.passed);
        scene.asks(&["--ask-all"], &[]);
        assert_eq!(scene.of(app).state, Stands::Merged, "{app}");
    }
}

fn without_what_was_kept_everything_is_asked_and_nothing_fails(kind: &'static Kind) {
    let scene = Scene::new(kind);
    let quiet = || is_quiet(&scene.asks_in_turn());
    let whole = || scene.asks_everything(&scene.asks_in_turn());
    let version = env!("CARGO_PKG_VERSION");
    let changes: [&dyn Fn(&str) -> String; 5] = [
        &|text| text.replacen(version, "0.0.9", 1),
        &|text| text[..text.len() / 2].to_owned(),
        &|_| "\0 another program's".to_owned(),
        &|text| text.replace("\"status\":200", "\"status\":599"),
        &|text| text.replace("\"owner\":", "\"owner\":1"),
    ];
    for (number, change) in changes.iter().enumerate() {
        quiet();
        scene.tell(change);
        let asked = scene.asks_in_turn();
        assert!(asked.len() == 1 + APPS.len() && are_reads(&asked), "{number}: {asked:#?}");
    }
    quiet();
    let sql = "UPDATE turns SET value = CAST(substr(value, 1, length(value) - 1) || x'7a' AS BLOB)";
    Connection::open(scene.cache()).unwrap().execute_batch(sql).unwrap();
    whole();
    quiet();
    scene.asks_everything(&scene.asks(&[], &[(kind.variable, kind.renewed)]));
    is_quiet(&scene.asks(&[], &[(kind.variable, kind.renewed)]));
    whole();
    quiet();
    std::fs::remove_dir_all(scene.world.scratch.path("cache/tagboat")).unwrap();
    whole();
    quiet();
    for _ in 0..2 {
        scene.asks_everything(&scene.asks(&[], &[("TAGBOAT_CACHE", "off")]));
    }
}

fn a_dry_run_asks_what_a_run_would_and_leaves_what_was_kept_as_it_is(kind: &'static Kind) {
    let scene = Scene::new(kind);
    let (row, dry) = (scene.row(), || scene.run(&["--dry-run"], &[]));
    let (ran, asked) = dry();
    is_quiet(&asked);
    assert!(ran.ended(0).err.contains("--ask-all"));
    assert_eq!(dry().1, asked);
    assert!(row.is_some() && scene.row() == row);
    assert_eq!(scene.asks_in_turn(), asked);
    scene.asks_everything(&scene.asks(&["--dry-run", "--ask-all"], &[]));
    // Its turn comes in one of these, and what would be done then is foreseen on what stands.
    scene.report("worker", kind.passed);
    let mut passes = 1;
    let merged = loop {
        let (ran, asked) = dry();
        if asked.len() > 2 {
            break (ran, asked);
        }
        assert_eq!(scene.asks_in_turn(), asked);
        passes += 1;
        assert!(passes <= APPS.len(), "its turn never came: {ran:?}");
    };
    assert!(merged.0.out.contains("  merge: dev"), "{}", merged.0.out);
    let is_asked = |app: &str| merged.1.iter().any(|line| line.contains(&scene.of(app).sha));
    assert!(APPS.iter().all(|app| is_asked(app)) && !merged.0.err.contains("--ask-all"), "{merged:#?}");
    assert_eq!(scene.of("worker").state, Stands::Open);
}

fn a_pass_that_fails_leaves_nothing(kind: &'static Kind) {
    let scene = Scene::new(kind);
    scene.store.repository.land("main", &[(".tagboat.yaml", "version: none\n")], "By hand", 2);
    scene.run(&[], &[]).0.ended(2);
    assert_eq!(scene.row(), None);
}

/// What stands below the first page, the newest, is as it was while that is.
fn a_list_of_several_pages_is_asked_for_by_its_first_one(kind: &'static Kind) {
    let scene = Scene::new(kind);
    let old = |number: u64| Pull {
        number,
        state: Stands::Closed,
        head: format!("feature-{number}"),
        body: String::new(),
        labels: BTreeSet::new(),
        updated: 0,
        ..scene.of("api")
    };
    let pulls: Vec<Pull> = (4..=140).map(old).collect();
    scene.store.kept().pulls.extend(pulls);
    let all = scene.asks_in_turn();
    assert_eq!(all.len(), 2 + APPS.len(), "{all:#?}");
    for _ in 0..all.len() {
        is_quiet(&scene.asks_in_turn());
    }
}

fn from_when_on_something_may_move_everything_is_asked(kind: &'static Kind) {
    let lab =
        "  - name: lab\n    files: [lab/**]\n    publish: commit\n    onFailure: {checks: [argocd/lab], within: 20h}\n";
    let scene = Scene::begun(kind, lab);
    let all = scene.asks_in_turn().len();
    assert!(all > 1 + APPS.len());
    is_quiet(&scene.asks_in_turn());
    scene.tell(|text| text.replacen("\"until\":\"20", "\"until\":\"19", 1));
    assert_eq!(scene.asks_in_turn().len(), all);
    is_quiet(&scene.asks_in_turn());
}

/// Each of the three waits for something else, so that every question has been asked.
fn nothing_secret_is_kept(kind: &'static Kind) {
    let scene = Scene::new(kind);
    scene.store.kept().protection = Protection { approvals: 1, ..Protection::default() };
    scene.report("web", kind.passed);
    for _ in 0..3 {
        assert!(are_reads(&scene.asks(&["--ask-all"], &[])));
    }
    is_quiet(&scene.asks_in_turn());
    let cache = Cache::open(&scene.cache(), Arc::new(SystemClock));
    let kept = String::from_utf8(cache.take_turns(&scene.row().unwrap()).unwrap()).unwrap();
    assert!(kept.contains(&scene.of("web").sha), "{kept}");
    assert_eq!(kept.contains("merge_method"), kind.name == "gitlab", "the project's settings were asked for: {kept}");
    for secret in [kind.token, "hush", "uthorization", "rivate-token"] {
        assert!(!kept.contains(secret), "{secret}: {kept}");
        for (path, bytes) in contents(&scene.world.scratch.path("cache")) {
            assert!(!String::from_utf8_lossy(&bytes).contains(secret), "{secret}: {}", path.display());
        }
    }
}

/// Makes one test of each on a kind of forge.
macro_rules! on {
    ($module:ident, $kind:expr; $($name:ident)*) => {
        mod $module {
            $(
                #[test]
                fn $name() {
                    super::$name(&$kind);
                }
            )*
        }
    };
    ($module:ident, $kind:expr) => {
        on! { $module, $kind;
            a_pass_in_which_nothing_has_changed_asks_twice_and_each_question_in_its_turn
            a_check_that_turns_green_is_seen_in_its_turn_and_merged_by_a_pass_that_asks_for_everything
            where_everything_is_asked_it_is_merged_at_once
            without_what_was_kept_everything_is_asked_and_nothing_fails
            a_dry_run_asks_what_a_run_would_and_leaves_what_was_kept_as_it_is
            a_pass_that_fails_leaves_nothing
            a_list_of_several_pages_is_asked_for_by_its_first_one
            from_when_on_something_may_move_everything_is_asked
            nothing_secret_is_kept
        }
    };
}

on!(on_gitlab, super::GITLAB);
on!(on_gitea, super::GITEA);
