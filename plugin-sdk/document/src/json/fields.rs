//! The members of an object that have certain names, for those who want few of them.
//!
//! A name is looked for as text, which goes over 16 bytes at a time, and only where it is found does it have to be told
//! whether that is a key of the object: by the way of Geoff Langdale and Daniel Lemire, *Parsing Gigabytes of JSON
//! per Second* (2019). A bit for each byte of a block that is a quote, and from these a bit for each that stands within a
//! string, tell which brackets mean something, and how many of them are open.

#[cfg(target_feature = "simd128")]
use std::arch::wasm32::{i8x16_bitmask, i8x16_eq, u8x16_splat, v128, v128_and, v128_load, v128_or};
use std::ops::Range;

use memchr::{memchr, memmem};

use super::skim::{self, skip_space, string_end, value_end, within_strings};

/// How many bytes are looked at together.
const BLOCK: usize = u64::BITS as usize;

/// A member, by where it stands in its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field<'t> {
    text: &'t str,
    name: Range<usize>,
    value: Range<usize>,
    /// There is no backslash in the text.
    plain: bool,
}

impl<'t> Field<'t> {
    /// The member whose name stands here, between quotes.
    #[inline(always)]
    fn of(fields: &Fields<'t>, name: Range<usize>) -> Option<Self> {
        let Fields { text, plain, .. } = *fields;
        let bytes = text.as_bytes();
        let colon = skip_space(bytes, name.end + 1);
        if bytes.get(colon) != Some(&b':') {
            return None;
        }
        let value = skip_space(bytes, colon + 1);
        let value = value..value_end(bytes, value)?;
        let field = Self {
            text,
            name,
            value,
            plain,
        };
        matches!(bytes.get(field.behind()), Some(b',' | b'}')).then_some(field)
    }

    /// Where the comma stands behind it, or the bracket.
    fn behind(&self) -> usize {
        skip_space(self.text.as_bytes(), self.value.end)
    }

    /// The bytes of its name.
    #[must_use]
    pub fn name(&self) -> &'t [u8] {
        let bytes = self.text.as_bytes();
        bytes.get(self.name.clone()).unwrap_or_default()
    }

    /// The text of the value.
    #[must_use]
    #[inline(always)]
    pub fn value(&self) -> &'t str {
        self.text.get(self.value.clone()).unwrap_or_default()
    }

    /// What the value says, if it is a string without any backslash.
    #[must_use]
    #[inline(always)]
    pub fn plain_string(&self) -> Option<&'t str> {
        let value = self.value();
        if self.plain {
            value.strip_prefix('"')?.strip_suffix('"')
        } else {
            skim::plain_string(value)
        }
    }
}

/// The members of an object, by their names.
///
/// The text must be JSON. On any other what is found means nothing; nothing here ever panics. Names are found soonest in
/// the order of the members.
///
/// ```
/// use migration_document::json::Fields;
/// let mut fields = Fields::of(r#"{"name": "Ada", "friend": {"tags": 1}, "tags": ["a", "b"]}"#).unwrap();
/// assert_eq!(fields.named("tags").unwrap().unwrap().value(), r#"["a", "b"]"#);
/// assert_eq!(fields.named("age"), Ok(None));
/// ```
#[derive(Debug)]
pub struct Fields<'t> {
    text: &'t str,
    /// Where the first member stands, or would.
    first: usize,
    /// There is no backslash in the text.
    plain: bool,
    /// How far it was gone over.
    scan: Scan,
}

/// A member that cannot be told by its name alone: there are several, or the text is no JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoField;

impl<'t> Fields<'t> {
    /// The members of this text; None if it is no object, or a key of it is spelled with a backslash: it may be any name.
    #[must_use]
    #[inline(always)]
    pub fn of(text: &'t str) -> Option<Self> {
        let bytes = text.as_bytes();
        let open = skip_space(bytes, 0);
        let plain = memchr(b'\\', bytes).is_none();
        if bytes.get(open) != Some(&b'{') || !plain && has_escaped_key(bytes) {
            return None;
        }
        Some(Self {
            text,
            first: skip_space(bytes, open + 1),
            plain,
            scan: Scan::default(),
        })
    }

