//! Rollups of hours, column by column: those of a day of UTC in one piece of bytes.
//!
//! A month has more cells of hours than can be read one by one in the time that a page has. So the cells of days that are
//! over are packed, one day at a time, and forgotten in the transaction that changes one of them. The table of rollups has all of
//! them all the same; whoever reads many takes packed ones where there are any.

use std::collections::BTreeSet;
use std::ops::Range;

use rusqlite::Connection;

use super::fold::BLOCK_ROWS;
use super::intern::CurrencyId;
use super::measure::{Measure, Measures};
use super::open::{Error, Ledger};
use super::packed::{Packed, join, split};
use super::user_days::QUIET_BLOCKS;

/// Cells of a day that is packed; a day of more is read as it is.
const MAX_CELLS: usize = 50_000;
/// Days that are passed over at one time.
const MAX_PASSED: usize = 256;
/// Columns before those of the measures: how many cells there are, buckets, attributes, and ids of currencies.
const HEAD: usize = 4;
/// Seconds of a day.
const DAY: i64 = 86_400;

/// The days of UTC of buckets.
pub(super) fn utc_days(buckets: impl Iterator<Item = i64>) -> BTreeSet<i64> {
    buckets.map(|bucket| bucket.div_euclid(DAY)).collect()
}

/// The measures of one cell, packed in either form.
pub(super) enum Cell<'a> {
    /// As they are in the table of rollups.
    Row(&'a [u8]),
    /// Columns that are not 0 everywhere, and the place in them.
    Columns(&'a [(Measure, &'a Packed)], usize),
}

impl Cell<'_> {
    /// Adds them to a sum; of columns only one, where only that is needed.
    pub(super) fn add_to(&self, only: Option<Measure>, sum: &mut Measures) -> Result<(), Error> {
        match self {
            Cell::Row(bytes) => {
                sum.add_packed(bytes).ok_or_else(|| Error::Stored("the sums of a rollup cannot be read".to_owned()))
            }
            Cell::Columns(columns, place) => {
                let add = |(measure, column): &(Measure, &Packed)| sum.increase(*measure, column.get(*place));
                match only {
                    Some(only) => columns.iter().filter(|(measure, _)| *measure == only).for_each(add),
                    None => columns.iter().for_each(add),
                }
                Ok(())
            }
        }
    }
}

/// Calls `found` with bucket, attributes, currency and measures of each cell of a packed day; `None` where the bytes are none.
pub(super) fn each_packed<E>(
    bytes: &[u8],
    mut found: impl FnMut(i64, u32, CurrencyId, &Cell<'_>) -> Result<(), E>,
) -> Option<Result<(), E>> {
    let columns = split(bytes)?;
    let [count, buckets, attributes, currencies, measures @ ..] = columns.as_slice() else { return None };
    let used = Measure::ALL.iter().zip(measures).filter(|(_, column)| !column.is_zero());
    let used: Vec<(Measure, &Packed)> = used.map(|(measure, column)| (*measure, column)).collect();
    let small = |column: &Packed, place| u32::try_from(column.get(place)).unwrap_or(0);
    for place in 0..usize::try_from(count.get(0)).ok()? {
        let cell = Cell::Columns(&used, place);
        let told = found(buckets.get(place), small(attributes, place), small(currencies, place), &cell);
        if told.is_err() {
            return Some(told);
        }
    }
    Some(Ok(()))
}

/// What is called with bucket, attributes, currency and measures of a rollup.
type Found<'f> = dyn FnMut(i64, u32, CurrencyId, &Cell<'_>) -> Result<(), Error> + 'f;

