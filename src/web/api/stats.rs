//! Statistics of requests: now, over time, by group, and beside the period before.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use serde_json::{Value, json};

use super::asked::{Asked, Period};
use super::endpoint::Endpoint;
use super::filter::{GROUPS, PERIOD, REQUESTS, USUAL_GROUPS};
use super::parameter::{Kind, Parameter};
use super::problem::Problem;
use super::shape;
use crate::ledger::Moment;
use crate::record::{Currency, Micros};
use crate::report::recent::recent;
use crate::report::totals::{self, Figures, Of, Question, Totals, before, top, totals, trend};

pub(super) static ENDPOINTS: &[Endpoint] = &[
    Endpoint::get(
        "/api/v1/stats/overview",
        "now, today and this month beside the time before, availability, models",
        &[ZONED],
        "Overview",
        overview,
    ),
    Endpoint::get("/api/v1/stats/realtime", "the last 5 and 60 minutes, minute by minute", &[], "Realtime", realtime),
    Endpoint::get(
        "/api/v1/stats/trend",
        "figures over time, by no column or one",
        &[TREND, REQUESTS, PERIOD],
        "Trend",
        over_time,
    ),
    Endpoint::get(
        "/api/v1/stats/totals",
        "figures by group, and of the period before",
        &[TOTALS, REQUESTS, PERIOD, GROUPS],
        "Totals",
        by_group,
    ),
    Endpoint::get("/api/v1/stats/top", "the largest groups of a column", &[TOP, REQUESTS, PERIOD], "Top", largest),
];

const ZONED: &[Parameter] = &[super::filter::ZONE];

const TREND: &[Parameter] = &[
    Parameter::new("step", Kind::Choice(steps), "length of a step; default: hour"),
    Parameter::new(
        "by",
        Kind::Columns(1),
        "the column whose largest values have a series each; the others are one more series",
    ),
    Parameter::new("of", Kind::Choice(measures), "what the largest values are the largest of; default: requests"),
    Parameter::new("top", Kind::Count(1, 50), "how many values have a series of their own; default: 10"),
];

const TOTALS: &[Parameter] = &[
    Parameter::new("by", Kind::Columns(4), COLUMNS),
    Parameter::new("compare", Kind::Flag, "also the figures of the period before; needs since and until, or month"),
];

const COLUMNS: &str = "columns of a group, of: gateway, route, provider, model, upstream, mode, consumer, user, a dimension, day, week, month, hour; default: none";

const TOP: &[Parameter] = &[
    Parameter::new("by", Kind::Columns(1), "the column; default: model"),
    Parameter::new("of", Kind::Choice(measures), "what is the largest; default: requests"),
    Parameter::new("limit", Kind::Count(1, 1_000), "how many are listed; default: 10"),
];

/// Points that a series has at most.
const MOST_STEPS: i64 = 1_000;

/// Groups that a trend tells apart, or a list of the largest shows, if nothing is said.
const USUAL_TOP: usize = 10;

const SECOND: Micros = 1_000_000;
const HOUR: Micros = 3_600 * SECOND;
const DAY: Micros = 24 * HOUR;

fn steps() -> Vec<&'static str> {
    vec!["hour", "day", "week", "month"]
}

fn measures() -> Vec<&'static str> {
    vec!["requests", "cost", "tokens", "errors", "unpriced"]
}

/// A question about the whole of a period.
fn question(asked: &Asked<'_>, moment: &Moment, period: Period) -> Result<Question, Problem> {
    Ok(Question {
        by: Vec::new(),
        filter: asked.requests(moment, period)?,
        since: period.since.unwrap_or(Micros::MIN),
        until: period.until.unwrap_or(Micros::MAX),
        zone: asked.zone.clone(),
        kinds: false,
    })
}

/// What is the largest. Without any cost, requests are.
fn of(asked: &Asked<'_>, moment: &Moment) -> Result<Of, Problem> {
    Ok(match asked.text("of") {
        Some("tokens") => Of::Tokens,
        Some("errors") => Of::Errors,
        Some("unpriced") => Of::Unpriced,
        Some("cost") => asked.currency_of_amounts(moment)?.map_or(Of::Requests, Of::Cost),
        _ => Of::Requests,
    })
}

