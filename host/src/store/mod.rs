//! Where documents live. [`Store`] is what the engine knows; its homes ([`sqlite`]) keep their SQL to
//! themselves.
//!
//! A store has one [`Writer`] and any number of [`Reader`]s, each with a connection of its own, because
//! plugin code runs between reading and writing and must not hold a write lock.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use migration_document::{Failure, Filter};
use serde::{Deserialize, Serialize};

pub mod address;
pub mod error;
pub mod memory;
pub mod place;
pub mod shelf;
pub mod sqlite;
pub mod structure;
pub mod table;
pub mod text;

pub use address::Address;
pub use error::{Excess, StoreError, WriteError};
pub use memory::Memory;
pub use place::{Key, Place};
pub use shelf::{Shelf, ShelfWriter};
pub use structure::Structure;
pub use table::{Column, Kind, Table, TableOverride, TableSummary};
pub use text::{Gathering, Text};

use crate::ledger::{Checkpoint, Ledger, OrderLedger};

/// The result of what a store does.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// One document, as the store held it when it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Its key within its table, as text.
    pub id: Text,
    /// One JSON text.
    pub body: Text,
    /// Where it stands in its table.
    pub place: Place,
    /// How the store holds the body.
    pub format: Format,
}

/// How a store holds a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// As JSON text, byte for byte, or as the columns of a row.
    Plain,
    /// In a binary form (SQLite's JSONB): spellings of numbers survive, white space does not.
    Binary,
}

/// A document that stands in the table but cannot be handed to anyone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Its key as far as it can be told; where it cannot, a word in brackets.
    pub id: String,
    /// Why it cannot be read.
    pub failure: Failure,
}

impl Unreadable {
    /// Whether an id is but a word for a key that cannot be told: no document can be found by it.
    #[must_use]
    pub fn is_placeholder(id: &str) -> bool {
        id.starts_with('(') || id.contains(char::REPLACEMENT_CHARACTER)
    }
}

/// How much to read at a time. Whichever bound is met first ends the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Documents that meet the filter.
    pub documents: usize,
    /// Bytes of their bodies. A page has at least one document, whatever its size.
    pub bytes: usize,
    /// Documents looked at, whether they meet the filter or not.
    pub looked_at: usize,
}

/// Part of a table, in the order of its places.
#[derive(Debug, Default)]
pub struct Page {
    /// The documents that meet the filter.
    pub documents: Vec<Document>,
    /// Documents that cannot be read, each with the number of [`Page::documents`] that stand before it.
    /// Whether they would meet the filter cannot be told.
    pub unreadable: Vec<(usize, Unreadable)>,
    /// The last document looked at, where there was one.
    pub last: Option<Checkpoint>,
    /// How many documents were looked at.
    pub looked_at: u64,
    /// Nothing is left behind this page.
    pub end: bool,
}

/// How far a lookup may go.
#[derive(Debug, Clone, Copy)]
pub struct Reach {
    /// When it must be over, wherever it is then.
    pub until: Option<Instant>,
    /// How many bytes the ids and bodies may have that it finds.
    pub bytes: usize,
}

impl Reach {
    /// As far as it takes.
    pub const ANY: Self = Self {
        until: None,
        bytes: usize::MAX,
    };

    /// Whether there is time left.
    pub(crate) fn in_time(&self) -> Result<()> {
        match self.until {
            Some(until) if Instant::now() > until => Err(StoreError::Beyond(Excess::Time)),
            _ => Ok(()),
        }
    }

    /// Accounts for a document that was found.
    pub(crate) fn take(&mut self, document: &Document) -> Result<()> {
        let bytes = document.id.len() + document.body.len();
        let left = self.bytes.checked_sub(bytes);
        self.bytes = left.ok_or(StoreError::Beyond(Excess::Bytes))?;
        Ok(())
    }
}