/// Calls `found` with bucket, attributes, currency and measures of each rollup of buckets within a range, in no order.
pub(super) fn each_rollup(
    connection: &Connection,
    buckets: Range<i64>,
    mut found: impl FnMut(i64, u32, CurrencyId, &Cell<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let rows = |range: Range<i64>, found: &mut Found<'_>| {
        let sql = "SELECT bucket, attributes, currency, data FROM rollups WHERE bucket >= ?1 AND bucket < ?2";
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query([range.start, range.end])?;
        while let Some(row) = rows.next()? {
            let cell = Cell::Row(row.get_ref(3)?.as_blob().unwrap_or_default());
            found(row.get(0)?, row.get(1)?, row.get(2)?, &cell)?;
        }
        Ok::<(), Error>(())
    };
    if buckets.is_empty() {
        return Ok(());
    }
    let (first, last) = (buckets.start.div_euclid(DAY), buckets.end.div_euclid(DAY));
    let mut statement =
        connection.prepare_cached("SELECT day, data FROM rollup_columns WHERE day >= ?1 AND day <= ?2 ORDER BY day")?;
    let mut days = statement.query([first, last])?;
    let mut next = buckets.start;
    while let Some(stored) = days.next()? {
        let day: i64 = stored.get(0)?;
        let (begin, end) = (day * DAY, (day + 1) * DAY);
        if begin < next || end > buckets.end {
            continue;
        }
        if next < begin {
            rows(next..begin, &mut found)?;
        }
        each_packed(stored.get_ref(1)?.as_blob().unwrap_or_default(), &mut found)
            .ok_or_else(|| Error::Stored(format!("the packed rollups of day {day} cannot be read")))??;
        next = end;
    }
    if next < buckets.end { rows(next..buckets.end, &mut found) } else { Ok(()) }
}

/// Packs the rollups of a day; `None` where there are none, or too many.
fn pack(connection: &Connection, day: i64) -> Result<Option<Vec<u8>>, Error> {
    let mut columns: Vec<Vec<i64>> = vec![Vec::new(); HEAD + Measure::ALL.len()];
    let mut count = 0;
    let sql = "SELECT bucket, attributes, currency, data FROM rollups WHERE bucket >= ?1 AND bucket < ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([day * DAY, (day + 1) * DAY])?;
    while let Some(row) = rows.next()? {
        count += 1;
        if count > MAX_CELLS {
            return Ok(None);
        }
        let measures = Measures::unpack(row.get_ref(3)?.as_blob().unwrap_or_default())?;
        let head = [row.get::<_, i64>(0)?, row.get(1)?, row.get(2)?];
        let values = head.into_iter().chain(measures.values());
        columns.iter_mut().skip(1).zip(values).for_each(|(column, value)| column.push(value));
    }
    if let Some(counts) = columns.first_mut() {
        counts.push(i64::try_from(count).unwrap_or(0));
    }
    Ok((count > 0).then(|| join(columns.iter())))
}

impl Ledger {
    /// Packs the rollups of the next day that is quiet, in a transaction of its own. To be called when the folds are written.
    /// Returns whether there may be more to pack.
    ///
    /// # Errors
    /// The ledger cannot be read or written; nothing was packed.
    pub(super) fn pack_rollups(&mut self) -> Result<bool, Error> {
        if self.path.is_none() {
            return Ok(false);
        }
        let full = (self.folds.mark + 1) / BLOCK_ROWS;
        for _ in 0..MAX_PASSED {
            let begin = self.rollup_days.next.saturating_mul(DAY);
            let next: Option<i64> = self
                .connection
                .prepare_cached("SELECT min(bucket) FROM rollups WHERE bucket >= ?1")?
                .query_row([begin], |row| row.get(0))?;
            let Some(day) = next.map(|bucket| bucket.div_euclid(DAY)) else { return Ok(false) };
            self.rollup_days.next = day;
            let last: Option<i64> = self
                .connection
                .prepare_cached("SELECT max(block) FROM blocks WHERE first_start < ?2 AND last_start >= ?1")?
                .query_row([day * DAY * 1_000_000, (day + 1) * DAY * 1_000_000], |row| row.get(0))?;
            if last.is_some_and(|last| full - last <= QUIET_BLOCKS) {
                return Ok(false);
            }
            self.rollup_days.next += 1;
            if self.rollup_days.has(day) {
                continue;
            }
            if let Some(data) = pack(&self.connection, day)? {
                self.connection
                    .prepare_cached("INSERT OR REPLACE INTO rollup_columns (day, data) VALUES (?1, ?2)")?
                    .execute((day, data))?;
                self.rollup_days.keep(day);
                return Ok(true);
            }
        }
        Ok(true)
    }
}
