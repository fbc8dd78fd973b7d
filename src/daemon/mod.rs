//! The sidecar as a whole: checked configuration → built (opened, bound, nothing running) → running → drained.
//!
//! [`Daemon::build`] opens everything that can fail. [`Daemon::run`] starts the threads and tasks and ends them in the
//! order in which the data flows: the reader, the writer, and the web server last, so that the final scrape sees the end.

mod app;
mod availability;
mod figures;
mod imported;
mod key;
mod probing;
mod process;
mod reload;
mod reports;
mod sinks;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use self::app::Sidecar;
pub use self::imported::{Import, Imported, import, list as imported_prices, load_prices, remove as remove_prices};
pub use self::key::{load as load_privacy_key, load_made as load_made_privacy_key};
use self::probing::{LookPrices, Prober};
pub use self::reload::{LoadConfig, Loader};
use crate::clock::Clock;
use crate::config::{self, Config, SessionIds};
use crate::content::{self, Capturer, Codec};
use crate::ledger::writer::{Handle, Writer};
use crate::ledger::{self, DataDir, Ledger};
use crate::meter::Meter;
use crate::pipeline::{Feed, Prices, Reader, Stop, Wake};
use crate::probe::Probe;
use crate::{format, pricing, tail, web};

/// The longest that draining may take before what is left is given up: it is read again at the next start.
const DRAIN: Duration = Duration::from_secs(8);
/// How long tasks beside the draining may take to end, and looks that have ended to be handed over.
const LAST_WORK: Duration = Duration::from_secs(1);
/// A day in microseconds.
const DAY: i64 = 86_400_000_000;
/// Lists of messages that are known again after a start.
const KNOWN_LISTS: usize = 100_000;
/// How long a first start may keep the metrics back while it reads history.
const FIRST_READ: Duration = Duration::from_secs(60);

