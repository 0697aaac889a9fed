//! An order that stands in a head branch, judged by a later pass: merged under the rules of everything that Tagboat merges.
//!
//! Entry points: `again`, and [`standing`] for who only looks. Trailers are words that anybody can write who may push the branch, and Tagboat merges with rights of
//! its own. So it merges only what evidence alone would allow: a version forward, through every gate. All else waits for a person.
//! Nor is believed what the branch holds: the commit is made anew on the base of now, and must be the very one that stands there.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::decide::steps;
use crate::edit;
use crate::git::Remote;
use crate::model::change::ChangeSet;
use crate::model::decision::{Decision, Question, Verdict};
use crate::model::environment::{BranchName, Environment, Publish};
use crate::model::gate::{Gate, GateName};
use crate::model::history::Ordered;
use crate::model::proposal::{Action, Move, Proposal};
use crate::model::pull_request::{PullRequest, State};
use crate::pass::grounds;
use crate::pass::order::words::Words;
use crate::pass::order::{Ground, OrderError, promote};
use crate::pass::own::look;
use crate::pass::propose::Publishing;
use crate::pass::{Inputs, PassError, Planned, blocking};
use crate::promote as promotes;
use crate::publish::plan::{OrderNote, PlannedCommit, ordered_commit};

/// Why a person merges an order that says more than evidence does.
const UNKNOWN: &str = "a person merges what was ordered with gates skipped, or as a rollback, and was not merged at once: it is \
     not known who pushed this branch";

/// What a later pass makes of an order.
pub(in crate::pass) enum Stands {
    /// It is merged once everything passes.
    Merged(Box<Again>),
    /// A person merges it, for the reason that the proposal names. The commit is what would stand for it now, where gates are
    /// judged of it.
    Waits(Box<Proposal>, Option<Box<PlannedCommit>>),
}

/// An order as it would be given now.
pub(in crate::pass) struct Again {
    /// What it proposes.
    pub(in crate::pass) proposal: Proposal,
    /// What it changes.
    pub(in crate::pass) changes: ChangeSet,
    /// Its commit.
    pub(in crate::pass) commit: PlannedCommit,
}

/// Gives an order again that the message of a head commit tells; `None` where it does not fit any more, or where pull requests
/// are a person's to merge anyway.
pub(in crate::pass) async fn again(
    inputs: &Inputs<'_>,
    planned: &mut Planned,
    group: &str,
    message: &str,
) -> Option<Stands> {
    let words = Words::read(message)?;
    let config = inputs.config;
    let environment = config.environments.named(&words.environment)?;
    if planned.observation.half_known.contains_key(&environment.name) {
        return None;
    }
    let mut proposal = proposed(planned, environment, group, &words)?;
    let is_bold = words.is_bold || words.order == Ordered::Rollback || !words.is_of_one_tag();
    // A window closes again after an order was given, and what is asked elsewhere may turn.
    if words.order == Ordered::Promote {
        let (_, seen) = crate::pass::look(inputs).ok()?;
        let observation = std::mem::take(&mut planned.observation);
        let mut ground = Ground { inputs, observation, seen, environment };
        proposal.gates = gates(&mut ground, planned, &proposal.moves, &words.skipped).await;
        planned.observation = ground.observation;
    }
    if environment.publish != Publish::AutoMerge || (!is_bold && !words.is_merged) {
        proposal.publish = Publish::PullRequest;
        (proposal.action, proposal.reason) = (Action::Waiting, Some(words.told()));
        return Some(waits(inputs, planned, (environment, proposal), &words));
    }
    let refusal = if is_bold {
        Some(UNKNOWN.to_owned())
    } else {
        let asked = evident(inputs, planned, environment, &proposal.moves).await;
        asked
            .err()
            .map(|error| format!("a person merges what was ordered where a pass alone would not bring it: {error}"))
    };
    if let Some(refusal) = refusal {
        (proposal.action, proposal.reason) = (Action::Waiting, Some(refusal));
        return Some(waits(inputs, planned, (environment, proposal), &words));
    }
    let (changes, commit) = made_anew(inputs, planned, (environment, &proposal), &words)?;
    Some(Stands::Merged(Box::new(Again { proposal, changes, commit })))
}

