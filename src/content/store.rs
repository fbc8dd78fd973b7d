//! The writer's side of content.db: bodies come in before their rows, and go by age and by erasure.

use std::path::PathBuf;

use super::codec::Key;

/// Name of the database in the data directory.
pub const CONTENT_FILE: &str = "content.db";

/// How captured conversations are kept.
#[derive(Clone, Debug, Default)]
pub struct Keeping {
    /// The key under which bodies are encrypted; `None`: they are not.
    pub key: Option<Key>,
    /// Whether a search index is kept also where bodies are encrypted.
    pub index_encrypted: bool,
}

/// The database of captured conversations, opened for writing by the ledger that owns it.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
}

impl Store {
    /// Path of the database.
    #[must_use]
    pub fn path(&self) -> &std::path::Path {
        &self.path
    }
}
