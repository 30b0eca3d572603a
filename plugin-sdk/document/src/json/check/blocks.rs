//! Whether a text is JSON, told from 64 bytes at a time.
//!
//! The way is that of [`Fields`](crate::json::Fields), and goes on to the grammar: each kind of token is a word with a bit for
//! each byte at which one stands, and what may follow it is a word, too. Where the next token stands, blanks skipped, is an addition whose carry runs
//! through the blanks (Langdale and Lemire, "Parsing gigabytes of JSON per second", 2019, find the ends of escapes that way). Only
//! brackets are looked at one after the other, and scalars that are no plain integers.

use std::arch::x86_64::{
    __m256i, _mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_min_epu8, _mm256_movemask_epi8,
    _mm256_or_si256, _mm256_set1_epi8, _mm256_sub_epi8,
};

use super::{Open, end_of_number, end_of_word};
use crate::json::skim::{skip_space, within_strings};

/// How many bytes are looked at together.
pub(super) const BLOCK: usize = u64::BITS as usize;

/// Whether a text of at least a block surely is exactly one object or array, with nothing but white space around it; None where there
/// are backslashes, which mean something else here, or another value, or they are not possible. One that is nested
/// deeper than [`DEEP`](super::DEEP) is doubted.
pub(super) fn is_json(bytes: &[u8]) -> Option<bool> {
    if are_possible() {
        // SAFETY: the processor has what the function is compiled for.
        unsafe { is_container(bytes) }
    } else {
        None
    }
}

/// Whether the processor has the instructions: those made since 2013 or so do.
#[inline]
pub(super) fn are_possible() -> bool {
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("lzcnt")
}

