//! `tokentail report`: figures by group and period.

use std::collections::BTreeSet;
use std::io::Write;

use clap::{Args, Subcommand};
use jiff::ToSpan as _;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::figures::{costs, costs_json, seconds, span, tokens_json};
use super::output::{self, Failure, grouped};
use super::sessions::folder;
use super::{ConfigArgs, time};
use crate::config::Config;
use crate::ledger::Moment;
use crate::record::{Currency, money};
use crate::report::By;
use crate::report::usage::{self, Figures, Question, Usage};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Time of use: sessions, their time and turns, requests, tokens and cost, by group
    #[command(after_help = "Example: tokentail report usage --by user,day --month 2026-11 --timezone Asia/Shanghai")]
    Usage(Arguments),
    /// Report a month's availability: figures, verdict, every outage; or add a note to an outage
    #[command(
        after_help = "Examples: tokentail report sla --month 2026-11 --output md\n          tokentail report sla note chat/3 \"the disk was full\""
    )]
    Sla(super::report_sla::Arguments),
}

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigArgs,
    /// What to group by, in order: user, consumer, gateway, route, provider, model, upstream, mode, a dimension, day, week,
    /// month, or hour of the day
    #[arg(long, value_name = "A,B", value_delimiter = ',', default_value = "day")]
    by: Vec<String>,
    /// First moment, RFC 3339 or a date; default: as far back as requests are kept
    #[arg(long, value_name = "TIME", conflicts_with = "month")]
    since: Option<String>,
    /// The moment before which it ends
    #[arg(long, value_name = "TIME", conflicts_with = "month")]
    until: Option<String>,
    /// A whole month, as 2026-11
    #[arg(long, value_name = "MONTH")]
    month: Option<String>,
    /// Time zone of days, hours and dates; default: the configured one
    #[arg(long, value_name = "ZONE")]
    timezone: Option<String>,
    /// Form of what is printed
    #[arg(long, value_enum, default_value = "table")]
    output: Form,
    /// Print JSON; the same as --output json
    #[arg(long, conflicts_with = "output")]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// For people
    Table,
    /// One document
    Json,
    /// Comma-separated (RFC 4180), times in seconds
    Csv,
    /// A table in Markdown
    Md,
}

pub(super) fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Usage(arguments) => run_usage(arguments),
        Command::Sla(arguments) => super::report_sla::run(arguments),
    }
}

fn run_usage(arguments: &Arguments) -> Result<(), Failure> {
    let config = arguments.config.load()?;
    let zone = time::zone(arguments.timezone.as_deref(), &config)?;
    let (since, until) = range(arguments, &zone)?;
    let moment = usage::open(&folder(&config)?)?;
    let question = Question { by: columns(arguments, &config, &moment)?, since, until, zone };
    let answer = usage::answer(&moment, &question)?;
    let form = if arguments.json { Form::Json } else { arguments.output };
    match form {
        Form::Table => print_table(&question, &answer),
        Form::Json => output::json(&as_json(&question, &answer)),
        Form::Csv => print_csv(&question, &answer),
        Form::Md => print_markdown(&question, &answer),
    }
}

/// The columns of groups. A dimension may be configured and not be in any request yet, or the other way round.
fn columns(arguments: &Arguments, config: &Config, moment: &Moment) -> Result<Vec<By>, Failure> {
    let mut known = usage::dimensions(moment)?;
    known.extend(config.dimensions.iter().map(|dimension| dimension.name.clone()));
    let mut by: Vec<By> = Vec::new();
    for word in arguments.by.iter().map(|word| word.trim()).filter(|word| !word.is_empty()) {
        let column = By::parse(word, &known).map_err(|error| Failure::misuse(format!("failed to {error}")))?;
        if !by.contains(&column) {
            by.push(column);
        }
    }
    Ok(by)
}

