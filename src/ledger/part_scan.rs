//! Every part that is stored, once: packed ones from their columns, all others from their own table.

use std::ops::Range;

use super::fold::BLOCK_ROWS;
use super::moment::Moment;
use super::open::Error;
use super::part_columns::{PartBlock, block_of};
use super::part_hours::{HourBlock, PartHours};
use super::request_filter::Ids;
use super::session::{PART, read_part, stored_part};
use crate::record::Micros;
use crate::session::Part;

/// A stretch of ids of parts.
enum Stretch<'a> {
    /// A block; no packed part that has time within what is asked for is left out.
    Packed(PackedStretch<'a>),
    /// Parts are read from their own table.
    Stored(Range<i64>),
}

/// The packed parts of a block, and their hours where they are asked for. Both are empty where none has time within what is
/// asked for.
struct PackedStretch<'a> {
    block: i64,
    /// Of all its parts.
    requests: i64,
    data: &'a [u8],
    hours: &'a [u8],
}

/// Sessions that may have more than one part.
#[derive(Debug, Default)]
pub(super) struct Repeated {
    once: Ids,
    again: Ids,
}

impl Repeated {
    pub(super) fn see(&mut self, session: u32) {
        if self.once.contains(session) {
            self.again.insert(session);
        } else {
            self.once.insert(session);
        }
    }

    /// Whether it was seen more than once.
    pub(super) fn contains(&self, session: u32) -> bool {
        self.again.contains(session)
    }
}

/// All ids of parts, and all time.
const ALL: Range<i64> = i64::MIN..i64::MAX;

/// Time that nothing has: what is packed is not read.
const NEVER: Range<Micros> = Micros::MIN..Micros::MIN;

fn unreadable(block: i64) -> Error {
    Error::Stored(format!("the packed parts of block {block} cannot be read"))
}

/// Those of a block among late parts.
fn late_of(late: &[i64], block: i64) -> &[i64] {
    let first = late.partition_point(|id| block_of(*id) < block);
    let last = late.partition_point(|id| block_of(*id) <= block);
    late.get(first..last).unwrap_or_default()
}

