//! `tokentail conversations` and `tokentail export conversations`: what was captured, listed, searched, shown, exported and erased.

use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::conversations_text::{print_one, snippet};
use super::export::{file_name, write_whole};
use super::output::{self, Failure, grouped};
use super::scope::PeriodArgs;
use super::sessions::{folder, privacy, session_names};
use super::{ConfigArgs, time};
use crate::clock::Clock;
use crate::config::Config;
use crate::content::{self, Reader, Scope};
use crate::daemon;
use crate::ledger::writer::Writer;
use crate::ledger::{Moment, RequestFilter, holder};
use crate::report::conversations::{self, Error, Exported, Form, Line, Listed, Question};
use crate::report::document::zone_name;
use crate::report::shape;
use crate::wording::quoted;

/// Most conversations that one list shows.
const MOST: u64 = 1_000;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List captured conversations, the last logged first
    #[command(after_help = "Example: tokentail conversations list --since 2026-11-01 --consumer search")]
    List(List),
    /// Search captured conversations, the best first
    #[command(after_help = "Example: tokentail conversations search 'refund \"order number\"' --model gpt-4o")]
    Search(Search),
    /// Show what one request asked and was answered
    #[command(after_help = "Example: tokentail conversations show 1284")]
    Show(Show),
    /// Erase captured text and the names that lead to it; amounts stay
    #[command(after_help = "Example: tokentail conversations erase --user jane --yes")]
    Erase(Erase),
}

/// Which conversations.
#[derive(Debug, Default, Args)]
struct WhichArgs {
    /// Only conversations by this gateway
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    gateway: Vec<String>,
    /// Only conversations with this model
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    model: Vec<String>,
    /// Only conversations of this consumer
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    consumer: Vec<String>,
    /// Only conversations of this user: the id as the log has it, or the pseudonym that is shown
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    user: Vec<String>,
    /// Only conversations of this session
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    session: Vec<String>,
    /// Only conversations that have this value of a dimension
    #[arg(long = "dimension", value_name = "NAME=VALUE")]
    dimensions: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    period: PeriodArgs,
    #[command(flatten)]
    which: WhichArgs,
    #[command(flatten)]
    page: PageArgs,
}

#[derive(Debug, Args)]
pub(super) struct Search {
    /// Words, beginnings of words with a `*` and "phrases", all of which must occur
    text: String,
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    period: PeriodArgs,
    #[command(flatten)]
    which: WhichArgs,
    #[command(flatten)]
    page: PageArgs,
}

#[derive(Debug, Args)]
struct PageArgs {
    /// How many are listed at most
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=MOST))]
    limit: u64,
    /// Where the list goes on: what the page before named
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Show {
    #[command(flatten)]
    config: ConfigArgs,
    /// The conversation's id, as lists show it
    id: String,
    /// Show all that it goes on from too, from the first message on
    #[arg(long)]
    whole: bool,
    /// Time zone of what is shown; default: the configured one
    #[arg(long, value_name = "ZONE")]
    timezone: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Export {
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    period: PeriodArgs,
    #[command(flatten)]
    which: WhichArgs,
    /// Only those in which all of these words and "phrases" occur
    #[arg(long, value_name = "TEXT")]
    text: Option<String>,
    /// Form: jsonl, json, or chat (a line of messages for training, a whole conversation each)
    #[arg(long, value_name = "FORM", default_value = "jsonl", value_parser = parse_form)]
    output: Form,
    /// File to write, `-` for standard output; default: a name with the period, in the working directory
    #[arg(short = 'o', long = "file", value_name = "FILE")]
    file: Option<PathBuf>,
    /// Print what was written as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Erase {
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    scope: ScopeArgs,
    /// Time zone of a date; default: the configured one
    #[arg(long, value_name = "ZONE")]
    timezone: Option<String>,
    /// Erase; without it nothing is done, since nothing brings the text back
    #[arg(long)]
    yes: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What is erased, exactly one.
#[derive(Debug, Args)]
#[group(multiple = false)]
struct ScopeArgs {
    /// The conversation of this id
    #[arg(long, value_name = "ID")]
    conversation: Option<i64>,
    /// All of this session
    #[arg(long, value_name = "ID", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    session: Option<String>,
    /// All of this consumer
    #[arg(long, value_name = "NAME", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    consumer: Option<String>,
    /// All of this user: the id as the log has it, or the pseudonym that is shown
    #[arg(long, value_name = "ID", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    user: Option<String>,
    /// All that started before this moment, RFC 3339 or a date
    #[arg(long, value_name = "TIME")]
    before: Option<String>,
}

fn parse_form(text: &str) -> Result<Form, String> {
    let found = Form::ALL.into_iter().find(|form| form.label() == text);
    found.ok_or_else(|| "expected jsonl, json or chat".to_owned())
}

impl From<content::Error> for Failure {
    fn from(error: content::Error) -> Failure {
        Failure::failed(format!("failed to {error}"))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        match error {
            Error::Ledger(error) => error.into(),
            Error::Content(error) => error.into(),
            Error::Write(error) => error.into(),
        }
    }
}

pub(super) fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::List(arguments) => list(&arguments.config, &arguments.period, &arguments.which, "", &arguments.page),
        Command::Search(arguments) if arguments.text.trim().is_empty() => {
            Err(Failure::misuse("there is no word to search for; `tokentail conversations list` lists without one"))
        }
        Command::Search(arguments) => {
            list(&arguments.config, &arguments.period, &arguments.which, &arguments.text, &arguments.page)
        }
        Command::Show(arguments) => show(arguments),
        Command::Erase(arguments) => erase(arguments),
    }
}

