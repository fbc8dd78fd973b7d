//! `tokentail export`: requests, sessions and charges as files, streamed.

use std::fs::File;
use std::io::{BufWriter, IsTerminal as _, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::json;

use super::ConfigArgs;
use super::output::{self, Failure, grouped};
use super::scope::{FilterArgs, PeriodArgs};
use super::sessions::folder;
use crate::clock::Clock;
use crate::ledger::{AvailabilityQuery, Moment, RequestFilter};
use crate::record::Micros;
use crate::report::export::{self, Format};

/// Records between two looks at the progress.
const STEP: u64 = 1_000;
/// How often the progress is drawn, in Hz.
const REDRAWS: u8 = 10;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Every request that fits, one record each
    #[command(after_help = "Example: tokentail export requests --month 2026-11 --consumer search --output jsonl -o -")]
    Requests(Arguments),
    /// Every session with time in the period, one record each
    #[command(after_help = "Example: tokentail export sessions --since 2026-11-01 -o sessions.csv")]
    Sessions(Arguments),
    /// Captured conversations that fit: JSON, or lines of messages for training
    #[command(
        after_help = "Example: tokentail export conversations --month 2026-11 --consumer search --output chat -o train.jsonl"
    )]
    Conversations(super::conversations::Export),
    /// Charges in the FinOps FOCUS 1.2 columns, one record per day, attributes and kind of token
    #[command(after_help = "Example: tokentail export focus --month 2026-11")]
    Focus(Arguments),
    /// A SQLite file with stable views for Metabase, Superset or Grafana; written on from where it stands
    #[command(after_help = "Example: tokentail export sqlite -o /srv/metabase/tokentail.db")]
    Sqlite(Sqlite),
}

#[derive(Debug, Args)]
pub(super) struct Sqlite {
    #[command(flatten)]
    config: ConfigArgs,
    /// The file, which is made or brought in step
    #[arg(short = 'o', long = "file", value_name = "FILE", default_value = "tokentail.db")]
    file: PathBuf,
    /// Time zone of days; default: the configured one
    #[arg(long, value_name = "ZONE")]
    timezone: Option<String>,
    /// Print what was written as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    period: PeriodArgs,
    #[command(flatten)]
    filter: FilterArgs,
    /// Form of the records: csv, jsonl or json
    #[arg(long, value_name = "FORM", default_value = "csv", value_parser = parse_format)]
    output: Format,
    /// File to write, `-` for standard output; default: a name with the period, in the working directory
    #[arg(short = 'o', long = "file", value_name = "FILE")]
    file: Option<PathBuf>,
    /// Print what was written as JSON
    #[arg(long)]
    json: bool,
}

fn parse_format(text: &str) -> Result<Format, String> {
    let found = Format::ALL.into_iter().find(|format| format.label() == text);
    found.ok_or_else(|| "expected csv, jsonl or json".to_owned())
}

/// What is exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Requests,
    Sessions,
    Focus,
}

impl Kind {
    fn label(self) -> &'static str {
        match self {
            Kind::Requests => "requests",
            Kind::Sessions => "sessions",
            Kind::Focus => "focus",
        }
    }

    fn noun(self) -> &'static str {
        match self {
            Kind::Requests => "requests",
            Kind::Sessions => "sessions",
            Kind::Focus => "charges",
        }
    }
}

pub(super) fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Requests(arguments) => export(Kind::Requests, arguments),
        Command::Sessions(arguments) => export(Kind::Sessions, arguments),
        Command::Conversations(arguments) => super::conversations::export(arguments),
        Command::Focus(arguments) => export(Kind::Focus, arguments),
        Command::Sqlite(arguments) => sqlite(arguments),
    }
}

fn sqlite(arguments: &Sqlite) -> Result<(), Failure> {
    let config = arguments.config.load()?;
    let zone = super::time::zone(arguments.timezone.as_deref(), &config)?;
    let folder = folder(&config)?;
    let moment = Moment::open(&folder)?;
    let now = Clock::system().now();
    let facts = AvailabilityQuery::open(&folder)?.facts(now, now, now)?;
    let bar = progress(Kind::Requests);
    let updated = export::sql::update(&moment, &facts, &zone, &arguments.file, |rows| {
        if rows.is_multiple_of(STEP) {
            bar.set_position(rows);
        }
    });
    bar.finish_and_clear();
    let updated = updated.map_err(failure)?;
    if arguments.json {
        return output::json(&json!({
            "file": arguments.file.display().to_string(), "requests": updated.requests, "removed": updated.removed,
            "sessions": updated.sessions, "days": updated.days, "outages": updated.outages,
        }));
    }
    writeln!(
        std::io::stdout(),
        "wrote {} requests, {} sessions, {} days and {} outages to {}, took {} requests out",
        grouped(updated.requests),
        grouped(updated.sessions),
        grouped(updated.days),
        grouped(updated.outages),
        arguments.file.display(),
        grouped(updated.removed)
    )?;
    Ok(())
}

