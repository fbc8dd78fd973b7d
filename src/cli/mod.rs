//! The commands: flags in, text or JSON out, exit codes.
//!
//! Human text and JSON go to standard output, logs and progress to standard error. Exit codes: 0 done, 1 failed while
//! running, 2 wrong use or configuration, and then nothing was changed. The only place that reads the environment.

mod check;
mod conversations;
mod conversations_text;
mod demo;
mod explain;
mod export;
mod figures;
mod health;
mod import;
mod ingest;
mod ledger;
mod metrics;
mod output;
mod prices;
mod probe;
mod relay;
mod report;
mod report_cost;
mod report_reconcile;
mod report_sla;
mod run;
mod scope;
mod sessions;
mod time;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::Resettable;
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use self::output::Failure;
use crate::config::{self, Config, Overrides};
use crate::{format, tail};

/// Tokens, cost, latency and errors of an LLM gateway, read from its log.
#[derive(Debug, Parser)]
#[command(name = "tokentail", version, about, long_about = LONG_ABOUT, disable_help_subcommand = true, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// How much is logged to standard error: error, warn, info, debug or trace, also per module
    #[arg(long, global = true, env = "TOKENTAIL_LOG_LEVEL", default_value = "info", value_name = "LEVEL", value_parser = parse_log_level)]
    log_level: String,
    /// Form of the log on standard error
    #[arg(long, global = true, env = "TOKENTAIL_LOG_FORMAT", default_value = "text", value_enum)]
    log_format: LogFormat,
}

const LONG_ABOUT: &str = "Tokens, cost, latency and errors of an LLM gateway, read from its log.\n\n\
    tokentail stands beside a gateway, tails its log and never touches a request. It keeps every request in a ledger, \
    prices it exactly, and shows what it counts as Prometheus metrics.";

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum LogFormat {
    /// Lines for people
    Text,
    /// One JSON object a line
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the sidecar: follow logs, keep the ledger, serve metrics
    #[command(
        after_help = "Example: tokentail run --log higress=/var/log/higress/access.log --data-dir /var/lib/tokentail"
    )]
    Run(SourceArgs),
    /// Run the whole product on a made-up gateway and chat service
    Demo(demo::Arguments),
    /// Count finished logs through the pipeline of run, then print a summary
    Ingest(ingest::Arguments),
    /// Explain line by line what is read, what it costs and why; writes nothing
    Explain(explain::Arguments),
    /// Check the configuration and report every problem at once
    Check(check::Arguments),
    /// Print the catalogue of metrics and the closed lists of reasons
    Metrics(metrics::Arguments),
    /// Look at the price table in force, add price files to it, price stored requests anew
    #[command(subcommand)]
    Prices(prices::Command),
    /// Look at sessions: a list of them, or one turn by turn
    #[command(subcommand)]
    Sessions(sessions::Command),
    /// Captured conversations: look, search, erase; `tokentail export conversations` writes them
    #[command(subcommand)]
    Conversations(conversations::Command),
    /// Figures by group and period
    #[command(subcommand)]
    Report(report::Command),
    /// Requests, sessions and charges as files for other programs
    #[command(subcommand)]
    Export(export::Command),
    /// Look at a target from outside
    #[command(subcommand)]
    Probe(probe::Command),
    /// Copy, check, shrink or describe the ledger
    #[command(subcommand)]
    Ledger(ledger::Command),
    /// Turn Alertmanager's notifications into messages of DingTalk, WeCom and Feishu robots; a process of its own
    #[command(after_help = "Example: tokentail relay --config tokentail.yaml --test ops")]
    Relay(relay::Arguments),
    /// Ask a running instance whether it lives; for container health checks
    Health(health::Arguments),
}

/// Where the configuration comes from: what `run`, `check`, `ingest` and others share.
#[derive(Clone, Debug, Default, Args)]
struct ConfigArgs {
    /// Configuration file (YAML); `tokentail check --print-default` prints a commented one
    #[arg(long, env = "TOKENTAIL_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder of the ledger, or `none` to keep nothing; default: $STATE_DIRECTORY, else ./data
    #[arg(long, env = "TOKENTAIL_DATA_DIR", value_name = "DIR")]
    data_dir: Option<String>,
}

/// The flags of `run`.
#[derive(Clone, Debug, Default, Args)]
struct SourceArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// A log to follow, a path or a glob, with its format; may be given several times
    #[arg(long = "log", env = "TOKENTAIL_LOG", value_name = "[FORMAT=]PATH", value_delimiter = None)]
    logs: Vec<String>,
    /// Where to begin in files never seen before; default: start, or end with --data-dir none
    #[arg(long, env = "TOKENTAIL_FROM", value_enum)]
    from: Option<From>,
    /// A target to look at every 15 s, an http, https or tcp address with its name; may be given several times
    #[arg(long = "probe", env = "TOKENTAIL_PROBE", value_name = "NAME=URL", value_delimiter = None)]
    probes: Vec<String>,
    /// Address to listen on; may be given several times; default: 127.0.0.1:13210
    #[arg(long, env = "TOKENTAIL_LISTEN", value_name = "ADDR", value_delimiter = ',')]
    listen: Vec<String>,
    /// Web configuration file of the Prometheus exporter-toolkit: TLS and basic auth
    #[arg(long, env = "TOKENTAIL_WEB_CONFIG", value_name = "FILE")]
    web_config: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum From {
    /// Their first byte, rotated files included
    Start,
    /// Their present end
    End,
}

