//! Lists of sessions page by page: filters over their parts and their sums, any order, and where the next page goes on.
//!
//! Every part is looked at once, at as few of its columns as the question needs; only the sessions of the page are read in
//! full. The sessions that were active last, the page that is asked for most, need only the newest parts: a part ends at most
//! 48 h after the start of its first row.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::ops::Range;

use foldhash::quality::RandomState;
use hashbrown::HashMap;

use super::fold::BLOCK_ROWS;
use super::moment::Moment;
use super::open::Error;
use super::request_filter::{Ids, Matcher};
use super::request_view::{Order, PageEnd, RequestFilter};
use super::session::read_costs;
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

    fn needs_cost(&self) -> bool {
        self.sort == Sort::Cost || self.filter.min_cost.is_some()
    }
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// The sums of sessions, by their keys.
struct Sums<'a> {
    moment: &'a Moment,
    wanted: &'a Wanted<'a>,
    sums: HashMap<Key, Sum, RandomState>,
}

impl Sums<'_> {
    fn add(&mut self, part: &Part) -> Result<(), Error> {
        let wanted = self.wanted;
        if wanted.sessions.as_ref().is_some_and(|ids| !ids.contains(part.key.session)) {
            return Ok(());
        }
        let listed = fits_part(self.moment, &wanted.matcher, part)?;
        let cost = wanted.cost(part);
        let measure = wanted.measure(part, cost);
        let (turns, tokens) = (number(part.turns), number(part.tokens.total()));
        let new = Sum {
            measure,
            cost,
            tokens,
            turns,
            duration: part.duration(),
            errors: part.errors > 0,
            open: part.closed.is_none(),
            listed,
        };
        let sum = match self.sums.entry(part.key) {
            hashbrown::hash_map::Entry::Occupied(known) => known.into_mut(),
            hashbrown::hash_map::Entry::Vacant(place) => {
                place.insert(new);
                return Ok(());
            }
        };
        sum.measure = match wanted.sort {
            Sort::Updated => sum.measure.max(measure),
            Sort::Start => sum.measure.min(measure),
            Sort::Cost | Sort::Tokens | Sort::Turns | Sort::Duration => sum.measure.saturating_add(measure),
        };
        sum.cost = sum.cost.saturating_add(cost);
        sum.tokens = sum.tokens.saturating_add(tokens);
        sum.turns = sum.turns.saturating_add(turns);
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

/// Reads the ids of a stored list of attributes: a JSON array of small numbers.
pub(super) fn read_ids(text: &str, into: &mut Vec<u32>) {
    into.clear();
    let digits = text.trim_matches(['[', ']']).split(',');
    into.extend(digits.filter_map(|digits| digits.trim().parse::<u32>().ok()));
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
        let turn = |(measure, place): (i64, i64)| match order {
            Order::Descending => (measure, place),
            Order::Ascending => (!measure, !place),
        };
        let after = after.map(|end| end.check(code)).transpose()?.map(|end| turn((end.value, end.id)));
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
        let mut sums = Sums { moment, wanted: &wanted, sums: HashMap::default() };
        match named {
            Some(named) if named.len() <= FEW => {
                for session in named {
                    moment.parts_of_session(session)?.iter().try_for_each(|part| sums.add(part))?;
                }
            }
            _ => {
                unfolded.values().try_for_each(|part| sums.add(part))?;
                let newest = *sort == Sort::Updated && *order == Order::Descending && wanted.is_plain();
                let enough = newest.then(|| (limit.saturating_add(1), after.map(|(measure, _)| measure)));
                scan(&mut sums, &unfolded, enough)?;
            }
        }
        let mut best: BinaryHeap<Reverse<((i64, i64), Key)>> = BinaryHeap::new();
        let mut found = 0_u64;
        for (key, sum) in sums.sums.iter().filter(|(_, sum)| wanted.fits(sum)) {
            found += 1;
            let place = turn((sum.measure, place(*key)));
            if after.is_some_and(|after| place >= after) {
                continue;
            }
            if best.len() < *limit {
                best.push(Reverse((place, *key)));
            } else if let Some(mut worst) = best.peek_mut().filter(|worst| worst.0.0 < place) {
                *worst = Reverse((place, *key));
            }
        }
        let full = best.len() == *limit && *limit > 0;
        let ordered = best.into_sorted_vec();
        let next = ordered.last().filter(|_| full).map(|Reverse((place, _))| {
            let (value, id) = turn(*place);
            PageEnd { sort: code, value, id }
        });
        let keys = ordered.iter().map(|Reverse((_, key))| *key);
        let sessions = keys.map(|key| self.session(key, &moment.parts_with(key, &unfolded)?));
        let whole = !(*sort == Sort::Updated && *order == Order::Descending && wanted.is_plain());
        Ok(SessionPage {
            sessions: sessions.collect::<Result<_, _>>()?,
            found: whole.then_some(found),
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

/// Adds the parts on disk. Where only the newest are wanted, `enough` says how many sessions suffice and behind which end; then
/// the scan stops at parts that cannot have ended later than those.
fn scan(
    sums: &mut Sums<'_>,
    unfolded: &BTreeMap<i64, Part>,
    enough: Option<(usize, Option<Micros>)>,
) -> Result<(), Error> {
    let Some((wanted, behind)) = enough else { return scan_range(sums, unfolded, i64::MIN..i64::MAX) };
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
        scan_range(sums, unfolded, lower..upper)?;
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
    scan_range(sums, unfolded, i64::MIN..upper)
}

fn scan_range(sums: &mut Sums<'_>, unfolded: &BTreeMap<i64, Part>, ids: Range<i64>) -> Result<(), Error> {
    let wanted = sums.wanted;
    let SessionFilter { min_turns, min_tokens, .. } = wanted.filter;
    let of_attributes = wanted.matcher.attributes.is_some();
    let of_users = wanted.matcher.users.is_some();
    let (of_turns, of_tokens) =
        (wanted.sort == Sort::Turns || min_turns.is_some(), wanted.sort == Sort::Tokens || min_tokens.is_some());
    // Reading and parsing is most of the work, so what is not asked for is not read.
    let mut columns = vec!["id", "session", "gateway", "start", "end"];
    let mut also = |asked: bool, names: &[&'static str]| {
        let first = columns.len();
        columns.extend(names.iter().filter(|_| asked));
        asked.then_some(first)
    };
    let open = also(wanted.filter.open, &["closed"]);
    let turns = also(of_turns, &["turns"]);
    let errors = also(wanted.filter.errors, &["errors"]);
    let tokens = also(
        of_tokens,
        &["uncached_input + cache_read + cache_write_5m + cache_write_1h + visible_output + reasoning"],
    );
    let costs = also(wanted.needs_cost(), &["costs"]);
    let attributes = also(of_attributes, &["last_row", "attributes", "more_attributes"]);
    let users = also(of_users, &["last_row", "user", "mixed_users & 1"]);
    let sql = format!("SELECT {} FROM parts WHERE id >= ?1 AND id < ?2", columns.join(", "));
    let moment = sums.moment;
    let mut statement = moment.connection.prepare_cached(&sql)?;
    let mut rows = statement.query([ids.start, ids.end])?;
    let mut part = Part::default();
    while let Some(row) = rows.next()? {
        part.id = row.get(0)?;
        if !unfolded.is_empty() && unfolded.contains_key(&part.id) {
            continue;
        }
        part.key = Key { session: row.get(1)?, gateway: row.get(2)? };
        (part.start, part.end) = (row.get(3)?, row.get(4)?);
        if let Some(at) = open {
            part.closed = row.get::<_, Option<i64>>(at)?.map(|_| crate::session::Reason::Idle);
        }
        if let Some(at) = turns {
            part.turns = row.get(at)?;
        }
        if let Some(at) = errors {
            part.errors = row.get(at)?;
        }
        if let Some(at) = tokens {
            part.tokens.uncached_input = row.get(at)?;
        }
        if let Some(at) = costs {
            part.costs = read_costs(part.id, row.get_ref(at)?.as_str().unwrap_or_default())?;
        }
        if let Some(at) = attributes {
            part.last_row = row.get(at)?;
            read_ids(row.get_ref(at + 1)?.as_str().unwrap_or_default(), &mut part.attributes);
            part.more_attributes = row.get(at + 2)?;
        }
        if let Some(at) = users {
            part.last_row = row.get(at)?;
            (part.user, part.mixed_users) = (row.get(at + 1)?, row.get(at + 2)?);
        }
        sums.add(&part)?;
    }
    Ok(())
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
