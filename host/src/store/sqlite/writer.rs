//! Writing documents, in transactions.

use std::collections::BTreeMap;
use std::ffi::c_int;
use std::path::Path;
use std::ptr;
use std::rc::Rc;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use migration_document::Filter;
use rusqlite::types::Value;
use rusqlite::{Connection, Params, ffi, params, params_from_iter};

use super::codec::{self, Assignment, Decoded, Generated, NewRow, Wanted};
use super::company::Company;
use super::held::Held;
use super::insertion::Insertion;
use super::layout::Layout;
use super::log::{LogKeeper, move_to_place};
use super::reader::reading_error;
use super::sql::{quote, sqlite_error, write_error};
use super::{
    IMPORT_CACHE_KIB, INDEX_CACHE_KIB, KEPT_LOG_PAGES, LOG_PAGES, Layouts, WRITER_CACHE_KIB,
    has_log, known_layout, layout_of, reader, shelf,
};
use crate::store::{
    Again, Document, Format, Kind, Mark, NewKey, Place, Result, StoreError, Table, TableOverride,
    WriteError, Writer,
};

/// A layout, which is asked for with each document. Its owners in this thread are counted apart: next to what other threads
/// read in it, each count would take it out of their processors' caches.
type OwnLayout = Rc<Arc<Layout>>;

pub(super) struct SqliteWriter {
    pub(super) connection: Rc<Connection>,
    /// What is executed for each document.
    held: Held,
    layouts: Layouts,
    /// How the user sees tables.
    pub(super) overrides: BTreeMap<String, TableOverride>,
    /// The layout that was last asked for.
    last: Option<OwnLayout>,
    /// The statement that last added a document.
    insertion: Option<Insertion>,
    /// How large its page cache may be.
    cache_kib: i64,
    /// Some constraint of the schema is checked only when a transaction commits.
    deferred: bool,
    locked_at: Option<Instant>,
    /// How many pages had been written when the write-ahead log was moved to its place.
    tidied: c_int,
    /// What brings the write-ahead log to the disk and to its place, where commits do not wait for it.
    keeper: Option<LogKeeper>,
    /// What tells whether other programs have the database open; None where nothing does.
    company: Option<Company>,
    /// A write has changed more rows than its own.
    rippled: bool,
    /// The ledger's tables are there, as this host knows them.
    pub(super) ledger_ready: bool,
    /// The transaction in hand has changed tables or indexes.
    restructured: bool,
}

impl SqliteWriter {
    pub fn new(
        connection: Connection,
        layouts: Layouts,
        overrides: BTreeMap<String, TableOverride>,
    ) -> Result<Self> {
        let deferred = connection
            .query_row(
                "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE sql LIKE '%deferr%')",
                [],
                |row| row.get(0),
            )
            .map_err(|error| sqlite_error("reading the schema", error))?;
        let connection = Rc::new(connection);
        Ok(Self {
            held: Held::new(Rc::clone(&connection)),
            connection,
            layouts,
            overrides,
            last: None,
            insertion: None,
            cache_kib: WRITER_CACHE_KIB,
            deferred,
            locked_at: None,
            tidied: 0,
            keeper: None,
            company: None,
            rippled: false,
            ledger_ready: false,
            restructured: false,
        })
    }

    /// Tables are no longer what they were, or need not be: they are worked out anew.
    pub(super) fn forget_layouts(&mut self) {
        self.restructured = true;
        self.last = None;
        self.layouts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    /// The layout of a table. Most writes go to the same table as the one before.
    fn layout(&mut self, table: &Table) -> Result<OwnLayout> {
        if let Some(last) = &self.last
            && (ptr::eq(&*last.table, table) || last.table.name == table.name)
        {
            return Ok(Rc::clone(last));
        }
        let layout = Rc::new(known_layout(&self.layouts, table)?);
        self.last = Some(Rc::clone(&layout));
        Ok(layout)
    }

    fn run(&self, doing: &str, sql: &str) -> Result<()> {
        self.connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute([]))
            .map(|_| ())
            .map_err(|error| sqlite_error(doing, error))
    }

