//! Something to read: the files of a folder or of a branch, and the history that led to them.

use std::path::Path;
use std::sync::Arc;

use crate::config::repository::Repository;
use crate::git::log::Line;
use crate::git::{BlobId, GitError, Remote};
use crate::model::commit::CommitId;
use crate::model::environment::BranchName;
use crate::observe::files::Files;
use crate::observe::history::{BranchPast, Past};
use crate::observe::tree::CommitFiles;
use crate::pass::{PassError, run, setup};

/// Files with their history.
pub struct Viewed {
    /// The files.
    pub files: Box<dyn Files>,
    /// The history that led to them; `None` where there is none.
    pub past: Option<Box<dyn Past>>,
    /// The commit that the files are of, unless they are a folder's.
    pub base: Option<CommitId>,
    branch: Option<(BranchName, Arc<CommitFiles>)>,
}

impl Viewed {
    /// Returns the branch that is viewed; `None` for a folder.
    pub fn branch(&self) -> Option<&BranchName> {
        self.branch.as_ref().map(|(branch, _)| branch)
    }

    /// Returns the configuration on the branch.
    ///
    /// # Errors
    ///
    /// [`PassError`] where there is none, or where it has faults.
    pub fn config(&self) -> Result<Repository, PassError> {
        match &self.branch {
            Some((branch, files)) => run::read_config(files, branch),
            None => Err(PassError::NotConfigured("the folder".to_owned())),
        }
    }
}

/// Views a folder, with the history of its checkout.
pub fn folder(folder: &Path) -> Viewed {
    Viewed { files: Box::new(setup::checkout(folder)), past: setup::past(folder), base: None, branch: None }
}

/// Fetches a branch, and views it.
///
/// # Errors
///
/// [`PassError::Git`] when it cannot be fetched.
pub fn branch(remote: Arc<dyn Remote>, branch: BranchName) -> Result<Viewed, PassError> {
    let tip = remote.fetch(&branch)?;
    let files = Arc::new(CommitFiles::new(Arc::clone(&remote), &tip)?);
    let past = RemotePast { remote, branch: branch.clone(), tip: tip.clone() };
    Ok(Viewed {
        files: Box::new(Arc::clone(&files)),
        past: Some(Box::new(past)),
        base: Some(tip),
        branch: Some((branch, files)),
    })
}

/// The history of a branch, with what it is asked through.
struct RemotePast {
    remote: Arc<dyn Remote>,
    branch: BranchName,
    tip: CommitId,
}

impl RemotePast {
    fn past(&self) -> BranchPast<'_> {
        BranchPast { remote: &*self.remote, branch: &self.branch, tip: &self.tip }
    }
}

impl Past for RemotePast {
    fn line(&self, limit: usize, wanted: &(dyn Fn(&str) -> bool + Sync)) -> Result<Line, GitError> {
        self.past().line(limit, wanted)
    }

    fn read(&self, blob: &BlobId, limit: u64) -> Result<Vec<u8>, GitError> {
        self.past().read(blob, limit)
    }
}
