//! The command line: every command and flag explains itself, prints one JSON document where asked, and fails with the right code.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use clap::Command;
use parking_lot::Mutex;
use serde_json::Value;
use tokentail::ledger::{self, Ledger, ProbeResult};
use tokentail::meter::{Look, Meter};
use tokentail::record::Observation;

use crate::arguments;
use crate::gateway::Line;
use crate::program::{ingest, run, run_in};

/// Commands that run until they are ended, and so print no document.
const SERVING: [&str; 2] = ["run", "demo"];

/// All commands that do something themselves, with their full names.
fn leaves(command: &Command, name: &str, found: &mut Vec<(String, Command)>) {
    if !command.is_subcommand_required_set() {
        found.push((name.to_owned(), command.clone()));
    }
    for sub in command.get_subcommands() {
        leaves(sub, format!("{name} {}", sub.get_name()).trim(), found);
    }
}

fn all() -> Vec<(String, Command)> {
    let mut found = Vec::new();
    leaves(&tokentail::cli::command(), "", &mut found);
    found
}

fn words(name: &str) -> Vec<OsString> {
    name.split(' ').map(OsString::from).collect()
}

fn has(command: &Command, flag: &str) -> bool {
    command.get_arguments().any(|argument| argument.get_long() == Some(flag))
}

fn expect_help(command: &Command, name: &str) {
    assert!(command.get_about().is_some_and(|text| !text.to_string().trim().is_empty()), "`{name}` says nothing");
    for argument in command.get_arguments() {
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        assert!(!help.trim().is_empty(), "`{name}` does not explain {}", argument.get_id());
        assert!(!help.trim_end().ends_with('.'), "`{name}` {}: help is no sentence with a stop", argument.get_id());
    }
    for sub in command.get_subcommands() {
        expect_help(sub, &format!("{name} {}", sub.get_name()));
    }
}

#[test]
fn every_command_and_flag_has_help() {
    expect_help(&tokentail::cli::command(), "tokentail");
    for (name, command) in all() {
        let help = run([words(&name), vec!["--help".into()]].concat()).expect_code(0);
        for argument in command.get_arguments().filter_map(clap::Arg::get_long) {
            assert!(help.stdout.contains(&format!("--{argument}")), "`{name} --help` does not name --{argument}");
        }
    }
}

#[test]
fn every_flag_of_the_environment_is_named_after_it() {
    for (name, command) in all() {
        for argument in command.get_arguments() {
            if let Some(variable) = argument.get_env() {
                let flag = argument.get_long().unwrap_or_default().replace('-', "_").to_uppercase();
                assert_eq!(variable.to_string_lossy(), format!("TOKENTAIL_{flag}"), "`{name}`");
            }
        }
    }
}

/// An outage of a target in a ledger.
fn add_outage(data: &Path) {
    let clock = tokentail::clock::Clock::system();
    let options = ledger::Options {
        data_dir: ledger::DataDir::Path(data.to_owned()),
        privacy: ledger::Privacy { key: Vec::new(), hash_sessions: false },
        rollup_seconds: ledger::ROLLUP_HOUR,
        timezone: jiff::tz::TimeZone::UTC,
        clock: clock.clone(),
        sessions: tokentail::session::Config::default(),
        content: tokentail::content::Keeping::default(),
    };
    let meter = Arc::new(Mutex::new(Meter::new(tokentail::meter::Config::default())));
    let mut ledger = Ledger::open(options, meter).expect("open the ledger");
    let look = |n: i64| ProbeResult {
        target: "chat".to_owned(),
        seen: Observation {
            at: clock.now() + (n - 4) * 15_000_000,
            interval: 15_000_000,
            since_previous: (n > 0).then_some(15_000_000),
            failure: Some(tokentail::record::Failure::Refused),
            answer: None,
        },
        duration_micros: 1_000,
        look: Look::default(),
        used: None,
        message: String::new(),
    };
    ledger.observe_probes(&[look(0), look(1), look(2)]).expect("write the looks");
}

