//! What has stood where: the values that an image had in an environment, as the base branch's history tells.
//!
//! Owns the data; `crate::observe::history` reads it from Git, `crate::promote` and `crate::decide` judge by it. A timeline
//! tells of an environment as a whole; `places` takes it apart where the past of single places counts.

pub mod places;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::RangeInclusive;

use jiff::Timestamp;

use crate::model::commit::CommitId;
use crate::model::history::places::{Change, Spread};
use crate::model::image::Tag;
use crate::model::site::{Spot, Value};

/// Who moved a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mover {
    /// A commit whose trailers name this environment, this image and the value that came.
    Tagboat,
    /// Anybody else, by the author's name.
    Person(String),
}

impl fmt::Display for Mover {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tagboat => write!(formatter, "Tagboat"),
            Self::Person(name) => write!(formatter, "{name}"),
        }
    }
}

/// What a commit says about itself, beside what it changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Word {
    /// How many commits of the first-parent line are newer: the order of commits, whatever their clocks said.
    pub depth: usize,
    /// Its author's name: who merged, where it is a merge.
    pub author: String,
    /// The pull request that its message names, `#12` or `!12`.
    pub pull_request: Option<String>,
    /// What a person ordered by it.
    pub order: Option<Ordered>,
    /// The gates that it did not wait for, as its trailer names them.
    pub skipped: Vec<String>,
    /// Why, as its trailer says.
    pub reason: Option<String>,
    /// Who ordered it, as its trailer says.
    pub by: Option<String>,
    /// What had failed, where Tagboat went back by itself.
    pub failed: Option<String>,
    /// When what came was published, as far as its trailers tell.
    pub published: Vec<(Value, Timestamp)>,
}

/// What a person can order of Tagboat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ordered {
    /// Back to a version before.
    Rollback,
    /// A version at once.
    Promote,
}

impl Ordered {
    /// Returns the word in trailers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rollback => "rollback",
            Self::Promote => "promote",
        }
    }
}

/// One commit of the first-parent line that changed what an environment runs of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shift {
    /// The commit.
    pub commit: CommitId,
    /// Its committer time.
    pub time: Timestamp,
    /// When it came at the earliest: the latest committer time of it and those below it.
    pub landed: Timestamp,
    /// Who made it.
    pub by: Mover,
    /// What it says about itself.
    pub word: Word,
    /// The values that stood there before; empty where the image was new.
    pub from: BTreeSet<Value>,
    /// The values that stood there after it; empty where the image went.
    pub to: BTreeSet<Value>,
    /// Which value gave way to which at one place: a file may be lowered while others keep the old value.
    pub steps: BTreeSet<(Value, Value)>,
    /// What it did to which places.
    pub changes: Vec<Change>,
}

impl Shift {
    /// Whether it let a value come in the place of another one at any place, also where the file of that was moved meanwhile.
    fn puts_in_place(&self, value: &Value) -> bool {
        let came = |change: &Change| {
            change.to.as_ref() == Some(value) && change.from.as_ref().is_some_and(|from| from != value)
        };
        self.steps.iter().any(|(_, came)| came == value) || self.changes.iter().any(came)
    }

    /// Whether it brought a value to any place: in the place of another one, or where the image had not stood.
    pub fn brings(&self, value: &Value) -> bool {
        self.puts_in_place(value) || (self.to.contains(value) && !self.from.contains(value))
    }
}

/// A change that led to what the base branch holds and is no step of its first-parent line: a merged commit's, one of a file
/// before it was moved here, what a forced push undid, or what several commits did to one file with a gap in between. It
/// tells who took what back, and of since when only that nothing stands for longer than since it came to its file, wherever
/// that was then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aside {
    /// The change, as far as its own files tell.
    pub shift: Shift,
    /// What stood in the environment when it had come to the line.
    pub standing: BTreeSet<Value>,
    /// How many shifts of the line are newer.
    pub newer: usize,
    /// Whether it is one of a file that was the environment's then, and was moved here since.
    pub was_here: bool,
}

