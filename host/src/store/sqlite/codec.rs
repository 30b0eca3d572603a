//! Rows become documents, and new bodies become what SQLite stores.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use migration_document::{Failure, Filter, json};
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, Row};
use serde_json::Value as Json;

use super::layout::{Affinity, Layout};
use super::sql::sqlite_error;
use crate::ledger::Checkpoint;
use crate::store::{Document, Format, Key, Kind, Place, Result, Unreadable, WriteError};

/// What a row turned out to be.
pub(super) enum Decoded<D = Document> {
    /// A document that meets the filter.
    Document(D),
    /// A document that does not.
    Other,
    /// A row of which no document can be made.
    Unreadable(Unreadable),
}

/// Which rows are wanted, and what is made sure of them.
#[derive(Clone, Copy)]
pub(super) enum Wanted<'f> {
    /// Those that meet this filter, whose bodies are JSON.
    Meeting(&'f Filter),
    /// All, whatever their bodies are: for those who know the text that they look for.
    Unchecked,
}

/// Reads a row of [`Layout::select`], of which `make` makes a document: of its id, its body, its place and the body's format.
///
/// The filter is asked before anything is copied: most rows of a sparse filter end here.
pub(super) fn decode<D>(
    connection: &Connection,
    layout: &Layout,
    row: &Row<'_>,
    wanted: Wanted<'_>,
    make: impl FnOnce(Cow<'_, str>, Cow<'_, str>, Place, Format) -> D,
) -> Result<Decoded<D>> {
    let doing = "reading a document";
    let shift = usize::from(layout.rowid.is_some());
    let column = |position: usize| {
        row.get_ref(position)
            .map_err(|error| sqlite_error(doing, error))
    };
    let (body, format) = match layout.table.kind {
        Kind::Document { .. } => {
            match document_body(connection, column(shift + layout.reads.len() - 1)?) {
                Ok(found) => found,
                Err(failure) => return unreadable(layout, row, failure),
            }
        }
        Kind::Row => match row_body(layout, row, shift) {
            Ok(body) => (body.into(), Format::Plain),
            Err(failure) => return unreadable(layout, row, failure),
        },
    };
    let malformed =
        |error: json::JsonError| failure("invalid-json", format!("the document is {error}"));
    if let Wanted::Meeting(filter) = wanted {
        match filter.matches(&body) {
            Ok(true) => {}
            Ok(false) => return Ok(Decoded::Other),
            Err(error) => return unreadable(layout, row, malformed(error)),
        }
        if matches!(layout.table.kind, Kind::Document { .. })
            && let Err(error) = json::check(&body)
        {
            return unreadable(layout, row, malformed(error));
        }
    }
    let id = match id(layout, row)? {
        Ok(id) => id,
        Err(failure) => return unreadable(layout, row, failure),
    };
    let place = place(layout, row)?;
    Ok(Decoded::Document(make(id, body, place, format)))
}

/// As [`decode`], a document by itself.
pub(super) fn decode_one(
    connection: &Connection,
    layout: &Layout,
    row: &Row<'_>,
    wanted: Wanted<'_>,
) -> Result<Decoded> {
    decode(
        connection,
        layout,
        row,
        wanted,
        |id, body, place, format| Document {
            id: id.into_owned().into(),
            body: body.into_owned().into(),
            place,
            format,
        },
    )
}

fn failure(code: &str, message: impl Into<String>) -> Failure {
    Failure {
        code: code.into(),
        message: message.into(),
        at: None,
    }
}

fn unreadable<D>(layout: &Layout, row: &Row<'_>, why: Failure) -> Result<Decoded<D>> {
    let id = match id(layout, row)? {
        Ok(id) => id.into_owned(),
        // A key that cannot be told is shown by its place.
        Err(_) => match place(layout, row)? {
            Place::Row(number) => format!("(row {number})"),
            Place::Key(_) => "(unreadable key)".into(),
        },
    };
    Ok(Decoded::Unreadable(Unreadable { id, failure: why }))
}

