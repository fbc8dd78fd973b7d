//! Totals: requests, errors, tokens, cost and its kinds, by group; over time; the first of them; and beside the period before.
//!
//! A request belongs to its start. Unlike [`super::usage`] this counts no sessions and no time of use, and so it is answered
//! from rollups where only time and attributes are asked for, for all time. By user, or with a filter that only rows know,
//! it reaches as far back as rows are kept.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use foldhash::quality::RandomState;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use super::by::{By, slice_at};
use crate::ledger::{Error, Measure, Measures, Moment, OTHER_USERS, RequestFilter, Step, SumKey, SumQuestion};
use crate::record::{Attributes, Currency, Micros, Tokens};
use crate::session::usage::Period;

/// What is asked.
#[derive(Clone, Debug)]
pub struct Question {
    /// The columns of a group, in order.
    pub by: Vec<By>,
    /// Which requests. `since` and `until` below count, not its own.
    pub filter: RequestFilter,
    /// From then.
    pub since: Micros,
    /// Before then.
    pub until: Micros,
    /// Whose days and hours.
    pub zone: TimeZone,
    /// Whether the cost of each kind is needed where it has to be computed anew: by user, and with filters that only rows
    /// know. Rollups always have it.
    pub kinds: bool,
}

/// The figures of one group: sums by currency of the cost, `None` for requests without one, in that order. Most groups have one
/// or two, which a map would keep much room for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures(Vec<(Option<Currency>, Measures)>);

/// Errors by reason: the label that users see, and the measure.
pub const REASONS: [(&str, Measure); 6] = [
    ("rate_limited", Measure::RateLimited),
    ("client", Measure::Client),
    ("upstream", Measure::Upstream),
    ("timeout", Measure::Timeout),
    ("disconnect", Measure::Disconnect),
    ("gateway", Measure::Gateway),
];

/// Kinds of cost: the key that users see, and the measure. They add up to the cost exactly; what rounding leaves is with the
/// largest kind of each request, and what no price row gives is `other`.
pub const KINDS: [(&str, Measure); 6] = [
    ("uncached_input", Measure::CostInput),
    ("cache_read", Measure::CostCacheRead),
    ("cache_write", Measure::CostCacheWrite),
    ("output", Measure::CostOutput),
    ("reasoning", Measure::CostReasoning),
    ("other", Measure::CostOther),
];

impl Figures {
    /// Changes the sums of a currency, which are 0 before.
    pub(super) fn change(&mut self, currency: Option<Currency>, change: impl FnOnce(&mut Measures)) {
        match self.0.iter_mut().find(|(known, _)| *known == currency) {
            Some((_, sums)) => change(sums),
            None => {
                let mut sums = Measures::default();
                change(&mut sums);
                let place = self.0.partition_point(|(known, _)| *known < currency);
                self.0.reserve_exact(1);
                self.0.insert(place, (currency, sums));
            }
        }
    }

    /// A measure over all currencies: for what is no money.
    #[must_use]
    pub fn count(&self, measure: Measure) -> u64 {
        self.0.iter().fold(0, |sum, (_, sums)| sum.saturating_add(u64::try_from(sums.get(measure)).unwrap_or(0)))
    }

    /// A measure of money by currency in nano-units, without those of which there is none.
    #[must_use]
    pub fn money(&self, measure: Measure) -> BTreeMap<Currency, i128> {
        let priced = self.0.iter().filter_map(|(currency, sums)| Some(((*currency)?, i128::from(sums.get(measure)))));
        priced.filter(|(_, nanos)| *nanos != 0).collect()
    }

    /// Cost by currency, also where it is 0.
    #[must_use]
    pub fn costs(&self) -> BTreeMap<Currency, i128> {
        self.0.iter().filter_map(|(currency, sums)| Some(((*currency)?, i128::from(sums.get(Measure::Cost))))).collect()
    }

