//! Bucket counts with an exact integer sum.

use serde::{Deserialize, Serialize};

use crate::record::Micros;

/// Upper bounds in seconds for durations of requests.
pub const REQUEST_SECONDS: [f64; 18] =
    [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.0, 1.5, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 600.0];

/// Upper bounds in seconds for the time per output token.
pub const TOKEN_SECONDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.25, 2.5];

/// Upper bounds in seconds for commits.
pub const COMMIT_SECONDS: [f64; 13] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];

/// Upper bounds in seconds for sessions: 30 s to 24 h.
pub const SESSION_SECONDS: [f64; 11] =
    [30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0, 3_600.0, 7_200.0, 14_400.0, 28_800.0, 86_400.0];

/// Upper bounds for the turns of a session.
pub const SESSION_TURNS: [f64; 10] = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0];

/// An ascending list of upper bounds; the last bucket, without bound, is implied.
#[derive(Clone, Debug, PartialEq)]
pub struct Bounds {
    seconds: Vec<f64>,
    nanos: Vec<i64>,
}

impl Bounds {
    /// From seconds, ascending and positive.
    #[must_use]
    pub fn new(seconds: &[f64]) -> Bounds {
        #[expect(clippy::cast_possible_truncation, reason = "bounds are checked to be at most some days")]
        let nanos = seconds.iter().map(|bound| (bound * 1e9).round() as i64).collect();
        Bounds { seconds: seconds.to_vec(), nanos }
    }

    /// The bounds in seconds.
    #[must_use]
    pub fn seconds(&self) -> &[f64] {
        &self.seconds
    }

    /// Index of the bucket for a value: the first bound that is not below it.
    fn bucket(&self, nanos: i64) -> usize {
        self.nanos.partition_point(|bound| *bound < nanos)
    }
}

/// An example of one bucket: a trace to look at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exemplar {
    /// Trace id.
    pub trace_id: [u8; 16],
    /// The observed value in nanoseconds.
    pub nanos: i64,
    /// When it was observed, in log time.
    pub at: Micros,
}

/// One histogram. Its bounds are kept outside, shared by all of one metric.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Histogram {
    /// Observations per bucket, the one without bound last. Empty until the first observation.
    #[serde(rename = "b", default)]
    buckets: Vec<u64>,
    /// Sum of all observations in nanoseconds.
    #[serde(rename = "s", default)]
    sum_nanos: u128,
    #[serde(skip)]
    exemplars: Vec<Option<Exemplar>>,
}

impl Histogram {
    /// Adds one observation; negative values count as 0.
    pub fn observe(&mut self, bounds: &Bounds, nanos: i64, exemplar: Option<([u8; 16], Micros)>) {
        let size = bounds.seconds.len() + 1;
        if self.buckets.len() != size {
            self.buckets.resize(size, 0);
        }
        let index = bounds.bucket(nanos);
        if let Some(bucket) = self.buckets.get_mut(index) {
            *bucket += 1;
        }
        self.sum_nanos = self.sum_nanos.saturating_add(u128::try_from(nanos).unwrap_or(0));
        if let Some((trace_id, at)) = exemplar {
            self.exemplars.resize(size, None);
            if let Some(slot) = self.exemplars.get_mut(index) {
                *slot = Some(Exemplar { trace_id, nanos, at });
            }
        }
    }

    /// Number of observations.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// Sum in seconds.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "metrics are floating-point on the wire")]
    pub fn sum_seconds(&self) -> f64 {
        self.sum_nanos as f64 / 1e9
    }

    /// Bound and count per bucket, as the encoder wants them: infinity last.
    #[must_use]
    pub fn buckets(&self, bounds: &Bounds) -> Vec<(f64, u64)> {
        let counts = self.buckets.iter().copied().chain(std::iter::repeat(0));
        bounds.seconds.iter().copied().chain([f64::INFINITY]).zip(counts).collect()
    }

    /// Exemplars not older than `since`, with the index of their bucket.
    pub fn exemplars(&self, since: Micros) -> impl Iterator<Item = (usize, Exemplar)> + '_ {
        let slots = self.exemplars.iter().enumerate();
        slots.filter_map(move |(index, slot)| slot.filter(|exemplar| exemplar.at >= since).map(|e| (index, e)))
    }

    /// Brings stored counts to other bounds: every old bucket goes to the new bucket that holds its upper bound.
    ///
    /// Counts and sum stay exact; a count can only move to a higher bucket, never to a lower one.
    pub fn rebucket(&mut self, old: &[f64], bounds: &Bounds) {
        if self.buckets.is_empty() || old == bounds.seconds {
            return;
        }
        let mut buckets = vec![0; bounds.seconds.len() + 1];
        for (index, count) in self.buckets.iter().enumerate() {
            let to = match old.get(index) {
                Some(bound) => bounds.seconds.partition_point(|new| new < bound),
                None => bounds.seconds.len(),
            };
            if let Some(bucket) = buckets.get_mut(to) {
                *bucket += count;
            }
        }
        self.buckets = buckets;
        self.exemplars.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_on_a_bound_belongs_to_its_bucket() {
        let bounds = Bounds::new(&[1.0, 2.0]);
        let mut histogram = Histogram::default();
        for nanos in [1_000_000_000, 1_000_000_001, 2_000_000_000, 9_000_000_000, -5] {
            histogram.observe(&bounds, nanos, None);
        }
        let counts: Vec<u64> = histogram.buckets(&bounds).iter().map(|(_, count)| *count).collect();
        assert_eq!(counts, [2, 2, 1]);
        assert_eq!(histogram.count(), 5);
        assert!((histogram.sum_seconds() - 13.000_000_001).abs() < 1e-12);
    }

    #[test]
    fn other_bounds_keep_the_count() {
        let (old, new) = ([1.0, 2.0], Bounds::new(&[1.5, 3.0]));
        let mut histogram = Histogram::default();
        for seconds in [1, 2, 5] {
            histogram.observe(&Bounds::new(&old), seconds * 1_000_000_000, None);
        }
        histogram.rebucket(&old, &new);
        let counts: Vec<u64> = histogram.buckets(&new).iter().map(|(_, count)| *count).collect();
        assert_eq!(counts, [1, 1, 1]);
    }
}
