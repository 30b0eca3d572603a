//! Batches on their way to the writer: read in the order of the table, transformed, and handed over in
//! that order.
//!
//! [`InTurn`] reads a batch when it is asked for one. [`SideBySide`](super::side_by_side::SideBySide) reads and
//! transforms ahead, while earlier batches are written. Both give the same batches: the writer compares what it
//! gets with the store, and settles what has changed meanwhile.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};

use migration_document::Filter;

use super::apply::Scope;
use super::error::RunError;
use super::intent::Intent;
use super::named::{Left, Named};
use super::sample::Sample;
use super::transform::{Stage, transform};
use crate::ledger::Checkpoint;
use crate::plugin::world::lock;
use crate::plugin::{Aside, SharedReader};
use crate::stages::Stages;
use crate::store::{Advice, Budget, Document, Mark, Range, Store, StoreError, Table, Unreadable};

/// How many documents a sparse filter may pass over within one snapshot.
const LOOKED_AT: usize = 100_000;

/// The writer's clock: the last state of the store that it has seen, for those who read ahead.
///
/// A reader asks for it *before* it starts its snapshot. If the writer later finds the store in the same
/// state, nobody else can have changed anything in between.
#[derive(Debug, Default)]
pub(super) struct Clock {
    mark: AtomicI64,
}

impl Clock {
    pub fn now(&self) -> Mark {
        Mark(self.mark.load(Ordering::SeqCst))
    }

    /// The writer has seen this state.
    pub fn seen(&self, mark: Mark) {
        self.mark.store(mark.0, Ordering::SeqCst);
    }
}

/// Documents on their way from reading to writing.
pub(super) struct Batch {
    pub documents: Vec<Document>,
    /// One for each document.
    pub intents: Vec<Intent>,
    /// Each with the number of documents that stand before it.
    pub unreadable: Vec<(usize, Unreadable)>,
    /// The state that the writer had seen before the documents were read.
    pub read: Mark,
    /// What the plugin of each stage looked up and logged.
    pub asides: Vec<Aside>,
    pub advice: Vec<Advice>,
    /// How far the page went.
    pub last: Option<Checkpoint>,
    pub looked_at: u64,
    /// What has to be transformed again before it is written.
    pub again: Again,
    /// Documents that are gone, or that the filter passes over by now.
    pub left: Vec<Left>,
    /// What the ledger named the documents for.
    pub named: Named,
}

/// Which documents of a batch have to be transformed again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Again {
    /// All of them: what the plugin looked up has changed.
    All,
    /// These, by their index.
    Some(Vec<usize>),
}

impl Default for Again {
    fn default() -> Self {
        Self::Some(Vec::new())
    }
}

impl Batch {
    pub fn empty(read: Mark) -> Self {
        Self {
            documents: Vec::new(),
            intents: Vec::new(),
            unreadable: Vec::new(),
            read,
            asides: Vec::new(),
            advice: Vec::new(),
            last: None,
            looked_at: 0,
            again: Again::default(),
            left: Vec::new(),
            named: Named::Nothing,
        }
    }

    /// What is said of the documents follows them to the places where they stand now. Where one is not there any
    /// more, or is to be transformed again, it goes.
    pub fn follow(&mut self, places: &[Option<usize>]) {
        for aside in &mut self.asides {
            aside
                .log
                .follow(|place| places.get(place).copied().flatten());
        }
    }

    /// For how many lines of its log a plugin had no room.
    pub fn dropped(&self) -> u64 {
        self.asides.iter().map(|aside| aside.log.dropped()).sum()
    }
}

/// The part of a table that is gone over, and how.
pub(super) struct Lap<'a> {
    pub store: &'a dyn Store,
    pub stages: &'a Stages<Stage<'a>>,
    pub scope: &'a Scope,
    pub sample: Option<Sample>,
    pub after: Option<Checkpoint>,
    /// None: there is nothing to go over.
    pub until: Option<Checkpoint>,
    /// How many documents a batch has, as the writer wants it.
    pub size: &'a AtomicUsize,
    /// Bytes of bodies in a batch.
    pub bytes: usize,
    /// How many documents are wanted at the most.
    pub left: Option<u64>,
    /// So many were read, and there may be more.
    pub limited: AtomicBool,
    pub clock: &'a Clock,
}

impl Lap<'_> {
    pub fn table(&self) -> &Table {
        &self.scope.table
    }

    pub fn filter(&self) -> &Filter {
        &self.scope.filter
    }

    /// How many documents the next batch should have.
    pub fn documents(&self) -> usize {
        self.size.load(Ordering::Relaxed).max(1)
    }
}

/// A page as it was read.
pub(super) struct Read {
    pub page: crate::store::Page,
    pub moment: Mark,
}

