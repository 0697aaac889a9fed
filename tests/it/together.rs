//! Groups where soak counts from the introduction: what comes has run together before, or nothing comes.

use std::sync::Arc;

use tagboat::git::Remote;
use tagboat::model::outcome::Outcome;
use tagboat::model::proposal::Action;
use tagboat::pass::run::Mode;

use crate::support::memory::{MemoryRemote, MemoryTags};
use crate::support::passes::{Passing, on_plain_git};

const WEB: &str = "ghcr.io/acme/web";
const WORKER: &str = "ghcr.io/acme/worker";

fn both(web: &str, worker: &str) -> String {
    format!("apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: {WEB}:{web}\n  - image: {WORKER}:{worker}\n")
}

/// A remote whose `dev` moves by hand alone, and `prod` after it, with the group `shop`.
struct Scene {
    remote: Arc<MemoryRemote>,
    tags: MemoryTags,
}

impl Scene {
    fn new(prod: &str) -> Self {
        let config = "version: 1\nimages: [{match: ghcr.io/acme/*, semver: 1.x}]\ngroups: [{name: shop, images: \
                      [ghcr.io/acme/web, ghcr.io/acme/worker]}]\nenvironments:\n  - {name: dev, files: [dev/**], \
                      gates: {manual: true}}\n  - {name: prod, files: [prod/**], after: dev, publish: commit, gates: \
                      {soak: {for: 3h, count: introduced}}}\n";
        let remote = MemoryRemote::with(&[
            (".tagboat.yaml", config),
            ("dev/shop.yaml", &both("1.4.0", "1.4.0")),
            ("prod/shop.yaml", prod),
        ]);
        let tags = MemoryTags::default();
        for image in [WEB, WORKER] {
            tags.set(image, ["1.4.0", "1.5.0", "1.6.0", "1.7.0", "2.0.0"]);
        }
        Self { remote: Arc::new(remote), tags }
    }

    fn write(&self, time: &str, web: &str, worker: &str) {
        self.remote.edit(time, "By hand", &[("dev/shop.yaml", Some(&both(web, worker)))]);
    }

    fn hold(&self, time: &str, held: &[(&str, &str)]) {
        let entry = |(image, tag): &(&str, &str)| format!("  - {{image: {image}, tag: {tag}, environment: prod}}\n");
        let holds = format!("version: 1\nholds:\n{}", held.iter().map(entry).collect::<String>());
        self.remote.edit(time, "Hold", &[(".tagboat/holds.yaml", Some(&holds))]);
    }

    async fn pass(&self, now: &str) -> Outcome {
        let remote: Arc<dyn Remote> = Arc::<MemoryRemote>::clone(&self.remote);
        let outcome = Passing { remote, tags: &self.tags, now, publishing: on_plain_git() }.pass(Mode::Act).await;
        assert_eq!(outcome.errors, []);
        outcome
    }

    fn runs(&self) -> String {
        self.remote.file("prod/shop.yaml")
    }
}

/// Returns what became of the group in `prod`, and why.
fn told(outcome: &Outcome) -> (Action, String) {
    let own = outcome.proposals.iter().find(|proposal| proposal.environment.as_str() == "prod");
    let own = own.unwrap_or_else(|| panic!("{:?}", outcome.skipped));
    (own.action, own.reason.clone().unwrap_or_default())
}

#[tokio::test]
async fn a_group_takes_the_newest_that_ran_together_where_one_of_its_images_is_held() {
    let scene = Scene::new(&both("1.4.0", "1.4.0"));
    scene.write("2026-11-20T09:00:00Z", "1.5.0", "1.5.0");
    scene.write("2026-11-20T10:00:00Z", "1.6.0", "1.6.0");
    scene.hold("2026-11-20T10:30:00Z", &[(WEB, "1.6.0")]);
    scene.write("2026-11-20T11:00:00Z", "1.7.0", "1.7.0");
    scene.pass("2026-11-20T13:30:00Z").await;
    assert_eq!(scene.runs(), both("1.5.0", "1.5.0"), "1.6.0 of the one never ran with 1.5.0 of the other");
    scene.pass("2026-11-20T13:59:59Z").await;
    assert_eq!(scene.runs(), both("1.5.0", "1.5.0"));
    scene.pass("2026-11-20T14:00:00Z").await;
    assert_eq!(scene.runs(), both("1.7.0", "1.7.0"));
}