    /// Requests.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.count(Measure::Requests)
    }

    /// Requests that failed.
    #[must_use]
    pub fn errors(&self) -> u64 {
        REASONS.iter().map(|(_, measure)| self.count(*measure)).sum()
    }

    /// Tokens in disjoint kinds.
    #[must_use]
    pub fn tokens(&self) -> Tokens {
        Tokens {
            uncached_input: self.count(Measure::UncachedInput),
            cache_read: self.count(Measure::CacheRead),
            cache_write_5m: self.count(Measure::CacheWrite5m),
            cache_write_1h: self.count(Measure::CacheWrite1h),
            visible_output: self.count(Measure::VisibleOutput),
            reasoning: self.count(Measure::Reasoning),
        }
    }

    /// Mean length of successful requests in seconds; `None` where none is known.
    #[must_use]
    pub fn mean_seconds(&self) -> Option<f64> {
        self.mean(Measure::DurationSum, Measure::DurationCount)
    }

    /// Mean time to the first token of successful requests in seconds; `None` where none is known.
    #[must_use]
    pub fn mean_first_token_seconds(&self) -> Option<f64> {
        self.mean(Measure::FirstTokenSum, Measure::FirstTokenCount)
    }

    #[expect(clippy::cast_precision_loss, reason = "a mean for people; 2^53 microseconds are 285 years")]
    fn mean(&self, sum: Measure, count: Measure) -> Option<f64> {
        let (sum, count) = (self.count(sum), self.count(count));
        (count > 0).then(|| sum as f64 / count as f64 / 1e6)
    }

    /// Adds another's.
    pub fn add(&mut self, other: &Figures) {
        for (currency, sums) in &other.0 {
            self.change(*currency, |known| known.add(sums));
        }
    }
}

/// A group's values, in the order of the columns, and its figures.
pub type Group = (Vec<String>, Figures);

/// The answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Ordered by the values.
    pub groups: Vec<Group>,
    /// Figures of everything.
    pub total: Figures,
}

/// Numbers for values.
#[derive(Default)]
struct Numbers<T> {
    values: Vec<T>,
    known: HashMap<T, u32, RandomState>,
}

impl<T: Clone + Eq + std::hash::Hash> Numbers<T> {
    fn of(&mut self, value: T) -> u32 {
        if let Some(number) = self.known.get(&value) {
            return *number;
        }
        let number = u32::try_from(self.values.len()).unwrap_or(u32::MAX);
        self.values.push(value.clone());
        self.known.insert(value, number);
        number
    }

    fn get(&self, number: u32) -> Option<&T> {
        self.values.get(number as usize)
    }
}

/// Answers a question.
///
/// # Errors
/// The ledger cannot be read, takes too long, or there are too many groups.
pub fn totals(moment: &Moment, question: &Question) -> Result<Totals, Error> {
    summed(moment, question, None, None)
}

/// Sums by user from which on the pseudonyms are read at once.
const MANY_USERS: usize = 1_000;

/// A value of the column behind the last, of groups that are not among those to be told apart.
const REST: &str = "rest";

