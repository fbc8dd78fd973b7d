//! When a session's part ends, and how many are held open.

use std::time::Duration;

use crate::record::Micros;

/// The section `sessions` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// A request belongs to a part if it starts within this time of the part's latest end.
    pub idle_timeout: Duration,
    /// Most parts that are held open, and most derived sessions that are remembered; the one idle longest goes first.
    pub max_open: usize,
}

impl Default for Config {
    fn default() -> Self {
        Config { idle_timeout: Duration::from_secs(30 * 60), max_open: 50_000 }
    }
}

impl Config {
    /// The idle timeout in microseconds.
    pub(super) fn idle(&self) -> Micros {
        Micros::try_from(self.idle_timeout.as_micros()).unwrap_or(Micros::MAX)
    }
}
