//! Requests and sessions in JSON: one shape for commands and the API. Figures are written by [`super::document`].

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::conversations::{Line, Told};
use super::document::{amounts_json, money_json, time_json, tokens_json};
use crate::content::{Exchange, Message};
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

/// A captured conversation without its text.
#[must_use]
pub fn conversation(line: &Line) -> Value {
    let (known, attributes) = (&line.conversation, &line.attributes);
    let dimensions: Map<String, Value> =
        attributes.dimensions.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect();
    let snippet = line.snippet.iter().map(|piece| json!({"text": piece.text, "match": piece.is_match}));
    json!({
        "id": known.row.to_string(), "start": time_json(known.start), "gateway": attributes.gateway,
        "route": attributes.route, "provider": attributes.provider, "model": attributes.model,
        "consumer": attributes.consumer, "user": &*line.user,
        "session": (!line.session.is_empty()).then_some(&line.session), "session_derived": line.is_derived,
        "dimensions": dimensions, "messages": known.messages, "earlier": known.earlier,
        "previous": known.previous.map(|row| row.to_string()), "logged_bytes": known.logged_bytes,
        "stored_bytes": known.stored_bytes, "cut": known.is_cut, "redactions": known.redactions,
        "erased": known.is_erased, "snippet": snippet.collect::<Vec<_>>(),
    })
}

/// A captured conversation with its text: `conversation`, `messages`, `answer`.
#[must_use]
pub fn told(told: &Told) -> Value {
    let mut value = exchange(&told.exchange);
    if let Some(map) = value.as_object_mut() {
        map.insert("conversation".to_owned(), conversation(&told.line));
    }
    value
}

/// What was said in one conversation.
#[must_use]
pub fn exchange(exchange: &Exchange) -> Value {
    json!({
        "messages": exchange.messages.iter().map(message).collect::<Vec<_>>(),
        "answer": exchange.answer.as_ref().map(message),
    })
}

fn message(message: &Message) -> Value {
    let calls =
        message.tool_calls.iter().map(|call| json!({"id": call.id, "name": call.name, "arguments": call.arguments}));
    json!({
        "role": message.role, "text": message.text, "reasoning": message.reasoning,
        "tool_calls": calls.collect::<Vec<_>>(), "tool_call_id": message.tool_call_id, "cut": message.is_cut,
    })
}
