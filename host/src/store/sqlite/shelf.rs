//! What a snapshot holds besides documents, in SQLite.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::reader::SqliteReader;
use super::sql::sqlite_error;
use super::writer::SqliteWriter;
use crate::convex::TableNumber;
use crate::store::Result;
use crate::store::shelf::{Shelf, ShelfEntry, ShelfWriter};

const TABLES: &str = r#"
CREATE TABLE IF NOT EXISTS main."_host_snapshot_entries" (
    "number" INTEGER NOT NULL PRIMARY KEY,
    "path" TEXT NOT NULL UNIQUE
);
CREATE TABLE IF NOT EXISTS main."_host_snapshot_parts" (
    "entry" INTEGER NOT NULL,
    "part" INTEGER NOT NULL,
    "bytes" BLOB NOT NULL,
    PRIMARY KEY ("entry", "part")
);
CREATE TABLE IF NOT EXISTS main."_host_snapshot_tables" (
    "table" TEXT NOT NULL PRIMARY KEY,
    "number" INTEGER NOT NULL
) WITHOUT ROWID;
"#;

const READING: &str = "reading what is kept of a snapshot";
const KEEPING: &str = "keeping a part of the snapshot";

fn has_shelf(connection: &Connection) -> Result<bool> {
    connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM main.sqlite_schema WHERE name = '_host_snapshot_tables')",
        )
        .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
        .map_err(|error| sqlite_error(READING, error))
}

/// The number of a table, if it has one.
pub(super) fn table_number(connection: &Connection, table: &str) -> Result<Option<TableNumber>> {
    if !has_shelf(connection)? {
        return Ok(None);
    }
    connection
        .prepare_cached(r#"SELECT "number" FROM main."_host_snapshot_tables" WHERE "table" = ?1"#)
        .and_then(|mut statement| statement.query_row([table], |row| row.get(0)).optional())
        .map(|number| number.map(TableNumber))
        .map_err(|error| sqlite_error(READING, error))
}

/// The numbers of all tables that have one.
fn table_numbers(connection: &Connection) -> Result<BTreeMap<String, TableNumber>> {
    if !has_shelf(connection)? {
        return Ok(BTreeMap::new());
    }
    connection
        .prepare_cached(r#"SELECT "table", "number" FROM main."_host_snapshot_tables""#)
        .and_then(|mut statement| {
            statement
                .query_map([], |row| Ok((row.get(0)?, TableNumber(row.get(1)?))))?
                .collect()
        })
        .map_err(|error| sqlite_error(READING, error))
}

/// Gives a new table a number, where the other tables have some.
pub(super) fn number_new_table(connection: &Connection, table: &str) -> Result<()> {
    let numbers = table_numbers(connection)?;
    if numbers.is_empty() || numbers.contains_key(table) {
        return Ok(());
    }
    number_table(connection, table, TableNumber::after(numbers.into_values()))
}

fn number_table(connection: &Connection, table: &str, number: TableNumber) -> Result<()> {
    connection
        .execute(
            r#"INSERT OR REPLACE INTO main."_host_snapshot_tables" VALUES (?1, ?2)"#,
            params![table, number.0],
        )
        .map(|_| ())
        .map_err(|error| sqlite_error("numbering the table", error))
}

impl Shelf for SqliteReader {
    fn shelf_entries(&mut self) -> Result<Vec<ShelfEntry>> {
        if !has_shelf(&self.connection)? {
            return Ok(Vec::new());
        }
        self.connection
            .prepare_cached(
                r#"SELECT "number", "path" FROM main."_host_snapshot_entries" ORDER BY "number""#,
            )
            .and_then(|mut statement| {
                statement
                    .query_map([], |row| {
                        Ok(ShelfEntry {
                            number: row.get(0)?,
                            path: row.get(1)?,
                        })
                    })?
                    .collect()
            })
            .map_err(|error| sqlite_error(READING, error))
    }

    fn shelf_part(&mut self, entry: i64, part: u32) -> Result<Option<Vec<u8>>> {
        self.connection
            .prepare_cached(
                r#"SELECT "bytes" FROM main."_host_snapshot_parts" WHERE "entry" = ?1 AND "part" = ?2"#,
            )
            .and_then(|mut statement| {
                statement
                    .query_row([entry, i64::from(part)], |row| row.get(0))
                    .optional()
            })
            .map_err(|error| sqlite_error(READING, error))
    }

    fn table_numbers(&mut self) -> Result<BTreeMap<String, TableNumber>> {
        table_numbers(&self.connection)
    }
}

impl SqliteWriter {
    fn make_shelf(&mut self) -> Result<()> {
        if has_shelf(&self.connection)? {
            return Ok(());
        }
        self.connection
            .execute_batch(TABLES)
            .map_err(|error| sqlite_error(KEEPING, error))
    }
}

impl ShelfWriter for SqliteWriter {
    fn keep_entry(&mut self, path: &str) -> Result<i64> {
        self.make_shelf()?;
        let keep = || {
            let number: i64 = self.connection.query_row(
                r#"INSERT INTO main."_host_snapshot_entries" ("path") VALUES (?1)
                   ON CONFLICT DO UPDATE SET "path" = excluded."path" RETURNING "number""#,
                [path],
                |row| row.get(0),
            )?;
            self.connection.execute(
                r#"DELETE FROM main."_host_snapshot_parts" WHERE "entry" = ?1"#,
                [number],
            )?;
            Ok(number)
        };
        keep().map_err(|error| sqlite_error(KEEPING, error))
    }

    fn keep_part(&mut self, entry: i64, part: u32, bytes: &[u8]) -> Result<()> {
        self.connection
            .prepare_cached(r#"INSERT INTO main."_host_snapshot_parts" VALUES (?1, ?2, ?3)"#)
            .and_then(|mut statement| statement.execute(params![entry, part, bytes]))
            .map(|_| ())
            .map_err(|error| sqlite_error(KEEPING, error))
    }

    fn number_table(&mut self, table: &str, number: TableNumber) -> Result<()> {
        self.make_shelf()?;
        number_table(&self.connection, table, number)
    }
}
