//! Making commits: in the mirror, signed with the operator's keys, or on the forge, which signs them itself.
//!
//! Entry points: [`Maker::on_head`] and [`Maker::on_base`]. What a forge made is believed only after it was fetched: its
//! parent, its tree and its signature are looked at before any branch that matters is moved to it.

use std::sync::Arc;

use jiff::Timestamp;

use crate::forge::{Forge, ForgeError};
use crate::git::{EntryKind, GitError, Pushed, Remote};
use crate::model::commit::{CommitId, MadeCommit, NewCommit, NewFile, Sign, TRAILER_TREE};
use crate::model::environment::BranchName;
use crate::publish::plan::PlannedCommit;

/// What the part of a branch's name behind the prefix begins with where a commit is only made there: no environment's
/// name begins so.
pub const ASIDE: char = '+';

/// Why a commit could not be made, or not be brought to its branch.
#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    /// Git could not do it.
    #[error(transparent)]
    Git(#[from] GitError),
    /// The forge could not do it.
    #[error(transparent)]
    Forge(#[from] ForgeError),
    /// The remote forbids it.
    #[error("the remote refuses the push: {0}")]
    Forbidden(String),
    /// The branch stands elsewhere by now.
    #[error("{0} moved meanwhile: the next pass looks again")]
    Moved(BranchName),
    /// It must be signed and cannot be.
    #[error("{0}")]
    Unsigned(String),
}

/// A commit that stands on its branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// The commit.
    pub commit: CommitId,
    /// Why it is signed in another way than was asked for, where it is.
    pub fallback: Option<String>,
}

/// Where commits are made.
pub struct Maker<'a> {
    /// The repository.
    pub remote: Arc<dyn Remote>,
    /// Its forge.
    pub forge: &'a dyn Forge,
    /// The base branch.
    pub branch: &'a BranchName,
    /// What the names of Tagboat's branches begin with.
    pub prefix: &'a str,
    /// The moment of the pass.
    pub now: Timestamp,
}

/// Whether commits can be signed in some way here; else what is missing, and what to do.
///
/// # Errors
///
/// The words for people.
pub fn can_sign(remote: &dyn Remote, forge: &dyn Forge, way: Option<Sign>) -> Result<(), String> {
    match way {
        None => Ok(()),
        Some(Sign::Forge) => forge.signs(),
        Some(way) => remote.signs(way),
    }
}

/// Returns the way to sign where a forge was to, and none is asked.
pub(super) fn by_key(remote: &dyn Remote) -> Result<Sign, GitError> {
    let way = [Sign::Ssh, Sign::Gpg].into_iter().find(|way| remote.signs(*way).is_ok());
    way.ok_or_else(|| {
        let reason = "`commit.sign: forge` is for pull requests and passes; what is pushed by Git alone needs a key in `signing` \
                      of the service configuration";
        GitError::Unsigned(reason.to_owned())
    })
}

/// Whether a branch only serves to make a commit.
pub fn is_aside(branch: &BranchName, prefix: &str) -> bool {
    branch.as_str().strip_prefix(prefix).is_some_and(|rest| rest.starts_with(ASIDE))
}

