//! What environments have run, read from history: only for the images that a decision or a gate asks about.
//!
//! The entry points are [`Past`] and [`tell`]. Goes back step by step, and no further than somebody needs. Old
//! versions of files are read as their paths are read today.

mod carried;
mod former;
mod lineage;
mod named;
mod versions;
mod walk;
mod words;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use jiff::Timestamp;

use crate::cache::Cache;
use crate::git::local::LocalHistory;
use crate::git::log::Line;
use crate::git::{Beneath, BlobId, EntryKind, GitError, Head, Remote, TreeEntry};
use crate::manifest::{self, Surroundings};
use crate::model::commit::CommitId;
use crate::model::environment::{BranchName, EnvironmentName, Environments};
use crate::model::file::RepoPath;
use crate::model::history::{Timeline, Word};
use crate::model::image::ImageName;
use crate::model::site::{Site, Spot, Value};
use crate::observe::history::former::Former;
use crate::observe::history::walk::Walk;

pub use crate::observe::history::former::Configuration;
pub use crate::observe::history::named::namesakes;
pub use crate::observe::history::words::kept;

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

/// What is asked for, as it is looked up: for every file, place and version.
struct Wanted<'a> {
    /// `None` where every image is asked for.
    these: Option<These<'a>>,
    /// The environments; `None` for every one.
    environments: Option<HashSet<&'a EnvironmentName>>,
}

/// Images in environments.
struct These<'a> {
    images: HashSet<&'a ImageName>,
    pairs: HashSet<(&'a EnvironmentName, &'a ImageName)>,
}

impl<'a> Wanted<'a> {
    fn new(asking: &'a Asking) -> Self {
        match asking {
            Asking::These(these) => Self {
                these: Some(These {
                    images: these.iter().map(|(_, image)| image).collect(),
                    pairs: these.iter().map(|(environment, image)| (environment, image)).collect(),
                }),
                environments: Some(these.iter().map(|(environment, _)| environment).collect()),
            },
            Asking::All(only) => Self { these: None, environments: only.as_ref().map(|only| only.iter().collect()) },
        }
    }

    fn has_environment(&self, environment: &EnvironmentName) -> bool {
        self.environments.as_ref().is_none_or(|environments| environments.contains(environment))
    }

    fn has_image(&self, image: &ImageName) -> bool {
        self.these.as_ref().is_none_or(|these| these.images.contains(image))
    }

