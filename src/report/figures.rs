//! Sums of all measures by currency: what every report of requests, tokens and money adds up.

use std::collections::{BTreeMap, BTreeSet};

use super::exchange::{DECIMALS, Exchange};
use crate::ledger::{Measure, Measures};
use crate::record::money::{div_half_even, format_nanos};
use crate::record::{Currency, ErrorReason, Tokens};

/// Amounts by currency in nano-units.
pub type Amounts = BTreeMap<Currency, i128>;

/// A sum for each [`Measure`] that cannot overflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sums([i128; Measure::ALL.len()]);

impl Default for Sums {
    fn default() -> Self {
        Sums([0; Measure::ALL.len()])
    }
}

impl Sums {
    /// One sum.
    #[must_use]
    pub fn get(&self, measure: Measure) -> i128 {
        self.0.get(measure as usize).copied().unwrap_or(0)
    }

    fn add(&mut self, measures: &Measures) {
        self.0.iter_mut().zip(measures.values()).for_each(|(sum, value)| *sum += i128::from(value));
    }

    fn merge(&mut self, other: &Sums) {
        self.0.iter_mut().zip(other.0).for_each(|(sum, value)| *sum += value);
    }
}

/// What a part of a request's cost was paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CostKind {
    /// Input read anew.
    UncachedInput,
    /// Input from the cache.
    CacheRead,
    /// Input written to the cache.
    CacheWrite,
    /// Output that the client sees.
    Output,
    /// Output spent on reasoning.
    Reasoning,
    /// What no token kind explains: cost that the gateway logged, and the rounding of a request to a nano-unit.
    Other,
}

impl CostKind {
    /// All kinds.
    pub const ALL: [CostKind; 6] = [
        CostKind::UncachedInput,
        CostKind::CacheRead,
        CostKind::CacheWrite,
        CostKind::Output,
        CostKind::Reasoning,
        CostKind::Other,
    ];

    /// The name that users see.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            CostKind::UncachedInput => "uncached_input",
            CostKind::CacheRead => "cache_read",
            CostKind::CacheWrite => "cache_write",
            CostKind::Output => "output",
            CostKind::Reasoning => "reasoning",
            CostKind::Other => "other",
        }
    }
}

/// Money converted to one currency: exact, rounded only where it is shown.
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
        self.missing.is_empty().then(|| div_half_even(self.attos, DECIMALS))
    }

    fn merge(&mut self, other: &Converted) {
        self.attos = self.attos.saturating_add(other.attos);
        self.missing.extend(&other.missing);
    }
}

/// The figures of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    by_currency: BTreeMap<Option<Currency>, Sums>,
    /// All its cost in one currency, where that was asked for.
    pub converted: Converted,
}

impl Figures {
    /// Adds sums of one currency. `exchange` says how its cost is converted on its day.
    pub fn add(&mut self, currency: Option<Currency>, measures: &Measures, exchange: Option<Exchange<'_>>) {
        self.by_currency.entry(currency).or_default().add(measures);
        let cost = measures.get(Measure::Cost);
        if let (Some(exchange), Some(currency), true) = (exchange, currency, cost != 0) {
            match exchange.attos(currency, i128::from(cost)) {
                Some(attos) => self.converted.attos = self.converted.attos.saturating_add(attos),
                None => {
                    self.converted.missing.insert(currency);
                }
            }
        }
    }

    /// Adds another group's.
    pub fn merge(&mut self, other: &Figures) {
        for (currency, sums) in &other.by_currency {
            self.by_currency.entry(*currency).or_default().merge(sums);
        }
        self.converted.merge(&other.converted);
    }

    /// A count over all currencies. Not for money.
    #[must_use]
    pub fn count(&self, measure: Measure) -> i128 {
        self.by_currency.values().map(|sums| sums.get(measure)).sum()
    }

    fn natural(&self, measure: Measure) -> u64 {
        u64::try_from(self.count(measure).max(0)).unwrap_or(u64::MAX)
    }

