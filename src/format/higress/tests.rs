//! Higress's behaviour that no single golden line shows: both paths agree on every line, and bounds hold.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::format::{Config, Decoder};
use crate::record::{Micros, Parsed, Record, Usage};

const NOW: Micros = 1_793_491_200_000_000;
/// Keys of the template, in its order.
const TEMPLATE: &[(&str, &str)] = &[
    ("authority", "llm.corp.example"),
    ("bytes_sent", "1870"),
    ("downstream_remote_address", "10.8.1.9:40112"),
    ("duration", "1420"),
    ("path", "/v1/chat/completions"),
    ("request_id", "5b7f4c1e-0000-4000-8000-000000000001"),
    ("response_code", "200"),
    ("response_flags", "-"),
    ("route_name", "ai-route-qwen.internal"),
    ("start_time", "2026-03-05T08:00:01.250Z"),
    ("trace_id", "-"),
    ("upstream_cluster", "outbound|443||llm-aliyun.internal.dns"),
    ("user_agent", "openai-python/1.70.0"),
    ("x_forwarded_for", "10.8.1.9, 10.0.0.1"),
    ("response_code_details", "via_upstream"),
];

/// What was said is read too, so that the paths are compared on it.
fn with_content() -> Config {
    Config { content: true, ..Config::default() }
}

/// JSON as Go writes it.
fn go_json(value: &Value) -> String {
    value.to_string().replace('<', "\\u003c").replace('>', "\\u003e")
}

/// A line of the text template: values are put in raw.
fn line_with(ai_log: &str, changes: &[(&str, &str)]) -> String {
    let mut line = format!("{{\"ai_log\":{}", Value::from(ai_log));
    for (key, value) in TEMPLATE {
        let value = changes.iter().find(|(changed, _)| changed == key).map_or(*value, |(_, value)| value);
        line.push_str(&format!(",\"{key}\":\"{value}\""));
    }
    line + "}"
}

/// What the path for everything makes of a line, without the scanner before it.
fn slow(line: &[u8], check: &mut dyn FnMut(&Reading<'_>)) {
    let text = String::from_utf8_lossy(line);
    parse_text(text.trim_start_matches('\u{feff}').trim(), &with_content(), &mut |reading| check(&reading));
}

/// Fails where the two paths differ; whether the scanner took the line.
fn assert_paths_agree(line: &[u8]) -> bool {
    parse(line, &with_content(), &mut |fast| {
        slow(line, &mut |slow| assert!(&fast == slow, "{}\n{fast:#?}\n{slow:#?}", String::from_utf8_lossy(line)));
    });
    scan::scan(line, &mut Outer::default(), &mut Inner::default()).is_some()
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0..2_000_i64).prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (0.0..50.0_f64).prop_map(Value::from),
        "[a-z0-9:<>-]{0,12}".prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        prop_oneof![Just("-"), Just(""), Just("stream"), Just("limited"), Just("{\"cached_tokens\":80}"), Just("12")]
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key(), inner), 0..4).prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

fn key() -> impl Strategy<Value = String> {
    let known = prop::sample::select(&[
        "answer",
        "api",
        "cached_tokens",
        "chat_id",
        "chat_round",
        "consumer",
        "input_token",
        "input_token_details",
        "llm_first_token_duration",
        "llm_service_duration",
        "messages",
        "model",
        "output_token",
        "output_token_details",
        "question",
        "reasoning",
        "reasoning_tokens",
        "response_type",
        "session_id",
        "system",
        "token_ratelimit_status",
        "tool_calls",
        "total_token",
        "user",
        "user_id",
        "cache_read_input_tokens",
        "thoughts_token_count",
        "function",
        "name",
    ]);
    prop_oneof![9 => known.prop_map(str::to_owned), 1 => any::<String>()]
}

