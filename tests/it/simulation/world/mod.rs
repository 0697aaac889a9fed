//! The world of a simulation: repository, forge, registry, people and clock, all in memory.
//!
//! Knows who really did what, whatever commits and bodies say about it, and lets the rules look at every effect of a
//! pass before it is there. Makes no fault by itself: that is the clients' business.

pub(super) mod forge;
pub(super) mod git;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use tagboat::model::commit::CommitId;
use tagboat::model::environment::BranchName;
use tagboat::model::pull_request::CheckState;

use self::forge::Pull;
use self::git::{Store, Tree};
use super::ledger::{self, Ledger};
use super::moving::{self, MOVING};
use super::rules;
use super::session::Session;
use super::setting::{BEHIND, DEPLOYS, FIRST, IMAGES, MergeWay, Setting};
use super::upstream::Upstream;

/// Who did something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// A pass of Tagboat's, by its number.
    Pass(usize),
    /// What a person ordered of Tagboat.
    Order(usize),
    Person,
}

impl By {
    /// Whether Tagboat decided by itself.
    pub(super) fn is_pass(self) -> bool {
        matches!(self, Self::Pass(_))
    }
}

/// What somebody brings, whoever lands it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Brought {
    /// Who made it.
    pub(super) by: By,
    pub(super) way: Way,
}

/// Which way a change goes, as its message says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Forward,
    /// A person ordered to go back.
    Rollback,
    /// Tagboat went back by itself.
    Return,
}

impl Way {
    pub(super) fn of(message: &str) -> Self {
        let has = |trailer: &str| message.lines().any(|line| line.starts_with(trailer));
        match (has("Tagboat-Failed: "), has("Tagboat-Order: rollback")) {
            (true, _) => Self::Return,
            (false, true) => Self::Rollback,
            (false, false) => Self::Forward,
        }
    }
}

/// What is measured, or stands on a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Measure {
    #[default]
    Good,
    Bad,
    /// There is an answer, and nothing in it.
    Nothing,
    /// There is an answer, and it is no number or word.
    Senseless,
    /// There is none.
    Down,
}

/// What a check said last about a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) state: CheckState,
    pub(super) text: String,
    pub(super) at: Timestamp,
}

/// A tag in the registry.
#[derive(Debug, Clone)]
pub(super) struct Tagged {
    pub(super) digest: String,
    pub(super) pushed: Timestamp,
}

/// What was found wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Violation {
    pub(super) rule: &'static str,
    pub(super) text: String,
}

#[derive(Clone)]
pub(super) struct World {
    pub(super) setting: Arc<Setting>,
    /// The true time.
    pub(super) now: Timestamp,
    /// Whether every clock has been right so far.
    pub(super) clocks_are_right: bool,
    pub(super) git: Store,
    /// The other repository, where one comes before the first environment.
    pub(super) upstream: Option<Upstream>,
    pub(super) pulls: Vec<Pull>,
    pub(super) checks: BTreeMap<CommitId, BTreeMap<String, Report>>,
    /// What is measured of each environment.
    pub(super) measures: Vec<Measure>,
    /// What the page of each environment says.
    pub(super) pages: Vec<Measure>,
    pub(super) registry: Vec<BTreeMap<String, Tagged>>,
    /// Every digest that a tag ever had.
    pub(super) digests: BTreeSet<(usize, String, String)>,
    pub(super) is_protected: bool,
    pub(super) ledger: Ledger,
    pub(super) sessions: Vec<Session>,
    pub(super) story: Vec<String>,
    pub(super) violation: Option<Violation>,
    /// How many effects passes have had.
    pub(super) effects: usize,
    serial: u64,
}

/// A tree of references: where what stands.
pub(super) type Runs = Vec<ledger::Place>;

impl World {
    pub(super) fn new(setting: Setting) -> Self {
        let start = setting.start;
        let git = Store::with(&setting.files(), start);
        let mut world = Self {
            now: start,
            clocks_are_right: true,
            ledger: Ledger::begin(&git, &setting, start),
            git,
            upstream: None,
            pulls: Vec::new(),
            checks: BTreeMap::new(),
            measures: vec![Measure::Good; setting.environments.len()],
            pages: vec![Measure::Good; setting.environments.len()],
            registry: vec![BTreeMap::new(); IMAGES.len()],
            digests: BTreeSet::new(),
            is_protected: false,
            sessions: Vec::new(),
            story: Vec::new(),
            violation: None,
            effects: 0,
            serial: 0,
            setting: Arc::new(setting),
        };
        for image in 0..MOVING {
            world.push_image(image, BEHIND);
            world.push_image(image, FIRST);
        }
        world.story.clear();
        if world.setting.has_moving {
            moving::begin(&mut world);
        }
        world.upstream = world.setting.upstream.map(|_| Upstream::begin(&world));
        world
    }

    /// Writes a line of the story.
    pub(super) fn tell(&mut self, line: impl AsRef<str>) {
        let time = self.now.strftime("%a %d %b %H:%M");
        self.story.push(format!("{time}  {}", line.as_ref()));
    }

    /// Notes the first thing that is wrong.
    pub(super) fn judge(&mut self, found: Result<(), Violation>) {
        if let Err(violation) = found
            && self.violation.is_none()
        {
            self.tell(format!("  !! {}: {}", violation.rule, violation.text));
            self.violation = Some(violation);
        }
    }

    /// Pushes content under a tag.
    pub(super) fn push_image(&mut self, image: usize, tag: &str) {
        self.serial += 1;
        let serial = self.serial;
        let sum = format!("{image}{tag}{serial}")
            .bytes()
            .fold(7u64, |sum, byte| sum.wrapping_mul(0x0100_0000_01b3).wrapping_add(u64::from(byte)));
        let digest = format!("sha256:{}", format!("{sum:016x}").repeat(4));
        self.digests.insert((image, tag.to_owned(), digest.clone()));
        let pushed = self.now;
        self.registry[image].insert(tag.to_owned(), Tagged { digest, pushed });
        self.tell(format!("registry: {}:{tag} is pushed", short(image)));
    }

