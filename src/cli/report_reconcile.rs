//! `tokentail report reconcile`: a provider's invoice beside the ledger, and the gap by cause.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::output::Failure;
use super::scope::{FilterArgs, PrintArgs};
use super::sessions::{folder, parse_currency};
use super::{ConfigArgs, time};
use crate::file;
use crate::ledger::Moment;
use crate::record::money::format_nanos;
use crate::record::{Currency, Micros};
use crate::report::document::{Cell, Column, Document, rounded};
use crate::report::exchange::Target;
use crate::report::invoice::{self, Field, Mapping};
use crate::report::reconcile::{Reconciled, reconcile};

/// The largest invoice that is read.
const MAX_BYTES: usize = 64 << 20;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigArgs,
    /// The invoice, CSV with a heading; one line per day and model is best
    #[arg(long, value_name = "FILE")]
    invoice: PathBuf,
    /// Heading of the column with the day; default: found by its name
    #[arg(long, value_name = "HEADING")]
    date_column: Option<String>,
    /// Heading of the column with the model
    #[arg(long, value_name = "HEADING")]
    model_column: Option<String>,
    /// Heading of the column with the amount
    #[arg(long, value_name = "HEADING")]
    amount_column: Option<String>,
    /// Heading of the column with the currency
    #[arg(long, value_name = "HEADING")]
    currency_column: Option<String>,
    /// Heading of the column with the tokens
    #[arg(long, value_name = "HEADING")]
    tokens_column: Option<String>,
    /// Currency of the invoice, where no column says it
    #[arg(long = "invoice-currency", value_name = "CODE")]
    invoice_currency: Option<String>,
    /// Time zone of the invoice's days, as far as is known; default: the configured one
    #[arg(long, value_name = "ZONE")]
    timezone: Option<String>,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    print: PrintArgs,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let config = arguments.config.load()?;
    let zone = time::zone(arguments.timezone.as_deref(), &config)?;
    let name = arguments.invoice.display();
    let text = file::read_text(&arguments.invoice, MAX_BYTES)
        .map_err(|error| Failure::misuse(format!("failed to read the invoice {name}: {error}")))?;
    let named = [
        (Field::Date, &arguments.date_column),
        (Field::Model, &arguments.model_column),
        (Field::Amount, &arguments.amount_column),
        (Field::Currency, &arguments.currency_column),
        (Field::Tokens, &arguments.tokens_column),
    ];
    let mapping = Mapping {
        columns: named.into_iter().filter_map(|(field, heading)| Some((field, heading.clone()?))).collect(),
        currency: arguments.invoice_currency.as_deref().map(parse_currency).transpose()?,
    };
    let lines = invoice::parse(&text, &mapping).map_err(|problems| {
        let problems: Vec<String> = problems.iter().map(|problem| format!("  {problem}")).collect();
        Failure::misuse(format!("failed to read the invoice {name}:\n{}", problems.join("\n")))
    })?;
    let moment = Moment::open(&folder(&config)?)?;
    let filter = arguments.filter.filter(&config, &moment)?;
    let currencies: BTreeSet<Currency> = lines.iter().map(|line| line.currency).collect();
    let mut found = Vec::new();
    for currency in currencies {
        let target = Target { currency, rates: config.pricing.rates.clone() };
        found.extend(reconcile(&moment, &lines, &zone, &target, &filter)?);
    }
    let kept = moment.first_kept()?;
    arguments.print.print(&document(&found, lines.len(), kept))
}

fn document(found: &[Reconciled], lines: usize, kept: Option<Micros>) -> Document {
    let mut rows = Vec::new();
    let mut notes = Vec::new();
    for reconciled in found {
        let currency = reconciled.currency;
        for model in &reconciled.models {
            let money = Cell::Money;
            let line = |cause: &str, part: Option<i128>, evidence: &str| {
                vec![
                    Cell::Text(model.model.clone()),
                    Cell::Text(currency.to_string()),
                    money(model.invoice),
                    money(model.ledger),
                    Cell::Text(cause.to_owned()),
                    part.map_or(Cell::None, Cell::Money),
                    Cell::Text(evidence.to_owned()),
                ]
            };
            if model.parts.is_empty() {
                rows.push(line("none", Some(0), "they agree"));
            }
            rows.extend(model.parts.iter().map(|part| line(part.cause.label(), Some(part.nanos), &part.evidence)));
        }
        let (invoice, ledger, gap) =
            (format_nanos(reconciled.invoice), format_nanos(reconciled.ledger), format_nanos(reconciled.gap()));
        notes.push(format!(
            "{currency} {} to {}: invoice {invoice}, ledger {ledger}, gap {gap}",
            reconciled.first, reconciled.last
        ));
        for (cause, nanos) in reconciled.by_cause() {
            notes.push(format!("{currency} {}: {}", cause.label().replace('_', " "), rounded(nanos, 4)));
        }
        notes.extend(reconciled.zone_part.as_ref().map(|part| format!("{currency} time zone: {}", part.evidence)));
        for missing in &reconciled.missing {
            notes.push(format!("the ledger's cost in {missing} is left out: cost.rates has no rate to {currency}"));
        }
    }
    if let Some(kept) = kept {
        let kept = super::output::time(kept);
        notes.push(format!("requests are kept since {kept}; days before are missing from the ledger's side"));
    }
    Document {
        title: "Invoice and ledger".to_owned(),
        columns: vec![
            Column::text("model"),
            Column::text("currency"),
            Column::number("invoice", "invoice", 0),
            Column::number("ledger", "ledger", 0),
            Column::text("cause"),
            Column::number("of the gap", "gap_part", 0),
            Column { rank: None, ..Column::text("evidence") },
        ],
        rows,
        total: None,
        notes,
        empty: "invoice and ledger have nothing in these days".to_owned(),
        json: json!({"lines": lines, "currencies": found.iter().map(as_json).collect::<Vec<_>>()}),
    }
}

fn as_json(reconciled: &Reconciled) -> Value {
    let causes =
        reconciled.by_cause().into_iter().map(|(cause, nanos)| (cause.label().to_owned(), format_nanos(nanos).into()));
    let models: Vec<Value> = reconciled
        .models
        .iter()
        .map(|model| {
            let parts: Vec<Value> = model
                .parts
                .iter()
                .map(|part| json!({"cause": part.cause.label(), "amount": format_nanos(part.nanos), "evidence": part.evidence}))
                .collect();
            json!({
                "model": model.model, "invoice": format_nanos(model.invoice), "ledger": format_nanos(model.ledger),
                "gap": format_nanos(model.invoice - model.ledger), "causes": parts,
            })
        })
        .collect();
    json!({
        "currency": reconciled.currency.as_str(), "first_day": reconciled.first.to_string(),
        "last_day": reconciled.last.to_string(), "timezone": reconciled.zone,
        "invoice": format_nanos(reconciled.invoice), "ledger": format_nanos(reconciled.ledger),
        "gap": format_nanos(reconciled.gap()), "causes": causes.collect::<serde_json::Map<_, _>>(), "models": models,
        "currencies_without_rate": reconciled.missing.iter().map(Currency::as_str).collect::<Vec<_>>(),
    })
}