/// Why the sidecar cannot start or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
    /// Price files.
    #[error("read the prices:\n{}", .0.iter().map(|problem| format!("  {problem}")).collect::<Vec<_>>().join("\n"))]
    Prices(Vec<pricing::Problem>),
    /// An imported price file cannot be kept or taken out.
    #[error("{action} the imported prices {path}: {source}")]
    Import {
        /// What was tried.
        action: &'static str,
        /// Which copy.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A price file cannot be imported under its name.
    #[error("import {0}: its name must be text of at most 200 bytes that does not begin with a dot; rename it")]
    ImportName(PathBuf),
    /// A source's format.
    #[error(transparent)]
    Format(#[from] format::Error),
    /// A source's path.
    #[error(transparent)]
    Tail(#[from] tail::Error),
    /// The web server.
    #[error(transparent)]
    Web(#[from] web::Error),
    /// A sink's files or settings cannot be used.
    #[error("build a sink: {0}")]
    Sink(#[from] crate::otlp::Error),
    /// The data directory cannot be made.
    #[error("make the data directory {path}: {source}")]
    DataDir {
        /// Which folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The pseudonyms' key.
    #[error("{action} the privacy key {path}: {source}")]
    Key {
        /// What was tried.
        action: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Targets of probes.
    #[error("build the probes:\n{0}")]
    Probes(config::Problems),
    /// A thread cannot be started.
    #[error("start the reader: {0}")]
    Thread(std::io::Error),
    /// There is nothing to read and nothing to look at.
    #[error(
        "find something to do: no log and no target is configured; name a log as in `--log higress=/var/log/higress/access.log` or under `sources:` in --config, or a target as in `--probe chat=http://127.0.0.1:3210/` or under `probes:`"
    )]
    NothingToDo,
}

impl Error {
    /// Whether the user has to change something: exit code 2 rather than 1.
    #[must_use]
    pub fn is_misuse(&self) -> bool {
        match self {
            Error::Ledger(error) => error.is_misuse(),
            Error::Thread(_) | Error::Import { .. } => false,
            Error::Prices(_)
            | Error::ImportName(_)
            | Error::DataDir { .. }
            | Error::Format(_)
            | Error::Tail(_)
            | Error::Web(_)
            | Error::Sink(_)
            | Error::Key { .. }
            | Error::Probes(_)
            | Error::NothingToDo => true,
        }
    }
}

/// Opened and bound; nothing runs yet.
#[derive(Debug)]
pub struct Daemon {
    reader: Reader,
    wake: Wake,
    woken: Receiver<()>,
    writer: Writer,
    probes: Vec<Probe>,
    look_prices: LookPrices,
    bound: web::Bound,
    app: Arc<Sidecar>,
    loader: Loader,
    config: Config,
    hangup: Option<tokio::signal::unix::Signal>,
    sinks: sinks::Built,
}

/// The ledger, the meter and the prices of a configuration, opened: what `run` and `ingest` share.
#[derive(Debug)]
pub struct Opened {
    /// The ledger.
    pub ledger: Ledger,
    /// The meter, restored.
    pub meter: Arc<Mutex<Meter>>,
    /// The price table in force.
    pub table: Arc<pricing::Table>,
    /// The ledger's ids of its rows.
    pub price_ids: Vec<u32>,
    /// How people and secrets are kept out of the ledger.
    pub privacy: ledger::Privacy,
}

/// Where the ledger lives by this configuration.
#[must_use]
pub fn data_dir(config: &Config) -> DataDir {
    match config.data_dir.path() {
        Some(path) => DataDir::Path(std::path::absolute(path).unwrap_or_else(|_| path.to_owned())),
        None => DataDir::None,
    }
}

/// Opens the ledger for writing, with prices and pseudonyms.
///
/// # Errors
/// See [`Error`].
pub fn open(config: &Config, clock: &Clock) -> Result<Opened, Error> {
    let table = Arc::new(load_prices(config)?);
    let folder = data_dir(config);
    let key = key::load(config.privacy.key_file.as_deref(), &folder)?;
    let meter = Arc::new(Mutex::new(Meter::new(config.meter.clone())));
    let privacy = ledger::Privacy { key, hash_sessions: config.privacy.session_ids == SessionIds::Hashed };
    let options = ledger::Options {
        data_dir: folder,
        privacy: privacy.clone(),
        rollup_seconds: figures::rollup_seconds(&config.timezone, clock.now()),
        timezone: config.timezone.clone(),
        sessions: config.sessions.clone(),
        content: content::Keeping { key: content_key(config)?, index_encrypted: config.content.index_encrypted },
        clock: clock.clone(),
    };
    let mut ledger = Ledger::open(options, Arc::clone(&meter))?;
    let rows: Vec<(String, String)> = table.rows().iter().map(|row| (row.id(), row.to_json())).collect();
    let price_ids = ledger.keep_price_rows(rows.iter().map(|(id, json)| (id.as_str(), json.clone())))?;
    Ok(Opened { ledger, meter, table, price_ids, privacy })
}

/// The key under which content is encrypted, if it is.
///
/// # Errors
/// Its file cannot be used.
pub fn content_key(config: &Config) -> Result<Option<content::Key>, Error> {
    let file = config.content.encryption_key_file.as_deref();
    Ok(file.map(content::Key::read).transpose().map_err(ledger::Error::from)?)
}

/// What captures for the reader; it knows what is stored already.
///
/// # Errors
/// The key of the content cannot be read, or the ledger.
pub fn capturer(config: &Config, privacy: &ledger::Privacy, ledger: &Ledger) -> Result<Capturer, Error> {
    let codec = Codec::build(content_key(config)?.as_ref()).map_err(ledger::Error::from)?;
    let known = ledger.known_lists(KNOWN_LISTS)?;
    Ok(Capturer::build(&config.content, codec, &privacy.key, known.into_iter().rev()))
}

/// The decoders of a configuration's sources, in their order, as the reader wants them.
///
/// # Errors
/// A source's format is unknown.
pub fn feeds(config: &Config) -> Result<Vec<(String, String, Feed)>, Error> {
    // Without a data directory nothing that was said could be kept.
    let is_kept = config.data_dir.path().is_some();
    let feed = |source: &config::Source| {
        let dimensions = source.format.dimensions.iter().map(|dimension| dimension.name.clone()).collect();
        let content = is_kept && config.content.capture.may_cover(&source.tail.name);
        let format = format::Config { content, ..source.format.clone() };
        let feed = Feed { decoder: format::Decoder::build(&format)?, dimensions };
        Ok((source.tail.name.clone(), source.tail.path.clone(), feed))
    };
    config.sources.iter().map(feed).collect()
}

/// The stored positions of a ledger. One that cannot be read is an error: to begin anew would count twice.
///
/// # Errors
/// The ledger cannot be read.
pub fn positions(ledger: &Ledger) -> Result<Vec<tail::Position>, Error> {
    let read = |json: &String| {
        serde_json::from_str(json).map_err(|error| ledger::Error::Stored(format!("a position in a log: {error}")))
    };
    Ok(ledger.positions()?.iter().map(read).collect::<Result<_, _>>()?)
}

impl Daemon {
    /// Opens and binds everything that a configuration names. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// See [`Error`]; nothing runs then.
    pub async fn build(config: Config, loader: Loader, clock: Clock) -> Result<Daemon, Error> {
        if !config.has_work() {
            return Err(Error::NothingToDo);
        }
        let probes = config.build_probes(&clock).map_err(Error::Probes)?;
        let hangup = reload::catch_hangup();
        // Bound first: a second instance must fail on its address before it waits for the ledger's lock.
        let bound = web::bind(&config.web).await?;
        let sinks = sinks::build(&config.sinks, &clock)?;
        let key = content_key(&config)?;
        let Opened { mut ledger, meter, table, price_ids, privacy } = open(&config, &clock)?;
        ledger.keep_configuration(&config.without_secrets())?;
        ledger.keep_targets(&config.target_definitions(), &config.sla)?;
        let now = clock.now();
        for (name, tokens) in ledger.probe_tokens(now - now.rem_euclid(DAY))? {
            probes.iter().filter(|probe| **probe.name() == *name).for_each(|probe| probe.resume(now, tokens));
        }
        // Without a log there is no history that would keep the metrics back.
        let is_first = !config.sources.is_empty() && ledger.is_new()?;
        let tails = config.sources.iter().map(|source| source.tail.clone()).collect();
        let tail = tail::Tail::new(tails, positions(&ledger)?)?;
        let look_prices = LookPrices { table: Arc::clone(&table), ids: price_ids.clone().into() };
        let prices = Prices::new(Arc::clone(&table), price_ids, config.pricing.mode);
        let capturer = capturer(&config, &privacy, &ledger)?;
        let reader = Reader::new(tail, feeds(&config)?, prices, capturer, clock.clone());
        let (wake, woken) = Wake::channel();
        let writer = Writer::start(ledger, config.retention.clone())?;
        let first_read = is_first.then(|| clock.instant() + FIRST_READ);
        let app = Arc::new(Sidecar::new(
            &config,
            (&table, privacy, key),
            meter,
            writer.handle(),
            reader.status(),
            first_read,
            clock,
        ));
        Ok(Daemon { reader, wake, woken, writer, probes, look_prices, bound, app, loader, config, hangup, sinks })
    }

    /// The addresses that people and scrapers use.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        self.bound.urls()
    }

    /// Runs until `shutdown`, then drains.
    ///
    /// # Errors
    /// The ledger is damaged, or the web server ended by itself.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), Error> {
        let Daemon { reader, wake, woken, writer, probes, look_prices, bound, app, loader, config, hangup, sinks } =
            self;
        let stop = Stop::default();
        let watch = CancellationToken::new();
        let serve = CancellationToken::new();
        let paths = Arc::new(Mutex::new(reader.tail().watch_paths()));
        let watching = tokio::spawn({
            let (paths, wake) = (Arc::clone(&paths), wake.clone());
            tail::watch::run(move || paths.lock().clone(), move || wake.wake(), watch.clone())
        });
        let (exchange, exchanged) = tokio::sync::mpsc::channel(1);
        // There is room for one.
        let _ = exchange.try_send(sinks);
        let (prober, delivering) = Prober::start(probes, look_prices, app.clock().clone(), writer.handle());
        let reload =
            reload::Reloader::new(loader, config, writer.handle(), wake.clone(), Arc::clone(&prober), exchange);
        app.set_reloader(Arc::clone(&reload));
        let reading = std::thread::Builder::new()
            .name("reader".to_owned())
            .spawn({
                let (stop, handle, reload, mut reader) = (stop.clone(), writer.handle(), Arc::clone(&reload), reader);
                move || {
                    let followed = reader.follow(&handle, &stop, &woken, |reader, handle| {
                        let reloaded = reload.apply(reader, handle)?;
                        if reloaded {
                            *paths.lock() = reader.tail().watch_paths();
                        }
                        Ok(())
                    });
                    reload.end();
                    followed
                }
            })
            .map_err(Error::Thread)?;
        let flush = CancellationToken::new();
        let sending = tokio::spawn(sinks::keep(Arc::clone(&app), writer.handle(), exchanged, flush.clone()));
        let gauging = tokio::spawn(figures::keep(Arc::clone(&app), watch.clone()));
        let reporting = tokio::spawn(reports::keep(Arc::clone(&app), watch.clone()));
        let mut serving = tokio::spawn(web::serve(bound, Arc::clone(&app) as Arc<dyn web::App>, serve.clone()));
        let hangup = tokio::spawn(reload::on_hangup(Arc::clone(&reload), hangup, watch.clone()));
        let handle = writer.handle();
        let ended = tokio::select! {
            () = shutdown.cancelled() => Ok(()),
            () = until_ended(&writer) => Ok(()),
            served = &mut serving => served.unwrap_or(Ok(())),
        };
        prober.stop();
        stop.stop();
        wake.wake();
        watch.cancel();
        // Nothing that is kept hangs on them: one that does not end in time, such as a watch whose thread is flooded with events,
        // ends with the process.
        let _ = tokio::time::timeout(LAST_WORK, async { tokio::join!(watching, gauging, hangup, reporting) }).await;
        if handle.failure().is_none() {
            let _ = tokio::time::timeout(LAST_WORK, delivering).await;
        }
        let drained = tokio::task::spawn_blocking({
            let handle = handle.clone();
            move || drain(reading, &handle)
        });
        // Whether everything read is committed: then the sinks can see it.
        let _ = drained.await;
        flush.cancel();
        let _ = sending.await;
        let stopped = tokio::task::spawn_blocking(move || {
            if handle.failure().is_some() {
                handle.give_up();
            }
            writer.stop().map(|_| ())
        });
        let written = stopped.await.unwrap_or(Ok(()));
        serve.cancel();
        if !serving.is_finished() {
            let _ = tokio::time::timeout(Duration::from_secs(2), &mut serving).await;
        }
        ended?;
        Ok(written?)
    }
}

/// Waits for the writer to end by itself, which it does only when it cannot go on.
async fn until_ended(writer: &Writer) {
    let mut tick = tokio::time::interval(Duration::from_millis(500));
    while !writer.has_ended() {
        tick.tick().await;
    }
}

/// Waits for the reader to end and for what it has read to be committed; a disk that takes nothing is given up after
/// [`DRAIN`].
fn drain(reading: std::thread::JoinHandle<Result<(), ledger::writer::Ended>>, handle: &Handle) {
    let slice = Duration::from_millis(20);
    let mut waited = Duration::ZERO;
    while !reading.is_finished() {
        if waited >= DRAIN || handle.failure().is_some() {
            handle.give_up();
        }
        std::thread::sleep(slice);
        waited += slice;
    }
    // The writer's own result says why the reader could not go on, if it could not.
    let _ = reading.join();
    while !handle.is_settled() && handle.failure().is_none() && waited < DRAIN {
        std::thread::sleep(slice);
        waited += slice;
    }
}

/// The most memory that a configuration can take, by part: what and bytes. An upper estimate of what is bounded; code,
/// stacks and the allocator's slack are in the last part.
#[must_use]
pub fn worst_case_memory(config: &Config) -> Vec<(&'static str, u64)> {
    const MIB: u64 = 1 << 20;
    let longest = config.sources.iter().map(|source| source.tail.max_line as u64).max().unwrap_or(0);
    let lines = config.meter.max_lines as u64;
    vec![
        // A line is held once raw and once more joined or decoded.
        ("longest line, raw and decoded", longest * 2),
        ("block buffers and positions of the tail", 2 * MIB),
        (
            "captured content: lists of messages, one request",
            8 * MIB + if config.content.capture.is_off() { 0 } else { config.content.max_size * 4 },
        ),
        ("batches: being filled, waiting, being written", 3 * (MIB * 3 + MIB)),
        ("duplicate window: 1,000,000 keys", 24 * MIB),
        ("dictionaries of the ledger", 12 * MIB),
        ("SQLite page cache and write-ahead index", 8 * MIB),
        ("rollups not written yet", 6 * MIB),
        ("metric series", lines * 250),
        // A look has its buffers only while it runs; few run at a time.
        ("targets of probes", config.probes.targets.len() as u64 * 64 * 1024),
        // Two at a time, each as it is rendered and as it is sent.
        ("pages of metrics under way", lines * 170 * 4),
        ("web connections", 256 * 32 * 1024),
        ("program, stacks, allocator", 16 * MIB),
    ]
}
