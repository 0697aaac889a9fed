//! Facts beyond a tag's name: digest, age, platforms, signatures. What is missing is asked for, never guessed.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use crate::model::decision::{Reason, Want};
use crate::model::image::{Digest, ImageName, Tag};
use crate::model::observation::Observation;
use crate::model::policy::Policy;
use crate::model::signature::{SignatureVerdict, SignatureWant, Verify};
use crate::model::tags::{FactKind, ImageTags, Platform, TagFacts};
use crate::policy::platform;

/// Why a fact is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Missing {
    /// It has been asked for now.
    Asked,
    /// It was asked for and could not be had, in words.
    Failed(String),
}

/// What the facts say of a candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Finding {
    Fits,
    Unfit(Reason),
    Missing(Missing),
}

/// The facts of one image, and what is asked for.
pub(super) struct Facts<'a> {
    pub(super) image: &'a ImageName,
    pub(super) tags: &'a ImageTags,
    pub(super) observation: &'a Observation,
    pub(super) wants: &'a mut BTreeSet<Want>,
    pub(super) signatures: &'a mut BTreeSet<SignatureWant>,
}

impl Facts<'_> {
    fn of(&self, tag: &Tag) -> Option<&TagFacts> {
        self.tags.facts.get(tag)
    }

    fn ask(&mut self, tag: &Tag, kind: FactKind) -> Missing {
        let want = Want { image: self.image.clone(), tag: tag.clone(), kind };
        if let Some(reason) = self.observation.failed.get(&want) {
            return Missing::Failed(reason.clone());
        }
        self.wants.insert(want);
        Missing::Asked
    }

    /// Returns the digest that a tag points to.
    pub(super) fn digest(&mut self, tag: &Tag) -> Result<Digest, Missing> {
        match self.of(tag).and_then(|facts| facts.digest.clone()) {
            Some(digest) => Ok(digest),
            None => Err(self.ask(tag, FactKind::Digest)),
        }
    }

    /// Returns an image's creation time; `None` where the image names none.
    pub(super) fn created(&mut self, tag: &Tag) -> Result<Option<Timestamp>, Missing> {
        match self.of(tag) {
            // Creation time and platforms come together, so platforms tell that both were asked for.
            Some(facts) if facts.created.is_some() || facts.platforms.is_some() => Ok(facts.created),
            _ => Err(self.ask(tag, FactKind::Image)),
        }
    }

    /// Judges a candidate by everything that its name does not tell. Cheap objections come first.
    pub(super) fn examine(&mut self, tag: &Tag, policy: &Policy) -> Finding {
        if let Some(least) = policy.min_age {
            // The creation time does not count: the image's author writes it.
            let Some(pushed) = self.of(tag).and_then(|facts| facts.pushed) else {
                return Finding::Unfit(Reason::AgeUnknown);
            };
            match pushed.checked_add(least) {
                Ok(until) if until > self.observation.now => return Finding::Unfit(Reason::TooYoung { until }),
                Ok(_) => {}
                Err(_) => return Finding::Unfit(Reason::TooYoung { until: Timestamp::MAX }),
            }
        }
        match self.lacks_platform(tag, policy) {
            Ok(None) => {}
            Ok(Some(platform)) => return Finding::Unfit(Reason::PlatformMissing(platform)),
            Err(missing) => return Finding::Missing(missing),
        }
        match &policy.verify {
            None => Finding::Fits,
            Some(verify) => match self.digest(tag) {
                Ok(digest) => self.signature(tag, digest, verify),
                Err(missing) => Finding::Missing(missing),
            },
        }
    }

    /// Judges the signatures of some content that is or was a tag's.
    pub(super) fn signature(&mut self, tag: &Tag, digest: Digest, verify: &Arc<Verify>) -> Finding {
        let want = SignatureWant { image: self.image.clone(), tag: tag.clone(), digest, verify: Arc::clone(verify) };
        match self.observation.signatures.get(&want) {
            Some(Ok(SignatureVerdict::Signed)) => Finding::Fits,
            Some(Ok(SignatureVerdict::Missing)) => Finding::Unfit(Reason::SignatureMissing),
            Some(Ok(SignatureVerdict::Wrong(why))) => Finding::Unfit(Reason::SignatureWrong(Arc::clone(why))),
            Some(Err(reason)) => Finding::Missing(Missing::Failed(reason.clone())),
            None => {
                self.signatures.insert(want);
                Finding::Missing(Missing::Asked)
            }
        }
    }

    /// Returns a platform that the policy asks for and the image has not.
    fn lacks_platform(&mut self, tag: &Tag, policy: &Policy) -> Result<Option<Platform>, Missing> {
        if policy.platforms.is_empty() {
            return Ok(None);
        }
        let Some(available) = self.of(tag).and_then(|facts| facts.platforms.as_ref()) else {
            return Err(self.ask(tag, FactKind::Image));
        };
        let lacks = |wanted: &&_| !available.iter().any(|one| platform::satisfies(one, wanted));
        Ok(policy.platforms.iter().find(lacks).cloned())
    }
}

/// Whether a policy judges by more than names.
pub(super) fn needs_facts(policy: &Policy) -> bool {
    policy.verify.is_some() || policy.min_age.is_some() || !policy.platforms.is_empty()
}
