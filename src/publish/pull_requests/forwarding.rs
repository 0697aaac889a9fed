//! Merging on plain Git, where a head branch stands for a pull request.
//!
//! Entry point: `forward`. Whether the gates pass was decided before.

use crate::model::commit::CommitId;
use crate::model::proposal::Action;
use crate::publish::making::MakeError;
use crate::publish::pull_requests::Course;
use crate::publish::pull_requests::apply::{Applied, Place};
use crate::publish::pull_requests::merging::{Order, changed, clear, held_meanwhile, landed};

/// Moves the base to what the head stands for, on plain Git: by a commit made anew, never by what stands on the head. A base that
/// takes no push leaves the head to a person.
pub(super) async fn forward(
    place: &Place<'_>,
    tip: &mut CommitId,
    order: &Order<'_>,
    course: &mut Course,
    applied: &mut Applied,
) -> Result<(), MakeError> {
    if let Some(reason) = held_meanwhile(place, (tip, order.rests_on), &applied.made).await? {
        course.reason = Some(reason);
        return Ok(());
    }
    if let Some(reason) = place.closed(order.again) {
        course.reason = Some(reason);
        return Ok(());
    }
    let made = match place.maker().on_base(tip, order.again).await {
        Ok(made) => made.commit,
        Err(MakeError::Forbidden(words)) => {
            course.reason = Some(format!(
                "the remote refuses the push to {}: {words}; a person merges {}",
                place.branch, order.head
            ));
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    *tip = made.clone();
    course.action = Action::Merged;
    applied.landed.push(landed(course, made.clone(), order.again));
    applied.changed.extend(changed(place, &made, order.again).await?);
    clear(place, (order.head, order.commit), course, applied).await
}
