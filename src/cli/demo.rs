//! `tokentail demo`: the whole product on a made-up gateway log and a made-up chat service, in a temporary folder.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio_util::sync::CancellationToken;

use super::output::{self, Failure, Paint};
use super::run::{runtime, serve};
use crate::clock::Clock;
use crate::config::{self, Config, Overrides, Problems};
use crate::daemon::{self, LoadConfig};
use crate::demo::chat::Chat;
use crate::demo::traffic::{Live, Traffic};
use crate::demo::{self, Looks, Workspace};

/// Days of history.
const DAYS: u32 = 30;
/// Lines of history.
const LINES: usize = 120_000;
/// The target that is probed.
const TARGET: &str = "chat";
/// Looks of the past that are written in one transaction.
const LOOKS_AT_ONCE: usize = 32_768;
/// How often live lines are written.
const BEAT: Duration = Duration::from_millis(250);

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Address to listen on
    #[arg(long, env = "TOKENTAIL_LISTEN", default_value = "127.0.0.1:13210", value_name = "ADDR")]
    listen: String,
    /// Seed of the made-up company: the same seed gives the same month
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
}

/// The configuration of the demo, which a reload reads again unchanged.
#[derive(Debug)]
struct DemoConfig {
    overrides: Overrides,
}

impl LoadConfig for DemoConfig {
    fn load(&self) -> Result<Config, Problems> {
        config::parse(Path::new("demo.yaml"), demo::CONFIG)?.apply(&self.overrides)
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let clock = Clock::system();
    let mut workspace = Workspace::create().map_err(|error| Failure::failed(format!("failed to {error}")))?;
    let now = clock.now();
    workspace
        .write_history(Traffic::new(arguments.seed, now, DAYS, LINES))
        .map_err(|error| Failure::failed(format!("failed to {error}")))?;
    runtime()?.block_on(async {
        let chat = Chat::bind(arguments.seed, clock.clone())
            .await
            .map_err(|error| Failure::failed(format!("failed to start the made-up chat service: {error}")))?;
        let chat_url = format!("http://{}/", chat.address());
        let config = Arc::new(DemoConfig {
            overrides: Overrides {
                logs: vec![(Some("higress".to_owned()), workspace.log().display().to_string())],
                probes: vec![(TARGET.to_owned(), format!("{chat_url}api/v1/health"))],
                listen: vec![arguments.listen.clone()],
                data_dir: Some(workspace.path().join("data").display().to_string()),
                // With OTEL_EXPORTER_OTLP_ENDPOINT the demo's traces can be looked at as well.
                opentelemetry: super::opentelemetry(),
                ..Overrides::default()
            },
        });
        let checked = config.load()?;
        look_back(&checked, arguments.seed, &clock)?;
        let shutdown = CancellationToken::new();
        let chatting = tokio::spawn(chat.serve(shutdown.clone()));
        let folder = workspace.path().to_owned();
        let living = tokio::task::spawn_blocking({
            let (shutdown, clock, seed) = (shutdown.clone(), clock.clone(), arguments.seed);
            move || live(&mut workspace, seed, &clock, &shutdown)
        });
        let served = serve(checked, config, shutdown.clone(), |_, urls| announce(urls, &chat_url, &folder)).await;
        shutdown.cancel();
        let _ = chatting.await;
        // The folder goes with the workspace, which lives in that task.
        let lived = living.await.unwrap_or(Ok(()));
        served?;
        lived.map_err(|error| Failure::failed(format!("failed to {error}")))
    })
}

/// Puts into the ledger what probes found in the past.
fn look_back(config: &Config, seed: u64, clock: &Clock) -> Result<(), Failure> {
    let mut ledger = daemon::open(config, clock)?.ledger;
    ledger.keep_targets(&config.target_definitions(), &config.sla)?;
    let mut looks = Looks::new(seed, TARGET, clock.now(), DAYS);
    loop {
        let some: Vec<_> = looks.by_ref().take(LOOKS_AT_ONCE).collect();
        if some.is_empty() {
            return Ok(());
        }
        ledger.observe_probes(&some)?;
    }
}

/// Writes live lines until the end.
fn live(workspace: &mut Workspace, seed: u64, clock: &Clock, shutdown: &CancellationToken) -> Result<(), demo::Error> {
    let mut traffic = Live::new(seed);
    while !shutdown.is_cancelled() {
        let due = traffic.due(clock.now());
        if !due.is_empty() {
            workspace.append(&due)?;
        }
        std::thread::sleep(BEAT);
    }
    Ok(())
}

fn announce(urls: &[String], chat: &str, folder: &Path) -> std::io::Result<()> {
    let paint = Paint(output::wants_colour());
    let mut out = std::io::stdout().lock();
    writeln!(out, "tokentail demo: a made-up company's gateway, 30 days of history and live traffic\n")?;
    for url in urls {
        let url = url.trim_end_matches('/');
        writeln!(out, "  page      {}", paint.bold(&format!("{url}/")))?;
        writeln!(out, "  metrics   {}", paint.bold(&format!("{url}/metrics")))?;
    }
    writeln!(out, "  chat      {chat}  (a made-up service that sometimes fails)")?;
    writeln!(out, "  folder    {}  (removed at the end)\n", folder.display())?;
    writeln!(out, "end it with Ctrl-C")?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_has_budgets_and_a_rate_to_show() {
        let config = DemoConfig { overrides: Overrides::default() }.load().unwrap();
        assert_eq!((config.pricing.budgets.len(), config.pricing.rates.len()), (4, 1));
    }
}
