//! What reports and exports are asked for: a period, columns of groups, which requests, and how it is printed.

use std::io::Write as _;

use clap::Args;
use jiff::ToSpan as _;
use jiff::tz::TimeZone;

use super::output::Failure;
use super::sessions::{parse_amount, parse_currency, privacy};
use super::time;
use crate::config::Config;
use crate::ledger::{ErrorFilter, Moment, RequestFilter, StatusFilter};
use crate::record::{Cost, Currency, ErrorReason, Micros, Mode};
use crate::report::By;
use crate::report::document::{Document, Form};
use crate::report::outlook::first_moment;
use crate::report::usage;

/// A period of a time zone.
#[derive(Debug, Args)]
pub(super) struct PeriodArgs {
    /// First moment, RFC 3339 or a date; default: as far back as requests are kept
    #[arg(long, value_name = "TIME", conflicts_with = "month")]
    pub(super) since: Option<String>,
    /// The moment before which it ends
    #[arg(long, value_name = "TIME", conflicts_with = "month")]
    pub(super) until: Option<String>,
    /// A whole month, as 2026-11
    #[arg(long, value_name = "MONTH")]
    pub(super) month: Option<String>,
    /// Time zone of days, hours and dates; default: the configured one
    #[arg(long, value_name = "ZONE")]
    pub(super) timezone: Option<String>,
}

impl PeriodArgs {
    pub(super) fn zone(&self, config: &Config) -> Result<TimeZone, Failure> {
        time::zone(self.timezone.as_deref(), config)
    }

    /// First moment, and the one before which it ends.
    pub(super) fn range(&self, zone: &TimeZone) -> Result<(Micros, Micros), Failure> {
        if let Some(month) = &self.month {
            let first = parse_month(month)?;
            let range = first
                .checked_add(1.month())
                .ok()
                .and_then(|next| Some((first_moment(first, zone)?, first_moment(next, zone)?)));
            return range.ok_or_else(|| Failure::misuse(format!("--month {month:?} is out of range")));
        }
        let at = |text: &Option<String>, flag| text.as_deref().map(|text| time::parse(text, zone, flag)).transpose();
        let since = at(&self.since, "--since")?.unwrap_or(i64::MIN);
        let until = at(&self.until, "--until")?.unwrap_or(i64::MAX);
        if since >= until {
            return Err(Failure::misuse("--since is not before --until"));
        }
        Ok((since, until))
    }
}

/// First day of a month written as 2026-11.
pub(super) fn parse_month(month: &str) -> Result<jiff::civil::Date, Failure> {
    let first = format!("{month}-01").parse::<jiff::civil::Date>().ok().filter(|_| month.len() == 7);
    first.ok_or_else(|| Failure::misuse(format!("--month {month:?} is no month; write it as 2026-11")))
}

/// Columns of groups.
#[derive(Debug, Args)]
pub(super) struct GroupArgs {
    /// What to group by, in order: user, consumer, gateway, route, provider, model, upstream, mode, a dimension, day, week,
    /// month, hour, or hour_of_day; of cost also currency; default: day
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    by: Vec<String>,
    /// By day and model
    #[arg(long, conflicts_with_all = ["by", "weekly", "monthly"])]
    daily: bool,
    /// By week (ISO 8601, from Monday) and model
    #[arg(long, conflicts_with_all = ["by", "monthly"])]
    weekly: bool,
    /// By month and model
    #[arg(long, conflicts_with = "by")]
    monthly: bool,
}

impl GroupArgs {
    fn words(&self) -> Vec<&str> {
        match (self.daily, self.weekly, self.monthly) {
            (true, ..) => vec!["day", "model"],
            (_, true, _) => vec!["week", "model"],
            (.., true) => vec!["month", "model"],
            _ if self.by.is_empty() => vec!["day"],
            _ => self.by.iter().map(|word| word.trim()).filter(|word| !word.is_empty()).collect(),
        }
    }

    /// The columns. A dimension may be configured and not be in any request yet, or the other way round.
    pub(super) fn columns(&self, config: &Config, moment: &Moment, money: bool) -> Result<Vec<By>, Failure> {
        let known = dimensions(config, moment)?;
        let mut by: Vec<By> = Vec::new();
        for word in self.words() {
            let column = if money { By::parse_money(word, &known) } else { By::parse(word, &known) };
            let column = column.map_err(|error| Failure::misuse(format!("failed to {error}")))?;
            if !by.contains(&column) {
                by.push(column);
            }
        }
        Ok(by)
    }
}

/// Names of dimensions, of requests and of the configuration.
pub(super) fn dimensions(config: &Config, moment: &Moment) -> Result<Vec<String>, Failure> {
    let mut known = usage::dimensions(moment)?;
    for dimension in &config.dimensions {
        if !known.contains(&dimension.name) {
            known.push(dimension.name.clone());
        }
    }
    Ok(known)
}

