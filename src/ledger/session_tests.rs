//! Sessions in the ledger: whatever happens to the process, parts, closings and what the page shows of them stay the same.

use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;

use super::tests::{assert_sound, batch, commit, open, options, page};
use super::*;
use crate::meter::{self, Meter};
use crate::record::{Cost, Currency, Priced, Record};

const NOW: i64 = 1_790_000_000_000_000;
const MINUTE: i64 = 60_000_000;

/// All parts and closings as they are stored.
fn stored(folder: &Path) -> Vec<String> {
    let database = rusqlite::Connection::open(folder.join(LEDGER_FILE)).unwrap();
    let mut lines = Vec::new();
    for sql in ["SELECT * FROM parts ORDER BY id", "SELECT * FROM closures ORDER BY part, revision"] {
        let mut statement = database.prepare(sql).unwrap();
        let columns = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            // Ids of closings follow the order in which parts were found idle, which a restart may change.
            let from = usize::from(sql.contains("closures"));
            let values = (from..columns).map(|index| format!("{:?}", row.get_ref(index).unwrap()));
            lines.push(values.collect::<Vec<_>>().join(" "));
        }
    }
    lines
}

fn of_sessions(meter: &Arc<Mutex<Meter>>) -> Vec<String> {
    page(meter).into_iter().filter(|line| line.starts_with("tokentail_session")).collect()
}

/// A batch of requests with only a session and a start.
fn asked(requests: &[(&str, i64)]) -> Batch {
    let mut batch = Batch::new(&["gateway".to_owned()]);
    for (n, (session, start)) in requests.iter().enumerate() {
        let record = Record {
            start: *start,
            duration: Some(1_000_000),
            request_id: format!("{session}-{start}-{n}").into(),
            session_id: (*session).into(),
            consumer: "c".into(),
            ..Record::default()
        };
        let context = Context {
            source: 0,
            provider: "p",
            priced: Priced::default(),
            cost: None,
            price_row: 0,
            dimensions: &[],
            line: b"",
        };
        batch.push(&record, &context);
    }
    batch
}

#[test]
fn a_crash_without_folds_leaves_the_same_parts_closings_and_counters() {
    let (crashed, clean) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (mut ledger, mut meter) = open(crashed.path());
    let (mut reference, reference_meter) = open(clean.path());
    for first in (0..600).step_by(100) {
        commit(&mut ledger, batch(first..first + 100));
        commit(&mut reference, batch(first..first + 100));
        let shown = of_sessions(&meter);
        // As after `kill -9`: the rows are on disk, the folds are not.
        drop(ledger);
        (ledger, meter) = open(crashed.path());
        assert_eq!(of_sessions(&meter), shown);
    }
    for _ in 0..2 {
        // The first writing appends closings, the second counts them on disk.
        ledger.write_folds().unwrap();
        reference.write_folds().unwrap();
    }
    assert_eq!(stored(crashed.path()), stored(clean.path()));
    assert!(stored(crashed.path()).len() >= 7);
    assert_eq!(page(&meter), page(&reference_meter));
    assert_sound(crashed.path());
}

#[test]
fn what_the_page_shows_of_sessions_never_falls_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (mut ledger, meter) = open(folder.path());
    let old = NOW - 600 * MINUTE;
    commit(&mut ledger, asked(&[("a", old), ("b", old + MINUTE), ("a", old + 2 * MINUTE)]));
    ledger.session_fold.behind = Some(std::collections::BTreeSet::new());
    // Closes both; their counting is in memory only.
    ledger.write_folds().unwrap();
    let shown = of_sessions(&meter);
    assert!(
        shown.iter().any(|line| line.starts_with("tokentail_sessions_ended_total") && line.ends_with(" 2")),
        "{shown:?}"
    );
    drop(ledger);
    let (mut ledger, meter) = open(folder.path());
    assert_eq!(of_sessions(&meter), shown);
    // A late line that belongs opens it again, and nothing of it is counted twice.
    commit(&mut ledger, asked(&[("a", old + 3 * MINUTE)]));
    let shown = of_sessions(&meter);
    assert!(
        shown.iter().any(|line| line.starts_with("tokentail_sessions_reopened_total") && line.ends_with(" 1")),
        "{shown:?}"
    );
    drop(ledger);
    let (mut ledger, meter) = open(folder.path());
    assert_eq!(of_sessions(&meter), shown);
    ledger.session_fold.behind = Some(std::collections::BTreeSet::new());
    ledger.write_folds().unwrap();
    let text = of_sessions(&meter).join("\n");
    // 181 s of `a` and 1 s of `b`.
    assert!(text.contains("} 182.0") || text.contains("} 182\n"), "{text}");
    assert_sound(folder.path());
}

