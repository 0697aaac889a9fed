//! What people order, in memory: races, groups, and what later passes make of it.

use std::sync::Arc;

use tagboat::git::Remote;
use tagboat::model::environment::Publish;
use tagboat::model::outcome::Outcome;
use tagboat::model::proposal::Action;
use tagboat::pass::order::{Order, OrderError};
use tagboat::pass::propose::Publishing;
use tagboat::pass::run::Mode;

use crate::support::memory::{MemoryRemote, MemoryTags};
use crate::support::passes::{Passing, Said, on_plain_git};

const WEB: &str = "ghcr.io/acme/web";
const API: &str = "ghcr.io/acme/api";

fn manifest(web: &str, api: &str) -> String {
    format!("apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: {WEB}:{web}\n  - image: {API}:{api}\n")
}

/// `dev` and `prod` with two images in one file each.
struct Scene {
    remote: Arc<MemoryRemote>,
    tags: MemoryTags,
}

impl Scene {
    fn new(further: &str, prod: &str) -> Self {
        let config = format!(
            "version: 1\nimages:\n  - match: ghcr.io/acme/*\n    semver: 1.x\n{further}environments:\n  - name: dev\n    \
             files: [dev/**]\n    publish: commit\n  - name: prod\n    files: [prod/**]\n    after: dev\n    \
             publish: commit\n{prod}"
        );
        let shop = manifest("1.4.0", "1.4.0");
        let remote = MemoryRemote::with(&[
            (".tagboat.yaml", &config),
            ("dev/shop.yaml", &shop),
            ("prod/shop.yaml", &shop),
            ("readme", "none"),
        ]);
        Self { remote: Arc::new(remote), tags: MemoryTags::default() }
    }

    fn list(&self, web: &[&str], api: &[&str]) {
        self.tags.set(WEB, web.iter().copied());
        self.tags.set(API, api.iter().copied());
    }

    async fn pass(&self, now: &str) -> Outcome {
        let remote: Arc<dyn Remote> = Arc::<MemoryRemote>::clone(&self.remote);
        let outcome = Passing { remote, tags: &self.tags, now, publishing: on_plain_git() }.pass(Mode::Act).await;
        assert_eq!(outcome.errors, []);
        outcome
    }

    async fn rollback(&self, now: &str, environment: &str, what: &str) -> Result<Outcome, OrderError> {
        let order = Order::Rollback { environment: environment.into(), what: what.to_owned(), to: None };
        self.order(now, order).await
    }

    async fn order(&self, now: &str, order: Order) -> Result<Outcome, OrderError> {
        let remote: Arc<dyn Remote> = Arc::<MemoryRemote>::clone(&self.remote);
        Passing { remote, tags: &self.tags, now, publishing: on_plain_git() }
            .order(&order, Said { by: Some("sre"), reason: Some("needed"), ..Said::default() })
            .await
    }

    fn holds(&self) -> usize {
        self.remote.file(".tagboat/holds.yaml").matches("image:").count()
    }
}

#[tokio::test]
async fn a_rollback_that_loses_races_stands_on_what_the_branch_has_become() {
    let scene = Scene::new("", "");
    scene.list(&["1.4.0", "1.5.0"], &["1.4.0"]);
    scene.pass("2026-11-20T09:00:00Z").await;
    scene.remote.let_rival_push("readme", "one");
    scene.remote.let_rival_push("readme", "two");
    let outcome = scene.rollback("2026-11-20T10:00:00Z", "prod", WEB).await.unwrap();
    assert_eq!((outcome.commits.len(), outcome.proposals[0].action), (1, Action::Committed));
    assert_eq!(scene.remote.file("prod/shop.yaml"), manifest("1.4.0", "1.4.0"));
    assert_eq!((scene.remote.file("readme").as_str(), scene.holds()), ("one", 1));
    for _ in 0..9 {
        scene.remote.let_rival_push("readme", "again");
    }
    let lost = scene.rollback("2026-11-20T11:00:00Z", "dev", WEB).await;
    assert!(matches!(lost, Err(OrderError::Races)), "{lost:?}");
    assert_eq!(scene.remote.file("dev/shop.yaml"), manifest("1.5.0", "1.4.0"));
    scene.remote.forbid("protected");
    let refused = scene.rollback("2026-11-20T12:00:00Z", "dev", WEB).await.unwrap_err();
    assert!(refused.to_string().contains("protected"), "{refused}");
}

