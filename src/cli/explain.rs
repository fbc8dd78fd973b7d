//! `tokentail explain`: what is made of a line, and why.

use std::io::{Read, Write};
use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::output::{self, Failure, Paint, grouped};
use super::{ConfigArgs, line_format};
use crate::clock::Clock;
use crate::config::Config;
use crate::daemon;
use crate::format::{Decoder, Detection};
use crate::ledger::MAX_SESSION_NAME;
use crate::pricing::{Request, Table, choose};
use crate::record::{CountingFamily, Logged, Parsed, Record, Reject, Tokens, Usage, money};
use crate::session::Messages;
use crate::tail::{self, Lines, Sink};

#[derive(Debug, Args)]
#[command(after_help = "Example: tail -n 1 access.log | tokentail explain")]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigArgs,
    /// Format of the lines, or the name of a configured source
    #[arg(long, default_value = "auto")]
    format: String,
    /// Print one JSON object a record, as a JSON array
    #[arg(long)]
    json: bool,
    /// A log, `.gz` and `.zst` as they are; `-` or nothing is standard input
    file: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let config = arguments.config.load()?;
    let table = daemon::load_prices(&config)?;
    let source = config.sources.iter().find(|source| source.tail.name == arguments.format);
    let format = line_format(&config, &arguments.format);
    let decoder = Decoder::build(&format).map_err(daemon::Error::from)?;
    let input: Box<dyn Read> = match arguments.file.as_deref() {
        Some(path) if path.as_os_str() != "-" => Box::new(
            tail::open(path).map_err(|error| Failure::misuse(format!("failed to read {}: {error}", path.display())))?,
        ),
        _ => Box::new(std::io::stdin().lock()),
    };
    let max_line = source.map_or(tail::Source::MAX_LINE, |source| source.tail.max_line);
    let mut explainer = Explainer {
        decoder,
        table,
        dimensions: format.dimensions.iter().map(|dimension| dimension.name.clone()).collect(),
        config,
        now: Clock::system().now(),
        paint: Paint(output::wants_colour()),
        out: std::io::stdout(),
        json: arguments.json,
        number: 0,
        printed: 0,
        failure: None,
    };
    if arguments.json {
        write!(explainer.out, "[")?;
    }
    let mut lines = Lines::new(input, 0, max_line);
    while lines.step(&mut explainer).map_err(|error| Failure::failed(format!("failed to read the log: {error}")))? {
        if explainer.failure.is_some() {
            break;
        }
    }
    if let Some(error) = explainer.failure {
        return Err(error.into());
    }
    if arguments.json {
        writeln!(explainer.out, "{}]", if explainer.printed > 0 { "\n" } else { "" })?;
    }
    Ok(())
}

struct Explainer {
    decoder: Decoder,
    table: Table,
    dimensions: Vec<String>,
    config: Config,
    now: i64,
    paint: Paint,
    out: std::io::Stdout,
    json: bool,
    number: u64,
    printed: u64,
    failure: Option<std::io::Error>,
}

impl Sink for Explainer {
    fn line(&mut self, _source: usize, line: &[u8]) {
        self.number += 1;
        let detection = self.decoder.detect(line);
        let mut said: Vec<(Value, String)> = Vec::new();
        let (table, config, paint, number) = (&self.table, &self.config, self.paint, self.number);
        let dimensions = &self.dimensions;
        self.decoder.parse(line, self.now, &mut |parsed| {
            let explained = match parsed {
                Parsed::Request(record) => {
                    let explained =
                        Explained { record: &record, table, config, dimensions, detection: &detection, number };
                    (explained.json(), explained.text(paint))
                }
                Parsed::Skipped(reason) => unusable(
                    number,
                    &detection,
                    "skipped",
                    reason.label(),
                    reason.meaning(),
                    paint.warn("skipped"),
                    paint,
                ),
                Parsed::Rejected(reason) => unusable(
                    number,
                    &detection,
                    "rejected",
                    reason.label(),
                    reason.meaning(),
                    paint.bad("rejected"),
                    paint,
                ),
            };
            said.push(explained);
        });
        for (json, text) in said {
            self.print(&json, &text);
        }
    }

