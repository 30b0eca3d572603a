//! What a SQLite database says of its tables, and how a document table is told from a row table.

use std::sync::Arc;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension as _};

use super::layout::{Affinity, Layout};
use super::shelf;
use super::sql::{quote, sqlite_error};
use crate::store::table::KindName;
use crate::store::{Column, Kind, Result, StoreError, Table, TableOverride, TableSummary};

/// How many rows are looked at to tell a document table.
const SAMPLE: usize = 20;

/// Names that an empty table's text column must have to be taken for a document.
const BODY_NAMES: [&str; 8] = [
    "doc", "document", "body", "data", "json", "value", "content", "payload",
];

/// One line of `PRAGMA table_list`.
struct Listed {
    name: String,
    kind: String,
    without_rowid: bool,
}

fn listed(connection: &Connection) -> Result<Vec<Listed>> {
    let mut statement = connection
        .prepare_cached("SELECT name, type, wr FROM pragma_table_list WHERE schema = 'main' ORDER BY name COLLATE NOCASE, name")
        .map_err(|error| sqlite_error("listing the tables", error))?;
    statement
        .query_map([], |row| {
            Ok(Listed {
                name: row.get(0)?,
                kind: row.get(1)?,
                without_rowid: row.get(2)?,
            })
        })
        .and_then(Iterator::collect)
        .map_err(|error| sqlite_error("listing the tables", error))
}

/// Tables that no migration can name: SQLite's own and the host's.
pub(super) fn reserved(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.starts_with("sqlite_") || name.starts_with("_host_")
}

/// Every table that a person could mean, with the number of its documents.
pub(super) fn summaries(
    connection: &Connection,
    overrides: impl Fn(&str) -> Option<TableOverride>,
) -> Result<Vec<TableSummary>> {
    let mut found = Vec::new();
    for listed in listed(connection)? {
        if reserved(&listed.name) || listed.kind == "shadow" {
            continue;
        }
        let summary = match layout(connection, &listed.name, overrides(&listed.name).as_ref()) {
            Ok(layout) => {
                let documents = connection
                    .query_row(
                        &format!("SELECT count(*) FROM {}", layout.from),
                        [],
                        |row| row.get::<_, i64>(0),
                    )
                    .map_err(|error| sqlite_error("counting the documents", error))?;
                TableSummary {
                    kind: match layout.table.kind {
                        Kind::Document { .. } => "document",
                        Kind::Row => "row",
                    },
                    key: if layout.table.key.is_empty() {
                        vec!["rowid".into()]
                    } else {
                        layout.table.key_names().map(str::to_owned).collect()
                    },
                    document: layout.table.body_name().map(str::to_owned),
                    documents: u64::try_from(documents).ok(),
                    unusable: None,
                    table: listed.name,
                }
            }
            Err(StoreError::Unusable { why, .. } | StoreError::Override { why, .. }) => {
                TableSummary {
                    kind: if listed.kind == "view" {
                        "view"
                    } else {
                        "unusable"
                    },
                    key: Vec::new(),
                    document: None,
                    documents: None,
                    unusable: Some(why),
                    table: listed.name,
                }
            }
            Err(error) => return Err(error),
        };
        found.push(summary);
    }
    Ok(found)
}

