//! Commits, branches and files in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use tagboat::git::BlobId;
use tagboat::git::log::{Beside, ChangedFile, LogEntry, LogStep};
use tagboat::model::commit::{CommitId, Identity};
use tagboat::model::environment::BranchName;
use tagboat::model::file::RepoPath;

use super::By;

pub(in crate::simulation) type Tree = BTreeMap<RepoPath, BlobId>;

/// A commit, and who really made it.
pub(in crate::simulation) struct Commit {
    pub(in crate::simulation) tree: Arc<Tree>,
    pub(in crate::simulation) parents: Vec<CommitId>,
    pub(in crate::simulation) author: Identity,
    pub(in crate::simulation) time: Timestamp,
    pub(in crate::simulation) message: String,
    pub(in crate::simulation) by: By,
}

/// What a new commit is made of.
pub(in crate::simulation) struct NewCommit<'a> {
    pub(in crate::simulation) tree: Tree,
    pub(in crate::simulation) parents: Vec<CommitId>,
    pub(in crate::simulation) author: Identity,
    pub(in crate::simulation) time: Timestamp,
    pub(in crate::simulation) message: &'a str,
    pub(in crate::simulation) by: By,
}

#[derive(Clone)]
pub(in crate::simulation) struct Store {
    commits: BTreeMap<CommitId, Arc<Commit>>,
    blobs: BTreeMap<BlobId, Arc<Vec<u8>>>,
    pub(in crate::simulation) main: CommitId,
    pub(in crate::simulation) heads: BTreeMap<BranchName, CommitId>,
}

/// The words of a message, but for when a version was published: one pass may know that, and another one not.
pub(in crate::simulation) fn words(message: &str) -> Vec<&str> {
    message.lines().filter(|line| !line.starts_with("Tagboat-Dated: ")).collect()
}

pub(in crate::simulation) fn person() -> Identity {
    Identity { name: "Someone".to_owned(), email: "someone@acme.example".to_owned() }
}

impl Store {
    pub(in crate::simulation) fn with(files: &[(String, String)], time: Timestamp) -> Self {
        let mut store = Self {
            commits: BTreeMap::new(),
            blobs: BTreeMap::new(),
            main: CommitId("none".into()),
            heads: BTreeMap::new(),
        };
        let tree = files.iter().map(|(path, text)| (RepoPath::new(path).unwrap(), store.add_blob(text.as_bytes())));
        let tree = tree.collect();
        let (author, message) = (person(), "first");
        store.main = store.add(NewCommit { tree, parents: Vec::new(), author, time, message, by: By::Person });
        store
    }

    pub(in crate::simulation) fn add_blob(&mut self, content: &[u8]) -> BlobId {
        let id = tagboat::git::blob_id(content).unwrap();
        self.blobs.entry(id.clone()).or_insert_with(|| Arc::new(content.to_vec()));
        id
    }

    /// Adds a commit; the same one made twice is one, as in Git.
    pub(in crate::simulation) fn add(&mut self, new: NewCommit<'_>) -> CommitId {
        let NewCommit { tree, parents, author, time, message, by } = new;
        let text = format!("{tree:?}{parents:?}{author:?}{time}{message}");
        let id = CommitId(tagboat::git::blob_id(text.as_bytes()).unwrap().0.into());
        let commit = Commit { tree: Arc::new(tree), parents, author, time, message: message.to_owned(), by };
        self.commits.entry(id.clone()).or_insert_with(|| Arc::new(commit));
        id
    }

    /// Returns who ordered what a message says, word for word.
    pub(in crate::simulation) fn order_of(&self, message: &str) -> Option<By> {
        let same =
            |commit: &&Arc<Commit>| matches!(commit.by, By::Order(_)) && words(&commit.message) == words(message);
        self.commits.values().find(same).map(|commit| commit.by)
    }

    pub(in crate::simulation) fn commit(&self, id: &CommitId) -> &Arc<Commit> {
        &self.commits[id]
    }

    pub(in crate::simulation) fn blob(&self, id: &BlobId) -> &Arc<Vec<u8>> {
        &self.blobs[id]
    }

    pub(in crate::simulation) fn text(&self, id: &BlobId) -> &str {
        std::str::from_utf8(self.blob(id)).unwrap()
    }

    pub(in crate::simulation) fn tree(&self, id: &CommitId) -> &Arc<Tree> {
        &self.commit(id).tree
    }

