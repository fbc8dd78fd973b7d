//! Moments on the command line: what users write becomes microseconds since the epoch, and back in their time zone.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::output::Failure;
use crate::config::Config;
use crate::report::outlook::first_moment;

/// A moment: RFC 3339, or a date, which is its first moment in the time zone.
pub(super) fn parse(text: &str, zone: &TimeZone, flag: &str) -> Result<i64, Failure> {
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return Ok(timestamp.as_microsecond());
    }
    text.parse::<Date>()
        .ok()
        .and_then(|date| first_moment(date, zone))
        .ok_or_else(|| Failure::misuse(format!("{flag} {text:?} is no time; write 2026-11-01 or 2026-11-01T09:30:00Z")))
}

/// The time zone that was asked for, else the configured one.
pub(super) fn zone(asked: Option<&str>, config: &Config) -> Result<TimeZone, Failure> {
    let Some(name) = asked else { return Ok(config.timezone.clone()) };
    TimeZone::get(name)
        .map_err(|_| Failure::misuse(format!("--timezone {name:?} is no time zone; write one as Asia/Shanghai or UTC")))
}

/// A moment on the wall clock of a time zone, to the second: `2026-11-21 09:30:00`.
pub(super) fn wall(micros: i64, zone: &TimeZone) -> String {
    Timestamp::from_microsecond(micros).map_or_else(
        |_| micros.to_string(),
        |timestamp| zone.to_datetime(timestamp).strftime("%Y-%m-%d %H:%M:%S").to_string(),
    )
}
