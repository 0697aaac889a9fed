//! Head branches that were named under another `branchPrefix`: what stands there goes on under its old name until it is merged or
//! closed, since no forge lets a pull request change its branch.
//!
//! Entry points: [`candidates`] and [`take_up`]. A name alone is not believed, nor a body, which anybody may copy: a commit there must
//! be Tagboat's own, and the trailers of the head commit must name the environment, and only images that are followed there, or else
//! its pull request must say the same.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::repository::Repository;
use crate::model::commit::CommitId;
use crate::model::decision::Question;
use crate::model::environment::{BranchName, EnvironmentName};
use crate::model::image::ImageName;
use crate::model::pull_request::{HeadBranch, Marker, PullRequest, State};
use crate::pass::Planned;
use crate::promote::Promoted;
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

/// The groups of each environment.
pub(super) type Known = BTreeSet<(EnvironmentName, String)>;

/// Returns the groups that something is followed in, and what each image's own would be called: it may have joined one since.
pub(super) fn known(promoted: &Promoted) -> Known {
    let questions = promoted.decisions.iter().map(|decision| &decision.question);
    let places = |question: &Question| {
        let named = promoted.groups.get(&question.image).cloned().into_iter();
        let environment = question.environment.clone();
        named.chain([question.image.group_name()]).map(move |group| (environment.clone(), group)).collect::<Vec<_>>()
    };
    questions.flat_map(places).collect()
}

/// Returns what a head branch was for under another prefix, by its name: of several that fit, the longest. People call branches
/// after environments, too, and every one that is taken for a candidate has to be looked at.
pub(super) fn named_before(
    head: &BranchName,
    marker: Option<&Marker>,
    known: &Known,
) -> Option<(EnvironmentName, String)> {
    let said = marker.map(|marker| (marker.environment.clone(), marker.group.clone()));
    let is_named = |(environment, group): &&(EnvironmentName, String)| {
        let before = head.as_str().strip_suffix(&format!("{environment}/{group}"));
        before.is_some_and(|before| !before.ends_with(|letter: char| letter.is_ascii_alphanumeric()))
    };
    known.iter().chain(&said).filter(is_named).max_by_key(|(environment, _)| environment.as_str().len()).cloned()
}

/// Finds open pull requests, or on plain Git branches, that may be former ones, with their tips.
pub(super) fn candidates(
    config: &Repository,
    known: &Known,
    pull_requests: Option<&[PullRequest]>,
    branches: Vec<(BranchName, CommitId)>,
) -> (Vec<(BranchName, CommitId)>, Former) {
    let open = pull_requests.into_iter().flatten().filter(|one| one.state == State::Open);
    let open = open.map(|one| (one.head.clone(), one.commit.clone(), one.marker.as_ref()));
    let branches = branches.into_iter().map(|(head, tip)| (head, tip, None));
    let grounds: BTreeSet<BranchName> = config.environments.branches().into_iter().collect();
    let mut former = Former::new();
    let mut found = Vec::new();
    for (head, tip, marker) in open.chain(branches) {
        let marker = marker.filter(|marker| config.environments.named(&marker.environment).is_some());
        if is_named_now(&head, config) || grounds.contains(&head) {
            continue;
        }
        if let Some(place) = named_before(&head, marker, known) {
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
        // Nobody follows its images any more: its commit and its body together say whose it is, and it is taken away.
        let is_marked = || {
            let marker = open.and_then(|open| open.marker.as_ref());
            marker.is_some_and(|marker| {
                let is_same = head.is_own && head.key.as_ref() == Some(&marker.key);
                is_same && marker.environment == *environment && marker.group == *group
            })
        };
        match &head.told.environment {
            _ if !head.has_own => false,
            Some(told) => {
                let is_followed = head.images.iter().all(|image| is_followed(environment, image));
                told == environment && (is_followed || is_marked())
            }
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
