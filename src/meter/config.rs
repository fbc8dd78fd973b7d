//! Bounds of the exposition.

use std::collections::BTreeMap;
use std::time::Duration;

/// The section `metrics` of the configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Whether `consumer` is a label; without it the label is always empty.
    pub consumer_label: bool,
    /// Dimensions that are labels of the request metrics, in order.
    pub dimension_labels: Vec<String>,
    /// Most lines of one exposition, 1,000 to 10,000,000. It holds for series that are new: to fold those that were shown
    /// already would look like a jump of `other`.
    pub max_lines: usize,
    /// How long a new series stays at 0.
    pub new_series_hold: Duration,
    /// Histogram name without prefix → ascending upper bounds in the histogram's own unit; else the catalogue's.
    pub buckets: BTreeMap<String, Vec<f64>>,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            consumer_label: true,
            dimension_labels: Vec::new(),
            max_lines: 50_000,
            new_series_hold: Duration::ZERO,
            buckets: BTreeMap::new(),
        }
    }
}
