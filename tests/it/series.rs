//! The page stays within its bound whatever a log says, and its sums stay right.

use std::fs;

use crate::arguments;
use crate::gateway::Line;
use crate::page::Page;
use crate::program::{Sidecar, ingest};

/// Starts on a ledger whose log has ended.
fn page_of(folder: &std::path::Path, more: &str) -> Page {
    let config = folder.join("config.yaml");
    let text = format!("data_dir: data\nsources: [{{name: later, format: higress, path: later.log}}]\n{more}");
    fs::write(&config, text).expect("write the configuration");
    let sidecar = Sidecar::start(arguments!["--config", config]);
    let page = sidecar.wait_page("the page is there", |_| true);
    // What is killed folds its last rows again, by the bound of the next start.
    assert_eq!(sidecar.stop(), Some(0));
    page
}

fn count_lines(page: &Page) -> usize {
    page.text.lines().count()
}

/// One request of each of so many consumers, in as few bytes as will do.
fn write_consumers(log: &std::path::Path, count: u64) {
    let mut text = String::new();
    for index in 0..count {
        let ai_log =
            format!(r#"{{\"model\":\"gpt-4o\",\"consumer\":\"c-{index}\",\"input_token\":1,\"output_token\":2}}"#);
        text.push_str(&format!(
            "{{\"ai_log\":\"{ai_log}\",\"duration\":\"5\",\"request_id\":\"r{index}\",\"response_code\":\"200\",\
             \"route_name\":\"r\",\"start_time\":\"2026-11-02T09:30:15.123Z\"}}\n"
        ));
    }
    fs::write(log, text).expect("write the log");
}

fn expect_folded(page: &Page, consumers: u64, bound: usize) {
    assert!(count_lines(page) <= bound, "{} lines, bound {bound}", count_lines(page));
    assert_eq!(page.count("tokentail_requests_total", &[]), consumers);
    assert_eq!(page.count("tokentail_input_tokens_total", &[]), consumers);
    assert_eq!(page.count("tokentail_output_tokens_total", &[]), 2 * consumers);
    assert!(page.count("tokentail_requests_total", &[("consumer", "other")]) > 0);
    assert!(page.count("tokentail_series_folded_total", &[("metric", "requests_total")]) > 0);
    let models = page.by("tokentail_requests_total", "model");
    assert_eq!(models.into_iter().collect::<Vec<_>>(), [("gpt-4o".to_owned(), consumers)]);
}

#[test]
fn a_hundred_thousand_consumers_fit_the_page_and_every_request_is_in_its_sum() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("access.log");
    write_consumers(&log, 100_000);
    assert_eq!(ingest(&folder.path().join("data"), &[&log])["requests"], 100_000);
    expect_folded(&page_of(folder.path(), ""), 100_000, 50_000);
}

#[test]
fn a_small_bound_holds_from_the_first_line_on() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("later.log");
    write_consumers(&log, 2_000);
    expect_folded(&page_of(folder.path(), "metrics: {max_lines: 1000}\n"), 2_000, 1_000);
}

#[test]
fn a_bound_that_is_lowered_stops_new_series_and_leaves_those_that_were_shown() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("later.log");
    write_consumers(&log, 2_000);
    let before = page_of(folder.path(), "");
    expect_folded(&before, 2_000, 50_000);
    let after = page_of(folder.path(), "metrics: {max_lines: 1000}\n");
    let series = |page: &Page| page.by("tokentail_requests_total", "consumer");
    assert_eq!(series(&before), series(&after));
}

#[test]
fn thirty_models_of_a_hundred_and_fifty_consumers_are_all_shown() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("access.log");
    let mut text = String::new();
    for index in 0..30 * 150 {
        let (model, consumer) = (format!("own-{}", index % 30), format!("key-{}", index / 30));
        text.push_str(&Line { model, consumer, ..Line::numbered(index) }.text());
    }
    fs::write(&log, text).unwrap();
    ingest(&folder.path().join("data"), &[&log]);
    let page = page_of(folder.path(), "");
    assert_eq!(page.count("tokentail_series_folded_total", &[]), 0);
    assert_eq!(page.select("tokentail_requests_total", &[("code", "200")]).count(), 4_500);
    assert_eq!(page.count("tokentail_requests_total", &[]), 4_500);
    assert!(count_lines(&page) <= 50_000);
}
