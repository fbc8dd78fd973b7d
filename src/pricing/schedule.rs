//! Texts such as `Mon-Fri 01:00-04:00` become the minutes of a week in which a price counts.
//!
//! Knows weeks and zones, not prices. A week starts on Monday 00:00 of the zone's wall clock; what a clock change
//! repeats or skips is read from the wall clock as it stands.

use std::borrow::Cow;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::record::Micros;

const DAY: u16 = 24 * 60;
const WEEK: u16 = 7 * DAY;
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// A time zone under the name it was given.
#[derive(Clone, Debug)]
pub struct Zone {
    name: Cow<'static, str>,
    /// `None` is UTC, which needs no look-up.
    zone: Option<TimeZone>,
}

impl Zone {
    /// UTC.
    #[must_use]
    pub fn utc() -> Zone {
        Zone { name: Cow::Borrowed("UTC"), zone: None }
    }

    /// Looks up an IANA name such as `Asia/Shanghai`; `None` where there is none of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Zone> {
        if name.eq_ignore_ascii_case("utc") {
            return Some(Zone::utc());
        }
        let zone = TimeZone::get(name).ok()?;
        Some(Zone { name: Cow::Owned(zone.iana_name().unwrap_or(name).to_owned()), zone: Some(zone) })
    }

    /// Its IANA name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The first moment of a day.
    pub(super) fn start_of(&self, date: Date) -> Micros {
        let zone = self.zone.clone().unwrap_or(TimeZone::UTC);
        date.to_zoned(zone).map_or(Micros::MAX, |zoned| zoned.timestamp().as_microsecond())
    }

    /// Minute of the local week at a moment, 0 to 10,079.
    pub(super) fn minute_of_week(&self, moment: Micros) -> u16 {
        let seconds = moment.div_euclid(1_000_000);
        let offset = self.zone.as_ref().map_or(0, |zone| {
            Timestamp::from_second(seconds).map_or(0, |timestamp| i64::from(zone.to_offset(timestamp).seconds()))
        });
        let minutes = seconds.saturating_add(offset).div_euclid(60);
        // 1970-01-01 was a Thursday: three days after a Monday.
        let minute = (minutes + 3 * i64::from(DAY)).rem_euclid(i64::from(WEEK));
        u16::try_from(minute).unwrap_or(0)
    }

    /// Offset from UTC in minutes where it is the same all year round in 2026, for rules that mix zones.
    pub(super) fn fixed_offset_minutes(&self) -> Option<i32> {
        let Some(zone) = &self.zone else { return Some(0) };
        let offset = |month: i8| {
            let noon = jiff::civil::date(2026, month, 1).at(12, 0, 0, 0);
            noon.to_zoned(zone.clone()).map_or(i32::MIN, |zoned| zoned.offset().seconds() / 60)
        };
        let first = offset(1);
        (2..=12).all(|month| offset(month) == first).then_some(first)
    }
}

impl PartialEq for Zone {
    fn eq(&self, other: &Zone) -> bool {
        self.name == other.name
    }
}

/// Minutes of the week in which something counts: sorted, disjoint, half-open spans.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    spans: Vec<(u16, u16)>,
}

