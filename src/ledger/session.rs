//! Sessions on disk: parts, their closings, and the derived sessions that a request may still join.
//!
//! A row's part is found before the row is written ([`Ledger::prepare`]), so that rows are chained for good. Parts are a
//! fold over rows, written with the others. Closings are appended in the transaction that writes their parts as closed,
//! and only then counted, from their own table: what a scrape has shown of them is on disk.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use rusqlite::{Connection, OptionalExtension as _, Row as Stored};

use super::batch::{Batch, Entry};
use super::intern::NameKind;
use super::open::{Error, Ledger};
use super::part_columns::{block_of, unpack};
use crate::meter::{Ended, Meter};
use crate::record::{Anomaly, Currency, Micros, Row, Tokens};
use crate::session::{
    Asked, Closure, Conversation, Costs, Derived, DerivedId, Group, Key, LATENESS, LastMessages, MAX_SPAN, Messages,
    Name, Part, Reason, Sessions, Stored as Around,
};
use crate::wording::hex;

/// Most parts of a session that one late line is compared with.
const MAX_AROUND: usize = 256;

pub(super) const PART: &str = "id, gateway, session, first_key, first_attributes, start, last_start, end, last_row, last_round, \
     requests, turns, errors, usage_missing, unpriced, tool_calls, uncached_input, cache_read, cache_write_5m, \
     cache_write_1h, visible_output, reasoning, costs, attributes, more_attributes, user, mixed_users, is_full, \
     revision, closed, counted";

/// The state of all sessions, and what of it is on disk.
#[derive(Debug)]
pub(super) struct SessionFold {
    pub(super) sessions: Sessions,
    pub(super) derived: Derived,
    /// Id of the next closing.
    next_closure: i64,
    /// The last closing that the series on disk count.
    counted: i64,
    /// Sources that are not read to their end; `None` while nobody has said.
    pub(super) behind: Option<BTreeSet<String>>,
}

impl SessionFold {
    pub(super) fn load(
        connection: &Connection,
        config: &crate::session::Config,
        wall: Micros,
    ) -> Result<SessionFold, Error> {
        let mut sessions = Sessions::new(config, wall);
        let mut statement =
            connection.prepare(&format!("SELECT {PART} FROM parts WHERE closed IS NULL ORDER BY id"))?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            sessions.restore(read_part(row)?);
        }
        let mut statement = connection.prepare("SELECT key, value FROM facts WHERE key LIKE 'watermark:%'")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let key: String = row.get(0)?;
            if let Some(gateway) = key.strip_prefix("watermark:").and_then(|id| id.parse().ok()) {
                sessions.restore_watermark(gateway, row.get(1)?);
            }
        }
        let mut derived = Derived::new(config);
        let mut statement = connection.prepare(
            "SELECT id, client, start, end, last_row, chat_round, messages, list, pair_first, pair_last
             FROM conversations ORDER BY last_row",
        )?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            derived.restore(read_conversation(row)?);
        }
        let fact = |key: &str| -> Result<i64, Error> {
            let found =
                connection.query_row("SELECT value FROM facts WHERE key = ?1", [key], |row| row.get(0)).optional()?;
            Ok(found.unwrap_or(0))
        };
        let counted = fact("closures_counted")?;
        let last: i64 = connection.query_row("SELECT coalesce(max(id), 0) FROM closures", [], |row| row.get(0))?;
        // Retention may have removed the last closings; their ids are never given again.
        let next_closure = last.max(fact("closures")?) + 1;
        Ok(SessionFold { sessions, derived, next_closure, counted, behind: None })
    }

    /// The last closing that is committed.
    pub(super) fn last_closure(&self) -> i64 {
        self.next_closure - 1
    }

    /// Whether there are closings that the series on disk do not count yet.
    pub(super) fn is_dirty(&self) -> bool {
        self.counted + 1 < self.next_closure
    }
}

