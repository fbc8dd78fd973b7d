//! A daily series becomes what its month will come to: an estimate, its interval, and how far off it would have been.
//!
//! The estimate is what was spent so far plus, for each day that is left, the mean of the same weekday over the last four
//! weeks; of today the part that is left. With less than two weeks of whole days it is the mean of all of them. The interval
//! holds the outcome four times out of five if days stay as they were: 1.28 standard deviations of the days' residuals
//! (each day against the mean of its others), of the sum and of the means. Days are taken as independent.
//!
//! Pure: reads no clock and no ledger.

use std::collections::BTreeMap;

use jiff::ToSpan as _;
use jiff::civil::Date;

use super::amounts::ratio;
use crate::record::money::div_half_even;

/// Days that means are taken of.
pub const BASELINE_DAYS: usize = 28;
/// Whole days from which weekdays are told apart.
pub const WEEKDAY_DAYS: usize = 14;
/// Standard deviations of a normal distribution that hold 80 %.
const DEVIATIONS: f64 = 1.281_551_565_544_600_4;
/// Past months that an estimate is tried on.
pub const PAST_MONTHS: usize = 6;

/// How the days that are left are estimated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// By the mean of the same weekday.
    WeekdayMean,
    /// By the mean of all days.
    DailyMean,
    /// The month is over: nothing is estimated.
    Actual,
}

impl Method {
    /// The name that users see.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Method::WeekdayMean => "weekday_mean",
            Method::DailyMean => "daily_mean",
            Method::Actual => "actual",
        }
    }

    /// What it does, in words.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Method::WeekdayMean => "so far + mean of the same weekday over the last 4 weeks for each day left",
            Method::DailyMean => "so far + mean of all whole days for each day left (less than 2 weeks are known)",
            Method::Actual => "the month is over",
        }
    }
}

/// The present day, and how much of it has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Today {
    /// The day.
    pub date: Date,
    /// Seconds of it that have passed.
    pub elapsed: i64,
    /// Seconds that it has.
    pub length: i64,
}

/// What a month will come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forecast {
    /// Sum of the month so far.
    pub so_far: i128,
    /// Estimate of the whole month.
    pub forecast: i128,
    /// Bounds that hold the outcome four times out of five, never below what was spent; `None` with too few days.
    pub interval: Option<(i128, i128)>,
    /// How it was estimated.
    pub method: Method,
}

/// What would have been estimated in a past month on the same day, and what came.
#[derive(Clone, Debug, PartialEq)]
pub struct Past {
    /// First day of that month.
    pub month: Date,
    /// Estimate from the days before the same day of the month.
    pub forecast: i128,
    /// What came.
    pub actual: i128,
    /// (forecast − actual) / actual; `None` where nothing came.
    pub error: Option<f64>,
}

/// Whole days before a day: amounts with their weekday, at most [`BASELINE_DAYS`].
fn baseline(days: &BTreeMap<Date, i128>, before: Date) -> Vec<(usize, i128)> {
    let Some(first) = days.keys().next().copied() else { return Vec::new() };
    let mut found = Vec::new();
    let mut day = before;
    while found.len() < BASELINE_DAYS {
        match day.yesterday() {
            Ok(yesterday) if yesterday >= first => day = yesterday,
            _ => break,
        }
        found.push((weekday(day), days.get(&day).copied().unwrap_or(0)));
    }
    found
}

fn weekday(date: Date) -> usize {
    usize::try_from(date.weekday().to_monday_zero_offset()).unwrap_or(0)
}

/// Days of a group (a weekday, or all): their sum, number, and how many are left of them.
#[derive(Clone, Copy, Default)]
struct Class {
    sum: i128,
    count: i128,
}

