//! Rows of a key and a value that prove themselves whole.

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use sha2::{Digest, Sha256};

use crate::cache::Key32;

/// How many bytes of a value's checksum are kept before it.
const SEAL: usize = 8;

/// A value as it was found, and the day on which it was last used.
pub(super) struct Found {
    pub(super) value: Vec<u8>,
    pub(super) used: i64,
}

/// Returns a value with its checksum before it. SQLite notices a damaged page only where it is parsed, so a flipped
/// bit within a value would go by unseen.
pub(super) fn seal(table: &str, key: &Key32, value: &[u8]) -> Vec<u8> {
    let mut sealed = checksum(table, key, value).to_vec();
    sealed.extend_from_slice(value);
    sealed
}

/// Returns a value without its checksum; `None` where they do not belong together.
pub(super) fn unseal(table: &str, key: &Key32, mut sealed: Vec<u8>) -> Option<Vec<u8>> {
    if sealed.len() < SEAL {
        return None;
    }
    let value = sealed.split_off(SEAL);
    (sealed == checksum(table, key, &value)).then_some(value)
}

fn checksum(table: &str, key: &Key32, value: &[u8]) -> [u8; SEAL] {
    let hash = Sha256::new().chain_update(table).chain_update(key.0).chain_update(value).finalize();
    let mut checksum = [0; SEAL];
    checksum.copy_from_slice(&hash[..SEAL]);
    checksum
}

/// Looks a key up; a value that is not whole counts as not there.
pub(super) fn find(connection: &Connection, table: &str, key: &Key32) -> rusqlite::Result<Option<Found>> {
    let mut statement = connection.prepare_cached(&format!("SELECT value, used FROM {table} WHERE key = ?1"))?;
    let row = statement.query_row([&key.0[..]], |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get(1)?))).optional()?;
    Ok(row.and_then(|(sealed, used)| Some(Found { value: unseal(table, key, sealed)?, used })))
}

/// Whether there is a row of a key, whole or not.
pub(super) fn is_there(connection: &Connection, table: &str, key: &Key32) -> rusqlite::Result<bool> {
    connection.prepare_cached(&format!("SELECT 1 FROM {table} WHERE key = ?1"))?.exists([&key.0[..]])
}

/// Keeps a value, in place of the one that was there.
pub(super) fn keep(
    transaction: &Transaction<'_>,
    table: &str,
    (key, value): (&Key32, &[u8]),
    today: i64,
) -> rusqlite::Result<()> {
    let insert = format!("INSERT OR REPLACE INTO {table} (key, used, value) VALUES (?1, ?2, ?3)");
    transaction.prepare_cached(&insert)?.execute(params![&key.0[..], today, seal(table, key, value)])?;
    Ok(())
}

/// Notes that a row was used today.
pub(super) fn touch(transaction: &Transaction<'_>, table: &str, key: &Key32, today: i64) -> rusqlite::Result<()> {
    let update = format!("UPDATE {table} SET used = ?2 WHERE key = ?1");
    transaction.prepare_cached(&update)?.execute(params![&key.0[..], today])?;
    Ok(())
}

/// Forgets a row.
pub(super) fn forget(transaction: &Transaction<'_>, table: &str, key: &Key32) -> rusqlite::Result<()> {
    transaction.prepare_cached(&format!("DELETE FROM {table} WHERE key = ?1"))?.execute([&key.0[..]])?;
    Ok(())
}
