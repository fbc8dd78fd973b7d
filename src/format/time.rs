//! Text or number of a time or a span becomes microseconds.
//!
//! Reads RFC 3339 and its common relatives by hand, since this runs once a line; only a time without a zone asks the
//! configured time zone. Knows no clock and decides nothing about missing times.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::config::Unit;
use super::number::{Decimal, parse_count};
use crate::record::Micros;

/// 2000-01-01T00:00:00Z, the first believable time.
pub(crate) const EARLIEST: Micros = 946_684_800_000_000;
/// 2100-01-01T00:00:00Z, the first time that is no longer believable.
pub(crate) const LATEST: Micros = 4_102_444_800_000_000;
/// The longest believable span: 30 days. A longer one is a bad number.
pub(crate) const MAX_SPAN: i64 = 30 * 86_400 * 1_000_000;
/// [`MAX_SPAN`] in milliseconds.
const MAX_SPAN_MILLIS: u64 = 30 * 86_400 * 1_000;

const MICROS_PER_SECOND: i64 = 1_000_000;

impl Unit {
    /// Power of ten from this unit to microseconds.
    fn to_micros(self) -> i32 {
        match self {
            Unit::Seconds => 6,
            Unit::Milliseconds => 3,
            Unit::Microseconds => 0,
            Unit::Nanoseconds => -3,
        }
    }
}

/// Reads a time; `None` where it cannot be read or lies outside [`EARLIEST`]..[`LATEST`].
///
/// Takes `2026-02-01T09:30:15.123Z` with any offset and up to any number of fraction digits (cut to microseconds), the
/// same with a blank for `T`, without a zone in `zone`, and epoch numbers in `unit`, else told by their magnitude: below
/// 10^11 seconds, 10^14 milliseconds, 10^17 microseconds, beyond nanoseconds.
pub(crate) fn parse_time(text: &str, unit: Option<Unit>, zone: &TimeZone) -> Option<Micros> {
    let micros = match text.as_bytes() {
        [_, _, _, _, b'-', ..] => parse_civil(text, zone)?,
        _ => parse_epoch(text, unit)?,
    };
    (EARLIEST..LATEST).contains(&micros).then_some(micros)
}

fn parse_epoch(text: &str, unit: Option<Unit>) -> Option<Micros> {
    let number = Decimal::parse(text)?;
    let unit = match unit {
        Some(unit) => unit,
        None => match number.scaled(0)? {
            ..=99_999_999_999 => Unit::Seconds,
            100_000_000_000..=99_999_999_999_999 => Unit::Milliseconds,
            100_000_000_000_000..=99_999_999_999_999_999 => Unit::Microseconds,
            _ => Unit::Nanoseconds,
        },
    };
    number.scaled(unit.to_micros())
}

