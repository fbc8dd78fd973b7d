//! Opening a ledger: folder, lock, version, and what an earlier process left to fold.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use parking_lot::Mutex;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::availability::Availability;
use super::duplicates::{Duplicates, WINDOW};
use super::fold::{Folds, teach_to_add};
use super::intern::{Interner, Privacy};
use super::measure;
use super::migrate::migrate;
use super::part_columns::Packing;
use super::row;
use super::session::SessionFold;
use super::sink::Sinks;
use super::tally::Tally;
use super::user_days::PackedDays;
use crate::clock::Clock;
use crate::content::{Keeping, Store};
use crate::meter::{Dirty, Meter};
use crate::session::id::Grouping;

/// Name of the database in the data directory.
pub const LEDGER_FILE: &str = "ledger.db";
const LOCK_FILE: &str = "ledger.lock";
/// Version of the schema that this program writes.
pub const SCHEMA_VERSION: i64 = 4;
/// `application_id` of the database: "tokt".
const APPLICATION_ID: i64 = 0x746f_6b74;

/// Where the ledger lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataDir {
    /// A folder, made when it is missing.
    Path(PathBuf),
    /// Nothing is stored; counters live in memory.
    None,
}

impl DataDir {
    /// Checks that no file is where the folder should be. One that is missing is fine.
    ///
    /// # Errors
    /// [`Error::NotAFolder`].
    pub fn check(&self) -> Result<(), Error> {
        match self {
            DataDir::Path(path) if path.exists() && !path.is_dir() => Err(Error::NotAFolder(path.clone())),
            DataDir::Path(_) | DataDir::None => Ok(()),
        }
    }
}

/// Why the ledger cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is none.
    #[error("open the ledger {0}: there is none; `tokentail run` or `tokentail ingest` makes one")]
    Missing(PathBuf),
    /// Another process writes it.
    #[error("lock the ledger in {path}: process {holder} is writing it; stop it first, or use another --data-dir")]
    Locked {
        /// Data directory.
        path: PathBuf,
        /// Process id, as the lock file says.
        holder: String,
    },
    /// A file is where the folder should be.
    #[error("use {0} as data directory: it is a file; name a folder")]
    NotAFolder(PathBuf),
    /// It lies on a network filesystem.
    #[error(
        "use {path} as data directory: {kind} is a network filesystem, on which SQLite's locks and syncs do not hold; use a local disk"
    )]
    Network {
        /// Data directory.
        path: PathBuf,
        /// Name of the filesystem.
        kind: &'static str,
    },
    /// A newer program wrote it.
    #[error(
        "open the ledger {path}: it has version {found} and this program knows {SCHEMA_VERSION}; use the newer tokentail, or restore the copy that was made before the upgrade"
    )]
    Newer {
        /// Database.
        path: PathBuf,
        /// Its version.
        found: i64,
    },
    /// An older program wrote it, and it is only to be read.
    #[error(
        "open the ledger {path}: it has version {found}, and this program reads version {SCHEMA_VERSION}; `tokentail run` brings it to that, after making a copy"
    )]
    Older {
        /// Database.
        path: PathBuf,
        /// Its version.
        found: i64,
    },
    /// It is another program's database.
    #[error("open the ledger {0}: it is not a tokentail ledger; use another --data-dir")]
    Foreign(PathBuf),
    /// It is damaged.
    #[error(
        "read the ledger {path}: it is damaged ({message}); run `tokentail ledger check`, and restore a backup or move the file away: it is never replaced by itself"
    )]
    Corrupt {
        /// Database.
        path: PathBuf,
        /// What SQLite says.
        message: String,
    },
    /// The disk is full.
    #[error("write the ledger: the disk is full ({0})")]
    Full(String),
    /// The disk or the folder cannot be written now.
    #[error("write the ledger: {0}")]
    Unwritable(String),
    /// A file cannot be read or written.
    #[error("{action} {path}: {source}")]
    File {
        /// What was tried.
        action: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Anything else that SQLite says.
    #[error("use the ledger: {0}")]
    Database(String),
    /// A question took too long and was cut.
    #[error("answer from the ledger: it took too long and was cut; ask for less time or fewer groups")]
    TooSlow,
    /// A question has too many groups to be held in memory.
    #[error("answer from the ledger: more than {0} groups; ask for less time or fewer columns")]
    TooManyGroups(usize),
    /// The text that says where a page goes on is none of this list.
    #[error("read the cursor: it is none of this list; begin with the first page")]
    Cursor,
    /// The captured conversations.
    #[error(transparent)]
    Content(#[from] crate::content::Error),
    /// A stored value cannot be understood.
    #[error("read the ledger: {0}")]
    Stored(String),
}

impl Error {
    /// Whether the same step may succeed later without anybody changing the ledger: nothing was lost, try again.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Error::Content(error) => error.is_passing(),
            other => matches!(other, Error::Full(_) | Error::Unwritable(_)),
        }
    }

    /// Whether the user has to change something before anything can be done: exit code 2 rather than 1.
    #[must_use]
    pub fn is_misuse(&self) -> bool {
        matches!(
            self,
            Error::Missing(_)
                | Error::Locked { .. }
                | Error::NotAFolder(_)
                | Error::Network { .. }
                | Error::Newer { .. }
                | Error::Older { .. }
                | Error::Foreign(_)
        )
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Error {
        let message = error.to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::OperationInterrupted) => Error::TooSlow,
            Some(ErrorCode::DiskFull) => Error::Full(message),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Error::Corrupt { path: PathBuf::new(), message }
            }
            Some(
                ErrorCode::SystemIoFailure
                | ErrorCode::ReadOnly
                | ErrorCode::CannotOpen
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::PermissionDenied,
            ) => Error::Unwritable(message),
            _ => Error::Database(message),
        }
    }
}

