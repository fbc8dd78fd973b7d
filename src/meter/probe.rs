//! Looks at targets become series, and a month's figures become gauges.
//!
//! What is counted is kept by the ledger with the target's tracker, in the transaction of the look: the meter is handed
//! what is on disk and shows it. The `sla_*` gauges are handed in with the page.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::catalogue::Id;
use super::histogram::{Bounds, Histogram};
use super::page::{Samples, float, seconds};
use super::series::Amounts;
use super::store::Meter;
use crate::record::{Cost, Failure, Micros, Tokens};
use crate::sla::State;

/// Names of the phases of a look, in their order.
pub const PHASES: [&str; 5] = ["resolve", "connect", "tls", "processing", "transfer"];

/// The state of a target whose maintenance was announced in time.
pub const MAINTENANCE: &str = "maintenance";

/// What is counted of one target.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProbeCounts {
    probes: u64,
    failures: BTreeMap<Failure, u64>,
    duration: Histogram,
    /// Under which the histogram was counted.
    bounds: Vec<f64>,
    /// What its completions used; `None` for a target that asks for none.
    spent: Option<Spent>,
}

/// What completions that were looks used: no part of the counters of requests.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Spent {
    input: u64,
    output: u64,
    unpriced: u64,
    usage_missing: u64,
    cost: Amounts,
}

impl ProbeCounts {
    /// Adds one look that took so many microseconds.
    pub fn observe(&mut self, bounds: &Bounds, failure: Option<Failure>, duration_micros: u64) {
        self.rebucket(bounds);
        self.probes = self.probes.saturating_add(1);
        if let Some(reason) = failure {
            let count = self.failures.entry(reason).or_default();
            *count = count.saturating_add(1);
        }
        let nanos = i64::try_from(duration_micros.saturating_mul(1_000)).unwrap_or(i64::MAX);
        self.duration.observe(bounds, nanos, None);
    }

    /// From now on there are counters of what completions use, which begin at 0.
    pub fn spends(&mut self) {
        self.spent.get_or_insert_default();
    }

    /// Adds what one completion used, `None` where its endpoint did not tell; and its cost, `None` where unpriced.
    pub fn spend(&mut self, tokens: Option<&Tokens>, cost: Option<Cost>) {
        let spent = self.spent.get_or_insert_default();
        let Some(tokens) = tokens else {
            spent.usage_missing = spent.usage_missing.saturating_add(1);
            return;
        };
        spent.input = spent.input.saturating_add(tokens.input());
        spent.output = spent.output.saturating_add(tokens.output());
        match cost {
            Some(cost) => drop(spent.cost.add(cost.currency, cost.nanos.into())),
            None => spent.unpriced = spent.unpriced.saturating_add(tokens.total()),
        }
    }

    /// Brings the histogram to the bounds in force.
    pub fn rebucket(&mut self, bounds: &Bounds) {
        if self.bounds != bounds.seconds() {
            self.duration.rebucket(&self.bounds, bounds);
            self.bounds = bounds.seconds().to_vec();
        }
    }

    /// All looks.
    #[must_use]
    pub fn probes(&self) -> u64 {
        self.probes
    }
}

/// What the latest look at a target gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Whether it succeeded.
    pub success: bool,
    /// Length of each of [`PHASES`] in microseconds, where it was reached.
    pub phases: [Option<u64>; PHASES.len()],
    /// Status of the answer.
    pub status_code: Option<u16>,
    /// When the certificate expires.
    pub tls_expiry: Option<Micros>,
}

/// One target on the page.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TargetSeries {
    /// What was counted.
    pub counts: ProbeCounts,
    /// Outages so far.
    pub outages: u64,
    /// Down time so far in microseconds.
    pub down_micros: i64,
    /// 0 after three failures in a row, 1 after two successes; `None` before either.
    pub up: Option<bool>,
    /// Failures in a row.
    pub consecutive_failures: u32,
    /// The latest look of this process.
    pub look: Option<Look>,
}

/// A target's calendar month so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SlaGauges {
    /// Its name.
    pub target: String,
    /// The share that was promised.
    pub objective: Option<f64>,
    /// The share that it was up; absent without data, as all below.
    pub availability: Option<f64>,
    /// The same with unknown time as down.
    pub strict: Option<f64>,
    /// The share of the time that is known.
    pub coverage: Option<f64>,
    /// The error budget of the month, and what is left of it, in seconds.
    pub budget: Option<(f64, f64)>,
    /// What it is now: a label of [`State`], or [`MAINTENANCE`].
    pub state: &'static str,
}

/// Lines that one target takes: counters, a histogram, gauges.
fn lines(bounds: &Bounds) -> usize {
    bounds.seconds().len() + Failure::ALL.len() + PHASES.len() + State::ALL.len() + 26
}

impl Meter {
    /// Bounds of the duration of looks.
    #[must_use]
    pub fn probe_bounds(&self) -> &Bounds {
        &self.probe_bounds
    }

