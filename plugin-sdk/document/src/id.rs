//! Ids for new documents, made from names instead of chance.
//!
//! They are UUIDs of version 5 (RFC 9562): the same names give the same id in every run and on every
//! machine, so that a migration which is run again finds what it made before.

use std::fmt;

use uuid::Uuid;

/// The namespace of all ids that a migration makes: drawn by chance, once. Changing it would make every
/// migration insert its documents anew.
const NAMESPACE: Uuid = Uuid::from_u128(0x3c72_cf10_53d8_4a0a_9bd1_e6f8_348e_4702);

/// A new document's id: as text for text keys, as a number for integer keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewId(Uuid);

impl NewId {
    /// The 16 bytes of the id.
    #[must_use]
    pub fn bytes(self) -> [u8; 16] {
        self.0.into_bytes()
    }

    /// The id as a positive integer below 2^53, so that it survives JavaScript's numbers.
    ///
    /// Among a million ids two are equal with a probability of about 1 in 18,000; the store then refuses
    /// the second one, and nothing is overwritten.
    #[must_use]
    pub fn integer(self) -> i64 {
        let (high, _) = self.0.as_u64_pair();
        // The first 48 bits of a version 5 UUID are hash; the next four tell the version.
        let (hash, low) = (high >> 16, high & 0x0fff);
        i64::try_from((hash << 5) | (low & 0x1f))
            .unwrap_or(i64::MAX)
            .max(1)
    }
}

impl fmt::Display for NewId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// What `context.new-id` answers: the same for the same migration, table and seed.
///
/// ```
/// use migration_document::id::new_id;
/// let id = new_id("split-name", "people", "42").to_string();
/// assert_eq!(id, new_id("split-name", "people", "42").to_string());
/// assert_ne!(id, new_id("split-name", "people", "43").to_string());
/// ```
#[must_use]
pub fn new_id(migration: &str, table: &str, seed: &str) -> NewId {
    named(&["seed", migration, table, seed])
}

/// The id of an insertion that names none: of the migration, the table that it goes to, the document at
/// hand (its table and key) and which of that document's insertions it is, from 0.
#[must_use]
pub fn derived_id(migration: &str, table: &str, from: (&str, &str), ordinal: usize) -> NewId {
    named(&[
        "document",
        migration,
        table,
        from.0,
        from.1,
        &ordinal.to_string(),
    ])
}

/// The id of a list of names. They are joined as JSON, so that no two lists are joined alike.
fn named(names: &[&str]) -> NewId {
    let joined = serde_json::Value::from(names.to_vec()).to_string();
    NewId(Uuid::new_v5(&NAMESPACE, joined.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_do_not_depend_on_where_names_are_cut() {
        assert_ne!(new_id("a", "bc", "d"), new_id("ab", "c", "d"));
        assert_ne!(new_id("a", "b", "\",\""), new_id("a", "b\",\"", ""));
    }

    #[test]
    fn ids_are_frozen() {
        // A run that is repeated after an update of the host must find its earlier insertions.
        let id = derived_id("rename-table", "newTable", ("oldTable", "7"), 0);
        assert_eq!(id.to_string(), "9557eef8-1ebf-520d-bb71-2d0e578fa269");
        assert_eq!(id.integer(), 5254556925810669);
    }

    #[test]
    fn integers_are_positive_and_safe_for_doubles() {
        for seed in 0..10_000 {
            let id = new_id("m", "t", &seed.to_string()).integer();
            assert!((1..1 << 53).contains(&id), "{id}");
        }
    }
}
