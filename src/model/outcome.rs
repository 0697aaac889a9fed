//! The outcome of a pass: what reports print, whichever command made it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

use crate::model::change::{Change, FileEdit};
use crate::model::commit::CommitId;
use crate::model::decision::Decision;
use crate::model::environment::EnvironmentName;
use crate::model::file::{Position, RepoPath};
use crate::model::gate::Gate;
use crate::model::hold::Hold;
use crate::model::image::ImageName;
use crate::model::kept_back::KeptBack;
use crate::model::proposal::{Action, Proposal, Way};
use crate::model::record::Standing;
use crate::model::site::{PassedOver, Site, SkipReason, Value};
use crate::model::tags::ImageTags;
use crate::model::watch::Watch;

/// A target that failed: a row of `errors`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What failed: an image, a file, a branch.
    pub what: String,
    /// The file, where there is one.
    pub file: Option<RepoPath>,
    /// The place in it.
    pub position: Option<Position>,
    /// Why, and what to do now.
    pub reason: String,
}

impl fmt::Display for Trouble {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(formatter, "{file}:")?;
            if let Some(position) = self.position {
                write!(formatter, "{}:{}:", position.line, position.column)?;
            }
            write!(formatter, " ")?;
        }
        write!(formatter, "{}: {}", self.what, self.reason)
    }
}

/// Something that was passed by on purpose: a row of `skipped`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Skipped {
    /// What.
    pub what: String,
    /// Why.
    pub reason: String,
}

/// A commit that was pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Landed {
    /// The environment.
    pub environment: EnvironmentName,
    /// The commit.
    pub commit: CommitId,
    /// Its message.
    pub message: String,
}

/// Everything that a pass did, or would do.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// What is written to Git, or would be.
    pub changes: Vec<Change>,
    /// The files before and after.
    pub files: Vec<FileEdit>,
    /// What was decided for each image and environment.
    pub decisions: Vec<Decision>,
    /// The lists that the decisions' tag positions point into.
    pub images: BTreeMap<ImageName, Arc<ImageTags>>,
    /// What moves, and what waits.
    pub proposals: Vec<Proposal>,
    /// The commits that were pushed.
    pub commits: Vec<Landed>,
    /// The environments that the same run might go on to: a dry run looks at the first step alone.
    pub may_follow: Vec<EnvironmentName>,
    /// What was passed by.
    pub skipped: Vec<Skipped>,
    /// What of that belongs to what went back by itself: it stays told when later rounds judge anew.
    pub told: Vec<Skipped>,
    /// What is watched.
    pub watches: Vec<Watch>,
    /// Every hold that stands now, where an order was about them.
    pub holds: Option<Vec<Hold>>,
    /// What failed.
    pub errors: Vec<Trouble>,
    /// The newest commits of the base and of the branches beside it that were looked at.
    pub tips: Vec<CommitId>,
    /// The URLs of the other repositories that were looked at, or should have been.
    pub follows: BTreeSet<Arc<str>>,
    /// How things stand then, where somebody keeps that.
    pub standing: Option<Box<Standing>>,
}

impl Outcome {
    /// Returns the best version that each decision left out for more than its name, where there is one.
    pub fn kept_back(&self) -> Vec<(&Decision, KeptBack)> {
        let kept = |decision: &Decision| KeptBack::of(decision, self.images.get(&decision.question.image)?);
        self.decisions.iter().filter_map(|decision| Some((decision, kept(decision)?))).collect()
    }
}

/// A reference as `scan` reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScannedReference {
    /// Where it stands and what it holds.
    pub site: Site,
    /// The environment of its file.
    pub environment: Option<EnvironmentName>,
    /// The policy that holds for it, in words.
    pub policy: Option<String>,
    /// Why it is not followed.
    pub skipped: Option<SkipReason>,
    /// Which other reference decides in its place, in words.
    pub note: Option<String>,
}

/// What `scan` found.
#[derive(Debug, Clone, Default)]
pub struct ScanOutcome {
    /// Every reference, by file and offset.
    pub references: Vec<ScannedReference>,
    /// Every file that was not looked into.
    pub passed_over: Vec<PassedOver>,
    /// What failed.
    pub errors: Vec<Trouble>,
}

/// How bad a finding of `check` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing can be done before it is mended; exit code 2.
    Error,
    /// Most likely a mistake.
    Warning,
    /// Worth knowing.
    Note,
}

/// One finding of `check`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The rule's name, kebab-case.
    pub rule: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to do now.
    pub hint: Option<String>,
    /// The file.
    pub file: Option<String>,
    /// The branch or the other repository in which that file is; `None` where it is one of those that were checked.
    pub away: Option<String>,
    /// The place in it.
    pub position: Option<Position>,
}

impl Finding {
    /// Names the file, and what it is in where that is not what was checked.
    pub fn place(&self) -> Option<String> {
        let file = self.file.as_ref()?;
        Some(self.away.as_ref().map_or_else(|| file.clone(), |away| format!("{away}:{file}")))
    }
}

/// What `explain` says of one image in one environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The decision with a reason for every tag.
    pub decision: Decision,
    /// Where what it is about stands: file, line and column.
    pub places: Vec<String>,
    /// What the gates say.
    pub gates: Vec<Gate>,
    /// What comes next, where something does.
    pub next: Option<Value>,
    /// What becomes of that.
    pub action: Option<Action>,
    /// Why it stands still, where the gates do not say it.
    pub reason: Option<String>,
    /// The earliest moment at which it can move, where time alone decides.
    pub earliest: Option<Timestamp>,
    /// What stands there, while it is watched.
    pub watch: Option<Watch>,
    /// Where one of several environments before is enough, every way there; else none.
    pub ways: Vec<Way>,
}
