//! Something to read: the files of a folder or of a branch, and the history that led to them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::repository::Repository;
use crate::git::local::LocalHistory;
use crate::git::log::Line;
use crate::git::{BlobId, GitError, Head, Remote};
use crate::model::commit::CommitId;
use crate::model::environment::BranchName;
use crate::model::file::RepoPath;
use crate::observe::files::Files;
use crate::observe::history::{BranchPast, Past};
use crate::observe::tree::CommitFiles;
use crate::pass::hold::Awaited;
use crate::pass::propose::Publishing;
use crate::pass::{PassError, hold, run, setup};

/// Files with their history.
pub struct Viewed {
    /// The files.
    pub files: Box<dyn Files>,
    /// The history that led to them; `None` where there is none.
    pub past: Option<Box<dyn Past>>,
    /// The commit that the files are of, unless they are a folder's.
    pub base: Option<CommitId>,
    place: Place,
}

/// The branches beside the base on which environments live, or why they cannot be looked at.
pub type Branches = BTreeMap<BranchName, Result<Viewed, Unseen>>;

/// Why a branch cannot be looked at, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unseen {
    /// It is not at hand, and nobody was to fetch it.
    Absent(String),
    /// It could not be had.
    Failed(String),
}

/// Where something is viewed.
enum Place {
    Folder(PathBuf),
    Branch {
        remote: Arc<dyn Remote>,
        branch: BranchName,
        files: Arc<CommitFiles>,
    },
    /// A branch of the repository that a folder belongs to.
    Local,
}

impl Viewed {
    /// Returns the branch that is viewed; `None` for a folder.
    pub fn branch(&self) -> Option<&BranchName> {
        match &self.place {
            Place::Branch { branch, .. } => Some(branch),
            Place::Folder(_) | Place::Local => None,
        }
    }

    /// Returns the remote and the branch that is viewed; `None` for a folder.
    pub fn remote(&self) -> Option<(&Arc<dyn Remote>, &BranchName)> {
        match &self.place {
            Place::Branch { remote, branch, .. } => Some((remote, branch)),
            Place::Folder(_) | Place::Local => None,
        }
    }

    /// Returns the configuration on the branch.
    ///
    /// # Errors
    ///
    /// [`PassError`] where there is none, or where it has faults.
    pub fn config(&self) -> Result<Repository, PassError> {
        match &self.place {
            Place::Branch { branch, files, .. } => run::read_config(files, branch),
            Place::Folder(_) | Place::Local => Err(PassError::NotConfigured("the folder".to_owned())),
        }
    }

    /// Returns what is proposed to be held on a branch that is viewed; of a folder nobody knows.
    ///
    /// # Errors
    ///
    /// [`PassError`] where it is there and cannot be read.
    pub async fn awaited(&self, config: &Repository, publishing: &Publishing) -> Result<Awaited, PassError> {
        match (&self.place, &self.base) {
            (Place::Branch { remote, branch, .. }, Some(base)) => {
                hold::awaited(remote, publishing, config, (branch, base), None).await
            }
            _ => Ok(Awaited::default()),
        }
    }

    /// Views the branches on which environments of a configuration live, beside this one, which is taken for the base.
    pub fn branches(&self, config: &mut Repository) -> Branches {
        match &self.place {
            Place::Branch { remote, branch, .. } => {
                config.environments.settle_on(branch);
                branches(remote, config.environments.branches())
            }
            Place::Folder(folder) => local_branches(folder, config),
            Place::Local => Branches::new(),
        }
    }
}

/// Views a folder, with the history of its checkout.
pub fn folder(folder: &Path) -> Viewed {
    let place = Place::Folder(folder.to_owned());
    Viewed { files: Box::new(setup::checkout(folder)), past: setup::past(folder), base: None, place }
}

/// Fetches a branch, and views it.
///
/// # Errors
///
/// [`PassError::Git`] when it cannot be fetched.
pub fn branch(remote: Arc<dyn Remote>, branch: BranchName) -> Result<Viewed, PassError> {
    let tip = remote.fetch(&branch)?;
    Ok(at(remote, branch, tip)?)
}

