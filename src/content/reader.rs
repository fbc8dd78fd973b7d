//! Captured conversations read beside the writer: pages, searches, single ones and whole threads.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Row};

use super::codec::{Codec, Key};
use super::error::Error;
use super::exchange::Exchange;
use super::partition::Partition;
use super::snippet::snippet;
use super::store::{ANEW, CONTENT_FILE, CUT, ERASED, check_identity, fact, key_fits, redactions};
use super::view::{Conversation, Filter, Hit, Page, Shown};
use super::words::Search;
use crate::clock::Deadline;
use crate::record::Micros;

/// Most turns of one thread that are shown.
pub const MAX_THREAD: usize = 1_000;
/// Most turns that are looked back over.
pub const MAX_CHAIN: usize = 10_000;
/// Conversations that are ranked against each other: beyond, those that came before them follow, ranked among themselves. What
/// ranking of the commonest word costs is bounded by it: a score of a word that stands in each text ten or thirty times takes 10
/// or 20 us.
const WINDOW: usize = 4_096;
/// Steps of SQLite's machine between two looks at the clock.
const PROGRESS_STEPS: i32 = 2_000;

const COLUMNS: &str = "c.row, c.start, c.attributes, c.session, c.user, c.messages, c.earlier, c.logged, c.stored, c.flags, \
     c.redactions, (SELECT p.row FROM conversations p WHERE p.row = c.previous)";

/// One moment of the captured conversations.
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
    codec: Codec,
    is_indexed: bool,
}

/// Where a page goes on: no row after `through`, and behind the first `skipped` of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cursor {
    through: i64,
    skipped: usize,
}

impl Cursor {
    fn read(text: &str) -> Result<Cursor, Error> {
        let (through, skipped) = text.split_once('.').ok_or(Error::Cursor)?;
        let cursor = Cursor {
            through: through.parse().map_err(|_| Error::Cursor)?,
            skipped: skipped.parse().map_err(|_| Error::Cursor)?,
        };
        if cursor.skipped > WINDOW { Err(Error::Cursor) } else { Ok(cursor) }
    }

    fn text(self) -> String {
        format!("{}.{}", self.through, self.skipped)
    }
}

impl Reader {
    /// Opens the content of a data directory; `None` where nothing was ever captured. What has not been answered at the
    /// deadline is cut.
    ///
    /// While a reader is open what is erased meanwhile stands in the write-ahead log: it is to be closed soon.
    ///
    /// # Errors
    /// It cannot be read, or not with this key.
    pub fn open(folder: &Path, key: Option<&Key>, deadline: Option<Deadline>) -> Result<Option<Reader>, Error> {
        let path = folder.join(CONTENT_FILE);
        if !path.exists() {
            return Ok(None);
        }
        let opened = (|| {
            // A reader of a WAL database needs its shared-memory file, so the folder is opened for writing where it may be.
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let mut connection = Connection::open_with_flags(&path, flags).or_else(|_| {
                let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
                Connection::open_with_flags(&path, flags)
            })?;
            connection.busy_timeout(Duration::from_secs(5))?;
            if check_identity(&connection, &path)? == 0 {
                return Ok(None);
            }
            connection.pragma_update(None, "query_only", true)?;
            connection.pragma_update(None, "temp_store", "memory")?;
            connection.set_prepared_statement_cache_capacity(32);
            if let Some(Deadline { clock, at }) = deadline {
                connection.progress_handler(PROGRESS_STEPS, Some(move || clock.instant() >= at))?;
            }
            connection.execute_batch("BEGIN")?;
            let codec = Codec::build(key)?;
            key_fits(&connection, &codec, &path)?;
            let is_indexed = fact::<i64>(&connection, "is_indexed")?.unwrap_or(0) == 1;
            Ok(Some(Reader { connection, codec, is_indexed }))
        })();
        opened.map_err(|error: Error| error.at(&path))
    }