/// Works a table out.
pub(super) fn layout(
    connection: &Connection,
    name: &str,
    settings: Option<&TableOverride>,
) -> Result<Layout> {
    let tables = listed(connection)?;
    let unusable = |why: &str| StoreError::Unusable {
        table: name.into(),
        why: why.into(),
    };
    if reserved(name) {
        return Err(unusable(
            "tables whose names begin with `_host_` or `sqlite_` are out of reach",
        ));
    }
    let Some(listed) = tables.iter().find(|table| table.name == name).or_else(|| {
        // SQLite does not tell names apart by their case. Only one table can match.
        tables
            .iter()
            .find(|table| table.name.eq_ignore_ascii_case(name))
    }) else {
        return Err(StoreError::NoSuchTable {
            table: name.into(),
            known: tables
                .into_iter()
                .filter(|table| table.kind == "table" && !reserved(&table.name))
                .map(|table| table.name)
                .collect(),
        });
    };
    match listed.kind.as_str() {
        "table" => {}
        "view" => {
            return Err(unusable(
                "it is a view, and views hold no documents of their own",
            ));
        }
        "virtual" => {
            return Err(unusable(
                "it is a virtual table; what it holds is made by an extension",
            ));
        }
        other => return Err(unusable(&format!("it is a {other} table"))),
    }
    let read = columns(connection, &listed.name)?;
    let primary = read.primary;
    let columns = read.columns;
    let key = match settings.and_then(|settings| settings.key.as_deref()) {
        Some(column) => overridden_key(connection, listed, &columns, &primary, column)?,
        None => primary.clone(),
    };
    let kind = kind(connection, listed, &columns, &key, settings)?;
    let rowid = number_of_row(
        listed.without_rowid,
        columns.iter().map(|column| column.name.as_str()),
    );
    if rowid.is_none() && primary.is_empty() {
        return Err(unusable(
            "it has no primary key, and columns named rowid, _rowid_ and oid hide the number of its rows",
        ));
    }
    let key = match &kind {
        // A document table whose only unique column is not its primary key.
        Kind::Document { body } if key.is_empty() => (0..columns.len())
            .filter(|index| index != body)
            .filter(|index| columns.get(*index).is_some_and(|column| !column.generated))
            .take(1)
            .collect(),
        _ => key,
    };
    let reads = match kind {
        Kind::Document { body } => key.iter().copied().chain([body]).collect(),
        Kind::Row => (0..columns.len()).collect(),
    };
    let from = format!("main.{}", quote(&listed.name));
    let binary = match kind {
        Kind::Document { body } => stores_binary(connection, &from, &columns, body)?,
        Kind::Row => false,
    };
    let affinities = columns
        .iter()
        .map(|column| Affinity::of(&column.declared))
        .collect();
    let mut layout = Layout {
        table: Arc::new(Table {
            name: listed.name.clone(),
            kind,
            columns,
            key,
            number: shelf::table_number(connection, &listed.name)?,
        }),
        from,
        rowid,
        reads,
        binary,
        indexed: is_indexed(connection, &listed.name)?,
        affinities,
        set_body: Default::default(),
        read_place: String::new(),
        read_key: String::new(),
    };
    let read = |terms: &[String]| {
        format!(
            "SELECT {} FROM {} WHERE {}",
            layout.select(),
            layout.from,
            terms.join(" AND ")
        )
    };
    let key_terms: Vec<_> = layout
        .key_columns()
        .iter()
        .map(|column| format!("{column} = ?"))
        .collect();
    (layout.read_place, layout.read_key) = (read(&layout.place_terms()), read(&key_terms));
    if let Kind::Document { body } = layout.table.kind {
        layout.set_body = ["?", "jsonb(?)"].map(|mark| {
            format!(
                "UPDATE {} SET {} = {mark} WHERE {}",
                layout.from,
                layout.column(body),
                layout.place_terms().join(" AND ")
            )
        });
    }
    Ok(layout)
}

/// The name under which the number of a table's row can be read; None for tables without one, and where
/// columns have all of the names.
pub(super) fn number_of_row<'a>(
    without_rowid: bool,
    columns: impl Iterator<Item = &'a str> + Clone,
) -> Option<&'static str> {
    if without_rowid {
        return None;
    }
    ["rowid", "_rowid_", "oid"].into_iter().find(|alias| {
        !columns
            .clone()
            .any(|column| column.eq_ignore_ascii_case(alias))
    })
}

struct Read {
    columns: Vec<Column>,
    primary: Vec<usize>,
}

fn columns(connection: &Connection, table: &str) -> Result<Read> {
    let doing = "reading the table's columns";
    let mut statement = connection
        .prepare_cached("SELECT name, type, \"notnull\", dflt_value IS NOT NULL, pk, hidden FROM pragma_table_xinfo(?1, 'main') ORDER BY cid")
        .map_err(|error| sqlite_error(doing, error))?;
    let mut columns = Vec::new();
    let mut primary = Vec::new();
    let mut rows = statement
        .query([table])
        .map_err(|error| sqlite_error(doing, error))?;
    while let Some(row) = rows.next().map_err(|error| sqlite_error(doing, error))? {
        let mut read = || -> rusqlite::Result<()> {
            let hidden: i64 = row.get(5)?;
            // 1 is a virtual table's hidden column; 2 and 3 are generated ones.
            if hidden == 1 {
                return Ok(());
            }
            let position: i64 = row.get(4)?;
            if position > 0 {
                primary.push((position, columns.len()));
            }
            columns.push(Column {
                name: row.get(0)?,
                declared: row.get::<_, String>(1)?.to_ascii_uppercase(),
                required: row.get(2)?,
                has_default: row.get(3)?,
                generated: hidden >= 2,
            });
            Ok(())
        };
        read().map_err(|error| sqlite_error(doing, error))?;
    }
    primary.sort_unstable();
    Ok(Read {
        columns,
        primary: primary.into_iter().map(|(_, index)| index).collect(),
    })
}

