//! Folds of versions 1 and 2 become those of version 3: packed rollups with the kinds of cost, and columns of blocks.
//!
//! The kinds are computed anew for the rows that are kept. What older rows cost stays in their rollups as `other`.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use rusqlite::Connection;

use super::columns::{self, Builder};
use super::fold::{BLOCK_ROWS, Width, add_rollups, bucket, stored_mark};
use super::intern::{CurrencyId, read_attributes, read_currencies};
use super::kinds::Kinds;
use super::measure::{Measure, Measures};
use super::open::Error;
use super::row;
use crate::record::ServiceTier;

/// Measures of versions 1 and 2: the first of the list.
const MEASURES: usize = 24;
/// Kinds of cost, the measures that came with version 3.
const KINDS: usize = 6;
/// Cells after which they are written.
const MAX_CELLS: usize = 16_384;

type Cells = BTreeMap<(i64, u32, CurrencyId), Measures>;

/// Within the transaction that is open.
pub(super) fn migrate(connection: &Connection) -> Result<(), Error> {
    connection.execute_batch("ALTER TABLE rollups RENAME TO rollups_2")?;
    connection.execute_batch(include_str!("folds.sql"))?;
    connection.execute_batch(include_str!("audit.sql"))?;
    for measure in Measure::ALL.iter().skip(MEASURES).take(KINDS) {
        let column = measure.column();
        connection.execute_batch(&format!("ALTER TABLE adjustments ADD COLUMN {column} INTEGER NOT NULL DEFAULT 0"))?;
    }
    connection.execute_batch("UPDATE adjustments SET cost_other = cost")?;
    pack_rollups(connection)?;
    connection.execute_batch("DROP TABLE rollups_2")?;
    fold_rows(connection)
}

fn pack_rollups(connection: &Connection) -> Result<(), Error> {
    let columns: Vec<&str> = Measure::ALL.iter().take(MEASURES).map(|measure| measure.column()).collect();
    let mut select =
        connection.prepare(&format!("SELECT bucket, attributes, currency, {} FROM rollups_2", columns.join(", ")))?;
    let mut insert =
        connection.prepare("INSERT INTO rollups (bucket, attributes, currency, data) VALUES (?1, ?2, ?3, ?4)")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let mut measures =
            Measures::try_from_fn(|index| if index < MEASURES { row.get::<_, i64>(index + 3) } else { Ok(0) })?;
        measures.set(Measure::CostOther, measures.get(Measure::Cost));
        let (bucket, attributes, currency): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        insert.execute((bucket, attributes, currency, measures.pack()))?;
    }
    Ok(())
}

/// Computes from the folded rows what version 2 had not: kinds of cost, and columns of full blocks.
fn fold_rows(connection: &Connection) -> Result<(), Error> {
    let mark = stored_mark(connection)?;
    let seconds: i64 =
        connection.query_row("SELECT value FROM facts WHERE key = 'rollup_seconds'", [], |row| row.get(0))?;
    let currencies = read_currencies(connection)?;
    let mut tiers: BTreeMap<u32, ServiceTier> = BTreeMap::new();
    let (mut kinds, mut cells) = (Kinds::default(), Cells::new());
    let blocks: Vec<i64> = {
        let mut statement = connection.prepare("SELECT block FROM blocks ORDER BY block")?;
        statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?
    };
    for block in blocks {
        let mut builder = Builder::default();
        let last = (block + 1) * BLOCK_ROWS - 1;
        row::each(connection, block * BLOCK_ROWS - 1, last.min(mark), |row, _| {
            builder.observe(&row);
            let Some(cost) = row.cost else { return Ok(()) };
            let tier = match tiers.entry(row.attributes) {
                Entry::Occupied(known) => *known.get(),
                Entry::Vacant(new) => *new.insert(read_attributes(connection, row.attributes)?.service_tier),
            };
            let parts = kinds.of(connection, &row, tier)?;
            let currency = currencies.iter().find(|(_, known)| *known == cost.currency).map_or(0, |(id, _)| *id);
            let cell = cells.entry((bucket(row.start, seconds), row.attributes, currency)).or_default();
            for (measure, nanos) in [
                (Measure::CostInput, parts.uncached_input),
                (Measure::CostCacheRead, parts.cache_read),
                (Measure::CostCacheWrite, parts.cache_write),
                (Measure::CostOutput, parts.visible_output),
                (Measure::CostReasoning, parts.reasoning),
                // The whole cost is there so far.
                (Measure::CostOther, parts.other.saturating_sub(cost.nanos)),
            ] {
                cell.set(measure, cell.get(measure).saturating_add(nanos));
            }
            Ok(())
        })?;
        if last <= mark {
            columns::write(connection, &builder.finish(block))?;
        }
        if cells.len() >= MAX_CELLS {
            add_rollups(connection, Width::Hour, &std::mem::take(&mut cells))?;
        }
    }
    add_rollups(connection, Width::Hour, &cells)
}
