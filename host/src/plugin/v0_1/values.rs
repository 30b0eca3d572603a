//! The way between the values of the interface and the host's.

use migration_document as model;

use super::types;
use crate::store::Document;

pub(super) fn document(document: Document) -> types::Document {
    types::Document {
        id: document.id.into(),
        body: document.body.into(),
    }
}

pub(super) fn condition(condition: types::Condition) -> model::Condition {
    model::Condition {
        at: condition.at,
        test: match condition.test {
            types::Test::Present => model::Test::Present,
            types::Test::Missing => model::Test::Missing,
            types::Test::Equals(value) => model::Test::Equals(value),
            types::Test::NotEquals(value) => model::Test::NotEquals(value),
            types::Test::LessThan(value) => model::Test::LessThan(value),
            types::Test::AtLeast(value) => model::Test::AtLeast(value),
            types::Test::OneOf(values) => model::Test::OneOf(values),
        },
    }
}

fn edits(edits: Vec<types::Edit>) -> Vec<model::Edit<'static>> {
    edits
        .into_iter()
        .map(|edit| match edit {
            types::Edit::Set((at, value)) => model::Edit::Set {
                at: at.into(),
                value: value.into(),
            },
            types::Edit::Remove(at) => model::Edit::Remove { at: at.into() },
            types::Edit::Rename((from, to)) => model::Edit::Rename {
                from: from.into(),
                to: to.into(),
            },
        })
        .collect()
}

fn reference(reference: types::Reference) -> model::Reference {
    model::Reference {
        table: reference.table,
        id: reference.id,
    }
}

pub(super) fn outcome(outcome: types::Outcome) -> model::Outcome<'static> {
    match outcome {
        types::Outcome::Skip(reason) => model::Outcome::Skip(reason.into()),
        types::Outcome::Edit(list) => model::Outcome::Edit(edits(list)),
        types::Outcome::Replace(body) => model::Outcome::Replace(body.into()),
        types::Outcome::Delete => model::Outcome::Delete,
        types::Outcome::Changes(changes) => {
            model::Outcome::Changes(changes.into_iter().map(change).collect())
        }
        types::Outcome::Fail(failure) => model::Outcome::Fail(model::Failure {
            code: failure.code,
            message: failure.message,
            at: failure.at,
        }),
    }
}

fn change(change: types::Change) -> model::Change {
    match change {
        types::Change::Insert(insertion) => model::Change::Insert(model::Insertion {
            table: insertion.table,
            id: insertion.id,
            body: insertion.body,
        }),
        types::Change::Edit((at, list)) => model::Change::Edit(reference(at), edits(list)),
        types::Change::Replace((at, body)) => model::Change::Replace(reference(at), body),
        types::Change::Delete(at) => model::Change::Delete(reference(at)),
    }
}

pub(super) fn manifest(manifest: types::Manifest) -> model::Manifest {
    model::Manifest {
        name: manifest.name,
        description: manifest.description,
        version: manifest.version,
        run_after: manifest.run_after,
        table: manifest.table,
        filter: manifest.filter.into_iter().map(condition).collect(),
        reads: manifest.reads,
        writes: manifest.writes,
        secrets: manifest.secrets,
    }
}
