//! What history tells, and what it costs to read.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tagboat::cache::Cache;
use tagboat::clock::SystemClock;
use tagboat::config::repository;
use tagboat::git::local::LocalHistory;
use tagboat::git::log::Line;
use tagboat::git::{BlobId, GitError};
use tagboat::manifest::Limits;
use tagboat::model::history::Timeline;
use tagboat::observe::checkout::Checkout;
use tagboat::observe::history::{Asking, MOST_COMMITS, Past, Reading, tell};
use tagboat::observe::scan::scan;

use crate::support::repository::Scratch;

const CONFIG: &str = "version: 1\nenvironments:\n  - {name: prod, files: [prod/**]}\n";

/// The history of a checkout, with the number of old versions that were read.
struct Counted {
    history: LocalHistory,
    read: AtomicUsize,
}

impl Past for Counted {
    fn line(&self, limit: usize, wanted: &(dyn Fn(&str) -> bool + Sync)) -> Result<Line, GitError> {
        self.history.line(limit, wanted)
    }

    fn read(&self, blob: &BlobId, limit: u64) -> Result<Vec<u8>, GitError> {
        self.read.fetch_add(1, Ordering::Relaxed);
        self.history.read(blob, limit)
    }
}

/// Scans a checkout and reads its history; returns the timelines, and how many versions of files were read for them.
fn told(folder: &Path, cache: &Cache) -> (Vec<Timeline>, usize) {
    let limits = Limits::default();
    let config = repository::parse(".tagboat.yaml", CONFIG.as_bytes()).unwrap();
    let scanned = scan(&Checkout::new(folder), &[], &limits, cache).unwrap();
    let past = Counted { history: LocalHistory::open(folder).unwrap(), read: AtomicUsize::new(0) };
    let reading = Reading {
        environments: &config.environments,
        configuration: None,
        branch: None,
        sites: &scanned.sites,
        surroundings: &scanned.surroundings,
        limits: &limits,
        cache,
        uncommitted: None,
    };
    let told = tell(&past, &Asking::All(None), &reading, None, MOST_COMMITS).unwrap();
    (told.timelines.into_values().collect(), past.read.into_inner())
}

#[test]
fn a_version_of_a_file_is_understood_once_whether_it_stands_or_stood() {
    let scratch = Scratch::new();
    let pod = |name: &str, tag: &str| {
        (
            format!("prod/{name}.yaml"),
            format!("kind: Pod\nspec:\n  containers:\n  - image: ghcr.io/acme/{name}:{tag}\n"),
        )
    };
    // As many as are looked up on several cores.
    let files: Vec<(String, String)> = (0..40).map(|number| pod(&format!("web{number}"), "1.4.0")).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let work = scratch.work("work", &files);
    let (path, newer) = pod("web7", "1.5.0");
    work.commit_files(&[(&path, &newer)], "web7 1.5.0", 2);

    let none = tagboat::pass::setup::no_cache();
    let cache = Cache::open(&scratch.path("cache.db"), Arc::new(SystemClock));
    let (uncached, read) = told(&work.folder, &none);
    assert_eq!(read, 41, "every version once");
    let moved: Vec<usize> =
        uncached.iter().map(|timeline| timeline.shifts.len()).filter(|shifts| *shifts > 1).collect();
    assert_eq!((uncached.len(), moved), (40, vec![2]));
    let (first, read) = told(&work.folder, &cache);
    assert_eq!((first == uncached, read), (true, 1), "the scan knows what stands; one version is of old");
    let (second, read) = told(&work.folder, &cache);
    assert_eq!((second == uncached, read), (true, 0), "and is known from then on");
}
