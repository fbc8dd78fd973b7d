//! `tokentail run`.

use std::io::Write as _;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::SourceArgs;
use super::output::Failure;
use crate::clock::Clock;
use crate::config::Config;
use crate::daemon::{self, Daemon, Loader};
use crate::ledger::DataDir;

pub(super) fn run(arguments: &SourceArgs) -> Result<(), Failure> {
    let config = arguments.load()?;
    let loader: Loader = Arc::new(arguments.clone());
    let runtime = runtime()?;
    let ended = runtime.block_on(async {
        serve(config, loader, CancellationToken::new(), |config, urls| {
            let mut out = std::io::stdout().lock();
            for url in urls {
                writeln!(out, "listening on {url}")?;
            }
            match daemon::data_dir(config) {
                DataDir::Path(folder) => writeln!(out, "ledger in {}", folder.display())?,
                DataDir::None => writeln!(out, "no ledger: counters live in memory")?,
            }
            for source in &config.sources {
                writeln!(out, "following {} as {}", source.tail.path, source.tail.name)?;
            }
            if config.sources.is_empty() {
                writeln!(out, "following no log: there are targets only, and no figures of requests")?;
            }
            for target in config.probes.targets.iter().filter(|target| target.enabled()) {
                writeln!(out, "looking at {} every {}s", target.name, target.interval.as_secs_f64())?;
            }
            out.flush()
        })
        .await
    });
    // All that has to end in order has ended.
    runtime.shutdown_background();
    ended
}

/// Two threads serve what waits on the network; reading and writing have threads of their own.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("failed to start the runtime: {error}")))
}

/// Builds, announces and runs the sidecar until a signal or `shutdown`.
pub(super) async fn serve(
    config: Config,
    loader: Loader,
    shutdown: CancellationToken,
    announce: impl FnOnce(&Config, &[String]) -> std::io::Result<()>,
) -> Result<(), Failure> {
    let daemon = Daemon::build(config.clone(), loader, Clock::system()).await?;
    // Whoever reads the address may end the process at once.
    let signals = catch_signals();
    announce(&config, &daemon.urls())?;
    let signals = tokio::spawn(until_signal(signals, shutdown.clone()));
    let ended = daemon.run(shutdown.clone()).await;
    shutdown.cancel();
    let _ = signals.await;
    Ok(ended?)
}

/// Catches SIGTERM and SIGINT from now on; one that comes before somebody waits for it is kept.
pub(super) fn catch_signals() -> Option<[Signal; 2]> {
    let caught =
        signal(SignalKind::terminate()).and_then(|terminate| Ok([terminate, signal(SignalKind::interrupt())?]));
    if caught.is_err() {
        tracing::warn!("signals cannot be caught: the process ends without draining, and nothing is lost by it");
    }
    caught.ok()
}

/// Cancels at SIGTERM or SIGINT.
pub(super) async fn until_signal(signals: Option<[Signal; 2]>, shutdown: CancellationToken) {
    let Some([mut terminate, mut interrupt]) = signals else { return };
    tokio::select! {
        _ = terminate.recv() => tracing::info!("SIGTERM: draining"),
        _ = interrupt.recv() => tracing::info!("SIGINT: draining"),
        () = shutdown.cancelled() => {}
    }
    shutdown.cancel();
}
