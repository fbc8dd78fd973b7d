//! Input of every bad kind is counted or told apart with a clear error, in bounded memory, and the process goes on.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::{Value, json};

use crate::arguments;
use crate::gateway::{Line, append};
use crate::program::{Ran, Sidecar, expect_sum, ingest, run};

/// `ingest` of one text, and its summary.
fn ingest_text(text: &[u8]) -> Value {
    let folder = tempfile::tempdir().expect("make a folder");
    let log = folder.path().join("access.log");
    fs::write(&log, text).expect("write the log");
    ingest(&folder.path().join("data"), &[&log])
}

fn counts(summary: &Value) -> [u64; 5] {
    ["lines", "records", "requests", "skipped", "rejected"].map(|key| match &summary[key] {
        Value::Object(reasons) => reasons.values().filter_map(Value::as_u64).sum(),
        count => count.as_u64().expect("a count"),
    })
}

#[test]
fn an_empty_file_has_nothing_to_count() {
    assert_eq!(counts(&ingest_text(b"")), [0, 0, 0, 0, 0]);
}

#[test]
fn empty_lines_are_skipped_as_empty() {
    let summary = ingest_text(b"\n\r\n  \n");
    assert_eq!(summary["skipped"], json!({"empty": 3}));
}

#[test]
fn a_binary_file_is_rejected_line_by_line() {
    let mut dice = crate::gateway::Dice(9);
    let bytes: Vec<u8> = (0..200_000).map(|_| u8::try_from(dice.below(256)).unwrap()).collect();
    let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
    let summary = ingest_text(&bytes);
    let [counted, records, requests, ..] = counts(&summary);
    // What follows the last newline may count or wait: it is no whole line.
    assert!(counted == lines as u64 || counted == lines as u64 + 1, "{summary}");
    assert_eq!((records, requests), (counted, 0), "{summary}");
}

#[test]
fn a_line_beyond_the_bound_is_skipped_over_in_bounded_memory_and_what_follows_counts() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("access.log");
    let mut file = File::create(&log).unwrap();
    file.write_all(Line::numbered(1).text().as_bytes()).unwrap();
    let block = vec![b'x'; 1 << 20];
    for _ in 0..40 {
        file.write_all(&block).unwrap();
    }
    file.write_all(b"\n").unwrap();
    file.write_all(Line::numbered(2).text().as_bytes()).unwrap();
    let config = folder.path().join("config.yaml");
    let source = "{name: own, format: higress, path: access.log, max_line: 1MiB}";
    fs::write(&config, format!("data_dir: data\nsources: [{source}]\n")).unwrap();
    let explained = run(arguments!["explain", "--json", "--config", config, "--format", "own", log]);
    let explained = explained.expect_code(0).json();
    assert_eq!((&explained[1]["reason"], &explained[2]["result"]), (&json!("too_long"), &json!("request")));
    let sidecar = Sidecar::start(arguments!["--config", config]);
    let page = sidecar.wait_lines(3);
    assert_eq!(page.count("tokentail_requests_total", &[]), 2);
    assert_eq!(page.count("tokentail_log_rejected_records_total", &[("reason", "too_long")]), 1);
    assert_eq!(page.count("tokentail_log_bytes_total", &[]), fs::metadata(&log).unwrap().len());
    let resident: f64 = page.value("process_resident_memory_bytes", &[]).unwrap().parse().unwrap();
    assert!(resident < f64::from(64 << 20), "{resident} bytes");
    drop(sidecar);
    // The same without an end, through `ingest`.
    let endless = folder.path().join("endless.log");
    fs::write(&endless, vec![b'x'; 40 << 20]).unwrap();
    let more = run(arguments!["ingest", "--json", "--config", config, "--format", "own", endless]);
    let summary = more.expect_code(0).json();
    expect_sum(&summary);
    assert_eq!(summary["requests"], 0);
    assert_eq!(summary["rejected"], json!({"too_long": 1}));
}

#[test]
fn deep_nesting_is_rejected_outside_and_does_no_harm_inside() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let outside = format!("{{\"ai_log\":{deep},\"start_time\":\"2026-11-02T09:30:15.123Z\"}}\n");
    let inside = Line::numbered(1).around(&format!("{{\"model\":\"m\",\"messages\":{deep}}}"));
    let bare = format!("{deep}\n");
    let summary = ingest_text(format!("{outside}{inside}{bare}{}", Line::numbered(2).text()).as_bytes());
    let [lines, records, requests, ..] = counts(&summary);
    assert_eq!((lines, records), (4, 4), "{summary}");
    assert!(requests >= 1, "{summary}");
    assert!(summary["rejected"]["too_deep"].as_u64() >= Some(1), "{summary}");
}

