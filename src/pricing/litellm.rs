//! `LiteLLM`'s price map (`model_prices_and_context_window.json`) becomes rows.
//!
//! Understood per model: the costs per token of input, output, cache reads, cache writes (5 minutes and 1 hour) and
//! reasoning; the same `_above_{N}k_tokens`, `_batches`, `_flex` and `_priority`; `tiered_pricing`; `off_peak_pricing`.
//! Models that are not priced by text tokens (images, audio, search …), and entries whose prices cannot be used, are
//! skipped and counted: a map of a third party with one odd entry is no reason not to start. All prices are US dollars.
//!
//! A cache write that costs 0 beside an input that costs something is the map's way of saying that writes have no price
//! of their own; it is taken so.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::file::SourceRows;
use super::pattern::Pattern;
use super::price::{Per, Price};
use super::problem::Problem;
use super::provider::normalise;
use super::row::{Card, Kind, Prices, Row, Source, Tier, Window};
use super::schedule::{Schedule, Zone, parse_hours};
use crate::record::{Currency, ServiceTier};

/// Largest map that is read, in bytes; today's has 2 MB.
pub const MAX_BYTES: usize = 64 << 20;

const MODES: [&str; 4] = ["chat", "completion", "embedding", "responses"];

/// The map's keys, each before those that it begins.
const COSTS: [(&str, Kind); 6] = [
    ("cache_creation_input_token_cost_above_1hr", Kind::CacheWrite1h),
    ("cache_creation_input_token_cost", Kind::CacheWrite5m),
    ("cache_read_input_token_cost", Kind::CacheRead),
    ("output_cost_per_reasoning_token", Kind::Reasoning),
    ("output_cost_per_token", Kind::Output),
    ("input_cost_per_token", Kind::Input),
];

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// Minutes of a day, from and to; over midnight where the second is not greater.
type Spans = Vec<(u16, u16)>;

type Entry<'t> = BTreeMap<String, &'t RawValue>;

/// Reads the map. `file` is its name in problems.
///
/// # Errors
/// Where the text is no JSON object.
pub fn parse(file: &str, text: &str) -> Result<SourceRows, Vec<Problem>> {
    let problem = |line: usize, message: String| {
        vec![Problem {
            file: file.to_owned(),
            line: u32::try_from(line).unwrap_or(u32::MAX),
            key: String::new(),
            message,
            remedy: "give LiteLLM's model_prices_and_context_window.json as it is published".to_owned(),
        }]
    };
    if text.len() > MAX_BYTES {
        return Err(problem(0, format!("the file has {} bytes; a price map has at most 64 MiB", text.len())));
    }
    let map: Entry<'_> = serde_json::from_str(text).map_err(|error| problem(error.line(), error.to_string()))?;
    let mut found = SourceRows::default();
    let mut resold = Vec::new();
    for (model, entry) in map.iter().filter(|(model, _)| *model != "sample_spec") {
        match serde_json::from_str::<Entry<'_>>(entry.get()).ok().and_then(|entry| row(model, &entry)) {
            // Vertex sells what Gemini's own API sells under the same names, which comes first.
            Some((row, true)) => resold.push(row),
            Some((row, false)) => found.rows.push(row),
            None => found.skipped += 1,
        }
    }
    found.rows.append(&mut resold);
    Ok(found)
}

