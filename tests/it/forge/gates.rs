//! Gates that a forge answers, and the return when what came fails; told once for every forge.
//!
//! `gates!(KIND)` makes one test of each. Commits are real and dated; reports are rows of the fake's store.

use std::sync::Arc;

use tagboat::clock::FixedClock;
use tagboat::git::Remote;
use tagboat::git::access::Access;
use tagboat::git::mirror::Mirror;
use tagboat::git::url::RemoteUrl;
use tagboat::manifest::Limits;
use tagboat::model::environment::BranchName;
use tagboat::model::gate::{GateName, GateState};
use tagboat::model::outcome::{Outcome, Skipped, Trouble};
use tagboat::model::proposal::{Action, Proposal};
use tagboat::model::watch::WatchState;
use tagboat::pass::order::{Order, OrderError};
use tagboat::pass::propose::Publishing;
use tagboat::pass::record::{Asked, Ledger, history};
use tagboat::pass::run::Mode;

use crate::forge::scenarios::Kind;
use crate::support::forge::{CheckRow, Deed, Fault, Stands, Store, serve};
use crate::support::memory::MemoryTags;
use crate::support::passes::{Passing, Said};
use crate::support::repository::{Scratch, environment};
use crate::support::sources::{Mood, Prometheus};

const WEB: &str = "ghcr.io/acme/web";
const API: &str = "ghcr.io/acme/api";
const HEAD: &str = "tagboat/staging/ghcr.io-acme-web";

fn manifest(image: &str, tag: &str) -> String {
    format!("apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: {image}:{tag}\n")
}

/// A repository on a forge with `dev`, `staging` after it and `prod` after that, a registry, and Tagboat.
struct Stage {
    kind: Kind,
    scratch: Scratch,
    tags: MemoryTags,
    store: Arc<Store>,
    address: String,
}

impl Stage {
    fn new(kind: Kind, staging: &str) -> Self {
        Self::with(kind, staging, "    gates: {soak: 30d}\n")
    }

    fn with(kind: Kind, staging: &str, prod: &str) -> Self {
        let config = format!(
            "version: 1\nimages:\n  - match: ghcr.io/acme/*\n    semver: 1.x\nenvironments:\n  - name: dev\n    \
             files: [dev/**]\n    publish: commit\n  - name: staging\n    files: [staging/**]\n    after: dev\n{staging}  \
             - name: prod\n    files: [prod/**]\n    after: staging\n    publish: commit\n{prod}"
        );
        let mut files = vec![(".tagboat.yaml".to_owned(), config)];
        for environment in ["dev", "staging", "prod"] {
            files.push((format!("{environment}/web.yaml"), manifest(WEB, "1.4.0")));
            files.push((format!("{environment}/api.yaml"), manifest(API, "1.4.0")));
        }
        let scratch = Scratch::new();
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        let bare = scratch.bare("gitops.git", &files);
        let store = Store::over(bare.folder);
        let address = serve((kind.router)(Arc::clone(&store)));
        let stage = Self { kind, scratch, tags: MemoryTags::default(), store, address };
        stage.list(WEB, &["1.4.0", "1.5.0"]);
        stage.list(API, &["1.4.0"]);
        stage
    }

    fn list(&self, image: &str, tags: &[&str]) {
        self.tags.set(image, tags.iter().copied());
    }

    fn remote(&self, mirror: &str) -> Arc<dyn Remote> {
        let url = RemoteUrl::from_path(&self.store.repository.folder);
        let mirror = self.scratch.path(mirror);
        Arc::new(Mirror::open(&mirror, url, Access::None, environment(None)).unwrap())
    }

    async fn try_pass(&self, time: &str) -> Outcome {
        self.pass_of("mirror", time, Mode::Act).await
    }

    async fn pass_of(&self, mirror: &str, time: &str, mode: Mode) -> Outcome {
        Passing {
            remote: self.remote(mirror),
            tags: &self.tags,
            now: &format!("2026-11-20T{time}:00Z"),
            publishing: Publishing::Forge((self.kind.client)(&self.address)),
        }
        .pass(mode)
        .await
    }

    /// Runs a pass that begins at one time of the day, and comes to what it does at another one.
    async fn pass_until(&self, begins: &str, acts: &str) -> Outcome {
        let passing = Passing {
            remote: self.remote("mirror"),
            tags: &self.tags,
            now: &format!("2026-11-20T{begins}:00Z"),
            publishing: Publishing::Forge((self.kind.client)(&self.address)),
        };
        let outcome = passing.pass_by(&FixedClock(format!("2026-11-20T{acts}:00Z").parse().unwrap())).await;
        assert_eq!(outcome.errors, []);
        outcome
    }

    /// Orders a version for staging, waiting for every gate that is not skipped.
    async fn promote(&self, time: &str, skipped: &[GateName]) -> Result<Outcome, OrderError> {
        let order = Order::Promote {
            environment: "staging".into(),
            what: WEB.parse().unwrap(),
            tag: "1.5.0".parse().unwrap(),
            at_once: false,
            skipped: skipped.iter().copied().collect(),
        };
        Passing {
            remote: self.remote("mirror"),
            tags: &self.tags,
            now: &format!("2026-11-20T{time}:00Z"),
            publishing: Publishing::Forge((self.kind.client)(&self.address)),
        }
        .order(&order, Said { reason: Some("needed"), ..Said::default() })
        .await
    }

    /// Runs a pass at a time of the day.
    async fn pass(&self, time: &str) -> Outcome {
        let outcome = self.try_pass(time).await;
        assert_eq!(outcome.errors, []);
        outcome
    }

    fn runs(&self, environment: &str, image: &str) -> String {
        let text =
            String::from_utf8(self.store.repository.show("main", &format!("{environment}/{image}.yaml"))).unwrap();
        text.trim_end().rsplit(':').next().unwrap().to_owned()
    }

    fn web(&self) -> [String; 3] {
        ["dev", "staging", "prod"].map(|environment| self.runs(environment, "web"))
    }

    fn tip(&self) -> String {
        self.store.repository.tip("main")
    }

    /// Returns the commit that last changed a file.
    fn brought(&self, file: &str) -> String {
        self.store.repository.git(&["log", "-1", "--first-parent", "--format=%H", "main", "--", file])
    }

    /// Reports a check on a commit, at a time of the day; as a check run where the forge tells the two apart.
    fn report(&self, sha: &str, name: &str, word: &str, at: &'static str) {
        let (sha, name, word) = (sha.to_owned(), name.to_owned(), word.to_owned());
        let is_run = self.kind.words.contains(&word.as_str());
        self.store.kept().checks.push(CheckRow { sha, name, word, text: String::new(), at, is_run });
    }

    fn passed(&self, sha: &str, name: &str) {
        self.report(sha, name, self.kind.words[0], "2026-11-20T08:05:00Z");
    }

    fn failed(&self, sha: &str, name: &str) {
        self.report(sha, name, self.kind.words[2], "2026-11-20T08:05:00Z");
    }

    /// Pushes a person's commit.
    fn push(&self, file: &str, text: &str) -> String {
        self.store.repository.land("main", &[(file, text)], "By hand", 2)
    }

    fn message(&self, commit: &str) -> String {
        self.store.repository.git(&["log", "-1", "--format=%B", commit])
    }

    fn holds(&self) -> String {
        String::from_utf8(self.store.repository.show("main", ".tagboat/holds.yaml")).unwrap()
    }
}

fn staging(outcome: &Outcome) -> &Proposal {
    let found = outcome.proposals.iter().rev().find(|proposal| proposal.environment.as_str() == "staging");
    found.unwrap_or_else(|| panic!("nothing is proposed for staging: {:?}", outcome.proposals))
}

/// What a gate says of what would move to staging.
fn says(outcome: &Outcome, gate: GateName) -> (&'static str, String) {
    let found = staging(outcome).gates.iter().find(|found| found.name == gate).unwrap();
    match &found.state {
        GateState::Pass => ("pass", String::new()),
        GateState::Wait { reason, .. } => ("wait", reason.clone()),
        GateState::Fail { reason } => ("fail", reason.clone()),
    }
}

const CHECKED: &str = "    publish: commit\n    gates: {checks: [argocd/dev]}\n";

pub(super) async fn a_promotion_waits_for_the_check_of_the_commit_that_brought_it(kind: Kind) {
    let stage = Stage::new(kind, CHECKED);
    let outcome = stage.pass("08:00").await;
    let brought = stage.tip();
    assert_eq!(stage.web(), ["1.5.0", "1.4.0", "1.4.0"]);
    let (state, reason) = says(&outcome, GateName::Checks);
    assert_eq!(state, "wait");
    let expected = format!(
        "argocd/dev has not reported on commit {}, which brought web to dev, or on one after it",
        &brought[..10]
    );
    assert_eq!(reason, expected);

    stage.report(&brought, "argocd/dev", kind.words[1], "2026-11-20T08:01:00Z");
    let (state, reason) = says(&stage.pass("08:10").await, GateName::Checks);
    assert_eq!(state, "wait");
    assert_eq!(reason, format!("argocd/dev: {} on commit {} in dev", kind.words[1], &brought[..10]));

    stage.failed(&brought, "argocd/dev");
    let (state, reason) = says(&stage.pass("08:20").await, GateName::Checks);
    assert_eq!(state, "fail");
    assert_eq!(reason, format!("argocd/dev: {} on commit {} in dev", kind.words[2], &brought[..10]));
    assert_eq!(stage.web()[1], "1.4.0");

    stage.passed(&brought, "argocd/dev");
    stage.pass("08:30").await;
    assert_eq!(stage.web(), ["1.5.0", "1.5.0", "1.4.0"]);
    let tip = stage.tip();
    stage.pass("08:40").await;
    assert_eq!(stage.tip(), tip, "a further pass does nothing");
}

pub(super) async fn a_commit_status_counts_as_a_check_run_does(kind: Kind) {
    let stage = Stage::new(kind, CHECKED);
    stage.pass("08:00").await;
    let sha = stage.tip();
    let row = |word: &str| CheckRow {
        sha: sha.clone(),
        name: "argocd/dev".to_owned(),
        word: word.to_owned(),
        text: String::new(),
        at: "2026-11-20T08:01:00Z",
        is_run: false,
    };
    stage.store.kept().checks.push(row(kind.statuses[1]));
    assert_eq!(says(&stage.pass("08:10").await, GateName::Checks).0, "wait");
    stage.store.kept().checks.push(row(kind.statuses[0]));
    stage.pass("08:20").await;
    assert_eq!(stage.web()[1], "1.5.0");
}

pub(super) async fn the_newest_report_on_a_later_commit_that_still_holds_it_counts(kind: Kind) {
    let stage = Stage::new(kind, CHECKED);
    stage.pass("08:00").await;
    let brought = stage.tip();
    stage.push("readme", "one");
    let later = stage.push("readme", "two");
    stage.passed(&brought, "argocd/dev");
    stage.failed(&later, "argocd/dev");
    let (state, reason) = says(&stage.pass("08:10").await, GateName::Checks);
    assert_eq!((state, reason.contains(&later[..10])), ("fail", true), "{reason}");

    let latest = stage.push("readme", "three");
    stage.passed(&latest, "argocd/dev");
    stage.pass("08:20").await;
    assert_eq!(stage.web()[1], "1.5.0");
}

