//! What is summed of rows: the one list of measures that rollups and adjustments share, and their packed form.
//!
//! Packed are a set of bits, one for each measure that is not 0, and those amounts, all as variable-length numbers.

use super::row::{Bytes, from_zigzag, number_to, zigzag};
use crate::pricing::CostKinds;
use crate::record::{ErrorReason, Outcome, Row};

macro_rules! measures {
    ($($variant:ident = $column:literal;)+) => {
        /// A summed amount; each is a column of rollups and adjustments.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Measure { $(#[doc = $column] $variant,)+ }
        impl Measure {
            /// All measures, in the order of their columns and of their bits: append only.
            pub const ALL: &'static [Measure] = &[$(Measure::$variant,)+];
            /// Name of the column.
            #[must_use]
            pub fn column(self) -> &'static str { match self { $(Measure::$variant => $column,)+ } }
        }
        const COUNT: usize = [$(Measure::$variant,)+].len();
    };
}

measures! {
    Requests = "requests";
    RateLimited = "errors_rate_limited";
    Client = "errors_client";
    Upstream = "errors_upstream";
    Timeout = "errors_timeout";
    Disconnect = "errors_disconnect";
    Gateway = "errors_gateway";
    UsageMissing = "usage_missing";
    UnpricedRequests = "unpriced_requests";
    UnpricedTokens = "unpriced_tokens";
    UncachedInput = "uncached_input";
    CacheRead = "cache_read";
    CacheWrite5m = "cache_write_5m";
    CacheWrite1h = "cache_write_1h";
    VisibleOutput = "visible_output";
    Reasoning = "reasoning";
    Cost = "cost";
    Savings = "savings";
    AssumedRequests = "assumed_requests";
    AssumedCost = "assumed_cost";
    DurationCount = "duration_count";
    DurationSum = "duration_sum";
    FirstTokenCount = "first_token_count";
    FirstTokenSum = "first_token_sum";
    CostInput = "cost_input";
    CostCacheRead = "cost_cache_read";
    CostCacheWrite = "cost_cache_write";
    CostOutput = "cost_output";
    CostReasoning = "cost_reasoning";
    CostOther = "cost_other";
}

/// One amount per [`Measure`]. Sums saturate at the ends of 64 bits: 9.2 × 10^9 currency units in one cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measures([i64; COUNT]);

impl Default for Measures {
    fn default() -> Self {
        Measures([0; COUNT])
    }
}

impl Measures {
    /// What one row adds. Durations are those of successful requests, in microseconds.
    #[must_use]
    pub fn of(row: &Row, kinds: &CostKinds) -> Measures {
        let mut measures = Measures::default();
        measures.observe(row, kinds);
        measures
    }

    /// Adds a row, and which part of its cost each kind of token has.
    pub fn observe(&mut self, row: &Row, kinds: &CostKinds) {
        let count = |tokens: u64| i64::try_from(tokens).unwrap_or(i64::MAX);
        let mut add = |measure: Measure, value: i64| {
            if value != 0
                && let Some(slot) = self.0.get_mut(measure as usize)
            {
                *slot = slot.saturating_add(value);
            }
        };
        add(Measure::Requests, 1);
        if let Some(reason) = row.outcome.error() {
            add(error_measure(reason), 1);
        }
        add(Measure::UsageMissing, i64::from(row.usage_missing));
        if row.unpriced {
            add(Measure::UnpricedRequests, 1);
            add(Measure::UnpricedTokens, count(row.tokens.total()));
        }
        add(Measure::UncachedInput, count(row.tokens.uncached_input));
        add(Measure::CacheRead, count(row.tokens.cache_read));
        add(Measure::CacheWrite5m, count(row.tokens.cache_write_5m));
        add(Measure::CacheWrite1h, count(row.tokens.cache_write_1h));
        add(Measure::VisibleOutput, count(row.tokens.visible_output));
        add(Measure::Reasoning, count(row.tokens.reasoning));
        if let Some(cost) = row.cost {
            add(Measure::Cost, cost.nanos);
            add(Measure::Savings, row.savings_nanos);
            if !row.assumed.is_empty() {
                add(Measure::AssumedRequests, 1);
                add(Measure::AssumedCost, cost.nanos);
            }
            add(Measure::CostInput, kinds.uncached_input);
            add(Measure::CostCacheRead, kinds.cache_read);
            add(Measure::CostCacheWrite, kinds.cache_write);
            add(Measure::CostOutput, kinds.visible_output);
            add(Measure::CostReasoning, kinds.reasoning);
            add(Measure::CostOther, kinds.other);
        }
        if row.outcome == Outcome::Success {
            if let Some(duration) = row.duration {
                add(Measure::DurationCount, 1);
                add(Measure::DurationSum, duration);
            }
            if let Some(first_token) = row.first_token {
                add(Measure::FirstTokenCount, 1);
                add(Measure::FirstTokenSum, first_token);
            }
        }
    }

