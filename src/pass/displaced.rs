//! Open pull requests into another branch than the one that a pass proposes to: those of environments that have left that branch, and those
//! that runs on another base make, whose head branches are theirs.
//!
//! Entry points: [`sort`] and [`judge`]. Whose one is, its hidden line and the configuration at the tip of the other base tell.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::config::repository::Repository;
use crate::git::{GitError, Remote};
use crate::model::commit::CommitId;
use crate::model::environment::{BranchName, EnvironmentName};
use crate::model::pull_request::{PullRequest, State};
use crate::observe::tree::CommitFiles;
use crate::pass::propose::Onto;
use crate::pass::{PassError, blocking, run};

/// Branches with their tips.
type Tips = Vec<(BranchName, CommitId)>;

/// Who asks.
#[derive(Clone, Copy)]
pub(super) struct Whose<'a> {
    /// The base branch of the run.
    pub(super) branch: &'a BranchName,
    /// Whether its configuration was given to it, and no branch tells what another run has.
    pub(super) is_given: bool,
    /// The configuration.
    pub(super) config: &'a Repository,
}

/// What became of those into other branches.
pub(super) struct Judged {
    /// Those of environments that have left the branch into which they go.
    pub(super) displaced: Vec<PullRequest>,
    /// Those that runs on another base make.
    pub(super) others: Vec<PullRequest>,
    /// The branches on which environments lived before, or live by now.
    pub(super) before: Tips,
}

/// Sorts what was listed: what counts on a branch, and what is open into another one though its environment lives on this one.
pub(super) fn sort(
    listed: &[PullRequest],
    onto: &Onto<'_>,
    config: &Repository,
) -> (Vec<PullRequest>, Vec<PullRequest>) {
    let prefix = config.pull_request.branch_prefix.as_str();
    let (mut own, mut displaced) = (Vec::new(), Vec::new());
    for one in listed {
        let is_named_now = one.head.as_str().starts_with(prefix);
        let is_placed = !is_named_now || onto.has_head(&one.head, prefix);
        let is_marked = one.marker.as_ref().is_some_and(|marker| onto.has(&marker.environment));
        match one.state {
            // What a person refused was refused whatever its branch was called, and wherever it was to go.
            State::Closed | State::Merged => own.push(one.clone()),
            State::Open if one.base == *onto.branch && is_placed => own.push(one.clone()),
            State::Open if one.base != *onto.branch && is_placed && is_marked => {
                let is_pointed = one.opened_into() == Some(onto.branch) && !one.is_elsewhere();
                if is_named_now || is_pointed {
                    displaced.push(one.clone());
                }
            }
            // Somebody has written over its body. Beside one that is where it belongs, it is somebody's own.
            State::Open if one.base != *onto.branch && is_placed && is_named_now && one.marker.is_none() => {
                let is_here = |other: &&PullRequest| other.head == one.head && other.base == *onto.branch;
                if !listed.iter().filter(|other| other.state == State::Open).any(|other| is_here(&other)) {
                    displaced.push(one.clone());
                }
            }
            State::Open => {}
        }
    }
    (own, displaced)
}

