//! `tokentail report`: figures by group and period.

use clap::{Args, Subcommand};

use super::ConfigArgs;
use super::output::Failure;
use super::scope::{GroupArgs, PeriodArgs, PrintArgs};
use super::sessions::folder;
use crate::report::document;
use crate::report::usage::{self, Question};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Time of use: sessions, their time and turns, requests, tokens and cost, by group
    #[command(after_help = "Example: tokentail report usage --by user,day --month 2026-11 --timezone Asia/Shanghai")]
    Usage(Arguments),
    /// What was spent, by group: per currency, per kind of token, in one currency where rates are known
    #[command(after_help = "Example: tokentail report cost --by consumer,model --month 2026-11 --output csv")]
    Cost(super::report_cost::Cost),
    /// What the month will come to, and how far off that would have been in the months before
    #[command(after_help = "Example: tokentail report forecast --consumer search")]
    Forecast(super::report_cost::Forecast),
    /// The configured budgets with what was used of them
    #[command(after_help = "Example: tokentail report budgets --config tokentail.yaml")]
    Budgets(super::report_cost::Budgets),
    /// Hours whose cost stands out against the same hours of the weeks before, and what explains them
    #[command(after_help = "Example: tokentail report anomalies --since 2026-11-14")]
    Anomalies(super::report_cost::Anomalies),
    /// Compare a provider's invoice with the ledger and explain the gap by cause
    #[command(after_help = "Example: tokentail report reconcile --invoice openai-2026-11.csv --provider openai")]
    Reconcile(super::report_reconcile::Arguments),
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
    #[command(flatten)]
    group: GroupArgs,
    #[command(flatten)]
    period: PeriodArgs,
    #[command(flatten)]
    print: PrintArgs,
}

pub(super) fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Usage(arguments) => run_usage(arguments),
        Command::Cost(arguments) => super::report_cost::cost(arguments),
        Command::Forecast(arguments) => super::report_cost::forecast(arguments),
        Command::Budgets(arguments) => super::report_cost::budgets(arguments),
        Command::Anomalies(arguments) => super::report_cost::anomalies(arguments),
        Command::Reconcile(arguments) => super::report_reconcile::run(arguments),
        Command::Sla(arguments) => super::report_sla::run(arguments),
    }
}

fn run_usage(arguments: &Arguments) -> Result<(), Failure> {
    let config = arguments.config.load()?;
    let zone = arguments.period.zone(&config)?;
    let (since, until) = arguments.period.range(&zone)?;
    let moment = usage::open(&folder(&config)?)?;
    let question = Question { by: arguments.group.columns(&config, &moment, false)?, since, until, zone };
    let answer = usage::answer(&moment, &question)?;
    arguments.print.print(&document::usage(&question, &answer))
}
