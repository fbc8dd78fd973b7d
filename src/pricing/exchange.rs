//! Dated exchange rates, and which of two costs counts.
//!
//! Money is converted only where somebody asks for it and a rate of that very direction is configured: a rate is never
//! turned round and two rates are never chained, since either would show a rate that nobody gave.

use jiff::civil::Date;

use super::config::{CostMode, ExchangeRate};
use crate::record::money::{NANOS, div_half_even};
use crate::record::{Cost, Currency};

/// The rate from one currency to another on a day: the one that began last, of equal ones the later in the list.
#[must_use]
pub fn rate_in_force(rates: &[ExchangeRate], from: Currency, to: Currency, date: Date) -> Option<&ExchangeRate> {
    rates.iter().filter(|rate| rate.from == from && rate.to == to && rate.since <= date).max_by_key(|rate| rate.since)
}

/// Converts nano-units by a rate, rounding once, half to even; saturates at the bounds of 128 bits.
#[must_use]
pub fn convert(nanos: i128, rate: &ExchangeRate) -> i128 {
    // nanos × rate may need more than 128 bits: the whole units are exact without a division.
    let (units, rest) = (nanos.div_euclid(NANOS), nanos.rem_euclid(NANOS));
    units.saturating_mul(rate.nanos).saturating_add(div_half_even(rest.saturating_mul(rate.nanos), NANOS))
}

/// Which cost of a request counts, of the computed and the logged one.
#[must_use]
pub fn choose(mode: CostMode, computed: Option<Cost>, logged: Option<Cost>) -> Option<Cost> {
    match mode {
        CostMode::Computed => computed,
        CostMode::Logged => logged,
        CostMode::LoggedElseComputed => logged.or(computed),
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    fn rate(nanos: i128, since: Date) -> ExchangeRate {
        ExchangeRate { from: Currency::CNY, to: Currency::USD, nanos, since }
    }

    #[test]
    fn the_rate_that_began_last_is_in_force() {
        let rates = [
            rate(139_000_000, date(2026, 11, 1)),
            rate(137_000_000, date(2026, 1, 1)),
            rate(140_000_000, date(2026, 11, 1)),
        ];
        for (day, want) in [
            (date(2025, 12, 31), None),
            (date(2026, 1, 1), Some(137_000_000)),
            (date(2026, 10, 31), Some(137_000_000)),
            (date(2026, 11, 1), Some(140_000_000)),
        ] {
            let found = rate_in_force(&rates, Currency::CNY, Currency::USD, day).map(|rate| rate.nanos);
            assert_eq!(found, want, "{day}");
        }
        assert_eq!(rate_in_force(&rates, Currency::USD, Currency::CNY, date(2026, 11, 1)), None);
    }

    #[test]
    fn conversion_rounds_half_to_even() {
        let half = rate(500_000_000, date(2026, 1, 1));
        for (nanos, want) in [(1, 0), (3, 2), (5, 2), (-1, 0), (-3, -2), (2_000_000_000, 1_000_000_000)] {
            assert_eq!(convert(nanos, &half), want, "{nanos}");
        }
        assert_eq!(convert(i128::MAX, &rate(7_000_000_000, date(2026, 1, 1))), i128::MAX);
    }

    #[test]
    fn the_mode_says_which_cost_counts() {
        let cost = |nanos| Some(Cost { nanos, currency: Currency::USD });
        for (mode, computed, logged, want) in [
            (CostMode::Computed, cost(1), cost(2), cost(1)),
            (CostMode::Computed, None, cost(2), None),
            (CostMode::Logged, cost(1), cost(2), cost(2)),
            (CostMode::Logged, cost(1), None, None),
            (CostMode::LoggedElseComputed, cost(1), cost(2), cost(2)),
            (CostMode::LoggedElseComputed, cost(1), None, cost(1)),
            (CostMode::LoggedElseComputed, None, None, None),
        ] {
            assert_eq!(choose(mode, computed, logged), want, "{mode:?}");
        }
    }

    proptest! {
        #[test]
        fn conversion_equals_one_exact_division(nanos in -1i128 << 60..1i128 << 60, factor in 0i128..1 << 50) {
            prop_assert_eq!(convert(nanos, &rate(factor, date(2026, 1, 1))), div_half_even(nanos * factor, NANOS));
        }
    }
}
