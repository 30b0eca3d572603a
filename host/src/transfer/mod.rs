//! Documents in and out: JSON lines or a JSON array, as a stream, byte for byte.

use std::io::{self, BufRead, Write};

use migration_document::filter::Scalar;
use migration_document::{Filter, json};
use serde::Deserializer as _;
use serde::de::{SeqAccess, Visitor};
use serde_json::value::RawValue;
use thiserror::Error;

use crate::store::{
    Budget, NewKey, Range, Reader, Store, StoreError, Table, WriteError, Writer, in_transaction,
};

/// How much of a table is read at a time.
const PAGE: Budget = Budget {
    documents: 1_000,
    bytes: 8 << 20,
    looked_at: 10_000,
};

/// A line, or an element of an array, may be as long as SQLite takes it, and no longer.
const DOCUMENT_BYTES: u64 = 1_000_000_000;

/// Why documents could not be brought in or out.
#[derive(Debug, Error)]
pub enum TransferError {
    /// The input cannot be read, or the output not written.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A document of the input cannot be taken.
    #[error("{at}: {why}")]
    Input {
        /// Which one: `line 3`, or `element 3`.
        at: String,
        /// Why not.
        why: String,
    },
    /// A document of the table cannot be read.
    #[error("document `{id}` of table `{table}`: {why}")]
    Unreadable {
        /// The table.
        table: String,
        /// The document.
        id: String,
        /// Why not.
        why: String,
    },
}

/// Brings documents in, all of them or none, and returns their number.
///
/// A table that does not exist becomes a document table. `key` names the field that holds the key, a
/// string or an integer; without it new tables count their keys up, and so do existing tables that can.
///
/// # Errors
/// If the input is no JSON, a key is missing or taken, or the store fails. Then nothing was brought in, and
/// no table was made.
pub fn import(
    store: &dyn Store,
    table: &str,
    key: Option<&str>,
    input: &mut dyn BufRead,
    mut progress: impl FnMut(u64),
) -> Result<u64, TransferError> {
    let array = begins_array(input)?;
    let mut writer = store.writer()?;
    in_transaction(writer.as_mut(), |writer| {
        let table = match store.table(table) {
            Ok(table) => table,
            Err(StoreError::NoSuchTable { .. }) => {
                let keys = if key.is_some() {
                    NewKey::Text
                } else {
                    NewKey::Counted
                };
                writer.create_document_table(table, keys)?
            }
            Err(error) => return Err(error.into()),
        };
        let mut import = Import {
            writer,
            table: &table,
            key,
            count: 0,
            progress: &mut progress,
        };
        if array {
            import.array(input)?;
        } else {
            import.lines(input)?;
        }
        Ok(import.count)
    })
}

/// Whether the input is a JSON array: JSON lines begin with an object.
fn begins_array(input: &mut dyn BufRead) -> Result<bool, TransferError> {
    loop {
        let buffer = input.fill_buf()?;
        let blank = buffer
            .iter()
            .take_while(|byte| byte.is_ascii_whitespace())
            .count();
        match buffer.get(blank) {
            Some(b'[') => return Ok(true),
            Some(b'{') => return Ok(false),
            Some(_) => {
                return Err(TransferError::Input {
                    at: "the beginning".into(),
                    why: "expected a JSON object on each line, or a JSON array of objects".into(),
                });
            }
            None if buffer.is_empty() => return Ok(false),
            None => input.consume(blank),
        }
    }
}

struct Import<'a> {
    writer: &'a mut dyn Writer,
    table: &'a Table,
    key: Option<&'a str>,
    count: u64,
    progress: &'a mut dyn FnMut(u64),
}

