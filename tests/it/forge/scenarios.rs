//! The life of a pull request, told once for every forge: what people and registries do, and what must stand after each pass.
//!
//! `scenarios!(KIND)` makes one test of each. They see the fake's store alone, never a forge's protocol.

use std::sync::Arc;

use axum::Router;
use tagboat::forge::Forge;
use tagboat::git::Remote;
use tagboat::git::access::Access;
use tagboat::git::mirror::Mirror;
use tagboat::git::signing::{Keys, SshKey};
use tagboat::git::url::RemoteUrl;
use tagboat::manifest::Limits;
use tagboat::model::environment::BranchName;
use tagboat::model::outcome::Outcome;
use tagboat::model::proposal::Action;
use tagboat::pass::propose::Publishing;
use tagboat::pass::run::{Mode, Run, run};

use crate::support::forge::{CheckRow, Fault, Modes, NOW, Pull, Stands, Store, serve};
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
    /// What stands before a repository's path in its address.
    pub(crate) below: &'static str,
    /// Method and a part of the path by which the forge makes a commit.
    pub(crate) committing: (&'static str, &'static str),
}

/// A repository on a forge, a registry, and Tagboat.
pub(crate) struct Stage {
    kind: Kind,
    pub(crate) scratch: Scratch,
    tags: MemoryTags,
    pub(crate) store: Arc<Store>,
    address: String,
    /// The operator's SSH key that commits are signed with.
    pub(crate) ssh: Option<String>,
}

const PLAIN: &str = "";
const AUTO: &str = "    publish: autoMerge\n";
const GATED: &str = "    publish: autoMerge\n    gates: {windows: [{hours: \"09:00-10:00\"}]}\n";

fn manifest(tag: &str) -> String {
    format!("apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: {WEB}:{tag}\n")
}

impl Stage {
    pub(crate) fn new(kind: Kind, environment: &str) -> Self {
        let config = format!(
            "version: 1\nimages:\n  - match: ghcr.io/acme/*\n    semver: 1.x\nenvironments:\n  - name: prod\n    \
             files: [prod/**]\n{environment}"
        );
        let scratch = Scratch::new();
        let bare = scratch.bare("gitops.git", &[(".tagboat.yaml", &config), ("prod/web.yaml", &manifest("1.4.0"))]);
        let store = Store::over(bare.folder);
        let address = serve((kind.router)(Arc::clone(&store)));
        let stage = Self { kind, scratch, tags: MemoryTags::default(), store, address, ssh: None };
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
        self.outcome_of(Mode::Act, mirror, hour).await
    }

