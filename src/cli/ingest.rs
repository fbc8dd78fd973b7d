//! `tokentail ingest`: finished logs through the pipeline of `run`, with a progress bar, then a summary.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use super::output::{self, Failure, grouped};
use super::{ConfigArgs, line_format};
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::daemon::{self, Opened};
use crate::format::Decoder;
use crate::ledger::Tally;
use crate::ledger::writer::{Ended, Handle, Writer};
use crate::meter::SourceCounts;
use crate::pipeline::{Prices, Reader};
use crate::record::money;
use crate::tail::{self, Follow, Lines, Sink, Tail};

/// How often the progress bar moves.
const REDRAW: Duration = Duration::from_millis(100);
/// Lines of a file that are looked at to name its format.
const PEEK: usize = 64 << 10;

#[derive(Debug, Args)]
#[command(after_help = "Example: tokentail ingest --format higress /var/log/higress/access.log.*.gz")]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigArgs,
    /// Format of the lines; `auto` names the gateway after the format that it finds
    #[arg(long, default_value = "auto")]
    format: String,
    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
    /// Files, `.gz` and `.zst` as they are, oldest first; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// The summary, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Summary {
    files: usize,
    bytes: u64,
    lines: u64,
    records: u64,
    requests: u64,
    skipped: BTreeMap<&'static str, u64>,
    rejected: BTreeMap<&'static str, u64>,
    duplicates: u64,
    tokens: Tokens,
    cost: Vec<Cost>,
    unpriced_requests: u64,
    usage_missing_requests: u64,
    errors: BTreeMap<&'static str, u64>,
    sessions: u64,
    seconds: f64,
}

#[derive(Debug, Serialize)]
struct Tokens {
    input: u64,
    output: u64,
    cache_read: u64,
    cache_write: u64,
    reasoning: u64,
}

#[derive(Debug, Serialize)]
struct Cost {
    currency: String,
    total: String,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut config = arguments.config.load()?;
    let from_stdin = arguments.files.iter().any(|file| file.as_os_str() == "-");
    for file in arguments.files.iter().filter(|file| file.as_os_str() != "-") {
        check_file(file)?;
    }
    config.sources = sources(&config, arguments)?;
    let clock = Clock::system();
    let began = clock.instant();
    let Opened { mut ledger, table, price_ids, privacy, .. } = daemon::open(&config, &clock)?;
    ledger.keep_configuration(&config.without_secrets())?;
    let finished: Vec<tail::Source> =
        config.sources.iter().filter(|source| source.tail.path != "-").map(|source| source.tail.clone()).collect();
    let before: BTreeMap<String, SourceCounts> = ledger.sources()?.into_iter().collect();
    let tail = Tail::new(finished, daemon::positions(&ledger)?).map_err(daemon::Error::from)?;
    // Standard input comes last, so that the files' indexes are those of the tail.
    config.sources.sort_by_key(|source| source.tail.path == "-");
    let feeds = daemon::feeds(&config)?;
    let stdin = feeds.len().saturating_sub(1);
    let capturer = daemon::capturer(&config, &privacy, &ledger)?;
    let prices = Prices::new(table, price_ids, config.pricing.mode);
    let mut reader = Reader::new(tail, feeds, prices, capturer, clock.clone());
    let writer = Writer::start(ledger, config.retention.clone())?;
    let handle = writer.handle();
    let progress = Progress::new(&clock);
    // Why the writer ended is its own to say, when it is stopped.
    let mut fed = reader.finish(&handle, |tail| progress.show(tail, &handle));
    if from_stdin && fed.is_ok() {
        fed = feed_stdin(&mut reader, stdin, &handle, &config, &progress)?;
        if fed.is_ok() {
            fed = reader.finish(&handle, |_| {});
        }
    }
    let errors: Vec<String> = reader.status().lock().sources.iter().filter_map(|source| source.error.clone()).collect();
    drop(reader);
    let (mut ledger, tally) = writer.stop()?;
    // Otherwise nothing would be searched before the next start of the sidecar.
    ledger.index_all()?;
    let after: BTreeMap<String, SourceCounts> = ledger.sources()?.into_iter().collect();
    progress.bar.finish_and_clear();
    if fed.is_err() {
        return Err(Failure::failed(Ended.to_string()));
    }
    let seconds = clock.instant().saturating_duration_since(began).as_secs_f64();
    let summary = summarise(arguments.files.len(), &difference(&before, &after), &tally, seconds);
    if arguments.json {
        output::json(&summary)?
    } else {
        let known = if summary.bytes == 0 && errors.is_empty() { known_files(&arguments.files) } else { 0 };
        print(&summary, known)?
    }
    if errors.is_empty() { Ok(()) } else { Err(Failure::failed(errors.join("\n"))) }
}

