//! Which place of today a place of an old commit became: files are moved, and references come and go within them.
//!
//! Entry point: [`Lineage`]. What cannot be told is not guessed: such a place has several that may have come before it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::model::file::RepoPath;
use crate::model::history::places::Change;
use crate::model::site::{Spot, Value};
use crate::observe::history::Asked;
use crate::observe::history::named::by_name;
use crate::observe::history::versions::Placed;

/// How many places that went and came at once are paired at most where nothing tells which is which.
const MOST_UNTOLD: usize = 64;

/// What stood at the places of an image in a file, before a commit and after it.
pub(super) struct Rewritten<'a> {
    pub(super) path: &'a RepoPath,
    pub(super) before: &'a [Placed],
    pub(super) after: &'a [Placed],
}

/// A place before a commit, and the one that it became; where one is missing, it went or came.
#[derive(Clone, Copy)]
pub(super) struct Link<'a> {
    pub(super) old: Option<(&'a RepoPath, usize, &'a Value)>,
    pub(super) new: Option<(&'a RepoPath, usize, &'a Value)>,
}

/// The images of files that went, or came, by a commit.
pub(super) type Whole<'a> = Vec<(&'a RepoPath, &'a [Placed])>;

/// Which places of today those of an older commit became.
#[derive(Default)]
pub(super) struct Lineage {
    /// Of those that did not just stay what they are.
    heirs: HashMap<(Asked, Spot), BTreeSet<Spot>>,
    /// Places that came where nothing of the image had stood before, as the last commit that was undone has them.
    newcomers: HashMap<Asked, BTreeMap<RepoPath, Vec<Placed>>>,
}

impl Lineage {
    /// Returns what became of a place.
    pub(super) fn heirs(&self, asked: &Asked, spot: &Spot) -> BTreeSet<Spot> {
        let known = self.heirs.get(&(asked.clone(), spot.clone()));
        known.cloned().unwrap_or_else(|| BTreeSet::from([spot.clone()]))
    }

