//! A whole pass against a remote: fetch, plan, commit, push; again when the branch moved meanwhile.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::cache::Cache;
use crate::config::repository::{self, Repository};
use crate::git::{GitError, Remote};
use crate::model::commit::{CommitId, Sign};
use crate::model::environment::{BranchName, EnvironmentName, Publish};
use crate::model::file::RepoPath;
use crate::model::image::ImageName;
use crate::model::outcome::{Landed, Outcome, Trouble};
use crate::model::proposal::Action;
use crate::model::site::PassedOverReason;
use crate::observe::history::BranchPast;
use crate::observe::tree::CommitFiles;
use crate::pass::propose::{Publishing, propose};
use crate::pass::record::Ledger;
use crate::pass::setup::linked_config;
use crate::pass::status::{self, Memory};
use crate::pass::{Asked, Editing, Inputs, PassError, Planned, Progress, blocking, report, round};
use crate::promote;
use crate::publish::apply::{Applied, apply, apply_by_forge};
use crate::publish::making::{MakeError, Maker, can_sign};
use crate::publish::plan::commits;
use crate::registry::TagSource;
use crate::{manifest, observe::files::Files};

/// The file in the repository that says what to follow.
pub const CONFIG_FILE: &str = ".tagboat.yaml";

/// The longest configuration file that is read, in bytes.
const MAX_CONFIG: u64 = 1 << 20;

/// How often a push that lost a race is planned anew before the pass gives up.
pub(super) const MAX_RACES: u32 = 5;

/// The longest wait before the second try after a lost race; it doubles with each further one. Chance
/// takes a part of it, so that two who race do not meet again.
const RACE_PAUSE: Duration = Duration::from_millis(100);

/// Whether a run acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Commits and pushes.
    Act,
    /// Stops before anything is written.
    DryRun,
}

/// What a run works with.
pub struct Run<'a> {
    /// The repository.
    pub remote: Arc<dyn Remote>,
    /// The base branch.
    pub branch: &'a BranchName,
    /// A configuration that stands in for the one on the branch.
    pub config: Option<Repository>,
    /// Where tags come from.
    pub source: &'a dyn TagSource,
    /// What earlier passes left.
    pub cache: &'a Cache,
    /// The limits of what is read.
    pub limits: &'a manifest::Limits,
    /// The moment that counts.
    pub now: Timestamp,
    /// Where pull requests are made.
    pub publishing: Publishing,
    /// The images that are looked at, with those of their groups; empty for all. What stands for others stays.
    pub only: &'a [ImageName],
    /// Whether to act.
    pub mode: Mode,
    /// Told what goes on.
    pub progress: &'a (dyn Fn(Progress) + Sync),
    /// Told of the configuration's parts that do not act, before anything is done.
    pub read_config: &'a (dyn Fn(&Repository) + Sync),
}

/// Runs a pass, and again while it moved the base branch and a later environment may follow.
///
/// # Errors
///
/// [`PassError`] when nothing could be done at all. Once something landed, what fails is a row of the outcome.
pub async fn run(run: &Run<'_>) -> Result<Outcome, PassError> {
    let asked = Asked::begin(run.source);
    let outcome = rounds(run, None).await;
    asked.end();
    outcome
}

/// Runs a pass as [`run`] does, and tells how things stand when it ends, as `status` would then.
///
/// # Errors
///
/// As [`run`].
pub async fn run_and_tell(run: &Run<'_>, memory: &Memory) -> Result<Outcome, PassError> {
    let asked = Asked::begin(run.source);
    let outcome = rounds(run, Some(memory)).await;
    asked.end();
    outcome
}

