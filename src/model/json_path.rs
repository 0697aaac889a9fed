//! JSONPath of RFC 9535 without filters: `$.jobs[*].image`, `$..image`, `$.list[-1]['a-name']`.
//!
//! Owns the grammar; which nodes a path selects in a file is the manifest layer's business.

use std::fmt;
use std::str::FromStr;

/// How many segments and selectors a path may have; each costs a walk over the nodes.
const MAX_PARTS: usize = 64;

/// What picks children of a node (section 2.3).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Selector {
    /// The member of a map with this name.
    Name(String),
    /// Every child.
    All,
    /// The element of a list; counted from the end where negative.
    Index(i64),
    /// Elements of a list: `start:end:step`.
    Slice {
        /// The first element.
        start: Option<i64>,
        /// The element after the last.
        end: Option<i64>,
        /// How far from one to the next.
        step: i64,
    },
}

impl Selector {
    /// Returns the indexes that a slice takes of a list (section 2.3.4.2.2).
    pub fn slice(length: usize, start: Option<i64>, end: Option<i64>, step: i64) -> Vec<usize> {
        let length = i64::try_from(length).unwrap_or(i64::MAX);
        let normal = |at: i64| if at < 0 { at.saturating_add(length) } else { at };
        let (first, last) = match step {
            0 => return Vec::new(),
            1.. => (normal(start.unwrap_or(0)).clamp(0, length), normal(end.unwrap_or(length)).clamp(0, length)),
            _ => (
                normal(start.unwrap_or(length - 1)).clamp(-1, length - 1),
                end.map_or(-1, normal).clamp(-1, length - 1),
            ),
        };
        let goes_on = |at: &i64| if step > 0 { *at < last } else { *at > last };
        std::iter::successors(Some(first), |at| at.checked_add(step))
            .take_while(goes_on)
            .filter_map(|at| usize::try_from(at).ok())
            .collect()
    }
}

/// One step of a path (section 2.5).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Segment {
    /// Whether it looks at everything below (`..`) rather than at the children alone.
    pub descends: bool,
    /// What it picks.
    pub selectors: Vec<Selector>,
}

/// A path, with its text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct JsonPath {
    text: String,
    segments: Vec<Segment>,
}

impl JsonPath {
    /// Returns the steps from the root.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }
}

impl fmt::Display for JsonPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.text)
    }
}

/// A text that is no JSONPath; why, in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct JsonPathError(&'static str);

impl FromStr for JsonPath {
    type Err = JsonPathError;

    fn from_str(text: &str) -> Result<Self, JsonPathError> {
        let mut rest = text.strip_prefix('$').ok_or(JsonPathError("it begins with `$`"))?;
        let mut segments: Vec<Segment> = Vec::new();
        let mut parts = 0;
        while !rest.is_empty() {
            let descends = rest.starts_with("..");
            let after = rest.strip_prefix("..").or_else(|| rest.strip_prefix('.'));
            let selectors;
            (selectors, rest) = match (rest.strip_prefix('['), after) {
                (Some(inner), _) => bracket(inner)?,
                (None, Some(name)) => match name.strip_prefix('[').filter(|_| descends) {
                    Some(inner) => bracket(inner)?,
                    None => dotted(name)?,
                },
                (None, None) => return Err(JsonPathError("`.` or `[` is missing")),
            };
            parts += selectors.len();
            if parts > MAX_PARTS {
                return Err(JsonPathError("it has more than 64 parts"));
            }
            segments.push(Segment { descends, selectors });
        }
        Ok(Self { text: text.to_owned(), segments })
    }
}

/// Reads a name or `*` after a dot.
fn dotted(name: &str) -> Result<(Vec<Selector>, &str), JsonPathError> {
    if let Some(rest) = name.strip_prefix('*') {
        return Ok((vec![Selector::All], rest));
    }
    let fits = |character: char| character.is_alphanumeric() || character == '_' || !character.is_ascii();
    let end = name.find(|character| !fits(character)).unwrap_or(name.len());
    let (name, rest) = name.split_at(end);
    if rest.starts_with('-') {
        return Err(JsonPathError("a name with `-` is written `['a-name']`"));
    }
    if name.is_empty() {
        return Err(JsonPathError("a name is missing after `.`"));
    }
    Ok((vec![Selector::Name(name.to_owned())], rest))
}

