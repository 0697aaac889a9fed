//! The file: opening it, setting a broken one aside, and what becomes of it after a fault.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::cache::fault::Fault;
use crate::cache::schema::{self, Migrated};

/// How long another process's write is waited for. They take milliseconds; whoever holds the file longer is stuck.
const PATIENCE: Duration = Duration::from_secs(2);

/// The files that SQLite keeps beside the database.
const SIDE_FILES: [&str; 2] = ["-wal", "-shm"];

/// An open file, or what is left of one.
pub(super) struct Store {
    path: PathBuf,
    /// The file that is open, by device and number, so that nobody else's is set aside.
    identity: Option<(u64, u64)>,
    /// `None` once the file cannot be read.
    pub(super) connection: Option<Connection>,
    /// Whether it can be written to.
    pub(super) writes: bool,
    /// The first fault in words.
    pub(super) warning: Option<String>,
}

/// Why a file did not open.
enum Refusal {
    /// SQLite says so.
    Sqlite(rusqlite::Error),
    /// In words that name the file.
    Words(String),
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl Store {
    /// Opens a file, makes it where there is none, and sets a damaged one aside.
    pub(super) fn open(path: &Path) -> Self {
        let mut store = Self { path: path.to_owned(), identity: None, connection: None, writes: true, warning: None };
        match store.connect() {
            Ok(()) => {}
            Err(Refusal::Sqlite(error)) if Fault::of(&error) == Fault::Corrupt => store.start_again(&error),
            Err(Refusal::Sqlite(error)) => store.close(Fault::of(&error).explain(path, &error)),
            Err(Refusal::Words(words)) => store.close(words),
        }
        store
    }

    /// Returns a store without a file.
    pub(super) fn off(warning: Option<String>) -> Self {
        Self { path: PathBuf::new(), identity: None, connection: None, writes: false, warning }
    }

    /// Takes note of an error while reading.
    pub(super) fn fail_reading(&mut self, error: &rusqlite::Error) {
        match Fault::of(error) {
            Fault::Corrupt => self.start_again(error),
            fault => {
                let words = fault.explain(&self.path, error);
                self.close(words);
            }
        }
    }

    /// Takes note of an error while writing. What is there can still be read, unless the file is damaged.
    pub(super) fn fail_writing(&mut self, error: &rusqlite::Error) {
        match Fault::of(error) {
            Fault::Corrupt => self.start_again(error),
            fault => {
                self.writes = false;
                self.warn(fault.explain(&self.path, error));
            }
        }
    }

    fn warn(&mut self, words: String) {
        self.warning.get_or_insert(words);
    }

    fn close(&mut self, words: String) {
        self.connection = None;
        self.writes = false;
        self.warn(words);
    }

    /// Sets a damaged file aside and begins a new one, once: a second damaged file is the disk's fault.
    fn start_again(&mut self, error: &rusqlite::Error) {
        self.connection = None;
        let words = Fault::Corrupt.explain(&self.path, error);
        if self.warning.is_some() || !self.set_aside() {
            return self.close(words);
        }
        self.warn(format!(
            "the cache {} was damaged ({error}); it is set aside as `{}`, which can be removed, and a new one is begun",
            self.path.display(),
            aside(&self.path).display()
        ));
        if let Err(Refusal::Words(_) | Refusal::Sqlite(_)) = self.connect() {
            self.close(words);
        }
    }

    /// Moves the file away; `true` also where another process has begun a new one meanwhile.
    fn set_aside(&self) -> bool {
        if identity(&self.path) != self.identity {
            return true;
        }
        let moved = fs::rename(&self.path, aside(&self.path));
        // They belong to the file that has gone; SQLite must not apply them to the new one.
        let cleared = SIDE_FILES.iter().map(|suffix| fs::remove_file(beside(&self.path, suffix)));
        let cleared = cleared.filter(|removed| removed.as_ref().is_err_and(|e| e.kind() != io::ErrorKind::NotFound));
        moved.is_ok() && cleared.count() == 0
    }

    fn connect(&mut self) -> Result<(), Refusal> {
        make(&self.path).map_err(|error| {
            let path = self.path.display();
            Refusal::Words(format!(
                "the cache {path} cannot be used ({error}): name another with `cache:` or TAGBOAT_CACHE"
            ))
        })?;
        self.identity = identity(&self.path);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(PATIENCE)?;
        // Fails where another process is about to do the same; that one's mode holds for both.
        match connection.pragma_update(None, "journal_mode", "WAL") {
            Err(error) if Fault::of(&error) == Fault::Corrupt => return Err(error.into()),
            Ok(()) | Err(_) => {}
        }
        // In WAL mode a loss of power can cost the last rows, and never the file.
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.pragma_update(None, "max_page_count", schema::MAX_PAGES)?;
        connection.pragma_update(None, "cell_size_check", true)?;
        connection.pragma_update(None, "trusted_schema", false)?;
        let path = self.path.display();
        match schema::migrate(&mut connection)? {
            Migrated::Ready => {}
            Migrated::Newer => {
                return Err(Refusal::Words(format!(
                    "the cache {path} was made by a newer version of Tagboat, and is not used: name another with \
                     `cache:` or TAGBOAT_CACHE, or remove it"
                )));
            }
            Migrated::Foreign => {
                return Err(Refusal::Words(format!(
                    "{path} is another program's database, and is not used: name another with `cache:` or \
                     TAGBOAT_CACHE"
                )));
            }
        }
        self.connection = Some(connection);
        Ok(())
    }
}

/// Makes the file, for its owner's eyes alone, where there is none.
fn make(path: &Path) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(found) if found.is_file() => return Ok(()),
        // A pipe would be waited for without end.
        Ok(_) => return Err(io::Error::other("it is no regular file")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    Ok(())
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

fn aside(path: &Path) -> PathBuf {
    beside(path, ".damaged")
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
