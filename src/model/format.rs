//! Further places of references, from `formats:` of the configuration.
//!
//! Owns the data only; `crate::manifest` looks the places up.

use std::fmt;

use regex::Regex;

use crate::model::glob::PathGlobs;
use crate::model::json_path::JsonPath;

/// A regular expression over a file's text, with groups `image`, `tag`, `digest`; compares by its text.
#[derive(Clone)]
pub struct ReferenceRegex(pub Regex);

impl fmt::Debug for ReferenceRegex {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ReferenceRegex({:?})", self.0.as_str())
    }
}

impl PartialEq for ReferenceRegex {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

/// How a reference is found in a file.
#[derive(Debug, Clone, PartialEq)]
pub enum ExtraPlace {
    /// A JSONPath into YAML, JSON or TOML.
    Path(JsonPath),
    /// A regular expression over the text.
    Regex(ReferenceRegex),
}

/// One entry of `formats:`.
#[derive(Debug, Clone, PartialEq)]
pub struct ExtraFormat {
    /// The files that are looked into.
    pub files: PathGlobs,
    /// Where in them.
    pub place: ExtraPlace,
    /// The line of the configuration file on which the entry begins, from 1.
    pub line: usize,
    /// The column there, from 1, in characters.
    pub column: usize,
}
