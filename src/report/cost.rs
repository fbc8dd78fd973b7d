//! What was spent, by group and period: requests, tokens and money, from rollups where they say enough.
//!
//! A request belongs to its start. Sums come from the rollups, which also hold what retention has removed; users are known
//! to the requests themselves only, so by user a report covers those that are kept, as it does for days of a zone that cut
//! the rollups' buckets. Counters = this report of everything + [`Answer::adjustments`].

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use foldhash::quality::RandomState;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::by::{By, slice_at};
use super::exchange::{Exchange, Target, Used, UsedRates};
use super::figures::Figures;
use super::filter::Filter;
use crate::ledger::{Error, Measure, Moment, Rollup};
use crate::record::Micros;

/// Moments whose columns are remembered.
const MAX_REMEMBERED: usize = 65_536;
/// Microseconds of the shortest time between two changes of day or hour anywhere: a quarter of an hour.
const QUARTER: Micros = 900_000_000;
/// Changes of a zone's clock that are looked at; beyond, a report reads rows.
const MAX_CHANGES: usize = 400;

/// What is asked.
#[derive(Clone, Debug)]
pub struct Question {
    /// The columns of a group, in order.
    pub by: Vec<By>,
    /// From then.
    pub since: Micros,
    /// Before then.
    pub until: Micros,
    /// Whose days and hours.
    pub zone: TimeZone,
    /// Which requests count.
    pub filter: Filter,
    /// What all cost is converted to as well.
    pub target: Option<Target>,
}

impl Question {
    /// Everything that ever was, in one group, in UTC.
    #[must_use]
    pub fn all() -> Question {
        Question {
            by: Vec::new(),
            since: i64::MIN,
            until: i64::MAX,
            zone: TimeZone::UTC,
            filter: Filter::default(),
            target: None,
        }
    }
}

/// Where the sums come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// Rollups: also what retention has removed.
    #[default]
    Rollups,
    /// The requests that are kept.
    Requests,
}

/// The answer.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// Values of the columns, and figures; ordered by the values.
    pub groups: Vec<(Vec<String>, Figures)>,
    /// Figures of everything that was asked for.
    pub total: Figures,
    /// The rates that the converted totals rest on.
    pub rates: Vec<Used>,
    /// Where the sums come from.
    pub source: Source,
    /// What is to be added to the report of all time to come to the counters, by kind.
    pub adjustments: BTreeMap<String, Figures>,
}

/// Answers a question.
///
/// # Errors
/// The ledger cannot be read.
pub fn answer(moment: &Moment, question: &Question) -> Result<Answer, Error> {
    let by_user = question.by.contains(&By::User) || question.filter.wants_user();
    let source = if by_user || !fits_buckets(moment, question)? { Source::Requests } else { Source::Rollups };
    let mut sums = Aggregate::new(moment, question);
    match source {
        Source::Rollups => {
            let by_time = sums.by_time || question.target.is_some();
            moment.each_rollup(question.since, question.until, by_time, |rollup| sums.add(rollup, 0))?;
        }
        Source::Requests => {
            let users = if by_user { users_of_parts(moment, question)? } else { HashMap::default() };
            moment.each_row(
                question.since,
                question.until,
                |_| true,
                |row| {
                    let user = if row.user == 0 { users.get(&row.part).copied().unwrap_or(0) } else { row.user };
                    sums.add(&Rollup::of(row), user)
                },
            )?;
        }
    }
    let mut answer = sums.finish();
    answer.source = source;
    answer.adjustments = adjustments(moment, source)?;
    Ok(answer)
}

/// Sums of adjustments by kind: of those that a report from such a source does not hold already.
fn adjustments(moment: &Moment, source: Source) -> Result<BTreeMap<String, Figures>, Error> {
    let mut kinds: BTreeMap<String, Figures> = BTreeMap::new();
    for adjusted in moment.adjustments()? {
        // Rollups keep what retention has removed.
        if source == Source::Requests || adjusted.kind != "retention" {
            kinds.entry(adjusted.kind).or_default().add(adjusted.currency, &adjusted.measures, None);
        }
    }
    Ok(kinds)
}

/// In a session of one user, requests that name none are that user's.
fn users_of_parts(moment: &Moment, question: &Question) -> Result<HashMap<i64, u32, RandomState>, Error> {
    let mut users = HashMap::default();
    moment.each_part(question.since, question.until, |part| -> Result<(), Error> {
        if part.user != 0 && !part.mixed_users {
            users.insert(part.id, part.user);
        }
        Ok(())
    })?;
    Ok(users)
}

