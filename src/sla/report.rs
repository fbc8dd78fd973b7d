//! A target's month, with everything that stands beside it, becomes the value of `report sla`. Draws no table.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::calendar::Month;
use super::figure::{Objective, Ratio, Span};
use super::level::{RequestCounts, Share};
use super::maintenance::{Standing, Windows, overlap};
use super::month::{Figures, InForce, Verdict};
use super::state::{Isolated, Outage, Segment, State};
use crate::record::{Failure, Micros, ProbeCost};

/// What a person wrote about an outage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Note {
    /// The outage's number.
    pub outage: u64,
    /// When it was written.
    #[serde(serialize_with = "moment")]
    pub at: Micros,
    /// What was written.
    pub text: String,
}

/// What a report is built from. Lists may hold more than the month.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// The target's name.
    pub target: &'a str,
    /// The month.
    pub month: &'a Month,
    /// The name of the month's zone.
    pub timezone: &'a str,
    /// The moment of the report.
    pub now: Micros,
    /// Settled segments and [`super::Tracker::provisional`] ones.
    pub segments: &'a [Segment],
    /// Outages, with the one that lasts.
    pub outages: &'a [Outage],
    /// Failures that were no outage.
    pub isolated: &'a [Isolated],
    /// Windows of all targets.
    pub windows: &'a Windows,
    /// Objectives of the target.
    pub objectives: &'a [InForce],
    /// Notes on the target's outages.
    pub notes: &'a [Note],
    /// The level: how soon an answer has to start.
    pub answer_within: Span,
    /// Probes of the month within it.
    pub probes: Share,
    /// What the target's looks that were completions used and cost in the month.
    pub costs: &'a [ProbeCost],
    /// Requests of the month within it, by gateway.
    pub requests: &'a [(String, RequestCounts, Share)],
}

/// One outage as a report tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OutageLine {
    /// Counts the target's outages from 1.
    pub number: u64,
    /// The first failure.
    #[serde(serialize_with = "moment")]
    pub start: Micros,
    /// The first success of two in a row; absent while it lasts.
    #[serde(serialize_with = "optional_moment")]
    pub end: Option<Micros>,
    /// Start to end, or to now, over month ends and unknown time.
    #[serde(rename = "duration_seconds")]
    pub duration: Span,
    /// The part that counts in this month: observed as down, maintenance left out.
    #[serde(rename = "counted_seconds")]
    pub counted: Span,
    /// First failure to first success; absent while it lasts.
    #[serde(rename = "recovery_seconds")]
    pub recovery: Option<Span>,
    /// The time just before the end is unknown: it may have ended earlier.
    pub end_unobserved: bool,
    /// The most frequent reason.
    pub cause: Failure,
    /// Failed probes by reason.
    pub failures: BTreeMap<Failure, u64>,
    /// The notes on it, in the order given.
    pub notes: Vec<Note>,
}

/// One failed probe that was no outage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct IsolatedLine {
    /// The probe's start.
    #[serde(serialize_with = "moment")]
    pub at: Micros,
    /// Why it failed.
    pub reason: Failure,
}

/// One window that touches the month.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WindowLine {
    /// Its first moment.
    #[serde(serialize_with = "moment")]
    pub from: Micros,
    /// The moment after its last.
    #[serde(serialize_with = "moment")]
    pub to: Micros,
    /// Why.
    pub reason: String,
    /// When it was first loaded.
    #[serde(serialize_with = "moment")]
    pub announced: Micros,
    /// When it was withdrawn.
    #[serde(serialize_with = "optional_moment")]
    pub withdrawn: Option<Micros>,
    /// Whether it is deducted.
    pub standing: Standing,
}

/// A share of answers within the level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ShareLine {
    /// Answers within.
    pub within: u64,
    /// Answers judged.
    pub total: u64,
    /// The share; absent without answers.
    pub ratio: Option<Ratio>,
    /// Met from 95 % on.
    pub verdict: Verdict,
}

/// The request-based figures of one gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GatewayLine {
    /// Its name.
    pub gateway: String,
    /// All requests.
    pub requests: u64,
    /// Requests that are judged.
    pub judged: u64,
    /// Of those, failed ones.
    pub failed: u64,
    /// The share that did not fail.
    pub availability: Option<Ratio>,
    /// Whether under 0.5 % failed.
    pub verdict: Verdict,
    /// First tokens within the level.
    pub answers: ShareLine,
}

/// An objective that was in force in the month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ObjectiveLine {
    /// From when; may be before the month.
    #[serde(serialize_with = "moment")]
    pub since: Micros,
    /// What was promised.
    pub objective: Objective,
}