#[test]
fn impossible_numbers_never_reach_the_sums() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("access.log");
    let mut text = String::new();
    for (index, number) in (1..).zip(["1e400", "-5", "NaN", "\"-5\"", "\"1e400\"", "99999999999999999999999"]) {
        let ai_log = format!("{{\"model\":\"gpt-4o\",\"input_token\":{number},\"output_token\":7}}");
        text.push_str(&Line::numbered(index).around(&ai_log));
    }
    fs::write(&log, text).unwrap();
    let sidecar = Sidecar::follow(&log, &folder.path().join("data"));
    let page = sidecar.wait_lines(6);
    let count = |name| page.count(name, &[]);
    let requests = count("tokentail_requests_total");
    assert_eq!(requests + count("tokentail_log_rejected_records_total"), 6);
    assert_eq!(page.count("tokentail_anomalous_requests_total", &[("reason", "bad_number")]), requests);
    assert!(requests >= 5, "{}", page.text);
    assert_eq!(count("tokentail_input_tokens_total"), 0);
    assert_eq!(count("tokentail_output_tokens_total"), 7 * requests);
}

#[test]
fn records_of_unbelievable_times_are_rejected_and_those_of_the_future_flagged() {
    let folder = tempfile::tempdir().unwrap();
    let (log, data) = (folder.path().join("access.log"), folder.path().join("data"));
    let wanted = [
        ("1970-01-01T00:00:00.000Z", "rejected", "bad_time"),
        ("2100-06-01T00:00:00.000Z", "rejected", "bad_time"),
        ("yesterday", "rejected", "bad_time"),
        ("-", "rejected", "no_time"),
        ("2001-01-01T00:00:00.000Z", "request", ""),
        ("2099-12-31T00:00:00.000Z", "request", "time_in_future"),
    ];
    for (index, (start, ..)) in (1..).zip(wanted) {
        append(&log, Line { start: start.to_owned(), ..Line::numbered(index) }.text().as_bytes());
    }
    let explained = run(arguments!["explain", "--json", log]).expect_code(0).json();
    for (line, (start, result, reason)) in explained.as_array().unwrap().iter().zip(wanted) {
        assert_eq!(line["result"], result, "{start}");
        let said = if result == "rejected" { &line["reason"] } else { &line["anomalies"][0] };
        assert_eq!(said.as_str().unwrap_or_default(), reason, "{start}");
    }
    let sidecar = Sidecar::follow(&log, &data);
    let page = sidecar.wait_lines(6);
    assert_eq!(page.count("tokentail_requests_total", &[]), 2);
    assert_eq!(page.count("tokentail_anomalous_requests_total", &[("reason", "time_in_future")]), 1);
    let rejected = page.by("tokentail_log_rejected_records_total", "reason");
    assert_eq!(rejected, [("bad_time".to_owned(), 3), ("no_time".to_owned(), 1)].into());
    assert_eq!(sidecar.stop(), Some(0));
    run(arguments!["ledger", "check", "--data-dir", data]).expect_code(0);
    let info = run(arguments!["ledger", "info", "--json", "--data-dir", data]).expect_code(0).json();
    assert_eq!(info["requests"], 2);
}

/// It is wrong use, says which file, and makes no ledger.
fn expect_refused(ran: Ran, file: &Path, data: &Path) {
    let ran = ran.expect_code(2);
    assert!(ran.stderr.contains(&file.display().to_string()), "{}", ran.stderr);
    assert!(!data.exists(), "a ledger was made");
    assert_eq!(ran.stdout, "");
}

#[test]
fn ingest_refuses_what_is_no_readable_file_before_anything_is_changed() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let good = folder.path().join("good.log");
    fs::write(&good, Line::default().text()).unwrap();
    let missing = folder.path().join("missing.log");
    let directory = folder.path().join("folder");
    fs::create_dir(&directory).unwrap();
    // A link to itself cannot be opened by anyone, root included.
    let circle = folder.path().join("circle.log");
    std::os::unix::fs::symlink(&circle, &circle).unwrap();
    // Nobody writes into it: to open it would wait for ever.
    let pipe = folder.path().join("pipe.log");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    for wrong in [&missing, &directory, &circle, &pipe] {
        expect_refused(run(arguments!["ingest", "--data-dir", data, good, wrong]), wrong, &data);
    }
    for wrong in [&missing, &circle] {
        let ran = run(arguments!["explain", wrong]).expect_code(2);
        assert!(ran.stderr.contains(&wrong.display().to_string()), "{}", ran.stderr);
    }
    let ran = run(arguments!["explain", directory]);
    assert!(matches!(ran.code, Some(1 | 2)) && !ran.stderr.is_empty(), "{ran:?}");
    let secret = folder.path().join("secret.log");
    fs::write(&secret, Line::default().text()).unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o000)).unwrap();
    // Root reads it whatever its mode is.
    if rustix::process::geteuid().is_root() {
        run(arguments!["ingest", "--data-dir", data, secret]).expect_code(0);
    } else {
        expect_refused(run(arguments!["ingest", "--data-dir", data, secret]), &secret, &data);
    }
}

