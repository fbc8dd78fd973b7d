//! The price table: all rows of all sources, which of them counts for a model at a moment, and what a request costs.
//!
//! Of the rows that match a model and are in force at the request's start, the first of these orders that tells two apart
//! decides:
//!
//! 1. a row of the request's own provider (or for every provider) before one of the model's maker;
//! 2. the source: the user's files, a later one first, then `LiteLLM`'s map, then the built-in table;
//! 3. an exact name before a dated one, that before the longest prefix, a regular expression, the longest contained text;
//! 4. a row for the provider before one for every provider;
//! 5. the later `valid_from`;
//! 6. the fuller form of the model's name, then the earlier row.
//!
//! Before the first `valid_from` of all its rows a model is unpriced: what it cost then is not known.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use jiff::civil::Date;

use super::file::{SourceRows, parse_builtin};
use super::pattern::{Name, Pattern, Quality};
use super::problem::Problem;
use super::provider::{Provider, Providers};
use super::rates::{Compiled, to_nanos};
use super::row::Row;
use crate::record::{Assumed, Cost, Micros, Priced, Record, ServiceTier, Tokens, Usage};
use crate::wording::nearest;

/// The built-in table as text, a price file of the same form as the user's.
pub const BUILTIN: &str = include_str!("builtin.yaml");

static BUILTIN_ROWS: LazyLock<SourceRows> = LazyLock::new(|| parse_builtin(BUILTIN).unwrap_or_default());

/// The rows of the built-in table, as the last of the sources of [`Table::build`].
#[must_use]
pub fn builtin_rows() -> SourceRows {
    BUILTIN_ROWS.clone()
}

/// Price rows made ready. Immutable; share it in an `Arc`.
#[derive(Clone, Debug)]
pub struct Table {
    rows: Vec<Row>,
    compiled: Vec<Compiled>,
    /// Position of each row's source; lower wins.
    precedence: Vec<usize>,
    /// Exact name → rows.
    exact: HashMap<String, Vec<u32>>,
    /// Rows that match more than exact names.
    families: Vec<u32>,
    pub(super) providers: Providers,
    date: Option<Date>,
    skipped: usize,
}

/// How the provider of a row has to do with the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Relation {
    /// It makes the model; the request's own provider has no row.
    Maker,
    /// The row counts for every provider.
    Any,
    /// The log names no provider, the model's name does.
    Name,
    /// It is the request's provider.
    Own,
}

/// The row that counts from a moment on, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) row: u32,
    pub(super) relation: Relation,
    pub(super) quality: Quality,
    /// Which form of the model's name.
    pub(super) form: usize,
    /// Which of the row's patterns.
    pub(super) pattern: usize,
}

/// What a model costs at one provider, over time: the answer of [`Table::find`], made to be kept. Use it only with the
/// table that gave it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matched {
    /// Ascending by the moment from which each counts.
    spans: Box<[(Micros, Choice)]>,
}

impl Matched {
    /// Whether no row fits at any time.
    #[must_use]
    pub fn is_unpriced(&self) -> bool {
        self.spans.is_empty()
    }

    /// The row in force at a moment, as an index for [`Table::row`].
    #[must_use]
    pub fn row_at(&self, moment: Micros) -> Option<u32> {
        self.at(moment).map(|choice| choice.row)
    }

    pub(super) fn at(&self, moment: Micros) -> Option<&Choice> {
        self.spans.iter().rev().find(|(from, _)| *from <= moment).map(|(_, choice)| choice)
    }

    /// The first row that will count and its first moment.
    pub(super) fn first(&self) -> Option<(Micros, &Choice)> {
        self.spans.first().map(|(from, choice)| (*from, choice))
    }
}

/// What of a request decides about its cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// Its start.
    pub start: Micros,
    /// Its tier of service.
    pub service_tier: ServiceTier,
    /// Its tokens, in disjoint kinds.
    pub tokens: Tokens,
    /// Whether the log told apart 5-minute and 1-hour cache writes.
    pub cache_ttl_known: bool,
}

impl Request {
    /// What of a record decides about its cost; `None` where nothing was counted.
    #[must_use]
    pub fn of(record: &Record<'_>) -> Option<Request> {
        match record.usage {
            Usage::Counted { tokens, cache_ttl_known, .. } => {
                Some(Request { start: record.start, service_tier: record.service_tier, tokens, cache_ttl_known })
            }
            Usage::None | Usage::Missing => None,
        }
    }
}

impl Table {
    /// The built-in table alone.
    #[must_use]
    pub fn builtin() -> Table {
        Table::assemble(vec![builtin_rows()])
    }

