//! The values of the interface, as plain data. `wit/migration.wit` says the same in WIT.
//!
//! What is said of each of many documents may be lent out of a larger text.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// What a field is compared with.
///
/// Every value is the JSON text of a scalar: a string, a number, `true`, `false` or `null`.
/// Numbers compare by value (`1`, `1.0` and `1e0` are equal), strings by their bytes in UTF-8.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Test {
    /// The pointer leads to a value, `null` included; in a row table to one that is not NULL.
    Present,
    /// The pointer leads nowhere; in a row table to NULL.
    Missing,
    /// The value is this one.
    Equals(String),
    /// The value is another one, or there is none.
    NotEquals(String),
    /// Both are numbers or both are strings, and the document's comes first.
    LessThan(String),
    /// Both are numbers or both are strings, and the document's is the same or comes after.
    AtLeast(String),
    /// The value is one of these.
    OneOf(Vec<String>),
}

/// A test of the value that a JSON Pointer leads to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// RFC 6901 JSON Pointer into the body.
    pub at: String,
    /// What must be true of the value there.
    pub test: Test,
}

/// One edit of a document. What no edit names keeps its exact bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Edit<'a> {
    /// Puts a value at a pointer: replaces what is there, or adds a member to an object.
    /// In an array an index replaces and `-` appends.
    Set {
        /// Where to.
        at: Cow<'a, str>,
        /// The JSON text of the value, kept as it is spelled.
        value: Cow<'a, str>,
    },
    /// Takes a member or an element out. There must be one.
    Remove {
        /// What to take out.
        at: Cow<'a, str>,
    },
    /// Moves a value without decoding it; replaces what is at `to`.
    Rename {
        /// Where the value is. There must be one.
        from: Cow<'a, str>,
        /// Where it goes.
        to: Cow<'a, str>,
    },
}

impl Edit<'_> {
    /// The same with texts of its own.
    #[must_use]
    pub fn into_owned(self) -> Edit<'static> {
        let own = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        match self {
            Self::Set { at, value } => Edit::Set {
                at: own(at),
                value: own(value),
            },
            Self::Remove { at } => Edit::Remove { at: own(at) },
            Self::Rename { from, to } => Edit::Rename {
                from: own(from),
                to: own(to),
            },
        }
    }
}

/// A document of some table.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Reference {
    /// Its table.
    pub table: String,
    /// Its key, as text.
    pub id: String,
}

/// A new document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Insertion {
    /// The table it goes to.
    pub table: String,
    /// Its key. None: the host derives one from the migration and the document at hand, so that
    /// the same document never inserts twice.
    pub id: Option<String>,
    /// JSON text.
    pub body: String,
}

/// One change of an [`Outcome::Changes`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// Adds a document.
    Insert(Insertion),
    /// Edits a document.
    Edit(Reference, Vec<Edit<'static>>),
    /// Gives a document a new body; the host works out what really changed.
    Replace(Reference, String),
    /// Takes a document away.
    Delete(Reference),
}

/// Why one document could not be migrated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Stable and machine-readable: lower-case words joined by hyphens.
    pub code: String,
    /// For the person who reads the report.
    pub message: String,
    /// JSON Pointer to the field that is to blame, where there is one.
    pub at: Option<String>,
}

/// What to do about one document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome<'a> {
    /// Leave it alone; the reason is counted.
    Skip(Cow<'a, str>),
    /// Edit it.
    Edit(Vec<Edit<'a>>),
    /// Give it a new body; the host works out what really changed.
    Replace(Cow<'a, str>),
    /// Take it away.
    Delete,
    /// Several changes, to this document and to others, made together or not at all.
    Changes(Vec<Change>),
    /// Quarantine it; the run goes on.
    Fail(Failure),
}

impl Outcome<'_> {
    /// The same with texts of its own.
    #[must_use]
    pub fn into_owned(self) -> Outcome<'static> {
        match self {
            Self::Skip(reason) => Outcome::Skip(reason.into_owned().into()),
            Self::Edit(edits) => Outcome::Edit(edits.into_iter().map(Edit::into_owned).collect()),
            Self::Replace(body) => Outcome::Replace(body.into_owned().into()),
            Self::Delete => Outcome::Delete,
            Self::Changes(changes) => Outcome::Changes(changes),
            Self::Fail(failure) => Outcome::Fail(failure),
        }
    }
}

/// What a migration is and all that it may touch. The host enforces it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Manifest {
    /// Identity in the store's history: lower-case words joined by hyphens.
    pub name: String,
    /// One sentence for people.
    pub description: String,
    /// The schema version that the store has once this migration is done.
    pub version: u32,
    /// Names of the migrations that must have been applied before.
    pub run_after: Vec<String>,
    /// The table whose documents it transforms.
    pub table: String,
    /// Only documents that meet all of these are passed to it.
    pub filter: Vec<Condition>,
    /// Tables that it looks documents up in.
    pub reads: Vec<String>,
    /// Tables that it changes besides `table`.
    pub writes: Vec<String>,
    /// Names of the secrets that it asks for.
    pub secrets: Vec<String>,
}
