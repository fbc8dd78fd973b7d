//! Sessions for people: a list of them by what they cost or when they were, and one of them turn by turn.
//!
//! A session is all its parts. The list looks at every part once, at as few of its columns as the question needs, and
//! reads in full only the sessions that it gives back. Rows are read of one session only, along its chain.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::ControlFlow;
use std::path::Path;

use foldhash::quality::RandomState;

use super::intern::NameKind;
use super::moment::Moment;
use super::open::Error;
use super::session::read_costs;
use super::session_view::{Filter, Listed, Session, Shown, Sort, Turn};
use crate::record::{Attributes, Micros};
use crate::session::{Key, Part};

/// Names that are compared to find what a misspelt one may mean.
const NEIGHBOURS: i64 = 16;

/// Reads sessions beside the writer.
#[derive(Debug)]
pub struct SessionQuery {
    moment: Moment,
}

/// What phase one keeps of a session.
#[derive(Clone, Copy, Default)]
struct Sum {
    measure: i128,
    cost: i128,
    start: Micros,
    listed: bool,
}

impl SessionQuery {
    /// Opens a ledger's folder for reading.
    ///
    /// # Errors
    /// There is no ledger, or it cannot be read.
    pub fn open(folder: &Path) -> Result<SessionQuery, Error> {
        Ok(SessionQuery { moment: Moment::open(folder)? })
    }

    /// Reads sessions of a moment.
    #[must_use]
    pub fn new(moment: Moment) -> SessionQuery {
        SessionQuery { moment }
    }

    /// The moment that is read.
    #[must_use]
    pub fn moment(&self) -> &Moment {
        &self.moment
    }

