//! The rules as tests: the default file, one bad file per rule in `tests/config/`, and what a good file becomes.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::format::{DimensionSource, Field, Unit};
use crate::tail::From;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config")
}

fn problems(text: &str) -> String {
    parse(Path::new("t.yaml"), text).map(|_| String::new()).unwrap_or_else(|problems| problems.to_string())
}

#[test]
fn the_default_file_is_the_default() {
    let parsed =
        parse(Path::new("/etc/tokentail/tokentail.yaml"), DEFAULT).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(parsed.without_secrets(), Config::default().without_secrets());
    assert_eq!(parsed.data_dir, DataDir::Default);
    let empty = parse(Path::new("t.yaml"), "").expect("an empty file is fine");
    assert_eq!(empty.without_secrets(), Config::default().without_secrets());
}

#[test]
fn the_default_file_mentions_every_key() {
    let words: BTreeSet<&str> = DEFAULT.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).collect();
    let sections = [
        KEYS,
        source::KEYS,
        field::KEYS,
        dimension::KEYS,
        cost::KEYS,
        cost::RATE_KEYS,
        cost::BUDGET_KEYS,
        metric::KEYS,
        keeping::RETENTION_KEYS,
        super::content::KEYS,
        super::content::CAPTURE_KEYS,
        super::content::PATTERN_KEYS,
        keeping::SESSION_KEYS,
        sink::KEYS,
        sink::TLS_KEYS,
        super::probe::KEYS,
        super::probe::TLS_KEYS,
        super::probe::HEADER_KEYS,
        super::probe::JSON_KEYS,
        super::sla::KEYS,
        super::sla::WINDOW_KEYS,
        keeping::PRIVACY_KEYS,
        super::report::KEYS,
        super::web::KEYS,
        super::relay::KEYS,
        super::relay::RECEIVER_KEYS,
    ];
    let patterns = crate::content::Pattern::ALL.map(|(_, name)| name);
    let names = Field::ALL
        .iter()
        .map(|field| field.label())
        .chain(source::formats())
        .chain(metric::histograms())
        .chain(patterns);
    let missing: Vec<&str> = sections.concat().into_iter().chain(names).filter(|key| !words.contains(key)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// The default file with every example put in the place of the default before it.
fn with_examples() -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut in_example = false;
    for line in DEFAULT.lines() {
        let (indent, rest) = line.split_at(line.len() - line.trim_start().len());
        // Prose has a space after the `#`; only the further lines of an example are indented too.
        let example = rest.strip_prefix('#').filter(|rest| !rest.is_empty() && (in_example || !rest.starts_with(' ')));
        in_example = example.is_some();
        let Some(example) = example else {
            lines.push(line.to_owned());
            continue;
        };
        if let Some((key, _)) = example.split_once(':').filter(|(key, _)| !key.starts_with(' ')) {
            let start = format!("{indent}{key}:");
            lines.retain(|line| !line.starts_with(&start));
        }
        lines.push(format!("{indent}{example}"));
    }
    lines.join("\n")
}

#[test]
fn the_examples_in_the_default_file_are_valid() {
    let text = with_examples();
    let config = parse(Path::new("/etc/t.yaml"), &text).unwrap_or_else(|problems| panic!("{problems}\n{text}"));
    let (sources, dimensions) = (&config.sources, &config.dimensions);
    assert_eq!((sources.len(), dimensions.len()), (2, 4));
    assert!(sources.iter().all(|source| source.format.dimensions.len() == 4));
    assert_eq!(config.data_dir.path(), Some(Path::new("/var/lib/tokentail")));
    assert_eq!((config.pricing.prices.len(), config.pricing.rates.len(), config.pricing.budgets.len()), (1, 1, 2));
    assert_eq!((config.web.roles.len(), config.web.allowed_hosts.len(), config.meter.buckets.len()), (2, 1, 1));
    assert!(config.web.trusted_user_header.is_some() && config.web.external_url.is_some());
    assert!(config.web.trace_url.is_some());
    assert!(config.retention.max_size.is_some() && config.privacy.key_file.is_some());
    assert_eq!((config.content.capture.gateways.len(), config.content.capture.consumers.len()), (1, 1));
    assert_eq!((config.content.redact_patterns.len(), config.content.redact.len()), (1, 4));
    assert!(config.content.encryption_key_file.is_some());
    assert_eq!(config.relay.receivers.len(), 3);
    assert_eq!((config.reports.daily.len(), config.reports.weekly.len(), config.reports.monthly.len()), (1, 1, 3));
    assert_eq!((config.probes.targets.len(), config.sla.maintenance.len(), config.sla.objectives.len()), (4, 2, 1));
    config.build_probes(&crate::clock::Clock::manual(0)).unwrap_or_else(|problems| panic!("{problems}"));
    assert!(config.relay.token_file.is_some() && config.relay.ca_file.is_some());
}