impl ConfigArgs {
    /// The configuration of file and environment, without logs from flags.
    fn load(&self) -> Result<Config, Failure> {
        SourceArgs { config: self.clone(), ..SourceArgs::default() }.load()
    }
}

/// How lines are read that a command names a format for: as the configured source of that name, else by that format.
fn line_format(config: &Config, name: &str) -> format::Config {
    let configured = config.sources.iter().find(|source| source.tail.name == name);
    configured.map_or_else(
        || format::Config {
            format: name.to_owned(),
            dimensions: config.dimensions.clone(),
            ..format::Config::default()
        },
        |source| source.format.clone(),
    )
}

impl SourceArgs {
    /// The configuration of file, flags and environment.
    fn load(&self) -> Result<Config, Failure> {
        Ok(self.read()?)
    }

    fn read(&self) -> Result<Config, config::Problems> {
        let config = match &self.config.config {
            Some(file) => config::load(file)?,
            None => Config::default(),
        };
        config.apply(&Overrides {
            logs: self.logs.iter().map(|text| config::split_log(text)).collect(),
            from: self.from.map(|from| match from {
                From::Start => tail::From::Start,
                From::End => tail::From::End,
            }),
            probes: self.probes.iter().map(|text| config::split_probe(text)).collect(),
            roots_file: roots_file(),
            listen: self.listen.clone(),
            data_dir: self.config.data_dir.clone(),
            state_directory: state_directory(),
            web_config: self.web_config.clone(),
            opentelemetry: opentelemetry(),
        })
    }
}

impl crate::daemon::LoadConfig for SourceArgs {
    fn load(&self) -> Result<Config, config::Problems> {
        self.read()
    }
}

fn opentelemetry() -> BTreeMap<String, String> {
    let variables =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    variables.filter(|(name, _)| name.starts_with("OTEL_")).collect()
}

#[expect(clippy::disallowed_methods, reason = "the command line is where the environment is read")]
fn state_directory() -> Option<String> {
    std::env::var("STATE_DIRECTORY").ok().filter(|folder| !folder.is_empty())
}

/// As OpenSSL and what follows it read it; an empty one names nothing.
#[expect(clippy::disallowed_methods, reason = "the command line is where the environment is read")]
fn roots_file() -> Option<PathBuf> {
    std::env::var_os("SSL_CERT_FILE").filter(|file| !file.is_empty()).map(PathBuf::from)
}

/// A command whose flags take nothing from variables that are empty: those count as unset, as a container's manifest
/// leaves them where nothing was filled in.
#[expect(clippy::disallowed_methods, reason = "the command line is where the environment is read")]
fn without_empty_variables(command: clap::Command) -> clap::Command {
    let is_empty = |name: &OsStr| std::env::var_os(name).is_some_and(|value| value.is_empty());
    command
        .mut_args(|flag| if flag.get_env().is_some_and(is_empty) { flag.env(Resettable::Reset) } else { flag })
        .mut_subcommands(without_empty_variables)
}

/// Reads the command line, runs the command and says how it ended.
#[must_use]
pub fn main() -> ExitCode {
    let command = without_empty_variables(Cli::command());
    let cli = match command.try_get_matches().and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => {
            let wrong_use = error.use_stderr();
            // A closed pipe is no reason to fail a second time.
            let _ = error.print();
            return ExitCode::from(if wrong_use { 2 } else { 0 });
        }
    };
    log_to_stderr(&cli.log_level, cli.log_format);
    let ended = match cli.command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Ingest(arguments) => ingest::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Metrics(arguments) => metrics::run(&arguments),
        Command::Prices(command) => prices::run(&command),
        Command::Sessions(command) => sessions::run(&command),
        Command::Conversations(command) => conversations::run(&command),
        Command::Report(command) => report::run(&command),
        Command::Export(command) => export::run(&command),
        Command::Probe(command) => probe::run(&command),
        Command::Ledger(command) => ledger::run(&command),
        Command::Relay(arguments) => relay::run(&arguments),
        Command::Health(arguments) => health::run(&arguments),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.message.is_empty() {
                let mut stderr = std::io::stderr().lock();
                let label = if stderr.is_terminal() { "\x1b[1;31merror:\x1b[0m" } else { "error:" };
                // There is nobody left to tell where standard error is closed.
                let _ = writeln!(stderr, "{label} {}", output::visible(&failure.message));
            }
            ExitCode::from(failure.code)
        }
    }
}

/// Levels as `info` or `warn,tokentail=debug`. A word that is no level would count as a module's name and silence the rest.
/// An empty one would let nothing but errors through.
fn parse_log_level(text: &str) -> Result<String, String> {
    let is_level = |word: &str| !word.trim().is_empty() && word.parse::<tracing::level_filters::LevelFilter>().is_ok();
    let words_are_levels = text.split(',').all(|word| word.contains('=') || is_level(word));
    if words_are_levels && tracing_subscriber::EnvFilter::try_new(text).is_ok() {
        Ok(text.to_owned())
    } else {
        Err("expected error, warn, info, debug or trace, also per module as in `warn,tokentail::tail=debug`".to_owned())
    }
}

fn log_to_stderr(level: &str, format: LogFormat) {
    let filter =
        tracing_subscriber::EnvFilter::try_new(level).unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    match format {
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => builder.json().init(),
    }
}

/// The whole command line as a table, for tests that walk it.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command()
}
