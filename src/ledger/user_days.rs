//! Sums by user of days that are over, each day in one piece of bytes, column by column.
//!
//! A user's sums would be as many cells as there are days and users, and most rows of a day would change one each. So nothing is
//! summed by user while rows come: a day is summed from its rows once it is quiet, one day at a time, and forgotten in the
//! transaction that adds, changes or removes a row of it. What is not summed is read from the rows themselves. Sums by user say
//! what the kept rows say, then, and need no adjustments.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use rusqlite::{Connection, OptionalExtension as _};

use super::fold::{BLOCK_ROWS, day, stored_zone, zone_name};
use super::measure::{Measure, Measures};
use super::moment::Moment;
use super::open::{Error, Ledger};
use super::packed_cells::{self, CellSums, LEFT_OUT, PackedCells};
use super::request_filter::Matcher;
use super::sums::{Step, SumKey, Summing, day_begins};
use crate::record::{Currency, Micros};

/// Users and currencies of a day that is summed; a day of more is read from its rows.
const MAX_CELLS: usize = 50_000;
/// Blocks of a day that is summed: 4,194,304 rows take a second or less.
const MAX_BLOCKS: i64 = 512;
/// Blocks behind a day's last one after which it is quiet: of a gateway with 4,000,000 requests a day six minutes.
const QUIET_BLOCKS: i64 = if cfg!(test) { 0 } else { 2 };
/// The same for the next day after one that was not.
const CALM_BLOCKS: i64 = if cfg!(test) { 0 } else { 16 };
/// Days without a row that are passed over at one time.
const MAX_EMPTY: usize = 256;

/// What a day's requests sum up to by user and currency.
pub(super) type Cells = BTreeMap<(u32, Option<Currency>), Measures>;

/// Packs a day's sums, in the order of users.
fn pack(cells: &Cells) -> Vec<u8> {
    let keys = |user: u32, currency: Option<Currency>| [user.into(), currency.map_or(0, Currency::code)];
    packed_cells::pack(cells.iter().map(|((user, currency), sums)| (keys(*user, *currency), sums)))
}

/// The sums of a day, each of a user and a currency.
pub(super) type UserDay = PackedCells<2>;

/// User and currency of a day's sum.
pub(super) fn user_of([user, currency]: [i64; 2]) -> (u32, Option<Currency>) {
    (u32::try_from(user).unwrap_or(0), Currency::from_code(currency))
}

/// Days that are added at one time.
const ADDED_AT_ONCE: usize = 8;

/// Sums of days by user.
#[derive(Debug, Default)]
struct UserSums {
    keys: Vec<(u32, Option<Currency>)>,
    currencies: Vec<CurrencyNumbers>,
    /// Days that are not added yet, and the number of each of their sums.
    days: Vec<(UserDay, Vec<u32>)>,
    sums: CellSums,
}

/// The numbers of a currency's keys.
#[derive(Debug)]
struct CurrencyNumbers {
    currency: Option<Currency>,
    /// By id of the user.
    numbers: Vec<u32>,
}

/// Stands for a user that was not seen yet.
const UNSEEN: u32 = LEFT_OUT - 1;

impl UserSums {
    /// Adds a day, or one measure of it with the requests. `as_whom` is asked once for each user and currency, and gives `None`
    /// for those that are left out.
    fn add(&mut self, day: UserDay, only: Option<Measure>, as_whom: impl Fn(u32) -> Option<u32>) {
        let number = |key| {
            let (user, currency) = user_of(key);
            self.number(user, currency, &as_whom)
        };
        let numbers = day.keys().map(number).collect();
        self.days.push((day, numbers));
        if self.days.len() >= ADDED_AT_ONCE {
            self.add_up(only);
        }
    }

    fn add_up(&mut self, only: Option<Measure>) {
        // Who asked has a sum, if one of 0.
        let is_needed = |measure| only.is_none_or(|only| only == measure) || measure == Measure::Requests;
        self.sums.add(&self.days, self.keys.len(), is_needed);
        self.days.clear();
    }

