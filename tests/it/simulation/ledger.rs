//! What the simulation itself knows of who did what to the base branch: the independent side of every rule.
//!
//! Reads manifests by its own few lines and orders versions by its own comparison. Uses nothing of `decide`, `promote`,
//! `observe` or `edit`.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use tagboat::model::commit::CommitId;

use super::moving::{self, MOVING};
use super::setting::{Setting, Value, references, running, skeleton, version};
use super::world::git::{Store, Tree, differences};
use super::world::{Brought, By, Way};

/// One place where an image stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) environment: usize,
    pub(super) image: usize,
    /// The container of its file: by its name a place is told from others of its image.
    pub(super) container: usize,
    pub(super) value: Value,
}

/// One value that gives way to another, at one of the places of its image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Step {
    pub(super) environment: usize,
    pub(super) image: usize,
    /// The how manieth of its image: all places of one are in one file.
    pub(super) place: usize,
    pub(super) from: Value,
    pub(super) to: Value,
}

/// Versions that people took back, by environment and image; of what follows a moving tag, digests that anybody took back.
type TakenBack = BTreeMap<(usize, usize), BTreeSet<String>>;

/// Versions that people lowered and have not gone on from, by environment and image: each with what came in its place.
type Lowered = BTreeMap<(usize, usize), BTreeSet<(String, String)>>;

/// A commit that reached the base.
#[derive(Debug, Clone)]
pub(super) struct Landing {
    pub(super) commit: CommitId,
    /// The true time.
    pub(super) at: Timestamp,
    /// The committer's, but never before any below it.
    pub(super) told: Timestamp,
    pub(super) places: Vec<Place>,
    /// What people have taken back, and nobody brought again since.
    pub(super) taken_back: TakenBack,
    /// What people lowered, and have not gone on from.
    pub(super) lowered: Lowered,
    /// Environments and images that anybody but a pass has touched at any time.
    pub(super) touched: BTreeSet<(usize, usize)>,
    /// Who made what it brought.
    pub(super) brought: Brought,
}

#[derive(Debug, Clone)]
pub(super) struct Ledger {
    pub(super) landings: Vec<Landing>,
    /// What went back by itself: positions, environments, images and the values that were left.
    pub(super) returned: Vec<(usize, usize, usize, Value)>,
}

/// A commit that is on the base now.
pub(super) struct Landed<'a> {
    pub(super) id: &'a CommitId,
    /// Who put it there.
    pub(super) by: By,
    /// Who made what it brought.
    pub(super) brought: Brought,
    pub(super) now: Timestamp,
}

/// Reads what stands where in a tree.
pub(super) fn places(git: &Store, setting: &Setting, tree: &Tree) -> Vec<Place> {
    let mut found = Vec::new();
    for (path, blob) in tree {
        if let Some(environment) = setting.environment_of(path.as_str()) {
            let read = running(git.text(blob)).into_iter().enumerate();
            found.extend(read.map(|(container, (image, value))| Place { environment, image, container, value }));
        }
    }
    found
}

/// Reads what changed between two trees, where nothing but values did.
pub(super) fn steps(git: &Store, setting: &Setting, before: &Tree, after: &Tree) -> Result<BTreeSet<Step>, String> {
    let mut steps = BTreeSet::new();
    for (path, old, new) in differences(before, after) {
        let Some(environment) = setting.environment_of(path.as_str()) else {
            return Err(format!("{path} is in no environment"));
        };
        let (Some(old), Some(new)) = (old, new) else { return Err(format!("{path} comes or goes")) };
        let (old, new) = (git.text(old), git.text(new));
        if skeleton(old) != skeleton(new) {
            return Err(format!("{path} differs in more than its references"));
        }
        let mut places: BTreeMap<usize, usize> = BTreeMap::new();
        for ((image, from), (_, to)) in references(old).into_iter().zip(references(new)) {
            let seen = places.entry(image).or_default();
            let place = *seen;
            *seen += 1;
            if from != to {
                steps.insert(Step { environment, image, place, from, to });
            }
        }
    }
    Ok(steps)
}

