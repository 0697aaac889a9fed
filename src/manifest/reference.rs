//! The text of one value read as an image reference, or the reason why it is none.
//!
//! Knows no file format and no bytes of a file; [`crate::manifest::finder`] maps the parts back to their places.

use crate::model::image::{Digest, ImageName, Reference, ReferenceError, Tag, shorten};
use crate::model::site::{SkipReason, Value};

/// What a text says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reading {
    /// The image, where the text names one.
    pub(crate) image: Option<ImageName>,
    /// The name as written.
    pub(crate) written: String,
    /// Tag and digest.
    pub(crate) value: Value,
    /// Where in the text the tag, `@` and digest stand, where there are any.
    pub(crate) version: Option<std::ops::Range<usize>>,
    /// Why the reference cannot be followed.
    pub(crate) skipped: Option<SkipReason>,
}

/// Reads `[host/]path[:tag][@digest]`.
pub(crate) fn read(text: &str) -> Reading {
    if let Some(skipped) = placeholder(text) {
        return unread(text, skipped);
    }
    match text.parse::<Reference>() {
        Err(error) => unread(text, SkipReason::NotAReference(error.to_string())),
        Ok(Reference { name, tag, digest, name_length }) => {
            let skipped = match (&tag, &digest) {
                (None, None) => Some(SkipReason::NoTag),
                (None, Some(_)) => Some(SkipReason::DigestOnly),
                (Some(_), _) => None,
            };
            let version = (tag.is_some() || digest.is_some()).then(|| name_length + 1..text.len());
            Reading {
                image: Some(name),
                written: text[..name_length].to_owned(),
                value: Value { tag, digest },
                version,
                skipped,
            }
        }
    }
}

fn unread(text: &str, skipped: SkipReason) -> Reading {
    Reading { image: None, written: shorten(text), value: Value::default(), version: None, skipped: Some(skipped) }
}

/// Reads `tag`, `tag@digest` or `digest`.
pub(crate) fn read_version(text: &str) -> Result<Value, SkipReason> {
    if let Some(skipped) = placeholder(text) {
        return Err(skipped);
    }
    let refuse = |error: ReferenceError| SkipReason::NotAReference(error.to_string());
    match text.split_once('@') {
        Some((tag, digest)) => Ok(Value {
            tag: if tag.is_empty() { None } else { Some(tag.parse::<Tag>().map_err(refuse)?) },
            digest: Some(digest.parse::<Digest>().map_err(refuse)?),
        }),
        None if text.starts_with("sha256:") => {
            Ok(Value { tag: None, digest: Some(text.parse::<Digest>().map_err(refuse)?) })
        }
        None => Ok(Value { tag: Some(text.parse::<Tag>().map_err(refuse)?), digest: None }),
    }
}

/// Reads a chart's version, whose tag has `_` where the version has `+`; some write the tag itself.
pub(crate) fn read_chart_version(text: &str) -> Result<Value, SkipReason> {
    if let Some(skipped) = placeholder(text) {
        return Err(skipped);
    }
    if !is_one_version(text) {
        return Err(SkipReason::Unsupported("a range of versions, which is resolved elsewhere".to_owned()));
    }
    let tag = text.replace('+', "_").parse::<Tag>();
    Ok(Value { tag: Some(tag.map_err(|error| SkipReason::NotAReference(error.to_string()))?), digest: None })
}

/// Whether a text is one version to Helm: three numbers; fewer are a range.
fn is_one_version(text: &str) -> bool {
    let core = text.strip_prefix('v').unwrap_or(text).split(['-', '+', '_']).next().unwrap_or_default();
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    core.split('.').count() == 3
        && core.split('.').all(is_number)
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'+' | b'_'))
}

/// Whether a text names a range of versions rather than one tag.
pub(crate) fn is_range(text: &str) -> bool {
    text.contains(['<', '>', '=', '^', '~', '*', '|', ',', ' ']) || text.ends_with(".x") || text.ends_with(".X")
}

/// Reads a digest, with its algorithm or (as some charts have it) as 64 bare digits.
pub(crate) fn read_digest(text: &str) -> Result<Digest, SkipReason> {
    if let Some(skipped) = placeholder(text) {
        return Err(skipped);
    }
    let parsed = if is_bare_digest(text) { format!("sha256:{text}").parse() } else { text.parse() };
    parsed.map_err(|error: ReferenceError| SkipReason::NotAReference(error.to_string()))
}

/// Whether a text is the 64 digits of a SHA-256 digest without its algorithm.
pub(crate) fn is_bare_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// Recognises variables and template expressions, which something else fills in later.
pub(crate) fn placeholder(text: &str) -> Option<SkipReason> {
    if text.contains("{{") || text.contains("{%") {
        return Some(SkipReason::Template);
    }
    let start = text.find('$')?;
    let rest = &text[start..];
    let end = match rest.as_bytes().get(1) {
        Some(b'{') => rest.find('}').map_or(rest.len(), |at| at + 1),
        Some(b'(') => rest.find(')').map_or(rest.len(), |at| at + 1),
        _ => 1 + rest[1..].find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len() - 1),
    };
    Some(SkipReason::Variable(shorten(&rest[..end])))
}

/// Whether a text is an address or a path of something else than an image: a chart repository, Git, a file.
pub(crate) fn is_address(text: &str) -> bool {
    text.contains("://") || text.starts_with("git@") || text.ends_with(".git") || text.starts_with(['/', '.'])
}
