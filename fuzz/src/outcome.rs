//! What a plugin says of a document: whatever it is, the document becomes JSON with the same key, or stays.

use std::sync::LazyLock;

use arbitrary::{Result, Unstructured};
use host::engine::judge::{Judged, judge};
use host::plugin::Limits;
use host::plugin::limits::{Count, Size};
use host::store::{Column, Document, Format, Kind, Place, Table};
use migration_document::{Change, Failure, Filter, Insertion, Outcome, Reference, json};

use crate::generate;

/// Small, so that they are met.
static LIMITS: LazyLock<Limits> = LazyLock::new(|| Limits {
    document_edits: Count(5),
    document_changes: Count(3),
    document_insertions: Count(1),
    edit_work: Size(500),
    json_size: Size(100),
    json_depth: Count(5),
    id_bytes: Size(20),
    name_bytes: Size(10),
    message_bytes: Size(10),
    ..Limits::default()
});

/// The bytes are a document and an outcome.
pub fn run(bytes: &[u8]) {
    // Too few bytes make nothing.
    let _ = outcome_of(&mut Unstructured::new(bytes));
}

fn outcome_of(bytes: &mut Unstructured<'_>) -> Result<()> {
    let rows = bytes.ratio(1, 3)?;
    let column = |name: &str| Column {
        name: name.into(),
        declared: "TEXT".into(),
        required: false,
        has_default: false,
        generated: false,
    };
    let table = Table {
        name: "things".into(),
        kind: if rows {
            Kind::Row
        } else {
            Kind::Document { body: 1 }
        },
        columns: vec![column("_id"), column("a")],
        key: vec![0],
        number: None,
    };
    let before = Document {
        id: "a".into(),
        body: if rows {
            generate::object(bytes)?.into()
        } else {
            generate::json(bytes)?.into()
        },
        place: Place::Row(1),
        format: Format::Plain,
    };
    let filter = Filter::new(&generate::conditions(bytes)?).unwrap_or_default();
    let outcome = outcome(bytes)?;
    let said = format!("{outcome:?}");
    match judge(&LIMITS, &table, &filter, &before, outcome) {
        Judged::Updated(body) => {
            assert!(
                json::check(&body).is_ok(),
                "{said} made {body} of {before:?}"
            );
            // A body that repeats the key goes on doing so.
            let key = |body: &str| json::get(body, "/_id").unwrap().map(str::to_owned);
            let its = Some("\"a\"".to_owned());
            assert!(
                key(&before.body) != its || key(&body) == its,
                "{said} changed the key: {body} of {before:?}"
            );
        }
        Judged::Skipped(reason) => {
            assert!(reason.len() <= LIMITS.name_bytes.0, "{said}: {reason}");
        }
        Judged::Failed(failure) => {
            assert!(
                failure.code.len() <= 20 && !failure.message.contains("panicked"),
                "{said}"
            );
        }
        Judged::Changed(changes) => {
            assert!(changes.len() <= LIMITS.document_changes.0, "{said}");
        }
        Judged::Deleted => {}
    }
    Ok(())
}

fn outcome(bytes: &mut Unstructured<'_>) -> Result<Outcome<'static>> {
    Ok(match bytes.int_in_range(0..=7)? {
        0 => Outcome::Skip(bytes.arbitrary::<String>()?.into()),
        1..=3 => Outcome::Edit(generate::edits(bytes)?),
        4 | 5 => Outcome::Replace(body(bytes)?.into()),
        6 => {
            let mut changes = Vec::new();
            for _ in 0..bytes.int_in_range(0..=4)? {
                changes.push(change(bytes)?);
            }
            Outcome::Changes(changes)
        }
        _ if bytes.ratio(1, 4)? => Outcome::Delete,
        _ => Outcome::Fail(Failure {
            code: bytes.arbitrary()?,
            message: bytes.arbitrary()?,
            at: bytes.arbitrary()?,
        }),
    })
}

fn change(bytes: &mut Unstructured<'_>) -> Result<Change> {
    let at = Reference {
        table: bytes.arbitrary()?,
        id: bytes.arbitrary()?,
    };
    Ok(match bytes.int_in_range(0..=3)? {
        0 => Change::Insert(Insertion {
            table: at.table,
            id: bytes.arbitrary()?,
            body: body(bytes)?,
        }),
        1 => Change::Edit(at, generate::edits(bytes)?),
        2 => Change::Replace(at, body(bytes)?),
        _ => Change::Delete(at),
    })
}

/// A body; rarely a text that is none.
fn body(bytes: &mut Unstructured<'_>) -> Result<String> {
    if bytes.ratio(1, 10)? {
        bytes.arbitrary()
    } else {
        generate::json(bytes)
    }
}
