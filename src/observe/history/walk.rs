//! Going back over commits: what every file held after each, and so what each changed of what environments run.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;

use crate::git::GitError;
use crate::git::log::{Beside, ChangedFile, LogEntry, LogStep};
use crate::model::commit::{CommitId, Identity};
use crate::model::environment::EnvironmentName;
use crate::model::file::RepoPath;
use crate::model::history::places::{Change, Spread};
use crate::model::history::{Aside, Mover, Shift};
use crate::model::image::ImageName;
use crate::model::site::{Spot, Value};
use crate::observe::history::carried::Carried;
use crate::observe::history::former::Former;
use crate::observe::history::lineage::{Lineage, Rewritten};
use crate::observe::history::named::by_name;
use crate::observe::history::versions::{Placed, Values, Versions, counted};
use crate::observe::history::{Asked, Past, Reading, Wanted, words};

/// The values of images in a whole environment.
type Whole = BTreeMap<ImageName, BTreeSet<Value>>;

/// The author of what is not committed.
const UNCOMMITTED: &str = "an edit that is not committed";

/// A file of which a change is undone.
pub(super) struct Undone {
    pub(super) path: RepoPath,
    pub(super) before: Values,
    pub(super) after: Values,
}

/// An image that a commit brought to a file which had not had it before.
pub(super) struct Came {
    entry: LogEntry,
    depth: usize,
    landed: Timestamp,
    values: Vec<Placed>,
    /// What stood in the environment then.
    standing: BTreeSet<Value>,
    /// How many shifts are newer.
    newer: usize,
}

/// An image that was in a file only before a commit or only after it, with what it was.
type Gap = (RepoPath, ImageName, Option<Vec<Placed>>, Option<Vec<Placed>>);

/// Returns what gave way to what in files, place by place.
fn steps(undone: &[Undone]) -> BTreeMap<ImageName, BTreeSet<(Value, Value)>> {
    let mut steps: BTreeMap<ImageName, BTreeSet<(Value, Value)>> = BTreeMap::new();
    for file in undone {
        for (image, old) in &file.before {
            let new = file.after.get(image).map_or(&[][..], Vec::as_slice);
            steps.entry(image.clone()).or_default().extend(gave_way_in_file(old, new));
        }
    }
    steps
}

/// Puts together what a commit did to an image in an environment.
fn shift(
    (entry, depth, landed): (&LogEntry, usize, Timestamp),
    environment: &EnvironmentName,
    image: &ImageName,
    (from, to): (BTreeSet<Value>, BTreeSet<Value>),
    (mut steps, changes): (BTreeSet<(Value, Value)>, Vec<Change>),
) -> Shift {
    // A file that was moved and changed at once shows in the environment alone. Where files tell both what gave way to a
    // value and what the other gave way to, the two have nothing to do with each other.
    let (left, came): (BTreeSet<_>, BTreeSet<_>) = steps.iter().cloned().unzip();
    let is_told = |(one, other): &(Value, Value)| left.contains(one) && came.contains(other);
    steps.extend(gave_way(&from, &to).into_iter().filter(|step| !is_told(step)));
    let came: BTreeSet<&Value> = to.difference(&from).chain(steps.iter().map(|(_, came)| came)).collect();
    let (by, word) = words::mover((entry, depth), environment, image, (&steps, &came));
    Shift { commit: entry.id.clone(), time: entry.time, landed, by, word, from, to, steps, changes }
}

/// Returns what files held of one image before and after a commit.
fn rewritten<'u>(undone: &'u [Undone], image: &ImageName) -> Vec<Rewritten<'u>> {
    fn of<'v>(values: &'v Values, image: &ImageName) -> &'v [Placed] {
        values.get(image).map(Vec::as_slice).unwrap_or_default()
    }
    let file = |file: &'u Undone| Rewritten {
        path: &file.path,
        before: of(&file.before, image),
        after: of(&file.after, image),
    };
    undone.iter().map(file).collect()
}

