//! Pull requests on plain Git: a head branch stands for each, and the base is moved to it.

use std::sync::Arc;

use tagboat::cache::Cache;
use tagboat::clock::SystemClock;
use tagboat::git::Remote;
use tagboat::model::outcome::Outcome;
use tagboat::model::proposal::Action;
use tagboat::pass::run::Mode;

use crate::support::memory::{MemoryRemote, MemoryTags};
use crate::support::passes::{Passing, on_plain_git};
use crate::support::repository::Scratch;

const WEB: &str = "ghcr.io/acme/web";
const HEAD: &str = "tagboat/prod/ghcr.io-acme-web";

fn manifest(image: &str, tag: &str) -> String {
    format!("apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: {image}:{tag}\n")
}

/// A remote with one environment that is published in some way, and a registry with these tags.
struct Scene {
    remote: Arc<MemoryRemote>,
    tags: MemoryTags,
}

impl Scene {
    fn new(environment: &str, tags: &[&str]) -> Self {
        let config = format!(
            "version: 1\nimages:\n  - match: ghcr.io/acme/*\n    semver: 1.x\nenvironments:\n  - name: prod\n    \
             files: [prod/**]\n{environment}"
        );
        let remote = MemoryRemote::with(&[
            (".tagboat.yaml", &config),
            ("prod/web.yaml", &manifest(WEB, "1.4.0")),
            ("readme", "none"),
        ]);
        let scene = Self { remote: Arc::new(remote), tags: MemoryTags::default() };
        scene.list(tags);
        scene
    }

    fn list(&self, tags: &[&str]) {
        self.tags.set(WEB, tags.iter().copied());
    }

    async fn pass(&self, now: &str, mode: Mode) -> Outcome {
        let remote: Arc<dyn Remote> = Arc::<MemoryRemote>::clone(&self.remote);
        let outcome = Passing { remote, tags: &self.tags, now, publishing: on_plain_git() }.pass(mode).await;
        assert_eq!(outcome.errors, []);
        outcome
    }

    async fn act(&self, now: &str) -> Vec<Action> {
        let outcome = self.pass(now, Mode::Act).await;
        outcome.proposals.iter().map(|proposal| proposal.action).collect()
    }

    fn heads(&self) -> Vec<String> {
        self.remote.heads("tagboat/").unwrap().into_iter().map(|(name, _)| name.to_string()).collect()
    }

    fn runs(&self) -> String {
        self.remote.file("prod/web.yaml").trim_end().rsplit(':').next().unwrap().to_owned()
    }
}

#[tokio::test]
async fn a_head_branch_stands_until_a_person_merges_it_and_is_then_removed() {
    let scene = Scene::new("", &["1.4.0", "1.5.0"]);
    let before = scene.remote.messages();
    assert_eq!(scene.pass("2026-11-20T08:00:00Z", Mode::DryRun).await.proposals[0].action, Action::Opened);
    assert_eq!(scene.heads(), [""; 0], "a dry run pushes nothing");
    let outcome = scene.pass("2026-11-20T09:00:00Z", Mode::Act).await;
    assert_eq!(outcome.proposals[0].action, Action::Opened);
    assert_eq!(outcome.proposals[0].branch.as_deref(), Some(HEAD));
    assert_eq!(outcome.changes.len(), 1);
    assert_eq!((scene.heads(), scene.runs(), scene.remote.messages()), (vec![HEAD.to_owned()], "1.4.0".into(), before));

    let outcome = scene.pass("2026-11-20T10:00:00Z", Mode::Act).await;
    assert_eq!(outcome.proposals[0].action, Action::Unchanged);
    assert_eq!(outcome.changes, [], "nothing is written");

    scene.remote.edit("2026-11-20T11:00:00Z", "Merge", &[("prod/web.yaml", Some(&manifest(WEB, "1.5.0")))]);
    assert_eq!(scene.act("2026-11-20T12:00:00Z").await, [Action::Closed]);
    assert_eq!(scene.heads(), [""; 0]);
    assert_eq!(scene.act("2026-11-20T13:00:00Z").await, []);
}

