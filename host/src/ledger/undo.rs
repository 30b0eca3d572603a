//! The undo log: what each batch needs to be taken back, and nothing more.
//!
//! A changed body is kept as the part that differs: how much of its beginning and its end stayed the same,
//! and the old bytes between them. A hash of the new body tells whether anyone has changed it since.
//! The entries of a batch are encoded by postcard, one behind the other, and compressed as an LZ4 block.

use serde::{Deserialize, Serialize};
use thiserror::Error;
use xxhash_rust::xxh3::xxh3_64;

use crate::store::{Format, Place};

/// How to take one change back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The document's table.
    pub table: String,
    /// Its key.
    pub id: String,
    /// Where it stood, if that is known. It may have moved since.
    pub place: Option<Place>,
    /// What happened to it.
    pub change: Taken,
}

/// What happened to a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Taken {
    /// It got a new body.
    Updated {
        /// The way back.
        delta: Delta,
        /// A hash of the new body.
        now: u64,
    },
    /// It was added.
    Inserted {
        /// A hash of its body.
        now: u64,
    },
    /// It was taken away.
    Deleted {
        /// Its body.
        body: String,
        /// It was stored in binary form.
        binary: bool,
    },
    /// It was the document at hand, and changed others only: there is nothing to take back.
    OthersOnly,
}

impl Taken {
    /// A document that was taken away.
    #[must_use]
    pub fn deleted(body: &str, format: Format) -> Self {
        Self::Deleted {
            body: body.into(),
            binary: format == Format::Binary,
        }
    }

    /// A document that got a new body.
    #[must_use]
    pub fn updated(before: &str, after: &str) -> Self {
        Self::Updated {
            delta: Delta::back(before, after),
            now: hash(after),
        }
    }
}

/// A body's hash, as the log keeps it: XXH3, 64 bits.
#[must_use]
pub fn hash(body: &str) -> u64 {
    xxh3_64(body.as_bytes())
}

/// The way from a body back to the one before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delta {
    /// Bytes at the beginning that stayed.
    head: u64,
    /// Bytes at the end that stayed.
    tail: u64,
    /// What stood between them.
    middle: String,
}

impl Delta {
    /// The way back from `after` to `before`.
    #[must_use]
    pub fn back(before: &str, after: &str) -> Self {
        let mut head = same_start(before.as_bytes(), after.as_bytes());
        // Both bodies share these bytes, so a boundary of one is a boundary of the other.
        while !before.is_char_boundary(head) || !after.is_char_boundary(head) {
            head -= 1;
        }
        let (old, new) = (
            before.get(head..).unwrap_or_default(),
            after.get(head..).unwrap_or_default(),
        );
        let mut tail = common(old.bytes().rev(), new.bytes().rev());
        while !old.is_char_boundary(old.len() - tail) || !new.is_char_boundary(new.len() - tail) {
            tail -= 1;
        }
        Self {
            head: head as u64,
            tail: tail as u64,
            middle: old.get(..old.len() - tail).unwrap_or_default().to_owned(),
        }
    }

    /// The body before. None if this is not the body that the way begins at.
    #[must_use]
    pub fn apply(&self, after: &str) -> Option<String> {
        let head = after.get(..usize::try_from(self.head).ok()?)?;
        let cut = after.len().checked_sub(usize::try_from(self.tail).ok()?)?;
        let tail = after.get(cut..)?;
        Some([head, &self.middle, tail].concat())
    }
}

/// How many bytes two texts share at their beginnings. Most of a body stays, so whole words are compared.
fn same_start(left: &[u8], right: &[u8]) -> usize {
    const WORD: usize = 16;
    let (words, others) = (left.as_chunks::<WORD>().0, right.as_chunks::<WORD>().0);
    let same = words
        .iter()
        .zip(others)
        .take_while(|(one, other)| one == other);
    let start = same.count() * WORD;
    let (left, right) = (
        left.get(start..).unwrap_or_default(),
        right.get(start..).unwrap_or_default(),
    );
    start + common(left.iter().copied(), right.iter().copied())
}

/// How many bytes two texts share, from one end on.
fn common(left: impl Iterator<Item = u8>, right: impl Iterator<Item = u8>) -> usize {
    left.zip(right)
        .take_while(|(left, right)| left == right)
        .count()
}

/// A log that cannot be read.
#[derive(Debug, Error)]
#[error("the undo log cannot be read: {0}")]
pub struct BadLog(String);