    fn number(&mut self, user: u32, currency: Option<Currency>, as_whom: impl Fn(u32) -> Option<u32>) -> u32 {
        let at = self.currencies.iter().position(|known| known.currency == currency).unwrap_or_else(|| {
            self.currencies.push(CurrencyNumbers { currency, numbers: Vec::new() });
            self.currencies.len() - 1
        });
        let Some(CurrencyNumbers { numbers, .. }) = self.currencies.get_mut(at) else { return LEFT_OUT };
        let place = user as usize;
        if numbers.len() <= place {
            numbers.resize(place + 1, UNSEEN);
        }
        let Some(number) = numbers.get_mut(place) else { return LEFT_OUT };
        if *number == UNSEEN {
            *number = match as_whom(user).map(|whom| (whom, currency)) {
                None => LEFT_OUT,
                Some(key) => {
                    // Those that are summed as one may have a number already.
                    let merged = if key.0 == user { None } else { self.keys.iter().position(|known| *known == key) };
                    let number = merged.unwrap_or(self.keys.len());
                    if number == self.keys.len() {
                        self.keys.push(key);
                    }
                    u32::try_from(number).unwrap_or(LEFT_OUT)
                }
            };
        }
        *number
    }

    /// Adds what is not 0 to the sums of a group and slot, and leaves 0.
    fn move_to<S: FnMut(Micros) -> u32>(
        &mut self,
        summing: &mut Summing<S>,
        group: u32,
        slot: u32,
    ) -> Result<(), Error> {
        self.add_up(summing.only);
        for (number, (user, currency)) in self.keys.iter().enumerate() {
            if let Some(sums) = self.sums.take(number) {
                summing.cell(SumKey { group, user: *user, slot, currency: *currency })?.add(&sums);
            }
        }
        Ok(())
    }
}

/// Which days are packed in a table, and which may be.
#[derive(Debug)]
pub(super) struct PackedDays {
    table: &'static str,
    packed: BTreeSet<i64>,
    /// The first day that was not looked at.
    pub(super) next: i64,
    /// Blocks behind a day's last one after which it is quiet.
    pub(super) quiet: i64,
}

impl PackedDays {
    pub(super) fn load(connection: &Connection, table: &'static str) -> Result<PackedDays, Error> {
        let mut statement = connection.prepare(&format!("SELECT day FROM {table}"))?;
        let packed = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        Ok(PackedDays { table, packed, next: i64::MIN, quiet: QUIET_BLOCKS })
    }

    pub(super) fn has(&self, day: i64) -> bool {
        self.packed.contains(&day)
    }

    /// To be called when a day is packed.
    pub(super) fn keep(&mut self, day: i64) {
        self.packed.insert(day);
        self.quiet = QUIET_BLOCKS;
    }

    /// Removes days of which something changes, within the transaction that is open.
    pub(super) fn remove(&self, connection: &Connection, days: &BTreeSet<i64>) -> Result<(), Error> {
        let mut delete = connection.prepare_cached(&format!("DELETE FROM {} WHERE day = ?1", self.table))?;
        for day in days.intersection(&self.packed) {
            delete.execute([day])?;
        }
        Ok(())
    }

    /// To be called when that transaction is committed.
    pub(super) fn removed(&mut self, days: &BTreeSet<i64>) {
        for day in days {
            if self.packed.remove(day) {
                self.next = self.next.min(*day);
                // It was packed too soon: where several logs are caught up on, a day of one may be quiet for a while.
                self.quiet = CALM_BLOCKS;
            }
        }
    }
}