    /// The member of this name; None if there is none.
    ///
    /// # Errors
    /// If there are several, it has no value, or the name is one that is spelled with a backslash, or is empty.
    // Not a part of a larger function: what turns WebAssembly into machine code keeps values in registers where a
    // function is small.
    #[inline(never)]
    pub fn named(&mut self, name: &str) -> Result<Option<Field<'t>>, NoField> {
        if name.is_empty() || !skim::is_plain(name.as_bytes()) {
            return Err(NoField);
        }
        let bytes = self.text.as_bytes();
        let mut found = None;
        let mut from = self.first;
        while let Some(quote) = find(bytes, from, name.as_bytes()) {
            let place = quote + 1..quote + 1 + name.len();
            from = place.end;
            // What a value says may be the same as a name, and so may be the names of others. What else ends like that
            // is a key with a backslash in it.
            if bytes.get(skip_space(bytes, from + 1)) == Some(&b':')
                && self.scan.depth_at(quote, bytes) == 1
            {
                let field = Field::of(self, place).ok_or(NoField)?;
                if found.replace(field).is_some() {
                    return Err(NoField);
                }
            }
        }
        Ok(found)
    }

    /// The first name of a member that is none of these; None if there is none.
    ///
    /// # Errors
    /// If a member before it has no value.
    #[inline(always)]
    pub fn other(&self, names: &[&str]) -> Result<Option<&'t [u8]>, NoField> {
        let bytes = self.text.as_bytes();
        let mut at = self.first;
        if bytes.get(at) == Some(&b'}') {
            return Ok(None);
        }
        loop {
            if bytes.get(at) != Some(&b'"') {
                return Err(NoField);
            }
            let (end, _) = string_end(bytes, at + 1).ok_or(NoField)?;
            let place = at + 1..end - 1;
            let name = bytes.get(place.clone()).ok_or(NoField)?;
            if !names.iter().any(|known| known.as_bytes() == name) {
                return Ok(Some(name));
            }
            let behind = Field::of(self, place).ok_or(NoField)?.behind();
            if bytes.get(behind) != Some(&b',') {
                return Ok(None);
            }
            at = skip_space(bytes, behind + 1);
        }
    }
}

/// Where the first quote is of the next two between which this name stands.
#[inline(always)]
fn find(bytes: &[u8], mut from: usize, name: &[u8]) -> Option<usize> {
    let Some(last) = bytes.len().checked_sub(BLOCK + name.len() + 1) else {
        return find_in_short(bytes, from, name);
    };
    while from < last + BLOCK {
        // The last block begins in the one before.
        let block = from.min(last);
        let mut hits = begins_of(block, bytes, name)? & !below((from - block) as u32);
        while hits != 0 {
            let quote = block + hits.trailing_zeros() as usize;
            if bytes.get(quote) == Some(&b'"')
                && bytes.get(quote + 1 + name.len()) == Some(&b'"')
                && bytes.get(quote + 1..)?.starts_with(name)
            {
                return Some(quote);
            }
            hits &= hits - 1;
        }
        from = block + BLOCK;
    }
    None
}

/// The bytes of a block behind which the first two of a name stand, or all of it and a quote.
#[inline(always)]
fn begins_of(block: usize, bytes: &[u8], name: &[u8]) -> Option<u64> {
    let first = bytes.get(block + 1..)?.first_chunk()?;
    let second = bytes.get(block + 2..)?.first_chunk()?;
    let next = *name.get(1).unwrap_or(&b'"');
    Some(both_equal((first, *name.first()?), (second, next)))
}

/// [`find`] in a text of any length.
#[cold]
#[inline(never)]
fn find_in_short(bytes: &[u8], mut from: usize, name: &[u8]) -> Option<usize> {
    loop {
        let start = from + memmem::find(bytes.get(from..)?, name)?;
        let quote = start.checked_sub(1)?;
        if bytes.get(quote) == Some(&b'"') && bytes.get(start + name.len()) == Some(&b'"') {
            return Some(quote);
        }
        from = start + 1;
    }
}

