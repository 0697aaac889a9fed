//! The outcome of a pass: what reports print, whichever command made it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

use crate::model::change::{Change, FileEdit};
use crate::model::commit::CommitId;
use crate::model::decision::{Decision, Reason};
use crate::model::environment::{EnvironmentName, Publish};
use crate::model::file::{Position, RepoPath};
use crate::model::gate::{Gate, GateState};
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

    /// Returns the earliest moment after now at which a pass may do something that this one could not.
    pub fn next_move(&self, now: Timestamp) -> Option<Timestamp> {
        let waiting = self.proposals.iter().filter_map(|proposal| proposal.earliest);
        let young =
            self.decisions.iter().flat_map(|decision| decision.rejected.iter()).filter_map(|(_, why)| match why {
                Reason::TooYoung { until, .. } => Some(*until),
                _ => None,
            });
        // A last look when the time of a watch is over: what failed until then still goes back.
        let watched = self.watches.iter().map(|watch| watch.until);
        // What is held until a moment may come from then on.
        let held = self.standing.iter().flat_map(|standing| &standing.status.holds).filter_map(|hold| hold.until);
        // A gate that opens or closes is told where its proposal stands, whatever else that waits for.
        let standing = self.proposals.iter().filter(|proposal| proposal.publish != Publish::Commit);
        let turning = standing.flat_map(|proposal| &proposal.gates).filter_map(|gate| match &gate.state {
            GateState::Pass => gate.closes,
            GateState::Wait { until, .. } => *until,
            GateState::Fail { .. } => None,
        });
        waiting.chain(young).chain(watched).chain(held).chain(turning).filter(|moment| *moment > now).min()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::decision::Verdict;
    use crate::model::watch::{Watch, WatchState};

    #[test]
    fn the_end_of_a_watch_is_a_moment_at_which_something_can_change() {
        let at = |text: &str| -> Timestamp { text.parse().unwrap() };
        let watch = |until: &str| Watch {
            environment: "staging".into(),
            image: "ghcr.io/acme/web".parse().unwrap(),
            group: String::new(),
            value: Value::default(),
            commit: CommitId("a".into()),
            sites: Vec::new(),
            checks: vec!["argocd/staging".into()],
            until: at(until),
            is_late: false,
            state: WatchState::Watching,
            failed_before: BTreeSet::new(),
            not_looked_at: BTreeSet::new(),
        };
        let watches = ["2026-11-20T08:30:00Z", "2026-11-20T08:10:00Z", "2026-11-20T08:00:00Z"].map(watch).into();
        let outcome = Outcome { watches, ..Outcome::default() };
        assert_eq!(outcome.next_move(at("2026-11-20T08:00:00Z")), Some(at("2026-11-20T08:10:00Z")));
        assert_eq!(outcome.next_move(at("2026-11-20T08:30:00Z")), None);
    }

    #[test]
    fn a_gate_that_opens_or_closes_by_time_is_one_too_where_its_proposal_stands() {
        let at = |text: &str| -> Timestamp { text.parse().unwrap() };
        let (opens, closes) = (at("2026-11-20T09:00:00Z"), at("2026-11-20T16:00:00Z"));
        let gate = |name, state, closes| Gate { name, state, facts: None, closes, lasting: None };
        let wait = |until| GateState::Wait { until, reason: String::new() };
        let with = |publish, gates: Vec<_>| {
            let proposal = Proposal {
                environment: "prod".into(),
                group: "web".to_owned(),
                publish,
                branch: None,
                url: None,
                moves: Vec::new(),
                gates,
                action: Action::Opened,
                reason: None,
                earliest: None,
            };
            Outcome { proposals: vec![proposal], ..Outcome::default() }.next_move(at("2026-11-20T08:00:00Z"))
        };
        use crate::model::gate::GateName::{Manual, Soak, Windows};
        let soaking = vec![gate(Soak, wait(Some(opens)), None), gate(Manual, wait(None), None)];
        assert_eq!(with(Publish::AutoMerge, soaking.clone()), Some(opens));
        let open = vec![gate(Windows, GateState::Pass, Some(closes))];
        assert_eq!(with(Publish::PullRequest, open.clone()), Some(closes));
        // Nobody is told of the gates of what is not proposed.
        assert_eq!((with(Publish::Commit, soaking), with(Publish::Commit, open)), (None, None));
    }

    #[test]
    fn the_end_of_a_hold_is_one_too() {
        let at = |text: &str| -> Timestamp { text.parse().unwrap() };
        let hold = |until: Option<&str>| Hold {
            environment: None,
            image: "ghcr.io/acme/web".parse().unwrap(),
            tag: "1.5.0".parse().unwrap(),
            digest: None,
            until: until.map(at),
            by: None,
            reason: None,
        };
        let mut standing = Standing::default();
        standing.status.holds = [None, Some("2026-11-20T08:00:25Z"), Some("2026-11-20T07:00:00Z")].map(hold).into();
        let outcome = Outcome { standing: Some(Box::new(standing)), ..Outcome::default() };
        assert_eq!(outcome.next_move(at("2026-11-20T08:00:00Z")), Some(at("2026-11-20T08:00:25Z")));
        assert_eq!(outcome.next_move(at("2026-11-20T08:00:25Z")), None);
    }

    #[test]
    fn the_moment_at_which_a_tag_is_old_enough_is_one_too() {
        let at = |text: &str| -> Timestamp { text.parse().unwrap() };
        let until = at("2026-11-20T10:00:00Z");
        let rejected =
            [(crate::model::tags::TagIndex(0), Reason::TooYoung { until, untold: None })].into_iter().collect();
        let question = crate::model::decision::Question {
            image: "ghcr.io/acme/web".parse().unwrap(),
            environment: "dev".into(),
            policy: Arc::new(crate::model::policy::Policy::new(crate::model::policy::Select::Newest)),
            current: Value::default(),
            sites: Vec::new(),
            origin: crate::model::decision::Origin::Registry,
        };
        let verdict = Verdict::Keep;
        let decisions = vec![Decision { question, verdict, rejected }];
        let outcome = Outcome { decisions, ..Outcome::default() };
        assert_eq!(outcome.next_move(at("2026-11-20T08:00:00Z")), Some(until));
        assert_eq!(outcome.next_move(until), None);
    }
}
