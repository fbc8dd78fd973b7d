//! A tree is read key by key; whatever does not fit becomes a problem, and reading goes on.
//!
//! Knows types and ranges, not sections: which keys there are and what they mean is for each section's own file.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::tz::TimeZone;

use super::problem::Report;
use super::scalar;
use crate::record::Currency;
use crate::wording::{listed, nearest, quoted, shortened};
use crate::yaml::{self, Node, Value};

/// A value with the place it was found at.
#[derive(Clone, Debug)]
pub(super) struct Item<'a> {
    node: &'a Node,
    /// Line of its key, or of the value where it has none.
    pub(super) line: usize,
    /// Dotted path.
    pub(super) path: String,
}

impl<'a> Item<'a> {
    /// The whole document.
    pub(super) fn root(node: &'a Node) -> Item<'a> {
        Item { node, line: node.line, path: String::new() }
    }

    /// Whether it is `null` or left empty.
    pub(super) fn is_null(&self) -> bool {
        matches!(self.node.value, Value::Null)
    }

    /// Whether it is a mapping.
    pub(super) fn is_map(&self) -> bool {
        matches!(self.node.value, Value::Map(_))
    }

    /// Whether it is a mapping with this key.
    pub(super) fn has_key(&self, key: &str) -> bool {
        matches!(&self.node.value, Value::Map(entries) if entries.iter().any(|entry| entry.key == key))
    }

    /// Reports a problem with this value.
    pub(super) fn problem(&self, report: &mut Report, message: impl Into<String>, remedy: impl Into<String>) {
        report.add(self.line, &self.path, message, remedy);
    }

    /// The value as YAML shows it in a remedy: `key: value`, `- value` in a list.
    fn example(&self, value: &str) -> String {
        let last = self.path.rsplit('.').next().unwrap_or("");
        match last.split_once('[') {
            Some(_) => format!("write it as in `- {value}`"),
            None if last.is_empty() => format!("write it as in `{value}`"),
            None => format!("write it as in `{last}: {value}`"),
        }
    }

    fn expected(&self, report: &mut Report, what: &str, example: &str) {
        let found = match &self.node.value {
            Value::Null => "nothing".to_owned(),
            Value::Scalar { text, plain: true } => quoted(text),
            Value::Scalar { text, plain: false } => format!("the text {}", quoted(text)),
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a mapping".to_owned(),
        };
        self.problem(report, format!("expected {what}, found {found}"), self.example(example));
    }

    fn scalar(&self) -> Option<(&'a str, bool)> {
        match &self.node.value {
            Value::Scalar { text, plain } => Some((text, *plain)),
            _ => None,
        }
    }

    /// Reads a scalar with `parse`; `what` and `example` tell what was expected.
    pub(super) fn parsed<T>(
        &self,
        report: &mut Report,
        what: &str,
        example: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let value = self.scalar().and_then(|(text, _)| parse(text));
        if value.is_none() {
            self.expected(report, what, example);
        }
        value
    }

    /// Text that is not empty, on one line, at most 4 KiB.
    pub(super) fn text(&self, report: &mut Report, example: &str) -> Option<&'a str> {
        let Some((text, _)) = self.scalar() else {
            self.expected(report, "text", example);
            return None;
        };
        let message = if text.trim().is_empty() {
            "is empty"
        } else if text.len() > 4096 {
            "is longer than 4,096 bytes"
        } else if text.chars().any(char::is_control) {
            "has a control character"
        } else {
            return Some(text);
        };
        self.problem(report, message, self.example(example));
        None
    }

    /// `true` or `false`.
    pub(super) fn boolean(&self, report: &mut Report) -> Option<bool> {
        match self.scalar() {
            Some(("true" | "True" | "TRUE", true)) => Some(true),
            Some(("false" | "False" | "FALSE", true)) => Some(false),
            _ => {
                self.expected(report, "true or false", "true");
                None
            }
        }
    }

    /// A whole number from `least` to `most`.
    pub(super) fn integer(&self, report: &mut Report, least: u64, most: u64) -> Option<u64> {
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        match self.scalar() {
            Some((text, true)) if digits(text) => {
                let number = text.parse().ok().filter(|number| (least..=most).contains(number));
                if number.is_none() {
                    self.out_of_range(report, text, &scalar::grouped(least), &scalar::grouped(most));
                }
                number
            }
            _ => {
                self.expected(report, "a whole number", &least.to_string());
                None
            }
        }
    }

