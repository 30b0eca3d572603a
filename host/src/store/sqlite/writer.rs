//! Writing documents, in transactions.

use std::sync::Arc;
use std::time::{Duration, Instant};

use migration_document::Filter;
use rusqlite::types::Value;
use rusqlite::{Connection, ffi, params_from_iter};

use super::codec::{self, Assignment, Decoded};
use super::query::{self, Conditions};
use super::schema::Layout;
use super::sql::{sqlite_error, write_error};
use super::{Layouts, known_layout, reader};
use crate::store::{
    Again, Document, Format, Kind, Mark, Place, Result, StoreError, Table, WriteError, Writer,
};

pub(super) struct SqliteWriter {
    pub(super) connection: Connection,
    layouts: Layouts,
    /// Some constraint of the schema is checked only when a transaction commits.
    deferred: bool,
    locked_at: Option<Instant>,
    /// The ledger's tables are there, as this host knows them.
    pub(super) ledger_ready: bool,
}

impl SqliteWriter {
    pub fn new(connection: Connection, layouts: Layouts) -> Result<Self> {
        let deferred = connection
            .query_row(
                "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE sql LIKE '%deferr%')",
                [],
                |row| row.get(0),
            )
            .map_err(|error| sqlite_error("reading the schema", error))?;
        Ok(Self {
            connection,
            layouts,
            deferred,
            locked_at: None,
            ledger_ready: false,
        })
    }

    fn layout(&self, table: &Table) -> Result<Arc<Layout>> {
        known_layout(&self.layouts, table)
    }

    fn run(&self, doing: &str, sql: &str) -> Result<()> {
        self.connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute([]))
            .map(|_| ())
            .map_err(|error| sqlite_error(doing, error))
    }

    /// Whether a foreign key is violated now that must not be when the transaction commits.
    fn owes_references(&self) -> bool {
        let (mut current, mut highest) = (0, 0);
        // SAFETY: the handle is open for as long as the connection is borrowed, and the call writes two
        // integers and keeps nothing.
        let status = unsafe {
            ffi::sqlite3_db_status(
                self.connection.handle(),
                ffi::SQLITE_DBSTATUS_DEFERRED_FKS,
                &raw mut current,
                &raw mut highest,
                0,
            )
        };
        status == ffi::SQLITE_OK && current != 0
    }

    fn write(&self, doing: &str, sql: &str, values: &[Value]) -> Result<(), WriteError> {
        let written = self
            .connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute(params_from_iter(values)))
            .map_err(|error| write_error(doing, error))?;
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

/// The terms that find a place, and what to bind.
fn at(layout: &Layout, place: &Place) -> Conditions {
    Conditions {
        terms: layout
            .place_columns()
            .iter()
            .map(|column| format!("{column} = ?"))
            .collect(),
        values: match place {
            Place::Row(number) => vec![Value::Integer(*number)],
            Place::Key(key) => key.iter().map(codec::bind).collect(),
        },
    }
}

/// How a value is written: bodies of binary tables are converted by SQLite.
fn mark(layout: &Layout, column: usize, binary: bool) -> &'static str {
    match layout.table.kind {
        Kind::Document { body } if body == column && binary => "jsonb(?)",
        _ => "?",
    }
}

impl Writer for SqliteWriter {
    fn mark(&mut self) -> Result<Mark> {
        self.connection
            .prepare_cached("PRAGMA main.data_version")
            .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
            .map(Mark)
            .map_err(|error| sqlite_error("reading the data version", error))
    }

    fn begin(&mut self) -> Result<()> {
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
        Ok(self
            .locked_at
            .take()
            .map_or(Duration::ZERO, |since| since.elapsed()))
    }

    fn rollback(&mut self) -> Result<()> {
        self.locked_at = None;
        // The ledger's tables may have been made in this transaction.
        self.ledger_ready = false;
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

    fn refuses_at_once(&self) -> bool {
        !self.deferred
    }

    fn again(&mut self, table: &Table, document: &Document) -> Result<Again> {
        let layout = self.layout(table)?;
        let place = at(&layout, &document.place);
        let sql = query::select(&layout, &[&place], &layout.place_columns());
        let doing = "reading a document again";
        let mut statement = self
            .connection
            .prepare_cached(&sql)
            .map_err(|error| sqlite_error(doing, error))?;
        let mut rows = statement
            .query(params_from_iter(&place.values))
            .map_err(|error| sqlite_error(doing, error))?;
        let Some(row) = rows.next().map_err(|error| sqlite_error(doing, error))? else {
            return Ok(Again::Gone);
        };
        Ok(
            match codec::decode(&self.connection, &layout, row, &Filter::default())? {
                Decoded::Document(now) if now == *document => Again::Same,
                // Another document may have got this one's row number.
                Decoded::Document(now) if now.id != document.id => Again::Gone,
                Decoded::Document(now) => Again::Changed(now),
                Decoded::Unreadable(now) => Again::Unreadable(now),
                Decoded::Other => Again::Gone,
            },
        )
    }

    fn current(&mut self, table: &Table, id: &str) -> Result<Option<Document>> {
        let layout = self.layout(table)?;
        reader::by_id(&self.connection, &layout, id)
    }

    fn update(&mut self, table: &Table, document: &Document, body: &str) -> Result<(), WriteError> {
        let layout = self.layout(table)?;
        let assignments: Vec<Assignment> = match layout.table.kind {
            Kind::Document { body: column } => vec![(column, Value::Text(body.into()))],
            Kind::Row => codec::changed_columns(&layout, &document.body, body)?,
        };
        if assignments.is_empty() {
            return Ok(());
        }
        let binary = document.format == Format::Binary;
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
        let place = at(&layout, &document.place);
        let sql = format!(
            "UPDATE {} SET {} WHERE {}",
            layout.from,
            set.join(", "),
            place.terms.join(" AND ")
        );
        let values: Vec<_> = assignments
            .into_iter()
            .map(|(_, value)| value)
            .chain(place.values)
            .collect();
        self.write("updating a document", &sql, &values)
    }

    fn insert(&mut self, table: &Table, id: Option<&str>, body: &str) -> Result<(), WriteError> {
        let layout = self.layout(table)?;
        let mut assignments = codec::new_row(&layout, id, body)?;
        // One order, so that the same columns make the same statement.
        assignments.sort_by_key(|(index, _)| *index);
        let columns: Vec<_> = assignments
            .iter()
            .map(|(index, _)| layout.column(*index))
            .collect();
        let marks: Vec<_> = assignments
            .iter()
            .map(|(index, _)| mark(&layout, *index, layout.binary))
            .collect();
        let sql = if columns.is_empty() {
            format!("INSERT INTO {} DEFAULT VALUES", layout.from)
        } else {
            format!(
                "INSERT INTO {} ({}) VALUES ({})",
                layout.from,
                columns.join(", "),
                marks.join(", ")
            )
        };
        let values: Vec<_> = assignments.into_iter().map(|(_, value)| value).collect();
        self.write("inserting a document", &sql, &values)
    }

    fn delete(&mut self, table: &Table, document: &Document) -> Result<(), WriteError> {
        let layout = self.layout(table)?;
        let place = at(&layout, &document.place);
        let sql = format!(
            "DELETE FROM {} WHERE {}",
            layout.from,
            place.terms.join(" AND ")
        );
        self.write("deleting a document", &sql, &place.values)
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
