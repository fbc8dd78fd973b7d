//! What keeps the server from starting, said with what to change.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::settings::Fault;

/// Why the server cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An address cannot be listened on.
    #[error("listen on {address}: {source}; {remedy}")]
    Listen {
        /// As configured.
        address: String,
        /// What the system says.
        source: io::Error,
        /// What to do about it.
        remedy: &'static str,
    },
    /// The settings cannot be used; never empty.
    #[error("use the web settings: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Settings(Vec<Problem>),
    /// A listener's task ended by itself, which is a defect.
    #[error("keep accepting connections on {address}: {reason}")]
    Stopped {
        /// The address, as bound.
        address: String,
        /// How the task ended.
        reason: String,
    },
}

/// One thing that is wrong with the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The web configuration file or a file that it names; `None` where our own configuration is to blame.
    pub file: Option<PathBuf>,
    /// Line in the file, from 1; 0 for none.
    pub line: usize,
    /// Dotted path of the key; empty for a whole file.
    pub key: String,
    /// What is wrong and what was expected.
    pub message: String,
}

impl Problem {
    pub(super) fn of_key(key: impl Into<String>, message: impl Into<String>) -> Problem {
        Problem { file: None, line: 0, key: key.into(), message: message.into() }
    }

    pub(super) fn of_file(file: impl Into<PathBuf>, fault: Fault) -> Problem {
        Problem { file: Some(file.into()), line: fault.line, key: fault.key, message: fault.message }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.file, self.line) {
            (None, _) => {}
            (Some(file), 0) => write!(f, "{}: ", file.display())?,
            (Some(file), line) => write!(f, "{}:{line}: ", file.display())?,
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)
    }
}
