//! The JSON API of a running sidecar: every answer is as the document says, and what is asked wrongly is told.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tokentail::record::money;

use crate::arguments;
use crate::gateway::Line;
use crate::program::{Answer, Sidecar, run};
use crate::schema;

/// A session id of more bytes than are kept.
fn long_id() -> String {
    "长".repeat(3_400)
}

/// Session ids that are hostile, odd or long.
fn odd_ids() -> Vec<String> {
    let mut ids = ["a/b/../c", "<script>alert(1)</script>", "\u{202e}txt.exe", "100%", "a%2Fb", "a b+c&d=e?f#g", "."]
        .map(str::to_owned)
        .to_vec();
    ids.push(long_id());
    ids
}

fn line(index: u64, session: &str, model: &str, user: &str) -> String {
    let ai_log = json!({
        "chat_id": format!("c-{index}"), "chat_round": 1, "consumer": "app", "input_token": 100, "output_token": 10,
        "llm_service_duration": 1000, "model": model, "response_type": "normal", "session_id": session,
        "total_token": 110, "user_id": user,
    });
    Line::numbered(index).around(&ai_log.to_string())
}

/// A sidecar on a log of ordinary and odd sessions, with a target that nobody answers for.
fn start() -> (Sidecar, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("make a folder");
    let log = folder.path().join("access.log");
    let mut text = String::new();
    let ids = odd_ids();
    for index in 0..30 {
        let session = if index < 20 { "long-session" } else { "" };
        let model = if index % 3 == 0 { "no-such-model" } else { "gpt-4o" };
        text.push_str(&line(index, session, model, "alice"));
    }
    for (index, id) in (100..).zip(&ids) {
        text.push_str(&line(index, id, "gpt-4o", "bob"));
    }
    let lines = 30 + ids.len() as u64;
    fs::write(&log, text).expect("write the log");
    let sidecar = follow(&log, folder.path(), "");
    sidecar.wait_lines(lines);
    (sidecar, folder)
}

