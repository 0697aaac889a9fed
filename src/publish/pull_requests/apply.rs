//! Doing what was planned about pull requests, in order, each step so that it can be done again.
//!
//! Entry points: [`look`] and [`apply`]. A step that fails ends its own course and no other one.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::forge::{Forge, ForgeError};
use crate::git::{BlobId, GitError, Head, Pushed, Remote, blob_id};
use crate::model::commit::{CommitId, Identity, TRAILER_FAILED, TRAILER_KEY, TRAILER_ORDER};
use crate::model::environment::BranchName;
use crate::model::file::RepoPath;
use crate::model::outcome::Landed;
use crate::model::proposal::Action;
use crate::model::pull_request::{
    Check, CheckState, HeadBranch, LABEL_RETRY, Merge, NewPullRequest, PullRequestStyle, Readiness, State, Status,
};
use crate::publish::plan::PlannedCommit;
use crate::publish::pull_requests::{Course, Desired, Step};

/// How many commits of the base are searched for what stood in a head branch: as many as come between two passes.
const MERGED_WITHIN: usize = 200;

/// The repository that courses are followed on.
pub struct Place<'a> {
    /// The repository.
    pub remote: Arc<dyn Remote>,
    /// Its forge; `None` for plain Git.
    pub forge: Option<&'a dyn Forge>,
    /// The base branch.
    pub branch: &'a BranchName,
    /// The moment of the pass.
    pub now: Timestamp,
    /// How pull requests look.
    pub style: &'a PullRequestStyle,
}

/// Why a course could not be followed to its end.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error(transparent)]
    Git(#[from] GitError),
    #[error(transparent)]
    Forge(#[from] ForgeError),
    #[error("the remote refuses the push: {0}")]
    Forbidden(String),
    #[error("{0} moved meanwhile: the next pass looks again")]
    Moved(BranchName),
}

/// Looks at every head branch of Tagboat's on the remote.
///
/// # Errors
///
/// [`GitError`] when they cannot be listed or read: then nothing is decided about any of them.
pub fn look(
    remote: &dyn Remote,
    base: (&BranchName, &CommitId),
    style: &PullRequestStyle,
    (author, now): (&Identity, Timestamp),
    desired: &[Desired],
) -> Result<Vec<HeadBranch>, GitError> {
    let listed = remote.heads(&style.branch_prefix)?;
    listed
        .into_iter()
        .map(|(name, tip)| {
            let head = remote.head(&name, &tip, base)?;
            let wanted = desired.iter().find(|desired| desired.head == name);
            let mut found = judge(remote, name, &head, (author, now), wanted)?;
            if found.is_order || found.is_return {
                let is_there = is_there(remote, base, &head, found.key.as_deref())?;
                found.is_order &= !is_there;
                found.is_return = found.is_return && !is_there && is_due(remote, base.1, &head)?;
            }
            Ok(found)
        })
        .collect()
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
        let mut messages =
            line.steps.iter().flat_map(|step| std::iter::once(&step.entry.message).chain(&step.entry.merged));
        if messages.any(|message| message.lines().any(|line| line.trim() == trailer)) {
            return Ok(true);
        }
    }
    let entries = remote.entries(base.1)?;
    let holds: BTreeMap<&RepoPath, &BlobId> =
        entries.iter().filter_map(|entry| Some((entry.path.as_ref().ok()?, &entry.blob))).collect();
    Ok(head.step.changed.iter().all(|changed| holds.get(&changed.path).copied() == changed.after.as_ref()))
}

