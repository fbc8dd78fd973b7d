//! `tokentail prices`: the price table in force, and the one way in which stored costs change.

use std::io::Write as _;

use clap::{Args, Subcommand};
use serde_json::json;

use super::output::{self, Failure, grouped};
use super::{ConfigArgs, import, time};
use crate::clock::Clock;
use crate::daemon::{self, Opened};
use crate::ledger::{DataDir, LEDGER_FILE};
use crate::pipeline::Prices;
use crate::pricing::{self, Kind, Request, Row};
use crate::record::{self, Attributes, ServiceTier, money};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the price rows in force
    List(List),
    /// Show which row prices a model, and why
    Show(Show),
    /// Put a price file (or LiteLLM's price map) in force for a data directory
    Import(import::Arguments),
    /// Price stored requests anew by the table in force; counters stay, an adjustment is written
    Reprice(Reprice),
}

#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    config: ConfigArgs,
    /// Only rows of this provider
    #[arg(long)]
    provider: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Show {
    #[command(flatten)]
    config: ConfigArgs,
    /// Name of the model, as the log has it
    model: String,
    /// Name of the provider, as the log has it
    #[arg(long, default_value = "")]
    provider: String,
    /// The moment for which the row is looked up, RFC 3339 or a date; default: now
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Reprice {
    #[command(flatten)]
    config: ConfigArgs,
    /// First start of the requests that are priced anew, RFC 3339 or a date in the configured time zone
    #[arg(long, value_name = "TIME")]
    since: String,
    /// Only say what would change
    #[arg(long)]
    dry_run: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::List(arguments) => list(arguments),
        Command::Show(arguments) => show(arguments),
        Command::Import(arguments) => import::run(arguments),
        Command::Reprice(arguments) => reprice(arguments),
    }
}

fn list(arguments: &List) -> Result<(), Failure> {
    let table = daemon::load_prices(&arguments.config.load()?)?;
    let provider = arguments.provider.as_deref().map(|name| table.provider(name));
    let rows: Vec<&Row> =
        table.rows().iter().filter(|row| provider.as_ref().is_none_or(|wanted| row.provider == *wanted)).collect();
    if let (Some(name), true) = (&arguments.provider, rows.is_empty()) {
        let mut known: Vec<&str> = table.rows().iter().map(|row| row.provider.as_str()).collect();
        known.sort_unstable();
        known.dedup();
        return Err(Failure::misuse(format!("no price row has the provider {name:?}; there are {}", known.join(", "))));
    }
    if arguments.json {
        let date = table.date().map(|date| date.to_string());
        return output::json(&json!({"date": date, "rows": rows}));
    }
    let price =
        |row: &Row, kind: Kind| row.base.prices.get(kind).map_or_else(|| "–".to_owned(), |price| price.to_string());
    let text = output::table(
        &["provider", "model", "currency", "input", "output", "cache read", "write 5m", "write 1h", "since"],
        3,
        rows.iter().map(|row| {
            vec![
                row.provider.clone(),
                row.model.clone(),
                row.currency.to_string(),
                price(row, Kind::Input),
                price(row, Kind::Output),
                price(row, Kind::CacheRead),
                price(row, Kind::CacheWrite5m),
                price(row, Kind::CacheWrite1h),
                row.valid_from.map_or_else(String::new, |date| date.to_string()),
            ]
        }),
    );
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    let date = table.date().map_or_else(String::new, |date| format!("; the built-in table is of {date}"));
    writeln!(out, "\n{} rows, prices of a million tokens{date}", grouped(rows.len() as u64))?;
    writeln!(out, "tiers, variants and windows of a row: tokentail prices show MODEL")?;
    Ok(())
}

fn show(arguments: &Show) -> Result<(), Failure> {
    let config = arguments.config.load()?;
    let table = daemon::load_prices(&config)?;
    let start = match &arguments.at {
        Some(text) => time::parse(text, &config.timezone, "--at")?,
        None => Clock::system().now(),
    };
    let request = Request { start, service_tier: ServiceTier::Standard, cache_ttl_known: true, ..Request::default() };
    let explanation = table.explain(&arguments.provider, &arguments.model, &request);
    if arguments.json {
        output::json(&explanation)?;
    } else {
        let mut out = std::io::stdout().lock();
        match &explanation.row {
            None => write!(out, "{}", output::visible(&explanation.to_string()))?,
            Some(row) => {
                writeln!(
                    out,
                    "{} {} ({})",
                    row.provider,
                    row.model,
                    explanation.row_id.as_deref().unwrap_or_default()
                )?;
                for why in explanation.why.iter().chain(&explanation.assumed) {
                    writeln!(out, "  {}", output::one_line(why))?;
                }
                write!(out, "{}", output::visible(&describe(row)))?;
            }
        }
    }
    if explanation.row.is_some() { Ok(()) } else { Err(Failure { code: 1, message: String::new() }) }
}