fn follow(log: &Path, folder: &Path, more: &str) -> Sidecar {
    let config = folder.join("tokentail.yaml");
    let text = format!(
        "sources: [{{name: higress, format: higress, path: {log:?}}}]\nprobes: [{{name: chat, kind: tcp, address: \
         \"127.0.0.1:9\", interval: 1h}}]\ncost: {{budgets: [{{name: all, unit: requests, limit: 10, period: month}}, \
         {{name: app, filter: {{consumer: app}}, unit: USD, limit: 5, period: day}}]}}\n{more}"
    );
    fs::write(&config, text).expect("write the configuration");
    Sidecar::start(arguments!["--config", config, "--data-dir", folder.join("data")])
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn json_of(answer: &Answer) -> Value {
    assert_eq!(answer.header("content-type"), "application/json");
    serde_json::from_slice(&answer.body).expect("JSON")
}

fn get(sidecar: &Sidecar, path: &str) -> Value {
    let answer = sidecar.get(path);
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    json_of(&answer)
}

/// The code and the message of an error.
fn refused(sidecar: &Sidecar, path: &str, status: u16) -> (String, String) {
    let answer = sidecar.get(path);
    assert_eq!(answer.status, status, "{path}: {}", answer.text());
    let body = json_of(&answer);
    let text = |key: &str| {
        body.get("error").and_then(|error| error.get(key)).and_then(Value::as_str).expect("text").to_owned()
    };
    (text("code"), text("message"))
}

/// Questions to every endpoint that gives JSON, some of them with every parameter.
const QUESTIONS: &[(&str, &[&str])] = &[
    (
        "/api/v1/requests",
        &[
            "",
            "?sort=cost&order=asc&limit=2",
            "?model=gpt-4o,no-such-model&user=alice&status=200,5xx&error=none&min_tokens=1&since=2020-01-01",
            "?session=long-session&min_cost=0.0001&currency=USD&mode=normal,stream&consumer=app&route=x",
        ],
    ),
    ("/api/v1/requests/{id}", &["1", "2"]),
    ("/api/v1/stats/overview", &["", "?timezone=Asia/Shanghai"]),
    ("/api/v1/stats/realtime", &[""]),
    (
        "/api/v1/stats/trend",
        &["", "?step=day&by=model&of=cost&top=1&since=2026-11-01", "?step=month&by=user", "?step=week&month=2026-11"],
    ),
    (
        "/api/v1/stats/totals",
        &["", "?by=model,hour&month=2026-11&compare=true", "?by=consumer,user&limit=1", "?by=day&session=long-session"],
    ),
    ("/api/v1/stats/top", &["", "?by=user&of=errors&limit=1", "?by=consumer&of=cost", "?of=unpriced&since=2026-01-01"]),
    ("/api/v1/cost", &["", "?by=model,currency,day&limit=1&month=2026-11", "?by=user&user=alice&error=none"]),
    ("/api/v1/cost/forecast", &["", "?month=2026-10&model=gpt-4o", "?month=2999-01"]),
    ("/api/v1/cost/anomalies", &["", "?since=30d&consumer=app"]),
    ("/api/v1/budgets", &[""]),
    ("/api/v1/consumers", &["", "?sort=cost&limit=1&since=2020-01-01", "?sort=name"]),
    ("/api/v1/consumers/{name}", &["app", "app?month=2026-11"]),
    ("/api/v1/prices/unpriced", &["", "?since=2020-01-01&limit=1"]),
    (
        "/api/v1/sessions",
        &[
            "",
            "?sort=cost&limit=2",
            "?model=gpt-4o&since=2020-01-01&until=2999-01-01T00:00:00Z&timezone=Asia/Shanghai",
            "?user=alice",
            "?q=long&min_turns=1&min_seconds=1&min_tokens=5&min_cost=0.001&errors=false&open=true&order=asc&sort=start",
        ],
    ),
    (
        "/api/v1/sessions/{id}",
        &["long-session", "long-session?limit=3&gateway=higress&cursor=eyJwYXJ0IjoxLCJyb3ciOjV9"],
    ),
    (
        "/api/v1/usage",
        &["", "?by=user,day&limit=1", "?by=model,hour&timezone=America/New_York", "?month=2026-11&by=week"],
    ),
    ("/api/v1/sla", &["", "?target=chat&timezone=Asia/Shanghai", "?month=2026-10"]),
    ("/api/v1/sla/outages", &["", "?since=7d&target=chat&limit=3"]),
    ("/api/v1/prices", &["", "?provider=openai&limit=1000"]),
    ("/api/v1/prices/match", &["?model=gpt-4o", "?model=none&provider=openai&at=2026-01-01"]),
    (
        "/api/v1/conversations",
        &[
            "",
            "?q=%22order%20number%22&session=long-session&limit=2",
            "?model=gpt-4o&consumer=app&user=alice&gateway=higress&month=2026-11&mode=stream&route=x",
        ],
    ),
    // Nothing is captured here.
    ("/api/v1/conversations/{id}", &[]),
    ("/api/v1/me", &[""]),
    ("/api/v1/status", &[""]),
    ("/api/v1/openapi.json", &[""]),
];

#[test]
fn every_answer_is_as_the_document_says() {
    let (sidecar, _folder) = start();
    let document = get(&sidecar, "/api/v1/openapi.json");
    let mut asked = 0;
    for (path, operations) in document["paths"].as_object().expect("paths") {
        let Some(operation) = operations.get("get") else { continue };
        let content = &operation["responses"]["200"]["content"];
        let Some(name) = content["application/json"]["schema"]["$ref"].as_str() else { continue };
        let questions = QUESTIONS.iter().find(|(known, _)| known == path);
        assert!(questions.is_some(), "nobody asks {path}");
        for question in questions.expect("checked").1 {
            let (before, _) = path.split_once('{').unwrap_or((path, ""));
            let url = format!("{before}{question}");
            let answer = get(&sidecar, &url);
            let problems = schema::problems(&document, name.trim_start_matches("#/components/schemas/"), &answer);
            assert!(problems.is_empty(), "{url}: {problems:#?}\n{answer:#}");
            asked += 1;
        }
    }
    assert!(asked > QUESTIONS.len());
    for problem in ["/api/v1/sessions?x=1", "/api/v1/none"] {
        let answer = json_of(&sidecar.get(problem));
        assert!(schema::problems(&document, "Error", &answer).is_empty(), "{answer}");
    }
}

#[test]
fn a_session_is_found_under_any_id_that_a_log_can_have() {
    let (sidecar, _folder) = start();
    for id in odd_ids() {
        let shown = get(&sidecar, &format!("/api/v1/sessions/{}", encoded(&id)));
        let session = &shown["session"];
        if id.len() > 256 {
            assert!(session["session"].as_str().expect("text").starts_with("sha256:"));
        } else {
            assert_eq!(session["session"], id);
        }
        assert_eq!(shown["turns"].as_array().map(Vec::len), Some(1), "{id}");
        // The address leads to the same page, wherever it is pasted.
        let url = session["url"].as_str().expect("an address");
        let page = format!("http://{}/sessions/", sidecar.address);
        let stored = url.strip_prefix(&page).expect("an address of a session");
        assert!(stored.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte)), "{stored}");
        assert_eq!(get(&sidecar, &format!("/api/v1/sessions/{stored}"))["session"]["session"], session["session"]);
    }
    // Decoded once: this is another session than `a/b`.
    assert_eq!(get(&sidecar, "/api/v1/sessions/a%252Fb")["session"]["session"], "a%2Fb");
    let (code, message) = refused(&sidecar, "/api/v1/sessions/long-sesion", 404);
    assert!(code == "not_found" && message.contains("did you mean `long-session`?"), "{message}");
    assert_eq!(refused(&sidecar, "/api/v1/sessions/%ff", 400).0, "bad_parameter");
}

