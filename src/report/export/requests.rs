//! One record for each request, in the order of the log.

use std::io::Write;
use std::ops::ControlFlow;

use serde_json::json;

use super::{Datum, Error, Format, Table};
use crate::ledger::{self, Moment, RequestFilter, Stored};
use crate::record::{Anomaly, Attributes};
use crate::report::usage;
use crate::wording::hex;

/// The columns, each with what it holds. One column more for each dimension, as `dimension.NAME`.
pub const REQUEST_COLUMNS: [(&str, &str); 35] = [
    ("id", "position in the ledger, from 1 in log order"),
    ("start", "start, RFC 3339 in UTC"),
    ("seconds", "start to end"),
    ("first_token_seconds", "start to first token"),
    ("gateway", "name of the gateway"),
    ("route", "route"),
    ("provider", "provider, after aliases"),
    ("model", "model"),
    ("upstream", "upstream account or cluster"),
    ("mode", "`stream` or `normal`"),
    ("consumer", "consumer"),
    ("user", "pseudonym of the user"),
    ("session", "the session's id"),
    ("session_derived", "whether the log named none and it was found by comparing requests"),
    ("status", "HTTP status"),
    ("outcome", "`success`, or why it failed"),
    ("input_tokens", "input, cache included"),
    ("cache_read_tokens", "input from the cache"),
    ("cache_write_tokens", "input written to the cache"),
    ("output_tokens", "output, reasoning included"),
    ("reasoning_tokens", "output spent on reasoning"),
    ("currency", "currency of the cost"),
    ("cost", "cost; empty where it is unpriced or nothing was counted"),
    ("cache_savings", "what cache reads saved, in the same currency"),
    ("unpriced", "whether no price row fits"),
    ("usage_missing", "whether usage should have been logged and was not"),
    ("assumed", "what its price assumes"),
    ("anomalies", "what was odd about its line"),
    ("tools", "tools called, in order"),
    ("chat_round", "number of user messages"),
    ("request_id", "the gateway's id of it"),
    ("trace_id", "the gateway's trace id"),
    ("price_row", "id of the price row in force"),
    ("logged_currency", "currency of a cost that the gateway logged"),
    ("logged_cost", "a cost that the gateway logged"),
];

/// Rows of the log that are looked at in one moment.
const STEP_ROWS: i64 = if cfg!(test) { 1_000 } else { 32_768 };

/// Names of the dimensions of a ledger, in order.
fn dimension_names(moment: &Moment) -> Result<Vec<String>, ledger::Error> {
    usage::dimensions(moment)
}

/// Values of dimensions.
fn of_dimensions<'a>(names: &'a [String], attributes: &'a Attributes) -> impl Iterator<Item = Datum> + 'a {
    names.iter().map(|name| {
        let found = attributes.dimensions.iter().find(|(known, _)| known == name);
        found.map_or(Datum::Null, |(_, value)| Datum::text(value))
    })
}

/// Writes every request that fits, oldest in the log first. `progress` is told how many there were so far and may end it.
///
/// What is exported ends with the last row of the moment that is given. It is read in steps, each at a moment of its own, so that
/// whoever reads slowly does not make the write-ahead log grow. A request that is removed before its step is left out, and one
/// that is priced anew before it has its new cost.
///
/// # Errors
/// The ledger cannot be read, or the bytes cannot be written.
pub fn requests<W: Write>(
    moment: &mut Moment,
    filter: &RequestFilter,
    format: Format,
    out: W,
    mut progress: impl FnMut(u64) -> ControlFlow<()>,
) -> Result<u64, Error> {
    let dimensions = dimension_names(moment)?;
    let columns = REQUEST_COLUMNS.iter().map(|(name, _)| (*name).to_owned());
    let columns = columns.chain(dimensions.iter().map(|name| format!("dimension.{name}"))).collect();
    let mut table = Table::begin(out, format, columns)?;
    let (last, mut after, mut is_ended) = (moment.last_row(), 0, false);
    while after < last && !is_ended {
        // The rows of a session are found by its name, not one after the other.
        let to = if filter.sessions.is_empty() { last.min(after + STEP_ROWS) } else { last };
        let step = &*moment;
        step.each_request_of(filter, after..to, |stored| -> Result<ControlFlow<()>, Error> {
            table.row(record(step, stored, &dimensions)?)?;
            let next = progress(table.rows);
            is_ended = next.is_break();
            Ok(next)
        })?;
        after = to;
        moment.renew()?;
    }
    Ok(table.finish()?)
}

/// A list in one cell.
fn list(names: Vec<String>) -> Datum {
    if names.is_empty() { Datum::Null } else { Datum::Text(names.join(" ")) }
}

pub(super) fn record(moment: &Moment, stored: &Stored, dimensions: &[String]) -> Result<Vec<Datum>, ledger::Error> {
    let row = &stored.row;
    let attributes = moment.attributes(row.attributes)?;
    let (session, derived) = if row.session == 0 { Default::default() } else { moment.session_name(row.session)? };
    let tools = moment.tools(row.tools)?;
    let optional = |value: Option<i64>| value.map_or(Datum::Null, Datum::Seconds);
    let some = |number: u64| if number == 0 { Datum::Null } else { Datum::Count(number) };
    let tokens = |count: u64| if row.counted { Datum::Count(count) } else { Datum::Null };
    let anomalies = Anomaly::ALL.iter().filter(|anomaly| row.anomalies.contains(**anomaly));
    let mut record = vec![
        Datum::Count(row.id.unsigned_abs()),
        Datum::time(row.start),
        optional(row.duration),
        optional(row.first_token),
        Datum::text(&attributes.gateway),
        Datum::text(&attributes.route),
        Datum::text(&attributes.provider),
        Datum::text(&attributes.model),
        Datum::text(&attributes.upstream),
        Datum::text(attributes.mode.label()),
        Datum::text(&attributes.consumer),
        Datum::text(&moment.name(row.user)?),
        Datum::text(&session),
        if row.session == 0 { Datum::Null } else { Datum::Bool(derived) },
        some(row.status.into()),
        Datum::Text(row.outcome.error().map_or("success", |reason| reason.label()).to_owned()),
        tokens(row.tokens.input()),
        tokens(row.tokens.cache_read),
        tokens(row.tokens.cache_write()),
        tokens(row.tokens.output()),
        tokens(row.tokens.reasoning),
        row.cost.map_or(Datum::Null, |cost| Datum::Text(cost.currency.to_string())),
        row.cost.map_or(Datum::Null, |cost| Datum::Decimal(cost.nanos.into())),
        row.cost.map_or(Datum::Null, |_| Datum::Decimal(row.savings_nanos.into())),
        Datum::Bool(row.unpriced),
        Datum::Bool(row.usage_missing),
        list(row.assumed.names().map(str::to_owned).collect()),
        list(anomalies.map(|anomaly| anomaly.label().to_owned()).collect()),
        if tools.is_empty() { Datum::Null } else { Datum::Json(json!(tools)) },
        some(row.chat_round.into()),
        Datum::text(&stored.request_id),
        row.trace_id.map_or(Datum::Null, |id| Datum::Text(hex(&id))),
        some(row.price_row.into()),
        row.logged_cost.map_or(Datum::Null, |cost| Datum::Text(cost.currency.to_string())),
        row.logged_cost.map_or(Datum::Null, |cost| Datum::Decimal(cost.nanos.into())),
    ];
    record.extend(of_dimensions(dimensions, &attributes));
    Ok(record)
}
