//! History: the first-parent line of commits and what each changed, as far as the objects at hand reach.
//!
//! Nothing is fetched here: a shallow mirror tells as much as it holds, and says so by [`Line::whole`].

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use gix::ObjectId;
use gix::bstr::{BString, ByteSlice as _};
use gix::objs::tree::EntryRef;
use jiff::Timestamp;

use crate::git::beside::{self, Merge, Renames};
use crate::git::objects::{MAX_PATH, broken, commit_id, object_id, plain_path};
use crate::git::{BlobId, GitError};
use crate::model::commit::{CommitId, Identity};
use crate::model::file::RepoPath;

/// Most changed files of one commit that are looked at; a commit beyond is no deployment but a reorganisation.
const MAX_CHANGED: usize = 100_000;

/// How many bytes of a message are kept, the last ones: trailers of the largest commits fit many times.
pub const MAX_MESSAGE: usize = 1 << 20;

/// How many commits of a merged branch are looked at.
const MAX_MERGED: usize = 20;

/// How many trees are kept while neighbouring commits are compared.
const TREE_CACHE: usize = 8 << 20;

/// How many files a comparison names at most that is kept.
const MAX_KEPT: usize = 64;

/// How many comparisons are kept at most: as many as commits are ever read.
const MOST_KEPT: usize = 2_000;

/// One commit of a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// Its id.
    pub id: CommitId,
    /// Its first parent, also where that one is not at hand.
    pub parent: Option<CommitId>,
    /// Whether it has further parents.
    pub is_merge: bool,
    /// Its further parents.
    pub others: Vec<CommitId>,
    /// Its author; bytes that are not UTF-8 are replaced.
    pub author: Identity,
    /// Who committed it; bytes that are not UTF-8 are replaced.
    pub committer: Identity,
    /// When it was committed.
    pub time: Timestamp,
    /// Its whole message; bytes that are not UTF-8 are replaced.
    pub message: String,
    /// The messages of the commits that it merged, the newest first, as far as they are at hand: not only of its other
    /// parents, whose tip may be a merge of the base into the head branch.
    pub merged: Vec<String>,
}

/// A file that a commit changed against its first parent: its content, its mode, or what it is at all. Of what is no
/// regular file the content is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedFile {
    /// The file.
    pub path: RepoPath,
    /// What it held before; `None` where it was not there.
    pub before: Option<BlobId>,
    /// What it holds after; `None` where it is gone.
    pub after: Option<BlobId>,
}

/// A commit with what it changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogStep {
    /// The commit.
    pub entry: LogEntry,
    /// The files that it changed and that were asked for, in no particular order.
    pub changed: Vec<ChangedFile>,
}

/// A commit that is not of the first-parent line and still led to what stands on it: one that a merge brought, one from
/// before a file was moved here unchanged (told under the file's name of today), or one that a forced push took out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beside {
    /// The position of the commit of the line with which it came, or the file did, or it went.
    pub onto: usize,
    /// The commit with what it changed.
    pub step: LogStep,
    /// Whether it is a merge with what it dropped: files that one of the lines which it joins had made otherwise.
    pub is_dropped: bool,
}

/// A stretch of the first-parent line, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The commits whose parent is at hand, and the first commit of all.
    pub steps: Vec<LogStep>,
    /// What led to it beside the line, as far as it is at hand; by the commit of the line, and the newest first.
    pub beside: Vec<Beside>,
    /// The committer time of the oldest commit whose files are known.
    pub oldest: Timestamp,
    /// Whether the first commit of all was reached.
    pub whole: bool,
}

/// Whether a commit and its first parent are here.
pub(super) fn is_at_hand(repository: &gix::Repository, tip: &CommitId) -> bool {
    let commit = object_id(tip.as_str()).ok().and_then(|id| repository.find_commit(id).ok());
    let parent = commit.as_ref().and_then(|commit| commit.parent_ids().next());
    parent.is_some_and(|parent| repository.has_object(parent))
}