/// GitHub takes no status whose text has a character of four bytes: what the gate said before would stand.
pub(super) async fn a_check_whose_name_has_an_emoji_is_told_of_as_any_other(kind: Kind) {
    let stage = Stage::new(kind, "    publish: pullRequest\n    gates: {checks: [\"🧪 e2e\"]}\n");
    stage.pass("08:00").await;
    let brought = stage.tip();
    stage.passed(&brought, "🧪 e2e");
    stage.pass("08:10").await;
    let said = || {
        let kept = stage.store.kept();
        let last = kept.checks.iter().rev().find(|row| row.name == "tagboat/checks").unwrap();
        (last.word.clone(), last.text.clone())
    };
    assert_eq!(said(), (kind.statuses[0].to_owned(), "passed".to_owned()));
    stage.failed(&brought, "🧪 e2e");
    for time in ["08:20", "08:30"] {
        stage.pass(time).await;
        let (word, text) = said();
        assert_ne!(word, kind.statuses[0], "{text}");
        assert!(text.starts_with(&format!("□ e2e: {} on commit", kind.words[2])), "{text}");
    }
    let told = stage.store.kept().checks.iter().filter(|row| row.name == "tagboat/checks").count();
    assert_eq!(told, 3, "it waits, passes and fails, and each is said once");
    assert!(stage.store.pull(1).body.contains("🧪 e2e"), "{}", stage.store.pull(1).body);
}

pub(super) async fn what_was_said_of_another_version_does_not_count(kind: Kind) {
    let stage = Stage::new(kind, CHECKED);
    stage.pass("08:00").await;
    stage.list(WEB, &["1.4.0", "1.5.0", "1.6.0"]);
    let first = stage.tip();
    stage.pass("08:01").await;
    assert_eq!(stage.web()[0], "1.6.0");
    stage.passed(&first, "argocd/dev");
    assert_eq!(says(&stage.pass("08:10").await, GateName::Checks).0, "wait");
    assert_eq!(stage.web()[1], "1.4.0");
}

pub(super) async fn what_was_said_before_a_file_was_raised_by_a_move_does_not_count(kind: Kind) {
    let stage = Stage::new(kind, CHECKED);
    let first = stage.push("dev/other.yaml", &manifest(WEB, "1.5.0"));
    stage.passed(&first, "argocd/dev");
    let config = String::from_utf8(stage.store.repository.show("main", ".tagboat.yaml")).unwrap();
    let config = config.replace("[dev/**]", "[dev/api.yaml, dev/other.yaml, moved/dev/**]");
    let raised = manifest(WEB, "1.5.0");
    let files = [(".tagboat.yaml", config.as_str()), ("dev/web.yaml", ""), ("moved/dev/web.yaml", raised.as_str())];
    let moved = stage.store.repository.land("main", &files, "Move it", 3);
    let (state, reason) = says(&stage.pass("08:10").await, GateName::Checks);
    assert_eq!((state, reason.contains(&moved[..10])), ("wait", true), "{reason}");
    assert_eq!(stage.runs("staging", "web"), "1.4.0");
    stage.passed(&moved, "argocd/dev");
    stage.pass("08:20").await;
    assert_eq!(stage.runs("staging", "web"), "1.5.0");
}

pub(super) async fn a_star_takes_all_that_begin_so_and_wants_one_at_least(kind: Kind) {
    let stage = Stage::new(kind, "    publish: commit\n    gates: {checks: [kustomization/*]}\n");
    stage.pass("08:00").await;
    let sha = stage.tip();
    stage.passed(&sha, "other");
    assert_eq!(says(&stage.pass("08:10").await, GateName::Checks).0, "wait");
    stage.passed(&sha, "kustomization/web/0a1b2c3d");
    stage.failed(&sha, "kustomization/api/0a1b2c3d");
    let (state, reason) = says(&stage.pass("08:20").await, GateName::Checks);
    assert_eq!((state, reason.contains("kustomization/api/0a1b2c3d")), ("fail", true), "{reason}");
    stage.passed(&sha, "kustomization/api/0a1b2c3d");
    stage.pass("08:30").await;
    assert_eq!(stage.web()[1], "1.5.0");
}

pub(super) async fn a_forge_that_cannot_be_asked_lets_nothing_pass(kind: Kind) {
    let stage = Stage::new(kind, CHECKED);
    stage.pass("08:00").await;
    let sha = stage.tip();
    stage.passed(&sha, "argocd/dev");
    for _ in 0..8 {
        stage.store.trap("GET", "/commits/", Fault::Before(503));
    }
    let (state, reason) = says(&stage.pass("08:10").await, GateName::Checks);
    assert_eq!((state, reason.contains("could not be asked for")), ("wait", true), "{reason}");
    assert_eq!(stage.web()[1], "1.4.0");
    stage.store.kept().traps.clear();
    stage.pass("08:20").await;
    assert_eq!(stage.web()[1], "1.5.0");
}

pub(super) async fn checks_are_asked_for_only_where_a_promotion_waits_and_once_for_all_images(kind: Kind) {
    let stage = Stage::new(kind, CHECKED);
    stage.list(WEB, &["1.4.0"]);
    stage.pass("08:00").await;
    let asked = |sha: &str| -> Vec<String> {
        let all = stage.store.requests();
        all.into_iter().filter(|line| line.contains("/commits/") && line.contains(sha)).collect()
    };
    assert_eq!(asked(""), [""; 0], "nothing waits");
    stage.list(WEB, &["1.4.0", "1.5.0"]);
    stage.list(API, &["1.4.0", "1.5.0"]);
    stage.pass("08:01").await;
    let sha = stage.tip();
    asked("");
    let outcome = stage.pass("08:10").await;
    assert_eq!(outcome.proposals.iter().filter(|one| one.environment.as_str() == "staging").count(), 2);
    let all = asked("");
    let mut distinct = all.clone();
    distinct.sort();
    distinct.dedup();
    assert!(!all.is_empty() && all.iter().all(|line| line.contains(&sha)), "{all:?}");
    assert_eq!(all.len(), distinct.len(), "{all:?}");
}

const APPROVED: &str = "    publish: autoMerge\n    gates: {approvals: 1}\n";

pub(super) async fn approvals_of_the_head_commit_are_waited_for(kind: Kind) {
    let stage = Stage::new(kind, APPROVED);
    let outcome = stage.pass("08:00").await;
    assert_eq!(says(&outcome, GateName::Approvals), ("wait", "0 of 1 approvals of its head commit".to_owned()));
    let head = stage.store.at(HEAD).unwrap();
    stage.passed(&head, "build");
    stage.pass("08:10").await;
    assert_eq!(stage.store.pull(1).state, Stands::Open);
    assert!(stage.store.pull(1).body.contains("- [ ] `approvals`: 0 of 1"), "{}", stage.store.pull(1).body);
    let judge = |who: &str, commit: &str| {
        let review = (who.to_owned(), kind.reviews[0].to_owned(), commit.to_owned());
        stage.store.change(1, |pull| pull.reviews.push(review));
    };
    judge("grace", "0123456789");
    stage.pass("08:20").await;
    assert_eq!(stage.web()[1], "1.4.0", "an approval of an earlier head is none");
    judge("grace", &head);
    let outcome = stage.pass("08:30").await;
    assert!(outcome.proposals.iter().any(|proposal| proposal.action == Action::Merged), "{:?}", outcome.proposals);
    assert_eq!(stage.web()[1], "1.5.0");
}

pub(super) async fn an_approval_does_not_outlast_the_head_that_it_was_given_to(kind: Kind) {
    let stage = Stage::new(kind, APPROVED);
    stage.pass("08:00").await;
    let first = stage.store.at(HEAD).unwrap();
    stage.store.change(1, |pull| pull.reviews.push(("ada".to_owned(), kind.reviews[0].to_owned(), first.clone())));
    stage.list(WEB, &["1.4.0", "1.5.0", "1.6.0"]);
    let outcome = stage.pass("08:10").await;
    let second = stage.store.at(HEAD).unwrap();
    assert_ne!(first, second);
    assert_eq!(says(&outcome, GateName::Approvals), ("wait", "0 of 1 approvals of its head commit".to_owned()));
    let rows = stage.store.kept().checks.clone();
    let own: Vec<&str> = rows.iter().filter(|row| row.sha == second).map(|row| row.word.as_str()).collect();
    assert_eq!(own, [kind.statuses[1]], "the status of the new head says that it waits");
    stage.passed(&second, "build");
    stage.pass("08:20").await;
    assert_eq!(stage.web()[1], "1.4.0");
}

pub(super) async fn an_approval_that_is_taken_back_while_a_pass_looks_counts_no_more(kind: Kind) {
    let stage = Stage::new(kind, APPROVED);
    stage.pass("08:00").await;
    let head = stage.store.at(HEAD).unwrap();
    stage.store.change(1, |pull| pull.reviews.push(("ada".to_owned(), kind.reviews[0].to_owned(), head.clone())));
    stage.passed(&head, "build");
    // Its checks are asked for when the gates have passed already.
    stage.store.trap("GET", "/status", Fault::Meanwhile(Deed::Disapproves));
    let outcome = stage.pass("08:10").await;
    assert_eq!(says(&outcome, GateName::Approvals).0, "pass", "it was given when the gates were judged");
    assert_eq!(stage.store.pull(1).reviews, [], "and is taken back by now");
    assert_eq!((stage.store.pull(1).state, stage.web()[1].as_str()), (Stands::Open, "1.4.0"));
    let reason = outcome.proposals.iter().find_map(|proposal| proposal.reason.clone());
    assert_eq!(reason.as_deref(), Some("0 of 1 approvals of its head commit"));
}

pub(super) async fn with_pull_request_approvals_are_shown_and_a_person_merges(kind: Kind) {
    let stage = Stage::new(kind, "    publish: pullRequest\n    gates: {approvals: 1, manual: true}\n");
    stage.pass("08:00").await;
    let head = stage.store.at(HEAD).unwrap();
    stage.store.change(1, |pull| pull.reviews.push(("ada".to_owned(), kind.reviews[0].to_owned(), head.clone())));
    stage.pass("08:10").await;
    let body = stage.store.pull(1).body;
    assert!(body.contains("- [x] `approvals`") && body.contains("- [ ] `manual`: a person merges it"), "{body}");
    assert_eq!((stage.store.pull(1).state, stage.web()[1].as_str()), (Stands::Open, "1.4.0"));
    stage.store.merge(1).unwrap();
    stage.pass("08:20").await;
    assert_eq!(stage.web()[1], "1.5.0");
}

pub(super) async fn what_waits_for_a_person_is_never_merged_by_tagboat(kind: Kind) {
    let stage = Stage::new(kind, "    publish: autoMerge\n    gates: {manual: true}\n");
    let outcome = stage.pass("08:00").await;
    assert_eq!(says(&outcome, GateName::Manual), ("wait", "a person merges it".to_owned()));
    stage.passed(&stage.store.at(HEAD).unwrap(), "build");
    for time in ["08:10", "08:20"] {
        stage.pass(time).await;
        assert_eq!(stage.web()[1], "1.4.0");
    }
}

const UNTIL_TEN: &str = "    gates: {windows: [{hours: \"08:00-10:00\"}]}\n";
const CLOSED: &str = "the gate `windows` closed at 2026-11-20T10:00:00Z, while the pass ran: the next pass looks again";

pub(super) async fn what_a_window_closes_for_while_a_pass_runs_is_not_merged(kind: Kind) {
    let stage = Stage::new(kind, &format!("    publish: autoMerge\n{UNTIL_TEN}"));
    stage.pass("08:00").await;
    stage.passed(&stage.store.at(HEAD).unwrap(), "build");
    let outcome = stage.pass_until("09:59", "10:00").await;
    assert_eq!(staging(&outcome).reason.as_deref(), Some(CLOSED));
    assert_eq!((stage.store.pull(1).state, stage.web()[1].as_str()), (Stands::Open, "1.4.0"));
    stage.pass_until("09:58", "09:59").await;
    assert_eq!(stage.web()[1], "1.5.0", "nothing else kept it");
}