/// Whether one tag is a lower version than another.
pub(super) fn is_lower(one: &str, other: &str) -> bool {
    matches!((version(one), version(other)), (Some(one), Some(other)) if one < other)
}

impl Ledger {
    pub(super) fn begin(git: &Store, setting: &Setting, now: Timestamp) -> Self {
        let first = Landing {
            commit: git.main.clone(),
            at: now,
            told: git.commit(&git.main).time,
            places: places(git, setting, git.tree(&git.main)),
            taken_back: TakenBack::new(),
            lowered: Lowered::new(),
            touched: BTreeSet::new(),
            brought: Brought { by: By::Person, way: Way::Forward },
        };
        Self { landings: vec![first], returned: Vec::new() }
    }

    pub(super) fn last(&self) -> &Landing {
        self.landings.last().expect("the first is always there")
    }

    /// Returns the position of a commit of the base's line.
    pub(super) fn position(&self, commit: &CommitId) -> Option<usize> {
        self.landings.iter().rposition(|landing| landing.commit == *commit)
    }

    /// Notes a commit that is on the base now.
    pub(super) fn land(&mut self, git: &Store, setting: &Setting, &Landed { id, by, brought, now }: &Landed<'_>) {
        let commit = git.commit(id);
        let before = git.tree(&commit.parents[0]);
        let (last, position) = (self.last(), self.landings.len());
        let (mut taken_back, mut touched) = (last.taken_back.clone(), last.touched.clone());
        let mut lowered = last.lowered.clone();
        let told = commit.time.max(last.told);
        let is_return = brought.way == Way::Return;
        if !by.is_pass() || brought.way != Way::Forward {
            for (path, old, new) in differences(before, &commit.tree) {
                let Some(environment) = setting.environment_of(path.as_str()) else { continue };
                let written = |blob: Option<_>| blob.map(|blob| references(git.text(blob))).unwrap_or_default();
                let changed = gave_way(&written(old), &written(new));
                touched.extend(changed.into_iter().map(|(image, ..)| (environment, image)));
                let read = |blob: Option<_>| blob.map(|blob| running(git.text(blob))).unwrap_or_default();
                let (old, new) = (read(old), read(new));
                for (image, from, to) in gave_way(&old, &new) {
                    let key = (environment, image);
                    if is_return {
                        self.returned.push((position, environment, image, from.clone()));
                    }
                    let taken = taken_back.entry(key).or_default();
                    // What a person ordered is held by the file of holds, not by the history; which names no digest.
                    let is_back = match image {
                        MOVING => moving::takes_back(brought.way, brought.by, &self.landings, environment, &to),
                        _ => brought.by == By::Person && is_lower(&to.tag, &from.tag),
                    };
                    if is_back {
                        taken.insert(moving::key(image, &from));
                    }
                    taken.remove(&moving::key(image, &to));
                    let lowered = lowered.entry(key).or_default();
                    lowered.retain(|(left, instead)| {
                        let goes_on = !brought.by.is_pass()
                            && brought.way == Way::Forward
                            && is_lower(&from.tag, &to.tag)
                            && is_lower(instead, &to.tag);
                        *left != to.tag && !goes_on
                    });
                    if image != MOVING && is_back {
                        lowered.insert((from.tag.clone(), to.tag.clone()));
                    }
                }
                // Also what comes where nothing could be read before is what a person wants.
                for (image, value) in new.iter().filter(|one| !old.contains(one)) {
                    taken_back.entry((environment, *image)).or_default().remove(&moving::key(*image, value));
                    lowered.entry((environment, *image)).or_default().retain(|(left, _)| *left != value.tag);
                }
            }
        }
        let places = places(git, setting, &commit.tree);
        self.landings.push(Landing {
            commit: id.clone(),
            at: now,
            told,
            places,
            taken_back,
            lowered,
            touched,
            brought,
        });
    }