/// Goes back in time, and knows at each commit what every file held after it.
pub(super) struct Walk<'a> {
    past: &'a dyn Past,
    pub(super) versions: Versions<'a>,
    pub(super) wanted: &'a Wanted<'a>,
    pub(super) reading: &'a Reading<'a>,
    /// What files hold that hold an asked image, by environment.
    pub(super) files: HashMap<EnvironmentName, BTreeMap<RepoPath, Values>>,
    pub(super) shifts: BTreeMap<Asked, Vec<Shift>>,
    pub(super) asides: BTreeMap<Asked, Vec<Aside>>,
    /// Those of them that merges dropped, by their positions.
    dropped: BTreeMap<Asked, Vec<usize>>,
    pub(super) spread: BTreeMap<Asked, Vec<Spread>>,
    /// Which places became which.
    pub(super) lineage: Lineage,
    /// Whose files were what before the configuration said otherwise.
    pub(super) former: Former,
    /// What went from files, and may have come to others.
    pub(super) carried: Carried,
    /// Images that came to a file which had not had them: what went from it before gave way to that after all.
    pub(super) came: HashMap<(RepoPath, ImageName), Came>,
    /// What stands there now.
    pub(super) there: BTreeSet<Asked>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(past: &'a dyn Past, wanted: &'a Wanted<'a>, reading: &'a Reading<'a>) -> Self {
        let mut there = BTreeSet::new();
        let mut files: HashMap<EnvironmentName, BTreeMap<RepoPath, Values>> = HashMap::new();
        for site in reading.sites {
            if site.branch.as_ref() == reading.branch
                && let Some(environment) = reading.environments.of(reading.branch, site.file.as_str())
                && let Some(image) = counted(site, wanted)
            {
                if wanted.has(&environment.name, image) {
                    there.insert((environment.name.clone(), image.clone()));
                }
                let file = files.entry(environment.name.clone()).or_default().entry(site.file.clone()).or_default();
                file.entry(image.clone()).or_default().push(Placed::of(site));
            }
        }
        Self {
            past,
            versions: Versions::new(past, wanted, reading),
            wanted,
            reading,
            files,
            shifts: BTreeMap::new(),
            asides: BTreeMap::new(),
            dropped: BTreeMap::new(),
            spread: BTreeMap::new(),
            lineage: Lineage::default(),
            former: Former::default(),
            carried: Carried::default(),
            came: HashMap::new(),
            there,
        }
    }

    /// Undoes one commit, and notes what it had changed.
    pub(super) fn back_over(&mut self, step: &LogStep, depth: usize, landed: Timestamp) -> Result<(), GitError> {
        let touched = self.touched(&step.changed)?;
        let moved = self.carry_over(&step.entry, depth, &step.changed, &touched)?;
        for (environment, undone) in touched {
            self.undo((&step.entry, depth, landed), &environment, &undone);
        }
        for (asked, places) in moved {
            self.lineage.part_from(&asked, places);
        }
        Ok(())
    }

    /// Returns the files that are not as the newest commit has them, where that counts.
    pub(super) fn uncommitted(&self, wanted: &(dyn Fn(&str) -> bool + Sync)) -> Result<Vec<ChangedFile>, GitError> {
        if self.reading.uncommitted.is_none() {
            return Ok(Vec::new());
        }
        let standing = self.files.values().flat_map(BTreeMap::keys).cloned().collect();
        let changed = |(path, before)| ChangedFile { path, before, after: None };
        let uncommitted = self.past.uncommitted(&standing, self.reading.limits.max_bytes, wanted)?;
        Ok(uncommitted.into_iter().map(changed).collect())
    }

    /// Undoes what is not committed: the newest step of all, and a person's.
    pub(super) fn back_to_the_commit(&mut self, now: Timestamp, changed: &[ChangedFile]) -> Result<(), GitError> {
        let entry = LogEntry {
            id: CommitId::of_none(),
            parent: None,
            is_merge: false,
            others: Vec::new(),
            author: Identity { name: UNCOMMITTED.to_owned(), email: String::new() },
            committer: Identity::default(),
            time: now,
            message: String::new(),
            merged: Vec::new(),
        };
        for (environment, mut undone) in self.touched(changed)? {
            for Undone { path, after, .. } in &mut undone {
                let standing = self.files.get(&environment).and_then(|files| files.get(path));
                *after = standing.cloned().unwrap_or_default();
            }
            self.undo((&entry, 0, now), &environment, &undone);
        }
        Ok(())
    }

    fn undo(
        &mut self,
        (entry, depth, landed): (&LogEntry, usize, Timestamp),
        environment: &EnvironmentName,
        undone: &[Undone],
    ) {
        let mut images: BTreeSet<ImageName> = BTreeSet::new();
        for file in undone {
            images.extend(file.after.keys().chain(file.before.keys()).cloned());
            self.put(environment, &file.path, file.after.clone());
        }
        images.retain(|image| self.wanted.has(environment, image));
        let after = self.whole(environment, &images);
        let mut steps = steps(undone);
        let mut gaps = Vec::new();
        for Undone { path, before, after } in undone {
            for image in images.iter().filter(|image| before.contains_key(*image) != after.contains_key(*image)) {
                let (went, came) = (before.get(image).cloned(), after.get(image).cloned());
                gaps.push((path.clone(), image.clone(), went, came));
            }
            self.put(environment, path, before.clone());
        }
        let before = self.whole(environment, &images);
        self.bridge((entry, depth, landed), environment, &after, gaps);
        for image in images {
            let from = before.get(&image).cloned().unwrap_or_default();
            let to = after.get(&image).cloned().unwrap_or_default();
            let steps = steps.remove(&image).unwrap_or_default();
            let asked = (environment.clone(), image);
            let files = rewritten(undone, &asked.1);
            let changes = self.lineage.back_over(&asked, &files, (!from.is_empty(), !to.is_empty()));
            let is_shift = from != to || !steps.is_empty();
            if !is_shift && changes.is_empty() {
                continue;
            }
            let shift = shift((entry, depth, landed), environment, &asked.1, (from, to), (steps, changes));
            if is_shift {
                self.shifts.entry(asked).or_default().push(shift);
            } else {
                let newer = self.shifts.get(&asked).map_or(0, Vec::len);
                self.spread.entry(asked).or_default().push(Spread { shift, newer });
            }
        }
    }

    /// Pairs what came to a file with what had gone from it before: in between it could not be read, or held something else.
    fn bridge(
        &mut self,
        (entry, depth, landed): (&LogEntry, usize, Timestamp),
        environment: &EnvironmentName,
        after: &Whole,
        gaps: Vec<Gap>,
    ) {
        for (path, image, went, came) in gaps {
            let key = (environment.clone(), image.clone());
            let place = (path, image);
            if let Some(values) = came {
                let standing = after.get(&place.1).cloned().unwrap_or_default();
                let newer = self.shifts.get(&key).map_or(0, Vec::len);
                self.came.insert(place, Came { entry: entry.clone(), depth, landed, values, standing, newer });
            } else if let Some(went) = went
                && let Some(Came { entry, depth, landed, values, standing, newer }) = self.came.remove(&place)
            {
                let steps = gave_way_in_file(&went, &values);
                if !steps.is_empty() {
                    let file = Rewritten { path: &place.0, before: &went, after: &values };
                    let changes = self.lineage.changes(&key, &[file]);
                    let ends = (set(&went), set(&values));
                    let shift = shift((&entry, depth, landed), environment, &place.1, ends, (steps, changes));
                    self.asides.entry(key).or_default().push(Aside { shift, standing, newer, was_here: false });
                }
            }
        }
    }

    /// Notes what a commit changed that came to the line by the one that is undone next.
    pub(super) fn look_aside(&mut self, beside: &Beside) -> Result<(), GitError> {
        let mut touched = self.touched(&beside.step.changed)?;
        for (environment, former) in self.formerly(&beside.step.changed, beside.onto)? {
            touched.entry(environment).or_default().extend(former.into_iter().map(|(_, file)| file));
        }
        for (environment, undone) in touched {
            let mut values: BTreeMap<ImageName, (BTreeSet<Value>, BTreeSet<Value>)> = BTreeMap::new();
            for file in &undone {
                for (image, before) in &file.before {
                    values.entry(image.clone()).or_default().0.extend(set(before));
                }
                for (image, after) in &file.after {
                    values.entry(image.clone()).or_default().1.extend(set(after));
                }
            }
            let mut steps = steps(&undone);
            for (image, (from, to)) in values {
                let key = (environment.clone(), image);
                let steps = steps.remove(&key.1).unwrap_or_default();
                if !self.wanted.has(&key.0, &key.1) || (from == to && steps.is_empty()) {
                    continue;
                }
                let entry = &beside.step.entry;
                let changes = self.lineage.changes(&key, &rewritten(&undone, &key.1));
                let shift = shift((entry, beside.onto, entry.time), &key.0, &key.1, (from, to), (steps, changes));
                let whole = self.whole(&key.0, &BTreeSet::from([key.1.clone()]));
                let standing = whole.into_values().next().unwrap_or_default();
                let newer = self.shifts.get(&key).map_or(0, Vec::len);
                if beside.is_dropped {
                    let position = self.asides.get(&key).map_or(0, Vec::len);
                    self.dropped.entry(key.clone()).or_default().push(position);
                }
                self.asides.entry(key).or_default().push(Aside { shift, standing, newer, was_here: false });
            }
        }
        Ok(())
    }

    /// Leaves of what merges dropped what a commit had brought that came with them: else a side only kept what it had, and
    /// went on without what the other one did. On a branch of its own, to which those of other environments may be merged,
    /// Tagboat's word alone tells that a version was meant for this one.
    pub(super) fn sift_dropped(&mut self) {
        let is_meant = |shift: &Shift| self.reading.branch.is_none() || shift.by == Mover::Tagboat;
        for (key, positions) in std::mem::take(&mut self.dropped) {
            let Some(asides) = self.asides.get_mut(&key) else { continue };
            let mut brought: BTreeMap<usize, BTreeSet<Value>> = BTreeMap::new();
            for (position, Aside { shift, .. }) in asides.iter().enumerate() {
                if !positions.contains(&position) && is_meant(shift) {
                    let came = shift.steps.iter().map(|(_, came)| came).chain(shift.to.difference(&shift.from));
                    brought.entry(shift.word.depth).or_default().extend(came.cloned());
                }
            }
            for position in positions.iter().rev() {
                let Some(Aside { shift, .. }) = asides.get_mut(*position) else { continue };
                let has = |value: &Value| brought.get(&shift.word.depth).is_some_and(|brought| brought.contains(value));
                shift.steps.retain(|(left, _)| has(left));
                shift.changes.retain(|change| change.from.as_ref().is_some_and(has));
                shift.from.retain(|value| has(value) || shift.to.contains(value));
                if shift.steps.is_empty() && shift.from.is_subset(&shift.to) {
                    asides.remove(*position);
                }
            }
        }
    }

    /// Reads what a commit changed, by environment.
    fn touched(&mut self, changed: &[ChangedFile]) -> Result<BTreeMap<EnvironmentName, Vec<Undone>>, GitError> {
        let Reading { environments, branch, .. } = self.reading;
        let owned = changed.iter().filter(|changed| environments.of(*branch, changed.path.as_str()).is_some());
        self.versions.learn(owned)?;
        let mut touched: BTreeMap<EnvironmentName, Vec<Undone>> = BTreeMap::new();
        for changed in changed {
            if let Some(environment) = environments.of(*branch, changed.path.as_str()) {
                // What a commit left is read from the commit: a working tree may hold something else today.
                let after = self.versions.of(&changed.path, changed.after.as_ref());
                let before = self.versions.of(&changed.path, changed.before.as_ref());
                let undone = Undone { path: changed.path.clone(), before, after };
                touched.entry(environment.name.clone()).or_default().push(undone);
            }
        }
        Ok(touched)
    }

    fn put(&mut self, environment: &EnvironmentName, path: &RepoPath, values: Values) {
        let files = self.files.entry(environment.clone()).or_default();
        if values.is_empty() {
            files.remove(path);
        } else {
            files.insert(path.clone(), values);
        }
    }

    /// Returns what stood at which places of today before everything that was undone.
    pub(super) fn stood(&self, asked: &Asked) -> BTreeMap<Spot, BTreeSet<Value>> {
        let mut stood: BTreeMap<Spot, BTreeSet<Value>> = BTreeMap::new();
        for (path, values) in self.files.get(&asked.0).into_iter().flatten() {
            for (ordinal, placed) in values.get(&asked.1).into_iter().flatten().enumerate() {
                for spot in self.lineage.heirs(asked, &Spot { file: path.clone(), ordinal }) {
                    stood.entry(spot).or_default().insert(placed.value.clone());
                }
            }
        }
        stood
    }

    /// Returns every value of some images in an environment.
    pub(super) fn whole(&self, environment: &EnvironmentName, images: &BTreeSet<ImageName>) -> Whole {
        let mut whole = Whole::new();
        for file in self.files.get(environment).into_iter().flat_map(BTreeMap::values) {
            for (image, values) in file.iter().filter(|(image, _)| images.contains(*image)) {
                whole.entry(image.clone()).or_default().extend(set(values));
            }
        }
        whole
    }
}