/// What an environment has run of an image, as far back as history was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeline {
    /// The changes, newest first.
    pub shifts: Vec<Shift>,
    /// The changes beside the line, newest first.
    pub asides: Vec<Aside>,
    /// The commits that changed at which places values stand, and not what runs; newest first.
    pub spread: Vec<Spread>,
    /// What stood before all of them, at which of today's places: none has brought it there.
    pub stood: BTreeMap<Spot, BTreeSet<Value>>,
    /// The committer time of the oldest commit that was read: what stood before the oldest shift stood there then.
    pub oldest: Timestamp,
    /// Whether that is the first commit of all.
    pub whole: bool,
}

impl Timeline {
    /// Returns the commit that last brought a value, and when.
    ///
    /// `None` where the value has stood there for longer than history was read.
    pub fn brought(&self, value: &Value) -> Option<&Shift> {
        self.shifts.iter().find(|shift| shift.to.contains(value) && !shift.from.contains(value))
    }

    /// Returns the least time for which a value that stands there now has stood: at every place where it stands.
    pub fn since(&self, value: &Value) -> Timestamp {
        let since = self.deployed(value).map_or(self.oldest, |index| self.shifts[index].landed);
        let before = self.before_moves().map(|aside| &aside.shift).filter(|shift| shift.puts_in_place(value));
        before.map(|shift| shift.landed).chain([since]).max().unwrap_or(since)
    }

    /// Returns what was done to files where they stood before they were moved here, newest first.
    fn before_moves(&self) -> impl Iterator<Item = &Aside> {
        self.asides.iter().filter(|aside| aside.was_here)
    }

    /// Returns the changes of some places with those that their files saw before they were moved here, newest first: a move itself is
    /// none that brought anything.
    ///
    /// It is asked of a [part](Self::parted): what was moved to one place says nothing of another one.
    pub fn with_moved(&self) -> Vec<&Shift> {
        let mut moved = self.before_moves().peekable();
        let mut line: Vec<&Shift> = Vec::new();
        for (newer, shift) in self.shifts.iter().enumerate() {
            while let Some(aside) = moved.next_if(|aside| aside.newer <= newer) {
                line.push(&aside.shift);
            }
            let is_told = line.last().is_some_and(|last| last.commit == shift.commit);
            // Where a copy took the place of a file, what that file saw is older, and ended with what came with the copy.
            let is_copied = moved.peek().is_some_and(|aside| shift.to.is_subset(&aside.shift.to));
            if !(shift.from.is_empty() && (is_told || is_copied)) {
                line.push(shift);
            }
        }
        line.extend(moved.map(|aside| &aside.shift));
        line
    }

    /// Returns a value as it is written there: a digest beside the tag may stand on one side alone.
    pub fn known_as(&self, value: &Value) -> Value {
        if self.deployed(value).is_some() {
            return value.clone();
        }
        let is_it = |other: &&Value| other.tag == value.tag && (other.digest.is_none() || value.digest.is_none());
        self.shifts.iter().flat_map(|shift| &shift.to).find(is_it).unwrap_or(value).clone()
    }

    /// Returns the position of the shift that last brought a value to any place where it stands.
    ///
    /// `None` where the value has stood there for longer than history was read.
    pub fn deployed(&self, value: &Value) -> Option<usize> {
        self.shifts.iter().position(|shift| shift.brings(value))
    }

    /// Follows the places where a value stands back through what gave way to what there, each as far as a value that is
    /// wanted.
    ///
    /// Changes tell values and no files: where one value came to several places, all that gave way to it is followed.
    pub fn descent(&self, value: &Value, is_wanted: &dyn Fn(&Value) -> bool) -> Descent {
        Descent::along(self.shifts.iter(), value, is_wanted)
    }

    /// Returns which commits of the first-parent line have a value since it was last brought, by their depths: from
    /// the newest to the one that brought it to the last of its places, wherever the file of that stood then.
    pub fn held(&self, value: &Value) -> Option<RangeInclusive<usize>> {
        let deployed = self.deployed(value)?;
        let mut newer = self.shifts[..deployed].iter().rev();
        let gone = newer.find(|shift| shift.from.contains(value) && !shift.to.contains(value));
        let newest = gone.map_or(0, |gone| gone.word.depth + 1);
        let before = self.before_moves().map(|aside| &aside.shift).filter(|shift| shift.puts_in_place(value));
        let oldest = before.map(|shift| shift.word.depth).filter(|depth| *depth >= newest).min();
        let brought = self.shifts[deployed].word.depth;
        Some(newest..=oldest.map_or(brought, |oldest| oldest.min(brought)))
    }
}

