//! What led to a line of first parents beside it: merged commits, files under their former names, lost tips.
//!
//! Entry points: [`beside`] and [`lost`]. A push of a merge can make anybody's line the branch's own, and a folder that is
//! moved takes its past along; so who took what back has to be looked for here, too. When something came to the branch is
//! told by the line alone. Nothing is fetched, and no more commits are read than of the line, or a hundred.

use std::collections::{HashMap, HashSet, VecDeque};

use gix::ObjectId;
use gix::bstr::ByteSlice as _;

use crate::git::GitError;
use crate::git::dropped::{self, Came, Made};
use crate::git::log::{Beside, ChangedFile, Difference, Line, LogEntry, LogStep, differ, entry, tree_of};
use crate::git::objects::{broken, object_id};
use crate::model::file::RepoPath;

/// How many lost commits are looked at where the line that took their place is short.
const LEAST: usize = 100;

/// The author that a forced push has in history: nobody tells who it was.
const FORCED: &str = "a forced push";

/// A file that was moved unchanged.
struct Rename {
    /// The position of the commit that moved it.
    at: usize,
    /// What it was called before.
    old: String,
    /// What it is called in the newest commit that knows it.
    now: RepoPath,
}

/// The files of a line that were moved, and what became of them under their former names.
#[derive(Default)]
pub(super) struct Renames {
    renames: Vec<Rename>,
    found: Vec<Beside>,
}

impl Renames {
    /// Whether a path is a former name.
    pub(super) fn has(&self, path: &str) -> bool {
        self.renames.iter().any(|rename| rename.old == path)
    }

    /// Returns the changes of files under former names, under those of today; a rename counts for what is older.
    fn told(&self, at: usize, changed: &[ChangedFile]) -> Vec<ChangedFile> {
        let of = |changed: &ChangedFile| {
            let known = self.renames.iter().filter(|rename| rename.at <= at && rename.old == changed.path.as_str());
            known.map(|rename| ChangedFile { path: rename.now.clone(), ..changed.clone() }).collect::<Vec<_>>()
        };
        changed.iter().flat_map(of).collect()
    }

    /// Notes what the commit at a position of the line did to files under former names, and which files it moved.
    pub(super) fn take_up(&mut self, at: usize, entry: &LogEntry, difference: &Difference) {
        for rename in &self.renames {
            let own = difference.changed.iter().filter(|changed| changed.path.as_str() == rename.old);
            let changed: Vec<_> = own.map(|own| ChangedFile { path: rename.now.clone(), ..own.clone() }).collect();
            if !changed.is_empty() {
                let step = LogStep { entry: entry.clone(), changed };
                self.found.push(Beside { onto: rename.at, step, is_dropped: false });
            }
        }
        if difference.gone.is_empty() {
            return;
        }
        let mut gone: HashMap<&str, Vec<&[u8]>> = HashMap::new();
        for (path, held) in &difference.gone {
            gone.entry(&held.0).or_default().push(path);
        }
        for changed in difference.changed.iter().filter(|changed| changed.before.is_none()) {
            let Some(paths) = changed.after.as_ref().and_then(|held| gone.get_mut(held.0.as_str())) else { continue };
            // Of several files that were alike, the one that keeps its own name.
            let name = |path: &[u8]| path.rsplit(|byte| *byte == b'/').next().map(<[u8]>::to_vec);
            let own = name(changed.path.as_str().as_bytes());
            let position = paths.iter().position(|path| name(path) == own).unwrap_or(0);
            if position >= paths.len() {
                continue;
            }
            let Ok(old) = paths.remove(position).to_str() else { continue };
            // What was called otherwise before that as well is known by its name of today.
            let later = self.renames.iter().filter(|rename| rename.old == changed.path.as_str());
            let mut names: Vec<RepoPath> = later.map(|rename| rename.now.clone()).collect();
            names.push(changed.path.clone());
            self.renames.extend(names.into_iter().map(|now| Rename { at, old: old.to_owned(), now }));
        }
    }
}

/// A merge of a line.
pub(super) struct Merge {
    /// Its position.
    pub(super) at: usize,
    /// The commit.
    pub(super) id: ObjectId,
    /// Its further parents.
    pub(super) others: Vec<ObjectId>,
}

