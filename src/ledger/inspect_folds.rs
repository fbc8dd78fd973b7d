//! Whether the folds that answer questions say what they are folds over: columns what their rows say, days what their hours.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use rusqlite::{Connection, OptionalExtension as _};

use super::columns::Builder;
use super::fold::{BLOCK_ROWS, day, stored_mark, stored_zone};
use super::inspect::{Finding, finding};
use super::intern::CurrencyId;
use super::measure::Measures;
use super::open::Error;
use super::row;

/// Problems that are spelt out.
const MOST_NAMED: usize = 5;

/// Columns are made anew from the rows: they must be the same to the last bit.
pub(super) fn columns(connection: &Connection) -> Result<Finding, Error> {
    let mark = stored_mark(connection)?;
    let blocks: Vec<i64> = {
        let mut statement = connection.prepare("SELECT block FROM blocks ORDER BY block")?;
        statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?
    };
    let (mut problems, mut full, mut expected) = (Vec::new(), 0_u64, 0_u64);
    for block in blocks {
        let (after, last) = (block * BLOCK_ROWS - 1, (block + 1) * BLOCK_ROWS - 1);
        if last > mark {
            continue;
        }
        let mut builder = Builder::default();
        row::each(connection, after, last, |row, _| {
            builder.observe(&row);
            Ok(())
        })?;
        full += 1;
        for (id, made) in builder.finish(block) {
            expected += 1;
            let stored: Option<Vec<u8>> = connection
                .prepare_cached("SELECT data FROM columns WHERE id = ?1")?
                .query_row([id], |row| row.get(0))
                .optional()?;
            if stored.as_ref() != Some(&made) {
                let what = if stored.is_some() { "says otherwise than its rows" } else { "is missing" };
                problems.push(format!("column {} of block {block} {what}", id - block * 32));
            }
        }
    }
    let stored: u64 = connection.query_row("SELECT count(*) FROM columns", [], |row| row.get(0))?;
    if problems.is_empty() && stored != expected {
        problems.push(format!("{stored} columns are kept, {expected} should be"));
    }
    problems.truncate(MOST_NAMED);
    Ok(finding("columns = rows", &problems, format!("{full} full blocks agree in every column")))
}

/// Rollups of days are summed anew from those of hours.
pub(super) fn days(connection: &Connection) -> Result<Finding, Error> {
    type Cells = BTreeMap<(i64, u32, CurrencyId), Measures>;
    let name = stored_zone(connection)?.unwrap_or_default();
    let Ok(zone) = TimeZone::get(&name) else {
        // A zone without a name of the time zone database is the machine's own.
        return Ok(finding(
            "days = hours",
            &[],
            format!("days of {name}, which is not known by name, were not summed anew"),
        ));
    };
    let read = |sql: &str, place: &dyn Fn(i64) -> i64| -> Result<Cells, Error> {
        let mut cells = Cells::new();
        let mut statement = connection.prepare(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let added = Measures::unpack(row.get_ref(3)?.as_blob().unwrap_or_default())?;
            cells.entry((place(row.get(0)?), row.get(1)?, row.get(2)?)).or_default().add(&added);
        }
        cells.retain(|_, sums| !sums.is_zero());
        Ok(cells)
    };
    let kept = read("SELECT day, attributes, currency, data FROM rollup_days", &|day| day)?;
    let summed = read("SELECT bucket, attributes, currency, data FROM rollups", &|bucket| day(bucket, &zone))?;
    let mut problems = Vec::new();
    for (place, sums) in &summed {
        if kept.get(place) != Some(sums) {
            problems.push(format!(
                "day {} of attributes {} and currency {} is not the sum of its hours",
                place.0, place.1, place.2
            ));
        }
    }
    if problems.is_empty() && kept.len() != summed.len() {
        problems.push(format!("{} sums of days are kept, {} should be", kept.len(), summed.len()));
    }
    problems.truncate(MOST_NAMED);
    Ok(finding("days = hours", &problems, format!("{} sums of days in {name} agree", kept.len())))
}