    /// Whether somebody else brings commits to the disk and moves the log, or each commit by itself. That must not be said
    /// within a transaction.
    fn leave_log_to_keeper(&self, leave: bool) -> Result<()> {
        let (synchronous, pages) = if leave {
            ("NORMAL", KEPT_LOG_PAGES)
        } else {
            ("FULL", LOG_PAGES)
        };
        self.connection
            .pragma_update(None, "synchronous", synchronous)
            .and_then(|()| {
                self.connection
                    .pragma_update(None, "wal_autocheckpoint", pages)
            })
            .map_err(|error| sqlite_error("setting what a commit waits for", error))
    }

    /// From now on indexes are written, and these anywhere.
    fn expect_indexes(&mut self) -> Result<()> {
        self.enlarge_cache(INDEX_CACHE_KIB)
    }

    fn enlarge_cache(&mut self, kib: i64) -> Result<()> {
        if self.cache_kib >= kib {
            return Ok(());
        }
        self.cache_kib = kib;
        self.connection
            .pragma_update(None, "cache_size", -kib)
            .map_err(|error| sqlite_error("sizing the cache", error))
    }

    /// Whether a foreign key is violated now that must not be when the transaction commits.
    fn owes_references(&self) -> bool {
        self.status(ffi::SQLITE_DBSTATUS_DEFERRED_FKS) != 0
    }

    /// How many pages this connection has written, counted up without an end.
    fn pages_written(&self) -> c_int {
        self.status(ffi::SQLITE_DBSTATUS_CACHE_WRITE)
    }

    /// A figure that SQLite keeps of a connection; 0 where it keeps none.
    fn status(&self, which: c_int) -> c_int {
        let (mut current, mut highest) = (0, 0);
        // SAFETY: the handle is open for as long as the connection is borrowed, and the call writes two
        // integers and keeps nothing.
        let status = unsafe {
            ffi::sqlite3_db_status(
                self.connection.handle(),
                which,
                &raw mut current,
                &raw mut highest,
                0,
            )
        };
        if status == ffi::SQLITE_OK { current } else { 0 }
    }

    fn set_body(
        &mut self,
        table: &Table,
        document: &Document,
        body: &str,
        generated: Generated,
    ) -> Result<(), WriteError> {
        let layout = self.layout(table)?;
        let binary = document.format == Format::Binary;
        if let (Kind::Document { .. }, Place::Row(number)) = (&layout.table.kind, &document.place) {
            if layout.indexed {
                self.expect_indexes()?;
            }
            let [plain, converted] = &layout.set_body;
            let sql = if binary { converted } else { plain };
            return self.write("updating a document", sql, params![body, number]);
        }
        let assignments: Vec<Assignment> = match layout.table.kind {
            Kind::Document { body: column } => vec![(column, Value::Text(body.into()))],
            Kind::Row => codec::changed_columns(&layout, &document.body, body, generated)?,
        };
        if assignments.is_empty() {
            return Ok(());
        }
        self.expect_indexes()?;
        let set: Vec<_> = assignments
            .iter()
            .map(|(index, _)| {
                format!(
                    "{} = {}",
                    layout.column(*index),
                    mark(&layout, *index, binary)
                )
            })
            .collect();
        let sql = format!(
            "UPDATE {} SET {} WHERE {}",
            layout.from,
            set.join(", "),
            layout.place_terms().join(" AND ")
        );
        let values = assignments
            .into_iter()
            .map(|(_, value)| value)
            .chain(codec::place_values(&document.place));
        self.write("updating a document", &sql, params_from_iter(values))
    }