/// The row of one entry, and whether it is Vertex's.
fn row(model: &str, entry: &Entry<'_>) -> Option<(Row, bool)> {
    let mode = entry.get("mode").map_or("chat", |mode| string(mode));
    if !MODES.contains(&mode) {
        return None;
    }
    let named = entry.get("litellm_provider").map_or("", |provider| string(provider));
    let provider = provider(named);
    // xAI bills the higher tier from the threshold on, not above it.
    let inclusive = u64::from(provider == "x-ai");
    let mut cards = costs(entry, inclusive)?;
    let mut base = cards.remove(&Service::Standard).unwrap_or_default();
    tiered(entry, &mut base)?;
    if base.prices.get(Kind::CacheRead).is_none()
        && let Some(hit) = entry.get("input_cost_per_token_cache_hit")
        && let Some(price) = price(hit)?
    {
        base.prices.set(Kind::CacheRead, price);
    }
    let input = base.prices.get(Kind::Input)?;
    if base.prices.get(Kind::Output).is_none() {
        if mode != "embedding" {
            return None;
        }
        base.prices.set(Kind::Output, Price::ZERO);
    }
    if input > Price::ZERO {
        base = without_free_writes(base);
    }
    let variants = cards
        .into_iter()
        .filter_map(|(service, card)| match service {
            Service::Standard => None,
            Service::Batch => Some((ServiceTier::Batch, card)),
            Service::Flex => Some((ServiceTier::Flex, card)),
            Service::Priority => Some((ServiceTier::Priority, card)),
        })
        .map(|(tier, card)| (tier, if input > Price::ZERO { without_free_writes(card) } else { card }))
        .filter(|(_, card)| !card.prices.is_empty() || !card.tiers.is_empty())
        .collect();
    let mut matches = vec![Pattern::Equals(model.to_ascii_lowercase())];
    if model.starts_with("ft:") {
        matches.push(Pattern::Prefix(format!("{}:", model.to_ascii_lowercase())));
    }
    let bare = model.split_once('/').filter(|(head, _)| normalise(named).starts_with(&normalise(head)));
    let row = Row {
        model: bare.map_or(model, |(_, bare)| bare).to_owned(),
        matches,
        exclude: Vec::new(),
        dated: false,
        currency: Currency::USD,
        base,
        variants,
        windows: off_peak(entry)?.into_iter().collect(),
        zone: Zone::utc(),
        valid_from: None,
        source: Source::LiteLlm,
        note: String::new(),
        provider,
    };
    Some((row, named.starts_with("vertex_ai")))
}

/// The map names some providers more finely than a bill does.
fn provider(named: &str) -> String {
    let name = normalise(named);
    match name.as_str() {
        _ if name.starts_with("vertex-ai") => "google".to_owned(),
        "gemini" => "google".to_owned(),
        "bedrock-converse" => "bedrock".to_owned(),
        "text-completion-openai" => "openai".to_owned(),
        "xai" => "x-ai".to_owned(),
        "moonshot" => "moonshotai".to_owned(),
        _ => name,
    }
}

/// Tiers of service in the map's order of variants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Service {
    Standard,
    Batch,
    Flex,
    Priority,
}

/// All flat costs of an entry, by tier of service; `None` where one cannot be used.
fn costs(entry: &Entry<'_>, inclusive: u64) -> Option<BTreeMap<Service, Card>> {
    let mut cards: BTreeMap<Service, (Prices, BTreeMap<u64, Prices>)> = BTreeMap::new();
    for (key, value) in entry {
        let Some((kind, service, above)) = parse_key(key) else { continue };
        let Some(price) = price(value)? else { continue };
        let (prices, tiers) = cards.entry(service).or_default();
        match above {
            Some(above) => tiers.entry(above.saturating_sub(inclusive)).or_default().set(kind, price),
            None => prices.set(kind, price),
        }
    }
    let card = |(prices, tiers): (Prices, BTreeMap<u64, Prices>)| Card {
        prices,
        tiers: tiers.into_iter().map(|(above, prices)| Tier { above, prices }).collect(),
    };
    Some(cards.into_iter().map(|(service, found)| (service, card(found))).collect())
}

/// Takes a key such as `input_cost_per_token_above_272k_tokens_priority` apart.
fn parse_key(key: &str) -> Option<(Kind, Service, Option<u64>)> {
    let (mut rest, kind) = COSTS.iter().find_map(|(cost, kind)| key.strip_prefix(cost).map(|rest| (rest, *kind)))?;
    let (mut service, mut above) = (Service::Standard, None);
    while !rest.is_empty() {
        if let Some(tail) = rest.strip_prefix("_above_") {
            let (number, tail) = tail.split_once("_tokens")?;
            let (digits, factor) = number.strip_suffix('k').map_or((number, 1), |digits| (digits, 1000));
            above = Some(digits.parse::<u64>().ok()?.checked_mul(factor)?);
            rest = tail;
        } else {
            service = [("_batches", Service::Batch), ("_flex", Service::Flex), ("_priority", Service::Priority)]
                .into_iter()
                .find_map(|(suffix, service)| {
                    let tail = rest.strip_prefix(suffix)?;
                    rest = tail;
                    Some(service)
                })?;
        }
    }
    Some((kind, service, above))
}

