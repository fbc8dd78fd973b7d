//! What a record costs, with the answer for each pair of provider and model kept.

use std::sync::Arc;

use foldhash::quality::RandomState;
use hashbrown::{Equivalent, HashMap};

use crate::ledger::Repricing;
use crate::pricing::{CostMode, Matched, Request, Table, choose};
use crate::record::{Attributes, Cost, Micros, Priced, Record, Row};

/// Pairs that are remembered; beyond, the memory starts anew.
const MAX_PAIRS: usize = 8_192;

/// The price table in force, with the ledger's ids of its rows.
#[derive(Debug)]
pub struct Prices {
    table: Arc<Table>,
    /// By index of the row in the table.
    ids: Arc<[u32]>,
    mode: CostMode,
    /// Pairs of provider and model to their place in `known`.
    places: HashMap<(Box<str>, Box<str>), usize, RandomState>,
    known: Vec<Known>,
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
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RecordPrice<'a> {
    /// Provider after aliases, as it is kept.
    pub(super) provider: &'a str,
    pub(super) repricing: Repricing,
}

impl Prices {
    /// Prices by a table whose rows the ledger keeps under `ids`.
    #[must_use]
    pub fn new(table: Arc<Table>, ids: Vec<u32>, mode: CostMode) -> Prices {
        Prices { table, ids: ids.into(), mode, places: HashMap::default(), known: Vec::new() }
    }

    pub(super) fn price(&mut self, record: &Record<'_>) -> RecordPrice<'_> {
        let place = self.place(&record.provider, &record.model);
        let Some(known) = self.known.get(place) else { return RecordPrice::default() };
        RecordPrice {
            provider: &known.provider,
            repricing: self.cost(known, record.start, Request::of(record), record.logged_cost),
        }
    }

    /// What a stored row costs by this table.
    pub fn reprice(&mut self, row: &Row, attributes: &Attributes) -> Repricing {
        let place = self.place(&attributes.provider, &attributes.model);
        let Some(known) = self.known.get(place) else { return Repricing::default() };
        let request = row.counted.then_some(Request {
            start: row.start,
            service_tier: attributes.service_tier,
            tokens: row.tokens,
            cache_ttl_known: row.cache_ttl_known,
        });
        self.cost(known, row.start, request, row.logged_cost)
    }

    /// Place of what is known of a pair, which is looked up in the table where it is new.
    fn place(&mut self, provider: &str, model: &str) -> usize {
        if let Some(place) = self.places.get(&Pair(provider, model)) {
            return *place;
        }
        if self.known.len() >= MAX_PAIRS {
            self.places.clear();
            self.known.clear();
        }
        let place = self.known.len();
        self.known
            .push(Known { provider: self.table.provider(provider).into(), matched: self.table.find(provider, model) });
        self.places.insert((provider.into(), model.into()), place);
        place
    }

    /// The one way from tokens to the cost that counts. `request` is `None` where nothing was counted.
    fn cost(&self, known: &Known, start: Micros, request: Option<Request>, logged: Option<Cost>) -> Repricing {
        let priced = match request {
            Some(request) => self.table.price(&known.matched, &request),
            // A known model tells a real request from made-up names even where nothing was counted.
            None => Priced { row: known.matched.row_at(start), ..Priced::default() },
        };
        let price_row = priced.row.and_then(|row| self.ids.get(usize::try_from(row).ok()?).copied()).unwrap_or(0);
        Repricing { priced, cost: choose(self.mode, priced.cost, logged), price_row }
    }
}
