//! YAML becomes a checked configuration: the sum of the parts' own configurations, or every problem at once.
//!
//! ```text
//! text ─yaml─▶ nodes with lines ─reader─▶ typed values ─one file per section─▶ Config ─overrides─▶ Config
//!                                  └──────────── problem ◀───────────────────────────────────────────┘
//! ```
//!
//! Only [`load`] does IO, and only on the configuration file: files that the configuration names (prices, keys, the web
//! configuration) are read by the parts that need them, and logs need not exist yet. A relative path in the file is
//! relative to the file's folder.

mod canonical;
mod content;
mod cost;
mod dimension;
mod field;
mod keeping;
mod metric;
mod overrides;
mod probe;
mod problem;
mod reader;
mod relay;
mod report;
mod scalar;
mod sink;
mod sla;
mod source;
mod web;

#[cfg(test)]
mod rules;

use std::io::ErrorKind;
use std::path::Path;

use jiff::tz::TimeZone;

pub use self::keeping::{DataDir, Privacy, SessionIds};
pub use self::overrides::{Overrides, split_log, split_probe};
pub use self::probe::Places;
use self::problem::Report;
pub use self::problem::{Problem, Problems};
use self::reader::Item;
pub use self::source::Source;
use crate::{file, format, ledger, meter, otlp, pricing, session, yaml};

/// The default configuration: every key with its default, its meaning and an example. Parsing it gives [`Config::default`].
pub const DEFAULT: &str = include_str!("default.yaml");

/// Keys of the file itself.
const KEYS: &[&str] = &[
    "timezone",
    "listen",
    "data_dir",
    "sources",
    "dimensions",
    "cost",
    "sessions",
    "sinks",
    "probes",
    "sla",
    "metrics",
    "retention",
    "content",
    "privacy",
    "reports",
    "web",
    "relay",
];

/// A checked configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// The zone of days and months in reports and budgets.
    pub timezone: TimeZone,
    /// Its IANA name.
    pub timezone_name: String,
    /// Where everything is kept.
    pub data_dir: DataDir,
    /// The logs, in the order of the file, then of the flags.
    pub sources: Vec<Source>,
    /// The configured dimensions, which every source's format has too.
    pub dimensions: Vec<format::Dimension>,
    /// The section `cost`.
    pub pricing: pricing::Config,
    /// The section `sessions`.
    pub sessions: session::Config,
    /// The section `sinks`.
    pub sinks: Vec<otlp::Config>,
    /// The section `probes`, then the targets of flags.
    pub probes: crate::probe::Config,
    /// Where the targets and what names them stand in the file.
    pub places: Places,
    /// The section `sla`.
    pub sla: crate::sla::Config,
    /// The section `metrics`.
    pub meter: meter::Config,
    /// The section `retention`.
    pub retention: ledger::Retention,
    /// The section `content`.
    pub content: crate::content::Config,
    /// The section `privacy`.
    pub privacy: Privacy,
    /// The section `reports`.
    pub reports: crate::report::schedule::Config,
    /// The key `listen` and the section `web`.
    pub web: crate::web::Config,
    /// The section `relay`, for a process of its own.
    pub relay: crate::relay::Config,
}

impl Config {
    /// Whether there is a log to read or a target to look at.
    #[must_use]
    pub fn has_work(&self) -> bool {
        !self.sources.is_empty() || self.probes.targets.iter().any(crate::probe::Target::enabled)
    }
}

impl Default for Config {
    fn default() -> Self {
        Config {
            timezone: TimeZone::UTC,
            timezone_name: "UTC".to_owned(),
            data_dir: DataDir::default(),
            sources: Vec::new(),
            dimensions: Vec::new(),
            pricing: pricing::Config::default(),
            sessions: session::Config::default(),
            sinks: Vec::new(),
            probes: crate::probe::Config::default(),
            places: Places::default(),
            sla: crate::sla::Config::default(),
            meter: meter::Config::default(),
            retention: ledger::Retention::default(),
            content: crate::content::Config::default(),
            privacy: Privacy::default(),
            reports: crate::report::schedule::Config::default(),
            web: crate::web::Config::default(),
            relay: crate::relay::Config::default(),
        }
    }
}

/// Reads a configuration from text; `file` names it in problems, and its folder is what relative paths start from. Does no
/// IO but for the time zone database.
///
/// # Errors
/// Everything that is wrong, by line, at most 100 problems and the number of the rest.
pub fn parse(file: &Path, text: &str) -> Result<Config, Problems> {
    let mut report = Report::new(file);
    let mut config = Config::default();
    match yaml::parse(text) {
        Ok(root) => config = read(&Item::root(&root), file.parent().unwrap_or(Path::new("")), &mut report),
        Err(fault) => report.add(fault.line, "", fault.message, fault.remedy),
    }
    report.check(config)
}

