//! What old versions of files held: each is understood once, kept by its content, and shared with what scans find.
//!
//! Entry point: [`Versions`]. What a commit touched is looked up together, and understood on all cores.

use std::collections::{BTreeMap, HashMap};

use crate::cache::{Cache, Key32};
use crate::cores;
use crate::git::log::ChangedFile;
use crate::git::{BlobId, GitError};
use crate::manifest::stored::{self, Key};
use crate::manifest::{self, FileScan};
use crate::model::file::RepoPath;
use crate::model::image::ImageName;
use crate::model::site::{Named, Site, Value};
use crate::observe::history::{Past, Reading, Wanted};

/// What stands at one place of a file, and what names that place there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) named: Named,
    pub(super) value: Value,
}

impl Placed {
    /// Takes what a reference says.
    pub(super) fn of(site: &Site) -> Self {
        Self { named: site.named, value: site.value.clone() }
    }
}

/// The values of the asked images in one file: of each image as many as there are places, in the order of the file.
pub(super) type Values = BTreeMap<ImageName, Vec<Placed>>;

/// How many versions are looked up together at most: a scan in the cache is a few hundred bytes.
const BLOCK: usize = 256;

/// How many blocks there are at least, where there are as many versions: enough for all cores to end together.
const BLOCKS: usize = 16;

/// One version of a file.
type Version = (RepoPath, BlobId);

/// What was found in some versions.
struct Found {
    values: Vec<(Version, Values)>,
    /// Results that the cache did not know.
    rows: Vec<(Key32, Vec<u8>)>,
}

/// The versions of files that were read.
pub(super) struct Versions<'a> {
    past: &'a dyn Past,
    wanted: &'a Wanted<'a>,
    reading: &'a Reading<'a>,
    /// The cache, where there is one.
    cache: Option<&'a Cache>,
    /// What was read already: neighbours share every version of a file.
    read: HashMap<Version, Values>,
}

impl<'a> Versions<'a> {
    pub(super) fn new(past: &'a dyn Past, wanted: &'a Wanted<'a>, reading: &'a Reading<'a>) -> Self {
        let cache = Some(reading.cache).filter(|cache| cache.is_there());
        Self { past, wanted, reading, cache, read: HashMap::new() }
    }

    /// Reads both versions of each changed file, as far as they are not known.
    pub(super) fn learn<'c>(&mut self, changed: impl IntoIterator<Item = &'c ChangedFile>) -> Result<(), GitError> {
        let versions = changed.into_iter().flat_map(|ChangedFile { path, before, after }| {
            before.iter().chain(after).map(|blob| (path.clone(), blob.clone()))
        });
        let mut unknown: Vec<Version> = versions.filter(|version| !self.read.contains_key(version)).collect();
        unknown.sort();
        unknown.dedup();
        let size = unknown.len().div_ceil(BLOCKS).clamp(1, BLOCK);
        let this = &*self;
        let blocks = cores::map(unknown.chunks(size).collect(), |block| this.look_into(block));
        let mut rows = Vec::new();
        for block in blocks {
            let found = block?;
            self.read.extend(found.values);
            rows.extend(found.rows);
        }
        if let Some(cache) = self.cache.filter(|_| !rows.is_empty()) {
            rows.sort_unstable_by_key(|(key, _)| *key);
            cache.keep_scans(&rows);
        }
        Ok(())
    }

    /// Returns what a version held that was learnt; one that cannot be understood, or is not there, holds nothing.
    pub(super) fn of(&self, path: &RepoPath, blob: Option<&BlobId>) -> Values {
        blob.and_then(|blob| self.read.get(&(path.clone(), blob.clone()))).cloned().unwrap_or_default()
    }

    /// Asks the cache about some versions, and reads those that it does not know.
    fn look_into(&self, block: &[Version]) -> Result<Found, GitError> {
        let Reading { surroundings, limits, .. } = self.reading;
        let keys: Vec<Key> = match self.cache {
            Some(_) => block.iter().map(|(path, blob)| Key::of(path, &blob.0, surroundings, limits)).collect(),
            None => Vec::new(),
        };
        let asked: Vec<Key32> = keys.iter().map(|key| Key32(key.0)).collect();
        let known = self.cache.map(|cache| cache.scans(&asked)).unwrap_or_default();
        let mut found = Found { values: Vec::with_capacity(block.len()), rows: Vec::new() };
        for (number, version) in block.iter().enumerate() {
            let (path, blob) = version;
            let key = keys.get(number);
            let kept = key.and_then(|key| stored::decode(key, path, None, known.get(&Key32(key.0))?));
            let scan = match kept {
                Some(scan) => scan,
                None => match self.past.read(blob, limits.max_bytes) {
                    Ok(bytes) => {
                        let scan = manifest::scan(path, &bytes, surroundings, limits);
                        let row =
                            key.and_then(|key| Some((Key32(key.0), stored::encode(key, path, bytes.len(), &scan)?)));
                        found.rows.extend(row);
                        scan
                    }
                    Err(GitError::TooLarge { .. }) => FileScan::default(),
                    Err(error) => return Err(error),
                },
            };
            found.values.push((version.clone(), counted_in(scan, self.wanted)));
        }
        Ok(found)
    }
}

/// Returns the values of the asked images in a file.
fn counted_in(scan: FileScan, wanted: &Wanted<'_>) -> Values {
    let mut sites = scan.sites;
    sites.sort_by_key(|site| site.bytes().start);
    let mut values = Values::new();
    for site in &sites {
        if let Some(image) = counted(site, wanted) {
            values.entry(image.clone()).or_default().push(Placed::of(site));
        }
    }
    values
}

/// Returns the image of a site that says what runs.
pub(super) fn counted<'s>(site: &'s Site, wanted: &Wanted<'_>) -> Option<&'s ImageName> {
    site.image.as_ref().filter(|image| site.skipped.is_none() && wanted.has_image(image))
}
