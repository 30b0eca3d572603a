//! Fills `displayName` from the part of `email` before the `@`. Make it your own migration.

use plugin_sdk::prelude::*;
use serde::Deserialize;

/// The migration. It has no state: each document is transformed by itself.
struct Migrate;

/// The fields that the migration reads. All others are left out here, and stay what they are in the
/// store.
#[derive(Deserialize)]
struct User {
    email: String,
}

impl Migration for Migrate {
    fn manifest() -> Manifest {
        Manifest::new("{{name}}", "users")
            .version(1)
            .description("Fills displayName from the part of email before the @")
            // Chosen so that a migrated document does not meet it: a second run has nothing to do.
            .only_if(at("/displayName").missing())
    }

    fn transform(document: &Document, context: &Context) -> Result<Outcome, Failure> {
        let user: User = document.parse()?;
        let name = match user.email.split_once('@') {
            Some((name, _)) if !name.is_empty() => name,
            // This document is put into quarantine with this reason, and the run goes on.
            _ => return Err(Failure::new("no-name", "email has nothing before an @").at("/email")),
        };
        Ok(Edits::new()
            .set("/displayName", name)
            .set("/updatedAt", context.now())
            .into())
    }
}

plugin_sdk::export!(Migrate);

#[cfg(test)]
mod tests {
    use plugin_sdk::testing::{Run, Store, cases, json};

    use super::*;

    #[test]
    fn the_name_is_what_stands_before_the_at() {
        let mut store = Store::new().with(
            "users",
            [
                ("u1", json!({"email": "ada@example.org"})),
                ("u2", json!({"email": "nobody"})),
                ("u3", json!({"email": "grace@example.org", "displayName": "Grace"})),
            ],
        );

        let report = Run::new().now(1_700_000_000_000).migrate::<Migrate>(&mut store);

        assert_eq!((report.total, report.updated, report.failed), (2, 1, 1));
        assert_eq!(report.errors[0].id, "u2");
        assert_eq!(
            store.get("users", "u1"),
            Some(json!({
                "email": "ada@example.org",
                "displayName": "ada",
                "updatedAt": 1_700_000_000_000_u64
            }))
        );
    }

    /// Natively; `host test` tries the same cases in the sandbox.
    #[test]
    fn the_cases_hold() {
        cases::<Migrate>("cases.jsonl");
    }

    #[test]
    fn a_second_run_changes_nothing() {
        let mut store = Store::new().with("users", [("u1", json!({"email": "ada@example.org"}))]);
        Run::new().migrate::<Migrate>(&mut store);
        assert_eq!(Run::new().migrate::<Migrate>(&mut store).total, 0);
    }
}
