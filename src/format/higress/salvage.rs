//! A line that a client broke becomes the same slots as a whole one.
//!
//! Envoy's text template puts values in raw. A quote or backslash in what a client sends (path, ids, user agent,
//! `x_forwarded_for`) breaks the line, or makes up keys of its own: `x","response_code":"429","y":"z`. What can be trusted:
//!
//! - `ai_log` is properly escaped and comes first, so a plain string scan cuts it out;
//! - keys have the template's order. Those before `user_agent` are searched from the left, each behind the one found
//!   before, and never behind a `user_agent`; so a made-up key in the user agent or in `x_forwarded_for` comes too late, and
//!   one in the path is skipped unless it imitates all keys up to it in their order;
//! - `response_code_details` comes last and is the gateway's own, so it is searched from the right, and
//!   `x_forwarded_for` before it;
//! - a template in another order: what was not found in order is taken at its last place.
//!
//! Whoever can put a whole imitation of the template into the path can still make up his own line's fields. Text alone does
//! not tell, so that such a line is at least flagged as salvaged.

use std::borrow::Cow;

use memchr::memmem;

use super::Outer;
use crate::format::json;
use crate::format::scalar::Scalar;

/// Keys of the template between `ai_log` and `user_agent`, in order. Those that no slot wants are stepping stones.
const BEFORE_USER_AGENT: [&str; 22] = [
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
];
/// Most `user_agent` keys that are tried as the end of the trusted part.
const MAX_BORDERS: usize = 8;

/// Most pairs that are kept: a template has some 30, and a client can make up as many as fit into a line.
const MAX_PAIRS: usize = 256;

/// Keys and raw JSON values, for the paths of the user's own fields.
pub(super) type Pairs<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// Reads what can still be read; `None` where `ai_log` cannot be cut out, or the line breaks off so early that neither its
/// time nor its status is left.
pub(super) fn salvage(text: &str) -> Option<(Outer<'_>, Pairs<'_>)> {
    let mut outer = Outer::default();
    let mut pairs = Pairs::new();
    let tail = walk(text.strip_prefix('{')?, &mut |key, raw| keep(&mut outer, &mut pairs, key, raw) && key != "ai_log");
    // Its string must be whole; whether it holds an object is for the reader of `ai_log`.
    let ai_log = pairs.iter().find(|(key, _)| key == "ai_log").map(|(_, raw)| raw.clone())?;
    if ai_log.starts_with('"') && json::try_decode_string(&ai_log).is_none() {
        return None;
    }
    if !outer.ai_log.is_present() {
        return Some((outer, pairs));
    }

    let border = border(tail);
    let trusted = tail.get(..border).unwrap_or(tail);
    read_in_order(tail, trusted, &mut outer, &mut pairs);
    read_from_right(tail, border, &mut outer, &mut pairs);
    // Keys that the user added to the template.
    walk(trusted, &mut |key, raw| {
        if !BEFORE_USER_AGENT.contains(&key) {
            return keep(&mut outer, &mut pairs, key, raw);
        }
        true
    });
    let timed = outer.start_time.is_present() || outer.timestamp.is_present();
    (timed || outer.response_code.is_present()).then_some((outer, pairs))
}

/// Keeps a pair, and fills its slot, unless the key was found before; false where no more fit.
fn keep<'a>(outer: &mut Outer<'a>, pairs: &mut Pairs<'a>, key: &'a str, raw: &'a str) -> bool {
    if pairs.iter().any(|(known, _)| known == key) {
        return true;
    }
    if let Some(slot) = outer.slot(key) {
        *slot = Scalar::from_json(raw);
    }
    pairs.push((Cow::Borrowed(key), Cow::Borrowed(raw)));
    pairs.len() < MAX_PAIRS
}

/// Where the trusted part of the tail ends: the first `user_agent` behind which nothing of the template's middle is needed.
fn border(tail: &str) -> usize {
    let complete = |end: &usize| {
        let trusted = tail.get(..*end).unwrap_or("");
        let code = find_key(trusted, 0, "response_code");
        code.is_some_and(|(_, at)| find_key(trusted, at, "start_time").is_some())
    };
    let anchor = memmem::Finder::new(",\"user_agent\":");
    let found = anchor.find_iter(tail.as_bytes()).take(MAX_BORDERS).find(complete);
    found.or_else(|| anchor.find(tail.as_bytes())).unwrap_or(tail.len())
}

fn read_in_order<'a>(tail: &'a str, trusted: &'a str, outer: &mut Outer<'a>, pairs: &mut Pairs<'a>) {
    let mut at = 0;
    for key in BEFORE_USER_AGENT {
        let found = match find_key(trusted, at, key) {
            Some((_, value)) => {
                at = value;
                Some(value)
            }
            None => rfind_key(trusted, key).or_else(|| rfind_key(tail, key)).map(|(_, value)| value),
        };
        if let Some(raw) = found.and_then(|value| raw_value(tail.get(value..)?)) {
            keep(outer, pairs, key, raw);
        }
    }
}

