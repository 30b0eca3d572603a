//! The ledger's tables in SQLite that are about the order of migrations.

use rusqlite::{OptionalExtension as _, Row, named_params};

use super::ledger::{READING, WRITING, parse, text};
use super::sql::sqlite_error;
use super::writer::SqliteWriter;
use crate::ledger::order::{Event, Record};
use crate::ledger::{Lease, OrderLedger};
use crate::store::{Result, StoreError};

/// The name of the claim among what the ledger says of itself.
const LEASE: &str = "order-lease";

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A row, with what must be parsed of it.
fn read(row: &Row<'_>) -> rusqlite::Result<(Record, String, String)> {
    let record = Record {
        number: row.get("number")?,
        // Put in its place when it is parsed.
        event: Event::Applied,
        migration: row.get("migration")?,
        version: row.get("version")?,
        sha256: row.get("sha256")?,
        at: unsigned(row.get("at")?),
        took: unsigned(row.get("took")?),
        by: row.get("by")?,
        why: row.get("why")?,
        way_back: Vec::new(),
    };
    Ok((record, row.get("event")?, row.get("way_back")?))
}

impl OrderLedger for SqliteWriter {
    fn records(&mut self) -> Result<Vec<Record>> {
        if !self.has_ledger()? {
            return Ok(Vec::new());
        }
        let stored = self
            .connection
            .prepare_cached(r#"SELECT * FROM main."_host_order" ORDER BY "number""#)
            .and_then(|mut statement| {
                statement
                    .query_map([], read)?
                    .collect::<rusqlite::Result<Vec<_>>>()
            })
            .map_err(|error| sqlite_error(READING, error))?;
        stored
            .into_iter()
            .map(|(record, event, way_back)| {
                let event = Event::named(&event).ok_or_else(|| StoreError::Backend {
                    doing: READING.into(),
                    source: format!("it tells of `{event}`, which this host does not know").into(),
                })?;
                Ok(Record {
                    event,
                    way_back: parse(&way_back)?,
                    ..record
                })
            })
            .collect()
    }

    fn save_record(&mut self, record: &mut Record) -> Result<()> {
        self.make_ledger()?;
        let way_back = text(&record.way_back)?;
        if let Some(number) = record.number {
            return self
                .connection
                .execute(
                    r#"UPDATE main."_host_order" SET "way_back" = ?2 WHERE "number" = ?1"#,
                    (number, way_back),
                )
                .map(|_| ())
                .map_err(|error| sqlite_error(WRITING, error));
        }
        let number = self
            .connection
            .query_row(
                r#"INSERT INTO main."_host_order" ("event", "migration", "version", "sha256", "at", "took", "by", "why", "way_back")
                    VALUES (:event, :migration, :version, :sha256, :at, :took, :by, :why, :way_back) RETURNING "number""#,
                named_params! {
                    ":event": record.event.name(),
                    ":migration": record.migration,
                    ":version": record.version,
                    ":sha256": record.sha256,
                    ":at": signed(record.at),
                    ":took": signed(record.took),
                    ":by": record.by,
                    ":why": record.why,
                    ":way_back": way_back,
                },
                |row| row.get(0),
            )
            .map_err(|error| sqlite_error(WRITING, error))?;
        record.number = Some(number);
        Ok(())
    }

    fn order_lease(&mut self) -> Result<Option<Lease>> {
        if !self.has_ledger()? {
            return Ok(None);
        }
        self.connection
            .query_row(
                r#"SELECT "value" FROM main."_host_meta" WHERE "name" = ?1"#,
                [LEASE],
                |row| row.get::<_, String>(0),
            )
            .optional()
            .map_err(|error| sqlite_error(READING, error))?
            .as_deref()
            .map(parse)
            .transpose()
    }

    fn set_order_lease(&mut self, lease: Option<&Lease>) -> Result<()> {
        self.make_ledger()?;
        let written = match lease {
            Some(lease) => self.connection.execute(
                r#"INSERT OR REPLACE INTO main."_host_meta" VALUES (?1, ?2)"#,
                (LEASE, text(lease)?),
            ),
            None => self.connection.execute(
                r#"DELETE FROM main."_host_meta" WHERE "name" = ?1"#,
                [LEASE],
            ),
        };
        written
            .map(|_| ())
            .map_err(|error| sqlite_error(WRITING, error))
    }
}
