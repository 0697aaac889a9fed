//! `formats:`: further places of references.
//!
//! Owns the checks of expressions; they are applied in `crate::manifest`.

use regex::RegexBuilder;

use crate::config::fault::quote;
use crate::config::reader::{Located, Reader, Scalar};
use crate::config::repository::path_globs;
use crate::config::repository::raw::RawFormat;
use crate::model::format::{ExtraFormat, ExtraPlace, ReferenceRegex};
use crate::model::json_path::JsonPath;

/// How large a compiled expression may become, in bytes.
const MAX_COMPILED: usize = 1024 * 1024;

impl Scalar for JsonPath {
    const WHAT: &'static str = "a JSONPath like `$.spec.image`";

    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|why| format!("{} is no JSONPath: {why}", quote(text)))
    }
}

/// A regular expression with named groups.
#[derive(Debug, Clone)]
pub(crate) struct ReferencePattern(pub(crate) ReferenceRegex);

impl Scalar for ReferencePattern {
    const WHAT: &'static str = "a regular expression with groups `image`, `tag`, `digest`";

    fn parse(text: &str) -> Result<Self, String> {
        let regex = RegexBuilder::new(text).size_limit(MAX_COMPILED).multi_line(true).build().map_err(|error| {
            let why = error.to_string();
            let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            format!("{} is no regular expression: {}", quote(text), crate::config::fault::escape(&why))
        })?;
        if let Some(other) = regex.capture_names().flatten().find(|name| !["image", "tag", "digest"].contains(name)) {
            return Err(format!("the group {} has no meaning here: `image`, `tag` and `digest` have", quote(other)));
        }
        if !regex.capture_names().flatten().any(|name| matches!(name, "tag" | "digest")) {
            return Err(
                "the expression has no group `(?<tag>…)` or `(?<digest>…)`, so nothing could be changed".to_owned()
            );
        }
        Ok(Self(ReferenceRegex(regex)))
    }
}

/// Turns `formats:` into the model's formats.
pub(crate) fn formats(raw: Vec<Located<RawFormat>>, reader: &mut Reader<'_>) -> Vec<ExtraFormat> {
    raw.into_iter()
        .filter_map(|Located { value, .. }| {
            let files = path_globs(value.files, reader)?;
            let path = value.path.value().map(ExtraPlace::Path);
            let place = path.or_else(|| value.regex.value().map(|regex| ExtraPlace::Regex(regex.0)))?;
            let position = reader.position(value.at.start);
            Some(ExtraFormat { files, place, line: position.line, column: position.column })
        })
        .collect()
}