/// A folder with a log, a ledger, prices and a configuration, and a call of every command on them.
fn calls(folder: &Path) -> Vec<(&'static str, Vec<OsString>, i32)> {
    let path = |name: &str| folder.join(name);
    fs::write(path("access.log"), Line::default().text()).expect("write the log");
    fs::write(path("prices.yaml"), "prices: [{model: m, currency: USD, input: 1, output: 2}]\n").expect("write prices");
    fs::write(
        path("map.json"),
        r#"{"m": {"input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6, "litellm_provider": "openai"}}"#,
    )
    .expect("write a map");
    fs::write(path("invoice.csv"), "date,model,cost,currency\n2026-11-20,gpt-4o,1.25,USD\n").expect("write an invoice");
    ingest(&path("data"), &[&path("access.log")]);
    add_outage(&path("data"));
    let data = arguments!["--data-dir", path("data")].to_vec();
    let with = |rest: &[OsString]| [data.clone(), rest.to_vec()].concat();
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("find an address").local_addr().expect("its address");
    fs::write(path("relay.yaml"), "relay: {receivers: [{name: ops, kind: wecom, url_file: url}]}\n").expect("write");
    fs::write(path("url"), format!("http://{free}/")).expect("write the address of nobody");
    vec![
        ("ingest", with(&arguments![path("access.log")]), 0),
        ("explain", arguments![path("access.log")].to_vec(), 0),
        ("check", arguments!["--log", path("access.log")].to_vec(), 0),
        ("check", arguments!["--log", "no-such-format=x"].to_vec(), 2),
        ("check", arguments!["--config", path("relay.yaml")].to_vec(), 0),
        ("check", Vec::new(), 2),
        ("metrics", Vec::new(), 0),
        ("prices list", Vec::new(), 0),
        ("prices show", arguments!["gpt-4o"].to_vec(), 0),
        ("prices show", arguments!["no-such-model"].to_vec(), 1),
        ("prices import", with(&arguments![path("prices.yaml")]), 0),
        ("prices import", with(&arguments![path("map.json"), "--dry-run"]), 0),
        ("prices import", with(&arguments!["--list"]), 0),
        ("prices import", with(&arguments!["--remove", "prices.yaml"]), 0),
        ("prices reprice", with(&arguments!["--since", "2026-01-01"]), 0),
        ("sessions list", with(&[]), 0),
        ("sessions list", with(&arguments!["--consumer", "nobody"]), 0),
        ("sessions show", with(&arguments!["sess-1"]), 0),
        ("conversations list", with(&[]), 0),
        ("conversations search", with(&arguments!["order number"]), 0),
        ("conversations show", with(&arguments!["1"]), 1),
        ("export conversations", with(&arguments!["-o", path("conversations.jsonl"), "--output", "chat"]), 0),
        ("conversations erase", with(&arguments!["--before", "2020-01-01", "--yes"]), 0),
        ("report usage", with(&arguments!["--by", "consumer,day"]), 0),
        ("report usage", with(&arguments!["--month", "2020-01"]), 0),
        ("report usage", with(&arguments!["--weekly"]), 0),
        ("report cost", with(&arguments!["--by", "model,hour,currency"]), 0),
        ("report cost", with(&arguments!["--monthly", "--status", "2xx", "--error", "none"]), 0),
        ("report forecast", with(&[]), 0),
        ("report budgets", with(&[]), 0),
        ("report anomalies", with(&arguments!["--since", "2026-01-01"]), 0),
        ("report reconcile", with(&arguments!["--invoice", path("invoice.csv")]), 0),
        ("export requests", with(&arguments!["-o", path("requests.csv")]), 0),
        ("export sessions", with(&arguments!["-o", path("sessions.jsonl"), "--output", "jsonl"]), 0),
        ("export focus", with(&arguments!["-o", path("focus.json"), "--output", "json"]), 0),
        ("export sqlite", with(&arguments!["-o", path("views.db")]), 0),
        ("probe once", arguments!["chat", "--probe", format!("chat=tcp://{free}")].to_vec(), 1),
        ("report sla", with(&[]), 0),
        ("report sla note", with(&arguments!["chat/1", "the disk was full"]), 0),
        ("ledger backup", with(&arguments![path("copy.db")]), 0),
        ("ledger check", with(&[]), 0),
        ("ledger compact", with(&[]), 0),
        ("ledger info", with(&[]), 0),
        ("health", arguments!["--listen", free.to_string()].to_vec(), 1),
        ("relay", arguments!["--config", path("relay.yaml"), "--test", "ops"].to_vec(), 1),
    ]
}

