//! Committed rows and closings in order, with the text that their ids stand for: what sinks read beside the writer.

use std::path::Path;
use std::sync::Arc;

use foldhash::quality::RandomState;
use hashbrown::HashMap;
use rusqlite::{Connection, OptionalExtension as _};

use super::intern::{NameKind, read_attributes};
use super::open::{Error, open_for_reading};
use super::row;
use super::session::{read_closure, stored_part};
use super::sink::SinkPosition;
use crate::record::{Attributes, Micros, Row, Tokens};
use crate::session::{Closure, Costs, DerivedId, Name, Part};

/// Entries of a memory; beyond, it starts anew.
const MAX_REMEMBERED: usize = 16_384;

/// A session's name as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionName {
    /// The log's own.
    Logged(Arc<str>),
    /// Found by comparing requests.
    Derived(DerivedId),
}

impl SessionName {
    /// The name, to be shown or hashed.
    #[must_use]
    pub fn name(&self) -> Name<'_> {
        match self {
            SessionName::Logged(text) => Name::Logged(text),
            SessionName::Derived(id) => Name::Derived(*id),
        }
    }
}

/// A committed request with its text.
#[derive(Clone, Debug)]
pub struct Request {
    /// The row.
    pub row: Row,
    /// Origin and dimensions.
    pub attributes: Arc<Attributes>,
    /// Pseudonym of the user; empty where there is none.
    pub user: Arc<str>,
    /// Its session.
    pub session: Option<SessionName>,
    /// Key of the first row of its part of the session.
    pub first_key: [u8; 16],
    /// Tools called, in order.
    pub tools: Arc<[String]>,
}

/// A closed part of a session with its text, as it was when it closed.
#[derive(Clone, Debug)]
pub struct ClosedPart {
    /// Its closing.
    pub closure: Closure,
    /// Key of its first row.
    pub first_key: [u8; 16],
    /// The session.
    pub session: SessionName,
    /// Attributes of its first row.
    pub attributes: Arc<Attributes>,
    /// Pseudonym of the user; empty where there is none.
    pub user: Arc<str>,
    /// Place of the part in its session, from 1.
    pub number: u32,
    /// Sums by window, in the windows' order.
    pub windows: Vec<Window>,
}

/// What a part did within one window of time.
#[derive(Clone, Debug, Default)]
pub struct Window {
    /// Start of the window.
    pub from: Micros,
    /// First start of a request.
    pub start: Micros,
    /// Last end of a request.
    pub end: Micros,
    /// Requests.
    pub requests: u64,
    /// Requests that begin a new question.
    pub turns: u64,
    /// Failed requests.
    pub errors: u64,
    /// Calls of tools.
    pub tool_calls: u64,
    /// Sums of tokens.
    pub tokens: Tokens,
    /// Sums of cost.
    pub costs: Costs,
    /// Models, each once.
    pub models: Vec<String>,
}

/// What a cursor has read.
#[derive(Clone, Debug, Default)]
pub struct Entries {
    /// Requests in order.
    pub requests: Vec<Request>,
    /// Closed parts in order; all their requests came before.
    pub closed: Vec<ClosedPart>,
    /// Rows between the last position and these that were removed meanwhile.
    pub expired: u64,
    /// The position behind them; `None` where nothing is new.
    pub position: Option<SinkPosition>,
}

/// Whether a ledger knows a sink of that name.
///
/// # Errors
/// There is no ledger, or it cannot be read.
pub fn knows_sink(folder: &Path, name: &str) -> Result<bool, Error> {
    let (connection, _) = open_for_reading(folder)?;
    Ok(connection.query_row("SELECT EXISTS (SELECT 1 FROM sinks WHERE name = ?1)", [name], |row| row.get(0))?)
}

/// Reads committed rows and closings beside the writer.
#[derive(Debug)]
pub struct Cursor {
    connection: Connection,
    attributes: HashMap<u32, Arc<Attributes>, RandomState>,
    names: HashMap<u32, (i64, Arc<str>), RandomState>,
    tools: HashMap<u32, Arc<[String]>, RandomState>,
    first_keys: HashMap<i64, [u8; 16], RandomState>,
}

impl Cursor {
    /// Opens a ledger's folder for reading.
    ///
    /// # Errors
    /// There is no ledger, or it cannot be read.
    pub fn open(folder: &Path) -> Result<Cursor, Error> {
        Ok(Cursor {
            connection: open_for_reading(folder)?.0,
            attributes: HashMap::default(),
            names: HashMap::default(),
            tools: HashMap::default(),
            first_keys: HashMap::default(),
        })
    }

