//! What environments have run, read from history: only for the images that a decision or a gate asks about.
//!
//! The entry points are [`Past`] and [`timelines`]. Goes back step by step, and no further than somebody needs. Old
//! versions of files are read as their paths are read today.

mod words;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;

use crate::git::local::LocalHistory;
use crate::git::log::{Beside, Line, LogEntry, LogStep};
use crate::git::{BlobId, GitError, Remote};
use crate::manifest::{self, Surroundings};
use crate::model::commit::{CommitId, Identity};
use crate::model::environment::{BranchName, EnvironmentName, Environments};
use crate::model::file::RepoPath;
use crate::model::history::{Aside, Shift, Timeline, Word};
use crate::model::image::ImageName;
use crate::model::site::{Site, Value};

/// How many commits are read at most. A version that was taken back longer ago is forgotten; `hold` keeps it for ever.
pub const MOST_COMMITS: usize = 2_000;

/// The longest version of the watched file that is read, in bytes.
const MAX_WATCHED: u64 = 1 << 20;

/// An environment and an image whose history is asked for.
pub type Asked = (EnvironmentName, ImageName);

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asking {
    /// These images in these environments.
    These(BTreeSet<Asked>),
    /// Everything that ever stood in these environments; every one where none is named.
    All(Option<BTreeSet<EnvironmentName>>),
}

impl Asking {
    fn has_environment(&self, environment: &EnvironmentName) -> bool {
        match self {
            Self::These(these) => these.iter().any(|(own, _)| own == environment),
            Self::All(only) => only.as_ref().is_none_or(|only| only.contains(environment)),
        }
    }

    fn has_image(&self, image: &ImageName) -> bool {
        match self {
            Self::These(these) => these.iter().any(|(_, own)| own == image),
            Self::All(_) => true,
        }
    }

    fn has(&self, environment: &EnvironmentName, image: &ImageName) -> bool {
        match self {
            Self::These(these) => these.contains(&(environment.clone(), image.clone())),
            Self::All(_) => self.has_environment(environment),
        }
    }
}

/// A commit that changed one file which is no manifest: the file of holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewritten {
    /// The commit.
    pub commit: CommitId,
    /// Its committer time.
    pub time: Timestamp,
    /// What it says about itself.
    pub word: Word,
    /// The bytes before; `None` where it was not there.
    pub before: Option<Vec<u8>>,
    /// The bytes after; `None` where it is gone.
    pub after: Option<Vec<u8>>,
}

/// What history tells.
#[derive(Debug, Clone)]
pub struct Told {
    /// What each image was in each environment.
    pub timelines: BTreeMap<Asked, Timeline>,
    /// The changes of the file that was watched, newest first.
    pub rewritten: Vec<Rewritten>,
    /// The committer time of the oldest commit that was read.
    pub oldest: Timestamp,
    /// Whether that is the first commit of all.
    pub whole: bool,
    /// Whether there would be more to read, had somebody not cloned too little of it.
    pub is_shallow: bool,
}

/// The values of the asked images in one file: of each image as many as there are places, in the order of the file.
type Values = BTreeMap<ImageName, Vec<Value>>;

/// The values of images in a whole environment.
type Whole = BTreeMap<ImageName, BTreeSet<Value>>;

/// Where history comes from: a remote's branch, or a person's checkout.
pub trait Past: Send + Sync {
    /// Follows the first-parent line for at most `limit` commits, with the wanted files that each changed.
    ///
    /// # Errors
    ///
    /// [`GitError`] when history cannot be read.
    fn line(&self, limit: usize, wanted: &(dyn Fn(&str) -> bool + Sync)) -> Result<Line, GitError>;

    /// Reads an old version of a file, of at most `limit` bytes.
    ///
    /// # Errors
    ///
    /// [`GitError`] when it cannot be read.
    fn read(&self, blob: &BlobId, limit: u64) -> Result<Vec<u8>, GitError>;

