//! What scanning a file found, by the file's content and everything else that the result depends on.

use std::collections::HashMap;

use crate::cache::{Cache, Key32};

const TABLE: &str = "scans";

impl Cache {
    /// Returns the kept results of these keys; those that are not known are missing. The bytes are those that were
    /// kept, but a caller that decodes them must expect what another version of itself wrote.
    pub fn scans(&self, keys: &[Key32]) -> HashMap<Key32, Vec<u8>> {
        self.find(TABLE, keys)
    }

    /// Keeps results, in one transaction; what cannot be kept is found out again by the next pass.
    pub fn keep_scans(&self, rows: &[(Key32, Vec<u8>)]) {
        self.keep(TABLE, rows);
    }
}
