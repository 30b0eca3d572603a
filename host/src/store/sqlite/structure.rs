//! Changing tables and indexes. SQLite does it in transactions, as anything else.
//!
//! A table that is dropped becomes one of the host's own: it is given another name, which takes no time, whatever its
//! size. Where it refers to other tables it cannot stay, because a row that nobody sees would hold on to the rows
//! that it refers to; then it is copied. Either way its indexes and triggers go, and are remembered by their SQL.

use migration_document::{Condition, Filter, Test};
use rusqlite::{Connection, OptionalExtension as _, Params};

use super::query;
use super::schema::{self, reserved};
use super::sql::{json_path, quote, sqlite_error};
use super::writer::SqliteWriter;
use crate::store::structure::{Change, Structure, WayBack};
use crate::store::{NewKey, Result, StoreError, Table, Writer as _};

/// What the names of tables begin with that keep what was dropped.
const KEPT: &str = "_host_kept_";

/// The column of a copy that holds the numbers of the rows.
const NUMBER: &str = "_host_number";

/// Doing something to a part of the structure.
struct Doing(String);

impl Doing {
    /// It is refused.
    fn refused(&self, why: impl Into<String>) -> StoreError {
        StoreError::Structure {
            doing: self.0.clone(),
            why: why.into(),
        }
    }

    /// It failed: what SQLite says of the SQL is a refusal.
    fn failed(&self, error: rusqlite::Error) -> StoreError {
        match sqlite_error(&self.0, error) {
            StoreError::Backend { source, .. } => self.refused(source.to_string()),
            other => other,
        }
    }

    fn run(&self, connection: &Connection, sql: &str) -> Result<()> {
        // One statement: what stands behind it is an error.
        connection
            .execute(sql, [])
            .map(|_| ())
            .map_err(|error| self.failed(error))
    }

    fn strings(
        &self,
        connection: &Connection,
        sql: &str,
        parameters: impl Params,
    ) -> Result<Vec<String>> {
        connection
            .prepare(sql)
            .and_then(|mut statement| {
                statement
                    .query_map(parameters, |row| row.get(0))?
                    .collect::<rusqlite::Result<_>>()
            })
            .map_err(|error| self.failed(error))
    }

    /// A name that the host may use.
    fn allowed(&self, name: &str) -> Result<()> {
        if name.is_empty() || reserved(name) {
            return Err(self.refused(
                "names that begin with `_host_` or `sqlite_` are out of reach, and so is none",
            ));
        }
        Ok(())
    }

