//! Rows leave the ledger in bounded steps, and what they counted stays as an adjustment.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;

use super::columns;
use super::config::Retention;
use super::fold::{BLOCK_ROWS, bucket, day};
use super::intern::CurrencyId;
use super::measure::{self, Measure, Measures};
use super::open::{Error, Ledger};
use super::row;
use crate::record::{Attributes, Currency, Micros};

/// What an adjustment is grouped by.
pub(super) type AdjustmentKey = (String, String, String, Option<Currency>);

/// Amounts that leave the rows, by gateway, provider, model and currency.
#[derive(Debug, Default)]
pub(super) struct Adjustment(BTreeMap<AdjustmentKey, Measures>);

impl Adjustment {
    pub(super) fn cell(&mut self, attributes: &Attributes, currency: Option<Currency>) -> &mut Measures {
        let key = (attributes.gateway.clone(), attributes.provider.clone(), attributes.model.clone(), currency);
        self.0.entry(key).or_default()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&AdjustmentKey, &Measures)> {
        self.0.iter().filter(|(_, measures)| !measures.is_zero())
    }
}

/// What a deletion did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deleted {
    /// Requests that are gone.
    pub requests: u64,
    /// Older requests that stay because their block of 8,192 rows holds younger ones: they go with it.
    pub left: u64,
}

impl Ledger {
    /// Removes at most one block of rows that are older than they are kept, or that make the ledger too large. Returns
    /// whether there is more to remove.
    ///
    /// # Errors
    /// The ledger cannot be read or written; nothing was removed.
    pub fn retain(&mut self, retention: &Retention) -> Result<bool, Error> {
        if self.folds.is_dirty() {
            self.write_folds()?;
        }
        let content = retention.content.min(retention.requests);
        let content = i64::try_from(content.as_micros()).unwrap_or(i64::MAX);
        let more = self.retain_content(self.clock.now().saturating_sub(content))?;
        let more = self.retain_probe_results(retention.probe_results)? || more;
        let kept = i64::try_from(retention.requests.as_micros()).unwrap_or(i64::MAX);
        let oldest = self.clock.now().saturating_sub(kept);
        // The block that is still being filled is never removed.
        let full = self.folds.mark / BLOCK_ROWS - 1;
        // What a sink has still to read stays, as long as there is room.
        let read = self.sinks.last_row().saturating_add(1) / BLOCK_ROWS - 1;
        let expired = self
            .connection
            .prepare_cached("SELECT block FROM blocks WHERE last_start < ?1 AND block <= ?2 ORDER BY block LIMIT 1")?
            .query_map((oldest, full.min(read)), |row| row.get(0))?
            .next()
            .transpose()?;
        let too_large = match retention.max_size {
            Some(bound) if expired.is_none() && used_bytes(&self.connection)? > bound => self
                .connection
                .prepare_cached("SELECT block FROM blocks WHERE block <= ?1 ORDER BY block LIMIT 1")?
                .query_map([full], |row| row.get(0))?
                .next()
                .transpose()?,
            _ => None,
        };
        let Some(block): Option<i64> = expired.or(too_large) else { return Ok(more) };
        self.remove_block(block, "retention")?;
        Ok(true)
    }

    /// Removes the oldest block of which all rows start before a moment, whether sinks have sent them or not. Returns how
    /// many rows went; `None` where there is no such block.
    ///
    /// # Errors
    /// The ledger cannot be read or written; nothing was removed.
    pub(super) fn delete_step(&mut self, before: Micros) -> Result<Option<u64>, Error> {
        if self.folds.is_dirty() {
            self.write_folds()?;
        }
        let full = (self.folds.mark + 1) / BLOCK_ROWS - 1;
        let block: Option<i64> = self
            .connection
            .prepare_cached("SELECT block FROM blocks WHERE last_start < ?1 AND block <= ?2 ORDER BY block LIMIT 1")?
            .query_map((before, full), |row| row.get(0))?
            .next()
            .transpose()?;
        block.map(|block| self.remove_block(block, "deletion")).transpose()
    }

