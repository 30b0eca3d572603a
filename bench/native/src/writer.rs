//! The application that goes on working while a migration runs: every few milliseconds it counts up a field of
//! a random document.
//!
//! Its updates are due at fixed times, as the requests of an application's users are, and what is measured is
//! how long after that moment each was committed. Were the next one only due when the last one is done, a lock
//! that is held for ten seconds would count as one slow update, and not as the two thousand that wait for it.

use std::collections::BTreeMap;
use std::io::{self, Read, Write as _};
use std::path::Path;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rusqlite::{Connection, TransactionBehavior};
use serde::Serialize;

use crate::{sample, store};

/// How long the updates took.
#[derive(Debug, Serialize)]
pub struct Latencies {
    /// How many there were.
    pub updates: usize,
    /// Half of them took no longer than this.
    pub p50_ms: f64,
    /// 99 of a hundred took no longer than this.
    pub p99_ms: f64,
    /// None took longer than this.
    pub max_ms: f64,
}

/// How often each document was updated.
pub type Visits = BTreeMap<u64, u32>;

/// Updates one random document of a store in each interval, until standard input ends; those that were due by
/// then are still done. Writes a line to standard output as soon as it begins.
///
/// # Errors
/// If the store fails, or a document is not there.
pub fn write_until_input_ends(
    path: &Path,
    documents: u64,
    interval: Duration,
) -> Result<(Latencies, Visits)> {
    static END: OnceLock<Instant> = OnceLock::new();
    let mut connection = store::open(path)?;
    // The first update of all would pay for reading the schema.
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    thread::spawn(|| {
        // However it ends, it has ended.
        let _ = io::stdin().read_to_end(&mut Vec::new());
        let _ = END.set(Instant::now());
    });
    writeln!(io::stdout(), "ready")?;

    let mut took = Vec::new();
    let mut visits = Visits::new();
    let mut due = Instant::now();
    for tick in 0.. {
        due += interval;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        if END.get().is_some_and(|end| *end < due) {
            break;
        }
        let number = sample::mix(tick) % documents;
        update(&mut connection, number)?;
        took.push(due.elapsed());
        *visits.entry(number).or_default() += 1;
    }
    Ok((latencies(took), visits))
}

/// Counts up one document, as an application would: what it writes depends on what it read.
fn update(connection: &mut Connection, number: u64) -> Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let changed = transaction
        .prepare_cached(
            "UPDATE users SET doc = json_set(doc, '$.visits', doc ->> '$.visits' + 1) WHERE _id = ?1",
        )?
        .execute([sample::key(number)])?;
    ensure!(changed == 1, "{} is missing", sample::key(number));
    Ok(transaction.commit()?)
}

fn latencies(mut took: Vec<Duration>) -> Latencies {
    took.sort_unstable();
    let percentile = |percent: usize| {
        let rank = (took.len() * percent).div_ceil(100);
        let found = took.get(rank.saturating_sub(1)).copied();
        found.unwrap_or_default().as_secs_f64() * 1e3
    };
    Latencies {
        updates: took.len(),
        p50_ms: percentile(50),
        p99_ms: percentile(99),
        max_ms: percentile(100),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{Expected, check};

    #[test]
    fn percentiles_are_the_nearest_ranks() {
        let hundred = latencies((1..=100).rev().map(Duration::from_millis).collect());
        assert_eq!(
            (hundred.updates, hundred.p50_ms, hundred.p99_ms),
            (100, 50.0, 99.0)
        );
        assert_eq!(hundred.max_ms, 100.0);
        let one = latencies(vec![Duration::from_millis(7)]);
        assert_eq!((one.p50_ms, one.p99_ms, one.max_ms), (7.0, 7.0, 7.0));
        assert_eq!(latencies(Vec::new()).max_ms, 0.0);
    }

    #[test]
    fn an_update_counts_one_visit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.db");
        store::make(&path, 3).unwrap();
        let mut connection = store::open(&path).unwrap();
        update(&mut connection, 1).unwrap();
        update(&mut connection, 1).unwrap();
        update(&mut connection, 2).unwrap();
        assert!(update(&mut connection, 3).is_err());
        check(&path, 3, Expected::Original, &[(1, 2), (2, 1)]).unwrap();
        assert!(check(&path, 3, Expected::Original, &[(1, 2)]).is_err());
    }
}
