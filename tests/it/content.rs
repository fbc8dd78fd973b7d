//! What was said: nothing of it anywhere unless it is captured, and nothing of it in what is printed and logged.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::arguments;
use crate::gateway::Line;
use crate::program::{Ran, run};

const MARKER: &str = "zebra-quartz-4711";

/// Lines that hold the marker wherever a gateway logs what was said, one of them broken by its user agent.
fn log(folder: &Path) -> std::path::PathBuf {
    let ai_log = json!({
        "answer": format!("{MARKER} answered"), "consumer": "key-7", "input_token": 5, "model": "gpt-4o", "output_token": 6,
        "messages": [{"role": "user", "content": format!("{MARKER} asked")}], "question": MARKER, "reasoning": MARKER,
        "response_type": "normal", "session_id": "sess-1", "system": MARKER,
        "tool_calls": [{"function": {"name": "f", "arguments": format!("{{\"q\":\"{MARKER}\"}}")}}],
    });
    let mut without_session = ai_log.clone();
    without_session.as_object_mut().unwrap().remove("session_id");
    let broken = Line::numbered(3).around(&ai_log.to_string()).replace("curl/8", "cu\"rl");
    let lines =
        [Line::numbered(1).around(&ai_log.to_string()), Line::numbered(2).around(&without_session.to_string()), broken];
    let path = folder.join("access.log");
    fs::write(&path, lines.concat()).unwrap();
    path
}

fn ingest(folder: &Path, config: &str) -> Ran {
    let (log, file) = (log(folder), folder.join("config.yaml"));
    fs::write(&file, config).unwrap();
    let data = folder.join("data");
    let arguments = arguments![
        "ingest",
        "--json",
        "--format",
        "higress",
        "--log-level",
        "trace",
        "--config",
        file,
        "--data-dir",
        data,
        log
    ];
    let ran = run(arguments).expect_code(0);
    assert_eq!(ran.json()["requests"], 3);
    ran
}

/// Files of a folder in which the marker is found.
fn holding_marker(folder: &Path) -> Vec<String> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let holds = |path: &std::path::PathBuf| {
        let bytes = fs::read(path).unwrap();
        bytes.windows(MARKER.len()).any(|window| window == MARKER.as_bytes())
    };
    files.filter(holds).map(|path| path.display().to_string()).collect()
}

#[test]
fn without_capture_not_a_byte_of_what_was_said_is_kept_or_printed() {
    for config in [
        "timezone: UTC\n",
        "content: {capture: {gateways: [other], consumers: [key-8]}}\n",
        "content: {redact: [], max_size: 1MiB}\n",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let ran = ingest(folder.path(), config);
        assert_eq!(holding_marker(&folder.path().join("data")), Vec::<String>::new(), "{config}");
        assert!(!ran.stdout.contains(MARKER) && !ran.stderr.contains(MARKER), "{config}: {}", ran.stderr);
    }
}

#[test]
fn with_capture_nothing_of_it_is_printed_or_logged() {
    let folder = tempfile::tempdir().unwrap();
    let ran = ingest(folder.path(), "content: {capture: {gateways: [higress]}}\n");
    assert!(!ran.stdout.contains(MARKER) && !ran.stderr.contains(MARKER), "{}", ran.stderr);
}

#[test]
fn check_says_whose_content_is_captured() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yaml");
    let configured = |content: &str| {
        fs::write(&file, format!("sources: [{{name: a, path: a.log}}]\n{content}")).unwrap();
        run(arguments!["check", "--config", file]).expect_code(0).stdout
    };
    assert!(configured("").contains("content captured: nobody's\n"));
    let said = configured("content: {capture: {gateways: [a, b], consumers: [key-7]}}\n");
    assert!(
        said.contains("content captured: gateway a, gateway b (no source of that name), consumer key-7\n"),
        "{said}"
    );
}
