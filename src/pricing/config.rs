//! Which prices count, and how money is reported.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::record::Currency;

/// Which cost counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CostMode {
    /// From tokens and the price table.
    #[default]
    Computed,
    /// What the gateway logged, nothing else.
    Logged,
    /// What the gateway logged, else computed.
    LoggedElseComputed,
}

impl CostMode {
    /// All modes with the names that the configuration uses.
    pub const ALL: [(CostMode, &'static str); 3] = [
        (CostMode::Computed, "computed"),
        (CostMode::Logged, "logged"),
        (CostMode::LoggedElseComputed, "logged_else_computed"),
    ];
}

/// A dated rate: 1 unit of `from` is `nanos` × 10^-9 units of `to`, from `since` on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExchangeRate {
    /// Currency converted.
    pub from: Currency,
    /// Currency converted to.
    pub to: Currency,
    /// Rate in 10^-9.
    pub nanos: i128,
    /// First day on which it counts, in the configured time zone.
    pub since: jiff::civil::Date,
}

/// What a budget counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BudgetUnit {
    /// Requests.
    Requests,
    /// Tokens, input and output.
    Tokens,
    /// Money of one currency.
    Currency(Currency),
}

/// How often a budget starts anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BudgetPeriod {
    /// Each day of the configured time zone.
    Day,
    /// Each month of the configured time zone.
    Month,
}

/// A limit that a metric shows beside what is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Its name.
    pub name: String,
    /// Attribute or dimension → value that a request must have; empty counts all.
    pub filter: BTreeMap<String, String>,
    /// What is counted.
    pub unit: BudgetUnit,
    /// The limit in 10^-9 units.
    pub limit_nanos: i128,
    /// How often it starts anew.
    pub period: BudgetPeriod,
}

/// The section `cost` of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Which cost counts.
    pub mode: CostMode,
    /// Files of user rows; they win over the built-in table, a later file over an earlier one.
    pub prices: Vec<PathBuf>,
    /// LiteLLM's price map, consulted after user rows and before the built-in table.
    pub litellm_map: Option<PathBuf>,
    /// The user's own provider names → names of the table.
    pub aliases: BTreeMap<String, String>,
    /// Dated exchange rates.
    pub rates: Vec<ExchangeRate>,
    /// Currency of totals in reports.
    pub total_currency: Option<Currency>,
    /// Budgets.
    pub budgets: Vec<Budget>,
}
