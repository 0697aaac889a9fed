//! Merging one pull request, or what stands for it on plain Git: judged anew at the moment, and only what was planned.
//!
//! Entry points: `merge` and `forward`. Whether the gates pass was decided before.

use crate::forge::{Forge, ForgeError};
use crate::model::commit::CommitId;
use crate::model::environment::BranchName;
use crate::model::outcome::Landed;
use crate::model::proposal::Action;
use crate::model::pull_request::{Check, Merge, PullRequest, Status};
use crate::publish::making::MakeError;
use crate::publish::plan::PlannedCommit;
use crate::publish::pull_requests::Course;
use crate::publish::pull_requests::apply::{Applied, Place};
use crate::publish::pull_requests::readiness::{is_due_for_rebase, only_required_are_due, ready};

/// What is to be merged.
pub(super) struct Order<'a> {
    /// The head branch.
    pub(super) head: &'a BranchName,
    /// The commit that it was seen at.
    pub(super) commit: &'a CommitId,
    /// What that commit was planned as.
    pub(super) again: &'a PlannedCommit,
    /// What the gates say.
    pub(super) statuses: &'a [Status],
    /// Whether the gates stay passed.
    pub(super) is_settled: bool,
    /// How many people must approve that very commit.
    pub(super) approvals: u32,
}

/// Merges on a forge what is ready there, or says why not.
pub(super) async fn merge(
    (place, forge): (&Place<'_>, &dyn Forge),
    tip: &mut CommitId,
    pull_request: &PullRequest,
    order: &Order<'_>,
    course: &mut Course,
    applied: &mut Applied,
) -> Result<(), MakeError> {
    let Order { head, commit, again, statuses, is_settled, approvals } = *order;
    let mut readiness = forge.readiness(pull_request).await?;
    // Whatever happened to them since they were set, a merge is not held up by what Tagboat itself says.
    set_changed(forge, commit, statuses, &mut readiness.checks).await?;
    if is_due_for_rebase(&readiness, place.style) {
        if std::mem::replace(&mut applied.has_rebased, true) {
            course.reason = Some("it is behind the base, and another one is brought up to date first".to_owned());
            return Ok(());
        }
        let made = place.maker().on_head(tip, head, Some(commit), again).await?;
        set_changed(forge, &made.commit, statuses, &mut Vec::new()).await?;
        course.action = Action::Updated;
        course.reason = Some("made anew on the base, which must be up to date for the merge".to_owned());
        return Ok(());
    }
    let is_approved = readiness.approvals >= approvals;
    let enough = if is_approved {
        ready(&readiness, place.style)
    } else {
        Err(format!("{} of {approvals} approvals of its head commit", readiness.approvals))
    };
    if let Err(reason) = enough {
        let may_arm = is_approved && is_settled && place.style.native_auto_merge && only_required_are_due(&readiness);
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

/// Moves the base to what the head stands for, on plain Git: by a commit made anew, never by what stands on the head.
pub(super) async fn forward(
    place: &Place<'_>,
    tip: &mut CommitId,
    order: &Order<'_>,
    course: &mut Course,
    applied: &mut Applied,
) -> Result<(), MakeError> {
    let made = place.maker().on_base(tip, order.again).await?.commit;
    *tip = made.clone();
    course.action = Action::Merged;
    applied.landed.push(landed(course, made, order.again));
    place.maker().push_head(order.head, Some(order.commit), None).await
}

fn landed(course: &Course, commit: CommitId, made: &PlannedCommit) -> Landed {
    Landed { environment: course.environment.clone(), commit, message: made.plan.message.clone() }
}

/// Sets the statuses that say something else by now, and notes them as set. One that may not be set holds nothing up.
pub(super) async fn set_changed(
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
