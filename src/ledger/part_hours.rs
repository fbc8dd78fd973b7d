//! Rows of a part become its figures by hour of UTC, packed beside the parts of its block.
//!
//! Time of use by day or hour then needs no row of a session that goes on over midnight or a full hour. They are summed while
//! rows come in; what is not known so, after a start or a repricing, is read along the chain of the part when its block is
//! packed. Kept are those of parts whose requests start in several hours and have a cost in one currency at most.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use rusqlite::Connection;

use super::fold::BLOCK_ROWS;
use super::open::Error;
use super::packed::{Ends, join, split};
use super::request_view::NO_VALUE;
use super::row;
use crate::record::{Currency, Micros, Row, Tokens};
use crate::session::Part;

/// Microseconds of an hour.
const HOUR: Micros = 3_600_000_000;
/// Parts whose hours are summed while rows come in; those of more are read along their chains.
const MAX_PARTS: usize = 16_384;

/// What of a part's requests start in one hour of UTC.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartHour {
    /// Hours since 1970-01-01.
    pub hour: i64,
    /// Requests.
    pub requests: u64,
    /// Requests that begin a new question.
    pub turns: u64,
    /// Requests that failed.
    pub errors: u64,
    /// Requests whose usage should have been logged and was not.
    pub usage_missing: u64,
    /// Requests that no price row fits.
    pub unpriced: u64,
    /// Tokens.
    pub tokens: Tokens,
    /// Cost in nano-units of the part's currency; `None` where no request has one.
    pub nanos: Option<i128>,
}

impl PartHour {
    /// First moment, and the first behind.
    #[must_use]
    pub fn span(&self) -> (Micros, Micros) {
        let from = self.hour.saturating_mul(HOUR);
        (from, from.saturating_add(HOUR))
    }
}

fn hour(at: Micros) -> i64 {
    at.div_euclid(HOUR)
}

/// Whether the requests of a part start in several hours.
fn is_long(part: &Part) -> bool {
    hour(part.start) != hour(part.last_start)
}

/// The hours of one part, of its rows in log order.
#[derive(Debug, Default)]
struct Summing {
    last_round: u32,
    currency: Option<Currency>,
    /// There are costs in several currencies.
    is_mixed: bool,
    hours: Vec<PartHour>,
}

impl Summing {
    fn observe(&mut self, row: &Row) {
        let at = hour(row.start);
        if self.hours.last().is_none_or(|last| last.hour != at) && !self.hours.iter().any(|known| known.hour == at) {
            self.hours.reserve_exact(1);
            self.hours.push(PartHour { hour: at, ..PartHour::default() });
        }
        let opens_turn = row.chat_round == 0 || row.chat_round != self.last_round;
        self.last_round = row.chat_round;
        let Some(sums) = self.hours.iter_mut().rev().find(|known| known.hour == at) else { return };
        sums.requests += 1;
        sums.turns += u64::from(opens_turn);
        sums.errors += u64::from(row.outcome.error().is_some());
        sums.usage_missing += u64::from(row.usage_missing);
        sums.unpriced += u64::from(row.unpriced);
        sums.tokens.add(&row.tokens);
        if let Some(cost) = row.cost {
            *sums.nanos.get_or_insert(0) += i128::from(cost.nanos);
            self.is_mixed |= self.currency.is_some_and(|known| known != cost.currency);
            self.currency = Some(cost.currency);
        }
    }

    /// The hours in order, where they are all of a part's.
    fn of(&self, part: &Part) -> Option<Vec<PartHour>> {
        let requests: u64 = self.hours.iter().map(|hour| hour.requests).sum();
        let currencies = part.costs.0.iter().map(|(currency, _)| currency);
        if self.is_mixed || requests != part.requests || !currencies.eq(&self.currency) {
            return None;
        }
        let mut hours = self.hours.clone();
        hours.sort_unstable_by_key(|hour| hour.hour);
        Some(hours)
    }
}

/// The hours of a part by its rows; none where they are not kept.
pub(super) fn hours_of(connection: &Connection, part: &Part) -> Result<Vec<PartHour>, Error> {
    if !is_long(part) {
        return Ok(Vec::new());
    }
    let mut rows = Vec::new();
    row::each_of_part(connection, part, |row, _| {
        rows.push(row);
        ControlFlow::Continue(())
    })?;
    let mut sums = Summing::default();
    rows.iter().rev().for_each(|row| sums.observe(row));
    Ok(sums.of(part).unwrap_or_default())
}

/// The hours of parts that are not packed for good yet, as their rows come in.
#[derive(Debug, Default)]
pub(super) struct RecentHours(BTreeMap<i64, Summing>);

impl RecentHours {
    /// To be called for each row that is committed, in log order.
    pub(super) fn observe(&mut self, row: &Row) {
        if row.part == row.id && row.part != 0 && self.0.len() < MAX_PARTS {
            self.0.insert(row.part, Summing::default());
        }
        // Of parts that began earlier it is not known what came before.
        if let Some(sums) = self.0.get_mut(&row.part) {
            sums.observe(row);
        }
    }

    /// To be called when rows of a part have changed.
    pub(super) fn forget(&mut self, part: i64) {
        self.0.remove(&part);
    }

    /// To be called when a block is packed: those of its parts that are still open are needed again.
    pub(super) fn packed(&mut self, block: i64, is_open: impl Fn(i64) -> bool) {
        let ids: Vec<i64> = self.0.range(block * BLOCK_ROWS..(block + 1) * BLOCK_ROWS).map(|(id, _)| *id).collect();
        ids.into_iter().filter(|id| !is_open(*id)).for_each(|id| self.forget(id));
    }

