//! Asking a tag source: one list for each image, and single facts where a decision lacks them.
//!
//! Lists are asked for once in a pass and facts once each, many at a time; the source itself keeps to
//! the limits of each registry.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::stream::{self, StreamExt};

use crate::cache::Cache;
use crate::model::decision::{Question, Want};
use crate::model::image::ImageName;
use crate::model::observation::Observation;
use crate::model::tags::{FactKind, ImageTags, Labels, TagFacts, newest_first};
use crate::observe::remembered::{Learnt, Looks, Remembered};
use crate::registry::{SourceError, TagSource};

/// How many questions are under way at once, over all registries.
const CONCURRENT: usize = 128;

/// Asks for the tag lists of every image that a question is about.
///
/// `answered` is told the number of answers so far and of all, for a progress bar.
pub async fn ask(
    observation: &mut Observation,
    questions: &[Question],
    source: &dyn TagSource,
    cache: &Cache,
    answered: &(dyn Fn(usize, usize) + Sync),
) {
    let source = Remembered::new(source, cache);
    let mut looks = Looks::new(&source, questions);
    let aged: BTreeSet<&ImageName> =
        questions.iter().filter(|question| question.policy.min_age.is_some()).map(|question| &question.image).collect();
    let images: BTreeSet<ImageName> = questions
        .iter()
        .map(|question| question.image.clone())
        .filter(|image| !observation.images.contains_key(image))
        .collect();
    let total = images.len();
    let source = &source;
    let mut answers = stream::iter(images)
        .map(|image| async move {
            let answer = source.list(&image).await;
            (image, answer)
        })
        .buffer_unordered(CONCURRENT);
    let mut done = 0;
    while let Some((image, answer)) = answers.next().await {
        done += 1;
        answered(done, total);
        let mut answer = answer.map_err(|error| {
            if let SourceError::Unknown(_) = error {
                observation.unknown.insert(image.clone());
            }
            error.to_string()
        });
        if let Ok(tags) = &mut answer {
            if let Some(loss) = tags.lost.clone().or_else(|| looks.compare(&image, &tags.list)) {
                observation.losses.insert(image.clone(), loss);
            }
            if aged.contains(&image) {
                source.add_ages(&image, tags);
            }
        }
        observation.images.insert(image, answer);
    }
    looks.write();
}

/// Asks for facts that decisions want, and keeps them in the observation.
///
/// A source may answer only so many in a pass: the newest tags of all images come first.
pub async fn facts(observation: &mut Observation, wants: Vec<Want>, source: &dyn TagSource, cache: &Cache) {
    let source = &Remembered::new(source, cache);
    let mut answers = stream::iter(newest_of_each_first(wants))
        .map(|want| async move {
            let answer = source.fact(&want).await;
            (want, answer)
        })
        .buffer_unordered(CONCURRENT);
    let (mut known, mut ageless) = (Vec::new(), Vec::new());
    while let Some((want, answer)) = answers.next().await {
        match answer {
            Learnt::Facts(facts) | Learnt::Seen(facts) => known.push((want, facts)),
            Learnt::Untold => {
                ageless.push(want.clone());
                observation.failed.insert(want, "nothing tells how old it is".to_owned());
            }
            Learnt::Failed(kind, error) => {
                ageless.extend((want.kind == FactKind::Pushed).then(|| want.clone()));
                observation.failed.insert(Want { kind, ..want }, error.to_string());
            }
        }
    }
    let seen = source.note(&known);
    let mut learnt: BTreeMap<ImageName, Vec<(Want, TagFacts)>> = BTreeMap::new();
    for ((want, mut facts), seen) in known.into_iter().zip(seen) {
        if want.kind == FactKind::Pushed && facts.pushed.is_none() {
            facts.first_seen = facts.first_seen.or(seen);
            if facts.first_seen.is_none() {
                ageless.push(want.clone());
                observation.failed.insert(want.clone(), "the cache cannot keep since when it is known".to_owned());
            }
        }
        learnt.entry(want.image.clone()).or_default().push((want, facts));
    }
    for (image, facts) in learnt {
        if let Some(Ok(tags)) = observation.images.get_mut(&image) {
            keep(tags, facts);
        }
    }
    for want in ageless {
        if let Some(Ok(tags)) = observation.images.get_mut(&want.image)
            && let Some(facts) = Arc::make_mut(tags).facts.get_mut(&want.tag)
        {
            // What could not be confirmed is not known, for a snapshot of this pass either.
            facts.not_before = None;
        }
    }
}

/// Puts the newest tag of every image before the second newest of any, so that no image waits for all of another.
fn newest_of_each_first(mut wants: Vec<Want>) -> Vec<Want> {
    wants.sort_by(|one, other| {
        one.image.cmp(&other.image).then_with(|| newest_first(one.tag.as_str(), other.tag.as_str()))
    });
    let mut ranked: Vec<(usize, Want)> = Vec::with_capacity(wants.len());
    for want in wants {
        let rank = ranked.last().map_or(0, |(rank, last)| if last.image == want.image { rank + 1 } else { 0 });
        ranked.push((rank, want));
    }
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, want)| want).collect()
}

/// Adds facts to an image's; the list is shared with nobody at this moment, or copied once.
fn keep(tags: &mut Arc<ImageTags>, learnt: Vec<(Want, TagFacts)>) {
    let tags = Arc::make_mut(tags);
    for (want, facts) in learnt {
        let known = tags.facts.entry(want.tag).or_default();
        known.digest = facts.digest.or_else(|| known.digest.take());
        known.created = facts.created.or(known.created);
        known.pushed = facts.pushed.or(known.pushed);
        known.first_seen = facts.first_seen.or(known.first_seen);
        known.platforms = facts.platforms.or_else(|| known.platforms.take());
        if facts.labels != Labels::default() {
            known.labels = facts.labels;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_tag_of_each_image_is_asked_for_first() {
        let want = |image: &str, tag: &str| {
            let (image, tag) = (image.parse().unwrap(), tag.parse().unwrap());
            Want { image, tag, kind: FactKind::Image }
        };
        let wants = ["1.9.0", "1.10.0", "1.2.0"].map(|tag| want("ghcr.io/acme/api", tag)).to_vec();
        let wants = [wants, ["3.0.0", "20.0.0"].map(|tag| want("ghcr.io/acme/web", tag)).to_vec()].concat();
        let ordered = newest_of_each_first(wants);
        let tags: Vec<&str> = ordered.iter().map(|want| want.tag.as_str()).collect();
        assert_eq!(tags, ["1.10.0", "20.0.0", "1.9.0", "3.0.0", "1.2.0"]);
    }
}
