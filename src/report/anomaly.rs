//! Hours whose cost stands out against the same hours of the weeks before, and what explains them.
//!
//! The expected cost of an hour is the median of the same hour, a week apart, over the last [`WEEKS`] weeks, of which at
//! least [`LEAST_WEEKS`] must be known. It stands out where it is above that by more than each of: [`DEVIATIONS`] scaled
//! median absolute deviations (MAD × 1.4826, Rousseeuw and Croux 1993), the expected cost itself, and the mean cost of an
//! hour over those weeks, so that small sums do not shout. What explains it is the value of a column whose cost rose most,
//! compared with the share of the cost that it has anyway.

use std::collections::{BTreeMap, HashMap};

use jiff::tz::TimeZone;

use super::amounts::ratio;
use super::by::By;
use crate::ledger::{Error, Measure, Measures, Moment, RequestFilter, Step, SumKey, SumQuestion};
use crate::record::{Attributes, Currency, Micros};

/// Weeks that an hour is compared with.
pub const WEEKS: i64 = 6;
/// Fewest of them that tell what is usual.
pub const LEAST_WEEKS: usize = 3;
/// Scaled deviations above the median that stand out.
pub const DEVIATIONS: i128 = 6;
/// Most hours that are told, the dearest first.
pub const MAX_FOUND: usize = 100;

const HOURS_OF_WEEK: i64 = 168;
const HOUR: Micros = 3_600_000_000;

/// An hour that stands out.
#[derive(Clone, Debug, PartialEq)]
pub struct Standout {
    /// Its number since the epoch.
    pub hour: i64,
    /// What it cost, in nano-units.
    pub amount: i128,
    /// What was expected.
    pub expected: i128,
}

/// A column's value that explains a rise.
#[derive(Clone, Debug, PartialEq)]
pub struct Explained {
    /// The column.
    pub by: By,
    /// Its value; empty where the requests have none.
    pub value: String,
    /// Its share of the rise, 0 to 1.
    pub share: f64,
}

/// An hour that stands out, with its currency and what explains it.
#[derive(Clone, Debug, PartialEq)]
pub struct Anomaly {
    /// First moment of the hour.
    pub hour: Micros,
    /// Of which currency.
    pub currency: Currency,
    /// What it cost, in nano-units.
    pub cost: i128,
    /// What was expected.
    pub expected: i128,
    /// How many times as much; `None` where nothing was expected.
    pub times: Option<f64>,
    /// What explains most of it.
    pub explained: Option<Explained>,
}

/// Twice the median, which is whole also for an even number of values.
fn twice_median(values: &mut [i128]) -> i128 {
    values.sort_unstable();
    let middle = values.len() / 2;
    let at = |index: usize| values.get(index).copied().unwrap_or(0);
    if values.len() % 2 == 1 { 2 * at(middle) } else { at(middle.saturating_sub(1)) + at(middle) }
}

/// The same hours of the weeks before, as far as they are known.
fn same_hours(hour: i64, first: i64) -> impl Iterator<Item = i64> {
    (1..=WEEKS).map(move |week| hour - week * HOURS_OF_WEEK).take_while(move |before| *before >= first)
}

/// The hours of a range that stand out, the dearest first. `hours` holds sums by hour since the epoch, those without are
/// 0 from `first` on.
#[must_use]
pub fn standouts(hours: &BTreeMap<i64, i128>, first: i64, range: std::ops::Range<i64>) -> Vec<Standout> {
    let mut found = Vec::new();
    for (hour, amount) in hours.range(range) {
        let at = |hour: i64| hours.get(&hour).copied().unwrap_or(0);
        let mut usual: Vec<i128> = same_hours(*hour, first).map(at).collect();
        if usual.len() < LEAST_WEEKS {
            continue;
        }
        let twice = twice_median(&mut usual);
        let mut distances: Vec<i128> = usual.iter().map(|value| (2 * value - twice).abs()).collect();
        // All four times as large as the thing itself, to stay whole.
        let deviation = twice_median(&mut distances);
        let rise = 4 * amount - 2 * twice;
        let from = (hour - WEEKS * HOURS_OF_WEEK).max(first);
        let mean_of = i128::from((hour - from).max(1));
        let sum: i128 = hours.range(from..*hour).map(|(_, amount)| amount).sum();
        let stands_out =
            10_000 * rise > DEVIATIONS * 14_826 * deviation && rise > 2 * twice && rise * mean_of > 4 * sum;
        if stands_out && *amount > 0 {
            found.push(Standout { hour: *hour, amount: *amount, expected: twice / 2 });
        }
    }
    found.sort_by_key(|standout| (std::cmp::Reverse(standout.amount), standout.hour));
    found
}