    /// Ends a deletion: writes down that it was made, and counts what is left.
    ///
    /// # Errors
    /// The ledger cannot be read or written.
    pub(super) fn delete_done(&mut self, before: Micros, by: &str, requests: u64) -> Result<Deleted, Error> {
        let detail = serde_json::json!({ "before": before, "requests": requests, "by": by }).to_string();
        self.connection
            .prepare_cached("INSERT INTO audit (made, action, detail) VALUES (?1, 'delete requests', ?2)")?
            .execute((self.clock.now(), detail))?;
        let mut left = 0;
        let blocks: Vec<i64> = self
            .connection
            .prepare_cached("SELECT block FROM blocks WHERE first_start < ?1")?
            .query_map([before], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        for block in blocks {
            row::each(&self.connection, block * BLOCK_ROWS - 1, (block + 1) * BLOCK_ROWS - 1, |row, _| {
                left += u64::from(row.start < before);
                Ok(())
            })?;
        }
        Ok(Deleted { requests, left })
    }

    /// Removes the rows of a block with what is kept of them, but for rollups, and keeps what they counted.
    fn remove_block(&mut self, block: i64, kind: &str) -> Result<u64, Error> {
        let (after, until) = (block * BLOCK_ROWS - 1, (block + 1) * BLOCK_ROWS - 1);
        let mut adjustment = Adjustment::default();
        let rows = row::read_range(&self.connection, after, until)?;
        let mut days = BTreeSet::new();
        for row in &rows {
            days.insert(day(bucket(row.start, self.folds.rollup_seconds()), &self.folds.zone));
            let attributes = self.interner.attributes(&self.connection, row.attributes)?;
            let kinds = self.folds.kinds.of(&self.connection, row, attributes.service_tier)?;
            adjustment.cell(&attributes, row.cost.map(|cost| cost.currency)).observe(row, &kinds);
        }
        if let Some(store) = &mut self.content {
            store.remove_rows(after + 1, until)?;
        }
        self.atomically(|ledger| {
            let connection = &ledger.connection;
            connection.prepare_cached("DELETE FROM requests WHERE id > ?1 AND id <= ?2")?.execute((after, until))?;
            connection.prepare_cached("DELETE FROM blocks WHERE block = ?1")?.execute([block])?;
            columns::remove(connection, block)?;
            ledger.user_days.remove(connection, &days)?;
            ledger.remove_sessions(until)?;
            ledger.write_adjustment(kind, &adjustment)
        })?;
        self.user_days.removed(&days);
        Ok(u64::try_from(rows.len()).unwrap_or(u64::MAX))
    }

    /// Runs steps in one transaction, which is undone if any of them fails.
    pub(super) fn atomically(&mut self, steps: impl FnOnce(&mut Ledger) -> Result<(), Error>) -> Result<(), Error> {
        self.connection.execute_batch("BEGIN IMMEDIATE")?;
        let done = steps(self).and_then(|()| Ok(self.connection.execute_batch("COMMIT")?));
        // SQLite may have undone it already, as it does when the disk is full.
        if done.is_err() && !self.connection.is_autocommit() {
            self.connection.execute_batch("ROLLBACK")?;
        }
        done
    }

    /// Writes an adjustment within the transaction that is open.
    pub(super) fn write_adjustment(&mut self, kind: &str, adjustment: &Adjustment) -> Result<(), Error> {
        let now = self.clock.now();
        for ((gateway, provider, model, currency), measures) in adjustment.iter() {
            let currency: CurrencyId = self.interner.currency_id(&self.connection, *currency)?;
            let mut statement = self.connection.prepare_cached(&format!(
                "INSERT INTO adjustments (made, kind, gateway, provider, model, currency, {}) VALUES (?, ?, ?, ?, ?, ?{})",
                measure::columns(str::to_owned),
                ", ?".repeat(Measure::ALL.len())
            ))?;
            statement.raw_bind_parameter(1, now)?;
            statement.raw_bind_parameter(2, kind)?;
            statement.raw_bind_parameter(3, gateway)?;
            statement.raw_bind_parameter(4, provider)?;
            statement.raw_bind_parameter(5, model)?;
            statement.raw_bind_parameter(6, currency)?;
            for (index, value) in measures.values().enumerate() {
                statement.raw_bind_parameter(index + 7, value)?;
            }
            statement.raw_execute()?;
        }
        Ok(())
    }
}

/// Bytes of the database that hold something.
pub(super) fn used_bytes(connection: &Connection) -> Result<u64, Error> {
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, u64>(0));
    let (pages, free, size) = (pragma("page_count")?, pragma("freelist_count")?, pragma("page_size")?);
    Ok(pages.saturating_sub(free) * size)
}