/// Reads the selectors of a bracket, and returns what follows it.
fn bracket(inner: &str) -> Result<(Vec<Selector>, &str), JsonPathError> {
    let mut rest = inner.trim_start();
    let mut selectors = Vec::new();
    loop {
        let first = rest.chars().next().ok_or(JsonPathError("`]` is missing"))?;
        let selector;
        (selector, rest) = match first {
            '?' => return Err(JsonPathError("filters are not understood")),
            '\'' | '"' => quoted(&rest[1..], first)?,
            '*' => (Selector::All, &rest[1..]),
            '0'..='9' | '-' | ':' => {
                let after =
                    rest.trim_start_matches(|character: char| character.is_ascii_digit() || "-: ".contains(character));
                (numbers(&rest[..rest.len() - after.len()])?, after)
            }
            _ => return Err(JsonPathError("in `[…]` stands a number, a name in quotes or `*`")),
        };
        selectors.push(selector);
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix(']') {
            return Ok((selectors, after));
        }
        rest = rest.strip_prefix(',').ok_or(JsonPathError("`]` is missing"))?.trim_start();
    }
}

/// Reads a name up to its closing quote; a backslash takes the next character as it is.
fn quoted(text: &str, quote: char) -> Result<(Selector, &str), JsonPathError> {
    let mut name = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => name.extend(characters.next().map(|(_, escaped)| escaped)),
            _ if character == quote => return Ok((Selector::Name(name), &text[at + 1..])),
            _ => name.push(character),
        }
    }
    Err(JsonPathError("a quote is not closed"))
}

/// Reads an index or a slice.
fn numbers(text: &str) -> Result<Selector, JsonPathError> {
    let number = |text: &str| match text.trim() {
        "" => Ok(None),
        digits => digits.parse::<i64>().map(Some).map_err(|_error| JsonPathError("a number is malformed or too large")),
    };
    let mut parts = text.split(':');
    let start = number(parts.next().unwrap_or_default())?;
    let (end, step) = match (parts.next(), parts.next(), parts.next()) {
        (None, ..) => return start.map(Selector::Index).ok_or(JsonPathError("a number is malformed or too large")),
        (Some(end), step, None) => (number(end)?, number(step.unwrap_or_default())?),
        (Some(_), _, Some(_)) => return Err(JsonPathError("a slice is `start:end:step`")),
    };
    Ok(Selector::Slice { start, end, step: step.unwrap_or(1) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_step_by_step() {
        let path: JsonPath = "$.a['b-c', \"d\\\"\"]..image[*][-1][1:3][::2]..[0]".parse().unwrap();
        let shown: Vec<String> = path
            .segments()
            .iter()
            .map(|segment| format!("{}{:?}", if segment.descends { ".." } else { "" }, segment.selectors))
            .collect();
        assert_eq!(
            shown,
            [
                "[Name(\"a\")]",
                "[Name(\"b-c\"), Name(\"d\\\"\")]",
                "..[Name(\"image\")]",
                "[All]",
                "[Index(-1)]",
                "[Slice { start: Some(1), end: Some(3), step: 1 }]",
                "[Slice { start: None, end: None, step: 2 }]",
                "..[Index(0)]",
            ]
        );
        assert!("$".parse::<JsonPath>().unwrap().segments().is_empty());
    }

    #[test]
    fn what_is_no_path_is_refused_with_a_reason() {
        for (text, reason) in [
            ("a", "it begins"),
            ("$a", "is missing"),
            ("$.", "name is missing"),
            ("$.a-b", "['a-name']"),
            ("$[", "`]` is missing"),
            ("$['a", "quote"),
            ("$[?@.a]", "filters"),
            ("$[x]", "a number"),
            ("$[1:2:3:4]", "slice"),
            ("$[1 2]", "malformed"),
            ("$[99999999999999999999]", "too large"),
            (&format!("${}", ".a".repeat(65)), "64"),
        ] {
            let error = text.parse::<JsonPath>().unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn slices_follow_the_standard() {
        // The examples of section 2.3.4.3, over a list of seven.
        assert_eq!(Selector::slice(7, Some(1), Some(3), 1), [1, 2]);
        assert_eq!(Selector::slice(7, Some(5), None, 1), [5, 6]);
        assert_eq!(Selector::slice(7, Some(1), Some(5), 2), [1, 3]);
        assert_eq!(Selector::slice(7, Some(5), Some(1), -2), [5, 3]);
        assert_eq!(Selector::slice(7, None, None, -1), [6, 5, 4, 3, 2, 1, 0]);
        assert_eq!(Selector::slice(7, None, None, 0), [0; 0]);
        assert_eq!(Selector::slice(0, Some(i64::MIN), Some(i64::MAX), i64::MAX), [0; 0]);
        assert_eq!(Selector::slice(3, Some(i64::MAX), Some(i64::MIN), i64::MIN), [2]);
    }
}
