//! Values that every report writes in JSON in the same way: money, tokens, times, figures.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

use crate::ledger::Measure;
use crate::record::money::format_nanos;
use crate::record::{Currency, ErrorReason, Micros, Tokens};
use crate::report::By;
use crate::report::figures::{Amounts, Figures};

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

/// Amounts as a list of `{"currency", "total"}`.
#[must_use]
pub fn amounts_json(amounts: &Amounts) -> Value {
    amounts.iter().map(|(currency, nanos)| money_json(*currency, *nanos)).collect()
}

/// One amount.
pub(super) fn money_json(currency: Currency, nanos: i128) -> Value {
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

/// Failed requests by reason.
#[must_use]
pub fn errors_json(errors: &[(ErrorReason, u64)]) -> Value {
    let errors: BTreeMap<&str, u64> = errors.iter().map(|(reason, count)| (reason.label(), *count)).collect();
    json!(errors)
}

/// Values of a group's columns by their names.
pub(super) fn group_json(by: &[By], values: &[String]) -> Value {
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
    #[expect(clippy::cast_precision_loss, reason = "a mean in seconds for JSON readers")]
    let mean = |sum: Measure, count: Measure| {
        let (sum, count) = (figures.count(sum), figures.count(count));
        (count > 0).then(|| sum as f64 / count as f64 / 1e6)
    };
    let (requests, errors) = (figures.requests(), figures.errors());
    json!({
        "requests": requests, "errors": errors,
        "error_ratio": crate::report::figures::ratio(errors.into(), requests.into()),
        "errors_by_reason": errors_json(&figures.errors_by_reason()),
        "tokens": tokens_json(&figures.tokens()),
        "cost": amounts_json(&figures.cost()), "savings": amounts_json(&figures.savings()),
        "unpriced_requests": figures.unpriced_requests(), "unpriced_tokens": figures.unpriced_tokens(),
        "usage_missing_requests": figures.usage_missing(),
        "assumed_requests": figures.assumed_requests(), "assumed_cost": amounts_json(&figures.assumed_cost()),
        "mean_seconds": mean(Measure::DurationSum, Measure::DurationCount),
        "mean_first_token_seconds": mean(Measure::FirstTokenSum, Measure::FirstTokenCount),
    })
}
