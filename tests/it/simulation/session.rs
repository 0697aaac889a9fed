//! One pass or order under way: its clock, its faults, and what it has seen since it last fetched.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Condvar, Mutex};

use fastrand::Rng;
use jiff::Timestamp;
use tagboat::model::commit::CommitId;
use tagboat::model::environment::BranchName;
use tagboat::model::gate::GateName;
use tagboat::model::pull_request::{Check, Readiness};

use super::acts::{Act, Ambush};
use super::script::PassSpec;
use super::upstream;
use super::world::forge::Pull;
use super::world::{By, Measure};

/// What goes wrong in a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    Nothing,
    /// Each call fails in so many of a hundred cases, half of the writes after they were done.
    Random(u8),
    /// Every call of one kind fails: its position among [`KINDS`].
    Outage(usize),
    /// From this call on nothing arrives any more, as if the process were killed; whether this call itself is done.
    Crash {
        at: usize,
        is_done: bool,
    },
}

/// What can be out of order alone, by how its calls are named.
pub(super) const KINDS: [&str; 8] = [
    "listing checks",
    "asking who approves",
    "asking whether it may be merged",
    "reading the history",
    "listing pull requests",
    "the list of ",
    "asking metrics",
    "asking page",
];

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Done,
    /// It fails, and nothing was done.
    Fails,
    /// It was done, and the answer is lost.
    Lost,
}

/// What a pass has seen since it last fetched the base.
#[derive(Debug, Clone, Default)]
pub(super) struct Round {
    /// The position of the base in the ledger.
    pub(super) base: Option<usize>,
    /// What was seen of the other repository.
    pub(super) upstream: upstream::Seen,
    /// The tags that were listed, by image.
    pub(super) lists: BTreeMap<usize, BTreeSet<String>>,
    pub(super) failed_lists: BTreeSet<usize>,
    /// The digests that tags were told to stand for.
    pub(super) digests: BTreeSet<(usize, String, String)>,
    /// When tags were pushed, as it was told.
    pub(super) pushed: BTreeMap<(usize, String), Timestamp>,
    /// Images and tags of which a fact could not be had.
    pub(super) failed_facts: BTreeSet<(usize, String)>,
    /// Environments of which a file could not be read.
    pub(super) failed_environments: BTreeSet<usize>,
    /// Whether any history could be read.
    pub(super) has_history: bool,
    /// The pull requests as they were listed.
    pub(super) listed: Option<Vec<Pull>>,
    /// The branches of proposed holds, as they were listed first.
    pub(super) proposed: Option<Vec<(BranchName, CommitId)>>,
    /// Whether head branches were listed.
    pub(super) has_heads: bool,
    /// The head branches that could not be read, at tips that were not read before.
    pub(super) failed_heads: BTreeSet<BranchName>,
    /// The head branches that were read, each at its tip: what it brings does not change.
    pub(super) read_heads: BTreeSet<(BranchName, CommitId)>,
    /// Environments of which a file could not be read since head branches were listed first, as long as nothing was asked of a registry
    /// again: a pass that finds something proposed to be held begins anew, and what had failed before that is over.
    pub(super) anew: Option<BTreeSet<usize>>,
    /// The checks that were told, by commit.
    pub(super) told: BTreeMap<CommitId, Vec<Check>>,
    /// What was answered of each environment, image and tag.
    pub(super) measured: BTreeMap<(usize, usize, String), Measure>,
    /// What the page of each environment said.
    pub(super) pages: BTreeMap<usize, Measure>,
    /// What was judged, at which head.
    pub(super) ready: BTreeMap<usize, (CommitId, Readiness)>,
}

