//! Consumers: who uses the gateway, how much, since when, and their budgets.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::asked::{Asked, Period};
use super::endpoint::Endpoint;
use super::filter::{LIST, PERIOD, USUAL};
use super::parameter::{Kind, Parameter};
use super::problem::Problem;
use super::shape;
use crate::ledger::{Moment, Order, RequestFilter, RequestList};
use crate::record::Micros;
use crate::report::budget::{self, Standing};
use crate::report::document::budgets_json;
use crate::report::totals::{Figures, Of, Question, totals};
use crate::report::usage;
use crate::wording::quoted;

pub(super) static ENDPOINTS: &[Endpoint] = &[
    Endpoint::get(
        "/api/v1/consumers",
        "consumers with their use, the largest first",
        &[SORT, PERIOD, LIST],
        "Consumers",
        list,
    ),
    Endpoint::get("/api/v1/consumers/{*name}", "one consumer with its use", &[PERIOD], "ConsumerDetail", show),
];

const SORT: &[Parameter] =
    &[Parameter::new("sort", Kind::Choice(sorts), "what is the largest; default: requests"), super::filter::CURRENCY];

fn sorts() -> Vec<&'static str> {
    vec!["requests", "cost", "tokens", "errors", "name"]
}

/// Consumers with what they used within a period.
struct Used {
    figures: BTreeMap<String, Figures>,
    models: BTreeMap<String, Vec<String>>,
    gateways: BTreeMap<String, Vec<String>>,
    sessions: BTreeMap<String, u64>,
    budgets: Vec<Standing>,
}

impl Used {
    fn read(asked: &Asked<'_>, moment: &Moment, period: Period, only: Option<&str>) -> Result<Used, Problem> {
        let question = |by: &[&str]| -> Result<Question, Problem> {
            Ok(Question {
                by: by.iter().map(|name| asked.column(moment, name)).collect::<Result<_, _>>()?,
                filter: RequestFilter {
                    consumers: only.map(str::to_owned).into_iter().collect(),
                    ..RequestFilter::default()
                },
                since: period.since.unwrap_or(Micros::MIN),
                until: period.until.unwrap_or(Micros::MAX),
                zone: asked.zone.clone(),
                kinds: false,
            })
        };
        let (mut figures, mut models) = (BTreeMap::<String, Figures>::new(), BTreeMap::<String, Vec<String>>::new());
        for (values, found) in totals(moment, &question(&["consumer", "model"])?)?.groups {
            let [consumer, model] = <[String; 2]>::try_from(values).unwrap_or_default();
            figures.entry(consumer.clone()).or_default().add(&found);
            models.entry(consumer).or_default().extend((!model.is_empty()).then_some(model));
        }
        let mut gateways = BTreeMap::<String, Vec<String>>::new();
        // Elsewhere it makes no difference by which gateway a consumer came.
        if !asked.instance.capture.is_off() {
            for (values, _) in totals(moment, &question(&["consumer", "gateway"])?)?.groups {
                let [consumer, gateway] = <[String; 2]>::try_from(values).unwrap_or_default();
                gateways.entry(consumer).or_default().push(gateway);
            }
        }
        let used = usage::Question {
            by: vec![asked.column(moment, "consumer")?],
            since: period.since.unwrap_or(Micros::MIN),
            until: period.until.unwrap_or(Micros::MAX),
            zone: asked.zone.clone(),
        };
        let sessions = usage::answer(moment, &used)?.groups.into_iter();
        let sessions = sessions.filter_map(|(values, figures)| Some((values.into_iter().next()?, figures.sessions)));
        let instance = &asked.instance;
        let budgets = budget::standings(moment, &instance.zone, &instance.budgets, instance.now)?;
        Ok(Used { figures, models, gateways, sessions: sessions.collect(), budgets })
    }