/// Which part of a table to read.
#[derive(Debug, Clone, Copy)]
pub struct Range<'a> {
    /// Only what comes after this place.
    pub after: Option<&'a Place>,
    /// Only what comes up to this place, it included.
    pub until: Option<&'a Place>,
}

/// What became of a document since it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Again {
    /// It is what it was.
    Same,
    /// It has another body.
    Changed(Document),
    /// It cannot be read any more.
    Unreadable(Unreadable),
    /// It is not there any more.
    Gone,
}

/// Tells whether anyone else has written since it was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark(pub i64);

/// Something that the user should know, though it fails nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    /// What was found.
    pub message: String,
    /// What would help.
    pub hint: String,
}

/// How far a copy of a store has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copied {
    /// Pages that were copied.
    pub pages: u64,
    /// Pages that there are.
    pub of: u64,
}

/// A database.
pub trait Store: Send + Sync {
    /// Every table that a migration could name, by name.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn tables(&self) -> Result<Vec<TableSummary>>;

    /// What the store knows of a table.
    ///
    /// # Errors
    /// If there is none of that name, or none that a migration may use (a view, the host's own).
    fn table(&self, name: &str) -> Result<Arc<Table>>;

    /// Writes a whole copy of the store, of one moment, and checks it. Applications go on meanwhile.
    ///
    /// # Errors
    /// If there is such a file and `replace` does not allow for it, or the store cannot be read, or the copy not written.
    fn back_up(&self, to: &Path, replace: bool, progress: &mut dyn FnMut(Copied)) -> Result<()>;

    /// Whether readers and the writer do not wait for each other.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn reads_beside_writes(&self) -> Result<bool>;

    /// A connection that reads.
    ///
    /// # Errors
    /// If the store cannot be opened.
    fn reader(&self) -> Result<Box<dyn Reader>>;

    /// The connection that writes.
    ///
    /// # Errors
    /// If the store cannot be opened for writing.
    fn writer(&self) -> Result<Box<dyn Writer>>;
}

/// What keys a new document table has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NewKey {
    /// Texts, given with each document.
    Text,
    /// Integers, counted up by the store.
    Counted,
}

/// Reads documents.
pub trait Reader: Shelf + Send {
    /// Starts a snapshot: until [`Reader::end`], everything read is of one moment.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn begin(&mut self) -> Result<()>;

    /// Ends the snapshot.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn end(&mut self) -> Result<()>;

    /// The next documents that meet the filter, in the order of their places.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn page(
        &mut self,
        table: &Table,
        filter: &Filter,
        range: Range<'_>,
        budget: Budget,
    ) -> Result<Page>;

    /// Where the table ends now; None for an empty one.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn end_of(&mut self, table: &Table) -> Result<Option<Checkpoint>>;

    /// The place of the document with this key; None if there is none.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn place_of(&mut self, table: &Table, id: &str) -> Result<Option<Place>>;

    /// The documents with these keys, in order; None for a key that does not exist.
    ///
    /// # Errors
    /// If the store cannot be read, or one of the documents cannot; if it would go beyond its reach.
    fn get(&mut self, table: &Table, ids: &[String], reach: Reach)
    -> Result<Vec<Option<Document>>>;

    /// The documents with these keys, in order, each looked for first where it stood; None for a key that does not exist.
    /// Their bodies may be anything, not only JSON.
    ///
    /// # Errors
    /// If the store cannot be read, or one of the documents cannot.
    fn find_again(
        &mut self,
        table: &Table,
        wanted: &[(&str, Option<&Place>)],
    ) -> Result<Vec<Option<Document>>> {
        let ids: Vec<_> = wanted.iter().map(|(id, _)| (*id).to_owned()).collect();
        let anywhere = Reach {
            until: None,
            bytes: usize::MAX,
        };
        self.get(table, &ids, anywhere)
    }

    /// The first documents, by key, that meet the filter.
    ///
    /// # Errors
    /// If the store cannot be read, or it would go beyond its reach.
    fn find(
        &mut self,
        table: &Table,
        filter: &Filter,
        limit: usize,
        reach: Reach,
    ) -> Result<Vec<Document>>;

    /// How many documents a range has, whether they meet a filter or not.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn count(&mut self, table: &Table, range: Range<'_>) -> Result<u64>;

    /// Whether a document of this table could get this body, as far as that can be told without writing.
    ///
    /// # Errors
    /// The refusal, or what went wrong with the store.
    fn check_update(
        &mut self,
        table: &Table,
        document: &Document,
        body: &str,
    ) -> Result<(), WriteError>;

    /// Whether this document could be inserted, as far as that can be told without writing.
    ///
    /// # Errors
    /// The refusal, or what went wrong with the store.
    fn check_insert(&mut self, table: &Table, id: &str, body: &str) -> Result<(), WriteError>;

    /// What was noticed since the last call.
    fn take_advice(&mut self) -> Vec<Advice>;
}

