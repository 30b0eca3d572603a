//! The members of an object, for those who want few of them: what is between is passed over 64 bytes at a time.
//!
//! The way of Geoff Langdale and Daniel Lemire, *Parsing Gigabytes of JSON per Second* (2019): a bit for each byte of
//! a block that is a quote, and from these a bit for each that stands within a string, tell which brackets and commas
//! mean something.

use super::skim::{skip_space, string_end, within_strings};

/// How many bytes are looked at together.
const BLOCK: usize = u64::BITS as usize;

/// A member, by where it stands in its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'t> {
    text: &'t str,
    key_start: usize,
    key_end: usize,
    escaped: bool,
    value_start: usize,
    value_end: usize,
}

impl<'t> Field<'t> {
    /// The key as it is spelled, in its quotes.
    #[must_use]
    pub fn key(&self) -> &'t str {
        self.text
            .get(self.key_start..self.key_end)
            .unwrap_or_default()
    }

    /// The bytes of the key, if it is spelled without a backslash.
    #[must_use]
    #[inline(always)]
    pub fn name(&self) -> Option<&'t [u8]> {
        let name = self.key_start + 1..self.key_end - 1;
        if self.escaped {
            None
        } else {
            self.text.as_bytes().get(name)
        }
    }

    /// The text of the value.
    #[must_use]
    pub fn value(&self) -> &'t str {
        self.text
            .get(self.value_start..self.value_end)
            .unwrap_or_default()
    }
}

/// Goes over the members of the object that a text is, in order.
///
/// The text must be JSON. On any other the members mean nothing; [`Fields::next`] may end early, and never panics.
///
/// ```
/// use migration_document::json::Fields;
/// let mut fields = Fields::of(r#"{"name": "Ada", "tags": ["a", "b"]}"#).unwrap();
/// let field = fields.next().unwrap().unwrap();
/// assert_eq!((field.name(), field.value()), (Some(&b"name"[..]), r#""Ada""#));
/// assert_eq!(fields.next().unwrap().unwrap().value(), r#"["a", "b"]"#);
/// assert!(fields.next().is_none());
/// ```
#[derive(Debug)]
pub struct Fields<'t> {
    text: &'t str,
    /// Where the next member starts; None behind the last one.
    next: Option<usize>,
    /// Where the block begins whose bits these are.
    block: usize,
    /// Brackets and commas outside of strings that are still to be looked at.
    marks: u64,
    /// All bits are set if the block ends within a string.
    within: u64,
    /// The block's last byte escapes the next block's first.
    escapes: bool,
}

/// A text in which a member was looked for in vain: it is no JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoField;

impl<'t> Fields<'t> {
    /// The members of this text; None if it is no object.
    #[must_use]
    #[inline(always)]
    pub fn of(text: &'t str) -> Option<Self> {
        let open = skip_space(text.as_bytes(), 0);
        if text.as_bytes().get(open) != Some(&b'{') {
            return None;
        }
        let first = skip_space(text.as_bytes(), open + 1);
        let mut fields = Self {
            text,
            next: (text.as_bytes().get(first) != Some(&b'}')).then_some(first),
            block: 0,
            marks: 0,
            within: 0,
            escapes: false,
        };
        fields.look_at(0);
        // The opening bracket itself.
        fields.mark();
        Some(fields)
    }

    /// Finds what has a meaning in the block that begins here.
    #[inline(always)]
    fn look_at(&mut self, block: usize) {
        let bytes = self.text.as_bytes();
        let rest = bytes.get(block..).unwrap_or_default();
        let found = match rest.first_chunk() {
            Some(whole) => bits(whole),
            None => last_bits(bytes, rest),
        };
        let mut quotes = found.quotes;
        if found.backslashes != 0 || self.escapes {
            quotes &= !self.escaped(found.backslashes);
        }
        let within = within_strings(quotes, &mut self.within);
        self.block = block;
        self.marks = found.marks & !within;
    }

    /// Which bytes a backslash stands before that means something.
    #[cold]
    fn escaped(&mut self, mut backslashes: u64) -> u64 {
        let mut escaped = u64::from(self.escapes);
        backslashes &= !escaped;
        self.escapes = false;
        while backslashes != 0 {
            let place = backslashes.trailing_zeros();
            if place as usize == BLOCK - 1 {
                self.escapes = true;
                break;
            }
            escaped |= 2 << place;
            backslashes &= !(3 << place);
        }
        escaped
    }

    /// Where the next bracket or comma stands that has a meaning.
    #[inline(always)]
    fn mark(&mut self) -> Option<usize> {
        while self.marks == 0 {
            let block = self.block + BLOCK;
            if block >= self.text.len() {
                return None;
            }
            self.look_at(block);
        }
        let place = self.block + self.marks.trailing_zeros() as usize;
        self.marks &= self.marks - 1;
        Some(place)
    }

