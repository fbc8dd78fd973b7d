//! What came of notifications, counted and written as an OpenMetrics page.
//!
//! A page of its own: the relay is a process of its own, without meter and ledger. It begins at 0 with each start.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet, text};
use prometheus_client::registry::Registry;

use crate::meter::Id;

/// What came of a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// The robot accepted the message.
    Delivered,
    /// The robot answered with an error.
    Refused,
    /// The robot answered that it got too many messages.
    Throttled,
    /// The robot did not answer.
    Failed,
    /// The budget of messages left no room in time.
    Busy,
    /// Not a notification of Alertmanager.
    Invalid,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Outcome; 6] =
        [Outcome::Delivered, Outcome::Refused, Outcome::Throttled, Outcome::Failed, Outcome::Busy, Outcome::Invalid];

    /// The value of the label `outcome`.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Outcome::Delivered => "delivered",
            Outcome::Refused => "refused",
            Outcome::Throttled => "throttled",
            Outcome::Failed => "failed",
            Outcome::Busy => "busy",
            Outcome::Invalid => "invalid",
        }
    }

    /// What it means, for people.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Outcome::Delivered => "the robot accepted the message",
            Outcome::Refused => "the robot answered with an error; Alertmanager tries again",
            Outcome::Throttled => "the robot answered that it got too many messages; Alertmanager tries again",
            Outcome::Failed => "the robot could not be reached or did not answer; Alertmanager tries again",
            Outcome::Busy => "20 messages a minute left no room in time; Alertmanager tries again",
            Outcome::Invalid => "not a notification of Alertmanager, or larger than 1 MiB; it is lost",
        }
    }
}

/// Receiver → counts in the order of [`Outcome::ALL`].
type Counts = BTreeMap<String, BTreeMap<Outcome, u64>>;

/// Counts notifications; bounded by the receivers that are configured.
#[derive(Clone, Debug, Default)]
pub(super) struct Counter(Arc<Mutex<Counts>>);

impl Counter {
    /// Makes the series of a receiver, at 0; those that are there stay.
    pub(super) fn add_receiver(&self, name: &str) {
        let zeros = || Outcome::ALL.into_iter().map(|outcome| (outcome, 0)).collect();
        self.0.lock().entry(name.to_owned()).or_insert_with(zeros);
    }

    /// Counts a notification of a receiver that was added.
    pub(super) fn observe(&self, name: &str, outcome: Outcome) {
        if let Some(count) = self.0.lock().get_mut(name).and_then(|counts| counts.get_mut(&outcome)) {
            *count = count.saturating_add(1);
        }
    }

    /// The page in OpenMetrics 1.0 text.
    pub(super) fn encode(&self) -> Result<String, fmt::Error> {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self.clone()));
        let mut page = String::new();
        text::encode(&mut page, &registry)?;
        Ok(page)
    }
}

impl Collector for Counter {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let metric = Id::AlertNotifications.metric();
        let mut family = encoder.encode_descriptor(metric.family(), metric.help, None, metric.kind.metric_type())?;
        for (name, counts) in self.0.lock().iter() {
            for (outcome, count) in counts {
                let labels = [("receiver", name.as_str()), ("outcome", outcome.label())];
                family.encode_family(&labels)?.encode_counter::<NoLabelSet, u64, f64>(count, None)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_receiver_has_every_outcome_from_the_start() {
        let counter = Counter::default();
        counter.add_receiver("ops");
        counter.observe("ops", Outcome::Busy);
        counter.observe("ops", Outcome::Busy);
        counter.observe("stranger", Outcome::Busy);
        counter.add_receiver("ops");
        let page = counter.encode().expect("a page");
        for outcome in Outcome::ALL {
            let count = if outcome == Outcome::Busy { 2 } else { 0 };
            let line = format!(
                "tokentail_alert_notifications_total{{receiver=\"ops\",outcome=\"{}\"}} {count}\n",
                outcome.label()
            );
            assert!(page.contains(&line), "{line} in {page}");
        }
        assert!(!page.contains("stranger") && page.ends_with("# EOF\n"), "{page}");
    }
}
