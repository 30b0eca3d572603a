//! Documents in a SQLite database.
//!
//! The database needs no preparation. Foreign keys are enforced for what the host writes, whether the
//! application switches them on or not; journal mode, page size and `user_version` stay what they are.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, ffi};

pub mod backup;
mod codec;
mod company;
mod deadline;
mod held;
mod insertion;
mod layout;
mod ledger;
mod log;
mod order;
mod query;
mod reader;
mod schema;
mod shelf;
mod sql;
mod structure;
mod writer;

use layout::Layout;
use sql::sqlite_error;

use super::{
    Copied, Reader, Result, Store, StoreError, Table, TableOverride, TableSummary, Writer,
};

/// Page cache of the connection that writes, in KiB, as long as it goes over a table in its order. SQLite's default is 2 MB, which
/// a transaction may fill. More is slower: commits look at each page of it, and less of it is in the processor's caches.
const WRITER_CACHE_KIB: i64 = 8 * 1024;

/// The same once it writes indexes. A small one makes it read the same pages of a large table's indexes again and again.
const INDEX_CACHE_KIB: i64 = 24 * 1024;

/// After how many pages in the write-ahead log a commit moves them to their place, where nobody has done so before: see
/// [`Writer::tidy_up`]. SQLite's default is 1,000.
const LOG_PAGES: u32 = 8_000;

/// The same where a thread moves them: after so many it cannot keep up.
const KEPT_LOG_PAGES: u32 = 32_000;

/// Page cache of a connection that brings a table in, in KiB. Keys in no order go to all pages of their index in turns,
/// and a page that the cache has no room for is written, and read again for its next key.
const IMPORT_CACHE_KIB: i64 = 64 * 1024;

/// Page cache of a connection that reads, in KiB. Most of them go over a table once, and there are several.
const READER_CACHE_KIB: i64 = 4 * 1024;

/// How many prepared statements a connection keeps.
const STATEMENTS: usize = 128;

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    Read,
    Write,
}

/// A SQLite database file.
pub struct SqliteStore {
    path: PathBuf,
    lock_timeout: Duration,
    overrides: BTreeMap<String, TableOverride>,
    layouts: Layouts,
}

/// Layouts of tables, shared by the connections.
type Layouts = Arc<Mutex<HashMap<String, Arc<Layout>>>>;

impl SqliteStore {
    /// Opens a database that exists. Nothing is written to it, but what a process that died has left half
    /// written is taken back.
    ///
    /// `lock_timeout` bounds each wait for another process's lock.
    ///
    /// # Errors
    /// If there is no such file, or it is no SQLite database.
    pub fn open(
        path: &Path,
        lock_timeout: Duration,
        overrides: BTreeMap<String, TableOverride>,
    ) -> Result<Self> {
        if !path.is_file() {
            return Err(StoreError::Absent { path: path.into() });
        }
        let store = Self {
            path: path.into(),
            lock_timeout,
            overrides,
            layouts: Layouts::default(),
        };
        // Opening reads nothing; what comes after it reads the header and the schema.
        let checked = store.open_connection(Access::Read).and_then(|connection| {
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
        });
        match checked {
            Ok(()) => Ok(store),
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::NotADatabase) => {
                Err(StoreError::NotADatabase { path: path.into() })
            }
            Err(error) => Err(sqlite_error("reading the schema", error)),
        }
    }

    /// Opens a database, or makes an empty one where there is none. [`write_ahead`] is for when it has been filled.
    ///
    /// # Errors
    /// If the file cannot be made, or is no SQLite database.
    pub fn open_or_create(
        path: &Path,
        lock_timeout: Duration,
        overrides: BTreeMap<String, TableOverride>,
    ) -> Result<Self> {
        if !path.exists() {
            Connection::open(path).map_err(|error| sqlite_error("making the database", error))?;
        }
        Self::open(path, lock_timeout, overrides)
    }

    fn connect(&self, access: Access) -> Result<Connection> {
        self.open_connection(access)
            .map_err(|error| sqlite_error("opening the database", error))
    }

    fn open_connection(&self, access: Access) -> rusqlite::Result<Connection> {
        // Who only reads must be able to write, too: to take back what a process that died has left half
        // written. Where the file cannot be written, SQLite opens it for reading by itself.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(self.lock_timeout)?;
        let cache = match access {
            Access::Read => READER_CACHE_KIB,
            Access::Write => WRITER_CACHE_KIB,
        };
        connection.pragma_update(None, "query_only", access == Access::Read)?;
        connection.pragma_update(None, "cache_size", -cache)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        Ok(connection)
    }

    fn layout(&self, connection: &Connection, name: &str) -> Result<Arc<Layout>> {
        layout_of(&self.layouts, connection, name, self.overrides.get(name))
    }
}

