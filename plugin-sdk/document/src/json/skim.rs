//! Going over JSON text without looking into it: where strings and values end.
//!
//! Most strings are short, so that a few bytes at a time find their ends sooner than a routine for long ones.

#[cfg(target_feature = "simd128")]
use std::arch::wasm32::{i8x16_bitmask, i8x16_eq, u8x16_splat, v128_load, v128_or};

use memchr::memchr2;

/// A byte eight times.
pub(super) const fn all(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// The top bits of the bytes that are zero, up to the first of them; above it they mean nothing.
#[inline(always)]
pub(super) const fn zeros(word: u64) -> u64 {
    less(word, 1)
}

/// The top bits of the bytes that are less than this one, which is ASCII, up to the first of them; above it they mean
/// nothing.
#[inline(always)]
pub(super) const fn less(word: u64, than: u8) -> u64 {
    word.wrapping_sub(all(than)) & !word & all(0x80)
}

/// Where the first byte is whose top bit is set.
#[inline(always)]
pub(super) const fn first(tops: u64) -> usize {
    tops.trailing_zeros() as usize / 8
}

/// Which bytes of a block stand within a string, the string's first quote included, by its quotes. `before` has all bits
/// set if the block before ended within one, else none, and then the same for this block.
#[inline(always)]
pub(super) const fn within_strings(quotes: u64, before: &mut u64) -> u64 {
    let mut within = quotes;
    // Every bit becomes the parity of the quotes up to it.
    let mut shift = 1;
    while shift < u64::BITS {
        within ^= within << shift;
        shift *= 2;
    }
    within ^= *before;
    *before = if within >> (u64::BITS - 1) == 1 {
        u64::MAX
    } else {
        0
    };
    within
}

#[inline(always)]
pub(super) fn word(bytes: &[u8], at: usize) -> Option<u64> {
    let word = bytes.get(at..)?.first_chunk()?;
    Some(u64::from_le_bytes(*word))
}

/// Where the next byte is that is no white space. There is hardly ever more than one that is.
#[inline(always)]
pub(super) fn skip_space(bytes: &[u8], mut at: usize) -> usize {
    if bytes.get(at) == Some(&b' ') {
        at += 1;
    }
    if bytes.get(at).is_none_or(|byte| *byte > b' ') {
        return at;
    }
    skip_spaces(bytes, at)
}

#[inline(never)]
fn skip_spaces(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
        at += 1;
    }
    at
}

/// Where the value ends that starts here; None if there is none, or no end. Needs no stack, however deep it is
/// nested.
#[inline(always)]
pub(super) fn value_end(bytes: &[u8], start: usize) -> Option<usize> {
    match bytes.get(start)? {
        b'"' => string_end(bytes, start + 1).map(|(end, _)| end),
        b'{' | b'[' => nested_end(bytes, start),
        byte if byte.is_ascii_alphanumeric() || *byte == b'-' => Some(scalar_end(bytes, start)),
        _ => None,
    }
}

/// Where a string ends whose opening quote stands before this place, and whether there is a backslash in it.
#[inline(always)]
pub(super) fn string_end(bytes: &[u8], start: usize) -> Option<(usize, bool)> {
    /// A string that is longer than this is a long one: there are quicker ways to search those.
    const SHORT: usize = 48;
    let mut at = start;
    // Outside of a loop: in a sandbox each turn of one is looked at, whether time is up. Most keys end here.
    let mut end = end_in_step(bytes, at);
    while end == Some(None) && at - start < SHORT {
        at += STEP;
        end = end_in_step(bytes, at);
    }
    if let Some(Some(length)) = end {
        at += length;
        if bytes.get(at) == Some(&b'"') {
            return Some((at + 1, false));
        }
    }
    long_string_end(bytes, at)
}

/// How many bytes are looked at together.
const STEP: usize = if cfg!(target_feature = "simd128") {
    16
} else {
    8
};

/// Where the first quote or backslash is of the bytes of a step from here on, if there is one; None if there are not so many
/// bytes.
#[inline(always)]
fn end_in_step(bytes: &[u8], at: usize) -> Option<Option<usize>> {
    bytes.get(at..)?.first_chunk().map(first_end)
}

#[cfg(target_feature = "simd128")]
#[inline(always)]
fn first_end(step: &[u8; STEP]) -> Option<usize> {
    // SAFETY: there are 16 bytes, and a load needs no alignment.
    let step = unsafe { v128_load(step.as_ptr().cast()) };
    let is = |byte| i8x16_eq(step, u8x16_splat(byte));
    let ends = i8x16_bitmask(v128_or(is(b'"'), is(b'\\')));
    (ends != 0).then_some(ends.trailing_zeros() as usize)
}