fn failure(error: export::Error) -> Failure {
    match error {
        export::Error::Ledger(error) => Failure::from(error),
        export::Error::Write(error) => Failure::from(error),
    }
}

fn export(kind: Kind, arguments: &Arguments) -> Result<(), Failure> {
    let config = arguments.config.load()?;
    let zone = arguments.period.zone(&config)?;
    let (since, until) = arguments.period.range(&zone)?;
    let mut moment = Moment::open(&folder(&config)?)?;
    let filter = RequestFilter { since: Some(since), until: Some(until), ..arguments.filter.filter(&config, &moment)? };
    let file = match &arguments.file {
        Some(file) => file.clone(),
        None => PathBuf::from(file_name(kind.label(), &moment, (since, until), &zone, arguments.output.label())?),
    };
    let bar = progress(kind);
    let mut write = |out: &mut dyn Write| {
        let step = |rows: u64| {
            if rows.is_multiple_of(STEP) {
                bar.set_position(rows);
            }
            ControlFlow::Continue(())
        };
        let written = match kind {
            Kind::Requests => export::requests(&mut moment, &filter, arguments.output, out, step),
            Kind::Sessions => export::sessions(&mut moment, &filter, arguments.output, out, step),
            Kind::Focus => export::focus(&moment, &filter, &zone, arguments.output, out, step),
        };
        bar.finish_and_clear();
        written.map_err(failure)
    };
    if file.as_os_str() == "-" {
        if arguments.json {
            return Err(Failure::misuse(
                "--json says what was written, and -o - writes it there; leave out one of them",
            ));
        }
        write(&mut BufWriter::new(std::io::stdout().lock()))?;
        return Ok(());
    }
    let rows = write_whole(&file, write)?;
    if arguments.json {
        return output::json(&json!({"file": file.display().to_string(), kind.noun(): rows}));
    }
    writeln!(std::io::stdout(), "wrote {} {} to {}", grouped(rows), kind.noun(), file.display())?;
    Ok(())
}

/// Writes a file that is there only when it is whole.
pub(super) fn write_whole(
    file: &Path,
    write: impl FnOnce(&mut dyn Write) -> Result<u64, Failure>,
) -> Result<u64, Failure> {
    let failed = |error: std::io::Error| Failure::failed(format!("failed to write {}: {error}", file.display()));
    let mut partial = file.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let created = File::create(&partial);
    let out = created.map_err(|error| Failure::misuse(format!("failed to make {}: {error}", partial.display())))?;
    let mut out = BufWriter::with_capacity(1 << 16, out);
    let written = write(&mut out).and_then(|rows| {
        let out = out.into_inner().map_err(|error| failed(error.into_error()))?;
        out.sync_all().map_err(failed)?;
        std::fs::rename(&partial, file).map_err(failed)?;
        Ok(rows)
    });
    if written.is_err() {
        // What is left is named as partial; the first failure is the one to tell.
        let _ = std::fs::remove_file(&partial);
    }
    written
}

fn progress(kind: Kind) -> ProgressBar {
    let is_drawn = std::io::stderr().is_terminal();
    let target = if is_drawn { ProgressDrawTarget::stderr_with_hz(REDRAWS) } else { ProgressDrawTarget::hidden() };
    let style = ProgressStyle::with_template(&format!("{{spinner}} {{human_pos}} {} ({{per_sec}})", kind.noun()));
    ProgressBar::with_draw_target(None, target).with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()))
}

/// A name with the days of the period, the last one included.
pub(super) fn file_name(
    what: &str,
    moment: &Moment,
    (since, until): (Micros, Micros),
    zone: &TimeZone,
    ending: &str,
) -> Result<String, Failure> {
    let (first, last) = moment.span()?.unwrap_or((0, 1));
    let day = |micros: Micros| {
        Timestamp::from_microsecond(micros)
            .map_or_else(|_| "all".to_owned(), |at| at.to_zoned(zone.clone()).date().to_string())
    };
    let (from, to) = (day(since.max(first)), day(until.min(last) - 1));
    Ok(format!("tokentail-{what}-{from}-to-{to}.{ending}"))
}
