//! What becomes of the branch on which something is proposed to be held: made anew where the base holds something else by now, so
//! that a person can merge it, and removed once the base has all of it, or has had it.
//!
//! Entry point: [`keep`]. Asks the forge for nothing where nothing is to be done.

use std::sync::Arc;

use crate::config::repository::Repository;
use crate::model::commit::{CommitId, TRAILER_BY, TRAILER_REASON};
use crate::model::environment::BranchName;
use crate::model::outcome::Trouble;
use crate::model::proposal::{Action, Proposal};
use crate::model::pull_request::{LABEL_HOLD, Listing, PullRequest};
use crate::observe::tree::CommitFiles;
use crate::pass::hold::proposed::{self, Place, Proposed, SPENT, Standing, among};
use crate::pass::hold::{
    HoldError, Meant, Order, ProposeError, change, edit, edited, held_on, parsed, standing, text_of,
};
use crate::pass::run::{Mode, Run};
use crate::pass::{PassError, blocking};
use crate::publish::held::HoldChange;
use crate::publish::making::MakeError;

/// Brings the branches on which holds are proposed to where they should be, or says what would be done.
pub(in crate::pass) async fn keep(
    run: &Run<'_>,
    (base, config): (&CommitId, &Repository),
    heads: Vec<(BranchName, CommitId)>,
    listed: Option<&Listing>,
) -> (Vec<Proposal>, Vec<Trouble>) {
    let (remote, publishing) = (&run.remote, &run.publishing);
    let place = Place { remote, publishing, config, branch: run.branch, base, now: run.now };
    let (mut kept, mut troubles) = (Vec::new(), Vec::new());
    for (head, tip) in heads {
        let stands = among(place, &head, listed);
        match one(place, run.mode, (&head, &tip), stands).await {
            Ok(proposal) => kept.extend(proposal),
            // Whoever reads it for what it holds tells of a file that cannot be read; the next pass sees who was faster.
            Err(
                error @ (HoldError::Pass(PassError::Configuration(_))
                | HoldError::Propose(ProposeError::Make(MakeError::Moved(_)))),
            ) => tracing::info!(%error, %head, "it is left as it stands"),
            Err(error) => {
                let (what, reason) = (head.to_string(), error.to_string());
                troubles.push(Trouble { what, file: None, position: None, reason });
            }
        }
    }
    (kept, troubles)
}

async fn one(
    place: Place<'_>,
    mode: Mode,
    (head, tip): (&BranchName, &CommitId),
    stands: Standing,
) -> Result<Option<Proposal>, HoldError> {
    let of_head = (head.clone(), tip.clone());
    let before = proposed::on(place, &of_head).await?;
    // What a person has closed, or never opened, is no proposal; once the base has it all, nothing is lost with it.
    let is_spent = before.as_ref().is_none_or(Proposed::is_spent);
    let is_left = match &stands {
        Standing::Nothing => !is_spent,
        Standing::Branch => !is_spent && before.as_ref().is_some_and(|before| before.is_fresh),
        Standing::Open(open) if open.labels.contains(LABEL_HOLD) => true,
        Standing::Open(_) => !is_spent && before.as_ref().is_some_and(|before| before.is_fresh),
    };
    if is_left {
        if let (Standing::Open(open), Some(before), Mode::Act) = (&stands, &before, mode)
            && !open.labels.contains(LABEL_HOLD)
        {
            reword(place, open, before).await?;
        }
        return Ok(None);
    }
    let before = before.unwrap_or_else(|| merged(of_head));
    if !before.is_own {
        let reason =
            format!("somebody else has pushed to {head}, and the base holds something else by now: it is theirs");
        return Ok((!is_spent).then(|| told(place, (&before, &stands), Action::LeftAlone, &reason)));
    }
    if mode == Mode::DryRun {
        let action = if is_spent { Action::Closed } else { Action::Updated };
        let reason = if is_spent { SPENT } else { proposed::COUNTS };
        return Ok(Some(told(place, (&before, &stands), action, reason)));
    }
    if is_spent {
        let nothing = edit(&[], String::new());
        return Ok(proposed::propose_again(place, &before, &HoldChange::default(), nothing).await?);
    }
    let (remote, base) = (Arc::clone(place.remote), place.base.clone());
    let files = blocking(move || CommitFiles::new(remote, &base)).await?;
    let bytes = held_on(&files)?;
    let text = text_of(&bytes)?;
    let after = standing(&text, Some(&before))?;
    let ordered = ordered(place, tip).await?;
    let change = change(&parsed(&text)?, &parsed(&after)?, &ordered);
    Ok(proposed::propose_again(place, &before, &change, edit(&bytes, after)).await?)
}