    /// Shows these targets and no others.
    pub fn set_targets(&mut self, targets: BTreeMap<String, TargetSeries>) {
        let before = std::mem::replace(&mut self.targets, targets);
        for (name, target) in &mut self.targets {
            target.look = target.look.take().or_else(|| before.get(name).and_then(|target| target.look.clone()));
        }
    }

    /// Shows what a look at a target has changed, if the target is shown at all.
    pub fn observe_target(&mut self, name: &str, target: TargetSeries) {
        if let Some(shown) = self.targets.get_mut(name) {
            *shown = target;
        }
    }

    /// Lines that all of them take.
    pub(super) fn target_lines(&self) -> usize {
        self.targets.len().saturating_mul(lines(&self.probe_bounds))
    }
}

impl Samples<'_> {
    /// The samples of one metric of targets.
    pub(super) fn targets(&mut self, id: Id) -> fmt::Result {
        let (meter, gauges) = (self.meter, &self.page.gauges);
        let truth = |value: bool| f64::from(u8::from(value));
        for (name, target) in &meter.targets {
            let look = target.look.as_ref();
            let gauge = match id {
                Id::ProbeSuccess => look.map(|look| truth(look.success)),
                Id::ProbeStatus => look.and_then(|look| look.status_code).map(f64::from),
                Id::ProbeTlsExpiry => look.and_then(|look| look.tls_expiry).map(seconds),
                Id::ProbeConsecutiveFailures => look.map(|_| f64::from(target.consecutive_failures)),
                Id::TargetUp => target.up.map(truth),
                _ => None,
            };
            if let Some(value) = gauge {
                self.gauge([name], value)?;
            }
            let spent = target.counts.spent.as_ref();
            let count = match id {
                Id::ProbeInputTokens => spent.map(|spent| spent.input),
                Id::ProbeOutputTokens => spent.map(|spent| spent.output),
                Id::ProbeUnpricedTokens => spent.map(|spent| spent.unpriced),
                Id::ProbeUsageMissing => spent.map(|spent| spent.usage_missing),
                _ => None,
            };
            if let Some(count) = count {
                self.counter([name], count)?;
            }
            match id {
                Id::Probes => self.counter([name], target.counts.probes)?,
                Id::ProbeFailures => {
                    for reason in Failure::ALL {
                        let count = target.counts.failures.get(reason).copied().unwrap_or(0);
                        self.counter([name, reason.label()], count)?;
                    }
                }
                Id::ProbeCost => {
                    for (currency, nanos) in target.counts.spent.iter().flat_map(|spent| &spent.cost.0) {
                        self.cost_counter([name, currency.as_str()], *nanos)?;
                    }
                }
                Id::Outages => self.counter([name], target.outages)?,
                Id::OutageSeconds => self.seconds_counter([name], target.down_micros)?,
                Id::ProbeDuration => self.histogram([name], &meter.probe_bounds, &target.counts.duration)?,
                Id::ProbePhase => {
                    let phases = look.map(|look| look.phases).unwrap_or_default();
                    for (phase, micros) in PHASES.iter().zip(phases) {
                        if let Some(micros) = micros {
                            self.gauge([name, phase], float(micros) / 1e6)?;
                        }
                    }
                }
                _ => {}
            }
        }
        for sla in &gauges.sla {
            let value = match id {
                Id::SlaObjective => sla.objective,
                Id::SlaAvailability => sla.availability,
                Id::SlaAvailabilityStrict => sla.strict,
                Id::SlaCoverage => sla.coverage,
                Id::SlaBudget => sla.budget.map(|(total, _)| total),
                Id::SlaBudgetRemaining => sla.budget.map(|(_, left)| left),
                _ => None,
            };
            if let Some(value) = value {
                self.gauge([&sla.target], value)?;
            }
            if id == Id::SlaState {
                for state in State::ALL.iter().map(|state| state.label()).chain([MAINTENANCE]) {
                    self.gauge([&sla.target, state], truth(state == sla.state))?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_bounds_keep_the_count_of_looks() {
        let (old, new) = (Bounds::new(&[0.1, 1.0]), Bounds::new(&[0.5, 5.0]));
        let mut counts = ProbeCounts::default();
        counts.observe(&old, None, 50_000);
        counts.observe(&old, Some(Failure::Timeout), 2_000_000);
        let stored = serde_json::to_string(&counts).unwrap();
        let mut counts: ProbeCounts = serde_json::from_str(&stored).unwrap();
        counts.observe(&new, Some(Failure::Timeout), 400_000);
        assert_eq!((counts.probes(), counts.failures.get(&Failure::Timeout)), (3, Some(&2)));
        let buckets: Vec<u64> = counts.duration.buckets(&new).iter().map(|(_, count)| *count).collect();
        assert_eq!(buckets, [2, 0, 1]);
    }
}
