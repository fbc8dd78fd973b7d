//! The key `fields` of a source becomes a field map: which field of a record is found where in a line.
//!
//! Whether a line really has such a path is for the format to see.

use std::collections::BTreeMap;

use super::problem::Report;
use super::reader::Item;
use crate::format::{DimensionSource, Field, FieldSource, Unit};
use crate::wording::{listed, quoted};

/// Keys of a field that is given as a mapping.
pub(super) const KEYS: &[&str] = &["path", "unit"];

/// Example of the whole key.
pub(super) const EXAMPLE: &str =
    "{time: start_time, model: [ai_log.model, model], duration: {path: latency, unit: ms}}";

/// The field with this label.
pub(super) fn by_label(label: &str) -> Option<Field> {
    Field::ALL.iter().copied().find(|field| field.label() == label)
}

/// Reads a field map; a field that is wrong is left out.
pub(super) fn read(item: &Item<'_>, report: &mut Report) -> BTreeMap<Field, FieldSource> {
    let mut fields = BTreeMap::new();
    for (label, item) in item.entries(report, EXAMPLE) {
        let Some(field) = by_label(label) else {
            item.unknown(report, "field", label, Field::ALL.iter().map(|field| field.label()));
            continue;
        };
        if let Some(source) = source(&item, field, report) {
            fields.insert(field, source);
        }
    }
    fields
}

fn source(item: &Item<'_>, field: Field, report: &mut Report) -> Option<FieldSource> {
    if !item.is_map() {
        return Some(FieldSource { paths: paths(item, report)?, unit: None });
    }
    let section = item.section(report, KEYS, &[], "{path: latency, unit: ms}");
    let mut unit = None;
    if let Some(item) = section.optional("unit") {
        if matches!(field, Field::Time | Field::EndTime | Field::Duration | Field::FirstToken) {
            unit = item.choice(report, &Unit::ALL.map(|(unit, name)| (Some(unit), name))).flatten();
        } else {
            item.problem(
                report,
                format!("`{}` has no unit", field.label()),
                "remove it; only times and durations have one",
            );
        }
    }
    let path = section.required(report, "path", "latency")?;
    Some(FieldSource { paths: paths(path, report)?, unit })
}

fn paths(item: &Item<'_>, report: &mut Report) -> Option<Vec<String>> {
    let items = item.one_or_list(report, "[ai_log.model, model]");
    if items.is_empty() {
        item.problem(report, "names no path", "write one, as in `model: ai_log.model`");
    }
    let paths: Vec<String> = items.iter().filter_map(|item| path(item, report)).collect();
    (!paths.is_empty()).then_some(paths)
}

/// Reads a path of the line: keys joined by dots, items of lists by their number in brackets.
pub(super) fn path(item: &Item<'_>, report: &mut Report) -> Option<String> {
    let text = item.text(report, "ai_log.model")?;
    let Err(fault) = check(text) else { return Some(text.to_owned()) };
    match fault {
        Fault::Index => malformed_index(item, text, report),
        Fault::Path => item.problem(
            report,
            format!("{} is not a path of the line", quoted(text)),
            "join keys by dots, as in `ai_log.model`",
        ),
    }
    None
}

fn malformed_index(item: &Item<'_>, text: &str, report: &mut Report) {
    let message = format!("{} has an index that is no number", quoted(text));
    item.problem(report, message, "count the items of a list from 0, as in `choices[0].model`");
}

/// Reads what a dimension is taken from: the label of a field, else a path of the line.
pub(super) fn field_or_path(item: &Item<'_>, report: &mut Report) -> Option<DimensionSource> {
    let text = item.text(report, "session")?;
    if let Some(field) = by_label(text) {
        if field.is_content() {
            item.problem(
                report,
                format!("`{text}` holds what was said, and a dimension is kept with every request"),
                "capture it under `content`, or use a field such as `session`",
            );
            return None;
        }
        return Some(DimensionSource::Field(field));
    }
    match check(text) {
        Ok(()) => return Some(DimensionSource::Path(text.to_owned())),
        Err(Fault::Index) => {
            malformed_index(item, text, report);
            return None;
        }
        Err(Fault::Path) => {}
    }
    let fields = listed(["session", "consumer", "provider", "model"]);
    item.problem(
        report,
        format!("{} is neither a field nor a path of the line", quoted(text)),
        format!("use a field such as {fields}, or keys joined by dots such as `ai_log.team`"),
    );
    None
}

/// Why a text is no path of a line.
enum Fault {
    Path,
    Index,
}

/// JSONPath (`$.a`, `a[*]`) and JSON pointers (`/a`) are refused, because they would quietly never match.
fn check(text: &str) -> Result<(), Fault> {
    if text.starts_with(['$', '/', '[']) {
        return Err(Fault::Path);
    }
    text.split('.').try_for_each(|part| {
        let (key, indices) = part.split_at(part.find(['[', ']']).unwrap_or(part.len()));
        if key.is_empty() || key.trim() != key {
            return Err(Fault::Path);
        }
        let is_index = |index: &str| {
            let digits = index.strip_suffix(']').unwrap_or_default();
            digits.bytes().all(|b| b.is_ascii_digit()) && digits.parse::<u32>().is_ok()
        };
        match indices.strip_prefix('[') {
            None if indices.is_empty() => Ok(()),
            Some(indices) if indices.split('[').all(is_index) => Ok(()),
            _ => Err(Fault::Index),
        }
    })
}
