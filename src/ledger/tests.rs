//! The ledger against itself: whatever happens, counters = rows + adjustments, and a restart changes nothing.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use proptest::prelude::*;

use super::*;
use crate::clock::Clock;
use crate::meter::{self, Gauges, Meter};
use crate::record::{
    Assumed, Cost, CountingFamily, Currency, ErrorReason, Logged, Outcome, Priced, Record, Tokens, Usage as TokenUsage,
};

const NOW: i64 = 1_790_000_000_000_000;
const HOUR: i64 = 3_600_000_000;

pub(super) fn options(folder: &Path) -> Options {
    Options {
        data_dir: DataDir::Path(folder.to_owned()),
        privacy: Privacy { key: b"key".to_vec(), hash_sessions: false },
        rollup_seconds: ROLLUP_HOUR,
        timezone: jiff::tz::TimeZone::UTC,
        sessions: crate::session::Config::default(),
        content: crate::content::Keeping::default(),
        clock: Clock::manual(NOW),
    }
}

pub(super) fn open(folder: &Path) -> (Ledger, Arc<Mutex<Meter>>) {
    let meter = Arc::new(Mutex::new(Meter::new(meter::Config::default())));
    (Ledger::open(options(folder), Arc::clone(&meter)).unwrap(), meter)
}

/// A request told apart by `n`; every third fails, every fifth is unpriced.
fn push(batch: &mut Batch, n: i64) {
    let tokens = Tokens { uncached_input: 100, cache_read: 10, visible_output: 20, reasoning: 5, ..Tokens::default() };
    let unpriced = n % 5 == 0;
    let record = Record {
        start: NOW - 100 * HOUR + n * 1_000_000,
        duration: Some(1_500_000),
        first_token: Some(250_000),
        request_id: format!("id-{n}").into(),
        session_id: format!("session-{}", n % 7).into(),
        route: "route".into(),
        model: format!("model-{}", n % 3).into(),
        consumer: format!("consumer-{}", n % 4).into(),
        user: format!("user-{}", n % 6).into(),
        status: Some(200),
        outcome: if n % 3 == 0 { Outcome::Error(ErrorReason::Upstream) } else { Outcome::Success },
        usage: TokenUsage::Counted {
            tokens,
            family: CountingFamily::OpenAi,
            logged: Logged::default(),
            cache_ttl_known: false,
        },
        tool_calls: if n % 2 == 0 { vec!["search".into(), "search".into()] } else { Vec::new() },
        ..Record::default()
    };
    let currency = if n % 2 == 0 { Currency::USD } else { Currency::CNY };
    let cost = (!unpriced).then_some(Cost { nanos: 1_000 + n, currency });
    let priced = Priced { cost, cache_savings_nanos: 3, row: None, assumed: Assumed::PROVIDER, unpriced };
    let context =
        Context { source: 0, provider: "provider", priced, cost, price_row: 0, dimensions: &[], line: b"line" };
    batch.push(&record, &context);
}

pub(super) fn batch(numbers: impl Iterator<Item = i64>) -> Batch {
    let mut batch = Batch::new(&["gateway".to_owned()]);
    for n in numbers {
        push(&mut batch, n);
    }
    batch.add_positions(vec![(7, "{}".to_owned())], Vec::new());
    batch
}

pub(super) fn commit(ledger: &mut Ledger, batch: Batch) {
    let prepared = ledger.prepare(vec![batch]).unwrap();
    ledger.commit(&prepared, Clock::manual(NOW).instant()).unwrap();
}

pub(super) fn page(meter: &Arc<Mutex<Meter>>) -> Vec<String> {
    let text = meter::encode(meter, Gauges { now: NOW, ..Gauges::default() }, Clock::manual(NOW).instant()).unwrap();
    let mut lines: Vec<String> = text
        .lines()
        .filter(|line| line.starts_with("tokentail_") && !line.contains("ledger_"))
        .map(str::to_owned)
        .collect();
    lines.sort();
    lines
}

pub(super) fn assert_sound(folder: &Path) {
    let report = Check::run(folder).unwrap();
    assert!(report.is_ok(), "{report:#?}");
}