    /// Builds a table. `sources` come in order of precedence: the user's files with the last one first, `LiteLLM`'s map,
    /// the built-in table. `aliases` are the user's own names of providers.
    ///
    /// # Errors
    /// Every alias that leads to no provider of the table.
    pub fn build(sources: Vec<SourceRows>, aliases: &BTreeMap<String, String>) -> Result<Table, Vec<Problem>> {
        let mut table = Table::assemble(sources);
        let unknown = table.providers.configure(aliases);
        let problems: Vec<Problem> = unknown
            .into_iter()
            .map(|(name, target)| Problem {
                file: String::new(),
                line: 0,
                key: format!("cost.aliases.{name}"),
                message: format!("`{target}` is no provider of the price table"),
                remedy: match nearest(target, table.providers.names()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "see `tokentail prices list` for its providers".to_owned(),
                },
            })
            .collect();
        if problems.is_empty() { Ok(table) } else { Err(problems) }
    }

    fn assemble(sources: Vec<SourceRows>) -> Table {
        let mut providers = Providers::default();
        for provider in sources.iter().flat_map(|source| &source.providers) {
            providers.add(provider);
        }
        for name in sources.iter().flat_map(|source| &source.rows).map(|row| &row.provider) {
            if !name.is_empty() {
                providers.add(&Provider { name: name.clone(), ..Provider::default() });
            }
        }
        let mut table = Table {
            rows: Vec::new(),
            compiled: Vec::new(),
            precedence: Vec::new(),
            exact: HashMap::new(),
            families: Vec::new(),
            providers,
            date: sources.iter().rev().find_map(|source| source.date),
            skipped: sources.iter().map(|source| source.skipped).sum(),
        };
        for (precedence, source) in sources.into_iter().enumerate() {
            for row in source.rows {
                table.add(row, precedence);
            }
        }
        table
    }

    fn add(&mut self, mut row: Row, precedence: usize) {
        let Ok(index) = u32::try_from(self.rows.len()) else { return };
        row.provider = self.providers.canonical(&row.provider);
        let mut family = row.dated;
        for pattern in &row.matches {
            match pattern {
                Pattern::Equals(name) => {
                    // A name that is written with its own provider also stands without it.
                    let bare = name
                        .split_once('/')
                        .filter(|(head, _)| !row.provider.is_empty() && self.providers.canonical(head) == row.provider)
                        .map(|(_, tail)| tail);
                    for name in std::iter::once(name.as_str()).chain(bare) {
                        let rows = self.exact.entry(name.to_owned()).or_default();
                        if rows.last() != Some(&index) {
                            rows.push(index);
                        }
                    }
                }
                Pattern::Prefix(_) | Pattern::Contains(_) | Pattern::Regex(_) => family = true,
            }
        }
        if family {
            self.families.push(index);
        }
        self.compiled.push(Compiled::build(&row));
        self.precedence.push(precedence);
        self.rows.push(row);
    }

    /// All rows, those of the source that wins first.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// A row by its index.
    #[must_use]
    pub fn row(&self, index: u32) -> Option<&Row> {
        self.rows.get(usize::try_from(index).ok()?)
    }

    /// The day for which the built-in prices are known to be right (of the last source that names one).
    #[must_use]
    pub fn date(&self) -> Option<Date> {
        self.date
    }

    /// That day's first moment in UTC, in seconds since the Unix epoch; 0 where it is not known.
    #[must_use]
    pub fn timestamp_seconds(&self) -> i64 {
        self.date.map_or(0, |date| super::schedule::Zone::utc().start_of(date).div_euclid(1_000_000))
    }

    /// How many entries of the sources tell no price that can be used.
    #[must_use]
    pub fn skipped(&self) -> usize {
        self.skipped
    }

    /// The name under which the table has the rows of a log's provider; empty where the log names none.
    #[must_use]
    pub fn provider(&self, logged: &str) -> String {
        self.providers.resolve(logged)
    }

    /// A model's name taken apart.
    pub(super) fn name(&self, model: &str) -> Name {
        Name::parse(model, |head| self.providers.knows(head))
    }

