//! A history of looks at the made-up chat service, the same for the same seed: mostly fine, with what a month brings.
//!
//! Two outages (a crash that takes a quarter of an hour to mend, and a bad release of some minutes), single lost looks,
//! slow answers, and a while in which nobody looked because the sidecar itself was updated. The present is looked at for
//! real.

use super::random::Random;
use crate::ledger::ProbeResult;
use crate::meter::Look;
use crate::record::{Failure, Micros, Observation};

const SECOND: Micros = 1_000_000;
const DAY: Micros = 86_400 * SECOND;
/// From one look to the next.
const INTERVAL: Micros = 15 * SECOND;
/// The purpose of the seed that tells the looks.
const LOOKS: u64 = 0x006c_6f6f_6b73;

/// Looks at one target, oldest first.
#[derive(Debug)]
pub struct Looks {
    target: String,
    random: Random,
    at: Micros,
    until: Micros,
    crash: (Micros, Micros),
    release: (Micros, Micros),
    update: (Micros, Micros),
    /// Whether the look before was lost: then this one is not, for three in a row would be an outage.
    lost: bool,
    /// Nothing to compare the clocks with.
    is_first: bool,
}

impl Looks {
    /// The looks of so many days before `now`.
    #[must_use]
    pub fn new(seed: u64, target: &str, now: Micros, days: u32) -> Looks {
        let mut random = Random::new(seed, LOOKS);
        let mut while_ago = |days: Micros, low: u64, high: u64| {
            let start = now - days * DAY - seconds(&mut random, 0, 40_000);
            (start, start + seconds(&mut random, low, high))
        };
        let crash = while_ago(9, 780, 1_020);
        let release = while_ago(2, 200, 330);
        let update = while_ago(6, 1_200, 2_400);
        let at = now - Micros::from(days) * DAY;
        let target = target.to_owned();
        Looks { target, random, at, until: now - INTERVAL, crash, release, update, lost: false, is_first: true }
    }

    /// What a look at that moment finds wrong.
    fn failure(&mut self, at: Micros) -> Option<Failure> {
        let within = |(from, to): (Micros, Micros)| (from..to).contains(&at);
        if within(self.crash) {
            // What is just answering is cut off; then nothing listens until it is started anew.
            let just = at < self.crash.0 + INTERVAL;
            return Some(if just { Failure::Cut } else { Failure::Refused });
        }
        if within(self.release) {
            return Some(Failure::Status);
        }
        self.lost = !self.lost && self.random.chance(0.0003);
        let reason = if self.random.chance(0.7) { Failure::Timeout } else { Failure::Status };
        self.lost.then_some(reason)
    }
}

fn seconds(random: &mut Random, low: u64, high: u64) -> Micros {
    Micros::try_from(random.between(low, high)).unwrap_or(0) * SECOND
}

impl Iterator for Looks {
    type Item = ProbeResult;

    fn next(&mut self) -> Option<ProbeResult> {
        if (self.update.0..self.update.1).contains(&self.at) {
            self.at = self.update.1;
            self.is_first = true;
        }
        let at = self.at;
        if at > self.until {
            return None;
        }
        self.at += INTERVAL;
        let failure = self.failure(at);
        let slow = self.random.chance(0.02);
        let answer = self.random.between(if slow { 1_600_000 } else { 12_000 }, if slow { 3_800_000 } else { 95_000 });
        let is_first = std::mem::take(&mut self.is_first);
        let (answered, duration, status_code) = match failure {
            None => (Some(answer), answer + 400, Some(200)),
            Some(Failure::Status) => (Some(answer), answer + 300, Some(503)),
            Some(Failure::Timeout) => (None, 5_000_000, None),
            Some(_) => (None, 900, None),
        };
        Some(ProbeResult {
            target: self.target.clone(),
            seen: Observation {
                at,
                interval: INTERVAL,
                since_previous: (!is_first).then_some(INTERVAL),
                failure,
                answer: answered.and_then(|micros| Micros::try_from(micros).ok()),
            },
            duration_micros: duration,
            look: Look {
                success: failure.is_none(),
                phases: [None, Some(300), None, answered, failure.is_none().then_some(100)],
                status_code,
                tls_expiry: None,
            },
            used: None,
            message: failure.map(|reason| reason.meaning().to_owned()).unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sla::{State, Tracker};

    #[test]
    fn a_month_has_two_outages_lost_looks_and_a_gap_and_ends_up() {
        let now = 1_795_132_800_000_000;
        for seed in [1, 2, 3] {
            let mut tracker = Tracker::default();
            let (mut isolated, mut unknown, mut count) = (0, 0, 0);
            for look in Looks::new(seed, "chat", now, 30) {
                assert!(look.seen.at <= now);
                let update = tracker.observe(&look.seen);
                isolated += update.isolated.len();
                unknown += update.segments.iter().filter(|segment| segment.state == State::Unknown).count();
                count += 1;
            }
            assert_eq!((tracker.outages(), tracker.up(), unknown), (2, Some(true), 1), "seed {seed}");
            assert!((10..150).contains(&isolated), "seed {seed}: {isolated}");
            assert!((172_500..172_800).contains(&count), "seed {seed}: {count}");
            let minutes = tracker.down_micros() / (60 * SECOND);
            assert!((15..24).contains(&minutes), "seed {seed}: {minutes} minutes");
        }
    }
}
