//! What is made of a gateway's lines, all the way: `ingest`, `explain` and the page say the same.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::arguments;
use crate::gateway::Line;
use crate::program::{Sidecar, ingest, run};

/// Eleven lines, each a case of its own.
const CASES: &str = "tests/golden/higress/cases/input.log";

fn counts<const N: usize>(pairs: [(&str, u64); N]) -> BTreeMap<String, u64> {
    pairs.into_iter().map(|(name, count)| (name.to_owned(), count)).collect()
}

#[test]
fn each_case_of_higress_is_summed_up_exactly_by_ingest() {
    let folder = tempfile::tempdir().unwrap();
    let summary = ingest(&folder.path().join("data"), &[Path::new(CASES)]);
    let wanted = json!({
        "files": 1, "lines": 11, "records": 11, "requests": 10, "skipped": {"no_ai": 1}, "rejected": {}, "duplicates": 0,
        "bytes": fs::metadata(CASES).unwrap().len(),
        "tokens": {"input": 18_850, "output": 1_386, "cache_read": 18_298, "cache_write": 475, "reasoning": 25},
        // qwen-turbo twice 0.0000143 and once 0.00000145, gpt-4o 0.00065, gpt-4 0.0012; the other model has no row then.
        "cost": [{"currency": "USD", "total": "0.00188005"}],
        "unpriced_requests": 1, "usage_missing_requests": 1,
        "errors": {"rate_limited": 2, "timeout": 1, "disconnect": 1},
    });
    for (key, wanted) in wanted.as_object().unwrap() {
        assert_eq!(&summary[key], wanted, "{key}");
    }
    let keys: Vec<&str> = summary.as_object().unwrap().keys().map(String::as_str).collect();
    let mut known: Vec<&str> = wanted.as_object().unwrap().keys().map(String::as_str).collect();
    known.extend(["sessions", "seconds"]);
    known.sort_unstable();
    let mut keys = keys;
    keys.sort_unstable();
    assert_eq!(keys, known);
}