    fn insert_row(
        &mut self,
        layout: &Arc<Layout>,
        mut row: NewRow,
        binary: bool,
    ) -> Result<(), WriteError> {
        self.expect_indexes()?;
        // One order, so that the same columns make the same statement.
        row.assignments.sort_by_key(|(index, _)| *index);
        let insertion = self
            .insertion
            .take()
            .filter(|last| last.fits(layout, &row, binary))
            .unwrap_or_else(|| Insertion::new(layout, &row, binary));
        let values = row
            .assignments
            .into_iter()
            .map(|(_, value)| value)
            .chain(row.number);
        let written = self.write(
            "inserting a document",
            insertion.sql(),
            params_from_iter(values),
        );
        self.insertion = Some(insertion);
        written
    }

    fn at_place(
        &mut self,
        layout: &Layout,
        place: &Place,
        wanted: Wanted<'_>,
    ) -> Result<Option<Decoded>> {
        let connection = &self.connection;
        self.held
            .with(&layout.read_place, |statement| {
                reader::at_place(connection, statement, layout, place, wanted)
            })
            .map_err(|error| reading_error(layout, error))
            .flatten()
    }

    fn write(&mut self, doing: &str, sql: &str, values: impl Params) -> Result<(), WriteError> {
        let before = self.connection.total_changes();
        let written = self
            .held
            .with(sql, |statement| statement.execute(values))
            .flatten()
            .map_err(|error| write_error(doing, error))?;
        // What triggers and foreign keys change counts in total, but not as written.
        let changed = self.connection.total_changes() - before;
        self.rippled |= changed > written as u64;
        if written == 0 {
            // The document was there a moment ago, within this transaction.
            return Err(WriteError::refused(
                "not-written",
                "the database did not write it; a trigger of the table may have kept it from being written",
                None,
            ));
        }
        Ok(())
    }
}

/// How a value is written: bodies of binary tables are converted by SQLite.
pub(super) fn mark(layout: &Layout, column: usize, binary: bool) -> &'static str {
    match layout.table.kind {
        Kind::Document { body } if body == column && binary => "jsonb(?)",
        _ => "?",
    }
}

impl Writer for SqliteWriter {
    /// Moves the write-ahead log to its place, as far as nobody reads it, once there is something to be moved.
    fn tidy_up(&mut self, beside_others: bool, meanwhile: &mut dyn FnMut() -> bool) -> Result<()> {
        /// Fewer pages are not worth waiting for the disk.
        const WORTH_IT: c_int = 1_000;
        /// How many pages are moved at once while more are written.
        const PART: c_int = 2_000;
        /// How many pages the log may have before it begins anew.
        const LONG: u32 = 4_000;
        let written = self.pages_written();
        let to_move = written.wrapping_sub(self.tidied);
        if to_move < WORTH_IT {
            return Ok(());
        }
        match &self.keeper {
            None => {
                move_to_place(&self.connection)?;
            }
            // A long log has others move it themselves, each time that they commit.
            Some(keeper) if beside_others || (keeper.pages() >= LONG && !keeper.moves()) => {
                keeper.move_all(meanwhile);
            }
            Some(keeper) if to_move >= PART && !keeper.moves() => keeper.begin_to_move(),
            Some(_) => return Ok(()),
        }
        self.tidied = written;
        Ok(())
    }

    fn mark(&mut self) -> Result<Mark> {
        self.connection
            .prepare_cached("PRAGMA main.data_version")
            .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
            .map(Mark)
            .map_err(|error| sqlite_error("reading the data version", error))
    }

    fn numbering(&mut self, table: &Table) -> Result<Option<i64>> {
        if !table.key.is_empty() {
            return Ok(None);
        }
        // VACUUM counts it up, as every change of the schema does.
        self.connection
            .prepare_cached("PRAGMA main.schema_version")
            .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
            .map(Some)
            .map_err(|error| sqlite_error("reading the schema's version", error))
    }

    fn commit_ahead(&mut self) -> Result<()> {
        if self.keeper.is_some() || !has_log(&self.connection)? {
            return Ok(());
        }
        let database = self.connection.path().map(Path::new);
        // Without it commits go on waiting.
        self.keeper = database.and_then(|path| LogKeeper::start(path).ok());
        if self.company.is_none() {
            self.company = database.and_then(Company::of);
        }
        self.leave_log_to_keeper(self.keeper.is_some())
    }

