//! The members of an object that have certain names, for those who want few of them.
//!
//! A name is looked for as text, which goes over 16 bytes at a time, and only where it is found does it have to be told
//! whether that is a key of the object: by the way of Geoff Langdale and Daniel Lemire, *Parsing Gigabytes of JSON
//! per Second* (2019). A bit for each byte of a block that is a quote, and from these a bit for each that stands within a
//! string, tell which brackets mean something, and how many of them are open.

#[cfg(target_feature = "simd128")]
use std::arch::wasm32::{
    i8x16_bitmask, i8x16_eq, u8x16_splat, v128, v128_and, v128_any_true, v128_load, v128_or,
};
use std::num::NonZero;
use std::ops::Range;

use memchr::memchr;

use super::skim::{self, skip_space, string_end, value_end, within_strings};

/// How many bytes are looked at together.
const BLOCK: usize = u64::BITS as usize;

/// A member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field<'t> {
    name: &'t [u8],
    value: &'t str,
    /// There is no backslash in the text.
    plain: bool,
}

impl<'t> Field<'t> {
    /// The bytes of its name.
    #[must_use]
    pub fn name(&self) -> &'t [u8] {
        self.name
    }

    /// The text of the value.
    #[must_use]
    #[inline(always)]
    pub fn value(&self) -> &'t str {
        self.value
    }

    /// What the value says, if it is a string without any backslash.
    #[must_use]
    #[inline(always)]
    pub fn plain_string(&self) -> Option<&'t str> {
        if self.plain {
            self.value.strip_prefix('"')?.strip_suffix('"')
        } else {
            skim::plain_string(self.value)
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
    /// How far it was gone over, where that was necessary.
    scan: Option<Box<Scan>>,
}

/// A member that cannot be told by its name alone: there are several, or the text is no JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoField;

impl<'t> Fields<'t> {
    /// The members of this text; None if it is no object, or a key of it is spelled with a backslash: it may be any name.
    #[must_use]
    #[inline(never)]
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
            scan: None,
        })
    }

    /// The member of this name; None if there is none.
    ///
    /// # Errors
    /// If there are several, it has no value, or the name is one that is spelled with a backslash, or is empty.
    #[inline(never)]
    pub fn named(&mut self, name: &str) -> Result<Option<Field<'t>>, NoField> {
        if name.is_empty() {
            return Err(NoField);
        }
        let Some(start) = self.next(name.as_bytes(), self.first) else {
            return Ok(None);
        };
        let place = start.get()..start.get() + name.len();
        // Where it is no string by itself, the name is one that has to be spelled with a backslash.
        if string_end(self.text.as_bytes(), place.start) != Some((place.end + 1, false))
            || self.next(name.as_bytes(), place.end).is_some()
        {
            return Err(NoField);
        }
        self.field(place).map(Some).ok_or(NoField)
    }

    /// The member whose name stands here, between quotes.
    #[inline(always)]
    fn field(&self, name: Range<usize>) -> Option<Field<'t>> {
        let value = self.value_behind(name.end)?;
        matches!(self.behind(value.end).1, Some(b',' | b'}')).then_some(())?;
        Some(Field {
            name: self.text.as_bytes().get(name)?,
            value: self.text.get(value)?,
            plain: self.plain,
        })
    }

    /// Where the value stands of a member whose name ends with a quote here.
    #[inline(always)]
    fn value_behind(&self, quote: usize) -> Option<Range<usize>> {
        let bytes = self.text.as_bytes();
        let value = skip_space(bytes, colon_behind(bytes, quote)? + 1);
        Some(value..value_end(bytes, value)?)
    }

    /// What stands behind a value, and where.
    #[inline(always)]
    fn behind(&self, value: usize) -> (usize, Option<&'t u8>) {
        let bytes = self.text.as_bytes();
        let behind = skip_space(bytes, value);
        (behind, bytes.get(behind))
    }

    /// Where the name of a member stands next, from here on.
    // Neither this nor what follows is a part of a larger function: what turns WebAssembly into machine code keeps values
    // in registers where a function is small. What they return is one number, too, for two would go through memory.
    #[inline(never)]
    fn next(&mut self, name: &[u8], from: usize) -> Option<NonZero<usize>> {
        let bytes = self.text.as_bytes();
        let first = *name.first()?;
        let mut rest = bytes.get(from..)?;
        while let Some(block) = rest.first_chunk() {
            let quotes = quotes_before(block, first);
            if quotes != 0
                && let found @ Some(_) = self.key_behind(quotes, bytes.len() - rest.len(), name)
            {
                return found;
            }
            rest = rest.get(BLOCK..)?;
        }
        if rest.len() < name.len() + 2 {
            return None;
        }
        // The last block ends with what is left, and begins before it.
        let (quotes, skipped) = match bytes.last_chunk::<{ BLOCK + 1 }>() {
            Some(block) => (quotes_before(block, first), block.len() - rest.len()),
            None => (quotes_before(&pad(rest), first), 0),
        };
        let start = bytes.len() - rest.len() - skipped;
        self.key_behind(quotes & !below(skipped as u32), start, name)
    }

    /// Where the name of a member stands behind one of these quotes of the block that begins here.
    #[inline(never)]
    fn key_behind(&mut self, mut quotes: u64, block: usize, name: &[u8]) -> Option<NonZero<usize>> {
        while quotes != 0 {
            let place = block + quotes.trailing_zeros() as usize + 1;
            if self.is_key(place, name) {
                return NonZero::new(place);
            }
            quotes &= quotes - 1;
        }
        None
    }

    /// Whether this name is that of a member of the object, and stands here. There is a quote before it.
    #[inline(always)]
    fn is_key(&mut self, place: usize, name: &[u8]) -> bool {
        let bytes = self.text.as_bytes();
        let end = place + name.len();
        bytes.get(end) == Some(&b'"')
            && bytes.get(place..end).is_some_and(|found| are_same(found, name))
            // What a value says may be the same as a name, and so may be the names of others.
            && colon_behind(bytes, end).is_some()
            && self.is_own(place)
    }

    /// Whether the member whose key stands here is one of the object itself.
    #[inline(always)]
    fn is_own(&mut self, key: usize) -> bool {
        // Nothing is opened before most of those that stand near the begin.
        let bytes = self.text.as_bytes();
        let begin = bytes.get(self.first..).unwrap_or_default().first_chunk();
        let before = key - self.first;
        begin.is_some_and(|block| before < BLOCK && brackets(block) & below(before as u32) == 0)
            || self.is_own_far_off(key)
    }

    #[cold]
    #[inline(never)]
    fn is_own_far_off(&mut self, key: usize) -> bool {
        let scan = self.scan.get_or_insert_default();
        scan.depth_at(key, self.text.as_bytes()) == 1
    }

    /// The first name of a member that is none of these; None if there is none.
    ///
    /// # Errors
    /// If a member before it has no value.
    #[inline(never)]
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
            let value = self.value_behind(place.end).ok_or(NoField)?;
            let (comma, Some(b',')) = self.behind(value.end) else {
                return Ok(None);
            };
            at = skip_space(bytes, comma + 1);
        }
    }
}

