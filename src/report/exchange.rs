//! Money of a day is converted at the rate in force that day, exactly: sums are rounded once, when they are shown.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;

use crate::pricing::{Config, ExchangeRate, rate_in_force};
use crate::record::Currency;
use crate::record::money::{NANOS, div_half_even};

/// What money is converted to, and at which rates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The currency of the total.
    pub currency: Currency,
    /// The configured rates.
    pub rates: Vec<ExchangeRate>,
}

impl Target {
    /// The total that is configured, `None` where none is.
    #[must_use]
    pub fn configured(pricing: &Config) -> Option<Target> {
        Some(Target { currency: pricing.total_currency?, rates: pricing.rates.clone() })
    }

    fn rate(&self, from: Currency, day: Date) -> Option<&ExchangeRate> {
        rate_in_force(&self.rates, from, self.currency, day)
    }
}

/// Converted money: exact, rounded only where it is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Converted {
    /// The sum in 10^-18 units.
    attos: i128,
    /// Currencies of which some money has no rate on its day.
    pub missing: BTreeSet<Currency>,
}

impl Converted {
    /// The total in nano-units, rounded half to even; `None` where some money has no rate.
    #[must_use]
    pub fn total(&self) -> Option<i128> {
        self.missing.is_empty().then(|| div_half_even(self.attos, NANOS))
    }

    /// What has a rate, in nano-units.
    pub(super) fn known(&self) -> i128 {
        div_half_even(self.attos, NANOS)
    }

    /// Adds money of a day.
    pub(super) fn add(&mut self, target: &Target, day: Date, currency: Currency, nanos: i128) {
        if nanos == 0 {
            return;
        }
        let rate =
            if currency == target.currency { Some(NANOS) } else { target.rate(currency, day).map(|rate| rate.nanos) };
        match rate {
            Some(rate) => self.attos = self.attos.saturating_add(nanos.saturating_mul(rate)),
            None => {
                self.missing.insert(currency);
            }
        }
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
    pub(super) fn observe(&mut self, target: &Target, day: Date, from: Currency) {
        let Some(rate) = target.rate(from, day).filter(|_| from != target.currency) else { return };
        let new = || Used { rate: rate.clone(), first: day, last: day };
        let used = self.0.entry((from, rate.since)).or_insert_with(new);
        used.first = used.first.min(day);
        used.last = used.last.max(day);
    }

    pub(super) fn finish(self) -> Vec<Used> {
        self.0.into_values().collect()
    }
}
