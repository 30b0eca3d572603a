//! Cases: what is to become of documents, written down by a migration's author.
//!
//! A case is a JSON object; `docs/testing.md` says what may stand in it. The host tries cases with a component, the
//! SDK's tests with the code itself. Both read them, and judge what came out, by what is here.

mod actual;
mod compare;
mod files;
mod read;
#[cfg(test)]
mod tests;

pub use actual::{Actual, Fate, Line};
pub use compare::{Mismatch, plain};
pub use files::{CaseError, CaseFile, FileError, read};

/// When a run began where a case does not say it.
pub const NOW: u64 = 1_700_000_000_000;

/// The id of a document where a case does not say it.
pub const ID: &str = "1";

/// An id, and what belongs to it.
pub type Named<T> = (String, T);

/// One case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// What it is called, where it says so.
    pub name: Option<String>,
    /// The line of its file that it begins at, from 1.
    pub line: usize,
    /// The documents of the batch, in order: ids and bodies.
    pub documents: Vec<Named<String>>,
    /// It is written as a batch, with the documents by their ids.
    pub is_batch: bool,
    /// Other documents of the store: tables, and in each ids and bodies.
    pub tables: Vec<Named<Vec<Named<String>>>>,
    /// Parameters: names and JSON texts.
    pub params: Vec<Named<String>>,
    /// Values of secrets, by name.
    pub secrets: Vec<Named<String>>,
    /// When the run began, in milliseconds since the Unix epoch.
    pub now: u64,
    /// The plugin's `revert` is called, instead of `transform`.
    pub revert: bool,
    /// What becomes of each document; None where that is still to be written down.
    pub expect: Option<Vec<Named<Expected>>>,
    /// Applied to its own result it changes something.
    pub changes_again: bool,
}

/// What is to become of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// What becomes of itself.
    pub fate: ExpectedFate,
    /// Other documents that differ afterwards: tables, and in each ids and bodies, None for one that is gone.
    pub tables: Vec<Named<Vec<Named<Option<String>>>>>,
    /// What is logged about it; None where that does not matter.
    pub log: Option<Vec<Line>>,
}

/// What is to become of a document itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExpectedFate {
    /// It has this body afterwards; None: it is gone.
    Document(Option<String>),
    /// It is as it was, and others have changed.
    Kept,
    /// It is skipped, with this reason or any.
    Skipped(Option<String>),
    /// The filter passes it over.
    PassedOver,
    /// It fails. What is None does not matter.
    Failed {
        /// Stable and machine-readable.
        code: Option<String>,
        /// For people.
        message: Option<String>,
        /// The place that is to blame; `Some(None)`: none is named.
        at: Option<Option<String>>,
    },
}