    fn may_have_company(&mut self) -> bool {
        self.company.as_ref().is_none_or(Company::is_there)
    }

    fn make_durable(&mut self) -> Result<()> {
        let Some(keeper) = self.keeper.take() else {
            return Ok(());
        };
        self.leave_log_to_keeper(false)?;
        keeper.finish()
    }

    fn begin(&mut self) -> Result<()> {
        if let Some(keeper) = &self.keeper {
            keeper.check()?;
        }
        // A transaction that starts by reading could not become a writer once another has written.
        self.run("starting a transaction", "BEGIN IMMEDIATE")?;
        self.locked_at = Some(Instant::now());
        Ok(())
    }

    fn changed_since(&mut self, mark: Mark) -> Result<bool> {
        Ok(self.mark()? != mark)
    }

    fn commit(&mut self) -> Result<Duration> {
        if let Err(error) = self.run("committing a batch", "COMMIT") {
            // After some failures the transaction is still open, after others it is not.
            if !self.connection.is_autocommit() {
                self.rollback()?;
            }
            return Err(error);
        }
        self.restructured = false;
        if let Some(keeper) = &self.keeper {
            keeper.committed();
        }
        Ok(self
            .locked_at
            .take()
            .map_or(Duration::ZERO, |since| since.elapsed()))
    }

    fn rollback(&mut self) -> Result<()> {
        self.locked_at = None;
        // The ledger's tables may have been made in this transaction.
        self.ledger_ready = false;
        if std::mem::take(&mut self.restructured) {
            self.forget_layouts();
            self.restructured = false;
        }
        if self.connection.is_autocommit() {
            return Ok(());
        }
        self.run("taking a transaction back", "ROLLBACK")
    }

    fn save_point(&mut self) -> Result<()> {
        self.run("marking a save point", "SAVEPOINT document")
    }

    fn release(&mut self) -> Result<(), WriteError> {
        if self.deferred && self.owes_references() {
            return Err(WriteError::refused(
                "foreign-key",
                "the database refuses it: FOREIGN KEY constraint failed",
                None,
            ));
        }
        Ok(self.run("releasing a save point", "RELEASE document")?)
    }

    fn rewind(&mut self) -> Result<()> {
        self.run("going back to a save point", "ROLLBACK TO document")?;
        self.run("releasing a save point", "RELEASE document")
    }

    fn has_rippled(&self) -> bool {
        self.rippled
    }

    fn refuses_at_once(&self) -> bool {
        !self.deferred
    }

    fn again(&mut self, table: &Table, document: &Document) -> Result<Again> {
        let layout = self.layout(table)?;
        let everything = Filter::default();
        let json = Wanted::Meeting(&everything);
        let found = self.at_place(&layout, &document.place, json)?;
        Ok(match found {
            Some(Decoded::Document(now)) if now == *document => Again::Same,
            // Another document may have got this one's row number.
            Some(Decoded::Document(now)) if now.id != document.id => Again::Gone,
            Some(Decoded::Document(now)) => Again::Changed(now),
            Some(Decoded::Unreadable(now)) => Again::Unreadable(now),
            Some(Decoded::Other) | None => Again::Gone,
        })
    }

    fn current(&mut self, table: &Table, id: &str) -> Result<Option<Document>> {
        let layout = self.layout(table)?;
        reader::by_id(&self.connection, &layout, id)
    }

    fn find_again(
        &mut self,
        table: &Table,
        id: &str,
        place: Option<&Place>,
    ) -> Result<Option<Document>> {
        let layout = self.layout(table)?;
        let connection = &self.connection;
        self.held
            .with(&layout.read_place, |statement| {
                reader::find_again(connection, statement, &layout, id, place)
            })
            .map_err(|error| reading_error(&layout, error))
            .flatten()
    }

    fn expect_many(&mut self) -> Result<()> {
        self.enlarge_cache(IMPORT_CACHE_KIB)
    }

