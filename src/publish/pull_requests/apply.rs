//! Doing what was planned about pull requests, in order, each step so that it can be done again.
//!
//! Entry points: [`look`] and [`apply`]. A step that fails ends its own course and no other one.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::forge::{Forge, ForgeError};
use crate::git::log::MAX_MESSAGE;
use crate::git::{BlobId, GitError, Head, Remote, blob_id};
use crate::model::commit::{
    CommitId, CommitStyle, TRAILER_FAILED, TRAILER_KEY, TRAILER_ORDER, TRAILER_PUBLISHED, TRAILER_TREE,
};
use crate::model::environment::BranchName;
use crate::model::file::RepoPath;
use crate::model::marker;
use crate::model::outcome::Landed;
use crate::model::proposal::Action;
use crate::model::pull_request::{
    Check, CheckState, HeadBranch, LABEL_RETRY, Marker, Merge, NewPullRequest, PullRequest, PullRequestStyle,
    Readiness, Rebase, State, Status,
};
use crate::publish::body;
use crate::publish::making::{MakeError, Maker, blocking};
use crate::publish::plan::PlannedCommit;
use crate::publish::pull_requests::{Course, Desired, Step, images, refuses};

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

impl Place<'_> {
    fn maker(&self) -> Maker<'_> {
        let (remote, prefix) = (Arc::clone(&self.remote), self.style.branch_prefix.as_str());
        Maker { remote, forge: self.forge, branch: self.branch, prefix, now: self.now }
    }
}

