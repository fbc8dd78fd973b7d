//! The writer's side of content.db: bodies come in before their rows, words follow when there is time, and both go by age and by
//! erasure.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _};

use super::captured::Captured;
use super::codec::{Codec, Key};
use super::error::Error;
use super::partition::Partition;
use super::view::Erasure;
use super::words;
use crate::record::Micros;

/// Name of the database in the data directory.
pub const CONTENT_FILE: &str = "content.db";
/// Version of the schema that this program writes.
const VERSION: i64 = 1;
/// `application_id` of the database: "tokc".
const APPLICATION_ID: i64 = 0x746f_6b63;

/// Flag of a conversation: something was cut off.
pub(super) const CUT: i64 = 1;
/// Flag of a conversation: its text is gone.
pub(super) const ERASED: i64 = 2;
/// Flag of a conversation: it goes on from the messages of the one before, not from its answer.
pub(super) const ANEW: i64 = 4;

/// Bodies and bytes of text that one step puts into the index.
const INDEX_BODIES: usize = 256;
const INDEX_BYTES: usize = 1 << 20;
/// How much longer than asked a conversation may be kept that lies in one partition with younger ones.
const SLACK: Micros = 3_600_000_000;

/// How captured conversations are kept.
#[derive(Clone, Debug, Default)]
pub struct Keeping {
    /// The key under which bodies are encrypted; `None`: they are not.
    pub key: Option<Key>,
    /// Whether a search index is kept also where bodies are encrypted.
    pub index_encrypted: bool,
}

impl Keeping {
    fn is_indexed(&self) -> bool {
        self.key.is_none() || self.index_encrypted
    }
}

/// A conversation that is to be stored.
#[derive(Clone, Copy, Debug)]
pub struct New<'a> {
    /// Number of the request's row, larger than all before.
    pub row: i64,
    /// Start of the request.
    pub start: Micros,
    /// Id of its attributes.
    pub attributes: u32,
    /// Id of its session's name, 0 for none.
    pub session: u32,
    /// Id of its user's pseudonym, 0 for none.
    pub user: u32,
    /// What was captured.
    pub captured: &'a Captured,
    /// Its sealed body.
    pub body: &'a [u8],
}

/// What was ever captured: retention and erasure take nothing off.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Conversations.
    pub conversations: u64,
    /// Bytes of what the log had to say.
    pub logged_bytes: u64,
    /// Bytes of bodies that became of them.
    pub stored_bytes: u64,
    /// Conversations whose text somebody had erased.
    pub erased: u64,
    /// Places that were blotted out, by the name of the pattern.
    pub redactions: BTreeMap<String, u64>,
}

impl Counts {
    const REDACTION: &'static str = "redaction:";

    fn read(connection: &Connection) -> Result<Counts, Error> {
        let mut counts = Counts::default();
        let mut statement = connection.prepare("SELECT name, value FROM counts")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (name, value): (String, u64) = (row.get(0)?, row.get(1)?);
            match name.as_str() {
                "conversations" => counts.conversations = value,
                "logged_bytes" => counts.logged_bytes = value,
                "stored_bytes" => counts.stored_bytes = value,
                "erased" => counts.erased = value,
                other => {
                    if let Some(pattern) = other.strip_prefix(Counts::REDACTION) {
                        counts.redactions.insert(pattern.to_owned(), value);
                    }
                }
            }
        }
        Ok(counts)
    }

    fn write(&self, connection: &Connection) -> Result<(), Error> {
        let mut upsert = connection.prepare_cached("INSERT OR REPLACE INTO counts (name, value) VALUES (?1, ?2)")?;
        for (name, value) in [
            ("conversations", self.conversations),
            ("logged_bytes", self.logged_bytes),
            ("stored_bytes", self.stored_bytes),
            ("erased", self.erased),
        ] {
            upsert.execute((name, value))?;
        }
        for (pattern, value) in &self.redactions {
            upsert.execute((format!("{}{pattern}", Counts::REDACTION), value))?;
        }
        Ok(())
    }

    fn add(&mut self, new: &New<'_>) {
        self.conversations += 1;
        self.logged_bytes += new.captured.logged_bytes;
        self.stored_bytes += new.body.len() as u64;
        for (pattern, count) in &new.captured.redactions {
            *self.redactions.entry(pattern.to_string()).or_default() += u64::from(*count);
        }
    }
}

