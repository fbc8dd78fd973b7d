//! Lists of sessions page by page: filters over their parts and their sums, any order, and where the next page goes on.
//!
//! Every part is looked at once, in columns where it is packed; a session of one part is ranked at once, and only the sessions of
//! the page are read in full. The sessions that were active last, the page that is asked for most, need only the newest parts: a part ends at most
//! 48 h after the start of its first row.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::ops::Range;

use foldhash::quality::RandomState;
use hashbrown::HashMap;

use super::fold::BLOCK_ROWS;
use super::moment::Moment;
use super::open::Error;
use super::part_scan::Repeated;
use super::request_filter::{Ids, Matcher};
use super::request_view::{Order, PageEnd, RequestFilter};
use super::session_query::SessionQuery;
use super::session_view::{Session, SessionFilter, SessionList, SessionPage, Sort};
use crate::record::{Currency, Micros};
use crate::session::{Key, MAX_SPAN, Part};

/// Sessions of a prefix or a filter that are looked up one by one; more are found among all.
const FEW: usize = 1_000;

/// What is kept of a session while the parts go by.
#[derive(Clone, Copy)]
struct Sum {
    measure: i64,
    cost: i64,
    tokens: i64,
    turns: i64,
    duration: i64,
    errors: bool,
    open: bool,
    listed: bool,
}

/// A filter in the ledger's own ids.
struct Wanted<'a> {
    filter: &'a SessionFilter,
    matcher: Matcher,
    /// Sessions by name or prefix.
    sessions: Option<Ids>,
    currency: Option<Currency>,
    sort: Sort,
}

impl Wanted<'_> {
    fn measure(&self, part: &Part, cost: i64) -> i64 {
        match self.sort {
            Sort::Updated => part.end,
            Sort::Start => part.start,
            Sort::Cost => cost,
            Sort::Tokens => number(part.tokens.total()),
            Sort::Turns => number(part.turns),
            Sort::Duration => part.duration(),
        }
    }

    fn cost(&self, part: &Part) -> i64 {
        let known = part.costs.0.iter().find(|(known, _)| Some(*known) == self.currency);
        known.map_or(0, |(_, nanos)| i64::try_from(*nanos).unwrap_or(i64::MAX))
    }

    /// Whether the session as a whole is wanted.
    fn fits(&self, sum: &Sum) -> bool {
        let SessionFilter { min_turns, min_duration, min_cost, min_tokens, errors, open, .. } = self.filter;
        let least = |least: Option<i64>, value: i64| least.is_none_or(|least| value >= least);
        sum.listed
            && (!errors || sum.errors)
            && (!open || sum.open)
            && least(min_turns.map(number), sum.turns)
            && least(min_tokens.map(number), sum.tokens)
            && least(*min_duration, sum.duration)
            && least(min_cost.map(|cost| cost.nanos), sum.cost)
    }

    /// Whether no session can be wanted for what another of its parts says.
    fn is_plain(&self) -> bool {
        let SessionFilter { min_turns, min_duration, min_cost, min_tokens, errors, .. } = self.filter;
        self.matcher.attributes.is_none()
            && self.matcher.users.is_none()
            && self.sessions.is_none()
            && self.matcher.until == Micros::MAX
            && min_turns.is_none()
            && min_duration.is_none()
            && min_cost.is_none()
            && min_tokens.is_none()
            && !errors
            && !self.filter.open
            && !self.filter.counted
    }
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// The sums of sessions by their keys, of those that may have several parts; the others go on at once.
struct Sums<'a> {
    moment: &'a Moment,
    wanted: &'a Wanted<'a>,
    /// Sessions that may have several parts; `None` where any may.
    repeated: Option<Repeated>,
    sums: HashMap<Key, Sum, RandomState>,
    best: Best,
}

/// The best sessions so far, and how many fit.
struct Best {
    limit: usize,
    order: Order,
    /// Only what comes after it.
    after: Option<(i64, i64)>,
    /// The worst on top.
    heap: BinaryHeap<Reverse<((i64, i64), Key)>>,
    found: u64,
}

impl Best {
    /// Turns a measure and a place so that the greater comes first in the list; the same turns it back.
    fn turn(&self, (measure, place): (i64, i64)) -> (i64, i64) {
        match self.order {
            Order::Descending => (measure, place),
            Order::Ascending => (!measure, !place),
        }
    }

    fn offer(&mut self, key: Key, measure: i64) {
        self.found += 1;
        let place = self.turn((measure, place(key)));
        if self.after.is_some_and(|after| place >= after) {
            return;
        }
        if self.heap.len() < self.limit {
            self.heap.push(Reverse((place, key)));
        } else if let Some(mut worst) = self.heap.peek_mut().filter(|worst| worst.0.0 < place) {
            *worst = Reverse((place, key));
        }
    }
}

