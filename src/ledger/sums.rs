//! Sums over the requests of a period, by group and by stretch of time.
//!
//! Where only time and attributes are asked for, rollups answer: whole days from those of days, what is left from those of
//! hours, and where a period begins or ends within an hour, that hour from its rows. Days of another time zone than the
//! ledger's come from hours. Where only time and users are asked for, `user_days` answer. Anything else is summed over the columns of blocks, as far back as rows are kept. Rows that are
//! not folded yet are added one by one.

use std::collections::BTreeSet;
use std::ops::Range;

use foldhash::quality::RandomState;
use hashbrown::HashMap;
use jiff::Span as Length;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::columns::{Block, Column};
use super::fold::{BLOCK_ROWS, Width, day, stored_zone, zone_name};
use super::intern::{CurrencyId, read_currencies};
use super::kinds::Kinds;
use super::measure::{Measure, Measures};
use super::moment::Moment;
use super::open::Error;
use super::request_filter::Matcher;
use super::request_view::{NO_VALUE, RequestFilter};
use super::rollup_columns::{RollupSums, add_days, add_rollups};
use super::row;
use crate::pricing::CostKinds;
use crate::record::{Attributes, Cost, Currency, Micros, Row, ServiceTier};

/// Sums that are held at most.
pub const MAX_GROUPS: usize = 100_000;

/// Stands for all users that are not told apart.
pub const OTHER_USERS: u32 = u32::MAX;

/// Microseconds of a second.
const SECOND: Micros = 1_000_000;

/// The shortest stretch of time that has to be told from the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Step {
    /// None: the whole period.
    #[default]
    Whole,
    /// A day of the question's time zone.
    Day,
    /// An hour, or a quarter of one where the ledger sums by quarters.
    Hour,
}

/// What is summed.
#[derive(Clone, Debug)]
pub struct SumQuestion {
    /// Which requests; its times are those of the period.
    pub filter: RequestFilter,
    /// What is told apart in time.
    pub step: Step,
    /// Whose days.
    pub zone: TimeZone,
    /// Whether users are told apart.
    pub by_user: bool,
    /// Which of them, where not all are: the others are summed together, as [`OTHER_USERS`].
    pub only_users: Option<BTreeSet<u32>>,
    /// The measure that is needed, where it is one: others may be less than they are.
    pub only: Option<Measure>,
    /// Whether the cost of each kind of token is needed where rows have to be read for it: rollups always have it.
    pub kinds: bool,
}

/// One of the sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SumKey {
    /// What the question made of the attributes.
    pub group: u32,
    /// Id of the user, 0 where none is known or asked for.
    pub user: u32,
    /// What the question made of the time.
    pub slot: u32,
    /// Currency of the cost; `None` for what has no cost.
    pub currency: Option<Currency>,
}

/// The answer: each key once.
pub type Sums = Vec<(SumKey, Measures)>;

/// What is known of a set of attributes: its group, and its tier of service.
type Known = Option<(u32, ServiceTier)>;

pub(super) struct Summing<S> {
    sums: Vec<(SumKey, Measures)>,
    places: HashMap<SumKey, usize, RandomState>,
    /// Sums that are held at most.
    most: usize,
    /// The sum and the slot that were asked for last: cells of one hour come one after the other.
    last_sum: Option<(SumKey, usize)>,
    last_slot: Option<((Step, i64), u32)>,
    /// By id of the attributes; `None` for those that do not fit.
    groups: Vec<Known>,
    pub(super) step: Step,
    pub(super) zone: TimeZone,
    by_user: bool,
    only_users: Option<BTreeSet<u32>>,
    pub(super) only: Option<Measure>,
    slot: S,
    /// Slots by hour or day.
    slots: HashMap<(Step, i64), u32, RandomState>,
    bucket_seconds: i64,
}

impl<S: FnMut(Micros) -> u32> Summing<S> {
    fn group(&self, attributes: u32) -> Known {
        self.groups.get(attributes as usize).copied().flatten()
    }

    /// The one group of all attributes, where there is no other.
    fn only_group(&self) -> Option<u32> {
        let mut known = self.groups.iter().flatten().map(|(group, _)| *group);
        let first = known.next()?;
        known.all(|group| group == first).then_some(first)
    }

