//! Folds over committed rows that are kept on disk with the row they are folded through.
//!
//! They are moved in memory at each commit and written every now and then: rollups by hour and by day with attributes, and
//! blocks of rows with their first and last start, and once they are full with their columns. The metric series are the
//! third fold; the meter holds them.

use std::collections::{BTreeMap, BTreeSet};

use foldhash::quality::RandomState;
use hashbrown::HashMap;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, OptionalExtension as _};

use super::availability::{Level, REQUESTS, write_answers};
use super::columns::{self, Builder};
use super::intern::CurrencyId;
use super::kinds::Kinds;
use super::measure::Measures;
use super::open::{Error, Ledger};
use super::rollup_columns::utc_days;
use super::row;
use crate::record::{Currency, Row, ServiceTier};
use crate::session::Closure;
use crate::sla::Share;

/// Seconds of a rollup's bucket, but for zones whose offset is no whole hour.
pub const ROLLUP_HOUR: i64 = 3600;
/// Rows of one block; in unit tests fewer, so that they can fill some.
pub(crate) const BLOCK_ROWS: i64 = if cfg!(test) { 2_048 } else { 8_192 };
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
    /// The columns of the block that is being filled; `None` where no rows are kept.
    filling: Option<Builder>,
    /// Columns of full blocks that are not on disk yet.
    pub(super) full: Vec<(i64, Vec<u8>)>,
    /// Whose days rollups are summed by.
    pub(super) zone: TimeZone,
    /// Takes costs apart.
    pub(super) kinds: Kinds,
}

/// The day of a time zone in which a bucket begins, counted from 1970-01-01.
pub(super) fn day(bucket: i64, zone: &TimeZone) -> i64 {
    let offset = Timestamp::from_second(bucket).map_or(0, |at| zone.to_offset(at).seconds());
    (bucket + i64::from(offset)).div_euclid(86_400)
}

/// The name under which a time zone is kept.
pub(super) fn zone_name(zone: &TimeZone) -> String {
    zone.iana_name().map_or_else(|| format!("{zone:?}"), str::to_owned)
}

/// Start of the bucket that a moment belongs to, in seconds.
pub(super) fn bucket(start: i64, rollup_seconds: i64) -> i64 {
    start.div_euclid(1_000_000).div_euclid(rollup_seconds) * rollup_seconds
}

impl Folds {
    /// The width of rollups is decided when the ledger is made and kept, so that each row has one bucket for good.
    /// The time zone may change: days are summed anew then.
    pub(super) fn load(
        connection: &Connection,
        rollup_seconds: i64,
        zone: TimeZone,
        keeps_rows: bool,
    ) -> Result<Folds, Error> {
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
        if stored_zone(connection)?.as_deref() != Some(&zone_name(&zone)) {
            sum_days_anew(connection, &zone)?;
        }
        let mut folds = Folds {
            rollup_seconds: stored,
            mark: stored_mark(connection)?,
            written: stored_mark(connection)?,
            rollups: HashMap::default(),
            level: Level::load(connection)?,
            blocks: BTreeMap::new(),
            filling: keeps_rows.then(Builder::default),
            full: Vec::new(),
            zone,
            kinds: Kinds::default(),
        };
        folds.fill_anew(connection)?;
        Ok(folds)
    }

    /// Reads what the block that is being filled holds up to the mark on disk.
    pub(super) fn fill_anew(&mut self, connection: &Connection) -> Result<(), Error> {
        if self.filling.is_some() {
            let mut builder = Builder::default();
            let block = (self.written + 1) / BLOCK_ROWS;
            row::each(connection, block * BLOCK_ROWS - 1, self.written, |row, _| {
                builder.observe(&row);
                Ok(())
            })?;
            self.filling = Some(builder);
        }
        Ok(())
    }

