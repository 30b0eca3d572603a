//! Ids of Convex documents.
//!
//! An id is the base32 text (Crockford's alphabet, lower case, no padding) of the table's number as LEB128, 16 bytes of
//! its own, and a checksum of both: Fletcher-16, little-endian, over which the version (0) is laid by XOR.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use data_encoding::{Encoding, Specification};
use migration_document::id::NewId;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Bytes that tell a document from the others of its table.
const OWN: usize = 16;

/// Bytes of the checksum.
const CHECK: usize = 2;

/// The first number that Convex gives to a user's table.
const FIRST_TABLE: u32 = 10_001;

static BASE32: LazyLock<Encoding> = LazyLock::new(|| {
    let mut specification = Specification::new();
    specification
        .symbols
        .push_str("0123456789abcdefghjkmnpqrstvwxyz");
    // 32 different ASCII symbols make an encoding; nothing else is checked.
    #[expect(clippy::expect_used, reason = "the alphabet above is a constant")]
    specification.encoding().expect("32 symbols")
});

/// The number that tells a table from the others of its component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TableNumber(pub u32);

impl TableNumber {
    /// A number for a new table, given those that there are.
    #[must_use]
    pub fn after(others: impl Iterator<Item = Self>) -> Self {
        let highest = others.map(|number| number.0).max().unwrap_or(0);
        Self(highest.saturating_add(1).max(FIRST_TABLE))
    }
}

impl fmt::Display for TableNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// A text that is no id.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NoId {
    /// It is not spelled like one.
    #[error("`{0}` is not spelled like an id of Convex")]
    Spelling(String),
    /// Its checksum is not that of its other characters.
    #[error("the checksum of the id `{0}` is wrong")]
    Checksum(String),
}

/// The id of a document.
///
/// ```
/// use host::convex::{ConvexId, TableNumber};
/// let id: ConvexId = "j571sbvz5zj1ps44j9f433pf1n6s7egs".parse().unwrap();
/// assert_eq!(id.table, TableNumber(10001));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConvexId {
    /// The number of its table.
    pub table: TableNumber,
    own: [u8; OWN],
}

impl ConvexId {
    /// The id of a new document of a table.
    #[must_use]
    pub fn new(table: TableNumber, id: NewId) -> Self {
        Self {
            table,
            own: id.bytes(),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(5 + OWN + CHECK);
        let mut rest = self.table.0;
        loop {
            // The lowest seven bits fit a byte.
            let low = (rest & 0x7f) as u8;
            rest >>= 7;
            if rest == 0 {
                bytes.push(low);
                break;
            }
            bytes.push(low | 0x80);
        }
        bytes.extend(self.own);
        let check = fletcher_16(&bytes);
        bytes.extend(check.to_le_bytes());
        bytes
    }
}

/// The sums are taken modulo 256, as Convex takes them, and not modulo 255.
fn fletcher_16(bytes: &[u8]) -> u16 {
    let (mut low, mut high) = (0_u8, 0_u8);
    for byte in bytes {
        low = low.wrapping_add(*byte);
        high = high.wrapping_add(low);
    }
    u16::from_be_bytes([high, low])
}

impl fmt::Display for ConvexId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&BASE32.encode(&self.bytes()))
    }
}

impl FromStr for ConvexId {
    type Err = NoId;

    fn from_str(text: &str) -> Result<Self, NoId> {
        let misspelt = || NoId::Spelling(text.into());
        let bytes = BASE32.decode(text.as_bytes()).map_err(|_| misspelt())?;
        let (rest, check) = bytes.split_last_chunk::<CHECK>().ok_or_else(misspelt)?;
        let (number, own) = rest.split_last_chunk::<OWN>().ok_or_else(misspelt)?;
        let mut table = 0_u32;
        for (index, byte) in number.iter().enumerate() {
            let low = u32::from(byte & 0x7f);
            let shifted = low.checked_shl(7 * u32::try_from(index).unwrap_or(u32::MAX));
            table |= shifted
                .filter(|shifted| shifted >> (7 * index) == low)
                .ok_or_else(misspelt)?;
        }
        let id = Self {
            table: TableNumber(table),
            own: *own,
        };
        if fletcher_16(rest).to_le_bytes() != *check {
            return Err(NoId::Checksum(text.into()));
        }
        // A number may be spelled with more bytes than it needs.
        if id.bytes() != bytes {
            return Err(misspelt());
        }
        Ok(id)
    }
}

#[cfg(test)]
mod tests {
    use migration_document::id::new_id;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn real_ids_are_read() {
        for (text, table) in [
            ("j571sbvz5zj1ps44j9f433pf1n6s7egs", 10_001),
            ("jd7f2yq3tcc5h4ce9qhqdk0ach6hbmyb", 10_003),
            ("kg21pzwemsm55e1fnt2kcsvgjh6h6gtf", 540),
        ] {
            let id: ConvexId = text.parse().unwrap();
            assert_eq!(id.table, TableNumber(table));
            assert_eq!(id.to_string(), text);
        }
    }

    #[test]
    fn other_texts_are_refused() {
        let real = "j571sbvz5zj1ps44j9f433pf1n6s7egs";
        let mut wrong = real.to_owned();
        wrong.replace_range(5..6, "c");
        assert_eq!(wrong.parse::<ConvexId>(), Err(NoId::Checksum(wrong)));
        for text in ["", "user-1", &real[1..], &real.to_uppercase(), "ééééé"] {
            let refused = text.parse::<ConvexId>();
            assert!(refused.is_err(), "{text} {refused:?}");
        }
    }

    #[test]
    fn new_tables_are_numbered_behind_the_others() {
        assert_eq!(TableNumber::after([].into_iter()), TableNumber(10_001));
        let known = [TableNumber(10_007), TableNumber(10_002)];
        assert_eq!(TableNumber::after(known.into_iter()), TableNumber(10_008));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(table in 1_u32.., seed in ".*") {
            let id = ConvexId::new(TableNumber(table), new_id("m", "t", &seed));
            prop_assert_eq!(id.to_string().parse::<ConvexId>(), Ok(id));
        }

        #[test]
        fn one_wrong_character_is_noticed(seed in ".*", at in 0_usize..32, other in 0_usize..32) {
            let id = ConvexId::new(TableNumber(10_001), new_id("m", "t", &seed)).to_string();
            let symbol = &"0123456789abcdefghjkmnpqrstvwxyz"[other..=other];
            prop_assume!(&id[at..=at] != symbol);
            let mut wrong = id;
            wrong.replace_range(at..=at, symbol);
            prop_assert!(wrong.parse::<ConvexId>().is_err());
        }
    }
}
