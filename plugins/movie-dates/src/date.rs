//! A day of the calendar, and the two spellings that the films use.

use std::fmt;

/// English names of the months, as the films spell them.
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// A day that exists in the (proleptic) Gregorian calendar, from the year 0 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Date {
    // In this order, so that dates compare as they follow one another.
    pub(crate) year: u16,
    month: u8,
    day: u8,
}

/// Why a text is no date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoDate {
    /// It is spelled in neither way.
    Spelling,
    /// The year has two digits: nobody can tell the century.
    ShortYear,
    /// It is spelled well, and there is no such day.
    NoSuchDay,
}

impl Date {
    /// Reads `1998-06-12`.
    pub(crate) fn from_iso(text: &str) -> Result<Self, NoDate> {
        let mut parts = text.split('-');
        let (Some(year), Some(month), Some(day), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(NoDate::Spelling);
        };
        let month = number(month, 2..=2).ok_or(NoDate::Spelling)?;
        let day = number(day, 2..=2).ok_or(NoDate::Spelling)?;
        let year = number(year, 4..=4).ok_or(NoDate::Spelling)?;
        Self::new(year, month, day)
    }

    /// Reads `Jun 12 1998`.
    pub(crate) fn from_month_name(text: &str) -> Result<Self, NoDate> {
        let mut words = text.split(' ');
        let (Some(name), Some(day), Some(year), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(NoDate::Spelling);
        };
        let month = (1..).zip(MONTHS).find(|(_, month)| *month == name);
        let (month, _) = month.ok_or(NoDate::Spelling)?;
        let day = number(day, 1..=2).ok_or(NoDate::Spelling)?;
        if number(year, 2..=2).is_some() {
            return Err(NoDate::ShortYear);
        }
        let year = number(year, 4..=4).ok_or(NoDate::Spelling)?;
        Self::new(year, month, day)
    }

    fn new(year: u16, month: u16, day: u16) -> Result<Self, NoDate> {
        let leap =
            year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let days = match month {
            2 if leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => return Err(NoDate::NoSuchDay),
        };
        match (u8::try_from(month), u8::try_from(day)) {
            (Ok(month), Ok(day)) if (1..=days).contains(&day) => Ok(Self { year, month, day }),
            _ => Err(NoDate::NoSuchDay),
        }
    }
}

/// A number of so many decimal digits, and nothing else: no sign, no blanks.
fn number(text: &str, digits: std::ops::RangeInclusive<usize>) -> Option<u16> {
    let is_number = digits.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

/// ISO 8601.
impl fmt::Display for Date {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{:04}-{:02}-{:02}",
            self.year, self.month, self.day
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn reads(text: &str, iso: &str) {
        let date = Date::from_month_name(text).unwrap();
        assert_eq!(date.to_string(), iso);
        assert_eq!(Date::from_iso(iso), Ok(date));
    }

    #[test]
    fn days_that_exist() {
        reads("Jun 12 1998", "1998-06-12");
        reads("Jun 2 1998", "1998-06-02");
        reads("Feb 29 2000", "2000-02-29");
        reads("Dec 31 1899", "1899-12-31");
    }

    #[test]
    fn days_that_do_not() {
        for text in [
            "Feb 29 1900",
            "Feb 29 2001",
            "Apr 31 2001",
            "Jan 0 2001",
            "Jan 32 2001",
        ] {
            assert_eq!(
                Date::from_month_name(text),
                Err(NoDate::NoSuchDay),
                "{text}"
            );
        }
        for text in ["2001-02-29", "2001-13-01", "2001-00-01", "2001-01-00"] {
            assert_eq!(Date::from_iso(text), Err(NoDate::NoSuchDay), "{text}");
        }
    }

    #[test]
    fn what_is_no_date() {
        assert_eq!(Date::from_month_name("Jun 12 98"), Err(NoDate::ShortYear));
        for text in [
            "",
            "TBD",
            "1998",
            "Jun 1998",
            "Jun 12, 1998",
            "jun 12 1998",
            "Jun +2 1998",
            "Jun  12 1998",
        ] {
            assert_eq!(Date::from_month_name(text), Err(NoDate::Spelling), "{text}");
        }
        for text in [
            "",
            "1998-6-12",
            "98-06-12",
            "1998-06-12T00:00",
            "1998-06-1２",
            "-998-06-12",
        ] {
            assert_eq!(Date::from_iso(text), Err(NoDate::Spelling), "{text}");
        }
    }
}
