//! Policies that stand beside a reference, in a comment: the text after `# tagboat:`.
//!
//! The entry point is [`read`]. Where comments are and which reference they are for is the manifest layer's.

use std::sync::Arc;

use crate::model::image::{ImageName, shorten};
use crate::model::policy::{Pin, Policy, Select};
use crate::model::site::Marker;
use crate::policy::{calver, direction, duration, nearest, pattern, platform, step_or_range};

/// The keys that choose how tags are ordered; one of them must stand in a marker.
const ORDERINGS: [&str; 6] = ["semver", "calver", "numeric", "alphabetical", "newest", "digest"];

/// All keys.
const KEYS: [&str; 13] = [
    "semver",
    "calver",
    "numeric",
    "alphabetical",
    "newest",
    "digest",
    "tags",
    "ignore",
    "prerelease",
    "minAge",
    "pin",
    "platforms",
    "image",
];

/// Longest marker, in bytes.
const MAX_LENGTH: usize = 4096;

/// What a marker says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// What is to be done with the reference; `None` where only its image is named, and the rules decide.
    pub marker: Option<Marker>,
    /// The image whose tag stands there: `image=`.
    pub image: Option<ImageName>,
}

/// Reads the text of a marker: `ignore`, or `key=value` pairs with optional quotes.
///
/// `semver=1.x`, `semver=">=1.4 <2" tags='^v(?<version>.+)$' pin=digest`, `image=ghcr.io/acme/web semver=1.x`. A fault
/// is the marker's value, so that the reference is left alone and the reason shown.
pub fn read(text: &str) -> Said {
    let text = text.trim();
    if text == "ignore" {
        return Said { marker: Some(Marker::Ignore), image: None };
    }
    match pairs_of(text) {
        Ok((policy, image)) => Said { marker: policy.map(|policy| Marker::Policy(Arc::new(policy))), image },
        Err(reason) => Said { marker: Some(Marker::Faulty(reason)), image: None },
    }
}

fn pairs_of(text: &str) -> Result<(Option<Policy>, Option<ImageName>), String> {
    if text.is_empty() {
        return Err("nothing is written; `ignore`, or a policy such as semver=minor".to_owned());
    }
    if text.len() > MAX_LENGTH {
        return Err(format!("it is longer than {MAX_LENGTH} bytes"));
    }
    let mut select: Option<(&str, Select)> = None;
    let mut policy = Policy::new(Select::Newest);
    let mut image: Option<ImageName> = None;
    let mut seen: Vec<&str> = Vec::new();
    for pair in pairs(text) {
        let (key, value) = pair?;
        let Some(key) = KEYS.into_iter().find(|known| *known == key) else { return Err(unknown(key)) };
        // `ignore` is a list elsewhere, so several may stand here.
        if key != "ignore" && seen.contains(&key) {
            return Err(format!("`{key}` stands twice"));
        }
        seen.push(key);
        if key == "image" {
            image = Some(value.parse().map_err(|error| format!("image: {error}"))?);
        } else if ORDERINGS.contains(&key) {
            if let Some((other, _)) = &select {
                return Err(format!("`{other}` and `{key}` exclude each other"));
            }
            select = Some((key, ordering(key, value)?));
        } else {
            field(&mut policy, key, value)?;
        }
    }
    match select {
        Some((_, select)) => Ok((Some(Policy { select, ..policy }), image)),
        None if seen == ["image"] => Ok((None, image)),
        None => Err(format!("one of {} is missing", ORDERINGS.join(", "))),
    }
}

fn unknown(key: &str) -> String {
    let hint = nearest(key, KEYS.into_iter());
    let key = shorten(key);
    hint.map_or_else(
        || format!("unknown key `{key}`; the keys are {}", KEYS.join(", ")),
        |meant| format!("unknown key `{key}`: did you mean `{meant}`?"),
    )
}

fn ordering(key: &str, value: &str) -> Result<Select, String> {
    let named = |error: crate::policy::PolicyError| format!("{key}: {error}");
    match key {
        "semver" => step_or_range(value).map_err(named),
        "calver" if value == "true" => Ok(Select::Calver(None)),
        "calver" => calver::parse_format(value).map(|format| Select::Calver(Some(format))).map_err(named),
        "numeric" => direction(value).map(Select::Numeric).map_err(named),
        "alphabetical" => direction(value).map(Select::Alphabetical).map_err(named),
        "newest" if value == "true" => Ok(Select::Newest),
        "newest" => Err(format!("newest: `{}` is not `true`", shorten(value))),
        _ if value == "true" => Ok(Select::Digest(None)),
        _ => value.parse().map(|tag| Select::Digest(Some(tag))).map_err(|error| format!("digest: {error}")),
    }
}

fn field(policy: &mut Policy, key: &str, value: &str) -> Result<(), String> {
    let named = |error: crate::policy::PolicyError| format!("{key}: {error}");
    match key {
        "tags" => policy.tags = Some(pattern::compile(value).map_err(named)?),
        "ignore" => policy.ignore.push(pattern::compile(value).map_err(named)?),
        "prerelease" => {
            policy.prerelease = match value {
                "true" => true,
                "false" => false,
                other => return Err(format!("prerelease: `{}` is neither `true` nor `false`", shorten(other))),
            };
        }
        "minAge" => policy.min_age = Some(duration(value).map_err(named)?),
        "pin" if value == "digest" => policy.pin = Pin::Digest,
        "pin" => return Err(format!("pin: `{}` is not `digest`", shorten(value))),
        _ => {
            let platforms = value.split(',').map(|one| platform::parse(one.trim()));
            policy.platforms = platforms.collect::<Result<_, _>>().map_err(named)?;
        }
    }
    Ok(())
}

/// Splits a text into `key=value` pairs; a value in quotes ends at the same quote, another at white space.
fn pairs(text: &str) -> impl Iterator<Item = Result<(&str, &str), String>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start();
        (!rest.is_empty()).then(|| {
            let pair = pair(rest);
            // After a fault there is nothing more to read.
            rest = pair.as_ref().map_or("", |(_, _, rest)| rest);
            pair.map(|(key, value, _)| (key, value))
        })
    })
}

fn pair(text: &str) -> Result<(&str, &str, &str), String> {
    let word = text.split(char::is_whitespace).next().unwrap_or(text);
    let Some((key, _)) = word.split_once('=') else {
        return Err(format!("`{}` is no `key=value`", shorten(word)));
    };
    let value = &text[key.len() + 1..];
    let Some(quote) = value.chars().next().filter(|first| matches!(first, '"' | '\'')) else {
        let end = value.find(char::is_whitespace).unwrap_or(value.len());
        return if end == 0 {
            Err(format!("`{}` has no value", shorten(key)))
        } else {
            Ok((key, &value[..end], &value[end..]))
        };
    };
    let Some(end) = value[1..].find(quote) else {
        return Err(format!("the quote after `{}=` is not closed", shorten(key)));
    };
    let rest = &value[end + 2..];
    if !rest.is_empty() && !rest.starts_with(char::is_whitespace) {
        return Err(format!("a space is missing after the value of `{}`", shorten(key)));
    }
    Ok((key, &value[1..=end], rest))
}

#[cfg(test)]
mod tests;
