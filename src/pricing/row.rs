//! One row of a price list as plain data, its JSON form, and the id that follows from its content.
//!
//! A row says for which provider and model names it counts, from when on, in which currency, and what a million tokens
//! of each kind cost. Which price of a row counts for a request is decided in `rates`, which row in `table`.

use std::fmt;

use jiff::civil::Date;
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::pattern::Pattern;
use super::price::Price;
use super::schedule::{Schedule, Zone};
use crate::record::{Currency, Micros, ServiceTier, Tokens};
use crate::wording::hex;

/// A kind of token that can have a price of its own. Every token is of exactly one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Input read anew.
    Input,
    /// Input read from the provider's cache; without a price it costs what input costs.
    CacheRead,
    /// Input written to the cache for 5 minutes; without a price it costs what input costs.
    CacheWrite5m,
    /// Input written to the cache for 1 hour; without a price it costs what a 5-minute write costs.
    CacheWrite1h,
    /// Output that the client sees.
    Output,
    /// Output spent on reasoning; without a price it costs what output costs.
    Reasoning,
}

impl Kind {
    /// All kinds, in the order in which they are shown.
    pub const ALL: [Kind; 6] =
        [Kind::Input, Kind::CacheRead, Kind::CacheWrite5m, Kind::CacheWrite1h, Kind::Output, Kind::Reasoning];

    /// Its key in price files and in JSON.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Kind::Input => "input",
            Kind::CacheRead => "cache_read",
            Kind::CacheWrite5m => "cache_write_5m",
            Kind::CacheWrite1h => "cache_write_1h",
            Kind::Output => "output",
            Kind::Reasoning => "reasoning",
        }
    }

    /// The kind whose price counts where this one has none; `None` for those that every row prices.
    #[must_use]
    pub fn fallback(self) -> Option<Kind> {
        match self {
            Kind::Input | Kind::Output => None,
            Kind::CacheRead | Kind::CacheWrite5m => Some(Kind::Input),
            Kind::CacheWrite1h => Some(Kind::CacheWrite5m),
            Kind::Reasoning => Some(Kind::Output),
        }
    }

    /// How many tokens of a request are of this kind.
    #[must_use]
    pub fn of(self, tokens: &Tokens) -> u64 {
        match self {
            Kind::Input => tokens.uncached_input,
            Kind::CacheRead => tokens.cache_read,
            Kind::CacheWrite5m => tokens.cache_write_5m,
            Kind::CacheWrite1h => tokens.cache_write_1h,
            Kind::Output => tokens.visible_output,
            Kind::Reasoning => tokens.reasoning,
        }
    }
}

/// Prices of a million tokens by kind, as far as they are given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prices([Option<Price>; 6]);

impl Prices {
    /// The price of a kind, where one is given.
    #[must_use]
    pub fn get(&self, kind: Kind) -> Option<Price> {
        self.0.get(kind as usize).copied().flatten()
    }

    /// Gives a kind a price.
    pub fn set(&mut self, kind: Kind, price: Price) {
        if let Some(slot) = self.0.get_mut(kind as usize) {
            *slot = Some(price);
        }
    }

    /// Whether no price is given.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }
}

/// Prices of requests whose whole input is above a number of tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tier {
    /// The tier counts for more input than this, cache reads and writes included.
    pub above: u64,
    /// Its prices.
    pub prices: Prices,
}

/// Prices and the context tiers that replace them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Card {
    /// Prices below the first tier.
    pub prices: Prices,
    /// Tiers, thresholds strictly ascending.
    pub tiers: Vec<Tier>,
}

/// Prices that count at certain hours of the week.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// When, in the row's zone.
    pub hours: Schedule,
    /// Prices inside the window; a kind without one keeps the price that it has outside.
    pub card: Card,
}

/// Where a row comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The built-in table.
    Builtin,
    /// `LiteLLM`'s price map.
    LiteLlm,
    /// A user's file, and the line from 1.
    File(String, u32),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Builtin => f.write_str("builtin"),
            Source::LiteLlm => f.write_str("litellm"),
            Source::File(file, line) => write!(f, "{file}:{line}"),
        }
    }
}

impl Source {
    /// The inverse of its display.
    fn parse(text: &str) -> Source {
        match (text, text.rsplit_once(':')) {
            ("builtin", _) => Source::Builtin,
            ("litellm", _) => Source::LiteLlm,
            (_, Some((file, line))) => Source::File(file.to_owned(), line.parse().unwrap_or(0)),
            _ => Source::File(text.to_owned(), 0),
        }
    }
}

