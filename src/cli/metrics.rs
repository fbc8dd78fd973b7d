//! `tokentail metrics`: the catalogue and the closed lists of reasons.

use std::io::Write as _;

use clap::Args;
use serde_json::json;

use super::output::{self, Failure};
use crate::meter::CATALOGUE;
use crate::record::{Anomaly, ErrorReason, Failure as ProbeFailure, Reject, Skip};
use crate::relay::Outcome;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Name of a list, and label and meaning of its reasons.
type Reasons = (&'static str, Vec<(&'static str, &'static str)>);

/// The closed lists, by the metric and label that they are values of.
fn reasons() -> [Reasons; 6] {
    macro_rules! list {
        ($name:literal, $reasons:ty) => {
            ($name, <$reasons>::ALL.iter().map(|reason| (reason.label(), reason.meaning())).collect())
        };
    }
    [
        list!("tokentail_request_errors_total{reason}", ErrorReason),
        list!("tokentail_log_skipped_records_total{reason}", Skip),
        list!("tokentail_log_rejected_records_total{reason}", Reject),
        list!("tokentail_anomalous_requests_total{reason}", Anomaly),
        list!("tokentail_probe_failures_total{reason}", ProbeFailure),
        list!("tokentail_alert_notifications_total{outcome}", Outcome),
    ]
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    if arguments.json {
        let reasons: serde_json::Map<String, serde_json::Value> = reasons()
            .into_iter()
            .map(|(name, list)| {
                let list: Vec<_> =
                    list.iter().map(|(label, meaning)| json!({"label": label, "meaning": meaning})).collect();
                (name.to_owned(), list.into())
            })
            .collect();
        return output::json(&json!({"metrics": CATALOGUE, "reasons": reasons}));
    }
    let paint = output::Paint(output::wants_colour());
    let mut out = std::io::stdout().lock();
    for metric in CATALOGUE {
        let labels = if metric.labels.is_empty() { String::new() } else { format!("{{{}}}", metric.labels.join(", ")) };
        let unit = if metric.unit.is_empty() { String::new() } else { format!(", {}", metric.unit) };
        writeln!(out, "{}{labels}", paint.bold(metric.name))?;
        writeln!(out, "    {}{unit}: {}", metric.kind.label(), metric.help)?;
    }
    for (name, list) in reasons() {
        writeln!(out, "\n{}", paint.bold(name))?;
        for (label, meaning) in list {
            writeln!(out, "    {label:<20} {meaning}")?;
        }
    }
    Ok(())
}