#[tokio::test]
async fn a_group_takes_the_newest_that_ran_together_where_a_range_leaves_a_version_of_one_out() {
    let ranged = |web: &str, worker: &str| both(&format!("{web} # tagboat: semver=>=1.4.0,<1.6.0"), worker);
    let scene = Scene::new(&ranged("1.4.0", "1.4.0"));
    scene.write("2026-11-20T09:00:00Z", "1.5.0", "1.5.0");
    scene.write("2026-11-20T10:00:00Z", "1.6.0", "1.6.0");
    scene.pass("2026-11-20T20:00:00Z").await;
    assert_eq!(scene.runs(), ranged("1.5.0", "1.5.0"));
    let outcome = scene.pass("2026-11-20T21:00:00Z").await;
    assert_eq!(scene.runs(), ranged("1.5.0", "1.5.0"));
    let (action, reason) = told(&outcome);
    assert_eq!(
        (action, reason.contains("1.6.0, which the environment before it runs")),
        (Action::Waiting, true),
        "{reason}"
    );
}

#[tokio::test]
async fn a_group_of_which_nothing_that_ran_together_may_come_waits_and_says_so() {
    let scene = Scene::new(&both("1.4.0", "1.4.0"));
    scene.write("2026-11-20T09:00:00Z", "1.5.0", "1.5.0");
    scene.write("2026-11-20T10:00:00Z", "1.6.0", "1.6.0");
    scene.hold("2026-11-20T10:30:00Z", &[(WORKER, "1.5.0"), (WEB, "1.6.0")]);
    scene.write("2026-11-20T11:00:00Z", "2.0.0", "2.0.0");
    let outcome = scene.pass("2026-11-20T20:00:00Z").await;
    assert_eq!(scene.runs(), both("1.4.0", "1.4.0"));
    let reason = "the group moves together: nothing that ran together in dev may come here";
    assert_eq!(told(&outcome), (Action::Waiting, reason.to_owned()));
    // One of them alone went up, and that soaks by itself.
    scene.write("2026-11-21T10:00:00Z", "1.7.0", "1.6.0");
    scene.pass("2026-11-21T12:59:00Z").await;
    assert_eq!(scene.runs(), both("1.4.0", "1.4.0"));
    scene.pass("2026-11-21T13:00:00Z").await;
    assert_eq!(scene.runs(), both("1.7.0", "1.6.0"));
}

#[tokio::test]
async fn a_group_of_which_one_image_waits_for_its_soak_takes_what_has_soaked_with_the_other() {
    let scene = Scene::new(&both("1.4.0", "1.4.0"));
    scene.write("2026-11-20T09:00:00Z", "1.5.0", "1.5.0");
    // File by file: what ran for a minute ran together all the same, and comes where nothing newer has soaked.
    scene.write("2026-11-20T10:00:00Z", "1.6.0", "1.5.0");
    scene.write("2026-11-20T11:00:00Z", "1.6.0", "1.6.0");
    scene.pass("2026-11-20T12:30:00Z").await;
    assert_eq!(scene.runs(), both("1.5.0", "1.5.0"));
    scene.pass("2026-11-20T13:30:00Z").await;
    assert_eq!(scene.runs(), both("1.6.0", "1.5.0"));
    scene.pass("2026-11-20T14:00:00Z").await;
    assert_eq!(scene.runs(), both("1.6.0", "1.6.0"));
}