/// Has SQLite keep no account of its memory, which nobody asks for: threads wait for each other over it.
///
/// # Safety
/// No other thread may be using SQLite. Where it is in use already, nothing changes.
pub unsafe fn keep_no_account_of_memory() {
    // SAFETY: the option takes an integer, and what else SQLite asks for the caller has promised.
    unsafe { ffi::sqlite3_config(ffi::SQLITE_CONFIG_MEMSTATUS, 0) };
}

/// Has a new database keep a write-ahead log from now on, as one needs it that is read and written at the same time.
///
/// What fills an empty database is written once without that log, and twice with it.
///
/// # Errors
/// If the database cannot be written, or another process uses it.
pub fn write_ahead(path: &Path) -> Result<()> {
    Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)
        .and_then(|connection| connection.pragma_update(None, "journal_mode", "wal"))
        .map_err(|error| sqlite_error("making the database", error))
}

/// Whether a database keeps a write-ahead log.
fn has_log(connection: &Connection) -> Result<bool> {
    connection
        .pragma_query_value(None, "journal_mode", |row| row.get::<_, String>(0))
        .map(|mode| mode == "wal")
        .map_err(|error| sqlite_error("reading the journal mode", error))
}

/// A table's layout, worked out once.
fn layout_of(
    layouts: &Layouts,
    connection: &Connection,
    name: &str,
    settings: Option<&TableOverride>,
) -> Result<Arc<Layout>> {
    let mut layouts = layouts.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(layout) = layouts.get(name) {
        return Ok(Arc::clone(layout));
    }
    let layout = Arc::new(schema::layout(connection, name, settings)?);
    layouts.insert(layout.table.name.clone(), Arc::clone(&layout));
    Ok(layout)
}

/// The layout of a table that this store has handed out.
fn known_layout(layouts: &Layouts, table: &Table) -> Result<Arc<Layout>> {
    layouts
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get(&table.name)
        .cloned()
        .ok_or_else(|| StoreError::NoSuchTable {
            table: table.name.clone(),
            known: Vec::new(),
        })
}

impl Store for SqliteStore {
    fn tables(&self) -> Result<Vec<TableSummary>> {
        let connection = self.connect(Access::Read)?;
        schema::summaries(&connection, |name| self.overrides.get(name).cloned())
    }

    fn table(&self, name: &str) -> Result<Arc<Table>> {
        let connection = self.connect(Access::Read)?;
        self.layout(&connection, name)
            .map(|layout| Arc::clone(&layout.table))
    }

    fn back_up(&self, to: &Path, replace: bool, progress: &mut dyn FnMut(Copied)) -> Result<()> {
        let source = self.connect(Access::Read)?;
        backup::back_up(&source, &self.path, to, replace, progress)
    }

    fn reads_beside_writes(&self) -> Result<bool> {
        has_log(&self.connect(Access::Read)?)
    }

    fn reader(&self) -> Result<Box<dyn Reader>> {
        let connection = self.connect(Access::Read)?;
        Ok(Box::new(reader::SqliteReader::new(
            connection,
            Arc::clone(&self.layouts),
        )?))
    }

    fn writer(&self) -> Result<Box<dyn Writer>> {
        let connection = self.connect(Access::Write)?;
        connection
            .pragma_update(None, "foreign_keys", true)
            .and_then(|()| connection.pragma_update(None, "wal_autocheckpoint", LOG_PAGES))
            .map_err(|error| sqlite_error("opening the database", error))?;
        Ok(Box::new(writer::SqliteWriter::new(
            connection,
            Arc::clone(&self.layouts),
            self.overrides.clone(),
        )?))
    }
}
