use jiff::Timestamp;
use jiff::tz::TimeZone;
use proptest::prelude::*;

use crate::record::Micros;
use crate::session::Key;
use crate::session::usage::{Period, TimeOfUse, slices};

const HOUR: Micros = 3600 * 1_000_000;

fn at(text: &str) -> Micros {
    text.parse::<Timestamp>().unwrap().as_microsecond()
}

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap()
}

/// Sums as text: period, sessions, hours of use, and hour of the day with its share.
fn sums(period: Period, name: &str, parts: &[(u32, &str, &str)]) -> Vec<String> {
    let zone = zone(name);
    let mut use_of = TimeOfUse::new(period, &zone);
    for (session, start, end) in parts {
        use_of.add(Key { gateway: 1, session: *session }, &"u", at(start), at(end));
    }
    let in_hours = |time: Micros| format!("{}", time as f64 / HOUR as f64);
    let line = |((_, key), sum): (&(&str, _), &crate::session::usage::Use)| {
        let hours: Vec<String> = (0..24)
            .filter(|hour| sum.hours[*hour] != 0)
            .map(|hour| format!("{hour}:{}", in_hours(sum.hours[hour])))
            .collect();
        let key: &crate::session::usage::PeriodKey = key;
        assert_eq!(sum.hours.iter().sum::<Micros>(), sum.time);
        format!("{key} {} {} [{}]", sum.sessions, in_hours(sum.time), hours.join(" "))
    };
    use_of.finish().iter().map(line).collect()
}

#[test]
fn a_session_counts_where_it_touches_by_its_time_there() {
    type Case<'a> = (&'a str, Period, &'a str, &'a [(u32, &'a str, &'a str)], &'a [&'a str]);
    let cases: &[Case<'_>] = &[
        (
            "over midnight",
            Period::Day,
            "UTC",
            &[(1, "2026-11-20T23:30:00Z", "2026-11-21T01:15:00Z")],
            &["2026-11-20 1 0.5 [23:0.5]", "2026-11-21 1 1.25 [0:1 1:0.25]"],
        ),
        (
            "up to midnight touches one day",
            Period::Day,
            "UTC",
            &[(1, "2026-11-20T23:00:00Z", "2026-11-21T00:00:00Z")],
            &["2026-11-20 1 1 [23:1]"],
        ),
        (
            "without length",
            Period::Day,
            "UTC",
            &[(1, "2026-11-21T00:00:00Z", "2026-11-21T00:00:00Z")],
            &["2026-11-21 1 0 []"],
        ),
        (
            "over the month's end, and the year's",
            Period::Month,
            "UTC",
            &[(1, "2026-12-31T23:00:00Z", "2027-01-01T00:30:00Z")],
            &["2026-12 1 1 [23:1]", "2027-01 1 0.5 [0:0.5]"],
        ),
        (
            "the ISO week's year",
            Period::Week,
            "UTC",
            &[(1, "2027-01-03T23:30:00Z", "2027-01-04T00:30:00Z"), (2, "2026-11-21T00:00:00Z", "2026-11-21T01:00:00Z")],
            &["2026-W47 1 1 [0:1]", "2026-W53 1 0.5 [23:0.5]", "2027-W01 1 0.5 [0:0.5]"],
        ),
        (
            "the zone's midnight",
            Period::Day,
            "Asia/Shanghai",
            &[(1, "2026-11-20T15:30:00Z", "2026-11-20T16:30:00Z")],
            &["2026-11-20 1 0.5 [23:0.5]", "2026-11-21 1 0.5 [0:0.5]"],
        ),
        (
            "a zone of half hours",
            Period::Day,
            "Asia/Kolkata",
            &[(1, "2026-11-20T18:00:00Z", "2026-11-20T19:00:00Z")],
            &["2026-11-20 1 0.5 [23:0.5]", "2026-11-21 1 0.5 [0:0.5]"],
        ),
        (
            "the repeated hour is two hours long",
            Period::Day,
            "Europe/Berlin",
            &[(1, "2026-10-24T23:30:00Z", "2026-10-25T02:30:00Z")],
            &["2026-10-25 1 3 [1:0.5 2:2 3:0.5]"],
        ),
        (
            "the skipped hour does not exist",
            Period::Day,
            "Europe/Berlin",
            &[(1, "2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z")],
            &["2026-03-29 1 1 [1:0.5 3:0.5]"],
        ),
        (
            "a day of 25 hours",
            Period::Day,
            "Europe/Berlin",
            &[(1, "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z")],
            &[
                "2026-10-25 1 25 [0:1 1:1 2:2 3:1 4:1 5:1 6:1 7:1 8:1 9:1 10:1 11:1 12:1 13:1 14:1 15:1 16:1 17:1 18:1 19:1 20:1 21:1 22:1 23:1]",
            ],
        ),
        (
            "a clock that is set by half an hour",
            Period::Day,
            "Australia/Lord_Howe",
            &[(1, "2026-04-04T14:30:00Z", "2026-04-04T16:00:00Z")],
            &["2026-04-05 1 1.5 [1:1 2:0.5]"],
        ),
        (
            "two parts on a day are one session, two sessions are two",
            Period::Day,
            "UTC",
            &[
                (1, "2026-11-20T08:00:00Z", "2026-11-20T09:00:00Z"),
                (1, "2026-11-20T11:00:00Z", "2026-11-20T11:30:00Z"),
                (2, "2026-11-20T11:00:00Z", "2026-11-20T11:30:00Z"),
            ],
            &["2026-11-20 2 2 [8:1 11:1]"],
        ),
    ];
    for (name, period, zone, parts, want) in cases {
        assert_eq!(sums(*period, zone, parts), *want, "{name}");
    }
}

#[test]
fn the_mean_is_per_session_and_nothing_of_nothing() {
    let zone = zone("UTC");
    let mut use_of = TimeOfUse::new(Period::Day, &zone);
    for session in 1..=4 {
        use_of.add(Key { gateway: 1, session }, &1, 0, i64::from(session) * HOUR);
    }
    let sums = use_of.finish();
    assert_eq!(sums.values().map(|sum| (sum.sessions, sum.mean())).collect::<Vec<_>>(), [(4, HOUR * 10 / 4)]);
    assert_eq!(crate::session::usage::Use::default().mean(), 0);
}

#[test]
fn a_moment_has_one_period_of_each_kind() {
    let moment = at("2026-11-30T23:30:00Z");
    let keys = |name: &str| Period::ALL.map(|period| period.of(moment, &zone(name)).to_string());
    assert_eq!(keys("UTC"), ["2026-11-30", "2026-W49", "2026-11"]);
    assert_eq!(keys("Asia/Shanghai"), ["2026-12-01", "2026-W49", "2026-12"]);
}

proptest! {
    #[test]
    fn slices_adjoin_and_add_up_to_the_microsecond(
        start in 946_684_800_000_000_i64..4_102_444_800_000_000,
        length in 0_i64..200 * HOUR,
        name in proptest::sample::select(vec!["UTC", "Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe", "America/St_Johns", "Africa/Casablanca"]),
    ) {
        let zone = zone(name);
        let end = start + length;
        let mut reached = start;
        for slice in slices(start, end, &zone) {
            prop_assert_eq!(slice.from, reached);
            prop_assert!(slice.until > slice.from || length == 0);
            let last = Timestamp::from_microsecond((slice.until - 1).max(slice.from)).unwrap().to_zoned(zone.clone());
            prop_assert_eq!((last.date(), u8::try_from(last.hour()).unwrap()), (slice.date, slice.hour));
            reached = slice.until;
        }
        prop_assert_eq!(reached, end);
    }
}
