//! The user's own fields: paths into a line's JSON become values of a draft.
//!
//! A path is tried as a literal key first (`gen_ai.response.model`), then as nested keys, at each level anew; a string that
//! holds JSON is decoded on the way (`ai_log.model`). An item of a list is named by its number from 0, in brackets or
//! between dots (`choices[0].model`, `choices.0.model`). Null, `""` and `-` are missing, and the next alternative is tried.
//! Laid over a gateway's draft the user's fields win; for the format `fields` they are all there is. Counts are read
//! with the gateway's family of counting, which for `fields` is OpenAI's: input includes cache reads and writes,
//! output includes reasoning. Does not search lists.

use std::borrow::Cow;

use super::config::{Config, Field, FieldSource};
use super::draft::{Draft, Reading, Source, status_of};
use super::scalar::{Scalar, Time, parse_trace_id};
use super::{json, said};
use crate::record::{Anomalies, Content, Cost, Currency, MAX_TOKENS, Mode, Record, Reject, ServiceTier, Skip};

/// Keys of one object with the raw JSON text of their values.
pub(crate) struct Document<'a> {
    pairs: Vec<(Cow<'a, str>, &'a str)>,
}

impl<'a> Document<'a> {
    /// Reads the top level; empty where there is no object.
    pub(crate) fn parse(source: &'a Source<'_>) -> Document<'a> {
        match source {
            Source::None => Document { pairs: Vec::new() },
            Source::Object(text) => Document { pairs: read_pairs(text) },
            Source::Salvaged(pairs) => {
                Document { pairs: pairs.iter().map(|(key, raw)| (Cow::Borrowed(&**key), &**raw)).collect() }
            }
        }
    }

    /// The value at a path; absent where there is none.
    pub(crate) fn find(&self, path: &str) -> Scalar<'a> {
        find(&self.pairs, path)
    }

    /// The first present value of a field's alternatives.
    fn first(&self, source: &FieldSource) -> Scalar<'a> {
        source.paths.iter().map(|path| self.find(path)).find(Scalar::is_present).unwrap_or_default()
    }
}

fn read_pairs(text: &str) -> Vec<(Cow<'_, str>, &str)> {
    let mut pairs = Vec::new();
    // What stands before a fault counts: the gateway has already decided what the line is worth.
    let _ = json::read_object(text, &mut |key, raw| pairs.push((key, raw)));
    pairs
}

fn find<'a>(pairs: &[(Cow<'a, str>, &'a str)], path: &str) -> Scalar<'a> {
    // The last of equal keys counts, as everywhere.
    let get = |key: &str| pairs.iter().rev().find(|(known, _)| known == key).map(|(_, raw)| *raw);
    if let Some(raw) = get(path) {
        return Scalar::from_json(raw);
    }
    for (cut, mark) in path.rmatch_indices(['.', '[']) {
        let rest = if mark == "." { cut + 1 } else { cut };
        let (Some(head), Some(rest)) = (path.get(..cut), path.get(rest..)) else { continue };
        let Some(raw) = get(head) else { continue };
        let found = below(raw, rest);
        if !matches!(found, Scalar::Absent) {
            return found;
        }
    }
    Scalar::Absent
}

/// What the rest of a path leads to in a value.
fn below<'a>(raw: &'a str, rest: &str) -> Scalar<'a> {
    match Scalar::from_json(raw) {
        Scalar::Nested(Cow::Borrowed(text)) => inside(text, rest),
        Scalar::Text(text) => match json::embedded(text) {
            Some(text) => inside(&text, rest).into_owned(),
            None => Scalar::Absent,
        },
        _ => Scalar::Absent,
    }
}

fn inside<'a>(text: &'a str, rest: &str) -> Scalar<'a> {
    if !text.trim_start().starts_with('[') {
        return find(&read_pairs(text), rest);
    }
    let Some((index, rest)) = split_index(rest) else { return Scalar::Absent };
    let (mut left, mut item) = (index, None);
    // What stands before a fault counts, as in an object.
    let _ = json::read_array(text, &mut |raw| {
        if left == 0 {
            item = Some(raw);
        }
        left = left.saturating_sub(1);
        item.is_none()
    });
    match item {
        Some(raw) if rest.is_empty() => Scalar::from_json(raw),
        Some(raw) => below(raw, rest),
        None => Scalar::Absent,
    }
}

/// Takes the index off a path that begins with `[0]` or `0`.
fn split_index(path: &str) -> Option<(usize, &str)> {
    let (digits, rest) = match path.strip_prefix('[') {
        Some(path) => path.split_once(']')?,
        None => path.split_at(path.find(['.', '[']).unwrap_or(path.len())),
    };
    let is_index = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let rest = match rest.strip_prefix('.') {
        Some(rest) => rest,
        None if rest.is_empty() || rest.starts_with('[') => rest,
        None => return None,
    };
    Some((digits.parse().ok().filter(|_| is_index)?, rest))
}

