//! Finding every reference in a set of files, on several threads.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::manifest::{self, Surroundings};
use crate::model::file::RepoPath;
use crate::model::site::{PassedOver, Site};
use crate::observe::checkout::threads;
use crate::observe::files::Files;

/// How many files a thread takes at once; small enough that one thread with the large files does not hold up the rest.
const CHUNK: usize = 16;

/// Below this number of files, threads cost more than they bring.
const WORTH_THREADS: usize = 32;

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
}

/// Reads and scans every file that may hold a reference.
///
/// # Errors
///
/// The reason in words when the files could not be listed; a single file that fails is a row of `passed_over`.
pub fn scan(files: &dyn Files, limits: &manifest::Limits) -> Result<Scanned, String> {
    let listing = files.list()?;
    let surroundings = Surroundings::new(listing.files.iter().map(RepoPath::as_str));
    let worth: Vec<&RepoPath> =
        listing.files.iter().filter(|path| manifest::may_hold_reference(path.as_str())).collect();
    let threads = if worth.len() < WORTH_THREADS { 1 } else { threads() };
    let next = AtomicUsize::new(0);
    let work = || {
        let mut found = Found::default();
        loop {
            let start = next.fetch_add(CHUNK, Ordering::Relaxed);
            let Some(chunk) = worth.get(start..worth.len().min(start + CHUNK)).filter(|chunk| !chunk.is_empty()) else {
                return found;
            };
            for path in chunk {
                found.add(path, files, &surroundings, limits);
            }
        }
    };
    let mut all = Found::default();
    if threads == 1 {
        all = work();
    } else {
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            for worker in workers {
                match worker.join() {
                    Ok(found) => all.append(found),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
        });
    }
    all.sites.sort_by(|one, other| (&one.file, one.bytes().start).cmp(&(&other.file, other.bytes().start)));
    all.passed_over.extend(listing.passed_over);
    all.passed_over.sort_by(|one, other| one.file.cmp(&other.file));
    Ok(Scanned { sites: all.sites, passed_over: all.passed_over, files: listing.files, surroundings })
}

/// What one thread found.
#[derive(Default)]
struct Found {
    sites: Vec<Site>,
    passed_over: Vec<PassedOver>,
}

impl Found {
    fn add(&mut self, path: &RepoPath, files: &dyn Files, surroundings: &Surroundings, limits: &manifest::Limits) {
        match files.read(path, limits.max_bytes) {
            Ok(bytes) => {
                let found = manifest::scan(path, &bytes, surroundings, limits);
                self.sites.extend(found.sites);
                self.passed_over.extend(found.passed_over);
            }
            Err(reason) => self.passed_over.push(PassedOver { file: path.as_str().to_owned(), reason }),
        }
    }

    fn append(&mut self, mut other: Self) {
        self.sites.append(&mut other.sites);
        self.passed_over.append(&mut other.passed_over);
    }
}