    /// The slot of a day or an hour, by its number.
    pub(super) fn slot(&mut self, step: Step, number: i64) -> u32 {
        if self.step == Step::Whole {
            return 0;
        }
        if let Some((_, slot)) = self.last_slot.filter(|(last, _)| *last == (step, number)) {
            return slot;
        }
        let (slot, zone) = (&mut self.slot, &self.zone);
        let found = *self.slots.entry((step, number)).or_insert_with(|| {
            slot(match step {
                Step::Day => day_begins(number, zone),
                Step::Whole | Step::Hour => number.saturating_mul(SECOND),
            })
        });
        self.last_slot = Some(((step, number), found));
        found
    }

    /// The slot of a moment.
    fn slot_at(&mut self, at: Micros) -> u32 {
        let bucket = at.div_euclid(self.bucket_seconds * SECOND) * self.bucket_seconds;
        self.slot(Step::Hour, bucket)
    }

    pub(super) fn cell(&mut self, key: SumKey) -> Result<&mut Measures, Error> {
        let place = self.place(key)?;
        self.sums.get_mut(place).map(|(_, sums)| sums).ok_or(Error::TooManyGroups(self.most))
    }

    fn place(&mut self, key: SumKey) -> Result<usize, Error> {
        let place = match self.last_sum {
            Some((last, place)) if last == key => return Ok(place),
            _ => match self.places.get(&key) {
                Some(place) => *place,
                None if self.sums.len() >= self.most => return Err(Error::TooManyGroups(self.most)),
                None => {
                    self.places.insert(key, self.sums.len());
                    self.sums.push((key, Measures::default()));
                    self.sums.len() - 1
                }
            },
        };
        self.last_sum = Some((key, place));
        Ok(place)
    }

    /// As whom a user is summed.
    pub(super) fn user(&self, user: u32) -> u32 {
        if !self.by_user {
            return 0;
        }
        if self.only_users.as_ref().is_none_or(|only| only.contains(&user)) { user } else { OTHER_USERS }
    }

    fn add_row(&mut self, row: &Row, kinds: &CostKinds) -> Result<(), Error> {
        let Some((group, _)) = self.group(row.attributes) else { return Ok(()) };
        let slot = if self.step == Step::Whole { 0 } else { self.slot_at(row.start) };
        let user = self.user(row.user);
        let key = SumKey { group, user, slot, currency: row.cost.map(|cost| cost.currency) };
        self.cell(key)?.observe(row, kinds);
        Ok(())
    }
}

/// Rollups of hours, or of days, are added.
struct RollupSumming<'a, S> {
    step: Step,
    currencies: Vec<(CurrencyId, Currency)>,
    summing: &'a mut Summing<S>,
}

impl<S: FnMut(Micros) -> u32> RollupSums for RollupSumming<'_, S> {
    fn number(&mut self, bucket: i64, attributes: u32, currency: CurrencyId) -> Result<Option<usize>, Error> {
        let Some((group, _)) = self.summing.group(attributes) else { return Ok(None) };
        let slot = self.summing.slot(self.step, bucket);
        let currency = self.currencies.iter().find(|(known, _)| *known == currency).map(|(_, currency)| *currency);
        self.summing.place(SumKey { group, user: 0, slot, currency }).map(Some)
    }

    fn sum(&mut self, number: usize) -> Option<&mut Measures> {
        self.summing.sums.get_mut(number).map(|(_, sums)| sums)
    }

    fn count(&self) -> usize {
        self.summing.sums.len()
    }

    fn only(&self) -> Option<Measure> {
        self.summing.only
    }
}

/// The first moment of a day that is counted from 1970-01-01.
pub(super) fn day_begins(day: i64, zone: &TimeZone) -> Micros {
    let date = Length::new().try_days(day).ok().and_then(|days| Date::new(1970, 1, 1).ok()?.checked_add(days).ok());
    let zoned = date.and_then(|date| date.to_zoned(zone.clone()).ok());
    zoned.map_or(day.saturating_mul(86_400 * SECOND), |zoned| zoned.timestamp().as_microsecond())
}