/// One row of a price list.
#[derive(Clone, Debug)]
pub struct Row {
    /// The provider in normal form (`super::provider`); empty: the row counts for every provider.
    pub provider: String,
    /// The name under which the model is shown.
    pub model: String,
    /// Names for which the row counts: any of them.
    pub matches: Vec<Pattern>,
    /// Names for which it does not count although a pattern fits.
    pub exclude: Vec<Pattern>,
    /// Whether the exact names also cover themselves with a date at the end (`-20250514`, `@20250514`, `-2025-05-14`).
    pub dated: bool,
    /// Currency of all its prices.
    pub currency: Currency,
    /// Standard prices; input and output are always given.
    pub base: Card,
    /// Prices of other tiers of service, each at most once, never `Unknown` or `Standard`.
    pub variants: Vec<(ServiceTier, Card)>,
    /// Windows that share no minute.
    pub windows: Vec<Window>,
    /// Zone of the windows and of `valid_from`.
    pub zone: Zone,
    /// First day on which the row counts; `None`: always.
    pub valid_from: Option<Date>,
    /// Where it comes from.
    pub source: Source,
    /// What a reader should know about it.
    pub note: String,
}

impl Row {
    /// The first moment at which the row counts.
    #[must_use]
    pub fn starts(&self) -> Micros {
        self.valid_from.map_or(Micros::MIN, |date| self.zone.start_of(date))
    }

    /// An id that follows from everything that decides about a cost: the first 16 bytes of the SHA-256 of the canonical
    /// JSON form, as 32 hexadecimal digits. Where the row was read and its note do not count.
    #[must_use]
    pub fn id(&self) -> String {
        let form = Form { note: None, source: None, ..Form::of(self) };
        let text = serde_json::to_string(&form).unwrap_or_default();
        let digest = Sha256::digest(text.as_bytes());
        hex(digest.get(..16).unwrap_or_default())
    }

    /// The row as one JSON object with the keys of a price file, and `source`.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(&Form::of(self)).unwrap_or_default()
    }

    /// Reads what [`Row::to_json`] wrote.
    ///
    /// # Errors
    /// What is wrong with the text, as for a price file.
    pub fn from_json(text: &str) -> Result<Row, Vec<super::Problem>> {
        #[derive(Deserialize)]
        struct Origin {
            #[serde(default)]
            source: String,
        }
        let source = serde_json::from_str::<Origin>(text).map_or(String::new(), |origin| origin.source);
        // JSON is YAML, and the keys are the same: one reader checks both. Only control characters may stand in JSON's
        // strings (and nowhere else in what was written) that YAML wants escaped.
        let mut yaml = String::with_capacity(text.len());
        for c in text.chars() {
            match c {
                '\u{7f}'..='\u{9f}' => yaml.push_str(&format!("\\u{:04x}", u32::from(c))),
                c => yaml.push(c),
            }
        }
        super::file::parse_row(&yaml, Source::parse(&source))
    }
}

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Form::of(self).serialize(serializer)
    }
}

/// The JSON form: the order of the fields is part of the id.
#[derive(Serialize)]
struct Form<'r> {
    #[serde(skip_serializing_if = "str::is_empty")]
    provider: &'r str,
    model: &'r str,
    #[serde(rename = "match")]
    matches: Names<'r>,
    #[serde(skip_serializing_if = "Names::is_empty")]
    exclude: Names<'r>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dated: bool,
    currency: &'r str,
    #[serde(flatten)]
    base: &'r Card,
    #[serde(skip_serializing_if = "Option::is_none")]
    batch: Option<&'r Card>,
    #[serde(skip_serializing_if = "Option::is_none")]
    flex: Option<&'r Card>,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<&'r Card>,
    #[serde(skip_serializing_if = "<[Window]>::is_empty")]
    windows: &'r [Window],
    #[serde(skip_serializing_if = "Option::is_none")]
    timezone: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    valid_from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
}