/// Which conversations are to go, in ids of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// That of a row.
    Row(i64),
    /// Those of sessions.
    Sessions(BTreeSet<u32>),
    /// Those of users.
    Users(BTreeSet<u32>),
    /// Those of attributes.
    Attributes(BTreeSet<u32>),
    /// Those that started before.
    Before(Micros),
}

impl Selection {
    fn fits(&self, row: i64, start: Micros, attributes: u32, session: u32, user: u32) -> bool {
        match self {
            Selection::Row(wanted) => row == *wanted,
            Selection::Sessions(ids) => ids.contains(&session),
            Selection::Users(ids) => ids.contains(&user),
            Selection::Attributes(ids) => ids.contains(&attributes),
            Selection::Before(moment) => start < *moment,
        }
    }
}

/// The database of captured conversations, opened for writing by the ledger that owns it.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    path: PathBuf,
    codec: Codec,
    is_indexed: bool,
    counts: Counts,
    /// The last row that is stored.
    last: i64,
    /// Whether all committed bodies are in the index, as far as is known.
    is_settled: bool,
    /// What was erased may still stand in the write-ahead log.
    is_unclean: bool,
}

impl Store {
    /// Opens the content of a data directory, or makes it, and drops what is of rows after `last`: the ledger does not have them.
    ///
    /// # Errors
    /// It cannot be opened; another key than before is given, or none; it is another's or damaged.
    pub fn open(folder: &Path, keeping: &Keeping, last: i64) -> Result<Store, Error> {
        let path = folder.join(CONTENT_FILE);
        let opened = (|| {
            // What was said is for its owner; the files that SQLite puts beside it have its mode. Where it cannot be made
            // SQLite says why.
            let _ = OpenOptions::new().append(true).create_new(true).mode(0o600).open(&path);
            let connection = Connection::open(&path)?;
            set_up(&connection, &path)?;
            let codec = Codec::build(keeping.key.as_ref())?;
            check_key(&connection, &codec, &path)?;
            let mut store = Store {
                counts: Counts::read(&connection)?,
                last: connection.query_row("SELECT coalesce(max(row), 0) FROM conversations", [], |row| row.get(0))?,
                is_indexed: keeping.is_indexed(),
                is_settled: false,
                // Where an earlier process was killed its log may hold what was erased.
                is_unclean: true,
                connection,
                path: path.clone(),
                codec,
            };
            store.settle_index()?;
            store.forget_after(last)?;
            Ok(store)
        })();
        opened.map_err(|error: Error| error.at(&path))
    }

