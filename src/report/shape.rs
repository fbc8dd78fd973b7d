//! Figures in JSON: one shape for each thing, the same from commands, API and exports.
//!
//! Keys are snake_case, times RFC 3339 in UTC, lengths seconds, money decimal text beside its currency.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::usage;
use crate::ledger::{Session, Turn};
use crate::record::{Currency, Micros, Tokens, money};
use crate::wording::hex;

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

/// A request of a session.
#[must_use]
pub fn turn(turn: &Turn) -> Value {
    json!({
        "part": turn.part, "start": time(turn.start), "duration_seconds": turn.duration.map(seconds),
        "first_token_seconds": turn.first_token.map(seconds), "chat_round": turn.chat_round, "status": turn.status,
        "error": turn.outcome.error().map(|reason| reason.label()), "provider": turn.provider, "model": turn.model,
        "tokens": turn.counted.then(|| tokens(&turn.tokens)),
        "cost": turn.cost.map(|(currency, nanos)| money(currency, nanos.into())),
        "unpriced": turn.unpriced, "tool_calls": turn.tools, "request_id": turn.request_id,
        "trace_id": turn.trace_id.map(|id| hex(&id)), "running_cost": costs(&turn.running),
    })
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