    fn too_long(&mut self, _source: usize, bytes: u64) {
        self.number += 1;
        let detection = Detection { format: "", why: format!("has {} bytes", grouped(bytes)) };
        let reason = Reject::TooLong;
        let shown = self.paint.bad("rejected");
        let (json, text) =
            unusable(self.number, &detection, "rejected", reason.label(), reason.meaning(), shown, self.paint);
        self.print(&json, &text);
    }
}

impl Explainer {
    fn print(&mut self, json: &Value, text: &str) {
        let written = if self.json {
            let separator = if self.printed > 0 { "," } else { "" };
            write!(self.out, "{separator}\n{json}")
        } else {
            self.out.write_all(text.as_bytes())
        };
        self.printed += 1;
        if let Err(error) = written {
            self.failure.get_or_insert(error);
        }
    }
}

fn unusable(
    number: u64,
    detection: &Detection,
    state: &str,
    reason: &str,
    meaning: &str,
    shown: String,
    paint: Paint,
) -> (Value, String) {
    let json = json!({
        "line": number, "format": detection.format, "why": detection.why, "result": state, "reason": reason, "meaning": meaning,
    });
    let mut text = headline(number, detection, paint);
    text.push_str(&field(paint, &shown, &format!("{reason}: {meaning}")));
    if reason == "no_ai" {
        let hint = "if this was an AI request: does the gateway's log format have ai_log, and is ai-statistics on for the route?";
        text.push_str(&field(paint, "", hint));
    }
    text.push('\n');
    (json, text)
}

fn headline(number: u64, detection: &Detection, paint: Paint) -> String {
    let format = if detection.format.is_empty() { "no format" } else { detection.format };
    let title = paint.bold(&format!("line {number}"));
    format!("{title}  {format} {}\n", paint.dim(&format!("the line {}", output::one_line(&detection.why))))
}

fn field(paint: Paint, name: &str, value: &str) -> String {
    let plain = if name.contains('\x1b') { name.to_owned() } else { paint.dim(&format!("{name:<10}")) };
    format!("  {plain} {value}\n")
}

/// One request with everything that explains it.
struct Explained<'a> {
    record: &'a Record<'a>,
    table: &'a Table,
    config: &'a Config,
    dimensions: &'a [String],
    detection: &'a Detection,
    number: u64,
}

/// The disjoint kinds with their names; the sums of input and output stand behind their parts.
fn kinds(tokens: &Tokens) -> [(&'static str, u64); 6] {
    [
        ("uncached input", tokens.uncached_input),
        ("cache read", tokens.cache_read),
        ("cache write 5m", tokens.cache_write_5m),
        ("cache write 1h", tokens.cache_write_1h),
        ("visible output", tokens.visible_output),
        ("reasoning", tokens.reasoning),
    ]
}

/// How a provider family counts, in words.
fn counting(family: CountingFamily) -> &'static str {
    match family {
        CountingFamily::OpenAi => "counted as OpenAI does: input includes cached tokens, output includes reasoning",
        CountingFamily::Anthropic => {
            "counted as Anthropic does: input excludes cache reads and writes, so they are added"
        }
        CountingFamily::Gemini => "counted as Gemini does: output excludes thoughts, so they are added",
    }
}

