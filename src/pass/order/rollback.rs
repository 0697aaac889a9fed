//! Going back: what an environment ran before, and what is held from then on.

use std::cmp::Ordering as Comparison;
use std::collections::BTreeSet;

use crate::decide::past;
use crate::model::commit::CommitId;
use crate::model::decision::{Question, Want};
use crate::model::environment::{Environment, EnvironmentName, Publish};
use crate::model::history::{Past, TakenBack};
use crate::model::hold::Hold;
use crate::model::image::{ImageName, Tag};
use crate::model::outcome::Skipped;
use crate::model::policy::Pin;
use crate::model::proposal::Move;
use crate::model::site::Value;
use crate::model::tags::FactKind;
use crate::pass::order::meant::{Meant, meant, split};
use crate::pass::order::there::ask;
use crate::pass::order::{Ground, OrderError, Ordering, Settled, refused};
use crate::promote;
use crate::promote::order::{self, Back, NoWayBack, Way};
use crate::registry::{SourceError, TagSource};

/// Finds what goes back to what.
pub(super) async fn settle(
    given: &Ordering<'_>,
    ground: &mut Ground<'_>,
    what: &str,
    to: Option<&Tag>,
) -> Result<Settled, OrderError> {
    let Meant { group, questions: mut asked, .. } = meant(ground, what)?;
    give_way(given, ground, &group);
    let concerned = concerned(ground);
    let of = |question: &Question| {
        concerned.iter().map(|name| ((*name).clone(), question.image.clone())).collect::<Vec<_>>()
    };
    let keys = asked.iter().flat_map(of).collect();
    crate::pass::pasts::read_pasts(ground.inputs, &mut ground.observation, &keys, &ground.seen);
    let left_out = split(ground, &asked);
    let notes = if to.is_none() { newest_together(ground, &mut asked)? } else { Vec::new() };
    let mut settled =
        Settled { moves: Vec::new(), group, holds: Vec::new(), gates: Vec::new(), notes, recorded: Vec::new() };
    for group in split(ground, &asked) {
        let others = if left_out.contains(&group) {
            format!("which `tagboat rollback {} {group}` takes along", ground.environment.name)
        } else {
            "which did not come with it".to_owned()
        };
        let reason = format!("it goes back without the others of the group `{group}`, {others}");
        settled.notes.extend(asked.first().map(|question| Skipped { what: question.image.to_string(), reason }));
    }
    if let Some(tag) = to {
        settled.notes.extend(stay_behind(ground, &mut asked, tag));
    }
    for question in &asked {
        let ways = ways(ground, question, &asked, to)?;
        let goes = ways.iter().any(|(_, way)| way.is_ok());
        for (sites, way) in ways {
            let part = Question { sites, ..question.clone() };
            let files = || order::files(&ground.observation, &part);
            let back = match way {
                Ok(back) => back,
                Err(reason @ (NoWayBack::Same(_) | NoWayBack::Already(_))) => {
                    let reason = if goes { format!("{reason} (in {})", files()) } else { reason.to_string() };
                    settled.notes.push(Skipped { what: question.image.to_string(), reason });
                    continue;
                }
                Err(reason @ NoWayBack::Apart { .. }) => {
                    let hint = "`--to TAG` names one for all of them; else edit each place by hand";
                    return Err(refused(format!("{}: {reason} (in {})", question.image, files()), hint));
                }
                Err(reason @ (NoWayBack::Unknown(_) | NoWayBack::Kept { .. })) => {
                    let place = if goes { format!(" (in {})", files()) } else { String::new() };
                    let message = format!("{}: {reason}{place}", question.image);
                    return Err(OrderError::Refused { message, hint: None });
                }
            };
            if to.is_some() {
                may_be_named(given, ground, question, &back).await?;
            }
            let wants_digest = question.current.digest.is_some() || question.policy.pins() == Pin::Digest;
            // One that history tells may be gone; one that the registry tells now is there.
            let is_of_history = wants_digest && back.to.digest.is_some();
            let digest = match back.to.digest {
                digest if !wants_digest => digest.filter(|_| false),
                Some(digest) => Some(digest),
                None => Some(digest_of(given.source, &question.image, back.to.tag.as_ref()).await?),
            };
            let to = Value { tag: back.to.tag, digest };
            settled.notes.extend(is_there(given, question, &to, is_of_history).await?);
            hold(given, ground, question, &back.left, &mut settled);
            for told in order::passed_over(&back.passed) {
                tell(&mut settled, &question.image, told);
            }
            if let Some(tag) = to.tag.as_ref().filter(|tag| question.current.tag.as_ref() == Some(tag)) {
                let (image, name, current) = (&question.image, &question.environment, &question.current);
                let reason = format!(
                    "the tag stays and only its digest goes back, which history remembers in the place of a hold: {current} \
                     stays away from {name} and what comes after it until `tagboat promote {image}:{tag} --to {name} \
                     --now --reason …`, or somebody's own commit, brings it again"
                );
                settled.notes.push(Skipped { what: image.to_string(), reason });
            }
            settled.moves.push(Move {
                image: question.image.clone(),
                from: question.current.clone(),
                published: promote::published(&ground.observation, &question.image, &to),
                to,
                step: None,
                pin: question.policy.pins(),
                sites: part.sites,
            });
        }
    }
    let environments = &ground.inputs.config.environments;
    for (image, told) in order::stays_behind(&ground.observation, environments, ground.environment, &settled.moves) {
        tell(&mut settled, &image, told);
    }
    Ok(settled)
}