impl Ledger {
    /// Finds an entry's session, part and previous row. `new_names` is the first name that is new,
    /// `oldest_exemplar` the end of the oldest request whose trace is worth naming.
    pub(super) fn place_in_session(
        &mut self,
        batch: &Batch,
        entry: &mut Entry,
        new_names: u32,
        oldest_exemplar: Micros,
    ) -> Result<(), Error> {
        let (client, messages) = (batch.bytes(&entry.client), batch.bytes(&entry.messages));
        let session = batch.bytes(&entry.session);
        let row = &mut entry.row;
        let gateway = self.interner.set(entry.place).map_or(0, |set| set.gateway);
        let mut derived = None;
        if row.session == 0 {
            let name = self.interner.set(entry.place).map_or("", |set| set.attributes.gateway.as_str());
            let asked = Asked {
                group: Group(self.interner.client(name, client)),
                identified: entry.identified,
                gateway: name,
                key: row.key,
                row: row.id,
                start: row.start,
                end: row.start.saturating_add(row.duration.unwrap_or(0).clamp(0, MAX_SPAN)),
                chat_round: row.chat_round,
                messages: &Messages::unpack(messages),
            };
            if let Some(joined) = self.session_fold.derived.join(&asked) {
                let DerivedId(id) = joined.id;
                derived = Some(joined.id);
                row.session = self.interner.name_id(&self.connection, NameKind::DerivedSession, hex(&id).as_bytes())?;
                if joined.ambiguous {
                    row.anomalies.insert(Anomaly::AmbiguousSession);
                }
            }
        }
        let calls = self.interner.known_tools(row.tools).len();
        let calls = u32::try_from(calls).unwrap_or(u32::MAX);
        let connection = &self.connection;
        let placement = self.session_fold.sessions.assign(row, gateway, calls, |key, start| {
            // A name that is new has nothing stored.
            if key.session >= new_names { Ok(Around::default()) } else { parts_around(connection, key, start) }
        })?;
        (row.part, row.previous, entry.reopened) = (placement.part, placement.previous, placement.reopened);
        let end = row.start.saturating_add(row.duration.unwrap_or(0));
        entry.exemplar = match self.exemplars {
            None => row.trace_id,
            // Older ones are not shown, and most rows of a log that is read anew are older.
            Some(_) if end < oldest_exemplar => None,
            Some(grouping) => {
                let logged = self.interner.session_text(session);
                let name = match derived {
                    Some(id) => Some(Name::Derived(id)),
                    None => (!session.is_empty()).then_some(Name::Logged(&logged)),
                };
                let gateway = self.interner.set(entry.place).map_or("", |set| set.attributes.gateway.as_str());
                Some(grouping.trace(gateway, name, row).0)
            }
        };
        Ok(())
    }

    /// Folds a committed row that the parts on disk may not hold yet, and counts what it began or reopened.
    pub(super) fn replay_session(&mut self, row: &Row, tool_calls: u32) -> Result<(), Error> {
        if row.part == 0 {
            return Ok(());
        }
        let gateway = self.interner.attributes(&self.connection, row.attributes)?.gateway.clone();
        let id = self.interner.name_id(&self.connection, NameKind::Gateway, gateway.as_bytes())?;
        let connection = &self.connection;
        let mut reopened = false;
        self.session_fold.sessions.replay(row, id, tool_calls, row.part, |part| -> Result<_, Error> {
            let part = stored_part(connection, part)?;
            reopened = part.as_ref().is_some_and(|part| part.closed.is_some() && part.last_row < row.id);
            Ok(part)
        })?;
        count_placement(&mut self.meter.lock(), row, &gateway, reopened, None);
        Ok(())
    }

