//! What the web server asks the sidecar: the metrics page, readiness, reload, and what the API answers with.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use jiff::tz::TimeZone;
use parking_lot::{Mutex, RwLock};

use super::availability;
use super::figures::{self, Figures};
use super::process::Process;
use super::reload::Reloader;
use super::reports;
use super::sinks;
use crate::clock::Clock;
use crate::config::Config;
use crate::content::{Capture, Erasure, Key, Scope};
use crate::ledger::writer::{Handle, Status};
use crate::ledger::{AvailabilityQuery, DataDir, Facts, Privacy};
use crate::meter::{self, ContentGauges, Gauges, Meter, SlaGauges, SourceGauges};
use crate::pipeline::ReaderStatus;
use crate::pricing::{Budget, ExchangeRate, Table};
use crate::record::{Currency, Micros};
use crate::report::exchange::Target;
use crate::report::schedule;
use crate::session::id::Grouping;
use crate::sla::{Month, Span};
use crate::web::api::{Instance, SourceStatus};
use crate::web::{self, App, Unavailable};

/// A source is catching up while its log is ahead by more than this.
const BEHIND_MICROS: i64 = 60_000_000;

/// What a reload exchanges.
#[derive(Debug)]
pub(super) struct InForce {
    pub(super) rates: Vec<ExchangeRate>,
    pub(super) budgets: Vec<Budget>,
    pub(super) reports: schedule::Config,
    pub(super) target: Option<Target>,
    pub(super) price_table: Micros,
    pub(super) prices: Arc<Table>,
    pub(super) total_currency: Option<Currency>,
    /// Names of the dimensions.
    pub(super) dimensions: Vec<String>,
    pub(super) answer_within: Span,
    /// How the first sink groups requests into traces.
    pub(super) traces: Option<Grouping>,
    /// Whose content is captured.
    pub(super) capture: Capture,
    pub(super) reload_successful: bool,
    pub(super) reload_time: Micros,
}

/// The running sidecar as others see it.
#[derive(Debug)]
pub(super) struct Sidecar {
    clock: Clock,
    zone: TimeZone,
    folder: Option<PathBuf>,
    meter: Arc<Mutex<Meter>>,
    writer: Handle,
    reader: Arc<Mutex<ReaderStatus>>,
    in_force: RwLock<InForce>,
    figures: RwLock<Figures>,
    /// When the reports that were due were last all there.
    reported: Mutex<Option<Micros>>,
    /// The month of each target.
    sla: RwLock<Vec<SlaGauges>>,
    /// Until when a first start may keep the metrics back; `None` once they were shown, or at a later start.
    first_read: Mutex<Option<Instant>>,
    started: Micros,
    privacy: Arc<Privacy>,
    trace_url: Option<String>,
    content_key: Option<Key>,
    reloader: RwLock<Option<Arc<Reloader>>>,
}

impl InForce {
    pub(super) fn new(config: &Config, table: &Arc<Table>, now: Micros) -> InForce {
        InForce {
            rates: config.pricing.rates.clone(),
            budgets: config.pricing.budgets.clone(),
            reports: config.reports.clone(),
            target: Target::configured(&config.pricing),
            price_table: table.timestamp_seconds().saturating_mul(1_000_000),
            prices: Arc::clone(table),
            total_currency: config.pricing.total_currency,
            dimensions: config.dimensions.iter().map(|dimension| dimension.name.clone()).collect(),
            answer_within: config.sla.answer_within,
            traces: config.sinks.first().map(|sink| sink.trace),
            capture: config.content.capture.clone(),
            reload_successful: true,
            reload_time: now,
        }
    }
}

impl Sidecar {
    pub(super) fn new(
        config: &Config,
        (table, privacy, content_key): (&Arc<Table>, Privacy, Option<Key>),
        meter: Arc<Mutex<Meter>>,
        writer: Handle,
        reader: Arc<Mutex<ReaderStatus>>,
        first_read: Option<Instant>,
        clock: Clock,
    ) -> Sidecar {
        let now = clock.now();
        if first_read.is_none() {
            meter.lock().hold_new_series(clock.instant());
        }
        Sidecar {
            zone: config.timezone.clone(),
            folder: match super::data_dir(config) {
                DataDir::Path(folder) => Some(folder),
                DataDir::None => None,
            },
            meter,
            writer,
            reader,
            in_force: RwLock::new(InForce::new(config, table, now)),
            figures: RwLock::default(),
            reported: Mutex::default(),
            sla: RwLock::default(),
            first_read: Mutex::new(first_read),
            started: now,
            privacy: Arc::new(privacy),
            trace_url: config.web.trace_url.clone(),
            content_key,
            reloader: RwLock::new(None),
            clock,
        }
    }

