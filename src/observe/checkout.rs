//! The files of a working tree: what lies in a folder, tracked or not, less what `.gitignore` names.
//!
//! Symbolic links are not followed: what they point to within the folder is found at its own place.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use ignore::{WalkBuilder, WalkState};

use crate::git::BlobId;
use crate::model::file::RepoPath;
use crate::model::image::shorten;
use crate::model::site::{PassedOver, PassedOverReason};
use crate::observe::files::{Files, Listing};

/// How many folders deep a working tree is walked; deeper ones are reported.
const MAX_DEPTH: usize = 100;

/// How many files a working tree may hold before the walk gives up.
const MAX_FILES: usize = 2_000_000;

/// A folder with manifests.
#[derive(Debug, Clone)]
pub struct Checkout {
    root: PathBuf,
}

impl Checkout {
    /// Takes the folder; it is looked at when it is listed.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }
}

impl Files for Checkout {
    fn list(&self) -> Result<Listing, String> {
        let about = |error: std::io::Error| format!("cannot read the folder {}: {error}", self.root.display());
        let root = fs::canonicalize(&self.root).map_err(about)?;
        if !root.is_dir() {
            return Err(format!("{} is not a folder", self.root.display()));
        }
        let found = Mutex::new(Listing::default());
        let others = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&others);
        let walk = WalkBuilder::new(&root)
            .hidden(false)
            .ignore(false)
            .git_global(false)
            .require_git(false)
            .follow_links(false)
            .max_depth(Some(MAX_DEPTH))
            .threads(threads())
            .filter_entry(move |entry| {
                let is_other = is_repository(entry);
                if is_other && let Ok(mut others) = noted.lock() {
                    others.push(entry.path().to_owned());
                }
                entry.file_name() != ".git" && !is_other
            })
            .build_parallel();
        walk.run(|| {
            let mut batch = Batch { root: &root, own: Listing::default(), shared: &found };
            Box::new(move |entry| batch.take(entry))
        });
        let poisoned = || "a walking thread failed".to_owned();
        let mut listing = found.into_inner().map_err(|_poisoned| poisoned())?;
        for path in others.lock().map_err(|_poisoned| poisoned())?.iter() {
            let file = shorten(&path.strip_prefix(&root).unwrap_or(path).to_string_lossy());
            listing.passed_over.push(PassedOver { file, reason: PassedOverReason::Submodule });
        }
        if listing.files.len() >= MAX_FILES {
            return Err(format!("{} holds more than {MAX_FILES} files", self.root.display()));
        }
        listing.files.sort_unstable();
        listing.passed_over.sort_by(|one, other| one.file.cmp(&other.file));
        Ok(listing)
    }

    /// Size and time of a file do not tell that its bytes are the same: a tool may keep both. So nothing is known.
    fn content(&self, _path: &RepoPath) -> Option<&BlobId> {
        None
    }

    fn read(&self, path: &RepoPath, limit: u64) -> Result<Vec<u8>, PassedOverReason> {
        let unreadable = |error: std::io::Error| PassedOverReason::Unreadable(error.to_string());
        let mut file = fs::File::open(self.root.join(path.as_str())).map_err(unreadable)?;
        let size = file.metadata().map_err(unreadable)?.len();
        if size > limit {
            return Err(PassedOverReason::TooLarge { size, limit });
        }
        let length = usize::try_from(size).unwrap_or_default();
        let mut bytes = vec![0; length];
        // Nearly always one call gives the whole file; asking for its end would be another.
        let first = file.read(&mut bytes).map_err(unreadable)?;
        bytes.truncate(first);
        if first < length || length == 0 {
            let rest = (limit + 1).saturating_sub(first as u64);
            file.take(rest).read_to_end(&mut bytes).map_err(unreadable)?;
        }
        match bytes.len() as u64 {
            grown if grown > limit => Err(PassedOverReason::TooLarge { size: grown, limit }),
            _ => Ok(bytes),
        }
    }

    fn read_if_there(&self, path: &RepoPath, limit: u64) -> Result<Option<Vec<u8>>, PassedOverReason> {
        let mut whole = self.root.clone();
        for part in path.as_str().split('/') {
            whole.push(part);
            match fs::symlink_metadata(&whole) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(PassedOverReason::Unreadable(error.to_string())),
                Ok(found) if found.is_symlink() => return Err(PassedOverReason::Link("a symbolic link".to_owned())),
                Ok(_) => {}
            }
        }
        if whole.is_file() { self.read(path, limit).map(Some) } else { Err(PassedOverReason::NotAFile) }
    }
}