    /// The first `limit` sessions that fit, ordered; of equal ones the one that began last comes first.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn list(&self, filter: &Filter, sort: Sort, limit: usize) -> Result<Listed, Error> {
        let moment = &self.moment;
        let needs_cost = sort == Sort::Cost || filter.min_cost.is_some();
        let currency = match filter.currency {
            None if needs_cost => moment.usual_currency()?,
            given => given,
        };
        let Some(wanted) = Wanted::resolve(moment, filter)? else {
            return Ok(Listed { sessions: Vec::new(), found: 0, currency });
        };
        let unfolded = moment.unfolded(None)?;
        let mut sums: HashMap<Key, Sum, RandomState> = HashMap::default();
        let mut add = |part: &Part| -> Result<(), Error> {
            let listed = wanted.fits(moment, part)?;
            let cost = currency.and_then(|currency| part.costs.0.iter().find(|(known, _)| *known == currency));
            let cost = cost.map_or(0, |(_, nanos)| *nanos);
            let sum = sums.entry(part.key).or_insert(Sum { measure: i128::from(i64::MIN), ..Sum::default() });
            let first = sum.measure == i128::from(i64::MIN);
            let so_far = if first { 0 } else { sum.measure };
            sum.measure = match sort {
                Sort::Updated => sum.measure.max(part.end.into()),
                Sort::Cost => so_far + cost,
                Sort::Tokens => so_far + i128::from(part.tokens.total()),
                Sort::Turns => so_far + i128::from(part.turns),
                Sort::Duration => so_far + i128::from(part.duration()),
            };
            sum.cost += cost;
            sum.start = if first { part.start } else { sum.start.min(part.start) };
            sum.listed |= listed;
            Ok(())
        };
        // Reading and parsing text is most of the work, so what is not asked for is not read.
        let sql = format!(
            "SELECT id, session, gateway, start, end, last_row, {}, {}, {}, {}, {}, {}, {} FROM parts",
            if sort == Sort::Turns { "turns" } else { "0" },
            if sort == Sort::Tokens {
                "uncached_input + cache_read + cache_write_5m + cache_write_1h + visible_output + reasoning"
            } else {
                "0"
            },
            if needs_cost { "costs" } else { "''" },
            if wanted.attributes.is_some() { "attributes" } else { "'[]'" },
            if wanted.attributes.is_some() { "more_attributes" } else { "0" },
            if wanted.user.is_some() { "user" } else { "0" },
            if wanted.user.is_some() { "mixed_users" } else { "0" },
        );
        let mut statement = moment.connection.prepare_cached(&sql)?;
        let mut rows = statement.query([])?;
        let mut part = Part::default();
        while let Some(row) = rows.next()? {
            part.id = row.get(0)?;
            if unfolded.contains_key(&part.id) {
                continue;
            }
            part.key = Key { session: row.get(1)?, gateway: row.get(2)? };
            (part.start, part.end, part.last_row) = (row.get(3)?, row.get(4)?, row.get(5)?);
            part.turns = u64::try_from(row.get::<_, i64>(6)?).unwrap_or(0);
            part.tokens.uncached_input = u64::try_from(row.get::<_, i64>(7)?).unwrap_or(0);
            part.costs = read_costs(part.id, row.get_ref(8)?.as_str().unwrap_or_default())?;
            if wanted.attributes.is_some() {
                part.attributes = serde_json::from_str(row.get_ref(9)?.as_str().unwrap_or_default())
                    .map_err(|_| Error::Stored(format!("part {}: its attributes cannot be read", part.id)))?;
                part.more_attributes = row.get(10)?;
            }
            (part.user, part.mixed_users) = (row.get(11)?, row.get(12)?);
            add(&part)?;
        }
        unfolded.values().try_for_each(&mut add)?;
        let mut found: Vec<(i128, Micros, Key)> = sums
            .iter()
            .filter(|(_, sum)| sum.listed && filter.min_cost.is_none_or(|least| sum.cost >= least))
            .map(|(key, sum)| (sum.measure, sum.start, *key))
            .collect();
        let count = u64::try_from(found.len()).unwrap_or(u64::MAX);
        if limit < found.len() {
            found.select_nth_unstable_by(limit, |a, b| b.cmp(a));
            found.truncate(limit);
        }
        found.sort_unstable_by(|a, b| b.cmp(a));
        let sessions = found.iter().map(|(_, _, key)| self.session(*key, &moment.parts_with(*key, &unfolded)?));
        Ok(Listed { sessions: sessions.collect::<Result<_, Error>>()?, found: count, currency })
    }

    /// The sessions of a name, in any gateway or one. `names` are the forms in which it may be stored; `derived:` and 32
    /// hexadecimal digits name a derived session, which comes after one that the log itself named so.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn find(&self, names: &[String], gateway: Option<&str>) -> Result<Vec<Session>, Error> {
        let moment = &self.moment;
        let mut ids = Vec::new();
        for name in names {
            ids.extend(moment.name_id(NameKind::Session, name)?);
            if let Some(digits) = name.strip_prefix("derived:") {
                ids.extend(moment.name_id(NameKind::DerivedSession, digits)?);
            }
        }
        ids.dedup();
        let mut sessions = Vec::new();
        for id in ids {
            let unfolded = moment.unfolded(Some(id))?;
            let mut statement =
                moment.connection.prepare_cached("SELECT DISTINCT gateway FROM parts WHERE session = ?1")?;
            let mut gateways: BTreeSet<u32> = statement.query_map([id], |row| row.get(0))?.collect::<Result<_, _>>()?;
            gateways.extend(unfolded.values().map(|part| part.key.gateway));
            for number in gateways {
                if gateway.is_some_and(|name| moment.name(number).is_ok_and(|known| *known != *name)) {
                    continue;
                }
                let key = Key { gateway: number, session: id };
                sessions.push(self.session(key, &moment.parts_with(key, &unfolded)?)?);
            }
        }
        Ok(sessions)
    }

    /// A session's last `limit` requests.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn show(&self, session: Session, limit: usize) -> Result<Shown, Error> {
        let moment = &self.moment;
        let parts = moment.parts_of(session.key)?;
        let mut found = Vec::new();
        let mut kept = 0_u64;
        for (index, part) in parts.iter().enumerate().rev() {
            if found.len() >= limit {
                break;
            }
            moment.walk(part, |row, request_id| {
                kept += 1;
                found.push((index + 1, row, request_id));
                if found.len() >= limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })?;
        }
        let all = session.requests.saturating_sub(kept);
        // With fewer than asked for, every chain was followed to its end.
        let (left_out, removed) = if found.len() >= limit { (all, 0) } else { (0, all) };
        found.sort_by_key(|(_, row, _)| (row.start, row.id));
        let mut running = session.costs.clone();
        for cost in found.iter().filter_map(|(_, row, _)| row.cost) {
            *running.entry(cost.currency).or_default() -= i128::from(cost.nanos);
        }
        let mut turns = Vec::with_capacity(found.len());
        for (part, row, request_id) in found {
            if let Some(cost) = row.cost {
                *running.entry(cost.currency).or_default() += i128::from(cost.nanos);
            }
            let attributes = moment.attributes(row.attributes)?;
            turns.push(Turn {
                part,
                start: row.start,
                duration: row.duration,
                first_token: row.first_token,
                chat_round: row.chat_round,
                status: row.status,
                outcome: row.outcome,
                provider: attributes.provider.clone(),
                model: attributes.model.clone(),
                tokens: row.tokens,
                counted: row.counted,
                cost: row.cost.map(|cost| (cost.currency, cost.nanos)),
                unpriced: row.unpriced,
                tools: moment.tools(row.tools)?,
                request_id,
                trace_id: row.trace_id,
                running: running.clone(),
            });
        }
        Ok(Shown { session, turns, left_out, removed })
    }

    /// Whether some request was made under this pseudonym.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn knows_user(&self, pseudonym: &str) -> Result<bool, Error> {
        Ok(self.moment.user(pseudonym)?.is_some())
    }

    /// The stored name of a session that an unknown one may mean: among its neighbours in the order of names.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn nearest(&self, name: &str) -> Result<Option<String>, Error> {
        let mut near: Vec<String> = Vec::new();
        for (side, order) in [("value >= ?1", "value"), ("value < ?1", "value DESC")] {
            let sql = format!("SELECT value FROM names WHERE kind = 2 AND {side} ORDER BY {order} LIMIT {NEIGHBOURS}");
            let mut statement = self.moment.connection.prepare_cached(&sql)?;
            let values = statement.query_map([name], |row| row.get(0))?;
            near.extend(values.collect::<Result<Vec<String>, _>>()?);
        }
        Ok(crate::wording::nearest(name, near.iter().map(String::as_str)).map(str::to_owned))
    }

    fn session(&self, key: Key, parts: &[Part]) -> Result<Session, Error> {
        let (name, derived) = self.moment.session_name(key.session)?;
        let gateway = self.moment.name(key.gateway)?.to_string();
        let mut session = Session {
            key,
            name,
            derived,
            gateway,
            parts: u64::try_from(parts.len()).unwrap_or(u64::MAX),
            start: parts.iter().map(|part| part.start).min().unwrap_or(0),
            end: parts.iter().map(|part| part.end).max().unwrap_or(0),
            open: parts.iter().any(|part| part.closed.is_none()),
            ..Session::default()
        };
        let mut user = 0;
        let mut seen: HashSet<u32, RandomState> = HashSet::default();
        for part in parts {
            session.duration = session.duration.saturating_add(part.duration());
            session.requests += part.requests;
            session.turns += part.turns;
            session.errors += part.errors;
            session.usage_missing += part.usage_missing;
            session.unpriced += part.unpriced;
            session.tool_calls += part.tool_calls;
            session.tokens.add(&part.tokens);
            for (currency, nanos) in &part.costs.0 {
                *session.costs.entry(*currency).or_default() += nanos;
            }
            session.more |= part.more_attributes;
            for id in part.attributes.iter().filter(|id| seen.insert(**id)) {
                let attributes = self.moment.attributes(*id)?;
                let Attributes { model, consumer, dimensions, .. } = attributes.as_ref();
                session.models.extend((!model.is_empty()).then(|| model.clone()));
                session.consumers.extend((!consumer.is_empty()).then(|| consumer.clone()));
                session.dimensions.extend(dimensions.iter().cloned());
            }
            session.mixed_users |= part.mixed_users || (user != 0 && part.user != 0 && part.user != user);
            user = if user == 0 { part.user } else { user };
        }
        session.user = self.moment.name(user)?.to_string();
        Ok(session)
    }
}

