//! A SQLite file with stable views for Metabase, Superset or Grafana's SQLite source, written on from where it stands.
//!
//! The ledger keeps a request as packed bytes, which no SQL can read; so these views are over a file of their own. An update
//! adds what is new, takes out what was deleted, writes all requests anew after a reprice, and leaves the file whole at every moment.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::path::Path;

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use serde_json::json;

use super::requests::record as request_record;
use super::sessions::each_session;
use super::{Datum, Error, REQUEST_COLUMNS, SESSION_COLUMNS};
use crate::ledger::{Facts, Measure, Measures, Moment, RequestFilter, SqlFile, SqlValue, Step, SumQuestion};
use crate::record::{Attributes, Currency, Micros};
use crate::session::usage::Period;

/// Version of the tables: a file of another one is written anew.
const VERSION: i64 = 1;

/// Columns of `v_usage_daily`, each with what it holds. Money is in units of its currency as REAL, and exactly in 10⁻⁹ as INTEGER.
pub const USAGE_COLUMNS: [(&str, &str); 27] = [
    ("day", "day of the time zone, `2026-11-20`"),
    ("gateway", "name of the gateway"),
    ("route", "route"),
    ("provider", "provider"),
    ("model", "model"),
    ("upstream", "upstream account or cluster"),
    ("mode", "`stream` or `normal`"),
    ("consumer", "consumer"),
    ("dimensions", "dimensions as JSON"),
    ("currency", "currency of the cost; empty for requests without one"),
    ("requests", "requests"),
    ("errors", "requests that failed"),
    ("input_tokens", "input, cache included"),
    ("cache_read_tokens", "input from the cache"),
    ("cache_write_tokens", "input written to the cache"),
    ("output_tokens", "output, reasoning included"),
    ("reasoning_tokens", "output spent on reasoning"),
    ("unpriced_requests", "requests that no price row fits"),
    ("unpriced_tokens", "their tokens"),
    ("usage_missing_requests", "requests whose usage should have been logged and was not"),
    ("assumed_requests", "requests whose price rests on an assumption"),
    ("seconds", "sum of the durations of successful requests"),
    ("measured_requests", "how many those are"),
    ("cost", "cost"),
    ("cost_nanos", "cost in 10⁻⁹"),
    ("cache_savings", "what cache reads saved"),
    ("assumed_cost", "cost that rests on an assumption"),
];

/// Columns of `v_outages`, each with what it holds.
pub const OUTAGE_COLUMNS: [(&str, &str); 8] = [
    ("target", "name of the target"),
    ("number", "counts its outages from 1"),
    ("start", "first failure, RFC 3339 in UTC"),
    ("end", "first of two successes; NULL while it lasts"),
    ("seconds", "start to end; NULL while it lasts"),
    ("reason", "why the first look failed"),
    ("failures", "failed looks"),
    ("end_unobserved", "whether it may have ended earlier"),
];

/// Columns that only the file has, besides those of the exports.
const REQUEST_EXTRA: [(&str, &str); 2] = [("cost_nanos", "cost in 10⁻⁹"), ("dimensions", "dimensions as JSON")];

/// The views and their columns, each with what it holds.
#[must_use]
pub fn views() -> Vec<(&'static str, Vec<(&'static str, &'static str)>)> {
    vec![
        ("v_requests", REQUEST_COLUMNS.into_iter().chain(REQUEST_EXTRA).collect()),
        ("v_sessions", SESSION_COLUMNS.to_vec()),
        ("v_usage_daily", USAGE_COLUMNS.to_vec()),
        ("v_outages", OUTAGE_COLUMNS.to_vec()),
    ]
}

/// The views and their columns as tables of Markdown, for the README.
#[must_use]
pub fn markdown() -> String {
    let mut text = String::new();
    for (view, columns) in views() {
        let _ = write!(text, "\n| column of `{view}` | holds |\n|---|---|\n");
        for (name, meaning) in columns {
            let _ = writeln!(text, "| `{name}` | {meaning} |");
        }
    }
    text + "\n"
}

