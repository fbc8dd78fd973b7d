//! What was spent as a document.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

use super::json::{amounts_json, group_json, money_json, shares_json, time_json, tokens_json, zone_name};
use super::{Cell, Column, Document, percent};
use crate::ledger::Measure;
use crate::record::Currency;
use crate::record::money::format_nanos;
use crate::report::cost::{Answer, Group, Question, adjusted, assumed_share};
use crate::report::totals::KINDS;
use crate::report::{By, amounts_text, ratio};
use crate::wording::grouped;

/// What was spent, for people and machines.
#[must_use]
pub fn cost(question: &Question, answer: &Answer) -> Document {
    let currencies: BTreeSet<Currency> = answer.total.figures.costs().into_keys().collect();
    let target = question.target.as_ref().map(|target| target.currency);
    Document {
        title: "Cost".to_owned(),
        columns: columns(question, answer, &currencies),
        rows: answer
            .groups
            .iter()
            .map(|group| {
                let values = question.totals.by.iter().zip(&group.values);
                let values = values.map(|(by, value)| value_cell(by, value, &question.totals.zone)).collect();
                row(values, group, &currencies, target)
            })
            .collect(),
        total: Some(row(super::total_values(question.totals.by.len()), &answer.total, &currencies, target)),
        notes: notes(question, answer),
        empty: "no request in this time".to_owned(),
        json: cost_json(question, answer),
    }
}

/// An hour is shown on the zone's clock.
fn value_cell(by: &By, value: &str, zone: &TimeZone) -> Cell {
    match (by, value.parse::<Timestamp>()) {
        (By::EachHour, Ok(hour)) => {
            let shown = hour.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string();
            Cell::Shown(shown, value.to_owned())
        }
        _ => Cell::Text(value.to_owned()),
    }
}

fn columns(question: &Question, answer: &Answer, currencies: &BTreeSet<Currency>) -> Vec<Column> {
    let mut columns: Vec<Column> = question.totals.by.iter().map(|by| Column::text(by.to_string())).collect();
    let unpriced = if answer.total.figures.count(Measure::UnpricedRequests) > 0 { 2 } else { 6 };
    columns.extend([
        Column::number("requests", "requests", 1),
        Column::number("errors", "errors", 6),
        Column::number("input", "input_tokens", 2),
        Column::number("cache read", "cache_read_tokens", 4),
        Column::number("cache write", "cache_write_tokens", 5),
        Column::number("output", "output_tokens", 2),
        Column::number("reasoning", "reasoning_tokens", 5),
        Column::number("unpriced", "unpriced_requests", unpriced),
        Column::machine("unpriced_tokens"),
        Column::machine("usage_missing_requests"),
        Column::machine("assumed_requests"),
    ]);
    for currency in currencies {
        columns.push(Column::number(currency.as_str(), format!("cost_{currency}"), 0));
        columns.extend(KINDS.map(|(kind, _)| Column::machine(format!("cost_{kind}_{currency}"))));
        columns.push(Column::number(format!("saved {currency}"), format!("cache_savings_{currency}"), 3));
        columns.push(Column::machine(format!("assumed_cost_{currency}")));
    }
    if let Some(target) = &question.target {
        columns.push(Column::number(format!("total {}", target.currency), format!("total_{}", target.currency), 0));
    }
    columns
}

fn row(values: Vec<Cell>, group: &Group, currencies: &BTreeSet<Currency>, target: Option<Currency>) -> Vec<Cell> {
    let figures = &group.figures;
    let tokens = figures.tokens();
    let mut row = values;
    row.extend([
        Cell::Count(figures.requests()),
        Cell::Count(figures.errors()),
        Cell::Count(tokens.input()),
        Cell::Count(tokens.cache_read),
        Cell::Count(tokens.cache_write()),
        Cell::Count(tokens.output()),
        Cell::Count(tokens.reasoning),
        Cell::Count(figures.count(Measure::UnpricedRequests)),
        Cell::Count(figures.count(Measure::UnpricedTokens)),
        Cell::Count(figures.count(Measure::UsageMissing)),
        Cell::Count(figures.count(Measure::AssumedRequests)),
    ]);
    for currency in currencies {
        let money = |measure| Cell::Money(figures.money(measure).get(currency).copied().unwrap_or(0));
        row.push(money(Measure::Cost));
        row.extend(KINDS.map(|(_, measure)| money(measure)));
        row.push(money(Measure::Savings));
        row.push(money(Measure::AssumedCost));
    }
    if target.is_some() {
        row.push(group.converted.total().map_or(Cell::None, Cell::Money));
    }
    row
}

