//! Documents in a SQLite database.
//!
//! The database needs no preparation. Foreign keys are enforced for what the host writes, whether the
//! application switches them on or not; journal mode, page size and `user_version` stay what they are.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

mod codec;
mod ledger;
mod query;
mod reader;
mod schema;
mod sql;
mod writer;

use schema::Layout;
use sql::{quote, sqlite_error};

use super::{
    NewKey, Reader, Result, Store, StoreError, Table, TableOverride, TableSummary, Writer,
};

/// Page cache of each connection, in KiB. The default of 2 MB makes a writer read the same pages of a
/// large table's indexes again and again.
const CACHE_KIB: i64 = 24 * 1024;

/// How many prepared statements a connection keeps.
const STATEMENTS: usize = 128;

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
    /// Opens a database that exists. Nothing is written to it.
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
        let connection = store.connect(OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        // Opening reads nothing; this reads the header and the schema.
        connection
            .query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
            .map_err(|error| match error.sqlite_error_code() {
                Some(ErrorCode::NotADatabase) => StoreError::NotADatabase { path: path.into() },
                _ => sqlite_error("reading the schema", error),
            })?;
        Ok(store)
    }

    /// Opens a database, or makes an empty one in WAL mode where there is none.
    ///
    /// # Errors
    /// If the file cannot be made, or is no SQLite database.
    pub fn open_or_create(
        path: &Path,
        lock_timeout: Duration,
        overrides: BTreeMap<String, TableOverride>,
    ) -> Result<Self> {
        if !path.exists() {
            let connection = Connection::open(path)
                .map_err(|error| sqlite_error("making the database", error))?;
            connection
                .pragma_update(None, "journal_mode", "wal")
                .map_err(|error| sqlite_error("making the database", error))?;
        }
        Self::open(path, lock_timeout, overrides)
    }

    fn connect(&self, access: OpenFlags) -> Result<Connection> {
        let doing = "opening the database";
        let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)
            .map_err(|error| sqlite_error(doing, error))?;
        connection
            .busy_timeout(self.lock_timeout)
            .map_err(|error| sqlite_error(doing, error))?;
        connection
            .pragma_update(None, "cache_size", -CACHE_KIB)
            .map_err(|error| sqlite_error(doing, error))?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        Ok(connection)
    }

    fn layout(&self, connection: &Connection, name: &str) -> Result<Arc<Layout>> {
        let mut layouts = self.layouts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(layout) = layouts.get(name) {
            return Ok(Arc::clone(layout));
        }
        let layout = Arc::new(schema::layout(connection, name, self.overrides.get(name))?);
        layouts.insert(layout.table.name.clone(), Arc::clone(&layout));
        Ok(layout)
    }
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
        let connection = self.connect(OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        schema::summaries(&connection, |name| self.overrides.get(name).cloned())
    }

    fn table(&self, name: &str) -> Result<Arc<Table>> {
        let connection = self.connect(OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        self.layout(&connection, name)
            .map(|layout| Arc::clone(&layout.table))
    }

    fn create_document_table(&self, name: &str, key: NewKey) -> Result<Arc<Table>> {
        let connection = self.connect(OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let key = match key {
            NewKey::Text => "TEXT NOT NULL PRIMARY KEY",
            NewKey::Counted => "INTEGER PRIMARY KEY",
        };
        connection
            .execute(
                &format!(
                    "CREATE TABLE main.{} (\"_id\" {key}, \"doc\" JSON NOT NULL)",
                    quote(name)
                ),
                [],
            )
            .map_err(|error| {
                if error.to_string().contains("already exists") {
                    StoreError::TableExists(name.into())
                } else {
                    sqlite_error("making the table", error)
                }
            })?;
        self.layout(&connection, name)
            .map(|layout| Arc::clone(&layout.table))
    }

    fn reader(&self) -> Result<Box<dyn Reader>> {
        let connection = self.connect(OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        Ok(Box::new(reader::SqliteReader::new(
            connection,
            Arc::clone(&self.layouts),
        )))
    }

    fn writer(&self) -> Result<Box<dyn Writer>> {
        let connection = self.connect(OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        connection
            .pragma_update(None, "foreign_keys", true)
            .map_err(|error| sqlite_error("opening the database", error))?;
        Ok(Box::new(writer::SqliteWriter::new(
            connection,
            Arc::clone(&self.layouts),
        )?))
    }
}
