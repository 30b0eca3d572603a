//! Stores: making one, opening one.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rusqlite::Connection;

use crate::sample;

/// The page cache of a competitor that is written here, in KiB: as large as that of the host's writer, so that
/// it cannot be what makes the difference.
const CACHE_KIB: i64 = 8 * 1024;

/// How long another process's lock is waited for.
const LOCK_TIMEOUT: Duration = Duration::from_secs(600);

/// Opens a store, to write to it.
///
/// # Errors
/// If it is no database.
pub fn open(path: &Path) -> Result<Connection> {
    let connection =
        Connection::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    connection.busy_timeout(LOCK_TIMEOUT)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    Ok(connection)
}

/// Makes a store with the first so many documents of the sample. Returns their bytes.
///
/// # Errors
/// If the database cannot be written.
pub fn make(path: &Path, documents: u64) -> Result<u64> {
    let mut connection = open(path)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    let transaction = connection.transaction()?;
    transaction.execute(
        "CREATE TABLE users (_id TEXT NOT NULL PRIMARY KEY, doc TEXT NOT NULL)",
        [],
    )?;
    let mut bytes = 0;
    let mut insert = transaction.prepare("INSERT INTO users (_id, doc) VALUES (?1, ?2)")?;
    for number in 0..documents {
        let document = sample::original(number, 0);
        bytes += document.len() as u64;
        insert.execute((sample::key(number), document))?;
    }
    drop(insert);
    transaction.commit()?;
    connection.close().map_err(|(_, error)| error)?;
    Ok(bytes)
}
