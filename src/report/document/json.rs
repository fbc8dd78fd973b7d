//! Values that every report writes in JSON in the same way: money, tokens, times, figures.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

use crate::ledger::Measure;
use crate::record::money::format_nanos;
use crate::record::{Currency, Micros, Tokens};
use crate::report::totals::{Figures, REASONS};
use crate::report::{Amounts, By, ratio};

/// Name of a time zone.
#[must_use]
pub fn zone_name(zone: &TimeZone) -> String {
    zone.iana_name().unwrap_or("UTC").to_owned()
}

/// A moment as RFC 3339 in UTC; nothing for the ends of time.
#[must_use]
pub fn time_json(micros: Micros) -> Value {
    let inner = micros != i64::MIN && micros != i64::MAX;
    let time = inner.then(|| Timestamp::from_microsecond(micros).ok()).flatten();
    time.map_or(Value::Null, |time| time.to_string().into())
}

/// A moment as RFC 3339 in UTC, as text.
#[must_use]
pub fn time_text(micros: Micros) -> String {
    Timestamp::from_microsecond(micros).map_or_else(|_| micros.to_string(), |time| time.to_string())
}

/// Amounts as a list of `{"currency", "total"}`.
#[must_use]
pub fn amounts_json(amounts: &Amounts) -> Value {
    amounts.iter().map(|(currency, nanos)| money_json(*currency, *nanos)).collect()
}

/// One amount.
#[must_use]
pub fn money_json(currency: Currency, nanos: i128) -> Value {
    json!({"currency": currency.as_str(), "total": format_nanos(nanos)})
}

/// Tokens as the API counts them: input includes the cache, output includes reasoning.
#[must_use]
pub fn tokens_json(tokens: &Tokens) -> Value {
    json!({
        "input": tokens.input(), "output": tokens.output(), "cache_read": tokens.cache_read,
        "cache_write": tokens.cache_write(), "reasoning": tokens.reasoning,
    })
}

/// Values of a group's columns by their names.
#[must_use]
pub fn group_json(by: &[By], values: &[String]) -> Value {
    let group: Map<String, Value> =
        by.iter().zip(values).map(|(by, value)| (by.to_string(), Value::from(value.as_str()))).collect();
    Value::Object(group)
}

/// Shares by currency, 0 to 1.
pub(super) fn shares_json(shares: &BTreeMap<Currency, f64>) -> Value {
    shares.iter().map(|(currency, share)| json!({"currency": currency.as_str(), "share": share})).collect()
}

/// The figures that every list of the API has.
#[must_use]
pub fn figures_json(figures: &Figures) -> Value {
    let (requests, errors) = (figures.requests(), figures.errors());
    let by_reason: Map<String, Value> = REASONS
        .iter()
        .map(|(label, measure)| (*label, figures.count(*measure)))
        .filter(|(_, count)| *count > 0)
        .map(|(label, count)| (label.to_owned(), count.into()))
        .collect();
    json!({
        "requests": requests, "errors": errors, "error_ratio": ratio(errors.into(), requests.into()),
        "errors_by_reason": by_reason, "tokens": tokens_json(&figures.tokens()),
        "cost": amounts_json(&figures.costs()), "savings": amounts_json(&figures.money(Measure::Savings)),
        "unpriced_requests": figures.count(Measure::UnpricedRequests),
        "unpriced_tokens": figures.count(Measure::UnpricedTokens),
        "usage_missing_requests": figures.count(Measure::UsageMissing),
        "assumed_requests": figures.count(Measure::AssumedRequests),
        "assumed_cost": amounts_json(&figures.money(Measure::AssumedCost)),
        "mean_seconds": figures.mean_seconds(), "mean_first_token_seconds": figures.mean_first_token_seconds(),
    })
}
