//! How a source's lines are read: its format, the user's own fields and dimensions.

use std::collections::BTreeMap;

/// A field of a record that a field map can fill.
macro_rules! fields {
    ($($variant:ident = $label:literal, $meaning:literal;)+) => {
        /// A field of a record that a field map can fill.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Field { $(#[doc = $meaning] $variant,)+ }
        impl Field {
            /// All fields, as the configuration names them.
            pub const ALL: &'static [Field] = &[$(Field::$variant,)+];
            /// Its key in the configuration.
            #[must_use]
            pub fn label(self) -> &'static str { match self { $(Field::$variant => $label,)+ } }
            /// One sentence for the documentation.
            #[must_use]
            pub fn meaning(self) -> &'static str { match self { $(Field::$variant => $meaning,)+ } }
        }
    };
}

fields! {
    Time = "time", "Start of the request.";
    EndTime = "end_time", "End of the request; gives the duration where none is logged.";
    Duration = "duration", "Start to end.";
    FirstToken = "first_token", "Start to the first token of a stream.";
    RequestId = "request_id", "The gateway's id of the request.";
    ChatId = "chat_id", "The id of the provider's response.";
    Session = "session", "The session's id.";
    TraceId = "trace_id", "The gateway's own trace id, 32 hexadecimal digits.";
    Route = "route", "Route of the gateway.";
    Provider = "provider", "Provider of the model.";
    Model = "model", "Model that answered.";
    Consumer = "consumer", "The API key's owner or application.";
    User = "user", "The end user.";
    Upstream = "upstream", "Upstream account or cluster.";
    Mode = "mode", "`stream` or `normal`, or a boolean that says whether it streamed.";
    ServiceTier = "service_tier", "`standard`, `batch`, `flex` or `priority`.";
    ChatRound = "chat_round", "Number of user messages in the request.";
    Status = "status", "HTTP status.";
    ResponseFlags = "response_flags", "Envoy's response flags.";
    BytesSent = "bytes_sent", "Bytes sent to the client.";
    InputTokens = "input_tokens", "Input tokens.";
    OutputTokens = "output_tokens", "Output tokens.";
    TotalTokens = "total_tokens", "All tokens.";
    CacheReadTokens = "cache_read_tokens", "Input tokens read from the provider's cache.";
    CacheWriteTokens = "cache_write_tokens", "Input tokens written to the cache, for 5 minutes or an unknown time.";
    CacheWrite1hTokens = "cache_write_1h_tokens", "Input tokens written to the cache for 1 hour.";
    ReasoningTokens = "reasoning_tokens", "Output tokens spent on reasoning.";
    Cost = "cost", "A cost that the gateway computed.";
    Currency = "currency", "Currency of that cost; USD where absent.";
    ClientAddress = "client_address", "Client address; joins requests without a session id, never stored.";
    UserAgent = "user_agent", "Client's user agent; joins requests without a session id, never stored.";
    Messages = "messages", "The request's messages, a JSON list; they join requests without a session id, and are stored only where content is captured.";
    System = "system", "Instructions of the application; read only where content is captured.";
    Question = "question", "The last question; read only where content is captured.";
    Answer = "answer", "What the model answered; read only where content is captured.";
    Reasoning = "reasoning", "What the model thought before; read only where content is captured.";
    ToolCalls = "tool_calls", "Tools that the answer calls, a JSON list; their arguments are stored only where content is captured.";
}

impl Field {
    /// Whether it holds something said, which no dimension may have.
    #[must_use]
    pub fn is_content(self) -> bool {
        matches!(
            self,
            Field::Messages | Field::System | Field::Question | Field::Answer | Field::Reasoning | Field::ToolCalls
        )
    }
}

/// Unit of a number in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Seconds (a time: since the epoch), fractions allowed.
    Seconds,
    /// Milliseconds.
    Milliseconds,
    /// Microseconds.
    Microseconds,
    /// Nanoseconds.
    Nanoseconds,
}

impl Unit {
    /// All units with the names that the configuration uses.
    pub const ALL: [(Unit, &'static str); 4] =
        [(Unit::Seconds, "s"), (Unit::Milliseconds, "ms"), (Unit::Microseconds, "us"), (Unit::Nanoseconds, "ns")];
}

/// Where a field's value is found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSource {
    /// Alternatives, the first present one wins. A path is tried as a literal key first (`gen_ai.response.model`), then
    /// as nested keys; a string that holds JSON is decoded on the way (`ai_log.model`).
    pub paths: Vec<String>,
    /// Unit of a bare number; without one a duration is in milliseconds and a time is told by its magnitude.
    /// Text such as `12ms` or `1.5s` names its own.
    pub unit: Option<Unit>,
}

/// What a dimension is taken from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DimensionSource {
    /// A value of the record.
    Field(Field),
    /// A field of the line, by path as in [`FieldSource::paths`].
    Path(String),
}

/// A named value of the user's own.
#[derive(Clone, Debug)]
pub struct Dimension {
    /// Its name.
    pub name: String,
    /// Where its value comes from.
    pub from: DimensionSource,
    /// Takes the first capture group, or the whole match where there is none; no match gives an empty value.
    pub regex: Option<regex::Regex>,
    /// Replaces the value; one that is not in the table becomes empty.
    pub lookup: Option<BTreeMap<String, String>>,
    /// Whether it is a metric label.
    pub label: bool,
}

/// How one source's lines are read.
#[derive(Clone, Debug)]
pub struct Config {
    /// A name of the format table, `auto` or `fields`.
    pub format: String,
    /// For times without a zone.
    pub timezone: jiff::tz::TimeZone,
    /// The user's own fields: they win over what the format reads, and are all there is for `fields`.
    pub fields: BTreeMap<Field, FieldSource>,
    /// The configured dimensions, in order, at most 16.
    pub dimensions: Vec<Dimension>,
    /// Whether what was said is read into [`crate::record::Record::content`].
    pub content: bool,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            format: "auto".to_owned(),
            timezone: jiff::tz::TimeZone::UTC,
            fields: BTreeMap::new(),
            dimensions: Vec::new(),
            content: false,
        }
    }
}
