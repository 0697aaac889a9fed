//! Spellings: tags that a policy takes for one version.
//!
//! Entry points: [`Alike`], the one question whether a hold means a version, [`is_one_version`], and [`other_build`]. What is held, or
//! was taken back, under one spelling comes under no other one; of its builds those alone come that are newer.

use std::cmp::Ordering;
use std::ops::RangeInclusive;

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

/// How long the id of a commit is, in characters: from the shortest that Git writes to all of SHA-256.
const LENGTHS_OF_IDS: RangeInclusive<usize> = 7..=64;

/// The longest release of one of [`GROUNDS`], in digits.
const LONGEST_RELEASE: usize = 4;

/// What versions are built for, where a short number behind it says which: `jdk-17`, `debian-12`. Such a number counts no builds.
const GROUNDS: [&str; 35] = [
    "alpine",
    "centos",
    "corretto",
    "cuda",
    "debian",
    "dotnet",
    "el",
    "fedora",
    "go",
    "golang",
    "java",
    "jdk",
    "jre",
    "k8s",
    "kubernetes",
    "ltsc",
    "mariadb",
    "mysql",
    "node",
    "nodejs",
    "openjdk",
    "pg",
    "php",
    "postgres",
    "postgresql",
    "py",
    "python",
    "rhel",
    "rocky",
    "ruby",
    "scala",
    "temurin",
    "ubi",
    "ubuntu",
    "zulu",
];

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
    /// Compares the builds of what is compared that two tags name, by a commit, a number or a time; `None` where they name no two: each
    /// build stands for bytes of its own, and everything else beside a version makes no other one.
    fn order_builds(&self, other: &Self) -> Option<BuildOrder> {
        let hash = |read: &Self| read.shape.and_then(|shape| shape.hash());
        let differs = hash(self).zip(hash(other)).is_some_and(|(one, other)| one != other);
        let mut orders: Vec<BuildOrder> = differs.then_some(BuildOrder::Unknown).into_iter().collect();
        for (one, other) in self.beside.into_iter().zip(other.beside) {
            let (one, other) = (words(one), words(other));
            if one.len() != other.len() {
                continue;
            }
            let is_behind = |words: &[&str], at: usize| at > 0 && is_ground(words[at - 1]) && is_release(words[at]);
            let behind_ground = |at: usize| is_behind(&one, at) && is_behind(&other, at);
            let counting = (0..one.len()).filter(|at| !behind_ground(*at));
            orders.extend(counting.filter_map(|at| order_words(one[at], other[at])));
        }
        let ordered = orders.iter().copied().find(|order| *order != BuildOrder::Unknown);
        ordered.or_else(|| orders.first().copied())
    }

    /// Whether two tags are equal in what a policy compares, and alike in what it does not but for the names of builds.
    fn is_equal(&self, other: &Self, policy: &Policy) -> bool {
        match &policy.select {
            // By age and by digest, names say nothing.
            Select::Newest | Select::Digest(_) => false,
            Select::Alphabetical(_) => {
                policy.tags.is_some() && self.is_matched && other.is_matched && self.compared == other.compared
            }
            Select::Range(_) | Select::Step(_) | Select::Calver(_) | Select::Numeric(_) => {
                let Some((shape, with)) = self.shape.zip(other.shape) else { return false };
                let belongs = match &policy.tags {
                    Some(_) => shape.is_kin(&with),
                    None => shape.is_family(&with),
                };
                let variants =
                    self.variant.zip(other.variant).map_or(Ordering::Equal, |(one, other)| one.order(&other));
                belongs && shape.order(&with).then(variants) == Ordering::Equal
            }
        }
    }
}

/// How another build of a version stands to one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuildOrder {
    /// Its number is smaller.
    Older,
    /// Its number is greater.
    Newer,
    /// The ids of commits have no order.
    Unknown,
}

/// Splits what stands beside a version into words. Numbers with dots between them are one: `alpine3.19` and `22.04` name what a build
/// is made for.
fn words(text: &str) -> Vec<&str> {
    let is_digit = |at: usize| text.as_bytes().get(at).is_some_and(u8::is_ascii_digit);
    let joins = |at: usize| at > 0 && is_digit(at - 1) && is_digit(at + 1);
    let mut found = Vec::new();
    let mut start = 0;
    for (at, character) in text.char_indices().chain([(text.len(), '-')]) {
        if !(character.is_ascii_alphanumeric() || (character == '.' && joins(at))) {
            found.extend(text.get(start..at).filter(|word| !word.is_empty()));
            start = at + character.len_utf8();
        }
    }
    found
}

/// Whether a word names what a version is built for.
fn is_ground(word: &str) -> bool {
    GROUNDS.iter().any(|ground| word.eq_ignore_ascii_case(ground))
}

