//! Signatures: who must have signed an image, what is asked of a source for that, and what came of it.
//!
//! Owns the data. `crate::signature` checks the bytes; nothing here knows a key, a certificate or a format.

use std::fmt;
use std::sync::Arc;

use regex::{Regex, RegexBuilder};

use crate::model::file::RepoPath;
use crate::model::image::{Digest, ImageName, Tag};

/// How large a compiled pattern may be, in bytes: far beyond any that names people or workflows.
const MAX_PATTERN: usize = 1 << 20;

/// Who must have signed an image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verify {
    /// `cosign: {key: …}`: public keys in the repository, by their paths; one of them must have signed.
    CosignKeys(Vec<RepoPath>),
    /// `cosign: {identity, issuer}`: keyless.
    CosignIdentity {
        /// The certificate's subject.
        identity: SignerName,
        /// Who vouched for the subject: the issuer of its OpenID Connect token.
        issuer: SignerName,
    },
}

/// A name in a certificate, exact or by a pattern.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum SignerName {
    /// This name and no other.
    Exact(String),
    /// Every name that the pattern matches from its beginning to its end.
    Pattern(NamePattern),
}

impl SignerName {
    /// Whether a name is meant.
    pub fn matches(&self, name: &str) -> bool {
        match self {
            Self::Exact(exact) => exact == name,
            Self::Pattern(pattern) => pattern.matches(name),
        }
    }
}

impl fmt::Display for SignerName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => write!(formatter, "{name}"),
            Self::Pattern(pattern) => write!(formatter, "/{}/", pattern.text),
        }
    }
}

/// A regular expression that must match a whole name.
///
/// It holds its text alone, by which it is compared and sorted: a compiled one has inner caches, which no key of a map
/// may have, and is asked about a handful of names in a pass.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NamePattern {
    text: String,
}

impl NamePattern {
    /// Compiles a pattern and anchors it: a part of a name never matches.
    ///
    /// # Errors
    ///
    /// The reason in words when it is no regular expression, or too large a one.
    pub fn new(text: &str) -> Result<Self, String> {
        // Alone first: a `)` that closes the group around it would escape from the anchors.
        compile(text).and_then(|_| compile(&anchored(text))).map_or_else(
            |error| Err(error.to_string().lines().last().unwrap_or_default().trim().to_owned()),
            |_regex| Ok(Self { text: text.to_owned() }),
        )
    }

    fn matches(&self, name: &str) -> bool {
        compile(&anchored(&self.text)).expect("it was compiled before, in `new`").is_match(name)
    }
}

fn anchored(text: &str) -> String {
    format!("^(?:{text})$")
}

fn compile(text: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(text).size_limit(MAX_PATTERN).build()
}

/// A signature that a decision depends on: of this content, under this name, by whom the policy says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SignatureWant {
    /// The image.
    pub image: ImageName,
    /// The tag that would be written; a signature may name one.
    pub tag: Tag,
    /// What is signed. Tags move, so that nothing is ever said of a tag alone.
    pub digest: Digest,
    /// Who must have signed it.
    pub verify: Arc<Verify>,
}

/// What the signatures of an image say about it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum SignatureVerdict {
    /// One of them is by whom the policy names, and holds.
    Signed,
    /// There is none yet.
    Missing,
    /// There are some, and none is by whom the policy names and holds; the reason in words.
    Wrong(Arc<str>),
}

/// A verdict as a snapshot keeps it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SignatureFact {
    /// What was signed.
    pub digest: Digest,
    /// Who had to sign it, in words that are the same for the same keys or names.
    pub by: String,
    /// What came of it, or why that could not be found out, in words.
    pub verdict: Result<SignatureVerdict, String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_whole_names_only() {
        let pattern = SignerName::Pattern(NamePattern::new("https://ci\\.example/acme/.*|b").unwrap());
        for (name, expected) in [
            ("https://ci.example/acme/web", true),
            ("b", true),
            ("https://ci.example/acme", false),
            ("x https://ci.example/acme/web", false),
            ("https://evil.example/?https://ci.example/acme/web", false),
            ("bb", false),
            ("b\n", false),
        ] {
            assert_eq!(pattern.matches(name), expected, "{name}");
        }
    }

    #[test]
    fn a_pattern_that_would_escape_from_its_anchors_is_refused() {
        for text in ["a)|(?:b", "(", "[", "\\p{X}", "(a{999}){999}"] {
            assert!(NamePattern::new(text).is_err(), "{text}");
        }
    }
}