/// Tells a person something, also in the commit.
fn tell(settled: &mut Settled, image: &ImageName, reason: String) {
    let told = Skipped { what: image.to_string(), reason };
    if !settled.notes.contains(&told) {
        settled.recorded.push(format!("{image}: {}", told.reason));
        settled.notes.push(told);
    }
}

/// Leaves out what the head branch proposes to hold that this order takes the place of: who corrects an order is not bound by it.
fn give_way(given: &Ordering<'_>, ground: &mut Ground<'_>, group: &str) {
    let Environment { name, publish, .. } = ground.environment;
    if given.publish.unwrap_or(*publish) == Publish::Commit {
        return;
    }
    let head = ground.inputs.config.pull_request.head_of(name, group);
    let mut replaced =
        ground.inputs.awaited.heads.iter().filter(|(other, _)| *other == head).flat_map(|(_, held)| held);
    let replaced: Vec<&Hold> = replaced.by_ref().collect();
    ground.observation.holds.retain(|hold| !replaced.contains(&hold));
}

/// Returns the environment and all before it: what is held in one of them is held here.
fn concerned<'a>(ground: &Ground<'a>) -> Vec<&'a EnvironmentName> {
    let mut concerned = order::before(ground.environment, &ground.inputs.config.environments);
    concerned.push(&ground.environment.name);
    concerned
}

fn past<'a>(ground: &'a Ground<'_>, question: &Question) -> Result<&'a Past, OrderError> {
    past_of(ground, &question.environment, &question.image)
}

fn past_of<'a>(
    ground: &'a Ground<'_>,
    environment: &EnvironmentName,
    image: &ImageName,
) -> Result<&'a Past, OrderError> {
    let key = (environment.clone(), image.clone());
    match ground.observation.pasts.get(&key) {
        Some(Ok(past)) => Ok(past),
        Some(Err(reason)) => Err(OrderError::Failed(reason.clone())),
        None => Err(OrderError::Failed("history was not read".to_owned())),
    }
}

/// Keeps of a group what came last, together: images that did not move then stay where they are. What somebody took back at some
/// of the places to which it had come stays beside the others, and is told.
fn newest_together(ground: &Ground<'_>, asked: &mut Vec<Question>) -> Result<Vec<Skipped>, OrderError> {
    let mut brought = Vec::with_capacity(asked.len());
    for question in asked.iter() {
        let parts = order::parts(&ground.observation, question, past(ground, question)?);
        let shifts = parts.into_iter().filter_map(|(_, timeline)| {
            let timeline = timeline?;
            let line = timeline.with_moved();
            let shift = line.into_iter().find(|shift| shift.brings(&question.current))?;
            Some((shift.word.depth, shift.commit.clone()))
        });
        brought.push(shifts.min_by_key(|(depth, _)| *depth));
    }
    let mut notes = Vec::new();
    loop {
        let Some((_, newest)) = brought.iter().flatten().min_by_key(|(depth, _)| *depth).cloned() else {
            return Ok(notes);
        };
        let is_it: Vec<bool> =
            brought.iter().map(|one| one.as_ref().is_some_and(|(_, commit)| *commit == newest)).collect();
        let came: BTreeSet<&CommitId> =
            brought.iter().flatten().map(|(_, commit)| commit).filter(|commit| **commit != newest).collect();
        let own = asked.iter().zip(&is_it).filter(|(_, is_it)| **is_it);
        let already: Option<Vec<Skipped>> =
            own.map(|(question, _)| back_already(ground, question, &newest, &came)).collect();
        let keeps = already.is_none();
        let mut kept = is_it.iter().map(|is_it| *is_it == keeps);
        asked.retain(|_| kept.next() == Some(true));
        let mut kept = is_it.iter().map(|is_it| *is_it == keeps);
        brought.retain(|_| kept.next() == Some(true));
        match already {
            None => return Ok(notes),
            Some(told) => notes.extend(told),
        }
    }
}