#[tokio::test]
async fn of_a_group_what_came_last_goes_back_together_and_the_rest_stays() {
    let scene = Scene::new("groups:\n  - name: shop\n    images: [ghcr.io/acme/*]\n", "");
    scene.list(&["1.4.0"], &["1.4.0", "1.5.0"]);
    scene.pass("2026-11-20T09:00:00Z").await;
    scene.list(&["1.4.0", "1.6.0"], &["1.4.0", "1.5.0"]);
    scene.pass("2026-11-20T10:00:00Z").await;
    assert_eq!(scene.remote.file("prod/shop.yaml"), manifest("1.6.0", "1.5.0"));
    let outcome = scene.rollback("2026-11-20T11:00:00Z", "prod", "shop").await.unwrap();
    assert_eq!(scene.remote.file("prod/shop.yaml"), manifest("1.4.0", "1.5.0"), "the other one came before");
    let told: Vec<&str> = outcome.skipped.iter().map(|row| row.reason.as_str()).collect();
    assert_eq!(told, ["it goes back without the others of the group `shop`, which did not come with it"]);
    assert_eq!(scene.holds(), 1);
    let before = scene.remote.messages().len();
    scene.pass("2026-11-20T12:00:00Z").await;
    assert_eq!(scene.remote.messages().len(), before);

    scene.list(&["1.4.0", "1.6.0", "1.7.0"], &["1.4.0", "1.5.0", "1.7.0"]);
    scene.pass("2026-11-20T13:00:00Z").await;
    assert_eq!(scene.remote.file("prod/shop.yaml"), manifest("1.7.0", "1.7.0"));
    scene.rollback("2026-11-20T14:00:00Z", "prod", "shop").await.unwrap();
    assert_eq!(scene.remote.file("prod/shop.yaml"), manifest("1.4.0", "1.5.0"), "the held one is passed over");
}

#[tokio::test]
async fn nothing_older_comes_in_the_place_of_what_was_rolled_back_until_it_is_released() {
    let scene = Scene::new("", "");
    scene.list(&["1.4.0", "1.5.0", "1.6.0"], &["1.4.0"]);
    scene.pass("2026-11-20T08:00:00Z").await;
    scene.rollback("2026-11-20T09:00:00Z", "dev", WEB).await.unwrap();
    assert_eq!(scene.remote.file("dev/shop.yaml"), manifest("1.4.0", "1.4.0"));
    let outcome = scene.pass("2026-11-20T10:00:00Z").await;
    assert_eq!(scene.remote.file("dev/shop.yaml"), manifest("1.4.0", "1.4.0"), "1.5.0 never ran there, and is older");
    let told = "in dev: 1.5.0 is older than 1.6.0, which was rolled back on 2026-11-20";
    assert!(outcome.skipped.iter().any(|row| row.reason.starts_with(told)), "{:?}", outcome.skipped);
    scene.list(&["1.4.0", "1.5.0", "1.6.0", "1.7.0"], &["1.4.0"]);
    scene.pass("2026-11-20T11:00:00Z").await;
    assert_eq!(scene.remote.file("dev/shop.yaml"), manifest("1.7.0", "1.4.0"), "something newer comes as ever");
}