pub(super) async fn what_a_freeze_begins_for_while_a_pass_runs_is_not_merged(kind: Kind) {
    let freezes = "{freezes: [{from: 2026-11-20T10:00:00Z, to: 2026-11-20T12:00:00Z}]}";
    let stage = Stage::new(kind, &format!("    publish: autoMerge\n    gates: {freezes}\n"));
    stage.pass("08:00").await;
    stage.passed(&stage.store.at(HEAD).unwrap(), "build");
    let outcome = stage.pass_until("09:59", "10:01").await;
    assert_eq!(staging(&outcome).reason, Some(CLOSED.replace("windows", "freezes")));
    assert_eq!((stage.store.pull(1).state, stage.web()[1].as_str()), (Stands::Open, "1.4.0"));
    stage.pass("12:00").await;
    assert_eq!(stage.web()[1], "1.5.0");
}

pub(super) async fn what_was_ordered_is_not_merged_that_a_window_has_closed_for_since(kind: Kind) {
    let stage = Stage::new(kind, &format!("    publish: autoMerge\n{UNTIL_TEN}"));
    stage.pass("06:00").await;
    stage.promote("08:30", &[]).await.unwrap();
    stage.passed(&stage.store.at(HEAD).unwrap(), "build");
    let outcome = stage.pass_until("09:59", "10:00").await;
    assert_eq!(staging(&outcome).reason.as_deref(), Some(CLOSED));
    assert_eq!(stage.web()[1], "1.4.0");
    let outcome = stage.pass("09:59").await;
    assert_eq!(stage.web()[1], "1.5.0", "{:?}", outcome.proposals);
}

pub(super) async fn what_a_window_closes_for_while_a_pass_runs_is_not_committed(kind: Kind) {
    for signed in ["", "commit: {sign: forge}\n"] {
        let staging_config = format!("    publish: commit\n{UNTIL_TEN}");
        let stage = Stage::with(kind, &staging_config, &format!("    gates: {{soak: 30d}}\n{signed}"));
        let outcome = stage.pass_until("09:59", "10:00").await;
        let told = staging(&outcome);
        assert_eq!((told.action, told.reason.as_deref()), (Action::Waiting, Some(CLOSED)), "{signed}");
        assert!(outcome.changes.iter().all(|change| change.environment.as_str() == "dev"), "{:?}", outcome.changes);
        assert_eq!(stage.web()[..2], ["1.5.0", "1.4.0"], "no gate closes for the environment before");
        stage.pass("09:59").await;
        assert_eq!(stage.web()[1], "1.5.0", "{signed}");
    }
}

pub(super) async fn another_value_of_the_same_answer_writes_nothing(kind: Kind) {
    let query = "query: {source: prom, expr: 'sum(errors)', expect: \"< 0.01\"}";
    let stage = Stage::new(kind, &format!("    publish: autoMerge\n    gates: {{{query}}}\n"));
    let prometheus = Prometheus::start(Mood::number("0.2")).await;
    let sources = prometheus.source("prom", tagboat::source::Kind::Prometheus);
    let pass = |time: &'static str, mood: Mood| {
        prometheus.set(mood);
        let passing = Passing {
            remote: stage.remote("mirror"),
            tags: &stage.tags,
            now: time,
            publishing: Publishing::Forge((kind.client)(&stage.address)),
        };
        let (sources, store) = (&sources, &stage.store);
        async move {
            let outcome = passing.pass_asking(sources, Mode::Act).await;
            assert_eq!(outcome.errors, []);
            let written: Vec<String> = store.requests().into_iter().filter(|line| is_write(line)).collect();
            (says(&outcome, GateName::Query), written)
        }
    };
    pass("2026-11-20T08:00:00Z", Mood::number("0.2")).await;
    let said = "- [ ] `query`: failed: what \\`prom\\` answers is not &lt; 0.01";
    assert!(stage.store.pull(1).body.contains(said), "{}", stage.store.pull(1).body);
    let set = |stage: &Stage| {
        let kept = stage.store.kept();
        let last = kept.checks.iter().rfind(|row| row.name == "tagboat/query").unwrap();
        (last.word.clone(), last.text.clone())
    };
    assert_eq!(set(&stage).1, "what `prom` answers is not < 0.01");
    for (mood, told) in [
        (Mood::number("0.3"), "0.3 is not < 0.01"),
        (Mood::vector(&[("a", "0.4"), ("b", "0")]), "0.4 of {pod=a} is not < 0.01 (1 of 2 samples)"),
    ] {
        let (says, written) = pass("2026-11-20T08:10:00Z", mood).await;
        assert_eq!((says, written), (("fail", told.to_owned()), Vec::new()));
    }
    let mut troubles = Vec::new();
    for text in ["it burns", "it burns since 08:31"] {
        let text = format!(r#"{{"status":"error","errorType":"internal","error":"{text}"}}"#);
        let (says, written) = pass("2026-11-20T08:20:00Z", Mood::Body(422, text)).await;
        troubles.push((says, written.is_empty()));
    }
    let cannot = |what: &str| {
        let reason = format!("the source `prom` cannot be asked: it refuses the query: internal: {what}");
        ("wait", reason)
    };
    assert_eq!(troubles, [(cannot("it burns"), false), (cannot("it burns since 08:31"), true)]);
    assert_eq!(set(&stage), (kind.statuses[1].to_owned(), "the source `prom` cannot be asked".to_owned()));
    pass("2026-11-20T08:30:00Z", Mood::number("0")).await;
    assert_eq!(set(&stage), (kind.statuses[0].to_owned(), "passed".to_owned()));
}

pub(super) async fn time_that_passes_writes_nothing(kind: Kind) {
    let stage = Stage::new(kind, "    publish: autoMerge\n    gates: {soak: 2h}\n");
    stage.pass("08:00").await;
    let (_, reason) = says(&stage.pass("08:10").await, GateName::Soak);
    stage.store.requests();
    for time in ["08:20", "08:59", "09:30"] {
        let (state, now) = says(&stage.pass(time).await, GateName::Soak);
        assert_eq!((state, now != reason), ("wait", true), "the report tells what is left: {now}");
        let written: Vec<String> = stage.store.requests().into_iter().filter(|line| is_write(line)).collect();
        assert_eq!(written, [""; 0], "{time}");
    }
    let body = stage.store.pull(1).body;
    let since =
        "- [ ] `soak`: less than 2 h in dev, where it came at 2026-11-20T08:00:00Z (not before 2026-11-20T10:00:00Z)";
    assert!(body.contains(since), "{body}");
    stage.passed(&stage.store.at(HEAD).unwrap(), "build");
    stage.pass("10:00").await;
    assert_eq!(stage.web()[1], "1.5.0");
}

fn is_write(line: &str) -> bool {
    !line.starts_with("GET ") && !line.contains("graphql")
}

/// Staging takes what dev runs at once, and watches it for half an hour.
const WATCHED: &str = "    publish: commit\n    onFailure: {checks: [argocd/staging], within: 30m}\n";

pub(super) async fn what_fails_goes_back_by_itself_once_and_is_held(kind: Kind) {
    let stage = Stage::new(kind, WATCHED);
    let outcome = stage.pass("08:00").await;
    assert_eq!(stage.web(), ["1.5.0", "1.5.0", "1.4.0"]);
    let brought = stage.brought("staging/web.yaml");
    let watch = &outcome.watches[0];
    assert_eq!((watch.state.clone(), watch.commit.as_str()), (WatchState::Watching, brought.as_str()));
    assert_eq!(watch.told(), "watching argocd/staging until 2026-11-20T08:30:00Z");

    stage.report(&brought, "argocd/staging", kind.words[1], "2026-11-20T08:01:00Z");
    stage.pass("08:03").await;
    assert_eq!(stage.web()[1], "1.5.0");
    stage.failed(&brought, "argocd/staging");
    let outcome = stage.pass("08:10").await;
    assert_eq!(stage.web(), ["1.5.0", "1.4.0", "1.4.0"]);
    let said = format!("argocd/staging: {} on commit {}", kind.words[2], &brought[..10]);
    let back = outcome.proposals.iter().find(|one| one.action == Action::Committed).unwrap();
    assert_eq!(back.reason.as_deref(), Some(format!("goes back: {said}").as_str()));
    let message = stage.message("main");
    for line in [
        "staging: roll web back to 1.4.0".to_owned(),
        format!("Reason: {said}"),
        "Tagboat-Environment: staging".to_owned(),
        format!("Tagboat-Image: {WEB} 1.5.0 -> 1.4.0"),
        "Tagboat-Order: rollback".to_owned(),
        format!("Tagboat-Hold: {WEB}:1.5.0 in staging"),
        format!("Tagboat-Failed: {said}"),
    ] {
        assert!(message.lines().any(|other| other == line), "{line}: {message}");
    }
    let changed = stage.store.repository.git(&["show", "--format=", "--name-only", "main"]);
    assert_eq!(changed, ".tagboat/holds.yaml\nstaging/web.yaml", "one commit");
    assert!(stage.holds().contains("1.5.0") && stage.holds().contains(&said), "{}", stage.holds());

    let tip = stage.tip();
    stage.failed(&tip, "argocd/staging");
    for time in ["08:11", "08:40"] {
        assert_eq!(stage.pass(time).await.watches, [], "what went back is not watched itself");
        assert_eq!(stage.tip(), tip, "a further pass does nothing");
    }
    stage.list(WEB, &["1.4.0", "1.5.0", "1.6.0"]);
    stage.pass("09:00").await;
    assert_eq!(stage.web(), ["1.6.0", "1.6.0", "1.4.0"], "something newer comes as ever");
}

/// Staging ran 1.4.0, 1.5.0 and 1.6.0, which has failed there.
async fn failed_after_two(kind: Kind) -> Stage {
    let stage = Stage::new(kind, WATCHED);
    stage.pass("08:00").await;
    stage.list(WEB, &["1.4.0", "1.5.0", "1.6.0"]);
    stage.pass("08:05").await;
    assert_eq!(stage.web()[1], "1.6.0");
    stage.report(&stage.brought("staging/web.yaml"), "argocd/staging", kind.words[2], "2026-11-20T08:06:00Z");
    stage
}

pub(super) async fn what_the_registry_has_no_more_is_passed_over_on_the_way_back(kind: Kind) {
    let stage = failed_after_two(kind).await;
    stage.tags.delete(WEB, "1.5.0");
    stage.list(WEB, &["1.4.0", "1.6.0"]);
    let outcome = stage.pass("08:10").await;
    assert_eq!(stage.web()[1], "1.4.0");
    let told = "1.5.0 is passed over (the registry has it no more)";
    assert!(outcome.skipped.iter().any(|row| row.reason == told), "{:?}", outcome.skipped);
    assert!(stage.message("main").contains(told), "{}", stage.message("main"));
    assert!(stage.holds().contains("1.6.0") && !stage.holds().contains("1.5.0"), "{}", stage.holds());

    // Where nothing is left, what failed stays, and it is told why.
    let stage = failed_after_two(kind).await;
    ["1.4.0", "1.5.0"].into_iter().for_each(|tag| stage.tags.delete(WEB, tag));
    stage.list(WEB, &["1.6.0"]);
    let outcome = stage.try_pass("08:10").await;
    assert_eq!(stage.web()[1], "1.6.0");
    let told = "nothing is taken back: everything that stood before 1.6.0 is kept back: 1.4.0 (the registry has it no more), \
                1.5.0 (the registry has it no more)";
    assert!(outcome.errors.iter().any(|row| row.reason.ends_with(told)), "{:?}", outcome.errors);
}

