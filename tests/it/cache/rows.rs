//! What is kept and found again, and for how long.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tagboat::cache::{Cache, Key32};
use tagboat::clock::FixedClock;

fn on_day(path: &Path, day: i64) -> Cache {
    let now = "2026-01-01T12:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_hours(24 * day);
    Cache::open(path, Arc::new(FixedClock(now)))
}

fn key(number: u8) -> Key32 {
    Key32([number; 32])
}

#[test]
fn scan_results_are_found_again_by_their_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("below").join("cache.db");
    on_day(&path, 0).keep_scans(&[(key(1), b"one".to_vec()), (key(2), Vec::new())]);
    let cache = on_day(&path, 0);
    let found = cache.scans(&[key(1), key(2), key(3)]);
    assert_eq!(found.len(), 2);
    assert_eq!((&*found[&key(1)], &*found[&key(2)]), (&b"one"[..], &b""[..]));
    assert_eq!(cache.warning(), None);
}

#[test]
fn the_file_is_for_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cache.db");
    let cache = on_day(&path, 0);
    cache.keep_scans(&[(key(1), b"one".to_vec())]);
    for suffix in ["", "-wal", "-shm"] {
        let file = folder.path().join(format!("cache.db{suffix}"));
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "{suffix}");
    }
}

#[test]
fn what_is_used_stays_and_what_is_not_goes_after_ninety_days() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cache.db");
    on_day(&path, 0).keep_scans(&[(key(1), b"used".to_vec()), (key(2), b"not used".to_vec())]);
    assert_eq!(on_day(&path, 60).scans(&[key(1)]).len(), 1);
    assert_eq!(on_day(&path, 90).scans(&[key(1), key(2)]).len(), 2, "a row of ninety days is kept");
    on_day(&path, 100).keep_scans(&[(key(2), b"not used".to_vec())]);
    assert_eq!(on_day(&path, 185).scans(&[key(1)]).len(), 0);
    assert_eq!(on_day(&path, 185).scans(&[key(2)]).len(), 1);
}
