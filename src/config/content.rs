//! The section `content` becomes whose conversations are captured and what is blotted out of them.

use std::path::Path;

use super::problem::Report;
use super::reader::{Item, Section, Unique};
use super::{DataDir, scalar};
use crate::content::{Capture, Config, OwnPattern, Pattern};
use crate::wording::quoted;

/// Keys of the section.
pub(super) const KEYS: &[&str] =
    &["capture", "redact", "redact_patterns", "max_size", "encryption_key_file", "index_encrypted"];

/// Keys of `capture`.
pub(super) const CAPTURE_KEYS: &[&str] = &["gateways", "consumers"];

/// Keys of one of `redact_patterns`.
pub(super) const PATTERN_KEYS: &[&str] = &["name", "regex"];

/// Range of `max_size`: one conversation is held in memory whole.
const MAX_SIZE: (u64, u64) = (1 << 10, 16 << 20);

/// Most own expressions: each looks at every text.
const MOST: usize = 32;

/// Longest name: it is a label of a metric and stands in texts.
const MAX_NAME: usize = 32;

const EXAMPLE: &str = "{capture: {gateways: [higress]}}";
const PATTERN: &str = "{name: employee, regex: \"\\\\bE-[0-9]{6}\\\\b\"}";

/// Reads the section.
pub(super) fn read(item: &Item<'_>, folder: &Path, data_dir: &DataDir, report: &mut Report) -> Config {
    let section = item.section(report, KEYS, &[], EXAMPLE);
    let mut config = Config::default();
    if let Some(item) = section.get("capture") {
        config.capture = capture(item, report);
        if !config.capture.is_off() && *data_dir == DataDir::None {
            item.problem(report, "needs a data directory, and data_dir is none", "name a folder, or capture nothing");
        }
    }
    section.fill(report, "redact", &mut config.redact, |item, report| Some(redact(item, report)));
    section.fill(report, "redact_patterns", &mut config.redact_patterns, |item, report| Some(patterns(item, report)));
    section.fill(report, "max_size", &mut config.max_size, |item, report| {
        item.size(report, MAX_SIZE.0, MAX_SIZE.1, "1MiB")
    });
    config.encryption_key_file =
        section.optional("encryption_key_file").and_then(|item| item.file(report, folder, "content.key"));
    section.fill(report, "index_encrypted", &mut config.index_encrypted, |item, report| item.boolean(report));
    config
}

fn capture(item: &Item<'_>, report: &mut Report) -> Capture {
    let section = item.section(report, CAPTURE_KEYS, &[], "{gateways: [higress], consumers: []}");
    Capture {
        gateways: names(&section, "gateways", "higress", report),
        consumers: names(&section, "consumers", "sales", report),
    }
}

fn names(section: &Section<'_>, key: &str, example: &str, report: &mut Report) -> Vec<String> {
    let Some(item) = section.get(key) else { return Vec::new() };
    let items = item.one_or_list(report, &format!("[{example}]"));
    items.iter().filter_map(|item| item.text(report, example)).map(str::to_owned).collect()
}

fn redact(item: &Item<'_>, report: &mut Report) -> Vec<Pattern> {
    let items = item.list(report, "[email, phone, card, key]");
    items.iter().filter_map(|item| item.choice(report, &Pattern::ALL)).collect()
}

fn patterns(item: &Item<'_>, report: &mut Report) -> Vec<OwnPattern> {
    let mut patterns = Vec::new();
    let mut names = Unique::default();
    for (index, item) in item.list(report, &format!("[{PATTERN}]")).into_iter().enumerate() {
        if index == MOST {
            item.problem(report, format!("more than {MOST} expressions"), "join some with `|`");
            break;
        }
        let section = item.section(report, PATTERN_KEYS, &[], PATTERN);
        let name = section.required(report, "name", "employee").and_then(|item| name(item, report));
        let regex = section.required(report, "regex", "\"\\\\bE-[0-9]{6}\\\\b\"").and_then(|item| regex(item, report));
        if let (Some(name), Some(regex)) = (name, regex) {
            patterns.push(OwnPattern { name, regex });
        }
        names.check(&item, "name", section.get("name"), report);
    }
    patterns
}

fn name(item: &Item<'_>, report: &mut Report) -> Option<String> {
    let text = item.text(report, "employee")?;
    let is_name = text.len() <= MAX_NAME && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    if !is_name {
        let remedy = format!("use letters, digits, `_` and `-`, at most {MAX_NAME}");
        item.problem(report, format!("{} is not a name of a pattern", quoted(text)), remedy);
    } else if Pattern::ALL.iter().any(|(_, name)| *name == text) {
        item.problem(
            report,
            format!("{} is a built-in name", quoted(text)),
            format!("choose another, as in `my_{text}`"),
        );
    } else {
        return Some(text.to_owned());
    }
    None
}

fn regex(item: &Item<'_>, report: &mut Report) -> Option<String> {
    let text = item.text(report, "\"\\\\bE-[0-9]{6}\\\\b\"")?;
    if let Err(reason) = scalar::regex(text) {
        let message = format!("{} is not a regular expression: {reason}", quoted(text));
        item.problem(report, message, "write it as in `regex: \"\\\\bE-[0-9]{6}\\\\b\"`");
        return None;
    }
    Some(text.to_owned())
}