#[test]
fn every_command_that_prints_gives_one_json_document_or_a_text_for_people() {
    let mut printed = BTreeSet::new();
    for json in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        for (name, arguments, code) in calls(folder.path()) {
            let flag: &[OsString] = if json { &["--json".into()] } else { &[] };
            let ran = run([words(name), flag.to_vec(), arguments.clone()].concat()).expect_code(code);
            if json {
                assert!(matches!(ran.json(), Value::Object(_) | Value::Array(_)), "{name}");
            } else if name != "health" {
                assert!(!ran.stdout.trim().is_empty(), "{name} {arguments:?} prints nothing");
                assert!(serde_json::from_str::<Value>(&ran.stdout).is_err(), "{name} prints JSON to people");
                assert!(!ran.stdout.contains('\u{1b}'), "{name} paints where there is no terminal");
            }
            printed.insert(name.to_owned());
        }
    }
    let known: BTreeSet<String> =
        all().into_iter().map(|(name, _)| name).filter(|name| !SERVING.contains(&name.as_str())).collect();
    assert_eq!(printed, known);
    assert!(all().iter().all(|(name, command)| has(command, "json") != SERVING.contains(&name.as_str())));
}

#[test]
fn wrong_use_is_2_and_says_what_is_wrong() {
    for wrong in [vec!["no-such-command"], vec!["prices"], vec!["ledger", "destroy"], vec!["--no-such-flag"]] {
        let ran = run(&wrong).expect_code(2);
        assert!(!ran.stderr.is_empty() && ran.stdout.is_empty(), "{wrong:?}");
    }
    for (name, _) in all() {
        let ran = run([words(&name), vec!["--no-such-flag".into()]].concat()).expect_code(2);
        assert!(ran.stderr.contains("--no-such-flag"), "{name}: {}", ran.stderr);
    }
    run(["--version"]).expect_code(0);
    run(["--help"]).expect_code(0);
}

#[test]
fn a_bad_configuration_is_2_for_every_command_that_reads_one_with_each_problem_named() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.yaml");
    fs::write(&config, "data_dir: data\ntimezone: Mars/Olympus\nretension: {requests: 90d}\ncost: {mode: free}\n")
        .unwrap();
    let log = folder.path().join("access.log");
    fs::write(&log, Line::default().text()).unwrap();
    let mut checked = 0;
    for (name, command) in all().into_iter().filter(|(_, command)| has(command, "config")) {
        let mut list = words(&name);
        list.extend(arguments!["--config", config]);
        let needs = |flag: &str| {
            command.get_arguments().any(|argument| argument.get_long() == Some(flag) && argument.is_required_set())
        };
        if needs("since") {
            list.extend(arguments!["--since", "2026-01-01"]);
        }
        if needs("invoice") {
            list.extend(arguments!["--invoice", log]);
        }
        // That one needs a file or a flag in its place.
        let needs_file = name == "prices import";
        let is_positional =
            |argument: &&clap::Arg| argument.is_positional() && (needs_file || argument.is_required_set());
        list.extend(command.get_arguments().filter(is_positional).map(|_| log.clone().into_os_string()));
        let ran = run(&list).expect_code(2);
        let said = format!("{}{}", ran.stdout, ran.stderr);
        for problem in [
            "config.yaml:2: timezone",
            "config.yaml:3: retension",
            "config.yaml:4: cost.mode",
            "did you mean `retention`",
        ] {
            assert!(said.contains(problem), "{name} does not say {problem}: {said}");
        }
        checked += 1;
    }
    assert!(checked >= 9, "only {checked}");
    assert!(!folder.path().join("data").exists());
    let missing = run(arguments!["run", "--config", folder.path().join("missing.yaml")]).expect_code(2);
    assert!(missing.stderr.contains("missing.yaml"), "{}", missing.stderr);
}

