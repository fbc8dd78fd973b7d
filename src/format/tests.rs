//! The decoder as its callers see it: detection, the user's own fields, dimensions, errors.

use std::collections::BTreeMap;

use super::*;
use crate::record::{Anomaly, Content, ErrorReason, Mode, Outcome, Record, Said, ServiceTier};

const NOW: Micros = 1_793_491_200_000_000;
const HIGRESS: &str = r#"{"ai_log":"{\"model\":\"m\",\"input_token\":5,\"output_token\":6,\"session_id\":\"agent:main:7\",\"consumer\":\"key-7\"}","response_code":"200","response_flags":"-","start_time":"2026-03-05T08:00:00Z","tenant":"blue","upstream_cluster":"outbound|443||llm-aliyun.internal.dns"}"#;

fn config(format: &str, fields: &[(Field, &[&str], Option<Unit>)]) -> Config {
    let fields = fields.iter().map(|(field, paths, unit)| {
        (*field, FieldSource { paths: paths.iter().map(|path| (*path).to_owned()).collect(), unit: *unit })
    });
    Config { format: format.to_owned(), fields: fields.collect(), ..Config::default() }
}

/// What a line gives, each record as a word or by `see`.
fn read(config: &Config, line: &str, see: &dyn Fn(&Record<'_>) -> String) -> Vec<String> {
    let mut seen = Vec::new();
    Decoder::build(config).unwrap().parse(line.as_bytes(), NOW, &mut |parsed| {
        seen.push(match &parsed {
            Parsed::Request(record) => see(record),
            Parsed::Skipped(skip) => skip.label().to_owned(),
            Parsed::Rejected(reject) => reject.label().to_owned(),
        });
    });
    seen
}

#[test]
fn an_unknown_format_is_refused_with_the_nearest_name() {
    let error = Decoder::build(&config("higres", &[])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "find format `higres`: expected one of `higress`, `fields`, `auto`; did you mean `higress`?"
    );
    for (name, want) in [("Auto", "auto"), ("field", "fields"), ("HIGRESS", "higress")] {
        assert!(
            matches!(Decoder::build(&config(name, &[])), Err(Error::UnknownFormat { nearest, .. }) if nearest == want)
        );
    }
}

#[test]
fn detection_takes_each_line_by_its_own_mark() {
    let auto = Config::default();
    let see = |record: &Record<'_>| record.model.to_string();
    for (line, want) in [
        (HIGRESS, "m"),
        ("", "empty"),
        (" \t", "empty"),
        (r#"{"level":"info","message":"started"}"#, "unknown_format"),
        ("[2026-03-05T08:00:00Z] GET /", "unknown_format"),
        ("\u{0}\u{1}\u{2}", "unknown_format"),
        (r#"{"duration":"1","istio_policy_status":"-","start_time":"2026-03-05T08:00:00Z"}"#, "no_ai"),
        (r#"{"ai_log":"torn"#, "malformed"),
    ] {
        assert_eq!(read(&auto, line, &see), [want], "{line}");
    }
    let mut decoder = Decoder::build(&auto).unwrap();
    decoder.parse(HIGRESS.as_bytes(), NOW, &mut |_| ());
    let mut last = String::new();
    decoder.parse(b"{\"x\":1}", NOW, &mut |parsed| last = format!("{parsed:?}"));
    assert_eq!(last, "Rejected(UnknownFormat)", "the remembered format does not take what is not its own");
}

#[test]
fn detection_says_why() {
    let decoder = Decoder::build(&Config::default()).unwrap();
    for (line, format, why) in [
        (HIGRESS, "higress", "begins with the key `ai_log`"),
        (r#"{"timestamp":"x","ai_log":"-"}"#, "higress", "has the key `ai_log`"),
        (r#"{"istio_policy_status":"-"}"#, "higress", "add \"ai_log\""),
        (r#"{"x":1}"#, "", "is a JSON object without the mark of a known gateway (higress); a field map can read it"),
        (r#"{"x":1"#, "", "begins like a JSON object, but is none"),
        ("text", "", "is no JSON object"),
        (r#"[{"x":1}]"#, "", "is no JSON object"),
        ("", "", "is blank"),
    ] {
        let detection = decoder.detect(line.as_bytes());
        assert_eq!(detection.format, format, "{line}");
        let is_whole = detection.why == why || detection.format == "higress" && detection.why.contains(why);
        assert!(is_whole, "{line}: {}", detection.why);
    }
}

#[test]
fn the_users_fields_win_over_what_the_gateway_wrote() {
    for format in ["higress", "auto"] {
        let config = config(
            format,
            &[
                (Field::Consumer, &["missing", "tenant"], None),
                (Field::InputTokens, &["ai_log.output_token"], None),
                (Field::Status, &["response_code_missing"], None),
            ],
        );
        let see = |r: &Record<'_>| format!("{} {} {:?}", r.consumer, r.usage.tokens().input(), r.status);
        assert_eq!(read(&config, HIGRESS, &see), ["blue 6 Some(200)"]);
    }
}

#[test]
fn the_users_fields_are_read_from_a_salvaged_line_too() {
    let line = HIGRESS.replace("\"upstream_cluster\"", "\"user_agent\":\"a\"b\",\"upstream_cluster\"");
    let config =
        config("higress", &[(Field::Consumer, &["tenant"], None), (Field::Model, &["ai_log.session_id"], None)]);
    let see = |r: &Record<'_>| {
        format!("{} {} {:?} {}", r.consumer, r.model, r.status, r.anomalies.contains(Anomaly::Salvaged))
    };
    assert_eq!(read(&config, &line, &see), ["blue agent:main:7 Some(200) true"]);
}

#[test]
fn a_field_map_reads_any_json_log() {
    let fields: &[(Field, &[&str], Option<Unit>)] = &[
        (Field::Time, &["startTime"], None),
        (Field::EndTime, &["endTime"], None),
        (Field::FirstToken, &["ttft"], Some(Unit::Seconds)),
        (Field::RequestId, &["id"], None),
        (Field::Model, &["gen_ai.response.model", "model"], None),
        (Field::Mode, &["stream"], None),
        (Field::ServiceTier, &["tier"], None),
        (Field::Status, &["response.status"], None),
        (Field::InputTokens, &["usage.prompt_tokens"], None),
        (Field::OutputTokens, &["usage.completion_tokens"], None),
        (Field::CacheReadTokens, &["usage.prompt_tokens_details.cached_tokens"], None),
        (Field::CacheWriteTokens, &["usage.w5"], None),
        (Field::CacheWrite1hTokens, &["usage.w1"], None),
        (Field::Cost, &["cost"], None),
        (Field::Currency, &["currency"], None),
    ];
    let line = r#"{"startTime":1772697600.5,"endTime":"2026-03-05T08:00:02Z","ttft":"0.25","id":17,"gen_ai.response.model":"gpt-4o",
        "stream":true,"tier":"flex","response":{"status":200},"cost":"0.0125","currency":"cny",
        "usage":"{\"prompt_tokens\":650,\"completion_tokens\":\"450\",\"prompt_tokens_details\":{\"cached_tokens\":400},\"w5\":20,\"w1\":30}"}"#;
    let see = |r: &Record<'_>| {
        assert_eq!((r.start, r.duration, r.first_token), (1_772_697_600_500_000, Some(1_500_000), Some(250_000)));
        assert_eq!((&*r.request_id, r.mode, r.service_tier), ("17", Mode::Stream, ServiceTier::Flex));
        let tokens = r.usage.tokens();
        assert_eq!(
            (tokens.uncached_input, tokens.cache_read, tokens.cache_write_5m, tokens.cache_write_1h),
            (200, 400, 20, 30)
        );
        assert_eq!(r.logged_cost.map(|c| (c.nanos, c.currency.to_string())), Some((12_500_000, "CNY".to_owned())));
        r.model.to_string()
    };
    for format in ["fields", "auto"] {
        assert_eq!(read(&config(format, fields), line, &see), ["gpt-4o"], "{format}");
    }
    assert_eq!(
        read(&config("fields", fields), &format!("[{line},\n{line},7]"), &see),
        ["gpt-4o", "gpt-4o", "malformed"]
    );
}

#[test]
fn a_field_map_counts_every_line_that_it_cannot_read() {
    let config = config("fields", &[(Field::Time, &["time"], None), (Field::Duration, &["took"], None)]);
    let see = |r: &Record<'_>| {
        let anomalies: Vec<_> = r.anomalies.iter().map(Anomaly::label).collect();
        format!("{:?} {:?} {}", r.duration, r.usage, anomalies.join(","))
    };
    let deep = format!("{{\"time\":{}{}}}", "[".repeat(200), "]".repeat(200));
    for (line, want) in [
        (r#"{"time":"2026-03-05 08:00:00.000001","took":"12ms"}"#, "Some(12000) None "),
        (r#"{"time":1772697600,"took":-1}"#, "None None negative_duration"),
        (r#"{"time":1772697600,"took":NaN}"#, "None None bad_number"),
        (r#"{"time":1772697600,"took":1e400}"#, "None None bad_number"),
        (r#"{"time":4102444800}"#, "bad_time"),
        (r#"{"time":0}"#, "bad_time"),
        (r#"{"time":true}"#, "bad_time"),
        (r#"{"x":1}"#, "no_time"),
        ("", "empty"),
        ("[]", "empty"),
        ("text", "malformed"),
        (r#"{"time":"#, "malformed"),
        (&deep, "too_deep"),
    ] {
        assert_eq!(read(&config, line, &see), [want], "{line}");
    }
}

#[test]
fn a_field_map_reads_what_was_said_only_where_it_is_asked_for() {
    let fields: &[(Field, &[&str], Option<Unit>)] = &[
        (Field::Time, &["t"], None),
        (Field::Messages, &["request.messages"], None),
        (Field::System, &["request.system"], None),
        (Field::Question, &["q"], None),
        (Field::Answer, &["choices[0].message.content"], None),
        (Field::Reasoning, &["choices[0].message.reasoning"], None),
        (Field::ToolCalls, &["choices[0].message.tool_calls"], None),
    ];
    let line = r#"{"t":1772697600,"q":"-","request":"{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"system\":[{\"text\":\"be\"}]}",
        "choices":[{"message":{"content":"a \"b\"","reasoning":7,"tool_calls":[{"function":{"name":"f","arguments":"{}"}}]}}]}"#;
    let mut config = config("fields", fields);
    let see = |r: &Record<'_>| {
        assert_eq!((&*r.messages, r.tool_calls.len()), (r#"[{"role":"user","content":"hi"}]"#, 1));
        format!("{:?}", r.content)
    };
    assert_eq!(read(&config, line, &see), ["None"]);
    config.content = true;
    let want = Content {
        messages: Said::Json(r#"[{"role":"user","content":"hi"}]"#.into()),
        system: Said::Json(r#"[{"text":"be"}]"#.into()),
        question: Said::Nothing,
        answer: Said::Text("a \"b\"".into()),
        reasoning: Said::Text("7".into()),
        tool_calls: Said::Json(r#"[{"function":{"name":"f","arguments":"{}"}}]"#.into()),
    };
    assert_eq!(read(&config, line, &see), [format!("{:?}", Some(Box::new(want)))]);
    // Over a gateway's: what the map names wins, the rest stays.
    let mut over = super::tests::config("higress", &[(Field::Answer, &["other"], None)]);
    over.content = true;
    let line =
        r#"{"ai_log":"{\"answer\":\"its\",\"question\":\"q\"}","other":"mine","start_time":"2026-03-05T08:00:00Z"}"#;
    let said =
        |r: &Record<'_>| r.content.as_deref().map_or(String::new(), |c| format!("{:?} {:?}", c.answer, c.question));
    assert_eq!(read(&over, line, &said), [r#"Text("mine") Text("q")"#]);
}

#[test]
fn a_time_without_a_zone_is_the_sources() {
    let mut config = config("fields", &[(Field::Time, &["t"], None)]);
    config.timezone = jiff::tz::TimeZone::fixed(jiff::tz::offset(8));
    let see = |r: &Record<'_>| (r.start / 1_000_000).to_string();
    assert_eq!(read(&config, r#"{"t":"2026-03-05 16:00:00"}"#, &see), ["1772697600"]);
}

#[test]
fn a_status_alone_makes_an_outcome() {
    let config = config("fields", &[(Field::Time, &["t"], None), (Field::Status, &["s"], None)]);
    let see = |r: &Record<'_>| format!("{:?} {:?}", r.status, r.outcome);
    for (status, want) in [("200", Outcome::Success), ("499", Outcome::Error(ErrorReason::Disconnect))] {
        let line = format!("{{\"t\":1772697600,\"s\":{status}}}");
        assert_eq!(read(&config, &line, &see), [format!("Some({status}) {want:?}")]);
    }
    let odd = r#"{"t":1772697600,"s":1200}"#;
    assert_eq!(
        read(&config, odd, &|r| format!("{:?} {}", r.status, r.anomalies.contains(Anomaly::BadNumber))),
        ["None true"]
    );
}

fn dimension(from: DimensionSource, regex: Option<&str>, lookup: Option<&[(&str, &str)]>) -> Dimension {
    Dimension {
        name: "d".to_owned(),
        from,
        regex: regex.map(|regex| regex::Regex::new(regex).unwrap()),
        lookup: lookup.map(|table| {
            table.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect::<BTreeMap<_, _>>()
        }),
        label: false,
    }
}

#[test]
fn dimensions_come_from_fields_paths_expressions_and_tables_in_order() {
    use DimensionSource::{Field as From, Path};
    let path = |path: &str| Path(path.to_owned());
    let cases = [
        (dimension(From(Field::Session), Some("^agent:([^:]+):"), None), "main"),
        (dimension(From(Field::Session), Some("[0-9]+$"), None), "7"),
        (dimension(From(Field::Session), Some("^nothing(.)"), None), ""),
        (dimension(From(Field::Consumer), None, Some(&[("key-7", "sales")])), "sales"),
        (dimension(From(Field::Consumer), None, Some(&[("key-8", "sales")])), ""),
        (dimension(From(Field::Provider), Some("^ali"), Some(&[("ali", "commercial")])), "commercial"),
        (dimension(From(Field::InputTokens), None, None), "5"),
        (dimension(From(Field::Status), None, None), "200"),
        (dimension(From(Field::Time), None, None), "2026-03-05T08:00:00Z"),
        (dimension(From(Field::Cost), None, None), ""),
        (dimension(path("tenant"), None, None), "blue"),
        (dimension(path("ai_log.input_token"), None, None), "5"),
        (dimension(path("response_flags"), None, None), ""),
        (dimension(path("nowhere"), None, None), ""),
    ];
    let (dimensions, wants): (Vec<_>, Vec<_>) = cases.into_iter().unzip();
    let config = Config { dimensions, ..Config::default() };
    let see = |r: &Record<'_>| {
        assert_eq!(r.dimensions, wants);
        "seen".to_owned()
    };
    assert_eq!(read(&config, HIGRESS, &see), ["seen"]);
}

#[test]
fn a_long_dimension_is_cut_between_characters() {
    let config = Config {
        dimensions: vec![dimension(DimensionSource::Path("tenant".to_owned()), None, None)],
        ..Config::default()
    };
    let line = HIGRESS.replace("blue", &"通".repeat(100));
    assert_eq!(read(&config, &line, &|r| r.dimensions[0].to_string()), ["通".repeat(85)]);
}
