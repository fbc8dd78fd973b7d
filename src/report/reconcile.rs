//! An invoice beside the ledger: the gap of each model, taken apart by cause, to the nano-unit.
//!
//! gap = invoice − ledger. Causes are tried in a fixed order, each takes at most what is left of the gap, and the rest is told
//! as such, so that they always add up. What a cause can explain is an estimate, and its evidence says from what:
//!
//! 1. time zone: the invoice's days fit those of another zone clearly better, whatever its prices; exact, from the
//!    ledger's own requests;
//! 2. unpriced: the share of the model's tokens that no price row fits, of the invoice's amount;
//! 3. disconnects: requests that were cut before usage was logged, each at the model's mean cost;
//! 4. usage missing: other requests without usage, at the model's mean cost;
//! 5. tier: at most the cost that rests on an assumed tier of service;
//! 6. rate: the invoice's price of a token against ours, or a factor that is the same on every day.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::exchange::{Converted, Target};
use super::invoice::Line;
use super::outlook::first_moment;
use crate::ledger::{Error, Moment, RequestFilter};
use crate::record::money::{div_half_even, format_nanos};
use crate::record::{Assumed, Currency, ErrorReason, Micros, Outcome};
use crate::session::usage::Period;
use crate::wording::grouped;

/// Zones whose days invoices are often cut by.
const ZONES: [&str; 3] = ["UTC", "America/Los_Angeles", "Asia/Shanghai"];
/// How much smaller the distance of days must be for another zone, in per cent.
const ZONE_PERCENT: i128 = 50;
/// Days that an invoice must have for its zone to be told: of one or two, any may fit by chance.
const ZONE_DAYS: usize = 3;
/// Days that must show the same factor.
const RATE_DAYS: usize = 3;
/// By how much their factors may differ, in per mille.
const RATE_PERMILLE: i128 = 5;

/// Why an invoice and the ledger differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// Other borders of days.
    TimeZone,
    /// Tokens without a price row.
    Unpriced,
    /// Requests that were cut off.
    Disconnects,
    /// Requests without usage in the log.
    UsageMissing,
    /// A tier of service that was assumed.
    Tier,
    /// Another price of a token.
    Rate,
    /// What nothing explains.
    Rest,
}

impl Cause {
    /// The name that users see.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Cause::TimeZone => "time_zone",
            Cause::Unpriced => "unpriced",
            Cause::Disconnects => "disconnects",
            Cause::UsageMissing => "usage_missing",
            Cause::Tier => "tier_assumed",
            Cause::Rate => "rate",
            Cause::Rest => "rest",
        }
    }
}

/// A part of a gap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Why.
    pub cause: Cause,
    /// How much of the gap, in nano-units.
    pub nanos: i128,
    /// From what it was estimated.
    pub evidence: String,
}

/// A model on both sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelGap {
    /// The model as the ledger calls it, else as the invoice does; empty where the invoice tells none apart.
    pub model: String,
    /// What the invoice says.
    pub invoice: i128,
    /// What the ledger says, in the invoice's days.
    pub ledger: i128,
    /// The gap, taken apart.
    pub parts: Vec<Part>,
}

/// An invoice of one currency beside the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reconciled {
    /// The currency.
    pub currency: Currency,
    /// First day of the invoice.
    pub first: Date,
    /// Last day.
    pub last: Date,
    /// The zone whose days fit the invoice.
    pub zone: String,
    /// Sum of the invoice.
    pub invoice: i128,
    /// Sum of the ledger by the days of the asked zone.
    pub ledger: i128,
    /// Currencies of the ledger that no configured rate converts: their cost is not in it.
    pub missing: BTreeSet<Currency>,
    /// What other borders of days explain.
    pub zone_part: Option<Part>,
    /// By model, those with the largest gap first.
    pub models: Vec<ModelGap>,
}

impl Reconciled {
    /// Invoice − ledger.
    #[must_use]
    pub fn gap(&self) -> i128 {
        self.invoice - self.ledger
    }

    /// The gap by cause, without zeros; it adds up.
    #[must_use]
    pub fn by_cause(&self) -> BTreeMap<Cause, i128> {
        let mut causes = BTreeMap::new();
        let parts = self.models.iter().flat_map(|model| &model.parts).chain(&self.zone_part);
        for part in parts {
            *causes.entry(part.cause).or_insert(0) += part.nanos;
        }
        causes.retain(|_, nanos| *nanos != 0);
        causes
    }
}

