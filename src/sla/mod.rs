//! Probe results become availability that a customer could audit.
//!
//! ```text
//! Observation ─Tracker─▶ Segments, Outages, Isolated ─┐
//! configuration ─Windows─▶ maintenance in force ──────┼─Figures─▶ availability, coverage, budget, verdict ─▶ Report
//! objectives, shares, request counts, notes ──────────┘
//! ```
//!
//! Reading order: [`State`] (what time is made of), [`Tracker`] (how results become it), [`Window`] (what was announced),
//! [`Month`] (from when to when), [`Figures`] (what it comes to), [`Share`] and [`RequestCounts`] (what stands beside
//! it), [`Report`]; [`Config`] is what a user writes. Every figure is counted in whole microseconds; shares are exact until they are written. Pure: nothing
//! here reads a clock, stores anything or draws a table.

mod calendar;
mod config;
mod figure;
mod level;
mod maintenance;
mod month;
mod report;
mod state;
#[cfg(test)]
mod tests;
mod tracker;

pub use calendar::Month;
pub use config::Config;
pub use figure::{Objective, Ratio, Span};
pub use level::{ANSWERS_WITHIN, ERRORS_BELOW, RequestCounts, Share, answered_within};
pub use maintenance::{Planned, Standing, Window, Windows};
pub use month::{Budget, COVERAGE_NEEDED, Figures, InForce, Projection, Verdict};
pub use report::{GatewayLine, Input, IsolatedLine, Note, ObjectiveLine, OutageLine, Report, ShareLine, WindowLine};
pub use state::{Isolated, Outage, Segment, State};
pub use tracker::{CLOCK_TOLERANCE, FAILURES_OF_AN_OUTAGE, INTERVALS_HELD, SUCCESSES_OF_A_RECOVERY, Tracker, Update};