async fn rounds(run: &Run<'_>, memory: Option<&Memory>) -> Result<Outcome, PassError> {
    let mut total = Outcome::default();
    let mut moved_before = BTreeSet::new();
    let mut races = 0;
    loop {
        match once(run, memory).await {
            Ok(Once::Moved(_)) if races < MAX_RACES => {
                races += 1;
                let longest = RACE_PAUSE * 2u32.pow(races);
                tracing::info!(races, "the branch moved while the pass ran; planning again on its new tip");
                tokio::time::sleep(longest.mul_f64(fastrand::f64())).await;
            }
            Ok(Once::Moved(mut outcome)) => {
                let reason = format!("moved {MAX_RACES} times while the pass ran: run again when it is calmer");
                fail(&mut outcome, run.branch, &reason);
                merge(&mut total, *outcome, &BTreeSet::new());
                return Ok(total);
            }
            Ok(Once::Done { outcome, environments }) => {
                let landed: BTreeSet<EnvironmentName> =
                    outcome.commits.iter().map(|landed| landed.environment.clone()).collect();
                merge(&mut total, *outcome, &landed);
                let before = moved_before.len();
                moved_before.extend(landed.iter().cloned());
                // Pull requests are made on the base as the commits left it.
                let proposes = environments.0.iter().any(|environment| environment.publish != Publish::Commit);
                // Who is told how things stand is told of the base as it is now.
                let is_told = memory.is_some() && !landed.is_empty();
                let may_follow = is_told || proposes || promote::followers(&environments, &landed).next().is_some();
                if moved_before.len() == before || !may_follow {
                    return Ok(total);
                }
            }
            Err(error) if total.commits.is_empty() => return Err(error),
            Err(error) => {
                let what = "the pass after the last commit".to_owned();
                total.errors.push(Trouble { what, file: None, position: None, reason: error.to_string() });
                return Ok(total);
            }
        }
    }
}

/// What one round came to.
enum Once {
    /// The branch moved before the push; nothing of what was planned is in Git.
    Moved(Box<Outcome>),
    /// It is over, whether or not there was something to do.
    Done { outcome: Box<Outcome>, environments: crate::model::environment::Environments },
}

async fn once(run: &Run<'_>, memory: Option<&Memory>) -> Result<Once, PassError> {
    (run.progress)(Progress::Git);
    let (base, files) = fetch(run).await?;
    let config = match &run.config {
        Some(config) => config.clone(),
        None => read_config(&files, run.branch)?,
    };
    (run.read_config)(&config);
    let past = BranchPast { remote: &*run.remote, branch: run.branch, tip: &base };
    let inputs = Inputs {
        config: &config,
        files: &files,
        base: Some(base.clone()),
        past: Some(&past),
        editing: Editing::Apart,
        source: run.source,
        cache: run.cache,
        limits: run.limits,
        now: run.now,
        only: run.only,
        progress: run.progress,
    };
    let mut planned = round(&inputs).await?;
    let forge = match &run.publishing {
        Publishing::Forge(forge) => Some(&**forge),
        Publishing::Plain | Publishing::Missing(_) => None,
    };
    if let Err(reason) = can_sign(&*run.remote, forge, config.commit.sign) {
        hold_unsigned(&mut planned, &reason);
    }
    let tell = |planned: &Planned| {
        let (config, files, cache, limits) = (&config, &files, run.cache, run.limits);
        memory.map(|memory| {
            Box::new(status::beside(planned, &Ledger { config, files, past: &past, cache, limits }, memory))
        })
    };
    let planned_commits = commits(&planned.changes, &config.commit);
    if run.mode == Mode::DryRun || planned_commits.is_empty() {
        // Pull requests stand on a base that this pass leaves alone; where it moves, the next round makes them.
        (run.progress)(Progress::Git);
        let proposed = propose(run, &base, &config, &mut planned).await;
        let standing = tell(&planned);
        let mut outcome = Box::new(report::outcome(planned, &config));
        outcome.standing = standing;
        outcome.proposals.extend(proposed.closed);
        outcome.commits = proposed.landed;
        outcome.errors.extend(proposed.errors);
        return Ok(Once::Done { outcome, environments: config.environments });
    }
    let standing = tell(&planned);
    let mut outcome = Box::new(report::outcome(planned, &config));
    outcome.standing = standing;
    (run.progress)(Progress::Git);
    let applied = if config.commit.sign == Some(Sign::Forge) {
        let prefix = config.pull_request.branch_prefix.as_str();
        let maker = Maker { remote: Arc::clone(&run.remote), forge, branch: run.branch, prefix, now: run.now };
        apply_by_forge(&maker, &base, planned_commits).await
    } else {
        let (remote, branch, now) = (Arc::clone(&run.remote), run.branch.clone(), run.now);
        blocking(move || apply(&*remote, &branch, &base, planned_commits, now)).await.map_err(MakeError::from)
    };
    match applied {
        Ok(Applied::Landed(landed)) => {
            keep_landed(&mut outcome, &landed);
            outcome.commits = landed;
        }
        Ok(Applied::Moved) => return Ok(Once::Moved(outcome)),
        Ok(Applied::Forbidden(words)) => {
            fail(&mut outcome, run.branch, &format!("the remote refuses the push: {words}"));
        }
        Err(error) => fail(&mut outcome, run.branch, &error.to_string()),
    }
    Ok(Once::Done { outcome, environments: config.environments })
}

