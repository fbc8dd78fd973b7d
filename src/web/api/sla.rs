//! Availability: months, outages, and notes on them.

use std::cmp::Reverse;

use serde_json::{Value, json};

use super::asked::Asked;
use super::endpoint::Endpoint;
use super::filter::{LIST, PERIOD, USUAL, ZONE};
use super::parameter::{Kind, Parameter};
use super::problem::Problem;
use super::shape;
use crate::ledger::{AvailabilityQuery, Facts};
use crate::record::Micros;
use crate::report::sla::{Question, reports, targets, timeline};
use crate::sla::{Month, Outage};
use crate::wording::{listed, nearest, quoted};

pub(super) static ENDPOINTS: &[Endpoint] = &[
    Endpoint::get(
        "/api/v1/sla",
        "a month's availability by target: figures, verdict, outages, timeline",
        &[MONTH],
        "Sla",
        month,
    ),
    Endpoint::get("/api/v1/sla/outages", "outages, the latest first", &[TARGET, PERIOD, LIST], "Outages", outages),
    Endpoint::post("/api/v1/sla/notes", "adds a note to an outage", NOTE, "Note", note),
];

const MONTH: &[Parameter] = &[
    Parameter::new("month", Kind::Month, "the month; default: this one"),
    Parameter::new("target", Kind::Text, "only this target"),
    ZONE,
];

const TARGET: &[Parameter] = &[Parameter::new("target", Kind::Text, "only of this target")];

const NOTE: &[Parameter] = &[
    Parameter::required("target", Kind::Text, "name of the target"),
    Parameter::required("outage", Kind::Count(1, i64::MAX.cast_unsigned()), "number of the outage"),
    Parameter::required("text", Kind::Line(4_096), "what there is to say about it"),
];

/// Stretches of a timeline, the latest: a target that comes and goes all month has no more.
const MOST_STRETCHES: usize = 10_000;

fn month(asked: &Asked<'_>) -> Result<Value, Problem> {
    let now = asked.instance.now;
    let month = asked.month().or_else(|| Month::containing(now, &asked.zone)).ok_or_else(Problem::internal)?;
    let query = AvailabilityQuery::open_until(asked.folder()?, asked.deadline.clone())?;
    let facts = query.facts(month.from(), month.to(), now)?;
    let only = asked.text("target");
    check_target(only, &facts)?;
    let requests = query.requests(month.from(), month.to())?;
    let question = Question {
        facts: &facts,
        requests: &requests,
        answer_within: asked.instance.answer_within,
        month: &month,
        zone: &asked.zone,
        now,
    };
    let lines: Vec<Value> = targets(&question, only)
        .map(|target| {
            let stretches = timeline(&question, target);
            let skipped = stretches.len().saturating_sub(MOST_STRETCHES);
            let segments: Vec<Value> = stretches
                .into_iter()
                .skip(skipped)
                .map(
                    |(start, end, state)| json!({"start": shape::time(start), "end": shape::time(end), "state": state}),
                )
                .collect();
            json!({"target": target.name, "segments": segments})
        })
        .collect();
    let says = json!({
        "month": month.to_string(), "timezone": shape::zone_name(asked), "targets": reports(&question, only),
        "timeline": lines,
    });
    Ok(shape::answer(asked, says))
}

fn check_target(name: Option<&str>, facts: &Facts) -> Result<(), Problem> {
    let known = || facts.targets.iter().map(|target| target.name.as_str());
    match name {
        Some(name) if !known().any(|known| known == name) => {
            let near = nearest(name, known()).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            Err(Problem::not_found(format!("there is no target {}{near}; there are {}", quoted(name), listed(known()))))
        }
        _ => Ok(()),
    }
}

/// Where an outage stands in the list: its start, the latest first, its target and its number.
type Place = (Reverse<Micros>, String, u64);

fn outages(asked: &Asked<'_>) -> Result<Value, Problem> {
    let period = asked.period()?;
    let now = asked.instance.now;
    let (since, until) = (period.since.unwrap_or(Micros::MIN), period.until.unwrap_or(Micros::MAX));
    // Outages and notes are all known, whatever the time: only what was seen is read of one moment.
    let facts = AvailabilityQuery::open_until(asked.folder()?, asked.deadline.clone())?.facts(now, now, now)?;
    let only = asked.text("target");
    check_target(only, &facts)?;
    let mut found: Vec<(Place, Value)> = Vec::new();
    for target in facts.targets.iter().filter(|target| only.is_none_or(|only| only == target.name)) {
        for outage in &target.outages {
            let end = outage.end.unwrap_or(now);
            if outage.start < until && end >= since {
                let place = (Reverse(outage.start), target.name.clone(), outage.number);
                let notes: Vec<_> = target.notes.iter().filter(|note| note.outage == outage.number).collect();
                let mut told = told(outage, end);
                if let Some(map) = told.as_object_mut() {
                    map.insert("target".to_owned(), json!(target.name));
                    map.insert("url".to_owned(), json!(asked.page("/sla", "")));
                    map.insert("notes".to_owned(), json!(notes));
                }
                found.push((place, told));
            }
        }
    }
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    let (page, next) = shape::page(asked, found, asked.limit(USUAL), |(place, _)| place.clone())?;
    let outages: Vec<Value> = page.into_iter().map(|(_, outage)| outage).collect();
    Ok(shape::answer_of(asked, period, json!({"outages": outages, "next": next})))
}

fn told(outage: &Outage, end: Micros) -> Value {
    json!({
        "number": outage.number, "start": shape::time(outage.start), "end": outage.end.map(shape::time),
        "duration_seconds": shape::seconds(end - outage.start),
        "recovery_seconds": outage.end.map(|end| shape::seconds(end - outage.start)),
        "end_unobserved": outage.end_unobserved, "cause": outage.cause(), "failures": outage.failures,
    })
}

fn note(asked: &Asked<'_>) -> Result<Value, Problem> {
    asked.folder()?;
    let (target, text) = (asked.text("target").unwrap_or_default(), asked.text("text").unwrap_or_default().trim());
    let outage = asked.count("outage").unwrap_or_default();
    match asked.app.note(target, outage, text) {
        Ok(true) => Ok(shape::answer(asked, json!({"target": target, "outage": outage, "text": text}))),
        Ok(false) => Err(Problem::not_found(format!("{} has no outage {outage}", quoted(target)))),
        Err(why) => Err(Problem::unavailable(why)),
    }
}