/// Whether these are the same bytes: at least one of each, and as many of both. In a sandbox comparing any number of bytes goes
/// byte by byte.
#[inline(always)]
fn are_same(some: &[u8], others: &[u8]) -> bool {
    if let (Some(first), Some(last)) = (some.first_chunk::<8>(), some.last_chunk::<8>()) {
        return others.first_chunk() == Some(first)
            && others.last_chunk() == Some(last)
            && (some.len() <= 16 || some == others);
    }
    if let (Some(first), Some(last)) = (some.first_chunk::<4>(), some.last_chunk::<4>()) {
        return others.first_chunk() == Some(first) && others.last_chunk() == Some(last);
    }
    let middle = some.len() / 2;
    some.first() == others.first()
        && some.get(middle) == others.get(middle)
        && some.last() == others.last()
}

/// Where the colon stands behind a string, which ends with a quote here.
#[inline(always)]
fn colon_behind(bytes: &[u8], quote: usize) -> Option<usize> {
    let colon = skip_space(bytes, quote + 1);
    (bytes.get(colon) == Some(&b':')).then_some(colon)
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
    bits(&pad(rest))
}

/// Bytes with white space behind them; as much of it as there is room for.
#[cold]
#[inline(never)]
fn pad<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut padded = [b' '; N];
    padded
        .iter_mut()
        .zip(bytes)
        .for_each(|(to, from)| *to = *from);
    padded
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
        let bytes = load(block, 16 * part);
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

/// The quotes of a block behind which this byte stands.
#[cfg(target_feature = "simd128")]
#[inline(always)]
fn quotes_before(block: &[u8; BLOCK + 1], byte: u8) -> u64 {
    let [a, b, c, d] = [0, 16, 32, 48].map(|at| {
        v128_and(
            i8x16_eq(load(block, at), u8x16_splat(b'"')),
            i8x16_eq(load(block, at + 1), u8x16_splat(byte)),
        )
    });
    // Hardly ever there is one.
    if !v128_any_true(v128_or(v128_or(a, b), v128_or(c, d))) {
        return 0;
    }
    let bits = |found, at| u64::from(i8x16_bitmask(found)) << at;
    bits(a, 0) | bits(b, 16) | bits(c, 32) | bits(d, 48)
}

/// 16 bytes of a block.
#[cfg(target_feature = "simd128")]
#[inline(always)]
fn load<const N: usize>(block: &[u8; N], at: usize) -> v128 {
    // SAFETY: the block has so many bytes from there on: callers go up to 48 where it has 64, and to 49 where it has 65.
    // A load needs no alignment.
    unsafe { v128_load(block.as_ptr().add(at).cast()) }
}

/// The brackets of a block, in strings or not.
#[inline(always)]
fn brackets(block: &[u8; BLOCK]) -> u64 {
    let Bits { opens, closes, .. } = bits(block);
    opens | closes
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
fn quotes_before(block: &[u8; BLOCK + 1], byte: u8) -> u64 {
    (block.windows(2).zip(0..)).fold(0, |bits, (pair, place)| {
        bits | u64::from(pair == [b'"', byte]) << place
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
        fn bytes_are_the_same_if_each_is(
            bytes in proptest::collection::vec(any::<u8>(), 1..40),
            changed: prop::sample::Index,
            bit in 0_u32..9,
        ) {
            let mut others = bytes.clone();
            // One of nine changes nothing.
            others[changed.index(bytes.len())] ^= 1_u8.checked_shl(bit).unwrap_or(0);
            prop_assert_eq!(are_same(&bytes, &others), bytes == others);
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

    #[test]
    fn a_name_that_ends_with_a_backslash_is_no_string_that_has_a_quote_there() {
        let mut fields = Fields::of(r#"{"k":"a\":1,"}"#).unwrap();
        assert_eq!(fields.named("a\\"), Err(NoField));
        assert_eq!(fields.named("a"), Ok(None));
    }
}
