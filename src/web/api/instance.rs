//! What the running instance tells the API beside its ledger: plain values, filled by the daemon.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::tz::TimeZone;

use crate::clock::Clock;
use crate::content::{Capture, Key};
use crate::ledger::Privacy;
use crate::meter::{SinkGauges, SlaGauges};
use crate::pricing::{Budget, ExchangeRate, Table};
use crate::record::{Currency, Micros};
use crate::session::id::Grouping;
use crate::sla::Span;

/// What every question is answered with.
#[derive(Clone, Debug)]
pub struct Instance {
    /// Folder of the ledger; `None` where nothing is kept.
    pub folder: Option<PathBuf>,
    /// Reads time for deadlines.
    pub clock: Clock,
    /// Wall time.
    pub now: Micros,
    /// Time of the last commit; everything committed until then is in the answer.
    pub as_of: Micros,
    /// The configured zone of days and months.
    pub zone: TimeZone,
    /// How people and secrets are kept out of the ledger.
    pub privacy: Arc<Privacy>,
    /// Names of the configured dimensions.
    pub dimensions: Vec<String>,
    /// Whether there is more than one gateway, so that a session's address has to name its own.
    pub several_gateways: bool,
    /// The price table in force.
    pub prices: Arc<Table>,
    /// Exchange rates.
    pub rates: Vec<ExchangeRate>,
    /// Currency of totals.
    pub total_currency: Option<Currency>,
    /// Budgets.
    pub budgets: Vec<Budget>,
    /// The level: how soon an answer has to start.
    pub answer_within: Span,
    /// The address at which a trace is shown.
    pub trace_url: Option<String>,
    /// How the first sink groups requests into traces; `None` where no trace is sent.
    pub traces: Option<Grouping>,
    /// Whose content is captured.
    pub capture: Capture,
    /// The key of captured content, where it is encrypted.
    pub content_key: Option<Key>,
}

/// What the instance is doing.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// Of the program.
    pub version: &'static str,
    /// When it started.
    pub started: Micros,
    /// Why the ledger cannot commit, if it cannot.
    pub failure: Option<String>,
    /// The logs, in the order of the configuration.
    pub sources: Vec<SourceStatus>,
    /// By name.
    pub sinks: BTreeMap<String, SinkGauges>,
    /// Jobs of the ledger and when each last succeeded.
    pub jobs: BTreeMap<&'static str, Micros>,
    /// Bytes of the ledger on disk.
    pub size: u64,
    /// Rows ever written.
    pub rows: u64,
    /// Time of the last commit since the start.
    pub last_commit: Option<Micros>,
    /// Open sessions by gateway.
    pub sessions_open: BTreeMap<String, u64>,
    /// Targets that are looked at.
    pub targets: Vec<SlaGauges>,
    /// Time of the last accepted configuration.
    pub reload_time: Micros,
    /// Whether the last reload was accepted.
    pub reload_successful: bool,
}

/// One log.
#[derive(Clone, Debug, Default)]
pub struct SourceStatus {
    /// Its name, which is the gateway's.
    pub name: String,
    /// Path or glob.
    pub path: String,
    /// Files that are followed.
    pub files: usize,
    /// Why something of it cannot be read.
    pub error: Option<String>,
    /// Bytes that are not read yet.
    pub lag_bytes: u64,
    /// Whether reading is more than a minute behind.
    pub catching_up: bool,
    /// What was read and what could not be used.
    pub counts: crate::meter::SourceCounts,
}

#[cfg(test)]
impl Instance {
    /// One that keeps nothing, of 2026-11-21T08:00:00Z.
    pub(crate) fn empty() -> Instance {
        let now = 1_795_248_000_000_000;
        Instance {
            folder: None,
            clock: Clock::manual(now),
            now,
            as_of: now,
            zone: TimeZone::UTC,
            privacy: Arc::new(Privacy { key: vec![7; 32], hash_sessions: false }),
            dimensions: Vec::new(),
            several_gateways: false,
            prices: Arc::new(Table::build(vec![crate::pricing::builtin_rows()], &BTreeMap::new()).expect("valid")),
            rates: Vec::new(),
            total_currency: None,
            budgets: Vec::new(),
            answer_within: Span::from_micros(1_500_000),
            trace_url: None,
            traces: None,
            capture: Capture::default(),
            content_key: None,
        }
    }
}
