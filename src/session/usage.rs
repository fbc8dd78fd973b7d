//! A session's time becomes time of use: by day, week or month of a time zone, and by hour of the day.
//!
//! Time is cut at the full hours of the zone's wall clock and where the clock changes, to the microsecond. An hour that
//! the clock repeats counts twice over, one that it skips does not exist. What was asked in that time (turns, tokens,
//! cost) belongs to the start of each request and is not split: [`Period::of`] gives its key.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use jiff::civil::{Date, ISOWeekDate, Weekday};
use jiff::tz::TimeZone;

use super::part::Key;
use crate::record::Micros;

const SECOND: Micros = 1_000_000;
const HOUR: Micros = 3600 * SECOND;

/// Length of what time of use is summed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Period {
    /// A day, midnight to midnight.
    Day,
    /// An ISO 8601 week, from Monday.
    Week,
    /// A month of the calendar.
    Month,
}

impl Period {
    /// All periods.
    pub const ALL: [Period; 3] = [Period::Day, Period::Week, Period::Month];

    /// The name that users see.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Period::Day => "day",
            Period::Week => "week",
            Period::Month => "month",
        }
    }

    /// The period that a day belongs to.
    #[must_use]
    pub fn of_date(self, date: Date) -> PeriodKey {
        let first = match self {
            Period::Day => date,
            Period::Week => {
                let week = date.iso_week_date();
                ISOWeekDate::new(week.year(), week.week(), Weekday::Monday).map_or(date, ISOWeekDate::date)
            }
            Period::Month => date.first_of_month(),
        };
        PeriodKey { period: self, first }
    }

    /// The period in which a moment lies.
    #[must_use]
    pub fn of(self, moment: Micros, zone: &TimeZone) -> PeriodKey {
        self.of_date(local(moment, zone).0)
    }
}

/// One day, week or month. Written as `2026-11-21`, `2026-W47` or `2026-11`; ordered by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeriodKey {
    /// First day.
    pub first: Date,
    /// How long.
    pub period: Period,
}

impl fmt::Display for PeriodKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.first;
        let text = match self.period {
            Period::Day => format!("{:04}-{:02}-{:02}", first.year(), first.month(), first.day()),
            Period::Week => {
                let week = first.iso_week_date();
                format!("{:04}-W{:02}", week.year(), week.week())
            }
            Period::Month => format!("{:04}-{:02}", first.year(), first.month()),
        };
        f.pad(&text)
    }
}

/// A stretch of time within one hour of one day of the wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// The day.
    pub date: Date,
    /// The hour, 0 to 23.
    pub hour: u8,
    /// From then.
    pub from: Micros,
    /// Until then, exclusive; the same as `from` only for a session without any length.
    pub until: Micros,
}

/// Day, hour, and microseconds since the full hour of the wall clock.
fn local(moment: Micros, zone: &TimeZone) -> (Date, u8, Micros) {
    let timestamp = timestamp(moment);
    let civil = zone.to_offset(timestamp).to_datetime(timestamp);
    let into_hour = i64::from(civil.minute()) * 60 * SECOND
        + i64::from(civil.second()) * SECOND
        + i64::from(civil.subsec_nanosecond() / 1000);
    (civil.date(), u8::try_from(civil.hour()).unwrap_or(0), into_hour)
}

fn timestamp(moment: Micros) -> Timestamp {
    let end = if moment < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_microsecond(moment).unwrap_or(end)
}

/// Cuts the time from `start` to `end` at the full hours and clock changes of a zone: adjoining slices in order, whose
/// lengths add up to exactly the whole. An end before the start counts as the start, which gives one slice of no length.
pub fn slices(start: Micros, end: Micros, zone: &TimeZone) -> impl Iterator<Item = Slice> {
    let mut changes = zone.following(timestamp(start)).map(|change| change.timestamp().as_microsecond());
    let mut change = changes.next().unwrap_or(Micros::MAX);
    let end = end.max(start);
    let mut next = Some(start);
    std::iter::from_fn(move || {
        let from = next?;
        while change <= from {
            change = changes.next().unwrap_or(Micros::MAX);
        }
        let (date, hour, into_hour) = local(from, zone);
        let until = from.saturating_add(HOUR - into_hour).min(change).min(end);
        next = (until < end).then_some(until);
        Some(Slice { date, hour, from, until })
    })
}

/// Time of use within one period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Use {
    /// Sessions that touch the period.
    pub sessions: u64,
    /// Microseconds of their time within the period.
    pub time: Micros,
    /// The same by hour of the day.
    pub hours: [Micros; 24],
}

impl Use {
    /// Mean time of a session within the period, in microseconds; 0 without sessions.
    #[must_use]
    pub fn mean(&self) -> Micros {
        i64::try_from(self.sessions).ok().and_then(|sessions| self.time.checked_div(sessions)).unwrap_or(0)
    }
}

/// Time of use by group and period. `G` is what is grouped by: a user, a consumer, a dimension's value.
#[derive(Debug)]
pub struct TimeOfUse<'z, G> {
    period: Period,
    zone: &'z TimeZone,
    sums: BTreeMap<(G, PeriodKey), Use>,
    session: Option<Key>,
    /// What the session that is being added was already counted in.
    counted: Vec<(G, PeriodKey)>,
}

impl<'z, G: Ord + Clone> TimeOfUse<'z, G> {
    /// Nothing yet.
    #[must_use]
    pub fn new(period: Period, zone: &'z TimeZone) -> Self {
        TimeOfUse { period, zone, sums: BTreeMap::new(), session: None, counted: Vec::new() }
    }

    /// Adds a part. The parts of a session have to come one after the other, in any order among themselves: a session
    /// with two parts on a day counts once on that day, with the time of both.
    pub fn add(&mut self, session: Key, group: &G, start: Micros, end: Micros) {
        if self.session != Some(session) {
            self.session = Some(session);
            self.counted.clear();
        }
        for slice in slices(start, end, self.zone) {
            let key = (group.clone(), self.period.of_date(slice.date));
            let is_new = !self.counted.contains(&key);
            let sum = self.sums.entry(key.clone()).or_default();
            let time = slice.until.saturating_sub(slice.from);
            sum.time = sum.time.saturating_add(time);
            if let Some(hour) = sum.hours.get_mut(usize::from(slice.hour)) {
                *hour = hour.saturating_add(time);
            }
            if is_new {
                sum.sessions += 1;
                self.counted.push(key);
            }
        }
    }

    /// The sums, ordered by group and time.
    #[must_use]
    pub fn finish(self) -> BTreeMap<(G, PeriodKey), Use> {
        self.sums
    }
}
