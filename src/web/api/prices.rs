//! Prices: the table in force, and which of its rows prices a model.

use serde_json::{Value, json};

use super::asked::Asked;
use super::endpoint::Endpoint;
use super::filter::{LIST, PERIOD, USUAL, ZONE};
use super::parameter::{Kind, Parameter};
use super::problem::Problem;
use super::shape;
use crate::ledger::{Measure, RequestFilter, RequestList};
use crate::pricing::{Request, Row};
use crate::record::{Micros, ServiceTier};
use crate::report::totals::{Question, totals};
use crate::wording::{listed, nearest, quoted};

pub(super) static ENDPOINTS: &[Endpoint] = &[
    Endpoint::get("/api/v1/prices", "the price rows in force", &[PROVIDER, LIST], "Prices", list),
    Endpoint::get("/api/v1/prices/match", "which row prices a model, and why", &[MODEL], "PriceMatch", matching),
    Endpoint::get(
        "/api/v1/prices/unpriced",
        "models that were used and have no price",
        &[PERIOD, LIST],
        "Unpriced",
        unpriced,
    ),
];

const PROVIDER: &[Parameter] = &[Parameter::new("provider", Kind::Text, "only rows of this provider")];

const MODEL: &[Parameter] = &[
    Parameter::required("model", Kind::Text, "the model as the log names it"),
    Parameter::new("provider", Kind::Text, "the provider as the log names it"),
    Parameter::new("at", Kind::Time, "the moment for which the row is looked up; default: now"),
    ZONE,
];

fn list(asked: &Asked<'_>) -> Result<Value, Problem> {
    let table = &asked.instance.prices;
    let provider = asked.text("provider").map(|name| table.provider(name));
    let rows: Vec<(usize, &Row)> = table
        .rows()
        .iter()
        .enumerate()
        .filter(|(_, row)| provider.as_ref().is_none_or(|wanted| row.provider == *wanted))
        .collect();
    if let (Some(name), true) = (asked.text("provider"), rows.is_empty()) {
        let mut known: Vec<&str> = table.rows().iter().map(|row| row.provider.as_str()).collect();
        known.sort_unstable();
        known.dedup();
        let near = nearest(name, known.iter().copied()).map(|near| format!("; did you mean `{near}`?"));
        let message = format!(
            "no price row has the provider {}{}; there are {}",
            quoted(name),
            near.unwrap_or_default(),
            listed(known)
        );
        return Err(Problem::not_found(message));
    }
    let (rows, next) = shape::page(asked, rows, asked.limit(USUAL), |(index, _)| *index)?;
    let rows: Vec<Value> = rows
        .into_iter()
        .map(|(_, row)| {
            let mut value = json!(row);
            if let Some(map) = value.as_object_mut() {
                map.insert("id".to_owned(), json!(row.id()));
            }
            value
        })
        .collect();
    let date = table.date().map(|date| date.to_string());
    Ok(shape::answer(asked, json!({"date": date, "rows": rows, "next": next})))
}

fn matching(asked: &Asked<'_>) -> Result<Value, Problem> {
    let model = asked.text("model").unwrap_or_default();
    let at = asked.moment("at").unwrap_or(asked.instance.now);
    let request =
        Request { start: at, service_tier: ServiceTier::Standard, cache_ttl_known: true, ..Request::default() };
    let provider = asked.text("provider").unwrap_or_default();
    let explained = asked.instance.prices.explain(provider, model, &request);
    let says = json!({
        "provider": provider, "model": model, "at": shape::time(at), "priced": explained.row.is_some(),
        "unpriced": explained.unpriced, "row": explained.row, "row_id": explained.row_id, "why": explained.why,
        "assumed": explained.assumed,
    });
    Ok(shape::answer(asked, says))
}

fn unpriced(asked: &Asked<'_>) -> Result<Value, Problem> {
    let period = asked.period()?;
    let moment = asked.open()?;
    let by = ["gateway", "provider", "model"].map(|name| asked.column(&moment, name));
    let question = Question {
        by: by.into_iter().collect::<Result<_, _>>()?,
        filter: RequestFilter::default(),
        since: period.since.unwrap_or(Micros::MIN),
        until: period.until.unwrap_or(Micros::MAX),
        zone: asked.zone.clone(),
        kinds: false,
    };
    let mut groups = totals(&moment, &question)?.groups;
    groups.retain(|(_, figures)| figures.count(Measure::UnpricedRequests) > 0);
    let (page, next) = shape::page(asked, groups, asked.limit(USUAL), |(values, _)| values.clone())?;
    let mut models = Vec::with_capacity(page.len());
    for (values, figures) in page {
        let [gateway, provider, model] = <[String; 3]>::try_from(values).unwrap_or_default();
        let latest = moment.requests(&RequestList {
            filter: RequestFilter {
                since: period.since,
                until: period.until,
                gateways: vec![gateway.clone()],
                providers: vec![provider.clone()],
                models: vec![model.clone()],
                ..RequestFilter::default()
            },
            limit: 1,
            ..RequestList::default()
        })?;
        let last_seen = latest.requests.first().map(|stored| shape::time(stored.row.start));
        models.push(json!({
            "gateway": gateway, "provider": provider, "model": model,
            "requests": figures.count(Measure::UnpricedRequests), "tokens": figures.count(Measure::UnpricedTokens),
            "last_seen": last_seen,
        }));
    }
    Ok(shape::answer_of(asked, period, json!({"models": models, "next": next})))
}