    /// Adds a row. Its price row is known.
    pub(super) fn observe(&mut self, row: &Row, service_tier: ServiceTier) {
        let key = (bucket(row.start, self.rollup_seconds), row.attributes, row.cost.map(|cost| cost.currency));
        let kinds = self.kinds.split(row, service_tier);
        let (measures, answers) = self.rollups.entry(key).or_default();
        measures.observe(row, &kinds);
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
        if let Some(builder) = &mut self.filling {
            builder.observe(row);
            if (row.id + 1) % BLOCK_ROWS == 0 {
                self.full.extend(builder.finish(row.id / BLOCK_ROWS));
            }
        }
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

/// The time zone whose days rollups are summed by.
pub(super) fn stored_zone(connection: &Connection) -> Result<Option<String>, Error> {
    let zone =
        connection.query_row("SELECT value FROM facts WHERE key = 'rollup_zone'", [], |row| row.get(0)).optional()?;
    Ok(zone)
}

/// Sums the days of a time zone from the hours.
fn sum_days_anew(connection: &Connection, zone: &TimeZone) -> Result<(), Error> {
    let transaction = connection.unchecked_transaction()?;
    transaction.execute_batch("DELETE FROM rollup_days; DELETE FROM user_days")?;
    let mut select = transaction.prepare("SELECT bucket, attributes, currency, data FROM rollups ORDER BY bucket")?;
    let mut stored = select.query([])?;
    // One day at a time; where the clock goes back no day comes twice.
    let mut cells: BTreeMap<(i64, u32, CurrencyId), Measures> = BTreeMap::new();
    while let Some(row) = stored.next()? {
        let day = day(row.get(0)?, zone);
        if cells.first_key_value().is_some_and(|((first, ..), _)| *first != day) {
            add_rollups(&transaction, Width::Day, &std::mem::take(&mut cells))?;
        }
        let sums = Measures::unpack(row.get_ref(3)?.as_blob().unwrap_or_default())?;
        cells.entry((day, row.get(1)?, row.get(2)?)).or_default().add(&sums);
    }
    add_rollups(&transaction, Width::Day, &cells)?;
    drop(stored);
    drop(select);
    transaction.execute("INSERT OR REPLACE INTO facts (key, value) VALUES ('rollup_zone', ?1)", [zone_name(zone)])?;
    Ok(transaction.commit()?)
}

/// What rollups are summed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Width {
    Hour,
    Day,
}

impl Width {
    /// The UPSERT that adds measures to a rollup.
    fn add_sql(self) -> &'static str {
        match self {
            Width::Hour => {
                "INSERT INTO rollups (bucket, attributes, currency, data) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (bucket, attributes, currency) DO UPDATE SET data = add_measures(data, excluded.data)"
            }
            Width::Day => {
                "INSERT INTO rollup_days (day, attributes, currency, data) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (day, attributes, currency) DO UPDATE SET data = add_measures(data, excluded.data)"
            }
        }
    }

    /// Removes what has become empty, between two places.
    fn clear_sql(self) -> &'static str {
        match self {
            Width::Hour => "DELETE FROM rollups WHERE bucket BETWEEN ?1 AND ?2 AND data = x'00'",
            Width::Day => "DELETE FROM rollup_days WHERE day BETWEEN ?1 AND ?2 AND data = x'00'",
        }
    }
}

/// Makes known to a connection how packed measures are added.
pub(super) fn teach_to_add(connection: &Connection) -> Result<(), Error> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("add_measures", 2, flags, |context| {
        let mut sum = Measures::default();
        for index in 0..2 {
            let bytes = context.get_raw(index).as_blob().unwrap_or_default();
            sum.add_packed(bytes)
                .ok_or_else(|| rusqlite::Error::UserFunctionError("the sums of a rollup cannot be read".into()))?;
        }
        Ok(sum.pack())
    })?;
    Ok(())
}

/// Adds measures to rollups, in the order of their keys: the tree is walked once, page after page.
pub(super) fn add_rollups(
    connection: &Connection,
    width: Width,
    cells: &BTreeMap<(i64, u32, CurrencyId), Measures>,
) -> Result<(), Error> {
    let mut statement = connection.prepare_cached(width.add_sql())?;
    for ((place, attributes, currency), measures) in cells {
        statement.execute((place, attributes, currency, measures.pack()))?;
    }
    Ok(())
}

