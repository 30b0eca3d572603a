//! The SDK's values as the interface's generated types, and back. All match arms are spelled out, so
//! that a change of the interface does not compile until it is handled here.

use migration_document as model;

use super::migration::migration::plugin::{lookup, types as wire};
use crate::host::LookupError;
use crate::{Condition, Document};

impl From<lookup::Error> for LookupError {
    fn from(error: lookup::Error) -> Self {
        match error {
            lookup::Error::NotGranted(text) => Self::NotGranted(text),
            lookup::Error::UnknownTable(text) => Self::UnknownTable(text),
            lookup::Error::LimitExceeded(text) => Self::LimitExceeded(text),
            lookup::Error::Store(text) => Self::Store(text),
        }
    }
}

impl From<wire::Document> for Document {
    fn from(document: wire::Document) -> Self {
        Self::new(document.id, document.body)
    }
}

impl From<model::Manifest> for wire::Manifest {
    fn from(manifest: model::Manifest) -> Self {
        Self {
            name: manifest.name,
            description: manifest.description,
            version: manifest.version,
            run_after: manifest.run_after,
            table: manifest.table,
            filter: manifest.filter.into_iter().map(Into::into).collect(),
            reads: manifest.reads,
            writes: manifest.writes,
            secrets: manifest.secrets,
        }
    }
}

impl From<Condition> for wire::Condition {
    fn from(condition: Condition) -> Self {
        let test = match condition.test {
            model::Test::Present => wire::Test::Present,
            model::Test::Missing => wire::Test::Missing,
            model::Test::Equals(value) => wire::Test::Equals(value),
            model::Test::NotEquals(value) => wire::Test::NotEquals(value),
            model::Test::LessThan(value) => wire::Test::LessThan(value),
            model::Test::AtLeast(value) => wire::Test::AtLeast(value),
            model::Test::OneOf(values) => wire::Test::OneOf(values),
        };
        Self {
            at: condition.at,
            test,
        }
    }
}

impl From<model::Outcome<'_>> for wire::Outcome {
    fn from(outcome: model::Outcome<'_>) -> Self {
        match outcome {
            model::Outcome::Skip(reason) => Self::Skip(reason.into_owned()),
            model::Outcome::Edit(edits) => Self::Edit(wire_edits(edits)),
            model::Outcome::Replace(body) => Self::Replace(body.into_owned()),
            model::Outcome::Delete => Self::Delete,
            model::Outcome::Changes(changes) => {
                Self::Changes(changes.into_iter().map(Into::into).collect())
            }
            model::Outcome::Fail(failure) => Self::Fail(wire::Failure {
                code: failure.code,
                message: failure.message,
                at: failure.at,
            }),
        }
    }
}

impl From<model::Change> for wire::Change {
    fn from(change: model::Change) -> Self {
        match change {
            model::Change::Insert(insertion) => Self::Insert(wire::Insertion {
                table: insertion.table,
                id: insertion.id,
                body: insertion.body,
            }),
            model::Change::Edit(reference, edits) => {
                Self::Edit((reference.into(), wire_edits(edits)))
            }
            model::Change::Replace(reference, body) => Self::Replace((reference.into(), body)),
            model::Change::Delete(reference) => Self::Delete(reference.into()),
        }
    }
}

impl From<model::Reference> for wire::Reference {
    fn from(reference: model::Reference) -> Self {
        Self {
            table: reference.table,
            id: reference.id,
        }
    }
}

fn wire_edits(edits: Vec<model::Edit<'_>>) -> Vec<wire::Edit> {
    edits
        .into_iter()
        .map(|edit| match edit {
            model::Edit::Set { at, value } => {
                wire::Edit::Set((at.into_owned(), value.into_owned()))
            }
            model::Edit::Remove { at } => wire::Edit::Remove(at.into_owned()),
            model::Edit::Rename { from, to } => {
                wire::Edit::Rename((from.into_owned(), to.into_owned()))
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Changes, Edits, Failure, Manifest, Outcome, at};

    /// Everything that an outcome can say, on the wire. `Debug` names variants and fields.
    #[track_caller]
    fn crosses(outcome: impl Into<Outcome>, expected: &str) {
        let wire: wire::Outcome = outcome.into().into_model().into();
        assert_eq!(format!("{wire:?}"), expected);
    }

    #[test]
    fn outcomes_cross_unchanged() {
        crosses(Outcome::skip("why"), r#"Outcome::Skip("why")"#);
        crosses(Outcome::delete(), "Outcome::Delete");
        crosses(Outcome::replace([1]), r#"Outcome::Replace("[1]")"#);
        crosses(
            Edits::new().set("/a", 1).remove("/b").rename("/c", "/d"),
            r#"Outcome::Edit([Edit::Set(("/a", "1")), Edit::Remove("/b"), Edit::Rename(("/c", "/d"))])"#,
        );
        crosses(
            Failure::new("code", "message").at("/f"),
            r#"Outcome::Fail(Failure { code: "code", message: "message", at: Some("/f") })"#,
        );
        crosses(
            Changes::new()
                .insert("t", 1)
                .edit("t", "i", Edits::new().remove("/x"))
                .replace("t", "i", 2)
                .delete("t", "i"),
            concat!(
                r#"Outcome::Changes([Change::Insert(Insertion { table: "t", id: None, body: "1" }), "#,
                r#"Change::Edit((Reference { table: "t", id: "i" }, [Edit::Remove("/x")])), "#,
                r#"Change::Replace((Reference { table: "t", id: "i" }, "2")), "#,
                r#"Change::Delete(Reference { table: "t", id: "i" })])"#
            ),
        );
    }

    #[test]
    fn a_manifest_crosses_unchanged() {
        let manifest = Manifest::new("name", "table")
            .version(3)
            .description("what")
            .run_after("before")
            .only_if(at("/a").present())
            .only_if(at("/b").missing())
            .only_if(at("/c").equals(1))
            .only_if(at("/d").not_equals("x"))
            .only_if(at("/e").less_than(2))
            .only_if(at("/f").at_least(3))
            .only_if(at("/g").one_of([4, 5]))
            .reads("r")
            .writes("w")
            .secret("s");
        let wire: wire::Manifest = manifest.into_model().into();
        let tests: Vec<String> = wire
            .filter
            .iter()
            .map(|condition| format!("{} {:?}", condition.at, condition.test))
            .collect();
        assert_eq!(
            tests,
            [
                "/a Test::Present",
                "/b Test::Missing",
                r#"/c Test::Equals("1")"#,
                r#"/d Test::NotEquals("\"x\"")"#,
                r#"/e Test::LessThan("2")"#,
                r#"/f Test::AtLeast("3")"#,
                r#"/g Test::OneOf(["4", "5"])"#,
            ]
        );
        assert_eq!(
            (&*wire.name, &*wire.table, wire.version),
            ("name", "table", 3)
        );
        assert_eq!(
            (&*wire.description, wire.run_after),
            ("what", vec!["before".into()])
        );
        assert_eq!(
            (wire.reads, wire.writes),
            (vec!["r".into()], vec!["w".into()])
        );
        assert_eq!(wire.secrets, ["s"]);
    }
}
