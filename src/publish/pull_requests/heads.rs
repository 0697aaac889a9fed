//! Looking at head branches: whose each one is, and whether it brings what is desired, byte for byte.
//!
//! Entry points: [`look`], [`of_holds`], [`takes_back`] and [`still_says`]. Changes nothing, and asks no forge.

use std::collections::{BTreeMap, BTreeSet};

use crate::git::log::{LogEntry, MAX_MESSAGE};
use crate::git::{Beneath, BlobId, GitError, Head, Remote, blob_id};
use crate::model::brought::Told;
use crate::model::commit::{
    CommitId, CommitStyle, TRAILER_DATED, TRAILER_FAILED, TRAILER_KEY, TRAILER_ORDER, TRAILER_TREE,
};
use crate::model::environment::BranchName;
use crate::model::file::RepoPath;
use crate::model::history::Ordered;
use crate::model::pull_request::HeadBranch;
use crate::publish::held::is_head;
use crate::publish::plan::PlannedCommit;
use crate::publish::pull_requests::{Desired, images};

/// Whose commits are Tagboat's: how it calls itself now, and how it did before.
pub struct Own<'a> {
    /// How commits are made now.
    pub now: &'a CommitStyle,
    /// How commits on top of one were made, where that is known: the configuration there says so.
    pub before: &'a dyn Fn(&CommitId) -> Option<CommitStyle>,
}

impl Own<'_> {
    /// Whether a commit says so by what it is told of, now or on its parent.
    fn has(&self, entry: &LogEntry, is_by: impl Fn(&CommitStyle) -> bool) -> bool {
        is_by(self.now) || entry.parent.as_ref().and_then(self.before).is_some_and(|before| is_by(&before))
    }
}

/// Branches with their tips.
pub type Branches = Vec<(BranchName, CommitId)>;

/// What the paths of Tagboat's own files begin with, of the configuration and of what is held.
pub(super) const OWN: &str = ".tagboat";

/// How many commits of the base are searched for what stood in a head branch: as many as come between two passes.
const MERGED_WITHIN: usize = 200;

/// Looks at head branches of Tagboat's that the remote has listed with their tips.
///
/// # Errors
///
/// [`GitError`] when they cannot be read: then nothing is decided about any of them.
pub fn look(
    remote: &dyn Remote,
    base: (&BranchName, &CommitId),
    listed: Vec<(BranchName, CommitId)>,
    own: &Own<'_>,
    desired: &[Desired],
) -> Result<Vec<HeadBranch>, GitError> {
    listed
        .into_iter()
        // The prefix may be the beginning of the base's own name.
        .filter(|(name, _)| name != base.0)
        .map(|(name, tip)| {
            let head = remote.head(&name, &tip, base)?;
            let mut found = judge(remote, name, (&head, base.1), own, desired)?;
            if found.is_order || found.is_return {
                let is_there = is_there(remote, base, &head, found.key.as_deref())?;
                found.is_order &= !is_there;
                found.is_return &= !is_there;
                found.is_overtaken = found.is_return && !is_due(remote, base.1, &head)?;
            }
            Ok(found)
        })
        .collect()
}

/// Lists the branches, with their tips, on which somebody may propose to hold something, whatever `branchPrefix` was then.
///
/// # Errors
///
/// [`GitError`] when they cannot be listed.
pub fn of_holds(remote: &dyn Remote) -> Result<Vec<(BranchName, CommitId)>, GitError> {
    Ok(of_holds_and_others(remote)?.0)
}

/// Lists the same, and all other branches.
///
/// # Errors
///
/// [`GitError`] when they cannot be listed.
pub fn of_holds_and_others(remote: &dyn Remote) -> Result<(Branches, Branches), GitError> {
    let mut listed = remote.heads("")?;
    listed.sort();
    Ok(listed.into_iter().partition(|(name, _)| is_head(name)))
}

/// Whether a head branch goes back, by a person's order or by itself, as its commits say: people may have pushed onto it.
pub fn takes_back(head: &Head) -> bool {
    let rollback = format!("{TRAILER_ORDER}: {}", Ordered::Rollback.as_str());
    let says = |entry: &LogEntry| {
        entry.message.lines().any(|line| line.trim_end() == rollback || line.starts_with(TRAILER_FAILED))
    };
    says(&head.step.entry)
        || match &head.beneath {
            Beneath::Nothing => false,
            Beneath::Commits(beneath) => beneath.iter().any(says),
            Beneath::TooMany => true,
        }
}

/// Looks once more at a branch: whether its configuration, what is held there and some files are what they were at a commit, but for what
/// was made of these since.
///
/// # Errors
///
/// [`GitError`] when it cannot be fetched.
pub fn still_says(
    remote: &dyn Remote,
    (branch, seen): (&BranchName, &CommitId),
    (files, made): (&BTreeSet<RepoPath>, &BTreeMap<RepoPath, BlobId>),
) -> Result<bool, GitError> {
    let now = remote.tip(branch)?;
    let own = |commit: &CommitId| -> Result<BTreeMap<RepoPath, BlobId>, GitError> {
        let entries = remote.entries(commit)?.into_iter();
        let own = entries.filter_map(|entry| Some((entry.path.ok()?, entry.blob)));
        Ok(own.filter(|(path, _)| path.as_str().starts_with(OWN) || files.contains(path)).collect())
    };
    if now == *seen {
        return Ok(true);
    }
    let mut expected = own(seen)?;
    expected
        .extend(made.iter().filter(|(path, _)| files.contains(path)).map(|(path, blob)| (path.clone(), blob.clone())));
    Ok(own(&now)? == expected)
}

