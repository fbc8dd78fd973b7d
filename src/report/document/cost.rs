//! What was spent as a document.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::json::{
    amounts_json, group_json, money_json, shares_json, time_json, tokens_json, zone_name,
};
use super::{Cell, Column, Document, percent, rounded};
use crate::ledger::Measure;
use crate::record::Currency;
use crate::record::money::format_nanos;
use crate::report::By;
use crate::report::cost::{Answer, Question, Source};
use crate::report::figures::{Amounts, CostKind, Figures, amounts_text, ratio};
use crate::wording::grouped;

/// What was spent, for people and machines.
#[must_use]
pub fn cost(question: &Question, answer: &Answer) -> Document {
    let currencies: BTreeSet<Currency> = answer.total.cost().into_keys().collect();
    let target = question.target.as_ref().map(|target| target.currency);
    Document {
        title: "Cost".to_owned(),
        columns: columns(question, answer, &currencies),
        rows: answer
            .groups
            .iter()
            .map(|(values, figures)| {
                let values = question.by.iter().zip(values).map(|(by, value)| value_cell(by, value)).collect();
                row(values, figures, &currencies, target)
            })
            .collect(),
        total: Some(row(super::total_values(question.by.len()), &answer.total, &currencies, target)),
        notes: notes(question, answer),
        empty: "no request in this time".to_owned(),
        json: cost_json(question, answer),
    }
}

/// An hour is shown without its offset.
fn value_cell(by: &By, value: &str) -> Cell {
    match (by, value.get(..16)) {
        (By::Hour, Some(shown)) => Cell::Shown(shown.replace('T', " "), value.to_owned()),
        _ => Cell::Text(value.to_owned()),
    }
}

fn columns(question: &Question, answer: &Answer, currencies: &BTreeSet<Currency>) -> Vec<Column> {
    let mut columns: Vec<Column> = question.by.iter().map(|by| Column::text(by.to_string())).collect();
    let unpriced = if answer.total.unpriced_requests() > 0 { 2 } else { 6 };
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
        columns.extend(CostKind::ALL.map(|kind| Column::machine(format!("cost_{}_{currency}", kind.label()))));
        columns.push(Column::number(format!("saved {currency}"), format!("cache_savings_{currency}"), 3));
        columns.push(Column::machine(format!("assumed_cost_{currency}")));
    }
    if let Some(target) = &question.target {
        columns.push(Column::number(format!("total {}", target.currency), format!("total_{}", target.currency), 0));
    }
    columns
}

fn row(
    values: Vec<Cell>,
    figures: &Figures,
    currencies: &BTreeSet<Currency>,
    target: Option<Currency>,
) -> Vec<Cell> {
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
        Cell::Count(figures.unpriced_requests()),
        Cell::Count(figures.unpriced_tokens()),
        Cell::Count(figures.usage_missing()),
        Cell::Count(figures.assumed_requests()),
    ]);
    for currency in currencies {
        let money = |amounts: &Amounts| Cell::Money(amounts.get(currency).copied().unwrap_or(0));
        row.push(money(&figures.cost()));
        row.extend(CostKind::ALL.map(|kind| money(&figures.money(kind.measure()))));
        row.push(money(&figures.savings()));
        row.push(money(&figures.assumed_cost()));
    }
    if target.is_some() {
        row.push(figures.converted.total().map_or(Cell::None, Cell::Money));
    }
    row
}

