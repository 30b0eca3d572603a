//! The ledger's tables in SQLite.

use std::collections::BTreeMap;

use migration_document::Failure;
use rusqlite::{OptionalExtension as _, Row, named_params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::sql::sqlite_error;
use super::writer::SqliteWriter;
use crate::ledger::{Counters, DocumentFailure, Ledger, Run, RunId, RunState};
use crate::store::{Result, StoreError};

/// The newest version of these tables that this host knows.
const VERSION: i64 = 1;

/// Texts in JSON columns are what serde makes of the types in [`crate::ledger`].
const TABLES: &str = r#"
CREATE TABLE IF NOT EXISTS main."_host_meta" (
    "name" TEXT NOT NULL PRIMARY KEY,
    "value" NOT NULL
) WITHOUT ROWID;
INSERT OR IGNORE INTO main."_host_meta" VALUES ('version', 1);
CREATE TABLE IF NOT EXISTS main."_host_runs" (
    "run" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "migration" TEXT NOT NULL,
    "table" TEXT NOT NULL,
    "plugin" TEXT NOT NULL,
    "parameters" TEXT NOT NULL,
    "now" INTEGER NOT NULL,
    "state" TEXT NOT NULL,
    "checkpoint" TEXT,
    "until" TEXT,
    "counters" TEXT NOT NULL,
    "saved_at" TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ'))
);
CREATE INDEX IF NOT EXISTS main."_host_runs_by_migration" ON "_host_runs" ("migration", "table");
CREATE TABLE IF NOT EXISTS main."_host_quarantine" (
    "number" INTEGER NOT NULL PRIMARY KEY,
    "run" INTEGER NOT NULL,
    "table" TEXT NOT NULL,
    "id" TEXT NOT NULL,
    "code" TEXT NOT NULL,
    "message" TEXT NOT NULL,
    "at" TEXT
);
CREATE INDEX IF NOT EXISTS main."_host_quarantine_by_run" ON "_host_quarantine" ("run");
"#;

impl SqliteWriter {
    /// Whether the ledger's tables are there. Refuses those of a newer host.
    fn has_ledger(&self) -> Result<bool> {
        let doing = "reading the ledger's version";
        let present: bool = self
            .connection
            .query_row(
                "SELECT EXISTS (SELECT 1 FROM main.sqlite_schema WHERE name = '_host_meta')",
                [],
                |row| row.get(0),
            )
            .map_err(|error| sqlite_error(doing, error))?;
        if !present {
            return Ok(false);
        }
        let found: Option<i64> = self
            .connection
            .query_row(
                r#"SELECT "value" FROM main."_host_meta" WHERE "name" = 'version'"#,
                [],
                |row| row.get(0),
            )
            .optional()
            .map_err(|error| sqlite_error(doing, error))?;
        match found {
            Some(found) if found > VERSION => Err(StoreError::NewerLedger {
                found,
                known: VERSION,
            }),
            found => Ok(found.is_some()),
        }
    }

    fn make_ledger(&mut self) -> Result<()> {
        if !self.ledger_ready {
            if !self.has_ledger()? {
                self.connection
                    .execute_batch(TABLES)
                    .map_err(|error| sqlite_error("making the ledger", error))?;
            }
            self.ledger_ready = true;
        }
        Ok(())
    }
}

fn text(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| StoreError::Backend {
        doing: "writing the ledger".into(),
        source: Box::new(error),
    })
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| StoreError::Backend {
        doing: "reading the ledger".into(),
        source: Box::new(error),
    })
}

/// A row of `_host_runs`, with its texts still to be parsed.
struct Stored {
    id: i64,
    migration: String,
    table: String,
    plugin: String,
    parameters: String,
    now: i64,
    state: String,
    checkpoint: Option<String>,
    until: Option<String>,
    counters: String,
}

impl Stored {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get("run")?,
            migration: row.get("migration")?,
            table: row.get("table")?,
            plugin: row.get("plugin")?,
            parameters: row.get("parameters")?,
            now: row.get("now")?,
            state: row.get("state")?,
            checkpoint: row.get("checkpoint")?,
            until: row.get("until")?,
            counters: row.get("counters")?,
        })
    }

    fn parse(self) -> Result<Run> {
        let state = RunState::named(&self.state).ok_or_else(|| StoreError::Backend {
            doing: "reading the ledger".into(),
            source: format!(
                "run {} is in a state `{}` that this host does not know",
                self.id, self.state
            )
            .into(),
        })?;
        Ok(Run {
            id: Some(RunId(self.id)),
            migration: self.migration,
            table: self.table,
            plugin: self.plugin,
            parameters: parse::<BTreeMap<_, _>>(&self.parameters)?,
            now: u64::try_from(self.now).unwrap_or_default(),
            state,
            checkpoint: self.checkpoint.as_deref().map(parse).transpose()?,
            until: self.until.as_deref().map(parse).transpose()?,
            counters: parse::<Counters>(&self.counters)?,
        })
    }
}