fn read(root: &Item<'_>, folder: &Path, report: &mut Report) -> Config {
    let section = root.section(report, KEYS, &[], "timezone: UTC");
    let mut config = Config::default();
    section.fill(report, "timezone", &mut config.timezone, |item, report| item.zone(report));
    config.timezone_name = config.timezone.iana_name().unwrap_or("UTC").to_owned();
    section.fill(report, "data_dir", &mut config.data_dir, |item, report| keeping::read_data_dir(item, folder, report));
    section.fill(report, "sources", &mut config.sources, |item, report| Some(source::read(item, folder, report)));
    section.fill(report, "dimensions", &mut config.dimensions, |item, report| Some(dimension::read(item, report)));
    for source in &mut config.sources {
        source.format.dimensions.clone_from(&config.dimensions);
    }
    if let Some(item) = section.get("cost") {
        config.pricing = cost::read(item, folder, &config.dimensions, report);
    }
    section.fill(report, "sessions", &mut config.sessions, |item, report| Some(keeping::read_sessions(item, report)));
    section.fill(report, "sinks", &mut config.sinks, |item, report| Some(sink::read(item, folder, report)));
    config.places = Places::of(report);
    if let Some(item) = section.get("probes") {
        config.probes.targets = probe::read(item, folder, &mut config.places, report);
    }
    if let Some(item) = section.get("sla") {
        config.sla = sla::read(item, &config.timezone, &mut config.places, report);
    }
    section.fill(report, "metrics", &mut config.meter, |item, report| Some(metric::read(item, report)));
    let labels = config.dimensions.iter().filter(|dimension| dimension.label);
    config.meter.dimension_labels = labels.map(|dimension| dimension.name.clone()).collect();
    section
        .fill(report, "retention", &mut config.retention, |item, report| Some(keeping::read_retention(item, report)));
    if let Some(item) = section.get("content") {
        config.content = content::read(item, folder, &config.data_dir, report);
    }
    section
        .fill(report, "privacy", &mut config.privacy, |item, report| Some(keeping::read_privacy(item, folder, report)));
    section.fill(report, "reports", &mut config.reports, |item, report| {
        Some(self::report::read(item, folder, &config.dimensions, report))
    });
    section.fill(report, "web", &mut config.web, |item, report| Some(web::read(item, folder, report)));
    section.fill(report, "listen", &mut config.web.listen, web::read_listen);
    config.relay.timezone = config.timezone.clone();
    if let Some(item) = section.get("relay") {
        config.relay = relay::read(item, folder, &config.timezone, report);
    }
    config.settle_from();
    config
}

/// Reads a configuration file.
///
/// # Errors
/// As [`parse`]; also one problem for a file that is missing, unreadable, larger than 1 MiB or not UTF-8.
pub fn load(file: &Path) -> Result<Config, Problems> {
    match read_text(file) {
        Ok(text) => parse(file, &text),
        Err((message, remedy)) => {
            let mut report = Report::new(file);
            report.add(0, "", message, remedy);
            report.check(Config::default())
        }
    }
}

/// Reads the file. The error is a message and a remedy.
fn read_text(path: &Path) -> Result<String, (String, String)> {
    file::read_text(path, yaml::MAX_BYTES).map_err(|error| {
        let remedy = match error.kind() {
            ErrorKind::FileTooLarge => return (error.to_string(), "shorten it".to_owned()),
            ErrorKind::InvalidData => return (error.to_string(), "save it as UTF-8".to_owned()),
            ErrorKind::NotFound => "create it, for example from `tokentail check --print-default`",
            ErrorKind::PermissionDenied => "let the user that runs tokentail read it",
            ErrorKind::IsADirectory => "name the file in it",
            _ => "check the file and its disk",
        };
        (format!("cannot be read: {error}"), remedy.to_owned())
    })
}

/// The keys that differ and take effect only at the next start: `listen`, `data_dir` and `timezone`. Everything else takes
/// effect on reload.
#[must_use]
pub fn needs_restart(old: &Config, new: &Config) -> Vec<&'static str> {
    let differs = [
        ("listen", old.web.listen != new.web.listen),
        ("data_dir", old.data_dir.path() != new.data_dir.path()),
        ("timezone", old.timezone_name != new.timezone_name),
    ];
    differs.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect()
}
