//! Golden cases: `tests/golden/<format>/<case>/input.log` through the decoder, compared with `expected.json` beside it.
//!
//! With `TOKENTAIL_BLESS=1` in the environment the expectations are written anew instead, to be read before they are kept.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::{Config, Decoder};
use crate::record::{Content, Parsed, Record, Said, Usage};

/// 2026-11-01T00:00:00Z
const NOW: i64 = 1_793_491_200_000_000;

fn read(format: &str, input: &[u8], content: bool) -> String {
    let mut decoder = Decoder::build(&Config { format: format.to_owned(), content, ..Config::default() }).unwrap();
    let mut text = String::from("[\n");
    for line in input.strip_suffix(b"\n").unwrap_or(input).split(|byte| *byte == b'\n') {
        decoder.parse(line, NOW, &mut |parsed| {
            let value = match &parsed {
                Parsed::Request(record) => record_json(record),
                Parsed::Skipped(skip) => json!({"skipped": skip.label()}),
                Parsed::Rejected(reject) => json!({"rejected": reject.label()}),
            };
            let _ = writeln!(text, "{},", serde_json::to_string_pretty(&value).unwrap());
        });
    }
    text.truncate(text.trim_end_matches(",\n").len());
    text.push_str("\n]\n");
    text
}

/// What a record says; what it does not say is left out.
fn record_json(record: &Record<'_>) -> Value {
    let usage = match &record.usage {
        Usage::None => Value::Null,
        Usage::Missing => json!("missing"),
        Usage::Counted { tokens, family, .. } => json!({
            "family": family.label(), "input": tokens.input(), "output": tokens.output(),
            "uncached_input": tokens.uncached_input, "cache_read": tokens.cache_read,
            "cache_write_5m": tokens.cache_write_5m, "cache_write_1h": tokens.cache_write_1h,
            "visible_output": tokens.visible_output, "reasoning": tokens.reasoning,
        }),
    };
    let value = json!({
        "start": jiff::Timestamp::from_microsecond(record.start).unwrap().to_string(),
        "duration_us": record.duration, "first_token_us": record.first_token,
        "request_id": record.request_id, "chat_id": record.chat_id, "session_id": record.session_id,
        "trace_id": record.trace_id.map(|id| format!("{:032x}", u128::from_be_bytes(id))),
        "route": record.route, "provider": record.provider, "model": record.model,
        "consumer": record.consumer, "user": record.user, "upstream": record.upstream,
        "mode": record.mode.label(), "service_tier": record.service_tier.label(),
        "chat_round": record.chat_round, "status": record.status,
        "outcome": record.outcome.error().map_or("success", |reason| reason.label()),
        "usage": usage, "bytes_sent": record.bytes_sent,
        "cost": record.logged_cost.map(|cost| format!("{} {}", crate::record::money::format_nanos(cost.nanos.into()), cost.currency)),
        "tool_calls": record.tool_calls, "dimensions": record.dimensions,
        "client_address": record.client_address, "user_agent": record.user_agent,
        "messages": record.messages,
        "content": record.content.as_deref().map(content_json),
        "anomalies": record.anomalies.iter().map(|anomaly| anomaly.label()).collect::<Vec<_>>(),
    });
    let said = |value: &Value| match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => true,
    };
    let Value::Object(fields) = value else { return Value::Null };
    Value::Object(fields.into_iter().filter(|(_, value)| said(value)).collect::<Map<_, _>>())
}

fn content_json(content: &Content<'_>) -> Value {
    let Content { messages, system, question, answer, reasoning, tool_calls } = content;
    let all = [
        ("messages", messages),
        ("system", system),
        ("question", question),
        ("answer", answer),
        ("reasoning", reasoning),
        ("tool_calls", tool_calls),
    ];
    let said = |said: &Said<'_>| match said {
        Said::Nothing => None,
        Said::Text(text) => Some(json!({"text": text})),
        Said::Json(text) => Some(json!({"json": text})),
    };
    Value::Object(all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), said(value)?))).collect())
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a developer's switch, in a test only")]
fn every_golden_case_reads_as_expected_by_its_format_and_by_detection() {
    let bless = std::env::var("TOKENTAIL_BLESS").is_ok();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut cases = 0;
    for format in super::TABLE.iter().map(|format| format.name) {
        // A field map has no lines of its own.
        let Ok(folder) = std::fs::read_dir(root.join(format)) else { continue };
        for case in folder {
            let folder = case.unwrap().path();
            let input = std::fs::read(folder.join("input.log")).unwrap();
            // Captured only where a case is about it.
            let content = folder.file_name().is_some_and(|name| name.to_string_lossy().starts_with("content"));
            let got = read(format, &input, content);
            if bless {
                std::fs::write(folder.join("expected.json"), &got).unwrap();
            }
            let want = std::fs::read_to_string(folder.join("expected.json")).unwrap();
            assert_eq!(got, want, "{}: read the difference, then TOKENTAIL_BLESS=1", folder.display());
            assert_eq!(read("auto", &input, content), want, "{} by detection", folder.display());
            cases += 1;
        }
    }
    assert!(cases > 0);
}
