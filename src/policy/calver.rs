//! Calendar versions: formats such as `YYYY.0M.DD`, and tags read by them.
//!
//! The entry points are [`parse_format`] and [`read`]. Without a format, the schemes of
//! [`crate::policy::family`] tell what a calendar version is.

use jiff::civil::Date;

use crate::model::image::shorten;
use crate::model::policy::{CalverFormat, CalverPart, Padding};
use crate::policy::PolicyError;
use crate::policy::family::{MAX_PARTS, Shape};

/// Longest format, in bytes; the longest tag.
const MAX_LENGTH: usize = 128;

/// The words of a format, longest first where one begins another.
const WORDS: [(&str, CalverPart); 13] = [
    ("YYYY", CalverPart::FullYear),
    ("YY", CalverPart::ShortYear(Padding::Bare)),
    ("0Y", CalverPart::ShortYear(Padding::Zero)),
    ("MAJOR", CalverPart::Counter),
    ("MINOR", CalverPart::Counter),
    ("MICRO", CalverPart::Counter),
    ("MM", CalverPart::Month(Padding::Bare)),
    ("0M", CalverPart::Month(Padding::Zero)),
    ("WW", CalverPart::Week(Padding::Bare)),
    ("0W", CalverPart::Week(Padding::Zero)),
    ("DD", CalverPart::Day(Padding::Bare)),
    ("0D", CalverPart::Day(Padding::Zero)),
    ("PATCH", CalverPart::Counter),
];

/// Parses a format of calver.org's words (`YYYY` `YY` `0Y` `MM` `0M` `WW` `0W` `DD` `0D` `MICRO`, also `MAJOR`,
/// `MINOR`, `PATCH` for further counters) with `.`, `-`, `_` and lower-case letters between them.
///
/// What follows the format in a tag is read as a family's variant or pre-release, so a `MODIFIER` needs no word.
///
/// # Errors
///
/// [`PolicyError::Calver`] with the reason.
pub fn parse_format(text: &str) -> Result<CalverFormat, PolicyError> {
    let fault = |reason: String| PolicyError::Calver { format: shorten(text), reason };
    if text.len() > MAX_LENGTH {
        return Err(fault(format!("it is longer than {MAX_LENGTH} bytes")));
    }
    let mut parts: Vec<CalverPart> = Vec::new();
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        if let Some((word, part)) = WORDS.iter().find(|(word, _)| rest.starts_with(word)) {
            if parts.last().is_some_and(has_open_width) {
                return Err(fault(format!(
                    "`{word}` needs a separator before it, as the number there has no fixed width"
                )));
            }
            let twice = parts.iter().any(|other| *part != CalverPart::Counter && rank(other) == rank(part));
            if twice {
                return Err(fault(format!("`{word}` says again what stands before")));
            }
            parts.push(part.clone());
            rest = &rest[word.len()..];
        } else if letter.is_ascii_lowercase() || matches!(letter, '.' | '-' | '_') {
            match parts.last_mut() {
                Some(CalverPart::Literal(literal)) => literal.push(letter),
                _ => parts.push(CalverPart::Literal(letter.to_string())),
            }
            rest = &rest[letter.len_utf8()..];
        } else if rest.starts_with("MODIFIER") {
            return Err(fault("what follows the date is found without `MODIFIER`".to_owned()));
        } else {
            let unknown: String = rest.chars().take(20).collect();
            return Err(fault(format!(
                "`{}` is none of YYYY YY 0Y MM 0M WW 0W DD 0D MICRO MAJOR MINOR PATCH . - _",
                shorten(&unknown)
            )));
        }
    }
    let numbers = parts.iter().filter(|part| !matches!(part, CalverPart::Literal(_))).count();
    if numbers > MAX_PARTS {
        return Err(fault(format!("it has more than {MAX_PARTS} numbers")));
    }
    if !parts.iter().any(|part| matches!(part, CalverPart::FullYear | CalverPart::ShortYear(_))) {
        return Err(fault("it names no year".to_owned()));
    }
    Ok(CalverFormat { text: text.to_owned(), parts })
}

/// Reads a text by a format, at its start or after its prefix. The numbers of the shape go from the year down,
/// whatever their order in the text.
pub fn read<'a>(text: &'a str, format: &CalverFormat) -> Option<Shape<'a>> {
    let prefix = Shape::parse(text).map_or(0, |shape| shape.prefix().len());
    let starts = if prefix == 0 { [Some(0), None] } else { [Some(0), Some(prefix)] };
    starts.into_iter().flatten().find_map(|start| read_at(text, start, format))
}

fn read_at<'a>(text: &'a str, start: usize, format: &CalverFormat) -> Option<Shape<'a>> {
    let mut at = start;
    let mut found: Vec<(u8, u64)> = Vec::with_capacity(MAX_PARTS);
    for part in &format.parts {
        let rest = text.get(at..)?;
        if let CalverPart::Literal(literal) = part {
            at += rest.strip_prefix(literal.as_str()).map(|_| literal.len())?;
            continue;
        }
        let available = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (least, most) = widths(part);
        let digits = rest.get(..available.min(most)).filter(|digits| digits.len() >= least)?;
        let padding_fits = match part {
            CalverPart::ShortYear(Padding::Bare)
            | CalverPart::Month(Padding::Bare)
            | CalverPart::Week(Padding::Bare)
            | CalverPart::Day(Padding::Bare) => !digits.starts_with('0'),
            _ => true,
        };
        let number = digits.parse().ok().filter(|number| padding_fits && is_plausible(part, *number))?;
        found.push((rank(part), number));
        at += digits.len();
    }
    let digit_follows = text.as_bytes().get(at).is_some_and(u8::is_ascii_digit);
    let more_follow =
        text.as_bytes().get(at) == Some(&b'.') && text.as_bytes().get(at + 1).is_some_and(u8::is_ascii_digit);
    if digit_follows || more_follow || !is_day(&found) {
        return None;
    }
    // The year counts most, wherever it stands; the sort is stable, so counters keep their order.
    found.sort_by_key(|(rank, _)| *rank);
    let mut numbers = [0; MAX_PARTS];
    for (slot, (_, number)) in numbers.iter_mut().zip(&found) {
        *slot = *number;
    }
    Shape::formatted(text, start, at, numbers.get(..found.len())?)
}