/// `YYYY-MM-DD[T ]HH:MM:SS[.,fraction][zone]`.
fn parse_civil(text: &str, zone: &TimeZone) -> Option<Micros> {
    let (fixed, rest) = text.as_bytes().split_first_chunk::<19>()?;
    let [y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1, b'T' | b't' | b' ', h0, h1, b':', n0, n1, b':', s0, s1] = *fixed
    else {
        return None;
    };
    let year = two(y0, y1)? * 100 + two(y2, y3)?;
    let (month, day, hour, minute, second) = (two(m0, m1)?, two(d0, d1)?, two(h0, h1)?, two(n0, n1)?, two(s0, s1)?);
    // A leap second (60) counts as the first second of the next minute, as POSIX time has it.
    if !(1..=12).contains(&month) || day < 1 || day > days_in(year, month) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (fraction, rest) = parse_fraction(rest)?;
    let seconds = days_from_civil(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    let local = seconds * MICROS_PER_SECOND + fraction;
    match rest {
        [b'Z' | b'z'] => Some(local),
        [] => in_zone(year, month, day, hour, minute, second, zone).map(|micros| micros + fraction),
        _ => Some(local - parse_offset(rest)? * MICROS_PER_SECOND),
    }
}

/// `.123456789` or `,123` → microseconds, cut; what follows the digits.
fn parse_fraction(rest: &[u8]) -> Option<(i64, &[u8])> {
    let [b'.' | b',', digits @ ..] = rest else { return Some((0, rest)) };
    let count = digits.iter().take_while(|b| b.is_ascii_digit()).count();
    let (digits, rest) = digits.split_at_checked(count)?;
    if digits.is_empty() {
        return None;
    }
    let micros = digits.iter().copied().chain(std::iter::repeat(b'0')).take(6);
    Some((micros.fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0')), rest))
}

/// `+08:00`, `+0800`, `+08`, with or without a blank before → seconds east.
fn parse_offset(rest: &[u8]) -> Option<i64> {
    let rest = rest.strip_prefix(b" ").unwrap_or(rest);
    if rest == b"UTC" || rest == b"Z" {
        return Some(0);
    }
    let (sign, hours, minutes) = match *rest {
        [sign, h0, h1, b':', m0, m1] | [sign, h0, h1, m0, m1] => (sign, two(h0, h1)?, two(m0, m1)?),
        [sign, h0, h1] => (sign, two(h0, h1)?, 0),
        _ => return None,
    };
    if hours > 23 || minutes > 59 {
        return None;
    }
    match sign {
        b'+' => Some(hours * 3_600 + minutes * 60),
        b'-' => Some(-(hours * 3_600 + minutes * 60)),
        _ => None,
    }
}

fn in_zone(year: i64, month: i64, day: i64, hour: i64, minute: i64, second: i64, zone: &TimeZone) -> Option<Micros> {
    let leap = i64::from(second == 60);
    let civil = DateTime::new(
        i16::try_from(year).ok()?,
        i8::try_from(month).ok()?,
        i8::try_from(day).ok()?,
        i8::try_from(hour).ok()?,
        i8::try_from(minute).ok()?,
        i8::try_from(second - leap).ok()?,
        0,
    );
    // In an hour that comes twice the first one counts, in one that is left out the clock is taken as not yet moved:
    // what jiff calls compatible.
    let at = zone.to_ambiguous_timestamp(civil.ok()?).compatible().ok()?;
    Some(at.as_microsecond() + leap * MICROS_PER_SECOND)
}

fn two(tens: u8, ones: u8) -> Option<i64> {
    (tens.is_ascii_digit() && ones.is_ascii_digit()).then(|| i64::from(tens - b'0') * 10 + i64::from(ones - b'0'))
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 of a proleptic Gregorian date, year 0 to 9999: `days_from_civil` of
/// [Howard Hinnant's algorithms](https://howardhinnant.github.io/date_algorithms.html).
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// What became of the text of a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Span {
    /// Microseconds, 0 to [`MAX_SPAN`].
    Micros(i64),
    /// Below zero.
    Negative,
    /// No number, or longer than [`MAX_SPAN`].
    Bad,
}

/// Reads a span: `1955` in `unit` (milliseconds where none is given), or `12ms`, `1.5s`, `250us`, `2m` in their own unit.
pub(crate) fn parse_span(text: &str, unit: Option<Unit>) -> Span {
    // The form that nearly every line has.
    if unit.is_none()
        && let Some(millis) = parse_count(text, MAX_SPAN_MILLIS)
    {
        return i64::try_from(millis * 1_000).map_or(Span::Bad, Span::Micros);
    }
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == 'µ' || c == 'μ');
    let (factor, power) = match text.get(digits.len()..).unwrap_or("").trim_start() {
        "" => (1, unit.unwrap_or(Unit::Milliseconds).to_micros()),
        "ns" => (1, -3),
        "us" | "µs" | "μs" => (1, 0),
        "ms" => (1, 3),
        "s" => (1, 6),
        "m" => (60, 6),
        "h" => (3_600, 6),
        _ => return Span::Bad,
    };
    let Some(number) = Decimal::parse(digits.trim_end()) else { return Span::Bad };
    if number.is_negative() {
        return Span::Negative;
    }
    match number.scaled(power).and_then(|micros| micros.checked_mul(factor)) {
        Some(micros) if micros <= MAX_SPAN => Span::Micros(micros),
        _ => Span::Bad,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: Micros = 1_769_938_215_000_000; // 2026-02-01T09:30:15Z

    #[test]
    fn every_written_form_of_a_moment_is_the_same_moment() {
        for (text, want) in [
            ("2026-02-01T09:30:15Z", BASE),
            ("2026-02-01T09:30:15.123Z", BASE + 123_000),
            ("2026-02-01T09:30:15.123456Z", BASE + 123_456),
            ("2026-02-01T09:30:15.123456789Z", BASE + 123_456),
            ("2026-02-01T17:30:15.5+08:00", BASE + 500_000),
            ("2026-02-01T17:30:15+0800", BASE),
            ("2026-02-01 05:00:15,25-04:30", BASE + 250_000),
            ("2026-02-01 09:30:15 UTC", BASE),
            ("1769938215", BASE),
            ("1769938215.123456", BASE + 123_456),
            ("1769938215123", BASE + 123_000),
            ("1769938215123456", BASE + 123_456),
            ("1769938215123456789", BASE + 123_456),
            ("1.769938215e9", BASE),
            ("2000-02-29T00:00:00Z", 951_782_400_000_000),
            ("2016-12-31T23:59:60Z", 1_483_228_800_000_000),
        ] {
            assert_eq!(parse_time(text, None, &TimeZone::UTC), Some(want), "{text}");
        }
    }

    #[test]
    fn hand_written_dates_agree_with_a_calendar_library_for_every_day_of_the_range() {
        let mut date = jiff::civil::date(2000, 1, 1);
        while date.year() < 2100 {
            let text = format!("{date}T12:00:00Z");
            let want = date.at(12, 0, 0, 0).to_zoned(TimeZone::UTC).unwrap().timestamp().as_microsecond();
            assert_eq!(parse_time(&text, None, &TimeZone::UTC), Some(want), "{text}");
            date = date.tomorrow().unwrap();
        }
    }

    #[test]
    fn a_time_without_a_zone_is_read_in_the_configured_one() {
        let zone = TimeZone::get("Asia/Shanghai").unwrap_or_else(|_| TimeZone::fixed(jiff::tz::offset(8)));
        assert_eq!(parse_time("2026-02-01 17:30:15.000001", None, &zone), Some(BASE + 1));
        assert_eq!(parse_time("2026-02-01 09:30:15Z", None, &zone), Some(BASE), "its own zone wins");
    }

    #[test]
    fn a_given_unit_wins_over_magnitude() {
        assert_eq!(parse_time("1769938215000", Some(Unit::Milliseconds), &TimeZone::UTC), Some(BASE));
        assert_eq!(parse_time("1769938215000", Some(Unit::Seconds), &TimeZone::UTC), None, "the year 58057");
    }

    #[test]
    fn what_is_no_believable_time_is_refused() {
        for text in [
            "",
            "-",
            "now",
            "1970-01-01T00:00:00Z",
            "1999-12-31T23:59:59.999Z",
            "2100-01-01T00:00:00Z",
            "0",
            "-1",
            "1e400",
            "2026-02-30T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-02-01T24:00:00Z",
            "2026-02-01T09:30Z",
            "2026-02-01T09:30:15.Z",
            "2026-02-01T09:30:15+25:00",
            "2026-02-01T09:30:15X",
            "2026-02-01",
            "２026-02-01T09:30:15Z",
            "99999999999999999999",
        ] {
            assert_eq!(parse_time(text, None, &TimeZone::UTC), None, "{text:?}");
        }
        assert_eq!(parse_time("2099-12-31T23:59:59.999999Z", None, &TimeZone::UTC), Some(LATEST - 1));
        assert_eq!(parse_time("2000-01-01T00:00:00Z", None, &TimeZone::UTC), Some(EARLIEST));
    }

    #[test]
    fn spans_carry_their_own_unit_or_take_the_configured_one() {
        for (text, unit, want) in [
            ("1955", None, Span::Micros(1_955_000)),
            ("0", None, Span::Micros(0)),
            ("1.5", Some(Unit::Seconds), Span::Micros(1_500_000)),
            ("1500", Some(Unit::Microseconds), Span::Micros(1_500)),
            ("1500000", Some(Unit::Nanoseconds), Span::Micros(1_500)),
            ("12ms", Some(Unit::Seconds), Span::Micros(12_000)),
            ("1.5s", None, Span::Micros(1_500_000)),
            ("250µs", None, Span::Micros(250)),
            ("2m", None, Span::Micros(120_000_000)),
            ("-5", None, Span::Negative),
            ("-1.5s", None, Span::Negative),
            ("1e400", None, Span::Bad),
            ("NaN", None, Span::Bad),
            ("12parsecs", None, Span::Bad),
            ("2592000001", None, Span::Bad),
            ("", None, Span::Bad),
        ] {
            assert_eq!(parse_span(text, unit), want, "{text:?}");
        }
    }
}