/// A target's month.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The target.
    pub target: String,
    /// Such as `2026-11`.
    pub month: String,
    /// Its zone.
    pub timezone: String,
    /// The month's first moment.
    #[serde(serialize_with = "moment")]
    pub from: Micros,
    /// The moment after its last.
    #[serde(serialize_with = "moment")]
    pub to: Micros,
    /// The moment of the report.
    #[serde(serialize_with = "moment")]
    pub as_of: Micros,
    /// The figures.
    #[serde(flatten)]
    pub figures: Figures,
    /// Objectives in force, oldest first.
    pub objectives: Vec<ObjectiveLine>,
    /// Outages that touch the month.
    pub outages: Vec<OutageLine>,
    /// Failures that are not counted.
    pub isolated_failures: Vec<IsolatedLine>,
    /// Windows that touch the month, late and withdrawn ones too.
    pub maintenance: Vec<WindowLine>,
    /// The level.
    #[serde(rename = "answer_within_seconds")]
    pub answer_within: Span,
    /// Probes within the level.
    pub probes: ShareLine,
    /// What looking cost, where looks were completions: no part of what customers cost.
    pub probe_costs: Vec<ProbeCost>,
    /// The request-based figures: beside availability, never added.
    pub gateways: Vec<GatewayLine>,
}

impl Report {
    /// Builds it; cannot fail.
    #[must_use]
    pub fn build(input: &Input<'_>) -> Report {
        let (from, to) = (input.month.from(), input.month.to());
        let deducted = input.windows.deducted(input.target);
        let touches = |start: Micros, end: Micros| start < to && end > from;
        let outages = input.outages.iter().filter(|outage| touches(outage.start, outage.end.unwrap_or(Micros::MAX)));
        let windows = input.windows.all().iter().filter(|window| window.covers(input.target));
        Report {
            target: input.target.to_owned(),
            month: input.month.to_string(),
            timezone: input.timezone.to_owned(),
            from,
            to,
            as_of: input.now,
            figures: Figures::build(input.month, input.now, input.segments, &deducted, input.objectives),
            objectives: in_force(input.objectives, from, to),
            outages: outages.map(|outage| line(outage, input, &deducted)).collect(),
            isolated_failures: input
                .isolated
                .iter()
                .filter(|failure| (from..to).contains(&failure.at))
                .map(|failure| IsolatedLine { at: failure.at, reason: failure.reason })
                .collect(),
            maintenance: windows
                .filter(|window| touches(window.planned.from, window.planned.to))
                .map(|window| WindowLine {
                    from: window.planned.from,
                    to: window.planned.to,
                    reason: window.planned.reason.clone(),
                    announced: window.announced,
                    withdrawn: window.withdrawn,
                    standing: window.standing(),
                })
                .collect(),
            answer_within: input.answer_within,
            probes: share(input.probes),
            probe_costs: input.costs.to_vec(),
            gateways: input
                .requests
                .iter()
                .map(|(gateway, counts, answers)| GatewayLine {
                    gateway: gateway.clone(),
                    requests: counts.requests,
                    judged: counts.judged(),
                    failed: counts.failed(),
                    availability: counts.availability(),
                    verdict: counts.verdict(),
                    answers: share(*answers),
                })
                .collect(),
        }
    }
}

fn line(outage: &Outage, input: &Input<'_>, deducted: &[(Micros, Micros)]) -> OutageLine {
    let end = outage.end.unwrap_or(input.now);
    let (from, to) = (outage.start.max(input.month.from()), end.min(input.month.to()).min(input.now));
    let down = input.segments.iter().filter(|segment| segment.state == State::Down);
    let counted = down.map(|segment| {
        let (from, to) = (segment.from.max(from), segment.to.min(to));
        if from < to { to - from - overlap(deducted, from, to) } else { 0 }
    });
    OutageLine {
        number: outage.number,
        start: outage.start,
        end: outage.end,
        duration: Span::between(outage.start, end),
        counted: Span::from_micros(counted.sum()),
        recovery: outage.end.map(|end| Span::between(outage.start, end)),
        end_unobserved: outage.end_unobserved,
        cause: outage.cause(),
        failures: outage.failures.clone(),
        notes: input.notes.iter().filter(|note| note.outage == outage.number).cloned().collect(),
    }
}

fn in_force(objectives: &[InForce], from: Micros, to: Micros) -> Vec<ObjectiveLine> {
    let mut sorted: Vec<InForce> = objectives.iter().copied().filter(|objective| objective.since < to).collect();
    sorted.sort_by_key(|objective| objective.since);
    let before = sorted.iter().filter(|objective| objective.since <= from).count();
    let kept = sorted.into_iter().skip(before.saturating_sub(1));
    kept.map(|InForce { since, objective }| ObjectiveLine { since, objective }).collect()
}

fn share(share: Share) -> ShareLine {
    ShareLine { within: share.within, total: share.total, ratio: share.ratio(), verdict: share.verdict() }
}

/// RFC 3339, UTC.
fn moment<S: Serializer>(at: &Micros, serializer: S) -> Result<S::Ok, S::Error> {
    optional_moment(&Some(*at), serializer)
}

fn optional_moment<S: Serializer>(at: &Option<Micros>, serializer: S) -> Result<S::Ok, S::Error> {
    at.and_then(|at| Timestamp::from_microsecond(at).ok()).map(|at| at.to_string()).serialize(serializer)
}
