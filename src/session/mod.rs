//! Requests become sessions: which part of which session a row belongs to, what a part adds up to, and when it ends.
//!
//! ```text
//! Row ──▶ Sessions::assign ──▶ part and previous row, which the row keeps
//!           │ open parts, bounded          ┌─▶ stored parts (the ledger writes those that changed)
//!           └─▶ due ──▶ Closure, appended ─┴─▶ metrics, spans
//! no session id ──▶ Derived::join ──▶ the derived session's id, or none
//! ```
//!
//! A session is a gateway and a name ([`Key`]). Its requests fall into parts ([`Part`]) wherever nothing was asked for
//! the idle timeout, and at bounds of length. A part is a fold over its rows and knows the last of them, so that every
//! stored part says by itself which rows it holds: folding a row twice is impossible, whatever was written when.
//!
//! Reading order: [`Part`], [`Sessions`] (which part a row belongs to), [`Closure`] and `watermark` (when a part ends),
//! [`Derived`] with [`Messages`] (sessions of requests without an id), [`id`] (trace and span ids), [`usage`] (time of
//! use by day and hour). Pure: no IO, no clock; what is stored is handed in and out. Names are opaque: nothing here
//! reads meaning into a session id, and none is ever a path or a label.

mod closure;
mod config;
mod derive;
pub mod id;
mod open;
mod part;
mod prefix;
#[cfg(test)]
mod tests;
pub mod usage;
mod watermark;

pub use closure::{Closure, Reason};
pub use config::Config;
pub use derive::{Asked, Conversation, Derived, Group, Joined, LastMessages};
pub use id::{DerivedId, Name};
pub use open::{Placement, Sessions, Stored};
pub use part::{Costs, Key, MAX_ATTRIBUTES, MAX_SPAN, MAX_TURNS, Part};
pub use prefix::{MAX_MESSAGES, Messages};
pub use watermark::LATENESS;