/// Where the row stands.
pub(super) fn place(layout: &Layout, row: &Row<'_>) -> Result<Place> {
    let doing = "reading a document's place";
    if layout.rowid.is_some() {
        return row
            .get(0)
            .map(Place::Row)
            .map_err(|error| sqlite_error(doing, error));
    }
    key_values(layout, row, 0)
        .map(Place::Key)
        .map_err(|error| sqlite_error(doing, error))
}

fn key_values(layout: &Layout, row: &Row<'_>, shift: usize) -> rusqlite::Result<Vec<Key>> {
    layout
        .table
        .key
        .iter()
        .map(|index| {
            let position = layout.reads.iter().position(|read| read == index);
            Ok(match row.get_ref(shift + position.unwrap_or_default())? {
                ValueRef::Null => Key::Null,
                ValueRef::Integer(number) => Key::Integer(number),
                ValueRef::Real(number) => Key::Real(number),
                ValueRef::Text(text) => Key::Text(lossy(text).into_owned()),
                ValueRef::Blob(bytes) => Key::Bytes(bytes.to_vec()),
            })
        })
        .collect()
}

/// A text of which SQLite does not know whether it is one.
fn lossy(text: &[u8]) -> Cow<'_, str> {
    // Nearly all are, and looking for the first fault costs more than telling that there is none.
    match std::str::from_utf8(text) {
        Ok(text) => text.into(),
        Err(_) => String::from_utf8_lossy(text),
    }
}

/// The row's key as text: the value of a key of one column, a JSON array of a composite one's, the row's
/// number where there is none.
fn id<'r>(layout: &Layout, row: &'r Row<'_>) -> Result<Result<Cow<'r, str>, Failure>> {
    let doing = "reading a document's key";
    if layout.table.key.is_empty() {
        let number: i64 = row.get(0).map_err(|error| sqlite_error(doing, error))?;
        return Ok(Ok(number.to_string().into()));
    }
    let shift = usize::from(layout.rowid.is_some());
    // Most keys are one text, of which no more than the text is needed.
    if let [index] = layout.table.key[..]
        && let Some(position) = layout.reads.iter().position(|read| *read == index)
        && let Ok(ValueRef::Text(text)) = row.get_ref(shift + position)
    {
        return Ok(Ok(lossy(text)));
    }
    let key = key_values(layout, row, shift).map_err(|error| sqlite_error(doing, error))?;
    Ok(key_text(&key).map(Cow::Owned))
}

/// A key as text.
pub(super) fn key_text(key: &[Key]) -> Result<String, Failure> {
    let no_key = || failure("no-key", "its key is NULL");
    match key {
        [Key::Null] => Err(no_key()),
        [Key::Text(text)] => Ok(text.clone()),
        [Key::Integer(number)] => Ok(number.to_string()),
        [one] => Ok(key_json(one).to_string()),
        several if several.contains(&Key::Null) => Err(no_key()),
        several => Ok(Json::from(several.iter().map(key_json).collect::<Vec<_>>()).to_string()),
    }
}

fn key_json(key: &Key) -> Json {
    match key {
        Key::Null => Json::Null,
        Key::Integer(number) => Json::from(*number),
        Key::Real(number) => Json::from(*number),
        Key::Text(text) => Json::from(text.as_str()),
        Key::Bytes(bytes) => serde_json::json!({ "$bytes": BASE64.encode(bytes) }),
    }
}

