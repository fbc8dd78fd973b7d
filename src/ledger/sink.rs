//! Sinks on disk: how far each has come, and what became of its spans.
//!
//! A sink is a cursor over committed rows and closings. Its position and its counts move in one transaction, by the one
//! writer, so that what a scrape has shown of them is on disk.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension as _, Row as Stored};

use super::open::{Error, Ledger};

/// How far a sink has come. Ordered as rows and closings are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SinkPosition {
    /// The last row that it has, or that it does not want.
    pub row: i64,
    /// The last closing of a part of a session.
    pub closure: i64,
    /// The row behind which it began: parts of sessions that ended before are not its.
    pub since: i64,
}

/// What became of a sink's spans since it was added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SinkCounts {
    /// Spans that the receiver has.
    pub exported: u64,
    /// Spans that it did not want.
    pub rejected: u64,
    /// Rows that were removed before they could be sent.
    pub expired: u64,
    /// Requests that failed, by reason in the order that the sink gives them.
    pub failed: Vec<u64>,
}

impl SinkCounts {
    /// Adds another's counts.
    pub fn add(&mut self, other: &SinkCounts) {
        self.exported += other.exported;
        self.rejected += other.rejected;
        self.expired += other.expired;
        if self.failed.len() < other.failed.len() {
            self.failed.resize(other.failed.len(), 0);
        }
        self.failed.iter_mut().zip(&other.failed).for_each(|(sum, count)| *sum += count);
    }
}

/// A sink as the ledger knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SinkState {
    /// How far it has come.
    pub position: SinkPosition,
    /// What became of its spans.
    pub counts: SinkCounts,
    /// Rows and closings behind its position: about as many spans wait.
    pub pending: u64,
}

/// Where a sink begins that the ledger does not know yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SinkStart {
    /// Behind everything that is committed.
    Now,
    /// With the oldest row.
    Oldest,
}

/// The sinks that are in use.
#[derive(Debug, Default)]
pub(super) struct Sinks(BTreeMap<String, SinkState>);

impl Sinks {
    /// The row up to which all sinks have come; the greatest number where there is none.
    pub(super) fn last_row(&self) -> i64 {
        self.0.values().map(|state| state.position.row).min().unwrap_or(i64::MAX)
    }

    /// The closing up to which all sinks have come.
    pub(super) fn last_closure(&self) -> i64 {
        self.0.values().map(|state| state.position.closure).min().unwrap_or(i64::MAX)
    }
}

impl Ledger {
    /// Puts a sink in use, and adds it where it is new. Returns its position.
    ///
    /// # Errors
    /// The ledger cannot be read or written.
    pub fn use_sink(&mut self, name: &str, start: SinkStart) -> Result<SinkPosition, Error> {
        let state = match read(&self.connection, name)? {
            Some(state) => state,
            None => {
                let position = match start {
                    SinkStart::Now => {
                        let row = self.next_row - 1;
                        SinkPosition { row, closure: self.session_fold.last_closure(), since: row }
                    }
                    SinkStart::Oldest => SinkPosition::default(),
                };
                let state = SinkState { position, ..SinkState::default() };
                write(&self.connection, name, &state)?;
                state
            }
        };
        let position = state.position;
        self.sinks.0.insert(name.to_owned(), state);
        Ok(position)
    }

    /// Takes a sink out of use: nothing waits for it any more. What is known of it is kept.
    pub fn leave_sink(&mut self, name: &str) {
        self.sinks.0.remove(name);
    }

    /// Moves a sink and adds to its counts.
    ///
    /// # Errors
    /// The ledger cannot be written; nothing was moved or added.
    pub fn move_sink(&mut self, name: &str, position: Option<SinkPosition>, counts: &SinkCounts) -> Result<(), Error> {
        let Some(state) = self.sinks.0.get(name) else { return Ok(()) };
        let mut moved = state.clone();
        moved.position = position.unwrap_or(moved.position);
        moved.counts.add(counts);
        write(&self.connection, name, &moved)?;
        self.sinks.0.insert(name.to_owned(), moved);
        Ok(())
    }

    /// The sinks in use.
    #[must_use]
    pub fn sinks(&self) -> BTreeMap<String, SinkState> {
        let (last_row, last_closure) = (self.next_row - 1, self.session_fold.last_closure());
        let pending = |state: &SinkState| {
            let rows = last_row.saturating_sub(state.position.row).max(0);
            rows.saturating_add(last_closure.saturating_sub(state.position.closure).max(0))
        };
        let with_pending =
            |state: &SinkState| SinkState { pending: u64::try_from(pending(state)).unwrap_or(0), ..state.clone() };
        self.sinks.0.iter().map(|(name, state)| (name.clone(), with_pending(state))).collect()
    }
}

fn read(connection: &Connection, name: &str) -> Result<Option<SinkState>, Error> {
    let state = |row: &Stored<'_>| {
        let count =
            |index: usize| -> rusqlite::Result<u64> { Ok(u64::try_from(row.get::<_, i64>(index)?).unwrap_or(0)) };
        let failed: String = row.get(5)?;
        Ok(SinkState {
            position: SinkPosition { row: row.get(0)?, closure: row.get(1)?, since: row.get(6)? },
            counts: SinkCounts {
                exported: count(2)?,
                rejected: count(3)?,
                expired: count(4)?,
                failed: serde_json::from_str(&failed).unwrap_or_default(),
            },
            pending: 0,
        })
    };
    let mut statement = connection
        .prepare_cached("SELECT row, closure, exported, rejected, expired, failed, since FROM sinks WHERE name = ?1")?;
    Ok(statement.query_row([name], state).optional()?)
}

fn write(connection: &Connection, name: &str, state: &SinkState) -> Result<(), Error> {
    let SinkState { position, counts, pending: _ } = state;
    let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO sinks (name, row, closure, exported, rejected, expired, failed, since)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute((
            name,
            position.row,
            position.closure,
            count(counts.exported),
            count(counts.rejected),
            count(counts.expired),
            serde_json::to_string(&counts.failed).unwrap_or_default(),
            position.since,
        ))?;
    Ok(())
}
