//! Version ranges after Masterminds/semver v3: what Flux, Argo CD Image Updater and Helm users write.
//!
//! The entry points are [`parse`] and [`matches()`]. Cargo's own range grammar differs in the default operator,
//! in `||`, hyphens, `!=` and pre-releases, and is deliberately not used.

pub mod possible;

use std::fmt;

use semver::{Prerelease, Version};

use crate::model::image::shorten;
use crate::model::policy::{Comparator, Operator, Range};

/// Longest range that is read, in bytes; real ones have a few dozen.
const MAX_LENGTH: usize = 1024;

/// A text that is no range: where it stops making sense, and what should stand there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangeError {
    /// The text, shortened and escaped.
    pub text: String,
    /// Where, in characters from 1.
    pub position: usize,
    /// What was expected there.
    pub expected: &'static str,
    /// What stands there, shortened and escaped; empty at the end.
    pub found: String,
}

impl fmt::Display for RangeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "`{}` is not a version range: expected {} at character {}",
            self.text, self.expected, self.position
        )?;
        if self.found.is_empty() { Ok(()) } else { write!(formatter, ", found `{}`", self.found) }
    }
}

impl std::error::Error for RangeError {}

/// Parses a range: `>=1.4.0 <2.0.0`, `1.x`, `~1.2`, `^2`, `1.0 - 1.9 || >=3`.
///
/// # Errors
///
/// [`RangeError`] at the first place that does not follow the grammar.
pub fn parse(text: &str) -> Result<Range, RangeError> {
    let mut cursor = Cursor { text, at: 0 };
    if text.len() > MAX_LENGTH {
        return Err(cursor.expected("at most 1024 bytes"));
    }
    let mut groups = Vec::new();
    loop {
        groups.push(group(&mut cursor)?);
        if !cursor.take("||") {
            break;
        }
    }
    Ok(Range { text: text.to_owned(), groups })
}

/// Whether a version lies in the range.
///
/// A pre-release lies in it only where its group of comparators names one. Build metadata never counts.
pub fn matches(range: &Range, version: &Version) -> bool {
    let point = Point { numbers: [version.major, version.minor, version.patch], pre: &version.pre };
    admits(range, &point)
}

/// Three numbers and a pre-release, borrowed: what comparators look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Point<'a> {
    /// Major, minor and patch.
    pub(crate) numbers: [u64; 3],
    /// The pre-release; an empty one is the greatest, as precedence has it.
    pub(crate) pre: &'a Prerelease,
}

/// Whether a point lies in the range; see [`matches()`].
pub(crate) fn admits(range: &Range, point: &Point<'_>) -> bool {
    range.groups.iter().any(|group| {
        let gate = point.pre.is_empty() || group.iter().any(|comparator| !comparator.pre.is_empty());
        gate && group.iter().all(|comparator| holds(comparator, point))
    })
}

fn holds(comparator: &Comparator, version: &Point<'_>) -> bool {
    let bound = Point {
        numbers: [comparator.major, comparator.minor, comparator.patch].map(Option::unwrap_or_default),
        pre: &comparator.pre,
    };
    match comparator.operator {
        Operator::Equal if comparator.patch.is_some() => *version == bound,
        Operator::Equal | Operator::Tilde => tilde(comparator, &bound, version),
        Operator::NotEqual => !excluded(comparator, &bound, version),
        Operator::Greater => greater(comparator, &bound, version),
        Operator::GreaterOrEqual => *version >= bound,
        Operator::Less => *version < bound,
        Operator::LessOrEqual => less_or_equal(comparator, &bound, version),
        Operator::Caret => caret(comparator, &bound, version),
    }
}

