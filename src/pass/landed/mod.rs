//! What becomes of a plan that did not land as it was planned, and of the outcomes of a pass's rounds.
//!
//! Whatever was planned and is not in Git is told as such: nothing that failed shows as done.

pub(super) mod late;

use std::collections::BTreeSet;

use crate::model::decision::{Decision, Verdict};
use crate::model::environment::{BranchName, EnvironmentName, Publish};
use crate::model::image::ImageName;
use crate::model::outcome::{Landed, Outcome, Trouble};
use crate::model::proposal::{Action, Proposal};
use crate::pass::Planned;
use crate::pass::returns::Return;

/// Leaves the pull requests of a round to the next one: none was made.
pub(super) fn put_off(planned: &mut Planned) {
    let proposals = &planned.promoted.proposals;
    let is_proposed = |returned: &mut Return| proposals[returned.proposal].publish != Publish::Commit;
    let returns: Vec<usize> = planned.returns.extract_if(.., is_proposed).map(|returned| returned.proposal).collect();
    let proposed = std::mem::take(&mut planned.proposed);
    for index in proposed.into_iter().map(|(index, _)| index).chain(returns) {
        let proposal = &mut planned.promoted.proposals[index];
        proposal.action = Action::Waiting;
        proposal.reason =
            Some("no pull request was made before the base is known: the next pass looks again".to_owned());
    }
}

/// Turns what was to be committed for some environments into what failed, and leaves the rest as it was planned.
pub(super) fn refuse(planned: &mut Planned, own: &BTreeSet<EnvironmentName>, reason: &str) {
    planned.changes.retain(|(environment, _)| !own.contains(environment));
    let proposals = &planned.promoted.proposals;
    planned.returns.retain(|returned| {
        let proposal = &proposals[returned.proposal];
        proposal.publish != Publish::Commit || !own.contains(&proposal.environment)
    });
    for proposal in planned.promoted.proposals.iter_mut().filter(|proposal| own.contains(&proposal.environment)) {
        if proposal.action == Action::Committed {
            proposal.action = Action::Failed;
            proposal.reason = Some(reason.to_owned());
        }
    }
}

pub(super) fn branch_trouble(branch: &BranchName, reason: &str) -> Trouble {
    Trouble { what: format!("branch {branch}"), file: None, position: None, reason: reason.to_owned() }
}

/// Turns what was planned for some environments and is not among the commits that landed into what failed.
pub(super) fn keep_landed(outcome: &mut Outcome, own: &BTreeSet<EnvironmentName>, landed: &[Landed]) {
    let is_there = |environment: &EnvironmentName| landed.iter().any(|landed| landed.environment == *environment);
    for proposal in outcome.proposals.iter_mut().filter(|proposal| own.contains(&proposal.environment)) {
        if proposal.action == Action::Committed && !is_there(&proposal.environment) {
            proposal.action = Action::Failed;
            proposal.reason =
                Some("its commit could not be made after the others: the next pass tries again".to_owned());
            outcome.changes.retain(|change| change.environment != proposal.environment);
        }
    }
}

/// Takes out every commit where signed ones are asked for and none can be made.
pub(super) fn hold_unsigned(planned: &mut Planned, reason: &str) {
    planned.changes.clear();
    planned.proposed.clear();
    planned.returns.clear();
    for proposal in &mut planned.promoted.proposals {
        if matches!(proposal.action, Action::Committed | Action::Opened) {
            proposal.action = Action::Waiting;
            proposal.reason = Some(format!("nothing is pushed unsigned: {reason}"));
        }
    }
}

/// Turns what was planned for some environments into what failed: nothing of it is in Git.
pub(super) fn fail(outcome: &mut Outcome, branch: &BranchName, own: &BTreeSet<EnvironmentName>, reason: &str) {
    take_back(outcome, own, Action::Failed, reason);
    outcome.errors.push(branch_trouble(branch, reason));
}

/// Takes what was planned for some environments out of the outcome.
pub(super) fn take_back(outcome: &mut Outcome, own: &BTreeSet<EnvironmentName>, action: Action, reason: &str) {
    outcome.changes.retain(|change| !own.contains(&change.environment));
    let changes = &outcome.changes;
    outcome.files.retain(|file| changes.iter().any(|change| change.file == file.file));
    for proposal in outcome.proposals.iter_mut().filter(|proposal| own.contains(&proposal.environment)) {
        if proposal.action == Action::Committed {
            proposal.action = action;
            proposal.reason = Some(reason.to_owned());
        }
    }
}

/// Adds a later round to an earlier one: what was done adds up, what was judged is the newest.
pub(super) fn merge(total: &mut Outcome, mut later: Outcome, landed: &BTreeSet<EnvironmentName>) {
    if total.decisions.is_empty() && total.commits.is_empty() {
        *total = later;
        return;
    }
    total.standing = later.standing.take().map(|mut standing| {
        standing.decisions = Some(later.decisions.clone());
        standing
    });
    total.changes.append(&mut later.changes);
    total.files.append(&mut later.files);
    let before: BTreeSet<EnvironmentName> = total.commits.iter().map(|commit| commit.environment.clone()).collect();
    total.commits.append(&mut later.commits);
    let moved = |environment: &EnvironmentName| landed.contains(environment);
    // What has come stays decided as it was; of the rest, what holds now is told.
    let has_come = |decision: &Decision| {
        let own = &decision.question.environment;
        matches!(decision.verdict, Verdict::Move { .. }) && !moved(own) && before.contains(own)
    };
    total.decisions.retain(has_come);
    let known: BTreeSet<_> = total.decisions.iter().map(place_of).collect();
    later.decisions.retain(|decision| !known.contains(&place_of(decision)));
    drop(known);
    total.decisions.append(&mut later.decisions);
    // What holds a version and moves none was done when it was opened.
    let is_hold =
        |proposal: &Proposal| proposal.moves.is_empty() && matches!(proposal.action, Action::Opened | Action::Updated);
    let is_done =
        |proposal: &Proposal| matches!(proposal.action, Action::Committed | Action::Merged) || is_hold(proposal);
    total.proposals.retain(is_done);
    total.proposals.append(&mut later.proposals);
    total.images.append(&mut later.images);
    total.told.retain(|row| !later.told.contains(row));
    total.skipped = later.skipped;
    total.skipped.splice(..0, total.told.iter().cloned());
    total.told.append(&mut later.told);
    total.watches = later.watches;
    (total.tips, total.follows) = (later.tips, later.follows);
    total.errors = later.errors;
}

fn place_of(decision: &Decision) -> (&EnvironmentName, &ImageName) {
    (&decision.question.environment, &decision.question.image)
}