impl<'r> Form<'r> {
    fn of(row: &'r Row) -> Form<'r> {
        let variant = |tier| row.variants.iter().find(|(of, _)| *of == tier).map(|(_, card)| card);
        Form {
            provider: &row.provider,
            model: &row.model,
            matches: Names(&row.matches),
            exclude: Names(&row.exclude),
            dated: row.dated,
            currency: row.currency.as_str(),
            base: &row.base,
            batch: variant(ServiceTier::Batch),
            flex: variant(ServiceTier::Flex),
            priority: variant(ServiceTier::Priority),
            windows: &row.windows,
            timezone: (row.zone != Zone::utc()).then_some(row.zone.name()),
            valid_from: row.valid_from.map(|date| date.to_string()),
            note: (!row.note.is_empty()).then_some(&row.note),
            source: Some(row.source.to_string()),
        }
    }
}

/// Patterns by form: `{"equals": […], "prefix": […], …}`.
struct Names<'r>(&'r [Pattern]);

impl Names<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Names<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for form in Pattern::FORMS {
            let names: Vec<&str> = self.0.iter().filter(|pattern| pattern.form() == form).map(Pattern::text).collect();
            if !names.is_empty() {
                map.serialize_entry(form, &names)?;
            }
        }
        map.end()
    }
}

/// Writes the given prices as entries of a map.
fn serialize_prices<M: SerializeMap>(map: &mut M, prices: &Prices) -> Result<(), M::Error> {
    for kind in Kind::ALL {
        if let Some(price) = prices.get(kind) {
            map.serialize_entry(kind.label(), &price.to_string())?;
        }
    }
    Ok(())
}

impl Serialize for Tier {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("above", &self.above)?;
        serialize_prices(&mut map, &self.prices)?;
        map.end()
    }
}

impl Serialize for Card {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        serialize_prices(&mut map, &self.prices)?;
        if !self.tiers.is_empty() {
            map.serialize_entry("tiers", &self.tiers)?;
        }
        map.end()
    }
}

impl Serialize for Window {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("hours", &self.hours.texts())?;
        serialize_prices(&mut map, &self.card.prices)?;
        if !self.card.tiers.is_empty() {
            map.serialize_entry("tiers", &self.card.tiers)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: &str = r#"{"provider":"acme","model":"big","match":{"equals":["big","large"],"prefix":["big-"],"regex":["^b[0-9]+$"]},"exclude":{"contains":["-tts"]},"dated":true,"currency":"CNY","input":"2.5","cache_read":"0.25","output":"10","tiers":[{"above":32000,"input":"5"},{"above":128000,"input":"7","output":"20"}],"batch":{"input":"1.25","tiers":[{"above":32000,"input":"2.5"}]},"windows":[{"hours":["Mon-Fri 01:00-04:00"],"input":"1"}],"timezone":"Asia/Shanghai","valid_from":"2026-03-13","note":"a \"quoted\" 备注: [x]","source":"my/prices.yaml:7"}"#;

    #[test]
    fn a_row_survives_its_json_form() {
        let row = Row::from_json(FULL).unwrap();
        assert_eq!(row.to_json(), FULL);
        assert_eq!(row.source, Source::File("my/prices.yaml".into(), 7));
        assert_eq!(row.zone.name(), "Asia/Shanghai");
        assert_eq!(Row::from_json(&row.to_json()).unwrap().id(), row.id());
    }

    proptest::proptest! {
        #[test]
        fn any_note_survives_the_json_form(note in "\\PC{0,10}.{0,10}[\u{0}-\u{a0}]{0,10}x") {
            let row = Row { note: format!("x{note}"), ..Row::from_json(FULL).unwrap() };
            proptest::prop_assert_eq!(&Row::from_json(&row.to_json()).unwrap().note, &row.note);
        }
    }

    #[test]
    fn the_id_follows_from_what_decides_about_a_cost_and_from_nothing_else() {
        let row = Row::from_json(FULL).unwrap();
        let elsewhere = Row { note: "another".into(), source: Source::Builtin, ..row.clone() };
        assert_eq!(row.id(), elsewhere.id());
        assert_eq!(row.id().len(), 32);
        let mut dearer = row.clone();
        dearer.base.prices.set(Kind::CacheRead, Price::ZERO);
        assert_ne!(row.id(), dearer.id());
        assert_ne!(row.id(), Row { dated: false, ..row.clone() }.id());
        assert_ne!(row.id(), Row { valid_from: None, ..row.clone() }.id());
    }

    #[test]
    fn the_id_does_not_change_between_versions_of_the_program() {
        let row = Row::from_json(r#"{"model":"m","currency":"USD","input":"2.50","output":10}"#).unwrap();
        let canonical = r#"{"model":"m","match":{"equals":["m"]},"currency":"USD","input":"2.5","output":"10"}"#;
        let digest = Sha256::digest(canonical.as_bytes());
        let want: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(row.id(), want);
    }
}
