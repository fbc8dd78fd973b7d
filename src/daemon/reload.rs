//! A changed configuration takes effect without a restart; a bad one changes nothing.

use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::app::{InForce, Sidecar};
use super::probing::{LookPrices, Prober};
use super::sinks::{self, Built};
use super::{feeds, load_prices};
use crate::config::{self, Config};
use crate::content;
use crate::ledger::writer::{Ended, Handle};
use crate::pipeline::{Feed, Prices, Reader, Wake};
use crate::{tail, web};

/// How long the reader may take to take over a configuration.
const PATIENCE: Duration = Duration::from_secs(30);

/// Reads the configuration again: file, flags and environment.
pub type Loader = Arc<dyn LoadConfig>;

/// Something that reads the configuration again.
pub trait LoadConfig: Send + Sync + std::fmt::Debug {
    /// The configuration as it is now.
    ///
    /// # Errors
    /// Every problem of it.
    fn load(&self) -> Result<Config, config::Problems>;
}

/// What the reader is to take over.
struct Pending {
    tails: Vec<tail::Source>,
    sources: Vec<(String, String, Feed)>,
    prices: Prices,
    content: content::Config,
    answer: SyncSender<Result<(), String>>,
}

/// What waits for the reader.
#[derive(Default)]
struct Waiting {
    pending: Option<Pending>,
    /// The reader has ended and takes nothing over any more.
    ended: bool,
}

/// Why nothing can be reloaded any more.
const ENDING: &str = "the sidecar is ending";

/// Reloads, one at a time.
pub(super) struct Reloader {
    loader: Loader,
    config: Mutex<Config>,
    writer: Handle,
    wake: Wake,
    prober: Arc<Prober>,
    waiting: Mutex<Waiting>,
    app: Mutex<Weak<Sidecar>>,
    sinks: tokio::sync::mpsc::Sender<Built>,
    web: web::Settings,
}

impl std::fmt::Debug for Reloader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reloader").finish_non_exhaustive()
    }
}

impl Reloader {
    pub(super) fn new(
        loader: Loader,
        config: Config,
        writer: Handle,
        wake: Wake,
        prober: Arc<Prober>,
        sinks: tokio::sync::mpsc::Sender<Built>,
        web: web::Settings,
    ) -> Arc<Reloader> {
        Arc::new(Reloader {
            loader,
            config: Mutex::new(config),
            writer,
            wake,
            prober,
            waiting: Mutex::default(),
            app: Mutex::new(Weak::new()),
            sinks,
            web,
        })
    }

    pub(super) fn set_app(&self, app: &Arc<Sidecar>) {
        *self.app.lock() = Arc::downgrade(app);
    }

    /// Reads, checks and takes over the configuration; says what came of it.
    pub(super) fn reload(&self) -> Result<String, String> {
        let mut current = self.config.lock();
        let taken = self.take_over(&current);
        let Some(app) = self.app.lock().upgrade() else { return Err(ENDING.to_owned()) };
        match taken {
            Ok((config, in_force)) => {
                app.reloaded(Some(in_force));
                app.read_figures();
                let mut said = "the configuration was reloaded".to_owned();
                let restart = needs_restart(&current, &config);
                if !restart.is_empty() {
                    said.push_str(&format!("; changes of {} take effect at the next start", restart.join(", ")));
                }
                *current = config;
                tracing::info!("{said}");
                Ok(said)
            }
            Err(problem) => {
                app.reloaded(None);
                tracing::error!("the configuration was not reloaded, the old one stays in force: {problem}");
                Err(problem)
            }
        }
    }

