//! Git: a bare shallow mirror, trees read and edited without a checkout, commits, pushes.
//!
//! The entry points are [`Remote`] and the [`mirror::Mirror`] behind it. The only place that starts the `git`
//! program is `program`. Absent: worktrees, merges, and any judgement of what is to be committed.

pub mod access;
mod beneath;
mod beside;
pub mod checkout;
mod dropped;
mod forced;
mod http;
pub mod identity;
pub mod local;
mod lock;
pub mod log;
pub mod mirror;
mod objects;
mod pack;
pub mod program;
mod push;
pub mod seed;
pub mod signing;
mod spent;
mod tidy;
mod timely;
mod transfer;
pub mod url;

use crate::git::log::{Line, LogEntry, LogStep};
use crate::model::change::FileEdit;
use crate::model::commit::{CommitId, CommitPlan, Sign};
use crate::model::environment::BranchName;
use crate::model::exchange::Ending;
use crate::model::file::RepoPath;
use crate::model::image::shorten;

/// A blob's id in hexadecimal digits; equal ids are equal contents.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlobId(pub String);

impl BlobId {
    /// Names a content as Git does.
    ///
    /// # Errors
    ///
    /// [`GitError::Broken`] when the bytes are an attack on the hash.
    pub fn of(content: &[u8]) -> Result<Self, GitError> {
        objects::blob_id(content)
    }
}

/// What kind of entry a tree holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A regular file that may be executed.
    Executable,
    /// A symbolic link; its blob is the target's path.
    Link,
    /// A submodule.
    Submodule,
}

/// One entry of a commit's tree, at any depth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeEntry {
    /// Its path, or the escaped text of one that is not UTF-8 or not plain.
    pub path: Result<RepoPath, String>,
    /// Its kind.
    pub kind: EntryKind,
    /// Its content's id; of a submodule, the commit's.
    pub blob: BlobId,
}

/// Why Git could not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GitError {
    /// The remote has no such branch.
    #[error("the remote has no branch `{branch}`{}", others(.branch, .there))]
    NoBranch {
        /// The branch that is missing.
        branch: BranchName,
        /// Those that are there.
        there: Vec<BranchName>,
    },
    /// The remote has no commit at all.
    #[error("the repository is empty: push a first commit")]
    EmptyRepository,
    /// The remote refused the credential, or wants one.
    #[error("the remote refused access: {0}")]
    Denied(String),
    /// The remote could not be reached, or broke off. Another try may help.
    #[error("the remote could not be reached: {0}")]
    Unreachable(String),
    /// What was read is longer than the limit.
    #[error("{what} has {size} bytes, more than the limit of {limit}")]
    TooLarge {
        /// What.
        what: String,
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// A commit that must be signed could not be; why, in words.
    #[error("{0}")]
    Unsigned(String),
    /// The repository on disk or the data that came is broken, or the `git` program is missing or too old.
    #[error("{0}")]
    Broken(String),
}

impl GitError {
    /// Returns how the exchange with the remote ended, for whoever counts.
    pub fn ending(&self) -> Ending {
        match self {
            // It was answered, and the answer is that.
            Self::NoBranch { .. } | Self::EmptyRepository => Ending::Ok,
            Self::Denied(_) => Ending::Refused,
            Self::Unreachable(_) => Ending::Unreachable,
            Self::TooLarge { .. } | Self::Unsigned(_) | Self::Broken(_) => Ending::Broken,
        }
    }
}

/// The tip of a head branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The tip.
    pub tip: CommitId,
    /// The commit with every file that it changes against its parent.
    pub step: LogStep,
    /// Whether its parent is a commit of the base branch's own line.
    pub on_base: bool,
    /// Whether the tip itself is one, or all that the branch changes has stood there since: then it brings nothing.
    pub is_empty: bool,
    /// What its commits say where they cancel out, so that it brings nothing any more; empty otherwise.
    pub undone: Vec<String>,
    /// What lies between the two where its parent is none.
    pub beneath: Beneath,
}

