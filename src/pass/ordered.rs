//! What people ordered and stands in a head branch: merged, left to a person, or made anew there; and what labels ask of it. What is made
//! anew or merged takes the place of whatever else would stand in its head branch.
//!
//! Entry points: [`again`], [`take_place`] and [`tell`].

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::config::repository::Repository;
use crate::git::GitError;
use crate::model::change::ChangeSet;
use crate::model::environment::Publish;
use crate::model::gate::{Gate, GateName, GateState};
use crate::model::history::Mover;
use crate::model::outcome::Skipped;
use crate::model::proposal::{Action, Move, Proposal};
use crate::model::pull_request::{
    HeadBranch, LABEL_HOLD, LABEL_REBASE, LABEL_RETRY, Marker, Number, PullRequest, Rebase, State, Status,
};
use crate::model::watch::Watch;
use crate::pass::order;
use crate::pass::order::anew::{self, At, Unfit};
use crate::pass::order::standing::{self, Again, Stands};
use crate::pass::own::look;
use crate::pass::propose::{Onto, approvals_of};
use crate::pass::run::Run;
use crate::pass::unsure::unsure;
use crate::pass::{Inputs, Planned, blocking};
use crate::publish::body::is_of_order;
use crate::publish::plan::PlannedCommit;
use crate::publish::pull_requests::{self, Answer, Desired, Standing, statuses};

/// The orders that stand.
#[derive(Default)]
pub(super) struct Orders {
    /// What a pass merges, or makes anew.
    merged: Vec<Order>,
    /// What a person merges.
    waiting: Vec<Proposal>,
}

/// An order that stands, and what it changes.
struct Order {
    desired: Desired,
    changes: ChangeSet,
}