#[tokio::test]
async fn a_rollback_passes_over_what_is_held_or_was_taken_back_in_an_environment_before() {
    let scene = Scene::new("", "");
    scene.list(&["1.3.0", "1.4.0", "1.5.0", "1.6.0"], &["1.4.0"]);
    let write = |time: &str, environment: &str, web: &str| {
        let (path, text) = (format!("{environment}/shop.yaml"), manifest(web, "1.4.0"));
        scene.remote.edit(time, "By hand", &[(path.as_str(), Some(text.as_str()))]);
    };
    for (day, web) in [(10, "1.3.0"), (11, "1.4.0"), (12, "1.5.0"), (13, "1.6.0")] {
        write(&format!("2026-11-{day}T08:00:00Z"), "prod", web);
    }
    // 1.5.0 was taken back in dev, and 1.4.0 is held there.
    for (day, web) in [(14, "1.5.0"), (15, "1.4.0"), (16, "1.6.0")] {
        write(&format!("2026-11-{day}T08:00:00Z"), "dev", web);
    }
    let held =
        "version: 1\nholds:\n  - {image: ghcr.io/acme/web, tag: 1.4.0, environment: dev, by: ada, reason: slow}\n";
    scene.remote.edit("2026-11-17T08:00:00Z", "Hold it", &[(".tagboat/holds.yaml", Some(held))]);
    let to = Some("1.4.0".parse().unwrap());
    let order = Order::Rollback { environment: "prod".into(), what: WEB.to_owned(), to };
    let refused = scene.order("2026-11-20T08:00:00Z", order).await.unwrap_err();
    assert!(refused.to_string().contains("1.4.0 is held in prod: ada holds it"), "{refused}");
    let outcome = scene.rollback("2026-11-20T09:00:00Z", "prod", WEB).await.unwrap();
    assert_eq!(scene.remote.file("prod/shop.yaml"), manifest("1.3.0", "1.4.0"));
    let message = scene.remote.messages().last().cloned().unwrap();
    for told in [
        "1.4.0 is passed over (ada holds it in dev: slow)",
        "1.5.0 is passed over (in dev, A person took it back to 1.4.0",
    ] {
        assert!(outcome.skipped.iter().any(|row| row.reason.starts_with(told)), "{:?}", outcome.skipped);
        assert!(message.contains(&format!("Note: {WEB}: {told}")), "{message}");
    }
    assert_eq!(scene.holds(), 2, "what was passed over is held by nothing of its own");
    scene.pass("2026-11-20T10:00:00Z").await;
    assert_eq!(scene.remote.file("prod/shop.yaml"), manifest("1.3.0", "1.4.0"));
}

#[tokio::test]
async fn an_order_that_corrects_one_which_stands_is_not_bound_by_what_that_would_hold() {
    for (to, publish) in [(Some("1.4.0"), Publish::PullRequest), (None, Publish::PullRequest), (None, Publish::Commit)]
    {
        let scene = Scene::new("", "");
        scene.list(&["1.3.0", "1.4.0", "1.5.0", "1.6.0"], &["1.4.0"]);
        for (day, web) in [(10, "1.3.0"), (11, "1.4.0"), (12, "1.5.0")] {
            let text = manifest(web, "1.4.0");
            scene.remote.edit(&format!("2026-11-{day}T08:00:00Z"), "By hand", &[("prod/shop.yaml", Some(&text))]);
        }
        let back = async |now: &str, to: Option<&str>, publish| {
            let to = to.map(|to| to.parse().unwrap());
            let order = Order::Rollback { environment: "prod".into(), what: WEB.to_owned(), to };
            let said = Said { by: Some("sre"), reason: Some("needed"), publish: Some(publish) };
            let remote: Arc<dyn Remote> = Arc::<MemoryRemote>::clone(&scene.remote);
            Passing { remote, tags: &scene.tags, now, publishing: on_plain_git() }.order(&order, said).await.unwrap()
        };
        let outcome = back("2026-11-20T09:00:00Z", Some("1.3.0"), Publish::PullRequest).await;
        assert_eq!(outcome.proposals[0].moves[0].to.to_string(), "1.3.0");
        let outcome = back("2026-11-20T10:00:00Z", to, publish).await;
        // What is committed at once takes the place of nothing: the other order stands, and what it would hold with it.
        let expected = if publish == Publish::Commit { "1.3.0" } else { "1.4.0" };
        assert_eq!(outcome.proposals[0].moves[0].to.to_string(), expected, "{to:?}: {:?}", outcome.skipped);
    }
}

#[tokio::test]
async fn a_place_that_a_fault_keeps_at_the_version_that_goes_is_named() {
    let scene = Scene::new("groups:\n  - name: shop\n    images: [ghcr.io/acme/*]\n", "");
    scene.list(&["1.4.0", "1.5.0"], &["1.4.0", "1.5.0"]);
    let blog = |web: &str| format!("apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: {WEB}:{web}\n");
    let faulty = blog("1.5.0").replace("1.5.0\n", "1.5.0 # tagboat: semvr=1.x\n");
    let (shop, old) = (manifest("1.5.0", "1.5.0"), blog("1.4.0"));
    scene.remote.edit("2026-11-18T08:00:00Z", "Blog", &[("prod/blog.yaml", Some(&old))]);
    let new = [("prod/shop.yaml", Some(shop.as_str())), ("prod/blog.yaml", Some(faulty.as_str()))];
    scene.remote.edit("2026-11-19T08:00:00Z", "By hand, and a slip", &new);
    let outcome = scene.rollback("2026-11-20T09:00:00Z", "prod", "shop").await.unwrap();
    assert_eq!(scene.remote.file("prod/shop.yaml"), manifest("1.4.0", "1.4.0"));
    assert_eq!(scene.remote.file("prod/blog.yaml"), faulty);
    let told = "1.5.0 stays at prod/blog.yaml:5:";
    let rows: Vec<&str> =
        outcome.skipped.iter().map(|row| row.reason.as_str()).filter(|row| row.starts_with(told)).collect();
    assert_eq!(rows.len(), 1, "{:?}", outcome.skipped);
    assert!(rows[0].contains("cannot be changed: "), "{rows:?}");
    let message = scene.remote.messages().last().cloned().unwrap();
    assert!(message.contains(&format!("Note: {WEB}: {told}")), "{message}");
}

