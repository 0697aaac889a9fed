//! Stage two: which tag wins for every question, and why each of the others does not.
//!
//! The entry points are [`questions::questions`], [`decide`] and [`decide_again`], and [`early::decide_listed`] while lists still arrive.
//! Pure: a fact that is missing comes back as a wish in [`Decided::wants`], and the caller decides again once it was observed. Groups, gates and the order of
//! environments are deliberately absent.

mod answer;
pub mod early;
mod facts;
mod judge;
pub mod past;
pub mod questions;
mod reading;
pub mod steps;

use std::collections::{BTreeMap, BTreeSet};

use crate::cores;
use crate::decide::reading::Readings;
use crate::model::decision::{Decided, Decision, Question, Reason, Verdict};
use crate::model::image::ImageName;
use crate::model::observation::Observation;
use crate::model::rejections::Rejections;
use crate::model::tags::{ImageTags, TagIndex};

/// Answers every question from what was observed, in the order of the questions.
///
/// A tag moves only to something better by its policy; a tag in use that is gone from the list is no reason to go
/// down. While `wants` is not empty, the decisions that it concerns are provisional. An image whose tags could not be
/// had whole is undecided.
pub fn decide(observation: &Observation, questions: &[Question]) -> Decided {
    decide_rest(observation, questions, BTreeMap::new())
}

/// Answers the questions that `early` does not answer already, which was decided while lists arrived, and puts all together.
pub fn decide_rest(
    observation: &Observation,
    questions: &[Question],
    mut early: BTreeMap<ImageName, Decided>,
) -> Decided {
    let by_image = questions.chunk_by(|one, other| one.image == other.image);
    let by_image = by_image.map(|asked| (asked, early.remove(&asked[0].image))).collect();
    let decide =
        |(asked, early): (&[Question], Option<Decided>)| early.unwrap_or_else(|| decide_image(observation, asked));
    gather(cores::map(by_image, decide), questions.len())
}

/// Answers the questions anew about images of which something was still to be observed, and leaves all other
/// decisions as they were: what is decided of an image depends on what is known of that one alone.
pub fn decide_again(observation: &Observation, questions: &[Question], before: Decided) -> Decided {
    let lacking = before.lacking();
    let mut decisions = before.decisions.into_iter();
    let by_image = questions.chunk_by(|one, other| one.image == other.image);
    let by_image = by_image.map(|asked| (asked, decisions.by_ref().take(asked.len()).collect::<Vec<_>>())).collect();
    let again = |(asked, decisions): (&[Question], Vec<Decision>)| {
        if decisions.len() == asked.len() && !lacking.contains(&asked[0].image) {
            return Decided { decisions, ..Decided::default() };
        }
        decide_image(observation, asked)
    };
    gather(cores::map(by_image, again), questions.len())
}

fn gather(answers: Vec<Decided>, questions: usize) -> Decided {
    let mut all = Decided { decisions: Vec::with_capacity(questions), ..Decided::default() };
    for mut one in answers {
        all.decisions.append(&mut one.decisions);
        all.wants.append(&mut one.wants);
        all.signatures.append(&mut one.signatures);
        all.pasts.append(&mut one.pasts);
    }
    all
}

/// Answers the questions about one image, whose list is read once for all of them.
fn decide_image(observation: &Observation, asked: &[Question]) -> Decided {
    let image = &asked[0].image;
    let undecided = |reason: &str| {
        let verdict = Verdict::Undecided(reason.to_owned());
        let leave = |question: &Question| Decision {
            question: question.clone(),
            verdict: verdict.clone(),
            rejected: Rejections::default(),
        };
        Decided { decisions: asked.iter().map(leave).collect(), ..Decided::default() }
    };
    match observation.images.get(image) {
        Some(Ok(tags)) => decide_tags(observation, tags, asked),
        Some(Err(reason)) => undecided(reason),
        None if observation.unknown.contains(image) => undecided("the source does not know it"),
        None => undecided("its tags were not observed"),
    }
}

fn decide_tags(observation: &Observation, tags: &ImageTags, asked: &[Question]) -> Decided {
    let (mut wants, mut signatures, mut pasts) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let mut readings = Readings::new(&tags.list);
    let answer = |question| {
        let (wants, signatures, pasts) = (&mut wants, &mut signatures, &mut pasts);
        let mut facts = facts::Facts { question, tags, observation, wants, signatures, pasts };
        let decision = answer::answer(question, &mut readings, &mut facts);
        signed_elsewhere(&decision, asked, &mut facts);
        decision
    };
    let decisions = asked.iter().map(answer).collect();
    let (wants, signatures) = (wants.into_iter().collect(), signatures.into_iter().collect());
    Decided { decisions, wants, signatures, pasts }
}

/// Sees to the signatures of what other references to the image run: that is what may be promoted, whoever wrote it
/// there. Only what could be a step forward is looked at.
fn signed_elsewhere(decision: &Decision, asked: &[Question], facts: &mut facts::Facts<'_>) {
    let question = &decision.question;
    let Some(verify) = &question.policy.verify else { return };
    if matches!(decision.verdict, Verdict::Undecided(_)) {
        return;
    }
    for value in asked.iter().map(|other| &other.current).filter(|value| **value != question.current) {
        let Some(tag) = &value.tag else { continue };
        let is_same = question.current.tag.as_ref() == Some(tag);
        if !is_same && facts.tags.list.find(tag.as_str()).is_none_or(|index| objection(decision, index)) {
            continue;
        }
        // What is not known is asked for; what came of it is for whoever promotes to judge.
        if let Some(digest) = value.digest.clone().or_else(|| facts.digest(tag).ok()) {
            let _judged = facts.signature(tag, digest, verify);
        }
    }
}

/// Whether a decision has more against a tag than that another one wins.
fn objection(decision: &Decision, tag: TagIndex) -> bool {
    let mut reasons = decision.rejected.iter().filter(|(rejected, _)| *rejected == tag).map(|(_, reason)| reason);
    reasons.any(|reason| *reason != Reason::Outranked)
}