/// `~1.2.3` stays within 1.2; `~1` within 1; `~*` and, by its authors' special case, `~0.0.0` accept all above.
fn tilde(comparator: &Comparator, bound: &Point<'_>, version: &Point<'_>) -> bool {
    if version < bound {
        return false;
    }
    let all_written = comparator.major.is_none() || comparator.patch.is_some();
    if all_written && bound.numbers == [0, 0, 0] {
        return true;
    }
    version.numbers[0] == bound.numbers[0] && (comparator.minor.is_none() || version.numbers[1] == bound.numbers[1])
}

/// Whether `!=` throws the version out: all of 4.1 for `!=4.1`.
fn excluded(comparator: &Comparator, bound: &Point<'_>, version: &Point<'_>) -> bool {
    if comparator.major.is_none() || comparator.patch.is_some() {
        return version == bound;
    }
    if version.numbers[0] != bound.numbers[0] {
        return false;
    }
    if comparator.minor.is_none() {
        return true;
    }
    version.numbers[1] == bound.numbers[1] && version.pre == bound.pre
}

/// `>11` begins at 12, `>11.1` at 11.2.
fn greater(comparator: &Comparator, bound: &Point<'_>, version: &Point<'_>) -> bool {
    if comparator.major.is_none() || comparator.patch.is_some() {
        return version > bound;
    }
    if version.numbers[0] != bound.numbers[0] {
        return version.numbers[0] > bound.numbers[0];
    }
    comparator.minor.is_some() && version.numbers[1] > bound.numbers[1]
}

/// `<=11` ends before 12, `<=1.1` before 1.2.
fn less_or_equal(comparator: &Comparator, bound: &Point<'_>, version: &Point<'_>) -> bool {
    if comparator.patch.is_some() {
        return version <= bound;
    }
    if version.numbers[0] != bound.numbers[0] {
        return version.numbers[0] < bound.numbers[0];
    }
    let minor_is_open = comparator.major.is_some() && comparator.minor.is_none();
    minor_is_open || version.numbers[1] <= bound.numbers[1]
}

/// `^1.2` stays within 1, `^0.2` within 0.2, `^0.0.3` is that version alone.
fn caret(comparator: &Comparator, bound: &Point<'_>, version: &Point<'_>) -> bool {
    if version < bound {
        return false;
    }
    let minor_is_open = comparator.major.is_some() && comparator.minor.is_none();
    if bound.numbers[0] > 0 || minor_is_open {
        return version.numbers[0] == bound.numbers[0];
    }
    if version.numbers[0] > 0 {
        return false;
    }
    let patch_is_open = comparator.minor.is_some() && comparator.patch.is_none();
    if bound.numbers[1] > 0 || patch_is_open {
        return version.numbers[1] == bound.numbers[1];
    }
    version.numbers[1] == 0 && version.numbers[2] == bound.numbers[2]
}

/// A place in the text. The grammar is ASCII, so every step lands on a character.
struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, expected: &str) -> bool {
        let found = self.rest().starts_with(expected);
        if found {
            self.at += expected.len();
        }
        found
    }

    fn take_while(&mut self, accept: impl Fn(u8) -> bool) -> &'a str {
        let rest = self.rest();
        let length = rest.bytes().take_while(|byte| accept(*byte)).count();
        self.at += length;
        &rest[..length]
    }

    fn skip_space(&mut self) -> bool {
        !self.take_while(|byte| byte.is_ascii_whitespace()).is_empty()
    }

    fn at_end_of_group(&self) -> bool {
        self.rest().is_empty() || self.rest().starts_with("||")
    }

    fn expected(&self, expected: &'static str) -> RangeError {
        let found: String = self.rest().chars().take_while(|letter| !letter.is_whitespace()).take(20).collect();
        RangeError {
            text: shorten(self.text),
            position: self.text[..self.at].chars().count() + 1,
            expected,
            found: shorten(&found),
        }
    }
}

fn group(cursor: &mut Cursor<'_>) -> Result<Vec<Comparator>, RangeError> {
    let mut comparators = Vec::new();
    cursor.skip_space();
    loop {
        item(cursor, &mut comparators)?;
        let spaced = cursor.skip_space();
        if cursor.at_end_of_group() {
            return Ok(comparators);
        }
        if cursor.take(",") {
            cursor.skip_space();
        } else if !spaced {
            return Err(cursor.expected("a space, a comma or `||`"));
        }
    }
}

