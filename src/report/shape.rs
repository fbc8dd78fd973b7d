//! Requests and sessions in JSON: one shape for commands and the API. Figures are written by [`super::document`].

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::document::{amounts_json, money_json, time_json, tokens_json};
use crate::ledger::{Error, Moment, Session, Stored};

/// Microseconds as seconds.
#[must_use]
pub fn seconds(micros: i64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "seconds for JSON readers")]
    let seconds = micros as f64 / 1e6;
    seconds
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
        "start": time_json(session.start), "end": time_json(session.end), "open": session.open,
        "seconds": seconds(session.duration), "requests": session.requests, "turns": session.turns,
        "errors": session.errors, "usage_missing_requests": session.usage_missing,
        "unpriced_requests": session.unpriced, "tool_calls": session.tool_calls,
        "tokens": tokens_json(&session.tokens), "cost": amounts_json(&session.costs),
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
        "id": row.id.to_string(), "request_id": request_id, "start": time_json(row.start),
        "seconds": row.duration.map(seconds), "first_token_seconds": row.first_token.map(seconds),
        "gateway": attributes.gateway, "route": attributes.route, "provider": attributes.provider,
        "model": attributes.model, "upstream": attributes.upstream, "mode": attributes.mode.label(),
        "consumer": attributes.consumer, "user": &*moment.name(row.user)?,
        "session": (!session.is_empty()).then_some(session), "session_derived": derived, "status": row.status,
        "outcome": outcome, "counted": row.counted, "tokens": tokens_json(&row.tokens),
        "cost": row.cost.map(|cost| money_json(cost.currency, cost.nanos.into())), "unpriced": row.unpriced,
        "usage_missing": row.usage_missing, "assumed": row.assumed.names().collect::<Vec<_>>(),
        "anomalies": row.anomalies.iter().map(|anomaly| anomaly.label()).collect::<Vec<_>>(),
        "tools": moment.tools(row.tools)?, "chat_round": row.chat_round, "dimensions": dimensions,
    }))
}
