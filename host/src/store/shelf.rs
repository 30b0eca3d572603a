//! What a snapshot from elsewhere holds besides documents, kept in the store so that it can be written out again.

use std::collections::BTreeMap;

use super::Result;
use crate::convex::TableNumber;

/// An entry of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShelfEntry {
    /// Where it stands among the others, and what its parts are found by.
    pub number: i64,
    /// Its path in the snapshot.
    pub path: String,
}

/// Reads what is kept.
pub trait Shelf {
    /// All entries, in the order in which they were kept.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn shelf_entries(&mut self) -> Result<Vec<ShelfEntry>>;

    /// A part of an entry's bytes, counted from 0; None behind the last one.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn shelf_part(&mut self, entry: i64, part: u32) -> Result<Option<Vec<u8>>>;

    /// The numbers of tables that have one.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn table_numbers(&mut self) -> Result<BTreeMap<String, TableNumber>>;
}

/// Writes what is kept, within the transaction in hand.
pub trait ShelfWriter {
    /// Begins an entry, and returns its number. One of the same path gives way to it.
    ///
    /// # Errors
    /// If the store cannot be written.
    fn keep_entry(&mut self, path: &str) -> Result<i64>;

    /// Keeps a part of an entry's bytes.
    ///
    /// # Errors
    /// If the store cannot be written.
    fn keep_part(&mut self, entry: i64, part: u32, bytes: &[u8]) -> Result<()>;

    /// Gives a table its number. From then on its new documents get ids of Convex.
    ///
    /// # Errors
    /// If the store cannot be written.
    fn number_table(&mut self, table: &str, number: TableNumber) -> Result<()>;
}
