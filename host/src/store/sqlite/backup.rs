//! Whole copies of a database, each of one moment and checked.
//!
//! They are made by SQLite's backup interface (<https://www.sqlite.org/backup.html>), page by page: row numbers, indexes
//! and the ledger are the same in the copy, so that a run which was under way can go on in it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::sql::sqlite_error;
use crate::draft::Draft;
use crate::store::{Copied, Result, StoreError};

/// Pages that are copied between two looks at the progress.
const STEP: i32 = 2_048;

const COPYING: &str = "copying the database";

/// Copies a database to a file that does not exist, or that may be replaced. Applications go on meanwhile: in WAL mode
/// none waits, in the rollback modes writers wait for the end.
pub(super) fn back_up(
    source: &Connection,
    from: &Path,
    to: &Path,
    replace: bool,
    progress: &mut dyn FnMut(Copied),
) -> Result<()> {
    if is_same(from, to) || (to.exists() && !replace) {
        return Err(StoreError::Exists { path: to.into() });
    }
    // What is read from now on is of one moment, whoever writes.
    source
        .execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema;")
        .map_err(|error| sqlite_error(COPYING, error))?;
    make(source, from, to, progress)
}

/// Puts a backup in the place of a database. Processes that use the database see all of it change at once.
///
/// # Errors
/// If the backup is none, or damaged; if there is a database and it may not be replaced. Then nothing has changed.
pub fn restore(
    from: &Path,
    to: &Path,
    replace: bool,
    lock_timeout: Duration,
    progress: &mut dyn FnMut(Copied),
) -> Result<()> {
    if !from.is_file() {
        return Err(StoreError::Absent { path: from.into() });
    }
    let source = Connection::open_with_flags(
        from,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )
    .map_err(|error| sqlite_error("opening the backup", error))?;
    match check(&source) {
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::NotADatabase) => {
            return Err(StoreError::NotADatabase { path: from.into() });
        }
        checked => sound(checked)?,
    }
    if is_same(from, to) || (to.exists() && !replace) {
        return Err(StoreError::Exists { path: to.into() });
    }
    if !to.exists() {
        return make(&source, from, to, progress);
    }
    let mut target = Connection::open_with_flags(
        to,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )
    .map_err(|error| sqlite_error("opening the database", error))?;
    target
        .busy_timeout(lock_timeout)
        .map_err(|error| sqlite_error("opening the database", error))?;
    copy(&source, &mut target, progress)?;
    sound(check(&target))
}

/// Copies a database to a new file, which gets its name when it has been found sound.
fn make(
    source: &Connection,
    from: &Path,
    to: &Path,
    progress: &mut dyn FnMut(Copied),
) -> Result<()> {
    let file = |error: std::io::Error| StoreError::Backend {
        doing: format!("writing {}", to.display()),
        source: Box::new(error),
    };
    let draft = Draft::create(to).map_err(file)?;
    let mut target =
        Connection::open(draft.meanwhile()).map_err(|error| sqlite_error(COPYING, error))?;
    copy(source, &mut target, progress)?;
    sound(check(&target))?;
    target
        .close()
        .map_err(|(_, error)| sqlite_error(COPYING, error))?;
    // Whoever may not read the database may not read its copy.
    let allowed = from.metadata().map_err(file)?.permissions();
    fs::set_permissions(draft.meanwhile(), allowed).map_err(file)?;
    draft.finish().map_err(file)
}

fn copy(
    source: &Connection,
    target: &mut Connection,
    progress: &mut dyn FnMut(Copied),
) -> Result<()> {
    let failed = |error| sqlite_error(COPYING, error);
    let backup = Backup::new(source, target).map_err(failed)?;
    loop {
        let step = backup.step(STEP).map_err(failed)?;
        let at = backup.progress();
        let pages = |count: i32| u64::try_from(count).unwrap_or(0);
        progress(Copied {
            pages: pages(at.pagecount - at.remaining),
            of: pages(at.pagecount),
        });
        match step {
            StepResult::Done => return Ok(()),
            StepResult::Busy | StepResult::Locked => return Err(StoreError::Locked),
            _ => {}
        }
    }
}

/// What SQLite finds wrong with a database: `ok`, or the first defect.
fn check(connection: &Connection) -> rusqlite::Result<String> {
    connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
}

fn sound(checked: rusqlite::Result<String>) -> Result<()> {
    match checked.map_err(|error| sqlite_error("checking the copy", error))? {
        found if found == "ok" => Ok(()),
        detail => Err(StoreError::Damaged { detail }),
    }
}

fn is_same(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}
