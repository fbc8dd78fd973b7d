//! Tokens become money: price rows, matching, arithmetic.

mod config;

pub use config::{Budget, BudgetPeriod, BudgetUnit, Config, CostMode, ExchangeRate};
