//! Time of use: sessions, their time and turns, tokens and cost, by who, what and when.

use serde_json::{Map, Value, json};

use super::asked::Asked;
use super::endpoint::Endpoint;
use super::filter::{GROUPS, PERIOD, USUAL_GROUPS};
use super::parameter::{Kind, Parameter};
use super::problem::Problem;
use super::shape;
use crate::ledger::Moment;
use crate::report::By;
use crate::report::usage::{self, Question};

pub(super) static ENDPOINTS: &[Endpoint] = &[Endpoint::get(
    "/api/v1/usage",
    "time of use by group: sessions, turns, tokens, cost",
    &[BY, PERIOD, GROUPS],
    "Usage",
    answer,
)];

const BY: &[Parameter] = &[Parameter::new(
    "by",
    Kind::Columns(4),
    "columns of a group: gateway, route, provider, model, upstream, mode, consumer, user, a dimension, day, week, month, hour; default: day",
)];

/// Columns of groups by name. A dimension may be configured and not be in any request yet, or the other way round.
///
/// # Errors
/// There is no such column, or the ledger cannot be read.
pub(super) fn columns(asked: &Asked<'_>, moment: &Moment, usual: &[&str]) -> Result<Vec<By>, Problem> {
    let mut known = usage::dimensions(moment)?;
    known.extend(asked.instance.dimensions.iter().cloned());
    let given = asked.texts("by").iter().map(|word| word.trim());
    let words: Vec<&str> = if asked.texts("by").is_empty() { usual.to_vec() } else { given.collect() };
    let mut columns: Vec<By> = Vec::new();
    for word in words {
        let column = By::parse(word, &known).map_err(|error| Problem::bad(format!("the parameter `by`: {error}")))?;
        if !columns.contains(&column) {
            columns.push(column);
        }
    }
    Ok(columns)
}

/// Values of a group under the names of their columns.
pub(super) fn named(by: &[By], values: &[String]) -> Value {
    let group: Map<String, Value> =
        by.iter().zip(values).map(|(by, value)| (by.to_string(), Value::from(value.as_str()))).collect();
    Value::Object(group)
}

fn answer(asked: &Asked<'_>) -> Result<Value, Problem> {
    let period = asked.period()?;
    let moment = usage::open(asked.folder()?)?;
    let question = Question {
        by: columns(asked, &moment, &["day"])?,
        since: period.since.unwrap_or(i64::MIN),
        until: period.until.unwrap_or(i64::MAX),
        zone: asked.zone.clone(),
    };
    let used = usage::answer(&moment, &question)?;
    let limit = asked.limit(USUAL_GROUPS);
    let (groups, next) = shape::page(asked, used.groups, limit, |(values, _)| values.clone())?;
    let groups: Vec<Value> = groups
        .iter()
        .map(|(values, figures)| json!({"group": named(&question.by, values), "figures": shape::usage(figures)}))
        .collect();
    let by: Vec<String> = question.by.iter().map(ToString::to_string).collect();
    let says = json!({"by": by, "groups": groups, "total": shape::usage(&used.total), "next": next});
    Ok(shape::answer_of(asked, period, says))
}