/// Whether a word may be the release of what a version is built for: a short number, and neither a date nor the id of a commit.
fn is_release(word: &str) -> bool {
    word.len() <= LONGEST_RELEASE && word.bytes().all(|byte| byte.is_ascii_digit())
}

/// What a word names a build by.
#[derive(PartialEq, Eq)]
enum Build<'a> {
    /// A number, perhaps with a letter before it: `17`, `r2`, `b17`.
    Number(&'a str, &'a str),
    /// The id of a commit.
    Id,
}

impl<'a> Build<'a> {
    /// Reads a word; `None` where it names no build, as `jdk17`, `alpine3` and `amd64` do not.
    fn read(word: &'a str) -> Option<Self> {
        let letters = word.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (letter, digits) = word.split_at(letters);
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        // As `git describe` writes it.
        let id = word.strip_prefix('g').unwrap_or(word);
        let is_id = LENGTHS_OF_IDS.contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        match letters {
            0 if is_number => Some(Self::Number(letter, digits)),
            _ if is_id => Some(Self::Id),
            1 if is_number => Some(Self::Number(letter, digits)),
            _ => None,
        }
    }
}

/// Compares two words; `None` unless they name two builds.
fn order_words(one: &str, other: &str) -> Option<BuildOrder> {
    if one == other {
        return None;
    }
    match (Build::read(one)?, Build::read(other)?) {
        (Build::Number(letter, one), Build::Number(with, other)) if letter.eq_ignore_ascii_case(with) => {
            let (one, other) = (one.trim_start_matches('0'), other.trim_start_matches('0'));
            match one.len().cmp(&other.len()).then_with(|| one.cmp(other)) {
                Ordering::Less => Some(BuildOrder::Older),
                Ordering::Equal => None,
                Ordering::Greater => Some(BuildOrder::Newer),
            }
        }
        _ => Some(BuildOrder::Unknown),
    }
}

/// Says how a tag stands to another one where the two are builds of what a policy takes for one version; `None` where they are not, or
/// are the same one.
pub fn other_build(policy: &Policy, tag: &Tag, other: &Tag) -> Option<BuildOrder> {
    if hold::version(tag.as_str()) == hold::version(other.as_str()) {
        return None;
    }
    let (tag, other) = (read(policy, tag.as_str()), read(policy, other.as_str()));
    tag.order_builds(&other).filter(|_| tag.is_equal(&other, policy))
}

