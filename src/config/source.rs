//! The section `sources` becomes the logs to follow and how their lines are read.
//!
//! Files are not looked for: a log that does not exist yet is no problem.

use std::path::Path;

use super::field;
use super::problem::Report;
use super::reader::{Item, Section, Unique};
use crate::wording::quoted;
use crate::{format, tail};

/// Keys of one source.
pub(super) const KEYS: &[&str] = &["name", "format", "path", "from", "max_line", "timezone", "fields"];

/// Names that `format` may have.
pub(super) fn formats() -> impl Iterator<Item = &'static str> + Clone {
    [format::AUTO].into_iter().chain(format::TABLE.iter().map(|format| format.name))
}

/// The names of [`tail::From`].
pub(super) const FROM: [(tail::From, &str); 2] = [(tail::From::Start, "start"), (tail::From::End, "end")];

/// Longest name: it is a label value on every series.
const MAX_NAME: usize = 128;

/// Range of `max_line` in bytes: a Higress line without messages needs 1 KiB, and one line is held in memory whole.
const MAX_LINE: (u64, u64) = (1 << 10, 1 << 30);

/// One configured log.
#[derive(Clone, Debug)]
pub struct Source {
    /// What to follow.
    pub tail: tail::Source,
    /// How its lines are read.
    pub format: format::Config,
    /// Whether `from` was given: if not, it follows from whether anything is kept.
    pub from_given: bool,
}

/// Reads the section; a source that is wrong is left out. The dimensions are still to be filled in.
pub(super) fn read(item: &Item<'_>, folder: &Path, report: &mut Report) -> Vec<Source> {
    let mut sources = Vec::new();
    let (mut names, mut paths) = (Unique::default(), Unique::default());
    for item in item.list(report, "[{name: higress, path: /var/log/higress/access.log}]") {
        let section = item.section(report, KEYS, &[], "{name: higress, path: /var/log/higress/access.log}");
        sources.extend(source(&item, &section, folder, report));
        names.check(&item, "name", section.get("name"), report);
        // A log that is followed twice would be counted twice.
        paths.check(&item, "path", section.get("path"), report);
    }
    sources
}

fn source(item: &Item<'_>, section: &Section<'_>, folder: &Path, report: &mut Report) -> Option<Source> {
    let mut config = format::Config::default();
    let name = section.required(report, "name", "higress").and_then(|item| name(item, report));
    section.fill(report, "format", &mut config.format, format_name);
    let path =
        section.required(report, "path", "/var/log/higress/access.log").and_then(|item| path(item, folder, report));
    let mut from = tail::From::default();
    section.fill(report, "from", &mut from, |item, report| item.choice(report, &FROM));
    let mut max_line = tail::Source::MAX_LINE;
    section.fill(report, "max_line", &mut max_line, |item, report| {
        item.size(report, MAX_LINE.0, MAX_LINE.1, "16MiB").and_then(|bytes| usize::try_from(bytes).ok())
    });
    section.fill(report, "timezone", &mut config.timezone, |item, report| item.zone(report));
    section.fill(report, "fields", &mut config.fields, |item, report| Some(field::read(item, report)));
    if let Some((message, remedy)) = missing_fields(&config, section.optional("fields")) {
        let at = section.get("fields").or(section.get("format")).unwrap_or(item);
        at.problem(report, message, remedy);
    }
    let follow = tail::Follow::default();
    let tail = tail::Source { name: name?, path: path?, from, max_line, follow };
    Some(Source { tail, format: config, from_given: section.get("from").is_some() })
}

/// What the format `fields` lacks: it knows nothing but the field map, and a record without a time cannot be used.
fn missing_fields(config: &format::Config, fields: Option<&Item<'_>>) -> Option<(&'static str, &'static str)> {
    if config.format != "fields" {
        return None;
    }
    let Some(fields) = fields else {
        return Some((
            "format `fields` needs a field map",
            "add `fields`, as in `fields: {time: start_time, model: model, input_tokens: usage.input}`",
        ));
    };
    // Looked up in the text: a time that is wrong is reported already.
    if fields.has_key("time") || !fields.is_map() {
        return None;
    }
    Some(("format `fields` needs the field `time`", "add where the time is found, as in `time: start_time`"))
}

fn name(item: &Item<'_>, report: &mut Report) -> Option<String> {
    let text = item.text(report, "higress")?;
    if text.len() > MAX_NAME {
        item.problem(report, format!("longer than {MAX_NAME} bytes"), "shorten it: it is a label of every metric");
        return None;
    }
    Some(text.to_owned())
}

fn format_name(item: &Item<'_>, report: &mut Report) -> Option<String> {
    let text = item.text(report, "auto")?;
    if formats().any(|name| name == text) {
        return Some(text.to_owned());
    }
    item.unknown(report, "format", text, formats());
    None
}

fn path(item: &Item<'_>, folder: &Path, report: &mut Report) -> Option<String> {
    let text = item.text(report, "/var/log/higress/access.log")?;
    if let Err(reason) = check_glob(text) {
        item.problem(
            report,
            format!("{} is not a glob: {reason}", quoted(text)),
            "close the bracket, or write `[[]` for a plain one",
        );
        return None;
    }
    if Path::new(text).is_absolute() {
        return Some(text.to_owned());
    }
    // A folder that happens to hold `*` or `[` in its name must not become a glob.
    let folder = globset::escape(&folder.to_string_lossy());
    Some(Path::new(&folder).join(text).to_string_lossy().into_owned())
}

/// Whether a log's path is a glob that can be followed; a plain path is one that matches itself. The error is a reason.
pub(super) fn check_glob(text: &str) -> Result<(), String> {
    match globset::GlobBuilder::new(text).literal_separator(true).build() {
        Ok(_) => Ok(()),
        Err(error) => Err(error.kind().to_string()),
    }
}