/// What was captured; `None` where nothing ever was.
pub(super) fn reader(config: &Config, folder: &Path) -> Result<Option<Reader>, Failure> {
    Ok(Reader::open(folder, daemon::content_key(config)?.as_ref(), None)?)
}

impl WhichArgs {
    fn question(&self, config: &Config, (since, until): (i64, i64), text: &str) -> Result<Question, Failure> {
        let mut filter = RequestFilter {
            since: (since != i64::MIN).then_some(since),
            until: (until != i64::MAX).then_some(until),
            gateways: self.gateway.clone(),
            models: self.model.clone(),
            ..RequestFilter::default()
        };
        for text in &self.dimensions {
            let pair = text.split_once('=');
            let (name, value) =
                pair.ok_or_else(|| Failure::misuse(format!("--dimension {text:?} has no value; write NAME=VALUE")))?;
            filter.dimensions.push((name.to_owned(), value.to_owned()));
        }
        let privacy = privacy(config)?;
        let consumer =
            |plain: &String| privacy.as_ref().map_or_else(|| plain.clone(), |privacy| privacy.consumer(plain));
        filter.consumers = self.consumer.iter().map(consumer).collect();
        for user in &self.user {
            filter.users.push(user.clone());
            filter.users.extend(privacy.as_ref().map(|privacy| privacy.pseudonym(user)).filter(|name| name != user));
        }
        for id in &self.session {
            filter.sessions.extend(session_names(id, config, privacy.as_ref()));
        }
        Ok(Question { requests: filter, text: text.trim().to_owned() })
    }
}

fn list(
    config: &ConfigArgs,
    period: &PeriodArgs,
    which: &WhichArgs,
    text: &str,
    page: &PageArgs,
) -> Result<(), Failure> {
    let config = config.load()?;
    let zone = period.zone(&config)?;
    let range = period.range(&zone)?;
    let folder = folder(&config)?;
    let moment = Moment::open(&folder)?;
    let question = which.question(&config, range, text)?;
    let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let found = match reader(&config, &folder)? {
        Some(reader) => conversations::list(&moment, &reader, &question, limit, page.cursor.as_deref())?,
        None => Listed::default(),
    };
    if page.json {
        return output::json(&json!({
            "conversations": found.lines.iter().map(shape::conversation).collect::<Vec<_>>(),
            "next": found.next, "unindexed": found.unindexed,
        }));
    }
    print_list(&config, &found, &zone)
}

