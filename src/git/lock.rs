//! The lock on a mirror's folder: who may change it in place.
//!
//! Entry point: [`lock`]. The system releases it when its holder dies. Says nothing of what is changed.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use crate::clock::PassEnd;
use crate::git::GitError;

/// The longest that is waited for another process: it may fetch twice, each time as long as a transfer may take.
const LONGEST_LOCK: Duration = Duration::from_secs(600);

/// Waits for a folder's lock until a pass is over; it is released when the file is dropped.
pub(super) fn lock(folder: &Path, ends: PassEnd) -> Result<File, GitError> {
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

/// Says that a folder is of no use.
pub(super) fn unusable(path: &Path, fault: &std::io::Error) -> GitError {
    GitError::Broken(format!("the folder {} cannot be used: {fault}", path.display()))
}