/// `user_agent`, `x_forwarded_for`, `response_code_details` and whatever the user added behind.
fn read_from_right<'a>(tail: &'a str, border: usize, outer: &mut Outer<'a>, pairs: &mut Pairs<'a>) {
    let mut end = tail.trim_end().strip_suffix('}').map_or(tail.len(), str::len);
    if let Some((anchor, value)) = rfind_key(tail, "response_code_details") {
        if let Some(raw) = tail.get(value..).and_then(raw_value) {
            keep(outer, pairs, "response_code_details", raw);
            walk(tail.get(value + raw.len()..).unwrap_or(""), &mut |key, raw| keep(outer, pairs, key, raw));
        }
        if anchor > border {
            end = anchor;
        }
    }
    for (key, first) in [("x_forwarded_for", false), ("user_agent", true)] {
        let region = tail.get(..end).unwrap_or(tail);
        let found = if first { find_key(region, border, key) } else { rfind_key(region, key) };
        let Some((anchor, value)) = found.filter(|(anchor, _)| *anchor >= border) else { continue };
        end = anchor;
        // The client's own text, quotes and all, up to the next key.
        let content = region.get(value..).unwrap_or("");
        let content = content.strip_prefix('"').unwrap_or(content);
        let content = content.strip_suffix('"').unwrap_or(content);
        if let Some(slot) = outer.slot(key) {
            *slot = Scalar::from_text(content);
        }
        if let Ok(raw) = serde_json::to_string(content) {
            pairs.push((Cow::Borrowed(key), Cow::Owned(raw)));
        }
    }
}

/// Reads `"key":value` pairs with commas between as long as they are whole, until `found` returns false. A value is a
/// string, an object, or anything up to a comma. Returns what follows.
fn walk<'a>(mut rest: &'a str, found: &mut dyn FnMut(&'a str, &'a str) -> bool) -> &'a str {
    loop {
        let start = rest.trim_start();
        let start = start.strip_prefix(',').unwrap_or(start).trim_start();
        let Some(key) = string_prefix(start) else { return rest };
        let Some(value) = start.get(key.len()..).and_then(|rest| rest.trim_start().strip_prefix(':')) else {
            return rest;
        };
        let value = value.trim_start();
        let Some(raw) = raw_value(value) else { return rest };
        let next = value.get(raw.len()..).unwrap_or("");
        if !matches!(next.trim_start().as_bytes().first(), None | Some(b',' | b'}')) {
            return rest;
        }
        rest = next;
        if !found(key.trim_matches('"'), raw) {
            return rest;
        }
    }
}

/// Raw text of the value at the beginning.
fn raw_value(text: &str) -> Option<&str> {
    let raw = match text.as_bytes().first()? {
        b'"' => string_prefix(text)?,
        b'{' => object_prefix(text)?,
        _ => text.get(..memchr::memchr3(b',', b'}', b'"', text.as_bytes()).unwrap_or(text.len()))?.trim_end(),
    };
    let number = matches!(raw.as_bytes(), [b'-' | b'0'..=b'9', ..]);
    (number || raw.starts_with(['"', '{']) || matches!(raw, "null" | "true" | "false")).then_some(raw)
}

/// The JSON string at the beginning, quotes included.
fn string_prefix(text: &str) -> Option<&str> {
    let bytes = text.as_bytes();
    if bytes.first() != Some(&b'"') {
        return None;
    }
    let mut at = 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes.get(at) == Some(&b'"') {
            return text.get(..=at);
        }
        at += 2;
    }
}

