//! New repositories: a bare one with a first commit, for the demonstration.

use std::path::Path;

use gix::objs::tree::EntryKind as Mode;
use gix::refs::transaction::{PreviousValue, RefEdit};

use crate::git::GitError;
use crate::git::objects::{object_id, unsigned, unwritable, write_commit};
use crate::model::commit::{CommitId, Identity};
use crate::model::environment::BranchName;
use crate::model::file::RepoPath;

/// Makes a bare repository in a folder that is empty or missing, with one commit of regular files.
///
/// # Errors
///
/// [`GitError::Broken`] when the folder cannot be used, or a name is none.
pub fn bare_repository(
    folder: &Path,
    branch: &BranchName,
    files: &[(RepoPath, Vec<u8>)],
    author: &Identity,
    now: jiff::Timestamp,
    message: &str,
) -> Result<CommitId, GitError> {
    let repository = gix::ThreadSafeRepository::init_opts(
        folder,
        gix::create::Kind::Bare,
        gix::create::Options::default(),
        gix::open::Options::isolated(),
    )
    .map_err(unwritable)?
    .to_thread_local();
    let mut editor = repository.empty_tree().edit().map_err(unwritable)?;
    for (path, content) in files {
        let blob = repository.write_blob(content).map_err(unwritable)?;
        editor.upsert(path.as_str(), Mode::Blob, blob).map_err(unwritable)?;
    }
    let tree = editor.write().map_err(unwritable)?.detach();
    let commit = write_commit(&repository, (tree, None), (author, author), message, now, &unsigned)?;

    let name = format!("refs/heads/{branch}");
    let tip = object_id(commit.as_str())?;
    repository.reference(name.as_str(), tip, PreviousValue::MustNotExist, "").map_err(unwritable)?;
    let branch_name: gix::refs::FullName = name.as_str().try_into().map_err(unwritable)?;
    let head: gix::refs::FullName = "HEAD".try_into().map_err(unwritable)?;
    repository.edit_reference(RefEdit::update(head, branch_name, PreviousValue::Any, "")).map_err(unwritable)?;
    Ok(commit)
}
