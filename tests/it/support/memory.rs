//! A registry and a Git remote in memory: the same seams as the real ones, with nothing outside the process.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use tagboat::git::{BlobId, EntryKind, GitError, Pushed, Remote, TreeEntry};
use tagboat::model::change::FileEdit;
use tagboat::model::commit::{CommitId, CommitPlan};
use tagboat::model::environment::BranchName;
use tagboat::model::file::RepoPath;
use tagboat::model::image::{Digest, ImageName, Tag};
use tagboat::model::signature::SignatureVerdict;
use tagboat::model::tags::{FactKind, ImageTags, TagFacts};
use tagboat::registry::{SourceError, TagSource};
use tagboat::signature::Requirement;

/// Tags by image; every image can be made to fail, and questions are counted.
#[derive(Default)]
pub(crate) struct MemoryTags {
    images: Mutex<BTreeMap<ImageName, Arc<ImageTags>>>,
    broken: Mutex<BTreeMap<ImageName, String>>,
    pub(crate) lists_asked: AtomicUsize,
    pub(crate) facts_asked: AtomicUsize,
}

impl MemoryTags {
    /// Sets the whole list of an image.
    pub(crate) fn set<'a>(&self, image: &str, tags: impl IntoIterator<Item = &'a str>) {
        let tags = ImageTags { list: tags.into_iter().collect(), ..ImageTags::default() };
        self.images.lock().unwrap().insert(image.parse().unwrap(), Arc::new(tags));
    }

    /// Makes questions about an image fail.
    pub(crate) fn break_image(&self, image: &str, reason: &str) {
        self.broken.lock().unwrap().insert(image.parse().unwrap(), reason.to_owned());
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
        let answer = match kind {
            FactKind::Digest => {
                let digest = Self::digest(image.as_str(), tag.as_str()).parse().unwrap();
                Ok(TagFacts { digest: Some(digest), ..TagFacts::default() })
            }
            FactKind::Image | FactKind::Pushed => Err(SourceError::Failed("not kept in memory".to_owned())),
        };
        Box::pin(std::future::ready(answer))
    }

    fn signed<'a>(
        &'a self,
        _: &'a ImageName,
        _: &'a Tag,
        _: &'a Digest,
        _: &'a Requirement,
    ) -> BoxFuture<'a, Result<SignatureVerdict, SourceError>> {
        Box::pin(std::future::ready(Err(SourceError::Failed("not kept in memory".to_owned()))))
    }
}

type Tree = BTreeMap<RepoPath, Arc<Vec<u8>>>;

/// One branch with its commits; another writer can be let in before the next push.
#[derive(Default)]
pub(crate) struct MemoryRemote {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    commits: Vec<(Tree, String)>,
    tip: Option<usize>,
    blobs: BTreeMap<BlobId, Arc<Vec<u8>>>,
    rivals: Vec<(RepoPath, Vec<u8>)>,
    forbids: Option<String>,
}

impl State {
    fn add(&mut self, tree: Tree, message: String) -> usize {
        for content in tree.values() {
            self.blobs.entry(blob_id(content)).or_insert_with(|| Arc::clone(content));
        }
        self.commits.push((tree, message));
        self.commits.len() - 1
    }
}

/// An id by content, as Git has it; the content itself is the simplest hash without collisions.
fn blob_id(content: &[u8]) -> BlobId {
    BlobId(String::from_utf8_lossy(content).into_owned())
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
        state.tip = Some(state.add(tree, "first".to_owned()));
        Self { state: Mutex::new(state) }
    }

    /// Lets somebody else push a file right before the next push of ours; once for each call.
    pub(crate) fn let_rival_push(&self, path: &str, text: &str) {
        self.state.lock().unwrap().rivals.push((RepoPath::new(path).unwrap(), text.into()));
    }

    /// Makes the remote refuse every push.
    pub(crate) fn forbid(&self, words: &str) {
        self.state.lock().unwrap().forbids = Some(words.to_owned());
    }

    /// Reads a file of the branch.
    pub(crate) fn file(&self, path: &str) -> String {
        let state = self.state.lock().unwrap();
        let content = &state.commits[state.tip.unwrap()].0[&RepoPath::new(path).unwrap()];
        String::from_utf8(content.to_vec()).unwrap()
    }

    /// Returns the messages of the branch, the newest last.
    pub(crate) fn messages(&self) -> Vec<String> {
        let state = self.state.lock().unwrap();
        state.commits[..=state.tip.unwrap()].iter().map(|(_, message)| message.clone()).collect()
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
        Ok(state.commits[index_of(commit)].0.iter().map(entry).collect())
    }

    fn read(&self, blob: &BlobId, limit: u64) -> Result<Vec<u8>, GitError> {
        let content = Arc::clone(&self.state.lock().unwrap().blobs[blob]);
        let size = content.len() as u64;
        if size > limit { Err(GitError::TooLarge { what: "blob".into(), size, limit }) } else { Ok(content.to_vec()) }
    }

    fn commit(
        &self,
        base: &CommitId,
        files: &[FileEdit],
        plan: &CommitPlan,
        _now: Timestamp,
    ) -> Result<CommitId, GitError> {
        let mut state = self.state.lock().unwrap();
        let mut tree = state.commits[index_of(base)].0.clone();
        for edit in files {
            let content = tree.get_mut(&edit.file).ok_or_else(|| GitError::Broken("no such file".to_owned()))?;
            assert_eq!(**content, edit.before, "an edit starts from what the base holds");
            *content = Arc::new(edit.after.clone());
        }
        Ok(commit_id(state.add(tree, plan.message.clone())))
    }

    fn push(&self, _branch: &BranchName, old: &CommitId, new: &CommitId) -> Result<Pushed, GitError> {
        let mut state = self.state.lock().unwrap();
        if let Some(words) = &state.forbids {
            return Ok(Pushed::Forbidden(words.clone()));
        }
        if let Some((path, content)) = state.rivals.pop() {
            let tip = state.tip.expect("a rival pushes onto something");
            let mut tree = state.commits[tip].0.clone();
            tree.insert(path, Arc::new(content));
            state.tip = Some(state.add(tree, "a rival's".to_owned()));
        }
        if state.tip.map(commit_id).as_ref() != Some(old) {
            return Ok(Pushed::Moved);
        }
        state.tip = Some(index_of(new));
        Ok(Pushed::Done)
    }
}