/// The value whose rise explains most: sums by value in the hour, and in each of the same hours before. The share of the
/// rise less the share that it usually has, so that what is always there explains nothing.
fn most_risen(now: &HashMap<&str, i128>, before: &[HashMap<&str, i128>], rise: i128) -> Option<(String, f64, f64)> {
    let usual_total: i128 = before.iter().flat_map(HashMap::values).sum();
    let risen = now.iter().map(|(value, amount)| {
        let mut usual: Vec<i128> = before.iter().map(|values| values.get(value).copied().unwrap_or(0)).collect();
        let usual_sum: i128 = usual.iter().sum();
        let share = ratio(amount - twice_median(&mut usual) / 2, rise).clamp(0.0, 1.0);
        (value, share, share - ratio(usual_sum, usual_total))
    });
    let best = risen.max_by(|a, b| a.2.total_cmp(&b.2).then_with(|| b.0.cmp(a.0)))?;
    Some(((*best.0).to_owned(), best.1, best.2))
}

/// The hours within `[since, until)` that stand out, the dearest first by currency, at most [`MAX_FOUND`] each. `dimensions`
/// are names of dimensions that may explain them; the filter's own times do not count.
///
/// # Errors
/// The ledger cannot be read, or takes too long.
pub fn read(
    moment: &Moment,
    filter: &RequestFilter,
    dimensions: &[String],
    since: Micros,
    until: Micros,
) -> Result<Vec<Anomaly>, Error> {
    let Some((begin, end)) = moment.span()? else { return Ok(Vec::new()) };
    // The first hour may be known in part only.
    let first = begin.div_euclid(HOUR) + 1;
    let until = until.min(end);
    let range = since.max(begin).div_euclid(HOUR)..(until - 1).div_euclid(HOUR) + 1;
    let from = (range.start - WEEKS * HOURS_OF_WEEK).max(first);
    if range.is_empty() || from >= range.end {
        return Ok(Vec::new());
    }
    let columns: Vec<By> = By::ATTRIBUTES.into_iter().chain(dimensions.iter().cloned().map(By::Dimension)).collect();
    let mut anomalies = Vec::new();
    let mut costs = Costs { moment, filter, attributes: Vec::new(), hours: HashMap::new(), count: 0 };
    for (currency, hours) in &by_hour(moment, filter, from, range.end)? {
        let mut found = standouts(hours, from, range.clone());
        found.truncate(MAX_FOUND);
        for Standout { hour, amount, expected } in found {
            let now = costs.of(*currency, hour)?;
            let before = same_hours(hour, from).map(|hour| costs.of(*currency, hour));
            let before = before.collect::<Result<Vec<_>, Error>>()?;
            let explained = explain(&columns, &costs.attributes, &now, &before, amount - expected);
            let times = (expected > 0).then(|| ratio(amount, expected));
            anomalies.push(Anomaly {
                hour: hour * HOUR,
                currency: *currency,
                cost: amount,
                expected,
                times,
                explained,
            });
        }
    }
    Ok(anomalies)
}

/// What is asked for the hours from one to before another.
fn question(filter: &RequestFilter, from: i64, to: i64, step: Step) -> SumQuestion {
    let filter = RequestFilter { since: Some(from * HOUR), until: Some(to * HOUR), ..filter.clone() };
    SumQuestion {
        filter,
        step,
        zone: TimeZone::UTC,
        by_user: false,
        only_users: None,
        only: Some(Measure::Cost),
        kinds: false,
    }
}

