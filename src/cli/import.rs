//! `tokentail prices import`: a price file comes in force for a data directory, without a line of configuration.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::ConfigArgs;
use super::output::{self, Failure, grouped};
use crate::clock::Clock;
use crate::config::Config;
use crate::daemon::{self, Import, Imported};
use crate::ledger::{self, DataDir};
use crate::{pricing, wording};

#[derive(Debug, Args)]
#[command(after_help = "Example: tokentail prices import prices.yaml --data-dir /var/lib/tokentail")]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigArgs,
    /// A price file (YAML), or LiteLLM's map (JSON); one of the same name takes the place of an earlier one
    #[arg(required_unless_present_any = ["list", "remove", "print_example"])]
    file: Option<PathBuf>,
    /// Only check the file
    #[arg(long, requires = "file")]
    dry_run: bool,
    /// List what was imported
    #[arg(long, conflicts_with_all = ["file", "remove"])]
    list: bool,
    /// Take an imported file out again, by the name that it had
    #[arg(long, value_name = "NAME", conflicts_with = "file")]
    remove: Option<String>,
    /// Print a price file to begin with, every key explained, and check nothing
    #[arg(long, conflicts_with_all = ["file", "list", "remove"])]
    print_example: bool,
    /// Print JSON
    #[arg(long, conflicts_with = "print_example")]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    if arguments.print_example {
        std::io::stdout().lock().write_all(pricing::EXAMPLE.as_bytes())?;
        return Ok(());
    }
    let config = arguments.config.load()?;
    let folder = daemon::data_dir(&config);
    folder.check()?;
    let DataDir::Path(folder) = folder else {
        return Err(Failure::misuse(
            "--data-dir none keeps no prices; name the file under `cost.prices` of a --config",
        ));
    };
    match (&arguments.file, &arguments.remove) {
        (Some(file), _) => import(arguments, &config, &folder, file),
        (None, Some(name)) => remove(arguments, &folder, name),
        (None, None) => list(arguments, &folder),
    }
}

fn import(arguments: &Arguments, config: &Config, folder: &Path, file: &Path) -> Result<(), Failure> {
    let import = daemon::import(config, folder, file, Clock::system().now(), arguments.dry_run)?;
    let Import { stored, rows, skipped, replaced } = &import;
    let running = ledger::holder(folder);
    let path = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    if arguments.json {
        return output::json(&json!({
            "file": path, "rows": rows, "skipped": skipped, "dry_run": arguments.dry_run,
            "stored": stored.as_ref().map(|stored| &stored.path),
            "replaced": replaced.iter().map(describe).collect::<Vec<_>>(), "running": running,
        }));
    }
    let mut out = std::io::stdout().lock();
    let counts = format!("{} rows are fine, {} entries tell no price", grouped(*rows as u64), grouped(*skipped as u64));
    writeln!(out, "{}: {counts}", output::one_line(&path.display().to_string()))?;
    for old in replaced {
        let verb = if stored.is_some() { "takes" } else { "would take" };
        writeln!(out, "{verb} the place of {}, imported {}", output::one_line(&old.name), old.at)?;
    }
    if let Some(stored) = stored {
        writeln!(out, "kept as {}", output::one_line(&stored.path.display().to_string()))?;
        if stored.is_map() && config.pricing.litellm_map.is_some() {
            writeln!(out, "it does not count as long as `cost.litellm_map` is configured")?;
        }
        said_when(&mut out, running.as_deref())?;
        writeln!(out, "stored requests keep their cost until `tokentail prices reprice --since TIME`")?;
    }
    Ok(())
}

/// When a change counts.
fn said_when(out: &mut impl std::io::Write, running: Option<&str>) -> std::io::Result<()> {
    match running {
        Some(process) => writeln!(
            out,
            "process {process} is running on this data directory and takes the change over at a reload: `kill -HUP {process}` or POST /-/reload"
        ),
        None => writeln!(out, "the change counts from the next command on that uses this data directory"),
    }
}

fn describe(one: &Imported) -> serde_json::Value {
    json!({"name": one.name, "imported": one.at.to_string(), "file": one.path})
}

fn list(arguments: &Arguments, folder: &Path) -> Result<(), Failure> {
    let imported = daemon::imported_prices(folder)?;
    if arguments.json {
        return output::json(&json!({"imported": imported.iter().map(describe).collect::<Vec<_>>()}));
    }
    let mut out = std::io::stdout().lock();
    if imported.is_empty() {
        writeln!(out, "no price file was imported into {}", output::one_line(&folder.display().to_string()))?;
        return Ok(());
    }
    let rows = imported.iter().map(|one| vec![one.name.clone(), one.at.to_string(), one.path.display().to_string()]);
    out.write_all(output::table(&["name", "imported", "file"], 3, rows).as_bytes())?;
    Ok(())
}

fn remove(arguments: &Arguments, folder: &Path, name: &str) -> Result<(), Failure> {
    let removed = daemon::remove_prices(folder, name)?;
    if removed.is_empty() {
        let known = daemon::imported_prices(folder)?;
        let message = match known.as_slice() {
            [] => format!("nothing was imported into {}", folder.display()),
            known => format!("imported are {}", wording::listed(known.iter().map(|one| one.name.as_str()))),
        };
        return Err(Failure::misuse(format!(
            "no imported price file has the name {}; {message}",
            wording::quoted(name)
        )));
    }
    let running = ledger::holder(folder);
    if arguments.json {
        return output::json(&json!({"removed": removed.iter().map(describe).collect::<Vec<_>>(), "running": running}));
    }
    let mut out = std::io::stdout().lock();
    writeln!(out, "removed {}", output::one_line(name))?;
    said_when(&mut out, running.as_deref())?;
    Ok(())
}
