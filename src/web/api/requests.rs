//! Requests: a list of them, one with its price arithmetic, and deletion of old ones.

use serde_json::{Value, json};

use super::asked::Asked;
use super::conversations;
use super::endpoint::Endpoint;
use super::filter::{LIST, PERIOD, REQUESTS, USUAL};
use super::parameter::{Kind, Parameter};
use super::problem::Problem;
use super::shape;
use crate::ledger::{Moment, Order, PageEnd, RequestList, RequestSort, Stored};
use crate::pricing::{self, Request, Row, explain_by};
use crate::report::conversations::of_rows;
use crate::session::Name;
use crate::session::id::DerivedId;
use crate::wording::{hex, quoted};

pub(super) static ENDPOINTS: &[Endpoint] = &[
    Endpoint::get(
        "/api/v1/requests",
        "requests, filtered and ordered",
        &[REQUESTS, PERIOD, SORT, LIST],
        "Requests",
        list,
    ),
    Endpoint::get("/api/v1/requests/{id}", "one request with the arithmetic of its cost", &[], "RequestDetail", show),
    Endpoint::post("/api/v1/requests/delete", "deletes requests that start before a moment", BEFORE, "Deleted", delete),
];

const BEFORE: &[Parameter] = &[Parameter::required("before", Kind::Time, "a time, a date, or an age such as 90d")];

const SORT: &[Parameter] = &[Parameter::new("sort", Kind::Choice(sorts), "what comes first; default: start"), ORDER];

/// The largest or the smallest first.
pub(super) const ORDER: Parameter =
    Parameter::new("order", Kind::Choice(orders), "the largest first (desc, the default) or the smallest (asc)");

fn sorts() -> Vec<&'static str> {
    vec!["start", "duration", "first_token", "tokens", "cost"]
}

fn orders() -> Vec<&'static str> {
    vec!["desc", "asc"]
}

/// What `order` says.
pub(super) fn order(asked: &Asked<'_>) -> Order {
    if asked.text("order") == Some("asc") { Order::Ascending } else { Order::Descending }
}

fn sort(asked: &Asked<'_>, moment: &Moment) -> Result<RequestSort, Problem> {
    Ok(match asked.text("sort") {
        Some("duration") => RequestSort::Duration,
        Some("first_token") => RequestSort::FirstToken,
        Some("tokens") => RequestSort::Tokens,
        // Without a cost anywhere there is no order but that of the log.
        Some("cost") => asked.currency_of_amounts(moment)?.map_or(RequestSort::Start, RequestSort::Cost),
        _ => RequestSort::Start,
    })
}

fn list(asked: &Asked<'_>) -> Result<Value, Problem> {
    let period = asked.period()?;
    let moment = asked.open()?;
    let page = moment.requests(&RequestList {
        filter: asked.requests(&moment, period)?,
        sort: sort(asked, &moment)?,
        order: order(asked),
        limit: asked.limit(USUAL),
        after: asked.text("cursor").map(PageEnd::decode).transpose()?,
    })?;
    let requests: Vec<Value> =
        page.requests.iter().map(|stored| described(asked, &moment, stored)).collect::<Result<_, _>>()?;
    Ok(shape::answer_of(asked, period, json!({"requests": requests, "next": page.next.map(PageEnd::encode)})))
}

/// A request with its addresses.
///
/// # Errors
/// The ledger cannot be read.
pub(super) fn described(asked: &Asked<'_>, moment: &Moment, stored: &Stored) -> Result<Value, Problem> {
    let mut value = shape::request(moment, stored)?;
    let id = stored.row.id.to_string();
    let text = |key: &str| value.get(key).and_then(Value::as_str);
    let session = text("session").map(|session| asked.session_page(session, text("gateway").unwrap_or_default()));
    if let Some(map) = value.as_object_mut() {
        map.insert("url".to_owned(), json!(asked.page("/requests/", &id)));
        map.insert("session_url".to_owned(), json!(session));
    }
    Ok(value)
}

