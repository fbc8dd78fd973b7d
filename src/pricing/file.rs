//! A price file in YAML becomes checked rows, or every problem it has, each with its line, key and remedy.
//!
//! `example.yaml` beside this file shows and explains each key. The built-in table is read by the same code, and so is the
//! JSON form of a row. Which row wins is not decided here.

use std::collections::HashMap;
use std::rc::Rc;

use jiff::civil::Date;

use super::pattern::Pattern;
use super::price::{Per, Price};
use super::problem::Problem;
use super::provider::{Provider, normalise};
use super::reader::{Fields, MOST_PROBLEMS, Reader, join, kind};
use super::row::{Card, Kind, Prices, Row, Source, Tier, Window};
use super::schedule::{Schedule, Zone};
use crate::record::{Currency, ServiceTier};
use crate::yaml::{self, Node, Value};

const FILE_KEYS: [&str; 5] = ["date", "currency", "timezone", "providers", "prices"];
const PROVIDER_KEYS: [&str; 2] = ["aliases", "makes"];
const KINDS: [&str; 6] = ["input", "cache_read", "cache_write_5m", "cache_write_1h", "output", "reasoning"];
const ROW_KEYS: [&str; 14] = [
    "provider",
    "model",
    "match",
    "exclude",
    "dated",
    "currency",
    "tiers",
    "batch",
    "flex",
    "priority",
    "windows",
    "timezone",
    "valid_from",
    "note",
];
const VARIANTS: [(&str, ServiceTier); 3] =
    [("batch", ServiceTier::Batch), ("flex", ServiceTier::Flex), ("priority", ServiceTier::Priority)];

/// What one source of prices says.
#[derive(Clone, Debug, Default)]
pub struct SourceRows {
    /// Its rows, in its order.
    pub rows: Vec<Row>,
    /// Providers that it describes.
    pub providers: Vec<Provider>,
    /// The day for which its prices are known to be right.
    pub date: Option<Date>,
    /// How many entries tell no price that can be used.
    pub skipped: usize,
}

/// Reads a price file. `file` is its name in problems and in the sources of its rows. Memory is bounded by what
/// [`yaml::parse`] takes: 1 MiB of text, 262,144 values with aliases written out, 32 levels.
///
/// # Errors
/// Every problem of the file, at most 100 of them.
pub fn parse(file: &str, text: &str) -> Result<SourceRows, Vec<Problem>> {
    read(file, text, |line| Source::File(file.to_owned(), u32::try_from(line).unwrap_or(u32::MAX)))
}

/// Reads the built-in table.
pub(super) fn parse_builtin(text: &str) -> Result<SourceRows, Vec<Problem>> {
    read("builtin.yaml", text, |_| Source::Builtin)
}

/// Reads one row that stands alone.
pub(super) fn parse_row(text: &str, source: Source) -> Result<Row, Vec<Problem>> {
    let mut reader = Reader { file: "row", problems: Vec::new() };
    let node = yaml::parse(text).map_err(|fault| vec![Problem::of_fault(reader.file, fault)])?;
    let keys: Vec<&str> = ROW_KEYS.iter().chain(&KINDS).chain(&["source"]).copied().collect();
    let row = reader.row(&node, "", &keys, &Defaults { currency: None, zone: Zone::utc() }, source);
    match row {
        Some(row) if reader.problems.is_empty() => Ok(row),
        _ => Err(reader.problems),
    }
}

fn read(file: &str, text: &str, source: impl Fn(usize) -> Source) -> Result<SourceRows, Vec<Problem>> {
    let mut reader = Reader { file, problems: Vec::new() };
    let node = yaml::parse(text).map_err(|fault| vec![Problem::of_fault(file, fault)])?;
    let fields = reader.fields(&node, "", &FILE_KEYS);
    let defaults =
        Defaults { currency: reader.currency(&fields), zone: reader.zone(&fields).unwrap_or_else(Zone::utc) };
    let mut found = SourceRows { date: reader.date(&fields, "date"), ..SourceRows::default() };
    if let Some(node) = fields.get("providers") {
        found.providers = reader.providers(node);
    }
    match fields.get("prices") {
        Some(Node { value: Value::List(items), .. }) => {
            let keys: Vec<&str> = ROW_KEYS.iter().chain(&KINDS).copied().collect();
            for (index, item) in items.iter().enumerate() {
                let path = format!("prices[{index}]");
                found.rows.extend(reader.row(item, &path, &keys, &defaults, source(item.line)));
                if reader.problems.len() > MOST_PROBLEMS {
                    break;
                }
            }
            reader.duplicates(&found.rows, items);
        }
        Some(other) => reader.problem(
            other.line,
            "prices",
            format!("expected a list, found {}", kind(other)),
            "begin each row with `- `",
        ),
        None if found.providers.is_empty() && reader.problems.is_empty() => {
            reader.problem(node.line, "prices", "there are no prices in the file".to_owned(), "add a list `prices:`");
        }
        None => {}
    }
    if reader.problems.is_empty() {
        return Ok(found);
    }
    reader.problems.truncate(MOST_PROBLEMS);
    Err(reader.problems)
}