    /// Tells what a commit did to places, and leaves them as they are.
    pub(super) fn changes(&self, asked: &Asked, files: &[Rewritten<'_>]) -> Vec<Change> {
        self.told(asked, &links(files))
    }

    /// Tells what a commit did to places, and goes back over it. `stands` says whether the image stood anywhere in the
    /// environment before it and after it.
    pub(super) fn back_over(
        &mut self,
        asked: &Asked,
        files: &[Rewritten<'_>],
        (stood, stands): (bool, bool),
    ) -> Vec<Change> {
        let links = links(files);
        if !stands && let Some(newcomers) = self.newcomers.remove(asked) {
            self.bridge(asked, &newcomers, files);
        }
        let changes = self.told(asked, &links);
        if !stood {
            let came = files.iter().filter(|file| !file.after.is_empty());
            self.newcomers.insert(asked.clone(), came.map(|file| (file.path.clone(), file.after.to_vec())).collect());
        }
        self.inherit(asked, &links);
        changes
    }

    /// Tells what a commit did to places.
    pub(super) fn told(&self, asked: &Asked, links: &[Link<'_>]) -> Vec<Change> {
        self.each(asked, links, |from, to| from != to)
    }

    /// Tells where what was moved stood before and after, whether or not it is something else since.
    pub(super) fn carried(&self, asked: &Asked, links: &[Link<'_>]) -> Vec<Change> {
        self.each(asked, links, |_, _| true)
    }

    fn each(
        &self,
        asked: &Asked,
        links: &[Link<'_>],
        is_meant: impl Fn(Option<&Value>, Option<&Value>) -> bool,
    ) -> Vec<Change> {
        let mut origins: BTreeMap<(&RepoPath, usize), usize> = BTreeMap::new();
        for (path, ordinal, _) in links.iter().filter_map(|link| link.new) {
            *origins.entry((path, ordinal)).or_default() += 1;
        }
        let mut found: BTreeMap<(Option<&Value>, Option<&Value>), BTreeSet<Spot>> = BTreeMap::new();
        for Link { old, new } in links {
            let is_unclear = new.is_some_and(|(path, ordinal, _)| origins.get(&(path, ordinal)) > Some(&1));
            let (from, to) = (old.map(|(.., value)| value), new.map(|(.., value)| value));
            let Some((path, ordinal, _)) = new.or(*old).filter(|_| is_unclear || is_meant(from, to)) else { continue };
            let spots = self.heirs(asked, &Spot { file: path.clone(), ordinal });
            found.entry((from, to)).or_default().extend(spots);
        }
        let change = |((from, to), spots): ((Option<&Value>, Option<&Value>), _)| {
            let (from, to) = (from.cloned(), to.cloned());
            Change { spots, from, to }
        };
        found.into_iter().map(change).filter(|change| !change.spots.is_empty()).collect()
    }

    /// Lets places before a commit become what those after it became.
    fn inherit(&mut self, asked: &Asked, links: &[Link<'_>]) {
        let moved = self.link(asked, links);
        self.part_from(asked, moved);
    }

    /// Lets places before a commit become what those after it became, and returns those to which something was moved: until
    /// [`Self::part_from`] is told of them, they are still what they became, too.
    #[must_use]
    pub(super) fn link(&mut self, asked: &Asked, links: &[Link<'_>]) -> BTreeSet<Spot> {
        let mut heirs: BTreeMap<Spot, BTreeSet<Spot>> = BTreeMap::new();
        let mut moved: BTreeSet<Spot> = BTreeSet::new();
        for link in links {
            let (Some((was, number, _)), Some((path, ordinal, _))) = (link.old, link.new) else { continue };
            let (old, new) = (Spot { file: was.clone(), ordinal: number }, Spot { file: path.clone(), ordinal });
            heirs.entry(old.clone()).or_default().extend(self.heirs(asked, &new));
            if old != new {
                moved.insert(new);
            }
        }
        moved.retain(|spot| !heirs.contains_key(spot));
        for (spot, heirs) in heirs {
            self.name(asked, spot, heirs);
        }
        moved
    }

    /// What stood earlier still at places to which something was moved is nothing of what was moved there.
    pub(super) fn part_from(&mut self, asked: &Asked, moved: BTreeSet<Spot>) {
        for spot in moved {
            self.heirs.insert((asked.clone(), spot), BTreeSet::new());
        }
    }

    fn name(&mut self, asked: &Asked, spot: Spot, heirs: BTreeSet<Spot>) {
        let is_itself = heirs.len() == 1 && heirs.contains(&spot);
        let key = (asked.clone(), spot);
        if is_itself {
            self.heirs.remove(&key);
        } else {
            self.heirs.insert(key, heirs);
        }
    }

    /// Pairs what went and left nothing of the image with what came next, wherever that was.
    fn bridge(&mut self, asked: &Asked, newcomers: &BTreeMap<RepoPath, Vec<Placed>>, files: &[Rewritten<'_>]) {
        let went = files.iter().filter(|file| !file.before.is_empty());
        let went: BTreeMap<&RepoPath, &[Placed]> = went.map(|file| (file.path, file.before)).collect();
        // A file that has it again is itself.
        let came = newcomers.iter().filter(|(path, _)| !went.contains_key(path));
        let came: Whole<'_> = came.map(|(path, placed)| (path, placed.as_slice())).collect();
        let went: Whole<'_> = went.into_iter().filter(|(path, _)| !newcomers.contains_key(*path)).collect();
        self.inherit(asked, &across(went, came));
    }
}

/// Pairs the places before a commit with those after it.
fn links<'a>(files: &'a [Rewritten<'a>]) -> Vec<Link<'a>> {
    let (mut went, mut came) = (Whole::new(), Whole::new());
    let mut links = Vec::new();
    for Rewritten { path, before, after } in files {
        match (before.is_empty(), after.is_empty()) {
            (true, true) => {}
            (true, false) => came.push((path, after)),
            (false, true) => went.push((path, before)),
            (false, false) => links.extend(within((path, before), (path, after))),
        }
    }
    links.extend(across(went, came));
    links
}

/// Pairs the places of one file, or of one that was moved: by what names them, and of the rest by their order and values.
pub(super) fn within<'a>(
    (was, old): (&'a RepoPath, &'a [Placed]),
    (path, new): (&'a RepoPath, &'a [Placed]),
) -> Vec<Link<'a>> {
    let before = |at: usize| Some((was, at, &old[at].value));
    let after = |at: usize| Some((path, at, &new[at].value));
    let told = by_name(old, new);
    let mut links: Vec<Link<'a>> =
        told.pairs.iter().map(|(left, came)| Link { old: before(*left), new: after(*came) }).collect();
    let (left, came) = (told.left, told.came);
    let (went, stands): (Vec<&Value>, Vec<&Value>) =
        (left.iter().map(|at| &old[*at].value).collect(), came.iter().map(|at| &new[*at].value).collect());
    let is_reordered = || {
        let sorted = |values: &[&'a Value]| {
            let mut values = values.to_vec();
            values.sort();
            values
        };
        went != stands && sorted(&went) == sorted(&stands)
    };
    if left.len() == came.len() && !is_reordered() {
        links.extend(left.iter().zip(&came).map(|(left, came)| Link { old: before(*left), new: after(*came) }));
        return links;
    }
    // What stands there once before and after is told by its value; of the rest anything may have become anything.
    let once = |values: &[&Value], value: &Value| values.iter().filter(|other| **other == value).count() == 1;
    let is_told = |value: &Value| once(&went, value) && once(&stands, value);
    let (known, came): (Vec<usize>, Vec<usize>) = came.into_iter().partition(|at| is_told(&new[*at].value));
    for at in known {
        let from = left.iter().copied().find(|left| old[*left].value == new[at].value);
        links.push(Link { old: from.and_then(before), new: after(at) });
    }
    let left: Vec<usize> = left.into_iter().filter(|at| !is_told(&old[*at].value)).collect();
    let is_same_again = left.iter().map(|at| &old[*at].value).eq(came.iter().map(|at| &new[*at].value));
    if is_same_again {
        links.extend(left.iter().zip(&came).map(|(left, came)| Link { old: before(*left), new: after(*came) }));
    } else if left.is_empty() || came.is_empty() || left.len() * came.len() > MOST_UNTOLD {
        links.extend(left.iter().map(|at| Link { old: before(*at), new: None }));
        links.extend(came.iter().map(|at| Link { old: None, new: after(*at) }));
    } else {
        let of =
            |came: &usize| left.iter().map(|left| Link { old: before(*left), new: after(*came) }).collect::<Vec<_>>();
        links.extend(came.iter().flat_map(of));
    }
    links
}

/// Pairs files that went with files that came: by the longest end of their paths that tells one from all others, else where
/// one went and one came.
pub(super) fn across<'a>(went: Whole<'a>, came: Whole<'a>) -> Vec<Link<'a>> {
    let (mut links, went, came) = by_ends(went, came);
    if let ([one], [other]) = (went.as_slice(), came.as_slice()) {
        links.extend(within(*one, *other));
        return links;
    }
    let of = |files: Whole<'a>| -> Vec<(&'a RepoPath, usize, &'a Value)> {
        let each = files.into_iter();
        each.flat_map(|(path, placed)| placed.iter().enumerate().map(move |(at, placed)| (path, at, &placed.value)))
            .collect()
    };
    let (went, came) = (of(went), of(came));
    if went.is_empty() || came.is_empty() || went.len() * came.len() > MOST_UNTOLD {
        links.extend(went.into_iter().map(|went| Link { old: Some(went), new: None }));
        links.extend(came.into_iter().map(|came| Link { old: None, new: Some(came) }));
        return links;
    }
    // What stands as often as before gave way to nothing, whichever place it came to.
    let count = |places: &[(&RepoPath, usize, &Value)], value: &Value| {
        places.iter().filter(|(.., other)| *other == value).count()
    };
    let stays = |value: &Value| count(&came, value) >= count(&went, value);
    for place in &came {
        let mut is_unclear = false;
        for gone in &went {
            if gone.2 == place.2 || !stays(gone.2) {
                links.push(Link { old: Some(*gone), new: Some(*place) });
            } else {
                is_unclear = true;
            }
        }
        if is_unclear {
            links.push(Link { old: None, new: Some(*place) });
        }
    }
    links
}

/// Pairs files by the longest end of their paths that one alone has that went, and one alone that came. Returns what is left
/// of both as well.
fn by_ends<'a>(mut went: Whole<'a>, mut came: Whole<'a>) -> (Vec<Link<'a>>, Whole<'a>, Whole<'a>) {
    fn end(path: &RepoPath, parts: usize) -> Option<&str> {
        let path = path.as_str();
        let mut starts = path.rmatch_indices('/').map(|(at, _)| at + 1).chain([0]);
        starts.nth(parts - 1).map(|start| &path[start..])
    }
    fn once<'a>(files: &Whole<'a>, parts: usize) -> BTreeMap<&'a str, Option<usize>> {
        let mut found: BTreeMap<&'a str, Option<usize>> = BTreeMap::new();
        for (at, (path, _)) in files.iter().enumerate() {
            if let Some(end) = end(path, parts) {
                found.entry(end).and_modify(|known| *known = None).or_insert(Some(at));
            }
        }
        found
    }
    let mut links = Vec::new();
    let parts = |files: &Whole<'a>| files.iter().map(|(path, _)| path.as_str().split('/').count()).max().unwrap_or(0);
    for parts in (1..=parts(&went).min(parts(&came))).rev() {
        let (left, right) = (once(&went, parts), once(&came, parts));
        let mut paired = (BTreeSet::new(), BTreeSet::new());
        for (end, at) in &left {
            if let (Some(left), Some(Some(right))) = (at, right.get(end)) {
                links.extend(within(went[*left], came[*right]));
                paired.0.insert(*left);
                paired.1.insert(*right);
            }
        }
        let rest = |files: Whole<'a>, paired: BTreeSet<usize>| -> Whole<'a> {
            files.into_iter().enumerate().filter(|(at, _)| !paired.contains(at)).map(|(_, file)| file).collect()
        };
        (went, came) = (rest(went, paired.0), rest(came, paired.1));
    }
    (links, went, came)
}
