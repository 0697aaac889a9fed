//! Several at once: one file, and nobody waits long or loses anything.

use std::sync::Barrier;

use tagboat::cache::Key32;

use super::{key, noon, on_day, pointed};

#[test]
fn many_who_begin_at_once_make_one_cache_and_keep_everything() {
    const WRITERS: u8 = 8;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cache.db");
    let barrier = Barrier::new(usize::from(WRITERS));
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (path, barrier) = (&path, &barrier);
            scope.spawn(move || {
                barrier.wait();
                let cache = on_day(path, 0);
                for row in 0..20 {
                    let mut key = [writer; 32];
                    key[0] = row;
                    cache.keep_scans(&[(Key32(key), vec![writer; 100])]);
                }
                assert_eq!(cache.warning(), None);
            });
        }
    });
    let cache = on_day(&path, 0);
    let keys: Vec<Key32> = (0..WRITERS)
        .flat_map(|writer| {
            (0..20).map(move |row| {
                let mut key = [writer; 32];
                key[0] = row;
                Key32(key)
            })
        })
        .collect();
    assert_eq!(cache.scans(&keys).len(), 160);
}

#[test]
fn one_sees_what_the_other_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cache.db");
    let (one, other) = (on_day(&path, 0), on_day(&path, 5));
    one.keep_scans(&[(key(1), b"one".to_vec())]);
    assert_eq!(other.scans(&[key(1)]).len(), 1);
    assert_eq!(one.saw(&[pointed('a')]), [Some(noon(0))]);
    assert_eq!(other.saw(&[pointed('a')]), [Some(noon(0))], "whoever came first says since when");
}
