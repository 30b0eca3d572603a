//! A store between the engine and a SQLite database. In it an application writes just when it hurts, processes
//! die, and, so that the tests can be tested, it lies.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};
use std::time::Duration;

use host::convex::TableNumber;
use host::ledger::order::Record;
use host::ledger::{
    DocumentFailure, Lease, Ledger, OrderLedger, QuarantinePart, Request, Run, RunId,
};
use host::store::shelf::ShelfEntry;
use host::store::sqlite::SqliteStore;
use host::store::structure::{Change, Structure, WayBack};
use host::store::{
    Advice, Again, Budget, Copied, Document, Format, Mark, NewKey, Page, Place, Range, Reach,
    Reader, Result, Shelf, ShelfWriter, Store, StoreError, Table, TableSummary, WriteError, Writer,
};
use migration_document::Filter;

/// When a process dies, as far as the store can tell: from then on nothing of it arrives there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    /// Before its n-th commit, from 0.
    Before(u64),
    /// After its n-th commit, of which it never hears.
    After(u64),
}

/// What the store tells, or does, otherwise than it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    /// A document is always what was read.
    NothingChanged,
    /// Nobody else ever writes.
    NobodyWrote,
    /// A batch's checkpoint and counters are committed after its changes.
    CommitsApart,
    /// The undo log is lost.
    NoUndo,
    /// What was committed ahead of the disk is said to be there.
    NeverOnDisk,
}

/// A store in which things happen.
pub struct Disturbed {
    inner: SqliteStore,
    shared: Arc<Shared>,
}

struct Shared {
    meanwhile: Box<dyn Fn() + Send + Sync>,
    death: Option<Death>,
    lie: Option<Lie>,
    /// The thread that is in a write transaction.
    writing: Mutex<Option<ThreadId>>,
    /// How many transactions were committed ahead of the disk since it was last waited for.
    ahead: AtomicU64,
}

impl Shared {
    /// Lets the application write, unless it would wait for the very thread that it runs on.
    fn meanwhile(&self) {
        if *self.writing.lock().unwrap() != Some(thread::current().id()) {
            (self.meanwhile)();
        }
    }
}

impl Disturbed {
    /// `meanwhile` is called whenever documents have been read and are to be transformed or written next.
    pub fn new(
        inner: SqliteStore,
        meanwhile: impl Fn() + Send + Sync + 'static,
        death: Option<Death>,
        lie: Option<Lie>,
    ) -> Self {
        Self {
            inner,
            shared: Arc::new(Shared {
                meanwhile: Box::new(meanwhile),
                death,
                lie,
                writing: Mutex::new(None),
                ahead: AtomicU64::new(0),
            }),
        }
    }

    /// Whether all that was committed is on the disk, as far as anybody who told the store to wait for it knows.
    pub fn is_on_disk(&self) -> bool {
        self.shared.ahead.load(Ordering::SeqCst) == 0
    }
}

impl Store for Disturbed {
    fn tables(&self) -> Result<Vec<TableSummary>> {
        self.inner.tables()
    }

    fn table(&self, name: &str) -> Result<Arc<Table>> {
        self.inner.table(name)
    }

    fn back_up(&self, to: &Path, replace: bool, progress: &mut dyn FnMut(Copied)) -> Result<()> {
        self.inner.back_up(to, replace, progress)
    }

    fn reads_beside_writes(&self) -> Result<bool> {
        self.inner.reads_beside_writes()
    }

    fn reader(&self) -> Result<Box<dyn Reader>> {
        Ok(Box::new(DisturbedReader {
            inner: self.inner.reader()?,
            shared: Arc::clone(&self.shared),
        }))
    }

    fn writer(&self) -> Result<Box<dyn Writer>> {
        Ok(Box::new(DisturbedWriter {
            inner: self.inner.writer()?,
            shared: Arc::clone(&self.shared),
            commits: 0,
            ahead: false,
            dead: false,
        }))
    }
}

/// What a dead process is told, whatever it wants.
pub const DEAD: &str = "the process is dead";

fn dead<T>() -> Result<T> {
    Err(StoreError::Backend {
        doing: "living".into(),
        source: DEAD.into(),
    })
}

