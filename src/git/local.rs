//! The history of a person's checkout: what led to its `HEAD`, read from its own objects. Changes and fetches nothing.

use std::path::Path;

use crate::git::checkout::CheckoutError;
use crate::git::log::{self, Line};
use crate::git::{BlobId, GitError, checkout, objects};
use crate::model::commit::CommitId;

/// The commits below a checkout's `HEAD`, seen from one of its folders.
pub struct LocalHistory {
    repository: gix::ThreadSafeRepository,
    head: CommitId,
    /// The folder within the working tree, with `/` at its end; empty for the root.
    prefix: String,
}

impl LocalHistory {
    /// Opens the repository that a folder belongs to.
    ///
    /// # Errors
    ///
    /// [`CheckoutError`] where there is none, or no commit in it.
    pub fn open(folder: &Path) -> Result<Self, CheckoutError> {
        let repository = checkout::discover(folder)?;
        let unreadable =
            |reason: String| CheckoutError::Unreadable { folder: folder.to_owned(), reason: reason.clone() };
        let root = repository.workdir().ok_or_else(|| CheckoutError::Bare(folder.to_owned()))?;
        let resolve = |path: &Path| path.canonicalize().map_err(|fault| unreadable(fault.to_string()));
        let (root, below) = (resolve(root)?, resolve(folder)?);
        let inner = below.strip_prefix(&root).map_err(|fault| unreadable(fault.to_string()))?;
        let mut prefix = inner.to_string_lossy().replace('\\', "/");
        if !prefix.is_empty() {
            prefix.push('/');
        }
        let head = repository.head_id().map_err(|fault| unreadable(fault.to_string()))?;
        let head = objects::commit_id(head.detach());
        Ok(Self { repository: repository.into_sync(), head, prefix })
    }

    /// Follows the first-parent line from `HEAD`; paths are told as seen from the folder.
    ///
    /// # Errors
    ///
    /// [`GitError::Broken`] when an object cannot be read.
    pub fn line(&self, limit: usize, wanted: &(dyn Fn(&str) -> bool + Sync)) -> Result<Line, GitError> {
        let below = |path: &str| path.strip_prefix(&self.prefix).is_some_and(wanted);
        let mut line = log::first_parent(&self.repository.to_thread_local(), &self.head, limit, &below)?;
        for changed in line.steps.iter_mut().flat_map(|step| &mut step.changed) {
            if let Some(path) =
                changed.path.as_str().strip_prefix(&self.prefix).and_then(crate::model::file::RepoPath::new)
            {
                changed.path = path;
            }
        }
        Ok(line)
    }

    /// Reads a blob of at most `limit` bytes.
    ///
    /// # Errors
    ///
    /// [`GitError::TooLarge`] beyond the limit, else [`GitError::Broken`].
    pub fn read(&self, blob: &BlobId, limit: u64) -> Result<Vec<u8>, GitError> {
        objects::read(&self.repository.to_thread_local(), blob, limit)
    }
}
