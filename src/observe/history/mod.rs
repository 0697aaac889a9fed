//! What environments have run, read from history: only for the images that a decision or a gate asks about.
//!
//! The entry points are [`Past`] and [`tell`]. Goes back step by step, and no further than somebody needs. Old
//! versions of files are read as their paths are read today.

mod words;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;

use crate::git::local::LocalHistory;
use crate::git::log::{ChangedFile, Line, LogStep};
use crate::git::{BlobId, GitError, Remote};
use crate::manifest::{self, Surroundings};
use crate::model::commit::CommitId;
use crate::model::environment::{BranchName, EnvironmentName, Environments};
use crate::model::file::RepoPath;
use crate::model::history::{Shift, Timeline, Word};
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
    /// The commits that were read, newest first.
    pub line: Vec<CommitId>,
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
    let line = past.line(limit.min(MOST_COMMITS), &wanted)?;
    let landed = landed(&line);
    let mut walk = Walk::new(past, asking, reading);
    let mut rewritten = Vec::new();
    for (depth, step) in line.steps.iter().enumerate() {
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
    let timeline = |shifts| Timeline { shifts, oldest: line.oldest, whole: line.whole };
    let mut timelines: BTreeMap<Asked, Timeline> =
        walk.shifts.into_iter().map(|(asked, shifts)| (asked, timeline(shifts))).collect();
    let there: Vec<Asked> = match asking {
        Asking::These(these) => these.iter().cloned().collect(),
        Asking::All(_) => walk.there.into_iter().collect(),
    };
    for asked in there {
        timelines.entry(asked).or_insert_with(|| timeline(Vec::new()));
    }
    let (oldest, whole) = (line.oldest, line.whole);
    let line = line.steps.into_iter().map(|step| step.entry.id).collect();
    Ok(Told { timelines, rewritten, oldest, whole, line })
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
        Self { past, asking, reading, files, read: HashMap::new(), shifts: BTreeMap::new(), there }
    }

    /// Undoes one commit, and notes what it had changed.
    fn back_over(&mut self, step: &LogStep, depth: usize, landed: Timestamp) -> Result<(), GitError> {
        let mut touched: BTreeMap<EnvironmentName, Vec<&ChangedFile>> = BTreeMap::new();
        for changed in &step.changed {
            if let Some(environment) = self.reading.environments.of(changed.path.as_str()) {
                touched.entry(environment.name.clone()).or_default().push(changed);
            }
        }
        for (environment, changes) in touched {
            let mut steps: BTreeMap<ImageName, BTreeSet<(Value, Value)>> = BTreeMap::new();
            let mut images: BTreeSet<ImageName> = BTreeSet::new();
            let mut befores = Vec::with_capacity(changes.len());
            for changed in &changes {
                // What a commit left is read from the commit: a working tree may hold something else today.
                let after = self.values(changed, changed.after.as_ref())?;
                let before = self.values(changed, changed.before.as_ref())?;
                images.extend(after.keys().chain(before.keys()).cloned());
                self.put(&environment, &changed.path, after);
                befores.push(before);
            }
            images.retain(|image| self.asking.has(&environment, image));
            let after = self.whole(&environment, &images);
            for (changed, before) in changes.iter().zip(befores) {
                let now = self.files.get(&environment).and_then(|files| files.get(&changed.path));
                for (image, old) in &before {
                    let new = now.and_then(|values| values.get(image)).map_or(&[][..], Vec::as_slice);
                    steps.entry(image.clone()).or_default().extend(gave_way_in_file(old, new));
                }
                self.put(&environment, &changed.path, before);
            }
            let before = self.whole(&environment, &images);
            for image in &images {
                let key = (environment.clone(), image.clone());
                let nothing = BTreeSet::new();
                let from = before.get(image).unwrap_or(&nothing);
                let to = after.get(image).unwrap_or(&nothing);
                let mut steps = steps.remove(image).unwrap_or_default();
                if from == to && steps.is_empty() {
                    continue;
                }
                // A file that was moved and changed at once shows in the environment alone.
                steps.extend(gave_way(from, to));
                let came: BTreeSet<&Value> = to.difference(from).chain(steps.iter().map(|(_, came)| came)).collect();
                let (by, word) = words::mover((&step.entry, depth), &environment, image, &came);
                let shift = Shift {
                    commit: step.entry.id.clone(),
                    time: step.entry.time,
                    landed,
                    by,
                    word,
                    from: from.clone(),
                    to: to.clone(),
                    steps,
                };
                self.shifts.entry(key).or_default().push(shift);
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
    fn values(&mut self, changed: &ChangedFile, blob: Option<&BlobId>) -> Result<Values, GitError> {
        let Some(blob) = blob else { return Ok(Values::new()) };
        let key = (changed.path.clone(), blob.clone());
        if let Some(values) = self.read.get(&key) {
            return Ok(values.clone());
        }
        let limits = self.reading.limits;
        let values = match self.past.read(blob, limits.max_bytes) {
            Ok(bytes) => {
                let mut scan = manifest::scan(&changed.path, &bytes, self.reading.surroundings, limits);
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
