//! One record for each session: the sums of all its parts.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::ops::ControlFlow;

use serde_json::{Value, json};

use super::{Datum, Error, Format, Table};
use crate::ledger::{self, Moment, RequestFilter};
use crate::record::money::format_nanos;
use crate::record::{Attributes, Currency, Micros, Tokens};
use crate::report::By;
use crate::session::{Key, Part};

/// The columns, each with what it holds.
pub const SESSION_COLUMNS: [(&str, &str); 27] = [
    ("session", "the session's id; `derived:…` where the log named none"),
    ("gateway", "name of the gateway"),
    ("derived", "whether it was found by comparing requests"),
    ("start", "first start, RFC 3339 in UTC"),
    ("end", "last end, RFC 3339 in UTC"),
    ("seconds", "sum of its parts' durations: idle time between two parts is no use"),
    ("parts", "number of parts"),
    ("open", "whether its last part is not closed"),
    ("turns", "turns"),
    ("requests", "requests"),
    ("errors", "requests that failed"),
    ("tool_calls", "tools called"),
    ("input_tokens", "input, cache included"),
    ("cache_read_tokens", "input from the cache"),
    ("cache_write_tokens", "input written to the cache"),
    ("output_tokens", "output, reasoning included"),
    ("reasoning_tokens", "output spent on reasoning"),
    ("usage_missing_requests", "requests whose usage should have been logged and was not"),
    ("unpriced_requests", "requests that no price row fits"),
    ("currency", "currency of the cost; empty where there are none or several"),
    ("cost", "cost in that currency"),
    ("costs", "cost by currency as JSON"),
    ("user", "pseudonym of the first user"),
    ("mixed_users", "whether there were other users too"),
    ("consumers", "consumers as JSON"),
    ("models", "models as JSON"),
    ("dimensions", "dimensions as JSON: name to values"),
];

/// Sessions that are read in one moment.
const STEP_SESSIONS: usize = if cfg!(test) { 10 } else { 1_000 };

/// A session so far.
#[derive(Default)]
struct Session {
    parts: u64,
    start: Micros,
    end: Micros,
    duration: Micros,
    last: Option<Part>,
    last_row: i64,
    turns: u64,
    requests: u64,
    errors: u64,
    tool_calls: u64,
    usage_missing: u64,
    unpriced: u64,
    tokens: Tokens,
    costs: BTreeMap<Currency, i128>,
    user: u32,
    mixed_users: bool,
    attributes: BTreeSet<u32>,
    /// Whether some part has time within what was asked for, and one of the wanted users.
    is_within: bool,
    is_of_user: bool,
}

impl Session {
    fn add(&mut self, part: &Part, filter: &RequestFilter, users: Option<&[u32]>) {
        let is_first = self.parts == 0;
        self.parts += 1;
        self.start = if is_first { part.start } else { self.start.min(part.start) };
        self.end = if is_first { part.end } else { self.end.max(part.end) };
        self.duration = self.duration.saturating_add(part.duration());
        self.last_row = self.last_row.max(part.last_row);
        self.turns += part.turns;
        self.requests += part.requests;
        self.errors += part.errors;
        self.tool_calls += part.tool_calls;
        self.usage_missing += part.usage_missing;
        self.unpriced += part.unpriced;
        self.tokens.add(&part.tokens);
        for (currency, nanos) in &part.costs.0 {
            *self.costs.entry(*currency).or_default() += nanos;
        }
        if part.user != 0 {
            self.mixed_users |= self.user != 0 && self.user != part.user;
            self.user = if self.user == 0 { part.user } else { self.user };
        }
        self.mixed_users |= part.mixed_users;
        self.attributes.extend(part.attributes.iter().copied().chain([part.first_attributes]));
        self.is_within |=
            filter.until.is_none_or(|until| part.start < until) && filter.since.is_none_or(|since| part.end >= since);
        self.is_of_user |= users.is_none_or(|users| users.contains(&part.user));
        if self.last.as_ref().is_none_or(|last| last.start <= part.start) {
            self.last = Some(part.clone());
        }
    }
}

/// Whether attributes fit a filter's names.
fn fits(filter: &RequestFilter, attributes: &Attributes) -> bool {
    let any = |wanted: &[String], value: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == value);
    let names: BTreeSet<&str> = filter.dimensions.iter().map(|(name, _)| name.as_str()).collect();
    any(&filter.gateways, &attributes.gateway)
        && any(&filter.routes, &attributes.route)
        && any(&filter.providers, &attributes.provider)
        && any(&filter.models, &attributes.model)
        && any(&filter.upstreams, &attributes.upstream)
        && any(&filter.consumers, &attributes.consumer)
        && (filter.modes.is_empty() || filter.modes.contains(&attributes.mode))
        && names.into_iter().all(|name| {
            let by = By::Dimension(name.to_owned());
            let value = by.of_attributes(attributes);
            filter.dimensions.iter().any(|(known, wanted)| known == name && wanted == value)
        })
}