    fn table(&mut self, name: &str) -> Result<Arc<Table>> {
        let settings = self.overrides.get(name);
        layout_of(&self.layouts, &self.connection, name, settings)
            .map(|layout| Arc::clone(&layout.table))
    }

    fn create_document_table(&mut self, name: &str, key: NewKey) -> Result<Arc<Table>> {
        let key = match key {
            NewKey::Text => "TEXT NOT NULL PRIMARY KEY",
            NewKey::Counted => "INTEGER PRIMARY KEY",
        };
        let sql = format!(
            "CREATE TABLE main.{} (\"_id\" {key}, \"doc\" JSON NOT NULL)",
            quote(name)
        );
        self.connection.execute(&sql, []).map_err(|error| {
            if error.to_string().contains("already exists") {
                StoreError::TableExists(name.into())
            } else {
                sqlite_error("making the table", error)
            }
        })?;
        shelf::number_new_table(&self.connection, name)?;
        layout_of(&self.layouts, &self.connection, name, None)
            .map(|layout| Arc::clone(&layout.table))
    }

    fn is_empty(&mut self, table: &Table) -> Result<bool> {
        let layout = self.layout(table)?;
        let sql = format!("SELECT NOT EXISTS (SELECT 1 FROM {})", layout.from);
        self.connection
            .query_row(&sql, [], |row| row.get(0))
            .map_err(|error| sqlite_error("looking for documents", error))
    }

    fn clear(&mut self, table: &Table) -> Result<(), WriteError> {
        let layout = self.layout(table)?;
        self.connection
            .execute(&format!("DELETE FROM {}", layout.from), [])
            .map(|_| ())
            .map_err(|error| write_error("clearing the table", error))
    }

    fn put_back(
        &mut self,
        table: &Table,
        id: &str,
        body: &str,
        format: Format,
    ) -> Result<(), WriteError> {
        let layout = self.layout(table)?;
        let row = codec::old_row(&layout, id, body)?;
        self.insert_row(&layout, row, format == Format::Binary)
    }

    fn put_body_back(
        &mut self,
        table: &Table,
        document: &Document,
        body: &str,
    ) -> Result<(), WriteError> {
        self.set_body(table, document, body, Generated::Follow)
    }

    fn update(&mut self, table: &Table, document: &Document, body: &str) -> Result<(), WriteError> {
        self.set_body(table, document, body, Generated::Refuse)
    }

    fn insert(&mut self, table: &Table, id: Option<&str>, body: &str) -> Result<(), WriteError> {
        let layout = self.layout(table)?;
        let row = codec::new_row(&layout, id, body)?;
        self.insert_row(&layout, row, layout.binary)
    }

    fn delete(&mut self, table: &Table, document: &Document) -> Result<(), WriteError> {
        self.expect_indexes()?;
        let layout = self.layout(table)?;
        let sql = format!(
            "DELETE FROM {} WHERE {}",
            layout.from,
            layout.place_terms().join(" AND ")
        );
        let place = codec::place_values(&document.place);
        self.write("deleting a document", &sql, params_from_iter(place))
    }
}