#[test]
fn a_request_logged_twice_counts_once() {
    let folder = tempfile::tempdir().unwrap();
    let (mut ledger, _) = open(folder.path());
    commit(&mut ledger, batch(0..10));
    commit(&mut ledger, batch(5..15));
    assert_eq!((ledger.tally().requests, ledger.tally().duplicates, ledger.rows()), (15, 5, 15));
    ledger.write_folds().unwrap();
    drop(ledger);
    let (mut ledger, _) = open(folder.path());
    commit(&mut ledger, batch(0..20));
    assert_eq!((ledger.tally().requests, ledger.tally().duplicates), (5, 15));
    assert_eq!(ledger.tally().sessions(), 5);
    ledger.write_folds().unwrap();
    assert_sound(folder.path());
}

#[test]
fn what_was_committed_and_not_folded_is_folded_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let (mut ledger, meter) = open(folder.path());
    commit(&mut ledger, batch(0..100));
    ledger.write_folds().unwrap();
    commit(&mut ledger, batch(100..333));
    let shown = page(&meter);
    drop(ledger);
    let (mut ledger, meter) = open(folder.path());
    assert_eq!(page(&meter), shown);
    ledger.write_folds().unwrap();
    assert_sound(folder.path());
}

#[test]
fn a_ledger_has_one_writer_and_readers_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let (mut ledger, _) = open(folder.path());
    commit(&mut ledger, batch(0..50));
    let again = Ledger::open(options(folder.path()), Arc::new(Mutex::new(Meter::new(meter::Config::default()))));
    let error = again.unwrap_err();
    assert!(error.is_misuse() && error.to_string().contains(&std::process::id().to_string()), "{error}");
    let info = Info::read(folder.path()).unwrap();
    assert_eq!((info.requests, info.unfolded), (50, 50));
    let copy = folder.path().join("copy").join(LEDGER_FILE);
    std::fs::create_dir(copy.parent().unwrap()).unwrap();
    backup(folder.path(), &copy, |_, _| {}).unwrap();
    assert!(backup(folder.path(), &copy, |_, _| {}).unwrap_err().to_string().contains("exists"));
    drop(ledger);
    let (mut restored, _) = open(copy.parent().unwrap());
    assert_eq!(restored.rows(), 50);
    restored.write_folds().unwrap();
    assert_sound(copy.parent().unwrap());
}

#[test]
fn a_missing_newer_foreign_or_damaged_ledger_is_named_and_never_replaced() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(Info::read(folder.path()), Err(Error::Missing(_))));
    assert!(!folder.path().join(LEDGER_FILE).exists());
    let open_again =
        |folder: &Path| Ledger::open(options(folder), Arc::new(Mutex::new(Meter::new(meter::Config::default()))));
    drop(open(folder.path()));
    let path = folder.path().join(LEDGER_FILE);
    let database = rusqlite::Connection::open(&path).unwrap();
    database.pragma_update(None, "user_version", SCHEMA_VERSION + 1).unwrap();
    drop(database);
    assert!(matches!(open_again(folder.path()), Err(Error::Newer { found, .. }) if found == SCHEMA_VERSION + 1));

    let foreign = tempfile::tempdir().unwrap();
    let database = rusqlite::Connection::open(foreign.path().join(LEDGER_FILE)).unwrap();
    database.execute_batch("CREATE TABLE other (x)").unwrap();
    drop(database);
    assert!(matches!(open_again(foreign.path()), Err(Error::Foreign(_))));

    let damaged = tempfile::tempdir().unwrap();
    let noise = vec![0x5a; 40_000];
    std::fs::write(damaged.path().join(LEDGER_FILE), &noise).unwrap();
    let error = open_again(damaged.path()).unwrap_err();
    assert!(matches!(&error, Error::Corrupt { path, .. } if path.ends_with(LEDGER_FILE)), "{error:?}");
    assert_eq!(std::fs::read(damaged.path().join(LEDGER_FILE)).unwrap(), noise);
}

#[test]
fn retention_removes_whole_blocks_and_counters_stay() {
    let folder = tempfile::tempdir().unwrap();
    let (mut ledger, meter) = open(folder.path());
    for first in (0..7_500).step_by(1_250) {
        commit(&mut ledger, batch(first..first + 1_250));
    }
    let shown = page(&meter);
    // The first rows start 100 h ago; each block of 2,048 rows spans about 34 min.
    let retention = Retention { requests: Duration::from_secs(100 * 3600 - 45 * 60), ..Retention::default() };
    let mut steps = 0;
    while ledger.retain(&retention).unwrap() {
        steps += 1;
    }
    assert_eq!(steps, 1);
    assert_eq!(Info::read(folder.path()).unwrap().requests, 7_500 - 2_047);
    assert_eq!(page(&meter), shown);
    assert_sound(folder.path());
    let small = Retention { requests: Duration::from_secs(1 << 30), max_size: Some(1), ..Retention::default() };
    while ledger.retain(&small).unwrap() {}
    assert!(Info::read(folder.path()).unwrap().requests < 2 * 2_048);
    assert_sound(folder.path());
    let (before, after) = ledger.compact().unwrap();
    assert!(after < before, "{after} < {before}");
    drop(ledger);
    let (mut ledger, meter) = open(folder.path());
    assert_eq!(page(&meter), shown);
    commit(&mut ledger, batch(7_500..7_600));
    assert_eq!(ledger.rows(), 7_600);
    ledger.write_folds().unwrap();
    assert_sound(folder.path());
}

