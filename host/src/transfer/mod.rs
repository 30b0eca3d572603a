//! Documents in and out: a table, a whole store, a snapshot of Convex; as a stream, byte for byte.
//!
//! Whatever comes in comes in as one transaction. Memory does not grow with what is brought in or out.

mod csv;
mod error;
mod files;
mod folder;
mod format;
mod intake;
mod json;
mod out;
pub mod snapshot;

pub use error::TransferError;
pub use files::{Input, Output};
pub use folder::{export_folder, import_folder};
pub use format::{Format, table_of};
pub use intake::{Existing, Target};
pub use out::export;

use crate::store::{Store, Writer, in_transaction};
use intake::Intake;

/// How many documents came into a table, or out of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// The table.
    pub table: String,
    /// How many.
    pub documents: u64,
}

/// Brings documents into a table, all of them or none, and returns their number.
///
/// `progress` is told the number of documents now and then.
///
/// # Errors
/// If the input is not of the format, a key is missing or taken, the table has documents and `existing` does not say what
/// becomes of them, or the store fails. Then nothing was brought in, and no table was made.
pub fn import(
    store: &dyn Store,
    target: &Target<'_>,
    format: Format,
    input: &mut Input,
    progress: &mut dyn FnMut(u64),
) -> Result<u64, TransferError> {
    at_once(store, |writer| {
        let mut intake = Intake::open(writer, target, progress)?;
        take(&mut intake, format, input)?;
        Ok(intake.count())
    })
}

/// Brings documents in, all of them or none.
fn at_once<T>(
    store: &dyn Store,
    bring: impl FnOnce(&mut dyn Writer) -> Result<T, TransferError>,
) -> Result<T, TransferError> {
    let mut writer = store.writer()?;
    writer.expect_many()?;
    in_transaction(writer.as_mut(), bring)
}

/// Takes all documents of a file.
fn take(intake: &mut Intake<'_>, format: Format, input: &mut Input) -> Result<(), TransferError> {
    match format {
        Format::Csv => csv::take(intake, input),
        Format::Jsonl | Format::Json => json::take(intake, input),
        Format::Convex => Err(TransferError::SnapshotOfOneTable),
    }
}