impl Head {
    /// Returns the commit below everything that the branch brings, by first parents; `None` where that lies deeper than was looked.
    pub fn fork(&self) -> Option<&CommitId> {
        let beneath = match &self.beneath {
            Beneath::Nothing => &[],
            Beneath::Commits(beneath) => beneath.as_slice(),
            Beneath::TooMany => return None,
        };
        let mut below = self.step.entry.parent.as_ref();
        while let Some(entry) = beneath.iter().find(|entry| Some(&entry.id) == below) {
            below = entry.parent.as_ref();
        }
        below
    }
}

/// The commits between the base and the one on top of a head branch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Beneath {
    /// Nothing that the base does not have, or did not have before somebody moved it by force.
    #[default]
    Nothing,
    /// These commits, which the base does not have.
    Commits(Vec<LogEntry>),
    /// More than are looked at.
    TooMany,
}

/// Returns the id that a blob of this content has.
///
/// # Errors
///
/// [`GitError::Broken`] never in practice: hashing fails only where an attack on SHA-1 is seen.
pub fn blob_id(content: &[u8]) -> Result<BlobId, GitError> {
    let id = gix::objs::compute_hash(gix::hash::Kind::Sha1, gix::objs::Kind::Blob, content);
    Ok(BlobId(id.map_err(objects::broken)?.to_string()))
}

/// How many branches a message names.
const NAMED: usize = 5;

/// Says which branch was probably meant, or which there are, where they are few.
fn others(branch: &BranchName, there: &[BranchName]) -> String {
    let distance = |other: &BranchName| strsim::damerau_levenshtein(branch.as_str(), other.as_str());
    let is_close = |other: &&BranchName| {
        let longest = branch.as_str().len().max(other.as_str().len());
        distance(other) <= (longest / 3).max(1) || other.as_str().eq_ignore_ascii_case(branch.as_str())
    };
    let quoted = |other: &BranchName| format!("`{}`", shorten(other.as_str()));
    match there.iter().filter(is_close).min_by_key(|other| distance(other)) {
        Some(close) => format!(": did you mean {}?", quoted(close)),
        None if (1..=NAMED).contains(&there.len()) => {
            format!(": it has {}", there.iter().map(quoted).collect::<Vec<_>>().join(", "))
        }
        None => String::new(),
    }
}

/// What became of a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pushed {
    /// The branch now holds the commit.
    Done,
    /// The branch moved meanwhile: fetch, plan again on the new base, try again.
    Moved,
    /// The remote forbids it (branch protection, a hook); its words, sanitised.
    Forbidden(String),
}

/// A repository to which commits are pushed. Calls block; run them where blocking is allowed.
pub trait Remote: Send + Sync {
    /// Brings the tip of a branch here and returns its commit.
    ///
    /// # Errors
    ///
    /// [`GitError`]; the mirror stays usable.
    fn fetch(&self, branch: &BranchName) -> Result<CommitId, GitError>;

    /// Asks once more where a branch stands, in the midst of changes that were planned on an earlier tip, and brings that here.
    ///
    /// # Errors
    ///
    /// [`GitError`] as for [`Remote::fetch`].
    fn tip(&self, branch: &BranchName) -> Result<CommitId, GitError> {
        self.fetch(branch)
    }

    /// Brings the tips of several branches here, in as few requests as it can, and returns the commit of each, or why not.
    fn fetch_all(&self, branches: &[BranchName]) -> Vec<Result<CommitId, GitError>> {
        branches.iter().map(|branch| self.fetch(branch)).collect()
    }

    /// Lists every entry of a fetched commit's tree, sorted by path, folders left out.
    ///
    /// # Errors
    ///
    /// [`GitError::Broken`] when the tree cannot be read.
    fn entries(&self, commit: &CommitId) -> Result<Vec<TreeEntry>, GitError>;

    /// Reads a blob of at most `limit` bytes. Called from several threads at once.
    ///
    /// # Errors
    ///
    /// [`GitError::TooLarge`] beyond the limit, else [`GitError::Broken`].
    fn read(&self, blob: &BlobId, limit: u64) -> Result<Vec<u8>, GitError>;

    /// Follows the first-parent line of a branch down from a commit that was fetched, for at most `limit` commits,
    /// and tells of each which of the wanted files it changed. What is not at hand is fetched.
    ///
    /// # Errors
    ///
    /// [`GitError`] as for fetching; a remote that has no more itself is no error but a short line.
    fn history(
        &self,
        branch: &BranchName,
        tip: &CommitId,
        limit: usize,
        wanted: &(dyn Fn(&str) -> bool + Sync),
    ) -> Result<Line, GitError>;

