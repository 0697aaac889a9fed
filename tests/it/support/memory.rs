//! A registry and a Git remote in memory: the same seams as the real ones, with nothing outside the process.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use tagboat::git::log::{ChangedFile, Line, LogEntry, LogStep};
use tagboat::git::{Beneath, BlobId, EntryKind, GitError, Head, Pushed, Remote, TreeEntry};
use tagboat::model::change::FileEdit;
use tagboat::model::commit::{CommitId, CommitPlan, Identity, Sign};
use tagboat::model::environment::BranchName;
use tagboat::model::file::RepoPath;
use tagboat::model::image::{Digest, ImageName, Tag};
use tagboat::model::signature::SignatureVerdict;
use tagboat::model::tags::{FactKind, ImageTags, Labels, TagFacts};
use tagboat::registry::{SourceError, TagSource};
use tagboat::signature::Requirement;

/// What a memory says of which it knows nothing.
const NOT_KEPT: &str = "not kept in memory";

/// Tags by image; every image can be made to fail, and questions are counted.
#[derive(Default)]
pub(crate) struct MemoryTags {
    images: Mutex<BTreeMap<ImageName, Arc<ImageTags>>>,
    broken: Mutex<BTreeMap<ImageName, String>>,
    gone: Mutex<BTreeSet<(ImageName, Tag)>>,
    lost: Mutex<BTreeSet<Digest>>,
    labels: Mutex<BTreeMap<(ImageName, Tag), Labels>>,
    made: Mutex<BTreeMap<(ImageName, Tag), Timestamp>>,
    pushed_anew: Mutex<BTreeMap<(ImageName, Tag), Digest>>,
    pub(crate) lists_asked: AtomicUsize,
    pub(crate) facts_asked: AtomicUsize,
}

impl MemoryTags {
    /// Sets the whole list of an image.
    pub(crate) fn set<'a>(&self, image: &str, tags: impl IntoIterator<Item = &'a str>) {
        let tags = ImageTags { list: tags.into_iter().collect(), ..ImageTags::default() };
        self.images.lock().unwrap().insert(image.parse().unwrap(), Arc::new(tags));
    }

    /// Lets the registry say that it has no such version, which stays in the list until that is set anew.
    pub(crate) fn delete(&self, image: &str, tag: &str) {
        self.gone.lock().unwrap().insert((image.parse().unwrap(), tag.parse().unwrap()));
    }

    /// Lets the registry say that it has no such content, whatever points there.
    pub(crate) fn lose(&self, digest: &str) {
        self.lost.lock().unwrap().insert(digest.parse().unwrap());
    }

    /// Says where a version of an image comes from.
    pub(crate) fn label(&self, image: &str, tag: &str, source: &str, revision: &str) {
        let labels =
            Labels { source: Some(source.to_owned()), revision: Some(revision.to_owned()), ..Labels::default() };
        self.labels.lock().unwrap().insert((image.parse().unwrap(), tag.parse().unwrap()), labels);
    }

    /// Says when a version of an image was made.
    pub(crate) fn made(&self, image: &str, tag: &str, time: &str) {
        self.made.lock().unwrap().insert((image.parse().unwrap(), tag.parse().unwrap()), time.parse().unwrap());
    }

    /// Lets a tag stand for other content from now on.
    pub(crate) fn point(&self, image: &str, tag: &str, digest: &str) {
        let key = (image.parse().unwrap(), tag.parse().unwrap());
        self.pushed_anew.lock().unwrap().insert(key, digest.parse().unwrap());
    }

    /// Makes questions about an image fail.
    pub(crate) fn break_image(&self, image: &str, reason: &str) {
        self.broken.lock().unwrap().insert(image.parse().unwrap(), reason.to_owned());
    }

    /// Lets questions about an image be answered again.
    pub(crate) fn mend_image(&self, image: &str) {
        self.broken.lock().unwrap().remove(&image.parse().unwrap());
    }

    /// The digest that this registry gives a tag: made from its name, so that tests can foretell it.
    pub(crate) fn digest(image: &str, tag: &str) -> String {
        let text = format!("{image}:{tag}");
        let sum = text.bytes().fold(7u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
        format!("sha256:{}", format!("{sum:016x}").repeat(4))
    }
}

