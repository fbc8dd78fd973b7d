//! Questions to the ledger whose answers are figures by group and period: the same for commands, API and pages.
//!
//! [`By`] is what figures are grouped by, [`usage`] the time of use with its turns, tokens and cost, [`sla`] a month's
//! availability, [`shape`] how each thing looks in JSON. Reads one moment of
//! a ledger and computes; how an answer is printed is for who asked.

mod by;
pub mod shape;
pub mod sla;
pub mod usage;
#[cfg(test)]
mod usage_tests;

pub use by::{By, Unknown};