impl Schedule {
    /// Reads texts of the form `[DAYS ]HH:MM-HH:MM`, where days are such as `Mon-Fri` or `Sat,Sun` (every day where
    /// absent). A span that ends before it starts goes over midnight and belongs to the day on which it starts.
    ///
    /// # Errors
    /// A text that says what is wrong, lower case.
    pub fn parse<'t>(texts: impl IntoIterator<Item = &'t str>) -> Result<Schedule, String> {
        let mut schedule = Schedule::default();
        for text in texts {
            let text = text.trim();
            let (days, hours) = match text.rsplit_once(' ') {
                Some((days, hours)) => (parse_days(days)?, hours),
                None => ([true; 7], text),
            };
            let (from, to) = parse_hours(hours)?;
            for (day, _) in (0u16..).zip(days).filter(|(_, chosen)| *chosen) {
                let end = if to <= from { to + DAY } else { to };
                schedule.add(day * DAY + from, day * DAY + end);
            }
        }
        if schedule.spans.is_empty() {
            return Err("expected at least one span such as `Mon-Fri 01:00-04:00`".to_owned());
        }
        Ok(schedule)
    }

    /// All minutes of the week for which a rule says yes.
    pub(super) fn of_minutes(mut rule: impl FnMut(u16) -> bool) -> Schedule {
        let mut schedule = Schedule::default();
        for minute in (0..WEEK).filter(|minute| rule(*minute)) {
            match schedule.spans.last_mut() {
                Some((_, end)) if *end == minute => *end = minute + 1,
                _ => schedule.spans.push((minute, minute + 1)),
            }
        }
        schedule
    }

    /// Adds a span of at most a day, which may go beyond the end of the week.
    fn add(&mut self, from: u16, to: u16) {
        if to > WEEK {
            self.spans.push((0, to - WEEK));
        }
        self.spans.push((from, to.min(WEEK)));
        self.spans.sort_unstable();
        let mut merged: Vec<(u16, u16)> = Vec::with_capacity(self.spans.len());
        for (from, to) in self.spans.drain(..) {
            match merged.last_mut() {
                Some((_, end)) if from <= *end => *end = to.max(*end),
                _ => merged.push((from, to)),
            }
        }
        self.spans = merged;
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Whether a minute of the week is in it.
    pub(super) fn contains(&self, minute: u16) -> bool {
        self.spans.iter().any(|(from, to)| (*from..*to).contains(&minute))
    }

    /// Whether two schedules share a minute.
    #[must_use]
    pub fn overlaps(&self, other: &Schedule) -> bool {
        self.spans.iter().any(|(from, to)| other.spans.iter().any(|(start, end)| from < end && start < to))
    }

    /// The schedule as texts that [`Schedule::parse`] reads; the same minutes give the same texts.
    #[must_use]
    pub fn texts(&self) -> Vec<String> {
        let mut hours: Vec<((u16, u16), [bool; 7])> = Vec::new();
        for (from, to) in &self.spans {
            for (day, index) in (0u16..7).zip(0usize..) {
                let (start, end) = (day * DAY, (day + 1) * DAY);
                let (from, to) = ((*from).max(start), (*to).min(end));
                if from >= to {
                    continue;
                }
                let key = (from - start, to - start);
                let position = hours.iter().position(|(hours, _)| *hours == key).unwrap_or_else(|| {
                    hours.push((key, [false; 7]));
                    hours.len() - 1
                });
                if let Some(chosen) = hours.get_mut(position).and_then(|(_, days)| days.get_mut(index)) {
                    *chosen = true;
                }
            }
        }
        hours.sort_unstable();
        let clock = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
        hours
            .into_iter()
            .map(|((from, to), days)| format!("{}{}-{}", format_days(days), clock(from), clock(to)))
            .collect()
    }
}

fn parse_days(text: &str) -> Result<[bool; 7], String> {
    let mut days = [false; 7];
    for part in text.split(',') {
        let (first, last) = part.trim().split_once('-').unwrap_or((part.trim(), part.trim()));
        let (first, last) = (parse_day(first)?, parse_day(last)?);
        let length = (last + 7 - first) % 7;
        for (index, chosen) in days.iter_mut().enumerate() {
            *chosen |= (index + 7 - first) % 7 <= length;
        }
    }
    Ok(days)
}

fn parse_day(text: &str) -> Result<usize, String> {
    let text = text.trim();
    DAYS.iter()
        .position(|day| text.eq_ignore_ascii_case(day))
        .ok_or_else(|| format!("`{text}` is no weekday; expected Mon, Tue, Wed, Thu, Fri, Sat or Sun"))
}

fn format_days(days: [bool; 7]) -> String {
    if days == [true; 7] {
        return String::new();
    }
    let mut parts: Vec<(&str, &str)> = Vec::new();
    let mut before = false;
    for (chosen, name) in days.into_iter().zip(DAYS) {
        match parts.last_mut() {
            Some((_, last)) if chosen && before => *last = name,
            _ if chosen => parts.push((name, name)),
            _ => {}
        }
        before = chosen;
    }
    let parts: Vec<String> = parts
        .into_iter()
        .map(|(first, last)| if first == last { first.to_owned() } else { format!("{first}-{last}") })
        .collect();
    format!("{} ", parts.join(","))
}

