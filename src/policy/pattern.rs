//! The regular expressions of `tags` and `ignore`: compiled within limits, and what of a tag they compare.
//!
//! The entry points are [`compile`] and [`Extractor`]. Matching takes linear time whatever the pattern.

use regex::{CaptureLocations, RegexBuilder};

use crate::model::image::shorten;
use crate::model::policy::TagPattern;
use crate::policy::PolicyError;

/// Longest pattern, in bytes.
const MAX_LENGTH: usize = 1024;

/// Most memory of a compiled pattern, in bytes: some 50 times what ordinary ones take.
const MAX_COMPILED: usize = 1 << 20;

/// Deepest nesting of groups.
const MAX_DEPTH: u32 = 50;

/// The group whose text is compared.
pub const VERSION_GROUP: &str = "version";

/// The group whose text is compared among tags of equal versions: a variant's own version, as in `-alpine3.19`.
pub const VARIANT_GROUP: &str = "variant";

/// Compiles a pattern; it matches anywhere in a tag unless it is anchored.
///
/// # Errors
///
/// [`PolicyError::Pattern`] when it does not parse or is too large.
pub fn compile(text: &str) -> Result<TagPattern, PolicyError> {
    let fault = |reason: String| PolicyError::Pattern { pattern: shorten(text), reason };
    if text.is_empty() {
        return Err(fault("it is empty".to_owned()));
    }
    if text.len() > MAX_LENGTH {
        return Err(fault(format!("it is longer than {MAX_LENGTH} bytes")));
    }
    let built =
        RegexBuilder::new(text).size_limit(MAX_COMPILED).dfa_size_limit(MAX_COMPILED).nest_limit(MAX_DEPTH).build();
    built.map(TagPattern).map_err(|error| fault(explain(&error)))
}

/// Takes the last line of the parser's drawing, which says what is wrong, and hints at what others' engines allow.
fn explain(error: &regex::Error) -> String {
    let regex::Error::Syntax(drawing) = error else { return "it compiles to more than 1 MiB".to_owned() };
    let last = drawing.lines().last().unwrap_or(drawing);
    let reason = last.strip_prefix("error: ").unwrap_or(last);
    if reason.contains("look-around") {
        return "look-around is not supported; use `ignore` for what must not match".to_owned();
    }
    shorten(reason)
}

/// What a pattern says of one tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extracted<'a> {
    /// It does not match.
    NotMatched,
    /// It matches; this part is compared: the group `version`, or the whole tag where there is no such group.
    Compared(&'a str),
}

/// A pattern together with the memory that it needs for one match after the other.
#[derive(Debug)]
pub struct Extractor<'p> {
    pattern: &'p TagPattern,
    group: Option<usize>,
    variant: Option<usize>,
    locations: CaptureLocations,
}

impl<'p> Extractor<'p> {
    /// Prepares a pattern.
    pub fn new(pattern: &'p TagPattern) -> Self {
        let named = |wanted| pattern.0.capture_names().position(|name| name == Some(wanted));
        let (group, variant) = (named(VERSION_GROUP), named(VARIANT_GROUP));
        Self { pattern, group, variant, locations: pattern.0.capture_locations() }
    }

    /// Looks at one tag. A group `version` that took no part in the match is no match.
    pub fn extract<'a>(&mut self, tag: &'a str) -> Extracted<'a> {
        let Some(group) = self.group else {
            let matched = self.pattern.0.is_match(tag);
            return if matched { Extracted::Compared(tag) } else { Extracted::NotMatched };
        };
        self.pattern
            .0
            .captures_read(&mut self.locations, tag)
            .and_then(|_| self.locations.get(group))
            .map_or(Extracted::NotMatched, |(start, end)| Extracted::Compared(&tag[start..end]))
    }

    /// Returns what stands beside the groups `version` and `variant` in the tag that was looked at last, in three pieces; `None` where
    /// there is no group `version`.
    pub fn beside<'a>(&self, tag: &'a str) -> Option<[&'a str; 3]> {
        let version = self.locations.get(self.group?)?;
        let variant = self.variant.and_then(|variant| self.locations.get(variant)).unwrap_or((tag.len(), tag.len()));
        let (first, second) = (version.min(variant), version.max(variant));
        Some([tag.get(..first.0)?, tag.get(first.1..second.0)?, tag.get(second.1..)?])
    }

    /// Returns the group `variant` of the tag that was looked at last; it needs a group `version` beside it.
    pub fn variant<'a>(&self, tag: &'a str) -> Option<&'a str> {
        let (Some(_), Some(variant)) = (self.group, self.variant) else { return None };
        self.locations.get(variant).and_then(|(start, end)| tag.get(start..end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compares_the_group_version_or_the_whole_tag() {
        let extract = |pattern: &str, tag: &'static str| Extractor::new(&compile(pattern).unwrap()).extract(tag);
        assert_eq!(extract("^v(?<version>[0-9.]+)$", "v1.2"), Extracted::Compared("1.2"));
        assert_eq!(extract("^v(?P<version>[0-9.]+)$", "v1.2"), Extracted::Compared("1.2"));
        assert_eq!(extract("^v(?<version>[0-9.]+)$", "1.2"), Extracted::NotMatched);
        assert_eq!(extract("^v", "v1.2"), Extracted::Compared("v1.2"));
        assert_eq!(extract("a|(?<version>b)", "a"), Extracted::NotMatched);
    }

    #[test]
    fn tells_the_variant_beside_the_version() {
        let pattern = compile("^(?<version>[0-9.]+)-alpine(?<variant>[0-9.]*)$").unwrap();
        let mut extractor = Extractor::new(&pattern);
        assert_eq!(extractor.extract("1.2-alpine3.19"), Extracted::Compared("1.2"));
        assert_eq!(extractor.variant("1.2-alpine3.19"), Some("3.19"));
        let alone = compile("-alpine(?<variant>[0-9.]+)$").unwrap();
        assert_eq!(Extractor::new(&alone).variant("1.2-alpine3.19"), None);
    }

    #[test]
    fn refuses_patterns_with_a_reason() {
        let reason = |pattern: &str| compile(pattern).unwrap_err().to_string();
        assert_eq!(reason("v("), "`v(` is not a usable regular expression: unclosed group");
        assert!(reason("(?!a)").contains("look-around is not supported"), "{}", reason("(?!a)"));
        assert!(reason(r"\w{1000}{100}").contains("more than 1 MiB"));
        assert!(reason(&"(".repeat(2000)).contains("longer than 1024"));
        assert!(reason(&"(".repeat(500)).contains("regular expression"));
        assert!(reason("").contains("empty"));
    }
}
