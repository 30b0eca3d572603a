//! Copies every document of `oldTable` to `newTable`, without `_id` and `_creationTime`.

use plugin_sdk::prelude::*;

struct RenameTable;

impl Migration for RenameTable {
    fn manifest() -> Manifest {
        Manifest::new("rename-table", "oldTable")
            .version(1)
            .description("Copies every document of oldTable to newTable")
            .writes("newTable")
    }

    fn transform(document: &Document, _: &Context) -> Result<Outcome, Failure> {
        let mut edits = Edits::new();
        for field in ["/_id", "/_creationTime"] {
            if document.has(field)? {
                edits = edits.remove(field);
            }
        }
        // The host derives the id of the copy from this document, so a second run makes no second
        // copy.
        Ok(Changes::new()
            .insert("newTable", document.edited(edits)?)
            .into())
    }
}

plugin_sdk::export!(RenameTable);

#[cfg(test)]
mod tests {
    use plugin_sdk::testing::{Run, Store};

    use super::*;

    #[test]
    fn its_cases_hold() {
        plugin_sdk::testing::cases::<RenameTable>("cases.jsonl");
    }

    #[test]
    fn every_document_is_copied_once_byte_for_byte() {
        let mut store = Store::new()
            .with_raw(
                "oldTable",
                "a",
                r#"{"_id":"a", "price":1.0, "_creationTime":5, "n":1e3}"#,
            )
            .with_raw("oldTable", "b", r#"{"n":2}"#)
            .with_table("newTable");
        let report = Run::new().migrate::<RenameTable>(&mut store);
        assert_eq!((report.total, report.updated, report.inserted), (2, 2, 2));

        let copies = |store: &Store| -> Vec<String> {
            let ids = store.ids("newTable").into_iter();
            let bodies = ids.filter_map(|id| store.raw("newTable", id));
            let mut bodies: Vec<String> = bodies.map(str::to_owned).collect();
            bodies.sort();
            bodies
        };
        assert_eq!(copies(&store), [r#"{"n":2}"#, r#"{"price":1.0, "n":1e3}"#]);
        assert_eq!(store.len("oldTable"), 2);

        let again = Run::new().migrate::<RenameTable>(&mut store);
        assert_eq!((again.updated, again.inserted, again.skipped), (0, 0, 2));
        assert_eq!(store.len("newTable"), 2);
    }
}