/// Does something in a transaction of its own, and takes it back if it fails.
///
/// # Errors
/// What went wrong with the work, or with the transaction.
pub fn in_transaction<T, E: From<StoreError>>(
    writer: &mut dyn Writer,
    work: impl FnOnce(&mut dyn Writer) -> Result<T, E>,
) -> Result<T, E> {
    writer.begin()?;
    match work(writer) {
        Ok(done) => {
            writer.commit()?;
            Ok(done)
        }
        Err(error) => {
            writer.rollback()?;
            Err(error)
        }
    }
}

/// Writes documents, and the ledger with them, in transactions.
pub trait Writer: Ledger + OrderLedger + Structure + ShelfWriter {
    /// Does what the store puts off until there is time between transactions, while nobody is kept from writing. Where other
    /// programs write as well, nothing is put off that they would have to do otherwise. A store that puts nothing off does nothing.
    ///
    /// While it has to wait it calls `meanwhile`, which does some other work and tells whether there was any.
    ///
    /// # Errors
    /// If the store cannot be written.
    fn tidy_up(&mut self, beside_others: bool, meanwhile: &mut dyn FnMut() -> bool) -> Result<()> {
        let _ = (beside_others, meanwhile);
        Ok(())
    }

    /// A mark to compare with later.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn mark(&mut self) -> Result<Mark>;

    /// A number that changes whenever the rows of a table may have been numbered anew; None where their
    /// numbers are no one's key, or never change.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn numbering(&mut self, table: &Table) -> Result<Option<i64>>;

    /// Starts a transaction that holds the write lock from its first moment on, waiting for other
    /// writers up to the store's lock timeout.
    ///
    /// # Errors
    /// If the lock is not to be had, or the store cannot be written.
    fn begin(&mut self) -> Result<()>;

    /// Whether another connection has written since the mark was taken. Only within a transaction is
    /// the answer one that stays true.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn changed_since(&mut self, mark: Mark) -> Result<bool>;

    /// Whether other programs may have the store open. The store says no only where it can tell: then nobody waits for the
    /// write lock.
    fn may_have_company(&mut self) -> bool {
        true
    }

    /// From now on commits need not wait until the disk has what they make last, and may be lost when the power fails, the
    /// last ones first: until [`Writer::make_durable`]. Whatever happens, the store holds all of a transaction or
    /// nothing. A store that cannot promise that goes on waiting.
    ///
    /// # Errors
    /// If the store cannot be reached.
    fn commit_ahead(&mut self) -> Result<()> {
        Ok(())
    }

    /// Waits until the disk has everything that was committed. From now on each commit waits for that.
    ///
    /// # Errors
    /// If the disk does not take it.
    fn make_durable(&mut self) -> Result<()> {
        Ok(())
    }

    /// Makes everything since [`Writer::begin`] last. Returns how long the write lock was held.
    ///
    /// # Errors
    /// If the store cannot be written; then nothing has happened.
    fn commit(&mut self) -> Result<Duration>;

    /// Takes everything since [`Writer::begin`] back.
    ///
    /// # Errors
    /// If the store cannot be reached; then nothing has happened either.
    fn rollback(&mut self) -> Result<()>;

