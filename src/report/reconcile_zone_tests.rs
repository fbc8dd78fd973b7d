//! Whether an invoice's days are those of another time zone is told from the ledger's own requests.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use parking_lot::Mutex;

use super::exchange::Target;
use super::invoice::Line;
use super::reconcile::{Cause, Reconciled, reconcile};
use crate::clock::Clock;
use crate::ledger::{Batch, Context, DataDir, Ledger, Moment, Options, Privacy, ROLLUP_HOUR, RequestFilter};
use crate::meter::{self, Meter};
use crate::record::{Cost, Currency, Micros, Priced, Record};

/// 2026-10-30T00:00:00Z
const START: Micros = 1_793_318_400_000_000;
const HOUR: Micros = 3_600_000_000;
const HOURS: i64 = 35 * 24;

/// What the request of an hour costs: more by day than by night, and another sum every day.
fn cost(hour: i64) -> i64 {
    (if (6..18).contains(&(hour % 24)) { 1_000_000 } else { 150_000 }) + hour / 24 * 7_000 + hour * hour % 977
}

/// A ledger with a request each hour from before the month until after it.
fn ledger(folder: &Path) -> Moment {
    let options = Options {
        data_dir: DataDir::Path(folder.to_owned()),
        privacy: Privacy { key: b"key".to_vec(), hash_sessions: false },
        rollup_seconds: ROLLUP_HOUR,
        timezone: TimeZone::UTC,
        sessions: crate::session::Config::default(),
        content: crate::content::Keeping::default(),
        clock: Clock::manual(START + HOURS * HOUR),
    };
    let mut ledger = Ledger::open(options, Arc::new(Mutex::new(Meter::new(meter::Config::default())))).unwrap();
    let mut batch = Batch::new(&["gateway".to_owned()]);
    for hour in 0..HOURS {
        let record = Record {
            start: START + hour * HOUR + HOUR / 2,
            request_id: format!("id-{hour}").into(),
            model: "gpt-4o".into(),
            ..Record::default()
        };
        let cost = Some(Cost { nanos: cost(hour), currency: Currency::USD });
        let priced = Priced { cost, ..Priced::default() };
        let context =
            Context { source: 0, provider: "openai", priced, cost, price_row: 0, dimensions: &[], line: b"line" };
        batch.push(&record, &context);
    }
    let prepared = ledger.prepare(vec![batch]).unwrap();
    ledger.commit(&prepared, Clock::manual(0).instant()).unwrap();
    Moment::open(folder).unwrap()
}

/// The month as somebody invoices it whose days are those of a zone and whose prices are so many per mille of ours.
fn invoice(zone: &TimeZone, permille: i128) -> Vec<Line> {
    let mut lines: Vec<Line> = (1..=30_i8)
        .map(|day| Line {
            line: 2,
            day: date(2026, 11, day),
            model: "gpt-4o".to_owned(),
            currency: Currency::USD,
            nanos: 0,
            tokens: None,
        })
        .collect();
    for hour in 0..HOURS {
        let at = Timestamp::from_microsecond(START + hour * HOUR + HOUR / 2).unwrap();
        let day: Date = at.to_zoned(zone.clone()).date();
        if let Some(line) = lines.iter_mut().find(|line| line.day == day) {
            line.nanos += i128::from(cost(hour)) * permille / 1_000;
        }
    }
    lines
}

fn compare(moment: &Moment, lines: &[Line], zone: &TimeZone) -> Reconciled {
    let target = Target { currency: Currency::USD, rates: Vec::new() };
    let found = reconcile(moment, lines, zone, &target, &RequestFilter::default()).unwrap().unwrap();
    assert_eq!(found.by_cause().values().sum::<i128>(), found.gap(), "the causes add up: {found:?}");
    found
}

#[test]
fn days_of_another_zone_explain_the_gap_to_the_nano_unit() {
    let folder = tempfile::tempdir().unwrap();
    let moment = ledger(folder.path());
    let zone = |name| TimeZone::get(name).unwrap();
    for (theirs, ours) in [
        ("America/Los_Angeles", "UTC"),
        ("Asia/Shanghai", "UTC"),
        ("UTC", "Asia/Shanghai"),
        ("America/Los_Angeles", "Asia/Shanghai"),
        ("Asia/Shanghai", "Europe/Berlin"),
    ] {
        let lines = invoice(&zone(theirs), 1_000);
        let found = compare(&moment, &lines, &zone(ours));
        assert_eq!(found.zone, theirs, "asked in {ours}");
        assert_ne!(found.gap(), 0, "{theirs} and {ours} cut the month at other hours");
        assert_eq!(found.by_cause(), [(Cause::TimeZone, found.gap())].into(), "asked in {ours}");
        let part = found.zone_part.unwrap();
        assert!(part.evidence.contains(theirs) && part.evidence.contains(ours), "{}", part.evidence);
    }
}

#[test]
fn other_prices_or_missing_lines_are_no_other_zone() {
    let folder = tempfile::tempdir().unwrap();
    let moment = ledger(folder.path());
    for name in ["UTC", "Asia/Shanghai", "Europe/Berlin"] {
        let zone = TimeZone::get(name).unwrap();
        let same = compare(&moment, &invoice(&zone, 1_000), &zone);
        assert_eq!((same.zone.as_str(), same.gap(), same.by_cause().len()), (name, 0, 0));
        let dearer = compare(&moment, &invoice(&zone, 1_100), &zone);
        assert_eq!((dearer.zone.as_str(), &dearer.zone_part), (name, &None));
        assert_eq!(dearer.by_cause().keys().collect::<Vec<_>>(), [&Cause::Rate], "{dearer:?}");
        let mut short = invoice(&zone, 1_000);
        short.truncate(25);
        short.remove(7);
        assert_eq!(compare(&moment, &short, &zone).zone_part, None, "{name}");
        // What one day comes to may be near to another zone's by chance.
        let one = vec![invoice(&TimeZone::get("America/Los_Angeles").unwrap(), 1_000).remove(4)];
        assert_eq!(compare(&moment, &one, &zone).zone_part, None, "{name}");
    }
}

#[test]
fn an_invoice_in_another_zone_and_at_other_prices_is_told_apart_into_both() {
    let folder = tempfile::tempdir().unwrap();
    let moment = ledger(folder.path());
    let found = compare(&moment, &invoice(&TimeZone::get("Asia/Shanghai").unwrap(), 1_050), &TimeZone::UTC);
    assert_eq!(found.zone, "Asia/Shanghai");
    assert_eq!(found.by_cause().into_keys().collect::<Vec<_>>(), [Cause::TimeZone, Cause::Rate]);
}
