//! `tokentail check`: everything that `run` would read, without running it.

use std::io::Write as _;

use clap::Args;
use serde_json::json;

use super::output::{self, Failure};
use super::{SourceArgs, config};
use crate::clock::Clock;
use crate::{daemon, web};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    sources: SourceArgs,
    /// Print the default configuration with comments, and check nothing
    #[arg(long)]
    print_default: bool,
    /// Print JSON
    #[arg(long, conflicts_with = "print_default")]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    if arguments.print_default {
        std::io::stdout().lock().write_all(config::DEFAULT.as_bytes())?;
        return Ok(());
    }
    let (config, mut problems) = match arguments.sources.read() {
        Ok(config) => (Some(config), Vec::new()),
        Err(problems) => (None, problems.to_string().lines().map(str::to_owned).collect()),
    };
    if let Some(config) = &config {
        // Receivers are work for `tokentail relay`.
        if !config.has_work() && config.relay.receivers.is_empty() {
            problems.push(format!("failed to {}", daemon::Error::NothingToDo));
        }
        match daemon::load_prices(config) {
            Ok(_) => {}
            Err(daemon::Error::Prices(found)) => problems.extend(found.iter().map(ToString::to_string)),
            Err(error) => problems.push(format!("failed to {error}")),
        }
        if let Err(found) = config.build_probes(&Clock::system()) {
            problems.extend(found.to_string().lines().map(str::to_owned));
        }
        problems.extend(web::check(&config.web).iter().map(ToString::to_string));
        if let Some(path) = config.privacy.key_file.as_deref()
            && let Err(error) = daemon::load_privacy_key(Some(path), &daemon::data_dir(config))
        {
            problems.push(format!("failed to {error}"));
        }
        if let Err(error) = daemon::content_key(config) {
            problems.push(format!("failed to {error}"));
        }
    }
    let captured = config.as_ref().map(captured).unwrap_or_default();
    let memory = config.as_ref().map(daemon::worst_case_memory).unwrap_or_default();
    let total: u64 = memory.iter().map(|(_, bytes)| bytes).sum();
    if arguments.json {
        let parts: serde_json::Map<_, _> =
            memory.iter().map(|(part, bytes)| ((*part).to_owned(), (*bytes).into())).collect();
        output::json(
            &json!({"ok": problems.is_empty(), "problems": problems, "worst_case_memory_bytes": total, "memory": parts, "captured": captured}),
        )?;
    } else {
        let mut out = std::io::stdout().lock();
        for problem in &problems {
            writeln!(out, "{}", output::one_line(problem))?;
        }
        if problems.is_empty() {
            let sources = config.as_ref().map_or(0, |config| config.sources.len());
            let targets =
                config.as_ref().map_or(0, |config| config.probes.targets.iter().filter(|t| t.enabled()).count());
            let (sources, targets) = (output::counted(sources, "source"), output::counted(targets, "target"));
            writeln!(out, "the configuration is fine: {sources}, {targets}")?;
            let whose = if captured.is_empty() { "nobody's".to_owned() } else { captured.join(", ") };
            writeln!(out, "content captured: {whose}")?;
            writeln!(out, "worst-case memory: {}", output::bytes(total))?;
            for (part, bytes) in memory {
                writeln!(out, "  {:<44} {:>10}", part, output::bytes(bytes))?;
            }
        }
    }
    match problems.len() {
        0 => Ok(()),
        count => Err(Failure::misuse(format!("{} found", output::counted(count, "problem")))),
    }
}

/// Whose content is captured, in words.
fn captured(config: &config::Config) -> Vec<String> {
    let capture = &config.content.capture;
    let gateways = capture.gateways.iter().map(|name| {
        let is_known = name == "*" || config.sources.iter().any(|source| source.tail.name == *name);
        format!("gateway {name}{}", if is_known { "" } else { " (no source of that name)" })
    });
    let consumers = capture.consumers.iter().map(|name| format!("consumer {name}"));
    gateways.chain(consumers).map(|text| output::one_line(&text)).collect()
}
