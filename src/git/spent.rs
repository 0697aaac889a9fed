//! Whether a head branch that somebody else has pushed to still brings something: squashed or rebased onto the base, its commits
//! are not there, and what they change is.
//!
//! Entry point: [`spent`]. Reads what is at hand, and fetches nothing.

use std::collections::HashMap;

use gix::ObjectId;

use crate::git::log::{self, ChangedFile, Line};
use crate::git::objects::{broken, commit_id, object_id};
use crate::git::{BlobId, GitError};
use crate::model::commit::CommitId;

/// How many commits of a head branch are followed down to the base.
pub(super) const MOST_COMMITS: usize = 64;

/// How many files are compared; who changes more on a head branch is not served by guessing.
const MOST_FILES: usize = 1_000;

/// What became of what a head branch brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Spent {
    /// It still brings something, or nothing can be told.
    No,
    /// Everything that it changes has stood on the base since it left that.
    OnBase,
    /// Its commits cancel out; what they say, the newest first.
    Undone(Vec<String>),
    /// More of its commits must be at hand to tell.
    Unseen,
}

/// Compares a head branch with the stretch of the base's line that it left.
pub(super) fn spent(repository: &gix::Repository, tip: &CommitId, base: &Line) -> Result<Spent, GitError> {
    let below = base.steps.last().and_then(|step| step.entry.parent.as_ref());
    let ids = base.steps.iter().map(|step| &step.entry.id).chain(below);
    let line: HashMap<&str, usize> = ids.enumerate().map(|(at, id)| (id.as_str(), at)).collect();
    let mut messages = Vec::new();
    let mut next = object_id(tip.as_str())?;
    let fork = loop {
        let id = commit_id(next);
        if let Some(at) = line.get(id.as_str()) {
            break *at;
        }
        if messages.len() >= MOST_COMMITS {
            return Ok(Spent::No);
        }
        let Ok(commit) = repository.find_commit(next) else { return Ok(Spent::Unseen) };
        messages.push(log::message(&commit)?);
        match commit.parent_ids().next().map(gix::Id::detach) {
            Some(parent) => next = parent,
            None => return Ok(Spent::No),
        }
    };
    let (before, after) = (log::tree_of(repository, next)?, log::tree_of(repository, object_id(tip.as_str())?)?);
    if before == after {
        return Ok(Spent::Undone(messages));
    }
    let changed = log::differ(repository, (Some(before), Some(after)), &|_| true)?.changed;
    if changed.is_empty() || changed.len() > MOST_FILES {
        return Ok(Spent::No);
    }
    for step in base.steps.iter().take(fork) {
        let tree = log::tree_of(repository, object_id(step.entry.id.as_str())?)?;
        if holds(repository, tree, &changed)? {
            return Ok(Spent::OnBase);
        }
    }
    Ok(Spent::No)
}

/// Whether a tree holds what some files became, byte for byte.
fn holds(repository: &gix::Repository, tree: ObjectId, changed: &[ChangedFile]) -> Result<bool, GitError> {
    let tree = repository.find_tree(tree).map_err(broken)?;
    for file in changed {
        let entry = tree.lookup_entry_by_path(file.path.as_str()).map_err(broken)?;
        let held =
            entry.as_ref().filter(|entry| entry.mode().is_blob()).map(|entry| BlobId(entry.object_id().to_string()));
        // A link or a submodule has no content to compare.
        if held != file.after || (held.is_none() && entry.is_some()) {
            return Ok(false);
        }
    }
    Ok(true)
}
