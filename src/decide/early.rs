//! Deciding about one image as soon as its list is there, and letting go of what counts no more.
//!
//! Entry points: [`decide_listed`], [`let_go`]. A list is by far the largest thing that a pass holds. Most of its tags are ruled
//! out by their names, which no fact changes: whoever wants to hear of the outcome alone needs none of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::decide::decide_tags;
use crate::model::decision::{Decided, Origin, Question, Reason};
use crate::model::image::Tag;
use crate::model::observation::Observation;
use crate::model::policy::Select;
use crate::model::tags::{ImageTags, TagIndex};

/// Answers the questions about one image by a list that is not in the observation yet, with what is known by then.
pub fn decide_listed(observation: &Observation, tags: &ImageTags, asked: &[Question]) -> Decided {
    decide_tags(observation, tags, asked)
}

/// Lets go of the tags that no later decision, promotion or report can ask about, and returns what is left.
///
/// What stays: tags in use, the followed and the chosen ones, all that compete while a fact is missing, all that were turned
/// down for more than their name, and one example of every other reason. An environment that takes its versions from
/// another one may ask about any tag: then all stay.
pub fn let_go(tags: &Arc<ImageTags>, decided: &mut Decided, asked: &[Question]) -> Arc<ImageTags> {
    if asked.iter().any(|question| question.origin == Origin::Before) {
        return Arc::clone(tags);
    }
    let is_final = decided.wants.is_empty() && decided.signatures.is_empty() && decided.pasts.is_empty();
    let named: BTreeSet<&str> = asked.iter().flat_map(named).map(Tag::as_str).collect();
    let mut stays: Vec<bool> = tags.list.iter().map(|(_, tag)| named.contains(tag)).collect();
    let count = stays.len();
    for decision in &decided.decisions {
        let mut judged = vec![false; count];
        let mut examples: Vec<&Reason> = Vec::new();
        for (tag, reason) in decision.rejected.iter() {
            let position = tag.0 as usize;
            judged[position] = true;
            let is_example = !examples.contains(&reason);
            if is_example {
                examples.push(reason);
            }
            stays[position] |= is_example || !may_go(reason, is_final);
        }
        // What was not turned down was chosen.
        stays.iter_mut().zip(judged).for_each(|(stays, judged)| *stays |= !judged);
    }
    if stays.iter().all(|stays| *stays) {
        return Arc::clone(tags);
    }
    let is_kept = |tag: TagIndex| stays.get(tag.0 as usize) == Some(&true);
    for decision in &mut decided.decisions {
        decision.rejected = decision.rejected.of_these(count, is_kept);
    }
    let (list, lost, facts) = (tags.list.of_these(is_kept), tags.lost.clone(), tags.facts.clone());
    Arc::new(ImageTags { list, lost, facts })
}

/// Returns the tags that a question names itself.
fn named(question: &Question) -> impl Iterator<Item = &Tag> {
    let followed = match &question.policy.select {
        Select::Digest(followed) => followed.as_ref(),
        _ => None,
    };
    question.current.tag.iter().chain(followed)
}

/// Whether nobody asks about a tag any more that was turned down for this reason.
fn may_go(reason: &Reason, is_final: bool) -> bool {
    match reason {
        Reason::NotAVersion
        | Reason::NothingToCompare
        | Reason::NotFollowed
        | Reason::NotInFamily
        | Reason::NotMatched
        | Reason::Ignored
        | Reason::OutOfRange
        | Reason::PreRelease
        | Reason::Lower => true,
        // By name alone it competes, or it may: what a fact says of another one can bring its turn.
        Reason::Outranked | Reason::SameVersion | Reason::Older => is_final,
        Reason::InUse
        | Reason::TooYoung { .. }
        | Reason::AgeUnknown
        | Reason::PlatformMissing(_)
        | Reason::SignatureMissing
        | Reason::SignatureWrong(_)
        | Reason::NotBefore
        | Reason::NotNext
        | Reason::Held(_)
        | Reason::Behind(_)
        | Reason::OtherBuild(_)
        | Reason::Unknown(_) => false,
    }
}