    /// Counts closings that were committed and that the series on disk do not hold.
    pub(super) fn replay_closures(&mut self) -> Result<(), Error> {
        let mut statement = self.connection.prepare(
            "SELECT part, gateway, session, revision, reason, last_row, attributes, start, end, turns, added
             FROM closures WHERE id > ?1 ORDER BY id",
        )?;
        let mut rows = statement.query([self.session_fold.counted])?;
        let mut closures = Vec::new();
        while let Some(row) = rows.next()? {
            closures.push(read_closure(row)?);
        }
        drop(rows);
        drop(statement);
        self.count_closures(&closures, None)
    }

    /// What is to be closed now.
    pub(super) fn due_closures(&mut self) -> Vec<Closure> {
        let wall = self.clock.now();
        let fold = &mut self.session_fold;
        fold.sessions.set_wall(wall);
        let interner = &self.interner;
        let idle = i64::try_from(self.session_config.idle_timeout.as_micros()).unwrap_or(i64::MAX);
        // No sooner than its part closes: a log that is behind still has requests to join.
        let latest = fold.sessions.watermarks().iter().map(|(_, latest)| *latest).min().unwrap_or(i64::MIN);
        fold.derived.forget(latest.saturating_sub(idle).saturating_sub(LATENESS));
        let Some(behind) = &fold.behind else { return fold.sessions.due(|_| false) };
        fold.sessions.due(|gateway| !interner.gateway(gateway).is_some_and(|name| behind.contains(name)))
    }

