//! Captured conversations as the API and the commands tell them: found, shown, exported, and gone when they are erased.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::arguments;
use crate::gateway::Line;
use crate::program::{Sidecar, run, wait};
use crate::schema;

/// A request of a session with what was said; `number` is its turn, whose history is repeated as a client does.
fn line(index: u64, session: &str, turns: &[(&str, &str)]) -> String {
    let (question, answer) = turns.last().expect("a turn");
    let mut messages = vec![json!({"role": "system", "content": "Be kind."})];
    for (number, (question, answer)) in turns.iter().enumerate() {
        messages.push(json!({"role": "user", "content": question}));
        if number + 1 < turns.len() {
            messages.push(json!({"role": "assistant", "content": answer}));
        }
    }
    let ai_log = json!({
        "chat_id": format!("c-{index}"), "chat_round": turns.len(), "consumer": "app", "input_token": 100,
        "output_token": 10, "llm_service_duration": 1000, "model": "gpt-4o", "response_type": "normal",
        "session_id": session, "total_token": 110, "user_id": "jane", "messages": messages, "question": question,
        "answer": answer,
    });
    Line::numbered(index).around(&ai_log.to_string())
}

const REFUND: (&str, &str) = ("请问如何退款？ How do I get a refund?", "Send us the order number, **please**.");
const ORDER: (&str, &str) = ("It is ORDER-7788-MARKER", "Thank you, \u{1b}[31mdone.");
const OTHER: (&str, &str) = ("What is two plus two?", "Four.");

/// A sidecar that captures three requests of two sessions.
fn start(folder: &Path) -> Sidecar {
    let log = folder.join("access.log");
    let text = [line(1, "refunds", &[REFUND]), line(2, "refunds", &[REFUND, ORDER]), line(3, "sums", &[OTHER])];
    fs::write(&log, text.concat()).expect("write the log");
    let config = folder.join("tokentail.yaml");
    let text = format!(
        "sources: [{{name: higress, format: higress, path: {log:?}}}]\ncontent: {{capture: {{consumers: [app]}}}}\nretention: {{requests: 1000d, content: 1000d}}\ndata_dir: {:?}\n",
        folder.join("data")
    );
    fs::write(&config, text).expect("write the configuration");
    let sidecar = Sidecar::start(arguments!["--config", config]);
    sidecar.wait_lines(3);
    sidecar
}

fn get(sidecar: &Sidecar, path: &str) -> Value {
    let answer = sidecar.get(path);
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    serde_json::from_slice(&answer.body).expect("JSON")
}

/// What a search finds once everything is in the index.
fn found(sidecar: &Sidecar, question: &str) -> Vec<Value> {
    wait("everything is searched", || {
        (get(sidecar, "/api/v1/conversations").get("unindexed") == Some(&json!(0))).then_some(())
    });
    let answer = get(sidecar, &format!("/api/v1/conversations{question}"));
    answer.get("conversations").and_then(Value::as_array).expect("a list").clone()
}

