//! A moving tag whose digest fails, or is rolled back by a pull request; told once for every forge.
//!
//! `moving!(KIND)` makes one test of each.

use std::sync::Arc;

use tagboat::git::Remote;
use tagboat::git::access::Access;
use tagboat::git::mirror::Mirror;
use tagboat::git::url::RemoteUrl;
use tagboat::model::outcome::Outcome;
use tagboat::pass::order::Order;
use tagboat::pass::propose::Publishing;
use tagboat::pass::run::Mode;

use crate::forge::scenarios::Kind;
use crate::support::forge::{CheckRow, Stands, Store, serve};
use crate::support::memory::MemoryTags;
use crate::support::passes::{Passing, Said};
use crate::support::repository::{Scratch, environment};

const WEB: &str = "ghcr.io/acme/web";

fn digest(letter: char) -> String {
    format!("sha256:{}", letter.to_string().repeat(64))
}

/// `dev`, and `prod` after it by the word of a person, which both follow `stable` and begin with the digest a; the registry has b.
struct Stage {
    kind: Kind,
    scratch: Scratch,
    tags: MemoryTags,
    store: Arc<Store>,
    address: String,
}

impl Stage {
    fn new(kind: Kind, dev: &str) -> Self {
        Self::with(kind, dev, "manual: true")
    }

    fn with(kind: Kind, dev: &str, gates: &str) -> Self {
        let config = format!(
            "version: 1\nimages:\n  - match: ghcr.io/acme/*\n    digest: stable\nenvironments:\n  - name: dev\n    files: \
             [dev/**]\n{dev}  - {{name: prod, files: [prod/**], after: dev, publish: commit, gates: {{{gates}}}}}\n"
        );
        let web = format!("apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: {WEB}:stable@{}\n", digest('a'));
        let scratch = Scratch::new();
        let files = [(".tagboat.yaml", config.as_str()), ("dev/web.yaml", &web), ("prod/web.yaml", &web)];
        let store = Store::over(scratch.bare("gitops.git", &files).folder);
        let address = serve((kind.router)(Arc::clone(&store)));
        let stage = Self { kind, scratch, tags: MemoryTags::default(), store, address };
        stage.tags.set(WEB, ["stable"]);
        stage.push('b');
        stage
    }

    /// The same, with dev on a branch of its own.
    fn beside(kind: Kind) -> Self {
        let stage =
            Self::with(kind, "    branch: env/dev\n    publish: pullRequest\n", "windows: [{hours: \"10:00-20:00\"}]");
        stage.store.repository.git(&["branch", "env/dev", "main"]);
        stage
    }

    fn push(&self, letter: char) {
        self.tags.point(WEB, "stable", &digest(letter));
    }

    fn passing<'a>(&'a self, now: &'a str) -> Passing<'a> {
        let url = RemoteUrl::from_path(&self.store.repository.folder);
        let mirror = Mirror::open(&self.scratch.path("mirror"), url, Access::None, environment(None)).unwrap();
        let remote: Arc<dyn Remote> = Arc::new(mirror);
        let publishing = Publishing::Forge((self.kind.client)(&self.address));
        Passing { remote, tags: &self.tags, now, publishing }
    }

    async fn pass(&self, time: &str) -> Outcome {
        let outcome = self.passing(&format!("2026-11-20T{time}:00Z")).pass(Mode::Act).await;
        assert_eq!(outcome.errors, []);
        outcome
    }

    /// Lets sre order dev back to what ran there before.
    async fn roll_back(&self, time: &str) {
        let order = Order::Rollback { environment: "dev".into(), what: "web".to_owned(), to: None };
        let said = Said { by: Some("sre"), reason: Some("outage"), ..Said::default() };
        self.passing(&format!("2026-11-20T{time}:00Z")).order(&order, said).await.unwrap();
    }

    /// Has dev run the digest b, by the first pull request, and one stand open by which it would go back.
    async fn opens_a_rollback(&self) {
        self.pass("08:00").await;
        self.store.merge(1).unwrap();
        self.roll_back("09:00").await;
    }

    /// Fails the test unless prod waits at ten while that one stands open.
    async fn keeps_from_prod(&self) {
        let outcome = self.pass("10:10").await;
        assert_eq!((self.runs().as_str(), self.store.pull(2).state), ("ba", Stands::Open));
        let prod = outcome.proposals.iter().find(|one| one.environment.as_str() == "prod").unwrap();
        let reason = prod.reason.clone().unwrap_or_default();
        let told = format!("sre holds it in dev: not merged yet: {} alone: outage (proposed in ", digest('b'));
        assert!(reason.contains(&told), "{reason}");
    }

