//! Configured budgets with what was used of them: the same figures for the metric, the API and the command.

use std::collections::{BTreeMap, HashMap};

use foldhash::quality::RandomState;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use super::by::By;
use super::figures::ratio;
use super::filter::Filter;
use super::forecast::{self, BASELINE_DAYS};
use super::outlook::{first_moment, today};
use crate::ledger::{Error, Measure, Moment, Rollup};
use crate::pricing::{Budget, BudgetPeriod, BudgetUnit};
use crate::record::Micros;
use crate::record::money::{NANOS, div_half_even};
use crate::session::usage::Period;

/// The used part of a limit from which it is near, in per cent.
pub const NEAR_PERCENT: i128 = 80;
/// Seconds of a day after which a budget of a day is forecast.
const DAY_FORECAST_AFTER: i64 = 3_600;

/// How a budget stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Less than [`NEAR_PERCENT`] is used.
    Ok,
    /// Less than all of it is used.
    Near,
    /// All of it is used, or more.
    Over,
}

impl State {
    /// The name that users see.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            State::Ok => "ok",
            State::Near => "near",
            State::Over => "over",
        }
    }

    fn of(used: i128, limit: i128) -> State {
        if used >= limit {
            State::Over
        } else if used * 100 >= limit * NEAR_PERCENT {
            State::Near
        } else {
            State::Ok
        }
    }
}

/// A budget in its present period.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// The budget.
    pub budget: Budget,
    /// What was used, in 10^-9 of its unit.
    pub used_nanos: i128,
    /// Used by limit.
    pub ratio: f64,
    /// How it stands.
    pub state: State,
    /// First moment of the period.
    pub start: Micros,
    /// The moment before which it ends.
    pub end: Micros,
    /// What it will come to at the end, in 10^-9 of its unit; `None` where too little is known.
    pub forecast_nanos: Option<i128>,
}

/// Name of a budget's unit: `requests`, `tokens` or a currency.
#[must_use]
pub fn unit_label(unit: BudgetUnit) -> String {
    match unit {
        BudgetUnit::Requests => "requests".to_owned(),
        BudgetUnit::Tokens => "tokens".to_owned(),
        BudgetUnit::Currency(currency) => currency.to_string(),
    }
}

/// Name of a budget's period.
#[must_use]
pub fn period_label(period: BudgetPeriod) -> &'static str {
    match period {
        BudgetPeriod::Day => "day",
        BudgetPeriod::Month => "month",
    }
}

/// First moment of the period that holds `now`, and the moment before which it ends.
#[must_use]
pub fn period(zone: &TimeZone, now: Micros, period: BudgetPeriod) -> Option<(Micros, Micros)> {
    let now = Timestamp::from_microsecond(now).ok()?.to_zoned(zone.clone());
    let (first, span) = match period {
        BudgetPeriod::Day => (now.start_of_day().ok()?, 1.day()),
        BudgetPeriod::Month => (now.first_of_month().ok()?.start_of_day().ok()?, 1.month()),
    };
    let last = first.checked_add(span).ok()?;
    Some((first.timestamp().as_microsecond(), last.timestamp().as_microsecond()))
}

/// Which requests a budget counts.
#[must_use]
pub fn filter(budget: &Budget) -> Filter {
    let mut filter = Filter::default();
    for (name, value) in &budget.filter {
        filter.want(By::attribute_or_dimension(name), [value.clone()]);
    }
    filter
}

/// What sums use of a budget, in 10^-9 of its unit.
fn used(unit: BudgetUnit, rollup: &Rollup) -> i128 {
    let measure = |measure: Measure| i128::from(rollup.measures.get(measure));
    match unit {
        BudgetUnit::Requests => measure(Measure::Requests) * NANOS,
        BudgetUnit::Tokens => Measure::TOKENS.into_iter().map(measure).sum::<i128>() * NANOS,
        BudgetUnit::Currency(currency) if rollup.currency == Some(currency) => measure(Measure::Cost),
        BudgetUnit::Currency(_) => 0,
    }
}

/// Which of the budgets count requests of a set of attributes, remembered.
struct Selection<'a> {
    moment: &'a Moment,
    filters: Vec<Filter>,
    known: HashMap<u32, Vec<bool>, RandomState>,
}