fn schema() -> String {
    let keys = [
        ("v_requests", "id INTEGER PRIMARY KEY"),
        ("v_sessions", "PRIMARY KEY (session, gateway)"),
        ("v_outages", "PRIMARY KEY (target, number)"),
    ];
    let mut sql = "CREATE TABLE facts (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;\n".to_owned();
    for (view, columns) in views() {
        let table = view.trim_start_matches("v_");
        let key = keys.iter().find(|(name, _)| *name == view).map(|(_, key)| *key);
        let mut parts: Vec<String> = Vec::new();
        for (name, _) in &columns {
            let is_key = key.is_some_and(|key| key.starts_with(&format!("{name} ")));
            parts.push(if is_key { key.unwrap_or_default().to_owned() } else { format!("\"{name}\"") });
        }
        parts.extend(key.filter(|key| key.starts_with("PRIMARY")).map(str::to_owned));
        let list: Vec<String> = columns.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        let _ = writeln!(sql, "CREATE TABLE {table} ({});", parts.join(", "));
        let _ = writeln!(sql, "CREATE VIEW {view} AS SELECT {} FROM {table};", list.join(", "));
    }
    sql.push_str(
        "CREATE INDEX requests_by_start ON requests (start);\nCREATE INDEX usage_by_day ON usage_daily (day);\n",
    );
    sql
}

fn put(table: &str, columns: usize) -> String {
    format!("INSERT OR REPLACE INTO {table} VALUES ({})", vec!["?"; columns].join(","))
}

#[expect(clippy::cast_precision_loss, reason = "numbers for charts; exact money has a column of its own")]
fn value(datum: Datum) -> SqlValue {
    match datum {
        Datum::Null => SqlValue::Null,
        Datum::Text(text) => SqlValue::Text(text),
        Datum::Count(count) => SqlValue::Integer(i64::try_from(count).unwrap_or(i64::MAX)),
        Datum::Decimal(nanos) => SqlValue::Real(nanos as f64 / 1e9),
        Datum::Seconds(micros) => SqlValue::Real(micros as f64 / 1e6),
        Datum::Bool(value) => SqlValue::Integer(value.into()),
        Datum::Json(value) => SqlValue::Text(value.to_string()),
    }
}

fn dimensions(attributes: &Attributes) -> SqlValue {
    let pairs: BTreeMap<&str, &str> =
        attributes.dimensions.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    if pairs.is_empty() { SqlValue::Null } else { SqlValue::Text(json!(pairs).to_string()) }
}

/// What an update did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Updated {
    /// Requests that were written.
    pub requests: u64,
    /// Requests that were taken out.
    pub removed: u64,
    /// Sessions that were written.
    pub sessions: u64,
    /// Days whose sums were written.
    pub days: u64,
    /// Outages that were written.
    pub outages: u64,
}

