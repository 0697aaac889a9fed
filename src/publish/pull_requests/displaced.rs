//! Pull requests to a branch on which their environment does not live any more: closed before anything else becomes of their heads,
//! since whoever merged one would bring everything of the other branch along. What a person has pointed there, or ordered, is that person's.
//!
//! Entry point: `close`. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::environment::{BranchName, EnvironmentName};
use crate::model::markdown::code;
use crate::model::marker;
use crate::model::proposal::Action;
use crate::model::pull_request::{HeadBranch, LABEL_HOLD, Marker, PullRequest};
use crate::publish::pull_requests::course::{disarm, pointed_elsewhere, theirs};
use crate::publish::pull_requests::leftovers::{replaced, successors};
use crate::publish::pull_requests::{Course, Desired, Standing, Step, Unsure};

/// Puts the closing of each before whatever else is done about its head branch.
pub(super) fn close(
    (desired, courses): (&[Desired], &mut Vec<Course>),
    standing: &Standing,
    heads: &BTreeMap<&BranchName, &HeadBranch>,
    (prefix, unsure): (&str, &Unsure),
) {
    for one in standing.displaced.iter().filter(|one| is_decided(one)) {
        let said = one.marker.as_ref().map(|marker| (marker.environment.clone(), marker.group.clone()));
        let Some(place) = said.or_else(|| standing.place_of(&one.head, prefix)) else { continue };
        let head = heads.get(&one.head).copied();
        let at = courses.iter().position(|course| course.head == one.head);
        let mut steps: Vec<Step> = disarm(one).into_iter().collect();
        let instead = successors(head, Some(&place.0), (desired, courses));
        match (stays(one, heads, (at.is_some() || !instead.is_empty(), unsure)), at) {
            (Some(reason), at) => {
                if let Some(before) = one.opened_into().filter(|_| !one.labels.contains(LABEL_HOLD)) {
                    steps.extend(pointed_elsewhere(&one.disarmed(), before));
                } else if head.is_some_and(|head| !head.is_own) {
                    steps.extend(theirs(&one.disarmed()));
                }
                let course = match at {
                    Some(at) => &mut courses[at],
                    None => {
                        courses.push(leftover(one, &place));
                        courses.last_mut().expect("it was just put there")
                    }
                };
                // What is not judged any more is not merged by the forge either.
                course.steps.retain(|step| matches!(step, Step::Disarm { .. }));
                steps.append(&mut course.steps);
                (course.action, course.reason, course.steps) = (Action::LeftAlone, Some(reason), steps);
                course.url = Some(one.url.clone());
            }
            (None, at) => {
                steps.push(closing(one, &instead, standing));
                match at {
                    Some(at) => drop(courses[at].steps.splice(..0, steps)),
                    None => {
                        let mut course = leftover(one, &place);
                        course.reason = Some(format!("{} does not live on `{}`", place.0, one.base));
                        course.steps = steps;
                        course.instead = instead.iter().map(|other| other.head.clone()).collect();
                        if let Some(head) = head {
                            course.steps.push(Step::Delete { head: head.name.clone(), expected: head.tip.clone() });
                        }
                        courses.push(course);
                    }
                }
            }
        }
    }
}

/// Whether it is decided here what becomes of one. Of what somebody has written over its body without a further word, nothing becomes:
/// only what they have pushed there counts.
pub(super) fn is_decided(one: &PullRequest) -> bool {
    one.marker.is_some() || one.labels.contains(LABEL_HOLD)
}

/// Tells why one stays, if it does; something else stands for what it brings only where that is known.
pub(super) fn stays(
    one: &PullRequest,
    heads: &BTreeMap<&BranchName, &HeadBranch>,
    (is_replaced, unsure): (bool, &Unsure),
) -> Option<String> {
    if one.labels.contains(LABEL_HOLD) {
        return Some(format!("its pull request into `{}` has the label `{LABEL_HOLD}`", one.base));
    }
    let marker = one.marker.as_ref()?;
    let head = heads.get(&one.head).copied();
    if let Some(before) = one.opened_into() {
        return Some(format!(
            "somebody has pointed its pull request at `{}`, and it was opened into `{before}`: it is theirs now",
            one.base
        ));
    }
    if let Some(head) = head.filter(|head| !head.is_own) {
        return Some(format!("somebody else has pushed to {}: it is theirs now", head.name));
    }
    if head.is_some_and(|head| head.is_order) {
        return Some(format!(
            "a person ordered it into `{}`, where its environment is no more: close it, and order it again",
            one.base
        ));
    }
    if unsure.environments.contains(&marker.environment) {
        return Some(format!("not everything about {} is known now", marker.environment));
    }
    if !is_replaced && unsure.is_about((head, Some(one)), &BTreeSet::from([marker.environment.clone()])) {
        return Some(format!("not everything about {} is known now", marker.group));
    }
    let is_elsewhere = head.is_some_and(|head| head.tip != one.commit);
    is_elsewhere.then(|| format!("{} has moved to {}: the next pass looks again", one.head, one.commit.short()))
}

fn leftover(one: &PullRequest, (environment, group): &(EnvironmentName, String)) -> Course {
    Course {
        proposal: None,
        environment: environment.clone(),
        group: group.clone(),
        head: one.head.clone(),
        url: Some(one.url.clone()),
        action: Action::Closed,
        reason: None,
        steps: Vec::new(),
        instead: Vec::new(),
    }
}

fn closing(one: &PullRequest, instead: &[&Desired], standing: &Standing) -> Step {
    let stopped = one.disarmed();
    let withdrawn = stopped.marker.clone().map(|marker| Marker { withdrawn: true, ..marker });
    let body = withdrawn.map_or_else(|| stopped.body.clone(), |marker| marker::replace(&stopped.body, &marker));
    let environment = one.marker.as_ref().map(|marker| code(marker.environment.as_str())).unwrap_or_default();
    let now = standing.base.as_ref().map(|base| code(base.as_str())).unwrap_or_default();
    let mut comment = format!("{environment} is on the branch {now} now, and not on {}.", code(one.base.as_str()));
    if !instead.is_empty() {
        comment.push(' ');
        comment.push_str(&replaced(instead));
    }
    Step::Close { pull_request: Box::new(one.clone()), body, comment }
}