pub(super) fn at(path: &Path) -> impl FnOnce(rusqlite::Error) -> Error + '_ {
    move |error| match Error::from(error) {
        Error::Corrupt { message, .. } => Error::Corrupt { path: path.to_owned(), message },
        other => other,
    }
}

/// How a writer wants the ledger.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where.
    pub data_dir: DataDir,
    /// Pseudonyms of users and consumers.
    pub privacy: Privacy,
    /// Seconds of a rollup's bucket: [`super::ROLLUP_HOUR`], or 900 where the time zone's offset is no whole hour.
    pub rollup_seconds: i64,
    /// Whose days rollups are summed by.
    pub timezone: TimeZone,
    /// Reads time for marks and audit.
    pub clock: Clock,
    /// When sessions end, and how many are held open.
    pub sessions: crate::session::Config,
    /// How captured conversations are kept, if there are any.
    pub content: Keeping,
}

/// The ledger, opened for writing. One process holds it at a time.
#[derive(Debug)]
pub struct Ledger {
    pub(super) connection: Connection,
    pub(super) path: Option<PathBuf>,
    pub(super) clock: Clock,
    pub(super) interner: Interner,
    pub(super) duplicates: Duplicates,
    pub(super) folds: Folds,
    pub(super) session_fold: SessionFold,
    pub(super) packing: Packing,
    pub(super) user_days: PackedDays,
    pub(super) rollup_days: PackedDays,
    pub(super) availability: Availability,
    pub(super) session_config: crate::session::Config,
    pub(super) sinks: Sinks,
    /// Which traces exemplars name; `None` where only the gateway's own are known.
    pub(super) exemplars: Option<Grouping>,
    /// The captured conversations, where there are any.
    pub(super) content: Option<Store>,
    pub(super) keeping: Keeping,
    /// The write-ahead log may hold names that were erased.
    pub(super) is_unclean: bool,
    pub(super) meter: Arc<Mutex<Meter>>,
    pub(super) next_row: i64,
    pub(super) tally: Tally,
    /// Held for its lock.
    _lock: Option<File>,
}

impl Ledger {
    /// Opens or makes a ledger and folds what an earlier process committed and did not fold.
    ///
    /// `meter` is restored from the ledger; it must be new.
    ///
    /// # Errors
    /// See [`Error`]; a damaged ledger is reported, never replaced.
    pub fn open(options: Options, meter: Arc<Mutex<Meter>>) -> Result<Ledger, Error> {
        let (connection, path, lock) = match &options.data_dir {
            DataDir::None => {
                let connection = Connection::open_in_memory()?;
                set_up(&connection, None)?;
                (connection, None, None)
            }
            DataDir::Path(folder) => {
                fs::create_dir_all(folder).map_err(file("make the data directory", folder))?;
                refuse_network(folder)?;
                let lock = lock(folder)?;
                let path = folder.join(LEDGER_FILE);
                let connection = Connection::open(&path).map_err(at(&path))?;
                check_identity(&connection, &path)?;
                set_up(&connection, Some(&path)).map_err(|error| name_path(error, &path))?;
                (connection, Some(path), Some(lock))
            }
        };
        let place = path.clone().unwrap_or_default();
        let mut ledger = Ledger {
            interner: Interner::load(&connection, options.privacy).map_err(|error| name_path(error, &place))?,
            duplicates: Duplicates::new(WINDOW),
            folds: Folds::load(&connection, options.rollup_seconds, options.timezone, path.is_some())
                .map_err(|error| name_path(error, &place))?,
            session_fold: SessionFold::load(&connection, &options.sessions, options.clock.now())
                .map_err(|error| name_path(error, &place))?,
            packing: Packing::load(&connection).map_err(|error| name_path(error, &place))?,
            user_days: PackedDays::load(&connection, "user_days").map_err(|error| name_path(error, &place))?,
            rollup_days: PackedDays::load(&connection, "rollup_columns").map_err(|error| name_path(error, &place))?,
            availability: Availability::load(&connection).map_err(|error| name_path(error, &place))?,
            session_config: options.sessions,
            sinks: Sinks::default(),
            exemplars: None,
            content: None,
            keeping: options.content,
            // Where an earlier process was killed its log may hold what was erased.
            is_unclean: path.is_some(),
            next_row: 1,
            tally: Tally::default(),
            clock: options.clock,
            meter,
            connection,
            path,
            _lock: lock,
        };
        ledger.resume().map_err(|error| name_path(error, &place))?;
        if let DataDir::Path(folder) = &options.data_dir {
            ledger.content = Store::open_existing(folder, &ledger.keeping, ledger.next_row - 1)?;
        }
        Ok(ledger)
    }