#[tokio::test]
async fn a_group_is_promoted_without_an_image_that_the_environment_does_not_run_and_nobody_can_ask_about() {
    const TRIAL: &str = "ghcr.io/acme/trial";
    let scene = Scene::new("groups:\n  - name: shop\n    images: [ghcr.io/acme/*]\n", "");
    scene.list(&["1.4.0", "1.5.0"], &["1.4.0", "1.5.0"]);
    scene.tags.set(TRIAL, ["0.1.0"]);
    scene.tags.break_image(TRIAL, "500 internal error");
    let trial = format!("apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: {TRIAL}:0.1.0\n");
    let shop = manifest("1.5.0", "1.5.0");
    let files = [("dev/trial.yaml", Some(trial.as_str())), ("dev/shop.yaml", Some(shop.as_str()))];
    scene.remote.edit("2026-11-20T08:00:00Z", "Try", &files);
    let promote = Order::Promote {
        environment: "prod".into(),
        what: "shop".to_owned(),
        tag: "1.5.0".parse().unwrap(),
        at_once: true,
        skipped: [].into(),
    };
    let outcome = scene.order("2026-11-20T09:00:00Z", promote.clone()).await.unwrap();
    assert_eq!(scene.remote.file("prod/shop.yaml"), shop, "{:?}", outcome.skipped);
    let told = |outcome: &Outcome| {
        outcome.skipped.iter().any(|row| row.what == TRIAL && row.reason.contains("500 internal error"))
    };
    assert!(told(&outcome), "{:?}", outcome.skipped);
    // Where the environment runs it, the group waits for it as ever.
    let old = manifest("1.4.0", "1.4.0");
    let files = [("prod/trial.yaml", Some(trial.as_str())), ("prod/shop.yaml", Some(old.as_str()))];
    scene.remote.edit("2026-11-20T10:00:00Z", "Try", &files);
    let refused = scene.order("2026-11-20T11:00:00Z", promote).await.unwrap_err();
    assert!(refused.to_string().contains("the group `shop` moves together or not at all"), "{refused}");
}

#[tokio::test]
async fn what_was_rolled_back_counts_as_introduced_no_more_though_its_hold_is_over() {
    let scene = Scene::new("", "    gates: {soak: {for: 3h, count: introduced}}\n");
    scene.list(&["1.4.0", "1.5.0"], &["1.4.0"]);
    scene.pass("2026-11-20T09:00:00Z").await;
    scene.rollback("2026-11-20T10:00:00Z", "dev", WEB).await.unwrap();
    let tagged = scene.remote.file(".tagboat/holds.yaml");
    assert!(tagged.contains("by: \"sre\""), "{tagged}");
    scene.remote.edit("2026-11-20T10:30:00Z", "Release", &[(".tagboat/holds.yaml", Some("version: 1\n"))]);
    scene.list(&["1.4.0", "1.5.0", "1.5.1"], &["1.4.0"]);
    scene.pass("2026-11-20T11:00:00Z").await;
    assert_eq!(scene.remote.file("dev/shop.yaml"), manifest("1.5.1", "1.4.0"));
    scene.pass("2026-11-20T12:30:00Z").await;
    assert_eq!(scene.remote.file("prod/shop.yaml"), manifest("1.4.0", "1.4.0"), "1.5.0 was there for an hour alone");
    scene.pass("2026-11-20T14:00:00Z").await;
    assert_eq!(scene.remote.file("prod/shop.yaml"), manifest("1.5.1", "1.4.0"));
}