/// Minutes of the day at which a span starts (0 to 1,439) and ends (0 to 1,440).
pub(super) fn parse_hours(text: &str) -> Result<(u16, u16), String> {
    let wrong = || format!("`{text}` is no span of time; expected a form such as 01:00-04:00");
    let (from, to) = text.split_once('-').ok_or_else(wrong)?;
    let clock = |text: &str| -> Option<u16> {
        let (hour, minute) = text.trim().split_once(':')?;
        if hour.len() > 2 || minute.len() != 2 || !hour.bytes().chain(minute.bytes()).all(|b| b.is_ascii_digit()) {
            return None;
        }
        let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
        (minute < 60 && hour * 60 + minute <= DAY).then_some(hour * 60 + minute)
    };
    let (from, to) = (clock(from).ok_or_else(wrong)?, clock(to).ok_or_else(wrong)?);
    if from == to || from == DAY {
        return Err(format!("`{text}` is empty; a whole day is 00:00-24:00"));
    }
    Ok((from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn micros(text: &str) -> Micros {
        text.parse::<Timestamp>().unwrap().as_microsecond()
    }

    #[test]
    fn spans_hold_from_their_first_minute_to_before_their_last() {
        let peak = Schedule::parse(["Mon-Fri 01:00-04:00", "Mon-Fri 06:00-10:00"]).unwrap();
        for (moment, want) in [
            ("2026-11-20T01:00:00Z", true),
            ("2026-11-20T00:59:59.999Z", false),
            ("2026-11-20T03:59:59.999Z", true),
            ("2026-11-20T04:00:00Z", false),
            ("2026-11-20T09:59:00Z", true),
            ("2026-11-21T01:30:00Z", false),
            ("2026-11-22T07:00:00Z", false),
            ("2026-11-23T07:00:00Z", true),
            ("1969-12-29T07:00:00Z", true),
        ] {
            assert_eq!(peak.contains(Zone::utc().minute_of_week(micros(moment))), want, "{moment}");
        }
    }

    #[test]
    fn a_span_over_midnight_belongs_to_the_day_it_starts_on() {
        let night = Schedule::parse(["Sun 22:00-06:00"]).unwrap();
        for (moment, want) in [
            ("2026-11-22T22:00:00Z", true),
            ("2026-11-23T05:59:00Z", true),
            ("2026-11-23T06:00:00Z", false),
            ("2026-11-22T05:00:00Z", false),
        ] {
            assert_eq!(night.contains(Zone::utc().minute_of_week(micros(moment))), want, "{moment}");
        }
        assert_eq!(night.texts(), ["Mon 00:00-06:00", "Sun 22:00-24:00"]);
    }

    #[test]
    fn other_zones_count_by_their_own_wall_clock() {
        let shanghai = Zone::parse("Asia/Shanghai").unwrap();
        let berlin = Zone::parse("Europe/Berlin").unwrap();
        let morning = Schedule::parse(["Mon-Fri 09:00-12:00"]).unwrap();
        for (zone, moment, want) in [
            (&shanghai, "2026-11-20T01:00:00Z", true),
            (&shanghai, "2026-11-20T04:00:00Z", false),
            (&shanghai, "2026-11-22T17:00:00Z", false),
            (&berlin, "2026-07-01T07:00:00Z", true),
            (&berlin, "2026-12-01T07:00:00Z", false),
            (&berlin, "2026-12-01T08:00:00Z", true),
        ] {
            assert_eq!(morning.contains(zone.minute_of_week(micros(moment))), want, "{} {moment}", zone.name());
        }
        assert_eq!(shanghai.start_of(jiff::civil::date(2026, 3, 13)), micros("2026-03-12T16:00:00Z"));
        assert_eq!((shanghai.fixed_offset_minutes(), berlin.fixed_offset_minutes()), (Some(480), None));
        assert!(Zone::parse("Asia/Peking").is_none());
    }

    #[test]
    fn texts_are_written_as_they_are_read() {
        for (texts, want) in [
            (vec!["01:00-04:00"], vec!["01:00-04:00"]),
            (vec!["Mon-Sun 00:00-24:00"], vec!["00:00-24:00"]),
            (vec!["sat,SUN 00:00-24:00"], vec!["Sat-Sun 00:00-24:00"]),
            (vec!["Sat-Mon 10:00-11:00"], vec!["Mon,Sat-Sun 10:00-11:00"]),
            (vec!["Mon 01:00-02:00", "Mon 02:00-03:00"], vec!["Mon 01:00-03:00"]),
        ] {
            let schedule = Schedule::parse(texts.iter().copied()).unwrap();
            assert_eq!(schedule.texts(), want);
            assert_eq!(Schedule::parse(want).unwrap(), schedule);
        }
    }

    #[test]
    fn bad_texts_are_refused_with_what_was_expected() {
        for text in ["", "1-2", "01:00", "25:00-26:00", "01:60-02:00", "01:00-01:00", "24:00-01:00", "Mo 01:00-02:00"] {
            assert!(Schedule::parse([text]).is_err(), "{text}");
        }
        assert_eq!(
            Schedule::parse(["Mo 01:00-02:00"]).unwrap_err(),
            "`Mo` is no weekday; expected Mon, Tue, Wed, Thu, Fri, Sat or Sun"
        );
        assert!(Schedule::parse([]).is_err());
    }

    #[test]
    fn overlaps_are_found() {
        let schedule = |text| Schedule::parse([text]).unwrap();
        assert!(schedule("Mon-Fri 01:00-04:00").overlaps(&schedule("Fri 03:59-05:00")));
        assert!(!schedule("Mon-Fri 01:00-04:00").overlaps(&schedule("Sat 01:00-04:00")));
        assert!(!schedule("01:00-04:00").overlaps(&schedule("04:00-05:00")));
        assert!(schedule("Sun 23:00-01:00").overlaps(&schedule("Mon 00:30-02:00")));
    }
}