    /// Packs the hours of parts, in their order.
    pub(super) fn pack<'a>(
        &self,
        connection: &Connection,
        parts: impl Iterator<Item = &'a Part>,
    ) -> Result<Vec<u8>, Error> {
        let mut columns: [Vec<i64>; COUNT] = Default::default();
        let (mut lengths, mut count) = (Vec::new(), 0);
        for part in parts {
            let known = self.0.get(&part.id).filter(|_| is_long(part)).and_then(|sums| sums.of(part));
            let hours = match known {
                Some(hours) => hours,
                None => hours_of(connection, part)?,
            };
            let values: Option<Vec<_>> = hours.iter().map(values).collect();
            let values = values.unwrap_or_default();
            lengths.push(i64::try_from(values.len()).unwrap_or(0));
            for value in values {
                columns.iter_mut().skip(HEAD).zip(value).for_each(|(column, value)| column.push(value));
            }
            count += 1;
        }
        let [counts, of_parts, ..] = &mut columns;
        counts.push(count);
        *of_parts = lengths;
        Ok(join(columns.iter()))
    }
}

/// Columns before those of the hours: how many parts there are, and how many hours each has.
const HEAD: usize = 2;
/// Values of an hour.
const VALUES: usize = 13;
const COUNT: usize = HEAD + VALUES;

/// `None` where an amount is too large.
fn values(hour: &PartHour) -> Option<[i64; VALUES]> {
    let count = |count: u64| i64::try_from(count).ok();
    let Tokens { uncached_input, cache_read, cache_write_5m, cache_write_1h, visible_output, reasoning } = hour.tokens;
    Some([
        hour.hour,
        count(hour.requests)?,
        count(hour.turns)?,
        count(hour.errors)?,
        count(hour.usage_missing)?,
        count(hour.unpriced)?,
        count(uncached_input)?,
        count(cache_read)?,
        count(cache_write_5m)?,
        count(cache_write_1h)?,
        count(visible_output)?,
        count(reasoning)?,
        hour.nanos.map_or(Some(NO_VALUE), |nanos| i64::try_from(nanos).ok().filter(|nanos| *nanos != NO_VALUE))?,
    ])
}

/// The packed hours of a block's parts.
#[derive(Debug)]
pub(super) struct HourBlock {
    columns: [Vec<i64>; VALUES],
    /// Where the hours of each part end.
    ends: Ends,
}

impl HourBlock {
    /// `None` where the bytes are none.
    pub(super) fn decode(bytes: &[u8]) -> Option<HourBlock> {
        let packed = split(bytes).filter(|columns| columns.len() == COUNT)?;
        let [count, lengths, hours, ..] = packed.as_slice() else { return None };
        let count = Some(count.get(0)).filter(|count| (0..=BLOCK_ROWS).contains(count))?;
        let mut numbers = Vec::new();
        lengths.unpack(usize::try_from(count).ok()?, &mut numbers);
        let ends = Ends::of_lengths(&numbers)?;
        let end = ends.last();
        // A part's hours differ, so each takes a bit.
        if end > 0 && end > hours.len() {
            return None;
        }
        let mut columns: [Vec<i64>; VALUES] = Default::default();
        columns.iter_mut().zip(packed.iter().skip(HEAD)).for_each(|(column, packed)| packed.unpack(end, column));
        Some(HourBlock { columns, ends })
    }

    /// How many parts there are.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    fn read(&self, place: usize, hours: &mut Vec<PartHour>) {
        for place in self.ends.places(place) {
            let values = self.columns.each_ref().map(|column| column.get(place).copied().unwrap_or(0));
            let [hour, counts @ .., nanos] = values;
            let [requests, turns, errors, usage_missing, unpriced, tokens @ ..] = counts.map(i64::unsigned_abs);
            let [uncached_input, cache_read, cache_write_5m, cache_write_1h, visible_output, reasoning] = tokens;
            let nanos = Some(nanos).filter(|nanos| *nanos != NO_VALUE).map(i128::from);
            let tokens =
                Tokens { uncached_input, cache_read, cache_write_5m, cache_write_1h, visible_output, reasoning };
            hours.push(PartHour { hour, requests, turns, errors, usage_missing, unpriced, tokens, nanos });
        }
    }
}

/// The hours of a part, where they are known.
#[derive(Clone, Copy, Debug)]
pub struct PartHours<'a>(Source<'a>);

#[derive(Clone, Copy, Debug)]
enum Source<'a> {
    None,
    Packed(&'a HourBlock, usize),
    Read(&'a [PartHour]),
}

impl<'a> PartHours<'a> {
    pub(super) const NONE: PartHours<'static> = PartHours(Source::None);

    pub(super) fn packed(block: &'a HourBlock, place: usize) -> PartHours<'a> {
        PartHours(Source::Packed(block, place))
    }

    pub(super) fn of(hours: &'a [PartHour]) -> PartHours<'a> {
        PartHours(Source::Read(hours))
    }

    /// Makes a list the hours, in their order; leaves it empty where they are not known.
    pub fn read(self, hours: &mut Vec<PartHour>) {
        hours.clear();
        match self.0 {
            Source::None => {}
            Source::Packed(block, place) => block.read(place, hours),
            Source::Read(read) => hours.extend_from_slice(read),
        }
    }
}
