//! Loose versions, as Masterminds/semver reads them: `v1.2`, `1`, `2026.07.03`, `1.2.3-rc.1+build`.
//!
//! The entry point is [`parse`]. Tags with variants and further parts are the business of
//! [`super::family`]; nothing here guesses.

use semver::{BuildMetadata, Prerelease, Version};

/// Longest version that is read; longer than any tag.
const MAX_LENGTH: usize = 256;

/// Parses one to three numbers, with or without a leading `v`, a pre-release and build metadata.
///
/// Leading zeros are allowed in the numbers and not in a pre-release. Allocates only for pre-releases and
/// metadata of more than eight bytes. Returns `None` for everything else.
pub fn parse(text: &str) -> Option<Version> {
    if text.len() > MAX_LENGTH {
        return None;
    }
    let text = text.strip_prefix('v').unwrap_or(text);
    let (text, build) = match text.split_once('+') {
        Some((text, build)) if !build.is_empty() => (text, BuildMetadata::new(build).ok()?),
        Some(_) => return None,
        None => (text, BuildMetadata::EMPTY),
    };
    let (numbers, pre) = match text.split_once('-') {
        Some((numbers, pre)) if !pre.is_empty() => (numbers, Prerelease::new(pre).ok()?),
        Some(_) => return None,
        None => (text, Prerelease::EMPTY),
    };
    let mut parts = [0; 3];
    for (index, part) in numbers.split('.').enumerate() {
        // `u64::from_str` alone would take `+1`.
        let digits = part.bytes().all(|byte| byte.is_ascii_digit());
        *parts.get_mut(index)? = part.parse().ok().filter(|_| digits)?;
    }
    Some(Version { major: parts[0], minor: parts[1], patch: parts[2], pre, build })
}
