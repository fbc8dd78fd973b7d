//! Questions to the ledger whose answers are figures by group and period: the same for commands, API and pages.
//!
//! [`By`] is what figures are grouped by, [`usage`] the time of use with its turns, tokens and cost, [`totals`] the
//! requests with errors, tokens and cost: by group, over time, the first of them. [`cost`] is what those totals come to in
//! one currency, and what counters say besides. [`forecast`] and [`anomaly`] are arithmetic over such sums, [`outlook`] a
//! month's, [`budget`] compares them with limits. [`conversations`] are the captured ones with their names.
//! [`recent`] is the last hour by minutes, [`turns`] one session, [`sla`] a
//! month's availability. Reads one moment of a ledger and computes; [`document`] is how an answer is written, [`shape`] how
//! each thing looks in JSON.

#[cfg(test)]
mod agree_tests;
mod amounts;
pub mod anomaly;
pub mod budget;
mod by;
pub mod conversations;
#[cfg(test)]
mod conversations_tests;
pub mod cost;
pub mod document;
pub mod exchange;
pub mod export;
pub mod forecast;
pub mod invoice;
pub mod outlook;
pub mod recent;
pub mod reconcile;
#[cfg(test)]
mod reconcile_zone_tests;
pub mod schedule;
pub mod shape;
pub mod sla;
mod time_spans;
pub mod totals;
#[cfg(test)]
mod totals_tests;
pub mod turns;
pub mod usage;
mod usage_groups;
#[cfg(test)]
mod usage_tests;

pub use amounts::{Amounts, amounts_text, ratio};
pub use by::{Attribute, By, Unknown};
