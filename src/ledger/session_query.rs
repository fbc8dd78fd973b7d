//! Sessions for people: a list of them by what they cost or when they were, and one of them turn by turn.
//!
//! A session is all its parts. Rows are read of one session only, along its chain. How a list is made is in
//! `session_page`.

use std::collections::{BTreeSet, HashSet};
use std::ops::ControlFlow;
use std::path::Path;

use foldhash::quality::RandomState;

use super::intern::NameKind;
use super::moment::Moment;
use super::open::Error;
use super::session_view::{Session, Shown, Turn};
use crate::record::Attributes;
use crate::session::{Key, Part};

/// Names that are compared to find what a misspelt one may mean.
const NEIGHBOURS: i64 = 16;

/// Reads sessions beside the writer.
#[derive(Debug)]
pub struct SessionQuery {
    moment: Moment,
}

impl SessionQuery {
    /// Opens a ledger's folder for reading.
    ///
    /// # Errors
    /// There is no ledger, or it cannot be read.
    pub fn open(folder: &Path) -> Result<SessionQuery, Error> {
        Ok(SessionQuery { moment: Moment::open(folder)? })
    }

    pub(super) fn new(moment: Moment) -> SessionQuery {
        SessionQuery { moment }
    }

    /// The moment that is read.
    #[must_use]
    pub fn moment(&self) -> &Moment {
        &self.moment
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
                id: row.id,
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

    pub(super) fn session(&self, key: Key, parts: &[Part]) -> Result<Session, Error> {
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