fn notes(question: &Question, answer: &Answer) -> Vec<String> {
    let total = &answer.total.figures;
    let mut notes = vec![format!("cost: {}", amounts_text(&total.costs()))];
    for (currency, cost) in total.money(Measure::Cost) {
        let parts = KINDS.into_iter().filter_map(|(kind, measure)| {
            let amount = total.money(measure).get(&currency).copied()?;
            Some(format!("{} {}", kind.replace('_', " "), percent(ratio(amount, cost))))
        });
        let parts: Vec<String> = parts.collect();
        notes.push(format!("{currency} by kind of token: {}", parts.join(", ")));
    }
    notes.extend(exchange_notes(question, answer));
    if !total.money(Measure::Savings).is_empty() {
        notes.push(format!("cache reads saved {}", amounts_text(&total.money(Measure::Savings))));
    }
    for (currency, share) in assumed_share(total).into_iter().filter(|(_, share)| *share > 0.0) {
        notes
            .push(format!("{} of {currency} rests on an assumed provider, cache time or service tier", percent(share)));
    }
    let unpriced = total.count(Measure::UnpricedRequests);
    if unpriced > 0 {
        notes.push(format!(
            "not in the cost: {} requests ({}) with {} tokens that no price row fits",
            grouped(unpriced),
            percent(ratio(unpriced.into(), total.requests().into())),
            grouped(total.count(Measure::UnpricedTokens))
        ));
    }
    if total.count(Measure::UsageMissing) > 0 {
        let missing = grouped(total.count(Measure::UsageMissing));
        notes.push(format!("not in the cost: {missing} requests without usage in the log"));
    }
    if answer.kept_only {
        notes.push("covers the requests that are kept (retention.requests)".to_owned());
    }
    for (kind, sums) in &answer.adjustments {
        let (requests, cost) = adjusted(sums);
        notes.push(format!("counters of all time differ by {kind}: {requests} requests and {}", amounts_text(&cost)));
    }
    let zone = zone_name(&question.totals.zone);
    notes.push(format!("days and hours of {zone}; amounts in the table are rounded, csv and json are exact"));
    notes
}

fn exchange_notes(question: &Question, answer: &Answer) -> Vec<String> {
    let Some(target) = &question.target else { return Vec::new() };
    let used = answer.rates.iter().map(|used| {
        let rate = &used.rate;
        let nanos = format_nanos(rate.nanos);
        format!("1 {} = {nanos} {} since {}, used for {} to {}", rate.from, rate.to, rate.since, used.first, used.last)
    });
    let missing: Vec<&str> = answer.total.converted.missing.iter().map(Currency::as_str).collect();
    let incomplete = (!missing.is_empty()).then(|| {
        let missing = missing.join(" and ");
        format!("no total in {}: cost.rates has no rate from {missing} for every day", target.currency)
    });
    used.chain(incomplete).collect()
}

/// What was spent, in JSON.
#[must_use]
pub fn cost_json(question: &Question, answer: &Answer) -> Value {
    let asked = &question.totals;
    let groups = answer.groups.iter().map(|group| {
        let mut json = group_figures(question, group);
        json.insert("group".to_owned(), group_json(&asked.by, &group.values));
        Value::Object(json)
    });
    let adjustments = answer.adjustments.iter().map(|(kind, sums)| {
        let (requests, cost) = adjusted(sums);
        (kind.clone(), json!({"requests": i64::try_from(requests).unwrap_or(i64::MAX), "cost": amounts_json(&cost)}))
    });
    json!({
        "by": asked.by.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "since": time_json(asked.since), "until": time_json(asked.until), "timezone": zone_name(&asked.zone),
        "covers": if answer.kept_only { "kept_requests" } else { "all_requests" },
        "groups": groups.collect::<Vec<_>>(), "total": group_figures(question, &answer.total),
        "converted": converted_json(question, answer),
        "adjustments": adjustments.collect::<Map<_, _>>(),
    })
}

fn group_figures(question: &Question, group: &Group) -> Map<String, Value> {
    let figures = &group.figures;
    let kinds: Map<String, Value> =
        KINDS.iter().map(|(kind, measure)| ((*kind).to_owned(), amounts_json(&figures.money(*measure)))).collect();
    let converted = question.target.as_ref().and_then(|target| Some((target.currency, group.converted.total()?)));
    let unpriced = figures.count(Measure::UnpricedRequests);
    let value = json!({
        "cost": amounts_json(&figures.costs()), "kinds": kinds,
        "savings": amounts_json(&figures.money(Measure::Savings)),
        "assumed_cost": amounts_json(&figures.money(Measure::AssumedCost)),
        "assumed_share": shares_json(&assumed_share(figures)),
        "requests": figures.requests(), "errors": figures.errors(), "tokens": tokens_json(&figures.tokens()),
        "unpriced_requests": unpriced, "unpriced_tokens": figures.count(Measure::UnpricedTokens),
        "unpriced_share": ratio(unpriced.into(), figures.requests().into()),
        "assumed_requests": figures.count(Measure::AssumedRequests),
        "usage_missing_requests": figures.count(Measure::UsageMissing),
        "converted": converted.map(|(currency, nanos)| money_json(currency, nanos)),
    });
    if let Value::Object(map) = value { map } else { Map::new() }
}

fn converted_json(question: &Question, answer: &Answer) -> Value {
    let Some(target) = &question.target else { return Value::Null };
    let rates: Vec<Value> = answer
        .rates
        .iter()
        .map(|used| {
            json!({
                "from": used.rate.from.as_str(), "to": used.rate.to.as_str(), "rate": format_nanos(used.rate.nanos),
                "since": used.rate.since.to_string(), "first_day": used.first.to_string(),
                "last_day": used.last.to_string(),
            })
        })
        .collect();
    let missing: Vec<&str> = answer.total.converted.missing.iter().map(Currency::as_str).collect();
    json!({
        "currency": target.currency.as_str(), "total": answer.total.converted.total().map(format_nanos),
        "rates": rates, "missing": missing,
    })
}