/// Reads one comparison, or two where a hyphen range stands: `1.0 - 1.9` is `>=1.0 <=1.9`.
fn item(cursor: &mut Cursor<'_>, comparators: &mut Vec<Comparator>) -> Result<(), RangeError> {
    if let Some(operator) = operator(cursor) {
        cursor.skip_space();
        comparators.push(version(cursor, operator)?);
        return Ok(());
    }
    let mut first = version(cursor, Operator::Equal)?;
    let after = cursor.at;
    if cursor.skip_space() && cursor.take("-") && cursor.skip_space() {
        first.operator = Operator::GreaterOrEqual;
        comparators.push(first);
        comparators.push(version(cursor, Operator::LessOrEqual)?);
    } else {
        cursor.at = after;
        comparators.push(first);
    }
    Ok(())
}

fn operator(cursor: &mut Cursor<'_>) -> Option<Operator> {
    const SPELLINGS: [(&str, Operator); 11] = [
        ("!=", Operator::NotEqual),
        (">=", Operator::GreaterOrEqual),
        ("=>", Operator::GreaterOrEqual),
        ("<=", Operator::LessOrEqual),
        ("=<", Operator::LessOrEqual),
        ("~>", Operator::Tilde),
        ("=", Operator::Equal),
        (">", Operator::Greater),
        ("<", Operator::Less),
        ("~", Operator::Tilde),
        ("^", Operator::Caret),
    ];
    SPELLINGS.into_iter().find(|(spelling, _)| cursor.take(spelling)).map(|(_, operator)| operator)
}

/// Reads a version of one to three parts, each a number or a wildcard, with pre-release and build metadata.
fn version(cursor: &mut Cursor<'_>, operator: Operator) -> Result<Comparator, RangeError> {
    cursor.take("v");
    let mut parts = [None; 3];
    let mut open = false;
    for (index, slot) in parts.iter_mut().enumerate() {
        if index > 0 && !cursor.take(".") {
            break;
        }
        let number = part(cursor)?;
        open |= number.is_none();
        *slot = if open { None } else { number };
    }
    if cursor.peek() == Some(b'.') {
        return Err(cursor.expected("a version of at most three parts"));
    }
    let mut pre = Prerelease::EMPTY;
    if cursor.take("-") {
        let start = cursor.at;
        let text = identifiers(cursor)?;
        pre = Prerelease::new(text).map_err(|_error| {
            cursor.at = start;
            cursor.expected("a pre-release whose numbers have no leading zero")
        })?;
    }
    if cursor.take("+") {
        identifiers(cursor)?;
    }
    let [major, minor, patch] = parts;
    Ok(Comparator { operator, major, minor, patch, pre })
}

fn part(cursor: &mut Cursor<'_>) -> Result<Option<u64>, RangeError> {
    if matches!(cursor.peek(), Some(b'x' | b'X' | b'*')) {
        cursor.at += 1;
        return Ok(None);
    }
    let start = cursor.at;
    let digits = cursor.take_while(|byte| byte.is_ascii_digit());
    digits.parse().map(Some).map_err(|_error| {
        cursor.at = start;
        cursor.expected(if digits.is_empty() { "a version" } else { "a number below 2^64" })
    })
}

fn identifiers<'a>(cursor: &mut Cursor<'a>) -> Result<&'a str, RangeError> {
    let start = cursor.at;
    loop {
        if cursor.take_while(|byte| byte.is_ascii_alphanumeric() || byte == b'-').is_empty() {
            return Err(cursor.expected("letters, digits or `-`"));
        }
        if !cursor.take(".") {
            return Ok(&cursor.text[start..cursor.at]);
        }
    }
}

#[cfg(test)]
mod tests;