impl TagSource for MemoryTags {
    fn tags<'a>(&'a self, image: &'a ImageName) -> BoxFuture<'a, Result<Arc<ImageTags>, SourceError>> {
        self.lists_asked.fetch_add(1, Ordering::Relaxed);
        if let Some(reason) = self.broken.lock().unwrap().get(image) {
            return Box::pin(std::future::ready(Err(SourceError::Failed(reason.clone()))));
        }
        let answer = self.images.lock().unwrap().get(image).cloned();
        Box::pin(std::future::ready(answer.ok_or_else(|| SourceError::Unknown(image.clone()))))
    }

    fn facts<'a>(
        &'a self,
        image: &'a ImageName,
        tag: &'a Tag,
        kind: FactKind,
    ) -> BoxFuture<'a, Result<TagFacts, SourceError>> {
        self.facts_asked.fetch_add(1, Ordering::Relaxed);
        if let Some(reason) = self.broken.lock().unwrap().get(image) {
            return Box::pin(std::future::ready(Err(SourceError::Failed(reason.clone()))));
        }
        if self.gone.lock().unwrap().contains(&(image.clone(), tag.clone())) {
            return Box::pin(std::future::ready(Err(SourceError::Absent(format!("{image}:{tag} is not there")))));
        }
        let answer = match kind {
            FactKind::Digest => {
                let anew = self.pushed_anew.lock().unwrap().get(&(image.clone(), tag.clone())).cloned();
                let digest = anew.unwrap_or_else(|| Self::digest(image.as_str(), tag.as_str()).parse().unwrap());
                Ok(TagFacts { digest: Some(digest), ..TagFacts::default() })
            }
            FactKind::Image if self.made.lock().unwrap().contains_key(&(image.clone(), tag.clone())) => {
                let created = self.made.lock().unwrap().get(&(image.clone(), tag.clone())).copied();
                let digest = Self::digest(image.as_str(), tag.as_str()).parse().unwrap();
                Ok(TagFacts { digest: Some(digest), platforms: Some(Vec::new()), created, ..TagFacts::default() })
            }
            FactKind::Image if self.labels.lock().unwrap().contains_key(&(image.clone(), tag.clone())) => {
                let labels = self.labels.lock().unwrap()[&(image.clone(), tag.clone())].clone();
                let digest = Self::digest(image.as_str(), tag.as_str()).parse().unwrap();
                Ok(TagFacts { digest: Some(digest), platforms: Some(Vec::new()), labels, ..TagFacts::default() })
            }
            FactKind::Image | FactKind::Pushed => Err(SourceError::Failed(NOT_KEPT.to_owned())),
        };
        Box::pin(std::future::ready(answer))
    }

    fn image_of<'a>(
        &'a self,
        image: &'a ImageName,
        tag: &'a Tag,
        digest: &'a Digest,
    ) -> BoxFuture<'a, Result<TagFacts, SourceError>> {
        let told = self.facts(image, tag, FactKind::Image);
        let is_lost = self.lost.lock().unwrap().contains(digest);
        Box::pin(async move {
            match told.await {
                _ if is_lost => Err(SourceError::Absent(format!("{image}@{digest} is not there"))),
                // The content stays, and says nothing of itself.
                Err(SourceError::Failed(reason)) if reason == NOT_KEPT => {
                    Ok(TagFacts { digest: Some(digest.clone()), ..TagFacts::default() })
                }
                told => told,
            }
        })
    }

    fn signed<'a>(
        &'a self,
        _: &'a ImageName,
        _: &'a Tag,
        _: &'a Digest,
        _: &'a Requirement,
    ) -> BoxFuture<'a, Result<SignatureVerdict, SourceError>> {
        Box::pin(std::future::ready(Err(SourceError::Failed(NOT_KEPT.to_owned()))))
    }
}

type Tree = BTreeMap<RepoPath, Arc<Vec<u8>>>;

/// One branch with its commits; another writer can be let in before the next push.
#[derive(Default)]
pub(crate) struct MemoryRemote {
    state: Mutex<State>,
    /// How often a file was read.
    pub(crate) reads: AtomicUsize,
}

