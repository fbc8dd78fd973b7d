//! Charges in the columns of the FinOps FOCUS specification 1.2: one record for each day, set of attributes and kind of token.
//!
//! What a request costs is a charge at the configured prices: no negotiated price and no commitment is known, so list,
//! contracted, effective and billed cost are the same, and the columns of commitments and capacity are left out, as the
//! specification allows where a provider has neither. `InvoiceId` is empty, because no charge here is known to be on an
//! invoice. Columns, their values and where they may be empty follow
//! <https://github.com/FinOps-Open-Cost-and-Usage-Spec/FOCUS_Spec/tree/v1.2/specification/columns> and the FinOps
//! Foundation's own requirements model of 1.2 (<https://pypi.org/project/focus-validator/>). Unit prices are the mean of the day, because tiers and hours of the day may differ
//! between requests. Usage that no price row fits is no charge of 0 and has no record: the report of cost says how much it is.

use std::collections::BTreeMap;
use std::io::Write;
use std::ops::ControlFlow;

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _, Zoned};
use serde_json::{Map, Value};

use super::{Datum, Error, Format, Table};
use crate::ledger::{Measure, Measures, Moment, RequestFilter, Step, SumQuestion};
use crate::record::money::div_half_even;
use crate::record::{Attributes, Currency, Micros};

/// The columns in the order of their names, our own (`x_…`) behind them.
pub const COLUMNS: [&str; 50] = [
    "BilledCost",
    "BillingAccountId",
    "BillingAccountName",
    "BillingAccountType",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargeFrequency",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "ConsumedQuantity",
    "ConsumedUnit",
    "ContractedCost",
    "ContractedUnitPrice",
    "EffectiveCost",
    "InvoiceId",
    "InvoiceIssuerName",
    "ListCost",
    "ListUnitPrice",
    "PricingCategory",
    "PricingCurrency",
    "PricingCurrencyContractedUnitPrice",
    "PricingCurrencyEffectiveCost",
    "PricingCurrencyListUnitPrice",
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "PublisherName",
    "RegionId",
    "RegionName",
    "ResourceId",
    "ResourceName",
    "ResourceType",
    "ServiceCategory",
    "ServiceName",
    "ServiceSubcategory",
    "SkuId",
    "SkuMeter",
    "SkuPriceDetails",
    "SkuPriceId",
    "SubAccountId",
    "SubAccountName",
    "SubAccountType",
    "Tags",
    "x_Gateway",
    "x_Model",
    "x_TokenKind",
];

/// A kind of token with what it cost.
struct Kind {
    label: &'static str,
    meter: &'static str,
    tokens: &'static [Measure],
    cost: Measure,
}

const KINDS: [Kind; 6] = [
    Kind {
        label: "uncached_input",
        meter: "Input Tokens",
        tokens: &[Measure::UncachedInput],
        cost: Measure::CostInput,
    },
    Kind {
        label: "cache_read",
        meter: "Cached Input Tokens",
        tokens: &[Measure::CacheRead],
        cost: Measure::CostCacheRead,
    },
    Kind {
        label: "cache_write",
        meter: "Cache Write Tokens",
        tokens: &[Measure::CacheWrite5m, Measure::CacheWrite1h],
        cost: Measure::CostCacheWrite,
    },
    Kind { label: "output", meter: "Output Tokens", tokens: &[Measure::VisibleOutput], cost: Measure::CostOutput },
    Kind { label: "reasoning", meter: "Reasoning Tokens", tokens: &[Measure::Reasoning], cost: Measure::CostReasoning },
    // No count of tokens explains it: it is charged by request.
    Kind { label: "other", meter: "Requests", tokens: &[], cost: Measure::CostOther },
];

/// A day with its month, as moments of UTC.
struct Day {
    start: Micros,
    end: Micros,
    month_start: Micros,
    month_end: Micros,
}

impl Day {
    fn of(day: &Zoned) -> Option<Day> {
        let month = day.first_of_month().ok()?.start_of_day().ok()?;
        let micros = |zoned: &Zoned| zoned.timestamp().as_microsecond();
        Some(Day {
            start: micros(day),
            end: micros(&day.checked_add(1.day()).ok()?.start_of_day().ok()?),
            month_start: micros(&month),
            month_end: micros(&month.checked_add(1.month()).ok()?.start_of_day().ok()?),
        })
    }
}

/// Writes the charges of every request that fits. The filter's times are cut into days of the zone. `progress` is told how
/// many there were so far and may end it.
///
/// # Errors
/// The ledger cannot be read, or the bytes cannot be written.
pub fn focus<W: Write>(
    moment: &Moment,
    filter: &RequestFilter,
    zone: &TimeZone,
    format: Format,
    out: W,
    mut progress: impl FnMut(u64) -> ControlFlow<()>,
) -> Result<u64, Error> {
    let mut table = Table::begin(out, format, COLUMNS.iter().map(|name| (*name).to_owned()).collect())?;
    let Some((first, last)) = moment.span()? else { return Ok(table.finish()?) };
    let since = filter.since.unwrap_or(i64::MIN).max(first);
    let until = filter.until.unwrap_or(i64::MAX).min(last);
    let start = Timestamp::from_microsecond(since).ok().and_then(|at| at.to_zoned(zone.clone()).start_of_day().ok());
    let mut next = start;
    while let Some(day) = next.take().and_then(|day| Day::of(&day)) {
        if day.start >= until {
            break;
        }
        for (attributes, cells) in charges(moment, filter, zone, (day.start.max(since), day.end.min(until)))? {
            let attributes = Attributes::unpack(&attributes);
            for (currency, sums) in cells {
                for kind in &KINDS {
                    if let Some(record) = record(&day, &attributes, currency, &sums, kind) {
                        table.row(record)?;
                    }
                }
            }
        }
        if progress(table.rows).is_break() {
            break;
        }
        next = Timestamp::from_microsecond(day.end).ok().map(|at| at.to_zoned(zone.clone()));
    }
    Ok(table.finish()?)
}