#[tokio::test]
async fn a_head_branch_is_made_anew_for_something_newer_and_when_its_files_changed_below_it() {
    let scene = Scene::new("", &["1.4.0", "1.5.0"]);
    scene.pass("2026-11-20T09:00:00Z", Mode::Act).await;
    let first = scene.remote.heads("tagboat/").unwrap();
    scene.remote.edit("2026-11-20T09:30:00Z", "Docs", &[("readme", Some("other"))]);
    assert_eq!(scene.act("2026-11-20T10:00:00Z").await, [Action::Unchanged], "another file is no reason");
    assert_eq!(scene.remote.heads("tagboat/").unwrap(), first);
    scene.list(&["1.4.0", "1.5.0", "1.6.0"]);
    assert_eq!(scene.act("2026-11-20T11:00:00Z").await, [Action::Updated]);
    let second = scene.remote.heads("tagboat/").unwrap();
    assert_ne!(second, first);
    let commented = format!("# ours\n{}", manifest(WEB, "1.4.0"));
    scene.remote.edit("2026-11-20T11:30:00Z", "Comment", &[("prod/web.yaml", Some(&commented))]);
    assert_eq!(scene.act("2026-11-20T12:00:00Z").await, [Action::Updated]);
    assert_ne!(scene.remote.heads("tagboat/").unwrap(), second);
    assert_eq!(scene.act("2026-11-20T13:00:00Z").await, [Action::Unchanged]);
}

#[tokio::test]
async fn what_waits_in_a_later_environment_keeps_no_head_branch_of_an_earlier_one() {
    let later = "  - name: live\n    files: [live/**]\n    after: prod\n    publish: commit\n";
    let scene = Scene::new(later, &["1.3.0", "1.4.0", "1.5.0"]);
    scene.remote.edit("2026-11-20T08:30:00Z", "Live", &[("live/web.yaml", Some(&manifest(WEB, "1.4.0")))]);
    scene.act("2026-11-20T09:00:00Z").await;
    assert_eq!(scene.heads(), [HEAD]);
    // From now on `live` is ahead of `prod`, in which nothing else may come.
    let holds = format!("version: 1\nholds:\n  - image: {WEB}\n    tag: \"1.5.0\"\n    reason: slow\n");
    let files = [("prod/web.yaml", Some(manifest(WEB, "1.3.0"))), (".tagboat/holds.yaml", Some(holds))];
    let files = files.each_ref().map(|(file, text)| (*file, text.as_deref()));
    scene.remote.edit("2026-11-20T09:30:00Z", "Back", &files);
    let outcome = scene.pass("2026-11-20T10:00:00Z", Mode::Act).await;
    assert!(outcome.skipped.iter().any(|row| row.reason.contains("which is ahead of")), "{:?}", outcome.skipped);
    assert_eq!(scene.heads(), [""; 0], "{:?}", outcome.proposals);
}

#[tokio::test]
async fn a_branch_that_somebody_else_pushed_to_is_theirs() {
    let scene = Scene::new("    publish: autoMerge\n", &["1.4.0", "1.5.0"]);
    scene.pass("2026-11-20T09:00:00Z", Mode::Act).await;
    scene.remote.push_to_head(HEAD, "prod/web.yaml", &manifest(WEB, "1.5.0-ours"));
    let theirs = scene.remote.heads("tagboat/").unwrap();
    let outcome = scene.pass("2026-11-20T10:00:00Z", Mode::Act).await;
    assert_eq!(outcome.proposals[0].action, Action::LeftAlone);
    assert!(outcome.proposals[0].reason.as_deref().unwrap().contains("somebody else has pushed"));
    scene.list(&["1.4.0", "1.5.0", "1.6.0"]);
    assert_eq!(scene.act("2026-11-20T11:00:00Z").await, [Action::LeftAlone]);
    assert_eq!((scene.remote.heads("tagboat/").unwrap(), scene.runs()), (theirs, "1.4.0".to_owned()));
}

/// What a person does to the configuration.
type Rewording<'a> = &'a dyn Fn(&str) -> String;

