//! A filter of requests in the ledger's own ids, held against rows one by one or against the columns of a block.

use std::collections::{BTreeMap, BTreeSet};

use super::columns::{Block, Column, Stat};
use super::intern::NameKind;
use super::moment::Moment;
use super::open::Error;
use super::request_view::{ErrorFilter, NO_VALUE, RequestFilter, StatusFilter};
use crate::record::{Attributes, Cost, Micros, Row};

/// A set of ids, one bit each.
#[derive(Clone, Debug, Default)]
pub(super) struct Ids(Vec<u64>);

impl Ids {
    pub(super) fn insert(&mut self, id: u32) {
        let word = id as usize / 64;
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        if let Some(word) = self.0.get_mut(word) {
            *word |= 1 << (id % 64);
        }
    }

    #[inline]
    pub(super) fn contains(&self, id: u32) -> bool {
        self.0.get(id as usize / 64).is_some_and(|word| word >> (id % 64) & 1 == 1)
    }

    /// The ids in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = u32> {
        let bits = |(at, word): (u32, &u64)| {
            let word = *word;
            (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| at * 64 + bit)
        };
        (0..).zip(&self.0).flat_map(bits)
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }
}

/// A filter, ready to be held against rows.
#[derive(Clone, Debug)]
pub(super) struct Matcher {
    pub(super) since: Micros,
    pub(super) until: Micros,
    pub(super) attributes: Option<Ids>,
    pub(super) users: Option<BTreeSet<u32>>,
    pub(super) sessions: Option<BTreeSet<u32>>,
    statuses: Vec<StatusFilter>,
    errors: Vec<ErrorFilter>,
    min_tokens: i64,
    min_cost: Option<Cost>,
}

/// Whether a set of attributes fits a filter.
fn fits_attributes(filter: &RequestFilter, attributes: &Attributes) -> bool {
    let any = |wanted: &[String], value: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == value);
    let mut dimensions: BTreeMap<&str, bool> = BTreeMap::new();
    for (name, value) in &filter.dimensions {
        let has = match attributes.dimensions.iter().find(|(known, _)| known == name) {
            Some((_, has)) => has == value,
            // Built in, where no dimension of the user's own has that name.
            None if name == "upstream" => attributes.upstream == *value,
            None if name == "mode" => attributes.mode.label() == value,
            None => value.is_empty(),
        };
        *dimensions.entry(name).or_default() |= has;
    }
    any(&filter.gateways, &attributes.gateway)
        && any(&filter.routes, &attributes.route)
        && any(&filter.providers, &attributes.provider)
        && any(&filter.models, &attributes.model)
        && any(&filter.upstreams, &attributes.upstream)
        && any(&filter.consumers, &attributes.consumer)
        && (filter.modes.is_empty() || filter.modes.contains(&attributes.mode))
        && dimensions.values().all(|fits| *fits)
}

impl Matcher {
    /// `None` where nothing can fit.
    pub(super) fn resolve(moment: &Moment, filter: &RequestFilter) -> Result<Option<Matcher>, Error> {
        let asks =
            [&filter.gateways, &filter.routes, &filter.providers, &filter.models, &filter.upstreams, &filter.consumers];
        let asks =
            asks.iter().any(|list| !list.is_empty()) || !filter.modes.is_empty() || !filter.dimensions.is_empty();
        let attributes = if asks {
            let mut ids = Ids::default();
            moment.each_attributes(|id, attributes| {
                if fits_attributes(filter, attributes) {
                    ids.insert(id);
                }
            })?;
            if ids.is_empty() {
                return Ok(None);
            }
            Some(ids)
        } else {
            None
        };
        let mut users = BTreeSet::new();
        for user in &filter.users {
            users.extend(if user.is_empty() { Some(0) } else { moment.user(user)? });
        }
        let mut sessions = BTreeSet::new();
        for name in &filter.sessions {
            sessions.extend(moment.session_ids(name)?);
        }
        if (users.is_empty() && !filter.users.is_empty()) || (sessions.is_empty() && !filter.sessions.is_empty()) {
            return Ok(None);
        }
        Ok(Some(Matcher {
            since: filter.since.unwrap_or(Micros::MIN),
            until: filter.until.unwrap_or(Micros::MAX),
            attributes,
            users: (!filter.users.is_empty()).then_some(users),
            sessions: (!filter.sessions.is_empty()).then_some(sessions),
            statuses: filter.statuses.clone(),
            errors: filter.errors.clone(),
            min_tokens: filter.min_tokens.map_or(0, |least| i64::try_from(least).unwrap_or(i64::MAX)),
            min_cost: filter.min_cost,
        }))
    }

    pub(super) fn fits(&self, row: &Row) -> bool {
        (self.since..self.until).contains(&row.start)
            && self.attributes.as_ref().is_none_or(|ids| ids.contains(row.attributes))
            && self.users.as_ref().is_none_or(|ids| ids.contains(&row.user))
            && self.sessions.as_ref().is_none_or(|ids| ids.contains(&row.session))
            && self.fits_ending(row)
            && i64::try_from(row.tokens.total()).unwrap_or(i64::MAX) >= self.min_tokens
            && self.min_cost.is_none_or(|least| {
                row.cost.is_some_and(|cost| cost.currency == least.currency && cost.nanos >= least.nanos)
            })
    }