/// Brings a file in step with the ledger. `progress` is told how many requests were written so far.
///
/// # Errors
/// The ledger cannot be read, or the file cannot be written: it is as it was.
pub fn update(
    moment: &Moment,
    facts: &Facts,
    zone: &TimeZone,
    path: &Path,
    mut progress: impl FnMut(u64),
) -> Result<Updated, Error> {
    let (file, _) = SqlFile::open(path, VERSION, &schema())?;
    let fact = |key: &str| file.number("SELECT value FROM facts WHERE key = ?1", &[SqlValue::Text(key.to_owned())]);
    let reprices = moment.adjustments()?.iter().filter(|adjusted| adjusted.kind == "reprice").count();
    let reprices = i64::try_from(reprices).unwrap_or(i64::MAX);
    let zone_is = |name: &str| SqlValue::Text(format!("zone:{name}"));
    let name = crate::report::document::zone_name(zone);
    let same_zone = file.number("SELECT value FROM facts WHERE key = ?1", &[zone_is(&name)])?.is_some();
    let mut last = fact("last_row")?.unwrap_or(0);
    // A ledger that ends before the file does is another one.
    let is_whole = fact("reprices")? != Some(reprices) || !same_zone || last > moment.last_row();
    let mut done = Updated::default();
    if is_whole {
        for table in ["facts", "requests", "sessions", "usage_daily"] {
            file.execute(&format!("DELETE FROM {table}"), &[])?;
        }
        last = 0;
    }
    for range in moment.removed()? {
        let bounds = [SqlValue::Integer(range.start), SqlValue::Integer(range.end)];
        let removed = file.execute("DELETE FROM requests WHERE id >= ?1 AND id < ?2", &bounds)?;
        done.removed += u64::try_from(removed).unwrap_or(0);
    }
    let mut days: BTreeSet<jiff::civil::Date> = BTreeSet::new();
    let sql = put("requests", REQUEST_COLUMNS.len() + REQUEST_EXTRA.len());
    moment.each_request(&RequestFilter::default(), last, |stored| -> Result<ControlFlow<()>, Error> {
        let row = &stored.row;
        days.insert(Period::Day.of(row.start, zone).first);
        let mut values: Vec<SqlValue> = request_record(moment, stored, &[])?.into_iter().map(value).collect();
        values.push(row.cost.map_or(SqlValue::Null, |cost| SqlValue::Integer(cost.nanos)));
        values.push(dimensions(&*moment.attributes(row.attributes)?));
        file.execute(&sql, &values)?;
        done.requests += 1;
        progress(done.requests);
        Ok(ControlFlow::Continue(()))
    })?;
    if is_whole && let Some((first, end)) = moment.span()? {
        // Days of which no request is kept have their sums all the same.
        let mut day = Period::Day.of(first, zone).first;
        let end = Period::Day.of(end - 1, zone).first;
        while day <= end {
            days.insert(day);
            let Ok(next) = day.checked_add(1.day()) else { break };
            day = next;
        }
    }
    if done.removed > 0 {
        // Parts of sessions have gone with their requests.
        file.execute("DELETE FROM sessions", &[])?;
    }
    done.sessions = put_sessions(moment, &file, last)?;
    for day in &days {
        put_day(moment, &file, *day, zone)?;
    }
    done.days = u64::try_from(days.len()).unwrap_or(0);
    done.outages = put_outages(&file, facts)?;
    let remember = |key: SqlValue, value: i64| {
        file.execute("INSERT OR REPLACE INTO facts VALUES (?1, ?2)", &[key, SqlValue::Integer(value)])
    };
    remember(SqlValue::Text("last_row".to_owned()), moment.last_row())?;
    remember(SqlValue::Text("reprices".to_owned()), reprices)?;
    remember(zone_is(&name), 1)?;
    file.commit()?;
    Ok(done)
}

/// Writes the sessions that have new requests, or were open.
fn put_sessions(moment: &Moment, file: &SqlFile, last: i64) -> Result<u64, Error> {
    let sql = put("sessions", SESSION_COLUMNS.len());
    let mut written = 0;
    each_session(moment, &RequestFilter::default(), |last_row, record| {
        let key = [record.first(), record.get(1)].map(|datum| datum.cloned().map_or(SqlValue::Null, value));
        let is_open = "SELECT open FROM sessions WHERE session = ?1 AND gateway = ?2";
        // One without an entry is new, whatever its rows are.
        if last_row <= last && file.number(is_open, &key)? == Some(0) {
            return Ok(());
        }
        let values: Vec<SqlValue> = record.into_iter().map(value).collect();
        file.execute(&sql, &values)?;
        written += 1;
        Ok(())
    })?;
    Ok(written)
}

/// Writes the sums of one day anew.
fn put_day(moment: &Moment, file: &SqlFile, day: jiff::civil::Date, zone: &TimeZone) -> Result<(), Error> {
    file.execute("DELETE FROM usage_daily WHERE day = ?1", &[SqlValue::Text(day.to_string())])?;
    let start = |day: jiff::civil::Date| crate::report::outlook::first_moment(day, zone);
    let bounds = day.checked_add(1.day()).ok().and_then(|next| Some((start(day)?, start(next)?)));
    let Some((since, until)) = bounds else { return Ok(()) };
    let filter = RequestFilter { since: Some(since), until: Some(until), ..RequestFilter::default() };
    let question = SumQuestion {
        filter,
        step: Step::Whole,
        zone: zone.clone(),
        by_user: false,
        only_users: None,
        only: None,
        kinds: false,
    };
    let mut known: Vec<Attributes> = Vec::new();
    let group = |attributes: &Attributes| {
        known.push(attributes.clone());
        u32::try_from(known.len() - 1).unwrap_or(u32::MAX)
    };
    let sums = moment.sums(&question, group, |_| 0)?;
    let sql = put("usage_daily", USAGE_COLUMNS.len());
    for (key, sums) in &sums {
        if let Some(attributes) = known.get(key.group as usize) {
            file.execute(&sql, &usage_record(day, attributes, key.currency, sums))?;
        }
    }
    Ok(())
}