/// The key that a user names: a column whose values are unique.
fn overridden_key(
    connection: &Connection,
    listed: &Listed,
    columns: &[Column],
    primary: &[usize],
    name: &str,
) -> Result<Vec<usize>> {
    let index = named(listed, columns, name, "key")?;
    if primary == [index] || is_unique(connection, &listed.name, name)? {
        return Ok(vec![index]);
    }
    Err(StoreError::Override {
        table: listed.name.clone(),
        why: format!(
            "`key = {name:?}` must name a column whose values are unique; it has neither a primary key nor a unique index of its own"
        ),
    })
}

fn named(listed: &Listed, columns: &[Column], name: &str, setting: &str) -> Result<usize> {
    columns
        .iter()
        .position(|column| column.name == name)
        .ok_or_else(|| StoreError::Override {
            table: listed.name.clone(),
            why: format!(
                "`{setting} = {name:?}` names no column; the columns are {}",
                columns
                    .iter()
                    .map(|column| column.name.as_str())
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
        })
}

/// Whether indexes that were made for a table, and not by its constraints, or triggers go with its changes.
fn is_indexed(connection: &Connection, table: &str) -> Result<bool> {
    connection
        .query_row(
            "SELECT EXISTS (
                SELECT 1 FROM main.sqlite_schema
                WHERE tbl_name = ?1 COLLATE NOCASE AND type IN ('index', 'trigger') AND sql IS NOT NULL)",
            [table],
            |row| row.get(0),
        )
        .map_err(|error| sqlite_error("reading the table's indexes", error))
}

/// Whether an index alone makes this column's values unique.
fn is_unique(connection: &Connection, table: &str, column: &str) -> Result<bool> {
    connection
        .query_row(
            "SELECT EXISTS (
                SELECT 1 FROM pragma_index_list(?1, 'main') AS list
                WHERE list.\"unique\" = 1 AND list.partial = 0
                  AND (SELECT group_concat(info.name) FROM pragma_index_info(list.name, 'main') AS info) = ?2
                  AND (SELECT count(*) FROM pragma_index_info(list.name, 'main')) = 1)",
            [table, column],
            |row| row.get(0),
        )
        .map_err(|error| sqlite_error("reading the table's indexes", error))
}

/// Tells a document table from a row table: a key, one more column, and JSON objects in it.
fn kind(
    connection: &Connection,
    listed: &Listed,
    columns: &[Column],
    key: &[usize],
    settings: Option<&TableOverride>,
) -> Result<Kind> {
    let wanted = settings.and_then(|settings| settings.kind);
    if let Some(name) = settings.and_then(|settings| settings.document.as_deref()) {
        let body = named(listed, columns, name, "document")?;
        let why = match () {
            () if wanted == Some(KindName::Row) => {
                "`kind = \"row\"` and `document` exclude each other"
            }
            () if key.contains(&body) => "the key and the document cannot be one column",
            () if columns.get(body).is_some_and(|column| column.generated) => {
                "the document's column is generated, and cannot be written"
            }
            () if key.is_empty() => "it has no primary key; name the key's column with `key`",
            () => return Ok(Kind::Document { body }),
        };
        return Err(StoreError::Override {
            table: listed.name.clone(),
            why: why.into(),
        });
    }
    if wanted == Some(KindName::Row) {
        return Ok(Kind::Row);
    }
    let plain: Vec<usize> = (0..columns.len())
        .filter(|index| columns.get(*index).is_some_and(|column| !column.generated))
        .collect();
    let candidate = if key.len() == 1 {
        match plain
            .iter()
            .filter(|index| !key.contains(index))
            .collect::<Vec<_>>()[..]
        {
            [body] => Some(*body),
            _ => None,
        }
    } else if let ([], [first, second]) = (key, &plain[..]) {
        let name = columns.get(*first).map_or("", |column| &column.name);
        is_unique(connection, &listed.name, name)?.then_some(*second)
    } else {
        None
    };
    let holds = match candidate {
        Some(body) => holds_documents(connection, listed, columns, body)?,
        None => false,
    };
    match candidate {
        Some(body) if holds || wanted == Some(KindName::Document) => Ok(Kind::Document { body }),
        _ if wanted == Some(KindName::Document) => Err(StoreError::Override {
            table: listed.name.clone(),
            why: "`kind = \"document\"` needs to be told the JSON column: `document = \"…\"`"
                .into(),
        }),
        _ => Ok(Kind::Row),
    }
}

