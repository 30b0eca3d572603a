//! Comma-separated values (RFC 4180), in and out. The first line has the names of the fields.
//!
//! The format knows texts only. In, a value is a string, or what it is spelled like where the target says so; an empty
//! one is no field at all. Out, strings lose their quotes, other values are JSON, and null is empty.

use std::borrow::Cow;
use std::collections::HashSet;
use std::io::{BufRead, Write};

use csv::{ErrorKind, ReaderBuilder, StringRecord, Writer};
use migration_document::json;

use super::TransferError;
use super::intake::Intake;
use super::out::{Documents, one_line};
use crate::store::{Document, Kind};

/// Takes a document from each line behind the first.
pub(super) fn take(intake: &mut Intake<'_>, input: &mut dyn BufRead) -> Result<(), TransferError> {
    let mut reader = ReaderBuilder::new().from_reader(input);
    let names = reader.headers().map_err(refused)?.clone();
    let mut seen = HashSet::new();
    for name in &names {
        if name.is_empty() {
            return Err(TransferError::input("line 1", "a field has no name"));
        }
        if !seen.insert(name) {
            return Err(TransferError::input(
                "line 1",
                format!("two fields are called `{name}`"),
            ));
        }
    }
    // Escaped once, and not for every line.
    let names: Vec<String> = names.iter().map(quoted).collect();
    let mut record = StringRecord::new();
    let mut body = String::new();
    while reader.read_record(&mut record).map_err(refused)? {
        body.clear();
        body.push('{');
        for (name, value) in names.iter().zip(&record) {
            if value.is_empty() {
                continue;
            }
            if body.len() > 1 {
                body.push(',');
            }
            body.push_str(name);
            body.push(':');
            body.push_str(&as_json(value, intake.typed));
        }
        body.push('}');
        let line = record.position().map_or(0, csv::Position::line);
        intake.document(&body, &|| format!("line {line}"))?;
    }
    Ok(())
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A value as JSON. What begins with a quote is a text that does, and no JSON string.
fn as_json(value: &str, typed: bool) -> Cow<'_, str> {
    if typed && !value.starts_with('"') && json::check(value).is_ok() {
        value.trim_ascii().into()
    } else {
        quoted(value).into()
    }
}

fn refused(error: csv::Error) -> TransferError {
    let line = error.position().map_or(1, csv::Position::line);
    let why = match error.into_kind() {
        ErrorKind::Io(error) => return error.into(),
        ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => format!("it has {len} values, and the first line {expected_len} names"),
        ErrorKind::Utf8 { err, .. } => format!("not UTF-8: {err}"),
        other => format!("{other:?}"),
    };
    TransferError::input(format!("line {line}"), why)
}

/// Writes the documents of a table. They are gone over twice, since the names of all their fields come first.
pub(super) fn write(
    documents: &mut Documents<'_>,
    output: &mut dyn Write,
) -> Result<u64, TransferError> {
    let names = names(documents)?;
    let key = key_name(documents);
    let mut writer = Writer::from_writer(output);
    if !names.is_empty() {
        writer.write_record(&names).map_err(refused)?;
    }
    let count = documents.each(|document| {
        let members = members(document)?;
        for name in &names {
            // Where a key stands twice, the last one counts, as for most parsers.
            let value = members.iter().rev().find(|(member, _)| member == name);
            let value = match value {
                Some((_, value)) => in_words(value),
                None if key.as_ref() == Some(name) => document.id.as_str().into(),
                None => "".into(),
            };
            writer.write_field(value.as_bytes()).map_err(refused)?;
        }
        writer.write_record(None::<&[u8]>).map_err(refused)
    })?;
    writer.flush()?;
    Ok(count)
}

/// The name of the column that holds the key of a document table: documents need not repeat it.
fn key_name(documents: &Documents<'_>) -> Option<String> {
    match documents.table().kind {
        Kind::Document { .. } => documents.table().key_names().next().map(str::to_owned),
        Kind::Row => None,
    }
}

/// The names of all fields, each where it stands first.
fn names(documents: &mut Documents<'_>) -> Result<Vec<String>, TransferError> {
    if documents.table().kind == Kind::Row {
        let columns = documents.table().columns.iter();
        return Ok(columns.map(|column| column.name.clone()).collect());
    }
    let key = key_name(documents);
    let mut names: Vec<String> = key.into_iter().collect();
    let mut seen: HashSet<String> = names.iter().cloned().collect();
    documents.each(|document| {
        for (name, _) in members(document)? {
            if !seen.contains(name.as_ref()) {
                seen.insert(name.clone().into_owned());
                names.push(name.into_owned());
            }
        }
        Ok(())
    })?;
    Ok(names)
}

fn members(document: &Document) -> Result<Vec<(Cow<'_, str>, &str)>, TransferError> {
    json::members(&document.body).map_err(|error| TransferError::Input {
        at: format!("document `{}`", document.id),
        why: error.to_string(),
    })
}

fn in_words(value: &str) -> Cow<'_, str> {
    match value {
        "null" => "".into(),
        _ if value.starts_with('"') => {
            serde_json::from_str::<String>(value).map_or_else(|_| value.into(), Cow::Owned)
        }
        _ => one_line(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spelled_like_json_is_json_but_for_strings() {
        for (value, typed, plain) in [
            ("1.50", "1.50", r#""1.50""#),
            (" [1, 2] ", "[1, 2]", r#"" [1, 2] ""#),
            ("01", r#""01""#, r#""01""#),
            (r#""a""#, r#""\"a\"""#, r#""\"a\"""#),
        ] {
            assert_eq!(as_json(value, true), typed);
            assert_eq!(as_json(value, false), plain);
        }
    }
}
