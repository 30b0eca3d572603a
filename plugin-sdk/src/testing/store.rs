//! Tables in memory.

use std::collections::BTreeMap;
use std::fmt::Display;

use serde::Serialize;
use serde_json::Value;

/// Tables of documents, in memory. A document's id is not part of its body.
///
/// ```
/// use plugin_sdk::testing::{Store, json};
/// let store = Store::new()
///     .with("users", [("u1", json!({"name": "Ada"}))])
///     .with_raw("films", "f1", r#"{"rating": 6.10}"#);
/// assert_eq!(store.get("users", "u1"), Some(json!({"name": "Ada"})));
/// assert_eq!(store.raw("films", "f1"), Some(r#"{"rating": 6.10}"#));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Store {
    tables: BTreeMap<String, BTreeMap<String, String>>,
}

impl Store {
    /// A store without tables.
    ///
    /// ```
    /// assert_eq!(plugin_sdk::testing::Store::new().len("users"), 0);
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds documents, and their table if there is none yet.
    /// A document that is there already is replaced.
    ///
    /// # Panics
    /// If a body cannot be written as JSON.
    ///
    /// ```
    /// use plugin_sdk::testing::{Store, json};
    /// let store = Store::new().with("users", (0..10).map(|n| (n, json!({"n": n}))));
    /// assert_eq!(store.len("users"), 10);
    /// ```
    #[must_use]
    #[track_caller]
    #[allow(clippy::panic)] // A test that is set up wrongly must fail.
    pub fn with<I: Display, B: Serialize>(
        mut self,
        table: &str,
        documents: impl IntoIterator<Item = (I, B)>,
    ) -> Self {
        let rows = self.tables.entry(table.to_owned()).or_default();
        for (id, body) in documents {
            match serde_json::to_string(&body) {
                Ok(body) => rows.insert(id.to_string(), body),
                Err(error) => panic!("the document {id} of {table} is no JSON: {error}"),
            };
        }
        self
    }

    /// Adds a document as JSON text, which keeps its spelling.
    ///
    /// ```
    /// let store = plugin_sdk::testing::Store::new().with_raw("films", 1, r#"{"Title": 2046}"#);
    /// assert_eq!(store.len("films"), 1);
    /// ```
    #[must_use]
    pub fn with_raw(mut self, table: &str, id: impl Display, body: &str) -> Self {
        let rows = self.tables.entry(table.to_owned()).or_default();
        rows.insert(id.to_string(), body.to_owned());
        self
    }

    /// Adds an empty table.
    ///
    /// ```
    /// assert_eq!(plugin_sdk::testing::Store::new().with_table("sites").len("sites"), 0);
    /// ```
    #[must_use]
    pub fn with_table(mut self, table: &str) -> Self {
        self.tables.entry(table.to_owned()).or_default();
        self
    }

    /// A document's body; None if there is no such document.
    ///
    /// # Panics
    /// If the body is no JSON: a migration wrote it so.
    ///
    /// ```
    /// use plugin_sdk::testing::{Store, json};
    /// let store = Store::new().with("users", [("u1", json!({"age": 36}))]);
    /// assert_eq!(store.get("users", "u1").unwrap()["age"], 36);
    /// ```
    #[must_use]
    #[track_caller]
    #[allow(clippy::panic)] // A document that is no JSON must fail the test that reads it.
    pub fn get(&self, table: &str, id: &str) -> Option<Value> {
        let body = self.raw(table, id)?;
        match serde_json::from_str(body) {
            Ok(value) => Some(value),
            Err(error) => panic!("the document {id} of {table} is no JSON: {error}"),
        }
    }

    /// A document's body as JSON text; None if there is no such document.
    ///
    /// ```
    /// let store = plugin_sdk::testing::Store::new().with_raw("films", "f1", r#"{"rating": 6.10}"#);
    /// assert_eq!(store.raw("films", "f1"), Some(r#"{"rating": 6.10}"#));
    /// ```
    #[must_use]
    pub fn raw(&self, table: &str, id: &str) -> Option<&str> {
        self.tables.get(table)?.get(id).map(String::as_str)
    }

    /// The ids of a table's documents, ordered as text.
    ///
    /// ```
    /// use plugin_sdk::testing::{Store, json};
    /// let store = Store::new().with("users", [("b", json!({})), ("a", json!({}))]);
    /// assert_eq!(store.ids("users"), ["a", "b"]);
    /// ```
    #[must_use]
    pub fn ids(&self, table: &str) -> Vec<&str> {
        self.documents(table).map(|(id, _)| id).collect()
    }

    /// How many documents a table has.
    ///
    /// ```
    /// assert_eq!(plugin_sdk::testing::Store::new().len("users"), 0);
    /// ```
    #[must_use]
    pub fn len(&self, table: &str) -> usize {
        self.tables.get(table).map_or(0, BTreeMap::len)
    }

    pub(super) fn has_table(&self, table: &str) -> bool {
        self.tables.contains_key(table)
    }

    /// Ids and bodies, by id.
    pub(super) fn documents(&self, table: &str) -> impl Iterator<Item = (&str, &str)> {
        let rows = self.tables.get(table).into_iter().flatten();
        rows.map(|(id, body)| (id.as_str(), body.as_str()))
    }

    /// Writes a document, or takes it away.
    pub(super) fn put(&mut self, table: &str, id: &str, body: Option<String>) {
        let rows = self.tables.entry(table.to_owned()).or_default();
        match body {
            Some(body) => rows.insert(id.to_owned(), body),
            None => rows.remove(id),
        };
    }
}
