//! `tokentail sessions`: a list of sessions, and one of them turn by turn.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::conversations::reader;
use super::conversations_text::print_exchange;
use super::figures::{costs, span};
use super::output::{self, Failure, Paint, grouped};
use super::{ConfigArgs, time};
use crate::config::{Config, SessionIds};
use crate::content::Shown as Said;
use crate::daemon;
use crate::ledger::{
    DataDir, MAX_SESSION_NAME, Privacy, RequestFilter, SessionFilter, SessionList, SessionPage, SessionQuery, Shown,
    Sort, Turn,
};
use crate::record::{Cost, Currency, money};
use crate::report::conversations::of_rows;
use crate::report::document::{amounts_json, money_json, tokens_json, zone_name};
use crate::report::shape;
use crate::wording::{hex, quoted, shortened};

/// Tools of one turn that the table names.
const MOST_TOOLS: usize = 3;

/// Characters of a text that are printed with its session; `conversations show` prints all.
const MOST_SAID: usize = 2_000;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List sessions, the latest first
    #[command(after_help = "Example: tokentail sessions list --since 2026-11-01 --sort cost --limit 10")]
    List(List),
    /// Show one session turn by turn
    #[command(after_help = "Example: tokentail sessions show sess_abc123")]
    Show(Show),
}

#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    config: ConfigArgs,
    /// Only sessions with time at or after this moment, RFC 3339 or a date
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only sessions with time before this moment
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Only sessions with a request of this consumer
    #[arg(long, value_name = "NAME")]
    consumer: Option<String>,
    /// Only sessions of this user: the id as the log has it, or the pseudonym that is shown
    #[arg(long, value_name = "ID")]
    user: Option<String>,
    /// Only sessions with a request to this model
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Only sessions of this gateway
    #[arg(long, value_name = "NAME")]
    gateway: Option<String>,
    /// Only sessions with a request that has this value of a dimension; may be given several times
    #[arg(long = "dimension", value_name = "NAME=VALUE")]
    dimensions: Vec<String>,
    /// Only sessions that cost so much or more in --currency
    #[arg(long, value_name = "AMOUNT")]
    min_cost: Option<String>,
    /// The currency of --min-cost and --sort cost; default: the one in which most requests are priced
    #[arg(long, value_name = "CODE")]
    currency: Option<String>,
    /// What comes first, the largest of: updated, cost, tokens, turns, duration
    #[arg(long, default_value = "updated", value_name = "ORDER", value_parser = parse_sort)]
    sort: Sort,
    /// How many are listed at most
    #[arg(long, default_value_t = 20, value_name = "N")]
    limit: usize,
    /// Time zone of dates and of what is shown; default: the configured one
    #[arg(long, value_name = "ZONE")]
    timezone: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Show {
    #[command(flatten)]
    config: ConfigArgs,
    /// The session's id as the log has it, or `derived:…` as the list shows it
    id: String,
    /// The gateway, where several have a session of that id
    #[arg(long, value_name = "NAME")]
    gateway: Option<String>,
    /// How many requests are shown at most, the last ones
    #[arg(long, default_value_t = 1_000, value_name = "N")]
    limit: usize,
    /// Time zone of what is shown; default: the configured one
    #[arg(long, value_name = "ZONE")]
    timezone: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn parse_sort(text: &str) -> Result<Sort, String> {
    let names: Vec<&str> = Sort::ALL.iter().map(|sort| sort.label()).collect();
    Sort::ALL
        .into_iter()
        .find(|sort| sort.label() == text)
        .ok_or_else(|| format!("expected one of {}", names.join(", ")))
}

pub(super) fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::List(arguments) => list(arguments),
        Command::Show(arguments) => show(arguments),
    }
}

/// The folder of the ledger that is read.
pub(super) fn folder(config: &Config) -> Result<PathBuf, Failure> {
    let folder = daemon::data_dir(config);
    folder.check()?;
    match folder {
        DataDir::Path(folder) => Ok(folder),
        DataDir::None => Err(Failure::misuse("--data-dir none keeps no ledger")),
    }
}