    fn resume(&mut self) -> Result<(), Error> {
        let last: i64 = self.connection.query_row("SELECT coalesce(max(id), 0) FROM requests", [], |row| row.get(0))?;
        // Retention may have removed the last rows; their ids are never given again.
        self.next_row = last.max(self.folds.mark) + 1;
        {
            let mut meter = self.meter.lock();
            let mut statement = self.connection.prepare("SELECT family, labels, value FROM series")?;
            let stored = statement
                .query_map([], |row| Ok(Dirty { family: row.get(0)?, labels: row.get(1)?, value: row.get(2)? }))?;
            for dirty in stored {
                meter.restore(&dirty?).map_err(|error| Error::Stored(format!("a metric series: {error}")))?;
            }
            meter.restored();
        }
        let window = i64::try_from(WINDOW).unwrap_or(i64::MAX);
        let known = &mut self.duplicates;
        row::each(&self.connection, last - window, last, |row, _| {
            known.insert(row.key);
            Ok(())
        })?;
        self.replay_closures()?;
        self.fold_missing(last)
    }

    /// Folds the rows that were committed after the last written fold.
    fn fold_missing(&mut self, last: i64) -> Result<(), Error> {
        let mut from = self.folds.mark;
        while from < last {
            let rows = row::read_range(&self.connection, from, from + 8_192)?;
            for row in &rows {
                let attributes = self.interner.attributes(&self.connection, row.attributes)?;
                let tools = self.interner.tools(&self.connection, row.tools)?;
                self.meter.lock().observe(row, &attributes, &tools, None, None);
                self.replay_session(row, u32::try_from(tools.len()).unwrap_or(u32::MAX))?;
                self.folds.kinds.know(&self.connection, row.price_row)?;
                self.folds.observe(row, attributes.service_tier);
            }
            from += 8_192;
            self.folds.mark = from.min(last);
            if self.folds.is_large() {
                self.write_folds()?;
            }
        }
        Ok(())
    }

    /// Rows ever written.
    #[must_use]
    pub fn rows(&self) -> u64 {
        u64::try_from(self.next_row - 1).unwrap_or(0)
    }

    /// Whether nothing was ever read into this ledger.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn is_new(&self) -> Result<bool, Error> {
        let seen: bool = self.connection.query_row(
            "SELECT EXISTS (SELECT 1 FROM files) OR EXISTS (SELECT 1 FROM sources)",
            [],
            |row| row.get(0),
        )?;
        Ok(self.next_row == 1 && !seen)
    }

    /// Stored positions, as JSON.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn positions(&self) -> Result<Vec<String>, Error> {
        let mut statement = self.connection.prepare("SELECT position FROM files ORDER BY file")?;
        let positions = statement.query_map([], |row| row.get(0))?;
        Ok(positions.collect::<Result<_, _>>()?)
    }

    /// Totals per source.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn sources(&self) -> Result<Vec<(String, crate::meter::SourceCounts)>, Error> {
        read_sources(&self.connection)
    }

    /// Path of the database; `None` in memory.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// What was committed since the ledger was opened.
    #[must_use]
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Keeps price rows with the time they were first seen; returns their ids in the order given.
    ///
    /// # Errors
    /// The ledger cannot be written.
    pub fn keep_price_rows<'a>(&mut self, rows: impl Iterator<Item = (&'a str, String)>) -> Result<Vec<u32>, Error> {
        let now = self.clock.now();
        let transaction = self.connection.transaction()?;
        let mut ids = Vec::new();
        {
            let mut insert = transaction.prepare(
                "INSERT INTO price_rows (digest, row, first_seen) VALUES (?1, ?2, ?3) ON CONFLICT (digest) DO NOTHING",
            )?;
            let mut select = transaction.prepare("SELECT id FROM price_rows WHERE digest = ?1")?;
            for (digest, json) in rows {
                insert.execute((digest, json, now))?;
                ids.push(select.query_row([digest], |row| row.get(0))?);
            }
        }
        transaction.commit()?;
        Ok(ids)
    }

    /// Keeps an accepted configuration, without secrets, if it is not the last one kept.
    ///
    /// # Errors
    /// The ledger cannot be written.
    pub fn keep_configuration(&mut self, content: &str) -> Result<(), Error> {
        self.connection.execute(
            "INSERT INTO configurations (accepted, content) SELECT ?1, ?2
             WHERE ?2 IS NOT (SELECT content FROM configurations ORDER BY id DESC LIMIT 1)",
            (self.clock.now(), content),
        )?;
        Ok(())
    }
}

