//! Folds over committed rows that are kept on disk with the row they are folded through.
//!
//! They are moved in memory at each commit and written every now and then: rollups by hour and attributes, and blocks
//! of rows with their first and last start. The metric series are the third fold; the meter holds them.

use std::collections::BTreeMap;

use foldhash::quality::RandomState;
use hashbrown::HashMap;
use rusqlite::{Connection, OptionalExtension as _};

use super::availability::{Level, REQUESTS, write_answers};
use super::intern::CurrencyId;
use super::measure::{self, Measure, Measures};
use super::open::{Error, Ledger};
use crate::record::{Currency, Row};
use crate::session::Closure;
use crate::sla::Share;

/// Seconds of a rollup's bucket, but for zones whose offset is no whole hour.
pub const ROLLUP_HOUR: i64 = 3600;
/// Rows of one block.
pub(super) const BLOCK_ROWS: i64 = 8_192;
/// Rows after which folds are written at the latest.
const MAX_ROWS: i64 = 131_072;
/// Rollup cells in memory after which folds are written at the latest.
const MAX_CELLS: usize = 16_384;

/// Rows, first and last start of one block.
#[derive(Clone, Copy, Debug)]
struct Block {
    rows: i64,
    first_start: i64,
    last_start: i64,
}

/// What rows with the same bucket, attributes and currency add: sums, and answers within the level.
type Cell = (Measures, Share);

/// Folds in memory since they were last written.
#[derive(Debug)]
pub(super) struct Folds {
    rollup_seconds: i64,
    /// The row that everything is folded through, in memory.
    pub(super) mark: i64,
    /// The same, on disk.
    written: i64,
    rollups: HashMap<(i64, u32, Option<Currency>), Cell, RandomState>,
    /// How answers are judged.
    pub(super) level: Level,
    blocks: BTreeMap<i64, Block>,
}

/// Start of the bucket that a moment belongs to, in seconds.
pub(super) fn bucket(start: i64, rollup_seconds: i64) -> i64 {
    start.div_euclid(1_000_000).div_euclid(rollup_seconds) * rollup_seconds
}

impl Folds {
    /// The width of rollups is decided when the ledger is made and kept, so that each row has one bucket for good.
    pub(super) fn load(connection: &Connection, rollup_seconds: i64) -> Result<Folds, Error> {
        connection
            .execute("INSERT OR IGNORE INTO facts (key, value) VALUES ('rollup_seconds', ?1)", [rollup_seconds])?;
        let stored =
            connection.query_row("SELECT value FROM facts WHERE key = 'rollup_seconds'", [], |row| row.get(0))?;
        if stored > rollup_seconds {
            tracing::warn!(
                "the ledger sums by {stored} s, the configured time zone would need {rollup_seconds} s: \
                 days older than the kept requests are cut at the full hour"
            );
        }
        Ok(Folds {
            rollup_seconds: stored,
            mark: stored_mark(connection)?,
            written: stored_mark(connection)?,
            rollups: HashMap::default(),
            level: Level::load(connection)?,
            blocks: BTreeMap::new(),
        })
    }

    pub(super) fn observe(&mut self, row: &Row) {
        let key = (bucket(row.start, self.rollup_seconds), row.attributes, row.cost.map(|cost| cost.currency));
        let (measures, answers) = self.rollups.entry(key).or_default();
        measures.add(&Measures::of(row));
        if let Some(within) = self.level.judge(row) {
            answers.observe(within);
        }
        let block = self.blocks.entry(row.id / BLOCK_ROWS).or_insert(Block {
            rows: 0,
            first_start: row.start,
            last_start: row.start,
        });
        block.rows += 1;
        block.first_start = block.first_start.min(row.start);
        block.last_start = block.last_start.max(row.start);
        self.mark = self.mark.max(row.id);
    }

    /// Seconds of a rollup's bucket.
    pub(super) fn rollup_seconds(&self) -> i64 {
        self.rollup_seconds
    }

    /// Whether they have to be written now, to keep memory and the next start short.
    pub(super) fn is_large(&self) -> bool {
        self.rollups.len() >= MAX_CELLS || self.mark - self.written >= MAX_ROWS
    }

    /// Whether there is something to write.
    pub(super) fn is_dirty(&self) -> bool {
        self.mark > self.written
    }
}

/// The row that the folds on disk are folded through.
pub(super) fn stored_mark(connection: &Connection) -> Result<i64, Error> {
    let mark = connection.query_row("SELECT value FROM facts WHERE key = 'folded'", [], |row| row.get(0)).optional()?;
    Ok(mark.unwrap_or(0))
}

