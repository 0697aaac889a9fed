//! What people ordered and Tagboat merges: it takes the place of whatever else would stand in its head branch.
//!
//! Entry points: [`again`], [`take_place`] and [`tell`].

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::config::repository::Repository;
use crate::git::GitError;
use crate::model::change::ChangeSet;
use crate::model::environment::EnvironmentName;
use crate::model::gate::GateState;
use crate::model::proposal::{Action, Move, Proposal};
use crate::model::pull_request::{HeadBranch, LABEL_HOLD, State};
use crate::pass::order::standing::{self, Stands};
use crate::pass::own::look;
use crate::pass::propose::{Onto, approvals_of};
use crate::pass::run::Run;
use crate::pass::{Inputs, Planned, blocking};
use crate::publish::plan::PlannedCommit;
use crate::publish::pull_requests::{self, Desired, Standing, statuses};

/// The orders that stand.
#[derive(Default)]
pub(super) struct Orders {
    /// What a pass merges.
    merged: Vec<Order>,
    /// What a person merges.
    waiting: Vec<Proposal>,
}

/// An order that stands, and what it changes.
struct Order {
    desired: Desired,
    changes: ChangeSet,
}

/// Finds the orders among the head branches of a branch that a pass merges, and judges them anew.
pub(super) async fn again(
    run: &Run<'_>,
    (onto, inputs): (&Onto<'_>, &Inputs<'_>),
    planned: &mut Planned,
    standing: &mut Standing,
    limit: usize,
) -> Result<Orders, GitError> {
    let config = inputs.config;
    let prefix = config.pull_request.branch_prefix.as_str();
    let mut found = Orders::default();
    for at in 0..standing.heads.len() {
        let head = standing.heads[at].clone();
        let open = standing.pull_requests.iter().flatten();
        let open = open.into_iter().find(|one| one.state == State::Open && one.head == head.name);
        let is_closed = standing.pull_requests.is_some() && open.is_none();
        let is_held = open.is_some_and(|open| open.labels.contains(LABEL_HOLD));
        if !head.is_order || !head.is_own || is_closed || is_held {
            continue;
        }
        let named = head.name.as_str().strip_prefix(prefix).and_then(|rest| rest.split_once('/'));
        let named = named.map(|(environment, group)| (EnvironmentName::from(environment), group.to_owned()));
        let Some((name, group)) = standing.former.get(&head.name).cloned().or(named) else { continue };
        let (remote, tip) = (Arc::clone(&run.remote), head.tip.clone());
        let Some(message) = blocking(move || remote.message(&tip)).await? else { continue };
        let url = open.map(|open| open.url.clone());
        let again = match standing::again(inputs, planned, &group, &message).await {
            None => continue,
            Some(Stands::Waits(proposal, _)) if proposal.environment != name => continue,
            Some(Stands::Waits(proposal, commit)) => {
                if standing.pull_requests.is_some() && !proposal.gates.is_empty() {
                    let is_it = match commit {
                        Some(commit) => brings(run, onto, (config, &head), (&proposal, *commit, limit)).await?,
                        None => false,
                    };
                    let said = is_it.then(|| statuses::of_gates(&proposal.gates));
                    standing.said.insert(head.name.clone(), said);
                }
                found.waiting.push(Proposal { branch: Some(head.name.to_string()), url, ..*proposal });
                continue;
            }
            Some(Stands::Merged(again)) => *again,
        };
        if again.proposal.environment != name || head.key.as_deref() != Some(&again.commit.key) {
            continue;
        }
        let environment = config.environments.named(&name);
        let changes = &again.changes.changes;
        let style = &config.pull_request;
        let ordered = pull_requests::ordered(&again.proposal, changes, again.commit.clone(), style, limit, environment);
        let gates = &again.proposal.gates;
        let desired = Desired {
            proposal: planned.promoted.proposals.len(),
            head: head.name.clone(),
            gates_pass: gates.iter().all(|gate| gate.state == GateState::Pass),
            is_settled: gates.iter().all(|gate| gate.name.stays_passed()),
            approvals: environment.map_or(0, approvals_of),
            ..ordered
        };
        let looked = look_at(run, onto, (config, &head), desired.clone()).await?;
        let Some(looked) = looked.filter(|looked| looked.is_own && looked.is_order) else { continue };
        standing.heads[at] = looked;
        planned.promoted.proposals.push(again.proposal);
        found.merged.push(Order { desired, changes: again.changes });
    }
    Ok(found)
}

