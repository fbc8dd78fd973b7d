//! The one catalogue of metrics and the bounded store of their series.

mod config;

pub use config::Config;
