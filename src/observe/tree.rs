//! The files of a commit, read from the mirror without any checkout.

use std::collections::HashMap;
use std::sync::Arc;

use crate::git::local::LocalHistory;
use crate::git::{BlobId, EntryKind, GitError, Remote, TreeEntry};
use crate::model::commit::CommitId;
use crate::model::file::RepoPath;
use crate::model::site::{PassedOver, PassedOverReason};
use crate::observe::files::{Files, Listing};

/// The longest target of a symbolic link that is looked at, in bytes.
const MAX_LINK: u64 = 4096;

/// Reads a blob of at most so many bytes.
type ReadBlob = dyn Fn(&BlobId, u64) -> Result<Vec<u8>, GitError> + Send + Sync;

/// The files of one commit.
pub struct CommitFiles {
    read: Box<ReadBlob>,
    blobs: HashMap<RepoPath, BlobId>,
    links: Vec<RepoPath>,
    listing: Listing,
}

impl CommitFiles {
    /// Lists a fetched commit's tree.
    ///
    /// # Errors
    ///
    /// [`GitError`] when the tree cannot be read.
    pub fn new(remote: Arc<dyn Remote>, commit: &CommitId) -> Result<Self, GitError> {
        let entries = remote.entries(commit)?;
        Ok(Self::of(entries, Box::new(move |blob, limit| remote.read(blob, limit))))
    }

    /// Lists the tree of a branch of a checkout, as seen from its folder.
    ///
    /// # Errors
    ///
    /// [`GitError`] when the tree cannot be read.
    pub fn local(history: Arc<LocalHistory>) -> Result<Self, GitError> {
        let entries = history.entries()?;
        Ok(Self::of(entries, Box::new(move |blob, limit| history.read(blob, limit))))
    }

    fn of(entries: Vec<TreeEntry>, read: Box<ReadBlob>) -> Self {
        let mut blobs = HashMap::new();
        let mut listing = Listing::default();
        let mut links = Vec::new();
        for entry in entries {
            let path = match entry.path {
                Ok(path) => path,
                Err(file) => {
                    let reason = PassedOverReason::Unreadable("its name is not UTF-8 or not plain".to_owned());
                    listing.passed_over.push(PassedOver { file, reason });
                    continue;
                }
            };
            match entry.kind {
                EntryKind::File | EntryKind::Executable => {
                    blobs.insert(path.clone(), entry.blob);
                    listing.files.push(path);
                }
                EntryKind::Link => links.push((path, entry.blob)),
                EntryKind::Submodule => {
                    let file = path.as_str().to_owned();
                    listing.passed_over.push(PassedOver { file, reason: PassedOverReason::Submodule });
                }
            }
        }
        for (path, blob) in &links {
            let reason = judge_link(path, read(blob, MAX_LINK), &listing.files);
            let reason = reason.map_or(PassedOverReason::LinkWithin, PassedOverReason::Link);
            listing.passed_over.push(PassedOver { file: path.as_str().to_owned(), reason });
        }
        listing.files.sort_unstable();
        listing.passed_over.sort_by(|one, other| one.file.cmp(&other.file));
        let links = links.into_iter().map(|(path, _)| path).collect();
        Self { read, blobs, links, listing }
    }
}

/// Returns why a link's target is not among the files, or `None` when it is found at its own place.
fn judge_link(path: &RepoPath, target: Result<Vec<u8>, GitError>, files: &[RepoPath]) -> Option<String> {
    let target = match target {
        Ok(target) => String::from_utf8_lossy(&target).into_owned(),
        Err(error) => return Some(format!("a symbolic link that cannot be read: {error}")),
    };
    let mut parts: Vec<&str> = path.folder().split('/').filter(|part| !part.is_empty()).collect();
    if target.starts_with('/') {
        return Some("a symbolic link out of the repository".to_owned());
    }
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.pop().is_none() => return Some("a symbolic link out of the repository".to_owned()),
            ".." => {}
            name => parts.push(name),
        }
    }
    let resolved = parts.join("/");
    let below = format!("{resolved}/");
    let there =
        resolved.is_empty() || files.iter().any(|file| file.as_str() == resolved || file.as_str().starts_with(&below));
    (!there).then(|| "a symbolic link that leads to no file of the repository".to_owned())
}

impl Files for CommitFiles {
    fn list(&self) -> Result<Listing, String> {
        Ok(self.listing.clone())
    }

    fn content(&self, path: &RepoPath) -> Option<&BlobId> {
        self.blobs.get(path)
    }

    fn read(&self, path: &RepoPath, limit: u64) -> Result<Vec<u8>, PassedOverReason> {
        let Some(blob) = self.blobs.get(path) else {
            return Err(PassedOverReason::Unreadable("it is not in the commit".to_owned()));
        };
        (self.read)(blob, limit).map_err(|error| match error {
            GitError::TooLarge { size, limit, .. } => PassedOverReason::TooLarge { size, limit },
            other => PassedOverReason::Unreadable(other.to_string()),
        })
    }

    fn read_if_there(&self, path: &RepoPath, limit: u64) -> Result<Option<Vec<u8>>, PassedOverReason> {
        // A link, also in the place of one of its folders, stands for something that is not looked at.
        let is_link = |link: &RepoPath| {
            path.as_str().strip_prefix(link.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if self.links.iter().any(is_link) {
            return Err(PassedOverReason::Link("a symbolic link".to_owned()));
        }
        if self.blobs.contains_key(path) { self.read(path, limit).map(Some) } else { Ok(None) }
    }
}