/// Cost by currency and hour.
fn by_hour(
    moment: &Moment,
    filter: &RequestFilter,
    from: i64,
    to: i64,
) -> Result<BTreeMap<Currency, BTreeMap<i64, i128>>, Error> {
    let slot = |at: Micros| u32::try_from(at.div_euclid(HOUR) - from).unwrap_or(0);
    let sums = moment.sums(&question(filter, from, to, Step::Hour), |_| 0, slot)?;
    let mut found: BTreeMap<Currency, BTreeMap<i64, i128>> = BTreeMap::new();
    for (key, measures) in &sums {
        if let Some(currency) = key.currency {
            let hours = found.entry(currency).or_default();
            *hours.entry(from + i64::from(key.slot)).or_default() += i128::from(measures.get(Measure::Cost));
        }
    }
    Ok(found)
}

/// Costs that are remembered at most; hours of more are read again.
const MAX_COSTS: usize = 1_000_000;

/// Costs of hours by attributes, each hour read once.
struct Costs<'a> {
    moment: &'a Moment,
    filter: &'a RequestFilter,
    /// Those that fit the filter, by number.
    attributes: Vec<Attributes>,
    hours: HashMap<i64, Vec<(Currency, u32, i64)>>,
    /// Costs of all of them.
    count: usize,
}

/// Cost of an hour by number of the attributes.
type Hour = Vec<(u32, i128)>;

impl Costs<'_> {
    /// Those of one hour in one currency.
    fn of(&mut self, currency: Currency, hour: i64) -> Result<Hour, Error> {
        if !self.hours.contains_key(&hour) {
            let (attributes, mut next) = (&mut self.attributes, 0_usize);
            // They come in the same order each time.
            let group = |fitting: &Attributes| {
                if next == attributes.len() {
                    attributes.push(fitting.clone());
                }
                next += 1;
                u32::try_from(next - 1).unwrap_or(u32::MAX)
            };
            let sums = self.moment.sums(&question(self.filter, hour, hour + 1, Step::Whole), group, |_| 0)?;
            let cost = |(key, sums): &(SumKey, Measures)| Some((key.currency?, key.group, sums.get(Measure::Cost)));
            let costs: Vec<_> = sums.iter().filter_map(cost).filter(|(_, _, cost)| *cost != 0).collect();
            if self.count + costs.len() > MAX_COSTS {
                self.hours.clear();
                self.count = 0;
            }
            self.count += costs.len();
            self.hours.insert(hour, costs);
        }
        let costs = self.hours.get(&hour).into_iter().flatten();
        let of_currency = costs.filter(|(known, ..)| *known == currency);
        Ok(of_currency.map(|(_, number, cost)| (*number, i128::from(*cost))).collect())
    }
}