/// A commit: its files, its parent, and what history tells of it.
struct Made {
    tree: Tree,
    parent: Option<usize>,
    message: String,
    author: Identity,
    time: Timestamp,
}

#[derive(Default)]
struct State {
    commits: Vec<Made>,
    tip: Option<usize>,
    heads: BTreeMap<BranchName, usize>,
    blobs: BTreeMap<BlobId, Arc<Vec<u8>>>,
    rivals: Vec<(RepoPath, Vec<u8>)>,
    forbids: Option<String>,
    /// The head branch that may not be pushed.
    forbids_head: Option<BranchName>,
}

impl State {
    fn add(&mut self, made: Made) -> usize {
        for content in made.tree.values() {
            self.blobs.entry(blob_id(content)).or_insert_with(|| Arc::clone(content));
        }
        self.commits.push(made);
        self.commits.len() - 1
    }

    /// Returns the tree in which the files hold their new content.
    fn edited(&self, base: &CommitId, files: &[FileEdit]) -> Result<Tree, GitError> {
        let mut tree = self.commits[index_of(base)].tree.clone();
        for edit in files {
            let held = tree.get(&edit.file).map(|content| content.to_vec()).unwrap_or_default();
            if held != edit.before {
                return Err(GitError::Broken(format!("{} holds something else than was edited", edit.file)));
            }
            tree.insert(edit.file.clone(), Arc::new(edit.after.clone()));
        }
        Ok(tree)
    }

    /// Adds a person's commit on top of the tip, at its time or the given one.
    fn add_by_person(&mut self, files: &[(&str, Option<&str>)], time: Option<Timestamp>, message: &str) {
        let tip = self.tip.expect("a person commits onto something");
        let mut tree = self.commits[tip].tree.clone();
        for (path, text) in files {
            let path = RepoPath::new(path).unwrap();
            match text {
                Some(text) => tree.insert(path, Arc::new(text.as_bytes().to_vec())),
                None => tree.remove(&path),
            };
        }
        let time = time.unwrap_or(self.commits[tip].time);
        let made = Made { tree, parent: Some(tip), message: message.to_owned(), author: person(), time };
        self.tip = Some(self.add(made));
    }
}

fn blob_id(content: &[u8]) -> BlobId {
    tagboat::git::blob_id(content).unwrap()
}

fn person() -> Identity {
    Identity { name: "A person".to_owned(), email: "person@acme.example".to_owned() }
}

fn commit_id(index: usize) -> CommitId {
    CommitId(format!("{index:040}").into())
}

fn index_of(id: &CommitId) -> usize {
    id.as_str().parse().expect("the ids are this remote's own")
}

impl MemoryRemote {
    /// Makes a branch that holds these files.
    pub(crate) fn with(files: &[(&str, &str)]) -> Self {
        let tree = files
            .iter()
            .map(|(path, text)| (RepoPath::new(path).unwrap(), Arc::new(text.as_bytes().to_vec())))
            .collect();
        let mut state = State::default();
        let time = "2026-11-01T00:00:00Z".parse().unwrap();
        let made = Made { tree, parent: None, message: "first".to_owned(), author: person(), time };
        state.tip = Some(state.add(made));
        Self { state: Mutex::new(state), reads: AtomicUsize::new(0) }
    }

    /// Lets somebody else push a file right before the next push of ours; once for each call.
    pub(crate) fn let_rival_push(&self, path: &str, text: &str) {
        self.state.lock().unwrap().rivals.push((RepoPath::new(path).unwrap(), text.into()));
    }

    /// Lets a person commit files at a moment; a file without text is removed.
    pub(crate) fn edit(&self, time: &str, message: &str, files: &[(&str, Option<&str>)]) {
        self.state.lock().unwrap().add_by_person(files, Some(time.parse().unwrap()), message);
    }

    /// Lets a person add a commit to a head branch.
    pub(crate) fn push_to_head(&self, head: &str, path: &str, text: &str) {
        let mut state = self.state.lock().unwrap();
        let name = BranchName::from(head);
        let below = state.heads[&name];
        let mut tree = state.commits[below].tree.clone();
        tree.insert(RepoPath::new(path).unwrap(), Arc::new(text.as_bytes().to_vec()));
        let time = state.commits[below].time;
        let made = Made { tree, parent: Some(below), message: "Mine".to_owned(), author: person(), time };
        let tip = state.add(made);
        state.heads.insert(name, tip);
    }

