//! Committed rows become series, within bounds.
//!
//! Each kind of label set has one map; a row touches at most a handful of entries. Label values are admitted in the
//! order in which they are first seen, which is the ledger's order, so a replay admits the same ones.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Instant;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::Config;
use super::catalogue::{Id, REQUEST_LABELS};
use super::histogram::{Bounds, COMMIT_SECONDS, Histogram, REQUEST_SECONDS, TOKEN_SECONDS};
use crate::record::{Anomaly, Attributes, Currency, ErrorReason, Outcome, Row};

/// Most values of a label.
const MAX_VALUES: usize = 200;
/// Most values of the label `tool`.
const MAX_TOOLS: usize = 100;
/// The value that stands for all that was not admitted.
const OTHER: &str = "other";
/// The model of requests that neither succeeded nor have a price: anybody can make such names up.
const UNKNOWN: &str = "unknown";
/// Lines that a new request series takes at least: one code, five token counters, one cost.
const REQUEST_LINES: usize = 7;
/// Lines of the page that are no series of requests: help and types, the program's own metrics, some ten sources.
const OTHER_LINES: usize = 450;
/// Attribute sets whose series are remembered; beyond, the memory is emptied and filled anew.
const MAX_HANDLES: usize = 16_384;

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
    fn add(&mut self, currency: Currency, nanos: i128) -> bool {
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
type ErrorLabel = u8;

impl RequestSeries {
    fn lines(&self) -> usize {
        self.codes.len() + self.errors.len() + 5 + self.cost.0.len()
    }

    fn add(&mut self, other: &RequestSeries) {
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
struct StoredBounds {
    duration: Vec<f64>,
    first_token: Vec<f64>,
    per_token: Vec<f64>,
    commits: Vec<f64>,
    dimension_labels: Vec<String>,
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
    fn new(name: &'static str) -> Self {
        Family { name, entries: Vec::new(), index: HashMap::new() }
    }

    fn find(&self, labels: &L) -> Option<usize> {
        self.index.get(labels).copied()
    }

    fn insert(&mut self, labels: L, born: Option<Instant>) -> usize {
        if let Some(at) = self.find(&labels) {
            return at;
        }
        let at = self.entries.len();
        self.index.insert(labels.clone(), at);
        self.entries.push(Entry { labels, value: V::default(), born, dirty: true });
        at
    }

    fn change(&mut self, at: usize) -> Option<&mut V> {
        let entry = self.entries.get_mut(at)?;
        entry.dirty = true;
        Some(&mut entry.value)
    }

    fn take_dirty(&mut self, into: &mut Vec<Dirty>) {
        for entry in self.entries.iter_mut().filter(|entry| entry.dirty) {
            entry.dirty = false;
            let labels = serde_json::to_string(&entry.labels).unwrap_or_default();
            let value = serde_json::to_string(&entry.value).unwrap_or_default();
            into.push(Dirty { family: self.name.to_owned(), labels, value });
        }
    }

    fn mark(&mut self, labels: &str) {
        let at = serde_json::from_str(labels).ok().and_then(|labels| self.find(&labels));
        if let Some(entry) = at.and_then(|at| self.entries.get_mut(at)) {
            entry.dirty = true;
        }
    }

    fn restore(&mut self, stored: &Dirty) -> Result<(), serde_json::Error> {
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

/// Sums over all series of a meter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Requests.
    pub requests: u64,
    /// Failed requests.
    pub errors: u64,
    /// Requests of models that nobody prices.
    pub unpriced: u64,
    /// Input tokens.
    pub input: u64,
    /// Output tokens.
    pub output: u64,
    /// Cost per currency in nano-units.
    pub cost: BTreeMap<Currency, i128>,
}

/// Positions of the series that rows with the same attributes touch.
#[derive(Clone, Copy, Debug)]
struct Handles {
    request: usize,
    model: usize,
    price: usize,
    request_folded: bool,
    model_folded: bool,
}

/// All series that rows are folded into.
#[derive(Debug)]
pub struct Meter {
    config: Config,
    pub(super) duration_bounds: Bounds,
    pub(super) first_token_bounds: Bounds,
    pub(super) per_token_bounds: Bounds,
    pub(super) commit_bounds: Bounds,
    pub(super) requests: Family<RequestLabels, RequestSeries>,
    pub(super) models: Family<ModelLabels, ModelSeries>,
    pub(super) prices: Family<TripleLabels, PriceSeries>,
    pub(super) tools: Family<TripleLabels, u64>,
    pub(super) anomalies: Family<PairLabels, u64>,
    /// As of the last fold that was written.
    pub(super) own: OwnSeries,
    own_pending: OwnSeries,
    own_dirty: bool,
    values: BTreeMap<String, BTreeSet<String>>,
    /// Stored series that a change of labels has merged into others: to be removed from disk.
    removed: Vec<Dirty>,
    handles: HashMap<(u32, bool), Handles>,
    lines: usize,
    stored_bounds: StoredBounds,
    /// Series that are born from then on stand at 0 for a while; earlier ones came with history.
    hold_from: Option<Instant>,
}

const OWN: &str = "own";
const BOUNDS: &str = "bounds";

impl Meter {
    /// An empty meter.
    #[must_use]
    pub fn new(config: Config) -> Meter {
        let bounds = |id: Id, default: &[f64]| {
            Bounds::new(config.buckets.get(id.metric().short_name()).map_or(default, Vec::as_slice))
        };
        Meter {
            duration_bounds: bounds(Id::RequestDuration, &REQUEST_SECONDS),
            first_token_bounds: bounds(Id::TimeToFirstToken, &REQUEST_SECONDS),
            per_token_bounds: bounds(Id::TimePerOutputToken, &TOKEN_SECONDS),
            commit_bounds: bounds(Id::CommitDuration, &COMMIT_SECONDS),
            config,
            requests: Family::new("request"),
            models: Family::new("model"),
            prices: Family::new("price"),
            tools: Family::new("tool"),
            anomalies: Family::new("anomaly"),
            own: OwnSeries::default(),
            own_pending: OwnSeries::default(),
            own_dirty: false,
            values: BTreeMap::new(),
            removed: Vec::new(),
            handles: HashMap::new(),
            lines: 0,
            stored_bounds: StoredBounds::default(),
            hold_from: None,
        }
    }

    /// From now on new series stand at 0 for [`Config::new_series_hold`]. To be called when the history that was found at
    /// the start is read: a page that held it back would show it as a jump.
    pub fn hold_new_series(&mut self, from: Instant) {
        self.hold_from.get_or_insert(from);
    }

    /// Whether a series that was born then still stands at 0.
    pub(super) fn is_held(&self, born: Option<Instant>, now: Instant) -> bool {
        let (Some(born), Some(from)) = (born, self.hold_from) else { return false };
        born >= from && now.saturating_duration_since(born) < self.config.new_series_hold
    }

    /// The configured bounds of the exposition.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Takes back what [`Meter::take_dirty`] gave out in an earlier process.
    ///
    /// # Errors
    /// A stored series cannot be read.
    pub fn restore(&mut self, stored: &Dirty) -> Result<(), serde_json::Error> {
        match stored.family.as_str() {
            OWN => {
                self.own = serde_json::from_str(&stored.value)?;
                self.own_pending = self.own.clone();
            }
            BOUNDS => self.stored_bounds = serde_json::from_str(&stored.value)?,
            "request" => self.requests.restore(stored)?,
            "model" => self.models.restore(stored)?,
            "price" => self.prices.restore(stored)?,
            "tool" => self.tools.restore(stored)?,
            "anomaly" => self.anomalies.restore(stored)?,
            _ => {}
        }
        Ok(())
    }

    /// To be called once after the last [`Meter::restore`]: recounts what the bounds are held against.
    pub fn restored(&mut self) {
        let stored = std::mem::take(&mut self.stored_bounds);
        for entry in &mut self.models.entries {
            entry.value.duration.rebucket(&stored.duration, &self.duration_bounds);
            entry.value.first_token.rebucket(&stored.first_token, &self.first_token_bounds);
            entry.value.per_token.rebucket(&stored.per_token, &self.per_token_bounds);
        }
        self.own.commits.rebucket(&stored.commits, &self.commit_bounds);
        self.own_pending.commits.rebucket(&stored.commits, &self.commit_bounds);
        self.own_dirty = true;
        if stored.dimension_labels != self.config.dimension_labels {
            self.relabel(&stored.dimension_labels);
        }
        for entry in &self.requests.entries {
            let RequestLabels(base, dimensions) = &entry.labels;
            let names = REQUEST_LABELS.iter().copied().chain(self.config.dimension_labels.iter().map(String::as_str));
            for (label, value) in names.zip(base.iter().chain(dimensions)) {
                admit_value(&mut self.values, label, value);
            }
            self.lines += entry.value.lines();
        }
        for entry in &self.tools.entries {
            let [_, _, tool] = &entry.labels;
            admit_value(&mut self.values, "tool", tool);
        }
        self.lines += self.models.entries.len() * self.model_lines()
            + self.prices.entries.len() * 3
            + self.tools.entries.len()
            + self.anomalies.entries.len();
    }

    /// Brings the stored request series to the dimensions that are labels now; equal ones become one.
    fn relabel(&mut self, stored: &[String]) {
        let old = std::mem::replace(&mut self.requests, Family::new("request"));
        for entry in old.entries {
            let labels = serde_json::to_string(&entry.labels).unwrap_or_default();
            self.removed.push(Dirty { family: "request".to_owned(), labels, value: String::new() });
            let RequestLabels(base, dimensions) = entry.labels;
            let value_of = |name: &String| {
                let at = stored.iter().position(|known| known == name);
                at.and_then(|at| dimensions.get(at)).cloned().unwrap_or_default()
            };
            let dimensions = self.config.dimension_labels.iter().map(value_of).collect();
            let at = self.requests.insert(RequestLabels(base, dimensions), None);
            if let Some(series) = self.requests.change(at) {
                series.add(&entry.value);
            }
        }
    }

    fn model_lines(&self) -> usize {
        let buckets = [&self.duration_bounds, &self.first_token_bounds, &self.per_token_bounds];
        buckets.iter().map(|bounds| bounds.seconds().len() + 3).sum::<usize>() + 1
    }

    /// Folds one committed row. `tools` are the names of the tools called; `now` is the time of a new series' birth,
    /// `None` while rows are replayed at start.
    pub fn observe(&mut self, row: &Row, attributes: &Attributes, tools: &[String], now: Option<Instant>) {
        let trusted = row.outcome == Outcome::Success || row.price_row != 0;
        let handles = match self.handles.get(&(row.attributes, trusted)) {
            Some(handles) => *handles,
            None => {
                let handles = self.resolve(attributes, trusted, now);
                if self.handles.len() >= MAX_HANDLES {
                    self.handles.clear();
                }
                self.handles.insert((row.attributes, trusted), handles);
                handles
            }
        };
        if handles.request_folded {
            self.fold(Id::Requests);
        }
        if handles.model_folded {
            self.fold(Id::RequestDuration);
        }
        self.observe_request(row, handles.request);
        self.observe_model(row, handles.model);
        self.observe_price(row, handles.price);
        for anomaly in row.anomalies.iter() {
            self.observe_anomaly(&attributes.gateway, anomaly, now);
        }
        for tool in tools {
            self.observe_tool(&attributes.gateway, model_label(attributes, trusted), tool, now);
        }
    }

    fn observe_request(&mut self, row: &Row, at: usize) {
        let Some(series) = self.requests.change(at) else { return };
        let before = series.lines();
        *series.codes.entry(row.status).or_default() += 1;
        if let Some(reason) = row.outcome.error() {
            *series.errors.entry(u8::try_from(reason.index()).unwrap_or(u8::MAX)).or_default() += 1;
        }
        series.input += row.tokens.input();
        series.output += row.tokens.output();
        series.cache_read += row.tokens.cache_read;
        series.cache_write += row.tokens.cache_write();
        series.reasoning += row.tokens.reasoning;
        if let Some(cost) = row.cost {
            series.cost.add(cost.currency, i128::from(cost.nanos));
        }
        self.lines += series.lines() - before;
    }

    fn observe_model(&mut self, row: &Row, at: usize) {
        let Some(series) = self.models.change(at) else { return };
        if row.usage_missing {
            series.usage_missing += 1;
        }
        if row.outcome != Outcome::Success {
            return;
        }
        let exemplar = row.trace_id.map(|trace_id| (trace_id, row.start.saturating_add(row.duration.unwrap_or(0))));
        if let Some(duration) = row.duration {
            series.duration.observe(&self.duration_bounds, duration.saturating_mul(1000), exemplar);
        }
        let Some(first_token) = row.first_token else { return };
        series.first_token.observe(&self.first_token_bounds, first_token.saturating_mul(1000), exemplar);
        if let (Some(duration), Ok(steps @ 1..)) = (row.duration, i64::try_from(row.tokens.output()).map(|n| n - 1)) {
            let per_token = duration.saturating_sub(first_token).max(0).saturating_mul(1000) / steps;
            series.per_token.observe(&self.per_token_bounds, per_token, exemplar);
        }
    }

    fn observe_price(&mut self, row: &Row, at: usize) {
        if !row.unpriced && row.cost.is_none() {
            return;
        }
        let Some(series) = self.prices.change(at) else { return };
        if row.unpriced {
            series.unpriced_requests += 1;
            series.unpriced_tokens += row.tokens.total();
        }
        if let Some(cost) = row.cost {
            series.savings.add(cost.currency, i128::from(row.savings_nanos));
        }
    }

    fn observe_anomaly(&mut self, gateway: &str, anomaly: Anomaly, now: Option<Instant>) {
        let labels = [gateway.to_owned(), anomaly.label().to_owned()];
        let at = self.anomalies.find(&labels).unwrap_or_else(|| {
            self.lines += 1;
            self.anomalies.insert(labels, now)
        });
        if let Some(count) = self.anomalies.change(at) {
            *count += 1;
        }
    }

    fn observe_tool(&mut self, gateway: &str, model: &str, tool: &str, now: Option<Instant>) {
        let tool = self.admit("tool", tool, MAX_TOOLS);
        let folded = tool == OTHER;
        let labels = [gateway.to_owned(), model.to_owned(), tool];
        let at = self.tools.find(&labels).unwrap_or_else(|| {
            self.lines += 1;
            self.tools.insert(labels, now)
        });
        if let Some(count) = self.tools.change(at) {
            *count += 1;
        }
        if folded {
            self.fold(Id::ToolCalls);
        }
    }

    fn fold(&mut self, id: Id) {
        *self.own_pending.folded.entry(id.metric().short_name().to_owned()).or_default() += 1;
        self.own_dirty = true;
    }

    /// The value itself while the label has room, else `other`. Empty values need no room.
    fn admit(&mut self, label: &str, value: &str, bound: usize) -> String {
        let values = self.values.entry(label.to_owned()).or_default();
        if value.is_empty() || values.contains(value) {
            return value.to_owned();
        }
        if values.iter().filter(|known| *known != OTHER && !known.is_empty()).count() >= bound {
            return OTHER.to_owned();
        }
        values.insert(value.to_owned());
        value.to_owned()
    }

    /// Whether a value was admitted or has room, without admitting it.
    fn has_room(&self, label: &str, value: &str) -> bool {
        value.is_empty()
            || self.values.get(label).is_none_or(|values| {
                values.contains(value)
                    || values.iter().filter(|known| *known != OTHER && !known.is_empty()).count() < MAX_VALUES
            })
    }

    /// Finds or makes the series of an attribute set. Where room is short, consumer and dimensions become `other` first,
    /// then the route; model and provider never do.
    fn resolve(&mut self, attributes: &Attributes, trusted: bool, now: Option<Instant>) -> Handles {
        let model = model_label(attributes, trusted);
        let consumer = if self.config.consumer_label { attributes.consumer.as_str() } else { "" };
        let dimensions: Vec<&str> =
            self.config.dimension_labels.iter().map(|name| dimension(attributes, name)).collect();
        let labels = |route: &str, consumer: &str, dimensions: &[&str]| {
            let base = [&attributes.gateway, route, &attributes.provider, model, consumer].map(str::to_owned);
            RequestLabels(base, dimensions.iter().map(|value| (*value).to_owned()).collect())
        };
        let bounded = |meter: &Meter, label: &str, value: &str| -> String {
            if meter.has_room(label, value) { value.to_owned() } else { OTHER.to_owned() }
        };
        let route = bounded(self, "route", &attributes.route);
        let kept: Vec<String> = self
            .config
            .dimension_labels
            .iter()
            .zip(&dimensions)
            .map(|(name, value)| bounded(self, name, value))
            .collect();
        let kept: Vec<&str> = kept.iter().map(String::as_str).collect();
        let folded = |value: &str| if value.is_empty() { "" } else { OTHER };
        let others: Vec<&str> = dimensions.iter().map(|value| folded(value)).collect();
        let wanted = labels(&route, &bounded(self, "consumer", consumer), &kept);
        let full = self.lines + REQUEST_LINES + OTHER_LINES > self.config.max_lines;
        let chosen = if self.requests.find(&wanted).is_some() || !full {
            wanted
        } else {
            let without_consumer = labels(&route, folded(consumer), &others);
            let known = self.requests.find(&without_consumer).is_some();
            if known { without_consumer } else { labels(folded(&route), folded(consumer), &others) }
        };
        let RequestLabels(base, chosen_dimensions) = &chosen;
        let names = REQUEST_LABELS.iter().copied().chain(self.config.dimension_labels.iter().map(String::as_str));
        for (label, value) in names.zip(base.iter().chain(chosen_dimensions)) {
            admit_value(&mut self.values, label, value);
        }
        let [_, route, ..] = base;
        let route_folded = *route != attributes.route;
        let request_folded = chosen != labels(&attributes.route, consumer, &dimensions);
        let model_labels = [&attributes.gateway, route, &attributes.provider, model].map(str::to_owned);
        let price_labels = [&attributes.gateway, &attributes.provider, model].map(str::to_owned);
        let request = self.requests.find(&chosen).unwrap_or_else(|| {
            self.lines += RequestSeries::default().lines();
            self.requests.insert(chosen, now)
        });
        let model = self.models.find(&model_labels).unwrap_or_else(|| {
            self.lines += self.model_lines();
            self.models.insert(model_labels, now)
        });
        let price = self.prices.find(&price_labels).unwrap_or_else(|| {
            self.lines += 3;
            self.prices.insert(price_labels, now)
        });
        Handles { request, model, price, request_folded, model_folded: route_folded }
    }

    /// Counts a commit of the ledger, shown after the next written fold.
    pub fn observe_commit(&mut self, nanos: i64) {
        self.own_pending.commits.observe(&self.commit_bounds, nanos, None);
        self.own_dirty = true;
    }

    /// Counts a commit that failed.
    pub fn observe_commit_failure(&mut self) {
        self.own_pending.commit_failures += 1;
        self.own_dirty = true;
    }

    /// Commits that failed. Shown at once: an alert must fire while the disk is full, which is when nothing can be kept.
    pub(super) fn commit_failures(&self) -> u64 {
        self.own_pending.commit_failures
    }

    /// Counts a step of the wall clock.
    pub fn observe_clock_step(&mut self) {
        self.own_pending.clock_steps += 1;
        self.own_dirty = true;
    }

    /// Every series that changed since the last call, to be written in one transaction with the mark of the rows folded.
    pub fn take_dirty(&mut self) -> Vec<Dirty> {
        // What is removed comes first: a series may have got the labels of a removed one.
        let mut dirty = std::mem::take(&mut self.removed);
        self.requests.take_dirty(&mut dirty);
        self.models.take_dirty(&mut dirty);
        self.prices.take_dirty(&mut dirty);
        self.tools.take_dirty(&mut dirty);
        self.anomalies.take_dirty(&mut dirty);
        if std::mem::take(&mut self.own_dirty) {
            let value = serde_json::to_string(&self.own_pending).unwrap_or_default();
            dirty.push(Dirty { family: OWN.to_owned(), labels: "[]".to_owned(), value });
            let bounds = StoredBounds {
                duration: self.duration_bounds.seconds().to_vec(),
                first_token: self.first_token_bounds.seconds().to_vec(),
                per_token: self.per_token_bounds.seconds().to_vec(),
                commits: self.commit_bounds.seconds().to_vec(),
                dimension_labels: self.config.dimension_labels.clone(),
            };
            let value = serde_json::to_string(&bounds).unwrap_or_default();
            dirty.push(Dirty { family: BOUNDS.to_owned(), labels: "[]".to_owned(), value });
        }
        dirty
    }

    /// To be called when what [`Meter::take_dirty`] gave out is on disk: from now on it is shown.
    pub fn written(&mut self) {
        self.own = self.own_pending.clone();
    }

    /// To be called when writing failed: the series are given out again by the next [`Meter::take_dirty`].
    pub fn not_written(&mut self, dirty: &[Dirty]) {
        for series in dirty {
            match series.family.as_str() {
                _ if series.value.is_empty() => self.removed.push(series.clone()),
                "request" => self.requests.mark(&series.labels),
                "model" => self.models.mark(&series.labels),
                "price" => self.prices.mark(&series.labels),
                "tool" => self.tools.mark(&series.labels),
                "anomaly" => self.anomalies.mark(&series.labels),
                _ => self.own_dirty = true,
            }
        }
    }

    /// Sums over all series.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for RequestSeries { codes, errors, input, output, cost, .. } in self.requests.entries.iter().map(|e| &e.value) {
            totals.requests += codes.values().sum::<u64>();
            totals.errors += errors.values().sum::<u64>();
            totals.input += input;
            totals.output += output;
            for (currency, nanos) in &cost.0 {
                *totals.cost.entry(*currency).or_default() += nanos;
            }
        }
        totals.unpriced = self.prices.entries.iter().map(|entry| entry.value.unpriced_requests).sum();
        totals
    }

    /// Lines of the exposition that the series take.
    #[must_use]
    pub fn lines(&self) -> usize {
        self.lines
    }
}

/// The value of a dimension, empty where the request has none.
fn dimension<'a>(attributes: &'a Attributes, name: &str) -> &'a str {
    attributes.dimensions.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str())
}

