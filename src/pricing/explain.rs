//! Why a request costs what it costs: which row and why, which of its prices, and the arithmetic to the last digit.
//!
//! Plain data for `--json`, and a text for people. The figures are those of [`Table::price`], not a second computation.

use std::fmt;

use serde::Serialize;

use super::price::format_amount;
use super::rates::{Compiled, Origin, resolve, to_nanos};
use super::row::{Kind, Row};
use super::table::{Choice, Relation, Request, Table};
use crate::record::money::format_nanos;
use crate::record::{Micros, Priced};
use crate::wording::distance;

/// The explanation of one request's cost.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// The provider as the log names it.
    pub provider: String,
    /// The model as the log names it.
    pub model: String,
    /// What the table says of it; the same as [`Table::price`] gives.
    #[serde(skip)]
    pub priced: Priced,
    /// Why there is no price; absent where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unpriced: Option<String>,
    /// The row that counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row: Option<Row>,
    /// The row's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row_id: Option<String>,
    /// Why this row, in sentences.
    pub why: Vec<String>,
    /// What was assumed, in sentences.
    pub assumed: Vec<String>,
    /// Each kind of which there are tokens.
    pub lines: Vec<Line>,
    /// The exact sum before rounding, a decimal number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sum: Option<String>,
    /// The cost: the sum rounded to 10^-9, half to even.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<String>,
    /// The cost's currency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// What the cache reads would have cost more as input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_savings: Option<String>,
}

/// What the tokens of one kind cost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// The kind's key.
    pub kind: &'static str,
    /// How many tokens.
    pub tokens: u64,
    /// The price of a million, a decimal number.
    pub price: String,
    /// Where the price is found in the row.
    pub from: String,
    /// The exact product, a decimal number.
    pub amount: String,
}

impl Table {
    /// Explains what a request costs.
    #[must_use]
    pub fn explain(&self, provider: &str, model: &str, request: &Request) -> Explanation {
        let matched = self.find(provider, model);
        let priced = self.price(&matched, request);
        let mut explanation = Explanation {
            provider: provider.to_owned(),
            model: model.to_owned(),
            priced,
            unpriced: None,
            row: None,
            row_id: None,
            why: Vec::new(),
            assumed: Vec::new(),
            lines: Vec::new(),
            sum: None,
            cost: None,
            currency: None,
            cache_savings: None,
        };
        let found = matched.at(request.start).and_then(|choice| Some((choice, self.row(choice.row)?)));
        let (Some((choice, row)), Some(cost)) = (found, priced.cost) else {
            let later = matched.first().and_then(|(from, choice)| Some((from, self.row(choice.row)?)));
            explanation.unpriced = Some(self.why_unpriced(provider, model, later));
            return explanation;
        };
        explanation.row = Some(row.clone());
        explanation.row_id = Some(row.id());
        explanation.why = self.why(provider, model, choice, row);
        if let Some(compiled) = self.compiled(choice.row) {
            place(&mut explanation, compiled, row, request);
        }
        self.assume(&mut explanation, request);
        explanation.cost = Some(format_nanos(cost.nanos.into()));
        explanation.currency = Some(cost.currency.to_string());
        explanation.cache_savings =
            (priced.cache_savings_nanos > 0).then(|| format_nanos(priced.cache_savings_nanos.into()));
        explanation
    }

    /// Why a row was chosen.
    fn why(&self, provider: &str, model: &str, choice: &Choice, row: &Row) -> Vec<String> {
        let mut why = Vec::new();
        let resolved = self.provider(provider);
        if !resolved.is_empty() && resolved != super::provider::normalise(provider) {
            why.push(format!("the provider `{provider}` is an alias of `{resolved}`"));
        }
        why.push(match choice.relation {
            Relation::Own => format!("the row is the provider's own ({})", row.provider),
            Relation::Name => format!("the model's name itself tells the provider ({})", row.provider),
            Relation::Any => "the row counts for every provider".to_owned(),
            Relation::Maker => format!("the row is that of the model's maker ({})", row.provider),
        });
        let name = self.name(model);
        if let (Some(form), Some(pattern)) = (name.forms.get(choice.form), row.matches.get(choice.pattern)) {
            let stripped =
                if choice.form == 0 { String::new() } else { format!(", with what stands around `{form}` taken off") };
            why.push(format!("the model matches {} `{}`{stripped}", choice.quality.label(), pattern.text()));
        }
        if let Some(date) = row.valid_from {
            why.push(format!("the row is in force since {date} ({})", row.zone.name()));
        }
        why.push(format!("the row comes from {}", row.source));
        why
    }