    /// Returns the wanted files that are not as the newest commit has them, with what it has; of those of `standing` also
    /// the ones that it has not. A branch has none.
    ///
    /// # Errors
    ///
    /// [`GitError`] when the commit cannot be read.
    fn uncommitted(
        &self,
        _standing: &BTreeSet<RepoPath>,
        _limit: u64,
        _wanted: &(dyn Fn(&str) -> bool + Sync),
    ) -> Result<Vec<(RepoPath, Option<BlobId>)>, GitError> {
        Ok(Vec::new())
    }

    /// Whether history is cut off where somebody cloned no more of it.
    fn is_shallow(&self) -> bool {
        false
    }
}

/// The history of a branch on a remote.
pub struct BranchPast<'a> {
    /// The remote.
    pub remote: &'a dyn Remote,
    /// The branch.
    pub branch: &'a BranchName,
    /// The commit that the pass stands on.
    pub tip: &'a CommitId,
}

impl Past for BranchPast<'_> {
    fn line(&self, limit: usize, wanted: &(dyn Fn(&str) -> bool + Sync)) -> Result<Line, GitError> {
        self.remote.history(self.branch, self.tip, limit, wanted)
    }

    fn read(&self, blob: &BlobId, limit: u64) -> Result<Vec<u8>, GitError> {
        self.remote.read(blob, limit)
    }
}

impl Past for LocalHistory {
    fn line(&self, limit: usize, wanted: &(dyn Fn(&str) -> bool + Sync)) -> Result<Line, GitError> {
        Self::line(self, limit, wanted)
    }

    fn read(&self, blob: &BlobId, limit: u64) -> Result<Vec<u8>, GitError> {
        Self::read(self, blob, limit)
    }

    fn uncommitted(
        &self,
        standing: &BTreeSet<RepoPath>,
        limit: u64,
        wanted: &(dyn Fn(&str) -> bool + Sync),
    ) -> Result<Vec<(RepoPath, Option<BlobId>)>, GitError> {
        Self::uncommitted(self, standing, limit, wanted)
    }

    fn is_shallow(&self) -> bool {
        Self::is_shallow(self)
    }
}

/// What is needed to understand the files of history.
pub struct Reading<'a> {
    /// The environments, whose globs say which files belong to them.
    pub environments: &'a Environments,
    /// Every reference that stands there now.
    pub sites: &'a [Site],
    /// What today's paths say about each other.
    pub surroundings: &'a Surroundings,
    /// The limits of what is read.
    pub limits: &'a manifest::Limits,
    /// When what is not committed yet counts as changed; `None` where it does not count.
    pub uncommitted: Option<Timestamp>,
}

/// Reads what each asked image has been in its environment, at most `limit` commits back.
///
/// # Errors
///
/// [`GitError`] when history cannot be read; then nothing of it is known.
pub fn timelines(
    past: &dyn Past,
    asked: &BTreeSet<Asked>,
    reading: &Reading<'_>,
    limit: usize,
) -> Result<Told, GitError> {
    tell(past, &Asking::These(asked.clone()), reading, None, limit)
}

/// Returns when each commit of a line came at the earliest: not before any below it, whatever its own clock says.
fn landed(line: &Line) -> Vec<Timestamp> {
    let mut latest = line.oldest;
    let mut landed: Vec<Timestamp> = Vec::with_capacity(line.steps.len());
    for step in line.steps.iter().rev() {
        latest = latest.max(step.entry.time);
        landed.push(latest);
    }
    landed.reverse();
    landed
}

