//! Reading and transforming beside writing.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;

use super::error::RunError;
use super::line::{Line, Worker};
use super::source::{Batch, Lap, Pages, Read, Source, batch_of};
use crate::plugin::SharedReader;
use crate::store::StoreError;

/// How many batches may be ready besides those that are transformed. The writer rests and waits for the disk now and then, and
/// shall find work for as long as it was kept from it. But memory shall be bounded, and a batch not be much older than it must
/// be when it is written.
const AHEAD: usize = 5;

/// How many threads read and transform besides the writer's, which does so when it has to wait.
pub(super) fn workers(number: Option<usize>) -> usize {
    /// More readers and instances than this win little.
    const MOST: usize = 8;
    number.map_or_else(
        || {
            let cores = thread::available_parallelism().map_or(1, |cores| cores.get());
            (cores - 1).clamp(1, MOST)
        },
        |number| number.max(1),
    )
}

/// Reads and transforms ahead, while earlier batches are written.
pub(super) struct SideBySide<'a> {
    line: Line<Pages<'a>, Reading<'a>>,
    /// Back to the other threads, which have made about half of them: dropping what another thread has made is slow.
    spent: SyncSender<Batch>,
}

/// Who reads and transforms.
struct Reading<'a> {
    lap: &'a Lap<'a>,
    reader: SharedReader,
    /// Batches to be dropped; none for the writer's thread.
    spent: Option<Arc<Mutex<Receiver<Batch>>>>,
}

impl<'a> Worker<Pages<'a>> for Reading<'a> {
    type Raw = Read;
    type Made = Batch;

    fn take(&self, pages: &mut Pages<'a>) -> Result<Option<Read>, RunError> {
        Ok(pages.next(&self.reader)?)
    }

    fn make(&self, read: Read) -> Result<Batch, RunError> {
        // Whoever has it now does the same.
        if let Some(Ok(spent)) = self.spent.as_ref().map(|spent| spent.try_lock()) {
            spent.try_iter().for_each(drop);
        }
        batch_of(self.lap, &self.reader, read)
    }
}

impl<'a> SideBySide<'a> {
    /// Starts so many threads, which end when the source is dropped. `reader` is for the writer's.
    ///
    /// # Errors
    /// If the store cannot be opened so often.
    pub fn start<'scope>(
        scope: &'scope thread::Scope<'scope, '_>,
        lap: &'a Lap<'a>,
        reader: SharedReader,
        workers: usize,
    ) -> Result<Self, StoreError>
    where
        'a: 'scope,
    {
        let (sender, spent) = sync_channel(1);
        let spent = Arc::new(Mutex::new(spent));
        let others = (0..workers)
            .map(|_| {
                Ok(Reading {
                    lap,
                    reader: Arc::new(Mutex::new(lap.store.reader()?)),
                    spent: Some(Arc::clone(&spent)),
                })
            })
            .collect::<Result<Vec<_>, StoreError>>()?;
        let own = Reading {
            lap,
            reader,
            spent: None,
        };
        Ok(Self {
            line: Line::start(scope, Pages::new(lap), own, others, workers + AHEAD),
            spent: sender,
        })
    }
}

impl Source for SideBySide<'_> {
    fn next(&mut self) -> Result<Option<Batch>, RunError> {
        self.line.next()
    }

    fn help(&mut self) -> bool {
        self.line.help()
    }

    fn take_back(&mut self, batch: Batch) {
        // If they have no time for it, or have ended, it is dropped here: memory is bounded.
        let _ = self.spent.try_send(batch);
    }
}