/// Lets a pull request say what its branch does: whoever changed that may have been stopped in between.
async fn reword(place: Place<'_>, open: &PullRequest, before: &Proposed) -> Result<(), HoldError> {
    if !before.is_own {
        return Ok(());
    }
    let (held, released) = (before.held.clone(), before.released.clone());
    let ordered = if released.is_empty() { HoldChange::default() } else { ordered(place, &before.tip).await? };
    let (title, text) = proposed::words(&HoldChange { held, released, ..ordered }, place.forge());
    let renewed = proposed::renew(place.forge(), open, (&title, &text)).await;
    Ok(renewed.map_err(|why| ProposeError::Forge { head: before.head.clone(), why })?)
}

/// Takes a branch away of which the base has all, or has had it.
pub(super) async fn remove(place: Place<'_>, before: &Proposed) -> Result<Proposal, ProposeError> {
    let nothing = HoldChange::default();
    proposed::propose(place, Some(before), (&nothing, &nothing), edit(&[], String::new())).await
}

/// Takes a branch away of which a release would leave nothing, and whose pull request is closed: an order that was cut short has left it.
pub(super) async fn left_behind(
    place: Place<'_>,
    text: &str,
    (order, meant): (&Order, &Meant),
) -> Result<Option<Proposal>, HoldError> {
    let Some(seen) = proposed::seen(place).await?.filter(|seen| seen.is_own) else { return Ok(None) };
    let (after, ordered) = match edited(&standing(text, Some(&seen))?, place.config, (order, meant)) {
        Ok(edited) => edited,
        Err(HoldError::NotHeld { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let change = change(&parsed(text)?, &parsed(&after)?, &ordered);
    if !change.held.is_empty() || !change.released.is_empty() {
        return Ok(None);
    }
    Ok(Some(proposed::propose(place, Some(&seen), (&change, &ordered), edit(text.as_bytes(), after)).await?))
}

/// Returns a branch that the base has wholly, so that nothing of it is left.
fn merged((head, tip): (BranchName, CommitId)) -> Proposed {
    let (held, released) = (Vec::new(), Vec::new());
    Proposed { head, tip, held, left: Vec::new(), released, is_own: true, is_on_tip: false, is_fresh: false }
}

/// Reads who released something there, and why.
async fn ordered(place: Place<'_>, tip: &CommitId) -> Result<HoldChange, HoldError> {
    let (remote, tip) = (Arc::clone(place.remote), tip.clone());
    let message = blocking(move || remote.message(&tip)).await?.unwrap_or_default();
    let of = |name: &str| message.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    let (by, reason) = (of(TRAILER_BY).map(str::to_owned), of(TRAILER_REASON).map(str::to_owned));
    Ok(HoldChange { by, reason, ..HoldChange::default() })
}

fn told(place: Place<'_>, (before, stands): (&Proposed, &Standing), action: Action, reason: &str) -> Proposal {
    let change = HoldChange { held: before.held.clone(), released: before.released.clone(), ..HoldChange::default() };
    let url = match stands {
        Standing::Open(open) => Some(open.url.clone()),
        Standing::Nothing | Standing::Branch => None,
    };
    Proposal { url, ..proposed::row(place, &change, &before.head, (action, reason)) }
}
