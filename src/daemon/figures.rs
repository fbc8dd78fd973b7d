//! Gauges that need sums over the ledger: cost of the month, budgets; and the watch over the clock.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio_util::sync::CancellationToken;

use super::app::Sidecar;
use crate::ledger::{Measure, Moment, Usage, UsageQuery, request_counts};
use crate::meter::BudgetState;
use crate::pricing::{Budget, BudgetPeriod, ExchangeRate, rate_in_force};
use crate::record::{Currency, Micros};
use crate::report::budget::{self, Standing, period_label, unit_label};
use crate::report::outlook;

/// How often sums are read anew, if rows have come since.
const SUM_INTERVAL: Duration = Duration::from_secs(15);
/// The same shortly after the start, when gauges are still missing.
const FIRST_SUM_INTERVAL: Duration = Duration::from_secs(1);
/// How many times sums are read shortly after the start.
const FIRST_SUMS: u32 = 5;
/// Sums are read anew at least this often, because days and months end without rows too.
const OLDEST_SUMS: Duration = Duration::from_secs(300);
/// How often the clocks are compared.
const CLOCK_INTERVAL: Duration = Duration::from_secs(5);
/// By how much the clocks may part.
const CLOCK_STEP_MICROS: i64 = 1_000_000;
/// The part of a month after which alerts are given its forecast.
const FORECAST_AFTER_SECONDS: i64 = 86_400;

/// Sums of the present periods.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Figures {
    pub(super) month_cost: Vec<(String, Currency, i128, Option<i128>)>,
    pub(super) budgets: Vec<BudgetState>,
    /// By gateway, where there are requests that are judged.
    pub(super) request_availability: Vec<(String, f64)>,
}

/// Seconds of a rollup's bucket that a zone needs for exact days: an hour, or a quarter where its offset from UTC is no
/// whole hour now or half a year on.
pub(super) fn rollup_seconds(zone: &TimeZone, now: Micros) -> i64 {
    let offset = |micros: Micros| {
        Timestamp::from_microsecond(micros).map_or(0, |timestamp| i64::from(zone.to_offset(timestamp).seconds()))
    };
    let half_year = 183 * 86_400 * 1_000_000;
    let whole = [now, now + half_year].into_iter().all(|moment| offset(moment) % 3600 == 0);
    if whole { crate::ledger::ROLLUP_HOUR } else { 900 }
}

impl Figures {
    /// What can be told without a ledger on disk, of the requests since the start: cost of a month and budgets would be
    /// claims about time that nobody remembers. `sum` is given the present month in seconds.
    pub(super) fn without_ledger(
        zone: &TimeZone,
        now: Micros,
        sum: impl Fn(i64, i64) -> Option<Vec<Usage>>,
    ) -> Option<Figures> {
        let (month, next_month) = budget::period(zone, now, BudgetPeriod::Month)?;
        let (month, next_month) = (month.div_euclid(1_000_000), next_month.div_euclid(1_000_000));
        let request_availability = request_availability(&sum(month, next_month)?);
        Some(Figures { request_availability, ..Figures::default() })
    }

    /// Reads the sums of the periods that hold `now`.
    pub(super) fn read(
        folder: &Path,
        zone: &TimeZone,
        budgets: &[Budget],
        now: Micros,
    ) -> Result<Figures, crate::ledger::Error> {
        let query = UsageQuery::open(folder)?;
        let mut figures = Figures::default();
        let Some((month, next_month)) = budget::period(zone, now, BudgetPeriod::Month) else { return Ok(figures) };
        let (month, next_month) = (month.div_euclid(1_000_000), next_month.div_euclid(1_000_000));
        let by_month = query.sum(month, next_month)?;
        figures.request_availability = request_availability(&by_month);
        let elapsed = now.div_euclid(1_000_000) - month;
        let mut costs: BTreeMap<(String, Currency), i128> = BTreeMap::new();
        for usage in &by_month {
            if let Some(currency) = usage.currency {
                let cost = i128::from(usage.measures.get(Measure::Cost));
                *costs.entry((usage.attributes.gateway.clone(), currency)).or_default() += cost;
            }
        }
        let moment = Moment::open(folder)?;
        let forecasts = match elapsed >= FORECAST_AFTER_SECONDS {
            true => outlook::by_gateway(&moment, zone, now)?,
            false => BTreeMap::new(),
        };
        for ((gateway, currency), cost) in costs {
            let forecast = forecasts.get(&(gateway.clone(), currency)).map(|forecast| forecast.forecast);
            figures.month_cost.push((gateway, currency, cost, forecast));
        }
        if !budgets.is_empty() {
            let standings = budget::standings(&moment, zone, budgets, now)?;
            figures.budgets = standings.into_iter().map(state).collect();
        }
        Ok(figures)
    }
}