fn object() -> impl Strategy<Value = Value> {
    prop::collection::vec((key(), value()), 0..8).prop_map(|pairs| Value::Object(pairs.into_iter().collect()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 768, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn scanner_and_slow_path_agree_on_generated_lines(ai_log in object(), agent in "\\PC{0,12}", status in "[0-9-]{1,3}") {
        assert_paths_agree(line_with(&go_json(&ai_log), &[("user_agent", &agent), ("response_code", &status)]).as_bytes());
    }

    #[test]
    fn scanner_and_slow_path_agree_on_mutated_lines(
        ai_log in object(),
        edits in prop::collection::vec(
            (any::<prop::sample::Index>(), 0..12_u8, prop::sample::select(b"\"\\{}[]:,0-.eu nt\x00\x09\xff-1" as &[u8])),
            1..4,
        ),
    ) {
        let mut line = line_with(&go_json(&ai_log), &[]).into_bytes();
        for (at, edit, byte) in edits {
            // Most edits go where the structure of `ai_log` is, since that is what the two paths read differently.
            let structure: Vec<usize> = (11..line.len().min(line.len() / 2))
                .filter(|at| matches!(line[*at], b'{' | b'}' | b'[' | b']' | b',' | b':' | b'"' | b'\\' | b'u'))
                .collect();
            let at = if edit < 8 && !structure.is_empty() {
                structure[at.index(structure.len())] + usize::from(edit & 4 != 0)
            } else {
                at.index(line.len())
            };
            match edit % 4 {
                0 => line[at] = byte,
                1 => line.insert(at, byte),
                2 => drop(line.remove(at)),
                _ => {
                    let end = (at + 24).min(line.len());
                    let copy = line[at..end].to_vec();
                    line.splice(at..at, copy);
                }
            }
            if line.is_empty() {
                break;
            }
        }
        assert_paths_agree(&line);
    }

    #[test]
    fn no_line_of_any_bytes_is_lost_or_panics(line in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut decoder = Decoder::build(&Config { format: "higress".to_owned(), ..Config::default() }).unwrap();
        for line in [line.clone(), [b"{\"ai_log\":\"{\\\"a\\\":".as_slice(), &line].concat()] {
            let mut records = 0;
            decoder.parse(&line, NOW, &mut |_| records += 1);
            prop_assert_eq!(records, 1);
        }
    }
}

#[test]
fn the_usual_lines_take_the_scanner() {
    for ai_log in [
        json!({"api": "-", "input_token": 10, "input_token_details": {"cached_tokens": 0}, "output_token": 69,
            "model": "m", "response_type": "stream"}),
        json!({"api": "-", "answer": "a \"b\" \\ \n <c>", "messages": [{"role": "user", "content": ["x", {"y": []}]}],
            "tool_calls": [{"function": {"name": "f", "arguments": "{\"a\":\"b\"}"}}], "input_token": "10"}),
        json!({"input_token_details": "{\"cached_tokens\":80}", "cached_tokens": null, "session_id": "北京"}),
        json!({"nothing": {}, "none": [], "n": -0.5e-3, "t": true}),
    ] {
        assert!(assert_paths_agree(line_with(&ai_log.to_string(), &[]).as_bytes()), "{ai_log}");
    }
}

#[test]
fn odd_lines_are_left_to_the_slow_path_and_agree() {
    let usual = line_with(r#"{"api":"-","model":"m"}"#, &[]);
    for odd in [
        usual.replace(":\"200\"", ":200"),
        usual.replace(":\"200\"", ": \"200\""),
        usual.replace("\"duration\"", "\"dur\\u0061tion\""),
        usual.replace("{\\\"api\\\":\\\"-\\\"", "{\\\"api\\\": \\\"-\\\""),
        usual.replace("\\\"m\\\"", "\\u0022m\\u0022"),
        usual.replace("\\\"m\\\"", "01"),
        usual.replace("\\\"m\\\"", "[1,]"),
        usual.replace("\\\"m\\\"", "[1}"),
        usual.replace("\\\"m\\\"", "[{]}"),
        usual.replace("\\\"m\\\"", "[[1],{\\\"a\\\":[]]]"),
        usual.replace("\\\"m\\\"", "{\\\"a\\\":1,}"),
        usual.replace("\\\"m\\\"", "{1:2}"),
        usual.replace("\\\"m\\\"", "[1 2]"),
        usual.replace("\\\"m\\\"", "-"),
        usual.replace("\\\"m\\\"", "1.e3"),
        usual.replace("\\\"m\\\"", "nul"),
        usual.replace("\\\"m\\\"", "{\\\"a\\\" 1}"),
        usual.replace("\\\"m\\\"", "\\\"\\\\ud800\\\""),
        usual.replace("\\\"m\\\"", "\\\"\\\\x\\\""),
        usual.replace("\\\"m\\\"", &("[".repeat(100) + &"]".repeat(100))),
        usual.replace("\\\"m\\\"", &("[".repeat(200) + &"]".repeat(200))),
        usual.replace("}\",", "}}\","),
        usual.replace("}\",", "\","),
        usual.clone() + "}",
        usual.clone() + " ",
        usual.replace("\"trace_id\"", "\"duration\""),
        usual.replace("curl", "\u{1}"),
        String::from("\u{feff}") + &usual,
        line_with("{}", &[]),
        line_with("-", &[]),
    ] {
        assert_paths_agree(odd.as_bytes());
    }
}

fn request(line: &[u8], check: impl FnOnce(&Record<'_>)) {
    let mut decoder = Decoder::build(&Config { format: "higress".to_owned(), ..Config::default() }).unwrap();
    let mut check = Some(check);
    decoder.parse(line, NOW, &mut |parsed| match parsed {
        Parsed::Request(record) => check.take().unwrap()(&record),
        other => panic!("{other:?}"),
    });
    assert!(check.is_none(), "no record");
}

#[test]
fn a_value_of_ten_mebibytes_changes_nothing_else() {
    let answer = "答 \"quoted\" ".repeat(800_000);
    let ai_log = json!({"answer": answer, "input_token": 5, "output_token": 6, "model": "m"}).to_string();
    assert!(ai_log.len() > 10 << 20);
    request(line_with(&ai_log, &[]).as_bytes(), |record| {
        assert_eq!((record.usage.tokens().input(), &*record.model), (5, "m"));
        assert!(record.anomalies.is_empty());
    });
    request(line_with(&ai_log, &[("user_agent", "a\"b")]).as_bytes(), |record| {
        assert_eq!(record.usage.tokens().input(), 5);
        assert!(record.anomalies.contains(Anomaly::Salvaged));
    });
}

#[test]
fn labels_and_tool_calls_of_a_hostile_line_are_bounded() {
    let long = "模".repeat(500);
    let calls: Vec<_> = (0..500).map(|n| json!({"function": {"name": format!("{long}{n}")}})).collect();
    let ai_log = json!({"model": long, "consumer": "a\u{7}b", "session_id": long, "tool_calls": calls});
    request(line_with(&ai_log.to_string(), &[("route_name", &long)]).as_bytes(), |record| {
        assert!(record.model.len() <= 256 && record.route.len() <= 256);
        assert_eq!(record.consumer, "a\u{fffd}b");
        assert_eq!(record.session_id, long, "ids are verbatim");
        assert_eq!(record.tool_calls.len(), 128);
        assert!(record.tool_calls.iter().all(|name| name.len() <= 256));
        assert_ne!(record.tool_calls[0], record.tool_calls[1]);
        assert_eq!(record.usage, Usage::Missing);
    });
}

#[test]
fn the_provider_is_the_clusters_own_name() {
    for (cluster, upstream, provider) in [
        ("outbound|443||llm-aliyun.internal.dns", "llm-aliyun.internal.dns", "aliyun"),
        ("outbound|443|v1|llm-open-ai.internal.static", "llm-open-ai.internal.static", "open-ai"),
        ("outbound|80||deepseek.static", "deepseek.static", "deepseek"),
        ("outbound|443||llm-moonshot.dns", "llm-moonshot.dns", "moonshot"),
        (
            "outbound|80||vllm.models.svc.cluster.local",
            "vllm.models.svc.cluster.local",
            "vllm.models.svc.cluster.local",
        ),
        ("PassthroughCluster", "PassthroughCluster", "PassthroughCluster"),
        ("llm-.internal.dns", "llm-.internal.dns", "llm-.internal.dns"),
        ("outbound|443||", "outbound|443||", "outbound|443||"),
        ("-", "", ""),
    ] {
        request(line_with(r#"{"api":"-"}"#, &[("upstream_cluster", cluster)]).as_bytes(), |record| {
            assert_eq!((&*record.upstream, &*record.provider), (upstream, provider), "{cluster}");
        });
    }
}

#[test]
fn who_asked_is_taken_from_ai_log_and_then_from_the_outer_line() {
    let outer = r#","consumer":"outer","x-mse-consumer":"mse","user_id":"7","#;
    for (ai_log, consumer, user) in [
        (r#"{"consumer":"inner","user":"u","user_id":"id"}"#, "inner", "u"),
        (r#"{"consumer":"-","user_id":42}"#, "outer", "42"),
        (r#"{"api":"-"}"#, "outer", "7"),
    ] {
        let line = line_with(ai_log, &[]).replace(",\"duration\"", &format!("{outer}\"duration\""));
        request(line.as_bytes(), |record| assert_eq!((&*record.consumer, &*record.user), (consumer, user), "{ai_log}"));
    }
}

#[test]
fn the_client_is_the_first_forwarded_address_or_the_peer_without_its_port() {
    for (forwarded, peer, want) in [
        ("10.8.1.9, 10.0.0.1", "10.0.0.1:5", "10.8.1.9"),
        ("-", "10.0.0.1:5", "10.0.0.1"),
        ("-", "[2001:db8::1]:443", "2001:db8::1"),
        ("-", "2001:db8::1", "2001:db8::1"),
        ("-", "-", ""),
    ] {
        let changes = [("x_forwarded_for", forwarded), ("downstream_remote_address", peer)];
        request(line_with(r#"{"api":"-"}"#, &changes).as_bytes(), |record| assert_eq!(record.client_address, want));
    }
}
