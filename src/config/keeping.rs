//! The key `data_dir` and the sections `retention` and `privacy`: what is kept, where, how long and how veiled.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::problem::Report;
use super::reader::Item;
use crate::ledger::Retention;
use crate::session;

/// Keys of `retention`.
pub(super) const RETENTION_KEYS: &[&str] = &["requests", "content", "probe_results", "max_size"];

/// Keys of `sessions`.
pub(super) const SESSION_KEYS: &[&str] = &["idle_timeout", "max_open"];

/// Keys of `privacy`.
pub(super) const PRIVACY_KEYS: &[&str] = &["key_file", "session_ids"];

/// Range of `retention.requests` and `retention.probe_results`.
const ROWS: (Duration, Duration) = (Duration::from_secs(86_400), Duration::from_secs(36_500 * 86_400));

/// Range of `retention.content`.
const CONTENT: (Duration, Duration) = (Duration::from_secs(3_600), ROWS.1);

/// Range of `sessions.idle_timeout`: a part of a session is cut after a day.
const IDLE_TIMEOUT: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(86_400));

/// Range of `sessions.max_open`: each takes about half a kilobyte of memory.
const MAX_OPEN: (u64, u64) = (100, 1_000_000);

/// Range of `retention.max_size`: an empty ledger with its journal needs a few MiB.
const MAX_SIZE: (u64, u64) = (16 << 20, 1 << 50);

/// Where everything is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DataDir {
    /// Not configured: the folder `data` in the working directory.
    #[default]
    Default,
    /// This folder.
    Path(PathBuf),
    /// Nowhere: counters live in memory.
    None,
}

impl DataDir {
    /// The folder, absolute or relative to the working directory; `None` where nothing is kept.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            DataDir::Default => Some(Path::new("data")),
            DataDir::Path(path) => Some(path),
            DataDir::None => None,
        }
    }

    /// Reads a folder or `none`, relative to `folder`.
    pub(super) fn parse(text: &str, folder: &Path) -> DataDir {
        if text == "none" { DataDir::None } else { DataDir::Path(folder.join(text)) }
    }
}

/// How session ids are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SessionIds {
    /// As the log has them.
    #[default]
    Raw,
    /// As pseudonyms under the key.
    Hashed,
}

impl SessionIds {
    /// All modes with the names that the configuration uses.
    pub const ALL: [(SessionIds, &'static str); 2] = [(SessionIds::Raw, "raw"), (SessionIds::Hashed, "hashed")];
}

/// The section `privacy` of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Privacy {
    /// File of the key for pseudonyms; `None`: one in the data directory.
    pub key_file: Option<PathBuf>,
    /// How session ids are stored.
    pub session_ids: SessionIds,
}

/// Reads `data_dir`.
pub(super) fn read_data_dir(item: &Item<'_>, folder: &Path, report: &mut Report) -> Option<DataDir> {
    // `null` is not taken for the default: it could as well be meant as `none`.
    item.text(report, "none").map(|text| DataDir::parse(text, folder))
}

/// Reads `retention`.
pub(super) fn read_retention(item: &Item<'_>, report: &mut Report) -> Retention {
    let section = item.section(report, RETENTION_KEYS, &[], "{requests: 90d}");
    let mut retention = Retention::default();
    section
        .fill(report, "requests", &mut retention.requests, |item, report| item.duration(report, ROWS.0, ROWS.1, "90d"));
    section.fill(report, "content", &mut retention.content, |item, report| {
        item.duration(report, CONTENT.0, CONTENT.1, "7d")
    });
    section.fill(report, "probe_results", &mut retention.probe_results, |item, report| {
        item.duration(report, ROWS.0, ROWS.1, "400d")
    });
    retention.max_size =
        section.optional("max_size").and_then(|item| item.size(report, MAX_SIZE.0, MAX_SIZE.1, "10GiB"));
    retention
}

/// Reads `sessions`.
pub(super) fn read_sessions(item: &Item<'_>, report: &mut Report) -> session::Config {
    let section = item.section(report, SESSION_KEYS, &[], "{idle_timeout: 30m}");
    let mut sessions = session::Config::default();
    section.fill(report, "idle_timeout", &mut sessions.idle_timeout, |item, report| {
        item.duration(report, IDLE_TIMEOUT.0, IDLE_TIMEOUT.1, "30m")
    });
    section.fill(report, "max_open", &mut sessions.max_open, |item, report| {
        item.integer(report, MAX_OPEN.0, MAX_OPEN.1).and_then(|open| usize::try_from(open).ok())
    });
    sessions
}

/// Reads `privacy`.
pub(super) fn read_privacy(item: &Item<'_>, folder: &Path, report: &mut Report) -> Privacy {
    let section = item.section(report, PRIVACY_KEYS, &[], "{session_ids: raw}");
    let mut privacy = Privacy {
        key_file: section.optional("key_file").and_then(|item| item.file(report, folder, "privacy.key")),
        ..Privacy::default()
    };
    section.fill(report, "session_ids", &mut privacy.session_ids, |item, report| item.choice(report, &SessionIds::ALL));
    privacy
}