    /// A table's name, as the schema spells it, and the SQL that made it.
    fn table(&self, connection: &Connection, name: &str) -> Result<(String, String)> {
        self.allowed(name)?;
        let (found, kind): (String, String) = connection
            .query_row(
                "SELECT name, type FROM pragma_table_list WHERE schema = 'main' AND name = ?1 COLLATE NOCASE",
                [name],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()
            .map_err(|error| self.failed(error))?
            .ok_or_else(|| self.refused("there is no such table"))?;
        if kind != "table" {
            return Err(self.refused(format!("it is a {kind}, and no table of its own")));
        }
        let sql = connection
            .query_row(
                "SELECT sql FROM main.sqlite_schema WHERE type = 'table' AND name = ?1",
                [&found],
                |row| row.get(0),
            )
            .map_err(|error| self.failed(error))?;
        Ok((found, sql))
    }

    /// What the schema says of everything but a table and its parts: names, and SQL.
    fn others(&self, connection: &Connection, table: &str) -> Result<Vec<(String, String)>> {
        connection
            .prepare(
                "SELECT type || ' `' || name || '`', sql FROM main.sqlite_schema
                 WHERE sql IS NOT NULL AND tbl_name <> ?1 COLLATE NOCASE ORDER BY type, name",
            )
            .and_then(|mut statement| {
                statement
                    .query_map([table], |row| Ok((row.get(0)?, row.get(1)?)))?
                    .collect::<rusqlite::Result<_>>()
            })
            .map_err(|error| self.failed(error))
    }

    /// Gives a table another name. SQLite writes the new name into whatever uses the table, and by this it is
    /// known: if anything does, the table cannot go.
    fn rename(&self, connection: &Connection, from: &str, to: &str) -> Result<()> {
        let before = self.others(connection, from)?;
        self.run(
            connection,
            &format!("ALTER TABLE main.{} RENAME TO {}", quote(from), quote(to)),
        )?;
        let after = self.others(connection, to)?;
        let users: Vec<_> = before
            .iter()
            .zip(&after)
            .filter(|(before, after)| before != after)
            .map(|((name, _), _)| name.as_str())
            .collect();
        if users.is_empty() {
            return Ok(());
        }
        Err(self.refused(format!("{} needs it", users.join(" and "))))
    }
}

impl SqliteWriter {
    fn drop_table(&mut self, name: &str, keep: bool) -> Result<WayBack> {
        let doing = Doing(format!("dropping table `{name}`"));
        let connection = &self.connection;
        let (name, sql) = doing.table(connection, name)?;
        let parts = "SELECT sql FROM main.sqlite_schema
            WHERE type IN ('index', 'trigger') AND tbl_name = ?1 AND sql IS NOT NULL ORDER BY type, name";
        let made_by = doing.strings(connection, parts, [&name])?;
        for kind in ["trigger", "index"] {
            let names = doing.strings(
                connection,
                "SELECT name FROM main.sqlite_schema WHERE type = ?1 AND tbl_name = ?2 AND sql IS NOT NULL",
                [kind, &name],
            )?;
            for part in names {
                doing.run(connection, &format!("DROP {kind} main.{}", quote(&part)))?;
            }
        }
        let refers: bool = connection
            .query_row(
                "SELECT EXISTS (SELECT 1 FROM pragma_foreign_key_list(?1, 'main'))",
                [&name],
                |row| row.get(0),
            )
            .map_err(|error| doing.failed(error))?;
        let kept = doing.free_name(connection)?;
        doing.rename(connection, &name, &kept)?;
        let drop_it = |table: &str| format!("DROP TABLE main.{}", quote(table));
        if !keep {
            doing.run(connection, &drop_it(&kept))?;
            return Ok(WayBack::None {
                why: format!("table `{name}` was dropped with `keep = false`"),
            });
        }
        if !refers {
            return Ok(WayBack::RestoreTable {
                name,
                kept,
                made_by: None,
                parts: made_by,
            });
        }
        let copy = doing.free_name(connection)?;
        let columns = doing.columns(connection, &kept)?;
        let number = doing.number(connection, &kept)?;
        let selected: Vec<_> = number
            .map(|number| format!("{number} AS {}", quote(NUMBER)))
            .into_iter()
            .chain(columns)
            .collect();
        doing.run(
            connection,
            &format!(
                "CREATE TABLE main.{} AS SELECT {} FROM main.{}",
                quote(&copy),
                selected.join(", "),
                quote(&kept)
            ),
        )?;
        doing.run(connection, &drop_it(&kept))?;
        Ok(WayBack::RestoreTable {
            name,
            kept: copy,
            made_by: Some(sql),
            parts: made_by,
        })
    }

    fn restore_table(
        &self,
        name: &str,
        kept: &str,
        made_by: Option<&str>,
        parts: &[String],
    ) -> Result<()> {
        let doing = Doing(format!("bringing table `{name}` back"));
        let connection = &self.connection;
        match made_by {
            None => doing.rename(connection, kept, name)?,
            Some(sql) => {
                doing.run(connection, sql)?;
                let columns = doing.columns(connection, name)?;
                let mut into = columns.clone();
                let mut from = columns;
                if let Some(number) = doing.number(connection, name)? {
                    into.push(number.to_owned());
                    from.push(quote(NUMBER));
                }
                doing.run(
                    connection,
                    &format!(
                        "INSERT INTO main.{} ({}) SELECT {} FROM main.{}",
                        quote(name),
                        into.join(", "),
                        from.join(", "),
                        quote(kept)
                    ),
                )?;
                doing.run(connection, &format!("DROP TABLE main.{}", quote(kept)))?;
            }
        }
        parts.iter().try_for_each(|sql| doing.run(connection, sql))
    }