pub(super) async fn what_nobody_looked_at_is_no_way_back_where_all_after_it_failed(kind: Kind) {
    for (last, stays) in [(10, false), (11, true)] {
        let stage = Stage::new(kind, WATCHED);
        let mut listed: Vec<String> = vec!["1.4.0".to_owned()];
        let mut brought = Vec::new();
        for number in 5..=last {
            listed.push(format!("1.{number}.0"));
            stage.list(WEB, &listed.iter().map(String::as_str).collect::<Vec<_>>());
            stage.pass(&format!("08:{number:02}")).await;
            assert_eq!(stage.web()[1], format!("1.{number}.0"));
            brought.push(stage.brought("staging/web.yaml"));
        }
        for commit in brought {
            stage.report(&commit, "argocd/staging", kind.words[2], "2026-11-20T08:20:00Z");
        }
        let outcome = stage.try_pass("08:21").await;
        if !stays {
            assert_eq!(stage.web()[1], "1.4.0", "what a person brought is as good as ever: {:?}", outcome.errors);
            continue;
        }
        assert_eq!(stage.web()[1], "1.11.0");
        let told = "nothing is taken back: 5 versions right before it failed as well, and nobody looked whether 1.5.0, which stood \
                    there before those, did: `tagboat rollback staging ghcr.io/acme/web --to 1.5.0` goes back to it";
        assert!(outcome.errors.iter().any(|row| row.reason.ends_with(told)), "{:?}", outcome.errors);
    }
}

pub(super) async fn a_registry_that_is_down_keeps_nothing_from_going_back(kind: Kind) {
    let stage = failed_after_two(kind).await;
    stage.tags.break_image(WEB, "it is down");
    let outcome = stage.try_pass("08:10").await;
    assert_eq!(stage.web()[1], "1.5.0");
    let told = "whether the registry still has 1.5.0 could not be asked: it is down";
    assert!(outcome.skipped.iter().any(|row| row.reason == told), "{:?}", outcome.skipped);
    assert!(!stage.message("main").contains("could not be asked"), "{}", stage.message("main"));
    // What is missing in a list and is there all the same is no reason to go further back.
    let stage = failed_after_two(kind).await;
    stage.list(WEB, &["1.4.0", "1.6.0"]);
    stage.pass("08:10").await;
    assert_eq!(stage.web()[1], "1.5.0");
}

pub(super) async fn history_tells_a_return_as_a_rollback_with_what_failed(kind: Kind) {
    let stage = Stage::new(kind, WATCHED);
    stage.pass("08:00").await;
    stage.failed(&stage.brought("staging/web.yaml"), "argocd/staging");
    stage.pass("08:10").await;
    let viewed = tagboat::pass::view::branch(stage.remote("mirror"), BranchName::from("main")).unwrap();
    let config = viewed.config().unwrap();
    let ledger = Ledger {
        others: &tagboat::pass::elsewhere::Others::new(),
        config: &config,
        files: &*viewed.files,
        past: viewed.past.as_deref().unwrap(),
        branches: &tagboat::pass::view::Branches::new(),
        cache: &tagboat::pass::setup::no_cache(),
        limits: &Limits::default(),
    };
    let told = history(&ledger, &Asked { environment: Some("staging".into()), ..Asked::default() }).unwrap();
    let rows: Vec<(&str, Option<&str>)> =
        told.entries.iter().map(|entry| (entry.kind.as_str(), entry.reason.as_deref())).collect();
    assert_eq!((rows[0].0, rows[1].0, rows[2].0), ("rollback", "hold", "promotion"), "{rows:?}");
    assert!(rows[0].1.is_some_and(|reason| reason.starts_with("argocd/staging: ")), "{rows:?}");
}

pub(super) async fn only_what_failed_in_time_goes_back_though_nobody_looked_at_once(kind: Kind) {
    let stage = Stage::new(kind, WATCHED);
    stage.pass("08:00").await;
    let brought = stage.brought("staging/web.yaml");
    stage.report(&brought, "argocd/staging", kind.words[2], "2026-11-20T08:31:00Z");
    assert_eq!(stage.pass("08:35").await.watches, [], "the watch is over");
    assert_eq!(stage.web()[1], "1.5.0");
    stage.store.kept().checks.clear();
    stage.report(&brought, "argocd/staging", kind.words[2], "2026-11-20T08:29:00Z");
    stage.pass("08:50").await;
    assert_eq!(stage.web()[1], "1.4.0", "a pass that should have seen it was killed");

    let stage = Stage::new(kind, WATCHED);
    stage.pass("08:00").await;
    stage.failed(&stage.brought("staging/web.yaml"), "argocd/staging");
    stage.pass("09:00").await;
    assert_eq!(stage.web()[1], "1.5.0", "nothing is taken back after twice the time");

    // What cannot be asked once its time is over is no success either.
    let stage = Stage::with(kind, WATCHED, "    gates: {soak: 31m}\n");
    stage.pass("08:00").await;
    stage.failed(&stage.brought("staging/web.yaml"), "argocd/staging");
    (0..8).for_each(|_| stage.store.trap("GET", "/commits/", Fault::Before(503)));
    let outcome = stage.try_pass("08:40").await;
    assert!(
        outcome.errors.iter().any(|row| row.reason.starts_with("whether 1.5.0 failed is not known")),
        "{outcome:?}"
    );
    assert_eq!(stage.web(), ["1.5.0", "1.5.0", "1.4.0"]);
    stage.store.kept().traps.clear();
    stage.pass("08:50").await;
    assert_eq!(stage.web(), ["1.5.0", "1.4.0", "1.4.0"]);
}

pub(super) async fn what_failed_in_time_while_nobody_looked_goes_nowhere_and_says_so(kind: Kind) {
    let stage = Stage::with(kind, WATCHED, "    gates: {soak: 45m}\n");
    stage.pass("08:00").await;
    let brought = stage.brought("staging/web.yaml");
    stage.failed(&brought, "argocd/staging");
    let outcome = stage.pass("09:10").await;
    assert_eq!(stage.web(), ["1.5.0", "1.5.0", "1.4.0"], "it is too late to go back, and it goes no further");
    let prod = outcome.proposals.iter().find(|one| one.environment.as_str() == "prod").unwrap();
    let reason = prod.reason.clone().unwrap_or_default();
    let failed = format!("in staging, it failed: argocd/staging: {} on commit {}", kind.words[2], &brought[..10]);
    assert_eq!(prod.action, Action::Held, "{reason}");
    for told in [
        failed.as_str(),
        "the time to go back by itself, until 2026-11-20T08:30:00Z and as long again, is over",
        "`tagboat rollback staging ghcr.io/acme/web`",
        "`tagboat promote ghcr.io/acme/web:1.5.0 --to prod`",
    ] {
        assert!(reason.contains(told), "{reason}");
    }
    assert!(outcome.watches.iter().any(|watch| watch.has_failed() && watch.is_late), "{:?}", outcome.watches);
    // What cannot be asked is no success, and is told.
    (0..8).for_each(|_| stage.store.trap("GET", "/commits/", Fault::Before(503)));
    let outcome = stage.try_pass("09:20").await;
    assert_eq!(stage.web()[2], "1.4.0");
    let told = |row: &Trouble| row.reason.starts_with("whether 1.5.0 failed is not known");
    assert!(outcome.errors.iter().any(told), "{outcome:?}");
    stage.store.kept().traps.clear();
    stage.report(&brought, "argocd/staging", kind.words[0], "2026-11-20T09:25:00Z");
    stage.pass("09:30").await;
    assert_eq!(stage.web()[2], "1.5.0", "the check has recovered");
}

pub(super) async fn what_failed_unseen_goes_on_once_the_check_has_passed_on_a_later_commit(kind: Kind) {
    let stage = Stage::with(kind, WATCHED, "    gates: {soak: 45m}\n");
    stage.pass("08:00").await;
    stage.failed(&stage.brought("staging/web.yaml"), "argocd/staging");
    stage.pass("09:10").await;
    stage.list(API, &["1.4.0", "1.5.0"]);
    stage.pass("09:15").await;
    assert_eq!((stage.runs("staging", "api").as_str(), stage.web()[2].as_str()), ("1.5.0", "1.4.0"));
    stage.report(&stage.brought("staging/api.yaml"), "argocd/staging", kind.words[0], "2026-11-20T09:20:00Z");
    stage.pass("09:25").await;
    assert_eq!(stage.web()[2], "1.5.0");
}

pub(super) async fn what_failed_in_time_does_not_go_on_where_something_newer_took_its_place(kind: Kind) {
    let introduced = "    gates: {soak: {for: 45m, count: introduced}}\n";
    for (second, third, fourth) in [("08:03", "08:47", "09:30"), ("09:10", "09:20", "10:00")] {
        let stage = Stage::with(kind, WATCHED, introduced);
        stage.pass("08:00").await;
        let brought = stage.brought("staging/web.yaml");
        stage.list(WEB, &["1.4.0", "1.5.0", "1.6.0"]);
        if second > "08:05" {
            stage.failed(&brought, "argocd/staging");
        }
        stage.pass(second).await;
        assert_eq!(stage.web(), ["1.6.0", "1.6.0", "1.4.0"], "{second}");
        if second < "08:05" {
            stage.failed(&brought, "argocd/staging");
        }
        let outcome = stage.pass(third).await;
        assert_eq!(stage.web()[2], "1.4.0", "{third}");
        let prod = outcome.proposals.iter().find(|one| one.environment.as_str() == "prod").unwrap();
        let failed = format!(
            "in staging, it failed: argocd/staging: {} on commit {}, before another one took its place: `tagboat promote ",
            kind.words[2],
            &brought[..10]
        );
        assert!(prod.action == Action::Held && prod.reason.as_ref().unwrap().contains(&failed), "{prod:?}");
        stage.pass(fourth).await;
        assert_eq!(stage.web()[2], "1.6.0", "{fourth}");
    }
}

pub(super) async fn what_would_go_on_keeps_nothing_from_going_back_and_all_of_it_has_its_turn(kind: Kind) {
    let stage = Stage::with(kind, WATCHED, "    gates: {soak: 2h}\n");
    let names = ["a", "b", "c", "d"];
    let image = |name: &str| format!("ghcr.io/acme/{name}");
    for name in names {
        for environment in ["dev", "staging", "prod"] {
            stage.push(&format!("{environment}/{name}.yaml"), &manifest(&image(name), "1.4.0"));
        }
        stage.list(&image(name), &["1.4.0"]);
    }
    stage.list(WEB, &["1.4.0"]);
    let notes = |name: &str| {
        let texts: Vec<String> = (0..21).map(|count| format!("{name} {count}")).collect();
        let files: Vec<[(&str, &str); 1]> = texts.iter().map(|text| [("note", text.as_str())]).collect();
        let commits: Vec<_> = files.iter().map(|files| (1_768_000_000, "A note", &files[..])).collect();
        stage.store.repository.land_all("main", &commits);
    };
    for (name, time) in names.into_iter().zip(["08:00", "08:01", "08:02", "08:03"]) {
        stage.list(&image(name), &["1.4.0", "1.5.0"]);
        stage.pass(time).await;
        notes(name);
    }
    stage.list(WEB, &["1.4.0", "1.5.0"]);
    stage.pass("09:30").await;
    let brought = stage.brought("staging/web.yaml");
    notes("web");
    stage.report(&brought, "argocd/staging", kind.words[2], "2026-11-20T09:31:00Z");
    stage.pass("09:35").await;
    assert_eq!(stage.web()[1], "1.4.0", "what failed has gone back, whatever else is to be asked");
    // A pass asks about three of the four, and each has its turn.
    let came = || names.into_iter().filter(|name| stage.runs("prod", name) == "1.5.0").count();
    stage.pass("10:10").await;
    assert_eq!(came(), 3);
    stage.pass("10:11").await;
    assert_eq!(came(), 4);
}