    /// Makes the remote refuse every push.
    pub(crate) fn forbid(&self, words: &str) {
        self.state.lock().unwrap().forbids = Some(words.to_owned());
    }

    /// Makes the remote refuse every push to a head branch; `None` takes that back.
    pub(crate) fn forbid_head(&self, head: Option<&str>) {
        self.state.lock().unwrap().forbids_head = head.map(BranchName::from);
    }

    /// Reads a file of the branch.
    pub(crate) fn file(&self, path: &str) -> String {
        let state = self.state.lock().unwrap();
        let content = &state.commits[state.tip.unwrap()].tree[&RepoPath::new(path).unwrap()];
        String::from_utf8(content.to_vec()).unwrap()
    }

    /// Returns the messages of the branch, the newest last.
    pub(crate) fn messages(&self) -> Vec<String> {
        let state = self.state.lock().unwrap();
        let line = std::iter::successors(state.tip, |index| state.commits[*index].parent);
        let mut messages: Vec<String> = line.map(|index| state.commits[index].message.clone()).collect();
        messages.reverse();
        messages
    }
}

impl Remote for MemoryRemote {
    fn fetch(&self, branch: &BranchName) -> Result<CommitId, GitError> {
        if branch.as_str() != "main" {
            return Err(GitError::NoBranch { branch: branch.clone(), there: Vec::new() });
        }
        self.state.lock().unwrap().tip.map(commit_id).ok_or(GitError::EmptyRepository)
    }

    fn entries(&self, commit: &CommitId) -> Result<Vec<TreeEntry>, GitError> {
        let state = self.state.lock().unwrap();
        let entry = |(path, content): (&RepoPath, &Arc<Vec<u8>>)| TreeEntry {
            path: Ok(path.clone()),
            kind: EntryKind::File,
            blob: blob_id(content),
        };
        Ok(state.commits[index_of(commit)].tree.iter().map(entry).collect())
    }

