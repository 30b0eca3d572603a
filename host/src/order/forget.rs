//! Freeing what is kept of dropped tables, after which they cannot be brought back.

use std::time::Duration;

use super::error::OrderError;
use crate::engine::now;
use crate::ledger::order::{Event, Record};
use crate::store::structure::WayBack;
use crate::store::{Store, Writer, in_transaction};

/// How many documents are freed in one transaction, so that it holds the write lock for a short time.
const AT_ONCE: usize = 3_000;

/// What was freed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Freed {
    /// The migration.
    pub migration: String,
    /// How many documents were kept of it.
    pub documents: u64,
}

/// Frees what is kept of a migration's tables; of all migrations where none is named. With `age` only of those that
/// were applied at least so long ago.
///
/// The record is marked first, and the documents go in short transactions. If the process dies in between, the same
/// call frees the rest.
///
/// # Errors
/// If the store fails.
pub fn forget(
    store: &dyn Store,
    migration: Option<&str>,
    age: Option<Duration>,
) -> Result<Vec<Freed>, OrderError> {
    let age = age.map_or(0, |age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
    let before = now().saturating_sub(age);
    let mut writer = store.writer()?;
    let mut freed = Vec::new();
    for mut record in writer.records()? {
        let is_meant = record.event == Event::Applied
            && record.at <= before
            && migration.is_none_or(|name| name == record.migration);
        if is_meant && record.way_back.iter().any(WayBack::keeps_documents) {
            let documents = free(writer.as_mut(), &mut record)?;
            freed.push(Freed {
                migration: record.migration,
                documents,
            });
        }
    }
    Ok(freed)
}

fn free(writer: &mut dyn Writer, record: &mut Record) -> Result<u64, OrderError> {
    let none = WayBack::None {
        why: "what was kept of its tables was freed".into(),
    };
    if !record.way_back.contains(&none) {
        record.way_back.push(none.clone());
        in_transaction(writer, |writer| writer.save_record(record))?;
    }
    let mut documents = 0;
    for way in record.way_back.clone() {
        loop {
            let freed = in_transaction(writer, |writer| writer.free(&way, AT_ONCE))?;
            documents += freed;
            if freed == 0 {
                break;
            }
        }
    }
    record.way_back = vec![none];
    in_transaction(writer, |writer| writer.save_record(record))?;
    Ok(documents)
}
