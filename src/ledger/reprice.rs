//! Stored costs are computed anew: the only way in which they ever change.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use super::columns;
use super::fold::{BLOCK_ROWS, bucket, change_rollups, day};
use super::measure::Measures;
use super::open::{Error, Ledger};
use super::retention::Adjustment;
use super::rollup_columns::utc_days;
use super::row;
use super::session::{stored_part, write_costs};
use crate::record::{Attributes, Cost, Currency, Micros, Priced, Row};
use crate::session::Part;

/// What pricing says of a request, ready for its row.
#[derive(Clone, Copy, Debug, Default)]
pub struct Repricing {
    /// What pricing says.
    pub priced: Priced,
    /// The cost that counts, by the configured mode.
    pub cost: Option<Cost>,
    /// The ledger's id of the price row, 0 where none fits.
    pub price_row: u32,
}

/// What a repricing did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repriced {
    /// Rows looked at.
    pub rows: u64,
    /// Rows that changed.
    pub changed: u64,
    /// Cost before and after, per currency, of the rows that changed, in nano-units.
    pub cost: BTreeMap<Currency, (i128, i128)>,
    /// Unpriced rows before and after.
    pub unpriced: (u64, u64),
}

impl Ledger {
    /// Prices every row that starts at `since` or later anew, one block a transaction, and writes adjustments so that
    /// counters stay what they were. With `dry_run` nothing is written.
    ///
    /// # Errors
    /// The ledger cannot be read or written: blocks done so far are done, and the same call goes on with the rest.
    pub fn reprice(
        &mut self,
        since: Micros,
        dry_run: bool,
        mut price: impl FnMut(&Row, &Attributes) -> Repricing,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<Repriced, Error> {
        self.write_folds()?;
        let mut statement =
            self.connection.prepare("SELECT block FROM blocks WHERE last_start >= ?1 ORDER BY block")?;
        let blocks: Vec<i64> = statement.query_map([since], |row| row.get(0))?.collect::<Result<_, _>>()?;
        drop(statement);
        let total = u64::try_from(blocks.len()).unwrap_or(u64::MAX);
        let mut report = Repriced::default();
        for (done, block) in (1..).zip(blocks) {
            self.reprice_block(block, since, dry_run, &mut price, &mut report)?;
            progress(done, total);
        }
        while self.pack()? {}
        Ok(report)
    }

    fn reprice_block(
        &mut self,
        block: i64,
        since: Micros,
        dry_run: bool,
        price: &mut impl FnMut(&Row, &Attributes) -> Repricing,
        report: &mut Repriced,
    ) -> Result<(), Error> {
        let rows = row::read_range(&self.connection, block * BLOCK_ROWS - 1, (block + 1) * BLOCK_ROWS - 1)?;
        let mut changed = Vec::new();
        let mut adjustment = Adjustment::default();
        let mut cells: BTreeMap<(i64, u32, Option<Currency>), Measures> = BTreeMap::new();
        for before in rows.into_iter().filter(|row| row.start >= since) {
            report.rows += 1;
            let attributes = self.interner.attributes(&self.connection, before.attributes)?;
            let new = price(&before, &attributes);
            let after = Row {
                cost: new.cost,
                savings_nanos: new.priced.cache_savings_nanos,
                price_row: new.price_row,
                assumed: new.priced.assumed,
                unpriced: new.priced.unpriced,
                ..before
            };
            if after == before {
                continue;
            }
            report.changed += 1;
            report.unpriced.0 += u64::from(before.unpriced);
            report.unpriced.1 += u64::from(after.unpriced);
            if let Some(cost) = before.cost {
                report.cost.entry(cost.currency).or_default().0 += i128::from(cost.nanos);
            }
            if let Some(cost) = after.cost {
                report.cost.entry(cost.currency).or_default().1 += i128::from(cost.nanos);
            }
            let mut measure = |row: &Row| -> Result<Measures, Error> {
                Ok(Measures::of(row, &self.folds.kinds.of(&self.connection, row, attributes.service_tier)?))
            };
            let (had, has) = (measure(&before)?, measure(&after)?);
            // The counters keep what the row said before: rows + adjustment = counters.
            adjustment.cell(&attributes, before.cost.map(|cost| cost.currency)).add(&had);
            adjustment.cell(&attributes, after.cost.map(|cost| cost.currency)).subtract(&has);
            let key = |row: &Row| {
                (bucket(row.start, self.folds.rollup_seconds()), row.attributes, row.cost.map(|cost| cost.currency))
            };
            cells.entry(key(&before)).or_default().subtract(&had);
            cells.entry(key(&after)).or_default().add(&has);
            changed.push((before, after));
        }
        if dry_run || changed.is_empty() {
            return Ok(());
        }
        let parts = self.repriced_parts(&changed)?;
        let is_full = (block + 1) * BLOCK_ROWS - 1 <= self.folds.mark;
        let days: BTreeSet<i64> = cells.keys().map(|(bucket, ..)| day(*bucket, &self.folds.zone)).collect();
        let of_utc = utc_days(cells.keys().map(|(bucket, ..)| *bucket));
        self.atomically(|ledger| {
            for part in &parts {
                write_costs(&ledger.connection, part)?;
                ledger.packing.note(&ledger.connection, part.id)?;
            }
            ledger.user_days.remove(&ledger.connection, &days)?;
            ledger.rollup_days.remove(&ledger.connection, &of_utc)?;
            ledger.write_repriced(&changed, &cells, &adjustment)?;
            if is_full { columns::write_anew(&ledger.connection, block) } else { Ok(()) }
        })?;
        if !is_full {
            self.folds.fill_anew(&self.connection)?;
        }
        self.user_days.removed(&days);
        self.rollup_days.removed(&of_utc);
        for part in parts {
            self.packing.changed(part.id);
            self.session_fold.sessions.amend(part.id, part.costs, part.unpriced);
        }
        self.interner.written();
        Ok(())
    }

    /// The stored parts of the changed rows, with what the change makes of their sums. The folds are written before, so
    /// that the stored form of an open part is the one in memory.
    fn repriced_parts(&self, changed: &[(Row, Row)]) -> Result<Vec<Part>, Error> {
        let mut parts: BTreeMap<i64, Option<Part>> = BTreeMap::new();
        for (before, after) in changed.iter().filter(|(before, _)| before.part != 0) {
            let part = match parts.entry(before.part) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => new.insert(stored_part(&self.connection, before.part)?),
            };
            let Some(part) = part else { continue };
            for (row, sign) in [(before, -1), (after, 1)] {
                if let Some(cost) = row.cost {
                    part.costs.add(cost.currency, sign * i128::from(cost.nanos));
                }
            }
            part.unpriced = (part.unpriced + u64::from(after.unpriced)).saturating_sub(u64::from(before.unpriced));
        }
        // A currency that nothing is priced in any more is gone; what is free stays, where it is all there is.
        let parts = parts.into_values().flatten().map(|mut part| {
            let keeps = |nanos: i128| nanos != 0;
            if part.costs.0.iter().any(|(_, nanos)| keeps(*nanos)) {
                part.costs.0.retain(|(_, nanos)| keeps(*nanos));
            }
            part
        });
        Ok(parts.collect())
    }

    fn write_repriced(
        &mut self,
        changed: &[(Row, Row)],
        cells: &BTreeMap<(i64, u32, Option<Currency>), Measures>,
        adjustment: &Adjustment,
    ) -> Result<(), Error> {
        for (_, after) in changed {
            row::update(&self.connection, after)?;
        }
        let mut keyed = BTreeMap::new();
        for ((bucket, attributes, currency), measures) in cells {
            keyed.insert((*bucket, *attributes, self.interner.currency_id(&self.connection, *currency)?), *measures);
        }
        change_rollups(&self.connection, &self.folds.zone, &keyed)?;
        self.write_adjustment("reprice", adjustment)?;
        super::intern::write(&self.connection, &self.interner.pending)
    }
}
