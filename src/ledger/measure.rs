//! What is summed of rows: the one list of measures that rollups and adjustments share.

use crate::record::{ErrorReason, Outcome, Row};

macro_rules! measures {
    ($($variant:ident = $column:literal;)+) => {
        /// A summed amount; each is a column of rollups and adjustments.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Measure { $(#[doc = $column] $variant,)+ }
        impl Measure {
            /// All measures, in the order of their columns.
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
    pub fn of(row: &Row) -> Measures {
        let mut measures = Measures::default();
        let count = |tokens: u64| i64::try_from(tokens).unwrap_or(i64::MAX);
        let mut set = |measure: Measure, value: i64| measures.set(measure, value);
        set(Measure::Requests, 1);
        if let Some(reason) = row.outcome.error() {
            set(Measure::of_error(reason), 1);
        }
        set(Measure::UsageMissing, i64::from(row.usage_missing));
        if row.unpriced {
            set(Measure::UnpricedRequests, 1);
            set(Measure::UnpricedTokens, count(row.tokens.total()));
        }
        set(Measure::UncachedInput, count(row.tokens.uncached_input));
        set(Measure::CacheRead, count(row.tokens.cache_read));
        set(Measure::CacheWrite5m, count(row.tokens.cache_write_5m));
        set(Measure::CacheWrite1h, count(row.tokens.cache_write_1h));
        set(Measure::VisibleOutput, count(row.tokens.visible_output));
        set(Measure::Reasoning, count(row.tokens.reasoning));
        if let Some(cost) = row.cost {
            set(Measure::Cost, cost.nanos);
            set(Measure::Savings, row.savings_nanos);
            if !row.assumed.is_empty() {
                set(Measure::AssumedRequests, 1);
                set(Measure::AssumedCost, cost.nanos);
            }
        }
        if row.outcome == Outcome::Success {
            if let Some(duration) = row.duration {
                set(Measure::DurationCount, 1);
                set(Measure::DurationSum, duration);
            }
            if let Some(first_token) = row.first_token {
                set(Measure::FirstTokenCount, 1);
                set(Measure::FirstTokenSum, first_token);
            }
        }
        measures
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

    /// The count of requests that failed for a reason.
    #[must_use]
    pub fn of_error(reason: ErrorReason) -> Measure {
        match reason {
            ErrorReason::RateLimited => Measure::RateLimited,
            ErrorReason::Client => Measure::Client,
            ErrorReason::Upstream => Measure::Upstream,
            ErrorReason::Timeout => Measure::Timeout,
            ErrorReason::Disconnect => Measure::Disconnect,
            ErrorReason::Gateway => Measure::Gateway,
        }
    }
}

/// `requests, errors_client, …`, each column wrapped by `wrap`.
#[must_use]
pub(super) fn columns(wrap: impl Fn(&str) -> String) -> String {
    let wrapped: Vec<String> = Measure::ALL.iter().map(|measure| wrap(measure.column())).collect();
    wrapped.join(", ")
}