    /// Writes parts, closings and watermarks within the transaction that is open.
    pub(super) fn write_sessions(&self, closures: &[Closure]) -> Result<(), Error> {
        let fold = &self.session_fold;
        let closes = |part: &Part| closures.binary_search_by_key(&part.id, |closure| closure.part).is_ok();
        let sql = format!("INSERT OR REPLACE INTO parts ({PART}) VALUES (?{})", ", ?".repeat(30));
        let mut upsert = self.connection.prepare_cached(&sql)?;
        for part in fold.sessions.dirty().filter(|part| !closes(part)) {
            write_part(&mut upsert, part)?;
            self.packing.note(&self.connection, part.id)?;
        }
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO closures (id, part, gateway, session, revision, reason, last_row, attributes, start, end, turns, added)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )?;
        let mut forget = self.connection.prepare_cached("DELETE FROM parts WHERE id = ?1")?;
        for (id, closure) in (fold.next_closure..).zip(closures) {
            // In memory nothing is kept of what has ended.
            if self.path.is_none() {
                forget.execute([closure.part])?;
                continue;
            }
            if let Some(part) = fold.sessions.get(closure.part) {
                write_part(&mut upsert, &closure.apply(part))?;
                self.packing.note(&self.connection, part.id)?;
            }
            let reason = Reason::ALL.iter().position(|reason| *reason == closure.reason).unwrap_or(0);
            insert.execute((
                id,
                closure.part,
                closure.key.gateway,
                closure.key.session,
                closure.revision,
                i64::try_from(reason).unwrap_or(0),
                closure.last_row,
                closure.attributes,
                closure.start,
                closure.end,
                i64::try_from(closure.turns).unwrap_or(i64::MAX),
                closure.added,
            ))?;
        }
        let mut fact = self.connection.prepare_cached("INSERT OR REPLACE INTO facts (key, value) VALUES (?1, ?2)")?;
        for (gateway, latest) in fold.sessions.watermarks() {
            fact.execute((format!("watermark:{gateway}"), latest))?;
        }
        // The series of this transaction count all closings before its own.
        fact.execute(("closures_counted", fold.next_closure - 1))?;
        let last = fold.next_closure - 1 + i64::try_from(closures.len()).unwrap_or(0);
        fact.execute(("closures", last))?;
        Ok(())
    }

    /// To be called when what [`Ledger::write_sessions`] wrote is committed.
    pub(super) fn sessions_written(&mut self, closures: &[Closure]) -> Result<(), Error> {
        let fold = &mut self.session_fold;
        fold.counted = fold.next_closure - 1;
        fold.sessions.written();
        fold.sessions.close(closures);
        if !closures.is_empty() {
            let now = self.clock.instant();
            fold.next_closure += i64::try_from(closures.len()).unwrap_or(0);
            self.count_closures(closures, Some(now))?;
        }
        Ok(())
    }

    fn count_closures(&mut self, closures: &[Closure], now: Option<Instant>) -> Result<(), Error> {
        for closure in closures {
            let attributes = self.interner.attributes(&self.connection, closure.attributes)?;
            let ended = Ended {
                gateway: &attributes.gateway,
                consumer: &attributes.consumer,
                reason: closure.reason.label(),
                first: closure.is_first(),
                duration: closure.duration(),
                turns: closure.turns,
                added: closure.added,
            };
            self.meter.lock().observe_session_ended(&ended, now);
        }
        Ok(())
    }

    /// Removes what is left of sessions whose rows up to and including `until` go, within the transaction that is open.
    pub(super) fn remove_sessions(&self, until: i64) -> Result<(), Error> {
        // A part goes with its last row; one that is open stays until it has closed.
        let removed: BTreeSet<i64> = self
            .connection
            .prepare_cached("DELETE FROM parts WHERE id <= ?1 AND last_row <= ?1 AND closed IS NOT NULL RETURNING id")?
            .query_map([until], |row| Ok(block_of(row.get(0)?)))?
            .collect::<Result<_, _>>()?;
        unpack(&self.connection, &removed)?;
        let kept: Option<i64> = self
            .connection
            .prepare_cached("SELECT id FROM closures WHERE last_row > ?1 ORDER BY id LIMIT 1")?
            .query_row([until], |row| row.get(0))
            .optional()?;
        let needed = self.session_fold.counted.min(self.sinks.last_closure());
        let before = kept.unwrap_or(i64::MAX).min(needed.saturating_add(1));
        self.connection.prepare_cached("DELETE FROM closures WHERE id < ?1")?.execute([before])?;
        Ok(())
    }

    /// Open sessions by gateway.
    pub(super) fn open_sessions(&self) -> BTreeMap<String, u64> {
        let open = self.session_fold.sessions.open().iter();
        let named = open.filter_map(|(gateway, count)| Some((self.interner.gateway(*gateway)?.to_owned(), *count)));
        named.map(|(gateway, count)| (gateway, u64::try_from(count).unwrap_or(u64::MAX))).collect()
    }

    /// Changes when sessions end, and how many are held open.
    pub(super) fn set_sessions(&mut self, config: &crate::session::Config) {
        self.session_fold.sessions.set_config(config);
        self.session_fold.derived.set_config(config);
        self.session_config = config.clone();
    }

    /// Writes derived sessions within the transaction of the rows that changed them.
    pub(super) fn write_conversations(&self) -> Result<(), Error> {
        let derived = &self.session_fold.derived;
        let mut upsert = self.connection.prepare_cached(
            "INSERT OR REPLACE INTO conversations
             (id, client, start, end, last_row, chat_round, messages, list, pair_first, pair_last)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?;
        for conversation in derived.changed() {
            let messages = conversation.messages.unwrap_or_default();
            let [first, last] = messages.pair;
            upsert.execute((
                conversation.id.0.as_slice(),
                conversation.group.0.as_slice(),
                conversation.start,
                conversation.end,
                conversation.last_row,
                conversation.chat_round,
                messages.count,
                messages.list.cast_signed(),
                first.cast_signed(),
                last.cast_signed(),
            ))?;
        }
        let mut delete = self.connection.prepare_cached("DELETE FROM conversations WHERE id = ?1")?;
        for DerivedId(id) in derived.forgotten() {
            delete.execute([id.as_slice()])?;
        }
        Ok(())
    }
}

