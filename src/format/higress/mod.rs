//! Higress: Envoy's access log in Higress's template, with the AI plugins' data in `ai_log`, becomes drafts.
//!
//! | file | does |
//! |---|---|
//! | mod.rs | what the fields mean: outer line and `ai_log` → draft |
//! | scan.rs | the usual line, read in place in one pass; gives up at anything odd |
//! | salvage.rs | a line that a client's quote broke |
//!
//! In the default text encoding each outer value is a JSON string, put in raw, and `-` is missing; in Envoy's JSON encoding
//! numbers are numbers. `ai_log` is an object inside a string, escaped once or more often, or an object. All paths fill
//! the same slots, so that a line means the same whichever of them read it.

mod salvage;
mod scan;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use super::config::Config;
use super::draft::{Draft, MAX_BYTES, MAX_TOTAL, Reading, Source, status_of};
use super::scalar::{Scalar, Time, parse_trace_id};
use super::usage::Details;
use super::{json, said};
use crate::record::{Anomaly, Content, MAX_TOKENS, Mode, Reject, Said, Skip};

/// Size of the tables that find a key's slot.
const TABLE: usize = 128;

/// Place of a key in its table, by its length and the bytes at its ends: different for all keys that are looked for, which the
/// compiler checks, so that one comparison tells whether a key is one of them.
const fn place(key: &[u8]) -> usize {
    match key {
        [first, second, .., last] => (key.len() + *first as usize + *second as usize * 2 + *last as usize * 11) % TABLE,
        _ => 0,
    }
}

/// Declares a struct of slots with the keys that fill them.
macro_rules! slots {
    ($(#[$doc:meta])* $name:ident by $index:ident { $($field:ident = $key:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Default)]
        struct $name<'a> { $($field: Scalar<'a>,)+ }
        #[derive(Clone, Copy)]
        #[expect(non_camel_case_types, reason = "named as the fields")]
        enum $index { $($field,)+ }
        impl<'a> $name<'a> {
            const PLACES: [Option<($index, &'static str)>; TABLE] = {
                let mut places = [None; TABLE];
                $({
                    let (place, rest) = places.split_at_mut(place($key.as_bytes())).1.split_at_mut(1);
                    let _ = rest;
                    assert!(matches!(place, [None]), "two keys in one place: change the factors of `place`");
                    if let [slot] = place {
                        *slot = Some(($index::$field, $key));
                    }
                })+
                places
            };

            /// Which slot a key fills.
            #[inline]
            fn index(key: &str) -> Option<$index> {
                let (index, known) = Self::PLACES.get(place(key.as_bytes()))?.as_ref()?;
                (*known == key).then_some(*index)
            }

            /// The slot of an index.
            #[inline]
            fn at(&mut self, index: $index) -> &mut Scalar<'a> {
                match index { $($index::$field => &mut self.$field,)+ }
            }
        }
    };
}

slots! {
    /// What is read from the outer line. Keys as in the template; the last ones are where users put attributes.
    Outer by OuterIndex {
        ai_log = "ai_log",
        bytes_sent = "bytes_sent",
        downstream_remote_address = "downstream_remote_address",
        duration = "duration",
        request_id = "request_id",
        response_code = "response_code",
        response_flags = "response_flags",
        route_name = "route_name",
        start_time = "start_time",
        trace_id = "trace_id",
        upstream_cluster = "upstream_cluster",
        user_agent = "user_agent",
        x_forwarded_for = "x_forwarded_for",
        response_code_details = "response_code_details",
        timestamp = "timestamp",
        consumer = "consumer",
        x_mse_consumer = "x-mse-consumer",
        mse_consumer = "x_mse_consumer",
        user = "user",
        user_id = "user_id",
    }
}

