//! What was committed since the ledger was opened: the summary of `ingest`.

use std::collections::BTreeMap;

use crate::record::{Currency, Row};

/// Sums over committed rows.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Requests.
    pub requests: u64,
    /// Repetitions that were not counted again.
    pub duplicates: u64,
    /// Input tokens, cache reads and writes included.
    pub input: u64,
    /// Output tokens, reasoning included.
    pub output: u64,
    /// Cache reads.
    pub cache_read: u64,
    /// Cache writes.
    pub cache_write: u64,
    /// Reasoning.
    pub reasoning: u64,
    /// Cost per currency in nano-units.
    pub cost: BTreeMap<Currency, i128>,
    /// Requests that nobody prices.
    pub unpriced_requests: u64,
    /// Requests whose usage is missing.
    pub usage_missing_requests: u64,
    /// Failed requests by reason.
    pub errors: BTreeMap<&'static str, u64>,
    /// One bit per session name, for each gateway that names some.
    sessions: BTreeMap<u32, Vec<u64>>,
}

impl Tally {
    /// Adds a committed row. `gateway` is the id of its gateway's name: two gateways never share a session.
    pub(super) fn observe(&mut self, row: &Row, gateway: u32) {
        self.requests += 1;
        self.input += row.tokens.input();
        self.output += row.tokens.output();
        self.cache_read += row.tokens.cache_read;
        self.cache_write += row.tokens.cache_write();
        self.reasoning += row.tokens.reasoning;
        if let Some(cost) = row.cost {
            *self.cost.entry(cost.currency).or_default() += i128::from(cost.nanos);
        }
        self.unpriced_requests += u64::from(row.unpriced);
        self.usage_missing_requests += u64::from(row.usage_missing);
        if let Some(reason) = row.outcome.error() {
            *self.errors.entry(reason.label()).or_default() += 1;
        }
        if row.session != 0 {
            let (word, bit) = (row.session as usize / 64, row.session % 64);
            let sessions = self.sessions.entry(gateway).or_default();
            if sessions.len() <= word {
                sessions.resize(word + 1, 0);
            }
            if let Some(word) = sessions.get_mut(word) {
                *word |= 1 << bit;
            }
        }
    }

    /// Distinct sessions of the rows, derived ones included.
    #[must_use]
    pub fn sessions(&self) -> u64 {
        self.sessions.values().flatten().map(|word| u64::from(word.count_ones())).sum()
    }
}
