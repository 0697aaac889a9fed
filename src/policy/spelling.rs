//! Spellings: tags that a policy takes for one version.
//!
//! Entry points: [`Alike`], the one question whether a hold means a version, and [`is_one_version`]. What is held, or was taken back,
//! under one spelling comes under no other one.

use std::cmp::Ordering;

use jiff::Timestamp;

use crate::model::environment::EnvironmentName;
use crate::model::hold::{self, Hold};
use crate::model::image::{Digest, ImageName, Tag};
use crate::model::policy::{Policy, Select};
use crate::model::site::Value;
use crate::model::tags::{ImageTags, TagFacts};
use crate::policy::calver;
use crate::policy::family::Shape;
use crate::policy::pattern::{Extracted, Extractor};

/// The shortest id of a commit that Git writes, in characters.
const SHORTEST_ID: usize = 7;

/// What the versions of an image are compared by: the policies under which it stands, and what is known of its tags.
#[derive(Debug, Clone)]
pub struct Alike<'a> {
    /// The policies; two versions are one as soon as any of them says so.
    pub policies: Vec<&'a Policy>,
    /// What was asked about its tags, where anything was.
    pub tags: Option<&'a ImageTags>,
}

impl Alike<'_> {
    /// Whether what stood somewhere and a value are one: the same version to a policy, or the same content, as far as that is known.
    ///
    /// What stood is known by the digest that stood there alone: where its tag points today says nothing of it.
    pub fn is_one(&self, stood: &Value, value: &Value) -> bool {
        self.is_same_version(stood, value)
            || stood.digest.as_ref().is_some_and(|digest| self.digest(value) == Some(digest))
    }

    fn is_same_version(&self, one: &Value, other: &Value) -> bool {
        let (Some(tag), Some(with)) = (&one.tag, &other.tag) else { return false };
        self.policies.iter().any(|policy| match &policy.select {
            Select::Newest if is_version(policy, tag) && self.created(one).is_some() => {
                self.created(one) == self.created(other)
            }
            _ => is_one_version(policy, tag, with),
        })
    }

    /// Whether a hold names a version: the same one to a policy, or what its tag points to, unless that is a tag that moves.
    fn is_named(&self, tag: &Tag, value: &Value) -> bool {
        let named = Value { tag: Some(tag.clone()), digest: None };
        let is_version = self.policies.iter().any(|policy| is_version(policy, tag));
        let digest = self.digest(&named).filter(|_| is_version);
        self.is_same_version(&named, value) || digest.is_some_and(|digest| self.digest(value) == Some(digest))
    }

    /// Whether a hold means a version of an image where it reaches one of `environments`: the environment itself and all before it.
    pub fn is_held(
        &self,
        hold: &Hold,
        environments: &[&EnvironmentName],
        (image, value): (&ImageName, &Value),
        now: Timestamp,
    ) -> bool {
        hold.reaches(environments, image, now)
            && match &hold.digest {
                Some(digest) => self.digest(value) == Some(digest),
                None => value.tag.as_ref().is_some_and(|tag| hold.is_of(tag) || self.is_named(&hold.tag, value)),
            }
    }

    fn facts(&self, value: &Value) -> Option<&TagFacts> {
        self.tags?.facts.get(value.tag.as_ref()?)
    }

    fn digest<'v>(&'v self, value: &'v Value) -> Option<&'v Digest> {
        value.digest.as_ref().or_else(|| self.facts(value)?.digest.as_ref())
    }

    fn created(&self, value: &Value) -> Option<Timestamp> {
        self.facts(value)?.created
    }
}

/// What a policy reads in a tag.
struct Read<'a> {
    compared: &'a str,
    /// What stands beside what is compared.
    beside: [&'a str; 3],
    shape: Option<Shape<'a>>,
    variant: Option<Shape<'a>>,
    is_matched: bool,
}

impl Read<'_> {
    /// Whether the tags name different builds of what is compared, by a commit, a number or a time: each stands for bytes of its own.
    fn is_another_build(&self, other: &Self) -> bool {
        let hash = |read: &Self| read.shape.and_then(|shape| shape.hash());
        if hash(self).zip(hash(other)).is_some_and(|(one, other)| one != other) {
            return true;
        }
        let differs = |one: &str, other: &str| {
            let mut words = words(one).zip(words(other));
            words.any(|(one, other)| one != other && is_of_build(one) && is_of_build(other))
        };
        let is_as_long = |one: &str, other: &str| words(one).count() == words(other).count();
        let mut beside = self.beside.into_iter().zip(other.beside);
        beside.any(|(one, other)| is_as_long(one, other) && differs(one, other))
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|character: char| !character.is_ascii_alphanumeric()).filter(|word| !word.is_empty())
}

/// Whether a word names a build: it has a number, or is a commit's id without any.
fn is_of_build(word: &str) -> bool {
    let is_hexadecimal = || word.len() >= SHORTEST_ID && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    word.bytes().any(|byte| byte.is_ascii_digit()) || is_hexadecimal()
}

/// Whether two tags are one version to a policy: the same but for a `v` before it, or equal in what it compares and alike
/// in what it does not.
pub fn is_one_version(policy: &Policy, one: &Tag, other: &Tag) -> bool {
    if hold::version(one.as_str()) == hold::version(other.as_str()) {
        return true;
    }
    let (one, other) = (read(policy, one.as_str()), read(policy, other.as_str()));
    if one.is_another_build(&other) {
        return false;
    }
    match &policy.select {
        // By age and by digest, names say nothing.
        Select::Newest | Select::Digest(_) => false,
        Select::Alphabetical(_) => {
            policy.tags.is_some() && one.is_matched && other.is_matched && one.compared == other.compared
        }
        Select::Range(_) | Select::Step(_) | Select::Calver(_) | Select::Numeric(_) => {
            let Some((shape, with)) = one.shape.zip(other.shape) else { return false };
            let belongs = match &policy.tags {
                Some(_) => shape.is_kin(&with),
                None => shape.is_family(&with),
            };
            let variants = one.variant.zip(other.variant).map_or(Ordering::Equal, |(one, other)| one.order(&other));
            belongs && shape.order(&with).then(variants) == Ordering::Equal
        }
    }
}