    fn has(&self, environment: &EnvironmentName, image: &ImageName) -> bool {
        match &self.these {
            Some(these) => these.pairs.contains(&(environment, image)),
            None => self.has_environment(environment),
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
    /// The commits that were read, newest first.
    pub line: Vec<CommitId>,
    /// When each of them was made at the latest: not after any above it, whatever its own clock says.
    pub made: Vec<Timestamp>,
}

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

    /// Returns the message of a commit, where that is at hand.
    fn message(&self, _commit: &CommitId) -> Option<String> {
        None
    }

    /// Reads a file of a commit beneath a branch that was listed, of at most `limit` bytes; `None` where it is not there.
    ///
    /// # Errors
    ///
    /// [`GitError`] when it cannot be read.
    fn file(&self, _commit: &CommitId, _path: &RepoPath, _limit: u64) -> Result<Option<Vec<u8>>, GitError> {
        Ok(None)
    }

    /// Returns the other branches whose names are meant, where they can be listed, as they stand beside this one.
    ///
    /// # Errors
    ///
    /// [`GitError`] when they cannot be listed or fetched.
    fn heads(&self, _is_meant: &dyn Fn(&BranchName) -> bool) -> Result<Vec<(BranchName, Head)>, GitError> {
        Ok(Vec::new())
    }

    /// Returns the files that a branch changes, those of the commits beneath the one on top among them, as far as these are known.
    ///
    /// # Errors
    ///
    /// [`GitError`] when they cannot be read.
    fn changed(&self, head: &Head) -> Result<BTreeSet<RepoPath>, GitError> {
        Ok(head.step.changed.iter().map(|changed| changed.path.clone()).collect())
    }

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

/// Returns the files that a branch changes on a remote; of more commits than are looked at, those of the one on top.
///
/// # Errors
///
/// [`GitError`] when they cannot be read.
pub fn changed(remote: &dyn Remote, head: &Head) -> Result<BTreeSet<RepoPath>, GitError> {
    let mut changed: BTreeSet<RepoPath> = head.step.changed.iter().map(|changed| changed.path.clone()).collect();
    let Some(fork) = head.fork().filter(|_| head.beneath != Beneath::Nothing) else { return Ok(changed) };
    let blobs = |commit: &CommitId| {
        let named = remote.entries(commit)?.into_iter().filter_map(|entry| Some((entry.path.ok()?, entry.blob)));
        Ok::<BTreeSet<_>, GitError>(named.collect())
    };
    let (before, after) = (blobs(fork)?, blobs(&head.tip)?);
    changed.extend(before.symmetric_difference(&after).map(|(path, _)| path.clone()));
    Ok(changed)
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
    fn heads(&self, is_meant: &dyn Fn(&BranchName) -> bool) -> Result<Vec<(BranchName, Head)>, GitError> {
        let mut found = Vec::new();
        for (name, tip) in self.remote.heads("")? {
            if name == *self.branch || !is_meant(&name) {
                continue;
            }
            match self.remote.head(&name, &tip, (self.branch, self.tip)) {
                Ok(head) => found.push((name, head)),
                // A line of its own, say: nothing there is of this branch.
                Err(GitError::Broken(reason)) => tracing::debug!(head = %name, reason, "the branch is passed over"),
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    fn changed(&self, head: &Head) -> Result<BTreeSet<RepoPath>, GitError> {
        changed(self.remote, head)
    }

    fn message(&self, commit: &CommitId) -> Option<String> {
        self.remote.message(commit).ok().flatten()
    }

    fn file(&self, commit: &CommitId, path: &RepoPath, limit: u64) -> Result<Option<Vec<u8>>, GitError> {
        let is_it = |entry: &TreeEntry| {
            entry.path.as_ref() == Ok(path) && matches!(entry.kind, EntryKind::File | EntryKind::Executable)
        };
        let found = self.remote.entries(commit)?.into_iter().find(is_it);
        found.map(|entry| self.remote.read(&entry.blob, limit)).transpose()
    }

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
    /// The file that says so, of whose older versions it is asked which files were whose; `None` where nobody asks.
    pub configuration: Option<Configuration>,
    /// The branch whose history it is, where that is not the base: its environments alone are told of.
    pub branch: Option<&'a BranchName>,
    /// Every reference that stands there now.
    pub sites: &'a [Site],
    /// What today's paths say about each other.
    pub surroundings: &'a Surroundings,
    /// The limits of what is read.
    pub limits: &'a manifest::Limits,
    /// What is known of old versions of files.
    pub cache: &'a Cache,
    /// When what is not committed yet counts as changed; `None` where it does not count.
    pub uncommitted: Option<Timestamp>,
}

/// Returns when each commit of a line was made at the latest.
fn made(line: &Line) -> Vec<Timestamp> {
    let earliest = |least: &mut Timestamp, time: Timestamp| {
        *least = (*least).min(time);
        Some(*least)
    };
    line.steps.iter().map(|step| step.entry.time).scan(Timestamp::MAX, earliest).collect()
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
    let asked = Wanted::new(asking);
    let configuration = reading.configuration.filter(|_| reading.branch.is_none()).map(|known| known.file);
    let wanted = |path: &str| {
        watched.is_some_and(|watched| watched.as_str() == path)
            || configuration == Some(path)
            || (manifest::may_hold_reference(path)
                && reading
                    .environments
                    .of(reading.branch, path)
                    .is_some_and(|environment| asked.has_environment(&environment.name)))
    };
    let limit = limit.min(MOST_COMMITS);
    let mut walk = Walk::new(past, &asked, reading);
    let uncommitted = walk.uncommitted(&wanted)?;
    let mut line = past.line(limit, &wanted)?;
    let of_head = uncommitted.iter().find(|changed| configuration == Some(changed.path.as_str()));
    let of_head = of_head.and_then(|changed| changed.before.as_ref());
    let mut former = Former::read(past, (reading, &asked), &line.steps, of_head)?;
    if !former.is_empty() {
        // What was an environment's before is looked at as well.
        line = past.line(limit, &|path: &str| wanted(path) || former.has(path))?;
        former.compare(&mut walk.versions, reading, &line.steps)?;
        walk.former = former;
    }
    let is_shallow = !line.whole && line.steps.len() < limit && past.is_shallow();
    let landed = landed(&line);
    let mut rewritten = Vec::new();
    if let Some(now) = reading.uncommitted {
        walk.back_to_the_commit(now, &uncommitted)?;
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
            let word = words::word_of_holds(entry, depth);
            rewritten.push(Rewritten { commit: entry.id.clone(), time: entry.time, word, before, after });
        }
    }
    walk.sift_dropped();
    let there: Vec<Asked> = match asking {
        Asking::These(these) => these.iter().cloned().collect(),
        Asking::All(_) => walk.there.iter().cloned().collect(),
    };
    let asked: BTreeSet<Asked> = walk.shifts.keys().cloned().chain(there).collect();
    let stood: Vec<_> = asked.iter().map(|asked| walk.stood(asked)).collect();
    let (mut shifts, mut asides, mut spread) = (walk.shifts, walk.asides, walk.spread);
    let timeline = |(asked, stood): (Asked, BTreeMap<Spot, BTreeSet<Value>>)| {
        let shifts = shifts.remove(&asked).unwrap_or_default();
        let asides = asides.remove(&asked).unwrap_or_default();
        let spread = spread.remove(&asked).unwrap_or_default();
        (asked, Timeline { shifts, asides, spread, stood, oldest: line.oldest, whole: line.whole })
    };
    let timelines = asked.into_iter().zip(stood).map(timeline).collect();
    let (oldest, whole, made) = (line.oldest, line.whole, made(&line));
    let line = line.steps.into_iter().map(|step| step.entry.id).collect();
    Ok(Told { timelines, rewritten, oldest, whole, is_shallow, line, made })
}
