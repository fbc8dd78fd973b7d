//! `tokentail report sla`: a month's availability that a customer could audit, and notes on outages.

use std::io::Write as _;

use clap::{Args, Subcommand, ValueEnum};
use jiff::tz::TimeZone;
use serde_json::json;

use super::output::{self, Failure};
use super::{ConfigArgs, probe};
use crate::clock::Clock;
use crate::config::Config;
use crate::daemon::{self, Opened};
use crate::ledger::{self, AvailabilityQuery, DataDir, LEDGER_FILE};
use crate::report::document::{self, Form};
use crate::report::sla::Question;
use crate::sla::Month;
use crate::wording::quoted;

/// Longest note in bytes.
const MAX_NOTE: usize = 4_096;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    config: ConfigArgs,
    /// The calendar month, such as 2026-11; default: this one
    #[arg(long, value_name = "MONTH")]
    month: Option<String>,
    /// Only this target
    #[arg(long, value_name = "NAME")]
    target: Option<String>,
    /// Time zone of the month; default: the configured one
    #[arg(long, value_name = "ZONE")]
    timezone: Option<String>,
    /// Form of the report
    #[arg(long, value_enum, default_value = "table")]
    output: Output,
    /// Print JSON, as --output json does
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Add a note to an outage; the sidecar that writes the ledger must be stopped
    Note(Note),
}

#[derive(Debug, Args)]
struct Note {
    /// The outage, by target and number, such as chat/3
    outage: String,
    /// What there is to say about it, on one line
    text: String,
    #[command(flatten)]
    config: ConfigArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people
    Table,
    /// One document
    Json,
    /// One table; the first column says what a row is
    Csv,
    /// For a page or a ticket
    Md,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.action {
        Some(Action::Note(note)) => add_note(note),
        None => report(arguments),
    }
}

/// The data directory, which must hold a ledger.
fn folder(config: &Config) -> Result<std::path::PathBuf, Failure> {
    let folder = daemon::data_dir(config);
    folder.check()?;
    match folder {
        DataDir::Path(folder) if folder.join(LEDGER_FILE).exists() => Ok(folder),
        DataDir::Path(folder) => Err(ledger::Error::Missing(folder.join(LEDGER_FILE)).into()),
        DataDir::None => Err(Failure::misuse("--data-dir none keeps nothing to report")),
    }
}

fn report(arguments: &Arguments) -> Result<(), Failure> {
    let config = arguments.config.load()?;
    let zone = match &arguments.timezone {
        None => config.timezone.clone(),
        Some(name) => TimeZone::get(name)
            .map_err(|_| Failure::misuse(format!("--timezone {} is not an IANA time zone", quoted(name))))?,
    };
    let now = Clock::system().now();
    let month = match &arguments.month {
        None => Month::containing(now, &zone),
        Some(text) => Month::parse(text, &zone),
    };
    let month = month.ok_or_else(|| {
        let text = arguments.month.as_deref().unwrap_or_default();
        Failure::misuse(format!("--month {} is no month; write 2026-11", quoted(text)))
    })?;
    let query = AvailabilityQuery::open(&folder(&config)?)?;
    let facts = query.facts(month.from(), month.to(), now)?;
    if let Some(name) = &arguments.target
        && !facts.targets.iter().any(|target| target.name == *name)
    {
        return Err(probe::unknown(name, facts.targets.iter().map(|target| target.name.as_str())));
    }
    let requests = query.requests(month.from(), month.to())?;
    let question = Question {
        facts: &facts,
        requests: &requests,
        answer_within: config.sla.answer_within,
        month: &month,
        zone: &zone,
        now,
    };
    let form = match (arguments.json, arguments.output) {
        (true, _) | (_, Output::Json) => Form::Json,
        (_, Output::Table) => Form::Table,
        (_, Output::Csv) => Form::Csv,
        (_, Output::Md) => Form::Markdown,
    };
    let text = document::sla(&question, arguments.target.as_deref(), form);
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(())
}

fn add_note(note: &Note) -> Result<(), Failure> {
    let config = note.config.load()?;
    let outage = note.outage.rsplit_once('/').and_then(|(target, number)| Some((target, number.parse().ok()?)));
    let (target, number): (&str, u64) = outage.ok_or_else(|| {
        let message = format!("{} is no outage; write target and number, such as chat/3", quoted(&note.outage));
        Failure::misuse(message)
    })?;
    let text = note.text.trim();
    if text.is_empty() || text.len() > MAX_NOTE || text.chars().any(char::is_control) {
        return Err(Failure::misuse(format!("a note is one line of 1 to {MAX_NOTE} bytes")));
    }
    folder(&config)?;
    let Opened { mut ledger, .. } = daemon::open(&config, &Clock::system()).map_err(|error| match error {
        daemon::Error::Ledger(held @ ledger::Error::Locked { .. }) => {
            Failure::misuse(format!("failed to {held}; or post the note to its /api/v1/sla/notes"))
        }
        other => other.into(),
    })?;
    if !ledger.add_note(target, number, text)? {
        let message = format!("{} has no outage {number}; `tokentail report sla` lists them by month", quoted(target));
        return Err(Failure::misuse(message));
    }
    if note.json {
        return output::json(&json!({"target": target, "outage": number, "text": text}));
    }
    writeln!(std::io::stdout().lock(), "the note is kept with outage {} of {}", number, output::one_line(target))?;
    Ok(())
}