impl<'a> Selection<'a> {
    fn new(moment: &'a Moment, budgets: &[Budget]) -> Selection<'a> {
        Selection { moment, filters: budgets.iter().map(filter).collect(), known: HashMap::default() }
    }

    fn of(&mut self, attributes: u32) -> Result<&[bool], Error> {
        if !self.known.contains_key(&attributes) {
            let values = self.moment.attributes(attributes)?;
            let selected = self.filters.iter().map(|filter| filter.fits_attributes(&values)).collect();
            self.known.insert(attributes, selected);
        }
        Ok(self.known.get(&attributes).map_or(&[], Vec::as_slice))
    }
}

/// How the budgets stand at `now`, without forecasts: cheap enough for a gauge.
///
/// # Errors
/// The ledger cannot be read.
pub fn standings(moment: &Moment, zone: &TimeZone, budgets: &[Budget], now: Micros) -> Result<Vec<Standing>, Error> {
    let mut selection = Selection::new(moment, budgets);
    let mut sums = vec![0_i128; budgets.len()];
    for wanted in [BudgetPeriod::Day, BudgetPeriod::Month] {
        let Some((start, end)) = period(zone, now, wanted) else { continue };
        if !budgets.iter().any(|budget| budget.period == wanted) {
            continue;
        }
        moment.each_rollup(start, end, false, |rollup| -> Result<(), Error> {
            let selected = selection.of(rollup.attributes)?;
            for ((sum, budget), selected) in sums.iter_mut().zip(budgets).zip(selected) {
                if *selected && budget.period == wanted {
                    *sum += used(budget.unit, rollup);
                }
            }
            Ok(())
        })?;
    }
    let standing = |(budget, used): (&Budget, i128)| {
        let (start, end) = period(zone, now, budget.period)?;
        Some(Standing {
            budget: budget.clone(),
            used_nanos: used,
            ratio: ratio(used, budget.limit_nanos),
            state: State::of(used, budget.limit_nanos),
            start,
            end,
            forecast_nanos: None,
        })
    };
    Ok(budgets.iter().zip(sums).filter_map(standing).collect())
}

/// The same with forecasts: of a month by [`forecast::forecast`], of a day by its mean rate after an hour.
///
/// # Errors
/// The ledger cannot be read.
pub fn read(moment: &Moment, zone: &TimeZone, budgets: &[Budget], now: Micros) -> Result<Vec<Standing>, Error> {
    let mut standings = standings(moment, zone, budgets, now)?;
    let Some(today) = today(now, zone) else { return Ok(standings) };
    let days = days(moment, zone, budgets, now)?;
    for (standing, days) in standings.iter_mut().zip(&days) {
        standing.forecast_nanos = match standing.budget.period {
            BudgetPeriod::Month => forecast::forecast(days, today).map(|found| {
                // The series has only the days up to now; what was used is the truth.
                found.forecast - found.so_far + standing.used_nanos
            }),
            BudgetPeriod::Day => (today.elapsed >= DAY_FORECAST_AFTER)
                .then(|| div_half_even(standing.used_nanos * i128::from(today.length), i128::from(today.elapsed))),
        };
    }
    Ok(standings)
}

/// What was used of each budget on each day from four weeks before the month on, up to now.
fn days(moment: &Moment, zone: &TimeZone, budgets: &[Budget], now: Micros) -> Result<Vec<BTreeMap<Date, i128>>, Error> {
    let mut days = vec![BTreeMap::new(); budgets.len()];
    let (Some(today), Some((begin, _))) = (today(now, zone), moment.span()?) else { return Ok(days) };
    if !budgets.iter().any(|budget| budget.period == BudgetPeriod::Month) {
        return Ok(days);
    }
    let before = i64::try_from(BASELINE_DAYS).unwrap_or(0) + 31;
    let since = today.date.checked_sub(before.days()).ok().and_then(|day| first_moment(day, zone));
    let since = since.unwrap_or(i64::MIN).max(begin);
    let first = Period::Day.of(since, zone).first;
    let mut selection = Selection::new(moment, budgets);
    moment.each_rollup(since, now, true, |rollup| -> Result<(), Error> {
        let day = Period::Day.of(rollup.start, zone).first;
        let selected = selection.of(rollup.attributes)?;
        for ((days, budget), selected) in days.iter_mut().zip(budgets).zip(selected) {
            if *selected && budget.period == BudgetPeriod::Month {
                *days.entry(day).or_insert(0_i128) += used(budget.unit, rollup);
            }
        }
        Ok(())
    })?;
    for days in &mut days {
        days.entry(first).or_insert(0);
    }
    Ok(days)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_near_from_four_fifths_and_over_from_all_of_it() {
        for (used, want) in [(0, "ok"), (799, "ok"), (800, "near"), (999, "near"), (1_000, "over"), (5_000, "over")] {
            assert_eq!(State::of(used, 1_000).label(), want, "{used}");
        }
    }

    #[test]
    fn periods_are_those_of_the_zone() {
        // 2026-09-21T14:13:20Z
        let now = 1_790_000_000_000_000;
        let seconds = |(first, last): (Micros, Micros)| (first / 1_000_000, last / 1_000_000);
        let shanghai = TimeZone::get("Asia/Shanghai").unwrap();
        let (first, last) = seconds(period(&shanghai, now, BudgetPeriod::Day).unwrap());
        assert_eq!((last - first, first.rem_euclid(86_400)), (86_400, 16 * 3600));
        let (first, last) = seconds(period(&TimeZone::UTC, now, BudgetPeriod::Month).unwrap());
        assert_eq!((last - first) / 86_400, 30);
        assert!(first <= now / 1_000_000 && now / 1_000_000 < last);
    }
}
