//! The ledger's tables in SQLite.

use std::collections::BTreeMap;

use migration_document::Failure;
use rusqlite::{OptionalExtension as _, Params, Row, named_params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::sql::sqlite_error;
use super::writer::SqliteWriter;
use crate::ledger::{
    Counters, DocumentFailure, Ledger, Pace, PluginFile, QuarantinePart, Request, Run, RunId,
    RunState, Stage, Trail,
};
use crate::stages::Stages;
use crate::store::{Result, StoreError};

/// The newest version of these tables that this host knows.
const VERSION: i64 = 3;

/// The version before, which keeps no stages. It is made the newest where there is a pipeline to be kept, and not before:
/// a change of the schema may cost a run its place, see [`Writer::numbering`](crate::store::Writer::numbering).
const WITHOUT_STAGES: i64 = 2;

/// What the newest version has, and the one before has not.
const STAGES: &str = r#"
ALTER TABLE main."_host_runs" ADD COLUMN "stages" TEXT;
ALTER TABLE main."_host_quarantine" ADD COLUMN "migration" TEXT;
UPDATE main."_host_meta" SET "value" = 3 WHERE "name" = 'version';
"#;

/// Texts in JSON columns are what serde makes of the types in [`crate::ledger`]. A run of several migrations has all of
/// them as `stages`; the columns of a single one then tell of the first.
const TABLES: &str = r#"
CREATE TABLE IF NOT EXISTS main."_host_meta" (
    "name" TEXT NOT NULL PRIMARY KEY,
    "value" NOT NULL
) WITHOUT ROWID;
INSERT OR IGNORE INTO main."_host_meta" VALUES ('version', 3);
CREATE TABLE IF NOT EXISTS main."_host_runs" (
    "run" INTEGER NOT NULL PRIMARY KEY,
    "migration" TEXT NOT NULL,
    "version" INTEGER NOT NULL,
    "table" TEXT NOT NULL,
    "plugin" TEXT NOT NULL,
    "parameters" TEXT NOT NULL,
    "now" INTEGER NOT NULL,
    "state" TEXT NOT NULL,
    "checkpoint" TEXT,
    "trail" TEXT NOT NULL,
    "until" TEXT,
    "counters" TEXT NOT NULL,
    "by" TEXT NOT NULL,
    "ended" INTEGER,
    "lease" TEXT,
    "pace" TEXT NOT NULL,
    "request" TEXT,
    "path" TEXT,
    "earlier_plugins" TEXT NOT NULL,
    "reverts" INTEGER,
    "undo_forgotten" INTEGER NOT NULL,
    "stages" TEXT
);
CREATE INDEX IF NOT EXISTS main."_host_runs_claimed" ON "_host_runs" ("table") WHERE "lease" IS NOT NULL;
CREATE INDEX IF NOT EXISTS main."_host_runs_by_migration" ON "_host_runs" ("migration", "table");
CREATE INDEX IF NOT EXISTS main."_host_runs_reverting" ON "_host_runs" ("reverts") WHERE "reverts" IS NOT NULL;
CREATE TABLE IF NOT EXISTS main."_host_quarantine" (
    "number" INTEGER NOT NULL PRIMARY KEY,
    "run" INTEGER NOT NULL,
    "table" TEXT NOT NULL,
    "id" TEXT NOT NULL,
    "code" TEXT NOT NULL,
    "message" TEXT NOT NULL,
    "at" TEXT,
    "migration" TEXT
);
CREATE INDEX IF NOT EXISTS main."_host_quarantine_by_run" ON "_host_quarantine" ("run", "table", "id");
CREATE INDEX IF NOT EXISTS main."_host_quarantine_in_order" ON "_host_quarantine" ("run");
CREATE TABLE IF NOT EXISTS main."_host_undo" (
    "number" INTEGER NOT NULL PRIMARY KEY,
    "run" INTEGER NOT NULL,
    "log" BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS main."_host_undo_by_run" ON "_host_undo" ("run");
CREATE TABLE IF NOT EXISTS main."_host_order" (
    "number" INTEGER NOT NULL PRIMARY KEY,
    "event" TEXT NOT NULL,
    "migration" TEXT NOT NULL,
    "version" INTEGER NOT NULL,
    "sha256" TEXT NOT NULL,
    "at" INTEGER NOT NULL,
    "took" INTEGER NOT NULL,
    "by" TEXT NOT NULL,
    "why" TEXT,
    "way_back" TEXT NOT NULL
);
"#;

impl SqliteWriter {
    /// Whether the ledger's tables are there. Refuses those of another host.
    pub(super) fn has_ledger(&self) -> Result<bool> {
        Ok(self.ledger_version()?.is_some())
    }

    /// Whether the ledger can keep the stages of pipelines.
    fn keeps_stages(&self) -> Result<bool> {
        Ok(self.ledger_version()? == Some(VERSION))
    }

    fn ledger_version(&self) -> Result<Option<i64>> {
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
            return Ok(None);
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
            Some(found) if found < WITHOUT_STAGES => Err(StoreError::OlderLedger {
                found,
                known: VERSION,
            }),
            found => Ok(found),
        }
    }

    pub(super) fn make_ledger(&mut self) -> Result<()> {
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

    /// Writes down the stages of a run that has several, within the transaction in hand.
    fn save_stages(&mut self, run: RunId, stages: &Stages<Stage>) -> Result<()> {
        if !stages.are_several() {
            return Ok(());
        }
        if !self.keeps_stages()? {
            self.connection
                .execute_batch(STAGES)
                .map_err(|error| sqlite_error("letting the ledger keep stages", error))?;
        }
        let stages = text(stages)?;
        self.connection
            .prepare_cached(r#"UPDATE main."_host_runs" SET "stages" = ?2 WHERE "run" = ?1"#)
            .and_then(|mut statement| statement.execute((run.0, stages)))
            .map(|_| ())
            .map_err(|error| sqlite_error(WRITING, error))
    }
}

impl SqliteWriter {
    /// Notes at which migration a document in quarantine has failed, within the transaction in hand.
    fn blame(&mut self, number: i64, migration: Option<&str>) -> Result<()> {
        // The ledger of a store in which no run has several.
        if migration.is_none() && !self.keeps_stages()? {
            return Ok(());
        }
        self.connection
            .prepare_cached(
                r#"UPDATE main."_host_quarantine" SET "migration" = ?2 WHERE "number" = ?1"#,
            )
            .and_then(|mut statement| statement.execute((number, migration)))
            .map(|_| ())
            .map_err(|error| sqlite_error(WRITING, error))
    }

    fn select_runs(&mut self, rest: &str, parameters: impl Params) -> Result<Vec<Run>> {
        if !self.has_ledger()? {
            return Ok(Vec::new());
        }
        let stored: Vec<Stored> = self
            .connection
            .prepare_cached(&format!(r#"SELECT * FROM main."_host_runs" {rest}"#))
            .and_then(|mut statement| {
                statement
                    .query_map(parameters, Stored::read)?
                    .collect::<Result<_, _>>()
            })
            .map_err(|error| sqlite_error(READING, error))?;
        stored.into_iter().map(Stored::parse).collect()
    }
}

pub(super) const READING: &str = "reading the ledger";
pub(super) const WRITING: &str = "writing the ledger";

pub(super) fn text(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| StoreError::Backend {
        doing: WRITING.into(),
        source: Box::new(error),
    })
}

pub(super) fn parse<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| StoreError::Backend {
        doing: READING.into(),
        source: Box::new(error),
    })
}

/// A row of `_host_runs`, with its texts still to be parsed.
struct Stored {
    id: i64,
    migration: String,
    version: u32,
    table: String,
    plugin: String,
    parameters: String,
    now: i64,
    state: String,
    checkpoint: Option<String>,
    trail: String,
    until: Option<String>,
    counters: String,
    by: String,
    ended: Option<i64>,
    lease: Option<String>,
    pace: String,
    path: Option<String>,
    earlier_plugins: String,
    reverts: Option<i64>,
    undo_forgotten: bool,
    stages: Option<String>,
}

impl Stored {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get("run")?,
            migration: row.get("migration")?,
            version: row.get("version")?,
            table: row.get("table")?,
            plugin: row.get("plugin")?,
            parameters: row.get("parameters")?,
            now: row.get("now")?,
            state: row.get("state")?,
            checkpoint: row.get("checkpoint")?,
            trail: row.get("trail")?,
            until: row.get("until")?,
            counters: row.get("counters")?,
            by: row.get("by")?,
            ended: row.get("ended")?,
            lease: row.get("lease")?,
            pace: row.get("pace")?,
            path: row.get("path")?,
            earlier_plugins: row.get("earlier_plugins")?,
            reverts: row.get("reverts")?,
            undo_forgotten: row.get("undo_forgotten")?,
            stages: match row.get("stages") {
                Err(rusqlite::Error::InvalidColumnName(_)) => None,
                found => found?,
            },
        })
    }

    fn parse(self) -> Result<Run> {
        let state = RunState::named(&self.state).ok_or_else(|| StoreError::Backend {
            doing: READING.into(),
            source: format!(
                "run {} is in a state `{}` that this host does not know",
                self.id, self.state
            )
            .into(),
        })?;
        let stages = match &self.stages {
            Some(stages) => parse(stages)?,
            None => Stages::one(Stage {
                migration: self.migration,
                version: self.version,
                plugin: PluginFile {
                    sha256: self.plugin,
                    path: self.path,
                },
                earlier_plugins: parse(&self.earlier_plugins)?,
                parameters: parse::<BTreeMap<_, _>>(&self.parameters)?,
                counters: Counters::default(),
            }),
        };
        Ok(Run {
            id: Some(RunId(self.id)),
            stages,
            table: self.table,
            reverts: self.reverts.map(RunId),
            now: u64::try_from(self.now).unwrap_or_default(),
            state,
            checkpoint: self.checkpoint.as_deref().map(parse).transpose()?,
            trail: parse::<Trail>(&self.trail)?,
            until: self.until.as_deref().map(parse).transpose()?,
            counters: parse::<Counters>(&self.counters)?,
            by: self.by,
            ended: self.ended.map(|at| u64::try_from(at).unwrap_or_default()),
            lease: self.lease.as_deref().map(parse).transpose()?,
            pace: parse::<Pace>(&self.pace)?,
            undo_forgotten: self.undo_forgotten,
        })
    }
}

