//! Parts of sessions, column by column: those whose first rows are in one full block, in one piece of bytes.
//!
//! What lists of sessions and time of use are made of is then read at once, without a row of the table for each part.
//! Parts change until they are closed, and some change later: each that does is noted as late in the transaction that
//! changes it, and read from its own table until its block is packed anew. So is a part that does not fit: one with several
//! currencies, or with more attributes than it remembers.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;

use super::fold::BLOCK_ROWS;
use super::open::{Error, Ledger};
use super::packed::{Ends, join, one, split};
use super::part_hours::RecentHours;
use super::request_view::NO_VALUE;
use super::session::{PART, read_part};
use crate::record::{Currency, Tokens};
use crate::session::{Closure, MAX_ATTRIBUTES, Part, Reason};

/// Open parts of a block that is packed all the same.
const FEW_OPEN: i64 = 64;
/// Blocks behind the last one at which a block is packed however many of its parts are open.
const MOST_BEHIND: i64 = 256;
/// Blocks that are packed in one transaction.
const PACKED_AT_ONCE: usize = 16;

/// What is kept of each part, in the order in which it is stored.
#[derive(Clone, Copy)]
enum Column {
    Id,
    Session,
    Gateway,
    Start,
    /// From the first start to the last.
    Span,
    Duration,
    /// From the first row to the last.
    Rows,
    Requests,
    Turns,
    Errors,
    UsageMissing,
    Unpriced,
    ToolCalls,
    UncachedInput,
    CacheRead,
    CacheWrite5m,
    CacheWrite1h,
    VisibleOutput,
    Reasoning,
    Currency,
    Cost,
    /// Place in the block's list of sets of attributes.
    Set,
    User,
    MixedUsers,
    Closed,
    /// How many parts there are.
    Count,
    /// How many ids each set has: the first row's attributes, and those of all rows.
    SetLengths,
    SetIds,
}

const COUNT: usize = Column::SetIds as usize + 1;

fn number(count: u64) -> Option<i64> {
    i64::try_from(count).ok()
}

/// A part's values up to [`Column::Closed`], but for the place of its set; `None` where it does not fit.
fn values(part: &Part) -> Option<[i64; Column::Count as usize]> {
    let (currency, cost) = match part.costs.0.as_slice() {
        [] => (0, NO_VALUE),
        [(currency, nanos)] => (currency.code(), i64::try_from(*nanos).ok()?),
        _ => return None,
    };
    let closed = Reason::ALL.iter().position(|known| Some(*known) == part.closed)?;
    if part.more_attributes {
        return None;
    }
    let Tokens { uncached_input, cache_read, cache_write_5m, cache_write_1h, visible_output, reasoning } = part.tokens;
    Some([
        part.id,
        part.key.session.into(),
        part.key.gateway.into(),
        part.start,
        part.last_start.checked_sub(part.start)?,
        part.end.checked_sub(part.start)?,
        part.last_row - part.id,
        number(part.requests)?,
        number(part.turns)?,
        number(part.errors)?,
        number(part.usage_missing)?,
        number(part.unpriced)?,
        number(part.tool_calls)?,
        number(uncached_input)?,
        number(cache_read)?,
        number(cache_write_5m)?,
        number(cache_write_1h)?,
        number(visible_output)?,
        number(reasoning)?,
        currency,
        cost,
        0,
        part.user.into(),
        i64::from(part.mixed_users) | i64::from(part.unnamed) << 1,
        i64::try_from(closed).ok()?,
    ])
}

/// Packs parts; returns the ids of those that do not fit, too.
fn pack(parts: &[Part]) -> (Vec<u8>, Vec<i64>) {
    let mut columns: [Vec<i64>; COUNT] = Default::default();
    let mut sets: BTreeMap<(u32, &[u32]), i64> = BTreeMap::new();
    let mut late = Vec::new();
    let mut count = 0;
    for part in parts {
        let Some(values) = values(part) else {
            late.push(part.id);
            continue;
        };
        count += 1;
        let next = i64::try_from(sets.len()).unwrap_or(i64::MAX);
        let set = *sets.entry((part.first_attributes, part.attributes.as_slice())).or_insert(next);
        let [.., lengths, ids] = &mut columns;
        if set == next {
            lengths.push(1 + i64::try_from(part.attributes.len()).unwrap_or(0));
            ids.extend([part.first_attributes].iter().chain(&part.attributes).copied().map(i64::from));
        }
        for (column, value) in columns.iter_mut().zip(values) {
            column.push(value);
        }
        if let Some(last) = columns.get_mut(Column::Set as usize).and_then(|column| column.last_mut()) {
            *last = set;
        }
    }
    if let Some(counts) = columns.get_mut(Column::Count as usize) {
        counts.push(count);
    }
    (join(columns.iter()), late)
}

