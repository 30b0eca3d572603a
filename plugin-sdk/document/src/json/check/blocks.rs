//! Whether a text is JSON, told from 64 bytes at a time.
//!
//! The way is that of [`Fields`](crate::json::Fields), and goes on to the grammar: what is looked at one after the
//! other is only where strings, numbers and words begin, and brackets, commas and colons. Unlike a scanner, which learns from each of
//! them where to look for the next, it has them all beforehand.

use std::arch::x86_64::{
    __m128i, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128,
    _mm_set1_epi8,
};

use super::{Open, end_of_number, end_of_word};
use crate::json::skim::within_strings;

/// How many bytes are looked at together.
pub(super) const BLOCK: usize = u64::BITS as usize;

/// What may come next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Value,
    /// The first value of an array, or its end.
    FirstValue,
    Key,
    /// The first key of an object, or its end.
    FirstKey,
    Colon,
    /// What comes behind a value.
    Behind,
}

/// Whether a text without backslashes surely is exactly one JSON value, with nothing but white space around it; None
/// where there are backslashes, which mean something else here. One that is nested deeper than [`DEEP`](super::DEEP) is doubted.
pub(super) fn is_json(bytes: &[u8]) -> Option<bool> {
    let mut text = Text {
        bytes,
        open: Open::default(),
        next: Next::Value,
        within: 0,
        scalar: 0,
    };
    let mut at = 0;
    while let Some(block) = bytes.get(at..)?.first_chunk() {
        match text.look_at(block, at) {
            Looked::Fine => at += BLOCK,
            Looked::Backslash => return None,
            Looked::Bad => return Some(false),
        }
    }
    let rest = bytes.get(at..)?;
    let mut last = [b' '; BLOCK];
    last.get_mut(..rest.len())?.copy_from_slice(rest);
    match text.look_at(&last, at) {
        Looked::Fine => Some(text.is_whole()),
        Looked::Backslash => None,
        Looked::Bad => Some(false),
    }
}

/// What was found in a block.
enum Looked {
    Fine,
    Backslash,
    Bad,
}

/// A text, as far as it was looked at.
struct Text<'t> {
    bytes: &'t [u8],
    open: Open,
    next: Next,
    /// All bits are set if the last block ended within a string.
    within: u64,
    /// One, if it ended within a number or a word.
    scalar: u64,
}

impl Text<'_> {
    #[inline(always)]
    fn look_at(&mut self, block: &[u8; BLOCK], start: usize) -> Looked {
        let bits = Bits::of(block);
        if bits.backslashes != 0 {
            return Looked::Backslash;
        }
        let within = within_strings(bits.quotes, &mut self.within);
        let controls = bits.blanks & !bits.spaces;
        if controls & within != 0 || !are_space(block, controls) {
            return Looked::Bad;
        }
        let scalars = !(within | bits.quotes | bits.marks | bits.blanks);
        let scalar_starts = scalars & !(scalars << 1 | self.scalar);
        self.scalar = scalars >> (BLOCK - 1);
        let mut tokens = (bits.marks & !within) | (bits.quotes & within) | scalar_starts;
        while tokens != 0 {
            if self
                .token(start + tokens.trailing_zeros() as usize)
                .is_none()
            {
                return Looked::Bad;
            }
            tokens &= tokens - 1;
        }
        Looked::Fine
    }

    /// Goes on to the token that starts here; None if it may not stand here.
    #[inline(always)]
    fn token(&mut self, at: usize) -> Option<()> {
        let object = self.open.last();
        self.next = match (*self.bytes.get(at)?, self.next) {
            (b'"', Next::Value | Next::FirstValue) => Next::Behind,
            (b'"', Next::Key | Next::FirstKey) => Next::Colon,
            (b':', Next::Colon) => Next::Value,
            (b',', Next::Behind) => match object? {
                true => Next::Key,
                false => Next::Value,
            },
            (b'{', Next::Value | Next::FirstValue) => {
                self.open.push(true)?;
                Next::FirstKey
            }
            (b'[', Next::Value | Next::FirstValue) => {
                self.open.push(false)?;
                Next::FirstValue
            }
            (b'}', Next::Behind | Next::FirstKey) if object == Some(true) => {
                self.open.pop();
                Next::Behind
            }
            (b']', Next::Behind | Next::FirstValue) if object == Some(false) => {
                self.open.pop();
                Next::Behind
            }
            (b'"' | b':' | b',' | b'{' | b'[' | b'}' | b']', _) => return None,
            (first, Next::Value | Next::FirstValue) => {
                let end = end_of_scalar(self.bytes, first, at)?;
                let ends = |byte: &u8| *byte <= b' ' || matches!(byte, b',' | b'}' | b']');
                if !self.bytes.get(end).is_none_or(ends) {
                    return None;
                }
                Next::Behind
            }
            _ => return None,
        };
        Some(())
    }

    /// Whether nothing is missing at the end.
    fn is_whole(&self) -> bool {
        self.next == Next::Behind && self.within == 0 && self.open.last().is_none()
    }
}

