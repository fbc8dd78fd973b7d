//! A seeded source of numbers with the few shapes that made-up traffic needs.
//!
//! Turns a seed into the same sequence on every machine and in every release, which is why it is written out here. It
//! is no source of secrets.

/// Steps of SplitMix64 (Steele, Lea, Flood 2014); also mixes several numbers into one.
fn mix(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A SplitMix64 generator.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    /// The generator of `seed` for one purpose: other purposes of the same seed are independent of it.
    pub(super) fn new(seed: u64, purpose: u64) -> Random {
        Random(mix(seed ^ mix(purpose)))
    }

    /// 64 even bits.
    pub(super) fn bits(&mut self) -> u64 {
        let out = mix(self.0);
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        out
    }

    /// Even over `[0, 1)`.
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit a double exactly")]
    pub(super) fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / 9_007_199_254_740_992.0
    }

    /// True in a share of `probability` of the calls.
    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Even over `0..bound`; 0 for a bound of 0. The bias of the multiplication is below 2^-32 for the small bounds here.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        let product = u128::from(self.bits()) * u128::try_from(bound).unwrap_or(0);
        usize::try_from(product >> 64).unwrap_or(0)
    }

    /// Even over `low..=high`.
    pub(super) fn between(&mut self, low: u64, high: u64) -> u64 {
        let span = usize::try_from(high.saturating_sub(low)).unwrap_or(usize::MAX - 1);
        low + u64::try_from(self.below(span + 1)).unwrap_or(0)
    }

    /// One of a slice, all equally likely; `None` of an empty one.
    pub(super) fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        let index = self.below(from.len());
        from.get(index)
    }

    /// Standard normal, by the sum of twelve even numbers: tails end at 6 sigma, which keeps durations plausible.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }

    /// Log-normal with this median; `sigma` is the standard deviation of the logarithm. The long tail of latencies.
    pub(super) fn lognormal(&mut self, median: f64, sigma: f64) -> f64 {
        median * (sigma * self.normal()).exp()
    }

    /// Exponential with this mean: gaps of a Poisson process.
    pub(super) fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }
}

/// The nearest whole number that is not negative; at most 10^15, NaN is 0.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to a range that u64 holds")]
pub(super) fn whole(value: f64) -> u64 {
    value.round().clamp(0.0, 1e15) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_and_purpose_give_the_same_numbers_and_others_do_not() {
        let draw = |seed, purpose| {
            let mut random = Random::new(seed, purpose);
            (0..8).map(|_| random.bits()).collect::<Vec<_>>()
        };
        assert_eq!(draw(1, 2), draw(1, 2));
        assert_ne!(draw(1, 2), draw(2, 2));
        assert_ne!(draw(1, 2), draw(1, 3));
    }

    #[test]
    fn shapes_keep_their_bounds_and_centres() {
        let mut random = Random::new(7, 0);
        let n = 20_000;
        assert!((0..n).all(|_| (0.0..1.0).contains(&random.unit())));
        assert!((0..n).all(|_| random.below(3) < 3));
        assert!((0..n).all(|_| (5..=9).contains(&random.between(5, 9))));
        assert_eq!((random.below(0), random.between(4, 4), random.pick::<u8>(&[])), (0, 4, None));
        let below_median = (0..n).filter(|_| random.lognormal(100.0, 0.8) < 100.0).count();
        assert!((9_500..10_500).contains(&below_median), "{below_median}");
        let mean = (0..n).map(|_| random.exponential(2.0)).sum::<f64>() / f64::from(n);
        assert!((1.9..2.1).contains(&mean), "{mean}");
        assert_eq!((whole(-3.0), whole(2.5), whole(f64::NAN), whole(f64::INFINITY)), (0, 3, 0, 1_000_000_000_000_000));
    }
}
