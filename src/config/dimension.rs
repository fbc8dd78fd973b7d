//! The section `dimensions` becomes named values of the user's own.

use std::collections::BTreeMap;

use super::problem::Report;
use super::reader::{Item, Section, Unique};
use super::{field, scalar};
use crate::format::Dimension;
use crate::wording::quoted;

/// Keys of one dimension.
pub(super) const KEYS: &[&str] = &["name", "from", "regex", "lookup", "label"];

/// Most dimensions: each costs a column of every stored request.
const MOST: usize = 16;

/// Longest name.
const MAX_NAME: usize = 64;

/// Names that requests, metrics and reports have already, and those that every scrape adds.
const BUILT_IN: &[&str] = &[
    "budget", "code", "consumer", "currency", "date", "day", "from", "gateway", "hour", "instance", "job", "kind",
    "le", "metric", "mode", "model", "month", "outcome", "period", "phase", "provider", "quantile", "reason",
    "receiver", "route", "session", "sink", "source", "state", "target", "time", "to", "tool", "unit", "upstream",
    "user", "week",
];

/// Labels that scrapes commonly add: a metric's own label of that name would be renamed to `exported_…`.
const SCRAPED: &[&str] =
    &["cluster", "container", "customer", "env", "namespace", "node", "owner", "pod", "region", "service", "type"];

/// Reads the section; a dimension that is wrong is left out.
pub(super) fn read(item: &Item<'_>, report: &mut Report) -> Vec<Dimension> {
    let mut dimensions = Vec::new();
    let mut names = Unique::default();
    for (index, item) in item.list(report, "[{name: agent, from: session}]").into_iter().enumerate() {
        if index == MOST {
            item.problem(report, format!("more than {MOST} dimensions"), "remove this one and those after it");
            break;
        }
        let section = item.section(report, KEYS, &[], "{name: agent, from: session}");
        dimensions.extend(dimension(&section, report));
        names.check(&item, "name", section.get("name"), report);
    }
    dimensions
}

fn dimension(section: &Section<'_>, report: &mut Report) -> Option<Dimension> {
    let mut label = false;
    section.fill(report, "label", &mut label, |item, report| item.boolean(report));
    let name = section.required(report, "name", "agent").and_then(|item| name(item, label, report));
    let from = section.required(report, "from", "session").and_then(|item| field::field_or_path(item, report));
    let regex = section.optional("regex").and_then(|item| regex(item, report));
    let lookup = section.optional("lookup").map(|item| lookup(item, report));
    Some(Dimension { name: name?, from: from?, regex, lookup, label })
}

fn name(item: &Item<'_>, label: bool, report: &mut Report) -> Option<String> {
    let text = item.text(report, "agent")?;
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && !text.starts_with("__");
    if !starts || text.len() > MAX_NAME || !text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        let message = format!("{} is not a label name", quoted(text));
        item.problem(report, message, format!("use letters, digits and `_`, no digit first, at most {MAX_NAME}"));
    } else if BUILT_IN.contains(&text) {
        item.problem(
            report,
            format!("{} is a built-in name", quoted(text)),
            format!("choose another, as in `my_{text}`"),
        );
    } else if label && SCRAPED.contains(&text) {
        let message = format!("{} clashes with a label that scrapes add", quoted(text));
        item.problem(report, message, format!("choose another, as in `my_{text}`, or set `label: false`"));
    } else {
        return Some(text.to_owned());
    }
    None
}

fn regex(item: &Item<'_>, report: &mut Report) -> Option<regex::Regex> {
    let text = item.text(report, "\"^agent:([^:]+):\"")?;
    match scalar::regex(text) {
        Ok(regex) => Some(regex),
        Err(reason) => {
            let message = format!("{} is not a regular expression: {reason}", quoted(text));
            item.problem(report, message, "write it as in `regex: \"^agent:([^:]+):\"`");
            None
        }
    }
}

fn lookup(item: &Item<'_>, report: &mut Report) -> BTreeMap<String, String> {
    let entries = item.entries(report, "{key-7: sales}");
    if entries.is_empty() && item.is_map() {
        item.problem(report, "has no entries, so every value would become empty", "fill it, or remove it");
    }
    let value = |(key, item): (&str, Item<'_>)| Some((key.to_owned(), item.text(report, "sales")?.to_owned()));
    entries.into_iter().filter_map(value).collect()
}