#[test]
fn the_printed_default_is_a_configuration_at_its_defaults() {
    let folder = tempfile::tempdir().unwrap();
    let printed = run(["check", "--print-default"]).expect_code(0).stdout;
    let file = folder.path().join("default.yaml");
    fs::write(&file, &printed).unwrap();
    let defaults = tokentail::config::parse(&file, "").unwrap();
    assert_eq!(format!("{:?}", tokentail::config::parse(&file, &printed).unwrap()), format!("{defaults:?}"));
    let checked = run(arguments!["check", "--json", "--config", file, "--log", folder.path().join("access.log")]);
    let checked = checked.expect_code(0).json();
    assert_eq!((&checked["ok"], &checked["problems"]), (&Value::Bool(true), &serde_json::json!([])));
    assert!(checked["worst_case_memory_bytes"].as_u64().unwrap() > 0);
}

#[test]
fn a_run_without_anything_to_read_is_2_and_makes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let ran = run(arguments!["run", "--listen", "127.0.0.1:0", "--data-dir", data]).expect_code(2);
    assert!(ran.stderr.contains("--log"), "{}", ran.stderr);
    let ran =
        run(arguments!["run", "--listen", "127.0.0.1:0", "--data-dir", data, "--log", "nginx=/tmp/x"]).expect_code(2);
    assert!(ran.stderr.contains("nginx"), "{}", ran.stderr);
    assert!(!data.exists());
}

#[test]
fn the_ledger_lies_where_flag_environment_or_default_say_in_this_order() {
    let folder = tempfile::tempdir().unwrap();
    // What is printed is the true path, whatever links lead to it.
    let root = folder.path().canonicalize().unwrap();
    let log = root.join("access.log");
    fs::write(&log, Line::default().text()).unwrap();
    let path = |name: &str| root.join(name).display().to_string();
    let (state, own, flag) = (path("state"), path("own"), path("flag"));
    let environment = [("STATE_DIRECTORY", state.as_str()), ("TOKENTAIL_DATA_DIR", own.as_str())];
    let by_flag = arguments!["--data-dir", flag].to_vec();
    for (environment, arguments, wanted) in [
        (&environment[..0], Vec::new(), path("data")),
        (&environment[..1], Vec::new(), state.clone()),
        (&environment[..], Vec::new(), own.clone()),
        (&environment[..], by_flag, flag.clone()),
    ] {
        let ingesting = [arguments!["ingest", log].to_vec(), arguments.clone()].concat();
        run_in(&root, environment, ingesting).expect_code(0);
        let asking = [arguments!["ledger", "info", "--json"].to_vec(), arguments].concat();
        let info = run_in(&root, environment, asking).expect_code(0).json();
        assert_eq!(info["path"], format!("{wanted}/ledger.db"));
        assert_eq!(info["requests"], 1);
    }
}

#[test]
fn a_log_level_that_is_none_is_refused() {
    for wrong in ["loud", "warning,info", "info,=,=", "", " ", "warn,"] {
        let said = run(["metrics", "--log-level", wrong]).expect_code(2).stderr;
        assert!(
            said.contains("--log-level") && said.contains("error, warn, info, debug or trace"),
            "{wrong:?}: {said}"
        );
    }
    for right in ["error", "WARN", "off", "warn,tokentail::tail=debug"] {
        run(["metrics", "--log-level", right]).expect_code(0);
    }
}

#[test]
fn an_empty_variable_counts_as_unset() {
    let folder = tempfile::tempdir().expect("make a folder");
    fs::write(folder.path().join("access.log"), "").expect("write the log");
    let names = ["CONFIG", "DATA_DIR", "LISTEN", "FROM", "PROBE", "WEB_CONFIG", "LOG_LEVEL", "LOG_FORMAT"];
    let names: Vec<String> = names.iter().map(|name| format!("TOKENTAIL_{name}")).collect();
    let mut empty: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "")).collect();
    empty.push(("STATE_DIRECTORY", ""));
    let plain = run_in(folder.path(), &[], arguments!["check", "--log", "higress=access.log"]).expect_code(0);
    let with = run_in(folder.path(), &empty, arguments!["check", "--log", "higress=access.log"]).expect_code(0);
    assert_eq!(with.stdout, plain.stdout);
    let wrong =
        run_in(folder.path(), &[("TOKENTAIL_FROM", "middle")], arguments!["check", "--log", "higress=access.log"]);
    wrong.expect_code(2);
}
