//! Questions that gates ask of the operator's sources, what they answer, and what is expected of it.
//!
//! Owns the data and the grammar of comparisons. Who asks is `crate::source`, who judges `crate::promote`.

use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};

use crate::model::json_path::JsonPath;

/// How many samples of a series may be asked for at once: Prometheus gives no more than 11,000.
pub const MOST_POINTS: i64 = 11_000;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ask {
    /// A query at the present moment.
    Instant {
        /// The query.
        expr: String,
    },
    /// A query over the time until now.
    Range {
        /// The query.
        expr: String,
        /// How far back.
        range: SignedDuration,
        /// How far from one sample to the next.
        step: SignedDuration,
    },
    /// A path below the source's URL.
    Get {
        /// The path, which begins with `/`.
        path: String,
        /// What is looked at in the JSON answer; a successful status is enough where it is `None`.
        json: Option<JsonPath>,
    },
}

/// One question to one source.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourceQuestion {
    /// The source's name.
    pub source: String,
    /// What is asked.
    pub ask: Ask,
}

/// A number that a source gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The series it is of, as the source writes it, shortened; empty for a number without labels.
    pub series: String,
    /// When it was measured, where several moments were asked for.
    pub at: Option<Timestamp>,
    /// The number; may be no number at all.
    pub value: f64,
}

/// What stands at a place of a JSON answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// A number.
    Number(f64),
    /// A text, or `true` or `false` as a text.
    Text(String),
    /// Something that is compared with nothing: `null`, a list, a map; named in words.
    Other(&'static str),
}

/// What a source answered.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// Numbers; none where nothing matched.
    Samples(Vec<Sample>),
    /// What stands at the places that were asked for; none where the answer has none of them.
    Found(Vec<Found>),
    /// A successful status, with nothing more asked for.
    Reached,
}

/// How two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `<`.
    Less,
    /// `<=`.
    AtMost,
    /// `>`.
    More,
    /// `>=`.
    AtLeast,
    /// `==`.
    Same,
    /// `!=`.
    Other,
}

impl Operator {
    /// All there are; those of two characters come before those of one that begin alike.
    const ALL: [(&'static str, Self); 6] = [
        ("<=", Self::AtMost),
        (">=", Self::AtLeast),
        ("==", Self::Same),
        ("!=", Self::Other),
        ("<", Self::Less),
        (">", Self::More),
    ];

    /// Whether it asks for an order, which texts have not.
    pub fn orders(self) -> bool {
        !matches!(self, Self::Same | Self::Other)
    }

    #[expect(clippy::float_cmp, reason = "`==` asks for the very number")]
    fn holds(self, one: f64, other: f64) -> bool {
        match self {
            Self::Less => one < other,
            Self::AtMost => one <= other,
            Self::More => one > other,
            Self::AtLeast => one >= other,
            Self::Same => one == other,
            Self::Other => one != other,
        }
    }
}

/// A comparison with what a source answers: `< 0.01`, `== ok`.
#[derive(Debug, Clone, PartialEq)]
pub struct Expectation {
    text: String,
    operator: Operator,
    value: String,
    number: Option<f64>,
}

impl Expectation {
    /// Returns how it compares.
    pub fn operator(&self) -> Operator {
        self.operator
    }

    /// Returns the number it compares with, where it is one.
    pub fn number(&self) -> Option<f64> {
        self.number
    }

    /// Whether a number is as expected; `None` where they cannot be compared.
    pub fn of_number(&self, found: f64) -> Option<bool> {
        let number = self.number.filter(|_| !found.is_nan())?;
        Some(self.operator.holds(found, number))
    }

    /// Whether a text is as expected; `None` where they cannot be compared, since texts have no order.
    pub fn of_text(&self, found: &str) -> Option<bool> {
        match self.operator {
            Operator::Same => Some(found == self.value),
            Operator::Other => Some(found != self.value),
            _ => None,
        }
    }
}

impl fmt::Display for Expectation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.text)
    }
}

/// A text that is no comparison; why, in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ExpectationError(&'static str);

impl FromStr for Expectation {
    type Err = ExpectationError;

    /// A value in double quotes is the text within them, and never a number.
    fn from_str(text: &str) -> Result<Self, ExpectationError> {
        const FORM: ExpectationError = ExpectationError("it is `<`, `<=`, `>`, `>=`, `==` or `!=`, and a value");
        let text = text.trim();
        let found =
            Operator::ALL.iter().find_map(|(word, operator)| Some((text.strip_prefix(word)?.trim(), *operator)));
        let (written, operator) = found.ok_or(FORM)?;
        if written.is_empty() || written.contains(char::is_control) || written.starts_with(['<', '>', '=']) {
            return Err(FORM);
        }
        let quoted = written.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let number = written.parse::<f64>().ok().filter(|number| number.is_finite());
        if operator.orders() && number.is_none() {
            return Err(ExpectationError("only a number is less or more than another"));
        }
        let value = quoted.unwrap_or(written).to_owned();
        Ok(Self { text: text.to_owned(), operator, value, number })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expectation(text: &str) -> Expectation {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn comparisons_hold_for_numbers_and_for_texts() {
        for (text, number, expected) in [
            ("< 0.01", 0.009, Some(true)),
            ("< 0.01", 0.01, Some(false)),
            ("<=0.01", 0.01, Some(true)),
            (">= 99.9", 99.9, Some(true)),
            ("> 1", f64::INFINITY, Some(true)),
            ("== 0", -0.0, Some(true)),
            ("!= 1e3", 1000.0, Some(false)),
            ("< 1", f64::NAN, None),
            ("!= 1", f64::NAN, None),
            ("== ok", 1.0, None),
            ("== \"1\"", 1.0, None),
        ] {
            assert_eq!(expectation(text).of_number(number), expected, "{number} {text}");
        }
        for (text, found, expected) in [
            ("== none", "none", Some(true)),
            ("== none", "minor", Some(false)),
            ("!= major", "minor", Some(true)),
            ("== true", "true", Some(true)),
            ("== \"a b\"", "a b", Some(true)),
            ("== 1.1", "1.10", Some(false)),
            ("< 5", "4", None),
        ] {
            assert_eq!(expectation(text).of_text(found), expected, "{found} {text}");
        }
    }

    #[test]
    fn what_is_no_comparison_is_refused() {
        for text in
            ["", "0.01", "<", "< ", "=< 1", "= 1", "=== 1", "<> 1", "< ok", ">= NaN", "> inf", "== a\u{7}", "~ 1"]
        {
            assert!(text.parse::<Expectation>().is_err(), "{text}");
        }
    }
}
