//! Forecasts, budgets and anomalies as documents.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::json::{money_json, time_json, zone_name};
use super::{Cell, Column, Document};
use crate::pricing::BudgetUnit;
use crate::record::Micros;
use crate::record::money::{NANOS, format_nanos};
use crate::report::anomaly::{self, Anomaly};
use crate::report::budget::{Standing, period_label, unit_label};
use crate::report::outlook::Outlook;

/// A month as 2026-11.
fn month_text(month: Date) -> String {
    format!("{:04}-{:02}", month.year(), month.month())
}

/// What a month will come to, for people and machines.
#[must_use]
pub fn forecast(month: Date, zone: &TimeZone, outlooks: &[Outlook]) -> Document {
    let rows = outlooks.iter().map(|outlook| {
        let bound = |bound: Option<i128>| bound.map_or(Cell::None, Cell::Money);
        let found = &outlook.forecast;
        vec![
            Cell::Text(outlook.currency.to_string()),
            Cell::Money(found.so_far),
            Cell::Money(found.forecast),
            bound(found.interval.map(|(low, _)| low)),
            bound(found.interval.map(|(_, high)| high)),
        ]
    });
    let mut notes: Vec<String> = Vec::new();
    for outlook in outlooks {
        let method = format!("{}: {}", outlook.currency, outlook.forecast.method.meaning());
        notes.push(method);
        for past in &outlook.past {
            let error = past.error.map_or_else(String::new, |error| format!(", off by {:+.1} %", error * 100.0));
            notes.push(format!(
                "{} {}: on this day {} would have been forecast, {} came{error}",
                outlook.currency,
                month_text(past.month),
                super::rounded(past.forecast, 2),
                super::rounded(past.actual, 2)
            ));
        }
    }
    notes.push(format!(
        "low and high hold four outcomes of five if days go on as they did; days of {}",
        zone_name(zone)
    ));
    Document {
        title: format!("Cost forecast {}", month_text(month)),
        columns: vec![
            Column::text("currency"),
            Column::number("so far", "so_far", 0),
            Column::number("forecast", "forecast", 0),
            Column::number("low", "low", 0),
            Column::number("high", "high", 0),
        ],
        rows: rows.collect(),
        total: None,
        notes,
        empty: "no cost is known before today: nothing to forecast from".to_owned(),
        json: forecast_json(month, zone, outlooks),
    }
}

/// What a month will come to, in JSON.
#[must_use]
pub fn forecast_json(month: Date, zone: &TimeZone, outlooks: &[Outlook]) -> Value {
    let forecasts: Vec<Value> = outlooks
        .iter()
        .map(|outlook| {
            let found = &outlook.forecast;
            let bound = |bound: Option<i128>| bound.map(format_nanos);
            let past: Vec<Value> = outlook
                .past
                .iter()
                .map(|past| {
                    json!({
                        "month": month_text(past.month), "forecast_at_this_day": format_nanos(past.forecast),
                        "actual": format_nanos(past.actual), "error_ratio": past.error,
                    })
                })
                .collect();
            json!({
                "currency": outlook.currency.as_str(), "so_far": format_nanos(found.so_far),
                "forecast": format_nanos(found.forecast), "low": bound(found.interval.map(|(low, _)| low)),
                "high": bound(found.interval.map(|(_, high)| high)), "method": found.method.label(), "past": past,
            })
        })
        .collect();
    let method = outlooks.first().map(|outlook| outlook.forecast.method);
    json!({
        "month": month_text(month), "timezone": zone_name(zone), "method": method.map(|method| method.label()),
        "method_meaning": method.map(|method| method.meaning()), "forecasts": forecasts,
    })
}

/// An amount of a budget's unit: a whole count, or money.
fn amount(unit: BudgetUnit, nanos: i128) -> Cell {
    match unit {
        BudgetUnit::Currency(_) => Cell::Money(nanos),
        BudgetUnit::Requests | BudgetUnit::Tokens => {
            Cell::Count(u64::try_from((nanos / NANOS).max(0)).unwrap_or(u64::MAX))
        }
    }
}

fn filter_text(standing: &Standing) -> String {
    let parts = standing.budget.filter.iter().map(|(name, value)| format!("{name}={value}"));
    let parts: Vec<String> = parts.collect();
    if parts.is_empty() { "all".to_owned() } else { parts.join(" ") }
}

