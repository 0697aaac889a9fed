//! Whose files were what before the configuration said otherwise: an environment's folder may have been called otherwise.
//!
//! Entry point: [`Former`]. A version of the configuration says it for the commits at which it was in force, and of a file that
//! was taken out for later ones, too: whoever moves a folder changes the configuration before, with it, or after. Only the
//! base's environments are told of, for the configuration is the base's.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::git::log::{ChangedFile, LogStep};
use crate::git::{BlobId, GitError};
use crate::manifest;
use crate::model::environment::{EnvironmentName, Environments};
use crate::model::file::RepoPath;
use crate::model::glob::PathGlobs;
use crate::model::image::ImageName;
use crate::model::site::Value;
use crate::observe::history::versions::Versions;
use crate::observe::history::{Past, Reading, Wanted};

/// How many versions of the configuration are read at most.
const MOST_VERSIONS: usize = 100;

/// The longest version of the configuration that is read, in bytes.
const MAX_CONFIGURATION: u64 = 1 << 20;

/// The file that says which files are whose, and how it is understood.
#[derive(Debug, Clone, Copy)]
pub struct Configuration {
    /// Its path.
    pub file: &'static str,
    /// Reads a version of it; `None` where it cannot be understood.
    pub read: fn(&[u8]) -> Option<Environments>,
}

/// An environment as an older version of the configuration had it.
pub(super) struct Then {
    /// What it is called today.
    pub(super) name: EnvironmentName,
    /// What it was called then.
    pub(super) then: EnvironmentName,
    files: PathGlobs,
}

/// What shows that one environment became another one, and was not merely given up when that began.
#[derive(Default)]
struct Kin {
    /// Whether any file of the one became one of the other as it is.
    is_moved: bool,
    /// The images that stand in the other as they last stood in the one.
    images: HashSet<ImageName>,
}

/// A version of the configuration of which some environment had other files.
struct Version {
    /// The position of the newest commit that found it in force.
    newest: usize,
    /// The position of the commit that brought it.
    oldest: usize,
    environments: Vec<Then>,
}

/// What older versions of the configuration said otherwise.
#[derive(Default)]
pub(super) struct Former {
    versions: Vec<Version>,
    /// Of environments that may have been called otherwise: by what they are called today, and what they were called then.
    kin: BTreeMap<(EnvironmentName, EnvironmentName), Kin>,
}

impl Former {
    /// Reads the versions of the configuration that the commits of a line changed; `uncommitted` is the newest commit's,
    /// where the working tree has another one.
    pub(super) fn read(
        past: &dyn Past,
        (reading, asked): (&Reading<'_>, &Wanted<'_>),
        steps: &[LogStep],
        uncommitted: Option<&BlobId>,
    ) -> Result<Self, GitError> {
        let Some(configuration) = reading.configuration.filter(|_| reading.branch.is_none()) else {
            return Ok(Self::default());
        };
        let of_step = |(at, step): (usize, &LogStep)| {
            let changed = step.changed.iter().find(|changed| changed.path.as_str() == configuration.file)?;
            Some((at, changed.before.clone()))
        };
        let uncommitted = uncommitted.map(|blob| (0, Some(blob.clone())));
        let changes = uncommitted.into_iter().chain(steps.iter().enumerate().filter_map(of_step));
        let changes: Vec<(usize, Option<BlobId>)> = changes.take(MOST_VERSIONS).collect();
        // What an environment of then is called today.
        let mut names: BTreeMap<EnvironmentName, EnvironmentName> = BTreeMap::new();
        names.extend(reading.environments.0.iter().map(|own| (own.name.clone(), own.name.clone())));
        let mut versions = Vec::new();
        for (index, (newest, blob)) in changes.iter().enumerate() {
            let Some(blob) = blob else { continue };
            let bytes = match past.read(blob, MAX_CONFIGURATION) {
                Ok(bytes) => bytes,
                Err(GitError::TooLarge { .. }) => continue,
                Err(error) => return Err(error),
            };
            let Some(then) = (configuration.read)(&bytes) else { continue };
            names = names_then(&names, &then);
            let is_other = |environment: &Then| {
                let today = reading.environments.named(&environment.name);
                asked.has_environment(&environment.name)
                    && today.is_some_and(|today| today.branch.is_none() && today.files != environment.files)
            };
            let own = then.0.into_iter().filter(|environment| environment.branch.is_none());
            let named = own.filter_map(|environment| {
                let name = names.get(&environment.name)?.clone();
                Some(Then { name, then: environment.name, files: environment.files })
            });
            let environments: Vec<Then> = named.filter(is_other).collect();
            let oldest = changes.get(index + 1).map_or(usize::MAX, |(older, _)| *older);
            if !environments.is_empty() {
                versions.push(Version { newest: *newest, oldest, environments });
            }
        }
        Ok(Self { versions, kin: BTreeMap::new() })
    }