/// A file that cannot be read is found before anything is changed.
fn check_file(file: &Path) -> Result<(), Failure> {
    let wrong = |why: String| Failure::misuse(format!("failed to read {}: {why}", file.display()));
    let metadata = std::fs::metadata(file).map_err(|error| wrong(error.to_string()))?;
    if metadata.is_dir() {
        return Err(wrong("it is a folder; name files, as in `logs/*.log`".to_owned()));
    }
    // To open a pipe here would wait for its writer, and then cut it off.
    if !metadata.is_file() {
        return Err(wrong(
            "it is no regular file; pass a pipe on as standard input, as in `… | tokentail ingest -`".to_owned(),
        ));
    }
    std::fs::File::open(file).map(|_| ()).map_err(|error| wrong(error.to_string()))
}

/// How many files hold something, where nothing was read of any: the ledger knows them. Compressed ones need not be empty
/// to hold nothing.
fn known_files(files: &[PathBuf]) -> usize {
    let holds_something = |file: &&PathBuf| {
        let opened = tail::open(file).ok();
        opened.is_some_and(|mut opened| opened.read(&mut [0]).is_ok_and(|read| read > 0))
    };
    files.iter().filter(|file| file.as_os_str() != "-").filter(holds_something).count()
}

/// One source a file; all files of a format share its name as gateway.
fn sources(config: &Config, arguments: &Arguments) -> Result<Vec<config::Source>, Failure> {
    let configured = config.sources.iter().find(|source| source.tail.name == arguments.format);
    let mut sources = Vec::new();
    for file in &arguments.files {
        let path = file.to_string_lossy().into_owned();
        let format = line_format(config, &arguments.format);
        let decoder = Decoder::build(&format).map_err(daemon::Error::from)?;
        let name = match configured {
            Some(source) => source.tail.name.clone(),
            None if arguments.format == "auto" => detected(&decoder, file),
            None => arguments.format.clone(),
        };
        sources.push(config::Source {
            tail: tail::Source {
                name,
                path,
                from: tail::From::Start,
                max_line: configured.map_or(tail::Source::MAX_LINE, |source| source.tail.max_line),
                follow: Follow::Finished,
            },
            format,
            from_given: true,
        });
    }
    Ok(sources)
}

/// The format of a file's first line that has one, as its gateway's name.
fn detected(decoder: &Decoder, file: &Path) -> String {
    let mut found = Detected { decoder, format: "" };
    if file.as_os_str() != "-"
        && let Ok(opened) = tail::open(file)
    {
        let mut lines = Lines::new(std::io::Read::take(opened, PEEK as u64), 0, tail::Source::MAX_LINE);
        // What cannot be read is reported when it is read for good.
        while found.format.is_empty() && lines.step(&mut found).unwrap_or(false) {}
    }
    if found.format.is_empty() { "auto".to_owned() } else { found.format.to_owned() }
}

struct Detected<'a> {
    decoder: &'a Decoder,
    format: &'static str,
}

impl Sink for Detected<'_> {
    fn line(&mut self, _source: usize, line: &[u8]) {
        if self.format.is_empty() {
            self.format = self.decoder.detect(line).format;
        }
    }

    fn too_long(&mut self, _source: usize, _bytes: u64) {}
}

/// Feeds standard input line by line.
fn feed_stdin(
    reader: &mut Reader,
    source: usize,
    writer: &Handle,
    config: &Config,
    progress: &Progress,
) -> Result<Result<(), Ended>, Failure> {
    struct Feeder<'a> {
        reader: &'a mut Reader,
        writer: &'a Handle,
        ended: bool,
        bytes: u64,
    }
    impl Sink for Feeder<'_> {
        fn line(&mut self, source: usize, line: &[u8]) {
            self.bytes += line.len() as u64 + 1;
            self.ended |= self.reader.feed_line(source, line, self.writer).is_err();
        }

        fn too_long(&mut self, source: usize, bytes: u64) {
            self.bytes += bytes;
            self.reader.feed_too_long(source, bytes);
        }
    }
    let max_line = config.sources.get(source).map_or(tail::Source::MAX_LINE, |source| source.tail.max_line);
    let mut lines = Lines::new(std::io::stdin().lock(), source, max_line);
    let mut feeder = Feeder { reader, writer, ended: false, bytes: 0 };
    while !feeder.ended {
        let more = lines
            .step(&mut feeder)
            .map_err(|error| Failure::failed(format!("failed to read standard input: {error}")))?;
        progress.show_bytes(feeder.bytes, None, writer);
        if !more {
            break;
        }
    }
    Ok(if feeder.ended { Err(Ended) } else { Ok(()) })
}

/// What a run added to each source's counts, summed up.
fn difference(before: &BTreeMap<String, SourceCounts>, after: &BTreeMap<String, SourceCounts>) -> SourceCounts {
    let mut sum = SourceCounts::default();
    for (name, after) in after {
        let before = before.get(name).cloned().unwrap_or_default();
        sum.lines += after.lines - before.lines;
        sum.bytes += after.bytes - before.bytes;
        sum.records += after.records - before.records;
        sum.requests += after.requests - before.requests;
        sum.duplicates += after.duplicates - before.duplicates;
        for ((sum, after), before) in sum.skipped.iter_mut().zip(after.skipped).zip(before.skipped) {
            *sum += after - before;
        }
        for ((sum, after), before) in sum.rejected.iter_mut().zip(after.rejected).zip(before.rejected) {
            *sum += after - before;
        }
    }
    sum
}

