//! Whether other programs have a database open.
//!
//! Who waits for SQLite's write lock cannot be seen: it looks, sleeps, and looks again, and holds no lock meanwhile. But in
//! WAL mode each connection that has read keeps the shared lock of the database's file until it is closed
//! (`pager_unlock` in `src/pager.c`), and the system tells of a lock that is in another process's way. No such lock: nobody waits.

use std::fs::File;
use std::mem::ManuallyDrop;
use std::path::Path;

/// A database's file, as the locks of other processes are asked for.
pub(super) struct Company {
    /// It is never closed: a process that closes a file, however often it has it open, loses all its locks on it
    /// (<https://sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_>).
    database: ManuallyDrop<File>,
}

impl Company {
    /// Of a database in WAL mode. None if its file cannot be opened.
    pub fn of(database: &Path) -> Option<Self> {
        let database = ManuallyDrop::new(File::open(database).ok()?);
        Some(Self { database })
    }

    /// Whether a process other than this one has the database open, or nobody can tell.
    pub fn is_there(&self) -> bool {
        is_shared(&self.database)
    }
}

/// Whether another process keeps the shared lock of a database's file, or that cannot be asked.
#[cfg(target_os = "linux")]
fn is_shared(database: &File) -> bool {
    use rustix::process::{Flock, FlockOffsetType, FlockType, fcntl_getlk};

    // `SHARED_FIRST` and `SHARED_SIZE` in `src/os.h`. An exclusive lock would be in the way of any other.
    let exclusive = Flock {
        start: 0x4000_0000 + 2,
        length: 510,
        pid: None,
        typ: FlockType::WriteLock,
        offset_type: FlockOffsetType::Set,
    };
    !matches!(fcntl_getlk(database, &exclusive), Ok(None))
}

/// The same where SQLite locks files in several ways, or in one that cannot be asked for.
#[cfg(not(target_os = "linux"))]
fn is_shared(_database: &File) -> bool {
    true
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    use rusqlite::Connection;

    use super::*;

    /// Set for a process that opens the database of this path.
    const VISITED: &str = "COMPANY_TEST_VISITS";

    /// What another process does in [`who_has_the_database_open_is_seen`].
    #[test]
    fn visit() {
        let Some(database) = std::env::var_os(VISITED) else {
            return;
        };
        let connection = Connection::open(database).unwrap();
        let _: i64 = connection
            .query_row("SELECT count(*) FROM t", [], |row| row.get(0))
            .unwrap();
        println!("\nhere");
        // Until it is told to go.
        std::io::stdin().lines().for_each(drop);
    }

    #[test]
    fn who_has_the_database_open_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("app.db");
        let own = Connection::open(&database).unwrap();
        own.pragma_update(None, "journal_mode", "wal").unwrap();
        own.execute_batch("CREATE TABLE t (v)").unwrap();
        let company = Company::of(&database).unwrap();
        assert!(!company.is_there(), "its own connection is none");

        let name = concat!(module_path!(), "::visit");
        let (_, name) = name.split_once("::").unwrap();
        let mut visitor = Command::new(std::env::current_exe().unwrap())
            .args([name, "--exact", "--nocapture"])
            .env(VISITED, &database)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(visitor.stdout.take().unwrap()).lines();
        assert!(said.any(|line| line.unwrap() == "here"));
        assert!(company.is_there());
        drop(visitor.stdin.take());
        said.for_each(drop);
        assert!(visitor.wait().unwrap().success());
        assert!(!company.is_there());
    }
}
