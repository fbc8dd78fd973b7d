//! The web configuration file as it is now: read again when it, or a certificate that it names, has changed.
//!
//! A change that cannot be used keeps what was there before and is logged once. Knows nothing of requests.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio_rustls::rustls::ServerConfig;

use super::error::Problem;
use super::settings::Fault;
use super::tls;
use super::toolkit::{self, Client, Toolkit};
use crate::yaml::MAX_BYTES;

/// One reading of the file. A new one forgets which passwords were verified.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    pub(super) toolkit: Toolkit,
    pub(super) tls: Option<Arc<ServerConfig>>,
    /// User → keyed hash of what was verified last; bounded by the number of users.
    pub(super) verified: Mutex<HashMap<String, [u8; 32]>>,
}

impl Loaded {
    /// Whether nobody gets in unknown: by password, or by a certificate that every client must have.
    pub(super) fn authenticates(&self) -> bool {
        let required = self.toolkit.tls.as_ref().is_some_and(|tls| matches!(tls.client, Client::Required(_)));
        required || !self.toolkit.users.is_empty()
    }
}

/// Follows the file; asking costs one `stat` per file.
#[derive(Debug)]
pub(super) struct Live {
    file: Option<PathBuf>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    loaded: Arc<Loaded>,
    /// The files read, as they were just before they were read last, whether they could be used or not.
    stamps: Stamps,
}

/// Files with what they were when they were read; `None` where there was none.
type Stamps = Vec<(PathBuf, Option<Stamp>)>;

/// Tells two versions of a file apart: device, inode, size, modification and change in nanoseconds.
pub(crate) type Stamp = (u64, u64, u64, (i64, i64), (i64, i64));

impl Live {
    /// Reads the file for the first time; without a file there is nothing to follow.
    pub(super) fn open(file: Option<&Path>) -> Result<Live, Vec<Problem>> {
        let (stamps, loaded) = match file {
            None => (Vec::new(), Loaded::default()),
            Some(file) => {
                let (stamps, loaded) = read(file);
                (stamps, loaded?)
            }
        };
        let state = Mutex::new(State { loaded: Arc::new(loaded), stamps });
        Ok(Live { file: file.map(Path::to_owned), state })
    }

    /// What counts now.
    pub(super) fn current(&self) -> Arc<Loaded> {
        let mut state = self.state.lock();
        if let Some(file) = &self.file
            && state.stamps.iter().any(|(file, then)| stamp(file) != *then)
        {
            let (stamps, loaded) = read(file);
            state.stamps = stamps;
            match loaded {
                Ok(loaded) => {
                    tracing::info!(file = %file.display(), "the web configuration has changed");
                    state.loaded = Arc::new(loaded);
                }
                Err(problems) => {
                    for problem in problems {
                        tracing::error!("the changed web configuration cannot be used, the old one stays: {problem}");
                    }
                }
            }
        }
        Arc::clone(&state.loaded)
    }
}

/// What the file is now; `None` where there is none.
pub(crate) fn stamp(file: &Path) -> Option<Stamp> {
    let meta = std::fs::metadata(file).ok()?;
    let modified = (meta.mtime(), meta.mtime_nsec());
    Some((meta.dev(), meta.ino(), meta.size(), modified, (meta.ctime(), meta.ctime_nsec())))
}

/// Stamps are taken before a file is read: a change in between is found at the next look.
fn read(file: &Path) -> (Stamps, Result<Loaded, Vec<Problem>>) {
    let mut stamps = vec![(file.to_owned(), stamp(file))];
    let toolkit = match text(file).and_then(|text| {
        toolkit::parse(&text, file.parent().unwrap_or(Path::new("")))
            .map_err(|faults| faults.into_iter().map(|fault| Problem::of_file(file, fault)).collect())
    }) {
        Ok(toolkit) => toolkit,
        Err(problems) => return (stamps, Err(problems)),
    };
    let mut loaded = Loaded { toolkit, ..Loaded::default() };
    if let Some(section) = &loaded.toolkit.tls {
        let authority = match &section.client {
            Client::Any => None,
            Client::Verified(file) | Client::Required(file) => Some(file),
        };
        for named in [Some(&section.cert_file), Some(&section.key_file), authority].into_iter().flatten() {
            stamps.push((named.clone(), stamp(named)));
        }
        match tls::load(section) {
            Ok(tls) => loaded.tls = Some(tls),
            Err(message) => {
                let fault = Fault::new(0, "tls_server_config", message);
                return (stamps, Err(vec![Problem::of_file(file, fault)]));
            }
        }
    }
    (stamps, Ok(loaded))
}

