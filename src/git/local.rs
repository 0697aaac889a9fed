//! The history of a person's checkout: what led to its `HEAD`, read from its own objects. Changes and fetches nothing.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::cores;
use crate::git::checkout::CheckoutError;
use crate::git::log::{self, Compared, Line};
use crate::git::{BlobId, GitError, TreeEntry, checkout, objects};
use crate::model::commit::CommitId;
use crate::model::environment::BranchName;
use crate::model::file::RepoPath;

/// How many blocks of files are looked at side by side, at most.
const BLOCKS: usize = 64;

/// The commits below a checkout's `HEAD`, seen from one of its folders.
pub struct LocalHistory {
    repository: gix::ThreadSafeRepository,
    head: CommitId,
    /// The folder within the working tree, with `/` at its end; empty for the root.
    prefix: String,
    /// The branch that is checked out, where one is.
    branch: Option<BranchName>,
    /// The folder itself; `None` where another branch is looked at than the one that lies in it.
    folder: Option<PathBuf>,
    /// What comparisons of its commits told.
    compared: Compared,
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
        let branch = repository.head_name().ok().flatten();
        let branch = branch.map(|name| BranchName::from(name.shorten().to_string().as_str()));
        Ok(Self {
            repository: repository.into_sync(),
            head,
            prefix,
            branch,
            folder: Some(below),
            compared: Compared::default(),
        })
    }

    /// Returns the branch that is checked out, where one is.
    pub fn branch(&self) -> Option<&BranchName> {
        self.branch.as_ref()
    }

    /// Looks at another branch in place of `HEAD`: as the remote `origin` had it when it was last fetched, else the local one.
    ///
    /// # Errors
    ///
    /// [`GitError::NoBranch`] where the repository has neither.
    pub fn of_branch(&self, branch: &BranchName) -> Result<Self, GitError> {
        let repository = self.repository.to_thread_local();
        let names = [format!("refs/remotes/origin/{branch}"), format!("refs/heads/{branch}")];
        let found = names.iter().find_map(|name| {
            let mut reference = repository.try_find_reference(name.as_str()).ok().flatten()?;
            reference.peel_to_commit().ok().map(|commit| commit.id)
        });
        let tip = found.ok_or_else(|| GitError::NoBranch { branch: branch.clone(), there: Vec::new() })?;
        let head = objects::commit_id(tip);
        let (repository, prefix) = (self.repository.clone(), self.prefix.clone());
        Ok(Self { repository, head, prefix, branch: Some(branch.clone()), folder: None, compared: Compared::default() })
    }

    /// Returns the commit that is looked at.
    pub fn head(&self) -> &CommitId {
        &self.head
    }

    /// Lists every entry of its tree below the folder, as seen from there, sorted by path.
    ///
    /// # Errors
    ///
    /// [`GitError::Broken`] when the tree cannot be read.
    pub fn entries(&self) -> Result<Vec<TreeEntry>, GitError> {
        let entries = objects::entries(&self.repository.to_thread_local(), &self.head)?;
        let below = entries.into_iter().filter_map(|entry| {
            let path = match &entry.path {
                Ok(path) => Ok(RepoPath::new(path.as_str().strip_prefix(&self.prefix)?)?),
                Err(shown) => Err(shown.strip_prefix(&self.prefix)?.to_owned()),
            };
            Some(TreeEntry { path, ..entry })
        });
        Ok(below.collect())
    }

    /// Follows the first-parent line from `HEAD`; paths are told as seen from the folder.
    ///
    /// # Errors
    ///
    /// [`GitError::Broken`] when an object cannot be read.
    pub fn line(&self, limit: usize, wanted: &(dyn Fn(&str) -> bool + Sync)) -> Result<Line, GitError> {
        let below = |path: &str| path.strip_prefix(&self.prefix).is_some_and(wanted);
        let mut line =
            log::first_parent(&self.repository.to_thread_local(), &self.head, limit, &below, Some(&self.compared))?;
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
        // Of another branch nothing lies in the working tree.
        let Some(folder) = &self.folder else { return Ok(Vec::new()) };
        let mut committed = Vec::new();
        for entry in objects::entries(&self.repository.to_thread_local(), &self.head)? {
            let path = entry.path.ok().and_then(|path| RepoPath::new(path.as_str().strip_prefix(&self.prefix)?));
            committed.extend(path.filter(|path| wanted(path.as_str())).map(|path| (path, entry.blob)));
        }
        let size = committed.len().div_ceil(BLOCKS).max(1);
        let blocks = cores::map(committed.chunks(size).collect(), |block| -> Result<Vec<_>, GitError> {
            let mut others = Vec::new();
            for (path, blob) in block {
                if lying(&folder.join(path.as_str()), limit)?.as_ref() != Some(blob) {
                    others.push((path.clone(), Some(blob.clone())));
                }
            }
            Ok(others)
        });
        let mut found = Vec::new();
        for block in blocks {
            found.extend(block?);
        }
        let committed: BTreeSet<&RepoPath> = committed.iter().map(|(path, _)| path).collect();
        found.extend(standing.iter().filter(|path| !committed.contains(path)).map(|path| (path.clone(), None)));
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

/// Names the content of a file that lies in a working tree; what is longer is read nowhere, and so says nothing.
fn lying(file: &Path, limit: u64) -> Result<Option<BlobId>, GitError> {
    let length = fs::symlink_metadata(file).ok().filter(fs::Metadata::is_file).map(|data| data.len());
    let content = length.filter(|length| *length <= limit).and_then(|_| fs::read(file).ok());
    content.map(|content| objects::blob_id(&content)).transpose()
}