impl Moment {
    /// Sums requests. `group` gives a set of attributes its number, once for each that fits; `slot` gives a stretch of time,
    /// by its first moment, its number. Both may give the same number again.
    ///
    /// # Errors
    /// The ledger cannot be read, takes too long, or there are more than [`MAX_GROUPS`] sums.
    pub fn sums(
        &self,
        question: &SumQuestion,
        group: impl FnMut(&Attributes) -> u32,
        slot: impl FnMut(Micros) -> u32,
    ) -> Result<Sums, Error> {
        let SumQuestion { filter, step, by_user, .. } = question;
        let Some(matcher) = Matcher::resolve(self, filter)? else { return Ok(Sums::default()) };
        let mut summing = self.summing(question, &matcher, group, slot, MAX_GROUPS)?;
        let mut kinds = Kinds::default();
        let of_users = if *step != Step::Hour && filter.is_of_users() { summing.only_group() } else { None };
        if filter.is_of_attributes() && !by_user {
            let folded = self.add_rollups(&matcher, &mut summing)?;
            for edge in folded {
                let matcher = matcher.within(edge.start, edge.end);
                self.add_rows(&matcher, &mut summing, &mut kinds, true)?;
            }
        } else if let Some(group) = of_users {
            for rest in self.add_user_days(&matcher, group, &mut summing)? {
                let matcher = matcher.within(rest.start, rest.end);
                self.add_rows(&matcher, &mut summing, &mut kinds, question.kinds)?;
            }
        } else {
            self.add_rows(&matcher, &mut summing, &mut kinds, question.kinds)?;
        }
        // What is not folded yet is in no rollup and in no block.
        self.each_unfolded_row(matcher.since..matcher.until, |row| {
            if matcher.fits(row) {
                let tier = summing.group(row.attributes).map_or(ServiceTier::default(), |(_, tier)| tier);
                summing.add_row(row, &kinds.of(&self.connection, row, tier)?)?;
            }
            Ok(())
        })?;
        Ok(summing.sums)
    }

    /// Sums of folded rows that start within a stretch of time, by user and currency, with the kinds of cost; at most so many.
    pub(super) fn sums_of_users(&self, span: Range<Micros>, most: usize) -> Result<Sums, Error> {
        let question = SumQuestion {
            filter: RequestFilter { since: Some(span.start), until: Some(span.end), ..RequestFilter::default() },
            step: Step::Whole,
            zone: TimeZone::UTC,
            by_user: true,
            only_users: None,
            only: None,
            kinds: true,
        };
        let Some(matcher) = Matcher::resolve(self, &question.filter)? else { return Ok(Sums::default()) };
        let mut summing = self.summing(&question, &matcher, |_| 0, |_| 0, most)?;
        self.add_rows(&matcher, &mut summing, &mut Kinds::default(), true)?;
        Ok(summing.sums)
    }

    /// Nothing summed yet.
    fn summing<S: FnMut(Micros) -> u32>(
        &self,
        question: &SumQuestion,
        matcher: &Matcher,
        mut group: impl FnMut(&Attributes) -> u32,
        slot: S,
        most: usize,
    ) -> Result<Summing<S>, Error> {
        let SumQuestion { step, zone, by_user, only_users, only, .. } = question;
        let mut groups: Vec<Known> = Vec::new();
        self.each_attributes(|id, attributes| {
            let fits = matcher.attributes.as_ref().is_none_or(|ids| ids.contains(id));
            let known = fits.then(|| (group(attributes), attributes.service_tier));
            let place = id as usize;
            if groups.len() <= place {
                groups.resize(place + 1, None);
            }
            if let Some(slot) = groups.get_mut(place) {
                *slot = known;
            }
        })?;
        Ok(Summing {
            sums: Vec::new(),
            places: HashMap::default(),
            most,
            last_sum: None,
            last_slot: None,
            groups,
            step: *step,
            zone: zone.clone(),
            by_user: *by_user,
            only_users: only_users.clone(),
            only: *only,
            slot,
            slots: HashMap::default(),
            bucket_seconds: self.bucket_seconds()?,
        })
    }

