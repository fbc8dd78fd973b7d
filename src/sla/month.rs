//! Segments, maintenance and objectives of a month become its availability, budget and verdict.
//!
//! ```text
//! availability = up / (up + down)
//! coverage     = (up + down) / (elapsed − maintenance)
//! strict       = up / (elapsed − maintenance)
//! budget       = (1 − objective) × (month − maintenance)
//! ```
//!
//! Maintenance is what was announced in time, and comes before every other state. What no segment covers is unknown, so a
//! target that is probed from the middle of a month on has an unknown first half. Where objectives change within a month,
//! each counts for its time without maintenance, and availability is held against their average over that time.

use serde::Serialize;

use super::calendar::Month;
use super::figure::{Objective, Ratio, Span};
use super::maintenance::overlap;
use super::state::{Segment, State};
use crate::record::Micros;

/// Percent of the time that has to be covered for a verdict.
pub const COVERAGE_NEEDED: i128 = 95;

/// An objective and the moment from which it was configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InForce {
    /// From when; the earliest of a list counts for the time before as well.
    pub since: Micros,
    /// What was promised.
    pub objective: Objective,
}

/// What came of a promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Kept.
    Met,
    /// Broken.
    Missed,
    /// Too little was observed to tell: coverage under 95 %.
    NotProven,
    /// The month is not over.
    InProgress,
}

impl Verdict {
    /// All of them.
    pub const ALL: [Verdict; 4] = [Verdict::Met, Verdict::Missed, Verdict::NotProven, Verdict::InProgress];

    /// The label that users see.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Verdict::Met => "met",
            Verdict::Missed => "missed",
            Verdict::NotProven => "not_proven",
            Verdict::InProgress => "in_progress",
        }
    }
}

/// The time that may be down in a month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Budget {
    /// Of the whole month, with the maintenance announced so far deducted.
    #[serde(rename = "total_seconds")]
    pub total: Span,
    /// Down time.
    #[serde(rename = "used_seconds")]
    pub used: Span,
    /// Total less used; negative where more was used.
    #[serde(rename = "left_seconds")]
    pub left: Span,
}

/// The month's end, projected from the month so far: no measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Projection {
    /// Availability if the rest of the month goes like the month so far.
    pub availability: Ratio,
    /// Availability if nothing fails any more.
    pub availability_at_best: Ratio,
    /// Down time at the month's end, if it goes on like this.
    #[serde(rename = "down_seconds")]
    pub down: Span,
    /// What would be left of the budget.
    #[serde(rename = "budget_left_seconds")]
    pub budget_left: Span,
    /// What would be the verdict.
    pub verdict: Verdict,
}

/// The figures of a target's month, up to now where it is not over. Shares are absent where nothing was observed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Figures {
    /// The month's length.
    #[serde(rename = "month_seconds")]
    pub month: Span,
    /// Of it, what has passed: up + down + unknown + maintenance.
    #[serde(rename = "elapsed_seconds")]
    pub elapsed: Span,
    /// Up.
    #[serde(rename = "up_seconds")]
    pub up: Span,
    /// Down.
    #[serde(rename = "down_seconds")]
    pub down: Span,
    /// Unknown.
    #[serde(rename = "unknown_seconds")]
    pub unknown: Span,
    /// Maintenance announced in time, so far.
    #[serde(rename = "maintenance_seconds")]
    pub maintenance: Span,
    /// up / (up + down).
    pub availability: Option<Ratio>,
    /// Availability with unknown time counted as down.
    pub strict: Option<Ratio>,
    /// (up + down) / (elapsed − maintenance).
    pub coverage: Option<Ratio>,
    /// The objective; where it changed, the average over the month, cut to billionths. Absent without one.
    pub objective: Option<Objective>,
    /// The error budget; absent without an objective or without data.
    pub budget: Option<Budget>,
    /// The verdict; in progress until the month is over.
    pub verdict: Verdict,
    /// The verdict on the time so far, never `InProgress`: missed once the whole month's budget is used up. Of a month
    /// that is over, the verdict.
    pub so_far: Verdict,
    /// Where the month is not over and there is data.
    pub projection: Option<Projection>,
}

/// What a month allows: the sum over its objectives of allowed billionths × microseconds, and those microseconds.
#[derive(Clone, Copy)]
struct Allowance {
    weighted: i128,
    time: i128,
}