/// The values of a key, as SQLite compares them; None for a text that is no key of this table.
pub(super) fn key_of_text(layout: &Layout, id: &str) -> Option<Vec<Value>> {
    let affinity = |index: usize| layout.affinities.get(index).copied();
    match layout.table.key[..] {
        [] => id.parse().ok().map(|number| vec![Value::Integer(number)]),
        [index] => Some(vec![match affinity(index)? {
            Affinity::Text => Value::Text(id.into()),
            // Without an affinity 1 and '1' are two keys. A number is likelier than a text of digits.
            _ => match id.parse::<i64>() {
                Ok(number) if number.to_string() == id => Value::Integer(number),
                _ => match serde_json::from_str::<Json>(id) {
                    Ok(json @ (Json::Object(_) | Json::Number(_))) => {
                        scalar(&json).unwrap_or_else(|_| Value::Text(id.into()))
                    }
                    _ => Value::Text(id.into()),
                },
            },
        }]),
        ref several => {
            let parts: Vec<Json> = serde_json::from_str(id).ok()?;
            (parts.len() == several.len())
                .then(|| parts.iter().map(scalar).collect::<Result<_, _>>().ok())
                .flatten()
        }
    }
}

/// A place as SQLite takes it.
pub(super) fn place_values(place: &Place) -> Vec<Value> {
    match place {
        Place::Row(number) => vec![Value::Integer(*number)],
        Place::Key(key) => key.iter().map(bind).collect(),
    }
}

/// A key part as SQLite takes it.
fn bind(key: &Key) -> Value {
    match key {
        Key::Null => Value::Null,
        Key::Integer(number) => Value::Integer(*number),
        Key::Real(number) => Value::Real(*number),
        Key::Text(text) => Value::Text(text.clone()),
        Key::Bytes(bytes) => Value::Blob(bytes.clone()),
    }
}

/// The body of a document table's row.
fn document_body<'r>(
    connection: &Connection,
    value: ValueRef<'r>,
) -> Result<(Cow<'r, str>, Format), Failure> {
    match value {
        ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => Ok((text.into(), Format::Plain)),
            Err(error) => Err(failure(
                "invalid-text",
                format!("the document is not UTF-8: {error}"),
            )),
        },
        ValueRef::Blob(bytes) => connection
            .prepare_cached("SELECT json(?1)")
            .and_then(|mut statement| statement.query_row([bytes], |row| row.get::<_, String>(0)))
            .map(|text| (text.into(), Format::Binary))
            .map_err(|error| failure("invalid-json", format!("the document is no JSONB: {error}"))),
        ValueRef::Null => Err(failure("invalid-json", "the document is NULL")),
        ValueRef::Integer(_) | ValueRef::Real(_) => Err(failure(
            "invalid-json",
            "the document is a number, not JSON text",
        )),
    }
}

/// The body of a row table's row: its columns as fields, in order.
fn row_body(layout: &Layout, row: &Row<'_>, shift: usize) -> Result<String, Failure> {
    let mut body = String::from("{");
    for (position, index) in layout.reads.iter().enumerate() {
        let Some(column) = layout.table.columns.get(*index) else {
            continue;
        };
        if position > 0 {
            body.push(',');
        }
        push_string(&mut body, &column.name);
        body.push(':');
        let value = row
            .get_ref(shift + position)
            .map_err(|error| failure("invalid-row", error.to_string()))?;
        match value {
            ValueRef::Null => body.push_str("null"),
            ValueRef::Integer(number) => body.push_str(&number.to_string()),
            ValueRef::Real(number) if number.is_finite() => {
                body.push_str(&Json::from(number).to_string());
            }
            ValueRef::Real(number) => {
                push_tagged(&mut body, "$float", &number.to_le_bytes());
            }
            ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => push_string(&mut body, text),
                Err(error) => {
                    return Err(failure(
                        "invalid-text",
                        format!("the text in column `{}` is not UTF-8: {error}", column.name),
                    ));
                }
            },
            ValueRef::Blob(bytes) => push_tagged(&mut body, "$bytes", bytes),
        }
    }
    body.push('}');
    Ok(body)
}

fn push_string(body: &mut String, text: &str) {
    body.push_str(&Json::from(text).to_string());
}

