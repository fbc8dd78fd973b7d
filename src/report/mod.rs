//! Questions to the ledger whose answers are figures by group and period: the same for commands, API and pages.
//!
//! [`By`] is what figures are grouped by, [`Filter`] what counts; [`usage`] is the time of use with its turns, tokens and
//! cost, [`cost`] what was spent. [`forecast`] and [`anomaly`] are arithmetic over such sums, [`budget`] compares them with
//! limits. Reads one moment of a ledger and computes; how an answer is printed is for who asked.

pub mod anomaly;
pub mod budget;
mod by;
pub mod cost;
pub mod document;
pub mod exchange;
pub mod figures;
mod filter;
pub mod forecast;
pub mod outlook;
pub mod usage;
#[cfg(test)]
mod usage_tests;

pub use by::{By, Unknown};
pub use filter::Filter;
