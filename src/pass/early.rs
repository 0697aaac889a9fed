//! Deciding about images while the lists of others still arrive.
//!
//! Entry point: `Early`. What is decided here while facts are missing is decided again, as everything is.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::decide::early;
use crate::model::decision::{Decided, Question};
use crate::model::image::ImageName;
use crate::model::observation::Observation;
use crate::model::tags::ImageTags;
use crate::observe::tags::Look;
use crate::pass::Detail;

/// What can be decided by one list at a time, by all cores at once.
pub(super) struct Early {
    /// What was observed before any list.
    observation: Observation,
    /// All questions, in the order of their images.
    questions: Vec<Question>,
    detail: Detail,
    decided: Mutex<BTreeMap<ImageName, Decided>>,
}

impl Early {
    pub(super) fn new(observation: Observation, questions: Vec<Question>, detail: Detail) -> Arc<Self> {
        Arc::new(Self { observation, questions, detail, decided: Mutex::default() })
    }

    /// Returns what was observed, and the questions.
    pub(super) fn known(&self) -> (&Observation, &[Question]) {
        (&self.observation, &self.questions)
    }

    /// Returns what looks into each list.
    pub(super) fn look(self: &Arc<Self>) -> Arc<Look> {
        let early = Arc::clone(self);
        Arc::new(move |image: &ImageName, tags: Arc<ImageTags>| early.decide(image, tags))
    }

    fn decide(&self, image: &ImageName, tags: Arc<ImageTags>) -> Arc<ImageTags> {
        let begin = self.questions.partition_point(|question| question.image < *image);
        let count = self.questions[begin..].partition_point(|question| question.image == *image);
        let asked = &self.questions[begin..begin + count];
        let mut decided = early::decide_listed(&self.observation, &tags, asked);
        let tags = match self.detail {
            Detail::EveryTag => tags,
            Detail::Outcome => early::let_go(&tags, &mut decided, asked),
        };
        self.decided.lock().unwrap_or_else(PoisonError::into_inner).insert(image.clone(), decided);
        tags
    }

    /// Returns all that was put in, and what was decided.
    pub(super) fn end(self: Arc<Self>) -> (Observation, Vec<Question>, BTreeMap<ImageName, Decided>) {
        // Nobody looks any more, so nothing is copied.
        match Arc::try_unwrap(self) {
            Ok(Self { observation, questions, decided, .. }) => {
                (observation, questions, decided.into_inner().unwrap_or_else(PoisonError::into_inner))
            }
            Err(shared) => (shared.observation.clone(), shared.questions.clone(), BTreeMap::new()),
        }
    }
}
