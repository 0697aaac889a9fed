//! A version at once: whether it is there, fits, and may come, and what it passes by.

use std::collections::{BTreeMap, BTreeSet};

use crate::decide::{questions, steps};
use crate::model::decision::{Decision, Question, Reason, Verdict, Want};
use crate::model::environment::{Environment, EnvironmentName};
use crate::model::gate::{Gate, GateName, GateState};
use crate::model::image::{ImageName, Tag};
use crate::model::observation::Observation;
use crate::model::outcome::Skipped;
use crate::model::policy::Pin;
use crate::model::proposal::Move;
use crate::model::site::Value;
use crate::model::tags::FactKind;
use crate::observe;
use crate::pass::elsewhere;
use crate::pass::order::meant::{self, Meant, meant};
use crate::pass::order::{Ground, OrderError, Settled, refused};
use crate::promote::{self, order};

/// Finds what moves, or why it may not. What `stands` as a pull request, or a branch, until a person merges it or lets it pass, does not
/// wait for people beforehand: nobody could approve what is not there. A group that is named moves together, or not at all.
pub(super) async fn settle(
    ground: &mut Ground<'_>,
    (what, tag): (&str, &Tag),
    at_once: bool,
    skipped: &BTreeSet<GateName>,
    stands: bool,
) -> Result<Settled, OrderError> {
    let Meant { group, is_group, namesake, images, questions } = meant(ground, what)?;
    let name = &ground.environment.name;
    // Who wrote the group's name may have meant the image.
    let alone = namesake.map(|image| format!("`tagboat promote {image}:{tag} --to {name}` means the image alone"));
    let whole = |image: &ImageName, error: OrderError| {
        if is_group { together(&group, image, error, alone.as_deref()) } else { error }
    };
    let needed = questions.iter().map(|question| question.image.clone()).collect();
    let decisions = decide(ground, &images, &needed).await.map_err(|(image, error)| whole(&image, error))?;
    let own: Vec<&Decision> = decisions.iter().filter(|decision| decision.question.environment == *name).collect();
    let mut settled = Settled {
        moves: Vec::new(),
        group: group.clone(),
        holds: Vec::new(),
        gates: Vec::new(),
        notes: Vec::new(),
        recorded: Vec::new(),
    };
    for image in images.difference(&needed) {
        if let Some(Err(reason)) = ground.observation.images.get(image) {
            let reason = format!("{name} does not run it, so the others do not wait for it: {reason}");
            settled.notes.push(Skipped { what: image.to_string(), reason });
        }
    }
    let mut moving: Vec<&Decision> = Vec::with_capacity(own.len());
    for decision in own {
        let Question { current, image, .. } = &decision.question;
        // A tag that stays may stand for something else by now: its digest moves.
        let is_other = current.tag.as_ref() != Some(tag)
            || (current.digest.is_some()
                && step(ground, decision, &decisions, tag).await.map_err(|error| whole(image, error))?.to.digest
                    != current.digest);
        if is_other {
            moving.push(decision);
        }
    }
    let mut own = moving;
    let named = || if is_group { group.clone() } else { images.first().map(ToString::to_string).unwrap_or_default() };
    if own.is_empty() {
        settled.notes.push(Skipped { what: named(), reason: format!("{name} runs {tag} already") });
        return Ok(settled);
    }
    // Before anything that `--now` would bring all the same, which a hold does not let through.
    for image in own.iter().map(|decision| &decision.question.image).collect::<BTreeSet<_>>() {
        not_held(ground, &decisions, image, tag).map_err(|error| whole(image, error))?;
    }
    if !is_group {
        settled.notes.extend(stay_ahead(&ground.observation, &mut own, tag));
    }
    for decision in &own {
        fits(&ground.observation, decision, tag, at_once).map_err(|error| whole(&decision.question.image, error))?;
    }
    let decided: Vec<Decision> = own.into_iter().cloned().collect();
    for decision in &decided {
        let step = step(ground, decision, &decisions, tag).await;
        settled.moves.push(step.map_err(|error| whole(&decision.question.image, error))?);
    }
    let missing = passed_over(ground, &decisions, &settled.moves);
    if !at_once {
        has_come_before(ground, &missing, tag).map_err(|(image, error)| whole(&image, error))?;
    }
    if is_group && let Some(reason) = half_present(ground, &decisions, (&missing, &settled.moves), &group) {
        if !at_once {
            let message = format!("the group `{group}` moves together or not at all: {reason}");
            let hint = "mend that first; or promote the images that may move one by one, or with `--now`";
            return Err(refused(message, hint));
        }
        settled.notes.push(Skipped { what: group.clone(), reason });
    }
    for PassedOver { image, before, runs, .. } in &missing {
        let reason = format!("{before} runs {runs} and is passed over: it stays there until {before} moves as usual");
        settled.notes.push(Skipped { what: image.to_string(), reason });
    }
    for group in meant::split(ground, &questions) {
        let reason = format!(
            "it moves without the others of the group `{group}`, which `tagboat promote {group}:{tag} --to {name}` takes along"
        );
        settled.notes.push(Skipped { what: named(), reason });
    }
    settled.notes.extend(alone.map(|reason| Skipped { what: group.clone(), reason }));
    settled.gates = judge(ground, &decisions, &settled.moves, skipped).await;
    let is_for_people = |gate: &Gate| matches!(gate.name, GateName::Approvals | GateName::Manual);
    let (later, now): (Vec<Gate>, Vec<Gate>) =
        settled.gates.iter().cloned().partition(|gate| stands && is_for_people(gate));
    if let Some(reason) = order::objection(&later) {
        settled.notes.push(Skipped { what: named(), reason: format!("it stands until then: {reason}") });
    }
    if let Some(reason) = order::objection(&now) {
        let names: Vec<&str> =
            now.iter().filter(|gate| gate.state != GateState::Pass).map(|gate| gate.name.as_str()).collect();
        let hint = format!("wait, or name what is not to be waited for: `--skip {}`", names.join(","));
        return Err(refused(format!("{name} still waits: {reason}"), hint));
    }
    Ok(settled)
}

