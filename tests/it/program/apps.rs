//! `run` with the key of a GitHub App: what its token costs, and what becomes of one that an earlier run has fetched.

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rusqlite::Connection;
use tagboat::clock::{Clock as _, SystemClock};

use crate::program::Ran;
use crate::program::github::Scene;
use crate::support::forge::{CheckRow, Fault, NOW};
use crate::support::git_server::Rules;

/// A repository whose pull request waits for a check, and the configuration of an App.
struct Installed {
    scene: Scene,
    service: String,
}

impl Installed {
    fn new() -> Self {
        let scene = Scene::configured("ghs_installation", |config| {
            config.replace("publish: commit", "publish: autoMerge") + "pullRequest: {rebase: conflict}\n"
        });
        scene.world.beside("app.pem", &key());
        let service = format!(
            "version: 1\nrepositories:\n  - url: {}\n    auth: {{githubApp: {{id: 7, privateKeyFile: app.pem}}}}\n",
            scene.url
        );
        let service = scene.world.beside("service.yaml", &service);
        Self { scene, service }
    }

    /// With a run behind it, and a check that has not ended.
    fn waiting() -> Self {
        let installed = Self::new();
        installed.run(&[]).ended(0);
        installed.scene.store.refresh();
        let sha = installed.scene.store.kept().pulls[0].sha.clone();
        let (name, word) = ("build".to_owned(), "in_progress".to_owned());
        let row = CheckRow { sha, name, word, text: String::new(), at: NOW, is_run: true };
        installed.scene.store.kept().checks.push(row);
        installed.asked(&[]);
        installed
    }

    fn run(&self, further: &[&str]) -> Ran {
        let usual = ["run", "--repo", &self.scene.url, "--branch", "main", "--service", &self.service];
        self.scene.tagboat(&[&usual[..], further].concat(), &[])
    }

    /// Runs a pass; returns what it asked the forge.
    #[track_caller]
    fn asked(&self, further: &[&str]) -> Vec<String> {
        self.scene.store.requests();
        let ran = self.run(further).ended(0);
        assert!(!ran.out.contains("ghs_") && !ran.err.contains("ghs_"), "{ran:?}");
        self.scene.store.requests()
    }

    fn lets_git_in_by(&self, token: &str) {
        let authorization = Some(format!("Basic {}", STANDARD.encode(format!("x-access-token:{token}"))));
        self.scene.server.set(Rules { authorization, ..Rules::default() });
    }
}

/// Makes a private key as GitHub gives it.
fn key() -> String {
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der = STANDARD.encode(pair.as_der().unwrap().as_ref());
    format!("-----BEGIN PRIVATE KEY-----\n{der}\n-----END PRIVATE KEY-----\n")
}

fn tokens(asked: &[String]) -> usize {
    asked.iter().filter(|line| line.contains("/access_tokens")).count()
}

#[test]
fn a_run_in_which_nothing_changed_asks_twice_and_writes_nothing() {
    let installed = Installed::waiting();
    for _ in 0..3 {
        let asked = installed.asked(&[]);
        let is_read = |line: &String| line.starts_with("GET ") || line.starts_with("QUERY /api/graphql");
        assert!(asked.len() == 2 && asked.iter().all(is_read), "{asked:#?}");
    }
}

#[test]
fn what_is_kept_of_a_token_is_read_with_the_key_alone() {
    let installed = Installed::waiting();
    let folder = installed.scene.world.scratch.path("cache/tagboat");
    let mut files = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            assert!(!bytes.windows(4).any(|part| part == b"ghs_"), "{}", path.display());
            files += 1;
        }
    }
    assert!(files > 0, "there is a cache");
    // Another key of the same App, which may be there since the first one was given up.
    installed.scene.world.beside("app.pem", &key());
    assert_eq!(tokens(&installed.asked(&[])), 1);
}