/// What the ledger knows of a model.
#[derive(Clone, Debug, Default)]
struct Facts {
    by_day: BTreeMap<Date, Converted>,
    priced_requests: i128,
    tokens: i128,
    unpriced_tokens: i128,
    disconnects: i128,
    missing: i128,
    tier: Converted,
}

impl Facts {
    fn cost(&self) -> i128 {
        self.by_day.values().map(known).sum()
    }
}

/// What could be converted.
fn known(cost: &Converted) -> i128 {
    cost.known()
}

/// Facts by model for each zone.
type ByZone = Vec<(String, TimeZone, BTreeMap<String, Facts>)>;

/// Compares the lines of one currency with the ledger's requests of those days.
///
/// # Errors
/// The ledger cannot be read.
pub fn reconcile(
    moment: &Moment,
    lines: &[Line],
    zone: &TimeZone,
    target: &Target,
    filter: &RequestFilter,
) -> Result<Option<Reconciled>, Error> {
    let lines: Vec<&Line> = lines.iter().filter(|line| line.currency == target.currency).collect();
    let days = lines.iter().map(|line| line.day);
    let (Some(first), Some(last)) = (days.clone().min(), days.max()) else { return Ok(None) };
    let by_model = lines.iter().any(|line| !line.model.is_empty());
    let mut zones: ByZone = vec![(super::document::zone_name(zone), zone.clone(), BTreeMap::new())];
    for name in ZONES {
        if let Ok(other) = TimeZone::get(name)
            && zones.iter().all(|(known, ..)| known != name)
        {
            zones.push((name.to_owned(), other, BTreeMap::new()));
        }
    }
    read(moment, &mut zones, (first, last), target, filter, by_model)?;

    let mut of_days: BTreeMap<Date, i128> = BTreeMap::new();
    for line in &lines {
        *of_days.entry(line.day).or_default() += line.nanos;
    }
    let texts: BTreeSet<&str> = lines.iter().map(|line| line.model.as_str()).collect();
    // Which days fit is told by the models that the invoice names: others may be another provider's.
    let distance = |facts: &BTreeMap<String, Facts>| -> i128 {
        let named: BTreeSet<&String> = texts.iter().filter_map(|text| meant(text, facts.keys())).collect();
        let mut ours: BTreeMap<Date, i128> = BTreeMap::new();
        for (_, facts) in facts.iter().filter(|(model, _)| named.contains(model)) {
            for (day, cost) in &facts.by_day {
                *ours.entry(*day).or_default() += known(cost);
            }
        }
        misfit(&of_days, &ours)
    };
    let total = |facts: &BTreeMap<String, Facts>| -> i128 { facts.values().map(Facts::cost).sum() };
    let (Some(own), best) = (zones.first(), zones.iter().min_by_key(|(_, _, facts)| distance(facts))) else {
        return Ok(None);
    };
    let is_better = |facts| distance(facts).saturating_mul(100) < distance(&own.2).saturating_mul(ZONE_PERCENT);
    let best = best.filter(|(_, _, facts)| of_days.len() >= ZONE_DAYS && is_better(facts)).unwrap_or(own);
    let zone_part = (best.0 != own.0).then(|| Part {
        cause: Cause::TimeZone,
        nanos: total(&best.2) - total(&own.2),
        evidence: format!("its days are those of {}, not of {}", best.0, own.0),
    });
    let missing =
        best.2.values().flat_map(|facts| facts.by_day.values()).flat_map(|cost| cost.missing.clone()).collect();
    Ok(Some(Reconciled {
        currency: target.currency,
        first,
        last,
        zone: best.0.clone(),
        invoice: lines.iter().map(|line| line.nanos).sum(),
        ledger: total(&own.2),
        missing,
        zone_part,
        models: gaps(&lines, best.2.clone()),
    }))
}

