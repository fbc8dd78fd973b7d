//! What a target's time is made of: states, outages and failures that were none.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::record::{Failure, Micros};

/// What is known of a moment. Maintenance is no state of a [`Segment`]: it is laid over the segments when a month is
/// computed, because what was announced in time is known from the configuration and not from a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Answering.
    Up,
    /// Inside an outage.
    Down,
    /// Nothing was observed, or the clock was moved over it.
    Unknown,
}

impl State {
    /// All states, in the order of their stored codes.
    pub const ALL: [State; 3] = [State::Up, State::Down, State::Unknown];

    /// The name that users see.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            State::Up => "up",
            State::Down => "down",
            State::Unknown => "unknown",
        }
    }
}

/// A stretch of one state: `from` belongs to it, `to` does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// What is known of it.
    pub state: State,
    /// Its first moment.
    pub from: Micros,
    /// The moment after its last; after `from`.
    pub to: Micros,
}

/// Three failures in a row or more, up to the first success of two in a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outage {
    /// Counts the outages of a target from 1; its name for notes.
    pub number: u64,
    /// The first failure.
    pub start: Micros,
    /// The third failure, at which it was known to be an outage.
    pub confirmed: Micros,
    /// The first of the two successes that ended it; `None` while it lasts.
    pub end: Option<Micros>,
    /// The time just before `end` is unknown, so that it may have ended earlier.
    pub end_unobserved: bool,
    /// The reason of the first failure.
    pub first: Failure,
    /// Its failed probes by reason.
    pub failures: BTreeMap<Failure, u64>,
}

impl Outage {
    /// The most frequent reason; of equally frequent ones that of the first failure, else the first of the list. The first
    /// failure alone would often name the moment of falling (`cut`, `timeout`) and not what the outage was (`refused`).
    #[must_use]
    pub fn cause(&self) -> Failure {
        let count = |reason: Failure| self.failures.get(&reason).copied().unwrap_or(0);
        let listed = Failure::ALL.iter().copied();
        listed.fold(self.first, |most, reason| if count(reason) > count(most) { reason } else { most })
    }

    /// Adds a failed probe.
    pub(super) fn observe(&mut self, reason: Failure) {
        let count = self.failures.entry(reason).or_default();
        *count = count.saturating_add(1);
    }
}

/// A failed probe that belongs to no outage: listed, not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Isolated {
    /// The probe's start.
    pub at: Micros,
    /// Why it failed.
    pub reason: Failure,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_is_the_most_frequent_reason_and_the_first_on_a_tie() {
        use Failure::{Cut, Dns, Refused, Timeout};
        for (row, want) in [
            (vec![Cut, Refused, Refused], Refused),
            (vec![Timeout, Refused, Refused, Timeout], Timeout),
            (vec![Timeout, Refused, Refused, Dns, Dns], Dns),
        ] {
            let mut outage = Outage {
                number: 1,
                start: 0,
                confirmed: 2,
                end: None,
                end_unobserved: false,
                first: row[0],
                failures: BTreeMap::new(),
            };
            row.iter().for_each(|reason| outage.observe(*reason));
            assert_eq!(outage.cause(), want);
        }
    }
}