    /// The time zone whose days rollups are summed by; UTC where it is not known by name.
    pub(super) fn rollup_zone(&self) -> Result<TimeZone, Error> {
        Ok(stored_zone(&self.connection)?.and_then(|name| TimeZone::get(&name).ok()).unwrap_or(TimeZone::UTC))
    }

    /// Seconds of a rollup's bucket.
    fn bucket_seconds(&self) -> Result<i64, Error> {
        Ok(self.connection.query_row("SELECT value FROM facts WHERE key = 'rollup_seconds'", [], |row| row.get(0))?)
    }

    /// Adds rollups; returns what is left at both ends, which lies within a bucket and whose rows are kept.
    fn add_rollups<S: FnMut(Micros) -> u32>(
        &self,
        matcher: &Matcher,
        summing: &mut Summing<S>,
    ) -> Result<Vec<Range<Micros>>, Error> {
        let width = summing.bucket_seconds * SECOND;
        let kept: Option<Micros> =
            self.connection.query_row("SELECT min(first_start) FROM blocks", [], |row| row.get(0))?;
        let kept = kept.unwrap_or(Micros::MAX);
        let mut edges = Vec::new();
        let (since, until) = (matcher.since, matcher.until);
        let mut from = since.div_euclid(width) * (width / SECOND);
        let mut to = until.div_euclid(width) * (width / SECOND);
        if since >= until {
            return Ok(edges);
        }
        // A bucket whose rows are gone belongs to its start.
        if since.rem_euclid(width) != 0 {
            from += width / SECOND;
            let end = from.saturating_mul(SECOND).min(until);
            if since >= kept {
                edges.push(since..end);
            }
        }
        if until != Micros::MAX && until.rem_euclid(width) != 0 && to >= from {
            let begin = to.saturating_mul(SECOND).max(since);
            if begin >= kept {
                edges.push(begin..until);
            } else {
                to += width / SECOND;
            }
        }
        let days = summing.step != Step::Hour
            && stored_zone(&self.connection)?.as_deref() == Some(&zone_name(&summing.zone))
            && from < to;
        if !days {
            self.add_buckets(Width::Hour, from..to, summing)?;
            return Ok(edges);
        }
        let zone = summing.zone.clone();
        let begins = |day: i64| day_begins(day, &zone).div_euclid(SECOND);
        let (mut first, last) = (day(from, &zone), day(to, &zone));
        if begins(first) < from {
            first += 1;
        }
        if first >= last {
            self.add_buckets(Width::Hour, from..to, summing)?;
            return Ok(edges);
        }
        // Beyond the years of the calendar there is nothing to cut.
        let (from_day, to_day) = (begins(first).max(from), begins(last).min(to));
        self.add_buckets(Width::Hour, from..from_day, summing)?;
        self.add_buckets(Width::Day, first..last, summing)?;
        self.add_buckets(Width::Hour, to_day..to, summing)?;
        Ok(edges)
    }

    fn add_buckets<S: FnMut(Micros) -> u32>(
        &self,
        width: Width,
        places: Range<i64>,
        summing: &mut Summing<S>,
    ) -> Result<(), Error> {
        if places.is_empty() {
            return Ok(());
        }
        let currencies = read_currencies(&self.connection)?;
        match width {
            Width::Hour => {
                add_rollups(&self.connection, places, &mut RollupSumming { step: Step::Hour, currencies, summing })
            }
            Width::Day => {
                add_days(&self.connection, places, &mut RollupSumming { step: Step::Day, currencies, summing })
            }
        }
    }

    /// Adds folded rows that fit.
    fn add_rows<S: FnMut(Micros) -> u32>(
        &self,
        matcher: &Matcher,
        summing: &mut Summing<S>,
        kinds: &mut Kinds,
        with_kinds: bool,
    ) -> Result<(), Error> {
        for span in self.spans(matcher)? {
            let block = Block::new(&self.connection, span.block);
            if span.full && matcher.sessions.is_none() {
                let places = matcher.select(&block, (span.first, span.last))?;
                if !places.is_empty() {
                    self.add_block(&block, &places, summing, with_kinds.then_some(&mut *kinds))?;
                }
                continue;
            }
            let (after, to) = (span.block * BLOCK_ROWS - 1, self.mark.min((span.block + 1) * BLOCK_ROWS - 1));
            row::each(&self.connection, after, to, |row, _| {
                if !matcher.fits(&row) {
                    return Ok(());
                }
                let tier = summing.group(row.attributes).map_or(ServiceTier::default(), |(_, tier)| tier);
                let kinds = if with_kinds { kinds.of(&self.connection, &row, tier)? } else { CostKinds::default() };
                summing.add_row(&row, &kinds)
            })?;
        }
        Ok(())
    }