/// How people and secrets were kept out of the ledger; `None` where nobody ever wrote to the folder.
pub(super) fn privacy(config: &Config) -> Result<Option<Privacy>, Failure> {
    let key = daemon::load_made_privacy_key(config.privacy.key_file.as_deref(), &daemon::data_dir(config))?;
    Ok(key.map(|key| Privacy { key, hash_sessions: config.privacy.session_ids == SessionIds::Hashed }))
}

fn list(arguments: &List) -> Result<(), Failure> {
    let config = arguments.config.load()?;
    let zone = time::zone(arguments.timezone.as_deref(), &config)?;
    let at = |text: &Option<String>, flag| text.as_deref().map(|text| time::parse(text, &zone, flag)).transpose();
    let one = |value: &Option<String>| value.iter().cloned().collect();
    let mut requests = RequestFilter {
        since: at(&arguments.since, "--since")?,
        until: at(&arguments.until, "--until")?,
        gateways: one(&arguments.gateway),
        models: one(&arguments.model),
        ..RequestFilter::default()
    };
    let currency = arguments.currency.as_deref().map(parse_currency).transpose()?;
    let min_cost = arguments.min_cost.as_deref().map(parse_amount).transpose()?;
    for text in &arguments.dimensions {
        let (name, value) = text
            .split_once('=')
            .ok_or_else(|| Failure::misuse(format!("--dimension {text:?} has no value; write NAME=VALUE")))?;
        requests.dimensions.push((name.to_owned(), value.to_owned()));
    }
    let folder = folder(&config)?;
    let query = SessionQuery::open(&folder)?;
    let privacy = privacy(&config)?;
    let stored = |plain: &String| privacy.as_ref().map_or_else(|| plain.clone(), |privacy| privacy.consumer(plain));
    requests.consumers = arguments.consumer.iter().map(stored).collect();
    if let Some(user) = &arguments.user {
        requests.users.push(stored_user(&query, privacy.as_ref(), user)?);
    }
    let usual = match (min_cost, currency) {
        (Some(_), None) => query.moment().usual_currency()?,
        _ => currency,
    };
    let least = |nanos| Cost {
        nanos: i64::try_from(nanos).unwrap_or(i64::MAX),
        // Where nothing is priced at all, any will do.
        currency: usual.unwrap_or(Currency::USD),
    };
    let filter =
        SessionFilter { requests, min_cost: min_cost.map(least), currency, counted: true, ..SessionFilter::default() };
    let list = SessionList { filter, sort: arguments.sort, limit: arguments.limit, ..SessionList::default() };
    let listed = query.page(&list)?;
    if arguments.json {
        return output::json(&json!({
            "sessions": listed.sessions.iter().map(shape::session).collect::<Vec<_>>(),
            "found": listed.found.unwrap_or(0),
            "sort": arguments.sort.label(),
            "currency": listed.currency.or(currency).map(|currency| currency.to_string()),
        }));
    }
    print_list(arguments, &listed, &zone)
}

/// The pseudonym of a user who is given by it or by the plain id.
fn stored_user(query: &SessionQuery, privacy: Option<&Privacy>, user: &str) -> Result<String, Failure> {
    if query.knows_user(user)? {
        return Ok(user.to_owned());
    }
    let privacy = privacy.ok_or_else(|| {
        Failure::misuse("--user needs the key of the pseudonyms, and there is none; set privacy.key_file")
    })?;
    Ok(privacy.pseudonym(user))
}

pub(super) fn parse_currency(text: &str) -> Result<Currency, Failure> {
    Currency::parse(text)
        .ok_or_else(|| Failure::misuse(format!("--currency {text:?} is no currency; write three capital letters")))
}

/// A decimal amount in nano-units.
pub(super) fn parse_amount(text: &str) -> Result<i128, Failure> {
    money::parse_nanos(text, 18)
        .ok_or_else(|| Failure::misuse(format!("--min-cost {text:?} is no amount; write 12 or 0.05")))
}