pub(super) fn read_sources(connection: &Connection) -> Result<Vec<(String, crate::meter::SourceCounts)>, Error> {
    let mut statement = connection.prepare("SELECT source, counts FROM sources ORDER BY source")?;
    let mut rows = statement.query([])?;
    let mut sources = Vec::new();
    while let Some(row) = rows.next()? {
        let (source, counts): (String, String) = (row.get(0)?, row.get(1)?);
        let counts =
            serde_json::from_str(&counts).map_err(|error| Error::Stored(format!("counts of {source}: {error}")))?;
        sources.push((source, counts));
    }
    Ok(sources)
}

pub(super) fn name_path(error: Error, path: &Path) -> Error {
    match error {
        Error::Corrupt { path: unnamed, message } if unnamed.as_os_str().is_empty() => {
            Error::Corrupt { path: path.to_owned(), message }
        }
        other => other,
    }
}

pub(super) fn file<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(std::io::Error) -> Error + 'a {
    move |source| Error::File { action, path: path.to_owned(), source }
}

/// Opens a ledger for reading beside a writer.
///
/// # Errors
/// See [`Error`].
pub(super) fn open_for_reading(folder: &Path) -> Result<(Connection, PathBuf), Error> {
    let path = folder.join(LEDGER_FILE);
    if !path.exists() {
        return Err(Error::Missing(path));
    }
    // A reader of a WAL database needs its shared-memory file, so the folder is opened for writing where it may be.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(&path, flags)
        .or_else(|_| {
            Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        })
        .map_err(at(&path))?;
    connection.busy_timeout(Duration::from_secs(5)).map_err(at(&path))?;
    let version = check_identity(&connection, &path)?;
    if version < SCHEMA_VERSION {
        return Err(Error::Older { path, found: version });
    }
    connection.pragma_update(None, "query_only", true).map_err(at(&path))?;
    Ok((connection, path))
}

/// The version of a ledger that this program may open; 0 for an empty one.
fn check_identity(connection: &Connection, path: &Path) -> Result<i64, Error> {
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).map_err(at(path));
    let (application, version) = (pragma("application_id")?, pragma("user_version")?);
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(at(path))?;
    if tables > 0 && application != APPLICATION_ID {
        return Err(Error::Foreign(path.to_owned()));
    }
    if version > SCHEMA_VERSION {
        return Err(Error::Newer { path: path.to_owned(), found: version });
    }
    Ok(version)
}

fn set_up(connection: &Connection, path: Option<&Path>) -> Result<(), Error> {
    connection.busy_timeout(Duration::from_secs(5))?;
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version == 0 {
        connection.pragma_update(None, "page_size", 8192)?;
    }
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "cache_size", -2048)?;
    connection.pragma_update(None, "wal_autocheckpoint", 2000)?;
    connection.pragma_update(None, "journal_size_limit", 33_554_432)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    connection.set_prepared_statement_cache_capacity(64);
    teach_to_add(connection)?;
    if version == 0 {
        let measures = measure::columns(|column| format!("{column} INTEGER NOT NULL"));
        let schema =
            include_str!("schema.sql").replace("{measures}", &measures).replace("{folds}", include_str!("folds.sql"))
                + include_str!("sessions.sql")
                + include_str!("packed.sql")
                + include_str!("availability.sql")
                + include_str!("probe_use.sql")
                + include_str!("audit.sql");
        connection.execute_batch(&format!(
            "BEGIN IMMEDIATE;\n{schema}\nPRAGMA application_id = {APPLICATION_ID};\nPRAGMA user_version = {SCHEMA_VERSION};\nCOMMIT;"
        ))?;
    } else if let Some(path) = path.filter(|_| version < SCHEMA_VERSION) {
        migrate(connection, path, version)?;
    }
    Ok(())
}