    fn add_block<S: FnMut(Micros) -> u32>(
        &self,
        block: &Block<'_>,
        places: &[u32],
        summing: &mut Summing<S>,
        mut kinds: Option<&mut Kinds>,
    ) -> Result<(), Error> {
        let ids = block.list(Column::AttributeIds)?;
        // What the classes say is put into rows once, not for each row.
        let mut classes = Vec::new();
        for class in block.classes()? {
            let mut row = Row::default();
            class.fill(&mut row);
            classes.push(row);
        }
        let (attributes, class) = (block.column(Column::Attributes)?, block.column(Column::Class)?);
        let users =
            if summing.by_user { Some((block.list(Column::UserIds)?, block.column(Column::User)?)) } else { None };
        let starts =
            if summing.step == Step::Whole && kinds.is_none() { None } else { Some(block.column(Column::Start)?) };
        let tokens = block.tokens()?;
        let (costs, savings) = (block.column(Column::Cost)?, block.column(Column::Savings)?);
        let (durations, firsts) = (block.column(Column::Duration)?, block.column(Column::FirstToken)?);
        let price_rows = if kinds.is_some() { Some(block.column(Column::PriceRow)?) } else { None };
        let at =
            |values: &super::packed::Packed, place: usize| usize::try_from(values.get(place)).unwrap_or(usize::MAX);
        let mut row = Row::default();
        for place in places.iter().map(|place| *place as usize) {
            if let Some(class) = classes.get(at(&class, place)) {
                row.status = class.status;
                row.outcome = class.outcome;
                row.usage_missing = class.usage_missing;
                row.unpriced = class.unpriced;
                row.assumed = class.assumed;
                row.counted = class.counted;
                row.cost = class.cost;
            }
            row.attributes = ids.get(at(&attributes, place)).copied().unwrap_or(0);
            if let Some((ids, users)) = &users {
                row.user = ids.get(at(users, place)).copied().unwrap_or(0);
            }
            row.start = starts.as_ref().map_or(0, |starts| starts.get(place));
            row.tokens = tokens.get(place);
            let nanos = costs.get(place);
            row.cost = row.cost.filter(|_| nanos != NO_VALUE).map(|cost| Cost { nanos, ..cost });
            row.savings_nanos = savings.get(place);
            row.duration = durations.optional(place);
            row.first_token = firsts.optional(place);
            let mut parts = CostKinds::default();
            if let (Some(kinds), Some(price_rows)) = (kinds.as_deref_mut(), &price_rows) {
                row.price_row = u32::try_from(price_rows.get(place)).unwrap_or(0);
                let tier = summing.group(row.attributes).map_or(ServiceTier::default(), |(_, tier)| tier);
                parts = kinds.of(&self.connection, &row, tier)?;
            }
            summing.add_row(&row, &parts)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn a_day_begins_where_the_clock_of_its_zone_says() {
        for (zone, text) in [
            ("UTC", "2026-11-21T00:00:00Z"),
            ("Asia/Shanghai", "2026-11-20T16:00:00Z"),
            ("America/New_York", "2026-11-21T05:00:00Z"),
            ("Asia/Kolkata", "2026-11-20T18:30:00Z"),
        ] {
            let zone = TimeZone::get(zone).unwrap();
            let at: Timestamp = text.parse().unwrap();
            assert_eq!(day(at.as_second(), &zone), 20_778, "{text}");
            assert_eq!(day_begins(20_778, &zone), at.as_microsecond(), "{text}");
            assert_eq!(day(at.as_second() - 1, &zone), 20_777, "{text}");
        }
    }
}