    /// Follows first parents.
    pub(in crate::simulation) fn line<'a>(
        &'a self,
        tip: &CommitId,
    ) -> impl Iterator<Item = (&'a CommitId, &'a Commit)> {
        let first = self.commits.get_key_value(tip);
        std::iter::successors(first, |(_, commit)| {
            commit.parents.first().and_then(|parent| self.commits.get_key_value(parent))
        })
        .map(|(id, commit)| (id, &**commit))
    }

    /// Every commit that can be reached from one.
    pub(in crate::simulation) fn reachable(&self, tip: &CommitId) -> BTreeSet<&CommitId> {
        let mut found = BTreeSet::new();
        let mut waiting: Vec<&CommitId> = self.commits.get_key_value(tip).map(|(id, _)| id).into_iter().collect();
        while let Some(id) = waiting.pop() {
            if found.insert(id) {
                waiting.extend(&self.commits[id].parents);
            }
        }
        found
    }

    /// The commits of a head that the base does not have.
    pub(in crate::simulation) fn beyond(&self, tip: &CommitId, base: &CommitId) -> Vec<&Arc<Commit>> {
        let below = self.reachable(base);
        self.reachable(tip).into_iter().filter(|id| !below.contains(id)).map(|id| &self.commits[id]).collect()
    }

    /// Where a head left the base.
    pub(in crate::simulation) fn fork(&self, head: &CommitId, base: &CommitId) -> CommitId {
        let below = self.reachable(base);
        let found = self.line(head).map(|(id, _)| id).find(|id| below.contains(id));
        found.expect("every branch began on the base").clone()
    }

    /// The changes that a merge would bring to the base; `None` where both sides changed a file.
    pub(in crate::simulation) fn merged(&self, head: &CommitId) -> Option<Tree> {
        let fork = self.fork(head, &self.main);
        let (fork, ours, theirs) = (self.tree(&fork), self.tree(&self.main), self.tree(head));
        let mut tree = Tree::clone(ours);
        for (path, _, after) in differences(fork, theirs) {
            if ours.get(path) != fork.get(path) && ours.get(path) != after {
                return None;
            }
            match after {
                Some(blob) => tree.insert(path.clone(), blob.clone()),
                None => tree.remove(path),
            };
        }
        Some(tree)
    }

    /// Tells of the commits that merges brought.
    pub(in crate::simulation) fn beside(
        &self,
        steps: &[LogStep],
        wanted: &(dyn Fn(&str) -> bool + Sync),
    ) -> Vec<Beside> {
        let mut found = Vec::new();
        for (onto, step) in steps.iter().enumerate() {
            if let [first, other] = self.commit(&step.entry.id).parents.as_slice() {
                let below = self.reachable(first);
                let line = self.line(other).take_while(|(id, _)| !below.contains(id));
                found.extend(line.map(|(id, _)| Beside { onto, step: self.step(id, wanted), is_dropped: false }));
            }
        }
        found
    }

    /// Tells of a commit what `git log` would.
    pub(in crate::simulation) fn step(&self, id: &CommitId, wanted: &(dyn Fn(&str) -> bool + Sync)) -> LogStep {
        let commit = self.commit(id);
        let nothing = Arc::new(Tree::new());
        let before = commit.parents.first().map_or(&nothing, |parent| self.tree(parent));
        let changed = differences(before, &commit.tree)
            .filter(|(path, ..)| wanted(path.as_str()))
            .map(|(path, before, after)| ChangedFile {
                path: path.clone(),
                before: before.cloned(),
                after: after.cloned(),
            })
            .collect();
        let merged = match commit.parents.as_slice() {
            [first, other] => {
                let below = self.reachable(first);
                let line = self.line(other).take_while(|(id, _)| !below.contains(id));
                line.map(|(_, commit)| commit.message.clone()).collect()
            }
            _ => Vec::new(),
        };
        let entry = LogEntry {
            id: id.clone(),
            parent: commit.parents.first().cloned(),
            is_merge: commit.parents.len() > 1,
            others: commit.parents.iter().skip(1).cloned().collect(),
            author: commit.author.clone(),
            committer: commit.author.clone(),
            time: commit.time,
            message: commit.message.clone(),
            merged,
        };
        LogStep { entry, changed }
    }
}

/// The files that differ between two trees.
pub(in crate::simulation) fn differences<'a>(
    before: &'a Tree,
    after: &'a Tree,
) -> impl Iterator<Item = (&'a RepoPath, Option<&'a BlobId>, Option<&'a BlobId>)> {
    let paths: BTreeSet<&RepoPath> = before.keys().chain(after.keys()).collect();
    paths.into_iter().map(|path| (path, before.get(path), after.get(path))).filter(|(_, old, new)| old != new)
}
