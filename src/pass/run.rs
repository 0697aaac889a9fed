//! A whole pass against a remote: fetch, plan, commit, push; again when the branch moved meanwhile.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::cache::Cache;
use crate::clock::Clock;
use crate::config::repository::{self, Repository};
use crate::forge::Forge;
use crate::git::{GitError, Remote};
use crate::model::commit::{CommitId, Sign};
use crate::model::environment::{BranchName, EnvironmentName, Environments, Publish};
use crate::model::file::RepoPath;
use crate::model::gate::GateSpec;
use crate::model::image::{ImageName, Written};
use crate::model::observation::Heard;
use crate::model::outcome::{Outcome, Trouble};
use crate::model::proposal::{Action, Proposal};
use crate::model::record::Standing;
use crate::model::site::PassedOverReason;
use crate::observe::history::BranchPast;
use crate::observe::tree::CommitFiles;
use crate::pass::deployments;
use crate::pass::elsewhere::{self, Neighbours};
use crate::pass::forges::can_sign;
use crate::pass::grounds;
use crate::pass::hold::{self, Awaited, HoldError};
use crate::pass::landed::{branch_trouble, fail, hold_unsigned, keep_landed, late, merge, put_off, refuse, take_back};
use crate::pass::propose::{Publishing, propose};
use crate::pass::record::Ledger;
use crate::pass::returns::{Return, go_on_as_proposed, propose_instead};
use crate::pass::setup::linked_config;
use crate::pass::status::{self, Memory};
use crate::pass::view::{self, Branches};
use crate::pass::{Asked, Detail, Editing, Inputs, PassError, Planned, Progress, Turn, blocking, report, round};
use crate::promote;
use crate::publish::apply::{Applied, apply, apply_by_forge};
use crate::publish::making::{MakeError, Maker};
use crate::publish::plan::PlannedCommit;
use crate::publish::pull_requests::apply::Rebased;
use crate::registry::TagSource;
use crate::source::Answers;
use crate::{manifest, observe::files::Files};

/// The file in the repository that says what to follow.
pub const CONFIG_FILE: &str = ".tagboat.yaml";

/// The longest configuration file that is read, in bytes.
pub(super) const MAX_CONFIG: u64 = 1 << 20;

/// How often a push that lost a race is planned anew before the pass gives up.
pub(super) const MAX_RACES: u32 = 5;

/// The longest wait before the second try after a lost race; it doubles with each further one. Chance
/// takes a part of it, so that two who race do not meet again.
const RACE_PAUSE: Duration = Duration::from_millis(100);

