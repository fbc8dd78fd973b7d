//! Captured conversations come in beside the rows, and are erased with the names that lead to them.
//!
//! Amounts stay: a row keeps its numbers, and its session and user are called `erased-…` from then on. Consumers keep their
//! names, which metrics, prices and budgets go by; those that look like a person's are kept as hashes anyway.

use std::collections::BTreeSet;

use rusqlite::Connection;

use super::commit::Prepared;
use super::intern::NameKind;
use super::open::{Error, Ledger};
use crate::content::{Counts, Erasure, New, Scope, Selection, Store, truncate_log};
use crate::record::Micros;
use crate::session::DerivedId;

/// An erasure that goes on between batches.
#[derive(Debug)]
pub(super) struct Erasing {
    scope: Scope,
    by: String,
    selection: Selection,
    /// Names that are to go.
    names: BTreeSet<u32>,
    /// The last row that was looked at.
    after: i64,
    done: Erasure,
}

impl Ledger {
    /// Stores what was captured of prepared rows, before the rows themselves.
    pub(super) fn write_content(&mut self, prepared: &Prepared) -> Result<(), Error> {
        let mut new = Vec::new();
        for batch in &prepared.batches {
            for entry in &batch.entries {
                let Some(at) = entry.content.checked_sub(1) else { continue };
                let Some(captured) = batch.contents.get(at as usize) else { continue };
                let row = &entry.row;
                new.push(New {
                    row: row.id,
                    start: row.start,
                    attributes: row.attributes,
                    session: row.session,
                    user: row.user,
                    captured,
                    body: batch.bytes(&captured.body),
                });
            }
        }
        if new.is_empty() {
            return Ok(());
        }
        // In memory nothing is kept of what was said.
        let Some(folder) = self.path.as_deref().and_then(|path| path.parent()) else { return Ok(()) };
        let store = match &mut self.content {
            Some(store) => store,
            None => self.content.insert(Store::open(folder, &self.keeping, self.next_row - 1)?),
        };
        Ok(store.write(&new)?)
    }

    /// What was ever captured, and the bytes that content takes on disk; `None` where nothing was.
    #[must_use]
    pub fn content_counts(&self) -> Option<(Counts, u64)> {
        self.content.as_ref().map(|store| (store.counts().clone(), store.size()))
    }

    /// The lists of messages that were captured last: what a request repeats of them is not captured again.
    ///
    /// # Errors
    /// The content cannot be read.
    pub fn known_lists(&self, limit: usize) -> Result<Vec<[u8; 16]>, Error> {
        Ok(self.content.as_ref().map(|store| store.known_lists(limit)).transpose()?.unwrap_or_default())
    }

    /// Whether words wait to be put into the index.
    pub(super) fn has_words(&self) -> bool {
        self.content.as_ref().is_some_and(|store| !store.is_settled())
    }

    /// Puts some words into the index.
    pub(super) fn index_content(&mut self) -> Result<(), Error> {
        let through = self.next_row - 1;
        Ok(self.content.as_mut().map_or(Ok(()), |store| store.index_step(through))?)
    }

    /// Puts all words into the index, for whom no writer does it when it has time.
    ///
    /// # Errors
    /// The content cannot be read or written. What is not in the index yet is put there by the next writer.
    pub fn index_all(&mut self) -> Result<(), Error> {
        while self.has_words() {
            self.index_content()?;
        }
        Ok(())
    }

    /// Removes captured conversations that started before a moment, some of them. Returns whether there is more to remove.
    pub(super) fn retain_content(&mut self, before: Micros) -> Result<bool, Error> {
        Ok(self.content.as_mut().map_or(Ok(false), |store| store.retain(before))?)
    }

    /// Begins an erasure: finds out whose names are meant.
    pub(super) fn begin_erasure(&mut self, scope: Scope, by: String) -> Result<Erasing, Error> {
        let (selection, names) = match &scope {
            Scope::Conversation(row) => (Selection::Row(*row), BTreeSet::new()),
            Scope::Before(moment) => (Selection::Before(*moment), BTreeSet::new()),
            Scope::Session(name) => {
                let kept = self.interner.session_text(name.as_bytes()).into_owned();
                let mut ids = self.stored_names(NameKind::Session, &[name, &kept])?;
                if let Some(digits) = name.strip_prefix("derived:") {
                    ids.append(&mut self.stored_names(NameKind::DerivedSession, &[digits])?);
                }
                (Selection::Sessions(ids.clone()), ids)
            }
            Scope::User(name) => {
                let pseudonym = self.interner.privacy().pseudonym(name);
                let ids = self.stored_names(NameKind::User, &[name, &pseudonym])?;
                let selection = Selection::Users(ids.clone());
                let mut names = self.captured_sessions(&selection)?;
                names.extend(ids);
                (selection, names)
            }
            Scope::Consumer(name) => {
                let kept = self.interner.privacy().consumer(name);
                let mut statement =
                    self.connection.prepare("SELECT id FROM attributes WHERE consumer = ?1 OR consumer = ?2")?;
                let ids = statement.query_map([name, &kept], |row| row.get(0))?;
                let ids: BTreeSet<u32> = ids.collect::<Result<_, _>>()?;
                let selection = Selection::Attributes(ids);
                let sessions = self.captured_sessions(&selection)?;
                (selection, sessions)
            }
        };
        Ok(Erasing { scope, by, selection, names, after: i64::MIN, done: Erasure::default() })
    }

    fn captured_sessions(&self, selection: &Selection) -> Result<BTreeSet<u32>, Error> {
        Ok(self.content.as_ref().map(|store| store.sessions_of(selection)).transpose()?.unwrap_or_default())
    }

