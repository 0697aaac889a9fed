//! The cache: what a pass may forget, and only looks up again, slower or more patiently.
//!
//! Entry point: [`Cache::open`]. One SQLite file that several processes may share. Nothing here fails a pass:
//! a file that is broken, locked, read-only, full or newer costs one warning ([`Cache::warning`]), and every
//! question is then answered with "not known". No secret ever gets here but closed by a key that does not, and no decision is made here.

mod ages;
mod answers;
mod fault;
mod refusals;
mod rows;
mod scans;
mod schema;
mod sealed;
mod store;
mod told;
mod turns;

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::cache::store::Store;
use crate::clock::Clock;

pub use crate::cache::ages::{Age, Pointed};
pub use crate::cache::answers::ListSummary;

/// The key of a row: a SHA-256 over everything that the value depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key32(pub [u8; 32]);

/// Where processes that do the same work leave for each other what they keep. What it gives counts as the cache's own: it
/// must prove that one of them left it.
pub trait Elsewhere: Send + Sync {
    /// Returns what was left under a name; it may take a moment, and says nothing where that is too long.
    fn fetch(&self, name: &str) -> Option<Vec<u8>>;

    /// Leaves something under a name, where there is room for it.
    fn leave(&self, name: &str, value: &[u8]);
}

/// A cache file, or the lack of one.
pub struct Cache {
    /// Tells the day on which a row was used. Always the real time: `--at` moves decisions, not what happened.
    clock: Arc<dyn Clock>,
    store: Mutex<Store>,
    elsewhere: Option<Arc<dyn Elsewhere>>,
    asked: AtomicUsize,
    answered: AtomicUsize,
}

/// How often a cache was asked, and could answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// Rows that were looked up.
    pub asked: usize,
    /// Rows that were there.
    pub answered: usize,
}

impl Cache {
    /// Opens a cache, and makes it where there is none. What is in the way becomes the warning.
    ///
    /// It is opened for one pass: after a fault it serves no more, and the next pass tries again.
    pub fn open(path: &Path, clock: Arc<dyn Clock>) -> Self {
        let cache = Self::of(Store::open(path), clock);
        cache.tidy();
        cache
    }

    /// Returns a cache that knows nothing and keeps nothing, with the reason if a person should hear of it.
    pub fn off(warning: Option<String>, clock: Arc<dyn Clock>) -> Self {
        Self::of(Store::off(warning), clock)
    }

    fn of(store: Store, clock: Arc<dyn Clock>) -> Self {
        let (asked, answered) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self { clock, store: Mutex::new(store), elsewhere: None, asked, answered }
    }

    /// Looks elsewhere for what is not in the file, and leaves there what it learns.
    #[must_use]
    pub fn with(self, elsewhere: Arc<dyn Elsewhere>) -> Self {
        Self { elsewhere: Some(elsewhere), ..self }
    }

    /// Whether there is a file that can be read; what it cannot keep shows only when it is asked to.
    pub fn is_there(&self) -> bool {
        self.store().connection.is_some()
    }

    /// Returns what kept the cache from serving, in words with what to do: the first fault since it was opened.
    pub fn warning(&self) -> Option<String> {
        self.store().warning.clone()
    }

    /// Returns how often it was asked so far.
    pub fn tally(&self) -> Tally {
        Tally { asked: self.asked.load(Ordering::Relaxed), answered: self.answered.load(Ordering::Relaxed) }
    }

    fn count(&self, asked: usize, answered: usize) {
        self.asked.fetch_add(asked, Ordering::Relaxed);
        self.answered.fetch_add(answered, Ordering::Relaxed);
    }

    /// Returns the real time: what is remembered has nothing to do with `--at`.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Returns today as the number of days since 1970, by which rows that are not used are found.
    fn today(&self) -> i64 {
        self.clock.now().as_second().div_euclid(86_400)
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        // A panic elsewhere leaves a connection whose transaction was rolled back: it can go on.
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads in one transaction; `None` when the cache cannot tell.
    fn read<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Option<T> {
        let mut store = self.store();
        let transaction = store.connection.as_mut()?.transaction();
        match transaction.and_then(|transaction| read(&transaction)) {
            Ok(value) => Some(value),
            Err(error) => {
                store.fail_reading(&error);
                None
            }
        }
    }

    /// Writes in one transaction; returns whether it was kept.
    fn write(&self, write: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<()>) -> bool {
        let mut store = self.store();
        if !store.writes {
            return false;
        }
        let Some(connection) = store.connection.as_mut() else { return false };
        let written = connection.transaction_with_behavior(TransactionBehavior::Immediate).and_then(|transaction| {
            write(&transaction)?;
            transaction.commit()
        });
        match written {
            Ok(()) => true,
            Err(error) => {
                store.fail_writing(&error);
                false
            }
        }
    }

    /// Looks keys up, and notes once a day that a row is used, so that a pass that only reads hardly ever writes.
    fn find(&self, table: &str, keys: &[Key32]) -> HashMap<Key32, Vec<u8>> {
        let today = self.today();
        let mut stale = Vec::new();
        let found = self.read(|connection| {
            let mut found = HashMap::with_capacity(keys.len());
            for key in keys {
                if let Some(row) = rows::find(connection, table, key)? {
                    if row.used < today {
                        stale.push(*key);
                    }
                    found.insert(*key, row.value);
                }
            }
            Ok(found)
        });
        if !stale.is_empty() {
            self.write(|transaction| stale.iter().try_for_each(|key| rows::touch(transaction, table, key, today)));
        }
        let found = found.unwrap_or_default();
        self.count(keys.len(), found.len());
        found
    }

    /// Looks a key up in the file, and else where other processes leave theirs.
    fn find_anywhere(&self, table: &str, key: Key32) -> Option<Vec<u8>> {
        let known = self.find(table, &[key]).remove(&key);
        known.or_else(|| {
            let value = self.elsewhere.as_ref()?.fetch(&name(table, &key))?;
            self.keep(table, &[(key, value.clone())]);
            Some(value)
        })
    }

    /// Keeps a row, and leaves it for other processes.
    fn keep_for_all(&self, table: &str, rows: &[(Key32, Vec<u8>)]) {
        self.keep(table, rows);
        if let Some(elsewhere) = &self.elsewhere {
            rows.iter().for_each(|(key, value)| elsewhere.leave(&name(table, key), value));
        }
    }

    /// Keeps rows in one transaction.
    fn keep(&self, table: &str, kept: &[(Key32, Vec<u8>)]) {
        if kept.is_empty() {
            return;
        }
        let today = self.today();
        self.write(|transaction| {
            kept.iter().try_for_each(|(key, value)| rows::keep(transaction, table, (key, value), today))
        });
    }

    /// Forgets what was not used for long, once a day.
    fn tidy(&self) {
        let today = self.today();
        if self.read(|connection| schema::is_tidy(connection, today)) == Some(false) {
            self.write(|transaction| schema::tidy(transaction, today, schema::ROOM));
        }
    }
}

/// Returns the name under which processes leave a row for each other.
fn name(table: &str, key: &Key32) -> String {
    key.0.iter().fold(format!("{table}/"), |name, byte| format!("{name}{byte:02x}"))
}

impl fmt::Debug for Cache {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Cache").field("warning", &self.warning()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
