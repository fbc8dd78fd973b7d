//! A committed request: numbers, and dictionary ids for text.

use super::{Anomalies, Assumed, Cost, Micros, Outcome, Tokens};

/// One row of the ledger. Ids are positions in the ledger's dictionaries, 0 where there is nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Row {
    /// Position in the ledger, counted from 1 in log order.
    pub id: i64,
    /// Start of the request.
    pub start: Micros,
    /// Start to end in microseconds.
    pub duration: Option<i64>,
    /// Start to first token in microseconds.
    pub first_token: Option<i64>,
    /// Id of its [`super::Attributes`].
    pub attributes: u32,
    /// Id of the user's pseudonym.
    pub user: u32,
    /// Id of the session's name.
    pub session: u32,
    /// Id of the list of tools called.
    pub tools: u32,
    /// Number of user messages in the request, 0 where unknown.
    pub chat_round: u32,
    /// The part of its session: the id of the part's first row. 0 where it belongs to no session.
    pub part: i64,
    /// The row before it in its part, 0 for the first.
    pub previous: i64,
    /// HTTP status, 0 where unknown.
    pub status: u16,
    /// How it ended.
    pub outcome: Outcome,
    /// Usage should have been logged and was not.
    pub usage_missing: bool,
    /// Usage was logged: `tokens` are counts, zeros included.
    pub counted: bool,
    /// Tokens in disjoint kinds.
    pub tokens: Tokens,
    /// What was odd.
    pub anomalies: Anomalies,
    /// What pricing assumed.
    pub assumed: Assumed,
    /// Counted, but no price row fits.
    pub unpriced: bool,
    /// The log told apart 5-minute and 1-hour cache writes.
    pub cache_ttl_known: bool,
    /// The cost that counts.
    pub cost: Option<Cost>,
    /// What cache reads saved, in nano-units of the cost's currency.
    pub savings_nanos: i64,
    /// A cost that the gateway logged.
    pub logged_cost: Option<Cost>,
    /// Id of the price row in force, 0 where none fits.
    pub price_row: u32,
    /// The first 128 bits of SHA-256 over the duplicate key.
    pub key: [u8; 16],
    /// The gateway's own trace id.
    pub trace_id: Option<[u8; 16]>,
}