    async fn outcome_of(&self, mode: Mode, mirror: &str, hour: u32) -> Outcome {
        let url = RemoteUrl::from_path(&self.store.repository.folder);
        let mirror = Mirror::open(&self.scratch.path(mirror), url, Access::None, environment(None)).unwrap();
        let ssh = self.ssh.as_ref().map(|text| SshKey::read(&text.as_str().into()).map_err(|error| error.to_string()));
        let remote: Arc<dyn Remote> = Arc::new(mirror.with_keys(Keys { ssh, gpg: None }));
        run(&Run {
            remote,
            branch: &BranchName::from("main"),
            config: None,
            source: &self.tags,
            sources: &crate::support::sources::none(),
            cache: &tagboat::pass::setup::no_cache(),
            limits: &Limits::default(),
            now: format!("2026-11-20T{hour:02}:00:00Z").parse().unwrap(),
            publishing: Publishing::Forge((self.kind.client)(&self.address)),
            only: &[],
            mode,
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

pub(super) async fn proposes_and_merges_on_the_branch_of_the_environment(kind: Kind) {
    let stage = Stage::new(kind, "    branch: live\n    publish: autoMerge\n");
    let repository = &stage.store.repository;
    repository.git(&["branch", "--quiet", "live", "main"]);
    let main = repository.tip("main");
    assert_eq!(stage.acts(8).await, Some(Action::Opened));
    let pull = stage.only();
    assert_eq!((pull.base.as_str(), pull.head.as_str()), ("live", HEAD));
    assert_eq!(stage.acts(8).await, Some(Action::Unchanged));
    stage.check("build", kind.words[0]);
    assert_eq!(stage.acts(9).await, Some(Action::Merged));
    let live = String::from_utf8(repository.show("live", "prod/web.yaml")).unwrap();
    assert!(live.contains("1.5.0"), "{live}");
    assert_eq!(repository.tip("main"), main);
    assert_eq!(stage.acts(10).await, None, "nothing is left");
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

pub(super) async fn a_look_writes_nothing_into_the_mirror(kind: Kind) {
    let stage = Stage::new(kind, PLAIN);
    stage.acts(8).await;
    stage.acts(9).await;
    let objects = || crate::support::repository::contents(&stage.scratch.path("mirror/objects"));
    let before = objects();
    assert!(!before.is_empty());
    assert_eq!(stage.acts(10).await, Some(Action::Unchanged));
    stage.outcome_of(Mode::DryRun, "mirror", 11).await;
    assert!(objects() == before, "a head is judged in memory");
}

pub(super) async fn makes_anew_a_head_whose_message_somebody_changed(kind: Kind) {
    let stage = Stage::new(kind, AUTO);
    stage.acts(8).await;
    stage.check("build", kind.words[0]);
    let made = stage.only().sha;
    let git = |arguments: &[&str]| stage.store.repository.git(arguments);
    let told = git(&["cat-file", "commit", &made]);
    assert!(told.contains("update web"), "{told}");
    let other = stage.scratch.path("other-words");
    std::fs::write(&other, told.replacen("update web", "ship web", 1) + "\n").unwrap();
    let spoofed = git(&["hash-object", "-t", "commit", "-w", &other.display().to_string()]);
    git(&["update-ref", &format!("refs/heads/{HEAD}"), &spoofed]);
    assert_eq!(stage.acts(9).await, Some(Action::Updated));
    let told = git(&["cat-file", "commit", &stage.only().sha]);
    assert!(told.contains("update web") && stage.runs() == "1.4.0", "{told}");
}

pub(super) async fn two_passes_at_once_open_one(kind: Kind) {
    let stage = Stage::new(kind, PLAIN);
    let (one, other) = tokio::join!(stage.outcome("one", 8), stage.outcome("other", 8));
    assert_eq!(one.proposals.len() + other.proposals.len(), 2);
    assert_eq!(stage.states(), [Stands::Open]);
    assert_eq!(stage.acts(9).await, Some(Action::Unchanged));
    assert_eq!(stage.states(), [Stands::Open]);
}

const SIGNED: &str = "commit: {sign: forge}\n";

impl Stage {
    /// Returns the whole commit of a branch, as Git keeps it.
    fn commit(&self, branch: &str) -> String {
        self.store.repository.git(&["cat-file", "commit", branch])
    }

    /// Returns the names of all branches.
    fn branches(&self) -> Vec<String> {
        let listed = self.store.repository.git(&["for-each-ref", "--format=%(refname:short)", "refs/heads"]);
        listed.lines().map(str::to_owned).collect()
    }
}

pub(super) async fn commits_that_the_forge_signs_live_as_any_other(kind: Kind) {
    let stage = Stage::new(kind, &format!("{AUTO}{SIGNED}"));
    assert_eq!(stage.pass(8).await, (Some(Action::Opened), String::new()));
    let (first, pull) = (stage.commit(HEAD), stage.only());
    assert!(
        first.contains("gpgsig ") && first.contains("author The Forge") && first.contains("Tagboat-Key: "),
        "{first}"
    );
    stage.requests();
    assert_eq!(stage.acts(8).await, Some(Action::Unchanged));
    assert_eq!((stage.requests().1, stage.only().updated), (Vec::new(), pull.updated));
    stage.list(&["1.4.0", "1.5.0", "1.6.0"]);
    assert_eq!(stage.acts(9).await, Some(Action::Updated));
    let second = stage.only();
    assert_eq!((second.state, second.number), (Stands::Open, pull.number), "it was never closed in between");
    assert!(stage.commit(HEAD).contains("gpgsig ") && second.sha != pull.sha);
    assert_eq!(stage.branches(), ["main", HEAD], "nothing is left of how it was made");
    stage.check("build", kind.words[0]);
    assert_eq!(stage.acts(10).await, Some(Action::Merged));
    assert_eq!(stage.runs(), "1.6.0");
}

pub(super) async fn what_a_person_adds_to_a_commit_of_the_forge_is_theirs(kind: Kind) {
    let stage = Stage::new(kind, SIGNED);
    stage.acts(8).await;
    stage.push(HEAD, "notes", "mine");
    stage.list(&["1.4.0", "1.5.0", "1.6.0"]);
    let (action, reason) = stage.pass(9).await;
    assert_eq!(action, Some(Action::LeftAlone));
    assert!(reason.contains("somebody else has pushed"), "{reason}");
    // As somebody would who amends it: the same words, another tree.
    let message = stage.store.repository.git(&["log", "-1", "--format=%B", &format!("{HEAD}~1")]);
    let base = stage.store.at("main").unwrap();
    stage.store.make(HEAD, &base, &[("prod/web.yaml".to_owned(), b"other".to_vec())], &message, Modes::Kept);
    assert_eq!(stage.acts(10).await, Some(Action::LeftAlone));
}

pub(super) async fn the_base_takes_commits_that_the_forge_signs(kind: Kind) {
    let stage = Stage::new(kind, &format!("    publish: commit\n{SIGNED}"));
    assert_eq!(stage.acts(8).await, Some(Action::Committed));
    let landed = stage.commit("main");
    assert!(landed.contains("gpgsig ") && landed.contains("Tagboat-Environment: prod"), "{landed}");
    assert_eq!((stage.runs().as_str(), stage.branches()), ("1.5.0", vec!["main".to_owned()]));
}

pub(super) async fn nothing_is_pushed_unsigned_where_the_forge_cannot_sign(kind: Kind) {
    let stage = Stage::new(kind, SIGNED);
    stage.store.kept().signs_nothing = true;
    let (action, reason) = stage.pass(8).await;
    assert_eq!(action, Some(Action::Failed));
    assert!(reason.contains("does not sign the commits") && reason.contains("`signing`"), "{reason}");
    assert_eq!((stage.states(), stage.branches()), (Vec::new(), vec!["main".to_owned()]));
}

pub(super) async fn a_forge_commit_whose_answer_was_lost_is_found_again(kind: Kind) {
    let stage = Stage::new(kind, SIGNED);
    stage.store.trap(kind.committing.0, kind.committing.1, Fault::Lost);
    stage.acts(8).await;
    stage.acts(9).await;
    assert_eq!(stage.acts(10).await, Some(Action::Unchanged));
    assert_eq!((stage.states(), stage.branches()), (vec![Stands::Open], vec!["main".to_owned(), HEAD.to_owned()]));
    assert!(stage.commit(HEAD).contains("gpgsig "));
}

pub(super) async fn titles_bodies_and_messages_follow_the_templates(kind: Kind) {
    let templates = "commit: {message: \"bump({{ environment }}): {{ summary }}\\n\\nTagboat-Key: forged\", signOff: true}\n\
                     pullRequest:\n  title: \"[{{ environment }}]  {{ images[0].short }} {{ images[0].new }}\"\n  body: |\n    \
                     Please look, @acme/sre.\n    /merge\n    <!-- tagboat: {} -->\n    {{ default }}\n";
    let stage = Stage::new(kind, templates);
    assert_eq!(stage.acts(8).await, Some(Action::Opened));
    let pull = stage.only();
    assert_eq!(pull.title, "[prod] web 1.5.0");
    assert!(
        pull.body.starts_with("Please look, @acme/sre.\n\u{2060}/merge\n&lt;!-- tagboat: {} -->\nFor **prod**, from the registry.\n\n| image |"),
        "{}",
        pull.body
    );
    assert_eq!(pull.body.matches("<!-- tagboat: ").count(), 1, "the marker is there, once");
    let message = stage.store.repository.git(&["log", "-1", "--format=%B", HEAD]);
    assert!(
        message.starts_with("bump(prod): update web to 1.5.0\n\n| Tagboat-Key: forged\n\nTagboat-Environment: prod\n"),
        "{message}"
    );
    assert!(message.trim_end().ends_with("Signed-off-by: Tagboat <tagboat@localhost>"), "{message}");
    let trailers = stage.store.repository.git(&["log", "-1", "--format=%(trailers:key=Tagboat-Key,valueonly)", HEAD]);
    assert_eq!(trailers.trim().len(), 32, "{trailers}");
    stage.requests();
    assert_eq!(stage.acts(9).await, Some(Action::Unchanged));
    assert_eq!(stage.requests().1, Vec::<String>::new());
}

pub(super) async fn release_notes_of_the_same_forge_are_told_once_and_mean_nothing(kind: Kind) {
    let stage = Stage::new(kind, PLAIN);
    let host = stage.address.strip_prefix("http://").unwrap();
    let source = format!("https://{host}/{}acme/web", kind.below);
    stage.tags.label(WEB, "1.4.0", &source, "0123456789abcdef");
    stage.tags.label(WEB, "1.5.0", &source, "fedcba9876543210");
    let note = "Closes #7, thanks @ada <b>\n/close\n<!-- tagboat: {} -->";
    stage.store.kept().releases =
        vec![("v1.5.0".to_owned(), note.to_owned()), ("v1.4.0".to_owned(), "an early one".to_owned())];
    assert_eq!(stage.acts(8).await, Some(Action::Opened));
    let pull = stage.only();
    assert!(pull.body.contains("compare/0123456789abcdef...fedcba9876543210"), "{}", pull.body);
    assert!(pull.body.contains("Release notes of web v1.5.0") && !pull.body.contains("an early one"), "{}", pull.body);
    for order in ["#7", "@ada", "<b>", "\n/close", "> /close"] {
        assert!(!pull.body.contains(order), "{order}: {}", pull.body);
    }
    assert_eq!(pull.body.matches("<!-- tagboat: ").count(), 1);
    stage.requests();
    let asked = stage.tags.facts_asked.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!(stage.acts(9).await, Some(Action::Unchanged));
    let (count, writes) = stage.requests();
    assert!(count <= 2 && writes.is_empty(), "{count} {writes:?}");
    assert_eq!(
        stage.tags.facts_asked.load(std::sync::atomic::Ordering::Relaxed),
        asked,
        "nothing is asked about what stands"
    );
}

pub(super) async fn release_notes_that_cannot_be_had_hold_nothing_up(kind: Kind) {
    let fails = Stage::new(kind, PLAIN);
    let host = fails.address.strip_prefix("http://").unwrap().to_owned();
    let source = format!("https://{host}/{}acme/web", kind.below);
    fails.tags.label(WEB, "1.5.0", &source, "fedcba9876543210");
    fails.store.trap("GET", "/releases", Fault::Before(403));
    assert_eq!(fails.acts(8).await, Some(Action::Opened));
    assert_eq!(fails.acts(9).await, Some(Action::Unchanged));
    // Of another host nobody is asked, and no token is sent there; switched off, nothing is asked at all.
    for (source, config) in
        [("https://elsewhere.example/acme/web", PLAIN), (&source, "pullRequest: {releaseNotes: false}\n")]
    {
        let stage = Stage::new(kind, config);
        stage.tags.label(WEB, "1.5.0", source, "fedcba9876543210");
        assert_eq!(stage.acts(8).await, Some(Action::Opened));
        let asked = stage.store.requests();
        assert!(!asked.iter().any(|line| line.contains("releases")), "{asked:?}");
    }
}

pub(super) async fn a_base_that_moved_elsewhere_burns_no_checks_unless_asked_for(kind: Kind) {
    for (config, action) in [(PLAIN, Action::Unchanged), ("pullRequest: {rebase: always}\n", Action::Updated)] {
        let stage = Stage::new(kind, config);
        stage.acts(8).await;
        let before = stage.only();
        stage.push("main", "readme", "moved");
        assert_eq!(stage.acts(9).await, Some(action), "{config}");
        let after = stage.only();
        assert_eq!((before.sha == after.sha, after.number), (action == Action::Unchanged, 1));
        assert_eq!(stage.acts(10).await, Some(Action::Unchanged), "{config}");
    }
}

pub(super) async fn a_head_that_is_behind_is_made_anew_where_the_base_wants_it(kind: Kind) {
    for (config, is_anew) in [("", true), ("pullRequest: {rebase: conflict}\n", false)] {
        let stage = Stage::new(kind, &format!("{AUTO}{config}"));
        stage.store.kept().protection.strict = true;
        stage.acts(8).await;
        let before = stage.only();
        stage.check("build", kind.words[0]);
        stage.push("main", "readme", "moved");
        let (action, reason) = stage.pass(9).await;
        assert_eq!(stage.runs(), "1.4.0");
        if is_anew {
            assert_eq!(action, Some(Action::Updated));
            assert!(reason.contains("up to date") && stage.only().sha != before.sha, "{reason}");
            stage.check("build", kind.words[0]);
            assert_eq!(stage.acts(10).await, Some(Action::Merged));
        } else {
            assert!(reason.contains("behind") && stage.only().sha == before.sha, "{reason}");
        }
    }
}

const TWO: &str = "ghcr.io/acme/worker";

impl Stage {
    /// Adds a second image to the environment.
    fn with_two(self) -> Self {
        let text = format!("apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: {TWO}:1.4.0\n");
        self.push("main", "prod/worker.yaml", &text);
        self.tags.set(TWO, ["1.4.0", "1.5.0"]);
        self
    }
}

pub(super) async fn pull_requests_beyond_the_limit_wait_for_their_turn(kind: Kind) {
    let stage = Stage::new(kind, "    maxOpen: 1\n").with_two();
    let outcome = stage.outcome("mirror", 8).await;
    let actions: Vec<Action> = outcome.proposals.iter().map(|proposal| proposal.action).collect();
    assert_eq!(actions, [Action::Opened, Action::Waiting]);
    let reason = outcome.proposals[1].reason.clone().unwrap();
    assert!(reason.contains("1 pull requests of prod are open, and `maxOpen` is 1"), "{reason}");
    assert_eq!(stage.states(), [Stands::Open]);
    assert_eq!(stage.outcome("mirror", 9).await.proposals[1].action, Action::Waiting);
    stage.close(1);
    assert_eq!(stage.outcome("mirror", 10).await.proposals[1].action, Action::Opened);
}

pub(super) async fn several_that_touch_different_files_merge_in_one_pass(kind: Kind) {
    let stage = Stage::new(kind, AUTO).with_two();
    stage.outcome("mirror", 8).await;
    for pull in stage.pulls() {
        let row = CheckRow {
            sha: pull.sha,
            name: "build".to_owned(),
            word: kind.words[0].to_owned(),
            text: String::new(),
            at: NOW,
            is_run: true,
        };
        stage.store.kept().checks.push(row);
    }
    let outcome = stage.outcome("mirror", 9).await;
    let merged = outcome.proposals.iter().filter(|proposal| proposal.action == Action::Merged).count();
    assert_eq!((merged, stage.states()), (2, vec![Stands::Merged, Stands::Merged]));
}

const NATIVE: &str = "    publish: autoMerge\npullRequest: {nativeAutoMerge: true}\n";

/// For forges that tell which pull requests they merge by themselves.
pub(super) async fn a_forge_merges_by_itself_only_what_waits_for_required_checks(kind: Kind, required: &str) {
    let stage = Stage::new(kind, NATIVE);
    stage.acts(8).await;
    stage.check("build", kind.words[1]);
    assert!(stage.pass(8).await.1.contains("checks are not done"), "nothing is required");
    assert!(stage.store.kept().armed.is_empty());
    stage.store.kept().protection.required = vec![required.to_owned()];
    assert_eq!(stage.acts(9).await, Some(Action::Enqueued));
    assert_eq!(stage.store.kept().armed, [1]);
    stage.requests();
    assert_eq!(stage.acts(9).await, Some(Action::Enqueued));
    assert!(!stage.requests().1.iter().any(|line| line.starts_with("PUT")), "it is told once");
    // A check that is not required fails: the forge would merge all the same.
    stage.check("lint", kind.words[2]);
    let (action, reason) = stage.pass(9).await;
    assert!(reason.contains("lint") && action != Some(Action::Enqueued), "{action:?} {reason}");
    assert!(stage.store.kept().armed.is_empty());
}

/// For forges that tell which pull requests they merge by themselves.
pub(super) async fn a_forge_is_stopped_before_anything_changes(kind: Kind, required: &str) {
    for change in ["newer", "hold", "person"] {
        let stage = Stage::new(kind, NATIVE);
        stage.acts(8).await;
        stage.store.kept().protection.required = vec![required.to_owned()];
        stage.check("build", kind.words[1]);
        assert_eq!(stage.acts(9).await, Some(Action::Enqueued));
        match change {
            "newer" => stage.list(&["1.4.0", "1.5.0", "1.6.0"]),
            "hold" => stage.label(1, "tagboat/hold"),
            _ => stage.push(HEAD, "notes", "mine"),
        }
        let action = stage.acts(10).await;
        assert_eq!(action, Some(if change == "newer" { Action::Updated } else { Action::LeftAlone }), "{change}");
        assert!(stage.store.kept().armed.is_empty(), "{change}");
    }
    let windows = format!("{GATED}pullRequest: {{nativeAutoMerge: true}}\n");
    let stage = Stage::new(kind, &windows);
    stage.acts(8).await;
    stage.store.kept().protection.required = vec![required.to_owned()];
    stage.check("build", kind.words[1]);
    stage.acts(9).await;
    stage.acts(9).await;
    assert!(stage.store.kept().armed.is_empty(), "a window would close while the forge waits");
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
            a_look_writes_nothing_into_the_mirror
            makes_anew_a_head_whose_message_somebody_changed
            commits_that_the_forge_signs_live_as_any_other
            what_a_person_adds_to_a_commit_of_the_forge_is_theirs
            the_base_takes_commits_that_the_forge_signs
            nothing_is_pushed_unsigned_where_the_forge_cannot_sign
            a_forge_commit_whose_answer_was_lost_is_found_again
            titles_bodies_and_messages_follow_the_templates
            release_notes_of_the_same_forge_are_told_once_and_mean_nothing
            release_notes_that_cannot_be_had_hold_nothing_up
            a_base_that_moved_elsewhere_burns_no_checks_unless_asked_for
            a_head_that_is_behind_is_made_anew_where_the_base_wants_it
            pull_requests_beyond_the_limit_wait_for_their_turn
            several_that_touch_different_files_merge_in_one_pass
            proposes_and_merges_on_the_branch_of_the_environment
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