/// The UPSERT that adds measures to a rollup.
pub(super) fn add_rollup_sql() -> String {
    format!(
        "INSERT INTO rollups (bucket, attributes, currency, {}) VALUES (?, ?, ?{})
         ON CONFLICT (bucket, attributes, currency) DO UPDATE SET {}",
        measure::columns(str::to_owned),
        ", ?".repeat(Measure::ALL.len()),
        measure::columns(|column| format!("{column} = {column} + excluded.{column}")),
    )
}

/// Adds measures to a rollup.
pub(super) fn add_rollup(
    statement: &mut rusqlite::Statement<'_>,
    (bucket, attributes, currency): (i64, u32, CurrencyId),
    measures: &Measures,
) -> Result<(), Error> {
    statement.raw_bind_parameter(1, bucket)?;
    statement.raw_bind_parameter(2, attributes)?;
    statement.raw_bind_parameter(3, currency)?;
    for (index, value) in measures.values().enumerate() {
        statement.raw_bind_parameter(index + 4, value)?;
    }
    statement.raw_execute()?;
    Ok(())
}

impl Ledger {
    /// Writes the folds with their mark in one transaction.
    ///
    /// # Errors
    /// The ledger cannot be written; the folds stay in memory and nothing is lost.
    pub fn write_folds(&mut self) -> Result<(), Error> {
        let closures = self.due_closures();
        let mut meter = self.meter.lock();
        let dirty = meter.take_dirty();
        drop(meter);
        let written = self.write_folds_with(&dirty, &closures);
        let mut meter = self.meter.lock();
        match written {
            Ok(()) => {
                meter.written();
                drop(meter);
                self.folds.rollups.clear();
                self.folds.blocks.clear();
                self.folds.written = self.folds.mark;
                self.sessions_written(&closures)
            }
            Err(error) => {
                meter.not_written(&dirty);
                Err(error)
            }
        }
    }

    fn write_folds_with(&mut self, dirty: &[crate::meter::Dirty], closures: &[Closure]) -> Result<(), Error> {
        let mut keyed = Vec::with_capacity(self.folds.rollups.len());
        let mut answers: BTreeMap<(i64, String), Share> = BTreeMap::new();
        for ((bucket, attributes, currency), (measures, share)) in &self.folds.rollups {
            if share.total > 0 {
                let gateway = self.interner.attributes(&self.connection, *attributes)?.gateway.clone();
                let sum = answers.entry((*bucket, gateway)).or_default();
                *sum = Share { within: sum.within + share.within, total: sum.total + share.total };
            }
            let currency = self.interner.currency_id(&self.connection, *currency)?;
            keyed.push(((*bucket, *attributes, currency), *measures));
        }
        // In key order the tree is walked once, page after page.
        keyed.sort_unstable_by_key(|(key, _)| *key);
        let transaction = self.connection.unchecked_transaction()?;
        {
            let mut statement = transaction.prepare_cached(&add_rollup_sql())?;
            for (key, measures) in &keyed {
                add_rollup(&mut statement, *key, measures)?;
            }
            let mut statement = transaction.prepare_cached(
                "INSERT INTO blocks (block, rows, first_start, last_start) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (block) DO UPDATE SET rows = rows + excluded.rows,
                     first_start = min(first_start, excluded.first_start),
                     last_start = max(last_start, excluded.last_start)",
            )?;
            for (id, block) in &self.folds.blocks {
                statement.execute((id, block.rows, block.first_start, block.last_start))?;
            }
            let mut statement = transaction.prepare_cached(
                "INSERT INTO series (family, labels, value) VALUES (?1, ?2, ?3)
                 ON CONFLICT (family, labels) DO UPDATE SET value = excluded.value",
            )?;
            let mut remove = transaction.prepare_cached("DELETE FROM series WHERE family = ?1 AND labels = ?2")?;
            for series in dirty {
                if series.value.is_empty() {
                    remove.execute((&series.family, &series.labels))?;
                } else {
                    statement.execute((&series.family, &series.labels, &series.value))?;
                }
            }
            let answers = answers.iter().map(|((bucket, gateway), share)| (*bucket, gateway.as_str(), *share));
            write_answers(&transaction, REQUESTS, answers)?;
            self.write_sessions(closures)?;
            transaction
                .prepare_cached("INSERT OR REPLACE INTO facts (key, value) VALUES ('folded', ?1)")?
                .execute([self.folds.mark])?;
        }
        Ok(transaction.commit()?)
    }
}
