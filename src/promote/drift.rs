//! Drift: environments that differ from what promotion would have brought. Shown, and never mended.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use crate::model::environment::{EnvironmentName, Environments};
use crate::model::history::{Ordered, Timeline};
use crate::model::image::ImageName;
use crate::model::site::Value;
use crate::promote::candidates::predecessors;

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
    /// How that differs, in words.
    pub reason: String,
}

/// Finds every value that stands in an environment although the one before never had it, or has gone back from it.
///
/// `order` compares two values where they have an order.
pub fn drift(
    environments: &Environments,
    runs: &Runs,
    timelines: &BTreeMap<(EnvironmentName, ImageName), Timeline>,
    order: &dyn Fn(&Value, &Value) -> Option<Ordering>,
) -> Vec<Drift> {
    let mut found = Vec::new();
    for ((name, image), values) in runs {
        let Some(environment) = environments.named(name) else { continue };
        for value in values {
            let mut is_fine = false;
            let reasons: Vec<String> = predecessors(environment)
                .filter_map(|before| {
                    let key = (before.clone(), image.clone());
                    let there = runs.get(&key)?;
                    if there.iter().any(|other| is_same(other, value)) {
                        is_fine = true;
                        return None;
                    }
                    let is_ahead = there.iter().all(|other| order(value, other) == Some(Ordering::Greater));
                    let timeline = timelines.get(&key);
                    let has_run = timeline.is_some_and(|timeline| has_run(timeline, value));
                    let is_known = timeline.is_some_and(|timeline| timeline.whole);
                    let runs = there.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                    match (is_ahead, has_run, is_known) {
                        (true, true, _) => Some(format!("{value} is ahead of {before}, which went back to {runs}")),
                        (true, false, _) => Some(format!("{value} is ahead of {before}, which runs {runs}")),
                        (false, false, true) => Some(format!("{value} never was in {before}, which runs {runs}")),
                        (false, _, _) => None,
                    }
                })
                .collect();
            // Where one environment before is enough, one that runs it is.
            let reason = reasons.into_iter().next().filter(|_| !(environment.after_any && is_fine));
            if let Some(reason) = reason {
                let by = timelines.get(&(name.clone(), image.clone())).and_then(|timeline| timeline.brought(value));
                let by = by.map(|shift| match shift.word.order {
                    Some(Ordered::Promote) => format!(" (a hotfix, commit {})", shift.commit.short()),
                    _ => format!(" (by {}, commit {})", shift.by, shift.commit.short()),
                });
                found.push(Drift {
                    environment: name.clone(),
                    image: image.clone(),
                    value: value.clone(),
                    reason: format!("{reason}{}", by.unwrap_or_default()),
                });
            }
        }
    }
    found
}

/// Whether a version has stood somewhere, as far as history was read.
pub fn has_run(timeline: &Timeline, value: &Value) -> bool {
    timeline.shifts.iter().any(|shift| shift.from.iter().chain(&shift.to).any(|other| is_same(other, value)))
}

/// Whether two values are one version: a digest that only one of them writes is no difference.
pub fn is_same(one: &Value, other: &Value) -> bool {
    one.tag == other.tag
        && match (&one.digest, &other.digest) {
            (Some(one), Some(other)) => one == other,
            _ => true,
        }
}