/// Fetches several branches, and views each.
pub fn branches(remote: &Arc<dyn Remote>, names: BTreeSet<BranchName>) -> Branches {
    let names: Vec<BranchName> = names.into_iter().collect();
    if names.is_empty() {
        return Branches::new();
    }
    let tips = remote.fetch_all(&names);
    let viewed = |(name, tip): (BranchName, Result<CommitId, GitError>)| {
        let viewed = tip.and_then(|tip| at(Arc::clone(remote), name.clone(), tip));
        (name, viewed.map_err(|error| Unseen::Failed(error.to_string())))
    };
    names.into_iter().zip(tips).map(viewed).collect()
}

fn at(remote: Arc<dyn Remote>, branch: BranchName, tip: CommitId) -> Result<Viewed, GitError> {
    let files = Arc::new(CommitFiles::new(Arc::clone(&remote), &tip)?);
    let past = RemotePast { remote: Arc::clone(&remote), branch: branch.clone(), tip: tip.clone() };
    Ok(Viewed {
        files: Box::new(Arc::clone(&files)),
        past: Some(Box::new(past)),
        base: Some(tip),
        place: Place::Branch { remote, branch, files },
    })
}

/// Takes the environments on the branch that is checked out in a folder for those of its working tree.
pub fn settle_on_checkout(folder: &Path, config: &mut Repository) {
    if config.environments.branches().is_empty() {
        return;
    }
    if let Some(branch) = LocalHistory::open(folder).as_ref().ok().and_then(LocalHistory::branch) {
        config.environments.settle_on(branch);
    }
}

/// Views the branches that a folder's repository has at hand; nothing is fetched.
fn local_branches(folder: &Path, config: &mut Repository) -> Branches {
    settle_on_checkout(folder, config);
    if config.environments.branches().is_empty() {
        return Branches::new();
    }
    let history = LocalHistory::open(folder);
    let view = |name: &BranchName| -> Result<Viewed, Unseen> {
        let history = history.as_ref().map_err(|error| Unseen::Absent(error.to_string()))?;
        let missing = |error: GitError| match error {
            GitError::NoBranch { .. } => Unseen::Absent(format!(
                "this checkout does not have it: `git fetch origin {name}:refs/remotes/origin/{name}` brings it, and `run` looks at the remote"
            )),
            other => Unseen::Failed(other.to_string()),
        };
        let own = Arc::new(history.of_branch(name).map_err(missing)?);
        let files = CommitFiles::local(Arc::clone(&own)).map_err(missing)?;
        let base = Some(own.head().clone());
        Ok(Viewed { files: Box::new(files), past: Some(Box::new(own)), base, place: Place::Local })
    };
    config.environments.branches().into_iter().map(|name| (name.clone(), view(&name))).collect()
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
    fn message(&self, commit: &CommitId) -> Option<String> {
        self.past().message(commit)
    }

    fn file(&self, commit: &CommitId, path: &RepoPath, limit: u64) -> Result<Option<Vec<u8>>, GitError> {
        self.past().file(commit, path, limit)
    }

    fn heads(&self, is_meant: &dyn Fn(&BranchName) -> bool) -> Result<Vec<(BranchName, Head)>, GitError> {
        self.past().heads(is_meant)
    }

    fn changed(&self, head: &Head) -> Result<BTreeSet<RepoPath>, GitError> {
        self.past().changed(head)
    }

    fn line(&self, limit: usize, wanted: &(dyn Fn(&str) -> bool + Sync)) -> Result<Line, GitError> {
        self.past().line(limit, wanted)
    }

    fn read(&self, blob: &BlobId, limit: u64) -> Result<Vec<u8>, GitError> {
        self.past().read(blob, limit)
    }
}

impl<T: Past + ?Sized> Past for Arc<T> {
    fn message(&self, commit: &CommitId) -> Option<String> {
        (**self).message(commit)
    }

    fn file(&self, commit: &CommitId, path: &RepoPath, limit: u64) -> Result<Option<Vec<u8>>, GitError> {
        (**self).file(commit, path, limit)
    }

    fn heads(&self, is_meant: &dyn Fn(&BranchName) -> bool) -> Result<Vec<(BranchName, Head)>, GitError> {
        (**self).heads(is_meant)
    }

    fn changed(&self, head: &Head) -> Result<BTreeSet<RepoPath>, GitError> {
        (**self).changed(head)
    }

    fn line(&self, limit: usize, wanted: &(dyn Fn(&str) -> bool + Sync)) -> Result<Line, GitError> {
        (**self).line(limit, wanted)
    }

    fn read(&self, blob: &BlobId, limit: u64) -> Result<Vec<u8>, GitError> {
        (**self).read(blob, limit)
    }
}