    /// Where the comma or bracket stands behind a value whose first bracket was the last mark.
    #[inline(always)]
    fn end_of_nested(&mut self) -> Option<usize> {
        let mut depth = 1_usize;
        loop {
            let place = self.mark()?;
            match self.text.as_bytes().get(place)? {
                b'{' | b'[' => depth += 1,
                _ if depth == 0 => return Some(place),
                b',' => {}
                _ => depth -= 1,
            }
        }
    }

    #[inline(always)]
    fn field(&mut self, start: usize) -> Option<Field<'t>> {
        let bytes = self.text.as_bytes();
        if bytes.get(start) != Some(&b'"') {
            return None;
        }
        let (key_end, escaped) = string_end(bytes, start + 1)?;
        let colon = skip_space(bytes, key_end);
        if bytes.get(colon) != Some(&b':') {
            return None;
        }
        let value = skip_space(bytes, colon + 1);
        let first = self.mark()?;
        let end = match bytes.get(first)? {
            b'{' | b'[' => self.end_of_nested()?,
            _ => first,
        };
        if bytes.get(end) == Some(&b',') {
            self.next = Some(skip_space(bytes, end + 1));
        }
        let mut value_end = end;
        while value_end > value && bytes.get(value_end - 1).is_some_and(|byte| *byte <= b' ') {
            value_end -= 1;
        }
        Some(Field {
            text: self.text,
            key_start: start,
            key_end,
            escaped,
            value_start: value,
            value_end,
        })
    }
}

impl<'t> Iterator for Fields<'t> {
    type Item = Result<Field<'t>, NoField>;

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        let start = self.next.take()?;
        Some(self.field(start).ok_or(NoField))
    }
}

/// A bit for each byte of a block that is of a kind, the first byte's the lowest.
struct Bits {
    quotes: u64,
    backslashes: u64,
    /// Brackets and commas.
    marks: u64,
}

impl Bits {
    /// Without those of so many bytes at the begin.
    fn behind(self, bytes: usize) -> Self {
        let behind = |bits: u64| bits.checked_shr(bytes as u32).unwrap_or(0);
        Self {
            quotes: behind(self.quotes),
            backslashes: behind(self.backslashes),
            marks: behind(self.marks),
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
    use std::arch::wasm32::{i8x16_bitmask, i8x16_eq, u8x16_splat, v128, v128_load, v128_or};

    let mut bits = Bits {
        quotes: 0,
        backslashes: 0,
        marks: 0,
    };
    for part in 0..4 {
        // SAFETY: the block has four times 16 bytes, and a load needs no alignment.
        let bytes = unsafe { v128_load(block.as_ptr().add(16 * part).cast::<v128>()) };
        let curly = v128_or(bytes, u8x16_splat(CURLY));
        let is = |bytes, byte| i8x16_eq(bytes, u8x16_splat(byte));
        let marks = v128_or(is(bytes, b','), v128_or(is(curly, b'{'), is(curly, b'}')));
        let place = |found| u64::from(i8x16_bitmask(found)) << (16 * part);
        bits.quotes |= place(is(bytes, b'"'));
        bits.backslashes |= place(is(bytes, b'\\'));
        bits.marks |= place(marks);
    }
    bits
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
        backslashes: of(|byte| byte == b'\\'),
        marks: of(|byte| byte == b',' || matches!(byte | CURLY, b'{' | b'}')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{decode, members};
    use proptest::prelude::*;

    fn string() -> impl Strategy<Value = String> {
        r#""([a-z,{}\[\]: é]|\\\\|\\"){0,70}""#
    }

    fn value() -> impl Strategy<Value = String> {
        let scalar = prop_oneof![
            Just("null".to_owned()),
            Just("-1.50e+3".to_owned()),
            string(),
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
        proptest::collection::vec((string(), inner), 0..4).prop_map(|members| {
            let members: Vec<_> = members
                .iter()
                .map(|(key, value)| format!("{key} : {value}\n"))
                .collect();
            format!("{{{}}}", members.join(", "))
        })
    }

    proptest! {
        #[test]
        fn the_fields_of_json_are_its_members(text in object(value())) {
            let fields: Vec<_> = Fields::of(&text)
                .unwrap()
                .map(|field| field.map(|field| (decode(field.key()), field.value())))
                .collect::<Result<_, _>>()
                .unwrap();
            prop_assert_eq!(fields, members(&text).unwrap());
            for field in Fields::of(&text).unwrap() {
                let field = field.unwrap();
                prop_assert_eq!(field.name().is_some(), !field.key().contains('\\'));
                prop_assert!(field.name().is_none_or(|name| name == decode(field.key()).as_bytes()));
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in r#"[\[\]{}:,"\\a1 é]{0,140}"#) {
            for text in [&format!("{{{text}"), &format!("{{\"{text}")] {
                if let Some(fields) = Fields::of(text) {
                    fields.for_each(drop);
                }
            }
        }
    }
}