/// Set `TOKENTAIL_BLESS=1` to rewrite the messages.
#[test]
fn every_bad_file_gives_its_exact_messages() {
    #[expect(clippy::disallowed_methods, reason = "a test's own switch, as golden tests have it")]
    let bless = std::env::var_os("TOKENTAIL_BLESS").is_some();
    let mut names = BTreeSet::new();
    let mut wrong = Vec::new();
    for entry in fs::read_dir(folder()).expect("the folder is there") {
        let path = entry.expect("an entry").path();
        let (Some(stem), Some(kind)) = (path.file_stem(), path.extension()) else { panic!("{}", path.display()) };
        names.insert((stem.to_string_lossy().into_owned(), kind.to_string_lossy().into_owned()));
    }
    let rules: BTreeSet<&String> = names.iter().map(|(stem, _)| stem).collect();
    for rule in &rules {
        let name = format!("{rule}.yaml");
        let text = fs::read_to_string(folder().join(&name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let found = match parse(Path::new(&name), &text) {
            Ok(_) => panic!("{name} is good"),
            Err(problems) => {
                assert!(problems.list().iter().all(|problem| problem.line > 0 && !problem.remedy.is_empty()), "{name}");
                format!("{problems}\n")
            }
        };
        let want = folder().join(format!("{rule}.txt"));
        if bless {
            fs::write(&want, &found).expect("writable");
        } else if fs::read_to_string(&want).unwrap_or_default() != found {
            wrong.push(found);
        }
    }
    assert!(wrong.is_empty(), "not as in the .txt files:\n{}", wrong.concat());
    assert!(rules.len() >= 60, "{} rules", rules.len());
}

#[test]
fn a_whole_file_becomes_a_whole_configuration() {
    let text = r#"
timezone: asia/shanghai
listen: "0.0.0.0:9000"
data_dir: none
sources:
  - name: main
    format: fields
    path: logs/*.jsonl
    max_line: 1MiB
    timezone: Europe/Berlin
    fields:
      time: [a.b, "gen_ai.time"]
      duration: {path: latency, unit: us}
dimensions:
  - {name: agent, from: session, regex: "^agent:([^:]+):"}
  - {name: team, from: ai_log.team, lookup: {7: sales}, label: true}
cost:
  mode: logged_else_computed
  prices: p.yaml
  rates: [{from: CNY, to: USD, rate: 0.1385, since: 2026-11-01}]
  budgets: [{name: b, filter: {team: sales, model: m}, unit: tokens, limit: 1000, period: day}]
metrics: {consumer_label: false, max_lines: 1000, new_series_hold: 30s, buckets: {request_duration_seconds: [0.5, 1]}}
retention: {requests: 1d, content: 12h, max_size: 1GB}
content: {redact: [key], max_size: 2MiB, encryption_key_file: c.key, index_encrypted: true}
privacy: {key_file: /k, session_ids: hashed}
web: {external_url: "https://h/t/", allowed_hosts: [H.example], roles: {u: admin}}
relay:
  listen: "0.0.0.0:9001"
  token_file: t
  receivers: [{name: a, kind: feishu, url_file: u, secret_file: /s, language: zh, keyword: k}]
"#;
    let config = parse(Path::new("/etc/t.yaml"), text).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(config.timezone_name, "Asia/Shanghai");
    assert_eq!(
        (config.web.listen.as_slice(), config.data_dir),
        (["0.0.0.0:9000".to_owned()].as_slice(), DataDir::None)
    );
    let source = config.sources.first().expect("a source");
    assert_eq!(
        (source.tail.path.as_str(), source.tail.from, source.tail.max_line),
        ("/etc/logs/*.jsonl", From::End, 1 << 20)
    );
    assert_eq!(source.format.timezone.iana_name(), Some("Europe/Berlin"));
    let field = |field| source.format.fields.get(&field).map(|source| (source.paths.join("|"), source.unit));
    assert_eq!(field(Field::Time), Some(("a.b|gen_ai.time".to_owned(), None)));
    assert_eq!(field(Field::Duration), Some(("latency".to_owned(), Some(Unit::Microseconds))));
    let [agent, team] = source.format.dimensions.as_slice() else { panic!("{:?}", source.format.dimensions) };
    assert_eq!((&agent.from, agent.label), (&DimensionSource::Field(Field::Session), false));
    assert_eq!((&team.from, team.label), (&DimensionSource::Path("ai_log.team".to_owned()), true));
    assert_eq!(team.lookup.as_ref().and_then(|table| table.get("7")).map(String::as_str), Some("sales"));
    assert_eq!(config.pricing.prices, [PathBuf::from("/etc/p.yaml")]);
    assert_eq!(config.pricing.rates.first().map(|rate| rate.nanos), Some(138_500_000));
    assert_eq!(config.pricing.budgets.first().map(|budget| budget.limit_nanos), Some(1_000_000_000_000));
    assert_eq!((config.meter.max_lines, config.meter.new_series_hold), (1_000, Duration::from_secs(30)));
    assert_eq!(
        (config.retention.requests, config.retention.max_size),
        (Duration::from_secs(86_400), Some(1_000_000_000))
    );
    assert_eq!(config.retention.content, Duration::from_secs(43_200));
    let content = &config.content;
    assert_eq!((content.redact.len(), content.max_size, content.index_encrypted), (1, 2 << 20, true));
    assert_eq!(content.encryption_key_file, Some(PathBuf::from("/etc/c.key")));
    assert_eq!(config.privacy.key_file, Some(PathBuf::from("/k")));
    assert_eq!(config.web.external_url.as_deref(), Some("https://h/t"));
    assert_eq!(config.web.allowed_hosts, ["h.example"]);
    assert_eq!(
        (config.relay.listen.as_str(), config.relay.timezone.iana_name()),
        ("0.0.0.0:9001", Some("Asia/Shanghai"))
    );
    assert_eq!(config.relay.token_file, Some(PathBuf::from("/etc/t")));
    let receiver = crate::relay::Receiver {
        name: "a".to_owned(),
        kind: crate::relay::Kind::Feishu,
        url_file: PathBuf::from("/etc/u"),
        secret_file: Some(PathBuf::from("/s")),
        language: crate::relay::Language::Chinese,
        keyword: Some("k".to_owned()),
        at_mobiles: std::collections::BTreeMap::new(),
    };
    assert_eq!(config.relay.receivers, [receiver]);
}

#[test]
fn a_section_left_empty_is_a_section_left_out() {
    let text =
        "sources:\ndimensions:\ncost:\nmetrics:\n  buckets:\nretention: ~\nprivacy: null\nweb:\nrelay:\n  receivers:\n";
    assert_eq!(problems(text), "");
    assert_eq!(
        problems("timezone:\n"),
        "t.yaml:1: timezone: expected text, found nothing; write it as in `timezone: UTC`"
    );
}

#[test]
fn a_folder_with_a_bracket_in_its_name_is_no_glob() {
    let config = parse(Path::new("/srv/a[1]/t.yaml"), "sources: [{name: a, path: x*.log}]").expect("valid");
    let path = config.sources.first().map(|source| source.tail.path.as_str());
    assert_eq!(path, Some("/srv/a[[]1[]]/x*.log"));
}

#[test]
fn only_three_keys_need_a_restart() {
    let config = |text: &str| parse(Path::new("t.yaml"), text).unwrap_or_else(|problems| panic!("{problems}"));
    let old = Config::default();
    let moved = config("timezone: Asia/Tokyo\nlisten: [\"127.0.0.1:1\"]\ndata_dir: elsewhere\n");
    assert_eq!(needs_restart(&old, &moved), ["listen", "data_dir", "timezone"]);
    let other = config("sources: [{name: a, path: a.log}]\nretention: {requests: 2d}\nweb: {allowed_hosts: [a]}\n");
    assert!(needs_restart(&old, &other).is_empty());
}

#[test]
fn a_file_that_cannot_be_read_is_one_problem() {
    let folder = tempfile::tempdir().expect("a folder");
    let message = |name: &str| {
        let problems = load(&folder.path().join(name)).expect_err("not readable").to_string();
        problems.replace(&folder.path().to_string_lossy().into_owned(), "")
    };
    fs::write(folder.path().join("latin1.yaml"), b"timezone: UTC\nlisten: [\xe9]\n").expect("written");
    fs::write(folder.path().join("large.yaml"), "é".repeat(yaml::MAX_BYTES)).expect("written");
    fs::write(folder.path().join("good.yaml"), "timezone: UTC\n").expect("written");
    assert!(message("none.yaml").contains("cannot be read: No such file"), "{}", message("none.yaml"));
    assert!(message("none.yaml").ends_with("; create it, for example from `tokentail check --print-default`"));
    assert_eq!(message("latin1.yaml"), "/latin1.yaml: not UTF-8, first on line 2; save it as UTF-8");
    assert!(message("large.yaml").contains("larger than 1 MiB"), "{}", message("large.yaml"));
    assert!(message("").contains("cannot be read: Is a directory"), "{}", message(""));
    assert!(load(&folder.path().join("good.yaml")).is_ok());
}

#[test]
fn ten_thousand_problems_are_bounded() {
    let text: String = (0..10_000).map(|number| format!("key{number}: 1\n")).collect();
    let problems = parse(Path::new("t.yaml"), &text).expect_err("unknown keys");
    assert_eq!((problems.list().len(), problems.omitted()), (100, 9_900));
}

proptest! {
    /// The default file with a few bytes changed anywhere is read or refused, never a panic.
    #[test]
    fn a_damaged_file_never_panics(
        edits in prop::collection::vec((0_usize..20_000, "[-a-z0:\\[\\]{}#&*!|>'\", \t\n]{0,3}"), 1..6),
    ) {
        let mut text = with_examples();
        for (at, with) in edits {
            let at = (0..=at % text.len()).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            let end = (at + 1..=text.len()).find(|end| text.is_char_boundary(*end)).unwrap_or(at);
            text.replace_range(at..end, &with);
        }
        let _ = parse(Path::new("t.yaml"), &text);
    }
}
