//! Registries, read only: tag lists and facts about tags, over HTTP or from a snapshot.
//!
//! The entry points are [`TagSource`], and its two sources [`client::RegistryClient`] and
//! [`snapshot::Snapshot`]. Nothing here decides anything, and nothing here
//! writes to a registry.

pub mod client;
mod credentials;
pub mod settings;
pub mod snapshot;

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::model::image::{Digest, ImageName, Tag};
use crate::model::signature::SignatureVerdict;
use crate::model::tags::{FactKind, ImageTags, TagFacts};
use crate::signature::Requirement;

/// Why a source could not answer. Says whether another try makes sense; never decided on message text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// The source knows nothing of the image (a snapshot that does not hold it): skipped, not failed.
    #[error("not in the snapshot")]
    Unknown(ImageName),
    /// Everything else, in words that name the object and what to do; already logged nowhere.
    #[error("{0}")]
    Failed(String),
}

impl TagSource for Box<dyn TagSource> {
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