/// Follows first parents from a commit for at most `limit` commits, and compares each with its parent.
///
/// Only files that `wanted` names are told; folders that are the same on both sides are not gone into. What `known` holds is
/// not compared again.
///
/// # Errors
///
/// [`GitError::Broken`] when the first commit is not at hand, or an object that must be there is not.
pub fn first_parent(
    repository: &gix::Repository,
    tip: &CommitId,
    limit: usize,
    wanted: &(dyn Fn(&str) -> bool + Sync),
    known: Option<&Compared>,
) -> Result<Line, GitError> {
    Ok(first_parent_and_renames(repository, tip, limit, wanted, known)?.0)
}

/// Does the same, and tells which files were moved.
pub(super) fn first_parent_and_renames(
    repository: &gix::Repository,
    tip: &CommitId,
    limit: usize,
    wanted: &(dyn Fn(&str) -> bool + Sync),
    known: Option<&Compared>,
) -> Result<(Line, Renames), GitError> {
    let mut repository = repository.clone();
    repository.object_cache_size_if_unset(TREE_CACHE);
    let mut id = object_id(tip.as_str())?;
    let on_line = line_of(&repository, id, limit);
    let mut steps: Vec<LogStep> = Vec::new();
    let mut renames = Renames::default();
    let mut merges = Vec::new();
    let (oldest, whole) = loop {
        let commit = repository.find_commit(id).map_err(broken)?;
        let entry = entry(&repository, &commit, &on_line)?;
        let oldest = entry.time;
        let parent = commit.parent_ids().next().map(gix::Id::detach);
        let at_hand = parent.is_none_or(|parent| repository.has_object(parent));
        if !at_hand || steps.len() >= limit {
            break (oldest, false);
        }
        let tree = commit.tree_id().map_err(broken)?.detach();
        let before = parent.map(|parent| tree_of(&repository, parent)).transpose()?;
        let (trees, is_told) = ((before, Some(tree)), |path: &str| wanted(path) || renames.has(path));
        let difference = match known {
            Some(known) => known.differ(&repository, trees, &is_told)?,
            None => differ(&repository, trees, &is_told)?,
        };
        if entry.is_merge {
            let others = commit.parent_ids().skip(1).map(gix::Id::detach).collect();
            merges.push(Merge { at: steps.len(), id, others });
        }
        renames.take_up(steps.len(), &entry, &difference);
        let mut changed = difference.changed;
        changed.retain(|changed| wanted(changed.path.as_str()));
        steps.push(LogStep { entry, changed });
        match parent {
            Some(parent) => id = parent,
            None => break (oldest, true),
        }
    };
    let beside = beside::beside(&repository, (&on_line, &merges), &mut renames, limit, wanted)?;
    Ok((Line { steps, beside, oldest, whole }, renames))
}

/// Returns the tree of a commit that is at hand.
pub(super) fn tree_of(repository: &gix::Repository, commit: ObjectId) -> Result<ObjectId, GitError> {
    Ok(repository.find_commit(commit).map_err(broken)?.tree_id().map_err(broken)?.detach())
}

/// Returns the ids of the first-parent line, and of a few more below it: where merged branches began.
fn line_of(repository: &gix::Repository, tip: ObjectId, limit: usize) -> HashSet<ObjectId> {
    let mut found = HashSet::new();
    let mut next = Some(tip);
    while let Some(id) = next.filter(|_| found.len() < limit.saturating_add(MAX_MERGED)) {
        found.insert(id);
        let commit = repository.find_commit(id).ok();
        next = commit.and_then(|commit| commit.parent_ids().next().map(gix::Id::detach));
    }
    found
}