/// What JSON has no type for, as Convex writes it: `{"$bytes": base64}`, `{"$float": base64}`.
fn push_tagged(body: &mut String, tag: &str, bytes: &[u8]) {
    body.push_str(&format!("{{\"{tag}\":\"{}\"}}", BASE64.encode(bytes)));
}

/// A column and its new value.
pub(super) type Assignment = (usize, Value);

/// What to do about generated columns that are to change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Generated {
    /// Nobody can set them.
    Refuse,
    /// They follow from the other columns.
    Follow,
}

/// What to write into which columns so that a row's document becomes `new`.
pub(super) fn changed_columns(
    layout: &Layout,
    old: &str,
    new: &str,
    generated: Generated,
) -> Result<Vec<Assignment>, WriteError> {
    let members = |body: &str| {
        json::members(body)
            .map(|members| {
                members
                    .into_iter()
                    .map(|(key, value)| (key.into_owned(), value.to_owned()))
                    .collect::<Vec<_>>()
            })
            .map_err(|_| {
                WriteError::refused(
                    "not-a-row",
                    "the document of a row table is an object with a field for each column",
                    None,
                )
            })
    };
    let (old, new) = (members(old)?, members(new)?);
    for (name, _) in &old {
        if !new.iter().any(|(other, _)| other == name) {
            return Err(WriteError::refused(
                "cannot-remove-column",
                format!(
                    "`{name}` is a column of a row table and cannot be removed; set it to null"
                ),
                Some(pointer(name)),
            ));
        }
    }
    let mut assignments = Vec::new();
    for (name, value) in &new {
        let before = old.iter().find(|(other, _)| other == name);
        let follows = generated == Generated::Follow && is_generated(layout, name);
        if follows || before.is_some_and(|(_, before)| before == value) {
            continue;
        }
        assignments.push(assignment(layout, name, value)?);
    }
    Ok(assignments)
}

/// What to write into which columns for a new row.
fn all_columns(layout: &Layout, body: &str) -> Result<Vec<Assignment>, WriteError> {
    json::members(body)
        .map_err(|error| {
            WriteError::refused("invalid-json", format!("the new document is {error}"), None)
        })?
        .into_iter()
        .map(|(name, value)| assignment(layout, &name, value))
        .collect()
}

fn is_generated(layout: &Layout, name: &str) -> bool {
    let mut columns = layout.table.columns.iter();
    columns.any(|column| column.name == name && column.generated)
}

fn pointer(name: &str) -> String {
    format!("/{}", json::escape(name))
}

fn assignment(layout: &Layout, name: &str, value: &str) -> Result<Assignment, WriteError> {
    let table = &layout.table;
    let refused =
        |code: &str, message: String| Err(WriteError::refused(code, message, Some(pointer(name))));
    let Some(index) = table.columns.iter().position(|column| column.name == name) else {
        return refused(
            "unknown-column",
            format!("table `{}` has no column `{name}`", table.name),
        );
    };
    let Some(column) = table.columns.get(index) else {
        return refused("unknown-column", format!("there is no column `{name}`"));
    };
    if column.generated {
        return refused(
            "generated-column",
            format!("column `{name}` is generated and cannot be set"),
        );
    }
    let json: Json = match serde_json::from_str(value) {
        Ok(json) => json,
        Err(error) => {
            return refused(
                "invalid-json",
                format!("the value of `{name}` cannot be read: {error}"),
            );
        }
    };
    match scalar(&json) {
        Ok(Value::Null) if column.required => {
            refused("required", format!("column `{name}` may not be NULL"))
        }
        Ok(value) => Ok((index, value)),
        Err(why) => refused("not-a-scalar", format!("column `{name}` cannot hold {why}")),
    }
}

