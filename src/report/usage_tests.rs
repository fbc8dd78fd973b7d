//! The sums of groups are those of the rows, however the groups cut the parts.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use jiff::tz::TimeZone;
use parking_lot::Mutex;

use super::By;
use super::usage::{Figures, Page, Question, Usage, answer, dimensions, open, page};
use crate::clock::Clock;
use crate::ledger::{Batch, Context, DataDir, Ledger, Options, Privacy, ROLLUP_HOUR, Retention};
use crate::meter::{self, Meter};
use crate::record::{Cost, CountingFamily, Currency, Logged, Priced, Record, Tokens, Usage as TokenUsage};

const MINUTE: i64 = 60_000_000;
const DAY: i64 = 24 * 60 * MINUTE;
/// 2026-03-28T22:00:00Z: 24 h before the end of a day in UTC, and the night in which Berlin's clock springs forward.
const START: i64 = 1_774_735_200_000_000;
const NOW: i64 = START + 10 * DAY;

struct Asked {
    session: &'static str,
    user: &'static str,
    model: &'static str,
    minute: i64,
    round: u32,
}

fn ledger(folder: &Path) -> Ledger {
    let options = Options {
        data_dir: DataDir::Path(folder.to_owned()),
        privacy: Privacy { key: b"key".to_vec(), hash_sessions: false },
        rollup_seconds: ROLLUP_HOUR,
        timezone: jiff::tz::TimeZone::UTC,
        sessions: crate::session::Config::default(),
        content: crate::content::Keeping::default(),
        clock: Clock::manual(NOW),
    };
    Ledger::open(options, Arc::new(Mutex::new(Meter::new(meter::Config::default())))).unwrap()
}

fn batch(asked: impl IntoIterator<Item = Asked>) -> Batch {
    let mut batch = Batch::new(&["gateway".to_owned()]);
    for Asked { session, user, model, minute, round } in asked {
        let tokens = Tokens { uncached_input: 7, visible_output: 3, ..Tokens::default() };
        let record = Record {
            start: START + minute * MINUTE,
            duration: Some(MINUTE),
            request_id: format!("{session}-{user}-{minute}-{round}").into(),
            session_id: session.into(),
            user: user.into(),
            model: model.into(),
            chat_round: (round > 0).then_some(round),
            dimensions: vec![if model == "a" { "red" } else { "blue" }.into()],
            usage: TokenUsage::Counted {
                tokens,
                family: CountingFamily::OpenAi,
                logged: Logged::default(),
                cache_ttl_known: false,
            },
            ..Record::default()
        };
        let currency = if model == "a" { Currency::USD } else { Currency::CNY };
        let cost = Some(Cost { nanos: 10 + minute, currency });
        let priced = Priced { cost, ..Priced::default() };
        let names = ["colour".to_owned()];
        let context =
            Context { source: 0, provider: "p", priced, cost, price_row: 0, dimensions: &names, line: b"line" };
        batch.push(&record, &context);
    }
    batch
}

fn commit(ledger: &mut Ledger, batch: Batch) {
    let prepared = ledger.prepare(vec![batch]).unwrap();
    ledger.commit(&prepared, Clock::manual(NOW).instant()).unwrap();
}

fn ask(folder: &Path, by: &str, zone: &str, since: i64, until: i64) -> Usage {
    let moment = open(folder).unwrap();
    let known = dimensions(&moment).unwrap();
    let by = by.split(',').map(|word| By::parse(word, &known).unwrap()).collect();
    answer(&moment, &Question { by, since, until, zone: TimeZone::get(zone).unwrap() }).unwrap()
}

