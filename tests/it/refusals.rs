//! On plain Git there is nothing to close: who takes a version back on its head branch has refused it, whatever becomes of that branch's
//! name, and however the environment publishes by then.

use std::sync::Arc;

use tagboat::git::Remote;
use tagboat::model::outcome::Outcome;
use tagboat::model::proposal::Action;
use tagboat::pass::run::Mode;

use crate::git::mirror_of;
use crate::support::memory::MemoryTags;
use crate::support::passes::{Passing, on_plain_git};
use crate::support::repository::{Repository, Scratch};

const WEB: &str = "ghcr.io/acme/web";
const API: &str = "ghcr.io/acme/api";
const HEAD: &str = "tagboat/prod/ghcr.io-acme-web";

struct Scene {
    scratch: Scratch,
    bare: Repository,
    tags: MemoryTags,
}

fn manifest(image: &str, tag: &str) -> String {
    format!("apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: {image}:{tag}\n")
}

fn config(environment: &str, below: &str) -> String {
    format!(
        "version: 1\nimages:\n  - match: ghcr.io/acme/*\n    semver: 1.x\nenvironments:\n  - name: prod\n    files: \
         [prod/**]\n{environment}{below}"
    )
}

impl Scene {
    fn new(environment: &str) -> Self {
        let scratch = Scratch::new();
        let bare = scratch.bare(
            "remote",
            &[
                (".tagboat.yaml", &config(environment, "")),
                ("prod/web.yaml", &manifest(WEB, "1.4.0")),
                ("prod/api.yaml", &manifest(API, "1.4.0")),
            ],
        );
        let scene = Self { scratch, bare, tags: MemoryTags::default() };
        scene.tags.set(WEB, ["1.4.0", "1.5.0"]);
        scene.tags.set(API, ["1.4.0"]);
        scene
    }

    /// Runs a pass, which finds a new mirror.
    async fn pass(&self, hour: u32) -> Outcome {
        let mirror = mirror_of(&self.scratch, &format!("mirror-{hour}"), &self.bare);
        let remote: Arc<dyn Remote> = Arc::new(mirror);
        let now = format!("2026-11-20T{hour:02}:00:00Z");
        Passing { remote, tags: &self.tags, now: &now, publishing: on_plain_git() }.pass(Mode::Act).await
    }

    /// Lets a person do something on a branch.
    fn person(&self, branch: &str, work: impl FnOnce(&Repository)) {
        let place = Repository { folder: self.scratch.path(&format!("person-{}", fastrand::u64(..))) };
        std::fs::create_dir(&place.folder).unwrap();
        place.git(&["clone", "--quiet", "--branch", branch, &self.bare.folder.display().to_string(), "."]);
        work(&place);
        place.git(&["push", "--quiet", "origin", branch]);
    }

    fn configure(&self, environment: &str, below: &str) {
        // The policy says the same in other words, so that there is something to commit.
        let text = config(environment, below).replace("semver: 1.x", "semver: 1.*");
        self.person("main", |work| drop(work.commit_files(&[(".tagboat.yaml", &text)], "Configure", 2)));
    }

    fn runs(&self, branch: &str) -> String {
        let text = String::from_utf8(self.bare.show(branch, "prod/web.yaml")).unwrap();
        text.trim_end().rsplit(':').next().unwrap().to_owned()
    }

    /// Starts with a version that somebody has taken back where it was proposed.
    async fn taken_back(environment: &str) -> Self {
        let scene = Self::new(environment);
        assert_eq!(scene.pass(1).await.proposals[0].action, Action::Opened);
        scene.person(HEAD, |work| drop(work.git(&["revert", "--no-edit", "HEAD"])));
        scene
    }
}

#[tokio::test]
async fn what_was_taken_back_on_its_head_branch_stays_refused_whatever_changes_around_it() {
    let group = "groups: [{name: shop, images: [\"ghcr.io/acme/*\"]}]\n";
    let prefix = "pullRequest: {branchPrefix: bots/}\n";
    let commit = "    publish: commit\n";
    let on_live = "    branch: live\n    publish: commit\n";
    let cases = [
        ("", ""),
        ("", prefix),
        ("", group),
        ("", &[prefix, group].concat()),
        ("    publish: autoMerge\n", ""),
        (commit, ""),
        (commit, &[prefix, group].concat()),
        (on_live, ""),
    ];
    for (environment, below) in cases {
        let scene = Scene::taken_back("").await;
        scene.bare.git(&["branch", "live", "main"]);
        let before = scene.bare.tip("main");
        scene.configure(environment, below);
        for hour in [2, 3] {
            let outcome = scene.pass(hour).await;
            let proposal = &outcome.proposals[0];
            let reason = proposal.reason.as_deref().unwrap_or_default();
            assert_eq!(reason, format!("somebody took it back on {HEAD}: it waits for something newer"), "{below}");
            assert_eq!(proposal.action, Action::LeftAlone, "{environment}{below}");
            assert_eq!(scene.bare.git(&["rev-list", "--count", &format!("{before}..main")]), "1");
            assert_eq!((scene.runs("main"), scene.runs("live")), ("1.4.0".to_owned(), "1.4.0".to_owned()));
            let heads = scene.bare.git(&["for-each-ref", "--format=%(refname:short)", "refs/heads"]);
            assert_eq!(heads.lines().collect::<Vec<_>>(), ["live", "main", HEAD], "{environment}{below}");
        }
        scene.tags.set(WEB, ["1.4.0", "1.5.0", "1.6.0"]);
        let action = scene.pass(4).await.proposals[0].action;
        assert!(
            matches!(action, Action::Committed | Action::Opened | Action::Updated),
            "{environment}{below} {action:?}"
        );
    }
}