    /// Returns the first letters of what dev and prod run.
    fn runs(&self) -> String {
        let letter = |environment: &str| {
            let own = format!("env/{environment}");
            let branch = if self.store.repository.at(&own).is_some() { &own } else { "main" };
            let file = self.store.repository.show(branch, &format!("{environment}/web.yaml"));
            let text = String::from_utf8(file).unwrap();
            text.split_once("@sha256:").unwrap().1.chars().next().unwrap()
        };
        ["dev", "prod"].into_iter().map(letter).collect()
    }

    fn report(&self, sha: &str, name: &str, word: &str) {
        let (sha, name, word) = (sha.to_owned(), name.to_owned(), word.to_owned());
        let is_run = self.kind.words.contains(&word.as_str());
        let at = "2026-11-20T08:05:00Z";
        self.store.kept().checks.push(CheckRow { sha, name, word, text: String::new(), at, is_run });
    }
}

/// Says why an outcome leaves dev as it is.
fn told(outcome: &Outcome) -> String {
    outcome.skipped.iter().map(|row| row.reason.as_str()).collect::<Vec<_>>().join("\n")
}

pub(super) async fn a_digest_that_failed_went_back_and_is_kept_back_by_the_same_pass(kind: Kind) {
    let stage = Stage::new(kind, "    publish: commit\n    onFailure: {checks: [argocd/dev], within: 30m}\n");
    stage.pass("08:00").await;
    assert_eq!(stage.runs(), "ba");
    stage.report(&stage.store.repository.tip("main"), "argocd/dev", kind.words[2]);
    let outcome = stage.pass("08:10").await;
    assert_eq!((stage.runs().as_str(), outcome.commits.len()), ("aa", 1), "{:?}", outcome.commits);
    let tip = stage.store.repository.tip("main");
    let outcome = stage.pass("08:20").await;
    assert_eq!(stage.store.repository.tip("main"), tip, "a further pass does nothing");
    let told = told(&outcome);
    assert!(told.contains("stable is held: it failed (argocd/dev: "), "{told}");
    assert!(told.contains("and went back to stable@sha256:aaaa"), "{told}");
    stage.push('c');
    stage.pass("09:00").await;
    assert_eq!(stage.runs(), "ca", "something newer comes as ever");
}

pub(super) async fn nothing_goes_back_by_itself_to_a_digest_that_is_no_more(kind: Kind) {
    let stage = Stage::new(kind, "    publish: commit\n    onFailure: {checks: [argocd/dev], within: 30m}\n");
    stage.pass("08:00").await;
    stage.report(&stage.store.repository.tip("main"), "argocd/dev", kind.words[2]);
    stage.tags.lose(&digest('a'));
    let outcome = stage.passing("2026-11-20T08:10:00Z").pass(Mode::Act).await;
    assert_eq!(stage.runs(), "ba");
    let told = "the registry has it no more)";
    assert!(outcome.errors.iter().any(|row| row.reason.ends_with(told)), "{:?}", outcome.errors);
}

pub(super) async fn a_digest_that_went_back_by_a_pull_request_of_its_own_stays_back(kind: Kind) {
    let watched = "    publish: commit\n    onFailure: {checks: [argocd/dev], within: 2h, publish: autoMerge}\n";
    let stage = Stage::new(kind, watched);
    stage.pass("08:00").await;
    stage.report(&stage.store.repository.tip("main"), "argocd/dev", kind.words[2]);
    stage.pass("08:10").await;
    assert_eq!((stage.runs().as_str(), stage.store.kept().pulls.len()), ("ba", 1));
    let head = stage.store.pull(1).head;
    stage.report(&stage.store.at(&head).unwrap(), "build", kind.words[0]);
    for time in ["08:20", "08:30", "08:40"] {
        stage.pass(time).await;
    }
    assert_eq!((stage.runs().as_str(), stage.store.pull(1).state), ("aa", Stands::Merged));
    assert_eq!(stage.store.kept().pulls.len(), 1, "nothing is proposed again");
}

pub(super) async fn a_digest_goes_nowhere_while_a_rollback_of_it_stands_open(kind: Kind) {
    let opens = "windows: [{hours: \"10:00-20:00\"}]";
    let stage = Stage::with(kind, "    publish: pullRequest\n", opens);
    stage.opens_a_rollback().await;
    stage.keeps_from_prod().await;
    // It comes once nobody wants it back any more; and another digest of the tag comes as ever.
    stage.store.change(2, |pull| pull.state = Stands::Closed);
    stage.pass("10:20").await;
    assert_eq!(stage.runs(), "bb");

    let stage = Stage::with(kind, "    publish: pullRequest\n", opens);
    stage.opens_a_rollback().await;
    let text = String::from_utf8(stage.store.repository.show("main", "dev/web.yaml")).unwrap();
    let newer = text.replace(&digest('b'), &digest('c'));
    stage.store.repository.land("main", &[("dev/web.yaml", newer.as_str())], "By hand", 2);
    stage.pass("10:10").await;
    assert_eq!(stage.runs(), "cc");
}

