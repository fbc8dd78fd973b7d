//! `tokentail relay`: Alertmanager's notifications become messages of chat robots.

use std::io::Write as _;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::output::{self, Failure};
use super::run::{catch_signals, runtime, until_signal};
use super::{ConfigArgs, SourceArgs};
use crate::clock::Clock;
use crate::config;
use crate::relay::{self, Handle, Relay};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Configuration file (YAML) with the section `relay`
    #[arg(long, env = "TOKENTAIL_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address to listen on; default: relay.listen, which is 127.0.0.1:13211
    #[arg(long, env = "TOKENTAIL_LISTEN", value_name = "ADDR")]
    listen: Option<String>,
    /// Send one firing and one resolved alert, made up, to this receiver, print what its robot says, and end
    #[arg(long, value_name = "RECEIVER")]
    test: Option<String>,
    /// Print JSON
    #[arg(long, requires = "test")]
    json: bool,
}

impl Arguments {
    fn read(&self) -> Result<relay::Config, config::Problems> {
        let arguments = SourceArgs {
            config: ConfigArgs { config: self.config.clone(), data_dir: None },
            listen: self.listen.iter().cloned().collect(),
            ..SourceArgs::default()
        };
        let config = arguments.read()?;
        let mut relay = config.relay;
        if self.listen.is_some()
            && let Some(address) = config.web.listen.first()
        {
            relay.listen.clone_from(address);
        }
        Ok(relay)
    }
}

impl From<relay::Error> for Failure {
    fn from(error: relay::Error) -> Failure {
        Failure { code: if error.is_misuse() { 2 } else { 1 }, message: format!("failed to {error}") }
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let config = arguments.read()?;
    let runtime = runtime()?;
    match &arguments.test {
        Some(name) => {
            let (is_accepted, answer) = runtime.block_on(relay::send_sample(&config, name, &Clock::system()))?;
            if arguments.json {
                output::json(&json!({"receiver": name, "accepted": is_accepted, "answer": answer}))?;
            } else {
                writeln!(std::io::stdout().lock(), "{name}: {}", output::one_line(&answer))?;
            }
            if is_accepted { Ok(()) } else { Err(Failure::failed("the test message was not delivered")) }
        }
        None => runtime.block_on(serve(arguments, &config)),
    }
}

async fn serve(arguments: &Arguments, config: &relay::Config) -> Result<(), Failure> {
    let relay = Relay::build(config, Clock::system()).await?;
    // Whoever reads the address may end the process at once.
    let (signals, hangup) = (catch_signals(), signal(SignalKind::hangup()));
    let mut out = std::io::stdout().lock();
    for url in relay.urls() {
        writeln!(out, "listening on {url}")?;
        for receiver in &config.receivers {
            writeln!(out, "posting {url}alerts/{} to {}", receiver.name, receiver.kind.label())?;
        }
    }
    out.flush()?;
    drop(out);
    let shutdown = CancellationToken::new();
    let handle = relay.handle();
    let signals = tokio::spawn(until_signal(signals, shutdown.clone()));
    let reload = async {
        match hangup {
            Ok(mut hangup) => {
                while hangup.recv().await.is_some() {
                    take_again(arguments, &handle);
                }
            }
            Err(error) => tracing::warn!("SIGHUP cannot be caught, so nothing is reloaded: {error}"),
        }
        std::future::pending::<()>().await;
    };
    let ended = tokio::select! {
        ended = relay.run(shutdown.clone()) => ended,
        () = reload => Ok(()),
    };
    shutdown.cancel();
    let _ = signals.await;
    Ok(ended?)
}

/// A configuration that cannot be used keeps the old one.
fn take_again(arguments: &Arguments, handle: &Handle) {
    let loaded = arguments.read().map_err(|problems| problems.to_string());
    match loaded.and_then(|config| handle.reload(&config).map_err(|error| error.to_string())) {
        Ok(waiting) if waiting.is_empty() => tracing::info!("the configuration was reloaded"),
        Ok(waiting) => tracing::warn!("the configuration was reloaded, but for {}: restart", waiting.join(", ")),
        Err(error) => tracing::error!("the new configuration cannot be used, the old one stays: {error}"),
    }
}