/// Leaves an order to a person.
fn waits(
    inputs: &Inputs<'_>,
    planned: &Planned,
    (environment, proposal): (&Environment, Proposal),
    words: &Words<'_>,
) -> Stands {
    let is_judged = !proposal.gates.is_empty();
    let made = is_judged.then(|| made_anew(inputs, planned, (environment, &proposal), words)).flatten();
    Stands::Waits(Box::new(proposal), made.map(|(_, commit)| Box::new(commit)))
}

/// Makes what an order changes anew, and its commit.
fn made_anew(
    inputs: &Inputs<'_>,
    planned: &Planned,
    (environment, proposal): (&Environment, &Proposal),
    words: &Words<'_>,
) -> Option<(ChangeSet, PlannedCommit)> {
    let config = inputs.config;
    let (_, seen) = crate::pass::look(inputs).ok()?;
    let ground = grounds::of(&seen, config, &environment.name)?;
    let read = |file: &_| ground.files.read(file, inputs.limits.max_bytes).map_err(|reason| reason.to_string());
    let changes = edit::edit(&planned.observation.sites, &[proposal], &ground.surroundings, inputs.limits, &read);
    if !changes.refused.is_empty() {
        return None;
    }
    let note = OrderNote {
        order: words.order,
        holds: Vec::new(),
        skipped: words.skipped.clone(),
        publish: if words.is_merged { Publish::AutoMerge } else { Publish::PullRequest },
        by: words.by.map(str::to_owned),
        reason: words.reason.map(str::to_owned),
        failed: None,
        notes: words.notes.iter().map(|told| (*told).to_owned()).collect(),
    };
    let commit = ordered_commit(&environment.name, &changes.changes, changes.files.clone(), &config.commit, &note);
    Some((changes, commit))
}

/// Returns what an order proposes, where it fits what stands there now.
fn proposed(planned: &Planned, environment: &Environment, group: &str, words: &Words<'_>) -> Option<Proposal> {
    let mut moves = Vec::new();
    for (image, from, to) in &words.steps {
        let questions = planned.promoted.decisions.iter().map(|decision| &decision.question);
        let is_meant = |question: &&Question| {
            question.environment == environment.name
                && question.image == *image
                && question.current.to_string() == *from
        };
        let question = questions.into_iter().find(is_meant)?;
        moves.push(Move {
            image: image.clone(),
            from: question.current.clone(),
            published: promotes::published(&planned.observation, image, to),
            to: to.clone(),
            step: (words.order == Ordered::Promote)
                .then(|| steps::between(&question.policy, &question.current, to))
                .flatten(),
            pin: question.policy.pins(),
            sites: question.sites.clone(),
        });
    }
    Some(Proposal {
        environment: environment.name.clone(),
        group: group.to_owned(),
        publish: Publish::AutoMerge,
        branch: None,
        url: None,
        moves,
        gates: Vec::new(),
        action: Action::Opened,
        reason: None,
        earliest: None,
    })
}

