//! Captured conversations: what was said becomes redacted, compressed, searchable and erasable text in a database of its own.
//!
//! ```text
//! Record::content ─redact─▶ ─delta: what this turn adds─▶ Exchange ─codec: zstd, seal─▶ body ─▶ content.db ─▶ index ─▶ search
//! ```
//!
//! Off unless configured: then nothing of what was said is read, kept or written anywhere. A *conversation* is what one
//! request asked and was answered; it is known by the number of the request's row in the ledger, whose ids of names it
//! shares. The reader redacts, compares and compresses; the ledger's writer stores the body just before the row, and removes
//! at its start what has no row, so that neither is without the other after a crash.
//!
//! [`Store`] is the writer's side and [`Reader`] what reads beside it. Text lies in partitions of which nothing is ever deleted: they
//! are written anew without what is to go, so that after an erasure no byte of it is left in pages, index or log.

mod capture;
mod captured;
mod codec;
mod config;
mod cut;
mod delta;
mod error;
mod exchange;
mod heard;
mod legible;
mod partition;
mod reader;
mod redact;
mod snippet;
mod store;
#[cfg(test)]
pub(crate) mod tests;
mod view;
mod words;

pub use capture::Capturer;
pub use captured::Captured;
pub use codec::{Codec, Key};
pub use config::{Capture, Config, OwnPattern, Pattern};
pub use error::Error;
pub use exchange::{Exchange, Message, ToolCall};
pub use reader::{MAX_CHAIN, MAX_THREAD, Reader};
pub use redact::Redactor;
pub use store::{CONTENT_FILE, Counts, Keeping, New, Selection, Store, truncate_log};
pub use view::{Conversation, Erasure, Filter, Fragment, Hit, Page, Scope, Shown};