fn overview(asked: &Asked<'_>) -> Result<Value, Problem> {
    let moment = asked.open()?;
    let (now, zone) = (asked.instance.now, &asked.zone);
    let whole = |since: Micros, until: Micros| -> Result<Figures, Problem> {
        let period = Period { since: Some(since), until: Some(until) };
        Ok(totals(&moment, &question(asked, &moment, period)?)?.total)
    };
    let Starts { day, day_before, same_time_yesterday, month, month_before, same_time_last_month } =
        Starts::at(now, zone).ok_or_else(Problem::internal)?;
    let last_5 = recent(&moment, now)?.last_5_minutes;
    let last_day = Period { since: Some(now.div_euclid(HOUR) * HOUR - 23 * HOUR), until: None };
    let last_day = question(asked, &moment, last_day)?;
    let hour = totals::step("hour").ok_or_else(Problem::internal)?;
    let (series, _) = trend(&moment, &last_day, hour, Of::Requests, USUAL_TOP)?;
    let trend: Vec<Value> = series
        .iter()
        .flat_map(|series| &series.points)
        .map(|(time, figures)| json!({"time": time, "figures": shape::figures(figures)}))
        .collect();
    let model = asked.column(&moment, "model")?;
    let models = totals(&moment, &Question { by: vec![model], ..last_day })?;
    let models: Vec<Value> = top(models.groups, Of::Requests, USUAL_TOP)
        .top
        .iter()
        .map(|(values, figures)| json!({"model": values.first(), "figures": shape::figures(figures)}))
        .collect();
    let status = asked.app.status();
    let availability: Vec<Value> = status
        .targets
        .iter()
        .map(|target| {
            json!({
                "target": target.target, "state": target.state, "availability": target.availability,
                "objective": target.objective, "budget_left_seconds": target.budget.map(|(_, left)| left),
            })
        })
        .collect();
    let mut current = shape::figures(&last_5);
    if let Some(map) = current.as_object_mut() {
        let tokens = last_5.tokens().total();
        map.insert("requests_per_second".to_owned(), json!(shape::ratio(last_5.requests().into(), 300)));
        map.insert("tokens_per_second".to_owned(), json!(shape::ratio(tokens.into(), 300)));
    }
    let says = json!({
        "timezone": shape::zone_name(asked), "now": current,
        "today": shape::figures(&whole(day, now)?),
        "yesterday_same_time": shape::figures(&whole(day_before, same_time_yesterday)?),
        "month": shape::figures(&whole(month, now)?),
        "month_before_same_time": shape::figures(&whole(month_before, same_time_last_month)?),
        "availability": availability, "open_sessions": status.sessions_open.values().sum::<u64>(),
        "forecast": super::cost::this_month(asked, &moment)?, "models": models, "trend": trend,
    });
    Ok(shape::answer(asked, says))
}

/// Where days and months begin, and the same times before.
struct Starts {
    day: Micros,
    day_before: Micros,
    same_time_yesterday: Micros,
    month: Micros,
    month_before: Micros,
    same_time_last_month: Micros,
}

impl Starts {
    fn at(now: Micros, zone: &TimeZone) -> Option<Starts> {
        let now = Timestamp::from_microsecond(now).ok()?.to_zoned(zone.clone());
        let micros = |zoned: &jiff::Zoned| zoned.timestamp().as_microsecond();
        let day = now.start_of_day().ok()?;
        let month = now.first_of_month().ok()?.start_of_day().ok()?;
        Some(Starts {
            day: micros(&day),
            day_before: micros(&day.checked_sub(1.day()).ok()?),
            same_time_yesterday: micros(&now.checked_sub(1.day()).ok()?),
            month: micros(&month),
            month_before: micros(&month.checked_sub(1.month()).ok()?),
            same_time_last_month: micros(&now.checked_sub(1.month()).ok()?),
        })
    }
}

fn realtime(asked: &Asked<'_>) -> Result<Value, Problem> {
    let moment = asked.open()?;
    let found = recent(&moment, asked.instance.now)?;
    let minutes: Vec<Value> = found
        .minutes
        .iter()
        .map(|(time, figures)| {
            json!({
                "time": shape::time(*time), "requests": figures.requests(), "errors": figures.errors(),
                "tokens": shape::tokens(&figures.tokens()), "cost": shape::costs(&figures.costs()),
            })
        })
        .collect();
    let open: u64 = asked.app.status().sessions_open.values().sum();
    let says = json!({
        "last_5_minutes": shape::figures(&found.last_5_minutes),
        "last_60_minutes": shape::figures(&found.last_60_minutes), "minutes": minutes, "open_sessions": open,
    });
    Ok(shape::answer(asked, says))
}