#[test]
fn repricing_changes_rows_and_leaves_counters_and_an_adjustment() {
    let folder = tempfile::tempdir().unwrap();
    let (mut ledger, meter) = open(folder.path());
    commit(&mut ledger, batch(0..1_000));
    let shown = page(&meter);
    let price = |row: &crate::record::Row, _: &crate::record::Attributes| {
        let cost = Some(Cost { nanos: 2 * row.cost.map_or(50, |cost| cost.nanos), currency: Currency::USD });
        Repricing { priced: Priced { cost, ..Priced::default() }, cost, price_row: 0 }
    };
    let since = NOW - 100 * HOUR + 400 * 1_000_000;
    let dry = ledger.reprice(since, true, price, |_, _| {}).unwrap();
    let done = ledger.reprice(since, false, price, |_, _| {}).unwrap();
    assert_eq!(dry, done);
    assert_eq!((done.rows, done.changed, done.unpriced), (600, 600, (120, 0)));
    assert_eq!(done.cost[&Currency::CNY].1, 0);
    assert_eq!(page(&meter), shown);
    assert_sound(folder.path());
    drop(ledger);
    let (_, meter) = open(folder.path());
    assert_eq!(page(&meter), shown);
}

#[test]
fn without_a_folder_counters_live_in_memory() {
    let meter = Arc::new(Mutex::new(Meter::new(meter::Config::default())));
    let options = Options { data_dir: DataDir::None, ..options(Path::new("unused")) };
    let mut ledger = Ledger::open(options, Arc::clone(&meter)).unwrap();
    commit(&mut ledger, batch(0..100));
    commit(&mut ledger, batch(50..120));
    ledger.write_folds().unwrap();
    assert_eq!((ledger.tally().requests, ledger.tally().duplicates), (120, 30 + 20));
    assert!(ledger.path().is_none());
}

#[test]
fn no_plain_user_is_written_to_disk() {
    let folder = tempfile::tempdir().unwrap();
    let (mut ledger, _) = open(folder.path());
    let mut batch = Batch::new(&["gateway".to_owned()]);
    let record = Record {
        start: NOW,
        request_id: "r".into(),
        user: "jane.roe.secret".into(),
        consumer: "jane.roe.mail@example.com".into(),
        ..Record::default()
    };
    let context = Context {
        source: 0,
        provider: "",
        priced: Priced::default(),
        cost: None,
        price_row: 0,
        dimensions: &[],
        line: b"",
    };
    batch.push(&record, &context);
    commit(&mut ledger, batch);
    ledger.write_folds().unwrap();
    drop(ledger);
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(memchr::memmem::find(&bytes, b"jane.roe").is_none());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn restarts_and_lost_folds_never_change_a_counter(
        steps in proptest::collection::vec((0_i64..400, 0_i64..60, any::<bool>(), any::<bool>()), 1..8)
    ) {
        let (folder, clean) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (mut ledger, mut meter) = open(folder.path());
        let (mut reference, reference_meter) = open(clean.path());
        for (first, count, fold, restart) in steps {
            commit(&mut ledger, batch(first..first + count));
            commit(&mut reference, batch(first..first + count));
            if fold {
                ledger.write_folds().unwrap();
            }
            if restart {
                drop(ledger);
                (ledger, meter) = open(folder.path());
            }
        }
        prop_assert_eq!(page(&meter), page(&reference_meter));
        ledger.write_folds().unwrap();
        prop_assert!(Check::run(folder.path()).unwrap().is_ok());
    }
}

