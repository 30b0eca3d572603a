//! Where a document stands in its table.

use serde::{Deserialize, Serialize};

/// Part of a key. Stores have more types than these; what is none of them is no key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Key {
    /// NULL: allowed in a key by SQLite where a table is older than the rule.
    Null,
    /// An integer.
    Integer(i64),
    /// A floating-point number.
    Real(f64),
    /// A text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

// Places are compared to tell whether two documents are the same one, and NaN is no key.
impl Eq for Key {}

/// Where a document stands in the order in which a table is gone over.
///
/// Serialized, it is a checkpoint. Row numbers may be given anew by VACUUM; whoever keeps one across
/// processes keeps the document's id beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// The row's number.
    Row(i64),
    /// The values of the primary key, in its order.
    Key(Vec<Key>),
}