/// Reads what was asked for, and what became of one more file, at most `limit` commits back.
///
/// # Errors
///
/// [`GitError`] when history cannot be read; then nothing of it is known.
pub fn tell(
    past: &dyn Past,
    asking: &Asking,
    reading: &Reading<'_>,
    watched: Option<&RepoPath>,
    limit: usize,
) -> Result<Told, GitError> {
    let wanted = |path: &str| {
        watched.is_some_and(|watched| watched.as_str() == path)
            || (manifest::may_hold_reference(path)
                && reading.environments.of(path).is_some_and(|environment| asking.has_environment(&environment.name)))
    };
    let limit = limit.min(MOST_COMMITS);
    let line = past.line(limit, &wanted)?;
    let is_shallow = !line.whole && line.steps.len() < limit && past.is_shallow();
    let landed = landed(&line);
    let mut walk = Walk::new(past, asking, reading);
    let mut rewritten = Vec::new();
    if let Some(now) = reading.uncommitted {
        walk.back_to_the_commit(now, &wanted)?;
    }
    let mut beside = line.beside.iter().peekable();
    for (depth, step) in line.steps.iter().enumerate() {
        while let Some(aside) = beside.next_if(|beside| beside.onto <= depth) {
            walk.look_aside(aside)?;
        }
        walk.back_over(step, depth, landed[depth])?;
        let file = watched.and_then(|watched| step.changed.iter().find(|changed| changed.path == *watched));
        if let Some(file) = file {
            let read = |blob: &Option<BlobId>| blob.as_ref().map(|blob| past.read(blob, MAX_WATCHED)).transpose();
            let (before, after) = (read(&file.before)?, read(&file.after)?);
            let entry = &step.entry;
            let word = words::word(entry, &entry.message, depth);
            rewritten.push(Rewritten { commit: entry.id.clone(), time: entry.time, word, before, after });
        }
    }
    let mut asides = walk.asides;
    let mut timeline = |asked: &Asked, shifts| {
        let asides = asides.remove(asked).unwrap_or_default();
        Timeline { shifts, asides, oldest: line.oldest, whole: line.whole }
    };
    let mut timelines: BTreeMap<Asked, Timeline> = BTreeMap::new();
    for (asked, shifts) in walk.shifts {
        let told = timeline(&asked, shifts);
        timelines.insert(asked, told);
    }
    let there: Vec<Asked> = match asking {
        Asking::These(these) => these.iter().cloned().collect(),
        Asking::All(_) => walk.there.into_iter().collect(),
    };
    for asked in there {
        if !timelines.contains_key(&asked) {
            let told = timeline(&asked, Vec::new());
            timelines.insert(asked, told);
        }
    }
    Ok(Told { timelines, rewritten, oldest: line.oldest, whole: line.whole, is_shallow })
}

/// The author of what is not committed.
const UNCOMMITTED: &str = "an edit that is not committed";

/// A file of which a change is undone.
struct Undone {
    path: RepoPath,
    before: Values,
    after: Values,
}

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
    mut steps: BTreeSet<(Value, Value)>,
) -> Shift {
    // A file that was moved and changed at once shows in the environment alone.
    steps.extend(gave_way(&from, &to));
    let came: BTreeSet<&Value> = to.difference(&from).chain(steps.iter().map(|(_, came)| came)).collect();
    let (by, word) = words::mover((entry, depth), environment, image, (&steps, &came));
    Shift { commit: entry.id.clone(), time: entry.time, landed, by, word, from, to, steps }
}

/// Goes back in time, and knows at each commit what every file held after it.
struct Walk<'a> {
    past: &'a dyn Past,
    asking: &'a Asking,
    reading: &'a Reading<'a>,
    /// What files hold that hold an asked image, by environment.
    files: HashMap<EnvironmentName, BTreeMap<RepoPath, Values>>,
    /// What was read already: neighbours share every version of a file.
    read: HashMap<(RepoPath, BlobId), Values>,
    shifts: BTreeMap<Asked, Vec<Shift>>,
    asides: BTreeMap<Asked, Vec<Aside>>,
    /// What stands there now.
    there: BTreeSet<Asked>,
}

impl<'a> Walk<'a> {
    fn new(past: &'a dyn Past, asking: &'a Asking, reading: &'a Reading<'a>) -> Self {
        let mut there = BTreeSet::new();
        let mut files: HashMap<EnvironmentName, BTreeMap<RepoPath, Values>> = HashMap::new();
        for site in reading.sites {
            if let Some(environment) = reading.environments.of(site.file.as_str())
                && let Some(image) = counted(site, asking)
            {
                if asking.has(&environment.name, image) {
                    there.insert((environment.name.clone(), image.clone()));
                }
                let file = files.entry(environment.name.clone()).or_default().entry(site.file.clone()).or_default();
                file.entry(image.clone()).or_default().push(site.value.clone());
            }
        }
        Self {
            past,
            asking,
            reading,
            files,
            read: HashMap::new(),
            shifts: BTreeMap::new(),
            asides: BTreeMap::new(),
            there,
        }
    }

