//! Money of a day is converted at the rate in force that day, exactly: sums are rounded once, when they are shown.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::pricing::{Config, ExchangeRate, rate_in_force};
use crate::record::money::NANOS;
use crate::record::{Currency, Micros};
use crate::session::usage::Period;

/// 10^-18 units in a nano-unit.
pub(super) const DECIMALS: i128 = NANOS;

/// What money is converted to, and at which rates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The currency of the total.
    pub currency: Currency,
    /// The configured rates.
    pub rates: Vec<ExchangeRate>,
    /// The zone of the days from which rates count.
    pub zone: TimeZone,
}

/// A conversion on one day.
#[derive(Clone, Copy, Debug)]
pub struct Exchange<'a> {
    target: &'a Target,
    day: Date,
}

impl Target {
    /// The total that is configured, `None` where none is.
    #[must_use]
    pub fn configured(pricing: &Config, zone: &TimeZone) -> Option<Target> {
        let currency = pricing.total_currency?;
        Some(Target { currency, rates: pricing.rates.clone(), zone: zone.clone() })
    }

    /// The conversions of the day in which a moment lies.
    #[must_use]
    pub fn at(&self, moment: Micros) -> Exchange<'_> {
        Exchange { target: self, day: Period::Day.of(moment, &self.zone).first }
    }
}

impl Exchange<'_> {
    /// Nano-units in 10^-18 units of the target; `None` where no rate of that direction is in force.
    #[must_use]
    pub(super) fn attos(&self, from: Currency, nanos: i128) -> Option<i128> {
        let rate = if from == self.target.currency { NANOS } else { self.rate(from)?.nanos };
        Some(nanos.saturating_mul(rate))
    }

    /// The rate in force.
    #[must_use]
    pub fn rate(&self, from: Currency) -> Option<&ExchangeRate> {
        rate_in_force(&self.target.rates, from, self.target.currency, self.day)
    }
}

/// A rate that was used, and the days on which it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Used {
    /// The rate.
    pub rate: ExchangeRate,
    /// First day with money.
    pub first: Date,
    /// Last day with money.
    pub last: Date,
}

/// Collects the rates that were used.
#[derive(Clone, Debug, Default)]
pub(super) struct UsedRates(BTreeMap<(Currency, Date), Used>);

impl UsedRates {
    pub(super) fn observe(&mut self, exchange: Exchange<'_>, from: Currency) {
        let Some(rate) = exchange.rate(from).filter(|_| from != exchange.target.currency) else { return };
        let used = self.0.entry((from, rate.since)).or_insert_with(|| Used {
            rate: rate.clone(),
            first: exchange.day,
            last: exchange.day,
        });
        used.first = used.first.min(exchange.day);
        used.last = used.last.max(exchange.day);
    }

    pub(super) fn finish(self) -> Vec<Used> {
        self.0.into_values().collect()
    }
}