/// Where only some values of the first column are to be told apart, all others are one group, and one more column says so. Where
/// one measure is enough, others may be less than they are.
fn summed(
    moment: &Moment,
    question: &Question,
    only: Option<&[String]>,
    measure: Option<Measure>,
) -> Result<Totals, Error> {
    let Question { by, zone, .. } = question;
    let hours = by.iter().any(|by| matches!(by, By::Hour | By::EachHour));
    let days = by.iter().any(|by| matches!(by, By::Period(_)));
    let by_user = by.contains(&By::User);
    let of_users = only.filter(|_| by.first() == Some(&By::User));
    let only_users = of_users.map(|only| -> Result<BTreeSet<u32>, Error> {
        let ids = only.iter().map(|name| if name.is_empty() { Ok(Some(0)) } else { moment.user(name) });
        ids.filter_map(Result::transpose).collect()
    });
    let sum_question = SumQuestion {
        filter: RequestFilter { since: Some(question.since), until: Some(question.until), ..question.filter.clone() },
        step: if hours {
            Step::Hour
        } else if days {
            Step::Day
        } else {
            Step::Whole
        },
        zone: zone.clone(),
        by_user,
        only_users: only_users.transpose()?,
        only: measure,
        kinds: question.kinds,
    };
    // Values of the columns of attributes, and of those of time.
    let (mut of_attributes, mut of_time): (Numbers<Vec<String>>, Numbers<Vec<String>>) = Default::default();
    let sums = moment.sums(
        &sum_question,
        |attributes: &Attributes| {
            let mut values: Vec<String> = by.iter().map(|by| by.of_attributes(attributes).to_owned()).collect();
            if let (Some(only), None, Some(first)) = (only, of_users, values.first_mut()) {
                let is_rest = !only.contains(first);
                if is_rest {
                    first.clear();
                }
                values.push(if is_rest { REST.to_owned() } else { String::new() });
            }
            of_attributes.of(values)
        },
        |at| of_time.of(by.iter().map(|by| of_moment(by, at, zone)).collect()),
    )?;
    if by_user && sums.len() > MANY_USERS {
        moment.remember_users()?;
    }
    let mut total = Figures::default();
    sums.iter().for_each(|(key, measures)| total.change(key.currency, |known| known.add(measures)));
    if by.is_empty() {
        return Ok(Totals { groups: Vec::new(), total });
    }
    let values = |key: &SumKey| -> Result<Vec<String>, Error> {
        let (who, when) = (of_attributes.get(key.group), of_time.get(key.slot));
        let mut values = Vec::with_capacity(by.len() + 1);
        for (index, by) in by.iter().enumerate() {
            let of =
                |values: Option<&Vec<String>>| values.and_then(|values| values.get(index)).cloned().unwrap_or_default();
            values.push(match by {
                By::User if key.user == OTHER_USERS => String::new(),
                By::User => moment.name(key.user)?.to_string(),
                By::Currency => key.currency.map_or_else(String::new, |currency| currency.to_string()),
                By::Attribute(_) | By::Dimension(_) => of(who),
                By::Period(_) | By::Hour | By::EachHour => of(when),
            });
        }
        if of_users.is_some() {
            values.push(if key.user == OTHER_USERS { REST.to_owned() } else { String::new() });
        } else if only.is_some() {
            values.extend(who.and_then(|values| values.get(by.len())).cloned());
        }
        Ok(values)
    };
    let by_currency = by.contains(&By::Currency);
    let mut groups: Vec<Group> = Vec::new();
    let mut places: HashMap<SumKey, usize, RandomState> = HashMap::default();
    for (key, measures) in &sums {
        let of_group = SumKey { currency: key.currency.filter(|_| by_currency), ..*key };
        let place = match places.get(&of_group) {
            Some(place) => *place,
            None => {
                places.insert(of_group, groups.len());
                groups.push((values(key)?, Figures::default()));
                groups.len() - 1
            }
        };
        if let Some((_, figures)) = groups.get_mut(place) {
            figures.change(key.currency, |known| known.add(measures));
        }
    }
    groups.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    // Who has no name, or none any more, is nobody, as whom many may be known.
    groups.dedup_by(|(values, figures), (known, sums)| {
        let is_same = values == known;
        if is_same {
            sums.add(figures);
        }
        is_same
    });
    Ok(Totals { groups, total })
}

/// The value of a column of time.
fn of_moment(by: &By, at: Micros, zone: &TimeZone) -> String {
    slice_at(at, zone).map_or_else(String::new, |slice| by.of_slice(&slice, zone))
}

/// What a list of groups is ordered by, the largest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Of {
    /// Cost in one currency.
    Cost(Currency),
    /// Tokens, input and output together.
    Tokens,
    /// Requests.
    #[default]
    Requests,
    /// Requests that failed.
    Errors,
    /// Requests that no price row fits.
    Unpriced,
}

impl Of {
    /// The measure that decides the order, where it is one.
    fn only(self) -> Option<Measure> {
        match self {
            Of::Cost(_) => Some(Measure::Cost),
            Of::Requests => Some(Measure::Requests),
            Of::Unpriced => Some(Measure::UnpricedRequests),
            Of::Tokens | Of::Errors => None,
        }
    }

    /// A group's place in the order.
    #[must_use]
    pub fn measure(self, figures: &Figures) -> i128 {
        match self {
            Of::Cost(currency) => {
                let of = figures.0.iter().find(|(known, _)| *known == Some(currency));
                of.map_or(0, |(_, sums)| i128::from(sums.get(Measure::Cost)))
            }
            Of::Tokens => figures.tokens().total().into(),
            Of::Requests => figures.requests().into(),
            Of::Errors => figures.errors().into(),
            Of::Unpriced => figures.count(Measure::UnpricedRequests).into(),
        }
    }
}

/// The first groups of an order, and what is left.
#[derive(Clone, Debug, Default)]
pub struct Top {
    /// The largest first; of equal ones the one whose values come first.
    pub top: Vec<Group>,
    /// All others together.
    pub rest: Figures,
    /// How many others there are.
    pub others: usize,
}

/// The `most` largest of groups that are ordered by their values.
#[must_use]
pub fn top(mut groups: Vec<Group>, of: Of, most: usize) -> Top {
    groups.sort_by_cached_key(|(_, figures)| Reverse(of.measure(figures)));
    let others = groups.split_off(most.min(groups.len()));
    let mut rest = Figures::default();
    others.iter().for_each(|(_, figures)| rest.add(figures));
    Top { top: groups, rest, others: others.len() }
}

