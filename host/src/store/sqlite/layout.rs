//! A table as SQL sees it: names, and the statements that are used most.

use std::sync::Arc;

use super::sql::quote;
use crate::store::Table;

/// Everything that reading and writing a table needs, worked out once.
#[derive(Debug)]
pub(super) struct Layout {
    /// What the rest of the host knows.
    pub table: Arc<Table>,
    /// The quoted name, with the schema: attached databases are out of reach.
    pub from: String,
    /// The name under which the row's number can be read; None for tables without one.
    pub rowid: Option<&'static str>,
    /// The indexes of the columns that are read, in order: behind the row's number, if there is one.
    pub reads: Vec<usize>,
    /// New bodies are stored as JSONB.
    pub binary: bool,
    /// Indexes beyond the key's or triggers may have a part in a change of a row.
    pub indexed: bool,
    /// How SQLite compares each column with a text.
    pub affinities: Vec<Affinity>,
    /// The statements that give a document table's row a new body, as text and as JSONB: nearly all writes
    /// are this one.
    pub set_body: [String; 2],
    /// The statement that reads the document at a place.
    pub read_place: String,
    /// The statement that reads the documents with a key.
    pub read_key: String,
}

impl Layout {
    /// The quoted name of a column.
    pub fn column(&self, index: usize) -> String {
        quote(
            self.table
                .columns
                .get(index)
                .map_or("", |column| &column.name),
        )
    }

    /// What to select.
    pub fn select(&self) -> String {
        let columns = self.reads.iter().map(|index| self.column(*index));
        self.rowid
            .map(str::to_owned)
            .into_iter()
            .chain(columns)
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// The columns that the table is gone over by.
    pub fn place_columns(&self) -> Vec<String> {
        match self.rowid {
            Some(rowid) => vec![rowid.to_owned()],
            None => self
                .table
                .key
                .iter()
                .map(|index| self.column(*index))
                .collect(),
        }
    }

    /// The terms that find a place.
    pub fn place_terms(&self) -> Vec<String> {
        self.place_columns()
            .iter()
            .map(|column| format!("{column} = ?"))
            .collect()
    }

    /// The columns of the key; the row's number where there is none.
    pub fn key_columns(&self) -> Vec<String> {
        if self.table.key.is_empty() {
            self.rowid.map(str::to_owned).into_iter().collect()
        } else {
            self.table
                .key
                .iter()
                .map(|index| self.column(*index))
                .collect()
        }
    }
}

/// A column's affinity, as SQLite works it out from the declared type
/// (<https://www.sqlite.org/datatype3.html>, section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Affinity {
    Integer,
    Text,
    Blob,
    Real,
    Numeric,
}

impl Affinity {
    pub fn of(declared: &str) -> Self {
        let declared = declared.to_ascii_uppercase();
        let has = |part: &str| declared.contains(part);
        if has("INT") {
            Self::Integer
        } else if has("CHAR") || has("CLOB") || has("TEXT") {
            Self::Text
        } else if has("BLOB") || declared.is_empty() {
            Self::Blob
        } else if has("REAL") || has("FLOA") || has("DOUB") {
            Self::Real
        } else {
            Self::Numeric
        }
    }
}
