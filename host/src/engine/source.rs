//! Batches on their way to the writer: read in the order of the table, transformed, and handed over in
//! that order.
//!
//! [`InTurn`] reads a batch when it is asked for one. [`SideBySide`] reads and transforms ahead, on threads
//! of their own, while earlier batches are written. Both give the same batches: the writer compares what
//! it gets with the store, and settles what has changed meanwhile.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use migration_document::Filter;

use super::apply::Scope;
use super::balance::Balance;
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
        let mut page = reader.page(self.lap.table(), self.lap.filter(), range, budget)?;
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

/// Where the writer gets its batches from.
pub(super) trait Source {
    /// The next batch; None at the end of the lap.
    fn next(&mut self) -> Result<Option<Batch>, RunError>;

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
        let batch = transformed(self.lap, &self.reader, read)?;
        lock(&self.reader).end()?;
        Ok(Some(batch))
    }
}

/// How many batches may be ready besides those that are transformed. The writer rests and waits for the disk now and then, and shall
/// find work for as long as it was kept from it.
const AHEAD: usize = 3;

/// Reads and transforms ahead.
///
/// The reader hands each page to whichever worker is free, and, in the table's order, the place where that
/// worker will put the batch to the writer. Both queues are short, so that memory is bounded and a batch is
/// not much older than it must be when it is written.
pub(super) struct SideBySide<'scope> {
    batches: Receiver<Receiver<Result<Batch, RunError>>>,
    /// Back to those who transform, who have made most of it: dropping what another thread has made is slow.
    spent: SyncSender<Batch>,
    /// Starts one more thread that transforms, where there is to be one once the writer waits too much.
    reserve: Option<Box<dyn FnOnce() -> Result<(), StoreError> + 'scope>>,
    balance: Balance,
    /// When the writer got its last batch.
    gave: Instant,
}

/// How many threads transform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Workers {
    /// From the start.
    pub first: usize,
    /// One more, once the writer mostly waits for them.
    pub reserve: bool,
}

impl Workers {
    /// As many as this, or as the machine's cores are worth.
    pub fn of(number: Option<usize>) -> Self {
        /// More readers and instances than this win little.
        const MOST: usize = 8;
        if let Some(number) = number {
            return Self {
                first: number.max(1),
                reserve: false,
            };
        }
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
        Self {
            first: (cores - 1).clamp(1, MOST),
            reserve: (2..=MOST).contains(&cores),
        }
    }
}

/// A page, and where to put the batch that is made of it.
type Task = (Read, SyncSender<Result<Batch, RunError>>);

impl<'scope> SideBySide<'scope> {
    /// Starts the threads. They end when the source is dropped.
    ///
    /// # Errors
    /// If the store cannot be opened so often.
    pub fn start(
        scope: &'scope thread::Scope<'scope, '_>,
        lap: &'scope Lap<'scope>,
        workers: Workers,
    ) -> Result<Self, RunError> {
        let (batch_sender, batches) = sync_channel(workers.first + AHEAD);
        let (task_sender, tasks) = sync_channel::<Task>(1);
        let (spent_sender, spent) = sync_channel(1);
        let tasks = Arc::new(Mutex::new(tasks));
        let spent = Arc::new(Mutex::new(spent));
        let start = move || -> Result<(), StoreError> {
            let reader: SharedReader = Arc::new(Mutex::new(lap.store.reader()?));
            let (tasks, spent) = (Arc::clone(&tasks), Arc::clone(&spent));
            scope.spawn(move || work(lap, &reader, &tasks, &spent));
            Ok(())
        };
        for _ in 0..workers.first {
            start()?;
        }
        let reader: SharedReader = Arc::new(Mutex::new(lap.store.reader()?));
        scope.spawn(move || read_ahead(lap, &reader, &task_sender, &batch_sender));
        Ok(Self {
            batches,
            spent: spent_sender,
            // Dropped with the rest where it is not needed: it keeps the queue of tasks open.
            reserve: workers.reserve.then(|| Box::new(start) as Box<_>),
            balance: Balance::default(),
            gave: Instant::now(),
        })
    }
}

impl Source for SideBySide<'_> {
    fn next(&mut self) -> Result<Option<Batch>, RunError> {
        let asked = Instant::now();
        // The reader has ended: everything was handed over.
        let Ok(batch) = self.batches.recv() else {
            return Ok(None);
        };
        let batch = batch.recv().map_err(|_| RunError::Lost)??;
        let given = Instant::now();
        self.balance
            .note(asked - self.gave, given.duration_since(asked));
        self.gave = given;
        if let Some(start) = self.reserve.take_if(|_| self.balance.is_starved()) {
            start()?;
        }
        Ok(Some(batch))
    }

    fn take_back(&mut self, batch: Batch) {
        // If they have no time for it, or have ended, it is dropped here: memory is bounded.
        let _ = self.spent.try_send(batch);
    }
}

fn read_ahead(
    lap: &Lap<'_>,
    reader: &SharedReader,
    tasks: &SyncSender<Task>,
    batches: &SyncSender<Receiver<Result<Batch, RunError>>>,
) {
    let mut pages = Pages::new(lap);
    loop {
        let page = pages.next(reader).and_then(|page| {
            if page.is_some() {
                lock(reader).end()?;
            }
            Ok(page)
        });
        let (sender, receiver) = sync_channel(1);
        // An error of sending means that the writer wants no more.
        if matches!(page, Ok(None)) || batches.send(receiver).is_err() {
            return;
        }
        let sent = match page {
            Ok(Some(read)) => tasks.send((read, sender)).is_ok(),
            Ok(None) => false,
            Err(error) => {
                let _ = sender.send(Err(error.into()));
                false
            }
        };
        if !sent {
            return;
        }
    }
}

fn work(
    lap: &Lap<'_>,
    reader: &SharedReader,
    tasks: &Mutex<Receiver<Task>>,
    spent: &Mutex<Receiver<Batch>>,
) {
    loop {
        // Whoever has it now does the same.
        if let Ok(spent) = spent.try_lock() {
            spent.try_iter().for_each(drop);
        }
        let task = tasks.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((read, sender)) = task else {
            return;
        };
        let done = in_snapshot(reader, || transformed(lap, reader, read));
        if sender.send(done).is_err() {
            return;
        }
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
