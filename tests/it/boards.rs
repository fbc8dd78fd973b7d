//! The boards and the alert rules name only metrics and labels that the catalogue has, as the README does.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use regex::Regex;
use serde_json::Value;
use tokentail::meter::{CATALOGUE, Kind};

/// Labels that come with a scrape.
const OF_THE_SCRAPE: [&str; 2] = ["job", "instance"];
/// Metrics of others, with their labels: Prometheus itself and cAdvisor.
const FOREIGN: [(&str, &[&str]); 4] = [
    ("up", &[]),
    ("scrape_samples_scraped", &[]),
    ("container_memory_working_set_bytes", &["namespace", "pod", "container", "name", "image"]),
    ("container_spec_memory_limit_bytes", &["namespace", "pod", "container", "name", "image"]),
];
/// Labels that a query makes of a value.
const MADE: [&str; 2] = ["hour", "day"];

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Labels of a metric, those of a histogram's parts included; `None` where the catalogue does not have it.
pub(crate) fn labels_of(name: &str) -> Option<Vec<&'static str>> {
    CATALOGUE.iter().find_map(|metric| {
        let part = name.strip_prefix(metric.name)?;
        match part {
            "" => Some(metric.labels.to_vec()),
            "_bucket" if metric.kind == Kind::Histogram => Some([metric.labels, &["le"]].concat()),
            "_sum" | "_count" if metric.kind == Kind::Histogram => Some(metric.labels.to_vec()),
            _ => None,
        }
    })
}

fn known(name: &str) -> Option<Vec<&'static str>> {
    let foreign = FOREIGN.iter().find(|(known, _)| *known == name).map(|(_, labels)| labels.to_vec());
    labels_of(name).or(foreign).map(|labels| [labels.as_slice(), &OF_THE_SCRAPE].concat())
}

/// The text with nothing between its quotes.
fn without_strings(text: &str) -> String {
    Regex::new(r#""(?:[^"\\]|\\.)*""#).expect("a regex").replace_all(text, "\"\"").into_owned()
}

/// What is wrong with the metrics and labels of an expression.
fn problems(expression: &str) -> Vec<String> {
    let text = without_strings(expression);
    let mut problems = Vec::new();
    let mut labels: BTreeSet<&str> = OF_THE_SCRAPE.into_iter().chain(MADE).collect();
    let names =
        Regex::new(r"\b(?:(?:tokentail|process|scrape|container)_[a-z0-9_]+|up)\b(\{[^}]*\})?").expect("a regex");
    let matcher = Regex::new(r"(\w+)\s*(?:=~|!~|!=|=)").expect("a regex");
    for found in names.captures_iter(&text) {
        let whole = found.get(0).expect("the match").as_str();
        let (name, selector) = whole.split_once('{').unwrap_or((whole, ""));
        let Some(having) = known(name) else {
            problems.push(format!("{name} is not in the catalogue"));
            continue;
        };
        for label in matcher.captures_iter(selector) {
            let label = label.get(1).expect("the label").as_str();
            if !having.contains(&label) {
                problems.push(format!("{name} has no label {label}"));
            }
        }
        labels.extend(having);
    }
    let lists = Regex::new(r"\b(?:by|on|ignoring|without|group_left|group_right)\s*\(([^)]*)\)").expect("a regex");
    for list in lists.captures_iter(&text) {
        for label in
            list.get(1).expect("the labels").as_str().split(',').map(str::trim).filter(|label| !label.is_empty())
        {
            if !labels.contains(label) {
                problems.push(format!("no metric here has the label {label}"));
            }
        }
    }
    problems
}

/// Every text of the document under one of the keys.
fn texts<'a>(value: &'a Value, keys: &[&str], found: &mut Vec<&'a str>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value {
                    Value::String(text) if keys.contains(&key.as_str()) => found.push(text),
                    _ => texts(value, keys, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| texts(item, keys, found)),
        _ => {}
    }
}

fn boards() -> Vec<(String, Value)> {
    let folder = std::fs::read_dir(root("grafana/boards")).expect("list grafana/boards");
    let paths = folder.map(|entry| entry.expect("read the folder").path());
    paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| {
            let text = std::fs::read_to_string(&path).expect("read a board");
            (path.display().to_string(), serde_json::from_str(&text).expect("JSON"))
        })
        .collect()
}

#[test]
fn every_query_of_a_board_names_metrics_and_labels_of_the_catalogue() {
    let mut queries = 0;
    for (path, board) in boards() {
        let mut expressions = Vec::new();
        texts(&board, &["expr", "query"], &mut expressions);
        for expression in expressions {
            queries += usize::from(expression.contains("tokentail_"));
            assert_eq!(problems(expression), Vec::<String>::new(), "{path}: {expression}");
        }
        for target in
            board["panels"].as_array().expect("panels").iter().filter_map(|panel| panel["targets"].as_array()).flatten()
        {
            let expression = without_strings(target["expr"].as_str().expect("an expression"));
            for label in target["legendFormat"].as_str().expect("a legend").split("{{").skip(1) {
                let label = label.split("}}").next().expect("the label");
                assert!(expression.contains(label), "{path}: the legend names {label}, which {expression} drops");
            }
        }
    }
    assert!(queries > 150, "{queries} queries were found");
}

#[test]
fn every_metric_that_an_alert_rule_a_test_of_it_or_a_runbook_names_exists() {
    let name = Regex::new(r"\btokentail_[a-z0-9_]+").expect("a regex");
    // A recording rule's name holds a metric's without its unit; its own parts are separated by colons.
    let recorded = Regex::new(r"[a-z_]+:[a-zA-Z0-9_:]+").expect("a regex");
    let mut seen = 0;
    let folders =
        ["alerts/rules", "alerts/tests"].map(|folder| std::fs::read_dir(root(folder)).expect("list a folder"));
    let files = folders.into_iter().flatten().map(|entry| entry.expect("read the folder").path());
    for path in files.chain([root("alerts/RUNBOOKS.md")]) {
        let text = std::fs::read_to_string(&path).expect("read a file");
        let text = recorded.replace_all(&text, "");
        for found in name.find_iter(&text) {
            assert!(
                labels_of(found.as_str()).is_some(),
                "{}: {} is not in the catalogue",
                path.display(),
                found.as_str()
            );
            seen += 1;
        }
    }
    assert!(seen > 100, "{seen} metrics are named");
}

#[test]
fn a_wrong_name_and_a_wrong_label_are_seen() {
    let cases: [(&str, &[&str]); 5] = [
        (r#"sum by (model) (rate(tokentail_requests_total{code!~"2.."}[5m]))"#, &[]),
        ("rate(tokentail_request_total[5m])", &["tokentail_request_total is not in the catalogue"]),
        (r#"tokentail_sessions_open{model="a}b"}"#, &["tokentail_sessions_open has no label model"]),
        ("sum by (user) (up)", &["no metric here has the label user"]),
        ("tokentail_sessions_open_bucket", &["tokentail_sessions_open_bucket is not in the catalogue"]),
    ];
    for (expression, expected) in cases {
        assert_eq!(problems(expression), expected, "{expression}");
    }
}