#[cfg(not(target_feature = "simd128"))]
#[inline(always)]
fn first_end(step: &[u8; STEP]) -> Option<usize> {
    let step = u64::from_le_bytes(*step);
    let ends = zeros(step ^ all(b'"')) | zeros(step ^ all(b'\\'));
    (ends != 0).then_some(first(ends))
}

/// [`string_end`] from here on, for what is unusual.
#[inline(never)]
fn long_string_end(bytes: &[u8], mut at: usize) -> Option<(usize, bool)> {
    let mut escaped = false;
    loop {
        let rest = bytes.get(at..)?;
        let length = memchr2(b'"', b'\\', rest)?;
        if rest.get(length) == Some(&b'"') {
            return Some((at + length + 1, escaped));
        }
        // What a backslash escapes is not looked at.
        escaped = true;
        at += length + 2;
    }
}

/// Where a number, `true`, `false` or `null` ends.
#[inline(always)]
fn scalar_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while bytes
        .get(at)
        .is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.'))
    {
        at += 1;
    }
    at
}

/// Where an object or an array ends.
#[inline(never)]
fn nested_end(bytes: &[u8], start: usize) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = start;
    loop {
        let byte = *bytes.get(at)?;
        at += 1;
        if byte == b'"' {
            at = string_end(bytes, at)?.0;
            // What follows a string is nearly always a colon or a comma, and a further string.
            if let Some([b':' | b',', b'"']) = bytes.get(at..at + 2) {
                at = string_end(bytes, at + 2)?.0;
            }
        } else if matches!(byte, b'{' | b'[') {
            depth += 1;
        } else if matches!(byte, b'}' | b']') {
            depth -= 1;
            if depth == 0 {
                return Some(at);
            }
        }
    }
}

/// Whether a string can have these bytes in it as they are.
#[inline(always)]
pub(super) fn is_plain(bytes: &[u8]) -> bool {
    let is_plain =
        |word: u64| zeros(word ^ all(b'"')) | zeros(word ^ all(b'\\')) | less(word, b' ') == 0;
    // The last eight bytes, which may be among those before, too: fewer turns of a loop than one for each.
    let Some(last) = bytes.last_chunk() else {
        return bytes
            .iter()
            .all(|byte| *byte >= b' ' && *byte != b'"' && *byte != b'\\');
    };
    let mut at = 0;
    while at + 8 < bytes.len() {
        if !word(bytes, at).is_some_and(is_plain) {
            return false;
        }
        at += 8;
    }
    is_plain(u64::from_le_bytes(*last))
}

/// The text of a string without any backslash, by its spelling.
#[inline(always)]
pub(super) fn plain_string(spelled: &str) -> Option<&str> {
    let inner = spelled.strip_prefix('"')?.strip_suffix('"')?;
    (string_end(spelled.as_bytes(), 1)? == (spelled.len(), false)).then_some(inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde::de::IgnoredAny;

    proptest! {
        #[test]
        fn what_is_plain_is_spelled_as_it_is(text in r#"[a-z\\" \x00-\x20\x7fé]{0,4}[a-zé]{0,20}[\\" \x1f]{0,1}[a-z]{0,9}"#) {
            let spelled = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(is_plain(text.as_bytes()), spelled.len() == text.len() + 2);
            prop_assert_eq!(crate::json::quoted(&text), spelled);
        }

        #[test]
        fn values_end_where_a_parser_says(
            string in r#""([a-d ,:{}é]|\\\\|\\"|\\u0041){0,80}""#,
            nested in proptest::bool::ANY,
            behind in "[ ,}]{0,9}",
        ) {
            let value = if nested {
                format!("[{string},{{{string}: -1.5e+3, {string} : [null,{string}]}}]")
            } else {
                string
            };
            let text = format!("{value}{behind}");
            let mut parser = serde_json::Deserializer::from_str(&text).into_iter::<IgnoredAny>();
            prop_assert!(parser.next().unwrap().is_ok());
            prop_assert_eq!(value_end(text.as_bytes(), 0), Some(parser.byte_offset()), "{}", text);
            prop_assert_eq!(value_end(&text.as_bytes()[..value.len() - 1], 0), None);
            let plain = plain_string(&value);
            prop_assert_eq!(plain.is_some(), !nested && !value.contains('\\'));
        }
    }
}