/// Pages hold the groups of the whole answer, one after the other, and its total.
fn assert_pages(folder: &Path, by: &str, zone: &str, since: i64, until: i64) {
    let whole = ask(folder, by, zone, since, until);
    let moment = open(folder).unwrap();
    let known = dimensions(&moment).unwrap();
    let by = by.split(',').map(|word| By::parse(word, &known).unwrap()).collect();
    let question = Question { by, since, until, zone: TimeZone::get(zone).unwrap() };
    for most in [1, 3, 40] {
        let (mut after, mut groups) = (None, Vec::new());
        while groups.len() < whole.groups.len().min(9 * most) {
            let found = page(&moment, &question, &Page { after: after.clone(), most }).unwrap();
            assert_eq!(found.total, whole.total);
            assert!(!found.groups.is_empty() && found.groups.len() <= most);
            after = found.groups.last().map(|(values, _)| values.clone());
            groups.extend(found.groups);
        }
        assert_eq!(groups, whole.groups[..groups.len()], "{:?} by {most}", question.by);
    }
}

fn sums(usage: &Usage) -> (u64, u64, u64, i64, BTreeMap<Currency, i128>) {
    let mut sum = (0, 0, 0, 0, BTreeMap::new());
    for (_, figures) in &usage.groups {
        sum.0 += figures.requests;
        sum.1 += figures.tokens.total();
        sum.2 += figures.turns;
        sum.3 += figures.time;
        for (currency, nanos) in &figures.costs {
            *sum.4.entry(*currency).or_default() += nanos;
        }
    }
    sum
}

fn of_total(total: &Figures) -> (u64, u64, u64, i64, BTreeMap<Currency, i128>) {
    (total.requests, total.tokens.total(), total.turns, total.time, total.costs.clone())
}

const ALL: [&str; 10] = [
    "day",
    "hour_of_day",
    "user",
    "model",
    "user,day",
    "colour,week,hour_of_day",
    "gateway,month",
    "consumer",
    "user,model,day,hour_of_day",
    "hour,model",
];

#[test]
fn a_session_over_midnight_counts_on_both_days_by_its_time_on_each() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = ledger(folder.path());
    let one = |minute, round| Asked { session: "s", user: "u", model: "a", minute, round };
    // 23:50 to 00:11 UTC of the next day.
    commit(&mut ledger, batch([one(110, 1), one(115, 1), one(120, 2), one(130, 3)]));
    for fold in [false, true] {
        if fold {
            ledger.write_folds().unwrap();
        }
        let days = ask(folder.path(), "day", "UTC", i64::MIN, i64::MAX).groups;
        let found: Vec<(&str, u64, i64, u64, u64)> = days
            .iter()
            .map(|(group, figures)| {
                (group[0].as_str(), figures.sessions, figures.time / MINUTE, figures.turns, figures.requests)
            })
            .collect();
        assert_eq!(found, [("2026-03-28", 1, 10, 1, 2), ("2026-03-29", 1, 11, 2, 2)]);
        let total = ask(folder.path(), "day", "UTC", i64::MIN, i64::MAX).total;
        assert_eq!((total.sessions, total.time / MINUTE, total.turns), (1, 21, 3));
    }
    // In Berlin it is 00:50 to 01:11 of one day.
    let berlin = ask(folder.path(), "day", "Europe/Berlin", i64::MIN, i64::MAX);
    assert_eq!(berlin.groups.len(), 1);
    let clipped = ask(folder.path(), "user", "UTC", START + 120 * MINUTE, START + 125 * MINUTE).total;
    assert_eq!((clipped.requests, clipped.turns, clipped.time / MINUTE, clipped.sessions), (1, 1, 5, 1));
}

#[test]
fn the_hour_that_a_clock_skips_has_no_time() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = ledger(folder.path());
    // 00:40 to 01:21 UTC: 01:40 to 03:21 in Berlin, where 02:00 to 03:00 does not exist.
    let one = |minute| Asked { session: "s", user: "u", model: "a", minute, round: 0 };
    commit(&mut ledger, batch([one(160), one(180), one(200)]));
    let hours = ask(folder.path(), "hour_of_day", "Europe/Berlin", i64::MIN, i64::MAX).groups;
    let found: Vec<(&str, i64)> =
        hours.iter().map(|(group, figures)| (group[0].as_str(), figures.time / MINUTE)).collect();
    assert_eq!(found, [("01", 20), ("03", 21)]);
}

