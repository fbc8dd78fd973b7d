//! What was said: nothing of it anywhere unless it is captured, and nothing of it in what is printed and logged.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::json;
use tokentail::content::{Exchange, Reader};

use crate::arguments;
use crate::gateway::{Line, append};
use crate::program::{Ran, Sidecar, run};

/// The lines are older than what is kept of content by default.
const KEPT: &str = "retention: {content: 36500d}\n";
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
    without_session.as_object_mut().expect("an object").remove("session_id");
    let broken = Line::numbered(3).around(&ai_log.to_string()).replace("curl/8", "cu\"rl");
    let lines =
        [Line::numbered(1).around(&ai_log.to_string()), Line::numbered(2).around(&without_session.to_string()), broken];
    let path = folder.join("access.log");
    fs::write(&path, lines.concat()).expect("write the log");
    path
}

fn ingest(folder: &Path, config: &str) -> Ran {
    let (log, file) = (log(folder), folder.join("config.yaml"));
    fs::write(&file, config).expect("write the configuration");
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
    assert_eq!(ran.json().get("requests"), Some(&3.into()));
    ran
}

/// Files of a folder in which the marker is found.
fn holding_marker(folder: &Path) -> Vec<String> {
    let files = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("a file").path());
    let holds = |path: &std::path::PathBuf| {
        let bytes = fs::read(path).expect("read a file");
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

/// Texts of the captured conversations by row.
fn captured(data: &Path) -> BTreeMap<i64, Vec<String>> {
    let Some(reader) = Reader::open(data, None, None).expect("open what is captured") else { return BTreeMap::new() };
    let bodies = reader.bodies(&(1..=9).collect::<Vec<i64>>()).expect("read what is captured");
    let texts = |exchange: Exchange| {
        let all = exchange.messages.into_iter().chain(exchange.answer);
        all.map(|message| format!("{} {}", message.role, message.text)).collect()
    };
    bodies.into_iter().map(|(row, (_, exchange))| (row, texts(exchange))).collect()
}

#[test]
fn with_capture_it_is_kept_and_nothing_of_it_is_printed_or_logged() {
    let folder = tempfile::tempdir().unwrap();
    let ran = ingest(folder.path(), &format!("content: {{capture: {{gateways: [higress]}}}}\n{KEPT}"));
    assert!(!ran.stdout.contains(MARKER) && !ran.stderr.contains(MARKER), "{}", ran.stderr);
    let captured = captured(&folder.path().join("data"));
    let [asked, answered] = ["user zebra-quartz-4711 asked", "assistant zebra-quartz-4711 answered"];
    assert_eq!(captured.len(), 3);
    assert_eq!(captured[&1], ["system zebra-quartz-4711", asked, answered]);
    // The first session's second request repeats the first, the broken line's too.
    assert_eq!((captured[&2].len(), &captured[&3]), (3, &vec![answered.to_owned()]));
    let (data, config) = (folder.path().join("data"), folder.path().join("config.yaml"));
    let search = arguments!["conversations", "search", "answered", "--config", config, "--data-dir", data, "--json"];
    let found = run(search).expect_code(0).json();
    assert_eq!(found["conversations"].as_array().unwrap().len(), 3, "at once: {found:#}");
}

#[test]
fn a_key_that_is_missing_is_found_by_check() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.yaml");
    fs::write(&config, "sources: [{name: a, path: a.log}]\ncontent: {encryption_key_file: content.key}\n").unwrap();
    let said = run(arguments!["check", "--config", config]).expect_code(2).stdout;
    assert!(said.contains("content.key"), "{said}");
    fs::write(folder.path().join("content.key"), [7; 32]).unwrap();
    run(arguments!["check", "--config", config]).expect_code(0);
}

/// The `index`th turn of a conversation, which sends all turns before again.
fn turn(index: u64) -> String {
    let mut messages = Vec::new();
    for before in 1..=index {
        messages.push(json!({"role": "user", "content": format!("question {before}")}));
        if before < index {
            messages.push(json!({"role": "assistant", "content": format!("answer {before}")}));
        }
    }
    let ai_log = json!({
        "answer": format!("answer {index}"), "messages": messages, "model": "gpt-4o", "input_token": 5, "output_token": 6,
        "session_id": "sess-1",
    });
    Line::numbered(index).around(&ai_log.to_string())
}

fn of_turn(index: u64) -> Vec<String> {
    vec![format!("user question {index}"), format!("assistant answer {index}")]
}

#[test]
fn a_history_is_stored_once_across_restarts_and_a_line_that_comes_twice_adds_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (file, data) = (folder.path().join("config.yaml"), folder.path().join("data"));
    fs::write(&file, format!("content: {{capture: {{consumers: [x], gateways: [\"*\"]}}}}\n{KEPT}")).unwrap();
    for (number, lines) in [turn(1), turn(2) + &turn(1), turn(2) + &turn(3)].iter().enumerate() {
        let log = folder.path().join(format!("{number}.log"));
        fs::write(&log, lines).unwrap();
        run(arguments!["ingest", "--format", "higress", "--config", file, "--data-dir", data, log]).expect_code(0);
    }
    let want: BTreeMap<i64, Vec<String>> =
        (1_u64..=3).map(|index| (i64::try_from(index).unwrap(), of_turn(index))).collect();
    assert_eq!(captured(&data), want);
    let thread = Reader::open(&data, None, None).unwrap().unwrap().thread(3).unwrap();
    assert_eq!(thread.len(), 3, "each turn knows the one before");
}

#[test]
fn capture_is_switched_by_reload_and_what_was_captured_stays() {
    let folder = tempfile::tempdir().unwrap();
    let (file, log) = (folder.path().join("config.yaml"), folder.path().join("higress.log"));
    let configure = |content: &str| {
        fs::write(&file, format!("data_dir: data\nsources: [{{name: higress, path: higress.log}}]\n{KEPT}{content}"))
            .unwrap();
    };
    configure("");
    append(&log, turn(1).as_bytes());
    let sidecar = Sidecar::start(arguments!["--config", file]);
    sidecar.wait_lines(1);
    for (index, content) in [(2, "content: {capture: {gateways: [higress]}}\n"), (3, ""), (4, "content:\n")] {
        configure(content);
        let reloaded =
            sidecar.ask("POST", "/-/reload", &[("Content-Type", "application/json"), ("Content-Length", "0")]);
        assert_eq!(reloaded.status, 200, "{}", reloaded.text());
        append(&log, turn(index).as_bytes());
        sidecar.wait_lines(index);
    }
    let captured = captured(&folder.path().join("data"));
    assert_eq!(captured.keys().collect::<Vec<_>>(), [&2]);
    assert_eq!(captured[&2].len(), 4, "what came before capture is new to it");
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
