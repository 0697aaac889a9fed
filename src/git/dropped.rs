//! What merges dropped: files in which a merge is not as one of the lines that it joins had made them, and as another one has them.
//!
//! Entry points: [`by_merge`], for a merge of the branch's own line, and [`within`], for one of those that came by it. Whoever
//! merges by hand can take the other side's content, or none of a side at all (`-s ours`), and no commit but the merge tells of
//! that. Where a side never touched a file, the merge only went on without it: that is every merge that is as it should be.

use std::collections::{BTreeSet, HashMap, HashSet};

use gix::ObjectId;

use crate::git::log::{ChangedFile, tree_of};
use crate::git::objects::broken;
use crate::git::{BlobId, GitError};
use crate::model::file::RepoPath;

/// What a commit made, under the names that files had then.
#[derive(Debug, Default)]
pub(super) struct Made {
    /// What it changed itself: of a merge, what none of its parents has.
    pub(super) own: Vec<ChangedFile>,
    /// Of a merge, how it differs from each of its parents.
    pub(super) from: Vec<(ObjectId, Vec<ChangedFile>)>,
}

/// The commits that came to a line by one merge.
pub(super) type Came = HashMap<ObjectId, Made>;

/// Returns what a merge of the line dropped of its further parents, by what the commits that it brought had touched.
pub(super) fn by_merge(
    repository: &gix::Repository,
    (merge, others): (ObjectId, &[ObjectId]),
    came: &Came,
) -> Result<Vec<ChangedFile>, GitError> {
    let touched: BTreeSet<&RepoPath> = came.values().flat_map(|made| &made.own).map(|changed| &changed.path).collect();
    if touched.is_empty() {
        return Ok(Vec::new());
    }
    let after = tree(repository, merge)?;
    let mut dropped = Vec::new();
    for other in others.iter().filter(|other| came.contains_key(*other)) {
        let before = tree(repository, *other)?;
        for path in &touched {
            let (before, after) = (held(&before, path)?, held(&after, path)?);
            if before.is_some() && before != after {
                dropped.push(ChangedFile { path: (*path).clone(), before, after });
            }
        }
    }
    Ok(dropped)
}

/// Returns what a merge that came to the line dropped of its parents. What lies on the line, or had come there before, is left to
/// the line.
pub(super) fn within(made: &Made, came: &Came, parents: &HashMap<ObjectId, Vec<ObjectId>>) -> Vec<ChangedFile> {
    let mut dropped = Vec::new();
    for (parent, against) in made.from.iter().filter(|(parent, _)| came.contains_key(parent)) {
        let is_open =
            |changed: &&ChangedFile| changed.before.is_some() && !made.own.iter().any(|own| own.path == changed.path);
        let open: Vec<&ChangedFile> = against.iter().filter(is_open).collect();
        if open.is_empty() {
            continue;
        }
        let beside = made.from.iter().map(|(other, _)| *other).filter(|other| other != parent);
        let others = below(beside, came, parents, &HashSet::new());
        let side = below(std::iter::once(*parent), came, parents, &others);
        let touched: HashSet<&RepoPath> =
            side.iter().filter_map(|id| came.get(id)).flat_map(|made| &made.own).map(|own| &own.path).collect();
        dropped.extend(open.into_iter().filter(|changed| touched.contains(&changed.path)).cloned());
    }
    dropped
}

/// Finds those of the commits that came which can be reached from some of them, without going over others.
fn below(
    tips: impl Iterator<Item = ObjectId>,
    came: &Came,
    parents: &HashMap<ObjectId, Vec<ObjectId>>,
    without: &HashSet<ObjectId>,
) -> HashSet<ObjectId> {
    let mut found = HashSet::new();
    let mut next: Vec<ObjectId> = tips.collect();
    while let Some(id) = next.pop() {
        if came.contains_key(&id) && !without.contains(&id) && found.insert(id) {
            next.extend(parents.get(&id).into_iter().flatten().copied());
        }
    }
    found
}

fn tree(repository: &gix::Repository, commit: ObjectId) -> Result<gix::Tree<'_>, GitError> {
    repository.find_tree(tree_of(repository, commit)?).map_err(broken)
}

/// Returns what a file holds in a tree.
fn held(tree: &gix::Tree<'_>, path: &RepoPath) -> Result<Option<BlobId>, GitError> {
    let entry = tree.lookup_entry_by_path(path.as_str()).map_err(broken)?;
    Ok(entry.filter(|entry| entry.mode().is_blob()).map(|entry| BlobId(entry.object_id().to_string())))
}