impl Explained<'_> {
    fn explanation(&self) -> Option<crate::pricing::Explanation> {
        let request = Request::of(self.record)?;
        Some(self.table.explain(&self.record.provider, &self.record.model, &request))
    }

    fn json(&self) -> Value {
        let record = self.record;
        let explanation = self.explanation();
        let computed = explanation.as_ref().and_then(|explanation| explanation.priced.cost);
        let cost = choose(self.config.pricing.mode, computed, record.logged_cost);
        let dimensions: serde_json::Map<_, _> = self
            .dimensions
            .iter()
            .zip(&record.dimensions)
            .map(|(name, value)| (name.clone(), Value::from(value.as_ref())))
            .collect();
        let tokens = match &record.usage {
            Usage::Counted { tokens, family, logged, .. } => {
                let parts: serde_json::Map<_, _> =
                    kinds(tokens).iter().map(|(name, count)| (name.replace(' ', "_"), (*count).into())).collect();
                json!({
                    "family": family.label(), "input": tokens.input(), "output": tokens.output(), "kinds": parts,
                    "logged": {"input": logged.input, "output": logged.output, "cache_read": logged.cache_read,
                        "cache_write_5m": logged.cache_write_5m, "cache_write_1h": logged.cache_write_1h, "reasoning": logged.reasoning},
                })
            }
            Usage::Missing => json!("usage_missing"),
            Usage::None => Value::Null,
        };
        let derived = record.session_id.is_empty().then(|| {
            let join = self.join();
            json!({
                "client": self.client(), "by": join.map(|(by, _)| by),
                "messages": join.map_or(0, |(_, messages)| messages),
            })
        });
        json!({
            "line": self.number, "format": self.detection.format, "why": self.detection.why, "result": "request",
            "start": output::time(record.start), "duration_seconds": record.duration.map(seconds),
            "first_token_seconds": record.first_token.map(seconds),
            "request_id": record.request_id, "chat_id": record.chat_id, "status": record.status,
            "error": record.outcome.error().map(|reason| reason.label()),
            "route": record.route, "provider": record.provider, "priced_as_provider": self.table.provider(&record.provider),
            "model": record.model, "consumer": record.consumer, "user": record.user, "upstream": record.upstream,
            "mode": record.mode.label(), "service_tier": record.service_tier.label(), "dimensions": dimensions,
            "session": record.session_id, "derived_session": derived, "chat_round": record.chat_round, "tool_calls": record.tool_calls,
            "tokens": tokens, "price": explanation,
            "logged_cost": record.logged_cost.map(|cost| json!({"currency": cost.currency.as_str(), "total": money::format_nanos(cost.nanos.into())})),
            "cost": cost.map(|cost| json!({"currency": cost.currency.as_str(), "total": money::format_nanos(cost.nanos.into())})),
            "anomalies": record.anomalies.iter().map(|anomaly| anomaly.label()).collect::<Vec<_>>(),
        })
    }

    fn text(&self, paint: Paint) -> String {
        let record = self.record;
        let mut text = headline(self.number, self.detection, paint);
        text.push_str(&field(paint, "request", &self.request(paint)));
        text.push_str(&field(paint, "origin", &self.origin()));
        text.push_str(&field(paint, "session", &self.session()));
        if !record.tool_calls.is_empty() {
            text.push_str(&field(paint, "tools", &output::one_line(&record.tool_calls.join(", "))));
        }
        match &record.usage {
            Usage::Counted { tokens, family, logged, .. } => {
                text.push_str(&field(paint, "tokens", &paint.dim(counting(*family))));
                text.push_str(&counts(paint, tokens, logged));
            }
            Usage::Missing => {
                let missing = "usage should be here and is not: counted as usage_missing, no cost";
                text.push_str(&field(paint, "tokens", &paint.warn(missing)));
            }
            Usage::None => text.push_str(&field(paint, "tokens", "none expected, none logged")),
        }
        if let Some(explanation) = self.explanation() {
            for (index, line) in output::visible(&explanation.to_string()).lines().enumerate() {
                let line = if index == 0 { line.strip_prefix("price row: ").unwrap_or(line) } else { line };
                let line = if line.trim_start().starts_with("cost ") { paint.bold(line) } else { line.to_owned() };
                text.push_str(&field(paint, if index == 0 { "price" } else { "" }, &line));
            }
        }
        if let Some(logged) = record.logged_cost {
            let amount = format!("{} {}", money::format_nanos(logged.nanos.into()), logged.currency);
            text.push_str(&field(paint, "logged", &format!("{amount} by the gateway, kept beside the computed cost")));
        }
        for anomaly in record.anomalies.iter() {
            let line = format!("{}: {}", anomaly.label(), anomaly.meaning());
            text.push_str(&field(paint, "odd", &paint.warn(&line)));
        }
        text.push('\n');
        text
    }

    fn request(&self, paint: Paint) -> String {
        let record = self.record;
        let mut parts = vec![output::time(record.start)];
        if let Some(duration) = record.duration {
            parts.push(output::duration(duration));
        }
        if let Some(first_token) = record.first_token {
            parts.push(format!("first token after {}", output::duration(first_token)));
        }
        if !record.mode.label().is_empty() {
            parts.push(record.mode.label().to_owned());
        }
        let status = record.status.map_or_else(|| "no status".to_owned(), |status| format!("status {status}"));
        parts.push(match record.outcome.error() {
            None => paint.good(&status),
            Some(reason) => paint.bad(&format!("{status}, {}", reason.label())),
        });
        if !record.request_id.is_empty() {
            parts.push(format!("id {}", output::one_line(&record.request_id)));
        }
        parts.join(", ")
    }

    fn origin(&self) -> String {
        let record = self.record;
        let provider = self.table.provider(&record.provider);
        let mut parts = Vec::new();
        let mut part = |name: &str, value: &str| {
            if !value.is_empty() {
                parts.push(format!("{name} {}", output::one_line(value)));
            }
        };
        part("route", &record.route);
        if provider == record.provider {
            part("provider", &record.provider);
        } else {
            part("provider", &format!("{} = {provider}", record.provider));
        }
        part("model", &record.model);
        part("consumer", &record.consumer);
        part("user", &record.user);
        for (name, value) in self.dimensions.iter().zip(&record.dimensions) {
            part(name, value);
        }
        if parts.is_empty() { "unknown".to_owned() } else { parts.join(", ") }
    }

    /// Which known values tell who asks, where the log names no session.
    fn client(&self) -> Vec<&'static str> {
        let record = self.record;
        let fields = [
            ("consumer", &record.consumer),
            ("user", &record.user),
            ("address", &record.client_address),
            ("user agent", &record.user_agent),
        ];
        fields.into_iter().filter(|(_, value)| !value.is_empty()).map(|(name, _)| name).collect()
    }

    /// What tells which session a request without a session id goes on with. Which one that is depends on the requests
    /// before it, so no id is said.
    fn join(&self) -> Option<(&'static str, usize)> {
        let messages = Messages::read(&self.record.messages).len();
        match self.record.chat_round {
            _ if messages > 0 => Some(("messages", messages)),
            Some(round) if round > 0 => Some(("chat_round", 0)),
            _ if !self.client().is_empty() => Some(("idle_time", 0)),
            _ => None,
        }
    }

    fn joined(&self) -> String {
        let client = self.client();
        let same = if client.is_empty() { String::new() } else { format!(" of the same {}", client.join(", ")) };
        match self.join() {
            None => "nothing tells who asks, so it belongs to no session".to_owned(),
            Some(("messages", count)) => {
                format!(
                    "it goes on with the derived session{same} whose messages its {count} begin with, else begins one"
                )
            }
            Some(("chat_round", _)) => {
                format!(
                    "it goes on with the latest derived session{same} whose chat_round is equal or one less, else begins one"
                )
            }
            Some(_) => {
                format!("it goes on with the latest derived session{same} within the idle timeout, else begins one")
            }
        }
    }

    fn session(&self) -> String {
        let record = self.record;
        let turn = record.chat_round.map_or_else(String::new, |round| format!(", turn {round}"));
        if record.session_id.is_empty() {
            return format!("the log names none{turn}; {}", self.joined());
        }
        if record.session_id.len() > MAX_SESSION_NAME {
            return format!("a name of {} bytes, kept as its hash{turn}", grouped(record.session_id.len() as u64));
        }
        format!("{}{turn}", output::one_line(&record.session_id))
    }
}

fn seconds(micros: i64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "seconds for JSON readers")]
    let seconds = micros as f64 / 1e6;
    seconds
}

/// The disjoint kinds, one a line, with the sums that the counters show.
fn counts(paint: Paint, tokens: &Tokens, logged: &Logged) -> String {
    let width = grouped(tokens.total()).len();
    let mut text = String::new();
    let mut line = |name: &str, count: u64, note: &str| {
        let row = format!("  {name:<14} {:>width$}{}", grouped(count), paint.dim(note));
        text.push_str(&field(paint, "", &row));
    };
    let kinds = kinds(tokens);
    let (input, output) = kinds.split_at(4);
    for (part, sum, total, was) in
        [(input, "= input", tokens.input(), logged.input), (output, "= output", tokens.output(), logged.output)]
    {
        for (name, count) in part.iter().filter(|(_, count)| *count > 0) {
            line(name, *count, "");
        }
        let note = if total == was { String::new() } else { format!("   (logged as {})", grouped(was)) };
        line(sum, total, &note);
    }
    text
}
