//! Whether the folds that answer questions say what they are folds over: columns what their rows say, days what their hours,
//! packed parts what the parts.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;
use rusqlite::{Connection, OptionalExtension as _};

use super::columns::Builder;
use super::fold::{BLOCK_ROWS, day, stored_mark, stored_zone};
use super::inspect::{Finding, finding};
use super::intern::{CurrencyId, read_attributes};
use super::kinds::Kinds;
use super::measure::Measures;
use super::moment::{is_cut, removed};
use super::open::Error;
use super::part_columns::{PartBlock, is_same};
use super::part_hours::{HourBlock, PartHours, hours_of};
use super::rollup_columns::{self, rollup_of};
use super::row;
use super::session::{PART, read_part};
use super::sums::day_begins;
use super::user_days::{self, user_day, user_of};
use crate::record::ServiceTier;
use crate::session::Part;

/// Problems that are spelt out.
const MOST_NAMED: usize = 5;

/// Measures by bucket or day, attributes and currency.
type Cells = BTreeMap<(i64, u32, CurrencyId), Measures>;

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

/// Packed parts are held against their own table, but for those that are noted as late, and their hours against their rows.
pub(super) fn part_columns(connection: &Connection) -> Result<Finding, Error> {
    let removed = removed(connection, stored_mark(connection)?)?;
    let (mut problems, mut agreeing, mut late_parts) = (Vec::new(), 0_u64, 0_usize);
    let mut select = connection
        .prepare("SELECT block, data, first_start, last_end, requests, hours FROM part_columns ORDER BY block")?;
    let mut blocks = select.query([])?;
    while let Some(stored) = blocks.next()? {
        let block: i64 = stored.get(0)?;
        let ids = (block * BLOCK_ROWS, (block + 1) * BLOCK_ROWS);
        let Some(packed) = PartBlock::decode(stored.get_ref(1)?.as_blob().unwrap_or_default()) else {
            problems.push(format!("the packed parts of block {block} cannot be read"));
            continue;
        };
        let hours = HourBlock::decode(stored.get_ref(5)?.as_blob().unwrap_or_default());
        let Some(hours) = hours.filter(|hours| hours.len() == packed.len()) else {
            problems.push(format!("the hours of the packed parts of block {block} cannot be read"));
            continue;
        };
        let late: BTreeSet<i64> = connection
            .prepare_cached("SELECT id FROM late_parts WHERE id >= ?1 AND id < ?2")?
            .query_map(ids, |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        late_parts += late.len();
        let mut places: BTreeMap<i64, usize> = (0..packed.len()).map(|place| (packed.id(place), place)).collect();
        places.retain(|id, _| !late.contains(id));
        let (mut filled, mut kept) = (Part::default(), Vec::new());
        let told: (i64, i64, i64) = (stored.get(2)?, stored.get(3)?, stored.get(4)?);
        let mut found = (i64::MAX, i64::MIN, 0_i64);
        for place in 0..packed.len() {
            packed.fill(place, &mut filled);
            let requests = i64::try_from(filled.requests).unwrap_or(i64::MAX);
            found = (found.0.min(filled.start), found.1.max(filled.end), found.2.saturating_add(requests));
        }
        if told != found {
            problems.push(format!("block {block} says otherwise of its packed parts than they"));
        }
        let mut parts =
            connection.prepare_cached(&format!("SELECT {PART} FROM parts WHERE id >= ?1 AND id < ?2 ORDER BY id"))?;
        let mut rows = parts.query(ids)?;
        while let Some(row) = rows.next()? {
            let part = read_part(row)?;
            if late.contains(&part.id) {
                continue;
            }
            let Some(place) = places.remove(&part.id) else {
                problems.push(format!("part {} is not packed with its block", part.id));
                continue;
            };
            packed.fill(place, &mut filled);
            PartHours::packed(&hours, place).read(&mut kept);
            // Of rows that retention has removed nothing can be told.
            let agree = is_cut(&part, &removed) || kept == hours_of(connection, &part)?;
            if !agree {
                problems.push(format!("the hours of packed part {} say otherwise than its rows", part.id));
            } else if is_same(&part, &filled) {
                agreeing += 1;
            } else {
                problems.push(format!("packed part {} says otherwise than the part", part.id));
            }
        }
        problems.extend(places.keys().map(|id| format!("packed part {id} is no part")));
    }
    problems.truncate(MOST_NAMED);
    Ok(finding("packed parts = parts", &problems, format!("{agreeing} packed parts agree, {late_parts} are late")))
}

/// Packed rollups are held against the table of rollups, day by day.
pub(super) fn rollup_columns(connection: &Connection) -> Result<Finding, Error> {
    let (mut problems, mut days) = (Vec::new(), 0_u64);
    let mut select = connection.prepare("SELECT day, data FROM rollup_columns ORDER BY day")?;
    let mut stored = select.query([])?;
    while let Some(packed) = stored.next()? {
        let day: i64 = packed.get(0)?;
        let (mut kept, mut is) = (Cells::new(), Cells::new());
        if let Some(cells) = rollup_columns::decode(packed.get_ref(1)?.as_blob().unwrap_or_default()) {
            kept.extend(cells.cells().map(|(key, sums)| (rollup_of(key), sums)));
        }
        let mut statement = connection.prepare_cached(
            "SELECT bucket, attributes, currency, data FROM rollups WHERE bucket >= ?1 AND bucket < ?2",
        )?;
        let mut rows = statement.query([day * 86_400, (day + 1) * 86_400])?;
        while let Some(row) = rows.next()? {
            let sums = Measures::unpack(row.get_ref(3)?.as_blob().unwrap_or_default())?;
            is.insert((row.get(0)?, row.get(1)?, row.get(2)?), sums);
        }
        days += 1;
        if kept != is {
            problems.push(format!("the packed hours of day {day} say otherwise than the hours"));
        }
    }
    problems.truncate(MOST_NAMED);
    Ok(finding("packed hours = hours", &problems, format!("{days} days agree")))
}

/// Sums by user are summed anew from the rows of their days.
pub(super) fn user_days(connection: &Connection) -> Result<Finding, Error> {
    let name = stored_zone(connection)?.unwrap_or_default();
    let Ok(zone) = TimeZone::get(&name) else {
        return Ok(finding(
            "days by user = rows",
            &[],
            format!("days of {name}, which is not known by name, were not summed anew"),
        ));
    };
    let mark = stored_mark(connection)?;
    let days: Vec<i64> = {
        let mut statement = connection.prepare("SELECT day FROM user_days ORDER BY day")?;
        statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?
    };
    let (mut problems, mut kinds, mut tiers) = (Vec::new(), Kinds::default(), BTreeMap::<u32, ServiceTier>::new());
    for day in &days {
        let span = day_begins(*day, &zone)..day_begins(day.saturating_add(1), &zone);
        let mut summed = user_days::Cells::new();
        let blocks: Vec<i64> = connection
            .prepare_cached("SELECT block FROM blocks WHERE first_start < ?2 AND last_start >= ?1")?
            .query_map((span.start, span.end), |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        for block in blocks {
            let last = mark.min((block + 1) * BLOCK_ROWS - 1);
            row::each(connection, block * BLOCK_ROWS - 1, last, |row, _| {
                if span.contains(&row.start) {
                    let tier = match tiers.get(&row.attributes) {
                        Some(tier) => *tier,
                        None => read_attributes(connection, row.attributes)?.service_tier,
                    };
                    tiers.insert(row.attributes, tier);
                    let parts = kinds.of(connection, &row, tier)?;
                    let cell = summed.entry((row.user, row.cost.map(|cost| cost.currency))).or_default();
                    cell.observe(&row, &parts);
                }
                Ok(())
            })?;
        }
        let mut kept = user_days::Cells::new();
        if let Some(stored) = user_day(connection, *day)? {
            kept.extend(stored.cells().map(|(key, sums)| (user_of(key), sums)));
        }
        if kept != summed {
            problems.push(format!("the sums by user of day {day} are not those of its rows"));
        }
    }
    problems.truncate(MOST_NAMED);
    Ok(finding("days by user = rows", &problems, format!("{} days in {name} agree", days.len())))
}
