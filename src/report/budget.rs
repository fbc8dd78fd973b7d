//! Configured budgets with what was used of them: the same figures for the metric, the API and the command.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use super::amounts::ratio;
use super::by::By;
use super::forecast::{self, BASELINE_DAYS};
use super::outlook::{first_moment, today};
use crate::ledger::{Error, Measure, Measures, Moment, RequestFilter, Step, SumQuestion};
use crate::pricing::{Budget, BudgetPeriod, BudgetUnit};
use crate::record::money::{NANOS, div_half_even};
use crate::record::{Attributes, Currency, Micros};
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

/// Whether a budget counts requests of a set of attributes.
#[must_use]
pub fn selects(budget: &Budget, attributes: &Attributes) -> bool {
    let fits =
        |(name, wanted): (&String, &String)| By::attribute_or_dimension(name).of_attributes(attributes) == wanted;
    budget.filter.iter().all(fits)
}

/// What sums use of a budget, in 10^-9 of its unit.
fn used(unit: BudgetUnit, currency: Option<Currency>, measures: &Measures) -> i128 {
    let measure = |measure: Measure| i128::from(measures.get(measure));
    match unit {
        BudgetUnit::Requests => measure(Measure::Requests) * NANOS,
        BudgetUnit::Tokens => Measure::TOKENS.into_iter().map(measure).sum::<i128>() * NANOS,
        BudgetUnit::Currency(wanted) if currency == Some(wanted) => measure(Measure::Cost),
        BudgetUnit::Currency(_) => 0,
    }
}

/// What was used of each budget within `[since, until)`, by slot of time; 0 for budgets that are not `wanted`.
fn sums(
    moment: &Moment,
    budgets: &[Budget],
    wanted: BudgetPeriod,
    (since, until): (Micros, Micros),
    (step, zone): (Step, &TimeZone),
    slot: impl FnMut(Micros) -> u32,
) -> Result<BTreeMap<u32, Vec<i128>>, Error> {
    // Sets of attributes that the same budgets count are one group.
    let mut selections: Vec<Vec<bool>> = Vec::new();
    let group = |attributes: &Attributes| {
        let selected: Vec<bool> =
            budgets.iter().map(|budget| budget.period == wanted && selects(budget, attributes)).collect();
        let known = selections.iter().position(|known| *known == selected);
        let place = known.unwrap_or_else(|| {
            selections.push(selected);
            selections.len() - 1
        });
        u32::try_from(place).unwrap_or(u32::MAX)
    };
    let filter = RequestFilter { since: Some(since), until: Some(until), ..RequestFilter::default() };
    let question =
        SumQuestion { filter, step, zone: zone.clone(), by_user: false, only_users: None, only: None, kinds: false };
    let found = moment.sums(&question, group, slot)?;
    let mut sums: BTreeMap<u32, Vec<i128>> = BTreeMap::new();
    for (key, measures) in &found {
        let slot = sums.entry(key.slot).or_insert_with(|| vec![0; budgets.len()]);
        let Some(selected) = selections.get(key.group as usize) else { continue };
        for ((sum, budget), selected) in slot.iter_mut().zip(budgets).zip(selected) {
            if *selected {
                *sum += used(budget.unit, key.currency, measures);
            }
        }
    }
    Ok(sums)
}

/// How the budgets stand at `now`, without forecasts: cheap enough for a gauge.
///
/// # Errors
/// The ledger cannot be read.
pub fn standings(moment: &Moment, zone: &TimeZone, budgets: &[Budget], now: Micros) -> Result<Vec<Standing>, Error> {
    let mut total = vec![0_i128; budgets.len()];
    for wanted in [BudgetPeriod::Day, BudgetPeriod::Month] {
        let Some(range) = period(zone, now, wanted) else { continue };
        if budgets.iter().any(|budget| budget.period == wanted) {
            for sums in sums(moment, budgets, wanted, range, (Step::Whole, zone), |_| 0)?.into_values() {
                total.iter_mut().zip(sums).for_each(|(total, sum)| *total += sum);
            }
        }
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
    Ok(budgets.iter().zip(total).filter_map(standing).collect())
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
            BudgetPeriod::Month => forecast::forecast(days, today)
                // Its series ends now; the period's own sum also has what the log says of later.
                .map(|found| found.forecast - found.so_far + standing.used_nanos),
            BudgetPeriod::Day => (today.elapsed >= DAY_FORECAST_AFTER)
                .then(|| div_half_even(standing.used_nanos * i128::from(today.length), i128::from(today.elapsed))),
        };
    }
    Ok(standings)
}

/// What was used of each budget on each day from four weeks before the month on, up to now.
fn days(moment: &Moment, zone: &TimeZone, budgets: &[Budget], now: Micros) -> Result<Vec<BTreeMap<Date, i128>>, Error> {
    let mut days: Vec<BTreeMap<Date, i128>> = vec![BTreeMap::new(); budgets.len()];
    let (Some(today), Some((begin, _))) = (today(now, zone), moment.span()?) else { return Ok(days) };
    if !budgets.iter().any(|budget| budget.period == BudgetPeriod::Month) {
        return Ok(days);
    }
    let before = i64::try_from(BASELINE_DAYS).unwrap_or(0) + 31;
    let since = today.date.checked_sub(before.days()).ok().and_then(|day| first_moment(day, zone));
    let since = since.unwrap_or(i64::MIN).max(begin);
    let mut slots: Vec<Date> = Vec::new();
    let slot = |at: Micros| {
        let day = Period::Day.of(at, zone).first;
        let place = slots.iter().position(|known| *known == day).unwrap_or_else(|| {
            slots.push(day);
            slots.len() - 1
        });
        u32::try_from(place).unwrap_or(u32::MAX)
    };
    let sums = sums(moment, budgets, BudgetPeriod::Month, (since, now), (Step::Day, zone), slot)?;
    for (slot, sums) in sums {
        let Some(day) = slots.get(slot as usize) else { continue };
        for (days, sum) in days.iter_mut().zip(sums) {
            *days.entry(*day).or_insert(0) += sum;
        }
    }
    // From then on days without requests are days of nothing.
    let first = Period::Day.of(since, zone).first;
    days.iter_mut().for_each(|days| {
        days.entry(first).or_insert(0);
    });
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
