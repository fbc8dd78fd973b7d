//! The one catalogue of metrics and the bounded store of their series.
//!
//! [`catalogue`] names every metric. [`Meter`] folds committed rows into series that never exceed the configured bound
//! and is itself restored from the ledger at start. `page` writes them out with what only the moment knows
//! ([`Gauges`]). Nothing here does IO.

pub mod catalogue;
mod config;
pub mod histogram;
mod page;
mod probe;
mod series;
mod session;
mod source;
mod store;
#[cfg(test)]
mod tests;

pub use catalogue::{CATALOGUE, Id, Kind, Metric, markdown};
pub use config::Config;
pub use page::{BudgetState, ContentGauges, EXEMPLAR_AGE_MICROS, Gauges, SinkGauges, SourceGauges, encode};
pub use probe::{Look, MAINTENANCE, PHASES, ProbeCounts, SlaGauges, TargetSeries};
pub use series::Dirty;
pub use session::Ended;
pub use source::SourceCounts;
pub use store::Meter;