pub(super) async fn what_failed_in_time_by_one_of_two_ways_leaves_the_other_one_open(kind: Kind) {
    let stage = Stage::with(kind, WATCHED, "    gates: {soak: 45m}\n");
    let config = String::from_utf8(stage.store.repository.show("main", ".tagboat.yaml")).unwrap();
    let beside = "  - name: eu\n    files: [eu/**]\n    after: dev\n    publish: commit\n    gates: {soak: 30d}\n";
    stage
        .push(".tagboat.yaml", &(config.replace("    after: staging\n", "    after: {any: [staging, eu]}\n") + beside));
    stage.push("eu/web.yaml", &manifest(WEB, "1.4.0"));
    stage.list(WEB, &["1.4.0", "1.4.1", "1.5.0"]);
    stage.pass("08:00").await;
    stage.failed(&stage.brought("staging/web.yaml"), "argocd/staging");
    stage.push("eu/web.yaml", &manifest(WEB, "1.4.1"));
    stage.pass("09:10").await;
    assert_eq!((stage.web()[2].as_str(), stage.runs("eu", "web").as_str()), ("1.4.1", "1.4.1"));
}

pub(super) async fn what_failed_a_second_time_goes_nowhere_though_it_stays(kind: Kind) {
    let stage = Stage::with(kind, WATCHED, "    gates: {soak: 45m}\n");
    stage.pass("08:00").await;
    stage.failed(&stage.brought("staging/web.yaml"), "argocd/staging");
    stage.pass("08:10").await;
    assert_eq!(stage.web()[1], "1.4.0");
    stage.push(".tagboat/holds.yaml", "version: 1\nholds: []\n");
    stage.pass("08:20").await;
    let again = stage.brought("staging/web.yaml");
    stage.report(&again, "argocd/staging", kind.words[2], "2026-11-20T08:25:00Z");
    let outcome = stage.try_pass("08:30").await;
    assert!(outcome.errors.iter().any(|row| row.reason.ends_with("a person decides")), "{outcome:?}");
    let outcome = stage.pass("10:00").await;
    assert_eq!(stage.web(), ["1.5.0", "1.5.0", "1.4.0"]);
    let prod = outcome.proposals.iter().find(|one| one.environment.as_str() == "prod").unwrap();
    assert_eq!(prod.action, Action::Held, "{prod:?}");
}

pub(super) async fn what_a_person_squashed_with_its_title_alone_is_not_watched_and_says_so(kind: Kind) {
    let stage = Stage::new(kind, &WATCHED.replace("publish: commit", "publish: pullRequest"));
    stage.pass("08:00").await;
    let squashed = "staging: update web to 1.5.0 (#1)";
    let tip = stage.store.repository.land("main", &[("staging/web.yaml", &manifest(WEB, "1.5.0"))], squashed, 2);
    stage.store.change(1, |pull| (pull.state, pull.merged) = (Stands::Merged, Some(tip)));
    stage.failed(&stage.tip(), "argocd/staging");
    let outcome = stage.pass("08:10").await;
    assert_eq!(stage.web()[1], "1.5.0");
    let told =
        format!("1.5.0 came by #1, whose commit {} has lost Tagboat's trailers: it is not watched", &stage.tip()[..10]);
    assert!(outcome.skipped.iter().any(|row| row.reason == told), "{:?}", outcome.skipped);
}

pub(super) async fn what_a_person_goes_back_from_by_a_pull_request_goes_nowhere_while_that_is_open(kind: Kind) {
    let stage = Stage::with(kind, "    publish: pullRequest\n", "");
    stage.pass("08:00").await;
    stage.store.merge(1).unwrap();
    let back = Order::Rollback { environment: "staging".into(), what: "web".to_owned(), to: None };
    Passing {
        remote: stage.remote("mirror"),
        tags: &stage.tags,
        now: "2026-11-20T08:10:00Z",
        publishing: Publishing::Forge((kind.client)(&stage.address)),
    }
    .order(&back, Said { by: Some("sre"), reason: Some("loses sessions"), ..Said::default() })
    .await
    .unwrap();
    let outcome = stage.pass("08:20").await;
    assert_eq!((stage.web(), stage.store.pull(2).state), (["1.5.0", "1.5.0", "1.4.0"].map(Into::into), Stands::Open));
    let prod = outcome.proposals.iter().find(|one| one.environment.as_str() == "prod").unwrap();
    let reason = prod.reason.clone().unwrap_or_default();
    assert!(prod.action == Action::Held && reason.contains("not merged yet: loses sessions (proposed in "), "{reason}");
    stage.store.change(2, |pull| pull.state = Stands::Closed);
    stage.pass("08:30").await;
    assert_eq!(stage.web()[2], "1.5.0", "it was refused");
}

pub(super) async fn what_was_taken_back_before_is_closed_and_says_by_whom(kind: Kind) {
    let stage = Stage::new(kind, "    publish: pullRequest\n");
    stage.pass("08:00").await;
    stage.store.repository.land("main", &[("dev/web.yaml", &manifest(WEB, "1.4.0"))], "Revert \"dev: 1.5.0\"", 1);
    let outcome = stage.pass("08:10").await;
    let pull = stage.store.pull(1);
    assert_eq!((pull.state, pull.comments.len()), (Stands::Closed, 1), "{outcome:?}");
    let comment = &pull.comments[0];
    let begin = "This is not wanted any more, since `ghcr.io/acme/web:1.5.0` was taken back: in dev, ";
    assert!(comment.starts_with(begin) && comment.contains("took it back to 1.4.0"), "{comment}");
    let told = outcome.proposals.iter().find(|one| one.action == Action::Closed).and_then(|one| one.reason.clone());
    assert!(told.is_some_and(|told| told.contains("is not wanted any more: in dev, ")), "{outcome:?}");
}

pub(super) async fn what_goes_back_holds_what_it_leaves_under_another_prefix_and_base_than_now(kind: Kind) {
    let stage = Stage::with(kind, "    publish: pullRequest\n", "");
    stage.pass("08:00").await;
    stage.store.merge(1).unwrap();
    let back = Order::Rollback { environment: "staging".into(), what: "web".to_owned(), to: None };
    Passing {
        remote: stage.remote("mirror"),
        tags: &stage.tags,
        now: "2026-11-20T08:10:00Z",
        publishing: Publishing::Forge((kind.client)(&stage.address)),
    }
    .order(&back, Said { by: Some("sre"), reason: Some("loses sessions"), ..Said::default() })
    .await
    .unwrap();
    let config = String::from_utf8(stage.store.repository.show("main", ".tagboat.yaml")).unwrap();
    let config = format!("{config}pullRequest: {{branchPrefix: bots/}}\n");
    stage.store.repository.land("main", &[(".tagboat.yaml", &config)], "Call them bots", 2);
    for hour in ["08:20", "08:30"] {
        let outcome = stage.pass(hour).await;
        let states = (stage.web(), stage.store.pull(2).state);
        assert_eq!(states, (["1.5.0", "1.5.0", "1.4.0"].map(Into::into), Stands::Open), "{hour}");
        let prod = outcome.proposals.iter().find(|one| one.environment.as_str() == "prod").unwrap();
        let reason = prod.reason.clone().unwrap_or_default();
        let held = "not merged yet: loses sessions (proposed in ";
        assert!(prod.action == Action::Held && reason.contains(held), "{hour}: {reason}");
        // A person points it somewhere else.
        stage.store.repository.git(&["branch", "--force", "hotfix", "main"]);
        stage.store.change(2, |pull| pull.base = "hotfix".to_owned());
    }
}

pub(super) async fn what_fails_does_not_go_back_to_what_was_taken_back_in_an_environment_before(kind: Kind) {
    let stage = Stage::new(kind, WATCHED);
    stage.pass("08:00").await;
    stage.push("dev/web.yaml", &manifest(WEB, "1.4.0"));
    stage.list(WEB, &["1.4.0", "1.5.0", "1.6.0"]);
    stage.pass("08:40").await;
    assert_eq!(stage.web(), ["1.6.0", "1.6.0", "1.4.0"]);
    stage.report(&stage.brought("staging/web.yaml"), "argocd/staging", kind.words[2], "2026-11-20T08:41:00Z");
    let outcome = stage.pass("08:50").await;
    assert_eq!(stage.web()[1], "1.4.0", "a person took 1.5.0 back in dev");
    let told = "1.5.0 is passed over (in dev, ";
    let row = |row: &Skipped| row.what == format!("staging {WEB}") && row.reason.starts_with(told);
    assert!(outcome.skipped.iter().any(row), "{:?}", outcome.skipped);
    assert!(stage.message("main").contains(&format!("Note: {WEB}: {told}")), "{}", stage.message("main"));
    assert!(stage.holds().contains("1.6.0") && !stage.holds().contains("1.5.0"), "{}", stage.holds());
    stage.pass("08:55").await;
    assert_eq!(stage.web(), ["1.6.0", "1.4.0", "1.4.0"], "nothing older comes, either");
}

pub(super) async fn a_failure_is_laid_to_what_came_last_before_it(kind: Kind) {
    let stage = Stage::new(kind, WATCHED);
    stage.pass("08:00").await;
    stage.passed(&stage.brought("staging/web.yaml"), "argocd/staging");
    stage.list(API, &["1.4.0", "1.5.0"]);
    stage.pass("08:05").await;
    assert_eq!((stage.runs("staging", "api"), stage.web()[1].clone()), ("1.5.0".to_owned(), "1.5.0".to_owned()));
    stage.report(&stage.brought("staging/api.yaml"), "argocd/staging", kind.words[2], "2026-11-20T08:06:00Z");
    stage.pass("08:10").await;
    assert_eq!((stage.runs("staging", "api"), stage.web()[1].clone()), ("1.4.0".to_owned(), "1.5.0".to_owned()));
}

pub(super) async fn what_fails_after_a_person_lowered_one_of_its_places_is_not_laid_to_the_others(kind: Kind) {
    let stage = Stage::new(kind, WATCHED);
    stage.push("staging/more.yaml", &manifest(WEB, "1.4.0"));
    stage.pass("08:00").await;
    stage.passed(&stage.brought("staging/web.yaml"), "argocd/staging");
    assert_eq!((stage.runs("staging", "web"), stage.runs("staging", "more")), ("1.5.0".into(), "1.5.0".into()));
    let lowered = stage.push("staging/more.yaml", &manifest(WEB, "1.4.0"));
    stage.failed(&lowered, "argocd/staging");
    stage.pass("08:10").await;
    assert_eq!((stage.runs("staging", "web"), stage.runs("staging", "more")), ("1.5.0".into(), "1.4.0".into()));
    // What was said before that still counts.
    stage.report(&stage.brought("staging/web.yaml"), "argocd/staging", kind.words[2], "2026-11-20T08:06:00Z");
    stage.pass("08:12").await;
    assert_eq!(stage.runs("staging", "web"), "1.4.0");
}

pub(super) async fn what_fails_at_two_places_goes_back_to_what_stood_at_each(kind: Kind) {
    let stage = Stage::new(kind, WATCHED);
    let marked = |tag: &str| manifest(WEB, tag).replace(tag, &format!("{tag} # tagboat: semver=1.5.x"));
    stage.push("dev/more.yaml", &marked("1.4.0"));
    stage.push("staging/more.yaml", &marked("1.4.0"));
    stage.list(WEB, &["1.4.0", "1.5.0", "1.8.0"]);
    stage.pass("08:00").await;
    let more = || String::from_utf8(stage.store.repository.show("main", "staging/more.yaml")).unwrap();
    assert_eq!((stage.web()[1].as_str(), more()), ("1.8.0", marked("1.5.0")));
    assert_eq!(stage.brought("staging/web.yaml"), stage.brought("staging/more.yaml"));
    stage.failed(&stage.brought("staging/web.yaml"), "argocd/staging");
    stage.pass("08:10").await;
    assert_eq!((stage.web()[1].as_str(), more()), ("1.4.0", marked("1.4.0")));
    assert!(stage.holds().contains("1.5.0") && stage.holds().contains("1.8.0"), "{}", stage.holds());
}

