//! Nothing is lost and nothing counts twice, whatever happens to the process and to the files.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;

use crate::arguments;
use crate::gateway::{Dice, Line, Log, append, gzip};
use crate::page::Page;
use crate::program::{Sidecar, ingest, run, spawn};

const LIVES: u64 = 12;

/// What must not depend on how the lines came in.
fn expect_same_as_a_clean_run(page: &Page, log: &Log, folder: &std::path::Path) {
    let summary = ingest(&folder.join("clean"), &[&log.history]);
    let count = |name: &str| page.count(name, &[]);
    assert_eq!(count("tokentail_log_lines_total"), log.lines);
    assert_eq!(count("tokentail_requests_total"), log.lines);
    assert_eq!(count("tokentail_duplicate_requests_total"), 0);
    assert_eq!(count("tokentail_log_rejected_records_total"), 0);
    assert_eq!(count("tokentail_log_lost_bytes_total"), 0);
    let cost = page.value("tokentail_cost_total", &[]).expect("all requests are of one kind");
    for (pointer, shown) in [
        ("/requests", json!(log.lines)),
        ("/duplicates", json!(0)),
        ("/tokens/input", json!(count("tokentail_input_tokens_total"))),
        ("/tokens/output", json!(count("tokentail_output_tokens_total"))),
        ("/tokens/cache_read", json!(count("tokentail_cache_read_input_tokens_total"))),
        ("/cost", json!([{"currency": "USD", "total": cost}])),
    ] {
        assert_eq!(summary.pointer(pointer), Some(&shown), "{pointer}");
    }
}

#[test]
fn kills_at_random_moments_while_the_log_grows_and_rotates_lose_nothing_and_double_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut log = Log::create(folder.path());
    let path = log.path.clone();
    log.append(10);
    let finished = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut dice = Dice(3);
            let mut rotations = 0;
            while !finished.load(Ordering::SeqCst) {
                log.append_torn(1 + dice.below(20));
                match dice.below(30) {
                    0 => {
                        log.rotate();
                        rotations += 1;
                    }
                    1 if rotations > 2 => log.compress(1 + dice.below(2)),
                    _ => {}
                }
                std::thread::sleep(Duration::from_micros(dice.below(10_000)));
            }
        });
        let mut dice = Dice(4);
        for _ in 0..LIVES {
            let sidecar = Sidecar::follow(&path, &data);
            std::thread::sleep(Duration::from_millis(20 + dice.below(300)));
            let errors = sidecar.errors();
            assert!(sidecar.kill(), "it ended by itself: {errors}");
        }
        finished.store(true, Ordering::SeqCst);
    });
    let sidecar = Sidecar::follow(&path, &data);
    let page = sidecar.wait_lines(log.lines);
    expect_same_as_a_clean_run(&page, &log, folder.path());
    assert_eq!(sidecar.stop(), Some(0));
    run(arguments!["ledger", "check", "--data-dir", data]).expect_code(0);
}

#[test]
fn an_ingest_that_is_killed_goes_on_where_it_stood() {
    const LINES: u64 = 20_000;
    let folder = tempfile::tempdir().unwrap();
    let (log, data) = (folder.path().join("access.log"), folder.path().join("data"));
    let text: String = (0..LINES).map(|index| Line::numbered(index).text()).collect();
    fs::write(&log, text).unwrap();
    let mut dice = Dice(5);
    for _ in 0..6 {
        let mut ingesting = spawn(arguments!["ingest", "--data-dir", data, log]);
        std::thread::sleep(Duration::from_millis(30 + dice.below(200)));
        ingesting.kill().unwrap();
        ingesting.wait().unwrap();
    }
    let last = ingest(&data, &[&log]);
    assert_eq!(last["duplicates"], 0);
    let info = run(arguments!["ledger", "info", "--json", "--data-dir", data]).expect_code(0).json();
    assert_eq!(info["requests"], LINES);
    let sums = &info["sources"]["higress"];
    assert_eq!((&sums["lines"], &sums["requests"], &sums["duplicates"]), (&json!(LINES), &json!(LINES), &json!(0)));
    run(arguments!["ledger", "check", "--data-dir", data]).expect_code(0);
}

