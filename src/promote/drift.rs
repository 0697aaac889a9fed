//! Drift: environments that differ from what promotion would have brought. Shown, and never mended.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use crate::model::environment::{Environment, EnvironmentName, Environments};
use crate::model::history::{Ordered, Timeline};
use crate::model::image::ImageName;
use crate::model::site::{self, Site, Spot, Value};
use crate::promote::candidates::predecessors;
use crate::promote::matching::{Counterpart, Matching};

/// What environments run now, by environment and image.
pub type Runs = BTreeMap<(EnvironmentName, ImageName), BTreeSet<Value>>;

/// How one environment differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drift {
    /// The environment.
    pub environment: EnvironmentName,
    /// The image.
    pub image: ImageName,
    /// What it runs.
    pub value: Value,
    /// Where.
    pub spots: BTreeSet<Spot>,
    /// How that differs, in words.
    pub reason: String,
}

/// What environments are compared by.
pub struct Comparing<'a> {
    /// All environments.
    pub environments: &'a Environments,
    /// What they run.
    pub runs: &'a Runs,
    /// What they have run.
    pub timelines: &'a BTreeMap<(EnvironmentName, ImageName), Timeline>,
    /// Every reference of this repository.
    pub sites: &'a [Site],
    /// Which places stand for which.
    pub matching: &'a Matching<'a>,
    /// Compares two values where they have an order.
    pub order: &'a dyn Fn(&Value, &Value) -> Option<Ordering>,
}

/// The sites that run each value of each image in each environment.
pub type Standing = BTreeMap<(EnvironmentName, ImageName), BTreeMap<Value, Vec<usize>>>;

/// Finds every value that stands in an environment although the one before never had it, or has gone back from it: where the
/// one before runs several versions, at the places that stand for its own.
pub fn drift(comparing: &Comparing<'_>, standing: &Standing) -> Vec<Drift> {
    let mut found: Vec<Drift> = Vec::new();
    for ((name, image), values) in standing {
        let Some(environment) = comparing.environments.named(name).filter(|one| !one.after.is_empty()) else {
            continue;
        };
        for (value, sites) in values {
            let is_several = |before: &EnvironmentName| {
                comparing.runs.get(&(before.clone(), image.clone())).is_some_and(|runs| runs.len() > 1)
            };
            let parts: Vec<Vec<usize>> = if predecessors(environment).any(is_several) {
                sites.iter().map(|site| vec![*site]).collect()
            } else {
                vec![sites.clone()]
            };
            for sites in parts {
                let Some(reason) = comparing.differs(environment, image, (value, &sites)) else { continue };
                let spots: BTreeSet<Spot> = site::spots(comparing.sites, &sites).into_values().collect();
                let is_same = |known: &&mut Drift| {
                    (&known.environment, &known.image, &known.value, &known.reason) == (name, image, value, &reason)
                };
                match found.iter_mut().find(is_same) {
                    Some(known) => known.spots.extend(spots),
                    None => found.push(Drift {
                        environment: name.clone(),
                        image: image.clone(),
                        value: value.clone(),
                        spots,
                        reason,
                    }),
                }
            }
        }
    }
    found
}

impl Comparing<'_> {
    /// Says how a value differs from what the environments before run where its places have their counterparts.
    fn differs(
        &self,
        environment: &Environment,
        image: &ImageName,
        (value, sites): (&Value, &[usize]),
    ) -> Option<String> {
        let mut is_fine = false;
        let mut reasons = Vec::new();
        for before in predecessors(environment) {
            let key = (before.clone(), image.clone());
            let Some(all) = self.runs.get(&key) else { continue };
            let timeline = self.timelines.get(&key);
            let at_counterpart = match self.matching.counterpart(environment, before, (image, sites)) {
                Counterpart::One(own) if all.len() > 1 => Some(own),
                _ => None,
            };
            let there: Vec<&Value> = at_counterpart.map_or_else(|| all.iter().collect(), |own| vec![own]);
            if there.iter().any(|other| is_same(other, value)) {
                is_fine = true;
                continue;
            }
            let is_ahead = there.iter().all(|other| (self.order)(value, other) == Some(Ordering::Greater));
            let own = at_counterpart
                .zip(timeline)
                .and_then(|(_, timeline)| self.matching.pasts(environment, before, (image, sites), timeline));
            let has_run = match (&own, timeline) {
                (Some(pasts), _) => pasts.iter().any(|(_, past)| has_run(past, value)),
                (None, timeline) => timeline.is_some_and(|timeline| has_run(timeline, value)),
            };
            let is_known = timeline.is_some_and(|timeline| timeline.whole);
            let runs = there.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let runs =
                if at_counterpart.is_some() { format!("{runs} at the place that stands for this one") } else { runs };
            reasons.extend(match (is_ahead, has_run, is_known) {
                (true, true, _) => Some(format!("is ahead of {before}, which went back to {runs}")),
                (true, false, _) => Some(format!("is ahead of {before}, which runs {runs}")),
                (false, false, true) => Some(format!("never was in {before}, which runs {runs}")),
                (false, _, _) => None,
            });
        }
        // Where one environment before is enough, one that runs it is.
        let reason = reasons.into_iter().next().filter(|_| !(environment.after_any && is_fine))?;
        let own = self.timelines.get(&(environment.name.clone(), image.clone()));
        let parts = own.map(|own| own.parted(&site::spots(self.sites, sites).into_values().collect(), value));
        let by = parts.iter().flatten().filter_map(|part| part.timeline.brought(value)).min_by_key(|by| by.word.depth);
        let by = by.map(|shift| match shift.word.order {
            Some(Ordered::Promote) => format!(" (a hotfix, commit {})", shift.commit.short()),
            _ => format!(" (by {}, commit {})", shift.by, shift.commit.short()),
        });
        // Who brought it stands beside it: what was done in the one before may be another's work.
        Some(format!("{value}{} {reason}", by.unwrap_or_default()))
    }
}

/// Whether a version has stood somewhere, as far as history was read.
pub fn has_run(timeline: &Timeline, value: &Value) -> bool {
    let moved = timeline.asides.iter().filter(|aside| aside.was_here).map(|aside| &aside.shift);
    timeline
        .shifts
        .iter()
        .chain(moved)
        .any(|shift| shift.from.iter().chain(&shift.to).any(|other| is_same(other, value)))
}

/// Whether two values are one version: a digest that only one of them writes is no difference.
pub fn is_same(one: &Value, other: &Value) -> bool {
    one.tag == other.tag
        && match (&one.digest, &other.digest) {
            (Some(one), Some(other)) => one == other,
            _ => true,
        }
}
