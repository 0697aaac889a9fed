//! Stage 3, promote: what may move in which environment, and what that waits for.
//!
//! Entry point: [`promote`]. Pure over what was observed and decided; an environment with `after` takes
//! its candidates from what the environments before it run in Git, never from a registry.

mod candidates;
pub mod drift;
pub mod figures;
mod gates;
mod introduced;
pub mod matching;
pub mod order;
pub mod places;
pub mod record;
mod running;
mod stage;
mod watch;
mod ways;
mod wildcards;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::model::checks::{ChecksWant, Inquiry};
use crate::model::decision::Decision;
use crate::model::environment::{Environment, EnvironmentName, Environments};
use crate::model::gate::{GateSpec, GateState, SoakCount};
use crate::model::history::Timeline;
use crate::model::image::{Digest, ImageName, short_hash};
use crate::model::observation::Observation;
use crate::model::outcome::Skipped;
use crate::model::policy::Groups;
use crate::model::proposal::{Move, Proposal, Way};
use crate::model::site::{self, Spot, Value};
use crate::model::source::SourceQuestion;
use crate::model::watch::Watch;

use self::candidates::{Late, Search, Settled};
use self::gates::Soaking;
use self::matching::Matching;

/// What may move, and what was passed by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Promoted {
    /// The decisions, in which an environment with `after` chooses what the one before it runs.
    pub decisions: Vec<Decision>,
    /// One for each environment and group that has something newer, by environment and group.
    pub proposals: Vec<Proposal>,
    /// Promotions that cannot even be proposed, with the reason.
    pub skipped: Vec<Skipped>,
    /// The group of every image.
    pub groups: BTreeMap<ImageName, String>,
    /// Histories to read; empty when the proposals are final.
    pub wants: BTreeSet<(EnvironmentName, ImageName)>,
    /// What gates ask of sources and is not answered yet; empty when the proposals are final.
    pub questions: BTreeSet<SourceQuestion>,
    /// What has to be asked of the forge; empty when the proposals are final.
    pub forge: ForgeWants,
    /// What is watched after it came.
    pub watches: Vec<Watch>,
    /// Where one of several environments before is enough: what each of them comes to, by the positions of decisions.
    pub ways: BTreeMap<usize, Vec<Way>>,
}

/// What has to be asked of the forge before proposals are final.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ForgeWants {
    /// Commits whose checks tell what may have to go back, or may not go on.
    pub inquiries: BTreeMap<Inquiry, BTreeSet<ChecksWant>>,
    /// Commits whose checks gates wait for.
    pub checks: BTreeSet<ChecksWant>,
    /// The groups of whose pull requests approvals count.
    pub approvals: BTreeSet<(EnvironmentName, String)>,
}

impl ForgeWants {
    /// Whether nothing has to be asked.
    pub fn is_empty(&self) -> bool {
        self.inquiries.is_empty() && self.checks.is_empty() && self.approvals.is_empty()
    }
}

/// Turns decisions into proposals.
pub fn promote(
    observation: &Observation,
    decisions: Vec<Decision>,
    environments: &Environments,
    groups: &Groups,
) -> Promoted {
    let names = group_names(decisions.iter().map(|decision| &decision.question.image), groups);
    let matching = Matching::of(observation, environments, &decisions);
    let decisions = matching::apart(&matching, observation, decisions, environments);
    let mut promoted = Promoted::default();
    let mut settled: BTreeMap<usize, Settled> = BTreeMap::new();
    let mut wants = BTreeSet::new();
    promoted.watches = watch::watches(observation, &decisions, environments, &names, &mut wants, &mut promoted.forge);
    let (watches, late) = (&promoted.watches, RefCell::default());
    let mut search = Search {
        observation,
        environments,
        decisions: &decisions,
        matching: &matching,
        watches,
        groups: &names,
        configured: groups,
        late: &late,
        wants: &mut wants,
    };
    for environment in &environments.0 {
        let stage = stage::stage(&mut search, environment, groups, &names);
        settled.extend(stage.settled);
        promoted.ways.extend(stage.ways);
        promoted.proposals.extend(stage.proposals);
        promoted.skipped.extend(stage.skipped);
        promoted.questions.extend(stage.questions);
        promoted.forge.checks.extend(stage.forge.checks);
        promoted.forge.approvals.extend(stage.forge.approvals);
    }
    promoted.wants = wants;
    let Late { forge, found } = late.into_inner();
    promoted.forge.inquiries.extend(forge.inquiries);
    promoted.watches.extend(found.into_iter().map(|watch| {
        let group = names.get(&watch.image).cloned().unwrap_or_default();
        Watch { group, ..watch }
    }));
    let mut run: BTreeMap<(&EnvironmentName, &ImageName), BTreeSet<&Value>> = BTreeMap::new();
    for question in decisions.iter().map(|decision| &decision.question) {
        run.entry((&question.environment, &question.image)).or_default().insert(&question.current);
    }
    let before = |index: usize| -> BTreeSet<Value> {
        let question = &decisions[index].question;
        let Some(environment) = environments.named(&question.environment) else { return BTreeSet::new() };
        let here = candidates::predecessors(environment).filter_map(|before| run.get(&(before, &question.image)));
        let here = here.flatten().map(|value| Value::clone(value));
        // Where soak counts from the introduction, what a newer version replaced there may come all the same.
        let counts = |gate: &GateSpec| matches!(gate, GateSpec::Soak { count: SoakCount::Introduced, .. });
        let ran = environment.gates.iter().any(counts).then(|| candidates::predecessors(environment));
        let timelines = ran.into_iter().flatten().filter_map(|before| {
            let past = observation.pasts.get(&(before.clone(), question.image.clone()))?.as_ref().ok()?;
            past.timeline.as_ref()
        });
        let shifts = timelines.flat_map(|timeline| &timeline.shifts);
        here.chain(shifts.flat_map(|shift| shift.to.iter().chain(&shift.from).cloned())).collect()
    };
    let settled: Vec<_> = settled.into_iter().map(|(index, settled)| (index, settled, before(index))).collect();
    promoted.decisions = decisions;
    promoted.groups = names;
    for (index, settled, before) in settled {
        candidates::settle_decision(&mut promoted.decisions[index], settled, observation, &before);
    }
    promoted
}