slots! {
    /// What is read from `ai_log`. What was said is left as it stands, `Nested` or `Escaped` whatever it is: mostly nobody asks
    /// for it.
    Inner by InnerIndex {
        answer = "answer",
        cached_tokens = "cached_tokens",
        chat_id = "chat_id",
        chat_round = "chat_round",
        consumer = "consumer",
        input_token = "input_token",
        input_token_details = "input_token_details",
        llm_first_token_duration = "llm_first_token_duration",
        llm_service_duration = "llm_service_duration",
        messages = "messages",
        model = "model",
        output_token = "output_token",
        output_token_details = "output_token_details",
        question = "question",
        reasoning = "reasoning",
        reasoning_tokens = "reasoning_tokens",
        response_type = "response_type",
        session_id = "session_id",
        token_ratelimit_status = "token_ratelimit_status",
        system = "system",
        tool_calls = "tool_calls",
        total_token = "total_token",
        user = "user",
        user_id = "user_id",
    }
}

impl<'a> Outer<'a> {
    /// The slot that a key fills.
    #[inline]
    fn slot(&mut self, key: &str) -> Option<&mut Scalar<'a>> {
        Some(self.at(Self::index(key)?))
    }
}

impl InnerIndex {
    /// Whether the slot holds something said that only [`content`] reads.
    #[inline]
    fn is_said(self) -> bool {
        matches!(self, InnerIndex::answer | InnerIndex::question | InnerIndex::reasoning | InnerIndex::system)
    }
}

/// Whether a line is Higress's, and how that shows.
pub(super) fn detect(line: &[u8]) -> Option<&'static str> {
    if line.starts_with(b"{\"ai_log\":") {
        return Some("begins with the key `ai_log`");
    }
    let has = |key: &str| memchr::memmem::find(line, key.as_bytes()).is_some();
    if line.trim_ascii_start().first() != Some(&b'{') {
        return None;
    }
    if has("\"ai_log\":") || has("\"ai_log\" :") {
        return Some("has the key `ai_log`");
    }
    // Without `ai_log` it is an access log whose format was not changed yet: better said than not recognised.
    has("\"istio_policy_status\":").then_some(
        "is Higress's access log without `ai_log`: add \"ai_log\":\"%FILTER_STATE(wasm.ai_log:PLAIN)%\" to accessLogFormat",
    )
}

