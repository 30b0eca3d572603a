//! What the batch driver needs of the host: the component's imports in a run, tables in memory in a
//! test.

use crate::{Condition, Document};

/// How much a log line matters.
///
/// ```
/// use plugin_sdk::Level;
/// assert!(Level::Debug < Level::Error);
/// assert_eq!(Level::Warn.to_string(), "warn");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For the author of the migration.
    Debug,
    /// For whoever reads the history of a run.
    Info,
    /// Somebody should look at this document.
    Warn,
    /// Something is wrong.
    Error,
}

impl std::fmt::Display for Level {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        })
    }
}

/// Why the host did not answer a lookup. The text is the host's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LookupError {
    NotGranted(String),
    UnknownTable(String),
    LimitExceeded(String),
    Store(String),
}

/// One answer for each question of a call, in the same order.
pub type Answer<T> = Result<Vec<T>, LookupError>;

/// The imports of the world `migration`.
pub trait Host {
    fn get_many(&self, table: &str, ids: &[String]) -> Answer<Option<Document>>;
    fn find_many(
        &self,
        table: &str,
        queries: &[Vec<Condition>],
        limit: u32,
    ) -> Answer<Vec<Document>>;
    fn now(&self) -> u64;
    /// JSON text.
    fn param(&self, name: &str) -> Option<String>;
    fn secret(&self, name: &str) -> Option<String>;
    fn new_id(&self, table: &str, seed: &str) -> String;
    /// `document` is the place of the document that the line is about, in the batch.
    fn log(&self, level: Level, message: &str, document: usize);
}