/// Tells of what somebody took back by a commit, where what was left there still stands at other places, or came with what does:
/// `came` are the commits that brought what stands at those.
fn back_already(
    ground: &Ground<'_>,
    question: &Question,
    commit: &CommitId,
    came: &BTreeSet<&CommitId>,
) -> Option<Skipped> {
    let past = past(ground, question).ok()?;
    let is_it = |taken: &&TakenBack| taken.commit == *commit && taken.instead == question.current;
    let taken = past.taken_back.iter().find(is_it)?;
    let brought = past.timeline.as_ref()?.brought(&taken.value)?;
    let (by, instead, files) = (&taken.by, &taken.instead, order::files(&ground.observation, question));
    let reason = format!("{by} took it back to {instead} already (in {files})");
    came.contains(&brought.commit).then(|| Skipped { what: question.image.to_string(), reason })
}

/// Finds where each place of a question goes back.
fn ways(
    ground: &Ground<'_>,
    question: &Question,
    asked: &[Question],
    to: Option<&Tag>,
) -> Result<Vec<Way>, OrderError> {
    let observation = &ground.observation;
    let concerned = concerned(ground);
    // An environment before that cannot be read keeps nobody from going back.
    let earlier = concerned.iter().copied().filter(|name| **name != question.environment);
    let before = earlier.filter_map(|name| Some((name, past_of(ground, name, &question.image).ok()?)));
    let before: Vec<(&EnvironmentName, &Past)> = before.collect();
    let alike = order::alike(observation, std::iter::once(question), &question.environment, &question.image);
    let kept = |value: &Value| {
        let goes = |other: &Question| other.image == question.image && other.current.tag == value.tag;
        if let Some(hold) = order::hold_on(observation, &alike, &concerned, (&question.image, value)) {
            Some(hold.to_string())
        } else if let Some(reason) = order::taken_back(&before, value, &alike) {
            Some(reason)
        } else if value.tag != question.current.tag && asked.iter().any(goes) {
            Some("it goes back as well".to_owned())
        } else {
            is_newer(question, value).then(|| "it is newer".to_owned())
        }
    };
    Ok(order::ways_back(observation, question, past(ground, question)?, to, &kept))
}

/// Whether a version is newer than what some places run.
fn is_newer(question: &Question, value: &Value) -> bool {
    past::order_by(&question.policy, value, &question.current) == Some(Comparison::Greater)
}

/// Lets places stay that run something older than the version that is named, where others of the same image go back to it; says so.
fn stay_behind(ground: &Ground<'_>, asked: &mut Vec<Question>, tag: &Tag) -> Vec<Skipped> {
    let value = Value { tag: Some(tag.clone()), digest: None };
    let goes = |question: &Question| question.current.tag.as_ref() != Some(tag) && !is_newer(question, &value);
    let going: BTreeSet<ImageName> =
        asked.iter().filter(|question| goes(question)).map(|question| question.image.clone()).collect();
    let mut notes = Vec::new();
    asked.retain(|question| {
        let stays = is_newer(question, &value) && going.contains(&question.image);
        if stays {
            let Question { image, environment, current, .. } = question;
            let files = order::files(&ground.observation, question);
            let reason = format!(
                "{current} is older than {tag} and stays (in {files}): `tagboat promote {image}:{tag} --to {environment}` brings \
                 {tag} there"
            );
            notes.push(Skipped { what: image.to_string(), reason });
        }
        !stays
    });
    notes
}

/// Refuses a version that a person names and that is no way back: one that is held there, a newer one, or one that neither
/// stood there nor is in the registry.
async fn may_be_named(
    given: &Ordering<'_>,
    ground: &Ground<'_>,
    question: &Question,
    back: &Back,
) -> Result<(), OrderError> {
    let Question { environment, image, current, .. } = question;
    let Some(tag) = &back.to.tag else { return Ok(()) };
    let observation = &ground.observation;
    let concerned = concerned(ground);
    let alike = order::alike(observation, std::iter::once(question), environment, image);
    if let Some(hold) = order::hold_on(observation, &alike, &concerned, (image, &back.to)) {
        let hint = format!("`tagboat release {image}:{}` first, or name another one", hold.tag);
        return Err(refused(format!("{image}: {tag} is held in {environment}: {}", hold.told_of(tag)), hint));
    }
    if is_newer(question, &back.to) {
        let hint = format!("`tagboat promote {image}:{tag} --to {environment}` brings something newer");
        return Err(refused(format!("{image}: {tag} is newer than {current}, which {environment} runs"), hint));
    }
    if back.stood {
        return Ok(());
    }
    let listed = given.source.tags(image).await;
    let listed = listed
        .map_err(|error| OrderError::Failed(format!("{image}: whether {tag} is there could not be had: {error}")))?;
    if listed.list.find(tag.as_str()).is_none() {
        let hint = format!("`tagboat history --image {image}` tells what ran, `tagboat explain {image}` what there is");
        return Err(refused(
            format!("{image}: {environment} never ran {tag}, and the registry does not list it"),
            hint,
        ));
    }
    Ok(())
}

