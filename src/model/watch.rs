//! Watches: versions whose checks are looked at for a while after they came, and what that shows.
//!
//! Owns the data; `crate::promote::watch` judges, `crate::pass` goes back.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::model::checks::CheckName;
use crate::model::commit::CommitId;
use crate::model::environment::EnvironmentName;
use crate::model::image::ImageName;
use crate::model::site::Value;

/// A version that Tagboat brought to an environment with `onFailure`, while it is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watch {
    /// The environment.
    pub environment: EnvironmentName,
    /// The image.
    pub image: ImageName,
    /// The group.
    pub group: String,
    /// The version.
    pub value: Value,
    /// The commit that brought it.
    pub commit: CommitId,
    /// The sites to which that commit brought it and where it stands, as positions in the observation: none where it gave way since.
    pub sites: Vec<usize>,
    /// The checks that are looked at.
    pub checks: Vec<CheckName>,
    /// Until when a failure counts.
    pub until: Timestamp,
    /// Whether its time has been over for as long again: then nothing goes back by itself any more.
    pub is_late: bool,
    /// What they say.
    pub state: WatchState,
    /// Versions that stood there before and had failed in their own time; only where this one failed, too.
    pub failed_before: BTreeSet<Value>,
    /// Versions that Tagboat had brought there before those, where all that were looked at failed: of these nobody looked whether they had.
    pub not_looked_at: BTreeSet<Value>,
}

/// What a watch shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WatchState {
    /// Nothing has failed so far.
    Watching,
    /// It failed; what, in words.
    Failed(String),
    /// It cannot be told; why, in words.
    Unknown(String),
}

impl Watch {
    /// Returns the names of the checks, for people.
    pub fn names(&self) -> String {
        self.checks.iter().map(CheckName::as_str).collect::<Vec<_>>().join(", ")
    }

    /// Says in words what it shows.
    pub fn told(&self) -> String {
        match &self.state {
            WatchState::Watching => format!("watching {} until {}", self.names(), self.until),
            WatchState::Failed(what) if !self.stands() => format!("failed: {what}, before another one took its place"),
            WatchState::Failed(what) if self.is_late => format!(
                "failed: {what}; the time to go back by itself, until {} and as long again, is over",
                self.until
            ),
            WatchState::Failed(what) => format!("failed: {what}"),
            WatchState::Unknown(reason) => format!("watched until {}, and not to be told: {reason}", self.until),
        }
    }

    /// Whether it stands anywhere to which it came.
    pub fn stands(&self) -> bool {
        !self.sites.is_empty()
    }

    /// Whether it failed.
    pub fn has_failed(&self) -> bool {
        matches!(self.state, WatchState::Failed(_))
    }
}
