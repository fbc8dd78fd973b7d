//! What one probe of a target says about availability: when it was, and whether it failed.
//!
//! Phases, status codes and certificates are the prober's own; nothing here decides what an outage is.

use serde::{Deserialize, Serialize};

use super::Micros;
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
