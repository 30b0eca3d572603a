//! Times as text, without a calendar library: a plugin needs one format, and that takes ten lines.

const MILLISECONDS_PER_DAY: u64 = 24 * 60 * 60 * 1000;

/// A time in milliseconds since the Unix epoch as RFC 3339 text in UTC, with milliseconds. Years
/// after 9999, which RFC 3339 does not know, are written with as many digits as they need.
///
/// ```
/// use plugin_sdk::time::rfc3339;
/// assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
/// assert_eq!(rfc3339(1_709_210_096_789), "2024-02-29T12:34:56.789Z");
/// ```
#[must_use]
pub fn rfc3339(milliseconds: u64) -> String {
    let (year, month, day) = date(milliseconds / MILLISECONDS_PER_DAY);
    let within = milliseconds % MILLISECONDS_PER_DAY;
    let (seconds, millis) = (within / 1000, within % 1000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// Year, month and day of a day counted from 1970-01-01.
///
/// The year is taken to begin in March, so that the leap day is its last; days are then counted in
/// eras of 400 years, which all have 146,097 days.
fn date(days_since_epoch: u64) -> (u64, u64, u64) {
    // From 0000-03-01.
    let days = days_since_epoch + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let leap_days = day_of_era / 1460 + day_of_era / 146_096 - day_of_era / 36_524;
    let year_of_era = (day_of_era - leap_days) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // March to July and August to December both have 31, 30, 31, 30, 31 days: 153.
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every day from 1970 to 2400, counted one by one.
    #[test]
    fn agrees_with_counting() {
        let mut day = 0;
        for year in 1970..2400 {
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let february = if leap { 29 } else { 28 };
            for (month, days) in (1..).zip([31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]) {
                for of_month in 1..=days {
                    assert_eq!(date(day), (year, month, of_month));
                    day += 1;
                }
            }
        }
    }

    #[test]
    fn the_largest_time_does_not_overflow() {
        assert!(rfc3339(u64::MAX).ends_with("Z"));
    }
}
