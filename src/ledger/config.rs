//! How long what is kept.

use std::time::Duration;

/// The section `retention` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// How long request rows are kept, by the start of the request. Rollups are kept for good.
    pub requests: Duration,
    /// How long captured conversations are kept, by the start of the request; never longer than its row.
    pub content: Duration,
    /// How long single probe results are kept. Outages and what availability is made of are kept for good.
    pub probe_results: Duration,
    /// Largest size of the ledger in bytes; the oldest rows go first. `None`: no bound.
    pub max_size: Option<u64>,
}

impl Default for Retention {
    fn default() -> Self {
        Retention {
            requests: Duration::from_secs(90 * 86_400),
            content: Duration::from_secs(7 * 86_400),
            probe_results: Duration::from_secs(400 * 86_400),
            max_size: None,
        }
    }
}
