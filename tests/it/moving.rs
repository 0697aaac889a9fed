//! A moving tag of which a digest was taken back: that digest stays back, by whatever way it went.

use std::sync::Arc;

use tagboat::git::Remote;
use tagboat::model::decision::Verdict;
use tagboat::model::outcome::Outcome;
use tagboat::model::proposal::Action;
use tagboat::pass::order::{Order, OrderError};
use tagboat::pass::run::Mode;

use crate::support::memory::{MemoryRemote, MemoryTags};
use crate::support::passes::{Passing, Said, on_plain_git};

const WEB: &str = "ghcr.io/acme/web";
const LINE: &str = "  - {name: dev, files: [dev/**], publish: commit}\n  - {name: prod, files: [prod/**], after: dev, \
                    publish: commit}\n";

/// Writes a digest of one letter.
fn digest(letter: char) -> String {
    format!("sha256:{}", letter.to_string().repeat(64))
}

fn manifest(letter: char) -> String {
    format!("apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: {WEB}:stable@{}\n", digest(letter))
}

/// Environments that follow `stable`, all of which begin with the digest a.
struct Scene {
    remote: Arc<MemoryRemote>,
    tags: MemoryTags,
}

impl Scene {
    fn new(environments: &str) -> Self {
        let config = format!(
            "version: 1\nimages:\n  - match: ghcr.io/acme/*\n    digest: stable\nenvironments:\n{environments}"
        );
        let web = manifest('a');
        let mut files = vec![(".tagboat.yaml", config.as_str())];
        let all = [("dev", "dev/web.yaml"), ("staging", "staging/web.yaml"), ("prod", "prod/web.yaml")];
        let own = all.iter().filter(|(name, _)| environments.contains(&format!("name: {name},")));
        files.extend(own.map(|(_, path)| (*path, web.as_str())));
        let scene = Self { remote: Arc::new(MemoryRemote::with(&files)), tags: MemoryTags::default() };
        scene.tags.set(WEB, ["stable"]);
        scene.push('b');
        scene
    }

    fn push(&self, letter: char) {
        self.tags.point(WEB, "stable", &digest(letter));
    }

    async fn pass(&self, now: &str) -> Outcome {
        let remote: Arc<dyn Remote> = Arc::<MemoryRemote>::clone(&self.remote);
        let now = format!("2026-11-20T{now}:00Z");
        Passing { remote, tags: &self.tags, now: &now, publishing: on_plain_git() }.pass(Mode::Act).await
    }

    async fn order(&self, now: &str, order: Order) -> Result<Outcome, OrderError> {
        let remote: Arc<dyn Remote> = Arc::<MemoryRemote>::clone(&self.remote);
        let now = format!("2026-11-20T{now}:00Z");
        let said = Said { by: Some("sre"), reason: Some("outage"), ..Said::default() };
        Passing { remote, tags: &self.tags, now: &now, publishing: on_plain_git() }.order(&order, said).await
    }

    async fn rollback(&self, now: &str, environment: &str) -> Outcome {
        let order = Order::Rollback { environment: environment.into(), what: "web".to_owned(), to: None };
        self.order(now, order).await.unwrap()
    }

    async fn promote(&self, now: &str, environment: &str) -> Result<Outcome, OrderError> {
        let (environment, image, tag) = (environment.into(), WEB.parse().unwrap(), "stable".parse().unwrap());
        self.order(now, Order::Promote { environment, what: image, tag, at_once: true, skipped: [].into() }).await
    }

    /// Returns the first letters of what environments run.
    fn runs(&self, environments: &[&str]) -> String {
        let letter = |environment: &&str| {
            let text = self.remote.file(&format!("{environment}/web.yaml"));
            text.split_once("@sha256:").unwrap().1.chars().next().unwrap()
        };
        environments.iter().map(letter).collect()
    }
}