/// Returns what approvals say of a head that nobody has seen yet.
pub fn unapproved(wanted: u32) -> GateState {
    gates::missing(wanted, 0)
}

/// Tells when a version was published, as far as the observation knows: pushed, else made.
pub fn published(observation: &Observation, image: &ImageName, value: &Value) -> Option<Timestamp> {
    let facts = observation.images.get(image)?.as_ref().ok()?.facts.get(value.tag.as_ref()?)?;
    let is_of_it = |digest: &Option<Digest>| match (digest, &value.digest) {
        (Some(told), Some(wanted)) => told == wanted,
        _ => true,
    };
    facts.pushed.filter(|_| is_of_it(&facts.pushed_digest)).or(facts.created.filter(|_| is_of_it(&facts.digest)))
}

/// Says with the figures that what an image was in an environment before one did not stay for as long as soak asks here, so
/// that nothing comes; `None` where it did, or where soak counts otherwise.
pub fn starving(environment: &Environment, past: &Timeline, is_taken_back: &dyn Fn(&Value) -> bool) -> Option<String> {
    environment.gates.iter().find_map(|gate| match gate {
        GateSpec::Soak { time, count } => gates::starving(past, is_taken_back, (*time, *count)),
        _ => None,
    })
}

/// Finds since when each moving image has been in every environment before.
fn soaking(
    observation: &Observation,
    matching: &Matching<'_>,
    environment: &Environment,
    moves: &[Move],
) -> Vec<Soaking> {
    let of = |step: &Move| {
        let soaking = |before| {
            let places =
                |timeline: &Timeline| matching.pasts(environment, before, (&step.image, &step.sites), timeline);
            gates::soaking(observation, before, &step.image, &step.to, places)
        };
        candidates::predecessors(environment).map(soaking).collect::<Vec<_>>()
    };
    moves.iter().flat_map(of).collect()
}

/// Takes a timeline apart by the places of sites that run one version: those with the same past come together.
fn parts(
    observation: &Observation,
    sites: &[usize],
    timeline: &Timeline,
    current: &Value,
) -> Vec<(Vec<usize>, Timeline)> {
    let spots = site::spots(&observation.sites, sites);
    if spots.is_empty() {
        return vec![(sites.to_vec(), timeline.clone())];
    }
    let all = spots.values().cloned().collect();
    let mut of: BTreeMap<&Spot, Vec<usize>> = BTreeMap::new();
    for (index, spot) in &spots {
        of.entry(spot).or_default().push(*index);
    }
    let sites = |spots: &BTreeSet<Spot>| spots.iter().flat_map(|spot| of[spot].iter().copied()).collect();
    timeline.parted(&all, current).into_iter().map(|part| (sites(&part.spots), part.timeline)).collect()
}

/// Names the group of every image; where two images' own names collide, a short hash tells them apart.
pub fn group_names<'a>(images: impl Iterator<Item = &'a ImageName>, groups: &Groups) -> BTreeMap<ImageName, String> {
    let images: BTreeSet<&ImageName> = images.collect();
    let mut taken: BTreeMap<String, usize> = groups.0.iter().map(|group| (group.name.clone(), 1)).collect();
    for image in images.iter().filter(|image| groups.of(image).is_none()) {
        *taken.entry(image.group_name()).or_default() += 1;
    }
    let name = |image: &ImageName| match groups.of(image) {
        Some(group) => group.name.clone(),
        None => {
            let own = image.group_name();
            let collides = taken.get(&own).is_some_and(|count| *count > 1);
            if collides { format!("{own}-{:08x}", short_hash(image.as_str())) } else { own }
        }
    };
    images.into_iter().map(|image| (image.clone(), name(image))).collect()
}

/// Returns the environments whose predecessor is one of `moved`: those that may follow in another pass.
pub fn followers<'a>(
    environments: &'a Environments,
    moved: &'a BTreeSet<EnvironmentName>,
) -> impl Iterator<Item = &'a EnvironmentName> {
    environments
        .0
        .iter()
        .filter(|environment| candidates::predecessors(environment).any(|before| moved.contains(before)))
        .map(|environment| &environment.name)
}

#[cfg(test)]
mod tests;