/// Whether the base has already what a head brings: byte for byte, or in one of its last commits.
fn is_there(
    remote: &dyn Remote,
    base: (&BranchName, &CommitId),
    head: &Head,
    key: Option<&str>,
) -> Result<bool, GitError> {
    if let Some(key) = key {
        let trailer = format!("{TRAILER_KEY}: {key}");
        let line = remote.history(base.0, base.1, MERGED_WITHIN, &|_| false)?;
        // The same may have been ordered before, and taken back since: what counts came after the head was made.
        let newer = line.steps.iter().take_while(|step| Some(&step.entry.id) != head.step.entry.parent.as_ref());
        let mut messages = newer.flat_map(|step| std::iter::once(&step.entry.message).chain(&step.entry.merged));
        if messages.any(|message| message.lines().any(|line| line.trim() == trailer)) {
            return Ok(true);
        }
    }
    let entries = remote.entries(base.1)?;
    let holds: BTreeMap<&RepoPath, &BlobId> =
        entries.iter().filter_map(|entry| Some((entry.path.as_ref().ok()?, &entry.blob))).collect();
    Ok(head.step.changed.iter().all(|changed| holds.get(&changed.path).copied() == changed.after.as_ref()))
}

/// Whether the files that a head would take back still are what they were on the base.
fn is_due(remote: &dyn Remote, base: &CommitId, head: &Head) -> Result<bool, GitError> {
    let entries = remote.entries(base)?;
    let holds: BTreeMap<&RepoPath, &BlobId> =
        entries.iter().filter_map(|entry| Some((entry.path.as_ref().ok()?, &entry.blob))).collect();
    // The file of holds changes for reasons of its own.
    let values = head.step.changed.iter().filter(|changed| !changed.path.as_str().starts_with(".tagboat/"));
    Ok(values.into_iter().all(|changed| holds.get(&changed.path).copied() == changed.before.as_ref()))
}

/// Tells whose a head branch is, and whether it still brings what is desired.
fn judge(
    remote: &dyn Remote,
    name: BranchName,
    (head, base): (&Head, &CommitId),
    own: &Own<'_>,
    desired: &[Desired],
) -> Result<HeadBranch, GitError> {
    let entry = &head.step.entry;
    let told = Told::by(&entry.message);
    let key = told.key.clone().filter(|_| !head.is_empty);
    // What lies below it is of another line than the base has now where the base was moved by force, or a merge was pushed: what
    // the base is known to have had is nobody's here. A branch that brings nothing holds nothing of anybody's.
    let is_made = head.is_empty || (is_ours(remote, entry, own)? && is_ours_beneath(remote, &head.beneath, own)?);
    // What goes back and what comes anew may both want it.
    let wanted = || desired.iter().filter(|desired| desired.head == name);
    let same = wanted().find(|desired| key.as_deref() == Some(&desired.key));
    let is_as_wanted = match same.or_else(|| wanted().next()) {
        _ if head.is_empty => false,
        None => true,
        Some(desired) => brings(head, &desired.commit)? && is_as_made(remote, head, &desired.commit)?,
    };
    // The very commit under another name, as after a forge's "Update branch" by rebase: it is made anew under Tagboat's.
    let is_same = is_as_wanted && same.is_some() && matches!(head.beneath, Beneath::Nothing);
    let is_own = is_made || is_same;
    let is_bare = same.is_some_and(|desired| desired.commit.plan.sign.is_some()) && !remote.is_signed(&head.tip)?;
    let is_fresh = is_as_wanted && (is_made || !is_same) && !is_bare;
    let has = |trailer: &str| is_own && key.is_some() && entry.message.lines().any(|line| line.starts_with(trailer));
    let is_return = has(TRAILER_FAILED);
    let is_order = has(TRAILER_ORDER) && !is_return;
    let is_on_tip = entry.parent.as_ref() == Some(base);
    let images = images(&entry.message);
    let (tip, undone) = (head.tip.clone(), head.undone.iter().map(|message| Told::by(message)).collect());
    let made: Vec<Told> = made(head, own).map(|entry| Told::by(&entry.message)).collect();
    let files = head.step.changed.iter().map(|changed| changed.path.clone()).collect();
    Ok(HeadBranch {
        name,
        tip,
        key,
        images,
        files,
        told,
        undone,
        is_own,
        has_own: !made.is_empty(),
        made,
        is_order,
        is_return,
        is_overtaken: false,
        is_fresh,
        is_on_tip,
    })
}