fn print_list(arguments: &List, listed: &SessionPage, zone: &TimeZone) -> Result<(), Failure> {
    let found = listed.found.unwrap_or(0);
    let mut out = std::io::stdout().lock();
    if listed.sessions.is_empty() {
        writeln!(out, "no session fits ({found} found)")?;
        return Ok(());
    }
    let gateways: BTreeSet<&str> = listed.sessions.iter().map(|session| session.gateway.as_str()).collect();
    let several = gateways.len() > 1;
    let mut header = vec!["session", "updated", "consumer", "model"];
    if several {
        header.insert(1, "gateway");
    }
    let left = header.len();
    header.extend(["turns", "errors", "input", "output", "time", "cost"]);
    let text = output::table(
        &header,
        left,
        listed.sessions.iter().map(|session| {
            let mut row = vec![shortened(&session.name)];
            if several {
                row.push(shortened(&session.gateway));
            }
            row.extend([
                time::wall(session.end, zone) + if session.open { " +" } else { "" },
                first_of(session.consumers.iter()),
                first_of(session.models.iter()),
                grouped(session.turns),
                grouped(session.errors),
                grouped(session.tokens.input()),
                grouped(session.tokens.output()),
                span(session.duration),
                costs(&session.costs),
            ]);
            row
        }),
    );
    out.write_all(text.as_bytes())?;
    let shown = grouped(listed.sessions.len());
    let mut order = arguments.sort.label().to_owned();
    if let (Sort::Cost, Some(currency)) = (arguments.sort, listed.currency) {
        order = format!("cost in {currency}");
    }
    writeln!(out, "\n{shown} of {} sessions, by {order}; times in {}", grouped(found), zone_name(zone))?;
    writeln!(out, "a session's time is the sum of its parts; + goes on; turn by turn: tokentail sessions show ID")?;
    Ok(())
}

/// The forms in which a session's id may be stored: as given; its hash, where it is too long; both hashed with the privacy
/// key, where the ledger keeps only hashes.
pub(super) fn session_names(id: &str, config: &Config, privacy: Option<&Privacy>) -> Vec<String> {
    let mut names = vec![id.to_owned()];
    if id.len() > MAX_SESSION_NAME {
        names.push(format!("sha256:{}", hex(&Sha256::digest(id.as_bytes()))));
    }
    if config.privacy.session_ids == SessionIds::Hashed
        && let Some(privacy) = privacy
    {
        let hashed: Vec<String> = names.iter().map(|name| format!("hashed-{}", privacy.pseudonym(name))).collect();
        names.extend(hashed);
    }
    names
}

fn show(arguments: &Show) -> Result<(), Failure> {
    let config = arguments.config.load()?;
    let zone = time::zone(arguments.timezone.as_deref(), &config)?;
    let folder = folder(&config)?;
    let query = SessionQuery::open(&folder)?;
    let id = arguments.id.as_str();
    let names = session_names(id, &config, privacy(&config)?.as_ref());
    let mut found = query.find(&names, arguments.gateway.as_deref())?;
    let gateways: BTreeSet<&str> = found.iter().map(|session| session.gateway.as_str()).collect();
    if gateways.len() > 1 {
        let gateways: Vec<&str> = gateways.into_iter().collect();
        let gateways = gateways.join(", ");
        return Err(Failure::misuse(format!(
            "several gateways have a session {}: {gateways}; say which by --gateway",
            quoted(id)
        )));
    }
    if found.is_empty() {
        let place = arguments.gateway.as_ref().map_or_else(String::new, |name| format!(" of gateway {}", quoted(name)));
        let hint = match query.nearest(id)? {
            Some(name) if name != id => format!("; did you mean {}?", quoted(&name)),
            _ => "; `tokentail sessions list` shows what there is".to_owned(),
        };
        return Err(Failure::failed(format!("there is no session {}{place}{hint}", quoted(id))));
    }
    let shown = query.show(found.swap_remove(0), arguments.limit)?;
    let rows: Vec<i64> = shown.turns.iter().map(|turn| turn.id).collect();
    let said = reader(&config, &folder)?.map(|reader| of_rows(&reader, &rows)).transpose()?.unwrap_or_default();
    if arguments.json {
        return output::json(&json!({
            "session": shape::session(&shown.session),
            "turns": shown.turns.iter().map(|turn| turn_json(turn, said.get(&turn.id))).collect::<Vec<_>>(),
            "left_out": shown.left_out,
            "removed": shown.removed,
        }));
    }
    print_shown(&shown, &zone)?;
    print_said(&shown, &said, &zone)
}