/// Says that a group stays as a whole for the sake of one of its images, and how else that may have been meant.
fn together(group: &str, image: &ImageName, error: OrderError, alone: Option<&str>) -> OrderError {
    let told = |message: String| format!("the group `{group}` moves together or not at all: {}", about(image, message));
    match error {
        OrderError::Refused { message, hint } => {
            let hint: Vec<&str> = hint.iter().map(String::as_str).chain(alone).collect();
            OrderError::Refused { message: told(message), hint: (!hint.is_empty()).then(|| hint.join("; ")) }
        }
        OrderError::Failed(message) => OrderError::Failed(told(message)),
        other => other,
    }
}

/// Whether versions may come without anybody's word, where what is decided is another one: each fits, is held by nobody, stands in
/// the environments right before, and has the digest that its move writes.
pub(super) async fn evident(ground: &mut Ground<'_>, moves: &[Move]) -> Result<(), OrderError> {
    let images = moves.iter().map(|step| step.image.clone()).collect();
    let decisions = decide(ground, &images, &images).await.map_err(|(_, error)| error)?;
    let missing = passed_over(ground, &decisions, moves);
    for wanted in moves {
        let image = &wanted.image;
        let Some(tag) = &wanted.to.tag else {
            return Err(OrderError::Failed(format!("nothing is decided about {image}")));
        };
        not_held(ground, &decisions, image, tag)?;
        has_come_before(ground, &missing, tag).map_err(|(_, error)| error)?;
        let is_meant = |decision: &&Decision| {
            let question = &decision.question;
            (&question.environment, &question.image, &question.current)
                == (&ground.environment.name, image, &wanted.from)
        };
        let Some(decision) = decisions.iter().find(is_meant) else {
            return Err(OrderError::Failed(format!("nothing is decided about {image}")));
        };
        fits(&ground.observation, decision, tag, false)?;
        let own = step(ground, decision, &decisions, tag).await?;
        if own.to != wanted.to {
            let reason = format!("{} is not what {tag} of {image} stands for now", wanted.to);
            return Err(OrderError::Failed(reason));
        }
    }
    Ok(())
}

/// Whether the environments right before run the versions; else of which image one does not.
fn has_come_before(ground: &Ground<'_>, missing: &[PassedOver], tag: &Tag) -> Result<(), (ImageName, OrderError)> {
    let name = &ground.environment.name;
    let narrowed = narrowed(ground, missing);
    let target = narrowed.as_ref().unwrap_or(ground.environment);
    let right_before: Vec<&EnvironmentName> = order::right_before(target).collect();
    match missing.iter().find(|missing| right_before.contains(&&missing.before)) {
        None => Ok(()),
        Some(PassedOver { image, before, runs, is_partly }) => {
            let message = if *is_partly {
                format!("{before}, which comes before {name}, runs {runs}: {tag} is not at every place")
            } else {
                format!("{before}, which comes before {name}, runs {runs} and not {tag}")
            };
            Err((image.clone(), refused(message, "bring it there first, or order a hotfix with `--now`")))
        }
    }
}