/// Returns the commits that merges of a line brought, each with the oldest merge that reaches it, what these merges dropped,
/// and what became of files under their former names.
pub(super) fn beside(
    repository: &gix::Repository,
    (on_line, merges): (&HashSet<ObjectId>, &[Merge]),
    renames: &mut Renames,
    limit: usize,
    wanted: &dyn Fn(&str) -> bool,
) -> Result<Vec<Beside>, GitError> {
    let mut found = std::mem::take(&mut renames.found);
    let reached = reached(repository, merges.iter().flat_map(|merge| merge.others.iter().copied()), on_line, limit);
    let mut seen = HashSet::new();
    for Merge { at, id, others } in merges.iter().rev() {
        let place = (*at, on_line);
        let mut next: VecDeque<ObjectId> = others.iter().copied().collect();
        let (mut came, mut order) = (Came::new(), Vec::new());
        while let Some(id) = next.pop_front() {
            let Some(parents) = reached.get(&id).filter(|_| seen.insert(id)) else { continue };
            next.extend(parents.iter().copied());
            came.insert(id, made(repository, id, &[&*renames], wanted)?);
            order.push(id);
        }
        let names = [&*renames];
        // A merge is newer than what it joins.
        let dropped = dropped::by_merge(repository, (*id, others), &came)?;
        found.extend(told(repository, *id, place, dropped, &names, wanted)?.map(Beside::dropped));
        for (id, made) in order.iter().filter_map(|id| Some((*id, came.get(id)?))) {
            let dropped = dropped::within(made, &came, &reached);
            found.extend(told(repository, id, place, dropped, &names, wanted)?.map(Beside::dropped));
            found.extend(told(repository, id, place, made.own.clone(), &names, wanted)?);
        }
    }
    found.sort_by_key(|beside| (beside.onto, std::cmp::Reverse(beside.step.entry.time)));
    Ok(found)
}

/// Adds to a line what forced pushes took out of its branch: each a lost tip with the tip that took its place.
///
/// # Errors
///
/// [`GitError::Broken`] when an object that must be there is not.
pub(super) fn lost(
    repository: &gix::Repository,
    (line, renames): (&mut Line, &Renames),
    lost: &[(ObjectId, ObjectId)],
    wanted: &dyn Fn(&str) -> bool,
) -> Result<(), GitError> {
    let Some(tip) = line.steps.first().map(|step| object_id(step.entry.id.as_str())).transpose()? else {
        return Ok(());
    };
    let mut on_line = HashSet::new();
    for step in &line.steps {
        on_line.insert(object_id(step.entry.id.as_str())?);
        on_line.extend(step.entry.parent.as_ref().map(|parent| object_id(parent.as_str())).transpose()?);
    }
    for (instead, gone) in lost {
        let named = instead.to_string();
        let position = line.steps.iter().position(|step| step.entry.id.as_str() == named);
        // A tip that went as well is of no line any more: then what stands now took its place.
        let (onto, after) = position.map_or((0, tip), |position| (position, *instead));
        let commit = repository.find_commit(*gone).map_err(broken)?;
        let mut entry = entry(repository, &commit, &on_line)?;
        (entry.author.name, entry.message) = (FORCED.to_owned(), String::new());
        entry.merged.clear();
        let trees = (Some(tree_of(repository, *gone)?), Some(tree_of(repository, after)?));
        let reached = reached(repository, [*gone].into_iter(), &on_line, line.steps.len().max(LEAST));
        let undone = undone(repository, *gone, &reached, (&entry, &on_line), wanted)?;
        let names = [renames, &undone];
        let has = |path: &str| wanted(path) || names.iter().any(|names| names.has(path));
        let mut changed = differ(repository, trees, &has)?.changed;
        let former: Vec<ChangedFile> = names.iter().flat_map(|names| names.told(onto, &changed)).collect();
        changed.retain(|changed| wanted(changed.path.as_str()));
        for other in former {
            match changed.iter_mut().find(|changed| changed.path == other.path) {
                // What stood there under the name that went is what gave way.
                Some(known) => known.before = known.before.take().or(other.before),
                None => changed.push(other),
            }
        }
        line.beside.push(Beside { onto, step: LogStep { entry, changed }, is_dropped: false });
        for id in reached.keys() {
            let made = made(repository, *id, &names, wanted)?;
            line.beside.extend(told(repository, *id, (onto, &on_line), made.own, &names, wanted)?);
        }
    }
    line.beside.sort_by_key(|beside| (beside.onto, std::cmp::Reverse(beside.step.entry.time)));
    Ok(())
}

/// Finds the names that lost commits had given to files: each is undone together with what came under it.
fn undone(
    repository: &gix::Repository,
    gone: ObjectId,
    reached: &HashMap<ObjectId, Vec<ObjectId>>,
    (entry, on_line): (&LogEntry, &HashSet<ObjectId>),
    wanted: &dyn Fn(&str) -> bool,
) -> Result<Renames, GitError> {
    let mut found = Renames::default();
    let mut order = Vec::new();
    let mut next = Some(gone);
    while let Some(id) = next.take().filter(|id| !on_line.contains(id)) {
        order.push(id);
        next = reached.get(&id).and_then(|parents| parents.first().copied());
    }
    // Backwards, what moved from a name of today to another one moves to that of today.
    for id in order.into_iter().rev() {
        let Some(parent) = reached.get(&id).and_then(|parents| parents.first().copied()) else { continue };
        if !repository.has_object(parent) {
            continue;
        }
        let trees = (Some(tree_of(repository, id)?), Some(tree_of(repository, parent)?));
        let difference = differ(repository, trees, &|path| wanted(path) || found.has(path))?;
        found.take_up(0, entry, &difference);
    }
    Ok(found)
}