/// Whether a key of the object is spelled with a backslash.
#[cold]
fn has_escaped_key(bytes: &[u8]) -> bool {
    let mut scan = Scan::default();
    let mut string = 0;
    let mut checked = None;
    loop {
        let mut escapes = scan.block.backslashes & scan.block.within;
        while escapes != 0 {
            let before = below(escapes.trailing_zeros());
            escapes &= escapes - 1;
            let string = match scan.block.begins & before {
                0 => string,
                begun => scan.start + highest(begun),
            };
            if checked.replace(string) != Some(string)
                && scan.depth_behind(before) == 1
                && !follows_colon(bytes, string)
            {
                return true;
            }
        }
        if scan.block.begins != 0 {
            string = scan.start + highest(scan.block.begins);
        }
        if !scan.next(bytes) {
            return false;
        }
    }
}

/// Whether a string is the value of a member, rather than its key. There is one or the other directly in an object.
fn follows_colon(bytes: &[u8], string: usize) -> bool {
    let before = bytes.get(..string).unwrap_or_default();
    before.trim_ascii_end().last() == Some(&b':')
}

/// What has a meaning in a block of a text: a bit for each byte, the first byte's the lowest.
#[derive(Debug, Clone, Copy, Default)]
struct Block {
    /// Brackets outside of strings.
    opens: u64,
    closes: u64,
    /// The first quotes of strings.
    begins: u64,
    /// What stands within strings, their first quotes included.
    within: u64,
    /// Backslashes.
    backslashes: u64,
}

/// Goes over a text, block by block.
#[derive(Debug, Clone, Copy, Default)]
struct Scan {
    /// Where the next block begins.
    next: usize,
    /// Where this one begins, and what is in it: nothing at first.
    start: usize,
    block: Block,
    /// How many brackets are open where it begins.
    depth: u32,
    /// All bits are set if it ends within a string.
    within: u64,
    /// One, if its last byte escapes the next block's first.
    escapes: u64,
}

impl Scan {
    /// Goes on to the next block; false if there is none.
    #[inline(always)]
    fn next(&mut self, bytes: &[u8]) -> bool {
        let Some(rest) = bytes.get(self.next..).filter(|rest| !rest.is_empty()) else {
            return false;
        };
        self.depth = self.depth_behind(u64::MAX);
        self.start = self.next;
        self.next += BLOCK;
        let mut found = match rest.first_chunk() {
            Some(whole) => bits(whole),
            None => last_bits(bytes, rest),
        };
        if found.backslashes != 0 || self.escapes != 0 {
            let escaped = Escaped::of(found.backslashes, self.escapes);
            found.quotes &= !escaped.bytes;
            self.escapes = escaped.next;
        }
        let within = within_strings(found.quotes, &mut self.within);
        self.block = Block {
            opens: found.opens & !within,
            closes: found.closes & !within,
            begins: found.quotes & within,
            within,
            backslashes: found.backslashes,
        };
        true
    }

    /// How many brackets are open behind these bytes of the block.
    #[inline(always)]
    fn depth_behind(&self, bytes: u64) -> u32 {
        self.depth
            .wrapping_add((self.block.opens & bytes).count_ones())
            .wrapping_sub((self.block.closes & bytes).count_ones())
    }

    /// How many brackets are open before this place.
    fn depth_at(&mut self, place: usize, bytes: &[u8]) -> u32 {
        let mut scan = if place < self.start {
            Self::default()
        } else {
            *self
        };
        while scan.next <= place && scan.next(bytes) {}
        *self = scan;
        self.depth_behind(below((place - self.start) as u32))
    }
}

/// What backslashes escape.
struct Escaped {
    /// These bytes of the block.
    bytes: u64,
    /// One, if it is the first byte of the next block.
    next: u64,
}

