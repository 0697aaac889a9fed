//! A set of files to look into, wherever they are kept: the seam between scanning and reading.

use crate::git::BlobId;
use crate::model::file::RepoPath;
use crate::model::site::{PassedOver, PassedOverReason};

/// The files of a working tree or a commit.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    /// Regular files, sorted by path.
    pub files: Vec<RepoPath>,
    /// Entries that are no regular file and are not looked into.
    pub passed_over: Vec<PassedOver>,
}

/// Where files come from. Reading is called from several threads at once.
pub trait Files: Send + Sync {
    /// Lists every file, those that cannot hold a reference included.
    ///
    /// # Errors
    ///
    /// The reason in words when there is no list at all; single entries that fail are rows of the listing.
    fn list(&self) -> Result<Listing, String>;

    /// Returns the id of a listed file's content, where it is known without reading it.
    fn content(&self, path: &RepoPath) -> Option<&BlobId>;

    /// Reads a listed file of at most `limit` bytes.
    ///
    /// # Errors
    ///
    /// [`PassedOverReason::TooLarge`] beyond the limit, else [`PassedOverReason::Unreadable`].
    fn read(&self, path: &RepoPath, limit: u64) -> Result<Vec<u8>, PassedOverReason>;

    /// Reads a file of at most `limit` bytes by its name, listed or not; `None` where there is none.
    ///
    /// # Errors
    ///
    /// As for reading; a link out of the tree counts as unreadable.
    fn read_if_there(&self, path: &RepoPath, limit: u64) -> Result<Option<Vec<u8>>, PassedOverReason>;
}

impl<T: Files + ?Sized> Files for std::sync::Arc<T> {
    fn list(&self) -> Result<Listing, String> {
        (**self).list()
    }

    fn read(&self, path: &RepoPath, limit: u64) -> Result<Vec<u8>, PassedOverReason> {
        (**self).read(path, limit)
    }

    fn read_if_there(&self, path: &RepoPath, limit: u64) -> Result<Option<Vec<u8>>, PassedOverReason> {
        (**self).read_if_there(path, limit)
    }

    fn content(&self, path: &RepoPath) -> Option<&BlobId> {
        (**self).content(path)
    }
}