pub(super) async fn what_fails_goes_back_to_what_stood_at_each_place_and_not_where_it_stood_before(kind: Kind) {
    let stage = Stage::new(kind, WATCHED);
    stage.push("dev/web.yaml", &manifest(WEB, "1.5.0"));
    stage.push("staging/more.yaml", &manifest(WEB, "1.3.0"));
    // It has run here for long, whatever becomes of it elsewhere.
    stage.push("staging/long.yaml", &manifest(WEB, "1.5.0"));
    stage.pass("08:00").await;
    let runs = || ["web", "more", "long"].map(|name| stage.runs("staging", name));
    assert_eq!(runs(), ["1.5.0"; 3]);
    stage.failed(&stage.brought("staging/web.yaml"), "argocd/staging");
    stage.pass("08:10").await;
    assert_eq!(runs(), ["1.4.0", "1.3.0", "1.5.0"]);
    assert!(stage.holds().contains("1.5.0"), "{}", stage.holds());
}

pub(super) async fn images_that_one_commit_brought_go_back_together_in_one_pass(kind: Kind) {
    let stage = Stage::new(kind, WATCHED);
    stage.list(API, &["1.4.0", "1.5.0"]);
    stage.pass("08:00").await;
    assert_eq!(stage.brought("staging/web.yaml"), stage.brought("staging/api.yaml"));
    stage.failed(&stage.brought("staging/web.yaml"), "argocd/staging");
    stage.pass("08:10").await;
    assert_eq!((stage.runs("staging", "api"), stage.web()[1].clone()), ("1.4.0".to_owned(), "1.4.0".to_owned()));
    assert_eq!(stage.holds().matches("image:").count(), 2, "{}", stage.holds());
}

pub(super) async fn a_version_that_came_again_after_it_went_back_stays_for_a_person(kind: Kind) {
    let stage = Stage::new(kind, WATCHED);
    stage.pass("08:00").await;
    stage.failed(&stage.brought("staging/web.yaml"), "argocd/staging");
    stage.pass("08:10").await;
    stage.push(".tagboat/holds.yaml", "version: 1\n");
    stage.pass("08:12").await;
    assert_eq!(stage.web()[1], "1.5.0", "a person released it");
    stage.report(&stage.brought("staging/web.yaml"), "argocd/staging", kind.words[2], "2026-11-20T08:13:00Z");
    let tip = stage.tip();
    let outcome = stage.try_pass("08:15").await;
    assert_eq!((stage.tip(), stage.web()[1].as_str()), (tip, "1.5.0"));
    let [trouble] = outcome.errors.as_slice() else { panic!("{:?}", outcome.errors) };
    assert!(trouble.reason.contains("1.5.0 went back by itself once already"), "{trouble}");

    // The next one fails, too: what failed before is no version to go back to.
    stage.list(WEB, &["1.4.0", "1.5.0", "1.6.0"]);
    stage.try_pass("08:50").await;
    stage.report(&stage.brought("staging/web.yaml"), "argocd/staging", kind.words[2], "2026-11-20T08:51:00Z");
    stage.try_pass("08:52").await;
    assert_eq!(stage.web()[1], "1.4.0");
}

pub(super) async fn nothing_older_than_what_failed_comes_in_its_place(kind: Kind) {
    let stage = Stage::new(kind, "    publish: commit\n");
    let config = String::from_utf8(stage.store.repository.show("main", ".tagboat.yaml")).unwrap();
    let watched = "publish: commit\n    onFailure: {checks: [argocd/dev], within: 30m, publish: commit}\n";
    stage.push(".tagboat.yaml", &config.replacen("publish: commit\n", watched, 1));
    stage.list(WEB, &["1.4.0", "1.5.0", "1.6.0", "1.7.0"]);
    stage.pass("08:00").await;
    assert_eq!(stage.web()[0], "1.7.0");
    stage.failed(&stage.brought("dev/web.yaml"), "argocd/dev");
    stage.pass("08:10").await;
    let tip = stage.tip();
    let told = format!(
        "2 versions are older than 1.7.0, which failed and went back on 2026-11-20 (commit {}), and is held",
        &tip[..10]
    );
    for time in ["08:12", "08:40"] {
        let outcome = stage.pass(time).await;
        assert_eq!((stage.tip(), stage.web()[0].as_str()), (tip.clone(), "1.4.0"));
        assert!(outcome.skipped.iter().any(|row| row.reason == format!("in dev: {told}")), "{:?}", outcome.skipped);
    }

    stage.list(WEB, &["1.4.0", "1.5.0", "1.6.0", "1.7.0", "1.8.0"]);
    stage.pass("09:00").await;
    assert_eq!(stage.web()[0], "1.8.0", "something newer comes as ever");
    stage.report(&stage.brought("dev/web.yaml"), "argocd/dev", kind.words[2], "2026-11-20T09:01:00Z");
    stage.pass("09:02").await;
    let held = stage.holds();
    let only = held.split("  - ").find(|entry| entry.contains("1.8.0")).unwrap();
    stage.push(".tagboat/holds.yaml", &format!("version: 1\nholds:\n  - {only}"));
    stage.pass("09:10").await;
    assert_eq!(stage.web()[0], "1.4.0", "what failed last is held still");
    let only = held.split("  - ").find(|entry| entry.contains("1.7.0")).unwrap();
    stage.push(".tagboat/holds.yaml", &format!("version: 1\nholds:\n  - {only}"));
    stage.pass("09:12").await;
    assert_eq!(stage.web()[0], "1.8.0", "a person released it");
}

pub(super) async fn what_was_introduced_before_what_failed_does_not_come_in_its_place(kind: Kind) {
    let watched = "    publish: commit\n    gates: {soak: {for: 10m, count: introduced}}\n    onFailure: {checks: [argocd/staging], within: 30m, publish: commit}\n";
    let stage = Stage::new(kind, watched);
    stage.pass("08:00").await;
    stage.list(WEB, &["1.4.0", "1.5.0", "1.6.0"]);
    stage.pass("08:05").await;
    stage.pass("08:20").await;
    assert_eq!(stage.web(), ["1.6.0", "1.6.0", "1.4.0"]);
    stage.report(&stage.brought("staging/web.yaml"), "argocd/staging", kind.words[2], "2026-11-20T08:21:00Z");
    for time in ["08:25", "08:30", "09:00"] {
        stage.pass(time).await;
        assert_eq!(stage.web()[1], "1.4.0", "1.5.0 had its turn: {time}");
    }
    stage.list(WEB, &["1.4.0", "1.5.0", "1.6.0", "1.7.0"]);
    stage.pass("09:10").await;
    stage.pass("09:30").await;
    assert_eq!(stage.web()[1], "1.7.0");
}

pub(super) async fn without_a_version_before_nothing_is_done_and_that_is_said(kind: Kind) {
    let stage = Stage::new(kind, WATCHED);
    let held = format!("version: 1\nholds:\n  - image: {WEB}\n    tag: 1.4.0\n    environment: staging\n");
    stage.push(".tagboat/holds.yaml", &held);
    stage.pass("08:00").await;
    stage.failed(&stage.brought("staging/web.yaml"), "argocd/staging");
    let tip = stage.tip();
    let outcome = stage.try_pass("08:10").await;
    assert_eq!(stage.tip(), tip);
    let [trouble] = outcome.errors.as_slice() else { panic!("{:?}", outcome.errors) };
    let why = "everything that stood before 1.5.0 is kept back: 1.4.0 (it is held in staging)";
    assert!(trouble.reason.contains(why), "{trouble}");
}

pub(super) async fn what_a_person_brought_is_not_watched(kind: Kind) {
    let stage = Stage::new(kind, "    publish: pullRequest\n    onFailure: {checks: [argocd/staging], within: 30m}\n");
    let commit = stage.push("staging/web.yaml", &manifest(WEB, "1.5.0"));
    stage.failed(&commit, "argocd/staging");
    assert_eq!(stage.pass("08:00").await.watches, []);
    assert_eq!(stage.web()[1], "1.5.0");
}

/// The return is a pull request that Tagboat merges; production would follow after an hour.
const BY_MERGE: &str =
    "    publish: commit\n    onFailure: {checks: [argocd/staging], within: 2h, publish: autoMerge}\n";

pub(super) async fn a_return_by_pull_request_holds_back_what_follows_and_merges_when_its_checks_pass(kind: Kind) {
    let stage = Stage::with(kind, BY_MERGE, "    gates: {soak: 1h}\n");
    stage.pass("08:00").await;
    stage.failed(&stage.brought("staging/web.yaml"), "argocd/staging");
    let outcome = stage.pass("08:10").await;
    assert_eq!(staging(&outcome).action, Action::Opened);
    let pull = stage.store.pull(1);
    assert_eq!((pull.head.as_str(), pull.title.as_str()), (HEAD, "staging: roll web back to 1.4.0"));
    assert!(pull.body.contains("Reason: argocd/staging: "), "{}", pull.body);
    assert!(pull.body.contains("Tagboat merges this"), "{}", pull.body);
    let outcome = stage.pass("09:10").await;
    assert_eq!(stage.web(), ["1.5.0", "1.5.0", "1.4.0"], "what failed goes nowhere");
    let prod = outcome.proposals.iter().find(|one| one.environment.as_str() == "prod").unwrap();
    assert_eq!(prod.action, Action::Held);
    assert!(prod.reason.as_deref().unwrap().contains("not merged yet: argocd/staging: "), "{prod:?}");
    assert_eq!(stage.store.kept().pulls.len(), 1);
    stage.passed(&stage.store.at(HEAD).unwrap(), "build");
    stage.pass("09:20").await;
    assert_eq!(stage.web()[1], "1.4.0");
    assert!(stage.holds().contains("1.5.0"), "{}", stage.holds());
    assert_eq!(stage.store.pull(1).state, Stands::Merged);
    stage.pass("09:30").await;
    assert_eq!((stage.web(), stage.store.kept().pulls.len()), (["1.5.0", "1.4.0", "1.4.0"].map(str::to_owned), 1));
}

pub(super) async fn what_is_closed_since_its_version_failed_before_says_where_and_what(kind: Kind) {
    for (time, ends) in [("08:10", ""), ("13:30", "; the time to go back by itself, until 2026-11-20T10:00:00Z")] {
        let stage = Stage::with(kind, BY_MERGE, "");
        let config = String::from_utf8(stage.store.repository.show("main", ".tagboat.yaml")).unwrap();
        let prod = "    after: staging\n    publish: ";
        stage.push(".tagboat.yaml", &config.replace(&format!("{prod}commit"), &format!("{prod}pullRequest")));
        stage.pass("08:00").await;
        assert_eq!(stage.store.pull(1).head, "tagboat/prod/ghcr.io-acme-web");
        let brought = stage.brought("staging/web.yaml");
        stage.failed(&brought, "argocd/staging");
        let outcome = stage.pass(time).await;
        let pull = stage.store.pull(1);
        assert_eq!((pull.state, pull.comments.len()), (Stands::Closed, 1), "{:#?}", outcome.proposals);
        let failed = format!("in staging, it failed: argocd/staging: {} on commit {}", kind.words[2], &brought[..10]);
        let comment = &pull.comments[0];
        let begin = format!("This is not wanted while `{WEB}:1.5.0` is held: {failed}{ends}");
        assert!(comment.starts_with(&begin) && !comment.contains("there already"), "{comment}");
        let closed = outcome.proposals.iter().find(|one| one.action == Action::Closed).unwrap();
        let reason = closed.reason.as_deref().unwrap();
        assert!(reason.starts_with(&format!("{WEB}:1.5.0 is held: {failed}{ends}")), "{reason}");
    }
}

