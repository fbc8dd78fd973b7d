//! A row becomes rates: the one price of each kind for every variant, window and context tier, worked out beforehand.
//!
//! The price of a kind is the first that is given of these:
//!
//! 1. the window's own, in its highest tier below the request's input, else the window's outside of its tiers;
//! 2. the variant's in its highest such tier;
//! 3. the standard price in its highest such tier;
//! 4. the variant's;
//! 5. the standard price.
//!
//! So a variant that prices only input and output leaves the cache at its standard price, and a variant without tiers of
//! its own holds up to the first tier: above it the standard price of the tier counts. A kind that nothing prices costs
//! what its [`Kind::fallback`] costs in the same place. A tier counts for input *above* its threshold, cache reads and
//! writes included, and the whole request moves to it.

use super::price::{AMOUNT_PER_NANO, Price};
use super::row::{Card, Kind, Row, Window};
use super::schedule::{Schedule, Zone};
use crate::record::money::div_half_even;
use crate::record::{Micros, ServiceTier, Tokens};

/// Where a price was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// The standard price.
    Base,
    /// The standard price above so many tokens.
    Tier(u64),
    /// The variant's price.
    Variant,
    /// The variant's price above so many tokens.
    VariantTier(u64),
    /// The price of a window.
    Window,
    /// The window's price above so many tokens.
    WindowTier(u64),
}

/// The price of each kind for one combination of variant, window and context tier.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rates {
    input: Price,
    cache_read: Price,
    cache_write_5m: Price,
    cache_write_1h: Price,
    output: Price,
    reasoning: Price,
}

impl Rates {
    /// What the tokens cost, exactly, in 10^-26 units.
    pub(super) fn amount(&self, tokens: &Tokens) -> i128 {
        self.input
            .times(tokens.uncached_input)
            .saturating_add(self.cache_read.times(tokens.cache_read))
            .saturating_add(self.cache_write_5m.times(tokens.cache_write_5m))
            .saturating_add(self.cache_write_1h.times(tokens.cache_write_1h))
            .saturating_add(self.output.times(tokens.visible_output))
            .saturating_add(self.reasoning.times(tokens.reasoning))
    }

    /// What each kind costs, exactly, in 10^-26 units: uncached input, cache reads, cache writes, visible output,
    /// reasoning.
    pub(super) fn amounts(&self, tokens: &Tokens) -> [i128; 5] {
        let writes_5m = self.cache_write_5m.times(tokens.cache_write_5m);
        [
            self.input.times(tokens.uncached_input),
            self.cache_read.times(tokens.cache_read),
            writes_5m.saturating_add(self.cache_write_1h.times(tokens.cache_write_1h)),
            self.output.times(tokens.visible_output),
            self.reasoning.times(tokens.reasoning),
        ]
    }

    /// What the cache reads would have cost more as input, exactly, in 10^-26 units; never negative.
    pub(super) fn savings(&self, tokens: &Tokens) -> i128 {
        self.input.above(self.cache_read).times(tokens.cache_read)
    }

    /// Whether it matters how long a cache write is kept.
    pub(super) fn ttl_matters(&self) -> bool {
        self.cache_write_1h != self.cache_write_5m
    }
}

/// Rounds an amount to nano-units, half to even, once; saturates at what a request can cost.
pub(super) fn to_nanos(amount: i128) -> i64 {
    i64::try_from(div_half_even(amount, AMOUNT_PER_NANO)).unwrap_or(i64::MAX)
}

/// All input of a request; saturates, since counts may come from anywhere.
pub(super) fn total_input(tokens: &Tokens) -> u64 {
    tokens
        .uncached_input
        .saturating_add(tokens.cache_read)
        .saturating_add(tokens.cache_write_5m)
        .saturating_add(tokens.cache_write_1h)
}

/// A row made ready for arithmetic.
#[derive(Clone, Debug)]
pub(super) struct Compiled {
    /// Ascending thresholds of all its tiers.
    thresholds: Box<[u64]>,
    /// The tiers of service that the row prices, besides standard.
    variants: Box<[ServiceTier]>,
    hours: Box<[Schedule]>,
    zone: Zone,
    /// By window (outside first), then variant (standard first), then number of thresholds passed.
    rates: Box<[Rates]>,
}