fn text(file: &Path) -> Result<String, Vec<Problem>> {
    let fault = |message: String| vec![Problem::of_file(file, Fault::new(0, "", message))];
    let meta = std::fs::metadata(file).map_err(|error| fault(error.to_string()))?;
    if !meta.is_file() {
        return Err(fault("expected a file".to_owned()));
    }
    crate::file::read_text(file, MAX_BYTES).map_err(|error| fault(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "$2y$10$X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG";

    fn users(live: &Live) -> Vec<String> {
        live.current().toolkit.users.keys().cloned().collect()
    }

    #[test]
    fn a_changed_file_counts_at_once_and_a_bad_one_never() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("web.yml");
        std::fs::write(&file, format!("basic_auth_users:\n  alice: {HASH}\n")).expect("writable");
        let live = Live::open(Some(&file)).expect("valid");
        assert_eq!(users(&live), ["alice"]);
        std::fs::write(&file, format!("basic_auth_users:\n  alice: {HASH}\n  bob: {HASH}\n")).expect("writable");
        assert_eq!(users(&live), ["alice", "bob"]);
        std::fs::write(&file, "basic_auth_users:\n  carol: plain\n").expect("writable");
        assert_eq!(users(&live), ["alice", "bob"]);
        std::fs::remove_file(&file).expect("there");
        assert_eq!(users(&live), ["alice", "bob"]);
        std::fs::write(&file, format!("basic_auth_users:\n  dora: {HASH}\n")).expect("writable");
        assert_eq!(users(&live), ["dora"]);
    }

    #[test]
    fn a_certificate_that_changes_is_read_again_once_its_key_fits() {
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web/testdata");
        let folder = tempfile::tempdir().expect("a folder");
        let put = |from: &str, to: &str| {
            std::fs::copy(data.join(from), folder.path().join(to)).expect("writable");
        };
        put("server.pem", "cert.pem");
        put("server.key", "key.pem");
        let file = folder.path().join("web.yml");
        std::fs::write(&file, "tls_server_config: {cert_file: cert.pem, key_file: key.pem}\n").expect("writable");
        let live = Live::open(Some(&file)).expect("valid");
        let first = live.current();
        assert!(Arc::ptr_eq(&first, &live.current()), "nothing has changed");
        put("second.pem", "cert.pem");
        assert!(Arc::ptr_eq(&first, &live.current()), "the key does not fit yet");
        put("second.key", "key.pem");
        assert!(!Arc::ptr_eq(&first, &live.current()));
    }

    #[test]
    fn a_file_that_cannot_be_used_at_the_start_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("web.yml");
        let problem = |file: &Path| match Live::open(Some(file)) {
            Ok(_) => panic!("opened"),
            Err(problems) => problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
        };
        assert!(problem(&file).contains("web.yml: No such file"), "{}", problem(&file));
        assert!(problem(folder.path()).ends_with(": expected a file"));
        std::fs::write(&file, "tls_server_config: {cert_file: gone.pem, key_file: gone.key}\n").expect("writable");
        assert!(problem(&file).contains("web.yml: tls_server_config: "), "{}", problem(&file));
        assert!(problem(&file).contains("gone.pem: No such file"), "{}", problem(&file));
        std::fs::write(&file, "rate_limit: 1\n").expect("writable");
        assert!(problem(&file).contains("web.yml:1: rate_limit: not supported here"), "{}", problem(&file));
    }
}
