//! A migration without data work: a file `NAME.toml` that says what it is, and which tables and indexes it makes and
//! takes away. It may do neither: then it stands for a change of the schema that was made elsewhere.

use std::path::Path;

use serde::Deserialize;

use super::error::OrderError;
use super::folder::{Migration, Work};
use crate::plugin::check_name;
use crate::store::structure::Change;

/// What the file may say.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Written {
    /// Identity in the store's history. Default: the file's name without its ending.
    name: Option<String>,
    #[serde(default)]
    description: String,
    version: u32,
    #[serde(default)]
    run_after: Vec<String>,
    #[serde(default)]
    steps: Vec<Change>,
}

/// Reads a migration of steps. `sha256` is that of the text.
///
/// # Errors
/// If it says what it may not say, with the line.
pub fn parse(path: &Path, text: &str, sha256: String) -> Result<Migration, OrderError> {
    let invalid = |detail: String| OrderError::Invalid {
        path: path.into(),
        detail,
    };
    let written: Written = toml::from_str(text).map_err(|error| invalid(error.to_string()))?;
    let name = written.name.unwrap_or_else(|| {
        path.file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    });
    for name in written.run_after.iter().chain([&name]) {
        check_name(name).map_err(&invalid)?;
    }
    Ok(Migration {
        name,
        description: written.description,
        version: written.version,
        run_after: written.run_after,
        path: path.into(),
        sha256,
        work: Work::Steps(written.steps),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::NewKey;

    fn read(text: &str) -> Result<Migration, String> {
        parse(Path::new("m/add-index.toml"), text, String::new()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_file_says_what_it_is_and_what_it_does() {
        let migration = read(
            r#"
            version = 3
            run-after = ["a"]
            [[steps]]
            create-table = { name = "archive", key = "counted" }
            [[steps]]
            drop-table = { name = "oldTable" }
            [[steps]]
            create-index = { name = "i", table = "users", on = ["/email"], unique = true }
            [[steps]]
            drop-index.name = "j"
            "#,
        )
        .unwrap();
        assert_eq!(migration.name, "add-index");
        let Work::Steps(steps) = migration.work else {
            unreachable!("a file of steps has steps")
        };
        assert_eq!(
            steps,
            [
                Change::CreateTable {
                    name: "archive".into(),
                    key: Some(NewKey::Counted),
                    columns: Vec::new(),
                },
                Change::DropTable {
                    name: "oldTable".into(),
                    keep: true
                },
                Change::CreateIndex {
                    name: "i".into(),
                    table: "users".into(),
                    on: vec!["/email".into()],
                    unique: true,
                },
                Change::DropIndex { name: "j".into() },
            ]
        );
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (text, parts) in [
            (
                "version = 1\nsteps = []\nrunafter = []",
                ["line 3", "runafter"],
            ),
            ("description = \"x\"", ["m/add-index.toml", "`version`"]),
            (
                "version = 1\n[[steps]]\nmake-table = { name = \"x\" }",
                ["line 3", "make-table"],
            ),
            (
                "version = 1\n[[steps]]\ndrop-table = { name = \"x\", forever = true }",
                ["line 3", "forever"],
            ),
            ("version = -1", ["line 1", "-1"]),
            (
                "version = 1\nname = \"Add Index\"",
                ["`Add Index`", "lower-case words"],
            ),
            (
                "version = 1\nrun-after = [\"B\"]",
                ["`B`", "lower-case words"],
            ),
        ] {
            let error = read(text).unwrap_err();
            for part in parts {
                assert!(error.contains(part), "{part} in {error}");
            }
        }
    }
}
