//! Everything that can be wrong with the file: one warning that says what to do, and no answer that is wrong.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use tempfile::TempDir;

use super::{Cache, key, on_day, pointed};

struct Scene {
    folder: TempDir,
    path: PathBuf,
}

impl Scene {
    /// A cache with one row, closed.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cache.db");
        on_day(&path, 0).keep_scans(&[(key(1), b"one".to_vec())]);
        Self { folder, path }
    }

    fn open(&self) -> Cache {
        on_day(&self.path, 0)
    }

    /// Changes the file as another program would.
    fn change(&self, sql: &str) {
        Connection::open(&self.path).unwrap().execute_batch(sql).unwrap();
    }
}

/// Fails the test unless the cache works without knowing anything, and warns of this once.
#[track_caller]
fn serves_without(cache: &Cache, words: &str) {
    cache.keep_scans(&[(key(2), b"two".to_vec())]);
    cache.saw(&[pointed('a')]);
    assert_eq!(cache.scans(&[key(1), key(2)]).len(), 0);
    warns(cache, words);
}

#[track_caller]
fn warns(cache: &Cache, words: &str) {
    let warning = cache.warning().expect("there is a warning");
    assert!(warning.contains(words), "{warning}");
    assert!(!warning.contains('\n'), "{warning}");
}

/// Fails the test unless the damaged file was set aside and the new one serves, without another warning next time.
#[track_caller]
fn began_anew(scene: &Scene) {
    let cache = scene.open();
    assert_eq!(cache.scans(&[key(1)]).len(), 0);
    warns(&cache, "was damaged");
    cache.keep_scans(&[(key(2), b"two".to_vec())]);
    assert_eq!(cache.scans(&[key(2)]).len(), 1);
    assert!(scene.folder.path().join("cache.db.damaged").is_file());
    let next = scene.open();
    assert_eq!((next.scans(&[key(2)]).len(), next.warning()), (1, None));
}

#[test]
fn a_file_that_is_no_database_is_set_aside() {
    let scene = Scene::new();
    fs::write(&scene.path, "this is no database at all, but a text that somebody put there\n".repeat(100)).unwrap();
    began_anew(&scene);
}

#[test]
fn a_truncated_file_is_set_aside() {
    let scene = Scene::new();
    let bytes = fs::read(&scene.path).unwrap();
    fs::write(&scene.path, &bytes[..bytes.len() / 2 + 100]).unwrap();
    began_anew(&scene);
}

#[test]
fn a_file_with_overwritten_pages_is_set_aside() {
    let scene = Scene::new();
    let mut bytes = fs::read(&scene.path).unwrap();
    bytes[100..].fill(0xa5);
    fs::write(&scene.path, &bytes).unwrap();
    began_anew(&scene);
}

#[test]
fn a_file_that_lacks_a_table_is_set_aside_when_that_shows() {
    let scene = Scene::new();
    scene.change("DROP TABLE scans");
    began_anew(&scene);
}

#[test]
fn a_damaged_file_whose_place_is_taken_is_left_alone() {
    let scene = Scene::new();
    fs::write(&scene.path, "no database ".repeat(1000)).unwrap();
    fs::create_dir_all(scene.folder.path().join("cache.db.damaged/full")).unwrap();
    serves_without(&scene.open(), "cannot be set aside: remove it");
}

#[test]
fn an_empty_file_is_a_new_cache() {
    let scene = Scene::new();
    fs::write(&scene.path, "").unwrap();
    let cache = scene.open();
    cache.keep_scans(&[(key(2), b"two".to_vec())]);
    assert_eq!((cache.scans(&[key(2)]).len(), cache.warning()), (1, None));
}

#[test]
fn a_changed_value_is_no_value() {
    let scene = Scene::new();
    scene.change("UPDATE scans SET value = CAST(substr(value, 1, length(value) - 1) || x'7a' AS BLOB)");
    let cache = scene.open();
    assert_eq!((cache.scans(&[key(1)]).len(), cache.warning()), (0, None));
    let scene = Scene::new();
    scene.open().saw(&[pointed('a')]);
    scene.change("UPDATE ages SET value = x'00'");
    assert_eq!(scene.open().ages(&pointed('a').image).len(), 0);
}

#[test]
fn a_cache_of_a_newer_version_is_neither_used_nor_changed() {
    let scene = Scene::new();
    scene.change("PRAGMA user_version = 99");
    let before = fs::read(&scene.path).unwrap();
    serves_without(&scene.open(), "made by a newer version of Tagboat");
    assert_eq!(fs::read(&scene.path).unwrap(), before);
}

#[test]
fn another_programs_database_is_neither_used_nor_changed() {
    let folder = tempfile::tempdir().unwrap();
    let scene = Scene { path: folder.path().join("theirs.db"), folder };
    scene.change("CREATE TABLE precious (a); INSERT INTO precious VALUES (1)");
    serves_without(&scene.open(), "another program's database");
    let count: i64 =
        Connection::open(&scene.path).unwrap().query_row("SELECT a FROM precious", (), |row| row.get(0)).unwrap();
    assert_eq!(count, 1);
}

#[test]
fn a_cache_that_another_process_locks_for_writing_still_answers() {
    let scene = Scene::new();
    let other = Connection::open(&scene.path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let cache = scene.open();
    cache.keep_scans(&[(key(2), b"two".to_vec())]);
    warns(&cache, "locked by another process");
    assert_eq!(cache.scans(&[key(1), key(2)]).len(), 1);
    assert_eq!(cache.saw(&[pointed('a')]), [None], "what cannot be kept is not known since any time");
}

#[test]
fn a_cache_that_another_process_locks_whole_is_done_without() {
    let scene = Scene::new();
    let other = Connection::open(&scene.path).unwrap();
    other.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE").unwrap();
    serves_without(&scene.open(), "locked by another process");
}

#[test]
fn a_cache_that_is_deleted_in_between_harms_nobody() {
    let scene = Scene::new();
    let cache = scene.open();
    fs::remove_dir_all(scene.folder.path()).unwrap();
    assert!(cache.scans(&[key(1)]).len() <= 1);
    cache.keep_scans(&[(key(2), b"two".to_vec())]);
    let next = scene.open();
    next.keep_scans(&[(key(3), b"three".to_vec())]);
    assert_eq!((next.scans(&[key(1), key(2), key(3)]).len(), next.warning()), (1, None));
    drop(cache);
    assert_eq!(next.scans(&[key(3)]).len(), 1, "who closes the deleted file takes nothing of the new one along");
    drop(next);
    assert_eq!(scene.open().scans(&[key(3)]).len(), 1);
}

#[test]
fn a_place_where_there_can_be_no_file_is_told() {
    let scene = Scene::new();
    let places: [(&Path, &str); 3] = [
        (scene.folder.path(), "it is no regular file"),
        (Path::new("/dev/null"), "it is no regular file"),
        (&scene.path.join("below"), "cannot be used"),
    ];
    for (place, words) in places {
        serves_without(&on_day(place, 0), words);
    }
    // No file system lets anybody make a file there, root included.
    serves_without(&on_day(Path::new("/proc/tagboat/cache.db"), 0), "cannot be used");
}