/// Looks at a head branch beside what should stand there.
async fn look_at(
    run: &Run<'_>,
    onto: &Onto<'_>,
    (config, head): (&Repository, &HeadBranch),
    wanted: Desired,
) -> Result<Option<HeadBranch>, GitError> {
    let (remote, branch, tip) = (Arc::clone(&run.remote), onto.branch.clone(), onto.tip.clone());
    let (listed, own) = (vec![(head.name.clone(), head.tip.clone())], config.commit.clone());
    let looked = blocking(move || look(&remote, (&branch, &tip), listed, &own, &[wanted])).await?;
    Ok(looked.into_iter().next())
}

/// Whether a head branch brings what was ordered, byte for byte, and nothing else.
async fn brings(
    run: &Run<'_>,
    onto: &Onto<'_>,
    (config, head): (&Repository, &HeadBranch),
    (proposal, commit, limit): (&Proposal, PlannedCommit, usize),
) -> Result<bool, GitError> {
    let key = commit.key.clone();
    let ordered = pull_requests::ordered(proposal, &[], commit, &config.pull_request, limit, None);
    let wanted = Desired { head: head.name.clone(), ..ordered };
    let looked = look_at(run, onto, (config, head), wanted).await?;
    Ok(looked.is_some_and(|looked| looked.is_own && looked.is_fresh && looked.key == Some(key)))
}

/// Puts orders among what should stand, in the place of what a pass would make of their head branches.
pub(super) fn take_place(orders: &Orders, planned: &mut Planned, desired: &mut Vec<Desired>) {
    for one in &orders.merged {
        let order = &one.desired;
        let is_other = |wanted: &Desired| wanted.head == order.head && wanted.proposal != order.proposal;
        for other in desired.extract_if(.., |wanted| is_other(wanted)) {
            let proposal = &mut planned.promoted.proposals[other.proposal];
            proposal.action = Action::LeftAlone;
            proposal.branch = Some(order.head.to_string());
            proposal.earliest = None;
            proposal.reason = Some(format!(
                "a person ordered what stands in {}: it stays until it is merged, or the branch removed",
                order.head
            ));
            planned.proposed.retain(|(index, _)| *index != other.proposal);
            planned.returns.retain(|returned| returned.proposal != other.proposal);
        }
        desired.push(order.clone());
    }
}

/// Adds what was merged or made anew to what a pass has changed, and what a person merges to what it tells. Returns the positions of
/// proposals that an order tells as well: the same moves, left alone for its sake.
pub(super) fn tell(orders: Orders, planned: &mut Planned) -> BTreeSet<usize> {
    let of = |proposal: &Proposal| {
        let step = |step: &Move| (step.image.clone(), step.from.clone(), step.to.clone());
        (proposal.branch.clone(), proposal.moves.iter().map(step).collect::<BTreeSet<_>>())
    };
    let merged = orders.merged.iter().map(|order| of(&planned.promoted.proposals[order.desired.proposal]));
    let told: Vec<_> = merged.chain(orders.waiting.iter().map(of)).collect();
    let rows = planned.promoted.proposals.iter().enumerate();
    let twice = rows.filter(|(_, one)| one.action == Action::LeftAlone && told.contains(&of(one)));
    let twice = twice.map(|(index, _)| index).collect();
    planned.promoted.proposals.extend(orders.waiting);
    for Order { desired, changes } in orders.merged {
        let action = planned.promoted.proposals[desired.proposal].action;
        if matches!(action, Action::Merged | Action::Updated) {
            planned.proposed.push((desired.proposal, changes));
        }
    }
    twice
}