#[test]
fn a_log_that_rotates_twice_and_is_compressed_while_nobody_looks_goes_on_where_it_stood() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut log = Log::create(folder.path());
    log.append(500);
    let sidecar = Sidecar::follow(&log.path, &data);
    sidecar.wait_lines(500);
    assert_eq!(sidecar.stop(), Some(0));
    log.append(100);
    log.rotate();
    log.append(200);
    log.rotate();
    log.compress(2);
    log.append(300);
    let sidecar = Sidecar::follow(&log.path, &data);
    let page = sidecar.wait_lines(1_100);
    expect_same_as_a_clean_run(&page, &log, folder.path());
}

#[test]
fn counters_go_on_after_a_restart_without_a_line_being_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut log = Log::create(folder.path());
    log.append(50);
    let sidecar = Sidecar::follow(&log.path, &data);
    let before = sidecar.wait_lines(50).counters();
    assert_eq!(sidecar.stop(), Some(0));
    let sidecar = Sidecar::follow(&log.path, &data);
    // A later start does not hold the page back.
    let after = sidecar.page().expect("a later start shows its page at once").counters();
    for (name, value) in before.iter().filter(|(name, _)| !name.contains("commit_failures")) {
        assert_eq!(after.get(name), Some(value), "{name}");
    }
    log.append(7);
    let page = sidecar.wait_lines(57);
    expect_same_as_a_clean_run(&page, &log, folder.path());
}

#[test]
fn the_same_file_under_another_name_or_compressed_counts_once() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let text: String = (0..500).map(|index| Line::numbered(index).text()).collect();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("access.log"), &text).unwrap();
    assert_eq!(ingest(&data, &[&path("access.log")])["requests"], 500);
    fs::write(path("access.log-20261120"), &text).unwrap();
    fs::write(path("copy.gz"), gzip(text.as_bytes())).unwrap();
    fs::write(path("copy.zst"), zstd::encode_all(text.as_bytes(), 1).unwrap()).unwrap();
    // Nobody knows this file, which begins with another line; its requests are known.
    let head = Line::numbered(900).text();
    fs::write(path("longer.log"), format!("{head}{text}")).unwrap();
    for (name, requests, duplicates) in [
        ("access.log", 0, Some(0)),
        ("access.log-20261120", 0, None),
        ("copy.gz", 0, None),
        ("copy.zst", 0, None),
        ("longer.log", 1, Some(500)),
    ] {
        let summary = ingest(&data, &[&path(name)]);
        assert_eq!(summary["requests"], requests, "{name}");
        assert_eq!(summary["tokens"]["input"], requests * 650, "{name}");
        if let Some(duplicates) = duplicates {
            assert_eq!(summary["duplicates"], duplicates, "{name}");
        }
    }
    // It goes on where it stood, under whatever name.
    append(&path("access.log-20261120"), Line::numbered(901).text().as_bytes());
    assert_eq!(ingest(&data, &[&path("access.log-20261120")])["requests"], 1);
    let info = run(arguments!["ledger", "info", "--json", "--data-dir", data]).expect_code(0).json();
    assert_eq!(info["requests"], 502);
}

#[test]
fn a_summary_without_anything_new_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let (data, path) = (folder.path().join("data"), |name: &str| folder.path().join(name));
    let text = Line::numbered(1).text();
    fs::write(path("access.log"), &text).unwrap();
    fs::write(path("empty.log"), "").unwrap();
    let said = |names: &[&str]| {
        let files = names.iter().map(|name| path(name).into_os_string());
        let summary = run([arguments!["ingest", "--data-dir", data].to_vec(), files.collect()].concat());
        let summary = summary.expect_code(0).stdout;
        summary.lines().find_map(|line| Some(line.strip_prefix("already read")?.trim().to_owned()))
    };
    assert_eq!(said(&["empty.log"]), None);
    assert_eq!(said(&["access.log"]), None);
    assert_eq!(said(&["empty.log"]), None);
    fs::write(path("copy.gz"), gzip(text.as_bytes())).unwrap();
    assert_eq!(said(&["access.log"]).as_deref(), Some("nothing new in 1 of 1 file"));
    assert_eq!(said(&["access.log", "copy.gz", "empty.log"]).as_deref(), Some("nothing new in 2 of 3 files"));
    append(&path("access.log"), Line::numbered(2).text().as_bytes());
    assert_eq!(said(&["access.log"]), None);
}

