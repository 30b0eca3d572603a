//! Where things stand in a snapshot.

use thiserror::Error;

/// The file that holds a table's documents.
pub const DOCUMENTS: &str = "documents.jsonl";

/// The file that tells a table's encoding.
pub const SCHEMA: &str = "generated_schema.jsonl";

/// The table of a component's tables.
const TABLES: &str = "_tables";

/// The table of a component's stored files.
pub const STORAGE: &str = "_storage";

/// Before the name of a component.
const COMPONENTS: &str = "_components";

/// An entry whose name no archive may have.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the entry `{0}` has a name that leads out of the archive")]
pub struct ClimbsOut(pub String);

/// What an entry of a snapshot is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Entry {
    /// The documents of a table. Tables of a component `c` are called `c/table`.
    Documents(String),
    /// What tells the encoding of a table.
    Schema(String),
    /// The names and numbers of the tables of a component; the root's name is empty.
    Tables(String),
    /// Something else, such as a stored file: kept as it is.
    Other,
}

impl Entry {
    /// Tells it by its path. Folders around the snapshot are ignored, so that one that was unpacked and packed again works.
    ///
    /// # Errors
    /// If the path leads out of the archive.
    pub fn of_path(path: &str) -> Result<Self, ClimbsOut> {
        let parts: Vec<&str> = path.split('/').collect();
        let outside = |part: &&str| *part == ".." || part.contains(['\\', '\0']);
        if parts.iter().any(outside) || path.starts_with('/') {
            return Err(ClimbsOut(path.into()));
        }
        let [around @ .., table, file] = parts.as_slice() else {
            return Ok(Self::Other);
        };
        let component = component_of(around);
        let name = join(&component, table);
        Ok(match (*file, *table) {
            (DOCUMENTS, TABLES) => Self::Tables(component),
            // Convex's other tables of its own mean nothing outside of it.
            (DOCUMENTS | SCHEMA, system) if system.starts_with('_') && system != STORAGE => {
                Self::Other
            }
            (DOCUMENTS, _) => Self::Documents(name),
            (SCHEMA, _) => Self::Schema(name),
            _ => Self::Other,
        })
    }
}

/// The component that the folders around a table name.
fn component_of(around: &[&str]) -> String {
    let mut names = Vec::new();
    let mut rest = around;
    while let [before @ .., COMPONENTS, name] = rest {
        names.push(*name);
        rest = before;
    }
    names.reverse();
    names.join("/")
}

/// What a table of a component is called; the root's name is empty.
#[must_use]
pub fn join(component: &str, table: &str) -> String {
    if component.is_empty() {
        table.into()
    } else {
        format!("{component}/{table}")
    }
}

/// The component and the plain name of a table.
#[must_use]
pub fn split(table: &str) -> (&str, &str) {
    table.rsplit_once('/').unwrap_or(("", table))
}

/// The folder of a table in a snapshot.
#[must_use]
pub fn folder(table: &str) -> String {
    let (component, name) = split(table);
    format!("{}{name}", component_folder(component))
}

fn component_folder(component: &str) -> String {
    component
        .split('/')
        .filter(|name| !name.is_empty())
        .map(|name| format!("{COMPONENTS}/{name}/"))
        .collect()
}

/// Where a table's documents stand.
#[must_use]
pub fn documents(table: &str) -> String {
    format!("{}/{DOCUMENTS}", folder(table))
}

/// Where a component's tables are listed.
#[must_use]
pub fn tables(component: &str) -> String {
    format!("{}{TABLES}/{DOCUMENTS}", component_folder(component))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_told_by_their_paths() {
        let of = |path| Entry::of_path(path).unwrap();
        assert_eq!(
            of("users/documents.jsonl"),
            Entry::Documents("users".into())
        );
        assert_eq!(
            of("snapshot_17/users/generated_schema.jsonl"),
            Entry::Schema("users".into())
        );
        assert_eq!(of("_tables/documents.jsonl"), Entry::Tables(String::new()));
        assert_eq!(
            of("x/_components/a/_components/b/_tables/documents.jsonl"),
            Entry::Tables("a/b".into())
        );
        assert_eq!(
            of("_components/a/_storage/documents.jsonl"),
            Entry::Documents("a/_storage".into())
        );
        for other in [
            "README.md",
            "documents.jsonl",
            "_storage/kg2.png",
            "_scheduled/documents.jsonl",
            "users/",
        ] {
            assert_eq!(of(other), Entry::Other, "{other}");
        }
    }

    #[test]
    fn paths_are_made_as_they_are_told() {
        for table in ["users", "a/users", "a/b/users", "a/_storage"] {
            let entry = Entry::of_path(&documents(table)).unwrap();
            assert_eq!(entry, Entry::Documents(table.into()));
        }
        for component in ["", "a", "a/b"] {
            let entry = Entry::of_path(&tables(component)).unwrap();
            assert_eq!(entry, Entry::Tables(component.into()));
        }
    }

    #[test]
    fn no_path_leads_out() {
        for path in [
            "../users/documents.jsonl",
            "a/../../b",
            "/etc/passwd",
            "a\\..\\b",
        ] {
            assert_eq!(Entry::of_path(path), Err(ClimbsOut(path.into())));
        }
    }
}
