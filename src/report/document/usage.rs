//! Time of use as a document.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::json::{amounts_json, group_json, time_json, tokens_json, zone_name};
use super::{Cell, Column, Document};
use crate::record::{Currency, Micros};
use crate::report::usage::{Figures, Question, Usage};

/// Time of use for people and machines.
#[must_use]
pub fn usage(question: &Question, answer: &Usage) -> Document {
    let currencies: BTreeSet<Currency> = answer.total.costs.keys().copied().collect();
    let mut columns: Vec<Column> = question.by.iter().map(|by| Column::text(by.to_string())).collect();
    columns.extend([
        Column::number("sessions", "sessions", 1),
        Column::number("time", "session_seconds", 1),
        Column::number("mean", "mean_session_seconds", 4),
        Column::number("turns", "turns", 2),
        Column::number("requests", "requests", 1),
        Column::number("errors", "errors", 3),
        Column::number("input", "input_tokens", 2),
        Column::number("cache read", "cache_read_tokens", 5),
        Column::number("cache write", "cache_write_tokens", 6),
        Column::number("output", "output_tokens", 2),
        Column::number("reasoning", "reasoning_tokens", 6),
        Column::machine("usage_missing_requests"),
        Column::number("unpriced", "unpriced_requests", if answer.total.unpriced > 0 { 3 } else { 7 }),
    ]);
    columns.extend(currencies.iter().map(|currency| Column::number(currency.as_str(), format!("cost_{currency}"), 0)));
    let row = |values: Vec<Cell>, figures: &Figures| {
        let tokens = &figures.tokens;
        let mut row = values;
        row.extend([
            Cell::Count(figures.sessions),
            Cell::Span(figures.time),
            Cell::Span(figures.mean()),
            Cell::Count(figures.turns),
            Cell::Count(figures.requests),
            Cell::Count(figures.errors),
            Cell::Count(tokens.input()),
            Cell::Count(tokens.cache_read),
            Cell::Count(tokens.cache_write()),
            Cell::Count(tokens.output()),
            Cell::Count(tokens.reasoning),
            Cell::Count(figures.usage_missing),
            Cell::Count(figures.unpriced),
        ]);
        row.extend(currencies.iter().map(|code| Cell::Money(figures.costs.get(code).copied().unwrap_or(0))));
        row
    };
    let text = |values: &[String]| values.iter().cloned().map(Cell::Text).collect();
    Document {
        title: "Time of use".to_owned(),
        columns,
        rows: answer.groups.iter().map(|(values, figures)| row(text(values), figures)).collect(),
        total: Some(row(super::total_values(question.by.len()), &answer.total)),
        notes: vec![format!(
            "days and hours of {}; a session counts in every group that it touches",
            zone_name(&question.zone)
        )],
        empty: "no request and no session in this time".to_owned(),
        json: usage_json(question, answer),
    }
}

/// Time of use in JSON.
#[must_use]
pub fn usage_json(question: &Question, answer: &Usage) -> Value {
    let group = |(values, figures): &(Vec<String>, Figures)| json!({"group": group_json(&question.by, values), "figures": usage_figures_json(figures)});
    json!({
        "by": question.by.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "since": time_json(question.since), "until": time_json(question.until), "timezone": zone_name(&question.zone),
        "groups": answer.groups.iter().map(group).collect::<Vec<_>>(), "total": usage_figures_json(&answer.total),
    })
}

/// Figures of time of use in JSON.
#[must_use]
pub fn usage_figures_json(figures: &Figures) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "seconds for JSON readers")]
    let seconds = |micros: Micros| micros as f64 / 1e6;
    json!({
        "sessions": figures.sessions, "session_seconds": seconds(figures.time),
        "mean_session_seconds": seconds(figures.mean()), "turns": figures.turns, "requests": figures.requests,
        "errors": figures.errors, "usage_missing_requests": figures.usage_missing,
        "unpriced_requests": figures.unpriced, "tokens": tokens_json(&figures.tokens),
        "cost": amounts_json(&figures.costs),
    })
}
