//! What each kind of token cost: a request's cost taken apart into whole nano-units that add up to it exactly.
//!
//! Each kind's exact amount is rounded down; what is then missing of the cost, less than a nano-unit a kind, goes to the
//! kind with the largest amount (the first of equals). A cost that the price row does not give, such as one that the
//! gateway logged, is `other` as a whole.

use super::price::AMOUNT_PER_NANO;
use super::rates::{Compiled, to_nanos};
use super::row::Row;
use super::table::Request;
use crate::record::{Cost, Currency};

/// The parts of a cost in nano-units of its currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CostKinds {
    /// Input read anew.
    pub uncached_input: i64,
    /// Input from the provider's cache.
    pub cache_read: i64,
    /// Input written to the cache, for 5 minutes or for an hour.
    pub cache_write: i64,
    /// Output that the client sees.
    pub visible_output: i64,
    /// Output spent on reasoning.
    pub reasoning: i64,
    /// What no kind accounts for.
    pub other: i64,
}

impl CostKinds {
    /// A cost of which nothing more is known.
    #[must_use]
    pub fn other(cost: Option<Cost>) -> CostKinds {
        CostKinds { other: cost.map_or(0, |cost| cost.nanos), ..CostKinds::default() }
    }

    /// The sum of all: the cost.
    #[must_use]
    pub fn total(&self) -> i64 {
        let CostKinds { uncached_input, cache_read, cache_write, visible_output, reasoning, other } = self;
        [cache_read, cache_write, visible_output, reasoning, other]
            .into_iter()
            .fold(*uncached_input, |sum, part| sum.saturating_add(*part))
    }
}

/// A price row made ready to take costs apart.
#[derive(Clone, Debug)]
pub struct Splitter {
    compiled: Compiled,
    currency: Currency,
}

impl Splitter {
    /// Makes a row ready.
    #[must_use]
    pub fn new(row: &Row) -> Splitter {
        Splitter { compiled: Compiled::build(row), currency: row.currency }
    }

    /// Takes the cost of a request apart.
    #[must_use]
    pub fn split(&self, request: &Request, cost: Cost) -> CostKinds {
        let other = CostKinds { other: cost.nanos, ..CostKinds::default() };
        let tokens = &request.tokens;
        let place = self.compiled.place(request.start, request.service_tier, tokens);
        let Some(rates) = self.compiled.rates(place).filter(|_| cost.currency == self.currency) else { return other };
        let amounts = rates.amounts(tokens);
        let sum = amounts.iter().fold(0_i128, |sum, amount| sum.saturating_add(*amount));
        if to_nanos(sum) != cost.nanos || cost.nanos == i64::MAX {
            return other;
        }
        let largest = amounts.iter().enumerate().fold(
            (0, -1),
            |best: (usize, i128), (index, amount)| {
                if *amount > best.1 { (index, *amount) } else { best }
            },
        );
        let mut parts = [0_i64; 5];
        let mut rest = cost.nanos;
        for (index, (part, amount)) in parts.iter_mut().zip(amounts).enumerate() {
            if index != largest.0 && amount > 0 {
                *part = i64::try_from(amount / AMOUNT_PER_NANO).unwrap_or(i64::MAX);
                rest = rest.saturating_sub(*part);
            }
        }
        if let Some(part) = parts.get_mut(largest.0) {
            *part = rest;
        }
        let [uncached_input, cache_read, cache_write, visible_output, reasoning] = parts;
        CostKinds { uncached_input, cache_read, cache_write, visible_output, reasoning, other: 0 }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::pricing::Table;
    use crate::record::{ServiceTier, Tokens};

    fn row(text: &str) -> Row {
        Row::from_json(&format!(r#"{{"model":"m","currency":"USD",{text}}}"#)).unwrap()
    }

    fn request(tokens: Tokens) -> Request {
        Request { start: 1_790_000_000_000_000, service_tier: ServiceTier::Standard, tokens, cache_ttl_known: true }
    }

    #[test]
    fn the_remainder_goes_to_the_largest_kind() {
        // 0.0000015 a token: three of each make 4.5 and 4.5 nano-units less, rounded to 9.
        let splitter = Splitter::new(&row(r#""input":0.0015,"output":0.0015"#));
        let tokens = Tokens { uncached_input: 3, visible_output: 3, ..Tokens::default() };
        let cost = Cost { nanos: 9, currency: Currency::USD };
        let kinds = splitter.split(&request(tokens), cost);
        assert_eq!((kinds.uncached_input, kinds.visible_output, kinds.other), (5, 4, 0));
        for strange in [Cost { nanos: 8, ..cost }, Cost { currency: Currency::CNY, ..cost }] {
            let kinds = splitter.split(&request(tokens), strange);
            assert_eq!(kinds, CostKinds::other(Some(strange)));
        }
    }

    proptest! {
        #[test]
        fn the_parts_add_up_and_are_the_lines_of_the_explanation(
            counts in any::<[u32; 6]>(),
            starts in 1_780_000_000_000_000_i64..1_800_000_000_000_000,
            model in proptest::sample::select(vec!["gpt-4o", "claude-sonnet-4-5", "deepseek-chat", "qwen-plus", "gemini-2.5-pro"]),
        ) {
            let table = Table::builtin();
            let [uncached_input, cache_read, cache_write_5m, cache_write_1h, visible_output, reasoning] =
                counts.map(u64::from);
            let tokens = Tokens { uncached_input, cache_read, cache_write_5m, cache_write_1h, visible_output, reasoning };
            let request = Request { start: starts, ..request(tokens) };
            let priced = table.price(&table.find("", model), &request);
            if let (Some(cost), Some(row)) = (priced.cost, priced.row.and_then(|row| table.row(row))) {
                let stored = Row::from_json(&row.to_json()).unwrap();
                let kinds = Splitter::new(&stored).split(&request, cost);
                prop_assert_eq!(kinds.total(), cost.nanos);
                prop_assert_eq!(kinds.other, 0);
                let explanation = table.explain("", model, &request);
                let exact = |labels: &[&str]| -> f64 {
                    explanation.lines.iter().filter(|line| labels.contains(&line.kind))
                        .map(|line| line.amount.parse::<f64>().unwrap() * 1e9).sum()
                };
                for (part, labels) in [
                    (kinds.uncached_input, &["input"][..]),
                    (kinds.cache_read, &["cache_read"]),
                    (kinds.cache_write, &["cache_write_5m", "cache_write_1h"]),
                    (kinds.visible_output, &["output"]),
                    (kinds.reasoning, &["reasoning"]),
                ] {
                    // A nano-unit for each kind whose remainder it may hold; the decimal text has more digits than f64.
                    let exact = exact(labels);
                    prop_assert!((part as f64 - exact).abs() <= 6.0 + exact * 1e-12, "{} {} {:?}", part, exact, labels);
                }
            }
        }
    }
}
