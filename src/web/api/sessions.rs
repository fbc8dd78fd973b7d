//! Sessions: a list of them, and one turn by turn.

use serde_json::{Value, json};

use super::asked::Asked;
use super::endpoint::Endpoint;
use super::filter::{LIST, PERIOD, USUAL};
use super::parameter::{Kind, Parameter};
use super::problem::Problem;
use super::requests;
use super::shape;
use crate::ledger::{Filter, Session, SessionQuery, Sort};
use crate::report::turns::{Turn, turns};
use crate::wording::{listed, quoted};

pub(super) static ENDPOINTS: &[Endpoint] = &[
    Endpoint::get(
        "/api/v1/sessions",
        "sessions by time, cost, tokens, turns or duration",
        &[FILTERS, PERIOD, LIST],
        "Sessions",
        list,
    ),
    Endpoint::get("/api/v1/sessions/{*id}", "one session turn by turn", &[ONE], "SessionTurns", show),
];

const FILTERS: &[Parameter] = &[
    Parameter::new("gateway", Kind::Text, "of this gateway"),
    Parameter::new("consumer", Kind::Text, "with a request of this consumer"),
    Parameter::new("model", Kind::Text, "with a request to this model"),
    Parameter::new("user", Kind::Text, "of this user: the id as the log has it, or the pseudonym"),
    Parameter::new("dimension", Kind::Dimensions, "with a request that has this value of a dimension"),
    Parameter::new("min_cost", Kind::Amount, "that cost so much or more"),
    Parameter::new(
        "currency",
        Kind::Currency,
        "of min_cost and of sort=cost; default: the one in which most requests are priced",
    ),
    Parameter::new("sort", Kind::Choice(orders), "what comes first, the largest; default: updated"),
];

const ONE: &[Parameter] = &[
    Parameter::new("gateway", Kind::Text, "the gateway, where several have a session of that id"),
    Parameter::new("limit", Kind::Count(1, 1_000), "how many turns are shown at most, the last ones; default: 50"),
    Parameter::new("cursor", Kind::Cursor, "the `next` of the page before, which shows the turns before these"),
];

fn orders() -> Vec<&'static str> {
    Sort::ALL.iter().map(|sort| sort.label()).collect()
}

fn list(asked: &Asked<'_>) -> Result<Value, Problem> {
    let period = asked.period()?;
    let query = SessionQuery::new(asked.open()?);
    let mut filter = Filter {
        since: period.since,
        until: period.until,
        gateway: asked.text("gateway").map(str::to_owned),
        consumer: asked.consumers().pop(),
        model: asked.text("model").map(str::to_owned),
        currency: asked.currency("currency"),
        min_cost: asked.amount("min_cost"),
        dimensions: asked
            .dimensions()
            .iter()
            .flat_map(|(name, values)| values.iter().map(|value| (name.clone(), value.clone())))
            .collect(),
        ..Filter::default()
    };
    for user in asked.users() {
        if filter.user.is_none() || query.knows_user(&user)? {
            filter.user = Some(user);
        }
    }
    let sort = Sort::ALL.into_iter().find(|sort| Some(sort.label()) == asked.text("sort")).unwrap_or_default();
    let found = query.list(&filter, sort, asked.limit(USUAL))?;
    let sessions: Vec<Value> = found.sessions.iter().map(|session| described(asked, session)).collect();
    let says = json!({"sessions": sessions, "found": found.found, "next": Value::Null});
    Ok(shape::answer_of(asked, period, says))
}

/// A session with its addresses.
fn described(asked: &Asked<'_>, session: &Session) -> Value {
    let mut value = shape::session(session);
    if let Some(map) = value.as_object_mut() {
        map.insert("url".to_owned(), json!(asked.session_page(&session.name, &session.gateway)));
    }
    value
}

fn show(asked: &Asked<'_>) -> Result<Value, Problem> {
    let query = SessionQuery::new(asked.open()?);
    let id = asked.rest.as_str();
    let mut found = query.find(&asked.session_names(id), asked.text("gateway"))?;
    let mut gateways: Vec<&str> = found.iter().map(|session| session.gateway.as_str()).collect();
    gateways.dedup();
    if gateways.len() > 1 {
        let message =
            format!("several gateways have a session {}: {}; say which by `gateway`", quoted(id), listed(gateways));
        return Err(Problem::bad(message));
    }
    if found.is_empty() {
        let near = query.nearest(id)?.filter(|name| name != id);
        let near = near.map_or_else(String::new, |name| format!("; did you mean {}?", quoted(&name)));
        return Err(Problem::not_found(format!("there is no session {}{near}", quoted(id))));
    }
    let session = found.swap_remove(0);
    let moment = query.moment();
    let page = turns(moment, &session, shape::place(asked)?, asked.limit(USUAL))?;
    let told = |turn: &Turn| -> Result<Value, Problem> {
        Ok(json!({
            "number": turn.number, "part": turn.part, "request": requests::described(asked, moment, &turn.stored)?,
            "cost_so_far": shape::costs(&turn.costs), "tokens_so_far": shape::tokens(&turn.tokens),
        }))
    };
    let trace = page.turns.last().map(|turn| requests::trace(asked, moment, &turn.stored)).transpose()?.flatten();
    let mut session = described(asked, &session);
    if let Some(map) = session.as_object_mut() {
        map.insert("trace_url".to_owned(), json!(trace.as_deref().and_then(|trace| asked.trace_page(trace))));
        map.insert("trace_id".to_owned(), json!(trace));
    }
    let next = page.next.and_then(|place| serde_json::to_value(place).ok()).map(|place| shape::cursor(&place));
    let turns: Vec<Value> = page.turns.iter().map(told).collect::<Result<_, _>>()?;
    let says = json!({
        "session": session, "turns": turns, "more": next.is_some(), "next": next, "removed": page.removed,
    });
    Ok(shape::answer(asked, says))
}
