//! The values of a YAML map by key, with a problem for each that is not what it should be. Knows no prices.

use jiff::civil::Date;

use super::problem::Problem;
use super::schedule::Zone;
use crate::record::Currency;
use crate::wording::{nearest, shortened};
use crate::yaml::{self, Entry, Node, Value};

/// Problems of one file that are listed; beyond, their number is enough.
pub(super) const MOST_PROBLEMS: usize = 100;

/// The entries of a map whose keys are known.
pub(super) struct Fields<'n> {
    pub(super) line: usize,
    path: String,
    pub(super) entries: Vec<(&'n str, &'n Node)>,
}

impl<'n> Fields<'n> {
    /// The value of a key; a key without a value is as good as absent.
    pub(super) fn get(&self, key: &str) -> Option<&'n Node> {
        self.entries
            .iter()
            .find(|(name, node)| *name == key && !matches!(node.value, Value::Null))
            .map(|(_, node)| *node)
    }

    /// The whole path of a key.
    pub(super) fn path(&self, key: &str) -> String {
        join(&self.path, key)
    }
}

/// What a node is, with an article.
pub(super) fn kind(node: &Node) -> &'static str {
    match node.value {
        Value::Null => "nothing",
        Value::Scalar { .. } => "a single value",
        Value::List(_) => "a list",
        Value::Map(_) => "a map",
    }
}

/// A key below a path.
pub(super) fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// Collects the problems of one file.
pub(super) struct Reader<'f> {
    pub(super) file: &'f str,
    pub(super) problems: Vec<Problem>,
}

impl Reader<'_> {
    /// Notes a problem; what is beyond the bound is dropped.
    pub(super) fn problem(&mut self, line: usize, key: impl Into<String>, message: String, remedy: impl Into<String>) {
        if self.problems.len() <= MOST_PROBLEMS {
            let (key, remedy) = (key.into(), remedy.into());
            let line = u32::try_from(line).unwrap_or(u32::MAX);
            self.problems.push(Problem { file: self.file.to_owned(), line, key, message, remedy });
        }
    }

    /// The entries of a map; reports what is no map and what key is not known.
    pub(super) fn fields<'n>(&mut self, node: &'n Node, path: &str, known: &[&str]) -> Fields<'n> {
        let mut fields = Fields { line: node.line, path: path.to_owned(), entries: Vec::new() };
        let entries = match &node.value {
            Value::Map(entries) => entries.as_slice(),
            Value::Null => &[],
            _ => {
                self.problem(
                    node.line,
                    path,
                    format!("expected a map, found {}", kind(node)),
                    format!("its keys are {}", known.join(", ")),
                );
                &[]
            }
        };
        for entry in self.entries(entries, path) {
            let name = entry.key.as_str();
            if known.contains(&name) {
                fields.entries.push((name, &entry.node));
                continue;
            }
            let remedy = match nearest(name, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the keys here are {}", known.join(", ")),
            };
            self.problem(entry.line, join(path, &shortened(name)), "unknown key".to_owned(), remedy);
        }
        fields
    }

    /// The entries of a map, each key once; reports those given again.
    pub(super) fn entries<'n>(&mut self, entries: &'n [Entry], path: &str) -> Vec<&'n Entry> {
        let mut once = Vec::new();
        for (entry, first) in yaml::with_repeats(entries) {
            match first {
                Some(first) => {
                    let message = format!("given twice, first on line {first}");
                    self.problem(entry.line, join(path, &shortened(&entry.key)), message, "keep one of them");
                }
                None => once.push(entry),
            }
        }
        once
    }

    /// The text of a scalar; reports anything else.
    pub(super) fn text<'n>(&mut self, node: &'n Node, path: &str) -> Option<&'n str> {
        let text = node.text();
        if text.is_none() {
            self.problem(node.line, path, format!("expected a single value, found {}", kind(node)), "write one value");
        }
        text
    }

    /// One text or a list of texts, each with its line.
    pub(super) fn texts<'n>(&mut self, node: &'n Node, path: &str) -> Vec<(usize, &'n str)> {
        match &node.value {
            Value::List(items) => {
                items.iter().filter_map(|item| self.text(item, path).map(|text| (item.line, text))).collect()
            }
            _ => self.text(node, path).map(|text| (node.line, text)).into_iter().collect(),
        }
    }

    /// The value of `currency`.
    pub(super) fn currency(&mut self, fields: &Fields<'_>) -> Option<Currency> {
        let node = fields.get("currency")?;
        let text = self.text(node, &fields.path("currency"))?;
        let currency = Currency::parse(text);
        if currency.is_none() {
            self.problem(
                node.line,
                fields.path("currency"),
                format!("`{text}` is no currency"),
                "write three capital letters such as USD or CNY",
            );
        }
        currency
    }

    /// The value of `timezone`.
    pub(super) fn zone(&mut self, fields: &Fields<'_>) -> Option<Zone> {
        let node = fields.get("timezone")?;
        let text = self.text(node, &fields.path("timezone"))?;
        let zone = Zone::parse(text);
        if zone.is_none() {
            self.problem(
                node.line,
                fields.path("timezone"),
                format!("`{text}` is no time zone"),
                "write an IANA name such as UTC or Asia/Shanghai",
            );
        }
        zone
    }

    /// A date such as `2026-11-01`.
    pub(super) fn date(&mut self, fields: &Fields<'_>, key: &str) -> Option<Date> {
        let node = fields.get(key)?;
        let text = self.text(node, &fields.path(key))?;
        let date = if text.len() == 10 { text.parse().ok() } else { None };
        if date.is_none() {
            self.problem(
                node.line,
                fields.path(key),
                format!("`{text}` is no date"),
                "write a date such as 2026-11-01",
            );
        }
        date
    }

    /// `true` or `false`; absent is false.
    pub(super) fn flag(&mut self, fields: &Fields<'_>, key: &str) -> bool {
        let Some(node) = fields.get(key) else { return false };
        match self.text(node, &fields.path(key)) {
            Some("true") => true,
            Some("false") | None => false,
            Some(other) => {
                let message = format!("`{other}` is neither true nor false");
                self.problem(node.line, fields.path(key), message, "write true or false");
                false
            }
        }
    }
}
