//! Series and gauges become one OpenMetrics page, by prometheus-client's encoder.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeLabel, EncodeLabelSet, LabelSetEncoder, MetricEncoder, NoLabelSet, text,
};
use prometheus_client::registry::{Registry, Unit};

use super::catalogue::{Id, Metric};
use super::histogram::{Bounds, Histogram};
use super::series::{Entry, RequestLabels, RequestSeries};
use super::session::SessionSeries;
use super::source::SourceCounts;
use super::store::Meter;
use crate::record::{Currency, Micros, money};
use crate::wording::hex;

/// How long an exemplar is worth a look.
pub const EXEMPLAR_AGE_MICROS: i64 = 5 * 60 * 1_000_000;

/// What only the moment knows of one source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceGauges {
    /// Committed totals.
    pub counts: SourceCounts,
    /// Bytes not read yet.
    pub lag_bytes: u64,
    /// More than 60 s behind.
    pub catching_up: bool,
}

/// A budget with what is used of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BudgetState {
    /// Its name.
    pub name: String,
    /// `requests`, `tokens` or a currency.
    pub unit: String,
    /// `day` or `month`.
    pub period: &'static str,
    /// Limit in 10^-9 units.
    pub limit_nanos: i128,
    /// Used in 10^-9 units.
    pub used_nanos: i128,
}

/// What became of the spans of one sink, as committed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SinkGauges {
    /// Spans that the receiver has.
    pub exported: u64,
    /// Spans that it did not want.
    pub rejected: u64,
    /// Rows that were removed before they could be sent.
    pub expired: u64,
    /// Requests that failed, by reason.
    pub failed: Vec<(&'static str, u64)>,
    /// Spans that wait.
    pub pending: u64,
}

/// What was captured of conversations, as committed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContentGauges {
    /// Conversations.
    pub conversations: u64,
    /// Bytes of what the log had to say.
    pub logged_bytes: u64,
    /// Bytes of what was stored of it.
    pub stored_bytes: u64,
    /// Conversations that somebody had erased.
    pub erased: u64,
    /// Places that were blotted out, by the name of the pattern.
    pub redactions: BTreeMap<String, u64>,
    /// Bytes on disk.
    pub size: u64,
}

/// Everything on the page that is no fold over rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gauges {
    /// Wall time.
    pub now: Micros,
    /// By name of the source.
    pub sources: BTreeMap<String, SourceGauges>,
    /// Rates in force: from, to, 10^-9.
    pub rates: Vec<(Currency, Currency, i128)>,
    /// Budgets.
    pub budgets: Vec<BudgetState>,
    /// Gateway, currency, cost of the month so far and its forecast, in nano-units.
    pub month_cost: Vec<(String, Currency, i128, Option<i128>)>,
    /// The month of each target.
    pub sla: Vec<super::probe::SlaGauges>,
    /// Share of the month's judged requests that did not fail, by gateway.
    pub request_availability: Vec<(String, f64)>,
    /// Open sessions by gateway.
    pub sessions_open: BTreeMap<String, u64>,
    /// Sinks in use.
    pub sinks: BTreeMap<String, SinkGauges>,
    /// Rows ever written.
    pub ledger_rows: u64,
    /// Bytes on disk.
    pub ledger_size: u64,
    /// What was captured; `None` where nothing ever was.
    pub content: Option<ContentGauges>,
    /// Time of the last commit; `None` before the first.
    pub last_commit: Option<Micros>,
    /// Jobs of the ledger and when they last succeeded.
    pub jobs: BTreeMap<&'static str, Micros>,
    /// Date of the built-in price table.
    pub price_table: Micros,
    /// Whether the last reload was accepted.
    pub reload_successful: bool,
    /// Time of the last accepted configuration.
    pub reload_time: Micros,
    /// User and system time of this process in microseconds.
    pub process_cpu_micros: u64,
    /// Open file descriptors.
    pub process_open_fds: u64,
    /// Most file descriptors.
    pub process_max_fds: u64,
    /// Virtual memory in bytes.
    pub process_virtual: u64,
    /// Resident memory in bytes.
    pub process_resident: u64,
    /// Start of the process.
    pub process_start: Micros,
}

