//! Where changes go: into the store, or, in a dry run, nowhere.

use std::collections::HashMap;

use super::intent::Update;
use super::observer::{Change, Observer};
use crate::ledger::undo::{Log, Taken, hash};
use crate::plugin::SharedReader;
use crate::plugin::world::lock;
use crate::store::{
    Again, Document, Format, Kind, Place, Reach, Result, StoreError, Table, WriteError, Writer,
};

/// What changes are made against. A dry run and a real one take the same road up to here.
pub(super) trait Sink {
    /// The document with this key, as it is now.
    fn current(&mut self, table: &Table, id: &str) -> Result<Option<Document>, WriteError>;
    fn update(
        &mut self,
        table: &Table,
        document: &Document,
        update: &Update,
    ) -> Result<(), WriteError>;
    fn insert(&mut self, table: &Table, id: &str, body: &str) -> Result<(), WriteError>;
    fn delete(&mut self, table: &Table, document: &Document) -> Result<(), WriteError>;
    /// Notes a document whose outcome changes others only: it is one of the run's documents, too.
    fn changed_others(&mut self, table: &Table, document: &Document);
    /// Whether a document is still what was read, as far as this run's own changes go.
    fn is_still(&mut self, table: &Table, document: &Document) -> Result<bool>;
    /// Whether changes have changed more than they were to: see [`Writer::has_rippled`].
    fn has_rippled(&self) -> bool;
    /// Changes until [`Sink::keep`] or [`Sink::forget`] belong together.
    fn together(&mut self, several: bool) -> Result<()>;
    fn keep(&mut self) -> Result<(), WriteError>;
    fn forget(&mut self) -> Result<()>;
}

/// Writes into the store, within the transaction in hand, and notes the way back.
pub(super) struct Real<'a> {
    writer: &'a mut dyn Writer,
    undo: Log,
    saved: bool,
}

impl<'a> Real<'a> {
    pub fn new(writer: &'a mut dyn Writer) -> Self {
        Self {
            writer,
            undo: Log::default(),
            saved: false,
        }
    }

    /// The way back from everything that was kept.
    pub fn into_undo(self) -> Log {
        self.undo
    }
}

/// A document that cannot be read is the fault of the document that wants to change it.
fn readable(found: Result<Option<Document>>) -> Result<Option<Document>, WriteError> {
    found.map_err(|error| match error {
        StoreError::Unreadable { .. } => {
            WriteError::refused("unreadable-document", error.to_string(), None)
        }
        other => other.into(),
    })
}

impl Sink for Real<'_> {
    fn current(&mut self, table: &Table, id: &str) -> Result<Option<Document>, WriteError> {
        readable(self.writer.current(table, id))
    }

    fn update(
        &mut self,
        table: &Table,
        document: &Document,
        update: &Update,
    ) -> Result<(), WriteError> {
        self.writer.update(table, document, &update.body)?;
        // What is stored may be spelled otherwise than what was written: 2 in a column of reals is 2.0,
        // JSONB keeps no white space, and a trigger may have had its own mind.
        let as_written = table.kind != Kind::Row
            && document.format == Format::Plain
            && !self.writer.has_rippled();
        let found = if as_written {
            None
        } else {
            match self.writer.again(table, document)? {
                Again::Changed(now) => Some(Taken::updated(&document.body, &now.body)),
                _ => None,
            }
        };
        let back = found.as_ref().unwrap_or(&update.back);
        self.undo
            .note(&table.name, &document.id, Some(&document.place), back);
        Ok(())
    }

    fn insert(&mut self, table: &Table, id: &str, body: &str) -> Result<(), WriteError> {
        self.writer.insert(table, Some(id), body)?;
        // The store may add to what it was given: defaults, generated columns.
        let now = self.current(table, id)?.map_or(0, |now| hash(&now.body));
        self.undo
            .note(&table.name, id, None, &Taken::Inserted { now });
        Ok(())
    }

    fn delete(&mut self, table: &Table, document: &Document) -> Result<(), WriteError> {
        self.writer.delete(table, document)?;
        let change = Taken::deleted(&document.body, document.format);
        self.undo
            .note(&table.name, &document.id, Some(&document.place), &change);
        Ok(())
    }

    fn changed_others(&mut self, table: &Table, document: &Document) {
        self.undo.note(
            &table.name,
            &document.id,
            Some(&document.place),
            &Taken::OthersOnly,
        );
    }

    fn is_still(&mut self, table: &Table, document: &Document) -> Result<bool> {
        Ok(self.writer.again(table, document)? == Again::Same)
    }

    fn has_rippled(&self) -> bool {
        self.writer.has_rippled()
    }

    fn together(&mut self, several: bool) -> Result<()> {
        self.saved = several || !self.writer.refuses_at_once();
        if self.saved {
            self.writer.save_point()?;
        }
        Ok(())
    }

    fn keep(&mut self) -> Result<(), WriteError> {
        if self.saved {
            self.writer.release()?;
            self.saved = false;
        }
        self.undo.keep();
        Ok(())
    }

    fn forget(&mut self) -> Result<()> {
        self.undo.forget();
        if self.saved {
            self.writer.rewind()?;
            self.saved = false;
        }
        Ok(())
    }
}

