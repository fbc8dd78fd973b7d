//! `tokentail report cost`, `forecast`, `budgets` and `anomalies`: what is spent, and what that means.

use clap::Args;
use jiff::civil::Date;

use super::output::Failure;
use super::scope::{FilterArgs, GroupArgs, PeriodArgs, PrintArgs, dimensions, parse_month};
use super::sessions::folder;
use super::{ConfigArgs, time};
use crate::clock::Clock;
use crate::ledger::Moment;
use crate::report::cost::Question;
use crate::report::exchange::Target;
use crate::report::{anomaly, budget, cost, document, outlook, totals};

/// Days that are searched for anomalies.
const ANOMALY_DAYS: i64 = 7;
const DAY: i64 = 86_400_000_000;

#[derive(Debug, Args)]
pub(super) struct Cost {
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    group: GroupArgs,
    #[command(flatten)]
    period: PeriodArgs,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    print: PrintArgs,
}

#[derive(Debug, Args)]
pub(super) struct Forecast {
    #[command(flatten)]
    config: ConfigArgs,
    /// The month, as 2026-11; default: the present one
    #[arg(long, value_name = "MONTH")]
    month: Option<String>,
    /// Time zone of days and months; default: the configured one
    #[arg(long, value_name = "ZONE")]
    timezone: Option<String>,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    print: PrintArgs,
}

#[derive(Debug, Args)]
pub(super) struct Budgets {
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    print: PrintArgs,
}

#[derive(Debug, Args)]
pub(super) struct Anomalies {
    #[command(flatten)]
    config: ConfigArgs,
    /// First moment, RFC 3339 or a date; default: 7 days ago
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// The moment before which it ends
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Time zone of dates and of what is shown; default: the configured one
    #[arg(long, value_name = "ZONE")]
    timezone: Option<String>,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    print: PrintArgs,
}

pub(super) fn cost(arguments: &Cost) -> Result<(), Failure> {
    let config = arguments.config.load()?;
    let zone = arguments.period.zone(&config)?;
    let (since, until) = arguments.period.range(&zone)?;
    let moment = Moment::open(&folder(&config)?)?;
    let totals = totals::Question {
        by: arguments.group.columns(&config, &moment, true)?,
        filter: arguments.filter.filter(&config, &moment)?,
        since,
        until,
        zone,
        kinds: true,
    };
    let question = Question { totals, target: Target::configured(&config.pricing) };
    let answer = cost::answer(&moment, &question)?;
    arguments.print.print(&document::cost(&question, &answer))
}

pub(super) fn forecast(arguments: &Forecast) -> Result<(), Failure> {
    let config = arguments.config.load()?;
    let zone = time::zone(arguments.timezone.as_deref(), &config)?;
    let moment = Moment::open(&folder(&config)?)?;
    let filter = arguments.filter.filter(&config, &moment)?;
    let now = Clock::system().now();
    let month = arguments.month.as_deref().map(parse_month).transpose()?;
    let outlooks = outlook::read(&moment, &zone, &filter, now, month)?;
    let month = month.or_else(|| outlook::today(now, &zone).map(|today| today.date.first_of_month()));
    arguments.print.print(&document::forecast(month.unwrap_or(Date::MIN), &zone, &outlooks))
}

pub(super) fn budgets(arguments: &Budgets) -> Result<(), Failure> {
    let config = arguments.config.load()?;
    let moment = Moment::open(&folder(&config)?)?;
    let standings = budget::read(&moment, &config.timezone, &config.pricing.budgets, Clock::system().now())?;
    arguments.print.print(&document::budgets(&config.timezone, &standings))
}

pub(super) fn anomalies(arguments: &Anomalies) -> Result<(), Failure> {
    let config = arguments.config.load()?;
    let zone = time::zone(arguments.timezone.as_deref(), &config)?;
    let moment = Moment::open(&folder(&config)?)?;
    let filter = arguments.filter.filter(&config, &moment)?;
    let now = Clock::system().now();
    let at = |text: &Option<String>, flag| text.as_deref().map(|text| time::parse(text, &zone, flag)).transpose();
    let since = at(&arguments.since, "--since")?.unwrap_or(now - ANOMALY_DAYS * DAY);
    let until = at(&arguments.until, "--until")?.unwrap_or(now);
    let found = anomaly::read(&moment, &filter, &dimensions(&config, &moment)?, since, until)?;
    arguments.print.print(&document::anomalies(&zone, &found))
}