/// Refuses a version that the registry says it has no more: nothing could start it. Tells where the registry could not be asked, which keeps
/// nobody from going back.
async fn is_there(
    given: &Ordering<'_>,
    question: &Question,
    to: &Value,
    is_of_history: bool,
) -> Result<Option<Skipped>, OrderError> {
    let Question { environment, image, .. } = question;
    let Some(tag) = &to.tag else { return Ok(None) };
    let note = |reason: String| Ok(Some(Skipped { what: image.to_string(), reason }));
    let listed = match given.source.tags(image).await {
        Ok(listed) => listed,
        Err(error) => return note(format!("whether the registry still has {tag} could not be asked: {error}")),
    };
    let is_listed = listed.list.find(tag.as_str()).is_some();
    if is_listed && !is_of_history {
        return Ok(None);
    }
    // A list may lack what is there, a digest outlives its tag, and a tag what it stood for.
    match ask(given.source, image, (tag, to.digest.as_ref())).await {
        Ok(_) if is_listed => Ok(None),
        Err(SourceError::Absent(error)) if is_listed => Err(refused(
            format!(
                "{image}: {environment} would go back to {to}, and {tag} stands for something else by now: the registry has no \
                 more what the digest names ({error})"
            ),
            format!("name another one with `--to TAG`: `tagboat history --image {image}` tells what ran"),
        )),
        Err(error @ (SourceError::Unknown(_) | SourceError::Failed(_))) => {
            note(format!("whether the registry still has {to} could not be asked: {error}"))
        }
        Ok(_) => note(format!("the registry does not list {tag} any more, and still has {to}")),
        Err(SourceError::Absent(error)) => Err(refused(
            format!(
                "{image}: {environment} would go back to {tag}, which the registry does not list any more: nothing could \
                 start it ({error})"
            ),
            format!(
                "push it again; or name one that is there, with `--to TAG`: `tagboat history --image {image}` tells what \
                 ran, `tagboat explain {image}` what there is"
            ),
        )),
    }
}

/// Asks the registry for a digest, where one stands and history knows none for the version that comes.
pub(in crate::pass) async fn digest_of(
    source: &dyn TagSource,
    image: &ImageName,
    tag: Option<&Tag>,
) -> Result<crate::model::image::Digest, OrderError> {
    let Some(tag) = tag.cloned() else {
        return Err(OrderError::Failed(format!("{image}: the version before has no tag")));
    };
    let want = Want { image: image.clone(), tag, kind: FactKind::Digest };
    let failed = |reason: String| {
        OrderError::Failed(format!(
            "{}:{}: a digest stands there, and its own could not be had: {reason}",
            want.image, want.tag
        ))
    };
    let facts = source.facts(&want.image, &want.tag, want.kind).await;
    let facts = facts.map_err(|error| failed(error.to_string()))?;
    facts.digest.ok_or_else(|| failed("the registry does not tell it".to_owned()))
}

/// Holds the versions that are left, unless they are held there already.
fn hold(given: &Ordering<'_>, ground: &Ground<'_>, question: &Question, left: &BTreeSet<Value>, settled: &mut Settled) {
    for tag in left.iter().filter_map(|value| value.tag.as_ref()) {
        let is_new = !settled.holds.iter().any(|hold| hold.image == question.image && hold.tag == *tag);
        let concerned = [&question.environment];
        // What is only proposed to be held may be closed again: it does not stand in for a hold of its own.
        let awaited = &ground.inputs.awaited.holds;
        let mut holds = ground.observation.holds.iter().filter(|hold| !awaited.contains(hold));
        let is_held = holds
            .any(|hold| hold.until.is_none() && hold.covers(&concerned, &question.image, tag, ground.observation.now));
        if is_new && !is_held {
            settled.holds.push(Hold {
                environment: Some(question.environment.clone()),
                image: question.image.clone(),
                tag: tag.clone(),
                digest: None,
                until: None,
                by: given.by.clone(),
                reason: Some(given.reason.clone().unwrap_or_else(|| "rolled back".to_owned())),
            });
        }
    }
}
