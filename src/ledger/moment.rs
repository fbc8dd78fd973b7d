//! One moment of a ledger, read beside its writer: parts of sessions with their rows, and rows of no session.
//!
//! Parts on disk are a second or so behind the rows; what was committed since is folded in here, in memory, and nothing
//! is written. Rows are found through the chain of their part or, where there is none, through the blocks of their time.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::ops::{ControlFlow, Range};
use std::path::Path;
use std::sync::Arc;

use foldhash::quality::RandomState;
use rusqlite::{Connection, OptionalExtension as _};

use super::fold::{BLOCK_ROWS, stored_mark};
use super::intern::{ATTRIBUTES, NameKind, read_attributes, read_currencies, stored_attributes};
use super::measure::{Measure, Measures};
use super::open::{Error, open_for_reading};
use super::part_hours::{PartHour, PartHours};
use super::row;
use super::session::{PART, read_part, stored_part};
use crate::clock::Deadline;
use crate::record::{Attributes, Currency, Micros, Row};
use crate::session::{DerivedId, Key, Name, Part};

/// Dictionary entries that are remembered; beyond, they are read again.
const MAX_REMEMBERED: usize = 65_536;

/// Sets of attributes that are remembered for the next question to one moment; more are read again.
const MAX_SETS: usize = 8_192;

/// Parts that are held in memory until the others of their sessions have come, four hours counting as one more; beyond, they are
/// read again.
const MAX_WAITING: usize = 65_536;

/// Sets of attributes and their ids.
type Sets = Arc<[(u32, Attributes)]>;