pub(super) async fn a_return_that_the_base_does_not_take_is_proposed_with_its_hold_and_merged(kind: Kind) {
    let stage = Stage::new(kind, WATCHED);
    stage.pass("08:00").await;
    stage.failed(&stage.brought("staging/web.yaml"), "argocd/staging");
    stage.store.repository.hook("update", "#!/bin/sh\n[ \"$1\" != refs/heads/main ] || { echo protected; exit 1; }\n");
    let tip = stage.tip();
    let outcome = stage.pass("08:10").await;
    assert_eq!(stage.tip(), tip);
    assert_eq!((staging(&outcome).action, outcome.errors.as_slice()), (Action::Opened, &[][..]));
    let told: Vec<&str> = outcome.skipped.iter().map(|row| row.reason.as_str()).collect();
    assert!(
        told.iter().any(|reason| reason.contains("protected") && reason.ends_with("is proposed instead")),
        "{told:?}"
    );
    let pull = stage.store.pull(1);
    assert_eq!((pull.head.as_str(), pull.title.as_str()), (HEAD, "staging: roll web back to 1.4.0"));
    let changed = stage.store.repository.git(&["show", "--format=", "--name-only", HEAD]);
    assert_eq!(changed, ".tagboat/holds.yaml\nstaging/web.yaml", "with its hold");
    let made = stage.store.at(HEAD).unwrap();
    stage.pass("08:12").await;
    assert_eq!(stage.store.at(HEAD), Some(made.clone()), "a further pass makes nothing anew");
    stage.passed(&made, "build");
    stage.pass("08:14").await;
    assert_eq!((stage.web()[1].as_str(), stage.store.pull(1).state), ("1.4.0", Stands::Merged));
    assert!(stage.holds().contains("1.5.0"), "{}", stage.holds());
    stage.pass("08:20").await;
    assert_eq!((stage.web()[1].as_str(), stage.store.kept().pulls.len()), ("1.4.0", 1), "it stays back");
}

pub(super) async fn what_is_newer_takes_the_place_of_a_return_that_nobody_merged(kind: Kind) {
    let stage = Stage::new(kind, BY_MERGE);
    stage.pass("08:00").await;
    stage.failed(&stage.brought("staging/web.yaml"), "argocd/staging");
    stage.pass("08:10").await;
    stage.list(WEB, &["1.4.0", "1.5.0", "1.6.0"]);
    stage.pass("08:20").await;
    assert_eq!(stage.web(), ["1.6.0", "1.6.0", "1.4.0"]);
    stage.pass("08:21").await;
    assert_eq!(stage.store.pull(1).state, Stands::Closed, "there is nothing to go back from");
    stage.report(&stage.brought("staging/web.yaml"), "argocd/staging", kind.words[2], "2026-11-20T08:22:00Z");
    stage.pass("08:30").await;
    assert_eq!(stage.store.pull(2).title, "staging: roll web back to 1.4.0", "1.5.0 had failed, too");
}

pub(super) async fn a_return_has_the_head_branch_until_a_person_refuses_it(kind: Kind) {
    let stage = Stage::new(kind, &BY_MERGE.replace("publish: commit", "publish: autoMerge"));
    stage.pass("08:00").await;
    stage.passed(&stage.store.at(HEAD).unwrap(), "build");
    stage.pass("08:05").await;
    assert_eq!(stage.web()[1], "1.5.0");
    let merged = stage.brought("staging/web.yaml");
    stage.report(&merged, "argocd/staging", kind.words[2], "2026-11-20T08:06:00Z");
    stage.list(WEB, &["1.4.0", "1.5.0", "1.6.0"]);
    let outcome = stage.pass("08:10").await;
    assert_eq!(stage.store.pull(2).title, "staging: roll web back to 1.4.0");
    let waits = outcome.proposals.iter().find(|one| one.action == Action::Waiting && one.branch.is_none()).unwrap();
    assert!(waits.reason.as_deref().unwrap().ends_with("of staging goes back first"), "{waits:?}");
    stage.store.change(2, |pull| pull.state = Stands::Closed);
    stage.pass("08:20").await;
    assert_eq!(stage.store.pull(3).title, "staging: update web to 1.6.0");
    assert_eq!(stage.web()[1], "1.5.0");
}

pub(super) async fn a_return_is_merged_although_something_newer_waits_for_its_head_branch(kind: Kind) {
    let stage = Stage::new(kind, &BY_MERGE.replace("publish: commit", "publish: autoMerge"));
    stage.pass("08:00").await;
    stage.passed(&stage.store.at(HEAD).unwrap(), "build");
    stage.pass("08:05").await;
    stage.report(&stage.brought("staging/web.yaml"), "argocd/staging", kind.words[2], "2026-11-20T08:06:00Z");
    stage.list(WEB, &["1.4.0", "1.5.0", "1.6.0"]);
    stage.pass("08:10").await;
    let head = stage.store.at(HEAD).unwrap();
    stage.pass("08:15").await;
    assert_eq!(stage.store.at(HEAD).unwrap(), head, "it is as it should be");
    stage.passed(&head, "build");
    stage.pass("08:20").await;
    assert_eq!((stage.store.pull(2).state, stage.web()[1].as_str()), (Stands::Merged, "1.4.0"));
}

pub(super) async fn what_may_have_failed_goes_nowhere_while_the_forge_cannot_be_asked(kind: Kind) {
    let stage = Stage::with(kind, WATCHED, "    gates: {soak: 10m}\n");
    stage.pass("08:00").await;
    for _ in 0..8 {
        stage.store.trap("GET", "/commits/", Fault::Before(503));
    }
    stage.try_pass("08:15").await;
    assert_eq!(stage.web(), ["1.5.0", "1.5.0", "1.4.0"]);
    stage.store.kept().traps.clear();
    stage.pass("08:16").await;
    assert_eq!(stage.web(), ["1.5.0", "1.5.0", "1.5.0"]);
}

pub(super) async fn what_comes_after_a_return_goes_on_in_the_same_pass(kind: Kind) {
    let stage = Stage::with(kind, WATCHED, "");
    stage.pass("08:00").await;
    assert_eq!(stage.web(), ["1.5.0", "1.5.0", "1.5.0"]);
    stage.failed(&stage.brought("staging/web.yaml"), "argocd/staging");
    stage.list(WEB, &["1.4.0", "1.5.0", "1.6.0"]);
    stage.pass("08:10").await;
    assert_eq!(stage.web(), ["1.6.0", "1.6.0", "1.6.0"]);
}

pub(super) async fn the_same_order_stands_again_after_what_it_brought_was_taken_back(kind: Kind) {
    let stage = Stage::new(kind, "    publish: pullRequest\n");
    stage.pass("08:00").await;
    stage.promote("08:10", &[]).await.unwrap();
    let merged = u64::try_from(stage.store.kept().pulls.len()).unwrap();
    stage.store.merge(merged).unwrap();
    stage.pass("08:15").await;
    assert_eq!(stage.store.at(HEAD), None);
    stage.push("staging/web.yaml", &manifest(WEB, "1.4.0"));
    stage.promote("08:20", &[]).await.unwrap();
    let ordered = stage.store.at(HEAD).unwrap();
    stage.pass("08:30").await;
    assert_eq!(stage.store.at(HEAD), Some(ordered));
    assert_eq!(stage.store.pull(merged + 1).state, Stands::Open, "a person's order stays");
}

pub(super) async fn a_person_who_closes_a_return_has_refused_it(kind: Kind) {
    let stage = Stage::new(kind, BY_MERGE);
    stage.pass("08:00").await;
    stage.failed(&stage.brought("staging/web.yaml"), "argocd/staging");
    stage.pass("08:10").await;
    stage.store.change(1, |pull| pull.state = Stands::Closed);
    for time in ["08:20", "08:30"] {
        assert_eq!(staging(&stage.pass(time).await).action, Action::LeftAlone);
        assert_eq!((stage.store.kept().pulls.len(), stage.web()[1].as_str()), (1, "1.5.0"));
    }
}

pub(super) async fn who_refuses_the_return_of_a_group_refuses_that_of_each_of_its_images(kind: Kind) {
    let stage = Stage::new(kind, BY_MERGE);
    let config = String::from_utf8(stage.store.repository.show("main", ".tagboat.yaml")).unwrap();
    stage.push(".tagboat.yaml", &format!("{config}groups: [{{name: shop, images: [{WEB}, {API}]}}]\n"));
    stage.list(API, &["1.4.0", "1.5.0"]);
    stage.pass("08:00").await;
    let brought = stage.brought("staging/web.yaml");
    assert_eq!(brought, stage.brought("staging/api.yaml"));
    stage.failed(&brought, "argocd/staging");
    stage.pass("08:10").await;
    assert_eq!(stage.store.pull(1).title, "staging: rollback 2 images");
    stage.store.change(1, |pull| pull.state = Stands::Closed);
    stage.push("staging/api.yaml", &manifest(API, "1.4.0"));
    for time in ["08:20", "08:30"] {
        let outcome = stage.pass(time).await;
        let is_back = |one: &&Proposal| one.moves.iter().any(|step| step.to.to_string() == "1.4.0");
        let back = outcome.proposals.iter().find(is_back).unwrap();
        assert_eq!((back.moves.len(), back.moves[0].image.as_str(), back.action), (1, WEB, Action::LeftAlone));
        assert_eq!((stage.store.kept().pulls.len(), stage.web()[1].as_str()), (1, "1.5.0"));
    }
}

pub(super) async fn a_return_is_withdrawn_when_the_check_recovers_and_kept_when_the_time_is_over(kind: Kind) {
    for recovers in [true, false] {
        let stage = Stage::with(kind, &BY_MERGE.replace("autoMerge", "pullRequest"), "    gates: {soak: 3h}\n");
        stage.pass("08:00").await;
        let brought = stage.brought("staging/web.yaml");
        stage.failed(&brought, "argocd/staging");
        stage.pass("08:10").await;
        if recovers {
            stage.passed(&brought, "argocd/staging");
            stage.pass("08:20").await;
        } else {
            let outcome = stage.pass("13:00").await;
            let prod = outcome.proposals.iter().find(|one| one.environment.as_str() == "prod").unwrap();
            let reason = prod.reason.clone().unwrap_or_default();
            assert!(prod.action == Action::Held && reason.contains("not merged yet: argocd/staging: "), "{prod:?}");
            let told = "a person merges what goes back, or closes it: its time to go back by itself is over";
            let back = staging(&outcome);
            assert_eq!((back.action, back.reason.as_deref()), (Action::Waiting, Some(told)));
            assert!(back.url.is_some(), "{back:?}");
        }
        let expected = if recovers { Stands::Closed } else { Stands::Open };
        assert_eq!((stage.store.pull(1).state, stage.web()[1].as_str()), (expected, "1.5.0"));
        if !recovers {
            stage.store.change(1, |pull| pull.state = Stands::Closed);
            stage.pass("13:10").await;
        }
        assert_eq!(stage.web()[2], "1.4.0", "nor does what was left there after all go on");
    }
}