/// Returns the messages of a merged branch: of its commits down to where it left the line.
fn merged(repository: &gix::Repository, tip: ObjectId, on_line: &HashSet<ObjectId>) -> Vec<String> {
    let mut found = Vec::new();
    let mut next = Some(tip);
    while let Some(id) = next.filter(|id| found.len() < MAX_MERGED && !on_line.contains(id)) {
        let Ok(commit) = repository.find_commit(id) else { break };
        found.extend(message(&commit));
        next = commit.parent_ids().next().map(gix::Id::detach);
    }
    found
}

/// Reads what a commit says; of what it merged, down to the commits of a line.
pub(super) fn entry(
    repository: &gix::Repository,
    commit: &gix::Commit<'_>,
    on_line: &HashSet<ObjectId>,
) -> Result<LogEntry, GitError> {
    let author = commit.author().map_err(broken)?;
    let mut parents = commit.parent_ids().map(gix::Id::detach);
    let parent = parents.next();
    let others: Vec<ObjectId> = parents.collect();
    let merged = others.iter().flat_map(|other| merged(repository, *other, on_line)).collect();
    Ok(LogEntry {
        id: commit_id(commit.id),
        parent: parent.map(commit_id),
        is_merge: !others.is_empty(),
        others: others.iter().copied().map(commit_id).collect(),
        author: identity(&author),
        committer: identity(&commit.committer().map_err(broken)?),
        time: Timestamp::from_second(commit.time().map_err(broken)?.seconds).map_err(broken)?,
        message: message(commit)?,
        merged,
    })
}

fn identity(signature: &gix::actor::SignatureRef<'_>) -> Identity {
    Identity { name: signature.name.to_str_lossy().into_owned(), email: signature.email.to_str_lossy().into_owned() }
}

pub(super) fn message(commit: &gix::Commit<'_>) -> Result<String, GitError> {
    let raw = commit.message_raw().map_err(broken)?;
    // Trailers stand at the end.
    let start = raw.len().saturating_sub(MAX_MESSAGE);
    Ok(raw[start..].to_str_lossy().into_owned())
}

/// Reads a folder; one that is not there has no entries.
fn folder(repository: &gix::Repository, tree: Option<ObjectId>) -> Result<Option<gix::Tree<'_>>, GitError> {
    tree.map(|tree| repository.find_tree(tree).map_err(broken)).transpose()
}

/// Returns one side of a comparison: a folder's entries by name.
fn entries<'t>(folder: Option<&'t gix::Tree<'_>>) -> Result<Vec<EntryRef<'t>>, GitError> {
    let Some(folder) = folder else { return Ok(Vec::new()) };
    let mut entries = folder.decode().map_err(broken)?.entries;
    // Git sorts folders as if their names ended with a slash.
    entries.sort_unstable_by(|one, other| one.filename.cmp(other.filename));
    Ok(entries)
}

/// What comparisons of trees told, with every file: whoever goes over the same commits again, further down or for other
/// files, need not read the trees again. The largest are not kept.
#[derive(Default)]
pub struct Compared(Mutex<HashMap<Trees, Arc<Difference>>>);

/// The trees of a comparison: before, and after.
type Trees = (Option<ObjectId>, Option<ObjectId>);

impl Compared {
    fn differ(
        &self,
        repository: &gix::Repository,
        trees: Trees,
        wanted: &dyn Fn(&str) -> bool,
    ) -> Result<Difference, GitError> {
        let all = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all().get(&trees).cloned();
        if let Some(known) = known {
            return Ok(known.only(wanted));
        }
        if all().len() < MOST_KEPT {
            let mut whole = Difference { most: MAX_KEPT, ..Difference::default() };
            // One that cannot be told whole is told as far as it is wanted, or why not.
            if compare(repository, &BString::default(), trees, &|_| true, &mut whole).is_ok() {
                let told = whole.only(wanted);
                all().insert(trees, Arc::new(whole));
                return Ok(told);
            }
        }
        differ(repository, trees, wanted)
    }
}