#[test]
fn a_user_is_found_by_the_plain_id_and_by_the_pseudonym() {
    let (sidecar, _folder) = start();
    let plain = get(&sidecar, "/api/v1/sessions?user=alice&limit=1000");
    let pseudonym = plain["sessions"][0]["user"].as_str().expect("a user").to_owned();
    assert_ne!(pseudonym, "alice");
    let same = get(&sidecar, &format!("/api/v1/sessions?user={pseudonym}&limit=1000"));
    assert_eq!(same["sessions"], plain["sessions"]);
    assert!(plain["sessions"].as_array().is_some_and(|sessions| !sessions.is_empty()));
    assert_eq!(get(&sidecar, "/api/v1/sessions?user=nobody")["sessions"], json!([]));
}

#[test]
fn a_session_that_is_kept_as_a_hash_is_found_by_its_own_id_which_no_answer_tells() {
    let folder = tempfile::tempdir().expect("make a folder");
    let log = folder.path().join("access.log");
    let (mail, key) = ("jane.doe@example.org", "sk-proj-0123456789abcdef0123456789abcdef");
    let ids = [mail.to_owned(), key.to_owned(), long_id()];
    let text: String =
        (0..).zip(ids.iter().cycle()).take(6).map(|(index, id)| line(index, id, "gpt-4o", "alice")).collect();
    fs::write(&log, text).expect("write the log");
    let sidecar = follow(&log, folder.path(), "privacy: {session_ids: hashed}\n");
    sidecar.wait_lines(6);
    let mut answers = Vec::new();
    for id in &ids {
        let typed = encoded(id);
        let shown = get(&sidecar, &format!("/api/v1/sessions/{typed}"));
        let name = shown["session"]["session"].as_str().expect("a name").to_owned();
        assert!(name.starts_with("hashed-") && shown["session"]["requests"] == 2, "{shown}");
        assert_eq!(get(&sidecar, &format!("/api/v1/sessions/{name}"))["session"]["session"], name, "by what is kept");
        for (path, list) in [
            (format!("sessions?q={typed}"), "sessions"),
            (format!("sessions?q={name}"), "sessions"),
            (format!("sessions?session={typed}"), "sessions"),
            (format!("requests?session={typed}"), "requests"),
        ] {
            let found = get(&sidecar, &format!("/api/v1/{path}"));
            let many = if list == "sessions" { 1 } else { 2 };
            assert_eq!(found[list].as_array().map(Vec::len), Some(many), "{path}: {found}");
            assert!(found[list].as_array().expect("a list").iter().all(|one| one["session"] == *name), "{found}");
            answers.push(found.to_string());
        }
        answers.push(shown.to_string());
        // The page is the same document for every address, so it tells no id either.
        answers.push(sidecar.get(&format!("/sessions/{typed}")).text());
    }
    for path in ["/metrics", "/api/v1/export/requests", "/api/v1/export/sessions?format=json", "/api/v1/status"] {
        answers.push(sidecar.get(path).text());
    }
    for answer in answers {
        assert!(!answer.contains("jane.doe") && !answer.contains("sk-proj") && !answer.contains('长'), "{answer}");
    }
}

