//! Mirrors: where an image is really asked for. Its name in manifests, messages and snapshots stays the upstream's.
//!
//! A mirrored image is asked for at the mirror's host, with the mirror's own credentials and limits. Only where the
//! operator says `fallback` is the upstream asked after it, and then the whole question over: no list is ever put
//! together from both.

use crate::http::error::{Advice, HttpError};
use crate::model::image::{Digest, ImageName, Tag};
use crate::model::signature::SignatureVerdict;
use crate::model::tags::{FactKind, TagFacts};
use crate::registry::client::RegistryClient;
use crate::registry::client::failure::Failure;
use crate::registry::{Listed, Pages};
use crate::signature::{Requirement, Subject};

impl RegistryClient {
    /// Returns the names under which an image is asked for, in this order.
    pub(super) fn asked_as(&self, image: &ImageName) -> Result<Vec<ImageName>, Failure> {
        let mirror = self.host_settings.get(image.host()).and_then(|settings| settings.mirror.as_ref());
        let Some(mirror) = mirror else { return Ok(vec![image.clone()]) };
        let path = if mirror.path.is_empty() { String::new() } else { format!("{}/", mirror.path) };
        let name = format!("{}/{path}{}", mirror.host, image.path());
        let mirrored = name.parse().map_err(|_not_a_name| Failure::Host(name))?;
        Ok(if mirror.fallback { vec![mirrored, image.clone()] } else { vec![mirrored] })
    }

    /// Returns the complete list of an image's tags, from wherever it is asked for.
    ///
    /// What a mirror's pages were known by says nothing about the upstream's, so mirrored lists are asked for whole.
    pub(super) async fn tags_wherever(&self, image: &ImageName, earlier: Option<&[u8]>) -> Result<Listed, Failure> {
        let mut names = self.asked_as(image)?;
        if names.first() == Some(image) {
            return self.tags_of(image, earlier).await;
        }
        let last = names.pop();
        for name in names {
            match self.tags_of(&name, None).await {
                Err(failure) if is_no_help(&failure) => tell(&name, &failure),
                answer => return answer.map(forgotten),
            }
        }
        self.tags_of(last.as_ref().unwrap_or(image), None).await.map(forgotten)
    }

    /// Returns facts about one tag, from wherever its image is asked for; about the image of a digest where that is
    /// known.
    pub(super) async fn facts_wherever(
        &self,
        image: &ImageName,
        tag: &Tag,
        kind: FactKind,
        digest: Option<&Digest>,
    ) -> Result<TagFacts, Failure> {
        self.count_inspection(kind)?;
        let mut names = self.asked_as(image)?;
        if kind == FactKind::Pushed && names.first() != Some(image) {
            // A mirror knows when it fetched a tag, and the upstream's API is not to be asked.
            return Ok(TagFacts::default());
        }
        let last = names.pop();
        for name in names {
            match self.facts_of(&name, tag, kind, digest).await {
                Err(failure) if is_no_help(&failure) => tell(&name, &failure),
                answer => return answer,
            }
        }
        self.facts_of(last.as_ref().unwrap_or(image), tag, kind, digest).await
    }

    /// Returns what the signatures say, from wherever the image is asked for.
    ///
    /// A mirror need not hold signatures: where the upstream may be asked, it is asked for those that are missing.
    pub(super) async fn verdict_wherever(
        &self,
        subject: &Subject<'_>,
        by: &Requirement,
    ) -> Result<SignatureVerdict, Failure> {
        let mut names = self.asked_as(subject.image)?;
        let last = names.pop();
        for name in names {
            match self.verdict_at(&name, subject, by).await {
                Err(failure) if is_no_help(&failure) => tell(&name, &failure),
                Ok(SignatureVerdict::Missing) => {}
                answer => return answer,
            }
        }
        self.verdict_at(last.as_ref().unwrap_or(subject.image), subject, by).await
    }
}

fn forgotten(listed: Listed) -> Listed {
    Listed { pages: Pages::Forgotten, ..listed }
}

/// Whether a mirror's failure leaves the question open: it cannot be reached, or does not know the image. Refused
/// credentials, nonsense and caps do not: they are for the operator to see.
fn is_no_help(failure: &Failure) -> bool {
    match failure {
        Failure::Down { .. } | Failure::NotFound { .. } => true,
        Failure::Http(HttpError::Deadline { .. } | HttpError::Server { .. }) => true,
        Failure::Http(error) => error.advice() != Advice::GiveUp,
        _ => false,
    }
}

fn tell(name: &ImageName, failure: &Failure) {
    tracing::warn!(mirror = %name, %failure, "the mirror does not help, the registry itself is asked");
}