fn summarise(files: usize, counts: &SourceCounts, tally: &Tally, seconds: f64) -> Summary {
    Summary {
        files,
        bytes: counts.bytes,
        lines: counts.lines,
        records: counts.records,
        requests: counts.requests,
        skipped: counts.skipped_by_reason().collect(),
        rejected: counts.rejected_by_reason().collect(),
        duplicates: counts.duplicates,
        tokens: Tokens {
            input: tally.input,
            output: tally.output,
            cache_read: tally.cache_read,
            cache_write: tally.cache_write,
            reasoning: tally.reasoning,
        },
        cost: tally
            .cost
            .iter()
            .map(|(currency, nanos)| Cost { currency: currency.to_string(), total: money::format_nanos(*nanos) })
            .collect(),
        unpriced_requests: tally.unpriced_requests,
        usage_missing_requests: tally.usage_missing_requests,
        errors: tally.errors.clone(),
        sessions: tally.sessions(),
        seconds: (seconds * 1000.0).round() / 1000.0,
    }
}

/// `known` files hold something of which nothing is new.
fn print(summary: &Summary, known: usize) -> Result<(), Failure> {
    let paint = output::Paint(output::wants_colour());
    let mut out = std::io::stdout().lock();
    let mut line = |name: &str, value: String| writeln!(out, "{} {value}", paint.dim(&format!("{name:<16}")));
    let listed = |counts: &BTreeMap<&'static str, u64>| -> String {
        let total: u64 = counts.values().sum();
        let parts: Vec<String> = counts.iter().map(|(reason, count)| format!("{reason} {}", grouped(*count))).collect();
        if parts.is_empty() { grouped(total) } else { format!("{} ({})", grouped(total), parts.join(", ")) }
    };
    line("files", format!("{}, {}", summary.files, output::bytes(summary.bytes)))?;
    if known > 0 {
        let files = output::counted(summary.files, "file");
        line("already read", format!("nothing new in {known} of {files}"))?;
    }
    line("lines", grouped(summary.lines))?;
    line("records", grouped(summary.records))?;
    line("requests", paint.bold(&grouped(summary.requests)))?;
    line("duplicates", grouped(summary.duplicates))?;
    line("skipped", listed(&summary.skipped))?;
    line("rejected", listed(&summary.rejected))?;
    line("errors", listed(&summary.errors))?;
    let tokens = &summary.tokens;
    let (read, written) = (grouped(tokens.cache_read), grouped(tokens.cache_write));
    line("input tokens", format!("{} (cache read {read}, cache write {written})", grouped(tokens.input)))?;
    line("output tokens", format!("{} (reasoning {})", grouped(tokens.output), grouped(tokens.reasoning)))?;
    for cost in &summary.cost {
        line("cost", paint.bold(&format!("{} {}", cost.total, cost.currency)))?;
    }
    line("unpriced", grouped(summary.unpriced_requests))?;
    line("usage missing", grouped(summary.usage_missing_requests))?;
    line("sessions", grouped(summary.sessions))?;
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rate for people"
    )]
    let rate = (summary.lines as f64 / summary.seconds.max(0.001)) as u64;
    line("time", format!("{:.2} s, {} lines/s", summary.seconds, grouped(rate)))?;
    Ok(())
}

/// A progress bar on a terminal, nothing elsewhere.
struct Progress {
    bar: ProgressBar,
    clock: Clock,
    drawn: std::cell::Cell<Instant>,
    began: Instant,
}

impl Progress {
    fn new(clock: &Clock) -> Progress {
        let target =
            if std::io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        let began = clock.instant();
        Progress { bar, clock: clock.clone(), drawn: std::cell::Cell::new(began), began }
    }

    fn show(&self, tail: &Tail, writer: &Handle) {
        self.show_bytes(tail.read_bytes(), Some(tail.total_bytes()), writer);
    }

    fn show_bytes(&self, read: u64, total: Option<u64>, writer: &Handle) {
        let now = self.clock.instant();
        if self.bar.is_hidden() || now.saturating_duration_since(self.drawn.get()) < REDRAW {
            return;
        }
        self.drawn.set(now);
        let template = if total.is_some() {
            "{bar:30} {percent:>3} %  {bytes}/{total_bytes}  {bytes_per_sec}  {msg}  {eta} left"
        } else {
            "{spinner} {bytes}  {bytes_per_sec}  {msg}"
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style);
        }
        if let Some(total) = total {
            self.bar.set_length(total);
        }
        self.bar.set_position(read);
        let lines: u64 = writer.status().sources.values().map(|counts| counts.lines).sum();
        let seconds = now.saturating_duration_since(self.began).as_secs_f64().max(0.001);
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rate for people"
        )]
        let rate = (lines as f64 / seconds) as u64;
        self.bar.set_message(format!("{} lines/s", grouped(rate)));
        if let Some(failure) = writer.failure() {
            self.bar.set_message(output::one_line(&failure));
        }
    }
}
