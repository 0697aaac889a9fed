//! Policies: ranges, tag families, orderings, and the texts that people write them in.
//!
//! The entry points are the parse functions here and in [`range`], [`calver`], [`pattern`], [`mod@platform`] and
//! [`inline`], [`family::Shape`], and [`spelling::is_one_version`]. Nothing here chooses a tag: that is `crate::decide`.

pub mod calver;
pub mod family;
pub mod go;
pub mod inline;
pub mod pattern;
pub mod platform;
pub mod range;
pub mod spelling;
pub mod version;

use jiff::SignedDuration;

use crate::model::image::shorten;
use crate::model::policy::{Direction, Select, Step};
use crate::model::tags::Platform;
use crate::policy::range::RangeError;

/// A policy's field that cannot be read. The message names what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Neither `patch`, `minor`, `major` nor a range.
    #[error("{0}; or one of patch, minor, major")]
    Range(#[from] RangeError),
    /// A word close to one of a step.
    #[error("`{written}` is no step: did you mean `{meant}`?")]
    Step {
        /// What stands there.
        written: String,
        /// What is close to it.
        meant: &'static str,
    },
    /// A calendar format that cannot be read.
    #[error("`{format}` is not a calendar format: {reason}")]
    Calver {
        /// What stands there.
        format: String,
        /// Why not.
        reason: String,
    },
    /// A regular expression that cannot be read, or is too large.
    #[error("`{pattern}` is not a usable regular expression: {reason}")]
    Pattern {
        /// What stands there.
        pattern: String,
        /// Why not.
        reason: String,
    },
    /// Neither `asc` nor `desc`.
    #[error("`{0}` is no direction: asc (the greatest wins) or desc (the smallest wins)")]
    Direction(String),
    /// No platform.
    #[error("`{platform}` is not a platform: {reason}")]
    Platform {
        /// What stands there.
        platform: String,
        /// Why not.
        reason: String,
    },
    /// No duration.
    #[error("`{text}` is not a duration: {reason}")]
    Duration {
        /// What stands there.
        text: String,
        /// Why not.
        reason: &'static str,
    },
}

/// Parses the value of `semver`: `patch`, `minor`, `major` or a range.
///
/// # Errors
///
/// [`PolicyError::Range`] or [`PolicyError::Step`].
pub fn step_or_range(text: &str) -> Result<Select, PolicyError> {
    const STEPS: [(&str, Step); 3] = [("patch", Step::Patch), ("minor", Step::Minor), ("major", Step::Major)];
    let trimmed = text.trim();
    if let Some((_, step)) = STEPS.into_iter().find(|(word, _)| *word == trimmed) {
        return Ok(Select::Step(step));
    }
    range::parse(text).map(Select::Range).map_err(|error| {
        let close = nearest(trimmed, STEPS.iter().map(|(word, _)| *word));
        close.map_or(PolicyError::Range(error), |meant| PolicyError::Step { written: shorten(trimmed), meant })
    })
}

/// Parses `asc` or `desc`.
///
/// # Errors
///
/// [`PolicyError::Direction`] for every other word.
pub fn direction(text: &str) -> Result<Direction, PolicyError> {
    match text {
        "asc" => Ok(Direction::Ascending),
        "desc" => Ok(Direction::Descending),
        other => Err(PolicyError::Direction(shorten(other))),
    }
}

/// Parses `os/arch` or `os/arch/variant`; see [`platform::parse`].
///
/// # Errors
///
/// [`PolicyError::Platform`] with what was probably meant.
pub fn platform(text: &str) -> Result<Platform, PolicyError> {
    platform::parse(text)
}

/// Parses a duration: `30m`, `2h`, `7d`, `1h30m`. A day has 24 hours and a week seven days; the units go from
/// the largest to the smallest, each once.
///
/// # Errors
///
/// [`PolicyError::Duration`] for negative, empty and unreadable ones, and for more than a thousand years.
pub fn duration(text: &str) -> Result<SignedDuration, PolicyError> {
    const UNITS: [(char, i64); 5] = [('w', 604_800), ('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];
    const LONGEST: i64 = 1000 * 366 * 86_400;
    let fault = |reason| PolicyError::Duration { text: shorten(text), reason };
    if text.starts_with('-') {
        return Err(fault("it is negative"));
    }
    let mut rest = text;
    let mut units = UNITS.iter();
    let mut seconds: i64 = 0;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: i64 = rest[..digits].parse().map_err(|_error| fault("write a number and a unit, as in 1h30m"))?;
        let unit = rest[digits..].chars().next().ok_or_else(|| fault("the unit is missing: s, m, h, d or w"))?;
        if !UNITS.iter().any(|(known, _)| *known == unit) {
            return Err(fault("the units are s, m, h, d and w"));
        }
        let (_, length) = units
            .find(|(known, _)| *known == unit)
            .ok_or_else(|| fault("units go from the largest to the smallest, each once"))?;
        seconds = number
            .checked_mul(*length)
            .and_then(|more| seconds.checked_add(more))
            .filter(|sum| *sum <= LONGEST)
            .ok_or_else(|| fault("it is longer than a thousand years"))?;
        rest = &rest[digits + unit.len_utf8()..];
    }
    if text.is_empty() {
        return Err(fault("it is empty"));
    }
    Ok(SignedDuration::from_secs(seconds))
}

/// Returns the known word that a misspelt one most likely means.
fn nearest(written: &str, known: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    // Longer texts are no misspelling of any word here, and the distance takes quadratic time.
    if written.len() > 40 {
        return None;
    }
    let lower = written.to_ascii_lowercase();
    known
        .map(|word| (strsim::damerau_levenshtein(&lower, &word.to_ascii_lowercase()), word))
        .filter(|(distance, word)| *distance <= word.len().min(6) / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

#[cfg(test)]
mod tests;