    /// Marks a point in the transaction that [`Writer::rewind`] goes back to.
    ///
    /// # Errors
    /// If the store cannot be written.
    fn save_point(&mut self) -> Result<()>;

    /// Forgets the last save point and keeps what was written since.
    ///
    /// # Errors
    /// A refusal if what was written since would make the commit fail; [`Writer::rewind`] then takes it
    /// back. Else if the store cannot be written.
    fn release(&mut self) -> Result<(), WriteError>;

    /// Takes back what was written since the last save point, and forgets it.
    ///
    /// # Errors
    /// If the store cannot be written.
    fn rewind(&mut self) -> Result<()>;

    /// Whether a refusal always comes at once, and leaves nothing behind. Then a single change needs no
    /// save point.
    fn refuses_at_once(&self) -> bool;

    /// Whether a write of this connection has changed more documents than the one it was for: triggers
    /// and actions of foreign keys do.
    fn has_rippled(&self) -> bool;

    /// What became of a document since it was read.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn again(&mut self, table: &Table, document: &Document) -> Result<Again>;

    /// The document with this key, as it is now.
    ///
    /// # Errors
    /// If the store or the document cannot be read.
    fn current(&mut self, table: &Table, id: &str) -> Result<Option<Document>>;

    /// The document with this key, as it is now; looked for first where it stood. Its body may be anything, not only
    /// JSON.
    ///
    /// # Errors
    /// If the store or the document cannot be read.
    fn find_again(
        &mut self,
        table: &Table,
        id: &str,
        place: Option<&Place>,
    ) -> Result<Option<Document>>;

    /// Gets ready for transactions with very many documents, which takes memory.
    ///
    /// # Errors
    /// If the store cannot be reached.
    fn expect_many(&mut self) -> Result<()>;

    /// A table, as it is within the transaction in hand.
    ///
    /// # Errors
    /// If there is none of that name, or it cannot be used.
    fn table(&mut self, name: &str) -> Result<Arc<Table>>;

    /// Makes a document table within the transaction in hand: a key and a JSON column. Where the tables of the store
    /// have numbers, it gets the next one.
    ///
    /// # Errors
    /// If there is one of that name, or the store cannot be written.
    fn create_document_table(&mut self, name: &str, key: NewKey) -> Result<Arc<Table>>;

    /// Whether a table has no documents.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn is_empty(&mut self, table: &Table) -> Result<bool>;

    /// Takes all documents of a table away. There is no way back but that of the transaction.
    ///
    /// # Errors
    /// The refusal, or what went wrong with the store.
    fn clear(&mut self, table: &Table) -> Result<(), WriteError>;

    /// Puts a document back that was deleted, as it was.
    ///
    /// # Errors
    /// The refusal, or what went wrong with the store.
    fn put_back(
        &mut self,
        table: &Table,
        id: &str,
        body: &str,
        format: Format,
    ) -> Result<(), WriteError>;

    /// Gives a document the body back that it had: what the store computes follows by itself.
    ///
    /// # Errors
    /// The refusal, or what went wrong with the store.
    fn put_body_back(
        &mut self,
        table: &Table,
        document: &Document,
        body: &str,
    ) -> Result<(), WriteError>;

    /// Gives a document a new body.
    ///
    /// # Errors
    /// The refusal, or what went wrong with the store.
    fn update(&mut self, table: &Table, document: &Document, body: &str) -> Result<(), WriteError>;

    /// Adds a document. Without an id the store counts one up, where it can.
    ///
    /// # Errors
    /// The refusal, or what went wrong with the store.
    fn insert(&mut self, table: &Table, id: Option<&str>, body: &str) -> Result<(), WriteError>;

    /// Takes a document away.
    ///
    /// # Errors
    /// The refusal, or what went wrong with the store.
    fn delete(&mut self, table: &Table, document: &Document) -> Result<(), WriteError>;
}
