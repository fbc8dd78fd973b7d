//! HTTP: the paths, who may use them, and the web page.
//!
//! Requests become answers that the daemon provides through [`App`]. [`bind`] opens the listeners and checks every
//! setting, [`serve`] runs until it is told to stop. In reading order: `server` (listeners and connections), `route`
//! (the table of paths), [`api`] (questions in JSON), `access` and `rules` (who may what), `credential`, `live`, `toolkit`, `settings` and `tls` (the
//! web configuration file), `page` (the web page), `reply`, `paced`. Only the API knows the ledger, by its queries.

mod access;
pub mod api;
mod config;
mod credential;
mod error;
mod live;
mod paced;
mod page;
#[cfg(test)]
mod patience_tests;
pub(crate) mod reply;
mod route;
mod rules;
mod server;
mod settings;
mod tls;
mod toolkit;

pub use access::Access;
pub use config::{Config, Role, TRACE_ID};
pub use error::{Error, Problem};
pub(crate) use live::{Stamp, stamp};
pub use route::{ROUTES, Route};
pub use server::{Bound, bind, check, serve, serve_router};

use crate::content::{Erasure, Scope};
use crate::record::Micros;

/// What the daemon provides. Every function runs beside the server's own threads and may block for a while.
pub trait App: Send + Sync + 'static {
    /// The metrics as an OpenMetrics 1.0 page.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] while the page would mislead, such as before history is read; the scrape gets 503.
    fn metrics(&self) -> Result<String, Unavailable>;

    /// Whether the ledger can commit.
    ///
    /// # Errors
    ///
    /// The reason why it cannot, for people; anybody may read it.
    fn ready(&self) -> Result<(), String>;

    /// Reads the configuration again and says what came of it.
    ///
    /// # Errors
    ///
    /// Why the old configuration stays.
    fn reload(&self) -> Result<String, String>;

    /// What the API answers with.
    fn instance(&self) -> api::Instance;

    /// What the sidecar itself is doing.
    fn status(&self) -> api::Status;

    /// Removes requests that start before a moment, by whole blocks, and writes down who asked. Returns how many are gone, and
    /// how many older ones stay because their block holds younger ones.
    ///
    /// # Errors
    ///
    /// Why they cannot be removed, for people.
    fn delete_before(&self, before: Micros, by: &str) -> Result<(u64, u64), String>;

    /// Erases captured conversations and the names that lead to them, and writes down who asked.
    ///
    /// # Errors
    ///
    /// Why they cannot be erased, for people.
    fn erase(&self, scope: Scope, by: &str) -> Result<Erasure, String>;

    /// Adds a note to an outage of a target, told by its number; whether there is such an outage.
    ///
    /// # Errors
    ///
    /// Why it cannot be written, for people.
    fn note(&self, target: &str, outage: u64, text: &str) -> Result<bool, String>;
}

/// Why there is no page of metrics yet, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unavailable(pub String);
