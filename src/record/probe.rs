//! What one probe of a target says about availability: when it was, and whether it failed.
//!
//! Phases, status codes and certificates are the prober's own; nothing here decides what an outage is.

use serde::ser::SerializeStruct as _;
use serde::{Deserialize, Serialize, Serializer};

use super::Micros;
use super::money::{Currency, format_nanos};
use super::outcome::reasons;

reasons! {
    /// Why a probe failed.
    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "lowercase")]
    Failure {
        Dns = "dns", "The name has no address, or the resolver did not answer.";
        Refused = "refused", "The target refused the connection.";
        Timeout = "timeout", "The probe took longer than its timeout.";
        Tls = "tls", "The TLS handshake failed, mostly for its certificate.";
        Status = "status", "The answer has a status that was not expected.";
        Body = "body", "The answer's body is not as expected.";
        Cut = "cut", "The connection ended before the answer was complete.";
        Other = "other", "Anything else, such as an unreachable network or an answer that is no HTTP.";
    }
}

/// One probe result of one target, as availability sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// Wall time at the probe's start.
    pub at: Micros,
    /// The target's interval when the probe started, in microseconds; above 0.
    pub interval: i64,
    /// Monotonic microseconds from the start of the target's previous probe to the start of this one. `None` for the
    /// first probe of a process, which has nothing to compare with.
    pub since_previous: Option<i64>,
    /// Why it failed; `None` where it succeeded.
    pub failure: Option<Failure>,
    /// Start to the first byte of the answer (of a chat to the first token, of TCP to the connection), in microseconds.
    /// `None` where no answer came.
    pub answer: Option<i64>,
}

/// What completions that were looks are accounted under; everything else is customers' use.
pub const PROBE_PURPOSE: &str = "probe";

/// What looks at one model used and cost: no part of what customers used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProbeCost {
    /// Provider by which they were priced; empty where none is known.
    pub provider: String,
    /// Model as the target's definition names it.
    pub model: String,
    /// `None` where no price row fits: unpriced.
    pub currency: Option<Currency>,
    /// Completions that were begun.
    pub looks: u64,
    /// Of those, how many the endpoint told no usage of.
    pub usage_missing: u64,
    /// Input tokens, cached ones included.
    pub input_tokens: u64,
    /// Output tokens, reasoning included.
    pub output_tokens: u64,
    /// Nano-units of the currency; 0 without one.
    pub nanos: i128,
}

impl Serialize for ProbeCost {
    /// With the purpose, and the cost as a decimal number in a text, absent where unpriced.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut shown = serializer.serialize_struct("ProbeCost", 9)?;
        shown.serialize_field("purpose", PROBE_PURPOSE)?;
        shown.serialize_field("provider", &self.provider)?;
        shown.serialize_field("model", &self.model)?;
        shown.serialize_field("looks", &self.looks)?;
        shown.serialize_field("usage_missing", &self.usage_missing)?;
        shown.serialize_field("input_tokens", &self.input_tokens)?;
        shown.serialize_field("output_tokens", &self.output_tokens)?;
        shown.serialize_field("currency", &self.currency.as_ref().map(Currency::as_str))?;
        shown.serialize_field("cost", &self.currency.map(|_| format_nanos(self.nanos)))?;
        shown.end()
    }
}
