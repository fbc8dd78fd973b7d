//! Probe results of one target, in the order in which they were made, become segments, outages and isolated failures.
//!
//! The rules:
//!
//! - A result holds until the next, at most two of its intervals; the time beyond is unknown.
//! - Three failures in a row are an outage, dated back to the first. It ends at the first success of two in a row. A
//!   single success inside it is down; one or two failures outside are up, and listed as isolated.
//! - Unknown time breaks a row, of failures as of successes. It does not end an outage: that takes two successes. So a
//!   restart inside an outage goes on with the same outage, and neither ends it nor makes a second one.
//! - Where wall and monotonic time part by more than a second, the result holds for the monotonic time and what the wall
//!   clock skipped is unknown (a suspended machine looks the same). Time that the wall clock repeats keeps its first
//!   state: results count for rows, and add no time until the clock is past the latest moment seen.
//!
//! A [`Tracker`] is plain data: stored in the transaction of what it gave out and loaded again, it goes on as if the
//! process had not ended. It knows nothing of months and maintenance.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::state::{Isolated, Outage, Segment, State};
use crate::record::{Failure, Micros, Observation};

/// Failures in a row that are an outage.
pub const FAILURES_OF_AN_OUTAGE: u32 = 3;
/// Successes in a row that end one.
pub const SUCCESSES_OF_A_RECOVERY: u32 = 2;
/// Intervals for which a result holds at most.
pub const INTERVALS_HELD: i64 = 2;
/// How far wall and monotonic time may part between two probes without being a clock step, in microseconds.
pub const CLOCK_TOLERANCE: i64 = 1_000_000;

/// What is known of one target so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tracker {
    last: Option<Last>,
    /// The latest wall time seen: everything before is given out or waits in `undecided`.
    frontier: Micros,
    failures: u32,
    successes: u32,
    /// Start of the time up to the frontier whose state depends on the next results.
    undecided: Option<Micros>,
    /// The failures of a row that is no outage yet; at most two.
    row: Vec<Isolated>,
    /// The outage that lasts.
    outage: Option<Outage>,
    /// Some unknown time lies between the latest two results.
    after_unknown: bool,
    /// `after_unknown` of the first success of a row inside an outage.
    recovery_unobserved: bool,
    up: Option<bool>,
    outages: u64,
    down: i64,
    /// The latest segment given out, which grows while the state stays.
    open: Option<Segment>,
}

/// What the next result needs to know of this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Last {
    at: Micros,
    interval: i64,
}

/// What one result settles.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Update {
    /// Settled time in order. A segment whose `from` was given out before is the same segment, longer: written over it.
    /// Otherwise it begins where the one before ended.
    pub segments: Vec<Segment>,
    /// The outage that began or ended with this result; one with a known `number` is written over.
    pub outage: Option<Outage>,
    /// Failures that turned out to be no outage.
    pub isolated: Vec<Isolated>,
    /// How far the wall clock was moved since the previous result, in microseconds, where that is more than
    /// [`CLOCK_TOLERANCE`].
    pub clock_step: Option<i64>,
}

/// What lies between two results.
struct Between {
    /// How long the earlier one holds, from its own wall time.
    held: i64,
    /// Rows end here.
    broken: bool,
    step: Option<i64>,
}

impl Tracker {
    /// Takes the next result. The same result again, told by its time, changes nothing; a result that starts before the
    /// latest moment seen counts for rows and adds no time.
    pub fn observe(&mut self, seen: &Observation) -> Update {
        let mut update = Update::default();
        if let Some(last) = self.last {
            if seen.since_previous.is_none() && seen.at == last.at {
                return update;
            }
            let between = between(last, seen);
            update.clock_step = between.step;
            self.pass(last, seen.at, &between, &mut update);
        } else {
            self.frontier = seen.at;
        }
        match seen.failure {
            Some(reason) => self.fail(seen.at, reason, &mut update),
            None => self.succeed(&mut update),
        }
        self.last = Some(Last { at: seen.at, interval: seen.interval.max(1) });
        update
    }

    /// The time that no later result has settled yet, up to `now`, as it stands: what a row of one or two failures
    /// covers is up, a single success inside an outage down, and what the latest result no longer holds unknown.
    #[must_use]
    pub fn provisional(&self, now: Micros) -> Vec<Segment> {
        let Some(last) = self.last else { return Vec::new() };
        let settled = self.undecided.unwrap_or(self.frontier);
        let held = last.at.saturating_add(last.interval.saturating_mul(INTERVALS_HELD)).max(self.frontier).min(now);
        let known = Segment { state: self.state(), from: settled, to: held };
        let unknown = Segment { state: State::Unknown, from: held.max(settled), to: now };
        [known, unknown].into_iter().filter(|segment| segment.from < segment.to).collect()
    }

    /// False after three failures in a row, true after two successes; `None` before either.
    #[must_use]
    pub fn up(&self) -> Option<bool> {
        self.up
    }

    /// Failures in a row up to the latest result; unknown time starts anew.
    #[must_use]
    pub fn consecutive_failures(&self) -> u32 {
        self.failures
    }

