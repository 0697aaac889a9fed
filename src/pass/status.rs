//! What every environment runs, what comes next there and what that waits for.
//!
//! Entry point: [`status`], which takes what a pass planned. Changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use crate::config::repository::Repository;
use crate::decide;
use crate::model::commit::CommitId;
use crate::model::decision::{Decision, Question, Reason, Verdict};
use crate::model::environment::EnvironmentName;
use crate::model::file::RepoPath;
use crate::model::history::TakenBack;
use crate::model::image::ImageName;
use crate::model::kept_back::KeptBack;
use crate::model::outcome::Trouble;
use crate::model::proposal::{Action, Proposal};
use crate::model::record::{Entry, Running, Standing, Status};
use crate::model::site::{self, Spot, Value};
use crate::observe::history::Asking;
use crate::pass::record::{self, Ledger};
use crate::pass::{Inputs, PassError, Planned, elsewhere, report};
use crate::promote::drift::Drift;

/// What history told of one commit: the same for every pass that stands on it.
#[derive(Debug, Default)]
struct Background {
    brought: BTreeMap<(EnvironmentName, ImageName, Value), Vec<Brought>>,
    drifts: Vec<Drift>,
    taken_back: Vec<(EnvironmentName, ImageName, TakenBack)>,
    lately: Vec<Entry>,
    /// The time down to which history was read, where it goes on.
    cut: Option<Timestamp>,
}

/// When what stands at some places came there.
#[derive(Debug)]
struct Brought {
    spots: BTreeSet<Spot>,
    /// How many commits are newer.
    depth: usize,
    commit: CommitId,
    time: Timestamp,
}

/// The tips of the base, of the branches beside it, and of other repositories.
type Tips = Vec<Option<CommitId>>;

/// What history told of the commits on which the last pass of a repository stood, so that the next one need not read it.
#[derive(Debug, Default)]
pub struct Memory(Mutex<Option<(Tips, Arc<Background>)>>);

/// Tells how things stand. `ledger` is `None` where there is no history; `orders` stand in head branches, in the place of whatever
/// else would come next there.
pub fn status(planned: Planned, inputs: &Inputs<'_>, ledger: Option<&Ledger<'_>>, orders: Vec<Proposal>) -> Status {
    let config = inputs.config;
    let (background, error) = match ledger.map(|ledger| background(&planned, ledger)).transpose() {
        Ok(background) => (background, None),
        Err(error) => (None, Some(error)),
    };
    let (mut status, _) = standing(&planned, config, background.as_ref());
    status.errors.extend(error.as_ref().map(unreadable));
    for order in orders.into_iter().map(Arc::new) {
        for (name, rows) in &mut status.environments {
            for row in rows.iter_mut().filter(|_| *name == order.environment) {
                if let Some(step) = order.moves.iter().find(|step| step.image == row.image && step.from == row.value) {
                    (row.next, row.to, row.blocked) = (Some(Arc::clone(&order)), Some(step.to.clone()), None);
                }
            }
        }
    }
    let outcome = report::outcome(planned, config);
    status.skipped = outcome.skipped;
    status.errors.extend(outcome.errors);
    status
}

/// Tells how things stand beside the outcome of the same pass, and remembers what history told.
pub(super) fn beside(planned: &Planned, ledger: &Ledger<'_>, memory: &Memory) -> Standing {
    let mut known = memory.0.lock().unwrap_or_else(PoisonError::into_inner);
    let beside = ledger.branches.values().map(|viewed| viewed.as_ref().ok().and_then(|viewed| viewed.base.clone()));
    let others = elsewhere::tips(ledger.others);
    let tips: Tips = std::iter::once(planned.observation.base.clone()).chain(beside).chain(others).collect();
    let remembered = known.as_ref().filter(|(at, _)| *at == tips).map(|(_, known)| Arc::clone(known));
    let read = match remembered {
        Some(background) => Ok(background),
        None => background(planned, ledger).map(Arc::new),
    };
    let (background, error) = match read {
        Ok(background) => (Some(background), None),
        Err(error) => (None, Some(error)),
    };
    *known = background.clone().map(|background| (tips, background));
    drop(known);
    let (mut status, proposals) = standing(planned, ledger.config, background.as_deref());
    status.errors.extend(error.as_ref().map(unreadable));
    let lately = background.map(|known| known.lately.clone()).unwrap_or_default();
    Standing { status, proposals, decisions: None, lately }
}

fn unreadable(error: &PassError) -> Trouble {
    Trouble { what: "history".to_owned(), file: None, position: None, reason: error.to_string() }
}

fn standing(planned: &Planned, config: &Repository, background: Option<&Background>) -> (Status, Vec<Arc<Proposal>>) {
    let now = planned.observation.now;
    let mut status = Status { holds: planned.observation.holds.clone(), ..Status::default() };
    status.holds.retain(|hold| hold.until.is_none_or(|until| now < until));
    status.taken_back = taken_back(planned, background, config);
    let shared: Vec<Arc<Proposal>> = planned.promoted.proposals.iter().cloned().map(Arc::new).collect();
    for environment in &config.environments.0 {
        let own =
            planned.promoted.decisions.iter().filter(|decision| decision.question.environment == environment.name);
        let rows: Vec<Running> = own.map(|decision| running(planned, &shared, decision, background)).collect();
        status.environments.push((environment.name.clone(), rows));
    }
    status.cut = background.and_then(|known| known.cut).filter(|_| !is_settled(&status));
    (status, shared)
}

