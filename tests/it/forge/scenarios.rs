//! The life of a pull request, told once for every forge: what people and registries do, and what must stand after each pass.
//!
//! `scenarios!(KIND)` makes one test of each. They see the fake's store alone, never a forge's protocol.

use std::sync::Arc;

use axum::Router;
use tagboat::forge::Forge;
use tagboat::git::Remote;
use tagboat::git::access::Access;
use tagboat::git::mirror::Mirror;
use tagboat::git::url::RemoteUrl;
use tagboat::manifest::Limits;
use tagboat::model::environment::BranchName;
use tagboat::model::outcome::Outcome;
use tagboat::model::proposal::Action;
use tagboat::pass::propose::Publishing;
use tagboat::pass::run::{Mode, Run, run};

use crate::support::forge::{CheckRow, Fault, NOW, Pull, Stands, Store, serve};
use crate::support::memory::MemoryTags;
use crate::support::repository::{Repository, Scratch, environment};

const WEB: &str = "ghcr.io/acme/web";
const HEAD: &str = "tagboat/prod/ghcr.io-acme-web";

/// One kind of forge: its fake, its client, and its words.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    /// Makes the fake's router.
    pub(crate) router: fn(Arc<Store>) -> Router,
    /// Makes a new client for the repository `acme/gitops` at an address.
    pub(crate) client: fn(&str) -> Arc<dyn Forge>,
    /// The forge's words for a check that passed, runs, and was cancelled.
    pub(crate) words: [&'static str; 3],
    /// The forge's words for a commit status that passed, and one that waits.
    pub(crate) statuses: [&'static str; 2],
    /// The forge's words for a review that approves, and one that asks for changes.
    pub(crate) reviews: [&'static str; 2],
    /// A path that only the opening of a pull request posts to.
    pub(crate) opening: &'static str,
    /// Method and a part of the path of the merge.
    pub(crate) merging: (&'static str, &'static str),
}

/// A repository on a forge, a registry, and Tagboat.
pub(crate) struct Stage {
    kind: Kind,
    scratch: Scratch,
    tags: MemoryTags,
    pub(crate) store: Arc<Store>,
    address: String,
}

const PLAIN: &str = "";
const AUTO: &str = "    publish: autoMerge\n";
const GATED: &str = "    publish: autoMerge\n    gates: {windows: [{hours: \"09:00-10:00\"}]}\n";

fn manifest(tag: &str) -> String {
    format!("apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: {WEB}:{tag}\n")
}

impl Stage {
    fn new(kind: Kind, environment: &str) -> Self {
        let config = format!(
            "version: 1\nimages:\n  - match: ghcr.io/acme/*\n    semver: 1.x\nenvironments:\n  - name: prod\n    \
             files: [prod/**]\n{environment}"
        );
        let scratch = Scratch::new();
        let bare = scratch.bare("gitops.git", &[(".tagboat.yaml", &config), ("prod/web.yaml", &manifest("1.4.0"))]);
        let store = Store::over(bare.folder);
        let address = serve((kind.router)(Arc::clone(&store)));
        let stage = Self { kind, scratch, tags: MemoryTags::default(), store, address };
        stage.list(&["1.4.0", "1.5.0"]);
        stage
    }

    /// Starts with a pull request that would be merged by the next pass.
    pub(crate) async fn merging(kind: Kind) -> Self {
        let stage = Self::new(kind, AUTO);
        stage.acts(8).await;
        stage.check("build", kind.words[0]);
        stage
    }

    fn list(&self, tags: &[&str]) {
        self.tags.set(WEB, tags.iter().copied());
    }

    async fn outcome(&self, mirror: &str, hour: u32) -> Outcome {
        let url = RemoteUrl::from_path(&self.store.repository.folder);
        let mirror = Mirror::open(&self.scratch.path(mirror), url, Access::None, environment(None)).unwrap();
        let remote: Arc<dyn Remote> = Arc::new(mirror);
        run(&Run {
            remote,
            branch: &BranchName::from("main"),
            config: None,
            source: &self.tags,
            cache: &tagboat::pass::setup::no_cache(),
            limits: &Limits::default(),
            now: format!("2026-11-20T{hour:02}:00:00Z").parse().unwrap(),
            publishing: Publishing::Forge((self.kind.client)(&self.address)),
            only: &[],
            mode: Mode::Act,
            progress: &|_| {},
            read_config: &|_| {},
        })
        .await
        .unwrap()
    }

    /// Runs a pass at an hour of the day; its one proposal's action, and the reason.
    pub(crate) async fn pass(&self, hour: u32) -> (Option<Action>, String) {
        let outcome = self.outcome("mirror", hour).await;
        let last = outcome.proposals.last();
        (last.map(|proposal| proposal.action), last.and_then(|one| one.reason.clone()).unwrap_or_default())
    }

    pub(crate) async fn acts(&self, hour: u32) -> Option<Action> {
        self.pass(hour).await.0
    }

    fn pulls(&self) -> Vec<Pull> {
        self.store.refresh();
        self.store.kept().pulls.clone()
    }

    fn only(&self) -> Pull {
        let pulls = self.pulls();
        assert_eq!(pulls.len(), 1, "{pulls:?}");
        pulls.into_iter().next().unwrap()
    }

    fn states(&self) -> Vec<Stands> {
        self.pulls().iter().map(|pull| pull.state).collect()
    }

    /// Reports a check on the head of the newest pull request.
    pub(crate) fn check(&self, name: &str, word: &str) {
        let sha = self.pulls().last().unwrap().sha.clone();
        let row =
            CheckRow { sha, name: name.to_owned(), word: word.to_owned(), text: String::new(), at: NOW, is_run: true };
        self.store.kept().checks.push(row);
    }

    fn close(&self, number: u64) {
        self.store.change(number, |pull| pull.state = Stands::Closed);
    }

    fn label(&self, number: u64, label: &str) {
        self.store.change(number, |pull| {
            pull.labels.insert(label.to_owned());
        });
    }

    /// Pushes a person's commit to a branch.
    fn push(&self, branch: &str, file: &str, text: &str) {
        let work = Repository { folder: self.scratch.path(&format!("person-{}", fastrand::u64(..))) };
        let from = self.store.repository.folder.display().to_string();
        std::fs::create_dir(&work.folder).unwrap();
        work.git(&["clone", "--quiet", "--branch", branch, &from, "."]);
        work.commit_files(&[(file, text)], "By hand", 2);
        work.git(&["push", "--quiet", "origin", branch]);
    }

    fn runs(&self) -> String {
        let text = String::from_utf8(self.store.repository.show("main", "prod/web.yaml")).unwrap();
        text.trim_end().rsplit(':').next().unwrap().to_owned()
    }

    /// Takes the requests since the last call: all, and those that write.
    fn requests(&self) -> (usize, Vec<String>) {
        let all = self.store.requests();
        let writes = all.iter().filter(|line| !line.starts_with("GET ")).cloned().collect();
        (all.len(), writes)
    }
}

pub(super) async fn opens_one_and_then_leaves_it(kind: Kind) {
    let stage = Stage::new(kind, "    reviewers: [ada, acme/sre]\n");
    assert_eq!(stage.acts(8).await, Some(Action::Opened));
    let pull = stage.only();
    assert_eq!(
        (pull.state, pull.head.as_str(), pull.title.as_str()),
        (Stands::Open, HEAD, "prod: update web to 1.5.0")
    );
    assert!(pull.body.contains("`1.4.0`") && pull.body.contains("<!-- tagboat: "), "{}", pull.body);
    assert!(pull.reviewers.iter().any(|name| name.contains("ada")), "{pull:?}");
    stage.requests();
    assert_eq!(stage.acts(9).await, Some(Action::Unchanged));
    let (count, writes) = stage.requests();
    assert!(count <= 2 && writes.is_empty(), "{count} {writes:?}");
    assert_eq!(stage.only().updated, pull.updated);
}

pub(super) async fn takes_something_newer_into_the_same_one(kind: Kind) {
    let stage = Stage::new(kind, PLAIN);
    stage.acts(8).await;
    let first = stage.only();
    stage.list(&["1.4.0", "1.5.0", "1.6.0"]);
    assert_eq!(stage.acts(9).await, Some(Action::Updated));
    let second = stage.only();
    assert_ne!(second.sha, first.sha);
    assert_eq!((second.title.as_str(), second.state), ("prod: update web to 1.6.0", Stands::Open));
    assert_eq!(stage.acts(10).await, Some(Action::Unchanged));
}

pub(super) async fn rewrites_the_body_when_a_gate_opens(kind: Kind) {
    let stage = Stage::new(kind, GATED);
    stage.acts(8).await;
    let closed = stage.only();
    assert!(closed.body.contains("- [ ] `windows`"), "{}", closed.body);
    let statuses = || -> Vec<(String, String)> {
        let kept = stage.store.kept();
        kept.checks.iter().map(|row| (row.name.clone(), row.word.clone())).collect()
    };
    let waiting = ("tagboat/windows".to_owned(), kind.statuses[1].to_owned());
    assert_eq!(statuses(), std::slice::from_ref(&waiting));
    stage.acts(8).await;
    assert_eq!(statuses(), std::slice::from_ref(&waiting), "said once");
    assert_eq!(stage.acts(9).await, Some(Action::Updated));
    assert_eq!(statuses(), [waiting, ("tagboat/windows".to_owned(), kind.statuses[0].to_owned())]);
    let open = stage.only();
    assert!(open.body.contains("- [x] `windows`"), "{}", open.body);
    assert_eq!((open.sha, open.state), (closed.sha, Stands::Open));
}

pub(super) async fn heeds_a_person_who_closed_it_until_something_newer_comes(kind: Kind) {
    let stage = Stage::new(kind, PLAIN);
    stage.acts(8).await;
    stage.close(1);
    let (action, reason) = stage.pass(9).await;
    assert_eq!(action, Some(Action::LeftAlone));
    assert!(reason.contains("closed by a person"), "{reason}");
    assert_eq!(stage.states(), [Stands::Closed]);
    stage.list(&["1.4.0", "1.5.0", "1.6.0"]);
    assert_eq!(stage.acts(10).await, Some(Action::Opened));
    assert_eq!(stage.states(), [Stands::Closed, Stands::Open]);
}

pub(super) async fn opens_again_what_a_person_labels_for_a_retry(kind: Kind) {
    let stage = Stage::new(kind, PLAIN);
    stage.acts(8).await;
    stage.close(1);
    stage.label(1, "tagboat/retry");
    assert_eq!(stage.acts(9).await, Some(Action::Opened));
    assert_eq!(stage.states(), [Stands::Closed, Stands::Open]);
    assert_eq!(stage.acts(10).await, Some(Action::Unchanged));
    assert_eq!(stage.states().len(), 2);
}

pub(super) async fn takes_up_again_what_a_person_reopened(kind: Kind) {
    let stage = Stage::new(kind, PLAIN);
    stage.acts(8).await;
    stage.close(1);
    stage.acts(9).await;
    stage.store.change(1, |pull| pull.state = Stands::Open);
    stage.list(&["1.4.0", "1.5.0", "1.6.0"]);
    assert_eq!(stage.acts(10).await, Some(Action::Updated));
    assert_eq!(stage.only().title, "prod: update web to 1.6.0");
}

pub(super) async fn leaves_alone_what_a_person_pushed_to(kind: Kind) {
    let stage = Stage::new(kind, AUTO);
    stage.acts(8).await;
    stage.check("build", kind.words[0]);
    stage.push(HEAD, "prod/web.yaml", &manifest("1.5.0-ours"));
    stage.list(&["1.4.0", "1.5.0", "1.6.0"]);
    let before = stage.only();
    let (action, reason) = stage.pass(9).await;
    assert_eq!(action, Some(Action::LeftAlone));
    assert!(reason.contains("somebody else has pushed"), "{reason}");
    let after = stage.only();
    assert_eq!((after.sha, after.updated, stage.runs()), (before.sha, before.updated, "1.4.0".to_owned()));
}

pub(super) async fn leaves_alone_what_a_person_holds(kind: Kind) {
    let stage = Stage::new(kind, PLAIN);
    stage.acts(8).await;
    stage.label(1, "tagboat/hold");
    let before = stage.only();
    stage.list(&["1.4.0", "1.5.0", "1.6.0"]);
    assert_eq!(stage.acts(9).await, Some(Action::LeftAlone));
    assert_eq!(stage.only().updated, before.updated);
}

pub(super) async fn closes_what_became_unnecessary_and_says_why(kind: Kind) {
    let stage = Stage::new(kind, PLAIN);
    stage.acts(8).await;
    stage.push("main", "prod/web.yaml", &manifest("1.5.0"));
    assert_eq!(stage.acts(9).await, Some(Action::Closed));
    let pull = stage.only();
    assert_eq!((pull.state, pull.comments.len()), (Stands::Closed, 1));
    assert_eq!(stage.store.at(HEAD), None, "its branch is gone");
    assert_eq!(stage.acts(10).await, None);
    stage.push("main", "prod/web.yaml", &manifest("1.4.0 # back"));
    stage.push("main", "prod/web.yaml", &manifest("1.4.0"));
    stage.list(&["1.4.0", "1.5.0", "1.6.0"]);
    assert_eq!(stage.acts(11).await, Some(Action::Opened), "what Tagboat closed by itself nobody has refused");
}

pub(super) async fn waits_for_gates_and_checks_and_merges_the_head_that_was_judged(kind: Kind) {
    let stage = Stage::new(kind, GATED);
    assert_eq!(stage.acts(8).await, Some(Action::Opened));
    let head = stage.only().sha;
    assert!(stage.pass(9).await.1.contains("no check has reported"));
    stage.check("build", kind.words[1]);
    assert!(stage.pass(9).await.1.contains("checks are not done: build"));
    assert_eq!(stage.runs(), "1.4.0");
    stage.check("build", kind.words[0]);
    assert_eq!(stage.acts(9).await, Some(Action::Merged));
    let pull = stage.only();
    assert_eq!((pull.state, pull.sha.as_str(), stage.runs()), (Stands::Merged, head.as_str(), "1.5.0".to_owned()));
    assert_eq!(stage.acts(9).await, None);
    assert_eq!(stage.states(), [Stands::Merged]);
}

pub(super) async fn a_push_between_judging_and_merging_merges_nothing(kind: Kind) {
    let stage = Stage::new(kind, AUTO);
    stage.acts(8).await;
    stage.check("build", kind.words[0]);
    stage.store.trap(kind.merging.0, kind.merging.1, Fault::Before(409));
    assert_ne!(stage.acts(9).await, Some(Action::Merged));
    assert_eq!((stage.states(), stage.runs()), (vec![Stands::Open], "1.4.0".to_owned()));
    assert_eq!(stage.acts(9).await, Some(Action::Merged));
}

pub(super) async fn names_a_check_that_was_cancelled_and_merges_nothing(kind: Kind) {
    let stage = Stage::new(kind, AUTO);
    stage.acts(8).await;
    stage.check("lint", kind.words[0]);
    stage.check("build", kind.words[2]);
    let reason = stage.pass(9).await.1;
    assert!(reason.contains(&format!("checks failed: build ({})", kind.words[2])), "{reason}");
    assert_eq!((stage.states(), stage.runs()), (vec![Stands::Open], "1.4.0".to_owned()));
}

pub(super) async fn waits_while_somebody_asks_for_changes(kind: Kind) {
    let stage = Stage::new(kind, AUTO);
    stage.acts(8).await;
    stage.check("build", kind.words[0]);
    let sha = stage.only().sha;
    let judge = |word: &str| {
        let review = ("ada".to_owned(), word.to_owned(), sha.clone());
        stage.store.change(1, |pull| pull.reviews.push(review));
    };
    judge(kind.reviews[1]);
    assert!(stage.pass(9).await.1.contains("ada"));
    assert_eq!(stage.states(), [Stands::Open]);
    judge(kind.reviews[0]);
    assert_eq!(stage.acts(9).await, Some(Action::Merged));
}

pub(super) async fn waits_while_the_forge_does_not_know_whether_it_can_be_merged(kind: Kind) {
    let stage = Stage::new(kind, AUTO);
    stage.acts(8).await;
    stage.check("build", kind.words[0]);
    stage.store.kept().unknown = 1;
    assert_ne!(stage.acts(9).await, Some(Action::Merged));
    assert_eq!(stage.acts(9).await, Some(Action::Merged));
}

pub(super) async fn a_listing_that_fails_changes_nothing(kind: Kind) {
    let stage = Stage::new(kind, PLAIN);
    stage.acts(8).await;
    let before = stage.only();
    stage.push("main", "prod/web.yaml", &manifest("1.5.0"));
    stage.requests();
    for _ in 0..4 {
        stage.store.trap("GET", "", Fault::Before(503));
    }
    let outcome = stage.outcome("mirror", 9).await;
    assert_eq!(outcome.errors.len(), 1, "{:?}", outcome.errors);
    assert_eq!(stage.requests().1, [""; 0]);
    assert_eq!((stage.only().updated, stage.store.at(HEAD)), (before.updated, Some(before.sha)));
    stage.store.kept().traps.clear();
    assert_eq!(stage.acts(10).await, Some(Action::Closed));
}

pub(super) async fn an_opening_whose_answer_was_lost_is_not_repeated(kind: Kind) {
    for fault in [Fault::After(502), Fault::Lost] {
        let stage = Stage::new(kind, PLAIN);
        stage.store.trap("POST", kind.opening, fault);
        stage.acts(8).await;
        assert_eq!(stage.states(), [Stands::Open]);
        stage.acts(9).await;
        assert_eq!(stage.acts(10).await, Some(Action::Unchanged));
        assert_eq!(stage.states(), [Stands::Open], "{fault:?}");
        let posts = stage.requests().1;
        let posts = posts.iter().filter(|line| line.starts_with("POST") && line.ends_with(kind.opening));
        assert_eq!(posts.count(), 1, "{fault:?}");
    }
}

pub(super) async fn an_opening_that_failed_is_made_by_the_next_pass(kind: Kind) {
    for fault in [Fault::Before(500), Fault::Limited, Fault::Secondary] {
        let stage = Stage::new(kind, PLAIN);
        stage.store.trap("POST", kind.opening, fault);
        assert_eq!(stage.acts(8).await, Some(Action::Failed), "{fault:?}");
        assert_eq!(stage.states(), []);
        assert_eq!(stage.acts(9).await, Some(Action::Opened), "{fault:?}");
        assert_eq!(stage.states(), [Stands::Open]);
    }
}

pub(super) async fn a_merge_whose_answer_was_lost_is_seen_by_the_next_pass(kind: Kind) {
    for fault in [Fault::After(502), Fault::Lost] {
        let stage = Stage::new(kind, AUTO);
        stage.acts(8).await;
        stage.check("build", kind.words[0]);
        stage.store.trap(kind.merging.0, kind.merging.1, fault);
        stage.acts(9).await;
        assert_eq!(stage.runs(), "1.5.0");
        stage.acts(10).await;
        assert_eq!(stage.states(), [Stands::Merged], "{fault:?}");
        assert_eq!(stage.acts(11).await, None);
    }
}

pub(super) async fn a_listing_that_is_behind_opens_no_second_one(kind: Kind) {
    let stage = Stage::new(kind, PLAIN);
    stage.acts(8).await;
    stage.store.kept().stale = 1;
    stage.acts(9).await;
    assert_eq!(stage.states(), [Stands::Open]);
}

pub(super) async fn two_passes_at_once_open_one(kind: Kind) {
    let stage = Stage::new(kind, PLAIN);
    let (one, other) = tokio::join!(stage.outcome("one", 8), stage.outcome("other", 8));
    assert_eq!(one.proposals.len() + other.proposals.len(), 2);
    assert_eq!(stage.states(), [Stands::Open]);
    assert_eq!(stage.acts(9).await, Some(Action::Unchanged));
    assert_eq!(stage.states(), [Stands::Open]);
}

/// Makes one test of each scenario on a kind of forge.
macro_rules! scenarios {
    ($kind:expr) => {
        $crate::forge::scenarios::scenarios! { @ $kind;
            opens_one_and_then_leaves_it
            takes_something_newer_into_the_same_one
            rewrites_the_body_when_a_gate_opens
            heeds_a_person_who_closed_it_until_something_newer_comes
            opens_again_what_a_person_labels_for_a_retry
            takes_up_again_what_a_person_reopened
            leaves_alone_what_a_person_pushed_to
            leaves_alone_what_a_person_holds
            closes_what_became_unnecessary_and_says_why
            waits_for_gates_and_checks_and_merges_the_head_that_was_judged
            a_push_between_judging_and_merging_merges_nothing
            names_a_check_that_was_cancelled_and_merges_nothing
            waits_while_somebody_asks_for_changes
            waits_while_the_forge_does_not_know_whether_it_can_be_merged
            a_listing_that_fails_changes_nothing
            an_opening_whose_answer_was_lost_is_not_repeated
            an_opening_that_failed_is_made_by_the_next_pass
            a_merge_whose_answer_was_lost_is_seen_by_the_next_pass
            a_listing_that_is_behind_opens_no_second_one
            two_passes_at_once_open_one
        }
    };
    (@ $kind:expr; $($name:ident)*) => {
        $(
            #[tokio::test]
            async fn $name() {
                $crate::forge::scenarios::$name($kind).await;
            }
        )*
    };
}
pub(super) use scenarios;