impl Import<'_> {
    fn lines(&mut self, input: &mut dyn BufRead) -> Result<(), TransferError> {
        let mut line = Vec::new();
        let mut number = 0_u64;
        loop {
            line.clear();
            number += 1;
            let read = io::Read::take(&mut *input, DOCUMENT_BYTES).read_until(b'\n', &mut line)?;
            if read == 0 {
                return Ok(());
            }
            let at = || format!("line {number}");
            let text = std::str::from_utf8(&line).map_err(|error| TransferError::Input {
                at: at(),
                why: format!("not UTF-8: {error}"),
            })?;
            let text = text.trim_ascii();
            if text.is_empty() {
                continue;
            }
            json::check(text).map_err(|error| TransferError::Input {
                at: at(),
                why: error.to_string(),
            })?;
            self.document(text, &at)?;
        }
    }

    fn array(&mut self, input: &mut dyn BufRead) -> Result<(), TransferError> {
        let mut failed = None;
        let mut deserializer = serde_json::Deserializer::from_reader(input);
        let visitor = Elements {
            import: self,
            failed: &mut failed,
        };
        let read = deserializer
            .deserialize_seq(visitor)
            .and_then(|()| deserializer.end());
        match (failed, read) {
            (Some(error), _) => Err(error),
            (None, Ok(())) => Ok(()),
            (None, Err(error)) if error.is_io() => Err(io::Error::from(error).into()),
            (None, Err(error)) => Err(TransferError::Input {
                at: format!("element {}", self.count + 1),
                why: format!("not valid JSON: {error}"),
            }),
        }
    }

    fn document(&mut self, text: &str, at: &dyn Fn() -> String) -> Result<(), TransferError> {
        let input = |why: String| TransferError::Input { at: at(), why };
        if !text.starts_with('{') {
            return Err(input("a document is a JSON object".into()));
        }
        let id = match self.key {
            None => None,
            Some(name) => Some(key_of(text, name).map_err(input)?),
        };
        match self.writer.insert(self.table, id.as_deref(), text) {
            Ok(()) => {}
            Err(WriteError::Refused(failure)) => {
                let id = id.map_or(String::new(), |id| format!("document `{id}`: "));
                return Err(input(format!("{id}{}", failure.message)));
            }
            Err(WriteError::Store(error)) => return Err(error.into()),
        }
        self.count += 1;
        (self.progress)(self.count);
        Ok(())
    }
}

/// The key that a document holds in a field, as text.
fn key_of(text: &str, name: &str) -> Result<String, String> {
    let at = format!("/{}", json::escape(name));
    let found = json::get(text, &at).map_err(|error| error.to_string())?;
    match found.and_then(Scalar::parse) {
        Some(Scalar::String(key)) => Ok(key),
        Some(Scalar::Number(number)) if number.text().parse::<i64>().is_ok() => {
            Ok(number.text().to_owned())
        }
        _ if found.is_none() => Err(format!("it has no `{name}` to be its key")),
        _ => Err(format!(
            "its `{name}` is neither a string nor an integer, and cannot be its key"
        )),
    }
}

/// Takes the elements of an array one by one, as they are spelled.
struct Elements<'i, 'a> {
    import: &'i mut Import<'a>,
    failed: &'i mut Option<TransferError>,
}

impl<'de> Visitor<'de> for Elements<'_, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("an array of documents")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let mut number = 0_u64;
        while let Some(element) = elements.next_element::<Box<RawValue>>()? {
            number += 1;
            let at = || format!("element {number}");
            if let Err(error) = self.import.document(element.get(), &at) {
                *self.failed = Some(error);
                return Err(serde::de::Error::custom("the document was not taken"));
            }
        }
        Ok(())
    }
}

/// How documents are written out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// One document a line.
    Lines,
    /// One JSON array.
    Array,
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
    layout: Layout,
    output: &mut dyn Write,
) -> Result<u64, TransferError> {
    let table = store.table(table)?;
    let mut reader = store.reader()?;
    reader.begin()?;
    let count = write_out(reader.as_mut(), &table, layout, output)?;
    reader.end()?;
    output.flush()?;
    Ok(count)
}

fn write_out(
    reader: &mut dyn Reader,
    table: &Table,
    layout: Layout,
    output: &mut dyn Write,
) -> Result<u64, TransferError> {
    let everything = Filter::default();
    let mut after = None;
    let mut count = 0;
    if layout == Layout::Array {
        output.write_all(b"[")?;
    }
    loop {
        let range = Range {
            after: after.as_ref(),
            until: None,
        };
        let page = reader.page(table, &everything, range, PAGE)?;
        if let Some((_, row)) = page.unreadable.into_iter().next() {
            return Err(TransferError::Unreadable {
                table: table.name.clone(),
                id: row.id,
                why: row.failure.message,
            });
        }
        for document in page.documents {
            match (layout, count) {
                (Layout::Lines, _) => {}
                (Layout::Array, 0) => output.write_all(b"\n")?,
                (Layout::Array, _) => output.write_all(b",\n")?,
            }
            write_line(&document.body, output)?;
            if layout == Layout::Lines {
                output.write_all(b"\n")?;
            }
            count += 1;
        }
        match page.last {
            Some(last) if !page.end => after = Some(last.place),
            _ => break,
        }
    }
    if layout == Layout::Array {
        output.write_all(b"\n]\n")?;
    }
    Ok(count)
}

/// Writes a body on one line. In valid JSON a line break stands only between tokens.
fn write_line(body: &str, output: &mut dyn Write) -> io::Result<()> {
    let mut parts = body.trim_ascii().split(['\n', '\r']);
    if let Some(first) = parts.next() {
        output.write_all(first.as_bytes())?;
    }
    for part in parts {
        output.write_all(b" ")?;
        output.write_all(part.as_bytes())?;
    }
    Ok(())
}
