//! Sessions: a list of them, and one turn by turn.

use serde_json::{Value, json};

use super::asked::Asked;
use super::conversations;
use super::endpoint::Endpoint;
use super::filter::{LIST, PERIOD, USUAL};
use super::parameter::{Kind, Parameter};
use super::problem::Problem;
use super::requests;
use super::shape;
use crate::ledger::{PageEnd, Session, SessionFilter, SessionList, SessionQuery, Sort};
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
    Parameter::new("q", Kind::Text, "whose id begins so"),
    Parameter::new("gateway", Kind::Texts, "of these gateways"),
    Parameter::new("route", Kind::Texts, "with a request on these routes"),
    Parameter::new("provider", Kind::Texts, "with a request to these providers"),
    Parameter::new("model", Kind::Texts, "with a request to these models"),
    Parameter::new("upstream", Kind::Texts, "with a request to these upstream accounts or clusters"),
    Parameter::new("mode", Kind::Choices(super::filter::modes), "with a request of these modes"),
    Parameter::new("consumer", Kind::Texts, "with a request of these consumers"),
    Parameter::new("user", Kind::Texts, "of these users: ids as the log has them, or pseudonyms"),
    Parameter::new("session", Kind::Texts, "of these ids"),
    Parameter::new("dimension", Kind::Dimensions, "with a request that has these values of a dimension"),
    Parameter::new("min_turns", Kind::Count(0, super::filter::MOST_COUNT), "with so many turns or more"),
    Parameter::new("min_seconds", Kind::Count(0, 1_000_000_000), "that lasted so long or longer"),
    Parameter::new("min_tokens", Kind::Count(0, super::filter::MOST_COUNT), "with so many tokens or more"),
    Parameter::new("min_cost", Kind::Amount, "that cost so much or more, in `currency`"),
    super::filter::CURRENCY,
    Parameter::new("errors", Kind::Flag, "only those with a failed request"),
    Parameter::new("open", Kind::Flag, "only those that go on"),
    Parameter::new("sort", Kind::Choice(sorts), "what comes first; default: updated"),
    requests::ORDER,
];

const ONE: &[Parameter] = &[
    Parameter::new("gateway", Kind::Text, "the gateway, where several have a session of that id"),
    Parameter::new("limit", Kind::Count(1, 1_000), "how many turns are shown at most, the last ones; default: 50"),
    Parameter::new("cursor", Kind::Cursor, "the `next` of the page before, which shows the turns before these"),
];

fn sorts() -> Vec<&'static str> {
    Sort::ALL.iter().map(|sort| sort.label()).collect()
}

fn list(asked: &Asked<'_>) -> Result<Value, Problem> {
    let period = asked.period()?;
    let moment = asked.open()?;
    let mut requests = asked.requests(&moment, period)?;
    let (min_cost, min_tokens) = (requests.min_cost.take(), requests.min_tokens.take());
    let list = SessionList {
        filter: SessionFilter {
            requests,
            prefix: asked.text("q").filter(|text| !text.is_empty()).map(str::to_owned),
            min_turns: asked.count("min_turns"),
            min_duration: asked.count("min_seconds").and_then(|seconds| i64::try_from(seconds * 1_000_000).ok()),
            min_tokens,
            min_cost,
            errors: asked.flag("errors"),
            open: asked.flag("open"),
            currency: asked.currency("currency"),
            counted: false,
        },
        sort: Sort::ALL.into_iter().find(|sort| Some(sort.label()) == asked.text("sort")).unwrap_or_default(),
        order: requests::order(asked),
        limit: asked.limit(USUAL),
        after: asked.text("cursor").map(PageEnd::decode).transpose()?,
    };
    let page = SessionQuery::at(moment).page(&list)?;
    let sessions: Vec<Value> = page.sessions.iter().map(|session| described(asked, session)).collect();
    let says = json!({"sessions": sessions, "found": page.found, "next": page.next.map(PageEnd::encode)});
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
    let query = SessionQuery::at(asked.open()?);
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
    let content = content(asked, &session)?;
    let mut session = described(asked, &session);
    if let Some(map) = session.as_object_mut() {
        map.insert("trace_url".to_owned(), json!(trace.as_deref().and_then(|trace| asked.trace_page(trace))));
        map.insert("trace_id".to_owned(), json!(trace));
    }
    let next = page.next.and_then(|place| serde_json::to_value(place).ok()).map(|place| shape::cursor(&place));
    let turns: Vec<Value> = page.turns.iter().map(told).collect::<Result<_, _>>()?;
    let says = json!({
        "session": session, "turns": turns, "more": next.is_some(), "next": next, "removed": page.removed,
        "content_url": content,
    });
    Ok(shape::answer(asked, says))
}

/// Where administrators find what was said in a session; `None` where nothing was ever captured.
///
/// # Errors
/// Content cannot be read.
fn content(asked: &Asked<'_>, session: &Session) -> Result<Option<String>, Problem> {
    let list = |name: &str| shape::encoded(&name.replace('\\', "\\\\").replace(',', "\\,"));
    let address = || {
        let (session, gateway) = (list(&session.name), list(&session.gateway));
        format!("{}/api/v1/conversations?session={session}&gateway={gateway}", asked.caller.base)
    };
    Ok(conversations::reader(asked, Some(asked.deadline.clone()))?.map(|_| address()))
}
