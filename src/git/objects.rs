//! Objects: trees listed, blobs read, commits made, all without a checkout.
//!
//! Everything here works on the repository at hand; nothing is asked of a remote.

use gix::ObjectId;
use gix::bstr::{BString, ByteSlice as _};
use gix::objs::tree::EntryKind as Mode;

use crate::git::{BlobId, EntryKind, GitError, TreeEntry, pack};
use crate::model::change::FileEdit;
use crate::model::commit::{CommitId, CommitPlan, Identity};
use crate::model::file::RepoPath;
use crate::model::image::shorten;

/// Most entries of one tree, at all depths: well above the largest monorepos, and an end to trees that
/// hold each other many times over.
const MAX_ENTRIES: usize = 2_000_000;

/// Bytes of trees kept while files are looked up; the trees of some ten thousand files.
const TREE_CACHE: usize = 4 << 20;

/// Longest path in bytes, which bounds the depth as well. Linux' `PATH_MAX`.
pub(super) const MAX_PATH: usize = 4096;

/// Says what is broken in the repository at hand.
pub(super) fn broken(what: impl std::fmt::Display) -> GitError {
    GitError::Broken(format!("the mirror cannot be read: {what}"))
}

/// Parses an id.
pub(super) fn object_id(hex: &str) -> Result<ObjectId, GitError> {
    ObjectId::from_hex(hex.as_bytes())
        .map_err(|fault| GitError::Broken(format!("`{}` is no object id: {fault}", shorten(hex))))
}

/// Writes a commit's id.
pub(super) fn commit_id(id: ObjectId) -> CommitId {
    CommitId(id.to_string().into())
}

pub(super) fn tree_id(repository: &gix::Repository, commit: &CommitId) -> Result<ObjectId, GitError> {
    let commit = repository.find_commit(object_id(commit.as_str())?).map_err(broken)?;
    Ok(commit.tree_id().map_err(broken)?.detach())
}

/// Lists every entry of a commit's tree but the folders, by path.
pub(super) fn entries(repository: &gix::Repository, commit: &CommitId) -> Result<Vec<TreeEntry>, GitError> {
    let mut found: Vec<(BString, TreeEntry)> = Vec::new();
    let mut waiting = vec![(BString::default(), tree_id(repository, commit)?)];
    let mut count = 0;
    while let Some((folder, id)) = waiting.pop() {
        let tree = repository.find_tree(id).map_err(broken)?;
        for entry in tree.iter() {
            let entry = entry.map_err(broken)?;
            count += 1;
            let mut path = folder.clone();
            path.extend_from_slice(entry.filename());
            if count > MAX_ENTRIES || path.len() > MAX_PATH {
                let most = format!("{MAX_ENTRIES} entries, {MAX_PATH} bytes of path");
                return Err(GitError::Broken(format!("the tree of {commit} is larger than is read: {most}")));
            }
            let kind = match entry.kind() {
                Mode::Tree => {
                    path.push(b'/');
                    waiting.push((path, entry.object_id()));
                    continue;
                }
                Mode::Blob => EntryKind::File,
                Mode::BlobExecutable => EntryKind::Executable,
                Mode::Link => EntryKind::Link,
                Mode::Commit => EntryKind::Submodule,
            };
            let blob = BlobId(entry.object_id().to_string());
            found.push((path.clone(), TreeEntry { path: plain_path(&path), kind, blob }));
        }
    }
    found.sort_unstable_by(|one, other| one.0.cmp(&other.0));
    Ok(found.into_iter().map(|(_, entry)| entry).collect())
}

/// Takes a path that is UTF-8, stays in the repository, and can be printed; else its escaped text.
pub(super) fn plain_path(path: &BString) -> Result<RepoPath, String> {
    let odd = || shorten(&path.to_str_lossy());
    let text = path.to_str().ok().ok_or_else(|| path.escape_ascii().to_string()).map_err(|text| shorten(&text))?;
    let is_git_folder = |part: &str| part.eq_ignore_ascii_case(".git");
    if text.chars().any(char::is_control) || text.split('/').any(is_git_folder) {
        return Err(odd());
    }
    RepoPath::new(text).ok_or_else(odd)
}

/// Names a content.
pub(super) fn blob_id(content: &[u8]) -> Result<BlobId, GitError> {
    let id = gix::objs::compute_hash(gix::hash::Kind::Sha1, gix::objs::Kind::Blob, content);
    id.map(|id| BlobId(id.to_string())).map_err(|fault| GitError::Broken(format!("a file cannot be hashed: {fault}")))
}

/// Reads a blob whose header says that it fits.
pub(super) fn read(repository: &gix::Repository, blob: &BlobId, limit: u64) -> Result<Vec<u8>, GitError> {
    let id = object_id(&blob.0)?;
    let size = repository.find_header(id).map_err(broken)?.size();
    if size > limit {
        return Err(GitError::TooLarge { what: format!("the blob {id}"), size, limit });
    }
    let mut blob = repository.find_blob(id).map_err(broken)?;
    Ok(blob.take_data())
}

/// Makes a commit in which the named files hold their new content.
pub(super) fn commit(
    repository: &gix::Repository,
    base: &CommitId,
    files: &[FileEdit],
    (plan, now): (&CommitPlan, jiff::Timestamp),
    sign: Signing<'_>,
) -> Result<CommitId, GitError> {
    let parent = object_id(base.as_str())?;
    let (staging, tree) = edited(repository, base, files)?;
    let people = (&plan.author, &plan.committer);
    let commit = write_commit(&staging, (tree, Some(parent)), people, &plan.message, now, sign)?;
    if let Some(written) = staging.objects.reset_object_memory() {
        pack::persist(repository, &written)?;
    }
    Ok(commit)
}

