//! Finding every reference in a set of files, on all cores, and again only where something changed.
//!
//! Entry point: [`scan`]. Files are taken in blocks: what is known of a block's files is asked of the cache at once, and
//! of their bytes no more is held at a time than a block may hold.

use crate::cache::{Cache, Key32};
use crate::cores;
use crate::git::BlobId;
use crate::manifest::foreign::Foreign;
use crate::manifest::layers::Layer;
use crate::manifest::stored::{self, Key};
use crate::manifest::{self, Contents, FileScan, Surroundings};
use crate::model::file::RepoPath;
use crate::model::format::ExtraFormat;
use crate::model::site::{PassedOver, Site};
use crate::observe::files::Files;

/// How many files are looked up together at most.
const BLOCK: usize = 256;

/// How many blocks there are at least, where there are as many files: enough for all cores to end together.
const BLOCKS: usize = 64;

/// How many bytes of files a block holds while it does not know yet which of them are to be parsed.
const HELD: usize = 1 << 20;

/// What scanning found.
#[derive(Debug, Default)]
pub struct Scanned {
    /// Every reference, by file and offset.
    pub sites: Vec<Site>,
    /// Every file that was not looked into, by path.
    pub passed_over: Vec<PassedOver>,
    /// Every file that there is, by path.
    pub files: Vec<RepoPath>,
    /// What the files say about each other.
    pub surroundings: Surroundings,
    /// What other updaters' objects in the files say; the sites have their policies already.
    pub foreign: Foreign,
    /// What Kustomize lays over what, by file.
    pub layers: Vec<Layer>,
    /// What it took.
    pub effort: Effort,
}

/// How many files took which work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Effort {
    /// Files whose bytes were read.
    pub read: usize,
    /// Files that were parsed; the others were known, or dismissed by their bytes.
    pub parsed: usize,
    /// Files whose results the cache knew.
    pub known: usize,
}

/// Scans every file that may hold a reference; `formats` are the configuration's further places.
///
/// What the cache knows of a file is not found out again, and what was found is kept there.
///
/// # Errors
///
/// The reason in words when the files could not be listed; a single file that fails is a row of `passed_over`.
pub fn scan(
    files: &dyn Files,
    formats: &[ExtraFormat],
    limits: &manifest::Limits,
    cache: &Cache,
) -> Result<Scanned, String> {
    let listing = files.list()?;
    let surroundings = Surroundings::new(listing.files.iter().map(RepoPath::as_str)).with_formats(formats);
    let may_hold = |path: &&RepoPath| {
        manifest::may_hold_reference(path.as_str()) || surroundings.formats_of(path).next().is_some()
    };
    let worth: Vec<&RepoPath> = listing.files.iter().filter(may_hold).collect();
    let look = Look { files, surroundings: &surroundings, limits, cache: cache.is_there().then_some(cache) };
    let size = worth.len().div_ceil(BLOCKS).clamp(1, BLOCK);
    let blocks = cores::map(worth.chunks(size).collect(), |paths| Block::of(&look, paths));
    let mut all = Block::new(&look);
    all.found.sites.reserve_exact(blocks.iter().map(|block| block.found.sites.len()).sum());
    blocks.into_iter().for_each(|block| all.append(block));
    all.rows.sort_unstable_by_key(|(key, _)| *key);
    cache.keep_scans(&all.rows);
    let effort = all.effort;
    tracing::info!(files = worth.len(), read = effort.read, parsed = effort.parsed, known = effort.known, "scanned");
    let FileScan { mut sites, mut passed_over, mut foreign, mut layers } = all.found;
    passed_over.extend(listing.passed_over);
    passed_over.sort_by(|one, other| one.file.cmp(&other.file));
    sites.sort_by(|one, other| (&one.file, one.bytes().start).cmp(&(&other.file, other.bytes().start)));
    foreign.sort();
    layers.sort_by(|one, other| one.file.cmp(&other.file));
    foreign.resolve(&mut sites, &layers);
    Ok(Scanned { sites, passed_over, files: listing.files, surroundings, foreign, layers, effort })
}

/// What looking into a file takes.
struct Look<'a> {
    files: &'a dyn Files,
    surroundings: &'a Surroundings,
    limits: &'a manifest::Limits,
    cache: Option<&'a Cache>,
}

/// Some files, and what was found in them.
struct Block<'a> {
    look: &'a Look<'a>,
    found: FileScan,
    effort: Effort,
    /// Results that the cache did not know.
    rows: Vec<(Key32, Vec<u8>)>,
    /// Files that are not looked into before the cache was asked.
    waiting: Vec<Waiting<'a>>,
    /// How many bytes the waiting files hold.
    held: usize,
}

