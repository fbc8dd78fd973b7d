//! The bounds of the page, and what a restart or a change of labels leaves of the counts.

use std::collections::BTreeSet;

use super::Config;
use super::series::Dirty;
use super::store::*;
use crate::record::{Attributes, Cost, Currency, ErrorReason, Outcome, Row, Tokens};

fn row(attributes: u32) -> Row {
    Row {
        attributes,
        status: 200,
        counted: true,
        price_row: 1,
        tokens: Tokens { uncached_input: 10, visible_output: 5, ..Tokens::default() },
        cost: Some(Cost { nanos: 7, currency: Currency::USD }),
        duration: Some(1_000),
        ..Row::default()
    }
}

fn attributes(model: usize, consumer: usize) -> Attributes {
    Attributes {
        gateway: "g".into(),
        route: "r".into(),
        provider: "p".into(),
        model: format!("m{model}"),
        consumer: format!("c{consumer}"),
        ..Attributes::default()
    }
}

fn requests(meter: &Meter) -> u64 {
    meter.requests.entries.iter().flat_map(|entry| entry.value.codes.values()).sum()
}

#[test]
fn a_hundred_thousand_consumers_stay_within_the_bound_and_lose_nothing() {
    let mut meter = Meter::new(Config::default());
    for consumer in 0..100_000 {
        let id = u32::try_from(consumer).unwrap();
        meter.observe(&row(id), &attributes(consumer % 3, consumer), &[], None, None);
    }
    assert!(meter.lines() <= meter.config().max_lines, "{}", meter.lines());
    assert_eq!(requests(&meter), 100_000);
    let consumers: BTreeSet<_> = meter.requests.entries.iter().map(|entry| &entry.labels.0[4]).collect();
    assert_eq!(consumers.len(), MAX_VALUES + 1);
    let models: BTreeSet<_> = meter.requests.entries.iter().map(|entry| entry.labels.0[3].as_str()).collect();
    assert_eq!(models, BTreeSet::from(["m0", "m1", "m2"]));
    assert!(meter.own_pending.folded["requests_total"] >= 100_000 - 200 * 3);
}

#[test]
fn thirty_models_and_a_hundred_and_fifty_consumers_are_not_folded() {
    let mut meter = Meter::new(Config::default());
    for id in 0..30 * 150 {
        meter.observe(&row(u32::try_from(id).unwrap()), &attributes(id / 150, id % 150), &[], None, None);
    }
    assert_eq!(meter.requests.entries.len(), 30 * 150);
    assert!(meter.own_pending.folded.is_empty(), "{:?}", meter.own_pending.folded);
    assert!(meter.lines() <= meter.config().max_lines, "{}", meter.lines());
}

#[test]
fn a_small_page_folds_consumer_first_then_route_and_never_the_model() {
    let mut meter = Meter::new(Config { max_lines: 1_000, ..Config::default() });
    for id in 0..2_000_usize {
        let mut attributes = attributes(id % 7, id);
        attributes.route = format!("r{}", id % 50);
        meter.observe(&row(u32::try_from(id).unwrap()), &attributes, &[], None, None);
    }
    assert_eq!(requests(&meter), 2_000);
    let models: BTreeSet<_> = meter.requests.entries.iter().map(|entry| entry.labels.0[3].as_str()).collect();
    assert_eq!(models.len(), 7);
    assert!(meter.requests.entries.iter().any(|entry| entry.labels.0[1] == OTHER));
}

#[test]
fn a_restored_meter_goes_on_where_it_stood() {
    let mut meter = Meter::new(Config::default());
    for id in 0..300 {
        meter.observe(&row(id), &attributes(1, id as usize), &["search".into()], None, None);
    }
    meter.observe_commit(1_000_000);
    let stored = meter.take_dirty();
    assert!(meter.take_dirty().is_empty());
    meter.written();
    let mut restored = Meter::new(Config::default());
    for dirty in &stored {
        restored.restore(dirty).unwrap();
    }
    restored.restored();
    assert_eq!(restored.lines(), meter.lines());
    for meter in [&mut meter, &mut restored] {
        meter.observe(&row(900), &attributes(1, 900), &[], None, None);
        meter.observe(&row(7), &attributes(1, 7), &[], None, None);
    }
    for (one, two) in meter.requests.entries.iter().zip(&restored.requests.entries) {
        assert_eq!((&one.labels, &one.value), (&two.labels, &two.value));
    }
    assert_eq!(meter.own, restored.own);
}

#[test]
fn a_dimension_becomes_a_label_and_stops_being_one_without_losing_a_count() {
    let labelled = Config { dimension_labels: vec!["team".into()], ..Config::default() };
    let mut attributes = [attributes(1, 1), attributes(1, 1)];
    attributes[0].dimensions.push(("team".into(), "sales".into()));
    attributes[1].dimensions.push(("team".into(), "support".into()));
    let mut stored = Vec::new();
    for (config, series) in [(labelled.clone(), 2), (Config::default(), 1), (labelled, 3)] {
        let mut meter = Meter::new(config);
        stored.iter().for_each(|dirty| meter.restore(dirty).unwrap());
        meter.restored();
        for (id, attributes) in (0..).zip(&attributes) {
            meter.observe(&row(id), attributes, &[], None, None);
        }
        assert_eq!(meter.requests.entries.len(), series);
        let dirty = meter.take_dirty();
        let gone = |known: &Dirty| dirty.iter().any(|new| new.family == known.family && new.labels == known.labels);
        stored.retain(|known| !gone(known));
        stored.extend(dirty.into_iter().filter(|new| !new.value.is_empty()));
    }
    let mut meter = Meter::new(Config::default());
    stored.iter().for_each(|dirty| meter.restore(dirty).unwrap());
    meter.restored();
    let requests: u64 = meter.requests.entries.iter().flat_map(|entry| entry.value.codes.values()).sum();
    assert_eq!((requests, meter.requests.entries.len()), (6, 1));
}

#[test]
fn new_series_are_held_at_zero_but_not_those_of_history() {
    let hold = std::time::Duration::from_secs(30);
    let mut meter = Meter::new(Config { new_series_hold: hold, ..Config::default() });
    let start = crate::clock::Clock::manual(0).instant();
    meter.observe(&row(1), &attributes(1, 1), &[], None, Some(start));
    let later = start + hold;
    meter.hold_new_series(later);
    meter.observe(&row(2), &attributes(1, 2), &[], None, Some(later));
    let held = |now| -> Vec<bool> { meter.requests.entries.iter().map(|e| meter.is_held(e.born, now)).collect() };
    assert_eq!(held(later), [false, true]);
    assert_eq!(held(later + hold), [false, false]);
}

#[test]
fn a_made_up_model_of_a_failed_request_is_no_label_value() {
    let mut meter = Meter::new(Config::default());
    let failed = Row { outcome: Outcome::Error(ErrorReason::Client), price_row: 0, cost: None, ..row(1) };
    meter.observe(&failed, &attributes(1, 1), &[], None, None);
    assert_eq!(meter.requests.entries[0].labels.0[3], UNKNOWN);
}