    /// Requests.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.natural(Measure::Requests)
    }

    /// Requests that failed, by reason, without zeros.
    #[must_use]
    pub fn errors_by_reason(&self) -> Vec<(ErrorReason, u64)> {
        let counts = ErrorReason::ALL.iter().map(|reason| (*reason, self.natural(Measure::of_error(*reason))));
        counts.filter(|(_, count)| *count > 0).collect()
    }

    /// Requests that failed.
    #[must_use]
    pub fn errors(&self) -> u64 {
        self.errors_by_reason().iter().map(|(_, count)| count).sum()
    }

    /// Requests whose usage should have been logged and was not.
    #[must_use]
    pub fn usage_missing(&self) -> u64 {
        self.natural(Measure::UsageMissing)
    }

    /// Requests that no price row fits: the cost does not hold them.
    #[must_use]
    pub fn unpriced_requests(&self) -> u64 {
        self.natural(Measure::UnpricedRequests)
    }

    /// Tokens of those.
    #[must_use]
    pub fn unpriced_tokens(&self) -> u64 {
        self.natural(Measure::UnpricedTokens)
    }

    /// Requests whose price rests on an assumption.
    #[must_use]
    pub fn assumed_requests(&self) -> u64 {
        self.natural(Measure::AssumedRequests)
    }

    /// Tokens in disjoint kinds.
    #[must_use]
    pub fn tokens(&self) -> Tokens {
        Tokens {
            uncached_input: self.natural(Measure::UncachedInput),
            cache_read: self.natural(Measure::CacheRead),
            cache_write_5m: self.natural(Measure::CacheWrite5m),
            cache_write_1h: self.natural(Measure::CacheWrite1h),
            visible_output: self.natural(Measure::VisibleOutput),
            reasoning: self.natural(Measure::Reasoning),
        }
    }

    /// Money of a measure by currency. A currency is there where some request is priced in it, with 0 where it was free.
    #[must_use]
    pub fn money(&self, measure: Measure) -> Amounts {
        let sums = self.by_currency.iter();
        sums.filter_map(|(currency, sums)| Some(((*currency)?, sums.get(measure)))).collect()
    }

    /// Cost by currency.
    #[must_use]
    pub fn cost(&self) -> Amounts {
        self.money(Measure::Cost)
    }

    /// What cache reads saved, by currency.
    #[must_use]
    pub fn savings(&self) -> Amounts {
        self.money(Measure::Savings)
    }

    /// Cost that rests on an assumption, by currency.
    #[must_use]
    pub fn assumed_cost(&self) -> Amounts {
        self.money(Measure::AssumedCost)
    }

    /// The share of cost that rests on an assumption, by currency, 0 to 1. Currencies without cost are left out.
    #[must_use]
    pub fn assumed_share(&self) -> BTreeMap<Currency, f64> {
        let assumed = self.assumed_cost();
        let share = |(currency, cost): (Currency, i128)| {
            let part = assumed.get(&currency).copied().unwrap_or(0);
            (cost > 0).then(|| (currency, ratio(part, cost)))
        };
        self.cost().into_iter().filter_map(share).collect()
    }

    /// The share of requests with tokens to pay that no price row fits, 0 to 1.
    #[must_use]
    pub fn unpriced_share(&self) -> f64 {
        ratio(self.unpriced_requests().into(), self.requests().into())
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_currency.is_empty()
    }
}

/// A ratio of two amounts; 0 where the whole is 0.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "a ratio for people, not money")]
pub fn ratio(part: i128, whole: i128) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// Amounts as text: `1.5 USD + 2 CNY`, `–` for none.
#[must_use]
pub fn amounts_text(amounts: &Amounts) -> String {
    let texts: Vec<String> =
        amounts.iter().map(|(currency, nanos)| format!("{} {currency}", format_nanos(*nanos))).collect();
    if texts.is_empty() { "–".to_owned() } else { texts.join(" + ") }
}