#[test]
fn each_case_of_higress_is_explained_with_its_own_figures() {
    let explained = run(["explain", "--json", CASES]).expect_code(0).json();
    let lines = explained.as_array().unwrap();
    assert_eq!(lines.len(), 11);
    let tokens = |line: usize| {
        let tokens = &lines[line - 1]["tokens"];
        let kinds = &tokens["kinds"];
        [&tokens["input"], &kinds["cache_read"], &kinds["cache_write_5m"], &tokens["output"], &kinds["reasoning"]]
            .map(|count| count.as_u64())
    };
    let counted = |counts: [u64; 5]| counts.map(Some);
    assert_eq!((&lines[0]["result"], &lines[0]["reason"]), (&json!("skipped"), &json!("no_ai")));
    assert_eq!(tokens(2), counted([10, 0, 0, 69, 0]));
    assert_eq!(tokens(3), counted([100, 80, 0, 50, 25]));
    assert_eq!(tokens(4), counted([20, 0, 0, 10, 0]));
    assert_eq!(tokens(5), counted([18_705, 18_218, 475, 1_182, 0]));
    assert_eq!(tokens(10), counted([5, 0, 0, 6, 0]));
    assert_eq!(tokens(11), tokens(2));
    for line in [6, 7, 9] {
        assert_eq!(lines[line - 1]["tokens"], Value::Null, "line {line}");
    }
    assert_eq!(lines[7]["tokens"], "usage_missing");
    let errors: Vec<&Value> = lines.iter().map(|line| &line["error"]).collect();
    let null = &Value::Null;
    let (limited, timeout, gone) = (&json!("rate_limited"), &json!("timeout"), &json!("disconnect"));
    assert_eq!(errors, [null, null, null, null, null, limited, timeout, gone, limited, null, null]);
    let statuses: Vec<u64> = lines[1..].iter().map(|line| line["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [200, 200, 200, 200, 429, 504, 200, 429, 200, 200]);
    // The broken line: every outer field that can still be read is read.
    let salvaged = &lines[9];
    assert_eq!(salvaged["anomalies"], json!(["salvaged"]));
    assert_eq!(salvaged["start"], "2026-03-05T08:00:10.25Z");
    assert_eq!(salvaged["request_id"], "00000000-0000-4000-8000-000000000010");
    assert_eq!(salvaged["model"], "qwen-turbo");
    // Numbers instead of texts say the same.
    assert_eq!(lines[10]["model"], lines[1]["model"]);
    assert_eq!((&lines[10]["status"], &lines[10]["duration_seconds"]), (&json!(200), &json!(0.301)));
}

#[test]
fn each_case_of_higress_stands_on_the_page() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("access.log");
    fs::copy(CASES, &log).unwrap();
    let sidecar = Sidecar::follow(&log, &folder.path().join("data"));
    let page = sidecar.wait_lines(11);
    let skipped = page.by("tokentail_log_skipped_records_total", "reason");
    assert_eq!(skipped, counts([("no_ai", 1)]));
    assert_eq!(page.by("tokentail_log_rejected_records_total", "reason"), counts([]));
    assert_eq!(page.count("tokentail_duplicate_requests_total", &[]), 0);
    assert_eq!(page.count("tokentail_requests_total", &[]), 10);
    let codes = page.by("tokentail_requests_total", "code");
    assert_eq!(codes, counts([("200", 7), ("429", 2), ("504", 1)]));
    let errors = page.by("tokentail_request_errors_total", "reason");
    assert_eq!(errors, counts([("rate_limited", 2), ("timeout", 1), ("disconnect", 1)]));
    let of = |name: &str| page.by(name, "model");
    let claude = "claude-sonnet-4-20250514";
    let input = counts([("qwen-turbo", 25), ("gpt-4o", 100), ("gpt-4", 20), (claude, 18_705)]);
    assert_eq!(of("tokentail_input_tokens_total"), input);
    let output = counts([("qwen-turbo", 144), ("gpt-4o", 50), ("gpt-4", 10), (claude, 1_182)]);
    assert_eq!(of("tokentail_output_tokens_total"), output);
    assert_eq!(of("tokentail_cache_read_input_tokens_total"), counts([("gpt-4o", 80), (claude, 18_218)]));
    assert_eq!(of("tokentail_cache_write_input_tokens_total"), counts([(claude, 475)]));
    assert_eq!(of("tokentail_reasoning_output_tokens_total"), counts([("gpt-4o", 25)]));
    assert_eq!(page.count("tokentail_usage_missing_requests_total", &[]), 1);
    assert_eq!(of("tokentail_unpriced_requests_total"), counts([(claude, 1)]));
    assert_eq!(of("tokentail_unpriced_tokens_total"), counts([(claude, 19_887)]));
    assert_eq!(page.by("tokentail_anomalous_requests_total", "reason"), counts([("salvaged", 1)]));
    // Successful requests alone have a duration there.
    assert_eq!(page.count("tokentail_request_duration_seconds_count", &[]), 6);
}

#[test]
fn a_request_costs_the_same_to_the_last_digit_wherever_it_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let (log, data) = (folder.path().join("access.log"), folder.path().join("data"));
    fs::write(&log, Line::default().text()).unwrap();
    let cost = json!({"currency": "USD", "total": "0.005625"});
    let explained = run(arguments!["explain", "--json", log]).expect_code(0).json();
    assert_eq!(explained[0]["cost"], cost);
    assert_eq!(explained[0]["price"]["sum"], "0.005625");
    assert_eq!(ingest(&data, &[&log])["cost"], json!([cost]));
    let sidecar = Sidecar::follow(&log, &data);
    let page = sidecar.wait_page("the page is there", |_| true);
    assert_eq!(page.value("tokentail_cost_total", &[("currency", "USD")]).as_deref(), Some("0.005625"));
    // 400 cached at 1.25 less a million.
    assert_eq!(page.value("tokentail_cache_savings_total", &[]).as_deref(), Some("0.0005"));
}

#[test]
fn a_line_is_explained_from_standard_input_for_people_too() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("access.log");
    fs::write(&log, Line::default().text()).unwrap();
    let open = || fs::File::open(&log).unwrap().into();
    let text = crate::program::run_with_input(["explain"], open()).expect_code(0).stdout;
    assert!(text.contains("0.005625") && text.contains("gpt-4o"), "{text}");
    let json = crate::program::run_with_input(["explain", "--json", "-"], open()).expect_code(0).json();
    assert_eq!(json[0]["cost"]["total"], "0.005625");
    let data = folder.path().join("data");
    let summary = crate::program::run_with_input(arguments!["ingest", "--json", "--data-dir", data, "-"], open());
    let summary = summary.expect_code(0).json();
    assert_eq!((&summary["requests"], &summary["cost"][0]["total"]), (&json!(1), &json!("0.005625")));
}