impl Ledger for SqliteWriter {
    fn newest_run(&mut self, migration: &str, table: &str) -> Result<Option<Run>> {
        if !self.has_ledger()? {
            return Ok(None);
        }
        self.connection
            .query_row(
                r#"SELECT * FROM main."_host_runs" WHERE "migration" = ?1 AND "table" = ?2 ORDER BY "run" DESC LIMIT 1"#,
                [migration, table],
                Stored::read,
            )
            .optional()
            .map_err(|error| sqlite_error("reading the ledger", error))?
            .map(Stored::parse)
            .transpose()
    }

    fn save_run(&mut self, run: &mut Run) -> Result<()> {
        self.make_ledger()?;
        let doing = "writing the ledger";
        let checkpoint = run.checkpoint.as_ref().map(text).transpose()?;
        let until = run.until.as_ref().map(text).transpose()?;
        let counters = text(&run.counters)?;
        let now = i64::try_from(run.now).unwrap_or(i64::MAX);
        if let Some(RunId(id)) = run.id {
            return self
                .connection
                .prepare_cached(
                    r#"UPDATE main."_host_runs" SET "state" = :state, "checkpoint" = :checkpoint, "until" = :until,
                        "counters" = :counters, "saved_at" = strftime('%Y-%m-%dT%H:%M:%fZ') WHERE "run" = :run"#,
                )
                .and_then(|mut statement| {
                    statement.execute(named_params! {
                        ":state": run.state.name(),
                        ":checkpoint": checkpoint,
                        ":until": until,
                        ":counters": counters,
                        ":run": id,
                    })
                })
                .map(|_| ())
                .map_err(|error| sqlite_error(doing, error));
        }
        let parameters = text(&run.parameters)?;
        let id = self
            .connection
            .query_row(
                r#"INSERT INTO main."_host_runs" ("migration", "table", "plugin", "parameters", "now", "state", "checkpoint", "until", "counters")
                    VALUES (:migration, :table, :plugin, :parameters, :now, :state, :checkpoint, :until, :counters) RETURNING "run""#,
                named_params! {
                    ":migration": run.migration,
                    ":table": run.table,
                    ":plugin": run.plugin,
                    ":parameters": parameters,
                    ":now": now,
                    ":state": run.state.name(),
                    ":checkpoint": checkpoint,
                    ":until": until,
                    ":counters": counters,
                },
                |row| row.get(0),
            )
            .map_err(|error| sqlite_error(doing, error))?;
        run.id = Some(RunId(id));
        Ok(())
    }

    fn quarantine(&mut self, run: RunId, failure: &DocumentFailure) -> Result<()> {
        self.connection
            .prepare_cached(
                r#"INSERT INTO main."_host_quarantine" ("run", "table", "id", "code", "message", "at")
                    VALUES (?1, ?2, ?3, ?4, ?5, ?6)"#,
            )
            .and_then(|mut statement| {
                statement.execute((
                    run.0,
                    &failure.table,
                    &failure.id,
                    &failure.failure.code,
                    &failure.failure.message,
                    &failure.failure.at,
                ))
            })
            .map(|_| ())
            .map_err(|error| sqlite_error("writing the ledger", error))
    }

    fn quarantined(&mut self, run: RunId, limit: usize) -> Result<Vec<DocumentFailure>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.connection
            .prepare_cached(
                r#"SELECT "table", "id", "code", "message", "at" FROM main."_host_quarantine"
                    WHERE "run" = ?1 ORDER BY "number" LIMIT ?2"#,
            )
            .and_then(|mut statement| {
                statement
                    .query_map((run.0, limit), |row| {
                        Ok(DocumentFailure {
                            table: row.get(0)?,
                            id: row.get(1)?,
                            failure: Failure {
                                code: row.get(2)?,
                                message: row.get(3)?,
                                at: row.get(4)?,
                            },
                        })
                    })?
                    .collect()
            })
            .map_err(|error| sqlite_error("reading the ledger", error))
    }
}
