//! Files on disk become whole logical lines, each exactly once.

mod config;
mod discovery;
mod identity;
mod lines;
mod name;
mod wrapper;

pub use config::{Follow, From, Source};
pub use identity::{Mark, Position};
pub use lines::Lines;

/// Receives what the tail reads.
pub trait Sink {
    /// A whole logical line of the source with this index, without its line end; may be empty or invalid UTF-8.
    fn line(&mut self, source: usize, line: &[u8]);
    /// A logical line of `bytes` bytes was skipped because it is longer than the source allows.
    fn too_long(&mut self, source: usize, bytes: u64);
}
