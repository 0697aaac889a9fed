//! The tables, their versions, and how large they may grow.

use rusqlite::{Connection, Transaction, params};

/// Marks the file as a cache of Tagboat's (`PRAGMA application_id`): "TgBt".
pub(super) const APPLICATION: i32 = 0x5467_4274;

/// The migrations in their order; `PRAGMA user_version` is the number of those that were made. What has been
/// released is never changed, only added to.
const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE tidied (day INTEGER NOT NULL) STRICT;
    INSERT INTO tidied VALUES (0);
    CREATE TABLE scans (key BLOB PRIMARY KEY, used INTEGER NOT NULL, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
    CREATE INDEX scans_used ON scans (used);
    CREATE TABLE pages (key BLOB PRIMARY KEY, used INTEGER NOT NULL, value BLOB NOT NULL) STRICT;
    CREATE TABLE lists (key BLOB PRIMARY KEY, used INTEGER NOT NULL, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE images (key BLOB PRIMARY KEY, used INTEGER NOT NULL, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE ages (
        image TEXT NOT NULL, tag TEXT NOT NULL, digest TEXT NOT NULL, used INTEGER NOT NULL, value BLOB NOT NULL,
        PRIMARY KEY (image, tag, digest)
    ) STRICT, WITHOUT ROWID;
",
    "
    CREATE TABLE told (key BLOB PRIMARY KEY, used INTEGER NOT NULL, value BLOB NOT NULL) STRICT;
",
    "
    CREATE TABLE refusals (key BLOB PRIMARY KEY, used INTEGER NOT NULL, value BLOB NOT NULL) STRICT;
",
    "
    CREATE TABLE turns (key BLOB PRIMARY KEY, used INTEGER NOT NULL, value BLOB NOT NULL) STRICT;
",
    "
    CREATE TABLE sealed (key BLOB PRIMARY KEY, used INTEGER NOT NULL, value BLOB NOT NULL) STRICT;
",
];

/// The version of a file on which all migrations were made.
const LATEST: i64 = MIGRATIONS.len() as i64;

/// The tables whose rows have a day on which they were last used, the largest first.
const TABLES: &[&str] = &["scans", "pages", "lists", "images", "ages", "told", "refusals", "turns", "sealed"];

/// How many days a row is kept that nothing asks for.
const KEPT_DAYS: i64 = 90;

/// The largest file, in pages of 4 KiB: 512 MiB.
pub(super) const MAX_PAGES: i64 = 131_072;

/// How many pages may be used after rows were forgotten.
pub(super) const ROOM: i64 = MAX_PAGES / 4 * 3;

/// What was made of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Migrated {
    /// It has this version's tables.
    Ready,
    /// A later version of Tagboat made it.
    Newer,
    /// It belongs to another program.
    Foreign,
}

/// Brings a file to this version.
pub(super) fn migrate(connection: &mut Connection) -> rusqlite::Result<Migrated> {
    // Looked at without a lock first: the file nearly always has the right version. Within one transaction, so that what another
    // process does meanwhile is seen whole or not at all: half of it looks like another program's file.
    let looked = settled(&*connection.transaction()?)?;
    if let Some(settled) = looked {
        return Ok(settled);
    }
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    // Another process may have been faster.
    if let Some(settled) = settled(&transaction)? {
        return Ok(settled);
    }
    let version = usize::try_from(number(&transaction, "user_version")?).unwrap_or(0);
    for migration in &MIGRATIONS[version..] {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", LATEST)?;
    transaction.commit()?;
    Ok(Migrated::Ready)
}

fn settled(connection: &Connection) -> rusqlite::Result<Option<Migrated>> {
    let application = number(connection, "application_id")?;
    let version = number(connection, "user_version")?;
    if application == i64::from(APPLICATION) {
        return Ok(match version {
            _ if version == LATEST => Some(Migrated::Ready),
            _ if version > LATEST => Some(Migrated::Newer),
            _ => None,
        });
    }
    let objects: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0))?;
    let is_new = application == 0 && version == 0 && objects == 0;
    Ok((!is_new).then_some(Migrated::Foreign))
}

fn number(connection: &Connection, pragma: &str) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, pragma, |row| row.get(0))
}

/// Whether rows were forgotten today already.
pub(super) fn is_tidy(connection: &Connection, today: i64) -> rusqlite::Result<bool> {
    let day: i64 = connection.query_row("SELECT day FROM tidied", (), |row| row.get(0))?;
    Ok(day == today)
}

/// Forgets the rows that nothing has asked for in a long time, and more of them while more than `room` pages are used.
pub(super) fn tidy(transaction: &Transaction<'_>, today: i64, room: i64) -> rusqlite::Result<()> {
    transaction.execute("UPDATE tidied SET day = ?1", [today])?;
    for days in [KEPT_DAYS, 30, 7, 2, 0] {
        for table in TABLES {
            transaction.execute(&format!("DELETE FROM {table} WHERE used < ?1"), params![today - days])?;
        }
        let pages = number(transaction, "page_count")? - number(transaction, "freelist_count")?;
        if pages < room {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_made_while_somebody_looks_is_never_another_program_s() {
        let folder = tempfile::tempdir().unwrap();
        for round in 0..40 {
            let path = folder.path().join(format!("{round}.db"));
            let open = || {
                let connection = Connection::open(&path).unwrap();
                connection.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
                connection
            };
            open().pragma_update(None, "journal_mode", "WAL").unwrap();
            std::thread::scope(|scope| {
                let looking = scope.spawn(|| {
                    let mut connection = open();
                    // As often as it takes until the other one is ready.
                    loop {
                        let looked = settled(&connection.transaction().unwrap()).unwrap();
                        assert_ne!(looked, Some(Migrated::Foreign), "round {round}");
                        if looked.is_some() {
                            return;
                        }
                    }
                });
                assert_eq!(migrate(&mut open()).unwrap(), Migrated::Ready);
                looking.join().unwrap();
            });
        }
    }
}
