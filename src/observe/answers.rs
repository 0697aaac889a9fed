//! Asking the operator's sources what gates want to know.

use std::collections::BTreeSet;

use crate::model::observation::Observation;
use crate::model::source::SourceQuestion;
use crate::source::Answers;

/// Asks what is not answered yet, each question once, and keeps the answers in the observation.
pub async fn ask(observation: &mut Observation, questions: &BTreeSet<SourceQuestion>, sources: &dyn Answers) {
    let open: BTreeSet<_> =
        questions.iter().filter(|question| !observation.answers.contains_key(*question)).cloned().collect();
    if !open.is_empty() {
        observation.answers.extend(sources.ask_all(open).await);
    }
}
