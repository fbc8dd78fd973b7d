//! Money: what was spent and on what, where the month is heading, hours that stand out, and budgets.

use serde_json::{Value, json};

use super::asked::{Asked, Period};
use super::endpoint::Endpoint;
use super::filter::{GROUPS, PERIOD, REQUESTS, USUAL_GROUPS, ZONE};
use super::parameter::{Kind, Parameter};
use super::problem::Problem;
use super::shape;
use crate::ledger::Moment;
use crate::record::Micros;
use crate::report::cost::{self, Question};
use crate::report::document::{anomalies_json, budgets_json, cost_json, forecast_json};
use crate::report::exchange::Target;
use crate::report::{anomaly, budget, outlook, totals};

pub(super) static ENDPOINTS: &[Endpoint] = &[
    Endpoint::get(
        "/api/v1/cost",
        "what was spent by group and kind of token",
        &[BY, REQUESTS, PERIOD, GROUPS],
        "CostReport",
        spent,
    ),
    Endpoint::get("/api/v1/cost/forecast", "what a month will come to", &[MONTH, REQUESTS], "Forecast", forecast),
    Endpoint::get(
        "/api/v1/cost/anomalies",
        "hours whose cost stands out against the same hours of past weeks, and what explains them",
        &[REQUESTS, PERIOD],
        "CostAnomalies",
        anomalies,
    ),
    Endpoint::get("/api/v1/budgets", "configured budgets and how they stand", &[], "Budgets", budgets),
];

const BY: &[Parameter] = &[Parameter::new(
    "by",
    Kind::Columns(4),
    "columns of a group, of: gateway, route, provider, model, upstream, mode, consumer, user, currency, a dimension, day, week, month, hour, hour_of_day; default: none",
)];

const MONTH: &[Parameter] = &[Parameter::new("month", Kind::Month, "the month; default: this one"), ZONE];

/// Anomalies are looked for in so much time, if nothing is said.
const USUAL_DAYS: Micros = 7 * 86_400_000_000;

fn spent(asked: &Asked<'_>) -> Result<Value, Problem> {
    let moment = asked.open()?;
    let period = asked.period()?;
    let instance = &asked.instance;
    let target = instance.total_currency.map(|currency| Target { currency, rates: instance.rates.clone() });
    let question = Question {
        totals: totals::Question {
            by: asked.columns_of_money(&moment)?,
            filter: asked.requests(&moment, period)?,
            since: period.since.unwrap_or(Micros::MIN),
            until: period.until.unwrap_or(Micros::MAX),
            zone: asked.zone.clone(),
            kinds: true,
        },
        target,
    };
    let mut found = cost::answer(&moment, &question)?;
    let limit = asked.limit(USUAL_GROUPS);
    let (groups, next) = shape::page(asked, found.groups, limit, |group| group.values.clone())?;
    found.groups = groups;
    let mut says = cost_json(&question, &found);
    if let Some(map) = says.as_object_mut() {
        map.insert("next".to_owned(), json!(next));
    }
    Ok(shape::answer(asked, says))
}

fn forecast(asked: &Asked<'_>) -> Result<Value, Problem> {
    let moment = asked.open()?;
    let today = outlook::today(asked.instance.now, &asked.zone).ok_or_else(Problem::internal)?;
    let month = asked.text("month").and_then(|month| format!("{month}-01").parse().ok());
    let month = month.unwrap_or_else(|| today.date.first_of_month());
    let filter = asked.requests(&moment, Period { since: None, until: None })?;
    let outlooks = outlook::read(&moment, &asked.zone, &filter, asked.instance.now, Some(month))?;
    Ok(shape::answer(asked, forecast_json(month, &asked.zone, &outlooks)))
}

/// What the present month will come to, by currency.
///
/// # Errors
/// The ledger cannot be read.
pub(super) fn this_month(asked: &Asked<'_>, moment: &Moment) -> Result<Value, Problem> {
    let filter = asked.requests(moment, Period { since: None, until: None })?;
    let Some(today) = outlook::today(asked.instance.now, &asked.zone) else { return Ok(json!([])) };
    let outlooks = outlook::read(moment, &asked.zone, &filter, asked.instance.now, None)?;
    let mut told = forecast_json(today.date.first_of_month(), &asked.zone, &outlooks);
    Ok(told.get_mut("forecasts").map(Value::take).unwrap_or_default())
}

fn anomalies(asked: &Asked<'_>) -> Result<Value, Problem> {
    let moment = asked.open()?;
    let mut period = asked.period()?;
    let until = period.until.unwrap_or(asked.instance.now);
    let since = period.since.unwrap_or(until - USUAL_DAYS);
    period.since = Some(since);
    let filter = asked.requests(&moment, Period { since: None, until: None })?;
    let dimensions = asked.dimension_names(&moment)?;
    let found = anomaly::read(&moment, &filter, &dimensions, since, until)?;
    Ok(shape::answer_of(asked, period, anomalies_json(&found)))
}

fn budgets(asked: &Asked<'_>) -> Result<Value, Problem> {
    let moment = asked.open()?;
    let instance = &asked.instance;
    let standings = budget::read(&moment, &instance.zone, &instance.budgets, instance.now)?;
    Ok(shape::answer(asked, budgets_json(&standings)))
}
