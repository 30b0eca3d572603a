//! The time at which a lookup must be over, in the middle of a query too.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rusqlite::Connection;

/// After how many of its steps SQLite asks whether it is to go on: some microseconds.
const STEPS: i32 = 1_000;

/// What stands for there being none.
const NONE: u64 = u64::MAX;

/// A connection's deadline. While there is none, asking for it costs next to nothing.
pub(super) struct Deadline {
    /// What times are counted from.
    since: Instant,
    /// In nanoseconds.
    at: Arc<AtomicU64>,
}

impl Deadline {
    /// Has a connection's queries end at the deadline, each with the code `OperationInterrupted`.
    pub fn of(connection: &mut Connection) -> rusqlite::Result<Self> {
        let deadline = Self {
            since: Instant::now(),
            at: Arc::new(AtomicU64::new(NONE)),
        };
        let (since, at) = (deadline.since, Arc::clone(&deadline.at));
        let is_over = move || {
            let at = at.load(Ordering::Relaxed);
            at != NONE && since.elapsed() > Duration::from_nanos(at)
        };
        connection.progress_handler(STEPS, Some(is_over))?;
        Ok(deadline)
    }

    /// Sets it, until what is returned is dropped.
    pub fn set(&self, until: Option<Instant>) -> impl Drop + use<> {
        let at = until.map_or(NONE, |until| {
            let left = until.saturating_duration_since(self.since).as_nanos();
            u64::try_from(left).unwrap_or(NONE)
        });
        self.at.store(at, Ordering::Relaxed);
        Lifted(Arc::clone(&self.at))
    }
}

/// Lifts a deadline when it is dropped.
struct Lifted(Arc<AtomicU64>);

impl Drop for Lifted {
    fn drop(&mut self) {
        self.0.store(NONE, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts far.
    const LONG: &str =
        "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?1)
                        SELECT count(*) FROM numbers";

    #[test]
    fn a_query_ends_at_the_deadline_and_the_next_one_does_not() {
        let mut connection = Connection::open_in_memory().unwrap();
        let deadline = Deadline::of(&mut connection).unwrap();
        let count = |to: u64| {
            connection.query_row(LONG, [i64::try_from(to).unwrap()], |row| {
                row.get::<_, i64>(0)
            })
        };
        {
            let _set = deadline.set(Some(Instant::now()));
            let error = count(1 << 60).unwrap_err();
            assert_eq!(
                error.sqlite_error_code(),
                Some(rusqlite::ErrorCode::OperationInterrupted)
            );
        }
        assert_eq!(count(10_000).unwrap(), 10_000);
    }
}