/// What was charged in a stretch of time, by packed attributes and currency.
type Charges = BTreeMap<Vec<u8>, BTreeMap<Currency, Measures>>;

fn charges(
    moment: &Moment,
    filter: &RequestFilter,
    zone: &TimeZone,
    (since, until): (Micros, Micros),
) -> Result<Charges, Error> {
    let filter = RequestFilter { since: Some(since), until: Some(until), ..filter.clone() };
    let question = SumQuestion {
        filter,
        step: Step::Whole,
        zone: zone.clone(),
        by_user: false,
        only_users: None,
        only: None,
        kinds: true,
    };
    let mut known: Vec<Vec<u8>> = Vec::new();
    let group = |attributes: &Attributes| {
        known.push(attributes.packed());
        u32::try_from(known.len() - 1).unwrap_or(u32::MAX)
    };
    let sums = moment.sums(&question, group, |_| 0)?;
    let mut charges = Charges::new();
    for (key, measures) in sums {
        let (Some(currency), Some(attributes)) = (key.currency, known.get(key.group as usize)) else { continue };
        charges.entry(attributes.clone()).or_default().entry(currency).or_default().add(&measures);
    }
    Ok(charges)
}

fn record(day: &Day, attributes: &Attributes, currency: Currency, sums: &Measures, kind: &Kind) -> Option<Vec<Datum>> {
    let cost = i128::from(sums.get(kind.cost));
    let is_counted = !kind.tokens.is_empty();
    let tokens: i64 = kind.tokens.iter().map(|measure| sums.get(*measure)).sum();
    let quantity = i128::from(if is_counted { tokens } else { sums.get(Measure::Requests) });
    if cost == 0 && (quantity == 0 || !is_counted) {
        return None;
    }
    // A million tokens is the pricing unit: their count in millionths. Requests are priced one by one.
    let priced = if is_counted { quantity * 1_000 } else { quantity * 1_000_000_000 };
    let per = if is_counted { 1_000_000 } else { 1 };
    let unit_price = if quantity > 0 { Datum::Decimal(div_half_even(cost * per, quantity)) } else { Datum::Null };
    let unit = if is_counted { "Tokens" } else { "Requests" };
    let pricing_unit = if is_counted { "1000000 Tokens" } else { "Requests" };
    let or = |text: &str, instead: &str| Datum::Text(if text.is_empty() { instead } else { text }.to_owned());
    let text = |text: &str| Datum::Text(text.to_owned());
    let provider = || or(&attributes.provider, "Unknown");
    let account = if attributes.upstream.is_empty() { &attributes.gateway } else { &attributes.upstream };
    let code = || text(currency.as_str());
    let sku = format!("{}/{}", attributes.provider, attributes.model);
    let charge = || Datum::Decimal(cost);
    let mut record = vec![
        charge(),
        text(account),
        text(account),
        text(if attributes.upstream.is_empty() { "Gateway" } else { "Upstream Account" }),
        code(),
        Datum::time(day.month_end),
        Datum::time(day.month_start),
        text("Usage"),
        Datum::Null,
        Datum::Text(format!("{}: {}", attributes.model, kind.meter)),
        text("Usage-Based"),
        Datum::time(day.end),
        Datum::time(day.start),
        Datum::Count(u64::try_from(quantity).unwrap_or(0)),
        text(unit),
        charge(),
        unit_price.clone(),
        charge(),
        Datum::Null,
        provider(),
        charge(),
        unit_price.clone(),
        text("Standard"),
        code(),
        unit_price.clone(),
        charge(),
        unit_price,
        Datum::Decimal(priced),
        text(pricing_unit),
        provider(),
        provider(),
        Datum::Null,
        Datum::Null,
        Datum::text(&attributes.route),
        Datum::text(&attributes.route),
    ];
    record.push(if attributes.route.is_empty() { Datum::Null } else { text("Gateway Route") });
    record.extend([
        text("AI and Machine Learning"),
        provider(),
        text("Generative AI"),
        text(&sku),
        text(kind.meter),
        Datum::Null,
        Datum::Text(format!("{sku}/{}", kind.label)),
        Datum::text(&attributes.consumer),
        Datum::text(&attributes.consumer),
        if attributes.consumer.is_empty() { Datum::Null } else { text("Consumer") },
        tags(attributes),
        Datum::text(&attributes.gateway),
        Datum::text(&attributes.model),
        text(kind.label),
    ]);
    Some(record)
}

/// The user's own dimensions, and who asked, as FOCUS has tags: a JSON object of keys and values.
fn tags(attributes: &Attributes) -> Datum {
    let mut tags = Map::new();
    let fixed = [
        ("gateway", attributes.gateway.as_str()),
        ("route", &attributes.route),
        ("consumer", &attributes.consumer),
        ("mode", attributes.mode.label()),
    ];
    let own = attributes.dimensions.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    for (name, value) in fixed.into_iter().chain(own).filter(|(_, value)| !value.is_empty()) {
        tags.insert(name.to_owned(), Value::from(value));
    }
    if tags.is_empty() { Datum::Null } else { Datum::Json(Value::Object(tags)) }
}