    /// Looks at what went from the files of environments that may have been called otherwise, and what came to those of today.
    pub(super) fn compare(
        &mut self,
        versions: &mut Versions<'_>,
        reading: &Reading<'_>,
        steps: &[LogStep],
    ) -> Result<(), GitError> {
        let environments = || self.versions.iter().flat_map(|version| &version.environments);
        let renamed: BTreeSet<(&EnvironmentName, &EnvironmentName)> =
            environments().filter(|own| own.name != own.then).map(|own| (&own.name, &own.then)).collect();
        let mut found = BTreeMap::new();
        for (name, then) in renamed {
            let was = |path: &str, is_meant: &dyn Fn(&Then) -> bool| {
                reading.environments.of(reading.branch, path).is_none()
                    && environments().any(|own| own.name == *name && is_meant(own) && own.files.matches(path))
            };
            let is_former = |path: &str| was(path, &|own| own.then == *then);
            let is_later = |path: &str| {
                let today = reading.environments.of(reading.branch, path);
                today.is_some_and(|own| own.name == *name) || was(path, &|own| own.then != *then)
            };
            // As the one's files stood last, and as the other's began.
            let mut last: BTreeMap<&RepoPath, &ChangedFile> = BTreeMap::new();
            let mut first: BTreeMap<&RepoPath, &ChangedFile> = BTreeMap::new();
            for changed in steps.iter().flat_map(|step| &step.changed) {
                if is_former(changed.path.as_str()) {
                    last.entry(&changed.path).or_insert(changed);
                } else if changed.before.is_none() && is_later(changed.path.as_str()) {
                    first.insert(&changed.path, changed);
                }
            }
            versions.learn(last.values().chain(first.values()).copied())?;
            let stood = |changed: &ChangedFile| changed.after.clone().or_else(|| changed.before.clone());
            let blobs: HashSet<BlobId> = last.values().filter_map(|changed| stood(changed)).collect();
            let is_moved =
                first.values().any(|changed| changed.after.as_ref().is_some_and(|blob| blobs.contains(blob)));
            let held = |changed: &ChangedFile| {
                let held = versions.of(&changed.path, stood(changed).as_ref()).into_iter();
                held.map(|(image, placed)| {
                    (image, placed.into_iter().map(|placed| placed.value).collect::<Vec<Value>>())
                })
            };
            let came: HashSet<(ImageName, Vec<Value>)> = first.values().flat_map(|changed| held(changed)).collect();
            let both = last.values().flat_map(|changed| held(changed)).filter(|held| came.contains(held));
            let images = both.map(|(image, _)| image).collect();
            found.insert((name.clone(), then.clone()), Kin { is_moved, images });
        }
        self.kin = found;
        Ok(())
    }

    /// Whether what an environment of then did with an image is the past of one of today.
    pub(super) fn is_kin(&self, own: &Then, image: &ImageName) -> bool {
        let kin = || self.kin.get(&(own.name.clone(), own.then.clone()));
        own.name == own.then || kin().is_some_and(|kin| kin.is_moved || kin.images.contains(image))
    }

    /// Whether nothing was said otherwise.
    pub(super) fn is_empty(&self) -> bool {
        self.versions.is_empty()
    }

    /// Whether a path was an environment's at any time.
    pub(super) fn has(&self, path: &str) -> bool {
        let mut environments = self.versions.iter().flat_map(|version| &version.environments);
        manifest::may_hold_reference(path) && environments.any(|environment| environment.files.matches(path))
    }

    /// Returns whose a file was that the commit at a position of the line changed. One that is gone was whose it had been last.
    pub(super) fn owner(&self, at: usize, path: &str, is_gone: bool) -> Option<&Then> {
        let is_meant =
            |version: &&Version| (version.newest <= at && at <= version.oldest) || (is_gone && at < version.newest);
        let mut environments = self.versions.iter().filter(is_meant).flat_map(|version| &version.environments);
        environments.find(|environment| environment.files.matches(path))
    }
}

/// Finds what the environments of a version are called today, by what those of the next one are: where one alone went and one
/// alone came, it may have been renamed.
fn names_then(
    names: &BTreeMap<EnvironmentName, EnvironmentName>,
    then: &Environments,
) -> BTreeMap<EnvironmentName, EnvironmentName> {
    let own: BTreeSet<&EnvironmentName> = then.0.iter().map(|environment| &environment.name).collect();
    let mut went = own.iter().filter(|name| !names.contains_key(**name));
    let mut came = names.iter().filter(|(name, _)| !own.contains(name));
    let renamed = match ((went.next(), went.next()), (came.next(), came.next())) {
        ((Some(old), None), (Some((_, today)), None)) => Some(((*old).clone(), today.clone())),
        _ => None,
    };
    let stayed = names.iter().filter(|(name, _)| own.contains(name)).map(|(name, today)| (name.clone(), today.clone()));
    stayed.chain(renamed).collect()
}