#[test]
fn what_was_said_is_found_shown_and_handed_out() {
    let folder = tempfile::tempdir().expect("make a folder");
    let sidecar = start(folder.path());
    let document = get(&sidecar, "/api/v1/openapi.json");
    let all = found(&sidecar, "");
    assert_eq!(all.len(), 3, "{all:#?}");
    for question in ["", "?q=refund", "?session=refunds&limit=1"] {
        let answer = get(&sidecar, &format!("/api/v1/conversations{question}"));
        assert_eq!(schema::problems(&document, "Conversations", &answer), Vec::<String>::new(), "{answer:#}");
    }
    for (question, count) in [
        ("?q=%E9%80%80%E6%AC%BE", 1),
        ("?q=refund", 1),
        ("?q=%22order%20number%22", 1),
        ("?q=number%20order", 1),
        ("?q=nowhere", 0),
        ("?session=refunds", 2),
        ("?consumer=app&model=gpt-4o&user=jane", 3),
        ("?consumer=nobody", 0),
    ] {
        assert_eq!(found(&sidecar, question).len(), count, "{question}");
    }
    let hit = found(&sidecar, "?q=%E9%80%80%E6%AC%BE").remove(0);
    let marked: Vec<&Value> =
        hit["snippet"].as_array().expect("pieces").iter().filter(|piece| piece["match"] == true).collect();
    assert!(marked.iter().any(|piece| piece["text"].as_str().is_some_and(|text| text.contains("退"))), "{hit:#}");

    // Pages go on where they end.
    let first = get(&sidecar, "/api/v1/conversations?limit=2");
    let next =
        get(&sidecar, &format!("/api/v1/conversations?limit=2&cursor={}", first["next"].as_str().expect("more")));
    assert_eq!((first["conversations"][1].clone(), next["conversations"][0].clone()), (all[1].clone(), all[2].clone()));
    assert_eq!(next["next"], Value::Null);

    // The second turn has what it added, and names the first.
    let turns = found(&sidecar, "?session=refunds");
    let (second, first) = (&turns[0], &turns[1]);
    assert_eq!((&second["previous"], second["earlier"].as_u64() > Some(0)), (&first["id"], true), "{second:#}");
    let id = second["id"].as_str().expect("an id");
    let shown = get(&sidecar, &format!("/api/v1/conversations/{id}"));
    assert_eq!(schema::problems(&document, "ConversationDetail", &shown), Vec::<String>::new(), "{shown:#}");
    let texts: Vec<&Value> =
        shown["messages"].as_array().expect("messages").iter().map(|message| &message["text"]).collect();
    assert_eq!((json!(texts), &shown["answer"]["text"]), (json!([ORDER.0]), &json!(ORDER.1)));
    assert!(
        get(&sidecar, &format!("/api/v1/requests/{id}"))["content_url"].as_str().is_some_and(|url| url.ends_with(id))
    );
    assert!(get(&sidecar, "/api/v1/sessions/refunds")["content_url"].is_string());
    assert_eq!(get(&sidecar, "/api/v1/consumers/app")["consumer"]["captured"], true);

    // Files, and lines of training: a whole conversation each.
    let jsonl = sidecar.get("/api/v1/conversations/export").text();
    assert_eq!(jsonl.lines().count(), 3, "{jsonl}");
    let oldest: Value = serde_json::from_str(jsonl.lines().next().expect("a line")).expect("JSON");
    assert_eq!((&oldest["conversation"]["id"], &oldest["answer"]["text"]), (&json!("1"), &json!(REFUND.1)));
    let chat = sidecar.get("/api/v1/conversations/export?format=chat&session=refunds").text();
    let lines: Vec<Value> = chat.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), 1, "{chat}");
    let said: Vec<&Value> =
        lines[0]["messages"].as_array().expect("messages").iter().map(|one| &one["content"]).collect();
    assert_eq!(json!(said), json!(["Be kind.", REFUND.0, REFUND.1, ORDER.0, ORDER.1]));
    let json: Value =
        serde_json::from_slice(&sidecar.get("/api/v1/conversations/export?format=json").body).expect("JSON");
    assert_eq!(json.as_array().map(Vec::len), Some(3));

    // The commands beside it.
    let config = folder.path().join("tokentail.yaml");
    let listed = run(arguments!["conversations", "list", "--config", config]).expect_code(0).stdout;
    assert!(listed.contains("退款") && listed.contains("3 shown"), "{listed}");
    let wide = |text: &str| text.chars().map(|letter| if letter > '\u{2e80}' { 2 } else { 1 }).sum::<usize>();
    assert!(listed.lines().all(|line| wide(line) <= 80), "{listed}");
    let same = run(arguments!["conversations", "search", "refund", "--config", config, "--json"]).expect_code(0).json();
    assert_eq!(same["conversations"][0]["id"], found(&sidecar, "?q=refund")[0]["id"]);
    let one = run(arguments!["conversations", "show", id, "--config", config, "--json"]).expect_code(0).json();
    assert_eq!((&one["messages"], &one["answer"]), (&shown["messages"], &shown["answer"]));
    let whole = run(arguments!["conversations", "show", id, "--whole", "--config", config]).expect_code(0).stdout;
    assert!(whole.contains(REFUND.0) && whole.contains("  Thank you, \\u{1b}[31mdone.\n"), "{whole}");
    let session = run(arguments!["sessions", "show", "refunds", "--config", config]).expect_code(0).stdout;
    assert!(session.contains(REFUND.0) && session.contains(ORDER.0), "{session}");
    let turns = run(arguments!["sessions", "show", "refunds", "--config", config, "--json"]).expect_code(0).json();
    assert_eq!(turns["turns"][1]["content"]["answer"]["text"], ORDER.1);
}

/// Every file below a folder that holds these bytes.
fn holding(folder: &Path, bytes: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry")) {
        if entry.path().is_dir() {
            found.extend(holding(&entry.path(), bytes));
        } else if fs::read(entry.path()).expect("a file").windows(bytes.len()).any(|window| window == bytes) {
            found.push(entry.path().display().to_string());
        }
    }
    found
}

#[test]
fn what_is_erased_is_gone_and_the_amounts_stay() {
    let folder = tempfile::tempdir().expect("make a folder");
    let (config, data) = (folder.path().join("tokentail.yaml"), folder.path().join("data"));
    let sidecar = start(folder.path());
    found(&sidecar, "");
    let before = get(&sidecar, "/api/v1/stats/totals")["total"].clone();
    let body = "{\"session\":\"refunds\"}";
    let last = format!("{}\r\n\r\n{body}", body.len());
    let headers = [("Content-Type", "application/json"), ("Content-Length", last.as_str())];
    let answer = sidecar.ask("POST", "/api/v1/conversations/erase", &headers);
    let erased: Value = serde_json::from_slice(&answer.body).expect("JSON");
    assert_eq!(
        (answer.status, &erased["conversations"], &erased["scope"]),
        (200, &json!(2), &json!("session")),
        "{erased}"
    );
    assert_eq!(found(&sidecar, "?q=refund"), Vec::<Value>::new());
    assert!(!get(&sidecar, "/api/v1/conversations").to_string().contains("refund"));
    assert!(!sidecar.get("/api/v1/conversations/export").text().contains("MARKER"));
    assert_eq!(get(&sidecar, "/api/v1/stats/totals")["total"], before);
    assert_eq!(sidecar.stop(), Some(0));
    // The rest goes by the command, now that nobody runs.
    let erase = arguments!["conversations", "erase", "--user", "jane", "--config", config, "--yes", "--json"];
    assert_eq!(run(erase).expect_code(0).json()["conversations"], 1);
    for text in ["refunds", "ORDER-7788-MARKER", "two plus two"] {
        assert_eq!(holding(&data, text.as_bytes()), Vec::<String>::new(), "{text}");
    }
    run(arguments!["ledger", "check", "--data-dir", data]).expect_code(0);
}