/// Methods that only pass on what they are asked.
macro_rules! pass_on {
    ($(fn $name:ident($($argument:ident: $kind:ty),*) -> $result:ty;)*) => {
        $(fn $name(&mut self, $($argument: $kind),*) -> $result {
            self.inner.$name($($argument),*)
        })*
    };
}

struct DisturbedReader {
    inner: Box<dyn Reader>,
    shared: Arc<Shared>,
}

impl Reader for DisturbedReader {
    fn end(&mut self) -> Result<()> {
        self.inner.end()?;
        self.shared.meanwhile();
        Ok(())
    }

    pass_on! {
        fn begin() -> Result<()>;
        fn page(table: &Table, filter: &Filter, range: Range<'_>, budget: Budget) -> Result<Page>;
        fn end_of(table: &Table) -> Result<Option<host::ledger::Checkpoint>>;
        fn place_of(table: &Table, id: &str) -> Result<Option<Place>>;
        fn get(table: &Table, ids: &[String], reach: Reach) -> Result<Vec<Option<Document>>>;
        fn find(table: &Table, filter: &Filter, limit: usize, reach: Reach) -> Result<Vec<Document>>;
        fn count(table: &Table, range: Range<'_>) -> Result<u64>;
        fn check_update(table: &Table, document: &Document, body: &str) -> Result<(), WriteError>;
        fn check_insert(table: &Table, id: &str, body: &str) -> Result<(), WriteError>;
        fn take_advice() -> Vec<Advice>;
    }
}

impl Shelf for DisturbedReader {
    pass_on! {
        fn shelf_entries() -> Result<Vec<ShelfEntry>>;
        fn shelf_part(entry: i64, part: u32) -> Result<Option<Vec<u8>>>;
        fn table_numbers() -> Result<BTreeMap<String, TableNumber>>;
    }
}

struct DisturbedWriter {
    inner: Box<dyn Writer>,
    shared: Arc<Shared>,
    commits: u64,
    /// Its commits do not wait for the disk.
    ahead: bool,
    dead: bool,
}

impl DisturbedWriter {
    fn lies(&self, lie: Lie) -> bool {
        self.shared.lie == Some(lie)
    }

    fn unlock(&self) {
        *self.shared.writing.lock().unwrap() = None;
    }
}

impl Writer for DisturbedWriter {
    fn tidy_up(&mut self, beside_others: bool, meanwhile: &mut dyn FnMut() -> bool) -> Result<()> {
        self.inner.tidy_up(beside_others, meanwhile)
    }

    fn commit_ahead(&mut self) -> Result<()> {
        self.inner.commit_ahead()?;
        self.ahead = true;
        Ok(())
    }

    fn make_durable(&mut self) -> Result<()> {
        if self.dead {
            return dead();
        }
        if !self.lies(Lie::NeverOnDisk) {
            self.inner.make_durable()?;
            self.ahead = false;
            self.shared.ahead.store(0, Ordering::SeqCst);
        }
        Ok(())
    }

    fn mark(&mut self) -> Result<Mark> {
        if self.lies(Lie::NobodyWrote) {
            return Ok(Mark(0));
        }
        self.inner.mark()
    }

    fn begin(&mut self) -> Result<()> {
        if self.dead {
            return dead();
        }
        self.shared.meanwhile();
        self.inner.begin()?;
        *self.shared.writing.lock().unwrap() = Some(thread::current().id());
        Ok(())
    }

    fn commit(&mut self) -> Result<Duration> {
        let number = self.commits;
        self.commits += 1;
        if self.shared.death == Some(Death::Before(number)) {
            // The system would give the lock free.
            self.rollback()?;
            self.dead = true;
            return dead();
        }
        let held = self.inner.commit()?;
        self.unlock();
        if self.ahead {
            self.shared.ahead.fetch_add(1, Ordering::SeqCst);
        }
        if self.shared.death == Some(Death::After(number)) {
            self.dead = true;
            return dead();
        }
        Ok(held)
    }

    fn rollback(&mut self) -> Result<()> {
        self.inner.rollback()?;
        self.unlock();
        Ok(())
    }

    fn again(&mut self, table: &Table, document: &Document) -> Result<Again> {
        if self.lies(Lie::NothingChanged) {
            return Ok(Again::Same);
        }
        self.inner.again(table, document)
    }

    fn refuses_at_once(&self) -> bool {
        self.inner.refuses_at_once()
    }

    fn has_rippled(&self) -> bool {
        self.inner.has_rippled()
    }

    pass_on! {
        fn changed_since(mark: Mark) -> Result<bool>;
        fn numbering(table: &Table) -> Result<Option<i64>>;
        fn save_point() -> Result<()>;
        fn release() -> Result<(), WriteError>;
        fn rewind() -> Result<()>;
        fn current(table: &Table, id: &str) -> Result<Option<Document>>;
        fn find_again(table: &Table, id: &str, place: Option<&Place>) -> Result<Option<Document>>;
        fn expect_many() -> Result<()>;
        fn table(name: &str) -> Result<Arc<Table>>;
        fn create_document_table(name: &str, key: NewKey) -> Result<Arc<Table>>;
        fn is_empty(table: &Table) -> Result<bool>;
        fn clear(table: &Table) -> Result<(), WriteError>;
        fn put_back(table: &Table, id: &str, body: &str, format: Format) -> Result<(), WriteError>;
        fn put_body_back(table: &Table, document: &Document, body: &str) -> Result<(), WriteError>;
        fn update(table: &Table, document: &Document, body: &str) -> Result<(), WriteError>;
        fn insert(table: &Table, id: Option<&str>, body: &str) -> Result<(), WriteError>;
        fn delete(table: &Table, document: &Document) -> Result<(), WriteError>;
    }
}

impl ShelfWriter for DisturbedWriter {
    pass_on! {
        fn keep_entry(path: &str) -> Result<i64>;
        fn keep_part(entry: i64, part: u32, bytes: &[u8]) -> Result<()>;
        fn number_table(table: &str, number: TableNumber) -> Result<()>;
    }
}

impl Ledger for DisturbedWriter {
    fn save_run(&mut self, run: &mut Run) -> Result<()> {
        if self.lies(Lie::CommitsApart) {
            self.commit()?;
            self.inner.begin()?;
        }
        self.inner.save_run(run)
    }

    fn save_undo(&mut self, run: RunId, log: &[u8]) -> Result<()> {
        if self.lies(Lie::NoUndo) {
            return Ok(());
        }
        self.inner.save_undo(run, log)
    }

    pass_on! {
        fn newest_run(migration: &str, table: &str) -> Result<Option<Run>>;
        fn newest_revert(run: RunId) -> Result<Option<Run>>;
        fn quarantine(run: RunId, failure: &DocumentFailure) -> Result<()>;
        fn quarantined(run: RunId, limit: usize) -> Result<Vec<DocumentFailure>>;
        fn quarantined_within(run: RunId, part: QuarantinePart, limit: usize) -> Result<Vec<(i64, DocumentFailure)>>;
        fn last_quarantined(run: RunId) -> Result<Option<(i64, u64)>>;
        fn quarantine_again(number: i64, failure: &DocumentFailure) -> Result<()>;
        fn leave_quarantine(number: i64) -> Result<()>;
        fn is_quarantined(run: RunId, table: &str, id: &str) -> Result<bool>;
        fn run(run: RunId) -> Result<Option<Run>>;
        fn runs() -> Result<Vec<Run>>;
        fn claimed(table: &str) -> Result<Vec<Run>>;
        fn request(run: RunId) -> Result<Option<Request>>;
        fn set_request(run: RunId, request: Option<Request>) -> Result<()>;
        fn newest_undo(run: RunId, before: Option<i64>) -> Result<Option<(i64, Vec<u8>)>>;
        fn cut_undo(number: i64, log: &[u8]) -> Result<()>;
        fn drop_undo(number: i64) -> Result<()>;
        fn forget_undo(run: RunId, most: usize) -> Result<u64>;
        fn undo_size(run: RunId) -> Result<u64>;
    }
}

impl OrderLedger for DisturbedWriter {
    pass_on! {
        fn records() -> Result<Vec<Record>>;
        fn save_record(record: &mut Record) -> Result<()>;
        fn order_lease() -> Result<Option<Lease>>;
        fn set_order_lease(lease: Option<&Lease>) -> Result<()>;
    }
}

impl Structure for DisturbedWriter {
    pass_on! {
        fn change(change: &Change) -> Result<WayBack>;
        fn change_back(way: &WayBack) -> Result<()>;
        fn free(way: &WayBack, most: usize) -> Result<u64>;
    }
}