/// A filter in the ledger's own ids.
struct Wanted {
    since: Micros,
    until: Micros,
    /// Ids of attributes that fit.
    attributes: Option<HashSet<u32, RandomState>>,
    user: Option<u32>,
}

impl Wanted {
    /// `None` where nothing can fit.
    fn resolve(moment: &Moment, filter: &Filter) -> Result<Option<Wanted>, Error> {
        let Filter { since, until, gateway, consumer, model, user, dimensions, .. } = filter;
        let is = |wanted: &Option<String>, value: &str| wanted.as_ref().is_none_or(|wanted| wanted == value);
        let fits = |attributes: &Attributes| {
            is(gateway, &attributes.gateway)
                && is(consumer, &attributes.consumer)
                && is(model, &attributes.model)
                && dimensions.iter().all(|(name, value)| {
                    attributes.dimensions.iter().any(|(known, has)| known == name && has == value)
                        || (name == "upstream" && *value == attributes.upstream)
                        || (name == "mode" && value == attributes.mode.label())
                })
        };
        let asks = gateway.is_some() || consumer.is_some() || model.is_some() || !dimensions.is_empty();
        let mut ids = None;
        if asks {
            let sets = moment.attribute_sets()?;
            let fitting: HashSet<u32, RandomState> =
                sets.iter().filter(|(_, attributes)| fits(attributes)).map(|(id, _)| *id).collect();
            if fitting.is_empty() {
                return Ok(None);
            }
            ids = Some(fitting);
        }
        let user = match user {
            None => None,
            Some(user) => match moment.user(user)? {
                None => return Ok(None),
                known => known,
            },
        };
        let (since, until) = (since.unwrap_or(Micros::MIN), until.unwrap_or(Micros::MAX));
        Ok(Some(Wanted { since, until, attributes: ids, user }))
    }

    fn fits(&self, moment: &Moment, part: &Part) -> Result<bool, Error> {
        if part.start >= self.until || part.end < self.since {
            return Ok(false);
        }
        let attributes = self.attributes.as_ref();
        let by_attributes = attributes.is_none_or(|ids| part.attributes.iter().any(|id| ids.contains(id)));
        let by_user = self.user.is_none_or(|user| part.user == user);
        if by_attributes && by_user {
            return Ok(true);
        }
        // What the part does not say, its rows do.
        let (mut has_attributes, mut has_user) = (by_attributes, by_user);
        if (by_attributes || part.more_attributes) && (by_user || part.mixed_users) {
            moment.walk(part, |row, _| {
                has_attributes |= attributes.is_none_or(|ids| ids.contains(&row.attributes));
                has_user |= self.user.is_none_or(|user| row.user == user);
                if has_attributes && has_user { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })?;
        }
        Ok(has_attributes && has_user)
    }
}
