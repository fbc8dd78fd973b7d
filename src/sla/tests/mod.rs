//! Probe results in, figures out: what a month comes to, and what every rule of the clock does.

mod month;
mod tracker;

use super::*;
use crate::record::{Failure, Micros, Observation};

/// Microseconds in a second.
const S: i64 = 1_000_000;

fn objective(text: &str) -> Vec<InForce> {
    vec![InForce { since: 0, objective: Objective::parse(text).expect("an objective") }]
}

fn november() -> Month {
    Month::parse("2026-11", &jiff::tz::TimeZone::UTC).expect("a month")
}

/// A result every 15 s.
fn seen(at: Micros, failure: Option<Failure>) -> Observation {
    Observation { at, interval: 15 * S, since_previous: None, failure, answer: Some(S) }
}

/// Everything that a tracker gave out, as a ledger would keep it.
#[derive(Clone, Debug, Default, PartialEq)]
struct Kept {
    segments: Vec<Segment>,
    outages: Vec<Outage>,
    isolated: Vec<Isolated>,
}

impl Kept {
    fn take(&mut self, update: Update) {
        for segment in update.segments {
            match self.segments.last_mut() {
                Some(last) if last.from == segment.from => *last = segment,
                last => {
                    assert!(last.is_none_or(|last| last.to == segment.from), "segments tile");
                    self.segments.push(segment);
                }
            }
        }
        if let Some(outage) = update.outage {
            self.outages.retain(|known| known.number != outage.number);
            self.outages.push(outage);
        }
        self.isolated.extend(update.isolated);
    }
}