    /// The same, where there is one.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_existing(folder: &Path, keeping: &Keeping, last: i64) -> Result<Option<Store>, Error> {
        if folder.join(CONTENT_FILE).exists() { Store::open(folder, keeping, last).map(Some) } else { Ok(None) }
    }

    /// Path of the database.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What was ever captured.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The lists of messages that were captured last, erased ones included: what a request repeats of them is known.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn known_lists(&self, limit: usize) -> Result<Vec<[u8; 16]>, Error> {
        let mut statement = self.connection.prepare("SELECT list FROM conversations ORDER BY row DESC LIMIT ?1")?;
        let lists = statement.query_map([i64::try_from(limit).unwrap_or(i64::MAX)], |row| row.get(0))?;
        Ok(lists.collect::<Result<_, _>>()?)
    }

    /// Stores conversations in the order of their rows, all or none. What an attempt before has stored of them is replaced.
    ///
    /// # Errors
    /// Nothing was written; where [`Error::is_passing`] the same can be written later.
    pub fn write(&mut self, new: &[New<'_>]) -> Result<(), Error> {
        let (Some(first), Some(last)) = (new.first(), new.last()) else { return Ok(()) };
        if self.last >= first.row {
            self.forget_after(first.row - 1)?;
        }
        let transaction = self.connection.unchecked_transaction()?;
        let mut counts = self.counts.clone();
        let mut partition = Partition::of(&transaction, i64::MAX)?;
        for new in new {
            let mut into = match partition.filter(|partition| !partition.is_full()) {
                Some(partition) => partition,
                None => {
                    if let Some(full) = partition {
                        full.write(&transaction)?;
                    }
                    Partition::make(&transaction, new.row)?
                }
            };
            insert(&transaction, &into, new)?;
            into.first_start = into.first_start.min(new.start);
            into.last_start = into.last_start.max(new.start);
            into.conversations += 1;
            into.bytes += i64::try_from(new.body.len()).unwrap_or(i64::MAX);
            counts.add(new);
            partition = Some(into);
        }
        if let Some(partition) = partition {
            partition.write(&transaction)?;
        }
        counts.write(&transaction)?;
        transaction.commit()?;
        (self.counts, self.last, self.is_settled) = (counts, last.row, false);
        Ok(())
    }

    /// Drops the conversations of rows after one, and takes them off the counts.
    fn forget_after(&mut self, row: i64) -> Result<(), Error> {
        if self.last <= row {
            return Ok(());
        }
        let transaction = self.connection.unchecked_transaction()?;
        let mut counts = self.counts.clone();
        {
            let mut statement =
                transaction.prepare("SELECT logged, stored, redactions FROM conversations WHERE row > ?1")?;
            let mut rows = statement.query([row])?;
            while let Some(stored) = rows.next()? {
                counts.conversations = counts.conversations.saturating_sub(1);
                counts.logged_bytes = counts.logged_bytes.saturating_sub(stored.get(0)?);
                counts.stored_bytes = counts.stored_bytes.saturating_sub(stored.get(1)?);
                for (pattern, count) in redactions(stored.get_ref(2)?.as_str().unwrap_or_default()) {
                    if let Some(total) = counts.redactions.get_mut(&pattern) {
                        *total = total.saturating_sub(count);
                    }
                }
            }
        }
        transaction.execute("DELETE FROM conversations WHERE row > ?1", [row])?;
        for partition in Partition::all(&transaction)?.into_iter().rev() {
            if partition.first_row > row {
                partition.drop_tables(&transaction)?;
            } else {
                partition.rewrite(&transaction)?;
                break;
            }
        }
        counts.write(&transaction)?;
        transaction.commit()?;
        (self.counts, self.last, self.is_settled) = (counts, row, false);
        Ok(())
    }

    /// Writes down whether there is an index, and drops one that is no longer wanted.
    fn settle_index(&self) -> Result<(), Error> {
        let transaction = self.connection.unchecked_transaction()?;
        set_fact(&transaction, "is_indexed", i64::from(self.is_indexed))?;
        if !self.is_indexed {
            for partition in Partition::all(&transaction)?.iter().filter(|partition| partition.indexed_through > 0) {
                partition.rewrite(&transaction)?;
            }
        }
        Ok(transaction.commit()?)
    }

    /// Whether there may be words that are not in the index.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.is_settled || !self.is_indexed
    }

    /// Puts the words of some more bodies of rows up to `through` into the index.
    ///
    /// # Errors
    /// Nothing was indexed; where [`Error::is_passing`] it can be tried later.
    pub fn index_step(&mut self, through: i64) -> Result<(), Error> {
        if self.is_settled() {
            return Ok(());
        }
        for mut partition in Partition::all(&self.connection)? {
            let transaction = self.connection.unchecked_transaction()?;
            let (mut bodies, mut bytes) = (0, 0);
            {
                let id = partition.id;
                let sql =
                    format!("SELECT row, data FROM bodies_{id} WHERE row > ?1 AND row <= ?2 ORDER BY row LIMIT ?3");
                let mut select = transaction.prepare_cached(&sql)?;
                let mut insert =
                    transaction.prepare_cached(&format!("INSERT INTO words_{id} (rowid, text) VALUES (?1, ?2)"))?;
                let limit = i64::try_from(INDEX_BODIES).unwrap_or(i64::MAX);
                let mut rows = select.query((partition.indexed_through, through, limit))?;
                let mut text = String::new();
                while let Some(row) = rows.next()? {
                    let number: i64 = row.get(0)?;
                    // One that cannot be opened says so to whoever asks for it, and must not keep the others out.
                    if let Ok(exchange) = self.codec.open(row.get_ref(1)?.as_blob().unwrap_or_default()) {
                        words::indexed(&exchange, &mut text);
                        insert.execute((number, &text))?;
                        bytes += text.len();
                    }
                    partition.indexed_through = number;
                    bodies += 1;
                    if bytes >= INDEX_BYTES {
                        break;
                    }
                }
            }
            if bodies > 0 {
                partition.write(&transaction)?;
                transaction.commit()?;
                return Ok(());
            }
        }
        self.is_settled = self.last <= through;
        Ok(())
    }

    /// Erases the text of those conversations of one partition that are selected: the first whose rows come after `after`. Returns
    /// what was erased and where to go on; `None` at the end.
    ///
    /// # Errors
    /// Nothing was erased; where [`Error::is_passing`] it can be tried later.
    pub fn erase_step(&mut self, selection: &Selection, after: i64) -> Result<(Erasure, Option<i64>), Error> {
        let partitions = Partition::all(&self.connection)?;
        let Some(at) = partitions.iter().position(|partition| partition.first_row > after) else {
            return Ok((Erasure::default(), None));
        };
        let (Some(partition), next) = (partitions.get(at), partitions.get(at + 1)) else {
            return Ok((Erasure::default(), None));
        };
        let end = next.map_or(i64::MAX, |next| next.first_row);
        let mut erasure = Erasure::default();
        let transaction = self.connection.unchecked_transaction()?;
        {
            let mut select = transaction.prepare_cached(
                "SELECT row, start, attributes, session, user, stored FROM conversations
                 WHERE row >= ?1 AND row < ?2 AND flags & 2 = 0",
            )?;
            let mut rows = select.query((partition.first_row, end))?;
            let mut selected = Vec::new();
            while let Some(row) = rows.next()? {
                if selection.fits(row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?) {
                    selected.push(row.get::<_, i64>(0)?);
                    erasure.bytes += row.get::<_, u64>(5)?;
                }
            }
            let mut mark = transaction.prepare_cached("UPDATE conversations SET flags = flags | 2 WHERE row = ?1")?;
            for row in &selected {
                mark.execute([row])?;
            }
            erasure.conversations = selected.len() as u64;
        }
        if erasure.conversations > 0 {
            partition.rewrite(&transaction)?;
            let counts = Counts { erased: self.counts.erased + erasure.conversations, ..self.counts.clone() };
            counts.write(&transaction)?;
            transaction.commit()?;
            (self.counts, self.is_settled, self.is_unclean) = (counts, false, true);
        }
        Ok((erasure, next.map(|_| partition.first_row)))
    }

    /// Overwrites and empties the write-ahead log, so that nothing that was erased stands in it. Returns whether that is done:
    /// somebody who still reads an older moment keeps it.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn clean(&mut self) -> Result<bool, Error> {
        if self.is_unclean {
            self.is_unclean = !truncate_log(&self.connection)?;
        }
        Ok(!self.is_unclean)
    }

    /// Whether the write-ahead log may hold what was erased.
    #[must_use]
    pub fn is_unclean(&self) -> bool {
        self.is_unclean
    }

    /// Removes some of the conversations that started before a moment, erased ones with their hashes too: at most an hour later
    /// than asked where younger ones lie beside them. Returns whether there is more to remove.
    ///
    /// # Errors
    /// Nothing was removed; where [`Error::is_passing`] it can be tried later.
    pub fn retain(&mut self, before: Micros) -> Result<bool, Error> {
        let late = before.saturating_sub(SLACK);
        let partitions = Partition::all(&self.connection)?;
        let due = |partition: &&Partition| partition.last_start < before || partition.first_start < late;
        if let Some(partition) = partitions.iter().find(due) {
            let end = partitions.iter().find(|other| other.first_row > partition.first_row);
            let end = end.map_or(i64::MAX, |next| next.first_row);
            let transaction = self.connection.unchecked_transaction()?;
            transaction
                .prepare_cached("DELETE FROM conversations WHERE row >= ?1 AND row < ?2 AND start < ?3")?
                .execute((partition.first_row, end, before))?;
            partition.rewrite(&transaction)?;
            transaction.commit()?;
            (self.is_unclean, self.is_settled) = (true, false);
            return Ok(true);
        }
        // Those whose partition went before them: erased ones.
        let removed = self
            .connection
            .prepare_cached(
                "DELETE FROM conversations WHERE row IN
                 (SELECT row FROM conversations WHERE start < ?1 ORDER BY start LIMIT 4096)",
            )?
            .execute([late])?;
        Ok(removed > 0)
    }

    /// Removes the conversations of rows from `first` to `last`: the ledger no longer has them.
    ///
    /// # Errors
    /// Nothing was removed; where [`Error::is_passing`] it can be tried later.
    pub fn remove_rows(&mut self, first: i64, last: i64) -> Result<(), Error> {
        let transaction = self.connection.unchecked_transaction()?;
        let removed = transaction
            .prepare_cached("DELETE FROM conversations WHERE row >= ?1 AND row <= ?2")?
            .execute((first, last))?;
        if removed == 0 {
            return Ok(());
        }
        let partitions = Partition::all(&transaction)?;
        let ends = partitions.iter().skip(1).map(|next| next.first_row).chain([i64::MAX]);
        for (partition, end) in partitions.iter().zip(ends) {
            if partition.first_row <= last && end > first {
                partition.rewrite(&transaction)?;
            }
        }
        transaction.commit()?;
        (self.is_unclean, self.is_settled) = (true, false);
        Ok(())
    }

    /// The sessions of the conversations that a selection takes.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn sessions_of(&self, selection: &Selection) -> Result<BTreeSet<u32>, Error> {
        let mut statement = self
            .connection
            .prepare("SELECT row, start, attributes, session, user FROM conversations WHERE session <> 0")?;
        let mut rows = statement.query([])?;
        let mut sessions = BTreeSet::new();
        while let Some(row) = rows.next()? {
            let session = row.get(3)?;
            if selection.fits(row.get(0)?, row.get(1)?, row.get(2)?, session, row.get(4)?) {
                sessions.insert(session);
            }
        }
        Ok(sessions)
    }

    /// The connection, to bring about what else does not happen.
    #[cfg(test)]
    pub(crate) fn connection_for_tests(&self) -> &Connection {
        &self.connection
    }

    /// Bytes of the database with its log.
    #[must_use]
    pub fn size(&self) -> u64 {
        size_on_disk(&self.path)
    }
}