#[test]
fn a_consumer_that_looks_like_a_key_is_found_by_it_and_by_what_is_kept_of_it() {
    let folder = tempfile::tempdir().expect("make a folder");
    let log = folder.path().join("access.log");
    let key = "sk-abcdef0123456789abcdef0123456789";
    fs::write(&log, line(1, "one", "gpt-4o", "alice").replace("\\\"app\\\"", &format!("\\\"{key}\\\"")))
        .expect("write the log");
    let sidecar = follow(&log, folder.path(), "");
    sidecar.wait_lines(1);
    let listed = get(&sidecar, "/api/v1/consumers")["consumers"][0].clone();
    let kept = listed["consumer"].as_str().expect("a name");
    assert!(kept.starts_with("hashed-"), "{kept}");
    for name in [kept, key] {
        assert_eq!(get(&sidecar, &format!("/api/v1/consumers/{name}"))["consumer"], listed);
        let found = get(&sidecar, &format!("/api/v1/requests?consumer={name}"))["requests"].clone();
        assert_eq!(found.as_array().map(Vec::len), Some(1), "{name}");
    }
}

#[test]
fn what_is_not_allowed_names_the_parameter_the_value_and_what_is() {
    let (sidecar, _folder) = start();
    for (path, says) in [
        ("requests?sort=strat", vec!["`sort`", "`strat`", "`duration`", "did you mean `start`?"]),
        ("sessions?limit=0", vec!["`limit`", "`0`", "1 to 1000"]),
        ("sessions?limit=1&limit=2", vec!["`limit`", "twice"]),
        ("sessions?modle=x", vec!["`modle`", "did you mean `model`?"]),
        ("sessions?status=500", vec!["`status`", "this path takes", "`errors`"]),
        ("sessions?error=any", vec!["`error`", "did you mean `errors`?"]),
        ("sessions?since=yesterday", vec!["`since`", "`yesterday`", "2026-11-01"]),
        ("sessions?since=2026-11-02&until=2026-11-01", vec!["`since` is not before `until`"]),
        ("sessions?month=2026-11&since=7d", vec!["`month`", "`since`"]),
        ("sessions?timezone=Mars/Olympus", vec!["`timezone`", "Asia/Shanghai"]),
        ("sessions?cursor=%20", vec!["`cursor`"]),
        ("usage?by=modle", vec!["`by`", "`modle`", "`model`"]),
        ("usage?by=day,week,month,model,route", vec!["`by`", "more than 4"]),
        ("usage?cursor=eA", vec!["`cursor`"]),
        ("requests?cursor=eA", vec!["cursor"]),
        ("requests?status=9xx", vec!["`status`", "`9xx`", "`4xx`"]),
        ("requests?error=timeuot", vec!["`error`", "did you mean `timeout`?"]),
        ("requests?min_cost=-1", vec!["`min_cost`", "`0.05`"]),
        ("requests?dimension.team=x", vec!["`team`", "there are none"]),
        ("stats/trend?step=hour&since=2020-01-01", vec!["1000 steps", "`step=hour`"]),
        ("stats/trend?by=day", vec!["`by`", "`step`"]),
        ("stats/totals?compare=true", vec!["`compare`", "`since`"]),
        ("prices/match", vec!["`model` is missing"]),
        ("status?x=%ff", vec!["`x`", "UTF-8"]),
        ("status?x=1", vec!["`x`", "takes none"]),
    ] {
        let (code, message) = refused(&sidecar, &format!("/api/v1/{path}"), 400);
        assert_eq!(code, "bad_parameter", "{path}");
        for word in says {
            assert!(message.contains(word), "{path}: {message}");
        }
    }
    let document = get(&sidecar, "/api/v1/openapi.json");
    let reading = document["paths"].as_object().expect("paths").iter().filter(|(_, path)| path.get("get").is_some());
    for (path, _) in reading {
        let path = path.replace("{id}", "1").replace("{name}", "app");
        let (code, message) = refused(&sidecar, &format!("{path}?no_such=1"), 400);
        assert!(code == "bad_parameter" && message.contains("`no_such`"), "{path}: {message}");
    }
    for path in ["requests/0", "requests/999999", "requests/x", "requests/-1"] {
        assert_eq!(refused(&sidecar, &format!("/api/v1/{path}"), 404).0, "not_found");
    }
    assert!(refused(&sidecar, "/api/v1/sla?target=chta", 404).1.contains("`chat`"));
    assert_eq!(sidecar.ask("POST", "/api/v1/sessions", &[]).status, 405);
}

