//! Golden cases: `tests/golden/<format>/<case>/input.log` through the decoder, compared with `expected.json` beside it.
//!
//! With `TOKENTAIL_BLESS=1` in the environment the expectations are written anew instead, to be read before they are kept.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::{Config, Decoder};
use crate::record::{Parsed, Record, Usage};

/// 2026-11-01T00:00:00Z
const NOW: i64 = 1_793_491_200_000_000;

fn read(format: &str, input: &[u8]) -> String {
    let mut decoder = Decoder::build(&Config { format: format.to_owned(), ..Config::default() }).unwrap();
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

#[test]
#[expect(clippy::disallowed_methods, reason = "a developer's switch, in a test only")]
fn every_golden_case_reads_as_expected_by_its_format_and_by_detection() {
    let bless = std::env::var("TOKENTAIL_BLESS").is_ok();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut cases = 0;
    for format in std::fs::read_dir(root).unwrap() {
        let format = format.unwrap();
        // Other parts keep golden files here too.
        if !super::TABLE.iter().any(|known| format.file_name() == known.name) {
            continue;
        }
        for case in std::fs::read_dir(format.path()).unwrap() {
            let folder = case.unwrap().path();
            let input = std::fs::read(folder.join("input.log")).unwrap();
            let got = read(format.file_name().to_str().unwrap(), &input);
            if bless {
                std::fs::write(folder.join("expected.json"), &got).unwrap();
            }
            let want = std::fs::read_to_string(folder.join("expected.json")).unwrap();
            assert_eq!(got, want, "{}: read the difference, then TOKENTAIL_BLESS=1", folder.display());
            assert_eq!(read("auto", &input), want, "{} by detection", folder.display());
            cases += 1;
        }
    }
    assert!(cases > 0);
}