    /// A page of what fits: newest first, or best first where text is searched for. A word that thousands of conversations have
    /// is ranked among the newest of them first, then among those before.
    ///
    /// # Errors
    /// It cannot be read, took too long, has no index, or the cursor is of another list.
    pub fn page(&self, filter: &Filter, limit: usize, cursor: Option<&str>) -> Result<Page, Error> {
        let search = Search::read(&filter.text)?;
        let cursor = match cursor {
            Some(text) => Cursor::read(text)?,
            None => Cursor { through: self.last()?, skipped: 0 },
        };
        let through = cursor.through.min(filter.through.unwrap_or(i64::MAX));
        let (first, last) = self.bounds(filter)?;
        let cursor = Cursor { through: through.min(last), ..cursor };
        self.teach_to_fit(filter)?;
        let (rows, next) = match &search {
            None => self.newest(filter, limit, cursor, first)?,
            Some(_) if !self.is_indexed => return Err(Error::NoIndex),
            Some(search) => self.best(filter, search, limit, cursor, first)?,
        };
        let mut hits = Vec::with_capacity(rows.len());
        for row in rows {
            if let Some((conversation, exchange)) = self.show(row)? {
                hits.push(Hit { conversation, snippet: snippet(&exchange, search.as_ref()) });
            }
        }
        // Where there is no index none is waited for.
        let unindexed = if self.is_indexed { self.unindexed()? } else { 0 };
        Ok(Page { hits, next: next.map(Cursor::text), unindexed })
    }

    fn last(&self) -> Result<i64, Error> {
        let sql = "SELECT coalesce(max(row), 0) FROM conversations";
        Ok(self.connection.query_row(sql, [], |row| row.get(0))?)
    }

    /// Makes the function `fits(attributes, session, user)` of SQL.
    fn teach_to_fit(&self, filter: &Filter) -> Result<(), Error> {
        let set = |ids: &Option<Vec<u32>>| ids.as_ref().map(|ids| ids.iter().copied().collect::<BTreeSet<u32>>());
        let sets = [set(&filter.attributes), set(&filter.sessions), set(&filter.users)];
        self.connection.create_scalar_function("fits", 3, FunctionFlags::SQLITE_DETERMINISTIC, move |context| {
            for (index, set) in sets.iter().enumerate() {
                if let Some(set) = set
                    && !set.contains(&context.get::<u32>(index)?)
                {
                    return Ok(false);
                }
            }
            Ok(true)
        })?;
        Ok(())
    }

    /// The first and the last row that a period or a few sessions have, so that no more of log and index is looked at.
    fn bounds(&self, filter: &Filter) -> Result<(i64, i64), Error> {
        let sessions = few_sessions(filter);
        if sessions.is_empty() && filter.since.is_none() && filter.until.is_none() {
            return Ok((i64::MIN, i64::MAX));
        }
        let (since, until) = period(filter);
        // One index or the other; both would be read for no gain.
        let start = if sessions.is_empty() { "c.start" } else { "+c.start" };
        let sql = format!(
            "SELECT coalesce(min(c.row), 0), coalesce(max(c.row), 0) FROM conversations c
             WHERE {start} >= ?1 AND {start} < ?2{sessions}"
        );
        Ok(self.connection.query_row(&sql, (since, until), |row| Ok((row.get(0)?, row.get(1)?)))?)
    }

    fn newest(
        &self,
        filter: &Filter,
        limit: usize,
        cursor: Cursor,
        first: i64,
    ) -> Result<(Vec<i64>, Option<Cursor>), Error> {
        let sessions = few_sessions(filter);
        // The plus keeps SQLite from sorting all that a period has: rows come in their order until there are enough.
        let sql = format!(
            "SELECT c.row FROM conversations c WHERE c.row <= ?1 AND +c.start >= ?2 AND +c.start < ?3 AND c.flags & {ERASED} = 0
             AND fits(c.attributes, c.session, c.user){sessions} AND c.row >= ?5 ORDER BY c.row DESC LIMIT ?4"
        );
        let mut statement = self.connection.prepare(&sql)?;
        let (since, until) = period(filter);
        let more = i64::try_from(limit.saturating_add(1)).unwrap_or(i64::MAX);
        let rows = statement.query_map((cursor.through, since, until, more, first), |row| row.get(0))?;
        let mut rows: Vec<i64> = rows.collect::<Result<_, _>>()?;
        let next = rows.get(limit).map(|row| Cursor { through: *row, skipped: 0 });
        rows.truncate(limit);
        Ok((rows, next))
    }