/// Returns how much a part counts; the year most.
fn rank(part: &CalverPart) -> u8 {
    match part {
        CalverPart::FullYear | CalverPart::ShortYear(_) => 0,
        CalverPart::Month(_) => 1,
        CalverPart::Week(_) => 2,
        CalverPart::Day(_) => 3,
        CalverPart::Counter => 4,
        CalverPart::Literal(_) => 5,
    }
}

/// Whether a number of this part may be longer or shorter, so that another right after it could not be told apart.
fn has_open_width(part: &CalverPart) -> bool {
    let (least, most) = widths(part);
    least != most
}

/// Returns the least and the most digits of a part.
fn widths(part: &CalverPart) -> (usize, usize) {
    match part {
        CalverPart::FullYear => (4, 4),
        CalverPart::ShortYear(Padding::Bare) => (1, 3),
        CalverPart::Month(Padding::Bare) | CalverPart::Week(Padding::Bare) | CalverPart::Day(Padding::Bare) => (1, 2),
        CalverPart::ShortYear(Padding::Zero)
        | CalverPart::Month(Padding::Zero)
        | CalverPart::Week(Padding::Zero)
        | CalverPart::Day(Padding::Zero) => (2, 2),
        CalverPart::Counter => (1, 18),
        CalverPart::Literal(_) => (0, 0),
    }
}

fn is_plausible(part: &CalverPart, number: u64) -> bool {
    match part {
        CalverPart::FullYear => (1970..=2999).contains(&number),
        CalverPart::Month(_) => (1..=12).contains(&number),
        CalverPart::Week(_) => (1..=53).contains(&number),
        CalverPart::Day(_) => (1..=31).contains(&number),
        // `1.10` is no version of 2001.
        CalverPart::ShortYear(Padding::Bare) => (10..=199).contains(&number),
        CalverPart::ShortYear(_) | CalverPart::Counter | CalverPart::Literal(_) => true,
    }
}

/// Whether year, month and day, where all three are there, name a day that exists.
fn is_day(found: &[(u8, u64)]) -> bool {
    let value = |wanted: u8| found.iter().find(|(rank, _)| *rank == wanted).map(|(_, number)| *number);
    let (Some(year), Some(month), Some(day)) = (value(0), value(1), value(3)) else { return true };
    let year = if year < 1000 { year + 2000 } else { year };
    let (Ok(year), Ok(month), Ok(day)) = (i16::try_from(year), i8::try_from(month), i8::try_from(day)) else {
        return false;
    };
    Date::new(year, month, day).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(format: &str, tag: &str) -> Option<Vec<u64>> {
        let format = parse_format(format).expect("the format parses");
        read(tag, &format).map(|shape| shape.numbers().to_vec())
    }

    #[test]
    fn reads_tags_by_their_format() {
        for (format, tag, expected) in [
            ("YYYY.0M.DD", "2026.01.5", Some(vec![2026, 1, 5])),
            ("YYYY.0M.DD", "v2026.01.31", Some(vec![2026, 1, 31])),
            ("YYYY.0M.DD", "2026.1.31", None),
            ("YYYY.0M.DD", "2026.02.30", None),
            ("YYYY.0M.DD", "2026.01.05.7", None),
            ("YYYY.0M.DD", "2026.01.31-alpine", Some(vec![2026, 1, 31])),
            ("YYYY.MM.MICRO", "2026.1.12", Some(vec![2026, 1, 12])),
            ("YYYY.MM.MICRO", "2026.01.12", None),
            ("YY.0M", "26.04", Some(vec![26, 4])),
            ("YY.0M", "2026.04", None),
            ("0Y.0M", "06.10", Some(vec![6, 10])),
            ("DD.MM.YYYY", "31.1.2026", Some(vec![2026, 1, 31])),
            ("YYYY0M0D", "main-20260131-abc1234", Some(vec![2026, 1, 31])),
            ("YYYY.0W", "2026.54", None),
            ("YYYY.WW", "2026.7", Some(vec![2026, 7])),
            ("release-YYYY.MM", "release-2026.7", Some(vec![2026, 7])),
            ("YYYY.MM", "1.9", None),
            ("YY.0M", "1.10", None),
        ] {
            assert_eq!(numbers(format, tag), expected, "{tag} as {format}");
        }
    }

    #[test]
    fn says_why_a_format_is_none() {
        let reason = |format: &str| parse_format(format).unwrap_err().to_string();
        assert_eq!(
            reason("YYYY.MONTH"),
            "`YYYY.MONTH` is not a calendar format: `MONTH` is none of YYYY YY 0Y MM 0M WW 0W DD 0D MICRO MAJOR MINOR PATCH . - _"
        );
        assert!(reason("YYYY.MMDD").contains("needs a separator"));
        assert!(reason("MM.DD").contains("names no year"));
        assert!(reason("").contains("names no year"));
        assert!(reason("YYYY.YY").contains("says again"));
        assert!(reason("YYYY.MM-MODIFIER").contains("without `MODIFIER`"));
        assert!(reason("YYYY.MICRO.MICRO.MICRO.MICRO.MICRO.MICRO").contains("more than 6"));
    }
}
