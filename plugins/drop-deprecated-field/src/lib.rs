//! Removes `saveRegenerationHistory` from `userSettings`.

use plugin_sdk::prelude::*;

struct DropDeprecatedField;

impl Migration for DropDeprecatedField {
    fn manifest() -> Manifest {
        Manifest::new("drop-deprecated-field", "userSettings")
            .version(1)
            .description("Removes saveRegenerationHistory, which no code reads any more")
            .only_if(at("/saveRegenerationHistory").present())
    }

    fn transform(_: &Document, _: &Context) -> Result<Outcome, Failure> {
        Ok(Edits::new().remove("/saveRegenerationHistory").into())
    }
}

plugin_sdk::export!(DropDeprecatedField);

#[cfg(test)]
mod tests {
    use plugin_sdk::testing::{Run, Store};

    use super::*;

    #[test]
    fn nothing_else_is_touched() {
        let mut store = Store::new()
            .with_raw(
                "userSettings",
                "a",
                r#"{"a": 1.0, "saveRegenerationHistory": null, "b": 2}"#,
            )
            .with_raw("userSettings", "b", r#"{"a": 1.0}"#);
        let report = Run::new().migrate::<DropDeprecatedField>(&mut store);
        assert_eq!((report.total, report.updated), (1, 1));
        assert_eq!(
            store.raw("userSettings", "a"),
            Some(r#"{"a": 1.0, "b": 2}"#)
        );
        assert_eq!(
            Run::new().migrate::<DropDeprecatedField>(&mut store).total,
            0
        );
    }
}