fn over_time(asked: &Asked<'_>) -> Result<Value, Problem> {
    let moment = asked.open()?;
    let name = asked.text("step").unwrap_or("hour");
    let (length, usual) = match name {
        "hour" => (HOUR, Some(DAY)),
        "day" => (DAY, Some(30 * DAY)),
        "week" => (7 * DAY, Some(26 * 7 * DAY)),
        _ => (28 * DAY, None),
    };
    let mut period = asked.period()?;
    let until = period.until.unwrap_or(asked.instance.now);
    period.since = period.since.or_else(|| Some(until - usual?));
    if period.since.is_some_and(|since| until.saturating_sub(since) / length > MOST_STEPS) {
        return Err(Problem::bad(format!(
            "more than {MOST_STEPS} steps of `step={name}` lie between `since` and `until`; ask for less time or a longer step"
        )));
    }
    let step = totals::step(name).ok_or_else(Problem::internal)?;
    let by = asked.columns(&moment, &[])?;
    if by.iter().any(|by| by.is_time()) {
        return Err(Problem::bad("the parameter `by`: a trend is over time already; `step` says in which steps"));
    }
    let question = Question { by: by.clone(), ..question(asked, &moment, period)? };
    let most = asked.count("top").and_then(|top| usize::try_from(top).ok()).unwrap_or(USUAL_TOP);
    let (series, total) = trend(&moment, &question, step, of(asked, &moment)?, most)?;
    let series: Vec<Value> = series
        .iter()
        .map(|series| {
            let points: Vec<Value> = series
                .points
                .iter()
                .map(|(time, figures)| json!({"time": time, "figures": shape::figures(figures)}))
                .collect();
            let group = series.group.iter().cloned().collect::<Vec<_>>();
            json!({"group": shape::named(&by, &group), "other": !by.is_empty() && group.is_empty(), "points": points})
        })
        .collect();
    let by: Vec<String> = by.iter().map(ToString::to_string).collect();
    let says = json!({"step": name, "by": by, "series": series, "total": shape::figures(&total)});
    Ok(shape::answer_of(asked, period, says))
}

fn by_group(asked: &Asked<'_>) -> Result<Value, Problem> {
    let moment = asked.open()?;
    let period = asked.period()?;
    let by = asked.columns(&moment, &[])?;
    let question = Question { by: by.clone(), ..question(asked, &moment, period)? };
    let compared = match (asked.flag("compare"), period) {
        (false, _) => None,
        (true, Period { since: Some(since), until }) => {
            Some(before(since, until.unwrap_or(asked.instance.now), &asked.zone))
        }
        (true, _) => return Err(Problem::bad("`compare` needs to know the period: give `since`, or `month`")),
    };
    let Totals { groups, total } = totals(&moment, &question)?;
    let cost = total.costs();
    // The groups of other pages are let go before those of the other period come.
    let (groups, next) = shape::page(asked, groups, asked.limit(USUAL_GROUPS), |(values, _)| values.clone())?;
    let earlier = match compared {
        Some((since, until)) => Some(totals(&moment, &Question { since, until, ..question })?),
        None => None,
    };
    let groups: Vec<Value> = groups
        .iter()
        .map(|(values, figures)| {
            let earlier = earlier.as_ref().map(|earlier| {
                let same = earlier.groups.binary_search_by(|(known, _)| known.cmp(values)).ok();
                let found = same.and_then(|index| earlier.groups.get(index));
                shape::figures(found.map_or(&Figures::default(), |(_, figures)| figures))
            });
            json!({
                "group": shape::named(&by, values), "figures": shape::figures(figures),
                "share_of_cost": shares(figures, &cost), "before": earlier,
            })
        })
        .collect();
    let by: Vec<String> = by.iter().map(ToString::to_string).collect();
    let says = json!({
        "by": by, "groups": groups, "total": shape::figures(&total),
        "before": earlier.map(|earlier| shape::figures(&earlier.total)), "next": next,
    });
    Ok(shape::answer_of(asked, period, says))
}

/// The share of a group in the cost of each currency.
fn shares(figures: &Figures, whole: &std::collections::BTreeMap<Currency, i128>) -> Value {
    let share = |(currency, nanos): (&Currency, &i128)| {
        let part = figures.costs().get(currency).copied().unwrap_or(0);
        json!({"currency": currency.as_str(), "share": shape::ratio(part, *nanos)})
    };
    whole.iter().map(share).collect()
}

fn largest(asked: &Asked<'_>) -> Result<Value, Problem> {
    let moment = asked.open()?;
    let period = asked.period()?;
    let by = asked.columns(&moment, &["model"])?;
    let of = of(asked, &moment)?;
    let found = totals(&moment, &Question { by: by.clone(), ..question(asked, &moment, period)? })?;
    let whole = of.measure(&found.total);
    let ordered = top(found.groups, of, asked.limit(USUAL_TOP));
    let shown: Vec<Value> = ordered
        .top
        .iter()
        .map(|(values, figures)| {
            json!({
                "group": shape::named(&by, values), "figures": shape::figures(figures),
                "share": shape::ratio(of.measure(figures), whole),
            })
        })
        .collect();
    let names: Vec<String> = by.iter().map(ToString::to_string).collect();
    let currency = if let Of::Cost(currency) = of { Some(currency.as_str().to_owned()) } else { None };
    let says = json!({
        "by": names, "of": asked.text("of").unwrap_or("requests"), "currency": currency, "top": shown,
        "rest": shape::figures(&ordered.rest), "others": ordered.others, "total": shape::figures(&found.total),
    });
    Ok(shape::answer_of(asked, period, says))
}