impl Maker<'_> {
    /// Moves a head branch from where it stood to a commit on top of `base`.
    ///
    /// # Errors
    ///
    /// [`MakeError`]; the head branch stands where it stood, unless the answer to the push was lost.
    pub async fn on_head(
        &self,
        base: &CommitId,
        head: &BranchName,
        expected: Option<&CommitId>,
        commit: &PlannedCommit,
    ) -> Result<Made, MakeError> {
        if !self.is_left_to_forge(commit) {
            let made = self.locally(base, commit).await?;
            self.push_head(head, expected, Some(&made)).await?;
            return Ok(Made { commit: made, fallback: None });
        }
        // A new branch is made in its place; one that stands is moved in one step to what was made aside, since a forge
        // closes a pull request whose branch comes to stand at its base even for a moment.
        let aside = match expected {
            None => head.clone(),
            Some(_) => self.aside(head.as_str().strip_prefix(self.prefix).unwrap_or(head.as_str())).await?,
        };
        match self.by_forge(base, &aside, commit).await? {
            Ok(made) => {
                if let Some(expected) = expected {
                    let moved = self.push_head(head, Some(expected), Some(&made)).await;
                    self.clear(&aside, &made).await;
                    moved?;
                }
                Ok(Made { commit: made, fallback: None })
            }
            Err(reason) => {
                let (made, fallback) = self.instead(base, commit, &reason).await?;
                self.push_head(head, expected, Some(&made)).await?;
                Ok(Made { commit: made, fallback: Some(fallback) })
            }
        }
    }

    /// Makes a commit on top of `base` that the base branch may be moved to, and hands it to `push`.
    ///
    /// # Errors
    ///
    /// [`MakeError`]; the base branch stands where it stood, unless the answer to the push was lost.
    pub async fn on_base(&self, base: &CommitId, commit: &PlannedCommit) -> Result<Made, MakeError> {
        if !self.is_left_to_forge(commit) {
            let made = self.locally(base, commit).await?;
            self.push(base, &made).await?;
            return Ok(Made { commit: made, fallback: None });
        }
        // What is of every environment has a name that no branch can have.
        let aside = self.aside(&commit.plan.environment.as_str().replace('*', "@")).await?;
        match self.by_forge(base, &aside, commit).await? {
            Ok(made) => {
                let moved = self.push(base, &made).await;
                self.clear(&aside, &made).await;
                moved?;
                Ok(Made { commit: made, fallback: None })
            }
            Err(reason) => {
                let (made, fallback) = self.instead(base, commit, &reason).await?;
                self.push(base, &made).await?;
                Ok(Made { commit: made, fallback: Some(fallback) })
            }
        }
    }

    /// Whether the forge is to make a commit, since it is to sign it; where it signs none, a key of the operator's does.
    fn is_left_to_forge(&self, commit: &PlannedCommit) -> bool {
        commit.plan.sign == Some(Sign::Forge) && self.forge.signs().is_ok()
    }

    /// Has the forge make a commit on a branch of its own, and looks at it; `Err` inside says why the forge cannot.
    async fn by_forge(
        &self,
        base: &CommitId,
        branch: &BranchName,
        commit: &PlannedCommit,
    ) -> Result<Result<CommitId, String>, MakeError> {
        let (remote, at, planned) = (Arc::clone(&self.remote), base.clone(), commit.clone());
        let now = self.now;
        let (tree, files) = blocking(move || {
            let made = remote.commit(&at, &planned.files, &planned.plan, now)?;
            Ok((remote.tree(&made)?, files(&*remote, &at, &planned)?))
        })
        .await?;
        let new = NewCommit {
            branch: branch.clone(),
            base: self.branch.clone(),
            parent: base.clone(),
            message: format!("{}{TRAILER_TREE}: {tree}\n", commit.plan.message),
            author: commit.plan.author.clone(),
            committer: commit.plan.committer.clone(),
            files,
        };
        let id = match self.forge.make(&new).await? {
            MadeCommit::Made(id) => id,
            MadeCommit::Moved => {
                self.clear_whatever(branch).await;
                return Err(MakeError::Moved(self.branch.clone()));
            }
            MadeCommit::Unfit(reason) => return Ok(Err(reason)),
        };
        let (remote, name, onto) = (Arc::clone(&self.remote), branch.clone(), (self.branch.clone(), base.clone()));
        let wanted = id.clone();
        let fault = blocking(move || {
            let head = remote.head(&name, &wanted, (&onto.0, &onto.1))?;
            let is_it =
                head.tip == wanted && !head.step.entry.is_merge && head.step.entry.parent.as_ref() == Some(&onto.1);
            Ok(if !is_it || remote.tree(&head.tip)? != tree {
                Some("the forge made something else than it was asked for")
            } else if !remote.is_signed(&head.tip)? {
                Some("the forge does not sign the commits that it makes")
            } else {
                None
            })
        })
        .await?;
        match fault {
            None => Ok(Ok(id)),
            Some(fault) => {
                self.clear(branch, &id).await;
                Ok(Err(fault.to_owned()))
            }
        }
    }

    /// Makes a commit with one of the operator's keys, since the forge cannot; never without a signature.
    async fn instead(
        &self,
        base: &CommitId,
        commit: &PlannedCommit,
        reason: &str,
    ) -> Result<(CommitId, String), MakeError> {
        let Some(way) = [Sign::Ssh, Sign::Gpg].into_iter().find(|way| self.remote.signs(*way).is_ok()) else {
            return Err(MakeError::Unsigned(format!(
                "{reason}: the operator can name a key in `signing` of the service configuration to sign with instead"
            )));
        };
        let mut keyed = commit.clone();
        keyed.plan.sign = Some(way);
        let made = self.locally(base, &keyed).await?;
        let fallback = format!("signed with the operator's {} key: {reason}", way.as_str());
        tracing::warn!(commit = %made, "{fallback}");
        Ok((made, fallback))
    }

    async fn locally(&self, base: &CommitId, commit: &PlannedCommit) -> Result<CommitId, GitError> {
        let (remote, base, mut commit, now) = (Arc::clone(&self.remote), base.clone(), commit.clone(), self.now);
        blocking(move || {
            if commit.plan.sign == Some(Sign::Forge) {
                commit.plan.sign = Some(by_key(&*remote)?);
            }
            if let Some(way) = commit.plan.sign {
                remote.signs(way).map_err(GitError::Unsigned)?;
            }
            remote.commit(&base, &commit.files, &commit.plan, now)
        })
        .await
    }

    /// Returns the branch on which something is made aside, and removes what a pass that was killed left there.
    async fn aside(&self, name: &str) -> Result<BranchName, MakeError> {
        let branch = BranchName::from(format!("{}{ASIDE}{name}", self.prefix).as_str());
        let (remote, listed) = (Arc::clone(&self.remote), branch.clone());
        let left = blocking(move || remote.heads(listed.as_str())).await?;
        if let Some((_, tip)) = left.iter().find(|(name, _)| *name == branch) {
            self.push_head(&branch, Some(tip), None).await?;
        }
        Ok(branch)
    }

    /// Removes a branch on which something was made aside. What stays is removed by a later pass.
    async fn clear(&self, branch: &BranchName, at: &CommitId) {
        if let Err(error) = self.push_head(branch, Some(at), None).await {
            tracing::warn!(%branch, %error, "a branch that only served to make a commit is left for the next pass");
        }
    }

    async fn clear_whatever(&self, branch: &BranchName) {
        let (remote, listed) = (Arc::clone(&self.remote), branch.clone());
        let left = blocking(move || remote.heads(listed.as_str())).await.unwrap_or_default();
        if let Some((_, tip)) = left.into_iter().find(|(name, _)| name == branch) {
            self.clear(branch, &tip).await;
        }
    }

    async fn push(&self, old: &CommitId, new: &CommitId) -> Result<(), MakeError> {
        let (remote, branch, old, new) = (Arc::clone(&self.remote), self.branch.clone(), old.clone(), new.clone());
        judged(blocking(move || remote.push(&branch, &old, &new)).await?, self.branch)
    }

    /// Makes, moves or removes a head branch, if it stands where it was seen.
    ///
    /// # Errors
    ///
    /// [`MakeError`] where it stands elsewhere, or may not be moved.
    pub async fn push_head(
        &self,
        head: &BranchName,
        old: Option<&CommitId>,
        new: Option<&CommitId>,
    ) -> Result<(), MakeError> {
        let (remote, name, old, new) = (Arc::clone(&self.remote), head.clone(), old.cloned(), new.cloned());
        judged(blocking(move || remote.push_head(&name, old.as_ref(), new.as_ref())).await?, head)
    }
}

fn judged(pushed: Pushed, branch: &BranchName) -> Result<(), MakeError> {
    match pushed {
        Pushed::Done => Ok(()),
        Pushed::Moved => Err(MakeError::Moved(branch.clone())),
        Pushed::Forbidden(words) => Err(MakeError::Forbidden(words)),
    }
}

/// Tells a forge the files of a commit.
fn files(remote: &dyn Remote, base: &CommitId, commit: &PlannedCommit) -> Result<Vec<NewFile>, GitError> {
    let entries = remote.entries(base)?;
    let file = |edit: &crate::model::change::FileEdit| {
        let entry = entries.iter().find(|entry| entry.path.as_ref() == Ok(&edit.file));
        NewFile {
            path: edit.file.clone(),
            content: edit.after.clone(),
            before: entry.map(|entry| entry.blob.0.clone()),
            is_executable: entry.is_some_and(|entry| entry.kind == EntryKind::Executable),
        }
    };
    Ok(commit.files.iter().map(file).collect())
}

/// Runs blocking work; a panic in it goes on here.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, GitError> + Send + 'static,
) -> Result<T, GitError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(failed) => match failed.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_cancelled) => Err(GitError::Broken("the work was cut short by the program's end".to_owned())),
        },
    }
}
