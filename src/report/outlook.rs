//! A month's cost so far, by currency, and what it will come to.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use super::by::{Attribute, By};
use super::forecast::{self, Forecast, Method, Past, Today};
use super::totals::{Question, totals};
use crate::ledger::{Error, Moment, RequestFilter};
use crate::record::{Currency, Micros};
use crate::session::usage::Period;

/// One currency of a month.
#[derive(Clone, Debug, PartialEq)]
pub struct Outlook {
    /// The currency.
    pub currency: Currency,
    /// The estimate.
    pub forecast: Forecast,
    /// How far off it would have been on this day of the months before, the latest first.
    pub past: Vec<Past>,
}

/// The present day of a zone.
#[must_use]
pub fn today(now: Micros, zone: &TimeZone) -> Option<Today> {
    let now = Timestamp::from_microsecond(now).ok()?.to_zoned(zone.clone());
    let start = now.start_of_day().ok()?;
    let end = start.checked_add(1.day()).ok()?;
    let seconds = |from: &jiff::Zoned, to: &jiff::Zoned| to.timestamp().as_second() - from.timestamp().as_second();
    Some(Today { date: now.date(), elapsed: seconds(&start, &now), length: seconds(&start, &end) })
}

/// First moment of a day of a zone.
#[must_use]
pub fn first_moment(date: Date, zone: &TimeZone) -> Option<Micros> {
    Some(date.to_zoned(zone.clone()).ok()?.timestamp().as_microsecond())
}

/// What each day until now cost. `by` are the columns before the day, `key` what their values and a currency are kept under.
fn days<K: Ord>(
    moment: &Moment,
    zone: &TimeZone,
    filter: &RequestFilter,
    now: Micros,
    by: &[By],
    key: impl Fn(&[String], Currency) -> K,
) -> Result<BTreeMap<K, BTreeMap<Date, i128>>, Error> {
    let question = Question {
        by: by.iter().cloned().chain([By::Currency, By::Period(Period::Day)]).collect(),
        filter: filter.clone(),
        since: i64::MIN,
        until: now,
        zone: zone.clone(),
        kinds: false,
    };
    let (mut series, mut first) = (BTreeMap::<K, BTreeMap<Date, i128>>::new(), None::<Date>);
    for (values, figures) in &totals(moment, &question)?.groups {
        let Some(day) = values.last().and_then(|day| day.parse::<Date>().ok()) else { continue };
        first = Some(first.map_or(day, |first| first.min(day)));
        for (currency, amount) in figures.costs() {
            *series.entry(key(values, currency)).or_default().entry(day).or_default() += amount;
        }
    }
    // The ledger was there before this currency was: those days cost nothing in it.
    if let Some(first) = first {
        series.values_mut().for_each(|days| {
            days.entry(first).or_insert(0);
        });
    }
    Ok(series)
}

/// What the present month will come to, by gateway and currency: the parts of what [`read`] says of all, to rounding.
///
/// # Errors
/// The ledger cannot be read.
pub fn by_gateway(
    moment: &Moment,
    zone: &TimeZone,
    now: Micros,
) -> Result<BTreeMap<(String, Currency), Forecast>, Error> {
    let Some(today) = today(now, zone) else { return Ok(BTreeMap::new()) };
    let key = |values: &[String], currency| (values.first().cloned().unwrap_or_default(), currency);
    let gateway = [By::Attribute(Attribute::Gateway)];
    let series = days(moment, zone, &RequestFilter::default(), now, &gateway, key)?;
    Ok(series.into_iter().filter_map(|(key, days)| Some((key, forecast::forecast(&days, today)?))).collect())
}

/// The month of a day (`None`: the present one), by currency. A month that is over comes to what it came to; one that has not
/// begun has no outlook.
///
/// # Errors
/// The ledger cannot be read.
pub fn read(
    moment: &Moment,
    zone: &TimeZone,
    filter: &RequestFilter,
    now: Micros,
    month: Option<Date>,
) -> Result<Vec<Outlook>, Error> {
    let Some(today) = today(now, zone) else { return Ok(Vec::new()) };
    let present = today.date.first_of_month();
    let month = month.unwrap_or(present).first_of_month();
    if month > present {
        return Ok(Vec::new());
    }
    let series = days(moment, zone, filter, now, &[], |_, currency| currency)?;
    let mut outlooks = Vec::new();
    for (currency, days) in series {
        if month < present {
            let actual: i128 = days.range(month..=month.last_of_month()).map(|(_, amount)| amount).sum();
            let forecast =
                Forecast { so_far: actual, forecast: actual, interval: Some((actual, actual)), method: Method::Actual };
            outlooks.push(Outlook { currency, forecast, past: Vec::new() });
        } else if let Some(forecast) = forecast::forecast(&days, today) {
            outlooks.push(Outlook { currency, forecast, past: forecast::past(&days, today.date) });
        }
    }
    Ok(outlooks)
}
