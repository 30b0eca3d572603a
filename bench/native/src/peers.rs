//! The competitors that are written in Rust and SQL.

use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Result, anyhow, ensure};
use migration_document::apply;
use rusqlite::{Connection, TransactionBehavior};

use crate::transform::transform;
use crate::{BATCH, sample, store};

/// How many batches of new values are kept ready for [`floor`].
const READY: usize = 4;

const UPDATE: &str = "UPDATE users SET doc = ?1 WHERE rowid = ?2";

/// The migration as a program of its own: pages by rowid, edits the text, updates by rowid, one transaction a
/// batch. No sandbox, no undo log, no ledger, one thread.
///
/// # Errors
/// If the store fails, or a document cannot be migrated.
pub fn migrate(path: &Path) -> Result<()> {
    let mut connection = store::open(path)?;
    let now = now()?;
    let mut after = 0;
    while let Some(last) = migrate_page(&mut connection, after, now)? {
        after = last;
    }
    close(connection)
}

/// Migrates the page that follows a row. Returns the page's last row; None if there is no page any more.
fn migrate_page(connection: &mut Connection, after: i64, now: u64) -> Result<Option<i64>> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut select = transaction
        .prepare_cached("SELECT rowid, doc FROM users WHERE rowid > ?1 ORDER BY rowid LIMIT ?2")?;
    let page = select
        .query_map((after, BATCH), |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<Vec<(i64, String)>>>()?;
    drop(select);
    let mut update = transaction.prepare_cached(UPDATE)?;
    for (row, body) in &page {
        if let Some(edits) = transform(body, now)? {
            update.execute((apply(body, &edits)?, row))?;
        }
    }
    drop(update);
    transaction.commit()?;
    Ok(page.last().map(|(row, _)| *row))
}

/// The migration as one statement.
///
/// # Errors
/// If the store fails.
pub fn update(path: &Path) -> Result<()> {
    let connection = store::open(path)?;
    connection.execute(
        "UPDATE users
         SET doc = json_set(
             doc,
             '$.displayName', substr(doc ->> '$.email', 1, instr(doc ->> '$.email', '@') - 1),
             '$.updatedAt', ?1
         )
         WHERE doc ->> '$.displayName' IS NULL AND instr(doc ->> '$.email', '@') > 1",
        [i64::try_from(now()?)?],
    )?;
    close(connection)
}

/// Only the writing: new values that are known beforehand, by rowid, one transaction a batch. Nothing that
/// updates every document in such batches can take less time.
///
/// The values are made by a second thread, which is always ahead: kept in memory from the start they would
/// measure the memory, and read from a file the file.
///
/// # Errors
/// If the store fails, or does not hold so many documents of the sample.
pub fn floor(path: &Path, documents: u64) -> Result<()> {
    let mut connection = store::open(path)?;
    let now = now()?;
    let (sender, receiver) = mpsc::sync_channel(READY);
    let maker = thread::spawn(move || {
        for first in (0..documents).step_by(BATCH.into()) {
            let batch: Vec<(u64, String)> = (first..documents.min(first + u64::from(BATCH)))
                // The sample was inserted into an empty table, in order: rows count from 1.
                .map(|number| (number + 1, sample::migrated(number, 0, now)))
                .collect();
            // Nobody listens any more if a batch could not be written, which is told elsewhere.
            if sender.send(batch).is_err() {
                break;
            }
        }
    });
    for batch in receiver {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut update = transaction.prepare_cached(UPDATE)?;
        for (row, body) in &batch {
            ensure!(
                update.execute((body, i64::try_from(*row)?))? == 1,
                "the store has no row {row}"
            );
        }
        drop(update);
        transaction.commit()?;
    }
    maker
        .join()
        .map_err(|_| anyhow!("the thread that makes the new values panicked"))?;
    close(connection)
}

/// Closes a connection as the last thing that is timed: it moves what is left of the log into the database.
fn close(connection: Connection) -> Result<()> {
    Ok(connection.close().map_err(|(_, error)| error)?)
}

fn now() -> Result<u64> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(u64::try_from(since.as_millis())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{Expected, check};

    /// Runs a competitor over a store of two batches and a bit, twice.
    fn compete(competitor: impl Fn(&Path) -> Result<()>) {
        let documents = u64::from(BATCH) * 2 + 17;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.db");
        store::make(&path, documents).unwrap();
        check(&path, documents, Expected::Original, &[]).unwrap();
        assert!(check(&path, documents, Expected::Migrated, &[]).is_err());
        for _ in 0..2 {
            competitor(&path).unwrap();
            check(&path, documents, Expected::Migrated, &[]).unwrap();
        }
        assert!(check(&path, documents, Expected::Original, &[]).is_err());
        assert!(check(&path, documents + 1, Expected::Migrated, &[]).is_err());
        assert!(check(&path, documents - 1, Expected::Migrated, &[]).is_err());
        assert!(check(&path, documents, Expected::Migrated, &[(3, 1)]).is_err());
    }

    #[test]
    fn the_program_migrates_every_document() {
        compete(migrate);
    }

    #[test]
    fn the_statement_migrates_every_document() {
        compete(update);
    }

    #[test]
    fn the_floor_writes_what_the_migration_would() {
        compete(|path| floor(path, u64::from(BATCH) * 2 + 17));
    }
}