/// Returns the environment as it follows those before it that run all that moves, where one of several is enough.
fn narrowed(ground: &Ground<'_>, missing: &[PassedOver]) -> Option<Environment> {
    order::narrowed(ground.environment, &|before| !missing.iter().any(|missing| missing.before == *before))
}

/// Tells of an image of a group that comes before and that nothing follows here, or of a place of it that would stay behind.
fn half_present(
    ground: &Ground<'_>,
    decisions: &[Decision],
    (missing, moves): (&[PassedOver], &[Move]),
    group: &str,
) -> Option<String> {
    let narrowed = narrowed(ground, missing);
    let target = narrowed.as_ref().unwrap_or(ground.environment);
    order::half_present(&seen(ground, decisions), target, (&ground.inputs.config.groups, group), moves)
}

/// Asks for the tags of images, and decides as any pass would; else tells of which image that is needed it could not.
async fn decide(
    ground: &mut Ground<'_>,
    images: &BTreeSet<ImageName>,
    needed: &BTreeSet<ImageName>,
) -> Result<Vec<Decision>, (ImageName, OrderError)> {
    let config = ground.inputs.config;
    let mut asked = questions::questions(&ground.observation, &config.rules, &config.environments);
    asked.retain(|question| images.contains(&question.image));
    let from = (ground.inputs.source, ground.inputs.cache);
    let lists = observe::tags::ask(&ground.observation, &asked, from, None, &|_, _| {}).await;
    lists.add_to(&mut ground.observation);
    for image in needed {
        if let Some(Err(reason)) = ground.observation.images.get(image) {
            return Err((image.clone(), OrderError::Failed(about(image, reason))));
        }
    }
    crate::pass::know_no_past(ground.inputs, &mut ground.observation, &asked, &ground.seen);
    let early = BTreeMap::new();
    Ok(crate::pass::decided(ground.inputs, &mut ground.observation, &asked, early, &ground.seen).await)
}

/// Says of an image why it could not be done; most reasons name it already.
fn about(image: &ImageName, reason: impl std::fmt::Display) -> String {
    let reason = reason.to_string();
    if reason.contains(image.as_str()) { reason } else { format!("{image}: {reason}") }
}

/// Whether the registry has the tag, and the policy lets it stand there.
fn fits(observation: &Observation, decision: &Decision, tag: &Tag, at_once: bool) -> Result<(), OrderError> {
    let question = &decision.question;
    let (image, name) = (&question.image, &question.environment);
    let Some(Ok(tags)) = observation.images.get(image) else {
        return Err(OrderError::Failed(format!("{image}: its tags could not be had")));
    };
    if tags.list.find(tag.as_str()).is_none() {
        let hint = format!("push it first; `tagboat explain {image}` lists the {} tags there are", tags.list.len());
        return Err(refused(format!("the registry has no tag {tag} of {image}"), hint));
    }
    if decision.chosen() == Some(tag) {
        return Ok(());
    }
    let Some(reason) = objection(observation, decision, tag) else {
        return match &decision.verdict {
            Verdict::Undecided(reason) => Err(OrderError::Failed(about(image, reason))),
            _ => Ok(()),
        };
    };
    let current = &question.current;
    match reason {
        Reason::InUse | Reason::Outranked | Reason::NotBefore | Reason::NotNext => Ok(()),
        // A hotfix is as young as can be, and what was taken back comes again by the word of a person.
        Reason::TooYoung { .. } | Reason::AgeUnknown | Reason::Held(_) | Reason::Behind(_) | Reason::OtherBuild(_)
            if at_once =>
        {
            Ok(())
        }
        Reason::Lower | Reason::Older => Err(refused(
            format!("{tag} is lower than {current}, which {name} runs"),
            format!("`tagboat rollback {name} {image} --to {tag}` goes back, and holds what it leaves"),
        )),
        Reason::TooYoung { .. } | Reason::AgeUnknown | Reason::Held(_) | Reason::Behind(_) | Reason::OtherBuild(_) => {
            Err(refused(format!("{image}:{tag} in {name}: {reason}"), "`--now` brings it all the same"))
        }
        other => Err(refused(
            format!("{image}:{tag} does not fit `{}` of {name}, where {current} stands: {other}", question.policy),
            "promote a tag of the same family, or change the policy of its rule first",
        )),
    }
}

