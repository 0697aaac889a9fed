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

/// What processes leave for each other, in memory.
#[derive(Default)]
struct Shelf(Mutex<HashMap<String, Vec<u8>>>);

impl Elsewhere for Shelf {
    fn fetch(&self, name: &str) -> Option<Vec<u8>> {
        self.0.lock().unwrap().get(name).cloned()
    }

    fn leave(&self, name: &str, value: &[u8]) {
        self.0.lock().unwrap().insert(name.to_owned(), value.to_vec());
    }
}

#[test]
fn what_one_process_learnt_others_need_not_ask_and_ages_count_from_whoever_saw_first() {
    let folder = tempfile::tempdir().unwrap();
    let shelf = Arc::new(Shelf::default());
    let at = |second: i64| Arc::new(FixedClock(Timestamp::from_second(second).unwrap()));
    let open = |name: &str, second: i64| {
        Cache::open(&folder.path().join(name), at(second)).with(Arc::clone(&shelf) as Arc<dyn Elsewhere>)
    };
    let image: crate::model::image::ImageName = "ghcr.io/acme/web".parse().unwrap();
    let pointed = |tag: &str| Pointed {
        image: image.clone(),
        tag: tag.parse().unwrap(),
        digest: format!("sha256:{}", "a".repeat(64)).parse().unwrap(),
    };
    let (one, other) = (open("one.db", 1_000), open("other.db", 2_000));
    one.keep_pages(&image, b"pages".to_vec());
    assert_eq!(other.pages(&image), Some(b"pages".to_vec()));
    one.saw(&[pointed("1.0.0")]);
    let since = |cache: &Cache, tag: &str| cache.saw(&[pointed(tag)])[0].map(Timestamp::as_second);
    assert_eq!(since(&other, "1.0.0"), Some(1_000));
    // A clock that is ahead makes nothing older than it is here.
    shelf.0.lock().unwrap().values_mut().filter(|value| value.len() == 8).for_each(|value| {
        *value = 9_000_i64.to_le_bytes().to_vec();
    });
    assert_eq!(since(&open("third.db", 1_500), "1.0.0"), Some(1_500));
    assert_eq!(since(&open("fourth.db", 2_500), "1.0.0"), Some(1_500), "the earlier one is told on");
    // What was fetched is kept: the file alone knows it.
    let alone = Cache::open(&folder.path().join("other.db"), at(3_000));
    assert_eq!((alone.pages(&image), since(&alone, "1.0.0")), (Some(b"pages".to_vec()), Some(1_000)));
    assert_eq!(since(&one, "1.1.0"), Some(1_000));
}