impl Ledger for SqliteWriter {
    fn newest_run(&mut self, migration: &str, table: &str) -> Result<Option<Run>> {
        let is_stage = if self.keeps_stages()? {
            r#"("migration" = ?1 OR EXISTS (SELECT 1 FROM json_each("stages") WHERE "value" ->> '$.migration' = ?1))"#
        } else {
            r#""migration" = ?1"#
        };
        Ok(self
            .select_runs(
                &format!(r#"WHERE {is_stage} AND "table" = ?2 AND "reverts" IS NULL ORDER BY "run" DESC LIMIT 1"#),
                [migration, table],
            )?
            .pop())
    }

    fn newest_revert(&mut self, run: RunId) -> Result<Option<Run>> {
        Ok(self
            .select_runs(
                r#"WHERE "reverts" = ?1 ORDER BY "run" DESC LIMIT 1"#,
                [run.0],
            )?
            .pop())
    }

    fn save_run(&mut self, run: &mut Run) -> Result<()> {
        self.make_ledger()?;
        let doing = WRITING;
        let checkpoint = run.checkpoint.as_ref().map(text).transpose()?;
        let trail = text(&run.trail)?;
        let until = run.until.as_ref().map(text).transpose()?;
        let lease = run.lease.as_ref().map(text).transpose()?;
        let counters = text(&run.counters)?;
        let pace = text(&run.pace)?;
        let ended = run.ended.map(|at| i64::try_from(at).unwrap_or(i64::MAX));
        let stage = run.stages.first();
        let earlier_plugins = text(&stage.earlier_plugins)?;
        if let Some(RunId(id)) = run.id {
            self.connection
                .prepare_cached(
                    r#"UPDATE main."_host_runs" SET "version" = :version, "plugin" = :plugin, "path" = :path, "earlier_plugins" = :earlier_plugins,
                        "state" = :state, "checkpoint" = :checkpoint, "trail" = :trail, "until" = :until, "counters" = :counters,
                        "ended" = :ended, "lease" = :lease, "pace" = :pace, "undo_forgotten" = :undo_forgotten
                        WHERE "run" = :run"#,
                )
                .and_then(|mut statement| {
                    statement.execute(named_params! {
                        ":version": stage.version,
                        ":plugin": stage.plugin.sha256,
                        ":path": stage.plugin.path,
                        ":earlier_plugins": earlier_plugins,
                        ":undo_forgotten": run.undo_forgotten,
                        ":state": run.state.name(),
                        ":checkpoint": checkpoint,
                        ":trail": trail,
                        ":until": until,
                        ":counters": counters,
                        ":ended": ended,
                        ":lease": lease,
                        ":pace": pace,
                        ":run": id,
                    })
                })
                .map_err(|error| sqlite_error(doing, error))?;
            return self.save_stages(RunId(id), &run.stages);
        }
        let parameters = text(&stage.parameters)?;
        let now = i64::try_from(run.now).unwrap_or(i64::MAX);
        let id = self
            .connection
            .query_row(
                r#"INSERT INTO main."_host_runs" ("migration", "version", "table", "plugin", "parameters", "now", "state",
                        "checkpoint", "trail", "until", "counters", "by", "ended", "lease", "pace", "path", "earlier_plugins",
                        "reverts", "undo_forgotten")
                    VALUES (:migration, :version, :table, :plugin, :parameters, :now, :state,
                        :checkpoint, :trail, :until, :counters, :by, :ended, :lease, :pace, :path, :earlier_plugins,
                        :reverts, :undo_forgotten) RETURNING "run""#,
                named_params! {
                    ":migration": stage.migration,
                    ":version": stage.version,
                    ":table": run.table,
                    ":plugin": stage.plugin.sha256,
                    ":path": stage.plugin.path,
                    ":earlier_plugins": earlier_plugins,
                    ":reverts": run.reverts.map(|run| run.0),
                    ":undo_forgotten": run.undo_forgotten,
                    ":parameters": parameters,
                    ":now": now,
                    ":state": run.state.name(),
                    ":checkpoint": checkpoint,
                    ":trail": trail,
                    ":until": until,
                    ":counters": counters,
                    ":by": run.by,
                    ":ended": ended,
                    ":lease": lease,
                    ":pace": pace,
                },
                |row| row.get(0),
            )
            .map_err(|error| sqlite_error(doing, error))?;
        self.save_stages(RunId(id), &run.stages)?;
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
            .map_err(|error| sqlite_error(WRITING, error))?;
        match &failure.migration {
            None => Ok(()),
            Some(migration) => {
                let number = self.connection.last_insert_rowid();
                self.blame(number, Some(migration))
            }
        }
    }