#[test]
fn a_last_line_without_a_newline_waits_for_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let log = folder.path().join("access.log");
    let (first, second) = (Line::numbered(1).text(), Line::numbered(2).text());
    let (head, tail) = second.split_at(200);
    append(&log, first.as_bytes());
    append(&log, head.as_bytes());
    let sidecar = Sidecar::follow(&log, &data);
    let page = sidecar.wait_lines(1);
    assert_eq!(page.count("tokentail_log_rejected_records_total", &[]), 0);
    assert_eq!(sidecar.stop(), Some(0));
    append(&log, tail.as_bytes());
    let sidecar = Sidecar::follow(&log, &data);
    let page = sidecar.wait_lines(2);
    assert_eq!(page.count("tokentail_requests_total", &[]), 2);
    assert_eq!(page.count("tokentail_log_rejected_records_total", &[]), 0);
}

#[test]
fn a_copy_of_the_ledger_made_beside_its_writer_agrees_with_itself() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut log = Log::create(folder.path());
    log.append(200);
    let sidecar = Sidecar::follow(&log.path, &data);
    sidecar.wait_lines(200);
    let target = folder.path().join("copy/tokentail.db");
    fs::create_dir(folder.path().join("copy")).unwrap();
    run(arguments!["ledger", "backup", "--data-dir", data, target]).expect_code(0);
    // A copy never overwrites anything.
    let again = run(arguments!["ledger", "backup", "--data-dir", data, target]);
    assert!(again.code == Some(1) || again.code == Some(2), "{again:?}");
    drop(sidecar);
    let name = fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().file_name()).find(|name| {
        let name = name.to_string_lossy();
        name.ends_with(".db") || name.ends_with(".sqlite")
    });
    let copied = folder.path().join("copy").join(name.expect("the ledger is a file of the folder"));
    if copied != target {
        fs::rename(&target, &copied).unwrap();
    }
    let report = run(arguments!["ledger", "check", "--json", "--data-dir", folder.path().join("copy")]);
    assert_eq!(report.expect_code(0).json()["ok"], true);
    let info = run(arguments!["ledger", "info", "--json", "--data-dir", folder.path().join("copy")]);
    assert_eq!(info.expect_code(0).json()["requests"], 200);
}

#[test]
fn a_damaged_ledger_is_reported_by_every_command_and_never_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut log = Log::create(folder.path());
    log.append(200);
    ingest(&data, &[&log.path]);
    let ledger = data.join("ledger.db");
    let mut bytes = fs::read(&ledger).unwrap();
    let mut dice = Dice(6);
    bytes.iter_mut().skip(100).for_each(|byte| *byte = u8::try_from(dice.below(256)).unwrap());
    fs::write(&ledger, &bytes).unwrap();
    for command in [
        arguments!["ledger", "check"].to_vec(),
        arguments!["ledger", "info"].to_vec(),
        arguments!["ledger", "compact"].to_vec(),
        arguments!["ledger", "backup", folder.path().join("copy.db")].to_vec(),
        arguments!["prices", "reprice", "--since", "2026-01-01"].to_vec(),
        arguments!["ingest", log.path].to_vec(),
        arguments!["run", "--listen", "127.0.0.1:0", "--log", log.path].to_vec(),
    ] {
        let ran = run([command.clone(), arguments!["--data-dir", data].to_vec()].concat()).expect_code(1);
        assert!(ran.stderr.contains("ledger.db") && ran.stderr.contains("damaged"), "{command:?}: {}", ran.stderr);
        assert_eq!(fs::read(&ledger).unwrap(), bytes, "{command:?} changed it");
    }
}

#[test]
fn a_ledger_of_a_newer_version_is_2_and_both_versions_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut log = Log::create(folder.path());
    log.append(1);
    ingest(&data, &[&log.path]);
    let ledger = data.join("ledger.db");
    let connection = rusqlite::Connection::open(&ledger).unwrap();
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    connection.pragma_update(None, "user_version", version + 41).unwrap();
    drop(connection);
    for command in [arguments!["ledger", "info"].to_vec(), arguments!["ingest", log.path].to_vec()] {
        let ran = run([command.clone(), arguments!["--data-dir", data].to_vec()].concat()).expect_code(2);
        for named in [version, version + 41] {
            assert!(
                ran.stderr.contains(&format!("version {named}")) || ran.stderr.contains(&format!(" {named};")),
                "{}",
                ran.stderr
            );
        }
    }
}