    fn told(&self, asked: &Asked<'_>, moment: &Moment, name: &str, figures: &Figures) -> Result<Value, Problem> {
        let seen = |order: Order| -> Result<Option<Value>, Problem> {
            let filter = RequestFilter { consumers: vec![name.to_owned()], ..RequestFilter::default() };
            let page = moment.requests(&RequestList { filter, order, limit: 1, ..RequestList::default() })?;
            Ok(page.requests.first().map(|stored| shape::time(stored.row.start)))
        };
        let own = |standing: &&Standing| standing.budget.filter.get("consumer").is_some_and(|wanted| wanted == name);
        let budgets: Vec<Standing> = self.budgets.iter().filter(own).cloned().collect();
        let mut budgets = budgets_json(&budgets);
        Ok(json!({
            "consumer": name, "url": asked.page("/consumers/", name), "figures": shape::figures(figures),
            "sessions": self.sessions.get(name).copied().unwrap_or(0), "first_seen": seen(Order::Ascending)?,
            "last_seen": seen(Order::Descending)?, "models": self.models.get(name).cloned().unwrap_or_default(),
            "budgets": budgets.get_mut("budgets").map(Value::take),
            "captured": self.is_captured(asked, name),
        }))
    }

    /// Whether what a consumer says is kept, by any gateway that it used.
    fn is_captured(&self, asked: &Asked<'_>, name: &str) -> bool {
        let capture = &asked.instance.capture;
        // The configuration names it as the log does; the ledger may have a pseudonym of it.
        let named = |logged: &String| asked.consumer_names(logged).iter().any(|stored| stored == name);
        let gateways = self.gateways.get(name).map_or(&[][..], Vec::as_slice);
        gateways.iter().any(|gateway| capture.covers(gateway, name)) || capture.consumers.iter().any(named)
    }
}

fn list(asked: &Asked<'_>) -> Result<Value, Problem> {
    let period = asked.period()?;
    let moment = asked.open()?;
    let of = match asked.text("sort") {
        Some("cost") => asked.currency_of_amounts(&moment)?.map_or(Of::Requests, Of::Cost),
        Some("tokens") => Of::Tokens,
        Some("errors") => Of::Errors,
        _ => Of::Requests,
    };
    let used = Used::read(asked, &moment, period, None)?;
    let by_name = asked.text("sort") == Some("name");
    let place = |name: &str, figures: &Figures| {
        let measure = if by_name { 0 } else { i64::try_from(of.measure(figures)).unwrap_or(i64::MAX) };
        (Reverse(measure), name.to_owned())
    };
    let mut found: Vec<((Reverse<i64>, String), &Figures)> =
        used.figures.iter().map(|(name, figures)| (place(name, figures), figures)).collect();
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    let (page, next) = shape::page(asked, found, asked.limit(USUAL), |(place, _)| place.clone())?;
    let consumers: Vec<Value> =
        page.iter().map(|((_, name), figures)| used.told(asked, &moment, name, figures)).collect::<Result<_, _>>()?;
    Ok(shape::answer_of(asked, period, json!({"consumers": consumers, "next": next})))
}

fn show(asked: &Asked<'_>) -> Result<Value, Problem> {
    let period = asked.period()?;
    let moment = asked.open()?;
    // As it is stored, or as it was logged.
    let name = asked.consumer_names(&asked.rest).into_iter().find_map(|name| {
        let filter = RequestFilter { consumers: vec![name.clone()], ..RequestFilter::default() };
        let page = moment.requests(&RequestList { filter, limit: 1, ..RequestList::default() });
        page.map(|page| (!page.requests.is_empty()).then_some(name)).transpose()
    });
    let Some(name) = name.transpose()? else {
        return Err(Problem::not_found(format!("there is no request of a consumer {}", quoted(&asked.rest))));
    };
    let used = Used::read(asked, &moment, period, Some(&name))?;
    let none = Figures::default();
    let told = used.told(asked, &moment, &name, used.figures.get(&name).unwrap_or(&none))?;
    Ok(shape::answer_of(asked, period, json!({"consumer": told})))
}