/// Tells which orders stand in head branches, for who looks and does not act.
///
/// # Errors
///
/// [`PassError`] where the branches cannot be read.
pub async fn standing(
    remote: &Arc<dyn Remote>,
    publishing: &Publishing,
    inputs: &Inputs<'_>,
    (branch, planned): (&BranchName, &Planned),
) -> Result<Vec<Proposal>, PassError> {
    let config = inputs.config;
    let prefix = config.pull_request.branch_prefix.clone();
    let (from, named) = (Arc::clone(remote), prefix.clone());
    let all = blocking(move || from.heads(&named)).await?;
    let beside = inputs.branches.iter().filter_map(|(name, viewed)| Some((name, viewed.as_ref().ok()?.base.as_ref()?)));
    let mut found = Vec::new();
    for (onto, tip) in inputs.base.iter().map(|tip| (branch, tip)).chain(beside) {
        let own = Some(onto).filter(|onto| *onto != branch);
        let place = |head: &BranchName| {
            let (environment, group) = head.as_str().strip_prefix(&prefix)?.split_once('/')?;
            let environment = config.environments.named(&environment.into())?;
            (environment.branch.as_ref() == own).then(|| (environment, group.to_owned()))
        };
        let listed: Vec<_> = all.iter().filter(|(head, _)| place(head).is_some()).cloned().collect();
        let (from, style, at) = (Arc::clone(remote), config.commit.clone(), (onto.clone(), tip.clone()));
        let heads = blocking(move || look(&from, (&at.0, &at.1), listed, &style, &[])).await?;
        for head in heads.into_iter().filter(|head| head.is_order && head.is_own) {
            let (from, at) = (Arc::clone(remote), head.tip.clone());
            let (Some(message), Some((environment, group))) =
                (blocking(move || from.message(&at)).await?, place(&head.name))
            else {
                continue;
            };
            let Some(words) = Words::read(&message).filter(|words| words.environment == environment.name) else {
                continue;
            };
            let Some(mut proposal) = proposed(planned, environment, &group, &words) else { continue };
            let forge = publishing.forge();
            if forge.has_pull_requests() {
                let is_it = |one: &PullRequest| one.state == State::Open && one.head == head.name && one.base == *onto;
                match forge.list().await.map(|listed| listed.pull_requests) {
                    Ok(all) => match all.into_iter().find(is_it) {
                        Some(open) => proposal.url = Some(open.url),
                        None => continue,
                    },
                    Err(error) => tracing::warn!(%error, head = %head.name, "its pull request could not be asked for"),
                }
            }
            proposal.branch = Some(head.name.to_string());
            (proposal.action, proposal.reason) = (Action::Waiting, Some(words.told()));
            found.push(proposal);
        }
    }
    Ok(found)
}

/// Whether what is ordered may come without anybody's word: it is what was decided, or else what the policy lets come by its name
/// alone, with the digest that the registry tells.
async fn evident(
    inputs: &Inputs<'_>,
    planned: &Planned,
    environment: &Environment,
    moves: &[Move],
) -> Result<(), OrderError> {
    let mut others = Vec::new();
    for step in moves {
        let of = |decision: &&Decision| {
            let question = &decision.question;
            (&question.environment, &question.image, &question.current) == (&environment.name, &step.image, &step.from)
        };
        let decision = planned.promoted.decisions.iter().find(of);
        let is_chosen = |decision: &Decision| matches!(&decision.verdict, Verdict::Move { to, .. } if *to == step.to);
        if decision.is_some_and(is_chosen) {
            continue;
        }
        let policy = decision.map(|decision| &decision.question.policy);
        if policy
            .is_none_or(|policy| policy.verify.is_some() || policy.min_age.is_some() || !policy.platforms.is_empty())
        {
            let reason = "its policy asks for more than a name, and another version was chosen by it".to_owned();
            return Err(OrderError::Failed(reason));
        }
        others.push(step.clone());
    }
    if others.is_empty() {
        return Ok(());
    }
    let (_, seen) = crate::pass::look(inputs)?;
    // Lists are read whole for it, which the positions in what was decided before do not stand for.
    let mut ground = Ground { inputs, observation: planned.observation.clone(), seen, environment };
    promote::evident(&mut ground, &others).await
}

/// Judges every gate that is not skipped, as it was judged when the order was given.
async fn gates(ground: &mut Ground<'_>, planned: &Planned, moves: &[Move], skipped: &BTreeSet<GateName>) -> Vec<Gate> {
    promote::judge(ground, &planned.promoted.decisions, moves, skipped).await
}
