//! Proposals: what should move in an environment, what that waits for, and what became of it.

use jiff::Timestamp;

use crate::model::decision::Question;
use crate::model::environment::{EnvironmentName, Publish};
use crate::model::gate::{Gate, GateState};
use crate::model::image::ImageName;
use crate::model::policy::{Pin, Step};
use crate::model::site::Value;

/// One image that moves from one value to another at some sites.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// The image.
    pub image: ImageName,
    /// What stands there.
    pub from: Value,
    /// What shall stand there.
    pub to: Value,
    /// The largest part that changes.
    pub step: Option<Step>,
    /// Whether a digest is added where none stands.
    pub pin: Pin,
    /// The sites, as positions in the observation.
    pub sites: Vec<usize>,
    /// When what shall stand there was published, where that is known.
    pub published: Option<Timestamp>,
}

impl Move {
    /// Whether it answers a question: the same image at the same places, where one image may stand at several.
    pub fn answers(&self, question: &Question) -> bool {
        self.image == question.image
            && self.from == question.current
            && self.sites.iter().any(|site| question.sites.contains(site))
    }
}

/// What was or would be done with a proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    /// Committed to the base branch.
    Committed,
    /// A pull request was opened.
    Opened,
    /// Its pull request was updated.
    Updated,
    /// Its pull request stands as it should.
    Unchanged,
    /// Its pull request was merged.
    Merged,
    /// The forge merges its pull request: it is in the merge queue, or waits there for the checks that the base requires.
    Enqueued,
    /// Its pull request was closed.
    Closed,
    /// It waits for a gate.
    Waiting,
    /// A person holds the version.
    Held,
    /// A person took it over.
    LeftAlone,
    /// It could not be done.
    Failed,
}

impl Action {
    /// Whether Git or the forge is another after it.
    pub fn acts(self) -> bool {
        match self {
            Self::Committed | Self::Opened | Self::Updated | Self::Merged | Self::Enqueued | Self::Closed => true,
            Self::Unchanged | Self::Waiting | Self::Held | Self::LeftAlone | Self::Failed => false,
        }
    }

    /// Returns the word in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Committed => "committed",
            Self::Opened => "opened",
            Self::Updated => "updated",
            Self::Unchanged => "unchanged",
            Self::Merged => "merged",
            Self::Enqueued => "enqueued",
            Self::Closed => "closed",
            Self::Waiting => "waiting",
            Self::Held => "held",
            Self::LeftAlone => "leftAlone",
            Self::Failed => "failed",
        }
    }
}

/// Why a pull request stands that nothing holds back.
pub const FOR_SOMEBODY: &str = "somebody has to merge it";

/// What should move in one environment, together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// The environment.
    pub environment: EnvironmentName,
    /// The group, or the single image's own.
    pub group: String,
    /// How it reaches the environment.
    pub publish: Publish,
    /// The head branch, where one is used.
    pub branch: Option<String>,
    /// The pull request's address, where one is open.
    pub url: Option<String>,
    /// What moves.
    pub moves: Vec<Move>,
    /// What the gates say; empty where the environment has none.
    pub gates: Vec<Gate>,
    /// What becomes of it.
    pub action: Action,
    /// Why it waits or failed, where the gates do not say it.
    pub reason: Option<String>,
    /// The earliest moment at which it can move, where time alone decides.
    pub earliest: Option<Timestamp>,
}

/// One of several ways to an environment of which one is enough.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// The environment before.
    pub before: EnvironmentName,
    /// What would come by it, where anything would.
    pub next: Option<Value>,
    /// What the gates say of that.
    pub gates: Vec<Gate>,
    /// The earliest moment at which it can come by it, where time alone decides.
    pub earliest: Option<Timestamp>,
    /// Whether it is the way that counts.
    pub counts: bool,
    /// Why it counts or does not, in words.
    pub reason: String,
}

impl Proposal {
    /// Returns why it stands still, in words, where the gates do not say it.
    pub fn why(&self) -> Option<&str> {
        let is_open = self.action == Action::Unchanged && self.publish == Publish::PullRequest;
        let is_for_somebody = is_open && self.gates.iter().all(|gate| gate.state == GateState::Pass);
        self.reason.as_deref().or(is_for_somebody.then_some(FOR_SOMEBODY))
    }

    /// Whether it waits: for a gate, or for what [`Proposal::why`] tells.
    pub fn is_waiting(&self) -> bool {
        let may_wait = matches!(self.action, Action::Unchanged | Action::Enqueued);
        let has_closed = || self.gates.iter().any(|gate| gate.state != GateState::Pass);
        self.action == Action::Waiting || (may_wait && (self.why().is_some() || has_closed()))
    }
}
