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
use crate::ledger::{Error, Moment, RequestFilter, RequestList};
use crate::record::{Attributes, Micros};
use crate::report::budget::{self, Standing};
use crate::report::document::budgets_json;
use crate::report::totals::{Figures, Of, Question, totals};
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
    /// First and last start of a request, of all time.
    seen: BTreeMap<String, (Micros, Micros)>,
    budgets: Vec<Standing>,
}

impl Used {
    fn read(asked: &Asked<'_>, moment: &Moment, period: Period, only: Option<&str>) -> Result<Used, Problem> {
        let by = ["consumer", "model"].iter().map(|name| asked.column(moment, name)).collect::<Result<_, _>>()?;
        let consumers = only.map(str::to_owned).into_iter().collect();
        let question = Question {
            by,
            filter: RequestFilter { consumers, ..RequestFilter::default() },
            since: period.since.unwrap_or(Micros::MIN),
            until: period.until.unwrap_or(Micros::MAX),
            zone: asked.zone.clone(),
            kinds: false,
        };
        let (mut figures, mut models) = (BTreeMap::<String, Figures>::new(), BTreeMap::<String, Vec<String>>::new());
        for (values, found) in totals(moment, &question)?.groups {
            let [consumer, model] = <[String; 2]>::try_from(values).unwrap_or_default();
            figures.entry(consumer.clone()).or_default().add(&found);
            models.entry(consumer).or_default().extend((!model.is_empty()).then_some(model));
        }
        let mut gateways = BTreeMap::<String, Vec<String>>::new();
        // Elsewhere it makes no difference by which gateway a consumer came.
        if !asked.instance.capture.is_off() {
            let by = ["consumer", "gateway"].iter().map(|name| asked.column(moment, name)).collect::<Result<_, _>>()?;
            for (values, _) in totals(moment, &Question { by, ..question.clone() })?.groups {
                let [consumer, gateway] = <[String; 2]>::try_from(values).unwrap_or_default();
                gateways.entry(consumer).or_default().push(gateway);
            }
        }
        let (names, sessions) = by_name(|number| moment.session_counts(question.since, question.until, number))?;
        let sessions =
            sessions.into_iter().filter_map(|(number, count)| Some((names.get(number as usize)?.clone(), count)));
        let (names, seen) = by_name(|number| moment.seen(number))?;
        let seen = seen.into_iter().filter_map(|(number, seen)| Some((names.get(number as usize)?.clone(), seen)));
        let instance = &asked.instance;
        let budgets = budget::standings(moment, &instance.zone, &instance.budgets, instance.now)?;
        Ok(Used { figures, models, gateways, sessions: sessions.collect(), seen: seen.collect(), budgets })
    }

    fn told(&self, asked: &Asked<'_>, name: &str, figures: &Figures) -> Value {
        let seen = self.seen.get(name);
        let own = |standing: &&Standing| standing.budget.filter.get("consumer").is_some_and(|wanted| wanted == name);
        let budgets: Vec<Standing> = self.budgets.iter().filter(own).cloned().collect();
        let mut budgets = budgets_json(&budgets);
        json!({
            "consumer": name, "url": asked.page("/consumers/", name), "figures": shape::figures(figures),
            "sessions": self.sessions.get(name).copied().unwrap_or(0), "first_seen": seen.map(|(first, _)| shape::time(*first)),
            "last_seen": seen.map(|(_, last)| shape::time(*last)), "models": self.models.get(name).cloned().unwrap_or_default(),
            "budgets": budgets.get_mut("budgets").map(Value::take),
            "captured": self.is_captured(asked, name),
        })
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

/// Asks something of each consumer; the names are in the order of their numbers.
fn by_name<T>(
    ask: impl FnOnce(&mut dyn FnMut(&Attributes) -> u32) -> Result<T, Error>,
) -> Result<(Vec<String>, T), Error> {
    let (mut names, mut numbers) = (Vec::new(), BTreeMap::<String, u32>::new());
    let found = ask(&mut |attributes| {
        let next = u32::try_from(names.len()).unwrap_or(u32::MAX);
        if let Some(known) = numbers.get(&attributes.consumer) {
            return *known;
        }
        names.push(attributes.consumer.clone());
        numbers.insert(attributes.consumer.clone(), next);
        next
    })?;
    Ok((names, found))
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
    let consumers: Vec<Value> = page.iter().map(|((_, name), figures)| used.told(asked, name, figures)).collect();
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
    let told = used.told(asked, &name, used.figures.get(&name).unwrap_or(&none));
    Ok(shape::answer_of(asked, period, json!({"consumer": told})))
}
