//! Tests of the pricing as a whole, by what they look at.

mod builtin;
mod files;
mod money;
mod names;

use super::*;
use crate::record::{Micros, ServiceTier, Tokens};

/// A moment from its text.
fn at(text: &str) -> Micros {
    text.parse::<jiff::Timestamp>().unwrap().as_microsecond()
}

/// A request at noon of 20 November 2026, a Friday, by the standard tier.
fn request(tokens: Tokens) -> Request {
    Request { start: at("2026-11-20T12:00:00Z"), service_tier: ServiceTier::Standard, tokens, cache_ttl_known: true }
}

/// A million tokens of uncached input: its cost is the input price.
fn million() -> Request {
    request(Tokens { uncached_input: 1_000_000, ..Tokens::default() })
}

/// A table of user files, the one that wins first, before the built-in rows.
fn table(files: &[&str]) -> Table {
    let mut sources: Vec<SourceRows> =
        files.iter().map(|text| parse_file("user.yaml", text).unwrap_or_else(|found| panic!("{found:?}"))).collect();
    sources.push(builtin_rows());
    Table::build(sources, &std::collections::BTreeMap::new()).unwrap()
}

/// The shown name of the row that prices a model at a moment, with what was assumed.
fn row_of(table: &Table, provider: &str, model: &str, request: &Request) -> Option<(String, Vec<&'static str>)> {
    let priced = table.price(&table.find(provider, model), request);
    assert_eq!(priced.cost.is_none(), priced.unpriced);
    let row = table.row(priced.row?)?;
    Some((format!("{}/{}", row.provider, row.model), priced.assumed.names().collect()))
}
