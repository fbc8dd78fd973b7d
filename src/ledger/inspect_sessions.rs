//! Whether parts of sessions say what their rows say, and whether the chains of rows lead through exactly those.
//!
//! Rows are read once, in their order. A part is held from its first row to its last, so that memory follows the number
//! of sessions at one time, not in all.

use std::collections::HashMap;

use foldhash::quality::RandomState;
use rusqlite::{Connection, OptionalExtension as _};

use super::fold::stored_mark;
use super::inspect::{Finding, finding};
use super::moment::{is_cut, removed};
use super::open::Error;
use super::row;
use super::session::stored_part;

use crate::session::{Costs, Part};

/// Problems that are spelt out; the rest is counted.
const MOST_NAMED: usize = 5;

/// A part while its rows go by.
struct Passing {
    stored: Part,
    /// What the rows so far add up to.
    sums: Part,
}

pub(super) fn sessions(connection: &Connection) -> Result<Finding, Error> {
    let mark = stored_mark(connection)?;
    let mut passing: HashMap<i64, Passing, RandomState> = HashMap::default();
    let mut problems = Problems::default();
    let removed = removed(connection, mark)?;
    let mut agreeing = 0_u64;
    row::each(connection, i64::MIN, mark, |row, _| {
        if row.part == 0 {
            return Ok(());
        }
        if row.part == row.id {
            match stored_part(connection, row.part)? {
                Some(stored) if is_cut(&stored, &removed) => {}
                Some(stored) => {
                    let sums = Part::begin(stored.key, &row);
                    passing.insert(row.id, Passing { stored, sums });
                }
                None => problems.add(|| format!("part {} is missing", row.part)),
            }
        }
        let Some(known) = passing.get_mut(&row.part) else {
            // Retention has removed some of its part, or its part ended before it, which must not be.
            let last = last_row(connection, row.part)?;
            if last.is_some_and(|last| last < row.id) {
                problems.add(|| format!("row {} is behind the last row of its part {}", row.id, row.part));
            }
            return Ok(());
        };
        if row.previous != known.sums.last_row {
            let last = known.sums.last_row;
            problems.add(|| format!("row {} names {} as the one before it, which is {last}", row.id, row.previous));
        }
        known.sums.fold(&row, 0);
        if row.id >= known.stored.last_row
            && let Some(done) = passing.remove(&row.part)
        {
            match difference(&done) {
                None => agreeing += 1,
                Some(what) => problems.add(|| format!("part {}: {what}", row.part)),
            }
        }
        Ok(())
    })?;
    for part in passing.keys() {
        problems.add(|| format!("part {part} names a last row that is not among its rows"));
    }
    // Every other part has passed by now, under its first row.
    let mut whole = 0_u64;
    let mut statement = connection.prepare("SELECT id, last_row FROM parts")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let part = Part { id: row.get(0)?, last_row: row.get(1)?, ..Part::default() };
        whole += u64::from(!is_cut(&part, &removed));
    }
    if problems.count == 0 && whole != agreeing {
        problems.add(|| format!("{whole} parts should have all their rows, and {agreeing} have them"));
    }
    Ok(finding("sessions = rows", &problems.texts(), format!("{agreeing} parts agree, their chains are whole")))
}

fn last_row(connection: &Connection, part: i64) -> Result<Option<i64>, Error> {
    let mut statement = connection.prepare_cached("SELECT last_row FROM parts WHERE id = ?1")?;
    Ok(statement.query_row([part], |row| row.get(0)).optional()?)
}

/// What a part says otherwise than its rows.
fn difference(Passing { stored, sums }: &Passing) -> Option<String> {
    let numbers = |part: &Part| {
        let Part { requests, turns, errors, usage_missing, unpriced, .. } = part;
        [*requests, *turns, *errors, *usage_missing, *unpriced]
    };
    if numbers(stored) != numbers(sums) {
        return Some(format!(
            "[requests, turns, errors, usage missing, unpriced] {:?}, its rows {:?}",
            numbers(stored),
            numbers(sums)
        ));
    }
    if stored.tokens != sums.tokens {
        return Some(format!("{:?}, its rows {:?}", stored.tokens, sums.tokens));
    }
    if (stored.start, stored.end) != (sums.start, sums.end) {
        return Some(format!("from {} to {}, its rows from {} to {}", stored.start, stored.end, sums.start, sums.end));
    }
    if stored.last_row != sums.last_row {
        return Some(format!("its last row is {}, the last that names it {}", stored.last_row, sums.last_row));
    }
    let (have, want) = (amounts(&stored.costs), amounts(&sums.costs));
    (have != want).then(|| format!("cost {have:?}, its rows {want:?}"))
}

fn amounts(costs: &Costs) -> Vec<(crate::record::Currency, i128)> {
    let mut amounts: Vec<_> = costs.0.iter().filter(|(_, nanos)| *nanos != 0).copied().collect();
    amounts.sort_unstable();
    amounts
}

/// Problems, of which the first are spelt out.
#[derive(Default)]
pub(super) struct Problems {
    named: Vec<String>,
    count: usize,
}

impl Problems {
    pub(super) fn add(&mut self, text: impl FnOnce() -> String) {
        self.count += 1;
        if self.named.len() < MOST_NAMED {
            self.named.push(text());
        }
    }

    pub(super) fn texts(self) -> Vec<String> {
        let more = self.count - self.named.len();
        let rest = (more > 0).then(|| format!("and {more} more"));
        self.named.into_iter().chain(rest).collect()
    }
}
