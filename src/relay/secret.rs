//! Files with secrets become their present content: read again when they change.
//!
//! A change that cannot be used keeps what was there before and is logged once. The content itself is in no error and no
//! log line.

use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

use crate::web::{Stamp, stamp};

/// Longest secret in bytes.
const MAX: u64 = 4 << 10;

/// What a secret must be; the error says what was expected and nothing of what was found.
type Check = fn(&str) -> Result<(), &'static str>;

/// A file that is followed; asking costs one `stat`.
pub(super) struct Secret {
    file: PathBuf,
    check: Check,
    state: Mutex<(Option<Stamp>, String)>,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret").field("file", &self.file).finish_non_exhaustive()
    }
}

impl Secret {
    /// Reads the file for the first time.
    ///
    /// # Errors
    /// The file and what is wrong with it.
    pub(super) fn open(file: &Path, check: Check) -> Result<Secret, String> {
        // Stamped before it is read: a change in between is found at the next look.
        let stamp = stamp(file);
        let text = read(file, check)?;
        Ok(Secret { file: file.to_owned(), check, state: Mutex::new((stamp, text)) })
    }

    /// What the file holds now, without white space around it.
    pub(super) fn current(&self) -> String {
        let mut state = self.state.lock();
        let now = stamp(&self.file);
        if now != state.0 {
            state.0 = now;
            match read(&self.file, self.check) {
                Ok(text) => {
                    tracing::info!(file = %self.file.display(), "a secret has changed");
                    state.1 = text;
                }
                Err(error) => tracing::error!("a changed secret cannot be used, the old one stays: {error}"),
            }
        }
        state.1.clone()
    }
}

fn read(file: &Path, check: Check) -> Result<String, String> {
    let named = |error: &dyn fmt::Display| format!("{}: {error}", file.display());
    let mut text = String::new();
    let opened = std::fs::File::open(file).map_err(|error| named(&error))?;
    opened.take(MAX + 1).read_to_string(&mut text).map_err(|error| named(&error))?;
    let text = text.trim();
    if text.len() as u64 > MAX {
        return Err(named(&"expected at most 4 KiB"));
    }
    check(text).map_err(|error| named(&error))?;
    Ok(text.to_owned())
}

/// The check of a word, such as a token: not empty, in one piece.
pub(super) fn word(text: &str) -> Result<(), &'static str> {
    match text {
        "" => Err("expected a secret, found an empty file"),
        _ if text.contains(|c: char| c.is_whitespace() || c.is_control()) => {
            Err("expected a secret without spaces and line ends in it")
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_secret_counts_at_once_and_a_bad_one_never() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("token");
        let put = |text: &str| std::fs::write(&file, text).expect("writable");
        assert!(Secret::open(&file, word).expect_err("missing").contains("token: No such file"));
        for (bad, want) in
            [(" \n", "found an empty file"), ("a b", "without spaces"), (&"x".repeat(5_000), "at most 4 KiB")]
        {
            put(bad);
            let error = Secret::open(&file, word).expect_err("bad");
            assert!(error.contains(want), "{error}");
        }
        put("first\n");
        let secret = Secret::open(&file, word).expect("good");
        assert_eq!(secret.current(), "first");
        put("second-one\n");
        assert_eq!(secret.current(), "second-one");
        put("");
        assert_eq!(secret.current(), "second-one");
        std::fs::remove_file(&file).expect("there");
        assert_eq!(secret.current(), "second-one");
        put("third");
        assert_eq!(secret.current(), "third");
        assert!(!format!("{secret:?}").contains("third"));
    }
}