/// Finds the orders among the head branches of a branch, and judges them anew: those that a pass merges, and those that a person does,
/// whose branches are made anew where that is asked for or they no longer fit the base.
pub(super) async fn again(
    run: &Run<'_>,
    (onto, inputs): (&Onto<'_>, &Inputs<'_>),
    planned: &mut Planned,
    (standing, wanted): (&mut Standing, &[Desired]),
    limit: usize,
) -> Result<Orders, GitError> {
    let config = inputs.config;
    let prefix = config.pull_request.branch_prefix.as_str();
    let unsure = unsure(planned, inputs);
    let mut found = Orders::default();
    unwatched(planned, config, standing.pull_requests.as_deref());
    for at in 0..standing.heads.len() {
        let head = standing.heads[at].clone();
        let open = standing.pull_requests.iter().flatten();
        let open = open.into_iter().find(|one| one.state == State::Open && one.head == head.name).cloned();
        let is_closed = standing.pull_requests.is_some() && open.is_none();
        let has = |label| open.as_ref().is_some_and(|open| open.labels.contains(label));
        // What goes back by itself is desired for as long as its time runs; afterwards it stays for a person.
        let is_left = head.is_return && !wanted.iter().any(|wanted| wanted.head == head.name);
        if !(head.is_order || is_left) || !head.is_own || is_closed || has(LABEL_HOLD) {
            continue;
        }
        let Some(place) = standing.place_of(&head.name, prefix) else { continue };
        let (name, group) = &place;
        if is_left && unsure.recovered.contains(&place) {
            continue;
        }
        let is_watched = |watch: &Watch| (&watch.environment, &watch.group) == (name, group) && !watch.is_late;
        let is_over = is_left && inputs.only.is_empty() && !planned.promoted.watches.iter().any(is_watched);
        // Somebody has moved on from what it goes back from only where that is known.
        let is_overtaken = std::mem::take(&mut standing.heads[at].is_overtaken);
        let (remote, tip) = (Arc::clone(&run.remote), head.tip.clone());
        let Some(message) = blocking(move || remote.message(&tip)).await? else { continue };
        let again = if is_left { None } else { standing::again(inputs, planned, group, &message).await };
        let waiting = match again {
            Some(Stands::Merged(mut again))
                if again.proposal.environment == *name && head.key.as_deref() == Some(&again.commit.key) =>
            {
                let environment = config.environments.named(name);
                let wanted = environment.map_or(0, approvals_of);
                let known = planned.observation.approvals.get(&place).and_then(|known| known.as_ref().ok());
                let is_approved =
                    known.is_some_and(|known| known.head.as_ref() == Some(&head.tip) && known.count >= wanted);
                for gate in
                    again.proposal.gates.iter_mut().filter(|gate| gate.name == GateName::Approvals && is_approved)
                {
                    gate.state = GateState::Pass;
                }
                let gates = &again.proposal.gates;
                // Approvals are counted at the head that is judged for the merge.
                let by_merge = |gate: &Gate| gate.name == GateName::Approvals && standing.pull_requests.is_some();
                let own = Desired {
                    gates_pass: gates.iter().all(|gate| gate.state == GateState::Pass || by_merge(gate)),
                    is_settled: gates.iter().all(|gate| gate.name.stays_passed()),
                    approvals: wanted,
                    ..desired((config, planned), &head, &again, limit)
                };
                let looked = look_at(run, onto, (config, &head), own.clone()).await?;
                if let Some(looked) = looked.filter(|looked| looked.is_own && looked.is_order) {
                    standing.heads[at] = looked;
                    found.push(planned, own, *again);
                }
                continue;
            }
            Some(Stands::Waits(proposal, commit)) if proposal.environment == *name => Some((proposal, commit)),
            Some(_) | None => None,
        };
        let url = open.as_ref().map(|open| open.url.clone());
        let at_base = At { remote: &run.remote, onto: (onto.branch, onto.tip), head: &head, place: (name, group) };
        let is_asked = has(LABEL_REBASE) || has(LABEL_RETRY);
        let is_behind = config.pull_request.rebase == Rebase::Always && !head.is_on_tip;
        // One that cannot be read is no reason to leave all others as they are.
        let conflicts = anew::is_due(at_base).await.unwrap_or_else(|error| {
            tracing::warn!(%error, head = %head.name, "whether it fits the base is not known");
            false
        });
        let mut why = None;
        // Of what only a part of all images was asked about, nothing is known to have changed.
        if (waiting.is_some() || inputs.only.is_empty()) && (is_asked || is_behind || conflicts) {
            let gates = waiting.as_ref().map(|(proposal, _)| proposal.gates.clone()).unwrap_or_default();
            let made = match anew::made(inputs, planned, at_base, &message, gates).await {
                Ok(again) => statuses_of(run, config, (&head, &again)).await.map(|statuses| (again, statuses)),
                Err(unfit) => Err(unfit),
            };
            match made {
                Ok((again, statuses)) => {
                    let told = again.proposal.reason.clone();
                    let own = Desired { statuses, told, ..desired((config, planned), &head, &again, limit) };
                    if let Some(looked) = look_at(run, onto, (config, &head), own.clone()).await? {
                        standing.heads[at] = looked;
                        found.push(planned, own, again);
                    }
                    continue;
                }
                Err(Unfit::Changed { .. }) if is_overtaken => {
                    standing.heads[at].is_overtaken = true;
                    continue;
                }
                Err(Unfit::Unknown(reason)) => why = Some(format!("its branch is not made anew now: {reason}")),
                Err(Unfit::Changed { why: reason, command }) => {
                    let reason = format!("its branch is not made anew on {}: {reason}", onto.branch);
                    if let Some(open) = open.as_ref().filter(|_| is_asked) {
                        let (pull_request, (environment, group)) = (open.clone(), place.clone());
                        standing.answers.push(Answer { pull_request, environment, group, why: reason, command });
                        why = None;
                    } else {
                        why = Some(pull_requests::unfit(&reason, command.as_deref()));
                    }
                }
            }
        }
        match waiting {
            Some((proposal, commit)) => {
                if standing.pull_requests.is_some() && !proposal.gates.is_empty() {
                    let is_it = match commit {
                        Some(commit) => brings(run, onto, (config, &head), (&proposal, *commit, limit)).await?,
                        None => false,
                    };
                    let said = is_it.then(|| statuses::of_gates(&proposal.gates));
                    standing.said.insert(head.name.clone(), said);
                }
                let told = proposal.reason.iter().cloned().chain(why).collect::<Vec<_>>().join("; ");
                let branch = Some(head.name.to_string());
                found.waiting.push(Proposal { branch, url, reason: Some(told), ..*proposal });
            }
            // What does not fit any more is told as nothing but that, and what went back by itself as a person's from now on.
            None => found.waiting.extend(left(is_left, is_over, why).map(|reason| Proposal {
                environment: name.clone(),
                group: group.clone(),
                publish: Publish::PullRequest,
                branch: Some(head.name.to_string()),
                url,
                moves: Vec::new(),
                gates: Vec::new(),
                action: Action::Waiting,
                reason: Some(reason),
                earliest: None,
            })),
        }
    }
    closed(run, onto, config, standing).await?;
    Ok(found)
}

