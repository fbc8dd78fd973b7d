//! Requests and sessions become spans, and each span reaches its receiver at least once.
//!
//! ```text
//! RequestSpan / SessionSpan ─span─▶ SpanData ─Feed─▶ delivery ─export─▶ http or grpc ─▶ receiver
//!                                              ◀─commit──┘   ◀─Attempt─┘
//! ```
//!
//! A sink is a cursor over what is committed: [`delivery`] asks its [`Feed`] for the next spans, sends them, and commits
//! the position only when the receiver has them. So an outage is a cursor that waits; nothing is held in memory but one
//! batch, and nothing is dropped without being counted. Ids are not made here: they follow from the line, and whoever
//! feeds the sink hands them in.
//!
//! The packages of OpenTelemetry encode and send, one request for one call. What they would do by themselves is done
//! here instead: their batching drops what does not fit a queue, their retries give up, and their errors do not tell
//! what the receiver said.
//!
//! Reading order: [`Config`] and [`environment`], [`span`], [`Attempt`] and [`Exporter`], then [`delivery`].

mod config;
mod connect;
pub mod delivery;
pub mod environment;
mod export;
pub mod feed;
mod grpc;
mod http;
mod said;
pub mod span;
#[cfg(test)]
mod tests;

pub use config::{Compression, Config, EndpointError, From, HeaderError, Protocol, Tls, Trace, endpoint, header};
pub use delivery::{Batch, Counts, Feed};
pub use export::{Attempt, Error, Export, Exporter, Reason};
pub use span::{RequestSpan, SessionName, SessionSpan};