/// Brings the branch here and lists its files, on a thread that may block.
async fn fetch(run: &Run<'_>) -> Result<(CommitId, CommitFiles), GitError> {
    let (remote, branch) = (Arc::clone(&run.remote), run.branch.clone());
    blocking(move || {
        let base = remote.fetch(&branch)?;
        let files = CommitFiles::new(remote, &base)?;
        Ok((base, files))
    })
    .await
}

pub(super) fn read_config(files: &CommitFiles, branch: &BranchName) -> Result<Repository, PassError> {
    let path = RepoPath::new(CONFIG_FILE).expect("the name is plain");
    let listing = files.list().map_err(PassError::Files)?;
    let is_link =
        |reason: &PassedOverReason| matches!(reason, PassedOverReason::Link(_) | PassedOverReason::LinkWithin);
    if listing.passed_over.iter().any(|passed| passed.file == CONFIG_FILE && is_link(&passed.reason)) {
        return Err(PassError::Configuration(linked_config(CONFIG_FILE).into()));
    }
    if listing.files.binary_search(&path).is_err() {
        return Err(PassError::NotConfigured(format!("branch {branch}")));
    }
    let bytes = files
        .read(&path, MAX_CONFIG)
        .map_err(|reason| PassError::Files(format!("{CONFIG_FILE} on branch {branch}: {reason}")))?;
    Ok(repository::parse(CONFIG_FILE, &bytes)?)
}

/// Turns what was planned and is not among the commits that landed into what failed.
fn keep_landed(outcome: &mut Outcome, landed: &[Landed]) {
    let is_there = |environment: &EnvironmentName| landed.iter().any(|landed| landed.environment == *environment);
    for proposal in &mut outcome.proposals {
        if proposal.action == Action::Committed && !is_there(&proposal.environment) {
            proposal.action = Action::Failed;
            proposal.reason =
                Some("its commit could not be made after the others: the next pass tries again".to_owned());
            outcome.changes.retain(|change| change.environment != proposal.environment);
        }
    }
    let reason = "its commit could not be made: the next pass tries again";
    outcome.standing.iter_mut().for_each(|standing| standing.fail(reason, &is_there));
}

/// Takes out every commit where signed ones are asked for and none can be made.
fn hold_unsigned(planned: &mut Planned, reason: &str) {
    planned.changes.clear();
    planned.proposed.clear();
    for proposal in &mut planned.promoted.proposals {
        if matches!(proposal.action, Action::Committed | Action::Opened) {
            proposal.action = Action::Waiting;
            proposal.reason = Some(format!("nothing is pushed unsigned: {reason}"));
        }
    }
}

/// Turns what was planned into what failed: nothing of it is in Git.
fn fail(outcome: &mut Outcome, branch: &BranchName, reason: &str) {
    outcome.changes.clear();
    outcome.files.clear();
    for proposal in &mut outcome.proposals {
        if proposal.action == Action::Committed {
            proposal.action = Action::Failed;
            proposal.reason = Some(reason.to_owned());
        }
    }
    outcome.standing.iter_mut().for_each(|standing| standing.fail(reason, &|_| false));
    let what = format!("branch {branch}");
    outcome.errors.push(Trouble { what, file: None, position: None, reason: reason.to_owned() });
}

/// Adds a later round to an earlier one: what was done adds up, what was judged is the newest.
fn merge(total: &mut Outcome, mut later: Outcome, landed: &BTreeSet<EnvironmentName>) {
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
    total.commits.append(&mut later.commits);
    let moved = |environment: &EnvironmentName| landed.contains(environment);
    total.decisions.retain(|decision| !moved(&decision.question.environment));
    later.decisions.retain(|decision| moved(&decision.question.environment));
    total.decisions.append(&mut later.decisions);
    total.proposals.retain(|proposal| matches!(proposal.action, Action::Committed | Action::Merged));
    total.proposals.append(&mut later.proposals);
    total.images.append(&mut later.images);
    total.skipped = later.skipped;
    total.errors = later.errors;
}