/// First moment, and the one before which it ends.
fn range(arguments: &Arguments, zone: &TimeZone) -> Result<(i64, i64), Failure> {
    if let Some(month) = &arguments.month {
        let first = format!("{month}-01").parse::<jiff::civil::Date>().ok();
        let range = first.filter(|_| month.len() == 7).and_then(|first| {
            let next = first.checked_add(1.month()).ok()?;
            Some((time::first_moment(first, zone)?, time::first_moment(next, zone)?))
        });
        return range.ok_or_else(|| Failure::misuse(format!("--month {month:?} is no month; write it as 2026-11")));
    }
    let at = |text: &Option<String>, flag| text.as_deref().map(|text| time::parse(text, zone, flag)).transpose();
    let since = at(&arguments.since, "--since")?.unwrap_or(i64::MIN);
    let until = at(&arguments.until, "--until")?.unwrap_or(i64::MAX);
    if since >= until {
        return Err(Failure::misuse("--since is not before --until"));
    }
    Ok((since, until))
}

const FIGURES: [&str; 12] = [
    "sessions",
    "time",
    "mean",
    "turns",
    "requests",
    "errors",
    "input",
    "cache read",
    "cache write",
    "output",
    "reasoning",
    "cost",
];

/// The figures of a group for people.
fn cells(figures: &Figures) -> [String; 12] {
    let tokens = &figures.tokens;
    let unpriced =
        if figures.unpriced > 0 { format!(" ({} unpriced)", grouped(figures.unpriced)) } else { String::new() };
    [
        grouped(figures.sessions),
        span(figures.time),
        span(figures.mean()),
        grouped(figures.turns),
        grouped(figures.requests),
        grouped(figures.errors),
        grouped(tokens.input()),
        grouped(tokens.cache_read),
        grouped(tokens.cache_write()),
        grouped(tokens.output()),
        grouped(tokens.reasoning),
        costs(&figures.costs) + &unpriced,
    ]
}

fn value(text: &str) -> String {
    if text.is_empty() { "–".to_owned() } else { text.to_owned() }
}

/// All rows with a heading, and the sums below.
fn rows(question: &Question, answer: &Usage) -> (Vec<String>, Vec<Vec<String>>) {
    let header = question.by.iter().map(ToString::to_string).chain(FIGURES.map(str::to_owned)).collect();
    let row = |(values, figures): &(Vec<String>, Figures)| {
        values.iter().map(|text| value(text)).chain(cells(figures)).collect::<Vec<_>>()
    };
    let mut rows: Vec<Vec<String>> = answer.groups.iter().map(row).collect();
    let mut sums = vec![String::new(); question.by.len()];
    if let Some(first) = sums.first_mut() {
        "total".clone_into(first);
    }
    sums.extend(cells(&answer.total));
    rows.push(sums);
    (header, rows)
}

fn print_table(question: &Question, answer: &Usage) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    if answer.groups.is_empty() {
        writeln!(out, "no request and no session in this time")?;
        return Ok(());
    }
    let (header, rows) = rows(question, answer);
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    out.write_all(output::table(&header, question.by.len(), rows.into_iter()).as_bytes())?;
    writeln!(
        out,
        "\ndays and hours of {}; a session counts in every group that it touches",
        time::zone_name(&question.zone)
    )?;
    Ok(())
}

fn print_markdown(question: &Question, answer: &Usage) -> Result<(), Failure> {
    let (header, rows) = rows(question, answer);
    let mut out = std::io::stdout().lock();
    let line = |cells: &[String]| {
        let cells: Vec<String> = cells.iter().map(|cell| output::one_line(cell).replace('|', "\\|")).collect();
        format!("| {} |", cells.join(" | "))
    };
    writeln!(out, "{}", line(&header))?;
    let align = |index: usize| if index < question.by.len() { "---" } else { "---:" };
    writeln!(out, "|{}|", (0..header.len()).map(align).collect::<Vec<_>>().join("|"))?;
    for row in &rows {
        writeln!(out, "{}", line(row))?;
    }
    Ok(())
}