/// Whether what a head would take back still stands on the base: else somebody has moved on.
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
    head: &Head,
    (author, now): (&Identity, Timestamp),
    desired: Option<&Desired>,
) -> Result<HeadBranch, GitError> {
    let entry = &head.step.entry;
    let keys: Vec<&str> =
        entry.message.lines().filter_map(|line| line.strip_prefix(TRAILER_KEY)?.strip_prefix(": ")).collect();
    let key = keys.last().map(|key| (*key).trim().to_owned());
    let is_own = head.on_base && key.is_some() && entry.author == *author && entry.committer == *author;
    let is_fresh = match desired {
        None => true,
        Some(desired) => brings(head, &desired.commit)? && is_as_made(remote, head, &desired.commit, now)?,
    };
    let has = |trailer: &str| is_own && entry.message.lines().any(|line| line.starts_with(trailer));
    let is_return = has(TRAILER_FAILED);
    let is_order = has(TRAILER_ORDER) && !is_return;
    Ok(HeadBranch { name, tip: head.tip.clone(), key, is_own, is_order, is_return, is_fresh })
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

/// Whether a head holds nothing but what the same commit made on the same parent would hold: no link, no submodule, no
/// mode and no further history either. Its author and its trailers are words that anybody can write.
fn is_as_made(remote: &dyn Remote, head: &Head, commit: &PlannedCommit, now: Timestamp) -> Result<bool, GitError> {
    let entry = &head.step.entry;
    let Some(parent) = entry.parent.as_ref().filter(|_| head.on_base && !entry.is_merge) else { return Ok(false) };
    match remote.commit(parent, &commit.files, &commit.plan, now) {
        Ok(made) => remote.has_same_tree(&made, &head.tip),
        Err(GitError::Broken(reason)) => {
            tracing::debug!(head = %head.tip, reason, "the commit cannot be made on the head's parent");
            Ok(false)
        }
        Err(other) => Err(other),
    }
}

/// What following courses came to.
#[derive(Debug, Default)]
pub struct Applied {
    /// The commits that reached the base branch.
    pub landed: Vec<Landed>,
}

/// Follows every course, and writes into each what came of it. `base` is the commit that was planned on.
pub async fn apply(place: &Place<'_>, base: &CommitId, courses: &mut [Course]) -> Applied {
    let mut applied = Applied::default();
    let mut tip = base.clone();
    for course in courses {
        let steps = std::mem::take(&mut course.steps);
        let mut pushed = None;
        for step in &steps {
            if let Err(broken) = take(place, base, (&mut tip, &mut pushed), step, course, &mut applied).await {
                course.action = Action::Failed;
                course.reason = Some(broken.to_string());
                break;
            }
            if course.action == Action::LeftAlone {
                break;
            }
        }
        course.steps = steps;
    }
    applied
}

async fn take(
    place: &Place<'_>,
    base: &CommitId,
    (tip, pushed): (&mut CommitId, &mut Option<CommitId>),
    step: &Step,
    course: &mut Course,
    applied: &mut Applied,
) -> Result<(), Broken> {
    match step {
        Step::Push { head, expected, commit } => {
            let made = make(place, base, commit).await?;
            push_head(place, head, expected.as_ref(), Some(&made)).await?;
            *pushed = Some(made);
            Ok(())
        }
        Step::SetStatuses { commit, statuses } => {
            if let (Some(forge), Some(commit)) = (place.forge, pushed.as_ref().or(commit.as_ref())) {
                let mut now = forge.checks(commit).await?;
                set_changed(forge, commit, statuses, &mut now).await?;
            }
            Ok(())
        }
        Step::Delete { head, expected } => push_head(place, head, Some(expected), None).await,
        Step::Open { head, title, body, reviewers, key } => {
            let Some(forge) = place.forge else { return Ok(()) };
            let new = NewPullRequest {
                head: head.clone(),
                base: place.branch.clone(),
                title: title.clone(),
                body: body.clone(),
                labels: place.style.labels.clone(),
                is_draft: place.style.draft,
                reviewers: reviewers.clone(),
            };
            open(forge, place.branch, &new, key, course).await
        }
        Step::Rewrite { pull_request, title, body } => {
            if let Some(forge) = place.forge {
                forge.rewrite(pull_request, title, body).await?;
            }
            Ok(())
        }
        Step::RemoveLabel { pull_request, label } => {
            if let Some(forge) = place.forge {
                forge.remove_label(pull_request, label).await?;
            }
            Ok(())
        }
        Step::Close { pull_request, body, comment } => {
            if let Some(forge) = place.forge {
                forge.close(pull_request, body, comment).await?;
            }
            Ok(())
        }
        Step::Merge { pull_request, head, commit, again, statuses, approvals } => match (place.forge, pull_request) {
            (Some(forge), Some(pull_request)) => {
                let mut readiness = forge.readiness(pull_request).await?;
                // Whatever happened to them since they were set, a merge is not held up by what Tagboat itself says.
                set_changed(forge, commit, statuses, &mut readiness.checks).await?;
                let enough = if readiness.approvals < *approvals {
                    Err(format!("{} of {approvals} approvals of its head commit", readiness.approvals))
                } else {
                    ready(&readiness, place.style)
                };
                if let Err(reason) = enough {
                    course.reason = Some(reason);
                    return Ok(());
                }
                match forge.merge(pull_request, commit).await? {
                    Merge::Merged(merged) => {
                        course.action = Action::Merged;
                        applied.landed.push(landed(course, merged, again));
                        return match push_head(place, head, Some(commit), None).await {
                            // Many forges are set up to remove it by themselves.
                            Err(Broken::Moved(_)) => Ok(()),
                            removed => removed,
                        };
                    }
                    Merge::Enqueued => course.action = Action::Enqueued,
                    Merge::NotReady(reason) => course.reason = Some(reason),
                }
                Ok(())
            }
            _ => forward(place, tip, (head, commit), again, course, applied).await,
        },
    }
}

/// Sets the statuses that say something else by now, and notes them as set. One that may not be set holds nothing up.
async fn set_changed(
    forge: &dyn Forge,
    commit: &CommitId,
    wanted: &[Status],
    now: &mut Vec<Check>,
) -> Result<(), ForgeError> {
    for status in wanted {
        let known = now.iter_mut().find(|check| check.name == status.context);
        if known.as_ref().is_some_and(|known| known.state == status.state && known.text == status.text) {
            continue;
        }
        match forge.set_status(commit, status).await {
            Ok(()) => {}
            Err(ForgeError::Skip(reason)) => {
                tracing::warn!(reason, "the gates cannot be shown as commit statuses");
                return Ok(());
            }
            Err(error) => return Err(error),
        }
        let (name, state, text) = (status.context.clone(), status.state, status.text.clone());
        let set = Check { name, state, word: "set".to_owned(), text, time: None };
        match known {
            Some(known) => *known = set,
            None => now.push(set),
        }
    }
    Ok(())
}

/// Opens a pull request, after a look at whether there is one after all, or whether this was refused long ago.
async fn open(
    forge: &dyn Forge,
    base: &BranchName,
    new: &NewPullRequest,
    key: &str,
    course: &mut Course,
) -> Result<(), Broken> {
    let before = forge.of_head(base, &new.head).await?;
    if let Some(open) = before.iter().find(|one| one.state == State::Open) {
        course.url = Some(open.url.clone());
        if open.title != new.title || open.body != new.body {
            forge.rewrite(open, &new.title, &new.body).await?;
        }
        return Ok(());
    }
    let refused = before.iter().find(|one| {
        one.state == State::Closed && one.marker.as_ref().is_some_and(|marker| marker.key == key && !marker.withdrawn)
    });
    if let Some(refused) = refused.filter(|one| !one.labels.contains(LABEL_RETRY)) {
        course.url = Some(refused.url.clone());
        course.action = Action::LeftAlone;
        course.reason = Some("closed by a person: refused until something newer comes".to_owned());
        return Ok(());
    }
    let opened = forge.open(new).await?;
    course.url = Some(opened.url);
    Ok(())
}

/// Moves the base to what the head stands for, on plain Git: by a commit made anew, never by what stands on the head.
async fn forward(
    place: &Place<'_>,
    tip: &mut CommitId,
    (head, commit): (&BranchName, &CommitId),
    again: &PlannedCommit,
    course: &mut Course,
    applied: &mut Applied,
) -> Result<(), Broken> {
    let made = make(place, tip, again).await?;
    let (remote, branch, old, new) = (Arc::clone(&place.remote), place.branch.clone(), tip.clone(), made.clone());
    match blocking(move || remote.push(&branch, &old, &new)).await? {
        Pushed::Done => {}
        Pushed::Moved => return Err(Broken::Moved(place.branch.clone())),
        Pushed::Forbidden(words) => return Err(Broken::Forbidden(words)),
    }
    *tip = made.clone();
    course.action = Action::Merged;
    applied.landed.push(landed(course, made, again));
    push_head(place, head, Some(commit), None).await
}

fn landed(course: &Course, commit: CommitId, made: &PlannedCommit) -> Landed {
    Landed { environment: course.environment.clone(), commit, message: made.plan.message.clone() }
}

async fn make(place: &Place<'_>, base: &CommitId, commit: &PlannedCommit) -> Result<CommitId, Broken> {
    let (remote, base, commit, now) = (Arc::clone(&place.remote), base.clone(), commit.clone(), place.now);
    Ok(blocking(move || remote.commit(&base, &commit.files, &commit.plan, now)).await?)
}

async fn push_head(
    place: &Place<'_>,
    head: &BranchName,
    old: Option<&CommitId>,
    new: Option<&CommitId>,
) -> Result<(), Broken> {
    let (remote, name, old, new) = (Arc::clone(&place.remote), head.clone(), old.cloned(), new.cloned());
    match blocking(move || remote.push_head(&name, old.as_ref(), new.as_ref())).await? {
        Pushed::Done => Ok(()),
        Pushed::Moved => Err(Broken::Moved(head.clone())),
        Pushed::Forbidden(words) => Err(Broken::Forbidden(words)),
    }
}

/// Whether everything beside the gates lets a head commit be merged; else why not.
pub fn ready(readiness: &Readiness, style: &PullRequestStyle) -> Result<(), String> {
    let named = |state: CheckState| {
        let found = readiness.checks.iter().filter(move |check| check.state == state);
        found.map(|check| format!("{} ({})", check.name, check.word)).collect::<Vec<_>>().join(", ")
    };
    let (failed, pending) = (named(CheckState::Failed), named(CheckState::Pending));
    if !failed.is_empty() {
        return Err(format!("checks failed: {failed}"));
    }
    if !pending.is_empty() {
        return Err(format!("checks are not done: {pending}"));
    }
    let missing: Vec<&str> = readiness
        .required
        .iter()
        .filter(|name| !readiness.checks.iter().any(|check| check.name == **name))
        .map(String::as_str)
        .collect();
    if !missing.is_empty() {
        return Err(format!("required checks have not reported: {}", missing.join(", ")));
    }
    let is_other = |name: &str| !name.starts_with("tagboat/");
    if !style.allow_no_checks && !readiness.checks.iter().any(|check| is_other(&check.name)) {
        return Err(
            "no check has reported on its head commit (`pullRequest.allowNoChecks` would let it pass)".to_owned()
        );
    }
    if !readiness.changes_requested.is_empty() {
        return Err(format!("changes are requested by {}", readiness.changes_requested.join(", ")));
    }
    match &readiness.blocked {
        Some(reason) => Err(reason.clone()),
        None => Ok(()),
    }
}

/// Runs blocking work; a panic in it goes on here.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, GitError> + Send + 'static,
) -> Result<T, GitError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(failed) => match failed.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_cancelled) => Err(GitError::Broken("the work was cut short by the program's end".to_owned())),
        },
    }
}