/// Says why an outcome leaves an environment as it is.
fn told(outcome: &Outcome, environment: &str) -> String {
    let held = outcome.proposals.iter().filter(|proposal| proposal.environment.as_str() == environment);
    let held = held.filter(|proposal| proposal.action == Action::Held).filter_map(|proposal| proposal.reason.clone());
    let skipped = outcome.skipped.iter().map(|row| row.reason.clone());
    held.chain(skipped).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn a_digest_that_an_order_took_back_comes_again_by_the_word_of_a_person_alone() {
    let scene = Scene::new(LINE);
    let both = || scene.runs(&["dev", "prod"]);
    scene.pass("08:00").await;
    assert_eq!(both(), "bb");
    let back = scene.rollback("09:00", "prod").await;
    assert_eq!(both(), "ba");
    let note = &back.skipped[0].reason;
    assert!(note.contains("`tagboat promote ghcr.io/acme/web:stable --to prod --now --reason …`"), "{note}");
    for hour in ["10:00", "11:00"] {
        let outcome = scene.pass(hour).await;
        assert_eq!(both(), "ba", "{:?}", outcome.commits);
        let told = told(&outcome, "prod");
        assert!(told.contains("in prod, sre rolled it back to stable@sha256:aaaa"), "{told}");
    }
    let again = scene.order("11:30", Order::Rollback { environment: "prod".into(), what: "web".to_owned(), to: None });
    assert!(again.await.unwrap().skipped[0].reason.contains("already"));

    scene.promote("12:00", "prod").await.unwrap();
    assert_eq!(both(), "bb", "what the note says");
    let count = scene.remote.messages().len();
    scene.pass("13:00").await;
    assert_eq!((both().as_str(), scene.remote.messages().len()), ("bb", count), "and it is remembered");

    scene.rollback("14:00", "prod").await;
    scene.push('c');
    scene.pass("15:00").await;
    assert_eq!(both(), "cc", "something newer comes as ever");
    scene.push('b');
    scene.pass("16:00").await;
    assert_eq!(both(), "bc", "the tag went back to it, and prod had left it");
}

#[tokio::test]
async fn nothing_goes_back_to_a_digest_that_the_registry_has_no_more() {
    let scene = Scene::new(LINE);
    scene.pass("08:00").await;
    scene.tags.lose(&digest('a'));
    let order = || Order::Rollback { environment: "prod".into(), what: "web".to_owned(), to: None };
    let refused = scene.order("09:00", order()).await.unwrap_err().to_string();
    let told = "and stable stands for something else by now: the registry has no more what the digest names";
    assert!(refused.contains(told), "{refused}");
    assert_eq!(scene.runs(&["dev", "prod"]), "bb");
}

#[tokio::test]
async fn what_follows_an_environment_that_was_rolled_back_neither_goes_back_nor_takes_it() {
    let scene = Scene::new(LINE);
    scene.pass("08:00").await;
    scene.rollback("09:00", "dev").await;
    let outcome = scene.pass("10:00").await;
    assert_eq!(scene.runs(&["dev", "prod"]), "ab", "{:?}", outcome.commits);
    let told = told(&outcome, "prod");
    assert!(told.contains("sre rolled it back to stable@sha256:aaaa"), "{told}");
    assert!(told.contains("to which dev went back"), "{told}");

    let line =
        LINE.replace("name: prod, files: [prod/**], after: dev,", "name: staging, files: [staging/**], after: dev,");
    let scene = Scene::new(&format!(
        "{line}  - {{name: prod, files: [prod/**], after: staging, publish: commit, gates: {{soak: 2h}}}}\n"
    ));
    let all = || scene.runs(&["dev", "staging", "prod"]);
    scene.pass("08:00").await;
    assert_eq!(all(), "bba");
    scene.rollback("09:00", "dev").await;
    scene.pass("12:00").await;
    assert_eq!(all(), "aba", "what went back in dev goes nowhere");
    scene.promote("13:00", "dev").await.unwrap();
    scene.pass("13:30").await;
    assert_eq!(all(), "bbb", "what a person brought again goes on");
}

#[tokio::test]
async fn a_digest_of_the_registry_that_an_order_took_back_is_kept_back_with_its_reason() {
    for publish in ["commit", "autoMerge"] {
        let scene = Scene::new(&format!("  - {{name: prod, files: [prod/**], publish: {publish}}}\n"));
        for hour in ["08:00", "08:30"] {
            scene.pass(hour).await;
        }
        assert_eq!(scene.runs(&["prod"]), "b");
        scene.rollback("09:00", "prod").await;
        for hour in ["10:00", "11:00", "12:00"] {
            let outcome = scene.pass(hour).await;
            assert_eq!(scene.runs(&["prod"]), "a", "{publish}: {:?}", outcome.commits);
            assert!(outcome.decisions.iter().all(|decision| decision.verdict == Verdict::Keep));
            assert_eq!(scene.remote.heads("tagboat/").unwrap(), [], "{publish}");
        }
        let refused = scene.order(
            "12:10",
            Order::Promote {
                environment: "prod".into(),
                what: WEB.parse().unwrap(),
                tag: "stable".parse().unwrap(),
                at_once: false,
                skipped: [].into(),
            },
        );
        let refused = refused.await.unwrap_err();
        assert!(refused.to_string().contains("held: sre rolled it back"), "{refused}");
        scene.promote("12:30", "prod").await.unwrap();
        for hour in ["13:00", "14:00"] {
            scene.pass(hour).await;
        }
        assert_eq!(scene.runs(&["prod"]), "b", "{publish}");
    }
}

#[tokio::test]
async fn a_digest_that_gave_way_does_not_come_back_from_where_it_stood_all_along() {
    // A hotfix past dev, which has had the older one since before.
    let scene = Scene::new(LINE);
    scene.pass("08:00").await;
    assert_eq!(scene.runs(&["dev", "prod"]), "bb");
    scene.remote.edit("2026-11-20T09:30:00Z", "A hotfix", &[("prod/web.yaml", Some(&manifest('e')))]);
    for hour in ["10:00", "11:00"] {
        let outcome = scene.pass(hour).await;
        assert_eq!(scene.runs(&["dev", "prod"]), "be");
        assert!(told(&outcome, "prod").contains("which dev has had for longer"), "{:?}", outcome.skipped);
    }
    // The tag goes back to what prod had before: dev follows, and so does prod.
    scene.push('a');
    scene.pass("12:00").await;
    assert_eq!(scene.runs(&["dev", "prod"]), "aa");

    // Two environments before, of which one is enough, run two digests.
    let scene = Scene::new(
        "  - {name: dev, files: [dev/**], publish: commit}\n  - {name: staging, files: [staging/**], after: dev, publish: \
         commit, gates: {soak: 3h}}\n  - {name: prod, files: [prod/**], after: {any: [dev, staging]}, publish: commit}\n",
    );
    scene.pass("08:00").await;
    scene.pass("11:10").await;
    assert_eq!(scene.runs(&["dev", "staging", "prod"]), "bbb");
    scene.push('c');
    for hour in ["11:20", "11:30", "12:00"] {
        scene.pass(hour).await;
        assert_eq!(scene.runs(&["dev", "staging", "prod"]), "cbc", "{hour}");
    }
}

#[tokio::test]
async fn digests_do_not_take_turns_where_the_tag_went_back_and_one_of_two_before_has_not_followed() {
    let scene = Scene::new(
        "  - {name: dev, files: [dev/**], publish: commit}\n  - {name: staging, files: [staging/**], after: dev, publish: \
         commit, gates: {soak: 3h}}\n  - {name: prod, files: [prod/**], after: {any: [dev, staging]}, publish: commit}\n",
    );
    let all = || scene.runs(&["dev", "staging", "prod"]);
    scene.pass("08:00").await;
    scene.pass("11:10").await;
    assert_eq!(all(), "bbb");
    scene.push('a');
    for hour in ["11:20", "11:30", "12:00"] {
        let outcome = scene.pass(hour).await;
        assert_eq!(all(), "aba", "{hour}: dev came to a after b, whatever staging had first: {:?}", outcome.commits);
    }
    scene.push('b');
    scene.pass("12:30").await;
    assert_eq!(all(), "bbb", "what comes anew goes on");
}

#[tokio::test]
async fn what_counts_from_its_introduction_is_no_older_digest_either() {
    let line = LINE.replace("after: dev, publish", "after: dev, gates: {soak: {for: 1h, count: introduced}}, publish");
    let scene = Scene::new(&line);
    scene.pass("08:00").await;
    scene.push('c');
    scene.pass("08:30").await;
    scene.pass("09:40").await;
    assert_eq!(scene.runs(&["dev", "prod"]), "cc");
    scene.rollback("10:00", "prod").await;
    scene.pass("11:00").await;
    assert_eq!(scene.runs(&["dev", "prod"]), "ca", "b had its turn before what went back");
    scene.rollback("11:10", "dev").await;
    scene.pass("12:20").await;
    assert_eq!(scene.runs(&["dev", "prod"]), "bb", "what the environment before runs now is no older try");
    scene.push('d');
    scene.pass("13:00").await;
    scene.pass("14:10").await;
    assert_eq!(scene.runs(&["dev", "prod"]), "dd");
}
