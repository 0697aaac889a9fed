//! What a pass cannot be sure of, and what is held by now: what stands for it is left as it is, or closed with the reason.
//!
//! Entry points: [`unsure`] and [`held`]. Asks nobody.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::decision::Verdict;
use crate::model::environment::{BranchName, Environment, EnvironmentName};
use crate::model::hold::Hold;
use crate::model::image::{ImageName, Tag};
use crate::model::proposal::Action;
use crate::model::pull_request::HeadBranch;
use crate::model::site::Value;
use crate::model::watch::{Watch, WatchState};
use crate::pass::{Inputs, Planned};
use crate::promote;
use crate::publish::held::is_head;
use crate::publish::pull_requests::{HeldBy, HeldIn, Standing, Unsure};

/// Names what is not fully known in this pass: what stands for it is left as it is.
pub(super) fn unsure(planned: &Planned, inputs: &Inputs<'_>) -> Unsure {
    let turns = |environment: &&Environment| environment.gates.iter().any(|gate| !gate.name().stays_passed());
    let all = inputs.config.environments.0.iter().filter(|_| inputs.only.is_empty());
    let undecided = planned.promoted.decisions.iter().filter_map(|decision| {
        let question = &decision.question;
        let group = planned.promoted.groups.get(&question.image)?;
        matches!(decision.verdict, Verdict::Undecided(_)).then(|| (question.environment.clone(), group.clone()))
    });
    let waiting = planned
        .promoted
        .proposals
        .iter()
        .filter(|proposal| matches!(proposal.action, Action::Waiting | Action::Failed));
    let waiting = waiting.map(|proposal| (proposal.environment.clone(), proposal.group.clone()));
    let groups: BTreeSet<_> = undecided.chain(waiting).collect();
    let (mut images, mut doubtful) = (BTreeSet::new(), BTreeMap::<_, BTreeSet<String>>::new());
    for question in planned.promoted.decisions.iter().map(|decision| &decision.question) {
        let group = planned.promoted.groups.get(&question.image);
        let key = (question.environment.clone(), question.image.to_string());
        if planned.observation.losses.contains_key(&question.image) {
            doubtful.entry(key.clone()).or_default().insert(question.current.to_string());
        }
        if group.is_some_and(|group| groups.contains(&(question.environment.clone(), group.clone()))) {
            images.insert(key);
        }
    }
    let fine = planned.promoted.watches.iter().filter(|watch| watch.state == WatchState::Watching);
    Unsure {
        turning: all.filter(turns).map(|environment| environment.name.clone()).collect(),
        recovered: fine.map(|watch| (watch.environment.clone(), watch.group.clone())).collect(),
        images,
        doubtful,
        groups,
        environments: planned.observation.half_known.keys().cloned().collect(),
    }
}

/// Finds which head branches bring a version that is held where it is to come, or that was taken back or failed there or before, and who or
/// what says so.
pub(super) fn held(
    planned: &Planned,
    inputs: &Inputs<'_>,
    standing: &Standing,
) -> BTreeMap<BranchName, (String, HeldBy)> {
    let config = inputs.config;
    let of = |head: &HeadBranch| {
        let environment = config.environments.named(head.told.environment.as_ref()?)?;
        let mut concerned = promote::order::before(environment, &config.environments);
        concerned.push(&environment.name);
        head.told.brought.coming().find_map(|(image, version)| {
            let (tag, digest) = version.split_once('@').map_or((version, None), |(tag, digest)| (tag, Some(digest)));
            let tag: Tag = tag.parse().ok()?;
            let name: ImageName = image.parse().ok()?;
            let observation = &planned.observation;
            let questions = planned.promoted.decisions.iter().map(|decision| &decision.question);
            let alike = promote::order::alike(observation, questions, &environment.name, &name);
            let mut value = Value { tag: Some(tag.clone()), digest: None };
            let by = if let Some(hold) = promote::order::hold_on(observation, &alike, &concerned, (&name, &value)) {
                HeldBy::Hold(hold.clone(), held_in(hold, planned, inputs))
            } else {
                value.digest = digest.and_then(|digest| digest.parse().ok());
                let has_failed = |watch: &&Watch| {
                    watch.has_failed() && watch.image == name && concerned.contains(&&watch.environment)
                };
                let mut failed = planned.promoted.watches.iter().filter(has_failed);
                if let Some(watch) = failed.find(|watch| alike.is_one(&watch.value, &value)) {
                    let words = format!("in {}, it {}", watch.environment, watch.told());
                    return Some((head.name.clone(), (format!("{image}:{tag}"), HeldBy::Failed(words))));
                }
                let past = |at: &EnvironmentName| observation.pasts.get(&(at.clone(), name.clone()))?.as_ref().ok();
                let pasts: Vec<_> = concerned.iter().filter_map(|at| Some((*at, past(at)?))).collect();
                HeldBy::TakenBack(promote::order::taken_back(&pasts, &value, &alike)?)
            };
            Some((head.name.clone(), (format!("{image}:{tag}"), by)))
        })
    };
    standing.heads.iter().filter_map(of).collect()
}

/// Tells where a hold stands.
fn held_in(hold: &Hold, planned: &Planned, inputs: &Inputs<'_>) -> HeldIn {
    let is_elsewhere = |name: &EnvironmentName| planned.observation.elsewhere.contains_key(name);
    if hold.environment.as_ref().is_some_and(is_elsewhere) {
        return HeldIn::Elsewhere;
    }
    // Its image may have been written there by a shorter name.
    let is_it = |one: &Hold| Hold { image: hold.image.clone(), ..one.clone() } == *hold;
    match inputs.awaited.heads.iter().find(|(_, holds)| holds.iter().any(is_it)) {
        Some((head, _)) if is_head(head) => HeldIn::Proposed(head.clone()),
        Some((head, _)) => HeldIn::GoingBack(head.clone()),
        None => HeldIn::Base,
    }
}
