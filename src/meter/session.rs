//! Sessions become series: begun, ended by reason, reopened, and how long and how many turns they were.

use std::collections::BTreeMap;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::catalogue::Id;
use super::histogram::{Bounds, Histogram};
use super::series::{Dirty, Family, PairLabels};
use super::store::{MAX_VALUES, Meter, OTHER};

/// What is counted of the sessions of one gateway.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct SessionSeries {
    pub(super) started: u64,
    pub(super) reopened: u64,
    /// By reason.
    pub(super) ended: BTreeMap<String, u64>,
    pub(super) duration: Histogram,
    pub(super) turns: Histogram,
}

/// A part of a session that has closed.
#[derive(Clone, Copy, Debug)]
pub struct Ended<'a> {
    /// Gateway of the session.
    pub gateway: &'a str,
    /// Consumer of its first request.
    pub consumer: &'a str,
    /// Why it closed.
    pub reason: &'static str,
    /// Whether it closes for the first time: it is measured once, however often a late line opens it again.
    pub first: bool,
    /// First start to last end, in microseconds.
    pub duration: i64,
    /// Turns.
    pub turns: u64,
    /// How much of the duration was not counted before, in microseconds.
    pub added: i64,
}

/// The series of sessions.
#[derive(Debug)]
pub(super) struct Sessions {
    pub(super) duration_bounds: Bounds,
    pub(super) turn_bounds: Bounds,
    pub(super) gateways: Family<[String; 1], SessionSeries>,
    /// Microseconds by gateway and consumer.
    pub(super) seconds: Family<PairLabels, u64>,
}

impl Sessions {
    pub(super) fn new(duration_bounds: Bounds, turn_bounds: Bounds) -> Sessions {
        Sessions {
            duration_bounds,
            turn_bounds,
            gateways: Family::new("session"),
            seconds: Family::new("session_seconds"),
        }
    }

    pub(super) fn restore(&mut self, stored: &Dirty) -> Result<(), serde_json::Error> {
        match stored.family.as_str() {
            "session" => self.gateways.restore(stored),
            _ => self.seconds.restore(stored),
        }
    }

    pub(super) fn rebucket(&mut self, durations: &[f64], turns: &[f64]) {
        for entry in &mut self.gateways.entries {
            entry.value.duration.rebucket(durations, &self.duration_bounds);
            entry.value.turns.rebucket(turns, &self.turn_bounds);
        }
    }

    pub(super) fn take_dirty(&mut self, into: &mut Vec<Dirty>) {
        self.gateways.take_dirty(into);
        self.seconds.take_dirty(into);
    }

    pub(super) fn mark(&mut self, series: &Dirty) {
        match series.family.as_str() {
            "session" => self.gateways.mark(&series.labels),
            _ => self.seconds.mark(&series.labels),
        }
    }

    /// Lines that all of them take.
    pub(super) fn lines(&self) -> usize {
        let each = self.duration_bounds.seconds().len() + self.turn_bounds.seconds().len() + 12;
        self.gateways.entries.len() * each + self.seconds.entries.len()
    }
}

impl Meter {
    fn session(&mut self, gateway: &str, now: Option<Instant>) -> Option<&mut SessionSeries> {
        let labels = [gateway.to_owned()];
        let sessions = &mut self.sessions;
        let at = sessions.gateways.find(&labels).unwrap_or_else(|| sessions.gateways.insert(labels, now));
        sessions.gateways.change(at)
    }

    /// Counts a part that has begun. `now` as in [`Meter::observe`].
    pub fn observe_session_started(&mut self, gateway: &str, now: Option<Instant>) {
        if let Some(series) = self.session(gateway, now) {
            series.started += 1;
        }
    }

    /// Counts a closed part that a late line has opened again.
    pub fn observe_session_reopened(&mut self, gateway: &str, now: Option<Instant>) {
        if let Some(series) = self.session(gateway, now) {
            series.reopened += 1;
        }
    }

    /// Counts and measures a part that has closed.
    pub fn observe_session_ended(&mut self, ended: &Ended<'_>, now: Option<Instant>) {
        let (durations, turns) = (self.sessions.duration_bounds.clone(), self.sessions.turn_bounds.clone());
        if let Some(series) = self.session(ended.gateway, now) {
            *series.ended.entry(ended.reason.to_owned()).or_default() += 1;
            if ended.first {
                series.duration.observe(&durations, ended.duration.saturating_mul(1_000), None);
                let count = i64::try_from(ended.turns).unwrap_or(i64::MAX);
                series.turns.observe(&turns, count.saturating_mul(1_000_000_000), None);
            }
        }
        let consumer = if self.config().consumer_label { ended.consumer } else { "" };
        let known = self.sessions.seconds.find(&[ended.gateway.to_owned(), consumer.to_owned()]).is_some();
        let consumer =
            if known || !self.is_full() { self.admit("consumer", consumer, MAX_VALUES) } else { OTHER.to_owned() };
        if consumer == OTHER {
            self.fold(Id::SessionSeconds);
        }
        let at = self.sessions.seconds.insert([ended.gateway.to_owned(), consumer], now);
        if let Some(micros) = self.sessions.seconds.change(at) {
            *micros += u64::try_from(ended.added).unwrap_or(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Config, Meter};
    use super::*;

    fn ended(consumer: &str, first: bool, added: i64) -> Ended<'_> {
        Ended { gateway: "g", consumer, reason: "idle", first, duration: 90_000_000, turns: 3, added }
    }

    #[test]
    fn a_part_is_measured_once_and_its_later_seconds_are_added() {
        let mut meter = Meter::new(Config::default());
        meter.observe_session_started("g", None);
        meter.observe_session_ended(&ended("c", true, 60_000_000), None);
        meter.observe_session_reopened("g", None);
        meter.observe_session_ended(&ended("c", false, 30_000_000), None);
        let dirty = meter.take_dirty();
        let mut restored = Meter::new(Config::default());
        for series in &dirty {
            restored.restore(series).unwrap();
        }
        restored.restored();
        for meter in [&meter, &restored] {
            let series = &meter.sessions.gateways.entries[0].value;
            assert_eq!((series.started, series.reopened, series.ended.get("idle")), (1, 1, Some(&2)));
            assert_eq!((series.duration.count(), series.turns.count()), (1, 1));
            assert!((series.turns.sum_seconds() - 3.0).abs() < 1e-9);
            assert_eq!(meter.sessions.seconds.entries[0].value, 90_000_000);
        }
    }

    #[test]
    fn consumers_beyond_the_bound_become_other() {
        let mut meter = Meter::new(Config::default());
        for n in 0..MAX_VALUES + 50 {
            meter.observe_session_ended(&ended(&format!("c-{n}"), true, 1_000_000), None);
        }
        assert_eq!(meter.sessions.seconds.entries.len(), MAX_VALUES + 1);
        let sum: u64 = meter.sessions.seconds.entries.iter().map(|entry| entry.value).sum();
        assert_eq!(sum, 1_000_000 * (MAX_VALUES as u64 + 50));
    }
}