/// Whether a column's values are JSON objects. An empty table is judged by its declaration.
fn holds_documents(
    connection: &Connection,
    listed: &Listed,
    columns: &[Column],
    body: usize,
) -> Result<bool> {
    let Some(column) = columns.get(body) else {
        return Ok(false);
    };
    if matches!(
        Affinity::of(&column.declared),
        Affinity::Integer | Affinity::Real
    ) {
        return Ok(false);
    }
    let doing = "looking at the table's first rows";
    let mut statement = connection
        .prepare(&format!(
            "SELECT {} FROM main.{} LIMIT {SAMPLE}",
            quote(&column.name),
            quote(&listed.name)
        ))
        .map_err(|error| sqlite_error(doing, error))?;
    let mut rows = statement
        .query([])
        .map_err(|error| sqlite_error(doing, error))?;
    let (mut objects, mut others) = (0, 0);
    while let Some(row) = rows.next().map_err(|error| sqlite_error(doing, error))? {
        let object = match row.get_ref(0).map_err(|error| sqlite_error(doing, error))? {
            ValueRef::Text(text) => text.trim_ascii_start().first() == Some(&b'{'),
            // The low four bits of JSONB's first byte tell an object (12).
            ValueRef::Blob(bytes) => bytes.first().is_some_and(|first| first & 0x0f == 12),
            _ => false,
        };
        if object {
            objects += 1;
        } else {
            others += 1;
        }
    }
    if objects + others == 0 {
        let declared = column.declared.as_str();
        let name = column.name.to_ascii_lowercase();
        return Ok(declared == "JSON"
            || declared == "JSONB"
            || BODY_NAMES.contains(&name.as_str()));
    }
    // A document that is broken must not make a row table of all the others.
    Ok(objects > others)
}

