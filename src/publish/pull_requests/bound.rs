//! How many pull requests of an environment may be open: `maxOpen`. Counted is what people see open, whoever wants it and whoever
//! has it in hand, once the pass is over.
//!
//! Entry point: `bound`. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::environment::{BranchName, EnvironmentName};
use crate::model::proposal::Action;
use crate::model::pull_request::{HeadBranch, PullRequest, State};
use crate::publish::making::is_aside;
use crate::publish::pull_requests::leftovers::leftovers;
use crate::publish::pull_requests::{Course, Desired, Standing, Unsure, displaced};

/// Lets those wait that would make more pull requests stand in an environment than may be open there.
pub(super) fn bound(
    (desired, courses): (&[Desired], &mut [Course]),
    standing: &Standing,
    heads: &BTreeMap<&BranchName, &HeadBranch>,
    (prefix, unsure): (&str, &Unsure),
) {
    if desired.iter().all(|wanted| wanted.max_open.is_none()) {
        return;
    }
    let leftovers = leftovers((desired, &*courses), standing, heads, prefix, unsure);
    let closed = leftovers.iter().chain(&*courses).filter(|course| course.action == Action::Closed);
    let closed: BTreeSet<&BranchName> = closed.map(|course| &course.head).collect();
    let open: BTreeSet<BranchName> = standing_open(standing, heads, (&*courses, unsure))
        .into_iter()
        .filter(|head| !closed.contains(head))
        .cloned()
        .collect();
    let mut counts: BTreeMap<EnvironmentName, u64> = BTreeMap::new();
    for head in open.iter().filter(|head| !is_aside(head, prefix)) {
        let named = desired.iter().find(|wanted| wanted.head == *head).map(|wanted| wanted.environment.clone());
        if let Some(environment) = named.or_else(|| Some(standing.place_of(head, prefix)?.0)) {
            *counts.entry(environment).or_default() += 1;
        }
    }
    // What takes the place of one that is closed for that has its turn; where there is none for it, the other one stays.
    let replacing: BTreeSet<&BranchName> = leftovers.iter().flat_map(|course| &course.instead).collect();
    let (first, then): (Vec<_>, Vec<_>) =
        desired.iter().zip(courses).partition(|(wanted, _)| replacing.contains(&wanted.head));
    for (wanted, course) in first.into_iter().chain(then) {
        let Some(most) = wanted.max_open.filter(|_| !open.contains(&wanted.head) && !course.steps.is_empty()) else {
            continue;
        };
        let count = counts.entry(wanted.environment.clone()).or_default();
        if *count < most {
            *count += 1;
            continue;
        }
        course.steps.clear();
        course.action = Action::Waiting;
        course.reason = Some(match *count {
            1 => format!("1 pull request of {} is open, and `maxOpen` is {most}", wanted.environment),
            count => format!("{count} pull requests of {} are open, and `maxOpen` is {most}", wanted.environment),
        });
    }
}

/// Returns the head branches of what is open: of pull requests, or, on plain Git, those that still bring something.
fn standing_open<'a>(
    standing: &'a Standing,
    heads: &BTreeMap<&'a BranchName, &'a HeadBranch>,
    (courses, unsure): (&[Course], &Unsure),
) -> BTreeSet<&'a BranchName> {
    let Some(pull_requests) = &standing.pull_requests else {
        // What somebody took back on its branch waits for nobody, and neither does what is merged.
        let brings = |head: &HeadBranch| head.undone.is_empty() && (head.key.is_some() || !head.is_own);
        return heads.values().filter(|head| brings(head)).map(|head| &head.name).collect();
    };
    let is_wanted = |one: &PullRequest| courses.iter().any(|course| course.head == one.head);
    let displaced =
        standing.displaced.iter().filter(|one| displaced::stays(one, heads, (is_wanted(one), unsure)).is_some());
    pull_requests.iter().filter(|one| one.state == State::Open).chain(displaced).map(|one| &one.head).collect()
}
