//! `tokentail ledger`: copy, check, shrink, describe.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use super::ConfigArgs;
use super::output::{self, Failure, grouped};
use crate::clock::Clock;
use crate::daemon;
use crate::ledger::{Check, DataDir, Error, Info, LEDGER_FILE, backup};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Copy the ledger while it is in use
    Backup(Backup),
    /// Check the ledger against itself: pages, dictionaries, rollups, counters, adjustments, sessions, targets
    Check(Plain),
    /// Give free space back to the disk; needs the ledger to itself
    Compact(Plain),
    /// Say what is inside
    Info(Plain),
}

#[derive(Debug, Args)]
pub(super) struct Plain {
    #[command(flatten)]
    config: ConfigArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Backup {
    #[command(flatten)]
    plain: Plain,
    /// The copy; must not exist
    file: PathBuf,
}

impl Plain {
    fn folder(&self) -> Result<PathBuf, Failure> {
        let folder = daemon::data_dir(&self.config.load()?);
        folder.check()?;
        match folder {
            DataDir::Path(folder) => Ok(folder),
            DataDir::None => Err(Failure::misuse("--data-dir none keeps no ledger")),
        }
    }
}

pub(super) fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Backup(arguments) => run_backup(arguments),
        Command::Check(arguments) => check(arguments),
        Command::Compact(arguments) => compact(arguments),
        Command::Info(arguments) => info(arguments),
    }
}

fn run_backup(arguments: &Backup) -> Result<(), Failure> {
    let show = std::io::stderr().is_terminal();
    let bytes = backup(&arguments.plain.folder()?, &arguments.file, |done, total| {
        if show && total > 0 {
            // Progress that cannot be shown is no reason to stop.
            let _ = write!(std::io::stderr(), "\r{} %", done * 100 / total);
        }
    })?;
    if show {
        let _ = write!(std::io::stderr(), "\r\x1b[K");
    }
    if arguments.plain.json {
        return output::json(&json!({"file": arguments.file, "bytes": bytes}));
    }
    writeln!(std::io::stdout(), "copied {} to {}", output::bytes(bytes), arguments.file.display())?;
    Ok(())
}

fn check(arguments: &Plain) -> Result<(), Failure> {
    let report = Check::run(&arguments.folder()?)?;
    if arguments.json {
        output::json(&json!({"path": report.path, "ok": report.is_ok(), "findings": report.findings}))?;
    } else {
        let paint = output::Paint(output::wants_colour());
        let mut out = std::io::stdout().lock();
        for finding in &report.findings {
            let state = if finding.ok { paint.good("ok  ") } else { paint.bad("BAD ") };
            writeln!(out, "{state} {:<32} {}", finding.check, output::one_line(&finding.detail))?;
        }
    }
    if report.is_ok() { Ok(()) } else { Err(Failure::failed(format!("{} does not agree with itself", report.path))) }
}

fn compact(arguments: &Plain) -> Result<(), Failure> {
    let folder = arguments.folder()?;
    if !folder.join(LEDGER_FILE).exists() {
        return Err(Error::Missing(folder.join(LEDGER_FILE)).into());
    }
    let mut opened = daemon::open(&arguments.config.load()?, &Clock::system())?;
    let (before, after) = opened.ledger.compact()?;
    if arguments.json {
        return output::json(&json!({"bytes_before": before, "bytes_after": after}));
    }
    writeln!(std::io::stdout(), "{} before, {} after", output::bytes(before), output::bytes(after))?;
    Ok(())
}

fn info(arguments: &Plain) -> Result<(), Failure> {
    let info = Info::read(&arguments.folder()?)?;
    if arguments.json {
        return output::json(&info);
    }
    let mut out = std::io::stdout().lock();
    let mut line = |name: &str, value: String| writeln!(out, "{name:<22} {value}");
    line("ledger", info.path.clone())?;
    line("schema version", info.version.to_string())?;
    line("size", format!("{} ({} free inside)", output::bytes(info.bytes), output::bytes(info.free_bytes)))?;
    line("write-ahead log", output::bytes(info.log_bytes))?;
    line("requests", grouped(info.requests))?;
    if let (Some(first), Some(last)) = (info.first_start, info.last_start) {
        line("from", output::time(first))?;
        line("to", output::time(last))?;
    }
    if let Some(per_request) = info.bytes.saturating_sub(info.free_bytes).checked_div(info.requests) {
        line("bytes per request", per_request.to_string())?;
    }
    line("rows not folded yet", info.unfolded.to_string())?;
    for (table, count) in &info.tables {
        line(table, grouped(*count))?;
    }
    for (source, counts) in &info.sources {
        let lines = grouped(counts.lines);
        let (requests, duplicates) = (grouped(counts.requests), grouped(counts.duplicates));
        let skipped = grouped(counts.skipped.iter().sum::<u64>());
        let rejected = grouped(counts.rejected.iter().sum::<u64>());
        let text = format!(
            "{lines} lines: {requests} requests, {skipped} skipped, {rejected} rejected, {duplicates} duplicates"
        );
        line(&format!("source {source}"), text)?;
    }
    for target in &info.targets {
        let span = |from: Option<i64>, to: Option<i64>| match (from, to) {
            (Some(from), Some(to)) => format!(" from {} to {}", output::time(from), output::time(to)),
            _ => String::new(),
        };
        let results = format!("{} looks{}", grouped(target.results), span(target.first_result, target.last_result));
        let known = span(target.known_from, target.known_to);
        let known = if known.is_empty() { "nothing known yet".to_owned() } else { format!("known{known}") };
        let text = format!("{results}; {known}; {} outages, {} notes", grouped(target.outages), grouped(target.notes));
        line(&format!("target {}", output::one_line(&target.name)), text)?;
    }
    Ok(())
}
