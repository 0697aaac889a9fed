//! Writing changed files into a working tree: each one atomically, with its mode, or not at all.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::model::change::FileEdit;

/// Why a file was not written; it is as it was.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The file holds something else than what was scanned.
    #[error("{} changed since it was read: run again", .0.display())]
    Changed(PathBuf),
    /// The file is a symbolic link or no regular file now.
    #[error("{} is no regular file any more", .0.display())]
    NotAFile(PathBuf),
    /// The system says no.
    #[error("cannot write {}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

/// Replaces one file below `root` by its new content.
///
/// The new content is written beside the file, flushed to disk, given the old one's mode, and renamed over it.
///
/// # Errors
///
/// [`WriteError`]; the file is then as it was, and nothing lies beside it.
pub fn write(root: &Path, edit: &FileEdit) -> Result<(), WriteError> {
    let path = root.join(edit.file.as_str());
    let failed = |source: io::Error| WriteError::Io { path: path.clone(), source };
    let metadata = fs::symlink_metadata(&path).map_err(failed)?;
    if !metadata.is_file() {
        return Err(WriteError::NotAFile(path));
    }
    if fs::read(&path).map_err(failed)? != edit.before {
        return Err(WriteError::Changed(path));
    }
    let folder = path.parent().unwrap_or(root);
    let mut beside = tempfile::Builder::new().prefix(".tagboat-").tempfile_in(folder).map_err(failed)?;
    beside.write_all(&edit.after).map_err(failed)?;
    beside.as_file().set_permissions(metadata.permissions()).map_err(failed)?;
    beside.as_file().sync_all().map_err(failed)?;
    beside.persist(&path).map_err(|error| failed(error.error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::file::RepoPath;

    fn edit(before: &str, after: &str) -> FileEdit {
        let file = RepoPath::new("a b/ü.yaml").unwrap();
        FileEdit { file, before: before.into(), after: after.into() }
    }

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("a b")).unwrap();
        fs::write(folder.path().join("a b/ü.yaml"), "old").unwrap();
        folder
    }

    #[cfg(unix)]
    #[test]
    fn keeps_the_mode_and_leaves_nothing_beside() {
        use std::os::unix::fs::PermissionsExt;
        let folder = folder();
        let path = folder.path().join("a b/ü.yaml");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o751)).unwrap();
        write(folder.path(), &edit("old", "new")).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o751);
        assert_eq!(fs::read_dir(folder.path().join("a b")).unwrap().count(), 1);
    }

    #[test]
    fn refuses_a_file_that_changed_meanwhile() {
        let folder = folder();
        let result = write(folder.path(), &edit("other", "new"));
        assert!(matches!(result, Err(WriteError::Changed(_))), "{result:?}");
        assert_eq!(fs::read_to_string(folder.path().join("a b/ü.yaml")).unwrap(), "old");
    }

    #[cfg(unix)]
    #[test]
    fn never_writes_through_a_symbolic_link() {
        let folder = folder();
        let path = folder.path().join("a b/ü.yaml");
        let outside = folder.path().join("outside");
        fs::rename(&path, &outside).unwrap();
        std::os::unix::fs::symlink(&outside, &path).unwrap();
        let result = write(folder.path(), &edit("old", "new"));
        assert!(matches!(result, Err(WriteError::NotAFile(_))), "{result:?}");
        assert_eq!(fs::read_to_string(outside).unwrap(), "old");
    }
}