    fn create_index(
        &mut self,
        name: &str,
        table: &str,
        on: &[String],
        unique: bool,
    ) -> Result<WayBack> {
        let doing = Doing(format!("creating index `{name}`"));
        doing.allowed(name)?;
        let layout = schema::layout(&self.connection, table, self.overrides.get(table))?;
        let on = on
            .iter()
            .map(|pointer| doing.indexed(&layout.table, pointer))
            .collect::<Result<Vec<_>>>()?;
        if on.is_empty() {
            return Err(doing.refused("`on` names nothing"));
        }
        let unique = if unique { "UNIQUE " } else { "" };
        doing.run(
            &self.connection,
            &format!(
                "CREATE {unique}INDEX main.{} ON {} ({})",
                quote(name),
                quote(&layout.table.name),
                on.join(", ")
            ),
        )?;
        Ok(WayBack::DropIndex { name: name.into() })
    }

    fn drop_index(&self, name: &str) -> Result<WayBack> {
        let doing = Doing(format!("dropping index `{name}`"));
        doing.allowed(name)?;
        let found: Option<(String, Option<String>)> = self
            .connection
            .query_row(
                "SELECT name, sql FROM main.sqlite_schema WHERE type = 'index' AND name = ?1 COLLATE NOCASE",
                [name],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()
            .map_err(|error| doing.failed(error))?;
        match found {
            Some((name, Some(sql))) => {
                doing.run(
                    &self.connection,
                    &format!("DROP INDEX main.{}", quote(&name)),
                )?;
                Ok(WayBack::CreateIndex { sql })
            }
            Some((_, None)) => Err(doing.refused("its table's own constraint is made of it")),
            None => Err(doing.refused("there is no such index")),
        }
    }

    fn drop_empty_table(&self, name: &str) -> Result<()> {
        let doing = Doing(format!("taking table `{name}` away again"));
        let (name, _) = match doing.table(&self.connection, name) {
            Ok(found) => found,
            // It is gone, as it was before.
            Err(StoreError::Structure { .. }) => return Ok(()),
            Err(error) => return Err(error),
        };
        let holds: bool = self
            .connection
            .query_row(
                &format!("SELECT EXISTS (SELECT 1 FROM main.{})", quote(&name)),
                [],
                |row| row.get(0),
            )
            .map_err(|error| doing.failed(error))?;
        if holds {
            return Err(doing.refused("it holds documents by now, which would be lost"));
        }
        let kept = doing.free_name(&self.connection)?;
        doing.rename(&self.connection, &name, &kept)?;
        doing.run(
            &self.connection,
            &format!("DROP TABLE main.{}", quote(&kept)),
        )
    }
}

impl Doing {
    /// A name for a table that keeps what was dropped.
    fn free_name(&self, connection: &Connection) -> Result<String> {
        let taken = self.strings(
            connection,
            "SELECT name FROM main.sqlite_schema WHERE type = 'table'",
            [],
        )?;
        let last = taken
            .iter()
            .filter_map(|name| name.strip_prefix(KEPT)?.parse::<u64>().ok())
            .max()
            .unwrap_or(0);
        Ok(format!("{KEPT}{}", last + 1))
    }

    /// The quoted names of the columns that can be set.
    fn columns(&self, connection: &Connection, table: &str) -> Result<Vec<String>> {
        let names = self.strings(
            connection,
            "SELECT name FROM pragma_table_xinfo(?1, 'main') WHERE hidden = 0 ORDER BY cid",
            [table],
        )?;
        Ok(names.iter().map(|name| quote(name)).collect())
    }

    /// The name under which a table's row number can be read and set.
    fn number(&self, connection: &Connection, table: &str) -> Result<Option<&'static str>> {
        let without: bool = connection
            .query_row(
                "SELECT wr FROM pragma_table_list WHERE schema = 'main' AND name = ?1",
                [table],
                |row| row.get(0),
            )
            .map_err(|error| self.failed(error))?;
        let columns = self.strings(
            connection,
            "SELECT name FROM pragma_table_xinfo(?1, 'main')",
            [table],
        )?;
        Ok(schema::number_of_row(
            without,
            columns.iter().map(String::as_str),
        ))
    }

