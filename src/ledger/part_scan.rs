//! Every part that is stored, once: packed ones from their columns, all others from their own table.

use std::ops::Range;

use super::fold::BLOCK_ROWS;
use super::moment::Moment;
use super::open::Error;
use super::part_columns::{PartBlock, block_of};
use super::request_filter::Ids;
use super::session::{PART, read_part, stored_part};
use crate::session::Part;

/// A stretch of ids of parts.
enum Stretch {
    Packed(i64, PartBlock),
    /// Parts are read from their own table.
    Stored(Range<i64>),
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

impl Moment {
    /// Calls `found` with each stretch of ids, one after the other. The range begins and ends with blocks.
    fn each_stretch<E: From<Error>>(
        &self,
        ids: Range<i64>,
        mut found: impl FnMut(Stretch) -> Result<(), E>,
    ) -> Result<(), E> {
        let sql = "SELECT block, data FROM part_columns WHERE block >= ?1 AND block < ?2 ORDER BY block";
        let mut statement = self.connection.prepare_cached(sql).map_err(Error::from)?;
        let end = if ids.end == i64::MAX { i64::MAX } else { block_of(ids.end) };
        let mut rows = statement.query((block_of(ids.start), end)).map_err(Error::from)?;
        let mut next = ids.start;
        while let Some(row) = rows.next().map_err(Error::from)? {
            let number: i64 = row.get(0).map_err(Error::from)?;
            let block = PartBlock::decode(row.get_ref(1).map_err(Error::from)?.as_blob().unwrap_or_default());
            let block = block.ok_or_else(|| Error::Stored(format!("the parts of block {number} cannot be read")))?;
            let first = number * BLOCK_ROWS;
            if next < first {
                found(Stretch::Stored(next..first))?;
            }
            found(Stretch::Packed(number, block))?;
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

    /// Calls `found` with every stored part whose id lies within a range that begins and ends with blocks, in no order. What
    /// only the writer needs of a part is not told: see [`PartBlock::fill`].
    pub(super) fn each_stored_part<E: From<Error>>(
        &self,
        ids: Range<i64>,
        mut found: impl FnMut(&Part) -> Result<(), E>,
    ) -> Result<(), E> {
        let late = self.late_parts(&ids)?;
        let sql = format!("SELECT {PART} FROM parts WHERE id >= ?1 AND id < ?2");
        let mut filled = Part::default();
        self.each_stretch(ids, |stretch| match stretch {
            Stretch::Packed(number, block) => {
                let first = late.partition_point(|id| block_of(*id) < number);
                let last = late.partition_point(|id| block_of(*id) <= number);
                let late = late.get(first..last).unwrap_or_default();
                for place in 0..block.len() {
                    if late.is_empty() || late.binary_search(&block.id(place)).is_err() {
                        block.fill(place, &mut filled);
                        found(&filled)?;
                    }
                }
                for id in late {
                    if let Some(part) = stored_part(&self.connection, *id)? {
                        found(&part)?;
                    }
                }
                Ok(())
            }
            Stretch::Stored(ids) => {
                let mut statement = self.connection.prepare_cached(&sql).map_err(Error::from)?;
                let mut rows = statement.query([ids.start, ids.end]).map_err(Error::from)?;
                while let Some(row) = rows.next().map_err(Error::from)? {
                    found(&read_part(row)?)?;
                }
                Ok(())
            }
        })
    }

    /// Requests of all stored parts.
    pub(super) fn requests_of_parts(&self) -> Result<i64, Error> {
        let ids = i64::MIN..i64::MAX;
        let late = self.late_parts(&ids)?;
        let stored = |ids: Range<i64>| -> Result<i64, Error> {
            let sql = "SELECT coalesce(sum(requests), 0) FROM parts WHERE id >= ?1 AND id < ?2";
            let mut statement = self.connection.prepare_cached(sql)?;
            Ok(statement.query_row([ids.start, ids.end], |row| row.get(0))?)
        };
        let mut sum = 0;
        self.each_stretch(ids, |stretch| -> Result<(), Error> {
            sum += match stretch {
                Stretch::Stored(ids) => stored(ids)?,
                Stretch::Packed(number, block) => {
                    let first = late.partition_point(|id| block_of(*id) < number);
                    let last = late.partition_point(|id| block_of(*id) <= number);
                    let late = late.get(first..last).unwrap_or_default();
                    let packed = (0..block.len())
                        .filter(|place| late.is_empty() || late.binary_search(&block.id(*place)).is_err())
                        .map(|place| i64::try_from(block.requests(place)).unwrap_or(i64::MAX));
                    let packed: i64 = packed.sum();
                    late.iter().try_fold(packed, |sum, id| Ok::<i64, Error>(sum + stored(*id..id + 1)?))?
                }
            };
            Ok(())
        })?;
        Ok(sum)
    }

    /// Sessions that may have more than one stored part.
    pub(super) fn repeated_sessions(&self) -> Result<Repeated, Error> {
        let mut repeated = Repeated::default();
        let ids = i64::MIN..i64::MAX;
        for id in self.late_parts(&ids)? {
            let mut statement = self.connection.prepare_cached("SELECT session FROM parts WHERE id = ?1")?;
            let mut rows = statement.query([id])?;
            while let Some(row) = rows.next()? {
                repeated.see(row.get(0)?);
            }
        }
        self.each_stretch(ids, |stretch| -> Result<(), Error> {
            match stretch {
                Stretch::Packed(_, block) => (0..block.len()).for_each(|place| repeated.see(block.session(place))),
                Stretch::Stored(ids) => {
                    let sql = "SELECT session FROM parts WHERE id >= ?1 AND id < ?2";
                    let mut statement = self.connection.prepare_cached(sql)?;
                    let mut rows = statement.query([ids.start, ids.end])?;
                    while let Some(row) = rows.next()? {
                        repeated.see(row.get(0)?);
                    }
                }
            }
            Ok(())
        })?;
        Ok(repeated)
    }
}