/// How many times a pass goes on after something went back: once for each group of the largest repositories.
const MAX_RETURNS: usize = 100;

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
    /// Opens the other repositories that the configuration names.
    pub neighbours: &'a Neighbours<'a>,
    /// Where tags come from.
    pub source: &'a dyn TagSource,
    /// What gates may ask.
    pub sources: &'a dyn Answers,
    /// What earlier passes left.
    pub cache: &'a Cache,
    /// The limits of what is read.
    pub limits: &'a manifest::Limits,
    /// The moment that counts.
    pub now: Timestamp,
    /// What shows that moment when the pass begins, and goes on from there: what has passed since closes windows and begins freezes.
    pub clock: &'a dyn Clock,
    /// Where pull requests are made.
    pub publishing: Publishing,
    /// Who asks: whether every tag is to be told of.
    pub detail: Detail,
    /// The images that are looked at, with those of their groups; empty for all. What stands for others stays.
    pub only: &'a [Written],
    /// Whether to act.
    pub mode: Mode,
    /// Told what goes on.
    pub progress: &'a (dyn Fn(Progress) + Sync),
    /// Told of the configuration's parts that do not act, before anything is done.
    pub read_config: &'a (dyn Fn(&Repository) + Sync),
    /// What forges need not be asked: nothing, unless passes follow each other here.
    pub turn: Turn,
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
    let mut returns = 0;
    let rebased = Rebased::default();
    loop {
        match once(run, memory, &rebased).await {
            Ok(Once::Moved(_)) if races < MAX_RACES => {
                races += 1;
                let longest = RACE_PAUSE * 2u32.pow(races);
                tracing::info!(races, "the branch moved while the pass ran; planning again on its new tip");
                tokio::time::sleep(longest.mul_f64(fastrand::f64())).await;
            }
            Ok(Once::Moved(mut outcome)) => {
                let reason = format!("moved {MAX_RACES} times while the pass ran: run again when it is calmer");
                let all = outcome.proposals.iter().map(|proposal| proposal.environment.clone()).collect();
                fail(&mut outcome, run.branch, &all, &reason);
                merge(&mut total, *outcome, &BTreeSet::new());
                return Ok(total);
            }
            Ok(Once::Stale) => {
                tracing::info!("something is to be done: what was not asked in this pass is asked first");
                run.turn.begin_again();
            }
            Ok(Once::Done { outcome, environments, is_behind, goes_back }) => {
                let landed: BTreeSet<EnvironmentName> =
                    outcome.commits.iter().map(|landed| landed.environment.clone()).collect();
                merge(&mut total, *outcome, &landed);
                let before = moved_before.len();
                // What went back makes room for what comes next there.
                if !goes_back {
                    moved_before.extend(landed.iter().cloned());
                }
                // Pull requests are made on the base as the commits left it.
                let proposes = environments.0.iter().any(|environment| environment.publish != Publish::Commit);
                // Who is told how things stand is told of the base as it is now.
                let is_kept = environments.0.iter().any(|environment| environment.deployments);
                let is_told = (memory.is_some() || is_kept) && !landed.is_empty();
                let is_next = goes_back && !landed.is_empty() && returns < MAX_RETURNS;
                returns += usize::from(is_next);
                let may_follow = is_told || proposes || promote::followers(&environments, &landed).next().is_some();
                races += u32::from(is_behind);
                let is_over = moved_before.len() == before || !may_follow;
                if !is_next && is_over && (!is_behind || races >= MAX_RACES) {
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
    /// Something would be done on what no forge was asked in this pass; nothing of it is.
    Stale,
    /// It is over, whether or not there was something to do.
    Done {
        outcome: Box<Outcome>,
        environments: Environments,
        /// Whether one of several branches moved before its push: another round plans on its new tip.
        is_behind: bool,
        /// Whether something went back or is still to: what waited for that comes next.
        goes_back: bool,
    },
}

async fn once(run: &Run<'_>, memory: Option<&Memory>, rebased: &Rebased) -> Result<Once, PassError> {
    (run.progress)(Progress::Git);
    let (base, files) = fetch(&run.remote, run.branch).await?;
    let mut config = match &run.config {
        Some(config) => config.clone(),
        None => read_config(&files, run.branch)?,
    };
    config.environments.settle_on(run.branch);
    (run.read_config)(&config);
    let branches = fetch_branches(&run.remote, &config).await?;
    let others = elsewhere::view(&config, run.neighbours).await;
    let past = BranchPast { remote: &*run.remote, branch: run.branch, tip: &base };
    let mut inputs = Inputs {
        config: &config,
        files: &files,
        base: Some(base.clone()),
        past: Some(&past),
        editing: Editing::Apart,
        branches: &branches,
        others: &others,
        source: run.source,
        sources: run.sources,
        cache: run.cache,
        limits: run.limits,
        now: run.now,
        forge: run.publishing.asked(run.branch),
        detail: run.detail,
        only: &[],
        awaited: Awaited::default(),
        heard: Heard::default(),
        progress: run.progress,
        turn: &run.turn,
    };
    let only = named(&inputs, run.only)?;
    inputs.only = &only;
    let mut planned = round(&inputs).await?;
    // Where nothing moves, nobody asks what should not.
    if !planned.promoted.proposals.is_empty() {
        let listed = planned.observation.pull_requests.take();
        inputs.awaited = hold::awaited(&run.remote, &run.publishing, &config, (run.branch, &base), listed).await?;
        elsewhere::awaited(&config, &others, &mut inputs.awaited).await;
        if inputs.awaited.is_empty() {
            planned.observation.pull_requests = inputs.awaited.listed.take();
        } else {
            inputs.heard = planned.observation.heard();
            planned = round(&inputs).await?;
        }
    }
    let forge = run.publishing.forge();
    if let Err(reason) = can_sign(&run.publishing, &*run.remote, config.commit.sign) {
        hold_unsigned(&mut planned, &reason);
    }
    // The forge is told what stands, too, whoever else keeps that.
    let own = Memory::default();
    let memory = memory.or_else(|| deployments::are_wanted(&config).then_some(&own));
    let tell = |planned: &Planned| {
        let (config, files, branches) = (&config, &files, &branches);
        let (cache, limits) = (run.cache, run.limits);
        let ledger = Ledger { config, files, past: &past, branches, others: &others, cache, limits };
        memory.map(|memory| Box::new(status::beside(planned, &ledger, memory)))
    };
    if run.mode == Mode::Act {
        go_on_as_proposed(run, &config, (&base, &branches), &mut planned).await?;
    }
    let is_own = |returned: &&Return| planned.promoted.proposals[returned.proposal].publish == Publish::Commit;
    let holds = planned.returns.iter().filter_map(|one| Some((Onto::Base, one.hold.clone()?)));
    let returns = planned.returns.iter().filter(is_own).map(|one| (Onto::Own, one.commit.clone()));
    let changes = late::commits(&planned, &config.commit).into_iter().map(|commit| (Onto::Own, commit));
    let planned_commits: Vec<(Onto, PlannedCommit)> = holds.chain(returns).chain(changes).collect();
    if run.mode == Mode::DryRun || planned_commits.is_empty() {
        // Pull requests stand on a base that this pass leaves alone; where it moves, the next round makes them.
        let mut outcome = end(run, (&base, &inputs), &branches, (&config, rebased), planned, &tell).await;
        // What landed is told by the round that follows, which stands on it.
        if run.mode == Mode::Act && outcome.commits.is_empty() {
            deployments::tell(&run.publishing, run.cache, &config, &mut outcome).await;
        }
        // What a dry run foresees, a run would not do on what it was not told itself either. Of what the forge is to merge, and may have in
        // hand already, who foresees it has said so.
        let would_act = |proposal: &Proposal| proposal.action.acts() && proposal.action != Action::Enqueued;
        let would_act = run.mode == Mode::DryRun && outcome.proposals.iter().any(would_act);
        if run.turn.is_stale() || (would_act && !run.turn.may_act()) {
            return Ok(Once::Stale);
        }
        return Ok(Once::Done { outcome, environments: config.environments, is_behind: false, goes_back: false });
    }
    if !run.turn.may_act() {
        return Ok(Once::Stale);
    }
    let goes_back = !planned.returns.is_empty();
    (run.progress)(Progress::Git);
    let targets = targets(run, &config, &base, &branches, planned_commits);
    let mut pushed = Vec::with_capacity(targets.len());
    // What goes back on a branch of its own stays until the base holds it, or it would come again.
    let mut unheld: BTreeSet<EnvironmentName> = BTreeSet::new();
    // What is held, and how, stands on the base alone; what may come, on the branches of environments before.
    let mut tips = grounds::tips(run.branch, (&base, &branches));
    let rests_on = grounds::of_commits(&planned, (&config, run.branch));
    let mut held = Vec::new();
    for mut target in targets {
        let is_unheld = |commit: &PlannedCommit| unheld.contains(&commit.plan.environment);
        target.commits.retain(|commit| !is_unheld(commit));
        let mut own: BTreeSet<EnvironmentName> =
            target.commits.iter().map(|commit| commit.plan.environment.clone()).collect();
        if own.is_empty() {
            continue;
        }
        let asked = grounds::asked((&target.branch, run.branch), &own, &rests_on);
        let until = late::until(&target.commits);
        let mut applied = match grounds::still_say(&run.remote, &tips, asked).await {
            true => push(run, &config, forge, &target.branch, &target.base, target.commits).await,
            false => Ok(Applied::Moved),
        };
        late::tell(&mut planned, until, &applied, run.clock);
        if matches!(&applied, Ok(Applied::Landed(landed)) if landed.is_empty()) {
            continue;
        }
        if let Ok(Applied::Landed(landed)) = &applied {
            tips.extend(landed.last().map(|last| (target.branch.clone(), last.commit.clone())));
        }
        if let Ok(Applied::Forbidden(words)) = &mut applied
            && !target.holding.is_empty()
        {
            // What is proposed counts as held from then on.
            match hold_instead(run, &planned, &target.holding).await {
                Ok(proposals) => {
                    held.extend(proposals);
                    own.retain(|environment| !target.holding.contains(environment));
                }
                Err(error) => {
                    let _infallible = write!(words, "; and {error}");
                    unheld.extend(target.holding);
                }
            }
            if own.is_empty() {
                continue;
            }
        } else if !matches!(applied, Ok(Applied::Landed(_))) {
            unheld.extend(target.holding);
        }
        pushed.push((target.branch, own, applied));
    }
    if pushed.iter().all(|(.., applied)| matches!(applied, Ok(Applied::Forbidden(_)))) {
        // Nothing of the commits is in Git. What stands on a head branch does not need them.
        let mut troubles = Vec::new();
        for (branch, mut own, applied) in pushed {
            let Ok(Applied::Forbidden(words)) = applied else { continue };
            let reason = format!("the remote refuses the push: {words}");
            let returned: BTreeSet<EnvironmentName> = own.difference(&unheld).cloned().collect();
            let is_meant = |_: &Return, proposal: &Proposal| returned.contains(&proposal.environment);
            let proposed = propose_instead(&mut planned, &run.publishing, Some(&reason), &is_meant);
            refuse(&mut planned, &own, &reason);
            let is_left = |name: &EnvironmentName| {
                planned.promoted.proposals.iter().any(|one| one.environment == *name && one.action == Action::Failed)
            };
            own.retain(|name| !proposed.contains(name) || is_left(name));
            if !own.is_empty() {
                troubles.push(branch_trouble(&branch, &reason));
            }
        }
        let mut outcome = end(run, (&base, &inputs), &branches, (&config, rebased), planned, &tell).await;
        outcome.proposals.extend(held);
        outcome.errors.extend(troubles);
        return Ok(Once::Done { outcome, environments: config.environments, is_behind: false, goes_back: false });
    }
    put_off(&mut planned);
    let standing = tell(&planned);
    let mut outcome = Box::new(report::outcome(planned, &config));
    outcome.proposals.extend(held);
    let mut is_behind = false;
    for (branch, own, applied) in pushed {
        match applied {
            Ok(Applied::Landed(landed)) => {
                keep_landed(&mut outcome, &own, &landed);
                outcome.commits.extend(landed);
            }
            Ok(Applied::Moved) => {
                is_behind = true;
                take_back(&mut outcome, &own, Action::Waiting, &format!("the branch {branch} moved meanwhile"));
            }
            Ok(Applied::Forbidden(words)) => {
                fail(&mut outcome, &branch, &own, &format!("the remote refuses the push: {words}"));
            }
            Err(error) => fail(&mut outcome, &branch, &own, &error.to_string()),
        }
    }
    // What landed is told of by the round that follows.
    outcome.standing = standing.map(|mut standing| {
        let has_landed = |name: &_| outcome.commits.iter().any(|landed| landed.environment == *name);
        standing.fail("its commit is not in Git: the next pass tries again", &has_landed);
        standing
    });
    if is_behind && outcome.commits.is_empty() {
        return Ok(Once::Moved(outcome));
    }
    Ok(Once::Done { outcome, environments: config.environments, is_behind, goes_back })
}

/// Proposes to hold what the base does not take, for environments on other branches.
async fn hold_instead(
    run: &Run<'_>,
    planned: &Planned,
    environments: &BTreeSet<EnvironmentName>,
) -> Result<Vec<Proposal>, HoldError> {
    let returns = planned.returns.iter();
    let of = |returned: &&Return| environments.contains(&planned.promoted.proposals[returned.proposal].environment);
    let holds = returns.filter(of).flat_map(|returned| returned.held.iter().cloned()).collect();
    let holding = hold::Holding {
        remote: Arc::clone(&run.remote),
        branch: run.branch,
        config: run.config.clone(),
        publishing: run.publishing.clone(),
        now: run.now,
    };
    hold::follow_all(&holding, holds).await
}

/// Finds the images that a run is to look at alone.
fn named(inputs: &Inputs<'_>, only: &[Written]) -> Result<Vec<ImageName>, PassError> {
    if only.is_empty() {
        return Ok(Vec::new());
    }
    let (observation, _) = super::look(inputs)?;
    let known = || observation.sites.iter().filter_map(|site| site.image.as_ref());
    Ok(only.iter().map(|written| written.among(known())).collect::<Result<_, _>>()?)
}

/// Makes the commits of one branch, and pushes them if it still stands where it was seen.
async fn push(
    run: &Run<'_>,
    config: &Repository,
    forge: &dyn Forge,
    branch: &BranchName,
    base: &CommitId,
    commits: Vec<PlannedCommit>,
) -> Result<Applied, MakeError> {
    if config.commit.sign == Some(Sign::Forge) {
        let prefix = config.pull_request.branch_prefix.as_str();
        let maker = Maker { remote: Arc::clone(&run.remote), forge, branch, prefix, now: run.now };
        return apply_by_forge(&maker, base, commits, run.clock).await;
    }
    let commits = late::in_time(commits, run.clock);
    let (remote, branch, now, at) = (Arc::clone(&run.remote), branch.clone(), run.now, base.clone());
    blocking(move || apply(&*remote, &branch, &at, commits, now)).await.map_err(MakeError::from)
}

/// Where a commit goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Onto {
    /// To the base: what is held, whatever the environment.
    Base,
    /// To the branch of its environment.
    Own,
}

/// The commits that go to one branch together.
struct Target {
    branch: BranchName,
    base: CommitId,
    commits: Vec<PlannedCommit>,
    /// The environments on other branches for which one of these holds something.
    holding: BTreeSet<EnvironmentName>,
}

/// Sorts commits by the branch of their environment, in the order of the environments.
fn targets(
    run: &Run<'_>,
    config: &Repository,
    base: &CommitId,
    branches: &Branches,
    planned: Vec<(Onto, PlannedCommit)>,
) -> Vec<Target> {
    let mut targets: Vec<Target> = Vec::new();
    for (onto, commit) in planned {
        let own = config.environments.named(&commit.plan.environment).and_then(|found| found.branch.as_ref());
        let holding: BTreeSet<EnvironmentName> =
            own.filter(|_| onto == Onto::Base).map(|_| commit.plan.environment.clone()).into_iter().collect();
        let own = own.filter(|_| onto == Onto::Own);
        let (branch, base) = match own {
            None => (run.branch, Some(base)),
            Some(own) => (own, branches.get(own).and_then(|viewed| viewed.as_ref().ok()?.base.as_ref())),
        };
        // What is committed was found on its branch, so that its tip is known.
        let Some(base) = base else { continue };
        match targets.iter_mut().find(|target| target.branch == *branch) {
            Some(target) => {
                target.commits.push(commit);
                target.holding.extend(holding);
            }
            None => {
                let (branch, base) = (branch.clone(), base.clone());
                targets.push(Target { branch, base, commits: vec![commit], holding });
            }
        }
    }
    targets
}

/// Brings the branches here on which environments live by themselves.
pub(super) async fn fetch_branches(remote: &Arc<dyn Remote>, config: &Repository) -> Result<Branches, GitError> {
    let (remote, names) = (Arc::clone(remote), config.environments.branches());
    if names.is_empty() {
        return Ok(Branches::new());
    }
    blocking(move || Ok(view::branches(&remote, names))).await
}

/// Ends a round that leaves the base where it is: with the pull requests.
async fn end(
    run: &Run<'_>,
    (base, inputs): (&CommitId, &Inputs<'_>),
    branches: &Branches,
    (config, rebased): (&Repository, &Rebased),
    mut planned: Planned,
    tell: &dyn Fn(&Planned) -> Option<Box<Standing>>,
) -> Box<Outcome> {
    (run.progress)(Progress::Git);
    let proposed = propose(run, (base, inputs), branches, (config, rebased), &mut planned).await;
    let standing = tell(&planned);
    let mut outcome = Box::new(report::outcome(planned, config));
    outcome.standing = standing;
    outcome.proposals.extend(proposed.closed);
    outcome.commits = proposed.landed;
    outcome.errors.extend(proposed.errors);
    if run.mode == Mode::DryRun {
        outcome.may_follow = may_follow(&outcome, &config.environments);
    }
    outcome
}

/// Names the environments that a run would look at again once others before them have moved.
fn may_follow(outcome: &Outcome, environments: &Environments) -> Vec<EnvironmentName> {
    let moves = |action| matches!(action, Action::Committed | Action::Merged);
    let moving = outcome.proposals.iter().filter(|proposal| moves(proposal.action));
    let mut moved: BTreeSet<EnvironmentName> = moving.map(|proposal| proposal.environment.clone()).collect();
    let mut following = BTreeSet::new();
    // A soak of what came a moment ago does not pass in the same run; a pull request is opened while it lasts.
    let soaks = |name: &EnvironmentName| {
        environments.named(name).filter(|environment| environment.publish == Publish::Commit).is_some_and(
            |environment| {
                let is_soak = |gate: &GateSpec| matches!(gate, GateSpec::Soak { time, .. } if time.is_positive());
                environment.gates.iter().any(is_soak)
            },
        )
    };
    loop {
        let next: BTreeSet<EnvironmentName> = promote::followers(environments, &moved)
            .filter(|name| !following.contains(*name) && !soaks(name))
            .cloned()
            .collect();
        if next.is_empty() {
            break;
        }
        // What stands on a head branch is not on the base, so nothing follows it in the same run.
        let lands = |name: &&EnvironmentName| {
            environments.named(name).is_some_and(|environment| environment.publish == Publish::Commit)
        };
        moved.extend(next.iter().filter(lands).cloned());
        following.extend(next);
    }
    let in_order = environments.0.iter().map(|environment| &environment.name);
    in_order.filter(|name| following.contains(*name)).cloned().collect()
}

/// Brings the branch here and lists its files, on a thread that may block.
pub(super) async fn fetch(remote: &Arc<dyn Remote>, branch: &BranchName) -> Result<(CommitId, CommitFiles), GitError> {
    let (remote, branch) = (Arc::clone(remote), branch.clone());
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