/// Returns what a decision has against a tag.
fn objection<'d>(observation: &Observation, decision: &'d Decision, tag: &Tag) -> Option<&'d Reason> {
    let tags = observation.images.get(&decision.question.image)?.as_ref().ok()?;
    let found = decision.rejected.iter().find(|(rejected, _)| tags.list.at(*rejected) == tag.as_str());
    found.map(|(_, reason)| reason)
}

/// Refuses a version that the file of holds names, under any of its spellings: its word is taken back by `release`.
fn not_held(ground: &Ground<'_>, decisions: &[Decision], image: &ImageName, tag: &Tag) -> Result<(), OrderError> {
    let config = ground.inputs.config;
    let mut concerned = order::before(ground.environment, &config.environments);
    concerned.push(&ground.environment.name);
    let observation = &ground.observation;
    let questions = decisions.iter().map(|decision| &decision.question);
    let alike = order::alike(observation, questions, &ground.environment.name, image);
    let value = Value { tag: Some(tag.clone()), digest: None };
    match order::hold_on(observation, &alike, &concerned, (image, &value)) {
        Some(hold) => Err(refused(
            format!("{image}:{tag} is held: {}", hold.told_of(tag)),
            format!("`tagboat release {image}:{}` first", hold.tag),
        )),
        None => Ok(()),
    }
}

/// An environment before that does not run a version, or not at every place.
struct PassedOver {
    image: ImageName,
    before: EnvironmentName,
    /// What it runs, for people.
    runs: String,
    /// Whether it runs the version at some places.
    is_partly: bool,
}

/// Lets places stay that run something newer than the version that is ordered, where others wait for it; says so.
fn stay_ahead(observation: &Observation, own: &mut Vec<&Decision>, tag: &Tag) -> Vec<Skipped> {
    let is_ahead =
        |decision: &Decision| matches!(objection(observation, decision, tag), Some(Reason::Lower | Reason::Older));
    if own.iter().all(|decision| is_ahead(decision)) {
        return Vec::new();
    }
    let mut notes = Vec::new();
    own.retain(|decision| {
        let stays = is_ahead(decision);
        if stays {
            let Question { image, environment, current, .. } = &decision.question;
            let files = order::files(observation, &decision.question);
            let reason = format!(
                "{current} is ahead of {tag} and stays (in {files}): `tagboat rollback {environment} {image} --to {tag}` goes \
                 back there, and holds what it leaves"
            );
            notes.push(Skipped { what: image.to_string(), reason });
        }
        !stays
    });
    notes
}

/// Returns the environments before this one that do not run what moves at every place, image by image.
fn passed_over(ground: &Ground<'_>, decisions: &[Decision], moves: &[Move]) -> Vec<PassedOver> {
    let before = order::before(ground.environment, &ground.inputs.config.environments);
    let mut missing = Vec::new();
    for image in moves.iter().map(|step| &step.image).collect::<BTreeSet<_>>() {
        let own = || moves.iter().filter(|step| step.image == *image);
        let Some(tag) = own().find_map(|step| step.to.tag.as_ref()) else { continue };
        // The digest that moves under a tag that stays; else the tag alone says what comes.
        let digest = own().find(|step| step.from.tag == step.to.tag).and_then(|step| step.to.digest.as_ref());
        let is_it = |value: &&Value| {
            value.tag.as_ref() == Some(tag) && digest.is_none_or(|digest| value.digest.as_ref() == Some(digest))
        };
        missing.extend(before.iter().filter_map(|name| {
            let runs = order::runs(&ground.observation, decisions, name, image);
            let all = !runs.is_empty() && runs.iter().all(&is_it);
            let is_partly = runs.iter().any(is_it);
            let told = runs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let runs = if told.is_empty() { "nothing of it".to_owned() } else { told };
            (!all).then(|| PassedOver { image: image.clone(), before: (*name).clone(), runs, is_partly })
        }));
    }
    missing
}

