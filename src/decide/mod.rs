//! Stage two: which tag wins for every question, and why each of the others does not.
//!
//! The entry points are [`questions::questions`] and [`decide`]. Pure: a fact that is missing comes back as a
//! wish in [`Decided::wants`], and the caller decides again once it was observed. Groups, gates and the order of
//! environments are deliberately absent.

mod answer;
mod facts;
mod judge;
pub mod questions;
mod reading;

use std::collections::BTreeSet;

use crate::decide::reading::Readings;
use crate::model::decision::{Decided, Decision, Question, Verdict};
use crate::model::observation::Observation;

/// Answers every question from what was observed, in the order of the questions.
///
/// A tag moves only to something better by its policy; a tag in use that is gone from the list is no reason to go
/// down. While `wants` is not empty, the decisions that it concerns are provisional. An image whose tags could not be
/// had whole is undecided.
pub fn decide(observation: &Observation, questions: &[Question]) -> Decided {
    let mut decisions = Vec::with_capacity(questions.len());
    let mut wants = BTreeSet::new();
    for asked in questions.chunk_by(|a, b| a.image == b.image) {
        let image = &asked[0].image;
        let undecided = |reason: &str| {
            let verdict = Verdict::Undecided(reason.to_owned());
            let leave = move |question: &Question| Decision {
                question: question.clone(),
                verdict: verdict.clone(),
                rejected: Vec::new(),
            };
            asked.iter().map(leave)
        };
        match observation.images.get(image) {
            Some(Ok(tags)) => {
                let mut readings = Readings::new(&tags.list);
                for question in asked {
                    let facts = facts::Facts { image, tags, observation, wants: &mut wants };
                    decisions.push(answer::answer(question, &mut readings, facts));
                }
            }
            Some(Err(reason)) => decisions.extend(undecided(reason)),
            None if observation.unknown.contains(image) => decisions.extend(undecided("the source does not know it")),
            None => decisions.extend(undecided("its tags were not observed")),
        }
    }
    Decided { decisions, wants: wants.into_iter().collect() }
}