/// What stood before a value at the places where it stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Descent {
    /// The newest values before it that were wanted: several where places had different ones, or where it is not told which
    /// place had which.
    pub wanted: BTreeSet<Value>,
    /// The value itself, and what was passed over.
    pub passed: BTreeSet<Value>,
    /// Whether any place may have had nothing wanted before, as far as history tells.
    pub is_open: bool,
    /// The position of the newest shift by which a place with it, or with what was passed over, came new beside others.
    pub new_by: Option<usize>,
}

impl Descent {
    /// Follows the places where a value stands back along changes, newest first.
    pub fn along<'a>(
        shifts: impl Iterator<Item = &'a Shift>,
        value: &Value,
        is_wanted: &dyn Fn(&Value) -> bool,
    ) -> Self {
        let mut descent = Self { passed: BTreeSet::from([value.clone()]), ..Self::default() };
        let mut followed = descent.passed.clone();
        // Nothing of the image stood there for a while: what went last came before.
        let mut is_gap = false;
        for (index, shift) in shifts.enumerate() {
            if followed.is_empty() && !is_gap {
                break;
            }
            let mut older: BTreeSet<&Value> = BTreeSet::new();
            if is_gap && !shift.from.is_empty() {
                older.extend(&shift.from);
                is_gap = false;
            }
            followed.retain(|value| {
                let is_new = shift.to.contains(value) && !shift.from.contains(value);
                let gave_way = || shift.steps.iter().filter(|(_, came)| came == value).map(|(left, _)| left);
                older.extend(gave_way());
                if is_new && gave_way().next().is_none() {
                    is_gap |= shift.from.is_empty();
                    descent.new_by = descent.new_by.or((!shift.from.is_empty()).then_some(index));
                }
                !is_new
            });
            for value in older {
                if is_wanted(value) {
                    descent.wanted.insert(value.clone());
                } else {
                    descent.passed.insert(value.clone());
                    followed.insert(value.clone());
                }
            }
        }
        descent.is_open = is_gap || descent.new_by.is_some() || !followed.is_empty();
        descent
    }
}

/// What is known of an image's past in an environment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Past {
    /// What it ran; `None` where there is no history at all, as in a folder that is no checkout.
    pub timeline: Option<Timeline>,
    /// What somebody took back since.
    pub taken_back: Vec<TakenBack>,
    /// Everything that stood at a place and does not any more: no candidate where something worse stands now.
    pub left: Vec<Left>,
    /// What Tagboat took back, by order or because it failed: while it is held, nothing older comes in its place.
    pub went_back: Vec<TakenBack>,
    /// What people lowered by commits of their own, and have not gone on from since: nothing older comes in its place either.
    pub lowered: Vec<TakenBack>,
}

impl Past {
    /// Returns who took a value back, if anybody did.
    pub fn hold_on(&self, value: &Value) -> Option<&TakenBack> {
        self.taken_back.iter().find(|taken| taken.holds(value))
    }

    /// Returns who took back what is the same as a value under another tag: by what `is_one` says, and as long as nobody has
    /// brought the value itself since.
    pub fn hold_on_same(&self, value: &Value, is_one: &dyn Fn(&Value, &Value) -> bool) -> Option<&TakenBack> {
        self.taken_back.iter().find(|taken| {
            taken.value.tag.is_some()
                && taken.value.tag != value.tag
                && is_one(&taken.value, value)
                && !is_one(&taken.value, &taken.instead)
                && !self.is_again(taken, value)
        })
    }

