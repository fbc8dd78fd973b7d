//! A finished record and its line become the values of the user's own dimensions.
//!
//! Per dimension: a field or a path, then the regex, then the lookup table, then the bound. A value that is missing, does
//! not match or is not in the table is empty.

use std::borrow::Cow;

use super::config::{Dimension, DimensionSource, Field};
use super::draft::Draft;
use super::field_map::Document;
use super::label::{MAX_LABEL, bound_label, cut_cow};
use crate::record::Record;

/// Values of the dimensions, in the order of the configuration, each at most 256 bytes. `document` is asked for only
/// where a dimension names a path.
pub(super) fn read<'a>(
    dimensions: &'a [Dimension],
    draft: &Draft<'a>,
    document: Option<&Document<'a>>,
) -> Vec<Cow<'a, str>> {
    dimensions
        .iter()
        .map(|dimension| {
            let value = match &dimension.from {
                DimensionSource::Field(field) => field_text(draft, *field),
                DimensionSource::Path(path) => document.map(|d| d.find(path).into_text()).unwrap_or_default(),
            };
            let value = match &dimension.regex {
                Some(regex) => capture(regex, value),
                None => value,
            };
            let value = match &dimension.lookup {
                Some(table) => Cow::Borrowed(table.get(&*value).map_or("", String::as_str)),
                None => value,
            };
            // Cut first: an over-long value has no hash at its end, so that a regex or a filter sees plain text.
            bound_label(cut_cow(value, MAX_LABEL))
        })
        .collect()
}

/// The first group, or the whole match where the expression has none.
fn capture<'a>(regex: &regex::Regex, value: Cow<'a, str>) -> Cow<'a, str> {
    let found = if regex.captures_len() > 1 {
        regex.captures(&value).and_then(|captures| captures.get(1))
    } else {
        regex.find(&value)
    };
    let Some(range) = found.map(|found| found.range()) else { return Cow::Borrowed("") };
    match value {
        Cow::Borrowed(text) => Cow::Borrowed(text.get(range).unwrap_or("")),
        Cow::Owned(text) => Cow::Owned(text.get(range).unwrap_or("").to_owned()),
    }
}

/// A field of the record as text; empty where it has none. Times are RFC 3339, spans milliseconds, money decimal.
fn field_text<'a>(draft: &Draft<'a>, field: Field) -> Cow<'a, str> {
    let record: &Record<'a> = &draft.record;
    let number = |value: Option<u64>| value.map_or(Cow::Borrowed(""), |value| Cow::Owned(value.to_string()));
    let millis =
        |micros: Option<i64>| micros.map_or(Cow::Borrowed(""), |micros| Cow::Owned((micros / 1_000).to_string()));
    let counted = !matches!(record.usage, crate::record::Usage::None | crate::record::Usage::Missing);
    let tokens = record.usage.tokens();
    match field {
        Field::Time => time_text(record.start),
        Field::EndTime => time_text(record.end()),
        Field::Duration => millis(record.duration),
        Field::FirstToken => millis(record.first_token),
        Field::RequestId => record.request_id.clone(),
        Field::ChatId => record.chat_id.clone(),
        Field::Session => record.session_id.clone(),
        Field::TraceId => {
            record.trace_id.map_or(Cow::Borrowed(""), |id| Cow::Owned(format!("{:032x}", u128::from_be_bytes(id))))
        }
        Field::Route => record.route.clone(),
        Field::Provider => record.provider.clone(),
        Field::Model => record.model.clone(),
        Field::Consumer => record.consumer.clone(),
        Field::User => record.user.clone(),
        Field::Upstream => record.upstream.clone(),
        Field::Mode => Cow::Borrowed(record.mode.label()),
        Field::ServiceTier => Cow::Borrowed(record.service_tier.label()),
        Field::ChatRound => number(record.chat_round.map(u64::from)),
        Field::Status => number(record.status.map(u64::from)),
        Field::ResponseFlags => draft.flags.clone(),
        Field::BytesSent => number(record.bytes_sent),
        Field::InputTokens => number(counted.then(|| tokens.input())),
        Field::OutputTokens => number(counted.then(|| tokens.output())),
        Field::TotalTokens => number(counted.then(|| tokens.total())),
        Field::CacheReadTokens => number(counted.then_some(tokens.cache_read)),
        Field::CacheWriteTokens => number(counted.then(|| tokens.cache_write())),
        Field::CacheWrite1hTokens => number(counted.then_some(tokens.cache_write_1h)),
        Field::ReasoningTokens => number(counted.then_some(tokens.reasoning)),
        Field::Cost => record
            .logged_cost
            .map_or(Cow::Borrowed(""), |cost| Cow::Owned(crate::record::money::format_nanos(i128::from(cost.nanos)))),
        Field::Currency => record.logged_cost.map_or(Cow::Borrowed(""), |cost| Cow::Owned(cost.currency.to_string())),
        Field::ClientAddress => record.client_address.clone(),
        Field::UserAgent => record.user_agent.clone(),
        // What was said goes nowhere but to where content is captured; the configuration refuses it as a dimension.
        Field::Messages | Field::System | Field::Question | Field::Answer | Field::Reasoning | Field::ToolCalls => {
            Cow::Borrowed("")
        }
    }
}

fn time_text<'a>(micros: i64) -> Cow<'a, str> {
    jiff::Timestamp::from_microsecond(micros).map_or(Cow::Borrowed(""), |time| Cow::Owned(time.to_string()))
}
