//! Decisions: which tag an environment should run, and why not each of the others.
//!
//! Owns the data; `crate::decide` makes them.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

use crate::model::environment::EnvironmentName;
use crate::model::image::{ImageName, Tag};
use crate::model::policy::{Policy, Step};
use crate::model::rejections::Rejections;
use crate::model::signature::SignatureWant;
use crate::model::site::Value;
use crate::model::tags::{FactKind, Platform};

/// Why a tag was not chosen. Prints as one short phrase.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Reason {
    /// It is the one in use.
    InUse,
    /// It reads as no version, or not as what the policy orders by.
    NotAVersion,
    /// The tag in use gives nothing to compare with: `latest` under a range, or no tag at all.
    NothingToCompare,
    /// Not the moving tag whose digest the policy follows.
    NotFollowed,
    /// Another prefix, number of parts or variant than the one in use.
    NotInFamily,
    /// The policy's `tags` does not match.
    NotMatched,
    /// One of the policy's `ignore` matches.
    Ignored,
    /// Outside of the range, or a larger step than allowed.
    OutOfRange,
    /// A pre-release that nothing asks for.
    PreRelease,
    /// Lower than the version in use.
    Lower,
    /// Created before the one in use, where the policy orders by age.
    Older,
    /// Allowed, but another one wins.
    Outranked,
    /// The same version in another spelling.
    SameVersion,
    /// Known for too short a time.
    TooYoung {
        /// When it is old enough.
        until: Timestamp,
        /// Why that counts from when it was first seen although somebody may know when it was pushed; in words.
        untold: Option<Arc<str>>,
    },
    /// Neither the registry nor a cache tells how old it is.
    AgeUnknown,
    /// The image is not there for a platform.
    PlatformMissing(Platform),
    /// No signature yet.
    SignatureMissing,
    /// Signed, but not by whom the policy names, or in a way that does not hold; in words.
    SignatureWrong(Arc<str>),
    /// Not what the environment before this one runs.
    NotBefore,
    /// It runs in an environment before, or ran there where that counts, and another one comes first: it still soaks, or stands at
    /// other places.
    NotNext,
    /// A person took it back or holds it; who, when and why, in words.
    Held(Arc<str>),
    /// Older than what failed there and went back; what, when and until when, in words.
    Behind(Arc<str>),
    /// Another build of the very version that is held or was taken back, and not known to be newer; of which, in words.
    OtherBuild(Arc<str>),
    /// A fact that the policy needs could not be had; in words.
    Unknown(Arc<str>),
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse => write!(formatter, "in use"),
            Self::NotAVersion => write!(formatter, "not a version"),
            Self::NothingToCompare => write!(formatter, "tag in use is no such version"),
            Self::NotFollowed => write!(formatter, "not the tag that is followed"),
            Self::NotInFamily => write!(formatter, "not in family"),
            Self::NotMatched => write!(formatter, "not matched by tags"),
            Self::Ignored => write!(formatter, "ignored"),
            Self::OutOfRange => write!(formatter, "out of range"),
            Self::PreRelease => write!(formatter, "pre-release"),
            Self::Lower => write!(formatter, "lower than in use"),
            Self::Older => write!(formatter, "created before the one in use"),
            Self::Outranked => write!(formatter, "lower than chosen"),
            Self::SameVersion => write!(formatter, "same version as in use"),
            Self::TooYoung { until, untold: None } => write!(formatter, "too young until {until}"),
            Self::TooYoung { until, untold: Some(why) } => {
                write!(formatter, "too young until {until}, counted from when it was first seen: {why}")
            }
            Self::AgeUnknown => {
                write!(
                    formatter,
                    "age unknown: the registry does not tell it, and no cache keeps since when it is known"
                )
            }
            Self::PlatformMissing(platform) => write!(formatter, "no {platform}"),
            Self::SignatureMissing => write!(formatter, "not signed yet"),
            Self::SignatureWrong(why) => write!(formatter, "{why}"),
            Self::NotBefore => write!(formatter, "not in the environment before"),
            Self::NotNext => write!(formatter, "in an environment before, now or earlier, and not what comes next"),
            Self::Held(why) => write!(formatter, "held: {why}"),
            Self::Behind(what) => write!(formatter, "older than {what}"),
            Self::OtherBuild(what) => write!(formatter, "another build of {what}, and not known to be newer"),
            Self::Unknown(what) => write!(formatter, "{what}"),
        }
    }
}

/// What a decision is about: one image at one value, in one environment, under one policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The image.
    pub image: ImageName,
    /// The environment.
    pub environment: EnvironmentName,
    /// The policy.
    pub policy: Arc<Policy>,
    /// What stands there now.
    pub current: Value,
    /// The sites that ask it, as positions in the observation.
    pub sites: Vec<usize>,
    /// Where its candidates come from.
    pub origin: Origin,
}

/// Where an environment takes its versions from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Origin {
    /// From the registry's list.
    #[default]
    Registry,
    /// From the environments before it.
    Before,
}

/// What was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing better exists.
    Keep,
    /// Something better exists.
    Move {
        /// The tag, and the digest where one stands or the policy pins.
        to: Value,
        /// The largest part that changes, where both are versions.
        step: Option<Step>,
    },
    /// Facts are missing; this pass leaves the image alone. The reason in words.
    Undecided(String),
}

/// An answer to a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The question.
    pub question: Question,
    /// The answer.
    pub verdict: Verdict,
    /// Every listed tag that was not chosen, in the order of the list.
    pub rejected: Rejections,
}

impl Decision {
    /// Returns the chosen tag, where there is one.
    pub fn chosen(&self) -> Option<&Tag> {
        match &self.verdict {
            Verdict::Move { to, .. } => to.tag.as_ref(),
            Verdict::Keep | Verdict::Undecided(_) => None,
        }
    }
}

/// A fact that has to be observed before a decision can be made.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Want {
    /// Of which image.
    pub image: ImageName,
    /// Of which tag.
    pub tag: Tag,
    /// Which fact.
    pub kind: FactKind,
}

/// What one round of deciding gave: answers, and what has to be observed before the others can be given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decided {
    /// One for each question, in a stable order.
    pub decisions: Vec<Decision>,
    /// Facts to observe; empty, as `signatures`, when the decisions are final.
    pub wants: Vec<Want>,
    /// Signatures to check.
    pub signatures: Vec<SignatureWant>,
    /// Histories to read; empty when the decisions are final.
    pub pasts: BTreeSet<(EnvironmentName, ImageName)>,
}

impl Decided {
    /// Returns the images of which something is still to be observed; none when all decisions are final.
    pub fn lacking(&self) -> BTreeSet<ImageName> {
        let wants = self.wants.iter().map(|want| &want.image);
        let signatures = self.signatures.iter().map(|want| &want.image);
        wants.chain(signatures).chain(self.pasts.iter().map(|(_, image)| image)).cloned().collect()
    }
}