#[inline(always)]
fn end_of_scalar(bytes: &[u8], first: u8, at: usize) -> Option<usize> {
    match first {
        b'-' | b'0'..=b'9' => end_of_number(bytes, at),
        b't' => end_of_word(bytes, at, b"true"),
        b'f' => end_of_word(bytes, at, b"false"),
        b'n' => end_of_word(bytes, at, b"null"),
        _ => None,
    }
}

/// Whether these bytes, which are no more than control characters, are white space.
#[inline(always)]
fn are_space(block: &[u8; BLOCK], mut controls: u64) -> bool {
    while controls != 0 {
        if !matches!(
            block.get(controls.trailing_zeros() as usize),
            Some(b'\t' | b'\n' | b'\r')
        ) {
            return false;
        }
        controls &= controls - 1;
    }
    true
}

/// A bit for each byte of a block that is of a kind, the first byte's the lowest.
struct Bits {
    quotes: u64,
    backslashes: u64,
    /// Brackets, commas and colons.
    marks: u64,
    /// Spaces and control characters.
    blanks: u64,
    spaces: u64,
}

impl Bits {
    /// What sets the bit in which a curly bracket differs from a square one.
    const CURLY: u8 = b'{' ^ b'[';

    #[inline(always)]
    fn of(block: &[u8; BLOCK]) -> Self {
        let mut bits = Self {
            quotes: 0,
            backslashes: 0,
            marks: 0,
            blanks: 0,
            spaces: 0,
        };
        for part in 0..4 {
            // SAFETY: the block has four times 16 bytes, and this load needs no alignment. Every processor of this
            // architecture has these instructions.
            unsafe {
                let bytes = _mm_loadu_si128(block.as_ptr().add(16 * part).cast::<__m128i>());
                let all = |byte: u8| _mm_set1_epi8(i8::from_ne_bytes([byte]));
                let is = |bytes, byte| _mm_cmpeq_epi8(bytes, all(byte));
                // A bit for each of 16 bytes, and no sign.
                let place = |found| (_mm_movemask_epi8(found) as u64) << (16 * part);
                let curly = _mm_or_si128(bytes, all(Self::CURLY));
                let brackets = _mm_or_si128(is(curly, b'{'), is(curly, b'}'));
                let marks = _mm_or_si128(is(bytes, b','), is(bytes, b':'));
                let least = _mm_min_epu8(bytes, all(b' '));
                bits.quotes |= place(is(bytes, b'"'));
                bits.backslashes |= place(is(bytes, b'\\'));
                bits.marks |= place(_mm_or_si128(brackets, marks));
                bits.blanks |= place(_mm_cmpeq_epi8(least, bytes));
                bits.spaces |= place(is(bytes, b' '));
            }
        }
        bits
    }
}