impl Sums<'_> {
    fn add(&mut self, part: &Part) -> Result<(), Error> {
        let wanted = self.wanted;
        if wanted.sessions.as_ref().is_some_and(|ids| !ids.contains(part.key.session)) {
            return Ok(());
        }
        let alone = self.repeated.as_ref().is_some_and(|repeated| !repeated.contains(part.key.session));
        let listed = fits_part(self.moment, &wanted.matcher, part)?;
        if alone && !listed {
            return Ok(());
        }
        let cost = wanted.cost(part);
        let new = Sum {
            measure: wanted.measure(part, cost),
            cost,
            tokens: number(part.tokens.total()),
            turns: number(part.turns),
            duration: part.duration(),
            errors: part.errors > 0,
            open: part.closed.is_none(),
            listed,
        };
        if alone {
            if wanted.fits(&new) {
                self.best.offer(part.key, new.measure);
            }
            return Ok(());
        }
        let sum = match self.sums.entry(part.key) {
            hashbrown::hash_map::Entry::Occupied(known) => known.into_mut(),
            hashbrown::hash_map::Entry::Vacant(place) => {
                place.insert(new);
                return Ok(());
            }
        };
        sum.measure = match wanted.sort {
            Sort::Updated => sum.measure.max(new.measure),
            Sort::Start => sum.measure.min(new.measure),
            Sort::Cost | Sort::Tokens | Sort::Turns | Sort::Duration => sum.measure.saturating_add(new.measure),
        };
        sum.cost = sum.cost.saturating_add(cost);
        sum.tokens = sum.tokens.saturating_add(new.tokens);
        sum.turns = sum.turns.saturating_add(new.turns);
        sum.duration = sum.duration.saturating_add(new.duration);
        sum.errors |= new.errors;
        sum.open |= new.open;
        sum.listed |= listed;
        Ok(())
    }
}

/// Whether a part has time within the filter's and in it a request that fits its attributes, and one of its users.
pub(super) fn fits_part(moment: &Moment, matcher: &Matcher, part: &Part) -> Result<bool, Error> {
    if part.start >= matcher.until || part.end < matcher.since {
        return Ok(false);
    }
    let fits_attributes = |id: u32| matcher.attributes.as_ref().is_none_or(|ids| ids.contains(id));
    let fits_user = |user: u32| matcher.users.as_ref().is_none_or(|users| users.contains(&user));
    let by_attributes = matcher.attributes.is_none() || part.attributes.iter().any(|id| fits_attributes(*id));
    let by_user = fits_user(part.user);
    if by_attributes && by_user {
        return Ok(true);
    }
    // What the part does not say, its rows do.
    let (mut has_attributes, mut has_user) = (by_attributes, by_user);
    if (by_attributes || part.more_attributes) && (by_user || part.mixed_users) {
        moment.walk(part, |row, _| {
            has_attributes |= fits_attributes(row.attributes);
            has_user |= fits_user(row.user);
            if has_attributes && has_user {
                std::ops::ControlFlow::Break(())
            } else {
                std::ops::ControlFlow::Continue(())
            }
        })?;
    }
    Ok(has_attributes && has_user)
}

/// A session's place among those of equal measure.
fn place(key: Key) -> i64 {
    i64::from(key.session) << 32 | i64::from(key.gateway)
}

impl SessionQuery {
    /// A page of sessions.
    ///
    /// # Errors
    /// The ledger cannot be read, takes too long, or the page's end is that of another order.
    pub fn page(&self, list: &SessionList) -> Result<SessionPage, Error> {
        let moment = self.moment();
        let SessionList { filter, sort, order, limit, after } = list;
        let code = 1 << 40 | (*sort as u64) << 1 | u64::from(*order == Order::Ascending);
        let mut best = Best { limit: *limit, order: *order, after: None, heap: BinaryHeap::new(), found: 0 };
        best.after = after.map(|end| end.check(code)).transpose()?.map(|end| best.turn((end.value, end.id)));
        let needs_cost = *sort == Sort::Cost || filter.min_cost.is_some();
        let currency = match (filter.min_cost, filter.currency) {
            (Some(cost), _) => Some(cost.currency),
            (None, None) if needs_cost => moment.usual_currency()?,
            (None, given) => given,
        };
        let requests = RequestFilter { sessions: Vec::new(), ..filter.requests.clone() };
        let Some(matcher) = Matcher::resolve(moment, &requests)? else { return Ok(SessionPage::default()) };
        let mut wanted = Wanted { filter, matcher, sessions: None, currency, sort: *sort };
        let named = self.named(filter)?;
        if let Some(named) = &named {
            let mut ids = Ids::default();
            named.iter().for_each(|id| ids.insert(*id));
            wanted.sessions = Some(ids);
        }
        let unfolded = moment.unfolded(None)?;
        let after = best.after;
        let mut sums = Sums { moment, wanted: &wanted, repeated: None, sums: HashMap::default(), best };
        let newest = *sort == Sort::Updated && *order == Order::Descending && wanted.is_plain();
        match named {
            Some(named) if named.len() <= FEW => {
                for session in named {
                    moment.parts_of_session(session)?.iter().try_for_each(|part| sums.add(part))?;
                }
            }
            _ if newest => {
                unfolded.values().try_for_each(|part| sums.add(part))?;
                scan_newest(&mut sums, &unfolded, limit.saturating_add(1), after.map(|(measure, _)| measure))?;
            }
            _ => {
                let mut repeated = moment.repeated_sessions(&(i64::MIN..i64::MAX))?;
                unfolded.values().for_each(|part| repeated.see(part.key.session));
                sums.repeated = Some(repeated);
                unfolded.values().try_for_each(|part| sums.add(part))?;
                scan(&mut sums, &unfolded, i64::MIN..i64::MAX)?;
            }
        }
        let Sums { sums, mut best, .. } = sums;
        for (key, sum) in sums.iter().filter(|(_, sum)| wanted.fits(sum)) {
            best.offer(*key, sum.measure);
        }
        let full = best.heap.len() == *limit && *limit > 0;
        let found = best.found;
        let ordered = std::mem::take(&mut best.heap).into_sorted_vec();
        let next = ordered.last().filter(|_| full).map(|Reverse((place, _))| {
            let (value, id) = best.turn(*place);
            PageEnd { sort: code, value, id }
        });
        let keys = ordered.iter().map(|Reverse((_, key))| *key);
        let sessions = keys.map(|key| self.session(key, &moment.parts_with(key, &unfolded)?));
        Ok(SessionPage {
            sessions: sessions.collect::<Result<_, _>>()?,
            found: (!newest).then_some(found),
            next,
            currency: needs_cost.then_some(currency).flatten(),
        })
    }