pub(super) async fn a_return_that_stays_is_made_anew_until_somebody_has_moved_on(kind: Kind) {
    let stage = Stage::new(kind, &BY_MERGE.replace("autoMerge", "pullRequest"));
    stage.pass("08:00").await;
    stage.failed(&stage.brought("staging/web.yaml"), "argocd/staging");
    stage.pass("08:10").await;
    let said = stage.message(HEAD);
    assert!(said.contains("Tagboat-Failed: "), "{said}");
    let is_on_tip = || stage.store.repository.git(&["rev-parse", &format!("{HEAD}~1")]) == stage.tip();
    // Its time is over, and its files are others on the base: nobody could merge it.
    stage.push("staging/web.yaml", &format!("# Ours\n{}", manifest(WEB, "1.5.0")));
    let outcome = stage.pass("13:00").await;
    assert!(is_on_tip() && stage.store.pull(1).state == Stands::Open, "{outcome:#?}");
    assert_eq!(stage.message(HEAD), said);
    let text = String::from_utf8(stage.store.repository.show(HEAD, "staging/web.yaml")).unwrap();
    assert_eq!(text, format!("# Ours\n{}", manifest(WEB, "1.4.0")));
    let held = String::from_utf8(stage.store.repository.show(HEAD, ".tagboat/holds.yaml")).unwrap();
    assert!(held.contains("\"1.5.0\""), "{held}");
    stage.push("readme", "moved");
    stage.pass("13:10").await;
    assert!(!is_on_tip(), "nobody asked for it");
    // What could not be asked closes nothing.
    let gated = "    onFailure: {checks: [argocd/staging], within: 2h, publish: pullRequest}\n";
    let config = String::from_utf8(stage.store.repository.show("main", ".tagboat.yaml")).unwrap();
    stage.push(".tagboat.yaml", &config.replace(gated, &format!("{gated}    gates: {{soak: 1m}}\n")));
    stage.push("staging/web.yaml", &format!("# Theirs\n{}", manifest(WEB, "1.5.0")));
    let sha = stage.store.at(HEAD).unwrap();
    for _ in 0..8 {
        stage.store.trap("GET", "/commits/", Fault::Before(503));
    }
    stage.try_pass("13:15").await;
    stage.store.kept().traps.clear();
    assert_eq!((stage.store.pull(1).state, stage.store.at(HEAD)), (Stands::Open, Some(sha)));
    stage.store.change(1, |pull| pull.labels.extend(["tagboat/rebase".to_owned()]));
    stage.pass("13:20").await;
    assert!(is_on_tip() && stage.store.pull(1).labels.is_empty() && stage.message(HEAD) == said);
    stage.push("staging/web.yaml", &manifest(WEB, "1.4.0"));
    let outcome = stage.pass("13:30").await;
    assert_eq!(stage.store.pull(1).state, Stands::Closed, "somebody has moved on: {outcome:#?}");
}

pub(super) async fn what_a_person_orders_waits_for_the_same_checks(kind: Kind) {
    let stage = Stage::new(kind, CHECKED);
    stage.pass("08:00").await;
    let sha = stage.tip();
    stage.failed(&sha, "argocd/dev");
    let refused = stage.promote("08:10", &[]).await.unwrap_err().to_string();
    assert!(refused.contains("checks: argocd/dev: "), "{refused}");
    assert_eq!(stage.web()[1], "1.4.0");
    stage.promote("08:20", &[GateName::Checks]).await.unwrap();
    assert_eq!(stage.web()[1], "1.5.0");

    let stage = Stage::new(kind, CHECKED);
    stage.pass("08:00").await;
    stage.passed(&stage.tip(), "argocd/dev");
    stage.promote("08:10", &[]).await.unwrap();
    assert_eq!(stage.web()[1], "1.5.0");
}

pub(super) async fn after_a_return_nothing_older_than_what_failed_is_tried(kind: Kind) {
    let stage = Stage::new(kind, "    publish: commit\n");
    let config = String::from_utf8(stage.store.repository.show("main", ".tagboat.yaml")).unwrap();
    let watched = "    files: [dev/**]\n    onFailure: {checks: [argocd/dev], within: 30m}\n";
    stage.push(".tagboat.yaml", &config.replacen("    files: [dev/**]\n", watched, 1));
    stage.list(WEB, &["1.4.0", "1.4.1", "1.4.2", "1.5.0"]);
    stage.pass("08:00").await;
    stage.failed(&stage.brought("dev/web.yaml"), "argocd/dev");
    for time in ["08:10", "08:20"] {
        stage.pass(time).await;
        assert_eq!(stage.web()[0], "1.4.0");
    }
    stage.list(WEB, &["1.4.0", "1.4.1", "1.4.2", "1.4.3", "1.5.0", "1.5.1"]);
    stage.pass("08:30").await;
    assert_eq!(stage.web()[0], "1.5.1");
    stage.failed(&stage.brought("dev/web.yaml"), "argocd/dev");
    stage.pass("08:40").await;
    assert_eq!(stage.web()[0], "1.4.0");
}

pub(super) async fn a_dry_run_tells_of_a_return_and_makes_none(kind: Kind) {
    let stage = Stage::new(kind, WATCHED);
    stage.pass("08:00").await;
    stage.failed(&stage.brought("staging/web.yaml"), "argocd/staging");
    let tip = stage.tip();
    let outcome = stage.pass_of("mirror", "08:10", Mode::DryRun).await;
    assert_eq!(stage.tip(), tip);
    assert_eq!(staging(&outcome).action, Action::Committed);
    let files: Vec<&str> = outcome.files.iter().map(|edit| edit.file.as_str()).collect();
    assert_eq!(files, ["staging/web.yaml", ".tagboat/holds.yaml"]);
}

pub(super) async fn two_passes_at_once_go_back_once(kind: Kind) {
    let stage = Stage::new(kind, WATCHED);
    stage.pass("08:00").await;
    stage.failed(&stage.brought("staging/web.yaml"), "argocd/staging");
    let pass = |mirror| stage.pass_of(mirror, "08:10", Mode::Act);
    let (one, other) = tokio::join!(pass("one"), pass("other"));
    assert_eq!((one.errors, other.errors), (Vec::new(), Vec::new()));
    let count = stage.store.repository.git(&["log", "--format=%s", "main", "--grep=Tagboat-Failed"]).lines().count();
    assert_eq!((count, stage.web()[1].as_str()), (1, "1.4.0"));
}

pub(super) async fn a_digest_comes_back_with_its_tag(kind: Kind) {
    let stage = Stage::new(kind, WATCHED);
    let digest = |tag: &str| format!("{tag}@{}", MemoryTags::digest(WEB, tag));
    for environment in ["dev", "staging"] {
        stage.push(&format!("{environment}/web.yaml"), &manifest(WEB, &digest("1.4.0")));
    }
    stage.pass("08:00").await;
    stage.failed(&stage.brought("staging/web.yaml"), "argocd/staging");
    let text = |revision: &str| String::from_utf8(stage.store.repository.show(revision, "staging/web.yaml")).unwrap();
    assert_eq!(text("main"), manifest(WEB, &digest("1.5.0")));
    stage.pass("08:10").await;
    assert_eq!(text("main"), manifest(WEB, &digest("1.4.0")));
}

pub(super) async fn a_forge_that_cannot_be_asked_takes_nothing_back_and_that_is_said(kind: Kind) {
    let stage = Stage::new(kind, WATCHED);
    stage.pass("08:00").await;
    stage.failed(&stage.brought("staging/web.yaml"), "argocd/staging");
    for _ in 0..8 {
        stage.store.trap("GET", "/commits/", Fault::Before(503));
    }
    let outcome = stage.try_pass("08:10").await;
    assert_eq!(stage.web()[1], "1.5.0");
    assert!(
        outcome.errors.iter().any(|row| row.reason.contains("whether 1.5.0 failed is not known")),
        "{:?}",
        outcome.errors
    );
    stage.store.kept().traps.clear();
    stage.pass("08:12").await;
    assert_eq!(stage.web()[1], "1.4.0");
}

/// Makes one test of each on a kind of forge.
macro_rules! gates {
    ($kind:expr) => {
        $crate::forge::gates::gates! { @ $kind;
            a_promotion_waits_for_the_check_of_the_commit_that_brought_it
            a_commit_status_counts_as_a_check_run_does
            the_newest_report_on_a_later_commit_that_still_holds_it_counts
            a_check_whose_name_has_an_emoji_is_told_of_as_any_other
            what_was_said_of_another_version_does_not_count
            what_was_said_before_a_file_was_raised_by_a_move_does_not_count
            a_star_takes_all_that_begin_so_and_wants_one_at_least
            a_forge_that_cannot_be_asked_lets_nothing_pass
            checks_are_asked_for_only_where_a_promotion_waits_and_once_for_all_images
            approvals_of_the_head_commit_are_waited_for
            an_approval_does_not_outlast_the_head_that_it_was_given_to
            an_approval_that_is_taken_back_while_a_pass_looks_counts_no_more
            with_pull_request_approvals_are_shown_and_a_person_merges
            what_waits_for_a_person_is_never_merged_by_tagboat
            what_a_window_closes_for_while_a_pass_runs_is_not_merged
            what_a_freeze_begins_for_while_a_pass_runs_is_not_merged
            what_was_ordered_is_not_merged_that_a_window_has_closed_for_since
            what_a_window_closes_for_while_a_pass_runs_is_not_committed
            another_value_of_the_same_answer_writes_nothing
            time_that_passes_writes_nothing
            what_fails_goes_back_by_itself_once_and_is_held
            what_the_registry_has_no_more_is_passed_over_on_the_way_back
            what_nobody_looked_at_is_no_way_back_where_all_after_it_failed
            a_registry_that_is_down_keeps_nothing_from_going_back
            history_tells_a_return_as_a_rollback_with_what_failed
            only_what_failed_in_time_goes_back_though_nobody_looked_at_once
            what_failed_in_time_while_nobody_looked_goes_nowhere_and_says_so
            what_failed_unseen_goes_on_once_the_check_has_passed_on_a_later_commit
            what_failed_in_time_does_not_go_on_where_something_newer_took_its_place
            what_would_go_on_keeps_nothing_from_going_back_and_all_of_it_has_its_turn
            what_failed_in_time_by_one_of_two_ways_leaves_the_other_one_open
            what_failed_a_second_time_goes_nowhere_though_it_stays
            what_a_person_squashed_with_its_title_alone_is_not_watched_and_says_so
            what_a_person_goes_back_from_by_a_pull_request_goes_nowhere_while_that_is_open
            what_goes_back_holds_what_it_leaves_under_another_prefix_and_base_than_now
            what_was_taken_back_before_is_closed_and_says_by_whom
            what_fails_does_not_go_back_to_what_was_taken_back_in_an_environment_before
            a_failure_is_laid_to_what_came_last_before_it
            what_fails_after_a_person_lowered_one_of_its_places_is_not_laid_to_the_others
            what_fails_at_two_places_goes_back_to_what_stood_at_each
            what_fails_goes_back_to_what_stood_at_each_place_and_not_where_it_stood_before
            images_that_one_commit_brought_go_back_together_in_one_pass
            a_version_that_came_again_after_it_went_back_stays_for_a_person
            nothing_older_than_what_failed_comes_in_its_place
            what_was_introduced_before_what_failed_does_not_come_in_its_place
            without_a_version_before_nothing_is_done_and_that_is_said
            what_a_person_brought_is_not_watched
            a_return_by_pull_request_holds_back_what_follows_and_merges_when_its_checks_pass
            what_is_closed_since_its_version_failed_before_says_where_and_what
            what_is_newer_takes_the_place_of_a_return_that_nobody_merged
            a_return_has_the_head_branch_until_a_person_refuses_it
            a_person_who_closes_a_return_has_refused_it
            who_refuses_the_return_of_a_group_refuses_that_of_each_of_its_images
            a_return_is_merged_although_something_newer_waits_for_its_head_branch
            a_return_that_the_base_does_not_take_is_proposed_with_its_hold_and_merged
            what_may_have_failed_goes_nowhere_while_the_forge_cannot_be_asked
            the_same_order_stands_again_after_what_it_brought_was_taken_back
            what_comes_after_a_return_goes_on_in_the_same_pass
            a_return_is_withdrawn_when_the_check_recovers_and_kept_when_the_time_is_over
            a_return_that_stays_is_made_anew_until_somebody_has_moved_on
            a_forge_that_cannot_be_asked_takes_nothing_back_and_that_is_said
            what_a_person_orders_waits_for_the_same_checks
            after_a_return_nothing_older_than_what_failed_is_tried
            a_dry_run_tells_of_a_return_and_makes_none
            two_passes_at_once_go_back_once
            a_digest_comes_back_with_its_tag
        }
    };
    (@ $kind:expr; $($name:ident)*) => {
        mod gates {
            $(
                #[tokio::test]
                async fn $name() {
                    $crate::forge::gates::$name($kind).await;
                }
            )*
        }
    };
}
pub(super) use gates;
