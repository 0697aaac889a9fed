//! What receivers of notifications were told already; the form of a row is the service's own business.

use crate::cache::{Cache, Key32};

const TABLE: &str = "told";

/// The longest row that is kept, in bytes.
const LONGEST: usize = 2 << 20;

impl Cache {
    /// Returns what was kept under a key.
    pub fn told(&self, key: &Key32) -> Option<Vec<u8>> {
        self.find(TABLE, &[*key]).remove(key)
    }

    /// Keeps what was told, in place of what was kept before.
    pub fn keep_told(&self, key: &Key32, value: Vec<u8>) {
        if value.len() <= LONGEST {
            self.keep(TABLE, &[(*key, value)]);
        }
    }
}
