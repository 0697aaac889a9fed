//! `images:` and `groups:`.
//!
//! Owns how a rule's keys become one policy; each grammar is `crate::policy`'s.

use std::sync::Arc;

use crate::config::fault::quote;
use crate::config::reader::{Located, Reader};
use crate::config::repository::raw::{RawCosign, RawGroup, RawPattern, RawRule};
use crate::config::scalars::Line;
use crate::config::shapes::{ShortOrLong, TrueOr};
use crate::model::file::RepoPath;
use crate::model::policy::{Group, Groups, Policy, Rule, Rules, Select};
use crate::model::signature::{SignerName, Verify};

/// How many keys one rule may name: each is tried on every signature.
const MAX_KEYS: usize = 20;

/// Turns `images:` into rules.
pub(crate) fn rules(raw: Vec<Located<RawRule>>, reader: &mut Reader<'_>) -> Rules {
    Rules(raw.into_iter().filter_map(|rule| self::rule(rule.value, reader)).collect())
}

fn rule(raw: RawRule, reader: &mut Reader<'_>) -> Option<Rule> {
    let position = reader.position(raw.at.start);
    let verify = raw.verify.value().and_then(|verify| verify.cosign.value());
    let verify = verify.and_then(|cosign| self::verify(cosign, reader));
    let select = raw
        .semver
        .value()
        .map(|semver| semver.0)
        .or_else(|| {
            raw.calver.value().map(|calver| match calver {
                TrueOr::True => Select::Calver(None),
                TrueOr::Text(format) => Select::Calver(Some(format)),
            })
        })
        .or_else(|| raw.numeric.value().map(Select::Numeric))
        .or_else(|| raw.alphabetical.value().map(Select::Alphabetical))
        .or_else(|| raw.newest.value().map(|_| Select::Newest))
        .or_else(|| {
            raw.digest.value().map(|digest| match digest {
                TrueOr::True => Select::Digest(None),
                TrueOr::Text(tag) => Select::Digest(Some(tag)),
            })
        })?;
    let mut policy = Policy::new(select);
    policy.tags = raw.tags.value();
    policy.ignore =
        raw.ignore.value().map(|list| list.0.into_iter().map(|item| item.value).collect()).unwrap_or_default();
    policy.prerelease = raw.prerelease.value().unwrap_or_default();
    policy.min_age = raw.min_age.value();
    policy.pin = raw.pin.value().unwrap_or_default();
    policy.platforms =
        raw.platforms.value().map(|list| list.0.into_iter().map(|item| item.value).collect()).unwrap_or_default();
    policy.verify = verify.map(Arc::new);
    Some(Rule { images: raw.images.value()?, policy: Arc::new(policy), line: position.line, column: position.column })
}

fn verify(raw: RawCosign, reader: &mut Reader<'_>) -> Option<Verify> {
    for (one, other, names) in [
        (&raw.identity.key, &raw.issuer.key, ("identity", "issuer")),
        (&raw.issuer.key, &raw.identity.key, ("issuer", "identity")),
    ] {
        if let (Some(span), None) = (one, other)
            && !(names.0 == "issuer" && raw.key.is_present())
        {
            reader.fault(span.clone(), format!("`{}` needs `{}` beside it", names.0, names.1), None);
        }
    }
    if let (Some(span), true) = (&raw.issuer.key, raw.key.is_present()) {
        reader.fault(span.clone(), "`issuer` says nothing beside `key`", Some("remove one of them".to_owned()));
    }
    if let Some(given) = raw.key.given {
        let keys = given.value.0;
        if keys.is_empty() || keys.len() > MAX_KEYS {
            let message = format!("{} keys are named, and it takes 1 to {MAX_KEYS}", keys.len());
            reader.fault(given.span, message, None);
        }
        let mut paths = Vec::new();
        for key in &keys {
            match RepoPath::new(&key.value.0) {
                Some(path) => paths.push(path),
                None => {
                    let message = format!("{} is no path within the repository", quote(&key.value.0));
                    reader.fault(key.span.clone(), message, Some("name a file like `keys/cosign.pub`".to_owned()));
                }
            }
        }
        return Some(Verify::CosignKeys(paths));
    }
    Some(Verify::CosignIdentity { identity: signer(raw.identity.value()?)?, issuer: signer(raw.issuer.value()?)? })
}

fn signer(raw: ShortOrLong<Line, RawPattern>) -> Option<SignerName> {
    Some(match raw {
        ShortOrLong::Short(line) => SignerName::Exact(line.0),
        ShortOrLong::Long(long) => SignerName::Pattern(long.pattern.value()?),
    })
}

/// Turns `groups:` into groups.
pub(crate) fn groups(raw: Vec<Located<RawGroup>>, reader: &mut Reader<'_>) -> Groups {
    let mut groups: Vec<Group> = Vec::new();
    for Located { value, .. } in raw {
        if let Some(images) = &value.images.given
            && images.value.0.is_empty()
        {
            reader.fault(images.span.clone(), "a group without images", None);
        }
        let Some(name) = value.name.given else { continue };
        if groups.iter().any(|group| group.name == name.value.0) {
            reader.fault(name.span.clone(), format!("the group {} is already there", quote(&name.value.0)), None);
        }
        let images = value.images.value().map(|list| list.0).unwrap_or_default();
        groups.push(Group { name: name.value.0, images: images.into_iter().map(|glob| glob.value).collect() });
    }
    Groups(groups)
}