pub(super) async fn a_digest_goes_nowhere_while_a_rollback_of_it_stands_open_on_a_branch_of_its_own(kind: Kind) {
    let stage = Stage::beside(kind);
    stage.opens_a_rollback().await;
    stage.keeps_from_prod().await;
    // Closed, it holds nothing any more.
    stage.store.change(2, |pull| pull.state = Stands::Closed);
    stage.pass("10:20").await;
    assert_eq!(stage.runs(), "bb");
    // Of one that was merged its branch's history tells, and what stands open on top of that is another one.
    let stage = Stage::beside(kind);
    stage.opens_a_rollback().await;
    stage.store.merge(2).unwrap();
    stage.push('c');
    stage.pass("09:10").await;
    stage.store.merge(3).unwrap();
    stage.roll_back("09:20").await;
    stage.pass("10:10").await;
    assert_eq!((stage.runs().as_str(), stage.store.pull(4).state), ("ca", Stands::Open));
    stage.store.merge(4).unwrap();
    stage.pass("10:20").await;
    assert_eq!(stage.runs(), "aa");
    // However many commits that branch has beside the base, and whoever has pushed on top.
    let stage = Stage::beside(kind);
    for day in 1..=31 {
        let notes = [("notes", "one"), ("notes", "other")].map(|note| [note]);
        notes.iter().for_each(|note| drop(stage.store.repository.land("env/dev", note, "Note", day)));
    }
    stage.opens_a_rollback().await;
    stage.store.repository.land(&stage.store.pull(2).head, &[("notes", "mine")], "Mine", 20);
    stage.pass("10:10").await;
    assert_eq!((stage.runs().as_str(), stage.store.pull(2).state), ("ba", Stands::Open));
}

pub(super) async fn a_digest_that_a_person_rolled_back_by_a_pull_request_stays_back(kind: Kind) {
    let stage = Stage::new(kind, "    publish: pullRequest\n");
    stage.opens_a_rollback().await;
    assert_eq!(stage.runs(), "ba");
    stage.pass("09:10").await;
    assert_eq!(stage.store.pull(2).state, Stands::Open, "what a person ordered stands");
    stage.store.merge(2).unwrap();
    assert_eq!(stage.runs(), "aa");
    for time in ["10:00", "11:00"] {
        let outcome = stage.pass(time).await;
        assert_eq!((stage.runs().as_str(), stage.store.kept().pulls.len()), ("aa", 2), "{:?}", outcome.proposals);
        assert!(told(&outcome).contains("stable is held: sre rolled it back"), "{}", told(&outcome));
    }
    let (environment, image, tag) = ("dev".into(), WEB.parse().unwrap(), "stable".parse().unwrap());
    let order = Order::Promote { environment, what: image, tag, at_once: true, skipped: [].into() };
    stage
        .passing("2026-11-20T12:00:00Z")
        .order(&order, Said { reason: Some("mended"), ..Said::default() })
        .await
        .unwrap();
    stage.pass("12:10").await;
    assert_eq!(stage.store.pull(3).state, Stands::Open, "what a person ordered stands");
    stage.store.merge(3).unwrap();
    stage.pass("13:00").await;
    assert_eq!((stage.runs().as_str(), stage.store.kept().pulls.len()), ("ba", 3));
}

/// Makes one test of each on a kind of forge.
macro_rules! moving {
    ($kind:expr) => {
        $crate::forge::moving::moving! { @ $kind;
            a_digest_that_failed_went_back_and_is_kept_back_by_the_same_pass
            nothing_goes_back_by_itself_to_a_digest_that_is_no_more
            a_digest_that_went_back_by_a_pull_request_of_its_own_stays_back
            a_digest_goes_nowhere_while_a_rollback_of_it_stands_open
            a_digest_goes_nowhere_while_a_rollback_of_it_stands_open_on_a_branch_of_its_own
            a_digest_that_a_person_rolled_back_by_a_pull_request_stays_back
        }
    };
    (@ $kind:expr; $($name:ident)*) => {
        mod moving {
            $(
                #[tokio::test]
                async fn $name() {
                    $crate::forge::moving::$name($kind).await;
                }
            )*
        }
    };
}
pub(super) use moving;