/// Estimates the month of `today`. `days` holds the sum of each day, those without are 0 from the first one on; that of
/// today is its sum so far. `None` where not even one whole day is known.
#[must_use]
pub fn forecast(days: &BTreeMap<Date, i128>, today: Today) -> Option<Forecast> {
    let month = today.date.first_of_month();
    let so_far: i128 = days.range(month..=today.date).map(|(_, amount)| amount).sum();
    let known = baseline(days, today.date);
    if known.is_empty() {
        return None;
    }
    let by_weekday = known.len() >= WEEKDAY_DAYS;
    let class_of = |weekday: usize| if by_weekday { weekday } else { 0 };
    let mut classes = [Class::default(); 7];
    for (weekday, amount) in &known {
        if let Some(class) = classes.get_mut(class_of(*weekday)) {
            class.sum += amount;
            class.count += 1;
        }
    }
    let class = |weekday: usize| classes.get(class_of(weekday)).copied().unwrap_or_default();
    let (length, left) = (i128::from(today.length.max(1)), i128::from((today.length - today.elapsed).max(0)));
    let now = class(weekday(today.date));
    let mut rest = div_half_even(now.sum * left, (now.count * length).max(1));
    // How many days of each class are left, for the interval.
    let mut days_left = [0.0_f64; 7];
    let mut count = |weekday: usize, part: f64| {
        if let Some(slot) = days_left.get_mut(class_of(weekday)) {
            *slot += part;
        }
    };
    count(weekday(today.date), ratio(left, length));
    let mut day = today.date;
    while day < today.date.last_of_month() {
        let Ok(next) = day.tomorrow() else { break };
        day = next;
        let class = class(weekday(day));
        rest += div_half_even(class.sum, class.count.max(1));
        count(weekday(day), 1.0);
    }
    let forecast = so_far + rest;
    let interval = deviation(&known, &classes, class_of, &days_left).map(|deviation| {
        let margin = rounded(DEVIATIONS * deviation);
        ((forecast - margin).max(so_far), forecast + margin)
    });
    let method = if by_weekday { Method::WeekdayMean } else { Method::DailyMean };
    Some(Forecast { so_far, forecast, interval, method })
}

/// Standard deviation of the estimate of the days left.
#[expect(clippy::cast_precision_loss, reason = "a width for people, not money")]
fn deviation(
    known: &[(usize, i128)],
    classes: &[Class; 7],
    class_of: impl Fn(usize) -> usize,
    days_left: &[f64; 7],
) -> Option<f64> {
    // The variance of one day: squares of the distance to its class's mean, with a degree of freedom less a class.
    let mut squares = 0.0;
    for (weekday, amount) in known {
        let class = classes.get(class_of(*weekday)).copied().unwrap_or_default();
        let residual = *amount as f64 - ratio(class.sum, class.count);
        squares += residual * residual;
    }
    let used = classes.iter().filter(|class| class.count > 0).count();
    let freedom = known.len().checked_sub(used).filter(|freedom| *freedom > 0)?;
    let day = squares / freedom as f64;
    let sum: f64 = days_left.iter().sum();
    let means: f64 = classes
        .iter()
        .zip(days_left)
        .filter(|(class, _)| class.count > 0)
        .map(|(class, left)| left * left / class.count as f64)
        .sum();
    Some((day * (sum + means)).sqrt())
}

/// The nearest whole nano-unit of a width that is never negative.
#[expect(clippy::cast_possible_truncation, reason = "saturates far beyond any bill")]
fn rounded(width: f64) -> i128 {
    width.round() as i128
}