fn show(asked: &Asked<'_>) -> Result<Value, Problem> {
    let moment = asked.open()?;
    let id = super::parameter::count(&asked.rest).and_then(|id| i64::try_from(id).ok());
    let stored = id.map(|id| moment.request(id)).transpose()?.flatten();
    let Some(stored) = stored else {
        let message = format!(
            "there is no request {}; those that retention or somebody has deleted are gone",
            quoted(&asked.rest)
        );
        return Err(Problem::not_found(message));
    };
    let row = &stored.row;
    let attributes = moment.attributes(row.attributes)?;
    let price_row = moment.price_row(row.price_row)?.and_then(|text| Row::from_json(&text).ok());
    let explained = price_row.as_ref().map(|price_row| {
        let request = Request {
            start: row.start,
            service_tier: attributes.service_tier,
            tokens: row.tokens,
            cache_ttl_known: row.cache_ttl_known,
        };
        explain_by(price_row, &attributes.provider, &attributes.model, &request)
    });
    let cost = row.cost.map(|cost| shape::money(cost.currency, cost.nanos.into()));
    let mut arithmetic: Vec<String> =
        explained.iter().flat_map(|told| told.to_string().lines().map(str::to_owned).collect::<Vec<_>>()).collect();
    let computed = explained.as_ref().and_then(|told| told.cost.clone());
    let counts = row.cost.map(|cost| crate::record::money::format_nanos(cost.nanos.into()));
    match (row.unpriced, &counts) {
        (true, _) => arithmetic.push("no price row fits this model: its cost is not known".to_owned()),
        (false, Some(counts)) if computed.as_ref() != Some(counts) => {
            arithmetic.push(format!("the cost that counts is the one that the gateway logged: {counts}"));
        }
        _ => {}
    }
    let kinds: Vec<Value> = explained
        .iter()
        .flat_map(|told| &told.lines)
        .map(|pricing::Line { kind, tokens, price, from, amount }| {
            json!({"kind": kind, "tokens": tokens, "price_per_million": price, "from": from, "amount": amount})
        })
        .collect();
    let trace = trace(asked, &moment, &stored)?;
    let logged = row.logged_cost.map(|cost| shape::money(cost.currency, cost.nanos.into()));
    let says = json!({
        "request": described(asked, &moment, &stored)?, "cost": cost, "kinds": kinds, "price_row": price_row,
        "price_row_id": price_row.as_ref().map(Row::id), "arithmetic": arithmetic, "logged_cost": logged,
        "trace_id": trace, "trace_url": trace.as_deref().and_then(|trace| asked.trace_page(trace)),
        "content_url": content(asked, row.id)?,
    });
    Ok(shape::answer(asked, says))
}

/// Where administrators read what a request asked and was answered; `None` where it is not kept.
///
/// # Errors
/// Content cannot be read.
fn content(asked: &Asked<'_>, row: i64) -> Result<Option<String>, Problem> {
    let Some(reader) = conversations::reader(asked, Some(asked.deadline.clone()))? else { return Ok(None) };
    let is_kept = !of_rows(&reader, &[row])?.is_empty();
    Ok(is_kept.then(|| asked.page("/api/v1/conversations/", &row.to_string())))
}

fn delete(asked: &Asked<'_>) -> Result<Value, Problem> {
    asked.folder()?;
    let before = asked.moment("before").ok_or_else(Problem::internal)?;
    if before > asked.instance.now {
        return Err(Problem::bad("`before` lies in the future: that would delete requests which are still to come"));
    }
    let by = asked.caller.user.as_deref().unwrap_or("api");
    let (deleted, left) = asked.app.delete_before(before, by).map_err(Problem::unavailable)?;
    let says = json!({"before": shape::time(before), "deleted": deleted, "left": left});
    Ok(shape::answer(asked, says))
}

/// The trace that holds a request: the one that the first sink sends, else the gateway's own.
///
/// # Errors
/// The ledger cannot be read.
pub(super) fn trace(asked: &Asked<'_>, moment: &Moment, stored: &Stored) -> Result<Option<String>, Problem> {
    let row = &stored.row;
    let Some(grouping) = asked.instance.traces else { return Ok(row.trace_id.map(|id| hex(&id))) };
    let attributes = moment.attributes(row.attributes)?;
    let (text, derived) = moment.session_name(row.session)?;
    let digits = text.strip_prefix("derived:").filter(|_| derived);
    let name = match digits.and_then(|digits| u128::from_str_radix(digits, 16).ok()) {
        Some(id) => Some(Name::Derived(DerivedId(id.to_be_bytes()))),
        None if text.is_empty() => None,
        None => Some(Name::Logged(&text)),
    };
    Ok(Some(hex(&grouping.trace(&attributes.gateway, name, row).0)))
}