    /// Whether status and outcome fit.
    fn fits_ending(&self, row: &Row) -> bool {
        (self.statuses.is_empty() || self.statuses.iter().any(|wanted| wanted.fits(row.status)))
            && (self.errors.is_empty() || self.errors.iter().any(|wanted| wanted.fits(row.outcome)))
    }

    /// The same of another period.
    pub(super) fn within(&self, since: Micros, until: Micros) -> Matcher {
        Matcher { since, until, ..self.clone() }
    }

    /// Places of the rows of a block that fit all but the sessions, in order. Columns that nobody asks for are not read.
    pub(super) fn select(&self, block: &Block<'_>, (first, last): (Micros, Micros)) -> Result<Vec<u32>, Error> {
        let none = Ok(Vec::new());
        let all = u32::try_from(block.rows()).unwrap_or(0);
        let mut places: Vec<u32> = Vec::new();
        let mut begun = false;
        // The first condition goes over all rows, the others over what it left.
        let mut keep = |fits: &dyn Fn(usize) -> bool| {
            if begun {
                places.retain(|place| fits(*place as usize));
            } else {
                places.extend((0..all).filter(|place| fits(*place as usize)));
                begun = true;
            }
            places.is_empty()
        };
        // What a block's lists cannot hold is told without its rows.
        let mut by_user = None;
        if let Some(users) = &self.users {
            let fitting: Vec<bool> = block.list(Column::UserIds)?.iter().map(|id| users.contains(id)).collect();
            if !fitting.contains(&true) {
                return none;
            }
            by_user = Some(fitting);
        }
        let mut by_attributes = None;
        if let Some(ids) = &self.attributes {
            let fitting: Vec<bool> = block.list(Column::AttributeIds)?.iter().map(|id| ids.contains(*id)).collect();
            if !fitting.contains(&true) {
                return none;
            }
            by_attributes = Some(fitting);
        }
        let mut by_class = None;
        if !self.statuses.is_empty() || !self.errors.is_empty() || self.min_cost.is_some() {
            let fits = |row: &Row| {
                let in_currency = |least: Cost| row.cost.is_some_and(|cost| cost.currency == least.currency);
                self.fits_ending(row) && self.min_cost.is_none_or(in_currency)
            };
            let mut row = Row::default();
            let fitting: Vec<bool> = block
                .classes()?
                .into_iter()
                .map(|class| {
                    class.fill(&mut row);
                    fits(&row)
                })
                .collect();
            if !fitting.contains(&true) {
                return none;
            }
            by_class = Some(fitting);
        }
        if self.min_tokens > 0 && block.stat(Stat::Tokens)?.1 < self.min_tokens {
            return none;
        }
        if self.min_cost.is_some_and(|least| block.stat(Stat::Cost).is_ok_and(|(_, largest)| largest < least.nanos)) {
            return none;
        }
        let mut values = Vec::new();
        for (fitting, column) in
            [(by_user, Column::User), (by_attributes, Column::Attributes), (by_class, Column::Class)]
        {
            let Some(fitting) = fitting.filter(|fitting| fitting.contains(&false)) else { continue };
            block.column(column)?.unpack(block.rows(), &mut values);
            let at = |place: usize| usize::try_from(*values.get(place)?).ok();
            let fits = |place: usize| at(place).and_then(|at| fitting.get(at)).is_some_and(|fits| *fits);
            if keep(&fits) {
                return none;
            }
        }
        if first < self.since || last >= self.until {
            let starts = block.column(Column::Start)?;
            if keep(&|place| (self.since..self.until).contains(&starts.get(place))) {
                return none;
            }
        }
        if self.min_tokens > 0 {
            let tokens = block.tokens()?;
            if keep(&|place| tokens.total(place) >= self.min_tokens) {
                return none;
            }
        }
        if let Some(least) = self.min_cost {
            let costs = block.column(Column::Cost)?;
            if keep(&|place| costs.get(place) != NO_VALUE && costs.get(place) >= least.nanos) {
                return none;
            }
        }
        Ok(if begun { places } else { (0..all).collect() })
    }
}

impl Moment {
    /// Ids of names of a kind that begin so.
    pub(super) fn names_with(&self, kind: i64, prefix: &str) -> Result<Vec<u32>, Error> {
        // The byte after the last one of a prefix ends its range; text is compared byte by byte.
        let mut end = prefix.as_bytes().to_vec();
        let end = loop {
            match end.pop() {
                None => break None,
                Some(last) if last < 0xff => {
                    end.push(last + 1);
                    break Some(end);
                }
                Some(_) => {}
            }
        };
        let mut statement = self.connection.prepare_cached(
            "SELECT id FROM names WHERE kind = ?1 AND value >= ?2 AND (?3 IS NULL OR value < CAST(?3 AS TEXT))",
        )?;
        let ids = statement.query_map((kind, prefix, end), |row| row.get(0))?;
        Ok(ids.collect::<Result<_, _>>()?)
    }

    /// Ids of the sessions of a name; `derived:` and 32 hexadecimal digits name a derived one, too.
    pub(super) fn session_ids(&self, name: &str) -> Result<Vec<u32>, Error> {
        let mut ids = Vec::new();
        ids.extend(self.name_id(NameKind::Session, name)?);
        if let Some(digits) = name.strip_prefix("derived:") {
            ids.extend(self.name_id(NameKind::DerivedSession, digits)?);
        }
        Ok(ids)
    }
}