    /// Ids of the sessions that names or a prefix ask for; `None` where neither does.
    fn named(&self, filter: &SessionFilter) -> Result<Option<Vec<u32>>, Error> {
        let moment = self.moment();
        let mut named: Option<BTreeSet<u32>> = None;
        if !filter.requests.sessions.is_empty() {
            let mut ids = BTreeSet::new();
            for name in &filter.requests.sessions {
                ids.extend(moment.session_ids(name)?);
            }
            named = Some(ids);
        }
        if let Some(prefix) = filter.prefix.as_deref().filter(|prefix| !prefix.is_empty()) {
            let mut ids: BTreeSet<u32> = moment.names_with(2, prefix)?.into_iter().collect();
            if let Some(digits) = prefix.strip_prefix("derived:") {
                ids.extend(moment.names_with(6, digits)?);
            } else if "derived:".starts_with(prefix) {
                ids.extend(moment.names_with(6, "")?);
            }
            named = Some(named.map_or_else(|| ids.clone(), |named| named.intersection(&ids).copied().collect()));
        }
        Ok(named.map(|ids| ids.into_iter().collect()))
    }
}

/// Adds the parts on disk whose ids lie within a range that begins and ends with blocks.
fn scan(sums: &mut Sums<'_>, unfolded: &BTreeMap<i64, Part>, ids: Range<i64>) -> Result<(), Error> {
    let moment = sums.moment;
    moment.each_stored_part(ids, &(i64::MIN..i64::MAX), |part| {
        if !unfolded.is_empty() && unfolded.contains_key(&part.id) { Ok(()) } else { sums.add(part) }
    })
}

/// Adds the newest parts on disk, until there are so many sessions behind an end, and none of the parts left can have ended later
/// than they.
fn scan_newest(
    sums: &mut Sums<'_>,
    unfolded: &BTreeMap<i64, Part>,
    wanted: usize,
    behind: Option<Micros>,
) -> Result<(), Error> {
    let moment = sums.moment;
    // The latest that a part can end whose first row is in a block or in one before it.
    let mut blocks: Vec<(i64, Micros)> = Vec::new();
    {
        let mut statement = moment.connection.prepare_cached("SELECT block, last_start FROM blocks ORDER BY block")?;
        let mut rows = statement.query([])?;
        let mut latest = Micros::MIN;
        while let Some(row) = rows.next()? {
            latest = latest.max(row.get(1)?);
            blocks.push((row.get(0)?, latest.saturating_add(2 * MAX_SPAN)));
        }
    }
    let mut upper = i64::MAX;
    while let Some((block, _)) = blocks.pop() {
        let lower = block * BLOCK_ROWS;
        scan(sums, unfolded, lower..upper)?;
        upper = lower;
        let bound = blocks.last().map_or(Micros::MIN, |(_, latest)| *latest);
        let behind = behind.unwrap_or(Micros::MAX);
        if blocks.len().is_multiple_of(4) && behind > bound {
            let surely = |sum: &&Sum| sum.measure > bound && sum.measure <= behind;
            if sums.sums.values().filter(surely).count() > wanted {
                return Ok(());
            }
        }
    }
    // Parts whose first rows are gone.
    scan(sums, unfolded, i64::MIN..upper)
}

impl SessionQuery {
    /// Reads sessions of a moment that is open.
    #[must_use]
    pub fn at(moment: Moment) -> SessionQuery {
        SessionQuery::new(moment)
    }

    /// Reads the session of a key.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn of_key(&self, key: Key) -> Result<Option<Session>, Error> {
        let parts = self.moment().parts_of(key)?;
        if parts.is_empty() { Ok(None) } else { self.session(key, &parts).map(Some) }
    }
}