    fn out_of_range(&self, report: &mut Report, found: &str, least: &str, most: &str) {
        self.problem(report, format!("{} is out of range", quoted(found)), format!("use {least} to {most}"));
    }

    /// A duration from `least` to `most`.
    pub(super) fn duration(
        &self,
        report: &mut Report,
        least: Duration,
        most: Duration,
        example: &str,
    ) -> Option<Duration> {
        let duration = self.parsed(report, "a duration with a unit", example, scalar::duration)?;
        if (least..=most).contains(&duration) {
            return Some(duration);
        }
        let (least, most) = (scalar::duration_text(least), scalar::duration_text(most));
        self.out_of_range(report, self.scalar()?.0, &least, &most);
        None
    }

    /// A size in bytes from `least` to `most`.
    pub(super) fn size(&self, report: &mut Report, least: u64, most: u64, example: &str) -> Option<u64> {
        let size = self.parsed(report, "a size in bytes, KiB, MiB, GiB, kB, MB or GB", example, scalar::size)?;
        if (least..=most).contains(&size) {
            return Some(size);
        }
        self.out_of_range(report, self.scalar()?.0, &scalar::size_text(least), &scalar::size_text(most));
        None
    }

    /// A decimal number above 0, in 10^-9 units.
    pub(super) fn positive_decimal(&self, report: &mut Report, example: &str) -> Option<i128> {
        let Some((text, _)) = self.scalar() else {
            self.expected(report, "a decimal number", example);
            return None;
        };
        match scalar::decimal(text) {
            Ok(nanos) if nanos > 0 => return Some(nanos),
            Ok(_) => self.problem(report, format!("{} is not above 0", quoted(text)), self.example(example)),
            Err(reason) => self.problem(report, format!("{} is {reason}", quoted(text)), self.example(example)),
        }
        None
    }

    /// A currency code.
    pub(super) fn currency(&self, report: &mut Report) -> Option<Currency> {
        self.parsed(report, "a currency of three capital letters", "USD", Currency::parse)
    }

    /// A time zone of the IANA database.
    pub(super) fn zone(&self, report: &mut Report) -> Option<TimeZone> {
        let text = self.text(report, "UTC")?;
        let zone = scalar::zone(text);
        if zone.is_none() {
            let names = scalar::zone_names();
            let remedy = nearest(text, names.iter().map(String::as_str)).map_or_else(
                || "use a name such as `UTC` or `Asia/Shanghai`".to_owned(),
                |name| format!("did you mean `{name}`?"),
            );
            self.problem(report, format!("{} is not an IANA time zone", quoted(text)), remedy);
        }
        zone
    }

    /// One of a table of names.
    pub(super) fn choice<T: Copy>(&self, report: &mut Report, table: &[(T, &'static str)]) -> Option<T> {
        let text = self.text(report, table.first().map_or("", |(_, name)| name))?;
        let found = table.iter().find(|(_, name)| *name == text).map(|(value, _)| *value);
        if found.is_none() {
            self.unknown(report, "value", text, table.iter().map(|(_, name)| *name));
        }
        found
    }

    /// Reports that `word` is none of `known`; `what` names what it should have been.
    pub(super) fn unknown<'k>(
        &self,
        report: &mut Report,
        what: &str,
        word: &str,
        known: impl IntoIterator<Item = &'k str> + Clone,
    ) {
        self.problem(report, format!("unknown {what} {}", quoted(word)), suggestion(word, known));
    }

    /// A path, relative to the folder of the configuration file.
    pub(super) fn file(&self, report: &mut Report, folder: &Path, example: &str) -> Option<PathBuf> {
        self.text(report, example).map(|text| folder.join(text))
    }

    /// A value of any shape as JSON: plain numbers, `true`, `false` and `null` are those, all other scalars are text.
    pub(super) fn json(&self) -> serde_json::Value {
        json(self.node)
    }

    /// The line of every value within, by its dotted path.
    pub(super) fn lines(&self) -> Vec<(String, usize)> {
        let mut lines = vec![(self.path.clone(), self.line)];
        let within: Vec<Item<'_>> = match &self.node.value {
            Value::List(nodes) => nodes
                .iter()
                .enumerate()
                .map(|(index, node)| Item { node, line: node.line, path: format!("{}[{index}]", self.path) })
                .collect(),
            Value::Map(entries) => entries
                .iter()
                .map(|entry| Item { node: &entry.node, line: entry.line, path: format!("{}.{}", self.path, entry.key) })
                .collect(),
            Value::Null | Value::Scalar { .. } => Vec::new(),
        };
        lines.extend(within.iter().flat_map(Item::lines));
        lines
    }

