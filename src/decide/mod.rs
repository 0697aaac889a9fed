//! Stage two: which tag wins for every question, and why each of the others does not.
//!
//! The entry points are [`questions::questions`] and [`decide`]. Pure: a fact that is missing comes back as a
//! wish in [`Decided::wants`], and the caller decides again once it was observed. Groups, gates and the order of
//! environments are deliberately absent.

mod answer;
mod facts;
mod judge;
pub mod past;
pub mod questions;
mod reading;

use std::collections::BTreeSet;

use crate::cores;
use crate::decide::reading::Readings;
use crate::model::decision::{Decided, Decision, Question, Verdict};
use crate::model::observation::Observation;
use crate::model::rejections::Rejections;

/// Answers every question from what was observed, in the order of the questions.
///
/// A tag moves only to something better by its policy; a tag in use that is gone from the list is no reason to go
/// down. While `wants` is not empty, the decisions that it concerns are provisional. An image whose tags could not be
/// had whole is undecided.
pub fn decide(observation: &Observation, questions: &[Question]) -> Decided {
    let by_image: Vec<&[Question]> = questions.chunk_by(|one, other| one.image == other.image).collect();
    let mut all = Decided { decisions: Vec::with_capacity(questions.len()), ..Decided::default() };
    for mut one in cores::map(by_image, |asked| decide_image(observation, asked)) {
        all.decisions.append(&mut one.decisions);
        all.wants.append(&mut one.wants);
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
        Some(Ok(tags)) => {
            let (mut wants, mut pasts) = (BTreeSet::new(), BTreeSet::new());
            let mut readings = Readings::new(&tags.list);
            let answer = |question| {
                let facts = facts::Facts { question, tags, observation, wants: &mut wants, pasts: &mut pasts };
                answer::answer(question, &mut readings, facts)
            };
            let decisions = asked.iter().map(answer).collect();
            Decided { decisions, wants: wants.into_iter().collect(), pasts }
        }
        Some(Err(reason)) => undecided(reason),
        None if observation.unknown.contains(image) => undecided("the source does not know it"),
        None => undecided("its tags were not observed"),
    }
}