    /// Undoes one commit, and notes what it had changed.
    fn back_over(&mut self, step: &LogStep, depth: usize, landed: Timestamp) -> Result<(), GitError> {
        let mut touched: BTreeMap<EnvironmentName, Vec<Undone>> = BTreeMap::new();
        for changed in &step.changed {
            if let Some(environment) = self.reading.environments.of(changed.path.as_str()) {
                // What a commit left is read from the commit: a working tree may hold something else today.
                let after = self.values(&changed.path, changed.after.as_ref())?;
                let before = self.values(&changed.path, changed.before.as_ref())?;
                let undone = Undone { path: changed.path.clone(), before, after };
                touched.entry(environment.name.clone()).or_default().push(undone);
            }
        }
        for (environment, undone) in touched {
            self.undo((&step.entry, depth, landed), &environment, undone);
        }
        Ok(())
    }

    /// Undoes what is not committed: the newest step of all, and a person's.
    fn back_to_the_commit(&mut self, now: Timestamp, wanted: &(dyn Fn(&str) -> bool + Sync)) -> Result<(), GitError> {
        let standing = self.files.values().flat_map(BTreeMap::keys).cloned().collect();
        let entry = LogEntry {
            id: CommitId::of_none(),
            parent: None,
            is_merge: false,
            author: Identity { name: UNCOMMITTED.to_owned(), email: String::new() },
            committer: Identity::default(),
            time: now,
            message: String::new(),
            merged: Vec::new(),
        };
        let mut touched: BTreeMap<EnvironmentName, Vec<Undone>> = BTreeMap::new();
        for (path, held) in self.past.uncommitted(&standing, self.reading.limits.max_bytes, wanted)? {
            let Some(environment) = self.reading.environments.of(path.as_str()) else { continue };
            let before = self.values(&path, held.as_ref())?;
            let after = self.files.get(&environment.name).and_then(|files| files.get(&path)).cloned();
            let undone = Undone { path, before, after: after.unwrap_or_default() };
            touched.entry(environment.name.clone()).or_default().push(undone);
        }
        for (environment, undone) in touched {
            self.undo((&entry, 0, now), &environment, undone);
        }
        Ok(())
    }

    fn undo(
        &mut self,
        (entry, depth, landed): (&LogEntry, usize, Timestamp),
        environment: &EnvironmentName,
        undone: Vec<Undone>,
    ) {
        let mut images: BTreeSet<ImageName> = BTreeSet::new();
        for file in &undone {
            images.extend(file.after.keys().chain(file.before.keys()).cloned());
            self.put(environment, &file.path, file.after.clone());
        }
        images.retain(|image| self.asking.has(environment, image));
        let after = self.whole(environment, &images);
        let mut steps = steps(&undone);
        for file in undone {
            self.put(environment, &file.path, file.before);
        }
        let before = self.whole(environment, &images);
        for image in images {
            let from = before.get(&image).cloned().unwrap_or_default();
            let to = after.get(&image).cloned().unwrap_or_default();
            let steps = steps.remove(&image).unwrap_or_default();
            if from != to || !steps.is_empty() {
                let shift = shift((entry, depth, landed), environment, &image, (from, to), steps);
                self.shifts.entry((environment.clone(), image)).or_default().push(shift);
            }
        }
    }