    /// Folder of the ledger; `None` where nothing is kept.
    pub(super) fn folder(&self) -> Option<PathBuf> {
        self.folder.clone()
    }

    /// The key of captured content, where it is encrypted.
    pub(super) fn content_key(&self) -> Option<&Key> {
        self.content_key.as_ref()
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(super) fn set_reloader(self: &Arc<Self>, reloader: Arc<Reloader>) {
        reloader.set_app(self);
        *self.reloader.write() = Some(reloader);
    }

    /// Takes over what a reload accepted, or notes that it was refused.
    pub(super) fn reloaded(&self, accepted: Option<InForce>) {
        let mut in_force = self.in_force.write();
        match accepted {
            Some(new) => *in_force = new,
            None => in_force.reload_successful = false,
        }
    }

    pub(super) fn clock_stepped(&self) {
        // An ended writer has said so itself.
        let _ = self.writer.clock_step();
    }

    /// Batches committed since the start, of looks too.
    pub(super) fn committed(&self) -> u64 {
        self.writer.committed() + self.writer.probes_committed()
    }

    /// Reads the sums of the present periods.
    pub(super) fn read_figures(&self) {
        self.read_availability();
        let Some(folder) = &self.folder else {
            // An ended writer has said so itself.
            let sum = |from, until| self.writer.usage(from, until).ok();
            if let Some(figures) = Figures::without_ledger(&self.zone, self.clock.now(), sum) {
                *self.figures.write() = figures;
            }
            return;
        };
        let budgets = self.in_force.read().budgets.clone();
        match Figures::read(folder, &self.zone, &budgets, self.clock.now()) {
            Ok(figures) => *self.figures.write() = figures,
            Err(error) => tracing::warn!(%error, "cannot sum up the month; its gauges stay as they were"),
        }
    }

    /// Writes the reports that are due.
    pub(super) fn write_reports(&self) {
        let Some(ledger) = &self.folder else { return };
        let (config, target) = {
            let in_force = self.in_force.read();
            (in_force.reports.clone(), in_force.target.clone())
        };
        if config.folder.is_none() {
            *self.reported.lock() = None;
            return;
        }
        let now = self.clock.now();
        match reports::write_due(ledger, &config, &self.zone, target.as_ref(), now) {
            Ok(_) => *self.reported.lock() = Some(now),
            Err(error) => tracing::warn!(%error, "cannot write the reports that are due; they are tried again"),
        }
    }

    /// Whether the history that was found at this start has been read and committed.
    pub(super) fn has_read_history(&self) -> bool {
        self.reader.lock().history_read.is_some_and(|sent| self.writer.committed() >= sent)
    }

    fn read_availability(&self) {
        let now = self.clock.now();
        let Some(month) = Month::containing(now, &self.zone) else { return };
        let (from, to) = (month.from(), month.to());
        let facts = match &self.folder {
            Some(folder) => AvailabilityQuery::open(folder).and_then(|query| query.facts(from, to, now)),
            // An ended writer has said so itself.
            None => self.writer.facts(from, to, now).or_else(|_| Ok(Facts::default())),
        };
        match facts {
            Ok(facts) => *self.sla.write() = availability::gauges(&facts, &month, now),
            Err(error) => tracing::warn!(%error, "cannot compute availability; its gauges stay as they were"),
        }
    }

    /// Whether a first start is still reading the history that it found.
    fn is_reading_history(&self) -> bool {
        let mut first_read = self.first_read.lock();
        let Some(deadline) = *first_read else { return false };
        if self.has_read_history() || self.clock.instant() >= deadline {
            *first_read = None;
            self.meter.lock().hold_new_series(self.clock.instant());
        }
        first_read.is_some()
    }

    fn sources(&self, status: &Status) -> std::collections::BTreeMap<String, SourceGauges> {
        let now = self.clock.now();
        let mut sources: std::collections::BTreeMap<String, SourceGauges> = status
            .sources
            .iter()
            .map(|(name, counts)| (name.clone(), SourceGauges { counts: counts.clone(), ..SourceGauges::default() }))
            .collect();
        for lag in &self.reader.lock().sources {
            let source = sources.entry(lag.name.clone()).or_default();
            source.lag_bytes = lag.bytes;
            source.catching_up = lag.bytes > 0 && now - source.counts.last_record > BEHIND_MICROS;
        }
        sources
    }

    fn gauges(&self) -> Gauges {
        let status = self.writer.status();
        let mut jobs = status.jobs.clone();
        jobs.extend(self.reported.lock().map(|at| ("reports", at)));
        let process = Process::read();
        let now = self.clock.now();
        let in_force = self.in_force.read();
        let figures = self.figures.read();
        Gauges {
            now,
            sources: self.sources(&status),
            rates: figures::rates(&in_force.rates, &self.zone, now),
            budgets: figures.budgets.clone(),
            month_cost: figures.month_cost.clone(),
            sla: self.sla.read().clone(),
            request_availability: figures.request_availability.clone(),
            sessions_open: status.sessions_open,
            sinks: sinks::gauges(&status.sinks),
            ledger_rows: status.rows,
            ledger_size: self.folder.as_deref().map_or(0, crate::ledger::size_on_disk),
            content: status.content.map(|(counts, size)| ContentGauges {
                conversations: counts.conversations,
                logged_bytes: counts.logged_bytes,
                stored_bytes: counts.stored_bytes,
                erased: counts.erased,
                redactions: counts.redactions,
                size,
            }),
            last_commit: status.last_commit,
            jobs,
            price_table: in_force.price_table,
            reload_successful: in_force.reload_successful,
            reload_time: in_force.reload_time,
            process_cpu_micros: process.cpu_micros,
            process_open_fds: process.open_fds,
            process_max_fds: process.max_fds,
            process_virtual: process.virtual_bytes,
            process_resident: process.resident_bytes,
            process_start: self.started,
        }
    }
}

impl App for Sidecar {
    fn metrics(&self) -> Result<String, Unavailable> {
        if self.is_reading_history() {
            let lag: u64 = self.reader.lock().sources.iter().map(|source| source.bytes).sum();
            let why = format!(
                "the log's history is being read for the first time, {lag} bytes are left; metrics follow so that history is no spike"
            );
            return Err(Unavailable(why));
        }
        meter::encode(&self.meter, self.gauges(), self.clock.instant())
            .map_err(|error| Unavailable(format!("the page cannot be written: {error}")))
    }