impl Moment {
    /// Calls `found` with each stretch of ids, one after the other. The range begins and ends with blocks. Of packed parts those
    /// that have no time within `time` may be left out.
    fn each_stretch<E: From<Error>>(
        &self,
        ids: Range<i64>,
        time: &Range<Micros>,
        with_hours: bool,
        mut found: impl FnMut(Stretch<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let sql = "SELECT block, requests, CASE WHEN first_start < ?4 AND last_end >= ?3 THEN data END,
                          CASE WHEN ?5 AND first_start < ?4 AND last_end >= ?3 THEN hours END
                   FROM part_columns WHERE block >= ?1 AND block < ?2 ORDER BY block";
        let mut statement = self.connection.prepare_cached(sql).map_err(Error::from)?;
        let end = if ids.end == i64::MAX { i64::MAX } else { block_of(ids.end) };
        let mut rows =
            statement.query((block_of(ids.start), end, time.start, time.end, with_hours)).map_err(Error::from)?;
        let mut next = ids.start;
        while let Some(row) = rows.next().map_err(Error::from)? {
            let number: i64 = row.get(0).map_err(Error::from)?;
            let requests: i64 = row.get(1).map_err(Error::from)?;
            let first = number * BLOCK_ROWS;
            if next < first {
                found(Stretch::Stored(next..first))?;
            }
            let data = row.get_ref(2).map_err(Error::from)?.as_blob_or_null().unwrap_or_default().unwrap_or_default();
            let hours = row.get_ref(3).map_err(Error::from)?.as_blob_or_null().unwrap_or_default().unwrap_or_default();
            found(Stretch::Packed(PackedStretch { block: number, requests, data, hours }))?;
            next = first + BLOCK_ROWS;
        }
        if next < ids.end { found(Stretch::Stored(next..ids.end)) } else { Ok(()) }
    }

    /// Ids of parts that are not as their columns say, in order.
    fn late_parts(&self, ids: &Range<i64>) -> Result<Vec<i64>, Error> {
        let sql = "SELECT id FROM late_parts WHERE id >= ?1 AND id < ?2 ORDER BY id";
        let mut statement = self.connection.prepare_cached(sql)?;
        let late = statement.query_map([ids.start, ids.end], |row| row.get(0))?;
        Ok(late.collect::<Result<_, _>>()?)
    }

    /// Calls `found` with every stored part whose id lies within a range that begins and ends with blocks, in no order; some
    /// that have no time within `time` may be left out. What only the writer needs of a part is not told: see
    /// [`PartBlock::fill`].
    pub(super) fn each_stored_part<E: From<Error>>(
        &self,
        ids: Range<i64>,
        time: &Range<Micros>,
        mut found: impl FnMut(&Part) -> Result<(), E>,
    ) -> Result<(), E> {
        self.each_stored_with_hours(ids, time, false, |part, _| found(part))
    }

    /// The same, with the hours of packed parts where they are asked for.
    pub(super) fn each_stored_with_hours<E: From<Error>>(
        &self,
        ids: Range<i64>,
        time: &Range<Micros>,
        with_hours: bool,
        mut found: impl FnMut(&Part, PartHours<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let late = self.late_parts(&ids)?;
        let sql = format!("SELECT {PART} FROM parts WHERE id >= ?1 AND id < ?2");
        let mut filled = Part::default();
        self.each_stretch(ids, time, with_hours, |stretch| match stretch {
            Stretch::Packed(PackedStretch { block: number, data, hours, .. }) => {
                let late = late_of(&late, number);
                if !data.is_empty() {
                    let block = PartBlock::decode(data).ok_or_else(|| unreadable(number))?;
                    let hours = if with_hours {
                        Some(HourBlock::decode(hours).ok_or_else(|| unreadable(number))?)
                    } else {
                        None
                    };
                    for place in 0..block.len() {
                        if late.is_empty() || late.binary_search(&block.id(place)).is_err() {
                            block.fill(place, &mut filled);
                            let hours = hours.as_ref().map_or(PartHours::NONE, |hours| PartHours::packed(hours, place));
                            found(&filled, hours)?;
                        }
                    }
                }
                for id in late {
                    if let Some(part) = stored_part(&self.connection, *id)? {
                        found(&part, PartHours::NONE)?;
                    }
                }
                Ok(())
            }
            Stretch::Stored(ids) => {
                let mut statement = self.connection.prepare_cached(&sql).map_err(Error::from)?;
                let mut rows = statement.query([ids.start, ids.end]).map_err(Error::from)?;
                while let Some(row) = rows.next().map_err(Error::from)? {
                    found(&read_part(row)?, PartHours::NONE)?;
                }
                Ok(())
            }
        })
    }

    /// Requests of all stored parts.
    pub(super) fn requests_of_parts(&self) -> Result<i64, Error> {
        let late = self.late_parts(&ALL)?;
        let stored = |ids: Range<i64>| -> Result<i64, Error> {
            let sql = "SELECT coalesce(sum(requests), 0) FROM parts WHERE id >= ?1 AND id < ?2";
            let mut statement = self.connection.prepare_cached(sql)?;
            Ok(statement.query_row([ids.start, ids.end], |row| row.get(0))?)
        };
        let mut sum = 0;
        self.each_stretch(ALL, &NEVER, false, |stretch| -> Result<(), Error> {
            sum += match stretch {
                Stretch::Stored(ids) => stored(ids)?,
                Stretch::Packed(packed) if late_of(&late, packed.block).is_empty() => packed.requests,
                // Some are not as they were packed.
                Stretch::Packed(PackedStretch { block, .. }) => stored(block * BLOCK_ROWS..(block + 1) * BLOCK_ROWS)?,
            };
            Ok(())
        })?;
        Ok(sum)
    }

    /// Sessions that may have more than one of the stored parts that [`Moment::each_stored_part`] tells of a stretch of time.
    pub(super) fn repeated_sessions(&self, time: &Range<Micros>) -> Result<Repeated, Error> {
        let mut repeated = Repeated::default();
        let mut statement = self.connection.prepare_cached("SELECT session FROM parts WHERE id >= ?1 AND id < ?2")?;
        let mut see = |repeated: &mut Repeated, ids: Range<i64>| -> Result<(), Error> {
            let mut rows = statement.query([ids.start, ids.end])?;
            while let Some(row) = rows.next()? {
                repeated.see(row.get(0)?);
            }
            Ok(())
        };
        for id in self.late_parts(&ALL)? {
            see(&mut repeated, id..id + 1)?;
        }
        self.each_stretch(ALL, time, false, |stretch| -> Result<(), Error> {
            match stretch {
                Stretch::Packed(PackedStretch { block, data, .. }) if !data.is_empty() => {
                    let sessions = PartBlock::sessions(data).ok_or_else(|| unreadable(block))?;
                    sessions.for_each(|session| repeated.see(session));
                    Ok(())
                }
                Stretch::Packed(..) => Ok(()),
                Stretch::Stored(ids) => see(&mut repeated, ids),
            }
        })?;
        Ok(repeated)
    }
}
