//! Tokens become money: price rows, matching, arithmetic.
//!
//! ```text
//! price file ─file─┐
//! LiteLLM's map ───┼─▶ SourceRows ─▶ Table ─find─▶ Matched ─price─▶ Priced
//! builtin.yaml ────┘                            └─explain─▶ Explanation
//! ```
//!
//! Reading order: [`Row`] (what a price list says), `rates` (which of a row's prices counts), `pattern` and `provider`
//! (names), [`Table`] (which row counts), `price` (exact numbers). Pure: the one function that needs files, [`load`], is
//! handed a reader. Nothing here knows time zones of reports, budgets or metrics.

mod config;
mod exchange;
mod explain;
mod file;
mod kinds;
mod litellm;
mod pattern;
mod price;
mod problem;
mod provider;
mod rates;
mod reader;
mod row;
mod schedule;
mod table;
#[cfg(test)]
mod tests;

use std::io;
use std::path::Path;

pub use config::{Budget, BudgetPeriod, BudgetUnit, Config, CostMode, ExchangeRate};
pub use exchange::{choose, convert, rate_in_force};
pub use explain::{Explanation, Line, explain_by};
pub use file::{SourceRows, parse as parse_file};
pub use kinds::{CostKinds, Splitter};
pub use litellm::{MAX_BYTES as MAX_MAP_BYTES, parse as parse_litellm};
pub use pattern::Pattern;
pub use price::{Per, Price, PriceError};
pub use problem::Problem;
pub use provider::Provider;
pub use row::{Card, Kind, Prices, Row, Source, Tier, Window};
pub use schedule::{Schedule, Zone};
pub use table::{BUILTIN, Matched, Request, Table, builtin_rows};

/// A price file with every key explained, to begin one's own from.
pub const EXAMPLE: &str = include_str!("example.yaml");

/// Loads the table that a configuration asks for. `read` reads one file as text, with the most bytes that it may have.
///
/// # Errors
/// Every problem of every file and of the aliases.
pub fn load(config: &Config, read: impl Fn(&Path, usize) -> io::Result<String>) -> Result<Table, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut sources = Vec::new();
    let mut take = |path: &Path, most: usize, parse: fn(&str, &str) -> Result<SourceRows, Vec<Problem>>| {
        let file = path.display().to_string();
        match read(path, most) {
            Ok(text) => match parse(&file, text.strip_prefix('\u{feff}').unwrap_or(&text)) {
                Ok(source) => sources.push(source),
                Err(found) => problems.extend(found),
            },
            Err(error) => problems.push(Problem {
                file,
                line: 0,
                key: String::new(),
                message: format!("the file cannot be read: {error}"),
                remedy: match error.kind() {
                    io::ErrorKind::FileTooLarge => "shorten it",
                    io::ErrorKind::InvalidData => "save it as UTF-8",
                    _ => "correct the path or the permissions",
                }
                .to_owned(),
            }),
        }
    };
    for path in config.prices.iter().rev() {
        take(path, crate::yaml::MAX_BYTES, file::parse);
    }
    if let Some(path) = &config.litellm_map {
        take(path, litellm::MAX_BYTES, litellm::parse);
    }
    let complete = problems.is_empty();
    sources.push(builtin_rows());
    match Table::build(sources, &config.aliases) {
        Ok(table) if complete => Ok(table),
        Ok(_) => Err(problems),
        // An alias may lead to a provider of a file that could not be read: that file comes first.
        Err(found) if complete => Err(found),
        Err(_) => Err(problems),
    }
}