/// The JSON object at the beginning.
fn object_prefix(text: &str) -> Option<&str> {
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(byte) = text.as_bytes().get(at) {
        match byte {
            b'"' => at += string_prefix(text.get(at..)?)?.len() - 1,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return text.get(..=at);
                }
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// The first `,"key":` from `from` on: where it begins, and where its value begins.
fn find_key(text: &str, from: usize, key: &str) -> Option<(usize, usize)> {
    let anchor = format!(",\"{key}\":");
    let at = from + memmem::find(text.as_bytes().get(from..)?, anchor.as_bytes())?;
    Some((at, value_start(text, at + anchor.len())))
}

/// The last `,"key":`.
fn rfind_key(text: &str, key: &str) -> Option<(usize, usize)> {
    let anchor = format!(",\"{key}\":");
    let at = memmem::rfind(text.as_bytes(), anchor.as_bytes())?;
    Some((at, value_start(text, at + anchor.len())))
}

fn value_start(text: &str, at: usize) -> usize {
    let blanks = text.as_bytes().get(at..).unwrap_or(&[]).iter().take_while(|b| **b == b' ').count();
    at + blanks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(path: &str, agent: &str) -> String {
        format!(
            "{{\"ai_log\":\"{{\\\"api\\\":\\\"-\\\"}}\",\"authority\":\"a\",\"bytes_received\":\"1\",\"bytes_sent\":\"2\",\
             \"downstream_local_address\":\"l\",\"downstream_remote_address\":\"10.0.0.1:5\",\"duration\":\"77\",\
             \"istio_policy_status\":\"-\",\"method\":\"POST\",\"path\":\"{path}\",\"protocol\":\"HTTP/1.1\",\
             \"request_id\":\"real-id\",\"requested_server_name\":\"-\",\"response_code\":\"200\",\"response_flags\":\"-\",\
             \"route_name\":\"route\",\"start_time\":\"2026-05-01T00:00:00.000Z\",\"trace_id\":\"-\",\
             \"upstream_cluster\":\"outbound|443||llm-x.internal.dns\",\"upstream_host\":\"h\",\
             \"upstream_local_address\":\"l\",\"upstream_service_time\":\"7\",\
             \"upstream_transport_failure_reason\":\"-\",\"user_agent\":\"{agent}\",\"x_forwarded_for\":\"10.9.8.7\",\
             \"response_code_details\":\"via_upstream\"}}"
        )
    }

    fn text(value: &Scalar<'_>) -> String {
        value.clone().into_text().into_owned()
    }

    #[test]
    fn a_client_cannot_make_up_fields_in_user_agent_or_path() {
        let fake = r#"x","response_code":"429","response_flags":"RL","start_time":"2001-01-01T00:00:00Z","request_id":"fake","duration":"1","upstream_cluster":"free","bytes_sent":"9","response_code_details":"fake","ai_log":"-","y":"z"#;
        for (path, agent) in [
            ("/v1", "weird\"agent"),
            ("/v1", "back\\slash\\"),
            ("/v1", fake),
            (fake, "curl"),
            (fake, fake),
            ("/v1\\", "a\"b"),
            ("/\",\"user_agent\":\"early", "curl"),
        ] {
            let line = line(path, agent);
            let (outer, _) = salvage(&line).unwrap();
            for (value, want) in [
                (&outer.response_code, "200"),
                (&outer.response_flags, ""),
                (&outer.start_time, "2026-05-01T00:00:00.000Z"),
                (&outer.request_id, "real-id"),
                (&outer.duration, "77"),
                (&outer.bytes_sent, "2"),
                (&outer.upstream_cluster, "outbound|443||llm-x.internal.dns"),
                (&outer.x_forwarded_for, "10.9.8.7"),
                (&outer.response_code_details, "via_upstream"),
                (&outer.ai_log, r#"{"api":"-"}"#),
            ] {
                assert_eq!(text(value), want, "path {path} agent {agent}");
            }
        }
    }

    #[test]
    fn the_whole_user_agent_is_kept() {
        let line = line("/v1", "we\"ird\\agent");
        assert_eq!(text(&salvage(&line).unwrap().0.user_agent), "we\"ird\\agent");
    }

    #[test]
    fn another_order_and_bare_numbers_are_still_found() {
        let line = r#"{"__file_offset__":"1","ai_log":"{}x","user_agent":"a"b","response_code": 503,"start_time":"2026-05-01T00:00:00Z","duration":12,"tenant":"t"}"#;
        let (outer, _) = salvage(line).unwrap();
        assert_eq!(outer.response_code, Scalar::Number(Cow::Borrowed("503")));
        assert_eq!(outer.duration, Scalar::Number(Cow::Borrowed("12")));
        assert_eq!(text(&outer.start_time), "2026-05-01T00:00:00Z");
    }

    #[test]
    fn keys_of_the_users_own_are_read_where_the_line_is_whole() {
        let line = line("/v1", "a\"b").replace("\"via_upstream\"}", "\"via_upstream\",\"consumer\":\"team\"}");
        let line = line.replace("\"duration\"", "\"tenant\":\"t1\",\"duration\"");
        let (outer, pairs) = salvage(&line).unwrap();
        assert_eq!(text(&outer.consumer), "team");
        assert!(pairs.iter().any(|(key, raw)| key == "tenant" && raw == "\"t1\""), "{pairs:?}");
    }

    #[test]
    fn a_flood_of_made_up_keys_costs_little_and_hides_nothing() {
        let flood: String = (0..200_000).map(|n| format!("\",\"k{n}\":\"v")).collect();
        for line in [line(&flood, "a\"b"), line("/v1", &(flood + "\"x"))] {
            let (outer, pairs) = salvage(&line).unwrap();
            assert_eq!((text(&outer.request_id), text(&outer.response_code)), ("real-id".to_owned(), "200".to_owned()));
            assert!(pairs.len() < 2 * MAX_PAIRS);
        }
    }

    #[test]
    fn nothing_is_made_up_from_a_torn_line() {
        for torn in [
            "",
            "{",
            "{\"ai_log\":\"{\\\"api",
            "{\"ai_log\":\"{}\\",
            "{\"ai_log\":\"{\\\"api\\\":1}\",\"authority\":\"ai",
            "{\"authority\":\"x\"y\"}",
            "\u{0}\u{1}binary",
        ] {
            assert!(salvage(torn).is_none(), "{torn}");
        }
    }
}