/// Bytes of a database with its log.
pub(super) fn size_on_disk(path: &Path) -> u64 {
    let size = |suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        std::fs::metadata(PathBuf::from(name)).map_or(0, |file| file.len())
    };
    size("") + size("-wal")
}

/// Empties the write-ahead log of a database at once or not at all; whether it is empty now.
///
/// # Errors
/// The database cannot be written.
pub fn truncate_log(connection: &Connection) -> Result<bool, Error> {
    // Readers are not waited for here: batches would wait with us.
    connection.busy_timeout(Duration::ZERO)?;
    let busy = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0));
    connection.busy_timeout(Duration::from_secs(5))?;
    Ok(busy? == 0)
}

fn insert(connection: &Connection, partition: &Partition, new: &New<'_>) -> Result<(), Error> {
    let captured = new.captured;
    let previous: Option<i64> = match captured.prefix {
        Some(prefix) => connection
            .prepare_cached("SELECT row FROM conversations WHERE list = ?1 ORDER BY row DESC LIMIT 1")?
            .query_row([prefix.as_slice()], |row| row.get(0))
            .optional()?,
        None => None,
    };
    let redactions: BTreeMap<&str, u32> =
        captured.redactions.iter().filter(|(_, count)| *count > 0).map(|(name, count)| (&**name, *count)).collect();
    let redactions =
        if redactions.is_empty() { String::new() } else { serde_json::to_string(&redactions).unwrap_or_default() };
    connection
        .prepare_cached(
            "INSERT INTO conversations (row, start, attributes, session, user, messages, earlier, previous, logged, stored,
             flags, redactions, list) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        )?
        .execute((
            new.row,
            new.start,
            new.attributes,
            new.session,
            new.user,
            captured.messages,
            captured.earlier,
            previous.unwrap_or(0),
            captured.logged_bytes,
            new.body.len(),
            (if captured.is_cut { CUT } else { 0 }) | (if captured.is_anew { ANEW } else { 0 }),
            redactions,
            captured.list.as_slice(),
        ))?;
    connection
        .prepare_cached(&format!("INSERT INTO bodies_{} (row, data) VALUES (?1, ?2)", partition.id))?
        .execute((new.row, new.body))?;
    Ok(())
}