    fn best(
        &self,
        filter: &Filter,
        search: &Search,
        limit: usize,
        cursor: Cursor,
        first: i64,
    ) -> Result<(Vec<i64>, Option<Cursor>), Error> {
        let expression = search.expression();
        let (since, until) = period(filter);
        let mut window: Vec<(i64, f64)> = Vec::new();
        for partition in Partition::all(&self.connection)?.iter().rev() {
            if partition.first_row > cursor.through || partition.last_start < since || partition.first_start >= until {
                continue;
            }
            let id = partition.id;
            // The join in this order, so that rows come from the index as they are and only those that fit are ranked.
            let sql = format!(
                "SELECT w.rowid, bm25(words_{id}) FROM words_{id} w CROSS JOIN conversations c ON c.row = w.rowid
                 WHERE w.words_{id} MATCH ?1 AND w.rowid <= ?2 AND c.start >= ?3 AND c.start < ?4
                 AND fits(c.attributes, c.session, c.user) AND w.rowid >= ?6 ORDER BY w.rowid DESC LIMIT ?5"
            );
            let mut statement = self.connection.prepare_cached(&sql)?;
            let room = i64::try_from(WINDOW - window.len()).unwrap_or(0);
            let mut rows = statement.query((&expression, cursor.through, since, until, room, first))?;
            while let Some(row) = rows.next()? {
                window.push((row.get(0)?, row.get(1)?));
            }
            if window.len() >= WINDOW {
                break;
            }
        }
        let is_full = window.len() >= WINDOW;
        let behind = window.last().map_or(0, |(row, _)| row - 1);
        window.sort_by(|(row, score), (other, other_score)| score.total_cmp(other_score).then(other.cmp(row)));
        let end = cursor.skipped.saturating_add(limit);
        let next = if end < window.len() {
            Some(Cursor { skipped: end, ..cursor })
        } else {
            is_full.then_some(Cursor { through: behind, skipped: 0 })
        };
        Ok((window.into_iter().skip(cursor.skipped).take(limit).map(|(row, _)| row).collect(), next))
    }

    /// Conversations that no search finds yet.
    fn unindexed(&self) -> Result<u64, Error> {
        let mut unindexed = 0;
        for partition in Partition::all(&self.connection)? {
            let sql = format!("SELECT count(*) FROM bodies_{} WHERE row > ?1", partition.id);
            unindexed += self.connection.query_row(&sql, [partition.indexed_through], |row| row.get::<_, u64>(0))?;
        }
        Ok(unindexed)
    }

