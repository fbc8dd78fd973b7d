//! How busy each moment is: office hours in UTC+8, customers' evenings, night jobs, weekends and bad days.
//!
//! Turns a time into weights; decides nothing about single requests.

use super::company::{Consumer, FAILING_PROVIDER, Hours, Incident, Trouble, WILD_CONSUMER};
use crate::record::Micros;

/// One second in microseconds.
pub(super) const SECOND: Micros = 1_000_000;
/// One minute in microseconds.
pub(super) const MINUTE: Micros = 60 * SECOND;
/// One day in microseconds.
pub(super) const DAY: Micros = 24 * 60 * MINUTE;
/// What the company's clocks are ahead of UTC.
const ZONE: Micros = 8 * 60 * MINUTE;

/// Share of the busiest hour, by local hour of a working day.
const OFFICE: [f64; 24] = [
    0.02, 0.01, 0.01, 0.01, 0.01, 0.01, 0.02, 0.06, 0.30, 0.85, 1.00, 0.95, 0.45, 0.60, 0.95, 1.00, 0.95, 0.75, 0.40,
    0.25, 0.18, 0.15, 0.08, 0.04,
];

/// The same for customers.
const CUSTOMERS: [f64; 24] = [
    0.10, 0.06, 0.04, 0.03, 0.03, 0.05, 0.10, 0.22, 0.40, 0.60, 0.75, 0.80, 0.85, 0.70, 0.65, 0.65, 0.65, 0.70, 0.80,
    0.95, 1.00, 0.90, 0.55, 0.25,
];

/// The local hour (0 to 23) and day of the week (0 is Monday).
fn local(at: Micros) -> (usize, usize) {
    let local = at.saturating_add(ZONE);
    let hour = local.rem_euclid(DAY) / (60 * MINUTE);
    // 1970-01-01 was a Thursday, day 3 of a week that begins on Monday.
    let weekday = (local.div_euclid(DAY) + 3).rem_euclid(7);
    (usize::try_from(hour).unwrap_or(0), usize::try_from(weekday).unwrap_or(0))
}

/// How busy applications with these hours are, from 0 to 1.
fn business(hours: Hours, at: Micros) -> f64 {
    let (hour, weekday) = local(at);
    let weekend = weekday >= 5;
    let of = |table: &[f64; 24]| table.get(hour).copied().unwrap_or(0.0);
    match hours {
        Hours::Office if weekend => 0.07 * of(&OFFICE) + 0.01,
        // Fridays are quieter.
        Hours::Office => of(&OFFICE) * if weekday == 4 { 0.88 } else { 1.0 },
        Hours::Customers => of(&CUSTOMERS) * if weekend { 1.15 } else { 1.0 },
        Hours::Night => f64::from(u8::from((1..4).contains(&hour))),
        Hours::Even => 1.0,
    }
}

/// What the traffic of the application that runs wild is multiplied by.
const STORM: f64 = 9.0;
/// The same for everybody while an upstream is out: people and clients try again.
const RETRIES: f64 = 1.8;

/// How much traffic each application sends at `at`, in the order of `consumers`, written over `weights`.
pub(super) fn weights(consumers: &[Consumer], incidents: &[Incident], at: Micros, weights: &mut Vec<f64>) -> f64 {
    weights.clear();
    weights.extend(consumers.iter().enumerate().map(|(index, consumer)| {
        let trouble = active(incidents, at).map(|trouble| match trouble {
            Trouble::Outage(_) => RETRIES,
            Trouble::Storm(wild) => {
                if wild == index {
                    STORM
                } else {
                    1.0
                }
            }
        });
        consumer.weight * business(consumer.hours, at) * trouble.product::<f64>()
    }));
    weights.iter().sum()
}

/// What goes wrong at `at`.
pub(super) fn active(incidents: &[Incident], at: Micros) -> impl Iterator<Item = Trouble> {
    incidents.iter().filter(move |incident| (incident.from..incident.to).contains(&at)).map(|i| i.trouble)
}

/// The bad day of a history of `days` that ends at `end`: the working day nearest to 9 days before the end (a third of a
/// shorter history), with an outage of 40 minutes at 14:20 and an application that runs wild for 25 minutes at 16:10.
pub(super) fn bad_day(end: Micros, days: u32) -> Vec<Incident> {
    let back = if days >= 12 { 9 } else { i64::from(days / 3) };
    if back == 0 {
        return Vec::new();
    }
    let mut midnight = (end + ZONE - back * DAY).div_euclid(DAY) * DAY - ZONE;
    while local(midnight).1 >= 5 {
        midnight -= DAY;
    }
    let incident = |minute: i64, minutes: i64, trouble| Incident {
        from: midnight + minute * MINUTE,
        to: midnight + (minute + minutes) * MINUTE,
        trouble,
    };
    vec![
        incident(14 * 60 + 20, 40, Trouble::Outage(FAILING_PROVIDER)),
        incident(16 * 60 + 10, 25, Trouble::Storm(WILD_CONSUMER)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-20T00:00:00Z, a Friday.
    const FRIDAY: Micros = 1_795_132_800 * SECOND;

    #[test]
    fn local_time_is_eight_hours_ahead_of_utc() {
        assert_eq!(local(FRIDAY), (8, 4));
        assert_eq!(local(FRIDAY + 16 * 60 * MINUTE), (0, 5));
        assert_eq!(local(0), (8, 3));
    }

    #[test]
    fn offices_are_busy_on_working_days_and_jobs_at_night() {
        let hour = |n: i64| FRIDAY + n * 60 * MINUTE;
        assert!(business(Hours::Office, hour(2)) > 0.8);
        assert!(business(Hours::Office, hour(19)) < 0.05);
        assert!(business(Hours::Office, hour(26)) < 0.1);
        assert!((business(Hours::Night, hour(18)) - 1.0).abs() < f64::EPSILON);
        assert!(business(Hours::Night, hour(2)).abs() < f64::EPSILON);
    }

    #[test]
    fn the_bad_day_is_a_working_day_about_nine_days_back() {
        for day in 0..14 {
            let end = FRIDAY + day * DAY;
            let incidents = bad_day(end, 30);
            assert_eq!(incidents.len(), 2);
            for incident in &incidents {
                assert!(local(incident.from).1 < 5);
                let back = (end - incident.from) / DAY;
                assert!((7..=11).contains(&back), "{back}");
                assert_eq!(active(&incidents, incident.from).count(), 1);
                assert_eq!(active(&incidents, incident.to).count(), 0);
            }
        }
        assert!(bad_day(FRIDAY, 1).is_empty());
    }
}
