//! Checks: what a reconciler reported on the commit that brought a version to the environment before, or on a later
//! commit that still has it there.
//!
//! The newest report of each name counts. What has not been asked, or could not be, never passes.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::model::checks::{CheckName, ChecksWant, Reports, Untold, newest, told};
use crate::model::commit::CommitId;
use crate::model::environment::{Environment, EnvironmentName};
use crate::model::gate::{GateSpec, GateState};
use crate::model::history::Timeline;
use crate::model::image::ImageName;
use crate::model::observation::Observation;
use crate::model::proposal::Move;
use crate::model::pull_request::CheckState;
use crate::model::site::Value;
use crate::promote::candidates::predecessors;
use crate::promote::matching::Matching;

/// How many commits count from the one that brought a version on, and as many of the newest that still have it: a
/// reconciler reports on the commit that it finds, which in a busy repository is one of the two.
const EACH_END: usize = 10;

/// The commits on which one environment before has had one moving image.
pub(in crate::promote) struct Proof<'a> {
    pub(super) before: &'a EnvironmentName,
    pub(super) image: &'a ImageName,
    /// The repository of that environment, where it is another one.
    pub(super) repository: Option<Arc<str>>,
    /// What was said of that repository's commits.
    pub(super) reports: &'a Reports,
    /// Newest first; or why they are not known, in words.
    pub(super) commits: Result<Vec<CommitId>, String>,
}

/// Finds on which commits the environments before have had what moves.
pub(in crate::promote) fn proofs<'a>(
    observation: &'a Observation,
    matching: &Matching<'_>,
    environment: &'a Environment,
    moves: &'a [Move],
) -> Vec<Proof<'a>> {
    if !environment.gates.iter().any(|gate| matches!(gate, GateSpec::Checks(_))) {
        return Vec::new();
    }
    let mut proofs = Vec::new();
    for step in moves {
        for before in predecessors(environment) {
            let repository = observation.repository_of(before);
            proofs.extend(commits(observation, matching, environment, before, step).into_iter().map(|commits| Proof {
                before,
                image: &step.image,
                repository: repository.cloned(),
                reports: observation.reports_of(repository),
                commits,
            }));
        }
    }
    proofs
}

/// Returns the commits that tell of what moves: for each place that counts where an environment before has several.
fn commits(
    observation: &Observation,
    matching: &Matching<'_>,
    environment: &Environment,
    before: &EnvironmentName,
    step: &Move,
) -> Vec<Result<Vec<CommitId>, String>> {
    let timeline = match observation.pasts.get(&(before.clone(), step.image.clone())) {
        None => Err("history is still to be read".to_owned()),
        Some(Err(reason)) => Err(format!("history could not be read: {reason}")),
        Some(Ok(past)) => past.timeline.as_ref().ok_or_else(|| "there is no Git history here to look into".to_owned()),
    };
    let timeline = match timeline {
        Ok(timeline) => timeline,
        Err(reason) => return vec![Err(reason)],
    };
    // The environment before may write no digest, or one that is not written here.
    let held = |timeline: &Timeline| {
        let held = timeline.held(&step.to).or_else(|| {
            let same = |value: &&Value| value.tag == step.to.tag;
            timeline.held(timeline.shifts.iter().flat_map(|shift| &shift.to).find(same)?)
        });
        held.map(|held| chosen(observation.line_of(before), held))
    };
    let unknown = || format!("history does not reach the commit that brought {} to {before}", step.to);
    let places = matching.pasts(environment, before, (&step.image, &step.sites), timeline).unwrap_or_default();
    let had = |(standing, place): &(Value, Timeline)| standing.tag == step.to.tag || held(place).is_some();
    let places = places.into_iter().filter(had);
    let mut found: Vec<_> = places.map(|(_, place)| held(&place).ok_or_else(unknown)).collect();
    found.sort();
    found.dedup();
    if found.is_empty() { vec![held(timeline).ok_or_else(unknown)] } else { found }
}

/// Picks commits from both ends of a stretch of the line, newest first.
pub(in crate::promote) fn chosen(line: &[CommitId], stretch: RangeInclusive<usize>) -> Vec<CommitId> {
    let all: Vec<&CommitId> = stretch.filter_map(|depth| line.get(depth)).collect();
    let count = all.len();
    let is_end = |index: &usize| *index < EACH_END || *index + EACH_END >= count;
    all.into_iter().enumerate().filter(|(index, _)| is_end(index)).map(|(_, commit)| commit.clone()).collect()
}

/// Returns the commits that have to be asked about before the gate says anything final.
pub(in crate::promote) fn wants(environment: &Environment, proofs: &[Proof<'_>]) -> BTreeSet<ChecksWant> {
    let names = environment.gates.iter().filter_map(|gate| match gate {
        GateSpec::Checks(names) => Some(names),
        _ => None,
    });
    let of = |names: &Vec<CheckName>| {
        let want = |proof: &Proof<'_>| {
            let (commits, repository) = (proof.commits.as_ref().ok()?.clone(), proof.repository.clone());
            let want = ChecksWant { repository, names: names.clone(), commits };
            want.next(proof.reports).is_some().then_some(want)
        };
        proofs.iter().filter_map(want).collect::<Vec<_>>()
    };
    names.flat_map(of).collect()
}

/// What the checks say: every name must have passed for every image in every environment before.
pub(super) fn state(names: &[CheckName], proofs: &[Proof<'_>]) -> GateState {
    let wait = |reason: String| GateState::Wait { until: None, reason };
    if proofs.is_empty() {
        return wait("no checks count here: there is no environment before".to_owned());
    }
    let mut failed = None;
    let mut waiting = None;
    for proof in proofs {
        let commits = match &proof.commits {
            Ok(commits) => commits,
            Err(reason) => {
                waiting.get_or_insert(reason.clone());
                continue;
            }
        };
        for name in names {
            match one(name, proof, commits) {
                Said::Passed => {}
                Said::Waits(reason) => {
                    waiting.get_or_insert(reason);
                }
                Said::Failed(reason) => {
                    failed.get_or_insert(reason);
                }
            }
        }
    }
    match (failed, waiting) {
        (Some(reason), _) => GateState::Fail { reason },
        (None, Some(reason)) => wait(reason),
        (None, None) => GateState::Pass,
    }
}

enum Said {
    Passed,
    Waits(String),
    Failed(String),
}

fn one(name: &CheckName, proof: &Proof<'_>, commits: &[CommitId]) -> Said {
    let found = match newest(name, commits, proof.reports) {
        Ok(found) => found,
        Err(Untold::NotAsked(commit)) => {
            return Said::Waits(format!("the checks of commit {} are still to be asked for", commit.short()));
        }
        Err(Untold::Failed(reason)) => return Said::Waits(format!("{name} could not be asked for: {reason}")),
    };
    let Proof { before, image, .. } = proof;
    if found.is_empty() {
        let brought = commits.last().map(CommitId::short).unwrap_or_default();
        let short = image.path().rsplit('/').next().unwrap_or_default();
        return Said::Waits(format!(
            "{name} has not reported on commit {brought}, which brought {short} to {before}, or on one after it"
        ));
    }
    let of = |state: CheckState| found.iter().find(move |(_, check)| check.state == state);
    if let Some((commit, check)) = of(CheckState::Failed) {
        return Said::Failed(format!("{} in {before}", told(commit, check)));
    }
    match of(CheckState::Pending) {
        Some((commit, check)) => Said::Waits(format!("{} in {before}", told(commit, check))),
        None => Said::Passed,
    }
}