#[test]
fn the_time_between_two_requests_belongs_to_the_group_of_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = ledger(folder.path());
    let one = |model, minute| Asked { session: "s", user: "u", model, minute, round: 0 };
    commit(&mut ledger, batch([one("a", 0), one("b", 5), one("b", 7), one("a", 20)]));
    let models = ask(folder.path(), "model", "UTC", i64::MIN, i64::MAX);
    let found: Vec<(&str, u64, i64)> = models
        .groups
        .iter()
        .map(|(group, figures)| (group[0].as_str(), figures.sessions, figures.time / MINUTE))
        .collect();
    assert_eq!(found, [("a", 1, 6), ("b", 1, 15)]);
    assert_eq!((models.total.sessions, models.total.time / MINUTE), (1, 21));
}

/// Many sessions that overlap, with users and models that change within them, and requests of no session.
fn mixed(count: i64) -> impl Iterator<Item = Asked> {
    const SESSIONS: [&str; 5] = ["s", "t", "u", "v", ""];
    const USERS: [&str; 3] = ["", "jane", "joe"];
    (0..count).map(|n| {
        let at = |modulus: i64| usize::try_from(n % modulus).unwrap();
        Asked {
            session: SESSIONS[at(5)],
            user: [USERS[0], USERS[1], USERS[at(3)], USERS[2], USERS[0]][at(5)],
            model: if n % 7 == 0 { "b" } else { "a" },
            minute: n * 3 + if n % 500 > 400 { 90 } else { 0 },
            round: if n % 5 == 4 { 0 } else { u32::try_from(n / 9).unwrap() },
        }
    })
}

#[test]
fn the_sums_of_the_groups_are_those_of_the_ledger_however_they_are_cut() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = ledger(folder.path());
    commit(&mut ledger, batch(mixed(1_000)));
    ledger.write_folds().unwrap();
    commit(&mut ledger, batch(mixed(1_500)));
    let ranges = [(i64::MIN, i64::MAX), (START + 333 * MINUTE, START + 2_111 * MINUTE)];
    for (since, until) in ranges {
        let mut want = (0, 0, BTreeMap::new());
        open(folder.path())
            .unwrap()
            .each_row(
                since,
                until,
                |_| true,
                |row| -> Result<(), crate::ledger::Error> {
                    want.0 += 1;
                    want.1 += row.tokens.total();
                    let cost = row.cost.unwrap();
                    *want.2.entry(cost.currency).or_default() += i128::from(cost.nanos);
                    Ok(())
                },
            )
            .unwrap();
        assert!(want.0 > 100);
        let mut totals = BTreeSet::new();
        for by in ALL {
            assert_pages(folder.path(), by, "Asia/Kolkata", since, until);
            let usage = ask(folder.path(), by, "Asia/Kolkata", since, until);
            let (requests, tokens, turns, time, cost) = sums(&usage);
            assert_eq!((requests, tokens, cost), want.clone(), "{by}");
            assert_eq!(sums(&usage), of_total(&usage.total), "{by}");
            totals.insert((turns, time, usage.total.sessions));
            assert!(usage.groups.iter().all(|(_, figures)| figures.sessions <= usage.total.sessions));
        }
        assert_eq!(totals.len(), 1, "the groups cut one and the same time: {totals:?}");
    }
}

#[test]
fn parts_that_retention_has_cut_count_by_the_rows_that_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = ledger(folder.path());
    let one = |n: i64| Asked { session: "s", user: "u", model: "a", minute: n / 20, round: 0 };
    commit(
        &mut ledger,
        batch((0..8_500).map(|n| Asked {
            session: if n % 2 == 0 { "s" } else { "t" },
            round: u32::try_from(n).unwrap() + 1,
            ..one(n)
        })),
    );
    ledger.write_folds().unwrap();
    let age = std::time::Duration::from_micros(u64::try_from(NOW - START - 415 * MINUTE).unwrap());
    while ledger.retain(&Retention { requests: age, max_size: None, ..Retention::default() }).unwrap() {}
    for by in ALL {
        let usage = ask(folder.path(), by, "UTC", i64::MIN, i64::MAX);
        assert_eq!(usage.total.requests, 8_500 - 8_191, "{by}");
        assert_eq!(sums(&usage), of_total(&usage.total), "{by}");
    }
}