/// Adds `tiered_pricing`: the range that begins at 0 gives base prices, each other a tier.
fn tiered(entry: &Entry<'_>, base: &mut Card) -> Option<()> {
    let Some(list) = entry.get("tiered_pricing").filter(|list| list.get() != "null") else { return Some(()) };
    let mut tiers: BTreeMap<u64, Prices> = BTreeMap::new();
    for tier in serde_json::from_str::<Vec<Entry<'_>>>(list.get()).ok()? {
        let range = tier.get("range").and_then(|range| serde_json::from_str::<Vec<&RawValue>>(range.get()).ok())?;
        // Thresholds are written as 32000.0.
        let from: u64 = price_of_million(range.first()?)?.to_string().parse().ok()?;
        let prices = costs(&tier, 0)?.remove(&Service::Standard).unwrap_or_default().prices;
        if from > 0 {
            tiers.insert(from, prices);
            continue;
        }
        for kind in Kind::ALL {
            if let Some(price) = prices.get(kind) {
                base.prices.set(kind, price);
            }
        }
    }
    if !tiers.is_empty() {
        base.tiers = tiers.into_iter().map(|(above, prices)| Tier { above, prices }).collect();
    }
    Some(())
}

/// The window of `off_peak_pricing`; the inner `None` where there is none.
fn off_peak(entry: &Entry<'_>) -> Option<Option<Window>> {
    let Some(block) = entry.get("off_peak_pricing") else { return Some(None) };
    let Ok(block) = serde_json::from_str::<Entry<'_>>(block.get()) else { return Some(None) };
    let prices = costs(&block, 0)?.remove(&Service::Standard).unwrap_or_default().prices;
    let offset = block
        .get("weekday_timezone")
        .and_then(|zone| Zone::parse(string(zone)))
        .and_then(|zone| zone.fixed_offset_minutes())
        .unwrap_or(0);
    let mut rules: Vec<(Spans, [bool; 7])> = Vec::new();
    if let Some(hours) = block.get("hours_utc") {
        rules.push((spans(hours), [true; 7]));
    }
    let windows = block.get("windows").and_then(|list| serde_json::from_str::<Vec<Entry<'_>>>(list.get()).ok());
    for rule in windows.unwrap_or_default() {
        if let Some(hours) = rule.get("hours_utc") {
            rules.push((spans(hours), rule.get("weekdays").map_or([true; 7], |days| weekdays(days))));
        }
    }
    // Hours are UTC, weekdays those of `weekday_timezone` at that moment.
    let hours = Schedule::of_minutes(|minute| {
        let local = (i32::from(minute) + offset).rem_euclid(7 * 24 * 60);
        let day = usize::try_from(local / (24 * 60)).unwrap_or(0);
        let minute = minute % (24 * 60);
        rules.iter().any(|(spans, days)| {
            days.get(day).copied().unwrap_or(false)
                && spans.iter().any(|(from, to)| {
                    if from < to { (*from..*to).contains(&minute) } else { minute >= *from || minute < *to }
                })
        })
    });
    let window = Window { hours, card: Card { prices, tiers: Vec::new() } };
    Some((!window.hours.is_empty() && !window.card.prices.is_empty()).then_some(window))
}

/// `"16:30-00:30"` or a list of such; a span whose ends are equal is the whole day, one that cannot be read is none.
fn spans(value: &RawValue) -> Spans {
    let texts = match serde_json::from_str::<Vec<String>>(value.get()) {
        Ok(texts) => texts,
        Err(_) => vec![string(value).to_owned()],
    };
    texts
        .iter()
        .filter_map(|text| match text.split_once('-') {
            Some((from, to)) if from.trim() == to.trim() => Some((0, 24 * 60)),
            _ => parse_hours(text).ok(),
        })
        .collect()
}

/// Numbers from 1 (Monday) to 7, or names.
fn weekdays(value: &RawValue) -> [bool; 7] {
    let mut days = [false; 7];
    for day in serde_json::from_str::<Vec<&RawValue>>(value.get()).unwrap_or_default() {
        let text = string(day).to_ascii_lowercase();
        let index = match text.parse::<usize>() {
            Ok(number) => number.checked_sub(1),
            Err(_) => DAYS.iter().position(|name| text.starts_with(name)),
        };
        if let Some(chosen) = index.and_then(|index| days.get_mut(index)) {
            *chosen = true;
        }
    }
    days
}

/// A cost per token, from a number's own digits; the inner `None` for null, the outer for what cannot be used.
fn price(value: &RawValue) -> Option<Option<Price>> {
    match string(value) {
        "null" => Some(None),
        text => Price::parse(text, Per::Token).ok().map(Some),
    }
}

/// A plain number, read by the same digits as a price.
fn price_of_million(value: &RawValue) -> Option<Price> {
    Price::parse(string(value), Per::Million).ok()
}

/// Removes cache writes of 0.
fn without_free_writes(mut card: Card) -> Card {
    let strip = |prices: &Prices| {
        let mut kept = Prices::default();
        for kind in Kind::ALL {
            let write = matches!(kind, Kind::CacheWrite5m | Kind::CacheWrite1h);
            if let Some(price) = prices.get(kind).filter(|price| !write || *price > Price::ZERO) {
                kept.set(kind, price);
            }
        }
        kept
    };
    card.prices = strip(&card.prices);
    for tier in &mut card.tiers {
        tier.prices = strip(&tier.prices);
    }
    card
}

/// The text of a JSON scalar without its quotes; escapes do not occur in what is looked up here.
fn string(value: &RawValue) -> &str {
    let text = value.get();
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAP: &str = r#"{
        "sample_spec": {"mode": "one of chat, …", "input_cost_per_token": 0},
        "gpt-x": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 2.5e-06, "output_cost_per_token": 0.000015,
            "cache_read_input_token_cost": "2.5e-07", "input_cost_per_token_above_272k_tokens": 5e-06,
            "output_cost_per_token_above_272k_tokens": 2.25e-05, "input_cost_per_token_priority": 5e-06,
            "input_cost_per_token_above_272k_tokens_priority": 1e-05, "input_cost_per_token_batches": 1.25e-06,
            "output_cost_per_token_flex": null, "input_cost_per_audio_token": 1e-4, "input_cost_per_token_above_272k_tokens_ultrafast": 1},
        "claude-x": {"litellm_provider": "anthropic", "mode": "chat", "input_cost_per_token": 3e-06, "output_cost_per_token": 1.5e-05,
            "cache_creation_input_token_cost": 3.75e-06, "cache_creation_input_token_cost_above_1hr": 6e-06,
            "cache_creation_input_token_cost_above_200k_tokens": 7.5e-06,
            "cache_creation_input_token_cost_above_1hr_above_200k_tokens": 1.2e-05},
        "dashscope/qwen-x": {"litellm_provider": "dashscope", "mode": "chat", "tiered_pricing": [
            {"range": [0, 32000.0], "input_cost_per_token": 1.2e-06, "output_cost_per_token": 6e-06},
            {"range": [32000.0, 128000.0], "input_cost_per_token": 2.4e-06, "output_cost_per_token": 1.2e-05}]},
        "deepseek/deepseek-x": {"litellm_provider": "deepseek", "mode": "chat", "input_cost_per_token": 3e-07,
            "output_cost_per_token": 1.2e-06, "input_cost_per_token_cache_hit": 6e-09, "cache_creation_input_token_cost": 0.0,
            "off_peak_pricing": {"input_cost_per_token": 1.5e-07, "weekday_timezone": "Asia/Shanghai", "windows": [
                {"hours_utc": ["10:00-01:00", "04:00-06:00"], "weekdays": [1, 2, 3, 4, 5]},
                {"hours_utc": "00:00-00:00", "weekdays": ["sat", "sunday"]}]}},
        "xai/grok-x": {"litellm_provider": "xai", "mode": "chat", "input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06,
            "input_cost_per_token_above_200k_tokens": 2e-06},
        "embed-x": {"litellm_provider": "openai", "mode": "embedding", "input_cost_per_token": 2e-08},
        "gemini-x": {"litellm_provider": "vertex_ai-language-models", "mode": "chat", "input_cost_per_token": 9e-06, "output_cost_per_token": 0},
        "gemini/gemini-x": {"litellm_provider": "gemini", "mode": "chat", "input_cost_per_token": 1e-06, "output_cost_per_token": 0},
        "image-x": {"litellm_provider": "openai", "mode": "image_generation", "input_cost_per_token": 1e-06},
        "unknown-cost": {"litellm_provider": "openai", "mode": "chat"},
        "negative": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": -1, "output_cost_per_token": 0},
        "no-object": 7
    }"#;

    fn json(rows: &SourceRows, model: &str) -> String {
        let row = rows.rows.iter().find(|row| row.model == model).unwrap();
        let text = row.to_json();
        text.split_once("\"currency\":\"USD\",").unwrap().1.replace(",\"source\":\"litellm\"}", "")
    }

    #[test]
    fn each_form_of_price_is_understood_exactly() {
        let rows = parse("map.json", MAP).unwrap();
        for (model, want) in [
            (
                "gpt-x",
                r#""input":"2.5","cache_read":"0.25","output":"15","tiers":[{"above":272000,"input":"5","output":"22.5"}],"batch":{"input":"1.25"},"priority":{"input":"5","tiers":[{"above":272000,"input":"10"}]}"#,
            ),
            (
                "claude-x",
                r#""input":"3","cache_write_5m":"3.75","cache_write_1h":"6","output":"15","tiers":[{"above":200000,"cache_write_5m":"7.5","cache_write_1h":"12"}]"#,
            ),
            ("qwen-x", r#""input":"1.2","output":"6","tiers":[{"above":32000,"input":"2.4","output":"12"}]"#),
            ("grok-x", r#""input":"1","output":"2","tiers":[{"above":199999,"input":"2"}]"#),
            ("embed-x", r#""input":"0.02","output":"0""#),
        ] {
            assert_eq!(json(&rows, model), want, "{model}");
        }
        assert_eq!(rows.skipped, 4);
        let first = rows.rows.iter().find(|row| row.model == "gemini-x").unwrap();
        assert_eq!(
            (first.provider.as_str(), first.matches[0].text()),
            ("google", "gemini/gemini-x"),
            "before Vertex's"
        );
    }

    #[test]
    fn off_peak_hours_are_utc_and_their_weekdays_those_of_the_named_zone() {
        let rows = parse("map.json", MAP).unwrap();
        let row = rows.rows.iter().find(|row| row.model == "deepseek-x").unwrap();
        let [window] = row.windows.as_slice() else { panic!("one window") };
        for (moment, want) in [
            ("2026-11-20T02:00:00Z", false),
            ("2026-11-20T05:00:00Z", true),
            ("2026-11-20T11:00:00Z", true),
            ("2026-11-20T16:00:00Z", true),
            ("2026-11-21T02:00:00Z", true),
            ("2026-11-22T15:59:00Z", true),
            ("2026-11-22T16:00:00Z", true),
            ("2026-11-23T01:00:00Z", false),
            ("2026-11-23T09:59:00Z", false),
        ] {
            let micros = moment.parse::<jiff::Timestamp>().unwrap().as_microsecond();
            assert_eq!(window.hours.contains(row.zone.minute_of_week(micros)), want, "{moment}");
        }
    }

    #[test]
    fn what_is_no_map_is_refused_with_its_line() {
        for (text, line) in [("", 1), ("[1]", 1), ("{\n\"a\": {}\n", 3), ("{\"a\": 1e}", 1)] {
            let problems = parse("map.json", text).unwrap_err();
            assert_eq!((problems.len(), problems[0].line), (1, line), "{text:?} {}", problems[0]);
        }
        assert_eq!(parse("map.json", "{}").unwrap().rows.len(), 0);
        let deep = format!("{{\"a\": {}", "[".repeat(100_000));
        assert!(parse("map.json", &deep).is_err());
    }
}