    /// The packed form.
    pub(super) fn pack(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(48);
        let bits =
            self.0.iter().enumerate().filter(|(_, value)| **value != 0).fold(0, |bits, (at, _)| bits | 1_u64 << at);
        number_to(bits, &mut bytes);
        self.0.iter().filter(|value| **value != 0).for_each(|value| number_to(zigzag(*value), &mut bytes));
        bytes
    }

    /// Adds a packed one; `None` where the bytes are none. Measures that a newer program has added are left out.
    pub(super) fn add_packed(&mut self, bytes: &[u8]) -> Option<()> {
        let mut bytes = Bytes(bytes);
        let mut bits = bytes.number()?;
        while bits != 0 {
            let value = from_zigzag(bytes.number()?);
            if let Some(slot) = self.0.get_mut(bits.trailing_zeros() as usize) {
                *slot = slot.saturating_add(value);
            }
            bits &= bits - 1;
        }
        bytes.0.is_empty().then_some(())
    }

    /// Reads a packed one.
    pub(super) fn unpack(bytes: &[u8]) -> Result<Measures, super::Error> {
        let mut measures = Measures::default();
        measures
            .add_packed(bytes)
            .ok_or_else(|| super::Error::Stored("the sums of a rollup cannot be read".to_owned()))?;
        Ok(measures)
    }

    /// One amount.
    #[must_use]
    pub fn get(&self, measure: Measure) -> i64 {
        self.0.get(measure as usize).copied().unwrap_or(0)
    }

    /// Sets one amount.
    pub fn set(&mut self, measure: Measure, value: i64) {
        if let Some(slot) = self.0.get_mut(measure as usize) {
            *slot = value;
        }
    }

    /// Adds another.
    pub fn add(&mut self, other: &Measures) {
        self.0.iter_mut().zip(other.0).for_each(|(sum, value)| *sum = sum.saturating_add(value));
    }

    /// Takes another away.
    pub fn subtract(&mut self, other: &Measures) {
        self.0.iter_mut().zip(other.0).for_each(|(sum, value)| *sum = sum.saturating_sub(value));
    }

    /// The amounts in the order of [`Measure::ALL`].
    pub fn values(&self) -> impl Iterator<Item = i64> + '_ {
        self.0.iter().copied()
    }

    /// Whether all amounts are 0.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.0.iter().all(|value| *value == 0)
    }

    /// Reads amounts in the order of [`Measure::ALL`].
    ///
    /// # Errors
    /// The source's own.
    pub fn try_from_fn<E>(mut read: impl FnMut(usize) -> Result<i64, E>) -> Result<Measures, E> {
        let mut measures = Measures::default();
        for (index, slot) in measures.0.iter_mut().enumerate() {
            *slot = read(index)?;
        }
        Ok(measures)
    }
}

impl Measure {
    /// The disjoint kinds of tokens.
    pub const TOKENS: [Measure; 6] = [
        Measure::UncachedInput,
        Measure::CacheRead,
        Measure::CacheWrite5m,
        Measure::CacheWrite1h,
        Measure::VisibleOutput,
        Measure::Reasoning,
    ];
}

fn error_measure(reason: ErrorReason) -> Measure {
    match reason {
        ErrorReason::RateLimited => Measure::RateLimited,
        ErrorReason::Client => Measure::Client,
        ErrorReason::Upstream => Measure::Upstream,
        ErrorReason::Timeout => Measure::Timeout,
        ErrorReason::Disconnect => Measure::Disconnect,
        ErrorReason::Gateway => Measure::Gateway,
    }
}

/// `requests, errors_client, …`, each column wrapped by `wrap`.
#[must_use]
pub(super) fn columns(wrap: impl Fn(&str) -> String) -> String {
    let wrapped: Vec<String> = Measure::ALL.iter().map(|measure| wrap(measure.column())).collect();
    wrapped.join(", ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn sums_survive_being_packed(values in proptest::collection::vec(prop_oneof![Just(0), -5_i64..300, any::<i64>()], COUNT)) {
            let mut measures = Measures::default();
            measures.0.iter_mut().zip(&values).for_each(|(slot, value)| *slot = *value);
            prop_assert_eq!(Measures::unpack(&measures.pack()).unwrap(), measures);
            prop_assert_eq!(measures.is_zero(), measures.pack() == [0]);
        }

        #[test]
        fn any_bytes_are_sums_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = Measures::unpack(&bytes);
        }
    }
}
