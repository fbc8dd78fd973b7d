//! One request becomes one line of Higress's access log.
//!
//! Writes Envoy's TEXT template as it is: the order of the keys is the template's, every value is a string put in raw,
//! and only `ai_log` is escaped. Decides nothing about what happened.

use std::fmt::{Display, Write};

use jiff::tz::TimeZone;

use super::talk::Turn;
use crate::record::{CountingFamily, Micros};

/// What the gateway saw of the connection, as the access log prints it; `-` is nothing.
pub(super) struct Outer<'a> {
    pub(super) authority: &'a str,
    pub(super) bytes_received: u64,
    pub(super) bytes_sent: u64,
    pub(super) local_port: u64,
    pub(super) remote_address: &'a str,
    pub(super) duration_ms: i64,
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) request_id: u128,
    pub(super) response_code: u16,
    pub(super) response_flags: &'a str,
    pub(super) route: &'a str,
    pub(super) start: Micros,
    pub(super) trace_id: Option<u128>,
    pub(super) provider: &'a str,
    pub(super) upstream_host: &'a str,
    pub(super) upstream_service_ms: Option<i64>,
    pub(super) transport_failure: &'a str,
    pub(super) user_agent: &'a str,
    pub(super) forwarded_for: &'a str,
    pub(super) details: &'a str,
}

/// A model's answer to count, in the provider's own way of counting.
pub(super) struct Usage {
    pub(super) family: CountingFamily,
    /// Whether the provider tells of its cache.
    pub(super) caches: bool,
    pub(super) uncached_input: u64,
    pub(super) cache_read: u64,
    pub(super) cache_write: u64,
    pub(super) visible_output: u64,
    pub(super) reasoning: u64,
}

/// What the gateway's statistics plugin says about a request.
#[derive(Default)]
pub(super) struct AiLog<'a> {
    pub(super) chat_id: Option<(&'a str, u64)>,
    pub(super) chat_round: Option<u32>,
    pub(super) consumer: &'a str,
    pub(super) first_token_ms: Option<i64>,
    pub(super) service_ms: Option<i64>,
    /// The model that answered and what it counted; absent without usage.
    pub(super) usage: Option<(&'a str, Usage)>,
    /// `stream` or `normal`; empty where nothing was answered.
    pub(super) response_type: &'a str,
    pub(super) session_id: &'a str,
    /// Whether the gateway's token limit refused the request.
    pub(super) limited: bool,
    /// Name, arguments and id of each call.
    pub(super) tool_calls: Vec<Call<'a>>,
    pub(super) user: Option<usize>,
    /// What was said, where the application logs it, and whether it was answered.
    pub(super) said: Option<(&'a Turn, bool)>,
}

/// Name, arguments and id of a call of a tool.
pub(super) type Call<'a> = (&'a str, &'a str, u64);

/// A 128-bit number in the form of a UUID.
struct Uuid(u128);

impl Display for Uuid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Version 4, variant 1 of RFC 9562.
        let id = self.0 & !(0xf000 << 64) & !(0xc000 << 48) | (0x4000 << 64) | (0x8000 << 48);
        let part = |shift: u32, bits: u32| (id >> shift) & ((1 << bits) - 1);
        write!(
            f,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            part(96, 32),
            part(80, 16),
            part(64, 16),
            part(48, 16),
            part(0, 48)
        )
    }
}

/// RFC 3339 with milliseconds, as Envoy's `%START_TIME%`.
struct StartTime(Micros);

impl Display for StartTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let time = jiff::Timestamp::from_microsecond(self.0).map_err(|_| std::fmt::Error)?;
        let t = TimeZone::UTC.to_datetime(time);
        let (year, month, day) = (t.year(), t.month(), t.day());
        let (hour, minute, second, milli) = (t.hour(), t.minute(), t.second(), t.millisecond());
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
    }
}

/// A value that may be absent, for which Envoy prints `-`.
struct OrDash<T>(Option<T>);

impl<T: Display> Display for OrDash<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Some(value) => value.fmt(f),
            None => f.write_str("-"),
        }
    }
}

/// Appends `text` as it stands inside a JSON string of Go's encoder, which writes `<`, `>` and `&` as `\u003c`….
pub(super) fn push_json(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '<' | '>' | '&' | '\0'..='\x1f' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
}

