//! Holds: versions that a person does not want in an environment, until a time or until they are released.

use std::fmt;

use jiff::Timestamp;

use crate::model::environment::EnvironmentName;
use crate::model::image::{Digest, ImageName, Tag};

/// Where holds are kept on the base branch.
pub const HOLDS_FILE: &str = ".tagboat/holds.yaml";

/// An entry of [`HOLDS_FILE`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hold {
    /// Where it holds, and in every environment after that; `None` for everywhere.
    pub environment: Option<EnvironmentName>,
    /// The image.
    pub image: ImageName,
    /// The tag.
    pub tag: Tag,
    /// The one digest that is meant, where the tag stays and what it stands for goes back: only of what stands open, since no entry of
    /// the file names any.
    pub digest: Option<Digest>,
    /// When it ends by itself; excluded.
    pub until: Option<Timestamp>,
    /// Who holds it.
    pub by: Option<String>,
    /// Why.
    pub reason: Option<String>,
}

/// Who holds a version that Tagboat took back by itself, since it failed.
pub const BY_ITSELF: &str = "Tagboat";

impl Hold {
    /// Whether it is of a tag: a version that is written with a `v` is the same without.
    pub fn is_of(&self, tag: &Tag) -> bool {
        version(self.tag.as_str()) == version(tag.as_str())
    }

    /// Whether it holds a tag of an image, whatever that stands for, at a moment in an environment, which it reaches as one of `environments`:
    /// the environment itself and all before it. A version that is written with a `v` is the same without: who holds more does less.
    pub fn covers(&self, environments: &[&EnvironmentName], image: &ImageName, tag: &Tag, now: Timestamp) -> bool {
        self.digest.is_none() && self.is_of(tag) && self.reaches(environments, image, now)
    }

    /// Whether it holds its tag of an image, likewise.
    pub fn reaches(&self, environments: &[&EnvironmentName], image: &ImageName, now: Timestamp) -> bool {
        self.image == *image
            && self.until.is_none_or(|until| now < until)
            && self.environment.as_ref().is_none_or(|own| environments.contains(&own))
    }

    /// Says who holds a tag and why, and by which one, where that is another.
    pub fn told_of(&self, tag: &Tag) -> String {
        if self.tag == *tag { self.to_string() } else { format!("the same as {}: {self}", self.tag) }
    }
}

/// Takes the `v` off a tag that is a version behind it.
pub fn version(tag: &str) -> &str {
    tag.strip_prefix('v').filter(|rest| rest.starts_with(|first: char| first.is_ascii_digit())).unwrap_or(tag)
}

impl fmt::Display for Hold {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.by {
            Some(by) => write!(formatter, "{by} holds it")?,
            None => write!(formatter, "it is held")?,
        }
        if let Some(environment) = &self.environment {
            write!(formatter, " in {environment}")?;
        }
        if let Some(until) = &self.until {
            write!(formatter, " until {until}")?;
        }
        match &self.reason {
            Some(reason) => write!(formatter, ": {reason}"),
            None => Ok(()),
        }
    }
}