#[tokio::test]
async fn a_digest_that_was_only_written_beside_its_tag_is_nothing_to_go_back_from() {
    let scene = Scene::new("    pin: digest\n", "");
    scene.list(&["1.4.0"], &["1.4.0"]);
    scene.pass("2026-11-20T09:00:00Z").await;
    let pinned = scene.remote.file("dev/shop.yaml");
    assert!(pinned.contains("1.4.0@sha256:"), "{pinned}");
    let refused = scene.rollback("2026-11-20T10:00:00Z", "dev", WEB).await.unwrap_err();
    assert!(refused.to_string().contains("history tells of no version before 1.4.0@sha256:"), "{refused}");
    assert_eq!(scene.remote.file("dev/shop.yaml"), pinned);
}

#[tokio::test]
async fn of_several_places_an_order_moves_those_that_it_can_mean_and_names_the_others() {
    let places = async |shop: &str, blog: &str| {
        let scene = Scene::new("", "");
        scene.list(&["1.4.0", "1.5.0", "1.6.0"], &["1.4.0"]);
        let (shop, blog) = (manifest(shop, "1.4.0"), manifest(blog, "1.4.0"));
        let files = [("prod/shop.yaml", Some(shop.as_str())), ("prod/blog.yaml", Some(blog.as_str()))];
        scene.remote.edit("2026-11-20T08:00:00Z", "By hand", &files);
        scene
    };
    let told = |outcome: &Outcome| outcome.skipped.iter().map(|row| row.reason.clone()).collect::<Vec<_>>().join("\n");
    let (image, tag) = (WEB.parse().unwrap(), "1.5.0".parse().unwrap());
    let promote = Order::Promote { environment: "prod".into(), what: image, tag, at_once: true, skipped: [].into() };
    let back = Order::Rollback { environment: "prod".into(), what: WEB.to_owned(), to: Some("1.5.0".parse().unwrap()) };
    let runs = |scene: &Scene| ["shop", "blog"].map(|name| scene.remote.file(&format!("prod/{name}.yaml")));

    let scene = places("1.6.0", "1.4.0").await;
    let outcome = scene.order("2026-11-20T09:00:00Z", promote.clone()).await.unwrap();
    assert_eq!(runs(&scene), [manifest("1.6.0", "1.4.0"), manifest("1.5.0", "1.4.0")]);
    let way =
        "1.6.0 is ahead of 1.5.0 and stays (in prod/shop.yaml): `tagboat rollback prod ghcr.io/acme/web --to 1.5.0`";
    assert!(told(&outcome).contains(way), "{}", told(&outcome));
    scene.order("2026-11-20T10:00:00Z", back.clone()).await.unwrap();
    assert_eq!((runs(&scene)[0].as_str(), scene.holds()), (manifest("1.5.0", "1.4.0").as_str(), 1), "as it says");

    let scene = places("1.6.0", "1.4.0").await;
    let outcome = scene.order("2026-11-20T09:00:00Z", back).await.unwrap();
    assert_eq!(runs(&scene), [manifest("1.5.0", "1.4.0"), manifest("1.4.0", "1.4.0")]);
    let way =
        "1.4.0 is older than 1.5.0 and stays (in prod/blog.yaml): `tagboat promote ghcr.io/acme/web:1.5.0 --to prod`";
    assert!(told(&outcome).contains(way), "{}", told(&outcome));

    let scene = places("1.6.0", "1.6.0").await;
    let refused = scene.order("2026-11-20T09:00:00Z", promote).await.unwrap_err();
    assert!(
        refused.to_string().contains("1.5.0 is lower than 1.6.0"),
        "where nothing can move, nothing does: {refused}"
    );
}

#[tokio::test]
async fn a_place_that_somebody_took_back_already_keeps_no_other_from_going_back() {
    for groups in ["", "groups:\n  - name: shop\n    images: [ghcr.io/acme/*]\n"] {
        let scene = Scene::new(groups, "");
        let (old, new) = (manifest("1.4.0", "1.4.0"), manifest("1.5.0", "1.5.0"));
        scene.remote.edit("2026-11-20T08:00:00Z", "A second place", &[("prod/blog.yaml", Some(&old))]);
        scene.list(&["1.4.0", "1.5.0"], &["1.4.0", "1.5.0"]);
        scene.pass("2026-11-20T09:00:00Z").await;
        assert_eq!((scene.remote.file("prod/shop.yaml"), scene.remote.file("prod/blog.yaml")), (new.clone(), new));
        scene.remote.edit("2026-11-20T10:00:00Z", "Back", &[("prod/blog.yaml", Some(&old))]);
        let what = if groups.is_empty() { WEB } else { "shop" };
        let outcome = scene.rollback("2026-11-20T11:00:00Z", "prod", what).await.unwrap();
        let expected = manifest("1.4.0", if groups.is_empty() { "1.5.0" } else { "1.4.0" });
        assert_eq!((scene.remote.file("prod/shop.yaml"), scene.remote.file("prod/blog.yaml")), (expected, old));
        let told = outcome.skipped.iter().any(|row| row.reason.contains("took it back to 1.4.0 already"));
        assert!(told, "{:?}", outcome.skipped);
    }
}

