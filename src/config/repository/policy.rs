//! Where configuration meets the grammars of `crate::policy`: every call to it is in this file.
//!
//! Owns nothing but the wrapping of those grammars as [`Scalar`]s.

use jiff::SignedDuration;
use serde_json::{Value as Json, json};

use crate::config::fault::quote;
use crate::config::reader::Scalar;
use crate::config::scalars::word;
use crate::model::image::Tag;
use crate::model::policy::{CalverFormat, Direction, Pin, Select, TagPattern};
use crate::model::signature::NamePattern;
use crate::model::tags::Platform;
use crate::policy;

/// `semver: RANGE|patch|minor|major`.
#[derive(Debug, Clone)]
pub(crate) struct Semver(pub(crate) Select);

impl Scalar for Semver {
    const WHAT: &'static str = "a version range, `patch`, `minor` or `major`";
    const TAKES_NUMBERS: bool = true;

    fn parse(text: &str) -> Result<Self, String> {
        policy::step_or_range(text).map(Self).map_err(|error| error.to_string())
    }
}

impl Scalar for SignedDuration {
    const WHAT: &'static str = "a duration like `30m` or `2h`";

    fn parse(text: &str) -> Result<Self, String> {
        policy::duration(text).map_err(|error| error.to_string())
    }
}

impl Scalar for CalverFormat {
    const WHAT: &'static str = "a format like `YYYY.0M.DD`";

    fn parse(text: &str) -> Result<Self, String> {
        policy::calver::parse_format(text).map_err(|error| error.to_string())
    }
}

impl Scalar for Direction {
    const WHAT: &'static str = "`asc` or `desc`";

    fn parse(text: &str) -> Result<Self, String> {
        policy::direction(text).map_err(|error| error.to_string())
    }

    fn schema() -> Json {
        json!({"enum": ["asc", "desc"]})
    }
}

impl Scalar for Tag {
    const WHAT: &'static str = "a tag";
    const TAKES_NUMBERS: bool = true;

    fn parse(text: &str) -> Result<Self, String> {
        text.parse().ok().ok_or_else(|| format!("{} is no tag", quote(text)))
    }
}

impl Scalar for TagPattern {
    const WHAT: &'static str = "a regular expression over tags";

    fn parse(text: &str) -> Result<Self, String> {
        policy::pattern::compile(text).map_err(|error| error.to_string())
    }
}

impl Scalar for NamePattern {
    const WHAT: &'static str = "a regular expression over whole names";

    fn parse(text: &str) -> Result<Self, String> {
        Self::new(text).map_err(|reason| format!("{} is no regular expression: {reason}", quote(text)))
    }
}

impl Scalar for Platform {
    const WHAT: &'static str = "a platform like `linux/amd64`";

    fn parse(text: &str) -> Result<Self, String> {
        policy::platform::parse(text).map_err(|error| error.to_string())
    }
}

impl Scalar for Pin {
    const WHAT: &'static str = "`digest`";

    fn parse(text: &str) -> Result<Self, String> {
        word(text, &[("digest", Self::Digest)])
    }

    fn schema() -> Json {
        json!({"enum": ["digest"]})
    }
}
