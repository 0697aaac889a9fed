//! The cache: what a pass may forget, and only looks up again, slower or more patiently.
//!
//! Entry point: [`Cache::open`]. One SQLite file that several processes may share. Nothing here fails a pass:
//! a file that is broken, locked, read-only, full or newer costs one warning ([`Cache::warning`]), and every
//! question is then answered with "not known". No secret ever gets here, and no decision is made here.

mod fault;
mod rows;
mod scans;
mod schema;
mod store;

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::cache::store::Store;
use crate::clock::Clock;

/// The key of a row: a SHA-256 over everything that the value depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key32(pub [u8; 32]);

/// A cache file, or the lack of one.
pub struct Cache {
    /// Tells the day on which a row was used. Always the real time: `--at` moves decisions, not what happened.
    clock: Arc<dyn Clock>,
    store: Mutex<Store>,
}

impl Cache {
    /// Opens a cache, and makes it where there is none. What is in the way becomes the warning.
    pub fn open(path: &Path, clock: Arc<dyn Clock>) -> Self {
        let cache = Self { store: Mutex::new(Store::open(path)), clock };
        cache.tidy();
        cache
    }

    /// Returns a cache that knows nothing and keeps nothing, with the reason if a person should hear of it.
    pub fn off(warning: Option<String>, clock: Arc<dyn Clock>) -> Self {
        Self { clock, store: Mutex::new(Store::off(warning)) }
    }

    /// Whether there is a file that can be read; what it cannot keep shows only when it is asked to.
    pub fn is_there(&self) -> bool {
        self.store().connection.is_some()
    }

    /// Returns what kept the cache from serving, in words with what to do: the first fault since it was opened.
    pub fn warning(&self) -> Option<String> {
        self.store().warning.clone()
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

    /// Forgets what was not used for long, once a day.
    fn tidy(&self) {
        let today = self.today();
        if self.read(|connection| schema::is_tidy(connection, today)) == Some(false) {
            self.write(|transaction| schema::tidy(transaction, today));
        }
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Cache").field("warning", &self.warning()).finish_non_exhaustive()
    }
}