/// What was said, turn by turn, where it was captured.
fn print_said(shown: &Shown, said: &BTreeMap<i64, Said>, zone: &TimeZone) -> Result<(), Failure> {
    let paint = Paint(output::wants_colour());
    let mut out = std::io::stdout().lock();
    for turn in &shown.turns {
        let Some((conversation, exchange)) = said.get(&turn.id) else { continue };
        let erased = if conversation.is_erased { "  erased" } else { "" };
        writeln!(out, "\n{}  conversation {}{erased}", paint.bold(&time::wall(turn.start, zone)), turn.id)?;
        print_exchange(&mut out, exchange, MOST_SAID, paint)?;
    }
    Ok(())
}

fn print_shown(shown: &Shown, zone: &TimeZone) -> Result<(), Failure> {
    let paint = Paint(output::wants_colour());
    let session = &shown.session;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", paint.bold(&output::one_line(&session.name)))?;
    let mut line = |name: &str, value: &str| {
        let value = output::one_line(value);
        if value.is_empty() { Ok(()) } else { writeln!(out, "  {} {value}", paint.dim(&format!("{name:<10}"))) }
    };
    let list = |values: &mut dyn Iterator<Item = &String>| values.cloned().collect::<Vec<_>>().join(", ");
    let more = if session.more { " and more" } else { "" };
    line("gateway", &session.gateway)?;
    if session.derived {
        line("found by", "comparing requests: the log names no session")?;
    }
    line("consumer", &list(&mut session.consumers.iter()))?;
    line("user", &format!("{}{}", session.user, if session.mixed_users { " and others" } else { "" }))?;
    line("model", &format!("{}{more}", list(&mut session.models.iter())))?;
    for (name, value) in &session.dimensions {
        line(name, value)?;
    }
    let state = if session.open { ", goes on" } else { "" };
    let (from, to) = (time::wall(session.start, zone), time::wall(session.end, zone));
    line("from", &format!("{from} to {to}{state} ({})", zone_name(zone)))?;
    let parts = output::counted(session.parts, "part");
    line("time", &format!("{} in {parts}", span(session.duration)))?;
    let (turns, requests) = (grouped(session.turns), grouped(session.requests));
    let (errors, calls) = (grouped(session.errors), grouped(session.tool_calls));
    line("turns", &format!("{turns} in {requests} requests, {errors} failed, {calls} tool calls"))?;
    let tokens = &session.tokens;
    let (read, written) = (grouped(tokens.cache_read), grouped(tokens.cache_write()));
    line("input", &format!("{} (cache read {read}, cache write {written})", grouped(tokens.input())))?;
    line("output", &format!("{} (reasoning {})", grouped(tokens.output()), grouped(tokens.reasoning)))?;
    let unpriced =
        if session.unpriced > 0 { format!("; {} requests unpriced", grouped(session.unpriced)) } else { String::new() };
    line("cost", &format!("{}{unpriced}", costs(&session.costs)))?;
    writeln!(out)?;
    if shown.removed > 0 {
        writeln!(out, "{} earlier requests are no longer kept; the sums hold them", grouped(shown.removed))?;
    }
    if shown.left_out > 0 {
        writeln!(out, "{} earlier requests are left out; --limit shows more", grouped(shown.left_out))?;
    }
    let mut part = shown.turns.first().map_or(0, |turn| turn.part);
    let mut rows = Vec::new();
    for turn in &shown.turns {
        if turn.part != part {
            rows.push(vec![format!("part {}", turn.part)]);
            part = turn.part;
        }
        rows.push(turn_row(turn, zone));
    }
    let header = [
        "time",
        "round",
        "model",
        "status",
        "tools",
        "input",
        "cached",
        "output",
        "reasoning",
        "first token",
        "took",
        "cost",
        "so far",
        "request",
    ];
    // The request's id stands last, so that nothing wide is in the way of the figures.
    out.write_all(output::table(&header, 5, rows.into_iter()).as_bytes())?;
    Ok(())
}

