use jiff::Timestamp;
use tempfile::TempDir;

use super::*;
use crate::clock::FixedClock;

fn key(number: u8) -> Key32 {
    Key32([number; 32])
}

/// A cache that holds one row; a pragma says what is wrong with it from then on.
fn cache(pragma: &str, value: i64) -> (TempDir, Cache) {
    let folder = tempfile::tempdir().unwrap();
    let clock = FixedClock(Timestamp::UNIX_EPOCH);
    let cache = Cache::open(&folder.path().join("cache.db"), Arc::new(clock));
    cache.keep_scans(&[(key(1), b"one".to_vec())]);
    assert_eq!(cache.warning(), None);
    cache.store().connection.as_ref().unwrap().pragma_update(None, pragma, value).unwrap();
    (folder, cache)
}

/// Fails the test unless nothing new is kept, what is there can be read, and the warning says why.
#[track_caller]
fn only_answers(cache: &Cache, words: &str) {
    let pointed = Pointed {
        image: "ghcr.io/acme/web".parse().unwrap(),
        tag: "1.0.0".parse().unwrap(),
        digest: format!("sha256:{}", "a".repeat(64)).parse().unwrap(),
    };
    cache.keep_scans(&[(key(2), vec![7; 1 << 20])]);
    assert_eq!(cache.saw(&[pointed]), [None], "what cannot be kept is not known since any time");
    assert_eq!(cache.scans(&[key(1), key(2)]).len(), 1);
    let warning = cache.warning().unwrap();
    assert!(warning.contains(words), "{warning}");
}

#[test]
fn a_full_cache_still_answers() {
    // The error is that of a full disk.
    let (folder, cache) = cache("max_page_count", 1);
    only_answers(&cache, "has no room left");
    let next = Cache::open(&folder.path().join("cache.db"), Arc::new(FixedClock(Timestamp::UNIX_EPOCH)));
    assert_eq!((next.scans(&[key(1)]).len(), next.warning()), (1, None), "the next pass tries again");
}

#[test]
fn a_cache_that_can_only_be_read_still_answers() {
    let (_folder, cache) = cache("query_only", 1);
    only_answers(&cache, "is read-only");
}

#[test]
fn rows_go_the_longest_unused_first_when_room_becomes_scarce() {
    let (_folder, cache) = cache("query_only", 0);
    let mut store = cache.store();
    let connection = store.connection.as_mut().unwrap();
    let transaction = connection.transaction().unwrap();
    for used in [-31, -8, -3, -1] {
        let row = rusqlite::params![[u8::try_from(100 - used).unwrap(); 32], used, vec![0u8; 100_000]];
        transaction.execute("INSERT INTO scans (key, used, value) VALUES (?1, ?2, ?3)", row).unwrap();
    }
    let left = |transaction: &Transaction<'_>| -> i64 {
        transaction.query_row("SELECT count(*) FROM scans", (), |row| row.get(0)).unwrap()
    };
    schema::tidy(&transaction, 0, i64::MAX).unwrap();
    assert_eq!(left(&transaction), 5);
    // Room for the small row and for one of the large ones.
    schema::tidy(&transaction, 0, 45).unwrap();
    assert_eq!(left(&transaction), 2);
    schema::tidy(&transaction, 0, 1).unwrap();
    assert_eq!(left(&transaction), 1, "what was used today stays");
}
