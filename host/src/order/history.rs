//! What happened to a store: runs, and what else the ledger has recorded, in one list.

use crate::ledger::Run;
use crate::ledger::order::Record;
use crate::store::{StoreError, Writer};

/// One thing that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Happened {
    /// A run.
    Run(Box<Run>),
    /// Something without a run.
    Record(Box<Record>),
}

impl Happened {
    /// When it began.
    #[must_use]
    pub fn at(&self) -> u64 {
        match self {
            Self::Run(run) => run.now,
            Self::Record(record) => record.at,
        }
    }
}

/// Everything that happened, the newest first.
///
/// # Errors
/// If the store cannot be read.
pub fn history(ledger: &mut dyn Writer) -> Result<Vec<Happened>, StoreError> {
    let runs = ledger.runs()?.into_iter().map(Box::new).map(Happened::Run);
    let records = ledger.records()?.into_iter().rev();
    let mut all: Vec<Happened> = runs
        .chain(records.map(Box::new).map(Happened::Record))
        .collect();
    all.sort_by_key(|happened| std::cmp::Reverse(happened.at()));
    Ok(all)
}