/// Patterns and counts of the column `redactions`.
pub(super) fn redactions(text: &str) -> BTreeMap<String, u64> {
    serde_json::from_str(text).unwrap_or_default()
}

pub(super) fn fact<T: rusqlite::types::FromSql>(connection: &Connection, key: &str) -> Result<Option<T>, Error> {
    let mut statement = connection.prepare_cached("SELECT value FROM facts WHERE key = ?1")?;
    Ok(statement.query_row([key], |row| row.get(0)).optional()?)
}

fn set_fact(connection: &Connection, key: &str, value: impl rusqlite::ToSql) -> Result<(), Error> {
    connection.prepare_cached("INSERT OR REPLACE INTO facts (key, value) VALUES (?1, ?2)")?.execute((key, value))?;
    Ok(())
}

/// What is encrypted under the key, so that another one is noticed before anything is lost under it.
fn check_key(connection: &Connection, codec: &Codec, path: &Path) -> Result<(), Error> {
    let is_empty: bool = connection.query_row("SELECT NOT EXISTS (SELECT 1 FROM partitions)", [], |row| row.get(0))?;
    let fits = key_fits(connection, codec, path);
    if fits.is_err() && !is_empty {
        return fits.map(|_| ());
    }
    if matches!(fits, Ok(true)) {
        return Ok(());
    }
    if codec.is_encrypting() {
        set_fact(connection, "key_check", codec.key_check()?)
    } else {
        connection.execute("DELETE FROM facts WHERE key = 'key_check'", [])?;
        Ok(())
    }
}