    /// Moves the base, which the rules have let through or a person does.
    ///
    /// `brought` says what a merge brings; a commit without says it by itself.
    pub(super) fn move_main(&mut self, tip: &CommitId, by: By, brought: Option<Brought>) {
        let old = self.git.main.clone();
        self.git.main = tip.clone();
        let new: Vec<CommitId> = self.git.line(tip).map(|(id, _)| id.clone()).take_while(|id| *id != old).collect();
        for id in new.iter().rev() {
            let own = Brought {
                by,
                way: if by == By::Person { Way::Forward } else { Way::of(&self.git.commit(id).message) },
            };
            let landing = ledger::Landed { id, by, brought: brought.unwrap_or(own), now: self.now };
            self.ledger.land(&self.git, &self.setting, &landing);
        }
    }

    /// What a head brings: what Tagboat made there, where anything is. A forge that squashes or rebases keeps the words of
    /// the last commit alone.
    pub(super) fn brought_by(&self, head: &CommitId) -> Brought {
        let is_merged = self.setting.forge.is_none_or(|forge| forge.way == MergeWay::Merge);
        let beyond = if is_merged { self.git.beyond(head, &self.git.main) } else { vec![self.git.commit(head)] };
        let own = beyond.iter().find(|commit| commit.by != By::Person);
        own.map_or(Brought { by: By::Person, way: Way::Forward }, |commit| Brought {
            by: commit.by,
            way: Way::of(&commit.message),
        })
    }

    /// Sets what a check says about a commit.
    pub(super) fn report(&mut self, commit: &CommitId, name: &str, state: CheckState) {
        let report = Report { state, text: String::new(), at: self.now };
        self.checks.entry(commit.clone()).or_default().insert(name.to_owned(), report);
    }

    /// What deploys the environments reports on the newest commit, as things are.
    pub(super) fn deploy(&mut self) {
        if self.setting.forge.is_none() {
            return;
        }
        let setting = Arc::clone(&self.setting);
        let tip = self.git.main.clone();
        for (index, environment) in setting.environments.iter().enumerate() {
            let name = format!("{DEPLOYS}{}", environment.name);
            let state = if self.is_sick(index) { CheckState::Failed } else { CheckState::Passed };
            let known = self.checks.get(&tip).and_then(|own| own.get(&name));
            if known.is_none_or(|known| known.state != state) {
                self.report(&tip, &name, state);
            }
        }
    }

    /// Whether anything that an environment runs is sick.
    pub(super) fn is_sick(&self, environment: usize) -> bool {
        let own = self.ledger.last().places.iter().filter(|place| place.environment == environment);
        own.into_iter().any(|place| match place.image {
            MOVING => moving::is_sick(&self.setting, &place.value),
            _ => self.setting.is_sick(&place.value.tag),
        })
    }

    /// Moves or removes a head branch; pull requests follow.
    pub(super) fn move_head(&mut self, name: &BranchName, tip: Option<&CommitId>, by: By) {
        match tip {
            Some(tip) => {
                self.git.heads.insert(name.clone(), tip.clone());
                for pull in self.pulls.iter_mut().filter(|pull| pull.is_open() && pull.head == *name) {
                    pull.commit = tip.clone();
                }
            }
            None => {
                self.git.heads.remove(name);
                if let Some(index) = self.open_of(name) {
                    self.close(index, by);
                }
                for pull in self.pulls.iter_mut().filter(|pull| pull.head == *name) {
                    pull.has_lost_head = true;
                }
            }
        }
    }

    /// Lets a person change files on the base; `None` removes one.
    pub(super) fn edit(&mut self, message: &str, files: &[(&str, Option<String>)]) {
        let mut tree = Tree::clone(self.git.tree(&self.git.main));
        for (path, text) in files {
            let path = tagboat::model::file::RepoPath::new(path).unwrap();
            match text {
                Some(text) => {
                    let blob = self.git.add_blob(text.as_bytes());
                    tree.insert(path, blob);
                }
                None => drop(tree.remove(&path)),
            }
        }
        self.commit_tree(message, tree);
    }

    /// Lets a person commit a tree to the base.
    pub(super) fn commit_tree(&mut self, message: &str, tree: Tree) {
        let parents = vec![self.git.main.clone()];
        let (author, time, by) = (git::person(), self.now, By::Person);
        let tip = self.git.add(git::NewCommit { tree, parents, author, time, message, by });
        self.move_main(&tip, By::Person, None);
    }

    /// Reads a file of the base.
    pub(super) fn file(&self, path: &str) -> Option<&str> {
        let path = tagboat::model::file::RepoPath::new(path).unwrap();
        self.git.tree(&self.git.main).get(&path).map(|blob| self.git.text(blob))
    }

    /// What stands where on the base.
    pub(super) fn runs(&self) -> Runs {
        ledger::places(&self.git, &self.setting, self.git.tree(&self.git.main))
    }

    pub(super) fn open_of(&self, head: &BranchName) -> Option<usize> {
        self.pulls.iter().position(|pull| pull.is_open() && pull.head == *head)
    }

    /// Looks at what must hold whenever nobody is in the middle of something.
    pub(super) fn check_state(&mut self) {
        let found = rules::state(self);
        self.judge(found);
    }
}

/// Returns the last part of an image's name.
pub(super) fn short(image: usize) -> &'static str {
    IMAGES[image].rsplit('/').next().expect("it has parts")
}