#[test]
fn a_packed_file_that_is_cut_or_no_archive_fails_with_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let text: String = (0..2_000).map(|index| Line::numbered(index).text()).collect();
    let packed = crate::gateway::gzip(text.as_bytes());
    let cut = folder.path().join("cut.log.gz");
    fs::write(&cut, &packed[..packed.len() / 2]).unwrap();
    let ran = run(arguments!["ingest", "--data-dir", folder.path().join("a"), cut]).expect_code(1);
    assert!(ran.stderr.contains("cut.log.gz"), "{}", ran.stderr);
    let fake = folder.path().join("fake.log.gz");
    fs::write(&fake, [&[0x1f, 0x8b, 8, 0], vec![0xff; 5_000].as_slice()].concat()).unwrap();
    let ran = run(arguments!["ingest", "--data-dir", folder.path().join("b"), fake]).expect_code(1);
    assert!(ran.stderr.contains("fake.log.gz"), "{}", ran.stderr);
}

#[test]
fn a_sidecar_goes_on_beside_a_log_that_goes_is_a_folder_or_cannot_be_opened() {
    let folder = tempfile::tempdir().unwrap();
    let (good, gone) = (folder.path().join("good.log"), folder.path().join("gone.log"));
    fs::write(&gone, Line::numbered(1).text()).unwrap();
    fs::create_dir(folder.path().join("folder.log")).unwrap();
    let circle = folder.path().join("circle.log");
    std::os::unix::fs::symlink(&circle, &circle).unwrap();
    let config = folder.path().join("config.yaml");
    let source = |name: &str| format!("  - {{name: {name}, format: higress, path: {name}.log}}\n");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, folder.path().join("pipe.log"), rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let sources: String = ["good", "gone", "folder", "circle", "pipe", "never"].map(source).concat();
    fs::write(&config, format!("data_dir: data\nsources:\n{sources}")).unwrap();
    let sidecar = Sidecar::start(arguments!["--config", config]);
    sidecar.wait_lines(1);
    fs::remove_file(&gone).unwrap();
    append(&good, Line::numbered(2).text().as_bytes());
    sidecar.wait_lines(2);
    // It comes back, and so does what was a folder.
    append(&gone, Line::numbered(3).text().as_bytes());
    fs::remove_dir(folder.path().join("folder.log")).unwrap();
    append(&folder.path().join("folder.log"), Line::numbered(4).text().as_bytes());
    let page = sidecar.wait_lines(4);
    assert_eq!(page.count("tokentail_requests_total", &[]), 4);
    assert_eq!(page.by("tokentail_requests_total", "gateway").len(), 3);
    assert_eq!(sidecar.get("/-/ready").status, 200);
    assert_eq!(sidecar.stop(), Some(0));
}

#[test]
fn a_file_that_is_removed_while_it_is_read_is_counted_whole_or_reported() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("access.log");
    let text: String = (0..20_000).map(|index| Line::numbered(index).text()).collect();
    fs::write(&log, text).unwrap();
    let data = folder.path().join("data");
    let ran = std::thread::scope(|scope| {
        let running = scope.spawn(|| run(arguments!["ingest", "--json", "--data-dir", data, log]));
        // The ledger is made just before reading begins.
        crate::program::wait("the ledger is there", || (data.exists() || running.is_finished()).then_some(()));
        fs::remove_file(&log).unwrap();
        running.join().unwrap()
    });
    match ran.code {
        Some(0) => {
            expect_sum(&ran.json());
            assert_eq!(ran.json()["requests"], 20_000, "{}", ran.stderr);
        }
        _ => assert!(ran.stderr.contains("access.log"), "{ran:?}"),
    }
}

#[test]
fn control_characters_of_a_log_are_never_printed_raw() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("access.log");
    let line = Line { model: "gpt\u{1b}[2J\u{7}".to_owned(), consumer: "a\u{202e}b".to_owned(), ..Line::default() };
    fs::write(&log, line.text()).unwrap();
    for arguments in [arguments!["explain", log].to_vec(), arguments!["explain", "--json", log].to_vec()] {
        let text = run(&arguments).expect_code(0).stdout;
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
    }
    let text = run(arguments!["explain", log]).stdout;
    assert!(!text.contains('\u{202e}'), "{text:?}");
}