    fn read(&self, blob: &BlobId, limit: u64) -> Result<Vec<u8>, GitError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let content = Arc::clone(&self.state.lock().unwrap().blobs[blob]);
        let size = content.len() as u64;
        if size > limit { Err(GitError::TooLarge { what: "blob".into(), size, limit }) } else { Ok(content.to_vec()) }
    }

    fn history(
        &self,
        _branch: &BranchName,
        tip: &CommitId,
        limit: usize,
        wanted: &(dyn Fn(&str) -> bool + Sync),
    ) -> Result<Line, GitError> {
        let state = self.state.lock().unwrap();
        let mut steps = Vec::new();
        let mut next = Some(index_of(tip));
        let nothing = Tree::new();
        let mut oldest = state.commits[index_of(tip)].time;
        while let Some(index) = next.filter(|_| steps.len() < limit) {
            let made = &state.commits[index];
            let before = made.parent.map_or(&nothing, |parent| &state.commits[parent].tree);
            let paths: BTreeSet<&RepoPath> = before.keys().chain(made.tree.keys()).collect();
            let changed = paths
                .into_iter()
                .filter(|path| before.get(*path) != made.tree.get(*path) && wanted(path.as_str()))
                .map(|path| ChangedFile {
                    path: path.clone(),
                    before: before.get(path).map(|content| blob_id(content)),
                    after: made.tree.get(path).map(|content| blob_id(content)),
                })
                .collect();
            oldest = made.time;
            let entry = LogEntry {
                id: commit_id(index),
                parent: made.parent.map(commit_id),
                is_merge: false,
                others: Vec::new(),
                author: made.author.clone(),
                committer: made.author.clone(),
                time: made.time,
                message: made.message.clone(),
                merged: Vec::new(),
            };
            steps.push(LogStep { entry, changed });
            next = made.parent;
        }
        Ok(Line { steps, beside: Vec::new(), oldest, whole: next.is_none() })
    }

    fn holds_what_is_made(&self, commit: &CommitId, base: &CommitId, files: &[FileEdit]) -> Result<bool, GitError> {
        let state = self.state.lock().unwrap();
        Ok(state.commits[index_of(commit)].tree == state.edited(base, files)?)
    }

    fn tree(&self, commit: &CommitId) -> Result<String, GitError> {
        let state = self.state.lock().unwrap();
        let entry = |(path, content): (&RepoPath, &Arc<Vec<u8>>)| format!("{path} {}\n", blob_id(content).0);
        let listed: String = state.commits[index_of(commit)].tree.iter().map(entry).collect();
        Ok(blob_id(listed.as_bytes()).0)
    }

    fn is_signed(&self, _commit: &CommitId) -> Result<bool, GitError> {
        Ok(false)
    }

    fn signs(&self, _way: Sign) -> Result<(), String> {
        Err("a remote in memory signs nothing".to_owned())
    }

    fn heads(&self, prefix: &str) -> Result<Vec<(BranchName, CommitId)>, GitError> {
        let state = self.state.lock().unwrap();
        let found = state.heads.iter().filter(|(name, _)| name.as_str().starts_with(prefix));
        Ok(found.map(|(name, tip)| (name.clone(), commit_id(*tip))).collect())
    }

    fn head(
        &self,
        _name: &BranchName,
        tip: &CommitId,
        (branch, base): (&BranchName, &CommitId),
    ) -> Result<Head, GitError> {
        let step = self.history(branch, tip, 1, &|_| true)?.steps.remove(0);
        let line = self.history(branch, base, usize::MAX, &|_| false)?;
        let on_base = line.steps.iter().any(|below| Some(&below.entry.id) == step.entry.parent.as_ref());
        let is_empty = line.steps.iter().any(|below| below.entry.id == *tip);
        let on_line = |id: &CommitId| line.steps.iter().any(|below| below.entry.id == *id);
        let below = self.history(branch, tip, usize::MAX, &|_| false)?.steps.into_iter().skip(1);
        let below: Vec<_> = below.map(|step| step.entry).take_while(|entry| !on_line(&entry.id)).collect();
        let beneath = if is_empty || below.is_empty() { Beneath::Nothing } else { Beneath::Commits(below) };
        Ok(Head { tip: tip.clone(), step, on_base: on_base && !is_empty, is_empty, undone: Vec::new(), beneath })
    }

    fn push_head(
        &self,
        branch: &BranchName,
        old: Option<&CommitId>,
        new: Option<&CommitId>,
    ) -> Result<Pushed, GitError> {
        let mut state = self.state.lock().unwrap();
        if let Some(words) = &state.forbids {
            return Ok(Pushed::Forbidden(words.clone()));
        }
        if state.forbids_head.as_ref() == Some(branch) {
            return Ok(Pushed::Forbidden(format!("nobody may push to {branch}")));
        }
        if state.heads.get(branch).copied() != old.map(index_of) {
            return Ok(Pushed::Moved);
        }
        match new {
            Some(new) => state.heads.insert(branch.clone(), index_of(new)),
            None => state.heads.remove(branch),
        };
        Ok(Pushed::Done)
    }

    fn commit(
        &self,
        base: &CommitId,
        files: &[FileEdit],
        plan: &CommitPlan,
        now: Timestamp,
    ) -> Result<CommitId, GitError> {
        let mut state = self.state.lock().unwrap();
        let tree = state.edited(base, files)?;
        let (message, author) = (plan.message.clone(), plan.author.clone());
        Ok(commit_id(state.add(Made { tree, parent: Some(index_of(base)), message, author, time: now })))
    }

    fn push(&self, _branch: &BranchName, old: &CommitId, new: &CommitId) -> Result<Pushed, GitError> {
        let mut state = self.state.lock().unwrap();
        if let Some(words) = &state.forbids {
            return Ok(Pushed::Forbidden(words.clone()));
        }
        if let Some((path, content)) = state.rivals.pop() {
            let text = String::from_utf8(content).unwrap();
            state.add_by_person(&[(path.as_str(), Some(&text))], None, "a rival's");
        }
        if state.tip.map(commit_id).as_ref() != Some(old) {
            return Ok(Pushed::Moved);
        }
        state.tip = Some(index_of(new));
        Ok(Pushed::Done)
    }
}
