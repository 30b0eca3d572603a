//! A table's documents, out.

use std::borrow::Cow;
use std::io::Write;

use migration_document::Filter;

use super::{Format, TransferError, csv};
use crate::store::{Budget, Document, Range, Reader, Store, Table};

/// How much of a table is read at a time.
const PAGE: Budget = Budget {
    documents: 1_000,
    bytes: 8 << 20,
    looked_at: 10_000,
};

/// The documents of a table, in the order of their places, as of one moment.
pub(super) struct Documents<'a> {
    reader: &'a mut dyn Reader,
    table: &'a Table,
}

impl<'a> Documents<'a> {
    /// Of a reader that has begun a snapshot.
    pub fn new(reader: &'a mut dyn Reader, table: &'a Table) -> Self {
        Self { reader, table }
    }

    pub fn table(&self) -> &'a Table {
        self.table
    }

    /// Hands every document over, and returns their number.
    pub fn each(
        &mut self,
        mut take: impl FnMut(&Document) -> Result<(), TransferError>,
    ) -> Result<u64, TransferError> {
        let everything = Filter::default();
        let mut after = None;
        let mut count = 0;
        loop {
            let range = Range {
                after: after.as_ref(),
                until: None,
            };
            let page = self.reader.page(self.table, &everything, range, PAGE)?;
            if let Some((_, row)) = page.unreadable.into_iter().next() {
                return Err(TransferError::Document {
                    table: self.table.name.clone(),
                    id: row.id,
                    why: row.failure.message,
                });
            }
            for document in &page.documents {
                take(document)?;
                count += 1;
            }
            match page.last {
                Some(last) if !page.end => after = Some(last.place),
                _ => return Ok(count),
            }
        }
    }
}

/// Writes every document of a table out, in the order of their places, and returns their number.
///
/// Bodies come out as they are stored; only line breaks between their tokens become blanks, so that a
/// document stays on its line.
///
/// # Errors
/// If a document cannot be read, the output cannot be written, or the store fails.
pub fn export(
    store: &dyn Store,
    table: &str,
    format: Format,
    output: &mut dyn Write,
) -> Result<u64, TransferError> {
    let table = store.table(table)?;
    let mut reader = store.reader()?;
    reader.begin()?;
    let count = write(&mut Documents::new(reader.as_mut(), &table), format, output)?;
    reader.end()?;
    Ok(count)
}

/// Writes documents in a format.
pub(super) fn write(
    documents: &mut Documents<'_>,
    format: Format,
    output: &mut dyn Write,
) -> Result<u64, TransferError> {
    match format {
        Format::Jsonl => documents.each(|document| {
            output.write_all(one_line(&document.body).as_bytes())?;
            Ok(output.write_all(b"\n")?)
        }),
        Format::Json => {
            output.write_all(b"[")?;
            let mut before = "\n";
            let count = documents.each(|document| {
                output.write_all(before.as_bytes())?;
                before = ",\n";
                Ok(output.write_all(one_line(&document.body).as_bytes())?)
            })?;
            output.write_all(b"\n]\n")?;
            Ok(count)
        }
        Format::Csv => csv::write(documents, output),
        Format::Convex => Err(TransferError::SnapshotOfOneTable),
    }
}

/// A JSON text on one line. In valid JSON a line break stands only between tokens.
pub(super) fn one_line(body: &str) -> Cow<'_, str> {
    let body = body.trim_ascii();
    if body.contains(['\n', '\r']) {
        body.replace(['\n', '\r'], " ").into()
    } else {
        body.into()
    }
}