/// Whether something was encrypted under this key before; an error where it was under another one.
pub(super) fn key_fits(connection: &Connection, codec: &Codec, path: &Path) -> Result<bool, Error> {
    match fact::<Vec<u8>>(connection, "key_check")? {
        None => Ok(false),
        Some(_) if !codec.is_encrypting() => Err(Error::NoKey(path.to_owned())),
        Some(check) => codec.open_json(&check).map(|_| true).map_err(|_| Error::WrongKey(path.to_owned())),
    }
}

/// The version of a database that this program may open; 0 for an empty one.
pub(super) fn check_identity(connection: &Connection, path: &Path) -> Result<i64, Error> {
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let (application, version) = (pragma("application_id")?, pragma("user_version")?);
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables > 0 && application != APPLICATION_ID {
        return Err(Error::Foreign(path.to_owned()));
    }
    if version > VERSION {
        return Err(Error::Newer { path: path.to_owned(), found: version, known: VERSION });
    }
    Ok(version)
}

fn set_up(connection: &Connection, path: &Path) -> Result<(), Error> {
    connection.busy_timeout(Duration::from_secs(5))?;
    let version = check_identity(connection, path)?;
    if version == 0 {
        connection.pragma_update(None, "page_size", 8192)?;
    }
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "secure_delete", "ON")?;
    connection.pragma_update(None, "cache_size", -4096)?;
    connection.pragma_update(None, "wal_autocheckpoint", 1000)?;
    connection.pragma_update(None, "journal_size_limit", 33_554_432)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    connection.set_prepared_statement_cache_capacity(32);
    if version == 0 {
        connection.execute_batch(&format!(
            "BEGIN IMMEDIATE;\n{}\nPRAGMA application_id = {APPLICATION_ID};\nPRAGMA user_version = {VERSION};\nCOMMIT;",
            include_str!("schema.sql")
        ))?;
    }
    // There are databases of this version without it.
    connection.execute_batch(
        "CREATE INDEX IF NOT EXISTS conversations_by_previous ON conversations (previous) WHERE previous <> 0",
    )?;
    Ok(())
}
