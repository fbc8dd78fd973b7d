//! Files on disk become whole logical lines, each exactly once.

mod config;

pub use config::{Follow, From, Source};
