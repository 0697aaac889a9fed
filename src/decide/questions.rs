//! Questions: which references are followed, under which policy, and what they ask together.
//!
//! The entry points are [`follow`] and [`questions`]. Whether an environment takes its versions from a registry or
//! from the environment before it is not asked here.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::model::decision::{Origin, Question};
use crate::model::environment::{BranchName, EnvironmentName, Environments};
use crate::model::image::ImageName;
use crate::model::observation::Observation;
use crate::model::policy::{Policy, Rules, Select};
use crate::model::site::{Marker, Site, SkipReason, Value};

/// Whether a reference is followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Followed {
    /// It is.
    Yes {
        /// The environment of its file.
        environment: EnvironmentName,
        /// The policy beside it, else its rule's.
        policy: Arc<Policy>,
    },
    /// It is not, and why.
    No(SkipReason),
}

/// Tells whether a reference is followed: what its file says first, then the marker beside it, then the first rule
/// for its image. A file in no environment is never changed.
pub fn follow(site: &Site, rules: &Rules, environments: &Environments) -> Followed {
    let rule = |image: &ImageName| rules.of(image).map(|rule| Arc::clone(&rule.policy));
    let environment = || environments.of(site.branch.as_ref(), site.file.as_str());
    judge(site, rule, || environment().map(|environment| environment.name.clone()))
}

fn judge(
    site: &Site,
    rule: impl FnOnce(&ImageName) -> Option<Arc<Policy>>,
    environment: impl FnOnce() -> Option<EnvironmentName>,
) -> Followed {
    if let Some(reason) = &site.skipped {
        return Followed::No(reason.clone());
    }
    let Some(image) = &site.image else { return Followed::No(SkipReason::NoName) };
    let policy = match &site.marker {
        Some(Marker::Ignore) => return Followed::No(SkipReason::Ignored),
        Some(Marker::Faulty(reason)) => return Followed::No(SkipReason::FaultyMarker(reason.clone())),
        Some(Marker::Named(name)) => {
            return Followed::No(SkipReason::NamedPolicy(format!("the policy {name} was not looked up")));
        }
        Some(Marker::Policy(policy)) => Some(Arc::clone(policy)),
        None => rule(image),
    };
    let Some(policy) = policy else { return Followed::No(SkipReason::NoRule) };
    let names_its_tag = matches!(policy.select, Select::Digest(Some(_)));
    if site.value.tag.is_none() && !names_its_tag {
        let digest_only = site.value.digest.is_some();
        return Followed::No(if digest_only { SkipReason::DigestOnly } else { SkipReason::NoTag });
    }
    environment().map_or(Followed::No(SkipReason::NoEnvironment), |environment| Followed::Yes { environment, policy })
}

/// Collects what the followed references ask: one question for each image, environment, policy and value in use,
/// ordered by image, environment and value.
pub fn questions(observation: &Observation, rules: &Rules, environments: &Environments) -> Vec<Question> {
    let mut policies: HashMap<&ImageName, Option<Arc<Policy>>> = HashMap::new();
    let mut owners: HashMap<(Option<&BranchName>, &str), Option<EnvironmentName>> = HashMap::new();
    let mut asked: BTreeMap<(&ImageName, EnvironmentName, &Value), Vec<Question>> = BTreeMap::new();
    for (index, site) in observation.sites.iter().enumerate() {
        let rule = |image: &ImageName| rules.of(image).map(|rule| Arc::clone(&rule.policy));
        let known_rule = site.image.as_ref().map(|image| policies.entry(image).or_insert_with(|| rule(image)).clone());
        let path = (site.branch.as_ref(), site.file.as_str());
        let owner = || environments.of(path.0, path.1).map(|environment| environment.name.clone());
        let origin = |name: &EnvironmentName| match environments.named(name) {
            Some(environment) if !environment.after.is_empty() => Origin::Before,
            _ => Origin::Registry,
        };
        let followed = judge(site, |_| known_rule.flatten(), || owners.entry(path).or_insert_with(owner).clone());
        let (Followed::Yes { environment, policy }, Some(image)) = (followed, &site.image) else { continue };
        let group = asked.entry((image, environment.clone(), &site.value)).or_default();
        match group.iter_mut().find(|question| is_same(&question.policy, &policy)) {
            Some(question) => question.sites.push(index),
            None => group.push(Question {
                image: image.clone(),
                origin: origin(&environment),
                environment,
                policy,
                current: site.value.clone(),
                sites: vec![index],
            }),
        }
    }
    asked.into_values().flatten().collect()
}

fn is_same(a: &Arc<Policy>, b: &Arc<Policy>) -> bool {
    Arc::ptr_eq(a, b) || a == b
}

#[cfg(test)]
mod tests;