/// Reads page after page.
pub(super) struct Pages<'a> {
    lap: &'a Lap<'a>,
    after: Option<Checkpoint>,
    left: Option<u64>,
    done: bool,
}

impl<'a> Pages<'a> {
    pub fn new(lap: &'a Lap<'a>) -> Self {
        Self {
            lap,
            after: lap.after.clone(),
            left: lap.left,
            done: lap.until.is_none(),
        }
    }

    /// The next page, within a snapshot that is still open.
    pub fn next(&mut self, reader: &SharedReader) -> Result<Option<Read>, StoreError> {
        if self.done {
            return Ok(None);
        }
        if self.left == Some(0) {
            self.lap.limited.store(true, Ordering::Relaxed);
            return Ok(None);
        }
        let left = self.left.map_or(usize::MAX, |left| {
            usize::try_from(left).unwrap_or(usize::MAX)
        });
        let budget = Budget {
            documents: self.lap.size.load(Ordering::Relaxed).clamp(1, left.max(1)),
            bytes: self.lap.bytes,
            looked_at: LOOKED_AT,
        };
        let moment = self.lap.clock.now();
        let range = Range {
            after: self.after.as_ref().map(|point| &point.place),
            until: self.lap.until.as_ref().map(|point| &point.place),
        };
        let mut reader = lock(reader);
        reader.begin()?;
        let page = reader.page(self.lap.table(), self.lap.filter(), range, budget);
        if page.is_err() {
            // Pages before it may still be written, and have lookups made again.
            let _ = reader.end();
        }
        let mut page = page?;
        if page.last.is_some() {
            self.after.clone_from(&page.last);
        }
        self.done = page.end;
        if let Some(sample) = self.lap.sample {
            page = sample.of(page);
        }
        let found = page.documents.len() + page.unreadable.len();
        self.left = self.left.map(|left| left.saturating_sub(found as u64));
        Ok(Some(Read { page, moment }))
    }
}

/// Has a page transformed. The reader, which answers lookups, must be within a snapshot.
pub(super) fn transformed(
    lap: &Lap<'_>,
    reader: &SharedReader,
    read: Read,
) -> Result<Batch, RunError> {
    let Read { page, moment } = read;
    let answer = transform(lap.stages, lap.scope, reader, &page.documents)?;
    let advice = lock(reader).take_advice();
    Ok(Batch {
        documents: page.documents,
        intents: answer.intents,
        unreadable: page.unreadable,
        read: moment,
        asides: answer.asides,
        advice,
        last: page.last,
        looked_at: page.looked_at,
        again: Again::default(),
        left: Vec::new(),
        named: Named::Nothing,
    })
}

/// Has a page transformed that was just read, and ends its snapshot: as early as can be, since a log that is read does
/// not begin anew.
pub(super) fn batch_of(
    lap: &Lap<'_>,
    reader: &SharedReader,
    read: Read,
) -> Result<Batch, RunError> {
    let lookups = lap.stages.iter().any(Stage::looks_up);
    if !lookups {
        lock(reader).end()?;
    }
    let batch = transformed(lap, reader, read);
    // Even if it fails: batches before it may still be written, and have lookups made again.
    if lookups {
        lock(reader).end()?;
    }
    batch
}

/// Where the writer gets its batches from.
pub(super) trait Source {
    /// The next batch; None at the end of the lap.
    fn next(&mut self) -> Result<Option<Batch>, RunError>;

    /// Makes a batch that is wanted later, if there is room for another. Returns whether it did.
    fn help(&mut self) -> bool {
        false
    }

    /// Takes a batch that was written, to be dropped where nobody waits for it.
    fn take_back(&mut self, batch: Batch) {
        drop(batch);
    }
}

/// Reads and transforms a batch when it is asked for it.
pub(super) struct InTurn<'a> {
    lap: &'a Lap<'a>,
    pages: Pages<'a>,
    reader: SharedReader,
}

impl<'a> InTurn<'a> {
    /// `reader` answers lookups as well.
    pub fn new(lap: &'a Lap<'a>, reader: SharedReader) -> Self {
        Self {
            lap,
            pages: Pages::new(lap),
            reader,
        }
    }
}

impl Source for InTurn<'_> {
    fn next(&mut self) -> Result<Option<Batch>, RunError> {
        let Some(read) = self.pages.next(&self.reader)? else {
            return Ok(None);
        };
        batch_of(self.lap, &self.reader, read).map(Some)
    }
}

/// Does something while lookups are answered from one snapshot.
pub(super) fn in_snapshot<T>(
    reader: &SharedReader,
    work: impl FnOnce() -> Result<T, RunError>,
) -> Result<T, RunError> {
    lock(reader).begin()?;
    let done = work()?;
    lock(reader).end()?;
    Ok(done)
}
