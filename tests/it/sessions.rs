//! Sessions and time of use, as the built program tells them from a log.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::arguments;
use crate::gateway::Line;
use crate::program::{ingest, run};

/// A log of three sessions, one of them hostile, and a request of none.
fn log(path: &Path) {
    let mut text = String::new();
    let mut add = |index: u64, session: &str, round: u32, consumer: &str| {
        let line = Line::numbered(index);
        let ai_log = json!({
            "chat_id": format!("c-{index}"), "chat_round": round, "consumer": consumer, "input_token": 100,
            "output_token": 10, "llm_service_duration": 1000, "model": "gpt-4o", "response_type": "normal",
            "session_id": session, "total_token": 110,
        });
        text.push_str(&line.around(&ai_log.to_string()));
    };
    for turn in 0..10 {
        add(turn * 60, "long-session", u32::try_from(turn).expect("small") + 1, "app");
        add(turn * 60 + 7, "other-session", 1, "app");
    }
    add(3, "\u{1b}[31mred\u{7}", 1, "evil\u{1b}]0;x\u{7}");
    // Without an id, over an hour later: one derived session.
    add(7200, "", 1, "nameless");
    add(7260, "", 2, "nameless");
    fs::write(path, text).expect("write the log");
}

fn with(folder: &Path, words: &[&str]) -> Vec<OsString> {
    let words = words.iter().map(OsString::from);
    words.chain(arguments!["--data-dir", folder.join("data")]).collect()
}

#[test]
fn sessions_are_listed_and_shown_and_their_time_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    log(&path);
    ingest(&folder.path().join("data"), &[&path]);
    let ask = |words: &[&str], code: i32| run(with(folder.path(), words)).expect_code(code);
    let json = |words: &[&str]| ask(&[words, &["--json"]].concat(), 0).json();

    let listed = json(&["sessions", "list", "--sort", "turns"]);
    let names: Vec<&str> =
        listed["sessions"].as_array().unwrap().iter().map(|it| it["session"].as_str().unwrap()).collect();
    assert_eq!((names.len(), names[0]), (4, "long-session"));
    let derived = names.iter().find(|name| name.starts_with("derived:")).expect("a derived session");
    assert_eq!(json(&["sessions", "list", "--consumer", "app"])["found"], 2);
    assert_eq!(json(&["sessions", "list", "--sort", "cost", "--min-cost", "0.003", "--limit", "1"])["found"], 2);
    assert_eq!(json(&["sessions", "list", "--until", "2026-11-02"])["found"], 0);
    assert!(ask(&["sessions", "list", "--model", "no-such"], 0).stdout.contains("no session"));

    let shown = json(&["sessions", "show", "long-session"]);
    let turns = shown["turns"].as_array().unwrap();
    assert_eq!((turns.len(), &shown["session"]["turns"]), (10, &json!(10)));
    assert_eq!(turns[9]["running_cost"], shown["session"]["cost"]);
    assert_eq!(json(&["sessions", "show", derived])["turns"].as_array().unwrap().len(), 2);
    assert_eq!(shown["session"]["seconds"], 541.42, "nine minutes and the last request");

    // What is hostile stays text.
    for words in [
        &["sessions", "list"][..],
        &["sessions", "show", "\u{1b}[31mred\u{7}"],
        &["report", "usage", "--by", "consumer"],
    ] {
        let text = ask(words, 0).stdout;
        assert!(!text.contains('\u{1b}') && !text.contains('\u{7}'), "{text}");
        assert!(text.contains("red") || text.contains("evil"), "{text}");
    }
    let unknown = ask(&["sessions", "show", "long-sesion"], 1);
    assert!(unknown.stderr.contains("did you mean `long-session`?"), "{}", unknown.stderr);
    for wrong in [
        &["sessions", "list", "--sort", "size"][..],
        &["sessions", "list", "--min-cost", "many"],
        &["sessions", "list", "--dimension", "team"],
        &["sessions", "list", "--timezone", "Mars/Olympus"],
        &["report", "usage", "--by", "modle"],
        &["report", "usage", "--month", "2026-13"],
        &["report", "usage", "--since", "2026-11-02", "--until", "2026-11-01"],
    ] {
        assert!(!ask(wrong, 2).stderr.is_empty(), "{wrong:?}");
    }

    let report = json(&["report", "usage", "--by", "consumer,day", "--month", "2026-11"]);
    assert_eq!(report["total"]["requests"], 23);
    let sum = |key: &str| {
        report["groups"].as_array().unwrap().iter().map(|group| group["figures"][key].as_u64().unwrap()).sum::<u64>()
    };
    assert_eq!((sum("requests"), sum("sessions"), sum("turns")), (23, 4, 10 + 1 + 1 + 2));
    assert_eq!(report["groups"][0]["group"], json!({"consumer": "app", "day": "2026-11-02"}));
    let csv = ask(&["report", "usage", "--by", "hour_of_day", "--output", "csv"], 0).stdout;
    assert!(csv.starts_with("hour_of_day,sessions,session_seconds,") && csv.contains("\r\n00,3,"), "{csv}");
    assert!(csv.lines().next().unwrap().ends_with("cost_USD"), "{csv}");
    let markdown = ask(&["report", "usage", "--by", "model", "--output", "md"], 0).stdout;
    assert!(markdown.contains("| model | sessions |") && markdown.contains("| gpt-4o | 4 |"), "{markdown}");
    assert_eq!(json(&["ledger", "check"])["ok"], true);
}

#[test]
fn a_session_of_two_gateways_asks_which() {
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<_> = ["one", "two"].iter().map(|name| folder.path().join(name)).collect();
    for (path, index) in paths.iter().zip([1, 500]) {
        fs::write(path, Line::numbered(index).text()).unwrap();
    }
    let config = folder.path().join("config.yaml");
    let source = |name: &str, path: &Path| format!("{{name: {name}, format: higress, path: {}}}", path.display());
    let sources = format!("sources: [{}, {}]\n", source("east", &paths[0]), source("west", &paths[1]));
    fs::write(&config, sources).unwrap();
    for (name, path) in ["east", "west"].iter().zip(&paths) {
        let words =
            arguments!["ingest", "--config", config, "--data-dir", folder.path().join("data"), "--format", name, path];
        run(words).expect_code(0);
    }
    let ask = |words: &[&str]| run(with(folder.path(), words));
    let said = ask(&["sessions", "show", "sess-1"]).expect_code(2).stderr;
    assert!(said.contains("east, west") && said.contains("--gateway"), "{said}");
    let shown: Value = ask(&["sessions", "show", "sess-1", "--gateway", "west", "--json"]).expect_code(0).json();
    assert_eq!((&shown["session"]["gateway"], &shown["session"]["requests"]), (&json!("west"), &json!(1)));
}
