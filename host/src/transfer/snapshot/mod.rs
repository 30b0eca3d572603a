//! Snapshots of Convex, in and out.
//!
//! Documents become document tables, in the current encoding and otherwise byte for byte; a component's table `users`
//! is called `component/users`. Everything else in the archive, stored files among it, is kept in the store as it is,
//! and the tables' numbers with it, so that the way out leads to the same entries.

mod export;
mod import;

pub use export::export;
pub use import::{Unpacked, import};

/// How much of an entry is kept in one part.
const PART: usize = 1 << 20;

/// A line of `_tables/documents.jsonl`.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct TableLine<'l> {
    #[serde(borrow)]
    name: std::borrow::Cow<'l, str>,
    id: crate::convex::TableNumber,
}