/// Makes the move: with the digest that the environment before runs, else with the registry's, where one is written.
async fn step(
    ground: &mut Ground<'_>,
    decision: &Decision,
    decisions: &[Decision],
    tag: &Tag,
) -> Result<Move, OrderError> {
    let question = &decision.question;
    let image = &question.image;
    let wants_digest = question.current.digest.is_some() || question.policy.pins() == Pin::Digest;
    let before: Vec<&EnvironmentName> = order::right_before(ground.environment).collect();
    let ran = before.iter().find_map(|before| {
        let runs = order::runs(&ground.observation, decisions, before, image);
        runs.into_iter().filter(|value| value.tag.as_ref() == Some(tag)).find_map(|value| value.digest.clone())
    });
    let digest = match ran {
        _ if !wants_digest => None,
        Some(digest) => Some(digest),
        None => {
            let want = Want { image: image.clone(), tag: tag.clone(), kind: FactKind::Digest };
            let known = |observation: &Observation| {
                let tags = observation.images.get(image)?.as_ref().ok()?;
                tags.facts.get(tag)?.digest.clone()
            };
            if known(&ground.observation).is_none() {
                observe::tags::facts(
                    &mut ground.observation,
                    vec![want.clone()],
                    ground.inputs.source,
                    ground.inputs.cache,
                )
                .await;
            }
            let reason = ground.observation.failed.get(&want).cloned().unwrap_or_default();
            let digest = known(&ground.observation);
            Some(digest.ok_or_else(|| OrderError::Failed(format!("the digest of {image}:{tag}: {reason}")))?)
        }
    };
    let to = Value { tag: Some(tag.clone()), digest };
    Ok(Move {
        image: image.clone(),
        from: question.current.clone(),
        published: promote::published(&ground.observation, image, &to),
        step: steps::between(&question.policy, &question.current, &to),
        to,
        pin: question.policy.pins(),
        sites: question.sites.clone(),
    })
}

/// Asks for what the gates that are not skipped want to know, and judges them.
pub(super) async fn judge(
    ground: &mut Ground<'_>,
    decisions: &[Decision],
    moves: &[Move],
    skipped: &BTreeSet<GateName>,
) -> Vec<Gate> {
    let missing = passed_over(ground, decisions, moves);
    let narrowed = narrowed(ground, &missing);
    let target = narrowed.as_ref().unwrap_or(ground.environment);
    let right_before: Vec<&EnvironmentName> = order::right_before(target).collect();
    let not_before = missing.iter().find(|missing| right_before.contains(&&missing.before));
    let images: BTreeSet<&ImageName> = moves.iter().map(|step| &step.image).collect();
    let of =
        |before: &EnvironmentName| images.iter().map(|image| (before.clone(), (*image).clone())).collect::<Vec<_>>();
    let keys = right_before.iter().flat_map(|before| of(before)).collect();
    crate::pass::pasts::read_pasts(ground.inputs, &mut ground.observation, &keys, &ground.seen);
    let asked = order::questions(&ground.observation, target, moves, skipped);
    observe::answers::ask(&mut ground.observation, &asked, ground.inputs.sources).await;
    let wants = order::wants(&seen(ground, decisions), target, moves);
    if !skipped.contains(&GateName::Checks) {
        let elsewhere = elsewhere::asked(ground.inputs.others);
        let whom = observe::checks::Whom { own: &ground.inputs.forge, elsewhere: &elsewhere };
        observe::checks::ask(&mut ground.observation, &wants, &whom).await;
    }
    gates((ground, target), decisions, moves, skipped, not_before)
}

fn seen<'g>(ground: &'g Ground<'_>, decisions: &'g [Decision]) -> order::Seen<'g> {
    let environments = &ground.inputs.config.environments;
    order::Seen { observation: &ground.observation, environments, decisions }
}

/// Judges the gates that are not skipped; nothing has soaked where it never was.
fn gates(
    (ground, target): (&Ground<'_>, &Environment),
    decisions: &[Decision],
    moves: &[Move],
    skipped: &BTreeSet<GateName>,
    never_in: Option<&PassedOver>,
) -> Vec<Gate> {
    let mut gates = order::gates(&seen(ground, decisions), target, moves, skipped);
    if let Some(PassedOver { before, is_partly, .. }) = never_in {
        let reason =
            if *is_partly { format!("it is not everywhere in {before}") } else { format!("it is not in {before}") };
        for gate in gates.iter_mut().filter(|gate| matches!(gate.name, GateName::Soak | GateName::Checks)) {
            (gate.state, gate.lasting) = (GateState::Wait { until: None, reason: reason.clone() }, None);
        }
    }
    gates
}
