//! What is wrong with a cache file, in words a person can act on.

use std::path::Path;

use rusqlite::ErrorCode;

/// What to do when the file is in the way.
const REMOVE_OR_NAME: &str = "remove it, or name another with `cache:` or TAGBOAT_CACHE";

/// What an error says of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is damaged, or no database.
    Corrupt,
    /// Another process holds it.
    Locked,
    /// It can be read only.
    ReadOnly,
    /// The disk, or the room that the cache allows itself, is full.
    Full,
    /// Everything else: not there, no right to it, an error of the disk.
    Unusable,
}

impl Fault {
    /// Sorts an error.
    pub(super) fn of(error: &rusqlite::Error) -> Self {
        match error {
            rusqlite::Error::SqliteFailure(failure, _) => match failure.code {
                ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Self::Corrupt,
                ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed => {
                    Self::Locked
                }
                ErrorCode::ReadOnly => Self::ReadOnly,
                ErrorCode::DiskFull => Self::Full,
                // A table that is not there, in a file of our own version: somebody has had a hand in it.
                ErrorCode::Unknown => Self::Corrupt,
                _ => Self::Unusable,
            },
            // A column of another type than was written.
            rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..) => Self::Corrupt,
            _ => Self::Unusable,
        }
    }

    /// Puts it into words: what it is, what that costs, what to do.
    pub(super) fn explain(self, path: &Path, error: &rusqlite::Error) -> String {
        let path = path.display();
        match self {
            Self::Corrupt => {
                format!("the cache {path} is damaged ({error}), and cannot be set aside: {REMOVE_OR_NAME}")
            }
            Self::Locked => format!(
                "the cache {path} is locked by another process, and this pass goes on without it: give each its own \
                 with `cache:` or TAGBOAT_CACHE if that lasts"
            ),
            Self::ReadOnly => format!(
                "the cache {path} is read-only, so that nothing new is kept: make it and its folder writable, or name \
                 another with `cache:` or TAGBOAT_CACHE"
            ),
            Self::Full => format!(
                "the cache {path} has no room left ({error}), so that nothing new is kept: make room on the disk, or \
                 {REMOVE_OR_NAME}"
            ),
            Self::Unusable => {
                format!("the cache {path} cannot be used ({error}): make it readable and writable, or {REMOVE_OR_NAME}")
            }
        }
    }
}