/// # Safety
/// The processor has AVX2, BMI1 and LZCNT.
#[target_feature(enable = "avx2,bmi1,lzcnt")]
unsafe fn is_container(bytes: &[u8]) -> Option<bool> {
    if !matches!(bytes.get(skip_space(bytes, 0)), Some(b'{' | b'[')) {
        return None;
    }
    let mut text = Text::new(bytes);
    let mut at = 0;
    while let Some(block) = bytes.get(at..)?.first_chunk() {
        // SAFETY: the processor has what it takes.
        match text.look_at(&unsafe { Bits::of(block) }, at) {
            Looked::Fine => at += BLOCK,
            Looked::Backslash => return None,
            Looked::Bad => return Some(false),
        }
    }
    // The last bytes once more, without those that were looked at.
    let left = bytes.len() - at;
    if left == 0 {
        return Some(text.ended);
    }
    // SAFETY: as above.
    let last = unsafe { Bits::of(bytes.last_chunk()?) }.last(left);
    match text.look_at(&last, at) {
        Looked::Fine => Some(text.ended),
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
    /// The root has ended.
    ended: bool,
    /// All bits are set if the last block ended within a string.
    within: u64,
    /// One, if it ended within a key.
    key: u64,
    /// One, if it ended within a scalar.
    scalar: u64,
    /// Where the last scalar starts.
    scalar_start: usize,
    /// What follows tokens of a kind.
    behind_values: Behind,
    behind_key: Behind,
    before_value: Behind,
    before_key: Behind,
    in_object: Behind,
    in_array: Behind,
}

/// Where the tokens stand that follow those of a kind.
#[derive(Default)]
struct Behind {
    /// One, if the first byte of the next block may be such a token, or a blank before it.
    carry: u64,
}

impl Behind {
    /// By the tokens themselves, or where they end.
    #[inline(always)]
    fn tokens(&mut self, tokens: u64, blanks: u64) -> u64 {
        let next = self.ends(tokens << 1, blanks);
        self.carry |= tokens >> (BLOCK - 1);
        next
    }

    /// By the places behind them.
    #[inline(always)]
    fn ends(&mut self, ends: u64, blanks: u64) -> u64 {
        let (next, goes_on) = (ends | self.carry).overflowing_add(blanks);
        self.carry = u64::from(goes_on);
        next & !blanks
    }
}

impl<'t> Text<'t> {
    fn new(bytes: &'t [u8]) -> Self {
        Self {
            bytes,
            open: Open::default(),
            ended: false,
            within: 0,
            key: 0,
            scalar: 0,
            scalar_start: 0,
            behind_values: Behind::default(),
            behind_key: Behind::default(),
            before_value: Behind::default(),
            before_key: Behind::default(),
            in_object: Behind::default(),
            in_array: Behind::default(),
        }
    }

    #[inline(always)]
    fn look_at(&mut self, bits: &Bits, start: usize) -> Looked {
        if bits.backslashes != 0 {
            return Looked::Backslash;
        }
        match self.follows(bits, start) {
            Some(()) => Looked::Fine,
            None => Looked::Bad,
        }
    }

    /// Goes over a block; None if a token stands where it may not.
    #[inline(always)]
    fn follows(&mut self, bits: &Bits, start: usize) -> Option<()> {
        let within = within_strings(bits.quotes, &mut self.within);
        if bits.controls != 0 {
            self.are_space(bits.controls, within, start)?;
        }
        let blanks = (bits.spaces | bits.controls) & !within;
        let (opening, closing) = (bits.quotes & within, bits.quotes & !within);
        let colons = bits.colons & !within;
        let commas = bits.commas & !within;
        let brackets = bits.brackets & !within;
        let scalars = !(within | bits.quotes | colons | commas | brackets | blanks);
        // Only these could go on behind the root: see `behind_values`.
        if self.ended && commas != 0 {
            return None;
        }
        let Nesting {
            objects,
            opens: [curly, square],
            closes,
        } = self.nest(brackets, commas, start)?;
        let behind_scalars = (scalars << 1 | self.scalar) & !scalars;
        let scalar_starts = scalars & !(scalars << 1 | self.scalar);
        self.look_at_scalars(scalars, scalar_starts, bits.digits, start)?;
        self.scalar = scalars >> (BLOCK - 1);

        let values = opening | scalar_starts | curly | square;
        let (members, elements) = (commas & objects, commas & !objects);
        let behind_values = self
            .behind_values
            .ends(behind_scalars | (closing | closes) << 1, blanks);
        self.behind_values.carry |= (closing | closes) >> (BLOCK - 1);
        let before_value = self.before_value.tokens(colons | elements, blanks);
        let before_key = self.before_key.tokens(members, blanks);
        let in_object = self.in_object.tokens(curly, blanks);
        let in_array = self.in_array.tokens(square, blanks);

        let keys = opening & (before_key | in_object);
        let (key_ends, goes_on) = keys.overflowing_add(within);
        let (key_ends, on) = key_ends.overflowing_add(self.key);
        self.key = u64::from(goes_on | on);
        let behind_key = self.behind_key.tokens(key_ends & !within, blanks);

        let bad = behind_values & !(colons | commas | closes)
            | before_value & !values
            | before_key & !opening
            | in_object & !(opening | closes)
            | in_array & !(values | closes)
            | behind_key ^ colons;
        (bad == 0).then_some(())
    }

    /// Opens and closes brackets.
    #[inline(always)]
    fn nest(&mut self, mut brackets: u64, commas: u64, start: usize) -> Option<Nesting> {
        let mut nesting = Nesting {
            objects: if self.open.last() == Some(true) {
                u64::MAX
            } else {
                0
            },
            opens: [0; 2],
            closes: 0,
        };
        while brackets != 0 {
            let bit = brackets & brackets.wrapping_neg();
            let behind = !(bit | (bit - 1));
            let byte = *self.bytes.get(start + brackets.trailing_zeros() as usize)?;
            brackets ^= bit;
            let inner = match byte {
                b'{' => {
                    self.open.push(true)?;
                    nesting.opens[0] |= bit;
                    true
                }
                b'[' => {
                    self.open.push(false)?;
                    nesting.opens[1] |= bit;
                    false
                }
                _ => {
                    if self.open.last()? != (byte == b'}') {
                        return None;
                    }
                    self.open.pop();
                    nesting.closes |= bit;
                    match self.open.last() {
                        Some(inner) => inner,
                        None if commas & behind != 0 => return None,
                        None => {
                            self.ended = true;
                            false
                        }
                    }
                }
            };
            if inner {
                nesting.objects |= behind;
            } else {
                nesting.objects &= !behind;
            }
        }
        Some(nesting)
    }

    /// Looks at scalars, by where they stand and where they start; None if one of them is none.
    #[inline(always)]
    fn look_at_scalars(
        &mut self,
        scalars: u64,
        starts: u64,
        digits: u64,
        start: usize,
    ) -> Option<()> {
        // An integer has no zero before other digits.
        let mut integers = starts & digits;
        while integers != 0 {
            let at = start + integers.trailing_zeros() as usize;
            if let Some([b'0', b'0'..=b'9']) = self.bytes.get(at..at + 2) {
                return None;
            }
            integers &= integers - 1;
        }
        let mut others = scalars & !digits;
        while others != 0 {
            let place = others.trailing_zeros();
            let before = starts & (u64::MAX >> (u64::BITS - 1 - place));
            let at = match before.checked_ilog2() {
                Some(place) => start + place as usize,
                None => self.scalar_start,
            };
            let end = end_of_scalar(self.bytes, at)?;
            let ends = |byte: &u8| *byte <= b' ' || matches!(byte, b',' | b'}' | b']');
            if !self.bytes.get(end).is_none_or(ends) {
                return None;
            }
            others &= !first(end - start);
        }
        if let Some(place) = starts.checked_ilog2() {
            self.scalar_start = start + place as usize;
        }
        Some(())
    }

    /// Whether control characters are white space, and outside of strings.
    #[inline(never)]
    fn are_space(&self, mut controls: u64, within: u64, start: usize) -> Option<()> {
        if controls & within != 0 {
            return None;
        }
        while controls != 0 {
            let at = start + controls.trailing_zeros() as usize;
            if !matches!(self.bytes.get(at), Some(b'\t' | b'\n' | b'\r')) {
                return None;
            }
            controls &= controls - 1;
        }
        Some(())
    }
}

/// The brackets of a block.
struct Nesting {
    /// Which bytes stand right in an object, and not in an array.
    objects: u64,
    /// Where curly ones open, and square ones.
    opens: [u64; 2],
    /// Where one closes.
    closes: u64,
}

/// So many of the lowest bits.
#[inline(always)]
fn first(number: usize) -> u64 {
    if number < BLOCK {
        (1 << number) - 1
    } else {
        u64::MAX
    }
}

#[inline(always)]
fn end_of_scalar(bytes: &[u8], at: usize) -> Option<usize> {
    match *bytes.get(at)? {
        b'-' | b'0'..=b'9' => end_of_number(bytes, at),
        b't' => end_of_word(bytes, at, b"true"),
        b'f' => end_of_word(bytes, at, b"false"),
        b'n' => end_of_word(bytes, at, b"null"),
        _ => None,
    }
}

/// A bit for each byte of a block that is of a kind, the first byte's the lowest.
#[derive(Default)]
struct Bits {
    quotes: u64,
    backslashes: u64,
    colons: u64,
    commas: u64,
    brackets: u64,
    digits: u64,
    spaces: u64,
    /// Control characters.
    controls: u64,
}

impl Bits {
    /// What sets the bit in which a curly bracket differs from a square one.
    const CURLY: u8 = b'{' ^ b'[';

    /// # Safety
    /// The processor has AVX2.
    #[target_feature(enable = "avx2")]
    #[inline]
    unsafe fn of(block: &[u8; BLOCK]) -> Self {
        let mut bits = Self::default();
        for part in 0..2 {
            // SAFETY: the processor has these instructions, the block has twice 32 bytes, and this load needs no alignment.
            unsafe {
                let bytes = _mm256_loadu_si256(block.as_ptr().add(32 * part).cast::<__m256i>());
                let all = |byte: u8| _mm256_set1_epi8(i8::from_ne_bytes([byte]));
                let is = |bytes, byte| _mm256_cmpeq_epi8(bytes, all(byte));
                let at_most =
                    |bytes, most| _mm256_cmpeq_epi8(_mm256_min_epu8(bytes, all(most)), bytes);
                // A bit for each of 32 bytes, and no sign.
                let place = |found| u64::from(_mm256_movemask_epi8(found) as u32) << (32 * part);
                let curly = _mm256_or_si256(bytes, all(Self::CURLY));
                bits.quotes |= place(is(bytes, b'"'));
                bits.backslashes |= place(is(bytes, b'\\'));
                bits.colons |= place(is(bytes, b':'));
                bits.commas |= place(is(bytes, b','));
                bits.brackets |= place(_mm256_or_si256(is(curly, b'{'), is(curly, b'}')));
                bits.digits |= place(at_most(_mm256_sub_epi8(bytes, all(b'0')), 9));
                bits.spaces |= place(is(bytes, b' '));
                bits.controls |= place(at_most(bytes, 0x1f));
            }
        }
        bits
    }

    /// Those of the last bytes, at least one and not all, with spaces behind them.
    #[inline(always)]
    fn last(self, number: usize) -> Self {
        let others = BLOCK - number;
        Self {
            quotes: self.quotes >> others,
            backslashes: self.backslashes >> others,
            colons: self.colons >> others,
            commas: self.commas >> others,
            brackets: self.brackets >> others,
            digits: self.digits >> others,
            spaces: self.spaces >> others | !first(number),
            controls: self.controls >> others,
        }
    }
}