impl Escaped {
    /// What the backslashes of a block escape, the first byte of which is escaped if `first` is one.
    #[cold]
    fn of(backslashes: u64, first: u64) -> Self {
        let mut escaped = Self {
            bytes: first,
            next: 0,
        };
        let mut backslashes = backslashes & !first;
        while backslashes != 0 {
            let place = backslashes.trailing_zeros();
            if place as usize == BLOCK - 1 {
                escaped.next = 1;
                break;
            }
            escaped.bytes |= 2 << place;
            backslashes &= !(3 << place);
        }
        escaped
    }
}

/// Where the highest bit is, of which there is one.
const fn highest(bits: u64) -> usize {
    (u64::BITS - 1 - bits.leading_zeros()) as usize
}

/// The bits below this one.
#[inline(always)]
const fn below(place: u32) -> u64 {
    (1 << place) - 1
}

/// A bit for each byte of a block that is of a kind, the first byte's the lowest.
struct Bits {
    quotes: u64,
    opens: u64,
    closes: u64,
    backslashes: u64,
}

impl Bits {
    /// Without those of so many bytes at the begin.
    fn behind(self, bytes: usize) -> Self {
        let behind = |bits: u64| bits.checked_shr(bytes as u32).unwrap_or(0);
        Self {
            quotes: behind(self.quotes),
            opens: behind(self.opens),
            closes: behind(self.closes),
            backslashes: behind(self.backslashes),
        }
    }
}

/// The bits of what is left at the end, which is less than a block.
#[inline(always)]
fn last_bits(bytes: &[u8], rest: &[u8]) -> Bits {
    if let Some(block) = bytes.last_chunk() {
        return bits(block).behind(BLOCK - rest.len());
    }
    let mut padded = [b' '; BLOCK];
    if let Some(start) = padded.get_mut(..rest.len()) {
        start.copy_from_slice(rest);
    }
    bits(&padded)
}

/// What sets the bit in which a curly bracket differs from a square one.
const CURLY: u8 = b'{' ^ b'[';

#[cfg(target_feature = "simd128")]
#[inline(always)]
fn bits(block: &[u8; BLOCK]) -> Bits {
    let mut bits = Bits {
        quotes: 0,
        opens: 0,
        closes: 0,
        backslashes: 0,
    };
    for part in 0..4 {
        let bytes = load(block, part);
        let curly = v128_or(bytes, u8x16_splat(CURLY));
        let is = |bytes, byte| i8x16_eq(bytes, u8x16_splat(byte));
        let place = |found| u64::from(i8x16_bitmask(found)) << (16 * part);
        bits.quotes |= place(is(bytes, b'"'));
        bits.opens |= place(is(curly, b'{'));
        bits.closes |= place(is(curly, b'}'));
        bits.backslashes |= place(is(bytes, b'\\'));
    }
    bits
}

/// The places at which each of these blocks has its byte.
#[cfg(target_feature = "simd128")]
#[inline(always)]
fn both_equal(first: (&[u8; BLOCK], u8), second: (&[u8; BLOCK], u8)) -> u64 {
    let mut bits = 0;
    for part in 0..4 {
        let is = |(block, byte)| i8x16_eq(load(block, part), u8x16_splat(byte));
        bits |= u64::from(i8x16_bitmask(v128_and(is(first), is(second)))) << (16 * part);
    }
    bits
}

/// A quarter of a block.
#[cfg(target_feature = "simd128")]
#[inline(always)]
fn load(block: &[u8; BLOCK], part: usize) -> v128 {
    // SAFETY: the block has four times 16 bytes, of which this is one with `part` below four, as all callers have it;
    // and a load needs no alignment.
    unsafe { v128_load(block.as_ptr().add(16 * part).cast()) }
}

#[cfg(not(target_feature = "simd128"))]
fn bits(block: &[u8; BLOCK]) -> Bits {
    let of = |test: fn(u8) -> bool| {
        block.iter().enumerate().fold(0, |bits, (place, byte)| {
            bits | u64::from(test(*byte)) << place
        })
    };
    Bits {
        quotes: of(|byte| byte == b'"'),
        opens: of(|byte| byte | CURLY == b'{'),
        closes: of(|byte| byte | CURLY == b'}'),
        backslashes: of(|byte| byte == b'\\'),
    }
}

