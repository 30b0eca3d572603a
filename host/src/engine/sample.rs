//! A fixed, reproducible part of a table: a canary.

use std::str::FromStr;

use thiserror::Error;

use crate::store::Page;

/// How fine a share is told: parts of a million.
const PARTS: u64 = 1_000_000;

/// A share of the documents, the same ones in every run.
///
/// A document belongs to it if a hash of its key (64-bit FNV-1a) falls into the share. So a sample of 2 %
/// holds the one of 1 %.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    parts: u64,
}

/// A text that is no share.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is no share: write a percentage between 0 and 100, such as 1% or 0.5%")]
pub struct NoShare(String);

impl FromStr for Sample {
    type Err = NoShare;

    /// Reads a percentage.
    ///
    /// ```
    /// use host::engine::Sample;
    /// assert!("0.5%".parse::<Sample>().is_ok());
    /// assert!("2".parse::<Sample>().is_err());
    /// ```
    fn from_str(text: &str) -> Result<Self, NoShare> {
        let share = text
            .strip_suffix('%')
            .and_then(|number| number.trim().parse::<f64>().ok())
            .filter(|share| (0.0..=100.0).contains(share))
            .ok_or_else(|| NoShare(text.into()))?;
        // At most a million, and not negative: checked above.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let parts = (share / 100.0 * PARTS as f64).round() as u64;
        Ok(Self { parts })
    }
}

impl Sample {
    /// A share in which there are about so many of all the documents, as far as parts of a million go.
    #[must_use]
    pub fn about(wanted: u64, all: u64) -> Self {
        let parts = u128::from(wanted) * u128::from(PARTS);
        let parts = parts.div_ceil(u128::from(all.max(1)));
        Self {
            parts: u64::try_from(parts).unwrap_or(PARTS).min(PARTS),
        }
    }

    fn holds(self, id: &str) -> bool {
        let hash = id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        // The low bits of FNV are its best ones, but neighbouring keys differ in few of them.
        (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15) % PARTS < self.parts
    }

    /// What of a page belongs to the sample.
    pub(super) fn of(self, mut page: Page) -> Page {
        let mut unreadable = page.unreadable.into_iter().peekable();
        let mut kept = Vec::new();
        let mut kept_unreadable = Vec::new();
        for (index, document) in page.documents.into_iter().enumerate() {
            while let Some((_, row)) = unreadable.next_if(|(before, _)| *before <= index) {
                kept_unreadable.push((kept.len(), row));
            }
            if self.holds(&document.id) {
                kept.push(document);
            }
        }
        kept_unreadable.extend(unreadable.map(|(_, row)| (kept.len(), row)));
        kept_unreadable.retain(|(_, row)| self.holds(&row.id));
        page.documents = kept;
        page.unreadable = kept_unreadable;
        page
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_holds_about_its_part_and_every_smaller_share() {
        let one: Sample = "1%".parse().unwrap();
        let ten: Sample = "10%".parse().unwrap();
        let ids: Vec<String> = (0..100_000)
            .map(|number| format!("user-{number}"))
            .collect();
        let count = |sample: Sample| ids.iter().filter(|id| sample.holds(id)).count();
        assert!((900..1_100).contains(&count(one)), "{}", count(one));
        assert!((9_700..10_300).contains(&count(ten)), "{}", count(ten));
        assert!(ids.iter().all(|id| !one.holds(id) || ten.holds(id)));
        assert!((900..1_100).contains(&count(Sample::about(1_000, 100_000))));
        assert_eq!(count(Sample::about(200_000, 100_000)), 100_000);
        assert_eq!(count(Sample::about(0, 0)), 0);
        assert_eq!(count("0%".parse().unwrap()), 0);
        assert_eq!(count("100%".parse().unwrap()), ids.len());
    }
}