#[test]
fn a_token_of_a_run_before_is_fetched_anew_where_it_is_refused() {
    let installed = Installed::waiting();
    // By the API, which knows it no more.
    installed.scene.store.kept().revoked.insert("ghs_installation".to_owned());
    assert_eq!(tokens(&installed.asked(&[])), 1);
    // By Git, before anything was asked.
    installed.scene.store.kept().revoked.insert("ghs_installation_1".to_owned());
    installed.lets_git_in_by("ghs_installation_2");
    assert_eq!(tokens(&installed.asked(&[])), 1);
    assert_eq!(tokens(&installed.asked(&[])), 0);
    // What is refused all the same ends the run, and is not fetched again and again.
    installed.lets_git_in_by("another");
    installed.scene.store.requests();
    let ran = installed.run(&[]).ended(1);
    assert!(ran.err.contains("error: ") && !ran.err.contains("ghs_"), "{ran:?}");
    assert_eq!(tokens(&installed.scene.store.requests()), 1);
    // Then there is none of a run before.
    let ran = installed.run(&[]).ended(1);
    assert!(ran.err.contains("error: "), "{ran:?}");
    assert_eq!(tokens(&installed.scene.store.requests()), 1, "once, and no second run for nothing");
}

#[test]
fn what_is_refused_in_the_middle_of_a_run_is_tried_by_a_new_token_in_the_next_one() {
    let installed = Installed::waiting();
    installed.scene.store.trap("GET", "/pulls", Fault::Before(403));
    let ran = installed.run(&[]).ended(3);
    assert!(!ran.out.contains("ghs_") && !ran.err.contains("ghs_"), "{ran:?}");
    assert_eq!(tokens(&installed.scene.store.requests()), 0);
    assert_eq!(tokens(&installed.asked(&[])), 1);
    assert_eq!(tokens(&installed.asked(&[])), 0, "it had no error");
}

#[test]
fn a_token_that_the_cache_cannot_forget_is_shown_once_alone() {
    let installed = Installed::waiting();
    installed.scene.store.kept().revoked.insert("ghs_installation".to_owned());
    let locked = Connection::open(installed.scene.world.scratch.path("cache/tagboat/cache.db")).unwrap();
    locked.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(tokens(&installed.asked(&[])), 1);
    // Git does not take it either.
    installed.scene.store.kept().revoked.insert("ghs_installation_1".to_owned());
    installed.lets_git_in_by("ghs_installation_2");
    assert_eq!(tokens(&installed.asked(&[])), 1);
}

#[test]
fn a_token_that_ends_before_a_pass_may_is_fetched_anew_for_the_installation_that_is_known() {
    let installed = Installed::new();
    let soon = SystemClock.now() + jiff::SignedDuration::from_mins(20);
    installed.scene.store.kept().token_ends = Some(soon.to_string());
    let lookups = |asked: &[String]| asked.iter().filter(|line| line.ends_with("/installation")).count();
    let of = |asked: Vec<String>| (lookups(&asked), tokens(&asked));
    assert_eq!(of(installed.asked(&[])), (1, 1), "one is good for all of a run");
    assert_eq!(of(installed.asked(&[])), (0, 1));
    // The App was installed for another owner, and then taken away and installed again.
    for reinstalled in [1, 2] {
        installed.scene.store.kept().reinstalled = reinstalled;
        assert_eq!(of(installed.asked(&[])), (1, 2));
    }
    installed.scene.store.kept().token_ends = None;
    assert_eq!(of(installed.asked(&[])), (0, 1));
    assert_eq!(of(installed.asked(&[])), (0, 0));
}

#[test]
fn a_dry_run_takes_what_a_run_has_left_and_leaves_nothing() {
    let installed = Installed::new();
    for _ in 0..2 {
        assert_eq!(tokens(&installed.asked(&["--dry-run"])), 1);
    }
    let installed = Installed::waiting();
    for _ in 0..2 {
        let asked = installed.asked(&["--dry-run"]);
        assert!(asked.len() == 2 && tokens(&asked) == 0, "{asked:#?}");
    }
    assert_eq!(tokens(&installed.asked(&[])), 0, "what was left is still there");
}
