//! `formats:`: further places of references.
//!
//! Owns the checks of expressions; they are applied in `crate::manifest`.

use regex::RegexBuilder;

use crate::config::fault::quote;
use crate::config::reader::{Located, Reader, Scalar};
use crate::config::repository::path_globs;
use crate::config::repository::raw::RawFormat;
use crate::model::format::{ExtraFormat, ExtraPlace, ReferenceRegex};

/// How large a compiled expression may become, in bytes.
const MAX_COMPILED: usize = 1024 * 1024;

/// A JSONPath without filters.
#[derive(Debug, Clone)]
pub(crate) struct JsonPath(pub(crate) String);

impl Scalar for JsonPath {
    const WHAT: &'static str = "a JSONPath like `$.spec.image`";

    fn parse(text: &str) -> Result<Self, String> {
        check_json_path(text)
            .map(|()| Self(text.to_owned()))
            .map_err(|why| format!("{} is no JSONPath: {why}", quote(text)))
    }
}

/// Checks the segments of RFC 9535, section 2.5, without filters: `.name`, `.*`, `..name`, `[…]`.
fn check_json_path(text: &str) -> Result<(), &'static str> {
    let mut rest = text.strip_prefix('$').ok_or("it begins with `$`")?;
    while !rest.is_empty() {
        rest = if let Some(inner) = rest.strip_prefix('[').or_else(|| rest.strip_prefix("..[")) {
            after_bracket(inner)?
        } else {
            let name = rest.strip_prefix("..").or_else(|| rest.strip_prefix('.')).ok_or("`.` or `[` is missing")?;
            let fits = |character: char| character.is_alphanumeric() || character == '_' || !character.is_ascii();
            let end = match name.strip_prefix('*') {
                Some(_) => 1,
                None => name.find(|character| !fits(character)).unwrap_or(name.len()),
            };
            match end {
                0 if name.starts_with('-') => return Err("a name with `-` is written `['a-name']`"),
                0 => return Err("a name is missing after `.`"),
                _ if name[end..].starts_with('-') => return Err("a name with `-` is written `['a-name']`"),
                _ => &name[end..],
            }
        };
    }
    Ok(())
}

/// Checks the selectors of a bracket, and returns what follows it.
fn after_bracket(inner: &str) -> Result<&str, &'static str> {
    let mut rest = inner.trim_start();
    loop {
        let first = rest.chars().next().ok_or("`]` is missing")?;
        rest = match first {
            '?' => return Err("filters are not understood"),
            '\'' | '"' => {
                let mut is_escaped = false;
                let end = rest[1..].find(|character| {
                    let ends = character == first && !is_escaped;
                    is_escaped = character == '\\' && !is_escaped;
                    ends
                });
                &rest[end.ok_or("a quote is not closed")? + 2..]
            }
            '*' => &rest[1..],
            '0'..='9' | '-' | ':' => {
                rest.trim_start_matches(|character: char| character.is_ascii_digit() || "-: ".contains(character))
            }
            _ => return Err("in `[…]` stands a number, a name in quotes or `*`"),
        };
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix(']') {
            return Ok(after);
        }
        rest = rest.strip_prefix(',').ok_or("`]` is missing")?.trim_start();
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
            let path = value.path.value().map(|path| ExtraPlace::Path(path.0));
            let place = path.or_else(|| value.regex.value().map(|regex| ExtraPlace::Regex(regex.0)))?;
            let position = reader.position(value.at.start);
            Some(ExtraFormat { files, place, line: position.line, column: position.column })
        })
        .collect()
}