    /// The conversation of a row with its text; `None` where none is kept. An erased one has no text.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn show(&self, row: i64) -> Result<Option<Shown>, Error> {
        let Some(conversation) = self.conversation(row)? else { return Ok(None) };
        if conversation.is_erased {
            return Ok(Some((conversation, Exchange::default())));
        }
        let Some(partition) = Partition::of(&self.connection, row)? else { return Ok(None) };
        let sql = format!("SELECT data FROM bodies_{} WHERE row = ?1", partition.id);
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut bodies = statement.query([row])?;
        let Some(body) = bodies.next()? else { return Ok(None) };
        let exchange = self.codec.open(body.get_ref(0)?.as_blob().unwrap_or_default())?;
        Ok(Some((conversation, exchange)))
    }

    /// The conversation of a row with all that it goes on from, oldest first, at most [`MAX_THREAD`]. Put together their messages
    /// and answers are what the row's request sent, as far as it is still kept, and what its client left off before.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn thread(&self, row: i64) -> Result<Vec<Shown>, Error> {
        back(row, MAX_THREAD, |row| self.show(row), |shown| &shown.0)
    }

    /// The same without text; `None` where they are more than [`MAX_CHAIN`].
    ///
    /// # Errors
    /// It cannot be read.
    pub fn chain(&self, row: i64) -> Result<Option<Vec<Conversation>>, Error> {
        let chain = back(row, MAX_CHAIN + 1, |row| self.conversation(row), |conversation| conversation)?;
        Ok((chain.len() <= MAX_CHAIN).then_some(chain))
    }

    /// The conversation of a row without its text.
    fn conversation(&self, row: i64) -> Result<Option<Conversation>, Error> {
        let sql = format!("SELECT {COLUMNS} FROM conversations c WHERE c.row = ?1");
        Ok(self.connection.prepare_cached(&sql)?.query_row([row], conversation).optional()?)
    }

    /// The conversations of those of these rows that have one.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn bodies(&self, rows: &[i64]) -> Result<BTreeMap<i64, Shown>, Error> {
        let mut bodies = BTreeMap::new();
        for row in rows {
            if let Some(shown) = self.show(*row)? {
                bodies.insert(*row, shown);
            }
        }
        Ok(bodies)
    }

    /// Calls `found` with all conversations that fit, oldest first, until it fails.
    ///
    /// # Errors
    /// It cannot be read or has no index, or what `found` fails with.
    pub fn each<E: From<Error>>(
        &self,
        filter: &Filter,
        mut found: impl FnMut(Shown) -> Result<(), E>,
    ) -> Result<(), E> {
        let search = Search::read(&filter.text)?;
        if search.is_some() && !self.is_indexed {
            return Err(Error::NoIndex.into());
        }
        self.teach_to_fit(filter)?;
        let partitions = Partition::all(&self.connection)?;
        for partition in &partitions {
            // Numbers only: text would be held for as long as somebody takes it.
            for row in self.rows_of(partition, filter, search.as_ref())? {
                if let Some(shown) = self.show(row)? {
                    found(shown)?;
                }
            }
        }
        Ok(())
    }

    /// Rows of a partition that fit, in order.
    fn rows_of(&self, partition: &Partition, filter: &Filter, search: Option<&Search>) -> Result<Vec<i64>, Error> {
        let (id, expression) = (partition.id, search.map(Search::expression));
        let matching = match &expression {
            Some(_) => format!("AND b.row IN (SELECT rowid FROM words_{id} WHERE words_{id} MATCH ?4)"),
            None => "AND ?4 IS NULL".to_owned(),
        };
        let sql = format!(
            "SELECT b.row FROM bodies_{id} b CROSS JOIN conversations c ON c.row = b.row
             WHERE b.row <= ?1 AND c.start >= ?2 AND c.start < ?3 {matching}
             AND fits(c.attributes, c.session, c.user) ORDER BY b.row"
        );
        let (since, until) = period(filter);
        let mut statement = self.connection.prepare(&sql)?;
        let through = filter.through.unwrap_or(i64::MAX);
        let rows = statement.query_map((through, since, until, expression), |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Conversations that go on from this one, of the filter's moment and before its end, but for those that are erased.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn following(&self, row: i64, filter: &Filter) -> Result<Vec<i64>, Error> {
        let mut statement = self.connection.prepare_cached(
            "SELECT row FROM conversations
             WHERE previous = ?1 AND previous <> 0 AND row BETWEEN ?1 + 1 AND ?2 AND start < ?3 AND flags & 2 = 0",
        )?;
        let (through, (_, until)) = (filter.through.unwrap_or(i64::MAX), period(filter));
        let rows = statement.query_map((row, through, until), |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

/// What is read of a row and of all that its conversation goes on from, oldest first: the last ones, where there are more than `most`.
fn back<T>(
    row: i64,
    most: usize,
    read: impl Fn(i64) -> Result<Option<T>, Error>,
    conversation: impl Fn(&T) -> &Conversation,
) -> Result<Vec<T>, Error> {
    let mut turns = Vec::new();
    let mut next = Some(row);
    while let Some(row) = next.filter(|_| turns.len() < most) {
        let Some(turn) = read(row)? else { break };
        next = conversation(&turn).previous.filter(|previous| *previous < row);
        turns.push(turn);
    }
    turns.reverse();
    Ok(turns)
}

/// A condition for a few sessions, which are looked up; anything else is looked for. Numbers only, so that no text gets into it.
fn few_sessions(filter: &Filter) -> String {
    match &filter.sessions {
        Some(ids) if ids.len() <= 64 => {
            let ids: Vec<String> = ids.iter().map(u32::to_string).collect();
            format!(" AND c.session IN ({})", ids.join(","))
        }
        _ => String::new(),
    }
}

fn period(filter: &Filter) -> (Micros, Micros) {
    (filter.since.unwrap_or(Micros::MIN), filter.until.unwrap_or(Micros::MAX))
}

fn conversation(row: &Row<'_>) -> rusqlite::Result<Conversation> {
    let flags: i64 = row.get(9)?;
    let is_erased = flags & ERASED != 0;
    let redacted: u64 = redactions(row.get_ref(10)?.as_str().unwrap_or_default()).values().sum();
    Ok(Conversation {
        row: row.get(0)?,
        start: row.get(1)?,
        attributes: row.get(2)?,
        session: row.get(3)?,
        user: row.get(4)?,
        messages: row.get(5)?,
        earlier: row.get(6)?,
        previous: row.get(11)?,
        logged_bytes: row.get(7)?,
        stored_bytes: if is_erased { 0 } else { row.get(8)? },
        is_anew: flags & ANEW != 0,
        is_cut: flags & CUT != 0,
        redactions: u32::try_from(redacted).unwrap_or(u32::MAX),
        is_erased,
    })
}