/// Writes every session that has time within the filter's and a request that fits its names and users; what only single
/// requests know (status, error, tokens, cost) is not looked at. `progress` is told how many there were so far and may end
/// it.
///
/// Which sessions are exported is told by the moment that is given. They are read in steps, each at a moment of its own, so that
/// whoever reads slowly does not make the write-ahead log grow. A session is written as it is at its step, and left out if
/// retention has removed it by then.
///
/// # Errors
/// The ledger cannot be read, or the bytes cannot be written.
pub fn sessions<W: Write>(
    moment: &mut Moment,
    filter: &RequestFilter,
    format: Format,
    out: W,
    mut progress: impl FnMut(u64) -> ControlFlow<()>,
) -> Result<u64, Error> {
    let mut table = Table::begin(out, format, SESSION_COLUMNS.iter().map(|(name, _)| (*name).to_owned()).collect())?;
    let mut keys: Vec<Key> = Vec::new();
    let (since, until) = (filter.since.unwrap_or(i64::MIN), filter.until.unwrap_or(i64::MAX));
    moment.each_part(since, until, |part| -> Result<(), Error> {
        if keys.last() != Some(&part.key) {
            keys.push(part.key);
        }
        Ok(())
    })?;
    let users = wanted_users(moment, filter)?;
    let mut is_ended = false;
    for keys in keys.chunks(STEP_SESSIONS) {
        let step = &*moment;
        step.each_session(keys, |key, parts| -> Result<(), Error> {
            let mut session = Session::default();
            parts.iter().for_each(|part| session.add(part, filter, users.as_deref()));
            if !is_ended
                && session.is_within
                && session.is_of_user
                && let Some(record) = record(step, filter, key, &session)?
            {
                table.row(record)?;
                is_ended = progress(table.rows).is_break();
            }
            Ok(())
        })?;
        if is_ended {
            break;
        }
        moment.renew()?;
    }
    Ok(table.finish()?)
}

/// Ids of the filter's users; `None` where it has none.
fn wanted_users(moment: &Moment, filter: &RequestFilter) -> Result<Option<Vec<u32>>, ledger::Error> {
    if filter.users.is_empty() {
        return Ok(None);
    }
    filter.users.iter().filter_map(|user| moment.user(user).transpose()).collect::<Result<_, _>>().map(Some)
}

/// Calls `found` with the last row and the record of every session that fits, one after the other.
pub(super) fn each_session(
    moment: &Moment,
    filter: &RequestFilter,
    mut found: impl FnMut(i64, Vec<Datum>) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut open: Option<(Key, Session)> = None;
    let users = wanted_users(moment, filter)?;
    let mut write = |key: Key, session: &Session| -> Result<(), Error> {
        if session.is_within
            && session.is_of_user
            && let Some(record) = record(moment, filter, key, session)?
        {
            found(session.last_row, record)?;
        }
        Ok(())
    };
    moment.each_part(i64::MIN, i64::MAX, |part| -> Result<(), Error> {
        if let Some((key, session)) = open.take_if(|(key, _)| *key != part.key) {
            write(key, &session)?;
        }
        let (_, session) = open.get_or_insert_with(|| (part.key, Session::default()));
        session.add(part, filter, users.as_deref());
        Ok(())
    })?;
    if let Some((key, session)) = open {
        write(key, &session)?;
    }
    Ok(())
}

fn record(
    moment: &Moment,
    filter: &RequestFilter,
    key: Key,
    session: &Session,
) -> Result<Option<Vec<Datum>>, ledger::Error> {
    let (mut consumers, mut models) = (BTreeSet::new(), BTreeSet::new());
    let mut dimensions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut is_wanted = false;
    for id in &session.attributes {
        let attributes = moment.attributes(*id)?;
        is_wanted |= fits(filter, &attributes);
        consumers.extend((!attributes.consumer.is_empty()).then(|| attributes.consumer.clone()));
        models.extend((!attributes.model.is_empty()).then(|| attributes.model.clone()));
        for (name, value) in &attributes.dimensions {
            dimensions.entry(name.clone()).or_default().insert(value.clone());
        }
    }
    if !is_wanted {
        return Ok(None);
    }
    let (name, derived) = moment.session_name(key.session)?;
    let only = session.costs.iter().next().filter(|_| session.costs.len() == 1);
    let costs: BTreeMap<String, Value> =
        session.costs.iter().map(|(currency, nanos)| (currency.to_string(), format_nanos(*nanos).into())).collect();
    let list = |values: &BTreeSet<String>| if values.is_empty() { Datum::Null } else { Datum::Json(json!(values)) };
    Ok(Some(vec![
        Datum::text(&name),
        Datum::text(&moment.name(key.gateway)?),
        Datum::Bool(derived),
        Datum::time(session.start),
        Datum::time(session.end),
        Datum::Seconds(session.duration),
        Datum::Count(session.parts),
        Datum::Bool(session.last.as_ref().is_some_and(|part| part.closed.is_none())),
        Datum::Count(session.turns),
        Datum::Count(session.requests),
        Datum::Count(session.errors),
        Datum::Count(session.tool_calls),
        Datum::Count(session.tokens.input()),
        Datum::Count(session.tokens.cache_read),
        Datum::Count(session.tokens.cache_write()),
        Datum::Count(session.tokens.output()),
        Datum::Count(session.tokens.reasoning),
        Datum::Count(session.usage_missing),
        Datum::Count(session.unpriced),
        only.map_or(Datum::Null, |(currency, _)| Datum::Text(currency.to_string())),
        only.map_or(Datum::Null, |(_, nanos)| Datum::Decimal(*nanos)),
        if costs.is_empty() { Datum::Null } else { Datum::Json(json!(costs)) },
        Datum::text(&moment.name(session.user)?),
        Datum::Bool(session.mixed_users),
        list(&consumers),
        list(&models),
        if dimensions.is_empty() { Datum::Null } else { Datum::Json(json!(dimensions)) },
    ]))
}
