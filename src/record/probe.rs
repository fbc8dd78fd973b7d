//! Why a probe failed: a closed list.

/// Why a probe failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Failure {
    /// The name has no address, or the resolver did not answer.
    Dns,
    /// The target refused the connection.
    Refused,
    /// The probe took longer than its timeout.
    Timeout,
    /// The TLS handshake failed, mostly for its certificate.
    Tls,
    /// The answer has a status that was not expected.
    Status,
    /// The answer's body is not as expected.
    Body,
    /// The connection ended before the answer was complete.
    Cut,
    /// Anything else, such as an unreachable network or an answer that is no HTTP.
    Other,
}

impl Failure {
    /// The whole list, in the order of the stored codes: append only.
    pub const ALL: &'static [Failure] = &[
        Failure::Dns,
        Failure::Refused,
        Failure::Timeout,
        Failure::Tls,
        Failure::Status,
        Failure::Body,
        Failure::Cut,
        Failure::Other,
    ];

    /// The label value that users see.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Failure::Dns => "dns",
            Failure::Refused => "refused",
            Failure::Timeout => "timeout",
            Failure::Tls => "tls",
            Failure::Status => "status",
            Failure::Body => "body",
            Failure::Cut => "cut",
            Failure::Other => "other",
        }
    }
}