/// The packed parts of a block.
#[derive(Debug)]
pub(super) struct PartBlock {
    count: usize,
    columns: [Vec<i64>; Column::Count as usize],
    /// The sets of attributes, one behind the other: the first row's, and those of all rows.
    set_ids: Vec<u32>,
    set_ends: Ends,
}

/// Ids of a set at most.
const MAX_SET: i64 = 1 + MAX_ATTRIBUTES as i64;

impl PartBlock {
    /// `None` where the bytes are none.
    pub(super) fn decode(bytes: &[u8]) -> Option<PartBlock> {
        let packed = split(bytes).filter(|columns| columns.len() == COUNT)?;
        let count = packed.get(Column::Count as usize)?.get(0);
        let count = usize::try_from(count).ok().filter(|_| count <= BLOCK_ROWS)?;
        let mut columns: [Vec<i64>; Column::Count as usize] = Default::default();
        columns.iter_mut().zip(&packed).for_each(|(column, packed)| packed.unpack(count, column));
        let (lengths, ids) = (packed.get(Column::SetLengths as usize)?, packed.get(Column::SetIds as usize)?);
        let sets = columns.get(Column::Set as usize)?.iter().max().map_or(0, |last| last.saturating_add(1));
        let mut numbers = Vec::new();
        lengths.unpack(usize::try_from(sets).ok().filter(|sets| *sets <= count)?, &mut numbers);
        if !numbers.iter().all(|length| (1..=MAX_SET).contains(length)) {
            return None;
        }
        let set_ends = Ends::of_lengths(&numbers)?;
        ids.unpack(set_ends.last(), &mut numbers);
        let set_ids = numbers.iter().map(|id| u32::try_from(*id).unwrap_or(0)).collect();
        Some(PartBlock { count, columns, set_ids, set_ends })
    }

    /// The sessions of the parts alone; `None` where the bytes are none.
    pub(super) fn sessions(bytes: &[u8]) -> Option<impl Iterator<Item = u32>> {
        let count = usize::try_from(one(bytes, Column::Count as usize)?.get(0)).ok()?;
        let sessions = one(bytes, Column::Session as usize)?;
        Some((0..count).map(move |place| u32::try_from(sessions.get(place)).unwrap_or(0)))
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    #[inline]
    fn get(&self, column: Column, place: usize) -> i64 {
        self.columns.get(column as usize).and_then(|column| column.get(place)).copied().unwrap_or(0)
    }

    #[inline]
    fn count(&self, column: Column, place: usize) -> u64 {
        self.get(column, place).unsigned_abs()
    }

    pub(super) fn id(&self, place: usize) -> i64 {
        self.get(Column::Id, place)
    }

    fn session(&self, place: usize) -> u32 {
        u32::try_from(self.get(Column::Session, place)).unwrap_or(0)
    }

    /// The attributes of a part's first row, and of all.
    fn set(&self, place: usize) -> Option<(u32, &[u32])> {
        let set = usize::try_from(self.get(Column::Set, place)).ok()?;
        let (first, all) = self.set_ids.get(self.set_ends.places(set))?.split_first()?;
        Some((*first, all))
    }

    /// Makes a part the one at a place, but for what only the writer needs of it: its first key, its last round, how often it was
    /// closed and what of it was counted.
    pub(super) fn fill(&self, place: usize, part: &mut Part) {
        let small = |column| u32::try_from(self.get(column, place)).unwrap_or(0);
        part.id = self.id(place);
        (part.key.session, part.key.gateway) = (self.session(place), small(Column::Gateway));
        part.start = self.get(Column::Start, place);
        part.last_start = part.start.saturating_add(self.get(Column::Span, place));
        part.end = part.start.saturating_add(self.get(Column::Duration, place));
        part.last_row = part.id + self.get(Column::Rows, place);
        part.requests = self.count(Column::Requests, place);
        part.turns = self.count(Column::Turns, place);
        part.errors = self.count(Column::Errors, place);
        part.usage_missing = self.count(Column::UsageMissing, place);
        part.unpriced = self.count(Column::Unpriced, place);
        part.tool_calls = self.count(Column::ToolCalls, place);
        part.tokens = Tokens {
            uncached_input: self.count(Column::UncachedInput, place),
            cache_read: self.count(Column::CacheRead, place),
            cache_write_5m: self.count(Column::CacheWrite5m, place),
            cache_write_1h: self.count(Column::CacheWrite1h, place),
            visible_output: self.count(Column::VisibleOutput, place),
            reasoning: self.count(Column::Reasoning, place),
        };
        part.costs.0.clear();
        if let Some(currency) = Currency::from_code(self.get(Column::Currency, place)) {
            part.costs.0.push((currency, self.get(Column::Cost, place).into()));
        }
        part.attributes.clear();
        if let Some((first, all)) = self.set(place) {
            part.first_attributes = first;
            part.attributes.extend_from_slice(all);
        }
        part.user = small(Column::User);
        let users = self.get(Column::MixedUsers, place);
        (part.mixed_users, part.unnamed) = (users & 1 != 0, users & 2 != 0);
        let closed = usize::try_from(self.get(Column::Closed, place)).ok();
        part.closed = closed.and_then(|code| Reason::ALL.get(code).copied());
    }
}

/// Whether a packed part is the one that is stored, in all that packed ones have.
pub(super) fn is_same(stored: &Part, packed: &Part) -> bool {
    let known = Part {
        first_key: packed.first_key,
        last_round: packed.last_round,
        full: packed.full,
        revision: packed.revision,
        counted: packed.counted,
        ..stored.clone()
    };
    known == *packed
}

/// The block of a part.
pub(super) fn block_of(part: i64) -> i64 {
    part.div_euclid(BLOCK_ROWS)
}

/// Which blocks are to be packed.
#[derive(Debug, Default)]
pub(super) struct Packing {
    /// Before it, blocks are packed or have nothing to pack.
    next: i64,
    /// Packed blocks with parts that were closed since.
    late: BTreeSet<i64>,
    /// The last of them that was looked at.
    looked: i64,
    pub(super) hours: RecentHours,
}

impl Packing {
    pub(super) fn load(connection: &Connection) -> Result<Packing, Error> {
        let next =
            connection.query_row("SELECT coalesce(max(block) + 1, 0) FROM part_columns", [], |row| row.get(0))?;
        let mut statement = connection.prepare("SELECT id FROM late_parts")?;
        let late = statement.query_map([], |row| Ok(block_of(row.get(0)?)))?.collect::<Result<_, _>>()?;
        Ok(Packing { next, late, looked: i64::MIN, hours: RecentHours::default() })
    }