/// Reads one line.
pub(super) fn parse(line: &[u8], config: &Config, emit: &mut dyn FnMut(Reading<'_>)) {
    // Most lines of a mixed gateway are not AI traffic; nothing behind this prefix could change that.
    if line.starts_with(b"{\"ai_log\":\"-\",") {
        return emit(Reading::Skipped(Skip::NoAi));
    }
    let (mut outer, mut inner) = (Outer::default(), Inner::default());
    if let Some(text) = scan::scan(line, &mut outer, &mut inner) {
        let mut draft = draft(&mut outer, &mut inner, config, false);
        draft.source = Source::Object(Cow::Borrowed(text));
        return emit(Reading::Draft(draft));
    }
    let text = String::from_utf8_lossy(line);
    parse_text(text.trim_start_matches('\u{feff}').trim(), config, emit);
}

/// The path for everything: whole JSON first, then JSON with `NaN` in it, then salvage.
fn parse_text(text: &str, config: &Config, emit: &mut dyn FnMut(Reading<'_>)) {
    if text.is_empty() {
        return emit(Reading::Skipped(Skip::Empty));
    }
    if text.starts_with("{\"ai_log\":\"-\",") {
        return emit(Reading::Skipped(Skip::NoAi));
    }
    let mut outer = Outer::default();
    let mut doubled = false;
    let whole = json::read_object(text, &mut |key, raw| {
        if let Some(slot) = outer.slot(&key) {
            doubled |= !matches!(slot, Scalar::Absent);
            *slot = Scalar::from_json(raw);
        }
    });
    match whole {
        Ok(()) if json::is_too_deep(text) => emit(Reading::Rejected(Reject::TooDeep)),
        // A key that comes twice is a client's quote that happens to leave valid JSON: the last one may be made up.
        Ok(()) if doubled => match salvage::salvage(text) {
            Some(salvaged) => emit_salvaged(salvaged, config, emit),
            None => emit_outer(outer, text, config, false, emit),
        },
        Ok(()) => emit_outer(outer, text, config, false, emit),
        Err(_) => match salvage::salvage(text) {
            Some(salvaged) => emit_salvaged(salvaged, config, emit),
            None => match json::without_nan(text) {
                Some(clean) => parse_text(&clean, config, &mut |reading| emit(with_bad_number(reading))),
                None if json::is_too_deep(text) => emit(Reading::Rejected(Reject::TooDeep)),
                None => emit(Reading::Rejected(Reject::Malformed)),
            },
        },
    }
}

fn with_bad_number(reading: Reading<'_>) -> Reading<'_> {
    match reading {
        Reading::Draft(mut draft) => {
            draft.record.anomalies.insert(Anomaly::BadNumber);
            Reading::Draft(draft)
        }
        other => other,
    }
}

fn emit_salvaged((outer, pairs): (Outer<'_>, salvage::Pairs<'_>), config: &Config, emit: &mut dyn FnMut(Reading<'_>)) {
    emit_ai_log(outer, Source::Salvaged(pairs), config, true, emit);
}

fn emit_outer(outer: Outer<'_>, text: &str, config: &Config, salvaged: bool, emit: &mut dyn FnMut(Reading<'_>)) {
    emit_ai_log(outer, Source::Object(Cow::Borrowed(text)), config, salvaged, emit);
}

/// Reads `ai_log` in whichever shape it comes, and hands the draft on.
fn emit_ai_log(
    mut outer: Outer<'_>,
    source: Source<'_>,
    config: &Config,
    salvaged: bool,
    emit: &mut dyn FnMut(Reading<'_>),
) {
    let text = match std::mem::take(&mut outer.ai_log) {
        Scalar::Absent | Scalar::Missing => return emit(Reading::Skipped(Skip::NoAi)),
        Scalar::Text(text) if matches!(text.trim(), "" | "-" | "null" | "{}") => {
            return emit(Reading::Skipped(Skip::NoAi));
        }
        Scalar::Nested(text) if text.len() == 2 => return emit(Reading::Skipped(Skip::NoAi)),
        Scalar::Text(text) => json::embedded(text),
        Scalar::Nested(text) => Some(text),
        Scalar::Number(_) | Scalar::Bool(_) | Scalar::Escaped(_) => None,
    };
    let Some(text) = text else { return emit(Reading::Rejected(Reject::Malformed)) };
    let (mut inner, mut whole) = read_inner(&text);
    let clean = if whole { None } else { json::without_nan(&text) };
    let patched = clean.is_some();
    if let Some(clean) = &clean {
        (inner, whole) = read_inner(clean);
    }
    if whole && json::is_too_deep(&text) {
        return emit(Reading::Rejected(Reject::TooDeep));
    }
    if !whole && !text.trim_start().starts_with("{\"") {
        let reject = if json::is_too_deep(&text) { Reject::TooDeep } else { Reject::Malformed };
        return emit(Reading::Rejected(reject));
    }
    // An `ai_log` that breaks off still tells what stands before: the request happened and counts.
    let mut outer = outer;
    let mut draft = draft(&mut outer, &mut inner, config, salvaged || !whole);
    draft.source = source;
    if patched {
        draft.record.anomalies.insert(Anomaly::BadNumber);
    }
    emit(Reading::Draft(draft));
}

/// Reads the keys of `ai_log` and whether it is a whole object.
fn read_inner(text: &str) -> (Inner<'_>, bool) {
    let mut inner = Inner::default();
    let whole = json::read_object(text, &mut |key, raw| {
        let Some(index) = Inner::index(&key) else { return };
        *inner.at(index) = if index.is_said() { Scalar::Nested(Cow::Borrowed(raw)) } else { Scalar::from_json(raw) };
    });
    (inner, whole.is_ok())
}

/// What the fields mean. Takes the text out of the slots.
fn draft<'a>(outer: &mut Outer<'a>, inner: &mut Inner<'a>, config: &Config, salvaged: bool) -> Draft<'a> {
    let mut draft = Draft::default();
    let record = &mut *draft.record;
    let anomalies = &mut record.anomalies;
    if salvaged {
        anomalies.insert(Anomaly::Salvaged);
    }
    draft.time = match outer.start_time.time(None, &config.timezone) {
        Time::Missing => outer.timestamp.time(None, &config.timezone),
        time => time,
    };
    record.duration = match outer.duration.span(None, anomalies) {
        None => inner.llm_service_duration.span(None, anomalies),
        duration => duration,
    };
    record.first_token = inner.llm_first_token_duration.span(None, anomalies);
    record.chat_round =
        inner.chat_round.count(u64::from(u32::MAX), anomalies).and_then(|round| u32::try_from(round).ok());
    record.bytes_sent = outer.bytes_sent.count(MAX_BYTES, anomalies);
    draft.status = status_of(outer.response_code.count(u64::MAX, anomalies), anomalies);

    let mut details = Details::default();
    read_details(&inner.input_token_details, &mut details);
    read_details(&inner.output_token_details, &mut details);
    details.cached_tokens.fill(&mut inner.cached_tokens);
    details.reasoning_tokens.fill(&mut inner.reasoning_tokens);
    let input = inner.input_token.count(MAX_TOKENS, anomalies);
    let output = inner.output_token.count(MAX_TOKENS, anomalies);
    let total = inner.total_token.count(MAX_TOTAL, anomalies);
    draft.counts = details.counts(input, output, total, anomalies);

    record.mode = match &inner.response_type {
        Scalar::Text(text) if text == "stream" => Mode::Stream,
        Scalar::Text(text) if text == "normal" => Mode::Normal,
        _ => Mode::Unknown,
    };
    draft.limited = matches!(&inner.token_ratelimit_status, Scalar::Text(text) if text == "limited");
    if config.content {
        record.content = content(inner);
    }
    record.tool_calls = said::tool_names(std::mem::take(&mut inner.tool_calls));
    record.session_id = inner.session_id.take_text();
    if record.session_id.is_empty() {
        record.messages = match record.content.as_deref() {
            Some(Content { messages: Said::Json(messages), .. }) => messages.clone(),
            _ => said::messages(std::mem::take(&mut inner.messages)),
        };
    }
    record.chat_id = inner.chat_id.take_text();
    record.model = inner.model.take_text();
    for other in [&mut outer.consumer, &mut outer.x_mse_consumer, &mut outer.mse_consumer] {
        inner.consumer.fill(other);
    }
    for other in [&mut inner.user_id, &mut outer.user, &mut outer.user_id] {
        inner.user.fill(other);
    }
    record.consumer = inner.consumer.take_text();
    record.user = inner.user.take_text();
    record.request_id = outer.request_id.take_text();
    record.route = outer.route_name.take_text();
    record.upstream = map_cow(outer.upstream_cluster.take_text(), cluster_name);
    record.provider = map_cow(record.upstream.clone(), provider_of);
    // Most have none.
    if let Scalar::Text(text) = &outer.trace_id {
        record.trace_id = parse_trace_id(text);
    }
    record.client_address = if outer.x_forwarded_for.is_present() {
        map_cow(outer.x_forwarded_for.take_text(), first_of_list)
    } else {
        map_cow(outer.downstream_remote_address.take_text(), without_port)
    };
    record.user_agent = outer.user_agent.take_text();
    draft.flags = outer.response_flags.take_text();
    draft.details = outer.response_code_details.take_text();
    draft
}

/// What was said, where the log has any of it.
fn content<'a>(inner: &mut Inner<'a>) -> Option<Box<Content<'a>>> {
    let content = Content {
        messages: said::list(inner.messages.clone()),
        system: said::text(std::mem::take(&mut inner.system)),
        question: said::text(std::mem::take(&mut inner.question)),
        answer: said::text(std::mem::take(&mut inner.answer)),
        reasoning: said::text(std::mem::take(&mut inner.reasoning)),
        tool_calls: said::list(inner.tool_calls.clone()),
    };
    (content != Content::default()).then(|| Box::new(content))
}

/// Reads a details value: an object, or an object in a string.
fn read_details<'a>(value: &Scalar<'a>, details: &mut Details<'a>) {
    match value {
        Scalar::Escaped(text) if scan::read_details(text, details).is_some() => {}
        Scalar::Escaped(text) => {
            read_details_text(&json::unescape(text), &mut |key, value| set(details, key, value.into_owned()));
        }
        Scalar::Nested(Cow::Borrowed(text)) => {
            read_details_text(text, &mut |key, value| set(details, key, value));
        }
        // Only counts are read from here, so that owning their few digits costs nothing that matters.
        Scalar::Nested(text) => {
            read_details_text(text, &mut |key, value| set(details, key, value.into_owned()));
        }
        Scalar::Text(text) => {
            if let Some(object) = json::embedded(Cow::Borrowed(text)) {
                read_details_text(&object, &mut |key, value| set(details, key, value.into_owned()));
            }
        }
        _ => {}
    }
}

fn set<'a>(details: &mut Details<'a>, key: &str, value: Scalar<'a>) {
    if let Some(slot) = details.slot(key) {
        *slot = value;
    }
}