#[test]
fn a_ledger_of_version_1_is_copied_and_brought_to_this_version() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(LEDGER_FILE);
    let old = rusqlite::Connection::open(&path).unwrap();
    old.execute_batch(include_str!("../../tests/ledger/version-1.sql")).unwrap();
    drop(old);
    let error = Info::read(folder.path()).unwrap_err().to_string();
    assert!(error.contains(&format!("it has version 1, and this program reads version {SCHEMA_VERSION}")), "{error}");
    drop(open(folder.path()));
    let report = Check::run(folder.path()).unwrap();
    assert!(report.is_ok(), "{:?}", report.findings);
    assert_eq!(Info::read(folder.path()).unwrap().requests, 14);
    let copy = rusqlite::Connection::open(folder.path().join("ledger.db.version-1")).unwrap();
    let version: i64 = copy.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert_eq!(version, 1, "the copy is what was there before");
    let mut found = Vec::new();
    super::row::each(&rusqlite::Connection::open(&path).unwrap(), 11, 13, |row, request_id| {
        found.push((row.tokens.input(), row.tokens.output(), row.status, row.trace_id.is_some(), request_id.text()));
        Ok(())
    })
    .unwrap();
    assert_eq!(found.last(), Some(&(5, 6, 200, true, "not-a-uuid".to_owned())));
}

#[test]
fn retention_waits_for_a_sink_until_the_ledger_is_too_large() {
    let folder = tempfile::tempdir().unwrap();
    let (mut ledger, _) = open(folder.path());
    ledger.use_sink("slow", SinkStart::Oldest).unwrap();
    commit(&mut ledger, batch(0..5_000));
    let requests = || Info::read(folder.path()).unwrap().requests;
    let old = Retention { requests: Duration::from_secs(3_600), ..Retention::default() };
    while ledger.retain(&old).unwrap() {}
    assert_eq!(requests(), 5_000, "all are too old, and none was sent");
    ledger
        .move_sink("slow", Some(SinkPosition { row: 2_250, ..SinkPosition::default() }), &SinkCounts::default())
        .unwrap();
    while ledger.retain(&old).unwrap() {}
    assert_eq!(requests(), 5_000 - 2_047, "the first block was sent whole");
    while ledger.retain(&Retention { max_size: Some(1), ..old.clone() }).unwrap() {}
    assert_eq!(requests(), 5_000 - 4_095, "what does not fit goes");
    let mut cursor = Cursor::open(folder.path()).unwrap();
    let position = ledger.sinks().get("slow").unwrap().position;
    let entries = cursor.next(position, 10, None).unwrap();
    assert_eq!((entries.expired, entries.requests.len()), (4_095 - 2_250, 10), "and is told");
    ledger.leave_sink("slow");
    assert_eq!(ledger.use_sink("slow", SinkStart::Now).unwrap(), position, "what is known of it is kept");
}

#[test]
fn a_ledger_of_version_2_gets_kinds_of_cost_days_and_columns() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(LEDGER_FILE);
    let old = rusqlite::Connection::open(&path).unwrap();
    old.execute_batch(include_str!("../../tests/ledger/version-2.sql")).unwrap();
    let cost: i64 = old.query_row("SELECT sum(cost) FROM rollups", [], |row| row.get(0)).unwrap();
    drop(old);
    let (mut ledger, _) = open(folder.path());
    assert_sound(folder.path());
    let of_users = "SELECT count(*), sum(mixed_users & 2 <> 0) FROM parts WHERE user <> 0";
    let (all, looked_at): (i64, i64) =
        ledger.connection.query_row(of_users, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    assert!(all > 0 && all == looked_at, "whether all of a part's requests name its user, only its rows say");
    let mut sums = Measures::default();
    for usage in UsageQuery::open(folder.path()).unwrap().sum(0, i64::MAX / 1_000_000).unwrap() {
        sums.add(&usage.measures);
    }
    let kinds = [
        Measure::CostInput,
        Measure::CostCacheRead,
        Measure::CostCacheWrite,
        Measure::CostOutput,
        Measure::CostReasoning,
    ];
    assert_eq!(kinds.iter().map(|kind| sums.get(*kind)).sum::<i64>(), cost, "every cost comes from a price row");
    // The one cache write is of a model that nobody prices.
    assert_eq!(kinds.map(|kind| sums.get(kind) > 0), [true, true, false, true, true]);
    assert_eq!(sums.get(Measure::CostOther), 0);
    commit(&mut ledger, batch(0..20));
    ledger.write_folds().unwrap();
    assert_sound(folder.path());
    assert!(folder.path().join("ledger.db.version-2").exists());
}