fn admit_value(values: &mut BTreeMap<String, BTreeSet<String>>, label: &str, value: &str) {
    if let Some(known) = values.get_mut(label) {
        if !known.contains(value) {
            known.insert(value.to_owned());
        }
    } else {
        values.insert(label.to_owned(), BTreeSet::from([value.to_owned()]));
    }
}

fn model_label(attributes: &Attributes, trusted: bool) -> &str {
    if trusted || attributes.model.is_empty() { &attributes.model } else { UNKNOWN }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Cost, Tokens};

    fn row(attributes: u32) -> Row {
        Row {
            attributes,
            status: 200,
            counted: true,
            price_row: 1,
            tokens: Tokens { uncached_input: 10, visible_output: 5, ..Tokens::default() },
            cost: Some(Cost { nanos: 7, currency: Currency::USD }),
            duration: Some(1_000),
            ..Row::default()
        }
    }

    fn attributes(model: usize, consumer: usize) -> Attributes {
        Attributes {
            gateway: "g".into(),
            route: "r".into(),
            provider: "p".into(),
            model: format!("m{model}"),
            consumer: format!("c{consumer}"),
            ..Attributes::default()
        }
    }

    fn requests(meter: &Meter) -> u64 {
        meter.requests.entries.iter().flat_map(|entry| entry.value.codes.values()).sum()
    }

    #[test]
    fn a_hundred_thousand_consumers_stay_within_the_bound_and_lose_nothing() {
        let mut meter = Meter::new(Config::default());
        for consumer in 0..100_000 {
            let id = u32::try_from(consumer).unwrap();
            meter.observe(&row(id), &attributes(consumer % 3, consumer), &[], None);
        }
        assert!(meter.lines() <= meter.config().max_lines, "{}", meter.lines());
        assert_eq!(requests(&meter), 100_000);
        let consumers: BTreeSet<_> = meter.requests.entries.iter().map(|entry| &entry.labels.0[4]).collect();
        assert_eq!(consumers.len(), MAX_VALUES + 1);
        let models: BTreeSet<_> = meter.requests.entries.iter().map(|entry| entry.labels.0[3].as_str()).collect();
        assert_eq!(models, BTreeSet::from(["m0", "m1", "m2"]));
        assert!(meter.own_pending.folded["requests_total"] >= 100_000 - 200 * 3);
    }

    #[test]
    fn thirty_models_and_a_hundred_and_fifty_consumers_are_not_folded() {
        let mut meter = Meter::new(Config::default());
        for id in 0..30 * 150 {
            meter.observe(&row(u32::try_from(id).unwrap()), &attributes(id / 150, id % 150), &[], None);
        }
        assert_eq!(meter.requests.entries.len(), 30 * 150);
        assert!(meter.own_pending.folded.is_empty(), "{:?}", meter.own_pending.folded);
        assert!(meter.lines() <= meter.config().max_lines, "{}", meter.lines());
    }

    #[test]
    fn a_small_page_folds_consumer_first_then_route_and_never_the_model() {
        let mut meter = Meter::new(Config { max_lines: 1_000, ..Config::default() });
        for id in 0..2_000_usize {
            let mut attributes = attributes(id % 7, id);
            attributes.route = format!("r{}", id % 50);
            meter.observe(&row(u32::try_from(id).unwrap()), &attributes, &[], None);
        }
        assert_eq!(requests(&meter), 2_000);
        let models: BTreeSet<_> = meter.requests.entries.iter().map(|entry| entry.labels.0[3].as_str()).collect();
        assert_eq!(models.len(), 7);
        assert!(meter.requests.entries.iter().any(|entry| entry.labels.0[1] == OTHER));
    }

    #[test]
    fn a_restored_meter_goes_on_where_it_stood() {
        let mut meter = Meter::new(Config::default());
        for id in 0..300 {
            meter.observe(&row(id), &attributes(1, id as usize), &["search".into()], None);
        }
        meter.observe_commit(1_000_000);
        let stored = meter.take_dirty();
        assert!(meter.take_dirty().is_empty());
        meter.written();
        let mut restored = Meter::new(Config::default());
        for dirty in &stored {
            restored.restore(dirty).unwrap();
        }
        restored.restored();
        assert_eq!(restored.lines(), meter.lines());
        for meter in [&mut meter, &mut restored] {
            meter.observe(&row(900), &attributes(1, 900), &[], None);
            meter.observe(&row(7), &attributes(1, 7), &[], None);
        }
        for (one, two) in meter.requests.entries.iter().zip(&restored.requests.entries) {
            assert_eq!((&one.labels, &one.value), (&two.labels, &two.value));
        }
        assert_eq!(meter.own, restored.own);
    }

    #[test]
    fn a_dimension_becomes_a_label_and_stops_being_one_without_losing_a_count() {
        let labelled = Config { dimension_labels: vec!["team".into()], ..Config::default() };
        let mut attributes = [attributes(1, 1), attributes(1, 1)];
        attributes[0].dimensions.push(("team".into(), "sales".into()));
        attributes[1].dimensions.push(("team".into(), "support".into()));
        let mut stored = Vec::new();
        for (config, series) in [(labelled.clone(), 2), (Config::default(), 1), (labelled, 3)] {
            let mut meter = Meter::new(config);
            stored.iter().for_each(|dirty| meter.restore(dirty).unwrap());
            meter.restored();
            for (id, attributes) in (0..).zip(&attributes) {
                meter.observe(&row(id), attributes, &[], None);
            }
            assert_eq!(meter.requests.entries.len(), series);
            let dirty = meter.take_dirty();
            let gone = |known: &Dirty| dirty.iter().any(|new| new.family == known.family && new.labels == known.labels);
            stored.retain(|known| !gone(known));
            stored.extend(dirty.into_iter().filter(|new| !new.value.is_empty()));
        }
        let mut meter = Meter::new(Config::default());
        stored.iter().for_each(|dirty| meter.restore(dirty).unwrap());
        meter.restored();
        assert_eq!((meter.totals().requests, meter.requests.entries.len()), (6, 1));
    }

    #[test]
    fn new_series_are_held_at_zero_but_not_those_of_history() {
        let hold = std::time::Duration::from_secs(30);
        let mut meter = Meter::new(Config { new_series_hold: hold, ..Config::default() });
        let start = crate::clock::Clock::manual(0).instant();
        meter.observe(&row(1), &attributes(1, 1), &[], Some(start));
        let later = start + hold;
        meter.hold_new_series(later);
        meter.observe(&row(2), &attributes(1, 2), &[], Some(later));
        let held = |now| -> Vec<bool> { meter.requests.entries.iter().map(|e| meter.is_held(e.born, now)).collect() };
        assert_eq!(held(later), [false, true]);
        assert_eq!(held(later + hold), [false, false]);
    }

    #[test]
    fn a_made_up_model_of_a_failed_request_is_no_label_value() {
        let mut meter = Meter::new(Config::default());
        let failed = Row { outcome: Outcome::Error(ErrorReason::Client), price_row: 0, cost: None, ..row(1) };
        meter.observe(&failed, &attributes(1, 1), &[], None);
        assert_eq!(meter.requests.entries[0].labels.0[3], UNKNOWN);
    }
}
