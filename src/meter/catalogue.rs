//! The one table of metrics: name, type, unit, labels, help. Everything that names a metric is generated from it or
//! checked against it.

use prometheus_client::metrics::MetricType;
use serde::Serialize;

/// Prefix of every metric but `process_*`.
pub const PREFIX: &str = "tokentail_";

/// The labels of a request, in order.
pub const REQUEST_LABELS: [&str; 5] = ["gateway", "route", "provider", "model", "consumer"];

/// What kind of metric it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Buckets, sum and count.
    Histogram,
    /// A constant 1 with facts as labels.
    Info,
}

impl Kind {
    /// The type that the encoder knows.
    #[must_use]
    pub fn metric_type(self) -> MetricType {
        match self {
            Kind::Counter => MetricType::Counter,
            Kind::Gauge => MetricType::Gauge,
            Kind::Histogram => MetricType::Histogram,
            Kind::Info => MetricType::Info,
        }
    }

    /// The name that users see.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
            Kind::Info => "info",
        }
    }
}

/// One metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Metric {
    /// Full name as it is scraped and queried: with prefix, unit and `_total` or `_info`.
    pub name: &'static str,
    /// Type.
    pub kind: Kind,
    /// Base unit; empty for counts.
    pub unit: &'static str,
    /// Label names in order, without `le`.
    pub labels: &'static [&'static str],
    /// Help, one sentence.
    pub help: &'static str,
}

impl Metric {
    /// The name of the metric family, which is what `# HELP` and `# TYPE` lines of OpenMetrics carry.
    #[must_use]
    pub fn family(&self) -> &'static str {
        match self.kind {
            Kind::Counter => self.name.strip_suffix("_total").unwrap_or(self.name),
            Kind::Info => self.name.strip_suffix("_info").unwrap_or(self.name),
            Kind::Gauge | Kind::Histogram => self.name,
        }
    }

    /// The name without the prefix, as the configuration and `series_folded_total` name it.
    #[must_use]
    pub fn short_name(&self) -> &'static str {
        self.name.strip_prefix(PREFIX).unwrap_or(self.name)
    }
}

macro_rules! catalogue {
    ($($id:ident: $kind:ident $name:literal [$($label:literal),*] $unit:literal, $help:literal;)+) => {
        /// Names a metric of the catalogue in code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Id { $(#[doc = $help] $id,)+ }
        /// All metrics, in the order of the page.
        pub const CATALOGUE: &[Metric] = &[$(
            Metric { name: $name, kind: Kind::$kind, unit: $unit, labels: &[$($label),*], help: $help },
        )+];
        impl Id {
            /// All ids, in the order of [`CATALOGUE`].
            pub const ALL: &'static [Id] = &[$(Id::$id,)+];
            /// Its row.
            #[must_use]
            pub fn metric(self) -> &'static Metric {
                match self { $(Id::$id => {
                    const METRIC: Metric =
                        Metric { name: $name, kind: Kind::$kind, unit: $unit, labels: &[$($label),*], help: $help };
                    &METRIC
                })+ }
            }
        }
    };
}