impl Round {
    /// Notes that a list is asked for: where a pass decides anew, on what is asked anew.
    pub(super) fn asks(&mut self) {
        if let Some(failed) = self.anew.take() {
            (self.failed_environments, self.has_heads) = (failed, false);
            self.lists.clear();
            self.failed_lists.clear();
            self.failed_facts.clear();
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Session {
    pub(super) by: By,
    /// The moment by its own clock.
    pub(super) now: Timestamp,
    pub(super) fault: Fault,
    /// What people do while it runs, by the number of the call before which they do it.
    pub(super) meanwhile: Vec<(usize, Act)>,
    /// What somebody does to a head branch right before a call about it, and how many such calls come first.
    pub(super) ambush: Option<(usize, Ambush)>,
    /// The gates that a person skips who orders a version.
    pub(super) skips: Option<Vec<GateName>>,
    pub(super) rng: Rng,
    pub(super) calls: usize,
    /// Whether anything went wrong.
    pub(super) is_disturbed: bool,
    /// Whether others did something while it ran.
    pub(super) had_company: bool,
    /// Whether the base took no push of its.
    pub(super) was_forbidden: bool,
    pub(super) round: Round,
}

impl Session {
    pub(super) fn new(by: By, now: Timestamp, spec: &PassSpec) -> Self {
        Self {
            by,
            now,
            fault: spec.fault,
            meanwhile: spec.meanwhile.clone(),
            ambush: spec.ambush,
            skips: None,
            rng: Rng::with_seed(spec.seed),
            calls: 0,
            is_disturbed: false,
            had_company: false,
            was_forbidden: false,
            round: Round::default(),
        }
    }

    /// Returns what somebody does before this call about a head branch.
    pub(super) fn ambushed(&mut self) -> Option<Ambush> {
        let (left, _) = self.ambush.as_mut()?;
        if *left > 0 {
            *left -= 1;
            return None;
        }
        self.ambush.take().map(|(_, ambush)| ambush)
    }

    /// Whether each failing call is worth a line: of one that was killed, the first.
    pub(super) fn is_telling(&self) -> bool {
        !matches!(self.fault, Fault::Crash { at, .. } if self.calls > at)
    }

    /// Draws what becomes of the next call.
    pub(super) fn fate(&mut self, what: &str, is_write: bool) -> Fate {
        self.calls += 1;
        let fate = match self.fault {
            Fault::Nothing => Fate::Done,
            Fault::Random(percent) if self.rng.u8(..100) < percent => {
                if is_write && self.rng.bool() {
                    Fate::Lost
                } else {
                    Fate::Fails
                }
            }
            Fault::Random(_) => Fate::Done,
            Fault::Outage(kind) if what.starts_with(KINDS[kind]) => Fate::Fails,
            Fault::Outage(_) => Fate::Done,
            Fault::Crash { at, is_done } if self.calls == at => {
                if is_write && is_done {
                    Fate::Lost
                } else {
                    Fate::Fails
                }
            }
            Fault::Crash { at, .. } => {
                if self.calls > at {
                    Fate::Fails
                } else {
                    Fate::Done
                }
            }
        };
        self.is_disturbed |= fate != Fate::Done;
        fate
    }
}

/// Lets two passes run in turns that a seed draws: only the one whose turn it is goes on.
pub(super) struct Baton {
    turn: Mutex<Turn>,
    moved: Condvar,
}

struct Turn {
    whose: usize,
    is_live: [bool; 2],
    rng: Rng,
}

/// One side of a baton; it is over when this is dropped, also by a panic.
pub(super) struct Side {
    baton: Arc<Baton>,
    who: usize,
}

impl Baton {
    pub(super) fn sides(seed: u64) -> [Side; 2] {
        let turn = Turn { whose: 0, is_live: [true; 2], rng: Rng::with_seed(seed) };
        let baton = Arc::new(Self { turn: Mutex::new(turn), moved: Condvar::new() });
        [0, 1].map(|who| Side { baton: Arc::clone(&baton), who })
    }

    /// Waits for the turn of one side, after perhaps giving it away.
    pub(super) fn pass_on(&self, who: usize, may_leave: bool) {
        let mut turn = self.turn.lock().unwrap();
        if may_leave && turn.whose == who && turn.is_live[1 - who] && turn.rng.bool() {
            turn.whose = 1 - who;
            self.moved.notify_all();
        }
        while turn.whose != who {
            turn = self.moved.wait(turn).unwrap();
        }
    }
}

impl Side {
    pub(super) fn begin(&self) -> (Arc<Baton>, usize) {
        self.baton.pass_on(self.who, false);
        (Arc::clone(&self.baton), self.who)
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        if let Ok(mut turn) = self.baton.turn.lock() {
            turn.is_live[self.who] = false;
            turn.whose = 1 - self.who;
        }
        self.baton.moved.notify_all();
    }
}