/// Counts what a row did to its session.
pub(super) fn count_placement(meter: &mut Meter, row: &Row, gateway: &str, reopened: bool, now: Option<Instant>) {
    if row.part != 0 && row.part == row.id {
        meter.observe_session_started(gateway, now);
    } else if reopened {
        meter.observe_session_reopened(gateway, now);
    }
}

fn parts_around(connection: &Connection, key: Key, start: Micros) -> Result<Around, Error> {
    // More than the idle timeout is asked for, since what does not fit is left out by who asks.
    let (from, until) = (start.saturating_sub(MAX_SPAN), start.saturating_add(MAX_SPAN));
    let sql = format!(
        "SELECT {PART} FROM parts WHERE session = ?1 AND gateway = ?2 AND start > ?3 AND start <= ?4
         ORDER BY abs(start - ?5) LIMIT {MAX_AROUND}"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query((key.session, key.gateway, from, until, start))?;
    let mut around = Around::default();
    while let Some(row) = rows.next()? {
        around.parts.push(read_part(row)?);
    }
    around.next = connection
        .prepare_cached("SELECT min(start) FROM parts WHERE session = ?1 AND gateway = ?2 AND start > ?3")?
        .query_row((key.session, key.gateway, until), |row| row.get(0))?;
    Ok(around)
}

/// A part by its id.
pub(super) fn stored_part(connection: &Connection, id: i64) -> Result<Option<Part>, Error> {
    let mut statement = connection.prepare_cached(&format!("SELECT {PART} FROM parts WHERE id = ?1"))?;
    let mut rows = statement.query([id])?;
    rows.next()?.map(read_part).transpose()
}

/// Writes what a stored part cost, within the transaction that is open.
pub(super) fn write_costs(connection: &Connection, part: &Part) -> Result<(), Error> {
    connection.prepare_cached("UPDATE parts SET costs = ?2, unpriced = ?3 WHERE id = ?1")?.execute((
        part.id,
        costs_text(&part.costs),
        i64::try_from(part.unpriced).unwrap_or(i64::MAX),
    ))?;
    Ok(())
}

fn costs_text(costs: &Costs) -> String {
    let costs: Vec<String> = costs.0.iter().map(|(currency, nanos)| format!("{currency} {nanos}")).collect();
    costs.join(",")
}

fn write_part(statement: &mut rusqlite::CachedStatement<'_>, part: &Part) -> Result<(), Error> {
    let count = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let closed = part.closed.and_then(|reason| Reason::ALL.iter().position(|known| *known == reason));
    let closed = closed.and_then(|code| i64::try_from(code).ok());
    let tokens = &part.tokens;
    let mut next = 1;
    let mut bind = |value: &dyn rusqlite::ToSql| {
        let bound = statement.raw_bind_parameter(next, value);
        next += 1;
        bound
    };
    for number in [part.id, part.key.gateway.into(), part.key.session.into()] {
        bind(&number)?;
    }
    bind(&part.first_key.as_slice())?;
    for number in [
        part.first_attributes.into(),
        part.start,
        part.last_start,
        part.end,
        part.last_row,
        part.last_round.into(),
        count(part.requests),
        count(part.turns),
        count(part.errors),
        count(part.usage_missing),
        count(part.unpriced),
        count(part.tool_calls),
        count(tokens.uncached_input),
        count(tokens.cache_read),
        count(tokens.cache_write_5m),
        count(tokens.cache_write_1h),
        count(tokens.visible_output),
        count(tokens.reasoning),
    ] {
        bind(&number)?;
    }
    bind(&costs_text(&part.costs))?;
    bind(&serde_json::to_string(&part.attributes).unwrap_or_default())?;
    for number in [
        i64::from(part.more_attributes),
        part.user.into(),
        i64::from(part.mixed_users) | i64::from(part.unnamed) << 1,
        part.full.into(),
        part.revision.into(),
    ] {
        bind(&number)?;
    }
    bind(&closed)?;
    bind(&part.counted)?;
    statement.raw_execute()?;
    Ok(())
}

/// The inverse of [`costs_text`]; `part` is whose costs they are.
pub(super) fn read_costs(part: i64, text: &str) -> Result<Costs, Error> {
    let mut costs = Costs::default();
    for cost in text.split(',').filter(|cost| !cost.is_empty()) {
        let cost = cost.split_once(' ').and_then(|(code, nanos)| Some((Currency::parse(code)?, nanos.parse().ok()?)));
        let (currency, nanos) = cost.ok_or_else(|| Error::Stored(format!("part {part}: its costs cannot be read")))?;
        costs.add(currency, nanos);
    }
    Ok(costs)
}

/// Reads a part from the columns of [`PART`].
pub(super) fn read_part(row: &Stored<'_>) -> Result<Part, Error> {
    let count = |index: usize| -> rusqlite::Result<u64> { Ok(u64::try_from(row.get::<_, i64>(index)?).unwrap_or(0)) };
    let id = row.get(0)?;
    let stored = |what: &str| Error::Stored(format!("part {id}: {what}"));
    Ok(Part {
        id,
        key: Key { gateway: row.get(1)?, session: row.get(2)? },
        first_key: row.get(3)?,
        first_attributes: row.get(4)?,
        start: row.get(5)?,
        last_start: row.get(6)?,
        end: row.get(7)?,
        last_row: row.get(8)?,
        last_round: row.get(9)?,
        requests: count(10)?,
        turns: count(11)?,
        errors: count(12)?,
        usage_missing: count(13)?,
        unpriced: count(14)?,
        tool_calls: count(15)?,
        tokens: Tokens {
            uncached_input: count(16)?,
            cache_read: count(17)?,
            cache_write_5m: count(18)?,
            cache_write_1h: count(19)?,
            visible_output: count(20)?,
            reasoning: count(21)?,
        },
        costs: read_costs(id, row.get_ref(22)?.as_str().unwrap_or_default())?,
        attributes: serde_json::from_str(row.get_ref(23)?.as_str().unwrap_or_default())
            .map_err(|_| stored("its attributes cannot be read"))?,
        more_attributes: row.get(24)?,
        user: row.get(25)?,
        mixed_users: row.get::<_, i64>(26)? & 1 != 0,
        unnamed: row.get::<_, i64>(26)? & 2 != 0,
        full: row.get(27)?,
        revision: row.get(28)?,
        closed: row.get::<_, Option<usize>>(29)?.and_then(|code| Reason::ALL.get(code).copied()),
        counted: row.get(30)?,
    })
}

/// Reads a closing from all columns but its id.
pub(super) fn read_closure(row: &Stored<'_>) -> Result<Closure, Error> {
    Ok(Closure {
        part: row.get(0)?,
        key: Key { gateway: row.get(1)?, session: row.get(2)? },
        revision: row.get(3)?,
        reason: Reason::ALL.get(row.get::<_, usize>(4)?).copied().unwrap_or(Reason::Idle),
        last_row: row.get(5)?,
        attributes: row.get(6)?,
        start: row.get(7)?,
        end: row.get(8)?,
        turns: u64::try_from(row.get::<_, i64>(9)?).unwrap_or(0),
        added: row.get(10)?,
    })
}

fn read_conversation(row: &Stored<'_>) -> Result<Conversation, Error> {
    let number = |index: usize| row.get::<_, i64>(index).map(i64::cast_unsigned);
    let count: u32 = row.get(6)?;
    let messages = LastMessages { count, list: number(7)?, pair: [number(8)?, number(9)?] };
    Ok(Conversation {
        id: DerivedId(row.get(0)?),
        group: Group(row.get(1)?),
        start: row.get(2)?,
        end: row.get(3)?,
        last_row: row.get(4)?,
        chat_round: row.get(5)?,
        messages: (count > 0).then_some(messages),
    })
}