/// Which rates of a row count for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Position among the row's windows.
    pub(super) window: Option<usize>,
    /// Position among the row's variants.
    pub(super) variant: Option<usize>,
    /// How many thresholds the input is above.
    pub(super) passed: usize,
    /// Whether a tier of service had to be assumed.
    pub(super) tier_assumed: bool,
}

impl Compiled {
    pub(super) fn build(row: &Row) -> Compiled {
        let cards = std::iter::once(&row.base)
            .chain(row.variants.iter().map(|(_, card)| card))
            .chain(row.windows.iter().map(|window| &window.card));
        let mut thresholds: Vec<u64> = cards.flat_map(|card| card.tiers.iter().map(|tier| tier.above)).collect();
        thresholds.sort_unstable();
        thresholds.dedup();
        let mut rates = Vec::new();
        for window in std::iter::once(None).chain(row.windows.iter().map(Some)) {
            for variant in std::iter::once(None).chain(row.variants.iter().map(|(_, card)| Some(card))) {
                for above in std::iter::once(None).chain(thresholds.iter().copied().map(Some)) {
                    let price = |kind| resolve(row, window, variant, above, kind).0;
                    rates.push(Rates {
                        input: price(Kind::Input),
                        cache_read: price(Kind::CacheRead),
                        cache_write_5m: price(Kind::CacheWrite5m),
                        cache_write_1h: price(Kind::CacheWrite1h),
                        output: price(Kind::Output),
                        reasoning: price(Kind::Reasoning),
                    });
                }
            }
        }
        Compiled {
            thresholds: thresholds.into(),
            variants: row.variants.iter().map(|(tier, _)| *tier).collect(),
            hours: row.windows.iter().map(|window| window.hours.clone()).collect(),
            zone: row.zone.clone(),
            rates: rates.into(),
        }
    }

    /// Finds the rates for a request that starts at a moment.
    pub(super) fn place(&self, start: Micros, tier: ServiceTier, tokens: &Tokens) -> Place {
        let input = total_input(tokens);
        let window = if self.hours.is_empty() {
            None
        } else {
            let minute = self.zone.minute_of_week(start);
            self.hours.iter().position(|hours| hours.contains(minute))
        };
        let variant = self.variants.iter().position(|priced| *priced == tier);
        let tier_assumed = match tier {
            ServiceTier::Unknown => !self.variants.is_empty(),
            ServiceTier::Standard => false,
            ServiceTier::Batch | ServiceTier::Flex | ServiceTier::Priority => variant.is_none(),
        };
        Place {
            window,
            variant,
            passed: self.thresholds.iter().take_while(|above| input > **above).count(),
            tier_assumed,
        }
    }

    /// The rates of a place.
    pub(super) fn rates(&self, place: Place) -> Option<&Rates> {
        let after = |position: Option<usize>| position.map_or(0, |position| position + 1);
        let segments = self.thresholds.len() + 1;
        let group = after(place.window) * (self.variants.len() + 1) + after(place.variant);
        self.rates.get(group * segments + place.passed)
    }

    /// The threshold that a place's input is above, if any.
    pub(super) fn threshold(&self, place: Place) -> Option<u64> {
        place.passed.checked_sub(1).and_then(|last| self.thresholds.get(last)).copied()
    }
}