/// Whether it is known when everything came.
fn is_settled(status: &Status) -> bool {
    status.environments.iter().flat_map(|(_, rows)| rows).all(|row| row.brought.is_some())
}

/// Reads since when what stands there now does, and how environments drift apart.
fn background(planned: &Planned, ledger: &Ledger<'_>) -> Result<Background, PassError> {
    let looked = record::looked(ledger)?;
    let standing = record::standing(ledger.config, &looked.sites);
    let runs = record::runs(ledger.config, &looked.sites);
    let asking = Asking::These(runs.keys().cloned().collect());
    let told = record::read_of(ledger, &looked, &asking, &|told| record::settles(told, &runs))?;
    let survey = elsewhere::survey(ledger.looking());
    let drifts = record::drifted(ledger, &looked.sites, survey, runs.clone(), told.timelines.clone())?.drifts;
    let lately = record::lately(ledger, &looked.sites, &told);
    let mut background =
        Background { drifts, lately, cut: (!told.whole).then_some(told.oldest), ..Background::default() };
    for ((environment, image), timeline) in &told.timelines {
        let key = (environment.clone(), image.clone());
        for (value, sites) in standing.get(&key).into_iter().flatten() {
            let spots = site::spots(&looked.sites, sites).into_values().collect();
            let brought = timeline.parted(&spots, value).into_iter().filter_map(|part| {
                let shift = part.timeline.brought(value)?;
                let (commit, depth) = (shift.commit.clone(), shift.word.depth);
                Some(Brought { spots: part.spots, depth, commit, time: shift.time })
            });
            let key = (environment.clone(), image.clone(), value.clone());
            background.brought.insert(key, brought.collect());
        }
        let questions = planned.promoted.decisions.iter().map(|decision| &decision.question);
        let mut own = questions.filter(|question| question.environment == *environment && question.image == *image);
        let policy = own.next().map(|question| &*question.policy);
        let taken = decide::past::taken_back(timeline, policy).into_iter();
        background.taken_back.extend(taken.map(|taken| (environment.clone(), image.clone(), taken)));
    }
    Ok(background)
}

fn running(
    planned: &Planned,
    shared: &[Arc<Proposal>],
    decision: &Decision,
    background: Option<&Background>,
) -> Running {
    let question = &decision.question;
    let key = (question.environment.clone(), question.image.clone(), question.current.clone());
    let spots = planned.observation.spots(&question.sites);
    let brought = background.and_then(|known| known.brought.get(&key)).into_iter().flatten();
    // The last of its places to which it came.
    let brought = brought.filter(|brought| !brought.spots.is_disjoint(&spots)).min_by_key(|brought| brought.depth);
    let brought = brought.map(|brought| (brought.commit.clone(), brought.time));
    let own = shared.iter().filter(|proposal| proposal.environment == question.environment);
    let own = own.filter_map(|proposal| Some((proposal, proposal.moves.iter().find(|step| step.answers(question))?)));
    // What a person ordered stands where something else would.
    let own = own.min_by_key(|(proposal, _)| proposal.action == Action::LeftAlone);
    let (next, to) = own.map(|(proposal, step)| (Arc::clone(proposal), step.to.clone())).unzip();
    let drift = background.into_iter().flat_map(|known| &known.drifts).find(|drift| {
        drift.environment == question.environment
            && drift.image == question.image
            && drift.value == question.current
            && !drift.spots.is_disjoint(&spots)
    });
    let blocked = match &decision.verdict {
        Verdict::Undecided(reason) if next.is_none() => Some(reason.clone()),
        _ => None,
    };
    let tags = planned.observation.images.get(&question.image).and_then(|tags| tags.as_ref().ok());
    let kept_back = tags.and_then(|tags| KeptBack::of(decision, tags));
    Running {
        image: question.image.clone(),
        group: planned.promoted.groups.get(&question.image).cloned().unwrap_or_default(),
        value: question.current.clone(),
        files: files(planned, question),
        brought,
        next,
        to,
        // What stands ahead says so as drift; twice would be once too often.
        blocked: blocked.filter(|_| drift.is_none()),
        kept_back: kept_back.filter(|kept| !matches!(kept.reason, Reason::Held(_))),
        drift: drift.map(|drift| drift.reason.clone()),
        watch: report::watched(planned, question).cloned(),
    }
}

/// Returns the files in which what a question is about stands.
fn files(planned: &Planned, question: &Question) -> Vec<RepoPath> {
    let sites = question.sites.iter().filter_map(|site| planned.observation.sites.get(*site));
    sites.map(|site| &site.file).collect::<BTreeSet<_>>().into_iter().cloned().collect()
}

/// Gathers what somebody took back: what the pass asked about, and what the status read beside it.
fn taken_back(
    planned: &Planned,
    background: Option<&Background>,
    config: &Repository,
) -> Vec<(EnvironmentName, ImageName, TakenBack)> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    let mut add = |name: &EnvironmentName, image: &ImageName, taken: &TakenBack| {
        if seen.insert((name.clone(), image.clone(), taken.value.clone())) {
            found.push((name.clone(), image.clone(), taken.clone()));
        }
    };
    for ((name, image), past) in &planned.observation.pasts {
        for taken in past.iter().flat_map(|past| &past.taken_back) {
            add(name, image, taken);
        }
    }
    for (name, image, taken) in background.into_iter().flat_map(|known| &known.taken_back) {
        add(name, image, taken);
    }
    found.retain(|(name, _, _)| config.environments.named(name).is_some());
    found
}