/// Writes the page in OpenMetrics 1.0 text. `now` is what new series are held against.
///
/// The meter is locked while the page is written.
///
/// # Errors
/// Never in practice: writing to a `String` does not fail.
pub fn encode(meter: &Arc<Mutex<Meter>>, gauges: Gauges, now: Instant) -> Result<String, fmt::Error> {
    let exemplars = Arc::new(Mutex::new(VecDeque::new()));
    let capacity = meter.lock().lines() * 160 + 16_384;
    let mut registry = Registry::default();
    let page = Page { meter: Arc::clone(meter), gauges, now, exemplars: Arc::clone(&exemplars) };
    registry.register_collector(Box::new(page));
    let mut writer = Writer { text: String::with_capacity(capacity), exemplars, line: 0 };
    text::encode(&mut writer, &registry)?;
    Ok(writer.text)
}

/// Exemplars waiting for their line: the number of lines still to pass, and the text to add.
type Pending = Arc<Mutex<VecDeque<(usize, String)>>>;

/// Adds exemplars at the end of their bucket's line.
///
/// The encoder takes exemplars only of its own histogram type, which cannot be restored from counts; so they are put
/// in where its line ends, which it always writes by itself.
struct Writer {
    text: String,
    exemplars: Pending,
    line: usize,
}

impl fmt::Write for Writer {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        if part == "\n" {
            let mut exemplars = self.exemplars.lock();
            match exemplars.front() {
                None => self.line = 0,
                Some((line, text)) if *line == self.line => {
                    self.text.push_str(text);
                    exemplars.pop_front();
                    self.line += 1;
                }
                Some(_) => self.line += 1,
            }
            if exemplars.is_empty() {
                self.line = 0;
            }
        }
        self.text.push_str(part);
        Ok(())
    }
}

/// Label names and values of one sample; empty values are left out, as Prometheus takes them for absent.
#[derive(Debug)]
struct Labels<'a, const N: usize>(&'a [&'static str], [&'a str; N], Dimensions<'a>);

/// Names and values of the dimensions that are labels.
type Dimensions<'a> = (&'a [String], &'a [String]);

const NO_DIMENSIONS: Dimensions<'static> = (&[], &[]);

impl<const N: usize> EncodeLabelSet for Labels<'_, N> {
    fn encode(&self, encoder: &mut LabelSetEncoder) -> Result<(), fmt::Error> {
        let Labels(names, values, (more_names, more_values)) = self;
        let fixed = names.iter().copied().zip(values.iter().copied());
        let more = more_names.iter().map(String::as_str).zip(more_values.iter().map(String::as_str));
        fixed
            .chain(more)
            .filter(|(_, value)| !value.is_empty())
            .try_for_each(|label| label.encode(encoder.encode_label()))
    }
}

pub(super) struct Page {
    meter: Arc<Mutex<Meter>>,
    pub(super) gauges: Gauges,
    now: Instant,
    exemplars: Pending,
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Page")
    }
}

impl Collector for Page {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let meter = self.meter.lock();
        for id in Id::ALL {
            let metric = id.metric();
            let (name, unit) = split_unit(metric);
            let family = encoder.encode_descriptor(name, metric.help, unit.as_ref(), metric.kind.metric_type())?;
            Samples { metric, family, page: self, meter: &meter }.encode(*id)?;
        }
        Ok(())
    }
}

/// The family's name without its unit, and the unit: the encoder puts them together again.
fn split_unit(metric: &Metric) -> (&'static str, Option<Unit>) {
    let unit = match metric.unit {
        "seconds" => Unit::Seconds,
        "bytes" => Unit::Bytes,
        _ => return (metric.family(), None),
    };
    match metric.family().strip_suffix(metric.unit).and_then(|name| name.strip_suffix('_')) {
        Some(name) => (name, Some(unit)),
        None => (metric.family(), None),
    }
}