    /// Whether a value was brought since something was taken back, other than beside what came in its place.
    pub fn is_again(&self, taken: &TakenBack, value: &Value) -> bool {
        let timeline = self.timeline.as_ref();
        let newer = timeline.and_then(|timeline| {
            let shift = timeline.shifts.iter().position(|shift| shift.commit == taken.commit)?;
            Some(&timeline.shifts[..shift])
        });
        let is_it = |stood: &Value| stood.tag == value.tag;
        newer.into_iter().flatten().any(|shift| {
            shift.to.iter().any(is_it)
                && !shift.to.contains(&taken.instead)
                && (shift.steps.iter().any(|(_, came)| is_it(came)) || !shift.from.iter().any(is_it))
        })
    }

    /// Returns why a value that is better than what stands at some places now is no candidate, for it stood at one of
    /// them before.
    ///
    /// The places are asked for where there is something to ask about.
    pub fn left_before(
        &self,
        is_meant: impl Fn(&TakenBack) -> bool,
        places: impl FnOnce() -> BTreeSet<Spot>,
    ) -> Option<&TakenBack> {
        if let Some(taken) = self.taken_back.iter().find(|taken| is_meant(taken)) {
            return Some(taken);
        }
        let mut left = self.left.iter().filter(|left| is_meant(&left.taken)).peekable();
        left.peek()?;
        let places = places();
        left.find(|left| !left.spots.is_disjoint(&places)).map(|left| &left.taken)
    }
}

/// A version that some places do not run any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// What was left, and how.
    pub taken: TakenBack,
    /// At which places.
    pub spots: BTreeSet<Spot>,
}

/// A version that somebody took back: from then on it is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenBack {
    /// The value that was left.
    pub value: Value,
    /// The value that came in its place.
    pub instead: Value,
    /// The commit that did it.
    pub commit: CommitId,
    /// When.
    pub time: Timestamp,
    /// Who.
    pub by: String,
    /// How.
    pub means: Means,
}

/// How a version was taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Means {
    /// By a commit of somebody's own, or since something else came in its place.
    Commit,
    /// By `rollback`, as a person ordered.
    Order,
    /// By itself, since it failed; what, in words.
    Failure(String),
}

impl TakenBack {
    /// Whether the tag stayed and its digest alone went back: no entry of the file of holds names that.
    pub fn is_of_digest(&self) -> bool {
        self.value.tag.is_some() && self.value.tag == self.instead.tag
    }

    /// Whether a value is the one that was taken back: the same tag, or the same digest where the tag stayed.
    pub fn holds(&self, value: &Value) -> bool {
        self.value.tag.is_some()
            && value.tag == self.value.tag
            && (!self.is_of_digest() || value.digest == self.value.digest)
    }

    /// Says who took a value back and how, and under which tag, where that is another.
    pub fn told_of(&self, value: &Value) -> String {
        match &self.value.tag {
            Some(tag) if value.tag.as_ref() != Some(tag) => format!("the same as {tag}: {self}"),
            _ => self.to_string(),
        }
    }

    /// Whether a tag is the one that was taken back, whatever digest it has.
    pub fn holds_tag(&self, tag: &Tag) -> bool {
        self.value.tag.as_ref() == Some(tag) && self.instead.tag.as_ref() != Some(tag)
    }
}

impl fmt::Display for TakenBack {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let day = self.time.strftime("%Y-%m-%d");
        let (by, commit) = (&self.by, self.commit.short());
        if self.commit.is_none() {
            return match &self.instead {
                Value { tag: None, digest: None } => write!(formatter, "{by} took it out"),
                instead => write!(formatter, "{by} took it back to {instead}"),
            };
        }
        match &self.means {
            Means::Commit => {}
            Means::Order => {
                let instead = &self.instead;
                return write!(formatter, "{by} rolled it back to {instead} on {day} (commit {commit})");
            }
            Means::Failure(what) => {
                let instead = &self.instead;
                return write!(formatter, "it failed ({what}) and went back to {instead} on {day} (commit {commit})");
            }
        }
        match &self.instead {
            instead if self.by == Mover::Tagboat.to_string() => {
                write!(formatter, "{instead} came in its place on {day} (commit {commit}), and did not stay")
            }
            Value { tag: None, digest: None } => write!(formatter, "{by} took it out on {day} (commit {commit})"),
            instead => write!(formatter, "{by} took it back to {instead} on {day} (commit {commit})"),
        }
    }
}
