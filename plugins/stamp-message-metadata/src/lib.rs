//! Stamps the metadata of messages with a version and the time of the run.

use plugin_sdk::prelude::*;
use serde::Serialize;

struct StampMessageMetadata;

/// What a message without any metadata gets.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    version: &'static str,
    processed_at: u64,
}

impl Migration for StampMessageMetadata {
    fn manifest() -> Manifest {
        Manifest::new("stamp-message-metadata", "messages")
            .version(1)
            .description("Adds version and processedAt to the metadata of messages")
            .only_if(at("/migrated").not_equals(true))
    }

    fn transform(message: &Document, context: &Context) -> Result<Outcome, Failure> {
        let stamp = Metadata {
            version: "2.0",
            processed_at: context.now(),
        };
        let edits = match message.get::<&RawValue>("/metadata")? {
            None => Edits::new().set("/metadata", stamp),
            Some(metadata) if metadata.get().starts_with('{') => Edits::new()
                .set("/metadata/version", stamp.version)
                .set("/metadata/processedAt", stamp.processed_at),
            Some(_) => {
                let text = "metadata is no object, so there is no place for a version in it";
                return Err(Failure::new("invalid-metadata", text).at("/metadata"));
            }
        };
        Ok(edits.set("/migrated", true).into())
    }
}

plugin_sdk::export!(StampMessageMetadata);

#[cfg(test)]
mod tests {
    use plugin_sdk::testing::{Run, Store, json};

    use super::*;

    #[test]
    fn metadata_keeps_what_it_has() {
        let mut store = Store::new()
            .with_raw(
                "messages",
                "a",
                r#"{"metadata": {"tokens": 1e3, "version": "1"}}"#,
            )
            .with(
                "messages",
                [("b", json!({})), ("c", json!({"metadata": null}))],
            )
            .with("messages", [("d", json!({"metadata": "none"}))])
            .with("messages", [("e", json!({"migrated": true}))]);
        let report = Run::new()
            .now(9)
            .migrate::<StampMessageMetadata>(&mut store);
        assert_eq!((report.total, report.updated, report.failed), (4, 3, 1));
        assert_eq!(
            (&*report.errors[0].id, &*report.errors[0].code),
            ("d", "invalid-metadata")
        );
        let tokens = r#"{"metadata": {"tokens": 1e3, "version": "2.0", "processedAt": 9}"#;
        assert!(store.raw("messages", "a").unwrap().starts_with(tokens));
        let stamped = json!({"metadata": {"version": "2.0", "processedAt": 9}, "migrated": true});
        assert_eq!(store.get("messages", "b"), Some(stamped.clone()));
        assert_eq!(store.get("messages", "c"), Some(stamped));
        assert_eq!(
            Run::new().migrate::<StampMessageMetadata>(&mut store).total,
            1
        );
    }
}