/// Returns what stands at some places.
pub(super) fn set(placed: &[Placed]) -> BTreeSet<Value> {
    placed.iter().map(|placed| placed.value.clone()).collect()
}

/// Pairs what stood at each place of a file with what stands there now: by what names the places, and of the rest in their
/// order where there are as many as before; else what went with what came.
fn gave_way_in_file(old: &[Placed], new: &[Placed]) -> BTreeSet<(Value, Value)> {
    let told = by_name(old, new);
    let pairs = told.pairs.iter().map(|(left, came)| (&old[*left].value, &new[*came].value));
    let left: Vec<&Value> = told.left.iter().map(|at| &old[*at].value).collect();
    let came: Vec<&Value> = told.came.iter().map(|at| &new[*at].value).collect();
    let mut steps: BTreeSet<(Value, Value)> =
        pairs.filter(|(old, new)| old != new).map(|(old, new)| (old.clone(), new.clone())).collect();
    let sorted = |values: &[&Value]| {
        let mut values: Vec<Value> = values.iter().copied().cloned().collect();
        values.sort();
        values
    };
    if left.len() != came.len() {
        steps.extend(gave_way(&left.into_iter().cloned().collect(), &came.into_iter().cloned().collect()));
    } else if sorted(&left) != sorted(&came) {
        // Places that only changed their order have changed nothing.
        let pairs = left.into_iter().zip(came).filter(|(old, new)| old != new);
        steps.extend(pairs.map(|(old, new)| (old.clone(), new.clone())));
    }
    steps
}

/// Pairs every value that went with every one that came in its place.
fn gave_way(old: &BTreeSet<Value>, new: &BTreeSet<Value>) -> BTreeSet<(Value, Value)> {
    let came: Vec<&Value> = new.difference(old).collect();
    old.difference(new).flat_map(|left| came.iter().map(move |came| (left.clone(), (*came).clone()))).collect()
}