#[tokio::test]
async fn what_somebody_has_pushed_to_is_not_committed_under_another_name_of_its_environment() {
    for branch in ["", "    branch: live\n"] {
        let scene = Scene::new("");
        assert_eq!(scene.pass(1).await.proposals[0].action, Action::Opened);
        scene.person(HEAD, |work| drop(work.commit_files(&[("notes", "mine\n")], "Mine", 2)));
        scene.bare.git(&["branch", "live", "main"]);
        let text = config(&format!("{branch}    publish: commit\n"), "").replace("name: prod", "name: live");
        scene.person("main", |work| drop(work.commit_files(&[(".tagboat.yaml", &text)], "Configure", 2)));
        let runs = || if branch.is_empty() { scene.runs("main") } else { scene.runs("live") };
        for hour in [2, 3] {
            let outcome = scene.pass(hour).await;
            let said: Vec<&str> = outcome.proposals.iter().filter_map(|one| one.reason.as_deref()).collect();
            let expected = format!("{HEAD} brings it, and somebody else has pushed to it: it is theirs now");
            assert!(said.contains(&expected.as_str()), "{branch}{said:?}");
            assert_eq!((runs().as_str(), scene.bare.at(HEAD).is_some()), ("1.4.0", true), "{branch}");
        }
        scene.tags.set(WEB, ["1.4.0", "1.5.0", "1.6.0"]);
        scene.pass(4).await;
        assert_eq!((runs().as_str(), scene.bare.at(HEAD).is_some()), ("1.6.0", true), "{branch}");
    }
}

#[tokio::test]
async fn what_somebody_has_pushed_to_is_theirs_whatever_changes_around_it() {
    let group = "groups: [{name: shop, images: [\"ghcr.io/acme/*\"]}]\n";
    let prefix = "pullRequest: {branchPrefix: bots/}\n";
    let author = "commit: {author: Ship Bot <ship@acme.example>}\n";
    let commit = "    publish: commit\n";
    for (environment, below) in [
        ("", group),
        ("", prefix),
        ("", &[prefix, author].concat()),
        (commit, ""),
        (commit, group),
        (commit, prefix),
        (commit, author),
        ("    branch: live\n    publish: commit\n", author),
    ] {
        let scene = Scene::new("");
        assert_eq!(scene.pass(1).await.proposals[0].action, Action::Opened);
        scene.person(HEAD, |work| drop(work.commit_files(&[("notes", "mine\n")], "Mine", 2)));
        scene.bare.git(&["branch", "live", "main"]);
        scene.configure(environment, below);
        for hour in [2, 3] {
            let outcome = scene.pass(hour).await;
            let said: Vec<&str> = outcome.proposals.iter().filter_map(|one| one.reason.as_deref()).collect();
            assert!(
                said.iter().any(|said| said.contains("somebody else has pushed to")),
                "{environment}{below}{said:?}"
            );
            assert_eq!((scene.runs("main"), scene.runs("live")), ("1.4.0".to_owned(), "1.4.0".to_owned()));
            let heads = scene.bare.git(&["for-each-ref", "--format=%(refname:short)", "refs/heads"]);
            assert_eq!(heads.lines().collect::<Vec<_>>(), ["live", "main", HEAD], "{environment}{below}");
        }
    }
}

#[tokio::test]
async fn what_was_taken_back_takes_no_place_among_those_that_may_be_open() {
    let scene = Scene::taken_back("    maxOpen: 1\n").await;
    scene.tags.set(API, ["1.4.0", "1.5.0"]);
    let of = |outcome: &Outcome, group: &str| {
        let found = outcome.proposals.iter().find(|one| one.group == group).unwrap();
        (found.action, found.reason.clone().unwrap_or_default())
    };
    assert_eq!(of(&scene.pass(2).await, "ghcr.io-acme-api").0, Action::Opened);
    scene.tags.set(WEB, ["1.4.0", "1.5.0", "1.6.0"]);
    let outcome = scene.pass(3).await;
    assert_eq!(of(&outcome, "ghcr.io-acme-api").0, Action::Unchanged);
    let words = "1 pull request of prod is open, and `maxOpen` is 1".to_owned();
    assert_eq!(of(&outcome, "ghcr.io-acme-web"), (Action::Waiting, words));
}
