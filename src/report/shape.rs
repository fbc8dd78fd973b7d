//! Figures in JSON: one shape for each thing, the same from commands, API and exports.
//!
//! Keys are snake_case, times RFC 3339 in UTC, lengths seconds, money decimal text beside its currency.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{totals, usage};
use crate::ledger::{Error, Measure, Moment, Session, Stored};
use crate::record::{Currency, Micros, Tokens, money};

/// Microseconds since the epoch as RFC 3339 in UTC.
#[must_use]
pub fn time(micros: Micros) -> String {
    jiff::Timestamp::from_microsecond(micros).map_or_else(|_| micros.to_string(), |time| time.to_string())
}

/// Microseconds as seconds.
#[must_use]
pub fn seconds(micros: i64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "seconds for JSON readers")]
    let seconds = micros as f64 / 1e6;
    seconds
}

/// An amount in nano-units.
#[must_use]
pub fn money(currency: Currency, nanos: i128) -> Value {
    json!({"currency": currency.as_str(), "total": money::format_nanos(nanos)})
}

/// Amounts of all currencies.
#[must_use]
pub fn costs(costs: &BTreeMap<Currency, i128>) -> Value {
    costs.iter().map(|(currency, nanos)| money(*currency, *nanos)).collect()
}

/// Tokens as they are counted outside: input holds the cache, output reasoning.
#[must_use]
pub fn tokens(tokens: &Tokens) -> Value {
    json!({
        "input": tokens.input(), "output": tokens.output(), "cache_read": tokens.cache_read,
        "cache_write": tokens.cache_write(), "reasoning": tokens.reasoning,
    })
}

/// A session.
#[must_use]
pub fn session(session: &Session) -> Value {
    let mut dimensions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, value) in &session.dimensions {
        dimensions.entry(name).or_default().push(value);
    }
    json!({
        "session": session.name, "derived": session.derived, "gateway": session.gateway, "parts": session.parts,
        "start": time(session.start), "end": time(session.end), "open": session.open,
        "seconds": seconds(session.duration), "requests": session.requests, "turns": session.turns,
        "errors": session.errors, "usage_missing_requests": session.usage_missing,
        "unpriced_requests": session.unpriced, "tool_calls": session.tool_calls,
        "tokens": tokens(&session.tokens), "cost": costs(&session.costs),
        "consumers": session.consumers, "models": session.models, "dimensions": dimensions, "more": session.more,
        "user": session.user, "mixed_users": session.mixed_users,
    })
}

/// A stored request; names of its ids are asked of the moment.
///
/// # Errors
/// The ledger cannot be read.
pub fn request(moment: &Moment, stored: &Stored) -> Result<Value, Error> {
    let Stored { row, request_id } = stored;
    let attributes = moment.attributes(row.attributes)?;
    let (session, derived) = moment.session_name(row.session)?;
    let dimensions: Map<String, Value> =
        attributes.dimensions.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect();
    let outcome = row.outcome.error().map_or("success", |reason| reason.label());
    Ok(json!({
        "id": row.id.to_string(), "request_id": request_id, "start": time(row.start),
        "seconds": row.duration.map(seconds), "first_token_seconds": row.first_token.map(seconds),
        "gateway": attributes.gateway, "route": attributes.route, "provider": attributes.provider,
        "model": attributes.model, "upstream": attributes.upstream, "mode": attributes.mode.label(),
        "consumer": attributes.consumer, "user": &*moment.name(row.user)?,
        "session": (!session.is_empty()).then_some(session), "session_derived": derived, "status": row.status,
        "outcome": outcome, "counted": row.counted, "tokens": tokens(&row.tokens),
        "cost": row.cost.map(|cost| money(cost.currency, cost.nanos.into())), "unpriced": row.unpriced,
        "usage_missing": row.usage_missing, "assumed": row.assumed.names().collect::<Vec<_>>(),
        "anomalies": row.anomalies.iter().map(|anomaly| anomaly.label()).collect::<Vec<_>>(),
        "tools": moment.tools(row.tools)?, "chat_round": row.chat_round, "dimensions": dimensions,
    }))
}

/// Requests, errors, tokens and cost of a group.
#[must_use]
pub fn figures(figures: &totals::Figures) -> Value {
    let by_reason: Map<String, Value> = totals::REASONS
        .iter()
        .map(|(reason, measure)| (*reason, figures.count(*measure)))
        .filter(|(_, count)| *count > 0)
        .map(|(reason, count)| (reason.to_owned(), Value::from(count)))
        .collect();
    json!({
        "requests": figures.requests(), "errors": figures.errors(),
        "error_ratio": ratio(figures.errors().into(), figures.requests().into()),
        "errors_by_reason": by_reason, "tokens": tokens(&figures.tokens()), "cost": costs(&figures.costs()),
        "savings": costs(&figures.money(Measure::Savings)),
        "unpriced_requests": figures.count(Measure::UnpricedRequests),
        "unpriced_tokens": figures.count(Measure::UnpricedTokens),
        "usage_missing_requests": figures.count(Measure::UsageMissing),
        "assumed_requests": figures.count(Measure::AssumedRequests),
        "assumed_cost": costs(&figures.money(Measure::AssumedCost)), "mean_seconds": figures.mean_seconds(),
        "mean_first_token_seconds": figures.mean_first_token_seconds(),
    })
}

/// A part of a whole, 0 to 1; 0 of nothing.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "a ratio for readers, not money")]
pub fn ratio(part: i128, whole: i128) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// Time of use of a group.
#[must_use]
pub fn usage(figures: &usage::Figures) -> Value {
    json!({
        "sessions": figures.sessions, "session_seconds": seconds(figures.time),
        "mean_session_seconds": seconds(figures.mean()), "turns": figures.turns, "requests": figures.requests,
        "errors": figures.errors, "usage_missing_requests": figures.usage_missing,
        "unpriced_requests": figures.unpriced, "tokens": tokens(&figures.tokens), "cost": costs(&figures.costs),
    })
}
