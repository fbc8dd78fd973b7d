//! Counts of answers and requests become the figures that stand beside availability: never added to it.

use serde::Serialize;

use super::figure::{Ratio, Span};
use super::month::Verdict;
use crate::record::{ErrorReason, Failure, Observation, Outcome};

/// Percent of answers that have to start within the level.
pub const ANSWERS_WITHIN: u64 = 95;

/// Thousandths of requests below which errors have to stay: 0.5 %.
pub const ERRORS_BELOW: u64 = 5;

/// How many answers of a month started within the level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// Those that did; at most `total`.
    pub within: u64,
    /// All that are judged.
    pub total: u64,
}

/// Whether a probe's answer started within `level`. A probe that timed out did not; one that failed otherwise is not
/// judged here (`None`), because availability counts it.
#[must_use]
pub fn answered_within(seen: &Observation, level: Span) -> Option<bool> {
    match seen.failure {
        None => seen.answer.map(|answer| answer <= level.micros()),
        Some(Failure::Timeout) => Some(false),
        Some(_) => None,
    }
}

impl Share {
    /// Adds one answer.
    pub fn observe(&mut self, within: bool) {
        self.total = self.total.saturating_add(1);
        self.within = self.within.saturating_add(u64::from(within));
    }

    /// The share; `None` without answers.
    #[must_use]
    pub fn ratio(self) -> Option<Ratio> {
        Ratio::of(self.within.into(), self.total.into())
    }

    /// Met from 95 % on, not proven without answers.
    #[must_use]
    pub fn verdict(self) -> Verdict {
        let (within, total) = (u128::from(self.within), u128::from(self.total));
        match total {
            0 => Verdict::NotProven,
            _ if within * 100 >= total * u128::from(ANSWERS_WITHIN) => Verdict::Met,
            _ => Verdict::Missed,
        }
    }
}

/// Requests of a gateway, and its errors by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RequestCounts {
    /// All requests, whatever became of them.
    pub requests: u64,
    /// Failed ones, in the order of [`ErrorReason::ALL`].
    #[serde(skip)]
    pub errors: [u64; ErrorReason::ALL.len()],
}

impl RequestCounts {
    /// Adds requests that ended alike.
    pub fn observe(&mut self, outcome: Outcome, count: u64) {
        self.requests = self.requests.saturating_add(count);
        if let Some(errors) = outcome.error().and_then(|reason| self.errors.get_mut(reason.index())) {
            *errors = errors.saturating_add(count);
        }
    }

    /// Requests that are judged: all but client errors, rate limits and disconnects.
    #[must_use]
    pub fn judged(&self) -> u64 {
        let left_out = [ErrorReason::Client, ErrorReason::RateLimited, ErrorReason::Disconnect];
        self.requests.saturating_sub(self.sum(left_out))
    }

    /// Of those, the ones that failed: upstream, timeout and gateway errors.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.sum([ErrorReason::Upstream, ErrorReason::Timeout, ErrorReason::Gateway])
    }

    /// The share of judged requests that did not fail; `None` without any.
    #[must_use]
    pub fn availability(&self) -> Option<Ratio> {
        let (judged, failed) = (i128::from(self.judged()), i128::from(self.failed()));
        Ratio::of(judged - failed, judged)
    }

    /// Met where under 0.5 % of the judged requests failed, not proven without any.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let (judged, failed) = (u128::from(self.judged()), u128::from(self.failed()));
        match judged {
            0 => Verdict::NotProven,
            _ if failed * 1000 < judged * u128::from(ERRORS_BELOW) => Verdict::Met,
            _ => Verdict::Missed,
        }
    }

    fn sum(&self, reasons: [ErrorReason; 3]) -> u64 {
        let count = |reason: ErrorReason| self.errors.get(reason.index()).copied().unwrap_or(0);
        reasons.into_iter().fold(0, |sum, reason| sum.saturating_add(count(reason)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_level_is_met_from_95_of_100_answers_on() {
        for (within, total, want) in [
            (95, 100, Verdict::Met),
            (94, 100, Verdict::Missed),
            (189_999, 200_000, Verdict::Missed),
            (190_000, 200_000, Verdict::Met),
            (0, 0, Verdict::NotProven),
            (u64::MAX, u64::MAX, Verdict::Met),
        ] {
            assert_eq!(Share { within, total }.verdict(), want, "{within}/{total}");
        }
    }

    #[test]
    fn a_timeout_is_no_answer_within_the_level_and_other_failures_are_no_answers() {
        let level = Span::from_micros(1_500_000);
        let seen = |failure, answer| Observation { at: 0, interval: 1, since_previous: None, failure, answer };
        for (failure, answer, want) in [
            (None, Some(1_500_000), Some(true)),
            (None, Some(1_500_001), Some(false)),
            (None, None, None),
            (Some(Failure::Timeout), None, Some(false)),
            (Some(Failure::Refused), None, None),
            (Some(Failure::Status), Some(10), None),
        ] {
            assert_eq!(answered_within(&seen(failure, answer), level), want, "{failure:?}");
        }
        let mut share = Share::default();
        [true, false, true].into_iter().for_each(|within| share.observe(within));
        assert_eq!(share.ratio().unwrap().percent(2), "66.66");
    }

    #[test]
    fn requests_are_judged_without_what_clients_did() {
        let mut counts = RequestCounts::default();
        counts.observe(Outcome::Success, 980);
        for (reason, count) in ErrorReason::ALL.iter().zip([100, 200, 10, 6, 300, 4]) {
            counts.observe(Outcome::Error(*reason), count);
        }
        assert_eq!((counts.requests, counts.judged(), counts.failed()), (1600, 1000, 20));
        assert_eq!(counts.availability().unwrap().percent(3), "98.000");
        assert_eq!(counts.verdict(), Verdict::Missed);
        assert_eq!(RequestCounts::default().availability(), None);
        let mut few = RequestCounts::default();
        few.observe(Outcome::Success, 995);
        few.observe(Outcome::Error(ErrorReason::Upstream), 5);
        assert_eq!(few.verdict(), Verdict::Missed, "0.5 % is not under 0.5 %");
        few.observe(Outcome::Success, 1);
        assert_eq!(few.verdict(), Verdict::Met);
    }
}