#[test]
fn nothing_is_known_of_what_was_said_where_nothing_is_captured() {
    let (sidecar, folder) = start();
    assert_eq!(get(&sidecar, "/api/v1/conversations")["conversations"], json!([]));
    assert_eq!(refused(&sidecar, "/api/v1/conversations/1", 404).0, "not_found");
    assert_eq!(get(&sidecar, "/api/v1/requests/1")["content_url"], Value::Null);
    assert_eq!(get(&sidecar, "/api/v1/sessions/long-session")["content_url"], Value::Null);
    assert_eq!(get(&sidecar, "/api/v1/me")["capture"], json!({"gateways": [], "consumers": []}));
    assert_eq!(get(&sidecar, "/api/v1/consumers/app")["consumer"]["captured"], false);
    for (format, text) in [("jsonl", ""), ("chat", ""), ("json", "[]\n")] {
        let answer = sidecar.get(&format!("/api/v1/conversations/export?format={format}"));
        assert_eq!((answer.status, answer.text()), (200, text.to_owned()), "{format}");
    }
    let data = folder.path().join("data");
    let listed = run(arguments!["conversations", "list", "--data-dir", data]).expect_code(0).stdout;
    assert!(listed.contains("content.capture is off"), "{listed}");
    let shown = run(arguments!["conversations", "show", "1", "--data-dir", data]).expect_code(1).stdout;
    assert!(shown.contains("no captured conversation `1`"), "{shown}");
}

#[test]
fn what_is_to_be_erased_is_said_by_exactly_one_field_that_is_not_empty() {
    let (sidecar, folder) = start();
    let erase = |body: &Value| post(&sidecar, "/api/v1/conversations/erase", &body.to_string(), &[]);
    for (body, says) in [
        (json!({}), "exactly one"),
        (json!({"session": "a", "user": "b"}), "exactly one"),
        (json!({"user": ""}), "not empty"),
        (json!({"conversation": "x"}), "the id of a conversation"),
        (json!({"before": "2999-01-01"}), "lies in the future"),
        (json!({"everything": "yes"}), "there is no parameter"),
    ] {
        let (status, answer) = erase(&body);
        assert_eq!(status, 400, "{body}: {answer}");
        assert!(answer.to_string().contains(says), "{body}: {answer}");
    }
    let (status, answer) = erase(&json!({"before": "2020-01-01"}));
    assert_eq!((status, &answer["conversations"]), (200, &json!(0)), "{answer}");
    // Beside a running sidecar the command leaves the writing to it, and without a word it does nothing.
    let data = folder.path().join("data");
    let one = ["conversations", "erase", "--session", "a", "--data-dir"];
    let unsaid = run(arguments![one[0], one[1], one[2], one[3], one[4], data]).expect_code(2).stderr;
    assert!(unsaid.contains("--yes"), "{unsaid}");
    let beside = run(arguments![one[0], one[1], one[2], one[3], one[4], data, "--yes"]).expect_code(2).stderr;
    assert!(beside.contains("POST /api/v1/conversations/erase"), "{beside}");
    for wrong in [&["--session", ""][..], &["--session", "a", "--user", "b"], &[]] {
        let arguments = arguments!["conversations", "erase", "--data-dir", data, "--yes"];
        run(arguments.into_iter().chain(wrong.iter().map(std::ffi::OsString::from))).expect_code(2);
    }
}

