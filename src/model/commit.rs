//! Commits as Tagboat makes them: ids, identities, messages and trailers.

use std::fmt;
use std::sync::Arc;

use crate::model::environment::EnvironmentName;

/// A commit's id in hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CommitId(pub Arc<str>);

impl CommitId {
    /// Returns the id's digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the first ten digits, for people.
    pub fn short(&self) -> &str {
        self.0.get(..10).unwrap_or(&self.0)
    }
}

impl fmt::Display for CommitId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

/// A name and an e-mail address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The name.
    pub name: String,
    /// The address.
    pub email: String,
}

impl Default for Identity {
    fn default() -> Self {
        Self { name: "Tagboat".to_owned(), email: "tagboat@localhost".to_owned() }
    }
}

/// The trailer that names the environment.
pub const TRAILER_ENVIRONMENT: &str = "Tagboat-Environment";
/// The trailer that names an image and its step, `repo old -> new@digest`; once for each image.
pub const TRAILER_IMAGE: &str = "Tagboat-Image";
/// The trailer that holds the hash of the change's content.
pub const TRAILER_KEY: &str = "Tagboat-Key";

/// The trailer of a commit that holds a version: `repo:tag in environment`; once for each.
pub const TRAILER_HOLD: &str = "Tagboat-Hold";
/// The trailer of a commit that releases a version, likewise.
pub const TRAILER_RELEASE: &str = "Tagboat-Release";

/// The trailer of a commit that a person ordered: the gates that it did not wait for, `soak, windows`.
pub const TRAILER_SKIP: &str = "Tagboat-Skip";
/// The trailer of a commit that a person ordered: why.
pub const TRAILER_REASON: &str = "Tagboat-Reason";
/// The trailer of a commit that a person ordered: `rollback` or `promote`.
pub const TRAILER_ORDER: &str = "Tagboat-Order";
/// The trailer of a return that nobody ordered: what failed.
pub const TRAILER_FAILED: &str = "Tagboat-Failed";

/// How commits look, from `commit:` of the configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommitStyle {
    /// The template of the message, where it is not the default one.
    pub message: Option<String>,
    /// Author and committer.
    pub author: Identity,
    /// Whether and how commits are signed.
    pub sign: Option<String>,
    /// Further trailers.
    pub trailers: Vec<(String, String)>,
}

/// A commit to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitPlan {
    /// The environment it is for.
    pub environment: EnvironmentName,
    /// The whole message with its trailers.
    pub message: String,
    /// Author and committer.
    pub author: Identity,
}