fn usage_record(
    day: jiff::civil::Date,
    attributes: &Attributes,
    currency: Option<Currency>,
    sums: &Measures,
) -> Vec<SqlValue> {
    let text = |text: &str| value(Datum::text(text));
    let sum = |measures: &[Measure]| SqlValue::Integer(measures.iter().map(|measure| sums.get(*measure)).sum());
    let money = |measure: Measure| value(Datum::Decimal(sums.get(measure).into()));
    let errors: Vec<Measure> = crate::report::totals::REASONS.iter().map(|(_, measure)| *measure).collect();
    vec![
        SqlValue::Text(day.to_string()),
        text(&attributes.gateway),
        text(&attributes.route),
        text(&attributes.provider),
        text(&attributes.model),
        text(&attributes.upstream),
        text(attributes.mode.label()),
        text(&attributes.consumer),
        dimensions(attributes),
        text(currency.as_ref().map_or("", Currency::as_str)),
        sum(&[Measure::Requests]),
        sum(&errors),
        sum(&[Measure::UncachedInput, Measure::CacheRead, Measure::CacheWrite5m, Measure::CacheWrite1h]),
        sum(&[Measure::CacheRead]),
        sum(&[Measure::CacheWrite5m, Measure::CacheWrite1h]),
        sum(&[Measure::VisibleOutput, Measure::Reasoning]),
        sum(&[Measure::Reasoning]),
        sum(&[Measure::UnpricedRequests]),
        sum(&[Measure::UnpricedTokens]),
        sum(&[Measure::UsageMissing]),
        sum(&[Measure::AssumedRequests]),
        value(Datum::Seconds(sums.get(Measure::DurationSum))),
        sum(&[Measure::DurationCount]),
        money(Measure::Cost),
        sum(&[Measure::Cost]),
        money(Measure::Savings),
        money(Measure::AssumedCost),
    ]
}

fn put_outages(file: &SqlFile, facts: &Facts) -> Result<u64, Error> {
    let sql = put("outages", OUTAGE_COLUMNS.len());
    let time = |at: Micros| Timestamp::from_microsecond(at).map_or(SqlValue::Null, |at| SqlValue::Text(at.to_string()));
    let mut written = 0;
    file.execute("DELETE FROM outages", &[])?;
    for target in &facts.targets {
        for outage in &target.outages {
            let values = [
                SqlValue::Text(target.name.clone()),
                SqlValue::Integer(i64::try_from(outage.number).unwrap_or(i64::MAX)),
                time(outage.start),
                outage.end.map_or(SqlValue::Null, time),
                outage.end.map_or(SqlValue::Null, |end| value(Datum::Seconds(end - outage.start))),
                SqlValue::Text(outage.first.label().to_owned()),
                value(Datum::Count(outage.failures.values().sum())),
                SqlValue::Integer(outage.end_unobserved.into()),
            ];
            file.execute(&sql, &values)?;
            written += 1;
        }
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_makes_every_view_with_its_columns() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("views.db");
        let (file, is_new) = SqlFile::open(&path, VERSION, &schema()).unwrap();
        assert!(is_new);
        for (view, columns) in views() {
            for (column, _) in columns {
                file.number(&format!("SELECT count(\"{column}\") FROM {view}"), &[]).unwrap();
                let sql = "SELECT count(*) FROM pragma_table_info(?1) WHERE name = ?2";
                let names = [SqlValue::Text(view.to_owned()), SqlValue::Text(column.to_owned())];
                assert_eq!(file.number(sql, &names).unwrap(), Some(1), "{view}.{column}");
            }
        }
        file.commit().unwrap();
        assert!(!SqlFile::open(&path, VERSION, "").unwrap().1);
        assert!(SqlFile::open(&path, VERSION + 1, &schema()).unwrap().1, "another version is written anew");
        let foreign = folder.path().join("ledger.db");
        std::fs::write(&foreign, b"no database, but some text that is long enough to be taken for one").unwrap();
        assert!(SqlFile::open(&foreign, VERSION, &schema()).is_err());
    }
}
