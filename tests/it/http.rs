//! What a running instance answers, how it starts and how it ends.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};

use serde_json::Value;
use tokentail::meter::CATALOGUE;

use crate::arguments;
use crate::gateway::{Line, append, gunzip};
use crate::page::Page;
use crate::program::{Answer, Sidecar, run};

const OPENMETRICS: &str = "application/openmetrics-text;version=1.0.0;q=0.9,text/plain;version=0.0.4;q=0.5";

/// A sidecar on a log of so many requests.
fn start(requests: u64) -> (Sidecar, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("make a folder");
    let log = folder.path().join("access.log");
    let text: String = (0..requests).map(|index| Line::numbered(index).text()).collect();
    fs::write(&log, text).expect("write the log");
    let sidecar = Sidecar::follow(&log, &folder.path().join("data"));
    sidecar.wait_lines(requests);
    (sidecar, folder)
}

/// An error is JSON with a code and a message.
fn expect_error(answer: &Answer, status: u16) -> String {
    assert_eq!(answer.status, status, "{}", answer.text());
    let body: Value = serde_json::from_slice(&answer.body).expect("an error is JSON");
    let error = body.get("error").expect("an error has the key error");
    let text = |key: &str| error.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    assert!(!text("code").is_empty() && !text("message").is_empty(), "{body}");
    text("message")
}

#[test]
fn the_page_comes_in_the_form_that_is_asked_for_with_the_same_figures() {
    let (sidecar, _folder) = start(3);
    let modern = sidecar.ask("GET", "/metrics", &[("Accept", OPENMETRICS)]);
    let content_type = modern.header("content-type");
    assert!(content_type.starts_with("application/openmetrics-text") && content_type.contains("version=1.0.0"));
    assert!(modern.text().ends_with("# EOF\n"));
    let plain = sidecar.get("/metrics");
    let content_type = plain.header("content-type");
    assert!(content_type.starts_with("text/plain") && content_type.contains("version=0.0.4"), "{content_type}");
    assert!(!plain.text().contains("# EOF") && !plain.text().contains("# UNIT"));
    let (modern, plain) = (Page::parse(&modern.text()), Page::parse(&plain.text()));
    assert!(modern.counters().len() > 20);
    assert_eq!(modern.counters(), plain.counters());
    for (accept, has_eof) in [(OPENMETRICS, true), ("text/plain", false)] {
        let packed = sidecar.ask("GET", "/metrics", &[("Accept", accept), ("Accept-Encoding", "gzip")]);
        assert_eq!(packed.header("content-encoding"), "gzip");
        let text = String::from_utf8(gunzip(&packed.body)).unwrap();
        assert_eq!(text.ends_with("# EOF\n"), has_eof);
        assert_eq!(Page::parse(&text).counters(), modern.counters());
    }
}

#[test]
fn every_family_on_the_page_is_in_the_catalogue_and_the_other_way_round() {
    let (sidecar, _folder) = start(1);
    let page = sidecar.page().unwrap();
    let known: BTreeSet<(String, String)> =
        CATALOGUE.iter().map(|metric| (metric.family().to_owned(), metric.kind.label().to_owned())).collect();
    assert_eq!(page.families(), known);
    for sample in &page.samples {
        let metric = CATALOGUE.iter().find(|metric| {
            let rest = sample.name.strip_prefix(metric.name);
            rest == Some("")
                || (matches!(rest, Some("_bucket" | "_sum" | "_count")) && metric.kind.label() == "histogram")
        });
        let metric = metric.unwrap_or_else(|| panic!("{} is not in the catalogue", sample.name));
        let mut labels: BTreeSet<&str> = sample.labels.keys().map(String::as_str).collect();
        labels.remove("le");
        assert_eq!(labels, metric.labels.iter().copied().collect(), "{}", sample.name);
    }
    let listed = run(["metrics", "--json"]).expect_code(0).json();
    let names: Vec<&str> =
        listed["metrics"].as_array().unwrap().iter().map(|metric| metric["name"].as_str().unwrap()).collect();
    assert_eq!(names, CATALOGUE.iter().map(|metric| metric.name).collect::<Vec<_>>());
    for (label, family) in [
        ("no_ai", "tokentail_log_skipped_records_total{reason}"),
        ("salvaged", "tokentail_anomalous_requests_total{reason}"),
    ] {
        let reasons = listed["reasons"][family].as_array().unwrap();
        assert!(reasons.iter().any(|reason| reason["label"] == label), "{label}");
    }
}

#[test]
fn health_readiness_and_the_front_page_answer() {
    let (sidecar, _folder) = start(1);
    for path in ["/-/healthy", "/-/ready"] {
        assert_eq!(sidecar.get(path).status, 200, "{path}");
    }
    let front = sidecar.get("/");
    assert_eq!(front.status, 200);
    assert!(front.header("content-type").starts_with("text/html"));
    assert!(front.text().contains("<base href=\"/\">") && front.text().contains("assets/main.js"));
    assert!(sidecar.get("/assets/main.js").header("content-type").starts_with("text/javascript"));
    let head = sidecar.ask("HEAD", "/metrics", &[]);
    assert_eq!((head.status, head.body.len()), (200, 0));
    expect_error(&sidecar.get("/nothing/here"), 404);
    expect_error(&sidecar.ask("DELETE", "/metrics", &[]), 405);
    expect_error(&sidecar.ask("GET", "/-/reload", &[]), 405);
}