    /// At most `limit` requests behind a position, and, where `window` is given, the parts that have closed with sums by
    /// windows of so many microseconds.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn next(&mut self, after: SinkPosition, limit: usize, window: Option<Micros>) -> Result<Entries, Error> {
        // One moment of the ledger, so that a closing is never seen before its rows.
        self.connection.execute_batch("BEGIN")?;
        let read = self.read(after, limit, window);
        self.connection.execute_batch("COMMIT")?;
        read
    }

    fn read(&mut self, after: SinkPosition, limit: usize, window: Option<Micros>) -> Result<Entries, Error> {
        let mut rows = Vec::with_capacity(limit);
        {
            let mut statement =
                self.connection.prepare_cached("SELECT id, data FROM requests WHERE id > ?1 ORDER BY id LIMIT ?2")?;
            let mut found = statement.query((after.row, limit))?;
            while let Some(stored) = found.next()? {
                let id = stored.get(0)?;
                rows.push(row::decode_stored(id, stored.get_ref(1)?.as_blob().unwrap_or_default())?.0);
            }
        }
        let mut entries = Entries::default();
        let mut position = after;
        if let Some(first) = rows.first() {
            entries.expired = u64::try_from(first.id - after.row - 1).unwrap_or(0);
        }
        for row in rows {
            position.row = row.id;
            let request = self.request(row)?;
            entries.requests.push(request);
        }
        // A part's span comes when all its requests have come.
        let is_all = entries.requests.len() < limit;
        for (id, closure) in self.closures(after.closure, limit)? {
            if !is_all && closure.last_row > position.row {
                break;
            }
            position.closure = id;
            if let Some(window) = window.filter(|_| closure.last_row > after.since) {
                entries.closed.extend(self.closed_part(closure, window)?);
            }
        }
        entries.position = (position != after).then_some(position);
        Ok(entries)
    }

    fn closures(&self, after: i64, limit: usize) -> Result<Vec<(i64, Closure)>, Error> {
        let mut statement = self.connection.prepare_cached(
            "SELECT part, gateway, session, revision, reason, last_row, attributes, start, end, turns, added, id
             FROM closures WHERE id > ?1 ORDER BY id LIMIT ?2",
        )?;
        let mut rows = statement.query((after, limit))?;
        let mut closures = Vec::new();
        while let Some(row) = rows.next()? {
            closures.push((row.get(11)?, read_closure(row)?));
        }
        Ok(closures)
    }

    fn request(&mut self, row: Row) -> Result<Request, Error> {
        Ok(Request {
            attributes: self.attributes(row.attributes)?,
            user: self.name(row.user)?.1,
            session: self.session(row.session)?,
            first_key: self.first_key(&row)?,
            tools: self.tools(row.tools)?,
            row,
        })
    }

    fn attributes(&mut self, id: u32) -> Result<Arc<Attributes>, Error> {
        if let Some(attributes) = self.attributes.get(&id) {
            return Ok(Arc::clone(attributes));
        }
        let attributes = Arc::new(read_attributes(&self.connection, id)?);
        remember(&mut self.attributes, id, Arc::clone(&attributes));
        Ok(attributes)
    }

    fn name(&mut self, id: u32) -> Result<(i64, Arc<str>), Error> {
        if id == 0 {
            return Ok((0, Arc::from("")));
        }
        if let Some(name) = self.names.get(&id) {
            return Ok(name.clone());
        }
        let found: Option<(i64, String)> = self
            .connection
            .prepare_cached("SELECT kind, value FROM names WHERE id = ?1")?
            .query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let (kind, value) = found.unwrap_or_default();
        let name = (kind, Arc::from(value));
        remember(&mut self.names, id, name.clone());
        Ok(name)
    }

    fn session(&mut self, id: u32) -> Result<Option<SessionName>, Error> {
        if id == 0 {
            return Ok(None);
        }
        let (kind, text) = self.name(id)?;
        if kind != NameKind::DerivedSession as i64 {
            return Ok(Some(SessionName::Logged(text)));
        }
        let id = u128::from_str_radix(&text, 16).map_err(|_| Error::Stored(format!("derived session {text:?}")))?;
        Ok(Some(SessionName::Derived(DerivedId(id.to_be_bytes()))))
    }

    fn tools(&mut self, id: u32) -> Result<Arc<[String]>, Error> {
        if id == 0 {
            return Ok(Arc::default());
        }
        if let Some(tools) = self.tools.get(&id) {
            return Ok(Arc::clone(tools));
        }
        let tools: Arc<[String]> = serde_json::from_str::<Vec<String>>(&self.name(id)?.1).unwrap_or_default().into();
        remember(&mut self.tools, id, Arc::clone(&tools));
        Ok(tools)
    }

    /// Key of the first row of a row's part; the row's own where it has none.
    fn first_key(&mut self, row: &Row) -> Result<[u8; 16], Error> {
        if row.part == 0 || row.part == row.id {
            return Ok(row.key);
        }
        if let Some(key) = self.first_keys.get(&row.part) {
            return Ok(*key);
        }
        // The part itself may not be written yet, and the first row may be gone.
        let key = match row::read(&self.connection, row.part, |row, _| row)? {
            Some(first) => first.key,
            None => stored_part(&self.connection, row.part)?.map_or(row.key, |part| part.first_key),
        };
        remember(&mut self.first_keys, row.part, key);
        Ok(key)
    }

    fn closed_part(&mut self, closure: Closure, window: Micros) -> Result<Option<ClosedPart>, Error> {
        // Retention may have removed it meanwhile.
        let Some(part) = stored_part(&self.connection, closure.part)? else { return Ok(None) };
        let Some(session) = self.session(closure.key.session)? else { return Ok(None) };
        let number: u32 = self
            .connection
            .prepare_cached(
                "SELECT count(*) FROM parts WHERE session = ?1 AND gateway = ?2 AND (start < ?3 OR (start = ?3 AND id <= ?4))",
            )?
            .query_row((closure.key.session, closure.key.gateway, part.start, part.id), |row| row.get(0))?;
        Ok(Some(ClosedPart {
            first_key: part.first_key,
            session,
            attributes: self.attributes(closure.attributes)?,
            user: self.name(part.user)?.1,
            number,
            windows: self.windows(&part, &closure, window)?,
            closure,
        }))
    }

    fn windows(&mut self, part: &Part, closure: &Closure, window: Micros) -> Result<Vec<Window>, Error> {
        let from = crate::session::id::window_start(part.start, window);
        let is_one = from == crate::session::id::window_start(part.last_start, window);
        if is_one && part.last_row == closure.last_row && !part.more_attributes {
            let mut models = Vec::new();
            for id in &part.attributes {
                add_once(&mut models, &self.attributes(*id)?.model);
            }
            return Ok(vec![Window {
                from,
                start: part.start,
                end: part.end,
                requests: part.requests,
                turns: part.turns,
                errors: part.errors,
                tool_calls: part.tool_calls,
                tokens: part.tokens,
                costs: part.costs.clone(),
                models,
            }]);
        }
        // The part lies in several windows, or has gone on since: its rows say how it was.
        let mut rows = Vec::new();
        let mut next = closure.last_row;
        while next != 0
            && let Some(row) = row::read(&self.connection, next, |row, _| row)?
        {
            next = row.previous;
            rows.push(row);
        }
        let mut windows: Vec<Window> = Vec::new();
        let mut last_round = 0;
        for row in rows.into_iter().rev() {
            let from = crate::session::id::window_start(row.start, window);
            let at = windows.iter().position(|known| known.from == from).unwrap_or_else(|| {
                windows.push(Window { from, start: row.start, end: row.start, ..Window::default() });
                windows.len() - 1
            });
            let calls = self.tools(row.tools)?.len();
            let attributes = self.attributes(row.attributes)?;
            let Some(sum) = windows.get_mut(at) else { continue };
            sum.start = sum.start.min(row.start);
            sum.end = sum.end.max(row.start.saturating_add(row.duration.unwrap_or(0).max(0)));
            sum.requests += 1;
            sum.turns += u64::from(row.chat_round == 0 || row.chat_round != last_round);
            last_round = row.chat_round;
            sum.errors += u64::from(row.outcome.error().is_some());
            sum.tool_calls += u64::try_from(calls).unwrap_or(0);
            sum.tokens.add(&row.tokens);
            if let Some(cost) = row.cost {
                sum.costs.add(cost.currency, i128::from(cost.nanos));
            }
            add_once(&mut sum.models, &attributes.model);
        }
        windows.sort_by_key(|window| window.from);
        Ok(windows)
    }
}

fn add_once(models: &mut Vec<String>, model: &str) {
    if !model.is_empty() && !models.iter().any(|known| known == model) {
        models.push(model.to_owned());
    }
}

fn remember<K: std::hash::Hash + Eq, V>(memory: &mut HashMap<K, V, RandomState>, key: K, value: V) {
    if memory.len() >= MAX_REMEMBERED {
        memory.clear();
    }
    memory.insert(key, value);
}