/// What would have been estimated on the same day of the months before, from what was known at its beginning. Months that
/// are not wholly known are left out.
#[must_use]
pub fn past(days: &BTreeMap<Date, i128>, today: Date) -> Vec<Past> {
    let Some(first) = days.keys().next().copied() else { return Vec::new() };
    let mut found = Vec::new();
    let mut month = today.first_of_month();
    for _ in 0..PAST_MONTHS {
        let Ok(before) = month.checked_sub(1.month()) else { break };
        month = before;
        if month < first {
            break;
        }
        let date = month.checked_add(i64::from(today.day() - 1).days()).unwrap_or(month).min(month.last_of_month());
        let mut then = days.range(..date).map(|(day, amount)| (*day, *amount)).collect::<BTreeMap<_, _>>();
        then.entry(first).or_insert(0);
        let actual: i128 = days.range(month..=month.last_of_month()).map(|(_, amount)| amount).sum();
        if let Some(estimate) = forecast(&then, Today { date, elapsed: 0, length: 86_400 }) {
            let error = (actual != 0).then(|| ratio(estimate.forecast - actual, actual));
            found.push(Past { month, forecast: estimate.forecast, actual, error });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn series(from: Date, amounts: impl IntoIterator<Item = i128>) -> BTreeMap<Date, i128> {
        (0..).zip(amounts).map(|(index, amount)| (from.checked_add(index.days()).unwrap(), amount)).collect()
    }

    fn at(date: Date, elapsed: i64) -> Today {
        Today { date, elapsed, length: 86_400 }
    }

    #[test]
    fn with_one_day_the_month_goes_on_as_that_day() {
        // 2026-11-01 is whole with 30, half of the second has passed with 10: 40 + 15 + 28 × 30.
        let days = series(date(2026, 11, 1), [30, 10]);
        let found = forecast(&days, at(date(2026, 11, 2), 43_200)).unwrap();
        assert_eq!(found, Forecast { so_far: 40, forecast: 895, interval: None, method: Method::DailyMean });
        assert_eq!(forecast(&series(date(2026, 11, 2), [10]), at(date(2026, 11, 2), 43_200)), None);
        assert_eq!(forecast(&BTreeMap::new(), at(date(2026, 11, 2), 0)), None);
    }

    #[test]
    fn weekdays_that_never_change_are_foretold_exactly() {
        // Workdays 100, weekends 10, for four weeks from Monday 2026-11-02; on Monday the 30th one day is left.
        let weeks = (0..28).map(|day| if day % 7 < 5 { 100 } else { 10 });
        let days = series(date(2026, 11, 2), weeks);
        let found = forecast(&days, at(date(2026, 11, 30), 0)).unwrap();
        assert_eq!((found.so_far, found.forecast), (4 * 520, 4 * 520 + 100));
        assert_eq!((found.interval, found.method), (Some((2180, 2180)), Method::WeekdayMean));
        // After two of the weeks, on Monday the 16th: 11 workdays and 4 days of weekend are to come.
        let days = days.into_iter().filter(|(day, _)| *day < date(2026, 11, 16)).collect();
        let found = forecast(&days, at(date(2026, 11, 16), 0)).unwrap();
        assert_eq!(found.forecast, 2 * 520 + 11 * 100 + 4 * 10);
    }

    #[test]
    fn the_interval_follows_from_the_residuals() {
        // Four days of 10, 20, 10, 20 and two left: mean 15, variance 100/3, of the estimate 100/3 × (2 + 2²/4) = 100.
        let days = series(date(2026, 4, 25), [10, 20, 10, 20]);
        let found = forecast(&days, at(date(2026, 4, 29), 0)).unwrap();
        assert_eq!((found.so_far, found.forecast), (60, 90));
        // 1.2816 × 10 = 12.8
        assert_eq!(found.interval, Some((77, 103)));
        let wild = series(date(2026, 4, 27), [0, 1000]);
        let found = forecast(&wild, at(date(2026, 4, 29), 0)).unwrap();
        assert_eq!(found.interval.unwrap().0, 1000, "what was spent stays spent");
    }

    #[test]
    fn days_without_requests_count_as_nothing() {
        let mut days = series(date(2026, 11, 1), [70]);
        days.insert(date(2026, 11, 8), 0);
        let found = forecast(&days, at(date(2026, 11, 8), 0)).unwrap();
        assert_eq!(found.forecast, 70 + 23 * 10);
    }

    #[test]
    fn past_months_tell_how_far_off_it_would_have_been() {
        // 10 a day in September, 20 a day in October and November.
        let days = series(date(2026, 9, 1), (0..30).map(|_| 10).chain((0..51).map(|_| 20)));
        let found = past(&days, date(2026, 11, 21));
        let months: Vec<_> = found.iter().map(|past| (past.month, past.forecast, past.actual)).collect();
        // The 28 days before Wednesday, October 21st, begin on September 23rd: Wednesdays were 10, 10, 20, 20, the others
        // 10, 20, 20, 20, whose mean of 17.5 is rounded to the even 18. Two Wednesdays and nine others are left.
        assert_eq!(months, [(date(2026, 10, 1), 400 + 2 * 15 + 9 * 18, 620), (date(2026, 9, 1), 300, 300)]);
        assert!((found.last().unwrap().error.unwrap()).abs() < 1e-12);
        assert!(past(&days, date(2026, 9, 21)).is_empty());
    }
}