    fn quarantined(&mut self, run: RunId, limit: usize) -> Result<Vec<DocumentFailure>> {
        let all = QuarantinePart {
            after: i64::MIN,
            until: i64::MAX,
        };
        let found = self.quarantined_within(run, all, limit)?;
        Ok(found.into_iter().map(|(_, failure)| failure).collect())
    }

    fn quarantined_within(
        &mut self,
        run: RunId,
        part: QuarantinePart,
        limit: usize,
    ) -> Result<Vec<(i64, DocumentFailure)>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let migration = if self.keeps_stages()? {
            r#""migration""#
        } else {
            "NULL"
        };
        self.connection
            .prepare_cached(&format!(
                r#"SELECT "number", "table", "id", "code", "message", "at", {migration} FROM main."_host_quarantine"
                    WHERE "run" = ?1 AND "number" > ?2 AND "number" <= ?3 ORDER BY "number" LIMIT ?4"#,
            ))
            .and_then(|mut statement| {
                statement
                    .query_map((run.0, part.after, part.until, limit), |row| {
                        let failure = DocumentFailure {
                            table: row.get(1)?,
                            id: row.get(2)?,
                            migration: row.get(6)?,
                            failure: Failure {
                                code: row.get(3)?,
                                message: row.get(4)?,
                                at: row.get(5)?,
                            },
                        };
                        Ok((row.get(0)?, failure))
                    })?
                    .collect()
            })
            .map_err(|error| sqlite_error(READING, error))
    }

    fn last_quarantined(&mut self, run: RunId) -> Result<Option<(i64, u64)>> {
        self.connection
            .query_row(
                r#"SELECT max("number"), count(*) FROM main."_host_quarantine" WHERE "run" = ?1"#,
                [run.0],
                |row| Ok((row.get::<_, Option<i64>>(0)?, row.get::<_, i64>(1)?)),
            )
            .map(|(last, count)| Some((last?, u64::try_from(count).unwrap_or_default())))
            .map_err(|error| sqlite_error(READING, error))
    }

    fn quarantine_again(&mut self, number: i64, failed: &DocumentFailure) -> Result<()> {
        let failure = &failed.failure;
        self.blame(number, failed.migration.as_deref())?;
        // The row itself counts, too: so the new number is beyond its own.
        self.connection
            .prepare_cached(
                r#"UPDATE main."_host_quarantine" SET "code" = ?2, "message" = ?3, "at" = ?4,
                    "number" = (SELECT max("number") + 1 FROM main."_host_quarantine")
                    WHERE "number" = ?1"#,
            )
            .and_then(|mut statement| {
                statement.execute((number, &failure.code, &failure.message, &failure.at))
            })
            .map(|_| ())
            .map_err(|error| sqlite_error(WRITING, error))
    }

    fn leave_quarantine(&mut self, number: i64) -> Result<()> {
        self.connection
            .prepare_cached(r#"DELETE FROM main."_host_quarantine" WHERE "number" = ?1"#)
            .and_then(|mut statement| statement.execute([number]))
            .map(|_| ())
            .map_err(|error| sqlite_error(WRITING, error))
    }

    fn is_quarantined(&mut self, run: RunId, table: &str, id: &str) -> Result<bool> {
        self.connection
            .prepare_cached(
                r#"SELECT EXISTS (SELECT 1 FROM main."_host_quarantine" WHERE "run" = ?1 AND "table" = ?2 AND "id" = ?3)"#,
            )
            .and_then(|mut statement| statement.query_row((run.0, table, id), |row| row.get(0)))
            .map_err(|error| sqlite_error(READING, error))
    }

    fn run(&mut self, run: RunId) -> Result<Option<Run>> {
        Ok(self.select_runs(r#"WHERE "run" = ?1"#, [run.0])?.pop())
    }

    fn runs(&mut self) -> Result<Vec<Run>> {
        self.select_runs(r#"ORDER BY "run" DESC"#, [])
    }

    fn claimed(&mut self, table: &str) -> Result<Vec<Run>> {
        self.select_runs(r#"WHERE "table" = ?1 AND "lease" IS NOT NULL"#, [table])
    }

    fn request(&mut self, run: RunId) -> Result<Option<Request>> {
        self.connection
            .prepare_cached(r#"SELECT "request" FROM main."_host_runs" WHERE "run" = ?1"#)
            .and_then(|mut statement| {
                statement
                    .query_row([run.0], |row| row.get::<_, Option<String>>(0))
                    .optional()
            })
            .map(|request| Request::named(&request.flatten()?))
            .map_err(|error| sqlite_error(READING, error))
    }

    fn set_request(&mut self, run: RunId, request: Option<Request>) -> Result<()> {
        self.connection
            .prepare_cached(r#"UPDATE main."_host_runs" SET "request" = ?2 WHERE "run" = ?1"#)
            .and_then(|mut statement| statement.execute((run.0, request.map(Request::name))))
            .map(|_| ())
            .map_err(|error| sqlite_error(WRITING, error))
    }

    fn save_undo(&mut self, run: RunId, log: &[u8]) -> Result<()> {
        self.connection
            .prepare_cached(r#"INSERT INTO main."_host_undo" ("run", "log") VALUES (?1, ?2)"#)
            .and_then(|mut statement| statement.execute((run.0, log)))
            .map(|_| ())
            .map_err(|error| sqlite_error(WRITING, error))
    }

    fn newest_undo(&mut self, run: RunId, before: Option<i64>) -> Result<Option<(i64, Vec<u8>)>> {
        self.connection
            .prepare_cached(
                r#"SELECT "number", "log" FROM main."_host_undo" WHERE "run" = ?1 AND "number" < ?2
                    ORDER BY "number" DESC LIMIT 1"#,
            )
            .and_then(|mut statement| {
                statement
                    .query_row((run.0, before.unwrap_or(i64::MAX)), |row| {
                        Ok((row.get(0)?, row.get(1)?))
                    })
                    .optional()
            })
            .map_err(|error| sqlite_error(READING, error))
    }

    fn cut_undo(&mut self, number: i64, log: &[u8]) -> Result<()> {
        self.connection
            .prepare_cached(r#"UPDATE main."_host_undo" SET "log" = ?2 WHERE "number" = ?1"#)
            .and_then(|mut statement| statement.execute((number, log)))
            .map(|_| ())
            .map_err(|error| sqlite_error(WRITING, error))
    }

    fn drop_undo(&mut self, number: i64) -> Result<()> {
        self.connection
            .prepare_cached(r#"DELETE FROM main."_host_undo" WHERE "number" = ?1"#)
            .and_then(|mut statement| statement.execute([number]))
            .map(|_| ())
            .map_err(|error| sqlite_error(WRITING, error))
    }

    fn forget_undo(&mut self, run: RunId, most: usize) -> Result<u64> {
        self.connection
            .prepare_cached(
                r#"DELETE FROM main."_host_undo" WHERE "number" IN
                    (SELECT "number" FROM main."_host_undo" WHERE "run" = ?1 LIMIT ?2)"#,
            )
            .and_then(|mut statement| {
                statement.execute((run.0, i64::try_from(most).unwrap_or(i64::MAX)))
            })
            .map(|count| count as u64)
            .map_err(|error| sqlite_error(WRITING, error))
    }

    fn undo_size(&mut self, run: RunId) -> Result<u64> {
        self.connection
            .query_row(
                r#"SELECT coalesce(sum(length("log")), 0) FROM main."_host_undo" WHERE "run" = ?1"#,
                [run.0],
                |row| row.get::<_, i64>(0),
            )
            .map(|size| u64::try_from(size).unwrap_or_default())
            .map_err(|error| sqlite_error(READING, error))
    }
}