/// All prices of a row as a table: kinds down, places across.
fn describe(row: &Row) -> String {
    let mut places = vec![("standard".to_owned(), row.base.prices.clone())];
    let tiers = |places: &mut Vec<(String, pricing::Prices)>, name: &str, card: &pricing::Card| {
        places.extend(card.tiers.iter().map(|tier| (format!("{name} > {}", grouped(tier.above)), tier.prices.clone())));
    };
    tiers(&mut places, "input", &row.base);
    for (tier, card) in &row.variants {
        places.push((tier.label().to_owned(), card.prices.clone()));
        tiers(&mut places, tier.label(), card);
    }
    for window in &row.windows {
        places.push((format!("{} {}", window.hours.texts().join(", "), row.zone.name()), window.card.prices.clone()));
        tiers(&mut places, "window", &window.card);
    }
    let header: Vec<String> = std::iter::once(format!("{} per million", row.currency))
        .chain(places.iter().map(|(name, _)| name.clone()))
        .collect();
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    let kinds = Kind::ALL.iter().map(|kind| {
        let prices = places
            .iter()
            .map(|(_, prices)| prices.get(*kind).map_or_else(|| "–".to_owned(), |price| price.to_string()));
        std::iter::once(kind.label().to_owned()).chain(prices).collect()
    });
    let mut text = output::table(&header, 1, kinds);
    text.push_str("– is priced as the kind it is part of\n");
    if let Some(date) = row.valid_from {
        text.push_str(&format!("in force since {date}\n"));
    }
    if !row.note.is_empty() {
        text.push_str(&format!("note: {}\n", row.note));
    }
    text.push_str(&format!("source: {}\n", row.source));
    text
}

fn reprice(arguments: &Reprice) -> Result<(), Failure> {
    let config = arguments.config.load()?;
    let since = time::parse(&arguments.since, &config.timezone, "--since")?;
    let folder = daemon::data_dir(&config);
    folder.check()?;
    match folder {
        DataDir::Path(folder) if folder.join(LEDGER_FILE).exists() => {}
        DataDir::Path(folder) => return Err(crate::ledger::Error::Missing(folder.join(LEDGER_FILE)).into()),
        DataDir::None => return Err(Failure::misuse("--data-dir none keeps no requests that could be priced anew")),
    }
    let Opened { mut ledger, table, price_ids, .. } = daemon::open(&config, &Clock::system())?;
    let mut prices = Prices::new(table, price_ids, config.pricing.mode);
    let reprice = |row: &record::Row, attributes: &Attributes| prices.reprice(row, attributes);
    let report = ledger.reprice(since, arguments.dry_run, reprice, |_, _| {})?;
    ledger.write_folds()?;
    let cost: Vec<_> = report
        .cost
        .iter()
        .map(|(currency, (before, after))| {
            let text = |nanos: i128| money::format_nanos(nanos);
            json!({"currency": currency.as_str(), "before": text(*before), "after": text(*after), "difference": text(after - before)})
        })
        .collect();
    if arguments.json {
        return output::json(&json!({
            "since": output::time(since), "dry_run": arguments.dry_run, "rows": report.rows, "changed": report.changed,
            "unpriced_before": report.unpriced.0, "unpriced_after": report.unpriced.1, "cost": cost,
        }));
    }
    let mut out = std::io::stdout().lock();
    let verb = if arguments.dry_run { "would change" } else { "changed" };
    writeln!(
        out,
        "{} requests since {}, {} {verb}",
        grouped(report.rows),
        output::time(since),
        grouped(report.changed)
    )?;
    for (currency, (before, after)) in &report.cost {
        let (before, after, difference) =
            (money::format_nanos(*before), money::format_nanos(*after), money::format_nanos(after - before));
        writeln!(out, "cost of those: {before} {currency} before, {after} {currency} after, difference {difference}")?;
    }
    writeln!(out, "unpriced among those: {} before, {} after", grouped(report.unpriced.0), grouped(report.unpriced.1))?;
    if !arguments.dry_run && report.changed > 0 {
        writeln!(out, "counters stay as they were; the difference is kept as an adjustment")?;
    }
    Ok(())
}
