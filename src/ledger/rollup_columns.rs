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
use super::packed_cells::{self, CellSums, LEFT_OUT, PackedCells};

/// Cells of a day that is packed; a day of more is read as it is.
const MAX_CELLS: usize = 50_000;
/// Days that are passed over at one time.
const MAX_PASSED: usize = 256;
/// Seconds of a day.
const DAY: i64 = 86_400;

/// The days of UTC of buckets.
pub(super) fn utc_days(buckets: impl Iterator<Item = i64>) -> BTreeSet<i64> {
    buckets.map(|bucket| bucket.div_euclid(DAY)).collect()
}

/// The cells of a day of UTC, each of a bucket, a set of attributes and a currency.
pub(super) type RollupDay = PackedCells<3>;

/// `None` where the bytes are none.
pub(super) fn decode(bytes: &[u8]) -> Option<RollupDay> {
    RollupDay::decode(bytes, MAX_CELLS)
}

/// Bucket, attributes and currency of a cell of a day.
pub(super) fn rollup_of([bucket, attributes, currency]: [i64; 3]) -> (i64, u32, CurrencyId) {
    let id = |value| u32::try_from(value).unwrap_or(0);
    (bucket, id(attributes), id(currency))
}

/// What rollups are added to.
pub(super) trait RollupSums {
    /// The number of the sum that takes the rollup of a bucket, a set of attributes and a currency; `None` where none does.
    fn number(&mut self, bucket: i64, attributes: u32, currency: CurrencyId) -> Result<Option<usize>, Error>;

    /// The sum of a number that was given.
    fn sum(&mut self, number: usize) -> Option<&mut Measures>;

    /// How many numbers were given: all are below.
    fn count(&self) -> usize;

    /// The measure that is needed, where it is one: others may be less than they are.
    fn only(&self) -> Option<Measure>;
}

/// Adds a row of the table of rollups, packed as it is there.
fn add_row(sums: &mut impl RollupSums, rollup: (i64, u32, CurrencyId), bytes: &[u8]) -> Result<(), Error> {
    let (bucket, attributes, currency) = rollup;
    let Some(number) = sums.number(bucket, attributes, currency)? else { return Ok(()) };
    let added = sums.sum(number).map(|sum| sum.add_packed(bytes));
    if added == Some(None) { Err(Error::Stored("the sums of a rollup cannot be read".to_owned())) } else { Ok(()) }
}

fn add_rows(
    connection: &Connection,
    sql: &'static str,
    range: Range<i64>,
    sums: &mut impl RollupSums,
) -> Result<(), Error> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([range.start, range.end])?;
    while let Some(row) = rows.next()? {
        let rollup = (row.get(0)?, row.get(1)?, row.get(2)?);
        add_row(sums, rollup, row.get_ref(3)?.as_blob().unwrap_or_default())?;
    }
    Ok(())
}

/// Adds the rollups of days, in no order; the bucket of one is the day.
pub(super) fn add_days(connection: &Connection, days: Range<i64>, sums: &mut impl RollupSums) -> Result<(), Error> {
    let sql = "SELECT day, attributes, currency, data FROM rollup_days WHERE day >= ?1 AND day < ?2";
    add_rows(connection, sql, days, sums)
}

/// Adds the rollups of buckets within a range, in no order.
pub(super) fn add_rollups(
    connection: &Connection,
    buckets: Range<i64>,
    sums: &mut impl RollupSums,
) -> Result<(), Error> {
    let sql = "SELECT bucket, attributes, currency, data FROM rollups WHERE bucket >= ?1 AND bucket < ?2";
    if buckets.is_empty() {
        return Ok(());
    }
    let (first, last) = (buckets.start.div_euclid(DAY), buckets.end.div_euclid(DAY));
    let mut statement =
        connection.prepare_cached("SELECT day, data FROM rollup_columns WHERE day >= ?1 AND day <= ?2 ORDER BY day")?;
    let mut days = statement.query([first, last])?;
    let mut next = buckets.start;
    let mut of_days = CellSums::default();
    while let Some(stored) = days.next()? {
        let day: i64 = stored.get(0)?;
        let (begin, end) = (day * DAY, (day + 1) * DAY);
        if begin < next || end > buckets.end {
            continue;
        }
        if next < begin {
            add_rows(connection, sql, next..begin, sums)?;
        }
        let cells = decode(stored.get_ref(1)?.as_blob().unwrap_or_default())
            .ok_or_else(|| Error::Stored(format!("the packed rollups of day {day} cannot be read")))?;
        let mut numbers = Vec::new();
        for key in cells.keys() {
            let (bucket, attributes, currency) = rollup_of(key);
            let number = sums.number(bucket, attributes, currency)?;
            numbers.push(number.and_then(|number| u32::try_from(number).ok()).unwrap_or(LEFT_OUT));
        }
        let only = sums.only();
        of_days.add(&[(cells, numbers)], sums.count(), |measure| only.is_none_or(|only| only == measure));
        next = end;
    }
    for number in 0..sums.count() {
        if let (Some(added), Some(sum)) = (of_days.take(number), sums.sum(number)) {
            sum.add(&added);
        }
    }
    if next < buckets.end { add_rows(connection, sql, next..buckets.end, sums) } else { Ok(()) }
}

/// Packs the rollups of a day; `None` where there are none, or too many. Those that a sum by hour puts together lie side by side.
fn pack(connection: &Connection, day: i64) -> Result<Option<Vec<u8>>, Error> {
    let mut cells = Vec::new();
    let sql = "SELECT bucket, attributes, currency, data FROM rollups WHERE bucket >= ?1 AND bucket < ?2
               ORDER BY bucket, currency, attributes";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([day * DAY, (day + 1) * DAY])?;
    while let Some(row) = rows.next()? {
        if cells.len() >= MAX_CELLS {
            return Ok(None);
        }
        let measures = Measures::unpack(row.get_ref(3)?.as_blob().unwrap_or_default())?;
        cells.push(([row.get(0)?, row.get(1)?, row.get(2)?], measures));
    }
    Ok((!cells.is_empty()).then(|| packed_cells::pack(cells.iter().map(|(keys, measures)| (*keys, measures)))))
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
            if last.is_some_and(|last| full - last <= self.rollup_days.quiet) {
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