/// Adds what may be negative to the rollups of hours and of their days, and removes those that are empty then.
pub(super) fn change_rollups(
    connection: &Connection,
    zone: &TimeZone,
    cells: &BTreeMap<(i64, u32, CurrencyId), Measures>,
) -> Result<(), Error> {
    let days = days_of(cells, zone);
    for (width, cells) in [(Width::Hour, cells), (Width::Day, &days)] {
        add_rollups(connection, width, cells)?;
        if let (Some(((first, ..), _)), Some(((last, ..), _))) = (cells.first_key_value(), cells.last_key_value()) {
            connection.prepare_cached(width.clear_sql())?.execute((first, last))?;
        }
    }
    Ok(())
}

/// The sums of hours by day.
fn days_of(
    cells: &BTreeMap<(i64, u32, CurrencyId), Measures>,
    zone: &TimeZone,
) -> BTreeMap<(i64, u32, CurrencyId), Measures> {
    let mut days: BTreeMap<(i64, u32, CurrencyId), Measures> = BTreeMap::new();
    let mut known = None;
    for ((bucket, attributes, currency), measures) in cells {
        let of = match known {
            Some((at, of)) if at == *bucket => of,
            _ => day(*bucket, zone),
        };
        known = Some((*bucket, of));
        days.entry((of, *attributes, *currency)).or_default().add(measures);
    }
    days
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
            Ok(written) => {
                meter.written();
                drop(meter);
                self.folds.rollups.clear();
                self.folds.blocks.clear();
                self.folds.full.clear();
                self.folds.written = self.folds.mark;
                self.user_days.removed(&written.0);
                self.rollup_days.removed(&written.1);
                self.packing.closed(&closures);
                self.sessions_written(&closures)
            }
            Err(error) => {
                meter.not_written(&dirty);
                Err(error)
            }
        }
    }

    /// Returns the days that have got rows, of the ledger's zone and of UTC.
    fn write_folds_with(
        &mut self,
        dirty: &[crate::meter::Dirty],
        closures: &[Closure],
    ) -> Result<(BTreeSet<i64>, BTreeSet<i64>), Error> {
        let mut keyed = BTreeMap::new();
        let mut answers: BTreeMap<(i64, String), Share> = BTreeMap::new();
        for ((bucket, attributes, currency), (measures, share)) in &self.folds.rollups {
            if share.total > 0 {
                let gateway = self.interner.attributes(&self.connection, *attributes)?.gateway.clone();
                let sum = answers.entry((*bucket, gateway)).or_default();
                *sum = Share { within: sum.within + share.within, total: sum.total + share.total };
            }
            let currency = self.interner.currency_id(&self.connection, *currency)?;
            keyed.insert((*bucket, *attributes, currency), *measures);
        }
        let days = days_of(&keyed, &self.folds.zone);
        let changed: BTreeSet<i64> = days.keys().map(|(day, ..)| *day).collect();
        let of_utc = utc_days(keyed.keys().map(|(bucket, ..)| *bucket));
        let transaction = self.connection.unchecked_transaction()?;
        {
            self.rollup_days.remove(&transaction, &of_utc)?;
            add_rollups(&transaction, Width::Hour, &keyed)?;
            add_rollups(&transaction, Width::Day, &days)?;
            self.user_days.remove(&transaction, &changed)?;
            columns::write(&transaction, &self.folds.full)?;
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
        transaction.commit()?;
        Ok((changed, of_utc))
    }

    /// Packs what is quiet for those who ask: a bounded step, in transactions of its own. To be called when the folds are
    /// written. Returns whether there may be more.
    ///
    /// # Errors
    /// The ledger cannot be read or written; what is not packed is read as it is.
    pub fn pack(&mut self) -> Result<bool, Error> {
        let more = self.pack_parts()? | self.pack_rollups()?;
        Ok(self.sum_users()? || more)
    }
}