/// Tells whose those into other branches are. Those of an environment that has left the branch of this run, or been taken from where
/// this run had it, are its own; any other is another run's, as long as the configuration there says so.
///
/// # Errors
///
/// [`GitError`] when this fails as a whole; a branch that cannot be read leaves what goes there to others.
pub(super) async fn judge(
    remote: &Arc<dyn Remote>,
    whose: Whose<'_>,
    away: Vec<PullRequest>,
    (onto, known): (&BranchName, &[(BranchName, CommitId)]),
) -> Result<Judged, GitError> {
    let mut before: Tips = known.iter().filter(|(other, _)| other != onto).cloned().collect();
    let prefix = whose.config.pull_request.branch_prefix.clone();
    // What an environment left that is not configured may be another configuration's, where none on a branch tells.
    let is_gone = |one: &PullRequest| {
        environment(one, &prefix).is_some_and(|name| whose.config.environments.named(&name).is_none())
    };
    let is_another = |one: &PullRequest| home(one) != whose.branch || (whose.is_given && is_gone(one));
    let is_asked = |one: &PullRequest| opened_into(one) != onto && is_another(one);
    let is_known = |name: &&BranchName| known.iter().any(|(other, _)| other == *name);
    let homes = away.iter().filter(|one| is_asked(one)).map(home);
    let unknown: BTreeSet<&BranchName> = away.iter().map(|one| &one.base).chain(homes).collect();
    let unknown: Vec<BranchName> = unknown.into_iter().filter(|name| !is_known(name)).cloned().collect();
    let (asked, own): (Vec<_>, Vec<_>) = away.into_iter().partition(is_asked);
    if asked.is_empty() && unknown.is_empty() {
        return Ok(Judged { displaced: own, others: Vec::new(), before });
    }
    let (is_given, remote) = (whose.is_given, Arc::clone(remote));
    let known = known.to_vec();
    blocking(move || {
        let fetched: Vec<_> = remote.fetch_all(&unknown);
        let tips: Vec<_> =
            unknown.into_iter().zip(fetched).chain(known.into_iter().map(|(name, tip)| (name, Ok(tip)))).collect();
        let tip = |name: &BranchName| tips.iter().find(|(other, _)| other == name).map(|(_, tip)| tip);
        let is_others = |one: &PullRequest| {
            is_given || tip(home(one)).is_none_or(|tip| lives_there(&remote, (home(one), tip), one, &prefix))
        };
        let (others, mut displaced): (Vec<_>, Vec<_>) = asked.into_iter().partition(is_others);
        displaced.extend(own);
        let is_new = |name: &BranchName| displaced.iter().any(|one| one.base == *name);
        let fetched = tips.iter().filter(|(name, _)| is_new(name) && before.iter().all(|(other, _)| other != name));
        let fetched: Tips =
            fetched.filter_map(|(name, tip)| Some((name.clone(), tip.as_ref().ok()?.clone()))).collect();
        before.extend(fetched);
        Ok(Judged { displaced, others, before })
    })
    .await
}

/// Returns the branch that Tagboat has opened one into.
fn opened_into(one: &PullRequest) -> &BranchName {
    one.opened_into().unwrap_or(&one.base)
}

/// Returns the base branch of the run that has opened one.
fn home(one: &PullRequest) -> &BranchName {
    one.marker.as_ref().and_then(|marker| marker.home.as_ref()).unwrap_or_else(|| opened_into(one))
}

/// Returns the environment that one is for.
fn environment(one: &PullRequest, prefix: &str) -> Option<EnvironmentName> {
    let said = one.marker.as_ref().map(|marker| marker.environment.clone());
    said.or_else(|| Some(EnvironmentName::from(one.head.as_str().strip_prefix(prefix)?.split_once('/')?.0)))
}

/// Whether the configuration at the tip of a base has the environment of one live where that was opened into. Where it cannot be read, it may.
fn lives_there(
    remote: &Arc<dyn Remote>,
    (home, tip): (&BranchName, &Result<CommitId, GitError>),
    one: &PullRequest,
    prefix: &str,
) -> bool {
    let Some(environment) = environment(one, prefix) else { return false };
    let read = match tip {
        Ok(tip) => CommitFiles::new(Arc::clone(remote), tip).map_err(PassError::Git),
        Err(GitError::NoBranch { .. }) => return false,
        Err(error) => {
            tracing::warn!(branch = %home, %error, "what is open from there is left as it is");
            return true;
        }
    };
    match read.and_then(|files| run::read_config(&files, home)) {
        Ok(mut config) => {
            config.environments.settle_on(home);
            let environment = config.environments.named(&environment);
            environment.is_some_and(|found| found.branch.as_ref().unwrap_or(home) == opened_into(one))
        }
        Err(PassError::NotConfigured(_)) => false,
        Err(error) => {
            tracing::warn!(branch = %home, %error, "what is open from there is left as it is");
            true
        }
    }
}
