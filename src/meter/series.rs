//! The series themselves: labels, counts, and the form in which the ledger keeps them.
//!
//! Each kind of label set is one family. Which series there are and what is added to them is decided by the meter.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::histogram::Histogram;
use crate::record::{Currency, ErrorReason};

/// Labels gateway, route, provider, model, consumer; then the dimensions that are labels.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct RequestLabels(pub(super) [String; 5], pub(super) Vec<String>);
/// Labels gateway, route, provider, model.
pub(super) type ModelLabels = [String; 4];
/// Labels gateway, provider, model; or gateway, model, tool.
pub(super) type TripleLabels = [String; 3];
/// Labels gateway, reason.
pub(super) type PairLabels = [String; 2];

/// Amounts per currency in nano-units.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Amounts(pub(super) Vec<(Currency, i128)>);

impl Amounts {
    /// Adds to a currency's amount; returns whether the currency is new.
    pub(super) fn add(&mut self, currency: Currency, nanos: i128) -> bool {
        if let Some((_, total)) = self.0.iter_mut().find(|(known, _)| *known == currency) {
            *total += nanos;
            return false;
        }
        self.0.push((currency, nanos));
        true
    }
}

impl Serialize for Amounts {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(currency, nanos)| (currency.as_str(), nanos.to_string())))
    }
}

impl<'de> Deserialize<'de> for Amounts {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let map = BTreeMap::<String, String>::deserialize(deserializer)?;
        let amount = |(currency, nanos): (String, String)| Some((Currency::parse(&currency)?, nanos.parse().ok()?));
        let amounts: Option<Vec<_>> = map.into_iter().map(amount).collect();
        amounts.map(Amounts).ok_or_else(|| serde::de::Error::custom("expected amounts by currency"))
    }
}

/// What is counted per request label set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct RequestSeries {
    pub(super) codes: BTreeMap<u16, u64>,
    pub(super) errors: BTreeMap<ErrorLabel, u64>,
    pub(super) input: u64,
    pub(super) output: u64,
    pub(super) cache_read: u64,
    pub(super) cache_write: u64,
    pub(super) reasoning: u64,
    pub(super) cost: Amounts,
}

/// An error reason's position in the closed list, as it is stored.
pub(super) type ErrorLabel = u8;

impl RequestSeries {
    pub(super) fn lines(&self) -> usize {
        self.codes.len() + self.errors.len() + 5 + self.cost.0.len()
    }

    pub(super) fn add(&mut self, other: &RequestSeries) {
        for (code, count) in &other.codes {
            *self.codes.entry(*code).or_default() += count;
        }
        for (reason, count) in &other.errors {
            *self.errors.entry(*reason).or_default() += count;
        }
        self.input += other.input;
        self.output += other.output;
        self.cache_read += other.cache_read;
        self.cache_write += other.cache_write;
        self.reasoning += other.reasoning;
        for (currency, nanos) in &other.cost.0 {
            self.cost.add(*currency, *nanos);
        }
    }

    pub(super) fn reason(label: ErrorLabel) -> &'static str {
        ErrorReason::ALL.get(usize::from(label)).map_or("", |reason| reason.label())
    }
}

/// What is counted per model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct ModelSeries {
    pub(super) duration: Histogram,
    pub(super) first_token: Histogram,
    pub(super) per_token: Histogram,
    pub(super) usage_missing: u64,
}

/// What is counted about prices.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct PriceSeries {
    pub(super) unpriced_requests: u64,
    pub(super) unpriced_tokens: u64,
    pub(super) savings: Amounts,
}

/// What the program counts of itself; shown only as far as it is on disk.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct OwnSeries {
    pub(super) commits: Histogram,
    pub(super) commit_failures: u64,
    pub(super) clock_steps: u64,
    pub(super) folded: BTreeMap<String, u64>,
}

/// Bounds under which the stored histograms were counted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct StoredBounds {
    pub(super) duration: Vec<f64>,
    pub(super) first_token: Vec<f64>,
    pub(super) per_token: Vec<f64>,
    pub(super) commits: Vec<f64>,
    pub(super) session_duration: Vec<f64>,
    pub(super) session_turns: Vec<f64>,
    pub(super) dimension_labels: Vec<String>,
}

/// A series with its labels.
#[derive(Clone, Debug)]
pub(super) struct Entry<L, V> {
    pub(super) labels: L,
    pub(super) value: V,
    /// When it was first seen in this process; `None` if it was restored.
    pub(super) born: Option<Instant>,
    dirty: bool,
}

/// The series of one kind of label set.
#[derive(Clone, Debug)]
pub(super) struct Family<L, V> {
    name: &'static str,
    pub(super) entries: Vec<Entry<L, V>>,
    index: HashMap<L, usize>,
}

impl<L, V> Family<L, V>
where
    L: Clone + Eq + std::hash::Hash + Serialize + DeserializeOwned,
    V: Default + Serialize + DeserializeOwned,
{
    pub(super) fn new(name: &'static str) -> Self {
        Family { name, entries: Vec::new(), index: HashMap::new() }
    }

    pub(super) fn find(&self, labels: &L) -> Option<usize> {
        self.index.get(labels).copied()
    }

    pub(super) fn insert(&mut self, labels: L, born: Option<Instant>) -> usize {
        if let Some(at) = self.find(&labels) {
            return at;
        }
        let at = self.entries.len();
        self.index.insert(labels.clone(), at);
        self.entries.push(Entry { labels, value: V::default(), born, dirty: true });
        at
    }

    pub(super) fn change(&mut self, at: usize) -> Option<&mut V> {
        let entry = self.entries.get_mut(at)?;
        entry.dirty = true;
        Some(&mut entry.value)
    }

    pub(super) fn take_dirty(&mut self, into: &mut Vec<Dirty>) {
        for entry in self.entries.iter_mut().filter(|entry| entry.dirty) {
            entry.dirty = false;
            let labels = serde_json::to_string(&entry.labels).unwrap_or_default();
            let value = serde_json::to_string(&entry.value).unwrap_or_default();
            into.push(Dirty { family: self.name.to_owned(), labels, value });
        }
    }

    pub(super) fn mark(&mut self, labels: &str) {
        let at = serde_json::from_str(labels).ok().and_then(|labels| self.find(&labels));
        if let Some(entry) = at.and_then(|at| self.entries.get_mut(at)) {
            entry.dirty = true;
        }
    }

    pub(super) fn restore(&mut self, stored: &Dirty) -> Result<(), serde_json::Error> {
        let labels = serde_json::from_str(&stored.labels)?;
        let value = serde_json::from_str(&stored.value)?;
        let at = self.insert(labels, None);
        if let Some(entry) = self.entries.get_mut(at) {
            entry.value = value;
            entry.dirty = false;
        }
        Ok(())
    }
}

/// A changed series, as the ledger stores it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dirty {
    /// Kind of label set.
    pub family: String,
    /// Label values as a JSON array.
    pub labels: String,
    /// Counts as a JSON object; empty to remove the series.
    pub value: String,
}