/// Sums a day's folded rows by user; `None` where there are too many users.
pub(super) fn sum_day(moment: &Moment, span: Range<Micros>) -> Result<Option<Cells>, Error> {
    match moment.sums_of_users(span, MAX_CELLS) {
        Ok(sums) => Ok(Some(sums.iter().map(|(key, sums)| ((key.user, key.currency), *sums)).collect())),
        Err(Error::TooManyGroups(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

impl Ledger {
    /// Sums the next day that is quiet by user, in a transaction of its own. To be called when the folds are written. Returns
    /// whether there may be more to sum.
    ///
    /// # Errors
    /// The ledger cannot be read or written; nothing was summed.
    pub(super) fn sum_users(&mut self) -> Result<bool, Error> {
        let Some(folder) = self.path.as_deref().and_then(std::path::Path::parent) else { return Ok(false) };
        let zone = self.folds.zone.clone();
        let full = (self.folds.mark + 1) / BLOCK_ROWS;
        for _ in 0..MAX_EMPTY {
            let begin =
                if self.user_days.next == i64::MIN { Micros::MIN } else { day_begins(self.user_days.next, &zone) };
            // The next day that some block may have rows of.
            let sql = "SELECT min(max(first_start, ?1)) FROM blocks WHERE last_start >= ?1";
            let next: Option<Micros> = self.connection.prepare_cached(sql)?.query_row([begin], |row| row.get(0))?;
            let Some(next) = next.map(|next| day(next.div_euclid(1_000_000), &zone)) else { return Ok(false) };
            self.user_days.next = next;
            let span = day_begins(next, &zone)..day_begins(next.saturating_add(1), &zone);
            let sql = "SELECT count(*), max(block), min(block) = (SELECT min(block) FROM blocks) AND min(block) > 0
                       FROM blocks WHERE first_start < ?2 AND last_start >= ?1";
            let (blocks, last, is_cut): (i64, Option<i64>, Option<bool>) = self
                .connection
                .prepare_cached(sql)?
                .query_row([span.start, span.end], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            if last.is_some_and(|last| full - last <= self.user_days.quiet) {
                return Ok(false);
            }
            // Of the oldest day retention takes one block after the other.
            let is_cut = is_cut.unwrap_or(true);
            if is_cut || blocks > MAX_BLOCKS || self.user_days.has(next) {
                self.user_days.next += 1;
                continue;
            }
            let cells = sum_day(&Moment::open(folder)?, span)?.filter(|cells| !cells.is_empty());
            if let Some(cells) = cells {
                self.connection
                    .prepare_cached("INSERT OR REPLACE INTO user_days (day, data) VALUES (?1, ?2)")?
                    .execute((next, pack(&cells)))?;
                self.user_days.keep(next);
                self.user_days.next += 1;
                return Ok(true);
            }
            self.user_days.next += 1;
        }
        Ok(true)
    }
}

impl Moment {
    /// Adds the days that are summed by user and lie within the matcher's time; returns what is left of it.
    pub(super) fn add_user_days<S: FnMut(Micros) -> u32>(
        &self,
        matcher: &Matcher,
        group: u32,
        summing: &mut Summing<S>,
    ) -> Result<Vec<Range<Micros>>, Error> {
        let zone = self.rollup_zone()?;
        let mut rest = Vec::new();
        let mut from = matcher.since;
        let is_known = stored_zone(&self.connection)?.as_deref() == Some(&zone_name(&zone));
        if is_known && (summing.step == Step::Whole || zone_name(&summing.zone) == zone_name(&zone)) {
            let mut statement = self.connection.prepare_cached("SELECT day FROM user_days ORDER BY day")?;
            let days: Vec<i64> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
            let (mut sums, mut slot) = (UserSums::default(), 0);
            for day in days {
                let (begin, end) = (day_begins(day, &zone), day_begins(day.saturating_add(1), &zone));
                if begin < from || end > matcher.until {
                    continue;
                }
                if from < begin {
                    rest.push(from..begin);
                }
                from = end;
                let next = summing.slot(Step::Day, day);
                if next != slot {
                    sums.move_to(summing, group, slot)?;
                    slot = next;
                }
                let cells = user_day(&self.connection, day)?
                    .ok_or_else(|| Error::Stored(format!("the sums by user of day {day} cannot be read")))?;
                let fits = |user: &u32| matcher.users.as_ref().is_none_or(|users| users.contains(user));
                sums.add(cells, summing.only, |user| Some(user).filter(fits).map(|user| summing.user(user)));
            }
            sums.move_to(summing, group, slot)?;
        }
        if from < matcher.until {
            rest.push(from..matcher.until);
        }
        Ok(rest)
    }
}

/// The sums of a day; `None` where there are none, or they cannot be read.
pub(super) fn user_day(connection: &Connection, day: i64) -> Result<Option<UserDay>, Error> {
    let mut statement = connection.prepare_cached("SELECT data FROM user_days WHERE day = ?1")?;
    let read = |row: &rusqlite::Row<'_>| Ok(UserDay::decode(row.get_ref(0)?.as_blob().unwrap_or_default(), MAX_CELLS));
    Ok(statement.query_row([day], read).optional()?.flatten())
}
