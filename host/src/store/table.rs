//! What is known of a table.

use migration_document::id::NewId;
use serde::{Deserialize, Serialize};

use crate::convex::{ConvexId, TableNumber};

/// What a table's documents are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A key and one JSON column; the value of that column is the document.
    Document {
        /// The index of the JSON column in [`Table::columns`].
        body: usize,
    },
    /// Any other table: its row is the document, a column a field.
    Row,
}

/// One column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name, as the table spells it.
    pub name: String,
    /// Its declared type, upper-case; empty where it has none.
    pub declared: String,
    /// It may not be NULL.
    pub required: bool,
    /// It has a default value.
    pub has_default: bool,
    /// The store computes it; nobody can set it.
    pub generated: bool,
}

/// A table that a migration may work on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its name, as the store spells it.
    pub name: String,
    /// What its documents are made of.
    pub kind: Kind,
    /// Its columns, in order.
    pub columns: Vec<Column>,
    /// Indexes of the key's columns, in the key's order. Empty: the row's number is the key.
    pub key: Vec<usize>,
    /// Its number, where it came from Convex: its keys are ids of Convex then.
    pub number: Option<TableNumber>,
}

impl Table {
    /// The names of the key's columns.
    pub fn key_names(&self) -> impl Iterator<Item = &str> {
        self.key
            .iter()
            .filter_map(|index| self.columns.get(*index))
            .map(|column| column.name.as_str())
    }

    /// Whether its keys are integers: the rows' numbers, or a column that holds them.
    #[must_use]
    pub fn has_integer_key(&self) -> bool {
        match self.key[..] {
            [] => true,
            [index] => self
                .columns
                .get(index)
                .is_some_and(|column| column.declared.contains("INT")),
            _ => false,
        }
    }

    /// A new document's key, for the kind of key that this table has: an integer where the key's column
    /// is one, elsewhere a text, and for tables from Convex one that is an id there.
    #[must_use]
    pub fn key_for(&self, id: NewId) -> String {
        match self.number {
            _ if self.has_integer_key() => id.integer().to_string(),
            Some(number) => ConvexId::new(number, id).to_string(),
            None => id.to_string(),
        }
    }

    /// The name of the JSON column of a document table.
    #[must_use]
    pub fn body_name(&self) -> Option<&str> {
        match self.kind {
            Kind::Document { body } => self.columns.get(body).map(|column| column.name.as_str()),
            Kind::Row => None,
        }
    }
}

/// A table in a list of tables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TableSummary {
    /// Its name.
    pub table: String,
    /// `document` or `row`; `view` and `unusable` where no migration can work on it.
    pub kind: &'static str,
    /// The names of the key's columns; `rowid` where the row's number is the key.
    pub key: Vec<String>,
    /// The JSON column of a document table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document: Option<String>,
    /// How many documents it holds; None where that does not apply.
    pub documents: Option<u64>,
    /// Why no migration can work on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unusable: Option<String>,
}

/// What a user says of a table, where the host would see it otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct TableOverride {
    /// The column that holds the key. Default: the table's primary key.
    pub key: Option<String>,
    /// The column that holds the document. Makes the table a document table.
    pub document: Option<String>,
    /// `row` or `document`. Default: told by the table's columns and first rows.
    pub kind: Option<KindName>,
}

/// A kind by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KindName {
    /// A key and one JSON column.
    Document,
    /// Columns as fields.
    Row,
}