/// Whether a policy takes a tag for a version, and not for a name that moves from one to the next.
fn is_version(policy: &Policy, tag: &Tag) -> bool {
    let read = read(policy, tag.as_str());
    read.is_matched && !matches!(policy.select, Select::Digest(_)) && (policy.tags.is_some() || read.shape.is_some())
}

fn read<'a>(policy: &Policy, text: &'a str) -> Read<'a> {
    let mut extractor = policy.tags.as_ref().map(Extractor::new);
    let (compared, is_matched) = match extractor.as_mut().map(|extractor| extractor.extract(text)) {
        None => (text, true),
        Some(Extracted::Compared(compared)) => (compared, true),
        Some(Extracted::NotMatched) => (text, false),
    };
    let extractor = extractor.filter(|_| is_matched);
    let variant = extractor.as_ref().and_then(|extractor| extractor.variant(text));
    let beside = extractor.and_then(|extractor| extractor.beside(text)).unwrap_or_default();
    let shape = match &policy.select {
        Select::Calver(Some(format)) => calver::read(compared, format),
        _ => Shape::parse(compared),
    };
    Read { compared, beside, shape, variant: variant.and_then(Shape::parse), is_matched }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::site::Marker;
    use crate::policy::inline;

    #[test]
    fn one_version_has_the_spellings_that_its_policy_takes_for_equal() {
        let is_one = |policy: &str, one: &str, other: &str| {
            let Some(Marker::Policy(policy)) = inline::read(policy).marker else { panic!("{policy}") };
            is_one_version(&policy, &one.parse().unwrap(), &other.parse().unwrap())
        };
        let by_group = "semver=1.x tags=^v(?<version>[0-9.]+)$";
        for (policy, one, other, expected) in [
            (by_group, "v1.3.0", "v1.3", true),
            (by_group, "v1.3.0", "v1.3.1", false),
            (by_group, "v1.3.0", "1.3.0", true),
            ("semver=1.x tags=^(?<version>[0-9.]+)(-r[0-9]+)?$", "1.3.0", "1.3.0-r1", true),
            ("semver=1.x tags=^[0-9]", "1.3.0", "1.3.0-alpine", false),
            ("semver=1.x", "1.3.0", "v1.3.0", true),
            // Another family, which stands for other bytes.
            ("semver=1.x", "1.3.0", "1.3.0-alpine", false),
            ("semver=1.x", "1.3.0", "1.3", false),
            ("semver=1.x", "1.3.0-2", "1.3.0-3", false),
            (
                "semver=1.x tags=^(?<version>[0-9.]+)-alpine(?<variant>[0-9.]*)$",
                "1.3-alpine3.19",
                "1.3.0-alpine3.20",
                false,
            ),
            // Other builds of a version, which stand for other bytes, too.
            ("numeric=asc tags=^main-[a-f0-9]+-(?<version>[0-9]+)$", "main-ab12-7", "main-cd34-7", false),
            ("numeric=asc tags=^main-[a-f0-9]+-(?<version>[0-9]+)$", "main-ab12-7", "main-ab12-07", true),
            ("numeric=asc tags=^(?<version>[0-9]{8})-[a-f0-9]+$", "20261120-bbb2222", "20261120-ccc3333", false),
            ("numeric=asc tags=^(?<version>[0-9]{8})-[a-f0-9]+$", "20261120-abcdefa", "20261120-bcdefab", false),
            ("numeric=asc tags=^(?<version>[0-9]{8})\\.b[0-9]+$", "20261120.b17", "20261120.b18", false),
            ("calver=true", "20261120-bbb2222", "20261120-ccc3333", false),
            (
                "semver=1.x tags=^(?<version>[0-9.]+)-alpine(?<variant>[0-9.]+)-[a-f0-9]+$",
                "1.5.0-alpine3.19-bbb2222",
                "1.5.0-alpine3.19-ccc3333",
                false,
            ),
            ("semver=1.x", "1.5.0-bbb2222", "1.5.0-ccc3333", false),
            ("semver=1.x tags=^[0-9.]+-[a-f0-9]+$", "1.5.0-bbb2222", "1.5.0-ccc3333", false),
            ("semver=1.x tags=^[0-9.]+-[a-f0-9]+$", "1.5.0-bbb2222", "1.5-bbb2222", true),
            ("semver=1.x tags=^(?<version>[0-9.]+)-[a-z0-9]+$", "1.5.0-bbb2222", "1.5-bbb2222", true),
            ("numeric=asc tags=^main-[a-f0-9]+-(?<version>[0-9]+)$", "main-ab12-7", "main-ab12-8", false),
            ("alphabetical=asc tags=^(?<version>[a-z]+)-[0-9]$", "blue-1", "blue-2", false),
            ("alphabetical=asc tags=^(?<version>[a-z]+)-(eu|us)$", "blue-eu", "blue-us", true),
            ("alphabetical=asc", "blue", "green", false),
            ("newest=true", "1.3.0", "1.3", false),
        ] {
            assert_eq!(is_one(policy, one, other), expected, "{policy}: {one} {other}");
            assert_eq!(is_one(policy, other, one), expected, "{policy}: {other} {one}");
        }
    }
}