#[tokio::test]
async fn on_plain_git_an_order_waits_for_people_on_a_branch_that_a_person_merges_and_on_no_other() {
    let scene = Scene::new("", "    gates: {manual: true}\n");
    scene.list(&["1.4.0", "1.5.0"], &["1.4.0"]);
    scene.pass("2026-11-20T09:00:00Z").await;
    let promote = async |publish| {
        let remote: Arc<dyn Remote> = Arc::<MemoryRemote>::clone(&scene.remote);
        let (environment, what, tag) = ("prod".into(), WEB.to_owned(), "1.5.0".parse().unwrap());
        let order = Order::Promote { environment, what, tag, at_once: false, skipped: [].into() };
        let said = Said { publish: Some(publish), by: Some("sre"), reason: Some("needed") };
        let now = "2026-11-20T10:00:00Z";
        Passing { remote, tags: &scene.tags, now, publishing: on_plain_git() }.order(&order, said).await
    };
    let refused = promote(Publish::AutoMerge).await.unwrap_err();
    assert!(refused.to_string().starts_with("prod still waits: "), "{refused}");
    assert_eq!(scene.remote.heads("tagboat/").unwrap(), []);
    let outcome = promote(Publish::PullRequest).await.unwrap();
    assert_eq!(outcome.proposals[0].action, Action::Opened);
    assert_eq!(scene.remote.heads("tagboat/").unwrap().len(), 1);
}

#[tokio::test]
async fn on_plain_git_nothing_comes_that_a_forge_is_to_sign() {
    let scene = Scene::new("commit: {sign: forge}\n", "");
    scene.list(&["1.4.0", "1.5.0"], &["1.4.0"]);
    let words = "nothing is pushed unsigned: `commit.sign: forge` needs a forge, and plain Git has none: `ssh` and `gpg` sign with \
                 a key of the operator's";
    let outcome = scene.pass("2026-11-20T09:00:00Z").await;
    let first = &outcome.proposals[0];
    assert_eq!((first.action, first.reason.as_deref()), (Action::Waiting, Some(words)));
    let newer = manifest("1.5.0", "1.4.0");
    scene.remote.edit("2026-11-20T10:00:00Z", "Bump", &[("dev/shop.yaml", Some(&newer))]);
    let refused = scene.rollback("2026-11-20T11:00:00Z", "dev", WEB).await.unwrap_err();
    assert_eq!(refused.to_string(), words);
    assert_eq!(scene.remote.file("dev/shop.yaml"), newer);
}

#[tokio::test]
async fn where_nobody_knows_the_forge_that_is_to_sign_that_is_said() {
    let scene = Scene::new("commit: {sign: forge}\n", "");
    scene.list(&["1.4.0", "1.5.0"], &["1.4.0"]);
    let reason = "which forge git.acme.example is cannot be told: `--forge` names it";
    let on = |now| {
        let (remote, publishing): (Arc<dyn Remote>, _) =
            (Arc::<MemoryRemote>::clone(&scene.remote), Publishing::Missing(reason.to_owned()));
        Passing { remote, tags: &scene.tags, now, publishing }
    };
    let words = format!("nothing is pushed unsigned: {reason}");
    let outcome = on("2026-11-20T09:00:00Z").pass(Mode::Act).await;
    let first = &outcome.proposals[0];
    assert_eq!((first.action, first.reason.as_ref()), (Action::Waiting, Some(&words)));
    let newer = manifest("1.5.0", "1.4.0");
    scene.remote.edit("2026-11-20T10:00:00Z", "Bump", &[("dev/shop.yaml", Some(&newer))]);
    let order = Order::Rollback { environment: "dev".into(), what: WEB.to_owned(), to: None };
    let said = Said { by: Some("sre"), reason: Some("needed"), ..Said::default() };
    let refused = on("2026-11-20T11:00:00Z").order(&order, said).await.unwrap_err();
    assert_eq!(refused.to_string(), words);
    assert_eq!(scene.remote.file("dev/shop.yaml"), newer);
}