/// Whether two tags are one version to a policy: the same but for a `v` before it, or equal in what it compares and alike
/// in what it does not.
pub fn is_one_version(policy: &Policy, one: &Tag, other: &Tag) -> bool {
    if hold::version(one.as_str()) == hold::version(other.as_str()) {
        return true;
    }
    let (one, other) = (read(policy, one.as_str()), read(policy, other.as_str()));
    one.order_builds(&other).is_none() && one.is_equal(&other, policy)
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
            ("numeric=asc tags=^main-[a-f0-9]+-(?<version>[0-9]+)$", "main-bbb2222-7", "main-ccc3333-7", false),
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
            // What a version is built for makes it no other one.
            ("semver=1.x tags=^(?<version>[0-9.]+)-jdk(17|21)$", "1.5.0-jdk17", "1.5.0-jdk21", true),
            ("semver=1.x tags=^(?<version>[0-9.]+)-jdk-(17|21)$", "1.5.0-jdk-17", "1.5.0-jdk-21", true),
            ("semver=1.x tags=^(?<version>[0-9.]+)-JDK-(17|21)$", "1.5.0-JDK-17", "1.5.0-JDK-21", true),
            ("semver=1.x tags=^(?<version>[0-9.]+)-[a-z]+-[0-9]+$", "1.5.0-debian-12", "1.5.0-ubi-9", true),
            ("semver=1.x tags=^(?<version>[0-9.]+)-[a-z]+-[0-9]+$", "1.5.0-build-17", "1.5.0-build-18", false),
            (
                "semver=1.x tags=^(?<version>[0-9.]+)-debian-1[0-9]-r[0-9]$",
                "1.5.0-debian-11-r2",
                "1.5.0-debian-12-r2",
                true,
            ),
            // What else stands behind what it is built for is a build: a revision, the id of a commit, a date.
            ("semver=1.x tags=^(?<version>[0-9.]+)-alpine-r[0-9]+$", "1.5.0-alpine-r2", "1.5.0-alpine-r3", false),
            ("semver=1.x tags=^(?<version>[0-9.]+)-node-[a-f0-9]+$", "1.5.0-node-bbb2222", "1.5.0-node-ccc3333", false),
            (
                "semver=1.x tags=^(?<version>[0-9.]+)-alpine-[0-9]+$",
                "1.5.0-alpine-20261108",
                "1.5.0-alpine-20261120",
                false,
            ),
            // Without a group that frees it, another one is another line.
            ("semver=1.x", "1.5.0-jdk-17", "1.5.0-jdk-21", false),
            ("semver=1.x tags=^(?<version>[0-9.]+)-alpine[0-9.]+$", "1.5.0-alpine3.19", "1.5.0-alpine3.20", true),
            ("semver=1.x tags=^(?<version>[0-9.]+)-ubuntu-[0-9.]+$", "1.5.0-ubuntu-22.04", "1.5.0-ubuntu-24.04", true),
            ("semver=1.x tags=^(?<version>[0-9.]+)-(amd|arm)64$", "1.5.0-amd64", "1.5.0-arm64", true),
            (
                "semver=1.x tags=^(?<version>[0-9.]+)-debian1[0-9]-r[0-9]$",
                "1.5.0-debian11-r2",
                "1.5.0-debian12-r2",
                true,
            ),
            ("semver=1.x tags=^(?<version>[0-9.]+)-r[0-9]+$", "1.5.0-r2", "1.5.0-r02", true),
            ("semver=1.x tags=^(?<version>[0-9.]+)-jdk(17|21)-r[0-9]$", "1.5.0-jdk17-r2", "1.5.0-jdk21-r3", false),
            ("semver=1.x tags=^(?<version>[0-9.]+)-g[a-f0-9]+$", "1.5.0-gbbb2222", "1.5.0-gccc3333", false),
        ] {
            assert_eq!(is_one(policy, one, other), expected, "{policy}: {one} {other}");
            assert_eq!(is_one(policy, other, one), expected, "{policy}: {other} {one}");
        }
    }
    #[test]
    fn builds_of_one_version_are_ordered_by_their_numbers_alone() {
        let order = |policy: &str, tag: &str, other: &str| {
            let Some(Marker::Policy(policy)) = inline::read(policy).marker else { panic!("{policy}") };
            other_build(&policy, &tag.parse().unwrap(), &other.parse().unwrap())
        };
        let (older, newer, unknown) = (BuildOrder::Older, BuildOrder::Newer, BuildOrder::Unknown);
        let by_revision = "semver=1.x tags=^(?<version>[0-9.]+)-r[0-9]+$";
        let by_build = "numeric=asc tags=^(?<version>[0-9]{8})[.](build[.])?b?[0-9]+$";
        let by_id = "semver=1.x tags=^(?<version>[0-9.]+)-[a-f0-9]{7}(-[0-9]+)?$";
        for (policy, tag, other, expected, opposite) in [
            (by_revision, "1.3.0-r9", "1.3.0-r10", Some(older), Some(newer)),
            (by_revision, "1.3-r1", "1.3.0-r2", Some(older), Some(newer)),
            (by_revision, "1.3.0-r1", "1.3.1-r2", None, None),
            (by_revision, "1.3.0-r2", "1.3.0-r02", None, None),
            (by_build, "20261120.b17", "20261120.b18", Some(older), Some(newer)),
            (by_build, "20261120.17", "20261120.18", Some(older), Some(newer)),
            (by_build, "20261120.build.17", "20261120.build.18", Some(older), Some(newer)),
            (by_build, "20261120.17", "20261120.b18", Some(unknown), Some(unknown)),
            (by_id, "1.5.0-bbb2222", "1.5.0-ccc3333", Some(unknown), Some(unknown)),
            (by_id, "1.5.0-1234567", "1.5.0-ccc3333", Some(unknown), Some(unknown)),
            // A number beside the ids tells.
            (by_id, "1.5.0-ccc3333-17", "1.5.0-bbb2222-18", Some(older), Some(newer)),
            (by_id, "1.5.0-b123456", "1.5.0-b234567", Some(unknown), Some(unknown)),
            ("semver=1.x", "1.5.0-bbb2222", "1.5.0-ccc3333", Some(unknown), Some(unknown)),
            ("semver=1.x tags=^(?<version>[0-9.]+)-jdk[0-9]+$", "1.5.0-jdk17", "1.5.0-jdk21", None, None),
            ("semver=1.x tags=^(?<version>[0-9.]+)-jdk-[0-9]+$", "1.5.0-jdk-17", "1.5.0-jdk-21", None, None),
            ("semver=1.x", "1.5.0-jdk-17", "1.5.0-jdk-21", None, None),
            (
                "semver=1.x tags=^(?<version>[0-9.]+)-debian-1[0-9]-r[0-9]$",
                "1.5.0-debian-11-r3",
                "1.5.0-debian-12-r2",
                Some(newer),
                Some(older),
            ),
            // Where the policy itself orders them, they are two versions.
            ("semver=1.x", "1.3.0-r1", "1.3.0-r2", None, None),
            ("newest=true", "main-bbb2222", "main-ccc3333", None, None),
        ] {
            assert_eq!(order(policy, tag, other), expected, "{policy}: {tag} {other}");
            assert_eq!(order(policy, other, tag), opposite, "{policy}: {other} {tag}");
        }
    }
}