/// What a file says for all its rows.
struct Defaults {
    currency: Option<Currency>,
    zone: Zone,
}

impl Reader<'_> {
    fn providers(&mut self, node: &Node) -> Vec<Provider> {
        let Value::Map(entries) = &node.value else {
            let message = format!("expected a map, found {}", kind(node));
            self.problem(node.line, "providers", message, "write the providers' names as keys");
            return Vec::new();
        };
        let mut providers = Vec::new();
        // Names are shared: a long one may have many claims.
        let mut claims: HashMap<String, Rc<str>> = HashMap::new();
        for entry in self.entries(entries, "providers") {
            let name = normalise(&entry.key);
            let path = format!("providers.{name}");
            let claimant: Rc<str> = Rc::from(name.as_str());
            if name.is_empty() {
                self.problem(
                    entry.line,
                    "providers",
                    "a provider needs a name".to_owned(),
                    "write its name as the key",
                );
            }
            let fields = self.fields(&entry.node, &path, &PROVIDER_KEYS);
            let mut list = |key| {
                let texts = fields.get(key).map(|node| self.texts(node, &join(&path, key))).unwrap_or_default();
                texts.into_iter().map(|(_, text)| text.to_owned()).collect::<Vec<_>>()
            };
            let aliases: Vec<String> = list("aliases").iter().map(|alias| normalise(alias)).collect();
            let makes: Vec<String> = list("makes").iter().map(|prefix| prefix.to_ascii_lowercase()).collect();
            let own = aliases.iter().chain([&name]).map(|alias| format!("requests of `{alias}`"));
            for claim in own.chain(makes.iter().map(|prefix| format!("models `{prefix}…`"))) {
                if let Some(other) =
                    claims.insert(claim.clone(), Rc::clone(&claimant)).filter(|other| *other != claimant)
                {
                    let message = format!("{claim} are also claimed by `{other}`");
                    self.problem(entry.line, path.as_str(), message, "let each belong to one provider");
                }
            }
            providers.push(Provider { name, aliases, makes });
        }
        providers
    }

    /// Reads one row; reports everything that is wrong with it.
    fn row(&mut self, node: &Node, path: &str, keys: &[&str], defaults: &Defaults, source: Source) -> Option<Row> {
        let before = self.problems.len();
        let fields = self.fields(node, path, keys);
        let mut text = |key: &str| {
            fields.get(key).and_then(|node| self.text(node, &fields.path(key))).unwrap_or_default().trim().to_owned()
        };
        let (provider, model, note) = (text("provider"), text("model"), text("note"));
        if model.is_empty() && self.problems.len() == before {
            self.problem(fields.line, fields.path("model"), "the row names no model".to_owned(), "add `model:`");
        }
        let own_currency = self.currency(&fields);
        if own_currency.is_none() && defaults.currency.is_none() && fields.get("currency").is_none() {
            let remedy = "add `currency: USD` or another to the row or to the head of the file";
            self.problem(fields.line, fields.path("currency"), "the row names no currency".to_owned(), remedy);
        }
        let base = self.card(&fields);
        for kind in [Kind::Input, Kind::Output] {
            if fields.get(kind.label()).is_none() {
                let message = format!("the row has no price for {}", kind.label());
                self.problem(fields.line, fields.path(kind.label()), message, "add it; write 0 where it is free");
            }
        }
        let mut variants = Vec::new();
        for (key, tier) in VARIANTS {
            if let Some(node) = fields.get(key) {
                let keys: Vec<&str> = KINDS.iter().chain(&["tiers"]).copied().collect();
                let inner = self.fields(node, &fields.path(key), &keys);
                let card = self.card(&inner);
                if card.prices.is_empty() && card.tiers.is_empty() && self.problems.len() == before {
                    self.problem(
                        node.line,
                        fields.path(key),
                        "there is no price in it".to_owned(),
                        "add one or take it out",
                    );
                }
                variants.push((tier, card));
            }
        }
        let mut matches =
            fields.get("match").map(|node| self.patterns(node, &fields.path("match"))).unwrap_or_default();
        if matches.is_empty() && fields.get("match").is_none() {
            matches.extend(Pattern::parse("equals", &model));
        }
        let row = Row {
            provider: normalise(&provider),
            matches,
            exclude: fields.get("exclude").map(|node| self.patterns(node, &fields.path("exclude"))).unwrap_or_default(),
            dated: self.flag(&fields, "dated"),
            currency: own_currency.or(defaults.currency).unwrap_or(Currency::USD),
            base,
            variants,
            windows: fields.get("windows").map(|node| self.windows(node, &fields.path("windows"))).unwrap_or_default(),
            zone: self.zone(&fields).unwrap_or_else(|| defaults.zone.clone()),
            valid_from: self.date(&fields, "valid_from"),
            model,
            source,
            note,
        };
        (self.problems.len() == before).then_some(row)
    }

    /// Prices and tiers of a map.
    fn card(&mut self, fields: &Fields<'_>) -> Card {
        let prices = self.prices(fields);
        let mut tiers: Vec<Tier> = Vec::new();
        if let Some(node) = fields.get("tiers") {
            let path = fields.path("tiers");
            let Value::List(items) = &node.value else {
                self.problem(
                    node.line,
                    path,
                    format!("expected a list, found {}", kind(node)),
                    "write a list of tiers",
                );
                return Card { prices, tiers };
            };
            let keys: Vec<&str> = std::iter::once("above").chain(KINDS).collect();
            for (index, item) in items.iter().enumerate() {
                let inner = self.fields(item, &format!("{path}[{index}]"), &keys);
                let prices = self.prices(&inner);
                let Some(above) = self.above(&inner) else { continue };
                if tiers.last().is_some_and(|last| last.above >= above) {
                    let message = "thresholds must ascend".to_owned();
                    self.problem(inner.line, inner.path("above"), message, "sort the tiers by `above`, each once");
                }
                tiers.push(Tier { above, prices });
            }
        }
        Card { prices, tiers }
    }

    fn above(&mut self, fields: &Fields<'_>) -> Option<u64> {
        let path = fields.path("above");
        let remedy = "write a number of input tokens, such as 200000";
        let Some(node) = fields.get("above") else {
            self.problem(fields.line, path, "the tier has no threshold".to_owned(), remedy);
            return None;
        };
        let text = self.text(node, &path)?;
        match text.parse::<u64>() {
            Ok(above) if above > 0 => Some(above),
            _ => {
                self.problem(node.line, path, format!("`{text}` is no number of tokens"), remedy);
                None
            }
        }
    }

    fn prices(&mut self, fields: &Fields<'_>) -> Prices {
        let mut prices = Prices::default();
        for kind in Kind::ALL {
            let Some(node) = fields.get(kind.label()) else { continue };
            let path = fields.path(kind.label());
            let Some(text) = self.text(node, &path) else { continue };
            match Price::parse(text, Per::Million) {
                Ok(price) => prices.set(kind, price),
                Err(error) => {
                    let message = format!("`{text}` cannot be used: {error}");
                    self.problem(node.line, path, message, "write what a million tokens cost, such as 2.50");
                }
            }
        }
        prices
    }

    /// Exact names (one or a list), or a map of forms to texts.
    fn patterns(&mut self, node: &Node, path: &str) -> Vec<Pattern> {
        let mut patterns = Vec::new();
        let groups: Vec<(&str, &Node)> = match &node.value {
            Value::Map(_) => self.fields(node, path, &Pattern::FORMS).entries,
            _ => vec![("equals", node)],
        };
        for (form, node) in groups {
            let path = if matches!(node.value, Value::Map(_)) { join(path, form) } else { path.to_owned() };
            for (line, text) in self.texts(node, &path) {
                match Pattern::parse(form, text) {
                    Ok(pattern) => patterns.push(pattern),
                    Err(error) => {
                        let message = format!("`{text}` cannot be used: {error}");
                        self.problem(line, join(&path, form), message, "correct the pattern");
                    }
                }
            }
        }
        patterns
    }

    fn windows(&mut self, node: &Node, path: &str) -> Vec<Window> {
        let Value::List(items) = &node.value else {
            self.problem(node.line, path, format!("expected a list, found {}", kind(node)), "write a list of windows");
            return Vec::new();
        };
        let keys: Vec<&str> = ["hours", "tiers"].into_iter().chain(KINDS).collect();
        let mut windows: Vec<Window> = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let fields = self.fields(item, &format!("{path}[{index}]"), &keys);
            let card = self.card(&fields);
            let texts = fields.get("hours").map(|node| self.texts(node, &fields.path("hours"))).unwrap_or_default();
            let hours = match Schedule::parse(texts.into_iter().map(|(_, text)| text)) {
                Ok(hours) => hours,
                Err(error) => {
                    self.problem(fields.line, fields.path("hours"), error, "write spans such as `Mon-Fri 01:00-04:00`");
                    continue;
                }
            };
            if let Some(other) = windows.iter().position(|window| window.hours.overlaps(&hours)) {
                let message = format!("the window overlaps with {path}[{other}]");
                self.problem(
                    fields.line,
                    fields.path("hours"),
                    message,
                    "let each minute of the week be in one window",
                );
            }
            windows.push(Window { hours, card });
        }
        windows
    }

    /// Reports exact names that two rows of the file price for the same time. Rows and items are in the same order as
    /// long as no row was refused; where one was, the file has to be corrected first anyway.
    fn duplicates(&mut self, rows: &[Row], items: &[Node]) {
        if !self.problems.is_empty() {
            return;
        }
        let mut seen: HashMap<(&str, &str, Option<Date>), usize> = HashMap::new();
        for ((row, item), index) in rows.iter().zip(items).zip(0usize..) {
            for pattern in &row.matches {
                let Pattern::Equals(name) = pattern else { continue };
                if let Some(line) = seen.insert((&row.provider, name, row.valid_from), item.line)
                    && line != item.line
                {
                    let message = format!("the row of line {line} prices `{name}` for the same time");
                    let path = format!("prices[{index}].match");
                    self.problem(item.line, path, message, "take one out, or give it another `valid_from`");
                }
            }
        }
    }
}
