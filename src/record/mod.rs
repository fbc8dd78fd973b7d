//! The values that pass between the stages: what one log line says about one request, and one probe about a target.
//!
//! Plain data, no behaviour beyond arithmetic on itself. A [`Record`] borrows its text from the line it was read
//! from, so that reading a line allocates nothing in the common case. Nothing here does IO, reads a clock or fails.
//!
//! Reading order: [`Record`], [`Tokens`], [`Outcome`], [`money`] for what a request costs, then [`Attributes`] and
//! [`Row`], the form in which a request is kept; [`Observation`] is what a probe adds.

mod attributes;
mod content;
pub mod money;
mod outcome;
mod probe;
mod row;
mod tokens;

pub use attributes::Attributes;
pub use content::{Content, Said};
pub use money::{Assumed, Cost, Currency, Priced};
pub use outcome::{Anomalies, Anomaly, ErrorReason, Outcome, Reject, Skip};
pub use probe::{Failure, Observation, PROBE_PURPOSE, ProbeCost};
pub use row::Row;
pub use tokens::{CountingFamily, Logged, MAX_TOKENS, Tokens, Usage};

use std::borrow::Cow;

/// Microseconds since the Unix epoch, UTC. The log's time, never the time of reading.
pub type Micros = i64;

/// Whether the answer was streamed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// The log does not say.
    #[default]
    Unknown,
    /// One whole answer.
    Normal,
    /// A stream of chunks.
    Stream,
}

impl Mode {
    /// All modes, in the order of their stored codes.
    pub const ALL: [Mode; 3] = [Mode::Unknown, Mode::Normal, Mode::Stream];

    /// The name that users see; empty where unknown.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Mode::Unknown => "",
            Mode::Normal => "normal",
            Mode::Stream => "stream",
        }
    }
}

/// The provider's processing tier, which some price by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ServiceTier {
    /// The log does not say: priced as standard and marked as assumed where the price row knows other tiers.
    #[default]
    Unknown,
    /// The log says standard (`default`, `standard`, `auto`).
    Standard,
    /// Asynchronous batches.
    Batch,
    /// Slower and cheaper.
    Flex,
    /// Faster and dearer.
    Priority,
}

impl ServiceTier {
    /// All tiers, in the order of their stored codes.
    pub const ALL: [ServiceTier; 5] =
        [ServiceTier::Unknown, ServiceTier::Standard, ServiceTier::Batch, ServiceTier::Flex, ServiceTier::Priority];

    /// The name that users see; empty where unknown.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            ServiceTier::Unknown => "",
            ServiceTier::Standard => "standard",
            ServiceTier::Batch => "batch",
            ServiceTier::Flex => "flex",
            ServiceTier::Priority => "priority",
        }
    }
}

/// One request, as one log line tells it. Text is empty where the log has none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record<'a> {
    /// Start of the request.
    pub start: Micros,
    /// Start to end, in microseconds. `None` where the log has none or it was negative.
    pub duration: Option<i64>,
    /// Start to the first token, in microseconds; streams only.
    pub first_token: Option<i64>,
    /// The gateway's id of the request.
    pub request_id: Cow<'a, str>,
    /// The id of the provider's response.
    pub chat_id: Cow<'a, str>,
    /// The log's own session id, hostile text of any length.
    pub session_id: Cow<'a, str>,
    /// The gateway's own trace id, where the log names one that is a valid W3C trace id.
    pub trace_id: Option<[u8; 16]>,
    /// Route of the gateway.
    pub route: Cow<'a, str>,
    /// Provider as the log tells it, before aliases.
    pub provider: Cow<'a, str>,
    /// Model that answered, else the model that was asked for.
    pub model: Cow<'a, str>,
    /// The API key's owner or application, as the log names it.
    pub consumer: Cow<'a, str>,
    /// The end user, in plain text: never stored as it is.
    pub user: Cow<'a, str>,
    /// Upstream account or cluster.
    pub upstream: Cow<'a, str>,
    /// Streamed or not.
    pub mode: Mode,
    /// Tier of service.
    pub service_tier: ServiceTier,
    /// Number of user messages in the request.
    pub chat_round: Option<u32>,
    /// HTTP status sent to the client.
    pub status: Option<u16>,
    /// How the request ended.
    pub outcome: Outcome,
    /// What was counted, in disjoint kinds.
    pub usage: Usage,
    /// Bytes sent to the client.
    pub bytes_sent: Option<u64>,
    /// A cost that the gateway computed itself.
    pub logged_cost: Option<Cost>,
    /// Names of the tools that the answer calls, in order, one entry a call.
    pub tool_calls: Vec<Cow<'a, str>>,
    /// Values of the configured dimensions, in the order of the configuration.
    pub dimensions: Vec<Cow<'a, str>>,
    /// Client address, for joining requests without a session id. Never stored.
    pub client_address: Cow<'a, str>,
    /// Client's user agent, for joining requests without a session id. Never stored.
    pub user_agent: Cow<'a, str>,
    /// JSON text of the request's messages, where the log has them and no session id: they tell which conversation a
    /// request goes on with. Never stored.
    pub messages: Cow<'a, str>,
    /// What was said, where the source's content is captured.
    pub content: Option<Box<Content<'a>>>,
    /// What was odd about the line.
    pub anomalies: Anomalies,
}

impl Record<'_> {
    /// End of the request in microseconds: start plus duration, the start itself where no duration is known.
    #[must_use]
    pub fn end(&self) -> Micros {
        self.start.saturating_add(self.duration.unwrap_or(0))
    }
}

/// What a parser makes of one record of a line.
#[derive(Clone, Debug, PartialEq)]
pub enum Parsed<'a> {
    /// A request.
    Request(Box<Record<'a>>),
    /// A line that is fine but tells of no request.
    Skipped(Skip),
    /// A line that cannot be used.
    Rejected(Reject),
}