/// Whether a line may be read as `fields`: a JSON object or an array of them.
pub(super) fn parse(line: &[u8], emit: &mut dyn FnMut(Reading<'_>)) {
    let text = String::from_utf8_lossy(line);
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.is_empty() {
        return emit(Reading::Skipped(Skip::Empty));
    }
    let clean;
    let (mut text, mut patched) = (text, false);
    if !is_json(text)
        && let Some(without) = json::without_nan(text)
    {
        clean = without;
        (text, patched) = (clean.as_str(), true);
    }
    if !is_json(text) {
        let reject = if json::is_too_deep(text) { Reject::TooDeep } else { Reject::Malformed };
        return emit(Reading::Rejected(reject));
    }
    if json::is_too_deep(text) {
        return emit(Reading::Rejected(Reject::TooDeep));
    }
    let mut one = |text: &str| {
        if !text.starts_with('{') {
            return emit(Reading::Rejected(Reject::Malformed));
        }
        let mut draft = Draft { source: Source::Object(Cow::Borrowed(text)), ..Draft::default() };
        if patched {
            draft.record.anomalies.insert(crate::record::Anomaly::BadNumber);
        }
        emit(Reading::Draft(draft));
    };
    if text.starts_with('[') {
        let mut empty = true;
        let _ = json::read_array(text, &mut |element| {
            empty = false;
            one(element);
            true
        });
        if empty {
            emit(Reading::Skipped(Skip::Empty));
        }
    } else {
        one(text);
    }
}

/// Whether the text is one whole JSON object or array.
pub(super) fn is_json(text: &str) -> bool {
    json::read_object(text, &mut |_, _| ()).is_ok() || json::read_array(text, &mut |_| true).is_ok()
}

/// Lays the configured fields over a draft. A field whose paths are all missing leaves what the gateway read.
pub(super) fn overlay<'a>(draft: &mut Draft<'a>, document: &Document<'a>, config: &Config) {
    for (field, source) in &config.fields {
        if is_unread(*field, config) {
            continue;
        }
        let value = document.first(source);
        if value.is_present() {
            set(draft, *field, value, source, config);
        }
    }
}

/// Whether a field holds something said that nobody captures and that tells nothing else.
fn is_unread(field: Field, config: &Config) -> bool {
    field.is_content() && !config.content && !matches!(field, Field::Messages | Field::ToolCalls)
}

fn set<'a>(draft: &mut Draft<'a>, field: Field, value: Scalar<'a>, source: &FieldSource, config: &Config) {
    let record = &mut *draft.record;
    let anomalies = &mut record.anomalies;
    let tokens = |anomalies: &mut Anomalies| value.count(MAX_TOKENS, anomalies);
    match field {
        Field::Time => draft.time = value.time(source.unit, &config.timezone),
        Field::EndTime => {
            draft.end = value.time(source.unit, &config.timezone);
            if draft.end == Time::Bad {
                anomalies.insert(crate::record::Anomaly::BadNumber);
            }
        }
        Field::Duration => record.duration = value.span(source.unit, anomalies),
        Field::FirstToken => record.first_token = value.span(source.unit, anomalies),
        Field::RequestId => record.request_id = value.into_text(),
        Field::ChatId => record.chat_id = value.into_text(),
        Field::Session => record.session_id = value.into_text(),
        Field::TraceId => record.trace_id = parse_trace_id(&value.into_text()),
        Field::Route => record.route = value.into_text(),
        Field::Provider => record.provider = value.into_text(),
        Field::Model => record.model = value.into_text(),
        Field::Consumer => record.consumer = value.into_text(),
        Field::User => record.user = value.into_text(),
        Field::Upstream => record.upstream = value.into_text(),
        Field::Mode => record.mode = mode_of(&value.into_text()),
        Field::ServiceTier => record.service_tier = tier_of(&value.into_text()),
        Field::ChatRound => {
            record.chat_round = value.count(u64::from(u32::MAX), anomalies).and_then(|n| u32::try_from(n).ok());
        }
        Field::Status => draft.status = status_of(value.count(u64::MAX, anomalies), anomalies),
        Field::ResponseFlags => draft.flags = value.into_text(),
        Field::BytesSent => record.bytes_sent = value.count(super::draft::MAX_BYTES, anomalies),
        Field::InputTokens => draft.counts.input = tokens(anomalies),
        Field::OutputTokens => draft.counts.output = tokens(anomalies),
        Field::TotalTokens => draft.counts.total = value.count(super::draft::MAX_TOTAL, anomalies),
        Field::CacheReadTokens => draft.counts.cache_read = tokens(anomalies),
        Field::CacheWriteTokens => draft.counts.cache_write_5m = tokens(anomalies),
        Field::CacheWrite1hTokens => draft.counts.cache_write_1h = tokens(anomalies),
        Field::ReasoningTokens => draft.counts.reasoning = tokens(anomalies),
        Field::Cost => {
            record.logged_cost = value.nanos(anomalies).map(|nanos| Cost { nanos, currency: Currency::USD });
        }
        Field::Currency => draft.currency = Currency::parse(&value.into_text().to_ascii_uppercase()),
        Field::ClientAddress => record.client_address = value.into_text(),
        Field::UserAgent => record.user_agent = value.into_text(),
        Field::Messages => {
            if record.session_id.is_empty() {
                record.messages = said::messages(value.clone());
            }
            set_content(record, config, |content| content.messages = said::list(value));
        }
        Field::System => set_content(record, config, |content| content.system = said::text(value)),
        Field::Question => set_content(record, config, |content| content.question = said::text(value)),
        Field::Answer => set_content(record, config, |content| content.answer = said::text(value)),
        Field::Reasoning => set_content(record, config, |content| content.reasoning = said::text(value)),
        Field::ToolCalls => {
            record.tool_calls = said::tool_names(value.clone());
            set_content(record, config, |content| content.tool_calls = said::list(value));
        }
    }
}