/// How two trees differ.
#[derive(Debug)]
pub(super) struct Difference {
    /// How many files are told at most.
    most: usize,
    /// The wanted files.
    pub(super) changed: Vec<ChangedFile>,
    /// Every file that is gone, wanted or not, with what it held.
    pub(super) gone: Vec<(BString, BlobId)>,
}

impl Default for Difference {
    fn default() -> Self {
        Self { most: MAX_CHANGED, changed: Vec::new(), gone: Vec::new() }
    }
}

impl Difference {
    /// Tells the wanted files of all.
    fn only(&self, wanted: &dyn Fn(&str) -> bool) -> Self {
        let changed = self.changed.iter().filter(|changed| wanted(changed.path.as_str())).cloned().collect();
        Self { most: self.most, changed, gone: self.gone.clone() }
    }
}

/// Compares two trees.
pub(super) fn differ(
    repository: &gix::Repository,
    trees: Trees,
    wanted: &dyn Fn(&str) -> bool,
) -> Result<Difference, GitError> {
    let mut difference = Difference::default();
    compare(repository, &BString::default(), trees, wanted, &mut difference)?;
    Ok(difference)
}

/// Adds the wanted files that differ below a folder.
fn compare(
    repository: &gix::Repository,
    above: &BString,
    (before, after): Trees,
    wanted: &dyn Fn(&str) -> bool,
    difference: &mut Difference,
) -> Result<(), GitError> {
    if before == after {
        return Ok(());
    }
    let (before, after) = (folder(repository, before)?, folder(repository, after)?);
    let (old, new) = (entries(before.as_ref())?, entries(after.as_ref())?);
    let (mut old, mut new) = (old.into_iter().peekable(), new.into_iter().peekable());
    loop {
        let (left, right) = match (old.peek(), new.peek()) {
            (None, None) => return Ok(()),
            (Some(_), None) => (old.next(), None),
            (None, Some(_)) => (None, new.next()),
            (Some(one), Some(other)) => match one.filename.cmp(other.filename) {
                Ordering::Less => (old.next(), None),
                Ordering::Greater => (None, new.next()),
                Ordering::Equal => (old.next(), new.next()),
            },
        };
        let id_and_mode = |side: &Option<EntryRef<'_>>| side.map(|entry| (entry.oid.to_owned(), entry.mode));
        if id_and_mode(&left) == id_and_mode(&right) {
            continue;
        }
        let Some(name) = left.or(right).map(|entry| entry.filename) else { return Ok(()) };
        let mut path = above.clone();
        path.extend_from_slice(name);
        if path.len() > MAX_PATH || difference.changed.len() > difference.most {
            return Err(GitError::Broken(format!(
                "a commit of the history changes more than is read: {MAX_CHANGED} files, {MAX_PATH} bytes of path"
            )));
        }
        let tree =
            |side: &Option<EntryRef<'_>>| side.filter(|entry| entry.mode.is_tree()).map(|entry| entry.oid.into());
        let blob = |side: &Option<EntryRef<'_>>| {
            side.filter(|entry| entry.mode.is_blob()).map(|entry| BlobId(entry.oid.to_string()))
        };
        let file = (blob(&left), blob(&right));
        if let (Some(held), None) = &file
            && difference.gone.len() < MAX_CHANGED
        {
            difference.gone.push((path.clone(), held.clone()));
        }
        // A link or a submodule is told, too, with no content that anybody could read.
        let is_told = [&left, &right].into_iter().flatten().any(|entry| !entry.mode.is_tree());
        if is_told
            && let Ok(plain) = plain_path(&path)
            && wanted(plain.as_str())
        {
            difference.changed.push(ChangedFile { path: plain, before: file.0, after: file.1 });
        }
        let folders = (tree(&left), tree(&right));
        if folders != (None, None) {
            path.push(b'/');
            compare(repository, &path, folders, wanted, difference)?;
        }
    }
}