/// The figures of one group over time.
#[derive(Clone, Debug)]
pub struct Series {
    /// The group's value; `None` for all others together.
    pub group: Option<String>,
    /// The times of the steps, as [`By`] writes them, ascending, and their figures. Steps without requests are left out.
    pub points: Vec<(String, Figures)>,
}

/// Figures over time, by no column or one: the `most` largest groups of it, and all others together as the last series.
///
/// # Errors
/// As [`totals`].
pub fn trend(
    moment: &Moment,
    question: &Question,
    step: By,
    of: Of,
    most: usize,
) -> Result<(Vec<Series>, Figures), Error> {
    let column = question.by.first();
    // The largest of the whole period first, so that only they have to be told apart over time.
    let named = match column {
        None => Vec::new(),
        Some(column) => {
            let whole = Question { by: vec![column.clone()], ..question.clone() };
            let whole = summed(moment, &whole, None, of.only())?;
            let ordered = top(whole.groups, of, most);
            ordered.top.into_iter().filter_map(|(values, _)| values.into_iter().next()).collect()
        }
    };
    let by: Vec<By> = column.into_iter().cloned().chain([step]).collect();
    let question = Question { by, ..question.clone() };
    // There are few currencies: the others are put together afterwards.
    let split = !matches!(column, None | Some(By::Currency));
    let Totals { groups, total } = summed(moment, &question, split.then_some(named.as_slice()), None)?;
    let mut points: Vec<BTreeMap<String, Figures>> = vec![BTreeMap::new(); named.len() + 1];
    for (values, figures) in groups {
        let mut values = values.into_iter();
        let value = column.and_then(|_| values.next()).unwrap_or_default();
        let time = values.next().unwrap_or_default();
        let is_rest = values.next().is_some_and(|rest| rest == REST);
        let place = named.iter().position(|name| !is_rest && *name == value).unwrap_or(named.len());
        if let Some(points) = points.get_mut(place) {
            points.entry(time).or_default().add(&figures);
        }
    }
    let names = named.into_iter().map(Some).chain([None]);
    let series = names.zip(points).filter(|(_, points)| !points.is_empty());
    let series = series.map(|(group, points)| Series { group, points: points.into_iter().collect() });
    Ok((series.collect(), total))
}

/// The period before one: the month or months before whole months, the days before whole days, else as much time before.
#[must_use]
pub fn before(since: Micros, until: Micros, zone: &TimeZone) -> (Micros, Micros) {
    let shift = || -> Option<(Micros, Micros)> {
        let at = |moment: Micros| Some(Timestamp::from_microsecond(moment).ok()?.to_zoned(zone.clone()));
        let (from, to) = (at(since)?, at(until)?);
        let is_midnight = |zoned: &jiff::Zoned| zoned.start_of_day().is_ok_and(|start| start == *zoned);
        if !is_midnight(&from) || !is_midnight(&to) || until <= since {
            return None;
        }
        let begin = if from.day() == 1 && to.day() == 1 {
            let months = i64::from(to.year() - from.year()) * 12 + i64::from(to.month() - from.month());
            from.date().checked_sub(months.months()).ok()?
        } else {
            let days = from.date().until(to.date()).ok()?;
            from.date().checked_sub(days).ok()?
        };
        Some((begin.to_zoned(zone.clone()).ok()?.timestamp().as_microsecond(), since))
    };
    shift().unwrap_or_else(|| (since.saturating_sub(until.saturating_sub(since)), since))
}

/// The values of a dimension or column that some request ever had, in order.
///
/// # Errors
/// The ledger cannot be read.
pub fn values(moment: &Moment, by: &By) -> Result<Vec<String>, Error> {
    let mut values: BTreeSet<String> = BTreeSet::new();
    moment.each_attributes(|_, attributes| {
        let value = by.of_attributes(attributes);
        if !value.is_empty() && !values.contains(value) {
            values.insert(value.to_owned());
        }
    })?;
    Ok(values.into_iter().collect())
}

/// The step of a trend by its name: `hour`, `day`, `week` or `month`.
#[must_use]
pub fn step(name: &str) -> Option<By> {
    if name == "hour" {
        return Some(By::EachHour);
    }
    Period::ALL.into_iter().find(|period| period.label() == name).map(By::Period)
}
