//! The section `cost` becomes which prices count, exchange rates and budgets.
//!
//! Price files are named here and read by pricing.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use super::problem::Report;
use super::reader::{Item, Section, Unique};
use super::scalar;
use crate::format::Dimension;
use crate::pricing::{Budget, BudgetPeriod, BudgetUnit, Config, CostMode, ExchangeRate};
use crate::record::Currency;
use crate::record::money::NANOS;

/// Keys of the section.
pub(super) const KEYS: &[&str] = &["mode", "prices", "litellm_map", "aliases", "rates", "total_currency", "budgets"];

/// Keys of one rate.
pub(super) const RATE_KEYS: &[&str] = &["from", "to", "rate", "since"];

/// Keys of one budget.
pub(super) const BUDGET_KEYS: &[&str] = &["name", "filter", "unit", "limit", "period"];

/// What a budget's filter may name besides dimensions.
const ATTRIBUTES: [&str; 7] = ["gateway", "route", "provider", "model", "consumer", "upstream", "mode"];

/// The names of [`BudgetPeriod`].
pub(super) const PERIODS: [(BudgetPeriod, &str); 2] = [(BudgetPeriod::Day, "day"), (BudgetPeriod::Month, "month")];

/// Reads the section.
pub(super) fn read(item: &Item<'_>, folder: &Path, dimensions: &[Dimension], report: &mut Report) -> Config {
    let section = item.section(report, KEYS, &[], "{mode: computed}");
    let mut config = Config::default();
    section.fill(report, "mode", &mut config.mode, |item, report| item.choice(report, &CostMode::ALL));
    for item in section.get("prices").map(|item| item.one_or_list(report, "[my-prices.yaml]")).unwrap_or_default() {
        config.prices.extend(item.file(report, folder, "my-prices.yaml"));
    }
    config.litellm_map = section
        .optional("litellm_map")
        .and_then(|item| item.file(report, folder, "model_prices_and_context_window.json"));
    for (name, item) in
        section.get("aliases").map(|item| item.entries(report, "{llm-aliyun: dashscope}")).unwrap_or_default()
    {
        if let Some(provider) = item.text(report, "dashscope") {
            config.aliases.insert(name.to_owned(), provider.to_owned());
        }
    }
    if let Some(item) = section.get("rates") {
        config.rates = rates(item, report);
    }
    config.total_currency = section.optional("total_currency").and_then(|item| item.currency(report));
    if let Some(item) = section.get("budgets") {
        config.budgets = budgets(item, dimensions, report);
    }
    config
}

fn rates(item: &Item<'_>, report: &mut Report) -> Vec<ExchangeRate> {
    let example = "{from: CNY, to: USD, rate: \"0.1385\", since: 2026-11-01}";
    let mut rates: Vec<ExchangeRate> = Vec::new();
    let mut seen = HashMap::new();
    for item in item.list(report, &format!("[{example}]")) {
        let section = item.section(report, RATE_KEYS, &[], example);
        let Some(rate) = rate(&item, &section, report) else { continue };
        if let Some(other) = seen.insert((rate.from, rate.to, rate.since), item.path.clone()) {
            item.problem(report, format!("the same currencies and day as {other}"), "keep one of them");
        }
        rates.push(rate);
    }
    rates
}

fn rate(item: &Item<'_>, section: &Section<'_>, report: &mut Report) -> Option<ExchangeRate> {
    let from = section.required(report, "from", "CNY").and_then(|item| item.currency(report));
    let to = section.required(report, "to", "USD").and_then(|item| item.currency(report));
    let nanos =
        section.required(report, "rate", "\"0.1385\"").and_then(|item| item.positive_decimal(report, "\"0.1385\""));
    let since = section
        .required(report, "since", "2026-11-01")
        .and_then(|item| item.parsed(report, "a day", "2026-11-01", scalar::date));
    if from.is_some() && from == to {
        item.problem(report, "a rate from a currency to itself", "use two currencies, or remove the rate");
    }
    Some(ExchangeRate { from: from?, to: to?, nanos: nanos?, since: since? })
}

fn budgets(item: &Item<'_>, dimensions: &[Dimension], report: &mut Report) -> Vec<Budget> {
    let example = "{name: total, unit: USD, limit: 500, period: month}";
    let mut budgets = Vec::new();
    let mut names = Unique::default();
    for item in item.list(report, &format!("[{example}]")) {
        let section = item.section(report, BUDGET_KEYS, &[], example);
        budgets.extend(budget(&section, dimensions, report));
        names.check(&item, "name", section.get("name"), report);
    }
    budgets
}

fn budget(section: &Section<'_>, dimensions: &[Dimension], report: &mut Report) -> Option<Budget> {
    let name = section.required(report, "name", "total").and_then(|item| item.text(report, "total"));
    let filter = section.get("filter").map(|item| filter(item, dimensions, report)).unwrap_or_default();
    let unit = section.required(report, "unit", "USD").and_then(|item| {
        item.parsed(report, "`requests`, `tokens` or a currency of three capital letters", "USD", unit)
    });
    let limit = section.required(report, "limit", "500");
    let limit_nanos = limit.and_then(|item| item.positive_decimal(report, "500"));
    let whole = matches!(unit, Some(BudgetUnit::Requests | BudgetUnit::Tokens));
    if let (Some(item), Some(nanos), true) = (limit, limit_nanos, whole)
        && nanos % NANOS != 0
    {
        item.problem(report, "a fraction of a request or token", "use a whole number");
    }
    let period = section.required(report, "period", "month").and_then(|item| item.choice(report, &PERIODS));
    Some(Budget { name: name?.to_owned(), filter, unit: unit?, limit_nanos: limit_nanos?, period: period? })
}

fn unit(text: &str) -> Option<BudgetUnit> {
    match text {
        "requests" => Some(BudgetUnit::Requests),
        "tokens" => Some(BudgetUnit::Tokens),
        code => Currency::parse(code).map(BudgetUnit::Currency),
    }
}

fn filter(item: &Item<'_>, dimensions: &[Dimension], report: &mut Report) -> BTreeMap<String, String> {
    let mut filter = BTreeMap::new();
    for (key, item) in item.entries(report, "{department: sales}") {
        let names = ATTRIBUTES.into_iter().chain(dimensions.iter().map(|dimension| dimension.name.as_str()));
        if !names.clone().any(|name| name == key) {
            item.unknown(report, "attribute or dimension", key, names);
        } else if let Some(value) = item.text(report, "sales") {
            filter.insert(key.to_owned(), value.to_owned());
        }
    }
    filter
}