/// The samples of one metric.
pub(super) struct Samples<'a> {
    metric: &'static Metric,
    family: MetricEncoder<'a>,
    pub(super) page: &'a Page,
    pub(super) meter: &'a Meter,
}

impl Samples<'_> {
    fn encode(mut self, id: Id) -> fmt::Result {
        let gauges = &self.page.gauges;
        match id {
            Id::Requests => self.codes(),
            Id::RequestErrors => self.errors(),
            Id::InputTokens => self.per_request(|series| series.input),
            Id::OutputTokens => self.per_request(|series| series.output),
            Id::CacheReadTokens => self.per_request(|series| series.cache_read),
            Id::CacheWriteTokens => self.per_request(|series| series.cache_write),
            Id::ReasoningTokens => self.per_request(|series| series.reasoning),
            Id::Cost => self.cost(),
            Id::RequestDuration => self.histograms(&self.meter.duration_bounds, |series| &series.duration),
            Id::TimeToFirstToken => self.histograms(&self.meter.first_token_bounds, |series| &series.first_token),
            Id::TimePerOutputToken => self.histograms(&self.meter.per_token_bounds, |series| &series.per_token),
            Id::UsageMissing => self.usage_missing(),
            Id::CacheSavings => self.savings(),
            Id::UnpricedRequests => self.unpriced(|series| series.unpriced_requests),
            Id::UnpricedTokens => self.unpriced(|series| series.unpriced_tokens),
            Id::ToolCalls => self.plain(&self.meter.tools.entries),
            Id::Anomalies => self.plain(&self.meter.anomalies.entries),
            Id::ExchangeRate => gauges
                .rates
                .iter()
                .try_for_each(|(from, to, nanos)| self.gauge([from.as_str(), to.as_str()], units(*nanos))),
            Id::BudgetLimit => gauges.budgets.iter().try_for_each(|budget| {
                self.gauge([&budget.name, &budget.unit, budget.period], units(budget.limit_nanos))
            }),
            Id::BudgetUsed => gauges.budgets.iter().try_for_each(|budget| {
                self.gauge([&budget.name, &budget.unit, budget.period], units(budget.used_nanos))
            }),
            Id::MonthCost => gauges
                .month_cost
                .iter()
                .try_for_each(|(gateway, currency, nanos, _)| self.gauge([gateway, currency.as_str()], units(*nanos))),
            Id::MonthCostForecast => gauges.month_cost.iter().try_for_each(|(gateway, currency, _, forecast)| {
                forecast.map_or(Ok(()), |nanos| self.gauge([gateway, currency.as_str()], units(nanos)))
            }),
            Id::SessionsStarted => self.per_gateway(|series| series.started),
            Id::SessionsReopened => self.per_gateway(|series| series.reopened),
            Id::SessionsEnded => self.sessions_ended(),
            Id::SessionsOpen => {
                gauges.sessions_open.iter().try_for_each(|(gateway, count)| self.gauge([gateway], float(*count)))
            }
            Id::SessionDuration => {
                self.session_histograms(&self.meter.sessions.duration_bounds, |series| &series.duration)
            }
            Id::SessionTurns => self.session_histograms(&self.meter.sessions.turn_bounds, |series| &series.turns),
            Id::SessionSeconds => self.session_seconds(),
            Id::ProbeSuccess
            | Id::ProbePhase
            | Id::ProbeStatus
            | Id::ProbeConsecutiveFailures
            | Id::ProbeTlsExpiry
            | Id::ProbeDuration
            | Id::Probes
            | Id::ProbeFailures
            | Id::ProbeCost
            | Id::ProbeInputTokens
            | Id::ProbeOutputTokens
            | Id::ProbeUnpricedTokens
            | Id::ProbeUsageMissing
            | Id::Outages
            | Id::OutageSeconds
            | Id::TargetUp
            | Id::SlaObjective
            | Id::SlaAvailability
            | Id::SlaAvailabilityStrict
            | Id::SlaCoverage
            | Id::SlaBudget
            | Id::SlaBudgetRemaining
            | Id::SlaState => self.targets(id),
            Id::SlaRequestAvailability => {
                gauges.request_availability.iter().try_for_each(|(gateway, ratio)| self.gauge([gateway], *ratio))
            }
            Id::LogLines => self.per_source(|source| source.counts.lines),
            Id::LogBytes => self.per_source(|source| source.counts.bytes),
            Id::LogLostBytes => self.per_source(|source| source.counts.lost_bytes),
            Id::Duplicates => self.per_source(|source| source.counts.duplicates),
            Id::LogSkipped => gauges.sources.iter().try_for_each(|(name, source)| {
                crate::record::Skip::ALL
                    .iter()
                    .zip(source.counts.skipped)
                    .try_for_each(|(reason, count)| self.counter([name, reason.label()], count))
            }),
            Id::LogRejected => gauges.sources.iter().try_for_each(|(name, source)| {
                crate::record::Reject::ALL
                    .iter()
                    .zip(source.counts.rejected)
                    .try_for_each(|(reason, count)| self.counter([name, reason.label()], count))
            }),
            Id::LogRotations => gauges.sources.iter().try_for_each(|(name, source)| {
                source.counts.rotations.iter().try_for_each(|(kind, count)| self.counter([name, kind], *count))
            }),
            Id::LogLag => self.source_gauge(|source| Some(float(source.lag_bytes))),
            Id::CatchingUp => self.source_gauge(|source| Some(f64::from(u8::from(source.catching_up)))),
            Id::LastRecord => {
                self.source_gauge(|source| (source.counts.last_record != 0).then(|| seconds(source.counts.last_record)))
            }
            Id::CommitDuration => {
                let (bounds, commits) = (&self.meter.commit_bounds, &self.meter.own.commits);
                self.family.encode_histogram::<NoLabelSet>(
                    commits.sum_seconds(),
                    commits.count(),
                    &commits.buckets(bounds),
                    None,
                )
            }
            Id::LedgerRows => self.counter([], gauges.ledger_rows),
            Id::CommitFailures => self.counter([], self.meter.commit_failures()),
            Id::LedgerSize => self.gauge([], float(gauges.ledger_size)),
            Id::LastCommit => gauges.last_commit.map_or(Ok(()), |at| self.gauge([], seconds(at))),
            Id::ContentConversations => self.content(|content| content.conversations),
            Id::ContentLogged => self.content(|content| content.logged_bytes),
            Id::ContentStored => self.content(|content| content.stored_bytes),
            Id::ContentErased => self.content(|content| content.erased),
            Id::ContentRedactions => gauges.content.iter().try_for_each(|content| {
                content.redactions.iter().try_for_each(|(pattern, count)| self.counter([pattern], *count))
            }),
            Id::ContentSize => gauges.content.iter().try_for_each(|content| self.gauge([], float(content.size))),
            Id::JobSuccess => gauges.jobs.iter().try_for_each(|(task, at)| self.gauge([task], seconds(*at))),
            // The relay is a process of its own and writes them on its own page.
            Id::AlertNotifications => Ok(()),
            Id::OtlpExported => self.per_sink(|sink| sink.exported),
            Id::OtlpRejected => self.per_sink(|sink| sink.rejected),
            Id::OtlpExpired => self.per_sink(|sink| sink.expired),
            Id::OtlpFailed => gauges.sinks.iter().try_for_each(|(name, sink)| {
                sink.failed.iter().try_for_each(|(reason, count)| self.counter([name, reason], *count))
            }),
            Id::OtlpPending => gauges.sinks.iter().try_for_each(|(name, sink)| self.gauge([name], float(sink.pending))),
            Id::ClockSteps => self.counter([], self.meter.own.clock_steps),
            Id::SeriesFolded => {
                let folded = self.meter.folded();
                folded.iter().try_for_each(|(metric, count)| self.counter([metric], *count))
            }
            Id::PriceTable => self.gauge([], seconds(gauges.price_table)),
            Id::ReloadSuccessful => self.gauge([], f64::from(u8::from(gauges.reload_successful))),
            Id::ReloadTime => self.gauge([], seconds(gauges.reload_time)),
            Id::BuildInfo => self.build_info(),
            Id::ProcessCpu => {
                #[expect(clippy::cast_precision_loss, reason = "metrics are floating-point on the wire")]
                let cpu = gauges.process_cpu_micros as f64 / 1e6;
                self.family.encode_counter::<NoLabelSet, f64, f64>(&cpu, None)
            }
            Id::ProcessOpenFds => self.gauge([], float(gauges.process_open_fds)),
            Id::ProcessMaxFds => self.gauge([], float(gauges.process_max_fds)),
            Id::ProcessVirtual => self.gauge([], float(gauges.process_virtual)),
            Id::ProcessResident => self.gauge([], float(gauges.process_resident)),
            Id::ProcessStart => self.gauge([], seconds(gauges.process_start)),
        }
    }

    /// A counter of captured conversations; absent where nothing ever was captured.
    fn content(&mut self, count: impl Fn(&ContentGauges) -> u64) -> fmt::Result {
        self.page.gauges.content.iter().try_for_each(|content| self.counter([], count(content)))
    }

    pub(super) fn counter<const N: usize>(&mut self, values: [&str; N], count: u64) -> fmt::Result {
        self.counter_of(values, NO_DIMENSIONS, count)
    }

    fn counter_of<const N: usize>(&mut self, values: [&str; N], dimensions: Dimensions<'_>, count: u64) -> fmt::Result {
        if N == 0 {
            return self.family.encode_counter::<NoLabelSet, u64, f64>(&count, None);
        }
        let labels = Labels(self.metric.labels, values, dimensions);
        self.family.encode_family(&labels)?.encode_counter::<NoLabelSet, u64, f64>(&count, None)
    }

    fn amount<const N: usize>(&mut self, values: [&str; N], dimensions: Dimensions<'_>, nanos: i128) -> fmt::Result {
        let labels = Labels(self.metric.labels, values, dimensions);
        self.family.encode_family(&labels)?.encode_counter::<NoLabelSet, f64, f64>(&units(nanos), None)
    }

    pub(super) fn cost_counter<const N: usize>(&mut self, values: [&str; N], nanos: i128) -> fmt::Result {
        self.amount(values, NO_DIMENSIONS, nanos)
    }

    pub(super) fn seconds_counter<const N: usize>(&mut self, values: [&str; N], micros: i64) -> fmt::Result {
        self.amount(values, NO_DIMENSIONS, i128::from(micros) * 1_000)
    }

    pub(super) fn histogram<const N: usize>(
        &mut self,
        values: [&str; N],
        bounds: &Bounds,
        histogram: &Histogram,
    ) -> fmt::Result {
        let labels = Labels(self.metric.labels, values, NO_DIMENSIONS);
        self.family.encode_family(&labels)?.encode_histogram::<NoLabelSet>(
            histogram.sum_seconds(),
            histogram.count(),
            &histogram.buckets(bounds),
            None,
        )
    }

    pub(super) fn gauge<const N: usize>(&mut self, values: [&str; N], value: f64) -> fmt::Result {
        if N == 0 {
            return self.family.encode_gauge(&value);
        }
        let labels = Labels(self.metric.labels, values, NO_DIMENSIONS);
        self.family.encode_family(&labels)?.encode_gauge(&value)
    }

    /// Whether a series is young enough to stand at 0 for now.
    fn held<L, V>(&self, entry: &Entry<L, V>) -> bool {
        self.meter.is_held(entry.born, self.page.now)
    }

    fn codes(&mut self) -> fmt::Result {
        let mut digits = String::new();
        for entry in &self.meter.requests.entries {
            let held = self.held(entry);
            let RequestLabels([gateway, route, provider, model, consumer], dimensions) = &entry.labels;
            let dimensions = (self.meter.config().dimension_labels.as_slice(), dimensions.as_slice());
            for (code, count) in &entry.value.codes {
                digits.clear();
                if *code != 0 {
                    write!(digits, "{code}")?;
                }
                let count = if held { 0 } else { *count };
                self.counter_of([gateway, route, provider, model, consumer, &digits], dimensions, count)?;
            }
        }
        Ok(())
    }

    fn errors(&mut self) -> fmt::Result {
        for entry in &self.meter.requests.entries {
            let held = self.held(entry);
            let RequestLabels([gateway, route, provider, model, consumer], dimensions) = &entry.labels;
            let dimensions = (self.meter.config().dimension_labels.as_slice(), dimensions.as_slice());
            for (reason, count) in &entry.value.errors {
                let count = if held { 0 } else { *count };
                self.counter_of(
                    [gateway, route, provider, model, consumer, RequestSeries::reason(*reason)],
                    dimensions,
                    count,
                )?;
            }
        }
        Ok(())
    }

    fn per_request(&mut self, value: impl Fn(&RequestSeries) -> u64) -> fmt::Result {
        for entry in &self.meter.requests.entries {
            let RequestLabels([gateway, route, provider, model, consumer], dimensions) = &entry.labels;
            let dimensions = (self.meter.config().dimension_labels.as_slice(), dimensions.as_slice());
            let count = if self.held(entry) { 0 } else { value(&entry.value) };
            self.counter_of([gateway, route, provider, model, consumer], dimensions, count)?;
        }
        Ok(())
    }

    fn cost(&mut self) -> fmt::Result {
        for entry in &self.meter.requests.entries {
            let held = self.held(entry);
            let RequestLabels([gateway, route, provider, model, consumer], dimensions) = &entry.labels;
            let dimensions = (self.meter.config().dimension_labels.as_slice(), dimensions.as_slice());
            for (currency, nanos) in &entry.value.cost.0 {
                let nanos = if held { 0 } else { *nanos };
                self.amount([gateway, route, provider, model, consumer, currency.as_str()], dimensions, nanos)?;
            }
        }
        Ok(())
    }

    fn savings(&mut self) -> fmt::Result {
        for entry in &self.meter.prices.entries {
            let held = self.held(entry);
            let [gateway, provider, model] = &entry.labels;
            for (currency, nanos) in &entry.value.savings.0 {
                let nanos = if held { 0 } else { *nanos };
                self.amount([gateway, provider, model, currency.as_str()], NO_DIMENSIONS, nanos)?;
            }
        }
        Ok(())
    }

    fn unpriced(&mut self, value: impl Fn(&super::series::PriceSeries) -> u64) -> fmt::Result {
        for entry in &self.meter.prices.entries {
            let [gateway, provider, model] = &entry.labels;
            let count = if self.held(entry) { 0 } else { value(&entry.value) };
            self.counter([gateway, provider, model], count)?;
        }
        Ok(())
    }

    fn usage_missing(&mut self) -> fmt::Result {
        for entry in &self.meter.models.entries {
            let [gateway, route, provider, model] = &entry.labels;
            let count = if self.held(entry) { 0 } else { entry.value.usage_missing };
            self.counter([gateway, route, provider, model], count)?;
        }
        Ok(())
    }

    fn plain<const N: usize>(&mut self, entries: &[Entry<[String; N], u64>]) -> fmt::Result {
        for entry in entries {
            let count = if self.held(entry) { 0 } else { entry.value };
            self.counter(entry.labels.each_ref().map(String::as_str), count)?;
        }
        Ok(())
    }

    fn per_gateway(&mut self, value: impl Fn(&SessionSeries) -> u64) -> fmt::Result {
        for entry in &self.meter.sessions.gateways.entries {
            let [gateway] = &entry.labels;
            let count = if self.held(entry) { 0 } else { value(&entry.value) };
            self.counter([gateway], count)?;
        }
        Ok(())
    }

    fn sessions_ended(&mut self) -> fmt::Result {
        for entry in &self.meter.sessions.gateways.entries {
            let ([gateway], held) = (&entry.labels, self.held(entry));
            for (reason, count) in &entry.value.ended {
                self.counter([gateway, reason], if held { 0 } else { *count })?;
            }
        }
        Ok(())
    }

    fn session_histograms(&mut self, bounds: &Bounds, value: impl Fn(&SessionSeries) -> &Histogram) -> fmt::Result {
        for entry in &self.meter.sessions.gateways.entries {
            let ([gateway], histogram) = (&entry.labels, value(&entry.value));
            let none = Histogram::default();
            let histogram = if self.held(entry) { &none } else { histogram };
            self.histogram([gateway], bounds, histogram)?;
        }
        Ok(())
    }

    fn session_seconds(&mut self) -> fmt::Result {
        for entry in &self.meter.sessions.seconds.entries {
            let [gateway, consumer] = &entry.labels;
            let micros = if self.held(entry) { 0 } else { entry.value };
            self.amount([gateway, consumer], NO_DIMENSIONS, i128::from(micros) * 1_000)?;
        }
        Ok(())
    }

    fn per_sink(&mut self, value: impl Fn(&SinkGauges) -> u64) -> fmt::Result {
        let page = self.page;
        page.gauges.sinks.iter().try_for_each(|(name, sink)| self.counter([name], value(sink)))
    }

    fn per_source(&mut self, value: impl Fn(&SourceGauges) -> u64) -> fmt::Result {
        let page = self.page;
        page.gauges.sources.iter().try_for_each(|(name, source)| self.counter([name], value(source)))
    }

    fn source_gauge(&mut self, value: impl Fn(&SourceGauges) -> Option<f64>) -> fmt::Result {
        let page = self.page;
        page.gauges
            .sources
            .iter()
            .try_for_each(|(name, source)| value(source).map_or(Ok(()), |value| self.gauge([name], value)))
    }

    fn histograms(
        &mut self,
        bounds: &Bounds,
        value: impl Fn(&super::series::ModelSeries) -> &Histogram,
    ) -> fmt::Result {
        let since = self.page.gauges.now.saturating_sub(EXEMPLAR_AGE_MICROS);
        for entry in &self.meter.models.entries {
            let histogram = value(&entry.value);
            if histogram.count() == 0 {
                continue;
            }
            let [gateway, route, provider, model] = &entry.labels;
            let labels = Labels(self.metric.labels, [gateway, route, provider, model], NO_DIMENSIONS);
            if self.held(entry) {
                let empty: Vec<_> = histogram.buckets(bounds).into_iter().map(|(bound, _)| (bound, 0)).collect();
                self.family.encode_family(&labels)?.encode_histogram::<NoLabelSet>(0.0, 0, &empty, None)?;
                continue;
            }
            // Two lines, sum and count, stand before the first bucket.
            self.page.exemplars.lock().extend(histogram.exemplars(since).map(|(bucket, exemplar)| {
                #[expect(clippy::cast_precision_loss, reason = "metrics are floating-point on the wire")]
                let value = exemplar.nanos as f64 / 1e9;
                let trace_id = hex(&exemplar.trace_id);
                (bucket + 2, format!(" # {{trace_id=\"{trace_id}\"}} {value:?} {}", seconds(exemplar.at)))
            }));
            self.histogram([gateway, route, provider, model], bounds, histogram)?;
        }
        Ok(())
    }

    fn build_info(&mut self) -> fmt::Result {
        let labels =
            Labels(self.metric.labels, [env!("CARGO_PKG_VERSION"), env!("CARGO_PKG_RUST_VERSION")], NO_DIMENSIONS);
        self.family.encode_info(&labels)
    }
}

/// Currency units of an amount in nano-units, to the nearest representable number.
#[expect(clippy::cast_precision_loss, reason = "metrics are floating-point on the wire")]
fn units(nanos: i128) -> f64 {
    nanos as f64 / money::NANOS as f64
}

#[expect(clippy::cast_precision_loss, reason = "metrics are floating-point on the wire")]
pub(super) fn seconds(micros: Micros) -> f64 {
    micros as f64 / 1e6
}

#[expect(clippy::cast_precision_loss, reason = "metrics are floating-point on the wire")]
pub(super) fn float(count: u64) -> f64 {
    count as f64
}