catalogue! {
    Requests: Counter "tokentail_requests_total" ["gateway", "route", "provider", "model", "consumer", "code"] "",
        "Requests by HTTP status.";
    RequestErrors: Counter "tokentail_request_errors_total" ["gateway", "route", "provider", "model", "consumer", "reason"] "",
        "Failed requests by reason.";
    RequestDuration: Histogram "tokentail_request_duration_seconds" ["gateway", "route", "provider", "model"] "seconds",
        "Start to end of successful requests.";
    TimeToFirstToken: Histogram "tokentail_time_to_first_token_seconds" ["gateway", "route", "provider", "model"] "seconds",
        "Start to first token of successful streams.";
    TimePerOutputToken: Histogram "tokentail_time_per_output_token_seconds" ["gateway", "route", "provider", "model"] "seconds",
        "Duration after the first token, divided by output tokens less one, of successful streams.";
    InputTokens: Counter "tokentail_input_tokens_total" ["gateway", "route", "provider", "model", "consumer"] "",
        "Input tokens, cache reads and writes included.";
    OutputTokens: Counter "tokentail_output_tokens_total" ["gateway", "route", "provider", "model", "consumer"] "",
        "Output tokens, reasoning included.";
    CacheReadTokens: Counter "tokentail_cache_read_input_tokens_total" ["gateway", "route", "provider", "model", "consumer"] "",
        "Input tokens read from the provider's cache; part of the input tokens.";
    CacheWriteTokens: Counter "tokentail_cache_write_input_tokens_total" ["gateway", "route", "provider", "model", "consumer"] "",
        "Input tokens written to the provider's cache; part of the input tokens.";
    ReasoningTokens: Counter "tokentail_reasoning_output_tokens_total" ["gateway", "route", "provider", "model", "consumer"] "",
        "Output tokens spent on reasoning; part of the output tokens.";
    Cost: Counter "tokentail_cost_total" ["gateway", "route", "provider", "model", "consumer", "currency"] "",
        "Cost in units of its currency, as priced when the request was read.";
    CacheSavings: Counter "tokentail_cache_savings_total" ["gateway", "provider", "model", "currency"] "",
        "What cache reads would have cost as uncached input, less what they did cost.";
    ExchangeRate: Gauge "tokentail_exchange_rate" ["from", "to"] "",
        "Configured exchange rate in force: one unit of from in units of to.";
    UnpricedRequests: Counter "tokentail_unpriced_requests_total" ["gateway", "provider", "model"] "",
        "Requests with tokens whose model has no price row.";
    UnpricedTokens: Counter "tokentail_unpriced_tokens_total" ["gateway", "provider", "model"] "",
        "Tokens of requests whose model has no price row.";
    UsageMissing: Counter "tokentail_usage_missing_requests_total" ["gateway", "route", "provider", "model"] "",
        "Requests whose token usage should be in the log and is not.";
    ToolCalls: Counter "tokentail_tool_calls_total" ["gateway", "model", "tool"] "",
        "Tool calls in answers.";
    Anomalies: Counter "tokentail_anomalous_requests_total" ["gateway", "reason"] "",
        "Requests that count, but whose line was odd.";
    BudgetLimit: Gauge "tokentail_budget_limit" ["budget", "unit", "period"] "",
        "Limit of a configured budget.";
    BudgetUsed: Gauge "tokentail_budget_used" ["budget", "unit", "period"] "",
        "What the present period has used of a budget.";
    MonthCost: Gauge "tokentail_month_cost" ["gateway", "currency"] "",
        "Cost of the present calendar month, from the ledger.";
    MonthCostForecast: Gauge "tokentail_month_cost_forecast" ["gateway", "currency"] "",
        "Cost at the end of the month: so far, and for each day left the mean of its weekday; not on the first day.";
    SessionsStarted: Counter "tokentail_sessions_started_total" ["gateway"] "",
        "Parts of sessions that have begun.";
    SessionsEnded: Counter "tokentail_sessions_ended_total" ["gateway", "reason"] "",
        "Parts of sessions that have closed, by reason.";
    SessionsReopened: Counter "tokentail_sessions_reopened_total" ["gateway"] "",
        "Closed parts of sessions that a late request has opened again.";
    SessionsOpen: Gauge "tokentail_sessions_open" ["gateway"] "",
        "Sessions that are open now.";
    SessionDuration: Histogram "tokentail_session_duration_seconds" ["gateway"] "seconds",
        "First start to last end of a part of a session, measured when it closes for the first time.";
    SessionTurns: Histogram "tokentail_session_turns" ["gateway"] "",
        "Turns of a part of a session, measured when it closes for the first time.";
    SessionSeconds: Counter "tokentail_session_seconds_total" ["gateway", "consumer"] "seconds",
        "Time of use: duration of closed parts of sessions.";
    ProbeSuccess: Gauge "tokentail_probe_success" ["target"] "",
        "1 if the latest look at the target succeeded.";
    ProbePhase: Gauge "tokentail_probe_phase_duration_seconds" ["target", "phase"] "seconds",
        "Length of each phase of the latest look, where it was reached.";
    ProbeStatus: Gauge "tokentail_probe_http_status_code" ["target"] "",
        "HTTP status of the latest look, where there was an answer.";
    ProbeConsecutiveFailures: Gauge "tokentail_probe_consecutive_failures" ["target"] "",
        "Failed looks in a row up to the latest.";
    ProbeTlsExpiry: Gauge "tokentail_probe_tls_expiry_timestamp_seconds" ["target"] "seconds",
        "When the target's certificate expires.";
    ProbeDuration: Histogram "tokentail_probe_duration_seconds" ["target"] "seconds",
        "Duration of looks, failed ones included.";
    Probes: Counter "tokentail_probes_total" ["target"] "",
        "Looks at the target.";
    ProbeFailures: Counter "tokentail_probe_failures_total" ["target", "reason"] "",
        "Failed looks by reason.";
    ProbeCost: Counter "tokentail_probe_cost_total" ["target", "currency"] "",
        "Cost of completions that were looks at the target; no part of the cost of requests.";
    ProbeInputTokens: Counter "tokentail_probe_input_tokens_total" ["target"] "",
        "Input tokens of completions that were looks; no part of the tokens of requests.";
    ProbeOutputTokens: Counter "tokentail_probe_output_tokens_total" ["target"] "",
        "Output tokens of completions that were looks; no part of the tokens of requests.";
    ProbeUnpricedTokens: Counter "tokentail_probe_unpriced_tokens_total" ["target"] "",
        "Tokens of completions that were looks whose model has no price row.";
    ProbeUsageMissing: Counter "tokentail_probe_usage_missing_total" ["target"] "",
        "Completions that were looks whose endpoint told no usage, so that their cost is not known.";
    Outages: Counter "tokentail_outages_total" ["target"] "",
        "Outages: three failures in a row, up to two successes in a row.";
    OutageSeconds: Counter "tokentail_outage_seconds_total" ["target"] "seconds",
        "Time in outages as far as it is settled, maintenance included.";
    TargetUp: Gauge "tokentail_target_up" ["target"] "",
        "0 after three failures in a row, 1 after two successes in a row.";
    SlaObjective: Gauge "tokentail_sla_objective_ratio" ["target"] "",
        "Availability promised for this calendar month.";
    SlaAvailability: Gauge "tokentail_sla_availability_ratio" ["target"] "",
        "Up over up and down in this calendar month so far.";
    SlaAvailabilityStrict: Gauge "tokentail_sla_availability_strict_ratio" ["target"] "",
        "Availability of this calendar month so far with unknown time counted as down.";
    SlaCoverage: Gauge "tokentail_sla_coverage_ratio" ["target"] "",
        "Share of this calendar month so far, less maintenance, in which the state is known.";
    SlaBudget: Gauge "tokentail_sla_error_budget_seconds" ["target"] "seconds",
        "Time that the target may be down in this calendar month.";
    SlaBudgetRemaining: Gauge "tokentail_sla_error_budget_remaining_seconds" ["target"] "seconds",
        "What is left of the error budget of this calendar month; negative where more was used.";
    SlaState: Gauge "tokentail_sla_state" ["target", "state"] "",
        "1 for what the target is now: up, down, maintenance or unknown; 0 for the others.";
    SlaRequestAvailability: Gauge "tokentail_sla_request_availability_ratio" ["gateway"] "",
        "Share of the requests of this calendar month that did not fail, without client errors, rate limits and disconnects.";
    LogLines: Counter "tokentail_log_lines_total" ["source"] "",
        "Logical lines read.";
    LogBytes: Counter "tokentail_log_bytes_total" ["source"] "",
        "Bytes of log read.";
    LogSkipped: Counter "tokentail_log_skipped_records_total" ["source", "reason"] "",
        "Records that are fine but tell of no request.";
    LogRejected: Counter "tokentail_log_rejected_records_total" ["source", "reason"] "",
        "Records that cannot be used.";
    LogRotations: Counter "tokentail_log_rotations_total" ["source", "kind"] "",
        "Rotations of the log that were followed.";
    LogLostBytes: Counter "tokentail_log_lost_bytes_total" ["source"] "",
        "Bytes known to have existed that could not be read; a lower bound.";
    Duplicates: Counter "tokentail_duplicate_requests_total" ["source"] "",
        "Records that repeat a request and were not counted again.";
    LogLag: Gauge "tokentail_log_lag_bytes" ["source"] "bytes",
        "Bytes of log not read yet.";
    CatchingUp: Gauge "tokentail_log_catching_up" ["source"] "",
        "1 while reading is more than 60 s behind the log.";
    LastRecord: Gauge "tokentail_log_last_record_timestamp_seconds" ["source"] "seconds",
        "Start of the latest request read.";
    CommitDuration: Histogram "tokentail_ledger_commit_duration_seconds" [] "seconds",
        "Duration of a ledger commit.";
    LedgerRows: Counter "tokentail_ledger_rows_total" [] "",
        "Rows ever written to the ledger.";
    CommitFailures: Counter "tokentail_ledger_commit_failures_total" [] "",
        "Ledger commits that failed and were tried again.";
    LedgerSize: Gauge "tokentail_ledger_size_bytes" [] "bytes",
        "Size of the ledger on disk.";
    ContentConversations: Counter "tokentail_content_conversations_total" [] "",
        "Conversations captured.";
    ContentLogged: Counter "tokentail_content_logged_bytes_total" [] "",
        "Bytes of text that the log had for captured conversations, repeated history included.";
    ContentStored: Counter "tokentail_content_stored_bytes_total" [] "",
        "Bytes that captured conversations were stored in, without what finds them.";
    ContentErased: Counter "tokentail_content_erased_conversations_total" [] "",
        "Captured conversations whose text somebody had erased; retention counts nowhere.";
    ContentRedactions: Counter "tokentail_content_redactions_total" ["pattern"] "",
        "Places of captured text that were blotted out.";
    ContentSize: Gauge "tokentail_content_size_bytes" [] "bytes",
        "Size of the captured conversations on disk, index included.";
    LastCommit: Gauge "tokentail_ledger_last_commit_timestamp_seconds" [] "seconds",
        "Time of the last successful commit.";
    JobSuccess: Gauge "tokentail_ledger_job_last_success_timestamp_seconds" ["task"] "seconds",
        "Time of the last success of a job of the ledger.";
    AlertNotifications: Counter "tokentail_alert_notifications_total" ["receiver", "outcome"] "",
        "Notifications of Alertmanager that the relay answered, by receiver and what came of them.";
    OtlpExported: Counter "tokentail_otlp_exported_spans_total" ["sink"] "",
        "Spans that the receiver has.";
    OtlpRejected: Counter "tokentail_otlp_rejected_spans_total" ["sink"] "",
        "Spans that the receiver did not want; they are not sent again.";
    OtlpExpired: Counter "tokentail_otlp_expired_spans_total" ["sink"] "",
        "Requests that the ledger's bound of size removed before they could be sent.";
    OtlpFailed: Counter "tokentail_otlp_failed_exports_total" ["sink", "reason"] "",
        "Exports that failed, by reason; their spans wait and are sent again, or count as rejected.";
    OtlpPending: Gauge "tokentail_otlp_pending_spans" ["sink"] "",
        "Spans that wait to be sent.";
    ClockSteps: Counter "tokentail_clock_steps_total" [] "",
        "Times that wall clock and monotonic clock parted by more than 1 s.";
    SeriesFolded: Counter "tokentail_series_folded_total" ["metric"] "",
        "Observations recorded under the value other because a bound of the exposition was reached.";
    PriceTable: Gauge "tokentail_price_table_timestamp_seconds" [] "seconds",
        "Date of the built-in price table.";
    ReloadSuccessful: Gauge "tokentail_config_last_reload_successful" [] "",
        "1 if the last reload of the configuration was accepted.";
    ReloadTime: Gauge "tokentail_config_last_reload_success_timestamp_seconds" [] "seconds",
        "Time of the last accepted configuration.";
    BuildInfo: Info "tokentail_build_info" ["version", "rustversion"] "",
        "Build of the running program.";
    ProcessCpu: Counter "process_cpu_seconds_total" [] "seconds",
        "User and system CPU time.";
    ProcessOpenFds: Gauge "process_open_fds" [] "",
        "Open file descriptors.";
    ProcessMaxFds: Gauge "process_max_fds" [] "",
        "Most file descriptors that may be open.";
    ProcessVirtual: Gauge "process_virtual_memory_bytes" [] "bytes",
        "Virtual memory size.";
    ProcessResident: Gauge "process_resident_memory_bytes" [] "bytes",
        "Resident memory size.";
    ProcessStart: Gauge "process_start_time_seconds" [] "seconds",
        "Start of the process.";
}

/// The catalogue as a Markdown table, as the README holds it.
#[must_use]
pub fn markdown() -> String {
    let mut text = String::from("| metric | type | labels | meaning |\n|---|---|---|---|\n");
    for metric in CATALOGUE {
        let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let labels = labels.join(", ");
        text.push_str(&format!("| `{}` | {} | {labels} | {} |\n", metric.name, metric.kind.label(), metric.help));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_conventions() {
        for metric in CATALOGUE {
            assert!(metric.name.starts_with(PREFIX) || metric.name.starts_with("process_"), "{}", metric.name);
            assert_eq!(metric.kind == Kind::Counter, metric.name.ends_with("_total"), "{}", metric.name);
            assert!(metric.help.ends_with('.') && !metric.help.contains(['\n', '\\', '"']), "{}", metric.name);
            if !metric.unit.is_empty() {
                assert!(metric.family().ends_with(metric.unit), "{} has no unit in its name", metric.name);
            }
            for banned in ["instance", "job", "service", "cluster", "env", "region", "owner", "customer", "type", "le"]
            {
                assert!(!metric.labels.contains(&banned), "{} has label {banned}", metric.name);
            }
        }
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = CATALOGUE.iter().map(|metric| metric.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), CATALOGUE.len());
    }
}