#[test]
fn a_new_session_on_each_line_stays_within_the_bound() {
    let folder = tempfile::tempdir().unwrap();
    let meter = Arc::new(Mutex::new(Meter::new(meter::Config::default())));
    let sessions = crate::session::Config { max_open: 100, ..crate::session::Config::default() };
    for data_dir in [DataDir::Path(folder.path().to_owned()), DataDir::None] {
        let options = Options { data_dir: data_dir.clone(), sessions: sessions.clone(), ..options(folder.path()) };
        let mut ledger = Ledger::open(options, Arc::clone(&meter)).unwrap();
        for first in (0..2_000).step_by(500) {
            let names: Vec<String> = (first..first + 500).map(|n| format!("s-{n}")).collect();
            let requests: Vec<(&str, i64)> = names.iter().map(|name| (name.as_str(), NOW - MINUTE)).collect();
            commit(&mut ledger, asked(&requests));
            ledger.write_folds().unwrap();
            assert!(ledger.session_fold.sessions.len() <= 100, "{}", ledger.session_fold.sessions.len());
        }
        let open: u64 = ledger.open_sessions().values().sum();
        assert_eq!(open, 100);
        assert_eq!(ledger.tally().sessions(), 2_000);
        if data_dir == DataDir::None {
            let kept: i64 = ledger.connection.query_row("SELECT count(*) FROM parts", [], |row| row.get(0)).unwrap();
            assert_eq!(kept, 100, "nothing is kept of what has ended");
        }
    }
    assert_sound(folder.path());
}

#[test]
fn a_repricing_moves_the_cost_of_parts_open_and_closed() {
    let folder = tempfile::tempdir().unwrap();
    let (mut ledger, meter) = open(folder.path());
    commit(&mut ledger, batch(0..500));
    let shown = page(&meter);
    let price = |_: &crate::record::Row, _: &crate::record::Attributes| {
        let cost = Some(Cost { nanos: 7, currency: Currency::CNY });
        Repricing { priced: Priced { cost, ..Priced::default() }, cost, price_row: 0 }
    };
    ledger.reprice(i64::MIN, false, price, |_, _| {}).unwrap();
    assert_sound(folder.path());
    // What is in memory goes on from there.
    commit(&mut ledger, batch(500..600));
    ledger.write_folds().unwrap();
    assert_sound(folder.path());
    assert_ne!(page(&meter), shown);
    drop(ledger);
    let (mut ledger, _) = open(folder.path());
    commit(&mut ledger, batch(600..700));
    ledger.write_folds().unwrap();
    assert_sound(folder.path());
}

#[test]
fn the_check_finds_a_part_that_says_otherwise_than_its_rows() {
    for change in [
        "UPDATE parts SET requests = requests + 1 WHERE id = 3",
        "UPDATE parts SET costs = 'USD 1' WHERE id = 3",
        "UPDATE parts SET visible_output = 0 WHERE id = 3",
        "UPDATE parts SET last_row = last_row - 1 WHERE id = 3",
        "UPDATE parts SET last_row = last_row + 1 WHERE id = 3",
        "DELETE FROM parts WHERE id = 3",
        "INSERT INTO parts SELECT 9, gateway, session, first_key, first_attributes, start, last_start, end, last_row, \
         last_round, requests, turns, errors, usage_missing, unpriced, tool_calls, uncached_input, cache_read, \
         cache_write_5m, cache_write_1h, visible_output, reasoning, costs, attributes, more_attributes, user, \
         mixed_users, is_full, revision, closed, counted FROM parts WHERE id = 3",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let (mut ledger, _) = open(folder.path());
        commit(&mut ledger, batch(0..60));
        ledger.write_folds().unwrap();
        assert_sound(folder.path());
        assert!(ledger.connection.execute(change, []).unwrap() > 0, "{change}");
        let report = Check::run(folder.path()).unwrap();
        let wrong: Vec<&str> =
            report.findings.iter().filter(|finding| !finding.ok).map(|finding| finding.check).collect();
        assert_eq!(wrong, ["sessions = rows"], "{change}");
    }
}