#[tokio::test]
async fn what_somebody_else_pushed_to_comes_in_no_other_form() {
    let auto = "    publish: autoMerge\n";
    let changes: [(&str, Rewording<'_>); 3] = [
        ("joins a group", &|config| format!("{config}groups: [{{name: shop, images: [ghcr.io/acme/*]}}]\n")),
        ("renamed", &|config| config.replace("name: prod", "name: live")),
        ("committed", &|config| config.replace("publish: autoMerge", "publish: commit")),
    ];
    for (what, change) in changes {
        let scene = Scene::new(auto, &["1.4.0", "1.5.0"]);
        scene.pass("2026-11-20T09:00:00Z", Mode::Act).await;
        scene.remote.push_to_head(HEAD, "notes", "mine");
        let config = change(&scene.remote.file(".tagboat.yaml"));
        scene.remote.edit("2026-11-20T09:30:00Z", "Change", &[(".tagboat.yaml", Some(&config))]);
        for now in ["2026-11-20T10:00:00Z", "2026-11-20T11:00:00Z"] {
            let outcome = scene.pass(now, Mode::Act).await;
            assert_eq!((scene.runs().as_str(), scene.heads()), ("1.4.0", vec![HEAD.to_owned()]), "{what}");
            let said: Vec<&str> = outcome.proposals.iter().filter_map(|one| one.reason.as_deref()).collect();
            let expected = format!("{HEAD} brings it, and somebody else has pushed to it: it is theirs now");
            assert!(said.contains(&expected.as_str()), "{what}: {said:?}");
        }
        // What is newer is another thing.
        scene.list(&["1.4.0", "1.5.0", "1.6.0"]);
        scene.pass("2026-11-20T12:00:00Z", Mode::Act).await;
        scene.pass("2026-11-20T13:00:00Z", Mode::Act).await;
        assert_eq!(scene.runs(), "1.6.0", "{what}");
    }
}

#[tokio::test]
async fn auto_merge_moves_the_base_once_its_gates_pass() {
    let gates = "    publish: autoMerge\n    gates: {windows: [{hours: \"09:00-10:00\"}]}\n";
    let scene = Scene::new(gates, &["1.4.0", "1.5.0"]);
    let outcome = scene.pass("2026-11-20T08:00:00Z", Mode::Act).await;
    assert_eq!(outcome.proposals[0].action, Action::Opened);
    assert_eq!(outcome.proposals[0].earliest, Some("2026-11-20T09:00:00Z".parse().unwrap()));
    assert_eq!(scene.act("2026-11-20T08:59:59Z").await, [Action::Unchanged]);
    assert_eq!(scene.runs(), "1.4.0");
    scene.remote.edit("2026-11-20T08:59:59Z", "Docs", &[("readme", Some("other"))]);
    let outcome = scene.pass("2026-11-20T09:00:00Z", Mode::Act).await;
    assert_eq!(outcome.proposals.last().unwrap().action, Action::Merged);
    assert_eq!((scene.runs(), scene.heads()), ("1.5.0".to_owned(), vec![]));
    assert_eq!(scene.remote.file("readme"), "other", "nothing of anybody's is lost");
    assert_eq!(outcome.commits.len(), 1);
    assert_eq!(scene.act("2026-11-20T09:30:00Z").await, []);
}

#[tokio::test]
async fn a_hold_that_comes_right_before_the_base_is_moved_stops_that() {
    let scene = Scene::new("    publish: autoMerge\n", &["1.4.0", "1.5.0"]);
    scene.act("2026-11-20T08:00:00Z").await;
    let held = "version: 1\nholds:\n  - image: ghcr.io/acme/web\n    tag: 1.5.0\n    by: Ada\n    reason: it leaks\n";
    scene.remote.let_rival_push(".tagboat/holds.yaml", held);
    let outcome = scene.pass("2026-11-20T09:00:00Z", Mode::Act).await;
    assert_ne!(outcome.proposals.first().map(|one| one.action), Some(Action::Merged), "{:?}", outcome.proposals);
    assert_eq!(scene.remote.file(".tagboat/holds.yaml"), held);
    scene.act("2026-11-20T10:00:00Z").await;
    assert_eq!((scene.runs(), scene.heads()), ("1.4.0".to_owned(), Vec::new()));
}

#[tokio::test]
async fn what_is_not_fully_known_leaves_a_head_branch_as_it_is() {
    let scene = Scene::new("", &["1.4.0", "1.5.0"]);
    scene.pass("2026-11-20T09:00:00Z", Mode::Act).await;
    scene.tags.break_image(WEB, "the registry is down");
    let remote: Arc<dyn Remote> = Arc::<MemoryRemote>::clone(&scene.remote);
    let outcome = Passing { remote, tags: &scene.tags, now: "2026-11-20T10:00:00Z", publishing: on_plain_git() }
        .pass(Mode::Act)
        .await;
    assert_eq!(outcome.errors.len(), 1);
    assert_eq!(scene.heads(), [HEAD]);
}

const SHOP: &str = "groups: [{name: shop, images: [ghcr.io/acme/*]}]\n";

impl Scene {
    /// A scene where a head branch stands, after which a person changes the configuration.
    async fn reworded(change: impl FnOnce(String) -> String) -> Self {
        let scene = Self::new("", &["1.4.0", "1.5.0"]);
        scene.pass("2026-11-20T09:00:00Z", Mode::Act).await;
        let config = change(scene.remote.file(".tagboat.yaml"));
        scene.remote.edit("2026-11-20T09:30:00Z", "Reword", &[(".tagboat.yaml", Some(&config))]);
        scene
    }

    fn passing<'a>(&'a self, now: &'a str) -> Passing<'a> {
        let remote: Arc<dyn Remote> = Arc::<MemoryRemote>::clone(&self.remote);
        Passing { remote, tags: &self.tags, now, publishing: on_plain_git() }
    }
}

/// How somebody changes the configuration.
type Change = fn(String) -> String;

#[tokio::test]
async fn what_is_not_known_now_leaves_a_head_branch_of_another_name_as_it_is() {
    let changes: [(&str, Change); 2] = [
        ("tagboat/prod/shop", |config| config + SHOP),
        ("tagboat/live/ghcr.io-acme-web", |config| config.replace("name: prod", "name: live")),
    ];
    for (head, change) in changes {
        let scene = Scene::reworded(change).await;
        scene.tags.break_image(WEB, "the registry is down");
        scene.passing("2026-11-20T10:00:00Z").pass(Mode::Act).await;
        assert_eq!(scene.heads(), [HEAD], "the registry failed");
        scene.tags.mend_image(WEB);
        let other = ["ghcr.io/acme/api".parse().unwrap()];
        if head != "tagboat/prod/shop" {
            // The whole group would be looked at with an image of it.
            scene.passing("2026-11-20T11:00:00Z").pass_of(&other, Mode::Act).await;
            assert_eq!(scene.heads(), [HEAD], "another image was looked at alone");
        }
        // A file of the environment cannot be read, which may hold whatever it was for.
        let whole = scene.remote.file("prod/web.yaml");
        scene.remote.edit(
            "2026-11-20T11:30:00Z",
            "Break",
            &[("prod/web.yaml", Some("a: [\n  image: ghcr.io/acme/web:1.4.0\n"))],
        );
        scene.passing("2026-11-20T11:40:00Z").pass(Mode::Act).await;
        assert_eq!(scene.heads(), [HEAD], "a file cannot be read");
        scene.remote.edit("2026-11-20T11:50:00Z", "Mend", &[("prod/web.yaml", Some(&whole))]);
        scene.pass("2026-11-20T12:00:00Z", Mode::Act).await;
        assert_eq!(scene.heads(), [head]);
    }
}

#[tokio::test]
async fn a_head_branch_stays_until_what_takes_its_place_stands() {
    let scene = Scene::reworded(|config| config + SHOP).await;
    scene.remote.forbid_head(Some("tagboat/prod/shop"));
    let outcome = scene.passing("2026-11-20T10:00:00Z").pass(Mode::Act).await;
    let actions: Vec<Action> = outcome.proposals.iter().map(|proposal| proposal.action).collect();
    assert_eq!((actions, scene.heads()), (vec![Action::Failed, Action::Waiting], vec![HEAD.to_owned()]));
    scene.remote.forbid_head(None);
    assert_eq!(scene.act("2026-11-20T11:00:00Z").await, [Action::Opened, Action::Closed]);
    assert_eq!(scene.heads(), ["tagboat/prod/shop"]);
}

#[tokio::test]
async fn a_list_that_lost_its_tags_removes_no_head_branch() {
    let folder = Scratch::new();
    let cache = Cache::open(&folder.path("cache"), Arc::new(SystemClock));
    let scene = Scene::new("", &["1.4.0", "1.5.0"]);
    scene.passing("2026-11-20T09:00:00Z").pass_with(&cache, Mode::Act).await;
    scene.list(&[]);
    scene.passing("2026-11-20T10:00:00Z").pass_with(&cache, Mode::Act).await;
    assert_eq!(scene.heads(), [HEAD]);
    scene.list(&["1.4.0", "1.5.0"]);
    let outcome = scene.passing("2026-11-20T11:00:00Z").pass_with(&cache, Mode::Act).await;
    assert_eq!(outcome.proposals[0].action, Action::Unchanged);
}

#[tokio::test]
async fn two_groups_in_one_file_do_not_fight_and_both_arrive() {
    const API: &str = "ghcr.io/acme/api";
    let both = |web: &str, api: &str| format!("{}  - image: {API}:{api}\n", manifest(WEB, web));
    let scene = Scene::new("    publish: autoMerge\n", &["1.4.0", "1.5.0"]);
    scene.tags.set(API, ["1.0.0", "1.1.0"]);
    scene.remote.edit("2026-11-20T08:00:00Z", "Two", &[("prod/web.yaml", Some(&both("1.4.0", "1.0.0")))]);
    let first = scene.act("2026-11-20T09:00:00Z").await;
    assert_eq!(first, [Action::Opened, Action::Opened]);
    assert_eq!(scene.heads().len(), 2, "each stands for itself");
    // The lines are neighbours: what lands second is made anew on what landed first, and takes nothing of it back.
    for hour in 10..14 {
        if scene.act(&format!("2026-11-20T{hour}:00:00Z")).await.is_empty() {
            break;
        }
    }
    assert_eq!(scene.remote.file("prod/web.yaml"), both("1.5.0", "1.1.0"));
    assert_eq!(scene.heads(), [""; 0]);
    assert_eq!(scene.act("2026-11-20T15:00:00Z").await, []);
}

#[tokio::test]
async fn two_configurations_of_one_repository_leave_each_other_s_head_branches() {
    let scene = Scene::new("", &["1.4.0", "1.5.0"]);
    for folder in ["a", "b"] {
        let (file, text) = (format!("{folder}/web.yaml"), manifest(WEB, "1.4.0"));
        scene.remote.edit("2026-11-20T07:00:00Z", "By hand", &[(&file, Some(&text))]);
    }
    let mut before = Vec::new();
    for round in 0..3 {
        for folder in ["a", "b"] {
            let config = format!(
                "version: 1\nimages:\n  - match: ghcr.io/acme/*\n    semver: 1.x\nenvironments:\n  - name: prod\n    files: \
                 [{folder}/**]\npullRequest: {{branchPrefix: {folder}/}}\n"
            );
            let config = tagboat::config::repository::parse("other.yaml", config.as_bytes()).unwrap();
            let remote: Arc<dyn Remote> = Arc::<MemoryRemote>::clone(&scene.remote);
            let (now, publishing) = ("2026-11-20T08:00:00Z", on_plain_git());
            Passing { remote, tags: &scene.tags, now, publishing }.pass_on("main", Some(config)).await;
        }
        let heads = scene.remote.heads("").unwrap().into_iter().filter(|(name, _)| name.as_str() != "main");
        let heads: Vec<_> = heads.collect();
        let names: Vec<_> = heads.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["a/prod/ghcr.io-acme-web", "b/prod/ghcr.io-acme-web"], "{round}");
        assert!(round == 0 || heads == before, "{round}");
        before = heads;
    }
}

#[tokio::test]
async fn what_stands_under_a_former_prefix_below_the_one_of_now_gives_way() {
    let below = |prefix: &str| format!("pullRequest: {{branchPrefix: {prefix}}}\n");
    let scene = Scene::new(&below("tagboat/two/"), &["1.4.0", "1.5.0"]);
    scene.act("2026-11-20T08:00:00Z").await;
    assert_eq!(scene.heads(), ["tagboat/two/prod/ghcr.io-acme-web"]);
    let config = scene.remote.file(".tagboat.yaml").replace("tagboat/two/", "tagboat/");
    scene.remote.edit("2026-11-20T08:30:00Z", "By hand", &[(".tagboat.yaml", Some(&config))]);
    scene.act("2026-11-20T09:00:00Z").await;
    assert_eq!(scene.heads(), [HEAD]);
}