    fn take_over(&self, current: &Config) -> Result<(Config, InForce), String> {
        let config = self.loader.load().map_err(|problems| problems.to_string())?;
        if !config.has_work() {
            return Err(super::Error::NothingToDo.to_string());
        }
        let told =
            |problems: Vec<web::Problem>| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        let problems = web::check(&config.web);
        if !problems.is_empty() {
            return Err(told(problems));
        }
        // Another data directory counts from the next start on, and so do the prices that were imported into it.
        let here = Config { data_dir: current.data_dir.clone(), ..config.clone() };
        let table = Arc::new(load_prices(&here).map_err(|error| error.to_string())?);
        let probes = config.build_probes(self.prober.clock()).map_err(|problems| problems.to_string())?;
        let sources = feeds(&config).map_err(|error| error.to_string())?;
        let clock = self.app.lock().upgrade().map(|app| app.clock().clone()).ok_or_else(|| ENDING.to_owned())?;
        let sinks = sinks::build(&config.sinks, &clock).map_err(|error| error.to_string())?;
        let ended = |error: Ended| error.to_string();
        let rows = table.rows().iter().map(|row| (row.id(), row.to_json())).collect();
        let ids = self.writer.keep_prices(rows).map_err(ended)?;
        let look_prices = LookPrices { table: Arc::clone(&table), ids: ids.clone().into() };
        let (answer, answered) = sync_channel(1);
        self.hand_over(Pending {
            tails: config.sources.iter().map(|source| source.tail.clone()).collect(),
            sources,
            prices: Prices::new(Arc::clone(&table), ids, config.pricing.mode),
            content: config.content.clone(),
            answer,
        })?;
        answered.recv_timeout(PATIENCE).map_err(|error| match error {
            RecvTimeoutError::Timeout => {
                "the reader is busy and did not take the configuration over; is the disk full?".to_owned()
            }
            RecvTimeoutError::Disconnected => ENDING.to_owned(),
        })??;
        // The addresses stay, and so do the names that they answer to.
        self.web.exchange(&web::Config { listen: current.web.listen.clone(), ..config.web.clone() }).map_err(told)?;
        self.sinks.blocking_send(sinks).map_err(|_| ENDING.to_owned())?;
        self.writer.keep_targets(config.target_definitions(), config.sla.clone()).map_err(ended)?;
        self.prober.exchange(probes, look_prices);
        self.writer.set_sessions(config.sessions.clone()).map_err(ended)?;
        self.writer.set_retention(config.retention.clone()).map_err(ended)?;
        self.writer.keep_configuration(config.without_secrets()).map_err(ended)?;
        let now = self.app.lock().upgrade().map_or(0, |app| app.clock().now());
        let in_force = InForce::new(&config, &table, now);
        Ok((config, in_force))
    }

    fn hand_over(&self, pending: Pending) -> Result<(), String> {
        let mut waiting = self.waiting.lock();
        if waiting.ended {
            return Err(ENDING.to_owned());
        }
        waiting.pending = Some(pending);
        drop(waiting);
        self.wake.wake();
        Ok(())
    }

    /// Called when the reader has ended: whoever waits for it, or asks later, is told at once, for the end waits for them.
    pub(super) fn end(&self) {
        *self.waiting.lock() = Waiting { pending: None, ended: true };
    }

    /// Called by the reader between two steps: takes over what is pending. Returns whether there was something.
    pub(super) fn apply(&self, reader: &mut Reader, writer: &Handle) -> Result<bool, Ended> {
        let Some(pending) = self.waiting.lock().pending.take() else { return Ok(false) };
        let taken = reader.reload(pending.tails, pending.sources, pending.prices, &pending.content, writer)?;
        // Whoever asked may have lost patience.
        let _ = pending.answer.try_send(taken.map_err(|error| error.to_string()));
        Ok(true)
    }
}

/// Parts of the configuration that differ and are read at the start only.
fn needs_restart(old: &Config, new: &Config) -> Vec<&'static str> {
    let mut parts = config::needs_restart(old, new);
    if old.meter != new.meter {
        parts.push("metrics");
    }
    if old.privacy != new.privacy {
        parts.push("privacy");
    }
    // What is encrypted is so as a whole, and so is its index.
    let keeping = |config: &Config| (config.content.encryption_key_file.clone(), config.content.index_encrypted);
    if keeping(old) != keeping(new) {
        parts.push("content.encryption_key_file and content.index_encrypted");
    }
    parts
}

/// Catches SIGHUP from now on; one that comes before somebody waits for it is kept. Uncaught it would end the process.
pub(super) fn catch_hangup() -> Option<Signal> {
    let caught = signal(SignalKind::hangup());
    if let Err(error) = &caught {
        tracing::warn!(%error, "SIGHUP cannot be caught; reload by POST /-/reload");
    }
    caught.ok()
}

/// Reloads at each SIGHUP until `end`.
pub(super) async fn on_hangup(reloader: Arc<Reloader>, hangup: Option<Signal>, end: CancellationToken) {
    let Some(mut hangup) = hangup else { return };
    loop {
        tokio::select! {
            () = end.cancelled() => return,
            received = hangup.recv() => {
                if received.is_none() {
                    return;
                }
                let reloader = Arc::clone(&reloader);
                // What came of it is logged.
                let _ = tokio::task::spawn_blocking(move || reloader.reload()).await;
            }
        }
    }
}