/// Returns how many threads a walk uses: the processors, at most eight, since more wait for the same disk.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(8)
}

/// What one walking thread has found; handed over when the thread ends, so that the lock is taken once.
struct Batch<'a> {
    root: &'a Path,
    own: Listing,
    shared: &'a Mutex<Listing>,
}

impl Batch<'_> {
    fn take(&mut self, entry: Result<ignore::DirEntry, ignore::Error>) -> WalkState {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                self.pass_over(&error_path(&error, self.root), PassedOverReason::Unreadable(error.to_string()));
                return WalkState::Continue;
            }
        };
        let Some(kind) = entry.file_type() else { return WalkState::Continue };
        let relative = entry.path().strip_prefix(self.root).unwrap_or(entry.path());
        if kind.is_symlink() {
            self.take_link(relative, entry.path());
        } else if kind.is_file() {
            match relative.to_str().and_then(RepoPath::new) {
                Some(path) => self.own.files.push(path),
                None => {
                    let reason = PassedOverReason::Unreadable("its name is not UTF-8".to_owned());
                    self.pass_over(relative, reason);
                }
            }
        } else if !kind.is_dir() {
            self.pass_over(relative, PassedOverReason::NotAFile);
        } else if entry.depth() == MAX_DEPTH {
            let reason = PassedOverReason::TooComplex(format!("more than {MAX_DEPTH} folders deep"));
            self.pass_over(relative, reason);
        }
        if self.own.files.len() >= MAX_FILES { WalkState::Quit } else { WalkState::Continue }
    }

    /// Reports a link; one that stays inside the folder is no loss, and says so.
    fn take_link(&mut self, relative: &Path, path: &Path) {
        let reason = match fs::canonicalize(path) {
            Ok(target) if target.starts_with(self.root) => PassedOverReason::LinkWithin,
            Ok(_) => PassedOverReason::Link("a symbolic link out of the folder".to_owned()),
            Err(error) => PassedOverReason::Link(format!("a symbolic link that leads nowhere: {error}")),
        };
        self.pass_over(relative, reason);
    }

    fn pass_over(&mut self, path: &Path, reason: PassedOverReason) {
        let file = shorten(&path.to_string_lossy());
        self.own.passed_over.push(PassedOver { file, reason });
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        if let Ok(mut shared) = self.shared.lock() {
            shared.files.append(&mut self.own.files);
            shared.passed_over.append(&mut self.own.passed_over);
        }
    }
}

/// Whether a folder below the root is a repository of its own: a submodule, or a checkout within the checkout.
fn is_repository(entry: &ignore::DirEntry) -> bool {
    let is_dir = entry.file_type().is_some_and(|kind| kind.is_dir());
    is_dir && entry.depth() > 0 && entry.path().join(".git").symlink_metadata().is_ok()
}

fn error_path(error: &ignore::Error, root: &Path) -> PathBuf {
    match error {
        ignore::Error::WithPath { path, .. } => path.strip_prefix(root).unwrap_or(path).to_path_buf(),
        ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => error_path(err, root),
        ignore::Error::Loop { child, .. } => child.strip_prefix(root).unwrap_or(child).to_path_buf(),
        _ => PathBuf::from("."),
    }
}
