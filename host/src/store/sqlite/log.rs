//! Keeping the write-ahead log beside the thread that writes to it: getting what was committed to the disk, and moving
//! it to its place in the database.
//!
//! A commit that waits for the disk holds the write lock meanwhile, and some disks take long: 170 ms for one on a
//! network is no rarity. But what is at stake in a run is small. In a write-ahead log a transaction that has not reached the
//! disk when the power fails is as if it had never been, and so are all after it; the database is whole in any
//! case (`PRAGMA synchronous = NORMAL`, <https://sqlite.org/pragma.html#pragma_synchronous>). A run's checkpoint
//! is in the same transaction as what it stands for, so that a run goes on from the last batch that is left. What another
//! program commits by its own settings takes along all that was committed before.
//!
//! So only who tells the user that something is done has to wait: once, at the end.
//!
//! Moving the log keeps nobody from writing either, but takes as long as writing it did, and waits for the disk twice. A log
//! that is written to meanwhile is never moved as a whole, though, and only one that was begins anew
//! (<https://sqlite.org/wal.html#avoiding_excessively_large_wal_files>). So whoever writes has to wait for the last part of it, now and then.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TryRecvError, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};

use rusqlite::{Connection, OpenFlags};

use super::sql::sqlite_error;
use crate::store::{Result, StoreError};

/// Moves the log to its place, as far as nobody still reads what is there. Returns how many pages the log has, those
/// that were moved before included; none where another is moving it.
pub(super) fn move_to_place(connection: &Connection) -> Result<u32> {
    connection
        .query_row("PRAGMA main.wal_checkpoint(PASSIVE)", [], |row| {
            row.get::<_, i64>(1)
        })
        // It is -1 then, and where there is no log.
        .map(|pages| u32::try_from(pages).unwrap_or(0))
        .map_err(|error| sqlite_error("moving the log to its place", error))
}

/// A thread that keeps a write-ahead log.
pub(super) struct LogKeeper {
    log: Arc<File>,
    work: Sender<Work>,
    state: Arc<State>,
    thread: JoinHandle<()>,
}

enum Work {
    Sync,
    /// The sender is told when it is done.
    Move(Option<SyncSender<()>>),
}

/// What both threads know.
#[derive(Default)]
struct State {
    /// Someone has to get the log to the disk, and has not begun.
    to_sync: AtomicBool,
    /// The log is being moved, or about to.
    moving: AtomicBool,
    /// How many pages it had when it was last moved.
    pages: AtomicU32,
    /// Why it is not kept any more.
    failed: Mutex<Option<StoreError>>,
}

impl LogKeeper {
    /// Starts one for the log of this database.
    ///
    /// # Errors
    /// If there is no log, or no thread is to be had.
    pub fn start(database: &Path) -> io::Result<Self> {
        let mut path = database.as_os_str().to_owned();
        path.push("-wal");
        // What brings it to the disk is writing, on some systems.
        let log = Arc::new(OpenOptions::new().write(true).open(path)?);
        let state = Arc::<State>::default();
        let (work, given) = channel();
        let thread = {
            let (log, state, database) = (Arc::clone(&log), Arc::clone(&state), database.into());
            move || keep(&log, database, &given, &state)
        };
        Ok(Self {
            log,
            work,
            state,
            thread: Builder::new().name("log".into()).spawn(thread)?,
        })
    }

    /// A transaction was committed.
    pub fn committed(&self) {
        // One that waits for its turn is for all commits until it begins.
        if !self.state.to_sync.swap(true, Ordering::SeqCst) {
            // Who has given up has said why.
            let _ = self.work.send(Work::Sync);
        }
    }

    /// Whether the log is being moved.
    pub fn moves(&self) -> bool {
        self.state.moving.load(Ordering::SeqCst)
    }

    /// How many pages the log had when it was last moved.
    pub fn pages(&self) -> u32 {
        self.state.pages.load(Ordering::SeqCst)
    }

    /// Has the log moved to its place, from now on.
    pub fn begin_to_move(&self) {
        self.state.moving.store(true, Ordering::SeqCst);
        let _ = self.work.send(Work::Move(None));
    }

    /// Has the log moved to its place, and waits for it, with other work `meanwhile` as long as there is any.
    pub fn move_all(&self, meanwhile: &mut dyn FnMut() -> bool) {
        let (sender, done) = sync_channel(1);
        let _ = self.work.send(Work::Move(Some(sender)));
        while matches!(done.try_recv(), Err(TryRecvError::Empty)) {
            if !meanwhile() {
                let _ = done.recv();
                return;
            }
        }
    }

