//! Registries, read only: tag lists and facts about tags, over HTTP or from a snapshot.
//!
//! The entry points are [`TagSource`], and its two sources [`client::RegistryClient`] and
//! [`snapshot::Snapshot`]. Nothing here decides anything, and nothing here
//! writes to a registry.

pub mod client;
mod credentials;
pub mod grapevine;
pub mod push_times;
pub mod settings;
pub mod snapshot;

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::model::image::{Digest, ImageName, Tag};
use crate::model::signature::SignatureVerdict;
use crate::model::tags::{FactKind, ImageTags, TagFacts};
use crate::model::usage::Usage;
use crate::signature::Requirement;

/// Why a source could not answer. Says whether another try makes sense; never decided on message text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// The source knows nothing of the image (a snapshot that does not hold it): skipped, not failed.
    #[error("not in the snapshot")]
    Unknown(ImageName),
    /// The source answered, and has no such thing.
    #[error("{0}")]
    Absent(String),
    /// Everything else, in words that name the object and what to do; already logged nowhere.
    #[error("{0}")]
    Failed(String),
}

/// A list of tags, with what the source leaves behind to ask for it again.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The complete list, with the facts that came with it.
    pub tags: Arc<ImageTags>,
    /// What to hand in next time.
    pub pages: Pages,
}

/// What a source leaves behind of a list; only the source itself can read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pages {
    /// Nothing: next time it is asked for whole.
    Forgotten,
    /// What was handed in holds on.
    Same,
    /// This.
    New(Vec<u8>),
}

/// How many HEADs are granted of those that are wanted, and how many a pass has in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heads {
    /// So many may be made now.
    pub granted: usize,
    /// So many in the whole pass.
    pub cap: usize,
}

/// How many images a pass may still look into, and how many in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inspections {
    /// So many from now on.
    pub left: usize,
    /// So many in the whole pass.
    pub cap: usize,
}

/// Says that a pass has looked into as many images as it may.
pub fn enough_inspected(cap: usize) -> String {
    format!(
        "not asked in this pass, which has looked into {cap} images already (`limits.maxInspections`); the next pass goes on"
    )
}

impl TagSource for Box<dyn TagSource> {
    fn tags_again<'a>(
        &'a self,
        image: &'a ImageName,
        pages: Option<Vec<u8>>,
    ) -> BoxFuture<'a, Result<Listed, SourceError>> {
        (**self).tags_again(image, pages)
    }

    fn is_record(&self) -> bool {
        (**self).is_record()
    }

    fn tags<'a>(&'a self, image: &'a ImageName) -> BoxFuture<'a, Result<Arc<ImageTags>, SourceError>> {
        (**self).tags(image)
    }

    fn facts<'a>(
        &'a self,
        image: &'a ImageName,
        tag: &'a Tag,
        kind: FactKind,
    ) -> BoxFuture<'a, Result<TagFacts, SourceError>> {
        (**self).facts(image, tag, kind)
    }

    fn image_of<'a>(
        &'a self,
        image: &'a ImageName,
        tag: &'a Tag,
        digest: &'a Digest,
    ) -> BoxFuture<'a, Result<TagFacts, SourceError>> {
        (**self).image_of(image, tag, digest)
    }

    fn begin_pass(&self) {
        (**self).begin_pass();
    }

    fn take_heads(&self, wanted: usize) -> Heads {
        (**self).take_heads(wanted)
    }

    fn inspections(&self) -> Inspections {
        (**self).inspections()
    }

    fn usage(&self) -> Usage {
        (**self).usage()
    }

    fn has_push_times(&self, image: &ImageName) -> bool {
        (**self).has_push_times(image)
    }

    fn count_cached(&self, image: &ImageName) {
        (**self).count_cached(image);
    }

    fn signed<'a>(
        &'a self,
        image: &'a ImageName,
        tag: &'a Tag,
        digest: &'a Digest,
        by: &'a Requirement,
    ) -> BoxFuture<'a, Result<SignatureVerdict, SourceError>> {
        (**self).signed(image, tag, digest, by)
    }
}

/// Where tags come from: a registry, a snapshot, or a test's memory.
pub trait TagSource: Send + Sync {
    /// Returns the complete list of an image's tags, with the facts that came with it.
    ///
    /// # Errors
    ///
    /// [`SourceError`] when the list could not be had whole; never a short list.
    fn tags<'a>(&'a self, image: &'a ImageName) -> BoxFuture<'a, Result<Arc<ImageTags>, SourceError>>;

    /// Returns the complete list, and asks only for what has changed where the source can: `pages` is what it left
    /// behind last time. Anything else in there is the same as nothing.
    ///
    /// # Errors
    ///
    /// As [`TagSource::tags`].
    fn tags_again<'a>(
        &'a self,
        image: &'a ImageName,
        pages: Option<Vec<u8>>,
    ) -> BoxFuture<'a, Result<Listed, SourceError>> {
        drop(pages);
        Box::pin(async move { self.tags(image).await.map(|tags| Listed { tags, pages: Pages::Forgotten }) })
    }

    /// Whether this is a record of earlier answers, of which no cache must learn and to which none must add.
    fn is_record(&self) -> bool {
        false
    }

    /// Returns facts about one tag: at least those of the kind that is asked for.
    ///
    /// # Errors
    ///
    /// [`SourceError`] when that kind of fact could not be had.
    fn facts<'a>(
        &'a self,
        image: &'a ImageName,
        tag: &'a Tag,
        kind: FactKind,
    ) -> BoxFuture<'a, Result<TagFacts, SourceError>>;

    /// Returns what the image of a digest holds, to which a tag was found to point.
    ///
    /// # Errors
    ///
    /// [`SourceError`] when it could not be had.
    fn image_of<'a>(
        &'a self,
        image: &'a ImageName,
        tag: &'a Tag,
        digest: &'a Digest,
    ) -> BoxFuture<'a, Result<TagFacts, SourceError>> {
        let _any_way = digest;
        self.facts(image, tag, FactKind::Image)
    }

    /// Begins a pass: its time and its further tries are counted from here. A source that is asked without it counts
    /// from when it was made.
    fn begin_pass(&self) {}

    /// Takes some of the HEADs by which a pass may see where tags point whose images are to be compared. A source
    /// that asks no registry has as many as are wanted.
    fn take_heads(&self, wanted: usize) -> Heads {
        Heads { granted: wanted, cap: usize::MAX }
    }

    /// Returns how many images a pass may still look into. A source that asks no registry has no end of them.
    fn inspections(&self) -> Inspections {
        Inspections { left: usize::MAX, cap: usize::MAX }
    }

    /// Returns what registries were asked since the source was made; nothing for a source that asks none.
    fn usage(&self) -> Usage {
        Usage::default()
    }

    /// Whether somebody may tell when an image's tags were pushed, so that asking again makes sense where nobody did.
    fn has_push_times(&self, _image: &ImageName) -> bool {
        false
    }

    /// Counts an answer about an image that whoever asks had already, and so did not ask for.
    fn count_cached(&self, _image: &ImageName) {}

    /// Returns what the signatures of some content say, content that a tag points to.
    ///
    /// # Errors
    ///
    /// [`SourceError`] when they could not all be seen and none of those seen holds: that is never "not signed".
    fn signed<'a>(
        &'a self,
        image: &'a ImageName,
        tag: &'a Tag,
        digest: &'a Digest,
        by: &'a Requirement,
    ) -> BoxFuture<'a, Result<SignatureVerdict, SourceError>>;
}