    fn stored_names(&self, kind: NameKind, values: &[&str]) -> Result<BTreeSet<u32>, Error> {
        let mut statement = self.connection.prepare_cached("SELECT id FROM names WHERE kind = ?1 AND value = ?2")?;
        let mut ids = BTreeSet::new();
        for value in values {
            let found = statement.query_map((kind as i64, value), |row| row.get(0))?;
            for id in found {
                ids.insert(id?);
            }
        }
        Ok(ids)
    }

    /// Goes on with an erasure: text first, partition by partition, then the names. Returns what was erased at the end.
    pub(super) fn erase_step(&mut self, erasing: &mut Erasing) -> Result<Option<Erasure>, Error> {
        if let Some(store) = &mut self.content {
            let (erased, next) = store.erase_step(&erasing.selection, erasing.after)?;
            erasing.done.conversations += erased.conversations;
            erasing.done.bytes += erased.bytes;
            if let Some(after) = next {
                erasing.after = after;
                return Ok(None);
            }
        }
        erasing.done.names = self.erase_names(&erasing.names)?;
        self.audit_erasure(erasing)?;
        erasing.done.waits_for_reader = !self.clean()?;
        Ok(Some(erasing.done))
    }

    /// Gives names that are to go others that say nothing, and writes all names anew so that no page holds what they were.
    fn erase_names(&mut self, names: &BTreeSet<u32>) -> Result<u64, Error> {
        if names.is_empty() {
            return Ok(0);
        }
        let derived = derived_ids(&self.connection, names)?;
        self.connection.pragma_update(None, "secure_delete", "ON")?;
        let erased = self.atomically(|ledger| {
            let connection = &ledger.connection;
            let mut forget = connection.prepare_cached("DELETE FROM conversations WHERE id = ?1")?;
            for DerivedId(id) in &derived {
                forget.execute([id.as_slice()])?;
            }
            for id in names {
                // A stranger may have called a session like this already.
                let taken = |value: &str| -> Result<bool, Error> {
                    let sql = "SELECT EXISTS (SELECT 1 FROM names WHERE value = ?1)";
                    Ok(connection.prepare_cached(sql)?.query_row([value], |row| row.get(0))?)
                };
                let mut value = format!("erased-{id}");
                while taken(&value)? {
                    value.push('-');
                }
                connection
                    .prepare_cached(
                        "UPDATE names SET value = ?2, kind = CASE kind WHEN 6 THEN 2 ELSE kind END WHERE id = ?1 AND kind IN (1, 2, 6)",
                    )?
                    .execute((id, value))?;
            }
            Ok(connection.execute_batch(
                "CREATE TABLE names_anew (id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, value TEXT NOT NULL, UNIQUE (kind, value)) STRICT;
                 INSERT INTO names_anew SELECT id, kind, value FROM names ORDER BY id;
                 DROP TABLE names;
                 ALTER TABLE names_anew RENAME TO names;",
            )?)
        });
        self.connection.pragma_update(None, "secure_delete", "OFF")?;
        erased?;
        self.is_unclean = true;
        self.interner.forget_names();
        for id in derived {
            self.session_fold.derived.erase(id);
        }
        Ok(names.len() as u64)
    }

    /// Writes down who had what erased: never the name itself, but a keyed hash by which it can be shown later.
    fn audit_erasure(&self, erasing: &Erasing) -> Result<(), Error> {
        let Erasure { conversations, bytes, names, .. } = erasing.done;
        let privacy = self.interner.privacy();
        let (kind, what) = match &erasing.scope {
            Scope::Conversation(row) => ("conversation", row.to_string()),
            Scope::Session(name) => ("session", privacy.pseudonym(&format!("erased session\0{name}"))),
            Scope::Consumer(name) => ("consumer", privacy.pseudonym(&format!("erased consumer\0{name}"))),
            Scope::User(name) => ("user", privacy.pseudonym(&format!("erased user\0{name}"))),
            Scope::Before(moment) => ("before", moment.to_string()),
        };
        let detail = serde_json::json!({
            "scope": kind, "what": what, "conversations": conversations, "bytes": bytes, "names": names, "by": erasing.by,
        });
        self.connection
            .prepare_cached("INSERT INTO audit (made, action, detail) VALUES (?1, 'erase content', ?2)")?
            .execute((self.clock.now(), detail.to_string()))?;
        Ok(())
    }

    /// Whether what was erased may still stand in a write-ahead log.
    pub(super) fn is_unclean(&self) -> bool {
        self.is_unclean || self.content.as_ref().is_some_and(Store::is_unclean)
    }

    /// Empties the write-ahead logs of what was erased. Returns whether that is done: a reader of an older moment keeps them.
    pub(super) fn clean(&mut self) -> Result<bool, Error> {
        if self.is_unclean {
            self.is_unclean = !truncate_log(&self.connection)?;
        }
        let content = self.content.as_mut().map_or(Ok(true), Store::clean)?;
        Ok(!self.is_unclean && content)
    }
}

/// The derived sessions among names.
fn derived_ids(connection: &Connection, names: &BTreeSet<u32>) -> Result<Vec<DerivedId>, Error> {
    let mut statement = connection.prepare_cached("SELECT value FROM names WHERE id = ?1 AND kind = 6")?;
    let mut derived = Vec::new();
    for name in names {
        let values = statement.query_map([name], |row| row.get::<_, String>(0))?;
        for value in values {
            if let Ok(id) = u128::from_str_radix(&value?, 16) {
                derived.push(DerivedId(id.to_be_bytes()));
            }
        }
    }
    Ok(derived)
}