/// How much of an invoice stands on other days than in the ledger, whatever the prices: the ledger's days are first brought to
/// the invoice's sum.
fn misfit(theirs: &BTreeMap<Date, i128>, ours: &BTreeMap<Date, i128>) -> i128 {
    let (invoice, ledger): (i128, i128) = (theirs.values().sum(), ours.values().sum());
    if invoice <= 0 || ledger <= 0 {
        return i128::MAX;
    }
    let of = |days: &BTreeMap<Date, i128>, day: &Date| days.get(day).copied().unwrap_or(0);
    let days: BTreeSet<&Date> = theirs.keys().chain(ours.keys()).collect();
    let apart =
        |day: &Date| of(theirs, day).saturating_mul(ledger).saturating_sub(of(ours, day).saturating_mul(invoice));
    days.into_iter().fold(0_i128, |sum, day| sum.saturating_add(apart(day).saturating_abs() / ledger))
}

/// Reads what the ledger knows of the days of each zone.
fn read(
    moment: &Moment,
    zones: &mut ByZone,
    (first, last): (Date, Date),
    target: &Target,
    filter: &RequestFilter,
    by_model: bool,
) -> Result<(), Error> {
    let bounds = |zone: &TimeZone| Some((first_moment(first, zone)?, first_moment(last.tomorrow().ok()?, zone)?));
    let all: Vec<(Micros, Micros)> = zones.iter().filter_map(|(_, zone, _)| bounds(zone)).collect();
    let filter = RequestFilter {
        since: all.iter().map(|(since, _)| *since).min(),
        until: all.iter().map(|(_, until)| *until).max(),
        ..filter.clone()
    };
    moment.each_request(&filter, 0, |stored| -> Result<ControlFlow<()>, Error> {
        let row = &stored.row;
        let attributes = moment.attributes(row.attributes)?;
        let model = if by_model { attributes.model.as_str() } else { "" };
        for (_, zone, facts) in zones.iter_mut() {
            let day = Period::Day.of(row.start, zone).first;
            if !(first..=last).contains(&day) {
                continue;
            }
            if !facts.contains_key(model) {
                facts.insert(model.to_owned(), Facts::default());
            }
            let Some(facts) = facts.get_mut(model) else { continue };
            let tokens = i128::from(row.tokens.total());
            facts.tokens += tokens;
            facts.unpriced_tokens += if row.unpriced { tokens } else { 0 };
            let is_cut = row.outcome == Outcome::Error(ErrorReason::Disconnect) && !row.counted;
            facts.disconnects += i128::from(is_cut);
            facts.missing += i128::from(row.usage_missing && !is_cut);
            if let Some(cost) = row.cost {
                facts.priced_requests += 1;
                let nanos = i128::from(cost.nanos);
                facts.by_day.entry(day).or_default().add(target, day, cost.currency, nanos);
                if row.assumed.contains(Assumed::SERVICE_TIER) {
                    facts.tier.add(target, day, cost.currency, nanos);
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    })
}

/// A model's name for comparison: lower case, without what stands before a slash.
fn bare(model: &str) -> String {
    model.rsplit('/').next().unwrap_or(model).trim().to_lowercase()
}

/// The ledger's model that an invoice's text means: the same, else the longest that one of them contains.
fn meant<'a>(text: &str, models: impl Iterator<Item = &'a String> + Clone) -> Option<&'a String> {
    let text = bare(text);
    models.clone().find(|model| bare(model) == text).or_else(|| {
        let near = models.filter(|model| {
            let model = bare(model);
            !model.is_empty() && !text.is_empty() && (text.contains(&model) || model.contains(&text))
        });
        near.max_by_key(|model| model.len())
    })
}

fn gaps(lines: &[&Line], mut facts: BTreeMap<String, Facts>) -> Vec<ModelGap> {
    let mut invoiced: BTreeMap<String, (i128, i128, BTreeMap<Date, i128>)> = BTreeMap::new();
    for line in lines {
        let model = meant(&line.model, facts.keys()).cloned().unwrap_or_else(|| line.model.clone());
        let (nanos, tokens, days) = invoiced.entry(model).or_default();
        *nanos += line.nanos;
        *tokens += i128::from(line.tokens.unwrap_or(0));
        *days.entry(line.day).or_default() += line.nanos;
    }
    for model in facts.keys() {
        invoiced.entry(model.clone()).or_default();
    }
    let mut gaps: Vec<ModelGap> = Vec::new();
    for (model, (invoice, tokens, days)) in invoiced {
        let facts = facts.remove(&model).unwrap_or_default();
        let ledger = facts.cost();
        if invoice == 0 && ledger == 0 {
            continue;
        }
        gaps.push(ModelGap { parts: parts(invoice, tokens, &days, &facts), model, invoice, ledger });
    }
    gaps.sort_by_key(|gap| (std::cmp::Reverse((gap.invoice - gap.ledger).abs()), gap.model.clone()));
    gaps
}

/// Takes a model's gap apart.
fn parts(invoice: i128, invoiced_tokens: i128, days: &BTreeMap<Date, i128>, facts: &Facts) -> Vec<Part> {
    let ledger = facts.cost();
    let mut left = invoice - ledger;
    let mut parts = Vec::new();
    let mut take = |left: &mut i128, cause: Cause, least: i128, most: i128, evidence: String| {
        let nanos = (*left).clamp(least, most);
        if nanos != 0 {
            *left -= nanos;
            parts.push(Part { cause, nanos, evidence });
        }
    };
    if facts.unpriced_tokens > 0 {
        let most = div_half_even(invoice.max(0) * facts.unpriced_tokens, facts.tokens);
        let evidence =
            format!("{} of {} tokens fit no price row", grouped(facts.unpriced_tokens), grouped(facts.tokens));
        take(&mut left, Cause::Unpriced, 0, most, evidence);
    }
    let mean = if facts.priced_requests > 0 { div_half_even(ledger, facts.priced_requests) } else { 0 };
    for (cause, count, what) in [
        (Cause::Disconnects, facts.disconnects, "requests were cut before usage was logged"),
        (Cause::UsageMissing, facts.missing, "requests have no usage in the log"),
    ] {
        if count > 0 {
            let evidence = format!("{} {what}, at a mean of {} each", grouped(count), format_nanos(mean));
            take(&mut left, cause, 0, mean * count, evidence);
        }
    }
    let tier = known(&facts.tier);
    if tier > 0 {
        let evidence = format!("{} rests on an assumed tier of service", format_nanos(tier));
        take(&mut left, Cause::Tier, -tier, tier, evidence);
    }
    if left != 0
        && let Some((least, most, evidence)) = rate(invoice, invoiced_tokens, days, facts)
    {
        take(&mut left, Cause::Rate, least, most, evidence);
    }
    let evidence = if facts.tokens == 0 && facts.priced_requests == 0 {
        "the ledger has no request of it in these days".to_owned()
    } else if invoice == 0 {
        "the invoice has no line of it".to_owned()
    } else {
        "nothing that is known explains it".to_owned()
    };
    let all = left;
    take(&mut left, Cause::Rest, all.min(0), all.max(0), evidence);
    parts
}

/// What another price of a token can explain: the least and the most, and why.
fn rate(
    invoice: i128,
    invoiced_tokens: i128,
    days: &BTreeMap<Date, i128>,
    facts: &Facts,
) -> Option<(i128, i128, String)> {
    let ledger = facts.cost();
    let priced = facts.tokens - facts.unpriced_tokens;
    if invoiced_tokens > 0 && priced > 0 {
        let (theirs, ours) = (invoice * 1_000_000 / invoiced_tokens, ledger * 1_000_000 / priced);
        let effect = div_half_even((theirs - ours) * invoiced_tokens, 1_000_000);
        let evidence = format!(
            "a million tokens cost {} on the invoice and {} in the ledger",
            format_nanos(theirs),
            format_nanos(ours)
        );
        return Some((effect.min(0), effect.max(0), evidence));
    }
    // The same factor every day is no chance.
    let factors: Vec<i128> = days
        .iter()
        .filter_map(|(day, nanos)| {
            let ours = facts.by_day.get(day).map(known).filter(|ours| *ours > 0)?;
            Some(nanos * 1_000_000 / ours)
        })
        .collect();
    let (least, most) = (factors.iter().min()?, factors.iter().max()?);
    if factors.len() < RATE_DAYS || (most - least) * 1_000 > RATE_PERMILLE * most.abs() {
        return None;
    }
    let gap = invoice - ledger;
    let evidence =
        format!("on each of {} days it is {} times the ledger's cost", factors.len(), format_nanos(most * 1_000));
    Some((gap.min(0), gap.max(0), evidence))
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn target() -> Target {
        Target { currency: Currency::USD, rates: Vec::new() }
    }

    fn facts(days: &[i128]) -> Facts {
        let mut facts = Facts { priced_requests: 10, tokens: 1_000, ..Facts::default() };
        for (index, nanos) in (1_i8..).zip(days) {
            let day = date(2026, 11, index);
            facts.by_day.entry(day).or_default().add(&target(), day, Currency::USD, *nanos);
        }
        facts
    }

    fn line(day: i8, model: &str, nanos: i128) -> Line {
        Line {
            line: 2,
            day: date(2026, 11, day),
            model: model.to_owned(),
            currency: Currency::USD,
            nanos,
            tokens: None,
        }
    }

    fn of(lines: &[Line], ledger: &[(&str, Facts)]) -> Vec<(String, Vec<(&'static str, i128)>)> {
        let lines: Vec<&Line> = lines.iter().collect();
        let facts = ledger.iter().map(|(model, facts)| ((*model).to_owned(), facts.clone())).collect();
        let gaps = gaps(&lines, facts);
        for gap in &gaps {
            let sum: i128 = gap.parts.iter().map(|part| part.nanos).sum();
            assert_eq!(sum, gap.invoice - gap.ledger, "{gap:?}");
        }
        let parts = |gap: &ModelGap| gap.parts.iter().map(|part| (part.cause.label(), part.nanos)).collect();
        gaps.iter().map(|gap| (gap.model.clone(), parts(gap))).collect()
    }

    #[test]
    fn each_cause_takes_what_it_can_explain_and_the_rest_is_told() {
        let cut = Facts { disconnects: 2, missing: 1, ..facts(&[500, 500]) };
        assert_eq!(
            of(&[line(1, "m", 800), line(2, "m", 600)], &[("m", cut)]),
            [("m".to_owned(), vec![("disconnects", 200), ("usage_missing", 100), ("rest", 100)])]
        );
        let unpriced = Facts { unpriced_tokens: 250, ..facts(&[750]) };
        assert_eq!(of(&[line(1, "m", 1_000)], &[("m", unpriced)]), [("m".to_owned(), vec![("unpriced", 250)])]);
        let mut batch = facts(&[1_000]);
        batch.tier.add(&target(), date(2026, 11, 1), Currency::USD, 600);
        assert_eq!(
            of(&[line(1, "m", 300)], &[("m", batch)]),
            [("m".to_owned(), vec![("tier_assumed", -600), ("rest", -100)])]
        );
    }

    #[test]
    fn a_factor_that_is_the_same_every_day_is_a_rate() {
        let lines = [line(1, "m", 110), line(2, "m", 220), line(3, "m", 330)];
        assert_eq!(of(&lines, &[("m", facts(&[100, 200, 300]))]), [("m".to_owned(), vec![("rate", 60)])]);
        assert_eq!(of(&lines, &[("m", facts(&[110, 200, 290]))]), [("m".to_owned(), vec![("rest", 60)])]);
    }

    #[test]
    fn the_price_of_a_token_tells_a_rate_from_a_volume() {
        let counted = Line { tokens: Some(1_500), ..line(1, "m", 3_000) };
        // 2 a token against 1: of 2,000 more, 1,500 are the price, the others the 500 tokens that the ledger has not seen.
        assert_eq!(of(&[counted], &[("m", facts(&[1_000]))]), [("m".to_owned(), vec![("rate", 1_500), ("rest", 500)])]);
    }

    #[test]
    fn a_model_is_known_by_its_name_in_the_invoices_text() {
        let ledger = [("gpt-4o", facts(&[100])), ("gpt-4o-mini", facts(&[10]))];
        let lines =
            [line(1, "OpenAI/GPT-4o-mini-2024-07-18, input", 10), line(1, "gpt-4o", 100), line(1, "whisper", 5)];
        assert_eq!(
            of(&lines, &ledger),
            [
                ("whisper".to_owned(), vec![("rest", 5)]),
                ("gpt-4o".to_owned(), vec![]),
                ("gpt-4o-mini".to_owned(), vec![]),
            ]
        );
    }
}
