//! Head branches that were named under another `branchPrefix`: what stands there goes on under its old name until it is merged or
//! closed, since no forge lets a pull request change its branch.
//!
//! Entry points: [`candidates`] and [`take_up`]. A name alone is not believed: the trailers of the head commit must name the
//! environment, and only images that are followed there.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::repository::Repository;
use crate::model::commit::CommitId;
use crate::model::environment::{BranchName, EnvironmentName};
use crate::model::image::ImageName;
use crate::model::pull_request::{HeadBranch, PullRequest, State};
use crate::pass::Planned;
use crate::publish::pull_requests::{Desired, Standing};

/// What head branches may be for, by their names.
pub(super) type Former = BTreeMap<BranchName, (EnvironmentName, String)>;

/// Whether a name is one that head branches of these environments have now.
pub(super) fn is_named_now(head: &BranchName, config: &Repository) -> bool {
    let rest = head.as_str().strip_prefix(config.pull_request.branch_prefix.as_str());
    let environment =
        rest.and_then(|rest| rest.split_once('/')).map(|(environment, _)| EnvironmentName::from(environment));
    environment.is_some_and(|name| config.environments.named(&name).is_some())
}

/// Returns what a head branch was for under another prefix, by its name: of several environments whose names fit, the longest.
fn named_before(head: &BranchName, config: &Repository) -> Option<(EnvironmentName, String)> {
    let (rest, group) = head.as_str().rsplit_once('/')?;
    let known = config.environments.0.iter().filter(|environment| rest.ends_with(environment.name.as_str()));
    let longest = known.max_by_key(|environment| environment.name.as_str().len())?;
    Some((longest.name.clone(), group.to_owned()))
}

/// Finds open pull requests, or on plain Git branches, that may be former ones, with their tips.
pub(super) fn candidates(
    config: &Repository,
    pull_requests: Option<&[PullRequest]>,
    branches: Vec<(BranchName, CommitId)>,
) -> (Vec<(BranchName, CommitId)>, Former) {
    let open = pull_requests.into_iter().flatten().filter(|one| one.state == State::Open);
    let open = open.map(|one| (one.head.clone(), one.commit.clone()));
    let grounds: BTreeSet<BranchName> = config.environments.branches().into_iter().collect();
    let mut former = Former::new();
    let mut found = Vec::new();
    for (head, tip) in open.chain(branches) {
        if is_named_now(&head, config) || grounds.contains(&head) {
            continue;
        }
        if let Some(place) = named_before(&head, config) {
            former.insert(head.clone(), place);
            found.push((head, tip));
        }
    }
    (found, former)
}

/// Keeps those whose commits say that they are what their names tell, and lets what is desired go on where it stands already.
pub(super) fn take_up(planned: &Planned, standing: &mut Standing, desired: &mut [Desired]) {
    let mut followed: BTreeMap<&EnvironmentName, BTreeSet<&ImageName>> = BTreeMap::new();
    for decision in &planned.promoted.decisions {
        followed.entry(&decision.question.environment).or_default().insert(&decision.question.image);
    }
    let is_followed = |environment: &EnvironmentName, image: &String| {
        followed.get(environment).is_some_and(|own| own.iter().any(|one| one.as_str() == image))
    };
    let pull_requests = standing.pull_requests.as_deref();
    let is_former = |head: &HeadBranch, (environment, group): &(EnvironmentName, String)| {
        let open = pull_requests.into_iter().flatten().find(|one| one.state == State::Open && one.head == head.name);
        match &head.told.environment {
            Some(told) => told == environment && head.images.iter().all(|image| is_followed(environment, image)),
            // Somebody else has pushed there: only its body still tells.
            None => open.and_then(|open| open.marker.as_ref()).is_some_and(|marker| {
                marker.environment == *environment
                    && marker.group == *group
                    && marker.brought.images().all(|image| is_followed(environment, &image.to_owned()))
            }),
        }
    };
    let heads: Vec<&HeadBranch> = standing.heads.iter().collect();
    let mut former = std::mem::take(&mut standing.former);
    let known = |name: &BranchName| heads.iter().find(|head| head.name == *name);
    former.retain(|name, place| known(name).is_some_and(|head| is_former(head, place)));
    let stands = |name: &BranchName| match pull_requests {
        Some(all) => all.iter().any(|one| one.state == State::Open && one.head == *name),
        None => known(name).is_some(),
    };
    for wanted in desired.iter_mut().filter(|wanted| !stands(&wanted.head)) {
        let place = (wanted.environment.clone(), wanted.group.clone());
        if let Some((name, _)) = former.iter().find(|(_, other)| **other == place) {
            wanted.head = name.clone();
        }
    }
    standing.former = former;
}
