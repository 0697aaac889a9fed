//! References that only one of two environments has of which one follows the other: here, or in another repository.
//!
//! Entry point: [`only_in_one`]. Images, and where one stands at several places, places of it.

use std::collections::BTreeMap;

use crate::config::repository::Repository;
use crate::decide::questions::{Followed, follow};
use crate::model::elsewhere::Elsewhere;
use crate::model::environment::{BranchName, Environment, EnvironmentName, Predecessor};
use crate::model::image::ImageName;
use crate::model::outcome::{Finding, Severity};
use crate::model::site::Site;
use crate::pass::elsewhere::Survey;
use crate::promote::places::{self, Places};

/// The positions of references, by image.
type Standing<'s> = BTreeMap<&'s ImageName, Vec<usize>>;

/// An environment, as it is compared with another one.
struct Side<'s> {
    /// What it is called here.
    name: &'s EnvironmentName,
    environment: &'s Environment,
    sites: &'s [Site],
    places: &'s Places<'s>,
    standing: &'s Standing<'s>,
    /// The repository, where it is another one.
    repository: Option<&'s str>,
}

/// Finds the references that only one of two environments has; `sites` is what stands in this repository.
pub(super) fn only_in_one(config: &Repository, others: &Survey<'_>, sites: &[Site]) -> Vec<Finding> {
    let followed = followed(config, sites);
    let places = Places::new(sites);
    let beside: BTreeMap<&EnvironmentName, (&Elsewhere, Standing<'_>, Places<'_>)> = others
        .standing()
        .map(|(name, other)| (name, (other, counted(config, other), Places::new(&other.sites))))
        .collect();
    let mut findings = Vec::new();
    for environment in &config.environments.0 {
        let own = |environment: &Environment| followed.get(&environment.name);
        let Some(standing) = own(environment) else { continue };
        let here = Side { name: &environment.name, environment, sites, places: &places, standing, repository: None };
        for before in &environment.after {
            // Where one of the two has nothing at all, another finding says so.
            let there = match before {
                Predecessor::Here(name) => config.environments.named(name).and_then(|before| {
                    let standing = own(before)?;
                    Some(Side { name, environment: before, standing, ..here })
                }),
                Predecessor::Elsewhere { name, .. } => beside.get(name).and_then(|(other, standing, places)| {
                    let environment = other.environment.as_deref().filter(|_| !standing.is_empty())?;
                    let (sites, repository) = (other.sites.as_slice(), Some(&*other.repository));
                    Some(Side { name, environment, sites, places, standing, repository })
                }),
            };
            if let Some(there) = there {
                compare(&here, &there, &mut findings);
            }
        }
    }
    findings
}

/// Returns what is followed in each environment of this repository.
fn followed<'s>(config: &'s Repository, sites: &'s [Site]) -> BTreeMap<&'s EnvironmentName, Standing<'s>> {
    let mut followed: BTreeMap<&EnvironmentName, Standing<'_>> = BTreeMap::new();
    for (index, site) in sites.iter().enumerate() {
        let owner = config.environments.of(site.branch.as_ref(), site.file.as_str());
        if let (Some(owner), Some(image)) = (owner, &site.image)
            && matches!(follow(site, &config.rules, &config.environments), Followed::Yes { .. })
        {
            followed.entry(&owner.name).or_default().entry(image).or_default().push(index);
        }
    }
    followed
}

/// Returns what an environment of another repository runs of what a rule here is for.
fn counted<'s>(config: &Repository, other: &'s Elsewhere) -> Standing<'s> {
    let mut standing = Standing::new();
    for index in &other.counted {
        if let Some(image) = &other.sites[*index].image
            && config.rules.of(image).is_some()
        {
            standing.entry(image).or_default().push(*index);
        }
    }
    standing
}

/// Compares an environment with one before it.
fn compare<'a>(here: &Side<'a>, there: &Side<'a>, findings: &mut Vec<Finding>) {
    let mut add = |message: String, hint: &str, side: &Side<'a>, site: usize| {
        let site = &side.sites[site];
        let away: Vec<&str> = side.repository.into_iter().chain(site.branch.as_ref().map(BranchName::as_str)).collect();
        findings.push(Finding {
            severity: Severity::Note,
            rule: "only-in-one",
            message,
            hint: Some(hint.to_owned()),
            file: Some(site.file.to_string()),
            away: (!away.is_empty()).then(|| away.join(":")),
            position: Some(site.position),
        });
    };
    let (later, before) = (here.name, there.name);
    let hint = format!("`{later}` follows `{before}`");
    for (has, lacks) in [(here, there), (there, here)] {
        for (image, own) in has.standing.iter().filter(|(image, _)| !lacks.standing.contains_key(*image)) {
            let message = format!("{image} is in {} and not in {}, so it is not promoted", has.name, lacks.name);
            add(message, &hint, has, own[0]);
        }
    }
    for (image, own) in here.standing {
        let Some(others) = there.standing.get(image).filter(|others| others.len() + own.len() > 2) else { continue };
        let apart =
            places::apart_from(image, (here.places, here.environment, own), (there.places, there.environment, others));
        let hint = format!("{hint}: while `{before}` runs several versions, each goes to its own place");
        for (alone, has, lacks) in [(apart.here, here, there), (apart.there, there, here)] {
            for site in alone {
                let message = format!("{image} stands here in {} and at no such place in {}", has.name, lacks.name);
                add(message, &hint, has, site);
            }
        }
        for site in apart.ambiguous {
            let message =
                format!("neither globs nor names tell for which place in {before} {image} stands here in {later}");
            let hint = format!(
                "{hint}: let wildcards stand for all in which its paths differ, and name what stands in one file"
            );
            add(message, &hint, here, site);
        }
    }
}