    /// The outage that lasts, with its failures so far.
    #[must_use]
    pub fn outage(&self) -> Option<&Outage> {
        self.outage.as_ref()
    }

    /// The failures of a row that is no outage yet.
    #[must_use]
    pub fn pending(&self) -> &[Isolated] {
        &self.row
    }

    /// Outages so far, maintenance or not; only grows.
    #[must_use]
    pub fn outages(&self) -> u64 {
        self.outages
    }

    /// Settled down time so far in microseconds, maintenance or not; only grows.
    #[must_use]
    pub fn down_micros(&self) -> i64 {
        self.down
    }

    /// Wall time of the latest result's start.
    #[must_use]
    pub fn last_at(&self) -> Option<Micros> {
        self.last.map(|last| last.at)
    }

    /// What the undecided time is until something else is known.
    fn state(&self) -> State {
        if self.outage.is_some() { State::Down } else { State::Up }
    }

    /// Gives out the time from the latest result to the next.
    fn pass(&mut self, last: Last, to: Micros, between: &Between, update: &mut Update) {
        let held = last.at.saturating_add(between.held).max(self.frontier);
        if self.undecided.is_none() {
            self.give(self.state(), self.frontier, held, update);
        }
        self.frontier = held;
        self.after_unknown = between.broken;
        if between.broken {
            self.settle(self.state(), update);
            update.isolated.append(&mut self.row);
            (self.failures, self.successes) = (0, 0);
        }
        if held < to {
            self.give(State::Unknown, held, to, update);
            self.frontier = to;
        }
    }

    fn fail(&mut self, at: Micros, reason: Failure, update: &mut Update) {
        self.successes = 0;
        self.failures = self.failures.saturating_add(1);
        if let Some(outage) = &mut self.outage {
            outage.observe(reason);
            self.settle(State::Down, update);
            return;
        }
        if self.row.is_empty() {
            self.undecided = Some(self.frontier);
        }
        self.row.push(Isolated { at, reason });
        if self.failures < FAILURES_OF_AN_OUTAGE {
            return;
        }
        let start = self.undecided.unwrap_or(self.frontier);
        self.settle(State::Down, update);
        self.outages = self.outages.saturating_add(1);
        let mut outage = Outage {
            number: self.outages,
            start,
            confirmed: self.frontier,
            end: None,
            end_unobserved: false,
            first: self.row.first().map_or(reason, |first| first.reason),
            failures: BTreeMap::new(),
        };
        self.row.drain(..).for_each(|failure| outage.observe(failure.reason));
        self.up = Some(false);
        update.outage = Some(outage.clone());
        self.outage = Some(outage);
    }

    fn succeed(&mut self, update: &mut Update) {
        self.failures = 0;
        self.successes = self.successes.saturating_add(1).min(SUCCESSES_OF_A_RECOVERY);
        if self.outage.is_some() && self.successes < SUCCESSES_OF_A_RECOVERY {
            self.undecided = Some(self.frontier);
            self.recovery_unobserved = self.after_unknown;
            return;
        }
        if let Some(mut outage) = self.outage.take() {
            outage.end = Some(self.undecided.unwrap_or(self.frontier).max(outage.start));
            outage.end_unobserved = self.recovery_unobserved;
            update.outage = Some(outage);
        }
        self.settle(State::Up, update);
        update.isolated.append(&mut self.row);
        if self.successes >= SUCCESSES_OF_A_RECOVERY {
            self.up = Some(true);
        }
    }

    /// Gives out the undecided time.
    fn settle(&mut self, state: State, update: &mut Update) {
        if let Some(from) = self.undecided.take() {
            self.give(state, from, self.frontier, update);
        }
    }

    /// Gives out one piece: what has the state of the latest segment makes that longer.
    fn give(&mut self, state: State, from: Micros, to: Micros, update: &mut Update) {
        if from >= to {
            return;
        }
        if state == State::Down {
            self.down = self.down.saturating_add(to.saturating_sub(from));
        }
        let segment = match self.open {
            Some(open) if open.state == state && open.to == from => Segment { to, ..open },
            _ => Segment { state, from, to },
        };
        self.open = Some(segment);
        match update.segments.last_mut() {
            Some(given) if given.from == segment.from => *given = segment,
            _ => update.segments.push(segment),
        }
    }
}

/// Compares the clocks between two results.
fn between(last: Last, seen: &Observation) -> Between {
    let limit = last.interval.saturating_mul(INTERVALS_HELD);
    let wall = seen.at.saturating_sub(last.at);
    let held = wall.clamp(0, limit);
    let Some(monotonic) = seen.since_previous else {
        // After a restart: whether a clock that went back did so a moment or a day ago cannot be told.
        return Between { held, broken: wall < 0 || wall > limit, step: None };
    };
    let step = wall.saturating_sub(monotonic);
    if step > CLOCK_TOLERANCE {
        return Between { held: held.min(monotonic.max(0)), broken: true, step: Some(step) };
    }
    let step = (step < -CLOCK_TOLERANCE).then_some(step);
    Between { held, broken: wall.max(monotonic) > limit, step }
}
