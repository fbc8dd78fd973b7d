//! Committed rows become series, within bounds.
//!
//! Each kind of label set has one map; a row touches at most a handful of entries. Label values are admitted in the
//! order in which they are first seen, which is the ledger's order, so a replay admits the same ones.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use super::Config;
use super::catalogue::{Id, REQUEST_LABELS};
use super::histogram::{Bounds, COMMIT_SECONDS, REQUEST_SECONDS, SESSION_SECONDS, SESSION_TURNS, TOKEN_SECONDS};
use super::probe::TargetSeries;
use super::series::{
    Dirty, Family, ModelLabels, ModelSeries, OwnSeries, PairLabels, PriceSeries, RequestLabels, RequestSeries,
    StoredBounds, TripleLabels,
};
use super::session::Sessions;
use crate::record::{Anomaly, Attributes, Outcome, Row};

/// Most values of a label.
pub(super) const MAX_VALUES: usize = 200;
/// Most values of the label `tool`.
const MAX_TOOLS: usize = 100;
/// The value that stands for all that was not admitted.
pub(super) const OTHER: &str = "other";
/// The model of requests that neither succeeded nor have a price: anybody can make such names up.
pub(super) const UNKNOWN: &str = "unknown";
/// Lines that a new request series takes at least: one code, five token counters, one cost.
const REQUEST_LINES: usize = 7;
/// Lines of the page that are no series of requests: help and types, the program's own metrics, some ten sources.
const OTHER_LINES: usize = 450;
/// Attribute sets whose series are remembered; beyond, the memory is emptied and filled anew.
const MAX_HANDLES: usize = 16_384;

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
    pub(super) sessions: Sessions,
    pub(super) probe_bounds: Bounds,
    /// As committed; only targets that are looked at.
    pub(super) targets: BTreeMap<String, TargetSeries>,
    /// As of the last fold that was written.
    pub(super) own: OwnSeries,
    pub(super) own_pending: OwnSeries,
    own_dirty: bool,
    values: BTreeMap<String, BTreeSet<String>>,
    /// Stored series that a change of labels has merged into others: to be removed from disk.
    removed: Vec<Dirty>,
    handles: HashMap<(u32, bool), Handles, RandomState>,
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
            probe_bounds: bounds(Id::ProbeDuration, &REQUEST_SECONDS),
            targets: BTreeMap::new(),
            sessions: Sessions::new(
                bounds(Id::SessionDuration, &SESSION_SECONDS),
                bounds(Id::SessionTurns, &SESSION_TURNS),
            ),
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
            handles: HashMap::default(),
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
            "session" | "session_seconds" => self.sessions.restore(stored)?,
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
        self.sessions.rebucket(&stored.session_duration, &stored.session_turns);
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
        for entry in &self.sessions.seconds.entries {
            let [_, consumer] = &entry.labels;
            admit_value(&mut self.values, "consumer", consumer);
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

    /// Folds one committed row. `tools` are the names of the tools called, `exemplar` the trace that it is sent in; `now` is the time of a new series' birth,
    /// `None` while rows are replayed at start.
    pub fn observe(
        &mut self,
        row: &Row,
        attributes: &Attributes,
        tools: &[String],
        exemplar: Option<[u8; 16]>,
        now: Option<Instant>,
    ) {
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
        self.observe_model(row, handles.model, exemplar);
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

    fn observe_model(&mut self, row: &Row, at: usize, exemplar: Option<[u8; 16]>) {
        let Some(series) = self.models.change(at) else { return };
        if row.usage_missing {
            series.usage_missing += 1;
        }
        if row.outcome != Outcome::Success {
            return;
        }
        let exemplar = exemplar.map(|trace_id| (trace_id, row.start.saturating_add(row.duration.unwrap_or(0))));
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

    pub(super) fn fold(&mut self, id: Id) {
        *self.own_pending.folded.entry(id.metric().short_name().to_owned()).or_default() += 1;
        self.own_dirty = true;
    }

    /// The value itself while the label has room, else `other`. Empty values need no room.
    pub(super) fn admit(&mut self, label: &str, value: &str, bound: usize) -> String {
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

    /// Whether another series of requests would go beyond the bound of the page.
    pub(super) fn is_full(&self) -> bool {
        self.lines() + REQUEST_LINES + OTHER_LINES > self.config.max_lines
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
        let full = self.is_full();
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

    /// Observations under `other`, by metric. Shown at once: rows that are folded again after a crash count them again.
    pub(super) fn folded(&self) -> &BTreeMap<String, u64> {
        &self.own_pending.folded
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
        self.sessions.take_dirty(&mut dirty);
        if std::mem::take(&mut self.own_dirty) {
            let value = serde_json::to_string(&self.own_pending).unwrap_or_default();
            dirty.push(Dirty { family: OWN.to_owned(), labels: "[]".to_owned(), value });
            let bounds = StoredBounds {
                duration: self.duration_bounds.seconds().to_vec(),
                first_token: self.first_token_bounds.seconds().to_vec(),
                per_token: self.per_token_bounds.seconds().to_vec(),
                commits: self.commit_bounds.seconds().to_vec(),
                session_duration: self.sessions.duration_bounds.seconds().to_vec(),
                session_turns: self.sessions.turn_bounds.seconds().to_vec(),
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
                "session" | "session_seconds" => self.sessions.mark(series),
                _ => self.own_dirty = true,
            }
        }
    }

    /// Requests and cost over all series, exact.
    #[cfg(test)]
    pub(crate) fn counted(&self) -> (u64, std::collections::BTreeMap<crate::record::Currency, i128>) {
        let (mut requests, mut costs) = (0, std::collections::BTreeMap::new());
        for RequestSeries { codes, cost, .. } in self.requests.entries.iter().map(|entry| &entry.value) {
            requests += codes.values().sum::<u64>();
            cost.0.iter().for_each(|(currency, nanos)| *costs.entry(*currency).or_default() += nanos);
        }
        (requests, costs)
    }

    /// Lines of the exposition that the series take.
    #[must_use]
    pub fn lines(&self) -> usize {
        self.lines + self.sessions.lines() + self.target_lines()
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