    /// What an index is on, spelled as queries spell it.
    fn indexed(&self, table: &Table, pointer: &str) -> Result<String> {
        // A condition decodes its pointer as queries see it.
        let filter = Filter::new(&[Condition {
            at: pointer.into(),
            test: Test::Present,
        }])
        .map_err(|error| self.refused(error.to_string()))?;
        let tokens = filter
            .clauses()
            .first()
            .map(|clause| clause.tokens())
            .unwrap_or_default();
        if let Some(body) = table.body_name() {
            let path = json_path(tokens)
                .ok_or_else(|| self.refused(format!("SQLite has no path for `{pointer}`")))?;
            return Ok(query::extract(&quote(body), &path));
        }
        match tokens {
            [column] if table.columns.iter().any(|known| known.name == *column) => {
                Ok(quote(column))
            }
            _ => Err(self.refused(format!("`{pointer}` names no column of `{}`", table.name))),
        }
    }
}

impl Structure for SqliteWriter {
    fn change(&mut self, change: &Change) -> Result<WayBack> {
        let way = match change {
            Change::CreateTable { name, key, columns } => {
                let doing = Doing(format!("creating table `{name}`"));
                doing.allowed(name)?;
                if columns.is_empty() {
                    self.create_document_table(name, key.unwrap_or(NewKey::Text))?;
                } else if key.is_some() {
                    return Err(
                        doing.refused("`key` is for document tables, and `columns` for others")
                    );
                } else {
                    let columns = columns.join(", ");
                    doing.run(
                        &self.connection,
                        &format!("CREATE TABLE main.{} ({columns})", quote(name)),
                    )?;
                }
                WayBack::DropTable { name: name.clone() }
            }
            Change::DropTable { name, keep } => self.drop_table(name, *keep)?,
            Change::CreateIndex {
                name,
                table,
                on,
                unique,
            } => self.create_index(name, table, on, *unique)?,
            Change::DropIndex { name } => self.drop_index(name)?,
        };
        self.forget_layouts();
        Ok(way)
    }

    fn change_back(&mut self, way: &WayBack) -> Result<()> {
        match way {
            WayBack::DropTable { name } => self.drop_empty_table(name)?,
            WayBack::RestoreTable {
                name,
                kept,
                made_by,
                parts,
            } => self.restore_table(name, kept, made_by.as_deref(), parts)?,
            WayBack::DropIndex { name } => {
                Doing(format!("taking index `{name}` away again")).run(
                    &self.connection,
                    &format!("DROP INDEX IF EXISTS main.{}", quote(name)),
                )?;
            }
            WayBack::CreateIndex { sql } => {
                Doing("bringing an index back".into()).run(&self.connection, sql)?;
            }
            WayBack::None { why } => {
                return Err(Doing("taking it back".into()).refused(why.clone()));
            }
        }
        self.forget_layouts();
        Ok(())
    }

    fn free(&mut self, way: &WayBack, most: usize) -> Result<u64> {
        let WayBack::RestoreTable { name, kept, .. } = way else {
            return Ok(0);
        };
        let doing = Doing(format!("freeing what is kept of table `{name}`"));
        let connection = &self.connection;
        let there: bool = connection
            .query_row(
                "SELECT EXISTS (SELECT 1 FROM main.sqlite_schema WHERE type = 'table' AND name = ?1)",
                [kept],
                |row| row.get(0),
            )
            .map_err(|error| doing.failed(error))?;
        if !there {
            return Ok(0);
        }
        let places = match doing.number(connection, kept)? {
            Some(number) => number.to_owned(),
            None => doing
                .strings(
                    connection,
                    "SELECT name FROM pragma_table_xinfo(?1, 'main') WHERE pk > 0 ORDER BY pk",
                    [kept],
                )?
                .iter()
                .map(|name| quote(name))
                .collect::<Vec<_>>()
                .join(", "),
        };
        let from = quote(kept);
        let freed = connection
            .execute(
                &format!(
                    "DELETE FROM main.{from} WHERE ({places}) IN (SELECT {places} FROM main.{from} LIMIT ?1)"
                ),
                [i64::try_from(most).unwrap_or(i64::MAX)],
            )
            .map_err(|error| doing.failed(error))?;
        if freed == 0 {
            doing.run(connection, &format!("DROP TABLE main.{from}"))?;
        }
        Ok(freed as u64)
    }
}