/// Tells of what a person merged so that its commit has lost the trailers: only the forge knows then that it was Tagboat's.
fn unwatched(planned: &mut Planned, config: &Repository, pull_requests: Option<&[PullRequest]>) {
    let observation = &planned.observation;
    let mut told = BTreeSet::new();
    for question in planned.promoted.decisions.iter().map(|decision| &decision.question) {
        let environment = config.environments.named(&question.environment);
        let Some(on_failure) = environment.and_then(|environment| environment.on_failure.as_ref()) else { continue };
        let past = observation.pasts.get(&(question.environment.clone(), question.image.clone()));
        let Some(timeline) = past.and_then(|past| past.as_ref().ok()?.timeline.as_ref()) else { continue };
        let Some(shift) = timeline.deployed(&question.current).map(|index| &timeline.shifts[index]) else { continue };
        let is_watched = shift.landed.checked_add(on_failure.within).is_ok_and(|until| observation.now < until);
        let Some(named) = shift.word.pull_request.as_ref().filter(|_| is_watched && shift.by != Mover::Tagboat) else {
            continue;
        };
        let number = named.get(1..).and_then(|digits| digits.parse().ok()).map(Number);
        let is_its = |one: &&PullRequest| {
            let is_of = |marker: &Marker| marker.environment == question.environment;
            Some(one.number) == number && one.state == State::Merged && one.marker.as_ref().is_some_and(is_of)
        };
        if pull_requests.into_iter().flatten().any(|one| is_its(&one)) {
            told.insert(Skipped {
                what: format!("{} {}", question.environment, question.image),
                reason: format!(
                    "{} came by {named}, whose commit {} has lost Tagboat's trailers: it is not watched",
                    question.current,
                    shift.commit.short()
                ),
            });
        }
    }
    planned.promoted.skipped.extend(told);
}

/// Says of a head branch for which a pass does nothing more what a person does.
fn left(is_return: bool, is_over: bool, why: Option<String>) -> Option<String> {
    match why {
        Some(why) if is_return => Some(format!("a person merges what goes back, or closes it; {why}")),
        Some(why) => Some(format!("a person merges what was ordered; {why}")),
        None if is_over => {
            Some("a person merges what goes back, or closes it: its time to go back by itself is over".to_owned())
        }
        None => None,
    }
}

impl Orders {
    /// Adds what stands for an order from now on.
    fn push(&mut self, planned: &mut Planned, desired: Desired, again: Again) {
        planned.promoted.proposals.push(again.proposal);
        self.merged.push(Order { desired, changes: again.changes });
    }
}

/// Returns what should stand for what was ordered, or goes back.
fn desired((config, planned): (&Repository, &Planned), head: &HeadBranch, again: &Again, limit: usize) -> Desired {
    let Again { proposal, changes, commit } = again;
    let (environment, style) = (config.environments.named(&proposal.environment), &config.pull_request);
    let (index, commit) = (planned.promoted.proposals.len(), commit.clone());
    let desired = if head.is_return {
        pull_requests::returned((index, proposal), &changes.changes, commit, style, limit, environment)
    } else {
        pull_requests::ordered(proposal, &changes.changes, commit, style, limit, environment)
    };
    Desired { proposal: index, head: head.name.clone(), ..desired }
}

/// Returns what gates say on a head that is made anew.
async fn statuses_of(
    run: &Run<'_>,
    config: &Repository,
    (head, again): (&HeadBranch, &Again),
) -> Result<Vec<Status>, Unfit> {
    let Some(environment) = config.environments.named(&again.proposal.environment) else { return Ok(Vec::new()) };
    let forge = run.publishing.forge();
    let before = match forge.has_pull_requests() && !environment.gates.is_empty() {
        true => forge.statuses(&head.tip).await,
        false => Ok(Vec::new()),
    };
    let before = before.map_err(|error| Unfit::Unknown(format!("what its gates have said is not known: {error}")))?;
    Ok(statuses::carried(&again.proposal.gates, environment, &before))
}

/// Answers who asks for orders that were closed: nothing but an order, or who opens it again, brings them.
async fn closed(run: &Run<'_>, onto: &Onto<'_>, config: &Repository, standing: &mut Standing) -> Result<(), GitError> {
    let all = standing.pull_requests.iter().flatten();
    let is_asked =
        |one: &&PullRequest| one.state == State::Closed && one.base == *onto.branch && one.labels.contains(LABEL_RETRY);
    let asked: Vec<PullRequest> = all.filter(is_asked).cloned().collect();
    for one in asked {
        let newer =
            standing.pull_requests.iter().flatten().any(|other| other.head == one.head && other.number > one.number);
        let (remote, commit) = (Arc::clone(&run.remote), one.commit.clone());
        let Some(place) = one.marker.as_ref().map(|marker| (marker.environment.clone(), marker.group.clone())) else {
            continue;
        };
        let is_named = one.is_of(&place.0, &place.1, &config.pull_request);
        let message = if newer || !is_named { None } else { blocking(move || remote.message(&commit)).await? };
        let publish =
            config.environments.named(&place.0).map_or(Publish::PullRequest, |environment| environment.publish);
        let told = match &message {
            Some(message) => order::command(message, &place.1, publish).map(Some),
            None if !newer && is_named && is_of_order(&one.body) => Some(None),
            None => None,
        };
        if let Some(command) = told {
            let why =
                "an order that was closed is given again by its command, or goes on where somebody opens its pull \
                       request again while its branch stands"
                    .to_owned();
            let (environment, group) = place;
            standing.answers.push(Answer { pull_request: one, environment, group, why, command });
        }
    }
    Ok(())
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
