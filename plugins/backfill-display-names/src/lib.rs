//! Fills `displayName` from the part of `email` before the `@`.

use plugin_sdk::prelude::*;
use serde::Deserialize;

struct BackfillDisplayNames;

#[derive(Deserialize)]
struct User {
    email: String,
}

impl Migration for BackfillDisplayNames {
    fn manifest() -> Manifest {
        Manifest::new("backfill-display-names", "users")
            .version(1)
            .description("Fills displayName from the part of email before the @")
            .only_if(at("/displayName").missing())
    }

    fn transform(document: &Document, context: &Context) -> Result<Outcome, Failure> {
        let user: User = document.parse()?;
        let name = match user.email.split_once('@') {
            Some((name, _)) if !name.is_empty() => name,
            _ => {
                let message = "email has nothing before an @ to make a display name of";
                return Err(Failure::new("no-name", message).at("/email"));
            }
        };
        Ok(Edits::new()
            .set("/displayName", name)
            .set("/updatedAt", context.now())
            .into())
    }
}

plugin_sdk::export!(BackfillDisplayNames);

/// The examples of the guide, which walks through this plugin: `cargo test --doc` runs them.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/writing-a-plugin.md")]
struct Guide;

#[cfg(test)]
mod tests {
    use plugin_sdk::testing::{Run, Store, json};

    use super::*;

    #[test]
    fn the_name_is_what_stands_before_the_at() {
        let mut store = Store::new()
            .with_raw(
                "users",
                "u1",
                r#"{"email": "ada@example.org", "score": 1.0}"#,
            )
            .with(
                "users",
                [("u2", json!({"email": "a@b", "displayName": "Ada"}))],
            );

        let report = Run::new()
            .now(5)
            .migrate::<BackfillDisplayNames>(&mut store);
        assert_eq!((report.total, report.updated), (1, 1));
        assert_eq!(
            store.raw("users", "u1"),
            Some(
                r#"{"email": "ada@example.org", "score": 1.0, "displayName": "ada", "updatedAt": 5}"#
            )
        );

        let again = Run::new().migrate::<BackfillDisplayNames>(&mut store);
        assert_eq!(again.total, 0);
    }

    #[test]
    fn a_user_without_a_usable_address_fails_alone() {
        let mut store = Store::new().with(
            "users",
            [
                ("a", json!({"email": "nobody"})),
                ("b", json!({"email": "@example.org"})),
                ("c", json!({"email": 5})),
                ("d", json!({})),
                ("e", json!({"email": "eve@example.org"})),
            ],
        );
        let report = Run::new().migrate::<BackfillDisplayNames>(&mut store);
        let codes: Vec<_> = report.errors.iter().map(|error| &*error.code).collect();
        assert_eq!(
            codes,
            ["no-name", "no-name", "invalid-document", "invalid-document"]
        );
        assert_eq!(report.errors[2].at.as_deref(), Some("/email"));
        assert_eq!(report.updated, 1);
    }
}