/// Whether Tagboat made a commit: it names what moves, and who made it, or, where a forge put its own name there, the tree that
/// it holds.
fn is_ours(remote: &dyn Remote, entry: &LogEntry, own: &Own<'_>) -> Result<bool, GitError> {
    let is_key = |line: &str| line.strip_prefix(TRAILER_KEY).is_some_and(|rest| rest.starts_with(": "));
    if entry.is_merge || !entry.message.lines().any(is_key) {
        return Ok(false);
    }
    if own.has(entry, |style| entry.author == style.author && entry.committer == *style.committer()) {
        return Ok(true);
    }
    match says_tree(&entry.message) {
        Some(tree) => Ok(tree == remote.tree(&entry.id)?),
        None => Ok(false),
    }
}

/// Whether a commit says that Tagboat made it, whoever changed it since.
fn is_made_by(entry: &LogEntry, own: &Own<'_>) -> bool {
    let is_said = || says_tree(&entry.message).is_some();
    Told::by(&entry.message).key.is_some() && (is_said() || own.has(entry, |style| entry.author == style.author))
}

/// Returns the commits beyond the base, the newest first; of too many of them, the tip alone.
fn beyond(head: &Head) -> impl Iterator<Item = &LogEntry> {
    let beneath = match &head.beneath {
        Beneath::Commits(beneath) => beneath.as_slice(),
        Beneath::Nothing | Beneath::TooMany => &[],
    };
    std::iter::once(&head.step.entry).chain(beneath)
}

/// Returns those that say that Tagboat made them.
pub fn made<'a>(head: &'a Head, own: &'a Own<'_>) -> impl Iterator<Item = &'a LogEntry> {
    beyond(head).filter(|entry| is_made_by(entry, own))
}

/// Whether somebody else has pushed to a head branch that brings something, as far as its commits say so.
pub fn is_theirs(head: &Head, own: &Own<'_>) -> bool {
    let is_made = |entry: &LogEntry| !entry.is_merge && is_made_by(entry, own);
    !head.is_empty && head.undone.is_empty() && (head.beneath == Beneath::TooMany || !beyond(head).all(is_made))
}

/// Whether nobody else made any of the commits that lie between the base and the one on top.
fn is_ours_beneath(remote: &dyn Remote, beneath: &Beneath, own: &Own<'_>) -> Result<bool, GitError> {
    let commits = match beneath {
        Beneath::Nothing => return Ok(true),
        Beneath::Commits(commits) => commits,
        Beneath::TooMany => return Ok(false),
    };
    for entry in commits {
        if !is_ours(remote, entry, own)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Returns the tree that a message says its commit holds.
fn says_tree(message: &str) -> Option<&str> {
    let mut said = message.lines().filter_map(|line| line.strip_prefix(TRAILER_TREE)?.strip_prefix(": "));
    said.next_back().map(str::trim)
}

/// Whether a head changes exactly what the commit would change on the present base, byte for byte.
fn brings(head: &Head, commit: &PlannedCommit) -> Result<bool, GitError> {
    let mut wanted: BTreeMap<&RepoPath, (BlobId, BlobId)> = BTreeMap::new();
    for edit in &commit.files {
        wanted.insert(&edit.file, (blob_id(&edit.before)?, blob_id(&edit.after)?));
    }
    // A file that the commit makes was nothing before, which an edit writes as no bytes.
    let nothing = blob_id(&[])?;
    let changed = &head.step.changed;
    let same = changed.iter().all(|changed| {
        wanted.get(&changed.path).is_some_and(|(before, after)| {
            changed.before.as_ref().unwrap_or(&nothing) == before && changed.after.as_ref() == Some(after)
        })
    });
    Ok(same && changed.len() == wanted.len())
}

/// Whether a head is what the same commit made on the same parent would be: the same words, and in its tree no link, no
/// submodule, no mode and no further file either. Its author and its trailers are words that anybody can write.
fn is_as_made(remote: &dyn Remote, head: &Head, commit: &PlannedCommit) -> Result<bool, GitError> {
    let entry = &head.step.entry;
    let Some(parent) = entry.parent.as_ref().filter(|_| head.on_base && !entry.is_merge) else { return Ok(false) };
    // The commits that a forge makes say their tree below everything else. When a version was published is known to one
    // pass and not to the next one.
    let counts = |line: &&str| !line.starts_with(TRAILER_TREE) && !line.starts_with(TRAILER_DATED);
    let words = |message: &str| message.lines().filter(counts).collect::<Vec<_>>().join("\n");
    let (said, planned) = (words(&entry.message), words(&commit.plan.message));
    let (said, planned) = (said.trim(), planned.trim());
    let is_cut = entry.message.len() >= MAX_MESSAGE && planned.ends_with(said);
    if said != planned && !is_cut {
        return Ok(false);
    }
    match remote.holds_what_is_made(&head.tip, parent, &commit.files) {
        Err(GitError::Broken(reason)) => {
            tracing::debug!(head = %head.tip, reason, "the commit cannot be made on the head's parent");
            Ok(false)
        }
        told => told,
    }
}