    /// Makes a commit on top of `base` in which the named files hold their new content, kinds unchanged. A file that
    /// was not there is made where its edit starts from nothing.
    ///
    /// The time is the moment of the pass, so that the same plan on the same base is the same commit, unless it is signed by a key
    /// whose signatures differ each time. What a forge shall sign is made without a signature here.
    ///
    /// # Errors
    ///
    /// [`GitError::Unsigned`] when it must be signed and cannot be;
    /// [`GitError::Broken`] when a file that is edited is not in the base's tree or is no regular file.
    fn commit(
        &self,
        base: &CommitId,
        files: &[FileEdit],
        plan: &CommitPlan,
        now: jiff::Timestamp,
    ) -> Result<CommitId, GitError>;

    /// Whether a commit that is at hand holds the very tree, every file, kind and submodule, that [`Remote::commit`] would
    /// make of these files on `base`. Writes nothing.
    ///
    /// # Errors
    ///
    /// [`GitError::Broken`] as for making the commit, or when one of the two cannot be read.
    fn holds_what_is_made(&self, commit: &CommitId, base: &CommitId, files: &[FileEdit]) -> Result<bool, GitError>;

    /// Returns the id of the tree of a commit that is at hand: the same for the same files, kinds and submodules.
    ///
    /// # Errors
    ///
    /// [`GitError::Broken`] when it cannot be read.
    fn tree(&self, commit: &CommitId) -> Result<String, GitError>;

    /// Returns the message of a commit, where that is at hand: what was pushed or looked at from here mostly is.
    ///
    /// # Errors
    ///
    /// [`GitError::Broken`] when it is at hand and cannot be read.
    fn message(&self, _commit: &CommitId) -> Result<Option<String>, GitError> {
        Ok(None)
    }

    /// Whether a commit that is at hand bears a signature, whoever's.
    ///
    /// # Errors
    ///
    /// [`GitError::Broken`] when it cannot be read.
    fn is_signed(&self, commit: &CommitId) -> Result<bool, GitError>;

    /// Whether a commit that is at hand bears a signature by one of the keys that [`Remote::commit`] signs with here.
    ///
    /// # Errors
    ///
    /// [`GitError`] when it cannot be read, or not be looked into.
    fn is_signed_here(&self, _commit: &CommitId) -> Result<bool, GitError> {
        Ok(false)
    }

    /// Whether [`Remote::commit`] can sign in some way; else what is missing, and what to do.
    ///
    /// # Errors
    ///
    /// The words for people.
    fn signs(&self, way: Sign) -> Result<(), String>;

    /// Lists the remote's branches whose names begin with `prefix`, with their tips.
    ///
    /// # Errors
    ///
    /// [`GitError`] as for fetching.
    fn heads(&self, prefix: &str) -> Result<Vec<(BranchName, CommitId)>, GitError>;

    /// Brings a head branch that was listed with `tip` here, and tells what its tip changes against its parent, and whether that parent is a commit
    /// of the base branch, which was fetched at `base`.
    ///
    /// # Errors
    ///
    /// [`GitError`] as for fetching.
    fn head(&self, name: &BranchName, tip: &CommitId, base: (&BranchName, &CommitId)) -> Result<Head, GitError>;

    /// Makes, moves or removes a head branch, if it still stands at `old`; `None` is no branch.
    ///
    /// # Errors
    ///
    /// [`GitError`] when it is not known whether the push arrived; a refusal is an outcome.
    fn push_head(
        &self,
        branch: &BranchName,
        old: Option<&CommitId>,
        new: Option<&CommitId>,
    ) -> Result<Pushed, GitError>;

    /// Moves a branch from `old` to `new`, if it still stands at `old`.
    ///
    /// # Errors
    ///
    /// [`GitError`] when it is not known whether the push arrived; a refusal is an outcome.
    fn push(&self, branch: &BranchName, old: &CommitId, new: &CommitId) -> Result<Pushed, GitError>;
}
