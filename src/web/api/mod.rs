//! The JSON API: questions about requests, sessions, use, cost, availability and the instance itself.
//!
//! Each resource has a file: a table of its endpoints with their parameters and the functions that answer, and beside it
//! the schemas of its answers. From these tables come the router, the checks of what is asked, the OpenAPI document and
//! the README's table; tests hold real answers against the schemas. In reading order: `endpoint` (a row), `parameter`
//! (names and allowed values), `asked` (a request becomes a checked question), `serve` (answered beside the server's
//! threads, a few at a time), `threads`, `stream` (files of any length), `problem`, `shape` (addresses, pages of lists), `openapi`, `instance` (what the daemon
//! provides), then the resources. Figures come from [`crate::report`] and [`crate::ledger`]; nothing is computed here.

mod asked;
mod consumers;
mod conversations;
mod cost;
mod endpoint;
mod exports;
mod filter;
mod instance;
mod openapi;
mod parameter;
mod prices;
mod problem;
mod requests;
mod serve;
mod sessions;
mod shape;
mod sla;
mod stats;
mod status;
mod stream;
#[cfg(test)]
mod tests;
mod threads;
mod usage;

pub(super) use endpoint::Endpoint;
pub use instance::{Instance, SourceStatus, Status};
pub use openapi::markdown;
pub(super) use serve::{Api, Caller};

/// A part of the API: its endpoints and the schemas of their answers.
struct Resource {
    endpoints: &'static [Endpoint],
    /// A JSON object of schemas by name.
    schemas: &'static str,
}

/// Every part, in the order of the documentation.
static RESOURCES: &[Resource] = &[
    Resource { endpoints: requests::ENDPOINTS, schemas: include_str!("requests.json") },
    Resource { endpoints: sessions::ENDPOINTS, schemas: include_str!("sessions.json") },
    Resource { endpoints: conversations::ENDPOINTS, schemas: include_str!("conversations.json") },
    Resource { endpoints: usage::ENDPOINTS, schemas: include_str!("usage.json") },
    Resource { endpoints: stats::ENDPOINTS, schemas: include_str!("stats.json") },
    Resource { endpoints: cost::ENDPOINTS, schemas: include_str!("cost.json") },
    Resource { endpoints: consumers::ENDPOINTS, schemas: include_str!("consumers.json") },
    Resource { endpoints: sla::ENDPOINTS, schemas: include_str!("sla.json") },
    Resource { endpoints: prices::ENDPOINTS, schemas: include_str!("prices.json") },
    Resource { endpoints: status::ENDPOINTS, schemas: include_str!("status.json") },
    Resource { endpoints: exports::ENDPOINTS, schemas: "{}" },
    Resource { endpoints: openapi::ENDPOINTS, schemas: openapi::SCHEMAS },
];

/// Every endpoint, in the order of the documentation.
pub(super) fn endpoints() -> impl Iterator<Item = &'static Endpoint> {
    RESOURCES.iter().flat_map(|resource| resource.endpoints)
}
