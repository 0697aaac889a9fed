//! What nobody wants any more: closing pull requests and removing branches of Tagboat's own, with the reason.
//!
//! Entry points: `leftovers` and `withdraw`. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::environment::{BranchName, EnvironmentName};
use crate::model::markdown::code;
use crate::model::marker;
use crate::model::proposal::Action;
use crate::model::pull_request::{HeadBranch, LABEL_HOLD, PullRequest, State};
use crate::publish::pull_requests::{Course, Desired, Standing, Step, Unsure, images};

/// Returns what takes the place of a head branch that nobody wants any more: what stands for one of its images in its environment.
fn successor<'a>(
    head: Option<&HeadBranch>,
    environment: &EnvironmentName,
    (desired, courses): (&'a [Desired], &[Course]),
) -> Option<&'a Desired> {
    let head = head?;
    let stands = |course: &Course| {
        matches!(course.action, Action::Opened | Action::Updated | Action::Unchanged | Action::Enqueued)
    };
    let mut standing = desired.iter().zip(courses).filter(|(_, course)| stands(course)).map(|(wanted, _)| wanted);
    standing.find(|wanted| {
        wanted.environment == *environment && !images(&wanted.commit.plan.message).is_disjoint(&head.images)
    })
}

/// What is to be done about branches and pull requests that nobody wants any more.
pub(super) fn leftovers(
    (desired, courses_of_desired): (&[Desired], &[Course]),
    standing: &Standing,
    heads: &BTreeMap<&BranchName, &HeadBranch>,
    prefix: &str,
    unsure: &Unsure,
) -> Vec<Course> {
    let wanted: BTreeSet<&BranchName> = desired.iter().map(|wanted| &wanted.head).collect();
    let open = standing.pull_requests.iter().flatten().filter(|one| one.state == State::Open);
    let open: BTreeMap<&BranchName, &PullRequest> = open.map(|open| (&open.head, open)).collect();
    let names: BTreeSet<&BranchName> = heads.keys().copied().chain(open.keys().copied()).collect();
    let mut courses = Vec::new();
    for name in names.into_iter().filter(|name| !wanted.contains(name)) {
        let Some((environment, group)) = name.as_str().strip_prefix(prefix).and_then(|rest| rest.split_once('/'))
        else {
            continue;
        };
        let (environment, group): (EnvironmentName, String) = (environment.into(), group.to_owned());
        if unsure.environments.contains(&environment) || unsure.groups.contains(&(environment.clone(), group.clone())) {
            continue;
        }
        let (head, open) = (heads.get(name).copied(), open.get(name).copied());
        let is_held = open.is_some_and(|open| open.labels.contains(LABEL_HOLD));
        if is_held || head.is_some_and(|head| !head.is_own || head.is_order) {
            continue;
        }
        // The time in which a failure counts is over long before somebody has merged what goes back.
        let is_calm = unsure.recovered.contains(&(environment.clone(), group.clone()));
        if head.is_some_and(|head| head.is_return) && !is_calm {
            continue;
        }
        let instead = successor(head, &environment, (desired, courses_of_desired));
        let Some(steps) = withdraw(open, head, instead) else { continue };
        courses.push(Course {
            proposal: None,
            environment,
            group,
            head: name.clone(),
            url: open.map(|open| open.url.clone()),
            action: Action::Closed,
            reason: Some("nothing of it is left to do".to_owned()),
            steps,
        });
    }
    courses
}

/// What takes a pull request and its head branch away; `None` where they are not for Tagboat to take, or not now.
pub(super) fn withdraw(
    open: Option<&PullRequest>,
    head: Option<&HeadBranch>,
    instead: Option<&Desired>,
) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    if let Some(open) = open {
        // Somebody has pushed since the branches were listed, or the forge lags behind: the next pass sees which.
        if head.is_some_and(|head| head.tip != open.commit) {
            return None;
        }
        let read = open.marker.as_ref()?;
        let mut withdrawn = read.clone();
        withdrawn.withdrawn = true;
        let body = marker::replace(&open.body, &withdrawn);
        let comment = match instead {
            Some(other) => format!(
                "Another pull request takes the place of this one: {}, from the branch {}.",
                code(&other.title),
                code(other.head.as_str())
            ),
            None => "Nothing of this is left to do: what it brings is there already, or no longer wanted.".to_owned(),
        };
        steps.push(Step::Close { pull_request: Box::new(open.clone()), body, comment });
    }
    if let Some(head) = head {
        steps.push(Step::Delete { head: head.name.clone(), expected: head.tip.clone() });
    }
    Some(steps)
}