fn turn_row(turn: &Turn, zone: &TimeZone) -> Vec<String> {
    let known = |micros: Option<i64>| micros.map_or_else(|| "–".to_owned(), output::duration);
    let count = |tokens: u64| if turn.counted { grouped(tokens) } else { "–".to_owned() };
    let status = if turn.status == 0 { "–".to_owned() } else { turn.status.to_string() };
    vec![
        time::wall(turn.start, zone),
        if turn.chat_round == 0 { String::new() } else { turn.chat_round.to_string() },
        shortened(&turn.model),
        turn.outcome.error().map_or_else(|| status.clone(), |reason| format!("{status} {}", reason.label())),
        tools(&turn.tools),
        count(turn.tokens.input()),
        count(turn.tokens.cache_read),
        count(turn.tokens.output()),
        count(turn.tokens.reasoning),
        known(turn.first_token),
        known(turn.duration),
        match turn.cost {
            Some((currency, nanos)) => format!("{} {currency}", money::format_nanos(nanos.into())),
            None if turn.unpriced => "unpriced".to_owned(),
            None => "–".to_owned(),
        },
        costs(&turn.running),
        shortened(&turn.request_id),
    ]
}

fn tools(names: &[String]) -> String {
    let mut shown: Vec<String> = names.iter().take(MOST_TOOLS).map(|name| shortened(name)).collect();
    if names.len() > MOST_TOOLS {
        shown.push(format!("+{}", names.len() - MOST_TOOLS));
    }
    shown.join(", ")
}

/// The first of several names, and how many more there are.
fn first_of<'a>(mut names: impl ExactSizeIterator<Item = &'a String>) -> String {
    let first = names.next().map_or_else(String::new, |name| shortened(name));
    match names.len() {
        0 => first,
        more => format!("{first} +{more}"),
    }
}

fn turn_json(turn: &Turn, said: Option<&Said>) -> Value {
    json!({
        "part": turn.part, "start": output::time(turn.start), "duration_seconds": turn.duration.map(shape::seconds),
        "first_token_seconds": turn.first_token.map(shape::seconds), "chat_round": turn.chat_round, "status": turn.status,
        "error": turn.outcome.error().map(|reason| reason.label()), "provider": turn.provider, "model": turn.model,
        "tokens": turn.counted.then(|| tokens_json(&turn.tokens)),
        "cost": turn.cost.map(|(currency, nanos)| money_json(currency, nanos.into())),
        "unpriced": turn.unpriced, "tool_calls": turn.tools, "request_id": turn.request_id,
        "trace_id": turn.trace_id.map(|id| hex(&id)), "running_cost": amounts_json(&turn.running),
        "id": turn.id.to_string(), "content": said.map(|(_, exchange)| shape::exchange(exchange)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_to_the_last_digit() {
        for (text, want) in [("12", 12 * money::NANOS), ("0.05", 50_000_000), ("0.000000001", 1), ("1.", -1), ("", -1)]
        {
            assert_eq!(parse_amount(text).unwrap_or(-1), want, "{text}");
        }
        for text in ["-1", "1e3", "0.0000000001", ".5", "x"] {
            assert!(parse_amount(text).is_err(), "{text}");
        }
    }
}
