//! What scanning a file found, by the file's content and everything else that the result depends on.

use std::collections::HashMap;

use crate::cache::{Cache, Key32, rows};

const TABLE: &str = "scans";

impl Cache {
    /// Returns the kept results of these keys; those that are not known are missing. The bytes are those that were
    /// kept, but a caller that decodes them must expect what another version of itself wrote.
    pub fn scans(&self, keys: &[Key32]) -> HashMap<Key32, Vec<u8>> {
        let today = self.today();
        let mut stale = Vec::new();
        let found = self.read(|connection| {
            let mut found = HashMap::with_capacity(keys.len());
            for key in keys {
                if let Some(row) = rows::find(connection, TABLE, key)? {
                    if row.used < today {
                        stale.push(*key);
                    }
                    found.insert(*key, row.value);
                }
            }
            Ok(found)
        });
        self.touch(TABLE, &stale);
        found.unwrap_or_default()
    }

    /// Keeps results, in one transaction; what cannot be kept is found out again by the next pass.
    pub fn keep_scans(&self, rows: &[(Key32, Vec<u8>)]) {
        if rows.is_empty() {
            return;
        }
        let today = self.today();
        self.write(|transaction| {
            rows.iter().try_for_each(|(key, value)| rows::keep(transaction, TABLE, (key, value), today))
        });
    }

    /// Notes that rows were used; once a day for each, so that a pass that only reads hardly ever writes.
    fn touch(&self, table: &str, keys: &[Key32]) {
        if keys.is_empty() {
            return;
        }
        let today = self.today();
        self.write(|transaction| keys.iter().try_for_each(|key| rows::touch(transaction, table, key, today)));
    }
}
