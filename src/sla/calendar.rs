//! A calendar month of a zone becomes its first and its last moment.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::figure::Span;
use crate::record::Micros;

/// A month of the calendar, 28 to 31 days long, an hour or half of one more or less where the clocks change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Month {
    year: i16,
    month: i8,
    from: Micros,
    to: Micros,
}

impl Month {
    /// Reads `2026-11`; `None` for anything else and outside the years 1970 to 2999.
    #[must_use]
    pub fn parse(text: &str, zone: &TimeZone) -> Option<Month> {
        let (year, month) = text.split_once('-')?;
        let plain = |text: &str, digits| text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
        if !plain(year, 4) || !plain(month, 2) {
            return None;
        }
        Month::of(year.parse().ok()?, month.parse().ok()?, zone)
    }

    /// The month in which a moment lies; `None` outside the years 1970 to 2999.
    #[must_use]
    pub fn containing(at: Micros, zone: &TimeZone) -> Option<Month> {
        let date = zone.to_datetime(Timestamp::from_microsecond(at).ok()?).date();
        Month::of(date.year(), date.month(), zone)
    }

    fn of(year: i16, month: i8, zone: &TimeZone) -> Option<Month> {
        if !(1970..3000).contains(&year) {
            return None;
        }
        // A midnight that a clock change skips or repeats is the first moment of its day.
        let start = |year, month| -> Option<Micros> {
            Some(Date::new(year, month, 1).ok()?.to_zoned(zone.clone()).ok()?.timestamp().as_microsecond())
        };
        let (next_year, next_month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
        Some(Month { year, month, from: start(year, month)?, to: start(next_year, next_month)? })
    }

    /// Its first moment.
    #[must_use]
    pub fn from(&self) -> Micros {
        self.from
    }

    /// The first moment of the next month.
    #[must_use]
    pub fn to(&self) -> Micros {
        self.to
    }

    /// Its length as it passes: a day with a clock change has 23 or 25 hours.
    #[must_use]
    pub fn length(&self) -> Span {
        Span::between(self.from, self.to)
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_as_long_as_the_calendar_and_the_clocks_make_them() {
        const DAY: i64 = 86_400;
        for (text, zone, start, seconds) in [
            ("2026-11", "UTC", "2026-11-01T00:00:00Z", 30 * DAY),
            ("2026-12", "UTC", "2026-12-01T00:00:00Z", 31 * DAY),
            ("2027-02", "UTC", "2027-02-01T00:00:00Z", 28 * DAY),
            ("2028-02", "UTC", "2028-02-01T00:00:00Z", 29 * DAY),
            ("2026-11", "Asia/Shanghai", "2026-10-31T16:00:00Z", 30 * DAY),
            ("2026-03", "Europe/Berlin", "2026-02-28T23:00:00Z", 31 * DAY - 3600),
            ("2026-10", "Europe/Berlin", "2026-09-30T22:00:00Z", 31 * DAY + 3600),
            ("2026-04", "Australia/Lord_Howe", "2026-03-31T13:00:00Z", 30 * DAY + 1800),
            ("2026-10", "Australia/Lord_Howe", "2026-09-30T13:30:00Z", 31 * DAY - 1800),
        ] {
            let zone = TimeZone::get(zone).unwrap();
            let month = Month::parse(text, &zone).unwrap();
            let start: Timestamp = start.parse().unwrap();
            assert_eq!((month.from(), month.length()), (start.as_microsecond(), Span::from_seconds(seconds)), "{text}");
            assert_eq!(Month::containing(month.from(), &zone), Some(month));
            assert_eq!(Month::containing(month.to() - 1, &zone), Some(month));
            assert_ne!(Month::containing(month.to(), &zone), Some(month));
            assert_eq!(month.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_month_is_refused() {
        for text in ["", "2026", "2026-13", "2026-00", "26-11", "2026-1", "2026-11-01", "+026-11", "1969-12", "3000-01"]
        {
            assert_eq!(Month::parse(text, &TimeZone::UTC), None, "{text}");
        }
    }
}
