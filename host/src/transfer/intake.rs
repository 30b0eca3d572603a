//! A table that documents come into.

use std::sync::Arc;

use migration_document::filter::Scalar;
use migration_document::json;

use super::TransferError;
use crate::store::{NewKey, StoreError, Table, WriteError, Writer};

/// What becomes of documents that a table has already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Existing {
    /// Nothing is brought into a table that has any.
    #[default]
    Refuse,
    /// They stay; a key that is taken ends the import.
    Append,
    /// They are taken away.
    Replace,
}

/// Where documents go.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The table. One that does not exist becomes a document table.
    pub table: &'a str,
    /// The field that holds the key, a string or an integer; without it new tables count their keys up, and so do
    /// existing tables that can.
    pub key: Option<&'a str>,
    /// What becomes of documents that the table has already.
    pub existing: Existing,
    /// Values of formats that know texts only are read as JSON where they are spelled like it.
    pub typed: bool,
}

/// Takes documents, one after the other, within the transaction of its writer.
pub(super) struct Intake<'a> {
    writer: &'a mut dyn Writer,
    table: Arc<Table>,
    key: Option<KeyField<'a>>,
    pub typed: bool,
    count: u64,
    progress: &'a mut dyn FnMut(u64),
}

impl<'a> Intake<'a> {
    pub fn open(
        writer: &'a mut dyn Writer,
        target: &Target<'a>,
        progress: &'a mut dyn FnMut(u64),
    ) -> Result<Self, TransferError> {
        // By the writer: once it has written much, another connection may have to wait for its commit.
        let table = match writer.table(target.table) {
            Ok(table) => table,
            Err(StoreError::NoSuchTable { .. }) => {
                let keys = if target.key.is_some() {
                    NewKey::Text
                } else {
                    NewKey::Counted
                };
                writer.create_document_table(target.table, keys)?
            }
            Err(error) => return Err(error.into()),
        };
        match target.existing {
            Existing::Append => {}
            Existing::Replace => writer.clear(&table).map_err(|error| match error {
                WriteError::Store(error) => error.into(),
                WriteError::Refused(failure) => TransferError::Table {
                    table: table.name.clone(),
                    why: format!("its documents cannot be replaced: {}", failure.message),
                },
            })?,
            Existing::Refuse => {
                if !writer.is_empty(&table)? {
                    return Err(TransferError::NotEmpty {
                        table: table.name.clone(),
                    });
                }
            }
        }
        Ok(Self {
            writer,
            table,
            key: target.key.map(KeyField::new),
            typed: target.typed,
            count: 0,
            progress,
        })
    }

    /// How many documents were taken.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Takes a document. `at` tells which one it is. Whether it is JSON is checked by the store.
    pub fn document(&mut self, text: &str, at: &dyn Fn() -> String) -> Result<(), TransferError> {
        if !text.starts_with('{') {
            return Err(TransferError::input(at(), "a document is a JSON object"));
        }
        let id = match &self.key {
            None => None,
            Some(field) => {
                let key = field.of(text);
                Some(key.map_err(|why| TransferError::input(at(), unless_malformed(text, why)))?)
            }
        };
        self.keyed(id.as_deref(), text, at)
    }

    /// Takes a document whose key is known.
    pub fn keyed(
        &mut self,
        id: Option<&str>,
        text: &str,
        at: &dyn Fn() -> String,
    ) -> Result<(), TransferError> {
        match self.writer.insert(&self.table, id, text) {
            Ok(()) => {}
            Err(WriteError::Refused(failure)) => {
                let id = id.map_or(String::new(), |id| format!("document `{id}`: "));
                let why = format!("{id}{}", failure.message);
                return Err(TransferError::input(at(), unless_malformed(text, why)));
            }
            Err(WriteError::Store(error)) => return Err(error.into()),
        }
        self.count += 1;
        (self.progress)(self.count);
        Ok(())
    }
}

/// Why a document was not taken. That it is no JSON comes first: the store checks that, once, and last.
pub(super) fn unless_malformed(text: &str, why: String) -> String {
    json::check(text).map_or_else(|error| error.to_string(), |()| why)
}

/// The field that holds the keys of documents.
struct KeyField<'a> {
    name: &'a str,
    /// The JSON Pointer to it.
    pointer: String,
}

impl<'a> KeyField<'a> {
    fn new(name: &'a str) -> Self {
        Self {
            name,
            pointer: format!("/{}", json::escape(name)),
        }
    }

    /// The key that a document holds, as text.
    fn of(&self, text: &str) -> Result<String, String> {
        let name = self.name;
        let found = json::get(text, &self.pointer).map_err(|error| error.to_string())?;
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
}
