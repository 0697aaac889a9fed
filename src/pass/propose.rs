//! Pull requests of a pass: what was planned becomes what should stand, and is compared with what does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::config::repository::Repository;
use crate::forge::{Forge, ForgeError};
use crate::git::GitError;
use crate::model::change::ChangeSet;
use crate::model::commit::CommitId;
use crate::model::decision::Verdict;
use crate::model::outcome::{Landed, Trouble};
use crate::model::proposal::{Action, Proposal};
use crate::model::pull_request::{PullRequest, State};
use crate::pass::notes;
use crate::pass::run::{Mode, Run};
use crate::pass::{Planned, blocking};
use crate::publish::pull_requests::apply::{Place, apply, look};
use crate::publish::pull_requests::{self, Course, Desired, Standing, Unsure};

/// The longest body where no forge sets a limit, in characters.
pub(super) const LONGEST_BODY: usize = 60_000;

/// Why a proposal is not made of which only a part could be edited.
pub(super) const NOT_ALL_EDITED: &str = "not every file of it could be edited";

/// Where pull requests of a repository are made.
#[derive(Clone)]
pub enum Publishing {
    /// Plain Git: a head branch stands for the pull request; what lands is made anew on the base, never the head's own.
    Plain,
    /// A forge.
    Forge(Arc<dyn Forge>),
    /// None that this version knows; why, in words.
    Missing(String),
}

/// What came of the pull requests of a pass.
#[derive(Debug, Default)]
pub(super) struct Proposed {
    /// Proposals for what nobody wants any more.
    pub(super) closed: Vec<Proposal>,
    /// The commits that reached the base branch.
    pub(super) landed: Vec<Landed>,
    /// What failed.
    pub(super) errors: Vec<Trouble>,
}

