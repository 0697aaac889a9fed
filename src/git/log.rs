//! History: the first-parent line of commits, as far as the objects at hand reach.
//!
//! Nothing is fetched: a shallow mirror tells as much as it holds.

use gix::bstr::ByteSlice as _;
use jiff::Timestamp;

use crate::git::GitError;
use crate::git::mirror::Mirror;
use crate::git::objects::{broken, commit_id, object_id};
use crate::model::commit::{CommitId, Identity};

/// One commit of a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// Its id.
    pub id: CommitId,
    /// Its first parent, also where that one is not at hand.
    pub parent: Option<CommitId>,
    /// Its author; bytes that are not UTF-8 are replaced.
    pub author: Identity,
    /// When it was committed.
    pub time: Timestamp,
    /// Its whole message; bytes that are not UTF-8 are replaced.
    pub message: String,
}

/// Follows first parents from a commit, which is the first entry, for at most `limit` entries.
///
/// # Errors
///
/// [`GitError::Broken`] when the first commit is not at hand, or one cannot be read.
pub fn first_parent(mirror: &Mirror, tip: &CommitId, limit: usize) -> Result<Vec<LogEntry>, GitError> {
    let repository = mirror.handle();
    let mut entries = Vec::new();
    let mut next = Some(object_id(tip.as_str())?);
    while let Some(id) = next.filter(|_| entries.len() < limit) {
        if !entries.is_empty() && !repository.has_object(id) {
            break;
        }
        let commit = repository.find_commit(id).map_err(broken)?;
        let author = commit.author().map_err(broken)?;
        let parent = commit.parent_ids().next().map(gix::Id::detach);
        let seconds = commit.time().map_err(broken)?.seconds;
        entries.push(LogEntry {
            id: commit_id(id),
            parent: parent.map(commit_id),
            author: Identity {
                name: author.name.to_str_lossy().into_owned(),
                email: author.email.to_str_lossy().into_owned(),
            },
            time: Timestamp::from_second(seconds).map_err(broken)?,
            message: commit.message_raw().map_err(broken)?.to_str_lossy().into_owned(),
        });
        next = parent;
    }
    Ok(entries)
}
