//! Questions to the ledger whose answers are figures by group and period: the same for commands, API and pages.
//!
//! [`By`] is what figures are grouped by, [`usage`] the time of use with its turns, tokens and cost, [`totals`] the
//! requests with errors, tokens and cost: by group, over time, the first of them. [`recent`] is the last hour by
//! minutes, [`turns`] one session, [`sla`] a month's availability; [`shape`] is how each thing looks in JSON. Reads one moment
//! of a ledger and computes; how an answer is printed is for who asked.

mod by;
pub mod recent;
pub mod shape;
pub mod sla;
pub mod totals;
#[cfg(test)]
mod totals_tests;
pub mod turns;
pub mod usage;
#[cfg(test)]
mod usage_tests;

pub use by::{By, Unknown};
