//! Getting committed transactions to the disk while the next one is under way.
//!
//! A commit that waits for the disk holds the write lock meanwhile, and some disks take long: 170 ms for one on a
//! network is no rarity. But what is at stake in a run is small. In a write-ahead log a transaction that has not reached the
//! disk when the power fails is as if it had never been, and so are all after it; the database is whole in any
//! case (`PRAGMA synchronous = NORMAL`, <https://sqlite.org/pragma.html#pragma_synchronous>). A run's checkpoint
//! is in the same transaction as what it stands for, so that a run goes on from the last batch that is left. What another
//! program commits by its own settings takes along all that was committed before.
//!
//! So only who tells the user that something is done has to wait: once, at the end.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};

/// A thread that brings a write-ahead log to the disk.
pub(super) struct LogSync {
    log: Arc<File>,
    wake: SyncSender<()>,
    /// Why it could not.
    failed: Arc<Mutex<Option<io::Error>>>,
    thread: JoinHandle<()>,
}

impl LogSync {
    /// Starts one for the log of this database.
    ///
    /// # Errors
    /// If there is no log, or no thread is to be had.
    pub fn start(database: &Path) -> io::Result<Self> {
        let mut path = database.as_os_str().to_owned();
        path.push("-wal");
        // What brings it to the disk is writing, on some systems.
        let log = Arc::new(OpenOptions::new().write(true).open(path)?);
        let failed = Arc::default();
        // One that waits is for all commits until it begins.
        let (wake, woken) = sync_channel(1);
        let work = {
            let (log, failed) = (Arc::clone(&log), Arc::clone(&failed));
            move || sync(&log, &woken, &failed)
        };
        Ok(Self {
            log,
            wake,
            failed,
            thread: Builder::new().name("sync".into()).spawn(work)?,
        })
    }

    /// A transaction was committed.
    pub fn committed(&self) {
        // If another is waiting for its turn already, that will do.
        let _ = self.wake.try_send(());
    }

    /// Checks that nothing has failed so far.
    ///
    /// # Errors
    /// If the log could not be brought to the disk.
    pub fn check(&self) -> io::Result<()> {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        match failed.take() {
            None => Ok(()),
            Some(error) => Err(error),
        }
    }

    /// Waits until everything committed so far is on the disk.
    ///
    /// # Errors
    /// If it cannot be brought there, or could not before.
    pub fn finish(self) -> io::Result<()> {
        drop(self.wake);
        // It never panics; if it did, the disk is asked below all the same.
        let _ = self.thread.join();
        let failed = self
            .failed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        failed.map_or_else(|| self.log.sync_data(), Err)
    }
}

fn sync(log: &File, woken: &Receiver<()>, failed: &Mutex<Option<io::Error>>) {
    while woken.recv().is_ok() {
        if let Err(error) = log.sync_data() {
            *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_the_disk_takes_is_brought_there() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("app.db");
        assert!(LogSync::start(&database).is_err());
        std::fs::write(folder.path().join("app.db-wal"), "log").unwrap();
        let sync = LogSync::start(&database).unwrap();
        for _ in 0..10 {
            sync.committed();
            sync.check().unwrap();
        }
        sync.finish().unwrap();
        assert_eq!(
            std::fs::read(folder.path().join("app.db-wal")).unwrap(),
            b"log"
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_log_that_the_disk_does_not_take_is_told() {
        // What is no file on a disk cannot be brought to one.
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("app.db");
        std::os::unix::fs::symlink("/dev/null", folder.path().join("app.db-wal")).unwrap();
        let sync = LogSync::start(&database).unwrap();
        sync.committed();
        assert!(sync.finish().is_err());

        let sync = LogSync::start(&database).unwrap();
        sync.committed();
        while sync.check().is_ok() {
            std::thread::yield_now();
        }
    }
}
