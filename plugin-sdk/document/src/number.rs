//! JSON numbers by value, without a detour through `f64`: `6.10` is `6.1`, and 2^63 is not 2^63 + 1.

use std::cmp::Ordering;

/// A decimal number: `0.digits × 10^magnitude`, negative or not.
///
/// Zero has no digits. The digits neither begin nor end with a zero, so that equal numbers have
/// equal fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decimal {
    negative: bool,
    digits: Vec<u8>,
    magnitude: i64,
}

impl Decimal {
    /// Reads the text of a JSON number. None if it is none.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
            None => (rest, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) {
            return None;
        }
        let mut digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
        let leading = digits.iter().take_while(|digit| **digit == b'0').count();
        digits.drain(..leading);
        while digits.last() == Some(&b'0') {
            digits.pop();
        }
        if digits.is_empty() {
            return Some(Self {
                negative: false,
                digits,
                magnitude: 0,
            });
        }
        let magnitude = exponent
            .saturating_add(i64::try_from(whole.len()).ok()?)
            .saturating_sub(i64::try_from(leading).ok()?);
        Some(Self {
            negative,
            digits,
            magnitude,
        })
    }

    /// Orders by value.
    pub(crate) fn compare(&self, other: &Self) -> Ordering {
        let sign = |number: &Self| match (number.digits.is_empty(), number.negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        };
        let (mine, theirs) = (sign(self), sign(other));
        if mine != theirs || mine == 0 {
            return mine.cmp(&theirs);
        }
        let by_size = self
            .magnitude
            .cmp(&other.magnitude)
            .then_with(|| self.digits.cmp(&other.digits));
        if self.negative {
            by_size.reverse()
        } else {
            by_size
        }
    }
}

/// An exponent; one that no `i64` holds becomes the largest or smallest that one does.
fn parse_exponent(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // Halved, so that adding the number of digits cannot overflow.
    let size = digits.parse().unwrap_or(i64::MAX / 2).min(i64::MAX / 2);
    Some(if negative { -size } else { size })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compare(left: &str, right: &str) -> Ordering {
        Decimal::parse(left)
            .unwrap()
            .compare(&Decimal::parse(right).unwrap())
    }

    #[test]
    fn spellings_of_one_number_are_equal() {
        for (left, right) in [
            ("1", "1.0"),
            ("1", "1e0"),
            ("6.10", "6.1"),
            ("1000", "1E+3"),
            ("0.001", "1e-3"),
            ("0", "-0.0"),
            ("0", "0e99999999999999999999"),
            ("-12.50e1", "-125"),
        ] {
            assert_eq!(
                Decimal::parse(left),
                Decimal::parse(right),
                "{left} {right}"
            );
            assert_eq!(compare(left, right), Ordering::Equal);
        }
    }

    #[test]
    fn neighbours_beyond_two_to_the_53_differ() {
        assert_eq!(
            compare("9223372036854775807", "9223372036854775808"),
            Ordering::Less
        );
        assert_eq!(
            compare("-9007199254740993", "-9007199254740992"),
            Ordering::Less
        );
    }

    #[test]
    fn order_follows_the_value() {
        let ascending = [
            "-1e400", "-2", "-1.5", "-0.1", "0", "1e-9", "0.9", "1", "1.01", "9", "10", "1e400",
        ];
        for pair in ascending.windows(2) {
            assert_eq!(compare(pair[0], pair[1]), Ordering::Less, "{pair:?}");
            assert_eq!(compare(pair[1], pair[0]), Ordering::Greater, "{pair:?}");
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in ["", "-", "a", "1e", "1.x", "--1", ".5", "0x10", "1e+"] {
            assert_eq!(Decimal::parse(text), None, "{text}");
        }
    }
}