fn print_list(config: &Config, found: &Listed, zone: &TimeZone) -> Result<(), Failure> {
    let paint = output::Paint(output::wants_colour());
    let mut out = std::io::stdout().lock();
    for line in &found.lines {
        let known = &line.conversation;
        let head = [time::wall(known.start, zone), line.attributes.consumer.clone(), line.attributes.model.clone()];
        let head: Vec<String> =
            head.iter().filter(|text| !text.is_empty()).map(|text| output::one_line(text)).collect();
        writeln!(out, "{}  {}", paint.bold(&format!("{:>7}", known.row)), head.join("  "))?;
        let told = snippet(&line.snippet, paint);
        let marks = marks(line);
        if !told.is_empty() {
            writeln!(out, "{:9}{told}", "")?;
        }
        if !marks.is_empty() {
            writeln!(out, "{:9}{}", "", paint.dim(&marks.join(", ")))?;
        }
    }
    if found.lines.is_empty() {
        let off = if config.content.capture.is_off() { "; content.capture is off: nothing is captured" } else { "" };
        writeln!(out, "no captured conversation fits{off}")?;
    } else {
        writeln!(out, "\n{} shown; times in {}", grouped(found.lines.len()), zone_name(zone))?;
        writeln!(out, "with its text: tokentail conversations show ID")?;
    }
    if found.unindexed > 0 {
        writeln!(out, "{} of the newest are not searched yet", grouped(found.unindexed))?;
    }
    if let Some(next) = &found.next {
        writeln!(out, "more: --cursor {next}")?;
    }
    Ok(())
}

/// What is to be said about a conversation beside its text.
fn marks(line: &Line) -> Vec<String> {
    let known = &line.conversation;
    let mut marks = Vec::new();
    if known.is_erased {
        marks.push("erased".to_owned());
    }
    if known.earlier > 0 {
        marks.push(format!("goes on from {} earlier messages", grouped(u64::from(known.earlier))));
    }
    if known.is_cut {
        marks.push("cut off".to_owned());
    }
    if known.redactions > 0 {
        marks.push(format!("{} places blotted out", grouped(u64::from(known.redactions))));
    }
    marks
}

fn show(arguments: &Show) -> Result<(), Failure> {
    let config = arguments.config.load()?;
    let zone = time::zone(arguments.timezone.as_deref(), &config)?;
    let folder = folder(&config)?;
    let moment = Moment::open(&folder)?;
    let told = match (arguments.id.parse(), reader(&config, &folder)?) {
        (Ok(row), Some(reader)) if arguments.whole => conversations::thread(&moment, &reader, row)?,
        (Ok(row), Some(reader)) => conversations::show(&moment, &reader, row)?.into_iter().collect(),
        _ => Vec::new(),
    };
    if told.is_empty() {
        let message = format!(
            "there is no captured conversation {}; `tokentail conversations list` shows what there is",
            quoted(&arguments.id)
        );
        if arguments.json {
            output::json(&json!({"error": message}))?;
        } else {
            writeln!(std::io::stdout(), "{message}")?;
        }
        // It is said.
        return Err(Failure::failed(""));
    }
    if arguments.json {
        let values: Vec<Value> = told.iter().map(shape::told).collect();
        return match values.first() {
            Some(value) if !arguments.whole => output::json(value),
            _ => output::json(&json!({"turns": values})),
        };
    }
    let mut out = std::io::stdout().lock();
    for told in &told {
        print_one(&mut out, told, &marks(&told.line), &zone)?;
    }
    Ok(())
}

