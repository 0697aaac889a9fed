//! The history of a person's checkout: what led to its `HEAD`, read from its own objects. Changes and fetches nothing.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::git::checkout::CheckoutError;
use crate::git::log::{self, Line};
use crate::git::{BlobId, GitError, checkout, objects};
use crate::model::commit::CommitId;
use crate::model::file::RepoPath;

/// The commits below a checkout's `HEAD`, seen from one of its folders.
pub struct LocalHistory {
    repository: gix::ThreadSafeRepository,
    head: CommitId,
    /// The folder within the working tree, with `/` at its end; empty for the root.
    prefix: String,
    /// The folder itself.
    folder: PathBuf,
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
        Ok(Self { repository: repository.into_sync(), head, prefix, folder: below })
    }

    /// Follows the first-parent line from `HEAD`; paths are told as seen from the folder.
    ///
    /// # Errors
    ///
    /// [`GitError::Broken`] when an object cannot be read.
    pub fn line(&self, limit: usize, wanted: &(dyn Fn(&str) -> bool + Sync)) -> Result<Line, GitError> {
        let below = |path: &str| path.strip_prefix(&self.prefix).is_some_and(wanted);
        let mut line = log::first_parent(&self.repository.to_thread_local(), &self.head, limit, &below)?;
        let beside = line.beside.iter_mut().map(|beside| &mut beside.step);
        for changed in line.steps.iter_mut().chain(beside).flat_map(|step| &mut step.changed) {
            if let Some(path) = changed.path.as_str().strip_prefix(&self.prefix).and_then(RepoPath::new) {
                changed.path = path;
            }
        }
        Ok(line)
    }

    /// Whether history ends here where a clone was cut short, and not where it began.
    pub fn is_shallow(&self) -> bool {
        self.repository.to_thread_local().is_shallow().unwrap_or(false)
    }

    /// Returns the wanted files of which the working tree holds something else than `HEAD`, with what `HEAD` has: those
    /// that it has, and of `standing` those that it has not.
    ///
    /// # Errors
    ///
    /// [`GitError::Broken`] when the tree of `HEAD` cannot be read.
    pub fn uncommitted(
        &self,
        standing: &BTreeSet<RepoPath>,
        limit: u64,
        wanted: &(dyn Fn(&str) -> bool + Sync),
    ) -> Result<Vec<(RepoPath, Option<BlobId>)>, GitError> {
        let mut found = Vec::new();
        let mut committed = BTreeSet::new();
        for entry in objects::entries(&self.repository.to_thread_local(), &self.head)? {
            let path = entry.path.ok().and_then(|path| RepoPath::new(path.as_str().strip_prefix(&self.prefix)?));
            let Some(path) = path.filter(|path| wanted(path.as_str())) else { continue };
            committed.insert(path.clone());
            let file = self.folder.join(path.as_str());
            let length = fs::symlink_metadata(&file).ok().filter(fs::Metadata::is_file).map(|data| data.len());
            // What is longer is read nowhere, and so says nothing.
            let content = length.filter(|length| *length <= limit).and_then(|_| fs::read(&file).ok());
            let held = content.map(|content| objects::blob_id(&content)).transpose()?;
            if held.as_ref() != Some(&entry.blob) {
                found.push((path, Some(entry.blob)));
            }
        }
        found.extend(standing.difference(&committed).map(|path| (path.clone(), None)));
        Ok(found)
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
