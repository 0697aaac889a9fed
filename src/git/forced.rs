//! Forced pushes of a base branch: what they took out is remembered in the mirror, as long as there is one.
//!
//! Entry points: [`suspect`] at a fetch, [`confirmed`] where history is read. No branch tells of it, so a mirror that is made
//! anew knows nothing: that costs caution, never more than the next fetch would.

use gix::ObjectId;
use gix::bstr::ByteSlice as _;

use crate::git::beside::reaches;
use crate::git::log::Line;
use crate::git::objects::{broken, object_id, unwritable};
use crate::git::{GitError, transfer};
use crate::model::commit::CommitId;
use crate::model::environment::BranchName;

/// How many suspects are kept for a branch, the newest: between two looks at its history come few fetches.
const MOST: usize = 32;

/// How many commits are gone over in search of one.
const SEARCHED: usize = 20_000;

/// Returns what the names of a branch's suspects begin with.
fn folder(branch: &BranchName) -> String {
    format!("{}/", transfer::noted(branch).replacen("refs/tagboat/", "refs/tagboat-forced/", 1))
}

/// Notes that a branch moved from a tip that is at hand to one that is not known to have come after it; tells whether that is so.
pub(super) fn suspect(
    repository: &gix::Repository,
    branch: &BranchName,
    before: ObjectId,
    now: ObjectId,
) -> Result<bool, GitError> {
    if before == now || !repository.has_object(before) || reaches(repository, now, before, SEARCHED) {
        return Ok(false);
    }
    let mut known = suspects(repository, branch)?;
    let time = |id: ObjectId| repository.find_commit(id).ok().and_then(|commit| Some(commit.time().ok()?.seconds));
    known.sort_by_key(|(_, _, before)| time(*before));
    for (name, _, _) in known.iter().take((known.len() + 1).saturating_sub(MOST)) {
        forget(repository, name)?;
    }
    let any = gix::refs::transaction::PreviousValue::Any;
    repository.reference(format!("{}{now}.{before}", folder(branch)), before, any, "").map_err(unwritable)?;
    Ok(true)
}

/// Returns the tips that were taken out of a branch, each after the one that took its place, by what its line tells now;
/// suspects that turn out to be of its history after all are forgotten.
pub(super) fn confirmed(
    repository: &gix::Repository,
    branch: &BranchName,
    tip: &CommitId,
    line: &Line,
) -> Result<Vec<(ObjectId, ObjectId)>, GitError> {
    let tip = object_id(tip.as_str())?;
    let mut lost = Vec::new();
    for (name, instead, before) in suspects(repository, branch)? {
        let Ok(commit) = repository.find_commit(before) else { continue };
        if reaches(repository, tip, before, SEARCHED) {
            forget(repository, &name)?;
            continue;
        }
        // What is older than everything that was looked at may lie below it.
        let seconds = commit.time().map_err(broken)?.seconds;
        if line.whole || seconds > line.oldest.as_second() {
            lost.push((instead, before));
        }
    }
    Ok(lost)
}

/// Returns the tips that a branch is known, or suspected, to have had before it was moved by force.
pub(super) fn lost(repository: &gix::Repository, branch: &BranchName) -> Result<Vec<ObjectId>, GitError> {
    Ok(suspects(repository, branch)?.into_iter().map(|(_, _, before)| before).collect())
}

/// A suspect's reference, the tip that took its place, and its own.
type Suspect = (String, ObjectId, ObjectId);

fn suspects(repository: &gix::Repository, branch: &BranchName) -> Result<Vec<Suspect>, GitError> {
    let folder = folder(branch);
    let platform = repository.references().map_err(broken)?;
    let mut found = Vec::new();
    for reference in platform.prefixed(folder.as_str()).map_err(broken)? {
        let reference = reference.map_err(broken)?;
        let name = reference.name().as_bstr().to_str_lossy().into_owned();
        let named = name.strip_prefix(&folder).and_then(|rest| rest.split_once('.'));
        if let Some((instead, _)) = named
            && let Ok(instead) = object_id(instead)
            && let Some(before) = reference.try_id()
        {
            found.push((name.clone(), instead, before.detach()));
        }
    }
    Ok(found)
}

fn forget(repository: &gix::Repository, name: &str) -> Result<(), GitError> {
    match repository.try_find_reference(name).map_err(broken)? {
        Some(reference) => reference.delete().map_err(unwritable),
        None => Ok(()),
    }
}
