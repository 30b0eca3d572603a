//! What a user lets a plugin do beyond working on its own table.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use migration_document::Manifest;
use thiserror::Error;

/// One thing that a plugin is let do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grant {
    /// Looking documents of a table up.
    Read(String),
    /// Changing documents of a table.
    Write(String),
    /// Seeing a secret.
    Secret(String),
}

/// A text that is no grant.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is no grant: write read:TABLE, write:TABLE or secret:NAME")]
pub struct NoGrant(String);

impl FromStr for Grant {
    type Err = NoGrant;

    fn from_str(text: &str) -> Result<Self, NoGrant> {
        match text.split_once(':') {
            Some((_, "")) => Err(NoGrant(text.into())),
            Some(("read", table)) => Ok(Self::Read(table.into())),
            Some(("write", table)) => Ok(Self::Write(table.into())),
            Some(("secret", name)) => Ok(Self::Secret(name.into())),
            _ => Err(NoGrant(text.into())),
        }
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(table) => write!(formatter, "read:{table}"),
            Self::Write(table) => write!(formatter, "write:{table}"),
            Self::Secret(name) => write!(formatter, "secret:{name}"),
        }
    }
}

impl Grant {
    /// What is granted, in words.
    #[must_use]
    pub fn in_words(&self) -> String {
        match self {
            Self::Read(table) => format!("to read table `{table}`"),
            Self::Write(table) => format!("to write table `{table}`"),
            Self::Secret(name) => format!("to see the secret `{name}`"),
        }
    }
}

/// What a manifest asks for beyond its own table, each thing once.
#[must_use]
pub fn requested(manifest: &Manifest) -> BTreeSet<Grant> {
    let foreign = |table: &&String| **table != manifest.table;
    let reads = manifest
        .reads
        .iter()
        .filter(foreign)
        .cloned()
        .map(Grant::Read);
    let writes = manifest
        .writes
        .iter()
        .filter(foreign)
        .cloned()
        .map(Grant::Write);
    let secrets = manifest.secrets.iter().cloned().map(Grant::Secret);
    reads.chain(writes).chain(secrets).collect()
}

/// What a manifest asks for and was not granted.
#[must_use]
pub fn missing(manifest: &Manifest, granted: &BTreeSet<Grant>) -> Vec<Grant> {
    requested(manifest).difference(granted).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_are_read_as_they_are_written() {
        for text in ["read:sites", "write:a b", "secret:API_KEY", "read:a:b"] {
            assert_eq!(text.parse::<Grant>().unwrap().to_string(), text);
        }
        for text in ["sites", "read:", "delete:x", ""] {
            assert!(text.parse::<Grant>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_migration_has_its_own_table_and_nothing_more() {
        let manifest = Manifest {
            table: "users".into(),
            reads: vec!["users".into(), "sites".into()],
            writes: vec!["keys".into()],
            secrets: vec!["K".into()],
            ..Manifest::default()
        };
        let granted = BTreeSet::from([Grant::Write("keys".into())]);
        assert_eq!(
            missing(&manifest, &granted),
            [Grant::Read("sites".into()), Grant::Secret("K".into())]
        );
    }
}
