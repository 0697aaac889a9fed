//! Whether a registry still has what is about to come again: nothing could start what it has no more.
//!
//! Entry points: [`Looked::look`], and [`ask`] for one version alone. A tag that a list shows is there; of any other, and of a digest, the
//! registry is asked itself: a list may lack what is there, and a digest outlives its tag. Decides nothing.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::image::{Digest, ImageName, Tag};
use crate::model::observation::Observation;
use crate::model::site::Value;
use crate::model::tags::{FactKind, ImageTags, TagFacts};
use crate::registry::{SourceError, TagSource};

/// How many versions of an image a registry is asked about: where one after the other is gone, those before them are, too.
const MOST_ASKED: usize = 5;

/// Asks a registry itself whether it has a version: its digest, where it is known by one, else its tag.
///
/// # Errors
///
/// [`SourceError`]; [`SourceError::Absent`] alone says that it has it no more.
pub(in crate::pass) async fn ask(
    source: &dyn TagSource,
    image: &ImageName,
    (tag, digest): (&Tag, Option<&Digest>),
) -> Result<TagFacts, SourceError> {
    match digest {
        Some(digest) => source.image_of(image, tag, digest).await,
        None => source.facts(image, tag, FactKind::Digest).await,
    }
}

/// What is known of an image's versions that may come again.
#[derive(Debug, Default)]
pub(in crate::pass) struct Looked {
    /// Those that are there.
    there: BTreeSet<Value>,
    /// Those that are not, with the reason.
    pub(in crate::pass) gone: BTreeMap<Value, String>,
    /// Those of which nobody could tell, with the reason.
    pub(in crate::pass) unknown: BTreeMap<Value, String>,
    asked: usize,
}

impl Looked {
    /// Finds out about one more version of an image, as it would be written; returns whether it may come again.
    pub(in crate::pass) async fn look(
        &mut self,
        observation: &Observation,
        source: &dyn TagSource,
        image: &ImageName,
        value: &Value,
    ) -> bool {
        let Some(tag) = &value.tag else { return true };
        if self.there.contains(value) || self.unknown.contains_key(value) || self.gone.contains_key(value) {
            return !self.gone.contains_key(value);
        }
        // A list tells nothing of a digest: the tag may stand for something else by now.
        let listed = observation.images.get(image).and_then(|tags| tags.as_ref().ok());
        let points_there = |tags: &ImageTags| match &value.digest {
            None => tags.list.find(tag.as_str()).is_some(),
            Some(_) => tags.facts.get(tag).is_some_and(|facts| facts.digest == value.digest),
        };
        if listed.is_some_and(|tags| points_there(tags)) {
            self.there.insert(value.clone());
            return true;
        }
        if self.asked >= MOST_ASKED {
            let reason = format!("the registry was asked about {MOST_ASKED} others already");
            self.gone.insert(value.clone(), reason);
            return false;
        }
        self.asked += 1;
        match ask(source, image, (tag, value.digest.as_ref())).await {
            Ok(_) => self.there.insert(value.clone()),
            Err(SourceError::Absent(_)) => {
                self.gone.insert(value.clone(), "the registry has it no more".to_owned());
                false
            }
            Err(error @ (SourceError::Unknown(_) | SourceError::Failed(_))) => {
                let reason = format!("whether the registry still has {value} could not be asked: {error}");
                self.unknown.insert(value.clone(), reason).is_none()
            }
        }
    }
}
