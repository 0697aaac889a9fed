//! Spellings: tags that a policy takes for one version.
//!
//! The entry point is [`is_one_version`]. What is held, or was taken back, under one of them comes under no other one.

use std::cmp::Ordering;

use crate::model::hold;
use crate::model::image::Tag;
use crate::model::policy::{Policy, Select};
use crate::policy::calver;
use crate::policy::family::Shape;
use crate::policy::pattern::{Extracted, Extractor};

/// What a policy reads in a tag.
struct Read<'a> {
    compared: &'a str,
    shape: Option<Shape<'a>>,
    variant: Option<Shape<'a>>,
    is_matched: bool,
}

/// Whether two tags are one version to a policy: the same but for a `v` before it, or equal in what it compares and alike
/// in what it does not.
pub fn is_one_version(policy: &Policy, one: &Tag, other: &Tag) -> bool {
    if hold::version(one.as_str()) == hold::version(other.as_str()) {
        return true;
    }
    let (one, other) = (read(policy, one.as_str()), read(policy, other.as_str()));
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

fn read<'a>(policy: &Policy, text: &'a str) -> Read<'a> {
    let mut extractor = policy.tags.as_ref().map(Extractor::new);
    let (compared, is_matched) = match extractor.as_mut().map(|extractor| extractor.extract(text)) {
        None => (text, true),
        Some(Extracted::Compared(compared)) => (compared, true),
        Some(Extracted::NotMatched) => (text, false),
    };
    let variant = extractor.filter(|_| is_matched).and_then(|extractor| extractor.variant(text));
    let shape = match &policy.select {
        Select::Calver(Some(format)) => calver::read(compared, format),
        _ => Shape::parse(compared),
    };
    Read { compared, shape, variant: variant.and_then(Shape::parse), is_matched }
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
            ("numeric=asc tags=^main-[a-f0-9]+-(?<version>[0-9]+)$", "main-ab12-7", "main-cd34-7", true),
            ("numeric=asc tags=^main-[a-f0-9]+-(?<version>[0-9]+)$", "main-ab12-7", "main-ab12-8", false),
            ("alphabetical=asc tags=^(?<version>[a-z]+)-[0-9]$", "blue-1", "blue-2", true),
            ("alphabetical=asc", "blue", "green", false),
            ("newest=true", "1.3.0", "1.3", false),
        ] {
            assert_eq!(is_one(policy, one, other), expected, "{policy}: {one} {other}");
            assert_eq!(is_one(policy, other, one), expected, "{policy}: {other} {one}");
        }
    }
}
