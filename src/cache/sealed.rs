//! What is left for the next process as bytes that nobody reads without a key that is kept elsewhere; here they are bytes alone.
//!
//! Entry points: [`Cache::sealed`], [`Cache::keep_sealed`] and [`Cache::forget_sealed`].

use crate::cache::{Cache, Key32, rows};

const TABLE: &str = "sealed";

/// The longest row that is kept, in bytes.
const LONGEST: usize = 64 << 10;

impl Cache {
    /// Returns what was kept under a key.
    pub fn sealed(&self, key: &Key32) -> Option<Vec<u8>> {
        self.find(TABLE, &[*key]).remove(key)
    }

    /// Keeps something, in place of what was kept before.
    pub fn keep_sealed(&self, key: &Key32, value: Vec<u8>) {
        if value.len() <= LONGEST {
            self.keep(TABLE, &[(*key, value)]);
        }
    }

    /// Forgets what was kept.
    pub fn forget_sealed(&self, key: &Key32) {
        self.write(|transaction| rows::forget(transaction, TABLE, key));
    }
}