    /// Checks that nothing has failed so far.
    ///
    /// # Errors
    /// If the log could not be brought to the disk or to its place.
    pub fn check(&self) -> Result<()> {
        self.state.error().map_or(Ok(()), Err)
    }

    /// Waits until everything committed so far is on the disk.
    ///
    /// # Errors
    /// If it cannot be brought there, or could not before.
    pub fn finish(self) -> Result<()> {
        drop(self.work);
        // It never panics; if it did, the disk is asked below all the same.
        let _ = self.thread.join();
        self.state.error().map_or_else(|| sync(&self.log), Err)
    }
}

impl State {
    fn error(&self) -> Option<StoreError> {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.take()
    }
}

fn sync(log: &File) -> Result<()> {
    log.sync_data().map_err(|error| {
        if error.kind() == io::ErrorKind::StorageFull {
            return StoreError::Full;
        }
        StoreError::Backend {
            doing: "bringing what was committed to the disk".into(),
            source: Box::new(error),
        }
    })
}

/// Does what it is given until there is no more of it, or some of it fails.
fn keep(log: &File, database: PathBuf, given: &Receiver<Work>, state: &State) {
    let mut mover = Mover {
        database,
        connection: None,
    };
    while let Ok(work) = given.recv() {
        let done = match &work {
            Work::Sync => {
                state.to_sync.store(false, Ordering::SeqCst);
                sync(log)
            }
            Work::Move(_) => mover.go().map(|pages| {
                state.pages.store(pages, Ordering::SeqCst);
                state.moving.store(false, Ordering::SeqCst);
            }),
        };
        if let Err(error) = done {
            *state.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            return;
        }
        if let Work::Move(Some(waiting)) = work {
            let _ = waiting.send(());
        }
    }
}

/// A connection for moving the log. Most runs are too short to need one.
struct Mover {
    database: PathBuf,
    connection: Option<Connection>,
}

impl Mover {
    fn go(&mut self) -> Result<u32> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => {
                let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
                none.insert(
                    Connection::open_with_flags(&self.database, flags)
                        .map_err(|error| sqlite_error("opening the database", error))?,
                )
            }
        };
        move_to_place(connection)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A database that was written to, in a folder of its own.
    fn written(mode: &str) -> (tempfile::TempDir, PathBuf, Connection) {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("app.db");
        let writer = Connection::open(&database).unwrap();
        writer.pragma_update(None, "journal_mode", mode).unwrap();
        writer.execute_batch("CREATE TABLE t (v)").unwrap();
        (folder, database, writer)
    }

    #[test]
    fn a_log_is_brought_to_the_disk_and_moved_to_its_place() {
        let (_folder, database, writer) = written("wal");
        let size = || std::fs::metadata(&database).unwrap().len();
        let keeper = LogKeeper::start(&database).unwrap();
        let mut before = size();
        for waits in [true, false] {
            writer
                .execute("INSERT INTO t VALUES (zeroblob(100000))", [])
                .unwrap();
            assert_eq!(size(), before);
            keeper.committed();
            if waits {
                // However much work there is meanwhile.
                keeper.move_all(&mut || true);
            } else {
                keeper.begin_to_move();
                while keeper.moves() {
                    std::thread::yield_now();
                }
            }
            keeper.check().unwrap();
            assert!(size() > before + 90_000);
            // All of it was moved, so that it begins anew.
            assert!((20..40).contains(&keeper.pages()), "{}", keeper.pages());
            before = size();
        }
        keeper.finish().unwrap();
        assert_eq!(
            writer.query_row("SELECT count(*) FROM t", [], |row| row.get(0)),
            Ok(2)
        );
    }

    #[test]
    fn there_is_none_without_a_log() {
        let (_folder, database, _writer) = written("delete");
        assert!(LogKeeper::start(&database).is_err());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_log_that_the_disk_does_not_take_is_told() {
        // What is no file on a disk cannot be brought to one.
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("app.db");
        std::os::unix::fs::symlink("/dev/null", folder.path().join("app.db-wal")).unwrap();
        // Even what it was not told of.
        assert!(LogKeeper::start(&database).unwrap().finish().is_err());

        let keeper = LogKeeper::start(&database).unwrap();
        keeper.committed();
        while keeper.check().is_ok() {
            std::thread::yield_now();
        }
        // Who waits for one that has given up does not wait for ever.
        keeper.move_all(&mut || false);
    }
}
