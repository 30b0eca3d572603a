//! Filters as SQL: SQLite finds the documents that the filter itself takes, and no others.

use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

use arbitrary::{Result, Unstructured};
use host::store::sqlite::SqliteStore;
use host::store::{Budget, Kind, Range, Reach, Reader, Store as _, Table};
use migration_document::Filter;
use rusqlite::Connection;
use std::sync::Arc;
use tempfile::TempDir;

use crate::generate;

/// How documents are held: as bodies without and with an index, and as rows without and with one. An index on bodies
/// has two parts: SQLite takes one for a range only behind something else that it is asked for.
const TABLES: [&str; 4] = ["plain", "indexed", "rows", "indexed_rows"];

const VALUES: &[&str] = &[
    "null",
    "true",
    "0",
    "-0.0",
    "1",
    "1.0",
    "9007199254740993",
    "9223372036854775807",
    "0.1",
    "\"\"",
    "\"1\"",
    "\"a\"",
    "\"A\"",
    "\"B\"",
    "\"\u{e4}\"",
    "[1]",
    "{\"a\":1}",
];

/// Documents by their ids: keys and bodies.
type Documents = Vec<(String, String)>;

/// The tables with all their documents, and what reads them.
struct Sample {
    reader: Box<dyn Reader>,
    tables: Vec<(Arc<Table>, Documents)>,
    _folder: TempDir,
}

static SAMPLE: LazyLock<Mutex<Sample>> = LazyLock::new(|| Mutex::new(sample()));

fn sample() -> Sample {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.db");
    let connection = Connection::open(&path).unwrap();
    connection
        .execute_batch(
            "CREATE TABLE plain (_id TEXT PRIMARY KEY, doc JSON NOT NULL);
             CREATE TABLE indexed (_id TEXT PRIMARY KEY, doc JSON NOT NULL);
             CREATE INDEX a ON indexed (json_extract(doc, '$.a'), json_extract(doc, '$.c'));
             CREATE INDEX b ON indexed (doc ->> '$.b', doc ->> '$.c');
             CREATE TABLE rows (_id INTEGER PRIMARY KEY, a, b TEXT, c NUMERIC);
             CREATE TABLE indexed_rows (_id INTEGER PRIMARY KEY, a, b TEXT COLLATE NOCASE, c REAL);
             CREATE INDEX c ON indexed_rows (a, b);
             CREATE INDEX d ON indexed_rows (c);",
        )
        .unwrap();
    connection.execute_batch("BEGIN").unwrap();
    for (number, a) in VALUES.iter().enumerate() {
        for (other, b) in VALUES.iter().enumerate() {
            let id = format!("{number}-{other}");
            let body = match other % 3 {
                0 => format!("{{\"a\":{a},\"b\":{b}}}"),
                1 => format!("{{\"a\": {a}, \"c\": {b}, \"b\": {{\"a\": {a}}}}}"),
                _ => format!("{{\"b\":[{a}, {b}],\"a\":{b}}}"),
            };
            for table in ["plain", "indexed"] {
                let insert = format!("INSERT INTO {table} VALUES (?1, ?2)");
                connection.execute(&insert, [&id, &body]).unwrap();
            }
            for table in ["rows", "indexed_rows"] {
                let insert = format!(
                    "INSERT INTO {table} (a, b, c) VALUES (?1 ->> '$', ?2 ->> '$', ?2 ->> '$')"
                );
                connection.execute(&insert, [a, b]).unwrap();
            }
        }
    }
    connection.execute_batch("COMMIT").unwrap();
    let store = SqliteStore::open(&path, Duration::ZERO, Default::default()).unwrap();
    let mut reader = store.reader().unwrap();
    let tables = TABLES
        .iter()
        .map(|name| {
            let table = store.table(name).unwrap();
            let all = gone_over(reader.as_mut(), &table, &Filter::default());
            assert_eq!(all.len(), VALUES.len() * VALUES.len());
            (table, all)
        })
        .collect();
    Sample {
        reader,
        tables,
        _folder: folder,
    }
}

/// The bytes are a table and conditions.
pub fn run(bytes: &[u8]) {
    // Too few bytes make nothing.
    let _ = conditions(&mut Unstructured::new(bytes));
}

fn conditions(bytes: &mut Unstructured<'_>) -> Result<()> {
    let choice: usize = bytes.int_in_range(0..=TABLES.len() - 1)?;
    let conditions = generate::conditions(bytes)?;
    let mut sample = SAMPLE.lock().unwrap_or_else(PoisonError::into_inner);
    let Sample { reader, tables, .. } = &mut *sample;
    let (table, all) = &tables[choice];
    let Ok(filter) = Filter::new(&conditions) else {
        return Ok(());
    };
    let filter = filter.null_is_missing(table.kind == Kind::Row);
    let mut expected = all.clone();
    expected.retain(|(_, body)| filter.matches(body).unwrap());
    let over = gone_over(reader.as_mut(), table, &filter);
    assert_eq!(over, expected, "{conditions:?} over {}", table.name);
    let found = reader.find(table, &filter, usize::MAX, Reach::ANY).unwrap();
    let found = sorted(
        found
            .into_iter()
            .map(|found| (found.id.into(), found.body.into())),
    );
    assert_eq!(found, expected, "{conditions:?} in {}", table.name);
    Ok(())
}

fn gone_over(reader: &mut dyn Reader, table: &Table, filter: &Filter) -> Documents {
    let everything = Range {
        after: None,
        until: None,
    };
    let budget = Budget {
        documents: usize::MAX,
        bytes: usize::MAX,
        looked_at: usize::MAX,
    };
    let page = reader.page(table, filter, everything, budget).unwrap();
    assert!(
        page.end && page.unreadable.is_empty(),
        "{:?}",
        page.unreadable
    );
    sorted(
        page.documents
            .into_iter()
            .map(|found| (found.id.into(), found.body.into())),
    )
}

fn sorted(documents: impl Iterator<Item = (String, String)>) -> Documents {
    let mut documents: Documents = documents.collect();
    documents.sort_unstable();
    documents
}
