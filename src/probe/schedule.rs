//! Probes become observations, each in its own rhythm.
//!
//! One small task per target, so that no look waits for another and none of a target overlaps with its next. A target's
//! offset within its interval follows from its name: looks are spread, and a restart keeps their places. A tick that is
//! missed is left out and not made up for. Counts nothing and keeps nothing: whoever owns the channel does.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::{Kind, Probe, Run};
use crate::clock::Clock;
use crate::record::Micros;

/// Wall and monotonic time may part by this much between two looks, in microseconds: time servers correct by less.
const PARTED: Micros = 1_000_000;

/// What one tick of a target gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// The name of the target.
    pub target: Arc<str>,
    /// How it was looked at.
    pub kind: Kind,
    /// Its interval at that moment.
    pub interval: Duration,
    /// Wall time of the tick.
    pub at: Micros,
    /// How much further wall time has gone than monotonic time since the observation before, in microseconds (negative
    /// where it was set back), where that is more than 1 s; until then the time between is not what it seems.
    pub clock_parted_micros: Option<Micros>,
    /// What came of it.
    pub run: Run,
}

/// The targets that are being looked at. Dropping it ends all looks.
#[derive(Debug)]
pub struct Schedule {
    clock: Clock,
    results: mpsc::Sender<Observation>,
    running: BTreeMap<Arc<str>, Running>,
}

#[derive(Debug)]
struct Running {
    /// Exchanged at a reload, for its secrets may have changed.
    probe: Arc<Mutex<Arc<Probe>>>,
    _task: AbortOnDropHandle<()>,
}

impl Schedule {
    /// A schedule without targets, whose observations go to `results`. While that is full, a target whose look has ended
    /// waits and its ticks are missed.
    #[must_use]
    pub fn new(clock: Clock, results: mpsc::Sender<Observation>) -> Schedule {
        Schedule { clock, results, running: BTreeMap::new() }
    }

    /// Looks at these and no others from now on; to be called within a runtime. A target whose configuration is unchanged
    /// keeps its rhythm and its look under way; one that is changed or gone loses it. What was spent today stays spent.
    pub fn exchange(&mut self, probes: Vec<Probe>) {
        let mut before = std::mem::take(&mut self.running);
        let now = self.clock.now();
        for probe in probes {
            let probe = Arc::new(probe);
            let name = Arc::clone(probe.name());
            let old = before.remove(&name);
            if let Some(old) = &old {
                let spent = old.probe.lock().spent(now);
                if spent > probe.spent(now) {
                    probe.resume(now, spent);
                }
            }
            let running = match old {
                Some(old) if old.probe.lock().target() == probe.target() => {
                    *old.probe.lock() = probe;
                    old
                }
                _ => self.start(probe),
            };
            self.running.insert(name, running);
        }
    }

    /// The names of the targets.
    pub fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.running.keys()
    }

    fn start(&self, probe: Arc<Probe>) -> Running {
        let interval = probe.target().interval;
        let wait = first_wait(self.clock.now(), interval, probe.name());
        let kind = probe.kind();
        let name = Arc::clone(probe.name());
        let probe = Arc::new(Mutex::new(probe));
        let current = Arc::clone(&probe);
        let clock = self.clock.clone();
        let results = self.results.clone();
        let look = move |at, clock_parted_micros| {
            let probe = Arc::clone(&current.lock());
            let (target, clock, results) = (Arc::clone(&name), clock.clone(), results.clone());
            // On the heap only while it runs: a look has buffers, a target that waits has none.
            Box::pin(async move {
                let run = probe.run(&clock).await;
                results.send(Observation { target, kind, interval, at, clock_parted_micros, run }).await.is_ok()
            })
        };
        let task = AbortOnDropHandle::new(tokio::spawn(rounds(wait, interval, self.clock.clone(), look)));
        Running { probe, _task: task }
    }
}

/// Calls `look` at each tick, one at a time, with the wall time and how far the clocks have parted; until it says false.
async fn rounds<F, L>(wait: Duration, interval: Duration, clock: Clock, mut look: F)
where
    F: FnMut(Micros, Option<Micros>) -> L,
    L: Future<Output = bool>,
{
    let mut due = Instant::now() + wait;
    let mut before = (clock.now(), clock.instant());
    loop {
        tokio::time::sleep_until(due).await;
        let now = (clock.now(), clock.instant());
        let passed = Micros::try_from(now.1.saturating_duration_since(before.1).as_micros()).unwrap_or(Micros::MAX);
        let parted = now.0.saturating_sub(before.0).saturating_sub(passed);
        // What is less adds up until it is told, else slow drift would never be.
        let told = (parted.saturating_abs() > PARTED).then_some(parted);
        if told.is_some() {
            before = now;
        }
        if !look(now.0, told).await {
            return;
        }
        due += interval * missed(Instant::now().saturating_duration_since(due), interval).saturating_add(1);
    }
}

/// Whole intervals within `late`.
fn missed(late: Duration, interval: Duration) -> u32 {
    u32::try_from(late.as_nanos() / interval.as_nanos().max(1)).unwrap_or(u32::MAX - 1)
}

/// From `now` to the next moment whose wall time is, modulo the interval, the offset of this name.
fn first_wait(now: Micros, interval: Duration, name: &str) -> Duration {
    let interval = interval.as_micros().max(1);
    let hash = Sha256::digest(name.as_bytes()).iter().take(8).fold(0_u128, |hash, byte| hash << 8 | u128::from(*byte));
    let offset = hash % interval;
    let whole = i128::try_from(interval).unwrap_or(i128::MAX);
    let place = u128::try_from(i128::from(now).rem_euclid(whole)).unwrap_or(0);
    Duration::from_micros(u64::try_from((offset + interval - place) % interval).unwrap_or(0))
}

#[cfg(test)]
#[path = "schedule_tests.rs"]
mod tests;
