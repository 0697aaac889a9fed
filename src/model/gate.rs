//! Gates: the conditions that a promotion waits for, and what each says at a moment.
//!
//! Owns the data; `crate::promote` judges.

use std::fmt;

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::model::checks::CheckName;
use crate::model::json_path::JsonPath;
use crate::model::query::QueryText;
use crate::model::source::Expectation;

/// The name of a gate: its key in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum GateName {
    /// `soak`.
    Soak,
    /// `checks`.
    Checks,
    /// `windows`.
    Windows,
    /// `freezes`.
    Freezes,
    /// `query`.
    Query,
    /// `http`.
    Http,
    /// `approvals`.
    Approvals,
    /// `manual`.
    Manual,
}

impl GateName {
    /// All there are.
    pub const ALL: [Self; 8] = [
        Self::Soak,
        Self::Checks,
        Self::Windows,
        Self::Freezes,
        Self::Query,
        Self::Http,
        Self::Approvals,
        Self::Manual,
    ];

    /// Whether what has passed stays so: a window closes again, and what is asked elsewhere may turn.
    pub fn stays_passed(self) -> bool {
        matches!(self, Self::Soak | Self::Manual)
    }

    /// Returns the context of the commit status by which Tagboat says what the gate says: `tagboat/soak`.
    pub fn context(self) -> String {
        format!("tagboat/{self}")
    }

    /// Returns the gate that a context is of. Others may have statuses whose names begin alike.
    pub fn of_context(context: &str) -> Option<Self> {
        let name = context.strip_prefix("tagboat/")?;
        Self::ALL.into_iter().find(|gate| gate.as_str() == name)
    }

    /// Returns the gate's key.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Soak => "soak",
            Self::Checks => "checks",
            Self::Windows => "windows",
            Self::Freezes => "freezes",
            Self::Query => "query",
            Self::Http => "http",
            Self::Approvals => "approvals",
            Self::Manual => "manual",
        }
    }
}

impl fmt::Display for GateName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// What soak counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SoakCount {
    /// While the version runs in the environment before.
    #[default]
    Running,
    /// From when it was introduced there, also after a newer one replaced it.
    Introduced,
}

/// When promotions may happen in the week.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    /// The days on which it starts.
    pub days: Vec<Weekday>,
    /// Its start, included.
    pub start: Time,
    /// Its end, excluded; not after the start means on the next day. `None` is midnight at the day's end.
    pub end: Option<Time>,
    /// The time zone of days and times.
    pub zone: TimeZone,
}

/// The start or end of a freeze.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FreezeEdge {
    /// A whole day, included at either end.
    Day(Date),
    /// An exact moment; at the end it is excluded.
    Moment(Timestamp),
}

/// When nothing may be promoted.
#[derive(Debug, Clone, PartialEq)]
pub struct Freeze {
    /// The start.
    pub from: FreezeEdge,
    /// The end.
    pub to: FreezeEdge,
    /// The time zone of whole days.
    pub zone: TimeZone,
}

/// A gate as configured.
#[derive(Debug, Clone, PartialEq)]
pub enum GateSpec {
    /// The version must have been in the environment before for a while.
    Soak {
        /// For how long.
        time: SignedDuration,
        /// What counts.
        count: SoakCount,
    },
    /// These commit statuses must have succeeded on the environment before.
    Checks(Vec<CheckName>),
    /// It must be within one of these.
    Windows(Vec<Window>),
    /// It must be outside of all of these.
    Freezes(Vec<Freeze>),
    /// A query to a source of `service.yaml` must answer as expected.
    Query {
        /// The source's name.
        source: String,
        /// The query; `$tag`, `$image` and `$environment` stand for what moves and where to.
        expr: QueryText,
        /// How far back every sample must be as expected, and how far they are apart; the present alone where `None`.
        over: Option<(SignedDuration, SignedDuration)>,
        /// What every sample of the answer must be, `< 0.01`.
        expect: Expectation,
    },
    /// A path below a source of `service.yaml` must answer as expected.
    Http {
        /// The source's name.
        source: String,
        /// The path below the source's URL.
        path: String,
        /// The place in the JSON answer, and what must stand there; a successful status is enough where `None`.
        expect: Option<(JsonPath, Expectation)>,
    },
    /// So many people must have approved the pull request.
    Approvals(u32),
    /// A person must let it pass.
    Manual,
}

impl GateSpec {
    /// Returns the gate's name.
    pub fn name(&self) -> GateName {
        match self {
            Self::Soak { .. } => GateName::Soak,
            Self::Checks(_) => GateName::Checks,
            Self::Windows(_) => GateName::Windows,
            Self::Freezes(_) => GateName::Freezes,
            Self::Query { .. } => GateName::Query,
            Self::Http { .. } => GateName::Http,
            Self::Approvals(_) => GateName::Approvals,
            Self::Manual => GateName::Manual,
        }
    }
}

/// What a gate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GateState {
    /// It lets pass.
    Pass,
    /// Not yet.
    Wait {
        /// When it can change by time alone, where that is known.
        until: Option<Timestamp>,
        /// Why, in words.
        reason: String,
    },
    /// No.
    Fail {
        /// Why, in words.
        reason: String,
    },
}

/// A gate with what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gate {
    /// Which.
    pub name: GateName,
    /// What it says.
    pub state: GateState,
    /// What it passes on, in words; `None` where it does not, or knows no more.
    pub facts: Option<String>,
    /// When it closes again by time alone, where it passes and that is known.
    pub closes: Option<Timestamp>,
    /// Why it does not pass, without what was measured at this moment; `None` where the reason of its state holds nothing of the
    /// kind.
    pub lasting: Option<String>,
}

impl Gate {
    /// Returns why it does not pass in words that stay while that is so: what is written into bodies and statuses, where each other
    /// word is a write. Empty where it passes.
    pub fn written(&self) -> &str {
        match (&self.lasting, &self.state) {
            (_, GateState::Pass) => "",
            (Some(lasting), _) => lasting,
            (None, GateState::Wait { reason, .. } | GateState::Fail { reason }) => reason,
        }
    }
}

/// When a gate that passes closes again by time alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closing {
    /// Which.
    pub gate: GateName,
    /// When; it is closed at that moment already.
    pub at: Timestamp,
}

impl Closing {
    /// Returns which of some gates closes first; `None` where none closes by time alone.
    pub fn first(gates: &[Gate]) -> Option<Self> {
        let all = gates.iter().filter_map(|gate| Some(Self { gate: gate.name, at: gate.closes? }));
        all.min_by_key(|closing| closing.at)
    }

    /// Says why nothing moves any more that the gate let pass a while ago, where it has closed since.
    pub fn over(&self, now: Timestamp) -> Option<String> {
        let Self { gate, at } = self;
        (now >= *at).then(|| format!("the gate `{gate}` closed at {at}, while the pass ran: the next pass looks again"))
    }
}
