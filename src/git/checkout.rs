//! Checkouts: what remote and which branch a person's working tree belongs to, read without touching it.
//!
//! The entry point is [`Checkout::discover`]. Files of the working tree are none of this module's business.

use std::path::{Path, PathBuf};

use gix::bstr::ByteSlice as _;
use gix::head::Kind as Head;

use crate::git::url::{RemoteUrl, UrlError};
use crate::model::environment::BranchName;
use crate::model::image::shorten;

/// A working tree, its remote and its branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkout {
    /// The root of the working tree.
    pub root: PathBuf,
    /// The remote `origin`; a password in its URL is dropped, a relative path resolved against the root.
    pub origin: RemoteUrl,
    /// The branch that is checked out.
    pub branch: BranchName,
}

/// Why a folder is no checkout to work on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckoutError {
    /// Neither the folder nor one above it is a repository.
    #[error("{} is in no Git repository: name the folder of a checkout, or give a command that has it --repo URL", .0.display())]
    NotARepository(PathBuf),
    /// The repository cannot be read; the reason in words.
    #[error("the Git repository at {} cannot be read: {reason}", .folder.display())]
    Unreadable {
        /// The folder that was asked for.
        folder: PathBuf,
        /// Why.
        reason: String,
    },
    /// There is no working tree.
    #[error("{} is a bare repository: use --repo with its path", .0.display())]
    Bare(PathBuf),
    /// There is no remote of that name.
    #[error("{} has no remote `origin`: add one, or give a command that has it --repo URL", .0.display())]
    NoOrigin(PathBuf),
    /// The remote's URL is unusable.
    #[error("the remote `origin` of {}: {reason}", .root.display())]
    Origin {
        /// The root.
        root: PathBuf,
        /// Why.
        reason: UrlError,
    },
    /// No branch is checked out.
    #[error("{} has a commit checked out, no branch: say which one with --branch", .0.display())]
    Detached(PathBuf),
    /// The branch has no commit yet.
    #[error("the branch `{branch}` of {} has no commit yet: commit and push one first", .root.display())]
    Unborn {
        /// The root.
        root: PathBuf,
        /// The branch.
        branch: String,
    },
}

impl Checkout {
    /// Finds the checkout that a folder belongs to.
    ///
    /// # Errors
    ///
    /// [`CheckoutError`], each with what to do.
    pub fn discover(dir: &Path) -> Result<Self, CheckoutError> {
        let (root, origin, repository) = Self::open(dir)?;
        let unreadable = |fault: gix::Error| unreadable(dir, &fault);
        let branch = match repository.head().map_err(unreadable)?.kind {
            Head::Symbolic(reference) => reference.name,
            Head::Unborn(name) => {
                return Err(CheckoutError::Unborn { root, branch: shorten(&name.shorten().to_str_lossy()) });
            }
            Head::Detached { .. } => return Err(CheckoutError::Detached(root)),
        };
        let short = branch.shorten().to_str().ok().map(BranchName::from);
        let branch = short.ok_or_else(|| CheckoutError::Detached(root.clone()))?;
        Ok(Self { root, origin, branch })
    }

    /// Finds the root and the remote alone, for when the branch is named otherwise.
    ///
    /// # Errors
    ///
    /// [`CheckoutError`], but for those about branches.
    pub fn discover_origin(dir: &Path) -> Result<(PathBuf, RemoteUrl), CheckoutError> {
        Self::open(dir).map(|(root, origin, _)| (root, origin))
    }

    fn open(dir: &Path) -> Result<(PathBuf, RemoteUrl, gix::Repository), CheckoutError> {
        let repository = discover(dir)?;
        let Some(root) = repository.workdir() else {
            return Err(CheckoutError::Bare(dir.to_owned()));
        };
        let root = std::path::absolute(root)
            .map_err(|fault| CheckoutError::Unreadable { folder: dir.to_owned(), reason: fault.to_string() })?;
        let Some(url) = repository.config_snapshot().plumbing().string("remote.origin.url") else {
            return Err(CheckoutError::NoOrigin(root));
        };
        let url = url.to_str_lossy();
        let origin = RemoteUrl::without_password(&url)
            .map_err(|reason| CheckoutError::Origin { root: root.clone(), reason })?
            .resolved_against(&root);
        Ok((root, origin, repository))
    }
}

/// Opens the repository that a folder belongs to, without its configuration deciding anything.
pub(super) fn discover(dir: &Path) -> Result<gix::Repository, CheckoutError> {
    // The configuration is only read, for one URL that is checked: whoever owns the folder may write it.
    // CI systems mount checkouts that belong to other users.
    let options = gix::open::Options::isolated().bail_if_untrusted(false);
    let by_trust = gix::sec::trust::Mapping { full: options.clone(), reduced: options };
    let upwards = gix::discover::upwards::Options::default();
    match gix::ThreadSafeRepository::discover_opts(dir, upwards, by_trust) {
        Ok(repository) => Ok(repository.to_thread_local()),
        Err(fault) => Err(match gix::discover::upwards(dir) {
            Ok(_) => unreadable(dir, &fault),
            Err(_) => CheckoutError::NotARepository(dir.to_owned()),
        }),
    }
}

fn unreadable(dir: &Path, fault: &gix::Error) -> CheckoutError {
    CheckoutError::Unreadable { folder: dir.to_owned(), reason: shorten(&fault.probable_cause().to_string()) }
}
