//! The truth on disk: rows in log order, positions, counts and folds in one SQLite database with one writer.
//!
//! [`Batch`] is what the reader collects; [`Ledger::prepare`] drops repetitions and turns text into dictionary ids;
//! [`Ledger::commit`] writes rows, positions and counts in one transaction and then moves the folds. [`writer`] is the
//! thread around it: it tries again while the disk is full and writes the folds now and then. `retention`,
//! `reprice`, `erase` and `inspect` are the jobs, `migrate` opens what an older program wrote. No other module names the database crate.
//!
//! Read it is at one [`Moment`], beside the writer: lists of requests and of sessions page by page, and sums by group and
//! time. What makes that fast on ten million rows are folds: `columns` of each full block, rollups by hour and by day, parts. Of
//! what is quiet there are packed copies, column by column, which the writer makes beside its work and forgets where something
//! changes: `part_columns`, `rollup_columns`, and `user_days`.

mod adjustment_query;
mod availability;
mod availability_query;
mod batch;
mod columns;
mod commit;
mod config;
mod content_query;
mod cursor;
mod duplicates;
mod erase;
#[cfg(test)]
mod erase_tests;
mod extent;
mod fold;
mod inspect;
mod inspect_folds;
mod inspect_sessions;
mod inspect_targets;
mod intern;
mod kinds;
mod measure;
mod migrate;
mod migrate_folds;
mod moment;
mod open;
#[cfg(test)]
mod pack_tests;
mod packed;
mod packed_cells;
mod part_columns;
mod part_hours;
#[cfg(test)]
mod part_hours_tests;
mod part_scan;
mod probe_use;
mod reprice;
mod request_filter;
mod request_query;
#[cfg(test)]
mod request_test_world;
#[cfg(test)]
mod request_tests;
mod request_view;
mod retention;
mod rollup_columns;
mod row;
mod seen;
mod session;
mod session_page;
mod session_query;
#[cfg(test)]
mod session_query_tests;
#[cfg(test)]
mod session_tests;
mod session_view;
mod sink;
mod sql_file;
mod sums;
mod tally;
#[cfg(test)]
mod tests;
mod usage;
mod user_days;
pub mod writer;

pub use crate::clock::Deadline;
pub use adjustment_query::Adjusted;
pub use availability::{ProbeResult, TargetDefinition};
pub use availability_query::{AvailabilityQuery, Facts, TargetFacts, request_counts};
pub use batch::{Batch, Context, MAX_SESSION_NAME};
pub use config::Retention;
pub use cursor::{ClosedPart, Cursor, Entries, Request, SessionName, Window, knows_sink};
pub use extent::Extent;
#[cfg(test)]
pub(crate) use fold::BLOCK_ROWS;
pub use fold::ROLLUP_HOUR;
pub use inspect::{Check, Finding, Info, Report, size_on_disk};
pub use inspect_targets::TargetInfo;
pub use intern::Privacy;
pub use measure::{Measure, Measures};
pub use moment::{Moment, is_cut};
pub use open::{DataDir, Error, LEDGER_FILE, Ledger, Options, SCHEMA_VERSION, backup, holder};
pub use part_hours::{PartHour, PartHours};
pub use probe_use::ProbeUse;
pub use reprice::{Repriced, Repricing};
pub use request_view::{
    ErrorFilter, Order, PageEnd, RequestFilter, RequestList, RequestPage, RequestSort, StatusFilter, Stored,
};
pub use retention::Deleted;
pub use seen::Seen;
pub use session_query::SessionQuery;
pub use session_view::{Session, SessionFilter, SessionList, SessionPage, Shown, Sort, Turn};
pub use sink::{SinkCounts, SinkPosition, SinkStart, SinkState};
pub use sql_file::{SqlFile, SqlValue};
pub use sums::{MAX_GROUPS, OTHER_USERS, Step, SumKey, SumQuestion, Sums};
pub use tally::Tally;
pub use usage::{Usage, UsageQuery};