/// `tokentail export conversations`.
pub(super) fn export(arguments: &Export) -> Result<(), Failure> {
    let config = arguments.config.load()?;
    let zone = arguments.period.zone(&config)?;
    let range = arguments.period.range(&zone)?;
    let folder = folder(&config)?;
    let moment = Moment::open(&folder)?;
    let question = arguments.which.question(&config, range, arguments.text.as_deref().unwrap_or_default())?;
    let reader = reader(&config, &folder)?;
    let write = |out: &mut dyn std::io::Write| -> Result<Exported, Failure> {
        match &reader {
            Some(reader) => Ok(conversations::export(&moment, reader, &question, arguments.output, out)?),
            None if arguments.output == Form::Json => Ok(out.write_all(b"[]\n").map(|()| Exported::default())?),
            None => Ok(Exported::default()),
        }
    };
    let ending = match arguments.output {
        Form::Json => "json",
        Form::Jsonl => "jsonl",
        Form::Chat => "chat.jsonl",
    };
    let file = match &arguments.file {
        Some(file) => file.clone(),
        None => PathBuf::from(file_name("conversations", &moment, range, &zone, ending)?),
    };
    if file.as_os_str() == "-" {
        if arguments.json {
            return Err(Failure::misuse(
                "--json says what was written, and -o - writes it there; leave out one of them",
            ));
        }
        let mut out = BufWriter::new(std::io::stdout().lock());
        let exported = write(&mut out)?;
        out.flush()?;
        return say_left_out(&exported);
    }
    let mut exported = Exported::default();
    let written = write_whole(&file, |out: &mut dyn std::io::Write| {
        exported = write(out)?;
        Ok(exported.written)
    })?;
    say_left_out(&exported)?;
    if arguments.json {
        return output::json(&json!({"file": file.display().to_string(), "conversations": written}));
    }
    writeln!(std::io::stdout(), "wrote {} to {}", output::counted(written, "conversation"), file.display())?;
    Ok(())
}

/// Says on standard error what a training file does not have.
fn say_left_out(exported: &Exported) -> Result<(), Failure> {
    for (count, why) in exported.left_out() {
        writeln!(std::io::stderr(), "left out {} {why}", output::counted(count, "conversation"))?;
    }
    Ok(())
}

fn erase(arguments: &Erase) -> Result<(), Failure> {
    let config = arguments.config.load()?;
    let zone = time::zone(arguments.timezone.as_deref(), &config)?;
    let folder = folder(&config)?;
    let clock = Clock::system();
    let (told, scope) = scope(&arguments.scope, &zone, clock.now())?;
    if !arguments.yes {
        return Err(Failure::misuse(format!("this would erase {told} for good; say so with --yes")));
    }
    // A ledger is not made by asking to erase from it.
    Moment::open(&folder)?;
    if let Some(process) = holder(&folder) {
        return Err(Failure::misuse(format!(
            "process {process} is running on {}; ask it instead: POST /api/v1/conversations/erase",
            folder.display()
        )));
    }
    let opened = daemon::open(&config, &clock)?;
    let writer = Writer::start(opened.ledger, config.retention.clone())?;
    let erased = writer.handle().erase(scope, "command");
    // Why it ended is its own to say.
    writer.stop()?;
    let erased = erased.map_err(|error| Failure::failed(error.to_string()))?;
    if arguments.json {
        return output::json(&json!({
            "conversations": erased.conversations, "bytes": erased.bytes, "names": erased.names,
            "waits_for_reader": erased.waits_for_reader,
        }));
    }
    let mut out = std::io::stdout().lock();
    let conversations = output::counted(erased.conversations, "conversation");
    let names = output::counted(erased.names, "name");
    writeln!(out, "erased {conversations} ({}) and {names}", output::bytes(erased.bytes))?;
    if erased.waits_for_reader {
        writeln!(out, "somebody still reads an older state of the database; its last bytes go at the next start")?;
    }
    Ok(())
}

/// What is to be erased, in words and for the writer.
fn scope(arguments: &ScopeArgs, zone: &TimeZone, now: i64) -> Result<(String, Scope), Failure> {
    if let Some(id) = arguments.conversation {
        return Ok((format!("conversation {id}"), Scope::Conversation(id)));
    }
    if let Some(session) = &arguments.session {
        return Ok((format!("all of session {}", quoted(session)), Scope::Session(session.clone())));
    }
    if let Some(consumer) = &arguments.consumer {
        return Ok((format!("all of consumer {}", quoted(consumer)), Scope::Consumer(consumer.clone())));
    }
    if let Some(user) = &arguments.user {
        return Ok((format!("all of user {}", quoted(user)), Scope::User(user.clone())));
    }
    let Some(text) = arguments.before.as_deref() else {
        return Err(Failure::misuse(
            "say what is to be erased, by one of --conversation, --session, --consumer, --user and --before",
        ));
    };
    let before = time::parse(text, zone, "--before")?;
    if before > now {
        return Err(Failure::misuse(
            "--before lies in the future: that would erase conversations which are still to come",
        ));
    }
    Ok((format!("all that started before {}", time::wall(before, zone)), Scope::Before(before)))
}
