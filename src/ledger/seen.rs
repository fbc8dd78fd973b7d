//! When requests of a group were first and last seen, and how many sessions touch it.

use std::collections::HashSet;

use foldhash::quality::RandomState;
use hashbrown::HashMap;

use super::columns::{Block, Column};
use super::fold::{BLOCK_ROWS, day};
use super::moment::Moment;
use super::open::Error;
use super::row;
use super::sums::day_begins;
use crate::record::{Attributes, Micros};
use crate::session::{Key, Part};

/// First and last start of a request.
pub type Seen = HashMap<u32, (Micros, Micros), RandomState>;

impl Moment {
    /// First and last start of the requests of each group; `group` gives a set of attributes its number. To the microsecond
    /// where the rows are kept; where they are gone, the first moment of the day in which they were.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn seen(&self, mut group: impl FnMut(&Attributes) -> u32) -> Result<Seen, Error> {
        let groups = self.groups(&mut group)?;
        let of = |attributes: u32| groups.get(attributes as usize).copied().flatten();
        let mut seen = Seen::default();
        let tail = self.tail_block();
        let mut kept = Micros::MAX;
        row::each(&self.connection, tail * BLOCK_ROWS - 1, self.last, |row, _| {
            kept = kept.min(row.start);
            note_in(&mut seen, of(row.attributes), row.start);
            Ok(())
        })?;
        let mut blocks: Vec<(i64, Micros, Micros, bool)> = {
            let mut statement = self.connection.prepare_cached(
                "SELECT block, first_start, last_start, EXISTS (SELECT 1 FROM columns WHERE id = block * 32)
                 FROM blocks WHERE block < ?1",
            )?;
            let blocks = statement.query_map([tail], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
            blocks.collect::<Result<_, _>>()?
        };
        let kept = blocks.iter().map(|(_, first, ..)| *first).min().unwrap_or(kept).min(kept);
        // From both ends: a block is read only where one of its groups may have been seen sooner or later than is known.
        for latest in [true, false] {
            blocks.sort_unstable_by_key(|(_, first, last, _)| if latest { !*last } else { *first });
            for (number, first, last, full) in &blocks {
                let block = Block::new(&self.connection, *number);
                if !full {
                    row::each(&self.connection, number * BLOCK_ROWS - 1, (number + 1) * BLOCK_ROWS - 1, |row, _| {
                        note_in(&mut seen, of(row.attributes), row.start);
                        Ok(())
                    })?;
                    continue;
                }
                let ids = block.list(Column::AttributeIds)?;
                let news = |id: &u32| {
                    of(*id).is_some_and(|group| {
                        seen.get(&group).is_none_or(
                            |(known_first, known_last)| {
                                if latest { known_last < last } else { known_first > first }
                            },
                        )
                    })
                };
                let wanted: Vec<bool> = ids.iter().map(news).collect();
                if !wanted.contains(&true) {
                    continue;
                }
                let (attributes, starts) = (block.column(Column::Attributes)?, block.column(Column::Start)?);
                for place in 0..block.rows() {
                    let at = usize::try_from(attributes.get(place)).unwrap_or(usize::MAX);
                    if wanted.get(at).is_some_and(|wanted| *wanted) {
                        note_in(&mut seen, ids.get(at).and_then(|id| of(*id)), starts.get(place));
                    }
                }
            }
        }
        // Rollups remember what was seen before the kept rows.
        let zone = self.rollup_zone()?;
        let kept = day(kept.div_euclid(1_000_000), &zone);
        let mut statement = self.connection.prepare_cached(
            "SELECT attributes, min(day), max(day) FROM rollup_days WHERE day < ?1 GROUP BY attributes",
        )?;
        let mut rows = statement.query([kept])?;
        while let Some(row) = rows.next()? {
            let Some(group) = of(row.get(0)?) else { continue };
            for day in [row.get(1)?, row.get(2)?] {
                note_in(&mut seen, Some(group), day_begins(day, &zone));
            }
        }
        Ok(seen)
    }

    /// How many sessions have time within `[since, until)` and a request of each group. A session that holds more sets of
    /// attributes than its parts remember may be left out of some.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn session_counts(
        &self,
        since: Micros,
        until: Micros,
        mut group: impl FnMut(&Attributes) -> u32,
    ) -> Result<HashMap<u32, u64, RandomState>, Error> {
        let groups = self.groups(&mut group)?;
        let unfolded = self.unfolded(None)?;
        let mut repeated = self.repeated_sessions(&(since..until))?;
        unfolded.values().for_each(|part| repeated.see(part.key.session));
        let mut counts: HashMap<u32, u64, RandomState> = HashMap::default();
        // Of sessions that may have several parts.
        let mut touched: HashSet<(Key, u32), RandomState> = HashSet::default();
        let mut own: Vec<u32> = Vec::new();
        let mut touch = |part: &Part| {
            if part.start >= until || part.end < since {
                return;
            }
            let of = |id: &u32| groups.get(*id as usize).copied().flatten();
            if repeated.contains(part.key.session) {
                touched.extend(part.attributes.iter().filter_map(of).map(|group| (part.key, group)));
                return;
            }
            own.clear();
            for group in part.attributes.iter().filter_map(of) {
                if !own.contains(&group) {
                    own.push(group);
                    *counts.entry(group).or_default() += 1;
                }
            }
        };
        unfolded.values().for_each(&mut touch);
        self.each_stored_part(i64::MIN..i64::MAX, &(since..until), |part| -> Result<(), Error> {
            if unfolded.is_empty() || !unfolded.contains_key(&part.id) {
                touch(part);
            }
            Ok(())
        })?;
        for (_, group) in touched {
            *counts.entry(group).or_default() += 1;
        }
        Ok(counts)
    }

    /// The group of each set of attributes, by its id.
    fn groups(&self, group: &mut impl FnMut(&Attributes) -> u32) -> Result<Vec<Option<u32>>, Error> {
        let mut groups = Vec::new();
        self.each_attributes(|id, attributes| {
            let place = id as usize;
            if groups.len() <= place {
                groups.resize(place + 1, None);
            }
            if let Some(slot) = groups.get_mut(place) {
                *slot = Some(group(attributes));
            }
        })?;
        Ok(groups)
    }
}

fn note_in(seen: &mut Seen, group: Option<u32>, start: Micros) {
    if let Some(group) = group {
        let (first, last) = seen.entry(group).or_insert((start, start));
        (*first, *last) = ((*first).min(start), (*last).max(start));
    }
}
