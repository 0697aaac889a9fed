//! What goes along with a reference whose file is moved and changed, or copied and taken out later: what somebody took back there.
//!
//! Entry point: [`Walk::carry_over`]. It is told by the image and the environment, and by no likeness of files. What is found stands
//! beside the line: it tells who took what back, and at most that something stands for less long than the line says.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::git::GitError;
use crate::git::log::{ChangedFile, LogEntry};
use crate::model::environment::EnvironmentName;
use crate::model::file::RepoPath;
use crate::model::history::{Aside, Shift};
use crate::model::image::ImageName;
use crate::model::site::{Spot, Value};
use crate::observe::history::lineage::{Link, Whole, across, within};
use crate::observe::history::versions::{Placed, Values};
use crate::observe::history::walk::{Undone, Walk, set};
use crate::observe::history::{Asked, words};

/// What went from files for good, as they had it before the commit that was undone last.
#[derive(Default)]
pub(super) struct Carried {
    gone: HashMap<Asked, BTreeMap<RepoPath, Vec<Placed>>>,
    /// Files that were the environment's before, and to which it came.
    came: HashSet<(RepoPath, ImageName)>,
    /// What files did that were the environment's before, newest first.
    told: HashMap<Asked, Vec<Shift>>,
}

/// What a file holds of an image before a commit, and after it.
type Ends<'a> = (Option<&'a Vec<Placed>>, Option<&'a Vec<Placed>>);

impl Carried {
    /// Notes what a commit did to an image in a file; `is_later` says whether a newer one brought it to the file.
    fn note(&mut self, asked: &Asked, path: &RepoPath, (before, after): Ends<'_>, is_later: bool) {
        match (before, after) {
            (Some(before), None) if !is_later => {
                self.gone.entry(asked.clone()).or_default().insert(path.clone(), before.clone());
            }
            (Some(before), Some(_)) => {
                if let Some(known) = self.gone.get_mut(asked).and_then(|gone| gone.get_mut(path)) {
                    known.clone_from(before);
                }
            }
            (None, Some(_)) => {
                if let Some(gone) = self.gone.get_mut(asked) {
                    gone.remove(path);
                }
            }
            (Some(_) | None, None) => {}
        }
    }

    /// Whether a newer commit brought a value again to a file that was the environment's before.
    fn is_again(&self, asked: &Asked, left: &Value, came: &Value) -> bool {
        let mut newer = self.told.get(asked).into_iter().flatten();
        newer.any(|newer| newer.steps.iter().any(|(_, to)| to == left) && !newer.to.contains(came))
    }
}

/// What a commit did to files that were an environment's before.
pub(super) type Formerly = BTreeMap<EnvironmentName, Vec<(EnvironmentName, Undone)>>;

/// Places to which something was moved.
pub(super) type Moved = Vec<(Asked, BTreeSet<Spot>)>;

/// The files that tell of an image in an environment.
#[derive(Default)]
struct Concerned<'u> {
    /// Those of today to which it came, or from which it went.
    today: Vec<&'u Undone>,
    /// Those that were the environment's before, with what it was called then.
    former: Vec<(&'u EnvironmentName, &'u Undone)>,
}

/// Returns the images that a file holds, before a commit or after it.
fn images(file: &Undone) -> impl Iterator<Item = &ImageName> {
    file.before.keys().chain(file.after.keys().filter(|image| !file.before.contains_key(*image)))
}

