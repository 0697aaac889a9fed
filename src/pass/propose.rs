//! Pull requests of a pass: what was planned becomes what should stand, and is compared with what does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::config::repository::Repository;
use crate::forge::{Forge, ForgeError};
use crate::git::GitError;
use crate::model::change::ChangeSet;
use crate::model::commit::CommitId;
use crate::model::decision::Verdict;
use crate::model::environment::{BranchName, EnvironmentName};
use crate::model::outcome::{Landed, Trouble};
use crate::model::proposal::{Action, Proposal};
use crate::pass::notes;
use crate::pass::run::{Mode, Run};
use crate::pass::view::Branches;
use crate::pass::{Planned, blocking};
use crate::publish::pull_requests::apply::{Place, apply, look};
use crate::publish::pull_requests::{self, Course, Desired, Standing, Unsure};

/// The longest body where no forge sets a limit, in characters.
pub(super) const LONGEST_BODY: usize = 60_000;

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
pub(super) async fn propose(
    run: &Run<'_>,
    base: &CommitId,
    branches: &Branches,
    config: &Repository,
    planned: &mut Planned,
) -> Proposed {
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
    let mut proposed = Proposed::default();
    for onto in grounds(run, base, branches, config) {
        let (mut own, others): (Vec<_>, Vec<_>) =
            desired.into_iter().partition(|desired| onto.has(&desired.environment));
        desired = others;
        let standing = match standing(run, &onto, config, forge, &own).await {
            Ok(standing) => standing,
            Err(error) => {
                let reason = error.to_string();
                fail(planned, &onto, &reason);
                let what =
                    if onto.is_base { "pull requests".to_owned() } else { format!("pull requests to {}", onto.branch) };
                proposed.errors.push(Trouble { what, file: None, position: None, reason });
                continue;
            }
        };
        let prefix = style.branch_prefix.as_str();
        let mut courses = pull_requests::plan(&own, &standing, prefix, &unsure(planned));
        if let Some(forge) = forge.filter(|_| style.release_notes) {
            let notes = notes::notes(run, forge, planned, &standing, (&own, &courses)).await;
            own = self::desired(planned, config, limit, &notes);
            own.retain(|desired| onto.has(&desired.environment));
            courses = pull_requests::plan(&own, &standing, prefix, &unsure(planned));
        }
        if run.mode == Mode::Act {
            let remote = Arc::clone(&run.remote);
            let place = Place { remote, forge, branch: onto.branch, now: run.now, style };
            proposed.landed.extend(apply(&place, onto.tip, &mut courses).await.landed);
        }
        take_over(planned, courses, &mut proposed);
    }
    proposed
}

/// A branch that pull requests are made to.
struct Onto<'a> {
    branch: &'a BranchName,
    tip: &'a CommitId,
    is_base: bool,
    /// The environments on this branch; of the base, those on any other one.
    environments: BTreeSet<&'a EnvironmentName>,
}

impl Onto<'_> {
    /// Whether the pull requests of an environment are made to it. Those of one that is no more belong to the base.
    fn has(&self, environment: &EnvironmentName) -> bool {
        self.environments.contains(environment) != self.is_base
    }

    /// Whether a head branch is of an environment on this branch.
    fn has_head(&self, head: &BranchName, prefix: &str) -> bool {
        let named = head.as_str().strip_prefix(prefix).and_then(|rest| rest.split_once('/'));
        named.map_or(self.is_base, |(environment, _)| self.has(&environment.into()))
    }
}

/// Returns every branch that could be read; what stands for the others is left as it is.
fn grounds<'a>(run: &'a Run<'_>, base: &'a CommitId, branches: &'a Branches, config: &'a Repository) -> Vec<Onto<'a>> {
    let on = |is_there: &dyn Fn(Option<&BranchName>) -> bool| {
        let own = config.environments.0.iter().filter(|environment| is_there(environment.branch.as_ref()));
        own.map(|environment| &environment.name).collect()
    };
    let elsewhere = on(&|branch| branch.is_some());
    let mut all = vec![Onto { branch: run.branch, tip: base, is_base: true, environments: elsewhere }];
    for (branch, viewed) in branches {
        if let Some(tip) = viewed.as_ref().ok().and_then(|viewed| viewed.base.as_ref()) {
            let environments = on(&|other| other == Some(branch));
            all.push(Onto { branch, tip, is_base: false, environments });
        }
    }
    all
}

/// Returns the pull requests that should stand; `notes` are sections of their bodies, by the proposals' positions.
fn desired(planned: &mut Planned, config: &Repository, limit: usize, notes: &BTreeMap<usize, String>) -> Vec<Desired> {
    let mut desired = Vec::new();
    for (index, changes) in &planned.proposed {
        let proposal = &mut planned.promoted.proposals[*index];
        if !changes.refused.is_empty() || changes.files.is_empty() {
            // The refusals are rows of the outcome; half of a group is no group.
            proposal.action = Action::Failed;
            proposal.reason = Some("not every file of it could be edited".to_owned());
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
    onto: &Onto<'_>,
    config: &Repository,
    forge: Option<&dyn Forge>,
    desired: &[Desired],
) -> Result<Standing, LookError> {
    let remote = Arc::clone(&run.remote);
    let prefix = config.pull_request.branch_prefix.clone();
    let mut listed = blocking(move || remote.heads(&prefix)).await?;
    let prefix = &config.pull_request.branch_prefix;
    listed.retain(|(name, _)| onto.has_head(name, prefix));
    let (remote, branch, at) = (Arc::clone(&run.remote), onto.branch.clone(), onto.tip.clone());
    let (own, wanted) = (config.commit.clone(), desired.to_vec());
    let heads = blocking(move || look(&*remote, (&branch, &at), listed, &own, &wanted)).await?;
    let pull_requests = match forge {
        Some(forge) => {
            let mut all = forge.list(onto.branch, prefix).await?;
            all.retain(|one| onto.has_head(&one.head, prefix));
            Some(all)
        }
        None => None,
    };
    Ok(Standing { heads, pull_requests })
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
    set(planned, Action::Waiting, reason, &|_| true);
}

fn fail(planned: &mut Planned, onto: &Onto<'_>, reason: &str) {
    set(planned, Action::Failed, reason, &|environment| onto.has(environment));
}

fn set(planned: &mut Planned, action: Action, reason: &str, is_meant: &dyn Fn(&EnvironmentName) -> bool) {
    let proposals = &mut planned.promoted.proposals;
    planned.proposed.retain(|(index, _)| {
        let proposal = &mut proposals[*index];
        let is_meant = is_meant(&proposal.environment);
        if is_meant {
            proposal.action = action;
            proposal.reason = Some(reason.to_owned());
        }
        !is_meant
    });
}

/// Returns what was changed in pull requests, for the outcome.
pub(super) fn written(proposed: Vec<(usize, ChangeSet)>) -> impl Iterator<Item = ChangeSet> {
    proposed.into_iter().map(|(_, changes)| changes)
}