/// The process that writes the ledger of a folder at this moment, as its lock file names it; `None` where nobody does.
#[must_use]
pub fn holder(folder: &Path) -> Option<String> {
    let mut lock = File::open(folder.join(LOCK_FILE)).ok()?;
    // A shared lock is given back at once with the file.
    match rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockShared) {
        Err(rustix::io::Errno::WOULDBLOCK) => {
            let mut holder = String::new();
            lock.read_to_string(&mut holder).ok()?;
            Some(holder.trim().to_owned())
        }
        Ok(()) | Err(_) => None,
    }
}

/// Takes the writer's lock; it is given back when the file is closed, also by `kill -9`.
fn lock(folder: &Path) -> Result<File, Error> {
    let path = folder.join(LOCK_FILE);
    let mut lock = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(file("open the lock file", &path))?;
    match rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => {
            let mut holder = String::new();
            let _ = lock.read_to_string(&mut holder);
            let holder = holder.trim();
            let holder = if holder.is_empty() { "another" } else { holder };
            return Err(Error::Locked { path: folder.to_owned(), holder: holder.to_owned() });
        }
        Err(error) => return Err(Error::File { action: "lock", path, source: error.into() }),
    }
    lock.set_len(0).map_err(file("write the lock file", &path))?;
    lock.rewind().map_err(file("write the lock file", &path))?;
    writeln!(lock, "{}", std::process::id()).map_err(file("write the lock file", &path))?;
    Ok(lock)
}

/// Refuses the filesystems of `statfs(2)` on which locks or syncs are known not to hold.
fn refuse_network(folder: &Path) -> Result<(), Error> {
    const NETWORK: [(i128, &str); 8] = [
        (0x6969, "NFS"),
        (0x517b, "SMB"),
        (0xff53_4d42, "CIFS"),
        (0xfe53_4d42, "SMB2"),
        (0x0102_1997, "9P"),
        (0x00c3_6400, "Ceph"),
        (0x5346_414f, "AFS"),
        (0x0bd0_0bd0, "Lustre"),
    ];
    let Ok(stat) = rustix::fs::statfs(folder) else { return Ok(()) };
    let found = i128::from(stat.f_type) & 0xffff_ffff;
    match NETWORK.iter().find(|(magic, _)| *magic == found) {
        Some((_, kind)) => Err(Error::Network { path: folder.to_owned(), kind }),
        None => Ok(()),
    }
}

/// Copies a ledger while it is in use; the copy is whole and as of one moment.
///
/// # Errors
/// There is no ledger, the target exists, or the copy cannot be written.
pub fn backup(folder: &Path, target: &Path, progress: impl FnMut(u64, u64)) -> Result<u64, Error> {
    let (source, _) = open_for_reading(folder)?;
    copy(&source, target, progress)
}

/// Copies a database to a file that does not exist yet; returns its bytes.
pub(super) fn copy(source: &Connection, target: &Path, mut progress: impl FnMut(u64, u64)) -> Result<u64, Error> {
    // Made exclusively first: an existing file is never overwritten, not even by two backups at once.
    OpenOptions::new().write(true).create_new(true).open(target).map_err(file("make the backup", target))?;
    let copied = (|| {
        let mut copy = Connection::open(target).map_err(at(target))?;
        {
            let backup = rusqlite::backup::Backup::new(source, &mut copy)?;
            loop {
                let step = backup.step(256)?;
                let state = backup.progress();
                let total = u64::try_from(state.pagecount).unwrap_or(0);
                progress(total - u64::try_from(state.remaining).unwrap_or(0), total);
                match step {
                    rusqlite::backup::StepResult::Done => break,
                    rusqlite::backup::StepResult::Busy | rusqlite::backup::StepResult::Locked => {
                        std::thread::sleep(Duration::from_millis(20));
                    }
                    _ => {}
                }
            }
        }
        copy.pragma_update(None, "journal_mode", "delete")?;
        drop(copy);
        let copy = File::open(target).map_err(file("sync the backup", target))?;
        copy.sync_all().map_err(file("sync the backup", target))?;
        Ok(copy.metadata().map_err(file("read the backup", target))?.len())
    })();
    if copied.is_err() {
        let _ = fs::remove_file(target);
    }
    copied
}