/// Why pull requests could not be looked at: then nothing is done about any.
#[derive(Debug, thiserror::Error)]
enum LookError {
    #[error("the head branches could not be read: {0}")]
    Git(#[from] GitError),
    #[error("the pull requests could not be listed: {0}")]
    Forge(#[from] ForgeError),
}

/// Brings the pull requests to where they should be, or says what would be done.
pub(super) async fn propose(run: &Run<'_>, base: &CommitId, config: &Repository, planned: &mut Planned) -> Proposed {
    let forge = match &run.publishing {
        Publishing::Plain => None,
        Publishing::Forge(forge) => Some(&**forge),
        Publishing::Missing(reason) => {
            wait(planned, reason);
            return Proposed::default();
        }
    };
    let style = &config.pull_request;
    let limit = forge.map_or(LONGEST_BODY, Forge::body_limit);
    let mut desired = desired(planned, config, limit, &BTreeMap::new());
    let standing = match standing(run, base, config, forge, &desired).await {
        Ok(standing) => standing,
        Err(error) => {
            let reason = error.to_string();
            fail(planned, &reason);
            let what = "pull requests".to_owned();
            let errors = vec![Trouble { what, file: None, position: None, reason }];
            return Proposed { errors, ..Proposed::default() };
        }
    };
    let prefix = style.branch_prefix.as_str();
    let mut courses = pull_requests::plan(&desired, &standing, prefix, &unsure(planned));
    if let Some(forge) = forge.filter(|_| style.release_notes) {
        let notes = notes::notes(run, forge, planned, &standing, (&desired, &courses)).await;
        desired = self::desired(planned, config, limit, &notes);
        courses = pull_requests::plan(&desired, &standing, prefix, &unsure(planned));
    }
    let mut proposed = Proposed::default();
    if run.mode == Mode::Act {
        let remote = Arc::clone(&run.remote);
        let place = Place { remote, forge, branch: run.branch, now: run.now, style };
        proposed.landed = apply(&place, base, &mut courses).await.landed;
    }
    take_over(planned, courses, &mut proposed);
    proposed
}

/// Returns the pull requests that should stand; `notes` are sections of their bodies, by the proposals' positions.
fn desired(planned: &mut Planned, config: &Repository, limit: usize, notes: &BTreeMap<usize, String>) -> Vec<Desired> {
    let mut desired = Vec::new();
    for (index, changes) in &planned.proposed {
        let proposal = &mut planned.promoted.proposals[*index];
        if !changes.refused.is_empty() || changes.files.is_empty() {
            // The refusals are rows of the outcome; half of a group is no group.
            proposal.action = Action::Failed;
            proposal.reason = Some(NOT_ALL_EDITED.to_owned());
            continue;
        }
        let environment = config.environments.named(&proposal.environment);
        let styles = (&config.commit, &config.pull_request);
        let notes = notes.get(index).map(String::as_str).unwrap_or_default();
        desired.push(pull_requests::desired((*index, proposal), changes, styles, environment, (limit, notes)));
    }
    desired
}

/// Looks at what stands on the remote and on the forge.
async fn standing(
    run: &Run<'_>,
    base: &CommitId,
    config: &Repository,
    forge: Option<&dyn Forge>,
    desired: &[Desired],
) -> Result<Standing, LookError> {
    let (remote, branch, at) = (Arc::clone(&run.remote), run.branch.clone(), base.clone());
    let (style, own) = (config.pull_request.clone(), config.commit.clone());
    let (wanted, now) = (desired.to_vec(), run.now);
    let heads = blocking(move || look(&*remote, (&branch, &at), &style, (&own, now), &wanted)).await?;
    let pull_requests = match forge {
        Some(forge) => {
            let mut listed = forge.list(run.branch, &config.pull_request.branch_prefix).await?;
            refused_before(run, forge, desired, &mut listed).await?;
            Some(listed)
        }
        None => None,
    };
    Ok(Standing { heads, pull_requests })
}

/// Adds what the listing no longer tells of heads whose pull request is about to change: it must not turn into what
/// was refused long ago.
async fn refused_before(
    run: &Run<'_>,
    forge: &dyn Forge,
    desired: &[Desired],
    listed: &mut Vec<PullRequest>,
) -> Result<(), ForgeError> {
    for wanted in desired {
        let is_changing = listed.iter().any(|one| {
            one.state == State::Open
                && one.head == wanted.head
                && one.marker.as_ref().is_none_or(|marker| marker.key != wanted.key)
        });
        if is_changing {
            let all = forge.of_head(run.branch, &wanted.head).await?;
            let known: BTreeSet<_> = listed.iter().map(|one| one.number).collect();
            listed.extend(all.into_iter().filter(|one| !known.contains(&one.number)));
        }
    }
    Ok(())
}

/// Names what is not fully known in this pass: what stands for it is left as it is.
fn unsure(planned: &Planned) -> Unsure {
    let undecided = planned.promoted.decisions.iter().filter_map(|decision| {
        let question = &decision.question;
        let group = planned.promoted.groups.get(&question.image)?;
        matches!(decision.verdict, Verdict::Undecided(_)).then(|| (question.environment.clone(), group.clone()))
    });
    let waiting = planned
        .promoted
        .proposals
        .iter()
        .filter(|proposal| matches!(proposal.action, Action::Waiting | Action::Failed));
    let waiting = waiting.map(|proposal| (proposal.environment.clone(), proposal.group.clone()));
    Unsure {
        groups: undecided.chain(waiting).collect(),
        environments: planned.observation.half_known.keys().cloned().collect(),
    }
}

/// Writes what came of every course into the proposals.
fn take_over(planned: &mut Planned, courses: Vec<Course>, proposed: &mut Proposed) {
    for course in courses {
        let failed = course.action == Action::Failed;
        let reason = course.reason.clone();
        match course.proposal {
            Some(index) => {
                let proposal = &mut planned.promoted.proposals[index];
                proposal.branch = Some(course.head.to_string());
                proposal.url = course.url;
                proposal.action = course.action;
                proposal.reason = course.reason;
                let is_written = matches!(course.action, Action::Opened | Action::Updated | Action::Merged);
                if !is_written {
                    planned.proposed.retain(|(other, _)| *other != index);
                }
            }
            None => proposed.closed.push(Proposal {
                environment: course.environment.clone(),
                group: course.group.clone(),
                publish: crate::model::environment::Publish::PullRequest,
                branch: Some(course.head.to_string()),
                url: course.url,
                moves: Vec::new(),
                gates: Vec::new(),
                action: course.action,
                reason: course.reason,
                earliest: None,
            }),
        }
        if failed {
            let what = format!("{} {}", course.environment, course.group);
            let reason = reason.unwrap_or_default();
            proposed.errors.push(Trouble { what, file: None, position: None, reason });
        }
    }
}

/// Says of every proposal that would be a pull request why there is none.
fn wait(planned: &mut Planned, reason: &str) {
    set(planned, Action::Waiting, reason);
}

fn fail(planned: &mut Planned, reason: &str) {
    set(planned, Action::Failed, reason);
}

fn set(planned: &mut Planned, action: Action, reason: &str) {
    for (index, _) in std::mem::take(&mut planned.proposed) {
        let proposal = &mut planned.promoted.proposals[index];
        proposal.action = action;
        proposal.reason = Some(reason.to_owned());
    }
}

/// Returns what was changed in pull requests, for the outcome.
pub(super) fn written(proposed: Vec<(usize, ChangeSet)>) -> impl Iterator<Item = ChangeSet> {
    proposed.into_iter().map(|(_, changes)| changes)
}
