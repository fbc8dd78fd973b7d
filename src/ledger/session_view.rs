//! What is asked of sessions and what is said of them: plain values for commands, API and pages.

use std::collections::{BTreeMap, BTreeSet};

use super::request_view::{Order, PageEnd, RequestFilter};
use crate::record::{Cost, Currency, Micros, Outcome, Tokens};
use crate::session::Key;

/// What a list of sessions is ordered by, the largest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// Latest end of a request.
    #[default]
    Updated,
    /// Cost in one currency.
    Cost,
    /// Input and output tokens.
    Tokens,
    /// Turns.
    Turns,
    /// Sum of the parts' durations.
    Duration,
    /// First start of a request.
    Start,
}

impl Sort {
    /// All orders.
    pub const ALL: [Sort; 6] = [Sort::Updated, Sort::Cost, Sort::Tokens, Sort::Turns, Sort::Duration, Sort::Start];

    /// The name that users see.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Sort::Updated => "updated",
            Sort::Cost => "cost",
            Sort::Tokens => "tokens",
            Sort::Turns => "turns",
            Sort::Duration => "duration",
            Sort::Start => "start",
        }
    }
}

/// Which sessions a page lists: those with a part that has time within the period and in it one request that fits all
/// attributes, and one of the users; and whose sums are enough.
#[derive(Clone, Debug, Default)]
pub struct SessionFilter {
    /// Period, attributes, users and names. Statuses, endings and least tokens and cost of single requests are not asked
    /// for of sessions.
    pub requests: RequestFilter,
    /// How the name begins.
    pub prefix: Option<String>,
    /// Least turns.
    pub min_turns: Option<u64>,
    /// Least sum of the parts' durations in microseconds.
    pub min_duration: Option<Micros>,
    /// Least tokens.
    pub min_tokens: Option<u64>,
    /// Least cost, in its currency.
    pub min_cost: Option<Cost>,
    /// Only with failed requests.
    pub errors: bool,
    /// Only with an open part.
    pub open: bool,
    /// The currency of [`Sort::Cost`]; that of `min_cost`, else the one in which most requests are priced, if not given.
    pub currency: Option<Currency>,
    /// Whether all that fit are to be counted, even where the page could be told without.
    pub counted: bool,
}

/// What a page of sessions is asked for.
#[derive(Clone, Debug, Default)]
pub struct SessionList {
    /// Which sessions.
    pub filter: SessionFilter,
    /// In which order; of equal ones the one whose name came up last is the larger.
    pub sort: Sort,
    /// Largest or smallest first.
    pub order: Order,
    /// At most so many.
    pub limit: usize,
    /// The end of the page before.
    pub after: Option<PageEnd>,
}

/// A page of sessions.
#[derive(Clone, Debug, Default)]
pub struct SessionPage {
    /// In the order that was asked for.
    pub sessions: Vec<Session>,
    /// How many fit in all; `None` where that was not counted.
    pub found: Option<u64>,
    /// Where the next page goes on; `None` on the last one.
    pub next: Option<PageEnd>,
    /// The currency of order and least cost, where either is asked for.
    pub currency: Option<Currency>,
}

/// A session: the sums of all its parts.
#[derive(Clone, Debug, Default)]
pub struct Session {
    /// Its key within this ledger.
    pub key: Key,
    /// Its name, as `sessions show` takes it.
    pub name: String,
    /// The log named none; it was found by comparing requests.
    pub derived: bool,
    /// Name of the gateway.
    pub gateway: String,
    /// Number of parts.
    pub parts: u64,
    /// First start of a request.
    pub start: Micros,
    /// Last end of a request.
    pub end: Micros,
    /// Sum of the parts' durations in microseconds: idle time between two parts is no use.
    pub duration: Micros,
    /// Its last part is not closed.
    pub open: bool,
    /// Requests.
    pub requests: u64,
    /// Turns.
    pub turns: u64,
    /// Requests that failed.
    pub errors: u64,
    /// Requests whose usage should have been logged and was not.
    pub usage_missing: u64,
    /// Requests that no price row fits.
    pub unpriced: u64,
    /// Tools called.
    pub tool_calls: u64,
    /// Tokens.
    pub tokens: Tokens,
    /// Cost by currency in nano-units.
    pub costs: BTreeMap<Currency, i128>,
    /// Consumers.
    pub consumers: BTreeSet<String>,
    /// Models.
    pub models: BTreeSet<String>,
    /// Names and values of dimensions.
    pub dimensions: BTreeSet<(String, String)>,
    /// There are more models, consumers or dimensions than these.
    pub more: bool,
    /// Pseudonym of the first user, empty where none is known.
    pub user: String,
    /// There were other users too.
    pub mixed_users: bool,
}

/// One request of a session.
#[derive(Clone, Debug)]
pub struct Turn {
    /// Number of the row.
    pub id: i64,
    /// Which part, counted from 1.
    pub part: usize,
    /// Start.
    pub start: Micros,
    /// Start to end in microseconds.
    pub duration: Option<i64>,
    /// Start to first token in microseconds.
    pub first_token: Option<i64>,
    /// `chat_round`, 0 where unknown.
    pub chat_round: u32,
    /// HTTP status, 0 where unknown.
    pub status: u16,
    /// How it ended.
    pub outcome: Outcome,
    /// Provider.
    pub provider: String,
    /// Model.
    pub model: String,
    /// Tokens.
    pub tokens: Tokens,
    /// Usage was logged: zeros are zeros.
    pub counted: bool,
    /// Cost in nano-units.
    pub cost: Option<(Currency, i64)>,
    /// No price row fits.
    pub unpriced: bool,
    /// Tools called, in order.
    pub tools: Vec<String>,
    /// The gateway's id of the request, empty for none.
    pub request_id: String,
    /// The gateway's own trace id.
    pub trace_id: Option<[u8; 16]>,
    /// Cost of the session up to and with this request.
    pub running: BTreeMap<Currency, i128>,
}

/// A session turn by turn.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The sums.
    pub session: Session,
    /// The last requests, ordered by start.
    pub turns: Vec<Turn>,
    /// Requests before these that were not asked for.
    pub left_out: u64,
    /// Requests of which retention has left nothing but their share of the sums.
    pub removed: u64,
}