fn read_details_text<'a>(text: &'a str, found: &mut dyn FnMut(&str, Scalar<'a>)) {
    // A fault within details cannot happen where the line is valid JSON; within a string, what stands before it counts.
    let _ = json::read_object(text, &mut |key, raw| found(&key, Scalar::from_json(raw)));
}

/// `outbound|443||llm-aliyun.internal.dns` → `llm-aliyun.internal.dns`; any other name as it is.
fn cluster_name(cluster: &str) -> &str {
    // Istio writes direction|port|subset|host.
    if !cluster.starts_with("outbound|") && !cluster.starts_with("inbound|") {
        return cluster;
    }
    let host = cluster.bytes().enumerate().filter(|(_, byte)| *byte == b'|').nth(2);
    host.and_then(|(bar, _)| cluster.get(bar + 1..)).filter(|host| !host.is_empty()).unwrap_or(cluster)
}

/// `10.8.1.9, 10.0.0.1` → `10.8.1.9`.
fn first_of_list(list: &str) -> &str {
    let end = list.bytes().position(|byte| byte == b',').unwrap_or(list.len());
    list.get(..end).unwrap_or(list).trim()
}

/// `llm-aliyun.internal.dns` → `aliyun`. A name of another shape, such as a Kubernetes service, stays as it is, so
/// that an alias of the configuration can name it.
fn provider_of(upstream: &str) -> &str {
    let name = upstream.strip_suffix(".dns").or_else(|| upstream.strip_suffix(".static")).unwrap_or(upstream);
    let name = name.strip_suffix(".internal").unwrap_or(name);
    let name = name.strip_prefix("llm-").unwrap_or(name);
    if name.is_empty() { upstream } else { name }
}

/// `10.42.0.1:51322` → `10.42.0.1`, `[2001:db8::1]:443` → `2001:db8::1`: the port changes with each connection.
fn without_port(address: &str) -> &str {
    if let Some((host, _)) = address.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return host;
    }
    match address.rsplit_once(':') {
        Some((host, _)) if !host.contains(':') => host,
        _ => address,
    }
}

/// Narrows text without copying it where it is borrowed.
fn map_cow<'a>(text: Cow<'a, str>, narrow: fn(&str) -> &str) -> Cow<'a, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(narrow(text)),
        Cow::Owned(text) => Cow::Owned(narrow(&text).to_owned()),
    }
}