/// A batch's log while it is written.
#[derive(Debug, Default)]
pub struct Log {
    entries: Vec<u8>,
    /// How far the entries are kept.
    kept: usize,
    failed: Option<BadLog>,
}

/// An [`Entry`] that is only passed by.
#[derive(Serialize)]
struct Passing<'a> {
    table: &'a str,
    id: &'a str,
    place: Option<&'a Place>,
    change: &'a Taken,
}

impl Log {
    /// The log of these entries.
    #[must_use]
    pub fn of(entries: &[Entry]) -> Self {
        let mut log = Self::default();
        for entry in entries {
            log.note(&entry.table, &entry.id, entry.place.as_ref(), &entry.change);
        }
        log.keep();
        log
    }

    /// Adds an entry.
    pub fn note(&mut self, table: &str, id: &str, place: Option<&Place>, change: &Taken) {
        let entry = Passing {
            table,
            id,
            place,
            change,
        };
        // A vector takes everything; what else could go wrong is told with the whole log.
        match postcard::to_extend(&entry, std::mem::take(&mut self.entries)) {
            Ok(entries) => self.entries = entries,
            Err(error) => {
                self.failed.get_or_insert(BadLog(error.to_string()));
            }
        }
    }

    /// Keeps what was added.
    pub fn keep(&mut self) {
        self.kept = self.entries.len();
    }

    /// Drops what was added since [`Log::keep`] was last called.
    pub fn forget(&mut self) {
        self.entries.truncate(self.kept);
    }

    /// The log as the ledger keeps it; None if there is nothing in it.
    ///
    /// # Errors
    /// If an entry could not be encoded, which no entry is known to cause.
    pub fn finish(mut self) -> Result<Option<Vec<u8>>, BadLog> {
        self.forget();
        match self.failed {
            Some(error) => Err(error),
            None if self.entries.is_empty() => Ok(None),
            None => Ok(Some(lz4_flex::compress_prepend_size(&self.entries))),
        }
    }
}

/// A batch's entries as they were.
///
/// # Errors
/// If the bytes are none of [`Log::finish`]'s.
pub fn decode(bytes: &[u8]) -> Result<Vec<Entry>, BadLog> {
    let plain =
        lz4_flex::decompress_size_prepended(bytes).map_err(|error| BadLog(error.to_string()))?;
    let mut rest = &plain[..];
    let mut entries = Vec::new();
    while !rest.is_empty() {
        let (entry, behind) =
            postcard::take_from_bytes(rest).map_err(|error| BadLog(error.to_string()))?;
        entries.push(entry);
        rest = behind;
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_delta_leads_back(
            head in "[aé€]{0,5}", old in "[abé€😀]{0,5}", new in "[abé€😀]{0,5}", tail in "[aé€]{0,5}",
        ) {
            let before = format!("{head}{old}{tail}");
            let after = format!("{head}{new}{tail}");
            let delta = Delta::back(&before, &after);
            prop_assert_eq!(delta.apply(&after), Some(before.clone()));
            prop_assert!(delta.middle.len() <= old.len());
        }

        #[test]
        fn a_delta_of_anything_to_anything_leads_back(before: String, after: String) {
            prop_assert_eq!(Delta::back(&before, &after).apply(&after), Some(before));
        }

        #[test]
        fn entries_survive(ids in proptest::collection::vec(any::<String>(), 0..20)) {
            let entries: Vec<Entry> = ids.into_iter().enumerate().map(|(number, id)| Entry {
                table: "t".into(),
                place: (number % 2 == 0).then_some(Place::Row(number as i64)),
                change: match number % 4 {
                    0 => Taken::updated(&id, "x"),
                    1 => Taken::Inserted { now: hash(&id) },
                    2 => Taken::OthersOnly,
                    _ => Taken::deleted(&id, Format::Binary),
                },
                id,
            }).collect();
            let mut log = Log::default();
            for entry in &entries {
                // What is not kept leaves no trace.
                log.note("u", &entry.id, None, &Taken::Inserted { now: 0 });
                log.forget();
                log.note(&entry.table, &entry.id, entry.place.as_ref(), &entry.change);
                log.keep();
            }
            log.note("v", "w", None, &Taken::Inserted { now: 0 });
            let kept = log.finish().unwrap().map_or(Vec::new(), |bytes| decode(&bytes).unwrap());
            prop_assert_eq!(kept, entries);
        }
    }

    #[test]
    fn bytes_that_are_no_log_are_refused() {
        assert!(decode(b"").is_err());
        assert!(decode(b"nonsense").is_err());
    }
}
