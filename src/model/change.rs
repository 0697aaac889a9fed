//! Changes: which bytes of which file become what, and the files that come of it.

use jiff::Timestamp;

use crate::model::environment::EnvironmentName;
use crate::model::file::{Position, RepoPath, Span};
use crate::model::image::ImageName;
use crate::model::policy::Step;
use crate::model::site::Value;

/// One replaced span: a row of `changes` in reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The file.
    pub file: RepoPath,
    /// Where `bytes` begins.
    pub position: Position,
    /// What is replaced, in the file before the edit.
    pub bytes: Span,
    /// The text that stood there.
    pub replaces: String,
    /// The text that stands there now.
    pub with: String,
    /// The environment.
    pub environment: EnvironmentName,
    /// The group.
    pub group: String,
    /// The image.
    pub image: ImageName,
    /// The value before.
    pub from: Value,
    /// The value after.
    pub to: Value,
    /// The largest part that changes.
    pub step: Option<Step>,
    /// When the value after was published, where that is known.
    pub published: Option<Timestamp>,
    /// Where else the same text is used through an alias, and so changes along.
    pub uses: Vec<Position>,
}

/// A file's new content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileEdit {
    /// The file.
    pub file: RepoPath,
    /// Its bytes before.
    pub before: Vec<u8>,
    /// Its bytes after.
    pub after: Vec<u8>,
}

/// An edit that was not made, and why; the file stays as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The file.
    pub file: RepoPath,
    /// Where.
    pub position: Option<Position>,
    /// The image.
    pub image: Option<ImageName>,
    /// Why, in words.
    pub reason: String,
}

/// Everything that one environment's proposals change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChangeSet {
    /// The replaced spans, by file and offset.
    pub changes: Vec<Change>,
    /// The files, by path.
    pub files: Vec<FileEdit>,
    /// What was refused.
    pub refused: Vec<Refusal>,
}