    /// To be called when parts are closed for good.
    pub(super) fn closed(&mut self, closures: &[Closure]) {
        let blocks = closures.iter().map(|closure| block_of(closure.part));
        self.late.extend(blocks.filter(|block| *block < self.next));
    }

    /// To be called when a stored part has changed.
    pub(super) fn changed(&mut self, part: i64) {
        self.hours.forget(part);
        self.late.extend(Some(block_of(part)).filter(|block| *block < self.next));
    }

    /// Notes within the transaction that is open that a part is changed.
    pub(super) fn note(&self, connection: &Connection, part: i64) -> Result<(), Error> {
        if block_of(part) < self.next {
            connection.prepare_cached("INSERT OR IGNORE INTO late_parts (id) VALUES (?1)")?.execute([part])?;
        }
        Ok(())
    }
}

/// Removes the columns of blocks within the transaction that is open: their parts are read from their own table then.
pub(super) fn unpack(connection: &Connection, blocks: &BTreeSet<i64>) -> Result<(), Error> {
    let mut columns = connection.prepare_cached("DELETE FROM part_columns WHERE block = ?1")?;
    let mut late = connection.prepare_cached("DELETE FROM late_parts WHERE id >= ?1 AND id < ?2")?;
    for block in blocks {
        columns.execute([block])?;
        late.execute((block * BLOCK_ROWS, (block + 1) * BLOCK_ROWS))?;
    }
    Ok(())
}

fn open_parts(connection: &Connection, block: i64) -> Result<i64, Error> {
    let sql = "SELECT count(*) FROM parts WHERE closed IS NULL AND id >= ?1 AND id < ?2";
    let mut statement = connection.prepare_cached(sql)?;
    Ok(statement.query_row((block * BLOCK_ROWS, (block + 1) * BLOCK_ROWS), |row| row.get(0))?)
}

/// Packs the parts of a block as they are stored, within the transaction that is open; returns those that are open.
fn write(connection: &Connection, block: i64, hours: &RecentHours) -> Result<BTreeSet<i64>, Error> {
    let sql = format!("SELECT {PART} FROM parts WHERE id >= ?1 AND id < ?2 ORDER BY id");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query((block * BLOCK_ROWS, (block + 1) * BLOCK_ROWS))?;
    let mut parts = Vec::new();
    while let Some(row) = rows.next()? {
        parts.push(read_part(row)?);
    }
    unpack(connection, &BTreeSet::from([block]))?;
    if parts.is_empty() {
        return Ok(BTreeSet::new());
    }
    let (data, late) = pack(&parts);
    let packed = || parts.iter().filter(|part| !late.contains(&part.id));
    let first = packed().map(|part| part.start).min().unwrap_or(i64::MAX);
    let last = packed().map(|part| part.end).max().unwrap_or(i64::MIN);
    let requests: i64 = packed().filter_map(|part| i64::try_from(part.requests).ok()).sum();
    let hours = hours.pack(connection, packed())?;
    connection
        .prepare_cached(
            "INSERT INTO part_columns (block, first_start, last_end, requests, data, hours) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute((block, first, last, requests, data, hours))?;
    let mut insert = connection.prepare_cached("INSERT INTO late_parts (id) VALUES (?1)")?;
    for id in late {
        insert.execute([id])?;
    }
    Ok(parts.iter().filter(|part| part.closed.is_none()).map(|part| part.id).collect())
}

impl Ledger {
    /// Packs parts of full blocks, and anew those of blocks whose last open part was closed; some blocks, in a transaction of its
    /// own. To be called when the folds are written. Returns whether any was packed.
    ///
    /// # Errors
    /// The ledger cannot be read or written; nothing was packed.
    pub(super) fn pack_parts(&mut self) -> Result<bool, Error> {
        if self.path.is_none() {
            return Ok(false);
        }
        let full = (self.folds.mark + 1) / BLOCK_ROWS;
        let mut next = self.packing.next;
        let mut blocks = Vec::new();
        while next < full && blocks.len() < PACKED_AT_ONCE {
            if full - next <= MOST_BEHIND && open_parts(&self.connection, next)? > FEW_OPEN {
                break;
            }
            blocks.push(next);
            next += 1;
        }
        let late = &self.packing.late;
        let turn = late.range(self.packing.looked.saturating_add(1)..).chain(late.range(..=self.packing.looked));
        let mut looked = self.packing.looked;
        for block in turn.copied().take(PACKED_AT_ONCE) {
            looked = block;
            if open_parts(&self.connection, block)? == 0 {
                blocks.push(block);
            }
        }
        if !blocks.is_empty() {
            let transaction = self.connection.unchecked_transaction()?;
            let hours = &self.packing.hours;
            let open = blocks.iter().map(|block| write(&transaction, *block, hours)).collect::<Result<Vec<_>, _>>()?;
            transaction.commit()?;
            for (block, open) in blocks.iter().zip(open) {
                self.packing.hours.packed(*block, |part| open.contains(&part));
            }
        }
        self.packing.next = next;
        self.packing.looked = looked;
        self.packing.late.retain(|block| !blocks.contains(block));
        Ok(!blocks.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::{Costs, Key};

    fn part(id: i64) -> Part {
        let tokens = Tokens {
            uncached_input: 17,
            visible_output: u64::from(id.unsigned_abs().is_multiple_of(5)),
            ..Tokens::default()
        };
        Part {
            id,
            key: Key { gateway: 1 + u32::try_from(id % 2).unwrap(), session: 70 + u32::try_from(id).unwrap() },
            first_attributes: 3,
            start: 1_790_000_000_000_000 + id * 7,
            last_start: 1_790_000_000_000_000 + id * 9,
            end: 1_790_000_000_000_500 + id * 9,
            last_row: id + 11,
            requests: 12,
            turns: 4,
            errors: 1,
            usage_missing: 2,
            unpriced: 1,
            tool_calls: 9,
            tokens,
            costs: Costs(if id % 3 == 0 { vec![] } else { vec![(Currency::USD, i128::from(id) * 1_001)] }),
            attributes: if id % 2 == 0 { vec![3] } else { vec![1, 3, 900] },
            user: 5,
            mixed_users: id % 4 == 0,
            unnamed: id % 5 == 0,
            closed: Some(Reason::Limit),
            ..Part::default()
        }
    }

    #[test]
    fn parts_survive_being_packed_and_what_does_not_fit_is_late() {
        for count in [1, 2, 40] {
            let mut parts: Vec<Part> = (1..=count).map(part).collect();
            let (bytes, late) = pack(&parts);
            assert_eq!(late, Vec::<i64>::new());
            let block = PartBlock::decode(&bytes).unwrap();
            assert_eq!(block.len(), parts.len());
            let mut filled = Part { attributes: vec![8], ..Part::default() };
            for (place, part) in parts.iter().enumerate() {
                block.fill(place, &mut filled);
                assert_eq!(filled, *part);
            }
            let last = parts.last_mut().unwrap();
            last.closed = None;
            let open = last.id;
            parts.push(Part { costs: Costs(vec![(Currency::USD, 1), (Currency::CNY, 1)]), ..part(50) });
            parts.push(Part { more_attributes: true, ..part(51) });
            let (bytes, late) = pack(&parts);
            assert_eq!(late, [open, 50, 51]);
            assert_eq!(PartBlock::decode(&bytes).unwrap().len(), parts.len() - 3);
        }
        assert!(PartBlock::decode(&[1, 2, 3]).is_none());
    }
}