impl Usage {
    /// The keys of the input side, between `consumer` and `llm_first_token_duration` in the order of the alphabet.
    fn write_input(&self, out: &mut String) {
        let _ = match self.family {
            CountingFamily::Anthropic => write!(
                out,
                r#""input_token":{},"input_token_details":{{"cache_creation_input_tokens":{},"cache_read_input_tokens":{}}},"#,
                self.uncached_input, self.cache_write, self.cache_read
            ),
            CountingFamily::Gemini => write!(
                out,
                r#""input_token":{},"input_token_details":{{"cached_content_token_count":{}}},"#,
                self.uncached_input + self.cache_read,
                self.cache_read
            ),
            CountingFamily::OpenAi if self.caches => write!(
                out,
                r#""input_token":{},"input_token_details":{{"cached_tokens":{}}},"#,
                self.uncached_input + self.cache_read,
                self.cache_read
            ),
            CountingFamily::OpenAi => {
                write!(out, r#""input_token":{},"input_token_details":null,"#, self.uncached_input)
            }
        };
    }

    /// The output that the provider logs: with reasoning, except for Gemini.
    fn logged_output(&self) -> u64 {
        if self.family == CountingFamily::Gemini { self.visible_output } else { self.visible_output + self.reasoning }
    }

    fn write_output(&self, out: &mut String) {
        let _ = match (self.family, self.reasoning) {
            (_, 0) => write!(out, r#""output_token":{},"output_token_details":{{}},"#, self.visible_output),
            (CountingFamily::Gemini, thoughts) => write!(
                out,
                r#""output_token":{},"output_token_details":{{"thoughts_token_count":{thoughts}}},"#,
                self.visible_output
            ),
            (_, reasoning) => write!(
                out,
                r#""output_token":{},"output_token_details":{{"reasoning_tokens":{reasoning}}},"#,
                self.logged_output()
            ),
        };
    }

    fn total(&self) -> u64 {
        self.uncached_input + self.cache_read + self.cache_write + self.visible_output + self.reasoning
    }

    /// Whether the keys that only OpenAI's way of counting has are there.
    fn openai_keys(&self) -> bool {
        self.family == CountingFamily::OpenAi && self.caches
    }
}

impl AiLog<'_> {
    /// The object as JSON with its keys in the order of the alphabet.
    fn write(&self, out: &mut String) {
        let usage = self.usage.as_ref().map(|(_, usage)| usage);
        out.push('{');
        let said = self.said.map(|(said, _)| said);
        let answered = self.said.filter(|(_, answered)| *answered).map(|(said, _)| said);
        if let Some(said) = answered {
            push_text(out, "answer", &said.answer);
        }
        out.push_str(r#""api":"-","#);
        if let Some(usage) = usage.filter(|u| u.openai_keys()) {
            let _ = write!(out, r#""cached_tokens":{},"#, usage.cache_read);
        }
        if let Some((prefix, id)) = self.chat_id {
            let _ = write!(out, r#""chat_id":"{prefix}{id:016x}","#);
        }
        if let Some(round) = self.chat_round {
            let _ = write!(out, r#""chat_round":{round},"#);
        }
        push_text(out, "consumer", self.consumer);
        if let Some(usage) = usage {
            usage.write_input(out);
        }
        if let Some(ms) = self.first_token_ms {
            let _ = write!(out, r#""llm_first_token_duration":{ms},"#);
        }
        if let Some(ms) = self.service_ms {
            let _ = write!(out, r#""llm_service_duration":{ms},"#);
        }
        if let Some(said) = said.filter(|said| !said.messages.is_empty()) {
            let _ = write!(out, r#""messages":[{}],"#, said.messages.join(","));
        }
        if let Some((model, usage)) = &self.usage {
            push_text(out, "model", model);
            usage.write_output(out);
        }
        if let Some(said) = said.filter(|said| !said.question.is_empty()) {
            push_text(out, "question", &said.question);
        }
        if let Some(said) = answered.filter(|said| !said.reasoning.is_empty()) {
            push_text(out, "reasoning", &said.reasoning);
        }
        if let Some(usage) = usage.filter(|u| u.openai_keys()) {
            let _ = write!(out, r#""reasoning_tokens":{},"#, usage.reasoning);
        }
        if !self.response_type.is_empty() {
            push_text(out, "response_type", self.response_type);
        }
        if !self.session_id.is_empty() {
            push_text(out, "session_id", self.session_id);
        }
        if let Some(said) = said.filter(|said| !said.system.is_empty()) {
            push_text(out, "system", said.system);
        }
        if self.limited {
            push_text(out, "token_ratelimit_status", "limited");
        }
        if !self.tool_calls.is_empty() {
            self.write_tool_calls(out);
        }
        if let Some(usage) = usage {
            let _ = write!(out, r#""total_token":{},"#, usage.total());
        }
        if let Some(user) = self.user {
            let _ = write!(out, r#""user_id":"u-{user:04}","#);
        }
        out.pop();
        out.push('}');
    }

    fn write_tool_calls(&self, out: &mut String) {
        out.push_str(r#""tool_calls":["#);
        for (index, (name, arguments, id)) in self.tool_calls.iter().enumerate() {
            out.push_str(if index == 0 { "{" } else { ",{" });
            // The plugin leaves an index of 0 out.
            if index > 0 {
                let _ = write!(out, r#""index":{index},"#);
            }
            let _ = write!(out, r#""id":"call_{id:012x}","type":"function","function":{{"#);
            push_text(out, "name", name);
            push_text(out, "arguments", arguments);
            out.pop();
            out.push_str("}}");
        }
        out.push_str("],");
    }
}

/// Appends a key with a text, and a comma.
fn push_text(out: &mut String, key: &str, text: &str) {
    let _ = write!(out, r#""{key}":""#);
    push_json(out, text);
    out.push_str("\",");
}

/// The line, without a newline. `full` keeps to the default template; else the keys that say least are left out.
/// `scratch` saves an allocation a line.
pub(super) fn render(outer: &Outer<'_>, ai_log: Option<&AiLog<'_>>, full: bool, scratch: &mut String) -> String {
    scratch.clear();
    let mut out = String::with_capacity(1_280);
    out.push_str(r#"{"ai_log":""#);
    match ai_log {
        None => out.push('-'),
        Some(ai_log) => {
            ai_log.write(scratch);
            let mut rest = scratch.as_str();
            while let Some(at) = rest.find(['"', '\\']) {
                let (plain, special) = rest.split_at(at);
                let (special, after) = special.split_at(1);
                out.extend([plain, "\\", special]);
                rest = after;
            }
            out.push_str(rest);
        }
    }
    let port = outer.local_port;
    let mut put = |in_trimmed: bool, key: &str, value: &dyn Display| {
        if full || in_trimmed {
            let _ = write!(out, r#"","{key}":"{value}"#);
        }
    };
    let routed = outer.route != "-";
    put(false, "authority", &outer.authority);
    put(true, "bytes_received", &outer.bytes_received);
    put(true, "bytes_sent", &outer.bytes_sent);
    put(false, "downstream_local_address", &"10.42.0.17:80");
    put(true, "downstream_remote_address", &outer.remote_address);
    put(true, "duration", &outer.duration_ms);
    put(false, "istio_policy_status", &"-");
    put(true, "method", &outer.method);
    put(true, "path", &outer.path);
    put(false, "protocol", &"HTTP/1.1");
    put(true, "request_id", &Uuid(outer.request_id));
    put(false, "requested_server_name", &"-");
    put(true, "response_code", &outer.response_code);
    put(true, "response_flags", &outer.response_flags);
    put(true, "route_name", &outer.route);
    put(true, "start_time", &StartTime(outer.start));
    put(true, "trace_id", &OrDash(outer.trace_id.map(|id| format!("{id:032x}"))));
    put(
        true,
        "upstream_cluster",
        &OrDash(routed.then(|| format!("outbound|443||llm-{}.internal.dns", outer.provider))),
    );
    put(false, "upstream_host", &outer.upstream_host);
    let connected = outer.upstream_host != "-";
    put(false, "upstream_local_address", &OrDash(connected.then(|| format!("10.42.0.17:{port}"))));
    put(true, "upstream_service_time", &OrDash(outer.upstream_service_ms));
    put(false, "upstream_transport_failure_reason", &outer.transport_failure);
    put(true, "user_agent", &outer.user_agent);
    put(false, "x_forwarded_for", &outer.forwarded_for);
    put(true, "response_code_details", &outer.details);
    out.push_str("\"}");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The keys of Higress's default template, in its order.
    const TEMPLATE: [&str; 26] = [
        "ai_log",
        "authority",
        "bytes_received",
        "bytes_sent",
        "downstream_local_address",
        "downstream_remote_address",
        "duration",
        "istio_policy_status",
        "method",
        "path",
        "protocol",
        "request_id",
        "requested_server_name",
        "response_code",
        "response_flags",
        "route_name",
        "start_time",
        "trace_id",
        "upstream_cluster",
        "upstream_host",
        "upstream_local_address",
        "upstream_service_time",
        "upstream_transport_failure_reason",
        "user_agent",
        "x_forwarded_for",
        "response_code_details",
    ];

    fn outer() -> Outer<'static> {
        Outer {
            authority: "ai.example",
            bytes_received: 412,
            bytes_sent: 2_231,
            local_port: 48_822,
            remote_address: "10.1.2.3:5",
            duration_ms: 1_955,
            method: "POST",
            path: "/v1/chat/completions",
            request_id: 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef,
            response_code: 200,
            response_flags: "-",
            route: "r",
            start: 1_770_000_000_123_000,
            trace_id: Some(0xab),
            provider: "aliyun",
            upstream_host: "39.96.213.166:443",
            upstream_service_ms: Some(307),
            transport_failure: "-",
            user_agent: "ua/1",
            forwarded_for: "10.1.2.3",
            details: "via_upstream",
        }
    }

    #[test]
    fn a_full_line_has_the_keys_of_the_template_in_order_and_only_strings() {
        let line = render(&outer(), None, true, &mut String::new());
        let at: Vec<usize> = TEMPLATE.iter().map(|key| line.find(&format!("\"{key}\":")).unwrap()).collect();
        assert!(at.is_sorted());
        let json: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&line).unwrap();
        assert_eq!(json.len(), TEMPLATE.len());
        assert!(json.values().all(serde_json::Value::is_string));
        assert_eq!(json["start_time"], "2026-02-02T02:40:00.123Z");
        assert_eq!(json["request_id"], "01234567-89ab-4def-8123-456789abcdef");
        assert_eq!(json["trace_id"], "000000000000000000000000000000ab");
        assert_eq!(json["upstream_cluster"], "outbound|443||llm-aliyun.internal.dns");
        assert_eq!(json["ai_log"], "-");
    }

    #[test]
    fn ai_log_is_escaped_once_with_sorted_keys_and_go_s_escapes() {
        let usage = Usage {
            family: CountingFamily::OpenAi,
            caches: true,
            uncached_input: 20,
            cache_read: 80,
            cache_write: 0,
            visible_output: 25,
            reasoning: 25,
        };
        let said = Turn {
            system: "be brief",
            question: "What is <b>2+2</b>?\n".to_owned(),
            answer: "4 & 天气".to_owned(),
            reasoning: "count".to_owned(),
            messages: vec![r#"{"content":"2+2","role":"user"}"#.to_owned()],
        };
        let ai_log = AiLog {
            chat_id: Some(("chatcmpl-", 255)),
            chat_round: Some(3),
            consumer: "a\"b",
            first_token_ms: Some(309),
            service_ms: Some(1_950),
            usage: Some(("gpt-4o", usage)),
            response_type: "stream",
            session_id: "s",
            limited: true,
            tool_calls: vec![("f", r#"{"q":"<b>"}"#, 1), ("g", "{}", 2)],
            user: Some(7),
            said: Some((&said, true)),
        };
        let line = render(&outer(), Some(&ai_log), true, &mut String::new());
        assert!(line.contains(r#"\"question\":\"What is \\u003cb\\u003e2+2\\u003c/b\\u003e?\\n\""#), "{line}");
        let json: serde_json::Value = serde_json::from_str(&line).unwrap();
        let inner: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(json["ai_log"].as_str().unwrap()).unwrap();
        let text = json["ai_log"].as_str().unwrap();
        let mut keys: Vec<&String> = inner.keys().collect();
        keys.sort_by_key(|key| text.find(&format!(",\"{key}\":")).unwrap_or(0));
        assert!(keys.is_sorted(), "{keys:?}");
        assert_eq!(inner["input_token"], 100);
        assert_eq!(inner["output_token"], 50);
        assert_eq!(inner["total_token"], 150);
        assert_eq!(inner["answer"], "4 & 天气");
        assert_eq!((&inner["reasoning"], &inner["system"]), (&"count".into(), &"be brief".into()));
        assert_eq!(inner["messages"][0]["content"], "2+2");
        assert_eq!(inner["tool_calls"][0]["function"]["arguments"], r#"{"q":"<b>"}"#);
        assert_eq!(inner["tool_calls"][1]["index"], 1);
        assert_eq!(inner["user_id"], "u-0007");
    }

    #[test]
    fn each_family_counts_in_its_own_way() {
        let usage = |family, caches| Usage {
            family,
            caches,
            uncached_input: 12,
            cache_read: 100,
            cache_write: 40,
            visible_output: 30,
            reasoning: 5,
        };
        let text = |usage: &Usage| {
            let mut out = String::new();
            usage.write_input(&mut out);
            usage.write_output(&mut out);
            out
        };
        let anthropic = text(&usage(CountingFamily::Anthropic, true));
        assert!(anthropic.starts_with(r#""input_token":12,"#) && anthropic.contains(r#""output_token":35,"#));
        let gemini = text(&usage(CountingFamily::Gemini, true));
        assert!(gemini.starts_with(r#""input_token":112,"#) && gemini.contains(r#""thoughts_token_count":5"#));
        assert!(gemini.contains(r#""output_token":30,"#));
        assert!(text(&usage(CountingFamily::OpenAi, false)).contains(r#""input_token_details":null"#));
    }
}