impl Walk<'_> {
    /// Notes what a commit did to files that were an environment's before, and to those that were copied from what went later.
    ///
    /// It is asked for before the commit is undone. Returns the places to which something was moved: the commit itself still
    /// tells since when it stands there.
    pub(super) fn carry_over(
        &mut self,
        entry: &LogEntry,
        depth: usize,
        changed: &[ChangedFile],
        touched: &BTreeMap<EnvironmentName, Vec<Undone>>,
    ) -> Result<Moved, GitError> {
        let mut moved = Moved::new();
        let formerly = self.formerly(changed, depth)?;
        let environments: BTreeSet<&EnvironmentName> = touched.keys().chain(formerly.keys()).collect();
        for environment in environments {
            let today = touched.get(environment).map(Vec::as_slice).unwrap_or_default();
            let former = formerly.get(environment).map(Vec::as_slice).unwrap_or_default();
            let mut concerned: BTreeMap<&ImageName, Concerned<'_>> = BTreeMap::new();
            // Most of what comes to a file comes from nowhere.
            for file in today.iter().filter(|_| !former.is_empty() || !self.carried.gone.is_empty()) {
                for image in
                    images(file).filter(|image| file.before.contains_key(image) != file.after.contains_key(image))
                {
                    concerned.entry(image).or_default().today.push(file);
                }
            }
            for (then, file) in former {
                for image in images(file) {
                    concerned.entry(image).or_default().former.push((then, file));
                }
            }
            for (image, files) in concerned {
                let asked = (environment.clone(), image.clone());
                if self.wanted.has(environment, image)
                    && (!files.former.is_empty() || self.carried.gone.contains_key(&asked))
                {
                    let places = self.carry((entry, depth), &asked, &files);
                    moved.push((asked, places));
                }
            }
            for file in today.iter().chain(former.iter().map(|(_, file)| file)) {
                for image in images(file) {
                    let ends = (file.before.get(image), file.after.get(image));
                    if ends.1.is_some() && self.carried.gone.is_empty() {
                        continue;
                    }
                    let (asked, place) = ((environment.clone(), image.clone()), (file.path.clone(), image.clone()));
                    let is_later = self.came.contains_key(&place) || self.carried.came.contains(&place);
                    self.carried.note(&asked, &file.path, ends, is_later);
                }
            }
            for (_, file) in former {
                let came = file.after.keys().filter(|image| !file.before.contains_key(*image));
                self.carried.came.extend(came.map(|image| (file.path.clone(), image.clone())));
            }
        }
        Ok(moved)
    }

    /// Reads what a commit changed of files that were an environment's before.
    pub(super) fn formerly(&mut self, changed: &[ChangedFile], depth: usize) -> Result<Formerly, GitError> {
        let mut formerly = Formerly::new();
        if self.former.is_empty() {
            return Ok(formerly);
        }
        let environments = self.reading.environments;
        let owner = |changed: &ChangedFile| {
            let path = changed.path.as_str();
            let is_today = environments.of(self.reading.branch, path).is_some();
            self.former.owner(depth, path, changed.after.is_none()).filter(|_| !is_today)
        };
        let owned: Vec<_> = changed.iter().filter_map(|changed| Some((changed, owner(changed)?))).collect();
        self.versions.learn(owned.iter().map(|(changed, _)| *changed))?;
        for (ChangedFile { path, before, after }, own) in owned {
            let of = |blob| {
                let mut values = self.versions.of(path, blob);
                values.retain(|image, _| self.former.is_kin(own, image));
                values
            };
            let undone = Undone { path: path.clone(), before: of(before.as_ref()), after: of(after.as_ref()) };
            formerly.entry(own.name.clone()).or_default().push((own.then.clone(), undone));
        }
        Ok(formerly)
    }

    /// Notes what a commit did to an image by way of files that were the environment's before, and by copies.
    fn carry(
        &mut self,
        (entry, depth): (&LogEntry, usize),
        asked: &Asked,
        Concerned { today, former }: &Concerned<'_>,
    ) -> BTreeSet<Spot> {
        let (environment, image) = asked;
        let of = |values: &Values| values.get(image).cloned().unwrap_or_default();
        let held = |file: &Undone| (file.path.clone(), of(&file.before), of(&file.after));
        let today: Vec<_> = today.iter().map(|file| held(file)).collect();
        let former: Vec<_> = former.iter().map(|(then, file)| (*then, held(file))).collect();
        let none = BTreeMap::new();
        let gone = self.carried.gone.get(asked).unwrap_or(&none).clone();
        // What is moved within the environment by one commit is told by the line itself.
        let is_told = today.iter().any(|(_, before, after)| !before.is_empty() && after.is_empty());
        let is_new =
            |(_, before, after): &&(RepoPath, Vec<Placed>, Vec<Placed>)| before.is_empty() && !after.is_empty();
        let came: Whole<'_> =
            today.iter().filter(|_| !is_told).filter(is_new).map(|(path, _, after)| (path, &after[..])).collect();
        let mut went: BTreeMap<&RepoPath, &[Placed]> = BTreeMap::new();
        let mut went_on: Whole<'_> = Whole::new();
        let mut links: Vec<Link<'_>> = Vec::new();
        for (_, (path, before, after)) in &former {
            match (before.is_empty(), after.is_empty()) {
                (false, true) => drop(went.insert(path, before)),
                (false, false) => links.extend(within((path, before), (path, after))),
                (true, false) => went_on.push((path, after)),
                (true, true) => {}
            }
        }
        let mut steps: BTreeSet<(Value, Value)> = values(&links).filter(|(old, new)| old != new).collect();
        let is_moved = !came.is_empty() || (!went.is_empty() && !went_on.is_empty());
        if is_moved {
            // What is moved from one former folder to another one went by this very commit: the rest may only stand there.
            let came = if came.is_empty() {
                went_on
            } else {
                let is_here = |path: &&RepoPath| !came.iter().any(|(other, _)| other == path);
                went.extend(gone.iter().filter(|(path, _)| is_here(path)).map(|(path, placed)| (path, &placed[..])));
                came
            };
            let moved = across(went.into_iter().collect(), came);
            // What stands elsewhere as well was left nowhere.
            let files = self.files.get(environment).into_iter().flatten();
            let standing: BTreeSet<Value> =
                files.filter(|(path, _)| !gone.contains_key(*path)).flat_map(|(_, values)| set(&of(values))).collect();
            steps.extend(values(&moved).filter(|(old, new)| old != new && !standing.contains(old)));
            links.extend(moved);
        }
        links.retain(|link| link.old.is_some() && link.new.is_some());
        if links.is_empty() {
            return BTreeSet::new();
        }
        steps.retain(|(left, came)| !self.carried.is_again(asked, left, came));
        // What stands as it stood came by a move all the same, and by none that brought it.
        let was_here = !former.is_empty();
        let changes = if was_here { self.lineage.carried(asked, &links) } else { self.lineage.told(asked, &links) };
        if !changes.is_empty() {
            let (from, to): (BTreeSet<Value>, BTreeSet<Value>) = values(&links).unzip();
            let came: BTreeSet<&Value> = steps.iter().map(|(_, came)| came).collect();
            let then = former.first().map_or(environment, |(then, _)| *then);
            let (by, word) = words::mover((entry, depth), then, image, (&steps, &came));
            let (commit, time) = (entry.id.clone(), entry.time);
            let shift = Shift { commit, time, landed: time, by, word, from, to, steps, changes };
            if was_here {
                self.carried.told.entry(asked.clone()).or_default().push(shift.clone());
            }
            let whole = self.whole(environment, &BTreeSet::from([image.clone()]));
            let standing = whole.into_values().next().unwrap_or_default();
            let newer = self.shifts.get(asked).map_or(0, Vec::len);
            self.asides.entry(asked.clone()).or_default().push(Aside { shift, standing, newer, was_here });
        }
        self.lineage.link(asked, &links)
    }
}

/// Returns what stood at linked places, before and after.
fn values(links: &[Link<'_>]) -> impl Iterator<Item = (Value, Value)> {
    links.iter().filter_map(|link| Some((link.old?.2.clone(), link.new?.2.clone())))
}