impl Figures {
    /// Computes them as of `now`. `segments` may lie outside the month; of overlapping ones the earlier counts.
    /// `deducted` is [`super::Windows::deducted`], and `objectives` may be in any order.
    #[must_use]
    pub fn build(
        month: &Month,
        now: Micros,
        segments: &[Segment],
        deducted: &[(Micros, Micros)],
        objectives: &[InForce],
    ) -> Figures {
        let until = now.clamp(month.from(), month.to());
        let over = now >= month.to();
        let begun = now > month.from();
        let elapsed = until.saturating_sub(month.from());
        let maintenance = overlap(deducted, month.from(), until);
        let (up, down) = sum(month.from(), until, segments, deducted);
        let (known, judged) = (i128::from(up) + i128::from(down), i128::from(elapsed) - i128::from(maintenance));
        // Without any data a share of 0 would be a claim.
        let seen = |ratio: Option<Ratio>| ratio.filter(|_| known > 0);

        let allowance = Allowance::of(month, deducted, objectives);
        let budget = allowance.filter(|_| known > 0).map(|allowance| {
            let (total, used) = (allowance.budget(), Span::from_micros(down));
            Budget { total, used, left: total.minus(used) }
        });
        let covered = |known: i128, judged: i128| known > 0 && known * 100 >= judged * COVERAGE_NEEDED;
        let kept =
            |allowance: Allowance| if allowance.keeps(down.into(), known) { Verdict::Met } else { Verdict::Missed };
        let so_far = match (allowance, budget) {
            (Some(allowance), Some(_)) if covered(known, judged) && over => kept(allowance),
            (Some(_), Some(budget)) if covered(known, judged) => {
                if budget.left.micros() < 0 {
                    Verdict::Missed
                } else {
                    Verdict::Met
                }
            }
            _ => Verdict::NotProven,
        };
        let projection = (|| {
            let (allowance, budget) = (allowance?, budget?);
            let ahead = month.to().saturating_sub(until).saturating_sub(overlap(deducted, until, month.to()));
            let ahead = i128::from(ahead);
            // Cut up: a projection does not flatter.
            let more = (i128::from(down) * ahead + known - 1) / known;
            let projected = Span::of(i128::from(down) + more);
            let proven = covered(known + ahead, judged + ahead);
            Some(Projection {
                availability: Ratio::of(up.into(), known)?,
                availability_at_best: Ratio::of(i128::from(up) + ahead, known + ahead)?,
                down: projected,
                budget_left: budget.total.minus(projected),
                verdict: if proven { kept(allowance) } else { Verdict::NotProven },
            })
        })();
        Figures {
            month: month.length(),
            elapsed: Span::from_micros(elapsed),
            up: Span::from_micros(up),
            down: Span::from_micros(down),
            unknown: Span::of(judged - known),
            maintenance: Span::from_micros(maintenance),
            availability: Ratio::of(up.into(), known),
            strict: seen(Ratio::of(up.into(), judged)),
            coverage: seen(Ratio::of(known, judged)),
            objective: allowance.and_then(Allowance::objective),
            budget,
            verdict: if begun && !over { Verdict::InProgress } else { so_far },
            so_far,
            projection: projection.filter(|_| !over),
        }
    }
}

impl Allowance {
    /// `None` without an objective.
    fn of(month: &Month, deducted: &[(Micros, Micros)], objectives: &[InForce]) -> Option<Allowance> {
        let mut sorted = objectives.to_vec();
        sorted.sort_by_key(|objective| objective.since);
        let mut objective = sorted.first()?.objective;
        let mut from = month.from();
        let mut allowance = Allowance { weighted: 0, time: 0 };
        let mut add = |objective: Objective, from: Micros, to: Micros| {
            let time = i128::from(to.saturating_sub(from)) - i128::from(overlap(deducted, from, to));
            allowance.weighted += objective.allowed() * time;
            allowance.time += time;
        };
        for next in sorted {
            let since = next.since.clamp(month.from(), month.to());
            add(objective, from, since);
            (objective, from) = (next.objective, since);
        }
        add(objective, from, month.to());
        Some(allowance)
    }

    /// Cut to whole microseconds.
    fn budget(self) -> Span {
        Span::of(self.weighted / 1_000_000_000)
    }

    /// Whether `down` of `known` is within the average allowance: down / known ≤ weighted / time / 10^9.
    fn keeps(self, down: i128, known: i128) -> bool {
        down * self.time * 1_000_000_000 <= self.weighted * known
    }

    /// The average objective, cut to billionths.
    fn objective(self) -> Option<Objective> {
        let allowed = (self.weighted + self.time - 1).checked_div(self.time)?;
        Objective::from_billionths(u64::try_from(1_000_000_000 - allowed).ok()?)
    }
}

/// Microseconds up and down within a stretch, maintenance left out.
fn sum(from: Micros, until: Micros, segments: &[Segment], deducted: &[(Micros, Micros)]) -> (i64, i64) {
    let mut sorted = segments.to_vec();
    sorted.sort_by_key(|segment| segment.from);
    let (mut cursor, mut up, mut down) = (from, 0, 0);
    for segment in sorted {
        let (start, end) = (segment.from.max(cursor), segment.to.min(until));
        if start >= end {
            continue;
        }
        cursor = end;
        let length = end - start - overlap(deducted, start, end);
        match segment.state {
            State::Up => up += length,
            State::Down => down += length,
            State::Unknown => {}
        }
    }
    (up, down)
}