/// Which requests. Each may be given several times or with commas: any of the values.
#[derive(Debug, Default, Args)]
pub(super) struct FilterArgs {
    /// Only requests of this gateway
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    gateway: Vec<String>,
    /// Only requests on this route
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    route: Vec<String>,
    /// Only requests to this provider
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    provider: Vec<String>,
    /// Only requests to this model
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    model: Vec<String>,
    /// Only requests to this upstream account or cluster
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    upstream: Vec<String>,
    /// Only requests of this mode: stream or normal
    #[arg(long, value_name = "MODE", value_delimiter = ',', value_parser = parse_mode)]
    mode: Vec<Mode>,
    /// Only requests of this consumer
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    consumer: Vec<String>,
    /// Only requests of this user: the id as the log has it, or the pseudonym that is shown
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    user: Vec<String>,
    /// Only requests that have this value of a dimension
    #[arg(long = "dimension", value_name = "NAME=VALUE")]
    dimensions: Vec<String>,
    /// Only requests with this status, as 429, or of a class, as 4xx
    #[arg(long, value_name = "STATUS", value_delimiter = ',', value_parser = parse_status)]
    status: Vec<StatusFilter>,
    /// Only requests that failed for this reason, `any`, or `none`
    #[arg(long, value_name = "REASON", value_delimiter = ',', value_parser = parse_error)]
    error: Vec<ErrorFilter>,
    /// Only requests with so many tokens or more
    #[arg(long, value_name = "N")]
    min_tokens: Option<u64>,
    /// Only requests that cost so much or more in --currency
    #[arg(long, value_name = "AMOUNT", requires = "currency")]
    min_cost: Option<String>,
    /// The currency of --min-cost
    #[arg(long, value_name = "CODE")]
    currency: Option<String>,
}

fn parse_mode(text: &str) -> Result<Mode, String> {
    let found = Mode::ALL.iter().find(|mode| mode.label() == text);
    found.copied().ok_or_else(|| "expected stream or normal".to_owned())
}

fn parse_status(text: &str) -> Result<StatusFilter, String> {
    let class = text.strip_suffix("xx").and_then(|digit| digit.parse::<u16>().ok()).filter(|digit| *digit < 10);
    let status = class.map(StatusFilter::Class).or_else(|| text.parse().ok().map(StatusFilter::Exactly));
    status.ok_or_else(|| "expected a status as 429, or a class as 4xx".to_owned())
}

fn parse_error(text: &str) -> Result<ErrorFilter, String> {
    match text {
        "any" => Ok(ErrorFilter::Any),
        "none" => Ok(ErrorFilter::None),
        _ => ErrorReason::ALL
            .iter()
            .find(|reason| reason.label() == text)
            .map(|reason| ErrorFilter::Reason(*reason))
            .ok_or_else(|| {
                let reasons: Vec<&str> = ErrorReason::ALL.iter().map(|reason| reason.label()).collect();
                format!("expected any, none, or one of {}", reasons.join(", "))
            }),
    }
}

impl FilterArgs {
    /// The filter, with consumers and users as they are stored.
    pub(super) fn filter(&self, config: &Config, moment: &Moment) -> Result<RequestFilter, Failure> {
        let mut filter = RequestFilter {
            gateways: self.gateway.clone(),
            routes: self.route.clone(),
            providers: self.provider.clone(),
            models: self.model.clone(),
            upstreams: self.upstream.clone(),
            modes: self.mode.clone(),
            statuses: self.status.clone(),
            errors: self.error.clone(),
            min_tokens: self.min_tokens,
            ..RequestFilter::default()
        };
        for text in &self.dimensions {
            let pair = text.split_once('=');
            let (name, value) =
                pair.ok_or_else(|| Failure::misuse(format!("--dimension {text:?} has no value; write NAME=VALUE")))?;
            filter.dimensions.push((name.to_owned(), value.to_owned()));
        }
        if let (Some(amount), Some(currency)) = (&self.min_cost, &self.currency) {
            let currency: Currency = parse_currency(currency)?;
            let nanos = i64::try_from(parse_amount(amount)?).unwrap_or(i64::MAX);
            filter.min_cost = Some(Cost { nanos, currency });
        }
        if self.consumer.is_empty() && self.user.is_empty() {
            return Ok(filter);
        }
        let privacy = privacy(config)?;
        let stored = |plain: &String| privacy.as_ref().map_or_else(|| plain.clone(), |privacy| privacy.consumer(plain));
        filter.consumers = self.consumer.iter().map(stored).collect();
        for user in &self.user {
            let known = moment.user(user)?.is_some();
            filter.users.push(match &privacy {
                _ if known => user.clone(),
                Some(privacy) => privacy.pseudonym(user),
                None => {
                    let why = "--user needs the key of the pseudonyms, and there is none; set privacy.key_file";
                    return Err(Failure::misuse(why));
                }
            });
        }
        Ok(filter)
    }
}

/// How it is printed.
#[derive(Debug, Args)]
pub(super) struct PrintArgs {
    /// Form of what is printed: table, json, csv or md
    #[arg(long, value_name = "FORM", default_value = "table", value_parser = parse_form)]
    output: Form,
    /// Print JSON; the same as --output json
    #[arg(long, conflicts_with = "output")]
    json: bool,
}

fn parse_form(text: &str) -> Result<Form, String> {
    let found = Form::ALL.into_iter().find(|form| form.label() == text);
    found.ok_or_else(|| "expected table, json, csv or md".to_owned())
}

impl PrintArgs {
    pub(super) fn print(&self, document: &Document) -> Result<(), Failure> {
        let form = if self.json { Form::Json } else { self.output };
        std::io::stdout().lock().write_all(document.render(form).as_bytes())?;
        Ok(())
    }
}