/// Looks at head branches of Tagboat's that the remote has listed with their tips.
///
/// # Errors
///
/// [`GitError`] when they cannot be read: then nothing is decided about any of them.
pub fn look(
    remote: &dyn Remote,
    base: (&BranchName, &CommitId),
    listed: Vec<(BranchName, CommitId)>,
    own: &CommitStyle,
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
    (head, base): (&Head, &CommitId),
    own: &CommitStyle,
    desired: &[Desired],
) -> Result<HeadBranch, GitError> {
    let entry = &head.step.entry;
    let keys: Vec<&str> =
        entry.message.lines().filter_map(|line| line.strip_prefix(TRAILER_KEY)?.strip_prefix(": ")).collect();
    let key = keys.last().map(|key| (*key).trim().to_owned()).filter(|_| !head.is_empty);
    let head_tree = remote.tree(&head.tip)?;
    let is_by_us = entry.author == own.author && entry.committer == *own.committer();
    // A forge names others as who made its commits: those are known by the tree that they say they hold.
    let is_ours = is_by_us || says_tree(&entry.message).is_some_and(|tree| tree == head_tree);
    // Where its parent is no commit of the base any more, the base was moved by force, or its line is another's since a
    // merge was pushed: still nobody else wrote it. It is not fresh then, and made anew on the base of now.
    // A branch that brings nothing holds nothing of anybody's.
    let is_own = head.is_empty || (key.is_some() && !entry.is_merge && is_ours);
    // What goes back and what comes anew may both want it.
    let wanted = || desired.iter().filter(|desired| desired.head == name);
    let same = wanted().find(|desired| key.as_deref() == Some(&desired.key));
    let is_fresh = match same.or_else(|| wanted().next()) {
        _ if head.is_empty => false,
        None => true,
        Some(desired) => brings(head, &desired.commit)? && is_as_made(remote, head, &desired.commit)?,
    };
    let has = |trailer: &str| is_own && key.is_some() && entry.message.lines().any(|line| line.starts_with(trailer));
    let is_return = has(TRAILER_FAILED);
    let is_order = has(TRAILER_ORDER) && !is_return;
    let is_on_tip = entry.parent.as_ref() == Some(base);
    let images = images(&entry.message);
    Ok(HeadBranch { name, tip: head.tip.clone(), key, images, is_own, is_order, is_return, is_fresh, is_on_tip })
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
    let counts = |line: &&str| !line.starts_with(TRAILER_TREE) && !line.starts_with(TRAILER_PUBLISHED);
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

/// What following courses came to.
#[derive(Debug, Default)]
pub struct Applied {
    /// The commits that reached the base branch.
    pub landed: Vec<Landed>,
    /// Whether a branch stood elsewhere than it was seen: whoever looks again may succeed.
    pub has_moved: bool,
    /// Whether a head branch was made anew because it was behind: one in a pass, since each merge leaves the others behind.
    has_rebased: bool,
}

/// Follows every course, and writes into each what came of it. `base` is the commit that was planned on.
pub async fn apply(place: &Place<'_>, base: &CommitId, courses: &mut [Course]) -> Applied {
    let mut applied = Applied::default();
    let mut tip = base.clone();
    for course in courses {
        let steps = std::mem::take(&mut course.steps);
        let mut pushed = None;
        let is_left = course.action == Action::LeftAlone;
        for step in &steps {
            if let Err(broken) = take(place, base, (&mut tip, &mut pushed), step, course, &mut applied).await {
                applied.has_moved |= matches!(broken, MakeError::Moved(_));
                course.action = Action::Failed;
                course.reason = Some(broken.to_string());
                break;
            }
            // An opening that finds it refused ends here; what is told of one that was left from the start goes on.
            if course.action == Action::LeftAlone && !is_left {
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
) -> Result<(), MakeError> {
    match step {
        Step::Push { head, expected, commit } => {
            let made = place.maker().on_head(base, head, expected.as_ref(), commit).await?;
            *pushed = Some(made.commit);
            course.reason = made.fallback.or(course.reason.take());
            Ok(())
        }
        Step::SetStatuses { commit, statuses } => {
            if let (Some(forge), Some(commit)) = (place.forge, pushed.as_ref().or(commit.as_ref())) {
                let mut now = forge.checks(commit).await?;
                set_changed(forge, commit, statuses, &mut now).await?;
            }
            Ok(())
        }
        Step::Delete { head, expected } => place.maker().push_head(head, Some(expected), None).await,
        Step::Open { head, title, body, reviewers, key, kept } => {
            let Some(forge) = place.forge else { return Ok(()) };
            let new = new(place, head, (title, body), reviewers);
            open(place, (forge, base), &new, (key, kept.as_ref()), course).await
        }
        Step::Finish { pull_request, reviewers } => {
            if let Some(forge) = place.forge {
                let text = (pull_request.title.as_str(), pull_request.body.as_str());
                forge.finish(pull_request, &new(place, &pull_request.head, text, reviewers)).await?;
            }
            Ok(())
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
                // What is closed is closed even where nothing may be said on it.
                if let Some(refused) = say(forge, pull_request, comment).await? {
                    course.add(&refused);
                }
                forge.close(pull_request, body).await?;
            }
            Ok(())
        }
        Step::Tell { pull_request, body, comment } => {
            if let Some(forge) = place.forge
                && let Some(unsaid) = tell(forge, pull_request, (body, comment)).await
            {
                course.add(&unsaid);
            }
            Ok(())
        }
        Step::Disarm { pull_request } => {
            if let Some(forge) = place.forge {
                forge.disarm(pull_request).await?;
            }
            Ok(())
        }
        Step::Merge { pull_request, head, commit, again, statuses, is_settled, approvals } => {
            match (place.forge, pull_request) {
                (Some(forge), Some(pull_request)) => {
                    let mut readiness = forge.readiness(pull_request).await?;
                    // Whatever happened to them since they were set, a merge is not held up by what Tagboat itself says.
                    set_changed(forge, commit, statuses, &mut readiness.checks).await?;
                    if is_due_for_rebase(&readiness, place.style) {
                        if std::mem::replace(&mut applied.has_rebased, true) {
                            course.reason =
                                Some("it is behind the base, and another one is brought up to date first".to_owned());
                            return Ok(());
                        }
                        let made = place.maker().on_head(tip, head, Some(commit), again).await?;
                        set_changed(forge, &made.commit, statuses, &mut Vec::new()).await?;
                        course.action = Action::Updated;
                        course.reason =
                            Some("made anew on the base, which must be up to date for the merge".to_owned());
                        return Ok(());
                    }
                    let is_approved = readiness.approvals >= *approvals;
                    let enough = if is_approved {
                        ready(&readiness, place.style)
                    } else {
                        Err(format!("{} of {approvals} approvals of its head commit", readiness.approvals))
                    };
                    if let Err(reason) = enough {
                        let may_arm = is_approved
                            && *is_settled
                            && place.style.native_auto_merge
                            && only_required_are_due(&readiness);
                        if !may_arm {
                            if pull_request.is_armed {
                                forge.disarm(pull_request).await?;
                            }
                            course.reason = Some(reason);
                        } else if pull_request.is_surely_armed() {
                            course.action = Action::Enqueued;
                        } else {
                            match forge.arm(pull_request, commit).await? {
                                Merge::NotReady(other) => course.reason = Some(format!("{reason}; {other}")),
                                Merge::Merged(_) | Merge::Enqueued => course.action = Action::Enqueued,
                            }
                        }
                        return Ok(());
                    }
                    match forge.merge(pull_request, commit).await? {
                        Merge::Merged(merged) => {
                            course.action = Action::Merged;
                            applied.landed.push(landed(course, merged, again));
                            return match place.maker().push_head(head, Some(commit), None).await {
                                // Many forges are set up to remove it by themselves.
                                Err(MakeError::Moved(_)) => Ok(()),
                                removed => removed,
                            };
                        }
                        Merge::Enqueued => course.action = Action::Enqueued,
                        Merge::NotReady(reason) => course.reason = Some(reason),
                    }
                    Ok(())
                }
                _ => forward(place, tip, (head, commit), again, course, applied).await,
            }
        }
    }
}

/// Returns a pull request as it is to be opened.
fn new(place: &Place<'_>, head: &BranchName, (title, body): (&str, &str), reviewers: &[String]) -> NewPullRequest {
    NewPullRequest {
        head: head.clone(),
        base: place.branch.clone(),
        title: title.to_owned(),
        body: body.to_owned(),
        labels: place.style.labels.clone(),
        is_draft: place.style.draft,
        reviewers: reviewers.to_vec(),
    }
}

/// Comments. What the forge refuses to take is returned in words, for what the comment is about is done without it.
async fn say(forge: &dyn Forge, pull_request: &PullRequest, comment: &str) -> Result<Option<String>, ForgeError> {
    match forge.comment(pull_request, comment).await {
        Ok(()) => Ok(None),
        Err(ForgeError::Skip(reason) | ForgeError::Stop(reason)) => {
            tracing::warn!(url = %pull_request.url, reason, "the comment was refused");
            Ok(Some(format!("the comment that says so was refused: {reason}")))
        }
        Err(later @ ForgeError::Later { .. }) => Err(later),
    }
}

/// Comments, and notes that this was said, or that the forge takes no comment. Leaving something alone cannot fail: what could not
/// be said is returned in words, and the next pass tries again.
async fn tell(forge: &dyn Forge, pull_request: &PullRequest, (body, comment): (&str, &str)) -> Option<String> {
    let refused = match say(forge, pull_request, comment).await {
        Ok(refused) => refused,
        Err(later) => return Some(format!("that could not be said on it so far: {later}")),
    };
    match forge.rewrite(pull_request, &pull_request.title, body).await {
        Ok(()) => refused,
        Err(error) => Some(refused.unwrap_or_else(|| format!("its body could not be changed: {error}"))),
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
            Err(ForgeError::Skip(reason) | ForgeError::Stop(reason)) => {
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
    place: &Place<'_>,
    (forge, base): (&dyn Forge, &CommitId),
    new: &NewPullRequest,
    (key, kept): (&str, Option<&CommitId>),
    course: &mut Course,
) -> Result<(), MakeError> {
    let before = forge.of_head(place.branch, &new.head).await?;
    if let Some(open) = before.iter().find(|one| one.state == State::Open) {
        course.url = Some(open.url.clone());
        if open.is_armed {
            forge.disarm(open).await?;
        }
        let open = &open.disarmed();
        if open.marker.as_ref().is_some_and(|marker| marker.unfinished) {
            forge.finish(open, new).await?;
        }
        let before = open.marker.as_ref();
        let body = before.map_or_else(|| new.body.clone(), |before| body::instead_of(&new.body, before, None));
        if open.title != new.title || open.body != body {
            forge.rewrite(open, &new.title, &body).await?;
        }
        return Ok(());
    }
    let is_it = |one: &PullRequest| one.marker.as_ref().is_some_and(|marker| marker.key == key && !marker.withdrawn);
    // Merged long ago it may be wanted again; merged since the base was looked at, it is there.
    if before.iter().any(|one| one.state == State::Merged && is_it(one)) {
        let (remote, branch) = (Arc::clone(&place.remote), place.branch.clone());
        if blocking(move || remote.tip(&branch)).await? != *base {
            course.action = Action::Unchanged;
            course.reason = Some("the base has moved, and may have it already: the next pass looks again".to_owned());
            return Ok(());
        }
    }
    let refused = before.iter().find(|one| refuses(one, key, kept));
    if let Some(refused) = refused.filter(|one| !one.labels.contains(LABEL_RETRY)) {
        course.url = Some(refused.url.clone());
        course.action = Action::LeftAlone;
        course.reason = Some("closed by a person: refused until something newer comes".to_owned());
        return Ok(());
    }
    if !forge.opens_in_steps(new) {
        course.url = Some(forge.open(new).await?.url);
        return Ok(());
    }
    // Until all is done its marker says so: whatever cuts this short, the next pass goes on from there.
    let unfinished = marker::read(&new.body).map(|marker| Marker { unfinished: true, ..marker });
    let body = unfinished.map_or_else(|| new.body.clone(), |unfinished| marker::replace(&new.body, &unfinished));
    let opened = forge.open(&NewPullRequest { body, ..new.clone() }).await?;
    course.url = Some(opened.url.clone());
    forge.finish(&opened, new).await?;
    Ok(forge.rewrite(&opened, &new.title, &new.body).await?)
}

/// Moves the base to what the head stands for, on plain Git: by a commit made anew, never by what stands on the head.
async fn forward(
    place: &Place<'_>,
    tip: &mut CommitId,
    (head, commit): (&BranchName, &CommitId),
    again: &PlannedCommit,
    course: &mut Course,
    applied: &mut Applied,
) -> Result<(), MakeError> {
    let made = place.maker().on_base(tip, again).await?.commit;
    *tip = made.clone();
    course.action = Action::Merged;
    applied.landed.push(landed(course, made, again));
    place.maker().push_head(head, Some(commit), None).await
}

fn landed(course: &Course, commit: CommitId, made: &PlannedCommit) -> Landed {
    Landed { environment: course.environment.clone(), commit, message: made.plan.message.clone() }
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

/// Whether a head branch has to be brought up to date before it can be merged, and nothing else is known to hold it up.
fn is_due_for_rebase(readiness: &Readiness, style: &PullRequestStyle) -> bool {
    let has_failed = readiness.checks.iter().any(|check| check.state == CheckState::Failed);
    readiness.is_behind && style.rebase != Rebase::Conflict && !has_failed && readiness.changes_requested.is_empty()
}

/// Whether nothing is left to wait for but checks that the base requires: the one thing that a forge asks when it merges by itself.
fn only_required_are_due(readiness: &Readiness) -> bool {
    let is_passed_or_required = |check: &Check| match check.state {
        CheckState::Passed => true,
        CheckState::Pending => readiness.required.contains(&check.name),
        CheckState::Failed => false,
    };
    !readiness.required.is_empty()
        && readiness.checks.iter().all(is_passed_or_required)
        && readiness.changes_requested.is_empty()
        && (readiness.blocked.is_none() || readiness.is_blocked_by_checks)
}