/// A file that the cache may know.
struct Waiting<'a> {
    path: &'a RepoPath,
    key: Key,
    /// Its text, where it had to be read to know its name.
    text: Option<String>,
}

impl<'a> Block<'a> {
    fn new(look: &'a Look<'a>) -> Self {
        Self {
            look,
            found: FileScan::default(),
            effort: Effort::default(),
            rows: Vec::new(),
            waiting: Vec::new(),
            held: 0,
        }
    }

    /// Looks into files.
    fn of(look: &'a Look<'a>, paths: &[&'a RepoPath]) -> Self {
        let mut block = Self::new(look);
        for path in paths {
            block.take(path);
        }
        block.settle();
        block
    }

    /// Notes a file whose content has a name already, and reads any other.
    fn take(&mut self, path: &'a RepoPath) {
        if self.look.cache.is_some()
            && let Some(content) = self.look.files.content(path)
        {
            return self.wait(path, content, None);
        }
        let Some(bytes) = self.read(path) else { return };
        let Look { surroundings, limits, cache, .. } = self.look;
        match manifest::open(path, &bytes, surroundings, limits) {
            Contents::Nothing => {}
            Contents::PassedOver(reason) => self.add(manifest::passed_over(path, reason)),
            Contents::Text(text) => match cache.and_then(|_| BlobId::of(text.as_bytes()).ok()) {
                // The bytes were found to be text just now.
                Some(content) => self.wait(path, &content, String::from_utf8(bytes).ok()),
                None => {
                    self.effort.parsed += 1;
                    let found = manifest::scan_text(path, text, surroundings, limits);
                    self.add(found);
                }
            },
        }
    }

    fn wait(&mut self, path: &'a RepoPath, content: &BlobId, text: Option<String>) {
        let key = Key::of(path, &content.0, self.look.surroundings, self.look.limits);
        self.held += text.as_ref().map_or(0, String::len);
        self.waiting.push(Waiting { path, key, text });
        if self.held > HELD {
            self.settle();
        }
    }

    /// Asks the cache about the waiting files, and looks into those that it does not know.
    fn settle(&mut self) {
        let waiting = std::mem::take(&mut self.waiting);
        self.held = 0;
        let Some(cache) = self.look.cache.filter(|_| !waiting.is_empty()) else { return };
        let keys: Vec<Key32> = waiting.iter().map(|one| Key32(one.key.0)).collect();
        let known = cache.scans(&keys);
        for Waiting { path, key, text } in waiting {
            let row = known.get(&Key32(key.0));
            if let Some(found) = row.and_then(|row| stored::decode(&key, path, text.as_ref().map(String::len), row)) {
                self.effort.known += 1;
                self.add(found);
                continue;
            }
            let Look { surroundings, limits, .. } = self.look;
            let (length, found) = match text {
                Some(text) => {
                    self.effort.parsed += 1;
                    (text.len(), manifest::scan_text(path, &text, surroundings, limits))
                }
                None => {
                    let Some(bytes) = self.read(path) else { continue };
                    let found = match manifest::open(path, &bytes, surroundings, limits) {
                        Contents::Nothing => FileScan::default(),
                        Contents::PassedOver(reason) => manifest::passed_over(path, reason),
                        Contents::Text(text) => {
                            self.effort.parsed += 1;
                            manifest::scan_text(path, text, surroundings, limits)
                        }
                    };
                    (bytes.len(), found)
                }
            };
            self.rows.extend(stored::encode(&key, path, length, &found).map(|row| (Key32(key.0), row)));
            self.add(found);
        }
    }

    /// Reads a file; one that cannot be read is passed over.
    fn read(&mut self, path: &RepoPath) -> Option<Vec<u8>> {
        match self.look.files.read(path, self.look.limits.max_bytes) {
            Ok(bytes) => {
                self.effort.read += 1;
                Some(bytes)
            }
            Err(reason) => {
                self.add(manifest::passed_over(path, reason));
                None
            }
        }
    }

    fn add(&mut self, mut found: FileScan) {
        self.found.sites.append(&mut found.sites);
        self.found.passed_over.append(&mut found.passed_over);
        self.found.foreign.append(&mut found.foreign);
        self.found.layers.append(&mut found.layers);
    }

    fn append(&mut self, mut other: Self) {
        self.rows.append(&mut other.rows);
        self.effort.read += other.effort.read;
        self.effort.parsed += other.effort.parsed;
        self.effort.known += other.effort.known;
        self.add(other.found);
    }
}
