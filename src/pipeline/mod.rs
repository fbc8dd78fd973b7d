//! Lines become committed rows: tail → format → pricing → capture → batch → ledger.
//!
//! Reading, decoding and pricing run on one thread, the ledger's writer on another, with a bounded channel between. All
//! commands that count go through here: `run` and `demo` with a tail that follows, `ingest` with one that ends.

mod prices;
mod reader;

pub use prices::Prices;
pub use reader::{Feed, Lag, Reader, ReaderStatus, Stop, Wake};
