//! Periods before, and words. What totals add up to is tested with the ledger's lists.

use jiff::tz::TimeZone;

use super::totals::{before, step};
use crate::record::Micros;

fn at(text: &str) -> Micros {
    text.parse::<jiff::Timestamp>().unwrap().as_microsecond()
}

#[test]
fn the_period_before_a_month_is_a_month_and_before_days_as_many_days() {
    for (zone, since, until, want) in [
        ("UTC", "2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z", "2026-02-01T00:00:00Z"),
        ("UTC", "2026-01-01T00:00:00Z", "2026-04-01T00:00:00Z", "2025-10-01T00:00:00Z"),
        ("UTC", "2026-03-08T00:00:00Z", "2026-03-15T00:00:00Z", "2026-03-01T00:00:00Z"),
        // The clock goes forward on the 8th: a day of 23 hours, and the day before of 24.
        ("America/New_York", "2026-03-08T05:00:00Z", "2026-03-09T04:00:00Z", "2026-03-07T05:00:00Z"),
        ("Asia/Shanghai", "2026-03-31T16:00:00Z", "2026-04-30T16:00:00Z", "2026-02-28T16:00:00Z"),
        ("UTC", "2026-03-08T12:00:00Z", "2026-03-08T18:00:00Z", "2026-03-08T06:00:00Z"),
    ] {
        let zone = TimeZone::get(zone).unwrap();
        assert_eq!(before(at(since), at(until), &zone), (at(want), at(since)), "{since} {until}");
    }
}

#[test]
fn steps_have_names() {
    for name in ["hour", "day", "week", "month"] {
        assert!(step(name).is_some(), "{name}");
    }
    assert!(step("minute").is_none());
}
