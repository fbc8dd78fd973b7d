//! The sinks of a configuration run, come and go.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::app::Sidecar;
use crate::clock::Clock;
use crate::ledger::writer::{Ended, Handle};
use crate::ledger::{SinkStart, SinkState};
use crate::meter::SinkGauges;
use crate::otlp::delivery::Delivery;
use crate::otlp::feed::{Captured, LedgerFeed};
use crate::otlp::{Config, Error, Exporter, From, Reason};

/// How long a sink may go on sending when it is stopped.
const GRACE: Duration = Duration::from_secs(3);
/// How often a new sink looks whether the history that was found at the first start has been read.
const HISTORY_TICK: Duration = Duration::from_millis(200);

/// What the page shows of the sinks.
pub(super) fn gauges(sinks: &BTreeMap<String, SinkState>) -> BTreeMap<String, SinkGauges> {
    let gauges = |state: &SinkState| {
        let failed = Reason::ALL.iter().map(|reason| {
            let count = state.counts.failed.get(reason.index()).copied().unwrap_or(0);
            (reason.label(), count)
        });
        SinkGauges {
            exported: state.counts.exported,
            rejected: state.counts.rejected,
            expired: state.counts.expired,
            failed: failed.collect(),
            pending: state.pending,
        }
    };
    sinks.iter().map(|(name, state)| (name.clone(), gauges(state))).collect()
}

/// Sinks with their exporters.
pub(super) type Built = Vec<(Config, Exporter)>;

/// Makes the exporters of all sinks, which reads the files that they name.
///
/// # Errors
/// The first sink that cannot be built.
pub(super) fn build(configs: &[Config], clock: &Clock) -> Result<Built, Error> {
    configs.iter().map(|config| Ok((config.clone(), Exporter::build(config, clock.clone())?))).collect()
}

#[derive(Debug)]
struct Running {
    config: Config,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// The running sinks.
#[derive(Debug)]
pub(super) struct Sinks {
    folder: Option<PathBuf>,
    writer: Handle,
    running: BTreeMap<String, Running>,
}

impl Sinks {
    /// None yet. `folder` is the ledger's; without one there is nothing to send.
    pub(super) fn new(folder: Option<PathBuf>, writer: Handle) -> Sinks {
        Sinks { folder, writer, running: BTreeMap::new() }
    }

    /// Starts what is new, stops what is gone, and starts anew what has changed. Within the tokio runtime.
    ///
    /// # Errors
    /// The ledger's writer has ended.
    async fn exchange(&mut self, built: Built, app: &Arc<Sidecar>) -> Result<(), Ended> {
        self.writer.set_exemplars(built.first().map(|(config, _)| config.trace))?;
        let same =
            |running: &Running, built: &[(Config, Exporter)]| built.iter().any(|(config, _)| *config == running.config);
        let gone: Vec<String> =
            self.running.iter().filter(|(_, running)| !same(running, &built)).map(|(name, _)| name.clone()).collect();
        for name in gone {
            if let Some(running) = self.running.remove(&name) {
                stop(running).await;
                self.writer.leave_sink(&name)?;
            }
        }
        for (config, exporter) in built {
            if self.running.contains_key(&config.name) {
                continue;
            }
            let Some(folder) = self.folder.clone() else {
                tracing::warn!(sink = config.name, "without a data directory nothing is kept that could be sent");
                continue;
            };
            let stop = CancellationToken::new();
            let run = run(config.clone(), exporter, folder, self.writer.clone(), Arc::clone(app), stop.clone());
            self.running.insert(config.name.clone(), Running { config, stop, task: tokio::spawn(run) });
        }
        Ok(())
    }

    /// Stops all: what waits is sent once more.
    async fn stop(&mut self) {
        for running in self.running.values() {
            running.stop.cancel();
        }
        for (_, running) in std::mem::take(&mut self.running) {
            stop(running).await;
        }
    }
}

/// Runs the sinks that come through `built`, each time instead of those before, until `end`.
pub(super) async fn keep(app: Arc<Sidecar>, writer: Handle, mut built: Receiver<Built>, end: CancellationToken) {
    let mut sinks = Sinks::new(app.folder(), writer);
    loop {
        let next = tokio::select! {
            () = end.cancelled() => break,
            next = built.recv() => next,
        };
        let Some(next) = next else { break };
        // A writer that has ended has said why.
        if sinks.exchange(next, &app).await.is_err() {
            break;
        }
    }
    sinks.stop().await;
}

async fn stop(running: Running) {
    running.stop.cancel();
    // A sink that panicked has logged it.
    let _ = running.task.await;
}

async fn run(
    config: Config,
    exporter: Exporter,
    folder: PathBuf,
    writer: Handle,
    app: Arc<Sidecar>,
    stop: CancellationToken,
) {
    // A sink that begins now does not send the history that a first start finds.
    let is_known = crate::ledger::knows_sink(&folder, &config.name).unwrap_or(false);
    while config.from == From::Now && !is_known && !app.has_read_history() {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(HISTORY_TICK) => {}
        }
    }
    let wake = Arc::new(Notify::new());
    let opened = tokio::task::spawn_blocking({
        let (config, waker, app) = (config.clone(), Arc::clone(&wake), Arc::clone(&app));
        move || {
            let start = match config.from {
                From::Now => SinkStart::Now,
                From::Start => SinkStart::Oldest,
            };
            writer.wake_on_commit(&waker);
            let position = writer.use_sink(&config.name, start).map_err(|error| error.to_string())?;
            let content = config.content.then(|| Captured { folder: folder.clone(), key: app.content_key().cloned() });
            LedgerFeed::open(&config.name, config.trace, &folder, writer, position, content)
                .map_err(|error| error.to_string())
        }
    });
    match opened.await {
        Ok(Ok(feed)) => {
            let delivery = Delivery {
                name: config.name,
                feed,
                export: exporter,
                batch_size: config.batch_size,
                wake,
                stop,
                grace: GRACE,
            };
            delivery.run().await;
        }
        Ok(Err(error)) => {
            tracing::error!(sink = config.name, error, "the sink cannot read the ledger and does not run")
        }
        Err(error) => tracing::error!(sink = config.name, %error, "the sink could not be started"),
    }
}