/// One row a group without sums, plain numbers; one column of cost for each currency.
fn print_csv(question: &Question, answer: &Usage) -> Result<(), Failure> {
    let currencies: BTreeSet<Currency> = answer.total.costs.keys().copied().collect();
    let mut header: Vec<String> = question.by.iter().map(ToString::to_string).collect();
    let fixed = [
        "sessions",
        "session_seconds",
        "mean_session_seconds",
        "turns",
        "requests",
        "errors",
        "input_tokens",
        "cache_read_tokens",
        "cache_write_tokens",
        "output_tokens",
        "reasoning_tokens",
        "usage_missing_requests",
        "unpriced_requests",
    ];
    header.extend(fixed.map(str::to_owned));
    header.extend(currencies.iter().map(|currency| format!("cost_{currency}")));
    let mut out = std::io::stdout().lock();
    csv_row(&mut out, &header)?;
    for (values, figures) in &answer.groups {
        let mut row = values.clone();
        let tokens = &figures.tokens;
        row.extend([
            figures.sessions.to_string(),
            seconds(figures.time).to_string(),
            seconds(figures.mean()).to_string(),
            figures.turns.to_string(),
            figures.requests.to_string(),
            figures.errors.to_string(),
            tokens.input().to_string(),
            tokens.cache_read.to_string(),
            tokens.cache_write().to_string(),
            tokens.output().to_string(),
            tokens.reasoning.to_string(),
            figures.usage_missing.to_string(),
            figures.unpriced.to_string(),
        ]);
        row.extend(
            currencies.iter().map(|currency| money::format_nanos(figures.costs.get(currency).copied().unwrap_or(0))),
        );
        csv_row(&mut out, &row)?;
    }
    Ok(())
}

/// One record. Text that a spreadsheet would run as a formula gets an apostrophe in front.
fn csv_row(out: &mut impl Write, cells: &[String]) -> Result<(), Failure> {
    let cell = |text: &String| {
        let text = output::one_line(text);
        let is_formula = text.starts_with(['=', '+', '-', '@']) && text.parse::<f64>().is_err();
        let text = if is_formula { format!("'{text}") } else { text };
        if text.contains(['"', ',']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
    };
    let cells: Vec<String> = cells.iter().map(cell).collect();
    write!(out, "{}\r\n", cells.join(","))?;
    Ok(())
}

fn as_json(question: &Question, answer: &Usage) -> Value {
    let moment = |micros: i64| (micros != i64::MIN && micros != i64::MAX).then(|| output::time(micros));
    let groups: Vec<Value> = answer
        .groups
        .iter()
        .map(|(values, figures)| {
            let group: serde_json::Map<String, Value> = question
                .by
                .iter()
                .zip(values)
                .map(|(by, value)| (by.to_string(), Value::from(value.as_str())))
                .collect();
            json!({"group": group, "figures": figures_json(figures)})
        })
        .collect();
    json!({
        "by": question.by.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "since": moment(question.since), "until": moment(question.until), "timezone": time::zone_name(&question.zone),
        "groups": groups, "total": figures_json(&answer.total),
    })
}

fn figures_json(figures: &Figures) -> Value {
    json!({
        "sessions": figures.sessions, "session_seconds": seconds(figures.time),
        "mean_session_seconds": seconds(figures.mean()), "turns": figures.turns, "requests": figures.requests,
        "errors": figures.errors, "usage_missing_requests": figures.usage_missing,
        "unpriced_requests": figures.unpriced, "tokens": tokens_json(&figures.tokens),
        "cost": costs_json(&figures.costs),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_breaks_out_of_its_cell() {
        let mut out = Vec::new();
        let cells = ["a,b", "say \"x\"", "=1+1", "-1.5", "a\nb", "plain"].map(str::to_owned);
        csv_row(&mut out, &cells).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, "\"a,b\",\"say \"\"x\"\"\",'=1+1,-1.5,a\\nb,plain\r\n");
    }
}
