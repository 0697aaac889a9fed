//! Orders to a forge about a pull request that it may deny, and what is written down of them.
//!
//! Entry points: [`given`], [`denied`] and [`heard`]; [`put`] and [`stands`] for what goes into a merge queue. Judges nothing: what is ordered was
//! found ready.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::forge::turns::denied::{Denial, Order};
use crate::forge::{Forge, ForgeError};
use crate::model::commit::CommitId;
use crate::model::marker;
use crate::model::pull_request::{CheckState, Marker, Merge, PullRequest, Queue, Queued, Readiness};
use crate::publish::making::MakeError;
use crate::publish::pull_requests::Course;

/// What is ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// That it is merged, or put into the merge queue.
    Merge,
    /// That the forge merges it by itself.
    Arm,
}

/// Returns the order about a pull request, told from others by everything that is known to decide about it. Its text is no part of that, since Tagboat
/// itself writes there.
pub(super) fn given(
    forge: &dyn Forge,
    what: What,
    (pull_request, tip): (&PullRequest, &CommitId),
    readiness: &Readiness,
) -> Order {
    let PullRequest { number, commit, base, title, labels, is_draft, .. } = pull_request;
    let subject = format!("{what:?} {number:?} {commit:?} {base:?} {tip:?} {title:?} {labels:?} {is_draft:?}");
    let checks: BTreeSet<(&str, CheckState)> =
        readiness.checks.iter().map(|check| (check.name.as_str(), check.state)).collect();
    let rest = Readiness { checks: Vec::new(), ..readiness.clone() };
    forge.order(&[&subject, &format!("{checks:?}"), &format!("{rest:?}")])
}

/// Returns how the forge has denied the very same order, where it is not to be given again yet.
///
/// # Errors
///
/// Those with which the forge denied it.
pub(super) fn denied(order: &Order) -> Result<Option<String>, ForgeError> {
    let Some((denial, until)) = order.denied() else { return Ok(None) };
    denial.worded(|words| until_then(words, until)).told().map(Some)
}

/// Takes note of what came of an order, and says where it is denied until when it is not given again.
///
/// # Errors
///
/// Those of the order.
pub(super) fn heard(order: &Order, answer: Result<Merge, ForgeError>) -> Result<Merge, ForgeError> {
    let denial = match &answer {
        Ok(Merge::Denied(words)) => Denial::of(words.clone()),
        Ok(Merge::Merged(_) | Merge::Enqueued) => {
            order.take();
            return answer;
        }
        Ok(Merge::NotReady(_)) => return answer,
        Err(error) => match Denial::of_error(error) {
            Some(denial) => denial,
            None => return answer,
        },
    };
    match order.deny(denial.clone()) {
        Some(until) => denial.worded(|words| until_then(words, until)).told().map(Merge::Denied),
        None => answer,
    }
}

fn until_then(words: &str, until: Timestamp) -> String {
    format!("{words}; it is ordered again once anything about it changes, or after {}", until.strftime("%H:%M UTC"))
}

/// Writes into the hidden line of the body, before it is put into a merge queue, that it is: whatever cuts that short, or if the answer is lost, it is
/// taken out by that. Where it was put there before, or was to be, that is said already, so that one which the queue does not take is changed
/// once. Returns `false`, and says so, where there is no such line. Where the forge does not tell of those that have left, [`stands`]
/// does so behind.
pub(super) async fn put(
    forge: &dyn Forge,
    (pull_request, tip): (&PullRequest, &CommitId),
    readiness: &Readiness,
    course: &mut Course,
) -> Result<bool, MakeError> {
    let Some(queue) = &readiness.queue else { return Ok(true) };
    let Some(marker) = &pull_request.marker else {
        course.reason = Some("its body has lost the hidden line by which it would be known again".to_owned());
        return Ok(false);
    };
    if !queue.is_mute && !is_said(pull_request, queue) {
        note(forge, (pull_request, tip), (marker, queue)).await?;
    }
    Ok(true)
}

/// Writes down at which head and base it stands in a merge queue, where that is not said yet. What a mute forge has had would look alike before;
/// a pass that was cut off leaves that to the next one, which finds it there, or puts it there again.
pub(super) async fn stands(
    forge: &dyn Forge,
    (pull_request, tip): (&PullRequest, &CommitId),
    readiness: &Readiness,
) -> Result<(), MakeError> {
    let Some(marker) = &pull_request.marker else { return Ok(()) };
    let Some(queue) = &readiness.queue else { return Ok(()) };
    if queue.is_mute || is_said(pull_request, queue) {
        note(forge, (pull_request, tip), (marker, queue)).await?;
    }
    Ok(())
}

/// Whether it was put into a merge queue before, or was to be, and has not left that since.
fn is_said(pull_request: &PullRequest, queue: &Queue) -> bool {
    pull_request.put().is_some_and(|put| put.left == left(queue))
}

async fn note(
    forge: &dyn Forge,
    (pull_request, tip): (&PullRequest, &CommitId),
    (marker, queue): (&Marker, &Queue),
) -> Result<(), MakeError> {
    let queued = Some(Queued { commit: pull_request.commit.clone(), base: tip.clone(), left: left(queue) });
    if marker.queued != queued {
        let body = marker::replace(&pull_request.body, &Marker { queued, ..marker.clone() });
        forge.rewrite(pull_request, &pull_request.title, &body).await?;
    }
    Ok(())
}

/// Returns when it had left the queue last, where the forge tells.
fn left(queue: &Queue) -> Option<String> {
    queue.left.as_ref().map(|left| left.at.clone()).filter(|at| !at.is_empty())
}