/// Whether the table's bodies are JSONB: judged by its first row, or by its declaration.
fn stores_binary(
    connection: &Connection,
    from: &str,
    columns: &[Column],
    body: usize,
) -> Result<bool> {
    let Some(column) = columns.get(body) else {
        return Ok(false);
    };
    let sampled = connection
        .query_row(
            &format!(
                "SELECT typeof({}) = 'blob' FROM {from} LIMIT 1",
                quote(&column.name)
            ),
            [],
            |row| row.get::<_, bool>(0),
        )
        .optional()
        .map_err(|error| sqlite_error("looking at the table's first row", error))?;
    Ok(sampled.unwrap_or(column.declared == "JSONB" || column.declared == "BLOB"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(schema: &str, table: &str) -> Result<Arc<Table>> {
        told_with(schema, table, TableOverride::default())
    }

    fn told_with(schema: &str, table: &str, settings: TableOverride) -> Result<Arc<Table>> {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(schema).unwrap();
        layout(&connection, table, Some(&settings)).map(|layout| layout.table)
    }

    fn is_document(schema: &str) -> bool {
        matches!(told(schema, "t").unwrap().kind, Kind::Document { .. })
    }

    #[test]
    fn document_tables_are_told_by_their_columns_and_rows() {
        for (schema, expected) in [
            ("CREATE TABLE t(id TEXT PRIMARY KEY, doc TEXT)", true),
            ("CREATE TABLE t(id TEXT PRIMARY KEY, name TEXT)", false),
            (
                "CREATE TABLE t(id INTEGER PRIMARY KEY, anything JSON)",
                true,
            ),
            (
                "CREATE TABLE t(id INTEGER PRIMARY KEY, anything JSONB) ",
                true,
            ),
            (
                "CREATE TABLE t(id TEXT PRIMARY KEY, x TEXT); INSERT INTO t VALUES ('a', ' {\"b\":1}')",
                true,
            ),
            (
                "CREATE TABLE t(id TEXT PRIMARY KEY, doc TEXT); INSERT INTO t VALUES ('a', 'plain')",
                false,
            ),
            (
                "CREATE TABLE t(id TEXT PRIMARY KEY, x BLOB); INSERT INTO t VALUES ('a', jsonb('{\"b\":1}'))",
                true,
            ),
            (
                "CREATE TABLE t(id TEXT PRIMARY KEY, x BLOB); INSERT INTO t VALUES ('a', x'0102')",
                false,
            ),
            (
                "CREATE TABLE t(id TEXT PRIMARY KEY, doc TEXT, at INTEGER)",
                false,
            ),
            (
                "CREATE TABLE t(id TEXT PRIMARY KEY, doc TEXT, city TEXT AS (doc->>'city'))",
                true,
            ),
            ("CREATE TABLE t(id TEXT UNIQUE, doc TEXT)", true),
            ("CREATE TABLE t(id TEXT, doc TEXT)", false),
            (
                "CREATE TABLE t(a INT, b INT, PRIMARY KEY (a, b)) WITHOUT ROWID",
                false,
            ),
            (
                "CREATE TABLE t(id TEXT PRIMARY KEY, doc TEXT) WITHOUT ROWID",
                true,
            ),
        ] {
            assert_eq!(is_document(schema), expected, "{schema}");
        }
    }

    #[test]
    fn keys_are_told_in_their_own_order() {
        let table = told(
            "CREATE TABLE t(a INT, b INT, c TEXT, PRIMARY KEY (c, a))",
            "t",
        )
        .unwrap();
        assert_eq!(table.key_names().collect::<Vec<_>>(), ["c", "a"]);
        let table = told("CREATE TABLE t(a INT)", "T").unwrap();
        assert_eq!((table.name.as_str(), table.key.len()), ("t", 0));
    }

    #[test]
    fn what_cannot_be_migrated_is_refused_with_the_reason() {
        let schema = "CREATE TABLE t(a); CREATE VIEW v AS SELECT * FROM t;
            CREATE TABLE _host_runs(a); CREATE TABLE h(rowid, _rowid_, oid)";
        for (table, expected) in [
            (
                "v",
                "`v` cannot be migrated: it is a view, and views hold no documents of their own",
            ),
            (
                "_HOST_runs",
                "`_HOST_runs` cannot be migrated: tables whose names begin with `_host_` or `sqlite_` are out of reach",
            ),
            (
                "sqlite_schema",
                "`sqlite_schema` cannot be migrated: tables whose names begin with `_host_` or `sqlite_` are out of reach",
            ),
            (
                "h",
                "`h` cannot be migrated: it has no primary key, and columns named rowid, _rowid_ and oid hide the number of its rows",
            ),
            ("none", "there is no table `none`"),
            (
                "t\"; DROP TABLE t; --",
                "there is no table `t\"; DROP TABLE t; --`",
            ),
        ] {
            assert_eq!(told(schema, table).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn settings_override_what_is_seen() {
        let schema = "CREATE TABLE t(_id TEXT UNIQUE, doc TEXT, n INT)";
        let settings = |key: Option<&str>, document: Option<&str>, kind| TableOverride {
            key: key.map(str::to_owned),
            document: document.map(str::to_owned),
            kind,
        };
        let table = told_with(schema, "t", settings(Some("_id"), Some("doc"), None)).unwrap();
        assert_eq!(
            (table.kind.clone(), table.key.clone()),
            (Kind::Document { body: 1 }, vec![0])
        );
        let one = "CREATE TABLE t(_id TEXT PRIMARY KEY, doc JSON)";
        let table = told_with(one, "t", settings(None, None, Some(KindName::Row))).unwrap();
        assert_eq!(table.kind, Kind::Row);
        for (settings, part) in [
            (
                settings(Some("n"), Some("doc"), None),
                "must name a column whose values are unique",
            ),
            (
                settings(Some("x"), None, None),
                "`key = \"x\"` names no column; the columns are _id, doc, n",
            ),
            (
                settings(None, Some("doc"), None),
                "name the key's column with `key`",
            ),
            (
                settings(Some("_id"), Some("_id"), None),
                "cannot be one column",
            ),
        ] {
            let error = told_with(schema, "t", settings).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