    /// The items of a list; nothing is an empty list.
    pub(super) fn list(&self, report: &mut Report, example: &str) -> Vec<Item<'a>> {
        match &self.node.value {
            Value::Null => Vec::new(),
            Value::List(nodes) => nodes
                .iter()
                .enumerate()
                .map(|(index, node)| Item { node, line: node.line, path: format!("{}[{index}]", self.path) })
                .collect(),
            _ => {
                self.expected(report, "a list", example);
                Vec::new()
            }
        }
    }

    /// The items of a list, or a single text as a list of one.
    pub(super) fn one_or_list(&self, report: &mut Report, example: &str) -> Vec<Item<'a>> {
        if self.scalar().is_some() { vec![self.clone()] } else { self.list(report, example) }
    }

    /// The entries of a mapping with keys of the user's own; nothing is an empty mapping.
    pub(super) fn entries(&self, report: &mut Report, example: &str) -> Vec<(&'a str, Item<'a>)> {
        let entries = match &self.node.value {
            Value::Null => return Vec::new(),
            Value::Map(entries) => entries,
            _ => {
                self.expected(report, "a mapping", example);
                return Vec::new();
            }
        };
        let mut items = Vec::new();
        for (entry, first) in yaml::with_repeats(entries) {
            let dot = if self.path.is_empty() { "" } else { "." };
            let path = format!("{}{dot}{}", self.path, shortened(&entry.key));
            let item = Item { node: &entry.node, line: entry.line, path };
            match first {
                Some(first) => {
                    item.problem(report, format!("given twice, first on line {first}"), "keep one of them");
                }
                None => items.push((entry.key.as_str(), item)),
            }
        }
        items
    }

    /// A section: a mapping with known keys. Unknown ones are reported here.
    pub(super) fn section(
        &self,
        report: &mut Report,
        known: &[&'static str],
        unsupported: &[&str],
        example: &str,
    ) -> Section<'a> {
        let mut items = HashMap::new();
        for (key, item) in self.entries(report, example) {
            if unsupported.contains(&key) {
                item.problem(report, "not supported by this version", "remove it");
            } else if known.contains(&key) {
                items.insert(key, item);
            } else {
                item.problem(report, "unknown key", suggestion(key, known.iter().copied()));
            }
        }
        let whole = self.is_map() || self.is_null();
        Section { line: self.line, path: self.path.clone(), items, whole }
    }
}

fn json(node: &Node) -> serde_json::Value {
    match &node.value {
        Value::Null => serde_json::Value::Null,
        Value::Scalar { text, plain } => {
            let read = serde_json::from_str(text).ok().filter(|value: &serde_json::Value| *plain && !value.is_string());
            read.unwrap_or_else(|| serde_json::Value::from(text.as_str()))
        }
        Value::List(nodes) => nodes.iter().map(json).collect(),
        Value::Map(entries) => entries.iter().map(|entry| (entry.key.clone(), json(&entry.node))).collect(),
    }
}

/// What to do about a word that is none of `known`.
pub(super) fn suggestion<'k>(word: &str, known: impl IntoIterator<Item = &'k str> + Clone) -> String {
    match nearest(word, known.clone()) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("use one of {}", listed(known)),
    }
}

/// A mapping with known keys.
#[derive(Debug)]
pub(super) struct Section<'a> {
    line: usize,
    path: String,
    items: HashMap<&'a str, Item<'a>>,
    /// Whether it was a mapping at all; otherwise that is reported, and missing keys are not.
    whole: bool,
}