    /// Fills in what was assumed.
    fn assume(&self, explanation: &mut Explanation, request: &Request) {
        explanation.assumed = explanation
            .priced
            .assumed
            .names()
            .map(|name| match name {
                "provider" if self.provider(&explanation.provider).is_empty() => {
                    "the maker's prices: the log names no provider".to_owned()
                }
                "provider" => {
                    format!("the maker's prices: `{}` has no row of its own for this model", explanation.provider)
                }
                "cache_ttl" => "cache writes are kept for 5 minutes: the log does not tell".to_owned(),
                _ if request.service_tier.label().is_empty() => {
                    "the standard tier of service: the log does not tell".to_owned()
                }
                _ => format!("the standard tier of service: the row has no price for {}", request.service_tier.label()),
            })
            .collect();
    }

    fn why_unpriced(&self, provider: &str, model: &str, later: Option<(Micros, &Row)>) -> String {
        if let Some((_, row)) = later {
            let date = row.valid_from.map_or(String::new(), |date| date.to_string());
            return format!(
                "the first row for `{model}` is in force only since {date}; what it cost before is not known"
            );
        }
        let name = self.name(model);
        let Some(bare) = name.forms.last() else {
            return "the log names no model that can be looked up".to_owned();
        };
        let mut what = format!("`{model}`");
        if !bare.eq_ignore_ascii_case(model) {
            what.push_str(&format!(", also looked up as `{bare}`"));
        }
        let resolved = self.provider(provider);
        let who = match (resolved.as_str(), self.providers.maker(&name.forms)) {
            ("", None) => {
                format!("no row matches the model {what}; the log names no provider, and the maker is not known")
            }
            ("", Some(maker)) => {
                format!("the log names no provider, and no row of the maker {maker} matches the model {what}")
            }
            (own, Some(maker)) if own != maker => {
                format!("neither {own} nor the maker {maker} has a row for the model {what}")
            }
            (own, Some(_)) => format!("{own} has no row for the model {what}"),
            (own, None) => format!("{own} has no row for the model {what}; the maker is not known"),
        };
        let mut near: Vec<(usize, &str)> = self
            .rows()
            .iter()
            .filter_map(|row| distance(bare, &row.model.to_ascii_lowercase(), 3).map(|far| (far, row.model.as_str())))
            .collect();
        near.sort_unstable();
        near.dedup();
        let names: Vec<String> = near.iter().take(3).map(|(_, name)| format!("`{name}`")).collect();
        if names.is_empty() {
            return format!("{who}; add a row of your own");
        }
        format!("{who}; similar names are {}, which are other models; add a row of your own", names.join(", "))
    }
}