/// How budgets stand, for people and machines.
#[must_use]
pub fn budgets(zone: &TimeZone, standings: &[Standing]) -> Document {
    let rows = standings.iter().map(|standing| {
        let budget = &standing.budget;
        vec![
            Cell::Text(budget.name.clone()),
            Cell::Text(filter_text(standing)),
            Cell::Text(unit_label(budget.unit)),
            Cell::Text(period_label(budget.period).to_owned()),
            amount(budget.unit, budget.limit_nanos),
            amount(budget.unit, standing.used_nanos),
            Cell::Share(standing.ratio),
            Cell::Text(standing.state.label().to_owned()),
            standing.forecast_nanos.map_or(Cell::None, |nanos| amount(budget.unit, nanos)),
            Cell::Text(time_json(standing.start).as_str().unwrap_or_default().to_owned()),
            Cell::Text(time_json(standing.end).as_str().unwrap_or_default().to_owned()),
        ]
    });
    let machine_text = |key: &str| Column { is_text: true, ..Column::machine(key) };
    Document {
        title: "Budgets".to_owned(),
        columns: vec![
            Column::text("name"),
            Column::text("filter"),
            Column::text("unit"),
            Column::text("period"),
            Column::number("limit", "limit", 0),
            Column::number("used", "used", 0),
            Column::number("%", "ratio", 0),
            Column::text("state"),
            Column::number("forecast", "forecast", 1),
            machine_text("period_start"),
            machine_text("period_end"),
        ],
        rows: rows.collect(),
        total: None,
        notes: vec![format!("days and months of {}; near from 80 %", zone_name(zone))],
        empty: "no budget is configured; see cost.budgets in `tokentail check --print-default`".to_owned(),
        json: budgets_json(standings),
    }
}

/// How budgets stand, in JSON.
#[must_use]
pub fn budgets_json(standings: &[Standing]) -> Value {
    let budgets: Vec<Value> = standings
        .iter()
        .map(|standing| {
            let budget = &standing.budget;
            json!({
                "name": budget.name, "unit": unit_label(budget.unit), "period": period_label(budget.period),
                "filter": budget.filter, "limit": format_nanos(budget.limit_nanos),
                "used": format_nanos(standing.used_nanos), "ratio": standing.ratio, "state": standing.state.label(),
                "period_start": time_json(standing.start), "period_end": time_json(standing.end),
                "forecast": standing.forecast_nanos.map(format_nanos),
            })
        })
        .collect();
    json!({ "budgets": budgets })
}

/// Hours that stand out, for people and machines.
#[must_use]
pub fn anomalies(zone: &TimeZone, found: &[Anomaly]) -> Document {
    let hour = |micros: Micros| {
        Timestamp::from_microsecond(micros)
            .map_or_else(|_| micros.to_string(), |at| at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string())
    };
    let rows = found.iter().map(|anomaly| {
        let (by, value, share) = match &anomaly.explained {
            Some(explained) => (
                Cell::Text(explained.by.to_string()),
                Cell::Text(explained.value.clone()),
                Cell::Share(explained.share),
            ),
            None => (Cell::None, Cell::None, Cell::None),
        };
        let machine = time_json(anomaly.hour).as_str().unwrap_or_default().to_owned();
        vec![
            Cell::Shown(hour(anomaly.hour), machine),
            Cell::Text(anomaly.currency.to_string()),
            Cell::Money(anomaly.cost),
            Cell::Money(anomaly.expected),
            by,
            value,
            share,
        ]
    });
    Document {
        title: "Hours that stand out".to_owned(),
        columns: vec![
            Column { key: "hour".to_owned(), ..Column::text("hour") },
            Column::text("currency"),
            Column::number("cost", "cost", 0),
            Column::number("expected", "expected", 0),
            Column { key: "explained_by".to_owned(), ..Column::text("by") },
            Column { key: "explained_value".to_owned(), ..Column::text("value") },
            Column::number("of the rise", "explained_share", 1),
        ],
        rows: rows.collect(),
        total: None,
        notes: vec![format!(
            "hours of {}; expected is the median of the same hour of the last {} weeks",
            zone_name(zone),
            anomaly::WEEKS
        )],
        empty: format!(
            "no hour stands out against the same hours of the weeks before (at least {} must be known)",
            anomaly::LEAST_WEEKS
        ),
        json: anomalies_json(found),
    }
}

/// Hours that stand out, in JSON.
#[must_use]
pub fn anomalies_json(found: &[Anomaly]) -> Value {
    let anomalies: Vec<Value> = found
        .iter()
        .map(|anomaly| {
            let explained = anomaly.explained.as_ref().map(|explained| {
                json!({"by": explained.by.to_string(), "value": explained.value, "share": explained.share})
            });
            json!({
                "hour": time_json(anomaly.hour), "currency": anomaly.currency.as_str(),
                "cost": money_json(anomaly.currency, anomaly.cost), "expected": money_json(anomaly.currency, anomaly.expected),
                "times": anomaly.times, "explained_by": explained,
            })
        })
        .collect();
    json!({ "anomalies": anomalies })
}
