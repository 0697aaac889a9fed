//! Under which names things were proposed, what was refused, and which branches may not be removed; the form of a row is the pass's own business.

use crate::cache::{Cache, Key32};

const TABLE: &str = "refusals";

/// The longest row that is kept, in bytes.
const LONGEST: usize = 1 << 20;

impl Cache {
    /// Returns what was kept under a key.
    pub fn refusals(&self, key: &Key32) -> Option<Vec<u8>> {
        self.find(TABLE, &[*key]).remove(key)
    }

    /// Keeps rows, in place of what was kept before.
    pub fn keep_refusals(&self, rows: &[(Key32, Vec<u8>)]) {
        let kept: Vec<_> = rows.iter().filter(|(_, row)| row.len() <= LONGEST).cloned().collect();
        self.keep(TABLE, &kept);
    }
}
