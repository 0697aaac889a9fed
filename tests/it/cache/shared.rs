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

#[test]
fn what_forges_told_is_one_pass_s_at_a_time_and_nobody_s_after_two_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cache.db");
    let (one, other) = (on_day(&path, 0), on_day(&path, 0));
    assert_eq!(one.take_turns(&key(1)), None);
    one.leave_turns(&key(1), b"first");
    one.leave_turns(&key(2), b"another repository's");
    assert_eq!(other.take_turns(&key(1)).as_deref(), Some(&b"first"[..]));
    assert_eq!(one.take_turns(&key(1)), None, "the other one has it");
    other.leave_turns(&key(1), b"the other's");
    one.leave_turns(&key(1), b"mine");
    assert_eq!(other.take_turns(&key(1)), None, "neither knew what the other did meanwhile");
    assert_eq!(other.take_turns(&key(2)).as_deref(), Some(&b"another repository's"[..]));
    one.leave_turns(&key(1), &vec![b'x'; (16 << 20) + 1]);
    assert_eq!(other.take_turns(&key(1)), None, "it is too long");
    one.leave_turns(&key(1), b"forgotten");
    assert_eq!(on_day(&path, 91).take_turns(&key(1)), None);
    assert_eq!((one.warning(), other.warning()), (None, None));
}
