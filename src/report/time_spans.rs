//! Moments become numbers of the columns of time: which day, week, month or hour they lie in.
//!
//! The clock of a zone is asked once for each day of UTC, and the stretches of it in which no column changes are kept.

use std::sync::Arc;

use foldhash::quality::RandomState;
use hashbrown::HashMap;
use jiff::tz::TimeZone;

use super::by::By;
use crate::record::Micros;
use crate::session::usage::slices;

/// Days that are remembered; beyond, they are read again.
const MAX_REMEMBERED: usize = 4_096;
/// Microseconds of a day of UTC.
const DAY: Micros = 86_400_000_000;

/// A stretch of time in which no column of time changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    /// From then.
    pub(super) from: Micros,
    /// Until then. What changes then may be nothing.
    pub(super) until: Micros,
    /// The number of its values.
    pub(super) time: u32,
}

/// The columns of time of a question.
#[derive(Debug)]
pub(super) struct TimeSpans<'a> {
    by: &'a [By],
    zone: &'a TimeZone,
    /// By number: the values of all columns, empty in those of other things.
    values: Vec<Arc<[String]>>,
    numbers: HashMap<Arc<[String]>, u32, RandomState>,
    days: HashMap<i64, Arc<[Span]>, RandomState>,
    /// The day that was asked for last.
    day: (i64, Arc<[Span]>),
    /// The span that was asked for last.
    last: Span,
}

impl<'a> TimeSpans<'a> {
    pub(super) fn new(by: &'a [By], zone: &'a TimeZone) -> TimeSpans<'a> {
        let mut spans = TimeSpans {
            by,
            zone,
            values: Vec::new(),
            numbers: HashMap::default(),
            days: HashMap::default(),
            day: (0, Arc::default()),
            last: Span { from: 0, until: 0, time: 0 },
        };
        if !by.iter().any(By::is_time) {
            let time = spans.number(by.iter().map(|_| String::new()).collect());
            spans.last = Span { from: Micros::MIN, until: Micros::MAX, time };
        }
        spans
    }

    fn number(&mut self, values: Arc<[String]>) -> u32 {
        if let Some(number) = self.numbers.get(&values) {
            return *number;
        }
        let number = u32::try_from(self.values.len()).unwrap_or(u32::MAX);
        self.values.push(Arc::clone(&values));
        self.numbers.insert(values, number);
        number
    }

    /// The value of a column, by the number of a span.
    pub(super) fn value(&self, time: u32, column: usize) -> &str {
        self.values.get(time as usize).and_then(|values| values.get(column)).map_or("", String::as_str)
    }

    /// The span of a moment. Beyond the calendar it may be said to end before the moment.
    pub(super) fn span(&mut self, at: Micros) -> Span {
        let last = self.last;
        let is_always = (last.from, last.until) == (Micros::MIN, Micros::MAX);
        if is_always || (last.from <= at && at < last.until) {
            return last;
        }
        let day = at.div_euclid(DAY);
        if self.day.0 != day || self.day.1.is_empty() {
            if !self.days.contains_key(&day) {
                let spans = self.spans_of(day);
                if self.days.len() >= MAX_REMEMBERED {
                    self.days.clear();
                }
                self.days.insert(day, spans);
            }
            self.day = (day, self.days.get(&day).map(Arc::clone).unwrap_or_default());
        }
        let spans = &self.day.1;
        // Most are of equal length.
        let guess = i64::try_from(spans.len()).ok().map(|count| at.rem_euclid(DAY) * count / DAY);
        let is_it = |span: &&Span| span.from <= at && at < span.until;
        let sought = || spans.get(spans.partition_point(|span| span.from <= at).saturating_sub(1));
        let guessed = guess.and_then(|place| spans.get(usize::try_from(place).ok()?));
        self.last = guessed.filter(is_it).or_else(sought).copied().unwrap_or(last);
        self.last
    }

    fn spans_of(&mut self, day: i64) -> Arc<[Span]> {
        let begin = day.saturating_mul(DAY);
        let (by, zone) = (self.by, self.zone);
        let mut spans: Vec<Span> = Vec::new();
        for slice in slices(begin, begin.saturating_add(DAY), zone) {
            let of = |by: &By| if by.is_time() { by.of_slice(&slice, zone) } else { String::new() };
            let time = self.number(by.iter().map(of).collect());
            match spans.last_mut().filter(|last| last.time == time) {
                Some(last) => last.until = slice.until,
                None => spans.push(Span { from: slice.from, until: slice.until, time }),
            }
        }
        spans.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::by::slice_at;
    use crate::session::usage::Period;

    #[test]
    fn spans_say_of_every_moment_what_the_clock_says() {
        let hour = 3_600_000_000;
        // Clocks change in Berlin and on Lord Howe, there by half an hour; Nepal is 5:45 ahead.
        for (zone, around) in [
            ("Europe/Berlin", 1_774_746_000_000_000),
            ("Australia/Lord_Howe", 1_775_314_800_000_000),
            ("Asia/Kathmandu", 1_774_746_000_000_000),
            ("UTC", 0),
        ] {
            let zone = TimeZone::get(zone).unwrap();
            for by in
                [vec![By::Period(Period::Day)], vec![By::EachHour, By::User], vec![By::Hour, By::Period(Period::Month)]]
            {
                let mut spans = TimeSpans::new(&by, &zone);
                for step in -300..300 {
                    let at = around + step * 7 * hour / 31;
                    let span = spans.span(at);
                    assert!(span.from <= at && at < span.until, "{at} {span:?}");
                    let slice = slice_at(at, &zone).unwrap();
                    for (column, by) in by.iter().enumerate() {
                        let want = if by.is_time() { by.of_slice(&slice, &zone) } else { String::new() };
                        assert_eq!(spans.value(span.time, column), want, "{at}");
                    }
                }
            }
        }
        let by = [By::Period(Period::Day)];
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        let mut spans = TimeSpans::new(&by, &zone);
        for at in [Micros::MIN, Micros::MIN + 1, Micros::MAX - 1, Micros::MAX] {
            assert!(spans.span(at).from <= at);
        }
    }
}
