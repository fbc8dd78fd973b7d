//! What a record costs, with the answer for each pair of provider and model kept.

use std::sync::Arc;

use foldhash::quality::RandomState;
use hashbrown::{Equivalent, HashMap};

use crate::pricing::{CostMode, Matched, Request, Table, choose};
use crate::record::{Cost, Priced, Record};

/// Pairs that are remembered; beyond, the memory starts anew.
const MAX_PAIRS: usize = 8_192;

/// The price table in force, with the ledger's ids of its rows.
#[derive(Debug)]
pub struct Prices {
    table: Arc<Table>,
    /// By index of the row in the table.
    ids: Arc<[u32]>,
    mode: CostMode,
    known: HashMap<(Box<str>, Box<str>), Known, RandomState>,
}

/// What is remembered of a provider and a model.
#[derive(Debug)]
struct Known {
    provider: Box<str>,
    matched: Matched,
}

/// A borrowed pair of provider and model.
#[derive(Hash)]
struct Pair<'a>(&'a str, &'a str);

impl Equivalent<(Box<str>, Box<str>)> for Pair<'_> {
    fn equivalent(&self, key: &(Box<str>, Box<str>)) -> bool {
        *self.0 == *key.0 && *self.1 == *key.1
    }
}

/// A record's price, ready for its row.
#[derive(Clone, Copy, Debug)]
pub(super) struct RecordPrice<'a> {
    /// Provider after aliases, as it is kept.
    pub(super) provider: &'a str,
    pub(super) priced: Priced,
    pub(super) cost: Option<Cost>,
    pub(super) price_row: u32,
}

impl Prices {
    /// Prices by a table whose rows the ledger keeps under `ids`.
    #[must_use]
    pub fn new(table: Arc<Table>, ids: Vec<u32>, mode: CostMode) -> Prices {
        Prices { table, ids: ids.into(), mode, known: HashMap::default() }
    }

    pub(super) fn price(&mut self, record: &Record<'_>) -> RecordPrice<'_> {
        let pair = Pair(&record.provider, &record.model);
        if !self.known.contains_key(&pair) {
            if self.known.len() >= MAX_PAIRS {
                self.known.clear();
            }
            let known = Known {
                provider: self.table.provider(&record.provider).into(),
                matched: self.table.find(&record.provider, &record.model),
            };
            self.known.insert((pair.0.into(), pair.1.into()), known);
        }
        let Some(known) = self.known.get(&pair) else {
            return RecordPrice { provider: "", priced: Priced::default(), cost: None, price_row: 0 };
        };
        let priced = match Request::of(record) {
            Some(request) => self.table.price(&known.matched, &request),
            // A known model tells a real request from made-up names even where nothing was counted.
            None => Priced { row: known.matched.row_at(record.start), ..Priced::default() },
        };
        let price_row = priced.row.and_then(|row| self.ids.get(usize::try_from(row).ok()?).copied()).unwrap_or(0);
        let cost = choose(self.mode, priced.cost, record.logged_cost);
        RecordPrice { provider: &known.provider, priced, cost, price_row }
    }
}
