//! What was spent: totals by group, what they come to in one currency, and what the counters say besides.
//!
//! Money of a day of the question's time zone is converted at the rate in force that day. Totals that come from rollups also
//! hold what retention has removed, so that counters = totals of all time + [`Answer::adjustments`]; those of users, and of
//! filters that only rows know, hold the requests that are kept, and the adjustments of retention come on top.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::amounts::{Amounts, shares};
use super::by::By;
use super::exchange::{Converted, Target, Used, UsedRates};
use super::totals::{self, Figures, Totals};
use crate::ledger::{Error, Measure, Moment};
use crate::record::Currency;
use crate::session::usage::Period;

/// What is asked: the totals, and what all cost is converted to as well.
#[derive(Clone, Debug)]
pub struct Question {
    /// Which totals.
    pub totals: totals::Question,
    /// The one currency; `None` where no total is wanted.
    pub target: Option<Target>,
}

/// A group's values, in the order of the columns, its figures, and its cost in one currency.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// Values of the columns.
    pub values: Vec<String>,
    /// Figures.
    pub figures: Figures,
    /// All its cost in the currency that was asked for.
    pub converted: Converted,
}

/// The answer.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// Ordered by the values.
    pub groups: Vec<Group>,
    /// Everything that was asked for.
    pub total: Group,
    /// The rates that the converted amounts rest on.
    pub rates: Vec<Used>,
    /// Whether only requests that are kept are in it.
    pub kept_only: bool,
    /// What is to be added to the totals of all time to come to the counters, by kind.
    pub adjustments: BTreeMap<String, BTreeMap<Option<Currency>, [i128; 2]>>,
}

/// Requests and cost of adjustments.
#[must_use]
pub fn adjusted(sums: &BTreeMap<Option<Currency>, [i128; 2]>) -> (i128, Amounts) {
    let requests = sums.values().map(|[requests, _]| requests).sum();
    let money = sums.iter().filter_map(|(currency, [_, cost])| Some(((*currency)?, *cost)));
    (requests, money.filter(|(_, cost)| *cost != 0).collect())
}

/// The share of cost that rests on an assumption, by currency, 0 to 1.
#[must_use]
pub fn assumed_share(figures: &Figures) -> BTreeMap<Currency, f64> {
    shares(&figures.money(Measure::AssumedCost), &figures.costs())
}

/// Answers a question.
///
/// # Errors
/// The ledger cannot be read, takes too long, or there are too many groups.
pub fn answer(moment: &Moment, question: &Question) -> Result<Answer, Error> {
    let kept_only = question.totals.by.contains(&By::User) || !question.totals.filter.is_of_attributes();
    let mut answer = match &question.target {
        Some(target) => converted(moment, &question.totals, target)?,
        None => {
            let Totals { groups, total } = totals::totals(moment, &question.totals)?;
            let group = |(values, figures)| Group { values, figures, converted: Converted::default() };
            Answer {
                groups: groups.into_iter().map(group).collect(),
                total: Group { figures: total, ..Group::default() },
                ..Answer::default()
            }
        }
    };
    answer.kept_only = kept_only;
    for adjusted in moment.adjustments()? {
        // Rollups keep what has left the rows.
        if kept_only || !["retention", "deletion"].contains(&adjusted.kind.as_str()) {
            let sums = answer.adjustments.entry(adjusted.kind).or_default().entry(adjusted.currency).or_default();
            for (sum, measure) in sums.iter_mut().zip([Measure::Requests, Measure::Cost]) {
                *sum += i128::from(adjusted.measures.get(measure));
            }
        }
    }
    Ok(answer)
}

/// Totals told apart by day and currency, each converted, and put together again.
fn converted(moment: &Moment, question: &totals::Question, target: &Target) -> Result<Answer, Error> {
    let columns = question.by.len();
    let by = question.by.iter().cloned().chain([By::Period(Period::Day), By::Currency]).collect();
    let Totals { groups, total } = totals::totals(moment, &totals::Question { by, ..question.clone() })?;
    let mut used = UsedRates::default();
    let mut answer = Answer { total: Group { figures: total, ..Group::default() }, ..Answer::default() };
    let mut together: BTreeMap<Vec<String>, Group> = BTreeMap::new();
    for (mut values, figures) in groups {
        let rest = values.split_off(columns);
        let day = rest.first().and_then(|day| day.parse::<Date>().ok()).unwrap_or_default();
        let group = together.entry(values).or_default();
        for (currency, nanos) in figures.money(Measure::Cost) {
            group.converted.add(target, day, currency, nanos);
            answer.total.converted.add(target, day, currency, nanos);
            used.observe(target, day, currency);
        }
        group.figures.add(&figures);
    }
    if columns > 0 {
        answer.groups = together.into_iter().map(|(values, group)| Group { values, ..group }).collect();
    }
    answer.rates = used.finish();
    Ok(answer)
}
