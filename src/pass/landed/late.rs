//! What a gate has closed for since the pass began: it is not committed, and waits.
//!
//! A pass may take long, and what its gates said counts at the moment at which it began. What goes back, and what is held, asked no gate.

use crate::clock::Clock;
use crate::model::commit::CommitStyle;
use crate::model::environment::EnvironmentName;
use crate::model::gate::Closing;
use crate::model::proposal::Action;
use crate::pass::Planned;
use crate::publish::apply::Applied;
use crate::publish::making::MakeError;
use crate::publish::plan::{self, PlannedCommit};

/// Plans the commits of every environment, each with when the first of its gates closes.
pub(in crate::pass) fn commits(planned: &Planned, style: &CommitStyle) -> Vec<PlannedCommit> {
    let mut commits = plan::commits(&planned.changes, style);
    for commit in &mut commits {
        let own = planned.promoted.proposals.iter().filter(|one| one.environment == commit.plan.environment);
        let own = own.filter(|proposal| proposal.action == Action::Committed);
        commit.closes = own.filter_map(|proposal| Closing::first(&proposal.gates)).min_by_key(|closing| closing.at);
    }
    commits
}

/// A commit that a gate may close for.
pub(in crate::pass) struct Until {
    environment: EnvironmentName,
    message: String,
    closing: Closing,
}

/// Notes which commits a gate may close for.
pub(in crate::pass) fn until(commits: &[PlannedCommit]) -> Vec<Until> {
    let of = |commit: &PlannedCommit| {
        let (environment, message) = (commit.plan.environment.clone(), commit.plan.message.clone());
        Some(Until { environment, message, closing: commit.closes? })
    };
    commits.iter().filter_map(of).collect()
}

/// Leaves out what a gate has closed for by now.
pub(in crate::pass) fn in_time(mut commits: Vec<PlannedCommit>, clock: &dyn Clock) -> Vec<PlannedCommit> {
    let now = clock.now();
    commits.retain(|commit| commit.closes.is_none_or(|closing| closing.over(now).is_none()));
    commits
}

/// Says of everything that did not land, and that a gate has closed for by now, that it waits.
pub(in crate::pass) fn tell(
    planned: &mut Planned,
    until: Vec<Until>,
    applied: &Result<Applied, MakeError>,
    clock: &dyn Clock,
) {
    let now = clock.now();
    let landed = if let Ok(Applied::Landed(landed)) = applied { landed.as_slice() } else { &[] };
    let back: Vec<usize> = planned.returns.iter().map(|returned| returned.proposal).collect();
    for Until { environment, message, closing } in until {
        let has_landed = landed.iter().any(|one| one.environment == environment && one.message == message);
        let Some(reason) = closing.over(now).filter(|_| !has_landed) else { continue };
        planned.changes.retain(|(other, _)| *other != environment);
        for (index, proposal) in planned.promoted.proposals.iter_mut().enumerate() {
            let is_its = proposal.environment == environment && proposal.action == Action::Committed;
            if is_its && !back.contains(&index) {
                (proposal.action, proposal.reason) = (Action::Waiting, Some(reason.clone()));
            }
        }
    }
}