    fn ready(&self) -> Result<(), String> {
        self.writer.failure().map_or(Ok(()), Err)
    }

    fn reload(&self) -> Result<String, String> {
        let reloader = self.reloader.read().clone();
        reloader.map_or_else(|| Err("the sidecar is still starting".to_owned()), |reloader| reloader.reload())
    }

    fn instance(&self) -> Instance {
        let now = self.clock.now();
        let in_force = self.in_force.read();
        Instance {
            folder: self.folder.clone(),
            clock: self.clock.clone(),
            now,
            // Before the first commit of this run, everything that was committed ever is in the answer.
            as_of: self.writer.last_commit().unwrap_or(now),
            zone: self.zone.clone(),
            privacy: Arc::clone(&self.privacy),
            dimensions: in_force.dimensions.clone(),
            several_gateways: self.reader.lock().sources.len() > 1,
            prices: Arc::clone(&in_force.prices),
            rates: in_force.rates.clone(),
            total_currency: in_force.total_currency,
            budgets: in_force.budgets.clone(),
            answer_within: in_force.answer_within,
            trace_url: self.trace_url.clone(),
            traces: in_force.traces,
            capture: in_force.capture.clone(),
            content_key: self.content_key.clone(),
        }
    }

    fn status(&self) -> web::api::Status {
        let status = self.writer.status();
        let mut sources = self.sources(&status);
        let lags = self.reader.lock().sources.clone();
        let in_force = self.in_force.read();
        web::api::Status {
            version: env!("CARGO_PKG_VERSION"),
            started: self.started,
            failure: status.failure.clone(),
            sources: lags
                .into_iter()
                .map(|lag| {
                    let source = sources.remove(&lag.name).unwrap_or_default();
                    SourceStatus {
                        name: lag.name,
                        path: lag.path,
                        files: lag.files,
                        error: lag.error,
                        lag_bytes: source.lag_bytes,
                        catching_up: source.catching_up,
                        counts: source.counts,
                    }
                })
                .collect(),
            sinks: sinks::gauges(&status.sinks),
            jobs: status.jobs,
            size: self.folder.as_deref().map_or(0, crate::ledger::size_on_disk),
            rows: status.rows,
            last_commit: status.last_commit,
            sessions_open: status.sessions_open,
            targets: self.sla.read().clone(),
            reload_time: in_force.reload_time,
            reload_successful: in_force.reload_successful,
        }
    }

    fn delete_before(&self, before: Micros, by: &str) -> Result<(u64, u64), String> {
        self.ready()?;
        let deleted = self.writer.delete_before(before, by).map_err(|error| error.to_string())?;
        Ok((deleted.requests, deleted.left))
    }

    fn erase(&self, scope: Scope, by: &str) -> Result<Erasure, String> {
        self.ready()?;
        self.writer.erase(scope, by).map_err(|error| error.to_string())
    }

    fn note(&self, target: &str, outage: u64, text: &str) -> Result<bool, String> {
        self.ready()?;
        self.writer.add_note(target, outage, text).map_err(|error| error.to_string())
    }
}