/// What is called with a part and what is known of it by hour.
type Found<'f, E> = &'f mut dyn FnMut(&Part, PartHours<'_>) -> Result<(), E>;

/// A part that waits for the others of its session.
struct Held {
    part: Part,
    hours: Vec<PartHour>,
}

/// Steps of SQLite's machine between two looks at the clock: some tens of microseconds.
const PROGRESS_STEPS: i32 = 2_000;

/// Cuts what a connection has not answered at the deadline: [`Error::TooSlow`].
pub(super) fn watch(connection: &mut Connection, deadline: Deadline) -> Result<(), Error> {
    let Deadline { clock, at } = deadline;
    Ok(connection.progress_handler(PROGRESS_STEPS, Some(move || clock.instant() >= at))?)
}

/// One moment of a ledger. What is committed after the first question is not seen.
#[derive(Debug)]
pub struct Moment {
    pub(super) connection: Connection,
    /// The row that parts and blocks on disk are folded through.
    pub(super) mark: i64,
    /// The last row.
    pub(super) last: i64,
    attributes: RefCell<HashMap<u32, Arc<Attributes>, RandomState>>,
    names: RefCell<HashMap<u32, Arc<str>, RandomState>>,
    /// All sets of attributes, where they are few.
    sets: RefCell<Option<Sets>>,
    /// First and last start of the rows behind the mark.
    unfolded_starts: Cell<Option<(Micros, Micros)>>,
}

impl Moment {
    /// Opens a ledger's folder for reading, for as long as it takes.
    ///
    /// # Errors
    /// There is no ledger, or it cannot be read.
    pub fn open(folder: &Path) -> Result<Moment, Error> {
        Moment::over(open_for_reading(folder)?.0)
    }

    /// The same, but what has not been answered at the deadline is cut: [`Error::TooSlow`].
    ///
    /// While a moment is open, the write-ahead log keeps all that is committed: with a deadline of 10 s that is bounded by
    /// what ten seconds bring, and the log's room is used again after it. A stream for somebody who reads slowly is better
    /// asked for in steps, each with a moment of its own: [`Moment::each_request`] goes on behind an id.
    ///
    /// # Errors
    /// There is no ledger, or it cannot be read.
    pub fn open_until(folder: &Path, deadline: Deadline) -> Result<Moment, Error> {
        let (mut connection, _) = open_for_reading(folder)?;
        watch(&mut connection, deadline)?;
        Moment::over(connection)
    }

    fn over(connection: Connection) -> Result<Moment, Error> {
        connection.set_prepared_statement_cache_capacity(32);
        connection.execute_batch("BEGIN")?;
        let mark = stored_mark(&connection)?;
        let last: i64 = connection.query_row("SELECT coalesce(max(id), 0) FROM requests", [], |row| row.get(0))?;
        Ok(Moment {
            connection,
            mark,
            last,
            attributes: RefCell::default(),
            names: RefCell::default(),
            sets: RefCell::default(),
            unfolded_starts: Cell::default(),
        })
    }

    /// Makes it the present moment, so that the write-ahead log need not keep what was committed since the one before: between
    /// the steps of what takes long.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn renew(&mut self) -> Result<(), Error> {
        self.sets.take();
        self.unfolded_starts.take();
        self.connection.execute_batch("COMMIT; BEGIN")?;
        self.mark = stored_mark(&self.connection)?;
        self.last = self.connection.query_row("SELECT coalesce(max(id), 0) FROM requests", [], |row| row.get(0))?;
        Ok(())
    }

    /// The attributes of an id.
    ///
    /// # Errors
    /// The ledger cannot be read, or has none of that id.
    pub fn attributes(&self, id: u32) -> Result<Arc<Attributes>, Error> {
        if let Some(known) = self.attributes.borrow().get(&id) {
            return Ok(Arc::clone(known));
        }
        let read = Arc::new(read_attributes(&self.connection, id)?);
        let mut known = self.attributes.borrow_mut();
        if known.len() >= MAX_REMEMBERED {
            known.clear();
        }
        known.insert(id, Arc::clone(&read));
        Ok(read)
    }

    /// The text of a dictionary id: a user's pseudonym, a list of tools, a gateway. Empty for 0 and for one that is gone.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn name(&self, id: u32) -> Result<Arc<str>, Error> {
        if id == 0 {
            return Ok(Arc::from(""));
        }
        if let Some(known) = self.names.borrow().get(&id) {
            return Ok(Arc::clone(known));
        }
        let mut statement = self.connection.prepare_cached("SELECT value FROM names WHERE id = ?1")?;
        let read: Option<String> = statement.query_row([id], |row| row.get(0)).optional()?;
        let read: Arc<str> = read.unwrap_or_default().into();
        let mut known = self.names.borrow_mut();
        if known.len() >= MAX_REMEMBERED {
            known.clear();
        }
        known.insert(id, Arc::clone(&read));
        Ok(read)
    }

    /// Reads the pseudonyms of users at once, as many as are remembered: where most of them are asked for.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn remember_users(&self) -> Result<(), Error> {
        let mut statement = self.connection.prepare_cached("SELECT id, value FROM names WHERE kind = ?1 LIMIT ?2")?;
        let mut rows = statement.query((NameKind::User as i64, i64::try_from(MAX_REMEMBERED).unwrap_or(i64::MAX)))?;
        let mut known = self.names.borrow_mut();
        while let Some(row) = rows.next()? {
            if known.len() >= MAX_REMEMBERED {
                break;
            }
            known.insert(row.get(0)?, row.get_ref(1)?.as_str().unwrap_or_default().into());
        }
        Ok(())
    }

    /// The tools of a dictionary id, in the order of their calls.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn tools(&self, id: u32) -> Result<Vec<String>, Error> {
        Ok(serde_json::from_str(&self.name(id)?).unwrap_or_default())
    }

    /// What a session is called, and whether it was derived.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn session_name(&self, session: u32) -> Result<(String, bool), Error> {
        let mut statement = self.connection.prepare_cached("SELECT kind, value FROM names WHERE id = ?1")?;
        let found: Option<(i64, String)> =
            statement.query_row([session], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        Ok(match found {
            Some((kind, value)) if kind == NameKind::DerivedSession as i64 => {
                let id = u128::from_str_radix(&value, 16).unwrap_or_default();
                (Name::Derived(DerivedId(id.to_be_bytes())).text().into_owned(), true)
            }
            Some((_, value)) => (value, false),
            None => (String::new(), false),
        })
    }

    /// The id of a user's pseudonym; `None` where nobody of that pseudonym ever asked.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn user(&self, pseudonym: &str) -> Result<Option<u32>, Error> {
        self.name_id(NameKind::User, pseudonym)
    }

    pub(super) fn name_id(&self, kind: NameKind, value: &str) -> Result<Option<u32>, Error> {
        let mut statement = self.connection.prepare_cached("SELECT id FROM names WHERE kind = ?1 AND value = ?2")?;
        Ok(statement.query_row((kind as i64, value), |row| row.get(0)).optional()?)
    }

    /// Calls `found` with every set of attributes that some request ever had, in the order of their ids.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn each_attributes(&self, mut found: impl FnMut(u32, &Attributes)) -> Result<(), Error> {
        let known = self.sets.borrow().as_ref().map(Arc::clone);
        if let Some(known) = known {
            known.iter().for_each(|(id, attributes)| found(*id, attributes));
            return Ok(());
        }
        let mut statement =
            self.connection.prepare_cached(&format!("SELECT {ATTRIBUTES}, id FROM attributes ORDER BY id"))?;
        let mut rows = statement.query([])?;
        let (mut sets, mut count) = (Vec::new(), 0);
        while let Some(row) = rows.next()? {
            let (id, attributes) = (row.get(9)?, stored_attributes(row)?);
            found(id, &attributes);
            count += 1;
            if count <= MAX_SETS {
                sets.push((id, attributes));
            }
        }
        if count <= MAX_SETS {
            self.sets.replace(Some(sets.into()));
        }
        Ok(())
    }

    /// The currency in which most requests are priced, over the last week that has any.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn usual_currency(&self) -> Result<Option<Currency>, Error> {
        let currencies = read_currencies(&self.connection)?;
        let mut statement = self.connection.prepare_cached(
            "SELECT currency, data FROM rollup_days WHERE currency <> 0 AND day > (SELECT max(day) - 7 FROM rollup_days)",
        )?;
        let mut rows = statement.query([])?;
        let mut requests: BTreeMap<u32, i64> = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let sums = Measures::unpack(row.get_ref(1)?.as_blob().unwrap_or_default())?;
            *requests.entry(row.get(0)?).or_default() += sums.get(Measure::Requests);
        }
        // Of equal ones the one that came up first.
        let usual = requests.iter().max_by_key(|(id, requests)| (**requests, Reverse(**id)));
        let known = usual.and_then(|(usual, _)| currencies.iter().find(|(id, _)| id == usual));
        Ok(known.or(currencies.first()).map(|(_, currency)| *currency))
    }

    /// Calls `found` with the rows behind the mark that start within a span, in log order. While a log is caught up on they are
    /// many, and a question may have many parts: those whose span has none of them do not read them again.
    pub(super) fn each_unfolded_row(
        &self,
        span: Range<Micros>,
        mut found: impl FnMut(&Row) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let starts = self.unfolded_starts.get();
        if starts.is_some_and(|(first, last)| first > last || first >= span.end || last < span.start) {
            return Ok(());
        }
        let (mut first, mut last) = (Micros::MAX, Micros::MIN);
        row::each(&self.connection, self.mark, self.last, |row, _| {
            (first, last) = (first.min(row.start), last.max(row.start));
            if span.contains(&row.start) { found(&row) } else { Ok(()) }
        })?;
        self.unfolded_starts.set(Some((first, last)));
        Ok(())
    }

    /// Parts that hold rows which the parts on disk do not hold yet, as they are with them, by id; of one session or of
    /// all. At most 131,072 rows are looked at.
    pub(super) fn unfolded(&self, only: Option<u32>) -> Result<BTreeMap<i64, Part>, Error> {
        let mut parts: BTreeMap<i64, Part> = BTreeMap::new();
        let wanted = |session: u32, part: i64| part != 0 && only.is_none_or(|only| only == session);
        row::each_wanted(&self.connection, self.mark, self.last, wanted, |row| {
            let known = match parts.entry(row.part) {
                std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
                std::collections::btree_map::Entry::Vacant(new) => {
                    let stored = stored_part(&self.connection, row.part)?;
                    new.insert(match stored {
                        Some(part) => Part { closed: None, ..part },
                        None => {
                            let gateway = self.name_id(NameKind::Gateway, &self.attributes(row.attributes)?.gateway)?;
                            let key = Key { gateway: gateway.unwrap_or(0), session: row.session };
                            Part { id: row.part, ..Part::begin(key, row) }
                        }
                    })
                }
            };
            if known.last_row < row.id {
                let calls = self.tools(row.tools)?.len();
                known.fold(row, u32::try_from(calls).unwrap_or(u32::MAX));
            }
            Ok(())
        })?;
        Ok(parts)
    }

    /// Calls `found` with every part that has time within `[since, until)`. The parts of a session come one after the
    /// other, in the order of their starts; sessions come in no order. What only the writer needs of a part is not told.
    ///
    /// # Errors
    /// The ledger cannot be read, or what `found` fails with.
    pub fn each_part<E: From<Error>>(
        &self,
        since: Micros,
        until: Micros,
        mut found: impl FnMut(&Part) -> Result<(), E>,
    ) -> Result<(), E> {
        self.each_part_with_hours(since, until, false, |part, _| found(part))
    }

    /// The same with what is known of the parts by hour, if that is asked for.
    ///
    /// # Errors
    /// As [`Moment::each_part`].
    pub fn each_part_with_hours<E: From<Error>>(
        &self,
        since: Micros,
        until: Micros,
        with_hours: bool,
        mut found: impl FnMut(&Part, PartHours<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let unfolded = self.unfolded(None)?;
        let mut repeated = self.repeated_sessions(&(since..until))?;
        unfolded.values().for_each(|part| repeated.see(part.key.session));
        let is_within = |part: &Part| part.start < until && part.end >= since;
        // Parts of sessions that may have several wait for the others; of very many only the ids do.
        let mut waiting: Vec<(Key, Micros, i64, Option<Box<Held>>)> = Vec::new();
        let mut room = MAX_WAITING;
        let mut offer = |part: &Part, hours: PartHours<'_>, found: Found<'_, E>| {
            if !is_within(part) {
                return Ok(());
            }
            if !repeated.contains(part.key.session) {
                return found(part, hours);
            }
            let held = (room > 0).then(|| {
                let mut held = Held { part: part.clone(), hours: Vec::new() };
                hours.read(&mut held.hours);
                room = room.saturating_sub(1 + held.hours.len() / 4);
                Box::new(held)
            });
            waiting.push((part.key, part.start, part.id, held));
            Ok(())
        };
        for part in unfolded.values() {
            offer(part, PartHours::NONE, &mut found)?;
        }
        self.each_stored_with_hours(i64::MIN..i64::MAX, &(since..until), with_hours, |part, hours| {
            if !unfolded.is_empty() && unfolded.contains_key(&part.id) {
                return Ok(());
            }
            offer(part, hours, &mut found)
        })?;
        waiting.sort_unstable_by_key(|(key, start, id, _)| (key.session, key.gateway, *start, *id));
        for (_, _, id, held) in waiting {
            let part = match held {
                Some(held) => {
                    found(&held.part, PartHours::of(&held.hours))?;
                    continue;
                }
                None if unfolded.contains_key(&id) => unfolded.get(&id).cloned(),
                None => stored_part(&self.connection, id)?,
            };
            part.as_ref().map_or(Ok(()), |part| found(part, PartHours::NONE))?;
        }
        Ok(())
    }

    /// The parts of all sessions of a name, in any gateway.
    pub(super) fn parts_of_session(&self, session: u32) -> Result<Vec<Part>, Error> {
        let unfolded = self.unfolded(Some(session))?;
        let mut statement = self.connection.prepare_cached("SELECT DISTINCT gateway FROM parts WHERE session = ?1")?;
        let mut gateways: Vec<u32> = statement.query_map([session], |row| row.get(0))?.collect::<Result<_, _>>()?;
        gateways.extend(unfolded.values().map(|part| part.key.gateway));
        gateways.sort_unstable();
        gateways.dedup();
        let mut parts = Vec::new();
        for gateway in gateways {
            parts.extend(self.parts_with(Key { gateway, session }, &unfolded)?);
        }
        Ok(parts)
    }

    /// The parts of a session, ordered by their starts.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn parts_of(&self, key: Key) -> Result<Vec<Part>, Error> {
        self.parts_with(key, &self.unfolded(Some(key.session))?)
    }

    /// Calls `found` with each of some sessions and its parts, ordered by their starts; none where it is gone.
    ///
    /// # Errors
    /// The ledger cannot be read, or what `found` fails with.
    pub fn each_session<E: From<Error>>(
        &self,
        keys: &[Key],
        mut found: impl FnMut(Key, &[Part]) -> Result<(), E>,
    ) -> Result<(), E> {
        let unfolded = self.unfolded(None)?;
        keys.iter().try_for_each(|key| found(*key, &self.parts_with(*key, &unfolded)?))
    }

    /// The same, with parts that were folded before.
    pub(super) fn parts_with(&self, key: Key, unfolded: &BTreeMap<i64, Part>) -> Result<Vec<Part>, Error> {
        let sql = format!("SELECT {PART} FROM parts WHERE session = ?1 AND gateway = ?2");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut rows = statement.query([key.session, key.gateway])?;
        let mut parts = Vec::new();
        while let Some(row) = rows.next()? {
            let stored = read_part(row)?;
            if !unfolded.contains_key(&stored.id) {
                parts.push(stored);
            }
        }
        parts.extend(unfolded.values().filter(|part| part.key == key).cloned());
        parts.sort_by_key(|part| (part.start, part.id));
        Ok(parts)
    }

    /// Calls `found` with the rows of a part and their request ids, from the last to the first, until it breaks. It ends
    /// early where retention has removed the first of them.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn walk(&self, part: &Part, mut found: impl FnMut(Row, String) -> ControlFlow<()>) -> Result<(), Error> {
        row::each_of_part(&self.connection, part, |row, request_id| found(row, request_id.text()))
    }

    /// The same without the request ids.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn walk_rows(&self, part: &Part, mut found: impl FnMut(Row) -> ControlFlow<()>) -> Result<(), Error> {
        row::each_of_part(&self.connection, part, |row, _| found(row))
    }

    /// Ids of rows that retention has removed, in order.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn removed(&self) -> Result<Vec<Range<i64>>, Error> {
        removed(&self.connection, self.mark)
    }

    /// Whether some request belongs to no session. May say so where none does, if retention has cut some part.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn has_rows_of_no_session(&self) -> Result<bool, Error> {
        let rows: i64 = self.connection.query_row("SELECT coalesce(sum(rows), 0) FROM blocks", [], |row| row.get(0))?;
        let mut found = rows != self.requests_of_parts()? || !self.removed()?.is_empty();
        if !found {
            row::each_wanted(
                &self.connection,
                self.mark,
                self.last,
                |_, part| part == 0,
                |_| {
                    found = true;
                    Ok(())
                },
            )?;
        }
        Ok(found)
    }

    /// Calls `found` with every row that starts within `[since, until)` and whose part is `wanted`, in log order; part 0
    /// is that of rows of no session. Blocks of other times are not read.
    ///
    /// # Errors
    /// The ledger cannot be read, or what `found` fails with.
    pub fn each_row<E: From<Error>>(
        &self,
        since: Micros,
        until: Micros,
        wanted: impl Fn(i64) -> bool,
        mut found: impl FnMut(&Row) -> Result<(), E>,
    ) -> Result<(), E> {
        let read = || -> Result<Vec<i64>, Error> {
            let mut statement = self.connection.prepare_cached(
                "SELECT block FROM blocks WHERE first_start < ?1 AND last_start >= ?2 ORDER BY block",
            )?;
            Ok(statement.query_map([until, since], |row| row.get(0))?.collect::<Result<_, _>>()?)
        };
        let folded = read()?.into_iter().map(|block| {
            let first = block * BLOCK_ROWS;
            (first - 1, self.mark.min(first + BLOCK_ROWS - 1))
        });
        let mut failure = None;
        for (after, to) in folded.chain([(self.mark, self.last)]) {
            row::each_wanted(
                &self.connection,
                after,
                to,
                |_, part| wanted(part),
                |row| {
                    if failure.is_none() && (since..until).contains(&row.start) {
                        failure = found(row).err();
                    }
                    Ok(())
                },
            )?;
            if let Some(error) = failure {
                return Err(error);
            }
        }
        Ok(())
    }
}

/// Ids of the rows up to a mark that retention has removed: it removes whole blocks.
pub(super) fn removed(connection: &Connection, mark: i64) -> Result<Vec<Range<i64>>, Error> {
    let mut statement = connection.prepare_cached("SELECT block FROM blocks ORDER BY block")?;
    let mut rows = statement.query([])?;
    let (mut removed, mut next) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let block: i64 = row.get(0)?;
        if block > next {
            removed.push(next * BLOCK_ROWS..block * BLOCK_ROWS);
        }
        next = block + 1;
    }
    if next * BLOCK_ROWS <= mark {
        removed.push(next * BLOCK_ROWS..mark + 1);
    }
    Ok(removed)
}

/// Whether retention has removed some row between a part's first and last one.
#[must_use]
pub fn is_cut(part: &Part, removed: &[Range<i64>]) -> bool {
    removed.iter().any(|range| part.id < range.end && range.start <= part.last_row)
}
