//! What forges told the passes of a repository; the form of a row is the forges' own business.
//!
//! Entry points: [`Cache::take_turns`], [`Cache::see_turns`] and [`Cache::leave_turns`]. One pass that acts has it at a time: nobody goes
//! by what another is about to make untrue.

use crate::cache::{Cache, Key32, rows};

const TABLE: &str = "turns";

/// The longest row that is kept, in bytes.
const LONGEST: usize = 16 << 20;

impl Cache {
    /// Takes out what the pass before has left under a key. Where it cannot be taken out, there is none.
    pub fn take_turns(&self, key: &Key32) -> Option<Vec<u8>> {
        let is_there = self.read(|connection| rows::is_there(connection, TABLE, key)) == Some(true);
        let mut taken = None;
        let is_taken = is_there
            && self.write(|transaction| {
                taken = rows::find(transaction, TABLE, key)?.map(|row| row.value);
                rows::forget(transaction, TABLE, key)
            });
        taken = taken.filter(|_| is_taken);
        self.count(1, usize::from(taken.is_some()));
        taken
    }

    /// Returns what the pass before has left under a key, and leaves it there: for who changes nothing.
    pub fn see_turns(&self, key: &Key32) -> Option<Vec<u8>> {
        self.find(TABLE, &[*key]).remove(key)
    }

    /// Leaves something for the next pass. Where another has left something since this one took its own out, both have run at once, and
    /// the next one begins with nothing.
    pub fn leave_turns(&self, key: &Key32, value: &[u8]) {
        let today = self.today();
        self.write(|transaction| {
            if rows::is_there(transaction, TABLE, key)? || value.len() > LONGEST {
                return rows::forget(transaction, TABLE, key);
            }
            rows::keep(transaction, TABLE, (key, value), today)
        });
    }
}
