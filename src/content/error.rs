//! Why captured conversations cannot be kept or read.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

/// Why captured conversations cannot be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The key file cannot be used.
    #[error("read the key of the content in {path}: {message}")]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// Why.
        message: String,
    },
    /// The content was encrypted under another key.
    #[error(
        "open {0}: its conversations are encrypted under another key; name their file in content.encryption_key_file, or move the database away"
    )]
    WrongKey(PathBuf),
    /// The content is encrypted, and no key is given.
    #[error(
        "open {0}: its conversations are encrypted; name the file of their key in content.encryption_key_file, or move the database away"
    )]
    NoKey(PathBuf),
    /// A body was changed on disk, or is no body.
    #[error("read a conversation: {0}")]
    Body(&'static str),
    /// Random numbers or memory of the compressor are not to be had.
    #[error("seal a conversation: {0}")]
    Seal(&'static str),
    /// A newer program wrote it.
    #[error("open {path}: it has version {found}, and this program knows {known}; use the newer tokentail")]
    Newer {
        /// Database.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// It is another program's database.
    #[error("open {0}: it is no database of captured conversations; move it away")]
    Foreign(PathBuf),
    /// It is damaged.
    #[error(
        "read {path}: it is damaged ({message}); restore a backup or move the file away: it is never replaced by itself"
    )]
    Corrupt {
        /// Database.
        path: PathBuf,
        /// What SQLite says.
        message: String,
    },
    /// The disk is full.
    #[error("write the content: the disk is full ({0})")]
    Full(String),
    /// The disk or the folder cannot be written now.
    #[error("write the content: {0}")]
    Unwritable(String),
    /// A file cannot be read.
    #[error("read {path}: {source}")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Anything else that SQLite says.
    #[error("use the content: {0}")]
    Database(String),
    /// A question took too long and was cut.
    #[error("answer from the content: it took too long and was cut; ask for less time or rarer words")]
    TooSlow,
    /// The text that says where a page goes on is none of this list.
    #[error("read the cursor: it is none of this list; begin with the first page")]
    Cursor,
    /// What is searched for holds no word.
    #[error("search for {0}: there is no letter or digit in it")]
    NoWord(String),
    /// More words are searched for than one search may have.
    #[error("search for more than {0} words: all of them would have to occur; leave some out or quote a phrase")]
    TooManyWords(usize),
    /// There is no index.
    #[error(
        "search the content: it is encrypted and has no index; accept a plain one with content.index_encrypted, or list without words"
    )]
    NoIndex,
}

impl Error {
    /// Whether the same step may succeed later without anybody changing the database.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, Error::Full(_) | Error::Unwritable(_))
    }

    /// Names the database that is damaged.
    pub(super) fn at(self, path: &Path) -> Error {
        match self {
            Error::Corrupt { message, .. } => Error::Corrupt { path: path.to_owned(), message },
            other => other,
        }
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Error {
        let message = error.to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::OperationInterrupted) => Error::TooSlow,
            Some(ErrorCode::DiskFull) => Error::Full(message),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Error::Corrupt { path: PathBuf::new(), message }
            }
            Some(
                ErrorCode::SystemIoFailure
                | ErrorCode::ReadOnly
                | ErrorCode::CannotOpen
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::PermissionDenied,
            ) => Error::Unwritable(message),
            _ => Error::Database(message),
        }
    }
}