/// Returns the tree in which the named files hold their new content. Nothing of it is written to disk.
pub(super) fn edited_tree(
    repository: &gix::Repository,
    base: &CommitId,
    files: &[FileEdit],
) -> Result<ObjectId, GitError> {
    Ok(edited(repository, base, files)?.1)
}

/// Makes the tree in memory, and returns the repository that holds it there.
fn edited(
    repository: &gix::Repository,
    base: &CommitId,
    files: &[FileEdit],
) -> Result<(gix::Repository, ObjectId), GitError> {
    let mut staging = repository.clone().with_object_memory();
    // Trees on the way to a file are looked up once for each file.
    staging.object_cache_size_if_unset(TREE_CACHE);
    let tree_at_base = staging.find_tree(tree_id(&staging, base)?).map_err(broken)?;
    let mut editor = tree_at_base.edit().map_err(broken)?;
    for edit in files {
        let entry = tree_at_base.lookup_entry(edit.file.as_str().split('/')).map_err(broken)?;
        let Some(entry) = entry else {
            if !edit.before.is_empty() {
                return Err(GitError::Broken(format!("{} is not in {base}", edit.file)));
            }
            let mut folders = edit.file.as_str().match_indices('/').map(|(at, _)| &edit.file.as_str()[..at]);
            let in_the_way = |folder: &str| -> Result<bool, GitError> {
                let found = tree_at_base.lookup_entry(folder.split('/')).map_err(broken)?;
                Ok(found.is_some_and(|found| found.mode().kind() != Mode::Tree))
            };
            if folders.try_fold(false, |found, folder| Ok::<_, GitError>(found || in_the_way(folder)?))? {
                return Err(GitError::Broken(format!("{} lies below a file in {base}", edit.file)));
            }
            let blob = staging.write_blob(&edit.after).map_err(unwritable)?;
            editor.upsert(edit.file.as_str(), Mode::Blob, blob).map_err(broken)?;
            continue;
        };
        let kind = entry.mode().kind();
        if !matches!(kind, Mode::Blob | Mode::BlobExecutable) {
            return Err(GitError::Broken(format!("{} is no regular file in {base}", edit.file)));
        }
        let before = gix::objs::compute_hash(repository.object_hash(), gix::objs::Kind::Blob, &edit.before);
        if before.map_err(broken)? != entry.object_id() {
            return Err(GitError::Broken(format!("{} holds something else in {base} than was edited", edit.file)));
        }
        let blob = staging.write_blob(&edit.after).map_err(unwritable)?;
        editor.upsert(edit.file.as_str(), kind, blob).map_err(broken)?;
    }
    let tree = editor.write().map_err(unwritable)?.detach();
    drop(editor);
    drop(tree_at_base);
    Ok((staging, tree))
}

/// Returns the signature of a commit's bytes; `None` for a commit that bears none.
pub(super) type Signing<'a> = &'a dyn Fn(&[u8]) -> Result<Option<String>, GitError>;

/// Leaves a commit without a signature.
pub(super) fn unsigned(_: &[u8]) -> Result<Option<String>, GitError> {
    Ok(None)
}

/// Writes a commit object.
pub(super) fn write_commit(
    repository: &gix::Repository,
    (tree, parent): (ObjectId, Option<ObjectId>),
    (author, committer): (&Identity, &Identity),
    message: &str,
    now: jiff::Timestamp,
    sign: Signing<'_>,
) -> Result<CommitId, GitError> {
    let signature = |person: &Identity| gix::actor::Signature {
        name: person.name.as_str().into(),
        email: person.email.as_str().into(),
        // In UTC, so that the id does not depend on where this runs.
        time: gix::date::Time::new(now.as_second(), 0),
    };
    let mut commit = gix::objs::Commit {
        tree,
        parents: parent.into_iter().collect(),
        author: signature(author),
        committer: signature(committer),
        encoding: None,
        message: message.into(),
        extra_headers: Vec::new(),
    };
    let mut bytes = Vec::new();
    gix::objs::WriteTo::write_to(&commit, &mut bytes).map_err(unwritable)?;
    if let Some(signature) = sign(&bytes)? {
        commit.extra_headers.push(("gpgsig".into(), signature.into()));
    }
    Ok(commit_id(repository.write_object(commit).map_err(unwritable)?.detach()))
}

/// Whether a commit bears a signature.
pub(super) fn is_signed(repository: &gix::Repository, commit: &CommitId) -> Result<bool, GitError> {
    let commit = repository.find_commit(object_id(commit.as_str())?).map_err(broken)?;
    let commit = commit.decode().map_err(broken)?;
    Ok(commit.extra_headers().pgp_signature().is_some())
}

/// Returns the signature that a commit bears, and the bytes that it is of.
pub(super) fn signed(repository: &gix::Repository, commit: &CommitId) -> Result<Option<(String, Vec<u8>)>, GitError> {
    let commit = repository.find_commit(object_id(commit.as_str())?).map_err(broken)?;
    let parts = gix::objs::CommitRefIter::signature(&commit.data, repository.object_hash()).map_err(broken)?;
    Ok(parts.map(|(signature, payload)| (signature.to_str_lossy().into_owned(), payload.to_bstring().into())))
}

pub(super) fn unwritable(what: impl std::fmt::Display) -> GitError {
    GitError::Broken(format!("the mirror cannot be written: {what}"))
}