/// What explains most of a rise, of all columns.
fn explain(columns: &[By], attributes: &[Attributes], now: &Hour, before: &[Hour], rise: i128) -> Option<Explained> {
    let by_value = |by: &By, costs: &Hour| {
        let mut values: HashMap<&str, i128> = HashMap::new();
        for (number, cost) in costs {
            let value = attributes.get(*number as usize).map_or("", |attributes| by.of_attributes(attributes));
            *values.entry(value).or_default() += cost;
        }
        values
    };
    let mut best: Option<(f64, Explained)> = None;
    for by in columns {
        let before: Vec<_> = before.iter().map(|costs| by_value(by, costs)).collect();
        let Some((value, share, surprise)) = most_risen(&by_value(by, now), &before, rise) else { continue };
        if surprise > 0.0 && best.as_ref().is_none_or(|(known, _)| surprise > *known) {
            best = Some((surprise, Explained { by: by.clone(), value, share }));
        }
    }
    best.map(|(_, explained)| explained)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Weeks of 168 hours of which every one costs so much.
    fn steady(weeks: i64, amount: i128) -> BTreeMap<i64, i128> {
        (0..weeks * HOURS_OF_WEEK).map(|hour| (hour, amount)).collect()
    }

    #[test]
    fn an_hour_that_costs_many_times_as_much_stands_out_and_no_other() {
        let mut hours = steady(5, 100);
        let dear = 4 * HOURS_OF_WEEK + 30;
        hours.insert(dear, 900);
        let found = standouts(&hours, 0, 4 * HOURS_OF_WEEK..5 * HOURS_OF_WEEK);
        assert_eq!(found, [Standout { hour: dear, amount: 900, expected: 100 }]);
    }

    #[test]
    fn what_happens_every_week_is_usual() {
        let mut hours = steady(5, 100);
        for week in 0..5 {
            hours.insert(week * HOURS_OF_WEEK + 9, 5_000);
        }
        assert!(standouts(&hours, 0, 4 * HOURS_OF_WEEK..5 * HOURS_OF_WEEK).is_empty());
    }

    #[test]
    fn one_wild_week_before_does_not_hide_the_next() {
        let mut hours = steady(6, 100);
        hours.insert(3 * HOURS_OF_WEEK + 9, 5_000);
        hours.insert(5 * HOURS_OF_WEEK + 9, 5_000);
        let found = standouts(&hours, 0, 5 * HOURS_OF_WEEK..6 * HOURS_OF_WEEK);
        assert_eq!(found.len(), 1, "{found:?}");
    }

    #[test]
    fn small_sums_do_not_shout() {
        // At night one cent where none was, while an average hour costs a hundred.
        let mut hours = steady(5, 200);
        for week in 0..5 {
            for night in 0..12 {
                hours.insert(week * HOURS_OF_WEEK + night, 0);
            }
        }
        hours.insert(4 * HOURS_OF_WEEK + 3, 90);
        assert!(standouts(&hours, 0, 4 * HOURS_OF_WEEK..5 * HOURS_OF_WEEK).is_empty());
        hours.insert(4 * HOURS_OF_WEEK + 3, 400);
        let found = standouts(&hours, 0, 4 * HOURS_OF_WEEK..5 * HOURS_OF_WEEK);
        assert_eq!(found, [Standout { hour: 4 * HOURS_OF_WEEK + 3, amount: 400, expected: 0 }]);
    }

    #[test]
    fn a_young_ledger_knows_nothing_usual() {
        let mut hours = steady(3, 100);
        hours.insert(2 * HOURS_OF_WEEK + 9, 90_000);
        assert!(standouts(&hours, 0, 0..3 * HOURS_OF_WEEK).is_empty());
    }

    #[test]
    fn the_noise_of_the_weeks_before_is_allowed_for() {
        // 100, 200, 300, 400: median 250, MAD 100, so that 6 × 148 above it are usual.
        let mut hours = BTreeMap::new();
        for (week, amount) in [(0, 100), (1, 200), (2, 300), (3, 400)] {
            hours.insert(week * HOURS_OF_WEEK, amount);
        }
        for (amount, want) in [(1_139, 0), (1_140, 1)] {
            hours.insert(4 * HOURS_OF_WEEK, amount);
            assert_eq!(standouts(&hours, 0, 600..700).len(), want, "{amount}");
        }
    }

    #[test]
    fn what_is_always_there_explains_nothing() {
        let values = |pairs: &[(&'static str, i128)]| pairs.iter().copied().collect();
        let before = [values(&[("a", 90), ("b", 10)]), values(&[("a", 90), ("b", 10)])];
        let (value, share, surprise) = most_risen(&values(&[("a", 100), ("b", 500)]), &before, 500).unwrap();
        assert_eq!((value.as_str(), share), ("b", 0.98));
        assert!((surprise - 0.88).abs() < 1e-9);
        let one = [values(&[("only", 100)])];
        assert_eq!(most_risen(&values(&[("only", 600)]), &one, 500), Some(("only".to_owned(), 1.0, 0.0)));
    }
}
