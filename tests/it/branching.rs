//! A race on one of several branches: what went to the others stays, and the next round plans that one anew.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::Timestamp;
use tagboat::git::access::Access;
use tagboat::git::log::Line;
use tagboat::git::mirror::Mirror;
use tagboat::git::url::RemoteUrl;
use tagboat::git::{BlobId, GitError, Head, Pushed, Remote, TreeEntry};
use tagboat::manifest::Limits;
use tagboat::model::change::FileEdit;
use tagboat::model::commit::{CommitId, CommitPlan};
use tagboat::model::environment::BranchName;
use tagboat::model::proposal::Action;
use tagboat::pass::run::{Mode, Run, run};

use crate::support::memory::MemoryTags;
use crate::support::passes::on_plain_git;
use crate::support::repository::{Repository, Scratch, environment};

/// A mirror, before whose first pushes to one branch somebody else is faster.
struct Raced {
    inner: Mirror,
    branch: &'static str,
    rivals: AtomicUsize,
    people: Repository,
}

impl Remote for Raced {
    fn fetch(&self, branch: &BranchName) -> Result<CommitId, GitError> {
        self.inner.fetch(branch)
    }

    fn fetch_all(&self, branches: &[BranchName]) -> Vec<Result<CommitId, GitError>> {
        self.inner.fetch_all(branches)
    }

    fn entries(&self, commit: &CommitId) -> Result<Vec<TreeEntry>, GitError> {
        self.inner.entries(commit)
    }

    fn read(&self, blob: &BlobId, limit: u64) -> Result<Vec<u8>, GitError> {
        self.inner.read(blob, limit)
    }

    fn history(
        &self,
        branch: &BranchName,
        tip: &CommitId,
        limit: usize,
        wanted: &(dyn Fn(&str) -> bool + Sync),
    ) -> Result<Line, GitError> {
        self.inner.history(branch, tip, limit, wanted)
    }

    fn commit(
        &self,
        base: &CommitId,
        files: &[FileEdit],
        plan: &CommitPlan,
        now: Timestamp,
    ) -> Result<CommitId, GitError> {
        self.inner.commit(base, files, plan, now)
    }

    fn holds_what_is_made(&self, commit: &CommitId, base: &CommitId, files: &[FileEdit]) -> Result<bool, GitError> {
        self.inner.holds_what_is_made(commit, base, files)
    }

    fn tree(&self, commit: &CommitId) -> Result<String, GitError> {
        self.inner.tree(commit)
    }

    fn is_signed(&self, commit: &CommitId) -> Result<bool, GitError> {
        self.inner.is_signed(commit)
    }

    fn signs(&self, way: tagboat::model::commit::Sign) -> Result<(), String> {
        self.inner.signs(way)
    }

    fn heads(&self, prefix: &str) -> Result<Vec<(BranchName, CommitId)>, GitError> {
        self.inner.heads(prefix)
    }

    fn head(&self, name: &BranchName, tip: &CommitId, base: (&BranchName, &CommitId)) -> Result<Head, GitError> {
        self.inner.head(name, tip, base)
    }

    fn push_head(
        &self,
        branch: &BranchName,
        old: Option<&CommitId>,
        new: Option<&CommitId>,
    ) -> Result<Pushed, GitError> {
        self.inner.push_head(branch, old, new)
    }

    fn push(&self, branch: &BranchName, old: &CommitId, new: &CommitId) -> Result<Pushed, GitError> {
        let left = self.rivals.load(Ordering::SeqCst);
        if branch.as_str() == self.branch && left > 0 {
            self.rivals.store(left - 1, Ordering::SeqCst);
            self.people.git(&["fetch", "--quiet", "origin"]);
            self.people.git(&["checkout", "--quiet", "-B", self.branch, &format!("origin/{}", self.branch)]);
            self.people.commit_files(&[("notes", &format!("{left}"))], "Theirs", 3);
            self.people.git(&["push", "--quiet", "origin", self.branch]);
        }
        self.inner.push(branch, old, new)
    }
}

fn manifest(tag: &str) -> String {
    format!("apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: ghcr.io/acme/web:{tag}\n")
}

const CONFIG: &str = "version: 1
images: [{match: ghcr.io/acme/*, semver: 1.x}]
environments:
  - {name: eu, files: [apps/**], publish: commit}
  - {name: us, branch: us, files: [apps/**], publish: commit}
";

/// Runs a pass in which somebody else pushes to `us` first, so many times; the files of both, and what came of `us`.
async fn raced(rivals: usize) -> ([String; 2], Vec<(String, Action)>, usize) {
    let scratch = Scratch::new();
    let bare = scratch.bare("gitops.git", &[(".tagboat.yaml", CONFIG), ("apps/web.yaml", &manifest("1.4.0"))]);
    bare.git(&["branch", "--quiet", "us", "main"]);
    let people = Repository { folder: scratch.path("people") };
    bare.git(&["clone", "--quiet", &bare.folder.display().to_string(), &people.folder.display().to_string()]);
    let url = RemoteUrl::from_path(&bare.folder);
    let inner = Mirror::open(&scratch.path("mirror"), url, Access::None, environment(None)).unwrap();
    let remote: Arc<dyn Remote> = Arc::new(Raced { inner, branch: "us", rivals: AtomicUsize::new(rivals), people });
    let tags = MemoryTags::default();
    tags.set("ghcr.io/acme/web", ["1.4.0", "1.5.0"]);
    let outcome = run(&Run {
        remote,
        branch: &BranchName::from("main"),
        config: None,
        neighbours: &tagboat::pass::elsewhere::nobody,
        source: &tags,
        sources: &crate::support::sources::none(),
        cache: &tagboat::pass::setup::no_cache(),
        detail: tagboat::pass::Detail::EveryTag,
        only: &[],
        limits: &Limits::default(),
        now: "2026-11-20T09:00:00Z".parse().unwrap(),
        clock: &tagboat::clock::FixedClock("2026-11-20T09:00:00Z".parse().unwrap()),
        publishing: on_plain_git(),
        mode: Mode::Act,
        progress: &|_| {},
        read_config: &|_| {},
        turn: tagboat::pass::Turn::default(),
    })
    .await
    .unwrap();
    let files = ["main", "us"].map(|branch| String::from_utf8(bare.show(branch, "apps/web.yaml")).unwrap());
    let of = |one: &tagboat::model::proposal::Proposal| (one.environment.to_string(), one.action);
    (files, outcome.proposals.iter().map(of).collect(), outcome.commits.len())
}

#[tokio::test]
async fn what_moved_meanwhile_is_planned_anew_and_what_landed_stays() {
    let (files, proposals, commits) = raced(2).await;
    assert_eq!(files, [manifest("1.5.0"), manifest("1.5.0")]);
    let landed = |name: &str| (name.to_owned(), Action::Committed);
    assert_eq!((proposals, commits), (vec![landed("eu"), landed("us")], 2));
}

#[tokio::test]
async fn a_branch_that_never_rests_waits_for_the_next_pass() {
    let (files, proposals, commits) = raced(100).await;
    assert_eq!(files, [manifest("1.5.0"), manifest("1.4.0")]);
    assert_eq!(commits, 1);
    assert!(proposals.iter().all(|(name, action)| name != "us" || *action != Action::Committed), "{proposals:?}");
}