    /// Returns since when an environment has had one value at all places of an image, at a landing: told and true.
    pub(super) fn since(&self, at: usize, environment: usize, image: usize, value: &Value) -> Option<&Landing> {
        let has = |landing: &&Landing| {
            let mut own = landing.values(environment, image).peekable();
            own.peek().is_some() && own.all(|other| other == value)
        };
        self.landings[..=at].iter().rev().take_while(has).last()
    }

    /// Returns since when an environment has had a value at one of the places of an image, likewise.
    pub(super) fn since_at(
        &self,
        at: usize,
        (environment, image): (usize, usize),
        value: &Value,
        place: usize,
    ) -> Option<&Landing> {
        let has = |landing: &&Landing| landing.values(environment, image).nth(place) == Some(value);
        self.landings[..=at].iter().rev().take_while(has).last()
    }

    /// Returns when a value first stood anywhere in an environment, up to a landing.
    pub(super) fn introduced(&self, at: usize, environment: usize, image: usize, value: &Value) -> Option<&Landing> {
        self.landings[..=at].iter().find(|landing| landing.values(environment, image).any(|own| own == value))
    }
}

impl Landing {
    /// Returns what an image is in an environment, at all its places.
    pub(super) fn values(&self, environment: usize, image: usize) -> impl Iterator<Item = &Value> {
        let own = self.places.iter().filter(move |place| place.environment == environment && place.image == image);
        own.map(|place| &place.value)
    }

    /// Returns what an environment before runs for a place of an image in another one: the one value that it has everywhere, else the
    /// one that it has in the container of the same name.
    pub(super) fn stands_for(
        &self,
        (environment, before): (usize, usize),
        image: usize,
        place: usize,
    ) -> Option<&Value> {
        self.runs_at(before, image, self.counterpart((environment, before), image, place))
    }

    /// Returns the one value that an environment has everywhere of an image, else the one at a place, where that is told.
    pub(super) fn runs_at(&self, environment: usize, image: usize, place: Option<usize>) -> Option<&Value> {
        let mut values = self.values(environment, image);
        let first = values.next()?;
        if values.all(|value| value == first) {
            return Some(first);
        }
        self.values(environment, image).nth(place?)
    }

    /// Returns which place of an environment before is in the container of the same name as a place of another one: all environments
    /// have files of the same names, but not as many places of each image.
    pub(super) fn counterpart(
        &self,
        (environment, before): (usize, usize),
        image: usize,
        place: usize,
    ) -> Option<usize> {
        let containers = |environment: usize| {
            let own = self.places.iter().filter(move |own| own.environment == environment && own.image == image);
            own.map(|own| own.container)
        };
        let container = containers(environment).nth(place)?;
        containers(before).position(|other| other == container)
    }

    /// Whether a person took a version back in one of these environments.
    pub(super) fn is_taken_back(&self, environments: &[usize], image: usize, value: &Value) -> bool {
        let key = moving::key(image, value);
        environments.iter().any(|own| self.taken_back.get(&(*own, image)).is_some_and(|taken| taken.contains(&key)))
    }
}

/// Pairs what went with what came: place by place where a file has as many as before, else everything with everything.
fn gave_way(old: &[(usize, Value)], new: &[(usize, Value)]) -> Vec<(usize, Value, Value)> {
    let is_aligned = old.len() == new.len() && old.iter().zip(new).all(|(old, new)| old.0 == new.0);
    if is_aligned {
        let pairs = old.iter().zip(new).filter(|(old, new)| old != new);
        return pairs.map(|((image, from), (_, to))| (*image, from.clone(), to.clone())).collect();
    }
    let gone = old.iter().filter(|one| !new.contains(one));
    let came: Vec<_> = new.iter().filter(|one| !old.contains(one)).collect();
    gone.flat_map(|(image, from)| {
        let own = came.iter().filter(move |(other, _)| other == image);
        own.map(move |(_, to)| (*image, from.clone(), to.clone()))
    })
    .collect()
}