/// The price of a kind above a threshold, the kind whose price it is, and where it was found.
pub(super) fn resolve(
    row: &Row,
    window: Option<&Window>,
    variant: Option<&Card>,
    above: Option<u64>,
    kind: Kind,
) -> (Price, Kind, Origin) {
    let tier = |card: &Card, kind| {
        let passed = card.tiers.iter().filter(|tier| above.is_some_and(|above| tier.above <= above));
        passed.rev().find_map(|tier| tier.prices.get(kind).map(|price| (price, tier.above)))
    };
    let mut kind = kind;
    loop {
        let in_window = window.and_then(|window| {
            let own = tier(&window.card, kind).map(|(price, above)| (price, Origin::WindowTier(above)));
            own.or_else(|| window.card.prices.get(kind).map(|price| (price, Origin::Window)))
        });
        let found = in_window
            .or_else(|| {
                variant.and_then(|card| tier(card, kind)).map(|(price, above)| (price, Origin::VariantTier(above)))
            })
            .or_else(|| tier(&row.base, kind).map(|(price, above)| (price, Origin::Tier(above))))
            .or_else(|| variant.and_then(|card| card.prices.get(kind)).map(|price| (price, Origin::Variant)))
            .or_else(|| row.base.prices.get(kind).map(|price| (price, Origin::Base)));
        match (found, kind.fallback()) {
            (Some((price, origin)), _) => return (price, kind, origin),
            (None, Some(fallback)) => kind = fallback,
            // Every row prices input and output: the readers refuse one that does not.
            (None, None) => return (Price::ZERO, kind, Origin::Base),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pricing::price::format_amount;

    fn row(text: &str) -> Row {
        Row::from_json(&format!(r#"{{"model":"m","currency":"USD",{text}}}"#)).unwrap()
    }

    fn cost(row: &Row, moment: &str, tier: ServiceTier, tokens: Tokens) -> String {
        let compiled = Compiled::build(row);
        let start = moment.parse::<jiff::Timestamp>().unwrap().as_microsecond();
        let place = compiled.place(start, tier, &tokens);
        format_amount(compiled.rates(place).unwrap().amount(&tokens))
    }

    /// A million tokens of one kind after so many of uncached input, so that the cost is that kind's price.
    fn price(row: &Row, tier: ServiceTier, kind: Kind, moment: &str) -> String {
        let mut tokens = Tokens::default();
        match kind {
            Kind::Input => tokens.uncached_input = 1_000_000,
            Kind::CacheRead => tokens.cache_read = 1_000_000,
            Kind::CacheWrite5m => tokens.cache_write_5m = 1_000_000,
            Kind::CacheWrite1h => tokens.cache_write_1h = 1_000_000,
            Kind::Output => tokens.visible_output = 1_000_000,
            Kind::Reasoning => tokens.reasoning = 1_000_000,
        }
        cost(row, moment, tier, tokens)
    }

    const NOON: &str = "2026-11-20T12:00:00Z";

    #[test]
    fn a_kind_without_a_price_costs_what_its_fallback_costs() {
        let bare = row(r#""input":2,"output":8"#);
        for (kind, want) in
            [(Kind::CacheRead, "2"), (Kind::CacheWrite5m, "2"), (Kind::CacheWrite1h, "2"), (Kind::Reasoning, "8")]
        {
            assert_eq!(price(&bare, ServiceTier::Standard, kind, NOON), want, "{kind:?}");
        }
        let written = row(r#""input":2,"output":8,"cache_write_5m":2.5"#);
        assert_eq!(price(&written, ServiceTier::Standard, Kind::CacheWrite1h, NOON), "2.5");
    }

    #[test]
    fn the_whole_request_moves_to_the_tier_of_its_total_input() {
        let tiered = row(
            r#""input":1,"output":10,"cache_read":0.5,"tiers":[{"above":100,"input":2,"output":20},{"above":200,"input":3}]"#,
        );
        for (input, read, want) in [
            (100, 0, "0.0001"),
            (101, 0, "0.000202"),
            (60, 40, "0.00008"),
            (60, 41, "0.0001405"),
            (200, 0, "0.0004"),
            (201, 0, "0.000603"),
        ] {
            let tokens = Tokens { uncached_input: input, cache_read: read, ..Tokens::default() };
            assert_eq!(cost(&tiered, NOON, ServiceTier::Standard, tokens), want, "{input} + {read}");
        }
        let tokens = Tokens { uncached_input: 201, visible_output: 10, ..Tokens::default() };
        assert_eq!(cost(&tiered, NOON, ServiceTier::Standard, tokens), "0.000803", "output stays at the tier below");
    }

    #[test]
    fn a_variant_leaves_what_it_does_not_price_at_the_standard_price() {
        let varied = row(
            r#""input":4,"output":16,"cache_read":1,"tiers":[{"above":2000000,"input":8}],"batch":{"input":2,"output":8},"flex":{"input":3,"tiers":[{"above":2000000,"input":6}]}"#,
        );
        for (tier, kind, want) in [
            (ServiceTier::Standard, Kind::Input, "4"),
            (ServiceTier::Unknown, Kind::Input, "4"),
            (ServiceTier::Batch, Kind::Input, "2"),
            (ServiceTier::Batch, Kind::CacheRead, "1"),
            (ServiceTier::Batch, Kind::CacheWrite1h, "2"),
            (ServiceTier::Flex, Kind::Output, "16"),
            (ServiceTier::Priority, Kind::Input, "4"),
        ] {
            assert_eq!(price(&varied, tier, kind, NOON), want, "{tier:?} {kind:?}");
        }
        let big = Tokens { uncached_input: 3_000_000, ..Tokens::default() };
        for (tier, want) in [(ServiceTier::Batch, "24"), (ServiceTier::Flex, "18"), (ServiceTier::Standard, "24")] {
            assert_eq!(cost(&varied, NOON, tier, big), want, "{tier:?}");
        }
    }

    #[test]
    fn a_window_counts_at_its_hours_and_leaves_the_rest() {
        let windowed = row(
            r#""input":1,"output":2,"batch":{"input":0.5},"windows":[{"hours":["Mon-Fri 01:00-04:00"],"input":3},{"hours":["Sat 00:00-24:00"],"output":1}]"#,
        );
        for (moment, tier, kind, want) in [
            ("2026-11-20T02:00:00Z", ServiceTier::Standard, Kind::Input, "3"),
            ("2026-11-20T02:00:00Z", ServiceTier::Batch, Kind::Input, "3"),
            ("2026-11-20T02:00:00Z", ServiceTier::Standard, Kind::Output, "2"),
            ("2026-11-20T04:00:00Z", ServiceTier::Standard, Kind::Input, "1"),
            ("2026-11-20T04:00:00Z", ServiceTier::Batch, Kind::Input, "0.5"),
            ("2026-11-21T02:00:00Z", ServiceTier::Standard, Kind::Output, "1"),
        ] {
            assert_eq!(price(&windowed, tier, kind, moment), want, "{moment} {tier:?} {kind:?}");
        }
    }

    #[test]
    fn a_tier_of_service_is_assumed_where_the_row_and_the_log_do_not_agree() {
        let varied = Compiled::build(&row(r#""input":4,"output":16,"batch":{"input":2}"#));
        let plain = Compiled::build(&row(r#""input":4,"output":16"#));
        for (compiled, tier, want) in [
            (&varied, ServiceTier::Unknown, true),
            (&varied, ServiceTier::Standard, false),
            (&varied, ServiceTier::Batch, false),
            (&varied, ServiceTier::Priority, true),
            (&plain, ServiceTier::Unknown, false),
            (&plain, ServiceTier::Flex, true),
        ] {
            assert_eq!(compiled.place(0, tier, &Tokens::default()).tier_assumed, want, "{tier:?}");
        }
    }

    #[test]
    fn absurd_counts_saturate_instead_of_failing() {
        let dear = row(r#""input":100000000,"output":100000000"#);
        let compiled = Compiled::build(&dear);
        let tokens = Tokens {
            uncached_input: u64::MAX,
            cache_read: u64::MAX,
            cache_write_5m: u64::MAX,
            cache_write_1h: u64::MAX,
            visible_output: u64::MAX,
            reasoning: u64::MAX,
        };
        let place = compiled.place(i64::MIN, ServiceTier::Unknown, &tokens);
        assert_eq!(to_nanos(compiled.rates(place).unwrap().amount(&tokens)), i64::MAX);
    }
}
