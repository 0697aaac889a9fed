//! The lock on a mirror's folder: who may change it in place.
//!
//! Entry point: [`lock`]. The system releases it when its holder dies; what such a holder had locked within the folder, in
//! Git's own way, is let go by who comes next. Says nothing of what is changed.

use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use crate::clock::PassEnd;
use crate::git::GitError;

/// The longest that is waited for another process: it may fetch twice, each time as long as a transfer may take.
const LONGEST_LOCK: Duration = Duration::from_secs(600);

/// What Git locks in a bare repository by a file beside it, other than references.
const LOCKED: &[&str] = &["HEAD.lock", "config.lock", "packed-refs.lock", "shallow.lock"];

/// Waits for a folder's lock until a pass is over; it is released when the file is dropped.
pub(super) fn lock(folder: &Path, ends: PassEnd) -> Result<File, GitError> {
    let locked = wait(folder, ends)?;
    clear(folder)?;
    Ok(locked)
}

fn wait(folder: &Path, ends: PassEnd) -> Result<File, GitError> {
    let mut name = folder.as_os_str().to_owned();
    name.push(".lock");
    let path = PathBuf::from(name);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(|fault| unusable(parent, &fault))?;
    }
    let file = File::create(&path).map_err(|fault| unusable(&path, &fault))?;
    match file.try_lock() {
        Ok(()) => return Ok(file),
        Err(TryLockError::WouldBlock) => {}
        Err(TryLockError::Error(fault)) => return Err(unusable(&path, &fault)),
    }
    // The system waits for a lock without end: a thread of its own does, and lets it go where nobody takes it any more.
    let (locked, waiting) = mpsc::channel();
    std::thread::spawn(move || drop(locked.send(file.lock().map(|()| file))));
    match waiting.recv_timeout(ends.within(LONGEST_LOCK)) {
        Ok(locked) => locked.map_err(|fault| unusable(&path, &fault)),
        Err(_) if ends.is_over() => Err(GitError::Unreachable(ends.reason())),
        Err(_) => Err(GitError::Unreachable("another process has kept the mirror for ten minutes".to_owned())),
    }
}

/// Removes Git's own locks, which a process that was killed leaves behind: whoever holds the folder's lock is alone with them.
fn clear(folder: &Path) -> Result<(), GitError> {
    for name in LOCKED {
        remove(&folder.join(name))?;
    }
    let mut folders = vec![folder.join("refs")];
    while let Some(folder) = folders.pop() {
        let unusable = |fault: &std::io::Error| unusable(&folder, fault);
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(fault) if fault.kind() == ErrorKind::NotFound => continue,
            Err(fault) => return Err(unusable(&fault)),
        };
        for entry in entries {
            let entry = entry.map_err(|fault| unusable(&fault))?;
            let path = entry.path();
            if entry.file_type().map_err(|fault| unusable(&fault))?.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "lock") {
                remove(&path)?;
            }
        }
    }
    Ok(())
}

fn remove(left: &Path) -> Result<(), GitError> {
    match fs::remove_file(left) {
        Ok(()) => tracing::debug!(file = %left.display(), "let go of what a process that is gone had locked"),
        // There is none, or no mirror yet.
        Err(fault) if matches!(fault.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
        Err(fault) => return Err(unusable(left, &fault)),
    }
    Ok(())
}

/// Says that a folder is of no use.
pub(super) fn unusable(path: &Path, fault: &std::io::Error) -> GitError {
    GitError::Broken(format!("the folder {} cannot be used: {fault}", path.display()))
}