/// Fills in the tiers, the window and the arithmetic.
fn place(explanation: &mut Explanation, compiled: &Compiled, row: &Row, request: &Request) {
    let tokens = &request.tokens;
    let place = compiled.place(request.start, request.service_tier, tokens);
    let above = compiled.threshold(place);
    let window = place.window.and_then(|position| row.windows.get(position));
    let variant = place.variant.and_then(|position| row.variants.get(position));
    if let Some((tier, _)) = variant {
        explanation.why.push(format!("the tier of service is {}", tier.label()));
    }
    let input = super::rates::total_input(tokens);
    match above {
        Some(above) => explanation.why.push(format!("the input of {input} tokens is above {above}")),
        None if !row.base.tiers.is_empty() => {
            explanation.why.push(format!("the input of {input} tokens is below the first context tier"));
        }
        None => {}
    }
    if let Some(window) = window {
        let (hours, zone) = (window.hours.texts().join(", "), row.zone.name());
        explanation.why.push(format!("the request starts in the window {hours} {zone}"));
    } else if !row.windows.is_empty() {
        explanation.why.push("the request starts outside of the row's windows".to_owned());
    }
    for kind in Kind::ALL {
        let count = kind.of(tokens);
        if count == 0 {
            continue;
        }
        let (price, of, origin) = resolve(row, window, variant.map(|(_, card)| card), above, kind);
        let place = match origin {
            Origin::Base => "standard".to_owned(),
            Origin::Tier(above) => format!("standard above {above}"),
            Origin::Variant => request.service_tier.label().to_owned(),
            Origin::VariantTier(above) => format!("{} above {above}", request.service_tier.label()),
            Origin::Window => "window".to_owned(),
            Origin::WindowTier(above) => format!("window above {above}"),
        };
        explanation.lines.push(Line {
            kind: kind.label(),
            tokens: count,
            price: price.to_string(),
            from: if of == kind { place } else { format!("{place} price of {}", of.label()) },
            amount: format_amount(price.times(count)),
        });
    }
    explanation.sum = compiled.rates(place).map(|rates| format_amount(rates.amount(tokens)));
}

/// Explains what a request costs by a row that is known to count: the one that a stored request names, whatever table is in
/// force by now.
#[must_use]
pub fn explain_by(row: &Row, provider: &str, model: &str, request: &Request) -> Explanation {
    let compiled = Compiled::build(row);
    let rates = compiled.rates(compiled.place(request.start, request.service_tier, &request.tokens));
    let cost = rates.map(|rates| format_nanos(to_nanos(rates.amount(&request.tokens)).into()));
    let mut explanation = Explanation {
        provider: provider.to_owned(),
        model: model.to_owned(),
        priced: Priced::default(),
        unpriced: None,
        row: Some(row.clone()),
        row_id: Some(row.id()),
        why: Vec::new(),
        assumed: Vec::new(),
        lines: Vec::new(),
        sum: None,
        cost,
        currency: Some(row.currency.to_string()),
        cache_savings: None,
    };
    place(&mut explanation, &compiled, row, request);
    explanation
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(row) = &self.row else {
            return writeln!(f, "unpriced: {}", self.unpriced.as_deref().unwrap_or_default());
        };
        let currency = self.currency.as_deref().unwrap_or_default();
        writeln!(f, "price row: {} {} ({})", row.provider, row.model, self.row_id.as_deref().unwrap_or_default())?;
        for why in &self.why {
            writeln!(f, "  {why}")?;
        }
        for assumed in &self.assumed {
            writeln!(f, "  assumed: {assumed}")?;
        }
        if !row.note.is_empty() {
            writeln!(f, "  note: {}", row.note)?;
        }
        let width = |text: fn(&Line) -> usize| self.lines.iter().map(text).max().unwrap_or(0);
        let tokens = width(|line| line.tokens.to_string().len());
        let price = width(|line| line.price.len());
        let amount = width(|line| line.amount.len());
        for line in &self.lines {
            let (kind, count) = (line.kind, line.tokens);
            writeln!(
                f,
                "  {kind:<14} {count:>tokens$} × {:>price$} per million = {:<amount$} ({})",
                line.price, line.amount, line.from
            )?;
        }
        let (sum, cost) = (self.sum.as_deref().unwrap_or_default(), self.cost.as_deref().unwrap_or_default());
        if sum == cost {
            writeln!(f, "  cost           {cost} {currency}")?;
        } else {
            writeln!(f, "  cost           {cost} {currency} (rounded half to even from {sum})")?;
        }
        if let Some(savings) = &self.cache_savings {
            writeln!(f, "  cache savings  {savings} {currency}")?;
        }
        Ok(())
    }
}