#[test]
fn lists_go_on_where_they_end() {
    let (sidecar, _folder) = start();
    for (path, list) in [
        ("usage?by=model,user,hour&limit=1", "groups"),
        ("stats/totals?by=model,user&limit=1", "groups"),
        ("cost?by=user,model&limit=1", "groups"),
        ("prices?provider=openai&limit=7", "rows"),
        ("requests?sort=tokens&limit=7", "requests"),
        ("sessions?sort=turns&limit=3", "sessions"),
    ] {
        let (mut cursor, mut paged) = (String::new(), Vec::new());
        loop {
            let page = get(&sidecar, &format!("/api/v1/{path}{cursor}"));
            paged.extend(page[list].as_array().expect("a list").iter().cloned());
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        let (base, _) = path.split_once("&limit").expect("a limit");
        let whole = get(&sidecar, &format!("/api/v1/{base}&limit=1000"));
        assert_eq!(json!(paged), whole[list], "{path}");
        assert!(paged.len() > 2, "{path}");
    }
}

#[test]
fn figures_are_those_of_the_commands() {
    let (sidecar, folder) = start();
    let data = folder.path().join("data");
    let usage =
        run(arguments!["report", "usage", "--by", "user,model", "--data-dir", data, "--json"]).expect_code(0).json();
    let answer = get(&sidecar, "/api/v1/usage?by=user,model");
    assert_eq!((&answer["groups"], &answer["total"]), (&usage["groups"], &usage["total"]));
    let total = answer["total"]["cost"][0]["total"].as_str().expect("money");
    // 25 or so requests of a priced model: 100 tokens at 2.5 and 10 at 10 for a million.
    let priced = answer["total"]["requests"].as_u64().expect("a count")
        - answer["total"]["unpriced_requests"].as_u64().expect("a count");
    assert_eq!(total, money::format_nanos(i128::from(priced) * 350_000), "{priced} requests");
    let listed =
        run(arguments!["sessions", "list", "--data-dir", data, "--json", "--limit", "100"]).expect_code(0).json();
    let answer = get(&sidecar, "/api/v1/sessions?limit=100");
    let without_url = |sessions: &Value| -> Vec<Value> {
        let mut sessions = sessions.as_array().expect("a list").clone();
        for session in &mut sessions {
            session.as_object_mut().expect("an object").remove("url");
        }
        sessions
    };
    assert_eq!(without_url(&answer["sessions"]), without_url(&listed["sessions"]));
}

#[test]
fn a_session_adds_up_turn_by_turn_and_page_by_page() {
    let (sidecar, _folder) = start();
    let whole = get(&sidecar, "/api/v1/sessions/long-session?limit=1000");
    let turns = whole["turns"].as_array().expect("turns");
    assert_eq!((turns.len(), &whole["more"], &whole["removed"]), (20, &json!(false), &json!(0)));
    let last = turns.last().expect("a last turn");
    assert_eq!(
        (&last["cost_so_far"], &last["tokens_so_far"]),
        (&whole["session"]["cost"], &whole["session"]["tokens"])
    );
    assert_eq!(turns[0]["tokens_so_far"], turns[0]["request"]["tokens"]);
    let (mut cursor, mut paged) = (String::new(), Vec::new());
    loop {
        let page = get(&sidecar, &format!("/api/v1/sessions/long-session?limit=7{cursor}"));
        paged = [page["turns"].as_array().expect("turns").clone(), paged].concat();
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(&paged, turns);
}

#[test]
fn a_request_shows_how_its_cost_came_about() {
    let (sidecar, _folder) = start();
    let listed = get(&sidecar, "/api/v1/requests?model=gpt-4o&limit=1");
    let id = listed["requests"][0]["id"].as_str().expect("an id");
    let shown = get(&sidecar, &format!("/api/v1/requests/{id}"));
    assert_eq!(shown["request"], listed["requests"][0]);
    assert_eq!(shown["cost"], json!({"currency": "USD", "total": "0.00035"}));
    let kinds = shown["kinds"].as_array().expect("kinds");
    let amounts: Vec<_> = kinds.iter().map(|kind| [&kind["kind"], &kind["tokens"], &kind["amount"]]).collect();
    assert_eq!(json!(amounts), json!([["input", 100, "0.00025"], ["output", 10, "0.0001"]]));
    let lines = shown["arithmetic"].to_string();
    assert!(lines.contains("100 × 2.5 per million = 0.00025") && lines.contains("0.00035 USD"), "{lines}");
    let unpriced = get(&sidecar, "/api/v1/requests?model=no-such-model&limit=1");
    let id = unpriced["requests"][0]["id"].as_str().expect("an id");
    let shown = get(&sidecar, &format!("/api/v1/requests/{id}"));
    assert!(shown["cost"].is_null() && shown["arithmetic"].to_string().contains("no price row"), "{shown}");
    let models = get(&sidecar, "/api/v1/prices/unpriced")["models"].clone();
    assert_eq!(
        (&models[0]["model"], &models[0]["requests"], &models[0]["tokens"]),
        (&json!("no-such-model"), &json!(10), &json!(1100))
    );
}

#[test]
fn statistics_agree_with_each_other_and_with_the_time_of_use() {
    let (sidecar, _folder) = start();
    let usage = get(&sidecar, "/api/v1/usage")["total"].clone();
    let total = get(&sidecar, "/api/v1/stats/totals")["total"].clone();
    for key in ["requests", "errors", "tokens", "cost", "unpriced_requests"] {
        assert_eq!(total[key], usage[key], "{key}");
    }
    let top = get(&sidecar, "/api/v1/stats/top?by=model&limit=1");
    assert_eq!(top["total"], total);
    let count = |value: &Value| value["requests"].as_u64().expect("a count");
    assert_eq!(count(&top["top"][0]["figures"]) + count(&top["rest"]), count(&total));
    let trend = get(&sidecar, "/api/v1/stats/trend?step=month&by=model&top=1&of=tokens");
    let series = trend["series"].as_array().expect("series");
    let sum: u64 = series
        .iter()
        .flat_map(|one| one["points"].as_array().expect("points"))
        .map(|point| count(&point["figures"]))
        .sum();
    assert_eq!((series.len(), sum), (2, count(&total)));
    assert_eq!(series.iter().map(|one| one["other"] == true).collect::<Vec<_>>(), [false, true]);
}

#[test]
fn addresses_carry_the_external_url_and_its_prefix() {
    let folder = tempfile::tempdir().expect("make a folder");
    let log = folder.path().join("access.log");
    fs::write(&log, line(1, "one", "gpt-4o", "alice")).expect("write the log");
    let sidecar = follow(&log, folder.path(), "web: {external_url: \"https://example.org/tools/tokentail\"}\n");
    sidecar.wait_lines(1);
    for path in ["/api/v1/sessions", "/tools/tokentail/api/v1/sessions"] {
        let url = get(&sidecar, path)["sessions"][0]["url"].clone();
        assert_eq!(url, "https://example.org/tools/tokentail/sessions/one", "{path}");
    }
    let shown = get(&sidecar, "/tools/tokentail/api/v1/sessions/one");
    assert_eq!(shown["session"]["session"], "one");
    let document = get(&sidecar, "/api/v1/openapi.json");
    assert_eq!(document["servers"][0]["url"], "https://example.org/tools/tokentail");
}

#[test]
fn without_a_ledger_the_api_says_so() {
    let folder = tempfile::tempdir().expect("make a folder");
    let log = folder.path().join("access.log");
    fs::write(&log, "").expect("write the log");
    let mut source = std::ffi::OsString::from("higress=");
    source.push(&log);
    let sidecar = Sidecar::start(arguments!["--log", source, "--data-dir", "none"]);
    for path in [
        "requests",
        "requests/1",
        "cost",
        "budgets",
        "consumers",
        "consumers/x",
        "sessions",
        "sessions/x",
        "usage",
        "stats/overview",
        "stats/top",
        "sla",
        "sla/outages",
    ] {
        let (code, message) = refused(&sidecar, &format!("/api/v1/{path}"), 503);
        assert!(code == "unavailable" && message.contains("data_dir"), "{path}: {message}");
    }
    assert_eq!(get(&sidecar, "/api/v1/status")["ledger"], Value::Null);
    get(&sidecar, "/api/v1/prices?limit=1");
    get(&sidecar, "/api/v1/openapi.json");
}

/// Posts a body, whose headers may be given otherwise.
fn post(sidecar: &Sidecar, path: &str, body: &str, more: &[(&str, &str)]) -> (u16, Value) {
    let length = body.len().to_string();
    let mut headers = vec![("Content-Type", "application/json")];
    headers.retain(|(name, _)| !more.iter().any(|(given, _)| given == name));
    headers.extend(more);
    // What follows the last header is the body.
    let last = format!("{length}\r\n\r\n{body}");
    headers.push(("Content-Length", &last));
    let answer = sidecar.ask("POST", path, &headers);
    (answer.status, json_of(&answer))
}

#[test]
fn old_requests_are_deleted_and_what_is_posted_is_checked() {
    let (sidecar, _folder) = start();
    let delete = "/api/v1/requests/delete";
    let body = "{\"before\":\"2020-01-01\"}";
    let (status, answer) = post(&sidecar, delete, body, &[]);
    let said = (status, &answer["deleted"], &answer["before"]);
    assert_eq!(said, (200, &json!(0), &json!("2020-01-01T00:00:00Z")), "{answer}");
    for (body, status, code) in [
        ("[]", 400, "bad_body"),
        ("{", 400, "bad_body"),
        ("{}", 400, "bad_parameter"),
        ("{\"before\":1}", 400, "bad_parameter"),
        ("{\"before\":\"soon\"}", 400, "bad_parameter"),
        ("{\"before\":\"2999-01-01\"}", 400, "bad_parameter"),
        ("{\"before\":\"30d\",\"x\":\"1\"}", 400, "bad_parameter"),
    ] {
        let (got, answer) = post(&sidecar, delete, body, &[]);
        assert_eq!((got, &answer["error"]["code"]), (status, &json!(code)), "{body}: {answer}");
    }
    let large = format!("{{\"before\":\"{}\"}}", "1".repeat(70_000));
    assert_eq!(post(&sidecar, delete, &large, &[]).0, 413);
    for (header, status, code) in [
        (("Content-Type", "text/plain"), 415, "content_type"),
        (("Origin", "http://attacker.example"), 403, "cross_origin"),
        (("X-Forwarded-For", "198.51.100.9"), 403, "authentication_not_configured"),
    ] {
        let (got, answer) = post(&sidecar, delete, body, &[header]);
        assert_eq!((got, &answer["error"]["code"]), (status, &json!(code)), "{header:?}");
    }
}

#[test]
fn a_note_needs_an_outage_and_one_line() {
    let (sidecar, _folder) = start();
    for (body, status) in [
        (r#"{"target":"chat","outage":1,"text":"the disk was full"}"#, 404),
        (r#"{"target":"chat","outage":0,"text":"x"}"#, 400),
        (r#"{"target":"chat","outage":1,"text":"a\nb"}"#, 400),
        (r#"{"target":"chat","outage":1}"#, 400),
    ] {
        let (got, answer) = post(&sidecar, "/api/v1/sla/notes", body, &[]);
        assert_eq!(got, status, "{body}: {answer}");
    }
}

/// Nano-units of amounts of one currency.
fn nanos(amounts: &Value) -> i128 {
    let of = |amount: &Value| -> i128 {
        let text = amount["total"].as_str().expect("money");
        let (units, rest) = text.split_once('.').unwrap_or((text, ""));
        let digits = |text: String| text.parse::<i128>().expect("digits");
        digits(units.to_owned()) * money::NANOS + digits(format!("{rest:0<9}"))
    };
    amounts.as_array().expect("amounts").iter().map(of).sum()
}

#[test]
fn money_adds_up_by_kind_and_consumers_and_budgets_show_it() {
    let (sidecar, _folder) = start();
    let cost = get(&sidecar, "/api/v1/cost?by=model");
    let total = get(&sidecar, "/api/v1/stats/totals")["total"].clone();
    assert_eq!(cost["total"]["cost"], total["cost"]);
    let kinds = cost["total"]["kinds"].as_object().expect("kinds");
    assert_eq!(kinds.values().map(nanos).sum::<i128>(), nanos(&total["cost"]));
    let one = get(&sidecar, "/api/v1/consumers/app")["consumer"].clone();
    assert_eq!((&one["figures"]["requests"], &one["figures"]["cost"]), (&total["requests"], &total["cost"]));
    assert_eq!((one["models"].as_array().map(Vec::len), &one["captured"]), (Some(2), &json!(false)));
    assert_eq!((one["budgets"].as_array().map(Vec::len), &one["budgets"][0]["name"]), (Some(1), &json!("app")));
    assert_eq!(get(&sidecar, "/api/v1/consumers")["consumers"].as_array().map(Vec::len), Some(1));
    assert_eq!(get(&sidecar, "/api/v1/budgets")["budgets"].as_array().map(Vec::len), Some(2));
    assert_eq!(refused(&sidecar, "/api/v1/consumers/nobody", 404).0, "not_found");
}

#[test]
fn an_export_has_every_request_and_opens_in_a_spreadsheet() {
    let (sidecar, _folder) = start();
    let total = get(&sidecar, "/api/v1/stats/totals")["total"].clone();
    let requests = usize::try_from(total["requests"].as_u64().expect("a count")).expect("small");
    for (format, media_type, extra) in
        [("csv", "text/csv; charset=utf-8", 1), ("jsonl", "application/jsonl", 0), ("json", "application/json", 2)]
    {
        let answer = sidecar.get(&format!("/api/v1/export/requests?format={format}&since=2020-01-01"));
        assert_eq!((answer.status, answer.header("content-type")), (200, media_type));
        let name = format!("attachment; filename=\"tokentail-requests-2020-01-01.{format}\"");
        assert_eq!(answer.header("content-disposition"), name);
        assert_eq!(answer.text().lines().count(), requests + extra, "{format}");
    }
    let rows = json_of(&sidecar.get("/api/v1/export/requests?format=json&user=bob"));
    assert_eq!(rows.as_array().map(Vec::len), Some(odd_ids().len()));
    assert!(sidecar.get("/api/v1/export/sessions").text().lines().count() > odd_ids().len());
    assert!(sidecar.get("/api/v1/export/focus?month=2026-11").text().starts_with("BilledCost,"));
    assert_eq!(refused(&sidecar, "/api/v1/export/requests?format=xml", 400).0, "bad_parameter");
    assert_eq!(refused(&sidecar, "/api/v1/export/focus?dimension.x=1", 400).0, "bad_parameter");
}