fn set_content<'a>(record: &mut Record<'a>, config: &Config, set: impl FnOnce(&mut Content<'a>)) {
    if config.content {
        set(record.content.get_or_insert_default());
    }
}

/// `stream` or `normal`, or whether it streamed.
fn mode_of(text: &str) -> Mode {
    match text {
        "stream" | "streaming" | "true" | "1" => Mode::Stream,
        "normal" | "false" | "0" => Mode::Normal,
        _ => Mode::Unknown,
    }
}

fn tier_of(text: &str) -> ServiceTier {
    match text {
        "standard" | "default" | "auto" => ServiceTier::Standard,
        "batch" => ServiceTier::Batch,
        "flex" => ServiceTier::Flex,
        "priority" => ServiceTier::Priority,
        _ => ServiceTier::Unknown,
    }
}

/// Whether the configuration names token counts at all; a log without them misses none.
pub(super) fn has_tokens(config: &Config) -> bool {
    [Field::InputTokens, Field::OutputTokens].iter().any(|field| config.fields.contains_key(field))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_literal_key_first_and_nested_keys_after() {
        let line = r#"{"a.b":1,"a":{"b":2,"c.d":3,"e":{"f":"x"}},"g":"{\"h\":{\"i\":4}}","j":"{\\\"k\\\":5}",
            "n":null,"dash":"-","a":{"b":20,"c.d":30,"e":{"f":"y"}},"big":1e400,"text":"no json"}"#;
        let source = Source::Object(Cow::Borrowed(line));
        let document = Document::parse(&source);
        for (path, want) in [
            ("a.b", "1"),
            ("a.c.d", "30"),
            ("a.e.f", "y"),
            ("g.h.i", "4"),
            ("j.k", "5"),
            ("big", "1e400"),
            ("a.e", r#"{"f":"y"}"#),
            ("n", ""),
            ("dash", ""),
            ("n.x", ""),
            ("text.x", ""),
            ("missing", ""),
            ("", ""),
            (".", ""),
        ] {
            assert_eq!(document.find(path).into_text(), want, "{path}");
        }
    }

    #[test]
    fn an_item_of_a_list_is_named_by_its_number_from_0() {
        let line = r#"{"choices":[{"message":{"model":"a"},"n":[[1,2],[3]]},{"model":"b"}],"text":"[{\"x\":7},8]",
            "choices[1]":{"model":"key"},"o":{"0":"zero"},"list":["p","-",null],"deep":{"a.b":[5]}}"#;
        let source = Source::Object(Cow::Borrowed(line));
        let document = Document::parse(&source);
        for (path, want) in [
            ("choices[0].message.model", "a"),
            ("choices.0.message.model", "a"),
            ("choices.1.model", "b"),
            // A literal key first.
            ("choices[1].model", "key"),
            ("choices[0].n[0][1]", "2"),
            ("choices[0].n.1.0", "3"),
            ("choices.0.n[1][0]", "3"),
            ("choices[0].n[1]", "[3]"),
            ("text[0].x", "7"),
            ("text.1", "8"),
            ("o.0", "zero"),
            ("list[0]", "p"),
            ("deep.a.b[0]", "5"),
            // Missing, out of range, no index, no list.
            ("list[1]", ""),
            ("list[2]", ""),
            ("list[3]", ""),
            ("list.-1", ""),
            ("list[-1]", ""),
            ("list[+0]", ""),
            ("list[]", ""),
            ("list[0", ""),
            ("list[0]x", ""),
            ("list.0.x", ""),
            ("list[0]..", ""),
            ("list[99999999999999999999999]", ""),
            ("choices.message", ""),
            ("o[0]", ""),
            ("[0]", ""),
        ] {
            assert_eq!(document.find(path).into_text(), want, "{path}");
        }
    }

    #[test]
    fn alternatives_are_tried_in_order_until_one_has_a_value() {
        let source = Source::Object(Cow::Borrowed(r#"{"a":null,"b":"-","c":"x","d":"y"}"#));
        let document = Document::parse(&source);
        let paths = ["a", "b", "zz", "c", "d"].map(str::to_owned).to_vec();
        assert_eq!(document.first(&FieldSource { paths, unit: None }).into_text(), "x");
    }
}