#[test]
fn a_ledger_of_version_3_gets_its_parts_packed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(LEDGER_FILE);
    let old = rusqlite::Connection::open(&path).unwrap();
    old.execute_batch(include_str!("../../tests/ledger/version-3.sql")).unwrap();
    drop(old);
    let (mut ledger, _) = open(folder.path());
    assert_sound(folder.path());
    let all = SessionList { limit: 100, sort: Sort::Cost, ..SessionList::default() };
    let sessions = || SessionQuery::open(folder.path()).unwrap().page(&all).unwrap().sessions;
    let before: Vec<String> = sessions().iter().map(|session| format!("{session:?}")).collect();
    assert_eq!(before.len(), 5);
    for first in (0..2_250).step_by(750) {
        commit(&mut ledger, batch(first..first + 750));
    }
    ledger.write_folds().unwrap();
    while ledger.pack().unwrap() {}
    assert_sound(folder.path());
    let tables = Info::read(folder.path()).unwrap().tables;
    assert_eq!(tables["part_columns"], 1);
    let after: Vec<String> = sessions().iter().map(|session| format!("{session:?}")).collect();
    assert!(before.iter().all(|session| after.contains(session)), "{before:?} {after:?}");
    assert!(folder.path().join("ledger.db.version-3").exists());
}

#[test]
fn a_block_that_was_full_in_version_2_gets_its_columns_and_costs_of_gone_rows_are_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(LEDGER_FILE);
    let (mut ledger, meter) = open(folder.path());
    for first in (0..5_000).step_by(1_000) {
        commit(&mut ledger, batch(first..first + 1_000));
    }
    let small = Retention { requests: Duration::from_secs(100 * 3600 - 45 * 60), ..Retention::default() };
    while ledger.retain(&small).unwrap() {}
    let shown = page(&meter);
    drop(ledger);
    let database = rusqlite::Connection::open(&path).unwrap();
    older(&database);
    drop(database);
    let (_, meter) = open(folder.path());
    assert_eq!(page(&meter), shown);
    assert_sound(folder.path());
    let kept: i64 = rusqlite::Connection::open(&path)
        .unwrap()
        .query_row("SELECT count(*) FROM columns", [], |row| row.get(0))
        .unwrap();
    assert_eq!(kept, 19, "one full block is left");
}

/// Brings the folds of a ledger to the form that version 2 had.
fn older(database: &rusqlite::Connection) {
    let columns: Vec<&str> = Measure::ALL.iter().take(24).map(|measure| measure.column()).collect();
    let typed: Vec<String> = columns.iter().map(|column| format!("{column} INTEGER NOT NULL")).collect();
    database
        .execute_batch(&format!(
            "CREATE TABLE rollups_2 (bucket INTEGER NOT NULL, attributes INTEGER NOT NULL, currency INTEGER NOT NULL, {},
             PRIMARY KEY (bucket, attributes, currency)) STRICT, WITHOUT ROWID;",
            typed.join(", ")
        ))
        .unwrap();
    let mut statement = database.prepare("SELECT bucket, attributes, currency, data FROM rollups").unwrap();
    let mut rows = statement.query([]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        let sums = Measures::unpack(row.get_ref(3).unwrap().as_blob().unwrap()).unwrap();
        let key: [i64; 3] = [row.get(0).unwrap(), row.get(1).unwrap(), row.get(2).unwrap()];
        let values: Vec<i64> = key.into_iter().chain(sums.values().take(24)).collect();
        let sql = format!("INSERT INTO rollups_2 VALUES (?{})", ", ?".repeat(26));
        database.execute(&sql, rusqlite::params_from_iter(values)).unwrap();
    }
    drop(rows);
    drop(statement);
    let drops: Vec<String> = Measure::ALL
        .iter()
        .skip(24)
        .map(|measure| format!("ALTER TABLE adjustments DROP COLUMN {};", measure.column()))
        .collect();
    database
        .execute_batch(&format!(
            "DROP TABLE rollups; ALTER TABLE rollups_2 RENAME TO rollups; DROP TABLE rollup_days; DROP TABLE columns;
             DROP TABLE audit; DROP TABLE probe_use; DROP TABLE part_columns; DROP TABLE late_parts; DROP TABLE user_days; DROP TABLE rollup_columns;
             ALTER TABLE probe_results DROP COLUMN cache_read; ALTER TABLE probe_results DROP COLUMN reasoning;
             ALTER TABLE probe_results DROP COLUMN price_row; ALTER TABLE probe_results DROP COLUMN currency;
             ALTER TABLE probe_results DROP COLUMN cost; DELETE FROM facts WHERE key = 'rollup_zone'; {} PRAGMA user_version = 2;",
            drops.concat()
        ))
        .unwrap();
}
