//! The section `reports` becomes which reports are written to a folder, and when.

use std::path::Path;

use super::problem::Report;
use super::reader::Item;
use crate::format::Dimension;
use crate::report::By;
use crate::report::schedule::{Config, FORMS, Kind};

/// Keys of the section.
pub(super) const KEYS: &[&str] = &["folder", "daily", "weekly", "monthly", "by", "formats", "sqlite"];

/// Most columns of a report's groups.
const MAX_COLUMNS: usize = 8;

/// Reads the section.
pub(super) fn read(item: &Item<'_>, folder: &Path, dimensions: &[Dimension], report: &mut Report) -> Config {
    let section = item.section(report, KEYS, &[], "{folder: reports, monthly: [cost]}");
    let mut config = Config {
        folder: section.optional("folder").and_then(|item| item.file(report, folder, "reports")),
        ..Config::default()
    };
    let lists = [("daily", &mut config.daily), ("weekly", &mut config.weekly), ("monthly", &mut config.monthly)];
    for (key, kinds) in lists {
        for item in section.get(key).map(|item| item.list(report, "[cost]")).unwrap_or_default() {
            match item.choice(report, &Kind::ALL) {
                Some(Kind::Sla) if key != "monthly" => {
                    item.problem(report, "`sla` is of calendar months", "move it to `monthly`");
                }
                kind => kinds.extend(kind),
            }
        }
        if let (Some(item), None, false) = (section.get(key), &config.folder, kinds.is_empty()) {
            item.problem(report, "reports without a folder", "add `folder: reports`");
        }
    }
    if let Some(item) = section.get("by") {
        let names: Vec<String> = dimensions.iter().map(|dimension| dimension.name.clone()).collect();
        config.by.clear();
        for item in item.list(report, "[consumer, model]") {
            let Some(word) = item.text(report, "model") else { continue };
            match By::parse(word, &names) {
                Ok(by) if !by.is_time() => config.by.push(word.to_owned()),
                Ok(_) => item.problem(
                    report,
                    "a column of time",
                    "leave it out: reports of weeks and months tell days apart",
                ),
                Err(error) => item.problem(report, format!("cannot {error}"), "use one of these"),
            }
        }
        if config.by.len() > MAX_COLUMNS {
            item.problem(report, "more than 8 columns", "leave some out");
        }
    }
    if let Some(item) = section.optional("sqlite")
        && let Some(name) = item.text(report, "tokentail.db")
    {
        if name.is_empty() || name.starts_with('.') || name.contains(['/', '\\']) {
            item.problem(report, "no name of a file", "write a name such as `tokentail.db`; the folder is `folder`");
        } else if config.folder.is_none() {
            item.problem(report, "a SQLite file without a folder", "add `folder: reports`");
        } else {
            config.sqlite = Some(name.to_owned());
        }
    }
    if let Some(item) = section.get("formats") {
        config.formats.clear();
        for item in item.list(report, "[csv, md]") {
            config.formats.extend(item.choice(report, &FORMS));
        }
    }
    config
}
