//! What a user lets a plugin do beyond working on its own table.
//!
//! It is let do it by name, whatever its bytes are, or by its bytes: then what was kept holds for these only.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use migration_document::Manifest;
use serde::Deserialize;
use thiserror::Error;

/// One thing that a plugin is let do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
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

impl TryFrom<String> for Grant {
    type Error = NoGrant;

    fn try_from(text: String) -> Result<Self, NoGrant> {
        text.parse()
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

/// What was kept of a user's consent to a migration: it is bound to the plugin's bytes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// SHA-256 of the plugin, in hexadecimal.
    pub sha256: String,
    /// What it is let do.
    pub allow: BTreeSet<Grant>,
}

/// What was kept, by the names of migrations.
pub type KeptGrants = BTreeMap<String, Kept>;

/// What a plugin is let do, and what it wants besides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consent {
    /// What it is let do.
    pub granted: BTreeSet<Grant>,
    /// What it wants, and is not let do.
    pub missing: Vec<Grant>,
    /// What was kept for other bytes of the same migration, and does not hold for these.
    pub of_other_bytes: Option<Kept>,
}

impl Consent {
    /// What a plugin with this manifest and these bytes is let do: what it is given by name, and what was kept
    /// for its bytes.
    #[must_use]
    pub fn of(
        manifest: &Manifest,
        sha256: &str,
        given: &BTreeSet<Grant>,
        kept: &KeptGrants,
    ) -> Self {
        let kept = kept.get(&manifest.name);
        let is_same = |kept: &&Kept| kept.sha256.eq_ignore_ascii_case(sha256);
        let mut granted = given.clone();
        if let Some(kept) = kept.filter(is_same) {
            granted.extend(kept.allow.iter().cloned());
        }
        Self {
            missing: missing(manifest, &granted),
            granted,
            of_other_bytes: kept.filter(|kept| !is_same(kept)).cloned(),
        }
    }
}

/// Several grants in words.
#[must_use]
pub fn in_words(grants: &[Grant]) -> String {
    let words: Vec<_> = grants.iter().map(Grant::in_words).collect();
    words.join(" and ")
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

    #[test]
    fn what_was_kept_holds_for_the_same_bytes_only() {
        let manifest = Manifest {
            name: "link".into(),
            table: "users".into(),
            reads: vec!["sites".into()],
            secrets: vec!["K".into()],
            ..Manifest::default()
        };
        let read = || Grant::Read("sites".into());
        let secret = || Grant::Secret("K".into());
        let kept = Kept {
            sha256: "AB01".into(),
            allow: BTreeSet::from([read()]),
        };
        let all = KeptGrants::from([("link".into(), kept.clone())]);
        let given = BTreeSet::from([secret()]);

        let same = Consent::of(&manifest, "ab01", &given, &all);
        assert_eq!(same.granted, BTreeSet::from([read(), secret()]));
        assert_eq!((same.missing, same.of_other_bytes), (vec![], None));

        let other = Consent::of(&manifest, "ab02", &given, &all);
        assert_eq!(other.granted, given);
        assert_eq!(other.missing, [read()]);
        assert_eq!(other.of_other_bytes, Some(kept));

        let unknown = Consent::of(&manifest, "ab01", &given, &KeptGrants::new());
        assert_eq!(
            (unknown.missing, unknown.of_other_bytes),
            (vec![read()], None)
        );
    }
}