/// By gateway, where there are requests that are judged.
fn request_availability(usage: &[Usage]) -> Vec<(String, f64)> {
    let counts = request_counts(usage).into_iter();
    counts.filter_map(|(gateway, counts)| Some((gateway, counts.availability()?.value()))).collect()
}

fn state(standing: Standing) -> BudgetState {
    BudgetState {
        unit: unit_label(standing.budget.unit),
        period: period_label(standing.budget.period),
        limit_nanos: standing.budget.limit_nanos,
        used_nanos: standing.used_nanos,
        name: standing.budget.name,
    }
}

/// The rates in force today, one for each pair of currencies.
pub(super) fn rates(configured: &[ExchangeRate], zone: &TimeZone, now: Micros) -> Vec<(Currency, Currency, i128)> {
    let Ok(timestamp) = Timestamp::from_microsecond(now) else { return Vec::new() };
    let today = timestamp.to_zoned(zone.clone()).date();
    let pairs: std::collections::BTreeSet<_> = configured.iter().map(|rate| (rate.from, rate.to)).collect();
    let in_force = |(from, to)| rate_in_force(configured, from, to, today).map(|rate| (from, to, rate.nanos));
    pairs.into_iter().filter_map(in_force).collect()
}

/// Keeps the sums fresh and watches the clock until `end`.
pub(super) async fn keep(app: Arc<Sidecar>, end: CancellationToken) {
    let mut sums = tokio::time::interval(FIRST_SUM_INTERVAL);
    let (mut ticks, mut summed) = (0_u32, None);
    let mut clocks = tokio::time::interval(CLOCK_INTERVAL);
    sums.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    clocks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let clock = app.clock().clone();
    let (mut wall, mut steady) = (clock.now(), clock.instant());
    loop {
        tokio::select! {
            () = end.cancelled() => return,
            _ = sums.tick() => {
                ticks = ticks.saturating_add(1);
                if ticks == FIRST_SUMS {
                    sums = tokio::time::interval_at(tokio::time::Instant::now() + SUM_INTERVAL, SUM_INTERVAL);
                    sums.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
                }
                let committed = app.committed();
                let is_fresh = summed.is_some_and(|(seen, at)| {
                    seen == committed && clock.instant().saturating_duration_since(at) < OLDEST_SUMS
                });
                if is_fresh && ticks > FIRST_SUMS {
                    continue;
                }
                summed = Some((committed, clock.instant()));
                let app = Arc::clone(&app);
                // A failure to read is logged there; the gauges stay as they were.
                let _ = tokio::task::spawn_blocking(move || app.read_figures()).await;
            }
            _ = clocks.tick() => {
                let (now, instant) = (clock.now(), clock.instant());
                let passed = i64::try_from(instant.saturating_duration_since(steady).as_micros()).unwrap_or(i64::MAX);
                if (now - wall - passed).abs() > CLOCK_STEP_MICROS {
                    tracing::warn!(by_seconds = (now - wall - passed) / 1_000_000, "the wall clock was set");
                    app.clock_stepped();
                }
                (wall, steady) = (now, instant);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Micros = 1_790_000_000_000_000;

    #[test]
    fn only_odd_offsets_need_quarters() {
        for (zone, want) in [
            ("UTC", 3600),
            ("Asia/Shanghai", 3600),
            ("Europe/Berlin", 3600),
            ("Asia/Kolkata", 900),
            ("Asia/Kathmandu", 900),
            ("Australia/Lord_Howe", 900),
        ] {
            assert_eq!(rollup_seconds(&TimeZone::get(zone).unwrap(), NOW), want, "{zone}");
        }
    }
}
