//! How many messages a robot takes: whether one may go now, and else when.
//!
//! A leaky bucket (the generic cell rate algorithm): [`BURST`] at once, then one each [`REFILL`], which is never more than
//! 20 in any minute, what DingTalk and WeCom take. Spread rather than in one lump, so that whoever waits does not wait
//! longer than [`REFILL`].

use std::time::{Duration, Instant};

/// Messages that may go at once after a pause.
pub(super) const BURST: u32 = 4;

/// Time between messages after that: 4 + 60 / 4 = 19 in a minute, and one more at its very end.
pub(super) const REFILL: Duration = Duration::from_secs(4);

/// What is left of one robot's budget.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    /// How far ahead of the even pace messages may run.
    slack: Duration,
    refill: Duration,
    /// When the messages so far would all have gone at the even pace; `None` before the first.
    even: Option<Instant>,
}

impl Budget {
    /// A full budget.
    pub(super) fn new(burst: u32, refill: Duration) -> Budget {
        Budget { slack: refill.saturating_mul(burst.saturating_sub(1)), refill, even: None }
    }

    /// How long until a message may go; zero for now.
    pub(super) fn wait(&self, now: Instant) -> Duration {
        self.even.map_or(Duration::ZERO, |even| even.saturating_duration_since(now).saturating_sub(self.slack))
    }

    /// Counts a message.
    pub(super) fn spend(&mut self, now: Instant) {
        let even = self.even.map_or(now, |even| even.max(now));
        self.even = Some(even + self.refill);
    }

    /// Nothing goes for a while: the robot itself says that it was too much.
    pub(super) fn pause(&mut self, now: Instant, pause: Duration) {
        let even = now + self.slack + pause;
        self.even = Some(self.even.map_or(even, |before| before.max(even)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    #[test]
    fn no_minute_sees_more_than_twenty_and_nobody_waits_longer_than_a_refill() {
        let clock = Clock::manual(0);
        let mut budget = Budget::new(BURST, REFILL);
        let mut sent: Vec<Instant> = Vec::new();
        for _ in 0..200 {
            let wait = budget.wait(clock.instant());
            assert!(wait <= REFILL);
            clock.advance(wait);
            assert_eq!(budget.wait(clock.instant()), Duration::ZERO);
            budget.spend(clock.instant());
            sent.push(clock.instant());
        }
        for (index, start) in sent.iter().enumerate() {
            let within = sent[index..].iter().filter(|at| **at - *start <= Duration::from_secs(60)).count();
            assert!(within <= 20, "{within} within a minute");
        }
        assert_eq!(sent[3], sent[0], "four go at once");
        clock.advance(Duration::from_secs(16));
        assert_eq!(budget.wait(clock.instant()), Duration::ZERO);
    }

    #[test]
    fn a_pause_holds_even_a_full_budget() {
        let clock = Clock::manual(0);
        let mut budget = Budget::new(BURST, REFILL);
        budget.pause(clock.instant(), Duration::from_secs(60));
        assert_eq!(budget.wait(clock.instant()), Duration::from_secs(60));
        clock.advance(Duration::from_secs(60));
        assert_eq!(budget.wait(clock.instant()), Duration::ZERO);
        budget.spend(clock.instant());
        assert_eq!(budget.wait(clock.instant()), REFILL, "after a pause the budget fills slowly");
    }
}
