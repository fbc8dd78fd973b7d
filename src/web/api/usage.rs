//! Time of use: sessions, their time and turns, tokens and cost, by who, what and when.

use serde_json::{Value, json};

use super::asked::Asked;
use super::endpoint::Endpoint;
use super::filter::{GROUPS, PERIOD, USUAL_GROUPS};
use super::parameter::{Kind, Parameter};
use super::problem::Problem;
use super::shape;
use crate::report::usage::{self, Page, Question};

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
    "columns of a group, of: gateway, route, provider, model, upstream, mode, consumer, user, a dimension, day, week, month, hour; default: day",
)];

fn answer(asked: &Asked<'_>) -> Result<Value, Problem> {
    let period = asked.period()?;
    let moment = asked.open()?;
    let question = Question {
        by: asked.columns(&moment, &["day"])?,
        since: period.since.unwrap_or(i64::MIN),
        until: period.until.unwrap_or(i64::MAX),
        zone: asked.zone.clone(),
    };
    let limit = asked.limit(USUAL_GROUPS);
    // One more says whether there is a next page.
    let page = Page { after: shape::place(asked)?, most: limit.saturating_add(1) };
    let used = usage::page(&moment, &question, &page)?;
    let (groups, next) = shape::page(asked, used.groups, limit, |(values, _)| values.clone())?;
    let groups: Vec<Value> = groups
        .iter()
        .map(|(values, figures)| json!({"group": shape::named(&question.by, values), "figures": shape::usage(figures)}))
        .collect();
    let by: Vec<String> = question.by.iter().map(ToString::to_string).collect();
    let says = json!({"by": by, "groups": groups, "total": shape::usage(&used.total), "next": next});
    Ok(shape::answer_of(asked, period, says))
}