/// Whether a commit can be reached from a tip by what is at hand, within so many commits.
pub(super) fn reaches(repository: &gix::Repository, tip: ObjectId, commit: ObjectId, limit: usize) -> bool {
    tip == commit || reached(repository, [tip].into_iter(), &HashSet::new(), limit).contains_key(&commit)
}

/// Returns the commits that can be reached from some tips by what is at hand, the tips among them, so many at most.
pub(super) fn reachable(
    repository: &gix::Repository,
    tips: impl Iterator<Item = ObjectId>,
    limit: usize,
) -> HashSet<ObjectId> {
    reached(repository, tips, &HashSet::new(), limit).into_keys().collect()
}

/// Finds the commits that can be reached without going over a line, with their parents; the nearest first.
fn reached(
    repository: &gix::Repository,
    tips: impl Iterator<Item = ObjectId>,
    on_line: &HashSet<ObjectId>,
    limit: usize,
) -> HashMap<ObjectId, Vec<ObjectId>> {
    let mut found = HashMap::new();
    for tip in tips {
        let mut next = VecDeque::from([tip]);
        while let Some(id) = next.pop_front().filter(|_| found.len() < limit) {
            if on_line.contains(&id) || found.contains_key(&id) {
                continue;
            }
            // What lies below the boundary of a shallow repository is not at hand.
            let Ok(commit) = repository.find_commit(id) else { continue };
            let parents: Vec<ObjectId> = commit.parent_ids().map(gix::Id::detach).collect();
            next.extend(parents.iter().copied());
            found.insert(id, parents);
        }
    }
    found
}

/// Finds what a commit made; nothing where not all of its parents are at hand.
fn made(
    repository: &gix::Repository,
    id: ObjectId,
    renames: &[&Renames],
    wanted: &dyn Fn(&str) -> bool,
) -> Result<Made, GitError> {
    let commit = repository.find_commit(id).map_err(broken)?;
    let tree = commit.tree_id().map_err(broken)?.detach();
    let parents: Vec<ObjectId> = commit.parent_ids().map(gix::Id::detach).collect();
    if parents.iter().any(|parent| !repository.has_object(*parent)) {
        return Ok(Made::default());
    }
    let against = |parent: Option<ObjectId>| -> Result<Vec<ChangedFile>, GitError> {
        let before = parent.map(|parent| tree_of(repository, parent)).transpose()?;
        let has = |path: &str| wanted(path) || renames.iter().any(|names| names.has(path));
        Ok(differ(repository, (before, Some(tree)), &has)?.changed)
    };
    if parents.len() < 2 {
        return Ok(Made { own: against(parents.first().copied())?, from: Vec::new() });
    }
    let from = parents.into_iter().map(|parent| Ok((parent, against(Some(parent))?)));
    let from = from.collect::<Result<Vec<_>, GitError>>()?;
    let mut own = from.first().map(|(_, changed)| changed.clone()).unwrap_or_default();
    own.retain(|changed| from.iter().all(|(_, other)| other.iter().any(|other| other.path == changed.path)));
    Ok(Made { own, from })
}

/// Tells what a commit made of files, under their names of today.
fn told(
    repository: &gix::Repository,
    id: ObjectId,
    (onto, on_line): (usize, &HashSet<ObjectId>),
    mut changed: Vec<ChangedFile>,
    renames: &[&Renames],
    wanted: &dyn Fn(&str) -> bool,
) -> Result<Option<Beside>, GitError> {
    let former: Vec<ChangedFile> = renames.iter().flat_map(|names| names.told(onto, &changed)).collect();
    changed.retain(|changed| wanted(changed.path.as_str()));
    changed.extend(former);
    if changed.is_empty() {
        return Ok(None);
    }
    let commit = repository.find_commit(id).map_err(broken)?;
    let entry = entry(repository, &commit, on_line)?;
    Ok(Some(Beside { onto, step: LogStep { entry, changed }, is_dropped: false }))
}

impl Beside {
    /// Turns it into what a merge dropped: whoever merged did that, and none of the commits that it brought.
    fn dropped(mut self) -> Self {
        self.step.entry.merged.clear();
        self.is_dropped = true;
        self
    }
}