/// Shows what would be written, and writes nothing. Remembers the changes of one batch, so that a change
/// that builds on another is judged as it would be.
///
/// What only the database itself can tell (unique indexes, CHECK, foreign keys, triggers) is not told.
pub(super) struct Dry<'a> {
    reader: &'a SharedReader,
    observer: &'a mut dyn Observer,
    changed: HashMap<(String, String), Option<Document>>,
    pending: Vec<Pending>,
}

struct Pending {
    table: String,
    id: String,
    before: Option<String>,
    after: Option<Document>,
}

impl<'a> Dry<'a> {
    pub fn new(reader: &'a SharedReader, observer: &'a mut dyn Observer) -> Self {
        Self {
            reader,
            observer,
            changed: HashMap::new(),
            pending: Vec::new(),
        }
    }

    fn pend(
        &mut self,
        table: &Table,
        id: &str,
        before: Option<&Document>,
        after: Option<Document>,
    ) {
        self.pending.push(Pending {
            table: table.name.clone(),
            id: id.into(),
            before: before.map(|document| document.body.to_string()),
            after,
        });
    }
}

impl Sink for Dry<'_> {
    fn current(&mut self, table: &Table, id: &str) -> Result<Option<Document>, WriteError> {
        let pending = self
            .pending
            .iter()
            .rev()
            .find(|pending| pending.table == table.name && pending.id == id);
        if let Some(pending) = pending {
            return Ok(pending.after.clone());
        }
        if let Some(document) = self.changed.get(&(table.name.clone(), id.to_owned())) {
            return Ok(document.clone());
        }
        let found = lock(self.reader).get(table, &[id.to_owned()], Reach::ANY);
        readable(found.map(|found| found.into_iter().next().flatten()))
    }

    fn update(
        &mut self,
        table: &Table,
        document: &Document,
        update: &Update,
    ) -> Result<(), WriteError> {
        lock(self.reader).check_update(table, document, &update.body)?;
        let after = Document {
            body: update.body.as_str().into(),
            ..document.clone()
        };
        self.pend(table, &document.id, Some(document), Some(after));
        Ok(())
    }

    fn insert(&mut self, table: &Table, id: &str, body: &str) -> Result<(), WriteError> {
        lock(self.reader).check_insert(table, id, body)?;
        if self.current(table, id)?.is_some() {
            return Err(WriteError::refused(
                "duplicate-id",
                format!("table `{}` has a document `{id}` already", table.name),
                None,
            ));
        }
        let after = Document {
            id: id.into(),
            body: body.into(),
            // Nobody writes to it: it is only looked at within this batch.
            place: Place::Key(Vec::new()),
            format: Format::Plain,
        };
        self.pend(table, id, None, Some(after));
        Ok(())
    }

    fn delete(&mut self, table: &Table, document: &Document) -> Result<(), WriteError> {
        self.pend(table, &document.id, Some(document), None);
        Ok(())
    }

    fn changed_others(&mut self, _table: &Table, _document: &Document) {}

    fn is_still(&mut self, _table: &Table, _document: &Document) -> Result<bool> {
        Ok(true)
    }

    fn has_rippled(&self) -> bool {
        false
    }

    fn together(&mut self, _several: bool) -> Result<()> {
        Ok(())
    }

    fn keep(&mut self) -> Result<(), WriteError> {
        for pending in self.pending.drain(..) {
            self.observer.would_change(&Change {
                table: &pending.table,
                id: &pending.id,
                before: pending.before.as_deref(),
                after: pending
                    .after
                    .as_ref()
                    .map(|document| document.body.as_str()),
            });
            self.changed
                .insert((pending.table, pending.id), pending.after);
        }
        Ok(())
    }

    fn forget(&mut self) -> Result<()> {
        self.pending.clear();
        Ok(())
    }
}
