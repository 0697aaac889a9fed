//! What lies between the base and the commit on top of a head branch: whose the branch is, that commit alone does not tell.
//!
//! Entry points: [`Known::of`] and [`Known::beneath`]. Nothing is fetched here.

use std::collections::{HashSet, VecDeque};

use gix::ObjectId;

use crate::git::beside::reachable;
use crate::git::log::entry;
use crate::git::objects::object_id;
use crate::git::{Beneath, GitError, forced};
use crate::model::commit::CommitId;
use crate::model::environment::BranchName;

/// How many commits are looked at; the branches that are Tagboat's own have one.
pub(super) const MOST: u32 = 32;

/// How many commits of the base are gone over.
const SEARCHED: usize = 20_000;

/// The commits that a base has, or had before somebody moved it by force, as far as they are at hand.
pub(super) struct Known(HashSet<ObjectId>);

impl Known {
    /// Gathers them.
    pub(super) fn of(repository: &gix::Repository, (branch, tip): (&BranchName, &CommitId)) -> Result<Self, GitError> {
        let tips = std::iter::once(object_id(tip.as_str())?).chain(forced::lost(repository, branch)?);
        Ok(Self(reachable(repository, tips, SEARCHED)))
    }

    /// Lists the commits from one downwards that the base does not have; `None` where not all of them are at hand.
    pub(super) fn beneath(&self, repository: &gix::Repository, parent: &CommitId) -> Result<Option<Beneath>, GitError> {
        let mut found = Vec::new();
        let mut seen = HashSet::new();
        let mut next = VecDeque::from([object_id(parent.as_str())?]);
        while let Some(id) = next.pop_front() {
            if self.0.contains(&id) || !seen.insert(id) {
                continue;
            }
            if found.len() >= MOST as usize {
                return Ok(Some(Beneath::TooMany));
            }
            let Ok(commit) = repository.find_commit(id) else { return Ok(None) };
            next.extend(commit.parent_ids().map(gix::Id::detach));
            found.push(entry(repository, &commit, &self.0)?);
        }
        Ok(Some(if found.is_empty() { Beneath::Nothing } else { Beneath::Commits(found) }))
    }
}