/// Whether no day or hour that is asked about begins within a rollup's bucket.
fn fits_buckets(moment: &Moment, question: &Question) -> Result<bool, Error> {
    let zones = question.target.iter().map(|target| &target.zone);
    let zones = zones.chain(question.by.iter().any(By::is_time).then_some(&question.zone));
    let Some((first, last)) = moment.span()? else { return Ok(true) };
    let width = moment.rollup_seconds()?;
    let (from, to) = (first.max(question.since), last.min(question.until));
    let timestamp = |micros: Micros| Timestamp::from_microsecond(micros).ok();
    for zone in zones {
        let (Some(from), Some(to)) = (timestamp(from), timestamp(to)) else { return Ok(false) };
        let changes = zone.following(from).map(|change| change.timestamp()).take_while(|change| *change < to);
        let mut looked_at = 0;
        for at in std::iter::once(from).chain(changes) {
            looked_at += 1;
            if i64::from(zone.to_offset(at).seconds()) % width != 0 || looked_at > MAX_CHANGES {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// Numbers of the values of a group's columns.
type Group = Box<[u32]>;

/// Adds sums up by group.
struct Aggregate<'a> {
    moment: &'a Moment,
    question: &'a Question,
    by_time: bool,
    /// Values of all columns, each once; the first is empty.
    values: Vec<Arc<str>>,
    numbers: HashMap<Arc<str>, u32, RandomState>,
    /// The columns of attributes by their id, with 0 in the others; `None` where the filter leaves them out.
    of_attributes: HashMap<u32, Option<Group>, RandomState>,
    /// Number of a user's name; `None` where the filter leaves it out.
    of_user: HashMap<u32, Option<u32>, RandomState>,
    /// The columns of time by quarter of an hour.
    of_time: HashMap<Micros, Group, RandomState>,
    /// Conversions by quarter of an hour.
    exchanges: HashMap<Micros, Exchange<'a>, RandomState>,
    cells: HashMap<Group, Figures, RandomState>,
    used: UsedRates,
}

impl<'a> Aggregate<'a> {
    fn new(moment: &'a Moment, question: &'a Question) -> Aggregate<'a> {
        let mut sums = Aggregate {
            moment,
            question,
            by_time: question.by.iter().any(By::is_time),
            values: Vec::new(),
            numbers: HashMap::default(),
            of_attributes: HashMap::default(),
            of_user: HashMap::default(),
            of_time: HashMap::default(),
            exchanges: HashMap::default(),
            cells: HashMap::default(),
            used: UsedRates::default(),
        };
        sums.number("");
        sums
    }

    fn number(&mut self, value: &str) -> u32 {
        if let Some(number) = self.numbers.get(value) {
            return *number;
        }
        let number = u32::try_from(self.values.len()).unwrap_or(u32::MAX);
        let value: Arc<str> = value.into();
        self.values.push(Arc::clone(&value));
        self.numbers.insert(value, number);
        number
    }

    fn attributes(&mut self, id: u32) -> Result<Option<Group>, Error> {
        if let Some(known) = self.of_attributes.get(&id) {
            return Ok(known.clone());
        }
        let attributes = self.moment.attributes(id)?;
        let question = self.question;
        let group = question
            .filter
            .fits_attributes(&attributes)
            .then(|| question.by.iter().map(|by| self.number(by.of_attributes(&attributes))).collect::<Group>());
        self.of_attributes.insert(id, group.clone());
        Ok(group)
    }

    fn user(&mut self, id: u32) -> Result<Option<u32>, Error> {
        if let Some(known) = self.of_user.get(&id) {
            return Ok(*known);
        }
        let name = self.moment.name(id)?;
        let number = self.question.filter.fits_user(&name).then(|| self.number(&name));
        self.of_user.insert(id, number);
        Ok(number)
    }

    /// The columns of time at a moment.
    fn time(&mut self, at: Micros) -> Group {
        let quarter = at.div_euclid(QUARTER);
        if let Some(known) = self.of_time.get(&quarter) {
            return known.clone();
        }
        let question = self.question;
        let slice = slice_at(at, &question.zone);
        let of = |by: &By| slice.as_ref().map_or_else(String::new, |slice| by.of_slice(slice, &question.zone));
        let group: Group = question.by.iter().map(|by| self.number(&of(by))).collect();
        if self.of_time.len() >= MAX_REMEMBERED {
            self.of_time.clear();
        }
        // A zone whose clock once changed within a quarter gets no entry for it.
        let ends = [quarter * QUARTER, (quarter + 1) * QUARTER - 1].map(|end| slice_at(end, &question.zone));
        let [first, last] = ends.map(|end| end.map(|slice| (slice.date, slice.hour)));
        if first == last {
            self.of_time.insert(quarter, group.clone());
        }
        group
    }

    fn exchange(&mut self, at: Micros) -> Option<Exchange<'a>> {
        let target = self.question.target.as_ref()?;
        if self.exchanges.len() >= MAX_REMEMBERED {
            self.exchanges.clear();
        }
        // Days begin at full quarters but for zones of long ago.
        Some(*self.exchanges.entry(at.div_euclid(QUARTER)).or_insert_with(|| target.at(at)))
    }

    fn add(&mut self, rollup: &Rollup, user: u32) -> Result<(), Error> {
        if !self.question.filter.fits_currency(rollup.currency) {
            return Ok(());
        }
        let Some(mut group) = self.attributes(rollup.attributes)? else { return Ok(()) };
        let Some(user) = self.user(user)? else { return Ok(()) };
        if self.by_time {
            let time = self.time(rollup.start);
            for ((slot, time), by) in group.iter_mut().zip(time).zip(&self.question.by) {
                if by.is_time() {
                    *slot = time;
                }
            }
        }
        let question = self.question;
        for (slot, by) in group.iter_mut().zip(&question.by) {
            match by {
                By::User => *slot = user,
                By::Currency => *slot = self.number(rollup.currency.as_ref().map_or("", |code| code.as_str())),
                _ => {}
            }
        }
        let exchange = self.exchange(rollup.start);
        if let (Some(exchange), Some(currency)) = (exchange, rollup.currency)
            && rollup.measures.get(Measure::Cost) != 0
        {
            self.used.observe(exchange, currency);
        }
        self.cells.entry(group).or_default().add(rollup.currency, &rollup.measures, exchange);
        Ok(())
    }

    fn finish(self) -> Answer {
        let Aggregate { values, cells, used, .. } = self;
        let text = |number: &u32| values.get(*number as usize).map_or_else(String::new, ToString::to_string);
        let mut total = Figures::default();
        let mut groups: Vec<(Vec<String>, Figures)> = Vec::with_capacity(cells.len());
        for (group, figures) in cells {
            total.merge(&figures);
            groups.push((group.iter().map(text).collect(), figures));
        }
        groups.sort_by(|(a, _), (b, _)| a.cmp(b));
        Answer { groups, total, rates: used.finish(), ..Answer::default() }
    }
}