fn notes(question: &Question, answer: &Answer) -> Vec<String> {
    let total = &answer.total;
    let mut notes = vec![format!("cost: {}", amounts_text(&total.cost()))];
    for (currency, cost) in total.cost() {
        let parts = CostKind::ALL.into_iter().filter_map(|kind| {
            let amount = total.money(kind.measure()).get(&currency).copied().unwrap_or(0);
            (amount != 0).then(|| format!("{} {}", kind.label().replace('_', " "), percent(ratio(amount, cost))))
        });
        let parts: Vec<String> = parts.collect();
        if !parts.is_empty() {
            notes.push(format!("{currency} by kind of token: {}", parts.join(", ")));
        }
    }
    if let Some(target) = &question.target {
        for used in &answer.rates {
            notes.push(format!(
                "1 {} = {} {} since {}, used for {} to {}",
                used.rate.from,
                format_nanos(used.rate.nanos),
                used.rate.to,
                used.rate.since,
                used.first,
                used.last
            ));
        }
        if !total.converted.missing.is_empty() {
            let missing: Vec<&str> = total.converted.missing.iter().map(Currency::as_str).collect();
            notes.push(format!(
                "no total in {}: cost.rates has no rate from {} for every day",
                target.currency,
                missing.join(" and ")
            ));
        }
    }
    if total.savings().values().any(|nanos| *nanos != 0) {
        notes.push(format!("cache reads saved {}", amounts_text(&total.savings())));
    }
    for (currency, share) in total.assumed_share().into_iter().filter(|(_, share)| *share > 0.0) {
        notes.push(format!("{} of {currency} rests on an assumed provider, cache time or service tier", percent(share)));
    }
    if total.unpriced_requests() > 0 {
        notes.push(format!(
            "not in the cost: {} requests ({}) with {} tokens that no price row fits",
            grouped(total.unpriced_requests()),
            percent(total.unpriced_share()),
            grouped(total.unpriced_tokens())
        ));
    }
    if total.usage_missing() > 0 {
        notes.push(format!("not in the cost: {} requests without usage in the log", grouped(total.usage_missing())));
    }
    if answer.source == Source::Requests {
        notes.push("covers the requests that are kept (retention.requests)".to_owned());
    }
    for (kind, figures) in &answer.adjustments {
        notes.push(format!(
            "counters of all time differ by {kind}: {} requests and {}",
            figures.count(Measure::Requests),
            amounts_text(&figures.cost())
        ));
    }
    let rounding = total.cost().values().any(|nanos| rounded(*nanos, 9) != rounded(*nanos, 4));
    if question.by.iter().any(By::is_time) || rounding {
        let mut note = format!("days and hours of {}", zone_name(&question.zone));
        if rounding {
            note.push_str("; amounts are rounded in tables, csv and json are exact");
        }
        notes.push(note);
    }
    notes
}

/// What was spent, in JSON.
#[must_use]
pub fn cost_json(question: &Question, answer: &Answer) -> Value {
    let groups: Vec<Value> = answer
        .groups
        .iter()
        .map(|(values, figures)| {
            let mut group = of_figures(question, figures);
            group.insert("group".to_owned(), group_json(&question.by, values));
            Value::Object(group)
        })
        .collect();
    let adjustments: Map<String, Value> = answer
        .adjustments
        .iter()
        .map(|(kind, figures)| {
            let requests = i64::try_from(figures.count(Measure::Requests)).unwrap_or(i64::MAX);
            (kind.clone(), json!({"requests": requests, "cost": amounts_json(&figures.cost())}))
        })
        .collect();
    json!({
        "by": question.by.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "since": time_json(question.since), "until": time_json(question.until), "timezone": zone_name(&question.zone),
        "covers": match answer.source { Source::Rollups => "all_requests", Source::Requests => "kept_requests" },
        "groups": groups, "total": of_figures(question, &answer.total),
        "converted": converted_json(question, answer),
        "adjustments": adjustments,
    })
}

fn of_figures(question: &Question, figures: &Figures) -> Map<String, Value> {
    let kinds: Map<String, Value> = CostKind::ALL
        .iter()
        .map(|kind| (kind.label().to_owned(), amounts_json(&figures.money(kind.measure()))))
        .collect();
    let converted = question.target.as_ref().and_then(|target| Some((target.currency, figures.converted.total()?)));
    let value = json!({
        "cost": amounts_json(&figures.cost()), "kinds": kinds, "savings": amounts_json(&figures.savings()),
        "assumed_cost": amounts_json(&figures.assumed_cost()), "assumed_share": shares_json(&figures.assumed_share()),
        "requests": figures.requests(), "errors": figures.errors(), "tokens": tokens_json(&figures.tokens()),
        "unpriced_requests": figures.unpriced_requests(), "unpriced_tokens": figures.unpriced_tokens(),
        "unpriced_share": figures.unpriced_share(), "assumed_requests": figures.assumed_requests(),
        "usage_missing_requests": figures.usage_missing(),
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
