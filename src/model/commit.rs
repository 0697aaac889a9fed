//! Commits as Tagboat makes them: ids, identities, messages and trailers.

use std::fmt;
use std::sync::Arc;

use crate::model::environment::{BranchName, EnvironmentName};
use crate::model::file::RepoPath;
use crate::model::template::Template;

/// A commit's id in hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CommitId(pub Arc<str>);

impl CommitId {
    /// Returns the id's digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the id of what is not committed yet: no digit but zero, as `git blame` writes it.
    pub fn of_none() -> Self {
        Self("0".repeat(40).into())
    }

    /// Whether it stands for what is not committed yet.
    pub fn is_none(&self) -> bool {
        self.0.bytes().all(|digit| digit == b'0')
    }

    /// Returns the first ten digits, for people.
    pub fn short(&self) -> &str {
        self.0.get(..10).unwrap_or(&self.0)
    }
}

impl fmt::Display for CommitId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

/// A name and an e-mail address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The name.
    pub name: String,
    /// The address.
    pub email: String,
}

impl Default for Identity {
    fn default() -> Self {
        Self { name: "Tagboat".to_owned(), email: "tagboat@localhost".to_owned() }
    }
}

/// The trailer that names the environment.
pub const TRAILER_ENVIRONMENT: &str = "Tagboat-Environment";
/// The trailer that names an image and its step, `repo old -> new@digest`; once for each image.
pub const TRAILER_IMAGE: &str = "Tagboat-Image";
/// The trailer that tells when an image's version was published, `repo time new@digest`; once for each image of which the
/// pass knew it anyway. A word stands between the two, as in every trailer that a forge may take for an issue's name.
pub const TRAILER_DATED: &str = "Tagboat-Dated";
/// The trailer that holds the hash of the change's content.
pub const TRAILER_KEY: &str = "Tagboat-Key";

/// The trailer of a commit that holds a version: `repo:tag in environment`; once for each.
pub const TRAILER_HOLD: &str = "Tagboat-Hold";
/// The trailer of a commit that releases a version, likewise.
pub const TRAILER_RELEASE: &str = "Tagboat-Release";

/// The trailer of a commit that a person ordered: the gates that it did not wait for, `soak, windows`.
pub const TRAILER_SKIP: &str = "Tagboat-Skip";
/// The trailer of a commit that a person ordered: who, as the command or the board knows them.
pub const TRAILER_BY: &str = "Tagboat-By";
/// The trailer of a commit that a person ordered: why.
pub const TRAILER_REASON: &str = "Tagboat-Reason";
/// The trailer of a commit that a person ordered: `rollback` or `promote`.
pub const TRAILER_ORDER: &str = "Tagboat-Order";
/// The trailer of a commit that a person ordered in a pull request which Tagboat merges by itself: `autoMerge`.
pub const TRAILER_PUBLISH: &str = "Tagboat-Publish";
/// The trailer of a return that nobody ordered: what failed.
pub const TRAILER_FAILED: &str = "Tagboat-Failed";

/// The trailer of a commit that a forge made: the tree that it must hold. By it Tagboat knows its own again, since a
/// forge puts other names to a commit than those that were asked for.
pub const TRAILER_TREE: &str = "Tagboat-Tree";

/// How commits are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// With the operator's SSH key, in this process.
    Ssh,
    /// With a key of the operator's, by the `gpg` program.
    Gpg,
    /// By the forge, which makes the commits.
    Forge,
}

impl Sign {
    /// Returns the word in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ssh => "ssh",
            Self::Gpg => "gpg",
            Self::Forge => "forge",
        }
    }
}

/// How commits look, from `commit:` of the configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommitStyle {
    /// The template of the message, where it is not the default one.
    pub message: Option<Template>,
    /// The author.
    pub author: Identity,
    /// The committer, where it is not the author.
    pub committer: Option<Identity>,
    /// Whether and how commits are signed.
    pub sign: Option<Sign>,
    /// Whether the committer's `Signed-off-by` is added.
    pub sign_off: bool,
    /// Further trailers.
    pub trailers: Vec<(String, String)>,
}

impl CommitStyle {
    /// Returns the committer.
    pub fn committer(&self) -> &Identity {
        self.committer.as_ref().unwrap_or(&self.author)
    }

    /// Returns the trailers that stand behind Tagboat's own, `Signed-off-by` last.
    pub fn further_trailers(&self) -> Vec<(String, String)> {
        let mut trailers = self.trailers.clone();
        if self.sign_off {
            let person = self.committer();
            let line = ("Signed-off-by".to_owned(), format!("{} <{}>", person.name, person.email));
            if !trailers.contains(&line) {
                trailers.push(line);
            }
        }
        trailers
    }
}

/// A commit to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitPlan {
    /// The environment it is for.
    pub environment: EnvironmentName,
    /// The whole message with its trailers.
    pub message: String,
    /// The author.
    pub author: Identity,
    /// The committer.
    pub committer: Identity,
    /// Whether and how it is signed.
    pub sign: Option<Sign>,
}

/// A file of a commit that a forge makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFile {
    /// Its path.
    pub path: RepoPath,
    /// Its new content.
    pub content: Vec<u8>,
    /// The id of the blob that it holds before; `None` for a file that is made.
    pub before: Option<String>,
    /// Whether it may be executed.
    pub is_executable: bool,
}

/// A commit that a forge is to make, alone on a branch of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCommit {
    /// The branch that holds it, which is not there yet.
    pub branch: BranchName,
    /// The branch whose tip is the parent.
    pub base: BranchName,
    /// The parent.
    pub parent: CommitId,
    /// The whole message with its trailers.
    pub message: String,
    /// The author, where the forge lets that be said.
    pub author: Identity,
    /// The committer, likewise.
    pub committer: Identity,
    /// The files.
    pub files: Vec<NewFile>,
}

/// What became of a commit that a forge was to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MadeCommit {
    /// It stands on its branch.
    Made(CommitId),
    /// The base branch moved meanwhile; the commit stands on another parent, or was not made.
    Moved,
    /// This forge cannot make such a commit; why, in words.
    Unfit(String),
}