impl Drop for SqliteWriter {
    fn drop(&mut self) {
        // What was not committed is taken back by SQLite when the connection closes.
        if !self.connection.is_autocommit() {
            let _: Result<(), StoreError> = self.rollback();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;
    use crate::store::sqlite::SqliteStore;

    /// What each commit waits for, in SQLite's words.
    fn synchronous(writer: &SqliteWriter) -> i64 {
        const FULL: i64 = 2;
        let found = writer
            .connection
            .pragma_query_value(None, "synchronous", |row| row.get(0))
            .unwrap();
        assert_eq!(writer.keeper.is_none(), found == FULL);
        found
    }

    #[test]
    fn commits_do_not_wait_for_the_disk_while_that_is_said_and_there_is_a_log() {
        for (mode, ahead) in [("wal", 1), ("delete", 2)] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("app.db");
            let made = Connection::open(&path).unwrap();
            made.pragma_update(None, "journal_mode", mode).unwrap();
            let mut writer = SqliteWriter::new(made, Layouts::default(), BTreeMap::new()).unwrap();
            assert_eq!(synchronous(&writer), 2);
            for _ in 0..2 {
                writer.commit_ahead().unwrap();
                writer.commit_ahead().unwrap();
                assert_eq!(synchronous(&writer), ahead);
                let tells = cfg!(target_os = "linux") && mode == "wal";
                assert_eq!(writer.may_have_company(), !tells);
                writer.begin().unwrap();
                writer.create_document_table(mode, NewKey::Text).unwrap();
                writer.rollback().unwrap();
                writer.make_durable().unwrap();
                assert_eq!(synchronous(&writer), 2);
            }
        }
    }

    #[test]
    fn what_is_no_json_is_found_again_as_it_is() {
        let made = Connection::open_in_memory().unwrap();
        let mut writer = SqliteWriter::new(made, Layouts::default(), BTreeMap::new()).unwrap();
        let table = writer
            .create_document_table("things", NewKey::Text)
            .unwrap();
        writer.insert(&table, Some("a"), "{}").unwrap();
        let found = writer.current(&table, "a").unwrap().unwrap();
        writer
            .connection
            .execute("UPDATE things SET doc = 'nonsense'", [])
            .unwrap();
        let again = writer.find_again(&table, "a", Some(&found.place)).unwrap();
        assert_eq!(again.unwrap().body, "nonsense");
        assert!(matches!(
            writer.current(&table, "a"),
            Err(StoreError::Unreadable { .. })
        ));
    }

    #[test]
    fn the_log_is_moved_between_transactions_once_it_is_worth_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.db");
        let made = Connection::open(&path).unwrap();
        made.pragma_update(None, "journal_mode", "wal").unwrap();
        let store = SqliteStore::open(&path, Duration::from_secs(1), BTreeMap::new()).unwrap();
        let mut writer = store.writer().unwrap();
        let moved = || std::fs::metadata(&path).unwrap().len() > 40_000;

        writer.begin().unwrap();
        let table = writer
            .create_document_table("things", NewKey::Text)
            .unwrap();
        writer.commit().unwrap();
        let body = format!("\"{}\"", "x".repeat(4_000));
        for (documents, worth_it) in [(10, false), (1_500, true)] {
            writer.begin().unwrap();
            for number in 0..documents {
                let id = format!("{documents}-{number}");
                writer.insert(&table, Some(&id), &body).unwrap();
            }
            writer.commit().unwrap();
            assert!(!moved(), "{documents}");
            writer.tidy_up(false, &mut || false).unwrap();
            assert_eq!(moved(), worth_it);
        }
    }

    #[test]
    fn a_kept_log_is_moved_in_parts_and_waited_for_beside_others_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.db");
        let made = Connection::open(&path).unwrap();
        made.pragma_update(None, "journal_mode", "wal").unwrap();
        let mut writer = SqliteWriter::new(made, Layouts::default(), BTreeMap::new()).unwrap();
        writer.commit_ahead().unwrap();
        writer.begin().unwrap();
        let table = writer
            .create_document_table("things", NewKey::Counted)
            .unwrap();
        writer.commit().unwrap();
        let size = || std::fs::metadata(&path).unwrap().len();
        let body = format!("\"{}\"", "x".repeat(4_000));
        // A part of the log is too little to be moved, unless others would have to.
        for (documents, beside_others, moves) in [
            (1_500, false, false),
            (1_000, false, true),
            (1_500, true, true),
        ] {
            let before = size();
            writer.begin().unwrap();
            for _ in 0..documents {
                writer.insert(&table, None, &body).unwrap();
            }
            writer.commit().unwrap();
            writer.tidy_up(beside_others, &mut || false).unwrap();
            let keeper = writer.keeper.as_ref().unwrap();
            assert!(!beside_others || !keeper.moves());
            while keeper.moves() {
                std::thread::yield_now();
            }
            assert_eq!(size() > before, moves, "{documents}");
        }
        writer.make_durable().unwrap();
    }
}