#[cfg(not(target_feature = "simd128"))]
fn both_equal(first: (&[u8; BLOCK], u8), second: (&[u8; BLOCK], u8)) -> u64 {
    let is = |(block, byte): (&[u8; BLOCK], u8), place| block[place] == byte;
    (0..BLOCK).fold(0, |bits, place| {
        bits | u64::from(is(first, place) && is(second, place)) << place
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{entries, members, root};
    use proptest::prelude::*;

    const NAMES: [&str; 5] = ["a", "bc", "", "a, b", LONG];
    const LONG: &str = "a name that is longer than what is looked at together, which is 64 bytes";

    fn string() -> impl Strategy<Value = String> {
        r#""([a-z,{}\[\]: é]|\\\\|\\"){0,70}""#
    }

    fn key() -> impl Strategy<Value = String> {
        prop_oneof![
            6 => prop::sample::select(&NAMES[..]).prop_map(|name| format!("\"{name}\"")),
            3 => r#""[a-z,{}\[\]: é]{0,70}""#,
            1 => string(),
        ]
    }

    fn value() -> impl Strategy<Value = String> {
        let scalar = prop_oneof![
            Just("null".to_owned()),
            Just("-1.50e+3".to_owned()),
            string(),
            key(),
        ];
        scalar.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4)
                    .prop_map(|items| format!("[{}]", items.join(" ,"))),
                object(inner),
            ]
        })
    }

    fn object(inner: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
        let space = prop::sample::select(&["", "", " ", "\n   "][..]);
        proptest::collection::vec((key(), inner, space), 0..4).prop_map(|members| {
            let members: Vec<_> = members
                .iter()
                .map(|(key, value, space)| format!("{key}{space}:{space}{value}{space}"))
                .collect();
            format!("{{{}}}", members.join(","))
        })
    }

    /// Whether a member's key is spelled with a backslash.
    fn has_escaped_key(text: &str) -> bool {
        let mut entries = entries(text, root(text).unwrap()).unwrap().unwrap();
        while let Some(entry) = entries.next_entry().unwrap() {
            if entry.key.unwrap().of(text).contains('\\') {
                return true;
            }
        }
        false
    }

    proptest! {
        #[test]
        fn the_fields_of_json_are_its_members_of_these_names(
            text in object(value()),
            from in 0..NAMES.len(),
        ) {
            let names = &NAMES[from..];
            let Some(mut fields) = Fields::of(&text) else {
                prop_assert!(has_escaped_key(&text));
                return Ok(());
            };
            prop_assert!(!has_escaped_key(&text));
            let members = members(&text).unwrap();
            // In any order.
            for name in names.iter().rev().chain(names) {
                let mut named = members.iter().filter(|(found, _)| found == name);
                match (fields.named(name), named.next()) {
                    (Ok(Some(field)), Some(member)) => {
                        prop_assert_eq!((field.name(), field.value()), (name.as_bytes(), member.1));
                        prop_assert_eq!(field.plain_string(), skim::plain_string(member.1));
                        prop_assert_eq!(named.next(), None);
                    }
                    (Err(NoField), Some(_)) => prop_assert!(named.next().is_some() || name.is_empty()),
                    (Err(NoField), None) => prop_assert!(name.is_empty()),
                    (found, expected) => prop_assert!(found == Ok(None) && expected.is_none()),
                }
            }
            let other = members.iter().find(|(name, _)| !names.contains(&name.as_ref()));
            prop_assert_eq!(
                fields.other(names).unwrap(),
                other.map(|(name, _)| name.as_bytes())
            );
        }

        #[test]
        fn no_text_makes_it_panic(text in r#"[\[\]{}:,"\\a1 é]{0,140}"#) {
            for text in [&format!("{{{text}"), &format!("{{\"{text}")] {
                if let Some(mut fields) = Fields::of(text) {
                    let _ = fields.other(&["a", ""]);
                    let _ = fields.named("a");
                    let _ = fields.named("");
                }
            }
        }
    }
}