/// A JSON value as a column's value.
fn scalar(json: &Json) -> Result<Value, &'static str> {
    let tagged = |members: &serde_json::Map<String, Json>, tag: &str| {
        (members.len() == 1)
            .then(|| members.get(tag)?.as_str())
            .flatten()
            .and_then(|text| BASE64.decode(text).ok())
    };
    match json {
        Json::Null => Ok(Value::Null),
        Json::Bool(flag) => Ok(Value::Integer(i64::from(*flag))),
        Json::Number(number) => match (number.as_i64(), number.is_u64(), number.as_f64()) {
            (Some(number), _, _) => Ok(Value::Integer(number)),
            (None, true, _) => Err("an integer beyond 2^63 - 1"),
            (None, false, Some(number)) => Ok(Value::Real(number)),
            (None, false, None) => Err("a number of this size"),
        },
        Json::String(text) => Ok(Value::Text(text.clone())),
        Json::Object(members) => {
            if let Some(bytes) = tagged(members, "$bytes") {
                return Ok(Value::Blob(bytes));
            }
            tagged(members, "$float")
                .and_then(|bytes| bytes.try_into().ok())
                .map(|bytes| Value::Real(f64::from_le_bytes(bytes)))
                .ok_or("an object; a column holds a scalar, or bytes as {\"$bytes\": base64}")
        }
        Json::Array(_) => Err("an array; a column holds a scalar"),
    }
}

/// The place of a row, and the key that finds it again.
pub(super) fn checkpoint(layout: &Layout, row: &Row<'_>) -> Result<Checkpoint> {
    Ok(Checkpoint {
        place: place(layout, row)?,
        id: id(layout, row)?.unwrap_or_default().into_owned(),
    })
}

/// A new document, as it is written.
pub(super) struct NewRow {
    /// Columns and their values.
    pub assignments: Vec<Assignment>,
    /// The row's number, where that is the key.
    pub number: Option<Value>,
}

/// What to write for a new document. Without an id the key is left to the store.
pub(super) fn new_row(layout: &Layout, id: Option<&str>, body: &str) -> Result<NewRow, WriteError> {
    json::check(body).map_err(|error| {
        WriteError::refused("invalid-json", format!("the new document is {error}"), None)
    })?;
    let assignments = match layout.table.kind {
        Kind::Document { body: column } => vec![(column, Value::Text(body.into()))],
        Kind::Row => all_columns(layout, body)?,
    };
    keyed(layout, id, assignments)
}

/// What to write to put a document back that was deleted.
pub(super) fn old_row(layout: &Layout, id: &str, body: &str) -> Result<NewRow, WriteError> {
    let Kind::Row = layout.table.kind else {
        return new_row(layout, Some(id), body);
    };
    let assignments = json::members(body)
        .map_err(|error| WriteError::refused("invalid-json", error.to_string(), None))?
        .into_iter()
        .filter(|(name, _)| !is_generated(layout, name))
        .map(|(name, value)| assignment(layout, &name, value))
        .collect::<Result<_, _>>()?;
    keyed(layout, Some(id), assignments)
}

/// Adds the key to a new row, or checks that it has that key.
fn keyed(
    layout: &Layout,
    id: Option<&str>,
    mut assignments: Vec<Assignment>,
) -> Result<NewRow, WriteError> {
    let table = &layout.table;
    let key = match id {
        None => Vec::new(),
        Some(id) => key_of_text(layout, id).ok_or_else(|| {
            let message = format!("`{id}` is no key of table `{}`", table.name);
            WriteError::refused("invalid-id", message, None)
        })?,
    };
    if table.key.is_empty() {
        return Ok(NewRow {
            assignments,
            number: key.into_iter().next(),
        });
    }
    for (index, value) in table.key.iter().zip(key) {
        match assignments.iter().find(|(column, _)| column == index) {
            None => assignments.push((*index, value)),
            Some((_, given)) if *given == value => {}
            Some(_) => {
                return Err(WriteError::refused(
                    "invalid-id",
                    format!(
                        "the new document's key `{}` is not what its own fields say",
                        id.unwrap_or_default()
                    ),
                    None,
                ));
            }
        }
    }
    Ok(NewRow {
        assignments,
        number: None,
    })
}