    /// Finds what a model costs at a provider. Takes microseconds: keep the answer for each pair of names.
    #[must_use]
    pub fn find(&self, provider: &str, model: &str) -> Matched {
        let name = self.name(model);
        let own = self.providers.resolve(provider);
        let (own, told) = match &name.provider {
            Some(head) if own.is_empty() => (self.providers.resolve(head), Relation::Name),
            _ => (own, Relation::Own),
        };
        let maker = self.providers.maker(&name.forms);
        let mut found: Vec<(Micros, Choice)> = Vec::new();
        for index in self.candidates(&name) {
            let Some(row) = self.row(index) else { continue };
            let relation = if row.provider.is_empty() {
                Relation::Any
            } else if row.provider == own {
                told
            } else if maker == Some(row.provider.as_str()) {
                Relation::Maker
            } else {
                continue;
            };
            if let Some((quality, form, pattern)) = self.fit(row, &name) {
                found.push((row.starts(), Choice { row: index, relation, quality, form, pattern }));
            }
        }
        found.sort_by_key(|(from, choice)| (*from, choice.row));
        let mut spans: Vec<(Micros, Choice)> = Vec::new();
        for (from, choice) in found {
            if let Some((last, best)) = spans.last_mut() {
                if self.rank(*last, best) >= self.rank(from, &choice) {
                    continue;
                }
                if *last == from {
                    *best = choice;
                    continue;
                }
            }
            spans.push((from, choice));
        }
        Matched { spans: spans.into() }
    }

    /// Rows that may fit a name: each at most once.
    fn candidates(&self, name: &Name) -> Vec<u32> {
        let mut indices: Vec<u32> =
            name.forms.iter().filter_map(|form| self.exact.get(form)).flatten().copied().collect();
        indices.extend(&self.families);
        indices.sort_unstable();
        indices.dedup();
        indices
    }

    /// How well a row fits a name, with which form of the name and which pattern.
    fn fit(&self, row: &Row, name: &Name) -> Option<(Quality, usize, usize)> {
        let excluded = |form: &String| row.exclude.iter().any(|pattern| pattern.fits(form, false).is_some());
        if name.forms.iter().any(excluded) {
            return None;
        }
        let mut best: Option<(Quality, usize, usize)> = None;
        for (form, text) in name.forms.iter().enumerate() {
            for (position, pattern) in row.matches.iter().enumerate() {
                let fits = pattern.fits(text, row.dated).or_else(|| {
                    let Pattern::Equals(written) = pattern else { return None };
                    let (head, tail) = written.split_once('/')?;
                    let own = !row.provider.is_empty() && self.providers.canonical(head) == row.provider;
                    (own && tail == text).then_some(Quality::EXACT)
                });
                if let Some(quality) = fits.filter(|quality| best.is_none_or(|(known, _, _)| *quality > known)) {
                    best = Some((quality, form, position));
                }
            }
        }
        best
    }

    /// Greater wins; see the head of this file.
    fn rank(&self, from: Micros, choice: &Choice) -> impl Ord + use<> {
        let source = usize::try_from(choice.row).ok().and_then(|row| self.precedence.get(row)).copied();
        (
            choice.relation != Relation::Maker,
            Reverse(source.unwrap_or(usize::MAX)),
            choice.quality,
            choice.relation,
            from,
            Reverse(choice.form),
            Reverse(choice.row),
        )
    }

    pub(super) fn compiled(&self, index: u32) -> Option<&Compiled> {
        self.compiled.get(usize::try_from(index).ok()?)
    }

    /// What a request costs: exact sums, rounded once, half to even. Allocates nothing.
    ///
    /// Without a row in force the request is unpriced. No tokens cost 0 of the row's currency.
    #[must_use]
    pub fn price(&self, matched: &Matched, request: &Request) -> Priced {
        let unpriced = Priced { unpriced: true, ..Priced::default() };
        let Some(choice) = matched.at(request.start) else { return unpriced };
        let (Some(row), Some(compiled)) = (self.row(choice.row), self.compiled(choice.row)) else { return unpriced };
        let place = compiled.place(request.start, request.service_tier, &request.tokens);
        let Some(rates) = compiled.rates(place) else { return unpriced };
        let mut assumed = Assumed::default();
        if choice.relation == Relation::Maker {
            assumed = assumed.union(Assumed::PROVIDER);
        }
        if place.tier_assumed {
            assumed = assumed.union(Assumed::SERVICE_TIER);
        }
        if request.tokens.cache_write_5m > 0 && !request.cache_ttl_known && rates.ttl_matters() {
            assumed = assumed.union(Assumed::CACHE_TTL);
        }
        Priced {
            cost: Some(Cost { nanos: to_nanos(rates.amount(&request.tokens)), currency: row.currency }),
            cache_savings_nanos: if request.tokens.cache_read == 0 {
                0
            } else {
                to_nanos(rates.savings(&request.tokens))
            },
            row: Some(choice.row),
            assumed,
            unpriced: false,
        }
    }
}