    /// Notes what a commit changed that came to the line by the one that is undone next.
    fn look_aside(&mut self, beside: &Beside) -> Result<(), GitError> {
        let mut touched: BTreeMap<EnvironmentName, Vec<Undone>> = BTreeMap::new();
        for changed in &beside.step.changed {
            if let Some(environment) = self.reading.environments.of(changed.path.as_str()) {
                let after = self.values(&changed.path, changed.after.as_ref())?;
                let before = self.values(&changed.path, changed.before.as_ref())?;
                let undone = Undone { path: changed.path.clone(), before, after };
                touched.entry(environment.name.clone()).or_default().push(undone);
            }
        }
        for (environment, undone) in touched {
            let mut values: BTreeMap<ImageName, (BTreeSet<Value>, BTreeSet<Value>)> = BTreeMap::new();
            for file in &undone {
                for (image, before) in &file.before {
                    values.entry(image.clone()).or_default().0.extend(before.iter().cloned());
                }
                for (image, after) in &file.after {
                    values.entry(image.clone()).or_default().1.extend(after.iter().cloned());
                }
            }
            let mut steps = steps(&undone);
            for (image, (from, to)) in values {
                let key = (environment.clone(), image);
                let steps = steps.remove(&key.1).unwrap_or_default();
                if !self.asking.has(&key.0, &key.1) || (from == to && steps.is_empty()) {
                    continue;
                }
                let entry = &beside.step.entry;
                let shift = shift((entry, beside.onto, entry.time), &key.0, &key.1, (from, to), steps);
                let whole = self.whole(&key.0, &BTreeSet::from([key.1.clone()]));
                let standing = whole.into_values().next().unwrap_or_default();
                let newer = self.shifts.get(&key).map_or(0, Vec::len);
                self.asides.entry(key).or_default().push(Aside { shift, standing, newer });
            }
        }
        Ok(())
    }

    fn put(&mut self, environment: &EnvironmentName, path: &RepoPath, values: Values) {
        let files = self.files.entry(environment.clone()).or_default();
        if values.is_empty() {
            files.remove(path);
        } else {
            files.insert(path.clone(), values);
        }
    }

    /// Returns every value of some images in an environment.
    fn whole(&self, environment: &EnvironmentName, images: &BTreeSet<ImageName>) -> Whole {
        let mut whole = Whole::new();
        for file in self.files.get(environment).into_iter().flat_map(BTreeMap::values) {
            for (image, values) in file.iter().filter(|(image, _)| images.contains(*image)) {
                whole.entry(image.clone()).or_default().extend(values.iter().cloned());
            }
        }
        whole
    }

    /// Reads the values of one version of a file; one that cannot be understood holds none.
    fn values(&mut self, path: &RepoPath, blob: Option<&BlobId>) -> Result<Values, GitError> {
        let Some(blob) = blob else { return Ok(Values::new()) };
        let key = (path.clone(), blob.clone());
        if let Some(values) = self.read.get(&key) {
            return Ok(values.clone());
        }
        let limits = self.reading.limits;
        let values = match self.past.read(blob, limits.max_bytes) {
            Ok(bytes) => {
                let mut scan = manifest::scan(path, &bytes, self.reading.surroundings, limits);
                scan.sites.sort_by_key(|site| site.bytes().start);
                let mut values = Values::new();
                for site in &scan.sites {
                    if let Some(image) = counted(site, self.asking) {
                        values.entry(image.clone()).or_default().push(site.value.clone());
                    }
                }
                values
            }
            Err(GitError::TooLarge { .. }) => Values::new(),
            Err(error) => return Err(error),
        };
        self.read.insert(key, values.clone());
        Ok(values)
    }
}

/// Returns the image of a site that says what runs.
fn counted<'s>(site: &'s Site, asking: &Asking) -> Option<&'s ImageName> {
    site.image.as_ref().filter(|image| site.skipped.is_none() && asking.has_image(image))
}

/// Pairs what stood at each place of a file with what stands there now, where there are as many places as before;
/// else what went with what came.
fn gave_way_in_file(old: &[Value], new: &[Value]) -> BTreeSet<(Value, Value)> {
    let sorted = |values: &[Value]| {
        let mut values = values.to_vec();
        values.sort();
        values
    };
    if old.len() == new.len() {
        // Places that only changed their order have changed nothing.
        if sorted(old) == sorted(new) {
            return BTreeSet::new();
        }
        let pairs = old.iter().zip(new).filter(|(old, new)| old != new);
        return pairs.map(|(old, new)| (old.clone(), new.clone())).collect();
    }
    gave_way(&old.iter().cloned().collect(), &new.iter().cloned().collect())
}

/// Pairs every value that went with every one that came in its place.
fn gave_way(old: &BTreeSet<Value>, new: &BTreeSet<Value>) -> BTreeSet<(Value, Value)> {
    let came: Vec<&Value> = new.difference(old).collect();
    old.difference(new).flat_map(|left| came.iter().map(move |came| (left.clone(), (*came).clone()))).collect()
}