impl<'a> Section<'a> {
    /// The value of a key, `null` included.
    pub(super) fn get(&self, key: &str) -> Option<&Item<'a>> {
        self.items.get(key)
    }

    /// The value of a key whose `null` means the same as leaving it out.
    pub(super) fn optional(&self, key: &str) -> Option<&Item<'a>> {
        self.get(key).filter(|item| !item.is_null())
    }

    /// The value of a key that must be there.
    pub(super) fn required(&self, report: &mut Report, key: &str, example: &str) -> Option<&Item<'a>> {
        let item = self.get(key);
        if item.is_none() && self.whole {
            report.add(
                self.line,
                &self.path,
                format!("`{key}` is missing"),
                format!("add it, as in `{key}: {example}`"),
            );
        }
        item
    }

    /// Overwrites `slot` where the key is given and good.
    pub(super) fn fill<T>(
        &self,
        report: &mut Report,
        key: &str,
        slot: &mut T,
        read: impl FnOnce(&Item<'a>, &mut Report) -> Option<T>,
    ) {
        if let Some(value) = self.get(key).and_then(|item| read(item, report)) {
            *slot = value;
        }
    }
}

/// Finds values that are given twice in a list, such as the names of sources.
#[derive(Debug, Default)]
pub(super) struct Unique {
    seen: HashMap<String, String>,
}

impl Unique {
    /// Reports `value` where an owner before had the same; `what` it is of its owner, such as its name.
    pub(super) fn check(&mut self, owner: &Item<'_>, what: &str, value: Option<&Item<'_>>, report: &mut Report) {
        let Some((value, (text, _))) = value.and_then(|value| Some((value, value.scalar()?))) else { return };
        if text.trim().is_empty() {
            return;
        }
        match self.seen.get(text) {
            Some(other) => {
                let message = format!("{} is also the {what} of {other}", quoted(text));
                value.problem(report, message, format!("give each a {what} of its own"));
            }
            None => {
                self.seen.insert(text.to_owned(), owner.path.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T>(text: &str, read: impl FnOnce(&Section<'_>, &mut Report) -> T) -> (T, String) {
        let node = yaml::parse(text).unwrap_or_else(|fault| panic!("{fault:?}"));
        let mut report = Report::new("");
        let section = Item::root(&node).section(&mut report, &["a", "b"], &["later"], "a: 1");
        let value = read(&section, &mut report);
        (value, report.check(()).err().map(|problems| problems.to_string()).unwrap_or_default())
    }

    #[test]
    fn reading_goes_on_after_a_problem() {
        let (value, problems) = read("a: x\nb: 7\nc: 1\nb: 8\nlater: 1\n", |section, report| {
            let number = |key| section.get(key).map(|item| (item.line, item.path.clone()));
            let a = section.get("a").and_then(|item| item.integer(report, 1, 9));
            let b = section.get("b").and_then(|item| item.integer(report, 1, 9));
            (a, b, number("b"))
        });
        assert_eq!(value, (None, Some(7), Some((2, "b".to_owned()))));
        let want = "a: expected a whole number, found `x`; write it as in `a: 1`\n\
                    c: unknown key; use one of `a`, `b`\n\
                    b: given twice, first on line 2; keep one of them\n\
                    later: not supported by this version; remove it";
        assert_eq!(problems, want);
    }

    #[test]
    fn a_quoted_number_is_text_and_a_plain_one_both() {
        let (value, problems) = read("a: '1'\nb: 1\n", |section, report| {
            let b = section.get("b");
            (
                section.get("a").and_then(|item| item.integer(report, 1, 9)),
                b.and_then(|item| item.integer(report, 1, 9)),
                b.and_then(|item| item.text(report, "x")).map(str::to_owned),
            )
        });
        assert_eq!(value, (None, Some(1), Some("1".to_owned())));
        assert_eq!(problems, "a: expected a whole number, found the text `1`; write it as in `a: 1`");
    }

    #[test]
    fn a_missing_key_is_asked_for_only_in_a_mapping() {
        let (_, problems) = read("a: 1\n", |section, report| section.required(report, "b", "2").is_some());
        assert_eq!(problems, "`b` is missing; add it, as in `b: 2`");
        let (_, problems) = read("[]\n", |section, report| section.required(report, "b", "2").is_some());
        assert_eq!(problems, "expected a mapping, found a list; write it as in `a: 1`");
    }
}