#[test]
fn strangers_names_and_other_sites_pages_are_turned_away() {
    let (sidecar, _folder) = start(1);
    // Written by hand, because `ask` names the right host.
    let mut stream = TcpStream::connect(sidecar.address).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    std::io::Read::read_to_string(&mut stream, &mut text).unwrap();
    assert!(text.starts_with("HTTP/1.1 4"), "{text}");
    assert!(text.contains("allowed_hosts"), "{text}");
    let json = ("Content-Type", "application/json");
    let foreign = sidecar.ask("POST", "/-/reload", &[json, ("Origin", "http://evil.example")]);
    expect_error(&foreign, 403);
    assert!((400..500).contains(&sidecar.ask("POST", "/-/reload", &[("Content-Type", "text/plain")]).status));
    let page = sidecar.page().unwrap();
    assert_eq!(page.value("tokentail_config_last_reload_successful", &[]).as_deref(), Some("1.0"));
}

#[test]
fn sigterm_commits_what_was_read_and_ends_well_beside_open_connections() {
    let (sidecar, folder) = start(20);
    // One that says nothing, one that stops in the middle of its request.
    let _silent = TcpStream::connect(sidecar.address).unwrap();
    let mut halfway = TcpStream::connect(sidecar.address).unwrap();
    halfway.write_all(b"GET /metrics HTTP/1.1\r\nHo").unwrap();
    let announced = sidecar.announced.clone();
    assert!(announced.starts_with("listening on http://127.0.0.1:"), "{announced}");
    assert_eq!(sidecar.stop(), Some(0));
    let data = folder.path().join("data");
    let info = run(arguments!["ledger", "info", "--json", "--data-dir", data]).expect_code(0).json();
    assert_eq!(info["requests"], 20);
    run(arguments!["ledger", "check", "--data-dir", data]).expect_code(0);
}

#[test]
fn a_second_instance_on_a_ledger_or_an_address_is_refused() {
    let (sidecar, folder) = start(1);
    let (log, data) = (folder.path().join("access.log"), folder.path().join("data"));
    let second = run(arguments!["run", "--listen", "127.0.0.1:0", "--log", log, "--data-dir", data]).expect_code(2);
    assert!(second.stderr.contains(&data.display().to_string()), "{}", second.stderr);
    assert!(second.stderr.contains("lock") || second.stderr.contains("in use"), "{}", second.stderr);
    let address = sidecar.address.to_string();
    let other = folder.path().join("other");
    let second = run(arguments!["run", "--listen", address, "--log", log, "--data-dir", other]).expect_code(2);
    assert!(second.stderr.contains(&address), "{}", second.stderr);
    // The first one does not notice.
    append(&log, Line::numbered(2).text().as_bytes());
    sidecar.wait_lines(2);
}

#[test]
fn a_first_start_shows_all_of_the_history_or_nothing() {
    const LINES: u64 = 20_000;
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("access.log");
    let text: String = (0..LINES).map(|index| Line::numbered(index).text()).collect();
    fs::write(&log, text).unwrap();
    fs::write(folder.path().join("access.log.1"), Line::numbered(LINES + 1).text()).unwrap();
    let sidecar = Sidecar::follow(&log, &folder.path().join("data"));
    assert_eq!(sidecar.get("/-/healthy").status, 200);
    let page = crate::program::wait("the first page", || sidecar.page());
    let lines = page.count("tokentail_log_lines_total", &[]);
    assert_eq!(page.count("tokentail_requests_total", &[]), lines);
    assert_eq!(lines, LINES + 1, "a part of the history was shown");
}

#[test]
fn without_a_ledger_only_what_comes_is_counted_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("access.log");
    append(&log, Line::numbered(1).text().as_bytes());
    let sidecar = Sidecar::start(arguments!["--log", log, "--data-dir", "none"]);
    sidecar.wait_page("the page is there", |page| page.count("tokentail_log_lines_total", &[]) == 0);
    append(&log, Line::numbered(2).text().as_bytes());
    append(&log, Line::numbered(3).text().as_bytes());
    let page = sidecar.wait_lines(2);
    assert_eq!(page.count("tokentail_requests_total", &[]), 2);
    assert_eq!(sidecar.stop(), Some(0));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn health_is_0_beside_a_running_instance_and_1_beside_none() {
    let (sidecar, _folder) = start(1);
    let address = sidecar.address.to_string();
    run(["health", "--listen", &address]).expect_code(0);
    run(["health", "--ready", "--listen", &address]).expect_code(0);
    let said = run(["health", "--json", "--listen", &address]).expect_code(0).json();
    assert_eq!(said["healthy"], true);
    drop(sidecar);
    // Taken and given back: nobody listens there.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    for more in [None, Some("--json")] {
        let ran = run(["health", "--listen", &free].into_iter().chain(more)).expect_code(1);
        assert!(ran.stderr.contains(&free), "{}", ran.stderr);
        if more.is_some() {
            assert_eq!(ran.json()["healthy"], false);
        }
    }
}
